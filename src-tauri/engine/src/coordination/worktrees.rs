//! Worktrees: removed so that they can be brought back, and only when nobody works in them.

use pilothouse_contract::worktree::{Recovery, Seen, Worktree, WorktreeState};
use pilothouse_contract::{AttemptId, Event, Fault, WorktreeId};

use super::Work;
use super::effect::Effect;

impl Work<'_> {
    /// A person removes a worktree.
    pub(super) fn remove_worktree(&mut self, worktree: WorktreeId) -> Result<(), Fault> {
        let it = self.worktree(worktree)?.clone();
        match &it.state {
            WorktreeState::Live => {}
            WorktreeState::Making => return Err(Fault::refused(format!("{worktree} is still being made"))),
            WorktreeState::Gone { why } => {
                return Err(Fault::refused(format!("{worktree} is gone already: {why}")));
            }
            WorktreeState::Removed { .. } => {
                return Err(Fault::refused(format!("{worktree} is removed already"))
                    .command("bring it back", format!("pilothouse worktree undo {worktree}")));
            }
        }
        if let Some(who) = self.user_of(&it) {
            return Err(Fault::refused(format!("{worktree} is in use by {who}")));
        }
        self.effect(Effect::Discard { worktree });
        Ok(())
    }

    /// A person brings one back.
    pub(super) fn undo_worktree(&mut self, worktree: WorktreeId) -> Result<(), Fault> {
        let it = self.worktree(worktree)?;
        match &it.state {
            WorktreeState::Removed { recovery } if recovery.until < self.now => {
                Err(Fault::refused(format!("{worktree} was removed too long ago and its bytes are gone"))
                    .hint(format!(
                        "its commits are kept under {}",
                        recovery.refs.first().map(ToString::to_string).unwrap_or_default()
                    )))
            }
            WorktreeState::Removed { .. } => {
                self.effect(Effect::Restore { worktree });
                Ok(())
            }
            state => {
                Err(Fault::refused(format!("{worktree} is {}: there is nothing to bring back", state.word())))
            }
        }
    }

    /// The engine removes one that is no longer needed.
    pub(super) fn discard(&mut self, worktree: WorktreeId) {
        let live = self.fleet.worktrees.get(&worktree).filter(|it| it.state == WorktreeState::Live).cloned();
        if live.is_some_and(|it| self.user_of(&it).is_none()) {
            self.effect(Effect::Discard { worktree });
        }
    }

    /// A worktree was made, or could not be, after its attempt had ended: it comes to its end too, for nobody worked in it.
    pub(super) fn prepared_late(&mut self, attempt: AttemptId, made: Result<String, String>) {
        let of = self.fleet.attempts.get(&attempt).and_then(|it| self.fleet.worktrees.get(&it.worktree));
        let Some(worktree) = of.filter(|it| it.state == WorktreeState::Making).map(|it| it.id) else {
            return;
        };
        match made {
            Ok(_) => {
                self.engine(Event::WorktreeMade { worktree });
                self.discard(worktree);
            }
            Err(_) => self.not_made(worktree),
        }
    }

    /// What makes a worktree failed, and may have made it all the same: what stands of it is removed as any other is. Until that is
    /// told it is one that is being made, for nobody knows.
    pub(super) fn not_made(&mut self, worktree: WorktreeId) {
        self.effect(Effect::Discard { worktree });
    }

    /// A removal came to its end; without a word of how, nothing stood there.
    pub(super) fn discarded(&mut self, worktree: WorktreeId, how: Option<Result<Recovery, Fault>>) {
        // It may have been seen missing before its removal was told.
        let Some(it) = self.fleet.worktrees.get(&worktree) else { return };
        if matches!(it.state, WorktreeState::Removed { .. }) {
            return;
        }
        let (project, making) = (Some(it.project), it.state == WorktreeState::Making);
        match how {
            Some(Ok(recovery)) => self.engine(Event::WorktreeRemoved { worktree, recovery }),
            Some(Err(fault)) => {
                if making {
                    // It stands, and a person may remove it.
                    self.engine(Event::WorktreeMade { worktree });
                }
                self.engine(Event::Notice { project, says: format!("{worktree} was not removed: {fault}") });
            }
            None if making => {
                let why = "it could not be made".to_owned();
                self.engine(Event::WorktreeGone { worktree, why });
            }
            None => {}
        }
    }

    pub(super) fn restored(&mut self, worktree: WorktreeId, how: Result<Vec<String>, Fault>) {
        let project = self.fleet.worktrees.get(&worktree).map(|it| it.project);
        match how {
            Ok(lost) => self.engine(Event::WorktreeRestored { worktree, lost }),
            Err(fault) => {
                self.engine(Event::Notice {
                    project,
                    says: format!("{worktree} was not brought back: {fault}"),
                });
            }
        }
    }

    pub(super) fn worktree_seen(&mut self, worktree: WorktreeId, seen: Seen) {
        let Some(it) = self.fleet.worktrees.get(&worktree).filter(|it| it.state == WorktreeState::Live)
        else {
            return;
        };
        let same = it.seen.as_ref().is_some_and(|before| Seen { at: seen.at, ..before.clone() } == seen);
        if !same {
            self.engine(Event::WorktreeSeen { worktree, seen });
        }
    }

    pub(super) fn worktree_lost(&mut self, worktree: WorktreeId, why: String) {
        if self.fleet.worktrees.get(&worktree).is_some_and(|it| it.state == WorktreeState::Live) {
            self.engine(Event::WorktreeGone { worktree, why });
        }
    }

    /// Who works in a worktree: its attempt, or a session.
    fn user_of(&self, worktree: &Worktree) -> Option<String> {
        let attempt =
            worktree.attempt.and_then(|id| self.fleet.attempts.get(&id)).filter(|it| !it.state.is_over());
        if let Some(attempt) = attempt {
            return Some(format!("attempt {} of {}", attempt.id, attempt.task));
        }
        let kept_for = |id: AttemptId| {
            let it = self.fleet.attempts.get(&id)?;
            let task = self.fleet.runs.get(&it.run)?.task(&it.task)?;
            (task.goes_on == Some(id)).then_some(&it.task)
        };
        if let Some(task) = worktree.attempt.and_then(kept_for) {
            return Some(format!("the next try of {task}, which goes on there"));
        }
        let sessions = self.fleet.sessions.values();
        let mut live = sessions.filter(|it| it.end.is_none() && it.worktree == Some(worktree.id));
        live.next().map(|it| format!("session {}", it.id))
    }

    fn worktree(&self, worktree: WorktreeId) -> Result<&Worktree, Fault> {
        self.fleet
            .worktrees
            .get(&worktree)
            .ok_or_else(|| Fault::missing(format!("there is no worktree {worktree}")))
    }
}
