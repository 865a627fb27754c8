//! Safe removal (promise P2): a worktree is renamed away and never deleted. Its commits, its index and its files are
//! kept by refs, its untracked files by a bundle besides, its git folder by a copy; undo puts every byte back.
//!
//! The order: identity checked, intent written, refs, bundle, copy, rename, identity checked again on what was
//! renamed. If somebody swapped the path in between, the rename is taken back and the removal refused.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::worktree::{Recovery, Worktree};
use pilothouse_contract::{At, Fault, Oid, RefName};
use serde::{Deserialize, Serialize};

use super::trees::{Tree, TreeError, Trees, at, forget, name_of};
use crate::ports::folders::{Folder, Noted};
use crate::ports::git::{Author, Git};

/// How long a removed worktree can be brought back.
pub const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const NOTE: &str = "recovery.json";
const TREE: &str = "tree";
const ADMIN: &str = "git";
const BUNDLE: &str = "untracked.tar.zst";

/// What is noted beside a removed worktree, so that it can be brought back without a database too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    worktree: String,
    path: PathBuf,
    git_dir: PathBuf,
    admin: PathBuf,
    branch: RefName,
    head: Oid,
    identity: Noted,
    refs: Vec<RefName>,
    bundled: u32,
    at: At,
    /// Whether the removal is complete; a note without it is an intent.
    complete: bool,
}

/// Removes and brings back.
#[derive(Clone)]
pub struct Remover {
    trees: Trees,
    folder: PathBuf,
    between: Option<std::sync::Arc<dyn Fn() + Send + Sync>>,
}

impl std::fmt::Debug for Remover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remover").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Remover {
    /// Removes into a folder.
    #[must_use]
    pub fn new(trees: &Trees, folder: &Path) -> Self {
        Self { trees: trees.clone(), folder: folder.to_owned(), between: None }
    }

    /// Something that happens between the last look and the deed: for tests of just that moment.
    #[must_use]
    pub fn with_between(mut self, between: impl Fn() + Send + Sync + 'static) -> Self {
        self.between = Some(std::sync::Arc::new(between));
        self
    }

    fn place(&self, worktree: &Worktree, at: At) -> PathBuf {
        self.folder.join(format!("{}-{}", worktree.id, at.0))
    }

    /// Removes a worktree, or finds it removed by an earlier try with the same time.
    ///
    /// # Errors
    /// See [`TreeError`]; then the worktree stands where it stood.
    pub async fn remove(&self, worktree: &Worktree, git_dir: &Path, now: At) -> Result<Recovery, TreeError> {
        let _turn = self.trees.turn(git_dir).await;
        let place = self.place(worktree, now);
        let note_file = place.join(NOTE);
        if let Some(note) = read_note(&note_file) {
            if note.complete {
                return Ok(self.recovery(&place, &note));
            }
            if place.join(TREE).is_dir() {
                // It was renamed away and the rest was broken off: go on from there.
                return self.finish(&place, note).await;
            }
        }
        let tree = self.trees.find(git_dir, &name_of(worktree), &worktree.path).await?;
        tokio::fs::create_dir_all(&place).await.map_err(at(&place))?;
        let note = self.keep(worktree, git_dir, &tree, &place, now).await?;
        if let Some(between) = &self.between {
            between();
        }
        rename_away(&tree, &place)?;
        self.finish(&place, note).await
    }

    /// Everything that is needed to bring it back is made, while it still stands where it stood.
    async fn keep(
        &self,
        worktree: &Worktree,
        git_dir: &Path,
        tree: &Tree,
        place: &Path,
        now: At,
    ) -> Result<Note, TreeError> {
        let git = tree.git();
        let head = git.commit_of("HEAD").await?.unwrap_or_else(|| worktree.base.clone());
        let mut note = Note {
            worktree: worktree.id.to_string(),
            path: tree.path.clone(),
            git_dir: git_dir.to_owned(),
            admin: tree.admin.clone(),
            branch: worktree.branch.clone(),
            head: head.clone(),
            identity: Noted::now(tree.identity),
            refs: Vec::new(),
            bundled: 0,
            at: now,
            complete: false,
        };
        write_note(place, &note)?;
        let common = Git::at(git_dir);
        let base = format!("refs/pilothouse/recovery/{}-{}", worktree.id, now.0);
        let author = Author {
            name: "Pilothouse".to_owned(),
            email: "recovery@pilothouse.invalid".to_owned(),
            at: now,
        };
        let files = snapshot(tree, &head, &place.join("index.files"), &[]).await?;
        let mut kept = vec![("head", head.clone())];
        kept.push((
            "files",
            common.commit(&files, &[&head], "The files of a removed worktree", &author).await?,
        ));
        // Writing a tree writes to the index too, so a copy is asked. An index with unmerged entries has no tree; its
        // bytes are in the copy of the git folder all the same.
        let copy = place.join("index.copy");
        let _none = tokio::fs::copy(tree.admin.join("index"), &copy).await;
        let index = git.with_index(&copy).text(&["write-tree"]).await;
        let _gone = tokio::fs::remove_file(&copy).await;
        if let Ok(index) = index {
            kept.push((
                "index",
                common.commit(&Oid(index), &[&head], "The index of a removed worktree", &author).await?,
            ));
        }
        for (name, oid) in kept {
            let reference = RefName(format!("{base}/{name}"));
            if common.commit_of(reference.as_str()).await? != Some(oid.clone()) {
                common.move_ref(&reference, &oid, None, "worktree removed").await?;
            }
            note.refs.push(reference);
        }
        let untracked = git.list(&["ls-files", "-z", "--others", "--exclude-standard"]).await?;
        let (from, to) = (tree.path.clone(), place.join(BUNDLE));
        let bundle = to.clone();
        note.bundled = tokio::task::spawn_blocking(move || write_bundle(&from, &untracked, &bundle))
            .await
            .map_err(|error| at(place)(io::Error::other(error)))?
            .map_err(at(&to))?;
        let (from, to) = (tree.admin.clone(), place.join(ADMIN));
        let copied = to.clone();
        tokio::task::spawn_blocking(move || copy_folder(&from, &copied))
            .await
            .map_err(|error| at(place)(io::Error::other(error)))?
            .map_err(at(&to))?;
        write_note(place, &note)?;
        Ok(note)
    }

    /// The folder is renamed away: the repository forgets the worktree, and its branch if it is an attempt's.
    async fn finish(&self, place: &Path, mut note: Note) -> Result<Recovery, TreeError> {
        if note.admin.is_dir() {
            tokio::fs::remove_dir_all(&note.admin).await.map_err(at(&note.admin))?;
        }
        forget(&note.git_dir, &note.path).await?;
        let git = Git::at(&note.git_dir);
        if git.commit_of(note.branch.as_str()).await? == Some(note.head.clone()) {
            git.drop_ref(&note.branch, &note.head).await?;
        }
        note.complete = true;
        write_note(place, &note)?;
        Ok(self.recovery(place, &note))
    }

    fn recovery(&self, place: &Path, note: &Note) -> Recovery {
        Recovery {
            folder: place.display().to_string(),
            refs: note.refs.clone(),
            head: note.head.clone(),
            bundled: note.bundled,
            at: note.at,
            until: note.at.plus_ms(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// Brings a removed worktree back, or finds it back. Returns what could not be brought back, in words: nothing,
    /// as long as the renamed folder is there.
    ///
    /// # Errors
    /// See [`TreeError`]; then everything stands where it stood.
    pub async fn restore(&self, recovery: &Recovery) -> Result<Vec<String>, TreeError> {
        let place = PathBuf::from(&recovery.folder);
        let note = read_note(&place.join(NOTE)).ok_or_else(|| TreeError::NotOurs {
            path: place.clone(),
            why: "it holds no note of a removed worktree".to_owned(),
        })?;
        let _turn = self.trees.turn(&note.git_dir).await;
        let kept = place.join(TREE);
        let occupied = || TreeError::NotOurs {
            path: note.path.clone(),
            why: "something else stands there now".to_owned(),
        };
        let stands = Folder::open(&note.path).and_then(|it| it.identity()).ok();
        match stands {
            Some(identity) if note.identity.is(identity) => {}
            Some(_) => return Err(occupied()),
            None if note.path.symlink_metadata().is_ok() => return Err(occupied()),
            None => {}
        }
        if let Some(parent) = note.path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(at(parent))?;
        }
        let git = Git::at(&note.git_dir);
        match git.commit_of(note.branch.as_str()).await? {
            None => git.move_ref(&note.branch, &note.head, None, "worktree brought back").await?,
            Some(oid) if oid == note.head => {}
            Some(_) => {
                return Err(TreeError::NotOurs {
                    path: note.path,
                    why: format!("the branch {} was made anew and stands elsewhere", note.branch.short()),
                });
            }
        }
        if stands.is_none() && !kept.is_dir() {
            return self.rebuild(&place, &note).await;
        }
        let admin = note.admin.clone();
        let copy = place.join(ADMIN);
        if !admin.is_dir() {
            let (from, to) = (copy, admin.clone());
            tokio::task::spawn_blocking(move || copy_folder(&from, &to))
                .await
                .map_err(|error| at(&place)(io::Error::other(error)))?
                .map_err(at(&admin))?;
        }
        if stands.is_none() {
            rename_back(&place, &note)?;
        }
        Ok(Vec::new())
    }

    /// The renamed folder is gone (somebody needed the space): what the refs and the bundle hold is put back.
    async fn rebuild(&self, place: &Path, note: &Note) -> Result<Vec<String>, TreeError> {
        let git = Git::at(&note.git_dir);
        let folder = note.path.to_string_lossy().into_owned();
        git.run(&["worktree", "add", "--quiet", "--force", &folder, note.branch.short()], b"").await?;
        let tree = Tree {
            path: note.path.clone(),
            admin: super::trees::admin_of(&note.path).map_err(at(&note.path))?,
            identity: Folder::open(&note.path).and_then(|it| it.identity()).map_err(at(&note.path))?,
        };
        if let Some(files) = note.refs.iter().find(|it| it.as_str().ends_with("/files")) {
            tree.git().run(&["restore", &format!("--source={files}"), "--worktree", "--", "."], b"").await?;
        }
        let index = place.join(ADMIN).join("index");
        if index.is_file() {
            tokio::fs::copy(&index, tree.admin.join("index")).await.map_err(at(&index))?;
        }
        let ours = place.join(ADMIN).join("pilothouse.json");
        if let Some(mut ours) = tokio::fs::read(&ours)
            .await
            .ok()
            .and_then(|it| serde_json::from_slice::<super::trees::Ours>(&it).ok())
        {
            ours.identity = Noted::now(tree.identity);
            let to = tree.admin.join("pilothouse.json");
            tokio::fs::write(&to, serde_json::to_vec(&ours).unwrap_or_default()).await.map_err(at(&to))?;
        }
        Ok(vec!["files that git ignores".to_owned(), "times of files".to_owned()])
    }

    /// Deletes what was removed too long ago to be brought back. The only deletion there is.
    pub async fn sweep(&self, now: At) -> Vec<PathBuf> {
        let mut swept = Vec::new();
        let Ok(mut list) = tokio::fs::read_dir(&self.folder).await else { return swept };
        while let Ok(Some(entry)) = list.next_entry().await {
            let place = entry.path();
            let Some(note) = read_note(&place.join(NOTE)) else { continue };
            let age_ms = now.since_ms(note.at);
            if !note.complete || age_ms <= i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX) {
                continue;
            }
            let git = Git::at(&note.git_dir);
            for reference in &note.refs {
                if let Ok(Some(oid)) = git.commit_of(reference.as_str()).await {
                    let _kept_longer = git.drop_ref(reference, &oid).await;
                }
            }
            if tokio::fs::remove_dir_all(&place).await.is_ok() {
                swept.push(place);
            }
        }
        swept
    }
}

/// The tree of a worktree's files, tracked and untracked, with an index of our own: what an agent told its index to
/// overlook is seen all the same. Files that are `wanted` are taken even if git ignores them.
///
/// # Errors
/// See [`TreeError`].
pub(super) async fn snapshot(
    tree: &Tree,
    base: &Oid,
    index: &Path,
    wanted: &[String],
) -> Result<Oid, TreeError> {
    let git = tree.git().with_index(index);
    git.run(&["read-tree", base.as_str()], b"").await?;
    git.run(&["add", "--all", "--", "."], b"").await?;
    let is_file = |path: &&String| tree.path.join(path).symlink_metadata().is_ok_and(|it| !it.is_dir());
    let there: Vec<&str> = wanted.iter().filter(is_file).map(String::as_str).collect();
    if !there.is_empty() {
        let mut args = vec!["--literal-pathspecs", "add", "--force", "--"];
        args.extend(there);
        git.run(&args, b"").await?;
    }
    let made = Oid(git.text(&["write-tree"]).await?);
    let _gone = tokio::fs::remove_file(index).await;
    Ok(made)
}

/// Renames a worktree's folder into its place of recovery, and looks at what was renamed.
fn rename_away(tree: &Tree, place: &Path) -> Result<(), TreeError> {
    let (parent, name) = split(&tree.path)?;
    let from = Folder::open(parent).map_err(at(parent))?;
    let to = Folder::open(place).map_err(at(place))?;
    from.rename(name, &to, TREE).map_err(at(&tree.path))?;
    let moved = to.identity_of(TREE).map_err(at(place))?;
    if moved == Some(tree.identity) {
        return Ok(());
    }
    // Somebody put something else there between the look and the deed: it goes back where it was.
    to.rename(TREE, &from, name).map_err(at(&tree.path))?;
    Err(TreeError::NotOurs {
        path: tree.path.clone(),
        why: "it was swapped for something else this very moment".to_owned(),
    })
}

fn rename_back(place: &Path, note: &Note) -> Result<(), TreeError> {
    let (parent, name) = split(&note.path)?;
    let from = Folder::open(place).map_err(at(place))?;
    let to = Folder::open(parent).map_err(at(parent))?;
    from.rename(TREE, &to, name).map_err(at(&note.path))
}

fn split(path: &Path) -> Result<(&Path, &str), TreeError> {
    path.parent()
        .zip(path.file_name().and_then(|it| it.to_str()))
        .ok_or_else(|| at(path)(io::Error::new(io::ErrorKind::InvalidInput, "no name that we could give it")))
}

fn read_note(file: &Path) -> Option<Note> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn write_note(place: &Path, note: &Note) -> Result<(), TreeError> {
    let file = place.join(NOTE);
    let beside = place.join("recovery.tmp");
    let write = || -> io::Result<()> {
        let mut out = File::create(&beside)?;
        out.write_all(&serde_json::to_vec_pretty(note)?)?;
        out.sync_all()?;
        std::fs::rename(&beside, &file)
    };
    write().map_err(at(&file))
}

/// Bundles files below a folder; links as links, and nothing through a link.
fn write_bundle(from: &Path, files: &[String], to: &Path) -> io::Result<u32> {
    let out = zstd::Encoder::new(File::create(to)?, 3)?;
    let mut tar = tar::Builder::new(out);
    tar.follow_symlinks(false);
    let mut count = 0;
    for file in files {
        match tar.append_path_with_name(from.join(file), file) {
            Ok(()) => count += 1,
            // It went away while we looked, or is a socket; the renamed folder has whatever is there.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Other) => {}
            Err(error) => return Err(error),
        }
    }
    tar.into_inner()?.finish()?.sync_all()?;
    Ok(count)
}

/// Copies a git folder of a worktree: plain files and folders, with their rights.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&from, &to)?;
        } else if kind.is_symlink() {
            if to.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(std::fs::read_link(&from)?, &to)?;
            }
        } else if kind.is_file() {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

impl From<TreeError> for Fault {
    fn from(error: TreeError) -> Self {
        let fault = match &error {
            TreeError::NotOurs { .. } => Self::refused(error.to_string()),
            TreeError::Git(_) | TreeError::Files { .. } => Self::environment(error.to_string()),
        };
        match &error {
            TreeError::NotOurs { .. } => {
                fault.hint("look at what stands there; Pilothouse removes only what it made")
            }
            _ => fault,
        }
    }
}

#[cfg(test)]
mod tests;
