//! The instructions of a repository as a graph: what agents read before they work, how it hangs together, how much of it there is, and what
//! is wrong with it, each with its place and its remedy.
//!
//! Refuses to say what an agent makes of it: sizes, links and limits are facts, the rest is not known.

use serde::{Deserialize, Serialize};

use crate::spec::is_false;

/// What a file of instructions is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// `AGENTS.md`, or `AGENTS.override.md` in its place.
    Agents,
    /// `CLAUDE.md`.
    Claude,
    /// `GEMINI.md`.
    Gemini,
    /// A rule of Cursor.
    Cursor,
    /// Copilot's instructions.
    Copilot,
    /// A skill's `SKILL.md`.
    Skill,
    /// What one of those leads to.
    Document,
}

impl NodeKind {
    /// What people call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Agents => "AGENTS.md",
            Self::Claude => "Claude Code",
            Self::Gemini => "Gemini CLI",
            Self::Cursor => "Cursor",
            Self::Copilot => "Copilot",
            Self::Skill => "skill",
            Self::Document => "document",
        }
    }
}

/// A file of instructions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Relative to the top of the repository.
    pub path: String,
    /// What it is.
    pub kind: NodeKind,
    /// Its size.
    pub bytes: u64,
    /// About so many tokens: a fourth of its bytes.
    pub tokens: u64,
    /// Steps from where an agent begins to read: folders for what is read by itself, links for what is led to.
    pub depth: usize,
    /// Whether nothing leads to it and no agent reads it by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub orphan: bool,
}

/// How one file leads to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// It is read with it: `@path`.
    Import,
    /// A link.
    Link,
    /// Its path is named.
    Mention,
    /// It is read after the one of the folder above.
    Nested,
    /// It is a link of the file system to it.
    Alias,
}

/// One file leads to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The number of the node it begins at.
    pub from: usize,
    /// The number of the node it leads to.
    pub to: usize,
    /// How.
    pub kind: EdgeKind,
    /// In which line, from 1; 0 where no line says so.
    pub line: usize,
}

/// Where an agent's limit cuts what it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The file in which it falls.
    pub file: String,
    /// So many bytes of that file are read.
    pub byte: u64,
    /// The first line that is not read whole, from 1.
    pub line: usize,
    /// The column of the first byte that is not read, in signs from 1.
    pub column: usize,
    /// So many bytes of the chain are not read.
    pub lost: u64,
    /// Files behind it, of which nothing is read.
    pub behind: Vec<String>,
}

/// What one program reads by itself for work in one folder, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Whose limit it is.
    pub program: String,
    /// The folder, relative to the top; empty for the top itself.
    pub folder: String,
    /// What is read.
    pub files: Vec<String>,
    /// How much that is.
    pub bytes: u64,
    /// How much of it is read.
    pub limit: u64,
    /// Where it is cut, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A link or an import leads nowhere.
    DeadLink,
    /// A link leads out of the repository.
    Outside,
    /// Imports go in a circle, or deeper than is followed.
    Circle,
    /// Nothing leads to it.
    Orphan,
    /// A command that is cited does not exist.
    MissingCommand,
    /// The same is said twice.
    Duplicate,
    /// A limit cuts it.
    Cut,
    /// It is longer than its readers like.
    Long,
    /// A skill is not in its form.
    Skill,
    /// It cannot be read.
    Unreadable,
}

impl FindingKind {
    /// What people call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::DeadLink => "dead link",
            Self::Outside => "leads outside",
            Self::Circle => "circle",
            Self::Orphan => "orphan",
            Self::MissingCommand => "missing command",
            Self::Duplicate => "said twice",
            Self::Cut => "cut",
            Self::Long => "long",
            Self::Skill => "skill",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The file, relative to the top of the repository.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// The column, in signs from 1; 0 for the whole line.
    pub column: usize,
    /// What is wrong.
    pub says: String,
    /// How to mend it.
    pub remedy: String,
    /// Whether the instructions do not hold with it; else it is worth knowing.
    pub blocking: bool,
}

/// The instructions of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Graph {
    /// Whether nothing blocking was found.
    pub holds: bool,
    /// All of them together.
    pub bytes: u64,
    /// About so many tokens.
    pub tokens: u64,
    /// Its files, in the order of their depth and paths.
    pub nodes: Vec<Node>,
    /// What leads where.
    pub edges: Vec<Edge>,
    /// What programs with a limit read, the longest first.
    pub chains: Vec<Chain>,
    /// What is wrong, what blocks first.
    pub findings: Vec<Finding>,
}
