//! A task that is tried by several agents at once: the best work lands, and nothing of the others does.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

struct Scene {
    home: Home,
    repo: Repo,
    agent: ShellAgent,
    _folder: tempfile::TempDir,
}

/// Three agents at one task. Each takes a number, waits until all three are there, and does what `body` says by its `$n`.
fn scene(workflow: &str, body: &str) -> Scene {
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &format!("---\npilothouse:\n  approve: policy\n{workflow}---\n")),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            (
                "specs/001-work/tasks.md",
                "## Phase 1: Work\n\n- [ ] T001 Make T001\n  - Files: `T001`\n  - Verify: `grep -q good T001`\n  - Tier: best-of 3\n",
            ),
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let agent = format!(
        "n=1; while ! mkdir {0}/$n 2>/dev/null; do n=$((n+1)); done
         m=$(((n+2)/3*3)); while [ ! -e {0}/$m ]; do sleep 0.02; done
         {body}",
        folder.path().display()
    );
    let home = Home::trusting(&repo);
    Scene { home, repo, agent: ShellAgent::new(&agent), _folder: folder }
}

impl Scene {
    fn start(&self) {
        self.home.json(&["run", "start", "001-work", "--command", &self.agent.command()]);
    }

    fn wait_over(&self, to: RunState) -> Record {
        let over = |it: &Record| matches!(&it.event, Event::RunMoved { to: it, .. } if *it == to);
        self.home.events(0).find(over).expect("the engine tells")
    }

    fn page(&self) -> Value {
        self.home.json(&["run", "show", "r1"])
    }
}

#[test]
fn of_three_that_try_at_once_the_smallest_that_holds_lands() {
    let body = "case $n in
         1) echo bad > T001 ;;
         2) for i in 1 2 3 4 5 6 7 8; do echo good $i; done > T001 ;;
         3) echo good 3 > T001 ;;
         esac";
    let scene = scene("", body);
    scene.start();
    scene.wait_over(RunState::Landed);
    assert_eq!(scene.repo.read("T001"), "good 3\n");
    let log = scene.repo.git(&["log", "--format=%(trailers:key=Pilothouse-Task,valueonly)", "main"]);
    assert_eq!(log.lines().filter(|it| *it == "T001").count(), 1, "{log}");
    let page = scene.page();
    let attempts = page["attempts"].as_array().unwrap();
    let mut ends: Vec<String> = attempts
        .iter()
        .map(|it| it["failure"]["failure"].as_str().unwrap_or(it["state"].as_str().unwrap()).to_owned())
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, ["merged", "outdone", "verify-failed"], "{page}");
    assert!(attempts.iter().all(|it| it["contest"] == "a1"), "{page}");
    assert_eq!(page["run"]["tasks"][0]["failures"], 0, "what others mend is no failure of the task");
    // Why it was taken is said, and what was not taken can be brought back.
    let taken = attempts.iter().find(|it| it["state"] == "merged").unwrap();
    let history = scene.home.run(&["run", "show", "r1", "--history"]).out;
    assert!(
        history.contains("the best of 3 that tried it: 2 of them hold, and this is 1 lines"),
        "{history}"
    );
    let outdone = attempts.iter().find(|it| it["failure"]["failure"] == "outdone").unwrap();
    assert_eq!(outdone["failure"]["by"], taken["id"]);
    // What is written down and shown is the proof of the one that was taken, whichever was begun last.
    let patch = &taken["candidate"]["patch"].as_str().unwrap()[..12];
    let record = scene.repo.read("specs/001-work/evidence.md");
    assert!(record.contains(&format!("| {patch} |")), "{patch}: {record}");
    scene.home.at_rest();
    let worktree = outdone["worktree"].as_str().unwrap();
    let path = scene.home.json(&["worktree", "undo", worktree])["path"].as_str().unwrap().to_owned();
    let back = std::fs::read_to_string(scene.home.data().join("worktrees").join(path).join("T001")).unwrap();
    assert_eq!(back.lines().count(), 8);
}

#[test]
fn three_that_fail_at_once_are_one_failure_of_their_task() {
    let scene = scene("  attempts: 2\n  retry_s: 1\n", "echo bad $n > T001");
    scene.start();
    let parked = scene.wait_over(RunState::Parked);
    let Event::RunMoved { why, .. } = &parked.event else { unreachable!() };
    assert!(why.contains("(2 of 2 tries failed)"), "{why}");
    let page = scene.page();
    let contests: Vec<&Value> =
        page["attempts"].as_array().unwrap().iter().map(|it| &it["contest"]).collect();
    assert_eq!(
        contests,
        [&json!("a1"), &json!("a1"), &json!("a1"), &json!("a4"), &json!("a4"), &json!("a4")]
    );
}

#[test]
fn slots_and_the_policy_bound_how_many_try_at_once() {
    let scene = scene("  slots: 2\n", "exit 3");
    let page = scene.home.json(&["run", "start", "001-work", "--command", "false"]);
    assert_eq!(page["policy"]["best_of"], 3, "{page}");
    scene.wait_over(RunState::Parked);
    let attempts = scene.page()["attempts"].clone();
    let first = attempts.as_array().unwrap().iter().filter(|it| it["contest"] == "a1").count();
    assert_eq!(first, 2, "{attempts}");
}
