//! What the front matter says, typed, with every default. Owns the rules by which values are resolved: `$NAME` counts only
//! where a value is nothing else and the key is a path or a documented secret; `~` only in paths. Refuses values of the wrong
//! kind by name, and leaves keys that it does not know alone.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Env, WorkflowError};
use crate::issue::normal;
use crate::tracker;

/// Which tracker, and what of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrackerSettings {
    /// Which adapter.
    pub kind: String,
    /// What belongs to the adapter: kept as it is, unknown keys too. Secrets are not resolved into it; one that was written
    /// into it is not written out again.
    #[serde(serialize_with = "without_secrets")]
    pub provider: Map<String, Value>,
    /// Labels that an issue must have, normalised. A blank one matches nothing.
    pub required_labels: Vec<String>,
    /// States in which an issue is worked, as they were spelled.
    pub active_states: Vec<String>,
    /// States in which it is over, as they were spelled.
    pub terminal_states: Vec<String>,
}

impl TrackerSettings {
    /// Whether an issue in this state is worked.
    #[must_use]
    pub fn is_active(&self, state: &str) -> bool {
        let state = normal(state);
        !self.is_terminal(&state) && self.active_states.iter().any(|it| normal(it) == state)
    }

    /// Whether an issue in this state is over.
    #[must_use]
    pub fn is_terminal(&self, state: &str) -> bool {
        let state = normal(state);
        self.terminal_states.iter().any(|it| normal(it) == state)
    }

    /// Whether an issue may be worked by its tracker's rules and the required labels.
    #[must_use]
    pub fn is_routable(&self, issue: &crate::Issue) -> bool {
        issue.dispatchable
            && self.required_labels.iter().all(|it| !it.is_empty() && issue.labels.contains(it))
    }

    /// Where a person's token goes, and what is read there as a task, each with where it is said. Names a secret's variable, never
    /// a secret.
    #[must_use]
    pub fn told(&self) -> Vec<(String, String)> {
        let mut out = vec![("tracker.kind".to_owned(), self.kind.clone())];
        for key in ["endpoint", "api_url", "api_key", "token", "repo", "project_slug", "path"] {
            let Some(Value::String(written)) = self.provider.get(key) else { continue };
            let secret = is_secret(key, &Value::String(written.clone()));
            let shown = if secret { WRITTEN } else { written.trim() };
            out.push((format!("tracker.provider.{key}"), shown.to_owned()));
        }
        out
    }
}

/// Which tracker is read, and how often: that alone, for whoever has agents and folders of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Which.
    pub tracker: TrackerSettings,
    /// How often, in milliseconds.
    pub poll_interval_ms: u64,
}

impl Feed {
    /// Reads it; nothing if the file names no tracker.
    ///
    /// # Errors
    /// If a value is of the wrong kind.
    pub fn read(config: &Map<String, Value>) -> Result<Option<Self>, WorkflowError> {
        if config.get("tracker").is_none_or(Value::is_null) {
            return Ok(None);
        }
        let mut reader = Reader { config, warnings: Vec::new() };
        let tracker = reader.tracker()?;
        Ok(Some(Self { tracker, poll_interval_ms: reader.above_zero("polling", "interval_ms", 30_000)? }))
    }
}

/// What stands for a secret that the file holds itself.
pub(super) const WRITTEN: &str = "(written into the file)";

/// Whether a provider's value is a secret itself, and not the name of a variable.
pub(super) fn is_secret(key: &str, value: &Value) -> bool {
    matches!(key, "api_key" | "token") && value.as_str().is_none_or(|it| variable(it.trim()).is_none())
}

fn without_secrets<S: serde::Serializer>(provider: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
    let shown = |(key, value): (&String, &Value)| {
        (key.clone(), if is_secret(key, value) { json!(WRITTEN) } else { value.clone() })
    };
    provider.iter().map(shown).collect::<Map<String, Value>>().serialize(to)
}

/// Shell commands around an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Hooks {
    /// After a workspace was made.
    pub after_create: Option<String>,
    /// Before each attempt.
    pub before_run: Option<String>,
    /// After each attempt.
    pub after_run: Option<String>,
    /// Before a workspace is removed.
    pub before_remove: Option<String>,
    /// How long each may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Hooks {
    /// Reads them alone, for whoever has no tracker.
    ///
    /// # Errors
    /// If one of them is no text.
    pub fn read(config: &Map<String, Value>) -> Result<Self, WorkflowError> {
        Reader { config, warnings: Vec::new() }.hooks()
    }

    /// What they would run, each with where it is said.
    #[must_use]
    pub fn commands(&self) -> Vec<(String, String)> {
        let named = [
            ("hooks.after_create", &self.after_create),
            ("hooks.before_run", &self.before_run),
            ("hooks.after_run", &self.after_run),
            ("hooks.before_remove", &self.before_remove),
        ];
        named.iter().filter_map(|(name, it)| Some(((*name).to_owned(), it.as_ref()?.clone()))).collect()
    }
}

/// How many agents, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSettings {
    /// At most this many at once.
    pub max_concurrent: u32,
    /// At most this many turns in one session.
    pub max_turns: u32,
    /// The longest pause after a failure, in milliseconds.
    pub max_retry_backoff_ms: u64,
    /// At most this many at once in a state, by normalised state.
    pub max_concurrent_by_state: BTreeMap<String, u32>,
}

/// The Codex app-server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Codex {
    /// The shell command that starts it, as it was written.
    pub command: String,
    /// Goes to the app-server as it is.
    pub approval_policy: Value,
    /// Goes to the app-server as it is.
    pub thread_sandbox: String,
    /// Goes to the app-server as it is; without one, [`Codex::turn_sandbox`] makes one.
    pub turn_sandbox_policy: Option<Value>,
    /// How long a turn may say nothing at all, in milliseconds.
    pub turn_timeout_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub read_timeout_ms: u64,
    /// How long a session may make no progress, in milliseconds; 0 is for ever.
    pub stall_timeout_ms: u64,
}

impl Codex {
    /// What a turn may write: its workspace and nothing else, for other workspaces may lie among temporary files; no network.
    #[must_use]
    pub fn turn_sandbox(&self, workspace: &Path) -> Value {
        self.turn_sandbox_policy.clone().unwrap_or_else(|| {
            json!({
                "type": "workspaceWrite",
                "writableRoots": [workspace],
                "networkAccess": false,
                "excludeTmpdirEnvVar": true,
                "excludeSlashTmp": true,
            })
        })
    }
}

/// What one issue may cost before it is parked. 0 is no limit. Ours, not the specification's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Failures in a row.
    pub failures: u32,
    /// Sessions in all.
    pub sessions: u32,
    /// Tokens in all.
    pub tokens: u64,
    /// Milliseconds of sessions in all.
    pub runtime_ms: u64,
}

/// Everything that the front matter says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Which tracker.
    pub tracker: TrackerSettings,
    /// How often it is polled, in milliseconds.
    pub poll_interval_ms: u64,
    /// Below which folder workspaces lie; absolute.
    pub workspace_root: PathBuf,
    /// Shell commands around an attempt.
    pub hooks: Hooks,
    /// How many agents, and how often.
    pub agent: AgentSettings,
    /// The Codex app-server.
    pub codex: Codex,
    /// What one issue may cost.
    pub budget: Budget,
    /// The port of the HTTP routes, if there are any; 0 is any free one.
    pub server_port: Option<u16>,
    /// What was passed over, in words for whoever wrote the file.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads a front matter; `path` is its file, for relative paths.
    ///
    /// # Errors
    /// If a value is of the wrong kind, or the tracker does not take its settings.
    pub fn read(config: &Map<String, Value>, path: &Path, env: Env<'_>) -> Result<Self, WorkflowError> {
        let mut reader = Reader { config, warnings: Vec::new() };
        let tracker = reader.tracker()?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let root = match reader.text("workspace", "root")? {
            Some(written) => resolve_path("workspace.root", &written, folder, env)?,
            None => std::env::temp_dir().join("symphony_workspaces"),
        };
        let by_state = reader.by_state()?;
        let settings = Self {
            tracker,
            poll_interval_ms: reader.above_zero("polling", "interval_ms", 30_000)?,
            workspace_root: absolute(&root, folder),
            hooks: reader.hooks()?,
            agent: AgentSettings {
                max_concurrent: small(reader.above_zero("agent", "max_concurrent_agents", 10)?),
                max_turns: small(reader.above_zero("agent", "max_turns", 20)?),
                max_retry_backoff_ms: reader.above_zero("agent", "max_retry_backoff_ms", 300_000)?,
                max_concurrent_by_state: by_state,
            },
            codex: reader.codex()?,
            budget: Budget {
                failures: small(reader.any_number("budget", "failures", 10)?),
                sessions: small(reader.any_number("budget", "sessions", 50)?),
                tokens: reader.any_number("budget", "tokens", 0)?,
                runtime_ms: reader.any_number("budget", "runtime_ms", 0)?,
            },
            server_port: reader.port()?,
            warnings: reader.warnings,
        };
        tracker::check(&settings.tracker, env)?;
        Ok(settings)
    }

    /// Whether an issue in this state is worked.
    #[must_use]
    pub fn is_active(&self, state: &str) -> bool {
        self.tracker.is_active(state)
    }

    /// Whether an issue in this state is over.
    #[must_use]
    pub fn is_terminal(&self, state: &str) -> bool {
        self.tracker.is_terminal(state)
    }

    /// Whether an issue may be worked by its tracker's rules and the required labels.
    #[must_use]
    pub fn is_routable(&self, issue: &crate::Issue) -> bool {
        self.tracker.is_routable(issue)
    }
}

/// A path made absolute against a folder, `.` and `..` taken out. Links are not followed.
pub(crate) fn absolute(path: &Path, folder: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// A path as it was written: `$NAME` and `~` resolved, then made absolute against a folder.
///
/// # Errors
/// If the variable is not set, or there is no home.
pub(crate) fn resolve_path(
    key: &str,
    written: &str,
    folder: &Path,
    env: Env<'_>,
) -> Result<PathBuf, WorkflowError> {
    let invalid = |says: String| WorkflowError::Invalid { key: key.to_owned(), says };
    let text = match variable(written) {
        Some(name) => env(name).filter(|it| !it.trim().is_empty()).ok_or_else(|| {
            invalid(format!("the variable {name} is not set; set it, or write the path itself"))
        })?,
        None => written.to_owned(),
    };
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home =
                env("HOME").ok_or_else(|| invalid("there is no home for '~'; write the path".to_owned()))?;
            PathBuf::from(format!("{home}{rest}"))
        }
        _ => PathBuf::from(text),
    };
    Ok(absolute(&path, folder))
}

/// The name in a value that is `$NAME` and nothing else.
pub(crate) fn variable(written: &str) -> Option<&str> {
    let name = written.strip_prefix('$')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit()))
        .then_some(name)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn shown(value: &Value) -> String {
    pilothouse_contract::text::line(&value.to_string(), 60)
}

/// Reads one section after the other.
struct Reader<'a> {
    config: &'a Map<String, Value>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn value(&self, section: &str, key: &str) -> Result<Option<&Value>, WorkflowError> {
        match self.config.get(section) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(map.get(key).filter(|it| !it.is_null())),
            Some(other) => Err(WorkflowError::Invalid {
                key: section.to_owned(),
                says: format!("is {}, and has to be a map", shown(other)),
            }),
        }
    }

    fn invalid(section: &str, key: &str, value: &Value, wanted: &str) -> WorkflowError {
        WorkflowError::Invalid {
            key: format!("{section}.{key}"),
            says: format!("is {}, and has to be {wanted}", shown(value)),
        }
    }

    fn text(&self, section: &str, key: &str) -> Result<Option<String>, WorkflowError> {
        match self.value(section, key)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|it| !it.trim().is_empty())),
            Some(other) => Err(Self::invalid(section, key, other, "a text")),
        }
    }

    fn hooks(&self) -> Result<Hooks, WorkflowError> {
        Ok(Hooks {
            after_create: self.text("hooks", "after_create")?,
            before_run: self.text("hooks", "before_run")?,
            after_run: self.text("hooks", "after_run")?,
            before_remove: self.text("hooks", "before_remove")?,
            timeout_ms: self.above_zero("hooks", "timeout_ms", 60_000)?,
        })
    }

    fn any_number(&self, section: &str, key: &str, default: u64) -> Result<u64, WorkflowError> {
        let Some(value) = self.value(section, key)? else { return Ok(default) };
        number(value).ok_or_else(|| Self::invalid(section, key, value, "a whole number from 0 on"))
    }

    fn above_zero(&self, section: &str, key: &str, default: u64) -> Result<u64, WorkflowError> {
        let Some(value) = self.value(section, key)? else { return Ok(default) };
        number(value)
            .filter(|it| *it > 0)
            .ok_or_else(|| Self::invalid(section, key, value, "a whole number above 0"))
    }

    fn texts(&self, section: &str, key: &str) -> Result<Option<Vec<String>>, WorkflowError> {
        let Some(value) = self.value(section, key)? else { return Ok(None) };
        let list = value.as_array().and_then(|all| {
            all.iter().map(|it| it.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        list.map(Some).ok_or_else(|| Self::invalid(section, key, value, "a list of texts"))
    }

    fn tracker(&mut self) -> Result<TrackerSettings, WorkflowError> {
        let kind = self.text("tracker", "kind")?.ok_or_else(|| WorkflowError::Invalid {
            key: "tracker.kind".to_owned(),
            says: format!("is missing; say one of {}", tracker::KINDS.join(", ")),
        })?;
        let kind = normal(&kind);
        let profile =
            tracker::profile(&kind).ok_or_else(|| WorkflowError::UnsupportedTracker(kind.clone()))?;
        let mut provider = match self.value("tracker", "provider")? {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(other) => return Err(Self::invalid("tracker", "provider", other, "a map")),
        };
        // Names of old, which stood beside `kind` before there were other trackers.
        if kind == "linear" {
            for key in ["endpoint", "api_key", "project_slug", "assignee"] {
                if let Some(value) = self.value("tracker", key)? {
                    provider.entry(key).or_insert_with(|| value.clone());
                }
            }
        }
        let states = |key: &str, default: &[&str]| -> Result<Vec<String>, WorkflowError> {
            let states = self
                .texts("tracker", key)?
                .unwrap_or_else(|| default.iter().map(|it| (*it).to_owned()).collect());
            if states.iter().all(|it| it.trim().is_empty()) {
                return Err(WorkflowError::Invalid {
                    key: format!("tracker.{key}"),
                    says: format!("is missing; a {kind} tracker has no states of its own to begin with"),
                });
            }
            Ok(states)
        };
        let labels = self.texts("tracker", "required_labels")?.unwrap_or_default();
        Ok(TrackerSettings {
            required_labels: labels.iter().map(|it| normal(it)).collect(),
            active_states: states("active_states", profile.active)?,
            terminal_states: states("terminal_states", profile.terminal)?,
            kind,
            provider,
        })
    }

    fn by_state(&mut self) -> Result<BTreeMap<String, u32>, WorkflowError> {
        const KEY: &str = "max_concurrent_agents_by_state";
        let mut out = BTreeMap::new();
        let entries: Vec<(String, Value)> = match self.value("agent", KEY)? {
            None => Vec::new(),
            Some(Value::Object(map)) => map.iter().map(|(key, it)| (key.clone(), it.clone())).collect(),
            Some(other) => return Err(Self::invalid("agent", KEY, other, "a map from state to number")),
        };
        for (state, value) in entries {
            match number(&value).filter(|it| *it > 0) {
                Some(limit) if !normal(&state).is_empty() => {
                    out.insert(normal(&state), small(limit));
                }
                _ => self.warnings.push(format!(
                    "agent.{KEY}: the entry '{}' is {} and was passed over; it has to be a whole number above 0",
                    pilothouse_contract::text::line(&state, 40),
                    shown(&value)
                )),
            }
        }
        Ok(out)
    }

    fn codex(&mut self) -> Result<Codex, WorkflowError> {
        let command = match self.value("codex", "command")? {
            None => "codex app-server".to_owned(),
            Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
            Some(other) => return Err(Self::invalid("codex", "command", other, "a shell command")),
        };
        let approval_policy = match self.value("codex", "approval_policy")? {
            None => json!("never"),
            Some(value @ (Value::String(_) | Value::Object(_))) => value.clone(),
            Some(other) => return Err(Self::invalid("codex", "approval_policy", other, "a text or a map")),
        };
        let turn_sandbox_policy = match self.value("codex", "turn_sandbox_policy")? {
            None => None,
            Some(value @ Value::Object(_)) => Some(value.clone()),
            Some(other) => return Err(Self::invalid("codex", "turn_sandbox_policy", other, "a map")),
        };
        let stall = match self.value("codex", "stall_timeout_ms")? {
            None => 300_000,
            // Nothing and less turn it off.
            Some(value) => match value.as_i64() {
                Some(off) if off <= 0 => 0,
                _ => self.any_number("codex", "stall_timeout_ms", 0)?,
            },
        };
        Ok(Codex {
            command,
            approval_policy,
            thread_sandbox: self
                .text("codex", "thread_sandbox")?
                .unwrap_or_else(|| "workspace-write".to_owned()),
            turn_sandbox_policy,
            turn_timeout_ms: self.above_zero("codex", "turn_timeout_ms", 3_600_000)?,
            read_timeout_ms: self.above_zero("codex", "read_timeout_ms", 5_000)?,
            stall_timeout_ms: stall,
        })
    }

    fn port(&mut self) -> Result<Option<u16>, WorkflowError> {
        let Some(value) = self.value("server", "port")? else { return Ok(None) };
        let port = number(value).and_then(|it| u16::try_from(it).ok());
        port.map(Some)
            .ok_or_else(|| Self::invalid("server", "port", value, "a port number; 0 is any free one"))
    }
}

/// A whole number from 0 on, also one that was written as a text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(front: &str, env: Env<'_>) -> Result<Settings, WorkflowError> {
        let text = format!("---\n{front}\n---\nx");
        let definition = super::super::split(Path::new("/repo/WORKFLOW.md"), &text)?;
        Settings::read(&definition.config, Path::new("/repo/WORKFLOW.md"), env)
    }

    fn read(front: &str) -> Result<Settings, WorkflowError> {
        read_with(front, &|_| None)
    }

    #[test]
    fn row_1_8_what_is_left_out_has_its_default() {
        let it = read("tracker: {kind: memory}").unwrap();
        assert_eq!(it.poll_interval_ms, 30_000);
        assert_eq!(it.workspace_root, std::env::temp_dir().join("symphony_workspaces"));
        assert_eq!(it.hooks, Hooks { timeout_ms: 60_000, ..Hooks::default() });
        let agent = &it.agent;
        assert_eq!((agent.max_concurrent, agent.max_turns, agent.max_retry_backoff_ms), (10, 20, 300_000));
        assert!(agent.max_concurrent_by_state.is_empty());
        assert_eq!(it.codex.command, "codex app-server");
        assert_eq!((it.codex.turn_timeout_ms, it.codex.read_timeout_ms), (3_600_000, 5_000));
        assert_eq!(it.codex.stall_timeout_ms, 300_000);
        assert_eq!(it.codex.approval_policy, json!("never"));
        assert_eq!(it.codex.thread_sandbox, "workspace-write");
        assert_eq!(it.tracker.active_states, ["Todo", "In Progress"]);
        assert_eq!(it.tracker.terminal_states, ["Closed", "Cancelled", "Canceled", "Duplicate", "Done"]);
        assert!(it.tracker.required_labels.is_empty() && it.tracker.provider.is_empty());
        assert_eq!(it.server_port, None);
        assert_eq!(it.budget, Budget { failures: 10, sessions: 50, tokens: 0, runtime_ms: 0 });
    }

    #[test]
    fn row_1_9_an_unsupported_tracker_is_refused() {
        let error = read("tracker: {kind: abacus}").unwrap_err();
        assert_eq!(error.code(), "unsupported_tracker_kind");
        assert!(error.to_string().contains("abacus"), "{error}");
        assert_eq!(read("polling: {}").unwrap_err().code(), "invalid_tracker_config");
    }

    #[test]
    fn row_1_10_unknown_provider_keys_are_kept_and_the_adapter_checks_the_map() {
        let it = read("tracker: {kind: file, provider: {path: issues, colour: red}}").unwrap();
        assert_eq!(it.tracker.provider["colour"], "red");
        let error = read("tracker: {kind: file, provider: {path: 7}}").unwrap_err();
        assert_eq!(error.code(), "invalid_tracker_config");
    }

    #[test]
    fn variables_count_in_paths_and_nowhere_else() {
        let env = |name: &str| match name {
            "ROOT" => Some("/elsewhere".to_owned()),
            _ => None,
        };
        let it = read_with(
            "tracker: {kind: memory}\n\
             workspace: {root: $ROOT}\ncodex: {command: '$KEY run'}\nhooks: {before_run: 'echo $KEY'}",
            &env,
        )
        .unwrap();
        assert_eq!(it.workspace_root, Path::new("/elsewhere"));
        assert_eq!(it.codex.command, "$KEY run");
        assert_eq!(it.hooks.before_run.as_deref(), Some("echo $KEY"));
        let none = read("tracker: {kind: memory}\nworkspace: {root: $ROOT}").unwrap_err();
        assert!(none.to_string().contains("ROOT is not set"), "{none}");
    }

    #[test]
    fn a_secret_in_the_file_is_not_written_out_again_and_a_variables_name_is() {
        let it = |key: &str| {
            let front = format!("tracker: {{kind: linear, project_slug: p, api_key: {key}}}");
            json!(read_with(&front, &|_| Some("from-the-environment".to_owned())).unwrap())
        };
        let literal = it("lin_literal");
        assert!(!literal.to_string().contains("lin_literal"), "{literal}");
        assert_eq!(literal["tracker"]["provider"]["project_slug"], "p");
        assert_eq!(it("$LINEAR_KEY")["tracker"]["provider"]["api_key"], "$LINEAR_KEY");
    }

    #[test]
    fn a_turn_may_write_its_workspace_and_no_temporary_files_unless_the_file_says_so() {
        let own = read("tracker: {kind: memory}").unwrap().codex.turn_sandbox(Path::new("/tmp/w/A-1"));
        assert_eq!(own["writableRoots"], json!(["/tmp/w/A-1"]));
        assert_eq!((&own["excludeSlashTmp"], &own["excludeTmpdirEnvVar"]), (&json!(true), &json!(true)));
        let front = "tracker: {kind: memory}\ncodex: {turn_sandbox_policy: {type: workspaceWrite, excludeSlashTmp: false}}";
        let said = read(front).unwrap().codex.turn_sandbox(Path::new("/tmp/w/A-1"));
        assert_eq!(said, json!({"type": "workspaceWrite", "excludeSlashTmp": false}));
    }

    #[test]
    fn row_1_12_a_tilde_in_a_path_is_home() {
        let env = |name: &str| (name == "HOME").then(|| "/home/kim".to_owned());
        let root = |written: &str| {
            read_with(&format!("tracker: {{kind: memory}}\nworkspace: {{root: '{written}'}}"), &env)
                .unwrap()
                .workspace_root
        };
        assert_eq!(root("~"), Path::new("/home/kim"));
        assert_eq!(root("~/work"), Path::new("/home/kim/work"));
        assert_eq!(
            root("~other/work"),
            Path::new("/repo/~other/work"),
            "somebody else's home is not guessed"
        );
    }

    #[test]
    fn row_1_13_the_agents_command_stays_as_it_was_written() {
        let it = read("tracker: {kind: memory}\ncodex: {command: \"  X=~/a codex -c 'k=\\\"v\\\"' $HOME \"}");
        assert_eq!(it.unwrap().codex.command, "  X=~/a codex -c 'k=\"v\"' $HOME ");
    }

    #[test]
    fn row_1_14_limits_per_state_are_normalised_and_bad_ones_are_passed_over() {
        let it = read(
            "tracker: {kind: memory}\nagent: {max_concurrent_agents_by_state: {' In Progress ': 2, Todo: 0, X: many}}",
        )
        .unwrap();
        assert_eq!(it.agent.max_concurrent_by_state, BTreeMap::from([("in progress".to_owned(), 2)]));
        assert_eq!(it.warnings.len(), 2, "{:?}", it.warnings);
    }

    #[test]
    fn row_n_2_unknown_keys_are_left_alone() {
        let it =
            read("tracker: {kind: memory}\npilothouse: {agent: x}\nweather: [1]\npolling: {x: 1}").unwrap();
        assert_eq!(it.poll_interval_ms, 30_000);
    }

    #[test]
    fn row_n_3_a_blank_label_matches_nothing() {
        let it = read("tracker: {kind: memory, required_labels: [' ']}").unwrap();
        let issue = serde_json::from_value(json!({
            "id": "1", "identifier": "A", "title": "t", "state": "Todo", "dispatchable": true, "labels": ["a"]
        }))
        .unwrap();
        assert!(!it.is_routable(&issue));
    }

    #[test]
    fn row_n_4_a_relative_root_lies_beside_the_file() {
        let it = read("tracker: {kind: memory}\nworkspace: {root: ./a/../work}").unwrap();
        assert_eq!(it.workspace_root, Path::new("/repo/work"));
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused_by_name() {
        for (front, named) in [
            ("polling: {interval_ms: 0}", "polling.interval_ms"),
            ("polling: {interval_ms: soon}", "polling.interval_ms"),
            ("hooks: {before_run: [a]}", "hooks.before_run"),
            ("codex: {command: ' '}", "codex.command"),
            ("agent: 7", "agent"),
            ("server: {port: 70000}", "server.port"),
        ] {
            let error = read(&format!("tracker: {{kind: memory}}\n{front}")).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{named}: is ")), "{error}");
        }
        let off = read("tracker: {kind: memory}\ncodex: {stall_timeout_ms: -1}").unwrap();
        assert_eq!(off.codex.stall_timeout_ms, 0);
    }
}
