//! What happens next: one pure function from a state and an input to a state and effects. Owns claims, slots, retries, stalls,
//! budgets and the order of a poll. Refuses clocks, files and providers: time is an input in milliseconds since the Unix epoch
//! that never goes back, and what a tracker or an agent says comes as inputs.
//!
//! An issue is claimed from its dispatch on until it is released: while its worker runs, while it stops, while its folder is
//! removed, while it waits for another attempt, and while it is blocked or parked.

mod claims;
mod poll;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

pub use state::{Held, Ledger, Phase, Retry, Running, Session, Stage, State, Stop, Tokens, Totals};

use crate::Issue;
use crate::observability::Record;
use crate::tracker::TrackerError;
use crate::workflow::{RetryKind, Settings};

/// The pause after a session that ended well, in milliseconds.
pub const CONTINUE_AFTER_MS: i64 = 1_000;
/// The first pause after a failure, in milliseconds; each further one is twice as long.
pub const BACKOFF_MS: i64 = 10_000;
/// How often an issue that waits for a slot looks again, in milliseconds.
pub const SLOT_LOOK_MS: i64 = 5_000;
/// Why an issue waits that could be worked.
pub const NO_SLOT: &str = "no available orchestrator slots";

/// What a tracker said.
pub type Answer<T> = Result<T, TrackerError>;

/// Something happened.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "each is decided on and gone; none is stored")]
pub enum Input {
    /// The loop begins: what was kept is waited for again, what is over is swept.
    Begin,
    /// The terminal ones among those with a workspace, or why that is not known.
    Swept(Answer<Vec<Issue>>),
    /// The time of a poll has come.
    Tick {
        /// The newest one counts.
        token: u64,
        /// The settings in force, or why nothing new may begin.
        preflight: Result<Arc<Settings>, String>,
    },
    /// The settings in force, or why nothing new may begin: looked at before a retry too.
    Settings(Result<Arc<Settings>, String>),
    /// The claimed issues as they are now.
    Refreshed {
        /// Of which poll.
        poll: u64,
        /// What the tracker said.
        answer: Answer<Vec<Issue>>,
    },
    /// The issues in active states.
    Candidates {
        /// Of which poll.
        poll: u64,
        /// What the tracker said.
        answer: Answer<Vec<Issue>>,
    },
    /// The time of a retry has come.
    RetryDue {
        /// Which issue.
        id: String,
        /// The newest one counts.
        token: u64,
    },
    /// The issue of a retry as it is now, if it can be seen.
    RetryRefreshed {
        /// Which issue.
        id: String,
        /// The newest one counts.
        token: u64,
        /// What the tracker said.
        answer: Answer<Option<Issue>>,
    },
    /// A worker says something.
    Said {
        /// Which run.
        run: u64,
        /// What.
        event: WorkerEvent,
    },
    /// A worker has ended, with its `after_run`.
    Ended {
        /// Which run.
        run: u64,
        /// How.
        outcome: Outcome,
    },
    /// A workspace was removed, or why not.
    Cleaned {
        /// Whose.
        id: String,
        /// Why not.
        error: Option<String>,
    },
    /// A person wants a parked or blocked issue to go on: by id or key.
    Lift {
        /// Which.
        issue: String,
    },
    /// A person wants a poll now.
    PollNow,
    /// Everything is to stop; what runs is kept for the next start.
    Shutdown,
}

/// What a worker says while it works.
#[derive(Debug, Clone)]
pub enum WorkerEvent {
    /// It has come to a phase.
    Phase(Phase),
    /// Its workspace is there.
    Workspace {
        /// Where.
        path: PathBuf,
        /// Whether this attempt made it. One that was there before is somebody else's, unless it was noted already.
        made: bool,
    },
    /// The next turn says the whole task, which has this hash.
    Told(String),
    /// A turn has begun on a thread.
    Turn {
        /// The thread.
        thread: String,
        /// The turn.
        turn: String,
        /// The agent's process.
        pid: u32,
    },
    /// The agent said something.
    Agent {
        /// The name of the event.
        name: String,
        /// In words, for people only.
        summary: String,
        /// What it means for the stall clock.
        pulse: Pulse,
    },
    /// All tokens of a thread up to now.
    Usage {
        /// The thread.
        thread: String,
        /// All of it, not what was added.
        total: Tokens,
    },
    /// What the provider said of its limits.
    RateLimits(Value),
    /// The issue was refreshed between two turns.
    Issue(Box<Issue>),
}

/// What an event means for the stall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// The work went on.
    Progress,
    /// The program is alive and no more: heartbeats, limits, counts.
    Chatter,
    /// A command began; it may be silent until its own limit.
    CommandBegan,
    /// A command ended.
    CommandEnded,
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All its turns ended well, or the issue is no longer active.
    Succeeded,
    /// Something failed.
    Failed(String),
    /// The agent said nothing for too long.
    TimedOut(String),
    /// The agent wants to know something that nobody here may answer.
    InputRequired(String),
    /// It was stopped.
    Stopped,
}

/// What a worker is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its number, over all starts of the loop.
    pub run: u64,
    /// The issue.
    pub issue: Issue,
    /// Nothing for the first attempt.
    pub attempt: Option<u32>,
    /// Why it is made.
    pub kind: RetryKind,
    /// The thread to go on with, if one is known.
    pub thread: Option<String>,
    /// The hash of the task as that thread was told it last.
    pub told: Option<String>,
    /// The settings in force as it begins.
    pub settings: Arc<Settings>,
}

/// Something is to be done. Its outcome is an input again.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask for these issues, to remove the workspaces of those that are over.
    Sweep {
        /// Whose workspaces are known.
        ids: Vec<String>,
    },
    /// Ask for these issues.
    Refresh {
        /// Of which poll.
        poll: u64,
        /// Which.
        ids: Vec<String>,
    },
    /// Ask for all issues in these states.
    Fetch {
        /// Of which poll.
        poll: u64,
        /// Which.
        states: Vec<String>,
    },
    /// Ask for one issue.
    RefreshOne {
        /// Which.
        id: String,
        /// Comes back with the answer.
        token: u64,
    },
    /// Say [`Input::Tick`] at that time.
    WakeTick {
        /// Comes back.
        token: u64,
        /// When, in milliseconds since the Unix epoch.
        at: i64,
    },
    /// Say [`Input::RetryDue`] at that time.
    WakeRetry {
        /// Which issue.
        id: String,
        /// Comes back.
        token: u64,
        /// When, in milliseconds since the Unix epoch.
        at: i64,
    },
    /// Start a worker.
    Start(Box<Job>),
    /// Stop a worker; its `after_run` runs all the same.
    Stop {
        /// Which.
        run: u64,
    },
    /// Remove a workspace, with `before_remove`.
    Clean {
        /// Whose.
        id: String,
        /// Its key for people.
        identifier: String,
        /// Where: as it was when it was made, whatever the settings say now.
        path: PathBuf,
    },
    /// Tell people.
    Log(Record),
}

/// What happens next. `now` is in milliseconds since the Unix epoch.
#[must_use]
pub fn decide(mut state: State, input: Input, now: i64) -> (State, Vec<Effect>) {
    let mut out = Vec::new();
    match input {
        Input::Begin => poll::begin(&mut state, now, &mut out),
        Input::Swept(answer) => poll::swept(&mut state, answer, now, &mut out),
        Input::Tick { token, preflight } => poll::tick(&mut state, token, preflight, now, &mut out),
        Input::Settings(preflight) => poll::preflight(&mut state, preflight, &mut out),
        Input::Refreshed { poll, answer } => poll::refreshed(&mut state, poll, answer, now, &mut out),
        Input::Candidates { poll, answer } => poll::candidates(&mut state, poll, answer, now, &mut out),
        Input::PollNow => poll::now(&mut state, now, &mut out),
        Input::RetryDue { id, token } => claims::retry_due(&mut state, &id, token, now, &mut out),
        Input::RetryRefreshed { id, token, answer } => {
            claims::retry_refreshed(&mut state, &id, token, answer, now, &mut out);
        }
        Input::Said { run, event } => claims::said(&mut state, run, event, now, &mut out),
        Input::Ended { run, outcome } => claims::ended(&mut state, run, outcome, now, &mut out),
        Input::Cleaned { id, error } => claims::cleaned(&mut state, &id, error, &mut out),
        Input::Lift { issue } => claims::lift(&mut state, &issue, now, &mut out),
        Input::Shutdown => {
            state.ending = true;
            let runs: Vec<u64> = state.running.values().map(|it| it.run).collect();
            for run in runs {
                claims::stop(&mut state, run, Stop::Shutdown, &mut out);
            }
        }
    }
    (state, out)
}

/// The pause before an attempt after a failure: 10 s, doubled for each further one, up to a cap.
#[must_use]
pub fn backoff_ms(attempt: u32, cap_ms: u64) -> i64 {
    let exponent = attempt.saturating_sub(1).min(30);
    let cap = i64::try_from(cap_ms).unwrap_or(i64::MAX);
    BACKOFF_MS.saturating_mul(1_i64 << exponent).min(cap)
}
