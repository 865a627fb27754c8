//! Trust drift (promise P11): what in a project can run commands and was not there when a person trusted it. What git
//! itself would run for us is held back until a person looked again, and so is work whose proofs, checks or agents' commands nobody
//! was shown; of everything else a person is told once.
//!
//! Refuses: to say what can run commands; `execution/look.rs` knows.

use pilothouse_contract::project::{Found, FoundKind, Project};
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{Fault, ProjectId};

use crate::coordination::{Effect, Input, Outcome};
use crate::engine::Engine;
use crate::execution::drafting;
use crate::execution::held::{Key, Stage};
use crate::execution::look;
use crate::execution::reviewing::Bench;
use crate::policy::workflow::Workflow;
use crate::ports::git::GitError;

/// What is new, as a person is told it: what, where, and since when.
fn says(found: &Found, project: &Project) -> String {
    let what = match found.kind {
        FoundKind::Hook => "the hook ",
        _ => "",
    };
    format!("{what}{} was set since you trusted {}", found.place, project.name)
}

fn look_again(project: &Project) -> String {
    format!("pilothouse project trust {}", project.name)
}

fn in_words(error: &GitError) -> Fault {
    Fault::environment(error.to_string())
}

/// Refuses, in words, what is new.
fn shown(project: &Project, what: &str, new: &[Found]) -> Result<(), Fault> {
    let Some(first) = new.first() else { return Ok(()) };
    let more = match new.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let says = format!(
        "the {what} in {}{more} is new or changed since you trusted {}, and runs only once you saw it",
        first.place, project.name
    );
    let all: Vec<String> = new.iter().map(|it| format!("{}: {}", it.place, it.says)).collect();
    Err(Fault::refused(says).command("look at it, and decide", look_again(project)).because(all.join("\n")))
}

impl Engine {
    /// Everything in a project that can run commands, stands in no commit and is new since a person trusted it. Each
    /// of it is told once.
    pub(crate) async fn drift(&self, project: &Project) -> Result<Vec<Found>, GitError> {
        let new = look::new_since_trusted(project).await?;
        for it in &new {
            self.tell_of_drift(project, it);
        }
        Ok(new)
    }

    /// Looks for it on a sign; what cannot be looked at is looked at by whoever needs it.
    pub(crate) async fn notice_drift(&self, project: ProjectId) {
        let it = self.fleet().projects.get(&project).filter(|it| !it.removed).cloned();
        if let Some(it) = it
            && let Err(error) = self.drift(&it).await
        {
            tracing::warn!(%project, %error, "what it can run could not be looked at");
        }
    }

    fn tell_of_drift(&self, project: &Project, found: &Found) {
        let told = (project.id, found.place.clone(), found.hash.clone());
        let is_new = {
            let mut all = self.inner.drift_told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.insert(told)
        };
        if is_new {
            let says = format!("{}; look again: {}", says(found, project), look_again(project));
            self.tell(Input::Notice { project: Some(project.id), says });
        }
    }

    /// Refuses, in words, to let git touch files of a project while a setting would have it run what nobody saw.
    pub(crate) async fn hold_back(&self, project: &Project) -> Result<(), Fault> {
        let new = look::settings_since_trusted(project).await.map_err(|error| in_words(&error))?;
        let Some(first) = new.iter().find(|it| look::runs_in_our_git(it)) else { return Ok(()) };
        self.tell_of_drift(project, first);
        Err(Fault::refused(format!("{}; look again: {}", says(first, project), look_again(project)))
            .command("look again", look_again(project)))
    }

    /// Refuses, in words, to begin new work in a project that is not as a person trusted it.
    pub(crate) async fn as_trusted(&self, project: &Project) -> Result<(), Fault> {
        let new = self.drift(project).await.map_err(|error| in_words(&error))?;
        let Some(first) = new.first() else { return Ok(()) };
        let more = match new.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Err(Fault::refused(format!("{}{more}", says(first, project)))
            .command("look again", look_again(project)))
    }

    /// Refuses, in words, to run proofs that no person was shown: those of a spec that are new or changed since its project was trusted.
    pub(crate) fn as_shown(&self, project: &Project, spec: &Spec) -> Result<(), Fault> {
        shown(project, "proof", &look::proofs_since_trusted(project, spec))
    }

    /// The same of what `WORKFLOW.md` says for work with these agents: its checks, their commands, and what both get.
    pub(crate) fn commands_shown(
        &self,
        project: &Project,
        workflow: &Workflow,
        agents: &[&str],
    ) -> Result<(), Fault> {
        shown(project, "command", &look::commands_since_trusted(project, &workflow.used(agents)))
    }

    /// The outcome of an effect that is held back; nothing if it may be performed.
    pub(crate) async fn held_back(&self, effect: &Effect) -> Option<Outcome> {
        let project = self.touched_by(effect)?;
        let fault = self.hold_back(&project).await.err()?;
        Some(match effect {
            Effect::TakeBack { .. } => Outcome::TakenBack(Err(fault)),
            Effect::Discard { worktree } => {
                self.set_removing(*worktree, false);
                Outcome::Discarded(Err(fault))
            }
            Effect::Restore { .. } => Outcome::Restored(Err(fault)),
            _ => crate::perform::failed(self, effect, &fault.message),
        })
    }

    /// The project whose files an effect has git write or read anew; nothing for those that touch none.
    fn touched_by(&self, effect: &Effect) -> Option<Project> {
        let fleet = self.fleet();
        let project = match effect {
            Effect::Prepare { attempt } | Effect::Read { attempt } | Effect::Integrate { attempt, .. } => {
                fleet.runs.get(&fleet.attempts.get(attempt)?.run)?.project
            }
            Effect::Check(asked) => {
                // One that began already has its files; it is only waited for.
                let key = Key::from(fleet.sessions.get(&asked.session)?);
                if !matches!(self.inner.sessions.stage(key), Stage::None | Stage::Asked) {
                    return None;
                }
                asked.project
            }
            Effect::Advance { run, .. } | Effect::TakeIn { run, .. } => fleet.runs.get(run)?.project,
            Effect::Merge { pull, .. } | Effect::Land { pull, .. } => fleet.pulls.get(pull)?.project,
            Effect::TakeBack { project, .. } => *project,
            Effect::Discard { worktree } | Effect::Restore { worktree } => {
                fleet.worktrees.get(worktree)?.project
            }
            Effect::ReadAnswer { pull, .. } => fleet.pulls.get(pull)?.project,
            Effect::ReadDraft { item, .. } => fleet.items.get(item)?.project,
            // Of who sits at a draft or at a pull request the worktree is made by the launch.
            Effect::Launch { session } => {
                let it = fleet.sessions.get(session)?;
                if !matches!(self.inner.sessions.stage(Key::from(it)), Stage::None | Stage::Asked) {
                    return None;
                }
                if Bench::of(&fleet, it.id).is_none() {
                    drafting::Desk::of(&fleet, it)?;
                }
                it.project?
            }
            Effect::MakeBranch { .. }
            | Effect::WriteRecord { .. }
            | Effect::Propose { .. }
            | Effect::EndSession { .. }
            | Effect::DropBranch { .. }
            | Effect::Publish { .. }
            | Effect::AskLanding { .. }
            | Effect::LetGo { .. }
            | Effect::FetchLanded { .. }
            | Effect::Rest { .. }
            | Effect::Wait { .. } => return None,
        };
        fleet.projects.get(&project).cloned()
    }
}
