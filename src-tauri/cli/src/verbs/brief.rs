//! `pilothouse brief`: what happened since a person left, on one page: as text of 80 columns, as Markdown, or as the facts
//! with the ids of the rows behind every figure.

use std::fmt::Write as _;

use pilothouse_contract::brief::page::{self, Row, RowKind};
use pilothouse_contract::brief::{Brief, Since};
use pilothouse_contract::{At, ask, text};

use super::back::{Back, back};
use crate::desk::{self, End, HOLDS};
use crate::out::Out;

/// A line of text is at most so wide.
const COLUMNS: usize = 80;
/// What a row says begins here.
const INDENT: usize = 16;
/// Of the rows behind a figure so many are named; `--json` names all.
const NAMED: usize = 8;
/// A row of Markdown says at most so much, in signs.
const WIDTH: usize = 400;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Since when: a span back from now (8h, 90min), a time in UTC (2026-11-20T22:00), or `last` for the last thing a person
    /// did. Without it since that or for 12 hours, whichever is longer ago
    #[arg(long, value_parser = back)]
    since: Option<Back>,
    /// As Markdown
    #[arg(long)]
    md: bool,
}

pub(crate) async fn run(args: &Args, out: Out) -> End {
    let since = args.since.map(|it| match it {
        Back::Last => Since::LastDeed,
        Back::To(at) => Since::At(at),
    });
    let brief = desk::call(ask::brief::Show { since }).await?;
    out.value(&brief, |it| if args.md { markdown(it) } else { plain(it) });
    Ok(HOLDS)
}

/// A moment, `22:14`; with its day if that is not the day of the other moment.
fn clock(at: At, beside: At) -> String {
    let shown = |at: At, how: &str| {
        let at = jiff::Timestamp::from_millisecond(at.0);
        at.map(|it| it.strftime(how).to_string()).unwrap_or_default()
    };
    let day = |at| shown(at, "%Y-%m-%d");
    if day(at) == day(beside) { shown(at, "%H:%M") } else { shown(at, "%Y-%m-%d %H:%M") }
}

/// The beginning and the end of the stretch, and why it begins there.
fn stretch(it: &Brief) -> (String, String) {
    let long_ago = At(i64::MIN / 2);
    let head = match it.since {
        At(0) => "Everything so far".to_owned(),
        since => format!("{} UTC to {}", clock(since, long_ago), clock(it.until, since)),
    };
    (head, format!("{}: {}", page::span(it.until.since_ms(it.since)), page::begins(it)))
}

fn label(row: &Row) -> String {
    row.priority.map_or_else(|| row.label.clone(), |p| format!("P{} {}", p.digit(), row.label))
}

/// The rows of the store behind a row, and when it happened.
fn behind(row: &Row, until: At) -> Vec<String> {
    let mut all: Vec<String> = row.ids.iter().take(NAMED).cloned().collect();
    match row.ids.len().saturating_sub(NAMED) {
        0 => {}
        n => all.push(format!("and {n} more")),
    }
    all.extend(row.at.map(|at| clock(at, until)));
    all
}

fn plain(it: &Brief) -> String {
    let (head, why) = stretch(it);
    let mut says = format!("Since you left   {head}\n");
    paragraph(&mut says, "", 0, &why);
    says.push('\n');
    paragraph(&mut says, "", 0, &page::headline(it));
    for row in page::rows(it) {
        let indent = match row.kind {
            RowKind::Section => {
                let _ = write!(says, "\n{}\n", row.label.to_uppercase());
                continue;
            }
            RowKind::Head => 2,
            RowKind::Detail => 4,
        };
        let behind = behind(&row, it.until);
        let tail = if behind.is_empty() { String::new() } else { format!(" [{}]", behind.join(" ")) };
        paragraph(
            &mut says,
            &format!("{:indent$}{}", "", label(&row)),
            INDENT,
            &format!("{}{tail}", row.says),
        );
    }
    says
}

/// A text broken between its words where a line is full, set in, with a label before its first line.
fn paragraph(out: &mut String, label: &str, indent: usize, says: &str) {
    let room = COLUMNS - indent;
    let mut line = String::new();
    let mut lines = Vec::new();
    for word in says.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.chars().count() + 1 + word.len() > room {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        // A word that fits no line is broken.
        while word.len() > room {
            let rest = word.split_off(room);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        line.extend(word);
    }
    lines.push(line);
    for (n, line) in lines.iter().enumerate() {
        let before = if n == 0 { label } else { "" };
        let whole = format!("{before:<indent$}{line}");
        let _ = writeln!(out, "{}", whole.trim_end());
    }
}

fn markdown(it: &Brief) -> String {
    let (head, why) = stretch(it);
    let of = |says: &str| text::markdown(says, WIDTH);
    let mut says =
        format!("# Since you left: {}\n\n{}.\n\n{}\n", of(&head), of(&why), of(&page::headline(it)));
    for row in page::rows(it) {
        let indent = match row.kind {
            RowKind::Section => {
                let _ = write!(says, "\n## {}\n\n", of(&row.label));
                continue;
            }
            RowKind::Head => "",
            RowKind::Detail => "  ",
        };
        let behind = behind(&row, it.until);
        let tail = if behind.is_empty() { String::new() } else { format!(" ({})", of(&behind.join(", "))) };
        let _ = writeln!(says, "{indent}- **{}** {}{tail}", of(&label(&row)), of(&row.says));
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let mut out = String::new();
        paragraph(&mut out, "    failed", INDENT, &format!("{} {}", "word ".repeat(40), "x".repeat(200)));
        assert!(out.lines().all(|it| it.chars().count() <= COLUMNS), "{out}");
        assert!(out.starts_with("    failed      word word"), "{out}");
        assert!(out.lines().skip(1).all(|it| it.starts_with(&" ".repeat(INDENT))), "{out}");
        assert_eq!(out.matches('x').count(), 200);
    }
}
