//! What the scheduler knows. Owns the records; refuses to change them by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Issue;
use crate::observability::Kept;
use crate::workflow::{RetryKind, Settings};

/// How far an attempt is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The folder and the hooks before the attempt.
    PreparingWorkspace,
    /// The template.
    BuildingPrompt,
    /// The agent's program.
    LaunchingAgentProcess,
    /// Its handshake.
    InitializingSession,
    /// It works.
    StreamingTurn,
    /// The session's end and the hook after the attempt.
    Finishing,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended for it was silent.
    TimedOut,
    /// Ended for it made no progress.
    Stalled,
    /// Ended for the issue moved on.
    CanceledByReconciliation,
}

/// Counts of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// As the agent counts it.
    pub total: u64,
    /// Of those read, from a cache.
    #[serde(default)]
    pub cached: u64,
    /// Of those written, for thought.
    #[serde(default)]
    pub reasoning: u64,
}

impl Tokens {
    fn each(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            input: with(self.input, other.input),
            output: with(self.output, other.output),
            total: with(self.total, other.total),
            cached: with(self.cached, other.cached),
            reasoning: with(self.reasoning, other.reasoning),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What this has more than the other, in each count.
    #[must_use]
    pub fn beyond(self, other: Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    /// The larger of both, in each count.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        self.each(other, u64::max)
    }
}

/// What is known of a running agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// The thread.
    pub thread: Option<String>,
    /// The newest turn.
    pub turn: Option<String>,
    /// The agent's process.
    pub pid: Option<u32>,
    /// How many turns have begun.
    pub turns: u32,
    /// The newest event.
    pub last_event: Option<String>,
    /// In words, for people only.
    pub last_message: Option<String>,
    /// When it came, in milliseconds since the Unix epoch.
    pub last_event_at: Option<i64>,
    /// When the work last went on, in milliseconds since the Unix epoch.
    pub last_progress_at: Option<i64>,
    /// How many commands run now.
    pub commands: u32,
    /// Tokens of this session.
    pub tokens: Tokens,
    /// The hash of the task that the next turn says.
    pub told: Option<String>,
}

impl Session {
    /// The thread and the turn as one id.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        Some(format!("{}-{}", self.thread.as_ref()?, self.turn.as_ref()?))
    }
}

/// Why a worker stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The issue is over: its workspace goes too.
    Terminal,
    /// The issue is nobody's here any more, in words: its workspace stays.
    Release(String),
    /// It made no progress, in words.
    Stalled(String),
    /// It used up what it might cost, in words.
    Spent(String),
    /// The loop ends.
    Shutdown,
}

/// A claimed issue with a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// The worker's number.
    pub run: u64,
    /// The issue, as it was last seen.
    pub issue: Issue,
    /// Nothing for the first attempt.
    pub attempt: Option<u32>,
    /// Why it is made.
    pub kind: RetryKind,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_at: i64,
    /// How far it is.
    pub phase: Phase,
    /// What is known of its agent.
    pub session: Session,
    /// Why it stops, once it was told to.
    pub stopping: Option<Stop>,
}

/// A claimed issue that waits for its next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The issue's key for people.
    pub identifier: String,
    /// Where people look at it.
    pub url: Option<String>,
    /// Which attempt comes next, from 1 on.
    pub attempt: u32,
    /// Why it comes.
    pub kind: RetryKind,
    /// When, in milliseconds since the Unix epoch.
    pub due_at: i64,
    /// Why it has to wait.
    pub error: Option<String>,
    /// How often it found no slot: no failure, and counted apart from them.
    pub slot_waits: u32,
    /// Only the timer with this number may act.
    #[serde(skip)]
    pub token: u64,
}

/// A claimed issue that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The issue's key for people.
    pub identifier: String,
    /// Where people look at it.
    pub url: Option<String>,
    /// Why.
    pub reason: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: i64,
    /// How the issue looked at the first look after that: another look than this lets it go on.
    pub fingerprint: Option<String>,
}

/// What an issue has cost since it was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Sessions that were begun.
    pub sessions: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Tokens of all its sessions.
    pub tokens: Tokens,
    /// Milliseconds of all its ended sessions.
    pub runtime_ms: i64,
    /// The newest thread.
    pub thread: Option<String>,
    /// The hash of the task as it was told last.
    #[serde(default)]
    pub told: Option<String>,
    /// What each of its threads reported at its most: totals go on where a thread is resumed, and an agent's own helpers count
    /// on threads of theirs.
    #[serde(default)]
    pub reports: BTreeMap<String, Tokens>,
}

/// All issues together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Tokens.
    pub tokens: Tokens,
    /// Milliseconds of ended sessions.
    pub ended_ms: i64,
}

/// How far a poll is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// None is under way.
    Idle,
    /// The sweep of the start.
    Sweeping,
    /// The claimed issues are looked at.
    Reconciling,
    /// New ones are looked for.
    Fetching,
}

/// Everything that the scheduler knows.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Why nothing new may begin, if the workflow file cannot be used now.
    pub unusable: Option<String>,
    /// With a worker, by issue.
    pub running: BTreeMap<String, Running>,
    /// Waiting for an attempt, by issue.
    pub retries: BTreeMap<String, Retry>,
    /// Waiting for a person, for the agent asked something.
    pub blocked: BTreeMap<String, Held>,
    /// Waiting for a person, for the budget is used up.
    pub parked: BTreeMap<String, Held>,
    /// Whose workspace is being removed.
    pub cleaning: BTreeSet<String>,
    /// What each claimed issue has cost.
    pub ledgers: BTreeMap<String, Ledger>,
    /// Which workspace was made for whom, as long as it is there.
    pub places: BTreeMap<String, (String, PathBuf)>,
    /// Issues with a session that ended well. Nothing depends on it.
    pub completed: BTreeSet<String>,
    /// All issues together.
    pub totals: Totals,
    /// The newest word of the provider on its limits.
    pub rate_limits: Option<Value>,
    /// How far the poll is.
    pub stage: Stage,
    /// The poll's number.
    pub poll: u64,
    /// Whom the refresh under way was asked for: with the run of then, or without one for what waits for a person.
    pub asked: BTreeMap<String, Option<u64>>,
    /// The number of the newest timer of a poll.
    pub tick: u64,
    /// When the next poll comes, in milliseconds since the Unix epoch.
    pub next_poll_at: i64,
    /// The tracker is not asked before, in milliseconds since the Unix epoch.
    pub cool_until: i64,
    /// The number of the next timer.
    pub next_token: u64,
    /// The number of the next run.
    pub next_run: u64,
    /// How many reads failed, and how many attempts.
    pub failures: u64,
    /// Whether everything stops.
    pub ending: bool,
}

impl State {
    /// What is known at the start: what was kept, or nothing. What ran when it was kept waits for its next attempt, which comes
    /// at once and is no failure.
    #[must_use]
    pub fn begin(settings: Arc<Settings>, kept: Kept, now: i64) -> Self {
        let mut retries = kept.retries;
        for (id, was) in kept.running {
            retries.entry(id).or_insert(Retry { due_at: now, ..was });
        }
        for retry in retries.values_mut() {
            retry.due_at = retry.due_at.max(now);
        }
        Self {
            settings,
            unusable: None,
            running: BTreeMap::new(),
            retries,
            blocked: kept.blocked,
            parked: kept.parked,
            cleaning: BTreeSet::new(),
            ledgers: kept.ledgers,
            places: kept.places,
            completed: BTreeSet::new(),
            totals: kept.totals,
            rate_limits: None,
            stage: Stage::Idle,
            poll: 0,
            asked: BTreeMap::new(),
            tick: 0,
            next_poll_at: now,
            cool_until: 0,
            next_token: 1,
            next_run: kept.next_run.max(1),
            failures: 0,
            ending: false,
        }
    }

    /// Whether an issue is claimed.
    #[must_use]
    pub fn is_claimed(&self, id: &str) -> bool {
        self.running.contains_key(id)
            || self.retries.contains_key(id)
            || self.blocked.contains_key(id)
            || self.parked.contains_key(id)
            || self.cleaning.contains(id)
    }

    /// Whether nothing runs, is removed or is asked.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.running.is_empty() && self.cleaning.is_empty() && self.stage == Stage::Idle
    }

    pub(super) fn token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        token
    }
}
