//! Quiet: agents are shown what failed and no more, the whole is kept, the exit code is the command's own, and what that withheld is
//! counted. And how long commands take: neither waiting for a runner nor making it clean is a part of it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::evidence::{Evidence, Gate};
use pilothouse_contract::session::{HELD, MARK};
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{Fifo, kill_at_once, lives};
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

/// Says much, as cargo does, and fails in the middle of it.
const NOISY: &str = "#!/bin/sh\n\
    seq -f 'test holds::number_%g ... ok' 1 3000\n\
    echo 'test csv::quotes ... FAILED'\n\
    seq -f 'test also::number_%g ... ok' 1 3000\n\
    printf '\\nfailures:\\n\\n---- csv::quotes stdout ----\\nleft: 1, right: 2\\n\\nfailures:\\n    csv::quotes\\n\\n'\n\
    echo 'test result: FAILED. 2 passed; 1 failed; 0 ignored'\n\
    exit 101\n";

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn evidence(history: &[Record]) -> Vec<&Evidence> {
    history
        .iter()
        .filter_map(|it| match &it.event {
            Event::EvidenceGathered { evidence } => Some(evidence),
            _ => None,
        })
        .collect()
}

#[test]
fn a_command_is_quiet_without_a_session_and_without_an_engine() {
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "noisy", NOISY);
    let noisy = folder.path().join("noisy").display().to_string();
    let ran = home.run(&["quiet", "--", &noisy]);
    assert_eq!(ran.code, 101, "the exit code is the command's own: {ran:?}");
    let log = home.data().join("quiet/1.log");
    let whole = std::fs::read_to_string(&log).unwrap();
    assert_eq!(whole.lines().filter(|it| it.ends_with("... ok")).count(), 6000, "all of it is kept");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(ran.out.starts_with("noisy: exit code 101 after ") && ran.out.len() < 1000, "{}", ran.out);
    assert!(
        ran.out.contains("1 test failed:\n  csv::quotes\n") && ran.out.contains("left: 1, right: 2"),
        "{}",
        ran.out
    );
    assert!(ran.out.trim_end().ends_with(&log.display().to_string()), "{}", ran.out);

    let good = home.run(&["quiet", "--", "sh", "-c", "seq 1 9; echo aside >&2"]);
    assert_eq!((good.code, good.out.lines().count()), (0, 1), "{good:?}");
    assert_eq!(std::fs::read_to_string(home.data().join("quiet/2.log")).unwrap().lines().count(), 10);
    // What it leaves running is not waited for.
    let left = home.run(&["quiet", "--", "sh", "-c", "sleep 1000 & echo $!"]);
    let sleeps: u32 = left.out.trim().parse().unwrap_or_else(|_| panic!("{left:?}"));
    assert!(lives(sleeps));
    kill_at_once(sleeps);
    let killed = home.run(&["quiet", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.code, 128 + 9);
    assert!(killed.out.contains("ended by signal 9 after"), "{killed:?}");
    let missing = home.run(&["quiet", "--", "/no/such/program"]);
    assert_eq!(missing.code, 127);
    assert!(missing.err.contains("'/no/such/program' could not be run"), "{missing:?}");
    let told = home.try_json(&["quiet", "--", &noisy]).json();
    assert_eq!((told["exit"].as_i64(), told["counted"].as_bool()), (Some(101), Some(false)));
    assert_eq!(told["whole_bytes"].as_u64(), Some(whole.len() as u64));
    assert!(!home.data().join("engine.lock").exists(), "no engine was started for it");

    // Inside a session whose engine is gone it is the same, and said so; where nothing can be kept, all of it is shown.
    let session = folder.path().join("s9-x");
    std::fs::create_dir(&session).unwrap();
    let inside = |held: &Path| {
        let mut command = home.command(&["quiet", "--", &noisy]);
        pilothouse_testkit::home::ran(command.env(MARK, "s9").env(HELD, held))
    };
    let ran = inside(&session);
    assert_eq!(ran.code, 101);
    assert!(ran.err.contains("no engine counted this run"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(session.join("quiet/1.log")).unwrap(), whole);
    let file = folder.path().join("s8-x");
    std::fs::create_dir(&file).unwrap();
    std::fs::write(file.join("quiet"), "in its place").unwrap();
    let ran = inside(&file);
    assert_eq!((ran.code, ran.out.lines().count()), (101, whole.lines().count()), "{}", ran.err);
    assert!(ran.err.contains("cannot be kept and is shown whole"), "{ran:?}");
}

#[test]
fn agents_are_quiet_by_themselves_and_by_policy_and_what_was_withheld_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    program(
        folder.path(),
        "noisy",
        &format!("{NOISY}# $1\n").replace("exit 101", "[ \"$1\" = fail ] && exit 101; exit 0"),
    );
    // A tool with a subcommand that says much, and calls itself.
    program(
        folder.path(),
        "tool",
        "#!/bin/sh\ncase \"$1\" in\ntest) seq 1 4000; tool inner | wc -l ;;\ninner) seq 1 7 ;;\n*) echo \"other: $*\" ;;\nesac\n",
    );
    let out = folder.path().join("out");
    let workflow = "---\npilothouse:\n  quiet: [tool test, tool inner]\n---\n";
    let tasks = "- [ ] T001 Make it\n  - Files: `made.txt`\n  - Verify: `test -s made.txt`\n";
    let repo = Repo::new(
        "shop",
        &[
            ("specs/001-work/spec.md", "# Work\n"),
            ("specs/001-work/tasks.md", tasks),
            ("WORKFLOW.md", workflow),
        ],
    );
    let home = Home::new()
        .with_env("PATH", &format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap()));
    let added = home.json(&["project", "add", &repo.name()]);
    let told = home.run(&["project", "trust", added["name"].as_str().unwrap()]);
    assert!(told.out.contains("when agents run `tool test`, Pilothouse runs it for them"), "{told:?}");
    home.json(&["project", "trust", added["name"].as_str().unwrap(), "--yes"]);
    let agent = ShellAgent::new(&format!(
        "exec >{} 2>&1\n\
         \"$PILOTHOUSE_BIN\" quiet -- noisy fail; echo \"code $?\"\n\
         \"$PILOTHOUSE_BIN\" quiet -- noisy\n\
         tool test; echo \"code $?\"\ntool test --list | tail -n 1\ntool build it\n\
         echo made > made.txt",
        out.display()
    ));
    assert_eq!(home.carry(&agent).code, 0);
    let said = std::fs::read_to_string(&out).unwrap();
    let page = home.json(&["run", "show", "r1"]);
    let session = page["attempts"][0]["session"].as_str().unwrap();
    let held = std::fs::read_dir(home.data().join("sessions")).unwrap().flatten().map(|it| it.path());
    let held = held
        .into_iter()
        .find(|it| it.file_name().unwrap().to_str().unwrap().starts_with(&format!("{session}-")))
        .unwrap();
    let logs = [1, 2, 3].map(|n| std::fs::read_to_string(held.join(format!("quiet/{n}.log"))).unwrap());
    let lines: Vec<usize> = logs.iter().map(|it| it.lines().count()).collect();
    // Within a quiet command its own calls are heard as they are: seven lines were counted.
    assert_eq!((lines, logs[2].lines().last()), (vec![6011, 6011, 4001], Some("7")), "{said}");
    assert!(said.contains("1 test failed:\n  csv::quotes\n") && said.contains("code 101"), "{said}");
    assert!(said.contains("tool test: exit code 0 after ") && said.contains("code 0"), "{said}");
    assert!(said.contains("other: build it"), "{said}");
    assert!(said.lines().count() < 40, "{said}");

    // Each is counted once, with what its log and what it showed are long.
    let quiet = &page["took"]["quiet"];
    let whole: usize = logs.iter().map(String::len).sum();
    assert_eq!(
        (&quiet["runs"], &quiet["failed"], &quiet["whole_bytes"]),
        (&json!(3), &json!(1), &json!(whole)),
        "{quiet}"
    );
    let shown = quiet["shown_bytes"].as_u64().unwrap();
    assert!(shown > 0 && shown < 2000, "{quiet}");
    let withheld = (whole as u64 - shown) / 1024;
    let says = format!(
        "3 runs with 6 tests run, 2 failed, {withheld} KiB withheld, about {} k tokens (4 bytes each)",
        (whole as u64 - shown) / 4000
    );
    let receipt = home.json(&["receipt", "r1"]);
    let line = receipt["lines"].as_array().unwrap().iter().find(|it| it["name"] == "Quiet").unwrap();
    assert_eq!(line["says"], Value::from(says.clone()));
    for args in [["run", "show", "r1"].as_slice(), &["brief"], &["receipt", "r1"]] {
        let page = home.run(args).out;
        // A page of 80 columns breaks lines.
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("withheld, about") && page.contains("(4 bytes each)"), "{args:?}: {page}");
    }
    // What they took is held against the inner loop, beside what the checks took.
    let paces = page["took"]["paces"].as_array().unwrap();
    let pace = |command: &str| {
        paces.iter().find(|it| it["command"] == command).unwrap_or_else(|| panic!("{paces:?}"))
    };
    assert_eq!((&pace("tool test")["quiet"], &pace("tool test")["checks"]), (&json!(1), &json!(0)));
    assert_eq!(pace("noisy")["quiet"], json!(1));
    // Red check, proof, and the proof again on the merge result.
    assert_eq!(
        (&pace("test -s made.txt")["checks"], &pace("test -s made.txt")["over"]),
        (&json!(3), &json!(false))
    );
}

#[test]
fn the_next_try_is_told_what_failed_however_long_the_output_is() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "noisy", NOISY);
    let verify = format!("test -s good.txt || {}", folder.path().join("noisy").display());
    let repo = Repo::with_tasks(&[("T001", "*.txt", &verify)]);
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new("if [ $again = yes ]; then echo x > good.txt; else echo x > bad.txt; fi");
    assert_eq!(home.carry(&agent).code, 0);
    let page = home.json(&["task", "show", "001-work", "T001"]);
    let brief = page["brief"].as_str().unwrap();
    let told =
        brief.split("An earlier try failed (verify-failed)").nth(1).unwrap_or_else(|| panic!("{brief}"));
    for part in
        ["1 test failed:\n      csv::quotes\n", "left: 1, right: 2", "\"$PILOTHOUSE_BIN\" evidence show e"]
    {
        assert!(told.contains(part), "{part} is missing:\n{told}");
    }
    assert!(told.len() < 3000, "{told}");
}

#[test]
fn a_check_behind_a_busy_runner_took_as_long_as_it_ran() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = |name: &str| Fifo::new(folder.path().join(name));
    let (here, go) = (fifo("here"), fifo("go"));
    // The first red check takes the one runner until it is let go; the second waits for it.
    let first = format!("echo here > {here}; read go < {go}; false");
    let tasks = |verify: &str| {
        format!("- [ ] T001 Make it\n  - Files: `made.txt`\n  - Verify: `{verify}`\n  - Proof: guard\n")
    };
    let repo = Repo::new(
        "shop",
        &[
            ("specs/001-slow/spec.md", "# Slow\n"),
            ("specs/001-slow/tasks.md", &tasks(&first)),
            ("specs/002-fast/spec.md", "# Fast\n"),
            ("specs/002-fast/tasks.md", &tasks("test -s made.txt")),
            ("WORKFLOW.md", "---\npilothouse:\n  slots: 1\n  attempts: 1\n  rerun: false\n---\n"),
        ],
    );
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new("exit 3");
    home.json(&["run", "start", "001-slow", "--command", &agent.command()]);
    assert_eq!(here.read(), "here\n");
    let held = std::time::Instant::now();
    home.json(&["run", "start", "002-fast", "--command", &agent.command()]);
    let asked = |it: &Record| matches!(&it.event, Event::SessionAsked { session } if session.run.is_some_and(|run| run.0 == 2));
    home.events(0).find(asked).unwrap();
    let waited_ms = u64::try_from(held.elapsed().as_millis()).unwrap();
    std::fs::write(go.path(), "go\n").unwrap();
    let red = |it: &Record, run: u32| matches!(&it.event, Event::EvidenceGathered { evidence } if evidence.gate == Gate::RedCheck && evidence.subject.run.0 == run);
    home.events(0).find(|it| red(it, 2)).unwrap();
    let history = home.history();
    let of = |run: u32| {
        *evidence(&history).iter().find(|it| it.gate == Gate::RedCheck && it.subject.run.0 == run).unwrap()
    };
    let (slow, fast) = (of(1), of(2));
    assert!(slow.took_ms.unwrap() >= waited_ms, "it ran all the while: {slow:?}");
    assert!(
        fast.started >= slow.started.plus_ms(i64::try_from(slow.took_ms.unwrap()).unwrap()),
        "{slow:?}\n{fast:?}"
    );
    let span = u64::try_from(fast.ended.since_ms(fast.started)).unwrap();
    assert!(fast.took_ms.unwrap() <= span && fast.took() == fast.took_ms.unwrap(), "{fast:?}");
}

#[test]
fn what_takes_longer_than_the_inner_loop_may_is_told_once_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let tasks = format!(
        "- [ ] T001 Make it\n  - Files: `made.txt`\n  - Verify: `echo here > {here}; read go < {go}; test -s made.txt`\n"
    );
    let workflow = "---\npilothouse:\n  inner_loop_s: 1\n  approve: policy\n---\n";
    let repo = Repo::new(
        "shop",
        &[
            ("specs/001-work/spec.md", "# Work\n"),
            ("specs/001-work/tasks.md", &tasks),
            ("WORKFLOW.md", workflow),
        ],
    );
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new("echo made > made.txt");
    home.json(&["run", "start", "001-work", "--command", &agent.command()]);
    // Red check, proof, the proof on the merge result: each is let go once it ran for over a second, by its own clock.
    for _ in 0..3 {
        assert_eq!(here.read(), "here\n");
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() <= 1000 {
            std::thread::yield_now();
        }
        std::fs::write(go.path(), "go\n").unwrap();
    }
    let landed = |it: &Record| matches!(&it.event, Event::RunMoved { to, .. } if to.word() == "landed");
    home.events(0).find(landed).unwrap();
    let told: Vec<String> = home
        .history()
        .into_iter()
        .filter_map(|it| match it.event {
            Event::Notice { says, .. } if says.contains("inner loop") => Some(says),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("of r1 takes 1.") && told[0].contains("should take 1 s (inner_loop_s"),
        "{told:?}"
    );
    let took = &home.json(&["run", "show", "r1"])["took"];
    assert_eq!((&took["paces"][0]["over"], &took["paces"][0]["checks"]), (&json!(true), &json!(3)), "{took}");
    for args in [["run", "show", "r1"].as_slice(), &["brief"], &["receipt", "r1"]] {
        let page = home.run(args).out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("1 of 1 command over 1 s"), "{args:?}: {page}");
    }
    // An engine of before, and one of after, tell it no second time.
    kill_at_once(home.engine_pid());
    home.events(0).find(|it| matches!(it.event, Event::EngineStarted { restarts: 1 })).unwrap();
    let again = home
        .history()
        .into_iter()
        .filter(|it| matches!(&it.event, Event::Notice { says, .. } if says.contains("inner loop")));
    assert_eq!(again.count(), 1);
}
