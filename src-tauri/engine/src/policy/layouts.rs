//! The layouts that people already have, read and written through one contract: [`detect`] finds by paths, [`read`] makes items with phases
//! and tasks of bytes, and [`edit`] ticks, appends and annotates by the hash of the line as it was read.
//!
//! Pure: paths and bytes in, data and bytes out. It refuses to fail on any bytes: what cannot be read is a diagnostic with its line and
//! column, and what it does not know it leaves as it is.

mod agentos;
mod bmad;
mod carried;
pub mod desk;
mod diff;
pub mod edit;
pub mod gates;
mod json;
mod kiro;
mod markdown;
mod mercato;
mod openspec;
mod ralph;
mod speckit;
mod superpowers;
mod taskmaster;
#[cfg(test)]
mod tests;
pub mod waves;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use pilothouse_contract::layout::{Diagnostic, LaidItem, LaidTask, Layout, Span};

use crate::policy::specs::{beside, fill, is_beside, remark};

pub use carried::{carried, spec_of};

/// A file that is longer is not read.
pub const FILE_MAX: usize = 8 * 1024 * 1024;

/// Of a line that is longer columns are not counted behind here.
const COLUMN_MAX: usize = 64 * 1024;

/// Where layouts lie: what is not below one of these need not be looked at.
pub const ROOTS: [&str; 16] = [
    "specs",
    ".specify",
    "openspec",
    ".kiro",
    ".ai/specs",
    ".ai/runs",
    ".taskmaster",
    "docs/superpowers",
    "docs/plans",
    "docs/stories",
    "agent-os/specs",
    "_bmad-output",
    "scripts/ralph",
    "tasks",
    "prd.json",
    "prd.scope.md",
];

/// Files by their paths relative to the top of the repository, with forward slashes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The paths of a repository.
pub type Tree = BTreeSet<String>;

/// Something that looks like work in a layout, and what must be read to say more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose layout.
    pub layout: Layout,
    /// Its short name.
    pub name: String,
    /// Its folder or file.
    pub path: String,
    /// The files that are read for it.
    pub wants: Vec<String>,
    /// Sidecars of its task files, which are read too.
    pub beside: Vec<String>,
}

impl Found {
    fn new(layout: Layout, name: &str, path: &str, wants: Vec<String>) -> Self {
        Self { layout, name: name.to_owned(), path: path.to_owned(), wants, beside: Vec::new() }
    }

    /// All files that are read for it.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        self.wants.iter().chain(&self.beside)
    }
}

/// What a layout can do. The order of [`ADAPTERS`] is that of what is found.
trait Adapter: Sync {
    /// Whether a layout is this one's.
    fn owns(&self, layout: Layout) -> bool;

    /// Finds work by paths alone.
    fn detect(&self, tree: &Tree) -> Vec<Found>;

    /// Reads it. One place may hold many items.
    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem>;

    /// What makes a task done: what is written in whose place. Where the layout's own tools must do it, in words how.
    fn done(&self, task: &LaidTask, _text: &str, _commit: Option<&str>) -> Result<Vec<edit::Edit>, String> {
        Ok(vec![edit::Edit { at: task.mark, with: "x".to_owned() }])
    }

    /// How a key and its value are written below a task; or in words why not.
    fn meta(&self, key: &str, value: &str) -> Result<String, String> {
        Ok(format!("{key}: {value}"))
    }

    /// Where in a file tasks are added: at its end, unless the layout has a place for them.
    fn end_of(&self, text: &str) -> usize {
        text.len()
    }

    /// How tasks that are added are written, given the item as it is; or in words why none are.
    fn added(
        &self,
        item: &LaidItem,
        title: &str,
        tasks: &[edit::Fresh],
        end: &str,
    ) -> Result<String, String> {
        Ok(markdown::added(item, title, tasks, end))
    }
}

static ADAPTERS: [&dyn Adapter; 9] = [
    &speckit::SpecKit,
    &openspec::OpenSpec,
    &kiro::Kiro,
    &mercato::OpenMercato,
    &ralph::Ralph,
    &taskmaster::TaskMaster,
    &superpowers::Superpowers,
    &agentos::AgentOs,
    &bmad::Bmad,
];

fn adapter(layout: Layout) -> Option<&'static dyn Adapter> {
    ADAPTERS.iter().copied().find(|it| it.owns(layout))
}

/// Finds work by paths alone.
#[must_use]
pub fn detect(tree: &Tree) -> Vec<Found> {
    // What lies beside a plan is no plan.
    let plans: Tree = tree.iter().filter(|it| !is_beside(it)).cloned().collect();
    let mut all: Vec<Found> = ADAPTERS.iter().flat_map(|it| it.detect(&plans)).collect();
    for found in &mut all {
        let sidecars: BTreeSet<String> = found.wants.iter().flat_map(|it| beside(it)).collect();
        found.beside = sidecars.into_iter().filter(|it| tree.contains(it)).collect();
    }
    all
}

/// Reads what was found.
#[must_use]
pub fn read(found: &Found, files: &Files) -> Vec<LaidItem> {
    let mut items = adapter(found.layout).map(|it| it.read(found, files)).unwrap_or_default();
    for item in items.iter_mut().filter(|_| !found.beside.is_empty()) {
        let mut tasks: Vec<String> = item.tasks.iter().map(|it| it.file.clone()).collect();
        tasks.dedup();
        for file in tasks {
            let Some(path) = beside(&file).into_iter().find(|it| found.beside.contains(it)) else { continue };
            let Some(text) = text_of(item, files, &path) else { continue };
            let own = item.tasks.iter_mut().filter(|it| it.file == file).map(|it| &mut it.spec);
            let remarks = fill(&path, &text, own);
            markdown::diagnose(item, &text, remarks);
        }
    }
    items
}

/// Reads all that was found. What is a part of another item is not listed twice.
#[must_use]
pub fn read_all(found: &[Found], files: &Files) -> Vec<LaidItem> {
    let mut items: Vec<LaidItem> = found.iter().flat_map(|it| read(it, files)).collect();
    let parts: BTreeSet<String> =
        items.iter().flat_map(|it| it.files.iter().filter(|file| **file != it.path)).cloned().collect();
    items.retain(|it| !(it.tasks.is_empty() && parts.contains(&it.path)));
    items
}

/// The line and the column of a byte, both from 1; the column in signs.
#[must_use]
pub fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at.min(bytes.len())).unwrap_or_default();
    let line = before.iter().filter(|it| **it == b'\n').count() + 1;
    let begins = before.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
    let column = String::from_utf8_lossy(before.get(begins..).unwrap_or_default()).chars().count() + 1;
    (line, column)
}

/// A file that an item is made of: its text, and which byte stands in which line, found once and only where somebody asks.
#[derive(Debug)]
struct Text<'a> {
    path: &'a str,
    text: &'a str,
    begins: OnceCell<Vec<usize>>,
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.text
    }
}

impl<'a> Text<'a> {
    fn of(path: &'a str, text: &'a str) -> Self {
        Self { path, text, begins: OnceCell::new() }
    }

    /// The line and the column of a byte.
    fn place(&self, at: usize) -> (usize, usize) {
        let begins = self.begins.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        });
        let line = begins.partition_point(|it| *it <= at);
        let from = line.checked_sub(1).and_then(|it| begins.get(it)).copied().unwrap_or(0);
        // A line may be as long as a file, and hold something at each of its places.
        let near = at.saturating_sub(from) <= COLUMN_MAX;
        let before = self.text.get(from..at).filter(|_| near);
        (line, before.map_or(0, |it| it.chars().count() + 1))
    }

    /// What is wrong at a byte.
    fn diagnostic(&self, at: usize, says: &str, blocking: bool) -> Diagnostic {
        let (line, column) = self.place(at);
        Diagnostic { remark: remark(self.path, line, says, blocking), column }
    }
}

/// The text of a file that an item is made of. What is no text, or too long, is told.
fn text_of<'a>(item: &mut LaidItem, files: &'a Files, path: &str) -> Option<Text<'a>> {
    let (path, bytes) = files.get_key_value(path)?;
    item.files.push(path.clone());
    let mut refuse = |at: usize, says: &str| {
        let (line, column) = place(bytes, at);
        item.diagnostics.push(Diagnostic { remark: remark(path, line, says, true), column });
        None
    };
    if bytes.len() > FILE_MAX {
        let says = "is longer than 8 MiB from here on, and is not read: divide it, or move what is no plan out of it";
        return refuse(FILE_MAX, says);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(Text::of(path, text)),
        Err(error) => {
            let says = "holds a byte here that is no UTF-8 text, and is not read: save the file as UTF-8";
            refuse(error.valid_up_to(), says)
        }
    }
}

/// The hash of a line as it was read.
fn hash(line: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(line.as_bytes());
    digest.iter().take(8).map(|it| format!("{it:02x}")).collect()
}

/// The bytes of a span as text; nothing if it is none.
fn part(text: &str, span: Span) -> &str {
    text.get(span.from..span.to).unwrap_or_default()
}

/// Folders right below one, in order.
fn folders<'a>(tree: &'a Tree, below: &'a str) -> Vec<&'a str> {
    let mut all: Vec<&str> = inside(tree, below)
        .filter_map(|path| path.get(below.len()..)?.split_once('/').map(|(folder, _)| folder))
        .collect();
    all.dedup();
    all
}

/// Paths that begin with a folder's, which ends with a slash.
fn inside<'a>(tree: &'a Tree, folder: &'a str) -> impl Iterator<Item = &'a str> {
    tree.range(folder.to_owned()..).map(String::as_str).take_while(move |it| it.starts_with(folder))
}

/// The last part of a path without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether a name begins with a date, as `2026-01-31-`.
fn is_dated(name: &str) -> bool {
    let mut parts = name.splitn(4, '-');
    let mut digits = |count: usize| {
        parts.next().is_some_and(|it| it.len() == count && it.bytes().all(|it| it.is_ascii_digit()))
    };
    digits(4) && digits(2) && digits(2)
}
