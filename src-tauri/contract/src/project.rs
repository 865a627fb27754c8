//! Projects: the repositories that the user added, their trust decision, and whether their line is stopped.

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, ProjectId, RefName};
use crate::queue::Said;
use crate::time::At;
use crate::who::Who;
use crate::workflow::InForce;

/// A git repository that the user added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its short name, from its folder; unique.
    pub name: String,
    /// The top of its main checkout.
    pub path: String,
    /// Its common git folder.
    pub git_dir: String,
    /// The branch that work lands on.
    pub default_branch: RefName,
    /// Where that branch stood when Pilothouse last moved or adopted it.
    pub main: Oid,
    /// Whether its commands may run.
    pub trust: Trust,
    /// Whether landings are open.
    pub line: Line,
    /// When it was added.
    pub added: At,
    /// Whether it was removed from the list. The repository itself is never touched by that.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub removed: bool,
    /// Changes of these classes land without a person's yes, by the switch of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auto_land: Vec<crate::risk::RiskClass>,
    /// A person holds its line: nothing lands but by a person's deed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Said>,
    /// Whether the last ones in its queue landed, the newest last; the others were sent back for their checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fates: Vec<bool>,
    /// Which version of its `WORKFLOW.md` is in force; nothing until somebody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<InForce>,
}

/// Whether the repository's own commands, and agents in it, may run with the user's rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Trust {
    /// Nobody decided: no agent starts, git runs without hooks and filters.
    Undecided,
    /// A person looked at what was found and said yes.
    Given {
        /// When.
        at: At,
        /// Who.
        by: Who,
        /// What they were shown.
        found: Vec<Found>,
    },
}

/// One thing in a repository that can run commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// Where it stands.
    pub place: String,
    /// What it says; lines stay lines, and only what is very long is cut.
    pub says: String,
    /// The beginning of the SHA-256 of all it says: a change beyond what is shown is a change.
    #[serde(default)]
    pub hash: String,
}

/// Kinds of things that can run commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundKind {
    /// A git hook.
    Hook,
    /// A git filter, fsmonitor, or another command in the repository's git settings.
    GitCommand,
    /// An MCP server that agents would start.
    McpServer,
    /// A hook or setting of an agent program.
    AgentSetting,
    /// A check or agent command in `WORKFLOW.md`.
    Workflow,
    /// A `Verify` command of a task.
    Verify,
}

/// Whether landings are open for a project (promise P3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Line {
    /// Landings are open.
    Open,
    /// Somebody else moved the default branch while work was under way. A person adopts the move or takes it back.
    Stopped {
        /// Where the branch stood by our record.
        expected: Oid,
        /// Where it was found; nothing if it was deleted.
        found: Option<Oid>,
        /// Who did it, as far as git tells.
        named: String,
        /// When it was noticed.
        at: At,
    },
}

/// How the default branch came to a new place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum Move {
    /// Pilothouse landed a pull request.
    Landing {
        /// Which.
        pull: crate::ids::PullId,
    },
    /// Somebody moved it while nothing was under way; noticed and followed.
    Followed {
        /// Who, as far as git tells.
        named: String,
    },
    /// A person said yes to a move that had stopped the line.
    Adopted,
}
