//! Which tasks of a run may begin now, and why the others wait. Two tasks run at once only if both scopes are known
//! and cannot meet, neither touches a hot file, and they share no resource. Equal inputs give equal answers.

use std::collections::{BTreeSet, HashMap};

use pilothouse_contract::TaskId;
use pilothouse_contract::run::{Policy, Run, TaskRun, TaskState, Wait};
use pilothouse_contract::spec::TaskSpec;

use crate::policy::scope;
#[cfg(test)]
use crate::policy::specs;

/// Of the tasks that come first so many are named.
const NAMED: usize = 16;

/// The waiting tasks in file order, each with why it waits; those that are [`Wait::Ready`] may begin together.
#[must_use]
pub fn waits(run: &Run) -> Vec<(TaskId, Wait)> {
    let mut answers = Vec::new();
    let mut busy = Busy::of(run);
    let mut needs = Needs::of(run);
    for (place, task) in run.tasks.iter().enumerate() {
        if task.state == TaskState::Waiting {
            let wait = match needs.open(place) {
                0 => busy.in_the_way(&task.spec).unwrap_or_else(|| busy.slot()),
                open => needs.named(place, open),
            };
            if wait == Wait::Ready {
                busy.add(&task.spec);
            }
            answers.push((task.spec.id.clone(), wait));
        }
        needs.pass(place);
    }
    answers
}

/// The tasks that may begin together now: those that [`waits`] calls ready, found without looking why the others wait.
#[must_use]
pub fn ready(run: &Run) -> Vec<TaskId> {
    let mut answers = Vec::new();
    let mut busy = Busy::of(run);
    let mut needs = Needs::of(run);
    for (place, task) in run.tasks.iter().enumerate() {
        if busy.is_full() {
            break;
        }
        if task.state == TaskState::Waiting && needs.open(place) == 0 && busy.in_the_way(&task.spec).is_none()
        {
            busy.add(&task.spec);
            answers.push(task.spec.id.clone());
        }
        needs.pass(place);
    }
    answers
}

/// Why two tasks may not run at once; nothing if they may.
#[must_use]
pub fn clash(policy: &Policy, one: &TaskSpec, other: &TaskSpec) -> Option<String> {
    if let Some(why) = scope::overlap(one.files.as_ref(), other.files.as_ref()) {
        return Some(why);
    }
    let hot = |task: &TaskSpec| {
        let scope = task.files.as_ref()?;
        scope.include.iter().find(|it| scope::any_matches(&policy.hot, it)).cloned()
    };
    // A hot file is one that tools rewrite for reasons that no scope shows, so whoever names one runs alone. Two scopes
    // that are apart hold different files, so a folder that may have one inside is no reason.
    hot(one).or_else(|| hot(other)).map(|path| format!("{path} is a hot file"))
}

/// What each task waits for, in one walk through the file. What it says is what [`specs::needs`] says of one task.
struct Needs<'a> {
    run: &'a Run,
    /// Where tasks stand in the file, for those that name what they wait for.
    places: HashMap<&'a TaskId, usize>,
    /// Tasks that come before the present one, are not done and hold others up; and how many of them may run beside others of
    /// their phase.
    open: Vec<usize>,
    beside: HashMap<Option<usize>, usize>,
}

impl<'a> Needs<'a> {
    fn of(run: &'a Run) -> Self {
        let named = run.tasks.iter().any(|it| it.spec.depends.as_ref().is_some_and(|it| !it.is_empty()));
        let all = run.tasks.iter().enumerate().filter(|_| named);
        let places = all.map(|(place, it)| (&it.spec.id, place)).collect();
        Self { run, places, open: Vec::new(), beside: HashMap::new() }
    }

    fn task(&self, place: usize) -> Option<&'a TaskRun> {
        self.run.tasks.get(place)
    }

    /// How many tasks must be done before this one and are not.
    fn open(&self, place: usize) -> usize {
        let Some(task) = self.task(place) else { return 0 };
        if task.spec.depends.is_some() {
            return self.open_of_named(task).len();
        }
        let beside = if task.spec.parallel { self.beside.get(&task.spec.phase).copied() } else { None };
        self.open.len() - beside.unwrap_or_default()
    }

    fn open_of_named(&self, task: &TaskRun) -> BTreeSet<usize> {
        let named = task.spec.depends.iter().flatten().filter_map(|it| self.places.get(it).copied());
        named.filter(|it| self.task(*it).is_some_and(|it| !it.state.is_done())).collect()
    }

    /// The first of them by name.
    fn named(&self, place: usize, open: usize) -> Wait {
        let id = |place: usize| Some(self.task(place)?.spec.id.clone());
        let tasks: Vec<TaskId> = match self.task(place) {
            Some(task) if task.spec.depends.is_some() => {
                self.open_of_named(task).into_iter().filter_map(id).take(NAMED).collect()
            }
            Some(task) => {
                let holds = |it: &usize| {
                    self.task(*it).is_some_and(|it| {
                        it.spec.phase != task.spec.phase || !(it.spec.parallel && task.spec.parallel)
                    })
                };
                self.open.iter().copied().filter(holds).filter_map(id).take(NAMED).collect()
            }
            None => Vec::new(),
        };
        Wait::Dependency { more: u32::try_from(open - tasks.len()).unwrap_or(u32::MAX), tasks }
    }

    /// Goes past a task.
    fn pass(&mut self, place: usize) {
        if let Some(task) = self.task(place).filter(|it| !it.spec.optional && !it.state.is_done()) {
            self.open.push(place);
            if task.spec.parallel {
                *self.beside.entry(task.spec.phase).or_default() += 1;
            }
        }
    }
}

/// Tasks that are being worked, so that the first one in somebody's way is found without asking each.
struct Busy<'a> {
    policy: &'a Policy,
    hot: scope::Globs,
    tasks: Vec<&'a TaskSpec>,
    /// Which one is the first to write a path, or something below a folder.
    paths: HashMap<String, usize>,
    folders: HashMap<String, usize>,
    /// Patterns, each with whose it is.
    patterns: Vec<(scope::Parts, usize)>,
    uses: HashMap<&'a str, usize>,
    /// The first that nobody may run beside: its scope is not known, or it names a hot file.
    alone: Option<usize>,
}

impl<'a> Busy<'a> {
    fn of(run: &'a Run) -> Self {
        let mut busy = Self {
            policy: &run.policy,
            hot: scope::Globs::of(&run.policy.hot),
            tasks: Vec::new(),
            paths: HashMap::new(),
            folders: HashMap::new(),
            patterns: Vec::new(),
            uses: HashMap::new(),
            alone: None,
        };
        for task in run.tasks.iter().filter(|it| matches!(it.state, TaskState::Active { .. })) {
            busy.add(&task.spec);
        }
        busy
    }

    fn is_full(&self) -> bool {
        self.tasks.len() >= self.policy.slots as usize
    }

    fn slot(&self) -> Wait {
        if self.is_full() { Wait::Slot { slots: self.policy.slots } } else { Wait::Ready }
    }

    fn runs_alone(&self, task: &TaskSpec) -> bool {
        task.files.as_ref().is_none_or(|it| it.include.iter().any(|path| self.hot.matches(path)))
    }

    fn add(&mut self, task: &'a TaskSpec) {
        let n = self.tasks.len();
        if self.alone.is_none() && self.runs_alone(task) {
            self.alone = Some(n);
        }
        for glob in task.files.iter().flat_map(|it| &it.include) {
            let parts = scope::Parts::of(glob);
            match parts.path() {
                Some(paths) => {
                    for (depth, path) in paths.into_iter().enumerate() {
                        let into = if depth == 0 { &mut self.paths } else { &mut self.folders };
                        into.entry(path).or_insert(n);
                    }
                }
                None => self.patterns.push((parts, n)),
            }
        }
        for name in &task.uses {
            self.uses.entry(name).or_insert(n);
        }
        self.tasks.push(task);
    }

    /// What of those keeps a task from running, if anything does.
    fn in_the_way(&self, task: &TaskSpec) -> Option<Wait> {
        let mut first = self.alone;
        let mut see = |n: Option<usize>| first = [first, n].into_iter().flatten().min();
        if self.runs_alone(task) {
            see((!self.tasks.is_empty()).then_some(0));
        }
        for glob in task.files.iter().flat_map(|it| &it.include) {
            let parts = scope::Parts::of(glob);
            see(self.patterns.iter().find(|(it, _)| it.may_meet(&parts)).map(|(_, n)| *n));
            match parts.path() {
                Some(paths) => {
                    // The same path, a folder of it, or something below it.
                    see(paths.first().and_then(|it| self.folders.get(it)).copied());
                    paths.iter().for_each(|it| see(self.paths.get(it).copied()));
                }
                None => {
                    let meets =
                        |it: &&TaskSpec| scope::overlap(task.files.as_ref(), it.files.as_ref()).is_some();
                    see(self.tasks.iter().position(meets));
                }
            }
        }
        task.uses.iter().for_each(|it| see(self.uses.get(it.as_str()).copied()));
        let other = self.tasks.get(first?)?;
        if let Some(why) = clash(self.policy, task, other) {
            return Some(Wait::Scope { with: other.id.clone(), why });
        }
        let name = task.uses.iter().find(|it| other.uses.contains(it))?;
        Some(Wait::Resource { name: name.clone(), with: other.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_contract::spec::{Scope, Verify};
    use pilothouse_contract::{At, AttemptId, ItemId, ProjectId, RefName, RunId, Who};
    use proptest::prelude::*;

    use crate::policy::workflow::{Workflow, built_in};

    fn policy(slots: u32) -> Policy {
        let workflow = Workflow::read(None, "").unwrap();
        Policy { slots, ..workflow.policy(built_in("rehearsal").unwrap()) }
    }

    fn run(tasks: Vec<TaskSpec>, slots: u32) -> Run {
        Run {
            id: RunId(1),
            project: ProjectId(1),
            item: ItemId(1),
            state: pilothouse_contract::run::RunState::Running,
            why: String::new(),
            policy: policy(slots),
            base: "0".into(),
            approved: "0".into(),
            settling: false,
            branch: RefName::branch("x"),
            head: None,
            tasks: tasks
                .into_iter()
                .map(|spec| TaskRun { spec, state: TaskState::Waiting, attempts: vec![], failures: 0 })
                .collect(),
            integrating: None,
            pull: None,
            by: Who::Engine,
            started: At(0),
            moved: At(0),
            touches: vec![],
        }
    }

    fn task(id: usize, phase: usize, files: Option<Vec<String>>) -> TaskSpec {
        TaskSpec {
            id: TaskId(format!("T{id:03}")),
            phase: Some(phase),
            files: files.map(|include| Scope { include, ..Scope::default() }),
            verify: Verify::Commands(vec!["true".to_owned()]),
            ..TaskSpec::default()
        }
    }

    fn ready(run: &Run) -> Vec<String> {
        super::ready(run).into_iter().map(|id| id.0).collect()
    }

    /// The same as [`waits`], by asking each task about each other one.
    fn one_by_one(run: &Run) -> Vec<(TaskId, Wait)> {
        let specs: Vec<&TaskSpec> = run.tasks.iter().map(|it| &it.spec).collect();
        let active = run.tasks.iter().filter(|it| matches!(it.state, TaskState::Active { .. }));
        let mut busy: Vec<&TaskSpec> = active.map(|it| &it.spec).collect();
        let mut answers = Vec::new();
        for (place, task) in run.tasks.iter().enumerate().filter(|(_, it)| it.state == TaskState::Waiting) {
            let needs = specs::needs(&specs, place);
            let open = run.tasks.iter().filter(|it| !it.state.is_done() && needs.contains(&it.spec.id));
            let open: Vec<TaskId> = open.map(|it| it.spec.id.clone()).collect();
            let clash_with = |other: &&TaskSpec| {
                if let Some(why) = clash(&run.policy, &task.spec, other) {
                    return Some(Wait::Scope { with: other.id.clone(), why });
                }
                let name = task.spec.uses.iter().find(|it| other.uses.contains(it))?;
                Some(Wait::Resource { name: name.clone(), with: other.id.clone() })
            };
            let wait = if !open.is_empty() {
                Wait::Dependency { more: 0, tasks: open }
            } else if let Some(wait) = busy.iter().find_map(clash_with) {
                wait
            } else if busy.len() >= run.policy.slots as usize {
                Wait::Slot { slots: run.policy.slots }
            } else {
                busy.push(&task.spec);
                Wait::Ready
            };
            answers.push((task.spec.id.clone(), wait));
        }
        answers
    }

    fn free(id: usize, files: &[&str]) -> TaskSpec {
        let files = files.iter().map(|it| (*it).to_owned()).collect();
        TaskSpec { depends: Some(vec![]), ..task(id, 0, Some(files)) }
    }

    #[test]
    fn known_and_disjoint_scopes_run_at_once_up_to_the_slots() {
        let tasks = vec![free(1, &["a"]), free(2, &["b"]), free(3, &["c"])];
        assert_eq!(ready(&run(tasks.clone(), 3)), ["T001", "T002", "T003"]);
        let two = run(tasks, 2);
        assert_eq!(ready(&two), ["T001", "T002"]);
        assert_eq!(waits(&two)[2].1, Wait::Slot { slots: 2 });
    }

    #[test]
    fn every_reason_to_wait_has_its_name() {
        let mut unknown = free(3, &[]);
        unknown.files = None;
        let mut db = free(4, &["d"]);
        db.uses = vec!["db".to_owned()];
        let mut db_too = free(5, &["e"]);
        db_too.uses = vec!["db".to_owned()];
        let mut after = free(6, &["f"]);
        after.depends = Some(vec!["T001".into()]);
        let run = run(
            vec![free(1, &["a/"]), free(2, &["a/x"]), unknown, db, db_too, after, free(7, &["Cargo.lock"])],
            9,
        );
        let said: Vec<String> = waits(&run).into_iter().map(|(id, wait)| format!("{id} {wait}")).collect();
        assert_eq!(
            said,
            [
                "T001 ready",
                "T002 waits for the scope of T001: a/x may meet a/",
                "T003 waits for the scope of T001: a scope is not known",
                "T004 ready",
                "T005 waits for db, which T004 has",
                "T006 waits for T001",
                "T007 waits for the scope of T001: Cargo.lock is a hot file",
            ]
        );
    }

    #[test]
    fn without_depends_the_file_decides() {
        let mut marked = task(2, 0, Some(vec!["b".to_owned()]));
        marked.parallel = true;
        let mut marked_too = task(3, 0, Some(vec!["c".to_owned()]));
        marked_too.parallel = true;
        let mut run = run(
            vec![
                task(1, 0, Some(vec!["a".to_owned()])),
                marked,
                marked_too,
                task(4, 1, Some(vec!["d".to_owned()])),
            ],
            9,
        );
        assert_eq!(ready(&run), ["T001"]);
        run.tasks[0].state = TaskState::DoneBefore;
        assert_eq!(ready(&run), ["T002", "T003"]);
        run.tasks[1].state = TaskState::DoneBefore;
        run.tasks[2].state = TaskState::DoneBefore;
        assert_eq!(ready(&run), ["T004"]);
    }

    proptest! {
        /// Over random scopes, dependencies and orders of completion: no two tasks that may write the same path, or
        /// whose scope is not known, are ever active at once; and every task gets its turn.
        #[test]
        fn tasks_that_may_meet_never_run_at_once(
            specs in proptest::collection::vec(
                (
                    proptest::option::weighted(0.8, proptest::collection::vec("(src/)?[ab*]{1,2}(/[ab*]{1,2})?(/\\*\\*)?", 1..3)),
                    proptest::collection::vec(0_usize..12, 0..3),
                    any::<bool>(),
                    0_usize..3,
                    (proptest::bool::weighted(0.2), proptest::bool::weighted(0.1)),
                ),
                1..12,
            ),
            slots in 1_u32..5,
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 64),
        ) {
            let mut specs: Vec<TaskSpec> = specs.into_iter().enumerate().map(|(n, (files, needs, open, phase, (uses, optional)))| {
                let mut spec = task(n, phase, files);
                spec.parallel = open;
                spec.optional = optional;
                spec.uses = uses.then(|| "db".to_owned()).into_iter().collect();
                // Only backwards, so that there is no circle.
                spec.depends = (!needs.is_empty()).then(|| needs.into_iter().filter(|it| *it < n).map(|it| TaskId(format!("T{it:03}"))).collect());
                spec
            }).collect();
            specs.sort_by_key(|spec| spec.phase);
            // The order of the file and a `Depends` against it can make a circle; such a file may not be run.
            let refs: Vec<&TaskSpec> = specs.iter().collect();
            let needs: Vec<Vec<TaskId>> = (0..refs.len()).map(|place| specs::needs(&refs, place)).collect();
            let mut free: BTreeSet<TaskId> = BTreeSet::new();
            for _ in 0..refs.len() {
                free.extend((0..refs.len()).filter(|n| needs[*n].iter().all(|it| free.contains(it))).map(|n| refs[n].id.clone()).collect::<Vec<_>>());
            }
            prop_assume!(free.len() == refs.len());
            let mut run = run(specs, slots);
            run.policy.hot = vec!["ab/**".to_owned(), "src/b*".to_owned()];
            let mut done = 0;
            for pick in picks {
                let slowly = one_by_one(&run);
                prop_assert_eq!(&waits(&run), &slowly);
                let begin: Vec<String> = ready(&run);
                let may: Vec<String> = slowly.into_iter().filter(|it| it.1 == Wait::Ready).map(|it| it.0.0).collect();
                prop_assert_eq!(&begin, &may);
                for it in &mut run.tasks {
                    if begin.contains(&it.spec.id.0) {
                        it.state = TaskState::Active { attempt: AttemptId(1) };
                    }
                }
                let active: Vec<usize> = (0..run.tasks.len()).filter(|n| matches!(run.tasks[*n].state, TaskState::Active { .. })).collect();
                prop_assert!(active.len() <= slots as usize);
                for (n, a) in active.iter().enumerate() {
                    for b in &active[n + 1..] {
                        let (a, b) = (&run.tasks[*a].spec, &run.tasks[*b].spec);
                        prop_assert!(a.files.is_some() && b.files.is_some(), "{} beside {}", a.id, b.id);
                        for path in ["a", "b", "src/a", "src/b", "a/a", "a/b", "src/a/b", "src/ab/a/b"] {
                            let both = scope::allows(a.files.as_ref().unwrap(), path) && scope::allows(b.files.as_ref().unwrap(), path);
                            prop_assert!(!both, "{} and {} may both write {path}", a.id, b.id);
                        }
                    }
                }
                if active.is_empty() {
                    break;
                }
                run.tasks[*pick.get(&active)].state = TaskState::DoneBefore;
                done += 1;
            }
            if done < 64 {
                prop_assert!(run.tasks.iter().all(|it| it.state.is_done()), "left over: {:?}", waits(&run));
            }
        }
    }
}
