//! The desk: items of every layout as they lie at a commit, one of them with its spec and its plan, and the lines that a finding names.
//! Everything is read from objects, so that nothing of a repository runs and nothing is written.

use std::collections::BTreeMap;

use pilothouse_contract::ask::desk::{List, Open, Text};
use pilothouse_contract::desk::{DeskOf, DeskPage, DeskText, Red};
use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::item::Item;
use pilothouse_contract::layout::LaidItem;
use pilothouse_contract::project::Project;
use pilothouse_contract::{Answer, Fault, Oid, ProjectId, TaskId};

use super::Desk;
use crate::execution::desk::{AtCommit, Recorded};
use crate::execution::{agents, repository};
use crate::perform::git_of;
use crate::policy::layouts::desk::{Facts, listed, page, wants};
use crate::policy::layouts::waves::Limits;
use crate::policy::layouts::{Found, read, read_all};
use crate::policy::workflow::built_in;
use crate::ports::git::GitError;

/// So many lines are shown around one.
const AROUND: usize = 60;
/// So many signs of a line are shown.
const LINE_MAX: usize = 2000;

fn by_git(error: GitError) -> Fault {
    Fault::environment(error.to_string()).hint("look at the repository with git fsck")
}

impl Desk {
    /// The engine's items of a project by where they lie and what they are called there: one file may hold many.
    fn known(&self, project: ProjectId) -> BTreeMap<(String, String), Item> {
        let fleet = self.engine.fleet();
        let of = fleet.items.values().filter(|it| it.project == project);
        let named = |it: &Item| {
            let folder = it.spec.folder.trim_end_matches('/').to_owned();
            let own = folder.rsplit('/').next().unwrap_or(&folder).to_owned();
            let name = if it.spec.layout.is_ours() { own } else { it.spec.name.clone() };
            ((folder, name), it.clone())
        };
        of.map(named).collect()
    }

    async fn desk_of(&self, project: &Project) -> Result<DeskOf, Fault> {
        let git = git_of(project);
        let at = AtCommit::list(&git, &project.main).await.map_err(by_git)?;
        let found = at.found();
        let files = at.read(found.iter().flat_map(Found::files)).await.map_err(by_git)?;
        let known = self.known(project.id);
        let items = read_all(&found, &files);
        let of = |it: &LaidItem| known.get(&(it.path.clone(), it.name.clone())).map(|it| it.id);
        let items = items.iter().map(|it| listed(it, of(it))).collect();
        Ok(DeskOf { project: project.id, commit: project.main.clone(), items, fault: None })
    }

    /// What red checks said of the proofs of an item's runs, the newest of each.
    fn recorded(&self, item: &Item) -> Recorded {
        let fleet = self.engine.fleet();
        let of_item = |it: &pilothouse_contract::evidence::Evidence| {
            it.gate == Gate::RedCheck
                && fleet.runs.get(&it.subject.run).is_some_and(|run| run.item == item.id)
        };
        let mut all = Recorded::new();
        for it in fleet.evidence.values().filter(|it| of_item(it)) {
            let red = match it.verdict {
                Verdict::Passed => Red::Fails,
                Verdict::Failed => Red::Vacuous,
                Verdict::Unknown => Red::NotYetKnown,
            };
            if let Some(task) = &it.subject.task {
                let key: (TaskId, String) = (task.clone(), it.command.clone());
                all.insert(key, (red, it.id));
            }
        }
        all
    }
}

impl Answer<List> for Desk {
    async fn answer(&self, call: List) -> Result<Vec<DeskOf>, Fault> {
        let projects: Vec<Project> = match call.project {
            Some(project) => vec![self.project(project)?],
            None => self.engine.fleet().listed().cloned().collect(),
        };
        let mut all = Vec::new();
        for project in projects {
            // One that cannot be read keeps nobody from the others.
            all.push(self.desk_of(&project).await.unwrap_or_else(|fault| DeskOf {
                project: project.id,
                commit: project.main.clone(),
                items: Vec::new(),
                fault: Some(fault.message),
            }));
        }
        Ok(all)
    }
}

impl Answer<Open> for Desk {
    async fn answer(&self, call: Open) -> Result<DeskPage, Fault> {
        let project = self.project(call.project)?;
        let git = git_of(&project);
        let known = self.known(project.id).remove(&(call.path.clone(), call.name.clone()));
        // A run works from where its spec was read.
        let commit = known.as_ref().map_or(&project.main, |it| &it.base);
        let at = AtCommit::list(&git, commit).await.map_err(by_git)?;
        let gone = || {
            let says = format!("{} holds no {} at {}", project.name, call.path, commit.short());
            Fault::missing(says)
                .command("see what there is", format!("pilothouse spec list {}", project.path))
        };
        let found = at.found().into_iter().filter(|it| it.path == call.path).collect::<Vec<_>>();
        let files = at.read(found.iter().flat_map(Found::files)).await.map_err(by_git)?;
        let of_found = found.iter().flat_map(|it| read(it, &files).into_iter().map(move |item| (it, item)));
        let (found, item) = of_found.into_iter().find(|(_, it)| it.name == call.name).ok_or_else(gone)?;
        let wants = wants(&item, found, &files, &at.tree);
        let beside = at.read(wants.files.iter()).await.map_err(by_git)?;
        let symbols = at.symbols(&wants.symbols).await.map_err(by_git)?;
        let limits = limits_at(&git, commit).await;
        let red = known.as_ref().map(|it| self.recorded(it)).unwrap_or_default();
        let facts = Facts {
            tree: &at.tree,
            beside: &beside,
            symbols: &symbols,
            program: &agents::is_there,
            limits: &limits,
            red: &red,
        };
        let mut page = page(&item, found, &files, &facts);
        page.commit = Some(commit.clone());
        page.item.item = known.map(|it| it.id);
        Ok(page)
    }
}

/// What `WORKFLOW.md` of a commit says of slots, resources and hot files; where it says what nobody knows, what holds without one.
async fn limits_at(git: &crate::ports::git::Git, commit: &Oid) -> Limits {
    let workflow = repository::workflow_at(git, commit).await.ok();
    let policy = workflow.and_then(|it| Some(it.policy(built_in("claude")?)));
    policy.map_or_else(Limits::default, |it| Limits {
        slots: usize::try_from(it.slots).ok(),
        resources: it.resources,
        hot: it.hot,
    })
}

impl Answer<Text> for Desk {
    async fn answer(&self, call: Text) -> Result<DeskText, Fault> {
        let project = self.project(call.project)?;
        let digits = call.commit.as_str();
        if !matches!(digits.len(), 40 | 64) || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(Fault::refused(format!("'{digits}' is no commit")).hint("give all digits of its id"));
        }
        let git = git_of(&project);
        let at = AtCommit::list(&git, &call.commit).await.map_err(by_git)?;
        let files = at.read([&call.file].into_iter()).await.map_err(by_git)?;
        let bytes = files.get(&call.file).ok_or_else(|| {
            Fault::missing(format!("{} is not in {} at {}", call.file, project.name, call.commit.short()))
                .hint("it may be what is missing: write it, and commit it")
        })?;
        let text = String::from_utf8_lossy(bytes);
        let from = call.line.saturating_sub(AROUND).max(1);
        let cut = |it: &str| it.chars().take(LINE_MAX).collect::<String>();
        Ok(DeskText {
            file: call.file,
            from,
            lines: text.lines().skip(from - 1).take(2 * AROUND).map(cut).collect(),
            all: text.lines().count(),
        })
    }
}
