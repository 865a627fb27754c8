//! Seeded simulation of the coordination layer: the real decisions over a made-up world, under a frozen clock, with
//! kills between any two effects. A seed is a whole run; the same seed is the same run.
//!
//! What is real: every decision, every record, the fold. What is made up: git, agents, checks - as objects that hold
//! sets of marks - and the person at the desk, who stops, ends, removes, brings back, mends specs and lets runs go on.

mod outcome;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use pilothouse_contract::attempt::{AttemptState, Failure};
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::item::ItemState;
use pilothouse_contract::project::Line;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::{Approval, Policy, Run, RunState, TaskState};
use pilothouse_contract::session::{Session, SessionKind};
use pilothouse_contract::spec::{Scope, Spec, TaskSpec, Verify};
use pilothouse_contract::{
    At, AttemptId, Event, Fleet, ItemId, ProjectId, Record, RefName, TaskId, Touched, Who,
};
use pilothouse_engine::coordination::{
    Effect, EffectKey, Input, ItemFound, PendingEffect, ProjectFacts, RunFacts, Schedules, decide, schedule,
};
use pilothouse_engine::policy::scope::Globs;
use pilothouse_engine::policy::workflow::{Workflow, built_in};

pub use outcome::{Breach, BreachKind, Outcome};
pub use world::World;

/// What is stored: only this survives a kill.
#[derive(Debug, Clone, Default)]
struct Journal {
    records: Vec<Record>,
    fleet: Fleet,
    pending: BTreeMap<EffectKey, PendingEffect>,
    next: u64,
}

struct Sim {
    rng: Rng,
    now: At,
    journal: Journal,
    world: World,
    schedules: Schedules,
    /// Effects performed in this life of the engine, whose outcome is not stored yet.
    in_hand: Vec<(PendingEffect, Input)>,
    out: Outcome,
    /// What the task files on the default branch say.
    specs: BTreeMap<ItemId, Spec>,
    restarts_left: u32,
    deeds_left: u32,
    may_kill: bool,
}

/// Runs one seed to its end.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    let mut sim = Sim {
        rng: Rng::with_seed(seed),
        now: At(1_800_000_000_000),
        journal: Journal::default(),
        world: World::new(seed),
        schedules: Schedules::default(),
        in_hand: Vec::new(),
        out: Outcome { seed, ..Outcome::default() },
        specs: BTreeMap::new(),
        restarts_left: 5,
        deeds_left: 8,
        may_kill: true,
    };
    sim.begin();
    for _ in 0..20_000 {
        if !sim.step() {
            break;
        }
        if !sim.out.faults.is_empty() {
            break;
        }
    }
    sim.settle();
    sim.out
}

impl Sim {
    /// A project with one or two items of a few tasks each, all started.
    fn begin(&mut self) {
        let main = self.world.main().unwrap_or_default();
        self.person(Input::AddProject(ProjectFacts {
            name: "sim".to_owned(),
            path: "/sim".to_owned(),
            git_dir: "/sim/.git".to_owned(),
            default_branch: RefName::branch("main"),
            main: main.clone(),
        }));
        self.person(Input::TrustProject { project: ProjectId(1), found: Vec::new() });
        let items = self.rng.u32(1..=2);
        for item in 1..=items {
            let spec = self.spec(item);
            self.specs.insert(ItemId(item), spec.clone());
            let slug = format!("{item:03}-sim");
            let found = vec![ItemFound { slug, base: main.clone(), spec: spec.clone() }];
            self.person(Input::ItemsFound { project: ProjectId(1), items: found });
            let workflow =
                Workflow::read(None, "").unwrap_or_else(|_| unreachable!("invariant: no file has no faults"));
            let Some(agent) = built_in("rehearsal") else { continue };
            let policy = Policy {
                approve: if self.rng.bool() { Approval::Policy } else { Approval::Person },
                slots: self.rng.u32(1..=4),
                attempts: self.rng.u32(1..=3),
                ..workflow.policy(agent)
            };
            self.person(Input::StartRun(Box::new(RunFacts {
                item: ItemId(item),
                spec,
                base: main.clone(),
                branch: RefName::branch(&format!("pilothouse/{item:03}/item")),
                policy,
                fresh: false,
            })));
        }
    }

    fn spec(&mut self, item: u32) -> Spec {
        let mut tasks: Vec<TaskSpec> = Vec::new();
        for n in 1..=self.rng.usize(1..=6) {
            let id = TaskId(format!("T{n:03}"));
            let files = (self.rng.u32(0..5) > 0).then(|| Scope {
                include: vec![format!("item{item}/{id}")]
                    .into_iter()
                    .chain(self.rng.bool().then(|| "shared".to_owned()))
                    .collect(),
                ..Scope::default()
            });
            let depends = self.rng.bool().then(|| {
                let rng = &mut self.rng;
                tasks.iter().filter(|_| rng.u32(0..3) == 0).map(|it| it.id.clone()).collect()
            });
            tasks.push(TaskSpec {
                title: format!("item {item} task {n}"),
                phase: Some(0),
                line: n,
                parallel: self.rng.bool(),
                files,
                verify: if self.rng.u32(0..12) == 0 {
                    Verify::Human("look at it".to_owned())
                } else {
                    Verify::Commands(vec![format!("verify {item} {id}")])
                },
                depends,
                id,
                ..TaskSpec::default()
            });
        }
        Spec {
            folder: format!("specs/{item:03}-sim"),
            title: format!("item {item}"),
            tasks,
            ..Spec::default()
        }
    }

    fn person(&mut self, input: Input) {
        self.take(input, Who::Person("sim".to_owned()), None);
    }

    /// One decision, stored as a whole: records, effects, and the end of the effect it is about.
    fn take(&mut self, input: Input, who: Who, done: Option<EffectKey>) {
        let mut fleet = self.journal.fleet.clone();
        let given = done.is_some().then(|| input.clone());
        let mut touched = BTreeSet::new();
        match decide(&mut fleet, &mut self.schedules, EffectKey(self.journal.next), input, who, self.now) {
            Ok(decision) => {
                self.out.decisions += 1;
                self.journal.fleet = fleet;
                touched = decision.touched;
                for record in &decision.records {
                    self.out.resumed += u32::from(matches!(record.event, Event::RunResumed { .. }));
                    if let Event::AttemptFailed { attempt, failure: Failure::Vacuous, .. } = &record.event {
                        self.fault(
                            BreachKind::Doubled,
                            format!("{attempt} found its task done already: it would be done twice"),
                        );
                    }
                }
                self.journal.records.extend(decision.records);
                self.journal.next += decision.effects.len() as u64;
                self.journal.pending.extend(decision.effects.into_iter().map(|it| (it.key, it)));
            }
            Err(fault) if done.is_some() => {
                self.fault(BreachKind::Untrue, format!("an outcome was refused: {fault} ({given:?})"));
            }
            Err(_) => {}
        }
        if let Some(key) = done {
            self.journal.pending.remove(&key);
        }
        self.check(&touched);
    }

    fn fault(&mut self, kind: BreachKind, says: String) {
        self.out.faults.push(kind.of(says));
    }

    /// One step of the world or of the engine. Returns whether anything is left to happen.
    fn step(&mut self) -> bool {
        self.now = self.now.plus_ms(self.rng.i64(1..5_000));
        if self.may_kill && self.rng.u32(0..12) == 0 {
            self.out.kills += 1;
            // Whatever was done and not stored is forgotten; the world keeps it.
            self.in_hand.clear();
            self.schedules = Schedules::default();
        }
        let mut choices: Vec<Step> = Vec::new();
        let held: Vec<&EffectKey> = self.in_hand.iter().map(|(effect, _)| &effect.key).collect();
        let due = |it: &&PendingEffect| !matches!(it.effect, Effect::Rest { until, .. } if until > self.now);
        choices.extend(
            self.journal
                .pending
                .values()
                .filter(due)
                .map(|it| it.key)
                .filter(|key| !held.contains(&key))
                .map(Step::Perform),
        );
        choices.extend((0..self.in_hand.len()).map(Step::Deliver));
        let live: Vec<_> = self
            .journal
            .fleet
            .sessions
            .values()
            .filter(|it| it.end.is_none() && it.running.is_some())
            .cloned()
            .collect();
        for session in live {
            if let Some(step) = self.world.session_step(&session, self.now) {
                choices.push(Step::Tell(Box::new(step)));
            }
        }
        if choices.is_empty() {
            // Nothing happens until the first rest is over.
            let rests = self.journal.pending.values().filter_map(|it| match it.effect {
                Effect::Rest { until, .. } => Some(until),
                _ => None,
            });
            if let Some(until) = rests.min() {
                self.now = until;
                return true;
            }
            return self.idle();
        }
        let choice = choices.swap_remove(self.rng.usize(..choices.len()));
        match choice {
            Step::Perform(key) => self.perform(key),
            Step::Deliver(place) => {
                let (effect, input) = self.in_hand.remove(place);
                self.take(input, Who::Engine, Some(effect.key));
            }
            Step::Tell(input) => self.take(*input, Who::Engine, None),
        }
        if self.rng.u32(0..8) == 0 {
            self.look_at_main();
        }
        self.cut_in();
        if self.deeds_left > 0 && self.rng.u32(0..25) == 0 {
            self.deeds_left -= 1;
            self.deed();
        }
        true
    }

    /// The worst moment of all: a branch is being moved, a person ends another session of that run, and changes their
    /// mind before it is known where the branch stands.
    fn cut_in(&mut self) {
        let fleet = &self.journal.fleet;
        let moving = self.journal.pending.values().find_map(|it| match it.effect {
            Effect::Advance { run, .. } => Some(run),
            _ => None,
        });
        let Some(run) = moving else { return };
        let mut agents = fleet.sessions.values().filter(|it| it.kind == SessionKind::Agent);
        let working = agents.find(|it| it.run == Some(run) && it.end.is_none()).map(|it| it.id);
        let Some(session) = working.filter(|_| self.deeds_left > 0 && self.rng.u32(0..4) == 0) else {
            return;
        };
        self.deeds_left -= 1;
        self.person(Input::KillSession { session });
        let it = self.journal.fleet.runs.get(&run).cloned();
        if let Some(input) = it.and_then(|it| self.go_on(&it)) {
            self.person(input);
        }
    }

    /// A person does something at a moment that fits nobody. Most of it is refused, and must do no harm.
    fn deed(&mut self) {
        let fleet = &self.journal.fleet;
        let rng = &mut self.rng;
        let input = match rng.u32(0..10) {
            // Stopped is the end of a run, so it is rare.
            0 if rng.u32(0..4) == 0 => rng.choice(fleet.runs.keys()).map(|run| Input::StopRun { run: *run }),
            0 | 1 => rng.choice(fleet.sessions.keys()).map(|it| Input::KillSession { session: *it }),
            2 | 8 => {
                let agent = |it: &&Session| it.end.is_none() && it.kind == SessionKind::Agent;
                let live = fleet.sessions.values().filter(agent).map(|it| it.id);
                rng.choice(live.collect::<Vec<_>>()).map(|session| Input::KillSession { session })
            }
            3 => rng.choice(fleet.worktrees.keys()).map(|it| Input::RemoveWorktree { worktree: *it }),
            4 => rng.choice(fleet.worktrees.keys()).map(|it| Input::UndoWorktree { worktree: *it }),
            5 => rng.choice(fleet.pulls.keys()).map(|it| Input::LandPull { pull: *it }),
            9 => {
                let live = fleet.runs.values().filter(|it| it.state.is_live()).map(|it| it.id);
                let run = rng.choice(live.collect::<Vec<_>>());
                run.map(|run| Input::PauseRun { run, paused: rng.bool() })
            }
            6 => rng.choice(fleet.pulls.keys()).map(|it| Input::ApprovePull { pull: *it, head: None }),
            _ => {
                let parked = fleet.runs.values().filter(|it| it.state == RunState::Parked).cloned();
                let run = rng.choice(parked.collect::<Vec<_>>());
                run.and_then(|run| self.go_on(&run))
            }
        };
        let Some(input) = input else { return };
        self.person(input);
        // Whoever ended a session may change their mind before anything of it is done.
        let parked = self.journal.fleet.runs.values().find(|it| it.state == RunState::Parked).cloned();
        if let Some(input) = parked.filter(|_| self.rng.bool()).and_then(|run| self.go_on(&run)) {
            self.person(input);
        }
    }

    /// Lets a run go on by what the task file says now.
    fn go_on(&self, run: &Run) -> Option<Input> {
        Some(Input::StartRun(Box::new(RunFacts {
            item: run.item,
            spec: self.specs.get(&run.item)?.clone(),
            base: self.journal.fleet.projects.get(&run.project)?.main.clone(),
            branch: RefName(format!("{}-2", run.branch)),
            policy: run.policy.clone(),
            fresh: false,
        })))
    }

    /// The person mends what parked a run: does what is theirs and ticks it, rewords, adds, takes out; and may have had
    /// their hands in its branch.
    fn mend(&mut self, run: &Run) {
        let Some(spec) = self.specs.get_mut(&run.item) else { return };
        let (rng, mut theirs) = (&mut self.rng, Vec::new());
        let open = |id: &TaskId| run.task(id).is_some_and(|it| !it.state.is_done());
        for task in spec.tasks.iter_mut().filter(|it| open(&it.id)) {
            if matches!(task.verify, Verify::Human(_)) || rng.u32(0..8) == 0 {
                task.done = true;
                theirs.push(format!("{}/{}", run.item, task.id));
            } else if rng.u32(0..4) == 0 {
                task.title.push_str(", mended");
                task.verify = Verify::Commands(vec![format!("verify {} {} anew", run.item.0, task.id)]);
            }
        }
        let out = spec.tasks.iter().find(|it| open(&it.id) && !it.done).map(|it| it.id.clone());
        if let Some(out) = out.filter(|_| spec.tasks.len() > 1 && rng.u32(0..6) == 0) {
            spec.tasks.retain(|it| it.id != out);
            for task in &mut spec.tasks {
                task.depends = task.depends.take().map(|it| it.into_iter().filter(|it| *it != out).collect());
            }
        }
        if rng.u32(0..5) == 0 {
            let id = TaskId(format!("T{:03}", 100 + self.restarts_left));
            spec.tasks.push(TaskSpec {
                title: "one more".to_owned(),
                phase: Some(0),
                line: 100,
                files: Some(Scope { include: vec![format!("item{}/{id}", run.item.0)], ..Scope::default() }),
                verify: Verify::Commands(vec![format!("verify {} {id}", run.item.0)]),
                id,
                ..TaskSpec::default()
            });
        }
        if !theirs.is_empty() || rng.bool() {
            self.world.person_does(&theirs);
        }
        match rng.u32(0..6) {
            0 => self.world.person_goes_on(&run.branch),
            1 => self.world.person_misplaces(&run.branch),
            _ => {}
        }
        self.look_at_main();
        if self.journal.fleet.projects.values().any(|it| it.line != Line::Open) {
            let found = self.world.main().unwrap_or_default();
            self.person(Input::AdoptMain { project: ProjectId(1), found });
        }
    }

    fn perform(&mut self, key: EffectKey) {
        let Some(pending) = self.journal.pending.get(&key).cloned() else { return };
        self.out.effects += 1;
        let outcome = self.world.perform(&pending, &self.journal.fleet, self.now);
        self.in_hand.push((pending.clone(), Input::Done { effect: pending.effect, outcome }));
    }

    fn look_at_main(&mut self) {
        let (found, named, attempt) = self.world.main_and_who();
        self.take(Input::MainSeen { project: ProjectId(1), found, named, attempt }, Who::Engine, None);
    }

    /// Nothing goes by itself: the person at the desk does what is asked of them. Returns whether there was anything.
    fn idle(&mut self) -> bool {
        self.look_at_main();
        let fleet = &self.journal.fleet;
        if fleet.projects.values().any(|it| it.line != Line::Open) {
            if self.rng.bool() {
                let found = self.world.main().unwrap_or_default();
                self.person(Input::AdoptMain { project: ProjectId(1), found });
            } else {
                self.person(Input::TakeBackMain { project: ProjectId(1) });
            }
            return true;
        }
        let paused = fleet.runs.values().find(|it| it.state.is_live() && it.paused.is_some()).map(|it| it.id);
        if let Some(run) = paused {
            self.person(Input::PauseRun { run, paused: false });
            return true;
        }
        let waits_for_yes =
            fleet.pulls.values().find(|it| it.state == PullState::WaitsForApproval).map(|it| it.id);
        if let Some(pull) = waits_for_yes {
            self.person(Input::ApprovePull { pull, head: None });
            return true;
        }
        if fleet.pulls.values().any(|it| matches!(it.state, PullState::WaitsForCheckout { .. })) {
            self.world.clean_checkout();
            self.take(Input::CheckoutChanged { project: ProjectId(1) }, Who::Engine, None);
            return true;
        }
        let parked = fleet.runs.values().find(|it| it.state == RunState::Parked).cloned();
        if let Some(run) = parked.filter(|_| self.restarts_left > 0) {
            self.restarts_left -= 1;
            if self.restarts_left < 3 {
                self.world.be_kind();
            }
            self.mend(&run);
            if let Some(input) = self.go_on(&run) {
                self.person(input);
            }
            return true;
        }
        false
    }

    /// What must hold after every decision, of what it touched.
    fn check(&mut self, touched: &BTreeSet<Touched>) {
        let fleet = &self.journal.fleet;
        let mut faults = Vec::new();
        let moved = |run: &&Run| touched.contains(&Touched::Run(run.id));
        for run in fleet.runs.values().filter(moved) {
            let active: Vec<&TaskSpec> = run
                .tasks
                .iter()
                .filter(|it| matches!(it.state, TaskState::Active { .. }))
                .map(|it| &it.spec)
                .collect();
            let hot = Globs::of(&run.policy.hot);
            for (n, a) in active.iter().enumerate() {
                for b in active.iter().skip(n + 1) {
                    if let Some(why) = schedule::clash(&hot, a, b) {
                        faults.push(
                            BreachKind::Overlap.of(format!("{} and {} run at once: {why}", a.id, b.id)),
                        );
                    }
                }
            }
            for task in &run.tasks {
                if let TaskState::Done { commit } = &task.state {
                    let open = |id: &AttemptId| fleet.attempts.get(id).is_some_and(|it| !it.state.is_over());
                    if let Some(attempt) = task.attempts.iter().find(|id| open(id)) {
                        faults.push(
                            BreachKind::Doubled
                                .of(format!("{attempt} works on {}, which is done", task.spec.id)),
                        );
                    }
                    let proven = fleet.evidence.values().any(|it| {
                        it.gate == Gate::Verify
                            && it.passed()
                            && it.subject.run == run.id
                            && it.subject.task.as_ref() == Some(&task.spec.id)
                            && self.world.tree_of(commit).as_ref() == Some(&it.tree)
                    });
                    if !proven {
                        let says = format!(
                            "{} of {} is ticked without a passing proof of its tree",
                            task.spec.id, run.id
                        );
                        faults.push(BreachKind::Untrue.of(says));
                    }
                }
            }
        }
        for attempt in
            fleet.attempts.values().filter(|it| it.state == AttemptState::Merged && it.failure.is_some())
        {
            faults.push(BreachKind::Untrue.of(format!("{} is merged and failed", attempt.id)));
        }
        for check in fleet.sessions.values().filter(|it| it.kind == SessionKind::Check && it.end.is_none()) {
            let attempt = check.attempt.and_then(|id| fleet.attempts.get(&id));
            let pull = check.pull.and_then(|id| fleet.pulls.get(&id));
            let over =
                attempt.is_some_and(|it| it.state.is_over()) || pull.is_some_and(|it| it.state.is_over());
            let told = || {
                let mut pending = self.journal.pending.values();
                let end = Effect::EndSession { session: check.id };
                self.world.was_told_to_end(check.id) || pending.any(|it| it.effect == end)
            };
            if over && !told() {
                faults
                    .push(BreachKind::Untrue.of(format!("session {} checks on for what is over", check.id)));
            }
        }
        faults.extend(self.world.take_faults(fleet));
        self.out.faults.extend(faults);
    }

    /// The end: everything is at rest, in a typed state, and both folds agree.
    fn settle(&mut self) {
        let fleet = &self.journal.fleet;
        let mut faults = Vec::new();
        for run in fleet.runs.values() {
            match run.state {
                RunState::Landed => self.out.landed += 1,
                RunState::Parked => self.out.parked += 1,
                RunState::Stopped => self.out.stopped += 1,
                state => {
                    faults.push(BreachKind::UntypedEnd.of(format!(
                        "{} ended {}: {}",
                        run.id,
                        state.word(),
                        run.why
                    )));
                }
            }
            let item = fleet.items.get(&run.item).map(|it| it.state);
            let fits = match run.state {
                RunState::Landed => item == Some(ItemState::Landed),
                _ => item == Some(ItemState::Parked),
            };
            // Where the item stands is said by the newest of its runs.
            if !fits && fleet.run_of(run.item).is_some_and(|it| it.id == run.id) {
                let says = format!("{} is {} and its item {item:?}", run.id, run.state.word());
                faults.push(BreachKind::UntypedEnd.of(says));
            }
            if run.state == RunState::Parked && run.why.is_empty() {
                faults.push(BreachKind::UntypedEnd.of(format!("{} is parked without a reason", run.id)));
            }
        }
        faults.extend(
            fleet
                .attempts
                .values()
                .filter(|it| !it.state.is_over())
                .map(|it| BreachKind::UntypedEnd.of(format!("{} never ended: {}", it.id, it.state.word()))),
        );
        faults.extend(
            fleet
                .sessions
                .values()
                .filter(|it| it.end.is_none())
                .map(|it| BreachKind::UntypedEnd.of(format!("session {} never ended", it.id))),
        );
        faults.extend(
            self.journal.pending.keys().map(|key| BreachKind::Lost.of(format!("{key} was never done"))),
        );
        let mut anew = Fleet::default();
        for record in &self.journal.records {
            anew.apply(record);
        }
        if anew != *fleet {
            faults.push(BreachKind::Untrue.of("folding the history anew gives another fleet".to_owned()));
        }
        faults.extend(self.world.final_faults(fleet));
        self.out.faults.extend(faults);
    }
}

enum Step {
    Perform(EffectKey),
    Deliver(usize),
    Tell(Box<Input>),
}
