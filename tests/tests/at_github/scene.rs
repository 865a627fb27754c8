//! A project whose repository this GitHub has too, with a pull request that waits for a yes: what tests of publishing and of landing
//! there begin with.

#![allow(dead_code, reason = "each of them needs another part of it")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fake_github::Fake;
use fake_github::world::{Pull, World};
use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::published::Happened;
use pilothouse_contract::pull::PullState;
use pilothouse_testkit::agent::{ShellAgent, task_file, two_families};
use pilothouse_testkit::home::{Home, Ran};
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::secrets::typed;
use serde_json::Value;
use tokio::runtime::Runtime;

pub const TOKEN: &str = "gho_thisIsTheSecretOfAPush0123456789";
pub const FULL: &str = "octocat/cabin";
pub const BRANCH: &str = "pilothouse/001-work/item";

pub struct Scene {
    pub home: Home,
    pub repo: Repo,
    pub fake: Fake,
    pub host: String,
    _runtime: Runtime,
    _agents: [ShellAgent; 2],
}

impl Scene {
    /// A project of a repository that this GitHub has too, and a person of its own there; `more` is said in its `WORKFLOW.md`.
    pub fn new(more: &str) -> Self {
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
        // A person's git keeps what it logs in by; and whoever may write the repository's settings would have all of it pass by them.
        let config = home.path().join("config");
        std::fs::create_dir_all(config.join("git")).unwrap();
        let kept = home.path().join("kept").display().to_string();
        let helper = format!("[credential \"http://{host}\"]\n\thelper = \"!f() {{ cat >> {kept}; }}; f\"\n");
        std::fs::write(
            config.join("git/config"),
            format!("{helper}{}", helper.replace(&format!(" \"http://{host}\""), "")),
        )
        .unwrap();
        repo.git(&["config", "http.proxy", "http://127.0.0.1:1"]);
        let home = home.with_env("XDG_CONFIG_HOME", &config.display().to_string());
        let home = home.with_env("GH_CONFIG_DIR", &gh);
        home.trust(&repo);
        let scene = Self { home, repo, fake, host, _runtime: runtime, _agents: [writer, critic] };
        scene.push_main();
        scene
    }

    /// As a person does it who has the repository there.
    pub fn push_main(&self) {
        self.repo.git(&["push", "--quiet", &self.bare().display().to_string(), "main"]);
        self.fake.world(|it| it.read_git(FULL));
    }

    pub fn bare(&self) -> PathBuf {
        self.fake.world(|it| it.root.join(format!("{FULL}.git")))
    }

    pub fn login(&self) {
        let args = ["--json", "forge", "login", &self.host, "--token", "--file"];
        let logged = typed(self.home.command(&args), &format!("{TOKEN}\n"));
        assert_eq!(logged.code, 0, "{logged:?}");
    }

    /// Carries the item until its pull request waits for a yes.
    pub fn carry(&self) -> String {
        self.home.json(&["run", "start", "001-work"]);
        self.wait(|it| matches!(&it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. }));
        self.head()
    }

    pub fn ready(more: &str) -> (Self, String) {
        let scene = Self::new(more);
        scene.login();
        let head = scene.carry();
        (scene, head)
    }

    pub fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    pub fn shown(&self) -> Value {
        self.home.json(&["pr", "show", "pr1"])["pull"].clone()
    }

    pub fn head(&self) -> String {
        self.shown()["head"].as_str().unwrap().to_owned()
    }

    pub fn publish(&self) -> Ran {
        self.home.try_json(&["pr", "publish", "pr1"])
    }

    /// Why it cannot be published.
    pub fn refused(&self) -> String {
        self.publish().fault()
    }

    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.fake.world(look)
    }

    pub fn theirs(&self) -> Vec<Pull> {
        self.world(|it| it.repo(FULL).unwrap().pulls.values().cloned().collect())
    }

    /// Where the branch stands there, by git itself.
    pub fn there(&self) -> Option<String> {
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

    pub fn asked(&self, field: &str) -> usize {
        self.world(|it| it.asked.iter().filter(|it| it.body.contains(&format!("{field}("))).count())
    }

    pub fn hook(&self, name: &str, script: &str) -> PathBuf {
        let path = self.bare().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

pub const THERE: &str = "  landing: github\n";

impl Scene {
    /// Published, and with a yes.
    pub fn approved(prepare: impl FnOnce(&mut fake_github::world::Repo)) -> (Self, String) {
        let (scene, head) = Scene::ready(THERE);
        scene.world(|it| prepare(it.repo_mut(FULL).unwrap()));
        assert_eq!(scene.publish().code, 0);
        scene.home.json(&["pr", "approve", "pr1"]);
        (scene, head)
    }

    /// Asks the forge how it stands, and waits for what it is said to come to.
    pub fn comes_to(&self, fits: impl Fn(&Event) -> bool) -> Record {
        self.home.json(&["pr", "list", "--fresh"]);
        self.wait(|it| fits(&it.event))
    }

    pub fn landed(&self) -> String {
        let landed = |it: &Event| matches!(it, Event::PullMoved { to, .. } if to.is_over());
        match self.comes_to(landed).event {
            Event::PullMoved { to: PullState::Landed { commit }, .. } => commit.0,
            other => panic!("{other:?}"),
        }
    }

    pub fn sent_back(&self) -> String {
        let over = |it: &Event| matches!(it, Event::PullMoved { to, .. } if to.is_over());
        match self.comes_to(over).event {
            Event::PullMoved { to: PullState::Bounced, why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    pub fn taken(&self) {
        self.wait(|it| matches!(&it.event, Event::Publish { what: Happened::LandTaken { .. }, .. }));
    }

    pub fn waits(&self) -> String {
        let page = self.home.json(&["pr", "show", "pr1"]);
        let waits = page["waits"].as_array().unwrap();
        assert!(
            waits
                .iter()
                .all(|it| it["since"].as_i64().unwrap() > 0 && !it["ends"].as_str().unwrap().is_empty())
        );
        waits.iter().map(|it| it["says"].as_str().unwrap()).collect::<Vec<_>>().join("; ")
    }

    pub fn is_queued(&self) -> bool {
        self.world(|it| it.repo(FULL).unwrap().place(1).is_some())
    }

    pub fn is_auto(&self) -> bool {
        self.world(|it| it.repo(FULL).unwrap().pulls[&1].auto.is_some())
    }
}
