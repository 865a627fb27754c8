//! The brief: reckoned from the fleet's facts and from records of history, for a stretch of time that ends now.
//!
//! Refuses to estimate, and to derive a second time what needs a person: that is the queue's, in its order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use pilothouse_contract::attempt::{Attempt, AttemptState};
use pilothouse_contract::attention::Alarm;
use pilothouse_contract::board::Subject;
use pilothouse_contract::brief::{
    AtWork, Brief, Chosen, FailedAttempt, Need, ParkedTask, PersonsDeed, Proof, PullNews, PullProof, Risk,
    RunNews, Story, StoryKind, TaskDone, Totals, intervenes, longest_untouched, overlap_ms,
};
use pilothouse_contract::card::Happened;
use pilothouse_contract::evidence::{self, Evidence, Gate, Verdict};
use pilothouse_contract::money::{MoneyCount, Prices};
use pilothouse_contract::pace::{self, QuietCount};
use pilothouse_contract::project::{Line, Move};
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::receipt::TokenCount;
use pilothouse_contract::run::{Run, RunState, TaskState};
use pilothouse_contract::session::{Ending, Session, SessionKind};
use pilothouse_contract::{
    At, AttemptId, Event, EvidenceId, Fleet, ProjectId, Record, RunId, SessionId, TaskId, Who,
};

use super::quiet;
use crate::store::Accounts;
use crate::store::QuietRun;

/// The kinds of records that the machine's own story is made of.
pub const KINDS: [&str; 11] = [
    "engine-started",
    "machine-slept",
    "holder-replaced",
    "session-ended",
    "main-moved",
    "line-changed",
    "ref-touched",
    "refused",
    "worktree-gone",
    "gate-overridden",
    "notice",
];
/// Those that say when the machine slept.
pub const SLEEP: [&str; 1] = ["machine-slept"];

/// Everything a brief is reckoned from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The beginning of the stretch.
    pub since: At,
    /// How that was chosen.
    pub chosen: Chosen,
    /// Its end.
    pub now: At,
    /// What a person did last.
    pub deed: Option<PersonsDeed>,
    /// What needs a person, in the queue's order.
    pub alarms: Vec<Alarm>,
    /// Records of [`KINDS`] in the stretch, oldest first.
    pub records: Vec<Record>,
    /// When the machine slept, since the first of the runs began.
    pub asleep: Vec<(At, At)>,
    /// What sessions used: altogether, and in calls that say that they were made in the stretch.
    pub used: BTreeMap<SessionId, Accounts>,
    /// The prices that are in force, run by run.
    pub prices: BTreeMap<RunId, Prices>,
    /// What the quiet wrapper ran in the stretch.
    pub quiet: Vec<QuietRun>,
}

/// When the machine slept, by records that say so.
#[must_use]
pub fn asleep(records: &[Record]) -> Vec<(At, At)> {
    let of = |it: &Record| match it.event {
        Event::MachineSlept { ms } => Some((it.at.plus_ms(-ms), it.at)),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

/// Whether a session ran from a moment on.
#[must_use]
pub fn ran_since(it: &Session, since: At) -> bool {
    it.running.is_some() && it.end.as_ref().is_none_or(|end| end.at >= since)
}

/// Runs in which something happened from a moment on, or which are under way.
#[must_use]
pub fn runs(fleet: &Fleet, since: At) -> Vec<&Run> {
    let of = |run: &&Run| {
        run.state.is_live()
            || run.moved >= since
            || run.touches.iter().any(|it| it.at >= since)
            || run.pull.and_then(|it| fleet.pulls.get(&it)).is_some_and(|it| it.moved >= since)
            || fleet.attempts.values().any(|it| it.run == run.id && it.moved >= since)
    };
    fleet.runs.values().filter(of).collect()
}

/// The brief of a stretch.
#[must_use]
pub fn of(facts: &Facts<'_>) -> Brief {
    let fleet = facts.fleet;
    let mut all: Vec<RunNews> = runs(fleet, facts.since).into_iter().map(|run| news(facts, run)).collect();
    all.sort_by_key(|it| {
        let size = it.pull.as_ref().map_or(0, |it| it.size.added + it.size.removed);
        (it.risk, Reverse(size), it.run)
    });
    let flakes = evidence::flakes(fleet.evidence.values());
    let ended = |verdict, flaky| {
        let of = |it: &&Evidence| {
            it.ended >= facts.since && it.verdict == verdict && flakes.contains(&it.id) == flaky
        };
        fleet.evidence.values().filter(of).map(|it| it.id).collect::<Vec<EvidenceId>>()
    };
    let landed = |it: &&Pull| it.moved >= facts.since && matches!(it.state, PullState::Landed { .. });
    let escaped = |it: &&Pull| it.queued.as_ref().is_some_and(|it| it.escape.is_some());
    let totals = Totals {
        landed: fleet.pulls.values().filter(landed).map(|it| it.id).collect(),
        escaped: fleet.pulls.values().filter(landed).filter(escaped).map(|it| it.id).collect(),
        parked: all.iter().filter(|it| it.state == RunState::Parked).map(|it| it.run).collect(),
        done: all.iter().flat_map(|it| &it.tasks_done).map(|it| it.attempt).collect(),
        failed: all.iter().flat_map(|it| &it.failed).map(|it| it.attempt).collect(),
        at_work: all.iter().flat_map(|it| &it.at_work).map(|it| it.attempt).collect(),
        held: ended(Verdict::Passed, false),
        broke: ended(Verdict::Failed, false),
        flaky: ended(Verdict::Failed, true),
        unknown: ended(Verdict::Unknown, false),
        sessions: all.iter().flat_map(|it| &it.sessions).copied().collect(),
        agents_ms: all.iter().map(|it| it.agents_ms).sum(),
        tokens: all.iter().fold(TokenCount::default(), |mut sum, it| {
            sum.add(&it.tokens);
            sum
        }),
        money: all.iter().fold(MoneyCount::default(), |mut sum, it| {
            sum.add(&it.money);
            sum
        }),
        quiet: all.iter().fold(QuietCount::default(), |mut sum, it| {
            sum.add(&it.quiet);
            sum
        }),
        touches: all.iter().map(|it| count(it.touches.len())).sum(),
    };
    Brief {
        since: facts.since,
        until: facts.now,
        chosen: facts.chosen,
        last_deed: facts.deed.clone(),
        seq: fleet.seq,
        needs: facts.alarms.iter().map(Need::from).collect(),
        runs: all,
        story: facts.records.iter().flat_map(|it| story(fleet, it)).collect(),
        totals,
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn news(facts: &Facts<'_>, run: &Run) -> RunNews {
    let (fleet, since) = (facts.fleet, facts.since);
    let item = fleet.items.get(&run.item);
    let attempts: Vec<&Attempt> = fleet.attempts.values().filter(|it| it.run == run.id).collect();
    let title = |task: &TaskId| run.task(task).map(|it| it.spec.title.clone()).unwrap_or_default();
    let sessions: Vec<&Session> = fleet
        .sessions
        .values()
        .filter(|it| it.run == Some(run.id) && it.kind == SessionKind::Agent && ran_since(it, since))
        .collect();
    let until = if run.state.is_live() { facts.now } else { run.moved };
    let pull = run.pull.and_then(|it| fleet.pulls.get(&it));
    let unproved = match pull {
        Some(pull) if matches!(pull.state, PullState::Landed { .. }) => unproved(fleet, run, pull),
        _ => Vec::new(),
    };
    let own =
        || run.tasks.iter().filter(|it| !matches!(it.state, TaskState::DoneBefore | TaskState::Skipped));
    let (tokens, money) = used(facts, run.id, &sessions);
    let ran = || facts.quiet.iter().filter(|it| sessions.iter().any(|session| session.id == it.session));
    let checks = fleet.evidence.values().filter(|it| it.subject.run == run.id && it.ended >= since);
    let checks = checks.filter_map(Evidence::sample);
    RunNews {
        run: run.id,
        project: run.project,
        name: fleet.projects.get(&run.project).map(|it| it.name.clone()).unwrap_or_default(),
        item: run.item,
        slug: item.map(|it| it.slug.clone()).unwrap_or_default(),
        title: item.map(|it| it.spec.title.clone()).unwrap_or_default(),
        state: run.state,
        why: run.why.clone(),
        paused: fleet.is_paused(run),
        risk: risk(run, pull, &unproved),
        unproved,
        started: run.started,
        moved: run.moved,
        tasks: count(own().count()),
        done: count(own().filter(|it| it.state.is_done()).count()),
        tasks_done: attempts
            .iter()
            .filter(|it| it.state == AttemptState::Merged && it.moved >= since)
            .map(|it| done(fleet, run, it))
            .collect(),
        parked: run
            .tasks
            .iter()
            .filter_map(|task| {
                let TaskState::Parked { why } = &task.state else { return None };
                let last = task.attempts.last().and_then(|it| fleet.attempts.get(it));
                Some(ParkedTask {
                    task: task.spec.id.clone(),
                    title: task.spec.title.clone(),
                    why: why.clone(),
                    attempt: last.map(|it| it.id),
                    failure: last.and_then(|it| it.failure.clone()),
                    evidence: last.map(|it| it.evidence.clone()).unwrap_or_default(),
                })
            })
            .collect(),
        failed: attempts
            .iter()
            .filter(|it| it.moved >= since)
            .filter_map(|it| {
                Some(FailedAttempt {
                    attempt: it.id,
                    task: it.task.clone(),
                    number: it.number,
                    failure: it.failure.clone()?,
                    why: it.why.clone(),
                    evidence: it.evidence.clone(),
                    at: it.moved,
                })
            })
            .collect(),
        at_work: attempts
            .iter()
            .filter(|it| !it.state.is_over() && run.state.is_live())
            .map(|it| AtWork {
                attempt: it.id,
                task: it.task.clone(),
                title: title(&it.task),
                number: it.number,
                state: it.state,
                session: it.session,
                started: it.started,
            })
            .collect(),
        pull: pull.map(|it| pull_news(fleet, it)),
        touches: run.touches.iter().filter(|it| it.at >= since).cloned().collect(),
        interventions: count(run.touches.iter().filter(|it| intervenes(it.kind)).count()),
        untouched: longest_untouched(run.started, until, &run.touches, &facts.asleep),
        agents_ms: sessions.iter().map(|it| worked_ms(facts, it)).sum(),
        tokens,
        money,
        quiet: quiet::counted(ran()),
        paces: pace::paces(checks.chain(ran().map(quiet::sample)), run.policy.inner_loop_s),
        inner_loop_s: run.policy.inner_loop_s,
        sessions: sessions.iter().map(|it| it.id).collect(),
    }
}

/// What to look at first of it.
fn risk(run: &Run, pull: Option<&Pull>, unproved: &[String]) -> Risk {
    let waits = |it: &Pull| {
        matches!(
            it.state,
            PullState::WaitsForApproval | PullState::WaitsForCheckout { .. } | PullState::WaitsForLine
        )
    };
    let by_a_person = |it: &Pull| it.approval.as_ref().is_some_and(|it| matches!(it.by, Who::Person(_)));
    match run.state {
        RunState::Landed if !unproved.is_empty() => Risk::Unverified,
        RunState::Landed if pull.is_some_and(by_a_person) => Risk::Landed,
        RunState::Landed => Risk::Unread,
        RunState::Parked => Risk::Parked,
        RunState::Stopped => Risk::Stopped,
        _ if pull.is_some_and(waits) => Risk::Waiting,
        _ => Risk::AtWork,
    }
}

/// What of something that landed no proof holds for. The proofs that count ran on the very tree: that of the task's commit, and
/// that of the merge.
fn unproved(fleet: &Fleet, run: &Run, pull: &Pull) -> Vec<String> {
    let mut says = Vec::new();
    for task in run.tasks.iter().filter(|it| matches!(it.state, TaskState::Done { .. })) {
        let merged = task.attempts.iter().rev().filter_map(|it| fleet.attempts.get(it));
        let merged = merged.into_iter().find(|it| it.state == AttemptState::Merged);
        let tree = merged.and_then(|it| it.candidate.as_ref()).map(|it| &it.tree);
        let mut held = fleet.evidence.values().filter(|it| {
            it.gate == Gate::Verify
                && it.subject.run == run.id
                && it.subject.task.as_ref() == Some(&task.spec.id)
        });
        if !held.any(|it| it.passed() && Some(&it.tree) == tree) {
            says.push(format!("{} landed without a proof that holds on its tree", task.spec.id));
        }
    }
    if pull.checks.is_empty() {
        says.push("nothing was checked on the merge result".to_owned());
    }
    // One that landed with another one was checked in the merge result of that.
    let with = pull.queued.as_ref().and_then(|it| it.with).and_then(|id| fleet.pulls.get(&id));
    let tree = with.unwrap_or(pull).result.as_ref().map(|it| &it.tree);
    for check in &pull.checks {
        let record = check.evidence.and_then(|it| fleet.evidence.get(&it));
        if !record.is_some_and(|it| it.passed() && Some(&it.tree) == tree) {
            says.push(format!("`{}` does not hold on the merge result, or nobody knows", check.command));
        }
    }
    says
}

fn done(fleet: &Fleet, run: &Run, it: &Attempt) -> TaskDone {
    let task = run.task(&it.task);
    let commit = match task.map(|it| &it.state) {
        Some(TaskState::Done { commit }) => commit.clone(),
        _ => it.candidate.as_ref().map(|it| it.commit.clone()).unwrap_or_default(),
    };
    let proof = |it: &Evidence| Proof {
        evidence: it.id,
        gate: it.gate,
        command: it.command.clone(),
        verdict: it.verdict,
    };
    TaskDone {
        task: it.task.clone(),
        title: task.map(|it| it.spec.title.clone()).unwrap_or_default(),
        attempt: it.id,
        commit,
        at: it.moved,
        proofs: it.evidence.iter().filter_map(|it| fleet.evidence.get(it)).map(proof).collect(),
    }
}

fn pull_news(fleet: &Fleet, it: &Pull) -> PullNews {
    let check = |it: &pilothouse_contract::pull::PullCheck| PullProof {
        command: it.command.clone(),
        evidence: it.evidence,
        verdict: it.evidence.and_then(|it| fleet.evidence.get(&it)).map(|it| it.verdict),
    };
    PullNews {
        pull: it.id,
        state: it.state.clone(),
        why: it.why.clone(),
        commits: it.commits,
        size: it.size,
        approved: it.approval.as_ref().map(|it| it.by.clone()),
        checks: it.checks.iter().map(check).collect(),
    }
}

/// How long a session ran in the stretch, without sleep of the machine.
fn worked_ms(facts: &Facts<'_>, it: &Session) -> i64 {
    let Some(running) = &it.running else { return 0 };
    let from = running.at.max(facts.since);
    let to = it.end.as_ref().map_or(facts.now, |end| end.at);
    to.since_ms(from) - overlap_ms(from, to, &facts.asleep)
}

/// What sessions used and cost. Of a session that began in the stretch everything counts; of another one the calls that say that
/// they are of it.
fn used(facts: &Facts<'_>, run: RunId, sessions: &[&Session]) -> (TokenCount, MoneyCount) {
    let (mut tokens, mut money) = (TokenCount::default(), MoneyCount::default());
    let none = Prices::default();
    let prices = facts.prices.get(&run).unwrap_or(&none);
    for it in sessions {
        let used = facts.used.get(&it.id).cloned().unwrap_or_default();
        let began = it.running.as_ref().is_some_and(|it| it.at >= facts.since);
        let of = if began || used.all.is_empty() { &used.all } else { &used.late };
        tokens.count(&used.all.tokens(), &of.tokens());
        // One that called nothing in the stretch cost nothing in it, which is known.
        if began || used.all.is_empty() || !of.is_empty() {
            money.count(of, prices);
        } else {
            money.sessions += 1;
        }
    }
    (tokens, money)
}

fn story(fleet: &Fleet, record: &Record) -> Vec<Story> {
    let one = |kind, says: String, project: Option<ProjectId>, session: Option<SessionId>| Story {
        seq: record.seq,
        at: record.at,
        kind,
        project,
        session,
        subject: subject(fleet, project, session),
        says,
    };
    let name = |id: &ProjectId| fleet.projects.get(id).map_or_else(|| id.to_string(), |it| it.name.clone());
    let of = |id: &SessionId| fleet.sessions.get(id).and_then(|it| it.project);
    let found = match &record.event {
        Event::EngineStarted { restarts } => {
            let says = match restarts {
                0 => "The engine started".to_owned(),
                n => format!("The engine ended unasked and was started again, restart {n} of its watcher"),
            };
            one(StoryKind::EngineStarted { restarts: *restarts }, says, None, None)
        }
        Event::MachineSlept { ms } => {
            let says = format!("The machine slept for {}", pilothouse_contract::brief::page::span(*ms));
            one(StoryKind::MachineSlept, says, None, None)
        }
        Event::HolderReplaced { session, uncertain_bytes, .. } => {
            let typed = match uncertain_bytes {
                Some(0) => String::new(),
                Some(bytes) => format!("; {bytes} typed bytes may or may not have arrived"),
                None => "; what was typed just before may or may not have arrived".to_owned(),
            };
            let says = format!("{session}: its holder died and another one took over{typed}");
            one(StoryKind::HolderReplaced, says, of(session), Some(*session))
        }
        Event::SessionEnded { session, end } => {
            let mut all = Vec::new();
            if let Ending::Lost { why } = &end.how {
                let says = format!("{session} was lost: {why}");
                all.push(one(StoryKind::SessionLost, says, of(session), Some(*session)));
            }
            if end.lost_bytes > 0 {
                let says = format!(
                    "{} bytes of what {session} said were not kept: the disk or the log was full",
                    end.lost_bytes
                );
                all.push(one(StoryKind::OutputLost, says, of(session), Some(*session)));
            }
            return all;
        }
        Event::MainMoved { project, from, to, how } => {
            let whose = match how {
                Move::Landing { .. } => return Vec::new(),
                Move::Followed { named } => format!("moved by {named}, and followed"),
                Move::Adopted => format!("adopted by {}", record.who),
            };
            let says = format!(
                "The default branch of {}: {} to {}, {whose}",
                name(project),
                from.short(),
                to.short()
            );
            one(StoryKind::MainMoved, says, Some(*project), None)
        }
        Event::LineChanged { project, line, why } => {
            let (kind, word) = match line {
                Line::Stopped { .. } => (StoryKind::LineStopped, "Landings are stopped"),
                Line::Open => (StoryKind::LineOpened, "Landings are open again"),
            };
            one(kind, format!("{}: {word}: {why}", name(project)), Some(*project), None)
        }
        Event::LineHeld { project, held } => {
            let (kind, word) = match held {
                Some(held) => (StoryKind::LineStopped, format!("{} holds the line: {}", held.by, held.why)),
                None => (StoryKind::LineOpened, format!("{} let the line go again", record.who)),
            };
            one(kind, format!("{}: {word}", name(project)), Some(*project), None)
        }
        Event::RefTouched { project, session, reference, prevented, named, .. } => {
            let what = if *prevented { "was to be moved" } else { "was moved" };
            let says = format!("{}: {reference} {what} by {named}", name(project));
            one(StoryKind::RefTouched, says, Some(*project), *session)
        }
        Event::Refused { project, session, asked, why, .. } => {
            let who = session.map_or_else(|| record.who.to_string(), |it| it.to_string());
            one(StoryKind::Refused, format!("{asked} was refused to {who}: {why}"), *project, *session)
        }
        Event::WorktreeGone { worktree, why } => {
            let project = fleet.worktrees.get(worktree).map(|it| it.project);
            one(StoryKind::Notice, format!("{worktree} is gone: {why}"), project, None)
        }
        Event::Card { item, what: Happened::Overridden { given } } => {
            let of = fleet.items.get(item);
            let slug = of.map_or_else(|| item.to_string(), |it| it.slug.clone());
            let count = fleet.cards.get(item).map_or(0, |it| it.overrides.len());
            let gate = given.gate.word();
            let says =
                format!("{slug}: {gate} overridden by {}, {count} so far: {}", given.by, given.because);
            one(StoryKind::Overridden, says, of.map(|it| it.project), None)
        }
        Event::Notice { project, says } => one(StoryKind::Notice, says.clone(), *project, None),
        _ => return Vec::new(),
    };
    vec![found]
}

/// Where something is read: a session of an agent with its task, another one by itself, else the project.
fn subject(fleet: &Fleet, project: Option<ProjectId>, session: Option<SessionId>) -> Option<Subject> {
    let session = session.and_then(|it| fleet.sessions.get(&it));
    let attempt: Option<AttemptId> = session.and_then(|it| it.attempt);
    match (attempt.and_then(|it| fleet.attempts.get(&it)), session) {
        (Some(attempt), _) => Some(Subject::Task(attempt.run, attempt.task.clone())),
        (None, Some(session)) => Some(Subject::Session(session.id)),
        (None, None) => project.map(Subject::Project),
    }
}

#[cfg(test)]
mod tests;
