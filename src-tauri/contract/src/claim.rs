//! Claims: that a run was queued for an issue of a tracker, and how that issue stands. The tracker is read and never written.

use serde::{Deserialize, Serialize};

/// The issue that a run was queued for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its id in the tracker.
    pub id: String,
    /// Its key for people, as `ABC-123`.
    pub identifier: String,
    /// Where people look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How the issue of a claim stands, by a read of the tracker that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum Standing {
    /// It is to be worked.
    Active,
    /// It is not to be worked for now: what it says, or that it cannot be seen any more.
    Away {
        /// In words.
        says: String,
    },
    /// It is over.
    Over {
        /// In which state.
        state: String,
    },
}
