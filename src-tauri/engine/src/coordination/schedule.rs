//! Which tasks of a run may begin now, and why the others wait. Two tasks run at once only if both scopes are known
//! and cannot meet, neither touches a hot file, and there is enough of what both take, in whatever run they are. Equal inputs
//! give equal answers.
//!
//! What was found out about a run is kept from one look to the next, so that a look costs what has changed since and not
//! what the run has. It is never the truth: each look begins by comparing it with the run.

mod busy;
mod needs;
pub(super) mod shared;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use pilothouse_contract::phase::PhaseRun;
use pilothouse_contract::run::{Run, RunState, TaskRun, TaskState, Wait};
use pilothouse_contract::spec::TaskSpec;
use pilothouse_contract::{Fleet, Oid, RunId, TaskId};

use crate::policy::scope::{self, Globs};
use crate::policy::{specs, tiers};
use busy::{Busy, Facts};
use needs::{Before, Needs};
use shared::Shared;

/// Of the tasks that come first so many are named.
const NAMED: usize = 16;

/// The waiting tasks in file order, each with why it waits; those that are [`Wait::Ready`] may begin together.
#[must_use]
pub fn waits(fleet: &Fleet, run: &Run) -> Vec<(TaskId, Wait)> {
    if run.state == RunState::Queued {
        return waits_to_begin(fleet, run);
    }
    let mut it = Schedule::of(run);
    let mut shared = Shared::of(fleet, run);
    let mut before = Before::default();
    let mut answers = Vec::new();
    for (place, task) in run.tasks.iter().enumerate() {
        if task.state == TaskState::Waiting {
            let wait = if let Some(until) = task.rests {
                Wait::Rest { until }
            } else if let Some(phase) = it.gate(run, place).filter(|_| it.needs.is_free(place, &task.spec)) {
                Wait::Checkpoint { phase: phase.title.clone() }
            } else if it.needs.is_free(place, &task.spec) {
                let held_by = it.busy.in_the_way(&it.facts, place).and_then(|other| run.tasks.get(other));
                match held_by {
                    Some(other) => it.why(&task.spec, &other.spec),
                    None => match it.full(run, &shared, &task.spec) {
                        Some(wait) => wait,
                        None => {
                            it.busy.add(&it.facts, place);
                            shared.take(place, &task.spec);
                            if fleet.is_paused(run) { Wait::Paused } else { Wait::Ready }
                        }
                    },
                }
            } else {
                it.needs.named(run, place, &before)
            };
            answers.push((task.spec.id.clone(), wait));
        }
        before.pass(task);
    }
    answers
}

/// Of a run that has not begun all tasks wait for the same.
fn waits_to_begin(fleet: &Fleet, run: &Run) -> Vec<(TaskId, Wait)> {
    let wait = match &run.window {
        _ if fleet.is_paused(run) => Wait::Paused,
        Some(window) if !window.is_open => Wait::Window { opens: window.opens, says: window.says.clone() },
        _ => Wait::Queue { runs: fleet.slots.runs.unwrap_or(1) },
    };
    let waiting = run.tasks.iter().filter(|it| it.state == TaskState::Waiting);
    waiting.map(|it| (it.spec.id.clone(), wait.clone())).collect()
}

/// Why two tasks may not run at once; nothing if they may.
#[must_use]
pub fn clash(hot: &Globs, one: &TaskSpec, other: &TaskSpec) -> Option<String> {
    if let Some(why) = scope::overlap(one.files.as_ref(), other.files.as_ref()) {
        return Some(why);
    }
    // A hot file is one that tools rewrite for reasons that no scope shows, so whoever names one runs alone. Two scopes
    // that are apart hold different files, so a folder that may have one inside is no reason.
    let mut paths = [one, other].into_iter().flat_map(|it| &it.files).flat_map(|it| &it.include);
    paths.find(|it| hot.matches(it)).map(|path| format!("{path} is a hot file"))
}

/// What may begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ready {
    /// These may, together.
    pub begin: Vec<TaskId>,
    /// Another one may as soon as there is enough of what runs share.
    pub more_later: bool,
}

/// What is known of the runs that are carried.
#[derive(Debug, Default)]
pub struct Schedules(HashMap<RunId, Schedule>);

impl Schedules {
    /// The tasks that may begin together now: those that [`waits`] calls ready.
    pub fn ready(&mut self, fleet: &Fleet, run: &Run) -> Ready {
        if fleet.is_paused(run) {
            return Ready::default();
        }
        let it = self.0.entry(run.id).or_insert_with(|| Schedule::of(run));
        it.look_again(run);
        it.ready(fleet, run)
    }

    /// Of how many runs something is kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.0.len()
    }

    /// Forgets what is not carried any more.
    pub fn sweep(&mut self, fleet: &Fleet) {
        self.0.retain(|run, _| fleet.runs.get(run).is_some_and(|it| it.state.is_live()));
    }
}

/// What is known of one run.
#[derive(Debug)]
struct Schedule {
    /// What it was read from.
    approved: Oid,
    hot_globs: Vec<String>,
    hot: Globs,
    facts: Vec<Facts>,
    /// How each task stood at the last look.
    stood: Vec<Stand>,
    needs: Needs,
    /// For each task the phases that come first and have a checkpoint.
    gates: Vec<Vec<usize>>,
    busy: Busy,
    /// Tasks that wait for none that comes first, and are not known to be held up.
    free: BTreeSet<usize>,
    /// Those that are, by which busy one.
    held: BTreeMap<usize, Vec<usize>>,
}

/// How a task stands, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Waiting,
    /// It waits, and does not begin whatever is free.
    Resting,
    Active,
    Done,
    /// It is for a person.
    Parked,
}

impl Stand {
    fn of(task: &TaskRun) -> Self {
        match &task.state {
            TaskState::Waiting if task.rests.is_some() => Self::Resting,
            TaskState::Waiting => Self::Waiting,
            TaskState::Active { .. } => Self::Active,
            TaskState::Parked { .. } => Self::Parked,
            TaskState::Done { .. } | TaskState::DoneBefore | TaskState::Skipped => Self::Done,
        }
    }
}

impl Schedule {
    fn of(run: &Run) -> Self {
        let hot = Globs::of(&run.policy.hot);
        let mut it = Self {
            approved: run.approved_at().clone(),
            hot_globs: run.policy.hot.clone(),
            facts: run.tasks.iter().map(|it| Facts::of(&it.spec, &hot, &run.policy)).collect(),
            hot,
            stood: run.tasks.iter().map(Stand::of).collect(),
            needs: Needs::of(run),
            gates: gates(run),
            busy: Busy::default(),
            free: BTreeSet::new(),
            held: BTreeMap::new(),
        };
        for (place, task) in run.tasks.iter().enumerate() {
            match Stand::of(task) {
                Stand::Waiting => it.wait(place, &task.spec),
                Stand::Active => it.busy.add(&it.facts, place),
                Stand::Resting | Stand::Done | Stand::Parked => {}
            }
        }
        it
    }

    /// Takes note of what changed. What is never undone in the usual course is worked out anew.
    fn look_again(&mut self, run: &Run) {
        let is_another = self.approved != *run.approved_at()
            || self.hot_globs != run.policy.hot
            || self.stood.len() != run.tasks.len();
        let changed: Vec<_> = run
            .tasks
            .iter()
            .zip(&self.stood)
            .enumerate()
            .filter(|(_, (task, stood))| Stand::of(task) != **stood)
            .map(|(place, (_, stood))| (place, *stood))
            .collect();
        if is_another || changed.iter().any(|(_, stood)| *stood == Stand::Done) {
            *self = Self::of(run);
            return;
        }
        if changed.is_empty() {
            return;
        }
        for (place, stood) in changed {
            let Some(task) = run.tasks.get(place) else { continue };
            let stands = Stand::of(task);
            if let Some(it) = self.stood.get_mut(place) {
                *it = stands;
            }
            match stood {
                Stand::Waiting => {
                    self.free.remove(&place);
                    self.needs.leave(place, &task.spec);
                }
                Stand::Active => {
                    self.busy.remove(&self.facts, place);
                    self.free.extend(self.held.remove(&place).unwrap_or_default());
                }
                Stand::Resting | Stand::Done | Stand::Parked => {}
            }
            match stands {
                Stand::Waiting => self.wait(place, &task.spec),
                Stand::Active => self.busy.add(&self.facts, place),
                Stand::Done => self.free.extend(self.needs.done(place, &task.spec)),
                Stand::Resting | Stand::Parked => {}
            }
        }
        self.free.extend(self.needs.freed());
        // What was held up may have been taken elsewhere meanwhile.
        let stood = &self.stood;
        self.free.retain(|place| stood.get(*place) == Some(&Stand::Waiting));
    }

    fn wait(&mut self, place: usize, task: &TaskSpec) {
        if self.needs.is_free(place, task) {
            self.free.insert(place);
        } else {
            self.needs.wait(place, task);
        }
    }

    /// The first phase whose checkpoint must hold before a task begins, and does not.
    fn gate<'a>(&self, run: &'a Run, place: usize) -> Option<&'a PhaseRun> {
        let gates = self.gates.get(place)?;
        run.phases.iter().find(|it| gates.contains(&it.phase) && !it.is_passed())
    }

    /// Whether the run has slots left for all that try a task at once.
    fn has_slot(&self, run: &Run, task: &TaskSpec) -> bool {
        self.busy.count() + tiers::places(task, &run.policy) <= run.policy.slots
    }

    /// What keeps a task from beginning that none is in the way of.
    fn full(&self, run: &Run, shared: &Shared<'_>, task: &TaskSpec) -> Option<Wait> {
        let slots = run.policy.slots;
        let slot = || (!self.has_slot(run, task)).then_some(Wait::Slot { slots });
        shared.short(task).or_else(slot).or_else(|| shared.full(task))
    }

    fn ready(&mut self, fleet: &Fleet, run: &Run) -> Ready {
        let mut begin = Vec::new();
        let mut held = Vec::new();
        let (mut shared, mut more_later) = (None, false);
        for place in &self.free {
            if self.busy.count() >= run.policy.slots {
                break;
            }
            let Some(task) = run.tasks.get(*place).map(|it| &it.spec) else { continue };
            if self.gate(run, *place).is_some() || !self.has_slot(run, task) {
                continue;
            }
            match self.busy.in_the_way(&self.facts, *place) {
                None => {
                    if shared::concerns(fleet, run, task) {
                        let shared = shared.get_or_insert_with(|| Shared::of(fleet, run));
                        // What is shared is not filed under whoever has it: another one may give back enough.
                        if shared.short(task).or_else(|| shared.full(task)).is_some() {
                            more_later = true;
                            continue;
                        }
                        shared.take(*place, task);
                    }
                    self.busy.add(&self.facts, *place);
                    begin.push(*place);
                }
                // What only begins now may yet not begin.
                Some(other) if self.stood.get(other) == Some(&Stand::Active) => held.push((*place, other)),
                Some(_) => {}
            }
        }
        for (place, other) in held {
            self.free.remove(&place);
            self.held.entry(other).or_default().push(place);
        }
        begin.iter().for_each(|place| self.busy.remove(&self.facts, *place));
        let id = |place: usize| Some(run.tasks.get(place)?.spec.id.clone());
        Ready { begin: begin.into_iter().filter_map(id).collect(), more_later }
    }

    /// Why a task does not begin while another is worked.
    fn why(&self, task: &TaskSpec, other: &TaskSpec) -> Wait {
        let why = clash(&self.hot, task, other).unwrap_or_default();
        Wait::Scope { with: other.id.clone(), why }
    }
}

/// For each task the phases whose checkpoints come first.
fn gates(run: &Run) -> Vec<Vec<usize>> {
    let checked: Vec<usize> = run.phases.iter().map(|it| it.phase).collect();
    let all = run.tasks.iter().filter(|_| !checked.is_empty());
    let phases: HashMap<&TaskId, Option<usize>> = all.map(|it| (&it.spec.id, it.spec.phase)).collect();
    let of = |task: &TaskRun| specs::gates(&task.spec, &checked, |id| phases.get(id).copied().flatten());
    run.tasks.iter().map(of).collect()
}

/// Takes one out of the set of that key, and the set away if it was the last.
fn take<K: Hash + Eq + Borrow<Q>, Q: Hash + Eq + ?Sized, T: Ord>(
    from: &mut HashMap<K, BTreeSet<T>>,
    key: &Q,
    it: &T,
) {
    if let Some(set) = from.get_mut(key) {
        set.remove(it);
        if set.is_empty() {
            from.remove(key);
        }
    }
}
