//! The formats of the usual tools: where in their output the names of failed tests stand, which lines say how, and what they
//! count at the end.
//!
//! Sources: the tools' own output - cargo and libtest 1.95, nextest, pytest and unittest, npm with jest, vitest, mocha and
//! `node --test`, go test, gcc, make.

use std::collections::BTreeSet;
use std::ops::Range;

/// A block that has no end of its own is at most so long, in lines.
const BLOCK_MAX: usize = 80;
/// Lines of failure in an output of no known format are taken at most so often.
const SIGNS_MAX: usize = 60;

/// Which tool an output is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lens {
    /// cargo.
    Cargo,
    /// pytest, or Python's own unittest.
    Python,
    /// npm and its kin, with the test runners of Node.
    Node,
    /// go.
    Go,
    /// C compilers and what calls them.
    Make,
    /// Nobody knows: all formats are looked for.
    Any,
}

impl Lens {
    /// The tool of a command. One that may run anything, as a script or `make` does, is of no tool.
    #[must_use]
    pub fn of(command: &str) -> Self {
        let mut found = BTreeSet::new();
        let separators = |it: char| it.is_whitespace() || "&|;()'\"`".contains(it);
        for word in command.split(separators) {
            let name = word.rsplit('/').next().unwrap_or(word);
            found.extend(match name {
                "cargo" => Some(0),
                "pytest" | "py.test" | "unittest" => Some(1),
                "npx" | "jest" | "vitest" | "mocha" | "node" => Some(2),
                "go" => Some(3),
                "gcc" | "g++" | "cc" | "c++" | "clang" | "clang++" | "ninja" => Some(4),
                "make" | "just" | "npm" | "pnpm" | "yarn" | "bun" | "sh" | "bash" | "tox" | "nox" => Some(9),
                _ => None,
            });
        }
        match (found.first(), found.len()) {
            (Some(0), 1) => Self::Cargo,
            (Some(1), 1) => Self::Python,
            (Some(2), 1) => Self::Node,
            (Some(3), 1) => Self::Go,
            (Some(4), 1) => Self::Make,
            _ => Self::Any,
        }
    }
}

/// What was found in an output.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The names of tests that failed, each once, in the order of the output.
    pub(super) names: Vec<String>,
    /// Lines that say how.
    pub(super) blocks: Vec<Range<usize>>,
    known: BTreeSet<String>,
}

impl Found {
    fn name(&mut self, name: &str) {
        let name = name.trim();
        if !name.is_empty() && self.known.insert(name.to_owned()) {
            self.names.push(name.to_owned());
        }
    }
}

/// Finds what one tool's words say that failed.
type Format = fn(&[&str], &mut Found);

/// What failed, by the formats of a tool; by all of them, and then by words of failure, if that finds nothing.
pub(super) fn find(lines: &[&str], lens: Lens) -> Found {
    let mut found = Found::default();
    let all: [(Lens, Format); 5] = [
        (Lens::Cargo, cargo),
        (Lens::Python, python),
        (Lens::Node, node),
        (Lens::Go, go),
        (Lens::Make, make),
    ];
    for (_, format) in all.iter().filter(|(it, _)| *it == lens) {
        format(lines, &mut found);
    }
    if found.names.is_empty() && found.blocks.is_empty() {
        for (_, format) in all.iter().filter(|(it, _)| *it != lens) {
            format(lines, &mut found);
        }
    }
    if found.blocks.is_empty() {
        signs(lines, &mut found);
    }
    found
}

/// From a line to the first one after it that ends the block, at most so many.
fn until(lines: &[&str], at: usize, most: usize, ends: impl Fn(&str) -> bool) -> usize {
    let mut rest = lines.iter().enumerate().skip(at + 1).take(most);
    rest.clone().find(|(_, it)| ends(it)).map_or(rest.next_back().map_or(at, |(n, _)| n) + 1, |(n, _)| n)
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.strip_suffix(after)
}

fn cargo(lines: &[&str], found: &mut Found) {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let captured =
            between(line, "---- ", " stdout ----").or_else(|| between(line, "---- ", " stderr ----"));
        if let Some(name) = captured {
            found.name(name);
            let end =
                until(lines, at, usize::MAX - at - 1, |it| it.starts_with("---- ") || it == "failures:");
            found.blocks.push(at..end);
            at = end;
            continue;
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|it| it.strip_suffix(" ... FAILED")) {
            found.name(name.strip_suffix(" - should panic").unwrap_or(name));
        } else if *line == "failures:" {
            // The list of names; what a test said comes as a block of its own.
            let listed = lines.iter().skip(at + 1).skip_while(|it| is_blank(it));
            listed.take_while(|it| it.starts_with("    ")).for_each(|it| found.name(it));
        } else if let Some(name) = nextest(line) {
            found.name(name);
            let next = |it: &str| nextest(it).is_some() || it.trim_start().starts_with("PASS [");
            found.blocks.push(at..until(lines, at, BLOCK_MAX, next));
        } else if line.starts_with("error: ") || line.starts_with("error[") {
            let end = until(lines, at, BLOCK_MAX, is_blank);
            found.blocks.push(at..end);
            at = end;
            continue;
        } else if line.starts_with("test result: FAILED")
            || line.starts_with("thread '") && line.contains("' panicked at")
        {
            found.blocks.push(at..until(lines, at, 12, is_blank));
        }
        at += 1;
    }
}

/// `        FAIL [   0.004s] (1/3) the-crate tests::a`
fn nextest(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (word, rest) = line.split_once(" [")?;
    let failed = matches!(word, "FAIL" | "TIMEOUT" | "ABORT" | "LEAK-FAIL") || word.starts_with("SIG");
    let (took, name) = rest.split_once("] ")?;
    let name = match name.trim_start().split_once(") ") {
        Some((count, name)) if count.starts_with('(') => name,
        _ => name,
    };
    (failed && took.trim().ends_with('s')).then_some(name)
}

/// What stands between signs that fill a line, at least three of them on each side.
pub(super) fn heading(line: &str, fill: char) -> Option<&str> {
    let inner = line.trim().trim_start_matches(fill).trim_end_matches(fill);
    let (before, after) = line.trim().split_once(inner).filter(|_| !inner.is_empty())?;
    (before.len() >= 3 && after.len() >= 3 && inner.starts_with(' ')).then(|| inner.trim())
}

fn python(lines: &[&str], found: &mut Found) {
    let (mut summary, mut told, mut headings) = (Vec::new(), Vec::new(), Vec::new());
    let mut section = "";
    let rule = |it: &str| it.len() >= 20 && it.chars().all(|it| it == '=');
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if let Some(title) = heading(line, '=') {
            section = title;
            if title.contains(" failed") || title.contains(" error") {
                found.blocks.push(at..at + 1);
            }
        } else if matches!(section, "FAILURES" | "ERRORS") && heading(line, '_').is_some() {
            headings.extend(heading(line, '_'));
            let next = |it: &str| heading(it, '_').is_some() || heading(it, '=').is_some();
            let end = until(lines, at, usize::MAX - at - 1, next);
            found.blocks.push(at..end);
            at = end;
            continue;
        } else if let Some(test) = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "))
            && (test.contains("::") || test.contains(".py"))
        {
            // With what went wrong, which stands behind it.
            summary.push(test);
        } else if let Some((test, _)) = [" FAILED", " ERROR"].iter().find_map(|it| line.split_once(it))
            && test.contains(".py::")
        {
            told.push(test);
        } else if let Some(test) = line.strip_prefix("FAIL: ").or_else(|| line.strip_prefix("ERROR: "))
            && at > 0
            && lines.get(at - 1).is_some_and(|it| rule(it))
        {
            headings.push(test);
            found.blocks.push(at..until(lines, at, BLOCK_MAX, |it| rule(it) || it.starts_with("Ran ")));
        }
        at += 1;
    }
    let best = [summary, told, headings].into_iter().find(|it| !it.is_empty());
    best.unwrap_or_default().into_iter().for_each(|it| found.name(it));
}

fn node(lines: &[&str], found: &mut Found) {
    let is_mocha = lines.iter().any(|it| it.trim().strip_suffix(" failing").is_some_and(is_number));
    let bullet = |it: &str| it.trim_start().starts_with("● ");
    for (at, line) in lines.iter().enumerate() {
        let told = line.trim_start();
        if let Some(test) = told.strip_prefix("not ok ") {
            if test.contains("# TODO") || test.contains("# SKIP") {
                continue;
            }
            found.name(test.split_once(" - ").map_or(test, |(_, name)| name));
            let more = lines.get(at + 1).is_some_and(|it| it.trim() == "---");
            let end = if more { until(lines, at, BLOCK_MAX, |it| it.trim() == "...") } else { at + 1 };
            found.blocks.push(at..end);
        } else if told == "✖ failing tests:" {
            found.blocks.push(at..lines.len());
        } else if let Some(test) = ["✖ ", "✕ ", "× "].iter().find_map(|it| told.strip_prefix(it)) {
            found.name(without_time(test));
        } else if let Some(test) = told.strip_prefix("● ").filter(|it| *it != "Console") {
            found.name(test);
            let ends = |it: &str| {
                bullet(it) || ["Test Suites:", "PASS ", "FAIL "].iter().any(|word| it.starts_with(word))
            };
            found.blocks.push(at..until(lines, at, BLOCK_MAX, ends));
        } else if let Some(test) = told.strip_prefix("FAIL ") {
            let test = test.trim_start();
            // A file is named with each of its tests below it, unless it could not be read at all.
            if test.contains(" > ") || test.contains("[ ") {
                found.name(test);
                found.blocks.push(at..until(lines, at, BLOCK_MAX, |it| it.trim_start().starts_with('⎯')));
            } else {
                found.blocks.push(at..at + 1);
            }
        } else if is_mocha && told.strip_suffix(" failing").is_some_and(is_number) {
            found.blocks.push(at..lines.len());
        } else if is_mocha && told.split_once(") ").is_some_and(|(number, _)| is_number(number)) {
            found.name(told.split_once(") ").map_or(told, |(_, name)| name));
        } else if ["): error TS", " - error TS"].iter().any(|it| line.contains(it)) {
            found.blocks.push(at..until(lines, at, 8, |it| !is_indented(it) && !is_blank(it)));
        } else if ["Tests:", "Test Suites:", "Tests  ", "ℹ fail", "# fail"]
            .iter()
            .any(|it| told.starts_with(it))
        {
            found.blocks.push(at..at + 1);
        }
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|it| it.is_ascii_digit())
}

/// A test's name without how long it took: `adds up (5 ms)`, `adds up 5ms`.
fn without_time(name: &str) -> &str {
    let is_time = |it: &str| {
        let it = it.trim_matches(['(', ')']);
        let number = it.strip_suffix("ms").or_else(|| it.strip_suffix('s')).unwrap_or_default().trim();
        !number.is_empty() && number.chars().all(|it| it.is_ascii_digit() || it == '.')
    };
    let name = name.trim_end();
    match (name.rsplit_once(" ("), name.rsplit_once(' ')) {
        (Some((before, time)), _) if is_time(time) => before,
        (_, Some((before, time))) if is_time(time) => before,
        _ => name,
    }
}

fn go(lines: &[&str], found: &mut Found) {
    for (at, line) in lines.iter().enumerate() {
        let told = line.trim_start();
        if let Some(test) = told.strip_prefix("--- FAIL: ") {
            let name = test.split_whitespace().next().unwrap_or(test);
            found.name(name);
            let ends = |it: &str| !is_indented(it) || it.trim_start().starts_with("--- ");
            let end = until(lines, at, BLOCK_MAX, ends);
            // With `-v` what a test says comes before its end, from where it began to run.
            let run = format!("=== RUN   {name}");
            let earlier = lines.iter().enumerate().take(at).skip(at.saturating_sub(BLOCK_MAX));
            let begun = earlier.rev().find(|(_, it)| it.trim_end() == run).map_or(at, |(n, _)| n);
            found.blocks.push(begun..end);
        } else if line.starts_with("FAIL\t") || line.starts_with("FAIL ") && line.ends_with(']') {
            if let Some(package) = line.strip_suffix(" failed]").and_then(|it| it.split_whitespace().nth(1)) {
                found.name(package);
            }
            found.blocks.push(at..at + 1);
        } else if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
            found.blocks.push(at..at + 30);
        } else if line.starts_with("# ") && lines.get(at + 1).is_some_and(|it| place(it).is_some()) {
            found.blocks.push(at..until(lines, at, BLOCK_MAX, |it| place(it).is_none() && !is_indented(it)));
        }
    }
    let last = lines.len();
    found.blocks.iter_mut().for_each(|it| it.end = it.end.min(last));
}

/// What is said of a place in a file: `path:3:5: what`, also without a column.
fn place(line: &str) -> Option<&str> {
    let (path, rest) = line.split_once(':')?;
    let (number, rest) = rest.split_once(':')?;
    let is_place = !path.is_empty() && !path.contains(' ') && is_number(number);
    is_place.then_some(rest)
}

fn make(lines: &[&str], found: &mut Found) {
    for (at, line) in lines.iter().enumerate() {
        let says_error = |it: &str| it.contains("error: ") || it.contains("Error: ");
        if place(line).is_some_and(says_error) {
            // The function that it is in is named before it.
            let from =
                if at > 0 && lines.get(at - 1).is_some_and(|it| it.contains(": In ")) { at - 1 } else { at };
            found.blocks.push(from..until(lines, at, 12, |it| !is_indented(it)));
        } else if line.starts_with("make") && line.contains("***")
            || line.starts_with("CMake Error")
            || ["undefined reference to", "multiple definition of", "ld returned", "ninja: build stopped"]
                .iter()
                .any(|it| line.contains(it))
        {
            found.blocks.push(at..until(lines, at, 8, |it| !is_indented(it)));
        } else if line.starts_with("FAILED: ") {
            found.blocks.push(at..until(lines, at, 12, |it| it.starts_with('[')));
        }
    }
}

/// Words that tell of failure in any language that tools speak.
const SIGNS: [&str; 18] = [
    "error",
    "fail",
    "panic",
    "exception",
    "fatal",
    "assert",
    "undefined",
    "cannot",
    "can't",
    "not found",
    "no such",
    "denied",
    "unexpected",
    "mismatch",
    "segmentation",
    "abort",
    "traceback",
    "refused",
];
/// What has such a word and tells of none.
const NO_SIGNS: [&str; 6] = ["0 error", "0 fail", "no error", "failures: 0", "errors: 0", "failed: 0"];

/// Lines with such words, and a little around them.
fn signs(lines: &[&str], found: &mut Found) {
    let told: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, it)| {
            let it = it.to_lowercase();
            SIGNS.iter().any(|sign| it.contains(sign)) && !NO_SIGNS.iter().any(|sign| it.contains(sign))
        })
        .map(|(n, _)| n)
        .collect();
    // The first are causes, the last are what came of them.
    let (first, last) = (told.iter().take(SIGNS_MAX / 2), told.iter().rev().take(SIGNS_MAX / 2));
    found.blocks.extend(first.chain(last).map(|at| at.saturating_sub(2)..(at + 6).min(lines.len())));
}

/// How many tests a command counted, in words, if it says so.
pub(super) fn counts(lines: &[&str], lens: Lens) -> Option<String> {
    let of = |it: Lens| lens == it || lens == Lens::Any;
    let cargo = || {
        let results = lines.iter().filter_map(|it| it.strip_prefix("test result: ok. "));
        let number = |it: &str, word: &str| -> Option<u64> {
            it.split("; ").find_map(|it| it.strip_suffix(word)?.trim().parse().ok())
        };
        let (mut binaries, mut passed, mut ignored) = (0, 0, 0);
        for it in results {
            binaries += 1;
            passed += number(it, " passed").unwrap_or_default();
            ignored += number(it, " ignored").unwrap_or_default();
        }
        let warned = lines.iter().filter(|it| it.starts_with("warning: ")).count();
        let warnings = |n| if n == 1 { "1 warning".to_owned() } else { format!("{n} warnings") };
        match (binaries, warned) {
            (0, 0) => {
                lines.iter().rev().find_map(|it| it.trim().strip_prefix("Summary [")).map(str::to_owned)
            }
            (0, n) => Some(warnings(n)),
            (_, 0) => Some(format!("{passed} passed, {ignored} ignored")),
            (_, n) => Some(format!("{passed} passed, {ignored} ignored, {}", warnings(n))),
        }
    };
    let python = || {
        let last = lines.iter().rev().filter_map(|it| heading(it, '=')).find(|it| it.contains(" passed"));
        last.map(str::to_owned)
            .or_else(|| lines.iter().rev().find(|it| it.starts_with("Ran ")).map(|it| (*it).to_owned()))
    };
    let node = || {
        let told = lines.iter().rev().map(|it| it.trim());
        let mut jest = told.clone().filter(|it| it.starts_with("Tests:") || it.starts_with("Tests  "));
        let mut tap = told.filter_map(|it| it.strip_prefix("ℹ pass ").or_else(|| it.strip_prefix("# pass ")));
        jest.next().map(str::to_owned).or_else(|| tap.next().map(|it| format!("{it} passed")))
    };
    let go = || {
        let packages = lines.iter().filter(|it| it.starts_with("ok  \t") || it.starts_with("ok \t")).count();
        (packages > 0).then(|| format!("{packages} packages hold"))
    };
    let all: [(Lens, &dyn Fn() -> Option<String>); 4] =
        [(Lens::Cargo, &cargo), (Lens::Python, &python), (Lens::Node, &node), (Lens::Go, &go)];
    all.iter().filter(|(it, _)| of(*it)).find_map(|(_, counts)| counts())
}
