//! Runs that follow the issue that they were queued for.

use pilothouse_contract::claim::{Claim, Standing};

use super::*;

fn queued_for_an_issue() -> Desk {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let claim = Claim { id: "1".to_owned(), identifier: "A-1".to_owned(), url: None };
    if let Some(run) = desk.fleet.runs.get_mut(&RunId(1)) {
        run.claim = Some(claim);
    }
    desk
}

fn see(desk: &mut Desk, standing: Standing) -> Vec<Effect> {
    desk.take(Input::IssuesSeen { seen: vec![(RunId(1), standing)] })
}

fn away() -> Standing {
    Standing::Away { says: "A-1 is Backlog".to_owned() }
}

#[test]
fn a_run_waits_while_its_issue_is_not_to_be_worked_and_goes_on_when_it_is() {
    let mut desk = queued_for_an_issue();
    see(&mut desk, away());
    assert!(desk.run().is_paused());
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "waiting")]);
    let told = desk.records.len();
    see(&mut desk, away());
    assert_eq!(desk.records.len(), told, "once");
    see(&mut desk, Standing::Active);
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
}

#[test]
fn what_a_person_paused_is_not_let_go_by_the_issue() {
    let mut desk = queued_for_an_issue();
    desk.take(Input::PauseRun { run: RunId(1), paused: true });
    see(&mut desk, away());
    see(&mut desk, Standing::Active);
    assert!(desk.run().is_paused());
}

#[test]
fn a_run_whose_issue_is_over_is_stopped_and_one_without_a_claim_is_left_alone() {
    let mut desk = queued_for_an_issue();
    see(&mut desk, Standing::Over { state: "Done".to_owned() });
    let run = desk.run();
    assert_eq!((run.state, run.why.as_str()), (RunState::Stopped, "its issue A-1 is Done"));
    let mut other = Desk::new(&[task("T001", proof())], policy());
    assert!(see(&mut other, Standing::Over { state: "Done".to_owned() }).is_empty());
    assert_eq!(other.run().state, RunState::Running);
}
