//! `landings FROM SEEDS [--json]`: seeds of the simulation that are about landing. Exit code 1 if the default branch was red or
//! rewritten in one, or anything was lost or doubled; its number is printed, and running it alone shows it again.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;

use pilothouse_testkit::sim::{self, BreachKind, Tally};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|it| it.parse::<u64>().ok());
    let (Some(from), Some(seeds)) = (number(), number()) else {
        println!("usage: landings FROM SEEDS [--json]");
        return ExitCode::from(2);
    };
    let json = args.any(|it| it == "--json");
    let tally = Tally::of(sim::over(from, seeds, sim::land));
    let faulty = tally.faulty();
    let document = serde_json::json!({
        "landings": tally.sum(|it| it.landings),
        "together": tally.sum(|it| it.together),
        "red_mains": tally.faults(BreachKind::Red),
        "rewrites": tally.faults(BreachKind::Rewritten),
        "lost": tally.faults(BreachKind::Lost),
        "doubled": tally.faults(BreachKind::Doubled),
        "untrue": tally.faults(BreachKind::Untrue) + tally.faults(BreachKind::Overlap),
        "untyped_ends": tally.faults(BreachKind::UntypedEnd),
        "kills": tally.sum(|it| it.kills),
        "failed_effects": tally.sum(|it| it.failed),
        "seeds": tally.outcomes.len(),
        "slowest_seed": tally.slowest,
        "faulty": faulty.iter().map(|(seed, says)| serde_json::json!({ "seed": seed, "faults": says })).collect::<Vec<_>>(),
    });
    if json {
        println!("{document:#}");
    } else {
        println!(
            "{} seeds: {} pull requests landed, {} of them with another one, over {} kills",
            tally.outcomes.len(),
            tally.sum(|it| it.landings),
            tally.sum(|it| it.together),
            tally.sum(|it| it.kills)
        );
        for (seed, says) in &faulty {
            println!("seed {seed}: {}", says.join("; "));
        }
    }
    ExitCode::from(u8::from(!faulty.is_empty()))
}
