//! A parked run is mended on the default branch and goes on: with its spec, its policy, its pull request; and what a stop
//! ends.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::{RunState, TaskState};
use pilothouse_contract::stop::Stop;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;

struct Scene {
    home: Home,
    repo: Repo,
    agent: ShellAgent,
}

const TASKS: &str = "specs/001-work/tasks.md";
/// Each task's agent makes the file that is named like the task.
const AGENT: &str = "echo made > $task";

fn task(id: &str, verify: &str) -> String {
    format!("- [ ] {id} Make {id}\n  - Files: `{id}`\n  - Verify: {verify}\n  - Depends: none\n\n")
}

fn scene(tasks: &[String], workflow: &str, agent: &str) -> Scene {
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &format!("---\npilothouse:\n{workflow}---\n")),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            (TASKS, &format!("## Phase 1: Work\n\n{}", tasks.concat())),
        ],
    );
    let home = Home::trusting(&repo);
    Scene { home, repo, agent: ShellAgent::new(agent) }
}

impl Scene {
    fn start(&self, more: &[&str]) -> serde_json::Value {
        let command = self.agent.command();
        self.home.json(&[&["run", "start", "001-work", "--command", &command], more].concat())
    }

    fn wait(&self, after: u64, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(after).find(|record| fits(record)).expect("the engine tells")
    }

    /// Waits until the run is parked; says why.
    fn wait_parked(&self) -> (u64, String) {
        let record = self.wait(0, |it| matches!(it.event, Event::RunMoved { to: RunState::Parked, .. }));
        let Event::RunMoved { why, .. } = record.event else { unreachable!() };
        (record.seq, why)
    }

    fn wait_landed(&self) {
        let over = |to: &RunState| matches!(to, RunState::Landed | RunState::Parked | RunState::Stopped);
        let after = self
            .home
            .history()
            .iter()
            .rev()
            .find_map(|it| matches!(it.event, Event::RunResumed { .. }).then_some(it.seq));
        let record = self.wait(
            after.unwrap_or_default(),
            |it| matches!(&it.event, Event::RunMoved { to, .. } if over(to)),
        );
        assert!(matches!(&record.event, Event::RunMoved { to: RunState::Landed, .. }), "{record:?}");
    }

    fn mend(&self, from: &str, to: &str) {
        let text = self.repo.git(&["show", &format!("main:{TASKS}")]) + "\n";
        assert!(text.contains(from), "{text}");
        self.repo.commit(&[(TASKS, &text.replace(from, to))], "Mend the tasks");
        self.home.trust_again(&self.repo);
    }

    fn commits_of(&self, task: &str) -> usize {
        let log = self.repo.git(&["log", "--format=%(trailers:key=Pilothouse-Task,valueonly)", "main"]);
        log.lines().filter(|it| *it == task).count()
    }
}

#[test]
fn a_parked_run_goes_on_by_the_spec_and_the_policy_that_were_mended() {
    let tasks = [task("T001", "`test -e nowhere`"), task("T002", "`test -e T002`")];
    let scene = scene(&tasks, "  attempts: 1\n  approve: policy\n", AGENT);
    scene.start(&[]);
    let (_, why) = scene.wait_parked();
    assert!(why.contains("T001"), "{why}");
    scene.mend("test -e nowhere", "test -e T001");
    let three = task("T003", "`test -e T003`");
    let text = scene.repo.git(&["show", &format!("main:{TASKS}")]) + "\n\n" + &three;
    let workflow = "---\npilothouse:\n  attempts: 4\n  approve: policy\n---\n";
    scene.repo.commit(&[(TASKS, &text), ("WORKFLOW.md", workflow)], "One more, and more tries");
    scene.home.trust_again(&scene.repo);
    let approved = scene.repo.git(&["rev-parse", "main"]);
    // Without a word about the agent: it keeps the one it has.
    let run = scene.home.json(&["run", "001-work"]);
    assert_eq!((run["id"].as_str(), run["approved"].as_str()), (Some("r1"), Some(approved.as_str())));
    assert_eq!(run["policy"]["attempts"], 4);
    scene.wait_landed();
    for id in ["T001", "T002", "T003"] {
        assert_eq!((scene.repo.read(id).as_str(), scene.commits_of(id)), ("made\n", 1), "{id}");
        assert!(scene.repo.read(TASKS).contains(&format!("- [x] {id}")), "{id}");
    }
    let evidence = scene.repo.read("specs/001-work/evidence.md");
    assert_eq!(evidence.matches("# Evidence").count(), 1, "{evidence}");
    assert_eq!(evidence.matches("| T002 ").count(), 1, "{evidence}");
}

#[test]
fn what_a_person_verifies_is_ticked_by_the_person_and_the_run_goes_on() {
    let three = task("T003", "`test -e T003`").replace("Depends: none", "Depends: T002");
    let tasks = [task("T001", "`test -e T001`"), task("T002", "human, look at the colours"), three];
    let scene = scene(&tasks, "  approve: policy\n", AGENT);
    scene.start(&[]);
    let (_, why) = scene.wait_parked();
    assert!(why.contains("T002: a person verifies it"), "{why}");
    scene.mend("- [ ] T002", "- [x] T002");
    let run = scene.start(&[]);
    assert_eq!(run["tasks"][1]["state"]["state"], "done-before", "{run}");
    scene.wait_landed();
    assert_eq!((scene.commits_of("T001"), scene.commits_of("T002"), scene.commits_of("T003")), (1, 0, 1));
    assert!(!scene.repo.read(TASKS).contains("[ ]"), "{}", scene.repo.read(TASKS));
}

#[test]
fn what_changed_from_outside_while_it_was_parked_is_listed_and_what_held_before_is_run_again() {
    let proofs =
        [task("T001", "`test -e T001`"), task("T002", "human, look"), task("T003", "`test -e T003`")];
    let [one, two, three] = &proofs;
    let three = three.replace("Depends: none", "Depends: T002");
    let one = format!("- Checkpoint: `test -e T001`\n\n{one}");
    let two = format!("## Phase 2: More\n\n{two}");
    let scene = scene(&[one, two, three], "  approve: policy\n  attempts: 1\n", AGENT);
    scene.start(&[]);
    scene.wait_parked();
    scene.home.at_rest();
    let parked = scene.home.json(&["run", "show", "r1"]);
    assert_eq!(parked["run"]["phases"][0]["state"]["state"], "passed", "{parked}");
    assert!(parked["run"]["outside"].is_null());
    // Somebody ticks, rewords, adds, changes policy, and goes on on the item branch.
    let text = scene.repo.git(&["show", &format!("main:{TASKS}")]) + "\n\n" + &task("T004", "`test -e T004`");
    let text = text.replace("- [ ] T002", "- [x] T002").replace("`test -e T003`", "`test -s T003`");
    let workflow = "---\npilothouse:\n  approve: policy\n  attempts: 3\n---\n";
    scene.repo.commit(&[(TASKS, &text), ("WORKFLOW.md", workflow)], "Mend");
    scene.home.trust_again(&scene.repo);
    let branch = "pilothouse/001-work/item";
    let before = scene.repo.git(&["rev-parse", branch]);
    scene.repo.git(&["switch", "--quiet", branch]);
    scene.repo.commit(&[("by-hand", "here\n")], "By hand");
    scene.repo.git(&["switch", "--quiet", "main"]);
    let (by_hand, main) = (scene.repo.git(&["rev-parse", branch]), scene.repo.git(&["rev-parse", "main"]));
    scene.start(&[]);
    scene.wait_landed();
    let page = scene.home.json(&["run", "show", "r1"]);
    let outside = &page["run"]["outside"];
    let base = parked["run"]["base"].as_str().unwrap();
    let expected = serde_json::json!([
        { "change": "main", "from": base, "to": main },
        { "change": "policy" },
        { "change": "ticked", "task": "T002" },
        { "change": "reworded", "task": "T003" },
        { "change": "added", "task": "T004" },
        { "change": "branch", "from": before, "to": by_hand },
        { "change": "checkpoint", "title": "Phase 1: Work" },
    ]);
    assert_eq!(outside["changes"], expected);
    assert_eq!(outside["since"], parked["run"]["moved"]);
    let said = scene.home.run(&["run", "show", "r1"]).out;
    assert!(said.contains("  - T003 reads differently\n") && said.contains("went on from"), "{said}");
    // The checkpoint ran again, on a commit that holds what was done by hand.
    let checks: Vec<&str> = page["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["gate"] == "checkpoint")
        .map(|it| it["commit"].as_str().unwrap())
        .collect();
    assert_eq!(checks.len(), 2, "{page}");
    assert_eq!(scene.repo.git(&["merge-base", checks[1], &by_hand]), by_hand);
}

#[test]
fn a_worktree_that_was_written_in_while_its_run_was_parked_is_named_when_it_goes_on() {
    let scene = scene(&[task("T001", "`test -e nowhere`")], "  approve: policy\n  attempts: 1\n", AGENT);
    scene.start(&[]);
    scene.wait_parked();
    scene.home.at_rest();
    let trees = scene.home.json(&["worktree", "list"]);
    let tree = trees.as_array().unwrap().iter().find(|it| it["state"]["state"] == "live").unwrap();
    let path = std::path::Path::new(tree["path"].as_str().unwrap());
    std::fs::write(path.join("by-hand"), "here\n").unwrap();
    scene.mend("test -e nowhere", "test -e T001");
    let run = scene.start(&[]);
    let changes = run["outside"]["changes"].as_array().unwrap();
    let written = changes.iter().find(|it| it["change"] == "worktree");
    assert_eq!(written.map(|it| &it["worktree"]), Some(&tree["id"]), "{run}");
    scene.wait_landed();
}

#[test]
fn a_clash_with_the_default_branch_is_merged_by_hand_on_the_item_branch_and_adopted() {
    let tasks = [task("T001", "`test -e T001`"), task("T002", "human, look")];
    let scene = scene(&tasks, "  approve: policy\n", AGENT);
    scene.start(&[]);
    scene.wait_parked();
    scene.mend("- [ ] T002", "- [x] T002");
    scene.repo.commit(&[("T001", "another\n")], "The same file");
    let before = scene.home.history().last().unwrap().seq;
    scene.start(&[]);
    let parked = |it: &Record| matches!(it.event, Event::RunMoved { to: RunState::Parked, .. });
    let Event::RunMoved { why, stop, .. } = scene.wait(before, parked).event else { unreachable!() };
    assert_eq!(stop, Some(Stop::Clash { paths: vec!["T001".to_owned()] }));
    let run = &scene.home.json(&["run", "list"])[0];
    assert_eq!(run["stop"], serde_json::json!({ "stop": "clash", "paths": ["T001"] }));
    assert!(why.contains("in T001") && why.contains("git merge main"), "{why}");
    let branch = "pilothouse/001-work/item";
    assert!(why.contains(branch), "{why}");
    // As it was advised.
    scene.repo.git(&["switch", "--quiet", branch]);
    scene.repo.git(&["merge", "--quiet", "--strategy-option=ours", "--no-edit", "main"]);
    scene.repo.git(&["switch", "--quiet", "main"]);
    let by_hand = scene.repo.git(&["rev-parse", branch]);
    scene.start(&[]);
    scene.wait_landed();
    assert_eq!(scene.repo.read("T001"), "made\n");
    let adopted = |it: &Record| matches!(&it.event, Event::HeadMoved { to, why, .. } if to.0 == by_hand && why.contains("adopted"));
    assert!(scene.home.history().iter().any(adopted));
}

#[test]
fn a_branch_that_was_put_elsewhere_is_put_back_and_nothing_is_lost() {
    let tasks = [task("T001", "`test -e T001`"), task("T002", "human, look")];
    let scene = scene(&tasks, "  approve: policy\n", AGENT);
    scene.start(&[]);
    scene.wait_parked();
    let tree = scene.repo.git(&["rev-parse", "main^{tree}"]);
    let stray = scene.repo.git(&["commit-tree", &tree, "-m", "stray"]);
    scene.repo.git(&["update-ref", "refs/heads/pilothouse/001-work/item", &stray]);
    scene.mend("- [ ] T002", "- [x] T002");
    scene.start(&[]);
    scene.wait_landed();
    assert_eq!((scene.repo.read("T001").as_str(), scene.commits_of("T001")), ("made\n", 1));
    let kept = scene.repo.git(&["for-each-ref", "--format=%(objectname)", "refs/pilothouse/recovery/"]);
    assert!(kept.contains(&stray), "{kept}");
}

#[test]
fn a_pull_request_that_was_sent_back_gets_the_new_head_and_wants_a_new_yes() {
    let workflow = "  approve: person\n  checks: [test -e hotfix]\n";
    let scene = scene(&[task("T001", "`test -e T001`")], workflow, AGENT);
    scene.start(&[]);
    let (_, why) = scene.wait_parked();
    assert!(why.contains("failed on the merge result"), "{why}");
    let old = scene.home.json(&["pr", "show", "pr1"]);
    scene.repo.commit(&[("hotfix", "here\n")], "What the check wants");
    let before = scene.home.history().last().unwrap().seq;
    scene.start(&[]);
    scene.wait(before, |it| matches!(it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. }));
    let new = scene.home.json(&["pr", "show", "pr1"]);
    assert_ne!(new["pull"]["head"], old["pull"]["head"]);
    assert!(new["pull"]["approval"].is_null());
    assert_eq!(scene.home.json(&["pr", "list"]).as_array().unwrap().len(), 1);
    scene.home.json(&["pr", "approve", "pr1"]);
    scene.wait_landed();
    assert_eq!(scene.repo.read("T001"), "made\n");
}

#[test]
fn a_stop_ends_the_check_that_runs() {
    // The red check of it takes longer than any test.
    let scene = scene(&[task("T001", "`echo begun; sleep 3600`")], "  approve: policy\n", AGENT);
    scene.start(&[]);
    let asked = scene.wait(0, |it| matches!(it.event, Event::SessionAsked { .. }));
    let Event::SessionAsked { session } = asked.event else { unreachable!() };
    scene.home.json(&["run", "stop", "r1"]);
    let id = session.id;
    scene.wait(0, |it| matches!(&it.event, Event::SessionEnded { session, .. } if *session == id));
    let live = scene.home.json(&["session", "list"]);
    assert!(live.as_array().unwrap().iter().all(|it| !it["end"].is_null()), "{live}");
}

/// The agent that works now.
fn working_session(home: &Home) -> String {
    let all = home.json(&["session", "list"]);
    let agent = all.as_array().unwrap().iter().find(|it| it["session"]["kind"] == "agent").unwrap();
    agent["session"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_paused_run_comes_to_rest_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = Fifo::new(folder.path().join("here"));
    let go = Fifo::new(folder.path().join("go"));
    let agent = format!(
        "if [ $task = T001 ]; then echo here > {}; read go < {}; fi\n{AGENT}",
        here.path().display(),
        go.path().display()
    );
    let tasks = [task("T001", "`test -s T001`"), task("T002", "`test -s T002`")];
    let scene = scene(&tasks, "  approve: person\n  slots: 1\n", &agent);
    scene.start(&[]);
    assert_eq!(here.read().trim(), "here");
    let paused = scene.home.json(&["run", "pause", "r1"]);
    assert!(paused[0]["id"] == "r1" && paused[0]["paused"]["by"].is_object(), "{paused}");
    // What is noted now is for whoever begins next; whoever looks twice has looked once, and is written down.
    let blank = scene.home.try_json(&["run", "note", "r1", " "]);
    assert!(blank.fault().contains("without words"), "{blank:?}");
    scene.home.json(&["run", "note", "r1", "Write it in lower case,\nplease."]);
    for _ in 0..2 {
        scene.home.run(&["attach", "--no-follow", &working_session(&scene.home)]);
    }
    // Whoever is at work comes to the end of it, and nobody begins; over a restart of the engine too.
    std::fs::write(go.path(), "go\n").unwrap();
    scene.wait(0, |it| {
        matches!(&it.event, Event::TaskMoved { task, to: TaskState::Done { .. }, .. } if task.as_str() == "T001")
    });
    scene.home.json(&["engine", "restart"]);
    scene.home.at_rest();
    let page = scene.home.json(&["run", "show", "r1"]);
    assert_eq!(
        (page["run"]["state"].as_str(), page["attempts"].as_array().unwrap().len()),
        (Some("running"), 1)
    );
    assert_eq!(page["waits"], serde_json::json!([{ "task": "T002", "wait": { "wait": "paused" } }]));
    // Nothing lands either, whoever says yes to it.
    scene.home.json(&["run", "go-on", "r1"]);
    scene.wait(0, |it| matches!(it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. }));
    let main = scene.repo.git(&["rev-parse", "main"]);
    scene.home.json(&["run", "pause", "r1"]);
    scene.home.json(&["pr", "approve", "pr1"]);
    let refused = scene.home.try_json(&["pr", "land", "pr1"]);
    assert!(refused.fault().contains("r1 is paused, so nothing of it lands"), "{refused:?}");
    scene.home.at_rest();
    assert_eq!(scene.repo.git(&["rev-parse", "main"]), main);
    scene.home.json(&["run", "go-on", "r1"]);
    scene.wait_landed();
    let run = &scene.home.json(&["run", "show", "r1"])["run"];
    let touched: Vec<&str> =
        run["touches"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(touched, ["noted", "peek"]);
    let brief = |attempt: &str| {
        std::fs::read_to_string(scene.home.data().join("attempts").join(attempt).join("brief.md")).unwrap()
    };
    assert!(brief("a2").contains("\n    Write it in lower case,\n    please.\n"), "{}", brief("a2"));
    assert!(!brief("a1").contains("lower case"), "agents at work are left alone");
    let over = scene.home.try_json(&["run", "pause", "r1"]);
    assert!(over.fault().contains("r1 is landed"), "{over:?}");
}
