//! What runs, waits and is held, at one moment. Owns the shape in which it is told. Reads the scheduler's state and nothing
//! else, so it can neither wait for anything nor change it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::coordination::{Held, Phase, Running, State, Tokens};

/// An issue with a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunningRow {
    /// The issue.
    pub issue_id: String,
    /// Its key for people.
    pub issue_identifier: String,
    /// Where people look at it.
    pub issue_url: Option<String>,
    /// Its state, as the tracker spells it.
    pub state: String,
    /// How far the attempt is.
    pub phase: Phase,
    /// Nothing for the first.
    pub attempt: Option<u32>,
    /// Thread and turn.
    pub session_id: Option<String>,
    /// The thread, which stays over turns.
    pub thread_id: Option<String>,
    /// The agent's process.
    pub agent_pid: Option<u32>,
    /// How many turns have begun.
    pub turn_count: u32,
    /// The newest event.
    pub last_event: Option<String>,
    /// In words.
    pub last_message: Option<String>,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub last_event_at: Option<String>,
    /// Tokens of this session.
    pub tokens: Value,
}

/// An issue that waits for an attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetryRow {
    /// The issue.
    pub issue_id: String,
    /// Its key for people.
    pub issue_identifier: String,
    /// Where people look at it.
    pub issue_url: Option<String>,
    /// Which attempt comes.
    pub attempt: u32,
    /// RFC 3339.
    pub due_at: String,
    /// Why it has to wait.
    pub error: Option<String>,
}

/// An issue that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockedRow {
    /// The issue.
    pub issue_id: String,
    /// Its key for people.
    pub issue_identifier: String,
    /// Where people look at it.
    pub issue_url: Option<String>,
    /// `blocked` or `parked`.
    pub kind: &'static str,
    /// Why.
    pub error: String,
    /// Since when; RFC 3339.
    pub since: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// RFC 3339.
    pub generated_at: String,
    /// How many of each.
    pub counts: Value,
    /// With a worker.
    pub running: Vec<RunningRow>,
    /// Waiting for an attempt.
    pub retrying: Vec<RetryRow>,
    /// Waiting for a person.
    pub blocked: Vec<BlockedRow>,
    /// All issues together, over all sessions.
    pub codex_totals: Value,
    /// The newest word of the provider on its limits.
    pub rate_limits: Option<Value>,
    /// Why nothing new begins, if so.
    pub unusable: Option<String>,
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|it| it.to_string()).unwrap_or_default()
}

fn tokens(of: Tokens) -> Value {
    json!({
        "input_tokens": of.input, "output_tokens": of.output, "total_tokens": of.total,
        "cached_input_tokens": of.cached, "reasoning_output_tokens": of.reasoning,
    })
}

/// What is at this moment, in milliseconds since the Unix epoch.
#[must_use]
pub fn snapshot(state: &State, now: i64) -> Snapshot {
    let running: Vec<RunningRow> = state.running.values().map(running_row).collect();
    let retrying: Vec<RetryRow> = state
        .retries
        .iter()
        .map(|(id, it)| RetryRow {
            issue_id: id.clone(),
            issue_identifier: it.identifier.clone(),
            issue_url: it.url.clone(),
            attempt: it.attempt,
            due_at: time(it.due_at),
            error: it.error.clone(),
        })
        .collect();
    let row = |kind: &'static str| {
        move |(id, it): (&String, &Held)| BlockedRow {
            issue_id: id.clone(),
            issue_identifier: it.identifier.clone(),
            issue_url: it.url.clone(),
            kind,
            error: it.reason.clone(),
            since: time(it.since),
        }
    };
    let held: Vec<BlockedRow> =
        state.blocked.iter().map(row("blocked")).chain(state.parked.iter().map(row("parked"))).collect();
    let live: i64 = state.running.values().map(|it| (now - it.started_at).max(0)).sum();
    let mut totals = tokens(state.totals.tokens);
    if let Some(totals) = totals.as_object_mut() {
        let whole_seconds = (state.totals.ended_ms + live) / 1000;
        totals.insert("seconds_running".to_owned(), json!(whole_seconds));
    }
    Snapshot {
        generated_at: time(now),
        counts: json!({ "running": running.len(), "retrying": retrying.len(), "blocked": held.len() }),
        running,
        retrying,
        blocked: held,
        codex_totals: totals,
        rate_limits: state.rate_limits.clone(),
        unusable: state.unusable.clone(),
    }
}

fn running_row(it: &Running) -> RunningRow {
    let session = &it.session;
    RunningRow {
        issue_id: it.issue.id.clone(),
        issue_identifier: it.issue.identifier.clone(),
        issue_url: it.issue.url.clone(),
        state: it.issue.state.clone(),
        phase: it.phase,
        attempt: it.attempt,
        session_id: session.id(),
        thread_id: session.thread.clone(),
        agent_pid: session.pid,
        turn_count: session.turns,
        last_event: session.last_event.clone(),
        last_message: session.last_message.clone(),
        started_at: time(it.started_at),
        last_event_at: session.last_event_at.map(time),
        tokens: tokens(session.tokens),
    }
}
