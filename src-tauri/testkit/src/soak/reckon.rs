//! The reckoning after a soak: what the record says is held against git, and every end against the closed lists.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::run::{Run, RunState, TaskState};
use pilothouse_contract::session::Ending;
use pilothouse_contract::{AttemptId, Event, Fleet, Record};

use super::lanes::Worked;
use super::{Outcome, Soak};
use crate::process::lives;

/// Where each task's commits are asked for: the name that the engine writes under them.
const TRAILER: &str = "--format=%(trailers:key=Pilothouse-Task,valueonly,separator=%x2C)";

/// Looks at everything once nobody works any more.
pub(super) fn reckon(soak: &Soak, lasting: &[Worked], rehearsed: &[Worked]) {
    soak.home.at_rest();
    let history = soak.home.history();
    let mut fleet = Fleet::default();
    history.iter().for_each(|it| drop(fleet.apply(it)));
    let held: Vec<u32> =
        soak.home.held().into_iter().filter_map(|(holder, _)| holder).filter(|it| lives(*it)).collect();
    soak.note(|out| {
        work(out, &fleet, lasting.iter().chain(rehearsed));
        ends(out, &fleet, &history);
        if !held.is_empty() {
            out.faults.push(format!("holders go on after everything ended: {held:?}"));
        }
    });
}

/// Every task that is done is on its branch once; and on the default branch, with its tick, if its run landed.
fn work<'a>(out: &mut Outcome, fleet: &Fleet, places: impl Iterator<Item = &'a Worked>) {
    for place in places {
        for run in fleet.runs.values().filter(|it| it.project == place.project) {
            let has_landed = run.state == RunState::Landed;
            // What landed has no branch of its own any more.
            let branch = if has_landed { "main" } else { run.branch.short() };
            let done = |it: &&pilothouse_contract::run::TaskRun| matches!(it.state, TaskState::Done { .. });
            if !run.tasks.iter().any(|it| done(&it)) {
                continue;
            }
            let commits = commits(&place.path, branch);
            let boxes = boxes(&place.path, branch, run, fleet);
            for task in run.tasks.iter().filter(done) {
                out.tasks += 1;
                let id = task.spec.id.as_str();
                let count = commits.get(id).copied().unwrap_or_default();
                if count == 0 || !boxes.contains(&format!("[x] {id}")) {
                    out.lost += 1;
                    out.faults
                        .push(format!("{id} of {} has {count} commits on {branch}, or no tick", run.id));
                }
                if count > 1 {
                    out.doubled += 1;
                    out.faults.push(format!("{id} of {} came {count} times on {branch}", run.id));
                }
            }
        }
    }
}

fn git(path: &Path, args: &[&str]) -> String {
    let said = Command::new("git").current_dir(path).args(args).output();
    said.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default()
}

/// How many commits of a branch each task has.
fn commits(path: &Path, branch: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for task in git(path, &["log", TRAILER, branch]).lines().filter(|it| !it.is_empty()) {
        *counts.entry(task.to_owned()).or_default() += 1;
    }
    counts
}

fn boxes(path: &Path, branch: &str, run: &Run, fleet: &Fleet) -> String {
    let folder = fleet.items.get(&run.item).map(|it| it.spec.folder.clone()).unwrap_or_default();
    git(path, &["show", &format!("{branch}:{folder}/tasks.md")])
}

/// Everything came to an end of a closed list.
fn ends(out: &mut Outcome, fleet: &Fleet, history: &[Record]) {
    let mut untyped: Vec<String> = Vec::new();
    for run in fleet.runs.values() {
        let fits = match run.state {
            RunState::Landed | RunState::Stopped => true,
            RunState::Parked => !run.why.is_empty(),
            _ => false,
        };
        if !fits {
            untyped.push(format!("{} is {}: {}", run.id, run.state.word(), run.why));
        }
    }
    for attempt in fleet.attempts.values() {
        if !attempt.state.is_over() {
            untyped.push(format!("{} is {}", attempt.id, attempt.state.word()));
        }
        if let Some(failure) = &attempt.failure {
            *out.failures.entry(failure.word().to_owned()).or_default() += 1;
        }
    }
    for session in fleet.sessions.values() {
        out.sessions += 1;
        match session.end.as_ref().map(|it| &it.how) {
            None => untyped.push(format!("session {} has no end", session.id)),
            Some(Ending::Lost { why }) => {
                out.sessions_lost += 1;
                out.faults.push(format!("session {} was lost: {why}", session.id));
            }
            Some(Ending::Unknown { .. }) => out.ends_unknown += 1,
            Some(_) => {}
        }
    }
    let open = fleet.questions.values().filter(|it| it.is_open());
    untyped.extend(open.map(|it| format!("{} is neither answered nor withdrawn", it.id)));
    out.untyped_ends += u32::try_from(untyped.len()).unwrap_or(u32::MAX);
    out.faults.extend(untyped);
    let mut merged: BTreeMap<AttemptId, u32> = BTreeMap::new();
    for record in history {
        if let Event::AttemptMoved { attempt, to: AttemptState::Merged, .. } = &record.event {
            *merged.entry(*attempt).or_default() += 1;
        }
    }
    for (attempt, times) in merged.into_iter().filter(|it| it.1 > 1) {
        out.doubled += 1;
        out.faults.push(format!("{attempt} was merged {times} times"));
    }
}
