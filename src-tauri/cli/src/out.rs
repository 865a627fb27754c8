//! Everything this program prints. Text for people by default; one JSON document with `--json`. Other people's text is
//! made plain before it reaches a terminal.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one voice of this program")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use pilothouse_contract::{At, Fault, text};
use serde::Serialize;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    /// JSON instead of text.
    pub(crate) json: bool,
}

impl Out {
    /// Prints a value: as JSON, or by `show`.
    pub(crate) fn value<T: Serialize>(self, value: &T, show: impl FnOnce(&T) -> String) {
        if self.json {
            self.document(value);
        } else {
            self.text(show(value).trim_end_matches('\n'));
        }
    }

    /// Prints a JSON document.
    pub(crate) fn document<T: Serialize>(self, value: &T) {
        let document = serde_json::to_string_pretty(value).unwrap_or_default();
        // A reader that went away has read enough.
        let _gone = writeln!(std::io::stdout(), "{document}");
    }

    /// Prints a JSON document on one line.
    pub(crate) fn line<T: Serialize>(self, value: &T) {
        let document = serde_json::to_string(value).unwrap_or_default();
        let _gone = writeln!(std::io::stdout(), "{document}");
    }

    /// Prints text for people; nothing with `--json`. Whatever it was made of, no escape sequence gets out here.
    pub(crate) fn text(self, says: &str) {
        if !self.json && !says.is_empty() {
            let _gone = writeln!(std::io::stdout(), "{}", text::plain(says, true));
        }
    }

    /// Says something aside, on standard error; nothing with `--json`.
    pub(crate) fn aside(self, says: &str) {
        if !self.json {
            eprintln!("{}", text::plain(says, true));
        }
    }

    /// Prints why something could not be run. The exit code for it.
    pub(crate) fn fault(self, fault: &Fault) -> ExitCode {
        if self.json {
            self.document(&serde_json::json!({ "fault": fault }));
        } else {
            let mut says = format!("{}.", text::plain(&fault.message, true).trim_end_matches('.'));
            for hint in &fault.hints {
                let _ = write!(says, "\n  → {}", text::plain(&hint.text, true));
                if let Some(command) = &hint.command {
                    let _ = write!(says, ": {}", text::plain(command, false));
                }
            }
            if let Some(detail) = &fault.detail {
                for line in text::plain(detail, true).lines() {
                    let _ = write!(says, "\n    {line}");
                }
            }
            eprintln!("{says}");
        }
        ExitCode::from(2)
    }
}

/// A table: columns as wide as their widest cell, two spaces between, the last as long as it likes.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| text::plain(cell, false)).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|it| it.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut add = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    };
    add(&mut head.iter().copied());
    for row in &rows {
        add(&mut row.iter().map(String::as_str));
    }
    out
}

/// A text whole: each of its lines broken at a width, all of them set in. What a person decides on is not cut.
pub(crate) fn whole(says: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let blank = " ".repeat(indent);
    let mut out = String::new();
    for line in text::plain(says, true).replace('\t', " ").lines() {
        let letters: Vec<char> = line.chars().collect();
        for piece in letters.chunks(room) {
            let _ = writeln!(out, "{blank}{}", piece.iter().collect::<String>());
        }
    }
    out
}

/// Text of others on one line, cut at a width that a terminal has.
pub(crate) fn short(says: &str, width: usize) -> String {
    text::line(says, width)
}

/// A point in time for people, in UTC.
pub(crate) fn clock(at: At) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|it| it.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// A span for people.
pub(crate) fn span(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..60 => format!("{s}.{} s", ms.max(0) % 1000 / 100),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shown_whole() {
        let long = format!("{}\nand \x1b[1A more", "x".repeat(70));
        let shown = whole(&long, 2, 40);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines,
            [&format!("  {}", "x".repeat(38)), &format!("  {}", "x".repeat(32)), "  and \u{241b}[1A more"]
        );
    }

    #[test]
    fn tables_line_up_and_hold_no_escapes() {
        let out = table(
            &["ID", "TITLE"],
            &[vec!["i1".to_owned(), "a\x1b[31m".to_owned()], vec!["i100".to_owned(), String::new()]],
        );
        assert_eq!(out, "ID    TITLE\ni1    a\u{241b}[31m\ni100\n");
    }
}
