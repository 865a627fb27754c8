//! What the desk is made of, looked up: the paths of a commit or of a working tree, the bytes of files, and where words stand.
//!
//! Refuses to run anything of the repository's, to write, and to follow a link. Of a commit everything is read from objects; of a working
//! tree what git would ignore is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use pilothouse_contract::desk::Place;
use pilothouse_contract::{Oid, TaskId};

use crate::policy::layouts::desk::{Wants, wants};
use crate::policy::layouts::{self, FILE_MAX, Files, Found, ROOTS, Tree};
use crate::ports::git::{Blob, Git, GitError};

/// So many bytes are read for one look at most.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// No more of one file.
const FILE_BYTES: u64 = FILE_MAX as u64;
/// So many lines are kept of each word.
const LINES_MAX: usize = 40;
/// A file that is longer is not looked through for words.
const SEARCHED_MAX: u64 = 1024 * 1024;
/// And so much of a working tree is looked through at most.
const SEARCHED_ALL: u64 = 64 * 1024 * 1024;
/// A working tree has so many files at most that are looked at.
const FILES_MAX: usize = 100_000;
/// Deeper than this nobody keeps a plan.
const DEPTH_MAX: usize = 14;

/// Where words stand.
pub type Symbols = BTreeMap<String, Vec<(Place, String)>>;

/// The files of a commit.
#[derive(Debug)]
pub struct AtCommit<'a> {
    git: &'a Git,
    commit: &'a Oid,
    blobs: BTreeMap<String, String>,
    /// Every path of a plain file.
    pub tree: Tree,
}

impl<'a> AtCommit<'a> {
    /// Lists a commit. Links and submodules are no files.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn list(git: &'a Git, commit: &'a Oid) -> Result<Self, GitError> {
        let all = git.list(&["ls-tree", "-r", "-z", "--full-tree", commit.as_str()]).await?;
        let mut blobs = BTreeMap::new();
        for entry in all {
            let Some((head, path)) = entry.split_once('\t') else { continue };
            let mut words = head.split(' ');
            if words.next().is_some_and(|mode| mode.starts_with("100")) && words.next() == Some("blob") {
                blobs.extend(words.next().map(|blob| (path.to_owned(), blob.to_owned())));
            }
        }
        let tree = blobs.keys().cloned().collect();
        Ok(Self { git, commit, blobs, tree })
    }

    /// What looks like work there, and the files that are read for it.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        layouts::detect(&plans(&self.tree))
    }

    /// Reads files. One that is too long comes as bytes that are too many, and is refused by whoever reads it.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn read<'b>(&self, paths: impl Iterator<Item = &'b String>) -> Result<Files, GitError> {
        let wanted: BTreeMap<&String, &String> =
            paths.filter_map(|it| self.blobs.get_key_value(it)).collect();
        let blobs: BTreeSet<&str> = wanted.values().map(|it| it.as_str()).collect();
        if blobs.is_empty() {
            return Ok(Files::new());
        }
        let asked = blobs.iter().copied().collect::<Vec<_>>().join("\n") + "\n";
        let sizes = self
            .git
            .run(&["cat-file", "--batch-check=%(objectname) %(objectsize)"], asked.as_bytes())
            .await?;
        let said = String::from_utf8_lossy(&sizes);
        let (mut small, mut long, mut all) = (Vec::new(), BTreeSet::new(), 0_u64);
        for (id, size) in said.lines().filter_map(|it| it.split_once(' ')) {
            let size = size.parse::<u64>().unwrap_or(u64::MAX);
            if size <= FILE_BYTES && all.saturating_add(size) <= BYTES_MAX {
                all += size;
                small.push(Blob { path: String::new(), id: id.to_owned(), size });
            } else {
                long.insert(id);
            }
        }
        let small: Vec<&Blob> = small.iter().collect();
        let bytes = self.git.contents(&small).await?;
        let of_blobs: BTreeMap<&str, Vec<u8>> = small.iter().map(|it| it.id.as_str()).zip(bytes).collect();
        let (mut files, mut all) = (Files::new(), 0_u64);
        for (path, blob) in wanted {
            // One file may lie there under many names, and is kept for each of them.
            let bytes = of_blobs.get(blob.as_str());
            let size = bytes.map_or(FILE_BYTES + 1, |it| it.len() as u64);
            if bytes.is_none() && !long.contains(blob.as_str()) || all.saturating_add(size) > BYTES_MAX {
                continue;
            }
            all += size;
            files.insert(path.clone(), bytes.map_or_else(|| vec![b' '; FILE_MAX + 1], Vec::clone));
        }
        Ok(files)
    }

    /// Where words stand, where no plans lie.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn symbols(&self, names: &BTreeSet<String>) -> Result<Symbols, GitError> {
        if names.is_empty() {
            return Ok(Symbols::new());
        }
        let most = LINES_MAX.to_string();
        let mut args = vec![
            "grep",
            "-n",
            "-z",
            "-w",
            "-F",
            "-I",
            "--no-color",
            "--no-textconv",
            "--full-name",
            "-m",
            &most,
        ];
        for name in names {
            args.extend(["-e", name]);
        }
        args.extend([self.commit.as_str(), "--"]);
        let skipped: Vec<String> = ROOTS.iter().map(|it| format!(":(exclude,top){it}")).collect();
        args.push(":(top)");
        args.extend(skipped.iter().map(String::as_str));
        let out = match self.git.run(&args, b"").await {
            Err(error) if error.code() == Some(1) => return Ok(Symbols::new()),
            out => out?,
        };
        let mut all = Symbols::new();
        let head = format!("{}:", self.commit);
        for line in String::from_utf8_lossy(&out).lines() {
            // `commit:path NUL number NUL text`; some versions have a colon behind the number.
            let Some((path, rest)) = line.split_once('\0') else { continue };
            let Some((number, text)) = rest.split_once(['\0', ':']) else { continue };
            let path = path.strip_prefix(&head).unwrap_or(path);
            note(&mut all, names, path, number.parse().unwrap_or(0), text);
        }
        Ok(all)
    }
}

fn note(all: &mut Symbols, names: &BTreeSet<String>, path: &str, line: usize, text: &str) {
    let text: String = text.chars().take(400).collect();
    for word in text.split(|it: char| !(it.is_alphanumeric() || it == '_')) {
        let Some(name) = names.get(word) else { continue };
        let of = all.entry(name.clone()).or_default();
        if of.len() < LINES_MAX * 10
            && of.last().is_none_or(|(place, _)| place.line != line || place.file != path)
        {
            of.push((Place::new(path, line), text.clone()));
        }
    }
}

/// The paths where plans lie.
#[must_use]
pub fn plans(tree: &Tree) -> Tree {
    let known = |it: &str| {
        let ends = it.rsplit_once('.').map(|it| it.1);
        ends.is_some_and(|it| ["md", "json", "yaml", "yml"].contains(&it))
            && it.matches('/').count() <= DEPTH_MAX
    };
    let mut all = Tree::new();
    for root in ROOTS {
        let inside = format!("{root}/");
        all.extend(tree.get(root).cloned());
        all.extend(
            tree.range(inside.clone()..)
                .take_while(|it| it.starts_with(&inside))
                .filter(|it| known(it))
                .cloned(),
        );
    }
    all
}

/// The commands of tasks and what red checks said of them: nothing is recorded of a working tree.
pub type Recorded =
    BTreeMap<(TaskId, String), (pilothouse_contract::desk::Red, pilothouse_contract::EvidenceId)>;

/// Every path of a working tree, but what git ignores and what is a link.
#[must_use]
pub fn of_folder(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let walk = ignore::WalkBuilder::new(top)
        .hidden(false)
        .follow_links(false)
        .require_git(false)
        .filter_entry(|it| it.file_name() != ".git")
        .build();
    for entry in walk.flatten().filter(|it| it.file_type().is_some_and(|it| it.is_file())) {
        let parts = entry
            .path()
            .strip_prefix(top)
            .ok()
            .map(|it| it.components().map(|it| it.as_os_str().to_str()).collect::<Option<Vec<_>>>());
        if let Some(path) = parts.flatten() {
            tree.insert(path.join("/"));
        }
        if tree.len() >= FILES_MAX {
            break;
        }
    }
    tree
}

/// The bytes of a file of a working tree; nothing if it is none, is a link, or is too long.
#[must_use]
pub fn file_of_folder(path: &Path, most: u64) -> Option<Vec<u8>> {
    let about = path.symlink_metadata().ok().filter(|it| it.is_file() && it.len() <= most)?;
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
    std::fs::File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Files of a working tree. What is no plain file or too long is left out.
#[must_use]
pub fn files_in_folder(top: &Path, wanted: BTreeSet<String>) -> Files {
    let read = |it: String| file_of_folder(&top.join(&it), FILE_BYTES).map(|bytes| (it, bytes));
    wanted.into_iter().filter_map(read).collect()
}

/// What an item wants of a working tree.
#[must_use]
pub fn beside_in_folder(
    top: &Path,
    tree: &Tree,
    item: &pilothouse_contract::layout::LaidItem,
    found: &Found,
    files: &Files,
) -> (Files, Symbols) {
    let Wants { files: wanted, symbols: names } = wants(item, found, files, tree);
    let beside = files_in_folder(top, wanted);
    let mut symbols = Symbols::new();
    let mut left = SEARCHED_ALL;
    let apart = |it: &&String| {
        !ROOTS.iter().any(|root| it.strip_prefix(root).is_some_and(|it| it.is_empty() || it.starts_with('/')))
    };
    for path in tree.iter().filter(apart).filter(|_| !names.is_empty()) {
        let Some(bytes) = file_of_folder(&top.join(path), SEARCHED_MAX.min(left)) else { continue };
        left -= bytes.len() as u64;
        // What is no text holds no symbol.
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        if names.iter().any(|it| text.contains(it.as_str())) {
            for (number, line) in text.lines().enumerate() {
                note(&mut symbols, &names, path, number + 1, line);
            }
        }
    }
    (beside, symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_where_plans_lie_is_looked_at() {
        let tree: Tree = ["specs/001-a/spec.md", "specs/001-a/x.png", "prd.json", "src/specs.md", "specs.md"]
            .map(str::to_owned)
            .into();
        let found = plans(&tree);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["prd.json", "specs/001-a/spec.md"]);
    }
}
