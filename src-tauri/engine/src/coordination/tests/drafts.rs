//! Drafts at moments that are hard to meet with real agents: passes that never end, everything paused, a session that a person ends, a
//! plan that does not hold, and a proof that a person let past the red check.

use pilothouse_contract::card::{
    Draft, Finding, Happened, Pass, Reading, Role, Severity, Source, Stage, Used, Verdict as Said, Writer,
};
use pilothouse_contract::gate::{Holds, SpecGate, Stand};
use pilothouse_contract::layout::{Diagnostic, GateLook, Layout};
use pilothouse_contract::run::AgentChoice;
use pilothouse_contract::spec::Remark;
use pilothouse_contract::window::Window;
use pilothouse_contract::{SessionId, wire};

use super::*;
use crate::coordination::draft::{is_under_way, red_checks};

fn writer(name: &str, family: Option<&str>) -> Writer {
    let agent = AgentChoice { name: name.to_owned(), ..built_in("rehearsal").unwrap() };
    Writer { agent, family: family.map(str::to_owned) }
}

fn begun() -> Desk {
    let mut desk = Desk::empty();
    let draft = Draft {
        source: Source::Sentence { text: "Do it".to_owned() },
        layout: Layout::Native,
        folder: "specs/001-do-it".to_owned(),
        branch: RefName::branch("pilothouse/001-do-it/spec"),
        kind: "feature".to_owned(),
        owner: "me".to_owned(),
        nights: None,
        lenses: vec!["edge cases".to_owned()],
        author: writer("author", Some("alpha")),
        policy: policy(),
        stage: Stage::Drafting,
        why: String::new(),
        head: "c0".into(),
        sitting: None,
        unread: None,
        due: None,
        reading: None,
        passes: vec![],
        earlier: 0,
        sat: vec![],
        worktree: None,
        moved: At(1),
    };
    let facts = DraftFacts {
        project: ProjectId(1),
        slug: "001-do-it".to_owned(),
        base: "m0".into(),
        spec: spec(&[]),
        draft,
    };
    desk.take(Input::Drafting(Drafting::Begin(Box::new(facts))));
    desk
}

impl Desk {
    fn draft(&self) -> &Draft {
        self.fleet.cards.get(&ItemId(1)).unwrap().draft.as_ref().unwrap()
    }

    /// The session that sits, once it runs.
    fn sits(&mut self, role: Role) -> SessionId {
        let launch = self.until(|it| matches!(it, Effect::Launch { .. }));
        let Effect::Launch { session } = launch else { unreachable!() };
        self.done(launch, Outcome::Launched(Ok(running())));
        let sitting = self.draft().sitting.clone().unwrap();
        assert_eq!((sitting.session, sitting.due.role), (session, role));
        session
    }

    /// It ends, and leaves a commit of which the gates say this.
    fn leaves(&mut self, session: SessionId, commit: &str, gates: Vec<GateLook>) {
        self.take(Input::SessionEnded {
            session,
            end: ended(Ending::Exited { code: 0 }),
            did_nothing: false,
        });
        self.reads(commit, gates);
    }

    fn reads(&mut self, commit: &str, gates: Vec<GateLook>) {
        let effect = self.until(|it| matches!(it, Effect::ReadDraft { .. }));
        let reading = Reading {
            commit: commit.into(),
            tree: commit.into(),
            gates,
            strayed: vec![],
            scopeless: vec![],
            diff: String::new(),
        };
        let read = DraftRead { used: Used::default(), reading, spec: spec(&[]) };
        self.done(effect, Outcome::DraftRead(Ok(Box::new(read))));
    }

    fn refine(&mut self, by: Writer, because: Option<&str>) -> Result<Vec<Effect>, Fault> {
        let facts = RefineFacts {
            item: ItemId(1),
            by,
            policy: policy(),
            lenses: vec!["edge cases".to_owned()],
            because: because.map(str::to_owned),
            tip: self.draft().head.clone(),
            taken_up: None,
        };
        self.try_take(Input::Drafting(Drafting::Refine(Box::new(facts))))
    }

    fn finds(&mut self, session: SessionId, severity: Severity) {
        let found = Finding {
            number: 0,
            lens: "edge cases".to_owned(),
            severity,
            says: "it is missing".to_owned(),
            at: String::new(),
            proposes: String::new(),
            verdict: None,
        };
        let lens = "edge cases".to_owned();
        self.take(Input::Drafting(Drafting::Says { session, lens, found: Some(found), says: String::new() }));
    }

    fn settles(&mut self, session: SessionId, accepted: bool) {
        let verdict = Said { accepted, because: "so".to_owned() };
        self.take(Input::Drafting(Drafting::Settles { session, finding: 1, verdict }));
    }
}

fn lacks(gate: &str) -> Vec<GateLook> {
    let remark =
        Remark { file: "tasks.md".to_owned(), line: 3, says: "has no Verify".to_owned(), blocking: true };
    vec![GateLook {
        gate: gate.to_owned(),
        looks_at: String::new(),
        holds: false,
        found: vec![Diagnostic { remark, column: 1 }],
    }]
}

fn stand(gate: SpecGate, holds: Holds) -> Stand {
    Stand {
        gate,
        holds,
        says: String::new(),
        commit: "c1".into(),
        tree: "t".into(),
        at: At(1),
        found: vec![],
        evidence: vec![],
        overridden: (holds == Holds::Overridden).then(|| pilothouse_contract::gate::Override {
            gate,
            tree: "t".into(),
            by: Who::Person("p".to_owned()),
            at: At(1),
            because: "it only documents".to_owned(),
        }),
    }
}

#[test]
fn a_refinement_that_always_finds_something_of_weight_ends_after_four() {
    let mut desk = begun();
    let author = desk.sits(Role::Draft);
    desk.leaves(author, "c1", vec![]);
    assert_eq!(desk.draft().stage, Stage::Drafted);
    desk.refine(writer("critic", Some("beta")), None).unwrap();
    for pass in 1..=draft::PASSES_MAX {
        let critic = desk.sits(Role::Refine);
        desk.finds(critic, Severity::Medium);
        desk.leaves(critic, "never", vec![]);
        let author = desk.sits(Role::Settle);
        desk.settles(author, true);
        desk.leaves(author, &format!("p{pass}"), vec![]);
    }
    let draft = desk.draft();
    assert_eq!((draft.passes.len(), draft.stage), (4, Stage::Planning));
    assert!(draft.why.contains("4 refinements are the most that are made"), "{}", draft.why);
    assert!(draft.passes.iter().all(|it: &Pass| it.ended.is_some() && it.after.is_some()));
    let planner = desk.sits(Role::Plan);
    desk.leaves(planner, "plan", vec![]);
    assert_eq!(desk.fleet.items.get(&ItemId(1)).unwrap().state, ItemState::Planned);
    // The fold of all of it is the same from the beginning, by way of what is stored.
    let mut again = Fleet::default();
    for (seq, event) in (1..).zip(&desk.records) {
        let bytes = wire::encode(event).unwrap();
        let event: Event = wire::decode(&bytes).unwrap();
        again.apply(&pilothouse_contract::Record { seq, at: At(1), who: Who::Engine, event });
    }
    assert_eq!(again.cards.get(&ItemId(1)).unwrap().draft, desk.fleet.cards.get(&ItemId(1)).unwrap().draft);
}

#[test]
fn what_is_rejected_or_small_brings_no_other_pass() {
    for (severity, accepted) in [(Severity::Critical, false), (Severity::Low, true)] {
        let mut desk = begun();
        let author = desk.sits(Role::Draft);
        desk.leaves(author, "c1", vec![]);
        desk.refine(writer("critic", Some("beta")), None).unwrap();
        let critic = desk.sits(Role::Refine);
        desk.finds(critic, severity);
        desk.leaves(critic, "never", vec![]);
        let author = desk.sits(Role::Settle);
        desk.settles(author, accepted);
        desk.leaves(author, "c2", vec![]);
        assert_eq!((desk.draft().passes.len(), desk.draft().stage), (1, Stage::Planning));
    }
}

#[test]
fn an_author_that_accepts_and_changes_nothing_is_asked_again_and_then_a_person_is() {
    let mut desk = begun();
    let author = desk.sits(Role::Draft);
    desk.leaves(author, "c1", vec![]);
    desk.refine(writer("critic", Some("beta")), None).unwrap();
    let critic = desk.sits(Role::Refine);
    desk.finds(critic, Severity::High);
    desk.leaves(critic, "never", vec![]);
    for _ in 0..2 {
        let author = desk.sits(Role::Settle);
        desk.settles(author, true);
        desk.leaves(author, "c1", vec![]);
    }
    assert_eq!(desk.draft().stage, Stage::Stopped);
    assert!(desk.draft().why.contains("accepted findings and changed nothing"), "{}", desk.draft().why);
    // It goes on where it stood: nobody looks for the same again.
    desk.refine(writer("critic", Some("beta")), None).unwrap();
    desk.sits(Role::Settle);
    assert_eq!(desk.draft().passes.len(), 1);
}

#[test]
fn families_that_are_the_same_or_unknown_need_a_reason() {
    for by in [writer("twin", Some("alpha")), writer("stranger", None)] {
        let mut desk = begun();
        let author = desk.sits(Role::Draft);
        desk.leaves(author, "c1", vec![]);
        let told = desk.records.len();
        assert!(desk.refine(by.clone(), Some(" ")).is_err() && desk.records.len() == told);
        desk.refine(by, Some("nobody else is here")).unwrap();
        let excuse = desk.draft().passes[0].excuse.clone().unwrap();
        assert_eq!(
            (excuse.by, excuse.because.as_str()),
            (Who::Person("p".to_owned()), "nobody else is here")
        );
    }
}

#[test]
fn while_everything_is_paused_nobody_sits_down_and_then_once() {
    let mut desk = begun();
    let author = desk.sits(Role::Draft);
    desk.leaves(author, "c1", vec![]);
    desk.take(Input::PauseAll { paused: true });
    assert_eq!(desk.refine(writer("critic", Some("beta")), None).unwrap(), []);
    assert_eq!(desk.draft().due.map(|it| it.role), Some(Role::Refine));
    let effects = desk.take(Input::PauseAll { paused: false });
    assert_eq!(effects.iter().filter(|it| matches!(it, Effect::Launch { .. })).count(), 1, "{effects:?}");
    assert_eq!(desk.draft().due, None);
    desk.take(Input::PauseAll { paused: true });
    assert!(
        !desk.take(Input::PauseAll { paused: false }).iter().any(|it| matches!(it, Effect::Launch { .. }))
    );
}

#[test]
fn nothing_is_drained_while_somebody_sits_at_a_draft() {
    let mut desk = begun();
    let author = desk.sits(Role::Draft);
    desk.take(Input::PauseAll { paused: true });
    let drained = |desk: &Desk| desk.fleet.halt.as_ref().and_then(|it| it.drained);
    assert_eq!(drained(&desk), None, "its author works on");
    desk.leaves(author, "c1", vec![]);
    assert_eq!(drained(&desk), Some(desk.now));
}

#[test]
fn a_session_that_a_person_ends_is_followed_by_none() {
    let mut desk = begun();
    let session = desk.sits(Role::Draft);
    desk.take(Input::KillSession { session });
    let effects = desk.take(Input::SessionEnded {
        session,
        end: ended(Ending::Signalled { signal: 15 }),
        did_nothing: false,
    });
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(desk.draft().stage, Stage::Stopped);
    assert!(desk.draft().why.contains("is read when it goes on"), "{}", desk.draft().why);
    // What it wrote until then counts.
    let effects = desk.refine(writer("critic", Some("beta")), None).unwrap();
    assert_eq!(effects, [Effect::ReadDraft { item: ItemId(1), session }]);
    desk.reads("c1", vec![]);
    assert_eq!((desk.draft().stage, desk.draft().head.as_str()), (Stage::Drafted, "c1"));
    assert_eq!(desk.draft().unread, None);
}

#[test]
fn what_could_not_be_read_is_tried_once_more_and_then_left_to_a_person() {
    let mut desk = begun();
    let session = desk.sits(Role::Draft);
    desk.take(Input::SessionEnded { session, end: ended(Ending::Exited { code: 0 }), did_nothing: false });
    for once_more in [true, false] {
        let effect = desk.until(|it| matches!(it, Effect::ReadDraft { .. }));
        desk.done(effect, Outcome::DraftRead(Err("the disk is full".to_owned())));
        let draft = desk.draft();
        assert_eq!((draft.stage, draft.unread.is_some()), (Stage::Stopped, once_more));
        assert!(draft.why.contains("it lies in w1"), "{}", draft.why);
        desk.refine(writer("critic", Some("beta")), None).unwrap();
    }
    assert_ne!(desk.sits(Role::Draft), session, "a fresh one writes it");
}

#[test]
fn nobody_sits_down_in_a_project_that_was_removed_meanwhile() {
    let mut desk = begun();
    let author = desk.sits(Role::Draft);
    desk.leaves(author, "c1", vec![]);
    desk.take(Input::PauseAll { paused: true });
    desk.refine(writer("critic", Some("beta")), None).unwrap();
    desk.take(Input::RemoveProject { project: ProjectId(1) });
    let effects = desk.take(Input::PauseAll { paused: false });
    assert!(!effects.iter().any(|it| matches!(it, Effect::Launch { .. })), "{effects:?}");
    assert_eq!(desk.draft().stage, Stage::Stopped);
    assert!(desk.draft().why.contains("removed"), "{}", desk.draft().why);
}

#[test]
fn a_stopped_draft_takes_no_room_until_somebody_is_at_it_again() {
    let mut desk = begun();
    let at_it = |desk: &Desk| is_under_way(&desk.fleet, desk.fleet.items.get(&ItemId(1)).unwrap());
    let session = desk.sits(Role::Draft);
    assert!(at_it(&desk));
    desk.take(Input::KillSession { session });
    assert!(!at_it(&desk));
    desk.take(Input::SessionEnded {
        session,
        end: ended(Ending::Signalled { signal: 15 }),
        did_nothing: false,
    });
    desk.refine(writer("critic", Some("beta")), None).unwrap();
    assert!(at_it(&desk));
}

#[test]
fn a_queued_run_begins_from_the_commit_that_holds_its_spec() {
    let mut desk = begun();
    let open = Window { daily: None, opens: At(0), closes: None, is_open: true, says: String::new() };
    let Input::StartRun(it) = facts(&[task("T001", proof())], "c9", policy()) else { unreachable!() };
    let effects = desk.take(Input::StartRun(Box::new(RunFacts { window: Some(open), ..*it })));
    let made = Effect::MakeBranch { run: RunId(1), at: "c9".into(), adopt: false };
    assert!(effects.contains(&made), "{effects:?}");
    assert_eq!(desk.run().base.as_str(), "c9");
}

#[test]
fn a_policy_says_no_yes_for_a_person() {
    let mut desk = begun();
    let mut start = |holds| {
        let Input::StartRun(it) = facts(&[task("T001", proof())], "m0", policy()) else { unreachable!() };
        let gates = vec![stand(SpecGate::G4, holds)];
        let input = Input::StartRun(Box::new(RunFacts { gates, ..*it }));
        let who = Who::Policy("issue A-1".to_owned());
        decide(&mut desk.fleet, &mut desk.schedules, EffectKey(desk.next), input, who, At(1))
    };
    let fault = start(Holds::Later).unwrap_err();
    assert!(fault.message.contains("nobody said yes"), "{fault:?}");
    start(Holds::Yes).unwrap();
}

#[test]
fn the_branch_of_a_draft_goes_with_its_landing() {
    let mut desk = begun();
    let policy = Policy { approve: Approval::Policy, ..policy() };
    desk.take(facts(&[task("T001", proof())], "m0", policy));
    let draft = Effect::DropBranch {
        project: ProjectId(1),
        branch: desk.draft().branch.clone(),
        at: desk.draft().head.clone(),
    };
    desk.until(|it| *it == draft);
    assert_eq!(desk.run().state, RunState::Landed);
}

#[test]
fn a_proof_that_was_mended_is_not_held_for_the_one_before() {
    let mut desk = begun();
    let spec = spec(&[task("T001", proof())]);
    desk.take(facts(&spec.tasks, "m0", policy()));
    let effect = desk.until(is_check(Gate::RedCheck));
    let Effect::Check(asked) = &effect else { unreachable!() };
    let held = checked(asked, Verdict::Passed);
    desk.done(effect, held);
    for it in desk.fleet.evidence.values_mut() {
        it.subject.task = Some("T001".into());
    }
    let red = |desk: &Desk, spec: &Spec| -> Vec<bool> {
        let all = red_checks(&desk.fleet, desk.fleet.items.get(&ItemId(1)).unwrap(), spec);
        all.into_iter().map(|it| it.1).collect()
    };
    assert_eq!(red(&desk, &spec), [true]);
    let mended = super::spec(&[task("T001", Verify::Commands(vec!["false".to_owned()]))]);
    assert_eq!(red(&desk, &mended), [false; 0]);
    let mut guard = spec.clone();
    guard.tasks[0].proof = Some("guard".to_owned());
    assert_eq!(red(&desk, &guard), [false]);
    for it in desk.fleet.evidence.values_mut() {
        it.verdict = Verdict::Unknown;
    }
    assert_eq!(red(&desk, &spec), [false]);
}

#[test]
fn a_plan_that_does_not_hold_is_asked_for_three_times_and_keeps_its_first_fault() {
    let mut desk = begun();
    let author = desk.sits(Role::Draft);
    desk.leaves(author, "c1", vec![]);
    desk.refine(writer("critic", Some("beta")), None).unwrap();
    let critic = desk.sits(Role::Refine);
    let lens = "edge cases".to_owned();
    desk.take(Input::Drafting(Drafting::Says { session: critic, lens, found: None, says: "all".to_owned() }));
    desk.leaves(critic, "never", vec![]);
    for n in 0..3 {
        let planner = desk.sits(Role::Plan);
        desk.leaves(planner, &format!("n{n}"), lacks("G5"));
    }
    assert_eq!(desk.draft().stage, Stage::Stopped);
    assert_eq!(desk.draft().why, "its plan does not hold: tasks.md:3: has no Verify");
}

#[test]
fn a_run_does_not_begin_before_its_gates_hold_and_an_overridden_red_check_lets_a_proof_be() {
    let start = |desk: &mut Desk, gates| {
        let Input::StartRun(facts) = facts(&[task("T001", proof())], "m0", policy()) else { unreachable!() };
        desk.try_take(Input::StartRun(Box::new(RunFacts { gates, ..*facts })))
    };
    let mut desk = begun();
    let closed = vec![stand(SpecGate::G2, Holds::No), stand(SpecGate::G6, Holds::Overridden)];
    let fault = start(&mut desk, closed).unwrap_err();
    assert!(fault.message.contains("G2 (refinement and open questions) does not hold"), "{fault:?}");
    let open = vec![stand(SpecGate::G2, Holds::Overridden), stand(SpecGate::G6, Holds::Overridden)];
    start(&mut desk, open).unwrap();
    let began = |it: &Event| matches!(it, Event::Card { what: Happened::Began { .. }, .. });
    assert_eq!(desk.records.iter().filter(|it| began(it)).count(), 1);
    // The proof holds before any work.
    let effect = desk.until(is_check(Gate::RedCheck));
    let Effect::Check(asked) = &effect else { unreachable!() };
    let held = checked(asked, Verdict::Passed);
    desk.done(effect, held);
    let attempt = desk.fleet.attempts.values().next().unwrap();
    assert_eq!(attempt.state, AttemptState::Working, "{}", attempt.why);
    assert!(attempt.why.contains("G6 was overridden: it only documents"), "{}", attempt.why);
}
