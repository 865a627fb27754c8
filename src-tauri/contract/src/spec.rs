//! What a spec folder says, as data: phases, tasks, scopes and proofs. The engine reads it from a commit; see
//! `engine/src/execution/specs` for the grammar.

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;

/// A file's write scope as declared under `Files`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Globs relative to the top of the repository.
    pub include: Vec<String>,
    /// Globs that are taken out again (`!`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Those of `include` that the task is to make (`(new)`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<String>,
}

/// How a task is proved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "with")]
pub enum Verify {
    /// The file does not say.
    #[default]
    Unsaid,
    /// Commands that must all exit 0.
    Commands(Vec<String>),
    /// By hand, with the reason.
    Manual(String),
    /// By a person, with what they are to look at.
    Human(String),
}

/// One task as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Its id.
    pub id: TaskId,
    /// Its title without markers.
    pub title: String,
    /// The number of its phase heading in the file, from 0; nothing before the first heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<usize>,
    /// Its line in the task file, from 1.
    pub line: usize,
    /// Whether the box is ticked.
    pub done: bool,
    /// Whether the box has a mark that we read but never write (`-`, `~`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub partial: bool,
    /// Shown, never blocking (`[ ]*`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Marked as safe beside others (`[P]`): a hint, never enough.
    #[serde(default, skip_serializing_if = "is_false")]
    pub parallel: bool,
    /// The write scope; nothing means unknown, and then it runs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Scope>,
    /// The proof.
    #[serde(default)]
    pub verify: Verify,
    /// A regular expression that the output of the proof must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// The level of proof as written: compile, unit, integration, outcome, real, guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Tasks that must be done first; nothing means the order of the file decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends: Option<Vec<TaskId>>,
    /// Requirements it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
    /// Resources it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
    /// Cheap, standard, capable, best-of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// `human before` or `human after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Keys that we do not know, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<(String, String)>,
}

/// One phase as its heading and its meta lines have it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Phase {
    /// The heading's words.
    pub title: String,
    /// The phase file, relative to the spec folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is to hold at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_when: Option<String>,
    /// Commands at its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoint: Vec<String>,
}

/// Something that the spec wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requirement {
    /// Its id, as `FR-001`.
    pub id: String,
    /// What it says, in one line.
    pub text: String,
    /// Its line in `spec.md`, from 1.
    pub line: usize,
}

/// Something in a spec that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The file, relative to the spec folder.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub says: String,
    /// Whether a run may not start with it.
    pub blocking: bool,
}

/// A whole spec folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spec {
    /// The folder, relative to the top of the repository.
    pub folder: String,
    /// The first heading of `spec.md`.
    pub title: String,
    /// The first paragraph of its summary: why the work is done.
    pub summary: String,
    /// What it wants, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// Phases in file order.
    pub phases: Vec<Phase>,
    /// Tasks in file order.
    pub tasks: Vec<TaskSpec>,
    /// What is not as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
