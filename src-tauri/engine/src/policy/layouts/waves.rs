//! Waves: which open tasks of an item may run at once, and why each of the others waits. Equal inputs give equal waves.
//!
//! Refuses to let two tasks meet that might write the same file, and to add an edge to the order for it: a task that waits for a scope
//! waits for a scope, and says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Because, InWave, LaidItem, LaidTask, Mark, Waits, Waves};
use pilothouse_contract::spec::{Phase, TaskSpec};

use crate::policy::resources;
use crate::policy::scope::{Globs, Parts};
use crate::policy::specs::Graph;

/// What there is.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// So many tasks at once; without it any number.
    pub slots: Option<usize>,
    /// How many there are of what `WORKFLOW.md` declares; of all else there is one.
    pub resources: BTreeMap<String, u32>,
    /// Files that no two tasks may name at once, whatever their scopes.
    pub hot: Vec<String>,
}

/// Lays the open tasks of an item into waves. Optional ones and those that only hold others are left out.
#[must_use]
pub fn waves(item: &LaidItem, limits: &Limits) -> Waves {
    let tasks: Vec<&LaidTask> = item.tasks.iter().filter(|it| it.holds || !it.spec.optional).collect();
    let specs = ordered(item, &tasks);
    let steps = steps(item, &tasks);
    let mut graph = Graph::of(&specs, &steps);
    let hot = Globs::of(&limits.hot);
    let wants: Vec<Wants> = specs.iter().map(|it| Wants::of(it, &hot, &limits.resources)).collect();
    let mut ready = Ready::default();
    let mut left: BTreeSet<usize> = (0..tasks.len()).collect();
    let mut since: HashMap<usize, (usize, Option<usize>)> = HashMap::new();
    let over = |place: usize| {
        tasks.get(place).is_some_and(|it| it.holds || matches!(it.state, Mark::Done | Mark::Cancelled))
    };
    // What is done already lets others begin before the first wave.
    let mut edge: Vec<(usize, Option<usize>)> = graph.begin().into_iter().map(|it| (it, None)).collect();
    let mut all = Waves::default();
    loop {
        let number = all.waves.len();
        while let Some((place, by)) = edge.pop() {
            if over(place) {
                left.remove(&place);
                edge.extend(graph.done(place).into_iter().map(|it| (it, by)));
            } else if let Some(wants) = wants.get(place) {
                since.insert(place, (number, by));
                ready.add(place, &wants.key);
            }
        }
        let (chosen, refused) = choose(&ready, &wants, limits);
        if chosen.is_empty() {
            break;
        }
        let id = |place: usize| specs.get(place).map(|it| it.id.clone());
        let mut wave = Vec::new();
        for place in &chosen {
            let (Some(task), Some(want)) = (id(*place), wants.get(*place)) else { continue };
            let mut waits = Vec::new();
            let (begun, by) = since.get(place).copied().unwrap_or_default();
            if let Some(by) = by {
                let says = depends_in_words(specs.get(*place), id(by));
                waits.push(Waits { because: Because::Dependency, on: id(by), says });
            }
            if let Some(no) = ready.refused.get(&want.key).filter(|_| begun < number) {
                waits.push(Waits { because: no.because, on: no.on.and_then(id), says: no.says.clone() });
            }
            wave.push(InWave { task, waits });
        }
        all.waves.push(wave);
        for place in &chosen {
            left.remove(place);
            if let Some(wants) = wants.get(*place) {
                ready.take(*place, &wants.key);
            }
        }
        ready.refused = refused;
        for place in &chosen {
            edge.extend(graph.done(*place).into_iter().map(|it| (it, Some(*place))));
        }
    }
    let stuck = left.into_iter().filter_map(|it| tasks.get(it)).filter(|it| !it.holds);
    all.stuck = stuck.map(|it| it.spec.id.clone()).collect();
    all
}

fn depends_in_words(spec: Option<&TaskSpec>, on: Option<TaskId>) -> String {
    let on = on.map(|it| it.to_string()).unwrap_or_default();
    let named = spec.and_then(|it| it.depends.as_ref());
    match named {
        Some(all) if all.iter().any(|it| it.as_str() == on) => format!("{on} must be done first, by Depends"),
        Some(_) => format!("the checkpoint behind {on} must hold first"),
        None => format!("{on} stands above, and the order of the file decides without Depends"),
    }
}

/// Tasks whose phase is the heading that they stand under; what holds others waits for them.
fn ordered(item: &LaidItem, tasks: &[&LaidTask]) -> Vec<TaskSpec> {
    let mut parts: HashMap<&TaskId, Vec<&TaskId>> = HashMap::new();
    for task in &item.tasks {
        if let Some(parent) = &task.parent {
            parts.entry(parent).or_default().push(&task.spec.id);
        }
    }
    let mut step = 0;
    let mut before = None;
    tasks
        .iter()
        .map(|task| {
            let here = (task.spec.phase, task.group.as_ref());
            if before.is_some_and(|it| it != here) {
                step += 1;
            }
            before = Some(here);
            let mut spec = task.spec.clone();
            spec.phase = Some(step);
            if task.holds {
                // What only holds others is done with them, and keeps nobody up who does not name it.
                let parts = parts.get(&spec.id).map(|it| it.iter().copied().cloned().collect());
                (spec.depends, spec.optional) = (Some(parts.unwrap_or_default()), true);
            }
            spec
        })
        .collect()
}

/// The headings that tasks stand under, with the checkpoints of their phases.
fn steps(item: &LaidItem, tasks: &[&LaidTask]) -> Vec<Phase> {
    let mut steps: Vec<Phase> = Vec::new();
    let mut before = None;
    for task in tasks {
        let here = (task.spec.phase, task.group.as_ref());
        if before != Some(here) {
            let phase = task.spec.phase.and_then(|it| item.phases.get(it));
            steps.push(phase.map(|it| it.phase.clone()).unwrap_or_default());
            before = Some(here);
        }
    }
    steps
}

/// What a task takes.
#[derive(Debug)]
struct Wants {
    /// Equal for tasks that want the same files: of those one runs at a time.
    key: String,
    /// Why it runs alone, if it does.
    alone: Option<String>,
    globs: Vec<(String, Parts, Vec<String>)>,
    /// Of each resource its name, how much of it, and how much there is.
    uses: Vec<(String, u32, u32)>,
}

impl Wants {
    fn of(spec: &TaskSpec, hot: &Globs, declared: &BTreeMap<String, u32>) -> Self {
        let include = spec.files.as_ref().map(|it| it.include.as_slice()).unwrap_or_default();
        let alone = match include.iter().find(|it| hot.matches(it)) {
            Some(path) => Some(format!("{path} is a hot file, and whoever names one runs alone")),
            None if include.is_empty() => {
                Some(format!("what {} may write is not known, so it runs alone", spec.id))
            }
            None => None,
        };
        let uses =
            resources::needs(spec, declared).into_iter().map(|it| (it.name.to_owned(), it.count, it.of));
        let uses: Vec<(String, u32, u32)> = uses.collect();
        let key = if alone.is_some() { String::new() } else { format!("{}\0{uses:?}", include.join("\n")) };
        let globs = include.iter().map(|it| {
            let parts = Parts::of(it);
            let heads = parts.heads().collect();
            (it.clone(), parts, heads)
        });
        Self { key, alone, globs: globs.collect(), uses }
    }
}

/// Why one did not come into a wave.
#[derive(Debug, Clone)]
struct No {
    because: Because,
    on: Option<usize>,
    says: String,
}

/// Tasks that wait for nothing but room, by what they want.
#[derive(Debug, Default)]
struct Ready {
    by_key: HashMap<String, BTreeSet<usize>>,
    /// Of each key why its first did not come into the wave before, or why none behind it could.
    refused: HashMap<String, No>,
}

impl Ready {
    fn add(&mut self, place: usize, key: &str) {
        self.by_key.entry(key.to_owned()).or_default().insert(place);
    }

    fn take(&mut self, place: usize, key: &str) {
        if let Some(all) = self.by_key.get_mut(key) {
            all.remove(&place);
            if all.is_empty() {
                self.by_key.remove(key);
            }
        }
    }
}

/// The next wave: in file order whoever fits beside those before.
fn choose(ready: &Ready, wants: &[Wants], limits: &Limits) -> (Vec<usize>, HashMap<String, No>) {
    let mut firsts: Vec<usize> = ready.by_key.values().filter_map(|it| it.first().copied()).collect();
    firsts.sort_unstable();
    let mut taken = Taken::default();
    let mut refused = HashMap::new();
    for place in firsts {
        let Some(want) = wants.get(place) else { continue };
        match taken.no(want, wants, limits) {
            Some(no) => drop(refused.insert(want.key.clone(), no)),
            None => {
                // Whoever wants just the same waits for this one.
                let says = match (&want.alone, want.globs.first()) {
                    (Some(alone), _) => alone.clone(),
                    (None, Some((glob, ..))) => format!("both may write {glob}"),
                    (None, None) => String::new(),
                };
                refused.insert(want.key.clone(), No { because: Because::Scope, on: Some(place), says });
                taken.add(place, want);
            }
        }
    }
    (taken.places, refused)
}

/// What the tasks of a wave take together.
#[derive(Debug, Default)]
struct Taken {
    places: Vec<usize>,
    alone: bool,
    /// Globs by their fixed beginning, and by every folder above that.
    at: HashMap<String, Vec<(usize, usize)>>,
    below: HashMap<String, Vec<(usize, usize)>>,
    uses: HashMap<String, (u32, usize)>,
}

impl Taken {
    fn no(&self, want: &Wants, wants: &[Wants], limits: &Limits) -> Option<No> {
        let first = *self.places.first()?;
        if let Some(slots) = limits.slots.filter(|it| self.places.len() >= *it) {
            let says = format!("there are {slots} slots, and all are taken");
            return Some(No { because: Because::Slot, on: None, says });
        }
        if self.alone || want.alone.is_some() {
            let of = wants.get(first).and_then(|it| it.alone.clone());
            let says = want.alone.clone().or(of).unwrap_or_default();
            return Some(No { because: Because::Scope, on: Some(first), says });
        }
        for (name, count, of) in &want.uses {
            if let Some((_, by)) = self.uses.get(name).filter(|(taken, _)| taken.saturating_add(*count) > *of)
            {
                let says = format!("{name} is taken, and there is no more than {of} of it");
                return Some(No { because: Because::Resource, on: Some(*by), says });
            }
        }
        for (glob, parts, heads) in &want.globs {
            let above = heads.iter().filter_map(|it| self.at.get(it));
            let below = heads.first().and_then(|it| self.below.get(it));
            for (by, number) in above.chain(below).flatten() {
                let Some((theirs, other, _)) = wants.get(*by).and_then(|it| it.globs.get(*number)) else {
                    continue;
                };
                if parts.may_meet(other) {
                    let says = if glob == theirs {
                        format!("both may write {glob}")
                    } else {
                        format!("{glob} may meet {theirs}")
                    };
                    return Some(No { because: Because::Scope, on: Some(*by), says });
                }
            }
        }
        None
    }

    fn add(&mut self, place: usize, want: &Wants) {
        self.places.push(place);
        self.alone |= want.alone.is_some();
        for (number, (_, _, heads)) in want.globs.iter().enumerate() {
            if let Some(own) = heads.first() {
                self.at.entry(own.clone()).or_default().push((place, number));
            }
            for head in heads {
                self.below.entry(head.clone()).or_default().push((place, number));
            }
        }
        for (name, count, _) in &want.uses {
            let taken = self.uses.entry(name.clone()).or_insert((0, place));
            *taken = (taken.0.saturating_add(*count), place);
        }
    }
}
