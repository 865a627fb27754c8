//! `landings FROM SEEDS [--json]`: seeds of the simulation that are about landing. Exit code 1 if the default branch was red or
//! rewritten in one, or anything was lost or doubled; its number is printed, and running it alone shows it again.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;

use pilothouse_testkit::sim::{self, BreachKind, Outcome};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|it| it.parse::<u64>().ok());
    let (Some(from), Some(seeds)) = (number(), number()) else {
        println!("usage: landings FROM SEEDS [--json]");
        return ExitCode::from(2);
    };
    let json = args.any(|it| it == "--json");
    let timed = sim::over(from, seeds, sim::land);
    let slowest = timed.iter().max_by_key(|it| it.0).map(|it| it.1.seed);
    let outcomes: Vec<Outcome> = timed.into_iter().map(|it| it.1).collect();
    let faults =
        |kind: BreachKind| outcomes.iter().flat_map(|it| &it.faults).filter(|it| it.kind == kind).count();
    let sum = |of: fn(&Outcome) -> u32| outcomes.iter().map(|it| u64::from(of(it))).sum::<u64>();
    let faulty: Vec<&Outcome> = outcomes.iter().filter(|it| !it.faults.is_empty()).collect();
    let said = |it: &Outcome| it.faults.iter().map(|it| it.says.clone()).collect::<Vec<_>>();
    let document = serde_json::json!({
        "landings": sum(|it| it.landings),
        "together": sum(|it| it.together),
        "red_mains": faults(BreachKind::Red),
        "rewrites": faults(BreachKind::Rewritten),
        "lost": faults(BreachKind::Lost),
        "doubled": faults(BreachKind::Doubled),
        "untrue": faults(BreachKind::Untrue) + faults(BreachKind::Overlap),
        "untyped_ends": faults(BreachKind::UntypedEnd),
        "kills": sum(|it| it.kills),
        "failed_effects": sum(|it| it.failed),
        "seeds": outcomes.len(),
        "slowest_seed": slowest,
        "faulty": faulty.iter().map(|it| serde_json::json!({ "seed": it.seed, "faults": said(it) })).collect::<Vec<_>>(),
    });
    if json {
        println!("{document:#}");
    } else {
        println!(
            "{} seeds: {} pull requests landed, {} of them with another one, over {} kills",
            outcomes.len(),
            sum(|it| it.landings),
            sum(|it| it.together),
            sum(|it| it.kills)
        );
        for outcome in &faulty {
            println!("seed {}: {}", outcome.seed, said(outcome).join("; "));
        }
    }
    ExitCode::from(u8::from(!faulty.is_empty()))
}
