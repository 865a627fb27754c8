//! Agent adapters: how a program is started for an attempt, and where its own session log lies. An adapter is data and
//! a small parser.

pub(crate) mod claude_log;
pub(crate) mod elsewhere;
pub(crate) mod native;
pub(crate) mod rehearsal_log;
mod said;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use pilothouse_contract::At;
use pilothouse_contract::SessionId;
use pilothouse_contract::run::{Adapter, AgentChoice};
use pilothouse_contract::trajectory::StepKind;

use super::env;
use crate::policy::redact;

/// The variable that tells the rehearsal's agents where to write what they did.
const REHEARSAL_LOG: &str = "PILOTHOUSE_TRAJECTORY";

/// Everything an adapter fills in.
#[derive(Debug, Clone)]
pub struct Sitting<'a> {
    /// The session.
    pub session: SessionId,
    /// Its folder.
    pub folder: &'a Path,
    /// The brief.
    pub brief: &'a str,
    /// The file that holds the brief.
    pub brief_file: &'a Path,
    /// The id of the agent's own session: the one that we choose, or that of the session it goes on with.
    pub uuid: &'a str,
    /// Whether it goes on with a session that ended.
    pub resumes: bool,
    /// The script of the rehearsal's agents.
    pub rehearsal: &'a Path,
}

/// The names of environment variables that an adapter needs besides everybody's.
#[must_use]
pub fn variables(agent: &AgentChoice) -> Vec<String> {
    let names: &[&str] = match agent.adapter {
        Adapter::ClaudeCode => &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "ANTHROPIC_MODEL",
            "CLAUDE_CONFIG_DIR",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "CLAUDE_CODE_MAX_RETRIES",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_AUTOUPDATER",
            "DISABLE_TELEMETRY",
            "IS_SANDBOX",
        ],
        // The long tail is given what most programs look for. A policy can name more.
        Adapter::Command => &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CODEX_HOME"],
        Adapter::Rehearsal => &[],
    };
    names.iter().map(|it| (*it).to_owned()).collect()
}

/// The command of a sitting, its places filled in.
#[must_use]
pub fn command(agent: &AgentChoice, at: &Sitting<'_>) -> Vec<String> {
    let fill = |word: &String| {
        word.replace("{brief_file}", &at.brief_file.to_string_lossy())
            .replace("{agent_file}", &at.rehearsal.to_string_lossy())
            .replace("{uuid}", at.uuid)
            .replace("{native}", at.uuid)
            .replace("{brief}", at.brief)
    };
    let words = if at.resumes && !agent.resume.is_empty() { &agent.resume } else { &agent.command };
    let mut argv: Vec<String> = words.iter().map(fill).collect();
    if agent.adapter == Adapter::ClaudeCode {
        // A session that is gone on with keeps its id.
        let of = if at.resumes { "--resume" } else { "--session-id" };
        argv.extend(
            ["-p", "--output-format", "stream-json", "--verbose", of, at.uuid, "--"].map(str::to_owned),
        );
        argv.push(at.brief.to_owned());
    }
    argv
}

/// Completes the environment of a sitting.
pub fn complete(agent: &AgentChoice, at: &Sitting<'_>, environment: &mut Vec<(String, OsString)>) {
    env::set(environment, "TERM", "xterm-256color");
    env::set(environment, "PILOTHOUSE_BRIEF", at.brief_file.as_os_str());
    if agent.adapter == Adapter::Rehearsal {
        env::set(environment, REHEARSAL_LOG, at.folder.join("trajectory.jsonl"));
    }
}

/// Where an agent's own session log lies, if it writes one that we read.
#[must_use]
pub fn log_of(adapter: Adapter, folder: &Path, cwd: &Path, uuid: &str) -> Option<PathBuf> {
    match adapter {
        Adapter::Command => None,
        Adapter::Rehearsal => Some(folder.join("trajectory.jsonl")),
        Adapter::ClaudeCode => {
            let config = claude_folder()?;
            let cwd = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
            Some(claude_log::log_path(&config, &cwd, uuid))
        }
    }
}

/// Where Claude Code keeps what it knows.
#[must_use]
pub fn claude_folder() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".claude"));
    std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from).or_else(home)
}

/// What a line of a log says; nothing if it is damaged.
pub type LineRead = Option<Vec<(String, Option<At>, StepKind)>>;

/// Who reads the lines of such a log. What is read has no secrets in it any more.
#[must_use]
pub fn reader(adapter: Adapter) -> fn(&str) -> LineRead {
    match adapter {
        Adapter::Command => |_| Some(Vec::new()),
        Adapter::Rehearsal => |line| clean(rehearsal_log::read_line(line)),
        Adapter::ClaudeCode => |line| match claude_log::read_line(line) {
            claude_log::Line::Steps(steps) => {
                clean(Some(steps.into_iter().map(|it| (it.native, it.at, it.kind)).collect()))
            }
            claude_log::Line::Damaged => None,
        },
    }
}

fn clean(read: LineRead) -> LineRead {
    Some(read?.into_iter().map(|(native, at, kind)| (native, at, redact::step(kind))).collect())
}

/// Whether the program of a command can be found on this machine.
#[must_use]
pub fn is_there(program: &str) -> bool {
    is_in(program, &std::env::var_os("PATH").unwrap_or_default())
}

/// The same by another search path than the engine's.
#[must_use]
pub fn is_in(program: &str, path: &OsStr) -> bool {
    let runs = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return runs(Path::new(program));
    }
    std::env::split_paths(path).any(|folder| runs(&folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::workflow::built_in;

    #[test]
    fn places_are_filled_in_and_a_brief_cannot_become_an_option() {
        let at = Sitting {
            session: SessionId(1),
            folder: Path::new("/s"),
            brief: "--dangerous {uuid}",
            brief_file: Path::new("/s/brief.md"),
            uuid: "u-1",
            resumes: false,
            rehearsal: Path::new("/r/agent.sh"),
        };
        let argv = command(&built_in("claude").unwrap(), &at);
        assert_eq!(argv[argv.len() - 2..], ["--", "--dangerous {uuid}"]);
        let own = AgentChoice {
            name: "x".to_owned(),
            adapter: Adapter::Command,
            command: ["x", "{brief_file}"].map(str::to_owned).to_vec(),
            resume: Vec::new(),
        };
        assert_eq!(command(&own, &at), ["x", "/s/brief.md"]);
        let on = Sitting { resumes: true, ..at };
        let argv = command(&built_in("claude").unwrap(), &on);
        assert_eq!(argv[argv.len() - 4..], ["--resume", "u-1", "--", "--dangerous {uuid}"]);
        let own = AgentChoice { resume: ["x", "--on", "{native}"].map(str::to_owned).to_vec(), ..own };
        assert_eq!(command(&own, &on), ["x", "--on", "u-1"]);
        assert!(is_there("sh") && !is_there("no-such-agent-program"));
    }
}
