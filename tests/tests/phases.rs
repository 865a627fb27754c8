//! Checkpoints of phases: what must hold at a phase's end is run on the item branch before what comes after it begins.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::phase::Checkpoint;
use pilothouse_contract::run::RunState;
use pilothouse_contract::stop::Stop;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;
use serde_json::json;

struct Scene {
    home: Home,
    repo: Repo,
    agent: ShellAgent,
}

/// Two phases of one task each, the first one with a checkpoint.
fn scene(checkpoint: &str) -> Scene {
    let task = |id: &str| format!("- [ ] {id} Make {id}\n  - Files: `{id}`\n  - Verify: `test -s {id}`\n\n");
    let tasks = format!(
        "## Phase 1: Ground\n- Checkpoint: `{checkpoint}`\n\n{}## Phase 2: House\n\n{}",
        task("T001"),
        task("T002")
    );
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", "---\npilothouse:\n  approve: policy\n---\n"),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            ("specs/001-work/tasks.md", &tasks),
        ],
    );
    let home = Home::trusting(&repo);
    Scene { home, repo, agent: ShellAgent::new("echo made > $task") }
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
}

fn begun(task: &str) -> impl Fn(&Record) -> bool {
    move |it| matches!(&it.event, Event::AttemptStarted { attempt } if attempt.task.as_str() == task)
}

#[test]
fn a_checkpoint_that_does_not_hold_parks_the_run_before_the_next_phase_begins() {
    let scene = scene("test -e gate");
    let found = scene.home.json(&["project", "trust", "shop"]).to_string();
    assert!(found.contains("checkpoint of Phase 1: Ground") && found.contains("test -e gate"), "{found}");
    scene.start();
    let parked = scene.wait_over(RunState::Parked);
    let Event::RunMoved { why, stop, evidence, .. } = &parked.event else { unreachable!() };
    assert_eq!(*stop, Some(Stop::Checkpoint { phase: 0 }));
    assert!(why.contains("the checkpoint of Phase 1: Ground does not hold: exit code 1"), "{why}");
    assert!(!scene.home.history().iter().any(begun("T002")), "nothing of the second phase begins");
    let shown =
        scene.home.try_json(&["evidence", "show", &evidence[0].to_string()]).json()["evidence"].clone();
    assert_eq!((&shown["gate"], &shown["verdict"]), (&json!("checkpoint"), &json!("failed")), "{shown}");
    assert_eq!(shown["subject"]["phase"], 0);
    // It was run twice on the same tree, in case it is a flake.
    let runs = scene.home.history().iter().filter(|it| matches!(&it.event, Event::EvidenceGathered { evidence } if evidence.gate == Gate::Checkpoint)).count();
    assert_eq!(runs, 2);
    // What it asks for comes onto main; the run goes on, and it holds on the branch with that.
    scene.repo.commit(&[("gate", "here\n")], "What the checkpoint wants");
    scene.start();
    scene.wait_over(RunState::Landed);
    let page = scene.home.json(&["run", "show", "r1"]);
    assert_eq!(page["run"]["phases"][0]["state"]["state"], "passed", "{page}");
    let record = scene.repo.read("specs/001-work/evidence.md");
    assert!(
        record.contains("| checkpoint of Phase 1: Ground | | `test -e gate` | exit code 0 |"),
        "{record}"
    );
    let receipt = scene.home.json(&["receipt", "r1"]).to_string();
    assert!(receipt.contains("\"gate\":\"checkpoint\""), "{receipt}");
}

#[test]
fn what_comes_after_waits_for_a_checkpoint_that_outlives_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let (says, hears) = (here.path().display(), go.path().display());
    let scene = scene(&format!("echo here > {says}; read go < {hears}"));
    scene.start();
    assert_eq!(here.read().trim(), "here");
    let page = scene.home.json(&["run", "show", "r1"]);
    let wait = json!({ "wait": "checkpoint", "phase": "Phase 1: Ground" });
    assert_eq!(page["waits"], json!([{ "task": "T002", "wait": wait }]), "{page}");
    scene.home.json(&["engine", "restart"]);
    std::fs::write(go.path(), "go\n").unwrap();
    scene.wait_over(RunState::Landed);
    let history = scene.home.history();
    let held = history
        .iter()
        .find(|it| matches!(&it.event, Event::PhaseMoved { to: Checkpoint::Passed { .. }, .. }))
        .unwrap();
    let next = history.iter().find(|it| begun("T002")(it)).unwrap();
    assert!(held.seq < next.seq);
    let checks: Vec<Verdict> = history
        .iter()
        .filter_map(|it| match &it.event {
            Event::EvidenceGathered { evidence } if evidence.gate == Gate::Checkpoint => {
                Some(evidence.verdict)
            }
            _ => None,
        })
        .collect();
    assert_eq!(checks, [Verdict::Passed], "the check that ran before is the one that counts");
}
