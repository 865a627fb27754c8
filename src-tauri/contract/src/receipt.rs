//! The receipt of a run: what it took, what came of it, how that was verified and who touched it. Derived from facts when it is
//! asked for; what nobody knows is not in it.

use serde::{Deserialize, Serialize};

use crate::evidence::Gate;
use crate::ids::{EvidenceId, Oid, PullId, RunId};
use crate::money::MoneyCount;
use crate::pace::{Pace, QuietCount};
use crate::pull::Size;
use crate::run::{RunState, Touch};
use crate::stop::Stop;
use crate::time::At;
use crate::trajectory::Tokens;
use crate::who::Who;

/// What a run took and what came of it, up to now if it is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which.
    pub run: RunId,
    /// The project's name.
    pub project: String,
    /// The item's short name.
    pub item: String,
    /// What the item is about.
    pub title: String,
    /// Where the run stands.
    pub state: RunState,
    /// Why it stands there.
    pub why: String,
    /// Which of the closed list of reasons it is, if it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// When it started.
    pub started: At,
    /// When it came to where it stands; none while the engine works on it.
    pub ended: Option<At>,
    /// From its start to that, or to now, in milliseconds.
    pub took_ms: i64,
    /// Tasks that it was to do, without those that were done before.
    pub tasks: u32,
    /// Those of them that are done.
    pub done: u32,
    /// Attempts at them.
    pub attempts: u32,
    /// Attempts that failed.
    pub failed: u32,
    /// The agent's name.
    pub agent: String,
    /// Sessions of agents.
    pub sessions: u32,
    /// The most of them at once.
    pub at_once: u32,
    /// How long they worked, added up, in milliseconds, without sleep of the machine.
    pub agents_ms: i64,
    /// What their models read and wrote, by the agents' own logs.
    #[serde(default)]
    pub tokens: TokenCount,
    /// What that cost, as far as anybody knows.
    #[serde(default)]
    pub money: MoneyCount,
    /// What the quiet wrapper ran for them.
    #[serde(default)]
    pub quiet: QuietCount,
    /// How long the commands of its checks and agents run, the slowest first.
    #[serde(default)]
    pub paces: Vec<Pace>,
    /// So long they should run at most, in seconds; 0 is no limit.
    #[serde(default)]
    pub inner_loop_s: u32,
    /// Checks that were run, gate by gate.
    pub checks: Vec<GateCount>,
    /// The check that told of the most tests among those that hold: of the newest merge result, or else of any. Nothing if none
    /// told of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<Tests>,
    /// What people did inside it, oldest first.
    pub touches: Vec<Touch>,
    /// The longest time between two of those, the start and the end, in milliseconds, without sleep of the machine.
    pub untouched_ms: i64,
    /// The change, once there is a pull request.
    pub change: Option<Change>,
}

/// What came of the checks of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateCount {
    /// Which gate.
    pub gate: Gate,
    /// Checks that hold.
    pub passed: u32,
    /// Checks that do not, without first failures of flakes.
    pub failed: u32,
    /// Checks that failed at first and held when they were run again on the same commit.
    #[serde(default)]
    pub flaky: u32,
    /// Checks of which that could not be found out.
    pub unknown: u32,
}

impl GateCount {
    /// All of them, each flake once.
    #[must_use]
    pub fn all(&self) -> u32 {
        self.passed + self.failed + self.unknown
    }
}

/// How many tests a check said passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tests {
    /// So many.
    pub passed: u32,
    /// The check's record.
    pub evidence: EvidenceId,
    /// Its gate.
    pub gate: Gate,
    /// Its command.
    pub command: String,
}

/// The change of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The pull request.
    pub pull: PullId,
    /// The commits it brings.
    pub commits: u32,
    /// Files and lines.
    pub size: Size,
    /// Who said yes, if anybody did.
    pub approved: Option<Who>,
    /// The commit of the default branch that it landed as.
    pub landed: Option<Oid>,
}

/// Tokens of many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenCount {
    /// How many sessions tell of theirs; of the others nobody knows.
    pub sessions: u32,
    /// Read anew.
    pub input: u64,
    /// Read from a cache.
    pub cached: u64,
    /// Read anew and written to a cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Written.
    pub output: u64,
}

impl TokenCount {
    /// Counts a session; one whose log tells of no token says nothing.
    pub fn count(&mut self, told: &Tokens, of: &Tokens) {
        if told.spent() > 0 {
            self.sessions += 1;
            self.input += of.input;
            self.cached += of.cached;
            self.cache_write += of.cache_write;
            self.output += of.output;
        }
    }

    /// Counts what was counted before.
    pub fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.input += other.input;
        self.cached += other.cached;
        self.cache_write += other.cache_write;
        self.output += other.output;
    }

    /// Read, from wherever.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.input + self.cached + self.cache_write
    }
}
