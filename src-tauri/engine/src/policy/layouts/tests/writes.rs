//! What is written: one byte, or what a layout has for it, and nothing where somebody was there in between.

use pilothouse_contract::layout::{LaidTask, Mark};
use proptest::prelude::*;

use super::layouts::{KIRO, PLAN, RALPH, SPEC_KIT, SUPERPOWERS};
use super::{Repo, ids, repo, task};
use crate::policy::layouts::edit::{Fresh, Refused, Written, annotate, append, tick};

const TASKS: &str = "specs/001-tide/tasks.md";

fn ticked(repo: &Repo, item: &str, id: &str, done: Option<&str>) -> Result<Written, Refused> {
    tick(repo.found(item), &repo.files, item, task(repo.item(item), id), None, done)
}

/// The places of bytes that differ in texts of one length.
fn changed(before: &str, after: &Written) -> Vec<(u8, u8)> {
    assert_eq!(before.len(), after.bytes.len());
    before.bytes().zip(after.bytes.iter().copied()).filter(|(a, b)| a != b).collect()
}

#[test]
fn a_tick_is_one_byte_in_every_layout_of_boxes() {
    for text in [SPEC_KIT.to_owned(), SPEC_KIT.replace('\n', "\r\n"), format!("\u{feff}{SPEC_KIT}")] {
        let repo = repo(&[(TASKS, &text)]);
        let written = ticked(&repo, "001-tide", "T011", None).unwrap();
        assert_eq!(changed(&text, &written), [(b' ', b'x')]);
        let changed: Vec<&str> =
            written.diff.lines().skip(2).filter(|it| it.starts_with(['-', '+'])).collect();
        assert!(
            matches!(changed.as_slice(), [old, new] if old.starts_with("-- [ ] T011") && new.starts_with("+- [x] T011")),
            "{}",
            written.diff
        );
        // One that is done comes back as it is.
        let again = ticked(&repo, "001-tide", "T001", None).unwrap();
        assert_eq!((again.bytes, again.diff.as_str()), (text.clone().into_bytes(), ""));
    }
    let kiro = repo(&[(".kiro/specs/store/tasks.md", KIRO)]);
    // What holds it is done with the last that it holds; those that are optional do not count.
    assert_eq!(changed(KIRO, &ticked(&kiro, "store", "3.2", None).unwrap()), [(b' ', b'x'), (b' ', b'x')]);
    assert_eq!(changed(KIRO, &ticked(&kiro, "store", "2", None).unwrap()), [(b' ', b'x')]);
    let refused = ticked(&kiro, "store", "1.2", None).unwrap_err();
    assert!(matches!(refused, Refused::Marked { mark: Mark::Working, .. }), "{refused}");
}

#[test]
fn a_done_line_comes_below_the_block_as_its_layout_writes_it() {
    let text = "- [ ] T001 a\r\n  - Verify: `x`\r\n\r\n- [ ] T002 b";
    let repo_of_ours = repo(&[("specs/001-tide/tasks.md", text)]);
    let written = ticked(&repo_of_ours, "001-tide", "T001", Some("3f2a9c1")).unwrap();
    assert_eq!(
        String::from_utf8(written.bytes).unwrap(),
        "- [x] T001 a\r\n  - Verify: `x`\r\n  - Done: 3f2a9c1\r\n\r\n- [ ] T002 b"
    );
    let last = ticked(&repo_of_ours, "001-tide", "T002", Some("3f2a9c1")).unwrap();
    assert!(String::from_utf8(last.bytes).unwrap().ends_with("- [x] T002 b\r\n  - Done: 3f2a9c1\r\n"));
    let kiro = repo(&[(".kiro/specs/store/tasks.md", KIRO)]);
    let it = kiro.item("store");
    let noted =
        annotate(kiro.found("store"), &kiro.files, "store", task(it, "1.1"), "Verify", "`true`").unwrap();
    let noted = String::from_utf8(noted.bytes).unwrap();
    assert!(
        noted.contains("    - _Requirements: 1.1–1.3, 2.1_\n    - _Verify: `true`_\n\n- [-] 1.2"),
        "{noted}"
    );
    let bad = annotate(kiro.found("store"), &kiro.files, "store", task(it, "1.1"), "Verify", "a\n- [x] 9");
    assert!(matches!(bad, Err(Refused::Lines(_))), "{bad:?}");
}

#[test]
fn a_plan_and_a_prd_change_in_the_one_cell_and_the_one_word() {
    let path = ".ai/runs/2026-01-03-export/PLAN.md";
    let mercato = repo(&[(path, PLAN)]);
    let it = mercato.item("2026-01-03-export");
    let tick_with = |id: &str, commit| {
        tick(mercato.found(&it.name), &mercato.files, &it.name, task(it, id), commit, None)
    };
    let written = tick_with("1.2", Some("abc1234")).unwrap();
    let text = String::from_utf8(written.bytes).unwrap();
    assert_eq!(text, PLAN.replace("| **todo** | - |", "| **done** | abc1234 |"));
    let written = tick_with("2.1", Some("abc1234")).unwrap();
    let again = repo(&[(path, std::str::from_utf8(&written.bytes).unwrap())]);
    let two = task(again.item(&it.name), "2.1");
    assert_eq!(
        (two.state, two.spec.other.as_slice()),
        (Mark::Done, [("commit".to_owned(), "abc1234".to_owned())].as_slice())
    );
    let refused = tick_with("qa-fix-1", None).unwrap_err();
    assert!(matches!(refused, Refused::Marked { .. }), "{refused}");

    let ralph = repo(&[("prd.json", RALPH)]);
    let written = ticked(&ralph, "prd", "US-002", None).unwrap();
    assert_eq!(
        String::from_utf8(written.bytes).unwrap(),
        RALPH.replacen("\"passes\": false", "\"passes\": true", 1)
    );

    let powers = repo(&[("docs/plans/2026-01-02-tide.md", SUPERPOWERS)]);
    let written = ticked(&powers, "2026-01-02-tide", "Task 1", None).unwrap();
    assert_eq!(changed(SUPERPOWERS, &written), [(b' ', b'x'), (b' ', b'x')], "its two open steps");

    let text = "{\"master\": {\"tasks\": [{\"id\": 3, \"status\": \"pending\"}]}}";
    let theirs = repo(&[(".taskmaster/tasks/tasks.json", text)]);
    let refused = ticked(&theirs, "master", "3", None).unwrap_err().to_string();
    assert!(refused.contains("task-master set-status --id=3 --status=done"), "{refused}");
}

/// F12.
#[test]
fn an_edit_between_reading_and_ticking_loses_nothing() {
    let read = repo(&[(TASKS, SPEC_KIT)]);
    let was: LaidTask = task(read.item("001-tide"), "T011").clone();
    let with = |text: &str| {
        let now = repo(&[(TASKS, text)]);
        tick(now.found("001-tide"), &now.files, "001-tide", &was, None, None)
    };
    // Lines above moved it: it is found where it is now, and what was written in between stays.
    let moved = format!("A new line.\n{}", SPEC_KIT.replace("Make `src/`", "Make `src/` and `tests/`"));
    let written = with(&moved).unwrap();
    assert_eq!(changed(&moved, &written), [(b' ', b'x')]);
    // Its own line is another.
    let refused = with(&SPEC_KIT.replace("Read stations in", "Read all stations in")).unwrap_err();
    assert!(matches!(refused, Refused::Changed { .. }), "{refused}");
    assert!(refused.to_string().contains("read it again"), "{refused}");
    // Somebody ticked it.
    let refused = with(&SPEC_KIT.replace("- [ ] T011", "- [x] T011")).unwrap_err();
    assert!(matches!(refused, Refused::Changed { .. }), "{refused}");
    let refused = with(&SPEC_KIT.replace("T011", "T077")).unwrap_err();
    assert!(matches!(refused, Refused::Missing { .. }), "{refused}");
}

#[test]
fn what_is_appended_goes_on_from_the_highest_id_and_moves_nothing() {
    let fresh =
        [Fresh { title: "Say the height".to_owned(), meta: vec![("Fixes".to_owned(), "T011".to_owned())] }];
    for (path, item, text, wants) in [
        (TASKS, "001-tide", SPEC_KIT, "## Phase 5: Gaps\n\n- [ ] T1014 Say the height\n  - Fixes: T011\n"),
        (
            ".kiro/specs/store/tasks.md",
            "store",
            KIRO,
            "- [ ] 4. Gaps\n  - [ ] 4.1 Say the height\n    - _Fixes: T011_\n",
        ),
        (
            "openspec/changes/x/tasks.md",
            "x",
            "## 2. A\n- [ ] 2.1 a",
            "\n## 3. Gaps\n\n- [ ] 3.1 Say the height\n  - Fixes: T011\n",
        ),
        (
            "agent-os/specs/x/tasks.md",
            "x",
            "#### Task Group 1: A\n- [ ] 1.0 a\n  - [ ] 1.1 b\n",
            "#### Task Group 2: Gaps\n\n- [ ] 2.1 Say the height\n  - Fixes: T011\n",
        ),
    ] {
        let before = repo(&[(path, text)]);
        let written = append(before.found(item), &before.files, item, path, "Gaps", &fresh).unwrap();
        let now = String::from_utf8(written.bytes).unwrap();
        assert!(now.starts_with(text) && now.ends_with(wants), "{now}");
        let after = repo(&[(path, &now)]);
        assert!(after.item(item).tasks.iter().any(|it| it.spec.title == "Say the height"), "{now}");
        assert!(written.diff.contains("+- [ ] ") || written.diff.contains("+  - [ ] "), "{}", written.diff);
    }
    // A run in one file goes on within its section, whatever stands behind that.
    let path = ".ai/runs/2026-02-01-fix.md";
    let text = "# Fix\n## Progress\n### Phase 1: A\n- [x] 1.1 Did — 3f2a9c1\n## Changelog\n- none\n";
    let run = repo(&[(path, text)]);
    let (name, found) = ("2026-02-01-fix", run.found("2026-02-01-fix"));
    let written = append(found, &run.files, name, path, "Gaps", &fresh).unwrap();
    let now = String::from_utf8(written.bytes).unwrap();
    let (head, tail) = text.split_at(text.find("## Changelog").unwrap());
    assert!(now.starts_with(head) && now.ends_with(tail), "{now}");
    assert_eq!(ids(repo(&[(path, &now)]).item(name)), ["1.1", "2.1"]);
    // Where it would not be read it is not written.
    let text = "## 1. A\n- [ ] 1.1 a\n```\nopen";
    let open = repo(&[("openspec/changes/x/tasks.md", text)]);
    let refused = append(open.found("x"), &open.files, "x", "openspec/changes/x/tasks.md", "Gaps", &fresh);
    assert!(matches!(refused, Err(Refused::Hidden { .. })), "{refused:?}");
    let text = "{\"userStories\": []}";
    let ralph = repo(&[("prd.json", text)]);
    let refused = append(ralph.found("prd"), &ralph.files, "prd", "prd.json", "Gaps", &fresh);
    assert!(matches!(refused, Err(Refused::Theirs(_))), "{refused:?}");
}

/// What git makes of a file by a diff.
fn by_git(path: &str, text: &str, diff: &str) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join(path);
    std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
    std::fs::write(&whole, text).unwrap();
    std::fs::write(folder.path().join("it.diff"), diff).unwrap();
    let git = Command::new("git")
        .args(["apply", "--whitespace=nowarn", "it.diff"])
        .current_dir(folder.path())
        .env("GIT_CEILING_DIRECTORIES", folder.path().parent().unwrap())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(git.status.success(), "{}\n{diff}", String::from_utf8_lossy(&git.stderr));
    std::fs::read(whole).unwrap()
}

#[test]
fn git_makes_the_same_of_the_diff_as_is_written() {
    let fresh = [Fresh { title: "More".to_owned(), meta: Vec::new() }];
    let without_end = SPEC_KIT.trim_end();
    for text in [SPEC_KIT, without_end, &SPEC_KIT.replace('\n', "\r\n")] {
        let it = repo(&[(TASKS, text)]);
        let found = it.found("001-tide");
        let of = |id: &str| task(it.item("001-tide"), id);
        let written = [
            tick(found, &it.files, "001-tide", of("T010"), None, Some("3f2a9c1")).unwrap(),
            annotate(found, &it.files, "001-tide", of("T1013"), "Verify", "`true`").unwrap(),
            append(found, &it.files, "001-tide", TASKS, "Gaps", &fresh).unwrap(),
        ];
        for it in written {
            assert_eq!(
                String::from_utf8(by_git(TASKS, text, &it.diff)),
                String::from_utf8(it.bytes),
                "{}",
                it.diff
            );
        }
    }
    let path = ".kiro/specs/store/tasks.md";
    let kiro = repo(&[(path, KIRO)]);
    let written = ticked(&kiro, "store", "3.2", None).unwrap();
    assert_eq!(by_git(path, KIRO, &written.diff), written.bytes, "a part and its holder: {}", written.diff);
    let path = "docs/plans/2026-01-02-tide.md";
    let powers = repo(&[(path, SUPERPOWERS)]);
    let written = ticked(&powers, "2026-01-02-tide", "Task 1", None).unwrap();
    assert_eq!(
        by_git(path, SUPERPOWERS, &written.diff),
        written.bytes,
        "two steps far apart: {}",
        written.diff
    );
}

/// What somebody does to a file between reading and ticking.
#[derive(Debug, Clone)]
enum Meanwhile {
    Insert(usize, String),
    Remove(usize),
    Replace(usize, String),
    Tick(usize),
}

fn meanwhile() -> impl Strategy<Value = Vec<Meanwhile>> {
    let line = prop_oneof![
        Just("Some prose.".to_owned()),
        Just("- [ ] T777 A new one".to_owned()),
        Just("  - Verify: `cargo test`".to_owned()),
        Just("```".to_owned()),
        Just("<!--".to_owned()),
        Just("## Phase 9: More".to_owned()),
        Just("- [ ] T011 [US1] Read stations in src/station.rs (depends on T001, T010)".to_owned()),
        "[a-zäß`*| -]{0,30}",
    ];
    let at = 0..60_usize;
    let one = prop_oneof![
        (at.clone(), line.clone()).prop_map(|(at, it)| Meanwhile::Insert(at, it)),
        at.clone().prop_map(Meanwhile::Remove),
        (at.clone(), line).prop_map(|(at, it)| Meanwhile::Replace(at, it)),
        at.prop_map(Meanwhile::Tick),
    ];
    proptest::collection::vec(one, 0..6)
}

fn after(text: &str, all: &[Meanwhile]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for it in all {
        let count = lines.len().max(1);
        match it {
            Meanwhile::Insert(at, line) => lines.insert(at % (lines.len() + 1), line.clone()),
            Meanwhile::Remove(at) if !lines.is_empty() => drop(lines.remove(at % count)),
            Meanwhile::Replace(at, line) if !lines.is_empty() => lines[at % count] = line.clone(),
            Meanwhile::Tick(at) if !lines.is_empty() => {
                lines[at % count] = lines[at % count].replacen("- [ ]", "- [x]", 1);
            }
            _ => {}
        }
    }
    lines.join("\n") + "\n"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// F12: whatever somebody did in between, it is there afterwards, all but the one byte of a line that is as it was read.
    #[test]
    fn no_edit_in_between_is_lost(edits in meanwhile(), id in prop::sample::select(vec!["T010", "T011", "T1012", "T1013"])) {
        let read = repo(&[(TASKS, SPEC_KIT)]);
        let was = task(read.item("001-tide"), id).clone();
        let row = SPEC_KIT[was.row.from..was.row.to].to_owned();
        let text = after(SPEC_KIT, &edits);
        let now = repo(&[(TASKS, &text)]);
        match tick(now.found("001-tide"), &now.files, "001-tide", &was, None, None) {
            Ok(written) => {
                let differ = changed(&text, &written);
                prop_assert_eq!(differ, vec![(b' ', b'x')]);
                let new = String::from_utf8(written.bytes).unwrap();
                let of: Vec<(&str, &str)> = text.lines().zip(new.lines()).filter(|(a, b)| a != b).collect();
                prop_assert_eq!(of.len(), 1);
                prop_assert_eq!(of[0].0, row.as_str(), "the line that was read is the line that is ticked");
            }
            Err(Refused::Changed { .. } | Refused::Missing { .. }) => {
                let stands = now.items.iter().flat_map(|it| &it.tasks).any(|it| it.spec.id == was.spec.id && it.hash == was.hash);
                prop_assert!(!stands, "it is refused only where the line is another");
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
