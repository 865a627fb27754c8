//! What our processes hold from minute to minute, and the rule by which that is flat.

use std::time::Duration;

use pilothouse_contract::ask;
use serde::Serialize;

use crate::home::Home;
use crate::process::lives;
use crate::seat::call;

/// The first part is not looked at: a program that has just begun gathers what it needs.
const SETTLES: f64 = 0.2;
/// The line through the engine's samples may rise by this part of their mean over the whole time.
const MAY_RISE: f64 = 0.1;
/// And by so much for each run that ended meanwhile: the fleet keeps what happened, on purpose, and in memory. A run of seven
/// attempts is some 50 rows, 30 KiB of JSON; they are there twice, as decided and as stored, and take twice that as values.
const RUN_KIB: f64 = 128.0;
/// Samples that a line is put through, at least.
const LEAST: usize = 5;

/// What our processes held at a moment. Memory is what is theirs alone: pages of program files and of logs are the system's to
/// take back, and come as they are touched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Minutes since the beginning.
    pub minute: f64,
    /// The engine's process.
    pub engine: u32,
    /// Its memory in KiB.
    pub engine_kib: u64,
    /// The same with program files, each page in proportion to who shares it.
    pub engine_whole_kib: u64,
    /// Files that it has open.
    pub engine_files: usize,
    /// Threads that it has.
    pub engine_threads: u64,
    /// Holders there are.
    pub holders: usize,
    /// Memory of all of them together in KiB.
    pub holders_kib: u64,
    /// The database with its log, in KiB.
    pub db_kib: u64,
    /// Runs that had ended.
    pub runs: u32,
    /// Events that were stored.
    pub events: u64,
}

impl Sample {
    /// Takes one; nothing if the engine does not answer.
    pub(super) fn take(home: &Home, since: Duration, runs: u32) -> Option<Self> {
        let status = call(home, ask::engine::Status {}).ok()?;
        let holders: Vec<u32> =
            home.held().into_iter().filter_map(|(holder, _)| holder).filter(|it| lives(*it)).collect();
        let db = ["pilothouse.db", "pilothouse.db-wal"].map(|name| home.data().join(name));
        Some(Self {
            minute: (since.as_secs_f64() / 6.0).round() / 10.0,
            engine: status.pid,
            engine_kib: own_kib(status.pid)?,
            engine_whole_kib: number_of(&format!("/proc/{}/smaps_rollup", status.pid), "Pss:")?,
            engine_files: std::fs::read_dir(format!("/proc/{}/fd", status.pid)).ok()?.count(),
            engine_threads: number_of(&format!("/proc/{}/status", status.pid), "Threads:")?,
            holders: holders.len(),
            holders_kib: holders.iter().filter_map(|it| own_kib(*it)).sum(),
            db_kib: db.iter().filter_map(|it| it.metadata().ok()).map(|it| it.len() / 1024).sum(),
            runs,
            events: status.seq,
        })
    }
}

fn own_kib(pid: u32) -> Option<u64> {
    number_of(&format!("/proc/{pid}/smaps_rollup"), "Pss_Anon:")
}

fn number_of(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Lines through the samples after the first fifth, by least squares.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flatness {
    /// Samples that were looked at.
    pub samples: usize,
    /// The engine's memory in the mean, in KiB.
    pub engine_mean_kib: f64,
    /// What the line through it rises by, from the first of those samples to the last, in KiB.
    pub engine_rise_kib: f64,
    /// What it may rise by: a tenth of the mean, and what is kept of the runs that ended meanwhile.
    pub engine_may_rise_kib: f64,
    /// The same of the longest life of one engine, without its first two samples; nothing if all were short.
    pub long_life_rise_kib: Option<f64>,
    /// What that may rise by.
    pub long_life_may_rise_kib: Option<f64>,
    /// Open files that the line through their number rises by.
    pub files_rise: f64,
    /// A holder's memory in the mean, in KiB.
    pub holder_mean_kib: f64,
    /// What the line through it rises by, in KiB.
    pub holder_rise_kib: f64,
    /// What the database grew by for each run, in KiB: it keeps the history, on purpose.
    pub db_kib_a_run: f64,
}

impl Flatness {
    /// Of samples; nothing if there are too few.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let first = (samples.len() as f64 * SETTLES).ceil() as usize;
        let late = samples.get(first..).filter(|it| it.len() >= LEAST)?;
        let (begin, end) = (late.first()?, late.last()?);
        let engine = rise(late, |it| Some(it.engine_kib as f64))?;
        let life = longest_life(samples).and_then(|life| {
            let grown = rise(life, |it| Some(it.engine_kib as f64))?;
            Some((grown.rise, allowed(grown.mean, life.first()?, life.last()?)))
        });
        let a_holder = |it: &Sample| (it.holders > 0).then(|| it.holders_kib as f64 / it.holders as f64);
        let holder = rise(late, a_holder);
        Some(Self {
            samples: late.len(),
            engine_mean_kib: engine.mean,
            engine_rise_kib: engine.rise,
            engine_may_rise_kib: allowed(engine.mean, begin, end),
            long_life_rise_kib: life.map(|it| it.0),
            long_life_may_rise_kib: life.map(|it| it.1),
            files_rise: rise(late, |it| Some(it.engine_files as f64))?.rise,
            holder_mean_kib: holder.as_ref().map_or(0.0, |it| it.mean),
            holder_rise_kib: holder.map_or(0.0, |it| it.rise),
            db_kib_a_run: (end.db_kib as f64 - begin.db_kib as f64)
                / f64::from(end.runs - begin.runs).max(1.0),
        })
    }

    /// Whether nothing grows that is not kept on purpose.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        let life = self.long_life_rise_kib.zip(self.long_life_may_rise_kib);
        self.engine_rise_kib <= self.engine_may_rise_kib
            && life.is_none_or(|(rise, may)| rise <= may)
            // A session has a few files open; which ones are there just then changes from sample to sample.
            && self.files_rise <= 16.0
            && self.holder_rise_kib <= self.holder_mean_kib * MAY_RISE
    }
}

fn allowed(mean: f64, begin: &Sample, end: &Sample) -> f64 {
    mean * MAY_RISE + f64::from(end.runs.saturating_sub(begin.runs)) * RUN_KIB
}

/// The samples of the engine that has the most of them, but for the first two.
fn longest_life(samples: &[Sample]) -> Option<&[Sample]> {
    let lives = samples.chunk_by(|one, next| one.engine == next.engine);
    lives.max_by_key(|it| it.len()).and_then(|it| it.get(2..)).filter(|it| it.len() >= LEAST)
}

struct Rise {
    mean: f64,
    rise: f64,
}

/// The line of least squares through a figure over the minutes: what it rises by, from the first sample to the last.
fn rise(samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Option<Rise> {
    let points: Vec<(f64, f64)> = samples.iter().filter_map(|it| Some((it.minute, of(it)?))).collect();
    let n = points.len() as f64;
    let (first, last) = (points.first()?.0, points.last()?.0);
    let (x, y) =
        (points.iter().map(|it| it.0).sum::<f64>() / n, points.iter().map(|it| it.1).sum::<f64>() / n);
    let spread: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
    let with: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    let slope = if spread > 0.0 { with / spread } else { 0.0 };
    Some(Rise { mean: y, rise: slope * (last - first) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(engine_kib: impl Fn(u32) -> u64, runs_a_minute: u32) -> Vec<Sample> {
        let one = |minute: u32| Sample {
            minute: f64::from(minute),
            engine: 1,
            engine_kib: engine_kib(minute),
            engine_whole_kib: 0,
            engine_files: 30 + minute as usize % 3,
            engine_threads: 4,
            holders: 2,
            holders_kib: 800,
            db_kib: 100 * u64::from(minute),
            runs: minute * runs_a_minute,
            events: 0,
        };
        (0..30).map(one).collect()
    }

    #[test]
    fn what_wavers_is_flat_and_what_grows_is_not() {
        let wavers = Flatness::of(&samples(|it| 20_000 + u64::from(it % 5) * 300, 0)).unwrap();
        assert!(wavers.is_flat(), "{wavers:?}");
        let grows = Flatness::of(&samples(|it| 20_000 + u64::from(it) * 150, 0)).unwrap();
        assert!(!grows.is_flat(), "{grows:?}");
        assert!((grows.engine_rise_kib - 23.0 * 150.0).abs() < 1.0, "{grows:?}");
        // The same is what three runs a minute leave behind them.
        let kept = Flatness::of(&samples(|it| 20_000 + u64::from(it) * 150, 3)).unwrap();
        assert!(kept.is_flat() && (kept.db_kib_a_run - 100.0 / 3.0).abs() < 0.1, "{kept:?}");
    }

    #[test]
    fn a_long_life_is_looked_at_by_itself() {
        // Each new engine begins low, so the line through all of them falls.
        let mut all = samples(|it| 40_000 - u64::from(it) * 10, 0);
        for it in all.iter_mut().skip(10).take(10) {
            it.engine = 2;
            it.engine_kib = 10_000 + (it.minute as u64) * 1000;
        }
        let it = Flatness::of(&all).unwrap();
        assert!(it.long_life_rise_kib.is_some() && !it.is_flat(), "{it:?}");
        assert_eq!(Flatness::of(&all[..3]), None);
    }
}
