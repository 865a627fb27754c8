//! What the instruction graph is made of, read from a working tree: its paths, and the files that agents read before they work.
//!
//! Refuses to follow a link out of the repository, to open what is no plain file, and to run anything.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::path::{Path, PathBuf};

use pilothouse_contract::Fault;
use pilothouse_contract::instructions::Graph;

use super::agents;
use crate::policy::instructions::{self, Entry, FILE_MAX, FILES_MAX, Files, Source, Tree, World};

/// More paths than these are not looked through.
const PATHS_MAX: usize = 300_000;
/// So many bytes are read of all files together.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A working tree as far as instructions go.
#[derive(Debug)]
pub struct Looked {
    /// Its top.
    pub top: PathBuf,
    /// Its paths, without what git ignores.
    pub tree: Tree,
    /// What was read.
    pub files: Files,
}

/// The top of the working tree that a path lies in; the path itself if it is in none.
///
/// # Errors
/// If there is nothing at the path.
pub fn top_of(path: &Path) -> Result<PathBuf, Fault> {
    let whole = path.canonicalize().map_err(|error| {
        Fault::missing(format!("{} cannot be looked at: {error}", path.display()))
            .hint("name a repository, or a folder in one")
    })?;
    let top =
        whole.ancestors().filter(|it| it.is_dir()).find(|it| it.join(".git").exists()).map(Path::to_owned);
    match top {
        Some(top) => Ok(top),
        None if whole.is_dir() => Ok(whole),
        None => Err(Fault::refused(format!("{} is no folder", path.display()))
            .hint("name a repository, or a folder in one")),
    }
}

/// Looks at a working tree.
///
/// # Errors
/// If it cannot be walked, or is too large.
pub fn look(top: &Path) -> Result<Looked, Fault> {
    let tree = walk(top)?;
    let mut looked = Looked { top: top.to_owned(), tree, files: Files::new() };
    let mut queue: VecDeque<String> = instructions::roots(&looked.tree).into();
    let mut known: BTreeSet<String> = queue.iter().cloned().collect();
    let mut left = BYTES_MAX;
    while let Some(path) = queue.pop_front() {
        let Some(source) = looked.read(&path, &mut left) else { continue };
        for next in instructions::leads_to(&looked.tree, &path, &source) {
            if known.len() < FILES_MAX && known.insert(next.clone()) {
                queue.push_back(next);
            }
        }
        looked.files.insert(path, source);
    }
    Ok(looked)
}

impl Looked {
    /// Its graph.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let has = |path: &str| self.top.join(path).exists();
        // Who reads of us has us, on the path or not.
        let program = |name: &str| name == "pilothouse" || agents::is_there(name);
        instructions::graph(&self.tree, &self.files, &World { has: &has, program: &program })
    }

    /// Its paths that are files.
    pub fn paths(&self) -> impl Iterator<Item = &str> + Clone {
        self.tree.iter().filter(|(_, entry)| **entry != Entry::Folder).map(|(path, _)| path.as_str())
    }

    fn read(&self, path: &str, left: &mut u64) -> Option<Source> {
        let file = match self.tree.get(path)? {
            Entry::File => self.top.join(path),
            Entry::Alias(Some(to)) => self.top.join(to),
            Entry::Alias(None) => return Some(Source::default()),
            Entry::Folder => return None,
        };
        if !file.symlink_metadata().ok()?.is_file() {
            return None;
        }
        let file = std::fs::File::open(&file).ok()?;
        let size = file.metadata().ok()?.len();
        let mut bytes = Vec::new();
        // Of a file that is not looked through nothing is kept.
        if size <= FILE_MAX.min(*left) {
            file.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
        }
        *left = left.saturating_sub(size);
        Some(Source { bytes, size })
    }
}

fn walk(top: &Path) -> Result<Tree, Fault> {
    let walk = ignore::WalkBuilder::new(top)
        .hidden(false)
        .follow_links(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|it| it.file_name() != ".git")
        .build();
    let mut tree = Tree::new();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            // A folder that may not be read holds nothing for agents either.
            Err(error) if error.depth().unwrap_or(0) > 0 => continue,
            Err(error) => {
                return Err(Fault::environment(format!("{} cannot be read: {error}", top.display())));
            }
        };
        let Some(path) = relative(top, entry.path()).filter(|it| !it.is_empty()) else { continue };
        let Some(kind) = entry.file_type() else { continue };
        let what = if kind.is_symlink() {
            let to = entry.path().canonicalize().ok().and_then(|to| relative(top, &to));
            Entry::Alias(to.filter(|it| !it.is_empty() && !it.starts_with(".git/")))
        } else if kind.is_dir() {
            Entry::Folder
        } else if kind.is_file() {
            Entry::File
        } else {
            continue;
        };
        tree.insert(path, what);
        if tree.len() > PATHS_MAX {
            return Err(Fault::refused(format!(
                "{} holds more than {PATHS_MAX} paths that git does not ignore",
                top.display()
            ))
            .hint("ignore what is built or brought in, or name a folder of it"));
        }
    }
    Ok(tree)
}

/// A path below another with forward slashes; nothing if it is not below, or no text.
fn relative(top: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(top).ok()?.components().map(|it| it.as_os_str().to_str());
    parts.collect::<Option<Vec<&str>>>().map(|it| it.join("/"))
}
