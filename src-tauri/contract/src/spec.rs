//! What a spec folder says, as data: phases, tasks, scopes and proofs. The engine reads it from a commit; see
//! `engine/src/execution/specs` for the grammar.

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;
use crate::layout::Layout;

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

/// A whole spec folder; in some layouts a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spec {
    /// The folder, or the file where a layout has one for it, relative to the top of the repository.
    pub folder: String,
    /// Whose layout it has.
    #[serde(default, skip_serializing_if = "Layout::is_native")]
    pub layout: Layout,
    /// What it is called there, where the layout is not ours: one file may hold many.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The file that holds its tasks, relative to the top of the repository, where the layout is not ours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task_file: String,
    /// The first heading of `spec.md`.
    pub title: String,
    /// The first paragraph of its summary: why the work is done.
    pub summary: String,
    /// The issue of the project's tracker that it is for, by its key: `Issue: ABC-123`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
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

impl Spec {
    /// The file that holds its tasks, relative to the top of the repository.
    #[must_use]
    pub fn tasks_at(&self) -> String {
        if self.task_file.is_empty() { format!("{}/tasks.md", self.folder) } else { self.task_file.clone() }
    }

    /// Whether it is one file, and no folder.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.task_file == self.folder && !self.folder.is_empty()
    }

    /// Where what is written down of it goes, as `evidence.md`: into its folder, or beside its file.
    #[must_use]
    pub fn record_at(&self, name: &str) -> String {
        if !self.is_file() {
            return format!("{}/{name}", self.folder);
        }
        let stem = self.folder.rsplit_once('.').map_or(self.folder.as_str(), |(stem, _)| stem);
        format!("{stem}.{}", name.rsplit('/').next().unwrap_or(name))
    }

    /// A remark's file relative to the top of the repository.
    #[must_use]
    pub fn path_of(&self, remark: &Remark) -> String {
        if self.is_file() { remark.file.clone() } else { format!("{}/{}", self.folder, remark.file) }
    }

    /// Whether another says where the same piece of work lies.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        self.folder == other.folder && self.name == other.name
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
