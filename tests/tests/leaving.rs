//! What survives, shown: before the window is closed, before the machine goes down, before what runs makes way for what is
//! installed; and after the machine was started anew, what was lost and how it goes on.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pilothouse_contract::Event;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::logind::Logind;
use pilothouse_testkit::process::{kill_at_once, lives};
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

/// A page in good order was kept from nothing and complained of nothing.
fn in_good_order(window: &Window) {
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}

/// A home with a run under way, whose agent waits, and a session of a person.
fn busy() -> (Repo, Home, ShellAgent, String) {
    let repo = Repo::with_tasks(&[("T001", "a.txt", "test -e a.txt")]);
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new("echo at work; read word");
    home.json(&["run", "start", "001-work", "--command", &agent.command()]);
    let session = home.start(&["sh"]).to_string();
    (repo, home, agent, session)
}

#[test]
fn before_the_window_is_closed_everything_under_way_is_named() {
    let (_repo, home, _agent, session) = busy();
    let window = Window::open(&home, Options::default());
    window.wait("[data-bay=Working] .strip[data-subject$=T001]");
    window.wait(&format!(".strip[data-subject={}]", session.to_uppercase()));
    window.until("the agent to run", || {
        home.json(&["session", "list"]).to_string().contains("\"kind\":\"agent\"")
    });
    window.keys("ctrl+q");
    window.wait_text("[data-name=leaving] h2", "2 sessions and 1 run go on");
    window.wait_text("[data-name=leaving]", "an agent of r1");
    window.wait_text("[data-name=leaving]", "001-work");
    window.wait_text("[data-name=leaving]", "0 of 1 tasks done");
    window.wait_text("[data-name=leaving]", &format!("{session}\nsh\nstarted by a person"));
    window.wait_text("[data-name=leaving] .fates", "When you log out");
    window.keys("escape");
    window.until("it stays", || !window.find("[data-name=leaving]"));
    in_good_order(&window);
    // The same in words.
    let says = home.run(&["engine", "survives"]).out;
    for word in ["you log out", "an agent of r1", "001-work", "started by a person"] {
        assert!(says.contains(word), "{says}");
    }
    home.json(&["run", "stop", "r1"]);
}

#[test]
fn before_the_machine_goes_down_the_window_names_what_stops_and_the_machine_waits_for_who_reads_it() {
    let bus = tempfile::tempdir().unwrap();
    let logind = Logind::new(bus.path());
    let home = Home::new().with_env("DBUS_SYSTEM_BUS_ADDRESS", logind.address());
    let window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    let mut delay = logind.delay();
    assert_eq!(delay.asked, ("shutdown".to_owned(), "Pilothouse".to_owned(), "delay".to_owned()));
    // Nothing is under way: nobody has to read anything.
    logind.goes_down(true);
    delay.until_let_go();
    assert!(!window.find("[data-name=machine-ends]"));
    // It stayed up after all, and waits again the next time.
    logind.goes_down(false);
    let mut delay = logind.delay();
    let session = home.start(&["sh"]).to_string();
    window.wait(&format!(".strip[data-subject={}]", session.to_uppercase()));
    logind.goes_down(true);
    window.wait_text("[data-name=machine-ends] h2", "The machine goes down, and with it 1 session");
    window.wait_text("[data-name=machine-ends]", &format!("{session}\nsh\nstarted by a person"));
    window.wait_text("[data-name=machine-ends]", "offered in the queue, to be resumed by its own program");
    window.keys("enter");
    delay.until_let_go();
    window.until("it read", || !window.find("[data-name=machine-ends]"));
    // Called off while somebody reads: it is taken back.
    logind.goes_down(false);
    let _delay = logind.delay();
    logind.goes_down(true);
    window.wait("[data-name=machine-ends]");
    logind.goes_down(false);
    window.until("it taken back", || !window.find("[data-name=machine-ends]"));
    in_good_order(&window);
}

#[test]
fn a_newer_pilothouse_is_a_notice_and_its_dialog_says_what_goes_on_through_it() {
    let home = Home::new().with_own_programs();
    // The window lies beside them, as installed: it starts the engine that lies beside it.
    let (window, own) = (beside_the_tests("pilothouse-desktop"), home.program("pilothouse-desktop"));
    std::fs::hard_link(&window, &own).or_else(|_| std::fs::copy(&window, &own).map(drop)).unwrap();
    let stays = home.start(&["sh", "-c", "echo one; read word; echo got $word; exec sh"]).to_string();
    home.json(&["session", "steady"]);
    let window = Window::open(&home, Options::default());
    window.wait(&format!(".strip[data-subject={}]", stays.to_uppercase()));
    let dry = || home.json(&["engine", "upgrade", "--dry-run"]);
    assert_eq!(dry()["plan"]["engine_outdated"], false);
    assert_eq!(dry()["plan"]["sessions"][0]["through"], "as-it-is");
    assert!(!window.find("[data-name=newer]") && !window.find("[data-name=notice]"));
    let engine = home.engine_pid();
    for program in ["pilothouse", "pilothouse-hold"] {
        home.install(program, &std::fs::read(home.program(program)).unwrap());
    }
    let plan = dry();
    assert_eq!((&plan["plan"]["engine_outdated"], &plan["fault"]), (&json!(true), &Value::Null), "{plan}");
    assert_eq!(plan["plan"]["sessions"][0]["through"], "makes-way", "{plan}");
    assert_eq!(home.engine_pid(), engine, "it was only looked at");
    let says = home.run(&["engine", "upgrade", "--dry-run"]).out;
    assert!(says.contains("its holder makes way") && says.contains("No program ends by it"), "{says}");
    // Nothing is wrong, so nothing is an alarm.
    let says = "A newer Pilothouse is installed than the engine and 1 holder that run";
    window.wait_text("[data-name=notice]", &format!("Engine: {says}"));
    // Where the queue is folded it stands below.
    let below = "return document.querySelector('[data-name=newer]').getClientRects().length";
    assert_eq!(window.eval(below), json!(0));
    window.keys("ctrl+\\");
    window.until("it stands below", || window.eval(below) == json!(1));
    assert!(window.text("[data-name=newer]").contains(says));
    window.keys("ctrl+\\");
    assert!(!window.find(".tile[data-p]") && !window.find(".item"));
    window.keys("ctrl+k");
    window.wait("[data-name=ask]:focus");
    window.type_text("installed now");
    window.keys("enter");
    window.wait_text("[data-name=upgrade]", "its holder makes way");
    window.wait_text("[data-name=upgrade]", &format!("Engine, process {engine}"));
    window.keys("enter");
    window.wait_text("[data-name=upgraded]", "the installed holder has 1 session");
    let told = window.eval("return document.querySelector('.tile[data-p]') === null");
    assert_eq!(told, json!(true), "an engine that makes way is not missed");
    window.keys("enter");
    window.until("no notice any more", || {
        !window.find("[data-name=newer]") && !window.find("[data-name=notice]")
    });
    assert_ne!(home.engine_pid(), engine);
    assert_eq!(dry()["plan"]["engine_outdated"], false);
    home.json(&["session", "send", &stays, "--", "on", "Enter"]);
    window.until("it goes on", || home.json(&["session", "screen", &stays]).to_string().contains("got on"));
    let upgrades =
        home.history().iter().filter(|it| matches!(it.event, Event::HolderUpgraded { .. })).count();
    assert_eq!(upgrades, 1);
    in_good_order(&window);
}

fn beside_the_tests(program: &str) -> PathBuf {
    Home::new().program(program)
}

/// An agent program by the name of one that people use: it notes its session where that one does, and says how it was
/// asked to go on.
const CLAUDE: &str = r#"#!/bin/sh
case "$*" in
  --resume*|--continue*) echo "asked to $*"; exec sh -c 'read end' ;;
esac
folder="$CLAUDE_CONFIG_DIR/projects/$(pwd -P | tr -c 'a-zA-Z0-9\n' '-')"
mkdir -p "$folder"
printf '{"type":"user","uuid":"u","cwd":"%s","timestamp":"%s","message":{"content":"Mend the pump"}}\n' "$(pwd -P)" "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" > "$folder/0a-held.jsonl"
echo begun
read end
"#;

#[test]
fn after_the_machine_was_started_anew_the_window_says_what_was_lost_and_resumes_it() {
    let bin = tempfile::tempdir().unwrap();
    let claude = bin.path().join("claude");
    std::fs::write(&claude, CLAUDE).unwrap();
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let home = Home::new().with_env("PATH", &path);
    let held = home.start(&["claude"]).to_string();
    let shell = home.start(&["sh", "-c", "echo said before; read end"]).to_string();
    for (session, says) in [(&held, "begun"), (&shell, "said before")] {
        while !home.json(&["session", "screen", session]).to_string().contains(says) {
            std::thread::yield_now();
        }
    }
    // Another session of the same program in the same folder, written last: "the last one" would be this.
    let cwd = std::env::current_dir().unwrap().canonicalize().unwrap();
    home.talk_elsewhere(&cwd, "0b-elsewhere", &[("user", json!("Paint the hull"))]);
    home.json(&["session", "steady"]);
    // The power goes: the watcher first, so that nobody starts anybody again, then everything at once.
    let processes: Vec<u32> =
        home.held().into_iter().flat_map(|(holder, program)| [holder, program]).flatten().collect();
    assert_eq!(processes.len(), 4);
    let (watcher, engine) = (home.watcher_pid().unwrap(), home.engine_pid());
    for pid in [watcher, engine].into_iter().chain(processes.iter().copied()) {
        kill_at_once(pid);
    }
    while [watcher, engine].iter().chain(&processes).any(|pid| lives(*pid)) {
        std::thread::yield_now();
    }
    // And comes back: what was noted before is of another start of the machine.
    for session in std::fs::read_dir(home.data().join("sessions")).unwrap() {
        let file = session.unwrap().path().join("holder.json");
        let mut noted: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(noted["boot"].as_str().is_some_and(|it| !it.is_empty()), "{noted}");
        noted["boot"] = json!("00000000-0000-4000-8000-000000000000");
        std::fs::write(&file, noted.to_string()).unwrap();
    }
    let window = Window::open(&home, Options::default());
    let item = |session: &str| format!(".item[data-key='lost {session}']");
    window.wait_text(&item(&held), &format!("{held} was lost: claude"));
    window.wait_text(&item(&held), "the machine was started anew since");
    window.wait_text(&item(&shell), &format!("{shell} was lost"));
    // What it said is there to read, though nothing of it runs.
    let all = home.json(&["session", "list", "--all"]);
    let of = |id: &str| all.as_array().unwrap().iter().find(|it| it["session"]["id"] == id).cloned().unwrap();
    assert_eq!((&of(&held)["state"], &of(&shell)["state"]), (&json!("lost"), &json!("lost")), "{all}");
    assert!(home.json(&["session", "screen", &shell]).to_string().contains("said before"));
    // The agent's own resume, with the session that it was and not the one that was last.
    let chosen = |session: &str| window.find(&format!("{}[aria-selected=true]", item(session)));
    window.until("it chosen", || {
        window.keys("ctrl+j");
        chosen(&held)
    });
    window.wait_text(&format!("{} [data-answer='1']", item(&held)), "Resume it");
    window.keys("ctrl+enter");
    window.until("it told of no more", || !window.find(&item(&held)));
    let goes_on = || {
        let live = home.json(&["session", "list"]);
        let id = live[0]["session"]["id"].as_str()?.to_owned();
        let screen = home.json(&["session", "screen", &id]);
        (screen["text"][0] == "asked to --resume 0a-held").then(|| live[0]["session"]["cwd"].clone())
    };
    window.until("it to go on", || goes_on().is_some());
    assert_eq!(goes_on().unwrap(), json!(cwd));
    // A shell has no resume of its own; it can be started again.
    window.until("the other one chosen", || chosen(&shell));
    window.wait_text(&format!("{} [data-answer='1']", item(&shell)), "Start it again");
    window.keys("ctrl+enter");
    window.until("nothing lost any more", || !window.find(".item"));
    assert_eq!(home.json(&["session", "list"]).as_array().unwrap().len(), 2);
    in_good_order(&window);
}
