//! Trajectory events: one shape for what every agent program said and did, taken from its own session log.

use std::collections::BTreeMap;

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

/// Tokens of model calls. Each is counted in one of `input`, `cached`, `cache_write` and `output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Read anew.
    #[serde(default)]
    pub input: u64,
    /// Read from a cache.
    #[serde(default)]
    pub cached: u64,
    /// Read anew and written to a cache. Older records count these as `input`.
    #[serde(default)]
    pub cache_write: u64,
    /// Those of `cache_write` that are kept for an hour, which costs more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// Written.
    #[serde(default)]
    pub output: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Tokens {
    /// Adds others to these.
    pub fn add(&mut self, others: &Self) {
        self.input = self.input.saturating_add(others.input);
        self.cached = self.cached.saturating_add(others.cached);
        self.cache_write = self.cache_write.saturating_add(others.cache_write);
        self.cache_write_1h = self.cache_write_1h.saturating_add(others.cache_write_1h);
        self.output = self.output.saturating_add(others.output);
    }

    /// What is left of these without others, kind by kind.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self {
            input: self.input.saturating_sub(others.input),
            cached: self.cached.saturating_sub(others.cached),
            cache_write: self.cache_write.saturating_sub(others.cache_write),
            cache_write_1h: self.cache_write_1h.saturating_sub(others.cache_write_1h),
            output: self.output.saturating_sub(others.output),
        }
    }

    /// Read, from wherever.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.input + self.cached + self.cache_write
    }

    /// Read anew and written: what fuses mind.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.input + self.cache_write + self.output
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.read() + self.output
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all() == 0
    }
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
        /// How many.
        #[serde(flatten)]
        tokens: Tokens,
    },
    /// What the program itself says that all of the session cost so far, its helpers included.
    Cost {
        /// In micro-dollars; nothing if it does not know either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        micros: Option<u64>,
        /// The tokens that it counted, by model.
        models: BTreeMap<String, Tokens>,
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
    /// What a program says of a cost that it goes on counting from what it said before it was gone on with; everything else as it is.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        let (Self::Cost { micros, models }, Self::Cost { micros: told, models: counted }) = (&self, before)
        else {
            return self;
        };
        // One that began to count anew did not go on from there.
        let of = |model: &String| models.get(model).copied().unwrap_or_default();
        if counted.iter().any(|(model, tokens)| !tokens.without(&of(model)).is_empty()) {
            return self;
        }
        let rest = |(model, tokens): (&String, &Tokens)| {
            (model.clone(), tokens.without(&counted.get(model).copied().unwrap_or_default()))
        };
        Self::Cost {
            micros: micros.zip(*told).map(|(all, before)| all.saturating_sub(before)),
            models: models.iter().map(rest).filter(|(_, tokens)| !tokens.is_empty()).collect(),
        }
    }

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
            Self::Cost { .. } => "cost",
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
    /// Tokens read anew and written to the cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Tokens written.
    pub output: u64,
    /// The file it was read from.
    pub file: String,
}

impl Trajectory {
    /// Tokens read, from wherever.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.input + self.cached + self.cache_write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_gone_on_with_costs_what_it_cost_since() {
        let tokens = |input, output| Tokens { input, output, ..Tokens::default() };
        let told = |micros, of: &[(&str, Tokens)]| StepKind::Cost {
            micros,
            models: of.iter().map(|(model, tokens)| ((*model).to_owned(), *tokens)).collect(),
        };
        let before = told(Some(5_000), &[("opus", tokens(1000, 50))]);
        let after = told(Some(10_760), &[("opus", tokens(2200, 90)), ("haiku", tokens(7, 1))]);
        let since = told(Some(5_760), &[("opus", tokens(1200, 40)), ("haiku", tokens(7, 1))]);
        assert_eq!(after.since(&before), since);
        let nobody_knows = told(None, &[("opus", tokens(2200, 90))]);
        assert_eq!(nobody_knows.since(&before), told(None, &[("opus", tokens(1200, 40))]));
        // It counts from nothing.
        let anew = told(Some(300), &[("opus", tokens(60, 3))]);
        assert_eq!(anew.clone().since(&before), anew);
        let said = StepKind::Message { text: "x".to_owned() };
        assert_eq!(said.clone().since(&before), said);
    }
}
