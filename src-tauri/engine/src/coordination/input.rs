//! The closed list of everything that can wake coordination: deeds of people, facts of the world, ends of effects.

use pilothouse_contract::audit::Shown;
use pilothouse_contract::claim::{Claim, Standing};
use pilothouse_contract::fuse::Fuse;
use pilothouse_contract::gate::Stand;
use pilothouse_contract::outside::Change;
use pilothouse_contract::project::Found;
use pilothouse_contract::room::Slots;
use pilothouse_contract::run::Policy;
use pilothouse_contract::session::{End, Limits, Mode};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::window::Window;
use pilothouse_contract::workflow::Version;
use pilothouse_contract::worktree::Seen;
use pilothouse_contract::{
    AttemptId, ItemId, Oid, ProjectId, PullId, QuestionId, RefName, RunId, SessionId, WorktreeId,
};

use super::after::Afterwards;
use super::draft::Drafting;
use super::effect::{Effect, Outcome};
use super::publish::Publishing;
use super::review::Reviewing;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A person adds a repository, which was looked at.
    AddProject(ProjectFacts),
    /// A person says yes to what was found.
    TrustProject {
        /// Which project.
        project: ProjectId,
        /// What was found.
        found: Vec<Found>,
    },
    /// A person takes a project off the list.
    RemoveProject {
        /// Which project.
        project: ProjectId,
    },
    /// Spec folders were read at the tip of the default branch.
    ItemsFound {
        /// Which project.
        project: ProjectId,
        /// What was read.
        items: Vec<ItemFound>,
    },
    /// The tracker told how the issues stand that runs were queued for.
    IssuesSeen {
        /// Each run, with how its issue stands.
        seen: Vec<(RunId, Standing)>,
    },
    /// `WORKFLOW.md` was read as it stands where our record has the default branch.
    WorkflowSeen {
        /// Which project.
        project: ProjectId,
        /// Which version.
        version: Version,
        /// What it would run around attempts; or what is wrong with it.
        read: Result<Vec<Found>, String>,
    },
    /// The default branch was looked at.
    MainSeen {
        /// Which project.
        project: ProjectId,
        /// Where it stands; nothing if it is gone.
        found: Option<Oid>,
        /// Who moved it last, as far as git tells.
        named: String,
        /// The attempt whose name is on that move, if one's is.
        attempt: Option<AttemptId>,
        /// Whether it holds all that our record has: it was brought on from there, and neither back nor aside.
        forward: bool,
    },
    /// A person says yes to a move that stopped the line.
    AdoptMain {
        /// Which project.
        project: ProjectId,
        /// Where the default branch stands now.
        found: Oid,
    },
    /// A person takes such a move back.
    TakeBackMain {
        /// Which project.
        project: ProjectId,
    },
    /// A person holds the line of a project.
    HoldLine {
        /// Which project.
        project: ProjectId,
        /// Why.
        why: String,
    },
    /// A person lets it go again.
    OpenLine {
        /// Which project.
        project: ProjectId,
    },
    /// The fence in an agent's git held.
    RefRefused {
        /// In which session.
        session: SessionId,
        /// Which ref.
        reference: RefName,
        /// Where it stood.
        from: Option<Oid>,
        /// Where it was to go.
        to: Option<Oid>,
    },
    /// A program inside a session asked for what it may not do.
    CallRefused {
        /// In which session.
        session: Option<SessionId>,
        /// For what.
        asked: String,
        /// Why not.
        why: String,
    },
    /// A person starts a run.
    StartRun(Box<RunFacts>),
    /// A person stops one.
    StopRun {
        /// Which.
        run: RunId,
    },
    /// A person pauses a run, or lets it go on.
    PauseRun {
        /// Which.
        run: RunId,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// A person pauses everything, or lets it go on.
    PauseAll {
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// A person chooses how much may be worked at once over all projects.
    SetSlots {
        /// How much.
        slots: Slots,
    },
    /// The session that judges whether a run is complete says something of one requirement.
    JudgeSays {
        /// Which session.
        session: SessionId,
        /// Of which requirement.
        requirement: String,
        /// What.
        shown: Shown,
    },
    /// Something happened to the draft of an item, or to its gates.
    Drafting(Drafting),
    /// A person puts a queued run before others.
    RankFirst {
        /// Which.
        run: RunId,
    },
    /// A person leaves a note for a run's agents.
    NoteRun {
        /// Which run.
        run: RunId,
        /// The words.
        text: String,
    },
    /// A person looks at the terminal or the transcript of a session.
    Peeked {
        /// Which.
        session: SessionId,
    },
    /// A person starts a session.
    StartSession(SessionFacts),
    /// A person ends one.
    KillSession {
        /// Which.
        session: SessionId,
    },
    /// A person calls one something else.
    RenameSession {
        /// Which.
        session: SessionId,
        /// What it is called from now on.
        title: String,
    },
    /// A person took the keyboard of a session.
    Typed {
        /// Which.
        session: SessionId,
    },
    /// A session asks its person something.
    AskQuestion {
        /// Which session.
        session: SessionId,
        /// What it asks.
        asks: String,
        /// What may be answered; if there are none, anything.
        choices: Vec<String>,
    },
    /// A person answers, or a rule that one wrote down.
    AnswerQuestion {
        /// Which question.
        question: QuestionId,
        /// One of its choices by text or number; if it has none, anything.
        text: String,
    },
    /// The holder of a session died, and another one took over.
    HolderReplaced {
        /// Which session.
        session: SessionId,
        /// The process id of the new holder.
        holder: u32,
        /// Bytes that were typed and of which nobody knows whether they were taken; nothing if who counted them died too.
        uncertain_bytes: Option<u64>,
    },
    /// The holder of a session made way for a newer one.
    HolderUpgraded {
        /// Which session.
        session: SessionId,
        /// The process id of the holder now.
        holder: u32,
    },
    /// A session ended.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// How.
        end: End,
        /// By its own log it did nothing at all. Nobody knows that of a program whose log is not read.
        did_nothing: bool,
    },
    /// An attempt at work changed protected paths.
    PathsTouched {
        /// Which attempt.
        attempt: AttemptId,
        /// Which paths.
        paths: Vec<String>,
    },
    /// A fuse of an attempt's session blew.
    FuseBlown {
        /// Which session.
        session: SessionId,
        /// The fuse.
        fuse: Fuse,
    },
    /// All attempts of a run together used what they may.
    OverBudget {
        /// Which run.
        run: RunId,
        /// What they used, and of how much.
        fuse: Fuse,
    },
    /// A person removes a worktree.
    RemoveWorktree {
        /// Which.
        worktree: WorktreeId,
    },
    /// A person brings one back.
    UndoWorktree {
        /// Which.
        worktree: WorktreeId,
    },
    /// A worktree was looked at.
    WorktreeSeen {
        /// Which.
        worktree: WorktreeId,
        /// What was seen.
        seen: Seen,
    },
    /// A worktree is gone without us.
    WorktreeLost {
        /// Which.
        worktree: WorktreeId,
        /// What is known.
        why: String,
    },
    /// Something happens to the review of a pull request.
    Reviewing(Reviewing),
    /// Something happens after a landing.
    Afterwards(Afterwards),
    /// A person says yes to a pull request.
    ApprovePull {
        /// Which.
        pull: PullId,
        /// The head that they read; the present one if they do not say.
        head: Option<Oid>,
    },
    /// A person asks for its landing.
    LandPull {
        /// Which.
        pull: PullId,
    },
    /// A person lets it land though a person holds the line.
    EscapePull {
        /// Which.
        pull: PullId,
        /// Why.
        why: String,
    },
    /// Something happens to what a pull request is on another forge.
    Publishing(Publishing),
    /// Something changed in the checkout of the default branch.
    CheckoutChanged {
        /// Which project.
        project: ProjectId,
    },
    /// An effect came to its end.
    Done {
        /// Which.
        effect: Effect,
        /// How.
        outcome: Outcome,
    },
    /// A person wants the machine to be kept awake while runs are carried, or not any more.
    KeepAwake {
        /// Whether it is.
        on: bool,
    },
    /// The engine began to work.
    EngineStarted {
        /// How often its watcher started one before.
        restarts: u32,
    },
    /// The machine slept until now.
    MachineSlept {
        /// How long, in milliseconds.
        ms: i64,
    },
    /// A forge tells something new of a pull request.
    ForgeSaid {
        /// Of which project.
        project: Option<ProjectId>,
        /// Which, as `host/owner/name#7`.
        pull: String,
        /// What.
        says: String,
    },
    /// Something worth knowing.
    Notice {
        /// About which project.
        project: Option<ProjectId>,
        /// What.
        says: String,
    },
}

/// A repository that was looked at and is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFacts {
    /// The name wanted; a number is added if it is taken.
    pub name: String,
    /// The top of its main checkout.
    pub path: String,
    /// Its common git folder.
    pub git_dir: String,
    /// The branch that work lands on.
    pub default_branch: RefName,
    /// Where that branch stands.
    pub main: Oid,
}

/// A spec folder that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFound {
    /// Its short name.
    pub slug: String,
    /// The commit it was read from.
    pub base: Oid,
    /// What it says.
    pub spec: Spec,
}

/// Everything that a new run needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The item.
    pub item: ItemId,
    /// Its spec, read from `base`.
    pub spec: Spec,
    /// The tip of the default branch.
    pub base: Oid,
    /// A branch name that is free.
    pub branch: RefName,
    /// What it is started under.
    pub policy: Policy,
    /// Do not go on with a parked run.
    pub fresh: bool,
    /// When it begins; at once if none.
    pub window: Option<Window>,
    /// Worktrees of a parked run that were written in since it was parked.
    pub edited: Vec<Change>,
    /// The issue that it is for, if it is queued for one.
    pub claim: Option<Claim>,
    /// How the gates of its item stand at `base`.
    pub gates: Vec<Stand>,
}

/// Everything that a person's session needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The project, if it belongs to one.
    pub project: Option<ProjectId>,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its working directory.
    pub cwd: String,
    /// How it is held.
    pub mode: Mode,
    /// What it may use at most.
    pub limits: Limits,
}
