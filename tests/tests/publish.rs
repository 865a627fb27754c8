//! Pull requests of ours on GitHub: sent once, with their commits, by real pushes over HTTP; every later head follows; nothing of
//! somebody else's is pushed over, and the token is where it was put and nowhere else. And what checks wrote there.

#[path = "at_github/scene.rs"]
mod scene;

use fake_github::limits::Wrong;
use pilothouse_contract::event::Event;
use pilothouse_contract::published::Happened;
use pilothouse_contract::{Record, text};
use pilothouse_testkit::process::{Fifo, kill_at_once};
use pilothouse_testkit::secrets::leaks;
use scene::{BRANCH, FULL, Scene, TOKEN};
use serde_json::json;

#[test]
fn a_pull_request_is_sent_once_with_its_commits_and_its_words() {
    let (scene, head) = Scene::ready("");
    let would = scene.home.json(&["pr", "publish", "pr1", "--dry-run"]);
    assert_eq!(
        (would["head"].as_str(), would["place"]["branch"].as_str()),
        (Some(head.as_str()), Some(BRANCH))
    );
    assert!(would["body"].as_str().unwrap().contains("## How verified"), "{would:#}");
    assert_eq!((scene.there(), scene.theirs().len()), (None, 0), "nothing was sent");
    assert!(scene.shown()["published"].is_null());
    let shown = scene.home.run(&["pr", "publish", "pr1", "--dry-run"]).out;
    assert!(shown.contains("Nothing was sent") && shown.contains("## Why"), "{shown}");

    let sent = scene.publish().json();
    assert_eq!(scene.there(), Some(head.clone()), "{sent:#}");
    let theirs = scene.theirs();
    assert_eq!(theirs.len(), 1);
    let one = &theirs[0];
    assert_eq!(
        (one.head.as_str(), one.base_ref.as_str(), one.author.as_str()),
        (head.as_str(), "main", "octocat")
    );
    assert_eq!(
        (Some(one.title.as_str()), Some(one.body.as_str())),
        (would["title"].as_str(), would["body"].as_str())
    );
    for word in [
        "## Why",
        "It must be made",
        "## What",
        "T001",
        "## How verified",
        "test -s made.txt",
        "pr1 of Pilothouse",
    ] {
        assert!(one.body.contains(word), "{word} in {}", one.body);
    }
    assert!(!one.body.contains("as #7 says"), "no issue is linked: {}", one.body);
    let published = scene.shown()["published"].clone();
    assert_eq!(
        (published["named"]["number"].as_u64(), published["there"].as_str()),
        (Some(1), Some(head.as_str()))
    );
    let url = published["named"]["url"].as_str().unwrap().to_owned();
    assert!(scene.home.run(&["pr", "show", "pr1"]).out.contains(&url));

    // Once more, and by an engine of its own: there is one, and nothing was made.
    let asked = scene.asked("createPullRequest");
    assert_eq!(scene.publish().code, 0);
    assert_eq!(scene.home.run(&["engine", "stop"]).code, 0);
    assert_eq!(scene.publish().json()["published"]["named"]["number"], json!(1));
    assert_eq!((scene.theirs().len(), scene.asked("createPullRequest")), (1, asked));
    // Somebody else than this engine opened it: it is found by its branch.
    let main = scene.repo.git(&["rev-parse", "main"]);
    let bare = scene.bare().display().to_string();
    assert_eq!(
        scene.repo.git(&["--git-dir", &bare, "rev-parse", "main"]),
        main,
        "the default branch is nobody's to push to"
    );
}

#[test]
fn an_engine_that_dies_between_the_push_and_the_opening_goes_on_with_what_is_there() {
    let (scene, head) = Scene::ready("");
    let (pushed, goes_on) =
        (Fifo::new(scene.home.path().join("pushed")), Fifo::new(scene.home.path().join("on")));
    let hook = scene.hook("post-receive", &format!("echo yes > {pushed}; cat {goes_on} > /dev/null"));
    let asking =
        scene.home.command(&["--json", "pr", "publish", "pr1"]).stdout(std::process::Stdio::null()).spawn();
    let mut asking = asking.unwrap();
    assert_eq!(pushed.read().trim(), "yes");
    assert_eq!((scene.there(), scene.theirs().len()), (Some(head.clone()), 0), "it is between the two");
    kill_at_once(scene.home.locked_by().unwrap());
    std::fs::remove_file(hook).unwrap();
    std::fs::write(goes_on.path(), "on\n").unwrap();
    asking.wait().unwrap();
    scene.wait(|it| matches!(&it.event, Event::Publish { what: Happened::Sent { .. }, .. }));
    assert_eq!(scene.publish().code, 0);
    let theirs = scene.theirs();
    assert_eq!((theirs.len(), theirs[0].head.clone(), scene.there()), (1, head.clone(), Some(head)));
    assert_eq!(scene.shown()["published"]["named"]["number"], json!(1));
}

#[test]
fn the_token_is_nowhere_while_it_is_pushed_and_afterwards() {
    let (scene, _) = Scene::ready("");
    let (pushed, goes_on) =
        (Fifo::new(scene.home.path().join("pushed")), Fifo::new(scene.home.path().join("on")));
    // The other side says it back, too.
    scene.hook(
        "update",
        &format!("echo yes > {pushed}; cat {goes_on} > /dev/null; echo 'GH006 {TOKEN}' >&2; exit 1"),
    );
    let asking =
        scene.home.command(&["--json", "pr", "publish", "pr1"]).stdout(std::process::Stdio::piped()).spawn();
    let asking = asking.unwrap();
    assert_eq!(pushed.read().trim(), "yes");
    let folders = [scene.repo.path(), scene.home.path()];
    let theirs = |it: &String| !it.contains("/tokens/");
    let found: Vec<String> = leaks(&scene.home, TOKEN, &folders).into_iter().filter(theirs).collect();
    assert_eq!(found, Vec::<String>::new());
    // What lies in temporary folders by now is a pipe.
    let own = |it: &std::fs::DirEntry| it.file_name().to_string_lossy().starts_with("pilothouse-talk-");
    let talks = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten().filter(own);
    for talk in talks {
        let files = pilothouse_testkit::secrets::files_below(&talk.path());
        assert!(!files.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(TOKEN)), "{talk:?}");
    }
    std::fs::write(goes_on.path(), "on\n").unwrap();
    let said = asking.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("protects the branch") && said.contains("[token]") && !said.contains(TOKEN),
        "{said}"
    );
    std::fs::remove_file(scene.bare().join("hooks/update")).unwrap();
    assert_eq!(scene.publish().code, 0);
    let found: Vec<String> = leaks(&scene.home, TOKEN, &folders).into_iter().filter(theirs).collect();
    assert_eq!(found, Vec::<String>::new());
    assert!(!scene.theirs()[0].body.contains(TOKEN));
    assert!(!scene.home.path().join("kept").exists(), "no helper of the person's was told anything");
    let config = scene.repo.git(&["config", "--list", "--show-origin"]);
    assert!(!config.contains("credential") && !config.contains(TOKEN), "{config}");
}

#[test]
fn whatever_is_in_the_way_is_said_in_a_sentence_and_nothing_is_half_done() {
    let scene = Scene::new("");
    let head = scene.carry();
    let none = scene.refused();
    assert!(none.contains("nobody is logged in to") && none.contains("pilothouse forge login"), "{none}");
    scene.login();
    scene.repo.git(&["remote", "rename", "origin", "elsewhere"]);
    let no_origin = scene.refused();
    assert!(
        no_origin.contains("cabin has no origin at a forge") && no_origin.contains("remote add origin"),
        "{no_origin}"
    );
    scene.repo.git(&["remote", "rename", "elsewhere", "origin"]);
    let missing = scene.home.try_json(&["pr", "publish", "pr9"]).fault();
    assert!(missing.contains("there is no pull request pr9"), "{missing}");

    assert!(scene.world(|it| it.readers.insert(("octocat".to_owned(), FULL.to_owned()))));
    let reads = scene.refused();
    assert!(reads.contains(&format!("octocat may not push to {}/{FULL} (403)", scene.host)), "{reads}");
    scene.world(|it| it.readers.clear());
    scene.fake.protect(FULL, "pilothouse/*").unwrap();
    let protected = scene.refused();
    assert!(
        protected.contains("protects the branch pilothouse/001-work/item") && protected.contains("GH006"),
        "{protected}"
    );
    std::fs::remove_file(scene.bare().join("hooks/update")).unwrap();
    assert_eq!(scene.there(), None);
    scene.world(|it| it.limits.wrong("/graphql", Wrong::Secondary(8), 1));
    let limited = scene.refused();
    assert!(
        limited.contains("wants no more requests for 8 s, until ") && limited.contains(" UTC"),
        "{limited}"
    );
    let trouble = scene.shown()["published"]["trouble"]["why"].clone();
    assert!(trouble.as_str().unwrap().contains("wants no more requests"), "{trouble}");
    // Whoever says it once more is told so, and the forge is not asked.
    let asked = scene.asked("repository");
    assert!(scene.refused().contains("wants no more requests for "));
    assert_eq!(scene.asked("repository"), asked);
    // It is tried again by itself, once that is over and the forge answers.
    while scene.theirs().is_empty() {
        scene.home.json(&["pr", "list", "--fresh"]);
    }
    scene.wait(|it| matches!(&it.event, Event::Publish { what: Happened::Sent { .. }, .. }));
    assert!(scene.shown()["published"]["trouble"].is_null());
    assert_eq!((scene.there(), scene.theirs().len()), (Some(head), 1));

    scene.world(|it| it.pull_mut(FULL, 1).unwrap().state = "CLOSED".to_owned());
    let closed = scene.refused();
    assert!(closed.contains("#1 is not open any more"), "{closed}");
    assert_eq!(scene.theirs().len(), 1, "and no second one is opened");
    scene.world(|it| it.pull_mut(FULL, 1).unwrap().state = "OPEN".to_owned());
    scene.world(|it| it.tokens.clear());
    let revoked = scene.refused();
    assert!(revoked.contains("does not take the token of octocat any more"), "{revoked}");
    for said in [none, no_origin, reads, protected, limited, closed, revoked] {
        assert_eq!(text::plain(&said, false), said, "nothing in it moves a terminal");
    }
}

#[test]
fn a_new_head_follows_and_what_somebody_else_pushed_is_not_pushed_over() {
    let (scene, first) = Scene::ready("");
    assert_eq!(scene.publish().code, 0);
    // Its author answers a comment with a commit: that is its head from then on, there too.
    scene.home.json(&["pr", "comment", "pr1", "Make it longer", "--path", "made.txt", "--line", "1"]);
    let renewed = |it: &Record| matches!(&it.event, Event::Publish { what: Happened::Sent { head, .. }, .. } if head.as_str() != first);
    scene.wait(renewed);
    let second = scene.head();
    assert_ne!(first, second);
    let theirs = scene.theirs();
    assert_eq!(
        (theirs.len(), theirs[0].head.clone(), scene.there()),
        (1, second.clone(), Some(second.clone()))
    );
    assert_eq!(scene.shown()["published"]["there"], json!(second));

    // Somebody else pushes to it.
    let bare = scene.bare().display().to_string();
    let main = scene.repo.git(&["rev-parse", "main"]);
    scene.repo.git(&["--git-dir", &bare, "update-ref", &format!("refs/heads/{BRANCH}"), &main]);
    let refused = scene.refused();
    assert!(
        refused.contains("was moved by somebody else") && refused.contains("nothing is pushed over it"),
        "{refused}"
    );
    assert_eq!(scene.there(), Some(main.clone()), "it stands where they put it");
    let trouble = scene.shown()["published"]["trouble"].clone();
    assert_eq!(trouble["again"], json!(false), "{trouble}");
    // Between the look and the push, too: the lease holds.
    scene.repo.git(&["--git-dir", &bare, "update-ref", &format!("refs/heads/{BRANCH}"), &first]);
    scene.hook(
        "pre-receive",
        &format!("env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY git --git-dir {bare} update-ref refs/heads/{BRANCH} {main}; exit 0"),
    );
    let refused = scene.refused();
    assert!(
        refused.contains("nothing is pushed over it") || refused.contains("could not be pushed"),
        "{refused}"
    );
    assert_eq!(scene.there(), Some(main));
}

#[test]
fn the_log_of_a_check_is_text_without_secrets_and_its_end_where_it_is_long() {
    let (scene, _) = Scene::ready("");
    assert_eq!(scene.publish().code, 0);
    let secret = format!("ghp_{}", "a1B2".repeat(9));
    let id = scene.world(|it| {
        let id = it.check(FULL, 1, "build", Some("FAILURE"));
        let log = format!("first line\n\u{1b}]0;evil\u{7}token {secret} and {TOKEN}\nlast line\n");
        it.repo_mut(FULL).unwrap().logs.insert(id, log);
        id
    });
    scene.home.json(&["pr", "list", "--fresh"]);
    let one = format!("{FULL}#1");
    let checks = scene.home.json(&["pr", "checks", &one]);
    assert_eq!((&checks[0]["name"], &checks[0]["state"]), (&json!("build"), &json!("failed")), "{checks}");
    let log = scene.home.json(&["pr", "checks", &one, "--log", "build"]);
    let text = log["text"].as_str().unwrap();
    assert!(text.starts_with("first line") && text.trim_end().ends_with("last line"), "{text}");
    assert!(!text.contains(&secret) && !text.contains(TOKEN) && log.get("cut").is_none(), "{log:#}");
    let shown = scene.home.run(&["pr", "checks", &one, "--log", "build"]).out;
    assert!(shown.contains("build of ") && shown.contains("FAILED") && !shown.contains('\u{1b}'), "{shown}");
    // The host of logs has its own address for it, and takes no token of another one.
    assert!(scene.world(|it| it.asked.iter().any(|it| it.path.starts_with("/blob/") && it.status == 200)));

    let long = format!("{}the last\n", "0123456789 a line of a log\n".repeat(100_000));
    scene.world(|it| drop(it.repo_mut(FULL).unwrap().logs.insert(id, long)));
    let log = scene.home.json(&["pr", "checks", &one, "--log", "build"]);
    let text = log["text"].as_str().unwrap();
    assert!(log["cut"] == json!(true) && text.len() <= 1 << 20, "{}", text.len());
    assert!(text.starts_with("0123456789 a line") && text.ends_with("the last\n"));

    scene.world(|it| drop(it.repo_mut(FULL).unwrap().logs.remove(&id)));
    let none = scene.home.try_json(&["pr", "checks", &one, "--log", "build"]).fault();
    assert!(none.contains("keeps no log of 'build'") && none.contains("/runs/"), "{none}");
    let unknown = scene.home.try_json(&["pr", "checks", &one, "--log", "lint"]).fault();
    assert!(unknown.contains("has no check called 'lint'"), "{unknown}");
    let missing = scene.home.try_json(&["pr", "checks", "octocat/cabin#9", "--log", "build"]).fault();
    assert!(missing.contains("no forge tells of an open pull request octocat/cabin#9"), "{missing}");
}
