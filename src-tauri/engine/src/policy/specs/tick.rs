//! Ticks a task: exactly one byte of its line, guarded by the line as it was read; and, where a policy asks for it, a
//! `Done` line under its block. Nothing else of the file changes, whatever its line ends or its encoding.

use pilothouse_contract::TaskId;

use super::lines::{Line, lines};
use super::read::{checkbox, split_id};

/// Why a task could not be ticked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TickError {
    /// There is no such task line.
    #[error("{task} is not in the task file any more")]
    Missing {
        /// Which task.
        task: TaskId,
    },
    /// The box has a mark that is not ours to change.
    #[error("the box of {task} holds '{mark}', which we read but never write")]
    Marked {
        /// Which task.
        task: TaskId,
        /// The mark.
        mark: char,
    },
    /// The file is not text.
    #[error("the task file is not UTF-8 text")]
    NotText,
}

/// What a `Done` line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The line's value.
    pub says: String,
}

/// Ticks a task in the bytes of its file. A task that is ticked already comes back unchanged.
///
/// # Errors
/// See [`TickError`].
pub fn tick(file: &[u8], task: &TaskId, done: Option<&Done>) -> Result<Vec<u8>, TickError> {
    let text = std::str::from_utf8(file).map_err(|_| TickError::NotText)?;
    let missing = || TickError::Missing { task: task.clone() };
    let all: Vec<Line<'_>> = lines(text).collect();
    let (place, line, found) = all
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.hidden)
        .find_map(|(place, line)| {
            let found = checkbox(line.text)?;
            (split_id(found.rest)?.0 == task.as_str()).then_some((place, line, found))
        })
        .ok_or_else(missing)?;
    match found.state {
        'x' | 'X' => return Ok(file.to_vec()),
        ' ' => {}
        mark => return Err(TickError::Marked { task: task.clone(), mark }),
    }
    let mut out = file.to_vec();
    *out.get_mut(line.span.from + found.state_at).ok_or_else(missing)? = b'x';
    if let Some(done) = done {
        let end = if text.get(line.span.to..line.end) == Some("\r\n") { "\r\n" } else { "\n" };
        let indent = " ".repeat(found.indent + 2);
        // Behind the last line of the block: those that are indented deeper than the task.
        let deeper = |it: &&Line<'_>| {
            let bare = it.text.trim_end();
            !bare.is_empty() && bare.len() - bare.trim_start().len() > found.indent
        };
        let below = all.iter().skip(place + 1).take_while(deeper).last();
        let at = below.unwrap_or(line).end;
        let mut insert = String::new();
        if !out.get(..at).is_some_and(|before| before.ends_with(b"\n")) {
            insert.push_str(end);
        }
        insert.push_str(&format!("{indent}- Done: {}{end}", done.says));
        out.splice(at..at, insert.into_bytes());
    }
    Ok(out)
}
