//! Events: one enum for everything that happened, each in a numbered record that says when and who. The engine
//! writes them, both sides fold them with [`crate::Fleet::apply`].

use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, AttemptState, Candidate, Failure};
use crate::audit::{Audit, Judged};
use crate::card::Happened;
use crate::evidence::Evidence;
use crate::ids::{
    AttemptId, EvidenceId, ItemId, Oid, ProjectId, PullId, QuestionId, RefName, RunId, SessionId, TaskId,
    WorktreeId,
};
use crate::item::{Item, ItemState};
use crate::outside::Change;
use crate::phase::{Checkpoint, PhaseRun};
use crate::project::{Found, Line, Move, Project};
use crate::pull::{Body, MergeResult, Pull, PullApproval, PullState, Size};
use crate::question::{Question, QuestionAnswer};
use crate::queue::{Queued, Said};
use crate::room::Slots;
use crate::run::{Note, Policy, Run, RunState, TaskRun, TaskState, Touch};
use crate::session::{End, Running, Session};
use crate::stop::Stop;
use crate::time::At;
use crate::wait::Wait;
use crate::who::Who;
use crate::window::Window;
use crate::workflow::InForce;
use crate::worktree::{Recovery, Seen, Worktree};

/// One row of history. Sequence numbers count up by one; a gap means that a subscriber missed something and asks anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub at: At,
    /// Who.
    pub who: Who,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[allow(missing_docs, reason = "the fields of an event are the concepts they are named after")]
pub enum Event {
    /// A repository was added.
    ProjectAdded { project: Project },
    /// A repository was taken off the list.
    ProjectRemoved { project: ProjectId },
    /// A person said yes to a repository's commands.
    ProjectTrusted { project: ProjectId, found: Vec<Found> },
    /// Another version of a project's `WORKFLOW.md` is in force, or waits to be.
    WorkflowSeen { project: ProjectId, seen: InForce },
    /// The default branch came to a new place, and that is as it should be.
    MainMoved { project: ProjectId, from: Oid, to: Oid, how: Move },
    /// The default branch was moved by somebody else, or that was settled.
    LineChanged { project: ProjectId, line: Line, why: String },
    /// A person holds the line, so that nothing lands, or lets it go again.
    LineHeld { project: ProjectId, held: Option<Said> },

    /// An item was found, or its spec read anew.
    ItemRead { item: Item },
    /// An item went along the road.
    ItemMoved { item: ItemId, to: ItemState, why: String, evidence: Vec<EvidenceId> },

    /// Something happened to the card of an item: its draft, its refinement, its gates.
    Card { item: ItemId, what: Happened },

    /// A run began.
    RunStarted { run: Box<Run> },
    /// A person let a parked run go on, by the spec and the policy of a newer commit. Nothing begins before its branch
    /// is up to date.
    RunResumed {
        run: RunId,
        approved: Oid,
        policy: Box<Policy>,
        tasks: Vec<TaskRun>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        phases: Vec<PhaseRun>,
        /// What changed from outside while it was parked; nothing in records of older versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outside: Vec<Change>,
    },
    /// More was found that changed from outside while a run was parked.
    OutsideSeen { run: RunId, changes: Vec<Change> },
    /// A person paused a run, or let it go on.
    RunPaused { run: RunId, paused: bool },
    /// A run went along. One that is parked says which of the closed list of reasons it is, and what shows it.
    RunMoved {
        run: RunId,
        to: RunState,
        why: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<Stop>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<EvidenceId>,
    },
    /// A queued run began, from where the default branch stands now.
    RunBegun { run: RunId, base: Oid },
    /// The window of a run opened or closed, or is another one.
    RunWindow { run: RunId, window: Option<Window> },
    /// A person put a queued run before others.
    RunRanked { run: RunId, rank: i32 },
    /// The item branch came to a new place.
    HeadMoved { run: RunId, from: Option<Oid>, to: Oid, why: String },
    /// A person touched a run.
    RunTouched { run: RunId, touch: Touch },
    /// A person left a note for the agents of a run that begin after it.
    RunNoted { run: RunId, note: Note },
    /// A task came to a new state.
    TaskMoved { run: RunId, task: TaskId, to: TaskState, why: String, evidence: Vec<EvidenceId> },
    /// A person gave a parked task new tries.
    TaskRestarted { run: RunId, task: TaskId },
    /// A task is tried again, and not before this.
    TaskRests { run: RunId, task: TaskId, until: At },
    /// Its rest is over, or a person lifted it.
    TaskRested { run: RunId, task: TaskId },
    /// Its next try goes on where that one stood, and the worktree is kept for it.
    TaskGoesOn { run: RunId, task: TaskId, attempt: AttemptId },
    /// The checkpoint of a phase is run, held, or did not.
    PhaseMoved { run: RunId, phase: usize, to: Checkpoint, why: String },
    /// A fresh session is asked to hold each requirement against the evidence.
    AuditAsked { run: RunId, audit: Audit },
    /// It said something of one requirement.
    Judged { run: RunId, judged: Judged },
    /// It came to its end.
    Audited { run: RunId, audit: Audit },
    /// The item branch is lent to one attempt, or free again.
    Integrating { run: RunId, attempt: Option<AttemptId> },

    /// An attempt began.
    AttemptStarted { attempt: Attempt },
    /// An attempt went along its road.
    AttemptMoved { attempt: AttemptId, to: AttemptState, why: String, evidence: Vec<EvidenceId> },
    /// An attempt waits before it goes on, or does not any more.
    AttemptWaits { attempt: AttemptId, wait: Option<Wait> },
    /// An attempt failed: the bad end.
    AttemptFailed { attempt: AttemptId, failure: Failure, why: String, evidence: Vec<EvidenceId> },
    /// Its context is full: its session is ended, and a fresh one is to go on.
    AttemptHandsOver { attempt: AttemptId, fill: u64 },
    /// Its brief was written.
    BriefWritten { attempt: AttemptId, hash: String },
    /// What it made was read.
    CandidateRead { attempt: AttemptId, candidate: Candidate },

    /// A session was asked for.
    SessionAsked { session: Session },
    /// Its program runs.
    SessionRuns { session: SessionId, running: Running },
    /// A person calls it something else.
    SessionRenamed { session: SessionId, title: String },
    /// Its holder died, and another one took over where it stood. What was typed and not acknowledged may have been
    /// taken or not: so many bytes, or nobody knows how many, because the engine died too. They are not typed again.
    HolderReplaced { session: SessionId, holder: u32, uncertain_bytes: Option<u64> },
    /// Its holder made way for the one that was installed in its place, and nothing was lost by it.
    HolderUpgraded { session: SessionId, holder: u32 },
    /// It ended.
    SessionEnded { session: SessionId, end: End },

    /// A session asks its person something.
    QuestionAsked { question: Question },
    /// A question was answered.
    QuestionAnswered { question: QuestionId, answer: QuestionAnswer },
    /// Nobody waits for the answer to a question any more.
    QuestionWithdrawn { question: QuestionId, why: String },

    /// A worktree was asked for.
    WorktreeAsked { worktree: Worktree },
    /// It is there.
    WorktreeMade { worktree: WorktreeId },
    /// It could not be made, or is gone without us.
    WorktreeGone { worktree: WorktreeId, why: String },
    /// Another attempt has it from now on.
    WorktreePassed { worktree: WorktreeId, attempt: AttemptId },
    /// What it looks like was seen to change.
    WorktreeSeen { worktree: WorktreeId, seen: Seen },
    /// It was removed, and can be brought back.
    WorktreeRemoved { worktree: WorktreeId, recovery: Recovery },
    /// It was brought back.
    WorktreeRestored { worktree: WorktreeId, lost: Vec<String> },

    /// A command ran on a tree, and this came of it.
    EvidenceGathered { evidence: Evidence },

    /// A pull request was opened.
    PullOpened { pull: Box<Pull> },
    /// An open pull request proposes another head; a yes to the old one is no yes to this one.
    PullRenewed { pull: PullId, head: Oid, body: Body, commits: u32, size: Size },
    /// A merge result was made for it.
    PullMerged { pull: PullId, result: MergeResult, checks: Vec<String> },
    /// One of its checks came back.
    PullChecked { pull: PullId, command: String, evidence: EvidenceId, passed: bool },
    /// Somebody said yes.
    PullApproved { pull: PullId, approval: PullApproval },
    /// Something happened after its landing: a look, an escape, a revert.
    After { pull: PullId, what: crate::after::Happened },
    /// A person let changes of a class land by themselves, or not any more; and what they saw of how it went so far.
    AutoLand { project: ProjectId, class: crate::risk::RiskClass, on: bool, seen: String },
    /// Something happened to its review: its risk, rounds, findings, answers.
    Review { pull: PullId, what: crate::review::Happened },
    /// It has a place in the queue, or something of that place changed.
    PullQueued { pull: PullId, queued: Queued },
    /// One of its checks was ended, because it tells nothing any more.
    PullCheckGivenUp { pull: PullId, session: SessionId },
    /// Something happened to what it is on another forge.
    Publish { pull: PullId, what: crate::published::Happened },
    /// It went along its road.
    PullMoved { pull: PullId, to: PullState, why: String, evidence: Vec<EvidenceId> },

    /// A forge tells something new of a pull request there: `host/owner/name#7`, and what.
    ForgeSaid { project: Option<ProjectId>, pull: String, says: String },

    /// Somebody asked for what they may not do; it was not done.
    Refused {
        project: Option<ProjectId>,
        run: Option<RunId>,
        session: Option<SessionId>,
        asked: String,
        why: String,
    },
    /// A ref was moved, or tried to be moved, by somebody who may not.
    RefTouched {
        /// Where.
        project: ProjectId,
        /// The session it is laid to, if git or the fence tells.
        session: Option<SessionId>,
        /// Which ref.
        reference: RefName,
        /// Where it stood.
        from: Option<Oid>,
        /// Where it was to go, or went.
        to: Option<Oid>,
        /// Whether the fence held.
        prevented: bool,
        /// Who, as far as git tells.
        named: String,
    },
    /// A person wants the machine to be kept awake while runs are carried, or not any more.
    KeepAwake { on: bool },
    /// A person chose how much may be worked at once over all projects.
    SlotsSet { slots: Slots },
    /// A person paused everything, or let it go on.
    AllPaused { paused: bool },
    /// Everything is paused, and now nothing is under way any more.
    Drained,
    /// The engine began to work; so often did its watcher start one before, in this life of the watcher.
    EngineStarted { restarts: u32 },
    /// The machine slept while the engine lived: so long, in milliseconds, up to this record.
    MachineSlept { ms: i64 },
    /// Worth knowing, with no deadline.
    Notice { project: Option<ProjectId>, says: String },
}

impl Event {
    /// The word in the `kind` column and in lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::ProjectAdded { .. } => "project-added",
            Self::ProjectRemoved { .. } => "project-removed",
            Self::ProjectTrusted { .. } => "project-trusted",
            Self::WorkflowSeen { .. } => "workflow-seen",
            Self::MainMoved { .. } => "main-moved",
            Self::LineChanged { .. } => "line-changed",
            Self::LineHeld { .. } => "line-held",
            Self::ItemRead { .. } => "item-read",
            Self::ItemMoved { .. } => "item-moved",
            Self::Card { what, .. } => what.word(),
            Self::RunStarted { .. } => "run-started",
            Self::RunResumed { .. } => "run-resumed",
            Self::RunMoved { .. } => "run-moved",
            Self::RunBegun { .. } => "run-begun",
            Self::RunWindow { .. } => "run-window",
            Self::RunRanked { .. } => "run-ranked",
            Self::HeadMoved { .. } => "head-moved",
            Self::RunTouched { .. } => "run-touched",
            Self::RunNoted { .. } => "run-noted",
            Self::OutsideSeen { .. } => "outside-seen",
            Self::RunPaused { .. } => "run-paused",
            Self::TaskMoved { .. } => "task-moved",
            Self::TaskRestarted { .. } => "task-restarted",
            Self::TaskRests { .. } => "task-rests",
            Self::TaskRested { .. } => "task-rested",
            Self::TaskGoesOn { .. } => "task-goes-on",
            Self::PhaseMoved { .. } => "phase-moved",
            Self::AuditAsked { .. } => "audit-asked",
            Self::Judged { .. } => "judged",
            Self::Audited { .. } => "audited",
            Self::Integrating { .. } => "integrating",
            Self::AttemptStarted { .. } => "attempt-started",
            Self::AttemptMoved { .. } => "attempt-moved",
            Self::AttemptWaits { .. } => "attempt-waits",
            Self::AttemptFailed { .. } => "attempt-failed",
            Self::AttemptHandsOver { .. } => "attempt-hands-over",
            Self::BriefWritten { .. } => "brief-written",
            Self::CandidateRead { .. } => "candidate-read",
            Self::SessionAsked { .. } => "session-asked",
            Self::SessionRuns { .. } => "session-runs",
            Self::SessionRenamed { .. } => "session-renamed",
            Self::HolderReplaced { .. } => "holder-replaced",
            Self::HolderUpgraded { .. } => "holder-upgraded",
            Self::SessionEnded { .. } => "session-ended",
            Self::QuestionAsked { .. } => "question-asked",
            Self::QuestionAnswered { .. } => "question-answered",
            Self::QuestionWithdrawn { .. } => "question-withdrawn",
            Self::WorktreeAsked { .. } => "worktree-asked",
            Self::WorktreeMade { .. } => "worktree-made",
            Self::WorktreeGone { .. } => "worktree-gone",
            Self::WorktreePassed { .. } => "worktree-passed",
            Self::WorktreeSeen { .. } => "worktree-seen",
            Self::WorktreeRemoved { .. } => "worktree-removed",
            Self::WorktreeRestored { .. } => "worktree-restored",
            Self::EvidenceGathered { .. } => "evidence-gathered",
            Self::PullOpened { .. } => "pull-opened",
            Self::PullRenewed { .. } => "pull-renewed",
            Self::PullMerged { .. } => "pull-merged",
            Self::PullChecked { .. } => "pull-checked",
            Self::PullApproved { .. } => "pull-approved",
            Self::Review { what, .. } => what.word(),
            Self::After { what, .. } => what.word(),
            Self::AutoLand { .. } => "auto-land",
            Self::PullQueued { .. } => "pull-queued",
            Self::PullCheckGivenUp { .. } => "pull-check-given-up",
            Self::Publish { what, .. } => what.word(),
            Self::PullMoved { .. } => "pull-moved",
            Self::ForgeSaid { .. } => "forge-said",
            Self::Refused { .. } => "refused",
            Self::RefTouched { .. } => "ref-touched",
            Self::KeepAwake { .. } => "keep-awake",
            Self::SlotsSet { .. } => "slots-set",
            Self::AllPaused { .. } => "all-paused",
            Self::Drained => "drained",
            Self::EngineStarted { .. } => "engine-started",
            Self::MachineSlept { .. } => "machine-slept",
            Self::Notice { .. } => "notice",
        }
    }
}
