//! The brief: what happened in a stretch of time, for whoever comes back: what landed and how it was verified, what
//! stands still and why, what needs a person, what it took, and what befell the machine. Facts and the ids of the rows
//! they are counted from; [`page`] puts them into words.
//!
//! Refuses figures without rows: what no row tells of is said to be unknown.

pub mod page;

use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptState, Failure};
use crate::attention::{Alarm, Family, Priority};
use crate::board::Subject;
use crate::evidence::{Gate, Verdict};
use crate::ids::{AttemptId, EvidenceId, ItemId, Oid, ProjectId, PullId, RunId, SessionId, TaskId};
use crate::money::MoneyCount;
use crate::pace::{Pace, QuietCount};
use crate::pull::{PullState, Size};
use crate::receipt::TokenCount;
use crate::run::{RunState, Touch, TouchKind};
use crate::time::At;
use crate::who::Who;

/// Without another word a brief reaches back at least so far, in milliseconds.
pub const HALF_DAY_MS: i64 = 12 * 3_600_000;
/// A window that opens so long after a person's last deed offers the brief, in milliseconds.
pub const OFFER_MS: i64 = 4 * 3_600_000;

/// Since when a brief is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "since", content = "at")]
pub enum Since {
    /// Since a person did something last.
    LastDeed,
    /// Since then.
    At(At),
}

/// How the beginning of a brief was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chosen {
    /// It was asked for.
    Asked,
    /// A person did something last then.
    LastDeed,
    /// Twelve hours: a person did something since, or never.
    HalfDay,
    /// Everything: no person ever did anything.
    Beginning,
}

/// The beginning of a brief, and how it was chosen: as asked; else the last deed of a person or twelve hours ago,
/// whichever is earlier.
#[must_use]
pub fn begin(asked: Option<Since>, last: Option<At>, now: At) -> (At, Chosen) {
    match (asked, last) {
        (Some(Since::At(at)), _) => (at.min(now), Chosen::Asked),
        (Some(Since::LastDeed), Some(last)) => (last.min(now), Chosen::LastDeed),
        (Some(Since::LastDeed), None) => (At(0), Chosen::Beginning),
        (None, Some(last)) if now.since_ms(last) > HALF_DAY_MS => (last, Chosen::LastDeed),
        (None, _) => (now.plus_ms(-HALF_DAY_MS), Chosen::HalfDay),
    }
}

/// What happened in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// From then on, that moment counted in.
    pub since: At,
    /// Up to then: when it was asked for.
    pub until: At,
    /// How the beginning was chosen.
    pub chosen: Chosen,
    /// What a person did last, if anybody ever did anything.
    pub last_deed: Option<PersonsDeed>,
    /// The last record that is in it.
    pub seq: u64,
    /// What needs a person now, in the order of the queue.
    pub needs: Vec<Need>,
    /// Runs in which something happened or is under way, the riskiest first.
    pub runs: Vec<RunNews>,
    /// What befell the engine, the machine, sessions and default branches, oldest first.
    pub story: Vec<Story>,
    /// The rows of all runs, counted.
    pub totals: Totals,
}

impl Brief {
    /// Whether there is nothing to read: no run, nothing that needs a person, and nothing that befell anything. That an
    /// engine began to work is nothing by itself.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.needs.is_empty() && self.runs.is_empty() && !self.story.iter().any(Story::befell)
    }

    /// Whether a window that opens now should offer it: a person did nothing for long, and something happened.
    #[must_use]
    pub fn is_worth_offering(&self) -> bool {
        let away = self.last_deed.as_ref().is_some_and(|it| self.until.since_ms(it.at) >= OFFER_MS);
        away && !self.is_quiet()
    }
}

/// The newest record by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonsDeed {
    /// Its number in history.
    pub seq: u64,
    /// When.
    pub at: At,
    /// Who.
    pub by: Who,
    /// The word for what happened by it.
    pub did: String,
}

/// Something that needs a person: an alarm as the queue has it, without what its buttons do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The alarm's key.
    pub key: String,
    /// Its family.
    pub family: Family,
    /// How soon.
    pub priority: Priority,
    /// The callsign of what it is about.
    pub call: String,
    /// What it is about.
    pub subject: Option<Subject>,
    /// Its project.
    pub project: Option<ProjectId>,
    /// Since when.
    pub since: At,
    /// The question, or what is wrong.
    pub asks: String,
    /// Why.
    pub says: String,
    /// What happens if nobody acts.
    pub next: String,
    /// What its answers are called, best first.
    pub answers: Vec<String>,
}

impl From<&Alarm> for Need {
    fn from(it: &Alarm) -> Self {
        Self {
            key: it.key.clone(),
            family: it.family,
            priority: it.priority,
            call: it.call.clone(),
            subject: it.subject.clone(),
            project: it.project,
            since: it.since,
            asks: it.asks.clone(),
            says: it.says.clone(),
            next: it.next.clone(),
            answers: it.answers.iter().map(|it| it.label.clone()).collect(),
        }
    }
}

/// What to look at first: the earlier, the riskier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// It is on the default branch, and not everything of it was verified.
    Unverified,
    /// It cannot go on without a person.
    Parked,
    /// A person stopped it, or its pull request was sent back.
    Stopped,
    /// Its pull request waits: for a yes, a checkout, or the line.
    Waiting,
    /// It landed verified, and no person said yes to it.
    Unread,
    /// It is under way.
    AtWork,
    /// It landed verified, with a person's yes.
    Landed,
}

impl Risk {
    /// The words shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Parked => "parked",
            Self::Stopped => "stopped",
            Self::Waiting => "waits",
            Self::Unread => "unread",
            Self::AtWork => "at work",
            Self::Landed => "landed",
        }
    }
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNews {
    /// Which.
    pub run: RunId,
    /// Its project.
    pub project: ProjectId,
    /// The project's name.
    pub name: String,
    /// The item it carries.
    pub item: ItemId,
    /// The item's short name.
    pub slug: String,
    /// What the item is about.
    pub title: String,
    /// Where it stands.
    pub state: RunState,
    /// Why it stands there.
    pub why: String,
    /// Whether a person paused it.
    pub paused: bool,
    /// What to look at first.
    pub risk: Risk,
    /// What of a landed one no proof holds for, in words; else nothing.
    pub unproved: Vec<String>,
    /// When it started.
    pub started: At,
    /// When it last moved.
    pub moved: At,
    /// Tasks that it is to do, without those that were done before it.
    pub tasks: u32,
    /// How many of them are done.
    pub done: u32,
    /// Tasks that were done in this time.
    pub tasks_done: Vec<TaskDone>,
    /// Tasks that wait for a person.
    pub parked: Vec<ParkedTask>,
    /// Attempts that failed in this time.
    pub failed: Vec<FailedAttempt>,
    /// What is worked now.
    pub at_work: Vec<AtWork>,
    /// Its pull request.
    pub pull: Option<PullNews>,
    /// What people did inside it in this time.
    pub touches: Vec<Touch>,
    /// How often a person typed into its agents or ended them, in its whole life.
    pub interventions: u32,
    /// The longest stretch of its life in which no person touched it.
    pub untouched: Untouched,
    /// Sessions of its agents that ran in this time.
    pub sessions: Vec<SessionId>,
    /// How long they ran in this time, added up, in milliseconds, without sleep of the machine.
    pub agents_ms: i64,
    /// What their models read and wrote in this time, by their own logs.
    pub tokens: TokenCount,
    /// What those cost, as far as anybody knows.
    #[serde(default)]
    pub money: MoneyCount,
    /// What the quiet wrapper ran for them in this time.
    #[serde(default)]
    pub quiet: QuietCount,
    /// How long commands of its checks and agents ran in this time, the slowest first.
    #[serde(default)]
    pub paces: Vec<Pace>,
    /// So long they should run at most, in seconds; 0 is no limit.
    #[serde(default)]
    pub inner_loop_s: u32,
}

/// A check of something, by its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The record.
    pub evidence: EvidenceId,
    /// The gate it was gathered for.
    pub gate: Gate,
    /// What ran.
    pub command: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// A task that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDone {
    /// Which.
    pub task: TaskId,
    /// What it is about.
    pub title: String,
    /// The attempt that did it.
    pub attempt: AttemptId,
    /// Its one commit.
    pub commit: Oid,
    /// When it came to the item branch.
    pub at: At,
    /// How it was verified.
    pub proofs: Vec<Proof>,
}

/// A task that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedTask {
    /// Which.
    pub task: TaskId,
    /// What it is about.
    pub title: String,
    /// Why.
    pub why: String,
    /// Its last attempt, if there was any.
    pub attempt: Option<AttemptId>,
    /// How that failed, of a closed list.
    pub failure: Option<Failure>,
    /// What says so.
    pub evidence: Vec<EvidenceId>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// Which.
    pub attempt: AttemptId,
    /// Its task.
    pub task: TaskId,
    /// The how-manieth try, from 1.
    pub number: u32,
    /// How it failed.
    pub failure: Failure,
    /// Why.
    pub why: String,
    /// What says so.
    pub evidence: Vec<EvidenceId>,
    /// When.
    pub at: At,
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtWork {
    /// Which.
    pub attempt: AttemptId,
    /// Its task.
    pub task: TaskId,
    /// What the task is about.
    pub title: String,
    /// The how-manieth try, from 1.
    pub number: u32,
    /// Where it stands.
    pub state: AttemptState,
    /// Its session, if it has one.
    pub session: Option<SessionId>,
    /// When it began.
    pub started: At,
}

/// A pull request of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullNews {
    /// Which.
    pub pull: PullId,
    /// Where it stands.
    pub state: PullState,
    /// Why it stands there.
    pub why: String,
    /// The commits it brings.
    pub commits: u32,
    /// Files and lines.
    pub size: Size,
    /// Who said yes, if anybody did.
    pub approved: Option<Who>,
    /// The checks on the merge result; without a verdict they did not run yet, or their record is gone.
    pub checks: Vec<PullProof>,
}

/// A check of a merge result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullProof {
    /// What runs.
    pub command: String,
    /// Its record, once it ran.
    pub evidence: Option<EvidenceId>,
    /// What came of it.
    pub verdict: Option<Verdict>,
}

/// A stretch of time in which no person touched a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Untouched {
    /// From then: its start, or a touch.
    pub from: At,
    /// To then: a touch, its end, or now.
    pub to: At,
    /// So much of it the machine slept, in milliseconds, as far as the engine noticed.
    pub asleep_ms: i64,
}

impl Untouched {
    /// How long that is, without sleep, in milliseconds.
    #[must_use]
    pub fn awake_ms(&self) -> i64 {
        (self.to.since_ms(self.from) - self.asleep_ms).max(0)
    }
}

/// How much of a span lies in others, in milliseconds. Those do not overlap.
#[must_use]
pub fn overlap_ms(from: At, to: At, others: &[(At, At)]) -> i64 {
    others.iter().map(|(begin, end)| (*end).min(to).since_ms((*begin).max(from))).sum()
}

/// The longest stretch between a beginning, an end and the touches between them. Sleep of the machine is not counted: nobody
/// could have touched anything, and nothing was done.
#[must_use]
pub fn longest_untouched(from: At, to: At, touches: &[Touch], asleep: &[(At, At)]) -> Untouched {
    // Who only looked changed nothing.
    let touches = touches.iter().filter(|it| it.kind != TouchKind::Peek);
    let mut marks: Vec<At> =
        touches.map(|it| it.at).filter(|at| from < *at && *at < to).chain([from, to]).collect();
    marks.sort_unstable();
    let stretches = marks.iter().zip(marks.iter().skip(1)).map(|(from, to)| Untouched {
        from: *from,
        to: *to,
        asleep_ms: overlap_ms(*from, *to, asleep),
    });
    // The first of several that are as long.
    stretches.rev().max_by_key(Untouched::awake_ms).unwrap_or(Untouched { from, to, asleep_ms: 0 })
}

/// Whether a touch took work out of an agent's hands; an answer to its question did not.
#[must_use]
pub fn intervenes(kind: TouchKind) -> bool {
    matches!(kind, TouchKind::Intervention | TouchKind::Ended)
}

/// Something that befell the engine, the machine, a session or a default branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The number of its record in history.
    pub seq: u64,
    /// When.
    pub at: At,
    /// What.
    pub kind: StoryKind,
    /// In which project, if it names one.
    pub project: Option<ProjectId>,
    /// Of which session, if it names one.
    pub session: Option<SessionId>,
    /// Where it is read.
    pub subject: Option<Subject>,
    /// In words.
    pub says: String,
}

impl Story {
    /// Whether it is more than an engine that began to work as it was asked to.
    #[must_use]
    pub fn befell(&self) -> bool {
        self.kind != (StoryKind::EngineStarted { restarts: 0 })
    }
}

/// What befell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StoryKind {
    /// The engine began to work; so often its watcher had started one before.
    EngineStarted {
        /// How often.
        restarts: u32,
    },
    /// The machine slept.
    MachineSlept,
    /// A holder died and another one took over.
    HolderReplaced,
    /// A session is gone and nobody knows how it ended.
    SessionLost,
    /// Output of a session was not kept.
    OutputLost,
    /// Somebody else moved a default branch.
    MainMoved,
    /// Landings of a project were stopped.
    LineStopped,
    /// Landings of a project are open again.
    LineOpened,
    /// A ref was moved, or tried to be moved, by somebody who may not.
    RefTouched,
    /// Somebody asked for what they may not do.
    Refused,
    /// A person let an item past a gate.
    Overridden,
    /// What the engine noticed.
    Notice,
}

impl StoryKind {
    /// The words shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::EngineStarted { .. } => "engine",
            Self::MachineSlept => "sleep",
            Self::HolderReplaced => "holder",
            Self::SessionLost => "lost",
            Self::OutputLost => "output lost",
            Self::MainMoved => "moved",
            Self::LineStopped => "line stopped",
            Self::LineOpened => "line open",
            Self::RefTouched => "ref",
            Self::Refused => "refused",
            Self::Overridden => "overridden",
            Self::Notice => "notice",
        }
    }
}

/// Rows counted over all runs: every figure is the length of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Pull requests that landed in this time.
    pub landed: Vec<PullId>,
    /// Of those, the ones that a person let land though the line was held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escaped: Vec<PullId>,
    /// Runs that cannot go on without a person.
    pub parked: Vec<RunId>,
    /// Attempts that did their task in this time.
    pub done: Vec<AttemptId>,
    /// Attempts that failed in this time.
    pub failed: Vec<AttemptId>,
    /// Attempts under way.
    pub at_work: Vec<AttemptId>,
    /// Checks that ended in this time and hold.
    pub held: Vec<EvidenceId>,
    /// Checks that ended in this time and do not hold, without first failures of flakes.
    pub broke: Vec<EvidenceId>,
    /// Checks that failed at first in this time, and held when they were run again on the same commit.
    #[serde(default)]
    pub flaky: Vec<EvidenceId>,
    /// Checks that ended in this time, of which it could not be found out.
    pub unknown: Vec<EvidenceId>,
    /// Sessions of agents that ran in this time.
    pub sessions: Vec<SessionId>,
    /// How long they ran in this time, added up, in milliseconds, without sleep of the machine.
    pub agents_ms: i64,
    /// What their models read and wrote in this time, by their own logs.
    pub tokens: TokenCount,
    /// What those cost, as far as anybody knows.
    #[serde(default)]
    pub money: MoneyCount,
    /// What the quiet wrapper ran for them in this time.
    #[serde(default)]
    pub quiet: QuietCount,
    /// Records of people's touches in this time, looks at agents at work among them.
    pub touches: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = 3_600_000;

    #[test]
    fn it_reaches_back_to_the_last_deed_or_half_a_day_whichever_is_longer_ago() {
        let now = At(100 * H);
        let of = |asked, last: Option<i64>| begin(asked, last.map(|h| At(h * H)), now);
        assert_eq!(of(None, Some(70)), (At(70 * H), Chosen::LastDeed));
        assert_eq!(of(None, Some(99)), (At(88 * H), Chosen::HalfDay));
        assert_eq!(of(None, None), (At(88 * H), Chosen::HalfDay));
        assert_eq!(of(Some(Since::LastDeed), Some(99)), (At(99 * H), Chosen::LastDeed));
        assert_eq!(of(Some(Since::LastDeed), None), (At(0), Chosen::Beginning));
        assert_eq!(of(Some(Since::At(At(5))), Some(99)), (At(5), Chosen::Asked));
        assert_eq!(of(Some(Since::At(At(200 * H))), None), (now, Chosen::Asked), "nothing is in the future");
    }

    #[test]
    fn sleep_of_the_machine_is_no_untouched_time() {
        let touch = |h: i64| Touch {
            at: At(h * H),
            by: Who::Person("anna".to_owned()),
            kind: TouchKind::Answered,
            session: None,
        };
        let touches = [touch(5)];
        let of = |asleep: &[(At, At)]| longest_untouched(At(0), At(12 * H), &touches, asleep);
        assert_eq!(of(&[]), Untouched { from: At(5 * H), to: At(12 * H), asleep_ms: 0 });
        // Of the seven hours after the touch the machine slept four: the five before it are longer.
        let night = [(At(6 * H), At(10 * H))];
        assert_eq!(of(&night), Untouched { from: At(0), to: At(5 * H), asleep_ms: 0 });
        // A sleep over the touch takes its part of both.
        let over = [(At(4 * H), At(6 * H))];
        assert_eq!(of(&over), Untouched { from: At(5 * H), to: At(12 * H), asleep_ms: H });
        assert_eq!(of(&over).awake_ms(), 6 * H);
        let none = longest_untouched(At(0), At(0), &[], &[]);
        assert_eq!((none.awake_ms(), none.to), (0, At(0)));
    }
}
