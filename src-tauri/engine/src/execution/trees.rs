//! Worktrees on disk: made from a commit, known again by what we wrote into their git folder, one at a time per
//! repository.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pilothouse_contract::worktree::Worktree;
use pilothouse_contract::{Oid, RefName};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::ports::folders::{Folder, Identity, Noted};
use crate::ports::git::{Git, GitError};

/// The file that we write into a worktree's git folder.
const OURS: &str = "pilothouse.json";

/// What went wrong with a worktree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Git said no.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The file system said no.
    #[error("{path}: {source}")]
    Files {
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// What is there is not what our record says. Nothing was changed.
    #[error("{path} is left alone: {why}")]
    NotOurs {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Turns an error of the file system into one that names the place.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.to_owned();
    move |source| TreeError::Files { path, source }
}

/// What we write into the git folder of a worktree that we made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ours {
    /// The database that knows it.
    pub home: String,
    /// Its name there: see [`name_of`], or that of a runner.
    pub worktree: String,
    /// The folder's identity.
    pub identity: Noted,
}

/// The name under which a worktree is noted: its id, and when it was asked for. A database that was put back from a copy
/// gives ids again, and must not take the worktrees of its other life for its own.
#[must_use]
pub fn name_of(worktree: &Worktree) -> String {
    format!("{}@{}", worktree.id, worktree.asked.0)
}

/// A worktree that was found to be ours.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its folder.
    pub path: PathBuf,
    /// The git folder that belongs to just this worktree.
    pub admin: PathBuf,
    /// The folder's identity.
    pub identity: Identity,
}

impl Tree {
    /// Git on this worktree, by its own git folder: what an agent wrote into `.git` or into the index is not asked.
    #[must_use]
    pub fn git(&self) -> Git {
        Git::with_files(&self.admin, &self.path)
    }
}

/// Makes and finds worktrees.
#[derive(Debug, Clone)]
pub struct Trees {
    home: String,
    root: PathBuf,
    locks: Arc<Mutex<BTreeMap<PathBuf, Arc<AsyncMutex<()>>>>>,
}

impl Trees {
    /// Worktrees below a folder, for the database of that name.
    #[must_use]
    pub fn new(home: &str, root: &Path) -> Self {
        Self { home: home.to_owned(), root: root.to_owned(), locks: Arc::default() }
    }

    /// The folder of a worktree.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The turn at a repository: whoever adds, removes or prunes worktrees has it.
    pub async fn turn(&self, git_dir: &Path) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(locks.entry(git_dir.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    /// Makes a worktree, or finds it made. What is left of a making that was broken off is moved aside, not deleted.
    /// Without a branch its HEAD is detached.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub async fn make(
        &self,
        git_dir: &Path,
        name: &str,
        relative: &str,
        branch: Option<&RefName>,
        base: &Oid,
    ) -> Result<Tree, TreeError> {
        let _turn = self.turn(git_dir).await;
        let path = self.path(relative);
        if let Ok(tree) = self.find(git_dir, name, relative).await {
            return Ok(tree);
        }
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(at(parent))?;
        }
        self.move_aside(&path).await?;
        let git = Git::at(git_dir);
        // A making that was broken off may have left an entry for a folder that is no longer there.
        forget(git_dir, &path).await?;
        if let Some(branch) = branch {
            keep_branch(&git, branch, base).await?;
        }
        let folder = path.to_string_lossy().into_owned();
        let mut args =
            vec!["worktree", "add", "--quiet", "--lock", "--reason", "held by Pilothouse", "--no-track"];
        match branch {
            // The name holds the attempt's number, so a branch of that name is what is left of a broken making, or of
            // another life of the database; then it was kept just now.
            Some(branch) => args.extend(["-B", branch.short(), &folder, base.as_str()]),
            None => {
                args.retain(|it| *it != "--no-track");
                args.extend(["--detach", &folder, base.as_str()]);
            }
        }
        git.run(&args, b"").await?;
        let identity = Folder::open(&path).and_then(|it| it.identity()).map_err(at(&path))?;
        let admin = admin_of(&path).map_err(at(&path))?;
        let ours =
            Ours { home: self.home.clone(), worktree: name.to_owned(), identity: Noted::now(identity) };
        let file = admin.join(OURS);
        tokio::fs::write(&file, serde_json::to_vec(&ours).unwrap_or_default()).await.map_err(at(&file))?;
        // Patterns that git copied from a checkout of parts: a worktree of ours holds everything.
        let _none = tokio::fs::remove_file(admin.join("info/sparse-checkout")).await;
        Ok(Tree { path, admin, identity })
    }

    /// Finds a worktree and checks that it is the one we made: the folder is no link and has the inode we noted, its
    /// `.git` is a file that names a git folder of this repository, and that folder holds our note.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub async fn find(&self, git_dir: &Path, name: &str, relative: &str) -> Result<Tree, TreeError> {
        let path = self.path(relative);
        let not_ours = |why: &str| TreeError::NotOurs { path: path.clone(), why: why.to_owned() };
        let parent = path.parent().unwrap_or(&path);
        let real = tokio::fs::canonicalize(parent).await.map_err(at(parent))?;
        if real != parent {
            return Err(not_ours("the way to it goes through a symbolic link"));
        }
        if path.symlink_metadata().map_err(at(&path))?.is_symlink() {
            return Err(not_ours("it is a symbolic link"));
        }
        let identity = Folder::open(&path).and_then(|it| it.identity()).map_err(at(&path))?;
        let around = Folder::open(parent).and_then(|it| it.identity()).map_err(at(parent))?;
        if identity.device != around.device {
            return Err(not_ours("another file system is mounted there"));
        }
        if path.join(".git").is_dir() {
            return Err(not_ours("it is a repository of its own, not a worktree"));
        }
        let admin = admin_of(&path).map_err(at(&path))?;
        let common = tokio::fs::canonicalize(git_dir).await.map_err(at(git_dir))?;
        if !tokio::fs::canonicalize(&admin)
            .await
            .is_ok_and(|real| real.parent() == Some(&common.join("worktrees")))
        {
            return Err(not_ours("it belongs to another repository"));
        }
        let file = admin.join(OURS);
        let note: Ours = tokio::fs::read(&file)
            .await
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| not_ours("Pilothouse did not make it"))?;
        if note.home != self.home || note.worktree != name {
            return Err(not_ours("another Pilothouse made it"));
        }
        if !note.identity.is(identity) {
            return Err(not_ours("another folder stands in its place"));
        }
        Ok(Tree { path, admin, identity })
    }

    /// Moves a worktree that cannot be used any more aside, and has its repository forget it.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub async fn put_aside(&self, git_dir: &Path, relative: &str) -> Result<(), TreeError> {
        let _turn = self.turn(git_dir).await;
        let path = self.path(relative);
        self.move_aside(&path).await?;
        forget(git_dir, &path).await
    }

    /// Moves whatever stands at a path aside, under a name that says so.
    async fn move_aside(&self, path: &Path) -> Result<(), TreeError> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        for n in 1.. {
            let aside = path.with_file_name(format!("{name}.aside-{n}"));
            if aside.symlink_metadata().is_err() {
                return tokio::fs::rename(path, &aside).await.map_err(at(path));
            }
        }
        Ok(())
    }
}

/// Keeps what a branch points to, before it is made anew from a commit: under a ref of recovery, if it holds anything else.
async fn keep_branch(git: &Git, branch: &RefName, base: &Oid) -> Result<(), GitError> {
    let Some(stands) = git.commit_of(branch.as_str()).await?.filter(|stands| stands != base) else {
        return Ok(());
    };
    let kept = RefName(format!("refs/pilothouse/recovery/aside/{stands}"));
    if git.commit_of(kept.as_str()).await?.is_none() {
        git.move_ref(&kept, &stands, None, &format!("{} is made anew", branch.short())).await?;
    }
    Ok(())
}

/// The git folder that a worktree's `.git` file names. Format: git's documentation of repository layout, `gitdir:`.
///
/// # Errors
/// Whatever the file system says, or `InvalidData`.
pub fn admin_of(path: &Path) -> io::Result<PathBuf> {
    let file = path.join(".git");
    if !file.symlink_metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, ".git is not a file"));
    }
    let text = std::fs::read_to_string(&file)?;
    let named = text
        .strip_prefix("gitdir: ")
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, ".git names no git folder"))?
        .trim_end();
    Ok(path.join(named))
}

/// Deletes the entry that a repository keeps for a worktree whose folder is not there. Only the entry for this very
/// path is touched; what else might be pruned is not ours.
pub(super) async fn forget(git_dir: &Path, path: &Path) -> Result<(), TreeError> {
    let entries = git_dir.join("worktrees");
    let Ok(mut list) = tokio::fs::read_dir(&entries).await else { return Ok(()) };
    while let Ok(Some(entry)) = list.next_entry().await {
        let names = tokio::fs::read_to_string(entry.path().join("gitdir")).await.unwrap_or_default();
        if Path::new(names.trim_end()) == path.join(".git") && path.symlink_metadata().is_err() {
            tokio::fs::remove_dir_all(entry.path()).await.map_err(at(&entry.path()))?;
        }
    }
    Ok(())
}
