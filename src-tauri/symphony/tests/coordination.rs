//! The scheduler, row by row: states, inputs and times in, states and effects out. No clock, no files, no tracker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::path::Path;
use std::sync::Arc;

use pilothouse_symphony::Issue;
use pilothouse_symphony::coordination::*;
use pilothouse_symphony::observability::{Kept, snapshot};
use pilothouse_symphony::tracker::TrackerError;
use pilothouse_symphony::workflow::{Settings, split};
use serde_json::json;

fn settings(more: &str) -> Arc<Settings> {
    let text = format!("---\ntracker: {{kind: memory, required_labels: []}}\n{more}\n---\n");
    let config = split(Path::new("W.md"), &text).unwrap().config;
    Arc::new(Settings::read(&config, Path::new("/r/W.md"), &|_| None).unwrap())
}

fn issue(id: &str, state: &str) -> Issue {
    serde_json::from_value(json!({
        "id": id, "identifier": format!("A-{id}"), "title": "t", "state": state, "dispatchable": true
    }))
    .unwrap()
}

/// A scheduler with its time and what it wanted last.
struct World {
    state: State,
    now: i64,
    out: Vec<Effect>,
}

impl World {
    fn new(more: &str) -> Self {
        let state = State::begin(settings(more), Kept::default(), 1_000_000);
        let mut world = Self { state, now: 1_000_000, out: Vec::new() };
        world.put(Input::Begin);
        world
    }

    fn put(&mut self, input: Input) {
        let (state, out) = decide(self.state.clone(), input, self.now);
        (self.state, self.out) = (state, out);
    }

    fn tick(&mut self) {
        let preflight = Ok(self.state.settings.clone());
        self.put(Input::Tick { token: self.state.tick, preflight });
    }

    /// A whole poll: `claimed` is what the tracker says of claimed issues, `active` what it has.
    fn poll(&mut self, claimed: &[Issue], active: &[Issue]) {
        self.tick();
        if self.state.stage == Stage::Reconciling {
            self.put(Input::Refreshed { poll: self.state.poll, answer: Ok(claimed.to_vec()) });
        }
        let mut before = std::mem::take(&mut self.out);
        if self.state.stage == Stage::Fetching {
            self.put(Input::Candidates { poll: self.state.poll, answer: Ok(active.to_vec()) });
        }
        before.append(&mut self.out);
        self.out = before;
    }

    fn started(&self) -> Vec<&Job> {
        let jobs =
            self.out.iter().filter_map(|it| if let Effect::Start(job) = it { Some(&**job) } else { None });
        jobs.collect()
    }

    fn names(&self) -> Vec<String> {
        self.started().iter().map(|it| it.issue.id.clone()).collect()
    }

    fn logged(&self, event: &str) -> bool {
        self.out.iter().any(|it| matches!(it, Effect::Log(record) if record.event == event))
    }

    fn run(&self, id: &str) -> u64 {
        self.state.running[id].run
    }

    fn end(&mut self, id: &str, outcome: Outcome) {
        self.put(Input::Ended { run: self.run(id), outcome });
    }

    fn fail(&mut self, id: &str) {
        self.end(id, Outcome::Failed("it broke".to_owned()));
    }

    /// The retry's time comes and the tracker says this.
    fn retry(&mut self, id: &str, answer: Answer<Option<Issue>>) {
        let (token, due) = (self.state.retries[id].token, self.state.retries[id].due_at);
        self.now = self.now.max(due);
        self.put(Input::RetryDue { id: id.to_owned(), token });
        assert!(matches!(&self.out[..], [Effect::RefreshOne { .. }]), "{:?}", self.out);
        self.put(Input::RetryRefreshed { id: id.to_owned(), token, answer });
    }

    fn said(&mut self, id: &str, event: WorkerEvent) {
        self.put(Input::Said { run: self.run(id), event });
    }

    fn agent(&mut self, id: &str, pulse: Pulse) {
        let (name, summary) = ("n".to_owned(), "s".to_owned());
        self.said(id, WorkerEvent::Agent { name, summary, pulse });
    }

    fn stops(&self) -> usize {
        self.out.iter().filter(|it| matches!(it, Effect::Stop { .. })).count()
    }

    fn cleans(&self) -> Vec<&Path> {
        let paths = self
            .out
            .iter()
            .filter_map(|it| if let Effect::Clean { path, .. } = it { Some(&**path) } else { None });
        paths.collect()
    }
}

fn down() -> TrackerError {
    TrackerError::Request("no route".to_owned())
}

#[test]
fn row_5_5_the_start_of_a_session_is_told_once_with_its_thread_and_turn() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    let mut told = Vec::new();
    for turn in ["t1", "t2"] {
        world.said("1", WorkerEvent::Turn { thread: "th".to_owned(), turn: turn.to_owned(), pid: 7 });
        told.extend(world.out.iter().filter_map(|it| match it {
            Effect::Log(record) => {
                let of = |name: &str| record.fields.iter().find(|it| it.0 == name).map(|it| it.1.clone());
                Some((record.event.clone(), of("issue_id"), of("session_id")))
            }
            _ => None,
        }));
        assert_eq!(world.state.running["1"].session.pid, Some(7));
    }
    let one = |event: &str, session: &str| (event.to_owned(), Some("1".to_owned()), Some(session.to_owned()));
    assert_eq!(told, [one("session_started", "th-t1"), one("turn_started", "th-t2")]);
}

#[test]
fn row_4_1_the_urgent_come_first_then_the_oldest_then_by_key() {
    let mut world = World::new("");
    let one = |id: &str, priority: Option<i64>, at: Option<&str>| Issue {
        priority,
        created_at: at.map(|it| it.parse().unwrap()),
        ..issue(id, "Todo")
    };
    let (old, new) = (Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z"));
    world.poll(
        &[],
        &[
            one("e", None, new),
            one("d", None, old),
            one("c", Some(2), new),
            one("b", Some(2), old),
            one("a2", Some(1), new),
            one("a1", Some(1), new),
        ],
    );
    assert_eq!(world.names(), ["a1", "a2", "b", "c", "d", "e"]);
}

#[test]
fn row_n_21_priorities_beyond_the_four_and_unknown_times_come_last() {
    let mut world = World::new("");
    let one = |id: &str, priority: Option<i64>| Issue { priority, ..issue(id, "Todo") };
    let dated = Issue { created_at: Some("2026-01-01T00:00:00Z".parse().unwrap()), ..one("b", Some(0)) };
    world.poll(&[], &[one("c", Some(9)), one("d", None), dated, one("a", Some(4))]);
    assert_eq!(world.names(), ["a", "b", "c", "d"]);
}

#[test]
fn row_4_2_what_may_not_be_worked_is_not() {
    let mut world = World::new("");
    world.poll(
        &[],
        &[Issue { dispatchable: false, ..issue("1", "Todo") }, issue("2", "Done"), issue("3", "Backlog")],
    );
    assert!(world.started().is_empty());
}

#[test]
fn row_4_3_required_labels_filter_without_regard_to_case() {
    let text = "---\ntracker: {kind: memory, required_labels: [' Agent ']}\n---\n";
    let config = split(Path::new("W.md"), text).unwrap().config;
    let mut world = World::new("");
    world.state.settings = Arc::new(Settings::read(&config, Path::new("/W.md"), &|_| None).unwrap());
    let labelled = Issue { labels: vec!["agent".to_owned()], ..issue("1", "Todo") };
    world.poll(&[], &[labelled, issue("2", "Todo")]);
    assert_eq!(world.names(), ["1"]);
}

#[test]
fn row_4_4_a_refresh_of_an_active_issue_is_kept() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    let changed = Issue { title: "other".to_owned(), ..issue("1", "In Progress") };
    world.poll(std::slice::from_ref(&changed), &[]);
    assert_eq!(world.state.running["1"].issue, changed);
    assert_eq!(world.stops(), 0);
}

fn with_place(world: &mut World, id: &str) {
    world.said(id, WorkerEvent::Workspace { path: format!("/old-root/A-{id}").into(), made: true });
}

#[test]
fn row_4_5_a_state_that_is_not_active_stops_the_worker_and_keeps_the_workspace() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    with_place(&mut world, "1");
    world.poll(&[issue("1", "Human Review")], &[]);
    assert_eq!(world.stops(), 1);
    assert!(world.state.is_claimed("1"), "until it has stopped");
    world.end("1", Outcome::Stopped);
    assert!(world.cleans().is_empty() && !world.state.is_claimed("1"));
    assert!(world.state.places.contains_key("1"));
}

#[test]
fn row_4_6_a_terminal_state_stops_the_worker_and_then_removes_the_workspace() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    with_place(&mut world, "1");
    // Another root by now: what is removed is where it was made.
    world.state.settings = settings("workspace: {root: /new-root}");
    world.poll(&[issue("1", "Done")], &[]);
    assert!(world.stops() == 1 && world.cleans().is_empty(), "first it stops");
    world.end("1", Outcome::Succeeded);
    assert_eq!(world.cleans(), [Path::new("/old-root/A-1")]);
    world.poll(&[], &[issue("1", "Todo")]);
    assert!(world.started().is_empty(), "claimed until it is gone");
    world.put(Input::Cleaned { id: "1".to_owned(), error: None });
    assert!(!world.state.is_claimed("1") && world.state.places.is_empty());
}

#[test]
fn row_4_7_with_nothing_running_nothing_is_reconciled() {
    let mut world = World::new("");
    world.tick();
    assert!(world.out.iter().any(|it| matches!(it, Effect::Fetch { .. })));
    assert!(!world.out.iter().any(|it| matches!(it, Effect::Refresh { .. } | Effect::Stop { .. })));
}

#[test]
fn row_4_8_a_clean_end_is_followed_by_attempt_1_after_a_second() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.end("1", Outcome::Succeeded);
    let retry = &world.state.retries["1"];
    assert_eq!((retry.attempt, retry.due_at - world.now, &retry.error), (1, 1000, &None));
    world.retry("1", Ok(Some(issue("1", "Todo"))));
    assert_eq!(world.started()[0].attempt, Some(1));
}

#[test]
fn row_4_9_abnormal_exits_back_off() {
    let mut world = World::new("budget: {failures: 0}");
    world.poll(&[], &[issue("1", "Todo")]);
    let mut ladder = Vec::new();
    for attempt in 1..=8 {
        world.fail("1");
        let retry = world.state.retries["1"].clone();
        assert_eq!(retry.attempt, attempt);
        ladder.push((retry.due_at - world.now) / 1000);
        world.retry("1", Ok(Some(issue("1", "Todo"))));
    }
    assert_eq!(ladder, [10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn row_4_10_the_pause_is_capped_by_the_setting() {
    assert_eq!(backoff_ms(9, 45_000), 45_000);
    assert_eq!(backoff_ms(u32::MAX, u64::MAX), backoff_ms(31, u64::MAX));
    assert_eq!(backoff_ms(0, 300_000), 10_000);
}

#[test]
fn row_4_11_a_retry_has_attempt_time_key_and_error() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.fail("1");
    let retry = &world.state.retries["1"];
    assert_eq!((retry.attempt, retry.due_at, &*retry.identifier), (1, world.now + 10_000, "A-1"));
    assert_eq!(retry.error.as_deref(), Some("it broke"));
}

#[test]
fn row_4_12_a_silent_session_is_stopped_and_tried_again() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.agent("1", Pulse::Progress);
    world.now += 300_000;
    world.poll(&[issue("1", "Todo")], &[]);
    assert_eq!(world.stops(), 0, "not yet");
    world.now += 1;
    world.tick();
    assert_eq!(world.stops(), 1);
    world.end("1", Outcome::Stopped);
    assert!(world.state.retries["1"].error.as_ref().unwrap().contains("stalled: no progress for 300 s"));
}

#[test]
fn row_h_1_a_stalled_issue_stays_claimed_and_waits_with_its_count() {
    let mut world = World::new("agent: {max_concurrent_agents: 5}");
    world.poll(&[], &[issue("1", "Todo")]);
    world.fail("1");
    world.retry("1", Ok(Some(issue("1", "Todo"))));
    world.now += 300_001;
    world.poll(&[issue("1", "Todo")], &[issue("1", "Todo")]);
    world.end("1", Outcome::Stopped);
    let retry = &world.state.retries["1"];
    assert_eq!((retry.attempt, retry.due_at - world.now), (2, 20_000));
    world.poll(&[], &[issue("1", "Todo")]);
    assert!(world.started().is_empty(), "claimed while it waits");
}

#[test]
fn row_h_14_chatter_is_no_progress_and_a_silent_command_has_its_own_limit() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    world.agent("2", Pulse::CommandBegan);
    world.now += 200_000;
    world.agent("1", Pulse::Chatter);
    world.now += 100_001;
    world.tick();
    assert_eq!(world.stops(), 1, "only the one that chatters");
    assert!(world.state.running["1"].stopping.is_some());
    world.now += 3_300_000;
    world.tick();
    assert!(world.state.running["2"].stopping.is_some(), "an hour is too long for a command too");
}

#[test]
fn row_n_14_no_limit_is_no_stall_and_without_events_the_start_counts() {
    for (limit, stops) in [(0, 0), (-5, 0), (1000, 1)] {
        let mut world = World::new(&format!("codex: {{stall_timeout_ms: {limit}}}"));
        world.poll(&[], &[issue("1", "Todo")]);
        world.now += 10_000_000;
        world.tick();
        assert_eq!(world.stops(), stops, "{limit}");
    }
}

#[test]
fn row_4_13_without_a_slot_a_retry_waits_and_says_so() {
    let mut world = World::new("agent: {max_concurrent_agents: 1}");
    world.poll(&[], &[issue("1", "Todo")]);
    world.fail("1");
    world.poll(&[], &[issue("2", "Todo")]);
    assert_eq!(world.names(), ["2"]);
    world.retry("1", Ok(Some(issue("1", "Todo"))));
    let retry = &world.state.retries["1"];
    assert_eq!(retry.error.as_deref(), Some("no available orchestrator slots"));
    // Counted apart: no failure, so neither the attempt nor the pause grows.
    assert_eq!((retry.attempt, retry.slot_waits, retry.due_at - world.now), (1, 1, SLOT_LOOK_MS));
    world.retry("1", Ok(Some(issue("1", "Todo"))));
    assert_eq!((world.state.retries["1"].attempt, world.state.retries["1"].slot_waits), (1, 2));
}

#[test]
fn row_4_14_a_snapshot_lists_what_runs_and_waits_with_totals_and_limits() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo"), issue("3", "Todo")]);
    world.fail("2");
    world.end("3", Outcome::InputRequired("which one?".to_owned()));
    world.said("1", WorkerEvent::RateLimits(json!({"primary": 1})));
    let total = Tokens { input: 5, output: 2, total: 7, ..Tokens::default() };
    world.said("1", WorkerEvent::Usage { thread: "t".to_owned(), total });
    let shown = serde_json::to_value(snapshot(&world.state, world.now)).unwrap();
    assert_eq!(shown["counts"], json!({"running": 1, "retrying": 1, "blocked": 1}));
    assert_eq!(shown["running"][0]["issue_identifier"], "A-1");
    assert_eq!(shown["retrying"][0]["attempt"], 1);
    assert_eq!(
        (shown["blocked"][0]["kind"].as_str(), shown["blocked"][0]["error"].as_str()),
        (Some("blocked"), Some("which one?"))
    );
    assert_eq!(shown["codex_totals"]["total_tokens"], 7);
    assert_eq!(shown["rate_limits"]["primary"], 1);
}

#[test]
fn row_6_4_totals_stay_right_over_repeated_updates() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    for total in [10, 10, 25, 20, 30] {
        let total = Tokens { total, input: total, ..Tokens::default() };
        world.said("1", WorkerEvent::Usage { thread: "t".to_owned(), total });
    }
    assert_eq!(world.state.totals.tokens.total, 30);
    // The same thread, resumed: its totals go on. Another thread begins from nothing.
    world.end("1", Outcome::Succeeded);
    world.retry("1", Ok(Some(issue("1", "Todo"))));
    let usage = |thread: &str, total| WorkerEvent::Usage {
        thread: thread.to_owned(),
        total: Tokens { total, ..Tokens::default() },
    };
    world.said("1", usage("t", 35));
    assert_eq!(world.state.totals.tokens.total, 35);
    world.said("1", usage("u", 4));
    assert_eq!(world.state.totals.tokens.total, 39);
    // The first one again: two that take turns count each by itself.
    world.said("1", usage("t", 36));
    world.said("1", usage("u", 5));
    assert_eq!(world.state.totals.tokens.total, 41);
}

#[test]
fn only_the_turns_of_a_worker_say_which_thread_is_gone_on_with() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    let (thread, turn) = ("own".to_owned(), "u".to_owned());
    world.said("1", WorkerEvent::Turn { thread, turn, pid: 1 });
    let total = Tokens { total: 3, ..Tokens::default() };
    world.said("1", WorkerEvent::Usage { thread: "a-helpers".to_owned(), total });
    world.end("1", Outcome::Succeeded);
    world.retry("1", Ok(Some(issue("1", "Todo"))));
    assert_eq!(world.started()[0].thread.as_deref(), Some("own"));
}

#[test]
fn row_6_5_a_snapshot_changes_nothing() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    let before = world.state.clone();
    assert_eq!(snapshot(&world.state, world.now), snapshot(&world.state, world.now));
    assert_eq!(world.state, before);
}

#[test]
fn row_n_6_new_limits_and_intervals_count_from_the_next_poll_on() {
    let mut world = World::new("agent: {max_concurrent_agents: 1}");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    assert_eq!(world.names(), ["1"]);
    let preflight = Ok(settings("agent: {max_concurrent_agents: 2}\npolling: {interval_ms: 7}"));
    world.put(Input::Tick { token: world.state.tick, preflight });
    assert!(world.out.iter().any(|it| matches!(it, Effect::WakeTick { at, .. } if *at == world.now + 7)));
    world.put(Input::Refreshed { poll: world.state.poll, answer: Ok(vec![issue("1", "Todo")]) });
    world.put(Input::Candidates { poll: world.state.poll, answer: Ok(vec![issue("2", "Todo")]) });
    assert_eq!(world.names(), ["2"]);
}

#[test]
fn row_n_7_while_the_file_is_broken_nothing_begins_and_what_runs_is_reconciled() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    world.fail("2");
    world.put(Input::Tick { token: world.state.tick, preflight: Err("broken".to_owned()) });
    assert!(world.logged("dispatch_validation_failed"));
    world.put(Input::Refreshed { poll: world.state.poll, answer: Ok(vec![issue("1", "Done")]) });
    assert_eq!((world.stops(), world.state.stage), (1, Stage::Idle));
    world.retry("2", Ok(Some(issue("2", "Todo"))));
    assert_eq!(world.state.retries["2"].error.as_deref(), Some("broken"));
    assert_eq!(world.state.retries["2"].attempt, 1);
}

#[test]
fn row_6_1_what_keeps_work_from_beginning_is_told() {
    let mut world = World::new("");
    world.put(Input::Tick { token: world.state.tick, preflight: Err("tracker.kind: gone".to_owned()) });
    assert!(world.logged("dispatch_validation_failed"));
    assert_eq!(snapshot(&world.state, world.now).unusable.as_deref(), Some("tracker.kind: gone"));
    world.tick();
    assert_eq!(snapshot(&world.state, world.now).unusable, None);
}

#[test]
fn row_n_8_a_failed_fetch_skips_one_poll() {
    let mut world = World::new("");
    world.tick();
    world.put(Input::Candidates { poll: world.state.poll, answer: Err(down()) });
    assert!(world.logged("candidate_fetch_failed"));
    world.poll(&[], &[issue("1", "Todo")]);
    assert_eq!(world.names(), ["1"]);
}

#[test]
fn row_n_9_a_failed_refresh_keeps_workers() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.tick();
    world.put(Input::Refreshed { poll: world.state.poll, answer: Err(down()) });
    assert_eq!(world.stops(), 0);
    assert!(world.out.iter().any(|it| matches!(it, Effect::Fetch { .. })), "and new ones are looked for");
}

#[test]
fn row_n_10_an_issue_that_is_no_longer_shown_stops_and_keeps_its_workspace() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    with_place(&mut world, "1");
    world.poll(&[], &[]);
    assert_eq!(world.stops(), 1);
    world.end("1", Outcome::Stopped);
    assert!(world.cleans().is_empty() && !world.state.is_claimed("1"));
}

#[test]
fn row_n_11_an_active_issue_that_may_no_longer_be_worked_stops_and_keeps_its_workspace() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    with_place(&mut world, "1");
    world.poll(&[Issue { dispatchable: false, ..issue("1", "Todo") }], &[]);
    assert_eq!(world.stops(), 1);
    world.end("1", Outcome::Stopped);
    assert!(world.cleans().is_empty() && !world.state.is_claimed("1"));
}

#[test]
fn row_n_12_a_retry_asks_for_its_issue_and_releases_or_cleans_it() {
    for (answer, cleans, error) in [
        (Ok(None), 0, false),
        (Ok(Some(issue("1", "Backlog"))), 0, false),
        (Ok(Some(issue("1", "Done"))), 1, false),
        (Err(down()), 0, true),
    ] {
        let mut world = World::new("");
        world.poll(&[], &[issue("1", "Todo")]);
        with_place(&mut world, "1");
        world.fail("1");
        world.retry("1", answer);
        assert_eq!(world.cleans().len(), cleans);
        assert!(world.started().is_empty());
        assert_eq!(world.state.retries.contains_key("1"), error);
        if error {
            let retry = &world.state.retries["1"];
            assert_eq!((retry.attempt, retry.due_at - world.now), (2, 20_000));
        }
    }
}

#[test]
fn row_n_13_a_new_retry_takes_the_old_timers_place() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.fail("1");
    let old = world.state.retries["1"].token;
    world.retry("1", Err(down()));
    assert_ne!(world.state.retries["1"].token, old);
    world.now += 1_000_000;
    world.put(Input::RetryDue { id: "1".to_owned(), token: old });
    assert!(world.out.is_empty());
    world.put(Input::RetryRefreshed { id: "1".to_owned(), token: old, answer: Ok(Some(issue("1", "Todo"))) });
    assert!(world.out.is_empty() && world.state.running.is_empty());
}

#[test]
fn row_n_18_having_ended_well_forbids_nothing() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.end("1", Outcome::Succeeded);
    world.retry("1", Ok(None));
    assert!(world.state.completed.contains("1"));
    world.poll(&[], &[issue("1", "Todo")]);
    assert_eq!(world.names(), ["1"]);
}

#[test]
fn row_n_20_ending_well_removes_nothing() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    with_place(&mut world, "1");
    world.end("1", Outcome::Succeeded);
    assert!(world.cleans().is_empty() && world.state.places.contains_key("1"));
}

#[test]
fn row_n_22_limits_per_state_count_the_states_of_what_runs() {
    let mut world = World::new("agent: {max_concurrent_agents_by_state: {todo: 1}}");
    world.poll(&[], &[issue("1", "Todo"), issue("2", " TODO"), issue("3", "In Progress")]);
    assert_eq!(world.names(), ["1", "3"]);
    // It moved on by itself, so there is room again.
    world.poll(&[issue("1", "In Progress"), issue("3", "In Progress")], &[issue("2", "Todo")]);
    assert_eq!(world.names(), ["2"]);
}

#[test]
fn row_n_25_seconds_are_those_that_ended_and_those_that_run() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    world.now += 5_000;
    world.fail("1");
    world.now += 2_000;
    assert_eq!(snapshot(&world.state, world.now).codex_totals["seconds_running"], 12);
}
