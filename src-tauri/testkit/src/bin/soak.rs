//! `soak --minutes N --seed N [--json]`: a soak of the real programs, which are those in `PILOTHOUSE_BIN_DIR`. Exit code 1 if anything
//! was lost, done twice or without a typed end, or if memory did not stay where it was. `soak --hours N --seed N [--json]`: the same
//! of a simulated fleet under a frozen clock.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pilothouse_testkit::sim::{self, BreachKind};
use pilothouse_testkit::soak;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let said = |name: &str| args.iter().skip_while(|it| *it != name).nth(1);
    let number = |name: &str| said(name).and_then(|it| it.parse::<f64>().ok());
    let json = args.iter().any(|it| it == "--json");
    let (minutes, seed) = match (number("--minutes"), number("--hours"), number("--seed")) {
        (None, Some(hours), Some(seed)) => return simulated(hours as u32, seed as u64, json),
        (Some(minutes), None, Some(seed)) => (minutes, seed),
        _ => {
            println!(
                "usage: soak --minutes N --seed N [--json], or soak --hours N --seed N [--json] for a simulated fleet"
            );
            return ExitCode::from(2);
        }
    };
    let (outcome, _home) = soak::run(Duration::from_secs_f64(minutes * 60.0), seed as u64);
    if json {
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

/// A long life of the simulation.
fn simulated(hours: u32, seed: u64, json: bool) -> ExitCode {
    let begun = Instant::now();
    let life = sim::live(hours, seed);
    let out = &life.outcome;
    let count = |kind: BreachKind| out.faults.iter().filter(|it| it.kind == kind).count();
    let document = serde_json::json!({
        "hours": life.hours,
        "seed": seed,
        "runs": out.landed + out.stopped + out.parked,
        "landed": out.landed,
        "stopped": out.stopped,
        "parked": out.parked,
        "resumed": out.resumed,
        "kills": out.kills,
        "reboots": out.reboots,
        "disk_full": out.disk_full,
        "jumps": out.jumps,
        "failed_effects": out.failed,
        "beside": out.beside,
        "decisions": out.decisions,
        "effects": out.effects,
        "lost": count(BreachKind::Lost),
        "doubled": count(BreachKind::Doubled),
        "overlaps": count(BreachKind::Overlap),
        "untyped_ends": count(BreachKind::UntypedEnd),
        "untrue": count(BreachKind::Untrue),
        "faults": out.faults.iter().map(|it| it.says.as_str()).collect::<Vec<_>>(),
        "quarters": life.quarters,
        "grown": life.grown,
        "holds": life.holds(),
        "seconds": begun.elapsed().as_secs_f64(),
    });
    if json {
        println!("{document:#}");
    } else {
        println!(
            "{:.0} virtual hours in {:.1} s: {} runs landed, {} stopped, {} let go on, over {} kills and {} decisions",
            life.hours,
            begun.elapsed().as_secs_f64(),
            out.landed,
            out.stopped,
            out.resumed,
            out.kills,
            out.decisions
        );
        life.quarters.iter().for_each(|it| println!("{it:?}"));
        out.faults.iter().for_each(|it| println!("{}", it.says));
        life.grown.iter().for_each(|it| println!("grown: {it}"));
    }
    ExitCode::from(u8::from(!life.holds()))
}
