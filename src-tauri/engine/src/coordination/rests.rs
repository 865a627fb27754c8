//! Rests: how long a task waits after a failed try before the next one begins. The numbers are those of Symphony's service
//! specification, section 8.4: after an agent that ended badly 10 s, doubled with each further failure up to 5 min; after
//! one that ended well and whose work did not hold, 1 s.
//!
//! Refuses: to count a wait for a slot as a failure. Slots are given when they are free, without a clock.

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::run::{Policy, Run};
use pilothouse_contract::{At, Event, RunId, TaskId};

use super::Work;
use super::effect::Effect;

/// After work that a gate refused: the next agent has something else to do than the last one.
const AFTER_A_GATE_MS: i64 = 1_000;

/// How long the task rests, in milliseconds, after a failure that was its `failures`-th since a person last restarted it.
pub(super) fn rest_ms(policy: &Policy, failure: &Failure, failures: u32) -> i64 {
    if policy.retry_s == 0 {
        return 0;
    }
    match failure {
        // A program, a network, a limit of somebody else's: what ails them is not gone in a second.
        Failure::NotStarted
        | Failure::Stalled
        | Failure::OverTime
        | Failure::AgentExit { .. }
        | Failure::Lost => {
            let doubled = 1_i64 << failures.saturating_sub(1).min(20);
            (i64::from(policy.retry_s) * 1_000 * doubled).min(i64::from(policy.retry_max_s) * 1_000)
        }
        Failure::OverTokens
        | Failure::OverMoney
        | Failure::Repeats
        | Failure::NotResumed
        | Failure::HandedOverTooOften
        | Failure::NothingMade
        | Failure::VerifyFailed
        | Failure::ScopeDrift { .. }
        | Failure::Conflict { .. } => AFTER_A_GATE_MS,
        // Not tried again, or for no fault of its own.
        Failure::Vacuous
        | Failure::MovedRef { .. }
        | Failure::Outdone { .. }
        | Failure::HandedOver { .. }
        | Failure::Stopped => 0,
    }
}

impl Work<'_> {
    /// Lets a task rest after a failed try.
    pub(super) fn rest(&mut self, run: &Run, task: &TaskId, failure: &Failure, failures: u32) {
        let ms = rest_ms(&run.policy, failure, failures);
        if ms > 0 {
            let until = self.now.plus_ms(ms);
            self.engine(Event::TaskRests { run: run.id, task: task.clone(), until });
            self.effect(Effect::Rest { run: run.id, task: task.clone(), until });
        }
    }

    /// The time is up. A rest that was lifted, or that another one followed, ends nothing.
    pub(super) fn rested(&mut self, run: RunId, task: &TaskId, until: At) {
        let rests = self.fleet.runs.get(&run).and_then(|it| it.task(task)).and_then(|it| it.rests);
        if rests == Some(until) {
            self.engine(Event::TaskRested { run, task: task.clone() });
            self.carry_on(run);
        }
    }

    /// Nothing of a run is tried again for now.
    pub(super) fn end_rests(&mut self, run: RunId) {
        for task in self.resting(run) {
            self.engine(Event::TaskRested { run, task });
        }
    }

    fn resting(&self, run: RunId) -> Vec<TaskId> {
        let tasks = self.fleet.runs.get(&run).map(|it| &it.tasks);
        tasks.into_iter().flatten().filter(|it| it.rests.is_some()).map(|it| it.spec.id.clone()).collect()
    }

    /// A person does not want to wait. Returns whether any task rested.
    pub(super) fn lift_rests(&mut self, run: RunId) -> bool {
        let resting = self.resting(run);
        let any = !resting.is_empty();
        for task in resting {
            self.emit(Event::TaskRested { run, task });
        }
        any
    }
}
