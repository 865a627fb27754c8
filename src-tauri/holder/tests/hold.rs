//! The holder as whoever starts it sees it: real processes, real terminals, real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pilothouse_holder::log::LogReader;
use pilothouse_holder::place::{Asked, Exit, Mode, Place};
use pilothouse_holder::proc;
use pilothouse_holder::wire::{FromHolder, Taken, ToHolder, VERSION, take_from_holder};
use tempfile::TempDir;

struct Scene {
    _folder: TempDir,
    place: Place,
    socket: PathBuf,
}

fn scene(mode: Mode, argv: &[&str], limit_ms: u64) -> Scene {
    let folder = TempDir::with_prefix("phh").unwrap();
    let place = Place(folder.path().join("s1"));
    let socket = folder.path().join("s1.sock");
    place.make().unwrap();
    place
        .write_asked(&Asked {
            version: VERSION,
            argv: argv.iter().map(|it| (*it).to_owned()).collect(),
            cwd: folder.path().to_owned(),
            mode,
            columns: 80,
            rows: 24,
            segment_bytes: 64 * 1024,
            log_max: 0,
            socket: socket.clone(),
            limit_ms,
            cgroup: None,
            memory_max: 0,
            cpu_max: 0,
            keep_rest: false,
        })
        .unwrap();
    Scene { place, socket, _folder: folder }
}

impl Scene {
    /// Starts a holder and waits for its word.
    fn start(&self) -> (Child, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pilothouse-hold"))
            .arg(self.place.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        (child, said)
    }

    fn run(&self) -> Exit {
        let (mut child, _) = self.start();
        child.wait().unwrap();
        self.place.exit().unwrap().unwrap()
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&LogReader::new(self.place.folder()).read_from(0, usize::MAX).unwrap())
            .into_owned()
    }

    fn connect(&self) -> Peer {
        self.try_connect().unwrap()
    }

    fn try_connect(&self) -> std::io::Result<Peer> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut peer = Peer { stream, received: Vec::new() };
        peer.stream.write_all(&ToHolder::Hello(VERSION).frame())?;
        assert_eq!(peer.try_next()?, FromHolder::Hello(VERSION));
        assert!(matches!(peer.try_next()?, FromHolder::Build(_)));
        Ok(peer)
    }
}

struct Peer {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Peer {
    fn send(&mut self, frame: &ToHolder) {
        self.stream.write_all(&frame.frame()).unwrap();
    }

    fn next(&mut self) -> FromHolder {
        self.try_next().unwrap()
    }

    fn try_next(&mut self) -> std::io::Result<FromHolder> {
        let mut piece = [0; 1024];
        loop {
            match take_from_holder(&mut self.received) {
                Taken::Frame(frame) => return Ok(frame),
                Taken::More => {}
                other => panic!("{other:?}"),
            }
            let length = self.stream.read(&mut piece)?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend(&piece[..length]);
        }
    }

    /// Waits until the log holds this text.
    fn wait_for(&mut self, scene: &Scene, text: &str) {
        while !scene.output().contains(text) {
            let _grew = self.next();
        }
    }
}

#[test]
fn every_byte_and_the_exit_code_are_written_down() {
    let scene = scene(Mode::Pty, &["sh", "-c", "seq 1 40000; exit 7"], 0);
    let begun = std::time::Instant::now();
    let exit = scene.run();
    assert_eq!((exit.code, exit.signal, exit.lost_bytes), (Some(7), None, 0));
    assert!(exit.took_ms.is_some_and(|it| u128::from(it) <= begun.elapsed().as_millis()), "{exit:?}");
    let wanted: String = (1..=40_000).map(|n| format!("{n}\r\n")).collect();
    let output = scene.output();
    assert_eq!(output.len(), wanted.len());
    assert!(output == wanted, "the output is not what was printed");
    assert_eq!(exit.output_bytes, wanted.len() as u64);
    let used: u64 =
        fs::read_dir(scene.place.folder()).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).sum();
    assert!(
        used < 5 * (64 * 1024 + 4096) + 4096,
        "what the last segment did not need was not given back: {used}"
    );
}

#[test]
fn a_terminal_is_a_terminal_and_a_pipe_is_a_pipe() {
    let ask = ["sh", "-c", "test -t 0 && test -t 1 && echo terminal; stty size 2>/dev/null; cat; echo end"];
    let pty = scene(Mode::Pty, &["sh", "-c", "test -t 0 && test -t 1 && echo terminal; stty size"], 0);
    assert_eq!(pty.run().code, Some(0));
    assert_eq!(pty.output(), "terminal\r\n24 80\r\n");
    let pipe = scene(Mode::Pipe, &ask, 0);
    assert_eq!(pipe.run().code, Some(0));
    assert_eq!(pipe.output(), "end\n", "standard input is empty and nothing is a terminal");
}

#[test]
fn what_is_typed_arrives_and_sizes_are_set() {
    let scene = scene(
        Mode::Pty,
        &["sh", "-c", "stty -echo; echo ready; read word; echo got $word; read again; stty size"],
        0,
    );
    let (mut child, said) = scene.start();
    assert_eq!(said, "held\n");
    let mut peer = scene.connect();
    peer.wait_for(&scene, "ready");
    peer.send(&ToHolder::Input(b"hello\n".to_vec()));
    peer.wait_for(&scene, "got hello");
    peer.send(&ToHolder::Resize(132, 50));
    peer.send(&ToHolder::Input(b"\n".to_vec()));
    while peer.next() != FromHolder::Ended {}
    child.wait().unwrap();
    assert!(scene.output().ends_with("50 132\r\n"), "{:?}", scene.output());
    let sizes = fs::read_to_string(scene.place.folder().join("sizes")).unwrap();
    assert!(sizes.starts_with("0 80 24\n") && sizes.ends_with(" 132 50\n"), "{sizes}");
}

#[test]
fn a_session_is_started_once_whoever_asks() {
    let scene = scene(Mode::Pty, &["sh", "-c", "echo once >> started; echo up; read word"], 0);
    let (mut first, said) = scene.start();
    assert_eq!(said, "held\n");
    let mut peer = scene.connect();
    peer.wait_for(&scene, "up");
    let (mut second, said) = scene.start();
    assert_eq!(said, "", "a second holder goes away without a word");
    assert!(second.wait().unwrap().success());
    peer.send(&ToHolder::Input(b"\n".to_vec()));
    first.wait().unwrap();
    let (mut third, _) = scene.start();
    assert!(third.wait().unwrap().success(), "what is over is over");
    assert_eq!(fs::read_to_string(scene._folder.path().join("started")).unwrap(), "once\n");
}

#[test]
fn a_session_whose_holder_died_is_never_started_again() {
    let scene = scene(Mode::Pty, &["sh", "-c", "echo once >> started; echo up; read word"], 0);
    let (mut holder, _) = scene.start();
    let mut peer = scene.connect();
    peer.wait_for(&scene, "up");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(!scene.place.is_held().unwrap());
    let (mut second, _) = scene.start();
    assert_eq!(second.wait().unwrap().code(), Some(2));
    assert_eq!(fs::read_to_string(scene._folder.path().join("started")).unwrap(), "once\n");
    assert!(scene.output().contains("up"), "what it said before is there");
}

#[test]
fn stopping_ends_daemons_too_and_names_them() {
    // A child in its own session, and a daemon that left its parents twice; both would survive a kill of the group.
    let script = "(setsid sh -c 'echo $$ > a; sleep 1000' &) ; (sh -c '(setsid sh -c \"echo \\$\\$ > b; sleep 1000\" &)' &); \
                  while [ ! -s a ] || [ ! -s b ]; do sleep 0.02; done; trap '' TERM HUP; echo up; sleep 1000; sleep 1000";
    let scene = scene(Mode::Pty, &["sh", "-c", script], 0);
    let (mut child, _) = scene.start();
    let mut peer = scene.connect();
    peer.wait_for(&scene, "up");
    let pids: Vec<u32> = ["a", "b"]
        .iter()
        .map(|name| fs::read_to_string(scene._folder.path().join(name)).unwrap().trim().parse().unwrap())
        .collect();
    peer.send(&ToHolder::Stop(100));
    child.wait().unwrap();
    for pid in pids {
        assert!(proc::one(pid).is_none_or(|it| it.zombie), "process {pid} outlived its session");
    }
    assert_eq!(scene.place.exit().unwrap().unwrap().signal, Some(9));
}

#[test]
fn what_is_left_behind_is_ended_and_named() {
    let scene = scene(Mode::Pipe, &["sh", "-c", "sleep 1000 & echo $! > pid; exit 0"], 0);
    let exit = scene.run();
    assert_eq!(exit.code, Some(0));
    let pid: u32 = fs::read_to_string(scene._folder.path().join("pid")).unwrap().trim().parse().unwrap();
    // By name and id; whoever forked it off may not have become `sleep` yet.
    assert!(exit.left_behind.iter().any(|it| it.ends_with(&format!("({pid})"))), "{:?}", exit.left_behind);
    assert!(proc::one(pid).is_none_or(|it| it.zombie));
}

#[test]
fn a_time_limit_is_kept_without_an_engine() {
    let scene = scene(Mode::Pipe, &["sh", "-c", "echo up; sleep 1000"], 200);
    let exit = scene.run();
    assert!(exit.over_limit, "{exit:?}");
    assert_eq!(scene.output(), "up\n");
}

#[test]
fn what_cannot_be_started_is_said_in_words() {
    for mode in [Mode::Pty, Mode::Pipe] {
        let missing = scene(mode, &["/no/such/program"], 0);
        let why = missing.run().not_started.unwrap();
        assert!(why.contains("/no/such/program"), "{why}");
    }
}

#[test]
fn a_peer_that_talks_nonsense_costs_itself_only() {
    let scene = scene(Mode::Pty, &["sh", "-c", "echo up; read word; echo got $word"], 0);
    let (mut child, _) = scene.start();
    let mut good = scene.connect();
    for nonsense in [&[0xff; 64][..], &[0, 0, 0, 0, 0][..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut bad = UnixStream::connect(&scene.socket).unwrap();
        bad.write_all(nonsense).unwrap();
        // The end of the connection is the answer.
        bad.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _said = bad.read_to_end(&mut Vec::new());
    }
    good.wait_for(&scene, "up");
    good.send(&ToHolder::Input(b"still here\n".to_vec()));
    good.wait_for(&scene, "got still here");
    child.wait().unwrap();
}

#[test]
fn beyond_its_cap_output_is_counted_and_the_program_goes_on() {
    // Two megabytes into a log that takes 256 KiB; then it still does its work.
    let scene = scene(Mode::Pipe, &["sh", "-c", "head -c 2000000 /dev/zero; echo last > done; exit 7"], 0);
    let mut asked = scene.place.asked().unwrap();
    asked.log_max = 256 * 1024;
    scene.place.write_asked(&asked).unwrap();
    let exit = scene.run();
    assert_eq!((exit.code, exit.signal), (Some(7), None));
    assert!(asked.cwd.join("done").exists(), "it went on unharmed");
    assert_eq!(exit.output_bytes + exit.lost_bytes, 2_000_000, "{exit:?}");
    assert!((256 * 1024..512 * 1024).contains(&exit.output_bytes), "{exit:?}");
    assert_eq!(scene.output().len() as u64, exit.output_bytes);
}

#[test]
fn a_log_has_a_cap_of_its_own_for_each_mode() {
    let asked = |mode| scene(mode, &["true"], 0).place.asked().unwrap();
    let (pipe, pty) = (asked(Mode::Pipe), asked(Mode::Pty));
    assert_eq!((pipe.log_limit(), pipe.log_keep()), (Some(256 * 1024 * 1024), None));
    assert_eq!((pty.log_limit(), pty.log_keep()), (None, Some(1024 * 1024 * 1024)));
}

#[test]
fn a_holder_makes_way_for_a_program_that_is_there_and_for_no_other() {
    let script = "stty -echo; echo up; read word; echo got $word; exit 7";
    let scene = scene(Mode::Pty, &["sh", "-c", script], 0);
    let (mut child, _) = scene.start();
    let mut peer = scene.connect();
    peer.wait_for(&scene, "up");
    // It says so in its own log, and holds on.
    peer.send(&ToHolder::Leave(b"/no/such/program".to_vec()));
    peer.send(&ToHolder::Leave(env!("CARGO_BIN_EXE_pilothouse-hold").into()));
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).unwrap();
    // Until it is the new program that listens.
    let begun = std::time::Instant::now();
    let mut again = loop {
        match scene.try_connect() {
            Ok(peer) => break peer,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "nobody listens: {error}"),
        }
        std::thread::yield_now();
    };
    assert_eq!(scene.place.held().unwrap().map(|it| (it.holder, it.replaced)), Some((child.id(), 1)));
    again.send(&ToHolder::Input(b"on\n".to_vec()));
    while again.next() != FromHolder::Ended {}
    assert!(child.wait().unwrap().success());
    assert_eq!(scene.output(), "up\r\ngot on\r\n");
    assert_eq!(scene.place.exit().unwrap().unwrap().code, Some(7));
}

#[test]
fn what_goes_on_after_its_session_is_listed_if_that_was_asked_for() {
    let script = "(setsid sh -c 'echo $$ > a; while :; do sleep 1000; done' &); while [ ! -s a ]; do sleep 0.02; done; exit 4";
    let scene = scene(Mode::Pty, &["sh", "-c", script], 0);
    let mut asked = scene.place.asked().unwrap();
    asked.keep_rest = true;
    scene.place.write_asked(&asked).unwrap();
    let exit = scene.run();
    let pid: u32 = fs::read_to_string(scene._folder.path().join("a")).unwrap().trim().parse().unwrap();
    assert_eq!(exit.code, Some(4));
    assert!(exit.left_behind.is_empty());
    let left = exit.left_running.iter().find(|it| it.pid == pid).expect("it is not listed");
    assert_eq!(proc::began(pid), Some(left.began), "it goes on");
    for left in exit.left_running {
        proc::signal(left.pid, rustix::process::Signal::KILL);
    }
}

#[test]
fn stray_signals_end_neither_holder_nor_program() {
    let scene = scene(Mode::Pty, &["sh", "-c", "stty -echo; echo up; read word; echo got $word"], 0);
    let (mut child, _) = scene.start();
    let mut peer = scene.connect();
    peer.wait_for(&scene, "up");
    use rustix::process::Signal;
    for signal in [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TERM,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
        Signal::PIPE,
    ] {
        proc::signal(child.id(), signal);
    }
    peer.send(&ToHolder::Input(b"on\n".to_vec()));
    peer.wait_for(&scene, "got on");
    assert!(child.wait().unwrap().success());
    assert_eq!(scene.place.exit().unwrap().unwrap().code, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_holder_needs_half_a_mebibyte_of_its_own() {
    let scene = scene(Mode::Pty, &["sh", "-c", "seq 1 200000; echo up; read word"], 0);
    let (mut child, _) = scene.start();
    let mut peer = scene.connect();
    peer.wait_for(&scene, "up");
    // What it has for itself and in no file: its log is a file, and so is its program.
    let all = fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).unwrap();
    let line = all.lines().find_map(|it| it.strip_prefix("Anonymous:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!((1..=512).contains(&kib), "{all}");
    peer.send(&ToHolder::Stop(0));
    child.wait().unwrap();
}
