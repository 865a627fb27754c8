//! Samples of benchmarks: what one figure was each time, beside a named baseline. `cargo xtask bench` makes rows of them.
//!
//! Refuses to judge.

use serde::Serialize;

use crate::must;

/// What one figure was each time, and what its baseline was.
#[derive(Debug, Clone, Serialize)]
pub struct Samples {
    /// What was measured.
    pub name: String,
    /// In which unit.
    pub unit: &'static str,
    /// What it was each time.
    pub ours: Vec<f64>,
    /// What the other was in the same minutes.
    pub baseline: Vec<f64>,
    /// What the other is.
    pub baseline_name: &'static str,
}

/// The smallest of some figures that so many percent of them do not exceed; not a number if there are none.
#[must_use]
pub fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// Prints samples as one JSON document.
///
/// # Panics
/// If they cannot be written as JSON.
#[allow(clippy::print_stdout, reason = "what a program of figures says")]
pub fn print(all: &[Samples]) {
    println!("{}", must(serde_json::to_string(all)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([1, 50, 99, 100].map(|it| percentile(&figures, it)), [2.0, 100.0, 198.0, 200.0]);
        assert_eq!([0, 50, 99].map(|it| percentile(&[3.0, 1.0, 2.0], it)), [1.0, 2.0, 3.0]);
        assert!(percentile(&[], 50).is_nan());
    }
}
