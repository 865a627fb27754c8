//! Reviews of pull requests: rounds of every patch, answers, what keeps a landing, a cap, a person who decides, pauses and ends.

use pilothouse_contract::card::Writer;
use pilothouse_contract::pull::Pull;
use pilothouse_contract::review::{Finding, Priority, Reply, ReviewPolicy, Role, Stage};
use pilothouse_contract::run::AgentChoice;
use pilothouse_contract::{PullId, SessionId};

use super::*;

const PULL: PullId = PullId(1);

fn writer(name: &str, family: &str) -> Writer {
    let agent = AgentChoice { name: name.to_owned(), ..built_in("rehearsal").unwrap() };
    Writer { agent, family: Some(family.to_owned()) }
}

fn reviewed(approve: Approval, rounds: u32) -> Policy {
    let review = ReviewPolicy {
        agents: vec![writer("critic", "beta")],
        author: Some("alpha".to_owned()),
        rounds,
        lenses: vec!["right".to_owned()],
        ..ReviewPolicy::default()
    };
    Policy { approve, review, ..policy() }
}

fn found(priority: Priority, what: &str) -> Finding {
    Finding::said(priority, "T001".to_owned(), 3, what.to_owned())
}

impl Desk {
    fn at_pull(approve: Approval, rounds: u32) -> Self {
        Self::new(&[task("T001", proof())], reviewed(approve, rounds))
    }

    fn pull(&self) -> &Pull {
        self.fleet.pulls.get(&PULL).unwrap()
    }

    fn stage(&self) -> Stage {
        self.pull().review.stands.as_ref().unwrap().stage
    }

    /// The session that sits, once it runs; whatever comes before it goes well.
    fn sat(&mut self, role: Role) -> SessionId {
        let sits = |fleet: &Fleet| fleet.pulls.get(&PULL).and_then(|it| it.review.sitting.clone());
        loop {
            let effect = self.pending.pop_front().expect("somebody sits down");
            let launched = match &effect {
                Effect::Launch { session } => sits(&self.fleet).filter(|it| it.session == *session),
                _ => None,
            };
            let Some(sitting) = launched else {
                self.perform(effect);
                continue;
            };
            assert_eq!(sitting.role, role);
            self.done(effect, Outcome::Launched(Ok(running())));
            return sitting.session;
        }
    }

    fn says(&mut self, session: SessionId, said: Said) -> Result<Vec<Effect>, Fault> {
        self.try_take(Input::Reviewing(Reviewing::Says { session, lens: "right".to_owned(), said }))
    }

    fn replies(&mut self, session: SessionId, finding: u32, reply: Reply) -> Result<Vec<Effect>, Fault> {
        let says = "so".to_owned();
        self.try_take(Input::Reviewing(Reviewing::Settles { session, finding, reply, says }))
    }

    fn gets_up(&mut self, session: SessionId) {
        let end = ended(Ending::Exited { code: 0 });
        self.take(Input::SessionEnded { session, end, did_nothing: false });
    }

    /// A reviewer finds this, and ends.
    fn looks(&mut self, what: &[(Priority, &str)]) {
        let session = self.sat(Role::Review);
        for (priority, what) in what {
            self.says(session, Said::Found(Box::new(found(*priority, what)))).unwrap();
        }
        if what.is_empty() {
            self.says(session, Said::Nothing("all of it".to_owned())).unwrap();
        }
        self.gets_up(session);
    }

    /// The author answers each that is open so, and leaves this commit.
    fn answers(&mut self, reply: &Reply, commit: Option<&str>) {
        let session = self.sat(Role::Answer);
        let open: Vec<u32> = self.pull().review.unanswered().map(|it| it.number).collect();
        for finding in open {
            self.replies(session, finding, reply.clone()).unwrap();
        }
        self.gets_up(session);
        let effect = self.until(|it| matches!(it, Effect::ReadAnswer { .. }));
        let paths = commit.map(|_| "T001".to_owned()).into_iter().collect();
        self.done(effect, Outcome::AnswerRead(Ok(AnswerRead { commit: commit.map(Into::into), paths })));
    }
}

const ACCEPTED: Reply = Reply::Accepted { commit: None };

#[test]
fn what_was_accepted_is_a_new_head_that_is_looked_at_again_and_lands_only_then() {
    let mut desk = Desk::at_pull(Approval::Policy, 3);
    desk.looks(&[(Priority::P1, "it is not so")]);
    assert_eq!(desk.stage(), Stage::Answering);
    desk.answers(&ACCEPTED, Some("mended"));
    desk.looks(&[]);
    desk.go_to_the_end();
    let pull = desk.pull();
    assert_eq!((desk.run().state, pull.head.as_str()), (RunState::Landed, "mended"));
    let numbers: Vec<(u32, &str)> =
        pull.review.rounds.iter().map(|it| (it.number, it.patch.as_str())).collect();
    assert_eq!(numbers, [(1, "patch of tick-a1-record"), (2, "patch of mended")]);
    let answer = pull.review.findings[0].answer.as_ref().unwrap();
    assert_eq!(answer.reply, Reply::Accepted { commit: Some("mended".into()) });
}

#[test]
fn a_reason_is_an_answer_too_and_no_patch_is_looked_at_twice() {
    let mut desk = Desk::at_pull(Approval::Policy, 3);
    desk.looks(&[(Priority::P2, "a trap")]);
    desk.answers(&Reply::PushedBack, None);
    desk.go_to_the_end();
    assert_eq!((desk.run().state, desk.stage()), (RunState::Landed, Stage::Done));
    assert_eq!(desk.pull().review.rounds.len(), 1);
}

#[test]
fn the_policys_yes_waits_for_the_review_and_a_persons_does_not_but_for_what_is_open() {
    let mut desk = Desk::at_pull(Approval::Policy, 3);
    let session = desk.sat(Role::Review);
    desk.go_to_the_end();
    assert_eq!(desk.pull().state, PullState::WaitsForApproval, "its checks passed, and nobody said yes");
    assert!(desk.pull().approval.is_none());
    desk.says(session, Said::Found(Box::new(found(Priority::P0, "it loses data")))).unwrap();
    desk.take(Input::ApprovePull { pull: PULL, head: None });
    assert_eq!(desk.pull().state, PullState::WaitsForApproval, "it is open");
    let why = desk.try_take(Input::LandPull { pull: PULL }).unwrap_err().message;
    assert!(why.contains("nobody answered what was found in it: 1"), "{why}");
    // A person answers it, and it lands; whoever sits there gets up.
    let (reply, says) = (Reply::Deferred { tracker: "#12".to_owned() }, "next week".to_owned());
    let answer = Reviewing::Answer { pull: PULL, finding: 1, reply, says };
    desk.take(Input::Reviewing(answer.clone()));
    desk.go_to_the_end();
    assert_eq!(desk.run().state, RunState::Landed);
    assert!(desk.pull().review.sitting.is_none());
    assert!(desk.try_take(Input::Reviewing(answer)).unwrap_err().message.contains("landed already"));

    let mut desk = Desk::at_pull(Approval::Person, 3);
    desk.sat(Role::Review);
    desk.go_to_the_end();
    desk.take(Input::ApprovePull { pull: PULL, head: None });
    assert_eq!(desk.pull().state, PullState::Landing, "a person's yes needs no review");

    let mut strict = reviewed(Approval::Person, 3);
    strict.review.person_waits = true;
    let mut desk = Desk::new(&[task("T001", proof())], strict.clone());
    let session = desk.sat(Role::Review);
    desk.take(Input::KillSession { session });
    desk.gets_up(session);
    desk.go_to_the_end();
    desk.take(Input::ApprovePull { pull: PULL, head: None });
    assert_eq!(desk.pull().state, PullState::Landing, "where a person decides, their yes is the decision");
    let mut desk = Desk::new(&[task("T001", proof())], strict);
    let session = desk.sat(Role::Review);
    desk.go_to_the_end();
    desk.take(Input::ApprovePull { pull: PULL, head: None });
    assert_eq!(desk.pull().state, PullState::WaitsForApproval, "unless the policy says so");
    desk.says(session, Said::Nothing("all of it".to_owned())).unwrap();
    desk.gets_up(session);
    assert_eq!(desk.pull().state, PullState::Landing);
}

#[test]
fn below_the_line_is_counted_and_no_more() {
    let mut policy = reviewed(Approval::Policy, 3);
    policy.review.line = Priority::P1;
    let mut desk = Desk::new(&[task("T001", proof())], policy);
    let session = desk.sat(Role::Review);
    desk.says(session, Said::Found(Box::new(found(Priority::P2, "it could be nicer")))).unwrap();
    desk.says(session, Said::Below).unwrap();
    desk.gets_up(session);
    let review = &desk.pull().review;
    assert_eq!((review.dropped, review.rounds[0].dropped, review.findings.len()), (2, 2, 0));
    assert_eq!(desk.stage(), Stage::Done, "the lens is answered by it");
}

#[test]
fn after_so_many_rounds_a_person_decides() {
    let mut desk = Desk::at_pull(Approval::Policy, 1);
    desk.looks(&[(Priority::P1, "it is not so")]);
    desk.answers(&ACCEPTED, Some("mended"));
    desk.go_to_the_end();
    assert_eq!((desk.stage(), desk.pull().state.word()), (Stage::Person, "waits-for-approval"));
    let why = desk.pull().review.says();
    assert!(why.contains("1 rounds are the most that are made"), "{why}");
    let alarms = pilothouse_contract::attention::alarms(&desk.fleet, &Default::default());
    assert!(alarms.iter().any(|it| it.key.starts_with("review pr1") && !it.answers.is_empty()), "{alarms:?}");
    // One more round is theirs to grant, by another family or with a reason.
    let ask = |by: Writer, because: Option<&str>| {
        Input::Reviewing(Reviewing::Ask { pull: PULL, by, because: because.map(str::to_owned) })
    };
    let alike = desk.try_take(ask(writer("twin", "alpha"), None)).unwrap_err();
    assert!(alike.message.contains("twin is of the family alpha"), "{alike}");
    desk.take(ask(writer("twin", "alpha"), Some("no other one here")));
    desk.looks(&[]);
    desk.looks(&[]);
    desk.go_to_the_end();
    assert_eq!(desk.run().state, RunState::Landed);
    let rounds = &desk.pull().review.rounds;
    assert_eq!((rounds.len(), rounds[1].excuse.as_ref().unwrap().because.as_str()), (3, "no other one here"));
}

#[test]
fn sessions_that_say_nothing_are_followed_by_one_more_and_then_by_a_person() {
    let mut desk = Desk::at_pull(Approval::Policy, 3);
    for _ in 0..2 {
        let session = desk.sat(Role::Review);
        desk.gets_up(session);
    }
    assert_eq!(desk.stage(), Stage::Person);
    assert!(desk.pull().review.says().contains("without a word on right"), "{}", desk.pull().review.says());

    let mut desk = Desk::at_pull(Approval::Policy, 3);
    desk.looks(&[(Priority::P1, "it is not so")]);
    for _ in 0..2 {
        // It says yes and does nothing: its yes is none.
        desk.answers(&ACCEPTED, None);
        assert_eq!(desk.pull().review.unanswered().count(), 1);
    }
    assert_eq!(desk.stage(), Stage::Person);
    assert!(desk.pull().review.says().contains("changed nothing by them"), "{}", desk.pull().review.says());
}

#[test]
fn nobody_but_who_was_asked_says_anything_and_each_is_answered_once() {
    let mut desk = Desk::at_pull(Approval::Policy, 3);
    let session = desk.sat(Role::Review);
    let stranger = desk.says(SessionId(99), Said::Below).unwrap_err();
    assert!(stranger.message.contains("nobody asks this session"), "{stranger}");
    assert!(desk.replies(session, 1, Reply::PushedBack).unwrap_err().message.contains("for answers"));
    for _ in 0..2 {
        desk.says(session, Said::Found(Box::new(found(Priority::P1, "it is not so")))).unwrap();
    }
    desk.gets_up(session);
    assert_eq!(desk.pull().review.findings.len(), 1, "said again, it is the same");
    let session = desk.sat(Role::Answer);
    assert!(desk.replies(session, 7, Reply::PushedBack).unwrap_err().message.contains("no finding 7"));
    desk.replies(session, 1, Reply::PushedBack).unwrap();
    desk.replies(session, 1, Reply::PushedBack).unwrap();
    let again = desk.replies(session, 1, ACCEPTED).unwrap_err();
    assert!(again.message.contains("answered already"), "{again}");
}

#[test]
fn a_persons_comment_goes_to_the_author_and_what_strays_is_not_taken() {
    let mut desk = Desk::at_pull(Approval::Person, 3);
    desk.looks(&[]);
    desk.go_to_the_end();
    let comment = Box::new(found(Priority::P1, "call it something else"));
    desk.take(Input::Reviewing(Reviewing::Comment { pull: PULL, finding: comment }));
    assert_eq!(desk.pull().review.findings[0].by, Who::Person("p".to_owned()));
    let session = desk.sat(Role::Answer);
    desk.replies(session, 1, ACCEPTED).unwrap();
    desk.gets_up(session);
    let effect = desk.until(|it| matches!(it, Effect::ReadAnswer { .. }));
    let read = AnswerRead { commit: Some("mended".into()), paths: vec!["elsewhere".to_owned()] };
    desk.done(effect, Outcome::AnswerRead(Ok(read)));
    assert_eq!(desk.pull().review.unanswered().count(), 1, "nothing of it is taken");
    desk.answers(&ACCEPTED, Some("mended"));
    desk.looks(&[]);
    desk.go_to_the_end();
    desk.take(Input::ApprovePull { pull: PULL, head: None });
    desk.go_to_the_end();
    assert_eq!((desk.run().state, desk.pull().head.as_str()), (RunState::Landed, "mended"));
}

#[test]
fn a_pause_keeps_everybody_from_sitting_down_and_an_end_has_them_get_up() {
    let mut desk = Desk::at_pull(Approval::Policy, 3);
    let effect = desk.until(|it| matches!(it, Effect::Propose { .. }));
    desk.take(Input::PauseAll { paused: true });
    desk.perform(effect);
    desk.go_to_the_end();
    assert!(desk.pull().review.sitting.is_none());
    assert_eq!((desk.stage(), desk.pull().approval.is_none()), (Stage::Reviewing, true));
    desk.take(Input::PauseAll { paused: false });
    let session = desk.sat(Role::Review);
    let ends = desk.take(Input::StopRun { run: RunId(1) });
    assert!(ends.contains(&Effect::EndSession { session }), "{ends:?}");
    desk.gets_up(session);
    assert!(desk.pull().review.sitting.is_none() && desk.pull().review.open_round().is_some());

    let mut desk = Desk::at_pull(Approval::Policy, 3);
    let session = desk.sat(Role::Review);
    desk.take(Input::KillSession { session });
    desk.gets_up(session);
    assert_eq!(desk.stage(), Stage::Person, "no other one follows behind a person's back");
}

#[test]
fn without_a_reviewer_it_is_off_and_that_is_said() {
    let mut desk = Desk::new(&[task("T001", proof())], Policy { approve: Approval::Policy, ..policy() });
    desk.go_to_the_end();
    assert_eq!((desk.run().state, desk.stage()), (RunState::Landed, Stage::Off));
    assert!(
        desk.pull().review.says().contains("nobody is named to review it"),
        "{}",
        desk.pull().review.says()
    );
}
