//! Sessions from the command line: any command is held, watched, ended; it outlives the engine; what is removed comes
//! back.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use pilothouse_contract::event::Event;
use pilothouse_contract::session::Ending;
use pilothouse_contract::wire::View;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{Fifo, kill_at_once, lives};
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::seat::Seat;

#[test]
fn a_held_command_outlives_the_engine_and_loses_no_byte() {
    let home = Home::new();
    // A line, then as many as come until it is told to end; the file is the word.
    let word = home.path().join("word");
    let script = format!(
        "n=0; while [ ! -e {} ]; do n=$((n + 1)); echo line $n; sleep 0.01; done; echo last $n",
        word.display()
    );
    let session = home.start(&["sh", "-c", &script]).to_string();
    let mut viewer = home.command(&["attach", &session, "--raw"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut seen = viewer.stdout.take().unwrap();
    let mut first = [0; 64];
    seen.read_exact(&mut first).unwrap();
    let pid = home.engine_pid();
    kill_at_once(pid);
    // The next call finds the engine started again, and the session running.
    let lines = home.json(&["session", "list"]);
    assert_eq!(
        (lines[0]["session"]["id"].as_str(), lines.as_array().unwrap().len()),
        (Some(session.as_str()), 1)
    );
    assert_ne!(home.engine_pid(), pid);
    std::fs::write(&word, "").unwrap();
    let ended = home.events(0).find(|it| matches!(it.event, Event::SessionEnded { .. }));
    assert!(ended.is_some());
    let mut rest = Vec::new();
    seen.read_to_end(&mut rest).unwrap();
    assert!(viewer.wait().unwrap().success());
    let watched = String::from_utf8([first.to_vec(), rest].concat()).unwrap();
    let stored = home.run(&["attach", &session, "--no-follow"]).out;
    assert_eq!(watched, stored, "what was watched over the death of the engine is what was said");
    let lines: Vec<&str> = stored.lines().collect();
    for (n, line) in lines[..lines.len() - 1].iter().enumerate() {
        assert_eq!(*line, format!("line {}", n + 1));
    }
    assert_eq!(lines[lines.len() - 1], format!("last {}", lines.len() - 1));
    assert!(home.run(&["attach", &session, "--no-follow", "--from", "-5"]).out.len() == 5);
}

#[test]
fn an_engine_whose_socket_was_deleted_answers_again() {
    let home = Home::new();
    home.json(&["engine", "start"]);
    let pid = home.engine_pid();
    let socket = home.data().join("run/engine.sock");
    std::fs::remove_file(&socket).unwrap();
    // The next command goes to the engine that runs, and starts none beside it.
    assert_eq!(home.json(&["project", "list"]).as_array().unwrap().len(), 0);
    assert_eq!(home.engine_pid(), pid);
    // Another socket in its place, to which nobody listens.
    std::fs::remove_file(&socket).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(home.json(&["project", "list"]).as_array().unwrap().len(), 0);
    assert_eq!(home.engine_pid(), pid);
}

#[test]
fn a_session_is_ended_with_everything_it_started() {
    let home = Home::new();
    let says = Fifo::new(home.path().join("says"));
    let script = format!("(setsid sh -c 'echo $$ >{says}; sleep 1000' &); sleep 1000");
    let session = home.start(&["sh", "-c", &script]).to_string();
    // The daemon says who it is once it is there.
    let daemon = says.read().trim().parse().unwrap();
    assert!(lives(daemon));
    home.json(&["session", "kill", &session]);
    let line = &home.json(&["session", "list", "--all"])[0];
    assert_eq!(line["state"], "exited", "{line}");
    assert!(!lives(daemon), "its daemon lives on");
    let again = home.try_json(&["session", "kill", &session]);
    assert!(again.fault().contains("has ended already"), "{again:?}");
}

#[test]
fn what_a_session_leaves_running_is_nobody_over_the_engines_end() {
    let home = Home::new();
    let at = |name: &str| home.path().join(name).display().to_string();
    let program = home.program("pilothouse").display().to_string();
    // It takes off every mark, leaves its parents, and acts once the engine that knew it is gone.
    let script = format!(
        "(setsid env -i PATH=\"$PATH\" PILOTHOUSE_HOME={home} sh -c 'echo > {a}; while [ ! -e {go} ]; do sleep 0.02; done; \
         {program} --json session rename s1 mine > {said} 2>&1; mv {said} {done}' &); while [ ! -e {a} ]; do sleep 0.02; done",
        home = home.path().display(),
        a = at("a"),
        go = at("go"),
        said = at("said"),
        done = at("done"),
    );
    home.start(&["sh", "-c", &script]);
    let end = home.events(0).find_map(|it| match it.event {
        Event::SessionEnded { end, .. } => Some(end),
        _ => None,
    });
    // Where there are no control groups nothing is left to run.
    if end.unwrap().left_running.is_empty() {
        return;
    }
    home.json(&["engine", "stop"]);
    home.json(&["engine", "start"]);
    std::fs::write(at("go"), "").unwrap();
    let begun = std::time::Instant::now();
    while !home.path().join("done").exists() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it does not act");
        std::thread::yield_now();
    }
    let said = std::fs::read_to_string(at("done")).unwrap();
    assert!(said.contains("nobody can tell who called"), "{said}");
    assert_ne!(home.json(&["session", "list", "--all"])[0]["session"]["title"], "mine");
}

#[test]
fn what_a_session_leaves_running_is_listed_and_only_that_is_cleaned() {
    let home = Home::new();
    let at = |name: &str| home.path().join(name).display().to_string();
    // A child in a session of its own, and a daemon that left its parents twice.
    let script = format!(
        "(setsid sh -c 'echo $$ > {a}.tmp; mv {a}.tmp {a}; sleep 1000; true' &); \
         (sh -c '(setsid sh -c \"trap : TERM; echo \\$\\$ > {b}.tmp; mv {b}.tmp {b}; while :; do sleep 1000; done\" &)' &); \
         while [ ! -e {a} ] || [ ! -e {b} ]; do sleep 0.02; done; read word; exit 3",
        a = at("a"),
        b = at("b")
    );
    let session = home.start(&["sh", "-c", &script]).to_string();
    let refused = home.try_json(&["session", "clean", &session]);
    assert!(
        refused.fault().contains("s1 lives") && refused.fault().contains("session kill s1"),
        "{refused:?}"
    );
    // Somebody else's program, of the same name.
    let mut others = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    while !home.path().join("a").exists() || !home.path().join("b").exists() {
        std::thread::yield_now();
    }
    let mut seat = Seat::view(&home, &View::typing(session.parse().unwrap())).unwrap();
    seat.input(b"on\n").unwrap();
    let end = home.events(0).find_map(|it| match it.event {
        Event::SessionEnded { end, .. } => Some(end),
        _ => None,
    });
    let end = end.unwrap();
    assert_eq!(end.how, Ending::Exited { code: 3 });
    let pids = ["a", "b"].map(|it| std::fs::read_to_string(at(it)).unwrap().trim().parse::<u32>().unwrap());
    assert!(pids.iter().all(|pid| end.left_running.iter().any(|it| it.pid == *pid)), "{end:?}");
    assert!(end.left_behind.is_empty(), "{end:?}");
    let line = &home.json(&["session", "list", "--all"])[0];
    assert!(line["why"].as_str().unwrap().contains("session clean s1"), "{line}");
    let runs = |pid: u32| line["processes"].as_array().unwrap().iter().any(|it| it["pid"] == pid);
    assert!(runs(pids[0]) && runs(pids[1]) && !runs(others.id()), "{line}");
    // One of them asks for force.
    let cleaned = home.json(&["session", "clean", &session]);
    assert_eq!(
        (cleaned["ended"].as_array().unwrap().len(), cleaned["left"].as_array().unwrap().len()),
        (4, 0),
        "{cleaned}"
    );
    for pid in pids {
        assert!(!lives(pid), "{pid} is still there");
    }
    assert_eq!(others.try_wait().unwrap(), None, "what it did not start is not touched");
    others.kill().unwrap();
    others.wait().unwrap();
    assert_eq!(home.json(&["session", "clean", &session])["ended"], serde_json::json!([]));
    assert!(home.history().iter().any(
        |it| matches!(&it.event, Event::Notice { says, .. } if says.contains("left running was ended"))
    ));
}

#[test]
fn a_limit_is_kept_or_refused_in_words_and_never_passed_over() {
    let home = Home::new();
    let bad = home.run(&["session", "start", "--cpu-max", "150", "--", "true"]);
    assert!(bad.code == 2 && bad.err.contains("write it like 150%"), "{bad:?}");
    let limited = home.try_json(&[
        "session",
        "start",
        "--memory-max",
        "1GiB",
        "--cpu-max",
        "150%",
        "--",
        "sleep",
        "1000",
    ]);
    if limited.code != 0 {
        assert!(limited.fault().contains("cannot be enforced on this machine"), "{limited:?}");
        assert_eq!(home.json(&["session", "list", "--all"]), serde_json::json!([]), "nothing was started");
        return;
    }
    let folder = std::fs::read_dir(home.data().join("sessions")).unwrap().next().unwrap().unwrap().path();
    let asked: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("session.json")).unwrap()).unwrap();
    let read = |file: &str| {
        std::fs::read_to_string(format!("{}/{file}", asked["cgroup"].as_str().unwrap())).unwrap()
    };
    assert_eq!((read("memory.max").trim(), read("cpu.max").trim()), ("1073741824", "150000 100000"));
    assert!(read("cgroup.procs").lines().any(|it| *it == *limited.json()["running"]["pid"].to_string()));
    home.json(&["session", "kill", "s1"]);
}

#[test]
fn what_runs_of_a_session_is_listed_with_what_it_uses() {
    let home = Home::new();
    let says = Fifo::new(home.path().join("says"));
    // The shell itself says it: a program of its own could be listed, and be gone before it was looked at.
    let script = format!("(setsid sh -c 'echo up >{says}; sleep 1000; true' &); exec sleep 2000");
    home.start(&["sh", "-c", &script]);
    let lines = home.json(&["session", "steady"]);
    let pid = lines[0]["session"]["running"]["pid"].clone();
    // The daemon says when it is there.
    assert_eq!(says.read(), "up\n");
    let listed = home.json(&["session", "list"]);
    let processes = listed[0]["processes"].as_array().unwrap();
    assert_eq!(
        (processes[0]["ours"].as_bool(), processes[0]["name"].as_str()),
        (Some(true), Some("pilothouse-hold"))
    );
    assert!(processes.iter().any(|it| it["pid"] == pid && it["ours"] == false), "{listed}");
    assert!(processes.len() >= 3, "its daemon too: {listed}");
    assert!(processes.iter().all(|it| it["memory_bytes"].as_u64().unwrap() > 0), "{listed}");
}

#[test]
fn a_session_of_another_agent_is_listed_and_goes_on_here_once_nobody_writes_its_log() {
    let repo = Repo::new("harbour", &[]);
    // What goes on with it here only says how it was asked to.
    let bin = tempfile::tempdir().unwrap();
    let codex = bin.path().join("codex");
    std::fs::write(&codex, "#!/bin/sh\necho asked to $*\nread end\n").unwrap();
    std::fs::set_permissions(&codex, std::fs::Permissions::from_mode(0o755)).unwrap();
    let home =
        Home::new().with_env("PATH", &format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap()));
    let nobody = home.run(&["session", "elsewhere"]);
    assert!(nobody.out.contains("Claude Code, Codex, Gemini CLI and opencode"), "{nobody:?}");
    let log = home.codex_elsewhere(repo.path(), "01a1-9", "Mend the pump");
    home.trust(&repo);
    // Somebody has it open in a terminal of their own.
    let mut there = Command::new("sh")
        .args(["-c", "exec 3>>\"$0\"; echo up; read end", log.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    there.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    let seen = home.json(&["session", "elsewhere"]);
    assert_eq!(
        (&seen[0]["agent"], &seen[0]["native"], &seen[0]["title"], &seen[0]["process"]),
        (&"codex".into(), &"01a1-9".into(), &"Mend the pump".into(), &there.id().into()),
        "{seen}"
    );
    let refused = home.try_json(&["session", "elsewhere", "01a1-9", "--go-on"]);
    assert!(refused.fault().contains(&format!("runs as process {}", there.id())), "{refused:?}");
    drop(there.stdin.take());
    there.wait().unwrap();
    let page = home.run(&["session", "elsewhere", "01a1-9"]).out;
    assert!(page.contains("of codex in") && page.contains("prompt  Mend the pump"), "{page}");
    let held = home.json(&["session", "elsewhere", "01a1-9", "--go-on"]);
    assert_eq!(held["argv"], serde_json::json!(["codex", "resume", "01a1-9"]), "{held}");
    home.json(&["session", "kill", held["id"].as_str().unwrap()]);
}

#[test]
fn whoever_follows_starts_no_engine() {
    let home = Home::new();
    let session = home.start(&["true"]).to_string();
    home.json(&["engine", "stop"]);
    let mut following = home.command(&["event", "follow", "--json"]).stdout(Stdio::null()).spawn().unwrap();
    let watched = home.try_json(&["attach", &session]);
    assert!(watched.fault().contains("the engine does not answer"), "{watched:?}");
    assert_eq!(following.wait().unwrap().code(), Some(2));
    let status = home.try_json(&["engine", "status"]);
    assert_eq!((status.code, &status.json()["running"]), (1, &serde_json::Value::from(false)));
}

#[test]
fn a_hook_cannot_write_escapes_into_history() {
    let home = Home::new();
    let program = home.program("pilothouse").display().to_string();
    let tell = format!("{program} --json hook ref-refused \"$(printf 'refs/heads/\\033[2J')\" 0 0");
    let told = home.run(&["hold", "--", "sh", "-c", &tell]);
    assert!(told.out.contains("no plain line"), "{told:?}");
    assert!(!home.history().iter().any(|it| matches!(it.event, Event::RefTouched { .. })));
}

#[test]
fn hold_ends_as_its_command_ends() {
    let home = Home::new();
    let well = home.run(&["hold", "--", "sh", "-c", "echo hello; exit 0"]);
    assert_eq!((well.code, well.out.as_str()), (0, "hello\r\n"));
    let badly = home.run(&["hold", "--", "sh", "-c", "echo oh; exit 9"]);
    assert_eq!(badly.code, 1);
    let end = &home.json(&["session", "list", "--all"])[1]["session"]["end"]["how"];
    assert_eq!((end["ending"].as_str(), end["code"].as_i64()), (Some("exited"), Some(9)));
}

#[test]
fn what_is_held_has_the_environment_of_whoever_holds_it_and_none_of_it_is_written_down() {
    let home = Home::new();
    // The engine is there already, with an environment of its own.
    home.start(&["true"]);
    let tools = tempfile::TempDir::new().unwrap();
    let mine = tools.path().join("my-tool");
    std::fs::write(&mine, "#!/bin/sh\necho \"$MINE|$TERM|${TMUX-none}|$(stty size)|${#SECRET}\"\n").unwrap();
    std::fs::set_permissions(&mine, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let secret = "hunter2-hunter2-hunter2";
    let mut hold = home.command(&["hold", "--", "my-tool"]);
    let theirs = [
        ("PATH", path.as_str()),
        ("MINE", "only here"),
        ("TMUX", "/x"),
        ("TERM", "screen"),
        ("SECRET", secret),
    ];
    let held = hold.envs(theirs).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&held.stdout),
        "only here|xterm-256color|none|40 120|23\r\n",
        "{held:?}"
    );
    let found = Command::new("grep").args(["-rl", secret]).arg(home.path()).output().unwrap();
    // Files come and go meanwhile, which grep says by its code.
    assert_eq!(
        (found.status.code() == Some(0), found.stdout),
        (false, Vec::new()),
        "a secret lies on the disk"
    );
}

#[test]
fn a_program_inside_a_session_may_look_and_nothing_else() {
    let home = Home::new();
    let program = home.program("pilothouse").display().to_string();
    let inside = |verb: &str| home.run(&["hold", "--", "sh", "-c", &format!("{program} {verb} --json")]);
    assert_eq!(inside("project list").code, 0);
    for verb in ["engine stop", "session start -- true", "project add /tmp", "session kill s1"] {
        let ran = inside(verb);
        assert!(ran.code == 1 && ran.out.contains("was refused to session"), "{verb}: {ran:?}");
    }
    // Without the mark, in a session of its own, left by its parents: still its child.
    let fled = home.path().join("fled");
    let flight = format!(
        "env -u PILOTHOUSE_SESSION setsid sh -c '{program} engine stop --json > {fled}.tmp; mv {fled}.tmp {fled}' & \
         while [ ! -e {fled} ]; do sleep 0.05; done",
        fled = fled.display()
    );
    assert_eq!(home.run(&["hold", "--", "sh", "-c", &flight]).code, 0);
    let said = std::fs::read_to_string(&fled).unwrap();
    assert!(said.contains("was refused to session"), "{said}");
    let refused =
        home.history().into_iter().filter(|it| matches!(it.event, Event::Refused { session: Some(_), .. }));
    assert_eq!(refused.count(), 5);
}

#[test]
fn a_worktree_that_was_removed_comes_back_from_the_command_line() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let home = Home::trusting(&repo);
    let ran = home.carry(&ShellAgent::new("echo half > half-done; exit 5"));
    assert_eq!(ran.code, 1, "{ran:?}");
    // The last try's worktree stays for a person to look at; the one before it can be brought back.
    let all = home.json(&["worktree", "list", "--all"]);
    let state = |id: &str| {
        all.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap()["state"]["state"].clone()
    };
    assert_eq!((state("w1"), state("w2")), ("removed".into(), "live".into()), "{all}");
    let path = home.json(&["worktree", "undo", "w1"])["path"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(format!("{path}/half-done")).unwrap(), "half\n");
    home.json(&["worktree", "remove", "w2"]);
    let gone = home.json(&["worktree", "remove", "w1"]);
    assert!(!std::path::Path::new(&path).exists());
    assert!(
        gone["state"]["recovery"]["until"].as_i64().unwrap()
            > gone["state"]["recovery"]["at"].as_i64().unwrap()
    );
    assert_eq!(repo.git(&["worktree", "list"]).lines().filter(|it| !it.contains("runner-")).count(), 1);
    let twice = home.try_json(&["worktree", "remove", "w1"]);
    assert!(
        twice.fault().contains("is removed already") && twice.fault().contains("worktree undo w1"),
        "{twice:?}"
    );
}

#[test]
fn a_worktree_that_somebody_deleted_is_seen_to_be_gone() {
    let repo = Repo::with_tasks(&[("T001", "a", "test -e a")]);
    let home = Home::trusting(&repo);
    assert_eq!(home.carry(&ShellAgent::new("echo x > b; exit 5")).code, 1);
    let path = home.json(&["worktree", "list"])[0]["path"].as_str().unwrap().to_owned();
    let seen = home.events(0).find_map(|it| match it.event {
        Event::WorktreeSeen { seen, .. } if seen.untracked == 1 => Some(seen),
        _ => None,
    });
    assert_eq!(seen.unwrap().watched, "live", "the watcher saw the agent's file");
    std::fs::remove_dir_all(&path).unwrap();
    let gone = home.events(0).find(|it| matches!(it.event, Event::WorktreeGone { .. }));
    assert!(gone.is_some());
    let refused = home.try_json(&["worktree", "remove", "w2"]);
    assert!(refused.fault().contains("gone already"), "{refused:?}");
}

#[test]
fn tasks_run_beside_each_other_only_where_they_cannot_meet() {
    let tasks = [("T001", "a", "test -e a"), ("T002", "b", "test -e b"), ("T003", "a", "grep -q 3 a")];
    let repo = Repo::with_tasks(&tasks);
    let home = Home::trusting(&repo);
    // The two that cannot meet wait for each other: if they did not run at once, neither would ever end.
    let meet = home.path().join("meet");
    std::fs::create_dir(&meet).unwrap();
    let agent = ShellAgent::new(&format!(
        "touch {meet}/$task
         case $task in
         T001) while [ ! -e {meet}/T002 ]; do sleep 0.02; done; echo 1 > a ;;
         T002) while [ ! -e {meet}/T001 ]; do sleep 0.02; done; echo 2 > b ;;
         T003) cat a >> {meet}/order; echo 3 >> a ;;
         esac",
        meet = meet.display()
    ));
    assert_eq!(home.carry(&agent).json()["state"], "landed");
    assert_eq!(
        std::fs::read_to_string(meet.join("order")).unwrap(),
        "1\n",
        "T003 began with what T001 had made"
    );
    assert_eq!(repo.read("a"), "1\n3\n");
    let page = home.json(&["run", "show", "r1"]);
    assert_eq!(page["attempts"].as_array().unwrap().len(), 3, "nothing was tried twice");
}
