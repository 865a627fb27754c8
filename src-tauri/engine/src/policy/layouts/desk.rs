//! The desk: the pages of a spec and a plan, made of an item's files and of what lies in the tree beside them. [`wants`] says what must be
//! looked up for them, [`page`] puts it together.
//!
//! Pure: bytes and facts in, data out. Refuses to say that a proof is vacuous, or is not, before somebody ran it.

mod cites;
mod plan;
mod proofs;
mod prose;
mod sections;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use pilothouse_contract::desk::{DeskItem, DeskPage, GateCount, Meter, Place, ProofState, Red, SpecPage};
use pilothouse_contract::layout::{GateLook, LaidItem, Layout, Span};
use pilothouse_contract::{EvidenceId, ItemId, Oid, TaskId};

use super::gates::{self, PHASE_TOKENS, SPEC_LINES, SPEC_TOKENS};
use super::waves::Limits;
use super::{Files, Found, Tree};
use crate::policy::scope::Globs;
use crate::policy::specs::{heading, is_beside, lines};

/// So many symbols are looked for at most.
const SYMBOLS_MAX: usize = 200;
/// And so many files beside the item's own.
const BESIDE_MAX: usize = 300;

/// What must be looked up to say more of an item than its own files do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Files of the tree whose text is needed.
    pub files: BTreeSet<String>,
    /// Words that are looked for in the tree.
    pub symbols: BTreeSet<String>,
}

/// What was found there.
pub struct Facts<'a> {
    /// Every path of the tree.
    pub tree: &'a Tree,
    /// The text of what was wanted.
    pub beside: &'a Files,
    /// Lines that hold a word that was wanted, in the order in which they were found, with their text.
    pub symbols: &'a BTreeMap<String, Vec<(Place, String)>>,
    /// Whether a program can be found on this machine.
    pub program: &'a dyn Fn(&str) -> bool,
    /// What there is for tasks that run at once.
    pub limits: &'a Limits,
    /// What red checks said of a task's commands, joined as they were run.
    pub red: &'a BTreeMap<(TaskId, String), (Red, EvidenceId)>,
}

impl Facts<'_> {
    /// Whether there is such a path in the tree, as a file or a folder.
    fn has(&self, path: &str) -> bool {
        let bare = path.trim_end_matches('/');
        self.tree.contains(bare) || super::inside(self.tree, &format!("{bare}/")).next().is_some()
    }

    /// The text of a file beside the item.
    fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.beside.get(path)?).ok()
    }
}

/// The files of an item, with what they hold.
struct Docs<'a> {
    item: &'a LaidItem,
    /// Each with its text, in order.
    texts: Vec<(&'a str, &'a str)>,
    made: OnceCell<Made>,
    spans: OnceCell<BTreeMap<&'a str, Vec<Span>>>,
}

impl<'a> Docs<'a> {
    fn of(item: &'a LaidItem, found: &'a Found, files: &'a Files) -> Self {
        let mut paths: Vec<&String> = found.wants.iter().chain(&item.files).collect();
        // A table beside the tasks is none of the prose.
        paths.retain(|it| !found.beside.contains(it));
        let mut seen = BTreeSet::new();
        paths.retain(|it| seen.insert(it.as_str()) && it.ends_with(".md") && !is_beside(it));
        let text = |path: &'a String| Some((path.as_str(), std::str::from_utf8(files.get(path)?).ok()?));
        Self {
            item,
            texts: paths.into_iter().filter_map(text).collect(),
            made: OnceCell::new(),
            spans: OnceCell::new(),
        }
    }

    /// What its tasks may write.
    fn made(&self) -> &Made {
        self.made.get_or_init(|| Made::of(self.item))
    }

    /// Those that say what is wanted and how: all but those that hold tasks, unless one holds both.
    fn prose(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        let only = self.texts.len() == 1;
        self.texts.iter().copied().filter(move |(path, _)| {
            only || !(self.item.tasks.iter().any(|it| it.file == *path) || path.ends_with("tasks.md"))
        })
    }

    fn text(&self, ends: &str) -> Option<(&'a str, &'a str)> {
        self.texts.iter().copied().find(|(path, _)| path.ends_with(ends))
    }

    /// Whether a byte of a file is a task's.
    fn is_tasks(&self, path: &str, at: usize) -> bool {
        let spans = self.spans.get_or_init(|| {
            let mut all: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
            for task in &self.item.tasks {
                all.entry(&task.file).or_default().push(task.span);
            }
            all.values_mut().for_each(|it| it.sort_by_key(|it| it.from));
            all
        });
        let Some(own) = spans.get(path) else { return false };
        // The last that begins before; they do not lie within each other but for parts of one.
        let before = own.partition_point(|it| it.from <= at);
        before.checked_sub(1).and_then(|it| own.get(it)).is_some_and(|it| at < it.to)
    }
}

/// A heading, with all that stands below it up to the next one as deep.
struct Part<'a> {
    title: String,
    words: String,
    depth: usize,
    line: usize,
    body: Vec<crate::policy::specs::Line<'a>>,
}

/// The parts of a text, nested ones too.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut all: Vec<Part<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for line in lines(text) {
        let head = if line.hidden { None } else { heading(line.text) };
        if let Some((depth, title)) = &head {
            open.retain(|it| all.get(*it).is_some_and(|it| it.depth < *depth));
            let part = Part {
                words: title.to_lowercase(),
                title: title.clone(),
                depth: *depth,
                line: line.number,
                body: Vec::new(),
            };
            for it in &open {
                if let Some(part) = all.get_mut(*it) {
                    part.body.push(line);
                }
            }
            open.push(all.len());
            all.push(part);
            continue;
        }
        for it in &open {
            if let Some(part) = all.get_mut(*it) {
                part.body.push(line);
            }
        }
    }
    all
}

/// What the tasks of an item may write: looked up by path where no pattern has to be matched, for a plan may have thousands.
struct Made {
    plain: BTreeSet<String>,
    wild: Globs,
}

impl Made {
    fn of(item: &LaidItem) -> Self {
        let scopes = item.tasks.iter().filter_map(|it| it.spec.files.as_ref());
        let all = scopes.flat_map(|it| it.include.iter().cloned());
        let (wild, plain): (Vec<String>, Vec<String>) = all.partition(|it| it.contains(plan::WILD));
        let plain = plain.into_iter().map(|it| it.trim_end_matches('/').to_owned()).collect();
        Self { plain, wild: Globs::of(&wild) }
    }

    /// Whether any of them takes in a path.
    fn matches(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|it| it.0).chain([path.len()]);
        let mut above = ends.filter_map(|it| path.get(..it));
        above.any(|it| self.plain.contains(it)) || self.wild.matches(path)
    }
}

/// How the desk lists an item.
#[must_use]
pub fn listed(item: &LaidItem, known: Option<ItemId>) -> DeskItem {
    let worked = || item.tasks.iter().filter(|it| !it.holds);
    DeskItem {
        layout: item.layout,
        name: item.name.clone(),
        title: item.title.clone(),
        path: item.path.clone(),
        stage: item.stage.clone(),
        phases: item.phases.len(),
        done: worked().filter(|it| it.spec.done).count(),
        tasks: worked().count(),
        remarks: item.diagnostics.iter().filter(|it| it.remark.blocking).count(),
        item: known,
    }
}

/// What must be looked up for an item's pages.
#[must_use]
pub fn wants(item: &LaidItem, found: &Found, files: &Files, tree: &Tree) -> Wants {
    let docs = Docs::of(item, found, files);
    let mut wants = Wants::default();
    cites::wants(&docs, tree, &mut wants);
    proofs::wants(item, tree, &mut wants);
    wants.files = there(wants.files, tree);
    wants.symbols = wants.symbols.into_iter().take(SYMBOLS_MAX).collect();
    wants
}

/// The files of the tree that must be looked up for [`plan_gates`].
#[must_use]
pub fn plan_wants(item: &LaidItem, tree: &Tree) -> BTreeSet<String> {
    let mut wants = Wants::default();
    proofs::wants(item, tree, &mut wants);
    there(wants.files, tree)
}

fn there(wanted: BTreeSet<String>, tree: &Tree) -> BTreeSet<String> {
    wanted.into_iter().filter(|it| tree.contains(it)).take(BESIDE_MAX).collect()
}

/// How the gate of an item's plan stands: a proof holds nothing if what it names is not there, be it a program, a script, a target or a test.
#[must_use]
pub fn plan_gates(item: &LaidItem, files: &Files, facts: &Facts<'_>) -> Vec<GateLook> {
    gates_of_plan(item, files, facts, &Made::of(item))
}

fn gates_of_plan(item: &LaidItem, files: &Files, facts: &Facts<'_>, made: &Made) -> Vec<GateLook> {
    gates::plan(item, files, &|it| proofs::resolve(it, facts, made).0 != ProofState::Missing)
}

/// The pages of an item.
#[must_use]
pub fn page(item: &LaidItem, found: &Found, files: &Files, facts: &Facts<'_>) -> DeskPage {
    let docs = Docs::of(item, found, files);
    let tasks = |file: &str| gates::is_tasks(item, file);
    let findings = |of: bool| {
        let all = item.diagnostics.iter().filter(move |it| tasks(&it.remark.file) == of);
        all.cloned().collect::<Vec<_>>()
    };
    let spec = SpecPage {
        gates: counted(&gates::spec(item, files, &|it| facts.has(it))),
        questions: prose::questions(&docs),
        sections: sections::matrix(&docs),
        meters: meters(&docs),
        citations: cites::citations(&docs, facts),
        noted: prose::noted(&docs),
        registers: prose::registers(&docs),
        findings: findings(false),
    };
    let mut plan = plan::page(&docs, files, facts);
    plan.gates = counted(&gates_of_plan(item, files, facts, docs.made()));
    plan.findings.splice(0..0, findings(true));
    DeskPage { item: listed(item, None), commit: None::<Oid>, spec, plan }
}

/// Open questions of an item's files beyond the marks in its spec, as what a gate finds.
pub(super) fn unanswered(item: &LaidItem, files: &Files) -> Vec<(Place, String)> {
    let found = Found {
        layout: item.layout,
        name: item.name.clone(),
        path: item.path.clone(),
        wants: Vec::new(),
        beside: Vec::new(),
    };
    prose::unanswered(&Docs::of(item, &found, files))
}

fn counted(all: &[GateLook]) -> Vec<GateCount> {
    let count = |it: &GateLook| {
        let blocks = it.found.iter().filter(|it| it.remark.blocking).count();
        GateCount {
            gate: it.gate.clone(),
            looks_at: it.looks_at.clone(),
            holds: it.holds,
            blocks,
            advises: it.found.len() - blocks,
        }
    };
    all.iter().map(count).collect()
}

fn meter(file: &str, text: &str, phase: bool) -> Meter {
    Meter {
        file: file.to_owned(),
        lines: lines(text).count(),
        tokens: text.len() / 4,
        lines_max: (!phase).then_some(SPEC_LINES),
        tokens_max: if phase { PHASE_TOKENS } else { SPEC_TOKENS },
    }
}

fn meters(docs: &Docs<'_>) -> Vec<Meter> {
    let phase = |path: &str| docs.item.layout == Layout::Native && path.contains("/phases/");
    docs.prose().map(|(path, text)| meter(path, text, phase(path))).collect()
}
