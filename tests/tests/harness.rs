//! The instruction graph by the built program, on real repositories: sizes, links, commands, and where a limit cuts; without an engine, and
//! without a changed file. And that our own instructions and skills hold.

use std::path::Path;

use pilothouse_contract::instructions::Graph;
use pilothouse_contract::{ProjectId, ask};
use pilothouse_testkit::home::{Home, Ran};
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::seat::call;
use serde_json::Value;

fn lint(home: &Home, path: &Path) -> Ran {
    home.try_json(&["harness", "lint", &path.display().to_string()])
}

fn found<'a>(graph: &'a Value, kind: &str) -> Vec<&'a Value> {
    graph["findings"].as_array().unwrap().iter().filter(|it| it["kind"] == kind).collect()
}

#[test]
fn our_own_instructions_and_skills_hold() {
    let home = Home::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let ran = lint(&home, top);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let ran = home.try_json(&["skills", "check", &top.display().to_string()]);
    assert_eq!((ran.code, ran.json()["skills"].as_array().map(Vec::len)), (0, Some(7)), "{}", ran.out);
}

#[test]
fn a_chain_over_32_kib_is_cut_at_its_byte_and_what_falls_off_is_named() {
    let home = Home::new();
    let line = |letter: &str| format!("{}\n", letter.repeat(99));
    let (top, web) = (line("t").repeat(200), line("w").repeat(200));
    let repo = Repo::new(
        "shop",
        &[
            ("AGENTS.md", &top),
            ("web/AGENTS.md", &web),
            ("web/ui/AGENTS.md", "# Never read\n"),
            ("lib/AGENTS.md", "# Lib\n"),
        ],
    );
    let ran = lint(&home, &repo.path().join("web"));
    assert_eq!(ran.code, 1, "{ran:?}");
    let graph = ran.json();
    // 32,768 bytes less the 20,000 of the first: the 12,769th byte of the second is the 69th of its line 128.
    let [cut] = found(&graph, "cut")[..] else { panic!("{graph:#}") };
    assert_eq!(
        (cut["file"].as_str(), cut["line"].as_u64(), cut["column"].as_u64()),
        (Some("web/AGENTS.md"), Some(128), Some(69))
    );
    assert!(cut["says"].as_str().unwrap().contains("nothing of web/ui/AGENTS.md"), "{cut}");
    assert!(!cut["remedy"].as_str().unwrap().is_empty());
    let chain = graph["chains"].as_array().unwrap().iter().find(|it| it["folder"] == "web/ui").unwrap();
    assert_eq!(chain["cut"]["byte"], 12_768);
    assert_eq!(chain["cut"]["lost"], 40_000 + 13 - 32_768);
    assert!(
        graph["chains"].as_array().unwrap().iter().any(|it| it["folder"] == "lib" && it["cut"].is_null())
    );
    let people = home.run(&["harness", "lint", &repo.name()]);
    assert!(
        people.code == 1
            && people.out.contains("Codex at web/ui:")
            && people.out.contains("cut at web/AGENTS.md:128:69"),
        "{people:?}"
    );
}

#[test]
fn dead_links_orphans_and_missing_commands_carry_place_and_remedy_and_nothing_runs() {
    let home = Home::new();
    let agents = "# Shop\n\nRead [rules](docs/rules.md) and [gone](docs/gone.md).\n\n```sh\nnpm run build\nnpm run absent\nmake check\n./run.sh\n```\n";
    let repo = Repo::new(
        "shop",
        &[
            ("AGENTS.md", agents),
            ("docs/rules.md", "@../CLAUDE.md\n"),
            ("CLAUDE.md", "@docs/rules.md\n"),
            ("AGENT.md", "nobody\n"),
            ("package.json", "{\"scripts\": {\"build\": \"touch ran\"}}"),
            ("Makefile", "X := $(shell touch ran)\ncheck:\n\ttouch ran\n"),
            ("run.sh", "touch ran\n"),
            (".gitignore", "ignored/\n"),
        ],
    );
    repo.write("ignored/AGENTS.md", "[x](nowhere.md)\n");
    std::os::unix::fs::symlink("/etc/hostname", repo.path().join("GEMINI.md")).unwrap();
    let before = repo.git(&["status", "--porcelain"]);
    let ran = lint(&home, repo.path());
    assert_eq!(ran.code, 1, "{ran:?}");
    let graph = ran.json();
    let at = |kind: &str| -> Vec<(String, u64)> {
        found(&graph, kind)
            .iter()
            .map(|it| (it["file"].as_str().unwrap().to_owned(), it["line"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(at("dead-link"), [("AGENTS.md".to_owned(), 3)], "{graph:#}");
    assert_eq!(at("missing-command"), [("AGENTS.md".to_owned(), 7)], "{graph:#}");
    assert_eq!(at("orphan"), [("AGENT.md".to_owned(), 0)], "{graph:#}");
    assert_eq!(at("outside"), [("GEMINI.md".to_owned(), 0)], "{graph:#}");
    assert_eq!(at("circle").len(), 1, "{graph:#}");
    assert!(!ran.out.contains("ignored/"), "what git ignores is nobody's instruction");
    let nodes = graph["nodes"].as_array().unwrap();
    let size =
        |path: &str| nodes.iter().find(|it| it["path"] == path).map(|it| it["bytes"].as_u64().unwrap());
    assert_eq!(size("AGENTS.md"), u64::try_from(agents.len()).ok());
    assert_eq!(size("GEMINI.md"), Some(0), "nothing outside was read");
    assert_eq!(repo.git(&["status", "--porcelain"]), before);
    assert!(!repo.path().join("ran").exists(), "nothing of the repository ran");
    assert!(!home.data().join("engine.lock").exists(), "no engine was started for it");
}

#[test]
fn hostile_instructions_are_told_of_and_never_shown_raw() {
    let home = Home::new();
    let repo = Repo::new("shop", &[("AGENTS.md", "# A\n[\u{1b}[2Jx](\u{1b}]0;evil.md)\n")]);
    std::fs::write(repo.path().join("CLAUDE.md"), b"# C\nok \xff\n").unwrap();
    std::fs::write(repo.path().join("GEMINI.md"), vec![b'['; 10 * 1024 * 1024]).unwrap();
    let ran = lint(&home, repo.path());
    assert_eq!(ran.code, 1, "{ran:?}");
    let graph = ran.json();
    let unreadable: Vec<(&str, u64, u64)> = found(&graph, "unreadable")
        .iter()
        .map(|it| {
            (it["file"].as_str().unwrap(), it["line"].as_u64().unwrap(), it["column"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(unreadable, [("CLAUDE.md", 2, 4), ("GEMINI.md", 0, 0)], "{graph:#}");
    let people = home.run(&["harness", "lint", &repo.name()]);
    assert!(people.out.contains("evil.md") && !people.out.contains('\u{1b}'), "{people:?}");
    let nothing = lint(&home, &repo.path().join("no-such"));
    assert!(nothing.code == 2 && nothing.fault().contains("cannot be looked at"), "{nothing:?}");
}

#[test]
fn the_engine_answers_with_the_same_graph() {
    let repo = Repo::new(
        "shop",
        &[("AGENTS.md", "Read [a](a.md).\n"), ("a.md", "a\n"), ("specs/001-x/spec.md", "# X\n")],
    );
    let home = Home::trusting(&repo);
    let by_engine = call(&home, ask::project::Instructions { project: ProjectId(1) }).unwrap();
    let by_hand: Graph = serde_json::from_value(lint(&home, repo.path()).json()).unwrap();
    assert_eq!(by_engine, by_hand);
    assert!(by_hand.holds && by_hand.nodes.len() == 2, "{by_hand:#?}");
}
