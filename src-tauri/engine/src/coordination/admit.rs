//! Who may go on beside others: room in a state of the road, what one run gives back and another waits for, and that everything
//! stands still when a person says so.

use pilothouse_contract::attempt::{Attempt, AttemptState};
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::phase::Checkpoint;
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::queue::Queued;
use pilothouse_contract::room::Slots;
use pilothouse_contract::run::{Run, RunState, TaskState};
use pilothouse_contract::wait::{Room, Wait};
use pilothouse_contract::{AttemptId, Event, Fault, ProjectId, RunId, Who};

use super::Work;
use super::schedule::shared;

impl Work<'_> {
    /// Whether an attempt may go on in the state it came to. If too many of its project do, it waits before it.
    pub(super) fn admit(&mut self, attempt: AttemptId) -> bool {
        let Some(it) = self.fleet.attempts.get(&attempt) else { return false };
        let Some(run) = self.fleet.runs.get(&it.run) else { return false };
        let wait = run.policy.state_slots.get(it.state.word()).copied().and_then(|limit| {
            let beside =
                |other: &&Attempt| other.id != it.id && other.state == it.state && other.waits.is_none();
            let taken = self.at_work(run.project).filter(beside).count();
            let of = Room::State { state: it.state };
            (taken >= limit as usize).then_some(Wait::Room { of, limit })
        });
        let (is_free, changed) = (wait.is_none(), it.waits != wait);
        if changed {
            self.engine(Event::AttemptWaits { attempt, wait });
        }
        is_free
    }

    /// Attempts at tasks of a project's live runs.
    fn at_work(&self, project: ProjectId) -> impl Iterator<Item = &Attempt> {
        let live = self.fleet.runs.values().filter(move |it| it.project == project && it.state.is_live());
        let active = live.flat_map(|it| &it.tasks).filter(|it| matches!(it.state, TaskState::Active { .. }));
        let tried = active.flat_map(|it| &it.attempts).filter_map(|id| self.fleet.attempts.get(id));
        tried.filter(|it| !it.state.is_over())
    }

    /// What was given back may be what others wait for. Called at the end of each decision.
    pub(super) fn share_out(&mut self) {
        while std::mem::take(&mut self.freed) {
            self.begin_queued();
            if !shared::is_any(self.fleet) {
                continue;
            }
            self.admit_waiting();
            let live = |it: &&Run| it.state == RunState::Running;
            let active =
                |it: &Run| it.tasks.iter().filter(|it| matches!(it.state, TaskState::Active { .. })).count();
            let mut runs: Vec<(usize, RunId)> =
                self.fleet.runs.values().filter(live).map(|it| (active(it), it.id)).collect();
            // Whoever has least goes first, so that no run starves beside a greedy one.
            runs.sort_unstable();
            runs.into_iter().for_each(|(_, run)| self.carry_on(run));
        }
        self.note_drained();
    }

    /// Attempts that wait for room in their state go on as far as there is some, the oldest first.
    fn admit_waiting(&mut self) {
        let projects: Vec<ProjectId> = self.fleet.projects.keys().copied().collect();
        for project in projects {
            let mut waiting: Vec<AttemptId> =
                self.at_work(project).filter(|it| it.waits.is_some()).map(|it| it.id).collect();
            waiting.sort_unstable();
            for attempt in waiting {
                let Some(it) = self.fleet.attempts.get(&attempt).cloned() else { continue };
                let Some(run) = self.live_run(it.run) else { continue };
                match (it.state, &it.candidate) {
                    (AttemptState::RedCheck, _) => self.check_attempt(attempt, Gate::RedCheck, &it.base),
                    (AttemptState::Working, _) => self.launch_agent(&it, &run),
                    (AttemptState::Verifying, Some(made)) => {
                        self.check_attempt(attempt, Gate::Verify, &made.commit);
                    }
                    _ => {}
                }
            }
        }
    }

    /// A person chooses how much may be worked at once over all projects.
    pub(super) fn set_slots(&mut self, slots: Slots) -> Result<(), Fault> {
        if slots.total == Some(0) || slots.runs == Some(0) || slots.agents.values().any(|it| *it == 0) {
            return Err(Fault::refused("no slot at all would let nothing begin, and nobody would see why")
                .command("pause everything instead", "pilothouse run pause"));
        }
        if self.fleet.slots != slots {
            self.emit(Event::SlotsSet { slots });
        }
        Ok(())
    }

    /// A person pauses everything, or lets it go on. Runs that were paused by themselves stay so, until a person says it once more.
    pub(super) fn pause_all(&mut self, paused: bool) {
        if self.fleet.halt.is_some() == paused {
            if !paused {
                self.lift_pauses();
            }
            return;
        }
        self.emit(Event::AllPaused { paused });
        if !paused {
            let live: Vec<RunId> =
                self.fleet.runs.values().filter(|it| it.state.is_live()).map(|it| it.id).collect();
            live.into_iter().for_each(|run| self.carry_on(run));
            self.begin_queued();
            self.sit_those_due();
            self.review_those_due();
        }
    }

    /// Nothing holds everything, and a person says that everything goes on: that can only mean what persons paused run by run, as older
    /// versions wrote a pause of everything. What a window paused is the window's.
    fn lift_pauses(&mut self) {
        let by_person = |it: &&Run| {
            it.state.is_live() && it.paused.as_ref().is_some_and(|it| matches!(it.by, Who::Person(_)))
        };
        let paused: Vec<RunId> = self.fleet.runs.values().filter(by_person).map(|it| it.id).collect();
        for run in paused {
            // It is live, and nothing holds everything: nothing is refused.
            let _never = self.pause_run(run, false);
        }
    }

    /// Everything is paused: the moment from which nothing is under way any more is written down once.
    fn note_drained(&mut self) {
        if self.fleet.halt.as_ref().is_some_and(|it| it.drained.is_none())
            && !self.fleet.runs.values().any(|it| it.state.is_live() && self.is_under_way(it))
            && !self.fleet.cards.values().any(|it| it.draft.as_ref().is_some_and(|it| it.sitting.is_some()))
        {
            self.engine(Event::Drained);
        }
    }

    fn is_under_way(&self, run: &Run) -> bool {
        if run.state == RunState::Queued {
            return false;
        }
        // One in the queue may wait for its turn, which does not come while everything is paused.
        let works = |it: &&Pull| {
            let waits = |queued: &Queued| queued.making.is_none() && it.checking.is_none();
            it.state == PullState::Landing
                || (it.state == PullState::Checking && !it.queued.as_ref().is_some_and(waits))
        };
        let pull = run.pull.and_then(|id| self.fleet.pulls.get(&id));
        let is_read = pull.is_some_and(|it| it.review.sitting.is_some() || it.review.unread.is_some());
        run.settling
            || is_read
            || run.head.is_none()
            || run.integrating.is_some()
            || run.state == RunState::Assembled
            || pull.as_ref().is_some_and(works)
            || run.tasks.iter().any(|it| matches!(it.state, TaskState::Active { .. }))
            || run.phases.iter().any(|it| matches!(it.state, Checkpoint::Checking { .. }))
            || (run.state == RunState::Running && run.audit.as_ref().is_some_and(|it| it.evidence.is_none()))
    }
}
