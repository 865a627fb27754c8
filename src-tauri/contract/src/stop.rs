//! Why a run stands still until a person acts: a closed list, with what it names. The sentence for people is the run's `why`;
//! what may be done about it follows from the kind and never from the sentence's words.

use serde::{Deserialize, Serialize};

use crate::fuse::Fuse;
use crate::ids::{PullId, SessionId, TaskId};

/// Why a run was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stop")]
pub enum Stop {
    /// Nothing of it can be worked any more: these tasks wait for a person.
    Tasks {
        /// Which, in file order.
        tasks: Vec<TaskId>,
    },
    /// Its branch was moved by somebody else.
    BranchMoved,
    /// Git could not make its branch, or move it.
    Branch,
    /// The default branch clashes with its branch.
    Clash {
        /// Where.
        paths: Vec<String>,
    },
    /// The default branch could not be merged into its branch.
    Merge,
    /// The checkpoint of a phase does not hold.
    Checkpoint {
        /// Which phase: its place in the task file, from 0.
        phase: usize,
    },
    /// Not every requirement is shown to be met.
    Gaps {
        /// Which are not.
        requirements: Vec<String>,
    },
    /// It used as many tokens, or as much money, as its policy allows for all of it.
    Budget {
        /// How much, and of how much.
        fuse: Fuse,
    },
    /// Its evidence could not be written down.
    Record,
    /// Its change could not be measured for the pull request.
    Measure,
    /// Its pull request was sent back.
    Bounced {
        /// Which.
        pull: PullId,
    },
    /// A person ended a session of it.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
}

impl Stop {
    /// The word shown to people and kept in the closed list of reasons.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Tasks { .. } => "tasks-parked",
            Self::BranchMoved => "branch-moved",
            Self::Branch => "branch-failed",
            Self::Clash { .. } => "clash",
            Self::Merge => "merge-failed",
            Self::Checkpoint { .. } => "checkpoint-failed",
            Self::Gaps { .. } => "gaps",
            Self::Budget { .. } => "over-budget",
            Self::Record => "record-failed",
            Self::Measure => "measure-failed",
            Self::Bounced { .. } => "sent-back",
            Self::SessionEnded { .. } => "session-ended",
        }
    }
}
