//! Which tasks wait for others that come first. What it says is what [`specs::needs`] says of one task.
//!
//! [`specs::needs`]: crate::policy::specs::needs

use std::collections::{BTreeSet, HashMap};

use pilothouse_contract::TaskId;
use pilothouse_contract::run::{Run, TaskRun, Wait};
use pilothouse_contract::spec::TaskSpec;

use super::{NAMED, take};
use crate::policy::specs::holds_up;

/// Tasks of one phase that may run beside each other have this in common; all that may not have it too.
type Kind = (bool, Option<usize>);

fn kind(task: &TaskSpec) -> Kind {
    if task.parallel { (true, task.phase) } else { (false, None) }
}

/// By their places in the file.
#[derive(Debug)]
pub(super) struct Needs {
    /// What tasks name that they wait for, and how much of it is not done; and who waits for each.
    names: HashMap<usize, (BTreeSet<usize>, usize)>,
    named_by: HashMap<usize, Vec<usize>>,
    /// Tasks that hold others up for where they stand in the file, and are not done.
    open: HashMap<Kind, BTreeSet<usize>>,
    /// Tasks that wait for such.
    waiting: HashMap<Kind, BTreeSet<usize>>,
}

impl Needs {
    pub(super) fn of(run: &Run) -> Self {
        let mut it = Self {
            names: HashMap::new(),
            named_by: HashMap::new(),
            open: HashMap::new(),
            waiting: HashMap::new(),
        };
        let names = run.tasks.iter().any(|it| it.spec.depends.as_ref().is_some_and(|it| !it.is_empty()));
        let all = run.tasks.iter().enumerate().filter(|_| names);
        let places: HashMap<&TaskId, usize> = all.map(|(place, it)| (&it.spec.id, place)).collect();
        for (place, task) in run.tasks.iter().enumerate() {
            if !task.state.is_done() && !task.spec.optional {
                it.open.entry(kind(&task.spec)).or_default().insert(place);
            }
            if let Some(depends) = &task.spec.depends {
                let first = depends.iter().filter_map(|it| places.get(it).copied());
                let open = |it: &usize| run.tasks.get(*it).is_some_and(|it| !it.state.is_done());
                let first: BTreeSet<usize> = first.filter(open).collect();
                for other in &first {
                    it.named_by.entry(*other).or_default().push(place);
                }
                let open = first.len();
                it.names.insert(place, (first, open));
            }
        }
        it
    }

    /// Whether all that must come first is done.
    pub(super) fn is_free(&self, place: usize, task: &TaskSpec) -> bool {
        match self.names.get(&place) {
            Some((_, open)) => *open == 0,
            None => self.first_but(kind(task)).is_none_or(|first| first >= place),
        }
    }

    /// The first that is open and holds up those of a kind.
    fn first_but(&self, (parallel, phase): Kind) -> Option<usize> {
        let holds = |kind: &Kind| !parallel || *kind != (true, phase);
        self.open.iter().filter(|(kind, _)| holds(kind)).filter_map(|(_, it)| it.first()).min().copied()
    }

    /// Takes note of one that waits and is not free.
    pub(super) fn wait(&mut self, place: usize, task: &TaskSpec) {
        if !self.names.contains_key(&place) {
            self.waiting.entry(kind(task)).or_default().insert(place);
        }
    }

    /// It does not wait any more.
    pub(super) fn leave(&mut self, place: usize, task: &TaskSpec) {
        take(&mut self.waiting, &kind(task), &place);
    }

    /// Takes note of one that is done. Those that named it and wait for nothing else now.
    pub(super) fn done(&mut self, place: usize, task: &TaskSpec) -> Vec<usize> {
        take(&mut self.open, &kind(task), &place);
        let mut free = Vec::new();
        for other in self.named_by.remove(&place).unwrap_or_default() {
            if let Some((_, open)) = self.names.get_mut(&other) {
                *open = open.saturating_sub(1);
                if *open == 0 {
                    free.push(other);
                }
            }
        }
        free
    }

    /// Takes out those that stand where nothing before them holds them up any more.
    pub(super) fn freed(&mut self) -> Vec<usize> {
        let mut free = Vec::new();
        let kinds: Vec<Kind> = self.waiting.keys().copied().collect();
        for kind in kinds {
            let first = self.first_but(kind);
            while let Some(place) = self.waiting.get(&kind).and_then(BTreeSet::first).copied()
                && first.is_none_or(|first| first >= place)
            {
                free.push(place);
                take(&mut self.waiting, &kind, &place);
            }
        }
        free
    }

    /// What one waits for, the first of it by name. `before` went past all that stand before it.
    pub(super) fn named(&self, run: &Run, place: usize, before: &Before) -> Wait {
        let Some(task) = run.tasks.get(place) else { return Wait::Ready };
        let open = |place: usize| run.tasks.get(place).filter(|it| !it.state.is_done()).map(|it| &it.spec);
        let id = |it: &TaskSpec| it.id.clone();
        let (tasks, all): (Vec<TaskId>, usize) = match self.names.get(&place) {
            Some((first, all)) => {
                (first.iter().filter_map(|it| open(*it)).map(id).take(NAMED).collect(), *all)
            }
            None => {
                let all = before.count(&task.spec);
                let holds = (0..place).filter_map(open).filter(|it| holds_up(it, &task.spec));
                (holds.map(id).take(all.min(NAMED)).collect(), all)
            }
        };
        Wait::Dependency { more: u32::try_from(all - tasks.len()).unwrap_or(u32::MAX), tasks }
    }
}

/// How many tasks that were gone past are open and hold others up.
#[derive(Debug, Default)]
pub(super) struct Before {
    all: usize,
    beside: HashMap<Option<usize>, usize>,
}

impl Before {
    /// Goes past a task.
    pub(super) fn pass(&mut self, task: &TaskRun) {
        if !task.spec.optional && !task.state.is_done() {
            self.all += 1;
            if task.spec.parallel {
                *self.beside.entry(task.spec.phase).or_default() += 1;
            }
        }
    }

    /// How many of them must be done before a task that names none.
    fn count(&self, task: &TaskSpec) -> usize {
        let beside = if task.parallel { self.beside.get(&task.phase).copied() } else { None };
        self.all - beside.unwrap_or_default()
    }
}
