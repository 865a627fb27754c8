//! How many tests an output says that passed and failed, by the words of the usual tools.
//!
//! Refuses to guess: what is no summary of a tool counts nothing, so a sentence that speaks of tests is none.

use pilothouse_contract::pace::Tally;

use super::formats::{Lens, heading};

/// What the tool of an output counted; of an unknown one the first that says something of the kind.
pub(super) fn of(lines: &[&str], lens: Lens) -> Option<Tally> {
    type Counts = fn(&[&str]) -> Option<Tally>;
    let all: [(Lens, Counts); 4] =
        [(Lens::Cargo, cargo), (Lens::Python, python), (Lens::Node, node), (Lens::Go, go)];
    let of = |it: Lens| lens == it || lens == Lens::Any;
    all.iter().filter(|(it, _)| of(*it)).find_map(|(_, counts)| counts(lines))
}

/// The number before a word, as in "3 passed".
fn number(says: &str, word: &str) -> Option<u32> {
    let words: Vec<&str> = says.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let at = words.iter().position(|it| *it == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// What a summary says; nothing if it names neither.
fn tally(says: &str, passed: &[&str], failed: &[&str]) -> Option<Tally> {
    let of = |words: &[&str]| words.iter().filter_map(|it| number(says, it)).reduce(u32::saturating_add);
    let (passed, failed) = (of(passed), of(failed));
    passed.or(failed).map(|_| Tally { passed: passed.unwrap_or(0), failed: failed.unwrap_or(0) })
}

fn sum(all: impl Iterator<Item = Tally>) -> Option<Tally> {
    all.reduce(|mut sum, it| {
        sum.add(&it);
        sum
    })
}

/// libtest's of all programs, or else nextest's one.
fn cargo(lines: &[&str]) -> Option<Tally> {
    let of = |it: &str| tally(it, &["passed"], &["failed"]);
    let results = lines.iter().filter_map(|it| it.strip_prefix("test result: "));
    let nextest = || lines.iter().rev().find_map(|it| it.trim().strip_prefix("Summary [")).and_then(of);
    sum(results.filter_map(of)).or_else(nextest)
}

/// What pytest counts.
const PYTEST: [&str; 10] = [
    "passed",
    "failed",
    "skipped",
    "deselected",
    "xfailed",
    "xpassed",
    "warning",
    "warnings",
    "error",
    "errors",
];

/// pytest's last heading, or else what unittest says on two lines.
fn python(lines: &[&str]) -> Option<Tally> {
    let of = |it: &str| tally(it, &["passed"], &["failed", "error", "errors"]);
    // Between signs, or where pytest is to be quiet just so.
    let summary = |it| heading(it, '=').or(Some(it)).and_then(pytest_counts);
    let pytest = lines.iter().copied().rev().find_map(summary).and_then(of);
    pytest.or_else(|| {
        let ran = lines.iter().rposition(|it| it.starts_with("Ran ") && it.contains(" test"))?;
        let run = lines.get(ran)?.split(' ').nth(1)?.parse::<u32>().ok()?;
        let said = lines.iter().skip(ran).find_map(|it| it.strip_prefix("FAILED ("));
        let each = said.unwrap_or_default().trim_end_matches(')').split(", ");
        let failed = each.filter_map(|it| {
            let (what, many) = it.split_once('=')?;
            matches!(what, "failures" | "errors").then(|| many.parse::<u32>().ok())?
        });
        let failed = failed.sum::<u32>().min(run);
        Some(Tally { passed: run - failed, failed })
    })
}

/// What stands in pytest's last line before its time, if it is one.
fn pytest_counts(says: &str) -> Option<&str> {
    let (counts, _) = says.rsplit_once(" in ")?;
    let is_count =
        |it: &str| it.split_once(' ').is_some_and(|(n, of)| n.parse::<u32>().is_ok() && PYTEST.contains(&of));
    counts.split(", ").all(is_count).then_some(counts)
}

/// jest's and vitest's line, the two of node's own, or the two of mocha.
fn node(lines: &[&str]) -> Option<Tally> {
    let told = || lines.iter().rev().map(|it| it.trim());
    let is_summary = |it: &&str| it.starts_with("Tests:") || it.starts_with("Tests  ");
    let jest = told().filter(is_summary).find_map(|it| tally(it, &["passed"], &["failed"]));
    let after = |word: &str| {
        let mut all = told().filter_map(|it| it.strip_prefix("ℹ ").or_else(|| it.strip_prefix("# ")));
        all.find_map(|it| it.strip_prefix(word)?.trim().parse::<u32>().ok())
    };
    let tap = || {
        let passed = after("pass ")?;
        Some(Tally { passed, failed: after("fail ").unwrap_or(0) })
    };
    let before = |word: &str| {
        told().find_map(|it| it.split_once(word).and_then(|(number, _)| number.parse::<u32>().ok()))
    };
    let mocha = || {
        let passed = before(" passing (")?;
        let ends = |it: &&str| it.ends_with(" failing");
        let failed = told().filter(ends).find_map(|it| number(it, "failing"));
        Some(Tally { passed, failed: failed.unwrap_or(0) })
    };
    jest.or_else(tap).or_else(mocha)
}

/// Each test of go that is named, parts of tests too: without `-v` only those that failed are, and then nothing is counted.
fn go(lines: &[&str]) -> Option<Tally> {
    let named = |how: &str| lines.iter().filter(|it| it.trim_start().starts_with(how)).count();
    let many = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    let (passed, failed) = (many(named("--- PASS: ")), many(named("--- FAIL: ")));
    (passed > 0).then_some(Tally { passed, failed })
}
