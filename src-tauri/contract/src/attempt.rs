//! Attempts: one try at one task, with one fresh session, one worktree, one brief and one outcome.

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, EvidenceId, Oid, RunId, SessionId, TaskId, WorktreeId};
use crate::time::At;
use crate::wait::Wait;

/// One try at one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// It is one of several that try the same at once: the first one of them, which may be itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<AttemptId>,
    /// It goes on where an earlier try of the task stood, in that one's worktree and, unless that one was handed over, in its own
    /// session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<AttemptId>,
    /// The how-manieth try of this task, from 1.
    pub number: u32,
    /// Where it stands.
    pub state: AttemptState,
    /// Why it stands there.
    pub why: String,
    /// What it waits for before it goes on there; nothing if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Wait>,
    /// The commit of the item branch it starts from.
    pub base: Oid,
    /// Its worktree.
    pub worktree: WorktreeId,
    /// Its session, once one is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// SHA-256 of its brief, once it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
    /// What its worktree held when the session ended, as a commit on `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// The evidence gathered, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceId>,
    /// How it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its context is full, of so many tokens: its session is being ended, and a fresh one goes on where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hands_over: Option<u64>,
    /// When it was leased.
    pub started: At,
    /// When it last moved.
    pub moved: At,
}

impl Attempt {
    /// The how-manieth try it is, and from which one it goes on, in words.
    #[must_use]
    pub fn nth(&self) -> String {
        match self.continues {
            Some(before) => format!("{}, goes on from {before}", self.number),
            None => self.number.to_string(),
        }
    }
}

/// Where an attempt stands. The order is that of the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptState {
    /// It has the task.
    Leased,
    /// Its worktree and brief are being made.
    Preparing,
    /// The proof is run on the untouched tree, where it must fail.
    RedCheck,
    /// Its session works.
    Working,
    /// The session ended well, which is a claim and no more.
    ClaimedDone,
    /// The engine runs the proof on exactly what was made, in a clean tree.
    Verifying,
    /// What changed is held against the declared scope.
    ScopeAudit,
    /// It holds, and waits for the others that try the same: the best one goes on.
    Contending,
    /// It waits for its turn at the item branch, or is being merged with what came there meanwhile.
    Integrating,
    /// The one commit of the task is made; the item branch is being moved to it.
    Committed,
    /// On the item branch and ticked: the good end.
    Merged,
    /// The bad end, with a failure.
    Failed,
}

impl AttemptState {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Preparing => "preparing",
            Self::RedCheck => "red-check",
            Self::Working => "working",
            Self::ClaimedDone => "claimed-done",
            Self::Verifying => "verifying",
            Self::ScopeAudit => "scope-audit",
            Self::Contending => "contending",
            Self::Integrating => "integrating",
            Self::Committed => "committed",
            Self::Merged => "merged-to-item",
            Self::Failed => "failed",
        }
    }

    /// Whether it has come to an end.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Merged | Self::Failed)
    }
}

impl Attempt {
    /// The first attempt at a task, as it is begun: leased, with nothing done yet.
    #[must_use]
    pub fn leased(id: AttemptId, run: RunId, task: TaskId, base: Oid, worktree: WorktreeId, at: At) -> Self {
        Self {
            id,
            run,
            task,
            number: 1,
            contest: None,
            continues: None,
            state: AttemptState::Leased,
            waits: None,
            why: String::new(),
            base,
            worktree,
            session: None,
            brief: None,
            candidate: None,
            evidence: Vec::new(),
            failure: None,
            hands_over: None,
            started: at,
            moved: at,
        }
    }
}

/// What an attempt made, re-read as a diff against its base. The agent's own commits are input to this and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The commit it stands on: the attempt's base at first, the item branch's head once it is integrated.
    pub onto: Oid,
    /// The engine's commit of it.
    pub commit: Oid,
    /// The tick on top of it, once it is integrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick: Option<Oid>,
    /// Its tree.
    pub tree: Oid,
    /// The paths that changed.
    pub paths: Vec<String>,
    /// How many lines were added or taken out.
    #[serde(default)]
    pub lines: u64,
    /// The stable patch id of the change: the same wherever it is merged.
    pub patch: String,
}

/// How an attempt failed. A closed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "failure")]
pub enum Failure {
    /// Its worktree could not be made, or its session could not be started.
    NotStarted,
    /// The proof passed before any work, so it proves nothing.
    Vacuous,
    /// No sign of work for too long.
    Stalled,
    /// It worked for longer than its policy allows.
    OverTime,
    /// It used more tokens than its policy allows.
    OverTokens,
    /// It cost more than its policy allows.
    OverMoney,
    /// It made the same call with the same answer over and over.
    Repeats,
    /// Its context was full: a fresh session goes on where it stood. That is no failure of the task.
    HandedOver {
        /// Of so many tokens.
        fill: u64,
    },
    /// Its context was full once more, after one session after the other had handed the task over.
    HandedOverTooOften,
    /// The agent program ended badly.
    AgentExit {
        /// Its exit code, if it had one.
        code: Option<i32>,
    },
    /// Its session is gone and nobody knows how it ended.
    Lost,
    /// It was to go on in its own session, and the program ended before it did anything.
    NotResumed,
    /// It said done and changed nothing.
    NothingMade,
    /// It said done and the proof failed.
    VerifyFailed,
    /// It changed paths outside its scope.
    ScopeDrift {
        /// Which.
        paths: Vec<String>,
    },
    /// What it made clashes with what came onto the item branch meanwhile.
    Conflict {
        /// Where.
        paths: Vec<String>,
    },
    /// It moved a ref that is not its own.
    MovedRef {
        /// Which.
        reference: String,
    },
    /// It held, and another one that tried the same was better.
    Outdone {
        /// Which.
        by: AttemptId,
    },
    /// A person stopped it.
    Stopped,
}

impl Failure {
    /// The word shown to people and kept in the closed list of reasons.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::Vacuous => "vacuous",
            Self::Stalled => "stalled",
            Self::OverTime => "over-time",
            Self::OverTokens => "over-tokens",
            Self::OverMoney => "over-money",
            Self::Repeats => "repeats",
            Self::HandedOver { .. } => "handed-over",
            Self::HandedOverTooOften => "handed-over-too-often",
            Self::AgentExit { .. } => "agent-exit",
            Self::Lost => "lost",
            Self::NotResumed => "not-resumed",
            Self::NothingMade => "nothing-made",
            Self::VerifyFailed => "verify-failed",
            Self::ScopeDrift { .. } => "scope-drift",
            Self::Conflict { .. } => "conflict",
            Self::MovedRef { .. } => "moved-ref",
            Self::Outdone { .. } => "outdone",
            Self::Stopped => "stopped",
        }
    }
}
