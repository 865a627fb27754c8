//! `queue`: a simulated day of a merge queue, beside landing one by one and plain batches. Prints samples as JSON for
//! `cargo xtask bench queue`. The same seeds give the same figures on any machine.

use pilothouse_testkit::queue::{Came, Day, Way, live};
use pilothouse_testkit::samples::{self, Samples};

/// So many days, each from a seed of its own.
const DAYS: u64 = 20;
/// 500 pull requests over eight hours, with a check of six minutes.
const DAY: Day =
    Day { pulls: 500, over: 80.0, bad: 0.05, clash: 0.10, pair: 0.0, flake: 0.01, parallel: 1, batch: 8 };
/// As bors has them.
const BATCH: usize = 8;

fn days(way: Way, day: Day) -> Vec<Came> {
    let days: Vec<Came> = (0..DAYS).map(|seed| live(way, day, seed)).collect();
    assert!(days.iter().all(|it| it.faults.is_empty()), "{:?}", days.iter().find(|it| !it.faults.is_empty()));
    days
}

fn main() {
    let until = |all: &[Came]| all.iter().map(|it| it.until).collect::<Vec<f64>>();
    let checks = |all: &[Came]| all.iter().map(|it| f64::from(it.checks)).collect::<Vec<f64>>();
    let mut rows = Vec::new();
    let others = [
        (days(Way::OneByOne, DAY), "landing one by one"),
        (days(Way::Batches(BATCH), DAY), "plain batches of 8"),
    ];
    for parallel in [1, 2, 4] {
        let ours = days(Way::Ours, Day { parallel, ..DAY });
        for (other, name) in &others {
            let mut row = |what: &str, unit, ours, baseline| {
                rows.push(Samples {
                    name: format!("{what}, {parallel} at once"),
                    unit,
                    ours,
                    baseline,
                    baseline_name: name,
                });
            };
            row("until empty", "checks' time", until(&ours), until(other));
            row("checks run", "checks", checks(&ours), checks(other));
        }
    }
    // The kinds of days of the design's own simulation: all at once, and batches as large as they like.
    for (bad, pair, flake) in [(0.02, 0.0, 0.0), (0.10, 0.001, 0.01), (0.25, 0.002, 0.02)] {
        let day = Day { pulls: 40, over: 0.0, bad, clash: 0.0, pair, flake, parallel: 1, batch: 40 };
        let one_by_one = days(Way::OneByOne, day);
        for parallel in [1, 2, 4] {
            let ours = days(Way::Ours, Day { parallel, ..day });
            let mut row = |what: &str, unit, ours, baseline| {
                rows.push(Samples {
                    name: format!("40 of which {:.0} % are bad, {what}, {parallel} at once", bad * 100.0),
                    unit,
                    ours,
                    baseline,
                    baseline_name: "landing one by one",
                });
            };
            row("until empty", "checks' time", until(&ours), until(&one_by_one));
            row("checks run", "checks", checks(&ours), checks(&one_by_one));
        }
    }
    samples::print(&rows);
}
