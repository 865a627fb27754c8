//! A home of its own for a real engine: the real programs, a temporary `PILOTHOUSE_HOME`, and no process left behind.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pilothouse_client::Places;
use pilothouse_contract::session::{HELD, MARK};
use pilothouse_contract::{Fleet, Record, SessionId, Touched};
use pilothouse_engine::store::{Store, StoreError, Written};
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::ShellAgent;
use crate::must;
pub use crate::process::kill_at_once;
use crate::process::{PATIENCE, Watchdog, stat_field};
use crate::repo::Repo;

/// What was killed leaves its control group within this.
const REMOVED: std::time::Duration = std::time::Duration::from_secs(5);
/// So many of the last lines of the engine's log are told of after a failure.
const TOLD: usize = 60;

/// What a program came to.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ran {
    /// Its standard output as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The message and the hints of a fault, in one text.
    ///
    /// # Panics
    /// If it is no fault.
    #[must_use]
    pub fn fault(&self) -> String {
        assert_eq!(self.code, 2, "no fault: {self:?}");
        self.json().pointer("/fault").map(ToString::to_string).unwrap_or_default()
    }
}

/// A home with its programs.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    bin: PathBuf,
    env: Vec<(String, String)>,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// A new home.
    ///
    /// # Panics
    /// If the programs are not built.
    #[must_use]
    pub fn new() -> Self {
        let folder =
            TempDir::with_prefix("ph-").unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let bin = std::env::var_os("PILOTHOUSE_BIN_DIR").map(PathBuf::from).unwrap_or_else(beside_the_tests);
        for program in ["pilothouse", "pilothouse-hold"] {
            assert!(
                bin.join(program).is_file(),
                "{program} is not in {}: run cargo xtask test",
                bin.display()
            );
        }
        // No test sees what agents did elsewhere on this machine.
        let homes = [
            ("CLAUDE_CONFIG_DIR", "claude"),
            ("CODEX_HOME", "codex"),
            ("GEMINI_CLI_HOME", "gemini"),
            ("OPENCODE_DB", "opencode.db"),
        ];
        let below = |name: &str| folder.path().join(name).display().to_string();
        let env = homes.iter().map(|(variable, name)| ((*variable).to_owned(), below(name))).collect();
        Self { folder, bin, env }
    }

    /// A new home that trusts a repository.
    ///
    /// # Panics
    /// As [`Self::new`] and [`Self::trust`].
    #[must_use]
    pub fn trusting(repo: &Repo) -> Self {
        let home = Self::new();
        home.trust(repo);
        home
    }

    /// The same with programs of its own, which a test may replace; with the window, where that is built.
    ///
    /// # Panics
    /// If they cannot be copied.
    #[must_use]
    pub fn with_own_programs(mut self) -> Self {
        let own = self.folder.path().join("bin");
        let copied = std::fs::create_dir(&own).and_then(|()| {
            for program in ["pilothouse", "pilothouse-hold", "pilothouse-desktop"] {
                if self.bin.join(program).exists() {
                    std::fs::copy(self.bin.join(program), own.join(program))?;
                }
            }
            Ok(())
        });
        copied.unwrap_or_else(|error| panic!("the programs could not be copied: {error}"));
        self.bin = own;
        self
    }

    /// Puts other bytes in the place of a program of its own, as an installation does: those that run go on with the
    /// old ones.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn install(&self, program: &str, bytes: &[u8]) {
        use std::os::unix::fs::PermissionsExt;
        let (beside, place) = (self.bin.join("coming"), self.bin.join(program));
        let installed = std::fs::write(&beside, bytes)
            .and_then(|()| std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)))
            .and_then(|()| std::fs::rename(&beside, place));
        installed.unwrap_or_else(|error| panic!("{program} could not be installed: {error}"));
    }

    /// The same with an environment variable for everything it starts.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes down, as Claude Code does, what was said in a session that a person started in `cwd`: each line by `user` or
    /// `assistant`, with its content.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn talk_elsewhere(&self, cwd: &Path, native: &str, said: &[(&str, Value)]) {
        let dash = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
        let name: String = cwd.to_string_lossy().chars().map(dash).collect();
        let folder = self.path().join("claude/projects").join(name);
        let line = |(n, (who, content)): (usize, &(&str, Value))| {
            let at = format!("2026-11-20T10:{:02}:00Z", n % 60);
            let message = serde_json::json!({ "id": format!("m{n}"), "content": content });
            let line = serde_json::json!({ "type": who, "uuid": format!("u{n}"), "cwd": cwd, "timestamp": at, "message": message });
            format!("{line}\n")
        };
        let log: String = said.iter().enumerate().map(line).collect();
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join(format!("{native}.jsonl")), log));
        written.unwrap_or_else(|error| panic!("the log could not be written: {error}"));
    }

    /// The same for Codex: a session that was asked one thing. Returns its log.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn codex_elsewhere(&self, cwd: &Path, native: &str, asked: &str) -> PathBuf {
        let folder = self.path().join("codex/sessions/2026/11/20");
        let file = folder.join(format!("rollout-2026-11-20T10-00-00-{native}.jsonl"));
        let item = serde_json::json!({ "type": "UserMessage", "id": "i1", "content": [{ "type": "text", "text": asked }] });
        let log: String = [
            ("session_meta", serde_json::json!({ "id": native, "cwd": cwd, "source": "cli" })),
            ("event_msg", serde_json::json!({ "type": "item_completed", "item": item })),
        ]
        .into_iter()
        .map(|(kind, payload)| {
            let line =
                serde_json::json!({ "timestamp": "2026-11-20T10:00:00Z", "type": kind, "payload": payload });
            format!("{line}\n")
        })
        .collect();
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, log));
        written.unwrap_or_else(|error| panic!("the log could not be written: {error}"));
        file
    }

    /// `PILOTHOUSE_HOME`.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program of ours.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// What everything that it starts has in its environment.
    #[must_use]
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where everything is, for whoever calls the engine itself.
    ///
    /// # Panics
    /// If a path would be too long for a socket.
    #[must_use]
    pub fn places(&self) -> Places {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, Into::into);
        Places::at(self.data(), &runtime).unwrap_or_else(|fault| panic!("{fault:?}"))
    }

    /// The command line program in this home, ready to be started.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program("pilothouse"));
        moved_to(self.path(), &mut command)
            .args(args)
            // No test opens a window on the display of whoever runs it.
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Gives it a table of prices of its own, as the user's file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn price(&self, table: &str) {
        use std::os::unix::fs::DirBuilderExt;
        must(std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.data()));
        must(std::fs::write(self.data().join("prices.yaml"), table));
    }

    /// Runs a verb.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// Runs a verb with `--json` and demands that it holds. Returns the document.
    ///
    /// # Panics
    /// If it does not hold.
    pub fn json(&self, args: &[&str]) -> Value {
        let ran = self.try_json(args);
        assert_eq!(ran.code, 0, "pilothouse {args:?}: {ran:?}");
        ran.json()
    }

    /// Runs a verb with `--json`, whatever comes of it.
    pub fn try_json(&self, args: &[&str]) -> Ran {
        self.run(&[&["--json"], args].concat())
    }

    /// Adds a repository and trusts what it can run.
    ///
    /// # Panics
    /// If either is refused.
    pub fn trust(&self, repo: &Repo) {
        let added = self.json(&["project", "add", &repo.name()]);
        let name = added.get("name").and_then(Value::as_str).unwrap_or_else(|| panic!("{added}"));
        self.json(&["project", "trust", name, "--yes"]);
    }

    /// Trusts what a repository that it knows can run by now: proofs that are new since then, too.
    ///
    /// # Panics
    /// If it is refused.
    pub fn trust_again(&self, repo: &Repo) {
        let name = repo.path().file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        self.json(&["project", "trust", &name, "--yes"]);
    }

    /// Starts a program as a session.
    ///
    /// # Panics
    /// If it is refused.
    pub fn start(&self, argv: &[&str]) -> SessionId {
        let started = self.json(&[&["session", "start", "--"], argv].concat());
        let id = started.get("id").and_then(Value::as_str).and_then(|it| it.parse().ok());
        id.unwrap_or_else(|| panic!("{started}"))
    }

    /// Where a session's holder keeps what it holds.
    ///
    /// # Panics
    /// If there is no such session.
    #[must_use]
    pub fn folder_of(&self, session: SessionId) -> PathBuf {
        let begins = format!("{session}-");
        let mut all = std::fs::read_dir(self.data().join("sessions")).into_iter().flatten().flatten();
        let found = all.find(|it| it.file_name().to_string_lossy().starts_with(&begins));
        found.unwrap_or_else(|| panic!("{session} has no folder")).path()
    }

    /// Has an agent carry the item of [`Repo::with_tasks`] as far as it comes, with a policy that approves; whatever comes
    /// of it.
    pub fn carry(&self, agent: &ShellAgent) -> Ran {
        let command = agent.command();
        self.try_json(&["run", "start", "001-work", "--command", &command, "--approve", "policy", "--wait"])
    }

    /// Writes what an engine of before is to have written down, in a home in which no engine ran yet.
    ///
    /// # Panics
    /// If it cannot be stored.
    pub fn remember(&self, records: &[Record]) {
        use std::os::unix::fs::DirBuilderExt;
        must(std::fs::DirBuilder::new().mode(0o700).create(self.data()));
        let mut fleet = Fleet::default();
        let touched: BTreeSet<Touched> = records.iter().flat_map(|it| fleet.apply(it)).collect();
        let written = Written { records, effects: &[], fleet: &fleet, touched: &touched, done: None };
        let runtime = must(tokio::runtime::Runtime::new());
        let stored = runtime.block_on(async {
            let store = Store::open(&self.data()).await?;
            store.commit(&written).await?;
            store.close().await;
            Ok::<_, StoreError>(())
        });
        stored.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The engine's process id.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn engine_pid(&self) -> u32 {
        let status = self.json(&["engine", "status"]);
        let pid =
            status.pointer("/engine/pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
        pid.unwrap_or_else(|| panic!("no engine runs: {status}"))
    }

    /// The engine's process id as it wrote it down when it began, without a call.
    #[must_use]
    pub fn locked_by(&self) -> Option<u32> {
        std::fs::read_to_string(self.data().join("engine.lock")).ok()?.trim().parse().ok()
    }

    /// Waits until the engine has nothing left to do that was asked for: what is told of comes before what is tidied up.
    ///
    /// # Panics
    /// If it does not come to rest.
    pub fn at_rest(&self) {
        let begun = std::time::Instant::now();
        while self.json(&["engine", "status"]).pointer("/engine/pending_effects") != Some(&Value::from(0)) {
            assert!(begun.elapsed() < PATIENCE, "the engine does not come to rest");
        }
    }

    /// Whoever starts the engine again when it dies.
    ///
    /// # Panics
    /// If no engine runs.
    #[must_use]
    pub fn watcher_pid(&self) -> Option<u32> {
        watcher(self.engine_pid())
    }

    /// The processes of the sessions that have not ended: each one's holder and its program.
    #[must_use]
    pub fn held(&self) -> Vec<(Option<u32>, Option<u32>)> {
        let sessions = std::fs::read_dir(self.data().join("sessions")).into_iter().flatten().flatten();
        let live = sessions.filter(|it| !it.path().join("exit.json").exists());
        live.map(|it| {
            let held = std::fs::read(it.path().join("holder.json")).unwrap_or_default();
            let held: Value = serde_json::from_slice(&held).unwrap_or_default();
            let of = |who: &str| held.get(who)?.as_u64().and_then(|pid| u32::try_from(pid).ok());
            (of("holder"), of("pid"))
        })
        .collect()
    }

    /// The control groups of its sessions that are there.
    fn groups(&self) -> Vec<PathBuf> {
        let sessions = std::fs::read_dir(self.data().join("sessions")).into_iter().flatten().flatten();
        let group = |folder: PathBuf| {
            let asked: Value =
                serde_json::from_slice(&std::fs::read(folder.join("session.json")).ok()?).ok()?;
            Some(PathBuf::from(asked.get("cgroup")?.as_str()?))
        };
        sessions.filter_map(|it| group(it.path())).filter(|it| it.is_dir()).collect()
    }

    /// Follows events from after a number on.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn events(&self, after: u64) -> Events {
        let mut command = self.command(&["event", "follow", "--json", "--after", &after.to_string()]);
        let mut child = must(command.stdout(Stdio::piped()).spawn());
        let out = child.stdout.take().map(BufReader::new);
        // Waiting for what never comes must end a test and not hang it: the end of the stream says so.
        let watchdog = Watchdog::over(child.id());
        Events { child, out, _watchdog: watchdog }
    }

    /// All events there are.
    ///
    /// # Panics
    /// If they cannot be read.
    #[must_use]
    pub fn history(&self) -> Vec<Record> {
        let ran = self.run(&["event", "follow", "--json", "--after", "0", "--no-follow"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// The folder in which cargo puts programs: the tests lie in `deps` below it.
fn beside_the_tests() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be started.
pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Has a program run in a home, and as if no session held the tests themselves: a program inside one starts no engine.
pub fn moved_to<'a>(home: &Path, command: &'a mut Command) -> &'a mut Command {
    command.env("PILOTHOUSE_HOME", home).env_remove(MARK).env_remove(HELD)
}

/// Whoever starts an engine again when it dies: its parent.
pub(crate) fn watcher(engine: u32) -> Option<u32> {
    let parent = stat_field(engine, 4)?.parse().ok()?;
    let words = std::fs::read(format!("/proc/{parent}/cmdline")).ok()?;
    words.split(|byte| *byte == 0).any(|it| it == b"watch").then_some(parent)
}

/// Events as they happen.
#[derive(Debug)]
pub struct Events {
    child: Child,
    out: Option<BufReader<std::process::ChildStdout>>,
    _watchdog: Watchdog,
}

impl Iterator for Events {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let mut line = String::new();
        match self.out.as_mut()?.read_line(&mut line) {
            Ok(length) if length > 0 => serde_json::from_str(&line).ok(),
            _ => None,
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Home {
    /// What the engine said last, for whoever reads of a failure.
    #[allow(clippy::print_stderr, reason = "goes into a failed test's report")]
    fn tell_the_log(&self) {
        let log = std::fs::read_to_string(self.data().join("engine.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(TOLD)..).unwrap_or_default();
        eprintln!("the engine's log ends:\n{}", last.join("\n"));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell_the_log();
        }
        // Whoever watches the engine first, or it comes back; then the engine; then what is still held.
        let engine = self.locked_by();
        let watcher = engine.and_then(watcher);
        let _stopped = self.run(&["engine", "stop"]);
        for pid in [watcher, engine].into_iter().flatten() {
            kill_at_once(pid);
        }
        for pid in self.held().into_iter().flat_map(|(holder, program)| [holder, program]).flatten() {
            kill_at_once(pid);
        }
        for group in self.groups() {
            // What is still in it is of a session that the test left alone.
            let _killed = std::fs::write(group.join("cgroup.kill"), "1");
            let begun = std::time::Instant::now();
            while std::fs::remove_dir(&group).is_err() && group.exists() && begun.elapsed() < REMOVED {
                std::thread::yield_now();
            }
        }
    }
}
