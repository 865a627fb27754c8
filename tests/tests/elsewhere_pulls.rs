//! Pull requests of GitHub in the product: a person logs in, and what the forge tells is stored, told, and shown beside ours with its age.
//! Its token is where it was put and nowhere else.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use fake_github::Fake;
use fake_github::limits::Wrong;
use pilothouse_contract::Event;
use pilothouse_testkit::home::{Home, Ran, ran};
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::secrets::{self, files_below, typed};
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const TOKEN: &str = "gho_thisIsTheSecretOfATest0123456789";
/// Another one of the same person, for gh: it gets it by its environment, where no other test is to find its own.
const OF_GH: &str = "gho_thisOneIsForGhAlone";
const FULL: &str = "octocat/cabin";

struct Scene {
    home: Home,
    _repo: Repo,
    runtime: Runtime,
    fake: Option<Fake>,
    host: String,
}

impl Scene {
    fn new(env: &[(&str, &str)]) -> Self {
        let runtime = Runtime::new().unwrap();
        let fake = runtime.block_on(Fake::start(0)).unwrap();
        let host = fake.url().replace("http://", "");
        fake.world(plant);
        let repo = Repo::new("cabin", &[("specs/001-work/spec.md", "# Work\n")]);
        repo.git(&["remote", "add", "origin", &format!("http://{host}/{FULL}.git")]);
        let mut home = Home::new().with_env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        // Whatever this machine's own gh is logged in to is none of a test's.
        let config = home.path().join("gh").display().to_string();
        home = home.with_env("GH_CONFIG_DIR", &config);
        for (name, value) in env {
            home = home.with_env(name, value);
        }
        home.trust(&repo);
        Self { home, _repo: repo, runtime, fake: Some(fake), host }
    }

    fn world<T>(&self, look: impl FnOnce(&mut fake_github::world::World) -> T) -> T {
        self.fake.as_ref().unwrap().world(look)
    }

    fn login(&self, more: &[&str]) -> Ran {
        let args = [&["--json", "forge", "login", &self.host, "--token"], more].concat();
        typed(self.home.command(&args), &format!("{TOKEN}\n"))
    }

    fn pulls(&self) -> Vec<Value> {
        self.home.json(&["pr", "list", "--fresh"]).as_array().unwrap().clone()
    }

    fn pull(&self, n: u64) -> Value {
        self.pulls()
            .into_iter()
            .find(|it| it["number"] == json!(n))
            .unwrap_or_else(|| panic!("no pull request {n}"))
    }

    fn status(&self) -> Value {
        self.home.try_json(&["forge", "status"]).json()[0].clone()
    }

    fn said(&self) -> Vec<String> {
        let history = self.home.history().into_iter();
        history
            .filter_map(|it| match it.event {
                Event::ForgeSaid { pull, says, .. } => {
                    Some(format!("{}: {says}", pull.rsplit('/').next().unwrap_or_default()))
                }
                _ => None,
            })
            .collect()
    }
}

fn plant(it: &mut fake_github::world::World) {
    it.person("octocat", TOKEN);
    it.person("octocat", OF_GH);
    let repo = it.add_repo(FULL);
    repo.required_checks = vec!["build".to_owned()];
    it.add_repo("octocat/other");
    it.open("octocat/other", "octocat", "x", "main", "Not ours").unwrap();
    for n in 1..=3 {
        it.open(FULL, "octocat", &format!("work-{n}"), "main", &format!("Change {n}")).unwrap();
        it.reckon(FULL, n);
    }
    it.check(FULL, 1, "build", Some("SUCCESS"));
    it.check(FULL, 2, "build", Some("FAILURE"));
    it.review(FULL, 2, "hubot", "CHANGES_REQUESTED", "Not so.");
    it.thread(FULL, 2, "hubot", "src/a.rs", 7, "Why?");
}

#[test]
fn what_github_tells_is_shown_beside_ours_and_followed() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.world(|it| it.asked.len()), 0, "nobody logged in, so nobody is asked");
    let logged = scene.login(&["--file"]).json();
    assert_eq!((logged["login"].clone(), logged["pulls"].clone()), (json!("octocat"), json!(3)), "{logged}");

    let all = scene.pulls();
    let numbers: Vec<u64> = all.iter().map(|it| it["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3], "and nothing of a repository that is no project");
    let (one, two) = (scene.pull(1), scene.pull(2));
    assert_eq!(
        (one["merge"]["state"].clone(), one["checks"][0]["state"].clone()),
        (json!("clean"), json!("passed")),
        "{one}"
    );
    assert_eq!(
        two["merge"],
        json!({ "state": "blocked", "reasons": ["changes are wanted", "a check failed"] })
    );
    assert_eq!(two["threads"][0]["path"], json!("src/a.rs"));
    assert!(one["known"].as_i64().unwrap() > 0 && one.get("trouble").is_none(), "{one}");

    scene.world(|it| {
        it.check(FULL, 3, "build", None);
        it.push(FULL, "work-1", &"e".repeat(40));
    });
    assert_eq!(scene.pull(3)["checks"][0]["state"], json!("pending"));
    scene.world(|it| {
        it.check(FULL, 3, "build", Some("SUCCESS"));
        it.repo_mut(FULL).unwrap().has_queue = true;
        it.enqueue(FULL, 3, None).unwrap();
    });
    assert_eq!(scene.pull(3)["queue"]["position"], json!(1));
    let shown = scene.home.json(&["pr", "show", &format!("{FULL}#3")]);
    assert_eq!(shown["queue"]["state"], json!("awaiting checks"), "{shown}");
    let text = scene.home.run(&["pr", "show", &format!("{}/{FULL}#2", scene.host)]).out;
    assert!(
        text.contains("FAILED: build") && text.contains("src/a.rs:7") && text.contains("gh pr view 2 -R"),
        "{text}"
    );
    assert_eq!(scene.world(|it| it.queue_goes_on(FULL)).unwrap(), Some(3));
    assert!(scene.pulls().iter().all(|it| it["number"] != json!(3)), "it has landed");

    let said = scene.said();
    for news in [
        "3 open pull requests",
        "cabin#1: proposes eeeeeeeeee now",
        "cabin#3: checks: 0 passed, 0 failed, 1 wait",
        "cabin#3: checks: 1 passed, 0 failed, 0 wait",
        "cabin#3: in the queue at 1: awaiting checks",
        "cabin#3: is not open any more",
    ] {
        assert!(said.iter().any(|it| it.contains(news)), "{news} in {said:#?}");
    }
    let missing = scene.home.try_json(&["pr", "show", "octocat/cabin#77"]).fault();
    assert!(missing.contains("no forge tells of an open pull request"), "{missing}");
}

#[test]
fn a_forge_that_is_silent_is_said_to_be_and_what_was_known_stays_with_its_age() {
    let mut scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    let known = scene.pull(1)["known"].as_i64().unwrap();
    let port: u16 = scene.host.rsplit(':').next().unwrap().parse().unwrap();
    drop(scene.fake.take());
    let all = scene.pulls();
    assert_eq!(all.len(), 3, "what was known is shown");
    assert!(all[0]["trouble"].as_str().unwrap().contains("cannot be reached"), "{}", all[0]);
    assert!(all[0]["known"].as_i64().unwrap() >= known && scene.status()["trouble"].is_string());
    assert_eq!(scene.home.try_json(&["forge", "status"]).code, 1);
    let text = scene.home.run(&["pr", "list"]).out;
    assert!(text.contains("ago - it cannot be reached") && text.contains("Change 1"), "{text}");
    // An engine that is started anew knows as much.
    assert_eq!(scene.home.run(&["engine", "stop"]).code, 0);
    assert_eq!(scene.home.json(&["pr", "list"]).as_array().unwrap().len(), 3);

    let fake = scene.runtime.block_on(Fake::start(port)).unwrap();
    fake.world(plant);
    scene.fake = Some(fake);
    assert!(scene.pull(1).get("trouble").is_none());
    let said = scene.said();
    assert!(
        said.iter().any(|it| it.contains("cannot be reached"))
            && said.iter().any(|it| it.ends_with("answers again")),
        "{said:#?}"
    );

    scene.world(|it| it.limits.wrong("/graphql", Wrong::Secondary(3600), 1));
    assert!(scene.pull(1)["trouble"].as_str().unwrap().contains("wants no more questions"));
    let asked = scene.world(|it| it.asked.len());
    assert!(scene.pull(1)["trouble"].is_string());
    assert_eq!(
        scene.world(|it| it.asked.len()),
        asked,
        "a forge that wants no questions gets none, whoever wants to know"
    );
    assert!(scene.home.run(&["forge", "status"]).out.contains("it is asked again in "));
}

#[test]
fn what_a_forge_leaves_out_of_an_answer_is_not_over_until_it_says_so() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    assert_eq!(scene.pulls().len(), 3);
    // Left out of the list, and then of the list and of what is asked for by itself.
    for holes in [1, 2] {
        scene.world(|it| it.limits.wrong("/graphql", Wrong::Hole(0), holes));
        assert_eq!(scene.pulls().len(), 3, "{holes} times");
    }
    assert!(!scene.said().iter().any(|it| it.ends_with("is not open any more")), "{:#?}", scene.said());
    // One that is over is over, also where the list leaves out another one.
    scene.world(|it| {
        it.merge(FULL, 1, None, "SQUASH").unwrap();
        it.limits.wrong("/graphql", Wrong::Hole(1), 1);
    });
    let left: Vec<Value> = scene.pulls().iter().map(|it| it["number"].clone()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains(&json!(1)), "{left:?}");
}

#[test]
fn a_check_that_failed_stays_failed_while_the_forge_cannot_tell() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    let place = scene.pulls().iter().position(|it| it["number"] == json!(2)).unwrap();
    assert!(scene.pull(2)["checks"].to_string().contains("failed"));
    scene.world(|it| it.limits.wrong("/graphql", Wrong::Part(place, "statusCheckRollup"), 1));
    let pull = scene.pull(2);
    assert!(pull["checks"].to_string().contains("failed") && pull["untold"] == json!(["checks"]), "{pull}");
    let name = format!("{FULL}#2");
    let shown = scene.home.run(&["pr", "show", &name]).out;
    assert!(
        shown.contains("not told now: checks (as known of this head before") && shown.contains("FAILED"),
        "{shown}"
    );
    // Of another head it says nothing, which is said.
    scene.world(|it| {
        it.push(FULL, "work-2", &fake_github::life::oid(77, b'b'));
        it.limits.wrong("/graphql", Wrong::Part(place, "statusCheckRollup"), 1);
    });
    let pull = scene.pull(2);
    assert!(pull.get("checks").is_none() && pull["untold"] == json!(["checks"]), "{pull}");
    assert!(scene.pull(2).get("untold").is_none());
    // What it left out of its list is shown as it was, which is said too, until it tells of everything again.
    scene.world(|it| it.limits.wrong("/graphql", Wrong::Hole(0), 2));
    assert_eq!(scene.pulls().len(), 3);
    assert!(scene.status()["left_out"].as_str().unwrap().contains("1 are shown as they were before"));
    assert!(scene.status().get("trouble").is_none(), "it answers");
    assert_eq!(scene.pulls().len(), 3);
    assert!(scene.status().get("left_out").is_none());
}

#[test]
fn two_projects_of_one_repository_have_the_same_pull_requests() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    let second = Repo::new("cabin-again", &[("specs/001-work/spec.md", "# Work\n")]);
    second.git(&["remote", "add", "origin", &format!("http://{}/{FULL}.git", scene.host)]);
    scene.home.trust(&second);
    assert_eq!(scene.pulls().len(), 3);
    for project in ["cabin", "cabin-again"] {
        let of = scene.home.json(&["pr", "list", project]);
        let elsewhere = of.as_array().unwrap().iter().filter(|it| it["host"] == json!(scene.host));
        assert_eq!(elsewhere.count(), 3, "{project}: {of}");
    }
}

#[test]
fn the_window_lists_them_with_their_age_and_says_when_the_forge_is_silent() {
    let mut scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    let window = Window::open(&scene.home, Options::default());
    window.wait_text("body", "Nothing needs you");
    window.keys("ctrl+3");
    window.wait(".window[data-view=pulls] [data-name=forge]");
    let one = format!("[data-subject='{}/{FULL}#1']", scene.host);
    window.wait_text(&one, "may land · 1 of 1 checks passed");
    window.wait_text(&one, &format!("gh pr view 1 -R {}/{FULL}", scene.host));
    window.wait_text("[data-name=known]", "as it was");
    assert!(window.find(&format!("{one} [data-name=open-forge]")));
    // What changes there is seen here, and an address that is hostile text stays text.
    scene.world(|it| {
        it.pull_mut(FULL, 1).unwrap().title = "<img src=x onerror=alert(1)> \u{202e}evil".to_owned();
        it.check(FULL, 1, "lint", Some("FAILURE"));
    });
    assert_eq!(scene.pulls().len(), 3);
    window.wait_text(&one, "1 of 2 checks passed");
    assert!(window.text(&one).contains("<img src=x") && !window.text(&one).contains('\u{202e}'));
    if let Some(folder) = std::env::var_os("PILOTHOUSE_PICTURES") {
        window.screenshot(&Path::new(&folder).join("forge-light.png"));
    }
    drop(scene.fake.take());
    assert_eq!(scene.pulls().len(), 3);
    window.wait_text("[data-name=forge-trouble]", "cannot be reached");
    window.wait_text(&one, "1 of 2 checks passed");
    assert_eq!((window.violations(), window.errors()), (Vec::new(), Vec::new()));
}

#[test]
fn a_token_that_is_no_good_is_refused_and_one_that_goes_bad_is_told() {
    let scene = Scene::new(&[]);
    let bad = typed(
        scene.home.command(&["--json", "forge", "login", &scene.host, "--token", "--file"]),
        "gho_wrong\n",
    );
    assert!(bad.fault().contains("does not take the token"), "{bad:?}");
    let odd = typed(
        scene.home.command(&["--json", "forge", "login", &scene.host, "--token", "--file"]),
        "two words\n",
    );
    assert!(odd.fault().contains("that is no token"), "{odd:?}");
    let no_gh = scene.home.try_json(&["forge", "login", &scene.host]).fault();
    assert!(no_gh.contains("gh has no token") && no_gh.contains("--device"), "{no_gh}");
    let no_app = scene.home.try_json(&["forge", "login", &scene.host, "--device"]).fault();
    assert!(no_app.contains("needs an app"), "{no_app}");
    assert_eq!(scene.login(&["--file"]).code, 0);
    scene.world(|it| it.tokens.clear());
    assert!(scene.pull(1)["trouble"].as_str().unwrap().contains("log in again"));
    let left = scene.home.json(&["forge", "logout", &scene.host]);
    assert_eq!(left["left"], json!(true));
    assert!(scene.pulls().is_empty() && !scene.home.data().join("tokens").read_dir().unwrap().any(|_| true));
    let asked = scene.world(|it| it.asked.len());
    assert!(scene.pulls().is_empty());
    assert_eq!(scene.world(|it| it.asked.len()), asked);
    assert!(scene.home.try_json(&["forge", "logout", &scene.host]).fault().contains("nobody is logged in"));
}

/// Every place where the token may have got to that is not its own.
fn leaks(scene: &Scene) -> Vec<String> {
    secrets::leaks(&scene.home, TOKEN, &[])
}

fn is_nowhere_else(scene: &Scene) {
    let session = scene.home.start(&["sh", "-c", "env; read never"]);
    // While it is in use: somebody asks all the time, and the forge fails in all its ways.
    let mut asking: Vec<Child> = Vec::new();
    for wrong in [
        Wrong::Status(502, TOKEN.to_owned()),
        Wrong::Garbage,
        Wrong::Silence,
        Wrong::Status(403, "no".to_owned()),
    ] {
        scene.world(|it| it.limits.wrong("/graphql", wrong, 1));
        let fresh = scene
            .home
            .command(&["pr", "list", "--fresh"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        asking.push(fresh.unwrap());
        let found = leaks(scene);
        assert_eq!(found, Vec::<String>::new());
        assert!(asking.pop().unwrap().wait().unwrap().code().is_some());
    }
    // A forge that says the token back is written down without it.
    assert_eq!(leaks(scene), Vec::<String>::new());
    let said = files_below(&scene.home.folder_of(session));
    let says = |what: &[u8]| said.iter().any(|(_, bytes)| bytes.windows(what.len()).any(|it| it == what));
    assert!(says(b"PATH=") && !says(TOKEN.as_bytes()), "it said its environment");
}

#[test]
fn a_token_in_a_file_is_nowhere_else() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    assert_eq!(scene.pulls().len(), 3);
    assert_eq!(leaks(&scene), Vec::<String>::new());
    is_nowhere_else(&scene);
}

/// A message bus with a keyring on it that is open, of a test's own.
struct Keyring {
    address: String,
    bus: Child,
    folder: tempfile::TempDir,
}

impl Keyring {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let (address, end) = (Fifo::new(at.join("address")), Fifo::new(at.join("end")));
        let script = format!(
            "printf 'test\\n' | gnome-keyring-daemon --unlock --foreground --components=secrets >/dev/null 2>&1 & d=$!
             until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets 2>/dev/null | grep -q true; do :; done
             echo \"$DBUS_SESSION_BUS_ADDRESS\" > {address}
             cat {end} >/dev/null; kill $d"
        );
        let bus = Command::new("dbus-run-session")
            .args(["--", "sh", "-c", &script])
            .env("HOME", at)
            .env("XDG_DATA_HOME", at.join("data"))
            .env("XDG_RUNTIME_DIR", at)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let address = address.read().trim().to_owned();
        Self { address, bus, folder }
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ended = std::fs::write(self.folder.path().join("end"), "x");
        let _reaped = self.bus.wait();
    }
}

#[test]
fn a_token_is_kept_by_the_keyring_and_by_nothing_else() {
    let keyring = Keyring::open();
    let scene = Scene::new(&[("DBUS_SESSION_BUS_ADDRESS", &keyring.address)]);
    let logged = scene.login(&[]);
    assert_eq!((logged.code, logged.json()["source"].clone()), (0, json!("keyring")), "{logged:?}");
    assert!(!scene.home.data().join("tokens").exists());
    assert_eq!(scene.pulls().len(), 3);
    // An engine of its own finds it there.
    assert_eq!(scene.home.run(&["engine", "stop"]).code, 0);
    scene.world(|it| it.review(FULL, 1, "hubot", "APPROVED", ""));
    assert_eq!(scene.pull(1)["decision"], json!("approved"));
    assert_eq!(leaks(&scene), Vec::<String>::new());
    is_nowhere_else(&scene);
    assert_eq!(scene.home.run(&["forge", "logout", &scene.host]).code, 0);
    let kept = files_below(&keyring.folder.path().join("data"));
    assert!(kept.iter().any(|(it, _)| it.ends_with("login.keyring")));
}

#[test]
fn without_a_keyring_nothing_is_kept_unless_a_person_says_so() {
    let scene = Scene::new(&[]);
    let refused = scene.login(&[]).fault();
    assert!(refused.contains("the keyring says") && refused.contains("--file"), "{refused}");
    assert!(!scene.home.data().join("tokens").exists());
    assert_eq!(scene.home.json(&["forge", "status"]), json!([]));
    assert_eq!(leaks(&scene), Vec::<String>::new());
}

#[test]
fn gh_agrees_with_what_pilothouse_says_of_every_pull_request_and_lends_its_token() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.login(&["--file"]).code, 0);
    let fields = "number,title,headRefOid,mergeable,reviewDecision,statusCheckRollup,isDraft,headRefName";
    let proxy = scene.fake.as_ref().unwrap().url();
    for it in scene.pulls() {
        let n = it["number"].as_u64().unwrap();
        let mut gh = Command::new("gh");
        gh.args(["pr", "view", &n.to_string(), "-R", FULL, "--json", fields])
            .env("GH_HOST", "github.localhost")
            .env("GH_TOKEN", OF_GH)
            .env("GH_CONFIG_DIR", scene.home.path().join("gh"))
            .env("HTTP_PROXY", &proxy)
            .env("NO_PROXY", "");
        let said = ran(&mut gh);
        assert_eq!(said.code, 0, "{said:?}");
        let gh: Value = serde_json::from_str(&said.out).unwrap();
        let head = it["head"]["oid"].clone();
        assert_eq!(
            (gh["title"].clone(), gh["headRefOid"].clone(), gh["headRefName"].clone()),
            (it["title"].clone(), head, it["head"]["name"].clone())
        );
        let merge = it["merge"]["state"].as_str().unwrap();
        assert_eq!(gh["mergeable"] == json!("MERGEABLE"), matches!(merge, "clean" | "blocked"), "{it}");
        let decision = match it["decision"].as_str().unwrap() {
            "changes" => "CHANGES_REQUESTED",
            "approved" => "APPROVED",
            "required" => "REVIEW_REQUIRED",
            _ => "",
        };
        assert_eq!(gh["reviewDecision"].as_str().unwrap_or_default(), decision);
        let theirs: Vec<bool> = gh["statusCheckRollup"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| it["conclusion"] == json!("SUCCESS"))
            .collect();
        let ours: Vec<bool> =
            it["checks"].as_array().into_iter().flatten().map(|it| it["state"] == json!("passed")).collect();
        assert_eq!(theirs, ours);
    }
    // gh's own token is used where it has one, and stays where it is.
    assert_eq!(scene.home.run(&["forge", "logout", &scene.host]).code, 0);
    let config = scene.home.path().join("gh");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(
        config.join("hosts.yml"),
        format!("{}:\n    user: octocat\n    oauth_token: {TOKEN}\n    git_protocol: https\n", scene.host),
    )
    .unwrap();
    let logged = scene.home.json(&["forge", "login", &scene.host]);
    assert_eq!(logged["source"], json!("gh"), "{logged}");
    assert_eq!(scene.pulls().len(), 3);
    assert_eq!(leaks(&scene), Vec::<String>::new());
}
