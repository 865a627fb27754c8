//! Which version of the file is in force. Looks at the file's bytes each time it is asked, so no event can be missed; a
//! version that cannot be understood is told and the last good one stays. Refuses to let a later edit bring in commands,
//! another tracker or another place of folders that nobody said yes to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Workflow, WorkflowError, bytes, hash};

/// What a person said yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// What [`Workflow::commands`] lists, as it stood when they said so. Anything else waits for another yes.
    AsTheyAre,
    /// What comes by later edits too.
    LaterOnesToo,
}

/// What a look at the file found.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Nothing new, and it is well.
    Same,
    /// Another version, which is in force now.
    Applied,
    /// It cannot be used; the last good version stays in force. Nothing new begins until it is mended.
    Broken {
        /// What is wrong.
        error: WorkflowError,
        /// Whether this is the first look that found it.
        new: bool,
    },
    /// It can be understood, but needs another yes; the last good version stays in force.
    Untrusted {
        /// What it has now that was not trusted, and what is gone, without a value.
        commands: Vec<(String, String)>,
        /// Whether this is the first look that found it.
        new: bool,
    },
}

/// A file that may change while it is used.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    trust: Trust,
    trusted: Vec<(String, String)>,
    good: Arc<Workflow>,
    seen: Option<String>,
    last: Look,
    /// Below which the loop took its lock: it stays that for as long as the loop runs.
    root: PathBuf,
    /// Whether that was given, so that the file's does not count.
    given: bool,
}

impl Watch {
    /// Reads the file for the first time. `root` stands for its `workspace.root`, if it is given.
    ///
    /// # Errors
    /// If it cannot be used: then nothing starts.
    pub fn new(path: &Path, trust: Trust, root: Option<PathBuf>) -> Result<Self, WorkflowError> {
        let mut good = Workflow::load(path, &super::process_env)?;
        let given = root.is_some();
        let root = root.unwrap_or_else(|| good.settings.workspace_root.clone());
        Arc::make_mut(&mut good).settings.workspace_root.clone_from(&root);
        Ok(Self {
            path: path.to_owned(),
            trust,
            trusted: good.commands(),
            seen: Some(good.hash.clone()),
            good,
            last: Look::Same,
            root,
            given,
        })
    }

    /// The version that is in force.
    #[must_use]
    pub fn good(&self) -> Arc<Workflow> {
        self.good.clone()
    }

    /// Looks at the file.
    pub fn look(&mut self) -> Look {
        let read = bytes(&self.path);
        let now = read.as_ref().ok().map(|it| hash(it));
        if now == self.seen && now.is_some() {
            // What a file says also depends on the environment, but that does not change under a process.
            return match &self.last {
                Look::Broken { error, .. } => Look::Broken { error: error.clone(), new: false },
                Look::Untrusted { commands, .. } => {
                    Look::Untrusted { commands: commands.clone(), new: false }
                }
                Look::Same | Look::Applied => Look::Same,
            };
        }
        let new = now != self.seen;
        self.seen = now;
        self.last = match read.and_then(|it| Workflow::understand(&self.path, &it, &super::process_env)) {
            Err(error) => Look::Broken { error, new },
            Ok(next) => {
                let mut commands = other(&self.trusted, &next.commands());
                commands.retain(|(name, _)| name != "workspace.root" || !self.given);
                if self.trust == Trust::AsTheyAre && !commands.is_empty() {
                    Look::Untrusted { commands, new }
                } else {
                    self.good = self.placed(next);
                    Look::Applied
                }
            }
        };
        self.last.clone()
    }

    /// With the root of the start: the lock, and what people ask for, lie with that one.
    fn placed(&self, mut workflow: Arc<Workflow>) -> Arc<Workflow> {
        let settings = &mut Arc::make_mut(&mut workflow).settings;
        if settings.workspace_root != self.root && !self.given {
            settings.warnings.push(format!(
                "workspace.root: {} counts from the next start on; until then it is {}",
                settings.workspace_root.display(),
                self.root.display()
            ));
        }
        settings.workspace_root.clone_from(&self.root);
        workflow
    }
}

/// What is new or other, and what is gone.
fn other(trusted: &[(String, String)], now: &[(String, String)]) -> Vec<(String, String)> {
    let new = now.iter().filter(|it| !trusted.contains(it)).cloned();
    let gone = trusted.iter().filter(|(name, _)| !now.iter().any(|it| it.0 == *name));
    new.chain(gone.map(|(name, _)| (name.clone(), String::new()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "---\ntracker: {kind: memory}\npolling: {interval_ms: 7}\n---\nOne";

    fn watched(text: &str, trust: Trust) -> (tempfile::TempDir, PathBuf, Watch) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("WORKFLOW.md");
        std::fs::write(&path, text).unwrap();
        let watch = Watch::new(&path, trust, None).unwrap();
        (folder, path, watch)
    }

    #[test]
    fn row_1_3_a_change_of_the_file_is_applied_without_a_restart() {
        let (_folder, path, mut watch) = watched(GOOD, Trust::AsTheyAre);
        assert_eq!(watch.look(), Look::Same);
        std::fs::write(&path, GOOD.replace('7', "9").replace("One", "Two")).unwrap();
        assert_eq!(watch.look(), Look::Applied);
        let now = watch.good();
        assert_eq!((now.settings.poll_interval_ms, now.prompt.as_str()), (9, "Two"));
        assert_eq!(watch.look(), Look::Same);
    }

    #[test]
    fn row_1_4_a_broken_edit_is_told_and_leaves_the_last_good_version() {
        let (_folder, path, mut watch) = watched(GOOD, Trust::AsTheyAre);
        std::fs::write(&path, "---\ntracker: [\n---\n").unwrap();
        assert!(
            matches!(watch.look(), Look::Broken { error, new: true } if error.code() == "workflow_parse_error")
        );
        assert!(matches!(watch.look(), Look::Broken { new: false, .. }));
        assert_eq!(watch.good().prompt, "One");
        std::fs::remove_file(&path).unwrap();
        assert!(
            matches!(watch.look(), Look::Broken { error, new: true } if error.code() == "missing_workflow_file")
        );
        assert!(matches!(watch.look(), Look::Broken { new: false, .. }));
        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(watch.look(), Look::Applied);
    }

    #[test]
    fn commands_that_nobody_said_yes_to_wait() {
        let hooked = GOOD.replace("polling", "hooks: {before_run: 'curl evil'}\npolling");
        let (_folder, path, mut watch) = watched(GOOD, Trust::AsTheyAre);
        std::fs::write(&path, &hooked).unwrap();
        assert!(
            matches!(watch.look(), Look::Untrusted { commands, new: true } if commands[0].1 == "curl evil")
        );
        assert!(watch.good().settings.hooks.before_run.is_none());
        let (_folder, path, mut watch) = watched(GOOD, Trust::LaterOnesToo);
        std::fs::write(&path, &hooked).unwrap();
        assert_eq!(watch.look(), Look::Applied);
    }

    #[test]
    fn wider_rights_of_the_agent_wait_for_a_yes_too() {
        let (_folder, path, mut watch) = watched(GOOD, Trust::AsTheyAre);
        std::fs::write(
            &path,
            GOOD.replace("polling", "codex: {thread_sandbox: danger-full-access}\npolling"),
        )
        .unwrap();
        assert!(matches!(watch.look(), Look::Untrusted { .. }));
    }

    /// Whether an edit of a front matter waits for a yes.
    fn waits(front: &str, from: &str, to: &str) -> bool {
        let text = format!("---\n{front}\n---\nOne");
        let (_folder, path, mut watch) = watched(&text, Trust::AsTheyAre);
        let edited = text.replace(from, to);
        assert_ne!(edited, text);
        std::fs::write(&path, edited).unwrap();
        let before = watch.good();
        let look = watch.look();
        match look {
            Look::Untrusted { commands, new: true } => {
                assert!(!commands.is_empty() && watch.good() == before, "{commands:?}");
                true
            }
            Look::Applied => false,
            other => panic!("{to}: {other:?}"),
        }
    }

    #[test]
    fn another_tracker_and_another_place_of_folders_wait_for_a_yes() {
        // Variables that the test's own environment has stand for those of secrets.
        let github = "tracker: {kind: github, active_states: [open], terminal_states: [closed], \
                      provider: {repo: a/b, token: $CARGO_PKG_NAME, api_url: 'https://one.example'}}";
        let linear = "tracker: {kind: linear, endpoint: 'https://one.example', api_key: $CARGO_PKG_NAME, project_slug: p}";
        let file = "tracker: {kind: file, provider: {path: issues}}\nworkspace: {root: one}";
        for (front, from, to) in [
            (github, "repo: a/b", "repo: a/c"),
            (github, "$CARGO_PKG_NAME", "$CARGO_PKG_VERSION"),
            (github, "$CARGO_PKG_NAME", "in-the-file"),
            (github, "https://one.example", "https://other.example"),
            (github, ", api_url: 'https://one.example'", ""),
            (linear, "https://one.example", "https://other.example"),
            (linear, "$CARGO_PKG_NAME", "$CARGO_PKG_VERSION"),
            (linear, "project_slug: p", "project_slug: q"),
            (file, "path: issues", "path: others"),
            (file, "kind: file, provider: {path: issues}", "kind: memory"),
            (file, "root: one", "root: two"),
            (file, "\nworkspace: {root: one}", ""),
        ] {
            assert!(waits(front, from, to), "{to}");
        }
        assert!(!waits(file, "workspace:", "polling: {interval_ms: 9}\nworkspace:"));
    }

    #[test]
    fn another_root_waits_for_the_next_start_and_is_told() {
        let text = GOOD.replace("polling", "workspace: {root: /one}\npolling");
        let (_folder, path, mut watch) = watched(&text, Trust::LaterOnesToo);
        std::fs::write(&path, text.replace("/one", "/two").replace("One", "Two")).unwrap();
        assert_eq!(watch.look(), Look::Applied);
        let now = watch.good();
        assert_eq!((now.settings.workspace_root.as_path(), now.prompt.as_str()), (Path::new("/one"), "Two"));
        assert!(now.settings.warnings[0].contains("/two counts from the next start"), "{now:?}");
        std::fs::write(&path, text.replace("One", "Three")).unwrap();
        assert_eq!(watch.look(), Look::Applied);
        assert!(watch.good().settings.warnings.is_empty());
    }

    #[test]
    fn a_given_root_counts_whatever_the_file_says_and_a_secret_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("WORKFLOW.md");
        let text = "---\ntracker: {kind: linear, project_slug: p, api_key: lin_secret}\nworkspace: {root: one}\n---\nOne";
        std::fs::write(&path, text).unwrap();
        let mut watch = Watch::new(&path, Trust::AsTheyAre, Some("/given".into())).unwrap();
        assert!(watch.good().commands().iter().all(|(_, it)| !it.contains("lin_secret")));
        std::fs::write(&path, text.replace("root: one", "root: two")).unwrap();
        assert_eq!(watch.look(), Look::Applied);
        assert_eq!(watch.good().settings.workspace_root, Path::new("/given"));
    }
}
