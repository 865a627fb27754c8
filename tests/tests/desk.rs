//! The desk of specs and plans over a repository with four layouts: by the program without an engine, by the engine at a commit, and by
//! the real window with keys alone. Nothing of it changes a file.

use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::desks::four_layouts;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::{Repo, bytes_below};
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

fn path(repo: &Repo, below: &str) -> String {
    repo.path().join(below).display().to_string()
}

fn named<'a>(all: &'a Value, key: &str, name: &str) -> &'a Value {
    let found = all.as_array().unwrap().iter().find(|it| it[key] == name);
    found.unwrap_or_else(|| panic!("no {name}: {all:#}"))
}

#[test]
fn a_spec_and_a_plan_are_shown_without_an_engine_and_without_a_changed_file() {
    let (home, repo) = (Home::new(), four_layouts());
    let before = bytes_below(repo.path());
    // A question in the way: the gate does not hold, and everything is told all the same.
    let ran = home.try_json(&["spec", "show", &path(&repo, "specs/001-tide-tables")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let page = ran.json();
    assert_eq!(page["layout"], "spec-kit");
    assert_eq!(page["questions"][0]["asks"], "by its code or by its name?");
    assert_eq!(page["questions"][0]["place"], json!({ "file": "specs/001-tide-tables/spec.md", "line": 19 }));
    assert_eq!(named(&page["sections"], "name", "Success criteria")["state"], "filled");
    let cited = &page["citations"];
    assert_eq!(named(cited, "cited", "tide_parse()")["found"], json!({ "file": "src/tide.rs", "line": 3 }));
    assert_eq!(named(cited, "cited", "src/tide.rs")["state"], "exists");
    assert_eq!(named(cited, "cited", "src/old/table.rs")["state"], "moved");
    assert_eq!(named(cited, "cited", "src/old/table.rs")["found"]["file"], "src/tables/table.rs");
    assert!(page["meters"][0]["tokens"].as_u64().unwrap() > 100 && page["meters"][0]["lines_max"] == 1000);
    assert_eq!(page["noted"][0]["source"], "default");
    // For people, with remedy and line.
    let shown = home.run(&["spec", "show", &path(&repo, "specs/001-tide-tables/spec.md")]);
    assert!(shown.out.contains("Questions: 1 of 1 block"), "{shown:?}");
    assert!(
        shown.out.contains("(specs/001-tide-tables/spec.md:19)\n          → answer it, and delete the mark"),
        "{shown:?}"
    );

    let ran = home.try_json(&["plan", "show", &path(&repo, "specs/001-tide-tables")]);
    assert_eq!(ran.code, 1, "the script of T004 is nowhere: {ran:?}");
    let plan = ran.json();
    let task = |id: &str| named(&plan["tasks"], "id", id).clone();
    assert_eq!((task("T002")["wave"].as_u64(), task("T005")["wave"].as_u64()), (Some(0), Some(2)));
    assert_eq!(task("T004")["waits"][0]["because"], "scope");
    assert_eq!(task("T005")["waits"][0]["because"], "dependency");
    assert_eq!(task("T003")["proofs"][0]["state"], "resolves");
    assert_eq!(task("T003")["proofs"][0]["red"], "not-yet-known");
    assert_eq!(task("T004")["proofs"][0]["state"], "missing");
    assert_eq!(named(&plan["coverage"], "id", "FR-003")["tasks"], json!([]));
    assert_eq!(named(&plan["coverage"], "id", "FR-001")["tasks"], json!(["T002", "T003"]));
    assert_eq!(named(&plan["scopes"], "glob", "Cargo.lock")["hot"], true);
    // The gate says the same wherever it is asked.
    let gate = home.try_json(&["check", "plan", &path(&repo, "specs/001-tide-tables")]);
    assert!(gate.code == 1 && gate.out.contains("T004: '") && gate.out.contains("cannot be run"), "{gate:?}");
    let narrow =
        home.try_json(&["plan", "show", &path(&repo, "specs/001-tide-tables"), "--slots", "1"]).json();
    let waits = &named(&narrow["tasks"], "id", "T003")["waits"][0]["because"];
    assert_eq!((narrow["waves"].as_u64(), waits.as_str()), (Some(4), Some("slot")));
    // The others, each in its own words; and more than one at once is refused.
    for (below, layout) in [
        ("openspec/changes/add-alerts", "open-spec"),
        (".kiro/specs/berths", "kiro"),
        (".ai/runs/2026-01-02-fees", "open-mercato"),
    ] {
        let page = home.try_json(&["spec", "show", &path(&repo, below)]).json();
        assert_eq!(page["layout"], layout, "{page:#}");
        assert!(!page["sections"].as_array().unwrap().is_empty());
    }
    let many = home.try_json(&["plan", "show", &repo.name()]);
    assert!(many.code == 2 && many.fault().contains("one is shown at a time"), "{many:?}");
    let kiro = home.run(&["plan", "show", &path(&repo, ".kiro/specs/berths")]);
    assert!(kiro.out.contains("1.2") && !kiro.out.contains('\u{202e}'), "{kiro:?}");
    assert_eq!(bytes_below(repo.path()), before, "no file was changed, none was made");
    assert!(!home.data().join("engine.lock").exists(), "no engine was started for it");
}

#[test]
fn four_layouts_are_read_in_the_window_by_keys_alone_and_no_file_is_changed() {
    let (home, repo) = (Home::new(), four_layouts());
    home.json(&["project", "add", &repo.name()]);
    let before = bytes_below(repo.path());
    let window = Window::open(&home, Options::default());
    window.wait(".stage h1");
    window.keys("ctrl+7");
    window.wait(".window[data-view=desk] [data-desk]");
    for (path, layout) in [
        ("specs/001-tide-tables", "spec-kit"),
        ("openspec/changes/add-alerts", "OpenSpec"),
        (".kiro/specs/berths", "Kiro"),
        (".ai/runs/2026-01-02-fees", "Open Mercato"),
    ] {
        window.wait_text(&format!("[data-desk='{path}'] .tag"), layout);
    }
    // The first: its question and its matrix, what it cites, and the line of what was found.
    window.keys("home");
    window.wait("[data-desk='specs/001-tide-tables'][aria-selected=true]");
    window.wait_text("[data-name=desk] h1", "Tide tables");
    window.wait_text("[data-part=Questions] [data-sign=blocks]", "by its code or by its name?");
    window.wait_text("[data-part=Sections]", "Success criteria");
    window.wait_text("[data-part=Cited] [data-sign=advises]", "src/old/table.rs is at src/tables/table.rs");
    window.wait_text("[data-part=Size]", "of 15000 tokens");
    window.keys("enter");
    window.wait("[data-name=desk-spec]:focus");
    window.keys("j");
    window.keys("k");
    window.keys("j");
    window.keys("j");
    window.wait_text(".deskrows [aria-selected=true]", "by its code or by its name?");
    window.keys("enter");
    window.wait_text("[data-name=line] [data-here]", "NEEDS CLARIFICATION");
    window.keys("escape");
    window.until("the line closed", || !window.find("[data-name=line]"));
    // Its plan: the waves, and arrows through them.
    window.keys("]");
    window.wait("[data-name=desk-plan]:focus");
    window.wait("[data-name=graph] [data-task=T002][aria-selected=true]");
    window.keys("right");
    window.wait("[data-name=graph] [data-task=T004][aria-selected=true]");
    window.wait_text("[data-name=about]", "both may write src/tide.rs");
    window.wait_text("[data-name=about]", "tests/nowhere.sh is not in the repository");
    window.keys("right");
    window.wait_text("[data-name=about]", "T003 must be done first, by Depends");
    window.keys("enter");
    window.wait_text("[data-name=line] [data-here]", "T005 High and low water");
    window.keys("escape");
    window.wait_text("[data-part=Coverage] [data-sign=advises]", "covered by no task");
    window.wait_text("[data-part='Scopes on the tree']", "Cargo.lock by T005");
    window.wait_text("[data-part=Proofs] [data-sign=holds]", "red check not yet known");
    window.keys("[");
    window.wait("[data-name=desk-spec]");
    // Back to the list, and on through the other layouts.
    window.keys("escape");
    window.keys("j");
    window.wait_text("[data-name=desk] .head .tag", "OpenSpec");
    window.wait_text("[data-part=Sections]", "What changes");
    window.keys("j");
    window.wait_text("[data-name=desk] .head .tag", "Kiro");
    window.wait_text("[data-part=Sections]", "Acceptance criteria");
    window.keys("enter");
    window.wait("[data-name=desk-spec]:focus");
    window.keys("p");
    window.wait_text("[data-name=graph]", "backwards");
    assert!(
        !window.text("[data-name=graph]").contains('\u{202e}'),
        "what would turn the line is shown as text"
    );
    window.keys("escape");
    window.keys("j");
    window.wait_text("[data-name=desk] .head .tag", "Open Mercato");
    window.keys("enter");
    window.keys("[");
    window.wait_text("[data-part=Questions]", "Who pays for a raft?");
    // Narrowed to nothing, it says so.
    window.keys("escape");
    window.keys("/");
    window.type_text("nothing like it");
    window.wait_text("[data-name=desklist]", "No spec matches.");
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
    assert_eq!(bytes_below(repo.path()), before, "no file was changed, none was made");
}

#[test]
fn the_window_of_a_repository_without_specs_says_what_it_knows_and_goes_from_the_board_to_the_desk() {
    let (home, bare) = (Home::new(), Repo::new("bare", &[("a.txt", "a\n")]));
    home.json(&["project", "add", &bare.name()]);
    let window = Window::open(&home, Options::default());
    window.wait(".stage h1");
    window.keys("ctrl+7");
    window.wait_text("[data-name=desklist]", "No spec yet");
    window.wait_text("[data-name=desk]", "Nothing is chosen");
    // A spec that comes later is there as soon as the branch has it, and its item leads from the board to its page.
    bare.commit(
        &[
            ("specs/001-one/spec.md", "# One\n\n## Summary\nx\n"),
            ("specs/001-one/tasks.md", "- [ ] T001 Do\n  - Files: `b.txt`\n  - Verify: `test -e b.txt`\n"),
        ],
        "A spec",
    );
    window.wait_text("[data-desk='specs/001-one']", "One");
    window.keys("ctrl+1");
    window.wait("[data-item='001-one']");
    window.click("[data-item='001-one'] button");
    window.wait_text(".stage h1", "One");
    window.keys("ctrl+7");
    window.wait_text("[data-name=desk] h1", "One");
    window.wait("[data-name=desk] [data-name=to-board]");
    assert_eq!(window.errors(), Vec::<String>::new());
}

#[test]
fn a_proof_that_passed_on_the_base_tree_is_vacuous_on_the_desk() {
    let repo = Repo::with_tasks(&[("T001", "a.txt", "true")]);
    let home = Home::trusting(&repo);
    let ran = home.carry(&ShellAgent::new("true"));
    assert_eq!(ran.code, 1, "a vacuous task parks: {ran:?}");
    let window = Window::open(&home, Options::default());
    window.wait(".stage h1");
    window.keys("ctrl+7");
    window.wait_text("[data-name=desk] h1", "Work");
    window.keys("p");
    window.wait_text("[data-part=Proofs] [data-sign=blocks]", "is vacuous: it passed before the work");
    assert_eq!(window.errors(), Vec::<String>::new());
}
