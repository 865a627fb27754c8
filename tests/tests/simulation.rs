//! The coordination layer under seeded simulation: kills between any two effects, agents of every manner, effects that fail, full
//! disks, sessions that are gone, clocks that jump, a dirty checkout, moves from outside, people who stop, end, remove and mend.
//! `cargo xtask sim --seeds N` runs more seeds, `cargo xtask soak --hours N --virtual` a longer life.
#![allow(clippy::print_stdout, reason = "how many seeds ran belongs into the test's output")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pilothouse_testkit::sim::{self, Outcome};

/// So many seeds, whatever they take. An unoptimised build makes some thirty a second on two cores that nobody else uses.
const SEEDS: u64 = 1_000;

#[test]
fn every_seed_ends_in_a_typed_state_with_nothing_lost_or_doubled() {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let work = || {
        let mut mine: Vec<Outcome> = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return mine;
            }
            mine.push(sim::run(seed));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    println!("{} seeds in {:.1} s", outcomes.len(), begun.elapsed().as_secs_f64());
    for outcome in &outcomes {
        assert_eq!(outcome.faults, [], "seed {}", outcome.seed);
    }
    let ran = u32::try_from(outcomes.len()).unwrap();
    let sum = |of: fn(&Outcome) -> u32| outcomes.iter().map(of).sum::<u32>();
    let (landed, kills, stopped) = (sum(|it| it.landed), sum(|it| it.kills), sum(|it| it.stopped));
    let resumed = sum(|it| it.resumed);
    assert!(
        landed > ran / 2,
        "only {landed} runs of {ran} seeds landed: they do not reach the end of the road"
    );
    assert!(kills > ran, "only {kills} kills in {ran} seeds");
    assert!(resumed > ran / 5, "only {resumed} parked runs went on in {ran} seeds");
    assert!(stopped > 0, "no run was stopped in {ran} seeds");
    let went_on = sum(|it| it.went_on);
    assert!(went_on > ran / 5, "only {went_on} tries went on where the last one stood, in {ran} seeds");
    let handed_over = sum(|it| it.handed_over);
    assert!(handed_over > ran / 5, "only {handed_over} sessions were handed over in {ran} seeds");
    let troubles = [
        ("effects that failed", sum(|it| it.failed)),
        ("full disks", sum(|it| it.disk_full)),
        ("jumps of the clock", sum(|it| it.jumps)),
        ("restarts of the machine", sum(|it| it.reboots)),
    ];
    for (name, count) in troubles {
        assert!(count > ran / 10, "only {count} {name} in {ran} seeds");
    }
}

#[test]
fn a_seed_is_a_whole_run() {
    assert_eq!(sim::run(7), sim::run(7));
}

#[test]
fn a_long_life_keeps_every_promise_and_nothing_grows() {
    // In a shorter one the first quarter has hardly a run that ended, and what is kept of each says little.
    let life = sim::live(8, 1);
    assert_eq!(life.outcome.faults, []);
    assert_eq!(life.grown, Vec::<String>::new(), "{:?}", life.quarters);
    assert!(life.hours >= 8.0 && life.outcome.landed > 15, "{life:?}");
    assert!(life.outcome.kills > 100 && life.outcome.reboots > 0 && life.outcome.disk_full > 0, "{life:?}");
    // There was something to keep in each quarter.
    assert!(life.quarters.iter().all(|it| it.leases > 0.0 && it.live_bytes > 0.0), "{:?}", life.quarters);
}
