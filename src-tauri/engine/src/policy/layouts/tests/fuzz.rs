//! Whatever bytes come: no reader panics, none takes long, each place it names is one of the file, and a tick that is not refused leaves
//! all but its own bytes as they were. For as long as `PILOTHOUSE_FUZZ_SECONDS` says; `PILOTHOUSE_SEED` gives the beginning.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use pilothouse_contract::desk::rows;
use pilothouse_contract::layout::LaidItem;

use super::layouts::{KIRO, PLAN, RALPH, SPEC_KIT, SUPERPOWERS};
use super::{Repo, repo_of};
use crate::policy::layouts::desk;
use crate::policy::layouts::edit::tick;
use crate::policy::layouts::gates::{plan, spec};
use crate::policy::layouts::waves::{Limits, waves};
use crate::policy::layouts::{Files, place, spec_of};
use crate::policy::tests::chance::{Chance, each_seed};

/// What grammars trip over.
const PIECES: [&str; 34] = [
    "- [ ] T001 ",
    "- [x] 1.1 ",
    "* [-] ",
    "- [ ]* 2.1* ",
    "\n",
    "\r\n",
    "\n\n\n",
    "  ",
    "\t",
    "```",
    "~~~~",
    "<!--",
    "-->",
    "## Phase 1: ",
    "### Task 2: ",
    "## Tasks\n",
    "## Progress\n",
    "|",
    "\\|",
    "`",
    "**",
    "| Step | Status |\n|---|---|\n",
    "  - Files: `a/**`, !`b`\n",
    "  - Depends: T001, 1\n",
    "  - _Depends: 1.1_\n",
    "{",
    "[[[[",
    "\"",
    "\\u12",
    "\u{feff}",
    "日本",
    "\u{202e}\u{1b}[2J",
    "~~~",
    "(depends on T001)",
];

const SCOPE: &str = "| Task | Files | Verify | Depends |\n|---|---|---|---|\n| 1.1 | `a/**` | `x \\| y` | 2 |\n| US-002 | `b` | `true` | - |\n";

const PATHS: [(&str, &str); 14] = [
    ("specs/001-x/tasks.md", SPEC_KIT),
    ("specs/001-x/spec.md", "# X\n- **FR-001**: y\n"),
    ("openspec/changes/x/tasks.md", SPEC_KIT),
    ("openspec/changes/x/specs/y/spec.md", "## ADDED Requirements\n### Requirement: x\n#### Scenario: y\n"),
    (".kiro/specs/x/tasks.md", KIRO),
    (".kiro/specs/x/tasks.scope.md", SCOPE),
    ("prd.scope.md", SCOPE),
    (".kiro/specs/x/spec.json", "{\"phase\": \"tasks\"}"),
    (".ai/runs/2026-01-02-x/PLAN.md", PLAN),
    (".ai/runs/2026-01-02-y.md", "## Progress\n### Phase 1\n- [x] 1.1 Did — 3f2a9c1\n- [ ] 1.2 Left\n"),
    ("prd.json", RALPH),
    (
        ".taskmaster/tasks/tasks.json",
        "{\"a\": {\"tasks\": [{\"id\": 1, \"status\": \"done\", \"subtasks\": [{\"id\": 1, \"dependencies\": [1]}]}]}}",
    ),
    ("docs/plans/2026-01-02-x.md", SUPERPOWERS),
    (
        "agent-os/specs/2026-x/tasks.md",
        "#### Task Group 1: a\n**Dependencies:** None\n- [ ] 1.0 b\n  - [ ] 1.1 c\n",
    ),
];

fn mutated(chance: &mut Chance, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..chance.below(40) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(5) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(chance.below(256)).unwrap(),
            1 if at < bytes.len() => {
                let end = (at + chance.below(80)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let end = (at + chance.below(200)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                let to = chance.below(bytes.len() + 1);
                bytes.splice(to..to, again);
            }
            _ => {
                let piece = PIECES[chance.below(PIECES.len())].repeat(1 + chance.below(4));
                bytes.splice(at..at, piece.into_bytes());
            }
        }
    }
    bytes
}

/// All that is said of a repository is so.
fn holds(repo: &Repo, seed: u64) {
    for item in &repo.items {
        for it in &item.diagnostics {
            let Some(bytes) = repo.files.get(&it.remark.file) else { continue };
            let lines = place(bytes, bytes.len()).0;
            assert!(
                it.remark.line <= lines,
                "seed {seed}: line {} of {lines} in {}",
                it.remark.line,
                it.remark.file
            );
        }
        for task in &item.tasks {
            let text = std::str::from_utf8(&repo.files[&task.file]).unwrap();
            for span in [task.span, task.row, task.mark] {
                assert!(
                    text.get(span.from..span.to).is_some(),
                    "seed {seed}: {span:?} of {} in {}",
                    task.spec.id,
                    task.file
                );
            }
            assert!(task.spec.line >= 1 && task.row.from <= task.mark.from, "seed {seed}: {}", task.spec.id);
        }
        let all = waves(item, &Limits::default());
        let laid: usize = all.waves.iter().map(Vec::len).sum();
        assert!(laid + all.stuck.len() <= item.tasks.len(), "seed {seed}");
        let carried = spec_of(item);
        assert!(carried.tasks.len() <= item.tasks.len(), "seed {seed}");
        drop((plan(item, &repo.files, &|_| true), spec(item, &repo.files, &|_| false)));
        black_box(on_the_desk(repo, item));
        for task in item.tasks.iter().take(3) {
            let Some(found) = repo.found.iter().find(|it| it.path == item.path) else { continue };
            let Ok(written) = tick(found, &repo.files, &item.name, task, None, None) else { continue };
            let before = &repo.files[&task.file];
            let same = before.iter().zip(&written.bytes).take_while(|(a, b)| a == b).count();
            let back =
                before.iter().rev().zip(written.bytes.iter().rev()).take_while(|(a, b)| a == b).count();
            // What is between may hold a parent's byte or all steps, and lies within the item's tasks.
            let first = item.tasks.iter().map(|it| it.span.from).min().unwrap_or(0);
            assert!(
                written.bytes == *before || same >= first.min(task.mark.from),
                "seed {seed}: {}",
                task.spec.id
            );
            assert!(same + back <= before.len().max(written.bytes.len()) + before.len(), "seed {seed}");
            let again = repo_of({
                let mut files = repo.files.clone();
                files.insert(task.file.clone(), written.bytes.clone());
                files
            });
            assert_eq!(
                again.items.len(),
                repo.items.len(),
                "seed {seed}: a tick makes no item and loses none"
            );
        }
    }
}

/// The pages of an item in rows, with nothing known of what lies beside it.
fn on_the_desk(repo: &Repo, item: &LaidItem) -> usize {
    let tree = repo.files.keys().cloned().collect();
    let found = repo.found.iter().find(|it| it.path == item.path).unwrap();
    let wants = desk::wants(item, found, &repo.files, &tree);
    let beside = wants.files.iter().map(|it| (it.clone(), repo.files[it].clone())).collect();
    let facts = desk::Facts {
        tree: &tree,
        beside: &beside,
        symbols: &BTreeMap::new(),
        program: &|it| it.len() % 2 == 0,
        limits: &Limits::default(),
        red: &BTreeMap::new(),
    };
    let page = desk::page(item, found, &repo.files, &facts);
    let parts = rows::spec(&page.spec).into_iter().chain(rows::plan(&page.plan));
    parts.map(|it| it.rows.len()).sum()
}

#[test]
fn whatever_bytes_come_no_reader_breaks_or_hangs() {
    each_seed(3, |seed| {
        let mut chance = Chance::of(seed);
        let mut files = Files::new();
        for (path, text) in PATHS {
            if chance.below(4) > 0 {
                files.insert(path.to_owned(), mutated(&mut chance, text));
            }
        }
        let begun = Instant::now();
        holds(&repo_of(files), seed);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "seed {seed} took {took:?}");
    });
}

/// Sizes at which anything that looks at each pair, or goes as deep as a file says, does not come back.
#[test]
fn long_and_deep_files_come_back_soon() {
    let huge = |line: &str| {
        let mut text = String::new();
        let mut number = 1;
        while text.len() < 1024 * 1024 {
            text.push_str(&line.replace('§', &number.to_string()));
            number += 1;
        }
        text.into_bytes()
    };
    for (path, text) in [
        ("specs/001-x/tasks.md", huge("- [ ] T0000§ t\n  - Files: `s§.rs`\n")),
        ("specs/001-x/spec.md", huge("- **FR-§**: x\n")),
        ("openspec/changes/x/tasks.md", huge("- [ ] no id § in it\n")),
        (".kiro/specs/x/tasks.md", huge("- [ ] 1.§.1.1 t\n- [ ] 1.§ t\n")),
        (
            ".ai/runs/2026-01-02-x/PLAN.md",
            [b"## Tasks\n| Step | Status |\n|---|---|\n".to_vec(), huge("| 1.§ | odd |\n")].concat(),
        ),
        ("prd.json", [b"{\"userStories\": [".to_vec(), huge("{\"id\": \"§\", \"passes\": 1},\n")].concat()),
        (".taskmaster/tasks/tasks.json", vec![b'{'; 4 * 1024 * 1024]),
        ("docs/plans/2026-01-02-x.md", huge("### Task §: t\n- [ ] **Step 1: x**\n")),
        ("specs/002-y/tasks.md", huge("<!--\n```\n")),
        ("specs/003-z/tasks.md", huge("- [] T001 broken\n")),
    ] {
        let begun = Instant::now();
        let repo = repo_of(Files::from([(path.to_owned(), text)]));
        let took = begun.elapsed();
        assert!(!repo.items.is_empty());
        assert!(took < Duration::from_secs(20), "{path}: {took:?}");
        // A page of sixty thousand tasks is laid into waves too, twice.
        for item in &repo.items {
            black_box(on_the_desk(&repo, item));
        }
        let shown = begun.elapsed();
        assert!(shown < Duration::from_secs(90), "{path}: {shown:?}");
        println!(
            "{path}: {took:?}, {} tasks, {} diagnostics",
            repo.items[0].tasks.len(),
            repo.items[0].diagnostics.len()
        );
    }
}
