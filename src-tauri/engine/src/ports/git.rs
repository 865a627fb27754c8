//! The git command line. Every call names its repository by its git folder and never by where it stands; runs without
//! hooks, fsmonitor, signature programs, prompts, or maintenance in the background; and has a time limit at which git and
//! all it started are killed.

mod blobs;
pub mod remote;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use pilothouse_contract::{At, Oid, RefName};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub use blobs::Blob;

/// The oldest git that has all we use (`merge-tree --write-tree`).
pub const OLDEST: (u32, u32) = (2, 38);

const LIMIT: Duration = Duration::from_secs(300);

/// What no call of ours lets a repository's settings do: start programs of their own, or leave files out. Filters and
/// merge drivers are not among them, for they are part of what the files are; they are shown before a repository is
/// trusted, and nothing that runs them is called before that.
const QUIET: [&str; 14] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.sparseCheckout=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "log.showSignature=false",
    "merge.verifySignatures=false",
    "gpg.program=false",
    "gpg.openpgp.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
];

/// What went wrong with a git command.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git.
    #[error("git could not be started: {0}")]
    NotThere(std::io::Error),
    /// It ran and said no.
    #[error("git {command} said: {says}")]
    Failed {
        /// The first words of the command.
        command: String,
        /// The exit code, if it had one.
        code: Option<i32>,
        /// What it said.
        says: String,
    },
    /// It took too long and was ended.
    #[error("git {command} took longer than {seconds} s and was ended")]
    TooLong {
        /// The first words of the command.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// It answered with something that we do not understand.
    #[error("git {command} answered with something unexpected: {says}")]
    Odd {
        /// The first words of the command.
        command: String,
        /// What it said.
        says: String,
    },
}

impl GitError {
    /// The exit code, if it ran and had one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Failed { code, .. } => *code,
            _ => None,
        }
    }
}

/// A repository, and where its files are looked at, if they are.
#[derive(Debug, Clone)]
pub struct Git {
    git_dir: Option<PathBuf>,
    work_tree: Option<PathBuf>,
    index: Option<PathBuf>,
    from: Option<PathBuf>,
}

impl Git {
    /// A repository by its git folder; no files.
    #[must_use]
    pub fn at(git_dir: &Path) -> Self {
        Self { git_dir: Some(git_dir.to_owned()), work_tree: None, index: None, from: None }
    }

    /// A repository with its files. `git_dir` is the folder that belongs to just these files.
    #[must_use]
    pub fn with_files(git_dir: &Path, work_tree: &Path) -> Self {
        let work_tree = Some(work_tree.to_owned());
        Self { git_dir: Some(git_dir.to_owned()), from: work_tree.clone(), work_tree, index: None }
    }

    /// Whatever repository a folder lies in, found by git itself. Only for folders that a person named.
    #[must_use]
    pub fn found_from(folder: &Path) -> Self {
        Self { git_dir: None, work_tree: None, index: None, from: Some(folder.to_owned()) }
    }

    /// The same with an index of its own.
    #[must_use]
    pub fn with_index(&self, index: &Path) -> Self {
        Self { index: Some(index.to_owned()), ..self.clone() }
    }

    /// Git as the user's own settings have it, with an environment of its own.
    fn plain_command(&self) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "SSH_AUTH_SOCK"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs([
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_PAGER", "cat"),
        ]);
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        if let Some(from) = &self.from {
            command.current_dir(from);
        }
        command
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.plain_command();
        for setting in QUIET {
            command.args(["-c", setting]);
        }
        if let Some(git_dir) = &self.git_dir {
            let mut word = OsString::from("--git-dir=");
            word.push(git_dir);
            command.arg(word);
        }
        if let Some(work_tree) = &self.work_tree {
            let mut word = OsString::from("--work-tree=");
            word.push(work_tree);
            command.arg(word);
        }
        command.args(args);
        command
    }

    /// Runs a command with bytes for its standard input; returns its standard output.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn run(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        self.run_with(args, input, &[]).await
    }

    async fn run_with(&self, args: &[&str], input: &[u8], env: &[(&str, &str)]) -> Result<Vec<u8>, GitError> {
        let begun = Instant::now();
        loop {
            let mut command = self.command(args);
            command.envs(env.iter().copied());
            let output = finish(command, &name_of(args), input).await?;
            if output.status.success() {
                return Ok(output.stdout);
            }
            let refusal = refusal(name_of(args), &output);
            if !is_half_noted(&refusal) || begun.elapsed() > HALF_NOTED {
                return Err(refusal);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a command; returns its standard output as text without the last line break.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn text(&self, args: &[&str]) -> Result<String, GitError> {
        let out = self.run(args, b"").await?;
        Ok(String::from_utf8_lossy(&out).trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The parts of an answer that are ended by NUL.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn list(&self, args: &[&str]) -> Result<Vec<String>, GitError> {
        let out = self.run(args, b"").await?;
        Ok(out
            .split(|byte| *byte == 0)
            .filter(|it| !it.is_empty())
            .map(|it| String::from_utf8_lossy(it).into_owned())
            .collect())
    }

    /// Where a ref or another name of a commit stands; nothing if there is none.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn commit_of(&self, name: &str) -> Result<Option<Oid>, GitError> {
        match self
            .text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
            .await
        {
            Ok(oid) => Ok(Some(Oid(oid))),
            Err(GitError::Failed { code: Some(1), .. }) => Ok(None),
            Err(GitError::Failed { code: Some(128), says, .. })
                if says.contains("Needed a single revision") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn tree_of(&self, commit: &Oid) -> Result<Oid, GitError> {
        Ok(Oid(self
            .text(&["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{tree}}")])
            .await?))
    }

    /// Whether one commit is another, or an ancestor of it.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn is_ancestor(&self, old: &Oid, new: &Oid) -> Result<bool, GitError> {
        match self.run(&["merge-base", "--is-ancestor", old.as_str(), new.as_str()], b"").await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(1) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves a ref from where it must stand; `None` means that it must not be there. The reason goes into its log.
    ///
    /// # Errors
    /// See [`GitError`]; then the ref stands where it stood.
    pub async fn move_ref(
        &self,
        reference: &RefName,
        new: &Oid,
        old: Option<&Oid>,
        why: &str,
    ) -> Result<(), GitError> {
        let zero = "0".repeat(new.as_str().len());
        let old = old.map_or(zero.as_str(), Oid::as_str);
        let message = format!("pilothouse: {why}");
        self.run(
            &["update-ref", "--create-reflog", "-m", &message, reference.as_str(), new.as_str(), old],
            b"",
        )
        .await
        .map(drop)
    }

    /// Deletes a ref that must stand somewhere.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn drop_ref(&self, reference: &RefName, old: &Oid) -> Result<(), GitError> {
        self.run(&["update-ref", "-d", reference.as_str(), old.as_str()], b"").await.map(drop)
    }

    /// Makes a commit object. The same arguments make the same commit.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn commit(
        &self,
        tree: &Oid,
        parents: &[&Oid],
        message: &str,
        by: &Author,
    ) -> Result<Oid, GitError> {
        let date = format!("@{} +0000", by.at.seconds());
        let mut args = vec!["commit-tree", tree.as_str()];
        for parent in parents {
            args.extend(["-p", parent.as_str()]);
        }
        let env = [
            ("GIT_AUTHOR_NAME", by.name.as_str()),
            ("GIT_AUTHOR_EMAIL", by.email.as_str()),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_NAME", by.name.as_str()),
            ("GIT_COMMITTER_EMAIL", by.email.as_str()),
            ("GIT_COMMITTER_DATE", &date),
        ];
        let out = self.run_with(&args, message.as_bytes(), &env).await?;
        Ok(Oid(String::from_utf8_lossy(&out).trim().to_owned()))
    }

    /// The bytes of a file in a commit; nothing if it is not there.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn file(&self, commit: &Oid, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let entry = self.list(&["ls-tree", "-z", commit.as_str(), "--", path]).await?;
        let Some(blob) = entry.first().and_then(|it| it.split_once('\t')).and_then(|(head, _)| {
            let mut words = head.split(' ');
            (words.next().is_some_and(|mode| mode.starts_with("100")) && words.next() == Some("blob"))
                .then(|| words.next())
                .flatten()
        }) else {
            return Ok(None);
        };
        Ok(Some(self.run(&["cat-file", "blob", blob], b"").await?))
    }

    /// The paths that differ between two trees or commits, without looking for renames.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn changed(&self, old: &Oid, new: &Oid) -> Result<Vec<String>, GitError> {
        self.list(&["diff-tree", "-r", "-z", "--name-only", "--no-renames", old.as_str(), new.as_str()]).await
    }

    /// How many lines were added or taken out from one commit to another; a binary file counts as one.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn lines_changed(&self, old: &Oid, new: &Oid) -> Result<u64, GitError> {
        let args = ["diff-tree", "-r", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let said = self.text(&[&args[..], &[old.as_str(), new.as_str()]].concat()).await?;
        let of = |line: &str| -> u64 {
            let mut words = line.split('\t');
            let mut number = || words.next().map_or(0, |it| it.parse().unwrap_or(1));
            number() + number()
        };
        Ok(said.lines().map(of).sum())
    }

    /// The tree of a commit with some files replaced.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn tree_with(
        &self,
        commit: &Oid,
        files: &[(String, Vec<u8>)],
        scratch: &Path,
    ) -> Result<Oid, GitError> {
        let git = self.with_index(scratch);
        git.run(&["read-tree", commit.as_str()], b"").await?;
        for (path, bytes) in files {
            let blob = String::from_utf8_lossy(&git.run(&["hash-object", "-w", "--stdin"], bytes).await?)
                .trim()
                .to_owned();
            git.run(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")], b"").await?;
        }
        let tree = Oid(git.text(&["write-tree"]).await?);
        let _gone = tokio::fs::remove_file(scratch).await;
        Ok(tree)
    }

    /// The merge of two commits as a tree, or the paths where they clash. Nothing is moved.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn merge_tree(&self, ours: &Oid, theirs: &Oid) -> Result<Result<Oid, Vec<String>>, GitError> {
        let args = [
            "merge-tree",
            "--write-tree",
            "-z",
            "--name-only",
            "--no-messages",
            ours.as_str(),
            theirs.as_str(),
        ];
        let read = |text: &str| -> Vec<String> {
            text.split('\0').map(|it| it.trim_matches('\n').to_owned()).filter(|it| !it.is_empty()).collect()
        };
        let output = finish(self.command(&args), "merge-tree", b"").await?;
        let says = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut parts = read(&says);
        match output.status.code() {
            Some(0) => parts
                .first()
                .map(|tree| Ok(Oid(tree.clone())))
                .ok_or_else(|| GitError::Odd { command: "merge-tree".to_owned(), says }),
            Some(1) => {
                parts.drain(..parts.len().min(1));
                parts.sort();
                parts.dedup();
                Ok(Err(parts))
            }
            _ => Err(refusal("merge-tree".to_owned(), &output)),
        }
    }

    /// The stable patch id of a change: the same wherever it is merged.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn patch_id(&self, old: &Oid, new: &Oid) -> Result<String, GitError> {
        let diff = self
            .run(
                &[
                    "diff-tree",
                    "-p",
                    "--no-renames",
                    "--no-ext-diff",
                    "--no-textconv",
                    "--full-index",
                    "--binary",
                    old.as_str(),
                    new.as_str(),
                ],
                b"",
            )
            .await?;
        let out = self.run(&["patch-id", "--stable"], &diff).await?;
        Ok(String::from_utf8_lossy(&out).split(' ').next().unwrap_or_default().trim().to_owned())
    }

    /// Who moved a ref last, by its log. A move that wrote no log is nobody's.
    pub async fn last_mover(&self, reference: &RefName) -> Option<Mover> {
        let format = "--format=%H%x00%gn%x00%ge%x00%gs";
        let line = self.text(&["log", "-g", "-1", format, reference.as_str(), "--"]).await.ok()?;
        let mut parts = line.split('\0').map(str::to_owned);
        Some(Mover { to: Oid(parts.next()?), name: parts.next()?, email: parts.next()?, says: parts.next()? })
    }

    /// The folder of the user's own hooks, as their settings have it for a checkout; ours, which turn hooks off, are left
    /// out. A relative one is meant from the top of the checkout.
    ///
    /// # Errors
    /// See [`GitError`].
    pub async fn hooks_folder(&self, checkout: &Path) -> Result<PathBuf, GitError> {
        let mut command = self.plain_command();
        if let Some(git_dir) = &self.git_dir {
            command.env("GIT_DIR", git_dir);
        }
        command.current_dir(checkout);
        command.args(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]);
        let output = finish(command, "rev-parse", b"").await?;
        if !output.status.success() {
            return Err(refusal("rev-parse".to_owned(), &output));
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
    }

    /// The value of a setting; nothing if it is not set.
    pub async fn setting(&self, name: &str) -> Option<String> {
        self.text(&["config", "--get", name]).await.ok().filter(|it| !it.is_empty())
    }
}

/// The first words of a command, for people.
fn name_of(args: &[&str]) -> String {
    let words = args.iter().skip(if args.first() == Some(&"-c") { 2 } else { 0 });
    words.take(2).copied().collect::<Vec<_>>().join(" ")
}

fn refusal(command: String, output: &Output) -> GitError {
    let mut says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if says.is_empty() {
        says = String::from_utf8_lossy(&output.stdout).trim().chars().take(500).collect();
    }
    GitError::Failed { command, code: output.status.code(), says }
}

/// Runs a command to its end. At the limit it is killed with all it started.
/// So long a worktree may be half noted.
const HALF_NOTED: Duration = Duration::from_secs(2);

/// Whether git failed, before it did anything, over a worktree that another git is making this moment: it notes one in several
/// files, and whoever looks at all of them between two fails over the one that is empty yet.
fn is_half_noted(error: &GitError) -> bool {
    matches!(error, GitError::Failed { says, .. } if says.contains("failed to read") && says.contains("/worktrees/"))
}

async fn finish(mut command: Command, name: &str, input: &[u8]) -> Result<Output, GitError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(GitError::NotThere)?;
    let leader = child.id();
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read its input closes it; that is no fault.
            let _closed = stdin.write_all(input).await;
        }
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    match tokio::time::timeout(LIMIT, both).await {
        Ok(output) => output.map_err(GitError::NotThere),
        Err(_) => {
            let leader =
                leader.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
            if let Some(leader) = leader {
                let _gone = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
            }
            Err(GitError::TooLong { command: name.to_owned(), seconds: LIMIT.as_secs() })
        }
    }
}

/// Who makes a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
    /// The time that author and committer get.
    pub at: At,
}

/// Who moved a ref, by its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// Where they moved it to.
    pub to: Oid,
    /// The committer's name.
    pub name: String,
    /// The committer's mail address.
    pub email: String,
    /// What they said.
    pub says: String,
}

/// The version of git on this machine, as `(major, minor)` and in words.
///
/// # Errors
/// See [`GitError`].
pub async fn version() -> Result<((u32, u32), String), GitError> {
    let says = Git::found_from(Path::new("/")).text(&["--version"]).await?;
    let odd = || GitError::Odd { command: "--version".to_owned(), says: says.clone() };
    let number = says.split(' ').nth(2).ok_or_else(odd)?;
    let mut parts = number.split('.').map(|it| it.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => Ok(((major, minor), number.to_owned())),
        _ => Err(odd()),
    }
}
