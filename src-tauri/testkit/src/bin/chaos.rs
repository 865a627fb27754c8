//! `chaos KILLS SEED [--json]`: kills what is ours while sessions work, and says what it cost. Exit code 1 if it cost
//! anything. The programs are those in `PILOTHOUSE_BIN_DIR`.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Instant;

use pilothouse_testkit::chaos;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|it| it.parse::<u64>().ok());
    let (Some(kills), Some(seed)) = (number(), number()) else {
        println!("usage: chaos KILLS SEED [--json]");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let outcome = chaos::run(kills, seed);
    if args.any(|it| it == "--json") {
        println!("{:#}", outcome.json());
    } else {
        println!(
            "{} kills in {:.0} s: {} lines written, {} lost, {} doubled; {} programs lost, {} screens wrong (seed {})",
            outcome.kills,
            begun.elapsed().as_secs_f64(),
            outcome.lines_written,
            outcome.lines_lost,
            outcome.lines_doubled,
            outcome.agents_lost,
            outcome.screens_wrong,
            outcome.seed
        );
        if !outcome.holds() {
            println!("in this order: {}", outcome.order.join(", "));
        }
    }
    ExitCode::from(u8::from(!outcome.holds()))
}
