//! Trajectory events: one shape for what every agent program said and did, taken from its own session log.

use serde::{Deserialize, Serialize};

use crate::ids::SessionId;
use crate::time::At;

/// One step of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The session.
    pub session: SessionId,
    /// Its place in the session, from 0.
    pub ordinal: u32,
    /// The agent's own id for it; the same id again replaces the step.
    pub native: String,
    /// When, by the agent's clock, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// What happened.
    pub kind: StepKind,
}

/// What happened in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StepKind {
    /// What the agent was asked.
    Prompt {
        /// The words.
        text: String,
    },
    /// What the agent said.
    Message {
        /// The words.
        text: String,
    },
    /// What the agent said of its reasons.
    Reasoning {
        /// The words.
        text: String,
    },
    /// A tool was called.
    Call {
        /// The agent's id of the call.
        call: String,
        /// The tool.
        tool: String,
        /// What it was called with, one line for people: a command, a path.
        says: String,
        /// A hash of all it was called with, to tell equal calls from others; empty if nobody reckoned it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        input: String,
    },
    /// A tool answered.
    Result {
        /// The agent's id of the call.
        call: String,
        /// Whether it went wrong.
        failed: bool,
        /// What came back.
        text: String,
    },
    /// Tokens of one model call.
    Tokens {
        /// The model.
        model: String,
        /// Read anew.
        input: u64,
        /// Read from the cache.
        cached: u64,
        /// Written.
        output: u64,
    },
    /// Something went wrong between the agent and its model.
    Error {
        /// What it said.
        text: String,
    },
    /// A record that we do not read; its raw line is kept.
    Unread {
        /// The agent's name for it.
        name: String,
    },
}

impl StepKind {
    /// The word shown to people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Prompt { .. } => "prompt",
            Self::Message { .. } => "message",
            Self::Reasoning { .. } => "reasoning",
            Self::Call { .. } => "call",
            Self::Result { .. } => "result",
            Self::Tokens { .. } => "tokens",
            Self::Error { .. } => "error",
            Self::Unread { .. } => "unread",
        }
    }
}

/// A session's trajectory in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The session.
    pub session: SessionId,
    /// What people call it.
    pub title: String,
    /// Steps stored.
    pub steps: u32,
    /// Records that we do not read.
    pub unread: u32,
    /// Lines that were damaged.
    pub damaged: u32,
    /// Tokens read anew, over all model calls.
    pub input: u64,
    /// Tokens read from the cache.
    pub cached: u64,
    /// Tokens written.
    pub output: u64,
    /// The file it was read from.
    pub file: String,
}
