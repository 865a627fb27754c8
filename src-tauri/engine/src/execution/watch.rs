//! The one watcher: git folders of all projects always, source folders of worktrees that are at work as far as a budget
//! goes, and a slow sweep for what is beyond it. Events are only forwarded here, coalesced there; an overflow means
//! that everything is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use pilothouse_contract::{ProjectId, WorktreeId};
use tokio::sync::mpsc;

/// After an event it is quiet for so long before it is told.
const QUIET: Duration = Duration::from_millis(100);
/// But no later than this after the first.
const LATEST: Duration = Duration::from_secs(1);
/// What is not watched is looked at so often.
pub const SWEEP: Duration = Duration::from_secs(30);

/// Where something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// A folder came up in a worktree that is watched: what is to be watched is settled anew. First of the signs, so
    /// that it is heeded before those that look.
    Folders,
    /// The refs or the index of a project's main checkout.
    Project(ProjectId),
    /// The files of a worktree.
    Worktree(WorktreeId),
    /// A folder that holds worktrees: one may have come or gone.
    Around(ProjectId),
    /// The data folder itself.
    Home,
    /// Events were lost: everywhere.
    Everywhere,
}

/// What is to be watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Folders watched for themselves alone, and what a change there means. Those further up come first in the budget.
    pub folders: BTreeMap<PathBuf, BTreeSet<Sign>>,
    /// Folders watched with everything below them.
    pub deep: BTreeMap<PathBuf, BTreeSet<Sign>>,
    /// Worktrees whose source folders are watched as far as the budget goes.
    pub trees: BTreeMap<WorktreeId, PathBuf>,
}

/// The watcher.
pub struct Watch {
    inner: Mutex<Inner>,
}

struct Inner {
    watcher: Option<RecommendedWatcher>,
    signs: Arc<Mutex<BTreeMap<PathBuf, BTreeSet<Sign>>>>,
    watched: BTreeMap<PathBuf, RecursiveMode>,
    trees: BTreeMap<WorktreeId, bool>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// A watcher that tells where something changed. Where the system has none to give, nothing is told, and the
    /// sweep does its work.
    #[must_use]
    pub fn new(tell: mpsc::UnboundedSender<BTreeSet<Sign>>) -> Self {
        let signs: Arc<Mutex<BTreeMap<PathBuf, BTreeSet<Sign>>>> = Arc::default();
        let (raw, taken) = mpsc::unbounded_channel();
        // The system's queue overflows if this does more than forward.
        let watcher = notify::recommended_watcher(move |event| drop(raw.send(event)))
            .inspect_err(|error| tracing::warn!(%error, "no watcher: everything is looked at every 30 s"))
            .ok();
        tokio::spawn(coalesce(taken, Arc::clone(&signs), tell));
        Self { inner: Mutex::new(Inner { watcher, signs, watched: BTreeMap::new(), trees: BTreeMap::new() }) }
    }

    /// Watches what is wanted and nothing else. Walks source folders: not for the core loop's own thread.
    pub fn set(&self, wanted: &Wanted) {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut signs = wanted.folders.clone();
        for (folder, what) in &wanted.deep {
            signs.entry(folder.clone()).or_default().extend(what);
        }
        let mut modes: BTreeMap<PathBuf, RecursiveMode> =
            wanted.folders.keys().map(|it| (it.clone(), RecursiveMode::NonRecursive)).collect();
        modes.extend(wanted.deep.keys().map(|it| (it.clone(), RecursiveMode::Recursive)));
        let mut left = budget().saturating_sub(modes.len());
        inner.trees.clear();
        for (worktree, path) in &wanted.trees {
            let folders = source_folders(path, left);
            inner.trees.insert(*worktree, folders.is_some());
            for folder in folders.into_iter().flatten() {
                left = left.saturating_sub(1);
                signs.entry(folder.clone()).or_default().insert(Sign::Worktree(*worktree));
                modes.entry(folder).or_insert(RecursiveMode::NonRecursive);
            }
        }
        *inner.signs.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = signs;
        let Inner { watcher: Some(watcher), watched, .. } = &mut *inner else { return };
        for (folder, _) in watched.iter().filter(|(folder, mode)| modes.get(*folder) != Some(*mode)) {
            // It may be gone with its folder.
            let _gone = watcher.unwatch(folder);
        }
        let mut now = BTreeMap::new();
        for (folder, mode) in modes {
            if watched.get(&folder) == Some(&mode) || watcher.watch(&folder, mode).is_ok() {
                now.insert(folder, mode);
            }
        }
        *watched = now;
    }

    /// How changes of a worktree's files are noticed, in words.
    #[must_use]
    pub fn words(&self, worktree: WorktreeId) -> String {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let live = inner.watcher.is_some() && inner.trees.get(&worktree).copied().unwrap_or(false);
        if live { "live".to_owned() } else { format!("every {} s", SWEEP.as_secs()) }
    }

    /// Worktrees that are wanted and beyond the budget: they are for the sweep.
    #[must_use]
    pub fn unwatched(&self) -> Vec<WorktreeId> {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let none = inner.watcher.is_none();
        inner.trees.iter().filter(|(_, live)| none || !**live).map(|(id, _)| *id).collect()
    }
}

/// At most a quarter of what the system lets the user have, for agents and editors need theirs.
fn budget() -> usize {
    let most = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok();
    let most = most.and_then(|it| it.trim().parse::<usize>().ok()).unwrap_or(64 * 1024);
    (most / 4).min(40_000)
}

/// The folders of a worktree that git does not ignore; nothing if they are more than so many.
fn source_folders(path: &Path, most: usize) -> Option<Vec<PathBuf>> {
    let walk = ignore::WalkBuilder::new(path)
        .hidden(false)
        .follow_links(false)
        .require_git(false)
        .filter_entry(|it| it.file_name() != ".git")
        .build();
    let mut folders = Vec::new();
    for entry in walk.flatten().filter(|it| it.file_type().is_some_and(|kind| kind.is_dir())) {
        if folders.len() >= most {
            return None;
        }
        folders.push(entry.into_path());
    }
    Some(folders)
}

async fn coalesce(
    mut raw: mpsc::UnboundedReceiver<notify::Result<notify::Event>>,
    signs: Arc<Mutex<BTreeMap<PathBuf, BTreeSet<Sign>>>>,
    tell: mpsc::UnboundedSender<BTreeSet<Sign>>,
) {
    while let Some(first) = raw.recv().await {
        let mut told = BTreeSet::new();
        note(first, &signs, &mut told);
        let latest = tokio::time::Instant::now() + LATEST;
        loop {
            let quiet = (tokio::time::Instant::now() + QUIET).min(latest);
            match tokio::time::timeout_at(quiet, raw.recv()).await {
                Ok(Some(next)) => note(next, &signs, &mut told),
                Ok(None) | Err(_) => break,
            }
        }
        if !told.is_empty() && tell.send(told).is_err() {
            return;
        }
    }
}

fn note(
    event: notify::Result<notify::Event>,
    signs: &Mutex<BTreeMap<PathBuf, BTreeSet<Sign>>>,
    told: &mut BTreeSet<Sign>,
) {
    let Ok(event) = event else {
        told.insert(Sign::Everywhere);
        return;
    };
    if event.need_rescan() {
        told.insert(Sign::Everywhere);
    }
    if matches!(event.kind, notify::EventKind::Access(_)) {
        return;
    }
    let signs = signs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for path in &event.paths {
        // A lock file comes and goes with every git command, and says nothing.
        if path.extension().is_some_and(|it| it == "lock") {
            continue;
        }
        for folder in path.ancestors() {
            if let Some(what) = signs.get(folder) {
                told.extend(what);
                let in_worktree = what.iter().any(|it| matches!(it, Sign::Worktree(_)));
                if in_worktree && folder != path && brings(event.kind, path) {
                    told.insert(Sign::Folders);
                }
                break;
            }
        }
    }
}

/// Whether a folder came up at a path: made there, or moved there.
fn brings(kind: notify::EventKind, path: &Path) -> bool {
    use notify::EventKind::{Create, Modify};
    use notify::event::{CreateKind, ModifyKind};
    match kind {
        Create(CreateKind::Folder) => true,
        Create(CreateKind::Any | CreateKind::Other) | Modify(ModifyKind::Name(_)) => {
            path.symlink_metadata().is_ok_and(|it| it.is_dir())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_came_up_is_watched_once_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let watch = Watch::new(tell);
        let wanted = Wanted { trees: BTreeMap::from([(WorktreeId(1), root.clone())]), ..Wanted::default() };
        watch.set(&wanted);
        std::fs::create_dir(root.join("new")).unwrap();
        let both = BTreeSet::from([Sign::Folders, Sign::Worktree(WorktreeId(1))]);
        assert_eq!(told.recv().await.unwrap(), both);
        assert_eq!(both.first(), Some(&Sign::Folders), "it is heeded first");
        watch.set(&wanted);
        std::fs::write(root.join("new/a.rs"), "x").unwrap();
        assert_eq!(told.recv().await.unwrap(), BTreeSet::from([Sign::Worktree(WorktreeId(1))]));
    }

    #[tokio::test]
    async fn a_changed_file_is_told_and_an_ignored_folder_is_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("src/deep")).unwrap();
        std::fs::create_dir_all(root.join("target/deep")).unwrap();
        std::fs::write(root.join(".gitignore"), "target/\n").unwrap();
        let folders = source_folders(&root, 100).unwrap();
        assert!(
            folders.contains(&root.join("src/deep")) && !folders.contains(&root.join("target")),
            "{folders:?}"
        );
        assert_eq!(source_folders(&root, 2), None, "beyond the budget");
        let (tell, mut told) = mpsc::unbounded_channel();
        let watch = Watch::new(tell);
        watch.set(&Wanted { trees: BTreeMap::from([(WorktreeId(1), root.clone())]), ..Wanted::default() });
        assert_eq!(watch.words(WorktreeId(1)), "live");
        std::fs::write(root.join("src/deep/a.rs"), "x").unwrap();
        assert_eq!(told.recv().await.unwrap(), BTreeSet::from([Sign::Worktree(WorktreeId(1))]));
    }
}
