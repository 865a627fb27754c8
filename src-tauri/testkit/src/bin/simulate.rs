//! `simulate FROM SEEDS [--json]`: runs seeds of the simulation on both cores and says what they came to. Exit code 1 if
//! one did not hold; its number is printed, and running it alone shows it again.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Instant;

use pilothouse_testkit::sim::{self, BreachKind, Tally};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|it| it.parse::<u64>().ok());
    let (Some(from), Some(seeds)) = (number(), number()) else {
        println!("usage: simulate FROM SEEDS [--json]");
        return ExitCode::from(2);
    };
    let json = args.any(|it| it == "--json");
    let begun = Instant::now();
    let tally = Tally::of(sim::over(from, seeds, sim::run));
    let faulty = tally.faulty();
    let document = serde_json::json!({
        "seeds": tally.outcomes.len(),
        "runs": tally.sum(|it| it.landed + it.parked + it.stopped),
        "lost": tally.faults(BreachKind::Lost),
        "doubled": tally.faults(BreachKind::Doubled),
        "overlaps": tally.faults(BreachKind::Overlap),
        "untyped_ends": tally.faults(BreachKind::UntypedEnd),
        "untrue": tally.faults(BreachKind::Untrue),
        "slowest_seed": tally.slowest,
        "landed": tally.sum(|it| it.landed),
        "parked": tally.sum(|it| it.parked),
        "stopped": tally.sum(|it| it.stopped),
        "resumed": tally.sum(|it| it.resumed),
        "went_on": tally.sum(|it| it.went_on),
        "handed_over": tally.sum(|it| it.handed_over),
        "kills": tally.sum(|it| it.kills),
        "reboots": tally.sum(|it| it.reboots),
        "disk_full": tally.sum(|it| it.disk_full),
        "jumps": tally.sum(|it| it.jumps),
        "failed_effects": tally.sum(|it| it.failed),
        "beside": tally.sum(|it| it.beside),
        "decisions": tally.sum(|it| it.decisions),
        "effects": tally.sum(|it| it.effects),
        "faulty": faulty.iter().map(|(seed, says)| serde_json::json!({ "seed": seed, "faults": says })).collect::<Vec<_>>(),
        "seconds": begun.elapsed().as_secs_f64(),
    });
    if json {
        println!("{document:#}");
    } else {
        println!(
            "{} seeds in {:.1} s: {} runs landed, {} parked, {} stopped, {} let go on, over {} kills and {} decisions",
            tally.outcomes.len(),
            begun.elapsed().as_secs_f64(),
            tally.sum(|it| it.landed),
            tally.sum(|it| it.parked),
            tally.sum(|it| it.stopped),
            tally.sum(|it| it.resumed),
            tally.sum(|it| it.kills),
            tally.sum(|it| it.decisions)
        );
        for (seed, says) in &faulty {
            println!("seed {seed}: {}", says.join("; "));
        }
    }
    ExitCode::from(u8::from(!faulty.is_empty()))
}
