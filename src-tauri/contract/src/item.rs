//! Items: pieces of work from idea to landed.

use serde::{Deserialize, Serialize};

use crate::ids::{ItemId, Oid, ProjectId};
use crate::spec::Spec;
use crate::time::At;

/// One piece of work. Today every item comes from a spec folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Its short name, from the spec folder.
    pub slug: String,
    /// Where it stands on the road.
    pub state: ItemState,
    /// Why it stands there.
    pub why: String,
    /// The commit its spec was read from.
    pub base: Oid,
    /// What its spec says at that commit.
    pub spec: Spec,
    /// When it last moved.
    pub moved: At,
}

/// The states of the road that are reached today; the design names more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemState {
    /// The spec is being written, or has faults that a run cannot start with.
    Drafting,
    /// Others look for what is missing in it, and its author answers them.
    Refining,
    /// Its plan is being written.
    Planning,
    /// Every open task has a proof, and the order can be worked.
    Planned,
    /// A run carries it.
    Running,
    /// Every task is done on the item branch.
    Assembled,
    /// A pull request is open, its checks run.
    PrOpen,
    /// The checks passed on the merge result; it waits for a yes.
    InReview,
    /// Approved and checked.
    Landable,
    /// Being landed.
    Landing,
    /// On the default branch.
    Landed,
    /// Waits for a person, with the reason.
    Parked,
    /// A person gave it up.
    Abandoned,
}

impl ItemState {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drafting => "drafting",
            Self::Refining => "refining",
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Assembled => "assembled",
            Self::PrOpen => "pr-open",
            Self::InReview => "in-review",
            Self::Landable => "landable",
            Self::Landing => "landing",
            Self::Landed => "landed",
            Self::Parked => "parked",
            Self::Abandoned => "abandoned",
        }
    }
}
