//! Seeded simulation of the coordination layer: the real decisions over a made-up world, under a frozen clock that jumps, with
//! kills between any two effects, full disks, sessions that are gone, and effects that fail before or after they were done. A
//! seed is a whole run; the same seed is the same run.
//!
//! What is real: every decision, every record, the fold. What is made up: git, agents, checks - as objects that hold
//! sets of marks - and the person at the desk, who stops, ends, removes, brings back, mends specs and lets runs go on; and looks,
//! leaves notes and answers, while holders are replaced, the machine sleeps and worktrees go away.

mod beside;
mod engine;
mod holds;
mod landing;
mod life;
mod outcome;
mod person;
mod trouble;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use pilothouse_contract::attempt::{Attempt, AttemptState, Failure};
use pilothouse_contract::card::Writer;
use pilothouse_contract::claim::Claim;
use pilothouse_contract::evidence::Gate;
use pilothouse_contract::item::ItemState;
use pilothouse_contract::project::Line;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::review::ReviewPolicy;
use pilothouse_contract::room::Slots;
use pilothouse_contract::run::{Approval, Completeness, Policy, Run, RunState, TaskState};
use pilothouse_contract::session::{Session, SessionKind};
use pilothouse_contract::spec::{Phase, Requirement, Scope, Spec, TaskSpec, Verify};
use pilothouse_contract::window::{Daily, Window};
use pilothouse_contract::{
    At, AttemptId, Event, Fleet, ItemId, Oid, ProjectId, Record, RefName, RunId, SessionId, TaskId, Touched,
    Who,
};
use pilothouse_engine::coordination::{
    Decision, Effect, EffectKey, Input, ItemFound, PendingEffect, ProjectFacts, RunFacts, Schedules, decide,
    schedule,
};
use pilothouse_engine::policy::scope::Globs;
use pilothouse_engine::policy::workflow::{Workflow, built_in};

use engine::{Known, Order};
pub use landing::land;
pub use life::{Kept, Life, live};
pub use outcome::{Breach, BreachKind, Outcome, Tally};
pub use world::World;

/// The engine is killed in one of so many steps; in every fourth seed it is so old that what it keeps in memory shows.
const KILLS: u32 = 12;
const KILLS_RARE: u32 = 200;
/// A seed that takes more steps never ends.
const STEPS: u32 = 20_000;

/// What is stored: only this survives a kill.
#[derive(Debug, Clone, Default)]
struct Journal {
    records: Vec<Record>,
    fleet: Fleet,
    pending: BTreeMap<EffectKey, PendingEffect>,
    next: u64,
}

/// How much of what runs share there is, for a whole seed.
#[derive(Debug, Default)]
struct Caps {
    slots: Slots,
    project: u32,
    states: BTreeMap<String, u32>,
    resources: BTreeMap<String, u32>,
}

struct Sim {
    rng: Rng,
    now: At,
    journal: Journal,
    /// As it was decided last, stored or not.
    fleet: Fleet,
    known: Known,
    /// The disk is full: nothing can be stored.
    is_full: bool,
    /// What the engine saw and could not store, in order.
    stuck: VecDeque<Order>,
    world: World,
    schedules: Schedules,
    /// Effects performed in this life of the engine, whose outcome is not stored yet.
    in_hand: Vec<(PendingEffect, Input)>,
    out: Outcome,
    /// What the task files on the default branch say.
    specs: BTreeMap<ItemId, Spec>,
    restarts_left: u32,
    deeds_left: u32,
    /// The engine is killed in one of so many steps.
    kills_one_in: u32,
    /// Time that passed, without jumps.
    passed_ms: i64,
    /// What runs share.
    caps: Caps,
    /// What this seed is about is how many pull requests land.
    lands: bool,
    /// In a long life, how often each run was let go on: at some time its person stops it.
    tries: Option<BTreeMap<RunId, u32>>,
    /// What came beside the road.
    beside: beside::Beside,
}

/// Runs one seed to its end.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    let mut sim = Sim::new(seed);
    sim.begin();
    sim.live_out();
    sim.out
}

/// Runs so many seeds from one on, on all cores. Returns what each came to, and how long it took.
#[must_use]
pub fn over(from: u64, seeds: u64, run: fn(u64) -> Outcome) -> Vec<(Duration, Outcome)> {
    let next = AtomicU64::new(from);
    let work = || {
        let mut mine: Vec<(Duration, Outcome)> = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                return mine;
            }
            let began = Instant::now();
            let outcome = run(seed);
            mine.push((began.elapsed(), outcome));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .flat_map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl Sim {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            now: At(1_800_000_000_000),
            journal: Journal::default(),
            fleet: Fleet::default(),
            known: Known::default(),
            is_full: false,
            stuck: VecDeque::new(),
            world: World::new(seed),
            schedules: Schedules::default(),
            in_hand: Vec::new(),
            out: Outcome { seed, ..Outcome::default() },
            specs: BTreeMap::new(),
            restarts_left: 5,
            deeds_left: 8,
            kills_one_in: if seed.is_multiple_of(4) { KILLS_RARE } else { KILLS },
            passed_ms: 0,
            caps: Caps::default(),
            lands: false,
            tries: None,
            beside: beside::Beside::default(),
        }
    }

    /// What all runs of a seed share, and how much of it there is.
    fn choose_caps(&mut self) {
        let rng = &mut self.rng;
        let mut some = |one_in: u32, most: u32| (rng.u32(0..one_in) == 0).then(|| rng.u32(1..=most));
        self.caps = Caps {
            slots: Slots {
                total: some(4, 3),
                runs: some(3, 1),
                agents: some(6, 2).map(|n| ("rehearsal".to_owned(), n)).into_iter().collect(),
            },
            project: some(4, 3).unwrap_or(0),
            states: ["red-check", "working", "verifying"]
                .into_iter()
                .filter_map(|state| Some((state.to_owned(), some(6, 2)?)))
                .collect(),
            resources: BTreeMap::from([("sim".to_owned(), 3)]),
        };
        if self.caps.slots != Slots::default() {
            self.person(Input::SetSlots { slots: self.caps.slots.clone() });
        }
    }

    /// Steps until nothing is left to do, and what is left is settled.
    fn live_out(&mut self) {
        while self.step() && self.out.faults.is_empty() && self.out.steps < STEPS {
            self.out.steps += 1;
        }
        self.settle();
        self.out.failed = self.world.failed;
    }

    /// The project of the simulation, trusted.
    fn add_project(&mut self) {
        let main = self.world.main().unwrap_or_default();
        self.person(Input::AddProject(ProjectFacts {
            name: "sim".to_owned(),
            path: "/sim".to_owned(),
            git_dir: "/sim/.git".to_owned(),
            default_branch: RefName::branch("main"),
            main,
        }));
        self.person(Input::TrustProject { project: ProjectId(1), found: Vec::new() });
    }

    /// A project with one or two items of a few tasks each, all started.
    fn begin(&mut self) {
        self.choose_caps();
        self.add_project();
        let items = self.rng.u32(1..=2);
        (1..=items).for_each(|item| self.item(item));
    }

    /// An item is written down and started.
    fn item(&mut self, item: u32) {
        let main = self.world.main().unwrap_or_default();
        let spec = self.spec(item);
        self.specs.insert(ItemId(item), spec.clone());
        let slug = format!("{item:03}-sim");
        let found = vec![ItemFound { slug, base: main.clone(), spec: spec.clone() }];
        self.person(Input::ItemsFound { project: ProjectId(1), items: found });
        let workflow =
            Workflow::read(None, "").unwrap_or_else(|_| unreachable!("invariant: no file has no faults"));
        let Some(mut agent) = built_in("rehearsal") else { return };
        if self.rng.bool() {
            agent.resume = agent.command.clone();
        }
        let policy = Policy {
            approve: if self.rng.bool() { Approval::Policy } else { Approval::Person },
            slots: self.rng.u32(1..=4),
            attempts: self.rng.u32(1..=3),
            completeness: match self.rng.u32(0..3) {
                0 => Completeness::Off,
                1 => Completeness::Report,
                _ => Completeness::Gate,
            },
            project_slots: self.caps.project,
            state_slots: self.caps.states.clone(),
            resources: self.caps.resources.clone(),
            review: self.reviewers(),
            ..workflow.policy(agent)
        };
        let policy = if self.lands { self.policy_of_many(policy) } else { policy };
        let window = self.window();
        let claim = self.rng.bool().then(|| Claim {
            id: item.to_string(),
            identifier: format!("A-{item}"),
            url: None,
        });
        self.person(Input::StartRun(Box::new(RunFacts {
            item: ItemId(item),
            spec,
            base: main.clone(),
            branch: RefName::branch(&format!("pilothouse/{item:03}/item")),
            policy,
            fresh: false,
            window,
            edited: Vec::new(),
            claim,
            gates: Vec::new(),
        })));
    }

    /// Half of the runs are reviewed.
    fn reviewers(&mut self) -> ReviewPolicy {
        let critic = built_in("rehearsal-critic").filter(|_| self.rng.bool());
        let family = Some("scripted critic".to_owned());
        ReviewPolicy {
            agents: critic.into_iter().map(|agent| Writer { agent, family: family.clone() }).collect(),
            author: Some("scripted".to_owned()),
            rounds: self.rng.u32(1..=3),
            lenses: vec!["one".to_owned(), "two".to_owned()],
            person_waits: self.rng.u32(0..4) == 0,
            ..ReviewPolicy::default()
        }
    }

    /// One in three runs is queued, for a time, or for the same hours of every day. In a long life none is: a day on which
    /// everybody waits would be most of it.
    fn window(&mut self) -> Option<Window> {
        if self.tries.is_some() || self.lands {
            return None;
        }
        let rng = &mut self.rng;
        let kind = rng.u32(0..9);
        let opens = self.now.plus_ms(rng.i64(0..3_600_000));
        let closes = opens.plus_ms(rng.i64(1..1_800_000));
        let daily = Daily { from: "22:00".to_owned(), to: "06:00".to_owned() };
        let at = Window { daily: None, opens, closes: None, is_open: false, says: "22:00".to_owned() };
        match kind {
            0 => Some(Window { is_open: true, ..at }),
            1 => Some(at),
            2 => Some(Window { daily: Some(daily), closes: Some(closes), ..at }),
            _ => None,
        }
    }

    fn spec(&mut self, item: u32) -> Spec {
        if self.lands {
            return self.spec_to_land(item);
        }
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
            let uses = ["db", "port:1", "sim", "sim:2"].get(self.rng.usize(0..16));
            tasks.push(TaskSpec {
                tier: (self.rng.u32(0..6) == 0).then(|| "best-of 3".to_owned()),
                uses: uses.into_iter().map(|it| (*it).to_owned()).collect(),
                title: format!("item {item} task {n}"),
                phase: Some(if n > 3 { 1 } else { 0 }),
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
            phases: (0..2)
                .map(|n| Phase {
                    title: format!("phase {n}"),
                    checkpoint: self.rng.bool().then(|| format!("checkpoint {n}")).into_iter().collect(),
                    ..Phase::default()
                })
                .collect(),
            requirements: (0..self.rng.usize(0..3))
                .map(|n| Requirement { id: format!("FR-{n}"), text: String::new(), line: n + 1 })
                .collect(),
            folder: format!("specs/{item:03}-sim"),
            title: format!("item {item}"),
            tasks,
            ..Spec::default()
        }
    }

    /// One step of the world or of the engine. Returns whether anything is left to happen.
    fn step(&mut self) -> bool {
        let passes = self.rng.i64(1..5_000);
        self.passed_ms += passes;
        self.now = self.now.plus_ms(passes);
        self.jump();
        if self.rng.u32(0..self.kills_one_in) == 0 {
            self.kill();
        }
        if self.is_full {
            if self.rng.u32(0..8) == 0 {
                self.make_room();
            }
        } else if self.rng.u32(0..60) == 0 {
            self.out.disk_full += 1;
            self.is_full = true;
        }
        let mut choices: Vec<Step> = Vec::new();
        let stuck = self.stuck.iter().filter_map(|it| it.done.as_ref());
        let held: Vec<&EffectKey> = self.in_hand.iter().map(|(effect, _)| &effect.key).chain(stuck).collect();
        let due = |it: &&PendingEffect| !matches!(it.effect, Effect::Rest { until, .. } | Effect::Wait { until, .. } if until > self.now);
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
        let open = self.known.open.iter().filter_map(|id| self.journal.fleet.sessions.get(id));
        let live: Vec<Session> = open.filter(|it| it.running.is_some()).cloned().collect();
        // Each end is told once; what is told already waits to be stored.
        for session in live.into_iter().filter(|_| self.stuck.is_empty()) {
            let step = match session.gate {
                None if session.kind == SessionKind::Agent && session.pull.is_some() => {
                    self.world.review_step(&session, &self.journal.fleet, self.now)
                }
                Some(Gate::Completeness) => self.world.judge_step(&session, &self.journal.fleet, self.now),
                _ => self.world.session_step(&session, self.now),
            };
            if let Some(step) = step {
                choices.push(Step::Tell(Box::new(step)));
            }
        }
        if choices.is_empty() {
            // What could not be stored is all that is left to happen: it waits for room, and room comes.
            if !self.stuck.is_empty() {
                self.make_room();
                return true;
            }
            // Nothing happens until the first rest is over.
            let rests = self.journal.pending.values().filter_map(|it| match it.effect {
                Effect::Rest { until, .. } if until > self.now => Some(until),
                _ => None,
            });
            if let Some(until) = rests.min() {
                self.wait_until(until);
                return true;
            }
            // Whoever sits at the desk does what waits for them before another day begins.
            if self.idle() {
                return true;
            }
            let windows = self.journal.pending.values().filter_map(|it| match it.effect {
                Effect::Wait { until, .. } if until > self.now => Some(until),
                _ => None,
            });
            if let Some(until) = windows.min() {
                self.wait_until(until);
                return true;
            }
            // Whoever looked at the desk may have set something going.
            return !self.journal.pending.is_empty();
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
        self.come_beside();
        self.come_to_queue();
        if self.deeds_left > 0 && self.rng.u32(0..25) == 0 {
            self.deeds_left -= 1;
            self.deed();
        }
        true
    }

    fn wait_until(&mut self, until: At) {
        self.passed_ms += until.since_ms(self.now);
        self.now = until;
    }

    fn perform(&mut self, key: EffectKey) {
        let Some(pending) = self.journal.pending.get(&key).cloned() else { return };
        self.out.effects += 1;
        let outcome = self.world.perform(&pending, &self.journal.fleet, self.now);
        self.in_hand.push((pending.clone(), Input::Done { effect: pending.effect, outcome }));
    }

    fn look_at_main(&mut self) {
        let (found, named, attempt) = self.world.main_and_who();
        self.take(
            Input::MainSeen { project: ProjectId(1), found, named, attempt, forward: false },
            Who::Engine,
            None,
        );
    }
}

enum Step {
    Perform(EffectKey),
    Deliver(usize),
    Tell(Box<Input>),
}
