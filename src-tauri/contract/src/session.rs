//! Sessions: live programs, each held by a holder process of its own. Facts are stored; the state is derived from
//! them when asked (promise P4).

use serde::{Deserialize, Serialize};

use crate::evidence::Gate;
use crate::ids::{AttemptId, ProjectId, PullId, RunId, SessionId, WorktreeId};
use crate::time::At;

/// The variable that marks every program of a session: who calls the engine from inside one is told by it.
pub const MARK: &str = "PILOTHOUSE_SESSION";

/// The variable by which a holder marks every program that it starts, with the folder of its session. Holders know nothing of
/// this crate and have the name of their own.
pub const HELD: &str = "PILOTHOUSE_HELD";

/// One held program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The project, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// The run, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The attempt, if it works for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// The pull request, if it checks one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
    /// The gate it gathers evidence for, if it is a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// The worktree it runs in, if it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<WorktreeId>,
    /// What it is for.
    pub kind: SessionKind,
    /// What people call it.
    pub title: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its working directory.
    pub cwd: String,
    /// How it is held.
    pub mode: Mode,
    /// What it may use at most.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// When it was asked for.
    pub asked: At,
    /// The program's process id and when it started, once it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// How it ended, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

impl Session {
    /// What a person starts, in a terminal of its own.
    #[must_use]
    pub fn of_a_person(id: SessionId, argv: Vec<String>, cwd: String, asked: At) -> Self {
        Self {
            id,
            project: None,
            run: None,
            attempt: None,
            pull: None,
            gate: None,
            worktree: None,
            kind: SessionKind::Shell,
            title: argv.join(" "),
            argv,
            cwd,
            mode: Mode::Pty,
            limits: Limits::default(),
            asked,
            running: None,
            end: None,
        }
    }
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// An agent at a task.
    Agent,
    /// A command that gathers evidence.
    Check,
    /// Something a person started.
    Shell,
}

/// How a session is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In a terminal of its own.
    Pty,
    /// By pipes: standard output and standard error into one log, standard input empty.
    Pipe,
}

/// What a session may use at most, with everything it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time, in percent of one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
}

impl Limits {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Reads memory as people write it: `512MiB`, `2 GiB`, `1.5G`. Units are powers of 1024.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn memory(text: &str) -> Result<u64, String> {
        let bad = || format!("'{text}' is no amount of memory: write it like 512MiB or 2GiB");
        let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(at).ok_or_else(bad)?;
        let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "t" | "tib" => 1 << 40,
            _ => return Err(bad()),
        };
        let bytes = number.parse::<f64>().map_err(|_| bad())? * unit as f64;
        // Less is no program's, and a number this small is written without its unit in mind.
        if bytes < (1 << 20) as f64 { Err(format!("{}; at least 1MiB", bad())) } else { Ok(bytes as u64) }
    }

    /// Reads processor time as people write it: `150%` is one and a half cores.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn cpu(text: &str) -> Result<u32, String> {
        let bad =
            || format!("'{text}' is no share of processor time: write it like 150%, where 100% is one core");
        let percent = text.strip_suffix('%').ok_or_else(bad)?.trim().parse().map_err(|_| bad())?;
        if percent == 0 { Err(bad()) } else { Ok(percent) }
    }
}

/// Facts of a program that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The holder's process id.
    pub holder: u32,
    /// The program's process id.
    pub pid: u32,
    /// When it started.
    pub at: At,
    /// The agent's own id for the session, where we chose it; what its own "resume" wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When it was noticed.
    pub at: At,
    /// What is known.
    pub how: Ending,
    /// Bytes of output in its log.
    pub output_bytes: u64,
    /// Bytes of output that are not in its log: the disk or the log was full.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_bytes: u64,
    /// Programs it left behind, which were ended with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// Programs it left running when it ended by itself; they go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_running: Vec<Left>,
    /// The agent's own id for the session, where it was lost, we did not choose the id, and the agent's own notes tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
}

impl End {
    /// An end of which nothing else is known: without output, and with nothing that outlived it.
    #[must_use]
    pub fn of(at: At, how: Ending) -> Self {
        Self {
            at,
            how,
            output_bytes: 0,
            lost_bytes: 0,
            left_behind: Vec::new(),
            left_running: Vec::new(),
            native: None,
        }
    }
}

/// A process that outlived its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its id.
    pub pid: u32,
    /// When it began, in the system's own ticks: with its id it names one process for good.
    pub began: u64,
    /// Its short name.
    pub name: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// What is known of an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ending")]
pub enum Ending {
    /// It exited by itself.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// Which.
        signal: i32,
    },
    /// It was never started.
    NotStarted {
        /// Why.
        why: String,
    },
    /// It ended, its output is whole, and nobody could learn with which code.
    Unknown {
        /// Why not.
        why: String,
    },
    /// Its holder is gone and left no word.
    Lost {
        /// What is known.
        why: String,
    },
}

/// The state of a session, derived from facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Asked for, not yet running.
    Starting,
    /// Running, with output lately.
    Working,
    /// Running, without output for a while. What it does is not known.
    Quiet,
    /// Its holder died, and no other one could be started: nobody reads what it says.
    Stranded,
    /// It ended.
    Exited,
    /// It is gone and nobody knows how.
    Lost,
    /// The facts do not say.
    Unknown,
}

impl SessionState {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Quiet => "quiet",
            Self::Stranded => "stranded",
            Self::Exited => "exited",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// What the engine sees of a running session now; never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pulse {
    /// Bytes of output so far.
    pub output_bytes: u64,
    /// When output last came, if any did while this engine looked.
    pub last_output: Option<At>,
    /// Whether the holder answers.
    pub held: bool,
    /// Whether the engine keeps duplicates of what the holder holds: then the death of the holder ends nothing.
    #[serde(default)]
    pub kept: bool,
    /// Bytes of output that were not kept, because the disk or the log is full.
    #[serde(default)]
    pub lost_bytes: u64,
    /// Whether its holder runs another program file than the one that lies beside the engine now.
    #[serde(default)]
    pub outdated: bool,
    /// Bytes that were typed and thrown away, because the program takes nothing.
    #[serde(default)]
    pub refused_bytes: u64,
    /// How many viewers are attached.
    pub viewers: u32,
    /// Whether its screen is kept as a few compressed bytes, because nothing has moved on it for a while.
    #[serde(default)]
    pub parked: bool,
    /// It counts as silent since then at most: what happened while nobody could work does not count.
    #[serde(default)]
    pub silent_from: Option<At>,
    /// It counts as at work since then, in the same way.
    #[serde(default)]
    pub work_from: Option<At>,
    /// Tokens that its model read anew and wrote, by the agent's own log.
    #[serde(default)]
    pub tokens: u64,
    /// What is known of what it cost so far, in micro-dollars; nothing if nothing is.
    #[serde(default)]
    pub micros: Option<u64>,
    /// How often its last call brought the same answer as the one before, by the agent's own log.
    #[serde(default)]
    pub repeats: u32,
    /// Tokens that its model read for the newest call, from wherever.
    #[serde(default)]
    pub context: u64,
}

/// What keeps a session from being held as it should be; seen by the engine now, never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "trouble")]
pub enum Trouble {
    /// Its holder died, and no other one could be started so far.
    NoHolder {
        /// Why not.
        why: String,
    },
    /// Its holder is of an older version that keeps what it holds to itself: nobody else can go on with it.
    OneHand {
        /// The version of the holder's protocol.
        version: u32,
    },
}

/// Who has the keyboard of a session: one viewer at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who took it.
    pub who: String,
    /// When.
    pub since: At,
}

/// Without output for this long a running session is called quiet, in milliseconds.
pub const QUIET_MS: i64 = 10_000;

/// What an agent program is asked to go on with what it did: its own "resume", where it has one that is known. Source: the
/// programs' own `--help`.
pub(crate) fn resume_of(argv: &[String], native: Option<&str>) -> Option<Vec<String>> {
    let program = argv.first()?;
    let name = program.rsplit('/').next()?;
    let with: &[&str] = match (name, native) {
        ("claude", Some(id)) => &["--resume", id],
        ("claude", None) => &["--continue"],
        ("codex", Some(id)) => &["resume", id],
        ("codex", None) => &["resume", "--last"],
        ("gemini", Some(id)) => &["-r", id],
        ("gemini", None) => &["-r", "latest"],
        ("opencode", Some(id)) => &["-s", id],
        ("opencode", None) => &["--continue"],
        _ => return None,
    };
    Some(std::iter::once(program.as_str()).chain(with.iter().copied()).map(str::to_owned).collect())
}

impl Session {
    /// The command that goes on with what its program did, by the program's own "resume".
    #[must_use]
    pub fn resume(&self) -> Option<Vec<String>> {
        let chosen = self.running.as_ref().and_then(|it| it.native.as_deref());
        let found = self.end.as_ref().and_then(|it| it.native.as_deref());
        resume_of(&self.argv, chosen.or(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        assert_eq!(Limits::memory("2GiB"), Ok(2 << 30));
        assert_eq!(Limits::memory("1.5 g"), Ok(3 << 29));
        assert_eq!(Limits::memory("512MiB"), Ok(512 << 20));
        for bad in ["", "2", "GiB", "-1GiB", "2GB", "1KiB", "é"] {
            assert!(Limits::memory(bad).unwrap_err().contains("write it like 512MiB"), "{bad}");
        }
        assert_eq!(Limits::cpu("150%"), Ok(150));
        for bad in ["", "150", "%", "0%", "-5%", "1.5%"] {
            assert!(Limits::cpu(bad).unwrap_err().contains("write it like 150%"), "{bad}");
        }
    }
}
