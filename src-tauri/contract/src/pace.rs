//! Pace: how long what agents and checks run takes, held against the limit of the inner loop; and what the quiet wrapper kept from
//! agents' contexts.
//!
//! Refuses averages: half of them took at most so long, and nineteen of twenty at most so long.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text;

/// What ran a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The engine, as a check.
    Check,
    /// An agent, by way of the quiet wrapper.
    Quiet,
}

/// One command that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The command.
    pub command: String,
    /// How long it ran, in milliseconds.
    pub ms: u64,
    /// What ran it.
    pub by: By,
}

/// How long a command takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The command.
    pub command: String,
    /// How often it ran as a check.
    pub checks: u32,
    /// How often an agent ran it by way of the quiet wrapper.
    pub quiet: u32,
    /// Half of them took at most so long, in milliseconds.
    pub p50_ms: u64,
    /// Nineteen of twenty took at most so long.
    pub p95_ms: u64,
    /// Whether that is over the limit.
    pub over: bool,
}

/// Paces command by command, the slowest first. A limit of 0 is none.
#[must_use]
pub fn paces(samples: impl IntoIterator<Item = Sample>, limit_s: u32) -> Vec<Pace> {
    let mut by_command: BTreeMap<String, (Vec<u64>, u32, u32)> = BTreeMap::new();
    for it in samples {
        let (times, checks, quiet) = by_command.entry(it.command).or_default();
        times.push(it.ms);
        match it.by {
            By::Check => *checks += 1,
            By::Quiet => *quiet += 1,
        }
    }
    let limit_ms = u64::from(limit_s) * 1000;
    let of = |(command, (mut times, checks, quiet)): (String, (Vec<u64>, u32, u32))| {
        times.sort_unstable();
        let (p50_ms, p95_ms) = (quantile(&times, 50), quantile(&times, 95));
        Pace { command, checks, quiet, p50_ms, p95_ms, over: limit_ms > 0 && p95_ms > limit_ms }
    };
    let mut all: Vec<Pace> = by_command.into_iter().map(of).collect();
    all.sort_by(|a, b| (b.p95_ms, &a.command).cmp(&(a.p95_ms, &b.command)));
    all
}

/// The smallest of sorted times that so many percent do not exceed.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

/// Whether a command's 95 % come to lie over the limit with one more sample, and did not before: that is worth a word, and once.
#[must_use]
pub fn comes_over(before: &[u64], ms: u64, limit_s: u32) -> Option<u64> {
    let limit_ms = u64::from(limit_s) * 1000;
    let mut times = before.to_vec();
    times.sort_unstable();
    let was = quantile(&times, 95);
    times.push(ms);
    times.sort_unstable();
    let is = quantile(&times, 95);
    (limit_ms > 0 && was <= limit_ms && is > limit_ms).then_some(is)
}

/// Milliseconds for people: `420 ms`, `1.2 s`, `3 min 5 s`.
#[must_use]
pub fn took(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

impl Pace {
    /// In one line.
    #[must_use]
    pub fn line(&self, limit_s: u32) -> String {
        let over = if self.over { format!(", over {limit_s} s") } else { String::new() };
        let runs = self.checks + self.quiet;
        let runs = if runs == 1 { "once".to_owned() } else { format!("{runs} times") };
        let times = if self.p50_ms == self.p95_ms {
            took(self.p95_ms)
        } else {
            format!("half within {}, 95 % within {}", took(self.p50_ms), took(self.p95_ms))
        };
        format!("`{}` ran {runs}: {times}{over}", text::line(&self.command, 120))
    }
}

/// All commands in one line: the limit, and those that are over it, or else the slowest one.
#[must_use]
pub fn line(paces: &[Pace], limit_s: u32) -> Option<String> {
    let slowest = paces.first()?;
    let over = paces.iter().filter(|it| it.over).count();
    let commands =
        if paces.len() == 1 { "1 command".to_owned() } else { format!("{} commands", paces.len()) };
    Some(match (over, limit_s) {
        (0, 0) => format!("{commands}; the slowest: {}", slowest.line(limit_s)),
        (0, _) => format!("{commands}, none over {limit_s} s; the slowest: {}", slowest.line(limit_s)),
        (over, _) => format!("{over} of {commands} over {limit_s} s; the slowest: {}", slowest.line(limit_s)),
    })
}

/// What the quiet wrapper ran for agents, and kept from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuietCount {
    /// How often it ran something.
    pub runs: u32,
    /// How often that failed.
    pub failed: u32,
    /// Bytes of output, altogether.
    pub whole_bytes: u64,
    /// Bytes that agents were shown of it.
    pub shown_bytes: u64,
    /// Tests that agents ran by it, each as often as it ran, where the output tells of them.
    #[serde(default)]
    pub tests: Tally,
}

/// Tests by what a tool says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Those that passed.
    pub passed: u32,
    /// Those that failed.
    pub failed: u32,
}

impl Tally {
    /// All that ran.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.passed.saturating_add(self.failed)
    }

    /// Counts what was counted before.
    pub fn add(&mut self, other: &Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
    }

    /// In a few words; nothing if none ran.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        let failed = if self.failed == 0 { "none".to_owned() } else { self.failed.to_string() };
        let run = if self.run() == 1 { "1 test".to_owned() } else { format!("{} tests", self.run()) };
        (self.run() > 0).then(|| format!("{run} run, {failed} failed"))
    }
}

/// A token is about so many bytes of the output of tools.
const BYTES_A_TOKEN: u64 = 4;

impl QuietCount {
    /// Counts what was counted before.
    pub fn add(&mut self, other: &Self) {
        self.runs = self.runs.saturating_add(other.runs);
        self.failed = self.failed.saturating_add(other.failed);
        self.whole_bytes = self.whole_bytes.saturating_add(other.whole_bytes);
        self.shown_bytes = self.shown_bytes.saturating_add(other.shown_bytes);
        self.tests.add(&other.tests);
    }

    /// Bytes that agents did not have to read. What is said of a short output may be longer than that.
    #[must_use]
    pub fn withheld(&self) -> u64 {
        self.whole_bytes.saturating_sub(self.shown_bytes)
    }

    /// In one line; nothing if nothing ran.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let tokens = match self.withheld() / BYTES_A_TOKEN {
            few @ 0..10_000 => few.to_string(),
            some @ 10_000..10_000_000 => format!("{} k", some / 1000),
            many => format!("{} M", many / 1_000_000),
        };
        let runs = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        let tests = self.tests.says().map(|it| format!(" with {it}")).unwrap_or_default();
        let withheld = text::size(self.withheld());
        (self.runs > 0).then(|| {
            format!("{runs}{tests}, {withheld} withheld, about {tokens} tokens ({BYTES_A_TOKEN} bytes each)")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(command: &str, s: u64, by: By) -> Sample {
        Sample { command: command.to_owned(), ms: s * 1000, by }
    }

    #[test]
    fn the_slowest_command_is_first_and_one_outlier_of_twenty_is_none() {
        let many = (1..=20).map(|n| sample("test", if n == 20 { 500 } else { n }, By::Check));
        let all = paces(many.chain([sample("build", 61, By::Quiet), sample("build", 59, By::Check)]), 60);
        let told: Vec<_> =
            all.iter().map(|it| (it.command.as_str(), it.p50_ms, it.p95_ms, it.over)).collect();
        assert_eq!(told, [("build", 59_000, 61_000, true), ("test", 10_000, 19_000, false)]);
        assert_eq!((all[0].checks, all[0].quiet), (1, 1));
        assert_eq!(
            all[0].line(60),
            "`build` ran 2 times: half within 59.0 s, 95 % within 1 min 1 s, over 60 s"
        );
        let says = line(&all, 60).unwrap();
        assert!(says.starts_with("1 of 2 commands over 60 s; the slowest: `build`"), "{says}");
        assert!(paces([sample("x", 99, By::Check)], 0).iter().all(|it| !it.over), "0 is no limit");
    }

    #[test]
    fn coming_over_the_limit_is_told_once() {
        assert_eq!(comes_over(&[], 61_000, 60), Some(61_000));
        assert_eq!(comes_over(&[61_000], 62_000, 60), None, "it was over already");
        assert_eq!(comes_over(&[1000], 60_000, 60), None);
        assert_eq!(comes_over(&[1000; 19], 99_000, 60), None, "one of twenty");
        assert_eq!(comes_over(&[], 99_000, 0), None);
    }

    #[test]
    fn what_was_kept_from_agents_is_said_in_bytes_and_about_in_tokens() {
        let it = QuietCount {
            runs: 41,
            failed: 3,
            whole_bytes: 3_400_000,
            shown_bytes: 150_000,
            tests: Tally { passed: 118, failed: 2 },
        };
        assert_eq!(
            it.line().unwrap(),
            "41 runs with 120 tests run, 2 failed, 3.0 MiB withheld, about 812 k tokens (4 bytes each)"
        );
        assert_eq!(QuietCount::default().line(), None);
        let short = QuietCount { runs: 1, whole_bytes: 3, shown_bytes: 90, ..QuietCount::default() };
        assert_eq!(short.line().unwrap(), "1 run, 0 bytes withheld, about 0 tokens (4 bytes each)");
    }
}
