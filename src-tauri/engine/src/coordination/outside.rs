//! What changed from outside while a run was parked, reckoned when it goes on; and what held for what was there before.
//!
//! Refuses to undo anything: what is done stays done, and whoever changed something had their reasons.

use pilothouse_contract::outside::Change;
use pilothouse_contract::phase::{Checkpoint, PhaseRun};
use pilothouse_contract::run::{Policy, Run, TaskRun};
use pilothouse_contract::spec::TaskSpec;
use pilothouse_contract::{Event, Oid, RunId, TaskId};

use super::Work;
use super::input::RunFacts;

/// What differs between what a run was carried by and what it goes on by.
pub(super) fn changes(run: &Run, facts: &RunFacts) -> Vec<Change> {
    let mut changes = Vec::new();
    if *run.approved_at() != facts.base {
        changes.push(Change::Main { from: run.approved_at().clone(), to: facts.base.clone() });
    }
    // Where it was read names a commit, and the others a person may choose whenever they let it go on.
    let chosen = |it: &Policy| Policy {
        source: String::new(),
        agent: run.policy.agent.clone(),
        approve: run.policy.approve,
        slots: run.policy.slots,
        ..it.clone()
    };
    if chosen(&run.policy) != chosen(&facts.policy) {
        changes.push(Change::Policy);
    }
    for spec in &facts.spec.tasks {
        match run.task(&spec.id) {
            None => changes.push(Change::Added { task: spec.id.clone() }),
            Some(known) => changes.extend(reads_now(known, spec)),
        }
    }
    let gone = |id: &TaskId| facts.spec.tasks.iter().all(|it| it.id != *id);
    let gone = run.tasks.iter().filter(|it| gone(&it.spec.id));
    changes.extend(gone.map(|it| Change::Removed { task: it.spec.id.clone() }));
    changes.extend(facts.edited.iter().cloned());
    changes
}

fn reads_now(known: &TaskRun, spec: &TaskSpec) -> Option<Change> {
    let task = spec.id.clone();
    if known.state.is_done() {
        let proof = |it: &TaskSpec| (it.verify.clone(), it.expect.clone());
        return (proof(&known.spec) != proof(spec)).then_some(Change::Proof { task });
    }
    // Where it stands in the file is no matter.
    let words = |it: &TaskSpec| TaskSpec { line: 0, done: false, ..it.clone() };
    if spec.done && !known.spec.done {
        return Some(Change::Ticked { task });
    }
    (words(&known.spec) != words(spec)).then_some(Change::Reworded { task })
}

impl Work<'_> {
    /// Somebody went on on the item branch of a run that goes on: what held for it before is run again.
    pub(super) fn branch_was_moved(&mut self, run: RunId, from: &Oid, to: &Oid) {
        let Some(it) = self.fleet.runs.get(&run) else { return };
        let held = |it: &&PhaseRun| matches!(it.state, Checkpoint::Passed { .. });
        let held: Vec<PhaseRun> = it.phases.iter().filter(held).cloned().collect();
        let mut changes = vec![Change::Branch { from: from.clone(), to: to.clone() }];
        changes.extend(held.iter().map(|it| Change::Checkpoint { title: it.title.clone() }));
        self.engine(Event::OutsideSeen { run, changes });
        for PhaseRun { phase, .. } in held {
            let why = format!("it held before somebody went on to {}", to.short());
            self.engine(Event::PhaseMoved { run, phase, to: Checkpoint::Open, why });
        }
    }
}
