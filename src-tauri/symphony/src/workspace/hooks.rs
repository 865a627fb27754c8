//! Hooks: shell commands that a repository's workflow file runs around an attempt. Owns how one is started, what it is told,
//! how long it may take and that nothing of it is left afterwards. Refuses the tracker's secrets to them, and more of their
//! output than a person reads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::watch;

use crate::process::{self, GRACE, MARK, Tree};

/// How much of a hook's output is kept: its end, for that is where it says what went wrong.
const KEPT: usize = 2048;

/// Where and for whom a hook runs.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The workspace, which is its working folder.
    pub workspace: PathBuf,
    /// The issue's id.
    pub issue_id: String,
    /// The issue's key for people.
    pub identifier: String,
    /// The issue's title; nothing where only its folder is known.
    pub title: String,
    /// Variables that it does not get.
    pub secret_names: Vec<String>,
    /// Marks what it starts.
    pub mark: String,
    /// Where its processes are noted for the next start.
    pub notes: PathBuf,
    /// What it has for an environment; nothing is that of this process.
    pub environment: Option<Vec<(String, OsString)>>,
}

impl Surroundings {
    /// A script as it was written, after the secrets were taken away once more: a login shell's profile may have brought them
    /// back.
    pub(crate) fn without_secrets(&self, script: &str) -> String {
        let fits = |name: &&String| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        let names: Vec<&str> = self.secret_names.iter().filter(fits).map(String::as_str).collect();
        if names.is_empty() { script.to_owned() } else { format!("unset {}\n{script}", names.join(" ")) }
    }

    /// Sets a command up: working folder, variables, a process group and a mark of its own.
    pub(crate) fn prepare(&self, command: &mut Command, mark: &str) {
        if let Some(own) = &self.environment {
            command.env_clear().envs(own.iter().map(|(name, value)| (name, value)));
        }
        for name in &self.secret_names {
            command.env_remove(name);
        }
        command
            .current_dir(&self.workspace)
            .env("SYMPHONY_ISSUE_ID", &self.issue_id)
            .env("SYMPHONY_ISSUE_IDENTIFIER", &self.identifier)
            .env("SYMPHONY_ISSUE_TITLE", &self.title)
            .env("SYMPHONY_WORKSPACE", &self.workspace)
            .env(MARK, mark)
            .process_group(0)
            .kill_on_drop(true);
    }
}

/// A hook that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The end of what it said.
    pub output: String,
}

/// Why a hook failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("the hook {name} could not be started: {cause}")]
    Start {
        /// Which.
        name: String,
        /// What the system said.
        cause: String,
    },
    /// It ended with another code than 0.
    #[error("the hook {name} ended with {status}: {output}")]
    Failed {
        /// Which.
        name: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// It took too long and was ended with all it had started.
    #[error("the hook {name} took longer than {limit_ms} ms and was ended: {output}")]
    TimedOut {
        /// Which.
        name: String,
        /// How long it might have taken.
        limit_ms: u64,
        /// The end of what it said.
        output: String,
    },
    /// The attempt was stopped meanwhile.
    #[error("the hook {0} was ended, for its attempt was stopped")]
    Stopped(String),
}

/// Runs a hook to its end, or to its time's. Nothing that it started is left when this returns, however it ended. `stop`
/// ends it early once it holds true.
///
/// # Errors
/// See [`HookError`].
pub async fn run(
    name: &str,
    script: &str,
    around: &Surroundings,
    limit: Duration,
    mut stop: watch::Receiver<bool>,
) -> Result<HookRun, HookError> {
    let mark = format!("{}-{name}", around.mark);
    let mut command = Command::new("sh");
    command
        .args(["-lc", &around.without_secrets(script)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    around.prepare(&mut command, &mark);
    let start = |cause: std::io::Error| HookError::Start { name: name.to_owned(), cause: cause.to_string() };
    let mut child = command.spawn().map_err(start)?;
    let tree = Tree::of(child.id().unwrap_or_default(), &mark);
    let noted = process::note(&around.notes, &tree);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reading = tokio::spawn(async move { tokio::join!(tail(out), tail(err)) });
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = tokio::time::sleep(limit) => None,
        () = stopped(&mut stop) => {
            let (_, _) = tokio::join!(tree.end(GRACE), child.wait());
            process::forget(&around.notes, &tree);
            return Err(HookError::Stopped(name.to_owned()));
        }
    };
    // Also of one that ended well: what it left running would hold its output open and outlive the attempt.
    let (_, _) = tokio::join!(tree.end(GRACE), child.wait());
    process::forget(&around.notes, &tree);
    let (out, err) = reading.await.unwrap_or_default();
    let output = [out, err].join("\n").trim().to_owned();
    noted.map_err(start)?;
    match ended {
        None => Err(HookError::TimedOut {
            name: name.to_owned(),
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            output,
        }),
        Some(Ok(status)) if status.success() => Ok(HookRun { output }),
        Some(Ok(status)) => {
            Err(HookError::Failed { name: name.to_owned(), status: status.to_string(), output })
        }
        Some(Err(error)) => Err(start(error)),
    }
}

/// Waits until an attempt is to stop. Nobody who could stop it any more is no reason to.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|it| *it).await.is_err() {
        std::future::pending().await
    }
}

/// Reads to the end and keeps the last of it.
async fn tail(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let (mut kept, mut dropped) = (Vec::new(), 0);
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
        dropped += over;
    }
    let text = String::from_utf8_lossy(&kept).into_owned();
    if dropped > 0 { format!("({dropped} bytes before this left out) {text}") } else { text }
}

impl Surroundings {
    /// For a workspace that is removed.
    #[must_use]
    pub fn of_folder(path: &Path, mark: &str, notes: &Path, secret_names: &[String]) -> Self {
        Self {
            workspace: path.to_owned(),
            issue_id: String::new(),
            identifier: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            title: String::new(),
            secret_names: secret_names.to_vec(),
            mark: mark.to_owned(),
            notes: notes.to_owned(),
            environment: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_holder::proc;

    fn around(folder: &Path) -> Surroundings {
        Surroundings {
            workspace: folder.to_owned(),
            issue_id: "id-7".to_owned(),
            identifier: "A-7".to_owned(),
            title: "Mend $(it); `now`".to_owned(),
            secret_names: vec!["PATH_OF_SECRET".to_owned(), "CARGO_PKG_NAME".to_owned()],
            mark: format!("hooks-{}", folder.file_name().unwrap().to_string_lossy()),
            notes: folder.join("notes"),
            environment: None,
        }
    }

    fn never() -> watch::Receiver<bool> {
        watch::channel(false).1
    }

    async fn hook(folder: &Path, script: &str, limit: Duration) -> Result<HookRun, HookError> {
        let (_stop, stopped) = watch::channel(false);
        run("before_run", script, &around(folder), limit, stopped).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_hook_runs_in_the_workspace_and_is_told_of_the_issue_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        // The test's own environment has a variable that stands for a secret here.
        assert!(std::env::var("CARGO_PKG_NAME").is_ok());
        let script = "pwd; echo \"$SYMPHONY_ISSUE_ID $SYMPHONY_ISSUE_IDENTIFIER $SYMPHONY_ISSUE_TITLE\"; \
                      echo \"secret=$CARGO_PKG_NAME\"";
        let said = hook(folder.path(), script, LONG).await.unwrap().output;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(Path::new(lines[0]), folder.path().canonicalize().unwrap());
        assert_eq!(lines[1..], ["id-7 A-7 Mend $(it); `now`", "secret="]);
    }

    #[tokio::test]
    async fn a_secret_that_the_login_shell_brings_back_is_taken_away_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut around = around(folder.path());
        // The shell itself sets this one as it begins, as a profile may set a secret.
        around.secret_names = vec!["PWD".to_owned(), "no name; touch evil".to_owned()];
        let said = run("before_run", "echo \"[$PWD]\"", &around, LONG, never()).await.unwrap().output;
        assert_eq!(said, "[]");
        assert!(!folder.path().join("evil").exists());
    }

    #[tokio::test]
    async fn a_hook_that_fails_says_how() {
        let folder = tempfile::tempdir().unwrap();
        let error = hook(folder.path(), "echo bad >&2; exit 3", LONG).await.unwrap_err();
        assert!(matches!(&error, HookError::Failed { output, .. } if output == "bad"), "{error}");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[tokio::test]
    async fn row_h_4_a_hook_that_takes_too_long_leaves_nothing_alive() {
        let folder = tempfile::tempdir().unwrap();
        // The limit begins to count only when the shell runs; whatever got started by then has said its id.
        let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > daemon.new; mv daemon.new daemon; \
                      while :; do sleep 60; done' & while [ ! -e daemon ]; do :; done; echo up; wait";
        let error = hook(folder.path(), script, Duration::from_millis(3000)).await.unwrap_err();
        assert!(matches!(error, HookError::TimedOut { .. }), "{error}");
        let daemon: u32 =
            std::fs::read_to_string(folder.path().join("daemon")).unwrap().trim().parse().unwrap();
        assert!(proc::one(daemon).is_none_or(|it| it.zombie), "{daemon} lives");
        assert!(std::fs::read_dir(folder.path().join("notes")).unwrap().next().is_none());
    }

    #[tokio::test]
    async fn what_a_hook_leaves_running_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let said = hook(folder.path(), "sleep 600 & echo $!", LONG).await.unwrap().output;
        assert!(proc::one(said.trim().parse().unwrap()).is_none_or(|it| it.zombie));
    }

    #[tokio::test]
    async fn row_n_27_a_hooks_output_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let script = "yes a-line | head -c 100000; echo the end";
        let said = hook(folder.path(), script, LONG).await.unwrap().output;
        assert!(said.len() < KEPT + 60 && said.ends_with("the end"), "{} bytes", said.len());
        assert!(said.contains("left out"), "{said}");
    }

    #[tokio::test]
    async fn a_hook_ends_when_its_attempt_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(true);
        let error = run("before_run", "sleep 600", &around(folder.path()), LONG, stopped).await.unwrap_err();
        assert_eq!(error, HookError::Stopped("before_run".to_owned()));
        drop(stop);
        // Nobody who could stop it any more is no reason to end it.
        assert!(run("x", "exit 0", &around(folder.path()), LONG, never()).await.is_ok());
    }
}
