//! The fleet: everything there is, as one value, and the one fold that moves it. The engine decides on it and stores
//! it, every client mirrors it, and both use [`Fleet::apply`]; so they cannot disagree.
//!
//! Refuses to judge: an event that names something unknown changes nothing.

mod next;
mod pulls;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, AttemptState, Failure};
use crate::card::{Card, Stage};
use crate::event::{Event, Record};
use crate::evidence::{Evidence, Gate};
use crate::ids::{
    AttemptId, EvidenceId, ItemId, ProjectId, PullId, QuestionId, RunId, SessionId, TaskId, WorktreeId,
};
use crate::item::{Item, ItemState};
use crate::outside::Outside;
use crate::phase::{Checkpoint, PhaseRun};
use crate::project::{Project, Trust};
use crate::published::Published;
use crate::pull::Pull;
use crate::question::Question;
use crate::room::{Halt, Slots};
use crate::run::{Paused, Policy, Run, RunState, TaskRun, TaskState};
use crate::session::{Session, SessionKind};
use crate::worktree::{Worktree, WorktreeState};

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fleet {
    /// The number of the last record folded in.
    pub seq: u64,
    /// Repositories.
    pub projects: BTreeMap<ProjectId, Project>,
    /// Pieces of work.
    pub items: BTreeMap<ItemId, Item>,
    /// Runs.
    pub runs: BTreeMap<RunId, Run>,
    /// Attempts.
    pub attempts: BTreeMap<AttemptId, Attempt>,
    /// Sessions.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Worktrees.
    pub worktrees: BTreeMap<WorktreeId, Worktree>,
    /// Pull requests.
    pub pulls: BTreeMap<PullId, Pull>,
    /// Evidence.
    pub evidence: BTreeMap<EvidenceId, Evidence>,
    /// What is known of items before runs carry them.
    #[serde(default)]
    pub cards: BTreeMap<ItemId, Card>,
    /// What agents ask their person.
    #[serde(default)]
    pub questions: BTreeMap<QuestionId, Question>,
    /// Whether a person wants the machine to be kept awake while runs are carried.
    #[serde(default)]
    pub keep_awake: bool,
    /// How much may be worked at once over all projects.
    #[serde(default)]
    pub slots: Slots,
    /// That everything is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
}

/// What a fold changed: the rows that a store writes and the signals that a window sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touched {
    /// A repository.
    Project(ProjectId),
    /// A piece of work.
    Item(ItemId),
    /// A run.
    Run(RunId),
    /// An attempt.
    Attempt(AttemptId),
    /// A session.
    Session(SessionId),
    /// A worktree.
    Worktree(WorktreeId),
    /// A pull request.
    Pull(PullId),
    /// An evidence record.
    Evidence(EvidenceId),
    /// A question.
    Question(QuestionId),
    /// The card of an item.
    Card(ItemId),
    /// What a person chose for all projects.
    Settings,
}

impl Fleet {
    /// The live run of an item, or else its newest one.
    #[must_use]
    pub fn run_of(&self, item: ItemId) -> Option<&Run> {
        let runs = || self.runs.values().filter(|run| run.item == item);
        runs().rfind(|run| run.state.is_live()).or_else(|| runs().next_back())
    }

    /// A fleet of what belongs to a run, its project and its item among it: a copy of that is small, one of everything is not.
    #[must_use]
    pub fn of_run(&self, run: RunId) -> Self {
        let Some(it) = self.runs.get(&run) else { return Self::default() };
        fn some<K: Copy + Ord, V: Clone>(all: &BTreeMap<K, V>, of: impl Fn(&V) -> bool) -> BTreeMap<K, V> {
            all.iter().filter(|it| of(it.1)).map(|(id, it)| (*id, it.clone())).collect()
        }
        Self {
            seq: self.seq,
            projects: some(&self.projects, |project| project.id == it.project),
            items: some(&self.items, |item| item.id == it.item),
            cards: some(&self.cards, |card| card.item == it.item),
            runs: some(&self.runs, |it| it.id == run),
            attempts: some(&self.attempts, |it| it.run == run),
            sessions: some(&self.sessions, |it| it.run == Some(run)),
            pulls: some(&self.pulls, |it| it.run == run),
            evidence: some(&self.evidence, |it| it.subject.run == run),
            ..Self::default()
        }
    }

    /// Whether the run of an item may be started now, or the parked one let go on: its project is trusted and on the list,
    /// nothing carries it, and its spec has no fault and holds something to do. The engine looks again when it is asked.
    #[must_use]
    pub fn can_start(&self, item: &Item) -> bool {
        let project = self.projects.get(&item.project);
        let open = project.is_some_and(|it| !it.removed && it.trust != Trust::Undecided);
        let run = self.run_of(item.id).map(|it| it.state);
        let to_do = || item.spec.tasks.iter().any(|it| !it.done && !it.optional);
        let draft = self.cards.get(&item.id).and_then(|it| it.draft.as_ref());
        let written = run.is_some() || draft.is_none_or(|it| it.stage == Stage::Planned);
        open && written
            && !matches!(item.state, ItemState::Landed | ItemState::Abandoned)
            && run.is_none_or(|it| !it.is_live())
            && item.spec.remarks.iter().all(|it| !it.blocking)
            && (run == Some(RunState::Parked) || to_do())
    }

    /// Whether nothing of a run begins or lands for now: it is paused, or everything is.
    #[must_use]
    pub fn is_paused(&self, run: &Run) -> bool {
        self.halt.is_some() || run.is_paused()
    }

    /// The projects on the list.
    pub fn listed(&self) -> impl Iterator<Item = &Project> {
        self.projects.values().filter(|project| !project.removed)
    }

    /// Folds one record in. Returns what it changed. A record that was folded in before changes nothing.
    pub fn apply(&mut self, record: &Record) -> Vec<Touched> {
        if record.seq <= self.seq {
            return Vec::new();
        }
        self.seq = record.seq;
        self.fold(record).into_iter().flatten().collect()
    }

    fn fold(&mut self, record: &Record) -> [Option<Touched>; 2] {
        let at = record.at;
        let one = match &record.event {
            Event::ProjectAdded { project } => {
                self.projects.insert(project.id, project.clone());
                Some(Touched::Project(project.id))
            }
            Event::ProjectRemoved { project } => self.project(*project, |it| it.removed = true),
            Event::WorkflowSeen { project, seen } => {
                self.project(*project, |it| it.workflow = Some(seen.clone()))
            }
            Event::ProjectTrusted { project, found } => self.project(*project, |it| {
                it.trust = Trust::Given { at, by: record.who.clone(), found: found.clone() };
            }),
            Event::MainMoved { project, to, .. } => self.project(*project, |it| it.main = to.clone()),
            Event::LineChanged { project, line, .. } => self.project(*project, |it| it.line = line.clone()),
            Event::LineHeld { project, held } => self.project(*project, |it| it.held.clone_from(held)),

            Event::ItemRead { item } => {
                self.items.insert(item.id, item.clone());
                Some(Touched::Item(item.id))
            }
            Event::ItemMoved { item, to, why, .. } => self.items.get_mut(item).map(|it| {
                it.state = *to;
                it.why.clone_from(why);
                it.moved = at;
                Touched::Item(*item)
            }),

            Event::Card { item, what } => {
                self.cards.entry(*item).or_insert_with(|| Card::of(*item)).apply(what, at);
                Some(Touched::Card(*item))
            }

            Event::RunStarted { run } => {
                self.runs.insert(run.id, run.as_ref().clone());
                Some(Touched::Run(run.id))
            }
            Event::RunResumed { run, approved, policy, tasks, phases, outside } => self.run(*run, |it| {
                it.outside = Some(Outside { since: it.moved, until: at, changes: outside.clone() });
                it.state = RunState::Running;
                it.stop = None;
                it.stopped_by.clear();
                it.settling = true;
                it.paused = None;
                // Whoever lets it go on wants it now.
                it.window = None;
                "a person let it go on".clone_into(&mut it.why);
                it.approved = approved.clone();
                it.policy = Policy::clone(policy);
                it.tasks.clone_from(tasks);
                it.phases.clone_from(phases);
                // What was missing may be there by now.
                it.audit = None;
                it.moved = at;
            }),
            Event::RunMoved { run, to, why, stop, evidence } => self.run(*run, |it| {
                it.state = *to;
                it.stop.clone_from(stop);
                it.stopped_by.clone_from(evidence);
                it.settling = false;
                it.why.clone_from(why);
                it.moved = at;
                // What a person lets go on begins anew.
                if !to.is_live() {
                    it.tasks.iter_mut().for_each(|task| task.goes_on = None);
                }
            }),
            Event::RunBegun { run, base } => self.run(*run, |it| {
                it.state = RunState::Running;
                "begun".clone_into(&mut it.why);
                it.base = base.clone();
                it.started = at;
                it.moved = at;
            }),
            Event::RunWindow { run, window } => self.run(*run, |it| it.window.clone_from(window)),
            Event::RunRanked { run, rank } => self.run(*run, |it| it.rank = *rank),
            Event::HeadMoved { run, to, .. } => self.run(*run, |it| it.head = Some(to.clone())),
            Event::RunTouched { run, touch } => self.run(*run, |it| it.touches.push(touch.clone())),
            Event::OutsideSeen { run, changes } => self.run(*run, |it| {
                if let Some(outside) = &mut it.outside {
                    outside.changes.extend(changes.iter().cloned());
                }
            }),
            Event::RunNoted { run, note } => self.run(*run, |it| it.notes.push(note.clone())),
            Event::RunPaused { run, paused } => self.run(*run, |it| {
                it.paused = paused.then(|| Paused { by: record.who.clone(), at });
            }),
            Event::TaskMoved { run, task, to, .. } => self.task(*run, task, |it| {
                it.state = to.clone();
                it.goes_on = it.goes_on.filter(|_| *to == TaskState::Waiting);
            }),
            Event::TaskRestarted { run, task } => self.task(*run, task, |it| {
                it.state = TaskState::Waiting;
                it.failures = 0;
                it.rests = None;
                it.goes_on = None;
            }),
            Event::TaskRests { run, task, until } => self.task(*run, task, |it| it.rests = Some(*until)),
            Event::TaskRested { run, task } => self.task(*run, task, |it| it.rests = None),
            Event::TaskGoesOn { run, task, attempt } => {
                self.task(*run, task, |it| it.goes_on = Some(*attempt))
            }
            Event::PhaseMoved { run, phase, to, .. } => self.run(*run, |it| {
                if let Some(of) = it.phases.iter_mut().find(|it| it.phase == *phase) {
                    of.state = to.clone();
                }
            }),
            Event::AuditAsked { run, audit } | Event::Audited { run, audit } => {
                self.run(*run, |it| it.audit = Some(audit.clone()))
            }
            Event::Judged { run, judged } => self.run(*run, |it| {
                if let Some(audit) = &mut it.audit {
                    audit.verdicts.retain(|known| known.requirement != judged.requirement);
                    audit.verdicts.push(judged.clone());
                }
            }),
            Event::Integrating { run, attempt } => self.run(*run, |it| it.integrating = *attempt),

            Event::AttemptStarted { attempt } => {
                self.attempts.insert(attempt.id, attempt.clone());
                let leads = attempt.contest.is_none_or(|first| first == attempt.id);
                let run = self.task(attempt.run, &attempt.task, |it| {
                    it.attempts.push(attempt.id);
                    it.goes_on = None;
                    if leads {
                        it.state = TaskState::Active { attempt: attempt.id };
                    }
                });
                return [Some(Touched::Attempt(attempt.id)), run];
            }
            Event::AttemptMoved { attempt, to, why, evidence } => self.attempt(*attempt, |it| {
                it.state = *to;
                it.waits = None;
                it.why.clone_from(why);
                it.evidence.extend(evidence);
                it.moved = at;
            }),
            Event::AttemptWaits { attempt, wait } => self.attempt(*attempt, |it| it.waits.clone_from(wait)),
            Event::AttemptFailed { attempt, failure, why, evidence } => {
                let touched = self.attempt(*attempt, |it| {
                    it.state = AttemptState::Failed;
                    it.waits = None;
                    it.failure = Some(failure.clone());
                    it.why.clone_from(why);
                    it.evidence.extend(evidence);
                    it.moved = at;
                });
                // Being stopped, outdone or handed over says nothing about the task; nor does one of several while others try
                // on, nor a session that could not be gone on with, once.
                let said = match failure {
                    Failure::Stopped | Failure::Outdone { .. } | Failure::HandedOver { .. } => true,
                    Failure::NotResumed => self.is_first_of(*attempt, failure),
                    _ => false,
                };
                let counts = u32::from(!said && self.beside(*attempt).next().is_none());
                let of = self.attempts.get(attempt).map(|failed| (failed.run, failed.task.clone()));
                let run = of.and_then(|(run, task)| self.task(run, &task, |it| it.failures += counts));
                return [touched, run];
            }
            Event::AttemptHandsOver { attempt, fill } => {
                self.attempt(*attempt, |it| it.hands_over = Some(*fill))
            }
            Event::BriefWritten { attempt, hash } => {
                self.attempt(*attempt, |it| it.brief = Some(hash.clone()))
            }
            Event::CandidateRead { attempt, candidate } => {
                self.attempt(*attempt, |it| it.candidate = Some(candidate.clone()))
            }

            Event::SessionAsked { session } => {
                self.sessions.insert(session.id, session.clone());
                let of = session.attempt.filter(|_| session.kind == SessionKind::Agent);
                let attempt = of.and_then(|of| self.attempt(of, |it| it.session = Some(session.id)));
                return [
                    Some(Touched::Session(session.id)),
                    attempt.or_else(|| self.pull_is_checked(session)),
                ];
            }
            Event::SessionRuns { session, running } => {
                self.session(*session, |it| it.running = Some(running.clone()))
            }
            Event::SessionRenamed { session, title } => {
                self.session(*session, |it| it.title.clone_from(title))
            }
            Event::HolderReplaced { session, holder, .. } | Event::HolderUpgraded { session, holder } => self
                .session(*session, |it| {
                    if let Some(running) = &mut it.running {
                        running.holder = *holder;
                    }
                }),
            Event::SessionEnded { session, end } => {
                let ended = self.session(*session, |it| it.end = Some(end.clone()));
                return [ended, self.pull_check_over(*session)];
            }

            Event::QuestionAsked { question } => {
                self.questions.insert(question.id, question.clone());
                Some(Touched::Question(question.id))
            }
            Event::QuestionAnswered { question, answer } => {
                self.question(*question, |it| it.answer = Some(answer.clone()))
            }
            Event::QuestionWithdrawn { question, why } => {
                self.question(*question, |it| it.withdrawn = Some(why.clone()))
            }

            Event::WorktreeAsked { worktree } => {
                self.worktrees.insert(worktree.id, worktree.clone());
                Some(Touched::Worktree(worktree.id))
            }
            Event::WorktreeMade { worktree } | Event::WorktreeRestored { worktree, .. } => {
                self.worktree(*worktree, |it| it.state = WorktreeState::Live)
            }
            Event::WorktreeGone { worktree, why } => {
                self.worktree(*worktree, |it| it.state = WorktreeState::Gone { why: why.clone() })
            }
            Event::WorktreePassed { worktree, attempt } => {
                self.worktree(*worktree, |it| it.attempt = Some(*attempt))
            }
            Event::WorktreeSeen { worktree, seen } => {
                self.worktree(*worktree, |it| it.seen = Some(seen.clone()))
            }
            Event::WorktreeRemoved { worktree, recovery } => self
                .worktree(*worktree, |it| it.state = WorktreeState::Removed { recovery: recovery.clone() }),

            Event::EvidenceGathered { evidence } => {
                self.evidence.insert(evidence.id, evidence.clone());
                Some(Touched::Evidence(evidence.id))
            }

            Event::After { pull, what } => self.pull(*pull, |it| it.after.apply(what)),
            Event::AutoLand { project, class, on, .. } => self.project(*project, |it| {
                it.auto_land.retain(|known| known != class);
                it.auto_land.extend(on.then_some(*class));
            }),
            Event::Review { pull, what } => self.pull(*pull, |it| it.review.apply(what, at)),
            Event::Publish { pull, what } => {
                self.pull(*pull, |it| Published::apply(&mut it.published, what, at))
            }
            Event::PullOpened { .. }
            | Event::PullRenewed { .. }
            | Event::PullMerged { .. }
            | Event::PullChecked { .. }
            | Event::PullApproved { .. }
            | Event::PullQueued { .. }
            | Event::PullCheckGivenUp { .. }
            | Event::PullMoved { .. } => return self.fold_pull(record),

            Event::KeepAwake { on } => {
                self.keep_awake = *on;
                Some(Touched::Settings)
            }
            Event::SlotsSet { slots } => {
                self.slots.clone_from(slots);
                Some(Touched::Settings)
            }
            Event::AllPaused { paused } => {
                self.halt = paused.then(|| Halt { by: record.who.clone(), at, drained: None });
                Some(Touched::Settings)
            }
            Event::Drained => self.halt.as_mut().map(|it| {
                it.drained = Some(at);
                Touched::Settings
            }),

            Event::Refused { .. }
            | Event::ForgeSaid { .. }
            | Event::RefTouched { .. }
            | Event::EngineStarted { .. }
            | Event::MachineSlept { .. }
            | Event::Notice { .. } => None,
        };
        [one, None]
    }

    /// Those that try the same as an attempt at the same time, and are not over.
    pub fn beside(&self, attempt: AttemptId) -> impl Iterator<Item = &Attempt> {
        let contest = self.attempts.get(&attempt).and_then(|it| it.contest);
        // They are begun one after the other.
        let all = contest.into_iter().flat_map(|first| self.attempts.range(first..));
        let of = move |it: &&Attempt| it.contest == contest && it.id != attempt && !it.state.is_over();
        all.map(|(_, it)| it).filter(of)
    }

    /// The attempt that made the commit of a task that is done, which need not be the one that was begun last; nothing of one
    /// that is not done.
    #[must_use]
    pub fn made_by(&self, task: &TaskRun) -> Option<&Attempt> {
        let TaskState::Done { commit } = &task.state else { return None };
        let mut tries = task.attempts.iter().rev().filter_map(|id| self.attempts.get(id));
        tries.find(|it| it.candidate.as_ref().is_some_and(|it| it.commit == *commit))
    }

    /// The attempt whose work on a task the branch of a run holds: its own, or for a task that was done before that of an earlier run
    /// of the same item.
    #[must_use]
    pub fn taken(&self, run: &Run, task: &TaskRun) -> Option<&Attempt> {
        if task.state != TaskState::DoneBefore {
            return self.made_by(task);
        }
        let earlier = self.runs.values().rev().filter(|it| it.item == run.item && it.id != run.id);
        earlier.filter_map(|it| it.task(&task.spec.id)).find_map(|it| self.made_by(it))
    }

    /// What the phases of a run passed by, in their order.
    pub fn checkpoints_of<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Evidence> {
        let passed = |it: &PhaseRun| match it.state {
            Checkpoint::Passed { evidence, .. } => Some(evidence),
            _ => None,
        };
        run.phases.iter().filter_map(passed).filter_map(|id| self.evidence.get(&id))
    }

    /// The newest proof of an attempt that holds.
    #[must_use]
    pub fn proof_of(&self, attempt: &Attempt) -> Option<&Evidence> {
        let mut evidence = attempt.evidence.iter().rev().filter_map(|id| self.evidence.get(id));
        evidence.find(|it| it.gate == Gate::Verify && it.passed())
    }

    /// The short name of an item; empty if there is none.
    #[must_use]
    pub fn slug_of(&self, item: ItemId) -> String {
        self.items.get(&item).map(|it| it.slug.clone()).unwrap_or_default()
    }

    /// The session that an attempt goes on with: that of the try it continues, unless that one was handed over to a fresh one.
    #[must_use]
    pub fn resumed_by(&self, attempt: &Attempt) -> Option<&Session> {
        let before = self.attempts.get(&attempt.continues?)?;
        let is_full = matches!(before.failure, Some(Failure::HandedOver { .. }));
        self.sessions.get(&before.session.filter(|_| !is_full)?)
    }

    /// Whether no other attempt at its task failed like this.
    fn is_first_of(&self, attempt: AttemptId, failure: &Failure) -> bool {
        let Some(it) = self.attempts.get(&attempt) else { return false };
        let tries = self.runs.get(&it.run).and_then(|run| run.task(&it.task)).map(|it| &it.attempts);
        let mut others = tries.into_iter().flatten().filter(|id| **id != attempt);
        !others.any(|id| self.attempts.get(id).is_some_and(|it| it.failure.as_ref() == Some(failure)))
    }

    fn project(&mut self, id: ProjectId, change: impl FnOnce(&mut Project)) -> Option<Touched> {
        self.projects.get_mut(&id).map(change).map(|()| Touched::Project(id))
    }

    fn run(&mut self, id: RunId, change: impl FnOnce(&mut Run)) -> Option<Touched> {
        self.runs.get_mut(&id).map(change).map(|()| Touched::Run(id))
    }

    fn task(&mut self, run: RunId, task: &TaskId, change: impl FnOnce(&mut TaskRun)) -> Option<Touched> {
        let it = self.runs.get_mut(&run)?.tasks.iter_mut().find(|it| it.spec.id == *task)?;
        change(it);
        Some(Touched::Run(run))
    }

    fn attempt(&mut self, id: AttemptId, change: impl FnOnce(&mut Attempt)) -> Option<Touched> {
        self.attempts.get_mut(&id).map(change).map(|()| Touched::Attempt(id))
    }

    fn session(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) -> Option<Touched> {
        self.sessions.get_mut(&id).map(change).map(|()| Touched::Session(id))
    }

    fn question(&mut self, id: QuestionId, change: impl FnOnce(&mut Question)) -> Option<Touched> {
        self.questions.get_mut(&id).map(change).map(|()| Touched::Question(id))
    }

    fn worktree(&mut self, id: WorktreeId, change: impl FnOnce(&mut Worktree)) -> Option<Touched> {
        self.worktrees.get_mut(&id).map(change).map(|()| Touched::Worktree(id))
    }

    fn pull(&mut self, id: PullId, change: impl FnOnce(&mut Pull)) -> Option<Touched> {
        self.pulls.get_mut(&id).map(change).map(|()| Touched::Pull(id))
    }
}
