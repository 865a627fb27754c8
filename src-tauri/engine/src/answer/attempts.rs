//! Attempts: shown with their sessions, brief and evidence; and what they changed.

use pilothouse_contract::run::{Run, RunState};
use pilothouse_contract::session::Session;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{Answer, AttemptId, Fault, Oid, ask};

use super::Desk;
use crate::execution::attempts::Matter;
use crate::ports::git::Git;

/// A diff is shown up to this length, in bytes.
const DIFF_MAX: usize = 1024 * 1024;
/// So many paths of one attempt are named.
const PATHS_MAX: usize = 500;

impl Answer<ask::attempt::Show> for Desk {
    async fn answer(&self, call: ask::attempt::Show) -> Result<ask::attempt::AttemptPage, Fault> {
        let id = call.attempt;
        let attempt = self.look(|fleet| fleet.attempts.get(&id).cloned(), || no_attempt(id))?;
        let brief = self.engine.inner.attempts.brief_text(id).await.unwrap_or_default();
        let (sessions, evidence) = {
            let fleet = self.engine.fleet();
            let mine = fleet.sessions.values().filter(|it| it.attempt == Some(id));
            let sessions: Vec<Session> = mine.cloned().collect();
            let evidence = fleet.evidence.values().filter(|it| it.subject.attempt == Some(id));
            (sessions, evidence.cloned().collect())
        };
        let sessions = sessions.into_iter().map(|it| self.session_line(it)).collect();
        Ok(ask::attempt::AttemptPage { attempt, sessions, brief, evidence })
    }
}

impl Answer<ask::attempt::Diff> for Desk {
    async fn answer(&self, call: ask::attempt::Diff) -> Result<ask::attempt::AttemptDiff, Fault> {
        let id = call.attempt;
        let matter = self.look(|fleet| Matter::of(fleet, id), || no_attempt(id))?;
        let (onto, commit, to) = self.ends_of(&matter).await?;
        let (diff, cut) = between(&matter.git(), &onto, &to).await?;
        Ok(ask::attempt::AttemptDiff { diff, cut, onto, commit })
    }
}

impl Answer<ask::attempt::Touched> for Desk {
    async fn answer(&self, call: ask::attempt::Touched) -> Result<Vec<ask::attempt::TouchedFiles>, Fault> {
        let matters: Vec<Matter> = {
            let fleet = self.engine.fleet();
            let wanted = |it: &&Run| {
                (it.state.is_live() || it.state == RunState::Parked)
                    && call.item.is_none_or(|item| item == it.item)
            };
            let newest = |it: &Run| it.tasks.iter().filter_map(|it| it.attempts.last().copied()).collect();
            let ids = fleet.runs.values().filter(wanted).flat_map(|it| -> Vec<AttemptId> { newest(it) });
            ids.filter_map(|id| Matter::of(&fleet, id)).collect()
        };
        let mut all = Vec::new();
        for matter in matters {
            // One that cannot be looked at now, because its worktree comes or goes, is left out.
            let Some(mut paths) = self.touched(&matter).await.filter(|it| !it.is_empty()) else { continue };
            paths.truncate(PATHS_MAX);
            let (attempt, run, task) = (matter.attempt.id, matter.attempt.run, matter.attempt.task.clone());
            all.push(ask::attempt::TouchedFiles { attempt, run, task, paths });
        }
        Ok(all)
    }
}

impl Desk {
    /// What an attempt changed: from which commit, to which commit if it made one, and to which commit or tree.
    pub(super) async fn ends_of(&self, matter: &Matter) -> Result<(Oid, Option<Oid>, Oid), Fault> {
        Ok(match &matter.attempt.candidate {
            Some(made) => (made.onto.clone(), Some(made.commit.clone()), made.commit.clone()),
            None => {
                stands(matter)?;
                let tree = self.engine.inner.attempts.look_on(matter).await?;
                (matter.attempt.base.clone(), None, tree)
            }
        })
    }

    /// The paths that an attempt changed.
    async fn touched(&self, matter: &Matter) -> Option<Vec<String>> {
        if let Some(made) = &matter.attempt.candidate {
            return Some(made.paths.clone());
        }
        stands(matter).ok()?;
        let tree = self.engine.inner.attempts.look_on(matter).await.ok()?;
        matter.git().changed(&matter.attempt.base, &tree).await.ok()
    }
}

pub(super) fn no_attempt(id: AttemptId) -> String {
    format!("there is no attempt {id}")
}

/// Whether there is a worktree to look at.
fn stands(matter: &Matter) -> Result<(), Fault> {
    let (id, worktree) = (matter.attempt.id, matter.worktree.id);
    match &matter.worktree.state {
        WorktreeState::Live => Ok(()),
        WorktreeState::Making => {
            Err(Fault::refused(format!("the worktree of {id} is not made yet")).hint("ask again in a moment"))
        }
        WorktreeState::Removed { .. } => Err(Fault::refused(format!(
            "{id} ended without a commit, and its worktree {worktree} is removed"
        ))
        .command("bring it back, then ask again", format!("pilothouse worktree undo {worktree}"))),
        WorktreeState::Gone { why } => {
            Err(Fault::refused(format!("{id} ended without a commit, and its worktree is gone: {why}")))
        }
    }
}

/// The change from one commit or tree to another. Nothing of the repository's own is run to show it.
async fn between(git: &Git, old: &Oid, new: &Oid) -> Result<(String, bool), Fault> {
    let args =
        ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", old.as_str(), new.as_str()];
    let out = git.run(&args, b"").await.map_err(|error| Fault::environment(error.to_string()))?;
    let cut = out.len() > DIFF_MAX;
    Ok((String::from_utf8_lossy(out.get(..DIFF_MAX).unwrap_or(&out)).into_owned(), cut))
}
