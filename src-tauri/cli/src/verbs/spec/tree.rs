//! The files of a repository in which specs and plans lie, read from its working tree.
//!
//! Refuses to look anywhere else, to follow a link - unless it is a file's and leads to another file of the repository - and to read more
//! of a file than is read of any plan.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use pilothouse_contract::Fault;
use pilothouse_contract::layout::LaidItem;
use pilothouse_engine::policy::layouts::{self, FILE_MAX, Files, Found, ROOTS, Tree};

/// Deeper than this nobody keeps a plan.
const DEPTH_MAX: usize = 12;
/// More files than these are looked at by nobody.
const FILES_MAX: usize = 50_000;
/// A repository with what was found in it.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Its top.
    pub(crate) top: PathBuf,
    /// What was asked for, relative to the top; empty for all of it.
    asked: String,
    /// What was read.
    pub(crate) files: Files,
    /// What was found by paths.
    found: Vec<Found>,
    /// All items.
    all: Vec<LaidItem>,
}

impl Desk {
    /// The same repository as it is by now.
    pub(crate) fn again(&self) -> Result<Self, Fault> {
        let whole = self.top.join(&self.asked);
        Self::open(if self.asked.is_empty() { &self.top } else { &whole })
    }

    /// Opens the repository that a path lies in.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let whole = path.canonicalize().map_err(|error| {
            Fault::missing(format!("{} cannot be looked at: {error}", path.display()))
                .hint("name a repository, or a spec's folder or file in one")
        })?;
        let top = top_of(&whole);
        let asked = relative(&top, &whole).unwrap_or_default();
        let tree = walk(&top)?;
        let found = layouts::detect(&tree);
        let files = load(&top, &found)?;
        let all = layouts::read_all(&found, &files);
        Ok(Self { top, asked, files, found, all })
    }

    /// Opens what a person named: a path, or else an item of the repository here by its short name.
    pub(crate) fn named(named: &Path) -> Result<Self, Fault> {
        let fault = match Self::open(named) {
            Ok(desk) => return Ok(desk),
            Err(fault) => fault,
        };
        let Some(name) = named.to_str().filter(|_| !named.exists()) else { return Err(fault) };
        let Ok(mut desk) = Self::open(Path::new(".")) else { return Err(fault) };
        let Some(path) = desk.all.iter().find(|it| it.name == name).map(|it| it.path.clone()) else {
            return Err(fault);
        };
        desk.asked = path;
        Ok(desk)
    }

    /// The items that were asked for.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn items(&self) -> Result<Vec<&LaidItem>, Fault> {
        let within = |path: &str, of: &str| {
            of.is_empty() || path == of || path.strip_prefix(of).is_some_and(|it| it.starts_with('/'))
        };
        let fits = |it: &&LaidItem| {
            within(&it.path, &self.asked)
                || within(&self.asked, &it.path) && !self.asked.is_empty()
                || it.files.contains(&self.asked)
        };
        let found: Vec<&LaidItem> = self.all.iter().filter(fits).collect();
        if found.is_empty() {
            let place = self.top.join(&self.asked);
            return Err(Fault::missing(format!("{} holds no spec or plan of a layout that is known", place.display()))
                .hint("known are specs/NNN-slug (native, spec-kit), openspec, .kiro, .ai/specs and .ai/runs, .taskmaster, docs/superpowers, agent-os, BMAD's stories, and prd.json"));
        }
        Ok(found)
    }

    /// The file that was asked for, if it is one of an item's.
    pub(crate) fn file_of(&self, item: &LaidItem) -> Option<&str> {
        item.files.contains(&self.asked).then_some(self.asked.as_str())
    }

    /// What an item was found as, for whoever shows or writes it.
    ///
    /// # Errors
    /// If it was not: a defect of ours.
    pub(crate) fn found(&self, item: &LaidItem) -> Result<&Found, Fault> {
        let found = self.found.iter().find(|it| it.layout == item.layout && it.path == item.path);
        found.ok_or_else(|| Fault::bug(format!("{} was read and not found", item.path)))
    }

    /// Whether one item was named, and not a folder of many.
    pub(crate) fn names(&self, item: &LaidItem) -> bool {
        !self.asked.is_empty()
            && (item.path == self.asked
                || item.files.contains(&self.asked)
                || self.asked.starts_with(&item.path))
    }

    /// Whether there is such a path in the repository. One that leads out of it is not there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let inside =
            Path::new(path).components().all(|it| matches!(it, Component::Normal(_) | Component::CurDir));
        inside && self.top.join(path).exists()
    }
}

/// The top of git's working tree; else the folder that a known root lies in; else the path itself.
fn top_of(path: &Path) -> PathBuf {
    let folders = || path.ancestors().filter(|it| it.is_dir());
    let rooted = |it: &&Path| {
        relative(it, path).is_some_and(|below| {
            ROOTS
                .iter()
                .any(|root| below == *root || below.strip_prefix(root).is_some_and(|it| it.starts_with('/')))
        })
    };
    let top = folders().find(|it| it.join(".git").exists()).or_else(|| folders().find(rooted));
    top.or_else(|| folders().next()).unwrap_or(path).to_owned()
}

/// A path below another with forward slashes; nothing if it is not below, or no text.
fn relative(top: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(top).ok()?.components().map(|it| it.as_os_str().to_str());
    parts.collect::<Option<Vec<&str>>>().map(|it| it.join("/"))
}

fn walk(top: &Path) -> Result<Tree, Fault> {
    let mut tree = BTreeSet::new();
    for root in ROOTS {
        below(top, &top.join(root), 0, &mut tree)?;
    }
    Ok(tree)
}

fn below(top: &Path, path: &Path, depth: usize, tree: &mut Tree) -> Result<(), Fault> {
    // What is not there holds nothing, nor does a link that leads elsewhere.
    let Ok(kind) = path.symlink_metadata().map(|it| it.file_type()) else { return Ok(()) };
    if kind.is_dir() && depth < DEPTH_MAX {
        let entries = std::fs::read_dir(path)
            .map_err(|error| Fault::environment(format!("{} cannot be read: {error}", path.display())))?;
        for entry in entries.flatten() {
            below(top, &entry.path(), depth + 1, tree)?;
        }
    } else if kind.is_file() || kind.is_symlink() && inside(top, path).is_some() {
        let known =
            path.extension().is_some_and(|it| ["md", "json", "yaml", "yml"].iter().any(|known| it == *known));
        if let Some(path) = relative(top, path).filter(|_| known) {
            tree.insert(path);
        }
        if tree.len() > FILES_MAX {
            return Err(Fault::refused(format!("there are more than {FILES_MAX} files where specs lie"))
                .hint("name one spec's folder instead of the repository"));
        }
    }
    Ok(())
}

/// The plain file that a path of a repository leads to, if it is one of the repository's own and none of git's.
pub(crate) fn inside(top: &Path, path: &Path) -> Option<PathBuf> {
    let whole = path.canonicalize().ok()?;
    (whole.starts_with(top) && !whole.starts_with(top.join(".git")) && whole.is_file()).then_some(whole)
}

fn load(top: &Path, found: &[Found]) -> Result<Files, Fault> {
    let mut files = Files::new();
    for path in found.iter().flat_map(Found::files) {
        if files.contains_key(path) {
            continue;
        }
        let whole = top.join(path);
        let mut bytes = Vec::new();
        let most = u64::try_from(FILE_MAX).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(&whole)
            .and_then(|it| it.take(most).read_to_end(&mut bytes))
            .map_err(|error| Fault::environment(format!("{} cannot be read: {error}", whole.display())))?;
        files.insert(path.clone(), bytes);
    }
    Ok(files)
}

/// The text of one file; nothing if there is none, or what is there is no plain file or none that is read whole.
pub(crate) fn file(path: &Path) -> Option<String> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let (most, mut bytes) = (u64::try_from(FILE_MAX).unwrap_or(u64::MAX), Vec::new());
    std::fs::File::open(path).ok()?.take(most.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= FILE_MAX).then(|| String::from_utf8_lossy(&bytes).into_owned())
}
