//! Hooks of a project's `WORKFLOW.md` around the worktree of an attempt: shell commands, each in a process group of its own that ends with
//! it, run by the crate that keeps to the Symphony specification.
//!
//! Refuses: more of the engine's environment than agents and checks get, and to run one again that came to its end and whose end an
//! engine that was killed did not come to tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::SessionId;
use pilothouse_symphony::process;
use pilothouse_symphony::workspace::{HookError, Surroundings, run_hook};
use tokio::sync::watch;

use super::attempts::{Attempts, Matter};
use super::env;

/// Below the folder of briefs: processes of hooks that run.
const NOTES: &str = "hooks";

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The worktree was made just now. That it fails is the attempt's failure.
    AfterCreate,
    /// The agent is about to begin in it. That it fails is the attempt's failure.
    BeforeRun(SessionId),
    /// The agent's session is over, however it ended. That it fails is told and changes nothing.
    AfterRun(SessionId),
    /// The worktree is about to be removed. That it fails is told and changes nothing.
    BeforeRemove,
}

impl Moment {
    /// The key in the file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::AfterCreate => "after_create",
            Self::BeforeRun(_) => "before_run",
            Self::AfterRun(_) => "after_run",
            Self::BeforeRemove => "before_remove",
        }
    }

    /// The name of what notes that it came to its end; nothing for one after which there is nothing to run it in.
    fn note(self) -> Option<String> {
        match self {
            Self::AfterCreate => Some("after_create.done".to_owned()),
            Self::BeforeRun(session) | Self::AfterRun(session) => {
                Some(format!("{}-{session}.done", self.key()))
            }
            Self::BeforeRemove => None,
        }
    }
}

impl Attempts {
    /// Runs the hook of a moment to its end, or finds that done; nothing if the file has none. `stop` ends it early.
    ///
    /// # Errors
    /// In words for people, if it failed or took too long.
    pub async fn hook(
        &self,
        moment: Moment,
        matter: &Matter,
        stop: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let hooks = &matter.conduct.hooks;
        let script = match moment {
            Moment::AfterCreate => &hooks.after_create,
            Moment::BeforeRun(_) => &hooks.before_run,
            Moment::AfterRun(_) => &hooks.after_run,
            Moment::BeforeRemove => &hooks.before_remove,
        };
        let Some(script) = script else { return Ok(()) };
        let folder = self.folder.join(matter.attempt.id.to_string());
        let note = moment.note().map(|it| folder.join(it));
        if note.as_deref().is_some_and(Path::exists) {
            return Ok(());
        }
        let in_words = |error: std::io::Error| format!("the hook {} was not run: {error}", moment.key());
        tokio::fs::create_dir_all(&folder).await.map_err(in_words)?;
        let limit = Duration::from_millis(hooks.timeout_ms);
        let ran = run_hook(moment.key(), script, &self.around(matter), limit, stop).await;
        if !matches!(ran, Err(HookError::Stopped(_)))
            && let Some(note) = note
        {
            tokio::fs::write(note, []).await.map_err(in_words)?;
        }
        // What it said is somebody else's text.
        ran.map(drop).map_err(|error| pilothouse_contract::text::plain(&error.to_string(), true))
    }

    fn around(&self, matter: &Matter) -> Surroundings {
        let issue = matter.about().issue();
        let mut environment = env::of_nobody(&matter.run.policy.env, &self.program);
        for (name, value) in [
            ("PILOTHOUSE_RUN", matter.run.id.to_string()),
            ("PILOTHOUSE_TASK", matter.attempt.task.to_string()),
            ("PILOTHOUSE_ATTEMPT", matter.attempt.id.to_string()),
        ] {
            env::set(&mut environment, name, value);
        }
        Surroundings {
            workspace: self.trees.path(&matter.worktree.path),
            issue_id: issue.id,
            identifier: issue.identifier,
            title: issue.title,
            secret_names: Vec::new(),
            mark: format!("hook-{}-{}", matter.attempt.id, matter.attempt.started.0),
            notes: self.notes(),
            environment: Some(environment),
        }
    }

    fn notes(&self) -> PathBuf {
        self.folder.join(NOTES)
    }

    /// Ends what hooks of an engine that was killed left running, before any is run again.
    pub async fn reap_hooks(&self) {
        for mark in process::reap(&self.notes()).await {
            tracing::info!(mark, "ended: a hook that an earlier engine ran");
        }
    }
}
