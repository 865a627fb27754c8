//! Trackers: two reads, and what may go wrong with them. Owns which kinds there are and what each takes. Refuses writes:
//! those belong to the agent and its people. An answer is whole or an error; half of one does not exist.

mod file;
mod github;
mod http;
mod linear;
mod memory;
pub mod net;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

pub use file::FileTracker;
pub use github::GitHubTracker;
pub use linear::LinearTracker;
pub use memory::MemoryTracker;

use crate::Issue;
use crate::workflow::{Env, TrackerSettings, WorkflowError};

/// The kinds that are supported.
pub const KINDS: [&str; 4] = ["file", "github", "linear", "memory"];

/// What is known of a kind before any of its settings is read.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Active states where the file names none.
    pub active: &'static [&'static str],
    /// Terminal states where the file names none.
    pub terminal: &'static [&'static str],
}

const ACTIVE: &[&str] = &["Todo", "In Progress"];
const TERMINAL: &[&str] = &["Closed", "Cancelled", "Canceled", "Duplicate", "Done"];

/// What is known of a kind.
#[must_use]
pub fn profile(kind: &str) -> Option<Profile> {
    match kind {
        "file" | "linear" | "memory" => Some(Profile { active: ACTIVE, terminal: TERMINAL }),
        // It has two states, and which of them means what is for the file to say.
        "github" => Some(Profile { active: &[], terminal: &[] }),
        _ => None,
    }
}

/// Why a tracker gave no answer. The scheduler looks only at whether there is one; the kind is for people and logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackerError {
    /// It could not be reached, or did not answer in time.
    #[error("tracker_request: {0}")]
    Request(String),
    /// It answered with a refusal.
    #[error("tracker_status: the tracker answered {status}: {says}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it said, cut.
        says: String,
    },
    /// It answered with something that is no answer.
    #[error("tracker_response: {0}")]
    Response(String),
    /// Its pages do not fit together.
    #[error("tracker_pagination: {0}")]
    Pagination(String),
    /// It wants no more requests until then.
    #[error("tracker_rate_limited: no more requests for {} s", .wait_ms.div_ceil(1000))]
    RateLimited {
        /// In how many milliseconds it may be asked again.
        wait_ms: u64,
    },
}

impl TrackerError {
    /// The name that the specification gives it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "tracker_request",
            Self::Status { .. } => "tracker_status",
            Self::Response(_) => "tracker_response",
            Self::Pagination(_) => "tracker_pagination",
            Self::RateLimited { .. } => "tracker_rate_limited",
        }
    }
}

/// A successful read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The issues, in the tracker's order.
    pub issues: Vec<Issue>,
    /// Records that were left out because something without which no issue is one was missing; for the log.
    pub dropped: Vec<String>,
}

/// A read under way.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Page, TrackerError>> + Send + 'a>>;

/// A tracker.
pub trait Tracker: Send + Sync + std::fmt::Debug {
    /// All issues in any of these states, also those that may not be worked. No states is no issues and no request.
    /// Fails as a whole if any part of it fails; a malformed record is left out and named.
    fn by_states<'a>(&'a self, states: &'a [String]) -> Reading<'a>;

    /// The issues with these ids as they are now. Whoever is not in a successful answer can no longer be seen. No ids is
    /// no issues and no request. Fails as a whole if any part of it fails, a malformed record among it.
    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Reading<'a>;

    /// Names of variables that hold this tracker's secrets: what is started never gets them.
    fn secret_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The secrets themselves, so that they can be taken out of what is logged.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Whether a tracker's settings can be used. Says nothing about whether it answers.
///
/// # Errors
/// If something is missing or of the wrong kind.
pub fn check(settings: &TrackerSettings, env: Env<'_>) -> Result<(), WorkflowError> {
    match settings.kind.as_str() {
        "file" => file::path(settings, Path::new("/"), env).map(|_| ()),
        "github" => github::access(settings, env).map(|_| ()),
        "linear" => linear::access(settings, env).map(|_| ()),
        "memory" => memory::seed(settings).map(|_| ()),
        other => Err(WorkflowError::UnsupportedTracker(other.to_owned())),
    }
}

/// Makes the tracker that settings ask for. `folder` is the one of the workflow file.
///
/// # Errors
/// As [`check`].
pub fn open(
    settings: &TrackerSettings,
    folder: &Path,
    env: Env<'_>,
) -> Result<Arc<dyn Tracker>, WorkflowError> {
    match settings.kind.as_str() {
        "file" => Ok(Arc::new(FileTracker::new(file::path(settings, folder, env)?))),
        "github" => Ok(Arc::new(GitHubTracker::new(github::access(settings, env)?)?)),
        "linear" => Ok(Arc::new(LinearTracker::new(linear::access(settings, env)?)?)),
        "memory" => Ok(Arc::new(MemoryTracker::new(memory::seed(settings)?))),
        other => Err(WorkflowError::UnsupportedTracker(other.to_owned())),
    }
}

/// A setting of a provider that is wrong.
pub(crate) fn invalid(key: &str, says: impl Into<String>) -> WorkflowError {
    WorkflowError::Invalid { key: format!("tracker.provider.{key}"), says: says.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tracker_shows_its_secret_to_whoever_prints_it() {
        for front in [
            "tracker: {kind: linear, project_slug: proj, api_key: $KEY}",
            "tracker: {kind: github, active_states: [open], terminal_states: [closed], provider: {repo: a/proj, token: $KEY}}",
        ] {
            let env = |name: &str| (name == "KEY").then(|| "the-secret".to_owned());
            let text = format!("---\n{front}\n---\n");
            let path = Path::new("/W.md");
            let config = crate::workflow::split(path, &text).unwrap().config;
            let settings = crate::workflow::Settings::read(&config, path, &env).unwrap();
            let shown = format!("{:?}", open(&settings.tracker, Path::new("/"), &env).unwrap());
            assert!(shown.contains("proj") && !shown.contains("the-secret"), "{shown}");
        }
    }
}
