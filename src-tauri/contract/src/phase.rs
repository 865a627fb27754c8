//! Phases of a run: where each one's checkpoint stands, which must hold before what comes after it begins.

use serde::{Deserialize, Serialize};

use crate::ids::{EvidenceId, Oid, SessionId};

/// A phase that has a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRun {
    /// Its place in the task file, from 0: what tasks name it by.
    pub phase: usize,
    /// Its heading.
    pub title: String,
    /// Commands that must all exit 0 once its tasks are done.
    pub commands: Vec<String>,
    /// Where that stands.
    pub state: Checkpoint,
}

/// Where a checkpoint stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Checkpoint {
    /// Its phase is not done.
    Open,
    /// It is being run on the item branch.
    Checking {
        /// By which session.
        session: SessionId,
    },
    /// It holds.
    Passed {
        /// On which commit of the item branch.
        commit: Oid,
        /// What shows it.
        evidence: EvidenceId,
    },
    /// It does not hold.
    Failed {
        /// What shows it.
        evidence: EvidenceId,
    },
    /// All of its tasks were done before the run began: nothing of it is this run's to check.
    Before,
}

impl PhaseRun {
    /// Whether what comes after it may begin.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        matches!(self.state, Checkpoint::Passed { .. } | Checkpoint::Before)
    }
}
