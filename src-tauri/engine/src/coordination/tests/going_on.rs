//! Tries that go on where the last one stood: when they do, when they do not, and what of that counts.

use pilothouse_contract::attempt::Attempt;
use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::run::TaskRun;
use pilothouse_contract::{SessionId, WorktreeId};

use super::*;

/// A policy whose agent can go on with a session of it.
fn resumes(attempts: u32) -> Policy {
    let policy = policy();
    let agent = built_in("claude").unwrap();
    Policy { agent, attempts, retry_s: 0, ..policy }
}

impl Desk {
    /// The next agent runs, under an id of its own session.
    fn agent_runs(&mut self) -> SessionId {
        let Effect::Launch { session } = self.until(|it| matches!(it, Effect::Launch { .. })) else {
            panic!()
        };
        let native = Some(format!("own {session}"));
        self.done(Effect::Launch { session }, Outcome::Launched(Ok(Running { native, ..running() })));
        session
    }

    fn ends(&mut self, session: SessionId, code: i32, did_nothing: bool) -> Vec<Effect> {
        let end = ended(Ending::Exited { code });
        self.take(Input::SessionEnded { session, end, did_nothing })
    }

    fn newest(&self) -> &Attempt {
        self.fleet.attempts.values().next_back().unwrap()
    }

    fn the_task(&self) -> &TaskRun {
        &self.run().tasks[0]
    }
}

#[test]
fn a_try_goes_on_in_the_worktree_and_the_session_of_the_last_one() {
    let mut desk = Desk::new(&[task("T001", proof())], resumes(3));
    let session = desk.agent_runs();
    desk.ends(session, 1, false);
    let it = desk.newest().clone();
    assert_eq!((it.id, it.continues, it.worktree), (AttemptId(2), Some(AttemptId(1)), WorktreeId(1)));
    assert_eq!(desk.fleet.worktrees[&WorktreeId(1)].attempt, Some(AttemptId(2)));
    assert!(!desk.pending.iter().any(|it| matches!(it, Effect::Discard { .. })), "{:?}", desk.pending);
    let on = desk.agent_runs();
    let native = desk.fleet.resumed_by(desk.newest()).unwrap().running.as_ref().unwrap().native.clone();
    assert_eq!(native, Some(format!("own {session}")));
    // Its proof failed before the work once, and is not run again for that.
    let red = desk.fleet.evidence.values().filter(|it| it.gate == Gate::RedCheck).count();
    assert_eq!((red, desk.newest().evidence.len(), desk.newest().state), (1, 1, AttemptState::Working));
    // It fails again: whoever comes next begins afresh, and the old worktree goes.
    let effects = desk.ends(on, 1, false);
    let it = desk.newest().clone();
    assert_eq!((it.id, it.continues, it.worktree), (AttemptId(3), None, WorktreeId(2)));
    assert!(effects.contains(&Effect::Discard { worktree: WorktreeId(1) }), "{effects:?}");
    desk.go_to_the_end();
    assert_eq!((desk.states(), desk.the_task().failures), (vec![("T001", "done")], 2));
}

#[test]
fn work_that_did_not_hold_is_gone_on_with_and_a_stray_is_not() {
    let mut desk = Desk::new(&[task("T001", proof())], Policy { rerun: false, ..resumes(3) });
    let session = desk.agent_runs();
    desk.ends(session, 0, false);
    desk.fails(Gate::Verify);
    assert_eq!(desk.newest().continues, Some(AttemptId(1)));
    let mut desk = Desk::new(&[task("T001", proof())], resumes(3));
    let session = desk.agent_runs();
    desk.ends(session, 0, false);
    let read = desk.until(|it| matches!(it, Effect::Read { .. }));
    desk.done(read, Outcome::Read(Ok(None)));
    assert_eq!((desk.newest().id, desk.newest().continues), (AttemptId(2), None), "it did nothing at all");
}

#[test]
fn a_session_that_cannot_be_gone_on_with_is_no_failure_of_the_task_the_first_time() {
    let mut desk = Desk::new(&[task("T001", proof())], resumes(4));
    for (failures, continues) in [(1, true), (1, false), (2, true), (3, false)] {
        let session = desk.agent_runs();
        // Those that go on do nothing, the others something.
        let goes_on = desk.newest().continues.is_some();
        desk.ends(session, 1, goes_on);
        assert_eq!((desk.the_task().failures, desk.newest().continues.is_some()), (failures, continues));
    }
    let failed: Vec<&str> =
        desk.fleet.attempts.values().filter_map(|it| Some(it.failure.as_ref()?.word())).collect();
    assert_eq!(failed, ["agent-exit", "not-resumed", "agent-exit", "not-resumed"]);
}

#[test]
fn a_worktree_that_is_kept_for_the_next_try_is_nobodys_to_remove_and_is_let_go_with_the_run() {
    let mut desk = Desk::new(&[task("T001", proof())], Policy { retry_s: 10, ..resumes(3) });
    let session = desk.agent_runs();
    desk.ends(session, 1, false);
    assert_eq!(desk.the_task().goes_on, Some(AttemptId(1)));
    let remove = Input::RemoveWorktree { worktree: WorktreeId(1) };
    let refused = desk.try_take(remove.clone()).unwrap_err().to_string();
    assert!(refused.contains("in use by the next try of T001"), "{refused}");
    // Parked and let go on it begins afresh: the old one may be on its way out.
    desk.take(Input::StopRun { run: RunId(1) });
    assert_eq!(desk.the_task().goes_on, None);
    assert_eq!(desk.take(remove), [Effect::Discard { worktree: WorktreeId(1) }]);
}

#[test]
fn a_full_context_is_handed_over_to_a_fresh_session_and_counts_as_no_try() {
    // An agent that cannot go on in a session of its own can be handed over all the same.
    let mut desk = Desk::new(&[task("T001", proof())], Policy { attempts: 1, ..policy() });
    let full = |session| Input::FuseBlown {
        session,
        fuse: Fuse { minds: Minds::Context, spent: 170_000, limit: 160_000 },
    };
    for handed in 0..begin::HAND_OVERS_MAX {
        let session = desk.agent_runs();
        assert_eq!(desk.take(full(session)), [Effect::EndSession { session }], "its session is ended first");
        assert!(desk.take(full(session)).is_empty(), "once");
        assert_eq!(desk.newest().state, AttemptState::Working);
        // Whatever exit code it ends with: it was asked to.
        desk.ends(session, 0, false);
        let it = desk.newest();
        assert_eq!(it.id, AttemptId(u32::try_from(handed).unwrap() + 2));
        assert_eq!((it.worktree, desk.the_task().failures), (WorktreeId(1), 0));
        assert!(it.continues.is_some() && desk.fleet.resumed_by(it).is_none(), "in a session of its own");
        let before = &desk.fleet.attempts[&it.continues.unwrap()];
        assert_eq!(before.failure, Some(Failure::HandedOver { fill: 170_000 }));
    }
    let session = desk.agent_runs();
    desk.take(full(session));
    assert_eq!(desk.newest().failure, Some(Failure::HandedOverTooOften));
    assert_eq!((desk.states(), desk.the_task().failures), (vec![("T001", "parked")], 1));
}

#[test]
fn who_is_handed_over_waits_while_the_run_is_paused_and_lands_afterwards() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let session = desk.agent_runs();
    desk.take(Input::PauseRun { run: RunId(1), paused: true });
    let fuse = Fuse { minds: Minds::Context, spent: 2, limit: 1 };
    desk.take(Input::FuseBlown { session, fuse });
    desk.ends(session, 143, false);
    assert_eq!((desk.states(), desk.the_task().goes_on), (vec![("T001", "waiting")], Some(AttemptId(1))));
    desk.take(Input::PauseRun { run: RunId(1), paused: false });
    assert_eq!(desk.newest().continues, Some(AttemptId(1)));
    desk.go_to_the_end();
    assert_eq!((desk.states(), desk.the_task().failures), (vec![("T001", "done")], 0));
}

#[test]
fn history_of_before_there_was_any_going_on_reads_the_same() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    desk.go_to_the_end();
    let told = serde_json::to_string(&desk.records).unwrap();
    // As it was written then: none of the words is in it.
    for word in ["continues", "goes_on", "\"resume\"", "hands_over"] {
        assert!(!told.contains(word), "{word}");
    }
    let mut fleet = Fleet::default();
    let events: Vec<Event> = serde_json::from_str(&told).unwrap();
    for (event, seq) in events.into_iter().zip(1..) {
        fleet.apply(&pilothouse_contract::Record { seq, at: At(1), who: Who::Engine, event });
    }
    assert_eq!((&fleet.attempts, &fleet.worktrees), (&desk.fleet.attempts, &desk.fleet.worktrees));
    assert_eq!(fleet.runs[&RunId(1)].tasks, desk.run().tasks);
}
