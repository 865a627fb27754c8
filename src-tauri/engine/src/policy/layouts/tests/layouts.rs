//! What is read of each layout.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Boxes, Layout, Mark};
use pilothouse_contract::spec::Verify;

use super::{ids, phases, repo, says, task};

/// F1: the legend, a checklist, `[X]`, four digits, a phase appended by converge, a fence, samples in a comment.
pub(super) const SPEC_KIT: &str = "# Tasks: Tide tables\n\n## Format: `[ID] [P?] [Story] Description`\n\n- [P]: can run in parallel\n\n\
    <!--\n- [ ] T990 a sample in a comment\n-->\n\n## Phase 1: Setup\n\n- [X] T001 Make `src/`\n- [x] T002 [P] Lint in `lint.toml`\n\n\
    ## Phase 3: User Story 1 - Tides (Priority: P1)\n\n### Tests for User Story 1\n\n- [ ] T010 [P] [US1] Test in tests/tide.rs\n\n\
    ### Implementation for User Story 1\n\n- [ ] T011 [US1] Read stations in src/station.rs (depends on T001, T010)\n\
    - [ ] T1012 [P] [US1] Four digits\n\n**Checkpoint**: it stands\n\n```text\n- [ ] T991 in a fence\n```\n\n\
    ## Phase 4: Convergence\n\n- [ ] T1013 FR-004 partial: say the height\n\n## Notes\n\n- [P] tasks = different files\n- Avoid: vague tasks\n\n\
    ## Validation checklist\n\n- [ ] All contracts have tests\n- [x] Tests come first\n";

#[test]
fn spec_kit_with_its_legend_its_checklists_and_its_samples() {
    let repo = repo(&[
        (".specify/memory/constitution.md", "# C\n"),
        ("specs/001-tide/spec.md", "# Feature: Tide\n\n- **FR-001**: It MUST rise\n"),
        ("specs/001-tide/tasks.md", SPEC_KIT),
        ("specs/001-tide/checklists/ux.md", "- [ ] CHK001 reviewers own this\n"),
        ("specs/readme.md", "# no item\n"),
    ]);
    let item = repo.item("001-tide");
    assert_eq!((item.layout, repo.items.len(), item.title.as_str()), (Layout::SpecKit, 1, "Feature: Tide"));
    assert_eq!(ids(item), ["T001", "T002", "T010", "T011", "T1012", "T1013"]);
    assert_eq!(
        phases(item),
        ["Phase 1: Setup", "Phase 3: User Story 1 - Tides (Priority: P1)", "Phase 4: Convergence"]
    );
    let of: Vec<Option<usize>> = item.tasks.iter().map(|it| it.spec.phase).collect();
    assert_eq!(of, [Some(0), Some(0), Some(1), Some(1), Some(1), Some(2)]);
    assert_eq!(task(item, "T010").group.as_deref(), Some("Tests for User Story 1"));
    let eleven = task(item, "T011");
    assert_eq!(eleven.spec.depends, Some(vec![TaskId::from("T001"), TaskId::from("T010")]));
    assert_eq!((eleven.spec.covers.as_slice(), eleven.state), ([String::from("US1")].as_slice(), Mark::Open));
    assert_eq!(item.tasks.iter().filter(|it| it.state == Mark::Done).count(), 2, "[X] and [x]");
    assert_eq!(item.boxes, Boxes { done: 3, total: 8 }, "checklists are boxes and no tasks");
    assert_eq!(item.requirements[0].id, "FR-001");
    assert_eq!(says(item), []);
    let text = repo.text("specs/001-tide/tasks.md");
    assert_eq!(
        &text[eleven.row.from..eleven.row.to],
        "- [ ] T011 [US1] Read stations in src/station.rs (depends on T001, T010)"
    );
    assert_eq!(&text[eleven.mark.from..eleven.mark.to], " ");
    assert_eq!(eleven.spec.line, text[..eleven.row.from].lines().count() + 1);
}

#[test]
fn without_spec_kit_the_folder_is_ours_and_blocks_hold_their_lines() {
    let tasks = "## Phase 1: A\r\n- Detail: phases/01.md\r\n\r\n- [ ] T001 One\r\n  - Files: `a.rs`\r\n\r\n  - Verify: `true`\r\n\r\n\
                 - [~] T002 Two\r\n- [ ] T003 Three\r\n  ```\r\n  - [ ] T900 in it\r\n  ```\r\n";
    let repo = repo(&[
        ("specs/001-x/spec.md", "# X\n"),
        ("specs/001-x/tasks.md", tasks),
        ("specs/001-x/phases/01.md", "# A\n"),
    ]);
    let item = repo.item("001-x");
    assert_eq!((item.layout, ids(item)), (Layout::Native, vec!["T001", "T002", "T003"]));
    let one = task(item, "T001");
    let block = |id: &str| &tasks[task(item, id).span.from..task(item, id).span.to];
    assert_eq!(block("T001"), "- [ ] T001 One\r\n  - Files: `a.rs`\r\n\r\n  - Verify: `true`\r\n");
    assert!(block("T003").ends_with("  ```\r\n"), "{:?}", block("T003"));
    assert_eq!(one.spec.verify, Verify::Commands(vec!["true".to_owned()]));
    assert_eq!(item.phases[0].phase.detail.as_deref(), Some("phases/01.md"));
    assert_eq!(says(item).iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(9, 1)], "{:?}", says(item));
}

/// F2: nested groups, a fence, Windows' line ends, stars, two task files.
#[test]
fn open_spec_with_stars_fences_and_their_own_count() {
    let tasks = "## 1. Parser\r\n\r\n* [x] 1.1 Read it; verify with `cargo test read`\r\n* [ ] 1.2 Write it\r\n  * [ ] 1.2.1 First half\r\n\
                 \r\n```md\r\n- [x] sample\r\n```\r\n<!--\r\n- [ ] 9.9 hidden\r\n-->\r\n\r\n## 2. Rest\r\n- [ ] 2.1 More\r\n";
    let delta = "## ADDED Requirements\n### Requirement: Reads\nIt SHALL read.\n#### Scenario: one\n- WHEN x\n- THEN y\n\
                 ### Requirement: Vague\nIt reads.\n```\n### Requirement: Sample\n```\n## REMOVED Requirements\n### Requirement: Old\n\
                 ## RENAMED Requirements\n- FROM: `### Requirement: A`\n- TO: `### Requirement: B`\n";
    let repo = repo(&[
        ("openspec/project.md", "# P\n"),
        ("openspec/specs/read/spec.md", "# truth\n"),
        ("openspec/changes/add-read/proposal.md", "# Change: Reading\n## Why\nx\n"),
        ("openspec/changes/add-read/tasks.md", tasks),
        ("openspec/changes/add-read/specs/read/spec.md", delta),
        ("openspec/changes/two/tasks/a.md", "## 1. A\n- [ ] 1.1 a\n"),
        ("openspec/changes/two/tasks/b.md", "## 2. B\n- [ ] 2.1 b\n"),
        ("openspec/changes/archive/2026-01-02-done/tasks.md", "- [x] 1.1 did\n"),
    ]);
    let names: Vec<&str> = repo.items.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["add-read", "two", "2026-01-02-done"]);
    let item = repo.item("add-read");
    assert_eq!((item.title.as_str(), ids(item)), ("Reading", vec!["1.1", "1.2", "1.2.1", "2.1"]));
    assert_eq!(phases(item), ["1. Parser", "2. Rest"]);
    assert_eq!(task(item, "1.1").spec.verify, Verify::Commands(vec!["cargo test read".to_owned()]));
    assert!(task(item, "1.2").holds && task(item, "1.2.1").parent == Some(TaskId::from("1.2")));
    assert_eq!(item.boxes, Boxes { done: 2, total: 6 }, "their count takes in fences and comments");
    let wants: Vec<&str> = item.requirements.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(wants, ["Reads", "Vague", "Old"]);
    let said = says(item);
    assert_eq!(said.iter().map(|it| it.0).collect::<Vec<_>>(), [7, 7, 13], "{said:?}");
    assert!(
        said[0].2.contains("SHALL") && said[1].2.contains("Scenario") && said[2].2.contains("Reason"),
        "{said:?}"
    );
    let two = repo.item("two");
    assert_eq!(
        (ids(two), two.tasks[1].file.as_str()),
        (vec!["1.1", "2.1"], "openspec/changes/two/tasks/b.md")
    );
    assert_eq!((phases(two), two.tasks[1].spec.phase), (vec!["1. A", "2. B"], Some(1)));
    assert_eq!(repo.item("2026-01-02-done").stage.as_deref(), Some("archived"));
}

/// F3: two levels, flush parts, optional ones, work under way, meta in italics, a key in another language, ranges, blank lines.
pub(super) const KIRO: &str = "# Implementation Plan\n\n- [ ] 1. Set up\n  - [x] 1.1 Make the store\n    - Create the file\n\n\n\n    - _Requirements: 1.1–1.3, 2.1_\n\
    \n- [-] 1.2 Read the store\n    - _対象ファイル: src/store.ts_\n    - _Requirements: all of them_\n- [ ]* 1.3 Property test\n\
    - [ ] 2. Checkpoint\n  - Run everything\n- [ ] 3. More\n- [ ] 3.1* Star on the number\n- [ ] 3.2 Last\n  - Test: that it works\n";

#[test]
fn kiro_with_flush_parts_optional_ones_and_keys_of_other_languages() {
    let wants = "# Requirements\n### Requirement 1: Store\n**User Story:** As x\n#### Acceptance Criteria\n1. WHEN a THEN the store SHALL b\n\
                 2. IF c THEN d SHALL e\n### Requirement 2\n#### Acceptance Criteria\n1. x SHALL y\n";
    let repo = repo(&[
        (".kiro/specs/store/requirements.md", wants),
        (".kiro/specs/store/tasks.md", KIRO),
        (".kiro/steering/tech.md", "x"),
    ]);
    let item = repo.item("store");
    assert_eq!((item.layout, repo.items.len()), (Layout::Kiro, 1));
    assert_eq!(ids(item), ["1", "1.1", "1.2", "1.3", "2", "3", "3.1", "3.2"]);
    assert_eq!(phases(item), ["Set up", "Checkpoint", "More"]);
    let holds: Vec<&str> = item.tasks.iter().filter(|it| it.holds).map(|it| it.spec.id.as_str()).collect();
    assert_eq!(holds, ["1", "3"]);
    assert_eq!(task(item, "1.1").spec.covers, ["1.1", "1.2", "1.3", "2.1"]);
    let two = task(item, "1.2");
    assert_eq!(
        (two.state, two.spec.covers.as_slice()),
        (Mark::Working, ["all of them".to_owned()].as_slice())
    );
    assert_eq!(two.spec.other, [("対象ファイル".to_owned(), "src/store.ts".to_owned())]);
    assert!(
        task(item, "1.3").spec.optional
            && task(item, "3.1").spec.optional
            && !task(item, "3.2").spec.optional
    );
    assert_eq!(task(item, "3.2").spec.verify, Verify::Unsaid, "a sentence is no command");
    let wants: Vec<&str> = item.requirements.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(wants, ["1.1", "1.2", "2.1"]);
}

/// F4.
#[test]
fn cc_sdd_says_what_may_run_beside_and_what_it_waits_for() {
    let tasks = "- [ ] 1. Foundation\n- [ ] 1.1 (P) Build the reader\n  - _Boundary: Reader, Parser_\n  - _Depends: 2.1_\n\
                 - [ ] 2. Rest\n- [ ] 2.1 (P) Build the writer\n";
    let repo = repo(&[
        (".kiro/specs/io/spec.json", "{\"phase\": \"tasks-generated\", \"approvals\": {}}"),
        (".kiro/specs/io/tasks.md", tasks),
        (".kiro/specs/bad/spec.json", "{\"phase\": \n  oops}"),
    ]);
    let item = repo.item("io");
    assert_eq!((item.layout, item.stage.as_deref()), (Layout::CcSdd, Some("tasks-generated")));
    let one = task(item, "1.1");
    assert!(one.spec.parallel && one.spec.title == "Build the reader" && one.spec.files.is_none());
    assert_eq!(one.spec.depends, Some(vec![TaskId::from("2.1")]));
    assert_eq!(one.spec.other, [("Boundary".to_owned(), "Reader, Parser".to_owned())]);
    let bad = says(repo.item("bad"));
    assert!(
        bad.len() == 1 && (bad[0].0, bad[0].1) == (2, 3) && bad[0].2.contains("a value should stand here"),
        "{bad:?}"
    );
}

/// F5: bars in code, escaped ones, a bold state, a comment in a state, another table, no Exec; and a run in one file.
pub(super) const PLAN: &str = "# Export\n\nSpec: `.ai/specs/2026-01-02-export.md`\n\n## Tasks\n\n\
    | Phase | Step | Title | Status | Commit |\n|---|---|---|---|---|\n| Phase 1 | 1.1 | Read `a | b` | done | 3f2a9c1 |\n\
    | Phase 1 | 1.2 | Cut at \\| bars | **todo** | - |\n| Phase 2 | 2.1 | Write | <!-- soon --> todo | |\n\
    | Phase 2 | 2.1-review-fix | Mend | merged | abc |\n| Phase 2 | qa-fix-1 | Look | blocked? | |\n\n\
    | Risk | Step | Status |\n|---|---|---|\n| R1 | 9.9 | todo |\n\n## Log\n\n| Step | Status |\n|---|---|\n| 8.8 | todo |\n";

#[test]
fn open_mercato_as_a_table_and_as_one_file() {
    let flat = "# Fix\n## Goal\n- [ ] not a step\n## Progress\n### Phase 1: A\n- [x] 1.1 Did it — 3f2a9c1\n- [~] 1.2 Half\n- [ ] 1.3 Left\n\
                ## Changelog\n- [ ] 9.9 not one\n";
    let repo = repo(&[
        (".ai/specs/2026-01-02-export.md", "# Export spec\n"),
        (".ai/specs/implemented/2025-12-01-old.md", "# Old\n"),
        (".ai/specs/analysis/ANALYSIS-2026-01-02-export.md", "# no item\n"),
        (".ai/runs/2026-01-03-export-run/PLAN.md", PLAN),
        (".ai/runs/2026-01-03-export-run/NOTIFY.md", "log\n"),
        (".ai/runs/2026-02-01-fix.md", flat),
    ]);
    let names: Vec<&str> = repo.items.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        ["2026-01-03-export-run", "2026-02-01-fix", "2025-12-01-old"],
        "a run and its spec are one item"
    );
    assert_eq!(repo.item("2025-12-01-old").stage.as_deref(), Some("implemented"));
    let run = repo.item("2026-01-03-export-run");
    assert_eq!(run.files, [".ai/runs/2026-01-03-export-run/PLAN.md", ".ai/specs/2026-01-02-export.md"]);
    assert_eq!(ids(run), ["1.1", "1.2", "2.1", "2.1-review-fix", "qa-fix-1"]);
    let states: Vec<Mark> = run.tasks.iter().map(|it| it.state).collect();
    assert_eq!(states, [Mark::Done, Mark::Open, Mark::Open, Mark::Done, Mark::Partial]);
    assert_eq!(task(run, "1.2").spec.title, "Cut at | bars");
    assert_eq!(phases(run), ["Phase 1", "Phase 2"]);
    for it in &run.tasks {
        let word = &PLAN[it.mark.from..it.mark.to];
        assert!(["done", "todo", "merged", "blocked"].contains(&word), "{word}");
    }
    let said = says(run);
    assert_eq!(said.iter().map(|it| it.0).collect::<Vec<_>>(), [12, 13], "{said:?}");
    let fix = repo.item("2026-02-01-fix");
    assert_eq!((ids(fix), phases(fix)), (vec!["1.1", "1.2", "1.3"], vec!["Phase 1: A"]));
    assert_eq!(task(fix, "1.1").spec.title, "Did it");
    assert_eq!(task(fix, "1.1").spec.other, [("commit".to_owned(), "3f2a9c1".to_owned())]);
    assert_eq!(fix.boxes, Boxes { done: 1, total: 3 });
}

pub(super) const RALPH: &str = "{\n  \"project\": \"Tides\",\n  \"userStories\": [\n    {\"id\": \"US-002\", \"title\": \"Later\", \"priority\": 2, \"passes\": false},\n\
    \x20   {\"id\": \"US-001\", \"title\": \"Say \\\"hi\\\"\", \"acceptanceCriteria\": [\"it runs\"], \"priority\": 1, \"passes\": true},\n\
    \x20   {\"id\": \"US-003\", \"passes\": \"no\"},\n    {\"title\": \"nameless\", \"passes\": false}\n  ]\n}\n";

#[test]
fn ralph_is_worked_by_priority_and_says_what_is_wrong_where() {
    let repo = repo(&[("prd.json", RALPH), ("scripts/ralph/prd.json", "{\"userStories\": [\n")]);
    let item = repo.item("prd");
    assert_eq!((item.title.as_str(), ids(item)), ("Tides", vec!["US-001", "US-002"]));
    assert_eq!(item.tasks[0].spec.title, "Say \"hi\"");
    assert_eq!(&RALPH[item.tasks[1].mark.from..item.tasks[1].mark.to], "false");
    let said: Vec<(usize, usize)> = says(item).iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(said, [(6, 32), (7, 5)], "{:?}", says(item));
    let bad = says(repo.item("scripts/ralph"));
    assert!(bad.len() == 1 && bad[0].0 == 2 && bad[0].2.contains("it ends where"), "{bad:?}");
}

/// F8.
#[test]
fn task_master_has_an_item_for_each_tag() {
    let text = "{\"master\": {\"tasks\": [{\"id\": 1, \"title\": \"One\", \"status\": \"done\", \"dependencies\": []},\n\
        {\"id\": 2, \"title\": \"Two\", \"status\": \"pending\", \"dependencies\": [1], \"testStrategy\": \"Run `npm test`\", \"subtasks\": [\n\
        {\"id\": 1, \"title\": \"Half\", \"status\": \"in-progress\", \"dependencies\": []},\n\
        {\"id\": 2, \"title\": \"Rest\", \"status\": \"odd\", \"dependencies\": [1, \"1.1\"]}]}]},\n\
        \"next\": {\"tasks\": [{\"id\": \"7\", \"title\": \"Seven\", \"status\": \"cancelled\", \"testStrategy\": \"look at it\"}]}, \"metadata\": 1}";
    let repo = repo(&[(".taskmaster/tasks/tasks.json", text)]);
    let item = repo.item("master");
    assert_eq!(ids(item), ["1", "2", "2.1", "2.2"]);
    assert_eq!(task(item, "2.2").spec.depends, Some(vec![TaskId::from("2.1"), TaskId::from("1.1")]));
    assert_eq!(task(item, "2").spec.verify, Verify::Commands(vec!["npm test".to_owned()]));
    let states: Vec<Mark> = item.tasks.iter().map(|it| it.state).collect();
    assert_eq!(states, [Mark::Done, Mark::Open, Mark::Working, Mark::Partial]);
    assert!(task(item, "2").holds && says(item).len() == 1 && says(item)[0].0 == 4, "{:?}", says(item));
    let seven = task(repo.item("next"), "7");
    assert_eq!((seven.state, &seven.spec.verify), (Mark::Cancelled, &Verify::Unsaid));
}

/// F7: bold steps, line ranges, the run that proves it all.
pub(super) const SUPERPOWERS: &str = "# Tide plan\n\n**Goal:** x\n\n### Task 1: Reader\n\n**Files:**\n- Create: `src/read.rs`\n- Modify: `src/lib.rs:12-34`\n\
    - Test: `tests/read.rs`\n\n**Interfaces:** none\n- Other: `nothing.rs`\n\n- [x] **Step 1: Write the failing test**\n\n```rust\n- [ ] not a step\n```\n\n\
    - [ ] **Step 2: Run it**\n\nRun: `cargo test read`\nExpected: FAIL\n\n- [ ] **Step 3: Again**\n\nRun: `cargo test`\nExpected: PASS\n\n## Task groups\n\n- [ ] stray\n\n\
    ### Task 2: Writer\n\n- [ ] **Step 1: Go**\n";

#[test]
fn superpowers_has_tasks_with_steps() {
    let repo = repo(&[
        ("docs/superpowers/plans/2026-01-02-tide.md", SUPERPOWERS),
        ("docs/plans/readme.md", "# no plan\n"),
    ]);
    let item = repo.item("2026-01-02-tide");
    assert_eq!((ids(item), repo.items.len()), (vec!["Task 1", "Task 2"], 1));
    let one = task(item, "Task 1");
    let scope = one.spec.files.as_ref().unwrap();
    assert_eq!(scope.include, ["src/read.rs", "src/lib.rs", "tests/read.rs"]);
    assert_eq!(scope.new, ["src/read.rs"]);
    assert_eq!(one.spec.verify, Verify::Commands(vec!["cargo test".to_owned()]));
    assert_eq!(
        (one.steps.len(), one.state, one.steps[1].title.as_str()),
        (3, Mark::Working, "Step 2: Run it")
    );
    assert_eq!(item.boxes, Boxes { done: 1, total: 4 });
}

/// F9.
#[test]
fn agent_os_groups_wait_for_the_groups_that_they_name() {
    let tasks = "# Tasks\n### Data\n#### Task Group 1: Models\n**Dependencies:** None\n- [ ] 1.0 Complete models\n  - [ ] 1.1 Test\n  - [ ] 1.2 Model\n\
                 **Acceptance Criteria:**\n- passes\n#### Task Group 2: Pages\n**Dependencies:** None\n- [ ] 2.0 Complete\n  - [ ] 2.1 Page\n\
                 #### Task Group 3: All\n**Dependencies:** Task Groups 1, 2\n- [ ] 3.0 Complete\n  - [ ] 3.1 Join\n";
    let repo = repo(&[
        ("agent-os/specs/2026-01-02-shop/tasks.md", tasks),
        ("agent-os/specs/2026-01-02-1200-three/plan.md", "# Three\n"),
    ]);
    let item = repo.item("2026-01-02-shop");
    assert_eq!(phases(item), ["Task Group 1: Models", "Task Group 2: Pages", "Task Group 3: All"]);
    let depends = |id: &str| {
        let named = task(item, id).spec.depends.clone().unwrap();
        named.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(depends("1.1"), Vec::<String>::new());
    assert_eq!((depends("1.2"), depends("2.1")), (vec!["1.1".to_owned()], vec![]));
    assert_eq!(depends("3.1"), ["1.2", "2.1"]);
    assert!(task(item, "1.0").holds && task(item, "1.1").parent == Some(TaskId::from("1.0")));
    assert_eq!(repo.item("2026-01-02-1200-three").title, "Three");
}

/// F6: a story and a ledger that disagree.
#[test]
fn bmad_says_where_story_and_ledger_disagree() {
    let story = "# Story 1.2: Tides\n\nStatus: review\n\n## Tasks\n\n- [x] Task 1: Read (AC: #1, #2)\n  - [x] Subtask 1.1\n- [ ] Task 2: Write\n";
    let ledger = "development_status:\n  epic-1: in-progress\n  1-2-tides: done\n";
    let repo = repo(&[
        ("_bmad-output/implementation-artifacts/1-2-tides.md", story),
        ("_bmad-output/implementation-artifacts/sprint-status.yaml", ledger),
        ("docs/stories/2.1.next.md", "# Next\n- [ ] Task 1\n"),
    ]);
    let item = repo.item("1-2-tides");
    assert_eq!((ids(item), item.stage.as_deref()), (vec!["1", "1.1", "2"], Some("review")));
    assert_eq!(task(item, "1").spec.covers, ["AC1", "AC2"]);
    let said = says(item);
    assert!(said.len() == 1 && said[0].0 == 3 && said[0].2.contains("says done"), "{said:?}");
    assert_eq!(ids(repo.item("2.1.next")), ["1"]);
}

/// F10: ids are made of place and words, are the same each time, and stand in no file.
#[test]
fn a_file_without_any_id_gets_some_that_hold() {
    let text = "## 1. All\n- [ ] do this\n- [x] do that\n";
    let files = [("openspec/changes/x/tasks.md", text)];
    let (one, two) = (repo(&files), repo(&files));
    let item = one.item("x");
    assert!(
        item.tasks.len() == 2
            && item.tasks.iter().all(|it| it.unnamed && it.spec.id.as_str().starts_with('~'))
    );
    assert_eq!(ids(item), ids(two.item("x")));
    assert_ne!(ids(item)[0], ids(item)[1]);
    assert_eq!(item.tasks[1].spec.title, "do that");
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_too_long_are_told_with_their_place() {
    let mut files = super::Files::new();
    files.insert("specs/001-x/tasks.md".to_owned(), b"- [ ] T001 x\nb\xc3\xbc \xff\n".to_vec());
    files.insert("specs/002-y/tasks.md".to_owned(), vec![b'x'; 10 * 1024 * 1024]);
    files.insert("prd.json".to_owned(), "[".repeat(200_000).into_bytes());
    let deep = format!("{}- [ ] 1.1 deep\n", "  ".repeat(100_000));
    files.insert("openspec/changes/deep/tasks.md".to_owned(), deep.into_bytes());
    let repo = super::repo_of(files);
    let one = says(repo.item("001-x"));
    assert_eq!((one.len(), one[0].0, one[0].1), (1, 2, 4), "{one:?}");
    let long = says(repo.item("002-y"));
    assert!(long.len() == 1 && long[0].2.contains("8 MiB"), "{long:?}");
    let deep = says(repo.item("prd"));
    assert_eq!((deep.len(), deep[0].0, deep[0].1), (1, 1, 66), "{deep:?}");
    assert_eq!(ids(repo.item("deep")), ["1.1"]);
}

#[test]
fn a_fence_that_never_ends_is_told_where_it_begins() {
    let repo = repo(&[("specs/001-x/tasks.md", "- [ ] T001 a\n```\n- [ ] T002 lost\n")]);
    let item = repo.item("001-x");
    assert_eq!(ids(item), ["T001"]);
    let said = says(item);
    assert!(said.len() == 1 && said[0].0 == 2 && said[0].2.contains("never ends"), "{said:?}");
}
