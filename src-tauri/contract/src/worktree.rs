//! Worktrees that Pilothouse made, who owns them, and how removed ones come back (promise P2).

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, Oid, ProjectId, RefName, WorktreeId};
use crate::time::At;

/// A git worktree that Pilothouse made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// Its id.
    pub id: WorktreeId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The attempt that owns it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// Its folder.
    pub path: String,
    /// Its branch.
    pub branch: RefName,
    /// The commit it was made from.
    pub base: Oid,
    /// Where it stands.
    pub state: WorktreeState,
    /// What was last seen of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// When it was asked for.
    pub asked: At,
}

/// Where a worktree stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum WorktreeState {
    /// Being made.
    Making,
    /// There.
    Live,
    /// Could not be made, or is gone without us.
    Gone {
        /// What is known.
        why: String,
    },
    /// Removed, and can be brought back.
    Removed {
        /// How.
        recovery: Recovery,
    },
}

impl WorktreeState {
    /// The word shown to people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Live => "live",
            Self::Gone { .. } => "gone",
            Self::Removed { .. } => "removed",
        }
    }
}

/// What was seen of a worktree, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Where its HEAD stands.
    pub head: Option<Oid>,
    /// Tracked files that differ from HEAD.
    pub changed: u32,
    /// Files git does not track and does not ignore.
    pub untracked: u32,
    /// When it was looked at.
    pub at: At,
    /// How changes of its files are noticed: `live` or `every 30 s`.
    pub watched: String,
}

/// Everything that brings a removed worktree back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The folder that holds the renamed worktree, its git folder and the bundle.
    pub folder: String,
    /// The refs that keep its commits, its index and its files from being collected.
    pub refs: Vec<RefName>,
    /// Where the worktree stood.
    pub head: Oid,
    /// Files in the bundle of untracked files.
    pub bundled: u32,
    /// When it was removed.
    pub at: At,
    /// Until when it can be brought back.
    pub until: At,
}
