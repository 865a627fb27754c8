//! Trackers feed the queue: an item whose spec names an issue is worked while the issue is to be.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;

struct Scene {
    home: Home,
    _repo: Repo,
    folder: tempfile::TempDir,
    here: Fifo,
    go: Fifo,
}

impl Scene {
    /// A repository with an item that names the issue A-1, one that names none, and a tracker of files. Agents say which item they work at
    /// and wait until they are let go.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("issues")).unwrap();
        let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
        let agent = format!(
            "cp {{brief_file}} {0}/brief; echo here > {1}; read go < {2}; echo made > T001",
            folder.path().display(),
            here.path().display(),
            go.path().display()
        );
        let workflow = format!(
            "---\ntracker: {{kind: file, provider: {{path: {}/issues}}, required_labels: [agent]}}\npolling: {{interval_ms: 50}}\n\
             pilothouse:\n  approve: policy\n  agent: mine\n  agents:\n    mine: {{command: [sh, -c, '{agent}']}}\n---\n\
             Work on {{{{ issue.identifier }}}} ({{{{ issue.url }}}}).\n",
            folder.path().display()
        );
        let tasks = "## Phase 1: Work\n\n- [ ] T001 Make it\n  - Files: `T001`\n  - Verify: `test -s T001`\n";
        let repo = Repo::new(
            "shop",
            &[
                ("WORKFLOW.md", &workflow),
                ("specs/001-work/spec.md", "# Work\n\n- **Issue**: A-1\n\n## Summary\n\nIt must be done.\n"),
                ("specs/001-work/tasks.md", tasks),
                ("specs/002-other/spec.md", "# Other\n"),
                ("specs/002-other/tasks.md", tasks),
            ],
        );
        Self { home: Home::trusting(&repo), _repo: repo, folder, here, go }
    }

    /// Writes an issue whole, and renames it into place.
    fn issue(&self, id: &str, state: &str, more: &str) {
        let text = format!(
            "---\ntitle: Do it\nstate: {state}\nurl: https://example.invalid/{id}\n{more}\n---\nWell.\n"
        );
        let new = self.folder.path().join(format!("{id}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join(format!("issues/{id}.md"))).unwrap();
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    fn paused(&self, to: bool) -> Record {
        self.wait(|it| matches!(it.event, Event::RunPaused { paused, .. } if paused == to))
    }

    fn wait_over(&self, to: RunState) -> Record {
        self.wait(|it| matches!(&it.event, Event::RunMoved { to: it, .. } if *it == to))
    }
}

const AGENT: &str = "labels: [agent]";

#[test]
fn an_issue_that_is_to_be_worked_queues_the_item_that_names_it_and_no_other() {
    let scene = Scene::new();
    // Not for agents, and one that no spec names.
    scene.issue("A-1", "Todo", "");
    scene.issue("A-9", "Todo", AGENT);
    scene.issue("A-1", "Todo", AGENT);
    assert_eq!(scene.here.read().trim(), "here");
    let brief = std::fs::read_to_string(scene.folder.path().join("brief")).unwrap();
    assert!(brief.contains("Work on A-1 (https://example.invalid/A-1)."), "{brief}");
    std::fs::write(scene.go.path(), "go\n").unwrap();
    scene.wait_over(RunState::Landed);
    let runs = scene.home.json(&["run", "list"]);
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0]["claim"]["identifier"], "A-1");
    assert_eq!(runs[0]["by"]["kind"], "policy", "{}", runs[0]["by"]);
}

#[test]
fn a_run_follows_its_issue_it_is_paused_goes_on_and_is_stopped_with_it() {
    let scene = Scene::new();
    scene.issue("A-1", "Todo", AGENT);
    assert_eq!(scene.here.read().trim(), "here");
    scene.issue("A-1", "Backlog", AGENT);
    scene.paused(true);
    // Over an engine's end the claim is known.
    scene.home.json(&["engine", "restart"]);
    scene.issue("A-1", "In Progress", AGENT);
    scene.paused(false);
    scene.issue("A-1", "Done", AGENT);
    let stopped = scene.wait_over(RunState::Stopped);
    let Event::RunMoved { why, .. } = &stopped.event else { unreachable!() };
    assert_eq!(why, "its issue A-1 is Done");
    scene.home.at_rest();
    assert_eq!(scene.home.json(&["run", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_tracker_that_gives_no_answer_is_told_once_and_stops_nothing() {
    let scene = Scene::new();
    scene.issue("A-1", "Todo", AGENT);
    assert_eq!(scene.here.read().trim(), "here");
    std::fs::rename(scene.folder.path().join("issues"), scene.folder.path().join("away")).unwrap();
    let told = |it: &Record| matches!(&it.event, Event::Notice { says, .. } if says.contains("its tracker gave no answer"));
    scene.wait(told);
    std::fs::write(scene.go.path(), "go\n").unwrap();
    scene.wait_over(RunState::Landed);
    assert_eq!(scene.home.history().iter().filter(|it| told(it)).count(), 1);
}
