//! What went wrong, in words a person can act on. Inner errors become faults in one file of the engine; nobody
//! matches on the text of a message.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The family of a fault. A code exists only where a client behaves differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    /// The state of things does not allow it. Nothing was changed.
    Refused,
    /// There is no such thing.
    Missing,
    /// Git, disk, network or the machine.
    Environment,
    /// An agent program.
    Agent,
    /// Nobody answers at the engine's socket.
    Unreachable,
    /// A defect of ours.
    Bug,
}

/// One way to mend a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// What to do, a sentence without a trailing stop.
    pub text: String,
    /// The command line that does it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// A refusal or failure of a call: what happened, how to mend it, and the cause behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The family.
    pub code: FaultCode,
    /// What happened, one sentence.
    pub message: String,
    /// Ways to mend it, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
    /// The chain of causes, for those who look behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Fault {
    /// A fault of the given family.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new(), detail: None }
    }

    /// The state of things does not allow it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Refused, message)
    }

    /// There is no such thing.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Missing, message)
    }

    /// Git, disk, network or the machine.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Environment, message)
    }

    /// A defect of ours.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Bug, message)
    }

    /// Adds a way to mend it.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(Hint { text: text.into(), command: None });
        self
    }

    /// Adds a command that mends it.
    #[must_use]
    pub fn command(mut self, text: impl Into<String>, command: impl Into<String>) -> Self {
        self.hints.push(Hint { text: text.into(), command: Some(command.into()) });
        self
    }

    /// Adds the cause behind it.
    #[must_use]
    pub fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
