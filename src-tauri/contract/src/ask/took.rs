//! What a run took so far: how long its commands run, what was kept from its agents, what it used and cost.

use serde::{Deserialize, Serialize};

use crate::fuse::Fuse;
use crate::ids::{RunId, SessionId};
use crate::money::MoneyCount;
use crate::pace::{self, Pace, QuietCount, Tally};
use crate::receipt::TokenCount;

/// Asks what a run took so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Which.
    pub run: RunId,
}

/// What a run took so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Took {
    /// How long the commands of its checks and agents run, the slowest first.
    pub paces: Vec<Pace>,
    /// So long they should run at most, in seconds; 0 is no limit.
    pub inner_loop_s: u32,
    /// What the quiet wrapper ran for its agents.
    pub quiet: QuietCount,
    /// What the models of its agents read and wrote.
    pub tokens: TokenCount,
    /// What that cost.
    pub money: MoneyCount,
    /// What would park it for what all of its attempts use, and how far off that is.
    pub budget: Vec<Fuse>,
}

impl Took {
    /// In lines for people: what each is about, and what it says.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let budget: Vec<String> = self.budget.iter().map(ToString::to_string).collect();
        let budget = (!budget.is_empty()).then(|| budget.join(", "));
        [
            ("Inner loop", pace::line(&self.paces, self.inner_loop_s)),
            ("Quiet", self.quiet.line()),
            ("Money", Some(self.money.line())),
            ("Budget", budget),
        ]
        .into_iter()
        .filter_map(|(name, says)| Some((name, says?)))
        .collect()
    }
}

/// The quiet wrapper ran something inside a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// The session the caller says it is in; checked against its ancestry.
    pub session: SessionId,
    /// The wrapper's number of it there, which is also the name of its log.
    pub number: u32,
    /// What it was.
    pub command: String,
    /// Its exit code; nothing if a signal ended it.
    pub exit: Option<i32>,
    /// How long it ran, in milliseconds.
    pub ms: u64,
    /// Bytes of its output.
    pub whole: u64,
    /// Bytes that were shown of it.
    pub shown: u64,
    /// Tests that it ran, if its output tells of any.
    #[serde(default)]
    pub tests: Option<Tally>,
}
