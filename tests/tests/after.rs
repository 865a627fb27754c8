//! After the landing: what a person looks at, what they say, what is taken back, and the switch by which changes land by themselves.
//! Scripted agents, real git, the built program.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::ids::PullId;
use pilothouse_contract::pull::PullState;
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

struct Scene {
    home: Home,
    repo: Repo,
    agent: ShellAgent,
}

/// Two items: `001-small` writes a note, `002-money` code that has to do with money.
fn scene(agent: &str) -> Scene {
    let small = task_file(&[("T001", "src/note.sh", "grep -q note src/note.sh")]);
    let money = task_file(&[("T001", "src/billing/", "grep -q total src/billing/total.sh")]);
    let spec = "# Work\n\n## Summary\n\nIt must be done.\n";
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", "---\npilothouse:\n  completeness: 'off'\n  checks: [test -d src]\n---\n"),
            ("src/main.sh", "main\n"),
            ("specs/001-small/spec.md", spec),
            ("specs/001-small/tasks.md", &small),
            ("specs/002-money/spec.md", spec),
            ("specs/002-money/tasks.md", &money),
        ],
    );
    let home = Home::trusting(&repo);
    let body = format!(
        "if grep -q billing \"$1\"; then mkdir -p src/billing; echo total > src/billing/total.sh; else echo note > src/note.sh; fi\n{agent}"
    );
    Scene { home, repo, agent: ShellAgent::new(&body) }
}

impl Scene {
    fn start(&self, item: &str, approve: &str) {
        let command = self.agent.command();
        self.home.json(&["run", "start", item, "--command", &command, "--approve", approve]);
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    /// Waits until a pull request is over. Whether it landed.
    fn over(&self, id: u32) -> bool {
        let over = |it: &Record| matches!(&it.event, Event::PullMoved { pull, to, .. } if *pull == PullId(id) && to.is_over());
        matches!(self.wait(over).event, Event::PullMoved { to: PullState::Landed { .. }, .. })
    }

    fn waits_for_yes(&self, id: u32) {
        self.wait(|it| {
            matches!(&it.event, Event::PullMoved { pull, to: PullState::WaitsForApproval, .. } if *pull == PullId(id))
        });
    }

    fn page(&self, pull: &str) -> Value {
        self.home.json(&["pr", "show", pull])
    }
}

#[test]
fn a_risky_change_is_looked_at_and_taken_back_as_a_pull_request_like_any_other() {
    let scene = scene("");
    let home = &scene.home;
    scene.start("002-money", "policy");
    assert!(scene.over(1));
    // Something else lands after it: it stays.
    scene.repo.commit(&[("src/later.sh", "later\n")], "Later");
    let list = home.json(&["sample", "list"]);
    assert_eq!(list["waits"][0]["id"], "pr1", "{list:#}");
    assert_eq!((&list["debt"][0]["class"], &list["debt"][0]["waits"]), (&json!("high"), &json!(["pr1"])));
    assert!(list["debt"][0]["lines"].as_u64() > Some(0) && list["debt"][0]["oldest"].is_number(), "{list:#}");
    let next = home.json(&["sample", "next", "--area", "src/billing"]);
    assert_eq!(next["pull"]["id"], "pr1");
    assert!(
        next["diff"].as_str().unwrap().contains("+total")
            && next["evidence"].as_array().is_some_and(|it| !it.is_empty())
    );
    assert_eq!(home.try_json(&["sample", "next", "--area", "elsewhere"]).code, 1);
    let silent = home.try_json(&["sample", "verdict", "pr1", "revert", "--minutes", "3"]).fault();
    assert!(silent.contains("say why it is taken back"), "{silent}");
    home.json(&["sample", "verdict", "pr1", "revert", "it charges twice", "--minutes", "3"]);
    assert!(scene.over(2), "{:#}", scene.page("pr2"));
    assert!(!scene.repo.path().join("src/billing/total.sh").exists(), "it is taken back");
    assert_eq!(scene.repo.read("src/later.sh"), "later\n", "and nothing else");
    let (first, second) = (scene.page("pr1"), scene.page("pr2"));
    let after = &first["pull"]["after"];
    assert_eq!((&after["sampled"]["verdict"], &after["sampled"]["minutes"]), (&json!("revert"), &json!(3)));
    assert_eq!((&after["taken_back"], &after["escapes"][0]["mended_by"]), (&json!("pr2"), &json!("pr2")));
    assert_eq!(second["pull"]["after"]["takes_back"], "pr1");
    assert!(second["pull"]["title"].as_str().unwrap().starts_with("Revert pr1:"), "{second:#}");
    let checks = second["pull"]["checks"].as_array().unwrap();
    assert!(checks.len() == 1 && checks[0]["passed"] == true, "checked like any other: {checks:#?}");
    let list = home.json(&["sample", "list"]);
    assert_eq!(
        (&list["rates"][0]["landed"], &list["rates"][0]["escaped"]),
        (&json!(2), &json!(1)),
        "{list:#}"
    );
    let again = home.try_json(&["pr", "revert", "pr1", "once more"]).fault();
    assert!(again.contains("taken back by pr2 already"), "{again}");
    let twice = home.try_json(&["sample", "verdict", "pr1", "fine", "--minutes", "1"]).fault();
    assert!(twice.contains("said revert of pr1 already"), "{twice}");
}

#[test]
fn what_takes_back_and_was_sent_back_is_made_anew() {
    let scene = scene("");
    let home = &scene.home;
    scene.start("002-money", "policy");
    assert!(scene.over(1));
    let workflow =
        |check: &str| format!("---\npilothouse:\n  completeness: 'off'\n  checks: ['{check}']\n---\n");
    scene.repo.commit(&[("WORKFLOW.md", &workflow("test -e src/billing/total.sh"))], "Hold it to be there");
    home.json(&["pr", "revert", "pr1", "it charges twice"]);
    assert!(!scene.over(2), "the check fails without it");
    let on = home.try_json(&["run", "start", "revert-pr1"]).fault();
    assert!(on.contains("r2 takes pr1 back") && on.contains("made anew"), "{on}");
    home.json(&["run", "stop", "r2"]);
    scene.repo.commit(&[("WORKFLOW.md", &workflow("test -d src"))], "Hold it to less");
    home.json(&["pr", "revert", "pr1", "it charges twice"]);
    assert!(scene.over(3));
    assert!(!scene.repo.path().join("src/billing/total.sh").exists());
}

#[test]
fn what_landed_is_toured_in_the_window_by_keys_alone_area_by_area() {
    let scene = scene("");
    let workflow = "---\npilothouse:\n  completeness: 'off'\n  checks: [test -d src]\n  risk: { high: ['src/**'] }\n---\n";
    scene.repo.commit(&[("WORKFLOW.md", workflow)], "Look at all of it");
    for (n, item) in [(1, "001-small"), (2, "002-money")] {
        scene.start(item, "policy");
        assert!(scene.over(n));
    }
    let window = Window::open(&scene.home, Options::default());
    window.wait(".annunciator");
    window.wait("[data-bay=Landed]");
    window.keys("ctrl+3");
    // Both are of the same class: area by area.
    window.wait_text("[data-bay=to-look] [data-subject=pr1] [data-name=area]", "src");
    window.wait_text("[data-bay=to-look] [data-subject=pr2] [data-name=area]", "src/billing");
    window.wait("[data-subject=pr1][aria-selected=true]");
    window.wait_text("[data-name=tour]", "1 of 2 to look at.");
    window.keys("x");
    window.wait("[data-name=verdict] [data-name=words]:focus");
    window.type_text("It rounds wrongly.");
    window.keys("ctrl+enter");
    window.until("no dialog", || !window.find("[data-name=verdict]"));
    // The next one is on the stage by itself.
    window.wait("[data-subject=pr2][aria-selected=true]");
    window.wait_text("[data-name=landbar]", "It is fine");
    // Nobody has seen it in the first second, and then one key is enough.
    window.until("nothing to look at", || {
        window.keys("f");
        !window.find("[data-bay=to-look]")
    });
    // How it went stands beside the switch of each class of risk, and is said once more before it is on.
    window.keys("ctrl+1");
    window.wait("[data-bay=Landed]");
    window.keys("ctrl+k");
    window.wait("[data-name=palette] input:focus");
    window.type_text("project shop");
    window.keys("enter");
    window.wait_text("[data-name=landings] [data-class=high]", "escaped 1 of 2");
    window.wait_text("[data-name=landings] [data-class=high]", "Wait for a yes");
    window.eval("document.querySelector('[data-class=high] [data-name=auto-land]').click()");
    window.wait_text("[data-name=confirm]", "So far: high risk: escaped 1 of 2");
    assert!(scene.home.json(&["project", "list"])[0].get("auto_land").is_none(), "nobody said yes yet");
    window.keys("y");
    window.wait("[data-class=high][data-on=true]");
    window.eval("document.querySelector('[data-class=high] [data-name=auto-land]').click()");
    window.wait("[data-class=high][data-on=false]");
    assert_eq!(scene.page("pr2")["pull"]["after"]["sampled"]["verdict"], json!("fine"));
    let sampled = &scene.page("pr1")["pull"]["after"]["sampled"];
    assert_eq!((&sampled["verdict"], &sampled["says"]), (&json!("fix"), &json!("It rounds wrongly.")));
}

#[test]
fn changes_land_by_themselves_only_by_a_persons_switch_in_sight_of_the_rates() {
    let tries = "for it in 'project auto-land shop low --on --seen x' 'pr revert pr1 no' 'sample verdict pr1 fine --minutes 1'; do\n\
        \"$PILOTHOUSE_BIN\" $it >/dev/null 2>&1; done\ntrue";
    let scene = scene(tries);
    let home = &scene.home;
    scene.start("001-small", "person");
    scene.waits_for_yes(1);
    let page = scene.page("pr1");
    assert_eq!(page["pull"]["review"]["risk"]["class"], "low", "{page:#}");
    assert!(page["pull"]["approval"].is_null(), "it is off: {page:#}");
    assert_eq!(
        home.json(&["project", "list"])[0]["auto_land"],
        Value::Null,
        "and an agent may not switch it"
    );
    let refused = home.history().iter().filter(|it| it.event.word() == "refused").count();
    assert_eq!(refused, 3, "each try is refused and recorded");

    let shown = home.run(&["project", "auto-land", "shop", "low", "--on"]);
    assert_eq!(shown.code, 1, "it shows how it went, and switches nothing: {shown:?}");
    assert!(shown.out.contains("low risk: escaped none yet, reworked none yet"), "{shown:?}");
    assert!(home.json(&["project", "list"])[0]["auto_land"].is_null());
    // Nobody switches it on who did not see just that.
    let unseen = home.try_json(&["project", "auto-land", "shop", "low", "--on", "--seen", "yes"]).fault();
    assert!(unseen.contains("only in sight of how it went so far: low risk: escaped none yet"), "{unseen}");
    assert!(home.json(&["project", "list"])[0]["auto_land"].is_null());
    let says = shown.out.split("--seen '").nth(1).and_then(|it| it.split('\'').next()).unwrap().to_owned();
    home.json(&["project", "auto-land", "shop", "low", "--on", "--seen", &says]);
    assert!(scene.over(1), "what waited lands");
    let yes = &scene.page("pr1")["pull"]["approval"]["by"];
    assert_eq!(*yes, json!({ "kind": "policy", "name": "auto-land of low risk" }));
    let switched = home.history().into_iter().find_map(|it| match it.event {
        Event::AutoLand { on, seen, .. } => Some((on, seen, it.who)),
        _ => None,
    });
    let (on, seen, who) = switched.unwrap();
    assert!(
        on && seen.starts_with("low risk: escaped none yet") && who.to_string() != "engine",
        "{seen} {who}"
    );

    scene.start("002-money", "person");
    scene.waits_for_yes(2);
    assert!(scene.page("pr2")["pull"]["approval"].is_null(), "what is high waits for a person");
    home.json(&["project", "auto-land", "shop", "low", "--off"]);
    assert!(home.json(&["project", "list"])[0]["auto_land"].is_null());
}
