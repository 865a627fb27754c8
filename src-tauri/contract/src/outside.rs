//! What changed from outside while a run was parked: found when a person lets it go on, for they may not remember all of it, and
//! others may have been there.
//!
//! Refuses guesses: each change is told by a commit, a file of the approved commit, or the time of a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, TaskId, WorktreeId};
use crate::time::At;

/// What changed from outside while a run was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// Since when it was parked.
    pub since: At,
    /// When a person let it go on.
    pub until: At,
    /// What changed; empty if nothing did.
    pub changes: Vec<Change>,
}

/// One change from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// The default branch moved.
    Main {
        /// The commit that was approved before.
        from: Oid,
        /// The one that is approved now.
        to: Oid,
    },
    /// Policy says something else; who says yes, and which agent works, a person may choose at the start.
    Policy,
    /// A task came to the task file.
    Added {
        /// Which.
        task: TaskId,
    },
    /// A task is in the task file no more.
    Removed {
        /// Which.
        task: TaskId,
    },
    /// A task that is not done reads differently.
    Reworded {
        /// Which.
        task: TaskId,
    },
    /// A task that is done has another proof now than the one that held.
    Proof {
        /// Which.
        task: TaskId,
    },
    /// The box of a task was ticked by hand.
    Ticked {
        /// Which.
        task: TaskId,
    },
    /// Somebody went on on the item branch.
    Branch {
        /// Where it stood by our record.
        from: Oid,
        /// Where it was found.
        to: Oid,
    },
    /// Files in a worktree were written.
    Worktree {
        /// Which.
        worktree: WorktreeId,
        /// Files that differ from its commit.
        changed: u32,
        /// Files that git does not know.
        untracked: u32,
        /// When the newest of them was written.
        written: At,
    },
    /// A checkpoint held for what the branch was before: it is run again.
    Checkpoint {
        /// The phase's heading.
        title: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main { from, to } => {
                write!(f, "the default branch moved from {} to {}", from.short(), to.short())
            }
            Self::Policy => f.write_str("WORKFLOW.md says something else"),
            Self::Added { task } => write!(f, "{task} came to the task file"),
            Self::Removed { task } => write!(f, "{task} is in the task file no more"),
            Self::Reworded { task } => write!(f, "{task} reads differently"),
            Self::Proof { task } => {
                write!(f, "{task} is done, and its proof is another now than the one that held")
            }
            Self::Ticked { task } => write!(f, "{task} was ticked by hand"),
            Self::Branch { from, to } => {
                write!(f, "somebody went on from {} to {} on its branch", from.short(), to.short())
            }
            Self::Worktree { worktree, changed, untracked, .. } => {
                write!(f, "{worktree} was written in: {changed} changed and {untracked} untracked files")
            }
            Self::Checkpoint { title } => {
                write!(f, "the checkpoint of {title} held for what its branch was before, and is run again")
            }
        }
    }
}
