//! Changes to look at: the files between two commits or trees, and the rows of one of them. What was read is kept for a while, within
//! a bound, by what it was read from; so who pages through a long file has git run once.
//!
//! Refuses to run anything of the repository's own, and to show files that nobody reads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pilothouse_contract::Oid;
use pilothouse_contract::ask::change::Of;
use pilothouse_contract::text;

use crate::policy::change::{Body, Entry, read};
use crate::ports::git::{Blob, Git, GitError};

/// A side longer than this, in bytes, is not shown.
const SIDE_MAX: u64 = 32 * 1024 * 1024;
/// Nor is a file with more lines than this: each costs memory of its own, and a window cannot scroll through more.
const LINES_MAX: usize = 1_000_000;
/// So many bytes of files that were read are kept.
const BODIES_MAX: usize = 64 * 1024 * 1024;
/// So many files of lists are kept.
const FILES_MAX: usize = 50_000;
/// So many changes are known by what they lead from and to.
const KNOWN_MAX: usize = 256;
/// What git shows that is unchanged around a change: all of it.
const WHOLE: &str = "--unified=1000000000";

/// A change, by its repository and both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// The git folder.
    pub git_dir: PathBuf,
    /// From which commit.
    pub from: Oid,
    /// To which commit or tree.
    pub to: Oid,
}

/// What was read of changes. Cheap at rest.
#[derive(Debug, Default)]
pub struct Changes {
    lists: Shelf<Between, Vec<Entry>>,
    bodies: Shelf<(PathBuf, Entry), Body>,
    known: Shelf<(String, Between), ()>,
    /// One long file at a time: whoever asks for the same one finds it read.
    reading: tokio::sync::Mutex<()>,
}

impl Changes {
    /// Notes that something was shown to change just that.
    pub fn note(&self, of: Of, between: &Between) {
        self.known.put((format!("{of:?}"), between.clone()), Arc::new(()), 1, KNOWN_MAX);
    }

    /// Whether that was shown.
    pub fn was_shown(&self, of: Of, between: &Between) -> bool {
        self.known.find(&(format!("{of:?}"), between.clone())).is_some()
    }

    /// The files of a change.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn files(&self, between: &Between) -> Result<Arc<Vec<Entry>>, GitError> {
        if let Some(known) = self.lists.find(between) {
            return Ok(known);
        }
        let args = [
            "diff-tree",
            "-r",
            "-z",
            "-M",
            "-l1000",
            "--raw",
            "--numstat",
            "--no-ext-diff",
            "--no-textconv",
            "--diff-algorithm=myers",
            "--no-commit-id",
            between.from.as_str(),
            between.to.as_str(),
        ];
        let said = Git::at(&between.git_dir).run(&args, b"").await?;
        let odd = |says| GitError::Odd { command: "diff-tree".to_owned(), says };
        let entries = Arc::new(read(&said).map_err(odd)?);
        self.lists.put(between.clone(), Arc::clone(&entries), entries.len().max(1), FILES_MAX);
        Ok(entries)
    }

    /// One file of a change.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn body(&self, between: &Between, entry: &Entry) -> Result<Arc<Body>, GitError> {
        let key = (between.git_dir.clone(), entry.clone());
        if let Some(known) = self.bodies.find(&key) {
            return Ok(known);
        }
        let _one = self.reading.lock().await;
        if let Some(known) = self.bodies.find(&key) {
            return Ok(known);
        }
        let body = Arc::new(read_body(between, entry).await?);
        self.bodies.put(key, Arc::clone(&body), body.weight(), BODIES_MAX);
        Ok(body)
    }
}

async fn read_body(between: &Between, entry: &Entry) -> Result<Body, GitError> {
    let git = Git::at(Path::new(&between.git_dir));
    let mut notes = entry.notes();
    let (before, now) = (entry.before(), entry.now());
    if entry.is_submodule() || before == now {
        return Ok(Body::of_notes(notes));
    }
    let ids: Vec<&str> = before.into_iter().chain(now).collect();
    let lengths: Vec<u64> = git.lengths(&ids).await?.into_iter().map(Option::unwrap_or_default).collect();
    let of = |id: Option<&str>| {
        id.and_then(|id| ids.iter().position(|it| *it == id)).and_then(|it| lengths.get(it).copied())
    };
    let sizes = match (of(before), of(now)) {
        (Some(old), Some(new)) => format!("{} before, {} now", text::size(old), text::size(new)),
        (Some(old), None) => format!("{} before", text::size(old)),
        (_, new) => text::size(new.unwrap_or_default()),
    };
    if entry.lines.is_none() {
        notes.push(format!("A binary file: {sizes}."));
        return Ok(Body::of_notes(notes));
    }
    let too_long = |mut notes: Vec<String>, how: &str| {
        notes.push(format!(
            "Too long to be shown here: {how}. See it with git diff {} {}.",
            between.from.short(),
            between.to.short()
        ));
        Body::of_notes(notes)
    };
    if lengths.iter().any(|it| *it > SIDE_MAX) {
        return Ok(too_long(notes, &sizes));
    }
    let lines = |bytes: &[u8]| bytes.iter().filter(|it| **it == b'\n').count();
    match (before, now) {
        (Some(before), Some(now)) => {
            let args = [
                "diff",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                "--text",
                "--diff-algorithm=myers",
                WHOLE,
                before,
                now,
            ];
            let said = git.run(&args, b"").await?;
            match lines(&said) {
                n if n > LINES_MAX => Ok(too_long(notes, &format!("{sizes}, {n} lines"))),
                _ => Ok(Body::of_diff(said, notes)),
            }
        }
        (Some(id), None) | (None, Some(id)) => {
            let blob =
                Blob { path: String::new(), id: id.to_owned(), size: of(Some(id)).unwrap_or_default() };
            let bytes = git.contents(&[&blob]).await?.pop().unwrap_or_default();
            match lines(&bytes) {
                n if n > LINES_MAX => Ok(too_long(notes, &format!("{sizes}, {n} lines"))),
                _ => Ok(Body::of_one(bytes, now.is_some(), notes)),
            }
        }
        (None, None) => Ok(Body::of_notes(notes)),
    }
}

/// What was used last is kept, up to a weight.
#[derive(Debug)]
struct Shelf<K, T>(Mutex<Vec<Kept<K, T>>>);

#[derive(Debug)]
struct Kept<K, T> {
    key: K,
    it: Arc<T>,
    weight: usize,
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq, T> Shelf<K, T> {
    fn find(&self, key: &K) -> Option<Arc<T>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|it| it.key == *key)?;
        let kept = all.remove(at);
        let it = Arc::clone(&kept.it);
        all.push(kept);
        Some(it)
    }

    /// Keeps it, and what was used last besides up to a weight. What was put last is kept however heavy it is, for whoever wanted it
    /// wants more of it soon.
    fn put(&self, key: K, it: Arc<T>, weight: usize, most: usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|it| it.key != key);
        let mut sum: usize = all.iter().map(|it| it.weight).sum();
        while sum + weight > most && !all.is_empty() {
            sum -= all.remove(0).weight;
        }
        all.push(Kept { key, it, weight });
    }
}

#[cfg(test)]
mod tests;
