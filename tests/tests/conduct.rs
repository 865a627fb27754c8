//! `WORKFLOW.md` in the engine's own runs: hooks around attempts, words for agents, and which version of the file is in force.

use std::path::{Path, PathBuf};

use pilothouse_contract::Record;
use pilothouse_contract::attempt::Failure;
use pilothouse_contract::event::Event;
use pilothouse_contract::project::Line;
use pilothouse_contract::run::RunState;
use pilothouse_contract::workflow::{InForce, NotInForce};
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{Fifo, kill_at_once, lives};
use pilothouse_testkit::repo::Repo;

struct Scene {
    home: Home,
    repo: Repo,
    folder: tempfile::TempDir,
    /// It is to outlive those who run it.
    agent: std::cell::OnceCell<ShellAgent>,
}

/// A repository with tasks whose proof is that a file of their name is there, and a `WORKFLOW.md` in which `{log}` is a file of its own.
fn scene(tasks: &[&str], workflow: &str) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<(String, String)> =
        tasks.iter().map(|it| ((*it).to_owned(), format!("test -s {it}"))).collect();
    let lines: Vec<(&str, &str, &str)> =
        lines.iter().map(|(id, proof)| (id.as_str(), id.as_str(), proof.as_str())).collect();
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &in_folder(workflow, folder.path())),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            ("specs/001-work/tasks.md", &task_file(&lines)),
        ],
    );
    let home = Home::new().with_env("OF_THE_ENGINE", "not for hooks");
    home.trust(&repo);
    Scene { home, repo, folder, agent: std::cell::OnceCell::new() }
}

fn in_folder(workflow: &str, folder: &Path) -> String {
    workflow.replace("{log}", &folder.join("log").display().to_string())
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn start(&self, agent: &str) {
        let agent = self.agent.get_or_init(|| ShellAgent::new(agent));
        self.home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "policy"]);
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    fn wait_over(&self, to: RunState) -> Record {
        self.wait(|it| matches!(&it.event, Event::RunMoved { to: it, .. } if *it == to))
    }

    fn seen(&self, fits: impl Fn(&InForce) -> bool) -> InForce {
        let seen = |it: &Record| matches!(&it.event, Event::WorkflowSeen { seen, .. } if fits(seen));
        let Event::WorkflowSeen { seen, .. } = self.wait(seen).event else { unreachable!() };
        seen
    }

    fn failures(&self) -> Vec<(Failure, String)> {
        let failed = |it: Record| match it.event {
            Event::AttemptFailed { failure, why, .. } => Some((failure, why)),
            _ => None,
        };
        self.home.history().into_iter().filter_map(failed).collect()
    }

    /// A person edits the file while a run is under way, and says yes to the move of the branch.
    fn edit(&self, workflow: &str) {
        let before = self.repo.git(&["rev-parse", "main"]);
        self.repo.commit(&[("WORKFLOW.md", &in_folder(workflow, self.folder.path()))], "Edit");
        let now = self.repo.git(&["rev-parse", "main"]);
        assert_ne!(before, now);
        self.wait(|it| {
            matches!(&it.event, Event::LineChanged { line: Line::Stopped { found: Some(found), .. }, .. } if found.0 == now)
        });
        self.home.json(&["project", "adopt", "shop"]);
    }

    /// Whether any worktree of an attempt stands.
    fn stands(&self) -> bool {
        self.repo.git(&["worktree", "list"]).contains("-t001-")
    }
}

const HOOKS: &str = "---\nhooks:\n  after_create: 'echo \"create $SYMPHONY_ISSUE_IDENTIFIER $PILOTHOUSE_TASK [$OF_THE_ENGINE]\" >> {log}; echo ready > ready'\n  before_run: echo before >> {log}\n  after_run: test -e T001 && echo after >> {log}\n  before_remove: 'test -e T001 && echo remove >> {log}'\npilothouse:\n  always: [ready]\n---\nKeep to {{ issue.identifier }}, {{ issue.native_ref.task }}.{% if attempt %} Again, {{ retry_kind }}.{% endif %}\n";

#[test]
fn hooks_run_around_an_attempt_in_their_order_and_agents_are_told_the_words() {
    let scene = scene(&["T001"], HOOKS);
    let shown = scene.home.run(&["project", "trust", "shop"]).out;
    assert!(shown.contains("WORKFLOW.md hooks.before_remove"), "{shown}");
    let (log, brief) = (scene.path("log"), scene.path("brief"));
    scene.start(&format!(
        "test -s ready || exit 9; cp \"$1\" {}; echo agent >> {}; echo made > T001",
        brief.display(),
        log.display()
    ));
    scene.wait_over(RunState::Landed);
    scene.wait(|it| matches!(it.event, Event::WorktreeRemoved { .. }));
    assert_eq!(scene.log(), ["create 001-work T001 []", "before", "agent", "after", "remove"]);
    let brief = std::fs::read_to_string(brief).unwrap();
    assert!(brief.contains("# How this project is worked"), "{brief}");
    assert!(brief.contains("Keep to 001-work, T001.\n"), "{brief}");
    assert_eq!(scene.seen(|it| it.good.is_some()).waits, None);
}

#[test]
fn the_next_try_is_told_that_it_is_one_and_hooks_that_only_tell_change_nothing() {
    let workflow = HOOKS.replace("test -e T001 && echo after >> {log}", "echo no; exit 3");
    let workflow = workflow.replace("always: [ready]", "always: [ready]\n  retry_s: 0");
    let scene = scene(&["T001"], &workflow);
    let brief = scene.path("brief");
    let agent = format!("[ $again = no ] && exit 1; cp \"$1\" {}; echo made > T001", brief.display());
    scene.start(&agent);
    scene.wait_over(RunState::Landed);
    assert!(std::fs::read_to_string(brief).unwrap().contains("T001. Again, failure.\n"));
    let told = |it: &Record| matches!(&it.event, Event::Notice { says, .. } if says.contains("the hook after_run ended with exit status: 3: no"));
    assert_eq!(scene.home.history().iter().filter(|it| told(it)).count(), 2, "once a session");
    assert_eq!(scene.log().iter().filter(|it| *it == "before").count(), 2);
}

#[test]
fn a_hook_that_fails_before_the_agent_is_the_attempts_failure_and_leaves_no_worktree_behind() {
    let quick = "pilothouse: { attempts: 1 }";
    for (hooks, says) in [
        (
            "after_create: 'echo \"no tools\"; exit 4'",
            "the hook after_create ended with exit status: 4: no tools",
        ),
        ("before_run: 'exit 5'", "the hook before_run ended with exit status: 5"),
    ] {
        let scene = scene(&["T001"], &format!("---\nhooks:\n  {hooks}\n{quick}\n---\n"));
        scene.start("echo made > T001");
        scene.wait_over(RunState::Parked);
        let failures = scene.failures();
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(failures[0].0, Failure::NotStarted);
        assert!(failures[0].1.contains(says), "{failures:?}");
        scene.home.at_rest();
        if hooks.starts_with("after_create") {
            // It was never of any use; the one of a last try stays for whoever looks.
            assert!(!scene.stands());
            let state = &scene.home.json(&["worktree", "list", "--all"])[0]["state"];
            assert_eq!(state["state"], "removed", "{state}");
        }
    }
}

#[test]
fn a_hook_that_takes_too_long_ends_with_all_it_started() {
    let workflow = "---\nhooks:\n  after_create: \"setsid sh -c 'echo $$ > {log}.new; mv {log}.new {log}; exec sleep 600' & wait\"\n  timeout_ms: 3000\npilothouse: { attempts: 1 }\n---\n";
    let scene = scene(&["T001"], workflow);
    scene.start("echo made > T001");
    scene.wait_over(RunState::Parked);
    let failures = scene.failures();
    assert!(failures[0].1.contains("the hook after_create took longer than 3000 ms"), "{failures:?}");
    let daemon: u32 = scene.log().concat().trim().parse().unwrap();
    assert!(!lives(daemon));
}

#[test]
fn a_hook_of_an_engine_that_was_killed_is_ended_and_run_again_and_one_that_was_done_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let workflow = format!(
        "---\nhooks:\n  after_create: 'echo create >> {{log}}'\n  before_run: 'echo begun >> {{log}}; echo $$ > {}; read go < {}; echo ended >> {{log}}'\n---\n",
        here.path().display(),
        go.path().display()
    );
    let scene = scene(&["T001"], &workflow);
    scene.start("echo made > T001");
    let first: u32 = here.read().trim().parse().unwrap();
    kill_at_once(scene.home.engine_pid());
    let second: u32 = here.read().trim().parse().unwrap();
    assert!(first != second && !lives(first), "one at a time");
    std::fs::write(go.path(), "go\n").unwrap();
    scene.wait_over(RunState::Landed);
    assert_eq!(scene.log(), ["create", "begun", "begun", "ended"]);
    assert_eq!(scene.failures(), []);
}

#[test]
fn a_run_that_is_stopped_ends_its_hook() {
    let folder = tempfile::tempdir().unwrap();
    let here = Fifo::new(folder.path().join("here"));
    let workflow =
        format!("---\nhooks:\n  before_run: 'echo $$ > {}; exec sleep 600'\n---\n", here.path().display());
    let scene = scene(&["T001"], &workflow);
    scene.start("echo made > T001");
    let hook: u32 = here.read().trim().parse().unwrap();
    scene.home.json(&["run", "stop", "r1"]);
    scene.wait(|it| matches!(&it.event, Event::SessionEnded { .. } if it.seq > 1 && !lives(hook)));
    assert!(!lives(hook));
}

#[test]
fn an_edit_is_in_force_for_whoever_begins_after_it_and_a_bad_one_is_told_while_the_last_good_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let workflow = "---\npilothouse: { slots: 1 }\n---\nFirst words.\n";
    let scene = scene(&["T001", "T002", "T003"], workflow);
    scene.start(&format!(
        "cp \"$1\" {}/$task; echo $task > {}; read go < {}; echo made > $task",
        scene.folder.path().display(),
        here.path().display(),
        go.path().display()
    ));
    let told = |task: &str| std::fs::read_to_string(scene.path(task)).unwrap();
    assert_eq!(here.read().trim(), "T001");
    assert!(told("T001").contains("First words."));
    // An edit that names what there is not: said on the board, and what was good goes on.
    scene.edit(&workflow.replace("First words.", "Words of {{ isue.title }}."));
    let broken = scene.seen(|it| it.waits.is_some());
    assert!(
        matches!(&broken.waits.as_ref().unwrap().why, NotInForce::Broken { says } if says.contains("isue")),
        "{broken:?}"
    );
    let page = scene.home.json(&["project", "list"]);
    assert_eq!(page[0]["workflow"]["waits"]["why"]["why"], "broken", "{page}");
    std::fs::write(go.path(), "go\n").unwrap();
    assert_eq!(here.read().trim(), "T002");
    assert!(told("T002").contains("First words."), "{}", told("T002"));
    // Over an engine's end too.
    scene.home.json(&["engine", "restart"]);
    scene.edit(&workflow.replace("First", "Second"));
    scene.seen(|it| it.waits.is_none() && it.good.as_ref() != broken.good.as_ref());
    std::fs::write(go.path(), "go\n").unwrap();
    assert_eq!(here.read().trim(), "T003");
    assert!(told("T003").contains("Second words."), "{}", told("T003"));
    std::fs::write(go.path(), "go\n").unwrap();
    scene.wait_over(RunState::Landed);
}

#[test]
fn a_hook_that_came_after_the_yes_waits_for_another_one() {
    let scene = scene(&["T001"], "---\npilothouse: { slots: 1 }\n---\n");
    let hooks = "---\nhooks: { before_run: 'echo before >> {log}' }\n---\n";
    scene.repo.commit(&[("WORKFLOW.md", &in_folder(hooks, scene.folder.path()))], "A hook");
    scene.start("echo made > T001");
    let waits = scene.seen(|it| it.waits.is_some()).waits.unwrap();
    let places = vec!["WORKFLOW.md hooks.before_run".to_owned()];
    assert_eq!(waits.why, NotInForce::Untrusted { places });
    scene.wait_over(RunState::Landed);
    assert_eq!(scene.log(), [""; 0], "nobody said yes to it");
    scene.home.json(&["project", "trust", "shop", "--yes"]);
    let project = &scene.home.json(&["project", "list"])[0]["workflow"];
    assert!(project["waits"].is_null() && project["good"]["commit"].is_string(), "{project}");
}

#[test]
fn a_judge_that_cannot_begin_leaves_no_worktree_behind() {
    let workflow =
        "---\npilothouse:\n  judge: mine\n  agents: { mine: { command: [sh, '-c', 'exit 0'] } }\n---\n";
    let spec =
        "# Work\n\n## Summary\n\nIt must be done.\n\n## Requirements\n\n- **FR-001**: There is a T001.\n";
    let scene = scene(&["T001"], workflow);
    scene.repo.commit(&[("specs/001-work/spec.md", spec)], "Say what is wanted");
    // Its worktree can be made and its brief cannot be written: something stands where the folder is to be.
    for n in 1..40 {
        std::fs::write(scene.home.data().join(format!("attempts/judge-s{n}")), "in its place").unwrap();
    }
    scene.start("echo made > T001");
    scene.wait_over(RunState::Landed);
    scene.home.at_rest();
    let trees = scene.repo.git(&["worktree", "list"]);
    assert!(!trees.contains("judge"), "{trees}");
    let all = scene.home.json(&["worktree", "list", "--all"]);
    let judges: Vec<_> =
        all.as_array().unwrap().iter().filter(|it| it["path"].to_string().contains("judge")).collect();
    assert!(!judges.is_empty() && judges.iter().all(|it| it["state"]["state"] == "removed"), "{judges:?}");
}
