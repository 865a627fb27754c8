//! `pilothouse symphony` as a program: issues in files, an agent that is a real program, hooks, signals and a `kill -9`.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use pilothouse_testkit::home::{Home, Ran, ran};
use pilothouse_testkit::process::{Watchdog, kill_at_once, lives, signal};
use serde_json::{Value, json};

/// A repository's folder with a workflow file, issues and an agent.
struct Place {
    home: Home,
    folder: tempfile::TempDir,
}

impl Place {
    /// Each turn of the agent is the shell command `work`.
    fn new(front: &str, work: &str) -> Self {
        let place = Self { home: Home::new(), folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("issues")).unwrap();
        let script = json!([{ "serve": work }]);
        std::fs::write(place.path("script.json"), script.to_string()).unwrap();
        let server = place.home.program("scripted-app-server");
        assert!(server.is_file(), "{} is not built", server.display());
        let text = format!(
            "---\ntracker: {{kind: file, provider: {{path: issues}}}}\nworkspace: {{root: work}}\n\
             polling: {{interval_ms: 100}}\nagent: {{max_turns: 1, max_concurrent_agents_by_state: {{Backlog: none}}}}\n\
             codex: {{command: \"'{}' '{}'\"}}\n{front}\n---\nDo {{{{ issue.identifier }}}}: {{{{ issue.title }}}}\n",
            server.display(),
            place.path("script.json").display()
        );
        std::fs::write(place.path("WORKFLOW.md"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(&self, key: &str, state: &str) {
        let text = format!("---\ntitle: Mend {key}\nstate: {state}\n---\nAs it says.\n");
        // Whole at once, for the loop reads whenever it likes.
        let new = self.path("issues").join(format!(".{key}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path("issues").join(format!("{key}.md"))).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(&["symphony", "--json"]);
        command.args(args).current_dir(self.folder.path());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    fn start(&self) -> Running {
        let mut command = self.command(&["--trust"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { _watchdog: Watchdog::over(child.id()), child, lines }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn heard(&self, method: &str) -> Vec<Value> {
        let heard = self.read("script.heard");
        heard
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .filter(|it: &Value| it["method"] == method)
            .collect()
    }
}

/// A loop in the foreground.
struct Running {
    _watchdog: Watchdog,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn until(&mut self, event: &str) -> Value {
        loop {
            let line = self.lines.next().unwrap_or_else(|| panic!("it ended without {event}")).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["event"] == event {
                return line;
            }
        }
    }

    fn ends(mut self) -> Option<i32> {
        // Read to the end, so that nothing of it waits for us.
        for line in self.lines.by_ref() {
            line.unwrap();
        }
        self.child.wait().unwrap().code()
    }
}

#[test]
fn row_7_1_a_workflow_file_is_given_as_an_argument() {
    let place = Place::new("", "touch worked");
    place.issue("A-1", "Todo");
    std::fs::create_dir(place.path("other")).unwrap();
    let text = place
        .read("WORKFLOW.md")
        .replace("path: issues", "path: ../issues")
        .replace("root: work", "root: ../mine");
    std::fs::write(place.path("other/MINE.md"), text).unwrap();
    let done = place.run(&["other/MINE.md", "--once", "--trust"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(place.path("mine/A-1/worked").exists() && !place.path("work").exists());
}

#[test]
fn row_7_2_without_one_the_file_of_the_working_folder_is_used() {
    let place = Place::new("", "touch worked");
    place.issue("A-1", "Todo");
    assert_eq!(place.run(&["--once", "--trust"]).code, 0);
    assert!(place.path("work/A-1/worked").exists());
    assert_eq!(place.heard("turn/start")[0]["params"]["input"][0]["text"], "Do A-1: Mend A-1");
}

#[test]
fn row_7_3_a_missing_file_is_an_error() {
    let place = Place::new("", "true");
    let given = place.run(&["none.md", "--trust"]);
    assert!(
        given.fault().contains("none.md") && given.fault().contains("missing_workflow_file"),
        "{given:?}"
    );
    std::fs::remove_file(place.path("WORKFLOW.md")).unwrap();
    assert!(place.run(&["--trust"]).fault().contains("WORKFLOW.md"));
}

#[test]
fn row_7_4_a_start_that_fails_says_why_in_words() {
    let place = Place::new("", "true");
    std::fs::write(place.path("BAD.md"), "---\ntracker: {kind: abacus}\n---\n").unwrap();
    let bad = place.run(&["BAD.md", "--trust"]);
    assert!(bad.fault().contains("abacus") && bad.fault().contains("unsupported_tracker_kind"), "{bad:?}");
    assert!(!bad.err.contains("panicked"));
    std::fs::write(
        place.path("TAKEN.md"),
        "---\ntracker: {kind: memory}\nworkspace: {root: TAKEN.md/x}\n---\n",
    )
    .unwrap();
    assert!(place.run(&["TAKEN.md", "--trust"]).fault().contains("cannot be used"));
}

#[test]
fn row_7_5_a_loop_that_is_told_to_end_ends_well() {
    for name in ["-TERM", "-INT"] {
        let place = Place::new("hooks: {after_run: 'touch after'}", "touch at-work; sleep 600");
        place.issue("A-1", "Todo");
        let mut running = place.start();
        running.until("session_started");
        assert!(signal(running.child.id(), name));
        assert_eq!(running.ends(), Some(0), "{name}");
        assert!(place.path("work/A-1/after").exists(), "and its agents' last hooks ran");
    }
}

#[test]
fn row_7_6_a_start_that_fails_ends_with_another_code_than_0() {
    let place = Place::new("", "true");
    std::fs::write(place.path("BAD.md"), "---\n- no map\n---\n").unwrap();
    assert_eq!(place.run(&["BAD.md", "--trust"]).code, 2);
    let failing = Place::new("", "false");
    failing.issue("A-1", "Todo");
    assert_eq!(failing.run(&["--once", "--trust"]).code, 1, "something failed");
}

#[test]
fn nothing_of_a_repository_runs_before_somebody_said_yes() {
    let place = Place::new("hooks: {after_create: 'touch ../../hooked'}", "touch ../../worked");
    place.issue("A-1", "Todo");
    let refused = place.run(&["--once"]);
    let fault = refused.fault();
    for word in ["--trust", "touch ../../hooked", "scripted-app-server"] {
        assert!(fault.contains(word), "{fault}");
    }
    assert!(!place.path("hooked").exists() && !place.path("worked").exists() && !place.path("work").exists());
    assert_eq!(place.run(&["--once", "--trust"]).code, 0);
    assert!(place.path("hooked").exists() && place.path("worked").exists());
}

#[test]
fn a_later_edit_brings_in_no_command_without_another_yes() {
    let place = Place::new("", "true");
    let mut running = place.start();
    running.until("started");
    let text =
        place.read("WORKFLOW.md").replace("---\nDo", "hooks: {before_run: 'touch ../../evil'}\n---\nDo");
    std::fs::write(place.path("WORKFLOW.md"), text).unwrap();
    running.until("workflow_untrusted");
    place.issue("A-1", "Todo");
    // Each is heard by another poll, all of them after the issue came.
    for key in ["B-1", "B-2", "B-3"] {
        assert_eq!(place.run(&["lift", key]).code, 0);
        running.until("nothing_to_lift");
    }
    assert!(signal(running.child.id(), "-TERM"));
    assert_eq!(running.ends(), Some(0));
    assert!(!place.path("evil").exists() && !place.path("work/A-1").exists());
}

#[test]
fn check_says_how_a_file_is_understood_and_what_is_wrong() {
    let place = Place::new("", "true");
    let good = place.run(&["check"]);
    let said = good.json();
    assert_eq!((good.code, said["ok"].as_bool()), (0, Some(true)), "{said}");
    assert_eq!(said["settings"]["tracker"]["kind"], "file");
    assert!(said["warnings"][0].as_str().unwrap().contains("Backlog"));
    assert!(!place.path("work").exists(), "it runs nothing and makes nothing");
    let text = place.read("WORKFLOW.md").replace("issue.title", "issue.titel");
    std::fs::write(place.path("WORKFLOW.md"), text).unwrap();
    let bad = place.run(&["check"]);
    assert_eq!((bad.code, bad.json()["error"]["code"].as_str()), (1, Some("template_error")));
    assert!(bad.json()["error"]["message"].as_str().unwrap().contains("titel"));
}

#[test]
fn an_issue_is_worked_until_its_file_says_it_is_over_and_then_its_folder_goes() {
    // The agent itself moves its issue on, as a person would.
    let work = "echo x > done-by-agent; sed s/Todo/Done/ ../../issues/A-1.md > ../../next && mv ../../next ../../issues/A-1.md";
    let place = Place::new("hooks: {before_remove: 'cp done-by-agent ../../saved'}", work);
    place.issue("A-1", "Todo");
    let mut running = place.start();
    running.until("workspace_removed");
    assert!(signal(running.child.id(), "-TERM"));
    assert_eq!(running.ends(), Some(0));
    assert_eq!(place.read("saved"), "x\n");
    assert!(!place.path("work/A-1").exists());
    assert_eq!(place.heard("turn/start").len(), 1);
}

#[test]
fn row_h_5_after_a_kill_of_the_loop_the_next_start_ends_its_agent_and_goes_on_with_count_and_thread() {
    let work = "if [ -e again ]; then touch worked; else touch again; setsid sh -c 'echo $$ > pid.new; mv pid.new pid; sleep 600' & \
                while [ ! -e pid ]; do :; done; echo up > ../../up; sleep 600; fi";
    let place = Place::new("", work);
    place.issue("A-1", "Todo");
    let up = pilothouse_testkit::process::Fifo::new(place.path("up"));
    let mut running = place.start();
    running.until("session_started");
    assert_eq!(up.read(), "up\n");
    kill_at_once(running.child.id());
    assert_eq!(running.ends(), None);
    let daemon: u32 = place.read("work/A-1/pid").trim().parse().unwrap();
    assert!(lives(daemon), "what nobody told to end goes on");
    let mut folders = std::fs::read_dir(place.home.path().join("data/symphony")).unwrap();
    let kept = std::fs::read_to_string(folders.next().unwrap().unwrap().path().join("state.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["running"]["A-1"]["attempt"], 1);
    let done = place.run(&["--once", "--trust"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("\"reaped\"") && !lives(daemon), "{done:?}");
    assert!(place.path("work/A-1/worked").exists());
    let (began, resumed) = (place.heard("thread/start"), place.heard("thread/resume"));
    assert_eq!((began.len(), resumed.len()), (1, 1));
    assert!(resumed[0]["params"]["threadId"].as_str().unwrap().starts_with("thread-"));
}
