//! Temporary repositories: real git, nothing of the user's own settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::agent::task_file;
use crate::must;

/// A repository in a temporary folder, with a `main` branch and one commit.
#[derive(Debug)]
pub struct Repo {
    _folder: TempDir,
    path: PathBuf,
}

impl Repo {
    /// A repository of that name holding these files.
    ///
    /// # Panics
    /// If git or the file system says no.
    #[must_use]
    pub fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let path = folder.path().canonicalize().unwrap_or_else(|error| panic!("{error}")).join(name);
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{error}"));
        let repo = Self { _folder: folder, path };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.git(&["config", "user.name", "Test"]);
        repo.git(&["config", "user.email", "test@example.invalid"]);
        repo.commit(files, "First");
        repo
    }

    /// A repository called `shop` with one item, `001-work`, of one phase with these tasks: id, files, proof.
    ///
    /// # Panics
    /// If git or the file system says no.
    #[must_use]
    pub fn with_tasks(tasks: &[(&str, &str, &str)]) -> Self {
        let files = [("specs/001-work/spec.md", "# Work\n"), ("specs/001-work/tasks.md", &task_file(tasks))];
        Self::new("shop", &files)
    }

    /// A repository called `harbour` with much for agents to read, some of it wrong: a chain of which Codex reads not all, a link that leads
    /// nowhere, a script that is none, a file that nothing leads to, and one with text that would hide what it says.
    ///
    /// # Panics
    /// If git or the file system says no.
    #[must_use]
    pub fn with_instructions() -> Self {
        let lines = |words: &str, count: usize| format!("{words}\n").repeat(count);
        let top = format!(
            "# Harbour\n\nRead [how tides are reckoned](docs/tides.md), [how it is tested](docs/tests.md) and [the old rules](docs/old-rules.md).\n\n\
             ```sh\nnpm run build\nnpm run tide-table\n```\n\n{}",
            lines("- A height is kept in millimetres above chart datum.", 380)
        );
        let web = format!("# Web\n\n{}", lines("- A page says nothing that the store does not know.", 300));
        let skill = |name: &str, more: &str| {
            format!(
                "---\nname: {name}\ndescription: What {name} is for\n---\n\nDo it, then look at it.{more}\n"
            )
        };
        let (gauge, survey) =
            (skill("gauge", " See [pitfalls](references/pitfalls.md)."), skill("survey", ""));
        Self::new(
            "harbour",
            &[
                ("AGENTS.md", &top),
                ("CLAUDE.md", "@AGENTS.md\n@docs/tides.md\n"),
                (".github/copilot-instructions.md", "Answer briefly.\n"),
                (".cursor/rules/style.mdc", "Two blanks.\n"),
                ("web/AGENTS.md", &web),
                ("web/map/AGENTS.md", "# Map\n\nSee [projections](../../docs/projections.md).\n"),
                ("docs/tides.md", "# Tides\n\nThe table is as in `docs/table.md`.\n"),
                ("docs/table.md", "# The table\n"),
                ("docs/tests.md", "# Tests\n"),
                ("docs/projections.md", "# Projections\n"),
                (".agents/skills/gauge/SKILL.md", &gauge),
                (".agents/skills/gauge/references/pitfalls.md", "# Pitfalls\n"),
                (".agents/skills/gauge/references/\u{202e}drow.md", "x\n"),
                (".agents/skills/survey/SKILL.md", &survey),
                ("package.json", "{\"scripts\": {\"build\": \"true\"}}\n"),
                ("specs/001-work/spec.md", "# Work\n"),
            ],
        )
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its folder as text.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If the file system says no.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.path.join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{error}"));
        }
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Reads a file of the checkout.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        let path = self.path.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes files and commits them with everything else.
    ///
    /// # Panics
    /// If git says no.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) {
        for (file, text) in files {
            self.write(file, text);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Runs git in the checkout. Returns what it says.
    ///
    /// # Panics
    /// If git says no.
    pub fn git(&self, args: &[&str]) -> String {
        let (ok, says) = self.try_git(args);
        assert!(ok, "git {args:?}: {says}");
        says
    }

    /// Runs git in the checkout. Returns whether it said yes, and what it said.
    ///
    /// # Panics
    /// If there is no git.
    pub fn try_git(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new("git")
            .current_dir(&self.path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(args)
            .output()
            .unwrap_or_else(|error| panic!("no git: {error}"));
        let says = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&says).trim().to_owned())
    }
}

/// Every file below a folder with its bytes, git's own among them; links are followed.
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn bytes_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut edge = vec![folder.to_owned()];
    while let Some(next) = edge.pop() {
        for entry in must(std::fs::read_dir(next)) {
            let path = must(entry).path();
            if path.is_dir() {
                edge.push(path);
            } else {
                all.insert(path.clone(), must(std::fs::read(&path)));
            }
        }
    }
    all
}
