//! The board: the fleet as strips in bays, derived from facts and nothing else. Pure: the window draws it, and what it
//! shows can be tested without one.
//!
//! Refuses to guess: what no fact says has no strip.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, AttemptState};
use crate::fleet::Fleet;
use crate::ids::{ItemId, ProjectId, PullId, RunId, SessionId, TaskId};
use crate::item::Item;
use crate::phase::Checkpoint;
use crate::project::Line;
use crate::pull::PullState;
use crate::run::{Run, RunState, TaskRun, TaskState};
use crate::session::SessionKind;
use crate::time::At;
use crate::wait::Wait;

/// What a strip, an alarm or a stage is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A task within a run: its newest attempt, with everything before.
    Task(RunId, TaskId),
    /// A pull request.
    Pull(PullId),
    /// A project: its trust, its line, its items.
    Project(ProjectId),
    /// An item: its plan.
    Item(ItemId),
    /// A session that a person started.
    Session(SessionId),
}

impl Subject {
    /// The item that it is, or belongs to.
    #[must_use]
    pub fn item(&self, fleet: &Fleet) -> Option<ItemId> {
        match self {
            Self::Item(item) => Some(*item),
            Self::Task(run, _) => fleet.runs.get(run).map(|it| it.item),
            Self::Pull(pull) => fleet.pulls.get(pull).map(|it| it.item),
            Self::Project(_) | Self::Session(_) => None,
        }
    }

    /// The project that it is, or belongs to.
    #[must_use]
    pub fn project(&self, fleet: &Fleet) -> Option<ProjectId> {
        match self {
            Self::Project(project) => Some(*project),
            Self::Item(item) => fleet.items.get(item).map(|it| it.project),
            Self::Task(run, _) => fleet.runs.get(run).map(|it| it.project),
            Self::Pull(pull) => fleet.pulls.get(pull).map(|it| it.project),
            Self::Session(session) => fleet.sessions.get(session).and_then(|it| it.project),
        }
    }
}

/// The bays, in the order of the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bay {
    /// Agents at work.
    Working,
    /// The engine proves what they made.
    Verify,
    /// Pull requests on their way to the default branch.
    Land,
    /// Tasks that are not begun.
    Ready,
    /// What cannot go on without a person.
    Parked,
    /// What came to the default branch.
    Landed,
}

impl Bay {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Working, Self::Verify, Self::Land, Self::Ready, Self::Parked, Self::Landed];

    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Working => "Working",
            Self::Verify => "Verify",
            Self::Land => "Land",
            Self::Ready => "Ready",
            Self::Parked => "Parked",
            Self::Landed => "Landed",
        }
    }
}

/// One strip: fixed fields, two lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strip {
    /// What it is about.
    pub subject: Subject,
    /// Its project.
    pub project: ProjectId,
    /// Where it lies.
    pub bay: Bay,
    /// Its callsign, stable for life: the item's number and the task, `1/T003`.
    pub call: String,
    /// Its title.
    pub title: String,
    /// The reason it lies there, in words.
    pub why: String,
    /// What stands at the right of the second line.
    pub mark: String,
    /// Since when it is on its way: its place in its bay, which does not change with every step.
    pub began: At,
    /// The last progress that its record shows.
    pub since: At,
    /// The session whose output counts as progress too.
    pub session: Option<SessionId>,
}

/// An item's number from its short name: `1` of `001-rate-limits`; the whole name if it has none.
#[must_use]
pub fn number_of(slug: &str) -> &str {
    // A date is a year for all of them.
    if let Some(rest) = slug.get(11..).filter(|it| !it.is_empty() && is_dated(slug)) {
        return rest;
    }
    let digits = slug.split('-').next().unwrap_or(slug);
    let number = digits.trim_start_matches('0');
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return slug;
    }
    if number.is_empty() { "0" } else { number }
}

/// Whether a name begins as `2026-01-31-` does.
fn is_dated(slug: &str) -> bool {
    let mut parts = slug.splitn(4, '-').map(|it| (it.len(), it.bytes().all(|it| it.is_ascii_digit())));
    [4, 2, 2].into_iter().all(|length| parts.next() == Some((length, true)))
}

/// The callsign of a task of an item.
#[must_use]
pub fn call_of(item: Option<&Item>, task: &TaskId) -> String {
    format!("{}/{task}", item.map_or("?", |it| number_of(&it.slug)))
}

/// Why tasks that wait do, as the engine worked it out last: of its schedule only the outcome leaves it.
pub type Waits = BTreeMap<(RunId, TaskId), Wait>;

/// The strips of the fleet, bay by bay, the one that is longest on its way first.
#[must_use]
pub fn strips(fleet: &Fleet, waits: &Waits) -> Vec<Strip> {
    let mut strips: Vec<Strip> = Vec::new();
    for run in fleet.runs.values() {
        let listed = fleet.projects.get(&run.project).is_some_and(|it| !it.removed);
        let newest = fleet.run_of(run.item).is_some_and(|it| it.id == run.id);
        if listed && newest {
            tasks(fleet, run, waits, &mut strips);
            strips.extend(held_against(fleet, run));
        }
    }
    let listed = |project: &ProjectId| fleet.projects.get(project).is_some_and(|it| !it.removed);
    for pull in fleet.pulls.values().filter(|it| listed(&it.project)) {
        let bay = match pull.state {
            PullState::Landed { .. } => Bay::Landed,
            PullState::Bounced => continue,
            _ => Bay::Land,
        };
        let passed = pull.checks.iter().filter(|it| it.passed == Some(true)).count();
        let why = match &pull.state {
            PullState::Checking => format!("Checks: {passed} of {} passed", pull.checks.len()),
            PullState::WaitsForApproval => {
                let held = pull.body.verified.iter().filter_map(|it| fleet.evidence.get(&it.evidence));
                let held = held.filter(|it| it.passed()).count();
                format!("Ready for review · {held} of {} proofs hold", pull.body.verified.len())
            }
            PullState::Landed { commit } => format!("Landed as {}", commit.short()),
            _ if pull.why.is_empty() => pull.state.word().replace('-', " "),
            _ => pull.why.clone(),
        };
        strips.push(Strip {
            subject: Subject::Pull(pull.id),
            project: pull.project,
            bay,
            call: pull.id.to_string().to_uppercase(),
            title: pull.title.clone(),
            why,
            mark: format!("+{} −{}", pull.size.added, pull.size.removed),
            began: if bay == Bay::Landed { pull.moved } else { pull.opened },
            since: pull.moved,
            session: None,
        });
    }
    for (project, held) in fleet.listed().filter_map(|it| Some((it, it.held.as_ref()?))) {
        strips.push(Strip {
            subject: Subject::Project(project.id),
            project: project.id,
            bay: Bay::Land,
            call: "MAIN".to_owned(),
            title: format!("The line of {} is held", project.name),
            why: format!("By {}: {}", held.by, held.why),
            mark: String::new(),
            began: held.at,
            since: held.at,
            session: None,
        });
    }
    for project in fleet.listed() {
        if let Line::Stopped { named, at, .. } = &project.line {
            let waits =
                fleet.pulls.values().filter(|it| it.project == project.id && !it.state.is_over()).count();
            strips.push(Strip {
                subject: Subject::Project(project.id),
                project: project.id,
                bay: Bay::Land,
                call: "MAIN".to_owned(),
                title: format!("{} was moved by somebody else", project.default_branch.short()),
                why: format!("By {named}. Landings are stopped"),
                mark: format!("{waits} wait"),
                began: *at,
                since: *at,
                session: None,
            });
        }
    }
    for session in fleet.sessions.values() {
        if session.kind == SessionKind::Shell && session.end.is_none() {
            strips.push(Strip {
                subject: Subject::Session(session.id),
                project: session.project.unwrap_or_default(),
                bay: Bay::Working,
                call: session.id.to_string().to_uppercase(),
                title: session.title.clone(),
                why: format!("Started by a person in {}", session.cwd),
                mark: String::new(),
                began: session.asked,
                since: session.running.as_ref().map_or(session.asked, |it| it.at),
                session: Some(session.id),
            });
        }
    }
    strips.sort_by(|a, b| (a.bay, a.began, &a.subject).cmp(&(b.bay, b.began, &b.subject)));
    // What landed is read from the newest back.
    if let Some(first) = strips.iter().position(|it| it.bay == Bay::Landed)
        && let Some(landed) = strips.get_mut(first..)
    {
        landed.reverse();
    }
    strips
}

fn tasks(fleet: &Fleet, run: &Run, known: &Waits, strips: &mut Vec<Strip>) {
    let item = fleet.items.get(&run.item);
    let over = matches!(run.state, RunState::Landed | RunState::Stopped | RunState::InPull);
    for task in &run.tasks {
        let (bay, why, mark, since, session) = match &task.state {
            TaskState::Active { attempt } => {
                // Of several that try it at once the first may be over before the others.
                let open: Vec<&Attempt> = task
                    .attempts
                    .iter()
                    .filter_map(|id| fleet.attempts.get(id))
                    .filter(|it| !it.state.is_over())
                    .collect();
                let lead = open.iter().find(|it| it.id == *attempt).or(open.first()).copied();
                match lead.or_else(|| fleet.attempts.get(attempt)) {
                    Some(lead) => {
                        let mut strip = at_work(run, task, lead);
                        if open.len() > 1 {
                            strip.2 = format!("{} at once", open.len());
                        }
                        strip
                    }
                    None => continue,
                }
            }
            TaskState::Waiting if !over && task.rests.is_some() => {
                let last = task.attempts.last().and_then(|id| fleet.attempts.get(id));
                let why = "Is tried again after a short rest: its last try failed".to_owned();
                (Bay::Ready, why, tries(task), last.map_or(run.moved, |it| it.moved), None)
            }
            TaskState::Waiting if !over => {
                let wait = known.get(&(run.id, task.spec.id.clone()));
                let why = wait.map_or_else(|| waits(task), |it| sentence(&it.to_string()));
                (Bay::Ready, why, String::new(), run.moved, None)
            }
            TaskState::Parked { why } if !over => {
                let last = task.attempts.last().and_then(|id| fleet.attempts.get(id));
                let (since, session) = last.map_or((run.moved, None), |it| (it.moved, it.session));
                (Bay::Parked, why.clone(), tries(task), since, session)
            }
            _ => continue,
        };
        let last = task.attempts.last().and_then(|id| fleet.attempts.get(id));
        strips.push(Strip {
            began: last.map_or(run.started, |it| it.started),
            subject: Subject::Task(run.id, task.spec.id.clone()),
            project: run.project,
            bay,
            call: call_of(item, &task.spec.id),
            title: task.spec.title.clone(),
            why,
            mark,
            since,
            session,
        });
    }
}

/// What is done of an item as a whole is held against something: the checkpoint of a phase, or the requirements.
fn held_against(fleet: &Fleet, run: &Run) -> Option<Strip> {
    let checkpoint = run.phases.iter().find_map(|it| match it.state {
        Checkpoint::Checking { session } => Some((session, format!("Checkpoint of {} runs", it.title))),
        _ => None,
    });
    let audit = run.audit.as_ref().filter(|it| it.evidence.is_none() && run.state == RunState::Running);
    let judged = audit.map(|it| {
        let says = format!(
            "A fresh session holds each requirement against the evidence: {} said",
            it.verdicts.len()
        );
        (it.session, says)
    });
    let (session, why) = checkpoint.or(judged)?;
    let since = fleet.sessions.get(&session).map_or(run.moved, |it| it.asked);
    let item = fleet.items.get(&run.item)?;
    Some(Strip {
        subject: Subject::Item(run.item),
        project: run.project,
        bay: Bay::Verify,
        call: number_of(&item.slug).to_owned(),
        title: item.spec.title.clone(),
        why,
        mark: String::new(),
        began: run.started,
        since,
        session: Some(session),
    })
}

fn tries(task: &TaskRun) -> String {
    match task.attempts.len() {
        0 => String::new(),
        n => format!("try {n}"),
    }
}

fn waits(task: &TaskRun) -> String {
    match &task.spec.depends {
        Some(after) if !after.is_empty() => {
            let names: Vec<&str> = after.iter().map(TaskId::as_str).collect();
            format!("After {}", names.join(", "))
        }
        _ => "In its turn".to_owned(),
    }
}

/// With a capital at its beginning.
fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn at_work(run: &Run, task: &TaskRun, attempt: &Attempt) -> (Bay, String, String, At, Option<SessionId>) {
    let agent = &run.policy.agent.name;
    let (bay, why) = match attempt.state {
        AttemptState::Leased | AttemptState::Preparing => {
            (Bay::Working, "Its worktree is being made".to_owned())
        }
        AttemptState::RedCheck => (Bay::Working, "Red check: the proof must fail before the work".to_owned()),
        AttemptState::Working => (Bay::Working, format!("{agent} works")),
        AttemptState::ClaimedDone => (Bay::Verify, "Says done; what it made is being read".to_owned()),
        AttemptState::Verifying => (Bay::Verify, "The proof runs on what it made".to_owned()),
        AttemptState::ScopeAudit => (Bay::Verify, "Held against its scope".to_owned()),
        AttemptState::Contending => (Bay::Verify, "Holds; waits for the others that try the same".to_owned()),
        AttemptState::Integrating => (Bay::Verify, "Waits for its turn at the item branch".to_owned()),
        AttemptState::Committed => (Bay::Verify, "Its commit is brought to the item branch".to_owned()),
        AttemptState::Merged => (Bay::Verify, "On the item branch".to_owned()),
        AttemptState::Failed => (Bay::Working, attempt.why.clone()),
    };
    let why = attempt.waits.as_ref().map_or(why, |wait| sentence(&wait.to_string()));
    (bay, why, tries(task), attempt.moved, attempt.session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callsigns_are_short_and_stable() {
        assert_eq!(number_of("001-rate-limits"), "1");
        assert_eq!(number_of("000-zero"), "0");
        assert_eq!(number_of("rate-limits"), "rate-limits");
    }
}
