//! Ticks a task: exactly one byte of its line, guarded by the line as it was read; and, where a policy asks for it, a
//! `Done` line under its block. Nothing else of the file changes, whatever its line ends or its encoding.

use pilothouse_contract::TaskId;

use super::read::{checkbox, outside_fences, split_id};

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
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (number, found) = outside_fences(lines.iter().map(|line| line.trim_end_matches(['\n', '\r'])))
        .find_map(|(number, line)| {
            let bare = line.strip_prefix('\u{feff}').unwrap_or(line);
            let mut found = checkbox(bare)?;
            found.state_at += line.len() - bare.len();
            (split_id(found.rest)?.0 == task.as_str()).then_some((number, found))
        })
        .ok_or_else(missing)?;
    match found.state {
        'x' | 'X' => return Ok(file.to_vec()),
        ' ' => {}
        mark => return Err(TickError::Marked { task: task.clone(), mark }),
    }
    let begin: usize = lines.iter().take(number).map(|line| line.len()).sum();
    let mut out = file.to_vec();
    *out.get_mut(begin + found.state_at).ok_or_else(missing)? = b'x';
    if let Some(done) = done {
        let line = lines.get(number).copied().ok_or_else(missing)?;
        let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
        let indent = " ".repeat(found.indent + 2);
        // Behind the last line of the block: those that are indented deeper than the task.
        let below: usize = lines
            .iter()
            .skip(number + 1)
            .take_while(|line| {
                let bare = line.trim_end();
                !bare.is_empty() && bare.len() - bare.trim_start().len() > found.indent
            })
            .map(|line| line.len())
            .sum();
        let at = begin + line.len() + below;
        let mut insert = String::new();
        if !out.get(..at).is_some_and(|before| before.ends_with(b"\n")) {
            insert.push_str(end);
        }
        insert.push_str(&format!("{indent}- Done: {}{end}", done.says));
        out.splice(at..at, insert.into_bytes());
    }
    Ok(out)
}
