//! Worktrees whose making or removal is told when nobody waits for it any more.

use pilothouse_contract::worktree::WorktreeState;

use super::*;

#[test]
fn a_worktree_that_is_made_after_its_attempt_was_stopped_is_no_worktree_that_is_made_for_ever() {
    for made in [Ok("brief".to_owned()), Err("the disk is full".to_owned())] {
        let mut desk = Desk::new(&[task("T001", proof())], policy());
        let prepare = desk.until(|it| matches!(it, Effect::Prepare { .. }));
        let run = desk.run().id;
        desk.take(Input::StopRun { run });
        let asked = desk.done(prepare, Outcome::Prepared(made.clone()));
        let worktree = desk.fleet.worktrees.values().next().unwrap();
        let removal = Effect::Discard { worktree: worktree.id };
        assert!(asked.contains(&removal), "{asked:?}");
        let (id, is_made) = (worktree.id, made.is_ok());
        let stands = worktree.state == WorktreeState::Live;
        assert_eq!(stands, is_made, "{:?}", worktree.state);
        // Nothing of it stood there, or it could not be removed: then a person may.
        let mut other = Desk { fleet: desk.fleet.clone(), ..Desk::new(&[task("T001", proof())], policy()) };
        other.done(removal.clone(), Outcome::Discarded(Err(Fault::environment("no"))));
        assert_eq!(other.fleet.worktrees[&id].state, WorktreeState::Live);
        desk.done(removal, Outcome::Done);
        let is_gone = matches!(desk.fleet.worktrees[&id].state, WorktreeState::Gone { .. });
        assert_eq!(is_gone, !is_made, "{:?}", desk.fleet.worktrees[&id].state);
    }
}
