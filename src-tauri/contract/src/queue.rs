//! The merge queue: an approved pull request's place in it, how a project wants it, and a line that a person holds.

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, PullId};
use crate::time::At;
use crate::who::Who;

/// The place of an approved pull request in the queue of its project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Whoever has less is ahead.
    pub turn: u64,
    /// When it came in.
    pub since: At,
    /// It is being merged with that: the one ahead of it, or the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub making: Option<Oid>,
    /// It could not be merged with what is ahead of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clash: Option<Clash>,
    /// So often the checks of its present merge result failed.
    #[serde(default, skip_serializing_if = "crate::wait::is_zero")]
    pub failed: u32,
    /// It lands with that one, whose merge result holds it: the tree that was checked is the other one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<PullId>,
    /// A person lets it land though a person holds the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<Said>,
}

/// Texts that clash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// With what.
    pub onto: Oid,
    /// Where.
    pub paths: Vec<String>,
}

/// What a person decided, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub by: Who,
    /// When.
    pub at: At,
    /// Why, in their words.
    pub why: String,
}

/// How a project wants its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// So many pull requests at most share one check; 1 is each by itself, for projects that bisect.
    pub batch: u32,
    /// So many checks of the queue may run at once.
    pub parallel: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch: 8, parallel: 2 }
    }
}
