//! Projects: added, looked at, trusted, taken off the list; and the line.

use pilothouse_contract::project::Project;
use pilothouse_contract::{Answer, Event, Fault, ProjectId, ask};

use super::Desk;
use crate::coordination::{Input, Outcome};
use crate::execution::{look, repository};
use crate::perform::git_of;

impl Desk {
    pub(super) fn project(&self, project: ProjectId) -> Result<Project, Fault> {
        let listed = |fleet: &pilothouse_contract::Fleet| {
            fleet.projects.get(&project).filter(|it| !it.removed).cloned()
        };
        self.look(listed, || format!("there is no project {project}"))
    }

    /// Looks where the default branch stands, and comes back once that is taken in: what a person committed a moment ago
    /// counts.
    pub(super) async fn see_main(&self, project: ProjectId) -> Result<(), Fault> {
        self.engine.look_at_main(project).await;
        let it = self.project(project)?;
        let git = git_of(&it);
        let seen = repository::who_moved(&git, &it.default_branch).await;
        let (found, named, attempt) = seen.map_err(|error| Fault::environment(error.to_string()))?;
        let forward = repository::is_forward(&git, &it.main, found.as_ref()).await;
        let input = Input::MainSeen { project, found, named, attempt, forward };
        self.engine.ask(input, pilothouse_contract::Who::Engine).await.map(drop)
    }

    /// Reads the spec folders at the tip of the default branch.
    pub(crate) async fn read_items(&self, project: &Project) -> Result<(), Fault> {
        let items = self.engine.items_at(project, &project.main).await?;
        self.engine.is_news(project.id, &project.main);
        self.engine
            .ask(Input::ItemsFound { project: project.id, items }, pilothouse_contract::Who::Engine)
            .await?;
        Ok(())
    }
}

impl Answer<ask::project::Add> for Desk {
    async fn answer(&self, call: ask::project::Add) -> Result<Project, Fault> {
        let facts = repository::look(&call.path, &self.engine.inner.options.worktrees).await?;
        let records = self.act(Input::AddProject(facts)).await?;
        let added = records.into_iter().find_map(|it| match it.event {
            Event::ProjectAdded { project } => Some(project),
            _ => None,
        });
        let project = added.ok_or_else(|| Fault::bug("the project was added and not told"))?;
        self.read_items(&project).await?;
        Ok(project)
    }
}

impl Answer<ask::project::List> for Desk {
    async fn answer(&self, _: ask::project::List) -> Result<Vec<Project>, Fault> {
        Ok(self.engine.fleet().listed().cloned().collect())
    }
}

impl Answer<ask::project::Look> for Desk {
    async fn answer(&self, call: ask::project::Look) -> Result<ask::project::ProjectPage, Fault> {
        // What came onto the default branch a moment ago is shown, whether the watcher has told of it or not.
        self.see_main(call.project).await?;
        let project = self.project(call.project)?;
        let drafts = self.engine.drafted(&project).await?;
        let (found, digest) = look::look(&project, &drafts).await?;
        Ok(ask::project::ProjectPage { project, found, digest })
    }
}

impl Answer<ask::project::Trust> for Desk {
    async fn answer(&self, call: ask::project::Trust) -> Result<Project, Fault> {
        self.see_main(call.project).await?;
        let project = self.project(call.project)?;
        let drafts = self.engine.drafted(&project).await?;
        let (found, digest) = look::look(&project, &drafts).await?;
        if digest != call.digest {
            return Err(Fault::refused(format!("what {} can run changed since it was shown", project.name))
                .command("look again", format!("pilothouse project trust {}", project.name)));
        }
        self.act(Input::TrustProject { project: project.id, found }).await?;
        self.engine.look_at_workflow(&project).await?;
        self.project(project.id)
    }
}

impl Answer<ask::project::Remove> for Desk {
    async fn answer(&self, call: ask::project::Remove) -> Result<(), Fault> {
        self.act(Input::RemoveProject { project: call.project }).await.map(drop)
    }
}

impl Answer<ask::project::Adopt> for Desk {
    async fn answer(&self, call: ask::project::Adopt) -> Result<Project, Fault> {
        let project = self.project(call.project)?;
        let stands = git_of(&project).commit_of(project.default_branch.as_str()).await;
        let stands = stands.map_err(|error| Fault::environment(error.to_string()))?;
        let found = stands.ok_or_else(|| {
            Fault::refused(format!(
                "{} is gone: there is nothing to say yes to",
                project.default_branch.short()
            ))
            .command("bring it back", format!("pilothouse project take-back {}", project.name))
        })?;
        self.act(Input::AdoptMain { project: project.id, found }).await?;
        let project = self.project(project.id)?;
        self.read_items(&project).await?;
        self.engine.look_at_workflow(&project).await?;
        Ok(project)
    }
}

impl Answer<ask::project::HoldLine> for Desk {
    async fn answer(&self, call: ask::project::HoldLine) -> Result<Project, Fault> {
        self.act(Input::HoldLine { project: call.project, why: call.why }).await?;
        self.project(call.project)
    }
}

impl Answer<ask::project::OpenLine> for Desk {
    async fn answer(&self, call: ask::project::OpenLine) -> Result<Project, Fault> {
        self.act_to_end(Input::OpenLine { project: call.project }).await?;
        self.project(call.project)
    }
}

impl Answer<ask::project::TakeBack> for Desk {
    async fn answer(&self, call: ask::project::TakeBack) -> Result<Project, Fault> {
        for outcome in self.act_to_end(Input::TakeBackMain { project: call.project }).await? {
            if let Outcome::TakenBack(how) = outcome {
                how?;
            }
        }
        self.project(call.project)
    }
}
