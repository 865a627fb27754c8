//! The policy of the merge queue over simulated days: whatever comes in, it comes to its end, lands nothing that was not checked,
//! refuses nobody for somebody else; and it takes less time and fewer checks than what it replaces.
//! `cargo xtask bench queue` prints the figures.

use pilothouse_testkit::queue::{Came, Day, Way, live};

const QUIET: Day =
    Day { pulls: 40, over: 0.0, bad: 0.02, clash: 0.0, pair: 0.0, flake: 0.0, parallel: 1, batch: 40 };

/// Days of every kind, each from its seed.
fn some_day(seed: u64) -> Day {
    let of = |n: u64, k: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left((7 * k) as u32) % n;
    let share = |n: u64, k: u64| of(n, k) as f64 / 100.0;
    Day {
        pulls: 1 + of(60, 1) as usize,
        over: of(40, 2) as f64,
        bad: share(40, 3),
        clash: share(30, 4),
        pair: share(4, 5),
        flake: share(10, 6),
        parallel: 1 + of(8, 7) as usize,
        batch: 1 + of(16, 8) as usize,
    }
}

#[test]
fn every_day_ends_and_nothing_lands_unchecked_or_is_refused_for_another_one() {
    let (mut landed, mut refused, mut clashed) = (0, 0, 0);
    for seed in 0..2_000 {
        let day = some_day(seed);
        let came = live(Way::Ours, day, seed);
        assert_eq!(came.faults, Vec::<String>::new(), "seed {seed}, {day:?}");
        assert_eq!(came.landed + came.refused + came.clashed, day.pulls, "seed {seed}");
        assert_eq!(came, live(Way::Ours, day, seed), "a seed is a whole day");
        landed += came.landed;
        refused += came.refused;
        clashed += came.clashed;
    }
    assert!(landed > 20_000 && refused > 2_000 && clashed > 1_000, "{landed}, {refused}, {clashed}");
}

#[test]
fn without_flakes_nobody_good_is_refused_and_nobody_bad_lands() {
    for seed in 0..300 {
        let day = Day { flake: 0.0, pair: 0.0, clash: 0.0, ..some_day(seed) };
        let (ours, plain) = (live(Way::Ours, day, seed), live(Way::OneByOne, day, seed));
        assert_eq!(
            (ours.landed, ours.refused, ours.wronged),
            (plain.landed, plain.refused, 0),
            "seed {seed}"
        );
    }
}

fn mean(way: Way, day: Day, of: fn(&Came) -> f64) -> f64 {
    (0..40).map(|seed| of(&live(way, day, seed))).sum::<f64>() / 40.0
}

#[test]
fn it_is_as_quick_as_the_design_measured_it() {
    // 40 at once, as in the design's own simulation: 7.9 to 10.8 of the time of a check where one of fifty is bad, 53 where one
    // of four is. It does not know beforehand how many are.
    let until: fn(&Came) -> f64 = |it| it.until;
    let rare = mean(Way::Ours, QUIET, until);
    assert!(rare < 13.0, "{rare}");
    let often = Day { bad: 0.25, pair: 0.002, flake: 0.02, ..QUIET };
    let (ours, plain) = (mean(Way::Ours, often, until), mean(Way::OneByOne, often, until));
    assert!(ours < plain * 1.35, "{ours}, one by one {plain}");
    // With machines to spare it is a window of single ones.
    let four = mean(Way::Ours, Day { parallel: 4, ..often }, until);
    assert!(four < plain * 0.75, "{four}, one by one {plain}");
}

#[test]
fn a_day_of_five_hundred_is_done_far_sooner_than_one_by_one_and_than_in_plain_batches() {
    let day = Day { pulls: 500, over: 80.0, bad: 0.05, clash: 0.1, flake: 0.01, batch: 8, ..QUIET };
    let until: fn(&Came) -> f64 = |it| it.until;
    let checks: fn(&Came) -> f64 = |it| f64::from(it.checks);
    let some =
        |way, day, of: fn(&Came) -> f64| (0..5).map(|seed| of(&live(way, day, seed))).sum::<f64>() / 5.0;
    let one_by_one = some(Way::OneByOne, day, until);
    let batches = some(Way::Batches(8), day, until);
    let (ours, run) = (some(Way::Ours, day, until), some(Way::Ours, day, checks));
    assert!(
        ours < one_by_one * 0.6 && run < some(Way::OneByOne, day, checks) * 0.6,
        "{ours} of {one_by_one}"
    );
    let two = some(Way::Ours, Day { parallel: 2, ..day }, until);
    assert!(ours < batches * 1.05 && two < batches * 0.8, "{ours} and {two} of {batches}");
}
