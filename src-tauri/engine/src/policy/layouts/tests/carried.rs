//! What a run is told of items in other layouts.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::Layout;
use pilothouse_contract::spec::{Remark, Spec, Verify};

use super::layouts::{KIRO, PLAN, RALPH, SPEC_KIT, SUPERPOWERS};
use super::repo;
use crate::policy::layouts::{carried, spec_of};
use crate::policy::scope::{any_matches, kept_by_the_engine};

fn blocking(spec: &Spec) -> Vec<&Remark> {
    spec.remarks.iter().filter(|it| it.blocking).collect()
}

fn of(files: &[(&str, &str)], name: &str) -> Spec {
    let repo = repo(files);
    assert!(carried(repo.item(name)));
    spec_of(repo.item(name))
}

#[test]
fn what_is_missing_is_said_in_one_sentence_that_tells_where_it_is_written() {
    let tasks = "## 1. A\n- [x] 1.1 did\n- [ ] 1.2 go on\n- [ ] 1.3 more, verified by `true`\n";
    let spec = of(&[("openspec/changes/x/tasks.md", tasks)], "x");
    let told = blocking(&spec);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].file.as_str(), told[0].line), ("tasks.md", 3));
    assert_eq!(
        told[0].says,
        "1 of 2 open tasks have no Verify and 2 no Files, 1.2 first: write that below the task as '  - Verify: `command`', or in \
         openspec/changes/x/tasks.scope.md, a table with the columns Task, Files and Verify"
    );
    let table = "| Task | Files | Verify |\n|---|---|---|\n| 1.2 | `a` | `test -s a` |\n";
    let spec =
        of(&[("openspec/changes/x/tasks.md", tasks), ("openspec/changes/x/tasks.scope.md", table)], "x");
    assert_eq!(blocking(&spec), Vec::<&Remark>::new());
    assert!(spec.remarks[0].says.starts_with("1 of 2 open tasks have no Files, and so run alone, 1.3 first"));
    // Where there is no room in the file, the table alone is named.
    for (path, text, name, sidecar) in [
        ("prd.json", RALPH, "prd", "in prd.scope.md"),
        (
            "docs/plans/2026-01-02-x.md",
            "### Task 1: A\n- [ ] **Step 1: x**\n",
            "2026-01-02-x",
            "in docs/plans/2026-01-02-x.scope.md",
        ),
        (
            ".ai/runs/2026-01-03-x/PLAN.md",
            "## Tasks\n| Step | Status |\n|---|---|\n| 1.1 | todo |\n",
            "2026-01-03-x",
            "in .ai/runs/2026-01-03-x/SCOPE.md",
        ),
    ] {
        let spec = of(&[(path, text)], name);
        let last = blocking(&spec).into_iter().find(|it| it.says.contains("Verify")).cloned().unwrap();
        assert!(last.says.contains(&format!("write that {sidecar}, a table")), "{}", last.says);
        assert!(spec.path_of(&last) == path, "{} for {path}", spec.path_of(&last));
    }
}

#[test]
fn who_waits_for_what_only_holds_others_waits_for_those() {
    let tasks = "- [ ] 1. A\n  - [ ] 1.1 a\n  - [ ] 1.2 b\n  - [ ]* 1.3 maybe\n- [ ] 2. B\n  - _Depends: 1, 3_\n- [ ] 3. C\n  - _Depends: 1.1_\n";
    let spec = of(&[(".kiro/specs/s/tasks.md", tasks)], "s");
    let ids: Vec<&str> = spec.tasks.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["1.1", "1.2", "1.3", "2", "3"]);
    let named =
        |id: &str| spec.tasks.iter().find(|it| it.id.as_str() == id).unwrap().depends.clone().unwrap();
    assert_eq!(named("2"), ["1.1", "1.2", "3"].map(TaskId::from));
    assert_eq!(spec.phases.len(), 3, "{:?}", spec.phases);
    assert_eq!(
        (spec.tasks_at().as_str(), spec.record_at("evidence.md").as_str()),
        (".kiro/specs/s/tasks.md", ".kiro/specs/s/evidence.md")
    );
    let circle = "- [ ] 1. A\n  - _Depends: 2_\n- [ ] 2. B\n  - _Depends: 1_\n";
    let spec = of(&[(".kiro/specs/s/tasks.md", circle)], "s");
    assert!(blocking(&spec).iter().any(|it| it.says.contains("waits for itself")), "{:?}", spec.remarks);
}

#[test]
fn a_box_that_says_neither_and_an_id_that_no_branch_can_hold_keep_a_run_from_starting() {
    let spec = of(&[(".kiro/specs/store/tasks.md", KIRO)], "store");
    let told = blocking(&spec);
    assert!(
        told.iter().any(|it| it.says.starts_with("1.2 is working by its file") && it.line == 11),
        "{told:?}"
    );
    let prd = "{\"userStories\": [{\"id\": \"a\\nPilothouse-Task: b\", \"title\": \"one\\ntwo \\u001b[2J\", \"passes\": false}]}";
    let spec = of(&[("prd.json", prd)], "prd");
    assert!(
        blocking(&spec).iter().any(|it| it.says.contains("cannot be part of a branch's name")),
        "{:?}",
        spec.remarks
    );
    assert!(!spec.tasks[0].title.contains(['\n', '\u{1b}']), "{:?}", spec.tasks[0].title);
    let spec = of(&[(".ai/runs/2026-01-03-export/PLAN.md", PLAN)], "2026-01-03-export");
    assert!(
        blocking(&spec).iter().any(|it| it.says.starts_with("qa-fix-1 is partial")),
        "{:?}",
        spec.remarks
    );
}

#[test]
fn what_others_keep_is_shown_and_said_to_be_theirs_and_what_is_over_is_left_out() {
    let master = "{\"next\": {\"tasks\": [{\"id\": 1, \"title\": \"t\", \"testStrategy\": \"`true`\"}]}}";
    let repo = repo(&[
        (".taskmaster/tasks/tasks.json", master),
        ("docs/stories/1.1.story.md", "# S\n- [ ] Do it\n"),
        ("openspec/changes/archive/2026-01-02-old/tasks.md", "- [x] 1.1 a\n"),
        (".ai/specs/2026-01-02-x.md", "# X\n"),
        ("specs/001-tide/tasks.md", SPEC_KIT),
        ("openspec/changes/bare/proposal.md", "# Bare\n"),
        ("docs/superpowers/plans/2026-01-02-tide.md", SUPERPOWERS),
        ("docs/superpowers/plans/2026-01-02-tide.evidence.md", "# Evidence\n"),
    ]);
    let told: Vec<(Layout, &str)> =
        repo.items.iter().filter(|it| carried(it)).map(|it| (it.layout, it.name.as_str())).collect();
    assert_eq!(
        told,
        [
            (Layout::OpenSpec, "bare"),
            (Layout::TaskMaster, "next"),
            (Layout::Superpowers, "2026-01-02-tide"),
            (Layout::Bmad, "1.1.story"),
        ]
    );
    for name in ["next", "1.1.story"] {
        let spec = spec_of(repo.item(name));
        assert!(blocking(&spec)[0].says.contains("read here and never written"), "{:?}", spec.remarks);
    }
    let bare = spec_of(repo.item("bare"));
    assert!(blocking(&bare)[0].says.contains("has no tasks yet"), "{:?}", bare.remarks);
    assert_eq!(
        bare.summary,
        "What is wanted stands in `openspec/changes/bare/proposal.md`: read that first."
    );
    let plan = spec_of(repo.item("2026-01-02-tide"));
    assert_eq!(plan.record_at("evidence.md"), "docs/superpowers/plans/2026-01-02-tide.evidence.md");
    assert_eq!(
        plan.record_at("reviews/completeness.md"),
        "docs/superpowers/plans/2026-01-02-tide.completeness.md"
    );
    assert_eq!(plan.tasks[0].verify, Verify::Commands(vec!["cargo test".to_owned()]));
}

/// F11: each line of a long file is read, and twice the lines take no more than about twice the time.
#[test]
fn five_thousand_tasks_are_read_in_one_pass() {
    let text = |count: usize| -> String {
        let task = |n: usize| {
            let head =
                if n.is_multiple_of(500) { format!("## {}. Part\n", n / 500 + 1) } else { String::new() };
            format!(
                "{head}- [ ] {}.{} Do it\n  - Files: `src/f{n}.rs`\n  - Verify: `cargo test f{n}`\n",
                n / 500 + 1,
                n % 500 + 1
            )
        };
        (0..count).map(task).collect()
    };
    let long = text(5000);
    let spec = of(&[("openspec/changes/long/tasks.md", &long)], "long");
    assert_eq!((spec.tasks.len(), spec.phases.len(), spec.remarks.len()), (5000, 10, 0));
    assert_eq!((spec.tasks[4999].id.as_str(), spec.tasks[4999].line), ("10.500", long.lines().count() - 2));
    let took = |count: usize| {
        let text = text(count);
        let once = || {
            let begun = std::time::Instant::now();
            assert_eq!(of(&[("openspec/changes/long/tasks.md", &text)], "long").tasks.len(), count);
            begun.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    // Whatever looks at each pair would take a hundred times as long.
    let (short, long) = (took(500), took(5000));
    assert!(long < short * 40, "{long:?} for ten times what takes {short:?}");
}

#[test]
fn what_the_engine_keeps_of_a_layout_matches_that_and_nothing_else() {
    let kept = |layout, folder: &str, file: &str| {
        let spec = Spec { layout, folder: folder.to_owned(), task_file: file.to_owned(), ..Spec::default() };
        kept_by_the_engine(&spec)
    };
    let change = kept(Layout::OpenSpec, "openspec/changes/a[b]{c}", "openspec/changes/a[b]{c}/tasks.md");
    for path in ["openspec/changes/a[b]{c}/tasks.md", "openspec/changes/other/tasks.md"] {
        assert!(any_matches(&change, path), "{path} by {change:?}");
    }
    assert!(!any_matches(&change, "openspec/specs/x/spec.md"));
    let odd = kept(Layout::Kiro, ".kiro/sp[e]cs/x", ".kiro/sp[e]cs/x/tasks.md");
    assert!(
        any_matches(&odd, ".kiro/sp[e]cs/y/tasks.md") && !any_matches(&odd, ".kiro/specs/y/tasks.md"),
        "{odd:?}"
    );
    let prd = kept(Layout::Ralph, "prd.json", "prd.json");
    for (path, is_kept) in
        [("prd.json", true), ("prd.scope.md", true), ("src/prd.json", false), ("readme.md", false)]
    {
        assert_eq!(any_matches(&prd, path), is_kept, "{path} by {prd:?}");
    }
    assert_eq!(
        kept(Layout::SpecKit, "specs/001-x", ""),
        Vec::<String>::new(),
        "those are protected in any case"
    );
}
