//! What runs share: room for attempts over the project, the agent and the machine; and resources. Seen by one run that wants to
//! begin something, beside all that is worked by any.

use std::collections::HashMap;

use pilothouse_contract::run::{Run, TaskState};
use pilothouse_contract::spec::TaskSpec;
use pilothouse_contract::wait::{Room, Wait};
use pilothouse_contract::{Fleet, ProjectId, RunId, TaskId};

use crate::policy::resources::{Need, needs};
use crate::policy::tiers;

/// A resource, and whose it is: a project's or the machine's.
type Thing = (Option<ProjectId>, String);

/// Whether a run has to look at others before it begins a task.
pub(super) fn concerns(fleet: &Fleet, run: &Run, task: &TaskSpec) -> bool {
    has_caps(fleet, run) || !task.uses.is_empty()
}

fn has_caps(fleet: &Fleet, run: &Run) -> bool {
    fleet.slots.total.is_some()
        || fleet.slots.agents.contains_key(&run.policy.agent.name)
        || run.policy.project_slots > 0
}

/// Whether anything that one live run gives back may be what another one waits for.
pub(in crate::coordination) fn is_any(fleet: &Fleet) -> bool {
    let live = || fleet.runs.values().filter(|it| it.state.is_live());
    live().any(|it| has_caps(fleet, it) || !it.policy.state_slots.is_empty())
        || live().flat_map(|it| &it.tasks).any(|it| !it.state.is_done() && !it.spec.uses.is_empty())
}

/// What is taken.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    run: &'a Run,
    /// Of each kind of room how many are at work and how many may be.
    rooms: Vec<(Room, u32, u32)>,
    /// By whom: the run, the place of the task in its file, its id, how much.
    taken: HashMap<Thing, Vec<(RunId, usize, TaskId, u32)>>,
}

impl<'a> Shared<'a> {
    pub(super) fn of(fleet: &Fleet, run: &'a Run) -> Self {
        let (mut machine, mut project, mut agent) = (0, 0, 0);
        let mut it = Self { run, rooms: Vec::new(), taken: HashMap::new() };
        for other in fleet.runs.values().filter(|it| it.state.is_live()) {
            let all = other.tasks.iter().enumerate();
            for (place, task) in all.filter(|(_, it)| matches!(it.state, TaskState::Active { .. })) {
                let places = tiers::places(&task.spec, &other.policy);
                let of = |is_there: bool| if is_there { places } else { 0 };
                machine += places;
                project += of(other.project == run.project);
                agent += of(other.policy.agent.name == run.policy.agent.name);
                it.take_for(other, place, &task.spec);
            }
        }
        let limits = [
            (Room::Project, project, Some(run.policy.project_slots).filter(|it| *it > 0)),
            (
                Room::Agent { name: run.policy.agent.name.clone() },
                agent,
                fleet.slots.agents.get(&run.policy.agent.name).copied(),
            ),
            (Room::Machine, machine, fleet.slots.total),
        ];
        it.rooms.extend(limits.into_iter().filter_map(|(room, taken, limit)| Some((room, taken, limit?))));
        it
    }

    /// The room that is full, if any is.
    pub(super) fn full(&self, task: &TaskSpec) -> Option<Wait> {
        let places = tiers::places(task, &self.run.policy);
        // What needs more than there is room for at all begins where nothing else is.
        let fits = |taken: u32, limit: u32| taken + places <= limit || taken == 0;
        let (of, _, limit) = self.rooms.iter().find(|(_, taken, limit)| !fits(*taken, *limit))?;
        Some(Wait::Room { of: of.clone(), limit: *limit })
    }

    /// The resource that a task has to wait for, if there is one.
    pub(super) fn short(&self, task: &TaskSpec) -> Option<Wait> {
        needs(task, &self.run.policy.resources).into_iter().find_map(|need| {
            let by = self.taken.get(&thing(self.run, &need))?;
            let taken: u32 = by.iter().map(|(_, _, _, count)| count).sum();
            let first = by.iter().min_by_key(|(run, place, _, _)| (*run, *place));
            let (run, _, with, _) = first.filter(|_| taken + need.count > need.of)?;
            Some(Wait::Resource {
                name: need.name.to_owned(),
                with: with.clone(),
                run: Some(*run).filter(|it| *it != self.run.id),
                of: need.of,
            })
        })
    }

    /// Takes what a task of the run needs that begins.
    pub(super) fn take(&mut self, place: usize, task: &TaskSpec) {
        let places = tiers::places(task, &self.run.policy);
        self.rooms.iter_mut().for_each(|(_, taken, _)| *taken += places);
        self.take_for(self.run, place, task);
    }

    fn take_for(&mut self, run: &Run, place: usize, task: &TaskSpec) {
        for need in needs(task, &run.policy.resources) {
            self.taken.entry(thing(run, &need)).or_default().push((
                run.id,
                place,
                task.id.clone(),
                need.count,
            ));
        }
    }
}

fn thing(run: &Run, need: &Need<'_>) -> Thing {
    (Some(run.project).filter(|_| !need.is_of_the_machine()), need.name.to_owned())
}
