//! Writing: a tick, a phase that is appended, a line that annotates. Each begins by reading the file as it is now, and is refused where the
//! line is another than the one that was read: nobody's edit in between is lost.
//!
//! Refuses to touch a byte outside of what it names, and to write where a layout's own tools must.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{LaidItem, LaidTask, Mark, Span};

use super::diff::unified;
use super::{Files, Found, adapter, part, read};

/// Bytes that are replaced by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which.
    pub at: Span,
    /// By what.
    pub with: String,
}

/// A task that is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// What it says.
    pub title: String,
    /// Its keys and values, in order.
    pub meta: Vec<(String, String)>,
}

/// What a file becomes. Nothing is written by this: whoever asked writes it, or shows the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub file: String,
    /// All of its bytes.
    pub bytes: Vec<u8>,
    /// What changed, as a unified diff; nothing if nothing did.
    pub diff: String,
}

/// Why nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such task any more.
    #[error("{task} is not in {file} any more: read it again")]
    Missing {
        /// Which.
        task: TaskId,
        /// Where it was.
        file: String,
    },
    /// Somebody changed its line.
    #[error(
        "line {line} of {file} is another than the one that was read of {task}: read it again, and look whether it still holds"
    )]
    Changed {
        /// Which task.
        task: TaskId,
        /// Where it is.
        file: String,
        /// In which line.
        line: usize,
    },
    /// Its box says something that is not ours to change.
    #[error("{task} is {} by {file}, which we read but never write over: set it to open or done by hand", mark.word())]
    Marked {
        /// Which task.
        task: TaskId,
        /// Where it is.
        file: String,
        /// What it says.
        mark: Mark,
    },
    /// Its layout's own tools write it.
    #[error("{0}")]
    Theirs(String),
    /// What would be appended would be hidden there, or be read as something else.
    #[error(
        "what is appended to {file} would not be read as tasks there: close the block or the comment that is open at its end, or write it by hand"
    )]
    Hidden {
        /// Where.
        file: String,
    },
    /// A text that does not fit on one line.
    #[error("'{0}' is more than one line, or none: write it as one")]
    Lines(String),
}

/// The item as it is now, its task, and the text of the file.
struct Now<'a> {
    item: LaidItem,
    task: LaidTask,
    text: &'a str,
}

fn now<'a>(found: &Found, files: &'a Files, item: &str, was: &LaidTask) -> Result<Now<'a>, Refused> {
    let missing = || Refused::Missing { task: was.spec.id.clone(), file: was.file.clone() };
    let item = read(found, files).into_iter().find(|it| it.name == item).ok_or_else(missing)?;
    let same = |it: &&LaidTask| it.spec.id == was.spec.id && it.file == was.file;
    // Of two with one id the one that was read.
    let mut all = item.tasks.iter().filter(same);
    let task =
        all.clone().find(|it| it.hash == was.hash).or_else(|| all.next()).cloned().ok_or_else(missing)?;
    let text = files.get(&was.file).and_then(|it| std::str::from_utf8(it).ok()).ok_or_else(missing)?;
    if task.hash != was.hash {
        let (line, file) = (task.spec.line, was.file.clone());
        return Err(Refused::Changed { task: was.spec.id.clone(), file, line });
    }
    Ok(Now { item, task, text })
}

/// Ticks a task, and what holds it if it was the last. One that is done already comes back as it is.
///
/// # Errors
/// See [`Refused`].
pub fn tick(
    found: &Found,
    files: &Files,
    item: &str,
    was: &LaidTask,
    commit: Option<&str>,
    done: Option<&str>,
) -> Result<Written, Refused> {
    let now = now(found, files, item, was)?;
    let adapter =
        adapter(found.layout).ok_or_else(|| Refused::Theirs("nobody writes this layout".to_owned()))?;
    one_line([commit, done].into_iter().flatten())?;
    let mut edits = Vec::new();
    match now.task.state {
        Mark::Done => {}
        // Steps of a task are ticked one by one.
        Mark::Working if !now.task.steps.is_empty() => {
            edits = adapter.done(&now.task, now.text, commit).map_err(Refused::Theirs)?
        }
        Mark::Open => {
            edits = adapter.done(&now.task, now.text, commit).map_err(Refused::Theirs)?;
            edits.extend(holders(&now));
            if let Some(done) = done {
                let line = adapter.meta("Done", done).map_err(Refused::Theirs)?;
                edits.push(below(&now, &line));
            }
        }
        mark => {
            // What is told of their own tools comes first.
            adapter.done(&now.task, now.text, commit).map_err(Refused::Theirs)?;
            return Err(Refused::Marked { task: was.spec.id.clone(), file: was.file.clone(), mark });
        }
    }
    Ok(written(&now.task.file, now.text, edits))
}

/// What holds a task is done with the last that it holds.
fn holders(now: &Now<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut done = vec![now.task.spec.id.clone()];
    let mut parent = now.task.parent.clone();
    while let Some(id) = parent.take() {
        let left = now.item.tasks.iter().any(|it| {
            it.parent.as_ref() == Some(&id)
                && !it.spec.optional
                && it.state != Mark::Done
                && !done.contains(&it.spec.id)
        });
        let holder = now.item.tasks.iter().find(|it| it.spec.id == id && it.file == now.task.file);
        let Some(holder) = holder.filter(|it| !left && it.state == Mark::Open && !done.contains(&id)) else {
            break;
        };
        edits.push(Edit { at: holder.mark, with: "x".to_owned() });
        done.push(id);
        parent.clone_from(&holder.parent);
    }
    edits
}

/// Puts a key and its value below a task.
///
/// # Errors
/// See [`Refused`].
pub fn annotate(
    found: &Found,
    files: &Files,
    item: &str,
    was: &LaidTask,
    key: &str,
    value: &str,
) -> Result<Written, Refused> {
    let now = now(found, files, item, was)?;
    one_line([key, value])?;
    let adapter =
        adapter(found.layout).ok_or_else(|| Refused::Theirs("nobody writes this layout".to_owned()))?;
    let line = adapter.meta(key, value).map_err(Refused::Theirs)?;
    Ok(written(&now.task.file, now.text, vec![below(&now, &line)]))
}

/// Appends a phase with tasks. Ids go on from the highest; nothing that stands is moved.
///
/// # Errors
/// See [`Refused`].
pub fn append(
    found: &Found,
    files: &Files,
    item: &str,
    file: &str,
    title: &str,
    tasks: &[Fresh],
) -> Result<Written, Refused> {
    let missing = || Refused::Missing { task: TaskId(item.to_owned()), file: file.to_owned() };
    let texts = tasks.iter().flat_map(|it| {
        std::iter::once(it.title.as_str())
            .chain(it.meta.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]))
    });
    one_line(std::iter::once(title).chain(texts))?;
    let name = item;
    let item = read(found, files).into_iter().find(|it| it.name == name).ok_or_else(missing)?;
    let text = files.get(file).and_then(|it| std::str::from_utf8(it).ok()).ok_or_else(missing)?;
    if !item.files.iter().any(|it| it == file) {
        return Err(missing());
    }
    let adapter =
        adapter(found.layout).ok_or_else(|| Refused::Theirs("nobody writes this layout".to_owned()))?;
    let end = line_end(text);
    let added = adapter.added(&item, title, tasks, end).map_err(Refused::Theirs)?;
    let at = adapter.end_of(text);
    let before = part(text, Span { from: 0, to: at });
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { end };
    let edit = Edit { at: Span { from: at, to: at }, with: format!("{gap}{added}") };
    let written = written(file, text, vec![edit]);
    // Read again, all that stood there is as it was, and what came are tasks.
    let mut after = files.clone();
    after.insert(file.to_owned(), written.bytes.clone());
    let after = read(found, &after).into_iter().find(|it| it.name == name);
    let count = |item: &LaidItem| item.tasks.iter().filter(|it| !it.holds).count();
    let ids = |item: &LaidItem| item.tasks.iter().map(|it| it.spec.id.clone()).collect::<Vec<_>>();
    let holds = after.is_some_and(|after| {
        count(&after) == count(&item) + tasks.len() && ids(&item).iter().all(|it| ids(&after).contains(it))
    });
    if holds { Ok(written) } else { Err(Refused::Hidden { file: file.to_owned() }) }
}

fn one_line<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), Refused> {
    match texts.into_iter().find(|it| it.trim().is_empty() || it.contains(['\n', '\r'])) {
        Some(bad) => Err(Refused::Lines(bad.to_owned())),
        None => Ok(()),
    }
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A line at the end of a task's own block, set in below it.
fn below(now: &Now<'_>, line: &str) -> Edit {
    let row = part(now.text, now.task.row);
    let indent: String = row.chars().take_while(|it| it.is_whitespace()).chain("  ".chars()).collect();
    let end = line_end(now.text);
    let at = now.task.span.to;
    let gap = if part(now.text, Span { from: 0, to: at }).ends_with('\n') { "" } else { end };
    Edit { at: Span { from: at, to: at }, with: format!("{gap}{indent}- {line}{end}") }
}

fn written(file: &str, text: &str, mut edits: Vec<Edit>) -> Written {
    edits.sort_by_key(|it| (it.at.from, it.at.to));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in &edits {
        out.push_str(part(text, Span { from: at, to: edit.at.from }));
        out.push_str(&edit.with);
        at = edit.at.to;
    }
    out.push_str(part(text, Span { from: at, to: text.len() }));
    let diff = unified(file, text, &edits);
    Written { file: file.to_owned(), bytes: out.into_bytes(), diff }
}
