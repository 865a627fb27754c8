//! One attempt: the workspace and its hooks, the prompt, a session, its turns, the end. Owns that `after_run` runs however an
//! attempt ended, and that a session goes on as long as its issue is active. Refuses to try again: that is decided elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::effects::{Tell, in_time};
use crate::Issue;
use crate::agent::{self, AgentError, Plan, Session};
use crate::coordination::{Job, Outcome, Phase, WorkerEvent};
use crate::observability::Record;
use crate::tracker::Tracker;
use crate::workflow::render;
use crate::workspace::{self, HookError, Surroundings, Workspace, run_hook};

/// What an attempt works with, as it was when it began.
pub(super) struct Bench {
    /// The prompt's template.
    pub(super) prompt: String,
    /// The tracker.
    pub(super) tracker: Arc<dyn Tracker>,
    /// Where the loop keeps what it knows.
    pub(super) folder: PathBuf,
    /// Marks what the attempt starts.
    pub(super) mark: String,
    /// To people.
    pub(super) tell: Tell,
    /// To the loop.
    pub(super) say: mpsc::UnboundedSender<WorkerEvent>,
    /// Holds true once the attempt is to stop.
    pub(super) stop: watch::Receiver<bool>,
}

impl Bench {
    fn phase(&self, phase: Phase) {
        let _gone = self.say.send(WorkerEvent::Phase(phase));
    }

    fn around(&self, issue: &Issue, path: &Path) -> Surroundings {
        Surroundings {
            workspace: path.to_owned(),
            issue_id: issue.id.clone(),
            identifier: issue.identifier.clone(),
            title: issue.title.clone(),
            secret_names: self.tracker.secret_names(),
            mark: self.mark.clone(),
            environment: None,
            notes: self.folder.join("agents"),
        }
    }

    fn hook_told(&self, issue: &Issue, name: &str, error: Option<&HookError>) {
        (self.tell)(match error {
            None => Record::info("hook_ended", name).of(issue),
            Some(error) => Record::warn("hook_failed", error.to_string()).of(issue),
        });
    }
}

fn by_hook(error: &HookError) -> Outcome {
    match error {
        HookError::Stopped(_) => Outcome::Stopped,
        HookError::TimedOut { .. } => Outcome::TimedOut(error.to_string()),
        _ => Outcome::Failed(error.to_string()),
    }
}

fn by_agent(error: &AgentError) -> Outcome {
    match error {
        AgentError::Stopped => Outcome::Stopped,
        AgentError::InputRequired(_) => Outcome::InputRequired(error.to_string()),
        AgentError::TurnTimeout(_) | AgentError::ResponseTimeout { .. } => {
            Outcome::TimedOut(error.to_string())
        }
        _ => Outcome::Failed(error.to_string()),
    }
}

/// Makes one attempt.
pub(super) async fn work(bench: Bench, job: Job) -> Outcome {
    bench.phase(Phase::PreparingWorkspace);
    let made = match prepare(&bench, &job).await {
        Ok(made) => made,
        Err(outcome) => return outcome,
    };
    let outcome = match attempt(&bench, &job, &made).await {
        Ok(()) => Outcome::Succeeded,
        Err(outcome) => outcome,
    };
    bench.phase(Phase::Finishing);
    let hooks = &job.settings.hooks;
    if let Some(script) = hooks.after_run.as_ref().filter(|_| made.path.is_dir()) {
        // The attempt may have been stopped; its last hook is not.
        let (_never, stop) = watch::channel(false);
        let around = bench.around(&job.issue, &made.path);
        let limit = Duration::from_millis(hooks.timeout_ms);
        let ran = run_hook("after_run", script, &around, limit, stop).await;
        bench.hook_told(&job.issue, "after_run", ran.as_ref().err());
    }
    outcome
}

async fn prepare(bench: &Bench, job: &Job) -> Result<Workspace, Outcome> {
    let (root, identifier) = (job.settings.workspace_root.clone(), job.issue.identifier.clone());
    let broke = |error: &dyn std::fmt::Display| Outcome::Failed(error.to_string());
    let notes = bench.folder.join("unfilled");
    let unfilled = notes.clone();
    let made = tokio::task::spawn_blocking(move || workspace::open_to_fill(&root, &identifier, &unfilled))
        .await
        .map_err(|error| broke(&error))?
        .map_err(|error| broke(&error))?;
    let _gone = bench.say.send(WorkerEvent::Workspace { path: made.path.clone(), made: made.created_now });
    let hooks = &job.settings.hooks;
    if let Some(script) = hooks.after_create.as_ref().filter(|_| made.created_now) {
        let around = bench.around(&job.issue, &made.path);
        let limit = Duration::from_millis(hooks.timeout_ms);
        let ran = run_hook("after_create", script, &around, limit, bench.stop.clone()).await;
        bench.hook_told(&job.issue, "after_create", ran.as_ref().err());
        if let Err(error) = ran {
            // Half of a workspace would be taken for a whole one by the next attempt.
            let (root, path) = (job.settings.workspace_root.clone(), made.path.clone());
            let removed = tokio::task::spawn_blocking(move || workspace::remove(&root, &path)).await;
            match removed {
                Ok(Err(error)) => {
                    (bench.tell)(Record::warn("workspace_stays", error.to_string()).of(&job.issue));
                }
                _ => workspace::filled(&made.key, &notes).map_err(|error| broke(&error))?,
            }
            return Err(by_hook(&error));
        }
    }
    if made.created_now {
        workspace::filled(&made.key, &notes).map_err(|error| broke(&error))?;
    }
    Ok(made)
}

async fn attempt(bench: &Bench, job: &Job, made: &Workspace) -> Result<(), Outcome> {
    let settings = &job.settings;
    let around = bench.around(&job.issue, &made.path);
    if let Some(script) = &settings.hooks.before_run {
        let limit = Duration::from_millis(settings.hooks.timeout_ms);
        let ran = run_hook("before_run", script, &around, limit, bench.stop.clone()).await;
        bench.hook_told(&job.issue, "before_run", ran.as_ref().err());
        ran.map_err(|error| by_hook(&error))?;
    }
    bench.phase(Phase::BuildingPrompt);
    let prompt = render(&bench.prompt, &job.issue, job.attempt, job.kind)
        .map_err(|error| Outcome::Failed(error.to_string()))?;
    bench.phase(Phase::LaunchingAgentProcess);
    let plan = Plan {
        codex: settings.codex.clone(),
        root: settings.workspace_root.clone(),
        around,
        record: agent::record_of(&bench.folder.join("runs"), job.run),
    };
    let (mut session, resumed) = begin(bench, job, plan).await.map_err(|error| by_agent(&error))?;
    let worked = turns(bench, job, &mut session, resumed, &prompt).await;
    session.end().await;
    worked
}

/// A session with a thread, and whether that goes on. A thread on which the agent breaks or says nothing is given up for a
/// new one, once.
async fn begin(bench: &Bench, job: &Job, plan: Plan) -> Result<(Session, bool), AgentError> {
    let start = |plan| Session::start(plan, bench.say.clone(), bench.stop.clone());
    let mut session = start(plan.clone()).await?;
    bench.phase(Phase::InitializingSession);
    let error = match session.open_thread(job.thread.as_deref()).await {
        Ok(resumed) => return Ok((session, resumed)),
        Err(error) => error,
    };
    session.end().await;
    let lost = matches!(error, AgentError::ResponseTimeout { .. } | AgentError::Exit { .. });
    if !lost || job.thread.is_none() {
        return Err(error);
    }
    (bench.tell)(Record::warn("thread_given_up", error.to_string()).of(&job.issue));
    let mut session = start(plan).await?;
    match session.open_thread(None).await {
        Ok(resumed) => Ok((session, resumed)),
        Err(error) => {
            session.end().await;
            Err(error)
        }
    }
}

async fn turns(
    bench: &Bench,
    job: &Job,
    session: &mut Session,
    resumed: bool,
    prompt: &str,
) -> Result<(), Outcome> {
    let task = crate::workflow::hash(prompt.as_bytes());
    let knows = resumed && job.told.as_ref() == Some(&task);
    let mut issue = job.issue.clone();
    for turn in 1..=job.settings.agent.max_turns {
        bench.phase(Phase::StreamingTurn);
        // A thread that knows the task as it is now is not told it twice: that would be paid for.
        let says = if turn == 1 && !knows {
            let _gone = bench.say.send(WorkerEvent::Told(task.clone()));
            prompt.to_owned()
        } else {
            go_on(&issue)
        };
        session.turn(&issue, &says).await.map_err(|error| by_agent(&error))?;
        let ids = [issue.id.clone()];
        let page = in_time(bench.tracker.by_ids(&ids)).await;
        let page = page.map_err(|error| Outcome::Failed(format!("after turn {turn}: {error}")))?;
        let Some(now) = page.issues.into_iter().find(|it| it.id == issue.id) else { break };
        let on = job.settings.is_active(&now.state) && job.settings.is_routable(&now);
        let _gone = bench.say.send(WorkerEvent::Issue(Box::new(now.clone())));
        if !on {
            break;
        }
        issue = now;
    }
    Ok(())
}

/// What a thread that knows its task is told.
fn go_on(issue: &Issue) -> String {
    format!(
        "{} is still in the state '{}'. Go on with the task as you were told it: look at what is already done here, \
         do what is left, and say what keeps you if something does.",
        issue.identifier, issue.state
    )
}
