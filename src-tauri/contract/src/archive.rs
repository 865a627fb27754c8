//! The archive: agents' session logs that were imported whole, what is found in them and in those of our own sessions, and what
//! they used.

use serde::{Deserialize, Serialize};

use crate::ids::{LogId, SessionId};
use crate::money::Money;
use crate::time::At;
use crate::trajectory::Tokens;

/// A log that was found and can be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLog {
    /// The file.
    pub file: String,
    /// Which session, where a file holds several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// When it was written last.
    pub written: At,
    /// Whether it was imported as it is now.
    pub known: bool,
}

/// What came of importing one log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imported {
    /// What it is called here; nothing if it was not imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogId>,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Steps that stand in it.
    pub steps: u32,
    /// Those of them that nobody had stored.
    pub fresh: u32,
    /// Those that read differently now.
    pub changed: u32,
    /// Records that we do not read.
    pub unread: u32,
    /// Lines that were damaged.
    pub damaged: u32,
}

/// A log that was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedLog {
    /// What it is called here.
    pub id: LogId,
    /// Whose it is.
    pub agent: String,
    /// The agent's own id of the session.
    pub native: String,
    /// The file that it was read from last.
    pub file: String,
    /// The folder that the session was started in.
    pub cwd: String,
    /// What it was asked first, as one line.
    pub title: String,
    /// When its first step was, by the agent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<At>,
    /// When the file was written last.
    pub written: At,
    /// Steps stored.
    pub steps: u32,
    /// Records that we do not read.
    pub unread: u32,
    /// Lines that were damaged.
    pub damaged: u32,
}

/// Which steps come into question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filters {
    /// Of this agent: `claude`, `codex`, `gemini`, `opencode`, `rehearsal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Of this kind, by its word: prompt, message, reasoning, call, result, error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Calls of this tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Only results that went wrong.
    #[serde(default)]
    pub failed: bool,
    /// Of sessions that were started in this folder or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// From this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<At>,
    /// Before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<At>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the trajectory of a session of ours.
    Session(SessionId),
    /// In an imported log.
    Log(LogId),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(id) => id.fmt(f),
            Self::Log(id) => id.fmt(f),
        }
    }
}

/// A step in which what was sought stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Where.
    pub place: Place,
    /// The step's place there, from 0.
    pub ordinal: u32,
    /// Whose session it is.
    pub agent: String,
    /// What the session is called.
    pub title: String,
    /// The folder that it was started in.
    pub cwd: String,
    /// When, by the agent's clock, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// The word for its kind.
    pub kind: String,
    /// What stands around the first of the words, as one line.
    pub excerpt: String,
    /// Which parts of the excerpt are words that were sought: from and to, in bytes.
    pub marks: Vec<(u32, u32)>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The steps.
    pub hits: Vec<Hit>,
    /// Whether there are more.
    pub more: bool,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// By what usage is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Each session of ours, and each imported log.
    Session,
    /// Each task of our items; what belongs to none is left out.
    Task,
    /// Each item; what belongs to none is left out.
    Item,
    /// Each agent program.
    Agent,
    /// Each model.
    Model,
    /// Each day, by this machine's clock.
    Day,
}

/// Usage of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// What it is the usage of.
    pub of: String,
    /// Model calls.
    pub calls: u64,
    /// Tokens of them.
    pub tokens: Tokens,
    /// What is known of what they cost.
    pub known: Money,
    /// Whether that is all of it.
    pub whole: bool,
    /// Models without a price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_price: Vec<String>,
}

/// Usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// By what it is added up.
    pub by: By,
    /// What cost most first; days in their order.
    pub rows: Vec<UsageRow>,
    /// All of them.
    pub all: UsageRow,
    /// The price tables that it was reckoned by, with their dates.
    pub tables: Vec<String>,
}
