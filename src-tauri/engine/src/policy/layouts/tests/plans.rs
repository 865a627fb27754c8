//! Waves and gates.

use std::collections::{BTreeMap, HashMap};

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Because, GateLook, LaidItem, LaidTask, Layout, Mark, Waves};
use pilothouse_contract::spec::{Phase, Scope, TaskSpec};
use proptest::prelude::*;

use super::{repo, task};
use crate::policy::layouts::gates::{plan, spec};
use crate::policy::layouts::waves::{Limits, waves};
use crate::policy::scope::overlap;
use crate::policy::specs::{Graph, gates, needs};

fn laid(specs: Vec<TaskSpec>) -> LaidItem {
    let mut item = LaidItem::new(Layout::Native, "x", "specs/001-x");
    let phases = specs.iter().filter_map(|it| it.phase).max().map_or(0, |it| it + 1);
    item.phases.resize_with(phases, Default::default);
    item.tasks = specs
        .into_iter()
        .map(|spec| LaidTask {
            state: if spec.done { Mark::Done } else { Mark::Open },
            spec,
            ..LaidTask::default()
        })
        .collect();
    item
}

fn in_words(waves: &Waves) -> Vec<String> {
    let wave = |it: &Vec<pilothouse_contract::layout::InWave>| {
        it.iter().map(|it| it.task.to_string()).collect::<Vec<_>>().join(" ")
    };
    waves.waves.iter().map(wave).collect()
}

fn why(waves: &Waves, id: &str) -> Vec<(Because, Option<String>)> {
    let all = waves.waves.iter().flatten().find(|it| it.task.as_str() == id).unwrap();
    all.waits.iter().map(|it| (it.because, it.on.as_ref().map(ToString::to_string))).collect()
}

const PLAN: &str = "## Phase 1: A\n- [x] T001 Done\n  - Files: `a`\n- [ ] T002 [P] b\n  - Files: `src/b/**`\n- [ ] T003 [P] b too\n  - Files: `src/b/c.rs`\n\
    - [ ] T004 [P] d\n  - Files: `d.rs`\n  - Uses: db\n- [ ] T005 [P] e\n  - Files: `e.rs`\n  - Uses: db\n- [ ] T006 [P] unknown\n- [ ] T007 [P] lock\n  - Files: `Cargo.lock`\n\
    ## Phase 2: B\n- [ ] T008 after all\n  - Files: `f.rs`\n- [ ] T009 named\n  - Files: `g.rs`\n  - Depends: T004\n- [ ]* T010 optional\n";

#[test]
fn each_task_that_waits_says_for_which_of_four_reasons() {
    let repo = repo(&[("specs/001-x/tasks.md", PLAN)]);
    let item = repo.item("001-x");
    let limits = Limits { hot: vec!["Cargo.lock".to_owned()], ..Limits::default() };
    let all = waves(item, &limits);
    assert_eq!(in_words(&all), ["T002 T004", "T003 T005 T009", "T006", "T007", "T008"]);
    assert_eq!(all.stuck, []);
    assert_eq!(why(&all, "T002"), []);
    let on = |id: &str| Some(id.to_owned());
    assert_eq!(why(&all, "T003"), [(Because::Scope, on("T002"))]);
    assert_eq!(why(&all, "T005"), [(Because::Resource, on("T004"))]);
    assert_eq!(why(&all, "T009"), [(Because::Dependency, on("T004"))]);
    assert_eq!(why(&all, "T007"), [(Because::Scope, on("T006"))]);
    assert_eq!(why(&all, "T008"), [(Because::Dependency, on("T007"))]);
    let narrow = waves(item, &Limits { slots: Some(1), ..limits });
    assert_eq!(narrow.waves.len(), 8);
    assert_eq!(why(&narrow, "T004"), [(Because::Slot, None)]);
}

#[test]
fn what_holds_others_is_not_worked_and_whoever_waits_for_it_waits_for_them() {
    let tasks = "- [ ] 1. A\n- [ ] 1.1 (P) one\n- [ ] 1.2 (P) two\n- [ ] 2. B\n  - _Depends: 1_\n- [ ] 3. C\n  - _Depends: 3.1_\n- [ ] 3.1 D\n  - _Depends: 3.2_\n- [ ] 3.2 E\n  - _Depends: 3.1_\n";
    let repo = repo(&[(".kiro/specs/x/tasks.md", tasks)]);
    let all = waves(repo.item("x"), &Limits::default());
    assert_eq!(in_words(&all), ["1.1", "1.2", "2"]);
    assert_eq!(all.stuck, [TaskId::from("3.1"), TaskId::from("3.2")]);
}

fn some_specs() -> impl Strategy<Value = Vec<TaskSpec>> {
    let scopes = proptest::option::weighted(
        0.9,
        proptest::collection::vec(
            prop_oneof![
                Just("src/a.rs"),
                Just("src/b.rs"),
                Just("src/**"),
                Just("docs/*.md"),
                Just("docs/a.md"),
                Just("lib/x/"),
                Just("lib/x/y.rs"),
                Just("**/z.rs"),
                Just("SRC/A.rs"),
                Just("t/{a,b}.rs"),
                Just("u")
            ],
            1..3,
        ),
    );
    let depends = proptest::option::weighted(0.4, proptest::collection::vec(0..30_usize, 0..3));
    let one = (scopes, depends, 0..3_usize, any::<(bool, bool, bool)>(), proptest::option::of(Just("db")));
    proptest::collection::vec(one, 0..25).prop_map(|all| {
        let mut phase = 0;
        let specs = all.into_iter().enumerate().map(
            |(n, (files, depends, step, (parallel, done, optional), uses))| {
                phase += usize::from(step == 0);
                TaskSpec {
                    id: TaskId(format!("T{n:03}")),
                    phase: Some(phase),
                    parallel,
                    done: done && n % 3 == 0,
                    optional: optional && n % 5 == 0,
                    files: files.map(|it| Scope {
                        include: it.into_iter().map(str::to_owned).collect(),
                        ..Scope::default()
                    }),
                    depends: depends.map(|it| it.into_iter().map(|it| TaskId(format!("T{it:03}"))).collect()),
                    uses: uses.into_iter().map(str::to_owned).collect(),
                    ..TaskSpec::default()
                }
            },
        );
        specs.collect()
    })
}

proptest! {
    /// No wave holds two tasks that might write one file or take one thing; what comes first stands in an earlier wave; each task that may
    /// ever begin stands once; and the same plan gives the same waves.
    #[test]
    fn waves_keep_scopes_apart_and_the_order(specs in some_specs(), slots in proptest::option::of(1..4_usize)) {
        let item = laid(specs);
        let limits = Limits { slots, ..Limits::default() };
        let all = waves(&item, &limits);
        prop_assert_eq!(&all, &waves(&item.clone(), &limits));
        let specs: Vec<&TaskSpec> = item.tasks.iter().map(|it| &it.spec).filter(|it| !it.optional).collect();
        let of: BTreeMap<&TaskId, &TaskSpec> = specs.iter().map(|it| (&it.id, *it)).collect();
        let mut wave_of: HashMap<&TaskId, usize> = HashMap::new();
        for (number, wave) in all.waves.iter().enumerate() {
            prop_assert!(slots.is_none_or(|it| wave.len() <= it) && !wave.is_empty());
            for (place, it) in wave.iter().enumerate() {
                prop_assert!(wave_of.insert(&it.task, number).is_none(), "{} stands twice", it.task);
                prop_assert!(number == 0 || !it.waits.is_empty(), "{} waits and does not say why", it.task);
                for other in &wave[..place] {
                    let (one, two) = (of[&it.task], of[&other.task]);
                    prop_assert_eq!(overlap(one.files.as_ref(), two.files.as_ref()), None, "{} and {}", one.id, two.id);
                    prop_assert!(one.uses.is_empty() || two.uses.is_empty());
                }
            }
        }
        for (place, spec) in specs.iter().enumerate().filter(|(_, it)| !it.done) {
            let Some(own) = wave_of.get(&spec.id) else {
                prop_assert!(all.stuck.contains(&spec.id));
                continue;
            };
            for first in needs(&specs, place).iter().filter(|it| of.get(it).is_some_and(|it| !it.done)) {
                prop_assert!(wave_of[first] < *own, "{} before {}", first, spec.id);
            }
        }
    }

    /// The graph says the same as asking each about each.
    #[test]
    fn the_graph_finds_the_circles_that_asking_each_finds(specs in some_specs(), checked in any::<[bool; 3]>()) {
        let phases: Vec<Phase> = checked.iter().map(|it| Phase {
            checkpoint: it.then(|| "true".to_owned()).into_iter().collect(),
            ..Phase::default()
        }).collect();
        let refs: Vec<&TaskSpec> = specs.iter().collect();
        let places: HashMap<&TaskId, usize> = specs.iter().enumerate().map(|(place, it)| (&it.id, place)).collect();
        let gated: Vec<usize> = phases.iter().enumerate().filter(|it| !it.1.checkpoint.is_empty()).map(|it| it.0).collect();
        let mut left: Vec<usize> = (0..specs.len()).collect();
        let first = |place: usize| {
            let mut all: Vec<usize> = needs(&refs, place).iter().filter_map(|it| places.get(it).copied()).collect();
            let of = |id: &TaskId| places.get(id).and_then(|it| specs[*it].phase);
            for gate in gates(&specs[place], &gated, of) {
                all.extend((0..specs.len()).filter(|it| specs[*it].phase == Some(gate) && !specs[*it].optional));
            }
            all
        };
        loop {
            let before = left.len();
            let now = left.clone();
            left.retain(|it| first(*it).iter().any(|it| now.contains(it)));
            if left.len() == before {
                break;
            }
        }
        prop_assert_eq!(Graph::of(&specs, &phases).stuck(), left);
    }
}

const GOOD: &str = "# Export\n\n## Summary\n\nWhy.\n\n## Requirements\n\n- **FR-001**: It MUST write `src/csv.rs`\n\n## Success criteria\n\n- **SC-001**: in 2 s\n\n\
    ## Compatibility\n\nNone, because it is new.\n\n## Risks\n\n| id | scenario |\n|---|---|\n| R1 | full disk |\n\n## Open questions\n\nNone.\n";
const GOOD_PLAN: &str = "## Phase 1: A\n- Detail: phases/01.md\n\n- [ ] T001 Write\n  - Files: `src/csv.rs`\n  - Verify: `cargo test`\n  - Covers: FR-001, SC-001\n";

fn looks(files: &[(&str, &str)], of_plan: bool) -> Vec<GateLook> {
    let repo = repo(files);
    let item = &repo.items[0];
    if of_plan {
        plan(item, &repo.files, &|it| it.starts_with("cargo "))
    } else {
        spec(item, &repo.files, &|it| it == "src/csv.rs")
    }
}

fn blocking(looks: &[GateLook]) -> Vec<(String, usize, String)> {
    let found = looks.iter().flat_map(|it| it.found.iter().map(move |found| (it, found)));
    let found = found.filter(|(_, it)| it.remark.blocking);
    found.map(|(look, it)| (look.gate.clone(), it.remark.line, it.remark.says.clone())).collect()
}

#[test]
fn a_spec_that_is_whole_holds_and_each_lack_is_named_with_its_cure() {
    let of = |text: &str| looks(&[("specs/001-x/spec.md", text), ("specs/001-x/tasks.md", "")], false);
    let good = of(GOOD);
    assert!(good.iter().all(|it| it.holds && it.found.is_empty()), "{good:?}");
    assert_eq!(good.iter().map(|it| it.gate.as_str()).collect::<Vec<_>>(), ["G1", "G2", "G3"]);
    for (text, gate, line, says) in [
        (GOOD.replace("## Risks", "## Notes"), "G1", 1, "has no section 'Risks'"),
        (GOOD.replace("| id | scenario |\n|---|---|\n| R1 | full disk |\n", ""), "G1", 19, "says nothing"),
        (GOOD.replace("| id | scenario |\n|---|---|\n| R1 | full disk |", "Some."), "G3", 19, "has no table"),
        (GOOD.replace("Why.", "TBD"), "G2", 5, "placeholder TBD"),
        (GOOD.replace("Why.", "a [NEEDS CLARIFICATION: which?]"), "G2", 5, "clarification"),
        (GOOD.replace("**FR-001**: ", "").replace("**SC-001**: ", ""), "G1", 1, "no requirement with an id"),
    ] {
        let found = blocking(&of(&text));
        assert!(
            found.iter().any(|it| (it.0.as_str(), it.1) == (gate, line) && it.2.contains(says)),
            "{says}: {found:?}"
        );
    }
    let stale = of(&GOOD.replace("src/csv.rs", "src/gone.rs"));
    assert!(stale[0].holds && stale[0].found[0].remark.says.contains("src/gone.rs"), "{stale:?}");
    let missing = looks(&[("specs/001-x/tasks.md", GOOD_PLAN)], false);
    assert!(blocking(&missing)[0].2.contains("is missing"), "{missing:?}");
}

#[test]
fn a_plan_that_is_whole_holds_and_each_lack_is_named_with_its_cure() {
    let of = |text: &str| {
        looks(
            &[
                ("specs/001-x/spec.md", GOOD),
                ("specs/001-x/tasks.md", text),
                ("specs/001-x/phases/01.md", "# A\n"),
            ],
            true,
        )
    };
    let good = of(GOOD_PLAN);
    assert!(good.iter().all(|it| it.holds && it.found.is_empty()), "{good:?}");
    for (text, line, says) in [
        (GOOD_PLAN.replace("  - Verify: `cargo test`\n", ""), 4, "has no Verify"),
        (
            GOOD_PLAN.replace("cargo test", "frobnicate now"),
            4,
            "'frobnicate now' of its Verify cannot be run",
        ),
        (GOOD_PLAN.replace("FR-001, ", ""), 9, "FR-001 is covered by no task"),
        (GOOD_PLAN.replace("FR-001", "FR-001, FR-077"), 4, "covers FR-077"),
        (GOOD_PLAN.replace("01.md", "02.md"), 1, "names phases/02.md"),
        (format!("{GOOD_PLAN}  - Depends: T001\n"), 4, "waits for itself"),
        (format!("{GOOD_PLAN}{}", &GOOD_PLAN[GOOD_PLAN.find("- [ ]").unwrap()..]), 8, "ids are unique"),
        (String::new(), 1, "has no tasks"),
    ] {
        let found = blocking(&of(&text));
        assert!(found.iter().any(|it| it.1 == line && it.2.contains(says)), "{says}: {found:?}");
    }
    let alone = of(&GOOD_PLAN.replace("  - Files: `src/csv.rs`\n", ""));
    assert!(alone[0].holds && alone[0].found[0].remark.says.contains("runs alone"), "{alone:?}");
}

#[test]
fn hostile_words_stay_words() {
    let text = "- [ ] T001 \u{1b}[2J\u{202e}evil <script>\n  - Verify: `true`\n";
    let repo = repo(&[("specs/001-x/tasks.md", text)]);
    assert_eq!(task(repo.item("001-x"), "T001").spec.title, "\u{1b}[2J\u{202e}evil <script>");
}
