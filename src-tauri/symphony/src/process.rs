//! Programs that are started here and end whole: each in a process group of its own, with a mark in its environment, so that
//! what it started is found even after it left the group and its parents. Owns TERM, wait, KILL, and the record on disk by which
//! the next start finds what a killed one left behind. Refuses to signal a process that is not known by its mark, or by id and
//! time of birth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use pilothouse_holder::proc;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// In the environment of everything that is started here: the run that it belongs to.
pub const MARK: &str = "PILOTHOUSE_SYMPHONY_RUN";

/// How long a tree has to end by itself once it was asked to.
pub const GRACE: Duration = Duration::from_secs(2);

/// How often a tree that is to end is looked at.
const LOOK: Duration = Duration::from_millis(25);

/// A started tree as the next start needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The id of its first process, which leads its group.
    pub pid: u32,
    /// When that began, in ticks since the machine did; nothing where the system does not tell.
    pub began: Option<u64>,
    /// Which start of the machine that was: ticks count from there.
    pub boot: String,
    /// What stands in the environment of all of it.
    pub mark: String,
}

impl Tree {
    /// The tree that begins with a process that was just started.
    #[must_use]
    pub fn of(pid: u32, mark: &str) -> Self {
        Self { pid, began: proc::began(pid), boot: boot(), mark: mark.to_owned() }
    }

    /// Whether its first process is still the one that it was.
    fn root_is_there(&self) -> bool {
        self.boot == boot() && self.began.is_some() && proc::began(self.pid) == self.began
    }

    /// All that lives of it.
    #[must_use]
    pub fn living(&self) -> Vec<u32> {
        let all = proc::all();
        let mut found: BTreeSet<u32> = BTreeSet::new();
        if self.root_is_there() {
            found.insert(self.pid);
        }
        found.extend(
            all.keys().copied().filter(|pid| proc::variable(*pid, MARK).as_deref() == Some(&*self.mark)),
        );
        let children: BTreeMap<u32, Vec<u32>> = all.values().fold(BTreeMap::new(), |mut map, it| {
            map.entry(it.parent).or_insert_with(Vec::new).push(it.pid);
            map
        });
        let mut edge: Vec<u32> = found.iter().copied().collect();
        while let Some(parent) = edge.pop() {
            for child in children.get(&parent).into_iter().flatten() {
                if found.insert(*child) {
                    edge.push(*child);
                }
            }
        }
        let us = std::process::id();
        found.retain(|pid| *pid != us && all.get(pid).is_some_and(|it| !it.zombie));
        found.into_iter().collect()
    }

    /// Ends all of it: asks, waits, and ends it at once. Returns how many were ended the hard way. What forks faster than it
    /// can be looked at is struck again until nothing is left.
    pub async fn end(&self, grace: Duration) -> usize {
        let mut hard = BTreeSet::new();
        if self.root_is_there() {
            proc::signal_group(self.pid, Signal::TERM);
        }
        for pid in self.look().await {
            proc::signal(pid, Signal::TERM);
        }
        let until = tokio::time::Instant::now() + grace;
        loop {
            let living = self.look().await;
            if living.is_empty() {
                return hard.len();
            }
            if tokio::time::Instant::now() >= until {
                for pid in living {
                    hard.insert(pid);
                    proc::signal(pid, Signal::KILL);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks at all processes, which takes long enough to be done aside.
    async fn look(&self) -> Vec<u32> {
        let tree = self.clone();
        tokio::task::spawn_blocking(move || tree.living()).await.unwrap_or_default()
    }
}

/// Which start of the machine this is.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Notes a tree on disk, so that the next start finds it.
///
/// # Errors
/// If the note cannot be written.
pub fn note(folder: &Path, tree: &Tree) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let text = serde_json::to_vec(tree).map_err(std::io::Error::other)?;
    crate::observability::write_whole(&folder.join(format!("{}.json", tree.mark)), &text)
}

/// Takes a note away, once all of its tree has ended.
pub fn forget(folder: &Path, tree: &Tree) {
    let _gone_already = std::fs::remove_file(folder.join(format!("{}.json", tree.mark)));
}

/// Ends what a killed loop left behind, by its notes. Returns the marks whose trees still lived.
pub async fn reap(folder: &Path) -> Vec<String> {
    let mut reaped = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let tree = std::fs::read(entry.path()).ok().and_then(|it| serde_json::from_slice::<Tree>(&it).ok());
        if let Some(tree) = tree {
            if !tree.look().await.is_empty() {
                tree.end(GRACE).await;
                reaped.push(tree.mark.clone());
            }
            forget(folder, &tree);
        }
    }
    reaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    /// A shell that starts a daemon in a session of its own, and says its id.
    fn tree(mark: &str, script: &str) -> (std::process::Child, Tree, u32) {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .env(MARK, mark)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let tree = Tree::of(child.id(), mark);
        (child, tree, line.trim().parse().unwrap())
    }

    #[tokio::test]
    async fn all_of_a_tree_ends_also_what_left_its_group_and_what_does_not_listen() {
        let (mut child, tree, daemon) = tree(
            "t-whole",
            "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 60; done' & wait",
        );
        assert!(tree.living().contains(&daemon));
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        assert!(tree.end(Duration::from_millis(50)).await >= 2);
        reaper.join().unwrap();
        assert!(proc::one(daemon).is_none_or(|it| it.zombie));
        assert!(tree.living().is_empty());
    }

    #[tokio::test]
    async fn row_h_5_what_a_killed_loop_left_is_reaped_by_id_and_time_of_birth() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, tree, inner) = tree("t-reap", "sleep 600 & echo $!; wait");
        note(folder.path(), &tree).unwrap();
        // A stranger that got the id of one that is long gone.
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        let stale = Tree { pid: stranger.id(), began: Some(1), boot: boot(), mark: "t-stale".to_owned() };
        note(folder.path(), &stale).unwrap();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        assert_eq!(reap(folder.path()).await, ["t-reap"]);
        reaper.join().unwrap();
        assert!(proc::one(inner).is_none_or(|it| it.zombie));
        assert!(stranger.try_wait().unwrap().is_none(), "a stranger is left alone");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "the notes are gone");
    }
}
