//! The desk's pages, layout by layout, over small repositories.

use std::collections::BTreeMap;

use pilothouse_contract::desk::rows::{self, Sign};
use pilothouse_contract::desk::{
    AskState, CiteState, DeskPage, Place, ProofState, Red, Section, SectionState, Source, TaskLook,
};
use pilothouse_contract::layout::{Because, Layout};
use pilothouse_contract::{EvidenceId, TaskId};

use super::super::waves::Limits;
use super::super::{Files, Tree, detect, read_all};
use super::{Facts, page, wants};

/// A repository of texts, and what is known of it.
#[derive(Default)]
struct Repo {
    files: Files,
    limits: Limits,
    red: BTreeMap<(TaskId, String), (Red, EvidenceId)>,
}

impl Repo {
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Self { files: files.collect(), ..Self::default() }
    }

    /// The page of an item, looked up as an engine does: only what is wanted is handed in.
    fn page(&self, name: &str) -> DeskPage {
        let tree: Tree = self.files.keys().cloned().collect();
        let found = detect(&tree);
        let items = read_all(&found, &self.files);
        let item = items.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no {name}: {found:#?}"));
        let found = found.iter().find(|it| it.path == item.path).unwrap();
        let wants = wants(item, found, &self.files, &tree);
        let beside: Files = wants.files.iter().map(|it| (it.clone(), self.files[it].clone())).collect();
        let mut symbols: BTreeMap<String, Vec<(Place, String)>> = BTreeMap::new();
        for (path, bytes) in self.files.iter().filter(|(path, _)| path.starts_with("src/")) {
            for (number, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
                for name in wants.symbols.iter().filter(|it| super::cites::holds(line, it)) {
                    let place = Place::new(path, number + 1);
                    symbols.entry(name.clone()).or_default().push((place, line.to_owned()));
                }
            }
        }
        let facts = Facts {
            tree: &tree,
            beside: &beside,
            symbols: &symbols,
            program: &|it| ["sh", "cargo", "npm", "make", "just", "pytest"].contains(&it),
            limits: &self.limits,
            red: &self.red,
        };
        page(item, found, &self.files, &facts)
    }
}

fn section<'a>(page: &'a DeskPage, name: &str) -> &'a Section {
    page.spec
        .sections
        .iter()
        .find(|it| it.name == name)
        .unwrap_or_else(|| panic!("{:#?}", page.spec.sections))
}

fn state(page: &DeskPage, name: &str) -> SectionState {
    section(page, name).state
}

fn cited(page: &DeskPage) -> Vec<(&str, CiteState, String)> {
    let found = |it: &Option<Place>| it.as_ref().map(ToString::to_string).unwrap_or_default();
    page.spec.citations.iter().map(|it| (it.cited.as_str(), it.state, found(&it.found))).collect()
}

fn task<'a>(page: &'a DeskPage, id: &str) -> &'a TaskLook {
    page.plan.tasks.iter().find(|it| it.id.as_str() == id).unwrap_or_else(|| panic!("{:#?}", page.plan.tasks))
}

const SPEC: &str = "# Tides\n\n## Summary\nOne looks at the tide in `src/tide.rs`.\n\n## Problem\n\n## Users and scenarios\n[Describe who]\n\n\
## Requirements\n- **FR-001**: It MUST say the height (`tide_parse()`), see [risks](#risks) and [none](#nowhere)\n- **FR-002**: It lands\n\n\
## Success criteria\n- **SC-001**: at once\n\n## Non-goals\nNot applicable because nothing else is near\n\n## Hardening\nn/a\n\n\
## Compatibility\nNone changes because `src/old.rs:1` stays.\n\n## Risks\n| Id | Scenario | Severity | Mitigation |\n|---|---|---|---|\n\
| R1 | it floods | high | a pump |\n| R2 | it dries | low | |\n\n## Assumptions\n- The gauge is right (default)\n- Low water is a person's word, confirmed by Ann\n\n\
## Open questions\n- Q1: Metres or feet?\n- Q2: Which gauge? Answer: the north one\n- Q3: Time zone? Default: UTC\n\n## Decisions\n### D1: Use the almanac\nIt is there.\n\n\
See `lib/moved.rs`, `src/new.rs` (new), `src/gone.rs`, `src/tide.rs::height`, `src/tide.rs::missing`, `nowhere()`. [NEEDS CLARIFICATION: how deep?]\n\
```\n`src/hidden.rs`\n```\n";

const TASKS: &str = "# Tasks\n\n## Phase 1: Read\n- Detail: phases/01-read.md\n- Done when: it reads\n\n- [x] T001 Read\n  - Files: `src/tide.rs`\n  - Covers: FR-001\n\
- [ ] T002 [P] Say\n  - Files: `src/say.rs` (new), `tests/say.rs` (new)\n  - Verify: `cargo test --test say`\n  - Covers: FR-001, FR-009\n\
- [ ] T003 [P] Say too\n  - Files: `src/say.rs`\n  - Verify: `cargo frobnicate`\n\
## Phase 2: End\n- Detail: phases/02-end.md\n\n- [ ] T004 Lock\n  - Files: `Cargo.lock`, `src/nothing/**`\n  - Verify: `sh scripts/check.sh`\n  - Depends: T002\n- [ ] T005 Look\n  - Verify: manual — by eye\n";

fn native() -> Repo {
    Repo::of(&[
        ("specs/001-tide/spec.md", SPEC),
        ("specs/001-tide/tasks.md", TASKS),
        ("specs/001-tide/phases/01-read.md", "# Read\n"),
        ("src/tide.rs", "// tide_parse and height\npub fn tide_parse() {}\npub fn height() {}\n"),
        ("src/old.rs", "x\n"),
        ("src/deep/moved.rs", "x\n"),
        ("Cargo.lock", ""),
        ("Cargo.toml", "[package]\nname = \"tide\"\n"),
    ])
}

#[test]
fn the_matrix_says_filled_not_applicable_and_missing_with_the_reason_or_the_remedy() {
    let page = native().page("001-tide");
    assert_eq!(page.item.layout, Layout::Native);
    for name in ["Summary", "Requirements", "Success criteria", "Risks", "Compatibility", "Decisions"] {
        assert_eq!(state(&page, name), SectionState::Filled, "{name}");
    }
    let exempt = section(&page, "Non-goals");
    assert_eq!((exempt.state, exempt.says.as_str()), (SectionState::NotApplicable, "nothing else is near"));
    let line = |words: &str| SPEC.lines().position(|it| it.contains(words)).unwrap() + 1;
    for (name, remedy) in [
        ("Problem", "says nothing"),
        ("Users and scenarios", "template"),
        ("Hardening", "not why"),
        ("Constraints", "add a section 'Constraints'"),
    ] {
        let it = section(&page, name);
        assert!(it.state == SectionState::Missing && it.says.contains(remedy), "{it:#?}");
    }
    assert_eq!(section(&page, "Problem").place, Place::new("specs/001-tide/spec.md", line("## Problem")));
    assert!(section(&page, "Risks").needed && !section(&page, "Hardening").needed);
    // Questions that block stand first, and block the gate.
    let asked: Vec<(AskState, &str)> =
        page.spec.questions.iter().map(|it| (it.state, it.asks.as_str())).collect();
    assert_eq!(
        asked,
        [
            (AskState::Blocks, "Q1: Metres or feet?"),
            (AskState::Blocks, "how deep?"),
            (AskState::Defaulted, "Q3: Time zone? Default: UTC"),
            (AskState::Answered, "Q2: Which gauge? Answer: the north one"),
        ]
    );
    let g2 = page.spec.gates.iter().find(|it| it.gate == "G2").unwrap();
    assert_eq!((g2.holds, g2.blocks), (false, 2));
    let noted: Vec<(bool, Source)> = page.spec.noted.iter().map(|it| (it.decided, it.source)).collect();
    assert_eq!(noted, [(false, Source::Default), (false, Source::Person), (true, Source::Unknown)]);
    assert!(page.spec.noted[2].says.starts_with("D1: Use the almanac It is there."), "{:?}", page.spec.noted);
    // Tables: a cell that is empty is named; a reason stands for a table.
    let risks = page.spec.registers.iter().find(|it| it.name == "Risks").unwrap();
    assert_eq!(risks.heads, ["Id", "Scenario", "Severity", "Mitigation"]);
    assert_eq!(
        (risks.rows[0].empty.len(), risks.rows[1].empty.as_slice()),
        (0, ["Mitigation".to_owned()].as_slice())
    );
    let compatible = page.spec.registers.iter().find(|it| it.name == "Compatibility").unwrap();
    assert_eq!(compatible.because.as_deref(), Some("`src/old.rs:1` stays."));
    let meter = &page.spec.meters[0];
    assert_eq!((meter.lines, meter.tokens, meter.is_over()), (SPEC.lines().count(), SPEC.len() / 4, false));
}

#[test]
fn what_is_cited_is_there_or_new_or_moved_or_missing_with_its_line() {
    let page = native().page("001-tide");
    let all = cited(&page);
    let of =
        |it: &str| all.iter().find(|(cited, ..)| *cited == it).unwrap_or_else(|| panic!("{it}: {all:#?}"));
    assert_eq!(of("src/tide.rs"), &("src/tide.rs", CiteState::Exists, "src/tide.rs".to_owned()));
    assert_eq!(of("tide_parse()").2, "src/tide.rs:2", "where it is defined, and not where it stands first");
    assert_eq!(of("src/tide.rs::height").2, "src/tide.rs:3");
    assert_eq!((of("src/old.rs:1").1, of("src/old.rs:1").2.as_str()), (CiteState::Exists, "src/old.rs:1"));
    assert_eq!(
        (of("lib/moved.rs").1, of("lib/moved.rs").2.as_str()),
        (CiteState::Moved, "src/deep/moved.rs")
    );
    assert_eq!(of("src/new.rs").1, CiteState::New);
    for it in ["src/gone.rs", "src/tide.rs::missing", "nowhere()", "#nowhere"] {
        assert_eq!(of(it).1, CiteState::Missing, "{it}");
    }
    assert_eq!(of("#risks").1, CiteState::Exists);
    assert!(!all.iter().any(|it| it.0.contains("hidden")), "what is fenced in is a sample");
    let gone = page.spec.citations.iter().find(|it| it.cited == "src/gone.rs").unwrap();
    let line = SPEC.lines().position(|it| it.contains("src/gone.rs")).unwrap() + 1;
    assert_eq!(gone.place, Place::new("specs/001-tide/spec.md", line));
    assert!(gone.says.contains("(new)"), "{gone:?}");
}

#[test]
fn a_plan_tells_its_waves_its_coverage_both_ways_its_proofs_and_its_scopes() {
    let mut repo = native();
    repo.limits = Limits { slots: Some(3), hot: vec!["**/Cargo.lock".to_owned()], ..Limits::default() };
    let red = (TaskId::from("T002"), "cargo test --test say".to_owned());
    repo.red.insert(red, (Red::Vacuous, EvidenceId(7)));
    let page = repo.page("001-tide");
    let plan = &page.plan;
    assert_eq!(task(&page, "T001").wave, None);
    assert_eq!((task(&page, "T002").wave, task(&page, "T003").wave), (Some(0), Some(1)));
    let waits = |id: &str| task(&page, id).waits.iter().map(|it| it.because).collect::<Vec<_>>();
    assert_eq!(waits("T003"), [Because::Scope]);
    assert!(waits("T004").contains(&Because::Dependency), "{:?}", task(&page, "T004"));
    // Both ways.
    let by = |id: &str| {
        let it = plan.coverage.iter().find(|it| it.id == id).unwrap();
        it.tasks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(by("FR-001"), ["T001", "T002"]);
    assert_eq!((by("FR-002").len(), by("SC-001").len()), (0, 0));
    assert_eq!(task(&page, "T002").strays, ["FR-009"]);
    let line = SPEC.lines().position(|it| it.contains("FR-002")).unwrap() + 1;
    let uncovered = plan.coverage.iter().find(|it| it.id == "FR-002").unwrap();
    assert_eq!(uncovered.place, Place::new("specs/001-tide/spec.md", line));
    // Proofs.
    let proof = |id: &str| &task(&page, id).proofs[0];
    assert_eq!((proof("T002").state, proof("T002").red), (ProofState::New, Red::Vacuous));
    assert_eq!(proof("T002").evidence, Some(EvidenceId(7)));
    assert!(
        proof("T003").state == ProofState::Missing && proof("T003").says.contains("no command 'frobnicate'")
    );
    assert!(proof("T004").state == ProofState::Missing && proof("T004").says.contains("scripts/check.sh"));
    assert_eq!(proof("T004").red, Red::NotYetKnown);
    // Phases with their files.
    assert!(plan.phases[0].meter.is_some() && plan.phases[0].says.is_empty());
    assert!(plan.phases[1].meter.is_none() && plan.phases[1].says.contains("write it"));
    assert_eq!((plan.phases[0].done, plan.phases[0].tasks), (1, 3));
    // Scopes on the tree.
    let scope = |glob: &str| plan.scopes.iter().find(|it| it.glob == glob).unwrap();
    assert!(scope("Cargo.lock").hot && scope("Cargo.lock").says.contains("runs alone"));
    assert!(scope("src/nothing/**").files == 0 && scope("src/nothing/**").says.contains("(new)"));
    assert_eq!(scope("src/say.rs").tasks.len(), 2);
    assert!(scope("src/say.rs").new && scope("src/say.rs").says.is_empty());
    // In rows: what is vacuous and what cannot be run blocks, each with a place.
    let parts = rows::plan(plan);
    let proofs = parts.iter().find(|it| it.title == "Proofs").unwrap();
    let blocking: Vec<&str> =
        proofs.rows.iter().filter(|it| it.sign == Sign::Blocks).map(|it| it.label.as_str()).collect();
    assert_eq!(blocking, ["T002", "T003", "T004"]);
    assert!(proofs.rows.iter().all(|it| it.place.is_some()));
}

#[test]
fn each_layout_has_its_own_sections_and_what_it_cites_and_covers() {
    let repo = Repo::of(&[
        (".specify/x.md", ""),
        (
            "specs/002-kit/spec.md",
            "# Kit\n## User Scenarios & Testing\nOne looks.\n## Requirements\n- **FR-001**: x [NEEDS CLARIFICATION: which?]\n## Success Criteria\n",
        ),
        (
            "openspec/changes/add-x/proposal.md",
            "# Change: X\n## Why\nBecause.\n## What Changes\n- **BREAKING** y in `src/a.rs`\n## Impact\nsmall\n",
        ),
        (
            "openspec/changes/add-x/design.md",
            "## Context\nc\n## Decisions\n- one\n## Open Questions\n1. Who?\n",
        ),
        ("openspec/changes/add-x/tasks.md", "## 1. A\n- [ ] 1.1 Do it, verified by `sh run.sh`\n"),
        (
            "openspec/changes/add-x/specs/cap/spec.md",
            "## ADDED Requirements\n### Requirement: Fly\nIt SHALL fly.\n#### Scenario: s\n- WHEN a THEN b\n",
        ),
        (
            ".kiro/specs/store/requirements.md",
            "# Requirements\n## Introduction\nA store.\n## Requirements\n### Requirement 1\n#### Acceptance Criteria\n1. WHEN a THEN b SHALL c\n2. WHEN d THEN e SHALL f\n",
        ),
        (
            ".kiro/specs/store/tasks.md",
            "- [ ] 1. Set up\n  - [ ] 1.1 Make\n    - _Requirements: 1.1_\n  - [ ] 1.2 All\n    - _Requirements: 9.9_\n",
        ),
        (
            ".ai/specs/2026-01-02-run.md",
            "# Run\n## TLDR\nx\n## Risks\n| Scenario | Severity |\n|---|---|\n| a | high |\n## Phasing\none\n## Open Questions\n| Q1 | default: a | needs confirmation |\n|---|---|---|\n| Q2 | b | default |\n",
        ),
        (
            ".ai/runs/2026-01-02-run/PLAN.md",
            "## Tasks\n| Phase | Step | Title | Status | Commit |\n|---|---|---|---|---|\n| 1 | 1.1 | Go | todo | |\n",
        ),
        (
            "docs/superpowers/plans/2026-01-02-fly.md",
            "# Fly\n**Goal:** It flies.\n**Architecture:** wings\n\n### Task 1: Wing\n**Files:**\n- Create: `src/wing.rs`\n\n- [ ] **Step 1: Write**\n",
        ),
        ("src/a.rs", ""),
    ]);
    let kit = repo.page("002-kit");
    assert_eq!(kit.item.layout, Layout::SpecKit);
    assert_eq!(
        (state(&kit, "User scenarios"), state(&kit, "Success criteria")),
        (SectionState::Filled, SectionState::Missing)
    );
    assert_eq!(kit.spec.questions[0].asks, "which?");
    let open = repo.page("add-x");
    assert_eq!(
        (state(&open, "Why"), state(&open, "Capabilities"), state(&open, "Context")),
        (SectionState::Filled, SectionState::Missing, SectionState::Filled)
    );
    assert_eq!(open.spec.questions[0].asks, "Who?");
    assert_eq!(open.spec.questions[0].place.file, "openspec/changes/add-x/design.md");
    assert!(open.spec.citations.iter().any(|it| it.cited == "src/a.rs" && it.state == CiteState::Exists));
    assert_eq!(open.plan.coverage[0].place, Place::new("openspec/changes/add-x/specs/cap/spec.md", 2));
    assert_eq!(task(&open, "1.1").proofs[0].state, ProofState::Missing);
    let kiro = repo.page("store");
    assert_eq!(
        (state(&kiro, "Introduction"), state(&kiro, "design")),
        (SectionState::Filled, SectionState::Missing)
    );
    let by = |id: &str| kiro.plan.coverage.iter().find(|it| it.id == id).unwrap().tasks.len();
    assert_eq!((by("1.1"), by("1.2")), (1, 0));
    assert_eq!(task(&kiro, "1.2").strays, ["9.9"]);
    let mercato = repo.page("2026-01-02-run");
    assert_eq!(
        (state(&mercato, "TLDR"), state(&mercato, "Risks"), state(&mercato, "API")),
        (SectionState::Filled, SectionState::Filled, SectionState::Missing)
    );
    assert_eq!(mercato.spec.registers[0].rows.len(), 1);
    let asked: Vec<AskState> = mercato.spec.questions.iter().map(|it| it.state).collect();
    assert_eq!(asked, [AskState::Defaulted], "the head of a table is no question");
    let fly = repo.page("2026-01-02-fly");
    assert_eq!(
        (state(&fly, "Goal"), state(&fly, "Global constraints")),
        (SectionState::Filled, SectionState::Missing)
    );
    assert!(
        fly.spec.citations.is_empty(),
        "what a task is to write is no citation: {:?}",
        fly.spec.citations
    );
}

#[test]
fn proofs_resolve_by_scripts_targets_recipes_crates_and_tests() {
    let commands = [
        ("npm test", true),
        ("npm run lint -- --fix", true),
        ("npm run nope", false),
        ("make check -j 4", true),
        ("make nope", false),
        ("just build release", true),
        ("just nope", false),
        ("cargo xtask", true),
        ("cargo nope", false),
        ("cargo test -p tide", true),
        ("cargo test -p nope", false),
        ("cargo test --test there", true),
        ("cargo test --test nope", false),
        ("pytest tests/there.rs::x", true),
        ("pytest tests/nope.py", false),
        ("./run.sh && true", true),
        ("./nope.sh", false),
        ("nope --version", false),
        ("X=1 sh run.sh | cat-nope", false),
        ("$TOOL run", true),
        ("test -e a.txt", true),
    ];
    let tasks: String = commands
        .iter()
        .enumerate()
        .map(|(n, (it, _))| format!("- [ ] T{n:03} x\n  - Files: `f{n}`\n  - Verify: `{it}`\n"))
        .collect();
    let repo = Repo::of(&[
        ("specs/001-x/spec.md", "# X\n"),
        ("specs/001-x/tasks.md", &tasks),
        ("package.json", "{\"scripts\": {\"test\": \"x\", \"lint\": \"y\"}}"),
        ("Makefile", ".PHONY: check\nCC := cc\ncheck: build\n\tcc x\nbuild:\n"),
        ("justfile", "set shell := [\"sh\"]\nbuild mode='dev':\n  x\n"),
        (".cargo/config.toml", "[alias]\nxtask = \"run -p xtask\"\n"),
        ("Cargo.toml", "[package]\nname = \"tide\"\n"),
        ("tests/there.rs", ""),
        ("run.sh", ""),
    ]);
    let page = repo.page("001-x");
    for (n, (command, there)) in commands.iter().enumerate() {
        let it = &task(&page, &format!("T{n:03}")).proofs[0];
        assert_eq!(it.state == ProofState::Resolves, *there, "{command}: {it:?}");
        assert_eq!(it.says.is_empty(), *there, "{command}: {it:?}");
    }
}

#[test]
fn hostile_and_endless_texts_are_read_in_time_and_shown_as_text() {
    let mut long = String::from("# X\n## Risks\n");
    for n in 0..20_000 {
        long.push_str("####### `a/b");
        long.push_str(&n.to_string());
        long.push_str(
            ".rs` [x](../../../../etc/passwd) | \u{202e}\x1b[2J TBD `` ` [NEEDS CLARIFICATION\n| a | b\n",
        );
    }
    let repo = Repo::of(&[
        ("specs/001-x/spec.md", &long),
        ("specs/001-x/tasks.md", "- [ ] T001 \u{202e}\x1b[2Jx\n  - Verify: `\"unclosed $(`\n"),
    ]);
    let page = repo.page("001-x");
    assert!(page.spec.citations.len() <= 1000 && page.spec.registers[0].rows.len() <= 500);
    assert!(
        !page.spec.citations.iter().any(|it| it.cited.contains("passwd")),
        "what leads out is nobody's to look at"
    );
    for part in rows::spec(&page.spec).iter().chain(&rows::plan(&page.plan)) {
        for row in &part.rows {
            let all = format!("{}{}{}", row.label, row.says, row.remedy);
            assert!(!all.contains(['\x1b', '\u{202e}', '\n']), "{row:?}");
        }
    }
}
