//! Asks of the desk: items of every layout in a repository, one of them with its spec and its plan, and the lines that a finding names.

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, ProjectId};

/// The items of every layout, as they lie at the tip of the default branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Which project; all if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
}

/// One item at its base commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Which project.
    pub project: ProjectId,
    /// Its folder or file.
    pub path: String,
    /// Its short name, for one file may hold many.
    pub name: String,
}

/// Lines of a file around one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Which project.
    pub project: ProjectId,
    /// The commit that was shown.
    pub commit: Oid,
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
}
