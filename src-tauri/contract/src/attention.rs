//! Attention: what needs a person now, derived from facts and nothing else; each alarm with its question, its cause,
//! what happens if nobody acts, and its answers. Priority is consequence times time; no agent's words choose it.
//!
//! Refuses whatever has no answer: that is history, not an alarm.

mod drafts;
mod reviews;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ask;
use crate::board::{Subject, call_of};
use crate::call::{Call, Request};
use crate::fleet::Fleet;
use crate::fuse::{self, Minds};
use crate::ids::{ProjectId, QuestionId, SessionId};
use crate::project::{Line, Trust};
use crate::pull::PullState;
use crate::run::{RunState, TaskState};
use crate::session::{Ending, Mode, Pulse, Session, SessionKind};
use crate::time::At;
use crate::workflow::NotInForce;

/// The families: one tile each in the annunciator. What nothing measures yet has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// An agent asks, or a decision is a person's.
    NeedsYou,
    /// Work cannot go on without the outside.
    Blocked,
    /// Proofs or checks failed for good, or the default branch is not as it should be.
    Failed,
    /// No progress for too long.
    Stalled,
    /// The engine cannot see or hold something.
    Engine,
}

impl Family {
    /// All of them, in the order of the tiles.
    pub const ALL: [Self; 5] = [Self::NeedsYou, Self::Blocked, Self::Failed, Self::Stalled, Self::Engine];

    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NeedsYou => "Needs you",
            Self::Blocked => "Blocked",
            Self::Failed => "Failed",
            Self::Stalled => "Stalled",
            Self::Engine => "Engine",
        }
    }
}

/// How soon: 1 within five minutes, 2 within half an hour, 3 today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Work or the main line is being damaged.
    P1,
    /// An agent idles.
    P2,
    /// Waste grows slowly.
    P3,
}

impl Priority {
    /// The digit on its chip.
    #[must_use]
    pub fn digit(self) -> &'static str {
        match self {
            Self::P1 => "1",
            Self::P2 => "2",
            Self::P3 => "3",
        }
    }
}

/// What an answer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Calls the engine.
    Call(Box<Request>),
    /// Opens what it is about.
    Open(Subject),
    /// Asks for words, and answers a question with them.
    Reply(QuestionId),
}

/// One answer on an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What its button says: a verb first.
    pub label: String,
    /// What it does.
    pub deed: Deed,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is, stable for as long as it stands.
    pub key: String,
    /// Its family.
    pub family: Family,
    /// How soon.
    pub priority: Priority,
    /// The callsign of what it is about.
    pub call: String,
    /// What it is about.
    pub subject: Option<Subject>,
    /// Its project.
    pub project: Option<ProjectId>,
    /// Since when.
    pub since: At,
    /// The question, or what is wrong: one line.
    pub asks: String,
    /// Why.
    pub says: String,
    /// What happens if nobody acts.
    pub next: String,
    /// Its answers, best first; never none.
    pub answers: Vec<Answer>,
}

/// What is seen of the world besides the fleet.
#[derive(Debug, Clone, Default)]
pub struct Sights {
    /// What moves of running sessions.
    pub pulses: BTreeMap<SessionId, Pulse>,
    /// What the engine says that it cannot do.
    pub engine: Vec<String>,
    /// Now.
    pub now: At,
}

/// A session without a sign for half its stall limit, but at most this long, is called stalled, in seconds.
const STALL_S: i64 = 600;

/// Every open alarm, the soonest first, then the oldest.
#[must_use]
pub fn alarms(fleet: &Fleet, sights: &Sights) -> Vec<Alarm> {
    let mut list = Vec::new();
    questions(fleet, &mut list);
    lines(fleet, &mut list);
    trust(fleet, &mut list);
    workflows(fleet, &mut list);
    parked(fleet, &mut list);
    drafts::drafts(fleet, &mut list);
    reviews::reviews(fleet, &mut list);
    checkouts(fleet, &mut list);
    stalled(fleet, sights, &mut list);
    lost(fleet, sights.now, &mut list);
    for says in &sights.engine {
        list.push(Alarm {
            key: format!("engine {says}"),
            family: Family::Engine,
            priority: Priority::P1,
            call: "ENGINE".to_owned(),
            subject: None,
            project: None,
            since: sights.now,
            asks: "The engine cannot do its work".to_owned(),
            says: says.clone(),
            next: "What happens now may not be kept".to_owned(),
            answers: vec![answer("Ask again", call(ask::engine::Status {}))],
        });
    }
    list.sort_by(|a, b| (a.priority, a.since, &a.key).cmp(&(b.priority, b.since, &b.key)));
    list
}

fn call<C: Call>(call: C) -> Deed {
    Deed::Call(Box::new(call.request()))
}

fn answer(label: impl Into<String>, deed: Deed) -> Answer {
    Answer { label: label.into(), deed }
}

fn questions(fleet: &Fleet, list: &mut Vec<Alarm>) {
    for question in fleet.questions.values().filter(|it| it.is_open()) {
        let run = question.run.and_then(|id| fleet.runs.get(&id));
        let attempt = question.attempt.and_then(|id| fleet.attempts.get(&id));
        let (subject, callsign, says) = match (run, attempt) {
            (Some(run), Some(attempt)) => (
                Subject::Task(run.id, attempt.task.clone()),
                call_of(fleet.items.get(&run.item), &attempt.task),
                run.task(&attempt.task).map(|it| it.spec.title.clone()).unwrap_or_default(),
            ),
            _ => (
                Subject::Session(question.session),
                question.session.to_string().to_uppercase(),
                fleet.sessions.get(&question.session).map(|it| it.title.clone()).unwrap_or_default(),
            ),
        };
        let mut lines = question.asks.lines();
        let asks = lines.next().unwrap_or_default().to_owned();
        let more = lines.collect::<Vec<_>>().join("\n");
        let mut answers: Vec<Answer> = question
            .choices
            .iter()
            .map(|choice| {
                let deed =
                    ask::question::Answer { question: question.id, text: choice.clone(), policy: None };
                answer(choice, call(deed))
            })
            .collect();
        if answers.is_empty() {
            answers.push(answer("Reply", Deed::Reply(question.id)));
        }
        list.push(Alarm {
            key: format!("question {}", question.id),
            family: Family::NeedsYou,
            priority: if question.blocks { Priority::P2 } else { Priority::P3 },
            call: callsign,
            subject: Some(subject),
            project: question.project,
            since: question.asked,
            asks,
            says: if more.trim().is_empty() { says } else { more },
            next: if question.blocks { "It waits for the answer" } else { "It works on meanwhile" }
                .to_owned(),
            answers,
        });
    }
}

fn lines(fleet: &Fleet, list: &mut Vec<Alarm>) {
    for project in fleet.listed() {
        if let Some(held) = &project.held {
            list.push(Alarm {
                key: format!("held {} {}", project.id, held.at.0),
                family: Family::Blocked,
                priority: Priority::P3,
                call: "MAIN".to_owned(),
                subject: Some(Subject::Project(project.id)),
                project: Some(project.id),
                since: held.at,
                asks: format!("The line of {} is held", project.name),
                says: format!("By {}: {}", held.by, held.why),
                next: "Nothing lands but by a person's deed".to_owned(),
                answers: vec![
                    answer("Open the line", call(ask::project::OpenLine { project: project.id })),
                    answer("Open", Deed::Open(Subject::Project(project.id))),
                ],
            });
        }
        let Line::Stopped { expected, found, named, at } = &project.line else { continue };
        let waits = fleet.pulls.values().filter(|it| it.project == project.id && !it.state.is_over()).count();
        let branch = project.default_branch.short();
        let to = found.as_ref().map_or_else(|| "nothing".to_owned(), |it| it.short().to_owned());
        list.push(Alarm {
            key: format!("line {} {to}", project.id),
            family: Family::Failed,
            priority: Priority::P1,
            call: "MAIN".to_owned(),
            subject: Some(Subject::Project(project.id)),
            project: Some(project.id),
            since: *at,
            asks: format!("{branch} was moved by somebody else"),
            says: format!("From {} to {to}, by {named}. Pilothouse did not do it.", expected.short()),
            next: format!("Landings of {} are stopped, {waits} wait", project.name),
            answers: vec![
                answer("Take it back", call(ask::project::TakeBack { project: project.id })),
                answer("Adopt the move", call(ask::project::Adopt { project: project.id })),
                answer("Open", Deed::Open(Subject::Project(project.id))),
            ],
        });
    }
}

fn trust(fleet: &Fleet, list: &mut Vec<Alarm>) {
    for project in fleet.listed().filter(|it| it.trust == Trust::Undecided) {
        list.push(Alarm {
            key: format!("trust {}", project.id),
            family: Family::NeedsYou,
            priority: Priority::P3,
            call: "TRUST".to_owned(),
            subject: Some(Subject::Project(project.id)),
            project: Some(project.id),
            since: project.added,
            asks: format!("May the commands of {} run?", project.name),
            says: "Nobody has looked yet at what in it can run commands.".to_owned(),
            next: "No agent starts in it".to_owned(),
            answers: vec![answer("Look at what was found", Deed::Open(Subject::Project(project.id)))],
        });
    }
}

fn workflows(fleet: &Fleet, list: &mut Vec<Alarm>) {
    // Before anybody trusted it nothing of it is in force, and that is asked about once.
    for project in fleet.listed().filter(|it| it.trust != Trust::Undecided) {
        let Some(seen) = &project.workflow else { continue };
        let (Some(waits), Some(says)) = (&seen.waits, seen.says()) else { continue };
        let (asks, look) = match &waits.why {
            NotInForce::Broken { .. } => (format!("WORKFLOW.md of {} cannot be used", project.name), "Open"),
            NotInForce::Untrusted { .. } => (
                format!("May the new commands of WORKFLOW.md of {} run?", project.name),
                "Look at what was found",
            ),
        };
        list.push(Alarm {
            key: format!("workflow {} {}", project.id, waits.version.hash),
            family: Family::NeedsYou,
            priority: Priority::P3,
            call: "WORKFLOW".to_owned(),
            subject: Some(Subject::Project(project.id)),
            project: Some(project.id),
            since: waits.since,
            asks,
            says,
            next: "The version before goes on".to_owned(),
            answers: vec![answer(look, Deed::Open(Subject::Project(project.id)))],
        });
    }
}

fn parked(fleet: &Fleet, list: &mut Vec<Alarm>) {
    for run in fleet.runs.values().filter(|it| it.state == RunState::Parked) {
        if fleet.run_of(run.item).is_none_or(|it| it.id != run.id)
            // A stopped line is asked about once; what it parked goes on when it is settled.
            || fleet.projects.get(&run.project).is_none_or(|it| it.removed || it.line != Line::Open)
        {
            continue;
        }
        let item = fleet.items.get(&run.item);
        let task = run.tasks.iter().find_map(|it| match &it.state {
            TaskState::Parked { why } => Some((it, why)),
            _ => None,
        });
        let (subject, callsign, asks, says) = match task {
            Some((task, why)) => (
                Subject::Task(run.id, task.spec.id.clone()),
                call_of(item, &task.spec.id),
                format!("{} is parked: {}", task.spec.id, task.spec.title),
                why.clone(),
            ),
            None => (
                run.pull.map_or(Subject::Item(run.item), Subject::Pull),
                item.map_or_else(|| run.id.to_string(), |it| it.slug.clone()),
                "The run is parked".to_owned(),
                run.why.clone(),
            ),
        };
        list.push(Alarm {
            key: format!("parked {} {}", run.id, run.moved.0),
            family: Family::Failed,
            priority: Priority::P2,
            call: callsign,
            subject: Some(subject.clone()),
            project: Some(run.project),
            since: run.moved,
            asks,
            says,
            next: format!("The run stands still with {} of {} tasks done", run.done(), run.tasks.len()),
            // What takes a change back is made anew, once this run is stopped.
            answers: (run
                .takes_back
                .is_none()
                .then(|| answer("Try again", call(ask::run::Start::of(run.item)))))
            .into_iter()
            .chain([
                answer("Open", Deed::Open(subject)),
                answer("Stop the run", call(ask::run::Stop { run: run.id })),
            ])
            .collect(),
        });
    }
}

fn checkouts(fleet: &Fleet, list: &mut Vec<Alarm>) {
    for pull in fleet.pulls.values() {
        if fleet.projects.get(&pull.project).is_none_or(|it| it.removed) {
            continue;
        }
        let PullState::WaitsForCheckout { checkout, paths } = &pull.state else { continue };
        let shown: Vec<&str> = paths.iter().take(4).map(String::as_str).collect();
        let more = match paths.len().saturating_sub(shown.len()) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        list.push(Alarm {
            key: format!("checkout {}", pull.id),
            family: Family::Blocked,
            priority: Priority::P2,
            call: pull.id.to_string().to_uppercase(),
            subject: Some(Subject::Pull(pull.id)),
            project: Some(pull.project),
            since: pull.moved,
            asks: "Your checkout is in the way of a landing".to_owned(),
            says: if shown.is_empty() {
                format!("{}: {}", checkout, pull.why)
            } else {
                format!("{checkout} holds changes in {}{more}.", shown.join(", "))
            },
            next: "It lands by itself once they are committed, stashed or gone".to_owned(),
            answers: vec![
                answer("Try again", call(ask::pull::Land { pull: pull.id })),
                answer("Open", Deed::Open(Subject::Pull(pull.id))),
            ],
        });
    }
}

/// So long is a session that was lost told of, in milliseconds.
const LOST_MS: i64 = 24 * 3_600_000;

/// Sessions of a person that were lost, as by a restart of the machine. What was lost of a run its loop tries again.
fn lost(fleet: &Fleet, now: At, list: &mut Vec<Alarm>) {
    for session in fleet.sessions.values().filter(|it| it.kind == SessionKind::Shell && it.mode == Mode::Pty)
    {
        let Some(end) = session.end.as_ref().filter(|it| now.since_ms(it.at) < LOST_MS) else { continue };
        let Ending::Lost { why } = &end.how else { continue };
        let resume = session.resume();
        // Over once somebody began it again.
        let again = |it: &&Session| {
            let same = it.argv == session.argv || Some(&it.argv) == resume.as_ref();
            same && it.cwd == session.cwd && it.asked > end.at
        };
        if fleet.sessions.values().any(|it| again(&it)) {
            continue;
        }
        let start = |argv: Vec<String>| {
            let (project, cwd, mode) = (session.project, session.cwd.clone(), session.mode);
            let limits = session.limits;
            call(ask::session::Start {
                project,
                argv,
                cwd,
                mode,
                columns: 120,
                rows: 40,
                limits,
                environment: None,
            })
        };
        let mut answers: Vec<Answer> = resume.map(|it| answer("Resume it", start(it))).into_iter().collect();
        answers.push(answer("Start it again", start(session.argv.clone())));
        answers.push(answer("Open", Deed::Open(Subject::Session(session.id))));
        list.push(Alarm {
            key: format!("lost {}", session.id),
            family: Family::Failed,
            priority: Priority::P3,
            call: session.id.to_string().to_uppercase(),
            subject: Some(Subject::Session(session.id)),
            project: session.project,
            since: end.at,
            asks: format!("{} was lost: {}", session.id, session.title),
            says: why.clone(),
            next: "It does not come back by itself; what it said is kept".to_owned(),
            answers,
        });
    }
}

fn stalled(fleet: &Fleet, sights: &Sights, list: &mut Vec<Alarm>) {
    for session in fleet.sessions.values().filter(|it| it.kind == SessionKind::Agent && it.end.is_none()) {
        let Some(running) = &session.running else { continue };
        let Some(run) = session.run.and_then(|id| fleet.runs.get(&id)) else { continue };
        let Some(attempt) = session.attempt.and_then(|id| fleet.attempts.get(&id)) else { continue };
        let subject = Subject::Task(run.id, attempt.task.clone());
        let alarm = |key: String, since: At, asks: String, next: String| Alarm {
            key,
            family: Family::Stalled,
            priority: Priority::P3,
            call: call_of(fleet.items.get(&run.item), &attempt.task),
            subject: Some(subject.clone()),
            project: Some(run.project),
            since,
            asks,
            says: run.task(&attempt.task).map(|it| it.spec.title.clone()).unwrap_or_default(),
            next,
            answers: vec![
                answer("Open", Deed::Open(subject.clone())),
                answer("End it", call(ask::session::Kill { session: session.id })),
            ],
        };
        // Silence has a rule of its own below.
        let fuses = fuse::of(fleet, session, sights.pulses.get(&session.id), sights.now);
        for near in fuses.iter().filter(|it| is_news(it.minds) && it.is_near()) {
            list.push(alarm(
                format!("fuse {} {}", session.id, near.failure().map_or("near", |it| it.word())),
                running.at,
                format!("A fuse of {} is about to blow: {near}", run.policy.agent.name),
                "Then it is ended and tried again, as often as the policy allows".to_owned(),
            ));
        }
        let asks = fleet.questions.values().any(|it| it.session == session.id && it.is_open());
        // What is not seen is not called still: an engine that just began to look has heard nothing yet.
        let Some(last) = sights.pulses.get(&session.id).and_then(|it| it.last_output) else { continue };
        let touched = session.worktree.and_then(|id| fleet.worktrees.get(&id)?.seen.as_ref().map(|it| it.at));
        let last = last.max(running.at).max(touched.unwrap_or_default());
        let quiet_s = sights.now.since_ms(last) / 1000;
        let limit_s = i64::from(run.policy.stall_s);
        if asks || quiet_s < (limit_s / 2).min(STALL_S) {
            continue;
        }
        list.push(alarm(
            format!("stalled {}", session.id),
            last,
            format!("No output from {}", run.policy.agent.name),
            format!(
                "After {limit_s} s without output and without a changed file it is ended and tried again"
            ),
        ));
    }
}

/// Whether somebody wants to hear that such a fuse is about to blow: silence comes and goes, and by a full context nothing is lost.
fn is_news(minds: Minds) -> bool {
    !matches!(minds, Minds::Silence | Minds::Context | Minds::Tries | Minds::Paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::End;

    fn of(id: u32, argv: &[&str], asked: i64, lost: Option<i64>) -> Session {
        let end = |at| {
            let how = Ending::Lost { why: "the machine was started anew since".to_owned() };
            End {
                at: At(at),
                how,
                output_bytes: 9,
                lost_bytes: 0,
                left_behind: Vec::new(),
                left_running: Vec::new(),
                native: None,
            }
        };
        let argv = argv.iter().map(|it| (*it).to_owned()).collect();
        let asked = Session::of_a_person(SessionId(id), argv, "/home/p".to_owned(), At(asked));
        Session { end: lost.map(end), ..asked }
    }

    fn starts(alarm: &Alarm) -> Vec<Vec<String>> {
        let argv = |it: &Answer| match &it.deed {
            Deed::Call(request) => match &**request {
                Request::SessionStart(it) => Some(it.argv.clone()),
                _ => None,
            },
            _ => None,
        };
        alarm.answers.iter().filter_map(argv).collect()
    }

    #[test]
    fn a_lost_session_of_a_person_can_be_resumed_until_somebody_did() {
        let mut fleet = Fleet::default();
        for it in [of(1, &["/usr/bin/claude"], 10, Some(1000)), of(2, &["vim", "x"], 10, Some(1000))] {
            fleet.sessions.insert(it.id, it);
        }
        let open = |fleet: &Fleet, now| alarms(fleet, &Sights { now: At(now), ..Sights::default() });
        let both = open(&fleet, 2000);
        assert_eq!(both.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["lost s1", "lost s2"]);
        assert_eq!(starts(&both[0]), [vec!["/usr/bin/claude", "--continue"], vec!["/usr/bin/claude"]]);
        assert_eq!(starts(&both[1]), [["vim", "x"]]);
        let resumed = of(3, &["/usr/bin/claude", "--continue"], 3000, None);
        fleet.sessions.insert(resumed.id, resumed);
        assert_eq!(open(&fleet, 4000).len(), 1);
        assert!(open(&fleet, 1000 + LOST_MS).is_empty(), "a day later it is history");
    }
}
