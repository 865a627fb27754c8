//! A poll: what is claimed is looked at first, then new issues are looked for. Owns that order, the stall clock, and the
//! choice among candidates. Refuses to let a failed read do more than skip its own step.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::claims::{clean, dispatch, overspent, release, slot, stop};
use super::{Answer, Effect, Phase, Stage, State, Stop};
use crate::Issue;
use crate::observability::Record;
use crate::tracker::TrackerError;
use crate::workflow::{RetryKind, Settings};

/// The loop begins.
pub(super) fn begin(state: &mut State, now: i64, out: &mut Vec<Effect>) {
    for id in state.retries.keys().cloned().collect::<Vec<_>>() {
        let token = state.token();
        if let Some(retry) = state.retries.get_mut(&id) {
            retry.token = token;
            out.push(Effect::WakeRetry { id, token, at: retry.due_at });
        }
    }
    if state.places.is_empty() {
        next_poll(state, now, out);
    } else {
        state.stage = Stage::Sweeping;
        out.push(Effect::Sweep { ids: state.places.keys().cloned().collect() });
    }
}

/// What is over among those with a workspace.
pub(super) fn swept(state: &mut State, answer: Answer<Vec<Issue>>, now: i64, out: &mut Vec<Effect>) {
    match answer {
        Err(error) => {
            let says = format!("workspaces of finished issues stay for now: {error}");
            failed_read(state, &error, now);
            out.push(Effect::Log(Record::warn("startup_sweep_failed", says)));
        }
        Ok(issues) => {
            let settings = state.settings.clone();
            for issue in issues.iter().filter(|it| settings.is_terminal(&it.state)) {
                state.retries.remove(&issue.id);
                state.blocked.remove(&issue.id);
                state.parked.remove(&issue.id);
                clean(state, &issue.id, &issue.identifier, out);
            }
        }
    }
    state.stage = Stage::Idle;
    next_poll(state, now, out);
}

/// A person wants a poll now: one that is under way or due is that one.
pub(super) fn now(state: &mut State, now: i64, out: &mut Vec<Effect>) {
    if state.stage == Stage::Idle && state.next_poll_at > now {
        next_poll(state, now, out);
    }
}

fn next_poll(state: &mut State, at: i64, out: &mut Vec<Effect>) {
    state.tick = state.token();
    state.next_poll_at = at;
    out.push(Effect::WakeTick { token: state.tick, at });
}

fn failed_read(state: &mut State, error: &TrackerError, now: i64) {
    state.failures += 1;
    if let TrackerError::RateLimited { wait_ms } = error {
        state.cool_until = state.cool_until.max(now + i64::try_from(*wait_ms).unwrap_or(i64::MAX / 2));
    }
}

/// The settings in force, or why nothing new may begin. What runs goes on by the last good ones.
pub(super) fn preflight(state: &mut State, preflight: Result<Arc<Settings>, String>, out: &mut Vec<Effect>) {
    match preflight {
        Ok(settings) => {
            state.settings = settings;
            state.unusable = None;
        }
        Err(says) => {
            if state.unusable.as_ref() != Some(&says) {
                out.push(Effect::Log(Record::error("dispatch_validation_failed", says.clone())));
            }
            state.unusable = Some(says);
        }
    }
}

/// The time of a poll has come.
pub(super) fn tick(
    state: &mut State,
    token: u64,
    preflight: Result<Arc<Settings>, String>,
    now: i64,
    out: &mut Vec<Effect>,
) {
    if token != state.tick || state.ending {
        return;
    }
    self::preflight(state, preflight, out);
    stalled(state, now, out);
    let interval = i64::try_from(state.settings.poll_interval_ms).unwrap_or(i64::MAX / 2);
    next_poll(state, now.saturating_add(interval), out);
    // One that hangs is not overtaken; what is supervised without the tracker was supervised above.
    if state.stage != Stage::Idle {
        return;
    }
    if state.cool_until > now {
        out.push(Effect::Log(Record::info("poll_skipped", "the tracker wants no requests for now")));
        return;
    }
    state.poll += 1;
    let running = state.running.iter().filter(|(_, it)| it.stopping.is_none());
    let running = running.map(|(id, it)| (id.clone(), Some(it.run)));
    let held = state.blocked.keys().chain(state.parked.keys()).map(|id| (id.clone(), None));
    state.asked = running.chain(held).collect();
    if state.asked.is_empty() {
        fetch(state, out);
    } else {
        state.stage = Stage::Reconciling;
        out.push(Effect::Refresh { poll: state.poll, ids: state.asked.keys().cloned().collect() });
    }
}

fn fetch(state: &mut State, out: &mut Vec<Effect>) {
    if state.unusable.is_some() {
        state.stage = Stage::Idle;
        return;
    }
    state.stage = Stage::Fetching;
    out.push(Effect::Fetch { poll: state.poll, states: state.settings.tracker.active_states.clone() });
}

/// What makes no progress is stopped, and what costs too much.
fn stalled(state: &mut State, now: i64, out: &mut Vec<Effect>) {
    let limit = i64::try_from(state.settings.codex.stall_timeout_ms).unwrap_or(i64::MAX);
    let silence = i64::try_from(state.settings.codex.turn_timeout_ms).unwrap_or(i64::MAX);
    let mut ends = Vec::new();
    let hooks = i64::try_from(state.settings.hooks.timeout_ms).unwrap_or(i64::MAX);
    for (id, it) in state.running.iter().filter(|(_, it)| it.stopping.is_none()) {
        let limit_here = match it.phase {
            // Its work is done, and what is left has limits of its own.
            Phase::Finishing => i64::MAX,
            // A command may say nothing for as long as a turn may.
            _ if it.session.commands > 0 => limit.max(silence),
            // Two hooks may run here, and each has to end.
            Phase::PreparingWorkspace => limit.max(hooks.saturating_mul(3)),
            _ => limit,
        };
        let still = now - it.session.last_progress_at.unwrap_or(it.started_at);
        if limit > 0 && still > limit_here {
            ends.push((it.run, Stop::Stalled(format!("no progress for {} s", still / 1000))));
        } else if let Some(why) = overspent(state, id, now - it.started_at) {
            ends.push((it.run, Stop::Spent(why)));
        }
    }
    for (run, why) in ends {
        stop(state, run, why, out);
    }
}

/// The claimed issues as they are now.
pub(super) fn refreshed(
    state: &mut State,
    poll: u64,
    answer: Answer<Vec<Issue>>,
    now: i64,
    out: &mut Vec<Effect>,
) {
    if poll != state.poll || state.stage != Stage::Reconciling {
        return;
    }
    let asked = std::mem::take(&mut state.asked);
    match answer {
        Err(error) => {
            failed_read(state, &error, now);
            let says = format!("what runs goes on unseen: {error}");
            out.push(Effect::Log(Record::warn("reconcile_failed", says)));
            if state.cool_until > now {
                state.stage = Stage::Idle;
                return;
            }
        }
        Ok(issues) => {
            let issues: BTreeMap<String, Issue> = issues.into_iter().map(|it| (it.id.clone(), it)).collect();
            reconcile_running(state, &asked, &issues, out);
            reconcile_held(state, &asked, &issues, out);
        }
    }
    fetch(state, out);
}

/// Which issues were asked for, each with the run that it had then; nothing for one that waited for a person.
type Asked = BTreeMap<String, Option<u64>>;

/// The answer says nothing of what began after the question, so it is not applied to that.
fn reconcile_running(
    state: &mut State,
    asked: &Asked,
    issues: &BTreeMap<String, Issue>,
    out: &mut Vec<Effect>,
) {
    let settings = state.settings.clone();
    let mut ends = Vec::new();
    let meant = |id: &String, run: u64| asked.get(id) == Some(&Some(run));
    let running = state.running.iter_mut().filter(|(_, it)| it.stopping.is_none());
    for (id, it) in running.filter(|(id, it)| meant(id, it.run)) {
        let why = match issues.get(id) {
            None => Stop::Release("the tracker no longer shows it".to_owned()),
            Some(issue) if settings.is_terminal(&issue.state) => Stop::Terminal,
            Some(issue) if !settings.is_active(&issue.state) => {
                Stop::Release(format!("its state '{}' is not active", issue.state))
            }
            Some(issue) if !settings.is_routable(issue) => {
                Stop::Release("it may no longer be worked here".to_owned())
            }
            Some(issue) => {
                it.issue = issue.clone();
                continue;
            }
        };
        ends.push((it.run, why));
    }
    for (run, why) in ends {
        stop(state, run, why, out);
    }
}

/// Blocked and parked issues go on when a person changed something about them.
fn reconcile_held(state: &mut State, asked: &Asked, issues: &BTreeMap<String, Issue>, out: &mut Vec<Effect>) {
    let settings = state.settings.clone();
    let held = state.blocked.keys().chain(state.parked.keys());
    let ids: Vec<String> = held.filter(|id| asked.get(*id) == Some(&None)).cloned().collect();
    for id in ids {
        let Some(issue) = issues.get(&id) else {
            release(state, &id, "the tracker no longer shows it", out);
            continue;
        };
        if settings.is_terminal(&issue.state) {
            state.blocked.remove(&id);
            state.parked.remove(&id);
            clean(state, &id, &issue.identifier, out);
            continue;
        }
        let print = issue.fingerprint();
        let held = state.blocked.get_mut(&id).or_else(|| state.parked.get_mut(&id));
        let Some(held) = held else { continue };
        let changed = held.fingerprint.as_ref().is_some_and(|it| *it != print);
        if changed || !settings.is_active(&issue.state) {
            release(state, &id, "the issue was changed in the tracker", out);
        } else {
            held.fingerprint = Some(print);
        }
    }
}

/// New issues: the best first, as long as there are slots.
pub(super) fn candidates(
    state: &mut State,
    poll: u64,
    answer: Answer<Vec<Issue>>,
    now: i64,
    out: &mut Vec<Effect>,
) {
    if poll != state.poll || state.stage != Stage::Fetching {
        return;
    }
    state.stage = Stage::Idle;
    match answer {
        Err(error) => {
            failed_read(state, &error, now);
            let says = format!("nothing new begins until the next poll: {error}");
            out.push(Effect::Log(Record::warn("candidate_fetch_failed", says)));
        }
        Ok(mut issues) => {
            issues.sort_by_key(Issue::rank);
            for issue in issues {
                let free = slot(state, &issue.state);
                if free && !state.ending && state.unusable.is_none() && is_eligible(state, &issue) {
                    dispatch(state, issue, None, RetryKind::First, now, out);
                }
            }
        }
    }
}

fn is_eligible(state: &State, issue: &Issue) -> bool {
    issue.is_whole()
        && state.settings.is_active(&issue.state)
        && state.settings.is_routable(issue)
        && !state.is_claimed(&issue.id)
}
