//! Decisions at moments that are hard to meet with real processes: everything up to a certain effect goes well, and then
//! something else happens first.

use std::collections::VecDeque;

use pilothouse_contract::attempt::{AttemptState, Candidate, Failure};
use pilothouse_contract::evidence::{Evidence, Gate, Subject, Verdict};
use pilothouse_contract::item::ItemState;
use pilothouse_contract::project::{Line, Trust};
use pilothouse_contract::pull::{MergeResult, PullState};
use pilothouse_contract::run::{Approval, Policy, Run, RunState, TaskState};
use pilothouse_contract::session::{End, Ending, Running, SessionKind};
use pilothouse_contract::spec::{Spec, TaskSpec, Verify};
use pilothouse_contract::{
    At, AttemptId, Event, EvidenceId, Fault, Fleet, ItemId, Oid, ProjectId, PullId, RefName, RunId, Who,
};

mod budgets;
mod complete;
mod drafts;
mod going_on;
mod issues;
mod pauses;
mod queue;
mod review;
mod there;
mod touches;
mod tries;
mod workflow;
mod worktrees;

use super::*;
use crate::policy::workflow::{Workflow, built_in};

/// A fleet whose effects all go well, one after the other.
struct Desk {
    fleet: Fleet,
    schedules: Schedules,
    next: u64,
    pending: VecDeque<Effect>,
    records: Vec<Event>,
    now: At,
}

fn task(id: &str, verify: Verify) -> TaskSpec {
    let files = pilothouse_contract::spec::Scope { include: vec![id.to_owned()], ..Default::default() };
    TaskSpec { id: id.into(), verify, files: Some(files), depends: Some(vec![]), ..TaskSpec::default() }
}

fn proof() -> Verify {
    Verify::Commands(vec!["true".to_owned()])
}

fn spec(tasks: &[TaskSpec]) -> Spec {
    Spec { folder: "specs/001-x".to_owned(), tasks: tasks.to_vec(), ..Spec::default() }
}

fn policy() -> Policy {
    Workflow::read(None, "").unwrap().policy(built_in("rehearsal").unwrap())
}

fn facts(tasks: &[TaskSpec], base: &str, policy: Policy) -> Input {
    Input::StartRun(Box::new(RunFacts {
        item: ItemId(1),
        spec: spec(tasks),
        base: base.into(),
        branch: RefName::branch("pilothouse/001-x/item"),
        policy,
        fresh: false,
        window: None,
        edited: Vec::new(),
        claim: None,
        gates: Vec::new(),
    }))
}

fn project(main: &str) -> Input {
    Input::AddProject(ProjectFacts {
        name: "x".to_owned(),
        path: "/x".to_owned(),
        git_dir: "/x/.git".to_owned(),
        default_branch: RefName::branch("main"),
        main: main.into(),
    })
}

impl Desk {
    /// With a project that is trusted, and nothing else.
    fn empty() -> Self {
        let mut desk = Self {
            fleet: Fleet::default(),
            schedules: Schedules::default(),
            next: 0,
            pending: VecDeque::new(),
            records: vec![],
            now: At(1),
        };
        desk.take(project("m0"));
        desk.take(Input::TrustProject { project: ProjectId(1), found: vec![] });
        desk
    }

    fn new(tasks: &[TaskSpec], policy: Policy) -> Self {
        let mut desk = Self::empty();
        let found = ItemFound { slug: "001-x".to_owned(), base: "m0".into(), spec: spec(tasks) };
        desk.take(Input::ItemsFound { project: ProjectId(1), items: vec![found] });
        desk.take(facts(tasks, "m0", policy));
        desk
    }

    fn try_take(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        let before = self.fleet.clone();
        let who = Who::Person("p".to_owned());
        match decide(&mut self.fleet, &mut self.schedules, EffectKey(self.next), input, who, self.now) {
            Ok(decision) => {
                self.next += decision.effects.len() as u64;
                let effects: Vec<Effect> = decision.effects.into_iter().map(|it| it.effect).collect();
                self.pending.extend(effects.clone());
                self.records.extend(decision.records.into_iter().map(|it| it.event));
                Ok(effects)
            }
            Err(fault) => {
                self.fleet = before;
                Err(fault)
            }
        }
    }

    fn take(&mut self, input: Input) -> Vec<Effect> {
        self.try_take(input).unwrap()
    }

    fn done(&mut self, effect: Effect, outcome: Outcome) -> Vec<Effect> {
        self.pending.retain(|it| *it != effect);
        self.take(Input::Done { effect, outcome })
    }

    /// Performs what is asked for until such an effect is next; that one is given back.
    fn until(&mut self, fits: impl Fn(&Effect) -> bool) -> Effect {
        while let Some(effect) = self.pending.pop_front() {
            if fits(&effect) {
                return effect;
            }
            self.perform(effect);
        }
        panic!("it never came to that: {:?}", self.run());
    }

    /// The next check of a gate does not hold.
    fn fails(&mut self, gate: Gate) -> Vec<Effect> {
        let effect = self.until(is_check(gate));
        let Effect::Check(asked) = &effect else { unreachable!() };
        let failed = checked(asked, Verdict::Failed);
        self.done(effect, failed)
    }

    fn go_to_the_end(&mut self) {
        while let Some(effect) = self.pending.pop_front() {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let outcome = match &effect {
            Effect::MakeBranch { at, .. } => Outcome::Branch(Ok(at.clone())),
            Effect::TakeIn { head, main, .. } => merged(head, main),
            Effect::Prepare { .. } => Outcome::Prepared(Ok("brief".to_owned())),
            Effect::Launch { session } => {
                self.done(effect.clone(), Outcome::Launched(Ok(running())));
                let end = ended(Ending::Exited { code: 0 });
                self.take(Input::SessionEnded { session: *session, end, did_nothing: false });
                return;
            }
            Effect::Check(asked) => {
                let verdict = if asked.gate == Gate::RedCheck { Verdict::Failed } else { Verdict::Passed };
                checked(asked, verdict)
            }
            Effect::Read { attempt } => Outcome::Read(Ok(Some(candidate(*attempt, "m0", None)))),
            Effect::Integrate { attempt, head } => {
                let tick = Some(Oid(format!("tick-{attempt}")));
                let made = candidate(*attempt, head.as_str(), tick);
                Outcome::Integrated(Integrated::Made { candidate: made })
            }
            Effect::Advance { .. } => Outcome::Advanced(Advanced::Moved),
            Effect::WriteRecord { head, .. } => Outcome::RecordWritten(Ok(Oid(format!("{head}-record")))),
            Effect::Propose { head, .. } => Outcome::Proposed(Ok(Measured {
                commits: 1,
                patch: format!("patch of {head}"),
                ..Measured::default()
            })),
            Effect::Merge { onto, head, .. } => match merged(onto, head) {
                Outcome::TakenIn(merged) => Outcome::Merged(merged),
                other => other,
            },
            Effect::Land { .. } => Outcome::Landing(Landing::Landed),
            Effect::Discard { .. } => Outcome::Discarded(Err(Fault::refused("kept"))),
            _ => Outcome::Done,
        };
        self.done(effect, outcome);
    }

    fn run(&self) -> &Run {
        self.fleet.runs.get(&RunId(1)).unwrap()
    }

    fn states(&self) -> Vec<(&str, &'static str)> {
        self.run().tasks.iter().map(|it| (it.spec.id.as_str(), it.state.word())).collect()
    }
}

fn running() -> Running {
    Running { holder: 1, pid: 2, at: At(1), native: None }
}

fn ended(how: Ending) -> End {
    End {
        at: At(1),
        how,
        output_bytes: 0,
        lost_bytes: 0,
        left_behind: vec![],
        left_running: vec![],
        native: None,
    }
}

fn merged(onto: &Oid, head: &Oid) -> Outcome {
    let commit = if onto == head { onto.clone() } else { Oid(format!("{onto}+{head}")) };
    let tree = Oid(format!("tree of {commit}"));
    let result = MergeResult { onto: onto.clone(), head: head.clone(), commit, tree };
    Outcome::TakenIn(Merged::Made { result })
}

fn candidate(attempt: AttemptId, onto: &str, tick: Option<Oid>) -> Candidate {
    Candidate {
        onto: onto.into(),
        commit: Oid(format!("commit-{attempt}")),
        tick,
        tree: Oid(format!("tree-{attempt}")),
        paths: vec![],
        lines: 1,
        patch: String::new(),
    }
}

fn checked(asked: &CheckAsked, verdict: Verdict) -> Outcome {
    let subject = Subject {
        project: asked.project,
        run: asked.run,
        task: None,
        attempt: asked.attempt,
        pull: asked.pull,
        phase: asked.phase,
    };
    Outcome::Checked(Box::new(Checked {
        evidence: Evidence {
            id: EvidenceId(0),
            gate: asked.gate,
            subject,
            commit: asked.commit.clone(),
            tree: asked.attempt.map_or_else(Oid::default, |it| Oid(format!("tree-{it}"))),
            command: asked.commands.concat(),
            started: At(1),
            ended: At(1),
            took_ms: None,
            exit: Some(0),
            verdict,
            why: "as asked".to_owned(),
            output_hash: String::new(),
            output_bytes: 0,
            session: Some(asked.session),
            flaky_after: None,
            tests: None,
            environment: String::new(),
        },
        end: ended(Ending::Exited { code: 0 }),
        running: Some(running()),
    }))
}

fn is_task_move(effect: &Effect) -> bool {
    matches!(effect, Effect::Advance { change: HeadChange::Task { .. }, .. })
}

fn is_check(gate: Gate) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::Check(asked) if asked.gate == gate)
}

/// Parked with a task that waits for a person, `T001` done.
fn parked() -> Desk {
    let human = task("T002", Verify::Human("look".to_owned()));
    let mut desk = Desk::new(&[task("T001", proof()), human, task("T003", Verify::Unsaid)], policy());
    desk.go_to_the_end();
    assert_eq!(desk.run().state, RunState::Parked);
    assert_eq!(desk.states(), [("T001", "done"), ("T002", "parked"), ("T003", "parked")]);
    desk
}

#[test]
fn what_reached_the_branch_is_done_whatever_became_of_its_attempt() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let moving = desk.until(is_task_move);
    desk.take(Input::StopRun { run: RunId(1) });
    assert_eq!(desk.states(), [("T001", "waiting")]);
    desk.done(moving, Outcome::Advanced(Advanced::Moved));
    assert_eq!(desk.states(), [("T001", "done")], "its commit is on the branch");
    assert_eq!(desk.run().head, Some("tick-a1".into()));
    let attempt = desk.fleet.attempts.get(&AttemptId(1)).unwrap();
    assert_eq!((attempt.state, attempt.failure.clone()), (AttemptState::Failed, Some(Failure::Stopped)));
}

#[test]
fn a_run_goes_on_only_once_it_is_known_where_its_branch_stands() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let moving = desk.until(is_task_move);
    let named = "a1".to_owned();
    let seen = Input::MainSeen {
        project: ProjectId(1),
        found: Some("m1".into()),
        named,
        attempt: Some(AttemptId(1)),
        forward: false,
    };
    desk.take(seen);
    assert_eq!(desk.run().state, RunState::Parked);
    desk.take(Input::AdoptMain { project: ProjectId(1), found: "m1".into() });
    let go_on = || facts(&[task("T001", proof())], "m1", policy());
    let refused = desk.try_take(go_on()).unwrap_err();
    assert!(refused.message.contains("what a1 made is being put on its branch"), "{refused}");
    desk.done(moving, Outcome::Advanced(Advanced::Moved));
    desk.take(go_on());
    desk.go_to_the_end();
    assert_eq!(desk.states(), [("T001", "done")]);
    assert_eq!(desk.fleet.attempts.len(), 1, "the task was not worked again");
    assert_eq!(desk.run().state, RunState::InPull);
}

#[test]
fn a_run_that_goes_on_takes_the_spec_and_the_policy_of_the_default_branch() {
    let mut desk = parked();
    let head = desk.run().head.clone().unwrap();
    desk.take(Input::MainSeen {
        project: ProjectId(1),
        found: Some("m1".into()),
        named: "p".to_owned(),
        attempt: None,
        forward: false,
    });
    let mut done_by_hand = task("T002", Verify::Human("look".to_owned()));
    done_by_hand.done = true;
    let mut reworded = task("T001", proof());
    reworded.title = "the same in other words".to_owned();
    let tasks = [reworded, done_by_hand, task("T009", proof())];
    let newer = Policy { attempts: 7, approve: Approval::Policy, ..policy() };
    let effects = desk.take(facts(&tasks, "m1", newer.clone()));
    let made = Effect::MakeBranch { run: RunId(1), at: head.clone(), adopt: true };
    assert_eq!(effects, std::slice::from_ref(&made));
    let run = desk.run();
    assert_eq!((&run.policy, run.approved_at(), &run.base), (&newer, &"m1".into(), &"m0".into()));
    assert_eq!(desk.states(), [("T001", "done"), ("T002", "done"), ("T009", "waiting")]);
    assert_eq!(run.tasks[1].state, TaskState::DoneBefore);
    assert!(matches!(run.tasks[0].state, TaskState::Done { .. }));
    assert_eq!(desk.fleet.items.get(&ItemId(1)).unwrap().spec, spec(&tasks));

    // Somebody went on from the recorded head: adopted with the reason; then the default branch is taken in, and only
    // then a task begins.
    let effects = desk.done(made, Outcome::Branch(Ok("by-hand".into())));
    let why = desk.records.iter().rev().find_map(|it| match it {
        Event::HeadMoved { why, from, .. } if *from == Some(head.clone()) => Some(why.clone()),
        _ => None,
    });
    assert!(why.unwrap().contains("adopted"));
    let take_in = Effect::TakeIn { run: RunId(1), head: "by-hand".into(), main: "m1".into() };
    assert_eq!(effects, std::slice::from_ref(&take_in));
    let effects = desk.done(take_in, merged(&"by-hand".into(), &"m1".into()));
    assert!(matches!(effects.as_slice(), [Effect::Advance { change: HeadChange::Main { .. }, .. }]));
    assert_eq!(desk.fleet.attempts.len(), 1);
    desk.go_to_the_end();
    assert_eq!(desk.run().state, RunState::Landed);
    assert_eq!(desk.fleet.items.get(&ItemId(1)).unwrap().state, ItemState::Landed);
    let begun = desk.fleet.attempts.values().map(|it| it.base.0.clone()).collect::<Vec<_>>();
    assert_eq!(begun, ["m0", "by-hand+m1"]);
}

#[test]
fn a_done_task_that_left_the_file_is_still_named() {
    let mut desk = parked();
    desk.take(facts(&[task("T009", proof())], "m0", policy()));
    assert_eq!(desk.states(), [("T001", "done"), ("T009", "waiting")]);
}

#[test]
fn a_clash_with_the_default_branch_parks_again_and_says_how_to_mend_it() {
    let mut desk = parked();
    desk.take(facts(&[task("T001", proof()), task("T009", proof())], "m0", policy()));
    let take_in = desk.until(|it| matches!(it, Effect::TakeIn { .. }));
    desk.done(take_in, Outcome::TakenIn(Merged::Clash { paths: vec!["a.rs".to_owned(), "b.rs".to_owned()] }));
    let run = desk.run();
    assert_eq!((run.state, run.settling), (RunState::Parked, false));
    for words in ["a.rs, b.rs", "git merge main", "pilothouse run start 001-x"] {
        assert!(run.why.contains(words), "{}", run.why);
    }
    // It can go on again, and begins nothing before the branch is settled.
    let effects = desk.take(facts(&[task("T001", proof()), task("T009", proof())], "m0", policy()));
    assert!(matches!(effects.as_slice(), [Effect::MakeBranch { adopt: true, .. }]));
}

#[test]
fn a_run_with_nothing_left_is_not_gone_on_with() {
    let mut desk = Desk::new(&[task("T001", Verify::Human("look".to_owned()))], policy());
    desk.go_to_the_end();
    let mut ticked = task("T001", Verify::Human("look".to_owned()));
    ticked.done = true;
    let refused = desk.try_take(facts(&[ticked], "m0", policy())).unwrap_err();
    assert!(refused.message.contains("nothing to go on with"), "{refused}");
    assert!(format!("{:?}", refused.hints).contains("run stop r1"));
}

#[test]
fn a_broken_spec_is_refused_for_a_parked_run_too() {
    let mut desk = parked();
    let mut broken = spec(&[task("T001", proof())]);
    broken.remarks.push(pilothouse_contract::spec::Remark {
        file: "tasks.md".to_owned(),
        line: 3,
        says: "odd".to_owned(),
        blocking: true,
    });
    let Input::StartRun(mut facts) = facts(&[], "m0", policy()) else { unreachable!() };
    facts.spec = broken;
    let refused = desk.try_take(Input::StartRun(facts)).unwrap_err();
    assert!(refused.message.contains("tasks.md line 3"), "{refused}");
    assert_eq!(desk.run().state, RunState::Parked);
}

#[test]
fn a_pull_request_that_was_sent_back_is_proposed_anew_and_wants_a_new_yes() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    desk.fails(Gate::Landing);
    desk.take(Input::ApprovePull { pull: PullId(1), head: None });
    desk.fails(Gate::Landing);
    assert_eq!(desk.run().state, RunState::Parked);
    let old = desk.fleet.pulls.get(&PullId(1)).unwrap().clone();
    assert!(old.approval.is_some());

    let seen = Some("m1".into());
    desk.take(Input::MainSeen {
        project: ProjectId(1),
        found: seen,
        named: "p".to_owned(),
        attempt: None,
        forward: false,
    });
    desk.take(facts(&[task("T001", proof())], "m1", policy()));
    desk.go_to_the_end();
    let pull = desk.fleet.pulls.get(&PullId(1)).unwrap();
    assert_eq!(desk.fleet.pulls.len(), 1, "no second one was opened");
    assert_ne!(pull.head, old.head);
    assert_eq!(pull.result.as_ref().unwrap().onto, "m1".into());
    assert_eq!((&pull.state, &pull.approval), (&PullState::WaitsForApproval, &None));
    assert_eq!(desk.run().state, RunState::InPull);
    desk.take(Input::ApprovePull { pull: PullId(1), head: None });
    desk.go_to_the_end();
    assert_eq!(desk.run().state, RunState::Landed);
}

#[test]
fn whatever_ends_a_run_ends_its_checks() {
    for gate in [Gate::RedCheck, Gate::Verify, Gate::Landing] {
        let mut desk = Desk::new(&[task("T001", proof())], policy());
        let check = desk.until(is_check(gate));
        let Effect::Check(asked) = &check else { unreachable!() };
        let effects = desk.take(Input::StopRun { run: RunId(1) });
        let end = Effect::EndSession { session: asked.session };
        assert_eq!(effects.iter().filter(|it| **it == end).count(), 1, "{gate:?}: {effects:?}");
        let unknown = checked(asked, Verdict::Unknown);
        desk.done(check, unknown);
        assert!(desk.fleet.sessions.values().all(|it| it.end.is_some()), "{gate:?}");
        assert!(!desk.pending.iter().any(|it| matches!(it, Effect::Check(_))), "{gate:?}: not asked again");
    }
    // An attempt that fails takes its check along, though its run lives.
    let mut desk = Desk::new(&[task("T001", proof())], Policy { attempts: 3, ..policy() });
    let check = desk.until(is_check(Gate::Verify));
    let Effect::Check(asked) = &check else { unreachable!() };
    let seen = Some("m1".into());
    let by = Some(AttemptId(1));
    let seen = Input::MainSeen {
        project: ProjectId(1),
        found: seen,
        named: "a1".to_owned(),
        attempt: by,
        forward: false,
    };
    let effects = desk.take(seen);
    assert!(effects.contains(&Effect::EndSession { session: asked.session }), "{effects:?}");
}

#[test]
fn an_attempt_whose_session_a_person_ended_says_so() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    let launch = desk.until(|it| matches!(it, Effect::Launch { .. }));
    desk.done(launch, Outcome::Launched(Ok(running())));
    let agents = desk.fleet.sessions.values().find(|it| it.kind == SessionKind::Agent).unwrap().id;
    desk.take(Input::KillSession { session: agents });
    let attempt = desk.fleet.attempts.get(&AttemptId(1)).unwrap();
    assert_eq!(attempt.failure, Some(Failure::Stopped));
    assert!(attempt.why.contains(&format!("a person ended session {agents}")), "{}", attempt.why);
    assert!(desk.run().why.contains(&format!("a person ended session {agents}")), "{}", desk.run().why);
}

#[test]
fn a_landed_item_is_read_anew_but_not_from_before_it_landed() {
    let mut desk = Desk::new(&[task("T001", proof())], Policy { approve: Approval::Policy, ..policy() });
    desk.go_to_the_end();
    let main = desk.fleet.projects.get(&ProjectId(1)).unwrap().main.clone();
    let found = |base: &Oid, tasks: &[TaskSpec]| Input::ItemsFound {
        project: ProjectId(1),
        items: vec![ItemFound { slug: "001-x".to_owned(), base: base.clone(), spec: spec(tasks) }],
    };
    let state = |desk: &Desk| desk.fleet.items.get(&ItemId(1)).unwrap().state;
    desk.take(found(&"m0".into(), &[task("T001", proof())]));
    assert_eq!(state(&desk), ItemState::Landed, "what was read before the landing says nothing");
    let why = desk.fleet.items.get(&ItemId(1)).unwrap().why.clone();
    let mut ticked = task("T001", proof());
    ticked.done = true;
    desk.take(found(&main, std::slice::from_ref(&ticked)));
    let item = desk.fleet.items.get(&ItemId(1)).unwrap();
    assert_eq!((item.state, &item.why, &item.base), (ItemState::Landed, &why, &main));
    assert!(item.spec.tasks[0].done);
    desk.take(found(&main, &[ticked, task("T002", proof())]));
    assert_eq!(state(&desk), ItemState::Planned);
}

#[test]
fn a_project_that_comes_back_is_itself_and_has_to_be_trusted_again() {
    let mut desk = Desk::new(&[task("T001", proof())], policy());
    desk.take(Input::StopRun { run: RunId(1) });
    desk.take(Input::RemoveProject { project: ProjectId(1) });
    desk.take(project("m1"));
    let it = desk.fleet.projects.get(&ProjectId(1)).unwrap();
    assert_eq!((desk.fleet.projects.len(), &it.trust, it.removed), (1, &Trust::Undecided, false));
}

#[test]
fn a_default_branch_that_is_gone_is_said_to_be_gone() {
    let mut desk = parked();
    let gone = Input::MainSeen {
        project: ProjectId(1),
        found: None,
        named: "p".to_owned(),
        attempt: None,
        forward: false,
    };
    desk.take(gone);
    assert!(matches!(
        &desk.fleet.projects.get(&ProjectId(1)).unwrap().line,
        Line::Stopped { found: None, .. }
    ));
    let refused = desk.try_take(facts(&[task("T001", proof())], "m0", policy())).unwrap_err();
    assert!(refused.message.contains("has no branch main any more"), "{refused}");
    let hints = format!("{:?}", refused.hints);
    assert!(hints.contains("take-back x") && !hints.contains("adopt"), "{hints}");
}
