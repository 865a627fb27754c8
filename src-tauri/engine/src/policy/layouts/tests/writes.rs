//! What is written: one byte, or what a layout has for it, and nothing where somebody was there in between.

use pilothouse_contract::layout::{LaidTask, Mark};

use super::layouts::{KIRO, PLAN, RALPH, SPEC_KIT, SUPERPOWERS};
use super::{Repo, repo, task};
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
        let lines: Vec<&str> = written.diff.lines().collect();
        assert_eq!(lines.len(), 5, "{}", written.diff);
        assert!(
            lines[3].starts_with("-- [ ] T011") && lines[4].starts_with("+- [x] T011"),
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
    ] {
        let before = repo(&[(path, text)]);
        let written = append(before.found(item), &before.files, item, path, "Gaps", &fresh).unwrap();
        let now = String::from_utf8(written.bytes).unwrap();
        assert!(now.starts_with(text) && now.ends_with(wants), "{now}");
        let after = repo(&[(path, &now)]);
        assert!(after.item(item).tasks.iter().any(|it| it.spec.title == "Say the height"), "{now}");
        assert!(
            written.diff.contains("Say the height") && !written.diff.contains("\n-- "),
            "{}",
            written.diff
        );
    }
    let text = "{\"userStories\": []}";
    let ralph = repo(&[("prd.json", text)]);
    let refused = append(ralph.found("prd"), &ralph.files, "prd", "prd.json", "Gaps", &fresh);
    assert!(matches!(refused, Err(Refused::Theirs(_))), "{refused:?}");
}
