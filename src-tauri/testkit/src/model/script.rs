//! The script: what the model will say, do and get wrong, as read from JSON. Unknown keys are refused, so that a
//! misspelt one does not silently change a test.

use regex::Regex;
use serde::Deserialize;

/// A script: the first scenario whose pattern is found in the newest prompt answers it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The scenarios, in order of precedence.
    pub scenarios: Vec<Scenario>,
}

impl Script {
    /// Reads a script from its JSON text.
    ///
    /// # Errors
    /// When it is not JSON, has an unknown key or action, or a pattern is not a regular expression.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// The answers to one kind of prompt, in order, over as many turns as they make. A prompt that fits the scenario that
/// a session is in goes on with it; when its steps are used up, a fixed reply is all there is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as it appears in what the server has seen.
    pub name: String,
    /// What to look for in the newest prompt. Without it, the scenario takes any prompt that comes between turns.
    #[serde(default)]
    pub when: Option<Pattern>,
    /// The answers.
    pub steps: Vec<Step>,
}

/// One answer of the model. Without actions it ends the agent's turn.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// What it says.
    pub text: String,
    /// What it thinks, before it speaks.
    pub thinking: String,
    /// What it does, in order, all in this one answer.
    pub actions: Vec<Action>,
    /// The tokens that it reports.
    pub usage: Usage,
    /// What goes wrong first: each entry spoils one request before the step itself is served.
    pub fail: Vec<Failure>,
}

/// Something that the model wants done, whatever the agent calls the tool for it.
///
/// In every string of a step `${cwd}` becomes the agent's directory and `${prompt}` the newest prompt, as it is:
/// nothing is quoted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Run a shell command.
    Shell(String),
    /// Write a whole file.
    WriteFile {
        /// The path; a relative one is taken from the agent's directory.
        path: String,
        /// What goes in.
        content: String,
    },
    /// Replace a piece of a file. Claude Code wants the file written or read before, in the same session.
    EditFile {
        /// The path; a relative one is taken from the agent's directory.
        path: String,
        /// What to look for.
        old: String,
        /// What to put there.
        new: String,
    },
    /// Read a file.
    ReadFile {
        /// The path; a relative one is taken from the agent's directory.
        path: String,
    },
}

/// The tokens that an answer reports; what is left out is made up from the sizes.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Read anew. The cached ones are not among them, as the real API has it.
    pub input: Option<u64>,
    /// Read from the cache.
    pub cached: Option<u64>,
    /// Written.
    pub output: Option<u64>,
}

/// A way in which one request goes wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a failure is {status, message?, retry?}, {cut_after_events} or {hang_ms}")]
pub enum Failure {
    /// An HTTP error.
    Status(StatusFailure),
    /// The connection ends in the middle of the answer.
    Cut(CutFailure),
    /// Nothing comes for a while; then the connection ends.
    Hang(HangFailure),
}

/// An HTTP error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusFailure {
    /// The status, 400 to 599.
    pub status: u16,
    /// What the error says.
    #[serde(default)]
    pub message: Option<String>,
    /// What the answer says about trying again: `x-should-retry`, which the vendor's client libraries obey.
    #[serde(default)]
    pub retry: Option<bool>,
}

/// A connection that ends in the middle of the answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutFailure {
    /// How many events of the stream still arrive.
    pub cut_after_events: usize,
}

/// A wait that comes to nothing.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HangFailure {
    /// For how long, in milliseconds.
    pub hang_ms: u64,
}

/// A regular expression, checked when the script is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it is found anywhere in the text.
    #[must_use]
    pub fn found_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}
