//! `WORKFLOW.md` in the engine's own runs: which version is in force is looked up whenever the default branch moved or trust was given, and
//! its hooks are run around attempts.
//!
//! Refuses: to run a hook of a version that is not in force, or in a project that nobody trusts.

use pilothouse_contract::project::{Project, Trust};
use pilothouse_contract::session::{End, SessionKind};
use pilothouse_contract::workflow::Version;
use pilothouse_contract::worktree::Worktree;
use pilothouse_contract::{AttemptId, Fault, ProjectId, SessionId, Who, text};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::coordination::{Input, Outcome};
use crate::engine::Engine;
use crate::execution::agents::native;
use crate::execution::attempts::Matter;
use crate::execution::held::{Key, Stage};
use crate::execution::hooks::Moment;
use crate::execution::{look, repository};
use crate::perform::git_of;
use crate::policy::conduct::Conduct;

/// What is wrong with a file is told in at most so many signs.
const WRONG_MAX: usize = 400;

impl Engine {
    /// Reads `WORKFLOW.md` as it stands where our record has a project's default branch, and comes back once that is taken in. That of a
    /// project that nobody trusts is not looked at: nothing of it is in force.
    ///
    /// # Errors
    /// In words, if git cannot read it.
    pub(crate) async fn look_at_workflow(&self, project: &Project) -> Result<(), Fault> {
        let trusted = |it: &Project| it.trust != Trust::Undecided;
        if !self.fleet().projects.get(&project.id).is_some_and(trusted) {
            return Ok(());
        }
        let in_words = |error: crate::ports::git::GitError| Fault::environment(error.to_string());
        let file = repository::workflow_file(&git_of(project), &project.main).await.map_err(in_words)?;
        let version = Version {
            commit: project.main.clone(),
            hash: file.as_ref().map_or_else(String::new, |it| it.hash.clone()),
        };
        // The whole of it has to be well: whoever edits one half of it wants to hear of the other.
        let read = match repository::workflow_at(&git_of(project), &project.main).await {
            Ok(workflow) => Ok(look::commands(&workflow.conduct().commands())),
            Err(fault) => Err(text::line(&fault.message, WRONG_MAX)),
        };
        self.ask(Input::WorkflowSeen { project: project.id, version, read }, Who::Engine).await.map(drop)
    }

    /// Looks at those of all projects.
    pub(crate) async fn look_at_workflows(&self) {
        let all: Vec<Project> = self.fleet().listed().cloned().collect();
        for project in all {
            if let Err(fault) = self.look_at_workflow(&project).await {
                tracing::warn!(project = %project.id, %fault, "its WORKFLOW.md could not be looked at");
            }
        }
    }

    /// What a project's `WORKFLOW.md` says around attempts, of the version that is in force. Fails in words for people.
    pub(crate) async fn conduct_of(&self, project: ProjectId) -> Result<Conduct, String> {
        let it = self.fleet().projects.get(&project).cloned();
        let Some(it) = it.filter(|it| it.trust != Trust::Undecided) else { return Ok(Conduct::default()) };
        let Some(good) = it.workflow.as_ref().and_then(|it| it.good.clone()) else {
            return Ok(Conduct::default());
        };
        let file = repository::workflow_file(&git_of(&it), &good.commit).await;
        let file =
            file.map_err(|error| format!("WORKFLOW.md at {} cannot be read: {error}", good.commit.short()))?;
        Conduct::read(file.as_ref().map(|it| it.text.as_str())).map_err(|error| error.to_string())
    }

    /// Makes the worktree of an attempt, has it prepared by its hook, and writes its brief.
    pub(crate) async fn prepare(&self, attempt: AttemptId) -> Option<Outcome> {
        let mut matter = self.matter(attempt)?;
        matter.handed = self.handed(attempt).await;
        let made = async {
            matter.conduct = self.conduct_of(matter.project.id).await?;
            self.inner.attempts.make(&matter).await.map_err(|error| error.to_string())?;
            // One that goes on has the worktree of another.
            if matter.attempt.continues.is_none() {
                self.hook(Moment::AfterCreate, &matter).await?;
            }
            self.inner.attempts.write_brief(&matter).await
        };
        Some(Outcome::Prepared(made.await))
    }

    /// Runs a hook that its attempt depends on: it ends when the attempt does.
    async fn hook(&self, moment: Moment, matter: &Matter) -> Result<(), String> {
        let (stop, stopped) = watch::channel(false);
        let mut ran = std::pin::pin!(self.inner.attempts.hook(moment, matter, stopped));
        tokio::select! {
            ran = &mut ran => ran,
            () = self.is_over(matter.attempt.id) => {
                stop.send_replace(true);
                ran.await
            }
        }
    }

    /// Comes back once an attempt is over.
    async fn is_over(&self, attempt: AttemptId) {
        let mut told = self.subscribe();
        while !self.fleet().attempts.get(&attempt).is_none_or(|it| it.state.is_over()) {
            if matches!(told.recv().await, Err(RecvError::Closed)) {
                return;
            }
        }
    }

    /// Runs what is to be run before an agent begins, unless it has begun or is not to.
    pub(crate) async fn before_run(&self, session: SessionId) -> Result<(), String> {
        let found = {
            let fleet = self.fleet();
            let it =
                fleet.sessions.get(&session).filter(|it| it.kind == SessionKind::Agent && it.end.is_none());
            it.and_then(|it| Some((Key::from(it), Matter::of(&fleet, it.attempt?)?)))
        };
        let Some((key, mut matter)) = found else { return Ok(()) };
        let begun = !matches!(self.inner.sessions.stage(key), Stage::None | Stage::Asked);
        if begun || matter.attempt.state.is_over() {
            return Ok(());
        }
        matter.conduct = self.conduct_of(matter.project.id).await?;
        self.hook(Moment::BeforeRun(session), &matter).await
    }

    /// Runs a hook that nothing depends on: what is wrong with it is told.
    async fn aside(&self, moment: Moment, attempt: AttemptId) {
        let Some(mut matter) = self.matter(attempt) else { return };
        let project = matter.project.id;
        let (_stop, stopped) = watch::channel(false);
        let ran = async {
            matter.conduct = self.conduct_of(project).await?;
            self.inner.attempts.hook(moment, &matter, stopped).await
        };
        if let Err(says) = ran.await {
            let says = format!("{attempt} of {}: {says}", matter.attempt.task);
            self.tell(Input::Notice { project: Some(project), says });
        }
    }

    /// Runs what is to be run before a worktree is removed.
    pub(crate) async fn before_remove(&self, worktree: &Worktree) {
        // Whether it is the one that we made is looked at before the hook.
        let stands = self.inner.trees.path(&worktree.path).symlink_metadata().is_ok();
        if let Some(attempt) = worktree.attempt.filter(|_| stands) {
            self.aside(Moment::BeforeRemove, attempt).await;
        }
    }

    /// A session ended. Its end is told once what is to be run after it came to its end: nobody works on what it left before that.
    pub(crate) async fn told_of_end(self, session: SessionId, mut end: End) {
        let it = self.fleet().sessions.get(&session).cloned();
        if let Some(attempt) =
            it.as_ref().filter(|it| it.kind == SessionKind::Agent).and_then(|it| it.attempt)
        {
            self.aside(Moment::AfterRun(session), attempt).await;
        }
        end.native = native::of_lost(it, &end).await;
        let did_nothing = self.did_nothing(session).await;
        self.tell(Input::SessionEnded { session, end, did_nothing });
    }
}
