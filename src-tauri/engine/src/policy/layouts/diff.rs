//! What edits change in a file, as a unified diff that `git apply` takes.
//!
//! Refuses to compare texts: it is told what is replaced by what.

use std::ops::Range;

use super::edit::Edit;
use super::part;
use pilothouse_contract::layout::Span;

/// So many lines that stay are shown around those that change.
const AROUND: usize = 3;

/// Lines that go, and what comes in their place.
struct Group {
    old: Range<usize>,
    new: String,
}

/// Edits in the order of their places, none of which meet, as people and programs read them. Nothing if nothing changes.
pub(super) fn unified(file: &str, text: &str, edits: &[Edit]) -> String {
    let mut begins = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        begins.push(at);
        at += line.len();
    }
    let groups = groups(text, &begins, edits);
    if groups.is_empty() {
        return String::new();
    }
    let line = |number: usize| {
        let from = begins.get(number).copied().unwrap_or(text.len());
        let to = begins.get(number + 1).copied().unwrap_or(text.len());
        part(text, Span { from, to })
    };
    let mut out = format!("--- {}\n+++ {}\n", name('a', file), name('b', file));
    let near = |one: &Group, next: &Group| next.old.start.saturating_sub(one.old.end) <= 2 * AROUND;
    // How many lines more the new text has above.
    let mut more = 0_isize;
    for hunk in groups.chunk_by(near) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let from = first.old.start.saturating_sub(AROUND);
        let to = (last.old.end + AROUND).min(begins.len());
        let mut body = String::new();
        let (mut gone, mut come) = (0_usize, 0_usize);
        let mut next = from;
        for group in hunk {
            for number in next..group.old.start {
                push(&mut body, ' ', line(number));
            }
            for number in group.old.clone() {
                push(&mut body, '-', line(number));
                gone += 1;
            }
            for it in group.new.split_inclusive('\n') {
                push(&mut body, '+', it);
                come += 1;
            }
            next = group.old.end;
        }
        for number in next..to {
            push(&mut body, ' ', line(number));
        }
        let old = to - from;
        let new = old + come - gone;
        // A side without lines is named by the line before it.
        let begin = |first: usize, count: usize| first + usize::from(count > 0);
        let there = from.saturating_add_signed(more);
        out.push_str(&format!("@@ -{},{old} +{},{new} @@\n{body}", begin(from, old), begin(there, new)));
        more += come.cast_signed() - gone.cast_signed();
    }
    out
}

/// Edits by the lines that they touch.
fn groups(text: &str, begins: &[usize], edits: &[Edit]) -> Vec<Group> {
    let of = |at: usize| begins.partition_point(|it| *it <= at).saturating_sub(1);
    let lines = |edit: &Edit| {
        let (from, to) = (edit.at.from, edit.at.to);
        let between = from == text.len() && (text.is_empty() || text.ends_with('\n'));
        if from == to && (between || (begins.contains(&from) && edit.with.ends_with('\n'))) {
            let number = begins.partition_point(|it| *it < from);
            return number..number;
        }
        let last = if to > from { of(to - 1) } else { of(from) };
        of(from)..last + 1
    };
    let mut groups: Vec<(Range<usize>, Vec<&Edit>)> = Vec::new();
    for edit in edits.iter().filter(|it| part(text, it.at) != it.with) {
        let range = lines(edit);
        match groups.last_mut().filter(|(it, _)| range.start < it.end || *it == range) {
            Some((it, all)) => {
                it.end = it.end.max(range.end);
                all.push(edit);
            }
            None => groups.push((range, vec![edit])),
        }
    }
    groups
        .into_iter()
        .map(|(old, edits)| {
            let begin = |number: usize| begins.get(number).copied().unwrap_or(text.len());
            let (mut at, end) = (begin(old.start), begin(old.end));
            let mut new = String::new();
            for edit in edits {
                new.push_str(part(text, Span { from: at, to: edit.at.from }));
                new.push_str(&edit.with);
                at = edit.at.to;
            }
            new.push_str(part(text, Span { from: at, to: end }));
            Group { old, new }
        })
        .collect()
}

fn push(out: &mut String, sign: char, line: &str) {
    out.push(sign);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

/// A path as diffs name it; between quotation marks if it holds what would end the line.
fn name(side: char, file: &str) -> String {
    let odd = |it: char| it.is_control() || it == '"' || it == '\\';
    if file.contains(odd) {
        format!("\"{side}/{}\"", file.escape_default())
    } else {
        format!("{side}/{file}")
    }
}
