//! Pull requests of ours on GitHub: sent once, with their commits, by real pushes over HTTP; every later head follows; nothing of
//! somebody else's is pushed over, and the token is where it was put and nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fake_github::Fake;
use fake_github::limits::Wrong;
use fake_github::world::{Pull, World};
use pilothouse_contract::event::Event;
use pilothouse_contract::published::Happened;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::{Record, text};
use pilothouse_testkit::agent::{ShellAgent, task_file, two_families};
use pilothouse_testkit::home::{Home, Ran};
use pilothouse_testkit::process::{Fifo, kill_at_once};
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::secrets::{leaks, typed};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const TOKEN: &str = "gho_thisIsTheSecretOfAPush0123456789";
const FULL: &str = "octocat/cabin";
const BRANCH: &str = "pilothouse/001-work/item";

struct Scene {
    home: Home,
    repo: Repo,
    fake: Fake,
    host: String,
    _runtime: Runtime,
    _agents: [ShellAgent; 2],
}

impl Scene {
    /// A project of a repository that this GitHub has too, and a person of its own there; `more` is said in its `WORKFLOW.md`.
    fn new(more: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let fake = runtime.block_on(Fake::start(0)).unwrap();
        let host = fake.url().replace("http://", "");
        fake.world(|it| it.person("octocat", TOKEN));
        fake.git_repo(FULL).unwrap();
        let writer = ShellAgent::new(
            "case \"$(head -n 1 \"$1\")\" in\n'# Findings on '*) \"$PILOTHOUSE_BIN\" hook settle 1 accepted 'made longer' && echo longer >> made.txt ;;\n\
             *) echo made > made.txt ;;\nesac",
        );
        let critic = ShellAgent::new("exit 0");
        let workflow = format!(
            "---\npilothouse:\n  agent: writer\n  approve: person\n  completeness: 'off'\n{more}  agents:\n{}---\n",
            two_families(&writer, &critic)
        );
        let tasks = task_file(&[("T001", "made.txt", "test -s made.txt")]);
        let spec = "# Work for @octocat\n\n## Summary\n\nIt must be made, as #7 says.\n";
        let files = [
            ("WORKFLOW.md", workflow.as_str()),
            ("specs/001-work/spec.md", spec),
            ("specs/001-work/tasks.md", tasks.as_str()),
        ];
        let repo = Repo::new("cabin", &files);
        repo.git(&["remote", "add", "origin", &format!("http://{host}/{FULL}.git")]);
        let home = Home::new().with_env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        let gh = home.path().join("gh").display().to_string();
        let home = home.with_env("GH_CONFIG_DIR", &gh);
        home.trust(&repo);
        let scene = Self { home, repo, fake, host, _runtime: runtime, _agents: [writer, critic] };
        scene.push_main();
        scene
    }

    /// As a person does it who has the repository there.
    fn push_main(&self) {
        self.repo.git(&["push", "--quiet", &self.bare().display().to_string(), "main"]);
        self.fake.world(|it| it.read_git(FULL));
    }

    fn bare(&self) -> PathBuf {
        self.fake.world(|it| it.root.join(format!("{FULL}.git")))
    }

    fn login(&self) {
        let args = ["--json", "forge", "login", &self.host, "--token", "--file"];
        let logged = typed(self.home.command(&args), &format!("{TOKEN}\n"));
        assert_eq!(logged.code, 0, "{logged:?}");
    }

    /// Carries the item until its pull request waits for a yes.
    fn carry(&self) -> String {
        self.home.json(&["run", "start", "001-work"]);
        self.wait(|it| matches!(&it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. }));
        self.head()
    }

    fn ready(more: &str) -> (Self, String) {
        let scene = Self::new(more);
        scene.login();
        let head = scene.carry();
        (scene, head)
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    fn shown(&self) -> Value {
        self.home.json(&["pr", "show", "pr1"])["pull"].clone()
    }

    fn head(&self) -> String {
        self.shown()["head"].as_str().unwrap().to_owned()
    }

    fn publish(&self) -> Ran {
        self.home.try_json(&["pr", "publish", "pr1"])
    }

    /// Why it cannot be published.
    fn refused(&self) -> String {
        self.publish().fault()
    }

    fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.fake.world(look)
    }

    fn theirs(&self) -> Vec<Pull> {
        self.world(|it| it.repo(FULL).unwrap().pulls.values().cloned().collect())
    }

    /// Where the branch stands there, by git itself.
    fn there(&self) -> Option<String> {
        let bare = self.bare().display().to_string();
        let (found, says) = self.repo.try_git(&[
            "--git-dir",
            &bare,
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("refs/heads/{BRANCH}"),
        ]);
        found.then_some(says)
    }

    fn asked(&self, field: &str) -> usize {
        self.world(|it| it.asked.iter().filter(|it| it.body.contains(&format!("{field}("))).count())
    }

    fn hook(&self, name: &str, script: &str) -> PathBuf {
        let path = self.bare().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

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
    scene.world(|it| it.limits.wrong("/graphql", Wrong::Secondary(3600), 1));
    let limited = scene.refused();
    assert!(
        limited.contains("wants no more requests for 3600 s, until ") && limited.contains(" UTC"),
        "{limited}"
    );
    let trouble = scene.shown()["published"]["trouble"]["why"].clone();
    assert!(trouble.as_str().unwrap().contains("wants no more requests"), "{trouble}");
    // It is tried again by itself, once the forge answers.
    scene.home.json(&["pr", "list", "--fresh"]);
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

const THERE: &str = "  landing: github\n";

impl Scene {
    /// Published, and with a yes.
    fn approved(prepare: impl FnOnce(&mut fake_github::world::Repo)) -> (Self, String) {
        let (scene, head) = Scene::ready(THERE);
        scene.world(|it| prepare(it.repo_mut(FULL).unwrap()));
        assert_eq!(scene.publish().code, 0);
        scene.home.json(&["pr", "approve", "pr1"]);
        (scene, head)
    }

    /// Asks the forge how it stands, and waits for what it is said to come to.
    fn comes_to(&self, fits: impl Fn(&Event) -> bool) -> Record {
        self.home.json(&["pr", "list", "--fresh"]);
        self.wait(|it| fits(&it.event))
    }

    fn landed(&self) -> String {
        let landed = |it: &Event| matches!(it, Event::PullMoved { to, .. } if to.is_over());
        match self.comes_to(landed).event {
            Event::PullMoved { to: PullState::Landed { commit }, .. } => commit.0,
            other => panic!("{other:?}"),
        }
    }

    fn sent_back(&self) -> String {
        let over = |it: &Event| matches!(it, Event::PullMoved { to, .. } if to.is_over());
        match self.comes_to(over).event {
            Event::PullMoved { to: PullState::Bounced, why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    fn taken(&self) {
        self.wait(|it| matches!(&it.event, Event::Publish { what: Happened::LandTaken { .. }, .. }));
    }

    fn waits(&self) -> String {
        let page = self.home.json(&["pr", "show", "pr1"]);
        let waits = page["waits"].as_array().unwrap();
        assert!(
            waits
                .iter()
                .all(|it| it["since"].as_i64().unwrap() > 0 && !it["ends"].as_str().unwrap().is_empty())
        );
        waits.iter().map(|it| it["says"].as_str().unwrap()).collect::<Vec<_>>().join("; ")
    }

    fn is_queued(&self) -> bool {
        self.world(|it| it.repo(FULL).unwrap().place(1).is_some())
    }

    fn is_auto(&self) -> bool {
        self.world(|it| it.repo(FULL).unwrap().pulls[&1].auto.is_some())
    }
}

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
