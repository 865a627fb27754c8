//! Landing by GitHub: asked for what has a yes, by its queue, its auto-merge or a merge of just that head; followed to its end, let go
//! of when it is not to land, and shown in the window.

#[path = "at_github/scene.rs"]
mod scene;

use std::path::Path;

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::published::Happened;
use pilothouse_contract::pull::PullState;
use pilothouse_testkit::window::{Options, Window};
use scene::{FULL, Scene, THERE};
use serde_json::json;

#[test]
fn a_yes_has_github_merge_just_that_head_and_what_landed_is_a_record_here() {
    let (scene, head) = Scene::approved(|_| {});
    let main = scene.repo.git(&["rev-parse", "main"]);
    let commit = scene.landed();
    let theirs = scene.theirs();
    assert_eq!(
        (theirs[0].state.as_str(), theirs[0].merge_commit.as_deref()),
        ("MERGED", Some(commit.as_str()))
    );
    let sent = scene
        .world(|it| it.asked.iter().find(|it| it.body.contains("mergePullRequest(")).unwrap().body.clone());
    assert!(sent.contains(&format!("\"expectedHeadOid\":\"{head}\"")), "{sent}");
    assert_eq!(scene.repo.git(&["rev-parse", "refs/pilothouse/pulls/1/landed"]), commit);
    assert_eq!(scene.repo.git(&["rev-parse", "main"]), main, "the default branch here is nobody's to move");
    let run = scene.home.json(&["run", "show", "r1"]);
    assert_eq!(run["run"]["state"], json!("landed"), "{run:#}");
    assert!(scene.waits().is_empty());
    // A person brings their branch there: that is as it should be, and the line stays open.
    let bare = scene.bare().display().to_string();
    scene.repo.git(&["pull", "--quiet", "--ff-only", &bare, "main"]);
    assert_eq!(scene.repo.git(&["rev-parse", "main"]), commit);
    scene.wait(|it| matches!(&it.event, Event::MainMoved { to, .. } if to.as_str() == commit));
    assert!(!scene.home.history().iter().any(|it| matches!(&it.event, Event::LineChanged { .. })));
}

#[test]
fn what_github_still_awaits_lands_by_its_queue_and_nothing_passes_its_rules_by() {
    let (scene, _) = Scene::approved(|it| {
        it.required_checks = vec!["build".to_owned()];
        it.has_queue = true;
    });
    scene.taken();
    assert!(scene.is_auto() && !scene.is_queued(), "it goes into the queue once its checks passed");
    assert!(scene.waits().contains("it lands by itself there once it can"), "{}", scene.waits());
    assert!(scene.world(|it| it.check(FULL, 1, "build", Some("SUCCESS"))) > 0);
    assert!(scene.is_queued());
    scene.comes_to(|it| matches!(it, Event::Publish { what: Happened::LandSays { says }, .. } if says.contains("in its queue at 1")));
    assert!(scene.waits().contains("it is in its queue at 1: awaiting checks"), "{}", scene.waits());
    assert_eq!(scene.world(|it| it.queue_goes_on(FULL)).unwrap(), Some(1));
    let commit = scene.landed();
    assert_eq!(scene.theirs()[0].merge_commit.as_deref(), Some(commit.as_str()));
    assert_eq!(scene.asked("mergePullRequest"), 0, "its owner, who might pass its rules by, did not");
}

#[test]
fn one_that_is_thrown_out_of_the_queue_is_sent_back_and_so_is_one_that_is_closed() {
    let (scene, _) = Scene::approved(|it| it.has_queue = true);
    scene.taken();
    assert!(scene.is_queued());
    assert_eq!(scene.asked("enqueuePullRequest"), 1);
    scene.world(|it| it.dequeue(FULL, 1)).unwrap();
    // It is believed when it says so twice.
    scene.comes_to(|it| matches!(it, Event::Publish { what: Happened::LandSays { says }, .. } if says.contains("not on its way")));
    let why = scene.sent_back();
    assert!(why.contains("#1 was thrown out of the queue there"), "{why}");
    let run = scene.home.json(&["run", "show", "r1"]);
    assert_eq!(run["run"]["state"], json!("parked"), "{run:#}");

    let (scene, _) = Scene::approved(|it| it.required_reviews = 1);
    scene.taken();
    scene.world(|it| it.pull_mut(FULL, 1).unwrap().state = "CLOSED".to_owned());
    let why = scene.sent_back();
    assert!(why.contains("#1 was closed there"), "{why}");
}

#[test]
fn while_a_person_holds_the_line_github_lets_go_of_it_and_a_new_head_needs_a_new_yes() {
    let (scene, first) = Scene::approved(|it| it.required_reviews = 1);
    scene.taken();
    assert!(scene.is_auto());
    scene.home.json(&["line", "stop", "cabin", "--why", "a release is cut"]);
    scene.wait(|it| matches!(&it.event, Event::Publish { what: Happened::LandFree, .. }));
    assert!(!scene.is_auto());
    assert!(scene.waits().contains("holds the line: a release is cut"), "{}", scene.waits());
    scene.home.json(&["line", "open", "cabin"]);
    let taken = |it: &Record| matches!(&it.event, Event::Publish { what: Happened::LandTaken { .. }, .. });
    assert_eq!(scene.home.events(0).filter(taken).take(2).count(), 2);
    assert!(scene.is_auto());

    // Its author mends what somebody found: what landed by itself would be what nobody said yes to.
    scene.home.json(&["pr", "comment", "pr1", "Make it longer", "--path", "made.txt", "--line", "1"]);
    scene.wait(|it| matches!(&it.event, Event::Publish { what: Happened::Sent { head, .. }, .. } if head.as_str() != first));
    assert!(!scene.is_auto());
    scene.world(|it| it.review(FULL, 1, "hubot", "APPROVED", ""));
    scene.home.json(&["pr", "list", "--fresh"]);
    assert_eq!(scene.theirs()[0].state, "OPEN");
    let second = scene.head();
    let checked = |it: &Record| matches!(&it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. });
    assert_eq!(scene.home.events(0).filter(checked).take(2).count(), 2);
    scene.home.json(&["pr", "approve", "pr1"]);
    scene.landed();
    assert_eq!(scene.theirs()[0].head, second);
}

#[test]
fn one_that_is_not_published_says_so_and_landing_here_is_what_it_is_without_that_word() {
    let (scene, _) = Scene::ready(THERE);
    scene.home.json(&["pr", "approve", "pr1"]);
    let waits = scene.waits();
    assert!(waits.contains("it lands by its forge, and is not published there"), "{waits}");
    let refused = scene.home.try_json(&["pr", "land", "pr1"]).fault();
    assert!(
        refused.contains("is not published there") && refused.contains("pilothouse pr publish pr1"),
        "{refused}"
    );
    let main = scene.repo.git(&["rev-parse", "main"]);
    assert_eq!(scene.publish().code, 0);
    scene.landed();
    assert_eq!(scene.repo.git(&["rev-parse", "main"]), main);

    let (scene, _) = Scene::ready("");
    assert_eq!(scene.publish().code, 0);
    scene.home.json(&["pr", "approve", "pr1"]);
    let landed = scene.wait(|it| matches!(&it.event, Event::PullMoved { to: PullState::Landed { .. }, .. }));
    let Event::PullMoved { to: PullState::Landed { commit }, .. } = landed.event else { unreachable!() };
    assert_eq!(scene.repo.git(&["rev-parse", "main"]), commit.as_str());
    assert_eq!(scene.theirs()[0].state, "OPEN", "nobody there was asked");
}

#[test]
fn the_window_says_how_it_stands_there_and_opens_its_address_only_when_asked() {
    let (scene, _) = Scene::approved(|it| it.required_reviews = 1);
    scene.taken();
    let mut window = Window::open(&scene.home, Options::default());
    window.wait(".strip[data-subject=PR1]");
    window.keys("ctrl+3");
    window.wait_text("[data-name=published]", &format!("{}/{FULL}#1, at ", scene.host));
    window.wait_text("[data-name=published] code", "/octocat/cabin/pull/1");
    assert!(window.find("[data-name=published] [data-name=open-published]"));
    window.wait_text("[data-name=pull-waits]", "it lands by itself there once it can");
    window.wait_text("[data-name=landbar]", "it lands by itself there once it can");
    if let Some(folder) = std::env::var_os("PILOTHOUSE_PICTURES") {
        let folder = Path::new(&folder);
        for (theme, width, height) in [("light", 1280, 800), ("dark", 1280, 800), ("dark", 960, 640)] {
            window.theme(theme);
            window.resize(width, height);
            window.wait("[data-name=published]");
            window.screenshot(&folder.join(format!("published-{theme}-{width}.png")));
        }
    }
    scene.world(|it| it.pull_mut(FULL, 1).unwrap().state = "CLOSED".to_owned());
    scene.sent_back();
    window.wait_text("[data-name=landbar]", "was closed there");
    assert_eq!((window.violations(), window.errors()), (Vec::new(), Vec::new()));
}
