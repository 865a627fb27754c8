//! Going through a change by keys: lines, hunks, files; opening what is folded; saying that a file was viewed.

use leptos::prelude::*;

use super::sheet::Stands;
use super::{Look, files, keep_viewed, rows};
use crate::desk::Desk;

/// Whether rows are on the page and can be seen.
pub(crate) fn is_shown() -> bool {
    rows::scroller().is_some_and(|it| it.client_height() > 0)
}

/// The marked line of the diff that is shown: its file, and its number there; 0 if the file no longer has it.
pub(crate) fn marked(look: Look) -> Option<(String, u32)> {
    let sheet = look.sheet.get_untracked().filter(|_| rows::scroller().is_some())?;
    let line = match sheet.at(look.mark.get_untracked()?)? {
        Stands::Row(row) => look.row(row).filter(|it| it.line.is_some()).and_then(|it| it.new),
        Stands::Fold(..) => None,
    };
    Some((sheet.file.path.clone(), line.unwrap_or(0)))
}

/// Where the marked line stands if a diff can be seen, `path:line: `, for whoever writes of it.
pub(crate) fn place_in_words(look: Look) -> Option<String> {
    let (path, line) = is_shown().then(|| marked(look)).flatten()?;
    let line = if line == 0 { String::new() } else { format!(":{line}") };
    Some(format!("{}{line}: ", crate::words::one(&path)))
}

/// Heeds a key of the rows. Returns whether it was one.
pub(crate) fn heed(desk: Desk, word: &str) -> bool {
    let look = desk.diff;
    if !is_shown() {
        return false;
    }
    let Some(sheet) = look.sheet.get_untracked() else { return false };
    // Where words stand beside the rows, these keys move what has the focus.
    let within =
        document().active_element().is_some_and(|it| it.closest("[data-name=diff]").ok().flatten().is_some());
    let Some(last) = sheet.lines().checked_sub(1) else { return false };
    let mark = look.mark.get_untracked().map(|it| it.min(last));
    let begin = || sheet.hunk_from(None, true).unwrap_or(0);
    let to = match word {
        "j" => mark.map_or_else(begin, |it| (it + 1).min(last)),
        "k" => mark.map_or_else(begin, |it| it.saturating_sub(1)),
        "arrowdown" if within => mark.map_or_else(begin, |it| (it + 1).min(last)),
        "arrowup" if within => mark.map_or_else(begin, |it| it.saturating_sub(1)),
        "pagedown" if within => (mark.unwrap_or(0) + rows::screen()).min(last),
        "pageup" if within => mark.unwrap_or(0).saturating_sub(rows::screen()),
        "home" if within => 0,
        "end" if within => last,
        "enter" if mark.is_some_and(|it| matches!(sheet.at(it), Some(Stands::Fold(..)))) => {
            open(look, mark.unwrap_or(0));
            return true;
        }
        "arrowright" if within && sheet.which.split => {
            look.shift.update(|it| *it = it.saturating_add(8).min(2000));
            return true;
        }
        "arrowleft" if within && sheet.which.split => {
            look.shift.update(|it| *it = it.saturating_sub(8));
            return true;
        }
        _ => return false,
    };
    go(look, to);
    true
}

fn go(look: Look, line: u32) {
    look.mark.set(Some(line));
    rows::show(look, line);
}

/// Opens what is folded in a line.
pub(super) fn open(look: Look, line: u32) {
    if let Some(sheet) = look.sheet.get_untracked() {
        look.sheet.set(Some(std::sync::Arc::new(sheet.opened(line))));
        look.mark.set(Some(line));
        rows::measure_soon(look);
    }
}

/// Goes to the next hunk or the one before; behind the last one the next file begins.
pub(crate) fn to_hunk(look: Look, down: bool) {
    let Some(sheet) = look.sheet.get_untracked() else { return };
    match sheet.hunk_from(look.mark.get_untracked(), down) {
        Some(line) => go(look, line),
        None => to_file(look, down),
    }
}

/// Goes to the next file of the list or the one before.
pub(crate) fn to_file(look: Look, down: bool) {
    let listed = untrack(|| look.listed());
    let chosen = look.file.get_untracked();
    let next = if down {
        listed.iter().find(|it| **it > chosen)
    } else {
        listed.iter().rev().find(|it| **it < chosen)
    };
    if let Some(next) = next {
        look.mark.set(None);
        look.file.set(*next);
    }
}

/// Says that the file was viewed that is shown, or that it was not. While another one is chosen and not shown yet nobody saw it, and
/// nothing is said.
pub(crate) fn toggle_viewed(look: Look) {
    let Some(file) = look.on_show() else { return };
    look.viewed.update(|all| {
        if !all.remove(&file) {
            all.insert(file);
        }
    });
    if let (Some(of), Some(change)) = (look.of.get_untracked(), look.change.get_untracked()) {
        keep_viewed(of, &change, &look.viewed.get_untracked());
    }
}

/// Puts both sides beside each other, or below each other.
pub(crate) fn toggle_split(look: Look) {
    let split = !untrack(|| look.split());
    look.wish.set(Some(split));
    look.shift.set(0);
    crate::place::keep("ph.split", if split { "true" } else { "false" });
}

/// Puts the keyboard into the field that narrows the files.
pub(crate) fn narrow() {
    files::narrow();
}
