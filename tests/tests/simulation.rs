//! The coordination layer under seeded simulation: kills between any two effects, agents of every manner, a dirty
//! checkout, moves from outside. `cargo xtask sim --seeds N` runs more seeds.

use pilothouse_testkit::sim;

#[test]
fn every_seed_ends_in_a_typed_state_with_nothing_lost_or_doubled() {
    let mut landed = 0;
    let mut kills = 0;
    for seed in 0..1_000 {
        let outcome = sim::run(seed);
        assert_eq!(outcome.faults, Vec::<String>::new(), "seed {seed}");
        landed += outcome.landed;
        kills += outcome.kills;
    }
    assert!(landed > 500, "only {landed} runs landed: the simulation does not reach the end of the road");
    assert!(kills > 1_000, "only {kills} kills");
}

#[test]
fn a_seed_is_a_whole_run() {
    assert_eq!(sim::run(7), sim::run(7));
}
