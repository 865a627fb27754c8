//! Specs and plans in the layouts that people have, by the built program: listed, checked, laid into waves; without an engine, and without
//! a changed file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pilothouse_testkit::home::{Home, Ran};
use serde_json::Value;

const SPEC: &str = "# Tides\n\n## User Scenarios\nOne looks.\n\n## Requirements\n- **FR-001**: It MUST say the height in `src/tide.rs`\n\n## Success Criteria\n- **SC-001**: at once\n";
const TASKS: &str = "# Tasks\n\n- [P]: may run beside others\n\n## Phase 1: Setup\n\n- [X] T001 Make it\n\n## Phase 2: Tides\n\n\
    - [ ] T002 [P] [US1] Read\n  - Files: `src/read.rs`\n  - Verify: `true`\n  - Covers: FR-001\n\
    - [ ] T003 [P] [US1] Say\n  - Files: `src/say.rs`\n  - Verify: `true`\n  - Covers: SC-001\n\
    - [ ] T004 Join (depends on T002, T003)\n  - Files: `src/**`\n  - Verify: `true`\n\n```\n- [ ] T900 sample\n```\n";

/// A repository with six layouts at once.
fn six(folder: &Path) {
    for (path, text) in [
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".specify/memory/constitution.md", "# C\n"),
        ("src/tide.rs", ""),
        ("specs/001-tide/spec.md", SPEC),
        ("specs/001-tide/tasks.md", TASKS),
        ("openspec/changes/add-x/proposal.md", "# Change: X\n## Why\nx\n## What Changes\ny\n"),
        (
            "openspec/changes/add-x/tasks.md",
            "## 1. A\n* [ ] 1.1 Do it, verified by `true`\r\n* [x] 1.2 Did it\r\n",
        ),
        (
            ".kiro/specs/store/tasks.md",
            "- [ ] 1. Set up\n  - [-] 1.1 Make\n    - _Requirements: 1.1_\n  - [ ]* 1.2 Maybe\n",
        ),
        (
            ".ai/runs/2026-01-02-run/PLAN.md",
            "## Tasks\n| Phase | Step | Title | Status | Commit |\n|---|---|---|---|---|\n| 1 | 1.1 | Go | todo | |\n",
        ),
        (
            "prd.json",
            "{\"userStories\": [{\"id\": \"US-1\", \"title\": \"t\", \"priority\": 1, \"passes\": false}]}",
        ),
        (
            ".taskmaster/tasks/tasks.json",
            "{\"master\": {\"tasks\": [{\"id\": 1, \"title\": \"t\", \"status\": \"pending\"}]}}",
        ),
        ("node_modules/x/prd.json", "{}"),
    ] {
        let whole = folder.join(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, text).unwrap();
    }
}

fn on(home: &Home, verb: &[&str], path: &Path) -> Ran {
    let path = path.display().to_string();
    let args: Vec<&str> = verb.iter().copied().chain([path.as_str()]).collect();
    home.try_json(&args)
}

fn bytes_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut edge = vec![folder.to_owned()];
    while let Some(next) = edge.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                edge.push(path);
            } else {
                all.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    all
}

fn item<'a>(listed: &'a Value, layout: &str) -> &'a Value {
    let items = listed["items"].as_array().unwrap();
    items.iter().find(|it| it["layout"] == layout).unwrap_or_else(|| panic!("no {layout}: {listed:#}"))
}

#[test]
fn a_repository_of_six_layouts_is_listed_with_bytes_and_no_file_is_changed() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    six(folder.path());
    let before = bytes_below(folder.path());
    // From anywhere within it.
    let ran = on(&home, &["spec", "list"], folder.path());
    assert_eq!(ran.code, 0, "{ran:?}");
    let listed = ran.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 6, "{listed:#}");
    let kit = item(&listed, "spec-kit");
    let tasks = kit["tasks"].as_array().unwrap();
    let ids: Vec<&str> = tasks.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["T001", "T002", "T003", "T004"]);
    assert_eq!(kit["phases"].as_array().unwrap().len(), 2);
    for task in tasks {
        let at = |span: &str, end: &str| usize::try_from(task[span][end].as_u64().unwrap()).unwrap();
        let row = &TASKS[at("row", "from")..at("row", "to")];
        assert!(row.contains(task["id"].as_str().unwrap()), "{row}");
        let state = &TASKS[at("mark", "from")..at("mark", "to")];
        assert_eq!(state == " ", task["state"] == "open");
        assert!(at("span", "to") >= at("row", "to"));
    }
    assert_eq!(tasks[3]["depends"], serde_json::json!(["T002", "T003"]));
    assert_eq!(tasks[1]["verify"]["with"], serde_json::json!(["true"]));
    assert_eq!(tasks[1]["files"]["include"], serde_json::json!(["src/read.rs"]));
    assert_eq!(item(&listed, "open-spec")["tasks"][0]["verify"]["with"][0], "true");
    assert_eq!(item(&listed, "kiro")["tasks"][1]["state"], "working");
    assert_eq!(item(&listed, "open-mercato")["tasks"][0]["id"], "1.1");
    assert_eq!(item(&listed, "ralph")["tasks"][0]["id"], "US-1");
    assert_eq!(item(&listed, "task-master")["tasks"][0]["state"], "open");
    // One item by its folder, for people.
    let shown = home.run(&["spec", "list", &folder.path().join("specs/001-tide").display().to_string()]);
    assert!(shown.code == 0 && shown.out.contains("done      T001 Make it"), "{shown:?}");
    assert!(shown.out.contains("Phase 2: Tides") && !shown.out.contains("T900"), "{shown:?}");
    assert_eq!(bytes_below(folder.path()), before, "no file was changed, none was made");
    assert!(!home.data().join("engine.lock").exists(), "no engine was started for it");
}

#[test]
fn checks_end_with_0_1_or_2_and_carry_the_remedy() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    six(folder.path());
    let kit = folder.path().join("specs/001-tide");
    for what in ["spec", "plan"] {
        let ran = on(&home, &["check", what], &kit);
        assert_eq!((ran.code, ran.json()["holds"].as_bool()), (0, Some(true)), "{ran:?}");
    }
    let broken = TASKS.replace(
        "  - Verify: `true`\n  - Covers: SC-001\n",
        "  - Verify: `frobnicate --now`\n  - Depends: T004\n",
    );
    std::fs::write(kit.join("tasks.md"), &broken).unwrap();
    let ran = on(&home, &["check", "plan"], &kit.join("tasks.md"));
    assert_eq!(ran.code, 1, "{ran:?}");
    let said = ran.json();
    let found = said["items"][0]["gates"][0]["found"].as_array().unwrap();
    let blocking: Vec<(u64, &str)> = found
        .iter()
        .filter(|it| it["blocking"] == true)
        .map(|it| (it["line"].as_u64().unwrap(), it["says"].as_str().unwrap()))
        .collect();
    let line =
        |words: &str| u64::try_from(broken.lines().position(|it| it.contains(words)).unwrap() + 1).unwrap();
    assert!(
        blocking.iter().any(|it| it.0 == line("T003 [P]")
            && it.1.contains("'frobnicate'")
            && it.1.contains("mend the command")),
        "{said:#}"
    );
    assert!(
        blocking.iter().any(|it| it.1.contains("waits for itself") && it.1.contains("look at Depends")),
        "{said:#}"
    );
    let people = home.run(&["check", "plan", &kit.display().to_string()]);
    assert!(people.code == 1 && people.out.contains("G5 the plan: DOES NOT HOLD"), "{people:?}");
    assert!(people.out.contains(&format!("specs/001-tide/tasks.md:{}:1: ", line("T003 [P]"))), "{people:?}");

    // A spec whose bytes are no text, and one that is asked for and is not there.
    std::fs::write(kit.join("spec.md"), b"# T\n\xff\n").unwrap();
    let ran = on(&home, &["check", "spec"], &kit);
    let said = ran.json();
    let found = &said["items"][0]["gates"][0]["found"][0];
    assert_eq!(
        (ran.code, found["line"].as_u64(), found["column"].as_u64()),
        (1, Some(2), Some(1)),
        "{said:#}"
    );
    let nothing = on(&home, &["check", "plan"], &folder.path().join("no-such"));
    assert!(nothing.code == 2 && nothing.fault().contains("cannot be looked at"), "{nothing:?}");
    let empty = tempfile::tempdir().unwrap();
    let nothing = on(&home, &["spec", "list"], empty.path());
    assert!(nothing.code == 2 && nothing.fault().contains("no spec or plan"), "{nothing:?}");
}

#[test]
fn waves_say_why_each_task_waits() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    six(folder.path());
    let kit = folder.path().join("specs/001-tide");
    let ran = on(&home, &["plan", "waves"], &kit);
    assert_eq!(ran.code, 0, "{ran:?}");
    let plans = ran.json();
    let waves = |plans: &Value| -> Vec<Vec<String>> {
        let all = plans[0]["waves"].as_array().unwrap();
        all.iter()
            .map(|it| {
                it.as_array().unwrap().iter().map(|it| it["task"].as_str().unwrap().to_owned()).collect()
            })
            .collect()
    };
    assert_eq!(waves(&plans), [vec!["T002", "T003"], vec!["T004"]]);
    assert_eq!(plans[0]["waves"][1][0]["waits"][0]["because"], "dependency");
    let narrow = on(&home, &["plan", "waves", "--slots", "1"], &kit).json();
    assert_eq!(waves(&narrow), [["T002"], ["T003"], ["T004"]]);
    assert_eq!(narrow[0]["waves"][1][0]["waits"][0]["because"], "slot");
    std::fs::write(folder.path().join("WORKFLOW.md"), "---\npilothouse:\n  hot: [src/read.rs]\n---\n")
        .unwrap();
    let hot = on(&home, &["plan", "waves"], &kit).json();
    assert_eq!(waves(&hot), [["T002"], ["T003"], ["T004"]]);
    assert!(
        hot[0]["waves"][1][0]["waits"][0]["says"].as_str().unwrap().contains("src/read.rs is a hot file"),
        "{hot:#}"
    );
    std::fs::write(
        kit.join("tasks.md"),
        TASKS.replace("  - Verify: `true`\n  - Covers: FR-001\n", "  - Depends: T004\n"),
    )
    .unwrap();
    let stuck = on(&home, &["plan", "waves"], &kit);
    assert_eq!((stuck.code, stuck.json()[0]["stuck"].as_array().unwrap().len()), (1, 2), "{stuck:?}");
}

#[test]
fn what_a_hostile_repository_says_reaches_no_terminal_as_it_is() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let tasks = folder.path().join("specs/001-x");
    std::fs::create_dir_all(&tasks).unwrap();
    std::fs::write(tasks.join("tasks.md"), "- [ ] T001 \x1b]0;owned\x07\u{202e}x\n- [] T002 \x1b[2J\n")
        .unwrap();
    // A link to somewhere else is not followed.
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(other.path().join("002-secret")).unwrap();
    std::fs::write(other.path().join("002-secret/tasks.md"), "- [ ] T001 secret\n").unwrap();
    std::os::unix::fs::symlink(other.path().join("002-secret"), folder.path().join("specs/002-secret"))
        .unwrap();
    for verb in [["spec", "list"], ["check", "plan"], ["plan", "waves"]] {
        let ran = home.run(&[verb[0], verb[1], &folder.path().join("specs").display().to_string()]);
        assert!(ran.out.contains("001-x"), "{ran:?}");
        assert!(!ran.out.contains(['\x1b', '\x07', '\u{202e}']) && !ran.out.contains("secret"), "{ran:?}");
    }
}
