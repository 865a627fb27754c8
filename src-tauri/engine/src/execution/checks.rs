//! Checks: commands run by the engine on an exact commit in a clean tree, and the evidence of it. They run in worktrees
//! of the engine's own, called runners; a check survives the engine like any session.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilothouse_contract::evidence::{Evidence, Verdict};
use pilothouse_contract::project::Project;
use pilothouse_contract::run::Policy;
use pilothouse_contract::session::{End, Ending, Limits, Mode};
use pilothouse_contract::{At, EvidenceId, Oid, TaskId, text};
use pilothouse_holder::log::LogReader;
use pilothouse_holder::place::{Asked, Exit, Held, Place};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::env;
use super::held::{Key, Sessions, Stage, ToHold};
use super::trees::{Tree, TreeError, Trees};
use crate::coordination::{CheckAsked, Checked};
use crate::policy::quiet::{self, Lens};
use crate::ports::clock;

/// Runs each argument by a shell of its own. It does not say which: what `Expect` is looked for in must come from the
/// commands and from nobody else.
const SCRIPT: &str = r#"for command do sh -c "$command" || exit $?; done"#;
/// How much of an output `Expect` is looked for in, from its end, in bytes.
const EXPECT_BYTES: u64 = 1024 * 1024;

/// Runs checks.
#[derive(Debug, Clone)]
pub struct Checks {
    trees: Trees,
    sessions: Sessions,
    program: std::path::PathBuf,
    environment: String,
    busy: Arc<Mutex<BTreeSet<String>>>,
    freed: Arc<Notify>,
    /// Runners of checks that an earlier engine began.
    begun: Arc<Mutex<BTreeMap<Key, Turn>>>,
}

/// A runner that is ours for as long as this lives.
#[derive(Debug)]
struct Turn {
    relative: String,
    busy: Arc<Mutex<BTreeSet<String>>>,
    freed: Arc<Notify>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.relative);
        self.freed.notify_waiters();
    }
}

impl Checks {
    /// Checks in runners below the folder of worktrees. `environment` says on what they run.
    #[must_use]
    pub fn new(trees: &Trees, sessions: &Sessions, program: &Path, environment: &str) -> Self {
        Self {
            trees: trees.clone(),
            sessions: sessions.clone(),
            program: program.to_owned(),
            environment: environment.to_owned(),
            busy: Arc::default(),
            freed: Arc::default(),
            begun: Arc::default(),
        }
    }

    fn claim(&self, relative: &str) -> Option<Turn> {
        let mut busy = self.busy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        busy.insert(relative.to_owned()).then(|| Turn {
            relative: relative.to_owned(),
            busy: Arc::clone(&self.busy),
            freed: Arc::clone(&self.freed),
        })
    }

    /// The first runner of a project that is free, among as many as there are slots.
    async fn runner(&self, project: &Project, slots: u32) -> Turn {
        loop {
            let freed = self.freed.notified();
            let free = (1..=slots.max(1)).find_map(|n| self.claim(&format!("{}/runner-{n}", project.name)));
            if let Some(turn) = free {
                return turn;
            }
            freed.await;
        }
    }

    /// Runs a check, or joins one that an earlier engine began.
    pub async fn run(
        &self,
        session: Key,
        asked: &CheckAsked,
        project: &Project,
        policy: &Policy,
        task: Option<TaskId>,
    ) -> Checked {
        let git = crate::ports::git::Git::at(Path::new(&project.git_dir));
        let tree = git.tree_of(&asked.commit).await;
        let end = match &tree {
            Ok(_) => self.hold(session, asked, project, policy).await,
            Err(error) => Err(error.to_string()),
        };
        let end = match end {
            Ok(end) => end,
            Err(why) => return self.not_run(asked, task, &why),
        };
        let place = self.sessions.place(session);
        let exit = place.exit().ok().flatten().unwrap_or_default();
        let log = self.sessions.log(session);
        let expect = asked.expect.clone();
        let lens = Lens::of(&asked.commands.join(" && "));
        let read = tokio::task::spawn_blocking(move || read_output(log, expect.as_deref(), lens))
            .await
            .unwrap_or_default();
        let (verdict, mut why) = judge(&end, exit.over_limit, &read, asked.expect.as_deref(), policy.check_s);
        if exit.lost_bytes > 0 {
            why.push_str(&format!(
                "; {} bytes of its output were not kept: the log or the disk was full",
                exit.lost_bytes
            ));
        }
        let held = place.held().ok().flatten();
        let ran = Span::of(&place, held.as_ref(), &exit, end.at);
        let running = held.map(|held| pilothouse_contract::session::Running {
            holder: held.holder,
            pid: held.pid,
            at: ran.started,
            native: None,
        });
        Checked {
            evidence: Evidence {
                id: EvidenceId(0),
                gate: asked.gate,
                subject: asked.subject(task),
                commit: asked.commit.clone(),
                tree: tree.unwrap_or_else(|_| Oid::default()),
                command: asked.commands.join(" && "),
                started: ran.started,
                ended: end.at,
                took_ms: ran.took_ms,
                exit: match end.how {
                    Ending::Exited { code } => Some(code),
                    _ => None,
                },
                verdict,
                why,
                output_hash: read.hash,
                output_bytes: read.bytes,
                session: Some(asked.session),
                flaky_after: None,
                tests: read.tests.filter(|_| verdict == Verdict::Passed),
                environment: self.environment.clone(),
            },
            end,
            running,
        }
    }

    /// What comes of a check that could not be run: nothing is known by it.
    #[must_use]
    pub fn not_run(&self, asked: &CheckAsked, task: Option<TaskId>, why: &str) -> Checked {
        let at = clock::now();
        Checked {
            evidence: Evidence {
                id: EvidenceId(0),
                gate: asked.gate,
                subject: asked.subject(task),
                commit: asked.commit.clone(),
                tree: Oid::default(),
                command: asked.commands.join(" && "),
                started: at,
                ended: at,
                took_ms: None,
                exit: None,
                verdict: Verdict::Unknown,
                why: format!("could not be run: {why}"),
                output_hash: String::new(),
                output_bytes: 0,
                session: Some(asked.session),
                flaky_after: None,
                tests: None,
                environment: self.environment.clone(),
            },
            end: End::of(at, Ending::NotStarted { why: why.to_owned() }),
            running: None,
        }
    }

    /// Holds the commands of a check to their end.
    async fn hold(
        &self,
        session: Key,
        asked: &CheckAsked,
        project: &Project,
        policy: &Policy,
    ) -> Result<End, String> {
        let mut environment = env::of(asked.session, &policy.env, &self.program);
        env::set(&mut environment, "TERM", "dumb");
        let begun = self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&session);
        match (self.sessions.stage(session), begun) {
            (Stage::Held | Stage::Over, begun) => {
                let end = self.sessions.end(session).await;
                drop(begun);
                return Ok(end);
            }
            // An earlier engine made its runner clean and came no further; nothing ran there since.
            (Stage::Asked, Some(turn)) => {
                self.sessions.start_again(session, &environment).await?;
                let end = self.sessions.end(session).await;
                drop(turn);
                return Ok(end);
            }
            _ => {}
        }
        let turn = self.runner(project, policy.slots).await;
        let tree = self
            .clean_tree(project, &turn.relative, asked, policy)
            .await
            .map_err(|error| error.to_string())?;
        let mut argv: Vec<String> = ["sh", "-c", SCRIPT, "sh"].map(str::to_owned).to_vec();
        argv.extend(asked.commands.iter().cloned());
        let what = ToHold {
            argv,
            cwd: tree.path,
            mode: Mode::Pipe,
            size: (120, 40),
            limit: Duration::from_secs(u64::from(policy.check_s)),
            limits: Limits::default(),
            keep_rest: false,
            env: environment,
        };
        self.sessions.start(session, &what).await?;
        Ok(self.sessions.end(session).await)
    }

    /// Makes a runner hold exactly a commit: index and files anew, nothing untracked, and nothing ignored but what the
    /// policy keeps warm.
    async fn clean_tree(
        &self,
        project: &Project,
        relative: &str,
        asked: &CheckAsked,
        policy: &Policy,
    ) -> Result<Tree, TreeError> {
        let git_dir = Path::new(&project.git_dir);
        let name = relative.rsplit('/').next().unwrap_or(relative);
        let mut tree = self.trees.make(git_dir, name, relative, None, &asked.commit).await?;
        let left = match clean(&tree, asked, policy).await {
            Ok(left) if left.is_empty() => return Ok(tree),
            // What a check made unwritable is made writable: then it can be deleted.
            _ => {
                make_writable(&tree.path).await;
                clean(&tree, asked, policy).await
            }
        };
        if matches!(&left, Ok(left) if left.is_empty()) {
            return Ok(tree);
        }
        // It will not come clean: another takes its place.
        self.trees.put_aside(git_dir, relative).await?;
        tree = self.trees.make(git_dir, name, relative, None, &asked.commit).await?;
        let left = clean(&tree, asked, policy).await?;
        if left.is_empty() {
            return Ok(tree);
        }
        Err(TreeError::NotOurs {
            path: tree.path,
            why: format!("it would not come clean: {}", text::line(&left, 200)),
        })
    }

    /// Marks the runners of checks that an earlier engine began as taken, before anything new is begun.
    pub fn expect(&self, sessions: &[Key]) {
        let mut begun = self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for session in sessions {
            if !matches!(self.sessions.stage(*session), Stage::Asked | Stage::Held) {
                continue;
            }
            let asked = self.sessions.asked(*session);
            if let Some(turn) = asked.and_then(|it| self.runner_of(&it)).and_then(|it| self.claim(&it)) {
                begun.insert(*session, turn);
            }
        }
    }

    fn runner_of(&self, begun: &Asked) -> Option<String> {
        Some(begun.cwd.strip_prefix(self.trees.path("")).ok()?.to_string_lossy().into_owned())
    }
}

/// Makes a tree hold exactly the commit that is asked about; returns what is left that should not be there.
async fn clean(tree: &Tree, asked: &CheckAsked, policy: &Policy) -> Result<String, TreeError> {
    let git = tree.git();
    // What an earlier check told the index to overlook must not be overlooked now.
    let _none = tokio::fs::remove_file(tree.admin.join("index")).await;
    git.run(&["checkout", "--quiet", "--force", "--detach", asked.commit.as_str()], b"").await?;
    let mut clean = vec!["clean", "-ffdxq"];
    for folder in &policy.warm {
        clean.extend(["-e", folder.as_str()]);
    }
    git.run(&clean, b"").await?;
    Ok(git.text(&["status", "--porcelain", "--untracked-files=all"]).await?)
}

/// Lets the user write and enter every folder below a path; links are not followed.
async fn make_writable(path: &Path) {
    let path = path.to_owned();
    let walk = move || {
        let mut folders = vec![path];
        while let Some(folder) = folders.pop() {
            let Ok(meta) = folder.symlink_metadata() else { continue };
            let mut mode = meta.permissions();
            mode.set_mode(mode.mode() | 0o700);
            // What cannot be changed will be said by whoever cannot delete it.
            let _refused = std::fs::set_permissions(&folder, mode);
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            folders.extend(
                entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()),
            );
        }
    };
    let _panicked = tokio::task::spawn_blocking(walk).await;
}

/// When a check's commands began to run, and for how long they did: what it waited for, and what its runner took to be made clean,
/// is no part of it.
#[derive(Debug)]
struct Span {
    started: At,
    took_ms: Option<u64>,
}

impl Span {
    /// By the holder's note of its beginning, and its own clock; one that is older than that note has the age of its files.
    fn of(place: &Place, held: Option<&Held>, exit: &Exit, ended: At) -> Self {
        let started_ms = held.and_then(|it| i64::try_from(it.started_ms).ok()).filter(|it| *it > 0);
        let written = || {
            let at = std::fs::metadata(place.folder().join("exit.json")).and_then(|it| it.modified()).ok()?;
            let ms = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis();
            u64::try_from(i64::try_from(ms).ok()? - started_ms?).ok()
        };
        let ran = exit.code.is_some() || exit.signal.is_some();
        let took_ms = if ran { exit.took_ms.or_else(written) } else { None };
        Self { started: started_ms.map_or(ended, At), took_ms }
    }
}

/// What was read of an output.
#[derive(Debug, Default)]
struct Output {
    hash: String,
    bytes: u64,
    last_line: String,
    fits: bool,
    /// How many tests it says passed.
    tests: Option<u32>,
}

fn read_output(mut log: LogReader, expect: Option<&str>, lens: Lens) -> Output {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut piece = vec![0; 256 * 1024];
    while let Ok(length) = log.read_at(bytes, &mut piece) {
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        bytes += length as u64;
    }
    let tail = log.read_from(bytes.saturating_sub(EXPECT_BYTES), usize::MAX).unwrap_or_default();
    let tail = String::from_utf8_lossy(&tail);
    let last_line = tail.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or_default();
    let tests = quiet::tests_passed(tail.as_bytes(), lens);
    let fits = expect.is_none_or(|expect| regex::Regex::new(expect).is_ok_and(|it| it.is_match(&tail)));
    let hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Output { hash, bytes, last_line: text::line(last_line, 200), fits, tests }
}

fn judge(
    end: &End,
    over_limit: bool,
    read: &Output,
    expect: Option<&str>,
    limit_s: u32,
) -> (Verdict, String) {
    let last = if read.last_line.is_empty() { String::new() } else { format!(": {}", read.last_line) };
    match &end.how {
        _ if over_limit => (Verdict::Failed, format!("took longer than {limit_s} s and was ended{last}")),
        Ending::Exited { code: 0 } if read.fits => (Verdict::Passed, "exit code 0".to_owned()),
        Ending::Exited { code: 0 } => (
            Verdict::Failed,
            format!("exit code 0, but the output does not match `{}`", expect.unwrap_or_default()),
        ),
        Ending::Exited { code } => (Verdict::Failed, format!("exit code {code}{last}")),
        Ending::Signalled { signal } => (Verdict::Failed, format!("ended by signal {signal}{last}")),
        Ending::NotStarted { why } => (Verdict::Unknown, format!("could not be run: {why}")),
        Ending::Lost { why } | Ending::Unknown { why } => {
            (Verdict::Unknown, format!("its end is not known: {why}"))
        }
    }
}
