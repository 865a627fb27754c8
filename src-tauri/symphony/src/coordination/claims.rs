//! One claimed issue: its dispatch, its worker's words, its end, its next attempt, its release. Owns that a claim outlives
//! every path between two attempts, and what an issue may cost. Refuses late timers and words of workers that are gone.

use super::{
    Answer, CONTINUE_AFTER_MS, Effect, Held, Job, NO_SLOT, Outcome, Phase, Pulse, Retry, Running,
    SLOT_LOOK_MS, Session, State, Stop, WorkerEvent, backoff_ms,
};
use crate::Issue;
use crate::issue::normal;
use crate::observability::Record;
use crate::tracker::TrackerError;
use crate::workflow::RetryKind;

/// Whether another agent may begin on an issue in this state.
pub(super) fn slot(state: &State, of: &str) -> bool {
    let agent = &state.settings.agent;
    let of = normal(of);
    let here = state.running.values().filter(|it| normal(&it.issue.state) == of).count();
    let limit = agent.max_concurrent_by_state.get(&of).copied().unwrap_or(agent.max_concurrent);
    state.running.len() < agent.max_concurrent as usize && here < limit as usize
}

/// Which part of its budget an issue has used up; `running_ms` is what its session has taken up to now.
pub(super) fn overspent(state: &State, id: &str, running_ms: i64) -> Option<String> {
    let ledger = state.ledgers.get(id)?;
    let budget = state.settings.budget;
    let spent = u64::try_from(ledger.runtime_ms.saturating_add(running_ms)).unwrap_or_default();
    if budget.tokens > 0 && ledger.tokens.total >= budget.tokens {
        Some(format!("used {} of {} tokens (budget.tokens)", ledger.tokens.total, budget.tokens))
    } else if budget.runtime_ms > 0 && spent >= budget.runtime_ms {
        Some(format!("worked {spent} of {} ms (budget.runtime_ms)", budget.runtime_ms))
    } else {
        None
    }
}

/// Which part of its budget forbids an issue another session.
fn exhausted(state: &State, id: &str) -> Option<String> {
    let (ledger, budget) = (state.ledgers.get(id)?, state.settings.budget);
    if budget.failures > 0 && ledger.failures >= budget.failures {
        return Some(format!("failed {} times in a row (budget.failures)", ledger.failures));
    }
    if budget.sessions > 0 && ledger.sessions >= budget.sessions {
        return Some(format!("had {} sessions (budget.sessions)", ledger.sessions));
    }
    overspent(state, id, 0)
}

/// Begins an attempt. The issue is claimed before anything is started.
pub(super) fn dispatch(
    state: &mut State,
    issue: Issue,
    attempt: Option<u32>,
    kind: RetryKind,
    now: i64,
    out: &mut Vec<Effect>,
) {
    let run = state.next_run;
    state.next_run += 1;
    let ledger = state.ledgers.entry(issue.id.clone()).or_default();
    ledger.sessions += 1;
    let (thread, told) = (ledger.thread.clone(), ledger.told.clone());
    let record = Record::info("dispatched", format!("attempt {}", attempt.unwrap_or_default())).of(&issue);
    out.push(Effect::Log(record.field("run", run)));
    state.running.insert(
        issue.id.clone(),
        Running {
            run,
            issue: issue.clone(),
            attempt,
            kind,
            started_at: now,
            phase: Phase::PreparingWorkspace,
            session: Session::default(),
            stopping: None,
        },
    );
    let settings = state.settings.clone();
    out.push(Effect::Start(Box::new(Job { run, issue, attempt, kind, thread, told, settings })));
}

fn by_run(state: &mut State, run: u64) -> Option<&mut Running> {
    state.running.values_mut().find(|it| it.run == run)
}

/// Tells a worker to stop, once. Its claim and its slot stay until it has.
pub(super) fn stop(state: &mut State, run: u64, why: Stop, out: &mut Vec<Effect>) {
    let Some(it) = by_run(state, run).filter(|it| it.stopping.is_none()) else { return };
    let says = match &why {
        Stop::Terminal => format!("the issue is {}", it.issue.state),
        Stop::Release(says) | Stop::Stalled(says) | Stop::Spent(says) => says.clone(),
        Stop::Shutdown => "the loop ends".to_owned(),
    };
    let record = Record::info("stopping", says).of(&it.issue).session(it.session.id());
    it.stopping = Some(why);
    out.push(Effect::Log(record));
    out.push(Effect::Stop { run });
}

/// A worker said something.
pub(super) fn said(state: &mut State, run: u64, event: WorkerEvent, now: i64, out: &mut Vec<Effect>) {
    let Some(it) = state.running.values_mut().find(|it| it.run == run) else { return };
    let id = it.issue.id.clone();
    match event {
        WorkerEvent::Phase(phase) => {
            it.phase = phase;
            it.session.last_progress_at = Some(now);
        }
        WorkerEvent::Workspace { path, made: true } => {
            let place = (it.issue.identifier.clone(), path);
            state.places.insert(id, place);
        }
        WorkerEvent::Workspace { path, made: false } => {
            if state.places.get(&id).is_none_or(|(_, noted)| *noted != path) {
                let says = format!("{} was there before, so it is never removed", path.display());
                out.push(Effect::Log(Record::warn("workspace_found", says).of(&it.issue)));
            }
        }
        WorkerEvent::Told(hash) => it.session.told = Some(hash),
        WorkerEvent::Turn { thread, turn, pid } => {
            let session = &mut it.session;
            let first = session.turns == 0;
            session.turns += 1;
            session.commands = 0;
            (session.thread, session.turn, session.pid) = (Some(thread.clone()), Some(turn), Some(pid));
            (session.last_progress_at, session.last_event_at) = (Some(now), Some(now));
            let name = if first { "session_started" } else { "turn_started" };
            session.last_event = Some(name.to_owned());
            let record = Record::info(name, format!("turn {}", session.turns));
            out.push(Effect::Log(record.of(&it.issue).session(it.session.id())));
            let told = it.session.told.take();
            let ledger = state.ledgers.entry(id).or_default();
            ledger.thread = Some(thread);
            ledger.told = told.or_else(|| ledger.told.take());
        }
        WorkerEvent::Agent { name, summary, pulse } => {
            let session = &mut it.session;
            (session.last_event, session.last_message) = (Some(name), Some(summary));
            session.last_event_at = Some(now);
            match pulse {
                Pulse::Chatter => return,
                Pulse::Progress => {}
                Pulse::CommandBegan => session.commands += 1,
                Pulse::CommandEnded => session.commands = session.commands.saturating_sub(1),
            }
            session.last_progress_at = Some(now);
        }
        WorkerEvent::Usage { thread, total } => {
            let running_ms = now - it.started_at;
            let ledger = state.ledgers.entry(id.clone()).or_default();
            let reported = ledger.reports.entry(thread).or_default();
            let added = total.beyond(*reported);
            *reported = reported.at_least(total);
            ledger.tokens = ledger.tokens.plus(added);
            state.totals.tokens = state.totals.tokens.plus(added);
            it.session.tokens = it.session.tokens.plus(added);
            if let Some(why) = overspent(state, &id, running_ms) {
                stop(state, run, Stop::Spent(why), out);
            }
        }
        WorkerEvent::RateLimits(limits) => state.rate_limits = Some(limits),
        WorkerEvent::Issue(issue) => it.issue = *issue,
    }
}

/// A worker has ended.
pub(super) fn ended(state: &mut State, run: u64, outcome: Outcome, now: i64, out: &mut Vec<Effect>) {
    let Some(id) = by_run(state, run).map(|it| it.issue.id.clone()) else { return };
    let Some(mut it) = state.running.remove(&id) else { return };
    if outcome == Outcome::Succeeded && matches!(it.stopping, Some(Stop::Stalled(_))) {
        // It was done when it was told to stop.
        it.stopping = None;
    }
    let took = (now - it.started_at).max(0);
    state.totals.ended_ms += took;
    let ledger = state.ledgers.entry(id.clone()).or_default();
    ledger.runtime_ms += took;
    let phase = match (&it.stopping, &outcome) {
        (Some(Stop::Stalled(_)), _) => Phase::Stalled,
        (Some(_), _) => Phase::CanceledByReconciliation,
        (None, Outcome::Succeeded) => Phase::Succeeded,
        (None, Outcome::TimedOut(_)) => Phase::TimedOut,
        (None, _) => Phase::Failed,
    };
    let says = match &outcome {
        Outcome::Succeeded => "completed".to_owned(),
        Outcome::Stopped => "stopped".to_owned(),
        Outcome::Failed(says) | Outcome::TimedOut(says) | Outcome::InputRequired(says) => says.clone(),
    };
    let record = Record::info("worker_ended", says.clone()).of(&it.issue).session(it.session.id());
    out.push(Effect::Log(record.field("outcome", format!("{phase:?}"))));
    match it.stopping.clone() {
        Some(Stop::Terminal) => clean(state, &id, &it.issue.identifier, out),
        Some(Stop::Release(why)) => release(state, &id, &why, out),
        Some(Stop::Stalled(why)) => failed(state, &it, format!("stalled: {why}"), now, out),
        Some(Stop::Spent(why)) => park(state, &it, why, now, out),
        Some(Stop::Shutdown) => {
            // No failure: the next start goes on at once, with the count as it is.
            let attempt = it.attempt.unwrap_or(1);
            queue(state, &it, attempt, RetryKind::Continuation, 0, None, now, out);
        }
        None => match outcome {
            Outcome::Succeeded => {
                ledger.failures = 0;
                state.completed.insert(id.clone());
                match exhausted(state, &id) {
                    Some(why) => park(state, &it, why, now, out),
                    None => queue(state, &it, 1, RetryKind::Continuation, CONTINUE_AFTER_MS, None, now, out),
                }
            }
            Outcome::InputRequired(why) => {
                out.push(Effect::Log(Record::warn("blocked", why.clone()).of(&it.issue)));
                state.blocked.insert(id, held(&it, why, now));
            }
            Outcome::Failed(why) | Outcome::TimedOut(why) => failed(state, &it, why, now, out),
            Outcome::Stopped => failed(state, &it, says, now, out),
        },
    }
}

fn held(it: &Running, reason: String, since: i64) -> Held {
    let (identifier, url) = (it.issue.identifier.clone(), it.issue.url.clone());
    Held { identifier, url, reason, since, fingerprint: None }
}

fn park(state: &mut State, it: &Running, why: String, now: i64, out: &mut Vec<Effect>) {
    let says = format!("{why}; change the issue in the tracker, or lift it");
    out.push(Effect::Log(Record::warn("parked", says).of(&it.issue)));
    state.parked.insert(it.issue.id.clone(), held(it, why, now));
}

fn failed(state: &mut State, it: &Running, why: String, now: i64, out: &mut Vec<Effect>) {
    let id = &it.issue.id;
    state.failures += 1;
    state.ledgers.entry(id.clone()).or_default().failures += 1;
    if let Some(spent) = exhausted(state, id) {
        return park(state, it, format!("{spent}; the last time: {why}"), now, out);
    }
    let attempt = it.attempt.map_or(1, |it| it.saturating_add(1));
    let delay = backoff_ms(attempt, state.settings.agent.max_retry_backoff_ms);
    queue(state, it, attempt, RetryKind::Failure, delay, Some(why), now, out);
}

#[expect(clippy::too_many_arguments, reason = "a retry is all of these, and they are said once")]
fn queue(
    state: &mut State,
    it: &Running,
    attempt: u32,
    kind: RetryKind,
    delay: i64,
    error: Option<String>,
    now: i64,
    out: &mut Vec<Effect>,
) {
    let retry = Retry {
        identifier: it.issue.identifier.clone(),
        url: it.issue.url.clone(),
        attempt,
        kind,
        due_at: now + delay,
        error,
        slot_waits: 0,
        token: 0,
    };
    enqueue(state, it.issue.id.clone(), retry, out);
}

/// Puts a retry in the place of the one before: an older timer can no longer act.
fn enqueue(state: &mut State, id: String, mut retry: Retry, out: &mut Vec<Effect>) {
    retry.token = state.token();
    let mut record = Record::info("retry_queued", retry.error.clone().unwrap_or_default());
    record = record.field("issue_id", &id).field("issue_identifier", &retry.identifier);
    out.push(Effect::Log(record.field("attempt", retry.attempt).field("due_at", retry.due_at)));
    out.push(Effect::WakeRetry { id: id.clone(), token: retry.token, at: retry.due_at });
    state.retries.insert(id, retry);
}

/// The time of a retry has come.
pub(super) fn retry_due(state: &mut State, id: &str, token: u64, now: i64, out: &mut Vec<Effect>) {
    let cool = state.cool_until;
    let Some(retry) = state.retries.get_mut(id).filter(|it| it.token == token) else { return };
    if state.ending {
        return;
    }
    if cool > now {
        // Nobody may ask now; that is not this issue's failure.
        retry.due_at = cool;
        out.push(Effect::WakeRetry { id: id.to_owned(), token, at: cool });
        return;
    }
    out.push(Effect::RefreshOne { id: id.to_owned(), token });
}

/// The issue of a retry as it is now.
pub(super) fn retry_refreshed(
    state: &mut State,
    id: &str,
    token: u64,
    answer: Answer<Option<Issue>>,
    now: i64,
    out: &mut Vec<Effect>,
) {
    if state.ending {
        return;
    }
    let Some(retry) = state.retries.get(id).filter(|it| it.token == token).cloned() else { return };
    let issue = match answer {
        Err(error) => {
            state.failures += 1;
            let attempt = retry.attempt.saturating_add(1);
            let mut due_at = now + backoff_ms(attempt, state.settings.agent.max_retry_backoff_ms);
            if let TrackerError::RateLimited { wait_ms } = error {
                state.cool_until = state.cool_until.max(now + i64::try_from(wait_ms).unwrap_or(i64::MAX / 2));
                due_at = due_at.max(state.cool_until);
            }
            let error = Some(error.to_string());
            return enqueue(state, id.to_owned(), Retry { attempt, due_at, error, ..retry }, out);
        }
        Ok(None) => return release(state, id, "the tracker no longer shows it", out),
        Ok(Some(issue)) => issue,
    };
    if state.settings.is_terminal(&issue.state) {
        state.retries.remove(id);
        return clean(state, id, &issue.identifier, out);
    }
    if !state.settings.is_active(&issue.state) || !state.settings.is_routable(&issue) {
        return release(state, id, "it is no longer to be worked here", out);
    }
    if let Some(why) = exhausted(state, id) {
        let (identifier, url) = (retry.identifier, retry.url);
        out.push(Effect::Log(Record::warn("parked", why.clone()).of(&issue)));
        state.retries.remove(id);
        let held = Held { identifier, url, reason: why, since: now, fingerprint: None };
        state.parked.insert(id.to_owned(), held);
        return;
    }
    let wait = state.unusable.clone().or_else(|| (!slot(state, &issue.state)).then(|| NO_SLOT.to_owned()));
    if let Some(why) = wait {
        let (due_at, slot_waits) = (now + SLOT_LOOK_MS, retry.slot_waits.saturating_add(1));
        let again = Retry { due_at, slot_waits, error: Some(why), ..retry };
        return enqueue(state, id.to_owned(), again, out);
    }
    state.retries.remove(id);
    dispatch(state, issue, Some(retry.attempt), retry.kind, now, out);
}

/// Gives a claim back; the workspace stays. What it has cost is forgotten: whoever moves it back means it anew.
pub(super) fn release(state: &mut State, id: &str, why: &str, out: &mut Vec<Effect>) {
    state.retries.remove(id);
    state.blocked.remove(id);
    state.parked.remove(id);
    state.ledgers.remove(id);
    out.push(Effect::Log(Record::info("released", why).field("issue_id", id)));
}

/// Removes an issue's workspace, where it was made; one that was not made here stays. The claim stays until it is gone.
pub(super) fn clean(state: &mut State, id: &str, identifier: &str, out: &mut Vec<Effect>) {
    state.ledgers.remove(id);
    if let Some((_, path)) = state.places.get(id).cloned() {
        state.cleaning.insert(id.to_owned());
        out.push(Effect::Clean { id: id.to_owned(), identifier: identifier.to_owned(), path });
    }
}

/// A workspace is gone, or could not be removed: then the next start tries again.
pub(super) fn cleaned(state: &mut State, id: &str, error: Option<String>, out: &mut Vec<Effect>) {
    state.cleaning.remove(id);
    let record = match error {
        None => {
            state.places.remove(id);
            Record::info("workspace_removed", "")
        }
        Some(says) => Record::warn("workspace_stays", says),
    };
    out.push(Effect::Log(record.field("issue_id", id)));
}

/// A person lets a parked or blocked issue go on.
pub(super) fn lift(state: &mut State, issue: &str, now: i64, out: &mut Vec<Effect>) {
    let held = state.parked.iter().chain(&state.blocked);
    let found =
        held.filter(|(id, it)| *id == issue || it.identifier == issue).map(|(id, _)| id.clone()).next();
    match found {
        Some(id) => {
            release(state, &id, "lifted by a person", out);
            super::poll::now(state, now, out);
        }
        None => {
            let says = format!("'{issue}' is neither parked nor blocked");
            out.push(Effect::Log(Record::warn("nothing_to_lift", says)));
        }
    }
}
