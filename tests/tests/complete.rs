//! Completeness: each requirement held against the evidence by a fresh session, whose word is checked.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::run::RunState;
use pilothouse_contract::stop::Stop;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

struct Scene {
    home: Home,
    repo: Repo,
    agent: ShellAgent,
}

/// One task and two requirements. Whoever works makes the file; whoever judges does what `judge` says, with `$proof` the first
/// evidence that its brief names and `verdict` to say it.
fn scene(workflow: &str, judge: &str) -> Scene {
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &format!("---\npilothouse:\n  approve: policy\n{workflow}---\n")),
            (
                "specs/001-work/spec.md",
                "# Work\n\n## Summary\n\nIt must be done.\n\n## Requirements\n\n- **FR-001**: There is a T001.\n- **FR-002**: It is fixed.\n",
            ),
            (
                "specs/001-work/tasks.md",
                "## Phase 1: Work\n\n- [ ] T001 Make T001\n  - Files: `T001`\n  - Verify: `test -s T001`\n  - Covers: FR-001\n",
            ),
        ],
    );
    let agent = format!(
        "verdict() {{ \"$PILOTHOUSE_BIN\" hook verdict \"$@\"; }}
         if grep -q '^# Is ' \"$PILOTHOUSE_BRIEF\"; then
           proof=$(sed -n 's/^- \\(e[0-9]*\\): T001.*/\\1/p' \"$PILOTHOUSE_BRIEF\" | head -n 1)
           {judge}
           exit 0
         fi
         echo made > T001"
    );
    let home = Home::trusting(&repo);
    Scene { home, repo, agent: ShellAgent::new(&agent) }
}

impl Scene {
    fn start(&self) {
        self.home.json(&["run", "start", "001-work", "--command", &self.agent.command()]);
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    fn wait_over(&self, to: RunState) -> Record {
        self.wait(|it| matches!(&it.event, Event::RunMoved { to: it, .. } if *it == to))
    }

    fn audit(&self) -> Value {
        self.home.json(&["run", "show", "r1"])["run"]["audit"].clone()
    }

    fn rounds(&self) -> usize {
        self.home.history().iter().filter(|it| matches!(it.event, Event::AuditAsked { .. })).count()
    }
}

#[test]
fn a_gap_is_told_in_the_pull_request_and_the_record_and_the_run_goes_on() {
    let scene = scene("", "verdict FR-001 met \"$proof\" && verdict FR-002 missing 'nobody | fixed it'");
    scene.start();
    scene.wait_over(RunState::Landed);
    let pull = scene.home.json(&["pr", "show", "pr1"]);
    let told = pull["pull"]["body"]["verified"].to_string();
    assert!(told.contains("completeness: not shown to be met: FR-002"), "{told}");
    let record = scene.repo.read("specs/001-work/reviews/completeness.md");
    assert!(record.contains("| FR-001 There is a T001. | yes | 1 proofs |"), "{record}");
    assert!(record.contains("| FR-002 It is fixed. | no | nobody \\| fixed it |"), "{record}");
    let page = scene.home.json(&["run", "show", "r1"]);
    let audit = &page["run"]["audit"];
    let judge = page["attempts"].as_array().unwrap();
    assert_eq!(judge.len(), 1, "judging is no attempt");
    let said = scene.home.run(&["evidence", "show", audit["evidence"].as_str().unwrap()]);
    assert!(said.out.contains("not shown to be met: FR-002"), "{said:?}");
    // It was a session of its own, in a worktree of its own that is put away.
    let session = scene.home.json(&["session", "list", "--all"]);
    let session =
        session.as_array().unwrap().iter().find(|it| it["session"]["gate"] == "completeness").unwrap();
    assert_eq!(session["session"]["id"], audit["session"]);
    let live = scene.repo.git(&["worktree", "list"]);
    assert!(!live.contains("judge"), "{live}");
}

#[test]
fn a_gap_parks_a_run_whose_policy_says_so_and_what_is_mended_is_judged_anew() {
    let judge = "verdict FR-001 met e99; verdict FR-003 met \"$proof\"; verdict FR-001 met \"$proof\"
        if [ -e fixed ]; then verdict FR-002 met \"$proof,$proof\"; else verdict FR-002 missing 'no fix'; fi";
    let scene = scene("  completeness: gate\n", judge);
    scene.start();
    let parked = scene.wait_over(RunState::Parked);
    let Event::RunMoved { why, stop, evidence, .. } = &parked.event else { unreachable!() };
    assert_eq!(*stop, Some(Stop::Gaps { requirements: vec!["FR-002".to_owned()] }));
    assert!(why.contains("completeness: not shown to be met: FR-002") && evidence.len() == 1, "{why}");
    assert_eq!(scene.repo.git(&["log", "--format=%s", "main"]).lines().count(), 1, "nothing landed");
    // What it claimed without evidence of this run, or of no requirement, was refused to its face.
    let session = scene.audit()["session"].as_str().unwrap().to_owned();
    let output = scene.home.run(&["attach", "--no-follow", &session]).out;
    assert!(
        output.contains("r1 has no evidence e99") && output.contains("no requirement FR-003"),
        "{output}"
    );
    scene.repo.commit(&[("fixed", "yes\n")], "The fix");
    scene.start();
    scene.wait_over(RunState::Landed);
    assert_eq!(scene.rounds(), 2);
    let audit = scene.audit();
    let met = audit["verdicts"][1]["verdict"]["evidence"].as_array().unwrap();
    assert_eq!(met.len(), 1, "what is named twice is named once: {audit}");
}

#[test]
fn whoever_leaves_without_a_word_is_asked_once_more_and_nobody_outside_may_say_it() {
    let scene = scene("  completeness: gate\n", "true");
    scene.start();
    let parked = scene.wait_over(RunState::Parked);
    let Event::RunMoved { why, .. } = &parked.event else { unreachable!() };
    assert!(why.contains("ended without a word on FR-001, FR-002"), "{why}");
    assert_eq!(scene.rounds(), 2);
    let page = scene.home.try_json(&["evidence", "show", scene.audit()["evidence"].as_str().unwrap()]).json();
    assert_eq!(page["evidence"]["verdict"], "unknown", "{page}");
    let mine = scene.home.command(&["--json", "hook", "verdict", "FR-001", "met", "e2"]).output().unwrap();
    assert!(!mine.status.success());
}

#[test]
fn a_judge_outlives_the_engine_and_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let judge = format!(
        "verdict FR-001 met \"$proof\"; echo here > {}; read go < {}; verdict FR-002 met \"$proof\"",
        here.path().display(),
        go.path().display()
    );
    let scene = scene("  completeness: gate\n", &judge);
    scene.start();
    assert_eq!(here.read().trim(), "here");
    assert_eq!(scene.audit()["verdicts"].as_array().map(Vec::len), Some(1));
    scene.home.json(&["engine", "restart"]);
    std::fs::write(go.path(), "go\n").unwrap();
    scene.wait_over(RunState::Landed);
    assert_eq!(scene.rounds(), 1);
    assert!(
        scene.audit()["verdicts"].as_array().unwrap().iter().all(|it| it["verdict"]["shown"] == json!("met"))
    );
}
