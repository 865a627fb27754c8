//! Worktrees: listed, removed so that they can be brought back, brought back.

use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{Answer, Fault, WorktreeId, ask};

use super::Desk;
use crate::coordination::{Input, Outcome};

impl Desk {
    /// A worktree with its whole path.
    fn worktree(&self, worktree: WorktreeId) -> Result<Worktree, Fault> {
        let it = self.look(
            |fleet| fleet.worktrees.get(&worktree).cloned(),
            || format!("there is no worktree {worktree}"),
        )?;
        Ok(self.with_path(it))
    }

    fn with_path(&self, it: Worktree) -> Worktree {
        Worktree { path: self.engine.inner.trees.path(&it.path).display().to_string(), ..it }
    }
}

impl Answer<ask::worktree::List> for Desk {
    async fn answer(&self, call: ask::worktree::List) -> Result<Vec<Worktree>, Fault> {
        let fleet = self.engine.fleet();
        let wanted = |it: &&Worktree| {
            let standing = matches!(it.state, WorktreeState::Live | WorktreeState::Making);
            (call.all || standing) && call.project.is_none_or(|project| it.project == project)
        };
        Ok(fleet.worktrees.values().filter(wanted).cloned().map(|it| self.with_path(it)).collect())
    }
}

impl Answer<ask::worktree::Remove> for Desk {
    async fn answer(&self, call: ask::worktree::Remove) -> Result<Worktree, Fault> {
        for outcome in self.act_to_end(Input::RemoveWorktree { worktree: call.worktree }).await? {
            if let Outcome::Discarded(how) = outcome {
                how?;
            }
        }
        self.worktree(call.worktree)
    }
}

impl Answer<ask::worktree::Undo> for Desk {
    async fn answer(&self, call: ask::worktree::Undo) -> Result<Worktree, Fault> {
        for outcome in self.act_to_end(Input::UndoWorktree { worktree: call.worktree }).await? {
            if let Outcome::Restored(how) = outcome {
                how?;
            }
        }
        self.worktree(call.worktree)
    }
}
