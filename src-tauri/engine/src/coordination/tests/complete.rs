//! Judges: what is left of one that could not begin, and which evidence counts.

use pilothouse_contract::audit::Shown;
use pilothouse_contract::run::Completeness;
use pilothouse_contract::spec::Requirement;
use pilothouse_contract::worktree::WorktreeState;
use pilothouse_contract::{SessionId, WorktreeId};

use super::*;

/// One task, one requirement and a judge who is asked whether it is met.
fn judged() -> Desk {
    let judged = Policy { completeness: Completeness::Report, rerun: false, retry_s: 0, ..policy() };
    let mut desk = Desk::new(&[task("T001", proof())], judged);
    let wanted = Requirement { id: "FR-001".to_owned(), text: "It is there.".to_owned(), line: 1 };
    if let Some(item) = desk.fleet.items.get_mut(&ItemId(1)) {
        item.spec.requirements = vec![wanted];
    }
    desk
}

fn is_judge(desk: &Desk, effect: &Effect) -> Option<(SessionId, WorktreeId)> {
    let Effect::Launch { session } = effect else { return None };
    let it = desk.fleet.sessions.get(session).filter(|it| it.gate == Some(Gate::Completeness))?;
    Some((it.id, it.worktree?))
}

/// Goes on until a judge is to begin.
fn until_judge(desk: &mut Desk) -> (Effect, SessionId, WorktreeId) {
    while let Some(effect) = desk.pending.pop_front() {
        if let Some((session, worktree)) = is_judge(desk, &effect) {
            return (effect, session, worktree);
        }
        desk.perform(effect);
    }
    panic!("nobody judges: {:?}", desk.run());
}

#[test]
fn a_judge_that_could_not_begin_leaves_no_worktree_behind() {
    let mut desk = judged();
    let (launch, _, worktree) = until_judge(&mut desk);
    let asked = desk.done(launch, Outcome::Launched(Err("its brief could not be written".to_owned())));
    assert!(asked.contains(&Effect::Discard { worktree }), "{asked:?}");
    assert_eq!(
        desk.fleet.worktrees[&worktree].state,
        WorktreeState::Making,
        "until it is known what stands there"
    );
}

#[test]
fn a_judge_that_ended_before_its_beginning_was_told_leaves_none_either() {
    let mut desk = judged();
    let (launch, session, worktree) = until_judge(&mut desk);
    let end = ended(Ending::Exited { code: 0 });
    desk.take(Input::SessionEnded { session, end, did_nothing: true });
    let asked = desk.done(launch, Outcome::Launched(Ok(running())));
    assert!(asked.contains(&Effect::Discard { worktree }), "{asked:?}");
}

#[test]
fn only_the_proof_of_the_try_that_was_taken_shows_anything() {
    let mut desk = judged();
    // The first try holds and then clashes with what came to the branch.
    let integrate = desk.until(|it| matches!(it, Effect::Integrate { .. }));
    let clash = Integrated::Clash { paths: vec!["T001".to_owned()] };
    desk.done(integrate, Outcome::Integrated(clash));
    let (launch, session, _) = until_judge(&mut desk);
    desk.done(launch, Outcome::Launched(Ok(running())));
    let proofs = |of: u32| {
        let all = desk.fleet.evidence.values().filter(|it| it.gate == Gate::Verify && it.passed());
        all.filter(|it| it.subject.attempt == Some(AttemptId(of))).map(|it| it.id).collect::<Vec<_>>()
    };
    let (first, second) = (proofs(1), proofs(2));
    assert!(!first.is_empty() && !second.is_empty(), "both hold");
    let says = |evidence: Vec<EvidenceId>| Input::JudgeSays {
        session,
        requirement: "FR-001".to_owned(),
        shown: Shown::Met { evidence },
    };
    let refused = desk.try_take(says(first)).unwrap_err();
    assert!(refused.message.contains("of a1, which is not what was taken"), "{refused}");
    desk.take(says(second.clone()));
    let audit = desk.run().audit.as_ref().unwrap();
    assert_eq!(*audit.verdict("FR-001"), Shown::Met { evidence: second });
}

#[test]
fn a_checkpoint_counts_that_the_phase_passed_by_and_no_earlier_one() {
    let mut desk = judged();
    let (launch, session, _) = until_judge(&mut desk);
    desk.done(launch, Outcome::Launched(Ok(running())));
    // A checkpoint that held once, before somebody went on on the branch; no phase passed by it.
    let mut of = desk.fleet.evidence.values().find(|it| it.gate == Gate::Verify).cloned().unwrap();
    (of.id, of.gate, of.subject.attempt) = (EvidenceId(99), Gate::Checkpoint, None);
    desk.fleet.evidence.insert(of.id, of);
    let shown = Shown::Met { evidence: vec![EvidenceId(99)] };
    let says = Input::JudgeSays { session, requirement: "FR-001".to_owned(), shown };
    let refused = desk.try_take(says).unwrap_err();
    assert!(refused.message.contains("of a checkpoint, which is not what was taken"), "{refused}");
}
