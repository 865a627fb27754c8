//! What can be asked of the engine: one struct per call, grouped by concept, and the pages that answer.

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, ItemId, ProjectId, PullId, QuestionId, RunId, SessionId, TaskId, WorktreeId};

macro_rules! asks {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$fdoc:meta])* $field:ident : $type:ty ),* $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name { $( $(#[$fdoc])* pub $field: $type, )* }
    )* };
}

/// The engine itself.
pub mod engine;

/// New items, their refinement and their gates.
pub mod draft;
/// Forges and their pull requests.
pub mod forge;

/// Projects.
pub mod project {
    use super::*;
    use crate::project::{Found, Project};

    asks! {
        /// Adds a repository. Refuses what is none, or has no commits.
        Add {
            /// Its folder, absolute.
            path: String,
        }
        /// The projects on the list.
        List {}
        /// What in a repository can run commands.
        Look {
            /// Which.
            project: ProjectId,
        }
        /// Says yes to what was found.
        Trust {
            /// Which.
            project: ProjectId,
            /// The digest of what the person was shown; refused if it is no longer that.
            digest: String,
        }
        /// Takes a project off the list. The repository stays as it is.
        Remove {
            /// Which.
            project: ProjectId,
        }
        /// Says yes to a move of the default branch that stopped the line.
        Adopt {
            /// Which.
            project: ProjectId,
        }
        /// Takes such a move back.
        TakeBack {
            /// Which.
            project: ProjectId,
        }
        /// Holds the line: nothing lands in it from now on but by a person's deed.
        HoldLine {
            /// Which.
            project: ProjectId,
            /// Why; whoever waits reads it.
            why: String,
        }
        /// Lets the line go again.
        OpenLine {
            /// Which.
            project: ProjectId,
        }
        /// The instructions in its working tree, as a graph.
        Instructions {
            /// Which.
            project: ProjectId,
        }
        /// A project with what was found in it.
        ProjectPage {
            /// The project.
            project: Project,
            /// What in it can run commands.
            found: Vec<Found>,
            /// The digest of that list.
            digest: String,
        }
    }
}

/// Items.
pub mod item {
    use super::*;
    use crate::evidence::Evidence;
    use crate::item::Item;
    use crate::pull::Pull;
    use crate::run::Run;

    asks! {
        /// The items of a project, or of all.
        List {
            /// Which project; all if none.
            project: Option<ProjectId>,
        }
        /// Reads the spec folders at the tip of the default branch anew.
        Read {
            /// Which project.
            project: ProjectId,
        }
        /// One item with everything about it.
        Show {
            /// Which.
            item: ItemId,
        }
        /// An item's page.
        ItemPage {
            /// The item.
            item: Item,
            /// Its runs, oldest first.
            runs: Vec<Run>,
            /// Its pull requests.
            pulls: Vec<Pull>,
            /// The evidence gathered for it.
            evidence: Vec<Evidence>,
        }
    }
}

/// Runs.
pub mod run {
    use super::*;
    use crate::attempt::Attempt;
    use crate::event::Record;
    use crate::evidence::Evidence;
    use crate::pull::Pull;
    use crate::run::{Approval, Run, Wait};
    use crate::window::Begins;

    asks! {
        /// Starts a run, which is also the approval of the spec at the tip of the default branch. An item whose run
        /// is parked goes on where it stood, its parked tasks with new tries.
        Start {
            /// Which item.
            item: ItemId,
            /// The agent by name; the policy's if none.
            agent: Option<String>,
            /// The agent's command, instead of a name; words with `{brief}`, `{brief_file}`, `{uuid}`.
            command: Option<Vec<String>>,
            /// Who says yes to the landing; the policy's if none.
            approve: Option<Approval>,
            /// Slots; the policy's if none.
            slots: Option<u32>,
            /// A new item branch from the default branch, even if an older run is parked.
            fresh: bool,
            /// When it begins; at once if none.
            #[serde(default)]
            begins: Option<Begins>,
        }
        /// Puts a queued run before all others.
        First {
            /// Which.
            run: RunId,
        }
        /// Stops a run: its sessions are ended, its worktrees and branches stay.
        Stop {
            /// Which.
            run: RunId,
        }
        /// Runs of a project, or of all.
        List {
            /// Which project; all if none.
            project: Option<ProjectId>,
        }
        /// One run with everything about it.
        Show {
            /// Which.
            run: RunId,
        }
        /// A run's page.
        RunPage {
            /// The run.
            run: Run,
            /// Why each task that is not begun waits.
            waits: Vec<TaskWait>,
            /// What would end each attempt that is worked now, and how far off that is.
            #[serde(default)]
            fuses: Vec<AttemptFuses>,
            /// What it took so far.
            #[serde(default)]
            took: super::took::Took,
            /// Its attempts, oldest first.
            attempts: Vec<Attempt>,
            /// Its evidence, oldest first.
            evidence: Vec<Evidence>,
            /// Its pull request.
            pull: Option<Pull>,
            /// How the gates of its item stood when it began, with what was overridden.
            #[serde(default)]
            gates: Vec<crate::gate::Stand>,
            /// Its history.
            history: Vec<Record>,
        }
        /// The fuses of an attempt.
        AttemptFuses {
            /// Which attempt.
            attempt: AttemptId,
            /// Its fuses.
            fuses: Vec<crate::fuse::Fuse>,
        }
        /// Pauses a run, or all that are carried: what is worked is worked to its end, nothing begins or lands. Or lets them go
        /// on.
        Pause {
            /// Which; without one all of them.
            run: Option<RunId>,
            /// Whether it is paused; else it goes on.
            paused: bool,
        }
        /// Leaves a note: every agent of the run that begins from now on finds it in its brief.
        Note {
            /// Which.
            run: RunId,
            /// The words.
            text: String,
        }
        /// What a run took and what came of it.
        Receipt {
            /// Which.
            run: RunId,
        }
        /// A run's receipt.
        ReceiptPage {
            /// The facts.
            receipt: crate::receipt::Receipt,
            /// The same in lines for people.
            lines: Vec<ReceiptLine>,
            /// The same as Markdown.
            markdown: String,
        }
        /// A line of a receipt.
        ReceiptLine {
            /// What it is about.
            name: String,
            /// What it says.
            says: String,
        }
        /// Why what waits in runs that are carried does.
        Waits {}
        /// Of one run.
        RunWaits {
            /// Which.
            run: RunId,
            /// Its tasks that wait, in file order.
            waits: Vec<TaskWait>,
        }
        /// Why a task waits.
        TaskWait {
            /// Which.
            task: TaskId,
            /// Why.
            wait: Wait,
        }
    }

    impl Start {
        /// Of an item, at once and as the policy has it; a parked run goes on as it was.
        #[must_use]
        pub fn of(item: ItemId) -> Self {
            Self { item, agent: None, command: None, approve: None, slots: None, fresh: false, begins: None }
        }
    }
}

/// Tasks.
pub mod task {
    use super::*;
    use crate::run::{TaskRun, Wait};
    use crate::spec::{Phase, Remark};

    asks! {
        /// The tasks of an item: from its live run, or else from its spec.
        List {
            /// Which item.
            item: ItemId,
        }
        /// The answer.
        Tasks {
            /// The item's short name.
            slug: String,
            /// The run they are taken from, if there is one.
            run: Option<RunId>,
            /// Phases in order.
            phases: Vec<Phase>,
            /// Tasks in order.
            tasks: Vec<TaskLine>,
            /// What is not as it should be with the spec.
            remarks: Vec<Remark>,
        }
        /// One task.
        TaskLine {
            /// What it is and where it stands.
            task: TaskRun,
            /// Why it waits, if it does.
            wait: Option<Wait>,
        }
    }
}

/// Attempts.
pub mod attempt {
    use super::*;
    use crate::attempt::Attempt;
    use crate::evidence::Evidence;
    use crate::ids::Oid;

    asks! {
        /// One attempt with everything about it.
        Show {
            /// Which.
            attempt: AttemptId,
        }
        /// What an attempt changed: its candidate, or else what its worktree holds now.
        Diff {
            /// Which.
            attempt: AttemptId,
        }
        /// The files that the newest attempts of runs under way and of parked ones changed.
        Touched {
            /// Of one item alone.
            #[serde(default)]
            item: Option<ItemId>,
        }
        /// What one attempt changed, by name.
        TouchedFiles {
            /// The attempt.
            attempt: AttemptId,
            /// Its run.
            run: RunId,
            /// Its task.
            task: TaskId,
            /// The paths, as git names them; at most 500.
            paths: Vec<String>,
        }
        /// An attempt's page.
        AttemptPage {
            /// The attempt.
            attempt: Attempt,
            /// Its sessions, oldest first: its agent's and those of its checks.
            sessions: Vec<super::session::SessionLine>,
            /// Its brief; empty until it is written.
            brief: String,
            /// The evidence gathered for it.
            evidence: Vec<Evidence>,
        }
        /// What an attempt changed.
        AttemptDiff {
            /// A unified diff, untracked files as additions; cut at 1 MiB.
            diff: String,
            /// Whether it was cut.
            cut: bool,
            /// The commit it is held against.
            onto: Oid,
            /// The candidate's commit; nothing if the worktree was looked at as it is now.
            commit: Option<Oid>,
        }
    }
}

/// Sessions.
pub mod session;

/// The desk.
pub mod desk;

/// The brief.
pub mod brief;

/// What runs take.
pub mod took;

/// Questions of agents.
pub mod question {
    use super::*;

    asks! {
        /// Questions that wait for an answer, or all; oldest first.
        List {
            /// Also those that were answered or withdrawn.
            all: bool,
        }
        /// Answers a question. A person only.
        Answer {
            /// Which.
            question: QuestionId,
            /// One of its choices by text or number; if it has none, anything.
            text: String,
            /// The standing rule that answers, if no person made up their mind about this question: then the rule is
            /// named as who answers, and the run stays hands-off.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            policy: Option<String>,
        }
    }
}

/// Worktrees.
pub mod worktree {
    use super::*;

    asks! {
        /// Worktrees of a project, or of all.
        List {
            /// Which project; all if none.
            project: Option<ProjectId>,
            /// Also those that were removed and can be brought back.
            all: bool,
        }
        /// Removes a worktree so that it can be brought back.
        Remove {
            /// Which.
            worktree: WorktreeId,
        }
        /// Brings a removed worktree back.
        Undo {
            /// Which.
            worktree: WorktreeId,
        }
    }
}

/// Pull requests.
pub mod pull {
    use super::*;
    use crate::evidence::Evidence;
    use crate::pull::Pull;
    use crate::waits::PullWait;

    asks! {
        /// Pull requests of a project, or of all.
        List {
            /// Which project; all if none.
            project: Option<ProjectId>,
        }
        /// One pull request with its evidence.
        Show {
            /// Which.
            pull: PullId,
        }
        /// Says yes to a pull request's head.
        Approve {
            /// Which.
            pull: PullId,
            /// The head that was read; refused if it is no longer that. The present one if none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            head: Option<crate::ids::Oid>,
        }
        /// Lands it now, if it is approved and checked; else says what is missing.
        Land {
            /// Which.
            pull: PullId,
        }
        /// Lets it land though a person holds the line, once it is approved and its checks passed.
        Escape {
            /// Which.
            pull: PullId,
            /// Why; it is recorded and counted.
            why: String,
        }
        /// A pull request in a list.
        PullRow {
            /// The pull request.
            #[serde(flatten)]
            pull: Pull,
            /// What it waits for.
            waits: Vec<PullWait>,
        }
        /// A pull request's page.
        PullPage {
            /// The pull request.
            pull: Pull,
            /// What it waits for.
            waits: Vec<PullWait>,
            /// The evidence its lines and checks are bound to.
            evidence: Vec<Evidence>,
            /// The change against the merge base, as a unified diff; cut at 1 MiB.
            diff: String,
            /// Whether the diff was cut.
            cut: bool,
            /// How strongly it was verified.
            #[serde(default)]
            mix: crate::risk::ProofMix,
            /// Which agent made it.
            #[serde(default)]
            agent: String,
            /// Deeds of people on its way.
            #[serde(default)]
            touches: Vec<crate::run::Touch>,
        }
    }
}

/// What comes after landings.
pub mod after;
/// Reviews of pull requests.
pub mod review;

/// What a change changes, file by file.
pub mod change;

/// Evidence.
pub mod evidence;

/// Trajectories.
pub mod trajectory;

/// Events.
pub mod event {
    use super::*;

    asks! {
        /// Records after a number, oldest first.
        Since {
            /// After this number.
            seq: u64,
            /// At most so many.
            most: u32,
        }
    }
}

/// The rehearsal.
pub mod rehearsal {
    use super::*;

    asks! {
        /// Makes a small repository with a spec and lets scripted agents carry it.
        Start {
            /// The script by name.
            script: String,
            /// How many times faster than a person would like to watch, from 1 to 100.
            speed: u32,
            /// Who says yes to the landing.
            approve: crate::run::Approval,
        }
        /// What was started.
        Rehearsal {
            /// The project.
            project: ProjectId,
            /// The item.
            item: ItemId,
            /// The run.
            run: RunId,
            /// The repository's folder.
            path: String,
        }
    }
}

/// What agents' hooks send.
pub mod hook;
