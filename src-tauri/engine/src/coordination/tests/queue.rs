//! Several pull requests of one project on their way to the default branch.

use std::collections::BTreeSet;

use pilothouse_contract::queue::Limits;

use super::*;

const PROJECT: ProjectId = ProjectId(1);

/// So many items, each with a pull request that waits for a yes.
fn many(n: u32, policy: Policy) -> Desk {
    let mut desk = Desk::empty();
    let tasks = [task("T001", proof())];
    let found = |item: u32| ItemFound { slug: format!("{item:03}-x"), base: "m0".into(), spec: spec(&tasks) };
    desk.take(Input::ItemsFound { project: PROJECT, items: (1..=n).map(found).collect() });
    for item in 1..=n {
        let Input::StartRun(mut facts) = facts(&tasks, "m0", policy.clone()) else { unreachable!() };
        facts.item = ItemId(item);
        facts.branch = RefName::branch(&format!("pilothouse/{item:03}-x/item"));
        desk.take(Input::StartRun(facts));
    }
    desk.go_to_the_end();
    for item in 1..=n {
        assert_eq!(desk.pull_of(item).state, PullState::WaitsForApproval, "{:?}", desk.pull_of(item));
    }
    desk.records.clear();
    desk
}

fn batches(batch: u32, parallel: u32) -> Policy {
    Policy { checks: vec!["all".to_owned()], queue: Limits { batch, parallel }, ..policy() }
}

impl Desk {
    fn pull_of(&self, id: u32) -> &pilothouse_contract::pull::Pull {
        self.fleet.pulls.get(&PullId(id)).unwrap()
    }

    fn approve(&mut self, id: u32) {
        self.take(Input::ApprovePull { pull: PullId(id), head: None });
    }

    /// Performs everything; checks of what holds one of these heads fail. Returns how many landing checks ran.
    fn go_on_with(&mut self, bad: &[Oid]) -> usize {
        let mut checks = 0;
        while let Some(effect) = self.pending.pop_front() {
            match &effect {
                Effect::Check(asked) => {
                    checks += 1;
                    let fails = bad.iter().any(|it| asked.commit.as_str().contains(it.as_str()));
                    let verdict = if fails { Verdict::Failed } else { Verdict::Passed };
                    let outcome = checked(asked, verdict);
                    self.done(effect, outcome);
                }
                _ => self.perform(effect),
            }
        }
        checks
    }

    fn main(&self) -> Oid {
        self.fleet.projects.get(&PROJECT).unwrap().main.clone()
    }

    fn landed(&self) -> BTreeSet<u32> {
        let landed = |it: &&pilothouse_contract::pull::Pull| matches!(it.state, PullState::Landed { .. });
        self.fleet.pulls.values().filter(landed).map(|it| it.id.0).collect()
    }
}

#[test]
fn those_that_were_approved_while_another_one_lands_land_together_by_one_check() {
    let mut desk = many(4, batches(4, 1));
    (1..=4).for_each(|it| desk.approve(it));
    assert_eq!(desk.pull_of(1).state, PullState::Landing, "it was checked on the default branch as it is");
    let checks = desk.go_on_with(&[]);
    assert_eq!((desk.landed(), checks), (BTreeSet::from([1, 2, 3, 4]), 1));
    let last = desk.pull_of(4).result.clone().unwrap();
    assert_eq!(desk.main(), last.commit);
    assert_eq!(desk.pull_of(2).queued.as_ref().unwrap().with, Some(PullId(4)));
    assert_eq!(
        desk.pull_of(2).checks,
        desk.pull_of(4).checks,
        "what was checked for the last one holds for it"
    );
    let moves = desk.records.iter().filter(|it| matches!(it, Event::MainMoved { .. })).count();
    assert_eq!(moves, 2);
    assert_eq!(desk.fleet.projects[&PROJECT].fates, [true; 4]);
}

#[test]
fn one_that_breaks_a_batch_is_found_and_sent_back_and_the_others_land() {
    let mut desk = many(6, batches(8, 1));
    (1..=6).for_each(|it| desk.approve(it));
    let bad = desk.pull_of(4).head.clone();
    desk.go_on_with(&[bad]);
    assert_eq!(desk.landed(), BTreeSet::from([1, 2, 3, 5, 6]));
    let pull = desk.pull_of(4);
    assert_eq!(pull.state, PullState::Bounced);
    assert!(pull.why.contains("`all` failed on the merge result"), "{}", pull.why);
    assert_eq!(
        desk.fleet.runs[&RunId(4)].stop,
        Some(pilothouse_contract::stop::Stop::Bounced { pull: PullId(4) })
    );
}

#[test]
fn where_each_is_wanted_by_itself_each_is_checked_by_itself() {
    let mut desk = many(3, batches(1, 1));
    (1..=3).for_each(|it| desk.approve(it));
    let checks = desk.go_on_with(&[]);
    assert_eq!((desk.landed().len(), checks), (3, 2), "the first one was checked where it lands");
    assert!((1..=3).all(|it| desk.pull_of(it).queued.as_ref().unwrap().with.is_none()));
}

#[test]
fn a_check_that_was_given_up_says_nothing_however_it_ends() {
    let mut desk = many(3, batches(1, 2));
    (1..=3).for_each(|it| desk.approve(it));
    // The first one lands; the second one and the third one are checked on top of it at once.
    let second = desk.until(is_check(Gate::Landing));
    let third = desk.until(is_check(Gate::Landing));
    let (Effect::Check(of_second), Effect::Check(of_third)) = (&second, &third) else { unreachable!() };
    let (pull, session) = (of_third.pull.unwrap(), of_third.session);
    // The second one is stopped: what the third one is checked on will never be.
    assert_eq!(of_second.pull, Some(PullId(2)));
    let effects = desk.take(Input::StopRun { run: RunId(2) });
    assert!(effects.contains(&Effect::EndSession { session }), "{effects:?}");
    let before = desk.fleet.evidence.len();
    let Effect::Check(asked) = &third else { unreachable!() };
    let failed = checked(asked, Verdict::Failed);
    desk.done(third, failed);
    assert_eq!((desk.fleet.evidence.len(), desk.fleet.pulls[&pull].given_up.len()), (before, 0));
    desk.go_on_with(&[]);
    assert_eq!(desk.landed(), BTreeSet::from([1, 3]));
}

#[test]
fn a_clash_with_somebody_ahead_is_sent_back_only_once_that_one_has_landed() {
    let mut desk = many(3, batches(1, 2));
    (1..=3).for_each(|it| desk.approve(it));
    // The first one is being landed still.
    let second = |it: &&Effect| matches!(it, Effect::Merge { pull: PullId(2), .. });
    let merge = desk.pending.iter().find(second).cloned().unwrap();
    desk.done(merge, Outcome::Merged(Merged::Clash { paths: vec!["a.rs".to_owned()] }));
    assert_eq!(desk.pull_of(2).state, PullState::Checking);
    let waits = pilothouse_contract::waits::waits(&desk.fleet, desk.pull_of(2));
    assert!(waits.iter().any(|it| it.says.contains("clashes with what is ahead of it: a.rs")), "{waits:?}");
    desk.go_on_with(&[]);
    assert_eq!(desk.landed(), BTreeSet::from([1, 3]));
    let pull = desk.pull_of(2);
    assert_eq!(pull.state, PullState::Bounced);
    assert!(pull.why.contains("it clashes with the default branch: a.rs"), "{}", pull.why);
    // What was sent back and lands later was made twice.
    let mut fleet = desk.fleet.clone();
    if let Some(it) = fleet.pulls.get_mut(&PullId(2)) {
        it.state = PullState::Landed { commit: "m9".into() };
        it.review.risk = Some(pilothouse_contract::risk::Risk::default());
    }
    let reworked: u32 = pilothouse_contract::after::rates(&fleet, None).iter().map(|it| it.reworked).sum();
    assert_eq!(reworked, 1);
}

#[test]
fn while_a_person_holds_the_line_only_what_a_person_lets_through_lands() {
    let mut desk = many(3, batches(4, 1));
    desk.take(Input::HoldLine { project: PROJECT, why: "the release is being cut".to_owned() });
    (1..=3).for_each(|it| desk.approve(it));
    desk.go_on_with(&[]);
    assert_eq!(desk.landed(), BTreeSet::new());
    assert_eq!(desk.pull_of(2).state, PullState::WaitsForLine);
    assert!(desk.pull_of(2).why.contains("the release is being cut"), "{}", desk.pull_of(2).why);
    let refused = desk.try_take(Input::LandPull { pull: PullId(2) }).unwrap_err();
    assert!(
        refused.message.contains("holds the line") && format!("{:?}", refused.hints).contains("--escape")
    );
    let nothing = desk.try_take(Input::EscapePull { pull: PullId(2), why: " ".to_owned() }).unwrap_err();
    assert!(nothing.message.contains("reason"), "{nothing}");

    desk.take(Input::EscapePull { pull: PullId(2), why: "users are locked out".to_owned() });
    desk.go_on_with(&[]);
    assert_eq!(desk.landed(), BTreeSet::from([2]));
    desk.take(Input::OpenLine { project: PROJECT });
    desk.go_on_with(&[]);
    assert_eq!(desk.landed(), BTreeSet::from([1, 2, 3]));
    assert!(desk.try_take(Input::OpenLine { project: PROJECT }).is_err());
}

#[test]
fn each_wait_has_its_cause_its_age_and_what_ends_it() {
    let mut desk = many(3, batches(1, 1));
    let says = |desk: &Desk, id: u32| {
        let waits = pilothouse_contract::waits::waits(&desk.fleet, desk.pull_of(id));
        assert!(waits.iter().all(|it| !it.ends.is_empty() && it.since <= desk.now), "{waits:?}");
        waits.into_iter().map(|it| it.says).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(says(&desk, 1), "nobody said yes yet");
    (1..=3).for_each(|it| desk.approve(it));
    assert_eq!(says(&desk, 1), "it is being landed");
    let check = desk.until(is_check(Gate::Landing));
    assert!(says(&desk, 2).starts_with("check 1 of 1 runs: `all`"), "{}", says(&desk, 2));
    assert!(says(&desk, 3).contains("ahead of it in the queue, pr2 the last of them"), "{}", says(&desk, 3));
    // Nothing that it waits for comes while its run is parked, and so it waits for a person.
    let mut fleet = desk.fleet.clone();
    if let Some(run) = fleet.runs.get_mut(&RunId(3)) {
        (run.state, run.why) = (RunState::Parked, "its branch is gone".to_owned());
    }
    let waits = pilothouse_contract::waits::waits(&fleet, desk.pull_of(3));
    assert_eq!(
        waits.iter().map(|it| it.says.as_str()).collect::<Vec<_>>(),
        ["r3 is parked: its branch is gone"]
    );
    desk.take(Input::PauseAll { paused: true });
    assert!(says(&desk, 3).starts_with("p paused everything"), "{}", says(&desk, 3));
    desk.take(Input::PauseAll { paused: false });
    desk.perform(check);
    desk.go_on_with(&[]);
    assert_eq!((desk.landed().len(), says(&desk, 3)), (3, String::new()));
}
