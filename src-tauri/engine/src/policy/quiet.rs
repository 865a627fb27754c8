//! Quiet: what of a command's output is worth reading. One line for one that went well; else the names of all tests that
//! failed, the places that say how, and where the whole output lies.
//!
//! Pure: reads text. It refuses to lose the name of a test that failed, and to hand on what a terminal would heed. What of an
//! output it does not know is looked through for words of failure; if there are none, its end is shown.

mod formats;
mod tally;

use std::fmt::Write as _;
use std::ops::Range;

use pilothouse_contract::pace::Tally;
use pilothouse_contract::text;

use formats::Found;
pub use formats::Lens;

/// What is shown takes at most so many bytes.
pub const SHOWN_MAX: usize = 16 * 1024;
/// The names of tests that failed take at most so many of them.
const NAMES_MAX: usize = 10 * 1024;
/// A name is at most so long, and a line, in signs.
const NAME_MAX: usize = 300;
const LINE_MAX: usize = 400;
/// An output of so many bytes is shown as it is.
const SHORT: usize = 1024;
/// A place takes at least so many bytes, or it is left out.
const PLACE_MIN: usize = 160;
/// So many of the last lines are shown where nothing else was found.
const TAIL: usize = 60;

/// A command that came to its end.
#[derive(Debug, Clone, Copy)]
pub struct Ran<'a> {
    /// What it was, in a few words.
    pub command: &'a str,
    /// Its exit code; nothing if it had none, as when a signal ended it.
    pub exit: Option<i32>,
    /// How it ended, in words, and after how long.
    pub ended: &'a str,
    /// Where the whole output can be read.
    pub whole: &'a str,
    /// How long the whole output is, in bytes: it may be longer than what is at hand of it.
    pub bytes: u64,
}

/// What is worth reading of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distilled {
    /// That, as plain text; it ends with where the whole lies, unless it is the whole.
    pub shown: String,
    /// How long the whole output is, in bytes.
    pub whole_bytes: u64,
    /// How long that is which is shown, in bytes.
    pub shown_bytes: u64,
    /// How many tests ran, if the output tells.
    pub tests: Option<Tally>,
}

/// Distils an output.
#[must_use]
pub fn distil(output: &[u8], ran: &Ran<'_>, lens: Lens) -> Distilled {
    let lines = clean(output);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let shown = if ran.exit == Some(0) { one_line(&lines, ran, lens) } else { failure(&lines, ran, lens) };
    let tests = tally::of(&lines, lens);
    Distilled { whole_bytes: ran.bytes, shown_bytes: shown.len() as u64, shown, tests }
}

/// How many tests passed by what a command says; nothing if it says nothing of the kind.
#[must_use]
pub fn tests_passed(output: &[u8], lens: Lens) -> Option<u32> {
    let lines = clean(output);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    tally::of(&lines, lens).map(|it| it.passed)
}

/// What went well is told on one line: what the command said, if that is one line; else how many tests it counted.
fn one_line(lines: &[&str], ran: &Ran<'_>, lens: Lens) -> String {
    let mut said = lines.iter().filter(|it| !it.trim().is_empty());
    let (only, more) = (said.next(), said.next());
    if let (Some(only), None) = (only, more)
        && only.chars().count() <= 200
    {
        return (*only).to_owned();
    }
    let command = text::line(ran.command, 120);
    let counts =
        formats::counts(lines, lens).map(|it| format!(": {}", text::line(&it, 200))).unwrap_or_default();
    match only {
        None => format!("{command}: {}, no output", ran.ended),
        Some(_) => format!(
            "{command}: {}{counts} ({}: {})",
            ran.ended,
            text::size(ran.bytes),
            text::line(ran.whole, 300)
        ),
    }
}

fn failure(lines: &[&str], ran: &Ran<'_>, lens: Lens) -> String {
    let last = format!("Whole output, {}: {}", text::size(ran.bytes), text::line(ran.whole, 300));
    let mut shown = format!("{}: {}", text::line(ran.command, 120), ran.ended);
    let whole: usize = lines.iter().map(|it| it.len() + 1).sum();
    let is_short = whole <= SHORT && ran.bytes <= 2 * SHORT as u64;
    let mut found = if is_short { Found::default() } else { formats::find(lines, lens) };
    names(&mut shown, &found.names);
    shown.push('\n');
    let room = SHOWN_MAX.saturating_sub(shown.len() + last.len() + 8);
    if is_short {
        found.blocks.push(0..lines.len());
    } else if found.blocks.is_empty() {
        found.blocks.push(lines.len().saturating_sub(TAIL)..lines.len());
    } else {
        // The last lines are where most programs say what it came to.
        found.blocks.push(lines.len().saturating_sub(3)..lines.len());
    }
    places(&mut shown, lines, &merged(found.blocks), room);
    shown.push_str(&last);
    shown
}

/// All names of tests that failed.
fn names(shown: &mut String, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let _ = write!(
        shown,
        "\n{} failed:",
        if names.len() == 1 { "1 test".to_owned() } else { format!("{} tests", names.len()) }
    );
    let begin = shown.len();
    for (n, name) in names.iter().enumerate() {
        let name = cut(name, NAME_MAX);
        if shown.len() - begin + name.len() > NAMES_MAX {
            let _ = write!(shown, "\n  and {} more, in the whole output", names.len() - n);
            break;
        }
        let _ = write!(shown, "\n  {name}");
    }
}

/// Ranges in order that neither overlap nor meet.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|it| it.start < it.end);
    ranges.sort_by_key(|it| it.start);
    let mut all: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            // A mark of one line that is left out takes as much room as the line.
            Some(last) if range.start <= last.end + 1 => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

/// Puts places of an output into so much room: each whole if all have it, else the long ones are cut.
fn places(shown: &mut String, lines: &[&str], ranges: &[Range<usize>], room: usize) {
    let fit = (room / PLACE_MIN).max(1);
    let (ranges, more) = ranges.split_at_checked(fit).unwrap_or((ranges, &[]));
    let folded: Vec<Vec<String>> =
        ranges.iter().map(|it| folded(lines.get(it.clone()).unwrap_or_default())).collect();
    let length = |it: &[String]| it.iter().map(|line| line.len() + 1).sum::<usize>() + 32;
    // Those that need less than their share leave the rest of it to the others.
    let mut lengths: Vec<usize> = folded.iter().map(|it| length(it)).collect();
    lengths.sort_unstable();
    let (mut left, mut share) = (room, room);
    for (n, length) in lengths.iter().enumerate() {
        share = left / (lengths.len() - n);
        if *length > share {
            break;
        }
        left -= length;
    }
    let mut at = 0;
    for (range, folded) in ranges.iter().zip(folded) {
        if range.start > at {
            let _ = writeln!(shown, "[… {} …]", left_out(range.start - at));
        }
        let is_whole = length(&folded) <= share;
        for line in if is_whole { folded } else { middle_cut(folded, share) } {
            shown.push_str(&line);
            shown.push('\n');
        }
        at = range.end;
    }
    if let Some(more) = more.first() {
        let _ = writeln!(shown, "[… {} …]", left_out(lines.len().saturating_sub(more.start)));
    }
}

fn left_out(lines: usize) -> String {
    if lines == 1 { "1 line left out".to_owned() } else { format!("{lines} lines left out") }
}

/// Lines of which those that say the same one after the other are one, and none is endless.
fn folded(lines: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        let again = after.iter().take_while(|it| *it == line).count();
        all.push(cut(line, LINE_MAX));
        match again {
            0 => {}
            1 if line.trim().is_empty() => {}
            1 => all.push(cut(line, LINE_MAX)),
            n if line.trim().is_empty() => all.push(format!("[… {} …]", left_out(n))),
            n => all.push(format!("[… the same line {n} times more …]")),
        }
        rest = after.get(again..).unwrap_or_default();
    }
    all
}

/// The beginning and the end of a place that is too long: more of the beginning, which names what follows from it.
fn middle_cut(lines: Vec<String>, room: usize) -> Vec<String> {
    let room = room.saturating_sub(64);
    let fitting = |lines: &mut dyn Iterator<Item = &String>, room: usize| {
        let mut used = 0;
        lines
            .take_while(|it| {
                used += it.len() + 1;
                used <= room
            })
            .count()
    };
    let head = fitting(&mut lines.iter(), room * 2 / 3).max(1);
    let tail = fitting(&mut lines.iter().skip(head).rev(), room / 3);
    let between = lines.len().saturating_sub(head + tail);
    let mut all = lines;
    let rest = all.split_off(all.len() - tail.min(all.len()));
    all.truncate(head);
    if let Some(only) = all.first_mut().filter(|it| it.len() > room) {
        *only = cut(only, room / 4);
    }
    if between > 0 {
        all.push(format!("[… {} …]", left_out(between)));
    }
    all.extend(rest);
    all
}

fn cut(line: &str, most: usize) -> String {
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// The lines of an output as somebody would have read them: without colours and other sequences, of lines that were written
/// over the last state, and nothing that a terminal heeds.
fn clean(output: &[u8]) -> Vec<String> {
    let whole = String::from_utf8_lossy(output);
    let whole = without_sequences(&whole);
    whole
        .split('\n')
        .map(|line| {
            let line = line.trim_end_matches('\r');
            let over = line.rsplit('\r').find(|it| !it.trim().is_empty()).unwrap_or_default();
            text::plain(over, true).trim_end().to_owned()
        })
        .collect()
}

/// Source of the syntax: ECMA-48.
fn without_sequences(whole: &str) -> String {
    let mut out = String::with_capacity(whole.len());
    let mut signs = whole.chars();
    while let Some(sign) = signs.next() {
        if sign != '\u{1b}' {
            out.push(sign);
            continue;
        }
        match signs.next() {
            // To its final byte; one that is cut off ends where it does.
            Some('[') => {
                let end = signs.find(|it| !('\u{20}'..='\u{3f}').contains(it));
                out.extend(end.filter(|it| !('\u{40}'..='\u{7e}').contains(it)));
            }
            // To its terminator, but not beyond the line: one that is cut off must not take the rest with it.
            Some(']' | 'P' | '_' | '^' | 'X') => {
                let mut before = ' ';
                for it in signs.by_ref() {
                    if it == '\u{7}' || (before == '\u{1b}' && it == '\\') {
                        break;
                    }
                    if it == '\n' {
                        out.push(it);
                        break;
                    }
                    before = it;
                }
            }
            // Which character set: one more.
            Some('(' | ')' | '*' | '+') => drop(signs.next()),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests;
