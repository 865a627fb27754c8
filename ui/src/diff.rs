//! A unified diff as git prints it, read and shown: files, hunks, numbered lines with their signs. What is long is cut
//! visibly, never silently.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::words::one;

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A file begins: what stands above it.
    File {
        /// Its path, and the old one where it was renamed.
        path: String,
        /// `new file`, `deleted`, `binary`, or nothing.
        note: &'static str,
    },
    /// A hunk begins; what git says it is in.
    Hunk(String),
    /// A line, with its number on the side where it stands.
    Text {
        /// `+`, `-` or a blank.
        sign: char,
        /// Its number.
        number: u32,
        /// Its text, without the sign.
        text: String,
    },
}

/// A file of a diff in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Size {
    /// Its path.
    pub(crate) path: String,
    /// Lines added.
    pub(crate) added: u32,
    /// Lines taken away.
    pub(crate) removed: u32,
}

/// So many lines are shown at once; more are shown when they are asked for.
const AT_ONCE: usize = 1500;

/// Reads a diff.
pub(crate) fn read(diff: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut old, mut new) = (0_u32, 0_u32);
    // Lines that a hunk still has to come on either side: what looks like a heading inside a hunk is text.
    let (mut old_left, mut new_left) = (0_u32, 0_u32);
    let mut note = "";
    let mut path = String::new();
    for line in diff.lines() {
        if old_left == 0 && new_left == 0 {
            if let Some(rest) = line.strip_prefix("diff --git ") {
                path = path_of(rest);
                note = "";
                lines.push(Line::File { path: path.clone(), note });
            } else if line.starts_with("new file mode") {
                note = "new file";
            } else if line.starts_with("deleted file mode") {
                note = "deleted";
            } else if line.starts_with("Binary files ") {
                note = "binary";
            } else if let Some(to) = line.strip_prefix("+++ ") {
                if to != "/dev/null" {
                    path = unquote(to.strip_prefix("b/").unwrap_or(to)).trim_start_matches("b/").to_owned();
                }
            } else if let Some(rest) = line.strip_prefix("@@ -") {
                (old, old_left, new, new_left) = ranges(rest);
                let within = rest.split_once("@@").map_or("", |it| it.1).trim();
                lines.push(Line::Hunk(within.to_owned()));
            }
            if let Some(Line::File { path: known, note: known_note }) =
                lines.iter_mut().rev().find(|it| matches!(it, Line::File { .. }))
            {
                known.clone_from(&path);
                *known_note = note;
            }
            continue;
        }
        let mut signs = line.chars();
        match signs.next() {
            Some('+') => {
                lines.push(Line::Text { sign: '+', number: new, text: signs.as_str().to_owned() });
                new += 1;
                new_left = new_left.saturating_sub(1);
            }
            Some('-') => {
                lines.push(Line::Text { sign: '-', number: old, text: signs.as_str().to_owned() });
                old += 1;
                old_left = old_left.saturating_sub(1);
            }
            Some('\\') => {}
            _ => {
                lines.push(Line::Text { sign: ' ', number: new, text: signs.as_str().to_owned() });
                old += 1;
                new += 1;
                old_left = old_left.saturating_sub(1);
                new_left = new_left.saturating_sub(1);
            }
        }
    }
    lines
}

/// The path of `a/x b/x`.
fn path_of(rest: &str) -> String {
    if rest.starts_with('"') {
        return unquote(rest.split("\" \"").last().unwrap_or(rest)).trim_start_matches("b/").to_owned();
    }
    // Both halves are the same but for renames, where `+++` tells.
    let half = rest.len() / 2;
    rest.get(half + 1..).map_or_else(|| rest.to_owned(), |it| it.trim_start_matches("b/").to_owned())
}

/// Takes git's quotes off a path; its escapes stay as they are, they are safe to show.
fn unquote(text: &str) -> &str {
    text.trim_start_matches('"').trim_end_matches('"')
}

/// `12,3 +14,5 @@` as start and length of either side.
fn ranges(text: &str) -> (u32, u32, u32, u32) {
    let mut sides = text.split_whitespace();
    let mut side = || {
        let (start, length) = sides
            .next()
            .map(|it| it.trim_start_matches('+'))
            .map_or(("0", "0"), |it| it.split_once(',').unwrap_or((it, "1")));
        (start.parse().unwrap_or(0), length.parse().unwrap_or(0))
    };
    let ((old, old_length), (new, new_length)) = (side(), side());
    (old, old_length, new, new_length)
}

/// The files of a diff in numbers.
pub(crate) fn sizes(lines: &[Line]) -> Vec<Size> {
    let mut sizes: Vec<Size> = Vec::new();
    for line in lines {
        match (line, sizes.last_mut()) {
            (Line::File { path, .. }, _) => sizes.push(Size { path: path.clone(), ..Size::default() }),
            (Line::Text { sign: '+', .. }, Some(size)) => size.added += 1,
            (Line::Text { sign: '-', .. }, Some(size)) => size.removed += 1,
            _ => {}
        }
    }
    sizes
}

/// A diff in a well.
#[component]
pub(crate) fn Diff(#[prop(into)] text: String, cut: bool) -> impl IntoView {
    let lines = read(&text);
    let files = sizes(&lines);
    let (added, removed) = files.iter().fold((0, 0), |sum, it| (sum.0 + it.added, sum.1 + it.removed));
    let total = lines.len();
    let most = RwSignal::new(AT_ONCE);
    // Whoever went to a file wants to see it, however far down it stands.
    let desk = crate::desk::desk();
    let heads: Vec<(usize, String)> =
        lines.iter().enumerate().filter_map(|(n, it)| head(it).map(|it| (n, it))).collect();
    Effect::new(move |_| {
        let Some((subject, path)) = desk.place.file.get() else { return };
        let Some((at, _)) = heads.iter().find(|it| it.1 == path) else { return };
        if untrack(|| desk.on_stage()) != Some(subject) {
            return;
        }
        desk.place.file.set(None);
        most.update(|it| *it = (*it).max(at + AT_ONCE));
        request_animation_frame(move || show(&path));
    });
    let rows = move || {
        let most = most.get();
        // The first hunk of a file needs no line of its own where git names no place.
        let follows = |n: usize| {
            n.checked_sub(1).and_then(|it| lines.get(it)).is_some_and(|it| matches!(it, Line::File { .. }))
        };
        let shown = lines.iter().enumerate().take(most);
        shown
            .filter(|(n, it)| !(follows(*n) && **it == Line::Hunk(String::new())))
            .map(|(_, it)| row(it))
            .collect_view()
    };
    let more = move || {
        (total > most.get()).then(|| view! {
        <button class="button" type="button" on:click=move |_| most.update(|it| *it += AT_ONCE)>{format!("Show {} more lines", total - most.get())}</button>
    })
    };
    if total == 0 {
        return view! { <p class="none">"Nothing was changed."</p> }.into_any();
    }
    view! {
        <div class="files"><span>{crate::words::count(files.len(), "file")}</span><span class="mono">{format!("+{added} −{removed}")}</span>
            {(files.len() == 1).then(|| files.first().map(|it| view! { <span class="mono cut">{one(&it.path)}</span> }))}
            {cut.then(|| view! { <span class="push">"Cut at 1 MiB: see the rest with git"</span> })}</div>
        <div class="scroll" tabindex="0" data-focus="stage">
            <div class="well diff" data-name="diff">{rows}</div>
            {more}
        </div>
    }
    .into_any()
}

fn head(line: &Line) -> Option<String> {
    match line {
        Line::File { path, .. } => Some(path.clone()),
        _ => None,
    }
}

/// The numbers of lines that can be marked, in order.
fn lines() -> Vec<web_sys::Element> {
    let Ok(all) = document().query_selector_all("[data-name=diff] [data-line]") else { return Vec::new() };
    (0..all.length()).filter_map(|n| all.item(n)?.dyn_into().ok()).collect()
}

/// Moves the mark to the next or the previous line of the diff that is shown. Returns whether there was any.
pub(crate) fn step(down: bool) -> bool {
    let all = lines();
    let at = all.iter().position(|it| it.has_attribute("data-at"));
    let next = match (at, down) {
        (None, _) => Some(0),
        (Some(at), true) => Some((at + 1).min(all.len().saturating_sub(1))),
        (Some(at), false) => Some(at.saturating_sub(1)),
    };
    let Some(next) = next.and_then(|it| all.get(it)) else { return false };
    if let Some(before) = at.and_then(|it| all.get(it)) {
        let _gone = before.remove_attribute("data-at");
    }
    let _set = next.set_attribute("data-at", "");
    let nearest = web_sys::ScrollIntoViewOptions::new();
    nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
    next.scroll_into_view_with_scroll_into_view_options(&nearest);
    true
}

/// The marked line: its file, and its number there.
pub(crate) fn marked() -> Option<(String, u32)> {
    let line = document().query_selector("[data-name=diff] [data-at]").ok().flatten()?;
    let number = line.get_attribute("data-line")?.parse().ok()?;
    let mut before = line.previous_element_sibling();
    while let Some(it) = before {
        if let Some(path) = it.get_attribute("data-path") {
            return Some((path, number));
        }
        before = it.previous_element_sibling();
    }
    None
}

/// Brings a file's head to the top of what is seen.
fn show(path: &str) {
    let Ok(heads) = document().query_selector_all("[data-name=diff] [data-path]") else { return };
    let heads = (0..heads.length()).filter_map(|n| heads.item(n)?.dyn_into::<web_sys::Element>().ok());
    if let Some(head) = heads.into_iter().find(|it| it.get_attribute("data-path").as_deref() == Some(path)) {
        head.scroll_into_view_with_bool(true);
    }
}

fn row(line: &Line) -> AnyView {
    match line {
        Line::File { path, note } => view! { <div class="wide file" data-path=path.clone()><b>{one(path)}</b>{(!note.is_empty()).then(|| format!(" · {note}"))}</div> }.into_any(),
        Line::Hunk(within) => view! { <div class="wide hunk">{if within.is_empty() { "…".to_owned() } else { one(within) }}</div> }.into_any(),
        Line::Text { sign, number, text } => {
            let d = match sign { '+' => Some("+"), '-' => Some("-"), _ => None };
            // What was taken away is no line of what is proposed.
            let at = (*sign != '-').then(|| number.to_string());
            view! {
                <div class="ln" data-d=d data-line=at>{*number}</div><div class="sg" data-d=d>{d.unwrap_or("")}</div><div class="tx" data-d=d>{one(text)}</div>
            }.into_any()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "diff --git a/x.txt b/x.txt\nindex 1..2 100644\n--- a/x.txt\n+++ b/x.txt\n@@ -1,3 +1,3 @@ fn a\n one\n--- two\n+++ two\n three\ndiff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n";

    #[test]
    fn what_looks_like_a_heading_inside_a_hunk_is_text() {
        let lines = read(SAMPLE);
        assert_eq!(lines[0], Line::File { path: "x.txt".into(), note: "" });
        assert_eq!(lines[3], Line::Text { sign: '-', number: 2, text: "-- two".into() });
        assert_eq!(lines[4], Line::Text { sign: '+', number: 2, text: "++ two".into() });
        assert_eq!(lines[6], Line::File { path: "n".into(), note: "new file" });
        let sizes = sizes(&lines);
        assert_eq!((sizes[0].added, sizes[0].removed, sizes[1].added), (1, 1, 1));
    }
}
