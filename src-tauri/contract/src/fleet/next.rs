//! The ids that come next: counted by the fold, never by a clock or by chance.

use std::collections::BTreeMap;

use super::Fleet;
use crate::ids::{AttemptId, EvidenceId, ItemId, ProjectId, PullId, RunId, SessionId, WorktreeId};

fn after<K: Copy + Ord + Default, V>(map: &BTreeMap<K, V>, next: impl Fn(K) -> K) -> K {
    next(map.keys().next_back().copied().unwrap_or_default())
}

impl Fleet {
    /// The id the next project gets.
    #[must_use]
    pub fn next_project(&self) -> ProjectId {
        after(&self.projects, ProjectId::next)
    }

    /// The id the next item gets.
    #[must_use]
    pub fn next_item(&self) -> ItemId {
        after(&self.items, ItemId::next)
    }

    /// The id the next run gets.
    #[must_use]
    pub fn next_run(&self) -> RunId {
        after(&self.runs, RunId::next)
    }

    /// The id the next attempt gets.
    #[must_use]
    pub fn next_attempt(&self) -> AttemptId {
        after(&self.attempts, AttemptId::next)
    }

    /// The id the next session gets.
    #[must_use]
    pub fn next_session(&self) -> SessionId {
        after(&self.sessions, SessionId::next)
    }

    /// The id the next worktree gets.
    #[must_use]
    pub fn next_worktree(&self) -> WorktreeId {
        after(&self.worktrees, WorktreeId::next)
    }

    /// The id the next pull request gets.
    #[must_use]
    pub fn next_pull(&self) -> PullId {
        after(&self.pulls, PullId::next)
    }

    /// The id the next evidence gets.
    #[must_use]
    pub fn next_evidence(&self) -> EvidenceId {
        after(&self.evidence, EvidenceId::next)
    }
}
