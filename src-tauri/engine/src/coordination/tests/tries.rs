//! Tries after the first: rests between them, checks that are run again, and what git did without saying so.

use super::*;

/// A desk whose first agent of `T001` ended badly, as often as that.
fn crashed(times: u32, policy: Policy) -> (Desk, Effect) {
    let mut desk = Desk::new(&[task("T001", proof())], policy);
    let mut rest = None;
    for _ in 0..times {
        let Effect::Launch { session } = desk.until(|it| matches!(it, Effect::Launch { .. })) else {
            panic!()
        };
        desk.done(Effect::Launch { session }, Outcome::Launched(Ok(running())));
        let end = ended(Ending::Exited { code: 1 });
        let effects = desk.take(Input::SessionEnded { session, end, did_nothing: false });
        rest = effects.into_iter().find(|it| matches!(it, Effect::Rest { .. }));
        desk.pending.retain(|it| !matches!(it, Effect::Rest { .. }));
        if let Some(rest) = rest.clone().filter(|_| desk.run().tasks[0].failures < times) {
            desk.done(rest, Outcome::Done);
        }
    }
    (desk, rest.unwrap())
}

#[test]
fn a_task_rests_longer_after_each_agent_that_ended_badly() {
    let policy = Policy { attempts: 9, ..policy() };
    let rests = (1..=7).map(|times| {
        let (desk, rest) = crashed(times, policy.clone());
        let Effect::Rest { until, .. } = rest else { panic!() };
        assert_eq!(
            schedule::waits(&desk.fleet, desk.run())[0].1,
            pilothouse_contract::run::Wait::Rest { until }
        );
        assert_eq!(desk.run().state, RunState::Running, "resting is not the end");
        until.since_ms(At(1)) / 1000
    });
    assert_eq!(rests.collect::<Vec<_>>(), [10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn work_that_did_not_hold_is_tried_again_after_a_second() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    desk.fails(Gate::Verify);
    assert_eq!(desk.states(), [("T001", "active")], "it may be a flake");
    let effects = desk.fails(Gate::Verify);
    assert_eq!(desk.fleet.attempts[&AttemptId(1)].failure, Some(Failure::VerifyFailed));
    assert!(
        effects.iter().any(|it| matches!(it, Effect::Rest { until, .. } if *until == At(1_001))),
        "{effects:?}"
    );
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
}

#[test]
fn a_rest_ends_once_and_a_person_may_end_it_sooner() {
    let policy = Policy { attempts: 9, ..policy() };
    let (mut desk, rest) = crashed(1, policy);
    desk.take(Input::PauseRun { run: RunId(1), paused: false });
    assert_eq!(desk.states(), [("T001", "active")], "whoever lets it go on does not wait");
    assert!(desk.done(rest, Outcome::Done).is_empty(), "the rest that was lifted ends nothing");
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
    assert_eq!(desk.run().tasks[0].attempts.len(), 2);
}

#[test]
fn a_paused_run_rests_and_begins_nothing_when_the_rest_is_over() {
    let (mut desk, rest) = crashed(1, policy());
    desk.take(Input::PauseRun { run: RunId(1), paused: true });
    desk.done(rest, Outcome::Done);
    assert_eq!((desk.states(), desk.run().state), (vec![("T001", "waiting")], RunState::Running));
    desk.take(Input::PauseRun { run: RunId(1), paused: false });
    assert_eq!(desk.states(), [("T001", "active")]);
}

#[test]
fn a_check_that_holds_when_it_is_run_again_is_called_a_flake() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    for gate in [Gate::Verify, Gate::Landing] {
        desk.fails(gate);
        let failed = *desk.fleet.evidence.keys().next_back().unwrap();
        let effect = desk.until(is_check(gate));
        desk.perform(effect);
        let again = desk.fleet.evidence.values().find(|it| it.gate == gate && it.passed()).unwrap();
        assert_eq!(again.flaky_after, Some(failed));
        assert!(again.why.contains("flake"), "{}", again.why);
    }
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
    let pull = &desk.fleet.pulls[&PullId(1)];
    assert!(pull.body.verified[0].says.ends_with("a flake: it failed there at first"), "{:?}", pull.body);
    assert_eq!(pull.state, PullState::WaitsForApproval);
}

#[test]
fn where_nothing_is_run_again_the_first_failure_counts() {
    let mut desk = Desk::new(&[task("T001", proof())], Policy { rerun: false, ..policy() });
    desk.fails(Gate::Verify);
    assert_eq!(desk.fleet.attempts[&AttemptId(1)].failure, Some(Failure::VerifyFailed));
}

#[test]
fn what_was_put_on_the_branch_and_said_to_have_failed_is_done_once_the_run_goes_on() {
    let mut desk =
        Desk::new(&[task("T001", proof()), task("T002", proof())], Policy { slots: 1, ..policy() });
    let effect = desk.until(is_task_move);
    let Effect::Advance { new, .. } = effect.clone() else { unreachable!() };
    // Git moved it, and could not say so.
    desk.done(effect, Outcome::Advanced(Advanced::Failed { why: "git does not answer".to_owned() }));
    assert_eq!(desk.run().state, RunState::Parked);
    desk.take(facts(&[task("T001", proof()), task("T002", proof())], "m0", policy()));
    let branch = desk.until(|it| matches!(it, Effect::MakeBranch { .. }));
    desk.done(branch, Outcome::Branch(Ok(new.clone())));
    assert_eq!(desk.states()[0], ("T001", "done"), "the branch says so");
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done"), ("T002", "done")]);
    assert_eq!(desk.run().tasks[0].attempts.len(), 1, "it was not made twice");
}
