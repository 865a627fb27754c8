//! What the quiet wrapper ran, counted and as samples of how long commands take.

use pilothouse_contract::pace::{By, QuietCount, Sample};

use crate::store::QuietRun;

/// A run as a sample.
#[must_use]
pub fn sample(it: &QuietRun) -> Sample {
    Sample { command: it.command.clone(), ms: it.ms, by: By::Quiet }
}

/// Runs, counted.
#[must_use]
pub fn counted<'a>(runs: impl IntoIterator<Item = &'a QuietRun>) -> QuietCount {
    let one = |it: &QuietRun| QuietCount {
        runs: 1,
        failed: u32::from(it.exit != Some(0)),
        whole_bytes: it.whole,
        shown_bytes: it.shown,
        tests: it.tests.unwrap_or_default(),
    };
    runs.into_iter().fold(QuietCount::default(), |mut sum, it| {
        sum.add(&one(it));
        sum
    })
}
