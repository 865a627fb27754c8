//! Items of the layouts that people have, carried to a landed change by the built programs: real git, a scripted agent, and ticks in the
//! layout's own form. And what keeps one from being carried.

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::event::Event;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use serde_json::Value;

/// Writes the file that its task's id names, with all that its proof asks for.
const AGENT: &str = "name=$(echo \"$task\" | tr '. ' '__'); echo \"made by $task\" > \"made-$name.txt\"";

/// Has an item carried to its end. Returns its run's page, which landed.
fn landed(home: &Home, agent: &ShellAgent, item: &str) -> Value {
    let seq = home.history().last().map_or(0, |it| it.seq);
    let run = home.json(&["run", "start", item, "--command", &agent.command(), "--approve", "policy"]);
    let id = run["id"].as_str().unwrap().to_owned();
    let ended = home.events(seq).find_map(|it| match it.event {
        Event::RunMoved { run, to, why, .. } if run.to_string() == id && !to.is_live() => Some((to, why)),
        _ => None,
    });
    let (state, why) = ended.expect("the run ends");
    assert_eq!(state, RunState::Landed, "{why}");
    home.json(&["run", "show", &id])
}

fn items(home: &Home) -> Vec<Value> {
    home.json(&["item", "list"]).as_array().unwrap().clone()
}

fn item<'a>(items: &'a [Value], slug: &str) -> &'a Value {
    items.iter().find(|it| it["slug"] == slug).unwrap_or_else(|| panic!("no {slug} in {items:#?}"))
}

const PROPOSAL: &str = "# Change: Reading\n\n## Why\nThey want it.\n\n## What Changes\n- It reads.\n";
const OPEN_SPEC: &str = "## 1. Reader\r\n\r\n* [x] 1.1 Did it\r\n* [ ] 1.2 Read it\r\n  - Verify: `test -s made-1_2.txt`\r\n  - Files: `made-1_2.txt`\r\n\r\n\
    ```md\r\n- [ ] 9.9 a sample\r\n```\r\n\r\n## 2. Writer\r\n\r\n* [ ] 2.1 Write it\r\n\r\n<!-- the end -->";
const OPEN_SPEC_TABLE: &str =
    "| Task | Files | Verify |\n|---|---|---|\n| 2.1 | `made-2_1.txt` | `grep -q 2.1 made-2_1.txt` |\n";

#[test]
fn an_open_spec_change_lands_with_its_ticks_in_its_own_file() {
    let tasks = "openspec/changes/add-reading/tasks.md";
    let repo = Repo::new(
        "shop",
        &[
            ("openspec/project.md", "# P\n"),
            ("openspec/changes/add-reading/proposal.md", PROPOSAL),
            (tasks, OPEN_SPEC),
            ("openspec/changes/add-reading/tasks.scope.md", OPEN_SPEC_TABLE),
            ("openspec/changes/archive/2026-01-01-old/tasks.md", "- [x] 1.1 did\n"),
        ],
    );
    let before = repo.git(&["rev-parse", "main"]);
    let home = Home::trusting(&repo);
    assert_eq!(repo.git(&["status", "--porcelain", "--ignored"]), "", "opening it changes no file");
    assert_eq!(repo.git(&["rev-parse", "main"]), before);
    let all = items(&home);
    assert_eq!(all.len(), 1, "{all:#?}");
    let it = item(&all, "add-reading");
    assert_eq!((&it["spec"]["layout"], &it["state"]), (&"open-spec".into(), &"planned".into()), "{it:#}");
    let shown = home.run(&["item", "list"]);
    assert!(shown.out.contains("OpenSpec") && shown.out.contains("1/3"), "{shown:?}");
    let agent = ShellAgent::new(AGENT);
    let page = landed(&home, &agent, "add-reading");
    let brief = home.json(&["task", "show", "add-reading", "1.2"])["brief"].as_str().unwrap().to_owned();
    assert!(
        brief.contains("* [ ] 1.2 Read it") && !brief.contains("Write it"),
        "its own words and no other's: {brief}"
    );
    assert!(brief.contains("`openspec/changes/add-reading/proposal.md`: read that first"), "{brief}");
    assert!(brief.contains("do not edit anything below openspec/changes/add-reading/"), "{brief}");
    // Two bytes of the whole file, whatever its line ends are.
    let wanted = OPEN_SPEC.replace("* [ ] 1.2", "* [x] 1.2").replace("* [ ] 2.1", "* [x] 2.1");
    assert_eq!(repo.read(tasks), wanted);
    let changed = repo.git(&["diff", "--name-only", &before, "main"]);
    assert_eq!(
        changed.lines().collect::<Vec<_>>(),
        ["made-1_2.txt", "made-2_1.txt", "openspec/changes/add-reading/evidence.md", tasks]
    );
    let trailers = repo.git(&[
        "log",
        "--format=%(trailers:key=Pilothouse-Tick,valueonly,separator=)",
        &format!("{before}..main"),
    ]);
    let mut ticked: Vec<&str> = trailers.lines().filter(|it| !it.is_empty()).collect();
    ticked.sort_unstable();
    assert_eq!(ticked, ["1.2", "2.1"], "each is ticked by a commit of the engine");
    let passed = page["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["gate"] == "verify" && it["verdict"] == "passed");
    assert!(passed.count() >= 2, "{page:#}");
    assert_eq!(item(&items(&home), "add-reading")["state"], "landed");
}

const KIRO: &str = "# Implementation Plan\n\n- [ ] 1. Store\n  - [x] 1.1 Make it\n    - _Requirements: 1.1_\n\n\n  - [ ] 1.2 Read it\n    - Keep it short\n    - _Requirements: 1.2_\n\
    \x20   - _Verify: `test -s made-1_2.txt`_\n    - _Files: `made-1_2.txt`_\n  - [ ]* 1.3 Property test\n- [ ] 2. Checkpoint\n  - _Verify: `grep -q 'made by 2' made-2.txt`_\n\
    \x20 - _Files: `made-2.txt`_\n  - _Depends: 1_\n";

#[test]
fn a_kiro_feature_lands_with_parts_and_holders_ticked_and_a_worker_that_ticks_itself_is_found_out() {
    let tasks = ".kiro/specs/store/tasks.md";
    let repo = Repo::new(
        "shop",
        &[
            (
                ".kiro/specs/store/requirements.md",
                "### Requirement 1: Store\n\n#### Acceptance Criteria\n1. WHEN x THEN it SHALL y\n2. It SHALL read\n",
            ),
            (".kiro/specs/store/design.md", "# Design\n"),
            (tasks, KIRO),
        ],
    );
    let home = Home::trusting(&repo);
    // F13: at its first try the worker ticks its own box, and on the same occasion another's.
    let agent = ShellAgent::new(&format!(
        "{AGENT}; [ $task = 1.2 ] && [ $again = no ] && sed -i 's/\\[ \\]/[x]/' {tasks}; true"
    ));
    let page = landed(&home, &agent, "store");
    let attempts = page["attempts"].as_array().unwrap();
    let failed: Vec<Failure> =
        attempts.iter().filter_map(|it| serde_json::from_value(it["failure"].clone()).ok()).collect();
    assert_eq!(failed, [Failure::ScopeDrift { paths: vec![tasks.to_owned()] }], "{attempts:#?}");
    let wanted = KIRO
        .replace("- [ ] 1. ", "- [x] 1. ")
        .replace("- [ ] 1.2", "- [x] 1.2")
        .replace("- [ ] 2.", "- [x] 2.");
    assert_eq!(repo.read(tasks), wanted, "the part, what holds it, and the other; the optional one is left");
    assert!(
        repo.read(".kiro/specs/store/evidence.md").contains("| 1.2 Read it |"),
        "{}",
        repo.read(".kiro/specs/store/evidence.md")
    );
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_plan_table_a_plan_of_steps_a_group_and_a_story_land_each_in_its_own_form() {
    let table = "## Tasks\n\n| Phase | Step | Title | Status | Commit |\n|---|---|---|---|---|\n| 1 | 1.1 | Go | **todo** | - |\n";
    let plan = "# Tide plan\n\n### Task 1: Reader\n\n**Files:**\n- Create: `made-Task_1.txt`\n\n- [x] **Step 1: Think**\n- [ ] **Step 2: Do**\n\nRun: `test -s made-Task_1.txt`\n\n- [ ] **Step 3: Look**\n";
    let group = "#### Task Group 1: A\n**Dependencies:** None\n\n- [ ] 1.0 All of it\n  - [ ] 1.1 Part\n    - Verify: `test -s made-1_1.txt`\n    - Files: `made-1_1.txt`\n";
    let prd = "{\n  \"project\": \"Tides\",\n  \"userStories\": [\n    {\"id\": \"US-1\", \"title\": \"Say\", \"priority\": 1, \"passes\": false}\n  ]\n}\n";
    let side = |id: &str, file: &str| {
        format!("| Task | Files | Verify |\n|---|---|---|\n| {id} | `{file}` | `test -s {file}` |\n")
    };
    let repo = Repo::new(
        "shop",
        &[
            (".ai/runs/2026-01-02-run/PLAN.md", table),
            (".ai/runs/2026-01-02-run/SCOPE.md", &side("1.1", "made-1_1.txt")),
            ("docs/superpowers/plans/2026-01-02-tide.md", plan),
            ("agent-os/specs/2026-01-02-group/tasks.md", group),
            ("agent-os/specs/2026-01-02-group/spec.md", "# Group\n"),
            ("prd.json", prd),
            ("prd.scope.md", &side("US-1", "made-US-1.txt")),
        ],
    );
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new(&format!(
        "task=$(sed -n 's/^## Your task: \\(Task [0-9]*\\|[^ ]*\\) .*/\\1/p' \"$1\"); {AGENT}"
    ));
    for slug in ["2026-01-02-run", "2026-01-02-tide", "prd"] {
        landed(&home, &agent, slug);
    }
    assert_eq!(repo.read(".ai/runs/2026-01-02-run/PLAN.md"), table.replace("**todo**", "**done**"));
    let steps = plan.replace("- [ ] **Step", "- [x] **Step");
    assert_eq!(repo.read("docs/superpowers/plans/2026-01-02-tide.md"), steps);
    assert_eq!(repo.read("prd.json"), prd.replace("false", "true"));
    for record in [
        ".ai/runs/2026-01-02-run/evidence.md",
        "docs/superpowers/plans/2026-01-02-tide.evidence.md",
        "prd.evidence.md",
    ] {
        assert!(repo.read(record).contains("| `test -s made-"), "{}", repo.read(record));
    }
    // Its task has the id of another's: what that made would let its proof hold before any work.
    repo.git(&["rm", "--quiet", "made-1_1.txt"]);
    repo.commit(&[], "Begin anew");
    landed(&home, &agent, "2026-01-02-group");
    assert_eq!(repo.read("agent-os/specs/2026-01-02-group/tasks.md"), group.replace("- [ ]", "- [x]"));
    // What lies beside plans is no plan: no item came of an evidence file.
    assert_eq!(items(&home).len(), 4, "{:#?}", items(&home));
}

#[test]
fn what_cannot_be_carried_says_in_one_sentence_why_and_begins_once_it_is_mended() {
    let tasks = "openspec/changes/add-x/tasks.md";
    let repo = Repo::new(
        "shop",
        &[
            (".specify/memory/constitution.md", "# C\n"),
            ("specs/001-kit/spec.md", "# Kit\n"),
            ("specs/001-kit/tasks.md", "## Phase 1: A\n- [ ] T001 Do it in src/a.rs\n"),
            (tasks, "## 1. A\n- [ ] 1.1 Do it\n"),
            (".kiro/specs/add-x/tasks.md", "- [ ] 1. One\n"),
            (
                ".taskmaster/tasks/tasks.json",
                "{\"master\": {\"tasks\": [{\"id\": 1, \"title\": \"t\", \"status\": \"pending\", \"testStrategy\": \"`true`\"}]}}",
            ),
        ],
    );
    let home = Home::trusting(&repo);
    let all = items(&home);
    let told: Vec<(&str, &str, &str)> = all
        .iter()
        .map(|it| {
            (
                it["slug"].as_str().unwrap(),
                it["spec"]["layout"].as_str().unwrap(),
                it["state"].as_str().unwrap(),
            )
        })
        .collect();
    // Two layouts give one name, and the second says whose it is.
    assert_eq!(
        told,
        [
            ("001-kit", "spec-kit", "drafting"),
            ("add-x", "open-spec", "drafting"),
            ("add-x-kiro", "kiro", "drafting"),
            ("master", "task-master", "drafting"),
        ]
    );
    let why = item(&all, "add-x")["why"].as_str().unwrap();
    assert!(
        why.contains("1 of 1 open tasks have no Verify")
            && why.contains("in openspec/changes/add-x/tasks.scope.md"),
        "{why}"
    );
    let agent = ShellAgent::new(AGENT);
    let start = |slug: &str| {
        home.try_json(&["run", "start", slug, "--command", &agent.command(), "--approve", "policy"])
    };
    let refused = start("add-x");
    assert!(
        refused.fault().contains("have no Verify")
            && refused.fault().contains("mend openspec/changes/add-x/tasks.md"),
        "{refused:?}"
    );
    let refused = start("master");
    assert!(
        refused.fault().contains("task-master's own, which is read here and never written"),
        "{refused:?}"
    );
    assert!(start("001-kit").fault().contains("T001 has no Verify"));
    // Mended beside the file: spec-kit's, too.
    let side = |id: &str, file: &str| {
        format!("| Task | Files | Verify |\n|---|---|---|\n| {id} | `{file}` | `test -s {file}` |\n")
    };
    repo.commit(
        &[
            ("openspec/changes/add-x/tasks.scope.md", &side("1.1", "made-1_1.txt")),
            ("specs/001-kit/tasks.scope.md", &side("T001", "made-T001.txt")),
        ],
        "Say how it is proved",
    );
    home.trust_again(&repo);
    landed(&home, &agent, "add-x");
    landed(&home, &agent, "001-kit");
    assert_eq!(repo.read(tasks), "## 1. A\n- [x] 1.1 Do it\n");
    assert_eq!(
        repo.read(".kiro/specs/add-x/tasks.md"),
        "- [ ] 1. One\n",
        "the other of that name is as it was"
    );
    assert_eq!(repo.read("specs/001-kit/tasks.md"), "## Phase 1: A\n- [x] T001 Do it in src/a.rs\n");
}
