//! What may begin, over runs by hand and by chance.

use super::*;
use crate::policy::specs;
use pilothouse_contract::room::Slots;
use pilothouse_contract::run::Policy;
use pilothouse_contract::spec::{Scope, Verify};
use pilothouse_contract::wait::Room;
use pilothouse_contract::{At, AttemptId, ItemId, ProjectId, RefName, RunId, Who};
use proptest::prelude::*;

use crate::policy::tiers;
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
        tasks: tasks
            .into_iter()
            .map(|spec| TaskRun {
                spec,
                state: TaskState::Waiting,
                attempts: vec![],
                failures: 0,
                rests: None,
                goes_on: None,
            })
            .collect(),
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

fn task(id: usize, phase: usize, files: Option<Vec<String>>) -> TaskSpec {
    TaskSpec {
        id: TaskId(format!("T{id:03}")),
        phase: Some(phase),
        files: files.map(|include| Scope { include, ..Scope::default() }),
        verify: Verify::Commands(vec!["true".to_owned()]),
        ..TaskSpec::default()
    }
}

fn fleet_of(runs: &[&Run]) -> Fleet {
    Fleet { runs: runs.iter().map(|it| (it.id, (*it).clone())).collect(), ..Fleet::default() }
}

fn ready(run: &Run) -> Vec<String> {
    Schedules::default().ready(&fleet_of(&[run]), run).begin.into_iter().map(|id| id.0).collect()
}

/// The same as [`waits`], by asking each task about each other one of every run.
fn one_by_one(fleet: &Fleet, run: &Run) -> Vec<(TaskId, Wait)> {
    let specs: Vec<&TaskSpec> = run.tasks.iter().map(|it| &it.spec).collect();
    let active = run.tasks.iter().filter(|it| matches!(it.state, TaskState::Active { .. }));
    let mut busy: Vec<&TaskSpec> = active.map(|it| &it.spec).collect();
    let hot = Globs::of(&run.policy.hot);
    let others = fleet.runs.values().filter(|it| it.id != run.id);
    let others: Vec<(&Run, &TaskSpec)> = others
        .flat_map(|it| it.tasks.iter().map(move |task| (it, task)))
        .filter(|(_, task)| matches!(task.state, TaskState::Active { .. }))
        .map(|(it, task)| (it, &task.spec))
        .collect();
    let places = |spec: &TaskSpec| tiers::places(spec, &run.policy);
    let taken = |busy: &[&TaskSpec]| busy.iter().map(|it| places(it)).sum::<u32>();
    let mut answers = Vec::new();
    for (place, task) in run.tasks.iter().enumerate().filter(|(_, it)| it.state == TaskState::Waiting) {
        let needs = specs::needs(&specs, place);
        let open = run.tasks.iter().filter(|it| !it.state.is_done() && needs.contains(&it.spec.id));
        let open: Vec<TaskId> = open.map(|it| it.spec.id.clone()).collect();
        let clash_with = |other: &&TaskSpec| {
            let why = clash(&hot, &task.spec, other)?;
            Some(Wait::Scope { with: other.id.clone(), why })
        };
        // `db` is one thing of the project, `port:1` one of the machine, and of `sim` there are three.
        let short = |word: &String| {
            let (name, count, of) = match word.as_str() {
                "sim" => ("sim", 1, 3),
                "sim:2" => ("sim", 2, 3),
                name => (name, 1, 1),
            };
            let takes = |spec: &TaskSpec| -> usize {
                spec.uses
                    .iter()
                    .map(|it| match it.as_str() {
                        "sim:2" if name == "sim" => 2,
                        it => usize::from(it == name),
                    })
                    .sum()
            };
            let near = |it: &&(&Run, &TaskSpec)| it.0.project == run.project || name == "port:1";
            let mut by: Vec<(RunId, usize, &TaskSpec)> = busy
                .iter()
                .map(|it| (run.id, place_of(run, it), *it))
                .chain(others.iter().filter(near).map(|(of, it)| (of.id, place_of(of, it), *it)))
                .filter(|(_, _, it)| takes(it) > 0)
                .collect();
            by.sort_by_key(|(run, place, _)| (*run, *place));
            let taken: usize = by.iter().map(|(_, _, it)| takes(it)).sum();
            (taken + count > of).then(|| Wait::Resource {
                name: name.to_owned(),
                with: by[0].2.id.clone(),
                run: Some(by[0].0).filter(|it| *it != run.id),
                of: u32::try_from(of).unwrap(),
            })
        };
        let rooms = [
            (
                Room::Project,
                run.policy.project_slots,
                others.iter().filter(|(it, _)| it.project == run.project).count(),
            ),
            (
                Room::Agent { name: run.policy.agent.name.clone() },
                fleet.slots.agents.get(&run.policy.agent.name).copied().unwrap_or(0),
                others.iter().filter(|(it, _)| it.policy.agent.name == run.policy.agent.name).count(),
            ),
            (Room::Machine, fleet.slots.total.unwrap_or(0), others.len()),
        ];
        let full = rooms.into_iter().find(|(_, limit, others)| {
            let others = u32::try_from(*others).unwrap() + taken(&busy);
            *limit > 0 && others > 0 && others + places(&task.spec) > *limit
        });
        let wait = if let Some(until) = task.rests {
            Wait::Rest { until }
        } else if !open.is_empty() {
            Wait::Dependency { more: 0, tasks: open }
        } else if let Some(wait) = busy.iter().find_map(clash_with) {
            wait
        } else if let Some(wait) = task.spec.uses.iter().find_map(short) {
            wait
        } else if taken(&busy) + places(&task.spec) > run.policy.slots {
            Wait::Slot { slots: run.policy.slots }
        } else if let Some((of, limit, _)) = full {
            Wait::Room { of, limit }
        } else {
            busy.push(&task.spec);
            // Of those in the way the first in the file is named.
            busy.sort_by_key(|it| run.tasks.iter().position(|task| task.spec.id == it.id));
            Wait::Ready
        };
        answers.push((task.spec.id.clone(), wait));
    }
    answers
}

fn place_of(run: &Run, spec: &TaskSpec) -> usize {
    run.tasks.iter().position(|it| it.spec.id == spec.id).unwrap()
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
    assert_eq!(waits(&fleet_of(&[&two]), &two)[2].1, Wait::Slot { slots: 2 });
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
    let said: Vec<String> =
        waits(&fleet_of(&[&run]), &run).into_iter().map(|(id, wait)| format!("{id} {wait}")).collect();
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

/// Room over all projects: none, all together, or with the agent.
fn slots_of(pick: &prop::sample::Index, slots: u32) -> Slots {
    match pick.index(4) {
        0 => Slots { total: Some(slots), ..Slots::default() },
        1 => Slots { agents: BTreeMap::from([("rehearsal".to_owned(), slots)]), ..Slots::default() },
        _ => Slots::default(),
    }
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
                (proptest::collection::vec(proptest::sample::select(vec!["db", "port:1", "sim", "sim:2"]), 0..2), proptest::bool::weighted(0.1), proptest::bool::weighted(0.2)),
            ),
            1..12,
        ),
        others in proptest::collection::vec((proptest::sample::select(vec!["db", "port:1", "sim", "sim:2", "none"]), any::<bool>()), 0..4),
        project_slots in 0_u32..4,
        slots in 1_u32..5,
        picks in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..12), 64),
    ) {
        let mut specs: Vec<TaskSpec> = specs.into_iter().enumerate().map(|(n, (files, needs, open, phase, (uses, optional, several)))| {
            let mut spec = task(n, phase, files);
            spec.parallel = open;
            spec.optional = optional;
            spec.tier = several.then(|| "best-of 2".to_owned());
            spec.uses = uses.into_iter().map(str::to_owned).collect();
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
        run.policy.resources = BTreeMap::from([("sim".to_owned(), 3)]);
        run.policy.project_slots = project_slots;
        // Another run, of which several are at work; of the same project or of another one.
        let mut beside = self::run(others.iter().enumerate().map(|(n, (uses, _))| {
            TaskSpec { uses: vec![(*uses).to_owned()], ..task(n, 0, Some(vec![format!("other{n}")])) }
        }).collect(), 9);
        beside.id = RunId(2);
        beside.policy.resources.clone_from(&run.policy.resources);
        beside.project = if others.first().is_some_and(|it| it.1) { ProjectId(2) } else { ProjectId(1) };
        beside.tasks.iter_mut().zip(&others).for_each(|(it, (_, active))| {
            it.state = if *active { TaskState::Active { attempt: AttemptId(9) } } else { TaskState::DoneBefore };
        });
        let (mut over, mut at_rest) = (0, false);
        let mut kept = Schedules::default();
        for (pick, turn) in picks {
            let fleet = Fleet { slots: slots_of(&pick, slots), ..fleet_of(&[&run, &beside]) };
            let slowly = one_by_one(&fleet, &run);
            prop_assert_eq!(&waits(&fleet, &run), &slowly);
            let now = kept.ready(&fleet, &run);
            let shared = slowly.iter().any(|(_, wait)| matches!(wait, Wait::Resource { .. } | Wait::Room { .. }));
            prop_assert!(!now.more_later || shared, "{:?}", slowly);
            let mut begin: Vec<String> = now.begin.into_iter().map(|id| id.0).collect();
            let may: Vec<String> = slowly.into_iter().filter(|it| it.1 == Wait::Ready).map(|it| it.0.0).collect();
            prop_assert_eq!(&begin, &may);
            // What may begin does not always do so.
            if turn == 0 && begin.len() > 1 {
                begin.remove(0);
            }
            for it in &mut run.tasks {
                if begin.contains(&it.spec.id.0) {
                    it.state = TaskState::Active { attempt: AttemptId(1) };
                }
            }
            let active: Vec<usize> = (0..run.tasks.len()).filter(|n| matches!(run.tasks[*n].state, TaskState::Active { .. })).collect();
            prop_assert!(active.iter().map(|n| tiers::places(&run.tasks[*n].spec, &run.policy)).sum::<u32>() <= slots);
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
                // Nothing of this run is at work: what still waits may wait for the other one, which ends now.
                if let Some(task) = beside.tasks.iter_mut().find(|it| matches!(it.state, TaskState::Active { .. })) {
                    task.state = TaskState::DoneBefore;
                    continue;
                }
                if let Some(task) = run.tasks.iter_mut().find(|it| it.rests.is_some()) {
                    task.rests = None;
                    continue;
                }
                let parked = run.tasks.iter_mut().filter(|it| matches!(it.state, TaskState::Parked { .. }));
                let back = parked.map(|it| it.state = TaskState::Waiting).count();
                at_rest = back == 0;
                if at_rest {
                    break;
                }
                continue;
            }
            // One rest is over now and then.
            if turn % 3 == 0 && let Some(task) = run.tasks.iter_mut().find(|it| it.rests.is_some()) {
                task.rests = None;
            }
            let moved = *pick.get(&active);
            run.tasks[moved].state = match turn {
                1 | 5 => TaskState::Waiting,
                2 => TaskState::Parked { why: String::new() },
                3 => TaskState::Skipped,
                _ => TaskState::DoneBefore,
            };
            run.tasks[moved].rests = (turn == 5).then_some(At(9));
            if turn == 4 {
                // A person let it go on with another spec, in which something is to be done again.
                run.tasks[moved / 2].state = TaskState::Waiting;
                run.approved = format!("{over}-{moved}").as_str().into();
            }
            over += 1;
        }
        if at_rest {
            let fleet = fleet_of(&[&run]);
            prop_assert!(run.tasks.iter().all(|it| it.state.is_done()), "left over: {:?}", waits(&fleet, &run));
        }
    }
}
