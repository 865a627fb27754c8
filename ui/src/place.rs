//! Where the window is: the view, what is chosen, what is folded. Kept, so that reopening shows the same place.

use std::collections::{BTreeMap, BTreeSet};

use leptos::prelude::*;
use pilothouse_contract::archive::Place as Stands;
use pilothouse_contract::board::{Bay, Subject};
use pilothouse_contract::{At, LogId, ProjectId, SessionId, WorktreeId};
use serde::{Deserialize, Serialize};

/// The views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) enum View {
    /// Strips in bays, one on the stage.
    #[default]
    Board,
    /// Worktrees, and those that can come back.
    Worktrees,
    /// Pull requests.
    Pulls,
    /// What agents said and did.
    Trajectories,
    /// Every live session, small.
    Wall,
    /// What happened since a person left.
    Brief,
    /// What agents of a project read before they work.
    Instructions,
    /// Specs and plans, before anything runs.
    Desk,
}

impl View {
    /// All that have a tab, in order.
    pub(crate) const ALL: [Self; 7] =
        [Self::Board, Self::Worktrees, Self::Pulls, Self::Trajectories, Self::Wall, Self::Brief, Self::Desk];

    /// What its tab says.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Board => "Board",
            Self::Worktrees => "Worktrees",
            Self::Pulls => "Pull requests",
            Self::Trajectories => "Trajectories",
            Self::Wall => "Wall",
            Self::Brief => "Since you left",
            Self::Instructions => "Instructions",
            Self::Desk => "Desk",
        }
    }

    /// Its name in the page, for styles and tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Worktrees => "worktrees",
            Self::Pulls => "pulls",
            Self::Trajectories => "trajectories",
            Self::Wall => "wall",
            Self::Brief => "brief",
            Self::Instructions => "instructions",
            Self::Desk => "desk",
        }
    }
}

/// The tabs of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) enum Tab {
    /// What happened, with reasons.
    #[default]
    Timeline,
    /// What was changed.
    Diff,
    /// What was proved.
    Checks,
    /// The agent's own screen.
    Terminal,
    /// Where it stands in the plan.
    Plan,
}

impl Tab {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 5] = [Self::Timeline, Self::Diff, Self::Checks, Self::Terminal, Self::Plan];

    /// What it says.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Timeline => "Timeline",
            Self::Diff => "Diff",
            Self::Checks => "Checks",
            Self::Terminal => "Terminal",
            Self::Plan => "Plan",
        }
    }

    /// The key that opens it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Timeline => "e",
            Self::Diff => "d",
            Self::Checks => "c",
            Self::Terminal => "t",
            Self::Plan => "p",
        }
    }
}

/// The tabs of the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) enum DeskTab {
    /// What is wanted.
    #[default]
    Spec,
    /// In which order, and how it is proved.
    Plan,
}

impl DeskTab {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 2] = [Self::Spec, Self::Plan];

    /// What it says.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Spec => "Spec",
            Self::Plan => "Plan",
        }
    }

    /// Its name in the page, for styles and tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spec => "desk-spec",
            Self::Plan => "desk-plan",
        }
    }
}

/// An item on the desk: its project, its folder or file, and its short name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeskAt {
    /// The project.
    pub(crate) project: ProjectId,
    /// Its folder or file.
    pub(crate) path: String,
    /// Its short name.
    pub(crate) name: String,
}

/// The panes, in the order of F6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pane {
    /// The list at the left.
    #[default]
    List,
    /// The stage.
    Stage,
    /// The queue.
    Queue,
}

/// What lies over the panes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// Find or run; what is typed there already.
    Palette(&'static str),
    /// Go to an agent, a file or a worktree.
    GoTo,
    /// Type into sessions; the one that is chosen first.
    Type(Option<SessionId>),
    /// Call a session something else.
    Rename(SessionId),
    /// Leave a note for a run's agents.
    Note(pilothouse_contract::RunId),
    /// Say why the line of a project is stopped.
    HoldLine(pilothouse_contract::ProjectId),
    /// The keys.
    Keys,
    /// Add a repository.
    AddRepository,
    /// A link that a program named: whole, and what can be done with it.
    Link(String),
    /// Begin an item from a sentence.
    NewItem,
    /// How an item was refined, and how its gates stand.
    Refinement(pilothouse_contract::ItemId),
    /// Say what is to be changed in a pull request: in which file, in which line.
    Comment(pilothouse_contract::PullId, String, u32),
    /// Say what is wrong with a change that landed, and whether it is taken back.
    Verdict(pilothouse_contract::PullId, bool),
    /// Answer a finding on a pull request, by its number.
    Answer(pilothouse_contract::PullId, u32),
    /// Answer a question in words.
    Reply(pilothouse_contract::QuestionId),
    /// What a run took and what came of it.
    Receipt(pilothouse_contract::RunId),
    /// What goes on once the window is closed, and what would stop what.
    Leaving,
    /// The machine goes down: what stops with it.
    MachineEnds,
    /// Go over to the programs that are installed now: what goes on through it.
    Upgrade,
    /// Asks once before something that cannot simply be taken back.
    Confirm(Confirm),
}

/// A question before a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirm {
    /// What is about to be done.
    pub(crate) asks: String,
    /// What it costs.
    pub(crate) says: String,
    /// What its button says.
    pub(crate) label: String,
    /// The call that does it.
    pub(crate) deed: Box<pilothouse_contract::Request>,
}

/// What is read among the trajectories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reads {
    /// That of a session of ours.
    Ours(SessionId),
    /// An imported log.
    Imported(LogId),
    /// A step that was found, where it stands.
    Step {
        /// In which trajectory.
        place: Stands,
        /// Its place there.
        ordinal: u32,
    },
    /// A session that somebody started in another terminal, by the agent's own id of it.
    Elsewhere(String),
}

/// What is kept of a place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    view: View,
    project: Option<ProjectId>,
    subject: Option<Subject>,
    tab: Tab,
    pull: Option<Subject>,
    worktree: Option<WorktreeId>,
    trajectory: Option<Reads>,
    beside: Vec<SessionId>,
    desk: Option<DeskAt>,
    desk_tab: DeskTab,
    open: BTreeSet<Bay>,
    queue_closed: bool,
    board_closed: bool,
    seen: BTreeSet<String>,
    shelved: BTreeMap<String, At>,
}

const KEY: &str = "ph.place";

/// Where the window is. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The view.
    pub(crate) view: RwSignal<View>,
    /// The one project that is shown; all if none.
    pub(crate) project: RwSignal<Option<ProjectId>>,
    /// What is on the stage of the board.
    pub(crate) subject: RwSignal<Option<Subject>>,
    /// Its tab.
    pub(crate) tab: RwSignal<Tab>,
    /// What is on the stage of the pull requests.
    pub(crate) pull: RwSignal<Option<Subject>>,
    /// The chosen worktree.
    pub(crate) worktree: RwSignal<Option<WorktreeId>>,
    /// The trajectory that is read.
    pub(crate) trajectory: RwSignal<Option<Reads>>,
    /// The tile of the wall that is chosen.
    pub(crate) tile: RwSignal<Option<SessionId>>,
    /// The item on the desk.
    pub(crate) desk: RwSignal<Option<DeskAt>>,
    /// Its tab.
    pub(crate) desk_tab: RwSignal<DeskTab>,
    /// Sessions whose terminals stand beside the one on the stage.
    pub(crate) beside: RwSignal<Vec<SessionId>>,
    /// Bays at the foot that are unfolded.
    pub(crate) open: RwSignal<BTreeSet<Bay>>,
    /// Whether the queue is folded to its rail.
    pub(crate) queue_closed: RwSignal<bool>,
    /// Whether the board is folded.
    pub(crate) board_closed: RwSignal<bool>,
    /// Alarms that were acknowledged.
    pub(crate) seen: RwSignal<BTreeSet<String>>,
    /// Alarms that were put off, until when.
    pub(crate) shelved: RwSignal<BTreeMap<String, At>>,
    /// The alarm that is chosen in the queue.
    pub(crate) alarm: RwSignal<Option<String>>,
    /// The family that the queue is narrowed to.
    pub(crate) family: RwSignal<Option<pilothouse_contract::attention::Family>>,
    /// The pane that keys go to.
    pub(crate) pane: RwSignal<Pane>,
    /// What lies over the panes.
    pub(crate) overlay: RwSignal<Option<Overlay>>,
    /// Sessions that a person wanted to look at while their agents work; closed again in every window that is opened.
    pub(crate) revealed: RwSignal<std::collections::BTreeSet<SessionId>>,
    /// Whether the queue lies over the stage, where there is no room beside it.
    pub(crate) queue_over: RwSignal<bool>,
    /// What the list is narrowed to.
    pub(crate) filter: RwSignal<String>,
    /// The item whose first agent is to be shown as soon as it works.
    pub(crate) following: RwSignal<Option<pilothouse_contract::ItemId>>,
    /// The file to be brought into sight once the diff of its task is there.
    pub(crate) file: RwSignal<Option<(Subject, String)>>,
    /// Whether the narrowing is being typed.
    pub(crate) filtering: RwSignal<bool>,
}

/// What is kept under a name.
pub(crate) fn kept(name: &str) -> Option<String> {
    crate::ipc::kept(name)
}

/// Keeps something under a name. What cannot be kept is forgotten: it is comfort and no more.
pub(crate) fn keep(name: &str, value: &str) {
    crate::ipc::keep(name, value);
}

impl Place {
    /// Where the window was when it was closed.
    pub(crate) fn restore() -> Self {
        let kept: Kept = kept(KEY).and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default();
        let place = Self {
            view: RwSignal::new(kept.view),
            project: RwSignal::new(kept.project),
            subject: RwSignal::new(kept.subject),
            tab: RwSignal::new(kept.tab),
            pull: RwSignal::new(kept.pull),
            worktree: RwSignal::new(kept.worktree),
            trajectory: RwSignal::new(kept.trajectory),
            tile: RwSignal::new(None),
            beside: RwSignal::new(kept.beside),
            desk: RwSignal::new(kept.desk),
            desk_tab: RwSignal::new(kept.desk_tab),
            open: RwSignal::new(kept.open),
            queue_closed: RwSignal::new(kept.queue_closed),
            board_closed: RwSignal::new(kept.board_closed),
            seen: RwSignal::new(kept.seen),
            shelved: RwSignal::new(kept.shelved),
            alarm: RwSignal::new(None),
            family: RwSignal::new(None),
            pane: RwSignal::new(Pane::List),
            overlay: RwSignal::new(None),
            revealed: RwSignal::new(std::collections::BTreeSet::new()),
            queue_over: RwSignal::new(false),
            filter: RwSignal::new(String::new()),
            file: RwSignal::new(None),
            filtering: RwSignal::new(false),
            following: RwSignal::new(None),
        };
        Effect::new(move |_| {
            let kept = Kept {
                view: place.view.get(),
                project: place.project.get(),
                subject: place.subject.get(),
                tab: place.tab.get(),
                pull: place.pull.get(),
                worktree: place.worktree.get(),
                trajectory: place.trajectory.get(),
                beside: place.beside.get(),
                desk: place.desk.get(),
                desk_tab: place.desk_tab.get(),
                open: place.open.get(),
                queue_closed: place.queue_closed.get(),
                board_closed: place.board_closed.get(),
                seen: place.seen.get(),
                shelved: place.shelved.get(),
            };
            if let Ok(text) = serde_json::to_string(&kept) {
                keep(KEY, &text);
            }
        });
        place
    }

    /// Opens the terminal and the transcript of an agent at work.
    pub(crate) fn reveal(self, session: SessionId) {
        self.revealed.update(|all| {
            all.insert(session);
        });
    }

    /// Opens something where it is read.
    pub(crate) fn open_subject(self, subject: Subject) {
        match &subject {
            Subject::Pull(_) if self.view.get_untracked() == View::Pulls => self.pull.set(Some(subject)),
            _ => {
                self.view.set(View::Board);
                self.subject.set(Some(subject));
            }
        }
        self.queue_over.set(false);
    }
}
