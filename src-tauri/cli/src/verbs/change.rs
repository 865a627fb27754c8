//! What a pull request or an attempt changes: its files with their counts, and the rows of a file, page by page.

use clap::Args;
use pilothouse_contract::ask::change::{Change, Ends, File, Files, Line, Of, Page, ROWS_MAX, Row, Rows};
use pilothouse_contract::{Fault, text};
use serde::Serialize;

use crate::desk;
use crate::out::{Out, table};

/// How a change is looked at.
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// Only its files, with lines added and taken out
    #[arg(long, conflicts_with = "file")]
    stat: bool,
    /// Only this file, by its path as it is listed
    #[arg(long)]
    file: Option<String>,
    /// From this row of the file on, counted from 0 with all that is unchanged
    #[arg(long, requires = "file", default_value_t = 0)]
    at: u32,
    /// At most so many rows; all of them if none
    #[arg(long, requires = "file")]
    most: Option<u32>,
}

impl Look {
    /// Whether it says nothing of how.
    pub(super) fn is_plain(&self) -> bool {
        !self.stat && self.file.is_none()
    }
}

/// A file with rows of it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    file: &'a File,
    #[serde(flatten)]
    page: Page,
}

/// Shows a change.
pub(super) async fn show(of: Of, look: &Look, out: Out) -> Result<(), Fault> {
    let change = desk::call(Files { of }).await?;
    if look.stat {
        out.value(&change, stat);
        return Ok(());
    }
    if let Some(path) = &look.file {
        let at = change.files.iter().position(|it| it.path == *path).ok_or_else(|| {
            Fault::missing(format!("the change has no file '{}'", text::plain(path, false)))
                .hint("see which it has with --stat")
        })?;
        let page = rows(of, &change, at, look.at, look.most).await?;
        if let Some(file) = change.files.get(at) {
            out.value(&Shown { file, page }, |it| says(it.file, &it.page));
        }
        return Ok(());
    }
    if out.json {
        out.document(&change);
        return Ok(());
    }
    for (at, file) in change.files.iter().enumerate() {
        out.text(&says(file, &rows(of, &change, at, 0, None).await?));
    }
    Ok(())
}

/// Rows of a file, with what there is to say of the whole.
async fn rows(of: Of, change: &Change, file: usize, at: u32, most: Option<u32>) -> Result<Page, Fault> {
    let mut page = Page { head: None, at, rows: Vec::new() };
    let most = most.unwrap_or(u32::MAX);
    loop {
        let got = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
        let (from, to) = (change.from.clone(), change.to.clone());
        let file = u32::try_from(file).unwrap_or(u32::MAX);
        let (at, left) = (at.saturating_add(got), most.saturating_sub(got).min(ROWS_MAX));
        let head = page.head.is_none();
        let next = desk::call(Rows { of, from, to, file, split: false, at, most: left, head }).await?;
        let ended = next.rows.is_empty();
        page.head = page.head.or(next.head);
        page.rows.extend(next.rows);
        if ended {
            return Ok(page);
        }
    }
}

fn stat(change: &Change) -> String {
    let of = |it: &File| {
        let count = |sign: char, n: u32| if it.binary { "-".to_owned() } else { format!("{sign}{n}") };
        let path = match &it.old {
            Some(old) => format!("{old} → {}", it.path),
            None => it.path.clone(),
        };
        vec![it.status.letter().to_owned(), count('+', it.added), count('-', it.removed), path]
    };
    let rows: Vec<Vec<String>> = change.files.iter().map(of).collect();
    let (added, removed) = change.size();
    let n = change.files.len();
    let files = if n == 1 { "file" } else { "files" };
    format!("{}{n} {files}, +{added} -{removed}", table(&["", "ADDED", "REMOVED", "FILE"], &rows))
}

/// A file for people: its name, what rows cannot show, and its rows with what is folded.
fn says(file: &File, page: &Page) -> String {
    let mut says = format!("{} {}", file.status.letter(), text::plain(&file.path, false));
    let (mut gaps, notes) = page.head.as_ref().map_or((&[][..], &[][..]), |it| (&it.gaps[..], &it.notes[..]));
    for note in notes {
        says.push_str(&format!("\n  {}", text::plain(note, false)));
    }
    for (at, row) in (page.at..).zip(&page.rows) {
        while gaps.first().is_some_and(|(from, count)| at >= from + count) {
            gaps = gaps.get(1..).unwrap_or_default();
        }
        match gaps.first() {
            Some((from, count)) if at == *from || (at > *from && at == page.at) => {
                says.push_str(&format!("\n@@ {} unchanged", from + count - at));
            }
            Some((from, _)) if at > *from => {}
            _ => says.push_str(&line(row)),
        }
    }
    says.push('\n');
    says
}

fn line(row: &Row) -> String {
    let (sign, line) = match (&row.out, &row.line) {
        (Some(out), _) => ('-', out),
        (None, Some(line)) if row.is_same() => (' ', line),
        (None, Some(line)) => ('+', line),
        (None, None) => return String::new(),
    };
    let Line { text, more, ends, .. } = line;
    let more = if *more == 0 { String::new() } else { format!(" … {more} more bytes") };
    let ends = match ends {
        Ends::Usually => "",
        Ends::CrLf => "␍",
        Ends::Never => "\n\\ No newline at end of file",
    };
    // A tab stays one, for a change of nothing but blanks is one.
    format!("\n{sign}{}{more}{ends}", text::plain(text, true).replace('\n', " "))
}
