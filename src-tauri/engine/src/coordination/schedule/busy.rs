//! Tasks that are being worked, so that the first one in somebody's way is found without asking each.

use std::collections::{BTreeSet, HashMap};

use pilothouse_contract::run::Policy;
use pilothouse_contract::spec::TaskSpec;

use super::take;
use crate::policy::scope::{Globs, Parts};
use crate::policy::tiers;

/// What is worked out of a task once.
#[derive(Debug)]
pub(super) struct Facts {
    globs: Vec<Parts>,
    /// How many attempts it takes at once.
    places: u32,
    /// Nobody may run beside it: its scope is not known, or it names a hot file.
    alone: bool,
}

impl Facts {
    pub(super) fn of(task: &TaskSpec, hot: &Globs, policy: &Policy) -> Self {
        let paths = || task.files.iter().flat_map(|it| &it.include);
        Self {
            places: tiers::places(task, policy),
            globs: paths().map(|it| Parts::of(it)).collect(),
            alone: task.files.is_none() || paths().any(|it| hot.matches(it)),
        }
    }
}

/// By their places in the file.
#[derive(Debug, Default)]
pub(super) struct Busy {
    all: BTreeSet<usize>,
    places: u32,
    alone: BTreeSet<usize>,
    /// Whose glob, and which of them: by its fixed beginning, and by each folder above that. Two globs can meet only if the
    /// beginning of one lies in the other's, or is the same.
    at: HashMap<String, BTreeSet<(usize, usize)>>,
    below: HashMap<String, BTreeSet<(usize, usize)>>,
}

impl Busy {
    /// How many attempts they are.
    pub(super) fn count(&self) -> u32 {
        self.places
    }

    pub(super) fn add(&mut self, facts: &[Facts], place: usize) {
        let Some(task) = facts.get(place) else { return };
        if !self.all.insert(place) {
            return;
        }
        self.places += task.places;
        if task.alone {
            self.alone.insert(place);
        }
        for (n, glob) in task.globs.iter().enumerate() {
            let mut heads = glob.heads();
            self.at.entry(heads.next().unwrap_or_default()).or_default().insert((place, n));
            for head in heads {
                self.below.entry(head).or_default().insert((place, n));
            }
        }
    }

    pub(super) fn remove(&mut self, facts: &[Facts], place: usize) {
        let Some(task) = facts.get(place) else { return };
        if !self.all.remove(&place) {
            return;
        }
        self.places -= task.places;
        self.alone.remove(&place);
        for (n, glob) in task.globs.iter().enumerate() {
            let mut heads = glob.heads();
            take(&mut self.at, heads.next().unwrap_or_default().as_str(), &(place, n));
            for head in heads {
                take(&mut self.below, head.as_str(), &(place, n));
            }
        }
    }

    /// The first in the file of those that keep a task from running, if any does.
    pub(super) fn in_the_way(&self, facts: &[Facts], place: usize) -> Option<usize> {
        let task = facts.get(place)?;
        let mut first = if task.alone { self.all.first() } else { self.alone.first() }.copied();
        let mut see = |n: Option<usize>| first = [first, n].into_iter().flatten().min();
        for glob in &task.globs {
            let meets = |(place, n): &&(usize, usize)| {
                facts.get(*place).and_then(|it| it.globs.get(*n)).is_some_and(|it| it.may_meet(glob))
            };
            let mut find = |among: Option<&BTreeSet<(usize, usize)>>| {
                see(among.and_then(|it| it.iter().find(meets)).map(|(place, _)| *place));
            };
            let mut beginning = true;
            for head in glob.heads() {
                if std::mem::take(&mut beginning) {
                    find(self.below.get(&head));
                }
                find(self.at.get(&head));
            }
        }
        first
    }
}
