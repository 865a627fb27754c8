//! Specs and plans in the layouts that people have, by the built program: listed, checked, laid into waves; without an engine, and without
//! a changed file.

use std::path::{Path, PathBuf};

use pilothouse_testkit::home::{Home, Ran};
use pilothouse_testkit::repo::bytes_below;
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
            && it.1.contains("'frobnicate --now'")
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

/// One line of each layout that is written, how its task is called, and what the tick makes of it.
const TICKED: [(&str, &str, &str, &str); 6] = [
    ("specs/001-tide/tasks.md", "T002", "- [ ] T002", "- [x] T002"),
    ("openspec/changes/add-x/tasks.md", "1.1", "* [ ] 1.1", "* [x] 1.1"),
    (".kiro/specs/flat/tasks.md", "2", "- [ ] 2.", "- [x] 2."),
    (".ai/runs/2026-01-02-run/PLAN.md", "1.1", "| todo |", "| done |"),
    ("prd.json", "US-1", "\"passes\": false", "\"passes\": true"),
    ("agent-os/specs/2026-x/tasks.md", "1.1", "- [ ] 1.1", "- [x] 1.1"),
];

/// A repository with those, of which one is written by nobody here.
fn written(folder: &Path) {
    six(folder);
    for (path, text) in [
        (".kiro/specs/flat/tasks.md", "- [x] 1. One\n- [ ] 2. Two\n"),
        (
            "agent-os/specs/2026-x/tasks.md",
            "#### Task Group 1: A\n- [x] 1.0 Done\n- [ ] 1.1 Left\n- [ ] 1.2 More\n",
        ),
        ("docs/stories/1.1.story.md", "# Story\nStatus: draft\n- [ ] Task 1: do it\n"),
    ] {
        let whole = folder.join(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, text).unwrap();
    }
}

#[test]
fn a_tick_writes_one_byte_or_one_word_of_each_layout_and_a_dry_run_none() {
    use std::os::unix::fs::PermissionsExt;
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    written(folder.path());
    for (file, task, old, new) in TICKED {
        let path = folder.path().join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let before = bytes_below(folder.path());
        let given = path.display().to_string();
        let shown = home.try_json(&["spec", "tick", &given, task, "--dry-run"]);
        assert_eq!((shown.code, shown.json()["written"].as_bool()), (0, Some(false)), "{shown:?}");
        let diff = shown.json()["diff"].as_str().unwrap().to_owned();
        assert!(diff.starts_with(&format!("--- a/{file}\n+++ b/{file}\n@@ -")), "{diff}");
        assert_eq!(bytes_below(folder.path()), before, "a dry run writes nothing");
        let ran = home.try_json(&["spec", "tick", &given, task]);
        assert_eq!((ran.code, ran.json()["written"].as_bool()), (0, Some(true)), "{ran:?}");
        assert_eq!(ran.json()["diff"], diff.as_str());
        let mut wanted = before.clone();
        let text = String::from_utf8(before[&path].clone()).unwrap();
        assert!(text.contains(old), "{text}");
        wanted.insert(path.clone(), text.replacen(old, new, 1).into_bytes());
        assert_eq!(bytes_below(folder.path()), wanted, "{file}: this and no other byte of the repository");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640, "its permissions are kept");
        let again = home.try_json(&["spec", "tick", &given, task]);
        assert_eq!((again.code, again.json()["changes"].as_bool()), (0, Some(false)), "{again:?}");
        assert_eq!(bytes_below(folder.path()), wanted);
    }
    // A commit goes where the layout has a place for one, and else below the task; BMAD's is told whose it is.
    let kit = folder.path().join("specs/001-tide").display().to_string();
    let ran = home.try_json(&["spec", "tick", &kit, "T003", "--done", "3f2a9c1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = std::fs::read_to_string(folder.path().join("specs/001-tide/tasks.md")).unwrap();
    assert!(
        text.contains("- [x] T003 [P] [US1] Say\n") && text.contains("  - Done: 3f2a9c1\n- [ ] T004"),
        "{text}"
    );
    let noted = home.try_json(&["spec", "annotate", &kit, "T004", "Uses", "`db`"]);
    assert_eq!(noted.code, 0, "{noted:?}");
    let text = std::fs::read_to_string(folder.path().join("specs/001-tide/tasks.md")).unwrap();
    assert!(text.contains("  - Verify: `true`\n  - Uses: `db`\n\n```"), "{text}");
    let before = bytes_below(folder.path());
    let story = folder.path().join("docs/stories/1.1.story.md").display().to_string();
    let refused = home.try_json(&["spec", "tick", &story, "1"]);
    assert!(refused.fault().contains("BMAD's own workflow"), "{refused:?}");
    let refused = home.try_json(&["spec", "tick", &kit, "T900"]);
    assert!(refused.fault().contains("there is no task T900"), "{refused:?}");
    let refused = home.try_json(&["spec", "tick", &folder.path().display().to_string(), "1.1"]);
    assert!(
        refused.fault().contains("is a task of") && refused.fault().contains("openspec/changes/add-x"),
        "{refused:?}"
    );
    let refused = home.try_json(&["spec", "annotate", &kit, "T004", "Verify", "`a`\n- [x] T005 b"]);
    assert!(refused.fault().contains("more than one line"), "{refused:?}");
    assert_eq!(bytes_below(folder.path()), before, "what is refused writes nothing");
}

#[test]
fn what_is_appended_is_read_as_tasks_and_nothing_that_stood_there_is_moved() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    written(folder.path());
    let file = folder.path().join("openspec/changes/add-x/tasks.md");
    let before = std::fs::read_to_string(&file).unwrap();
    let path = folder.path().join("openspec/changes/add-x").display().to_string();
    let task = "Say the height\nVerify: `true`\nFiles: `src/say.rs`";
    let args = ["spec", "append", &path, "Gaps", "--task", task, "--task", "Say it again"];
    let ran = home.try_json(&args);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with(&before));
    let listed = on(&home, &["spec", "list"], &folder.path().join("openspec")).json();
    let tasks = listed["items"][0]["tasks"].as_array().unwrap();
    let told: Vec<(&str, &Value)> =
        tasks.iter().map(|it| (it["id"].as_str().unwrap(), &it["verify"]["with"])).collect();
    assert_eq!(told[2..], [("2.1", &serde_json::json!(["true"])), ("2.2", &Value::Null)], "{told:?}");
    let refused =
        home.try_json(&["spec", "append", &folder.path().display().to_string(), "Gaps", "--task", "x"]);
    assert!(refused.fault().contains("name one of them"), "{refused:?}");
}

#[test]
fn a_line_that_is_another_by_now_is_not_ticked_and_many_at_once_lose_no_tick() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    written(folder.path());
    let tasks = folder.path().join("specs/001-tide/tasks.md");
    let given = tasks.display().to_string();
    let listed = on(&home, &["spec", "list"], &tasks).json();
    let hash = listed["items"][0]["tasks"][1]["hash"].as_str().unwrap().to_owned();
    // Somebody writes the very line, and afterwards another.
    let edited = TASKS.replace("T002 [P] [US1] Read", "T002 [P] [US1] Read all");
    std::fs::write(&tasks, &edited).unwrap();
    let refused = home.try_json(&["spec", "tick", &given, "T002", "--hash", &hash]);
    assert!(refused.fault().contains("is another than the one that was read"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&tasks).unwrap(), edited);
    std::fs::write(&tasks, format!("New words.\n{TASKS}")).unwrap();
    let ran = home.try_json(&["spec", "tick", &given, "T002", "--hash", &hash]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        std::fs::read_to_string(&tasks).unwrap(),
        format!("New words.\n{}", TASKS.replace("- [ ] T002", "- [x] T002"))
    );
    // Many programs tick one file at once.
    let many: String = (1..=12).map(|n| format!("- [ ] T{n:03} Task\n")).collect();
    std::fs::write(&tasks, &many).unwrap();
    let running: Vec<std::process::Child> = (1..=12)
        .map(|n| {
            let id = format!("T{n:03}");
            home.command(&["spec", "tick", &given, &id]).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut it in running {
        assert!(it.wait().unwrap().success());
    }
    assert_eq!(std::fs::read_to_string(&tasks).unwrap(), many.replace("- [ ]", "- [x]"));
    let left: Vec<PathBuf> = bytes_below(tasks.parent().unwrap()).into_keys().collect();
    assert_eq!(left, [folder.path().join("specs/001-tide/spec.md"), tasks], "nothing is left beside it");
}

#[test]
fn a_link_stays_a_link_and_nothing_outside_of_the_repository_is_written() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (home, folder, other) = (Home::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(folder.path());
    let linked = folder.path().join("specs/001-tide/tasks.md");
    let real = folder.path().join("shared.md");
    std::fs::rename(&linked, &real).unwrap();
    symlink("../../shared.md", &linked).unwrap();
    let kit = folder.path().join("specs/001-tide").display().to_string();
    let ran = home.try_json(&["spec", "tick", &kit, "T002"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(linked.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(&real).unwrap(), TASKS.replace("- [ ] T002", "- [x] T002"));
    // Read-only is read-only.
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o440)).unwrap();
    let refused = home.try_json(&["spec", "tick", &kit, "T003"]);
    assert!(refused.fault().contains("is read-only"), "{refused:?}");
    // A link that leads out of the repository is no plan of it, and git's own files are none.
    let outside = other.path().join("tasks.md");
    for target in [outside.clone(), folder.path().join(".git/tasks.md")] {
        std::fs::write(&target, TASKS).unwrap();
        std::fs::remove_file(&linked).unwrap();
        symlink(&target, &linked).unwrap();
        let refused = home.try_json(&["spec", "tick", &kit, "T002"]);
        assert!(refused.fault().contains("there is no task T002"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), TASKS);
    }
}

#[test]
fn task_master_is_asked_to_write_its_own_file_if_it_is_there() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(folder.path());
    let file = folder.path().join(".taskmaster/tasks/tasks.json");
    let before = std::fs::read_to_string(&file).unwrap();
    let path = |first: &str| format!("{first}:/usr/bin:/bin");
    let given = file.display().to_string();
    let home = Home::new().with_env("PATH", &path("/nonexistent"));
    let refused = home.try_json(&["spec", "tick", &given, "1"]);
    assert!(refused.fault().contains("npm install --global task-master-ai"), "{refused:?}");
    assert!(
        refused.fault().contains("task-master set-status --id=1 --status=done --tag=master"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    // One that does as task-master does: it writes the file anew, with more than a status.
    let program = programs.path().join("task-master");
    let script = "#!/bin/sh\n[ \"$*\" = 'set-status --id=1 --status=done --tag=master' ] || { echo \"odd: $*\"; exit 1; }\n\
                  sed -i 's/\"pending\"/\"done\"/' .taskmaster/tasks/tasks.json\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let home = Home::new().with_env("PATH", &path(&programs.path().display().to_string()));
    let shown = home.try_json(&["spec", "tick", &given, "1", "--dry-run"]);
    assert_eq!((shown.code, shown.json()["by"][1].as_str()), (0, Some("set-status")), "{shown:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    let ran = home.try_json(&["spec", "tick", &given, "1"]);
    assert_eq!((ran.code, ran.json()["written"].as_bool()), (0, Some(true)), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before.replace("pending", "done"));
    // One that says it did and did not is not believed.
    std::fs::write(&file, &before).unwrap();
    std::fs::write(&program, "#!/bin/sh\necho done\n").unwrap();
    let refused = home.try_json(&["spec", "tick", &given, "1"]);
    assert!(refused.fault().contains("did not set 1 to done"), "{refused:?}");
}

#[test]
fn a_sidecar_says_what_a_file_does_not() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    written(folder.path());
    let table = "# Scope\n\n| Task | Files | Verify | Depends |\n|---|---|---|---|\n| 1 | `src/a.rs` | `test -s a \\| cat` | - |\n\
                 | **2** | `src/b.rs` (new) | `true` | 1 |\n| 9 | `x` | `true` | |\n";
    std::fs::write(folder.path().join(".kiro/specs/flat/tasks.scope.md"), table).unwrap();
    let listed = on(&home, &["spec", "list"], &folder.path().join(".kiro/specs/flat")).json();
    let tasks = &listed["items"][0]["tasks"];
    assert_eq!(tasks[0]["verify"]["with"], serde_json::json!(["test -s a | cat"]), "{listed:#}");
    assert_eq!(tasks[1]["files"]["new"], serde_json::json!(["src/b.rs"]));
    assert_eq!(tasks[1]["depends"], serde_json::json!(["1"]));
    let told = &listed["items"][0]["diagnostics"][0];
    assert_eq!(
        (told["line"].as_u64(), told["file"].as_str()),
        (Some(7), Some(".kiro/specs/flat/tasks.scope.md")),
        "{told}"
    );
    // What the file says itself is so.
    let text = "- [x] 1. One\n- [ ] 2. Two\n  - _Verify: `false`_\n";
    std::fs::write(folder.path().join(".kiro/specs/flat/tasks.md"), text).unwrap();
    let listed = on(&home, &["spec", "list"], &folder.path().join(".kiro/specs/flat")).json();
    assert_eq!(listed["items"][0]["tasks"][1]["verify"]["with"], serde_json::json!(["false"]));
}
