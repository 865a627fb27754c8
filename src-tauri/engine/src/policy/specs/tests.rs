//! The grammar, by example and by property.

use pilothouse_contract::TaskId;
use pilothouse_contract::spec::Verify;
use proptest::prelude::*;

use super::{Done, Sources, TickError, read_spec, read_tasks, tick};

const NATIVE: &str = "# Tasks: export

Legend: - [P] can run beside others

## Phase 1: Encoder
- Detail: phases/01-encoder.md
- Done when: a month exports
- Checkpoint: `just check`, `cargo test`

- [ ] T007 [P] [US2] Write the CSV encoder
  - Files: `src/csv.rs` (new), `tests/csv.rs` (new), !`src/gen.rs`
  - Verify: `cargo test csv`
  - Expect: `\\d+ passed`
  - Covers: FR-003, SC-002
- [x] **T008**: Stream rows (depends on T007)
  - files: src/stream.rs
  - Verify: manual — looks at the printer
  - Uses: db
  - Tier: capable
  - Farbe: blau

```
- [ ] T900 an example in a fence
```

## Phase 2
* [~] 2.1 half
  * _Requirements: 1.1, 2.3_
  * _Verification: `true`_
- [ ]* 2.2-fix Optional thing
- [ ] a checklist item without an id
";

#[test]
fn the_native_form_is_read() {
    let file = read_tasks(NATIVE);
    let ids: Vec<&str> = file.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["T007", "T008", "2.1", "2.2-fix"]);
    let csv = &file.tasks[0];
    assert_eq!(
        (csv.title.as_str(), csv.parallel, csv.phase, csv.line),
        ("Write the CSV encoder", true, Some(0), 10)
    );
    let scope = csv.files.as_ref().unwrap();
    assert_eq!(scope.include, ["src/csv.rs", "tests/csv.rs"]);
    assert_eq!(scope.new, ["src/csv.rs", "tests/csv.rs"]);
    assert_eq!(scope.exclude, ["src/gen.rs"]);
    assert_eq!(csv.verify, Verify::Commands(vec!["cargo test csv".to_owned()]));
    assert_eq!(csv.expect.as_deref(), Some("\\d+ passed"));
    assert_eq!(csv.covers, ["US2", "FR-003", "SC-002"]);
    let rows = &file.tasks[1];
    assert!(rows.done);
    assert_eq!(rows.title, "Stream rows");
    assert_eq!(rows.depends, Some(vec![TaskId::from("T007")]));
    assert_eq!(rows.verify, Verify::Manual("looks at the printer".to_owned()));
    assert_eq!(rows.other, [("Farbe".to_owned(), "blau".to_owned())]);
    assert_eq!(file.phases[0].detail.as_deref(), Some("phases/01-encoder.md"));
    assert_eq!(file.phases[0].checkpoint, ["just check", "cargo test"]);
    assert!(file.tasks[2].partial);
    assert_eq!(file.tasks[2].covers, ["1.1", "2.3"]);
    assert!(file.tasks[3].optional);
    let said: Vec<(usize, bool)> = file.remarks.iter().map(|it| (it.line, it.blocking)).collect();
    assert_eq!(
        said,
        [(file.tasks[2].line, true)],
        "a box that says neither is the one odd thing: {:?}",
        file.remarks
    );
}

#[test]
fn broken_lines_are_named_with_their_number_and_the_cure() {
    let file = read_tasks(
        "## Phase 1: x\n- [] T001 empty box\n- [ ] T1 short id\n- [ ] T002 no proof\n- [ ] T003 twice\n  - Verify: `a`\n\
         - [ ] T003 twice\n  - Verify: `a`\n  - Depends: T009\n- [ ] T004 out\n  - Files: `../x`\n  - Verify: `a`\n\
         - [ ] T005 ring\n  - Verify: `a`\n  - Depends: T006\n- [ ] T006 ring\n  - Verify: `a`\n  - Depends: T005\n",
    );
    let said: Vec<(usize, &str)> = file.remarks.iter().map(|it| (it.line, it.says.as_str())).collect();
    let of = |line: usize| said.iter().find(|(at, _)| *at == line).map(|(_, says)| *says).unwrap_or_default();
    assert!(of(2).contains("a task line is '- [ ] T001 title'"), "{said:?}");
    assert!(of(3).contains("its id is none"), "{said:?}");
    assert!(of(4).contains("T002 has no Verify"), "{said:?}");
    assert!(of(7).contains("ids are unique"), "{said:?}");
    assert!(said.iter().any(|(_, says)| says.contains("T003 depends on T009, which is no task")), "{said:?}");
    assert!(of(10).contains("may not contain"), "{said:?}");
    assert!(said.iter().any(|(_, says)| says.contains("waits for itself")), "{said:?}");
    assert!(file.remarks.iter().all(|it| it.blocking));
}

#[test]
fn what_a_run_could_not_make_sense_of_keeps_it_from_starting() {
    let file = read_tasks(
        "- [-] T001 half\n  - Verify: `a`\n- [~] T002 half\n  - Verify: `a`\n- [-]* T003 optional\n\
         - [ ] T004 vague\n  - Files: whatever it takes\n  - Verify: `a`\n- [ ] T005 empty\n  - Files:\n  - Verify: `a`\n\
         - [ ] T006 not there\n  - Files: !`src`\n  - Verify: `a`\n- [ ] T007 fine\n  - Files: `src`, !`src/gen`\n  - Verify: `a`\n",
    );
    let said: Vec<(usize, &str)> = file.remarks.iter().map(|it| (it.line, it.says.as_str())).collect();
    assert_eq!(said.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 3, 6, 9, 12], "{said:?}");
    assert!(file.remarks.iter().all(|it| it.blocking));
    assert!(said[0].1.contains("T001 holds '-'") && said[1].1.contains("write [ ] if it is"), "{said:?}");
    assert!(said[2..].iter().all(|it| it.1.contains("names no path")), "{said:?}");
}

#[test]
fn a_folder_that_no_branch_can_be_named_after_is_refused() {
    let read = |slug: &str| {
        let tasks = Some("- [ ] T001 x\n  - Verify: `true`\n".to_owned());
        let spec = Some("# X\n".to_owned());
        read_spec(&Sources { folder: format!("specs/{slug}"), spec, tasks, ..Sources::default() }).remarks
    };
    for slug in ["001-a b", "001-a..b", "001-x.lock", "001-what?", "001-x.", "001-a@{b", "001-a:b"] {
        let remarks = read(slug);
        assert!(remarks.iter().any(|it| it.blocking && it.says.contains(slug)), "{slug}: {remarks:?}");
    }
    for slug in ["001-tide", "20261120-101500-x", "001-grün", "001-a.b_c"] {
        assert_eq!(read(slug), [], "{slug}");
    }
}

#[test]
fn a_spec_takes_its_title_and_its_why_from_the_summary() {
    let spec = read_spec(&Sources {
        folder: "specs/012-invoice-export".to_owned(),
        spec: Some("# Invoice export\n\nStatus: draft\n\n## Summary\n\nAccountants want a file.\nEvery month.\n\nMore.\n".to_owned()),
        tasks: Some("## Phase 1: a\n- Detail: phases/01-a.md\n- [ ] T001 x\n  - Verify: `true`\n".to_owned()),
        ..Sources::default()
    });
    assert_eq!(spec.title, "Invoice export");
    assert_eq!(spec.summary, "Accountants want a file. Every month.");
    assert_eq!(spec.remarks.len(), 1, "the phase file is missing: {:?}", spec.remarks);
    let empty = read_spec(&Sources { folder: "specs/1-x".to_owned(), ..Sources::default() });
    assert!(empty.remarks.iter().any(|it| it.blocking && it.file == "tasks.md"));
}

#[test]
fn a_tick_changes_one_byte() {
    for file in [
        NATIVE.to_owned(),
        NATIVE.replace('\n', "\r\n"),
        format!("\u{feff}{NATIVE}"),
        "- [ ] T007 first line of the file".to_owned(),
        format!("\u{feff}- [ ] T007 with a mark\n{NATIVE}"),
    ] {
        let ticked = tick(file.as_bytes(), &"T007".into(), None).unwrap();
        let changed: Vec<usize> = (0..file.len()).filter(|at| ticked[*at] != file.as_bytes()[*at]).collect();
        assert_eq!((ticked.len(), changed.len()), (file.len(), 1));
        assert_eq!(ticked[changed[0]], b'x');
        let again = read_tasks(std::str::from_utf8(&ticked).unwrap());
        assert!(again.tasks.iter().find(|task| task.id.as_str() == "T007").unwrap().done);
        assert_eq!(tick(&ticked, &"T007".into(), None).unwrap(), ticked, "a second tick changes nothing");
    }
}

#[test]
fn a_tick_never_touches_what_is_not_ours() {
    assert_eq!(
        tick(NATIVE.as_bytes(), &"T900".into(), None),
        Err(TickError::Missing { task: "T900".into() })
    );
    assert_eq!(
        tick(NATIVE.as_bytes(), &"2.1".into(), None),
        Err(TickError::Marked { task: "2.1".into(), mark: '~' })
    );
    assert_eq!(tick(b"- [ ] T001 \xff", &"T001".into(), None), Err(TickError::NotText));
}

#[test]
fn a_done_line_goes_to_the_end_of_the_block() {
    let done = Done { says: "3f2a9c1 2026-11-20T12:00Z e4".to_owned() };
    let ticked = tick(NATIVE.as_bytes(), &"T007".into(), Some(&done)).unwrap();
    let text = String::from_utf8(ticked).unwrap();
    assert!(
        text.contains("  - Covers: FR-003, SC-002\n  - Done: 3f2a9c1 2026-11-20T12:00Z e4\n- [x] **T008**"),
        "{text}"
    );
    let last = tick(b"- [ ] T001 a\n  - Verify: `x`", &"T001".into(), Some(&done)).unwrap();
    assert_eq!(
        String::from_utf8(last).unwrap(),
        "- [x] T001 a\n  - Verify: `x`\n  - Done: 3f2a9c1 2026-11-20T12:00Z e4\n"
    );
}

proptest! {
    /// Whatever a file holds: reading does not panic, and a tick that succeeds changed one byte, from a space to an x.
    #[test]
    fn any_file_is_read_and_a_tick_is_one_byte(lines in proptest::collection::vec(
        prop_oneof![
            "[-*+] \\[[ xX~-]\\]\\*? (\\*\\*)?T[0-9]{1,4}(\\*\\*)?[.:)]? .{0,20}",
            "  [-*] _?(Files|Verify|Depends|Expect): .{0,20}_?",
            "#{1,5} .{0,12}",
            "(```|~~~).{0,4}",
            "\\PC{0,30}",
        ], 0..30), crlf in any::<bool>()) {
        let text = lines.join(if crlf { "\r\n" } else { "\n" });
        let file = read_tasks(&text);
        for (place, task) in file.tasks.iter().enumerate().filter(|(_, task)| !task.done && !task.partial) {
            if file.tasks[..place].iter().any(|earlier| earlier.id == task.id) {
                continue;
            }
            let ticked = tick(text.as_bytes(), &task.id, None).unwrap();
            let changed: Vec<(u8, u8)> =
                text.bytes().zip(ticked.iter().copied()).filter(|(a, b)| a != b).collect();
            prop_assert_eq!(changed, [(b' ', b'x')]);
            prop_assert_eq!(ticked.len(), text.len());
        }
    }
}

#[test]
fn a_task_that_waits_for_a_checkpoint_that_waits_for_it_is_found() {
    let file = |checkpoint: &str| {
        let text = format!(
            "## Phase 1: A\n- [ ] T001 One\n  - Files: `a`\n  - Verify: `true`\n  - Depends: T002\n\n\
             ## Phase 2: B\n{checkpoint}- [ ] T002 Two\n  - Files: `b`\n  - Verify: `true`\n  - Depends: none\n\
             - [ ] T003 Three\n  - Files: `c`\n  - Verify: `true`\n  - Depends: T001\n"
        );
        read_tasks(&text)
    };
    let says =
        |it: &super::TaskFile| it.remarks.iter().map(|it| it.says.clone()).collect::<Vec<_>>().join("\n");
    assert!(!says(&file("")).contains("waits for itself"), "{}", says(&file("")));
    // T001 waits for the checkpoint of phase 2, for it names T002; that waits for T003, and that for T001.
    let with = file("- Checkpoint: `true`\n");
    assert!(says(&with).contains("T001 waits for itself"), "{}", says(&with));
}

#[test]
fn what_a_task_file_does_not_say_stands_beside_it() {
    let tasks = "- [ ] T001 One\n- [ ] T002 Two\n  - Verify: `inline`\n- [ ] T003 Three\n";
    let scope = "| Task | Files | Verify | Uses | Note |\n|:--|---|---|---|---|\n| `T001` | `a.rs`, !`b.rs` | `x \\| y` | db | why |\n\
                 | T002 | `c.rs` | `beside` | | |\n| T001 | `d.rs` | | | |\n| T009 | `e` | `z` | | |\n\n| Task | Verify |\n|---|---|\n| T003 | `no` |\n";
    let spec = read_spec(&Sources {
        folder: "specs/001-x".to_owned(),
        spec: Some("# X\n".to_owned()),
        tasks: Some(tasks.to_owned()),
        scope: Some(scope.to_owned()),
        ..Sources::default()
    });
    assert_eq!(spec.tasks[1].verify, Verify::Commands(vec!["inline".to_owned()]), "what the file says is so");
    assert_eq!(spec.tasks[1].files.as_ref().unwrap().include, ["c.rs"]);
    assert_eq!(spec.tasks[0].files.as_ref().unwrap().include, ["d.rs"], "the last row counts");
    assert_eq!(spec.tasks[2].verify, Verify::Unsaid, "another table tells something else");
    let said: Vec<(&str, usize, bool)> =
        spec.remarks.iter().map(|it| (it.file.as_str(), it.line, it.blocking)).collect();
    // T001 lost its proof with its first row, and T003 never had one.
    let wanted = [
        ("tasks.md", 1, true),
        ("tasks.md", 4, true),
        ("tasks.scope.md", 5, false),
        ("tasks.scope.md", 6, false),
    ];
    assert_eq!(said, wanted, "{:?}", spec.remarks);
    let nothing = Sources {
        scope: Some("# Nothing\n".to_owned()),
        tasks: Some(tasks.to_owned()),
        ..Sources::default()
    };
    let remarks = read_spec(&nothing).remarks;
    assert!(
        remarks.iter().any(|it| it.file == "tasks.scope.md" && it.says.contains("| Task |")),
        "{remarks:?}"
    );
}

#[test]
fn a_spec_names_the_issue_that_it_is_for() {
    let of = |text: &str| {
        let sources =
            Sources { folder: "specs/001-x".to_owned(), spec: Some(text.to_owned()), ..Sources::default() };
        read_spec(&sources).issue
    };
    for text in [
        "# X\n\nIssue: ABC-1\n",
        "# X\n\n- **Issue**: `ABC-1`\n",
        "# X\n\n**ISSUE:** ABC-1\n\nIssue: ABC-2\n",
    ] {
        assert_eq!(of(text).as_deref(), Some("ABC-1"), "{text}");
    }
    for text in
        ["# X\n\nThe issue: it is slow.\n", "# Issue\n", "# X\n\n```\nIssue: ABC-1\n```\n", "Issue:\n"]
    {
        assert_eq!(of(text), None, "{text}");
    }
}
