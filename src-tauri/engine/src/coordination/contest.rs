//! Contests: a task that asks for it is tried by several agents at once, each in a worktree of its own. Once each has come to its end
//! or holds, the best work goes on: proved without a flake, then the smallest change, then the first begun.

use pilothouse_contract::attempt::{Attempt, AttemptState, Failure};
use pilothouse_contract::run::{Run, TaskState};
use pilothouse_contract::{AttemptId, Event, EvidenceId};

use super::Work;

impl Work<'_> {
    /// An attempt holds: it goes on to the item branch, or waits for those that try the same.
    pub(super) fn contend(&mut self, attempt: &Attempt, run: &Run, says: &str, audit: EvidenceId) {
        if attempt.contest.is_none() {
            self.move_attempt(attempt.id, AttemptState::Integrating, says, &[audit]);
            self.next_integration(run.id);
            return;
        }
        self.move_attempt(attempt.id, AttemptState::Contending, says, &[audit]);
        self.choose(attempt.id);
    }

    /// Takes the best of those that try the same, once none of them is under way any more.
    pub(super) fn choose(&mut self, attempt: AttemptId) {
        let Some(it) = self.fleet.attempts.get(&attempt).cloned() else { return };
        if self.live_run(it.run).is_none() {
            return;
        }
        let own = (it.state == AttemptState::Contending).then_some(&it);
        let mut hold: Vec<&Attempt> = self.fleet.beside(attempt).chain(own).collect();
        if hold.is_empty() || hold.iter().any(|it| it.state != AttemptState::Contending) {
            return;
        }
        hold.sort_by_key(|it| {
            (self.was_flaky(it), it.candidate.as_ref().map_or(0, |made| made.lines), it.id)
        });
        let lines = |it: &Attempt| it.candidate.as_ref().map_or(0, |made| made.lines);
        let tried = self.fleet.attempts.values().filter(|other| other.contest == it.contest).count();
        let Some((best, others)) = hold.split_first() else { return };
        let why = format!(
            "the best of {tried} that tried it: {} of them hold, and this is {} lines",
            hold.len(),
            lines(best)
        );
        let (run, task, best_id) = (best.run, best.task.clone(), best.id);
        let outdone: Vec<(AttemptId, String)> = others
            .iter()
            .map(|it| {
                (
                    it.id,
                    format!("{best_id} holds too and was taken: {} lines against {}", lines(best), lines(it)),
                )
            })
            .collect();
        let to = TaskState::Active { attempt: best_id };
        self.engine(Event::TaskMoved { run, task, to, why: why.clone(), evidence: Vec::new() });
        self.move_attempt(best_id, AttemptState::Integrating, &why, &[]);
        for (other, why) in outdone {
            self.fail_attempt(other, Failure::Outdone { by: best_id }, &why, &[]);
        }
        self.next_integration(run);
    }

    /// Whether a check of it failed first and held when it was run again.
    fn was_flaky(&self, attempt: &Attempt) -> bool {
        attempt
            .evidence
            .iter()
            .filter_map(|id| self.fleet.evidence.get(id))
            .any(|it| it.flaky_after.is_some())
    }

    /// One of several failed: the others try on, and what becomes of the task is theirs to say. Returns whether that is so.
    pub(super) fn leaves_it_to_others(&mut self, attempt: &Attempt, failure: &Failure) -> bool {
        let beside: Vec<Attempt> = self.fleet.beside(attempt.id).cloned().collect();
        if beside.is_empty() {
            return matches!(failure, Failure::Outdone { .. });
        }
        // What no other try can mend ends them all.
        if matches!(failure, Failure::Vacuous | Failure::MovedRef { .. }) {
            let why = format!("{} ended them all: {}", attempt.id, failure.word());
            for other in beside {
                self.note_failed(&other, Failure::Stopped, &why, &[]);
                self.end_work_of(&other);
            }
            return false;
        }
        true
    }
}
