//! Runs: the engine carrying one item. Holds the policy it was started under, and where each task stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::after::SamplePolicy;
use crate::audit::Audit;
use crate::claim::Claim;
use crate::gate::Gates;
use crate::ids::{AttemptId, EvidenceId, ItemId, Oid, ProjectId, PullId, RefName, RunId, SessionId, TaskId};
use crate::money::{Money, Price};
use crate::outside::Outside;
use crate::phase::PhaseRun;
use crate::queue;
use crate::review::ReviewPolicy;
use crate::risk::RiskRules;
use crate::session::Limits;
use crate::spec::TaskSpec;
use crate::stop::Stop;
use crate::time::At;
pub use crate::wait::Wait;
use crate::who::Who;
use crate::window::Window;

/// The engine carrying an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The project.
    pub project: ProjectId,
    /// The item it carries.
    pub item: ItemId,
    /// Where it stands.
    pub state: RunState,
    /// Why it stands there.
    pub why: String,
    /// Which of the closed list of reasons it is, if it is parked. Older runs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// The evidence for that, if it is something that was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped_by: Vec<EvidenceId>,
    /// What it is carried under: read from the approved commit, and anew when a person lets it go on.
    pub policy: Policy,
    /// The commit of the default branch it started from.
    pub base: Oid,
    /// The commit of the default branch whose spec and policy were approved last: by the start, or by whoever let the
    /// run go on. Empty in runs of older versions; read it by [`Run::approved_at`].
    #[serde(default)]
    pub approved: Oid,
    /// A person let it go on, and its branch is being brought up to date first: nothing begins meanwhile.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub settling: bool,
    /// A person paused it: what is worked is worked to its end, and nothing begins or lands meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The issue that it was queued for, if it was for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// When it may begin and go on; nothing if always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Of queued runs the one with the least begins first, then the oldest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rank: i32,
    /// The item branch.
    pub branch: RefName,
    /// Where the item branch stands by our record; nothing until it was made.
    pub head: Option<Oid>,
    /// The tasks in file order.
    pub tasks: Vec<TaskRun>,
    /// Its phases that have a checkpoint, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseRun>,
    /// The newest completeness audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// The attempt that is being brought onto the item branch, one at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrating: Option<AttemptId>,
    /// What had changed from outside when a person let it go on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// The pull request, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
    /// It takes back what that one landed, and has no tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_back: Option<PullId>,
    /// Who started it; that is also the approval of the spec at `base`.
    pub by: Who,
    /// When it started.
    pub started: At,
    /// When it last moved.
    pub moved: At,
    /// Touches by people: what makes a run not hands-off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<Touch>,
    /// Notes of people for the agents that begin after them, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Run {
    /// The task of that id.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&TaskRun> {
        self.tasks.iter().find(|task| task.spec.id == *id)
    }

    /// The commit whose spec and policy are in force.
    #[must_use]
    pub fn approved_at(&self) -> &Oid {
        if self.approved.as_str().is_empty() { &self.base } else { &self.approved }
    }

    /// Where it stands in words; of one that is parked with which of the closed list of reasons.
    #[must_use]
    pub fn standing(&self) -> String {
        match &self.stop {
            Some(stop) => format!("{} ({})", self.state.word(), stop.word()),
            None => self.state.word().to_owned(),
        }
    }

    /// Whether a person paused it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// How many tasks are done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.tasks.iter().filter(|task| task.state.is_done()).count()
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It begins by itself when its time has come and there is room.
    Queued,
    /// Tasks are being worked.
    Running,
    /// Every task is done; the record is being written and the pull request opened.
    Assembled,
    /// Its pull request is under way.
    InPull,
    /// Landed: the end.
    Landed,
    /// It cannot go on without a person.
    Parked,
    /// A person stopped it.
    Stopped,
}

impl RunState {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Assembled => "assembled",
            Self::InPull => "in-pull",
            Self::Landed => "landed",
            Self::Parked => "parked",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the engine still works on it without a person.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Assembled | Self::InPull)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// One task within a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRun {
    /// What the approved commit says of it.
    pub spec: TaskSpec,
    /// Where it stands.
    pub state: TaskState,
    /// Its attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptId>,
    /// Failed attempts that count against the limit; a person's restart sets it back to 0.
    #[serde(default)]
    pub failures: u32,
    /// It is tried again, and not before this: its last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests: Option<At>,
    /// Its next try goes on where this one stood; its worktree is kept for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_on: Option<AttemptId>,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum TaskState {
    /// Not begun, or to be tried again. Why it waits is worked out when asked: see `Wait`.
    Waiting,
    /// An attempt has it.
    Active {
        /// Which.
        attempt: AttemptId,
    },
    /// Verified, committed and ticked on the item branch.
    Done {
        /// The one commit of the task.
        commit: Oid,
    },
    /// It was ticked before the run began.
    DoneBefore,
    /// Optional, and left alone.
    Skipped,
    /// It waits for a person.
    Parked {
        /// Why.
        why: String,
    },
}

impl TaskState {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::DoneBefore | Self::Skipped)
    }

    /// The word shown to people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active { .. } => "active",
            Self::Done { .. } | Self::DoneBefore => "done",
            Self::Skipped => "skipped",
            Self::Parked { .. } => "parked",
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(n: &u64) -> bool {
    *n == 0
}

/// That a run is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who paused it.
    pub by: Who,
    /// When.
    pub at: At,
}

/// One deed of a person inside a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// When.
    pub at: At,
    /// Who.
    pub by: Who,
    /// What.
    pub kind: TouchKind,
    /// In which session, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// What a touch was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TouchKind {
    /// Somebody typed into an agent's terminal.
    Intervention,
    /// Somebody ended a session.
    Ended,
    /// Somebody restarted parked tasks.
    Restarted,
    /// Somebody answered an agent's question.
    Answered,
    /// Somebody looked at an agent's terminal or transcript while it worked.
    Peek,
    /// Somebody left a note for the agents that begin after it.
    Noted,
    /// Somebody said what is to be changed in its pull request.
    Commented,
}

/// Touches by their kinds, in words; empty if there are none.
#[must_use]
pub fn touched(all: &[Touch]) -> String {
    let kinds = [
        (TouchKind::Intervention, "typed into"),
        (TouchKind::Ended, "ended by a person"),
        (TouchKind::Restarted, "restarted"),
        (TouchKind::Answered, "question answered"),
        (TouchKind::Noted, "note left"),
        (TouchKind::Commented, "commented on"),
        (TouchKind::Peek, "looked at"),
    ];
    let of = |(kind, word): &(TouchKind, &str)| {
        let n = all.iter().filter(|it| it.kind == *kind).count();
        (n > 0).then(|| if n == 1 { (*word).to_owned() } else { format!("{word} {n} times") })
    };
    kinds.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

/// What a person wants every agent of a run to know that begins after it was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it was left.
    pub at: At,
    /// By whom.
    pub by: Who,
    /// The words.
    pub text: String,
}

/// A note holds at most so many signs.
pub const NOTE_MAX: usize = 4_000;

/// Who says yes to a landing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// A person.
    #[default]
    Person,
    /// The policy of the approved commit, once the checks passed on the merge result.
    Policy,
}

/// What a run is started under. Read from `WORKFLOW.md` of the approved commit, never from an attempt's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Where it was read: a commit and a path, or the words "built in".
    pub source: String,
    /// The agent.
    pub agent: AgentChoice,
    /// Commands that must pass on the merge result; if there are none, every proof of the tasks is run again.
    pub checks: Vec<String>,
    /// Who says yes to the landing.
    pub approve: Approval,
    /// How often a task is tried before it is parked.
    pub attempts: u32,
    /// After a try whose agent ended badly a task rests so many seconds, doubled with each further failure; 0 is not at all.
    #[serde(default)]
    pub retry_s: u32,
    /// And so many at most.
    #[serde(default)]
    pub retry_max_s: u32,
    /// How many attempts may run at once.
    pub slots: u32,
    /// How many may run at once in all runs of the project together; 0 is without end.
    #[serde(default)]
    pub project_slots: u32,
    /// How many attempts of the project may stand in a state at once, by the state's word. Those beyond wait before it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state_slots: BTreeMap<String, u32>,
    /// A task that asks for it is tried by at most so many agents at once, and the best work is taken; 1 or less is by one.
    #[serde(default)]
    pub best_of: u32,
    /// Resources of which there is more than one, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, u32>,
    /// An attempt whose session shows no output and changes no file for this long is stalled, in seconds.
    pub stall_s: u32,
    /// So long a session may work at one attempt, in seconds; 0 is without end.
    #[serde(default)]
    pub attempt_s: u32,
    /// So many tokens may be used for one attempt, by the agent's own log; 0 is without end.
    #[serde(default)]
    pub tokens: u64,
    /// So much may be spent on one attempt, where its price is known; nothing is without end.
    #[serde(default, skip_serializing_if = "Money::is_zero")]
    pub money: Money,
    /// So many tokens may all attempts of the run use together, abandoned ones too; 0 is without end.
    #[serde(default, skip_serializing_if = "is_none")]
    pub run_tokens: u64,
    /// And so much may be spent on them, where its price is known; nothing is without end.
    #[serde(default, skip_serializing_if = "Money::is_zero")]
    pub run_money: Money,
    /// What models cost by the repository's own word, which goes before any other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<String, Price>,
    /// Commands that agents run by way of the quiet wrapper, whether they ask for it or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// So long should what agents and checks run take, in seconds: more is told, and stops nothing. 0 tells nothing.
    #[serde(default)]
    pub inner_loop_s: u32,
    /// So often the same call may bring the same answer, one after the other, by the agent's own log; 0 is without end.
    #[serde(default)]
    pub repeats: u32,
    /// A session whose model read so many tokens for one call is full, and a fresh one goes on with the task; 0 is never.
    #[serde(default, skip_serializing_if = "is_none")]
    pub context: u64,
    /// So long may the whole run take by the clock on the wall, from its start or from when it was let go on, in seconds; 0 is
    /// without end.
    #[serde(default, skip_serializing_if = "is_none")]
    pub run_s: u64,
    /// How long one check may take, in seconds.
    pub check_s: u32,
    /// Whether a check that fails is run once more on the same tree, to tell a flake.
    #[serde(default)]
    pub rerun: bool,
    /// Whether, once every task is done, a fresh session holds each requirement against the evidence, and what follows.
    #[serde(default)]
    pub completeness: Completeness,
    /// Who does that; the run's own agent if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<AgentChoice>,
    /// What a gate that an item did not pass does to its run.
    #[serde(default)]
    pub gates: Gates,
    /// What makes a change risky, besides what is built in.
    #[serde(default, skip_serializing_if = "RiskRules::is_usual")]
    pub risk: RiskRules,
    /// Of how many changes that landed a person looks at one.
    #[serde(default, skip_serializing_if = "SamplePolicy::is_usual")]
    pub sample: SamplePolicy,
    /// Who reviews its pull request, and how.
    #[serde(default)]
    pub review: ReviewPolicy,
    /// How the queue of its project is wanted.
    #[serde(default)]
    pub queue: queue::Limits,
    /// What each agent may use at most.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Who lands what has a yes.
    #[serde(default)]
    pub landing: LandsBy,
    /// Globs that no task may write.
    pub protected: Vec<String>,
    /// Globs that every task may write besides its scope.
    pub always: Vec<String>,
    /// Globs of files that no two tasks may touch at once, whatever their scopes say.
    pub hot: Vec<String>,
    /// Ignored folders that survive between checks (build caches). None by default: a clean tree is clean.
    pub warm: Vec<String>,
    /// Names of environment variables that agents and checks get besides the built-in list.
    pub env: Vec<String>,
    /// Whether a tick adds a `Done` line under its task.
    pub done_lines: bool,
}

/// Who lands a pull request that has a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LandsBy {
    /// The local forge, on the default branch here.
    #[default]
    Local,
    /// GitHub, where it is published: by its queue, its auto-merge or a merge.
    Github,
}

/// What a completeness audit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// There is none. Runs of older versions had none either.
    #[default]
    Off,
    /// Its gaps are told in the pull request and the record, and the run goes on.
    Report,
    /// A gap parks the run.
    Gate,
}

/// Which agent program carries the tasks, and how it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentChoice {
    /// The name people use: `claude`, `rehearsal`, or one of their own.
    pub name: String,
    /// The adapter that starts and reads it.
    pub adapter: Adapter,
    /// The command, with `{brief}`, `{brief_file}` and `{uuid}` as places to fill in.
    pub command: Vec<String>,
    /// The command that goes on with a session of it, with `{native}` for the session's own id besides; empty if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<String>,
}

impl AgentChoice {
    /// Whether a session of it that ended can be gone on with.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        self.adapter == Adapter::ClaudeCode || !self.resume.is_empty()
    }
}

/// The adapters that are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adapter {
    /// Any command in a terminal.
    Command,
    /// The scripted agent that ships with the product.
    Rehearsal,
    /// Claude Code, headless, with its session log followed.
    ClaudeCode,
}
