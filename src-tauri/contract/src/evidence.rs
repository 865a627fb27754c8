//! Evidence: the record that a command ran on a tree and what came of it. Every gate's verdict points to one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, EvidenceId, Oid, ProjectId, PullId, RunId, TaskId};
use crate::pace::{By, Sample};
use crate::time::At;

/// The gates of the road that Pilothouse checks today. Numbers are those of the design's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// G6: the proof must fail before the work, or it proves nothing.
    RedCheck,
    /// G7: the proof, run by the engine on the exact tree, clean.
    Verify,
    /// G8: what changed lies inside the declared scope.
    ScopeAudit,
    /// G9: what must hold at the end of a phase, on the item branch.
    Checkpoint,
    /// G10: each requirement of the spec held against the evidence, by a fresh session.
    Completeness,
    /// G14: the project's checks on the merge result.
    Landing,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be found out: the command could not be run, or its end is not known.
    Unknown,
}

/// What the evidence is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The project.
    pub project: ProjectId,
    /// The run it was gathered in.
    pub run: RunId,
    /// The task, for gates of a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The attempt, for gates of an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// The phase, for its checkpoint: its place in the task file, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<usize>,
    /// The pull request, for gates of a landing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
}

/// One record. Immutable once written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its id.
    pub id: EvidenceId,
    /// The gate it belongs to.
    pub gate: Gate,
    /// What it is about.
    pub subject: Subject,
    /// The commit that was checked.
    pub commit: Oid,
    /// The tree of that commit: what was really on disk.
    pub tree: Oid,
    /// The command, run by `sh -c` at the top of the tree; for the scope audit the words "scope audit".
    pub command: String,
    /// When it began.
    pub started: At,
    /// When it ended.
    pub ended: At,
    /// How long its command ran, in milliseconds, by the holder's own clock: neither what it waited for before nor what came
    /// after. Nothing if no command ran, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// The exit code; nothing if a signal or the time limit ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, one sentence.
    pub why: String,
    /// SHA-256 of the whole output in hexadecimal.
    pub output_hash: String,
    /// Length of the whole output in bytes.
    pub output_bytes: u64,
    /// The session whose log holds the output, if a command ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<crate::ids::SessionId>,
    /// It holds, and the same check on the same commit did not before: a flake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaky_after: Option<EvidenceId>,
    /// How many tests its output says passed; nothing if it says nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<u32>,
    /// What it ran on: operating system, architecture, git version.
    pub environment: String,
}

/// Of these records, the first failures of flakes: the same check held when it was run again on the same commit.
pub fn flakes<'a>(all: impl Iterator<Item = &'a Evidence>) -> BTreeSet<EvidenceId> {
    all.filter_map(|it| it.flaky_after).collect()
}

impl Evidence {
    /// How long it took, in milliseconds, as well as anybody knows.
    #[must_use]
    pub fn took(&self) -> u64 {
        self.took_ms.unwrap_or_else(|| u64::try_from(self.ended.since_ms(self.started)).unwrap_or_default())
    }

    /// Its command with how long that ran; nothing if none ran, or nobody knows how long.
    #[must_use]
    pub fn sample(&self) -> Option<Sample> {
        Some(Sample { command: self.command.clone(), ms: self.took_ms?, by: By::Check })
    }

    /// Whether it holds.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }
}
