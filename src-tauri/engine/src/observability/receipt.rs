//! Receipts of runs: reckoned from the fleet's facts, and put into Markdown for a pull request, a chat or a diary.
//!
//! Refuses to estimate: what no record tells is said to be unknown.

use std::fmt::Write;

use pilothouse_contract::ask::run::ReceiptLine;
use pilothouse_contract::ask::took::Took;
use pilothouse_contract::brief::{longest_untouched, overlap_ms};
use pilothouse_contract::evidence::{self, Evidence, Gate, Verdict};
use pilothouse_contract::pace;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::receipt::{Change, GateCount, Receipt, Tests, TokenCount};
use pilothouse_contract::run::{self, Run, RunState, TaskState};
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::{At, Fleet, text};

/// A line says at most so much, in signs.
const WIDTH: usize = 400;
const GATES: [(Gate, &str); 6] = [
    (Gate::RedCheck, "proof fails before the work"),
    (Gate::Verify, "proof on the exact tree"),
    (Gate::ScopeAudit, "scope"),
    (Gate::Checkpoint, "checkpoints"),
    (Gate::Completeness, "completeness"),
    (Gate::Landing, "merge result"),
];

/// The receipt of a run as it stands, with what it took so far and with when the machine slept.
#[must_use]
pub fn of(fleet: &Fleet, run: &Run, took: Took, asleep: &[(At, At)], now: At) -> Receipt {
    let ended = (!run.state.is_live()).then_some(run.moved);
    let until = ended.unwrap_or(now);
    let attempts: Vec<_> = fleet.attempts.values().filter(|it| it.run == run.id).collect();
    let sessions =
        fleet.sessions.values().filter(|it| it.run == Some(run.id) && it.kind == SessionKind::Agent);
    let spans: Vec<(At, At)> = sessions
        .filter_map(|it| Some((it.running.as_ref()?.at, it.end.as_ref().map_or(until, |end| end.at))))
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let own =
        || run.tasks.iter().filter(|it| !matches!(it.state, TaskState::DoneBefore | TaskState::Skipped));
    let evidence = || fleet.evidence.values().filter(|it| it.subject.run == run.id);
    let flakes = evidence::flakes(evidence());
    let checks = GATES.iter().filter_map(|(gate, _)| {
        let of = |verdict, flaky| {
            let all = evidence().filter(|it| it.gate == *gate && flakes.contains(&it.id) == flaky);
            count(all.filter(|it| it.verdict == verdict).count())
        };
        let found = GateCount {
            gate: *gate,
            passed: of(Verdict::Passed, false),
            failed: of(Verdict::Failed, false),
            flaky: of(Verdict::Failed, true),
            unknown: of(Verdict::Unknown, false),
        };
        (found.all() + found.flaky > 0).then_some(found)
    });
    let change = run.pull.and_then(|pull| fleet.pulls.get(&pull)).map(|pull| Change {
        pull: pull.id,
        commits: pull.commits,
        size: pull.size,
        approved: pull.approval.as_ref().map(|it| it.by.clone()),
        landed: match &pull.state {
            PullState::Landed { commit } => Some(commit.clone()),
            _ => None,
        },
    });
    let item = fleet.items.get(&run.item);
    Receipt {
        run: run.id,
        project: fleet.projects.get(&run.project).map(|it| it.name.clone()).unwrap_or_default(),
        item: item.map(|it| it.slug.clone()).unwrap_or_default(),
        title: item.map(|it| it.spec.title.clone()).unwrap_or_default(),
        state: run.state,
        why: run.why.clone(),
        stop: run.stop.clone(),
        started: run.started,
        ended,
        took_ms: until.since_ms(run.started),
        tasks: count(own().count()),
        done: count(own().filter(|it| it.state.is_done()).count()),
        attempts: count(attempts.len()),
        failed: count(attempts.iter().filter(|it| it.failure.is_some()).count()),
        agent: run.policy.agent.name.clone(),
        sessions: count(spans.len()),
        at_once: at_once(&spans),
        agents_ms: spans.iter().map(|(from, to)| to.since_ms(*from) - overlap_ms(*from, *to, asleep)).sum(),
        tokens: took.tokens,
        money: took.money,
        quiet: took.quiet,
        paces: took.paces,
        inner_loop_s: took.inner_loop_s,
        checks: checks.collect(),
        tests: tests(evidence()),
        touches: run.touches.clone(),
        untouched_ms: longest_untouched(run.started, until, &run.touches, asleep).awake_ms(),
        change,
    }
}

/// The check that told of the most tests: on the newest merge result that was checked, or else anywhere.
fn tests<'a>(all: impl Iterator<Item = &'a Evidence> + Clone) -> Option<Tests> {
    let told = all.filter(|it| it.passed() && it.tests.is_some());
    let merged = told.clone().filter(|it| it.gate == Gate::Landing).max_by_key(|it| it.id).map(|it| &it.tree);
    let of = |it: &&Evidence| merged.is_none_or(|tree| it.gate == Gate::Landing && it.tree == *tree);
    let most = told.filter(of).max_by_key(|it| (it.tests, it.id))?;
    Some(Tests { passed: most.tests?, evidence: most.id, gate: most.gate, command: most.command.clone() })
}

fn stop_of(it: &Receipt) -> String {
    it.stop.as_ref().map(|stop| format!(" ({})", stop.word())).unwrap_or_default()
}

/// The most spans that share a moment; one that ends where another begins does not.
fn at_once(spans: &[(At, At)]) -> u32 {
    let mut steps: Vec<(At, i32)> = spans.iter().flat_map(|(from, to)| [(*from, 1), (*to, -1)]).collect();
    steps.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    u32::try_from(most).unwrap_or_default()
}

/// A receipt in lines for people.
#[must_use]
pub fn lines(it: &Receipt) -> Vec<ReceiptLine> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let why = if it.why.is_empty() { String::new() } else { format!(": {}", it.why) };
    rows.push(("Run", format!("{} of {} in {}", it.run, it.item, it.project)));
    let is_over = matches!(it.state, RunState::Landed | RunState::Stopped);
    rows.push((if is_over { "Ended" } else { "Stands" }, format!("{}{}{why}", it.state.word(), stop_of(it))));
    let (from, to) = (clock(it.started), it.ended.map_or_else(|| "now".to_owned(), clock));
    // One day is named once.
    let same_day = from.split_once(' ').and_then(|(day, _)| to.strip_prefix(day));
    let took = span(it.took_ms);
    rows.push(("Time", format!("{from} to {} UTC, {took}", same_day.unwrap_or(&to).trim())));
    let failed = if it.failed == 0 { "none failed".to_owned() } else { format!("{} failed", it.failed) };
    let attempts = format!("{} of {} done, {}, {failed}", it.done, it.tasks, many(it.attempts, "attempt"));
    rows.push(("Tasks", attempts));
    let agents = format!(
        "{}: {}, {} together, at most {} at once",
        it.agent,
        many(it.sessions, "session"),
        span(it.agents_ms),
        it.at_once
    );
    rows.push(("Agents", agents));
    rows.push(("Verified", if it.checks.is_empty() { "nothing yet".to_owned() } else { checks(it) }));
    rows.extend(it.tests.as_ref().map(|it| {
        let on = if it.gate == Gate::Landing { "the merge result" } else { "the exact tree" };
        ("Tests", format!("{} passed on {on}: `{}` ({})", it.passed, it.command, it.evidence))
    }));
    if let Some(change) = &it.change {
        let size = &change.size;
        let landed =
            change.landed.as_ref().map_or("not landed".to_owned(), |it| format!("landed as {}", it.short()));
        let approved = change.approved.as_ref().map_or("no yes yet".to_owned(), |it| format!("yes by {it}"));
        rows.push((
            "Change",
            format!(
                "{} with {} in {}, +{} −{}; {approved}; {landed}",
                change.pull,
                many(change.commits, "commit"),
                many(size.files, "file"),
                size.added,
                size.removed
            ),
        ));
    }
    rows.push(("Hands", format!("{}; untouched for {} at the longest", touches(it), span(it.untouched_ms))));
    rows.push(("Tokens", tokens(it)));
    rows.push(("Money", it.money.line()));
    rows.extend(it.quiet.line().map(|says| ("Quiet", says)));
    rows.extend(pace::line(&it.paces, it.inner_loop_s).map(|says| ("Inner loop", says)));
    let line =
        |(name, says): (&str, String)| ReceiptLine { name: name.to_owned(), says: text::line(&says, WIDTH) };
    rows.into_iter().map(line).collect()
}

/// The same as Markdown. Texts of agents and repositories are text in it.
#[must_use]
pub fn markdown(it: &Receipt, lines: &[ReceiptLine]) -> String {
    let title = if it.title.is_empty() { &it.item } else { &it.title };
    let mut says = format!("# {}\n\n| | |\n|---|---|\n", text::markdown(title, WIDTH));
    for line in lines {
        // A string takes everything.
        let _never: std::fmt::Result =
            writeln!(says, "| {} | {} |", line.name, text::markdown(&line.says, WIDTH));
    }
    says
}

fn checks(it: &Receipt) -> String {
    let of = |it: &GateCount| {
        let name = GATES.iter().find(|(gate, _)| *gate == it.gate).map_or("", |(_, name)| *name);
        let unknown = if it.unknown == 0 { String::new() } else { format!(", {} unknown", it.unknown) };
        let flaky = match it.flaky {
            0 => String::new(),
            n => format!(", {} failed at first", many(n, "flake")),
        };
        format!("{name} {} of {}{unknown}{flaky}", it.passed, it.all())
    };
    it.checks.iter().map(of).collect::<Vec<_>>().join("; ")
}

fn touches(it: &Receipt) -> String {
    if it.touches.is_empty() { "off".to_owned() } else { run::touched(&it.touches) }
}

fn tokens(it: &Receipt) -> String {
    let TokenCount { sessions, cached, output, .. } = it.tokens;
    if sessions == 0 {
        return "no session's log tells of any".to_owned();
    }
    let of = if sessions < it.sessions {
        format!(", by the logs of {sessions} of {}", many(it.sessions, "session"))
    } else {
        String::new()
    };
    let against = it.money.against_told().map(|it| format!("; {it}")).unwrap_or_default();
    format!(
        "{} read, {} of them from a cache; {} written{of}{against}",
        count(it.tokens.read()),
        count(cached),
        count(output)
    )
}

/// A number with its thousands apart.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let apart = digits.as_bytes().rchunks(3).rev().map(|it| String::from_utf8_lossy(it).into_owned());
    apart.collect::<Vec<_>>().join(" ")
}

fn many(n: u32, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

fn clock(at: At) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|it| it.strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}

fn span(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_where_they_meet() {
        let spans = [(0, 10), (5, 15), (10, 20), (30, 40)].map(|(from, to)| (At(from), At(to)));
        assert_eq!((at_once(&spans), at_once(&[])), (2, 0));
    }
}
