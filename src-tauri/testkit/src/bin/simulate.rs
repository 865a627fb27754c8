//! `simulate FROM SEEDS [--json]`: runs seeds of the simulation on both cores and says what they came to. Exit code 1 if
//! one did not hold; its number is printed, and running it alone shows it again.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Instant;

use pilothouse_testkit::sim::{self, BreachKind, Outcome};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|it| it.parse::<u64>().ok());
    let (Some(from), Some(seeds)) = (number(), number()) else {
        println!("usage: simulate FROM SEEDS [--json]");
        return ExitCode::from(2);
    };
    let json = args.any(|it| it == "--json");
    let begun = Instant::now();
    let timed = sim::over(from, seeds, sim::run);
    let slowest = timed.iter().max_by_key(|it| it.0).map(|it| it.1.seed);
    let outcomes: Vec<Outcome> = timed.into_iter().map(|it| it.1).collect();
    let faults =
        |kind: BreachKind| outcomes.iter().flat_map(|it| &it.faults).filter(|it| it.kind == kind).count();
    let sum = |of: fn(&Outcome) -> u32| outcomes.iter().map(|it| u64::from(of(it))).sum::<u64>();
    let faulty: Vec<&Outcome> = outcomes.iter().filter(|it| !it.faults.is_empty()).collect();
    let document = serde_json::json!({
        "seeds": outcomes.len(),
        "runs": sum(|it| it.landed + it.parked + it.stopped),
        "lost": faults(BreachKind::Lost),
        "doubled": faults(BreachKind::Doubled),
        "overlaps": faults(BreachKind::Overlap),
        "untyped_ends": faults(BreachKind::UntypedEnd),
        "untrue": faults(BreachKind::Untrue),
        "slowest_seed": slowest,
        "landed": sum(|it| it.landed),
        "parked": sum(|it| it.parked),
        "stopped": sum(|it| it.stopped),
        "resumed": sum(|it| it.resumed),
        "went_on": sum(|it| it.went_on),
        "handed_over": sum(|it| it.handed_over),
        "kills": sum(|it| it.kills),
        "reboots": sum(|it| it.reboots),
        "disk_full": sum(|it| it.disk_full),
        "jumps": sum(|it| it.jumps),
        "failed_effects": sum(|it| it.failed),
        "beside": sum(|it| it.beside),
        "decisions": sum(|it| it.decisions),
        "effects": sum(|it| it.effects),
        "faulty": faulty.iter().map(|it| serde_json::json!({ "seed": it.seed, "faults": said(it) })).collect::<Vec<_>>(),
        "seconds": begun.elapsed().as_secs_f64(),
    });
    if json {
        println!("{document:#}");
    } else {
        println!(
            "{} seeds in {:.1} s: {} runs landed, {} parked, {} stopped, {} let go on, over {} kills and {} decisions",
            outcomes.len(),
            begun.elapsed().as_secs_f64(),
            sum(|it| it.landed),
            sum(|it| it.parked),
            sum(|it| it.stopped),
            sum(|it| it.resumed),
            sum(|it| it.kills),
            sum(|it| it.decisions)
        );
        for outcome in &faulty {
            println!("seed {}: {}", outcome.seed, said(outcome).join("; "));
        }
    }
    ExitCode::from(u8::from(!faulty.is_empty()))
}

fn said(outcome: &Outcome) -> Vec<&str> {
    outcome.faults.iter().map(|it| it.says.as_str()).collect()
}
