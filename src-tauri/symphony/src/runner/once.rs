//! One round: what there is, each issue to one end. Owns when that is over, and what it leaves undone. Refuses to begin again
//! what has ended in it.

use std::collections::BTreeSet;

use crate::Issue;
use crate::coordination::{CONTINUE_AFTER_MS, Input, NO_SLOT, Retry, Stage, State};

/// A round under way.
#[derive(Debug)]
pub(super) struct Once {
    /// What had a worker that ended.
    done: BTreeSet<String>,
    /// What the newest fetch showed and found no slot.
    left: BTreeSet<String>,
    /// What waited for a person already before it.
    held: BTreeSet<String>,
}

impl Once {
    pub(super) fn begin(state: &State) -> Self {
        Self { done: BTreeSet::new(), left: BTreeSet::new(), held: held(state).cloned().collect() }
    }

    /// Whether an input counts in this round, and what is left of it.
    pub(super) fn admits(&self, input: &mut Input) -> bool {
        match input {
            Input::RetryDue { id, .. } => !self.done.contains(id),
            Input::Candidates { answer: Ok(issues), .. } => {
                issues.retain(|it| !self.done.contains(&it.id));
                true
            }
            _ => true,
        }
    }

    /// An issue's worker has ended. Whether a slot for another one is free now.
    pub(super) fn ended(&mut self, id: String) -> bool {
        self.done.insert(id);
        !self.left.is_empty()
    }

    /// What a fetch showed, after it was decided on.
    pub(super) fn fetched(&mut self, shown: &[Issue], state: &State) {
        let settings = &state.settings;
        let wanted = |it: &&Issue| {
            it.is_whole()
                && settings.is_active(&it.state)
                && settings.is_routable(it)
                && !state.is_claimed(&it.id)
        };
        self.left = shown.iter().filter(wanted).map(|it| it.id.clone()).collect();
    }

    /// Whether there is nothing more to do, or nothing that could be done now.
    pub(super) fn is_over(&self, state: &State, now: i64) -> bool {
        let cool = state.cool_until > now;
        let soon = |it: &Retry| it.due_at <= now + CONTINUE_AFTER_MS || it.error.as_deref() == Some(NO_SLOT);
        let waits = state.retries.iter().any(|(id, it)| !self.done.contains(id) && soon(it));
        let polled = state.stage == Stage::Idle && (state.poll > 0 || cool);
        polled && !waits && (self.left.is_empty() || cool || state.unusable.is_some())
    }

    /// How many issues it leaves to a person or undone.
    pub(super) fn undone(&self, state: &State) -> u64 {
        let count = held(state).filter(|id| !self.held.contains(*id)).count() + self.left.len();
        u64::try_from(count).unwrap_or(u64::MAX) + u64::from(state.unusable.is_some())
    }
}

fn held(state: &State) -> impl Iterator<Item = &String> {
    state.blocked.keys().chain(state.parked.keys())
}
