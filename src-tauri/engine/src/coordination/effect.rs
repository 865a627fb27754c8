//! Effects: what coordination asks the world to do. Each is stored before it is done and marked when it is done, and
//! each can be done again: whoever performs it first looks whether it is done already.

use std::fmt;

use pilothouse_contract::attempt::Candidate;
use pilothouse_contract::evidence::{Evidence, Gate, Subject};
use pilothouse_contract::published::Named;
use pilothouse_contract::pull::{MergeResult, Size};
use pilothouse_contract::risk::Risk;
use pilothouse_contract::session::Running;
use pilothouse_contract::window::Window;
use pilothouse_contract::worktree::Recovery;
use pilothouse_contract::{
    At, AttemptId, Fault, ItemId, Oid, ProjectId, PullId, RefName, RunId, SessionId, TaskId, WorktreeId,
};
use serde::{Deserialize, Serialize};

use super::draft::DraftRead;
use super::review::AnswerRead;
use super::there::{LandAsked, Told};

/// The number of an effect, given once: its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectKey(pub u64);

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "effect {}", self.0)
    }
}

/// An effect that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingEffect {
    /// Its number.
    pub key: EffectKey,
    /// When it was asked for; commits that it makes carry this time, so that doing it twice makes the same commits.
    pub at: At,
    /// What is to be done.
    pub effect: Effect,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "effect")]
pub enum Effect {
    /// Make the item branch at a commit, or put it back there.
    MakeBranch {
        /// The run.
        run: RunId,
        /// Where.
        at: Oid,
        /// Leave it where it is if that descends from `at`: somebody went on there, and a person lets the run go on.
        #[serde(default)]
        adopt: bool,
    },
    /// Merge the default branch's commit into the item branch's head, as a commit that no branch points to yet.
    TakeIn {
        /// The run.
        run: RunId,
        /// Its head.
        head: Oid,
        /// The default branch's commit.
        main: Oid,
    },
    /// Make an attempt's worktree and write its brief.
    Prepare {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Start the program of a session.
    Launch {
        /// The session.
        session: SessionId,
    },
    /// Run commands on a clean tree.
    Check(CheckAsked),
    /// Read what an attempt's worktree holds as a commit on its base.
    Read {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Make the one commit of an attempt's task on the item branch's head, and the tick on top of it.
    Integrate {
        /// The attempt.
        attempt: AttemptId,
        /// The head.
        head: Oid,
    },
    /// Move the item branch.
    Advance {
        /// The run.
        run: RunId,
        /// From where.
        old: Oid,
        /// To where.
        new: Oid,
        /// What comes with it.
        change: HeadChange,
    },
    /// Make the commit that writes the evidence down in the spec folder.
    WriteRecord {
        /// The run.
        run: RunId,
        /// On this head.
        head: Oid,
    },
    /// Measure a change for its pull request.
    Propose {
        /// The run.
        run: RunId,
        /// Its head.
        head: Oid,
    },
    /// Merge a pull request's head into the default branch's commit, as an object and no more.
    Merge {
        /// The pull request.
        pull: PullId,
        /// The default branch's commit.
        onto: Oid,
        /// The head.
        head: Oid,
    },
    /// Move the default branch, and its checkout with it.
    Land {
        /// The pull request.
        pull: PullId,
        /// From where.
        old: Oid,
        /// To where.
        new: Oid,
    },
    /// Move the default branch back to where our record has it.
    TakeBack {
        /// The project.
        project: ProjectId,
        /// From where it was found.
        found: Option<Oid>,
        /// To where.
        to: Oid,
    },
    /// End a session with everything it started.
    EndSession {
        /// The session.
        session: SessionId,
    },
    /// Come back when a task has rested.
    Rest {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// Until when.
        until: At,
    },
    /// Come back when the window of a run opens or closes.
    Wait {
        /// The run.
        run: RunId,
        /// When.
        until: At,
    },
    /// Remove a worktree so that it can be brought back.
    Discard {
        /// The worktree.
        worktree: WorktreeId,
    },
    /// Bring a removed worktree back.
    Restore {
        /// The worktree.
        worktree: WorktreeId,
    },
    /// Read what a session at a draft left, and what it used.
    ReadDraft {
        /// The item.
        item: ItemId,
        /// The session, which is over.
        session: SessionId,
    },
    /// Read what the session of an author left who answers findings.
    ReadAnswer {
        /// The pull request.
        pull: PullId,
        /// The session, which is over.
        session: SessionId,
    },
    /// Send a pull request's head to the forge that it is published at, and open it there.
    Publish {
        /// The pull request.
        pull: PullId,
        /// The head.
        head: Oid,
    },
    /// Ask the forge that a pull request is published at to land just that head.
    AskLanding {
        /// The pull request.
        pull: PullId,
        /// The head.
        head: Oid,
    },
    /// Ask that forge not to land it.
    LetGo {
        /// The pull request.
        pull: PullId,
    },
    /// Bring what that forge landed here, as a commit that a ref of ours keeps.
    FetchLanded {
        /// The pull request.
        pull: PullId,
        /// What landed.
        commit: Oid,
    },
    /// Delete a branch whose commits have landed.
    DropBranch {
        /// The project.
        project: ProjectId,
        /// The branch.
        branch: RefName,
        /// Where it must stand.
        at: Oid,
    },
}

/// Commands to be run on a commit in a clean tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAsked {
    /// The session that runs them.
    pub session: SessionId,
    /// The project.
    pub project: ProjectId,
    /// The run.
    pub run: RunId,
    /// The attempt, for gates of a task.
    pub attempt: Option<AttemptId>,
    /// The pull request, for gates of a landing.
    pub pull: Option<PullId>,
    /// The phase, for its checkpoint.
    #[serde(default)]
    pub phase: Option<usize>,
    /// The gate.
    pub gate: Gate,
    /// The commit.
    pub commit: Oid,
    /// The commands; all must exit 0.
    pub commands: Vec<String>,
    /// What their output must match.
    pub expect: Option<String>,
}

impl CheckAsked {
    /// What the evidence of it is about; `task` is that of its attempt.
    #[must_use]
    pub fn subject(&self, task: Option<TaskId>) -> Subject {
        Subject {
            project: self.project,
            run: self.run,
            task,
            attempt: self.attempt,
            pull: self.pull,
            phase: self.phase,
        }
    }
}

/// What comes with a move of the item branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum HeadChange {
    /// A task's commit and its tick.
    Task {
        /// The attempt that made it.
        attempt: AttemptId,
    },
    /// The evidence record.
    Record,
    /// What an author changed by findings.
    Answer {
        /// The pull request.
        pull: PullId,
        /// The session that did.
        session: SessionId,
    },
    /// What came to the default branch while the run was parked.
    Main {
        /// The default branch's commit.
        main: Oid,
    },
}

impl Effect {
    /// The word for lists and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::MakeBranch { .. } => "make-branch",
            Self::TakeIn { .. } => "take-in",
            Self::Prepare { .. } => "prepare",
            Self::Launch { .. } => "launch",
            Self::Check(_) => "check",
            Self::Read { .. } => "read",
            Self::Integrate { .. } => "integrate",
            Self::Advance { .. } => "advance",
            Self::WriteRecord { .. } => "write-record",
            Self::Propose { .. } => "propose",
            Self::Merge { .. } => "merge",
            Self::Land { .. } => "land",
            Self::TakeBack { .. } => "take-back",
            Self::EndSession { .. } => "end-session",
            Self::Rest { .. } => "rest",
            Self::Wait { .. } => "wait",
            Self::Discard { .. } => "discard",
            Self::Restore { .. } => "restore",
            Self::ReadDraft { .. } => "read-draft",
            Self::ReadAnswer { .. } => "read-answer",
            Self::Publish { .. } => "publish",
            Self::AskLanding { .. } => "ask-landing",
            Self::LetGo { .. } => "let-go",
            Self::FetchLanded { .. } => "fetch-landed",
            Self::DropBranch { .. } => "drop-branch",
        }
    }
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "with")]
pub enum Outcome {
    /// Of `MakeBranch`: where it stands, or why it could not be made.
    Branch(Result<Oid, String>),
    /// Of `TakeIn`: the head itself if it holds the default branch already.
    TakenIn(Merged),
    /// Of `Prepare`: the hash of the brief, or why not.
    Prepared(Result<String, String>),
    /// Of `Launch`: facts of the program, or why it was not started.
    Launched(Result<Running, String>),
    /// Of `Check`.
    Checked(Box<Checked>),
    /// Of `Read`: nothing if nothing changed; or why it could not be read.
    Read(Result<Option<Candidate>, String>),
    /// Of `Integrate`.
    Integrated(Integrated),
    /// Of `Advance`.
    Advanced(Advanced),
    /// Of `WriteRecord`: the commit, or why not.
    RecordWritten(Result<Oid, String>),
    /// Of `Propose`: or why not.
    Proposed(Result<Measured, String>),
    /// Of `Merge`.
    Merged(Merged),
    /// Of `Land`.
    Landing(Landing),
    /// Of `TakeBack`: or why not.
    TakenBack(Result<(), Fault>),
    /// Of `Discard`: how it comes back, or why it was not removed.
    Discarded(Result<Recovery, Fault>),
    /// Of `Restore`: what could not be brought back, or why nothing was.
    Restored(Result<Vec<String>, Fault>),
    /// Of `Wait`: the window that follows now, if it is one of every day.
    Waited(Option<Window>),
    /// Of `ReadDraft`: or why not.
    DraftRead(Result<Box<DraftRead>, String>),
    /// Of `ReadAnswer`: or why not.
    AnswerRead(Result<AnswerRead, String>),
    /// Of `Publish`: what it is called there, or why it is not there; nothing if another head is wanted by now.
    Published(Result<Option<Named>, NotSent>),
    /// Of `AskLanding`: or why not.
    LandAsked(Result<LandAsked, NotSent>),
    /// Of `LetGo`: how it stands there if it was over already; or why not.
    LetGo(Result<Option<Told>, NotSent>),
    /// Of `FetchLanded`: or why not.
    Fetched(Result<(), NotSent>),
    /// Of effects that have nothing to say.
    Done,
}

/// Why something was not sent to a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotSent {
    /// In words.
    pub fault: Fault,
    /// Whether it may go by itself once the forge answers.
    pub again: bool,
}

/// What a change is, measured for its pull request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The commits that it brings.
    pub commits: u32,
    /// How long it is.
    pub size: Size,
    /// Its stable patch id against where it began.
    pub patch: String,
    /// How risky it is.
    pub risk: Risk,
}

/// What came of a check. The evidence's id is given when it is written down; here it is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The evidence, whose verdict is that of the commands alone: whether they held.
    pub evidence: Evidence,
    /// How the session ended.
    pub end: pilothouse_contract::session::End,
    /// Facts of the program, if it ran.
    pub running: Option<Running>,
}

/// What came of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "integrated")]
pub enum Integrated {
    /// The commits are made.
    Made {
        /// The task's commit and its tick.
        candidate: Candidate,
    },
    /// It clashes with what came to the item branch.
    Clash {
        /// Where.
        paths: Vec<String>,
    },
    /// It could not be made.
    Failed {
        /// Why.
        why: String,
    },
}

/// What came of a move of the item branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "advanced")]
pub enum Advanced {
    /// It stands at the new commit.
    Moved,
    /// It stood somewhere else than our record says.
    Elsewhere {
        /// Where; nothing if it is gone.
        found: Option<Oid>,
        /// Who moved it, as far as git tells.
        named: String,
    },
    /// It could not be moved.
    Failed {
        /// Why.
        why: String,
    },
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "merged")]
pub enum Merged {
    /// It is made.
    Made {
        /// The result.
        result: MergeResult,
    },
    /// It clashes.
    Clash {
        /// Where.
        paths: Vec<String>,
    },
    /// It could not be made.
    Failed {
        /// Why.
        why: String,
    },
}

/// What came of a landing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "landing")]
pub enum Landing {
    /// The default branch stands at the new commit.
    Landed,
    /// The checkout of the default branch is in the way.
    InTheWay {
        /// The checkout.
        checkout: String,
        /// The paths in the way, as far as they are known.
        paths: Vec<String>,
        /// What git said.
        says: String,
    },
    /// The default branch stands somewhere else than our record says.
    Elsewhere {
        /// Where; nothing if it is gone.
        found: Option<Oid>,
        /// Who moved it, as far as git tells.
        named: String,
        /// The attempt that did it, if its name is on it.
        attempt: Option<AttemptId>,
        /// Whether it holds all that our record has: it was brought on from there, and neither back nor aside.
        #[serde(default)]
        forward: bool,
    },
    /// It could not be done.
    Failed {
        /// Why.
        why: String,
    },
}
