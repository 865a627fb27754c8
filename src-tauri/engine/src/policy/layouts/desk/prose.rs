//! What a spec asks, assumes, decides and weighs: questions and whether they block, assumptions and decisions with where they come from, the
//! tables of risks and of what stays compatible.
//!
//! Refuses to take a question for answered because it is old: it says so itself, or it blocks.

use pilothouse_contract::desk::{AskState, Noted, Place, Register, RegisterRow, Source, SpecQuestion};
use pilothouse_contract::layout::Layout;

use super::{Docs, Part, parts};
use crate::policy::specs::table::{is_rule, row};
use crate::policy::specs::{Line, lines};

const CLARIFY: &str = "[NEEDS CLARIFICATION";
/// Words that stand where something is to be written.
const PLACEHOLDERS: [&str; 4] = ["TBD", "TODO", "FIXME", "???"];
/// Items of a list are read so deep into a file at most.
const ITEMS_MAX: usize = 500;

/// The questions of an item, those that block first.
pub(super) fn questions(docs: &Docs<'_>) -> Vec<SpecQuestion> {
    let mut all = Vec::new();
    let spec = super::gates::spec_of(docs.item);
    for (path, text) in docs.prose() {
        for line in lines(text).filter(|it| !it.hidden && !docs.is_tasks(path, it.span.from)) {
            let place = Place::new(path, line.number);
            if let Some(at) = line.text.find(CLARIFY) {
                let rest = line.text.get(at + CLARIFY.len()..).unwrap_or_default();
                let asks = rest.split(']').next().unwrap_or_default().trim_start_matches(':').trim();
                let asks = if asks.is_empty() { "asks for a clarification" } else { asks };
                all.push(SpecQuestion {
                    asks: asks.to_owned(),
                    state: AskState::Blocks,
                    place: place.clone(),
                    says: "answer it, and delete the mark".to_owned(),
                });
            }
            let word = PLACEHOLDERS.into_iter().find(|it| line.text.contains(it));
            if let Some(word) = word.filter(|_| spec == Some(path)) {
                all.push(SpecQuestion {
                    asks: format!("{word} stands in: {}", line.text.trim()),
                    state: AskState::Blocks,
                    place,
                    says: "write what is meant".to_owned(),
                });
            }
        }
        all.extend(asked(docs, path, text));
    }
    all.sort_by(|one, other| (one.state, &one.place).cmp(&(other.state, &other.place)));
    all
}

/// Questions of the sections that hold such, which nobody answered.
pub(super) fn unanswered(docs: &Docs<'_>) -> Vec<(Place, String)> {
    let all = docs.prose().flat_map(|(path, text)| asked(docs, path, text));
    all.filter(|it| it.state == AskState::Blocks).map(|it| (it.place, it.asks)).collect()
}

fn asked(docs: &Docs<'_>, path: &str, text: &str) -> Vec<SpecQuestion> {
    let of = sections(text, &["open question"]);
    let all = of.iter().flat_map(|part| entries(part)).filter(|it| !docs.is_tasks(path, it.at));
    // A mark within one is a question already.
    let all = all.filter(|it| !it.says.contains(CLARIFY) && !is_none(&it.says));
    all.map(|it| {
        let lower = it.says.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let state = if has(&["needs confirmation", "to be confirmed", "blocking"]) {
            AskState::Blocks
        } else if has(&["answer", "resolved", "decided", "closed"]) && !has(&["unanswered", "not answered"]) {
            AskState::Answered
        } else if has(&["default"]) {
            AskState::Defaulted
        } else {
            AskState::Blocks
        };
        let says = match state {
            AskState::Blocks => {
                "write the answer behind it as 'Answer: …', or 'Default: …' with what holds until then"
            }
            AskState::Defaulted => "confirm it, for a default that is wrong costs most at the start",
            AskState::Answered => "",
        };
        SpecQuestion { asks: it.says, state, place: Place::new(path, it.line), says: says.to_owned() }
    })
    .collect()
}

fn is_none(says: &str) -> bool {
    let bare = says.trim_matches(|it: char| !it.is_alphanumeric()).to_lowercase();
    ["none", "no open questions", "nothing", "n/a"].contains(&bare.as_str()) || bare.starts_with("none ")
}

/// The parts of a text whose heading holds one of some words, the deeper ones of them left out.
fn sections<'a>(text: &'a str, words: &[&str]) -> Vec<Part<'a>> {
    let mut ends = 0;
    let all = parts(text).into_iter().filter(|it| words.iter().any(|word| it.words.contains(word)));
    all.filter(|it| {
        let outer = it.line > ends;
        if outer {
            ends = it.body.last().map_or(it.line, |it| it.number);
        }
        outer
    })
    .collect()
}

/// One thing of a list, of a table, or below a heading of its own.
struct Entry {
    says: String,
    line: usize,
    at: usize,
    /// Whether it is a heading.
    headed: bool,
}

/// What stands in a part, one by one: rows of a table, else headings, else items of a list with what is set in below them.
fn entries(part: &Part<'_>) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut head: Option<Vec<String>> = None;
    for line in part.body.iter().filter(|it| !it.hidden) {
        let text = line.text.trim();
        if let Some(cells) = row(line) {
            if head.is_none() {
                head = Some(Vec::new());
            } else if !is_rule(&cells) {
                let says = cells.iter().map(|it| it.text).filter(|it| !it.is_empty());
                push(&mut all, line, says.collect::<Vec<_>>().join(" · "));
            }
            continue;
        }
        if text.is_empty() || text.starts_with("<!--") {
            continue;
        }
        let set_in = line.text.starts_with([' ', '\t']);
        let deeper = text.starts_with('#');
        let words = bullet(text).unwrap_or(text).trim_start_matches(['#', ' ']).trim();
        match all.last_mut() {
            Some(last) if set_in || !(deeper || bullet(text).is_some()) => {
                last.says.push(' ');
                last.says.push_str(words);
            }
            // Below a heading of its own a list belongs to it.
            Some(last) if !deeper && last.headed => {
                last.says.push(' ');
                last.says.push_str(words);
            }
            _ => push(&mut all, line, words.to_owned()),
        }
    }
    all
}

fn push(all: &mut Vec<Entry>, line: &Line<'_>, says: String) {
    if all.len() < ITEMS_MAX && !says.is_empty() {
        let headed = line.text.starts_with('#');
        all.push(Entry { says, line: line.number, at: line.span.from, headed });
    }
}

/// The words of an item of a list.
fn bullet(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(['-', '*', '+']) {
        return rest.strip_prefix(' ').map(str::trim);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(digits..).filter(|_| digits > 0)?;
    rest.strip_prefix(['.', ')']).and_then(|it| it.strip_prefix(' ')).map(str::trim)
}

/// Assumptions and decisions.
pub(super) fn noted(docs: &Docs<'_>) -> Vec<Noted> {
    let mut all = Vec::new();
    for (path, text) in docs.prose() {
        for (decided, words) in [(false, ["assumption"]), (true, ["decision"])] {
            for part in sections(text, &words) {
                let entries = entries(&part).into_iter();
                let entries = entries.filter(|it| !docs.is_tasks(path, it.at) && !is_none(&it.says));
                all.extend(entries.map(|it| Noted {
                    decided,
                    source: source(&it.says),
                    says: it.says,
                    place: Place::new(path, it.line),
                }));
            }
        }
    }
    all
}

fn source(says: &str) -> Source {
    let lower = says.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    if has(&["by a person", "confirmed by", "answered by", "decided by", "agreed with", "human"]) {
        Source::Person
    } else if has(&["default"]) {
        Source::Default
    } else {
        Source::Unknown
    }
}

/// The tables of risks and of what stays compatible.
pub(super) fn registers(docs: &Docs<'_>) -> Vec<Register> {
    let mut all = Vec::new();
    for (path, text) in docs.prose() {
        for part in sections(text, &["risk", "compatib"]) {
            let register = register(path, &part, docs.item.layout == Layout::Native);
            if !docs.is_tasks(path, part.body.first().map_or(0, |it| it.span.from)) {
                all.push(register);
            }
        }
    }
    all
}

fn register(path: &str, part: &Part<'_>, needed: bool) -> Register {
    let mut heads: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for line in part.body.iter().filter(|it| !it.hidden) {
        let Some(cells) = row(line) else { continue };
        if heads.is_empty() {
            heads = cells.iter().map(|it| it.text.trim_matches('*').to_owned()).collect();
        } else if !is_rule(&cells) && rows.len() < ITEMS_MAX {
            let empty = heads.iter().enumerate().filter(|(n, head)| {
                !head.is_empty() && cells.get(*n).is_none_or(|it| matches!(it.text, "" | "-" | "?" | "TBD"))
            });
            rows.push(RegisterRow {
                line: line.number,
                empty: empty.map(|(_, it)| it.clone()).collect(),
                cells: cells.iter().map(|it| it.text.to_owned()).collect(),
            });
        }
    }
    let words = || part.body.iter().filter(|it| !it.hidden).map(|it| it.text.trim());
    let reason = words().find_map(|it| {
        let at = it.to_ascii_lowercase().find("because")?;
        it.get(at + "because".len()..).map(|it| it.trim().to_owned())
    });
    if heads.is_empty() && reason.is_none() && !needed {
        let of_list = entries(part).into_iter();
        rows = of_list
            .map(|it| RegisterRow { line: it.line, cells: vec![it.says], empty: Vec::new() })
            .collect();
    }
    let because = reason.filter(|_| rows.is_empty());
    Register { name: part.title.clone(), place: Place::new(path, part.line), heads, rows, because, needed }
}
