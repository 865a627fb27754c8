//! Two hands on every session: a holder that is killed is replaced around the living program, an engine that is killed
//! takes what it kept from the holders again, and not a byte of output is lost or doubled.

use std::path::Path;
use std::process::Command;

use pilothouse_contract::event::Event;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{Fifo, kill_at_once, lives, signal};
use pilothouse_testkit::seat::Seat;
use serde_json::Value;

/// Counts lines as fast as it can, in raw mode, until a file is there.
fn counts_until(word: &Path) -> String {
    format!(
        "stty raw; n=0; while [ ! -e {} ]; do seq $((n + 1)) $((n + 20000)); n=$((n + 20000)); done; exit 7",
        word.display()
    )
}

/// The one session, once it is in two hands.
fn steady(home: &Home) -> Value {
    home.json(&["session", "steady"])[0].clone()
}

fn holder(line: &Value) -> u32 {
    line["session"]["running"]["holder"].as_u64().unwrap() as u32
}

/// Each line once and in order; how many there are.
fn counted(output: &str) -> usize {
    let mut lines = 0;
    for (n, line) in output.lines().enumerate() {
        assert_eq!(line, (n + 1).to_string(), "line {} is lost, doubled or torn", n + 1);
        lines += 1;
    }
    lines
}

/// Waits for the so-many-th word of a replaced holder.
fn wait_for_replaced(home: &Home, times: usize) -> u64 {
    let replaced = home.events(0).filter_map(|it| match it.event {
        Event::HolderReplaced { uncertain_bytes, .. } => uncertain_bytes,
        _ => None,
    });
    replaced.take(times).last().unwrap()
}

#[test]
fn a_killed_holder_is_replaced_around_the_living_program() {
    let home = Home::new();
    let word = home.path().join("word");
    let session = home.start(&["sh", "-c", &counts_until(&word)]).to_string();
    let before = steady(&home);
    kill_at_once(holder(&before));
    assert_eq!(wait_for_replaced(&home, 1), 0, "nobody typed");
    let after = steady(&home);
    assert_ne!(holder(&after), holder(&before));
    assert_eq!(after["session"]["running"]["pid"], before["session"]["running"]["pid"]);
    assert_eq!((&after["pulse"]["held"], &after["pulse"]["kept"]), (&true.into(), &true.into()));
    std::fs::write(&word, "").unwrap();
    let ended = home.events(0).find(|it| matches!(it.event, Event::SessionEnded { .. }));
    assert!(ended.is_some());
    let lines = counted(&home.run(&["attach", &session, "--no-follow"]).out);
    assert!(lines > 0 && lines.is_multiple_of(20_000), "{lines}");
    // No child of its last holder: known where the kernel tells, else honestly unknown.
    let end = &home.json(&["session", "list", "--all"])[0]["session"]["end"]["how"];
    assert!(end["code"] == 7 || end["ending"] == "unknown", "{end}");
}

#[test]
fn engine_and_holders_may_die_in_turn() {
    let home = Home::new();
    let word = home.path().join("word");
    let session = home.start(&["sh", "-c", &counts_until(&word)]).to_string();
    for times in 1..=3 {
        let line = steady(&home);
        kill_at_once(home.engine_pid());
        // The engine that comes fetches what the holder holds, and so outlives it.
        assert_eq!(holder(&steady(&home)), holder(&line));
        kill_at_once(holder(&line));
        wait_for_replaced(&home, times);
    }
    let replaced =
        home.history().into_iter().filter(|it| matches!(it.event, Event::HolderReplaced { .. })).count();
    assert_eq!(replaced, 3, "one word for each");
    steady(&home);
    std::fs::write(&word, "").unwrap();
    assert!(home.events(0).any(|it| matches!(it.event, Event::SessionEnded { .. })));
    counted(&home.run(&["attach", &session, "--no-follow"]).out);
}

#[test]
fn two_of_ours_at_once_cost_one_session_at_most_and_that_is_said() {
    let home = Home::new();
    let word = home.path().join("word");
    let ids: Vec<String> =
        (0..3).map(|_| home.start(&["sh", "-c", &counts_until(&word)]).to_string()).collect();
    let of = |lines: &Value, id: &str| {
        lines.as_array().unwrap().iter().find(|it| it["session"]["id"] == id).cloned().unwrap()
    };
    let before = home.json(&["session", "steady"]);
    let struck = &ids[1];
    // In one breath: whoever could take over is gone too.
    let both = [holder(&of(&before, struck)), home.engine_pid()].map(|pid| pid.to_string());
    assert!(Command::new("kill").arg("-9").args(&both).status().unwrap().success());
    home.json(&["session", "steady"]);
    let after = home.json(&["session", "list", "--all"]);
    let (mut ends, line) = (ids.len(), of(&after, struck));
    if line["state"] == "lost" {
        let why = line["why"].as_str().unwrap();
        assert!(why.contains("while no engine kept what it held") && why.contains("is whole"), "{why}");
    } else {
        // The engine lived long enough to begin a successor, or the next one found the holder living.
        assert_eq!(
            line["session"]["running"]["pid"],
            of(&before, struck)["session"]["running"]["pid"],
            "{line}"
        );
    }
    for id in ids.iter().filter(|it| *it != struck) {
        let (was, is) = (of(&before, id), of(&after, id));
        assert_eq!(is["session"]["running"], was["session"]["running"], "its program and its holder live");
        assert_eq!((&is["pulse"]["held"], &is["pulse"]["kept"]), (&true.into(), &true.into()), "{is}");
    }
    std::fs::write(&word, "").unwrap();
    let all_ended = home.events(0).any(|it| {
        ends -= usize::from(matches!(it.event, Event::SessionEnded { .. }));
        ends == 0
    });
    assert!(all_ended);
    for id in &ids {
        let log = home.run(&["attach", id, "--raw", "--no-follow"]).out;
        let end = &of(&home.json(&["session", "list", "--all"]), id)["session"]["end"]["how"];
        // What was cut off in the middle of a line is whole up to there.
        let whole = log.rsplit_once('\n').map_or("", |it| it.0);
        let lines = counted(whole);
        assert!(lines > 0);
        if id != struck {
            assert!(
                log.ends_with('\n') && lines.is_multiple_of(20_000) && end["code"] == 7,
                "{lines}: {end}"
            );
        }
    }
}

#[test]
fn a_size_that_a_dead_holder_did_not_write_down_is_found_in_the_terminal() {
    let home = Home::new();
    // Set past the holder, as one leaves it that dies between setting and writing down.
    let session = home.start(&["sh", "-c", "stty cols 77 rows 11; echo set; read more"]).to_string();
    Seat::view(&home, &pilothouse_contract::wire::View::of(session.parse().unwrap()))
        .unwrap()
        .until("set")
        .unwrap();
    kill_at_once(holder(&steady(&home)));
    wait_for_replaced(&home, 1);
    steady(&home);
    let screen = home.json(&["session", "screen", &session]);
    assert_eq!((&screen["columns"], &screen["rows"]), (&77.into(), &11.into()), "{screen}");
    assert_eq!(screen["text"][0], "set");
}

#[test]
fn a_replaced_holder_still_ends_everything_the_session_started() {
    let home = Home::new();
    let says = Fifo::new(home.path().join("says"));
    let script = format!("(setsid sh -c 'echo $$ >{says}; sleep 1000' &); sleep 1000");
    let session = home.start(&["sh", "-c", &script]).to_string();
    let line = steady(&home);
    let daemon = says.read().trim().parse().unwrap();
    let program = line["session"]["running"]["pid"].as_u64().unwrap() as u32;
    assert!(lives(daemon) && lives(program));
    kill_at_once(holder(&line));
    wait_for_replaced(&home, 1);
    home.json(&["session", "kill", &session]);
    for pid in [daemon, program] {
        assert!(!lives(pid), "{pid} lives on");
    }
    let end = &home.json(&["session", "list", "--all"])[0]["session"]["end"];
    assert!(end["left_behind"].to_string().contains("sleep ("), "{end}");
}

#[test]
fn a_stopped_holder_is_not_a_dead_one() {
    let home = Home::new();
    let session = home.start(&["sh", "-c", "read word; echo got $word; read again"]).to_string();
    let line = steady(&home);
    assert!(signal(holder(&line), "-STOP"));
    kill_at_once(home.engine_pid());
    // The new engine cannot reach it, and leaves it in peace.
    let listed = home.json(&["session", "list"]);
    assert_eq!(holder(&listed[0]), holder(&line));
    assert_eq!(listed[0]["state"], "unknown", "{listed}");
    assert!(signal(holder(&line), "-CONT"));
    assert_eq!(holder(&steady(&home)), holder(&line));
    assert!(home.json(&["session", "kill", &session])["end"].is_object());
    assert!(!home.history().iter().any(|it| matches!(it.event, Event::HolderReplaced { .. })));
}

#[test]
fn a_holder_whose_socket_was_deleted_is_found_again() {
    let home = Home::new();
    home.start(&["sh", "-c", "read word"]);
    let line = steady(&home);
    let sockets = home.data().join("run");
    let socket = std::fs::read_dir(&sockets)
        .unwrap()
        .map(|it| it.unwrap().path())
        .find(|it| it.file_name().unwrap().to_str().unwrap().starts_with("s1-"))
        .unwrap();
    std::fs::remove_file(&socket).unwrap();
    kill_at_once(home.engine_pid());
    assert_eq!(holder(&steady(&home)), holder(&line));
    assert!(socket.exists());
}

#[test]
fn what_dies_while_nobody_kept_it_is_said_in_words() {
    let home = Home::new();
    let session = home.start(&["sh", "-c", "echo before; read word"]).to_string();
    let line = steady(&home);
    home.json(&["engine", "stop"]);
    kill_at_once(holder(&line));
    let listed = home.json(&["session", "list", "--all"]);
    let ended = home.events(0).find(|it| matches!(it.event, Event::SessionEnded { .. }));
    assert!(ended.is_some(), "{listed}");
    let line = &home.json(&["session", "list", "--all"])[0];
    assert_eq!(line["state"], "lost");
    let why = line["why"].as_str().unwrap();
    assert!(why.contains("while no engine kept what it held") && why.contains("is whole"), "{why}");
    assert_eq!(home.run(&["attach", &session, "--no-follow"]).out, "before\r\n");
}

/// A program in the place of the holder that never holds.
const NO_HOLDER: &[u8] = b"#!/bin/sh\necho this one holds nothing >&2; exit 2\n";

/// Starts a session with a child in a session of its own and a daemon that left its parents twice; their ids and the
/// program's, once all are there.
fn start_with_daemons(home: &Home) -> (String, Vec<u32>) {
    let at = |name: &str| home.path().join(name).display().to_string();
    let script = format!(
        "trap '' HUP TERM; (setsid sh -c 'echo $$ > {a}.tmp; mv {a}.tmp {a}; sleep 1000; true' &); \
         (sh -c '(setsid sh -c \"echo \\$\\$ > {b}.tmp; mv {b}.tmp {b}; sleep 1000; true\" &)' &); \
         while [ ! -e {a} ] || [ ! -e {b} ]; do sleep 0.02; done; echo $$ > {c}.tmp; mv {c}.tmp {c}; sleep 1000; sleep 1000",
        a = at("a"),
        b = at("b"),
        c = at("c")
    );
    let session = home.start(&["sh", "-c", &script]).to_string();
    while !home.path().join("c").exists() {
        std::thread::yield_now();
    }
    let pid = |name| std::fs::read_to_string(home.path().join(name)).unwrap().trim().parse().unwrap();
    (session, ["a", "b", "c"].map(pid).to_vec())
}

fn wait_for_notice(home: &Home, words: &str) {
    let said =
        home.events(0).find(|it| matches!(&it.event, Event::Notice { says, .. } if says.contains(words)));
    assert!(said.is_some(), "nobody said: {words}");
}

#[test]
fn a_session_that_nobody_can_hold_any_more_says_so_and_is_held_again_once_somebody_can() {
    let home = Home::new().with_own_programs();
    let holds = std::fs::read(home.program("pilothouse-hold")).unwrap();
    let word = home.path().join("word");
    let session = home.start(&["sh", "-c", &counts_until(&word)]).to_string();
    let before = steady(&home);
    home.install("pilothouse-hold", NO_HOLDER);
    kill_at_once(holder(&before));
    wait_for_notice(&home, "no other one could take over: this one holds nothing");
    // Nobody waits for ever for what cannot come.
    let line = steady(&home);
    assert_eq!(
        (line["state"].as_str(), line["trouble"]["trouble"].as_str()),
        (Some("stranded"), Some("no-holder"))
    );
    let why = line["why"].as_str().unwrap();
    assert!(why.contains("this one holds nothing") && why.contains("session kill s1"), "{why}");
    let status = home.try_json(&["engine", "status"]);
    assert!(status.code == 1 && status.out.contains("Nobody holds s1"), "{status:?}");
    home.install("pilothouse-hold", &holds);
    // Whoever wants it steady has it tried now.
    home.json(&["session", "steady"]);
    wait_for_replaced(&home, 1);
    let after = steady(&home);
    assert_eq!(
        (&after["trouble"], &after["session"]["running"]["pid"]),
        (&Value::Null, &before["session"]["running"]["pid"])
    );
    std::fs::write(&word, "").unwrap();
    assert!(home.events(0).any(|it| matches!(it.event, Event::SessionEnded { .. })));
    counted(&home.run(&["attach", &session, "--no-follow"]).out);
}

#[test]
fn a_session_that_nobody_can_hold_any_more_is_ended_with_everything_it_started() {
    let home = Home::new().with_own_programs();
    let (session, pids) = start_with_daemons(&home);
    let line = steady(&home);
    home.install("pilothouse-hold", NO_HOLDER);
    kill_at_once(holder(&line));
    wait_for_notice(&home, "no other one could take over");
    assert!(pids.iter().all(|it| lives(*it)), "nothing is ended unasked");
    let killed = home.json(&["session", "kill", &session]);
    assert_eq!(killed["end"]["how"]["ending"], "lost");
    let why = killed["end"]["how"]["why"].as_str().unwrap();
    assert!(why.contains("this one holds nothing") && why.contains("ended all the same"), "{why}");
    assert!(killed["end"]["left_behind"].to_string().contains("sleep ("), "{killed}");
    for pid in pids {
        assert!(!lives(pid), "{pid} outlived its session");
    }
}

#[test]
fn a_session_whose_holder_does_not_answer_is_ended_by_force() {
    let home = Home::new();
    let (session, pids) = start_with_daemons(&home);
    let line = steady(&home);
    assert!(signal(holder(&line), "-STOP"));
    let killed = home.json(&["session", "kill", &session]);
    assert!(killed["end"].is_object(), "{killed}");
    for pid in pids.into_iter().chain([holder(&line)]) {
        assert!(!lives(pid), "{pid} outlived its session");
    }
}

#[test]
fn what_is_typed_and_thrown_away_is_told_and_what_nobody_knows_is_counted_apart() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 100;
    let home = Home::new();
    let session =
        home.start(&["sh", "-c", "stty raw -echo; echo up; while :; do sleep 1000; done"]).to_string();
    let mut seat =
        Seat::view(&home, &pilothouse_contract::wire::View::typing(session.parse().unwrap())).unwrap();
    seat.until("up").unwrap();
    for _ in 0..PIECES {
        seat.input(&[b'x'; PIECE]).unwrap();
    }
    wait_for_notice(&home, "s1 takes nothing that is typed");
    // A kilobyte or so lies in its terminal; what its holder keeps is uncertain, and the rest was thrown away.
    let mut line = steady(&home);
    while line["pulse"]["refused_bytes"].as_u64().unwrap() < (PIECES * PIECE - 4 * 1024 * 1024) as u64 {
        line = steady(&home);
    }
    let refused = line["pulse"]["refused_bytes"].as_u64().unwrap();
    assert!(line["why"].as_str().unwrap().contains("typed bytes were thrown away"), "{line}");
    kill_at_once(holder(&line));
    let uncertain = wait_for_replaced(&home, 1);
    assert_eq!(uncertain + refused, (PIECES * PIECE) as u64, "{uncertain} uncertain, {refused} refused");
    assert!(uncertain > 0);
}

/// The control group of the one session, if it has one.
fn group(home: &Home) -> Option<std::path::PathBuf> {
    let folder = std::fs::read_dir(home.data().join("sessions")).unwrap().next().unwrap().unwrap().path();
    let asked: Value = serde_json::from_slice(&std::fs::read(folder.join("session.json")).unwrap()).unwrap();
    let group = std::path::PathBuf::from(asked["cgroup"].as_str()?);
    group.is_dir().then_some(group)
}

#[test]
fn what_sheds_its_parents_and_its_mark_and_outlives_its_holder_is_still_the_sessions() {
    let home = Home::new();
    let pid_file = home.path().join("pid");
    let script = format!(
        "(setsid env -i sh -c 'echo $$ > {0}.tmp; mv {0}.tmp {0}; exec sleep 1000' &); while :; do sleep 1000; done",
        pid_file.display()
    );
    let session = home.start(&["sh", "-c", &script]).to_string();
    let line = steady(&home);
    while !pid_file.exists() {
        std::thread::yield_now();
    }
    let pid: u32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    // Its holder was the last of its ancestors that are ours.
    kill_at_once(holder(&line));
    wait_for_replaced(&home, 1);
    steady(&home);
    let Some(group) = group(&home) else {
        // Where the system lends no control group it is nobody's, and nobody's is not touched.
        home.json(&["session", "kill", &session]);
        assert!(lives(pid));
        return kill_at_once(pid);
    };
    let listed = home.json(&["session", "list"]);
    assert!(listed[0]["processes"].as_array().unwrap().iter().any(|it| it["pid"] == pid), "{listed}");
    home.json(&["session", "kill", &session]);
    assert!(!lives(pid), "it outlived its session");
    assert!(!group.exists(), "its group outlived it");
}

/// The program file that a process runs: of one whose file was replaced, the one that it was.
fn file_of(path: impl AsRef<Path>) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let it = std::fs::metadata(path).unwrap();
    (it.dev(), it.ino())
}

#[test]
fn engine_and_holders_are_upgraded_under_running_programs() {
    let home = Home::new().with_own_programs();
    let words = ["word-1", "word-2"].map(|it| home.path().join(it));
    let in_terminal = home.start(&["sh", "-c", &counts_until(&words[0])]).to_string();
    let script = format!(
        "n=0; while [ ! -e {} ]; do seq $((n + 1)) $((n + 5000)); n=$((n + 5000)); sleep 0.01; done; exit 7",
        words[1].display()
    );
    let behind_pipe = home.json(&["session", "start", "--pipe", "--", "sh", "-c", &script])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = home.json(&["session", "steady"]);
    let engine = home.engine_pid();
    assert!(before.as_array().unwrap().iter().all(|it| it["pulse"]["outdated"] == false), "{before}");
    for program in ["pilothouse", "pilothouse-hold"] {
        home.install(program, &std::fs::read(home.program(program)).unwrap());
    }
    let status = home.json(&["engine", "status"]);
    assert_eq!(
        (&status["engine"]["outdated"], &status["engine"]["outdated_holders"]),
        (&true.into(), &2.into())
    );
    let listed = home.json(&["session", "list"]);
    assert!(listed[0]["why"].as_str().unwrap().contains("pilothouse engine upgrade"), "{listed}");

    let upgraded = home.json(&["engine", "upgrade"]);
    assert_eq!(
        (&upgraded["upgraded"], &upgraded["not"]),
        (&serde_json::json!([in_terminal, behind_pipe]), &serde_json::json!([]))
    );
    assert_eq!(
        (&upgraded["engine"]["outdated"], &upgraded["engine"]["outdated_holders"]),
        (&false.into(), &0.into())
    );
    assert_ne!(home.engine_pid(), engine);
    assert_eq!(file_of(format!("/proc/{}/exe", home.engine_pid())), file_of(home.program("pilothouse")));
    let after = home.json(&["session", "steady"]);
    for (before, after) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        assert_eq!(after["session"]["running"]["pid"], before["session"]["running"]["pid"]);
        assert_eq!(file_of(format!("/proc/{}/exe", holder(after))), file_of(home.program("pilothouse-hold")));
        assert_eq!((&after["pulse"]["held"], &after["pulse"]["kept"]), (&true.into(), &true.into()));
    }
    // Again there is nothing to do.
    assert_eq!(home.json(&["engine", "upgrade"])["upgraded"], serde_json::json!([]));

    for word in &words {
        std::fs::write(word, "").unwrap();
    }
    let mut ends = home.events(0).filter_map(|it| match it.event {
        Event::SessionEnded { end, .. } => Some(end),
        _ => None,
    });
    for end in [ends.next().unwrap(), ends.next().unwrap()] {
        // It still is the child of its holder, so this is known on any system.
        assert_eq!(end.how, pilothouse_contract::session::Ending::Exited { code: 7 });
        assert_eq!(end.lost_bytes, 0);
    }
    for session in [in_terminal, behind_pipe] {
        assert!(counted(&home.run(&["attach", &session, "--no-follow"]).out) > 0);
    }
    let history = home.history();
    let upgrades = history.iter().filter(|it| matches!(it.event, Event::HolderUpgraded { .. })).count();
    assert_eq!(upgrades, 2);
    assert!(!history.iter().any(|it| matches!(it.event, Event::HolderReplaced { .. })), "nobody died");
}

#[test]
fn a_new_holder_that_cannot_be_begun_is_given_nothing_to_hold() {
    let home = Home::new().with_own_programs();
    let session = home.start(&["sh", "-c", "read word; echo got $word"]).to_string();
    let before = steady(&home);
    home.install("pilothouse-hold", NO_HOLDER);
    let upgraded = home.try_json(&["engine", "upgrade"]);
    assert!(upgraded.fault().contains("cannot be begun: this one holds nothing"), "{upgraded:?}");
    let after = steady(&home);
    assert_eq!((holder(&after), &after["pulse"]["kept"]), (holder(&before), &true.into()));
    let mut seat =
        Seat::view(&home, &pilothouse_contract::wire::View::typing(session.parse().unwrap())).unwrap();
    seat.input(b"on\n").unwrap();
    seat.until("got on").unwrap();
}

#[test]
fn a_holder_that_does_not_make_way_is_named_and_the_others_do() {
    let home = Home::new().with_own_programs();
    let script = "while :; do sleep 1000; done";
    let [stays, goes] = [(); 2].map(|()| home.start(&["sh", "-c", script]).to_string());
    let before = home.json(&["session", "steady"]);
    let of = |lines: &Value, id: &str| {
        lines.as_array().unwrap().iter().find(|it| it["session"]["id"] == id).map(holder).unwrap()
    };
    home.install("pilothouse-hold", &std::fs::read(home.program("pilothouse-hold")).unwrap());
    assert!(signal(of(&before, &stays), "-STOP"));
    let upgraded = home.try_json(&["engine", "upgrade"]);
    assert!(signal(of(&before, &stays), "-CONT"));
    let told = upgraded.json();
    assert_eq!((upgraded.code, &told["upgraded"]), (1, &serde_json::json!([goes])), "{told}");
    assert_eq!(told["not"][0]["session"], stays);
    assert!(told["not"][0]["why"].as_str().unwrap().contains("does not answer"), "{told}");
    let after = home.json(&["session", "steady"]);
    assert_eq!(of(&after, &stays), of(&before, &stays));
}
