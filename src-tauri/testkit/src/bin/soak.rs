//! `soak --minutes N --seed N [--json]`: a soak of the real programs, which are those in `PILOTHOUSE_BIN_DIR`. Exit code 1 if anything
//! was lost, done twice or without a typed end, or if memory did not stay where it was.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Duration;

use pilothouse_testkit::soak;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let said = |name: &str| args.iter().skip_while(|it| *it != name).nth(1);
    let number = |name: &str| said(name).and_then(|it| it.parse::<f64>().ok());
    let (Some(minutes), Some(seed)) = (number("--minutes"), number("--seed")) else {
        println!("usage: soak --minutes N --seed N [--json]");
        return ExitCode::from(2);
    };
    let (outcome, _home) = soak::run(Duration::from_secs_f64(minutes * 60.0), seed as u64);
    if args.iter().any(|it| it == "--json") {
        println!("{:#}", outcome.json());
    } else {
        println!(
            "{minutes} minutes: {} runs landed, {} stopped, {} parked and {} of those let go on; {} kills; {} tasks: {} lost, {} \
             doubled; {} ends without a type, {} of {} sessions lost (seed {})",
            outcome.landed,
            outcome.stopped,
            outcome.parked.values().sum::<u32>(),
            outcome.let_go_on,
            outcome.kills.values().sum::<u32>(),
            outcome.tasks,
            outcome.lost,
            outcome.doubled,
            outcome.untyped_ends,
            outcome.sessions_lost,
            outcome.sessions,
            outcome.seed
        );
        outcome.faults.iter().for_each(|it| println!("{it}"));
        match outcome.flatness() {
            Some(it) => println!("memory is {}: {it:?}", if it.is_flat() { "flat" } else { "not flat" }),
            None => println!("too short to say whether memory is flat"),
        }
    }
    ExitCode::from(u8::from(!outcome.holds()))
}
