//! Seeded simulation of the coordination layer: the real decisions over a made-up world, under a frozen clock, with
//! kills between any two effects. A seed is a whole run; the same seed is the same run.
//!
//! What is real: every decision, every record, the fold. What is made up: git, agents, checks - as objects that hold
//! sets of marks - and the person at the desk.

mod world;

use std::collections::BTreeMap;

use fastrand::Rng;
use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::item::ItemState;
use pilothouse_contract::project::Line;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::{Approval, Policy, RunState, TaskState};
use pilothouse_contract::spec::{Scope, Spec, TaskSpec, Verify};
use pilothouse_contract::{At, Fleet, ItemId, ProjectId, Record, RefName, TaskId, Who};
use pilothouse_engine::coordination::{
    EffectKey, Input, ItemFound, PendingEffect, ProjectFacts, RunFacts, decide, schedule,
};
use pilothouse_engine::policy::workflow::{Workflow, built_in};

pub use world::World;

/// What one seed came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Runs that landed.
    pub landed: u32,
    /// Runs that were parked at the end.
    pub parked: u32,
    /// Runs that were stopped.
    pub stopped: u32,
    /// Kills of the engine.
    pub kills: u32,
    /// Decisions taken.
    pub decisions: u32,
    /// Effects performed, those done again after a kill included.
    pub effects: u32,
    /// What did not hold; empty if all did.
    pub faults: Vec<String>,
}

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
    /// Effects performed in this life of the engine, whose outcome is not stored yet.
    in_hand: Vec<(PendingEffect, Input)>,
    out: Outcome,
    restarts_left: u32,
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
        in_hand: Vec::new(),
        out: Outcome { seed, ..Outcome::default() },
        restarts_left: 2,
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
                verify: Verify::Commands(vec![format!("verify {item} {id}")]),
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
        let said = format!("{input:?}");
        match decide(&mut fleet, EffectKey(self.journal.next), input, who, self.now) {
            Ok(decision) => {
                self.out.decisions += 1;
                self.journal.fleet = fleet;
                self.journal.records.extend(decision.records);
                self.journal.next += decision.effects.len() as u64;
                self.journal.pending.extend(decision.effects.into_iter().map(|it| (it.key, it)));
            }
            Err(fault) if done.is_some() => self.fault(format!("an outcome was refused: {fault} ({said})")),
            Err(_) => {}
        }
        if let Some(key) = done {
            self.journal.pending.remove(&key);
        }
        self.check();
    }

    fn fault(&mut self, says: String) {
        self.out.faults.push(says);
    }

    /// One step of the world or of the engine. Returns whether anything is left to happen.
    fn step(&mut self) -> bool {
        self.now = self.now.plus_ms(self.rng.i64(1..5_000));
        if self.may_kill && self.rng.u32(0..12) == 0 {
            self.out.kills += 1;
            // Whatever was done and not stored is forgotten; the world keeps it.
            self.in_hand.clear();
        }
        let mut choices: Vec<Step> = Vec::new();
        let held: Vec<&EffectKey> = self.in_hand.iter().map(|(effect, _)| &effect.key).collect();
        choices.extend(
            self.journal.pending.keys().filter(|key| !held.contains(key)).copied().map(Step::Perform),
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
        true
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
        let waits_for_yes =
            fleet.pulls.values().find(|it| it.state == PullState::WaitsForApproval).map(|it| it.id);
        if let Some(pull) = waits_for_yes {
            self.person(Input::ApprovePull { pull });
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
            self.world.be_kind();
            let Some(item) = self.journal.fleet.items.get(&run.item).cloned() else { return false };
            let facts = RunFacts {
                item: run.item,
                spec: item.spec,
                base: run.base,
                branch: RefName(format!("{}-2", run.branch)),
                policy: run.policy,
                fresh: false,
            };
            self.person(Input::StartRun(Box::new(facts)));
            return true;
        }
        false
    }

    /// What must hold after every decision.
    fn check(&mut self) {
        let fleet = &self.journal.fleet;
        let mut faults = Vec::new();
        for run in fleet.runs.values() {
            let active: Vec<&TaskSpec> = run
                .tasks
                .iter()
                .filter(|it| matches!(it.state, TaskState::Active { .. }))
                .map(|it| &it.spec)
                .collect();
            for (n, a) in active.iter().enumerate() {
                for b in active.iter().skip(n + 1) {
                    if let Some(why) = schedule::clash(&run.policy, a, b) {
                        faults.push(format!("{} and {} run at once: {why}", a.id, b.id));
                    }
                }
            }
            for task in &run.tasks {
                if let TaskState::Done { commit } = &task.state {
                    let proven = fleet.evidence.values().any(|it| {
                        it.gate == Gate::Verify
                            && it.passed()
                            && it.subject.run == run.id
                            && it.subject.task.as_ref() == Some(&task.spec.id)
                            && self.world.tree_of(commit).as_ref() == Some(&it.tree)
                    });
                    if !proven {
                        faults.push(format!(
                            "{} of {} is ticked without a passing proof of its tree",
                            task.spec.id, run.id
                        ));
                    }
                }
            }
        }
        for attempt in
            fleet.attempts.values().filter(|it| it.state == AttemptState::Merged && it.failure.is_some())
        {
            faults.push(format!("{} is merged and failed", attempt.id));
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
                state => faults.push(format!("{} ended {}: {}", run.id, state.word(), run.why)),
            }
            let item = fleet.items.get(&run.item).map(|it| it.state);
            let fits = match run.state {
                RunState::Landed => item == Some(ItemState::Landed),
                _ => item == Some(ItemState::Parked),
            };
            if !fits {
                faults.push(format!("{} is {} and its item {item:?}", run.id, run.state.word()));
            }
            if run.state == RunState::Parked && run.why.is_empty() {
                faults.push(format!("{} is parked without a reason", run.id));
            }
        }
        faults.extend(
            fleet
                .attempts
                .values()
                .filter(|it| !it.state.is_over())
                .map(|it| format!("{} never ended: {}", it.id, it.state.word())),
        );
        faults.extend(
            fleet
                .sessions
                .values()
                .filter(|it| it.end.is_none())
                .map(|it| format!("session {} never ended", it.id)),
        );
        faults.extend(self.journal.pending.keys().map(|key| format!("{key} was never done")));
        let mut anew = Fleet::default();
        for record in &self.journal.records {
            anew.apply(record);
        }
        if anew != *fleet {
            faults.push("folding the history anew gives another fleet".to_owned());
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
