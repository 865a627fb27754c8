//! Real input: the published source of a real crate becomes a repository, a three-task spec is written against it, and
//! a real agent program - Claude Code, talking to a scripted model - carries it to landed on main, where the crate's own
//! tests pass. Its session log becomes a trajectory. And a session of it that a person started in a terminal of their own is
//! seen, and goes on here.

use std::path::{Path, PathBuf};
use std::process::Command;

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::event::Event;
use pilothouse_testkit::claude::Claude;
use pilothouse_testkit::model::Script;
use pilothouse_testkit::repo::Repo;

const CRATE: &str = "strsim";
const VERSION: &str = "0.11.1";

const SPEC: &str = "# A common prefix\n\n## Summary\n\nCallers of Jaro-Winkler ask how long the common prefix was. \
                    The crate knows and does not say; a function of its own should.\n";

const TASKS: &str = "## Phase 1: The function

- [ ] T001 Count the characters of the common prefix
  - Files: `src/prefix.rs` (new), `src/lib.rs`
  - Verify: `cargo test --offline --lib prefix::`
  - Expect: `test result: ok\\. [1-9]`

## Phase 2: Around it

- [ ] T002 [P] Test it from outside
  - Files: `tests/prefix.rs` (new)
  - Verify: `cargo test --offline --test prefix`
  - Depends: T001
- [ ] T003 [P] Say so in the documents
  - Files: `README.md`, `CHANGELOG.md`
  - Verify: `grep -q common_prefix README.md`, `grep -q common_prefix CHANGELOG.md`
  - Depends: T001
";

const WORKFLOW: &str = "---\npilothouse:\n  agent: claude\n  checks:\n    - cargo test --offline\n  approve: policy\n  always: [Cargo.lock]\n  quiet: [cargo test]\n---\n";

/// What the model says: it looks, writes, edits, runs, and reports. On its first try at the tests it is wrong.
fn script() -> Script {
    let prefix = "/// Counts the characters that both strings begin with.\n///\n/// ```\n/// assert_eq!(3, strsim::common_prefix(\"cheese\", \"cherry\"));\n/// ```\npub fn common_prefix(a: &str, b: &str) -> usize {\n    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()\n}\n\n#[cfg(test)]\nmod tests {\n    use super::common_prefix;\n\n    #[test]\n    fn prefix_counts_characters_and_not_bytes() {\n        assert_eq!(2, common_prefix(\"öäx\", \"öäy\"));\n        assert_eq!(0, common_prefix(\"\", \"y\"));\n    }\n}\n";
    let tests = |count: u32| {
        format!(
            "extern crate strsim;\n\nuse strsim::common_prefix;\n\n#[test]\nfn from_outside() {{\n    assert_eq!({count}, common_prefix(\"cheese\", \"cherry\"));\n}}\n"
        )
    };
    let script = serde_json::json!({ "scenarios": [
        { "name": "function", "when": "Your task: T001", "steps": [
            { "thinking": "I should see how the crate is laid out first.", "text": "I look at the crate.", "actions": [{ "shell": "ls src && head -n 5 src/lib.rs" }] },
            { "text": "The function goes into a module of its own.", "actions": [{ "write_file": { "path": "src/prefix.rs", "content": prefix } }] },
            { "actions": [{ "read_file": { "path": "src/lib.rs" } }] },
            { "actions": [{ "edit_file": { "path": "src/lib.rs", "old": "use std::str::Chars;\n", "new": "use std::str::Chars;\n\nmod prefix;\npub use prefix::common_prefix;\n" } }] },
            { "text": "Now the proof.", "actions": [{ "shell": "cargo test --offline --lib prefix:: 2>&1 | tail -n 3" }],
              "usage": { "input": 1200, "cached": 800, "output": 40 } },
            { "text": "Done: `common_prefix` counts characters." } ] },
        { "name": "tests, gone on with", "when": "Your task: T002(?s:.*)What you did so far was not enough", "steps": [
            { "text": "The report says three, not four.", "actions": [{ "write_file": { "path": "tests/prefix.rs", "content": tests(3) } }] },
            { "actions": [{ "shell": "cargo test --offline --test prefix 2>&1 | tail -n 3 && git add -A && git -c user.name=A -c user.email=a@example.invalid commit -qm tests" }] },
            { "text": "Done, and committed." } ] },
        { "name": "tests", "when": "Your task: T002", "steps": [
            { "text": "An obvious test.", "actions": [{ "write_file": { "path": "tests/prefix.rs", "content": tests(4) } }] },
            { "text": "Done, all tests pass." } ] },
        { "name": "documents", "when": "Your task: T003", "steps": [
            { "actions": [{ "shell": "printf '\\n`common_prefix` counts the characters that two strings begin with.\\n' >> README.md && sed -i '0,/^## /s//## Unreleased\\n\\n- Add common_prefix\\n\\n## /' CHANGELOG.md && git diff --stat" }] },
            { "text": "Done." } ] }
    ]});
    Script::from_json(&script.to_string()).unwrap()
}

/// The crate's published source, brought by cargo.
fn source() -> PathBuf {
    let scratch = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n{CRATE} = \"={VERSION}\"\n"
    );
    std::fs::write(scratch.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::write(scratch.path().join("lib.rs"), "").unwrap();
    let cargo = |args: &[&str]| {
        let output = Command::new("cargo").args(args).current_dir(scratch.path()).output().unwrap();
        assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    cargo(&["fetch"]);
    let metadata: serde_json::Value =
        serde_json::from_slice(&cargo(&["metadata", "--format-version", "1", "--offline"])).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter().find(|it| it["name"] == CRATE).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else if entry.file_name() != ".cargo-ok" {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn a_session_in_another_terminal_is_seen_and_goes_on_here() {
    let Some(claude) = Claude::program() else {
        println!("not shown: Claude Code is not installed here; cargo xtask test installs it");
        return;
    };
    let says = |name: &str, when: &str, text: &str| serde_json::json!({ "name": name, "when": when, "steps": [{ "text": text }] });
    // What was said before stands in every later request, so the later scenario comes first.
    let script = serde_json::json!({ "scenarios": [
        says("again", "Now oil it", "Oiled."),
        says("first", "Mend the pump", "The pump runs."),
    ]});
    let seat = Claude::new(&claude, Script::from_json(&script.to_string()).unwrap());
    let repo = Repo::new("harbour", &[]);
    repo.commit(&[("README.md", "A harbour\n")], "Begun");
    std::fs::create_dir(repo.path().join("docs")).unwrap();
    // A person works, and nobody here knows of it.
    let mut by_hand = Command::new(&claude);
    by_hand.args(["-p", "Mend the pump"]).current_dir(repo.path().join("docs")).envs(seat.environment());
    assert!(by_hand.output().unwrap().status.success());

    let home = seat.home();
    assert_eq!(home.json(&["session", "elsewhere"]), serde_json::json!([]), "no project is on the list");
    home.trust(&repo);
    let seen = home.json(&["session", "elsewhere"]);
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
    let one = &seen[0];
    assert_eq!(
        (one["title"].as_str(), one["agent"].as_str()),
        (Some("Mend the pump"), Some("claude")),
        "{one}"
    );
    assert!(one["cwd"].as_str().unwrap().ends_with("/docs") && one["process"].is_null(), "{one}");
    let id = one["native"].as_str().unwrap().to_owned();
    let page = home.run(&["session", "elsewhere", &id]).out;
    assert!(page.contains("does not run") && page.contains(&format!("elsewhere {id} --go-on")), "{page}");
    assert!(page.contains("prompt  Mend the pump") && page.contains("says    The pump runs."), "{page}");

    // It goes on in a session that is held.
    let mut on = home.command(&["hold", "--", "claude", "--resume", &id, "-p", "Now oil it"]);
    let on = on.current_dir(repo.path().join("docs")).output().unwrap();
    assert!(String::from_utf8_lossy(&on.stdout).contains("Oiled."), "{on:?}");
    let all = home.json(&["session", "elsewhere"]);
    let newest = home.run(&["session", "elsewhere", all[0]["native"].as_str().unwrap()]).out;
    assert!(newest.contains("says    The pump runs.") && newest.contains("says    Oiled."), "{newest}");
    // And once more, in a terminal of its own; never twice at once.
    let held = home.json(&["session", "elsewhere", &id, "--go-on"]);
    assert_eq!(held["argv"], serde_json::json!(["claude", "--resume", id]), "{held}");
    let twice = home.try_json(&["session", "elsewhere", &id, "--go-on"]);
    assert!(twice.fault().contains("goes on already"), "{twice:?}");
    let nobody = home.try_json(&["session", "elsewhere", "../../etc/passwd"]);
    assert!(nobody.fault().contains("no session elsewhere has the id"), "{nobody:?}");
}

#[test]
fn a_real_agent_program_carries_a_real_crate_to_landed() {
    let Some(claude) = Claude::program() else {
        println!("not shown: Claude Code is not installed here; cargo xtask test installs it");
        return;
    };
    let repo = Repo::new(CRATE, &[]);
    copy(&source(), repo.path());
    repo.write(".gitignore", "/target\n/Cargo.lock\n");
    repo.commit(
        &[
            ("specs/001-common-prefix/spec.md", SPEC),
            ("specs/001-common-prefix/tasks.md", TASKS),
            ("WORKFLOW.md", WORKFLOW),
        ],
        "As published, with a spec",
    );
    let seat = Claude::new(&claude, script());
    let home = seat.home();
    home.trust(&repo);
    let ran = home.try_json(&["run", "start", "001-common-prefix", "--wait"]);
    let story = || home.run(&["run", "show", "r1", "--history"]).out;
    assert_eq!((ran.code, ran.json()["state"].as_str()), (0, Some("landed")), "{}\n{}", ran.out, story());

    // The crate's own tests, and the new ones, pass on the tree that landed.
    let clone = tempfile::tempdir().unwrap();
    repo.git(&["clone", "--quiet", "--branch", "main", ".", clone.path().to_str().unwrap()]);
    let tests = Command::new("cargo")
        .args(["test", "--offline"])
        .current_dir(clone.path())
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tests.stdout).into_owned();
    assert!(tests.status.success(), "{said}\n{}", String::from_utf8_lossy(&tests.stderr));
    assert!(
        said.contains("prefix_counts_characters_and_not_bytes") && said.contains("from_outside"),
        "{said}"
    );
    assert!(said.contains("test result: ok. 89 passed"), "the crate's own 88 and one more: {said}");

    // Three tasks, three commits; the wrong try was caught and mended, in its own session and its own worktree.
    let tasks = repo.git(&["log", "--format=%(trailers:key=Pilothouse-Task,valueonly,separator=)", "main"]);
    let mut tasks: Vec<&str> = tasks.lines().filter(|it| !it.is_empty()).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, ["T001", "T002", "T003"]);
    let failures: Vec<Failure> = home
        .history()
        .into_iter()
        .filter_map(|it| match it.event {
            Event::AttemptFailed { failure, .. } => Some(failure),
            _ => None,
        })
        .collect();
    assert_eq!(failures, [Failure::VerifyFailed], "{}", story());

    let page = home.json(&["run", "show", "r1"]);
    let of = |it: &&serde_json::Value| it["task"] == "T002";
    let tries: Vec<&serde_json::Value> = page["attempts"].as_array().unwrap().iter().filter(of).collect();
    assert_eq!(tries.len(), 2, "{}", story());
    assert_eq!((&tries[1]["continues"], &tries[1]["worktree"]), (&tries[0]["id"], &tries[0]["worktree"]));
    let own: Vec<String> = home
        .history()
        .into_iter()
        .filter_map(|it| match it.event {
            Event::SessionRuns { session, running } => {
                tries.iter().any(|it| it["session"] == session.to_string()).then(|| running.native.unwrap())
            }
            _ => None,
        })
        .collect();
    assert!(own.len() == 2 && own[0] == own[1], "one session of its own: {own:?}");
    // Each of the two has its own part of the one log, and none of the other's.
    let said = |it: &serde_json::Value| {
        home.json(&["trajectory", "show", it["session"].as_str().unwrap()])["steps"].to_string()
    };
    let (first, second) = (said(tries[0]), said(tries[1]));
    assert!(first.contains("An obvious test.") && !first.contains("three, not four"), "{first}");
    assert!(second.contains("three, not four") && !second.contains("An obvious test."), "{second}");

    // What the program said and did, from its own log.
    let first = page["attempts"].as_array().unwrap().iter().find(|it| it["task"] == "T001").unwrap();
    let steps = home.json(&["trajectory", "show", first["session"].as_str().unwrap()]);
    let steps: Vec<&serde_json::Value> =
        steps["steps"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    let has =
        |kind: &str, part: &str| steps.iter().any(|it| it["kind"] == kind && it.to_string().contains(part));
    for (kind, part) in [
        ("prompt", "Your task: T001"),
        ("reasoning", "how the crate is laid out"),
        ("message", "I look at the crate."),
        ("call", "head -n 5 src/lib.rs"),
        ("call", "src/prefix.rs"),
        ("result", "This library implements string similarity metrics"),
        // By way of the quiet wrapper, as WORKFLOW.md says.
        ("result", "exit code 0 after"),
        ("result", ": 1 passed, 0 ignored"),
    ] {
        assert!(has(kind, part), "no {kind} with '{part}' in {steps:#?}");
    }
    // The program's own word of what that cost stands at the end of its log; it is the sum in the receipt, and its count of tokens
    // is that of the calls.
    let logs = seat.logs();
    let log = |it: &PathBuf| std::fs::read_to_string(it).unwrap();
    let told = |line: &str| -> Option<f64> {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["type"] == "cost-state").then(|| line["totalCostUSD"].as_f64().unwrap())
    };
    let dollars: f64 = logs.iter().filter_map(|it| log(it).lines().filter_map(told).next_back()).sum();
    let receipt = home.json(&["receipt", "r1"]);
    let (money, sessions) = (&receipt["receipt"]["money"], &receipt["receipt"]["sessions"]);
    let known = money["known"].as_f64().unwrap();
    assert!(dollars > 0.0 && (known - dollars * 1e6).abs() < 5.0, "{dollars}: {money}");
    assert_eq!(
        (&money["unknown"], &money["told"], &money["checked"]),
        (&serde_json::json!(0), sessions, sessions)
    );
    assert_eq!((&money["over"], &money["under"]), (&serde_json::json!(0), &serde_json::json!(0)), "{money}");

    assert_eq!(page["took"]["quiet"]["runs"], 2, "each of its own calls of cargo test: {}", page["took"]);

    let tokens: Vec<_> = steps.iter().filter(|it| it["kind"] == "tokens").collect();
    assert_eq!(tokens.len(), 6, "one a model call");
    assert!(tokens.iter().any(|it| it["cached"] == 800 && it["output"] == 40), "{tokens:?}");
    assert!(steps.iter().all(|it| it["kind"] != "error"), "{steps:#?}");
    let seen = seat.model().seen();
    assert!(seen.iter().any(|it| it.scenario.as_deref() == Some("tests, gone on with")), "{seen:?}");
}
