//! What runs share: room over the project and the machine, states of the road, resources; and that everything is paused.

use std::process::Stdio;

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::run::{RunState, TaskState};
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{Fifo, ended};
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

struct Scene {
    home: Home,
    agent: ShellAgent,
    here: Fifo,
    /// One for each task, so that no agent hears what another one is told.
    go: Vec<Fifo>,
    _repo: Repo,
    _folder: tempfile::TempDir,
}

/// Two items of tasks that cannot meet by their scopes. Each agent says where it is and waits until it may go on.
fn scene(workflow: &str, first: &[(&str, &str)], second: &[(&str, &str)]) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let here = Fifo::new(folder.path().join("here"));
    let go = first.iter().chain(second).map(|(id, _)| Fifo::new(folder.path().join(id))).collect();
    let agent = format!(
        "echo $task > {}\nread go < {}/$task\necho made > $task",
        here.path().display(),
        folder.path().display()
    );
    let tasks = |tasks: &[(&str, &str)]| {
        let task = |(id, more): &(&str, &str)| {
            format!(
                "- [ ] {id} Make {id}\n  - Files: `{id}`\n  - Verify: `test -s {id}`\n  - Depends: none\n{more}\n"
            )
        };
        format!("## Phase 1: Work\n\n{}", tasks.iter().map(task).collect::<String>())
    };
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &format!("---\npilothouse:\n  approve: policy\n{workflow}---\n")),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            ("specs/001-work/tasks.md", &tasks(first)),
            ("specs/002-more/spec.md", "# More\n\n## Summary\n\nIt must be done too.\n"),
            ("specs/002-more/tasks.md", &tasks(second)),
        ],
    );
    let home = Home::trusting(&repo);
    Scene { home, agent: ShellAgent::new(&agent), here, go, _repo: repo, _folder: folder }
}

impl Scene {
    fn start(&self, item: &str) -> Value {
        self.start_with(item, &[])
    }

    fn start_with(&self, item: &str, more: &[&str]) -> Value {
        self.home.json(&[&["run", "start", item, "--command", &self.agent.command()], more].concat())
    }

    /// The task whose agent is at work, once one is.
    fn at_work(&self) -> String {
        self.here.read().trim().to_owned()
    }

    fn let_go(&self, task: &str) {
        let go = self.go.iter().find(|it| it.path().ends_with(task)).expect("the scene has that task");
        std::fs::write(go.path(), "go\n").unwrap();
    }

    fn waits(&self, run: &str) -> Value {
        self.home.json(&["run", "show", run])["waits"].clone()
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    fn wait_landed(&self, run: &str) {
        self.wait(|it| {
            matches!(&it.event, Event::RunMoved { run: of, to: RunState::Landed, .. } if of.to_string() == run)
        });
    }

    fn done(&self, task: &str) -> u64 {
        self.wait(|it| {
            matches!(&it.event, Event::TaskMoved { task: of, to: TaskState::Done { .. }, .. } if of.as_str() == task)
        })
        .seq
    }
}

#[test]
fn runs_of_a_project_share_its_room_and_say_so() {
    let scene = scene("  project_slots: 1\n", &[("T001", "")], &[("T002", "")]);
    scene.start("001-work");
    assert_eq!(scene.at_work(), "T001");
    scene.start("002-more");
    scene.home.at_rest();
    let room =
        json!([{ "task": "T002", "wait": { "wait": "room", "of": { "room": "project" }, "limit": 1 } }]);
    assert_eq!(scene.waits("r2"), room);
    let said = scene.home.run(&["run", "show", "r2"]).out;
    assert!(said.contains("T002: waits for one of 1 places in this project"), "{said}");
    // Another engine knows no more than what is stored, and keeps to it.
    scene.home.json(&["engine", "restart"]);
    scene.home.at_rest();
    assert_eq!(scene.waits("r2"), room);
    scene.let_go("T001");
    assert_eq!(scene.at_work(), "T002", "as soon as there is room it begins by itself");
    scene.let_go("T002");
    scene.wait_landed("r1");
    scene.wait_landed("r2");
}

#[test]
fn slots_of_the_machine_and_of_an_agent_are_chosen_and_lifted() {
    let scene = scene("", &[("T001", "")], &[("T002", "")]);
    let none = scene.home.try_json(&["engine", "slots"]).json();
    assert_eq!(none, json!({}), "nobody chose any");
    assert_eq!(scene.home.json(&["engine", "slots", "--total", "1"]), json!({ "total": 1 }));
    scene.start("001-work");
    assert_eq!(scene.at_work(), "T001");
    scene.start("002-more");
    scene.home.at_rest();
    assert_eq!(scene.waits("r2")[0]["wait"]["of"], json!({ "room": "machine" }));
    let status = scene.home.run(&["engine", "status"]).out;
    assert!(status.contains("At once over all projects: 1."), "{status}");
    // Lifted, the one that waited begins at once, beside the other.
    let name = scene.home.json(&["run", "list"])[0]["policy"]["agent"]["name"].as_str().unwrap().to_owned();
    scene.home.json(&["engine", "slots", "--total", "0", "--agent", &format!("{name}=2")]);
    assert_eq!(scene.at_work(), "T002");
    scene.let_go("T001");
    scene.let_go("T002");
    scene.wait_landed("r1");
    scene.wait_landed("r2");
}

#[test]
fn attempts_wait_before_a_state_that_is_full() {
    let workflow = "  slots: 2\n  state_slots: { working: 1 }\n";
    let scene = scene(workflow, &[("T001", ""), ("T002", "")], &[("T003", "")]);
    scene.start("001-work");
    let first = scene.at_work();
    let waits = |it: &Record| matches!(it.event, Event::AttemptWaits { wait: Some(_), .. });
    scene.wait(waits);
    let page = scene.home.json(&["run", "show", "r1"]);
    let other = page["attempts"].as_array().unwrap().iter().find(|it| it["task"] != first.as_str()).unwrap();
    assert_eq!(
        (&other["state"], &other["waits"]["of"]),
        (&json!("working"), &json!({ "room": "state", "state": "working" }))
    );
    assert_eq!(other["session"], Value::Null, "its agent is not started before there is room");
    scene.let_go(&first);
    let second = scene.at_work();
    assert_ne!(second, first);
    scene.let_go(&second);
    scene.wait_landed("r1");
    let bad = scene.home.try_json(&["run", "start", "002-more", "--command", "true"]);
    assert_eq!(bad.code, 0, "{bad:?}");
}

#[test]
fn a_resource_is_taken_by_one_run_at_a_time_and_a_counted_one_by_as_many_as_there_are() {
    let (db, sim) = ("  - Uses: db\n", "  - Uses: sim\n");
    let workflow = "  slots: 3\n  resources: { sim: 2 }\n";
    let first = [("T001", db), ("T003", sim), ("T005", "  - Uses: sim:2\n")];
    let scene = scene(workflow, &first, &[("T002", db), ("T004", sim)]);
    scene.start("001-work");
    let mut both = [scene.at_work(), scene.at_work()];
    both.sort_unstable();
    assert_eq!(both, ["T001", "T003"]);
    scene.home.at_rest();
    let sim = json!({ "wait": "resource", "name": "sim", "with": "T003", "of": 2 });
    assert_eq!(scene.waits("r1"), json!([{ "task": "T005", "wait": sim }]));
    scene.start("002-more");
    assert_eq!(scene.at_work(), "T004", "of two there is one left");
    scene.home.at_rest();
    let db = json!({ "wait": "resource", "name": "db", "with": "T001", "run": "r1" });
    assert_eq!(scene.waits("r2"), json!([{ "task": "T002", "wait": db }]));
    let said = scene.home.run(&["run", "show", "r2"]).out;
    assert!(said.contains("T002: waits for db, which T001 of r1 has"), "{said}");
    for task in ["T001", "T003", "T004"] {
        scene.let_go(task);
    }
    let mut last = [scene.at_work(), scene.at_work()];
    last.sort_unstable();
    assert_eq!(last, ["T002", "T005"]);
    scene.let_go("T002");
    scene.let_go("T005");
    scene.wait_landed("r1");
    scene.wait_landed("r2");
}

#[test]
fn what_takes_more_than_there_is_is_refused_before_it_waits_without_end() {
    let scene = scene("  resources: { sim: 2 }\n", &[("T001", "  - Uses: sim:3\n")], &[]);
    let refused = scene.home.try_json(&["run", "start", "001-work", "--command", "true"]);
    assert!(refused.fault().contains("T001 uses 3 of sim, and there are 2"), "{refused:?}");
    assert!(refused.fault().contains("resources: of WORKFLOW.md"), "{refused:?}");
}

#[test]
fn everything_is_paused_drains_and_goes_on() {
    let scene = scene("", &[("T001", "")], &[("T002", "")]);
    scene.start("001-work");
    assert_eq!(scene.at_work(), "T001");
    let waiting =
        scene.home.command(&["--json", "run", "pause", "--wait"]).stdout(Stdio::piped()).spawn().unwrap();
    scene.wait(|it| matches!(it.event, Event::AllPaused { paused: true }));
    // What is started meanwhile waits like everything else, also with another engine.
    scene.start("002-more");
    scene.home.at_rest();
    assert_eq!(scene.waits("r2"), json!([{ "task": "T002", "wait": { "wait": "paused" } }]));
    assert!(!scene.home.history().iter().any(|it| it.event == Event::Drained), "an agent is at work");
    scene.home.json(&["engine", "restart"]);
    let status = scene.home.run(&["engine", "status"]).out;
    assert!(status.contains("Everything is paused by"), "{status}");
    scene.let_go("T001");
    let done = scene.done("T001");
    let drained = scene.wait(|it| it.event == Event::Drained);
    assert!(drained.seq > done, "nothing is at work once it is said so");
    let waited = waiting.wait_with_output().unwrap();
    assert!(waited.status.success());
    let shown: Value = serde_json::from_slice(&waited.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 2, "{shown}");
    scene.home.at_rest();
    assert_eq!(scene.waits("r2")[0]["wait"]["wait"], "paused");
    // A run that was paused by itself stays so when everything goes on.
    scene.home.json(&["run", "pause", "r2"]);
    let said = scene.home.run(&["run", "go-on"]).out;
    assert!(said.contains("Everything goes on but r2"), "{said}");
    scene.wait_landed("r1");
    assert_eq!(scene.waits("r2")[0]["wait"]["wait"], "paused");
    // Said once more it means that one too, as what older versions wrote run by run.
    let said = scene.home.run(&["run", "go-on"]).out;
    assert_eq!(said.trim(), "Everything goes on.");
    assert_eq!(scene.at_work(), "T002");
    scene.let_go("T002");
    scene.wait_landed("r2");
    let gone = ended(&mut scene.home.command(&["run", "pause", "--wait"]));
    assert!(gone.status.success(), "nothing is at work, so there is nothing to wait for");
}

#[test]
fn queued_runs_begin_by_themselves_one_after_the_other_the_first_first() {
    let scene = scene("", &[("T001", "")], &[("T002", "")]);
    scene.home.json(&["engine", "slots", "--runs", "1"]);
    let first = scene.start_with("001-work", &["--queue"]);
    assert_eq!(first["state"], "running", "there is room, so it has begun: {first}");
    assert_eq!(scene.at_work(), "T001");
    assert_eq!(scene.start_with("002-more", &["--queue"])["state"], "queued");
    scene.home.at_rest();
    assert_eq!(scene.waits("r2")[0]["wait"], json!({ "wait": "queue", "runs": 1 }));
    scene.home.json(&["engine", "restart"]);
    scene.let_go("T001");
    scene.wait_landed("r1");
    assert_eq!(scene.at_work(), "T002", "as soon as the one before it is off the road");
    let begun = scene.wait(|it| matches!(&it.event, Event::RunBegun { run, .. } if run.to_string() == "r2"));
    let on_the_road = |it: &Record| matches!(&it.event, Event::RunMoved { run, to: RunState::InPull, .. } if run.to_string() == "r1");
    assert!(scene.wait(on_the_road).seq < begun.seq, "what only waits for its landing holds nobody up");
    scene.let_go("T002");
    scene.wait_landed("r2");
}

#[test]
fn a_run_begins_at_its_time_over_a_restart_or_at_once_when_somebody_says_so() {
    let scene = scene("", &[("T001", "")], &[("T002", "")]);
    let refused = |time: &str| {
        scene.home.try_json(&["run", "start", "001-work", "--command", "true", "--at", time]).fault()
    };
    assert!(refused("soon").contains("'soon' is no time: write 22:00"), "{}", refused("soon"));
    assert!(refused("2001-01-01T00:00").contains("is over"), "{}", refused("2001-01-01T00:00"));
    // So far off that the test is over before; and so near that it comes while another engine starts.
    let far = scene.start_with("001-work", &["--at", "2100-01-01T00:00"]);
    assert_eq!(
        (far["state"].as_str(), far["window"]["says"].as_str()),
        (Some("queued"), Some("2100-01-01 00:00"))
    );
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3);
    let soon = ended(std::process::Command::new("date").arg("-d").arg(unix(soon)).arg("+%Y-%m-%dT%H:%M:%S"));
    let soon = String::from_utf8(soon.stdout).unwrap();
    scene.start_with("002-more", &["--at", soon.trim()]);
    scene.home.json(&["engine", "restart"]);
    assert_eq!(scene.at_work(), "T002");
    let begun = scene.wait(|it| matches!(&it.event, Event::RunBegun { run, .. } if run.to_string() == "r2"));
    let opens = scene.home.json(&["run", "show", "r2"])["run"]["window"]["opens"].as_i64().unwrap();
    assert!(begun.at.0 >= opens, "not before its time");
    let said = scene.home.run(&["run", "show", "r1"]).out;
    assert!(said.contains("T001: begins at 2100-01-01 00:00"), "{said}");
    scene.let_go("T002");
    scene.wait_landed("r2");
    scene.home.json(&["run", "go-on", "r1"]);
    assert_eq!(scene.at_work(), "T001");
    scene.let_go("T001");
    scene.wait_landed("r1");
}

#[test]
fn a_window_that_closes_lets_what_is_at_work_come_to_its_end() {
    let scene = scene("  slots: 1\n", &[("T001", ""), ("T003", "")], &[]);
    let now = std::time::SystemTime::now();
    let clock = |at: std::time::SystemTime| {
        let clock = ended(std::process::Command::new("date").arg("-d").arg(unix(at)).arg("+%H:%M:%S"));
        String::from_utf8(clock.stdout).unwrap().trim().to_owned()
    };
    // Open since some minutes, for some seconds more.
    let from = clock(now - std::time::Duration::from_secs(600));
    let to = clock(now + std::time::Duration::from_secs(8));
    let run = scene.start_with("001-work", &["--window", &format!("{from}-{to}")]);
    assert_eq!(run["state"], "queued");
    assert_eq!(scene.at_work(), "T001", "it is open already");
    let shut = scene.wait(|it| matches!(&it.event, Event::RunPaused { paused: true, .. }));
    assert_eq!(shut.who.to_string(), "policy (start window)");
    scene.let_go("T001");
    scene.done("T001");
    assert_eq!(scene.waits("r1"), json!([{ "task": "T003", "wait": { "wait": "paused" } }]));
    let window = scene.home.json(&["run", "show", "r1"])["run"]["window"].clone();
    assert_eq!((&window["says"], &window["is_open"]), (&json!(from[..5]), &Value::Null), "{window}");
    assert!(window["opens"].as_i64().unwrap() > shut.at.0, "it opens again tomorrow");
    scene.home.json(&["run", "go-on", "r1"]);
    assert_eq!(scene.at_work(), "T003");
    scene.let_go("T003");
    scene.wait_landed("r1");
}

fn unix(at: std::time::SystemTime) -> String {
    format!("@{}", at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
}
