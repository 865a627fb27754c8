//! A small agent for tests: a shell script that does whatever it is told for each task, and nothing else.

use std::path::PathBuf;

use tempfile::TempDir;

/// A scripted agent in a file of its own.
#[derive(Debug)]
pub struct ShellAgent {
    _folder: TempDir,
    path: PathBuf,
}

impl ShellAgent {
    /// An agent that runs `body` with `$task` set to its task's id and `$again` to `yes` after a failed try.
    ///
    /// # Panics
    /// If the file system says no.
    #[must_use]
    pub fn new(body: &str) -> Self {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let path = folder.path().join("agent.sh");
        let head = "task=$(sed -n 's/^## Your task: \\([^ ]*\\) .*/\\1/p' \"$1\")\n\
                    if grep -q '^## An earlier try failed' \"$1\"; then again=yes; else again=no; fi\n";
        std::fs::write(&path, format!("{head}{body}\n")).unwrap_or_else(|error| panic!("{error}"));
        Self { _folder: folder, path }
    }

    /// The command for `--command`.
    #[must_use]
    pub fn command(&self) -> String {
        format!("sh {} {{brief_file}}", self.path.display())
    }
}

/// A task file with one phase and these tasks: id, files, proof.
#[must_use]
pub fn task_file(tasks: &[(&str, &str, &str)]) -> String {
    let mut text = "## Phase 1: Work\n\n".to_owned();
    for (id, files, verify) in tasks {
        text.push_str(&format!(
            "- [ ] {id} Task {id}\n  - Files: `{files}`\n  - Verify: `{verify}`\n  - Depends: none\n"
        ));
    }
    text
}

/// The part of a `WORKFLOW.md` that names a writer of the family alpha, a critic of beta, and the critic's twin of alpha.
#[must_use]
pub fn two_families(writer: &ShellAgent, critic: &ShellAgent) -> String {
    let words = |it: &ShellAgent| {
        let words: Vec<String> = it.command().split(' ').map(|it| format!("'{it}'")).collect();
        words.join(", ")
    };
    let agents = [("writer", writer, "alpha"), ("critic", critic, "beta"), ("twin", critic, "alpha")];
    let line = |(name, agent, family): (&str, &ShellAgent, &str)| {
        format!("    {name}: {{ command: [{}], family: {family} }}\n", words(agent))
    };
    agents.map(line).concat()
}
