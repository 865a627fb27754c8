//! The scheduler beyond the specification: budgets, restarts, cool-downs, what is blocked and what is swept.
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
use pilothouse_symphony::observability::Kept;
use pilothouse_symphony::tracker::TrackerError;
use pilothouse_symphony::workflow::{RetryKind, Settings, split};
use serde_json::json;

fn settings(more: &str) -> Arc<Settings> {
    let text = format!("---\ntracker: {{kind: memory}}\n{more}\n---\n");
    let config = split(Path::new("W.md"), &text).unwrap().config;
    Arc::new(Settings::read(&config, Path::new("/r/W.md"), &|_| None).unwrap())
}

fn issue(id: &str, state: &str) -> Issue {
    serde_json::from_value(json!({
        "id": id, "identifier": format!("A-{id}"), "title": "t", "state": state, "dispatchable": true
    }))
    .unwrap()
}

struct World {
    state: State,
    now: i64,
    out: Vec<Effect>,
}

impl World {
    fn new(more: &str) -> Self {
        Self::with(more, Kept::default(), 1_000_000)
    }

    fn with(more: &str, kept: Kept, now: i64) -> Self {
        let mut world = Self { state: State::begin(settings(more), kept, now), now, out: Vec::new() };
        world.put(Input::Begin);
        world
    }

    /// What the next start knows: only what was written.
    fn restarted(&self, more: &str) -> Self {
        let written = serde_json::to_string(&Kept::of(&self.state)).unwrap();
        Self::with(more, serde_json::from_str(&written).unwrap(), self.now + 60_000)
    }

    fn put(&mut self, input: Input) {
        let (state, out) = decide(self.state.clone(), input, self.now);
        (self.state, self.out) = (state, out);
    }

    fn tick(&mut self) {
        let preflight = Ok(self.state.settings.clone());
        self.put(Input::Tick { token: self.state.tick, preflight });
    }

    fn poll(&mut self, claimed: &[Issue], active: &[Issue]) {
        self.tick();
        if self.state.stage == Stage::Reconciling {
            self.put(Input::Refreshed { poll: self.state.poll, answer: Ok(claimed.to_vec()) });
        }
        if self.state.stage == Stage::Fetching {
            self.put(Input::Candidates { poll: self.state.poll, answer: Ok(active.to_vec()) });
        }
    }

    fn names(&self) -> Vec<String> {
        let jobs = self.out.iter().filter_map(|it| if let Effect::Start(it) = it { Some(it) } else { None });
        jobs.map(|it| it.issue.id.clone()).collect()
    }

    fn end(&mut self, id: &str, outcome: Outcome) {
        self.put(Input::Ended { run: self.state.running[id].run, outcome });
    }

    fn fail(&mut self, id: &str) {
        self.end(id, Outcome::Failed("it broke".to_owned()));
    }

    fn retry(&mut self, id: &str) {
        let (token, due) = (self.state.retries[id].token, self.state.retries[id].due_at);
        self.now = self.now.max(due);
        self.put(Input::RetryDue { id: id.to_owned(), token });
        let answer = Ok(Some(issue(id, "Todo")));
        self.put(Input::RetryRefreshed { id: id.to_owned(), token, answer });
    }

    fn used(&mut self, id: &str, total: u64) {
        let total = Tokens { total, ..Tokens::default() };
        let run = self.state.running[id].run;
        self.put(Input::Said { run, event: WorkerEvent::Usage { thread: "t".to_owned(), total } });
    }
}

#[test]
fn row_h_6_failures_sessions_tokens_and_time_end_in_parking() {
    let mut world = World::new("budget: {failures: 2}");
    world.poll(&[], &[issue("1", "Todo")]);
    world.fail("1");
    world.retry("1");
    world.fail("1");
    assert!(world.state.parked["1"].reason.contains("failed 2 times in a row (budget.failures)"));
    world.poll(&[issue("1", "Todo")], &[issue("1", "Todo")]);
    assert!(world.names().is_empty(), "parked is claimed");

    let mut world = World::new("budget: {sessions: 2}");
    world.poll(&[], &[issue("1", "Todo")]);
    world.end("1", Outcome::Succeeded);
    world.retry("1");
    world.end("1", Outcome::Succeeded);
    assert!(world.state.parked["1"].reason.contains("budget.sessions"));

    let mut world = World::new("budget: {tokens: 100}");
    world.poll(&[], &[issue("1", "Todo")]);
    world.used("1", 99);
    assert!(world.state.running["1"].stopping.is_none());
    world.used("1", 100);
    assert!(matches!(&world.out[..], [Effect::Log(_), Effect::Stop { .. }]), "in the middle of a turn");
    world.end("1", Outcome::Stopped);
    assert!(world.state.parked["1"].reason.contains("used 100 of 100 tokens"));

    let mut world = World::new("budget: {runtime_ms: 60000}");
    world.poll(&[], &[issue("1", "Todo")]);
    world.now += 60_000;
    world.tick();
    world.end("1", Outcome::Stopped);
    assert!(world.state.parked["1"].reason.contains("budget.runtime_ms"));
}

#[test]
fn row_h_6_what_is_parked_stays_so_over_a_restart_until_a_person_changes_something() {
    let more = "budget: {failures: 1}";
    let parked = || {
        let mut world = World::new(more);
        world.poll(&[], &[issue("1", "Todo")]);
        world.fail("1");
        let mut world = world.restarted(more);
        assert!(world.state.parked.contains_key("1"));
        world.poll(&[issue("1", "Todo")], &[issue("1", "Todo")]);
        assert!(world.names().is_empty());
        world
    };
    let mut world = parked();
    let relabelled = Issue { labels: vec!["again".to_owned()], ..issue("1", "Todo") };
    world.poll(std::slice::from_ref(&relabelled), std::slice::from_ref(&relabelled));
    assert_eq!(world.names(), ["1"], "the tracker lifts it");
    let mut world = parked();
    world.put(Input::Lift { issue: "A-1".to_owned() });
    world.poll(&[], &[issue("1", "Todo")]);
    assert_eq!(world.names(), ["1"], "a person lifts it");
    assert_eq!(world.state.ledgers["1"].failures, 0, "and it begins anew");
}

#[test]
fn attempts_due_times_and_threads_outlive_a_restart() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    let run = world.state.running["2"].run;
    let (thread, turn) = ("thread-2".to_owned(), "turn-1".to_owned());
    world.put(Input::Said { run, event: WorkerEvent::Turn { thread, turn, pid: 1 } });
    world.fail("1");
    world.retry("1");
    world.fail("1");
    let mut world = world.restarted("");
    assert_eq!(world.state.retries["1"].attempt, 2);
    // Killed while it ran: goes on at once, on its thread, and nothing is counted against it.
    let was = &world.state.retries["2"];
    assert_eq!((was.attempt, was.kind, was.due_at), (1, RetryKind::Continuation, world.now));
    assert_eq!(world.out.iter().filter(|it| matches!(it, Effect::WakeRetry { .. })).count(), 2);
    world.retry("2");
    let Some(Effect::Start(job)) = world.out.iter().find(|it| matches!(it, Effect::Start(_))) else {
        panic!("{:?}", world.out)
    };
    assert_eq!((job.thread.as_deref(), job.run), (Some("thread-2"), 4));
}

#[test]
fn a_question_of_an_agent_blocks_its_issue_until_a_person_changes_it() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.end("1", Outcome::InputRequired("which one?".to_owned()));
    world.poll(&[issue("1", "Todo")], &[issue("1", "Todo")]);
    assert!(world.names().is_empty() && world.state.blocked.contains_key("1"));
    world.poll(&[issue("1", "In Progress")], &[issue("1", "In Progress")]);
    assert_eq!(world.names(), ["1"]);
}

#[test]
fn row_n_19_a_start_removes_the_workspaces_of_what_is_over_and_a_failure_only_warns() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    for id in ["1", "2"] {
        let run = world.state.running[id].run;
        let event = WorkerEvent::Workspace { path: format!("/root/A-{id}").into(), made: true };
        world.put(Input::Said { run, event });
    }
    let mut again = world.restarted("");
    assert!(again.out.iter().any(|it| matches!(it, Effect::Sweep { ids } if ids[..] == ["1", "2"])));
    again.put(Input::Swept(Ok(vec![issue("1", "Done"), issue("2", "Todo")])));
    let cleans: Vec<&Effect> = again.out.iter().filter(|it| matches!(it, Effect::Clean { .. })).collect();
    assert!(matches!(&cleans[..], [Effect::Clean { id, .. }] if id == "1"), "{cleans:?}");
    assert!(!again.state.retries.contains_key("1"));
    let mut again = world.restarted("");
    again.put(Input::Swept(Err(TrackerError::Request("down".to_owned()))));
    assert!(again.out.iter().any(|it| matches!(it, Effect::Log(it) if it.event == "startup_sweep_failed")));
    assert!(again.out.iter().any(|it| matches!(it, Effect::WakeTick { .. })), "and it goes on");
}

#[test]
fn a_folder_that_was_there_before_is_not_noted_and_one_that_was_made_here_stays_noted() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    let found = |path: &str, made| WorkerEvent::Workspace { path: path.into(), made };
    let (one, two) = (world.state.running["1"].run, world.state.running["2"].run);
    world.put(Input::Said { run: one, event: found("/root/A-1", false) });
    assert!(matches!(&world.out[..], [Effect::Log(it)] if it.event == "workspace_found"), "{:?}", world.out);
    world.put(Input::Said { run: two, event: found("/root/A-2", true) });
    world.put(Input::Said { run: two, event: found("/root/A-2", false) });
    assert!(world.out.is_empty(), "known by now");
    world.end("1", Outcome::Succeeded);
    world.end("2", Outcome::Succeeded);
    let mut world = world.restarted("");
    assert!(matches!(&world.out[..], [.., Effect::Sweep { ids }] if ids[..] == ["2"]), "{:?}", world.out);
    world.put(Input::Swept(Ok(vec![issue("1", "Done"), issue("2", "Done")])));
    let cleans: Vec<&Effect> = world.out.iter().filter(|it| matches!(it, Effect::Clean { .. })).collect();
    assert!(matches!(&cleans[..], [Effect::Clean { id, .. }] if id == "2"), "{cleans:?}");
}

#[test]
fn hooks_are_no_stall_and_a_good_end_is_none_either() {
    let mut world = World::new("codex: {stall_timeout_ms: 1000}\nhooks: {timeout_ms: 600000}");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    let (one, two) = (world.state.running["1"].run, world.state.running["2"].run);
    for run in [one, two] {
        world.put(Input::Said { run, event: WorkerEvent::Phase(Phase::PreparingWorkspace) });
    }
    world.now += 500_000;
    world.tick();
    assert!(world.state.running.values().all(|it| it.stopping.is_none()), "the hooks before it");
    world.put(Input::Said { run: one, event: WorkerEvent::Phase(Phase::Finishing) });
    world.put(Input::Said { run: two, event: WorkerEvent::Phase(Phase::StreamingTurn) });
    world.now += 500_000;
    world.tick();
    assert!(world.state.running["1"].stopping.is_none(), "the hook after it");
    assert!(matches!(world.state.running["2"].stopping, Some(Stop::Stalled(_))));
    world.end("2", Outcome::Succeeded);
    assert!(matches!(&world.out[..], [Effect::Log(it), ..] if it.get("outcome") == Some("Succeeded")));
    let retry = &world.state.retries["2"];
    assert_eq!((retry.kind, world.state.ledgers["2"].failures), (RetryKind::Continuation, 0));
}

#[test]
fn row_h_9_the_sweep_asks_only_for_workspaces_that_are_here() {
    let mut kept = Kept::default();
    for n in 0..3 {
        kept.places.insert(format!("{n}"), (format!("A-{n}"), format!("/root/A-{n}").into()));
    }
    let world = World::with("", kept, 5);
    assert!(matches!(&world.out[..], [Effect::Sweep { ids }] if ids.len() == 3), "{:?}", world.out);
    assert!(!World::new("").out.iter().any(|it| matches!(it, Effect::Sweep { .. })), "none is no request");
}

#[test]
fn row_h_10_while_the_tracker_wants_no_requests_what_runs_is_supervised() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo")]);
    world.fail("2");
    world.tick();
    let limited = TrackerError::RateLimited { wait_ms: 900_000 };
    world.put(Input::Refreshed { poll: world.state.poll, answer: Err(limited) });
    let until = world.now + 900_000;
    assert_eq!(world.state.cool_until, until);
    let asks = |world: &World| {
        world
            .out
            .iter()
            .any(|it| matches!(it, Effect::Refresh { .. } | Effect::Fetch { .. } | Effect::RefreshOne { .. }))
    };
    assert!(!asks(&world), "one cool-down for all reads");
    world.now += 300_001;
    world.tick();
    assert!(!asks(&world) && world.state.running["1"].stopping.is_some(), "a stall is seen all the same");
    let token = world.state.retries["2"].token;
    world.put(Input::RetryDue { id: "2".to_owned(), token });
    assert!(!asks(&world));
    assert_eq!((world.state.retries["2"].due_at, world.state.retries["2"].attempt), (until, 1));
    world.now = until;
    world.put(Input::RetryDue { id: "2".to_owned(), token });
    assert!(asks(&world));
}

#[test]
fn row_h_11_one_issue_that_cannot_start_keeps_no_other_from_it() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo"), issue("3", "Todo")]);
    assert_eq!(world.names(), ["1", "2", "3"]);
    world.fail("1");
    assert!(world.state.retries.contains_key("1"), "claimed, as any failure");
    world.poll(&[issue("2", "Todo"), issue("3", "Todo")], &[issue("1", "Todo"), issue("4", "Todo")]);
    assert_eq!(world.names(), ["4"]);
}

#[test]
fn a_poll_that_hangs_is_not_overtaken_and_its_late_answer_counts_once() {
    let mut world = World::new("");
    world.tick();
    let poll = world.state.poll;
    world.now += 30_000;
    world.tick();
    assert!(!world.out.iter().any(|it| matches!(it, Effect::Fetch { .. })));
    world.put(Input::Candidates { poll, answer: Ok(vec![issue("1", "Todo")]) });
    assert_eq!(world.names(), ["1"]);
    world.put(Input::Candidates { poll, answer: Ok(vec![issue("2", "Todo")]) });
    assert!(world.names().is_empty());
}

#[test]
fn a_shutdown_stops_workers_and_keeps_their_claims() {
    let mut world = World::new("");
    world.poll(&[], &[issue("1", "Todo")]);
    world.put(Input::Shutdown);
    assert!(world.out.iter().any(|it| matches!(it, Effect::Stop { .. })));
    world.end("1", Outcome::Stopped);
    assert!(world.state.retries.contains_key("1") && world.state.failures == 0);
    world.put(Input::PollNow);
    world.tick();
    assert!(world.names().is_empty());
}

/// The outcome of a session that is asked for by chance, by a small generator of its own.
fn chance(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn an_answer_says_nothing_of_what_began_or_was_parked_after_its_question() {
    let mut world = World::new("budget: {failures: 2}");
    world.poll(&[], &[issue("1", "Todo"), issue("2", "Todo"), issue("3", "Todo")]);
    world.fail("1");
    world.fail("2");
    world.retry("2");
    world.tick();
    assert!(matches!(&world.out[..], [.., Effect::Refresh { ids, .. }] if ids[..] == ["2", "3"]));
    // While the tracker is asked, one worker begins, one fails for good, and one gives way to another run.
    world.retry("1");
    world.fail("2");
    world.fail("3");
    world.retry("3");
    assert!(world.state.parked.contains_key("2"));
    world.put(Input::Refreshed { poll: world.state.poll, answer: Ok(Vec::new()) });
    assert!(world.state.running.values().all(|it| it.stopping.is_none()), "{:?}", world.out);
    assert!(world.state.parked.contains_key("2"));
    assert_eq!(world.state.ledgers["1"].failures, 1, "what it cost is not forgotten");
    // The next poll asks for them too.
    world.put(Input::Candidates { poll: world.state.poll, answer: Ok(Vec::new()) });
    world.poll(&[], &[]);
    assert!(world.state.running.values().all(|it| it.stopping.is_some()) && world.state.parked.is_empty());
}

#[test]
fn over_many_orders_of_events_no_issue_has_two_claims_and_no_limit_is_passed() {
    for first in 0..300 {
        let mut seed = first;
        let mut world = World::new("agent: {max_concurrent_agents: 2}\nbudget: {failures: 3}");
        // Which runs the tracker was asked about, and who was parked then.
        let (mut runs, mut parked) = (Vec::new(), Vec::new());
        for _ in 0..160 {
            let ids = ["1", "2", "3", "4"];
            let states = ["Todo", "Todo", "In Progress", "Done", "Backlog"];
            let mut all: Vec<Issue> = Vec::new();
            for id in ids {
                all.push(issue(id, states[chance(&mut seed, 5) as usize]));
            }
            let id = ids[chance(&mut seed, 4) as usize];
            match chance(&mut seed, 9) {
                0 | 1 => {
                    world.tick();
                    let asked = world
                        .out
                        .iter()
                        .find_map(|it| if let Effect::Refresh { ids, .. } = it { Some(ids) } else { None });
                    if asked.is_some() {
                        runs = world.state.running.values().map(|it| it.run).collect();
                        parked = world.state.parked.keys().cloned().collect();
                    }
                }
                2 | 3 if world.state.stage == Stage::Reconciling => {
                    let before: Vec<String> = world.state.parked.keys().cloned().collect();
                    // A tracker shows some of those that it was asked for, and no others.
                    let seen = |it: &Issue| world.state.asked.contains_key(&it.id);
                    let mut answer: Vec<Issue> = all.iter().filter(|it| seen(it)).cloned().collect();
                    answer.truncate(chance(&mut seed, 5) as usize);
                    let stopping: Vec<u64> = world
                        .state
                        .running
                        .values()
                        .filter(|it| it.stopping.is_some())
                        .map(|it| it.run)
                        .collect();
                    world.put(Input::Refreshed { poll: world.state.poll, answer: Ok(answer) });
                    for it in world.state.running.values().filter(|it| it.stopping.is_some()) {
                        assert!(stopping.contains(&it.run) || runs.contains(&it.run), "seed {first}: {it:?}");
                    }
                    for id in before.iter().filter(|id| !parked.contains(id)) {
                        assert!(
                            world.state.parked.contains_key(id),
                            "seed {first}: {id} was parked meanwhile"
                        );
                    }
                }
                2 | 3 if world.state.stage == Stage::Fetching => {
                    world.put(Input::Candidates { poll: world.state.poll, answer: Ok(all) });
                }
                4 if world.state.running.contains_key(id) => world.end(id, Outcome::Succeeded),
                5 if world.state.running.contains_key(id) => world.fail(id),
                6 if world.state.retries.contains_key(id) => world.retry(id),
                7 => world.now += 200_000,
                _ => world.put(Input::Lift { issue: id.to_owned() }),
            }
            let state = &world.state;
            assert!(state.running.len() <= 2, "seed {first}");
            for id in ids {
                let claims = [
                    state.running.contains_key(id),
                    state.retries.contains_key(id),
                    state.blocked.contains_key(id),
                    state.parked.contains_key(id),
                    state.cleaning.contains(id),
                ];
                assert!(claims.iter().filter(|it| **it).count() <= 1, "seed {first}: {id} {claims:?}");
            }
        }
    }
}
