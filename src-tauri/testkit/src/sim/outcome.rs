//! What a seed of the simulation came to, and what many did.

use std::time::Duration;

/// What one seed came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Runs that landed.
    pub landed: u32,
    /// Runs that were parked at the end.
    pub parked: u32,
    /// Runs that were stopped.
    pub stopped: u32,
    /// Parked runs that were let go on.
    pub resumed: u32,
    /// Tries that went on where the last one stood.
    pub went_on: u32,
    /// Those of them that did so in a fresh session, for the one before was full.
    pub handed_over: u32,
    /// Kills of the engine.
    pub kills: u32,
    /// Kills after which nothing ran any more.
    pub reboots: u32,
    /// Times that nothing could be stored for a while.
    pub disk_full: u32,
    /// Jumps of the clock.
    pub jumps: u32,
    /// Effects that failed.
    pub failed: u32,
    /// Notes, looks, questions, answers, replaced holders, sleeps and lost worktrees that were stored.
    pub beside: u32,
    /// Pull requests that landed, and those of them that landed with another one.
    pub landings: u32,
    /// See `landings`.
    pub together: u32,
    /// Steps of the world and the engine.
    pub steps: u32,
    /// Decisions taken.
    pub decisions: u32,
    /// Effects performed, those done again after a kill included.
    pub effects: u32,
    /// What did not hold; empty if all did.
    pub faults: Vec<Breach>,
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Breach {
    /// Of what kind.
    pub kind: BreachKind,
    /// What.
    pub says: String,
}

/// The kinds of what may not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreachKind {
    /// Work is gone, or was never done.
    Lost,
    /// Something was done twice.
    Doubled,
    /// Two tasks that may meet were worked at once.
    Overlap,
    /// Something never came to a typed end.
    UntypedEnd,
    /// Something is said that is not so.
    Untrue,
    /// The default branch was moved to a tree on which not all passed that has to.
    Red,
    /// What the default branch held is not below it any more.
    Rewritten,
}

impl BreachKind {
    /// One of this kind.
    pub(super) fn of(self, says: String) -> Breach {
        Breach { kind: self, says }
    }
}

/// What many seeds came to.
#[derive(Debug)]
pub struct Tally {
    /// Of each seed.
    pub outcomes: Vec<Outcome>,
    /// The one that took longest.
    pub slowest: Option<u64>,
}

impl Tally {
    /// Of seeds with the time that each took.
    #[must_use]
    pub fn of(timed: Vec<(Duration, Outcome)>) -> Self {
        let slowest = timed.iter().max_by_key(|it| it.0).map(|it| it.1.seed);
        Self { outcomes: timed.into_iter().map(|it| it.1).collect(), slowest }
    }

    /// How many faults of a kind there are.
    #[must_use]
    pub fn faults(&self, kind: BreachKind) -> usize {
        self.outcomes.iter().flat_map(|it| &it.faults).filter(|it| it.kind == kind).count()
    }

    /// The sum of a figure.
    pub fn sum(&self, of: fn(&Outcome) -> u32) -> u64 {
        self.outcomes.iter().map(|it| u64::from(of(it))).sum()
    }

    /// Seeds that did not hold, each with what it says.
    #[must_use]
    pub fn faulty(&self) -> Vec<(u64, Vec<&str>)> {
        let faulty = self.outcomes.iter().filter(|it| !it.faults.is_empty());
        faulty.map(|it| (it.seed, it.faults.iter().map(|it| it.says.as_str()).collect())).collect()
    }
}
