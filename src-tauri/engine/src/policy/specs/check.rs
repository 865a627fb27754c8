//! What can only be seen once a whole task file is read: ids twice, dependencies on nothing or in a circle, tasks without proof. And
//! what must come first where a file says nothing of it.
//!
//! Refuses to look at each pair of tasks: a file of thousands is checked in one pass.

use std::collections::HashMap;

use pilothouse_contract::TaskId;
use pilothouse_contract::spec::{Phase, Remark, TaskSpec, Verify};

use super::read::remark;
use crate::policy::scope;

/// Patterns that were looked at: many tasks have the same.
#[derive(Debug, Default)]
struct Patterns<'a>(HashMap<&'a str, Option<String>>);

impl<'a> Patterns<'a> {
    /// What is wrong with one.
    fn bad(&mut self, pattern: &'a str) -> Option<String> {
        let look = || regex::Regex::new(pattern).err().map(|it| it.to_string());
        self.0.entry(pattern).or_insert_with(look).clone()
    }
}

/// What can only be seen once the file is read: ids twice, dependencies on nothing or in a circle, tasks without proof.
pub(super) fn check(file: &str, phases: &[Phase], tasks: &[TaskSpec], remarks: &mut Vec<Remark>) {
    shape(file, tasks.iter(), remarks);
    proofs(file, tasks.iter(), remarks);
    if let Some(circle) = circle(tasks, phases) {
        let line = tasks.iter().rfind(|it| it.id == circle).map_or(0, |it| it.line);
        let says = format!(
            "{circle} waits for itself, by way of others: look at Depends and at the order of the phases"
        );
        remarks.push(remark(file, line, &says, true));
    }
    remarks.sort_by_key(|it| it.line);
}

/// Ids that stand twice, and dependencies on nothing.
pub(in crate::policy) fn shape<'a>(
    file: &str,
    tasks: impl Iterator<Item = &'a TaskSpec> + Clone,
    remarks: &mut Vec<Remark>,
) {
    let mut lines: HashMap<&TaskId, usize> = HashMap::new();
    for task in tasks.clone() {
        if let Some(first) = lines.insert(&task.id, task.line) {
            let says =
                format!("{} stands here and in line {first}: ids are unique and never given twice", task.id);
            remarks.push(remark(file, task.line, &says, true));
        }
    }
    for task in tasks {
        for needed in task.depends.iter().flatten().filter(|it| !lines.contains_key(it)) {
            let says = format!("{} depends on {needed}, which is no task of this file", task.id);
            remarks.push(remark(file, task.line, &says, true));
        }
    }
}

/// Open tasks without a proof, or with a scope or an expectation that is none.
pub(in crate::policy) fn proofs<'a>(
    file: &str,
    tasks: impl Iterator<Item = &'a TaskSpec>,
    remarks: &mut Vec<Remark>,
) {
    let mut patterns = Patterns::default();
    let mut say = |task: &TaskSpec, says: String, blocking: bool| {
        remarks.push(remark(file, task.line, &says, blocking));
    };
    for task in tasks.filter(|it| !it.done && !it.optional) {
        match &task.verify {
            Verify::Unsaid => say(
                task,
                format!("{} has no Verify: add '  - Verify: `command`', the proof that it is done", task.id),
                true,
            ),
            Verify::Manual(_) | Verify::Human(_) => say(
                task,
                format!("{} is verified by hand: the run will park there for a person", task.id),
                false,
            ),
            Verify::Commands(_) => {}
        }
        if task.files.as_ref().is_some_and(|scope| scope.include.is_empty()) {
            let says = format!(
                "{}: Files names no path that it may write: write paths or globs between backticks, as in 'Files: \
                 `src/csv.rs`', or delete the line if they are not known",
                task.id
            );
            say(task, says, true);
        }
        let globs = task.files.iter().flat_map(|it| it.include.iter().chain(&it.exclude));
        if let Some(bad) = globs.filter_map(|it| scope::bad(it)).next() {
            say(task, format!("{}: {bad}", task.id), true);
        }
        if let Some(bad) = task.expect.as_ref().and_then(|it| patterns.bad(it)) {
            say(task, format!("{}: Expect is no regular expression: {bad}", task.id), true);
        }
    }
}

/// Whether a task must be done before a later one that says nothing of `Depends`: earlier phases first, and within a phase
/// what stands above, but tasks marked parallel do not wait for each other. Optional tasks never hold others up.
#[must_use]
pub fn holds_up(earlier: &TaskSpec, later: &TaskSpec) -> bool {
    !earlier.optional && (earlier.phase != later.phase || !(earlier.parallel && later.parallel))
}

/// The tasks that must be done before the one at a place. Where `Depends` says nothing, the file decides: see [`holds_up`].
#[must_use]
pub fn needs(tasks: &[&TaskSpec], place: usize) -> Vec<TaskId> {
    let Some(task) = tasks.get(place) else { return Vec::new() };
    if let Some(named) = &task.depends {
        return named.clone();
    }
    tasks.iter().take(place).filter(|it| holds_up(it, task)).map(|it| it.id.clone()).collect()
}

/// Of the phases that have a checkpoint those whose checkpoint must hold before a task begins: those of the tasks that it names
/// under `Depends`, or else all before its own. Its own phase is never one of them.
pub fn gates(task: &TaskSpec, checked: &[usize], phase_of: impl Fn(&TaskId) -> Option<usize>) -> Vec<usize> {
    let comes_first = |phase: usize| match &task.depends {
        Some(named) => named.iter().any(|it| phase_of(it) == Some(phase)),
        None => task.phase.is_some_and(|own| phase < own),
    };
    checked.iter().copied().filter(|it| task.phase != Some(*it) && comes_first(*it)).collect()
}

/// A task that waits for itself, by way of others, if there is one.
pub(in crate::policy) fn circle(tasks: &[TaskSpec], phases: &[Phase]) -> Option<TaskId> {
    let graph = Graph::of(tasks, phases);
    graph.stuck().into_iter().filter_map(|it| tasks.get(it)).map(|it| it.id.clone()).min()
}

/// What must come before what: tasks, and between them points that many tasks lead to and many wait for, so that a file of thousands
/// has some edges for each and not one for each pair.
#[derive(Debug, Default)]
pub(in crate::policy) struct Graph {
    /// So many nodes are tasks, in file order; those behind are points.
    tasks: usize,
    /// Of each node, who waits for it.
    then: Vec<Vec<usize>>,
    /// Of each node, for how many it waits.
    waits: Vec<usize>,
}

impl Graph {
    /// Of tasks in file order. Where `Depends` says nothing, all that [`holds_up`] a task comes first; and the checkpoints that are
    /// its [`gates`].
    pub(in crate::policy) fn of(tasks: &[TaskSpec], phases: &[Phase]) -> Self {
        let count = tasks.len();
        let mut it = Self { tasks: count, then: vec![Vec::new(); count], waits: vec![0; count] };
        let places: HashMap<&TaskId, usize> =
            tasks.iter().enumerate().map(|(place, task)| (&task.id, place)).collect();
        let checked: Vec<usize> =
            phases.iter().enumerate().filter(|(_, it)| !it.checkpoint.is_empty()).map(|(n, _)| n).collect();
        let mut checkpoints: HashMap<usize, usize> = HashMap::new();
        for phase in &checked {
            checkpoints.insert(*phase, it.point());
        }
        // All above; all above that phase; and of the phase those that are not marked parallel.
        let mut above = it.point();
        let mut before = above;
        let mut alone = it.point();
        let mut phase = None;
        for (place, task) in tasks.iter().enumerate() {
            if place == 0 || task.phase != phase {
                phase = task.phase;
                before = above;
                alone = it.point();
            }
            match &task.depends {
                Some(named) => {
                    for other in named.iter().filter_map(|it| places.get(it)) {
                        it.edge(*other, place);
                    }
                    let of =
                        |id: &TaskId| places.get(id).and_then(|it| tasks.get(*it)).and_then(|it| it.phase);
                    for gate in gates(task, &checked, of) {
                        if let Some(point) = checkpoints.get(&gate) {
                            it.edge(*point, place);
                        }
                    }
                }
                None if task.parallel => {
                    it.edge(before, place);
                    it.edge(alone, place);
                }
                None => it.edge(above, place),
            }
            if !task.optional {
                above = it.next(above, place);
                if !task.parallel {
                    alone = it.next(alone, place);
                }
                if let Some(point) = task.phase.and_then(|it| checkpoints.get(&it)) {
                    it.edge(place, *point);
                }
            }
        }
        it
    }

    fn point(&mut self) -> usize {
        self.then.push(Vec::new());
        self.waits.push(0);
        self.then.len() - 1
    }

    /// A point behind another and a task.
    fn next(&mut self, point: usize, task: usize) -> usize {
        let next = self.point();
        self.edge(point, next);
        self.edge(task, next);
        next
    }

    fn edge(&mut self, from: usize, to: usize) {
        if let (Some(then), Some(waits)) = (self.then.get_mut(from), self.waits.get_mut(to)) {
            then.push(to);
            *waits += 1;
        }
    }

    /// Those that wait for nothing. Points among them are passed through.
    pub(in crate::policy) fn begin(&mut self) -> Vec<usize> {
        let free: Vec<usize> =
            self.waits.iter().enumerate().filter(|(_, it)| **it == 0).map(|(node, _)| node).collect();
        self.pass(free)
    }

    /// A task is done: those that waited for nothing else.
    pub(in crate::policy) fn done(&mut self, task: usize) -> Vec<usize> {
        let free = self.free(task);
        self.pass(free)
    }

    fn free(&mut self, node: usize) -> Vec<usize> {
        let then = self.then.get_mut(node).map(std::mem::take).unwrap_or_default();
        let waits = &mut self.waits;
        then.into_iter()
            .filter(|it| {
                let left = waits.get_mut(*it);
                left.is_some_and(|left| {
                    *left = left.saturating_sub(1);
                    *left == 0
                })
            })
            .collect()
    }

    fn pass(&mut self, mut edge: Vec<usize>) -> Vec<usize> {
        let mut tasks = Vec::new();
        while let Some(node) = edge.pop() {
            if node < self.tasks {
                tasks.push(node);
            } else {
                edge.extend(self.free(node));
            }
        }
        tasks.sort_unstable();
        tasks
    }

    /// Tasks that never begin, however many are done.
    pub(in crate::policy) fn stuck(mut self) -> Vec<usize> {
        let mut left = vec![true; self.tasks];
        let mut edge = self.begin();
        while let Some(task) = edge.pop() {
            if let Some(it) = left.get_mut(task) {
                *it = false;
            }
            edge.extend(self.done(task));
        }
        left.into_iter().enumerate().filter(|(_, it)| *it).map(|(task, _)| task).collect()
    }
}
