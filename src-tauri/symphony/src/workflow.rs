//! `WORKFLOW.md`: where it is, how it is split, what it says, and which version of it is in force. Owns the errors that the
//! specification names. Refuses to run anything: it only says which commands a file holds, for the decision to trust them.
//! The key `pilothouse:` of the same front matter belongs to the engine and is left alone here.

mod reload;
mod settings;
mod template;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use reload::{Look, Trust, Watch};
pub use settings::{AgentSettings, Budget, Codex, Feed, Hooks, Settings, TrackerSettings};
pub(crate) use settings::{resolve_path, variable};
pub use template::{DEFAULT_PROMPT, RetryKind, TemplateError, check as check_prompt, example, render};

/// The name of the file where none was given.
pub const FILE: &str = "WORKFLOW.md";

/// How the environment is asked: by name.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is wrong with a `WORKFLOW.md`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// There is none, or it cannot be read.
    #[error("there is no workflow file at {path}: {cause}; write one, or give its path")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// Its front matter is no YAML.
    #[error("the front matter of {path} is no YAML: {cause}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        cause: String,
    },
    /// Its front matter is YAML, but no map.
    #[error("the front matter of {path} is no map: begin its lines with `key: value`")]
    NotAMap {
        /// The file.
        path: PathBuf,
    },
    /// A setting has a value that it cannot have.
    #[error("{key}: {says}")]
    Invalid {
        /// Which, with dots.
        key: String,
        /// What is wrong and what would be right.
        says: String,
    },
    /// Nobody here reads such a tracker.
    #[error("tracker.kind: '{0}' is not supported; there are {known}", known = crate::tracker::KINDS.join(", "))]
    UnsupportedTracker(String),
    /// A tracker needs a secret that is not there. Says its name, never its value.
    #[error("{key}: the secret is missing; set {env} in the environment")]
    MissingSecret {
        /// Which setting.
        key: String,
        /// Which variable it would come from.
        env: String,
    },
}

impl WorkflowError {
    /// The name that the specification gives it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing_workflow_file",
            Self::Parse { .. } => "workflow_parse_error",
            Self::NotAMap { .. } => "workflow_front_matter_not_a_map",
            Self::Invalid { key, .. } if key.starts_with("tracker.") => "invalid_tracker_config",
            Self::Invalid { .. } => "invalid_workflow_config",
            Self::UnsupportedTracker(_) => "unsupported_tracker_kind",
            Self::MissingSecret { .. } => "missing_tracker_secret",
        }
    }
}

/// A file's two halves.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The front matter.
    pub config: Map<String, Value>,
    /// The rest, trimmed.
    pub prompt: String,
}

/// One version of a file, read and understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Where it lies.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub hash: String,
    /// The prompt's template.
    pub prompt: String,
    /// What it says.
    pub settings: Settings,
}

impl Workflow {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`WorkflowError`].
    pub fn load(path: &Path, env: Env<'_>) -> Result<Arc<Self>, WorkflowError> {
        Self::understand(path, &bytes(path)?, env)
    }

    /// Understands a file's bytes.
    ///
    /// # Errors
    /// See [`WorkflowError`].
    pub fn understand(path: &Path, bytes: &[u8], env: Env<'_>) -> Result<Arc<Self>, WorkflowError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| WorkflowError::Parse { path: path.to_owned(), cause: error.to_string() })?;
        let definition = split(path, text)?;
        let settings = Settings::read(&definition.config, path, env)?;
        Ok(Arc::new(Self { path: path.to_owned(), hash: hash(bytes), prompt: definition.prompt, settings }))
    }

    /// What trust is a decision about, each with where it is said: the commands that this file would run, how far the agent
    /// may go, which tracker is asked with which secret, and where folders lie. Names a secret's variable, never a secret.
    #[must_use]
    pub fn commands(&self) -> Vec<(String, String)> {
        let mut out = self.settings.hooks.commands();
        out.push(("codex.command".to_owned(), self.settings.codex.command.clone()));
        // Not commands, but how far the agent may go: that is trusted together with them.
        let codex = &self.settings.codex;
        out.push(("codex.approval_policy".to_owned(), codex.approval_policy.to_string()));
        out.push(("codex.thread_sandbox".to_owned(), codex.thread_sandbox.clone()));
        if let Some(policy) = &codex.turn_sandbox_policy {
            out.push(("codex.turn_sandbox_policy".to_owned(), policy.to_string()));
        }
        out.extend(self.settings.tracker.told());
        out.push(("workspace.root".to_owned(), self.settings.workspace_root.display().to_string()));
        out
    }
}

/// The file that is meant: the given one, else `WORKFLOW.md` in `cwd`. Absolute.
#[must_use]
pub fn find(given: Option<&Path>, cwd: &Path) -> PathBuf {
    settings::absolute(given.unwrap_or(Path::new(FILE)), cwd)
}

pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, WorkflowError> {
    std::fs::read(path)
        .map_err(|error| WorkflowError::Missing { path: path.to_owned(), cause: error.to_string() })
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    crate::issue::hex(&Sha256::digest(bytes), 64)
}

/// Parts a file's text: front matter stands between a first line `---` and the next such line; without an end the whole file is front
/// matter. Nothing is read of either half.
#[must_use]
pub fn halves(text: &str) -> (Option<String>, String) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    if lines.next().is_none_or(|line| line.trim_end() != "---") {
        return (None, text.trim().to_owned());
    }
    let mut front = String::new();
    for line in lines.by_ref() {
        if line.trim_end() == "---" {
            break;
        }
        front.push_str(line);
    }
    let prompt: String = lines.collect();
    (Some(front), prompt.trim().to_owned())
}

/// Reads both halves of a file's text. No front matter is no settings.
///
/// # Errors
/// If the front matter is no YAML, or no map.
pub fn split(path: &Path, text: &str) -> Result<Definition, WorkflowError> {
    let (front, prompt) = halves(text);
    let front = front.unwrap_or_default();
    let only_comments = front.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'));
    let config = if only_comments {
        Map::new()
    } else {
        match serde_saphyr::from_str::<Value>(&front) {
            Ok(Value::Object(map)) => map,
            Ok(_) => return Err(WorkflowError::NotAMap { path: path.to_owned() }),
            Err(error) => {
                return Err(WorkflowError::Parse { path: path.to_owned(), cause: error.to_string() });
            }
        }
    };
    Ok(Definition { config, prompt })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> WorkflowError {
        split(Path::new("W.md"), text).unwrap_err()
    }

    #[test]
    fn row_1_1_a_given_path_is_the_one_that_is_read() {
        let found = find(Some(Path::new("there/W.md")), Path::new("/here"));
        assert_eq!(found, Path::new("/here/there/W.md"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("MINE.md");
        std::fs::write(&path, "---\ntracker: {kind: memory}\n---\nMine").unwrap();
        std::fs::write(folder.path().join(FILE), "Not mine").unwrap();
        assert_eq!(Workflow::load(&path, &|_| None).unwrap().prompt, "Mine");
    }

    #[test]
    fn row_1_2_without_one_the_file_in_the_working_folder_is_read() {
        assert_eq!(find(None, Path::new("/here")), Path::new("/here/WORKFLOW.md"));
    }

    #[test]
    fn row_1_5_a_missing_file_has_its_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Workflow::load(&folder.path().join("none.md"), &|_| None).unwrap_err();
        assert_eq!(error.code(), "missing_workflow_file");
        assert!(error.to_string().contains("none.md"), "{error}");
    }

    #[test]
    fn row_1_6_front_matter_that_is_no_yaml_has_its_error() {
        assert_eq!(error("---\na: [1\n---\nx").code(), "workflow_parse_error");
    }

    #[test]
    fn row_1_7_front_matter_that_is_no_map_has_its_error() {
        for text in ["---\n- a\n---\nx", "---\njust words\n---\nx"] {
            assert_eq!(error(text).code(), "workflow_front_matter_not_a_map");
        }
    }

    #[test]
    fn a_file_without_front_matter_is_all_prompt_and_one_without_its_end_is_none() {
        let all = split(Path::new("W.md"), "  Do it.\n---\nreally\n").unwrap();
        assert_eq!((all.config.len(), all.prompt.as_str()), (0, "Do it.\n---\nreally"));
        let open = split(Path::new("W.md"), "---\r\na: 1\r\n").unwrap();
        assert_eq!((open.config["a"].as_i64(), open.prompt.as_str()), (Some(1), ""));
        let comments = split(Path::new("W.md"), "---\n# nothing\n\n---\nDo.").unwrap();
        assert_eq!((comments.config.len(), comments.prompt.as_str()), (0, "Do."));
    }
}
