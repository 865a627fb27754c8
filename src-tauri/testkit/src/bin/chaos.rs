//! `chaos KILLS SEED [--json]`: kills what is ours while sessions work, and says what it cost. Exit code 1 if it cost
//! anything. The programs are those in `PILOTHOUSE_BIN_DIR`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Instant;

use pilothouse_testkit::chaos::{self, Plan};

/// So many lines each program that counts writes around every strike.
const LINES: u64 = 100_000;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|it| it.parse::<u64>().ok());
    let (Some(kills), Some(seed)) = (number(), number()) else {
        println!("usage: chaos KILLS SEED [--json]");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let outcome = chaos::run(Plan { kills, seed, lines: LINES });
    if args.any(|it| it == "--json") {
        println!("{:#}", outcome.json());
    } else {
        println!(
            "{} kills ({} of the window), {} stops, {} upgrades and {} sizes in {:.0} s, while {} drew: {} lines written, {} lost, \
             {} doubled; {} programs lost, {} of {} screens wrong (seed {})",
            outcome.kills,
            outcome.windows,
            outcome.stops,
            outcome.upgrades,
            outcome.sizes,
            begun.elapsed().as_secs_f64(),
            outcome.drew.join(", "),
            outcome.lines_written,
            outcome.lines_lost,
            outcome.lines_doubled,
            outcome.agents_lost,
            outcome.screens_wrong,
            outcome.screens,
            outcome.seed
        );
    }
    if !outcome.holds() {
        eprintln!("{}\nin this order: {}", outcome.faults.join("\n"), outcome.order.join(", "));
    }
    ExitCode::from(u8::from(!outcome.holds()))
}
