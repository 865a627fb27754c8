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
        let removes = asked.contains(&Effect::Discard { worktree: worktree.id });
        match made {
            Ok(_) => assert!(worktree.state == WorktreeState::Live && removes, "{:?}", worktree.state),
            Err(why) => assert_eq!((&worktree.state, removes), (&WorktreeState::Gone { why }, false)),
        }
    }
}
