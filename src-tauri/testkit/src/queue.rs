//! A day of a merge queue, simulated: pull requests that come in, some that are bad, some whose texts clash, some that break each
//! other, checks that take their time and now and then fail for no reason. Three ways to land them: the engine's own policy
//! (`policy::queue`), one by one, and plain batches that are halved when they fail.
//!
//! Time is counted in checks: one takes about 1. What must hold of the engine's policy is watched at every step.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use pilothouse_engine::policy::queue::{Candidate, Checks, Entry, Queue, Refusal, Step, plan};

/// A check takes about 1; the logarithm of it wavers so much.
const WAVERS: f64 = 0.2;
/// A queue that takes more looks than this for each pull request will never end.
const LOOKS: usize = 400;

/// A way to land what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The engine's own policy.
    Ours,
    /// Each by itself on the default branch, one after the other.
    OneByOne,
    /// As many as wait, up to so many, in one check; where it fails, halved.
    Batches(usize),
}

/// What kind of day it is.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    /// So many pull requests come in.
    pub pulls: usize,
    /// Over so long; 0 is all at once.
    pub over: f64,
    /// So many of one are bad by themselves.
    pub bad: f64,
    /// So many clash with the text of one that came shortly before.
    pub clash: f64,
    /// So many of all pairs break each other, though each holds by itself.
    pub pair: f64,
    /// So many checks fail for no reason.
    pub flake: f64,
    /// So many checks of the engine's queue may run at once; the other two ways run one.
    pub parallel: usize,
    /// The largest batch of the engine's queue.
    pub batch: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Came {
    /// When the last one had landed or was refused.
    pub until: f64,
    /// Checks that were begun.
    pub checks: u32,
    /// Those that landed.
    pub landed: usize,
    /// Those that were refused for their checks.
    pub refused: usize,
    /// Of those, the ones that were not bad by themselves.
    pub wronged: usize,
    /// Those that clashed with the default branch.
    pub clashed: usize,
    /// What may not be and was.
    pub faults: Vec<String>,
}

type Tree = BTreeSet<usize>;

struct World {
    rng: Rng,
    day: Day,
    comes: Vec<f64>,
    bad: Vec<bool>,
    clash: Vec<Option<usize>>,
    pairs: BTreeSet<(usize, usize)>,
    main: Tree,
    came: Came,
}

impl World {
    fn new(day: Day, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut comes: Vec<f64> = (0..day.pulls).map(|_| rng.f64() * day.over).collect();
        comes.sort_by(f64::total_cmp);
        let bad = (0..day.pulls).map(|_| rng.f64() < day.bad).collect();
        let near = |n: usize, rng: &mut Rng| (n > 0).then(|| n - 1 - rng.usize(0..n.min(10)));
        let clash =
            (0..day.pulls).map(|n| if rng.f64() < day.clash { near(n, &mut rng) } else { None }).collect();
        let mut pairs = BTreeSet::new();
        if day.pair > 0.0 {
            for b in 0..day.pulls {
                pairs.extend((0..b).filter(|_| rng.f64() < day.pair).map(|a| (a, b)));
            }
        }
        Self { rng, day, comes, bad, clash, pairs, main: Tree::new(), came: Came::default() }
    }

    fn clashes(&self, pull: usize, tree: &Tree) -> bool {
        self.clash.get(pull).copied().flatten().is_some_and(|it| tree.contains(&it))
            || tree.iter().any(|it| self.clash.get(*it).copied().flatten() == Some(pull))
    }

    fn is_good(&self, tree: &Tree) -> bool {
        !tree.iter().any(|it| self.bad.get(*it).copied().unwrap_or(true))
            && !self.pairs.iter().any(|(a, b)| tree.contains(a) && tree.contains(b))
    }

    /// A check of a tree: whether it passes, and how long it takes.
    fn check(&mut self, tree: &Tree) -> (bool, f64) {
        self.came.checks += 1;
        let flakes = self.rng.f64() < self.day.flake;
        let (a, b) = (self.rng.f64().max(1e-12), self.rng.f64());
        let wavers = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos() * WAVERS;
        (self.is_good(tree) && !flakes, wavers.exp())
    }

    fn with(&self, pulls: &[usize]) -> Tree {
        self.main.iter().chain(pulls).copied().collect()
    }

    fn land(&mut self, pulls: &[usize]) {
        self.main.extend(pulls);
        self.came.landed += pulls.len();
    }

    fn refuse(&mut self, pull: usize) {
        self.came.refused += 1;
        self.came.wronged += usize::from(self.bad.get(pull) == Some(&false));
    }

    /// One by itself, once more if it fails. Returns how long that took.
    fn single(&mut self, pull: usize) -> f64 {
        let tree = self.with(&[pull]);
        let (mut passed, mut took) = self.check(&tree);
        if !passed {
            let again = self.check(&tree);
            passed = again.0;
            took += again.1;
        }
        if passed {
            self.land(&[pull])
        } else {
            self.refuse(pull)
        }
        took
    }

    fn one_by_one(&mut self) {
        for pull in 0..self.day.pulls {
            self.came.until = self.came.until.max(self.comes.get(pull).copied().unwrap_or_default());
            if self.clashes(pull, &self.main) {
                self.came.clashed += 1;
            } else {
                self.came.until += self.single(pull);
            }
        }
    }

    fn batches(&mut self, most: usize) {
        let mut waiting: Vec<usize> = (0..self.day.pulls).collect();
        while let Some(first) = waiting.first() {
            self.came.until = self.came.until.max(self.comes.get(*first).copied().unwrap_or_default());
            let mut batch = Vec::new();
            let mut left = Vec::new();
            for pull in std::mem::take(&mut waiting) {
                let is_here = self.comes.get(pull).is_some_and(|it| *it <= self.came.until);
                if is_here && self.clashes(pull, &self.main) {
                    self.came.clashed += 1;
                } else if is_here && batch.len() < most && !self.clashes(pull, &self.with(&batch)) {
                    batch.push(pull);
                } else {
                    left.push(pull);
                }
            }
            waiting = left;
            let mut parts = vec![batch];
            while let Some(part) = parts.pop() {
                match part.as_slice() {
                    [] => {}
                    [one] => self.came.until += self.single(*one),
                    all => {
                        let (passed, took) = self.check(&self.with(all));
                        self.came.until += took;
                        if passed {
                            self.land(all);
                        } else {
                            let (left, right) = all.split_at(all.len() / 2);
                            parts.extend([right.to_vec(), left.to_vec()]);
                        }
                    }
                }
            }
        }
    }
}

/// The engine's policy at work in the world.
struct Ours {
    world: World,
    queue: Queue<usize, usize>,
    /// What each commit holds, by its number.
    commits: Vec<Tree>,
    /// Checks under way: whose, of which commit, whether it will pass; by when they end.
    running: Vec<(f64, usize, usize, bool)>,
    passed: BTreeSet<Tree>,
    /// So often each commit failed, by itself.
    failed: BTreeMap<usize, u32>,
    now: f64,
}

impl Ours {
    fn new(world: World) -> Self {
        let queue = Queue {
            main: 0,
            entries: Vec::new(),
            results: Vec::new(),
            parallel: world.day.parallel,
            batch: world.day.batch,
            tries: 2,
            landing: false,
        };
        let (passed, commits) = (BTreeSet::from([Tree::new()]), vec![Tree::new()]);
        Self { world, queue, commits, running: Vec::new(), passed, failed: BTreeMap::new(), now: 0.0 }
    }

    fn tree(&self, commit: usize) -> Tree {
        self.commits.get(commit).cloned().unwrap_or_default()
    }

    fn fault(&mut self, says: String) {
        self.world.came.faults.push(says);
    }

    fn run(mut self) -> Came {
        let mut next = 0;
        for _ in 0..(self.world.day.pulls + 1) * LOOKS {
            while self.act() {}
            self.running.sort_by(|a, b| b.0.total_cmp(&a.0));
            let comes = self.world.comes.get(next).copied();
            let ends = self.running.last().map(|it| it.0);
            match (comes, ends) {
                (Some(comes), ends) if ends.is_none_or(|it| comes <= it) => {
                    self.now = comes;
                    self.queue.entries.push(Entry {
                        key: next,
                        candidate: None,
                        making: None,
                        clash: None,
                        checks: Checks::default(),
                    });
                    next += 1;
                }
                (_, Some(ends)) => {
                    self.now = ends;
                    if let Some((_, key, commit, passes)) = self.running.pop() {
                        self.ended(key, commit, passes);
                    }
                }
                _ => break,
            }
        }
        let ended = self.world.came.landed + self.world.came.refused + self.world.came.clashed;
        if ended != self.world.day.pulls {
            let left: Vec<_> = self.queue.entries.iter().take(3).collect();
            let says = format!("it stands still with {} of {}: {left:?}", ended, self.world.day.pulls);
            self.fault(says);
        }
        self.world.came
    }

    fn ended(&mut self, key: usize, commit: usize, passes: bool) {
        if passes {
            self.passed.insert(self.tree(commit));
        } else {
            *self.failed.entry(commit).or_default() += 1;
        }
        let Some(entry) = self.queue.entries.iter_mut().find(|it| it.key == key) else { return };
        entry.checks.running = false;
        entry.checks.passed |= passes;
        entry.checks.failed += u32::from(!passes);
    }

    /// Does what the policy says. Returns whether there was anything.
    fn act(&mut self) -> bool {
        let steps = plan(&self.queue);
        if steps != plan(&self.queue) {
            self.fault("the same state has two answers".to_owned());
        }
        let any = !steps.is_empty();
        for step in steps {
            match step {
                Step::GiveUp(key) => {
                    self.running.retain(|it| it.1 != key);
                    if let Some(entry) = self.queue.entries.iter_mut().find(|it| it.key == key) {
                        entry.checks.running = false;
                    }
                }
                Step::Make(key, onto) => self.make(key, onto),
                Step::Check(key) => self.begin(key),
                Step::Land(key) => self.land(key),
                Step::Refuse(key, why) => self.refuse(key, why),
            }
        }
        any
    }

    fn make(&mut self, key: usize, onto: usize) {
        let mut tree = self.tree(onto);
        let clashes = self.world.clashes(key, &tree);
        tree.insert(key);
        let commit = self.commits.len();
        let Some(entry) = self.queue.entries.iter_mut().find(|it| it.key == key) else { return };
        if clashes {
            entry.clash = Some(onto);
            return;
        }
        entry.candidate = Some(Candidate { onto, commit });
        // The same tree as one that passed passes.
        entry.checks = Checks { passed: self.passed.contains(&tree), ..Checks::default() };
        self.commits.push(tree);
    }

    fn begin(&mut self, key: usize) {
        let Some(entry) = self.queue.entries.iter_mut().find(|it| it.key == key) else { return };
        let Some(commit) = entry.candidate.as_ref().map(|it| it.commit) else { return };
        entry.checks.running = true;
        let tree = self.tree(commit);
        if self.passed.contains(&tree) {
            self.ended(key, commit, true);
            return;
        }
        let (passes, took) = self.world.check(&tree);
        self.running.push((self.now + took, key, commit, passes));
        if self.running.len() > self.queue.parallel {
            self.fault(format!("{} checks run at once", self.running.len()));
        }
    }

    fn candidate(&self, key: usize) -> Option<Candidate<usize>> {
        self.queue.entries.iter().find(|it| it.key == key)?.candidate.clone()
    }

    fn land(&mut self, key: usize) {
        let Some(candidate) = self.candidate(key) else { return };
        let (tree, main) = (self.tree(candidate.commit), self.tree(self.queue.main));
        if !self.passed.contains(&tree) {
            self.fault(format!("{key} lands a tree that did not pass"));
        }
        if !tree.is_superset(&main) {
            self.fault(format!("{key} takes back what has landed"));
        }
        let lands: Vec<usize> = tree.difference(&main).copied().collect();
        if lands.iter().any(|it| !self.queue.entries.iter().any(|entry| entry.key == *it)) {
            self.fault(format!("with {key} lands what is not in the queue: {lands:?}"));
        }
        self.world.land(&lands);
        self.world.came.until = self.now;
        self.queue.main = candidate.commit;
        self.queue.results.extend(lands.iter().map(|_| true));
        self.leave(&lands);
    }

    fn refuse(&mut self, key: usize, why: Refusal) {
        let (main, candidate) = (self.tree(self.queue.main), self.candidate(key));
        match why {
            Refusal::Clash if !self.world.clashes(key, &main) => {
                self.fault(format!("{key} does not clash with the default branch"));
            }
            Refusal::Clash => self.world.came.clashed += 1,
            Refusal::Checks => {
                let failed = candidate.as_ref().and_then(|it| self.failed.get(&it.commit)).copied();
                let below = candidate.map(|it| self.tree(it.onto)).unwrap_or_default();
                if failed.is_none_or(|it| it < 2) || !self.passed.contains(&below) {
                    self.fault(format!("{key} is refused with others below it of which nobody knows"));
                }
                self.queue.results.push(false);
                self.world.refuse(key);
            }
        }
        self.world.came.until = self.now;
        self.leave(&[key]);
    }

    fn leave(&mut self, keys: &[usize]) {
        if self.running.iter().any(|it| keys.contains(&it.1)) {
            // Those that land are given up in the same answer, behind the landing.
            self.running.retain(|it| !keys.contains(&it.1));
        }
        self.queue.entries.retain(|it| !keys.contains(&it.key));
    }
}

/// Lives through a day.
#[must_use]
pub fn live(way: Way, day: Day, seed: u64) -> Came {
    let mut world = World::new(day, seed);
    match way {
        Way::Ours => return Ours::new(world).run(),
        Way::OneByOne => world.one_by_one(),
        Way::Batches(most) => world.batches(most),
    }
    world.came
}
