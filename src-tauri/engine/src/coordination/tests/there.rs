//! Landings by another forge: what it tells comes late, twice, or not at all, and people change their minds meanwhile.

use pilothouse_contract::published::{Named, Place, Published, Stage};
use pilothouse_contract::run::LandsBy;

use super::*;

const ONE: PullId = PullId(1);

/// One that is published, checked and approved, and that its forge is being asked to land.
fn asked() -> Desk {
    let tasks = [task("T001", proof())];
    let mut desk =
        Desk::new(&tasks, Policy { landing: LandsBy::Github, approve: Approval::Person, ..policy() });
    desk.go_to_the_end();
    let place = Place {
        host: "github.com".to_owned(),
        repo: "a/b".to_owned(),
        branch: "pilothouse/001-x/item".to_owned(),
        base: "main".to_owned(),
    };
    desk.take(Input::Publishing(Publishing::Ask { pull: ONE, place }));
    let named = Named { number: 7, id: "PR_7".to_owned(), url: "https://github.com/a/b/pull/7".to_owned() };
    let publish = desk.until(|it| matches!(it, Effect::Publish { .. }));
    desk.done(publish, Outcome::Published(Ok(Some(named))));
    desk.take(Input::ApprovePull { pull: ONE, head: None });
    desk
}

/// The same, once the forge has it.
fn taken() -> Desk {
    let mut desk = asked();
    desk.now = At(10);
    let ask = desk.until(|it| matches!(it, Effect::AskLanding { .. }));
    desk.done(ask, Outcome::LandAsked(Ok(LandAsked::Taken { says: "in its queue".to_owned() })));
    desk
}

impl Desk {
    /// A person starts a session in the project, so that something is under way.
    fn start_something(&mut self) {
        let session = SessionFacts {
            project: Some(ProjectId(1)),
            argv: vec!["sh".to_owned()],
            cwd: "/x".to_owned(),
            mode: pilothouse_contract::session::Mode::Pty,
            limits: pilothouse_contract::session::Limits::default(),
        };
        self.take(Input::StartSession(session));
    }

    fn published(&self) -> &Published {
        self.fleet.pulls[&ONE].published.as_ref().unwrap()
    }

    fn far(&self) -> Option<Stage> {
        self.published().landing.as_ref().map(|it| it.stage.clone())
    }

    fn told(&mut self, asked: i64, told: Told) -> Vec<Effect> {
        self.take(Input::Publishing(Publishing::Tells { pull: ONE, asked: At(asked), told }))
    }

    /// It is open there as it is here.
    fn stands(&mut self, asked: i64, taken: bool) -> Vec<Effect> {
        let head = self.head_of_it();
        self.stands_with(asked, head, "main", taken)
    }

    fn stands_with(&mut self, asked: i64, head: Oid, base: &str, taken: bool) -> Vec<Effect> {
        let (base, says) = (base.to_owned(), if taken { "in its queue" } else { "clean" }.to_owned());
        self.told(asked, Told::Open { head, base, taken, clashes: false, says })
    }

    fn said_there(&self) -> &str {
        &self.published().landing.as_ref().unwrap().says
    }

    fn main_at(&mut self, commit: &str, forward: bool) {
        let (project, found, named) = (ProjectId(1), Some(commit.into()), "p".to_owned());
        self.take(Input::MainSeen { project, found, named, attempt: None, forward });
    }

    fn state(&self) -> PullState {
        self.fleet.pulls[&ONE].state.clone()
    }

    fn head_of_it(&self) -> Oid {
        self.fleet.pulls[&ONE].head.clone()
    }
}

fn merged(head: Oid) -> Told {
    Told::Merged { commit: Some("c1".into()), head, base: "main".to_owned() }
}

#[test]
fn a_yes_asks_the_forge_once_and_nothing_lands_here() {
    let mut desk = asked();
    let asks = desk.pending.iter().filter(|it| matches!(it, Effect::AskLanding { .. })).count();
    assert_eq!((asks, desk.far()), (1, Some(Stage::Asked)));
    assert!(desk.fleet.pulls[&ONE].queued.is_none(), "it is in no queue of ours");
    assert!(desk.try_take(Input::EscapePull { pull: ONE, why: "x".to_owned() }).is_err());
    desk.take(Input::ApprovePull { pull: ONE, head: None });
    let asks = desk.pending.iter().filter(|it| matches!(it, Effect::AskLanding { .. })).count();
    assert_eq!(asks, 1);
    assert!(!desk.pending.iter().any(|it| matches!(it, Effect::Land { .. })));
}

#[test]
fn what_landed_there_ends_it_once_it_is_here() {
    let mut desk = taken();
    let head = desk.head_of_it();
    let merged = merged(head);
    let effects = desk.told(20, merged.clone());
    assert_eq!(effects, [Effect::FetchLanded { pull: ONE, commit: "c1".into() }]);
    assert!(desk.told(21, merged.clone()).is_empty(), "it is on its way");
    let fetch = desk.until(|it| matches!(it, Effect::FetchLanded { .. }));
    let not = NotSent { fault: Fault::environment("no network"), again: true };
    desk.done(fetch.clone(), Outcome::Fetched(Err(not.clone())));
    let before = desk.records.len();
    assert_eq!(desk.told(30, merged.clone()).len(), 1, "what could not be had is asked for again");
    desk.done(fetch.clone(), Outcome::Fetched(Err(not)));
    assert_eq!(desk.records.len(), before, "and said once");
    // An answer to what was asked before it landed changes nothing.
    desk.stands(5, true);
    desk.done(fetch, Outcome::Fetched(Ok(())));
    assert_eq!(desk.state(), PullState::Landed { commit: "c1".into() });
    assert_eq!(
        (desk.run().state, desk.fleet.projects[&ProjectId(1)].main.clone()),
        (RunState::Landed, "m0".into())
    );
    // Whoever brings the default branch there, whatever is under way, takes in what was said yes to.
    desk.start_something();
    desk.main_at("c1", true);
    assert_eq!(desk.fleet.projects[&ProjectId(1)].line, Line::Open);
    assert!(desk.told(40, merged).is_empty());
}

#[test]
fn another_head_than_the_one_with_the_yes_is_no_landing_of_it() {
    let mut desk = taken();
    desk.told(20, merged("other".into()));
    assert_eq!(desk.state(), PullState::Bounced);
    assert!(desk.fleet.pulls[&ONE].why.contains("which has the yes"), "{}", desk.fleet.pulls[&ONE].why);
}

#[test]
fn that_it_left_the_queue_is_believed_when_it_is_said_twice_and_never_of_before() {
    let mut desk = taken();
    desk.stands(10, false);
    desk.stands(9, false);
    assert_eq!(desk.published().landing.as_ref().unwrap().says, "in its queue");
    desk.stands(20, false);
    desk.stands(30, true);
    desk.stands(40, false);
    assert_eq!(desk.state(), PullState::Landable, "it was there in between");
    desk.stands(50, false);
    assert_eq!(desk.state(), PullState::Bounced);
    // What was sent back here does not land there: it is let go of, however often it takes.
    assert_eq!(desk.far(), Some(Stage::LettingGo));
    let effect = desk.until(|it| matches!(it, Effect::LetGo { .. }));
    let not = NotSent { fault: Fault::environment("no network"), again: true };
    desk.done(effect, Outcome::LetGo(Err(not)));
    desk.now = At(60);
    assert_eq!(desk.stands(70, true), [Effect::LetGo { pull: ONE }]);
    desk.stands(80, false);
    assert_eq!(desk.far(), None);
}

#[test]
fn one_that_is_sent_back_here_and_lands_there_all_the_same_is_told() {
    let mut desk = taken();
    desk.take(Input::StopRun { run: RunId(1) });
    assert_eq!(desk.state(), PullState::Bounced, "{:?}", desk.state());
    assert!(desk.pending.contains(&Effect::LetGo { pull: ONE }), "{:?}", desk.pending);
    let head = desk.head_of_it();
    desk.told(20, merged(head));
    assert!(
        desk.records
            .iter()
            .any(|it| matches!(it, Event::Notice { says, .. } if says.contains("landed there all the same")))
    );
    assert_eq!((desk.state(), desk.far()), (PullState::Bounced, None));
}

#[test]
fn what_cannot_be_asked_for_yet_is_asked_for_whenever_the_forge_tells_and_said_once() {
    let mut desk = asked();
    let ask = desk.until(|it| matches!(it, Effect::AskLanding { .. }));
    let later = Outcome::LandAsked(Ok(LandAsked::Later { says: "it is a draft there".to_owned() }));
    desk.done(ask.clone(), later.clone());
    let before = desk.records.len();
    for n in 0..3 {
        assert_eq!(desk.stands(20 + n, false), std::slice::from_ref(&ask));
        desk.done(ask.clone(), later.clone());
    }
    assert_eq!(desk.records.len(), before);
    let waits = pilothouse_contract::waits::waits(&desk.fleet, &desk.fleet.pulls[&ONE]);
    assert!(waits.iter().any(|it| it.says == "github.com/a/b#7: it is a draft there"), "{waits:?}");
    // While everything is paused nobody is asked, and a paused run goes on where it stood.
    desk.take(Input::PauseAll { paused: true });
    assert_eq!(desk.far(), Some(Stage::LettingGo));
    let effect = desk.until(|it| matches!(it, Effect::LetGo { .. }));
    desk.done(effect, Outcome::LetGo(Ok(None)));
    assert_eq!(desk.far(), None);
    desk.take(Input::PauseAll { paused: false });
    assert_eq!(desk.far(), Some(Stage::Asked));
}

#[test]
fn the_head_with_the_yes_that_landed_while_another_one_is_here_is_no_landing_of_that_one() {
    for when in ["before", "while it is fetched"] {
        let mut desk = taken();
        let yes = desk.head_of_it();
        if when == "before" {
            desk.fleet.pulls.get_mut(&ONE).unwrap().head = "h2".into();
            desk.told(20, merged(yes));
        } else {
            desk.told(20, merged(yes));
            let fetch = desk.until(|it| matches!(it, Effect::FetchLanded { .. }));
            desk.fleet.pulls.get_mut(&ONE).unwrap().head = "h2".into();
            desk.done(fetch, Outcome::Fetched(Ok(())));
        }
        assert_eq!((desk.state(), desk.run().state), (PullState::Bounced, RunState::Parked), "{when}");
        let why = &desk.fleet.pulls[&ONE].why;
        assert!(why.contains("while pr1 has h2 by now"), "{why}");
        assert!(!desk.pending.iter().any(|it| matches!(it, Effect::DropBranch { .. })), "{when}");
        assert_eq!(desk.far(), None, "there is nothing to let go of");
    }
}

#[test]
fn what_somebody_else_pushed_there_or_has_land_elsewhere_is_let_go_of_and_asked_for_again_once_it_is_mended()
{
    for (other, base, says) in
        [("h9", "main", "somebody else pushed h9 there"), ("", "next", "somebody has it land on next there")]
    {
        let mut desk = taken();
        let yes = desk.head_of_it();
        let head = if other.is_empty() { yes } else { other.into() };
        assert!(
            desk.stands_with(10, head.clone(), base, true).is_empty(),
            "it was asked before it was taken"
        );
        desk.now = At(20);
        assert_eq!(desk.stands_with(20, head.clone(), base, true), [Effect::LetGo { pull: ONE }]);
        assert_eq!(desk.far(), Some(Stage::LettingGo));
        assert!(desk.said_there().starts_with(says), "{}", desk.said_there());
        let effect = desk.until(|it| matches!(it, Effect::LetGo { .. }));
        desk.done(effect, Outcome::LetGo(Ok(None)));
        let ask = desk.until(|it| matches!(it, Effect::AskLanding { .. }));
        let not = other_of(&desk, &head, base);
        desk.done(ask, Outcome::LandAsked(Ok(LandAsked::Later { says: not })));
        let before = desk.records.len();
        assert!(desk.stands_with(30, head.clone(), base, false).is_empty(), "nobody is asked for it");
        assert_eq!((desk.far(), desk.records.len()), (Some(Stage::Later), before), "and it is said once");
        // Somebody has just that land by itself.
        assert_eq!(desk.stands_with(40, head.clone(), base, true), [Effect::LetGo { pull: ONE }]);
        let effect = desk.until(|it| matches!(it, Effect::LetGo { .. }));
        desk.done(effect, Outcome::LetGo(Ok(None)));
        let ask = desk.until(|it| matches!(it, Effect::AskLanding { .. }));
        let not = other_of(&desk, &head, base);
        desk.done(ask.clone(), Outcome::LandAsked(Ok(LandAsked::Later { says: not })));
        assert_eq!(desk.stands(50, false), [ask]);
    }
}

fn other_of(desk: &Desk, head: &Oid, base: &str) -> String {
    super::super::other(desk.published(), &desk.head_of_it(), head, base)
}

#[test]
fn what_landed_on_another_branch_there_is_sent_back_with_its_name() {
    let mut desk = taken();
    let head = desk.head_of_it();
    desk.told(20, Told::Merged { commit: Some("c1".into()), head, base: "next".to_owned() });
    assert_eq!((desk.state(), desk.far()), (PullState::Bounced, None));
    assert!(desk.fleet.pulls[&ONE].why.contains("landed on next there"), "{}", desk.fleet.pulls[&ONE].why);
}

#[test]
fn what_landed_before_it_was_let_go_of_is_a_landing_and_what_could_not_be_let_go_of_is_said() {
    let mut desk = taken();
    desk.take(Input::PauseAll { paused: true });
    let effect = desk.until(|it| matches!(it, Effect::LetGo { .. }));
    let not = Outcome::LetGo(Err(NotSent { fault: Fault::environment("no network"), again: true }));
    desk.done(effect.clone(), not.clone());
    assert!(
        desk.said_there().contains("it may still land") && desk.said_there().contains("no network"),
        "{}",
        desk.said_there()
    );
    let before = desk.records.len();
    desk.now = At(30);
    assert_eq!(desk.stands(30, true), [Effect::LetGo { pull: ONE }]);
    desk.done(effect.clone(), not);
    assert_eq!(desk.records.len(), before, "it is said once");
    let head = desk.head_of_it();
    desk.done(effect, Outcome::LetGo(Ok(Some(merged(head)))));
    let fetch = desk.until(|it| matches!(it, Effect::FetchLanded { .. }));
    desk.done(fetch, Outcome::Fetched(Ok(())));
    assert_eq!(desk.state(), PullState::Landed { commit: "c1".into() });
}

#[test]
fn one_that_the_forge_does_not_tell_of_is_said_once_and_stands_as_it_was() {
    let mut desk = taken();
    desk.told(20, Told::Unknown);
    let before = desk.records.len();
    desk.told(30, Told::Unknown);
    assert_eq!((desk.far(), desk.records.len()), (Some(Stage::Taken), before));
    assert!(desk.said_there().contains("does not tell of github.com/a/b#7"), "{}", desk.said_there());
}

#[test]
fn the_default_branch_set_back_to_what_landed_there_stops_the_line_while_something_is_under_way() {
    let mut desk = taken();
    let head = desk.head_of_it();
    desk.told(20, merged(head));
    desk.start_something();
    desk.main_at("c1", true);
    assert!(
        matches!(desk.fleet.projects[&ProjectId(1)].line, Line::Stopped { .. }),
        "it is not recorded yet"
    );
    desk.main_at("m0", true);
    let fetch = desk.until(|it| matches!(it, Effect::FetchLanded { .. }));
    desk.done(fetch, Outcome::Fetched(Ok(())));
    desk.main_at("c1", true);
    assert_eq!(desk.fleet.projects[&ProjectId(1)].main, "c1".into());
    desk.fleet.projects.get_mut(&ProjectId(1)).unwrap().main = "c2".into();
    desk.main_at("c1", false);
    assert!(matches!(desk.fleet.projects[&ProjectId(1)].line, Line::Stopped { .. }));
    assert_eq!(desk.fleet.projects[&ProjectId(1)].main, "c2".into());
}
