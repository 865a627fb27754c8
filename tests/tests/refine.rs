//! From a sentence to a plan that can be trusted: drafted by one agent, refined by one of another family, planned; the gates held, or
//! overridden with a reason. Scripted agents, real git, the built program.

use std::path::{Path, PathBuf};

use pilothouse_contract::card::{Happened, Role, Stage};
use pilothouse_contract::event::Event;
use pilothouse_testkit::agent::{ShellAgent, two_families};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

/// What an author writes: each section says something.
const SPEC: &str = "# Export invoices\n\n- Status: drafted\n\n## Summary\nInvoices of a month as CSV, by `export.sh` (new).\n\n## Problem\nToday by hand.\n\n\
    ## Users and scenarios\nGiven a month, when asked, then a file.\n\n## Requirements\n- **FR-001**: It MUST write the invoices of a month.\n\n\
    ## Success criteria\nOne file a month.\n\n## Compatibility\nnot applicable because nothing is there yet\n\n## Risks\nnone because it only reads\n\n\
    ## Open questions\nnone\n\n## Decisions\nCSV.\n";
/// And its plan.
const TASKS: &str = "## Phase 1: Export\n- Detail: phases/01-export.md\n\n- [ ] T001 Write the month\n  - Files: `export.txt` (new)\n  - Verify: `test -s export.txt`\n  - Depends: none\n  - Covers: FR-001\n\
    - [ ] T002 Say what an empty month gives\n  - Files: `empty.txt` (new)\n  - Verify: `test -s empty.txt`\n  - Depends: T001\n  - Covers: FR-002\n";

/// Whoever writes: `draft`, `settle` and `plan` are what it does in each of its sessions, with `$folder` the spec's.
fn writer(draft: &str, settle: &str, plan: &str) -> ShellAgent {
    ShellAgent::new(&format!(
        "folder=$(ls -d specs/*-*/ openspec/changes/*/ .kiro/specs/*/ 2> /dev/null | tail -n 1)\nsettle() {{ \"$PILOTHOUSE_BIN\" hook settle \"$@\"; }}\n\
         case \"$(head -n 1 \"$1\")\" in\n'# Draft '*) {draft} ;;\n'# Answer '*) {settle} ;;\n'# Plan '*) {plan} ;;\n\
         *) echo made > \"$(sed -n 's/.*`test -s \\([a-z.]*\\)`.*/\\1/p' \"$1\" | head -n 1)\" ;;\nesac"
    ))
}

fn drafts() -> String {
    format!("cat > $folder/spec.md <<'END'\n{SPEC}END\n")
}

fn settles() -> String {
    "settle 1 accepted 'an empty month gives an empty file' && settle 2 rejected 'who asks may ask again' &&\n\
     sed -i 's/^- .*FR-001.*/&\\n- **FR-002**: An empty month MUST give an empty file./' $folder/spec.md\n"
        .to_owned()
}

fn plans() -> String {
    format!(
        "mkdir -p $folder/phases; echo '# Export' > $folder/phases/01-export.md; echo '# How' > $folder/plan.md\n\
         cat > $folder/tasks.md <<'END'\n{TASKS}END\n"
    )
}

/// Whoever refines: `first` in its first refinement, and then it finds nothing.
fn critic(first: &str) -> ShellAgent {
    ShellAgent::new(&format!(
        "found() {{ \"$PILOTHOUSE_BIN\" hook finding \"$@\"; }}\n\
         case \"$(head -n 1 \"$1\")\" in\n*'refinement 1') {first} ;;\n\
         *) found 'edge cases' nothing 'every month' && found 'failure modes' nothing 'disk and network' ;;\nesac"
    ))
}

const FINDS: &str = "found 'edge cases' high 'Nobody says what an empty month gives' --at spec.md:13 --proposes 'An empty month gives an empty file'\n\
    found 'failure modes' low 'Nobody retries'";

struct Scene {
    home: Home,
    repo: Repo,
    _agents: [ShellAgent; 2],
}

fn scene(writer: ShellAgent, critic: ShellAgent) -> Scene {
    let workflow = format!(
        "---\npilothouse:\n  agent: writer\n  approve: policy\n  completeness: 'off'\n  lenses: [edge cases, failure modes]\n  agents:\n{}---\n",
        two_families(&writer, &critic)
    );
    let repo = Repo::new("shop", &[("WORKFLOW.md", &workflow), ("README.md", "# Shop\n")]);
    let home = Home::trusting(&repo);
    Scene { home, repo, _agents: [writer, critic] }
}

impl Scene {
    fn begun(&self, idea: &[&str]) -> Value {
        self.home.json(&[&["spec", "new", "--project", "shop", "--wait"], idea].concat())
    }

    fn refine(&self) -> Value {
        self.home.json(&["spec", "refine", "i1", "--wait"])
    }

    fn card(&self) -> Value {
        self.home.try_json(&["spec", "gate", "i1"]).json()["card"].clone()
    }

    fn sat(&self) -> Vec<Role> {
        let all = self.home.history().into_iter();
        all.filter_map(|it| match it.event {
            Event::Card { what: Happened::Sits { sitting }, .. } => Some(sitting.due.role),
            _ => None,
        })
        .collect()
    }
}

fn gate<'a>(page: &'a Value, name: &str) -> &'a Value {
    let all = page["gates"].as_array().unwrap();
    all.iter().find(|it| it["gate"] == name).unwrap_or_else(|| panic!("no {name}: {page:#}"))
}

fn folder(page: &Value) -> PathBuf {
    Path::new(page["folder"].as_str().unwrap_or_else(|| panic!("no folder: {page:#}"))).to_owned()
}

#[test]
fn a_sentence_becomes_a_refined_plan_and_lands_with_its_work() {
    let scene = scene(writer(&drafts(), &settles(), &plans()), critic(FINDS));
    let home = &scene.home;
    let page = scene.begun(&["Export the invoices of a month to CSV"]);
    assert_eq!(page["item"]["slug"], "001-export-invoices-month-csv", "{page:#}");
    assert_eq!(page["card"]["draft"]["stage"], "drafted");
    assert_eq!((&gate(&page, "G1")["holds"], &gate(&page, "G2")["holds"]), (&json!("yes"), &json!("no")));
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "", "the working tree is as it was");
    assert_eq!(
        scene.repo.git(&["log", "--format=%s", "main"]),
        "First",
        "nothing came to the default branch"
    );
    let early = home.try_json(&["run", "start", "i1"]).fault();
    assert!(
        early.contains("001-export-invoices-month-csv may not be run yet") && early.contains("--override"),
        "{early}"
    );

    let page = scene.refine();
    let draft = &page["card"]["draft"];
    assert_eq!((&draft["stage"], &page["item"]["state"]), (&json!("planned"), &json!("planned")), "{page:#}");
    let passes = draft["passes"].as_array().unwrap();
    assert_eq!(passes.len(), 2, "{draft:#}");
    let findings = passes[0]["findings"].as_array().unwrap();
    assert_eq!(
        (&findings[0]["severity"], &findings[0]["verdict"]["accepted"]),
        (&json!("high"), &json!(true))
    );
    assert_eq!(
        (&findings[1]["severity"], &findings[1]["verdict"]["accepted"]),
        (&json!("low"), &json!(false))
    );
    assert_eq!(findings[1]["verdict"]["because"], "who asks may ask again");
    assert!(
        passes[0]["diff"].as_str().unwrap().contains("+- **FR-002**: An empty month MUST"),
        "{passes:#?}"
    );
    assert_eq!(passes[1]["clear"].as_array().unwrap().len(), 2, "every lens was answered");
    assert_eq!(passes[0]["after"], passes[1]["before"]);
    assert!(passes.iter().all(|it| it["by"]["family"] == "beta" && it["ended"].is_number()));
    assert_eq!(scene.sat(), [Role::Draft, Role::Refine, Role::Settle, Role::Refine, Role::Plan]);
    // Each was a fresh session, in a worktree of its own.
    let sat: Vec<&str> =
        draft["sat"].as_array().unwrap().iter().map(|it| it["session"].as_str().unwrap()).collect();
    let fresh: std::collections::BTreeSet<&&str> = sat.iter().collect();
    assert_eq!(fresh.len(), 5);
    for name in ["G0", "G1", "G2", "G3", "G5"] {
        let it = gate(&page, name);
        assert_eq!(it["holds"], "yes", "{it:#}");
        assert!(
            it["commit"] == draft["head"]
                && it["at"].as_i64() > Some(0)
                && !it["says"].as_str().unwrap().is_empty()
        );
    }
    // The same code, in a terminal.
    let spec = folder(&page).display().to_string();
    for what in ["spec", "plan"] {
        let ran = home.try_json(&["check", what, &spec]);
        assert_eq!((ran.code, ran.json()["holds"].as_bool()), (0, Some(true)), "{ran:?}");
    }
    let shown = home.run(&["spec", "gate", "i1"]);
    assert!(
        shown.code == 0 && shown.out.contains("refinement 1, by critic (beta): 2 found, 1 accepted"),
        "{shown:?}"
    );

    // A run begins from there, and spec and work land as one.
    // What its proofs run was written by an agent, and is shown before it runs.
    home.trust_again(&scene.repo);
    let ran = home.try_json(&["run", "start", "i1", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(scene.repo.read("specs/001-export-invoices-month-csv/tasks.md").contains("- [x] T002"));
    assert!(scene.repo.read("empty.txt").contains("made"));
    let run = home.json(&["run", "show", "r1"]);
    assert_eq!(gate(&run, "G2")["holds"], "yes", "{:#}", run["gates"]);
    assert_eq!(home.json(&["item", "show", "i1"])["item"]["state"], "landed");
}

#[test]
fn what_came_with_the_repository_is_refined_beside_its_default_branch_and_lands_with_that() {
    let plain = TASKS.split("- [ ] T002").next().unwrap();
    let files = [
        ("specs/001-invoices/spec.md", SPEC),
        ("specs/001-invoices/tasks.md", plain),
        ("specs/001-invoices/phases/01-export.md", "# Export\n"),
    ];
    let scene = scene(writer("exit 9", &settles(), &plans()), critic(FINDS));
    scene.repo.commit(&files, "Bring a spec");
    let home = &scene.home;
    home.json(&["item", "new", "shop"]);
    let told = gate(&home.try_json(&["spec", "gate", "i1"]).json(), "G2").to_string();
    assert!(told.contains("pilothouse spec refine 001-invoices"), "{told}");
    let page = scene.refine();
    let draft = &page["card"]["draft"];
    assert_eq!((&draft["stage"], &page["item"]["state"]), (&json!("planned"), &json!("planned")), "{page:#}");
    assert_eq!(scene.sat(), [Role::Refine, Role::Settle, Role::Refine, Role::Plan], "nobody drafted it anew");
    assert_eq!(gate(&page, "G2")["holds"], "yes", "{page:#}");
    let main = || scene.repo.git(&["show", "main:specs/001-invoices/spec.md"]);
    assert!(!main().contains("FR-002"), "the default branch has what it had");

    // Whatever comes to the default branch meanwhile: what was refined counts, and both land.
    scene.repo.commit(&[("README.md", "# Shop, open on Mondays\n")], "Say when");
    home.trust_again(&scene.repo);
    let item = &home.json(&["item", "show", "i1"])["item"];
    assert_eq!(item["spec"]["tasks"].as_array().map(Vec::len), Some(2), "{item:#}");
    let ran = home.try_json(&["run", "start", "i1", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(main().contains("FR-002") && scene.repo.read("README.md").contains("Mondays"));
    assert!(scene.repo.read("specs/001-invoices/tasks.md").contains("- [x] T002"));
    assert!(scene.repo.read("empty.txt").contains("made"));
    let settled = home.try_json(&["spec", "refine", "i1"]).fault();
    assert!(settled.contains("has landed: its spec is settled"), "{settled}");
}

#[test]
fn an_idea_lands_in_the_layout_that_its_repository_has() {
    let proposal = "# Change: Export\n\n## Why\n\nBy hand today.\n\n## What Changes\n\n- `export.txt` (new)\n\n## Impact\n\nSmall.\n";
    let delta = "## ADDED Requirements\n\n### Requirement: Month\n\nIt SHALL write a month.\n\n#### Scenario: Any\n\n- **WHEN** asked\n- **THEN** a file\n";
    let change = "## 1. Export\n\n- [ ] 1.1 Write the month\n  - Files: `export.txt` (new)\n  - Verify: `test -s export.txt`\n  - Covers: Month\n";
    let wanted = "# Requirements Document\n\n## Introduction\n\nInvoices as a file.\n\n## Requirements\n\n### Requirement 1: Month\n\n#### Acceptance Criteria\n\n1. WHEN asked THEN it SHALL write `export.txt` (new)\n";
    let steps = "# Implementation Plan\n\n- [ ] 1. Export\n  - [ ] 1.1 Write the month\n    - _Files: `export.txt` (new)_\n    - _Verify: `test -s export.txt`_\n    - _Requirements: 1.1_\n";
    let write = |files: &[(&str, &str)]| {
        let each = files.iter().map(|(path, text)| {
            format!("mkdir -p \"$(dirname $folder/{path})\"; cat > $folder/{path} <<'END'\n{text}END\n")
        });
        each.collect::<String>()
    };
    let settle = "settle 1 rejected 'there is none' && settle 2 rejected 'who asks may ask again'";
    for (there, drafted, planned, tasks) in [
        (
            ("openspec/project.md", "# Shop\n"),
            write(&[("proposal.md", proposal), ("specs/export/spec.md", delta)]),
            write(&[("tasks.md", change)]),
            "openspec/changes/export-invoices-month-csv/tasks.md",
        ),
        (
            (".kiro/steering/product.md", "# Shop\n"),
            write(&[("requirements.md", wanted), ("design.md", "# Design\n")]),
            write(&[("tasks.md", steps)]),
            ".kiro/specs/export-invoices-month-csv/tasks.md",
        ),
    ] {
        let scene = scene(writer(&drafted, settle, &planned), critic(FINDS));
        scene.repo.commit(&[there], "Bring a layout");
        let page = scene.begun(&["Export the invoices of a month to CSV"]);
        let folder = tasks.trim_end_matches("/tasks.md");
        assert_eq!(page["card"]["draft"]["folder"], folder, "{page:#}");
        let page = scene.refine();
        assert_eq!(page["card"]["draft"]["stage"], "planned", "{page:#}");
        scene.home.trust_again(&scene.repo);
        let ran = scene.home.try_json(&["run", "start", "i1", "--wait"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(scene.repo.read(tasks).contains("- [x] 1.1"), "{}", scene.repo.read(tasks));
        assert!(scene.repo.read("export.txt").contains("made"));
    }
}

#[test]
fn a_family_does_not_review_itself_without_a_reason_that_is_kept() {
    let scene = scene(writer(&drafts(), &settles(), &plans()), critic(FINDS));
    let home = &scene.home;
    scene.begun(&["Export the invoices of a month to CSV"]);
    let same = home.try_json(&["spec", "refine", "i1", "--agent", "twin"]).fault();
    assert!(
        same.contains("twin is of the family alpha, as writer is who wrote it") && same.contains("--because"),
        "{same}"
    );
    let blank = home.try_json(&["spec", "refine", "i1", "--agent", "twin", "--because", "  "]).fault();
    assert!(blank.contains("errs alike"), "{blank}");
    assert_eq!(scene.sat(), [Role::Draft], "nothing was begun");
    let page =
        home.json(&["spec", "refine", "i1", "--agent", "twin", "--because", "no other one here", "--wait"]);
    let passes = page["card"]["draft"]["passes"].as_array().unwrap();
    assert!(passes.iter().all(|it| it["excuse"]["because"] == "no other one here"), "{passes:#?}");
    let stand = gate(&page, "G2");
    let told = stand["found"].to_string();
    assert!(
        stand["holds"] == "yes"
            && told.contains("none of its 2 refinements is shown to be by another family"),
        "{stand:#}"
    );
}

#[test]
fn a_lens_that_nobody_answers_stops_the_refinement_and_it_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("answers");
    let critic = critic(&format!(
        "found 'edge cases' nothing 'all of them'\nfound caching high 'x'\nfound 'edge cases' low 'after all'\n\
         [ ! -e {0} ] || found 'failure modes' nothing 'now too'",
        mark.display()
    ));
    let scene = scene(writer(&drafts(), &settles(), &plans()), critic);
    scene.begun(&["Export the invoices of a month to CSV"]);
    let stopped = scene.home.try_json(&["spec", "refine", "i1", "--wait"]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    let card = scene.card();
    assert!(card["draft"]["why"].as_str().unwrap().contains("without a word on failure modes"), "{card:#}");
    assert_eq!(scene.sat(), [Role::Draft, Role::Refine, Role::Refine], "it was asked once more");
    std::fs::write(&mark, "").unwrap();
    // What was said of the other lens counts: its finding is answered, and the pass is the same.
    let page = scene.home.try_json(&["spec", "refine", "i1", "--wait"]).json();
    let passes = page["card"]["draft"]["passes"].as_array().unwrap();
    assert_eq!((passes.len(), passes[0]["clear"].as_array().map(Vec::len)), (1, Some(1)), "{page:#}");
}

#[test]
fn a_restart_in_the_midst_of_a_refinement_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let critic = critic(&format!(
        "found 'edge cases' high 'Nobody says what an empty month gives'\necho here > {}; read go < {}\n\
         found 'edge cases' high 'Nobody says what an empty month gives'\nfound 'failure modes' low 'Nobody retries'",
        here.path().display(),
        go.path().display()
    ));
    let scene = scene(writer(&drafts(), &settles(), &plans()), critic);
    scene.begun(&["Export the invoices of a month to CSV"]);
    scene.home.json(&["spec", "refine", "i1"]);
    assert_eq!(here.read().trim(), "here");
    scene.home.json(&["engine", "restart"]);
    std::fs::write(go.path(), "go\n").unwrap();
    let rests = |it: &pilothouse_contract::Record| matches!(&it.event, Event::Card { what: Happened::Moved { to, .. }, .. } if *to == Stage::Planned || *to == Stage::Stopped);
    scene.home.events(0).find(rests).expect("the engine tells");
    let card = scene.card();
    assert_eq!(card["draft"]["stage"], "planned", "{card:#}");
    assert_eq!(
        card["draft"]["passes"][0]["findings"].as_array().map(Vec::len),
        Some(2),
        "said again, it is the same"
    );
    assert_eq!(scene.sat(), [Role::Draft, Role::Refine, Role::Settle, Role::Refine, Role::Plan]);
    let begun = scene.home.history().iter().filter(|it| it.event.word() == "pass-begun").count();
    assert_eq!(begun, 2);
}

#[test]
fn a_gate_is_overridden_with_a_reason_that_is_counted_and_for_that_spec_alone() {
    // The plan has no scope for a task, and no proof for another.
    let bad = "printf '## Phase 1: A\\n\\n- [ ] T001 X\\n  - Files: `x` (new)\\n  - Verify: `test -s x`\\n  - Covers: FR-001\\n' > $folder/tasks.md".to_owned();
    let scene = scene(writer(&format!("{}{bad}", drafts()), "true", "true"), critic(FINDS));
    let home = &scene.home;
    scene.begun(&["Export the invoices of a month to CSV"]);
    let none = home.try_json(&["spec", "gate", "i1", "--override", "G2"]);
    assert_eq!(none.code, 2, "without a reason nothing is overridden: {none:?}");
    let blank = home.try_json(&["spec", "gate", "i1", "--override", "G2", "--because", " "]).fault();
    assert!(blank.contains("with a reason, and that is counted"), "{blank}");
    let held = home.try_json(&["spec", "gate", "i1", "--override", "G1", "--because", "x"]).fault();
    assert!(held.contains("G1 (shape of the spec) holds"), "{held}");
    let page = home.json(&["spec", "gate", "i1", "--override", "g2", "--because", "a small thing"]);
    let stand = gate(&page, "G2");
    assert_eq!(
        (&stand["holds"], &stand["overridden"]["because"]),
        (&json!("overridden"), &json!("a small thing"))
    );
    // Whoever changes the spec needs another reason.
    let branch = "pilothouse/001-export-invoices-month-csv/spec";
    let other = scene.repo.path().parent().unwrap().join("other");
    scene.repo.git(&["worktree", "add", "--quiet", &other.display().to_string(), branch]);
    let spec = other.join("specs/001-export-invoices-month-csv/spec.md");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, format!("{text}\nMore.\n")).unwrap();
    let (at, committed) = (other.display().to_string(), "By hand");
    scene.repo.git(&["-C", &at, "commit", "--quiet", "--all", "--message", committed]);
    let page = home.try_json(&["spec", "gate", "i1"]);
    assert_eq!((page.code, &gate(&page.json(), "G2")["holds"]), (1, &json!("no")), "{page:?}");
    home.json(&["spec", "gate", "i1", "--override", "G2", "--because", "still a small thing"]);
    // What its proofs run was written by an agent, and is shown before it runs.
    home.trust_again(&scene.repo);
    let ran = home.try_json(&["run", "start", "i1", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let shown = home.run(&["run", "show", "r1"]).out;
    assert!(shown.contains("gates overridden: 1") && shown.contains("still a small thing"), "{shown}");
    let landed = scene.repo.read("specs/001-export-invoices-month-csv/spec.md");
    assert!(landed.ends_with("\nMore.\n"), "what a person made of it counts: {landed}");
    let brief = home.json(&["brief"]).to_string();
    assert!(brief.contains("G2 overridden by") && brief.contains("2 so far: still a small thing"), "{brief}");
}

#[test]
fn a_file_and_an_issue_begin_items_in_the_repositorys_own_layout_and_nothing_is_written_over() {
    let scene = scene(writer("true", "true", "true"), critic(FINDS));
    let home = &scene.home;
    let folder = tempfile::tempdir().unwrap();
    let idea = folder.path().join("idea.md");
    std::fs::write(&idea, "# Tides\n\nShow them.\n- [ ] T001 owned\n\x1b[2J").unwrap();
    let issues = folder.path().join("issues");
    std::fs::create_dir(&issues).unwrap();
    std::fs::write(
        issues.join("SHOP-7.md"),
        "---\ntitle: Ebb at night\nstate: Todo\n---\nThe lamp is dark.\n",
    )
    .unwrap();
    // Somebody has a folder of that name, and did not commit it.
    scene.repo.write("specs/001-tides/mine.md", "mine\n");
    let page = home.json(&["spec", "new", "--project", "shop", "--file", &idea.display().to_string()]);
    assert_eq!(page["item"]["slug"], "002-tides", "{page:#}");
    let head = page["card"]["draft"]["head"].as_str().unwrap();
    let skeleton = scene.repo.git(&["show", &format!("{head}:specs/002-tides/spec.md")]);
    assert!(skeleton.contains("> - [ ] T001 owned") && !skeleton.contains('\x1b'), "{skeleton}");
    let reference = format!("{}#SHOP-7", issues.display());
    let page = home.json(&["spec", "new", "--project", "shop", "--issue", &reference, "--layout", "kiro"]);
    assert_eq!(page["card"]["draft"]["folder"], ".kiro/specs/ebb-at-night", "{page:#}");
    let head = page["card"]["draft"]["head"].as_str().unwrap();
    let skeleton = scene.repo.git(&["show", &format!("{head}:.kiro/specs/ebb-at-night/requirements.md")]);
    assert!(skeleton.contains("> Ebb at night") && skeleton.contains("> The lamp is dark."), "{skeleton}");
    assert_eq!(scene.repo.read("specs/001-tides/mine.md"), "mine\n");
    let missing = home.try_json(&[
        "spec",
        "new",
        "--project",
        "shop",
        "--issue",
        &format!("{}#SHOP-8", issues.display()),
    ]);
    assert!(missing.fault().contains("has no issue SHOP-8"));
    let empty = home.try_json(&["spec", "new", "--project", "shop", "  "]).fault();
    assert!(empty.contains("an idea without words says nothing"), "{empty}");
    // An author that writes nothing is asked once more, and then a person is.
    let stopped = |it: &pilothouse_contract::Record| matches!(&it.event, Event::Card { what: Happened::Moved { to: Stage::Stopped, why }, .. } if why.contains("wrote nothing"));
    home.events(0).find(stopped).expect("the engine tells");
}

#[test]
fn the_rehearsals_own_agents_draft_refine_and_plan_and_what_they_used_is_kept() {
    let repo = Repo::new("shop", &[("README.md", "# Shop\n")]);
    let home = Home::trusting(&repo);
    let idea = "Say when the shop is closed";
    let page = home.json(&[
        "spec",
        "new",
        idea,
        "--project",
        "shop",
        "--agent",
        "rehearsal",
        "--nights",
        "me",
        "--wait",
    ]);
    assert_eq!(page["card"]["draft"]["author"]["family"], "scripted", "{page:#}");
    let nobody = home.try_json(&["spec", "refine", "i1", "--agent", "rehearsal"]).fault();
    assert!(nobody.contains("of the family scripted"), "{nobody}");
    let page = home.json(&["spec", "refine", "i1", "--agent", "rehearsal-critic", "--wait"]);
    let draft = &page["card"]["draft"];
    let passes = draft["passes"].as_array().unwrap();
    assert_eq!(passes.len(), 2, "{draft:#}");
    assert_eq!(passes[0]["used"]["model"], "scripted-critic");
    assert!(passes[0]["used"]["tokens"].as_u64() > Some(0) && draft["sat"][0]["used"]["model"] == "scripted");
    assert!(!gate(&page, "G0")["found"].to_string().contains("night"), "{:#}", gate(&page, "G0"));
    let plan = home.try_json(&["check", "plan", &folder(&page).display().to_string()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let command = ["run", "start", "i1", "--agent", "rehearsal", "--approve", "policy", "--wait"];
    let unseen = home.try_json(&command).fault();
    assert!(
        unseen.contains("runs only once you saw it") && unseen.contains("test -s made/two.txt"),
        "{unseen}"
    );
    home.json(&["project", "trust", "shop", "--yes"]);
    let ran = home.try_json(&command);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(repo.read("made/two.txt"), "made\n");
}

/// Goes from control to control until one has the keys.
fn tab_to(window: &Window, css: &str) {
    window.wait(css);
    let focused = format!("{css}:focus");
    let there = (0..40).any(|_| {
        window.keys("tab");
        window.find(&focused)
    });
    assert!(there, "no tab leads to {css}");
}

#[test]
fn an_idea_is_typed_refined_and_let_past_a_gate_by_keys_alone() {
    let scene = scene(writer(&drafts(), &settles(), &plans()), critic(FINDS));
    let window = Window::open(&scene.home, Options::default());
    window.wait(".stage h1");
    window.keys("ctrl+shift+o");
    window.wait("[data-name=new-item] [data-name=idea]:focus");
    window.type_text("Export the invoices of a month to CSV");
    window.keys("ctrl+enter");
    window.wait_text("[data-name=refinement] [data-name=stage]", "drafted");
    window.wait_text("[data-gate=G1][data-holds=holds]", "shape of the spec");
    // Two refinements beside each other, with what became of each finding.
    tab_to(&window, "[data-name=refine]");
    window.keys("enter");
    window
        .wait_text("[data-pass='1'] [data-verdict=accepted] .verdict", "an empty month gives an empty file");
    window.wait_text("[data-pass='1'] [data-verdict=rejected] .verdict", "who asks may ask again");
    window.wait_text("[data-pass='2']", "every month");
    window.wait_text("[data-name=refinement] [data-name=stage]", "planned");
    // A gate is let past with a reason, which keeps its words while the dialog is told of something else.
    window.wait("[data-gate=G5][data-holds=holds]");
    tab_to(&window, "[data-gate=G6] [data-name=past]");
    window.keys("enter");
    window.wait("[data-gate=G6] [data-name=because]:focus");
    window.type_text("a guard that");
    scene.repo.commit(&[("README.md", "# Shop, open on Mondays\n")], "Say when");
    let main = scene.repo.git(&["rev-parse", "--short=10", "HEAD"]);
    window.until("the engine saw it", || scene.home.try_json(&["project", "list"]).out.contains(main.trim()));
    window.type_text(" holds already");
    window.keys("enter");
    window.wait_text("[data-gate=G6] .verdict", "a guard that holds already");
    window.wait("[data-name=refinement] [data-name=close]:focus");
    let page = scene.home.try_json(&["spec", "gate", "i1"]).json();
    assert_eq!(gate(&page, "G6")["overridden"]["because"], "a guard that holds already", "{page:#}");
    window.keys("escape");
    window.until("the dialog closed", || !window.find("[data-name=refinement]"));
    window.wait("[data-focus]:focus");
    assert_eq!((window.violations(), window.errors()), (Vec::new(), Vec::new()));
}
