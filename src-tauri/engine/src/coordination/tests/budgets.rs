//! Budgets of runs at moments that are hard to meet: while agents work, while only proofs run, and when nothing is left to use any.

use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::stop::Stop;

use super::*;

const FUSE: Fuse = Fuse { minds: Minds::Tokens, spent: 120, limit: 100 };

fn over() -> Input {
    Input::OverBudget { run: RunId(1), fuse: FUSE }
}

#[test]
fn a_run_over_its_budget_is_parked_while_its_agents_work() {
    let mut desk = Desk::new(&[task("T001", proof()), task("T002", proof())], policy());
    let Effect::Launch { session } = desk.until(|it| matches!(it, Effect::Launch { .. })) else { panic!() };
    desk.done(Effect::Launch { session }, Outcome::Launched(Ok(running())));
    let effects = desk.take(over());
    assert_eq!((desk.run().state, &desk.run().stop), (RunState::Parked, &Some(Stop::Budget { fuse: FUSE })));
    assert!(desk.run().why.contains("used 120 of 100 tokens; raise run_tokens"), "{}", desk.run().why);
    assert!(
        effects.iter().any(|it| matches!(it, Effect::EndSession { session: it } if *it == session)),
        "{effects:?}"
    );
    assert!(desk.fleet.attempts.values().all(|it| it.state.is_over()), "a parked run is at rest");
    // Told again, as by the log of a session that just ended, it stays as it is.
    let before = desk.records.len();
    desk.take(over());
    assert_eq!(desk.records.len(), before);
}

#[test]
fn what_only_waits_for_its_proof_is_brought_to_its_end() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let read = desk.until(|it| matches!(it, Effect::Read { .. }));
    desk.take(over());
    assert_eq!(desk.run().state, RunState::Running, "its agent is done, and proofs cost nothing");
    desk.pending.push_front(read);
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
    let state = desk.run().state;
    desk.take(over());
    assert_eq!(desk.run().state, state, "nothing of it uses any more");
}
