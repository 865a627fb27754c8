//! The whole loop: a tracker, real folders and hooks, and an app-server that is a real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilothouse_symphony::Issue;
use pilothouse_symphony::observability::{Record, Sink};
use pilothouse_symphony::runner::{End, Handle, Loop, NoSnapshot, Options};
use pilothouse_symphony::tracker::{MemoryTracker, Reading, Tracker, TrackerError};
use pilothouse_symphony::workflow::Trust;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(60);

mod reload;

struct Lines(mpsc::UnboundedSender<Record>, bool);

impl Sink for Lines {
    fn write(&mut self, _at: &str, record: &Record) -> io::Result<()> {
        self.0.send(record.clone()).unwrap();
        if self.1 { Err(io::Error::other("the sink is broken")) } else { Ok(()) }
    }
}

/// A folder with a workflow file and a script; a loop over a tracker in memory.
struct Rig {
    folder: tempfile::TempDir,
    tracker: Arc<MemoryTracker>,
    lines: mpsc::UnboundedReceiver<Record>,
    to: mpsc::UnboundedSender<Record>,
    broken_sink: bool,
}

fn issue(id: &str, state: &str) -> Issue {
    serde_json::from_value(json!({
        "id": id, "identifier": format!("A-{id}"), "title": format!("Issue {id}"), "state": state, "dispatchable": true
    }))
    .unwrap()
}

impl Rig {
    /// `front` follows the tracker and the root; each turn of the agent is `work`.
    fn new(front: &str, work: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (to, lines) = mpsc::unbounded_channel();
        let rig = Self { folder, tracker: Arc::default(), lines, to, broken_sink: false };
        rig.script(&[json!({"serve": work})]);
        rig.workflow(front, "Do {{ issue.identifier }}.");
        rig
    }

    fn script(&self, steps: &[Value]) {
        std::fs::write(self.path("script.json"), serde_json::to_vec(steps).unwrap()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn workflow(&self, front: &str, prompt: &str) {
        let text = format!(
            "---\ntracker: {{kind: memory}}\nworkspace: {{root: ./work}}\npolling: {{interval_ms: 100}}\n{}\n---\n{prompt}\n",
            front.replace(
                "SERVER",
                &format!(
                    "'{}' '{}'",
                    env!("CARGO_BIN_EXE_scripted-app-server"),
                    self.path("script.json").display()
                )
            )
        );
        std::fs::write(self.path("WORKFLOW.md"), text).unwrap();
    }

    fn options(&self, tracker: Arc<dyn Tracker>, once: bool) -> Options {
        Options {
            workflow: self.path("WORKFLOW.md"),
            trust: Trust::LaterOnesToo,
            root: None,
            state: self.path("state"),
            once,
            sink: Box::new(Lines(self.to.clone(), self.broken_sink)),
            tracker: Some(tracker),
        }
    }

    async fn once(&self) -> End {
        let (run, _handle) = Loop::start(self.options(self.tracker.clone(), true)).await.unwrap();
        tokio::time::timeout(SOON, run.run()).await.expect("it ends by itself")
    }

    async fn start(&self) -> (JoinHandle<End>, Handle) {
        let (run, handle) = Loop::start(self.options(self.tracker.clone(), false)).await.unwrap();
        (tokio::spawn(run.run()), handle)
    }

    /// Waits for a record about something.
    async fn until(&mut self, event: &str) -> Record {
        loop {
            let record =
                tokio::time::timeout(SOON, self.lines.recv()).await.unwrap_or_else(|_| panic!("no {event}"));
            let record = record.unwrap();
            if record.event == event {
                return record;
            }
        }
    }

    fn all(&mut self, event: &str) -> Vec<Record> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).filter(|it| it.event == event).collect()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn prompts(&self) -> Vec<String> {
        let heard = self.read("script.heard");
        let messages = heard.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
        messages
            .filter(|it| it["method"] == "turn/start")
            .map(|it| it["params"]["input"][0]["text"].as_str().unwrap().to_owned())
            .collect()
    }
}

const SERVER: &str = "codex: {command: \"SERVER\"}\nagent: {max_turns: 1}";

#[tokio::test]
async fn row_2_6_after_create_runs_once_and_only_when_the_folder_is_made() {
    let rig = Rig::new(
        &format!("{SERVER}\nhooks: {{after_create: 'echo made >> made', before_run: 'echo run >> run'}}"),
        "true",
    );
    rig.tracker.put(issue("1", "Todo"));
    assert_eq!(rig.once().await, End { failures: 0 });
    assert_eq!(rig.once().await, End { failures: 0 });
    assert_eq!(rig.read("work/A-1/made"), "made\n");
    assert_eq!(rig.read("work/A-1/run"), "run\nrun\n");
}

#[tokio::test]
async fn row_2_5_a_workspace_that_cannot_be_filled_fails_its_attempt_and_is_made_anew() {
    let mut rig = Rig::new(&format!("{SERVER}\nhooks: {{after_create: 'echo half > half; exit 4'}}"), "true");
    rig.tracker.put(issue("1", "Todo"));
    assert_eq!(rig.once().await, End { failures: 1 });
    assert!(rig.until("worker_ended").await.message.contains("after_create"), "told");
    assert!(!rig.path("work/A-1").exists());
    assert!(rig.prompts().is_empty());
}

#[tokio::test]
async fn row_2_7_before_run_comes_before_each_attempt_and_its_failure_ends_it() {
    for hook in ["exit 3", "sleep 600"] {
        let mut rig = Rig::new(
            &format!("{SERVER}\nhooks: {{before_run: '{hook}', after_run: 'touch after', timeout_ms: 1500}}"),
            "true",
        );
        rig.tracker.put(issue("1", "Todo"));
        assert_eq!(rig.once().await, End { failures: 1 });
        assert!(rig.until("worker_ended").await.message.contains("before_run"), "{hook}");
        assert!(rig.prompts().is_empty(), "no session");
        assert!(rig.path("work/A-1/after").exists());
    }
}

#[tokio::test]
async fn row_2_8_after_run_comes_after_each_attempt_and_its_failure_is_only_told() {
    for (work, failures) in [("true", 0), ("false", 1)] {
        let mut rig = Rig::new(&format!("{SERVER}\nhooks: {{after_run: 'touch after; exit 7'}}"), work);
        rig.tracker.put(issue("1", "Todo"));
        assert_eq!(rig.once().await, End { failures });
        assert!(rig.path("work/A-1/after").exists());
        assert!(rig.until("hook_failed").await.message.contains("exit status: 7"));
    }
}

#[tokio::test]
async fn row_2_9_before_remove_comes_before_a_folder_goes_and_its_failure_keeps_nothing() {
    let mut rig = Rig::new(
        &format!("{SERVER}\nhooks: {{before_remove: 'cp note ../../saved; exit 9'}}"),
        "echo x > note",
    );
    rig.tracker.put(issue("1", "Todo"));
    rig.once().await;
    assert!(rig.path("work/A-1/note").exists());
    rig.tracker.put(issue("1", "Done"));
    rig.once().await;
    rig.until("hook_failed").await;
    rig.until("workspace_removed").await;
    assert_eq!(rig.read("saved"), "x\n");
    assert!(!rig.path("work/A-1").exists());
}

#[tokio::test]
async fn one_round_works_all_that_there_is_whatever_the_slots() {
    let mut rig = Rig::new(
        "codex: {command: \"SERVER\"}\nagent: {max_turns: 1, max_concurrent_agents: 1}",
        "touch worked",
    );
    for id in ["1", "2", "3"] {
        rig.tracker.put(issue(id, "Todo"));
    }
    assert_eq!(rig.once().await, End { failures: 0 });
    assert_eq!(rig.all("dispatched").len(), 3, "each of them once");
    for id in ["1", "2", "3"] {
        assert!(rig.path(&format!("work/A-{id}/worked")).exists(), "{id}");
    }
}

#[tokio::test]
async fn one_round_counts_what_it_leaves_to_a_person() {
    let mut rig = Rig::new(&format!("{SERVER}\nbudget: {{sessions: 1}}"), "true");
    rig.tracker.put(issue("1", "Todo"));
    assert_eq!(rig.once().await, End { failures: 1 });
    assert_eq!(rig.all("parked").len(), 1);
    assert_eq!(rig.once().await, End { failures: 0 }, "that it waits was told by the round that left it");
}

#[tokio::test]
async fn one_round_goes_on_with_what_waited_for_a_slot() {
    let rig = Rig::new(SERVER, "touch worked");
    rig.tracker.put(issue("1", "Todo"));
    let kept = json!({"retries": {"1": {
        "identifier": "A-1", "attempt": 1, "kind": pilothouse_symphony::workflow::RetryKind::Failure, "slot_waits": 1,
        "due_at": jiff::Timestamp::now().as_millisecond() + 3000, "error": pilothouse_symphony::coordination::NO_SLOT,
    }}});
    std::fs::create_dir(rig.path("work")).unwrap();
    let folder = pilothouse_symphony::runner::state_folder(&rig.path("state"), &rig.path("work"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("state.json"), serde_json::to_vec(&kept).unwrap()).unwrap();
    assert_eq!(rig.once().await, End { failures: 0 });
    assert!(rig.path("work/A-1/worked").exists());
}

#[tokio::test]
async fn a_folder_that_a_kill_left_half_is_filled_anew() {
    use std::os::unix::fs::MetadataExt as _;
    let mut rig = Rig::new(&format!("{SERVER}\nhooks: {{after_create: 'echo made >> made'}}"), "true");
    std::fs::create_dir_all(rig.path("work/A-1")).unwrap();
    std::fs::write(rig.path("work/A-1/half"), "").unwrap();
    // What a loop that was killed in its hook has noted.
    let meta = std::fs::metadata(rig.path("work/A-1")).unwrap();
    let notes =
        pilothouse_symphony::runner::state_folder(&rig.path("state"), &rig.path("work")).join("unfilled");
    std::fs::create_dir_all(&notes).unwrap();
    std::fs::write(notes.join("A-1"), format!("{} {}", meta.dev(), meta.ino())).unwrap();
    rig.tracker.put(issue("1", "Todo"));
    assert_eq!(rig.once().await, End { failures: 0 });
    assert!(!rig.path("work/A-1/half").exists());
    assert_eq!(rig.read("work/A-1/made"), "made\n");
    assert!(rig.all("workspace_found").is_empty(), "it is the loop's own");
    assert_eq!(std::fs::read_dir(&notes).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_somebody_else_made_is_worked_in_and_never_removed() {
    let mut rig =
        Rig::new(&format!("{SERVER}\nhooks: {{before_remove: 'touch ../../removing'}}"), "touch worked");
    std::fs::create_dir_all(rig.path("work/A-1")).unwrap();
    std::fs::write(rig.path("work/A-1/mine"), "years").unwrap();
    rig.tracker.put(issue("1", "Todo"));
    rig.tracker.put(issue("2", "Todo"));
    assert_eq!(rig.once().await, End { failures: 0 });
    assert!(rig.path("work/A-1/worked").exists());
    assert!(rig.until("workspace_found").await.message.contains("never removed"));
    rig.tracker.put(issue("1", "Done"));
    rig.tracker.put(issue("2", "Done"));
    rig.once().await;
    assert!(!rig.path("work/A-2").exists(), "what the loop made goes");
    assert_eq!(rig.read("work/A-1/mine"), "years");
}

#[tokio::test]
async fn a_hook_before_one_removal_does_not_end_with_that_before_another() {
    // The short one ends while the long one runs, which waits for the short one's folder to be gone.
    let hook = "if [ $SYMPHONY_ISSUE_ID = 1 ]; then while [ ! -e ../A-2/ready ]; do sleep 0.05; done; \
                else touch ready; while [ -e ../A-1 ]; do sleep 0.05; done; cp note ../../saved; fi";
    let mut rig = Rig::new(&format!("{SERVER}\nhooks: {{before_remove: '{hook}'}}"), "echo x > note");
    rig.tracker.put(issue("1", "Todo"));
    rig.tracker.put(issue("2", "Todo"));
    rig.once().await;
    rig.tracker.put(issue("1", "Done"));
    rig.tracker.put(issue("2", "Done"));
    assert_eq!(rig.once().await, End { failures: 0 });
    let told = rig.all("hook_failed");
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(rig.read("saved"), "x\n");
    assert!(!rig.path("work/A-1").exists() && !rig.path("work/A-2").exists());
}

#[tokio::test]
async fn row_3_1_candidates_are_those_in_the_active_states() {
    let rig = Rig::new(SERVER, "true");
    for (id, state) in [("1", "Todo"), ("2", "Backlog"), ("3", "Done"), ("4", " in progress ")] {
        rig.tracker.put(issue(id, state));
    }
    rig.once().await;
    let mut names: Vec<String> = pilothouse_symphony::workspace::local(&rig.path("work"));
    names.sort();
    assert_eq!(names, ["A-1", "A-4"]);
}

#[tokio::test]
async fn row_n_15_turns_go_on_on_one_thread_while_the_issue_is_active() {
    let rig = Rig::new("codex: {command: \"SERVER\"}\nagent: {max_turns: 3}", "true");
    rig.tracker.put(issue("1", "Todo"));
    rig.once().await;
    let heard = rig.read("script.heard");
    assert_eq!(heard.matches("\"thread/start\"").count(), 1);
    assert_eq!(rig.prompts().len(), 3);
}

#[tokio::test]
async fn row_n_16_the_task_is_said_once() {
    let rig = Rig::new("codex: {command: \"SERVER\"}\nagent: {max_turns: 2}", "true");
    rig.tracker.put(issue("1", "Todo"));
    rig.once().await;
    let prompts = rig.prompts();
    assert_eq!(prompts[0], "Do A-1.");
    assert!(prompts[1].contains("Go on") && !prompts[1].contains("Do A-1."), "{}", prompts[1]);
}

#[tokio::test]
async fn a_thread_is_told_a_task_that_was_changed_and_no_other_one_again() {
    let rig = Rig::new(SERVER, "true");
    rig.tracker.put(issue("1", "Todo"));
    rig.once().await;
    rig.once().await;
    rig.workflow(SERVER, "Do {{ issue.identifier }} otherwise.");
    rig.once().await;
    rig.once().await;
    assert_eq!(rig.read("script.heard").matches("\"thread/resume\"").count(), 3, "one thread all the time");
    let prompts = rig.prompts();
    let said: Vec<bool> = prompts.iter().map(|it| it.starts_with("Do A-1")).collect();
    assert_eq!(said, [true, false, true, false], "{prompts:?}");
    assert_eq!(prompts[2], "Do A-1 otherwise.");
}

#[tokio::test]
async fn a_thread_on_which_the_agent_breaks_or_hangs_is_given_up_for_a_new_one() {
    for last in [json!({"exit": 3}), json!({"hang": true})] {
        let server = env!("CARGO_BIN_EXE_scripted-app-server");
        let front = format!(
            "codex: {{command: \"if [ -e ../../bad.json ]; then mv ../../bad.json ../../used.json; \
             '{server}' ../../used.json; else SERVER; fi\"}}\nagent: {{max_turns: 1}}"
        );
        let mut rig = Rig::new(&front, "true");
        rig.tracker.put(issue("1", "Todo"));
        assert_eq!(rig.once().await, End { failures: 0 });
        let bad = json!([{"expect": "initialize"}, {"reply": {}}, {"expect": "thread/resume"}, last]);
        std::fs::write(rig.path("bad.json"), bad.to_string()).unwrap();
        assert_eq!(rig.once().await, End { failures: 0 }, "{last}");
        assert_eq!(rig.all("thread_given_up").len(), 1);
        assert_eq!(rig.read("script.heard").matches("\"thread/start\"").count(), 2);
        assert_eq!(rig.prompts(), ["Do A-1.", "Do A-1."], "the new one is told the task");
    }
}

/// A tracker whose refreshes fail from some moment on, or never answer.
#[derive(Debug)]
struct Odd {
    inner: Arc<MemoryTracker>,
    hang: bool,
    refresh_fails: bool,
    /// Told when a fetch has begun.
    begun: Arc<tokio::sync::Notify>,
    /// Every refresh that was asked for.
    asked: Arc<std::sync::Mutex<Vec<Vec<String>>>>,
}

impl Odd {
    fn over(inner: &Arc<MemoryTracker>) -> Self {
        let (begun, asked) = (Arc::default(), Arc::default());
        Self { inner: inner.clone(), hang: false, refresh_fails: false, begun, asked }
    }
}

impl Tracker for Odd {
    fn by_states<'a>(&'a self, states: &'a [String]) -> Reading<'a> {
        self.begun.notify_one();
        if self.hang { Box::pin(std::future::pending()) } else { self.inner.by_states(states) }
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Reading<'a> {
        self.asked.lock().unwrap().push(ids.to_vec());
        if self.refresh_fails {
            Box::pin(async { Err(TrackerError::Request("down".to_owned())) })
        } else {
            self.inner.by_ids(ids)
        }
    }
}

#[tokio::test]
async fn the_sweep_does_not_ask_for_an_issue_whose_folder_is_gone() {
    let rig = Rig::new(SERVER, "true");
    rig.tracker.put(issue("1", "Todo"));
    rig.tracker.put(issue("2", "Todo"));
    rig.once().await;
    std::fs::remove_dir_all(rig.path("work/A-1")).unwrap();
    let odd = Odd::over(&rig.tracker);
    let asked = odd.asked.clone();
    let (run, _handle) = Loop::start(rig.options(Arc::new(odd), true)).await.unwrap();
    tokio::time::timeout(SOON, run.run()).await.expect("it ends by itself");
    assert_eq!(asked.lock().unwrap()[0], ["2"]);
}

#[tokio::test]
async fn row_n_17_a_refresh_that_fails_after_a_turn_fails_the_attempt() {
    let mut rig = Rig::new(SERVER, "true");
    rig.tracker.put(issue("1", "Todo"));
    let odd = Odd { refresh_fails: true, ..Odd::over(&rig.tracker) };
    let (run, _handle) = Loop::start(rig.options(Arc::new(odd), true)).await.unwrap();
    let end = run.run().await;
    let record = rig.until("worker_ended").await;
    assert!(record.message.contains("after turn 1: tracker_request"), "{record:?}");
    assert_eq!(record.get("outcome"), Some("Failed"));
    assert!(end.failures >= 1);
}

#[tokio::test]
async fn row_h_8_a_snapshot_comes_while_the_tracker_hangs() {
    let rig = Rig::new(SERVER, "true");
    let odd = Odd { hang: true, ..Odd::over(&rig.tracker) };
    let begun = odd.begun.clone();
    let (run, handle) = Loop::start(rig.options(Arc::new(odd), false)).await.unwrap();
    let running = tokio::spawn(run.run());
    tokio::time::timeout(SOON, begun.notified()).await.expect("it is asked");
    // The tracker never answers; that the snapshot does is the point, and its limit only ends a test that fails.
    let shown = handle.snapshot(SOON).await.unwrap();
    assert_eq!(shown.counts["running"], 0);
    handle.shut_down();
    running.await.unwrap();
}

#[tokio::test]
async fn row_4_15_a_snapshot_that_does_not_come_is_told_as_what_it_is() {
    let rig = Rig::new(SERVER, "true");
    let (run, handle) = Loop::start(rig.options(rig.tracker.clone(), false)).await.unwrap();
    // It was not begun yet, so it cannot answer.
    assert_eq!(handle.snapshot(Duration::from_millis(10)).await, Err(NoSnapshot::Timeout));
    drop(run);
    assert_eq!(handle.snapshot(SOON).await, Err(NoSnapshot::Unavailable));
}

#[tokio::test]
async fn row_6_3_a_sink_that_fails_stops_nothing() {
    let mut rig = Rig::new(SERVER, "touch worked");
    rig.broken_sink = true;
    rig.tracker.put(issue("1", "Todo"));
    assert_eq!(rig.once().await, End { failures: 0 });
    assert!(rig.path("work/A-1/worked").exists());
}

#[tokio::test]
async fn row_h_3_after_run_runs_when_a_worker_is_stopped() {
    for (state, folder_stays) in [("Human Review", true), ("Done", false)] {
        let hooks = "hooks: {after_run: 'echo $SYMPHONY_ISSUE_IDENTIFIER >> ../../after'}";
        let mut rig = Rig::new(&format!("{SERVER}\n{hooks}"), "touch at-work; sleep 600");
        rig.tracker.put(issue("1", "Todo"));
        let (running, handle) = rig.start().await;
        rig.until("session_started").await;
        rig.tracker.put(issue("1", state));
        let ended = rig.until("worker_ended").await;
        assert_eq!(ended.get("outcome"), Some("CanceledByReconciliation"));
        assert_eq!(rig.read("after"), "A-1\n");
        if !folder_stays {
            rig.until("workspace_removed").await;
        }
        handle.shut_down();
        running.await.unwrap();
        assert_eq!(rig.path("work/A-1").exists(), folder_stays);
    }
}

#[tokio::test]
async fn row_h_3_after_run_runs_when_a_stalled_worker_is_stopped() {
    let front = "codex: {command: \"SERVER\", stall_timeout_ms: 400, turn_timeout_ms: 600000}\nhooks: {after_run: 'touch after'}";
    let mut rig = Rig::new(front, "true");
    // Without a word after its turn began.
    rig.script(&[
        json!({"expect": "initialize"}),
        json!({"reply": {}}),
        json!({"expect": "thread/start"}),
        json!({"reply": {"thread": {"id": "t"}}}),
        json!({"expect": "turn/start"}),
        json!({"reply": {"turn": {"id": "u"}}}),
        json!({"hang": true}),
    ]);
    rig.tracker.put(issue("1", "Todo"));
    let (running, handle) = rig.start().await;
    let ended = rig.until("worker_ended").await;
    assert_eq!(ended.get("outcome"), Some("Stalled"), "{ended:?}");
    assert!(rig.path("work/A-1/after").exists());
    rig.until("retry_queued").await;
    handle.shut_down();
    running.await.unwrap();
}

#[tokio::test]
async fn row_h_11_a_prompt_that_fails_for_one_issue_fails_for_that_one_only() {
    let mut rig = Rig::new(SERVER, "touch worked");
    let prompt = "{% if issue.identifier == 'A-1' %}{{ issue.nothing }}{% endif %}Do it.";
    rig.workflow(SERVER, prompt);
    rig.tracker.put(issue("1", "Todo"));
    rig.tracker.put(issue("2", "Todo"));
    assert_eq!(rig.once().await, End { failures: 1 });
    assert!(rig.path("work/A-2/worked").exists() && !rig.path("work/A-1/worked").exists());
    let ended = rig.all("worker_ended");
    assert!(ended.iter().any(|it| it.message.contains("template_render_error")), "{ended:?}");
}

#[tokio::test]
async fn row_1_3_a_running_loop_takes_up_a_changed_prompt() {
    let mut rig = Rig::new(SERVER, "true");
    let (running, handle) = rig.start().await;
    rig.until("started").await;
    rig.workflow(SERVER, "Now do {{ issue.identifier }} better.");
    rig.until("workflow_reloaded").await;
    rig.tracker.put(issue("1", "Todo"));
    rig.until("session_started").await;
    handle.shut_down();
    running.await.unwrap();
    assert_eq!(rig.prompts()[0], "Now do A-1 better.");
}

#[tokio::test]
async fn row_n_7_a_loop_with_a_broken_file_still_stops_what_is_over() {
    let mut rig = Rig::new(SERVER, "sleep 600");
    rig.tracker.put(issue("1", "Todo"));
    let (running, handle) = rig.start().await;
    rig.until("session_started").await;
    std::fs::write(rig.path("WORKFLOW.md"), "---\n- no map\n---\n").unwrap();
    let told = rig.until("workflow_invalid").await;
    assert_eq!(told.get("code"), Some("workflow_front_matter_not_a_map"));
    rig.tracker.put(issue("1", "Done"));
    rig.tracker.put(issue("2", "Todo"));
    rig.until("workspace_removed").await;
    let shown = handle.snapshot(SOON).await.unwrap();
    assert!(shown.unusable.is_some() && shown.running.is_empty());
    handle.shut_down();
    running.await.unwrap();
}

#[tokio::test]
async fn two_loops_never_work_below_one_root() {
    let rig = Rig::new(SERVER, "true");
    let (_first, _handle) = Loop::start(rig.options(rig.tracker.clone(), false)).await.unwrap();
    let second = Loop::start(rig.options(rig.tracker.clone(), false)).await;
    assert!(second.unwrap_err().to_string().contains("another loop"));
    // Nor does one with another home, which keeps its state elsewhere.
    let mut elsewhere = rig.options(rig.tracker.clone(), false);
    elsewhere.state = rig.path("other-state");
    assert!(Loop::start(elsewhere).await.unwrap_err().to_string().contains("another loop"));
}

#[tokio::test]
async fn what_the_loop_knows_lies_apart_from_the_workspaces_and_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new(SERVER, "true");
    rig.tracker.put(issue("1", "Todo"));
    rig.once().await;
    let below: Vec<_> = std::fs::read_dir(rig.path("work")).unwrap().flatten().collect();
    assert_eq!(below.len(), 1, "one workspace and nothing else: {below:?}");
    let folder = pilothouse_symphony::runner::state_folder(&rig.path("state"), &rig.path("work"));
    assert!(folder.join("state.json").is_file() && folder.join("runs/1.jsonl").is_file());
    for closed in [&folder, &rig.path("state"), &rig.path("work")] {
        assert_eq!(std::fs::metadata(closed).unwrap().permissions().mode() & 0o777, 0o700, "{closed:?}");
    }
}

#[tokio::test]
async fn a_parked_issue_goes_on_when_a_person_asks_for_it() {
    let mut rig = Rig::new(&format!("{SERVER}\nbudget: {{failures: 1}}"), "false");
    rig.tracker.put(issue("1", "Todo"));
    rig.once().await;
    assert_eq!(rig.all("parked").len(), 1);
    rig.once().await;
    assert!(rig.all("dispatched").is_empty(), "parked over a restart");
    pilothouse_symphony::runner::request_lift(&rig.path("state"), &rig.path("work"), "A-1").unwrap();
    rig.script(&[json!({"serve": "true"})]);
    assert_eq!(rig.once().await, End { failures: 0 });
    assert_eq!(rig.all("dispatched").len(), 1);
}
