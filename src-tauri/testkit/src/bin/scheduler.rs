//! `scheduler`: what it costs to find the tasks that may begin. Prints samples as JSON for `cargo xtask bench scheduler`.
//!
//! Refuses to run anything: tasks are facts in memory, and time is a number.

use std::collections::BTreeMap;
use std::time::Instant;

use pilothouse_contract::room::Slots;
use pilothouse_contract::run::{Policy, Run, RunState, TaskRun, TaskState};
use pilothouse_contract::spec::{Scope, TaskSpec, Verify};
use pilothouse_contract::{At, AttemptId, Fleet, ItemId, ProjectId, RefName, RunId, TaskId, Who};
use pilothouse_engine::coordination::schedule::{self, Schedules};
use pilothouse_engine::policy::workflow::{Workflow, built_in};
use pilothouse_testkit::samples::{self, Samples};

/// Each figure is taken so often.
const TIMES: usize = 5;
/// As the design wants it.
const TICK_BUDGET_MS: f64 = 5.0;
const VOYAGE_BUDGET_S: f64 = 2.0;
const RUN: RunId = RunId(1);

fn main() {
    let mut tick = Vec::new();
    let mut why = Vec::new();
    let (mut voyage, mut shared) = (Vec::new(), Vec::new());
    for seed in 0..TIMES as u64 {
        let fleet = fleet(1000, 3, seed, Slots::default());
        let waiting = the_run(&fleet);
        let mut kept = Schedules::default();
        let begun = Instant::now();
        assert!(!kept.ready(&fleet, waiting).begin.is_empty());
        tick.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        assert_eq!(schedule::waits(&fleet, waiting).len(), 1000);
        why.push(begun.elapsed().as_secs_f64() * 1e3);
        for (slots, into) in [(None, &mut voyage), (Some(1000), &mut shared)] {
            let mut crowd = self::fleet(10_000, 1000, seed, Slots { total: slots, ..Slots::default() });
            let begun = Instant::now();
            sail(&mut crowd, seed);
            into.push(begun.elapsed().as_secs_f64());
        }
    }
    let sample = |name: &str, unit, ours: Vec<f64>, budget| Samples {
        name: name.to_owned(),
        unit,
        ours,
        baseline: vec![budget],
        baseline_name: "the design's budget",
    };
    let all = [
        sample("a tick, 1,000 waiting", "ms", tick, TICK_BUDGET_MS),
        sample("why 1,000 wait", "ms", why, TICK_BUDGET_MS),
        sample("10,000 tasks over 1,000 agents", "s", voyage, VOYAGE_BUDGET_S),
        sample("the same, room shared by all runs", "s", shared, VOYAGE_BUDGET_S),
    ];
    samples::print(&all);
}

/// A generator of its own, so that two runs are the same.
fn chance(seed: u64, n: usize) -> usize {
    let mut it =
        (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it ^= it >> 31;
    it = it.wrapping_mul(0x94d0_49bb_1331_11eb);
    (it ^ (it >> 29)) as usize
}

/// A fleet of one run.
fn fleet(tasks: usize, slots: u32, seed: u64, shared: Slots) -> Fleet {
    let run = run(tasks, slots, seed);
    Fleet { runs: BTreeMap::from([(RUN, run)]), slots: shared, ..Fleet::default() }
}

fn the_run(fleet: &Fleet) -> &Run {
    fleet.runs.get(&RUN).unwrap_or_else(|| unreachable!("invariant: the fleet has one run"))
}

/// A run of so many tasks: each writes two files, one in ten a whole folder; one in three names up to two that come first, the
/// others go by their phase, of which there are ten and in which all may run beside each other.
fn run(tasks: usize, slots: u32, seed: u64) -> Run {
    let id = |n: usize| TaskId(format!("T{n:05}"));
    let task = |n: usize| {
        let dice = chance(seed, n);
        let folder = format!("src/part{}", dice % (tasks / 4 + 1));
        let include = match dice % 10 {
            0 => vec![format!("{folder}/**")],
            _ => vec![format!("{folder}/work{n}.rs"), format!("tests/t{n}.rs")],
        };
        let first = |by: usize| n.checked_sub(1 + dice / by % 50).map(id);
        TaskSpec {
            id: id(n),
            phase: Some(n * 10 / tasks),
            parallel: true,
            depends: dice.is_multiple_of(3).then(|| [first(7), first(11)].into_iter().flatten().collect()),
            files: Some(Scope { include, ..Scope::default() }),
            verify: Verify::Commands(vec!["true".to_owned()]),
            ..TaskSpec::default()
        }
    };
    let states = (0..tasks).map(|n| TaskRun {
        spec: task(n),
        state: TaskState::Waiting,
        attempts: vec![],
        failures: 0,
        rests: None,
        goes_on: None,
    });
    let policy = Workflow::read(None, "").ok().zip(built_in("rehearsal")).map(|(it, agent)| it.policy(agent));
    Run {
        id: RUN,
        project: ProjectId(1),
        item: ItemId(1),
        state: RunState::Running,
        why: String::new(),
        policy: Policy { slots, ..policy.unwrap_or_else(|| panic!("the built-in policy cannot be read")) },
        base: "0".into(),
        approved: "0".into(),
        settling: false,
        takes_back: None,
        stop: None,
        stopped_by: Vec::new(),
        window: None,
        rank: 0,
        phases: Vec::new(),
        audit: None,
        paused: None,
        branch: RefName::branch("x"),
        head: None,
        tasks: states.collect(),
        integrating: None,
        pull: None,
        by: Who::Engine,
        started: At(0),
        moved: At(0),
        outside: None,
        claim: None,
        touches: vec![],
        notes: vec![],
    }
}

/// Carries a run to its end: whoever is ready begins, takes 1 to 100 ticks of a clock, and is done.
fn sail(fleet: &mut Fleet, seed: u64) {
    let places: BTreeMap<TaskId, usize> =
        the_run(fleet).tasks.iter().enumerate().map(|(n, it)| (it.spec.id.clone(), n)).collect();
    let mut ends: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut now = 0;
    let mut kept = Schedules::default();
    loop {
        let ready = kept.ready(fleet, the_run(fleet));
        let Some(run) = fleet.runs.get_mut(&RUN) else { break };
        for id in ready.begin {
            if let Some((place, task)) = places.get(&id).and_then(|it| Some((*it, run.tasks.get_mut(*it)?))) {
                task.state = TaskState::Active { attempt: AttemptId(1) };
                ends.entry(now + 1 + chance(seed, place) / 3 % 100).or_default().push(place);
            }
        }
        let Some((at, over)) = ends.pop_first() else { break };
        now = at;
        for place in over {
            if let Some(task) = run.tasks.get_mut(place) {
                task.state = TaskState::DoneBefore;
            }
        }
    }
    assert!(the_run(fleet).tasks.iter().all(|it| it.state.is_done()), "some were never ready");
}
