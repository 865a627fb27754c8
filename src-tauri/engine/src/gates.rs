//! How the gates of an item stand now: the commit that counts is found, its files are read, its card and its red checks are added.
//!
//! Refuses to judge; `policy/stands.rs` does.

use pilothouse_contract::card::Draft;
use pilothouse_contract::gate::Stand;
use pilothouse_contract::item::{Item, ItemState};
use pilothouse_contract::project::Project;
use pilothouse_contract::spec::Spec;
use pilothouse_contract::{At, Fault, Oid};

use crate::coordination::draft::{is_under_way, red_checks};
use crate::coordination::{DraftRead, ItemFound, Merged};
use crate::engine::Engine;
use crate::execution::drafting::{Desk, laid_at};
use crate::execution::{commits, repository};
use crate::observability::trajectories;
use crate::perform::{git_of, now};
use crate::policy::family;
use crate::policy::stands::{Known, stands};
use crate::ports::git::{Git, GitError};

fn in_words(error: &GitError) -> Fault {
    Fault::environment(error.to_string())
}

/// Where the branch of a draft stands: at its head, or where somebody went on from there.
///
/// # Errors
/// In words, if somebody moved it elsewhere, or git does not answer.
pub(crate) async fn tip(git: &Git, draft: &Draft) -> Result<Oid, Fault> {
    let stands = git.commit_of(draft.branch.as_str()).await.map_err(|error| in_words(&error))?;
    let Some(stands) = stands.filter(|it| *it != draft.head) else { return Ok(draft.head.clone()) };
    if git.is_ancestor(&draft.head, &stands).await.map_err(|error| in_words(&error))? {
        return Ok(stands);
    }
    let branch = draft.branch.short();
    Err(Fault::refused(format!(
        "{branch} stands at {}, which does not go on from the draft's newest commit {}",
        stands.short(),
        draft.head.short()
    ))
    .command("put it back", format!("git branch --force {branch} {}", draft.head)))
}

impl Engine {
    /// The draft of an item whose spec is not on the default branch yet.
    pub(crate) fn draft_of(&self, item: &Item) -> Option<Draft> {
        self.fleet().cards.get(&item.id).and_then(|card| card.draft.clone())
    }

    /// What drafts of a project say, as far as they are written: a person is shown their proofs before the first run.
    pub(crate) async fn drafted(&self, project: &Project) -> Result<Vec<Spec>, Fault> {
        let drafts: Vec<Draft> = {
            let fleet = self.fleet();
            let of = |it: &&Item| it.project == project.id && it.state != ItemState::Landed;
            let items = fleet.items.values().filter(of);
            items.filter_map(|it| fleet.cards.get(&it.id)?.draft.clone()).collect()
        };
        let git = git_of(project);
        let mut specs = Vec::new();
        for draft in drafts {
            // One whose branch somebody moved elsewhere begins no run either.
            let Ok(tip) = tip(&git, &draft).await else { continue };
            let laid = laid_at(&git, &tip, &draft.folder).await.map_err(|error| in_words(&error))?;
            specs.push(laid.spec());
        }
        Ok(specs)
    }

    /// How the gates of an item stand at a commit that holds its spec.
    pub(crate) async fn gates_at(
        &self,
        item: &Item,
        project: &Project,
        commit: &Oid,
        wip: u32,
    ) -> Result<Vec<Stand>, Fault> {
        let folder = self.draft_of(item).map_or_else(|| item.spec.folder.clone(), |it| it.folder);
        let laid = laid_at(&git_of(project), commit, &folder).await.map_err(|error| in_words(&error))?;
        let looks = laid.looks();
        let (card, red, under_way) = {
            let fleet = self.fleet();
            let under_way =
                |it: &&Item| it.project == project.id && (it.id == item.id || is_under_way(&fleet, it));
            let count = fleet.items.values().filter(under_way).count();
            (fleet.cards.get(&item.id).cloned(), red_checks(&fleet, item, &laid.spec()), count)
        };
        Ok(stands(&Known {
            slug: &item.slug,
            folder: &folder,
            card: card.as_ref(),
            looks: &looks,
            commit,
            tree: &laid.tree,
            at: now(),
            under_way: (under_way, wip),
            red: &red,
        }))
    }

    /// The commit that a run of an item would begin from: the default branch's where that holds its spec, else the draft's with the
    /// default branch merged into it, as an object that no branch points to.
    pub(crate) async fn begins_from(
        &self,
        item: &Item,
        project: &Project,
        earlier: Option<&Oid>,
    ) -> Result<Option<Oid>, Fault> {
        let git = git_of(project);
        let Some(draft) = self.unlanded(item, project).await? else { return Ok(None) };
        let tip = tip(&git, &draft).await?;
        let at = At(draft.moved.0);
        let made = |merged: Merged, other: &str, cure: &str| match merged {
            Merged::Made { result } => Ok(result.commit),
            Merged::Clash { paths } => {
                let says = format!("{} clashes with {other} in {}", draft.branch.short(), paths.join(", "));
                Err(Fault::refused(says).hint(cure))
            }
            Merged::Failed { why } => Err(Fault::environment(why)),
        };
        let from = match earlier {
            // What a run carries already is settled, but for what a person mended on the draft's branch since.
            Some(approved) => {
                let merged = commits::take_in(&git, &draft.branch, approved, &tip, at).await;
                let other = format!("what the run was approved at, {},", approved.short());
                made(merged, &other, "merge that into it by hand, and start the run again")?
            }
            None => tip,
        };
        let merged = commits::take_in(&git, &draft.branch, &from, &project.main, at).await;
        let cure = "merge the default branch into it by hand, and start the run again";
        made(merged, project.default_branch.short(), cure).map(Some)
    }

    /// The draft of an item, unless the default branch holds its spec already.
    pub(crate) async fn unlanded(&self, item: &Item, project: &Project) -> Result<Option<Draft>, Fault> {
        let Some(draft) = self.draft_of(item) else { return Ok(None) };
        if draft.is_taken_up() {
            let holds = git_of(project).is_ancestor(&draft.head, &project.main).await;
            return Ok((!holds.map_err(|error| in_words(&error))?).then_some(draft));
        }
        let specs = repository::specs_at(&git_of(project), &project.main).await;
        let specs = specs.map_err(|error| in_words(&error))?;
        Ok((!specs.iter().any(|it| it.slug == item.slug)).then_some(draft))
    }

    /// The items at a commit of the default branch, but for those whose spec is refined here and newer than what it holds.
    ///
    /// # Errors
    /// In words, if git does not answer.
    pub(crate) async fn items_at(&self, project: &Project, commit: &Oid) -> Result<Vec<ItemFound>, Fault> {
        let git = git_of(project);
        let mut items = repository::specs_at(&git, commit).await.map_err(|error| in_words(&error))?;
        let refined: Vec<(Spec, Oid)> = {
            let fleet = self.fleet();
            let of = fleet.items.values().filter(|it| it.project == project.id);
            let draft = |it: &Item| fleet.cards.get(&it.id)?.draft.clone().filter(Draft::is_taken_up);
            of.filter_map(|it| Some((it.spec.clone(), draft(it)?.head))).collect()
        };
        for (spec, head) in refined {
            if !git.is_ancestor(&head, commit).await.map_err(|error| in_words(&error))? {
                items.retain(|it| !it.spec.is_of(&spec));
            }
        }
        Ok(items)
    }

    /// Reads what a session at a draft left and what it used.
    pub(crate) async fn read_draft(&self, desk: &Desk, at: At) -> Result<Box<DraftRead>, String> {
        let session = desk.sitting.session;
        let followed = self.followed(&self.fleet(), session);
        if let Some(followed) = &followed {
            trajectories::finish(&self.inner.store, followed).await;
        }
        let mut read = self.inner.attempts.read_draft(desk, at).await?;
        if let Some(followed) = followed {
            let spent = self.inner.store.spent(session, 0, &followed.prices).await;
            read.used.tokens = spent.map(|it| it.tokens).unwrap_or_default();
            read.used.model = self.inner.store.newest_model(session).await.unwrap_or_default();
            read.used.family = read.used.model.as_deref().and_then(family::of_model).map(str::to_owned);
        }
        Ok(Box::new(read))
    }
}
