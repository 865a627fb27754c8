//! The brief in rows for people: the same words on the command line, in Markdown and in the window, each row with what it
//! opens and the rows of the store that it is counted from.
//!
//! Refuses a word that no fact of the brief backs, and clocks: times are handed on as they are.

use super::{Brief, Chosen, FailedAttempt, Need, PullNews, Risk, RunNews, Story};
use crate::attention::Priority;
use crate::board::Subject;
use crate::evidence::{Gate, Verdict};
use crate::pace;
use crate::pull::PullState;
use crate::receipt::TokenCount;
use crate::run::{self, RunState};
use crate::text;
use crate::time::At;

/// A row says at most so much, in signs.
const WIDTH: usize = 300;

/// What kind of row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A heading; opens nothing.
    Section,
    /// Something by itself: a run, an alarm.
    Head,
    /// A line about the head above it.
    Detail,
}

/// Where a row leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opens {
    /// To what it is about.
    Subject(Subject),
    /// To an item of the queue, by its key.
    Alarm(String),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What kind of row it is.
    pub kind: RowKind,
    /// The word at its left.
    pub label: String,
    /// What it says: one line, fit for a screen.
    pub says: String,
    /// The rows of the store it is counted from, by id; `#7` is a record of history.
    pub ids: Vec<String>,
    /// When it happened, if it did at a moment.
    pub at: Option<At>,
    /// How soon a person is needed, if one is.
    pub priority: Option<Priority>,
    /// Where it leads.
    pub opens: Option<Opens>,
}

impl Row {
    fn new(kind: RowKind, label: &str, says: &str) -> Self {
        Self {
            kind,
            label: label.to_owned(),
            says: text::line(says, WIDTH),
            ids: Vec::new(),
            at: None,
            priority: None,
            opens: None,
        }
    }

    fn ids<T: ToString>(mut self, ids: impl IntoIterator<Item = T>) -> Self {
        self.ids.extend(ids.into_iter().map(|it| it.to_string()));
        self
    }

    fn at(mut self, at: At) -> Self {
        self.at = Some(at);
        self
    }

    fn opens(mut self, subject: Subject) -> Self {
        self.opens = Some(Opens::Subject(subject));
        self
    }
}

fn section(title: &str) -> Row {
    Row::new(RowKind::Section, title, "")
}

fn head(label: &str, says: &str) -> Row {
    Row::new(RowKind::Head, label, says)
}

fn detail(label: &str, says: &str) -> Row {
    Row::new(RowKind::Detail, label, says)
}

/// A span for people, rounded to what changes a decision.
#[must_use]
pub fn span(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A number with its thing, `1 task`, `2 tasks`.
fn many(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// A number with its thousands apart.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let apart = digits.as_bytes().rchunks(3).rev().map(|it| String::from_utf8_lossy(it).into_owned());
    apart.collect::<Vec<_>>().join(" ")
}

/// Why the brief begins where it does.
#[must_use]
pub fn begins(it: &Brief) -> String {
    let says = match (it.chosen, &it.last_deed) {
        (Chosen::Asked, _) => "as asked".to_owned(),
        (Chosen::LastDeed, Some(deed)) => {
            let did = deed.did.replace('-', " ");
            format!("since a person's last deed: {did} by {} (#{})", deed.by, deed.seq)
        }
        (Chosen::LastDeed, None) => "since a person's last deed".to_owned(),
        (Chosen::HalfDay, Some(deed)) => {
            let ago = span(it.until.since_ms(deed.at));
            format!("half a day; a person's last deed was {ago} ago (#{})", deed.seq)
        }
        (Chosen::HalfDay, None) => "half a day; no person did anything yet".to_owned(),
        (Chosen::Beginning, _) => "from the beginning; no person did anything yet".to_owned(),
    };
    text::line(&says, WIDTH)
}

/// Everything on one line.
#[must_use]
pub fn headline(it: &Brief) -> String {
    if it.is_quiet() {
        return "Nothing happened, and nothing needs you.".to_owned();
    }
    let totals = &it.totals;
    let mut parts = vec![match it.needs.len() {
        0 => "Nothing needs you".to_owned(),
        1 => "1 needs you".to_owned(),
        n => format!("{n} need you"),
    }];
    let unverified = it.runs.iter().filter(|it| it.risk == Risk::Unverified).count();
    for (n, word) in [
        (totals.landed.len(), "landed"),
        (unverified, "of them unverified"),
        (totals.escaped.len(), "of them though the line was held"),
        (totals.parked.len(), "parked"),
        (totals.at_work.len(), "at work"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    if !totals.done.is_empty() {
        parts.push(format!("{} done", many(totals.done.len(), "task")));
    }
    if !totals.failed.is_empty() {
        parts.push(format!("{} failed", many(totals.failed.len(), "attempt")));
    }
    let besides = it.story.iter().filter(|it| it.befell()).count();
    if besides > 0 {
        parts.push(format!("{} besides", many(besides, "event")));
    }
    parts.join(" · ")
}

/// All rows, what is risky first.
#[must_use]
pub fn rows(it: &Brief) -> Vec<Row> {
    let mut rows = Vec::new();
    if it.is_quiet() {
        return rows;
    }
    if !it.needs.is_empty() {
        rows.push(section("Needs you"));
        it.needs.iter().for_each(|it| need(it, &mut rows));
    }
    let first: &[Risk] = &[Risk::Unverified, Risk::Parked, Risk::Stopped, Risk::Waiting, Risk::Unread];
    for (title, risks) in
        [("Look at first", first), ("Under way", &[Risk::AtWork]), ("Landed", &[Risk::Landed])]
    {
        let mut of = it.runs.iter().filter(|it| risks.contains(&it.risk)).peekable();
        if of.peek().is_some() {
            rows.push(section(title));
            of.for_each(|run| news(run, it.until, &mut rows));
        }
    }
    took(it, &mut rows);
    if !it.story.is_empty() {
        rows.push(section("The machine"));
        rows.extend(it.story.iter().map(story));
    }
    rows
}

fn need(it: &Need, rows: &mut Vec<Row>) {
    let opens = Some(Opens::Alarm(it.key.clone()));
    let mut row = head(it.family.word(), &format!("{}  {}", it.call, it.asks)).at(it.since);
    row.priority = Some(it.priority);
    row.opens.clone_from(&opens);
    rows.push(row);
    let mut line = |label: &str, says: &str| {
        if !says.trim().is_empty() {
            rows.push(Row { opens: opens.clone(), ..detail(label, says) });
        }
    };
    line("why", &it.says);
    line("if not", &it.next);
    line("answers", &it.answers.join(" / "));
}

fn news(it: &RunNews, until: At, rows: &mut Vec<Row>) {
    let title = if it.title.is_empty() { &it.slug } else { &it.title };
    let whole = it.pull.as_ref().map_or(Subject::Item(it.item), |it| Subject::Pull(it.pull));
    let paused = if it.paused { ", paused" } else { "" };
    let says = format!("{}  {title} ({} of {} tasks done{paused})", it.name, it.done, it.tasks);
    rows.push(head(it.risk.word(), &says).ids([it.run]).at(it.moved).opens(whole.clone()));
    for says in &it.unproved {
        rows.push(detail("unproved", says).opens(whole.clone()));
    }
    for task in &it.parked {
        let failure = task.failure.as_ref().map_or(String::new(), |it| format!("{}: ", it.word()));
        let says = format!("{} {}: {failure}{}", task.task, task.title, task.why);
        let row = detail("parked", &says).ids(task.attempt).ids(&task.evidence);
        rows.push(row.opens(Subject::Task(it.run, task.task.clone())));
    }
    let stands = matches!(it.state, RunState::Parked | RunState::Stopped);
    if stands && it.parked.is_empty() && !it.why.is_empty() {
        rows.push(detail("why", &it.why).opens(whole.clone()));
    }
    if let Some(pull) = &it.pull {
        change(pull, rows);
    }
    for work in &it.at_work {
        let state = work.state.word().replace('-', " ");
        let age = span(until.since_ms(work.started));
        let says = format!("{} {}: {state}, try {}, {age}", work.task, work.title, work.number);
        let row = detail("now", &says).ids([work.attempt]).ids(work.session);
        rows.push(row.opens(Subject::Task(it.run, work.task.clone())));
    }
    if !it.tasks_done.is_empty() {
        let names: Vec<&str> = it.tasks_done.iter().map(|it| it.task.as_str()).collect();
        let proofs = it.tasks_done.iter().flat_map(|it| &it.proofs).filter(|it| it.gate == Gate::Verify);
        let held = proofs.clone().filter(|it| it.verdict == Verdict::Passed).count();
        let says = format!(
            "{} {}; {held} of {} held on the exact tree",
            if names.len() == 1 { "task" } else { "tasks" },
            names.join(", "),
            many(proofs.clone().count(), "proof")
        );
        rows.push(detail("done", &says).ids(proofs.map(|it| it.evidence)).opens(whole.clone()));
    }
    // How a task came to be parked is said above.
    let told = |failed: &&FailedAttempt| !it.parked.iter().any(|it| it.attempt == Some(failed.attempt));
    for failed in it.failed.iter().filter(told) {
        let says =
            format!("{} try {}: {}: {}", failed.task, failed.number, failed.failure.word(), failed.why);
        let row = detail("failed", &says).ids([failed.attempt]).ids(&failed.evidence).at(failed.at);
        rows.push(row.opens(Subject::Task(it.run, failed.task.clone())));
    }
    rows.push(detail("hands", &hands(it)).opens(whole.clone()));
    if !it.sessions.is_empty() {
        let says = format!(
            "{}, {} together; {}",
            many(it.sessions.len(), "session"),
            span(it.agents_ms),
            tokens(it.tokens, it.sessions.len())
        );
        rows.push(detail("agents", &says).ids(&it.sessions).opens(whole.clone()));
        rows.push(detail("money", &it.money.line()).ids(&it.sessions).opens(whole.clone()));
    }
    if let Some(says) = it.quiet.line() {
        rows.push(detail("quiet", &says).ids(&it.sessions).opens(whole.clone()));
    }
    if it.paces.iter().any(|it| it.over)
        && let Some(says) = pace::line(&it.paces, it.inner_loop_s)
    {
        rows.push(detail("slow", &says).opens(whole));
    }
}

fn change(it: &PullNews, rows: &mut Vec<Row>) {
    let opens = Subject::Pull(it.pull);
    let stands = match &it.state {
        PullState::Landed { commit } => format!("landed as {}", commit.short()),
        state if it.why.is_empty() => state.word().replace('-', " "),
        state => format!("{}: {}", state.word().replace('-', " "), it.why),
    };
    let yes = it.approved.as_ref().map_or("no yes yet".to_owned(), |it| format!("yes by {it}"));
    let says = format!(
        "{stands}; {} in {}, +{} −{}; {yes}",
        many(it.commits as usize, "commit"),
        many(it.size.files as usize, "file"),
        it.size.added,
        it.size.removed
    );
    rows.push(detail("change", &says).ids([it.pull]).opens(opens.clone()));
    if !it.checks.is_empty() {
        let held = it.checks.iter().filter(|it| it.verdict == Some(Verdict::Passed)).count();
        let says = format!("{held} of {} held on the merge result", many(it.checks.len(), "check"));
        rows.push(detail("checks", &says).ids(it.checks.iter().filter_map(|it| it.evidence)).opens(opens));
    }
}

fn hands(it: &RunNews) -> String {
    let away = format!("untouched for {} at the longest", span(it.untouched.awake_ms()));
    let slept = match it.untouched.asleep_ms {
        0 => String::new(),
        ms => format!(", and {} asleep", span(ms)),
    };
    let all = match it.interventions {
        0 => "no intervention".to_owned(),
        n => many(n as usize, "intervention"),
    };
    match run::touched(&it.touches) {
        none if none.is_empty() => format!("{away}{slept}; {all} since it started"),
        some => format!("{some}; {away}{slept}; {all} since it started"),
    }
}

/// Tokens of so many sessions, and of how many of them nobody knows.
fn tokens(it: TokenCount, sessions: usize) -> String {
    if it.sessions == 0 {
        return "tokens unknown: no log tells of any".to_owned();
    }
    let of = if (it.sessions as usize) < sessions {
        format!(", by the logs of {} of {sessions}", it.sessions)
    } else {
        String::new()
    };
    format!("{} tokens read, {} written{of}", count(it.read()), count(it.output))
}

fn took(it: &Brief, rows: &mut Vec<Row>) {
    let totals = &it.totals;
    let checks = totals.held.len() + totals.broke.len() + totals.unknown.len();
    if totals.sessions.is_empty() && checks == 0 {
        return;
    }
    rows.push(section("What it took"));
    let says = format!("{}, {} together", many(totals.sessions.len(), "session"), span(totals.agents_ms));
    rows.push(detail("agents", &says).ids(&totals.sessions));
    rows.push(detail("tokens", &tokens(totals.tokens, totals.sessions.len())));
    rows.push(detail("money", &totals.money.line()));
    rows.extend(totals.money.against_told().map(|says| detail("counted", &says)));
    rows.extend(totals.quiet.line().map(|says| detail("quiet", &says)));
    let says = format!(
        "{} ran: {} hold, {} do not, {} unknown{}",
        many(checks, "check"),
        totals.held.len(),
        totals.broke.len(),
        totals.unknown.len(),
        match totals.flaky.len() {
            0 => String::new(),
            n => format!("; {} failed at first", many(n, "flake")),
        }
    );
    let ids = totals.broke.iter().chain(&totals.unknown).chain(&totals.flaky).chain(&totals.held);
    rows.push(detail("checks", &says).ids(ids));
    let says = match totals.touches {
        0 => "none by people".to_owned(),
        1 => "1 by a person".to_owned(),
        n => format!("{n} by people"),
    };
    rows.push(detail("touches", &says));
}

fn story(it: &Story) -> Row {
    let row = head(it.kind.word(), &it.says).ids([format!("#{}", it.seq)]).at(it.at);
    Row { opens: it.subject.clone().map(Opens::Subject), ..row }
}
