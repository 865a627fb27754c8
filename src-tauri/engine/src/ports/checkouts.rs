//! Where a repository's branches are checked out, and what is under way there: by git's own list of worktrees, and by the
//! files in which git notes a rebase or a bisection.

use std::path::{Path, PathBuf};

use pilothouse_contract::{Oid, RefName};

use super::git::{Git, GitError};

impl Git {
    /// The checkout of a branch, if it is checked out anywhere: by git's own list of worktrees. `main` is the folder of
    /// the main checkout, which git itself cannot name where the git folder is kept apart.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn checkout_of(&self, branch: &RefName, main: &Path) -> Result<Option<Checkout>, GitError> {
        for (n, entry) in self.worktrees().await?.into_iter().enumerate() {
            let path = if n == 0 { main.to_owned() } else { entry.path };
            if entry.branch.as_ref() == Some(branch) {
                return Ok(path.is_dir().then_some(Checkout { path, busy: None }));
            }
            // A rebase or a bisection detaches HEAD and comes back to the branch at its end.
            if let Some(busy) = entry.detached.then(|| under_way(&path, branch)).flatten() {
                return Ok(Some(Checkout { path, busy: Some(busy) }));
            }
        }
        Ok(None)
    }

    /// Git's own list of worktrees, the main one first.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn worktrees(&self) -> Result<Vec<Entry>, GitError> {
        let mut entries: Vec<Entry> = Vec::new();
        for line in self.list(&["worktree", "list", "--porcelain", "-z"]).await? {
            if let Some(folder) = line.strip_prefix("worktree ") {
                entries.push(Entry {
                    path: PathBuf::from(folder),
                    branch: None,
                    detached: false,
                    bare: false,
                });
            } else if let Some(entry) = entries.last_mut() {
                match line.strip_prefix("branch ") {
                    Some(branch) => entry.branch = Some(RefName(branch.to_owned())),
                    None => {
                        entry.detached |= line == "detached";
                        entry.bare |= line == "bare";
                    }
                }
            }
        }
        Ok(entries)
    }
}

/// One of a repository's worktrees, by git's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its folder.
    pub path: PathBuf,
    /// The branch that is checked out there.
    pub branch: Option<RefName>,
    /// Whether a commit is checked out and no branch.
    pub detached: bool,
    /// Whether it is a bare repository and has no files.
    pub bare: bool,
}

/// A checkout of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its folder.
    pub path: PathBuf,
    /// What is under way there that will come back to the branch.
    pub busy: Option<String>,
}

impl Checkout {
    /// Brings the branch, its index and its files to a commit that comes after it. Edits that are not in the way are
    /// kept; where a file, ignored or not, would be lost, nothing is done.
    ///
    /// # Errors
    /// See [`GitError`]: mostly that something is in the way.
    pub async fn fast_forward(&self, branch: &RefName, to: &Oid) -> Result<(), GitError> {
        let options = format!("branch.{}.mergeOptions=", branch.short());
        let merge = [
            "-c",
            &options,
            "merge",
            "--ff-only",
            "--quiet",
            "--no-autostash",
            "--no-overwrite-ignore",
            to.as_str(),
        ];
        Git::found_from(&self.path).run(&merge, b"").await.map(drop)
    }
}

/// What is under way in a checkout whose HEAD is detached, if it will come back to a branch. Source: git's own
/// `wt-status.c` names these files; `head-name` holds a full ref, `BISECT_START` a short one.
fn under_way(checkout: &Path, branch: &RefName) -> Option<String> {
    let dot_git = checkout.join(".git");
    let admin = if dot_git.is_dir() {
        dot_git
    } else {
        let text = std::fs::read_to_string(&dot_git).ok()?;
        checkout.join(text.strip_prefix("gitdir: ")?.trim_end())
    };
    let names = |file: &str, name: &str| {
        std::fs::read_to_string(admin.join(file)).is_ok_and(|it| it.trim_end() == name)
    };
    if names("rebase-merge/head-name", branch.as_str()) || names("rebase-apply/head-name", branch.as_str()) {
        return Some(format!("a rebase of {} is under way", branch.short()));
    }
    names("BISECT_START", branch.short()).then(|| format!("a bisection of {} is under way", branch.short()))
}
