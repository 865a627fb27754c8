//! The gates of a spec and a plan, as far as files can tell: shape (G1), open questions (G2), risk and compatibility (G3), plan (G5). Each
//! finding carries its remedy.
//!
//! Refuses to say that a gate holds which only a run or a person can tell: those are not listed.

use std::collections::HashSet;

use pilothouse_contract::layout::{Diagnostic, GateLook, LaidItem, LaidTask, Layout};
use pilothouse_contract::spec::{Remark, Verify};
use pilothouse_contract::text;

use super::waves::{Limits, waves};
use super::{Files, Text, markdown};
use crate::policy::specs::{heading, lines, proofs, shape};

/// A spec above this is warned of: nobody reads it, and no agent is handed it whole.
pub(super) const SPEC_LINES: usize = 1000;
pub(super) const SPEC_TOKENS: usize = 15_000;
pub(super) const PHASE_TOKENS: usize = 8000;

fn look(gate: &str, looks_at: &str, found: Vec<Diagnostic>) -> GateLook {
    let holds = !found.iter().any(|it| it.remark.blocking);
    GateLook { gate: gate.to_owned(), looks_at: looks_at.to_owned(), holds, found }
}

/// A heading that a spec must have: the words in small letters that it is known by, and how it is written.
type Heading = (&'static str, &'static str);

/// The headings that a layout wants, and the file that holds them.
fn sections(layout: Layout) -> (&'static str, &'static [Heading]) {
    match layout {
        Layout::Native => (
            "spec.md",
            &[
                ("summary", "Summary"),
                ("requirement", "Requirements"),
                ("success", "Success criteria"),
                ("compatib", "Compatibility"),
                ("risk", "Risks"),
                ("open question", "Open questions"),
            ],
        ),
        Layout::SpecKit => (
            "spec.md",
            &[
                ("user scenario", "User Scenarios & Testing"),
                ("requirement", "Requirements"),
                ("success criteria", "Success Criteria"),
            ],
        ),
        Layout::OpenSpec => ("proposal.md", &[("why", "Why"), ("what changes", "What Changes")]),
        Layout::OpenMercato => ("", &[("risk", "Risks"), ("phas", "Phasing")]),
        _ => ("", &[]),
    }
}

/// The file of an item that says what is wanted.
pub(super) fn spec_of(item: &LaidItem) -> Option<&str> {
    let names: &[&str] = match item.layout {
        Layout::OpenSpec => &["/proposal.md"],
        Layout::Kiro | Layout::CcSdd => &["/requirements.md", "/bugfix.md"],
        Layout::OpenMercato => {
            return item.files.iter().find(|it| it.starts_with(".ai/specs/")).map(String::as_str);
        }
        Layout::Superpowers | Layout::Bmad => return Some(&item.path),
        _ => &["/spec.md", "/plan.md"],
    };
    names.iter().find_map(|name| item.files.iter().find(|it| it.ends_with(name))).map(String::as_str)
}

/// The gates of a spec. `has` says whether there is such a path in the repository.
#[must_use]
pub fn spec(item: &LaidItem, files: &Files, has: &dyn Fn(&str) -> bool) -> Vec<GateLook> {
    let mut shape: Vec<Diagnostic> =
        item.diagnostics.iter().filter(|it| !is_tasks(item, &it.remark.file)).cloned().collect();
    let (name, wanted) = sections(item.layout);
    let text = spec_of(item).and_then(|path| {
        let text = std::str::from_utf8(files.get(path)?).ok()?;
        Some((path, text))
    });
    let Some((path, text)) = text else {
        if !shape.iter().any(|it| it.remark.blocking) {
            let file = if name.is_empty() { item.path.clone() } else { format!("{}/{name}", item.path) };
            shape.push(Text::of(&file, "").diagnostic(0, "is missing: write what is wanted and why", true));
        }
        return vec![look("G1", "shape of the spec", shape)];
    };
    let text = Text::of(path, text);
    let mut open = Vec::new();
    let mut risks = Vec::new();
    let have = headings(&text);
    for (want, written) in wanted {
        match have.iter().find(|it| it.words.contains(want)) {
            None => {
                let says = format!(
                    "has no section '{written}': add it, with what holds or 'not applicable because'"
                );
                shape.push(text.diagnostic(0, &says, true));
            }
            Some(it) if it.empty => {
                let says = format!("'{}' says nothing: fill it, or write 'not applicable because'", it.words);
                shape.push(text.diagnostic(it.at, &says, true));
            }
            Some(_) => {}
        }
    }
    if item.requirements.is_empty() && matches!(item.layout, Layout::Native | Layout::SpecKit) {
        let says =
            "has no requirement with an id: write them as '- **FR-001**: …', so that tasks can cover them";
        shape.push(text.diagnostic(0, says, true));
    }
    for line in lines(&text).filter(|it| !it.hidden) {
        let at = |word: &str| line.text.find(word).map(|it| line.span.from + it);
        if let Some(at) = at("[NEEDS CLARIFICATION") {
            let says = "asks for a clarification that nobody gave: answer it and delete the mark";
            open.push(text.diagnostic(at, says, true));
        }
        for word in ["TBD", "TODO", "FIXME", "???"] {
            if let Some(at) = at(word) {
                let says = format!("holds the placeholder {word}: write what is meant");
                open.push(text.diagnostic(at, &says, true));
            }
        }
        for (offset, cited) in paths_in(line.text) {
            if !has(cited) {
                let says = format!("cites {cited}, which is not there: mend the path, or say that it is new");
                shape.push(text.diagnostic(line.span.from + offset, &says, false));
            }
        }
    }
    for (place, asks) in super::desk::unanswered(item, files) {
        let remark = Remark {
            line: place.line,
            says: format!("asks '{asks}', and nobody answered: write 'Answer: …' behind it, or 'Default: …'"),
            file: place.file,
            blocking: true,
        };
        open.push(Diagnostic { remark, column: 0 });
    }
    let (long, tokens) = (lines(&text).count(), text.len() / 4);
    if long > SPEC_LINES || tokens > SPEC_TOKENS {
        let says = format!(
            "has {long} lines, about {tokens} tokens: divide it, for no agent is handed so much at once"
        );
        shape.push(text.diagnostic(0, &says, false));
    }
    if item.layout == Layout::Native {
        for want in ["risk", "compatib"] {
            if let Some(it) =
                have.iter().find(|it| it.words.contains(want) && !it.rows && !it.reason && !it.empty)
            {
                let says = format!(
                    "'{}' has no table and no 'because': write a row for each, or say why there is none",
                    it.words
                );
                risks.push(text.diagnostic(it.at, &says, true));
            }
        }
    }
    let mut all = vec![look("G1", "shape of the spec", shape), look("G2", "open questions", open)];
    if item.layout == Layout::Native {
        all.push(look("G3", "risk and compatibility", risks));
    }
    all
}

/// Whether a file holds tasks, so that what is said of it is said of the plan.
pub(super) fn is_tasks(item: &LaidItem, file: &str) -> bool {
    item.tasks.iter().any(|it| it.file == file) || file.ends_with("tasks.md") || file.ends_with(".json")
}

struct Section {
    words: String,
    at: usize,
    empty: bool,
    rows: bool,
    reason: bool,
}

fn headings(text: &str) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for line in lines(text) {
        match heading(line.text).filter(|_| !line.hidden) {
            Some((_, words)) => {
                // A section whose parts say something is not empty.
                let words = words.to_lowercase();
                all.push(Section { words, at: line.span.from, empty: true, rows: false, reason: false });
            }
            None => {
                if let Some(it) = all.last_mut().filter(|_| !line.text.trim().is_empty()) {
                    it.empty = false;
                    it.rows |= line.text.trim_start().starts_with('|');
                    it.reason |= line.text.to_lowercase().contains("because");
                }
            }
        }
    }
    for at in (1..all.len()).rev() {
        let (head, tail) = all.split_at_mut(at);
        if let (Some(it), Some(next)) = (head.last_mut(), tail.first()) {
            let below = text.get(it.at..).map(depth) < text.get(next.at..).map(depth);
            if it.empty && below {
                (it.empty, it.rows, it.reason) = (next.empty, next.rows, next.reason);
            }
        }
    }
    all
}

fn depth(text: &str) -> usize {
    text.bytes().take_while(|it| *it == b'#').count()
}

/// What stands between backticks and looks like a path of a repository.
fn paths_in(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    line.split('`').enumerate().filter_map(move |(number, part)| {
        let from = at;
        at += part.len() + 1;
        let bare = part.split(':').next().unwrap_or_default();
        let dotted = bare.rsplit('/').next().is_some_and(|it| it.contains('.') && !it.starts_with('.'));
        let plain = !bare.contains(|it: char| it.is_whitespace() || "*?{}<>()$|\"'=@,".contains(it));
        let path = bare.contains('/') && (dotted || bare.ends_with('/')) && plain;
        (number % 2 == 1 && path && !bare.starts_with(['/', '.', '-']) && !part.contains("://"))
            .then_some((from, bare))
    })
}

/// The gate of a plan. `runs` says whether all that a command names can be found; see [`super::desk::plan_gates`].
#[must_use]
pub fn plan(item: &LaidItem, files: &Files, runs: &dyn Fn(&str) -> bool) -> Vec<GateLook> {
    let mut found: Vec<Diagnostic> =
        item.diagnostics.iter().filter(|it| is_tasks(item, &it.remark.file)).cloned().collect();
    if item.tasks.is_empty() && found.is_empty() {
        let says = "has no tasks: without tasks nothing can be run";
        found.push(Text::of(&item.path, "").diagnostic(0, says, true));
    }
    let worked: Vec<&LaidTask> = item.tasks.iter().filter(|it| !it.holds).collect();
    let mut by_file: Vec<&str> = worked.iter().map(|it| it.file.as_str()).collect();
    by_file.dedup();
    let mut remarks: Vec<Remark> = Vec::new();
    let main = by_file.first().copied().unwrap_or(&item.path).to_owned();
    shape(&main, item.tasks.iter().map(|it| &it.spec), &mut remarks);
    proofs(&main, worked.iter().map(|it| &it.spec), &mut remarks);
    let known: HashSet<&str> = item.requirements.iter().map(|it| it.id.as_str()).collect();
    let covered: HashSet<&str> =
        worked.iter().flat_map(|it| it.spec.covers.iter().map(String::as_str)).collect();
    let ours = item.layout == Layout::Native;
    for task in &worked {
        let mut say = |says: String, blocking: bool| {
            remarks.push(Remark { file: task.file.clone(), line: task.spec.line, says, blocking });
        };
        if task.spec.done {
            continue;
        }
        if task.spec.files.is_none() {
            say(format!("{} names no Files, so it runs alone: add '  - Files: `path`'", task.spec.id), false);
        }
        if let Verify::Commands(commands) = &task.spec.verify {
            for command in commands.iter().filter(|it| !runs(it)) {
                let says = format!(
                    "{}: '{}' of its Verify cannot be run: what it names is neither on the PATH nor in the repository: mend the command, or \
                     install it",
                    task.spec.id,
                    text::line(command, 200)
                );
                say(says, true);
            }
        }
        let names_requirement = |it: &&String| it.contains('-') && it.bytes().any(|it| it.is_ascii_digit());
        for id in task.spec.covers.iter().filter(names_requirement).filter(|it| !known.contains(it.as_str()))
        {
            say(
                format!("{} covers {id}, which is no requirement of the spec: mend the id", task.spec.id),
                ours,
            );
        }
    }
    if !covered.is_empty() || ours {
        for it in item.requirements.iter().filter(|it| !covered.contains(it.id.as_str())) {
            let spec = spec_of(item).unwrap_or(&item.path).to_owned();
            let says =
                format!("{} is covered by no task: add 'Covers: {}' to the one that does it", it.id, it.id);
            remarks.push(Remark { file: spec, line: it.line, says, blocking: ours });
        }
    }
    let waves = waves(item, &Limits::default());
    if let Some(stuck) = waves.stuck.first() {
        let line = worked.iter().find(|it| it.spec.id == *stuck).map_or(0, |it| it.spec.line);
        let says = format!(
            "{stuck} waits for itself, by way of others: look at Depends and at the order of the phases"
        );
        remarks.push(Remark { file: main.clone(), line, says, blocking: true });
    }
    for phase in &item.phases {
        let Some(detail) = &phase.phase.detail else { continue };
        let path = format!("{}/{detail}", item.path);
        let (says, blocking) = match files.get(&path) {
            None => {
                (format!("phase '{}' names {detail}, which is not there: write it", phase.phase.title), true)
            }
            Some(it) if it.len() / 4 > PHASE_TOKENS => (
                format!(
                    "{detail} has about {} tokens: keep it below {PHASE_TOKENS}, for each agent is handed it",
                    it.len() / 4
                ),
                false,
            ),
            Some(_) => continue,
        };
        remarks.push(Remark { file: main.clone(), line: phase.line, says, blocking });
    }
    remarks.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    let mut told = LaidItem::new(item.layout, "", "");
    for of_file in remarks.chunk_by(|one, other| one.file == other.file) {
        let file = of_file.first().and_then(|it| files.get(&it.file));
        let text = file.and_then(|it| std::str::from_utf8(it).ok()).unwrap_or_default();
        markdown::diagnose(&mut told, text, of_file.to_vec());
    }
    found.append(&mut told.diagnostics);
    vec![look("G5", "the plan", found)]
}
