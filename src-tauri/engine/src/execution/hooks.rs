//! Hooks of a project's `WORKFLOW.md` around the worktree of an attempt: shell commands, each in a process group of its own that ends with
//! it, run by the crate that keeps to the Symphony specification.
//!
//! Refuses: more of the engine's environment than agents and checks get, to run one outside the worktree that we made, and to run one again that came to its end and whose end an
//! engine that was killed did not come to tell.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::SessionId;
use pilothouse_symphony::process;
use pilothouse_symphony::workspace::{HookError, Surroundings, run_hook};
use tokio::sync::watch;

use super::attempts::{Attempts, Matter};
use super::env;
use super::trees::name_of;

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

/// How a hook ended by its note, which is empty if it ended well; nothing if there is none.
async fn noted(note: &Path) -> io::Result<Option<Result<(), String>>> {
    match tokio::fs::read(note).await {
        Ok(bytes) if bytes.is_empty() => Ok(Some(Ok(()))),
        Ok(bytes) => Ok(Some(Err(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes how a hook ended: all of it or nothing, for half of a note would say something else.
async fn put_down(note: &Path, how: &Result<(), String>) -> io::Result<()> {
    let half = note.with_extension("half");
    tokio::fs::write(&half, how.as_ref().err().map_or("", String::as_str)).await?;
    tokio::fs::rename(half, note).await
}

impl Attempts {
    /// Runs the hook of a moment to its end, or finds how that was; nothing if the file has none. `stop` ends it early.
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
        let in_words = |error: std::io::Error| format!("the hook {} was not run: {error}", moment.key());
        if let Some(note) = &note
            && let Some(how) = noted(note).await.map_err(in_words)?
        {
            return how;
        }
        // An agent may have put a link in its place: that leads out of it.
        let (tree, git_dir) = (&matter.worktree, Path::new(&matter.project.git_dir));
        let found = self.trees.find(git_dir, &name_of(tree), &tree.path).await;
        found.map_err(|error| format!("the hook {} was not run: {error}", moment.key()))?;
        tokio::fs::create_dir_all(&folder).await.map_err(in_words)?;
        let limit = Duration::from_millis(hooks.timeout_ms);
        let ran = run_hook(moment.key(), script, &self.around(matter), limit, stop).await;
        let is_over = !matches!(ran, Err(HookError::Stopped(_)));
        // What it said is somebody else's text.
        let how = ran.map(drop).map_err(|error| pilothouse_contract::text::plain(&error.to_string(), true));
        if let Some(note) = note.filter(|_| is_over) {
            put_down(&note, &how).await.map_err(in_words)?;
        }
        how
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn how_a_hook_ended_is_known_after_the_engine_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("before_run-s1.done");
        assert_eq!(noted(&note).await.unwrap(), None);
        for how in [Ok(()), Err("it failed with 3".to_owned())] {
            put_down(&note, &how).await.unwrap();
            assert_eq!(noted(&note).await.unwrap(), Some(how));
        }
    }
}
