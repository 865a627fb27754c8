//! Proofs that end other than by their exit code: an output that does not hold what it must, a time that is over, a tree that the
//! proof itself leaves dirty.

use pilothouse_contract::event::Event;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::lives;
use pilothouse_testkit::repo::Repo;
use serde_json::Value;

/// Has a one-task spec with more files carried to its end. Returns the run's page, which landed.
fn landed(home: &Home, agent: &ShellAgent) -> Value {
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "policy"]);
    let ended = home.events(0).find_map(|it| match it.event {
        Event::RunMoved { to, why, .. } if !to.is_live() => Some((to, why)),
        _ => None,
    });
    let (state, why) = ended.expect("the run ends");
    assert_eq!(state, RunState::Landed, "{why}");
    home.json(&["run", "show", "r1"])
}

fn repo(tasks: &str, more: &[(&str, &str)]) -> Repo {
    let first = [
        ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
        ("specs/001-work/tasks.md", tasks),
    ];
    Repo::new("shop", &[&first, more].concat())
}

/// The evidence of a gate, oldest first.
fn of_gate<'a>(page: &'a Value, gate: &str) -> Vec<&'a Value> {
    page["evidence"].as_array().unwrap().iter().filter(|it| it["gate"] == gate).collect()
}

#[test]
fn a_proof_that_exits_with_0_and_does_not_say_what_it_must_fails() {
    let tasks = task_file(&[("T001", "made.txt", "cat made.txt")]) + "  - Expect: `3 passed`\n";
    let repo = repo(&tasks, &[("made.txt", "0 passed\n")]);
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new(
        "if [ $again = yes ]; then echo 3 passed > made.txt; else echo 2 passed > made.txt; fi",
    );
    let page = landed(&home, &agent);
    let told = |it: &&Value| {
        let why = it["why"].as_str().unwrap();
        (
            it["verdict"].as_str().unwrap().to_owned(),
            it["exit"].as_i64(),
            why.contains("does not match `3 passed`"),
        )
    };
    let of = |gate| of_gate(&page, gate).iter().map(told).collect::<Vec<_>>();
    let (fails, holds) = (("failed".to_owned(), Some(0), true), ("passed".to_owned(), Some(0), false));
    // Before the work it fails as well, as it must: for each of the two tries.
    assert!(of_gate(&page, "red-check").iter().all(|it| it["exit"] == 0 && it["verdict"] == "passed"));
    // Looked at twice, for it might have been a flake.
    assert_eq!(of("verify"), [fails.clone(), fails, holds]);
    let failures: Vec<&Value> =
        page["attempts"].as_array().unwrap().iter().map(|it| &it["failure"]["failure"]).collect();
    assert_eq!(failures, [&Value::from("verify-failed"), &Value::Null]);
    assert_eq!(repo.read("made.txt"), "3 passed\n");
}

#[test]
fn a_proof_that_takes_longer_than_it_may_is_ended_with_all_it_started_and_fails() {
    // Like no other sleep on this machine.
    let nap = format!("sleep 9{:06}", std::process::id());
    let proof = format!("test -s made.txt && {{ grep -q quick made.txt || {{ {nap} & {nap}; }}; }}");
    let repo = repo(
        &task_file(&[("T001", "made.txt", &proof)]),
        &[("WORKFLOW.md", "---\npilothouse:\n  check_s: 1\n---\n")],
    );
    let home = Home::trusting(&repo);
    let agent =
        ShellAgent::new("if [ $again = yes ]; then echo quick > made.txt; else echo slow > made.txt; fi");
    let page = landed(&home, &agent);
    let verify = of_gate(&page, "verify");
    let (last, over) = verify.split_last().unwrap();
    assert_eq!(last["verdict"], "passed", "{last}");
    assert_eq!(over.len(), 2, "{over:?}");
    for it in over {
        let why = it["why"].as_str().unwrap();
        assert!(why.starts_with("took longer than 1 s and was ended"), "{why}");
        assert_eq!((&it["verdict"], &it["exit"]), (&"failed".into(), &Value::Null), "{it}");
        assert!(it["took_ms"].as_u64().unwrap() >= 1000, "{it}");
    }
    home.at_rest();
    let history = home.history();
    let programs = history.iter().filter_map(|it| match &it.event {
        Event::SessionRuns { running, .. } => Some(running.pid),
        _ => None,
    });
    assert_eq!(
        programs.filter(|pid| lives(*pid)).collect::<Vec<u32>>(),
        Vec::<u32>::new(),
        "nothing of it goes on"
    );
    let sleeps = std::process::Command::new("pgrep").args(["-f", &format!("^{nap}$")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sleeps.stdout), "", "nor what it left in the background");
}

#[test]
fn what_a_proof_leaves_in_its_tree_is_in_nobodys_way_and_lands_nowhere() {
    // It fails in a tree that any check was in before: tracked, untracked, ignored and nested things of it.
    let clean = "git diff --quiet HEAD && test -z \"$(git status --porcelain --ignored)\"";
    let dirty = "echo no >> other.txt && rm shared.txt && echo x > litter && echo x > a.log \
                 && mkdir -p deep/er && git init --quiet deep/er && git add litter";
    let proof = format!("{clean} && {dirty} && test -s made.txt");
    let repo = repo(
        &task_file(&[("T001", "made.txt", &proof), ("T002", "more.txt", &proof.replace("made", "more"))]),
        &[
            (
                "WORKFLOW.md",
                &format!(
                    "---\npilothouse:\n  slots: 1\n  checks:\n    - {}\n---\n",
                    serde_json::json!(format!("{clean} && {dirty}"))
                ),
            ),
            ("shared.txt", "first\n"),
            ("other.txt", "other\n"),
            (".gitignore", "*.log\n"),
        ],
    );
    let home = Home::trusting(&repo);
    let before = repo.git(&["rev-parse", "main"]);
    let agent =
        ShellAgent::new("if [ $task = T001 ]; then echo made > made.txt; else echo more > more.txt; fi");
    let page = landed(&home, &agent);
    let checks: Vec<&Value> = page["evidence"].as_array().unwrap().iter().collect();
    let of = |gate: &str| checks.iter().filter(|it| it["gate"] == gate).count();
    assert!(of("verify") >= 2 && of("landing") == 1, "{checks:?}");
    assert!(checks.iter().all(|it| it["verdict"] == "passed" && it["flaky_after"].is_null()), "{checks:?}");
    let landed = repo.git(&["diff", "--name-only", &before, "main"]);
    assert_eq!(
        landed.lines().collect::<Vec<_>>(),
        ["made.txt", "more.txt", "specs/001-work/evidence.md", "specs/001-work/tasks.md"]
    );
    assert_eq!(repo.git(&["status", "--porcelain", "--ignored"]), "");
}

#[test]
fn a_proof_that_is_new_or_changed_since_a_person_looked_does_not_run_before_they_look_again() {
    let tasks = |proof: &str| task_file(&[("T001", "made.txt", proof)]);
    let canary = tempfile::tempdir().unwrap();
    let ran = canary.path().join("ran");
    let bad = format!("touch {}; test -s made.txt", ran.display());
    let repo = repo(&tasks("test -s made.txt"), &[]);
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new("echo made > made.txt");
    let start =
        || home.try_json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "policy"]);
    // Somebody's change comes onto the default branch, as by a pull.
    repo.commit(&[("specs/001-work/tasks.md", &tasks(&bad))], "Another proof");
    let refused = start();
    let says = refused.fault();
    assert!(
        says.contains("the proof in specs/001-work/tasks.md T001 is new or changed since you trusted shop"),
        "{says}"
    );
    assert!(says.contains("pilothouse project trust shop"), "{says}");
    let detail = refused.json()["fault"]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&bad), "all of it is shown: {detail}");
    assert!(home.json(&["run", "list"]).as_array().unwrap().is_empty(), "nothing began");
    // It is shown where one decides, and a look alone decides nothing.
    let look = home.json(&["project", "trust", "shop"]);
    assert!(
        look["found"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["kind"] == "verify" && it["says"] == bad.as_str()),
        "{look:#}"
    );
    assert_eq!(start().code, 2);
    assert!(!ran.exists(), "it did not run");
    // Back to what was seen: nobody is asked again, and where else it stands does not matter.
    let more = task_file(&[("T001", "made.txt", "test -s made.txt")]).replace("T001", "T002");
    repo.commit(&[("specs/001-work/tasks.md", &more)], "As it was");
    assert_eq!(landed(&home, &agent)["run"]["state"], "landed");
    assert!(!ran.exists());
    // A phase's end is a proof, too. And once a person looked, it runs.
    let checkpoint = format!("## Phase 1: Work\n- Checkpoint: `touch {}`\n", ran.display());
    let text =
        tasks("test -s more.txt").replace("## Phase 1: Work\n", &checkpoint).replace("made.txt", "more.txt");
    repo.commit(
        &[("specs/002-more/spec.md", "# More\n"), ("specs/002-more/tasks.md", &text)],
        "Another item",
    );
    home.json(&["item", "new", "shop"]);
    let more = ShellAgent::new("echo more > more.txt");
    let words = ["run", "start", "002-more", "--command", &more.command(), "--approve", "policy", "--wait"];
    let says = home.try_json(&words).fault();
    assert!(says.contains("the proof in specs/002-more/tasks.md T001, and 1 more is new"), "{says}");
    assert!(!ran.exists());
    home.trust_again(&repo);
    assert_eq!(home.try_json(&words).json()["state"], "landed");
    assert!(ran.exists());
}
