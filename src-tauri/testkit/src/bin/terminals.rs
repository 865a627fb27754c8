//! `terminals [terminal | crowd N TIMES | attach | keys N | idle]`: what held terminals cost, beside tmux and a bare reader of
//! a terminal in the same minutes. Prints samples as JSON for `cargo xtask bench terminal` and `idle`; the others are parts of
//! `terminal`, for whoever looks for a cause.
//!
//! Refuses to judge: it fails only if a figure would be of something else than its name says.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pilothouse_contract::SessionId;
use pilothouse_contract::wire::View;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::must;
use pilothouse_testkit::process::{Fifo, PATIENCE, cpu_seconds, own_mib};
use pilothouse_testkit::samples::{self, Samples, percentile};
use pilothouse_testkit::seat::{FromSession, Seat};
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

/// Each session says so much.
const CORPUS_MIB: f64 = 8.0;
/// So many sessions at once, and how often each is taken.
const CROWDS: [(usize, usize); 4] = [(1, 3), (10, 3), (50, 2), (100, 1)];
/// So many keys are pressed.
const KEYS: usize = 300;
/// So many sessions flood meanwhile.
const FLOODS: [usize; 3] = [0, 10, 50];
/// Sessions at rest, what each has said - 10,000 lines -, and how long they are looked at.
const AT_REST: usize = 100;
const LINES_BYTES: usize = 750 * 1024;
const REST: Duration = Duration::from_secs(10);
/// So many holders are begun.
const STARTS: usize = 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, unsaid: usize| args.get(at).map_or(unsaid, |it| must(it.parse()));
    let all = match args.first().map(String::as_str) {
        Some("idle") => idle(),
        Some("crowd") => crowded(number(1, 10), number(2, 3)),
        Some("attach") => attaching(),
        Some("keys") => keys(number(1, 10)),
        _ => terminal(),
    };
    samples::print(&all);
}

/// What floods: a program told to begin by one gate for all, that asks its terminal for the cursor's place at the end and
/// waits for the answer, so that whoever answers has understood all of it.
struct Flood {
    folder: PathBuf,
    script: PathBuf,
}

impl Flood {
    fn new(folder: &Path) -> Self {
        let corpus = folder.join("corpus");
        must(std::fs::write(&corpus, corpus_of((CORPUS_MIB * 1024.0 * 1024.0) as usize)));
        let script = folder.join("flood.sh");
        let text = format!(
            "stty raw -echo; echo r >>{0}/ready; read -r go <{0}/gate; cat {0}/corpus; printf '\\033[6n'\n\
             dd bs=1 count=1 >/dev/null 2>&1; echo d >{0}/done; sleep 1000\n",
            folder.display()
        );
        must(std::fs::write(&script, text));
        for name in ["ready", "gate", "done"] {
            let _made = Fifo::new(folder.join(name));
        }
        Self { folder: folder.to_owned(), script }
    }

    /// Both ways, so that opening it waits for nobody.
    fn open(&self, name: &str) -> File {
        must(OpenOptions::new().read(true).write(true).open(self.folder.join(name)))
    }

    /// Opens the gate for so many programs, once they all stand there, and waits until all are done. In seconds.
    fn run(&self, programs: usize, ready: &mut File, done: &mut File) -> f64 {
        let mut word = vec![0; 2];
        for _ in 0..programs {
            must(ready.read_exact(&mut word));
        }
        let mut gate = self.open("gate");
        let begun = Instant::now();
        for _ in 0..programs {
            must(gate.write_all(b"go\n"));
        }
        for _ in 0..programs {
            must(done.read_exact(&mut word));
        }
        begun.elapsed().as_secs_f64()
    }
}

/// Lines as agents print them: text, colours, and frames that are drawn over themselves.
fn corpus_of(bytes: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(bytes + 1024);
    let mut n = 0_u32;
    while all.len() < bytes {
        n += 1;
        let line = match n % 8 {
            0 => format!(
                "\x1b[?2026h\x1b[3A\x1b[2K\x1b[36m* working {n}\x1b[0m\r\n\x1b[2K  {n} tokens\r\n\x1b[2K\r\n\x1b[?2026l"
            ),
            1 | 5 => format!("\x1b[32m+    let answer_{n} = compute({n});\x1b[0m\r\n"),
            _ => format!("{n:>6} the quick brown fox reads a log line of usual length and says so\r\n"),
        };
        all.extend_from_slice(line.as_bytes());
    }
    all
}

/// A tmux server of its own.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn new(name: &str) -> Self {
        let it = Self { socket: format!("ph-bench-{name}-{}", std::process::id()) };
        it.must(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-s", "s", "sleep 1000"]);
        it.must(&["set-option", "-g", "history-limit", "10000"]);
        it
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-L").arg(&self.socket).args(args).stdin(Stdio::null()).env_remove("TMUX");
        command
    }

    fn must(&self, args: &[&str]) -> Vec<u8> {
        let output = must(self.command(args).output());
        assert!(output.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn start(&self, line: &str) {
        self.must(&["new-window", "-d", line]);
    }

    fn pid(&self) -> u32 {
        let said = self.must(&["display-message", "-p", "#{pid}"]);
        must(String::from_utf8_lossy(&said).trim().parse())
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _gone = self.command(&["kill-server"]).output();
    }
}

/// Processor time in seconds that processes used.
fn cpu(pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| cpu_seconds(*pid)).sum()
}

/// Memory in MiB that nobody else has.
fn private(pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| own_mib(*pid)).sum()
}

/// The engine, its watcher and the holders.
fn ours(home: &Home) -> Vec<u32> {
    let lines = home.json(&["session", "steady"]);
    let holders = lines.as_array().into_iter().flatten();
    let holders = holders.filter_map(|it| it.pointer("/session/running/holder")?.as_u64());
    let mut all: Vec<u32> = holders.filter_map(|it| u32::try_from(it).ok()).collect();
    all.push(home.engine_pid());
    all.extend(home.watcher_pid());
    all
}

fn terminal() -> Vec<Samples> {
    let mut all: Vec<Samples> = CROWDS.into_iter().flat_map(|(crowd, times)| crowded(crowd, times)).collect();
    all.extend(attaching());
    all.extend(FLOODS.into_iter().flat_map(keys));
    all
}

/// So many sessions that flood at once, so often.
fn crowded(crowd: usize, times: usize) -> Vec<Samples> {
    let mut speed = (Vec::new(), Vec::new(), Vec::new());
    let mut cost = (Vec::new(), Vec::new());
    let mut memory = (Vec::new(), Vec::new());
    let mib = CORPUS_MIB * crowd as f64;
    let per_gb = |seconds: f64| seconds / (mib / 1024.0);
    for time in 0..times {
        let home = Home::new();
        let flood = Flood::new(home.path());
        let script = flood.script.display().to_string();
        let (mut ready, mut done) = (flood.open("ready"), flood.open("done"));
        home.json(&["engine", "start"]);
        let engine_alone = private(&[home.engine_pid()]);
        for _ in 0..crowd {
            home.start(&["sh", &script]);
        }
        let pids = ours(&home);
        let before = cpu(&pids);
        speed.0.push(mib / flood.run(crowd, &mut ready, &mut done));
        cost.0.push(per_gb(cpu(&pids) - before));
        memory.0.push((private(&pids) - engine_alone) / crowd as f64);

        let tmux = Tmux::new(&format!("{crowd}-{time}"));
        let pid = tmux.pid();
        let alone = private(&[pid]);
        for _ in 0..crowd {
            tmux.start(&format!("sh {script}"));
        }
        let before = cpu(&[pid]);
        speed.1.push(mib / flood.run(crowd, &mut ready, &mut done));
        cost.1.push(per_gb(cpu(&[pid]) - before));
        memory.1.push((private(&[pid]) - alone) / crowd as f64);
        drop(tmux);
        speed.2.push(mib / bare(&flood, crowd));
    }
    let named = |what: &str| format!("{what}, {crowd} at once");
    let sample = |name: String, unit, ours: &[f64], baseline: &[f64], baseline_name| Samples {
        name,
        unit,
        ours: ours.to_vec(),
        baseline: baseline.to_vec(),
        baseline_name,
    };
    vec![
        sample(named("understood"), "MiB/s", &speed.0, &speed.1, "tmux"),
        sample(named("understood"), "MiB/s", &speed.0, &speed.2, "script(1), which only reads"),
        sample(named("processor"), "s/GiB", &cost.0, &cost.1, "tmux"),
        sample(named("memory of its own, 10,000 lines"), "MiB", &memory.0, &memory.1, "tmux"),
    ]
}

/// The same output to readers that understand nothing.
fn bare(flood: &Flood, crowd: usize) -> f64 {
    let line = format!("stty raw; cat {}/corpus", flood.folder.display());
    let begun = Instant::now();
    let reads = |_| {
        let mut command = Command::new("script");
        command.args(["-q", "-c", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::null());
        must(command.spawn())
    };
    let all: Vec<Child> = (0..crowd).map(reads).collect();
    for mut child in all {
        must(child.wait());
    }
    begun.elapsed().as_secs_f64()
}

/// From the wish to see a session to its screen and the lines above it: those that are kept live, and all of them.
fn attaching() -> Vec<Samples> {
    let home = Home::new();
    let flood = Flood::new(home.path());
    let script = flood.script.display().to_string();
    let (mut ready, mut done) = (flood.open("ready"), flood.open("done"));
    let session = home.start(&["sh", &script]);
    flood.run(1, &mut ready, &mut done);
    let tmux = Tmux::new("attach");
    tmux.start(&format!("sh {script}"));
    flood.run(1, &mut ready, &mut done);
    let (mut screen, mut above, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let (mut theirs, mut all_theirs) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        for (lines_above, into) in [(0, &mut screen), (1000, &mut above), (10_000, &mut all)] {
            let begun = Instant::now();
            let mut seat = must(Seat::view(&home, &View { lines_above, ..View::of(session) }));
            while !matches!(must(seat.next()), FromSession::Screen(..)) {}
            into.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        for (lines, into) in [("-1000", &mut theirs), ("-10000", &mut all_theirs)] {
            let begun = Instant::now();
            tmux.must(&["capture-pane", "-p", "-e", "-S", lines, "-t", "s:1"]);
            into.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let named = |name: &str, ours: Vec<f64>, baseline: &[f64], baseline_name| Samples {
        name: name.to_owned(),
        unit: "ms",
        ours,
        baseline: baseline.to_vec(),
        baseline_name,
    };
    let near = "tmux capture-pane -S -1000, its process too";
    vec![
        named("attach, the screen", screen, &theirs, near),
        named("attach, with 1,000 lines", above, &theirs, near),
        named("attach, with 10,000 lines", all, &all_theirs, "tmux capture-pane -S -10000, its process too"),
    ]
}

/// From a key to what the program says to it, while so many others flood.
fn keys(floods: usize) -> Vec<Samples> {
    let home = Home::new();
    let corpus = home.path().join("corpus");
    must(std::fs::write(&corpus, corpus_of(1024 * 1024)));
    let flood = format!("stty raw -echo; while :; do cat {}; done", corpus.display());
    let echo = "stty raw -echo; printf ready; exec cat";
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    {
        let session = home.start(&["sh", "-c", echo]);
        let all: Vec<SessionId> = (0..floods).map(|_| home.start(&["sh", "-c", &flood])).collect();
        let mut seat = must(Seat::view(&home, &View::typing(session)));
        must(seat.until("ready"));
        for n in 0..KEYS {
            let key = format!("<{n}>");
            let begun = Instant::now();
            must(seat.input(key.as_bytes()));
            must(seat.until(&key));
            ours.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        for session in all {
            home.json(&["session", "kill", &session.to_string()]);
        }
    }
    {
        let tmux = Tmux::new(&format!("keys-{floods}"));
        tmux.must(&["new-window", "-d", "-n", "echo", &format!("sh -c '{echo}'")]);
        for _ in 0..floods {
            tmux.start(&flood);
        }
        // What is typed before its terminal is raw comes back to nobody.
        while !String::from_utf8_lossy(&tmux.must(&["capture-pane", "-p", "-t", "s:echo"])).contains("ready")
        {
        }
        // A client that tmux made for programs: what it shows comes as lines.
        let mut client = must(
            tmux.command(&["-C", "attach", "-t", "s:echo"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn(),
        );
        let (Some(mut types), Some(shows)) = (client.stdin.take(), client.stdout.take()) else {
            panic!("tmux has no client for programs")
        };
        let mut shows = BufReader::new(shows);
        let mut line = String::new();
        // What is said before it is attached is told to nobody.
        while !line.starts_with("%session-changed") {
            line.clear();
            assert!(must(shows.read_line(&mut line)) > 0, "the client of tmux ended");
        }
        for n in 0..KEYS {
            let key = format!("<{n}>");
            let begun = Instant::now();
            must(writeln!(types, "send-keys -l '{key}'"));
            // A key may come back in pieces, each in a line of its own: `%output PANE PIECE`.
            let mut said = String::new();
            while !said.contains(&key) {
                line.clear();
                assert!(must(shows.read_line(&mut line)) > 0, "the client of tmux ended");
                if let Some((_, piece)) = line.strip_prefix("%output ").and_then(|it| it.split_once(' ')) {
                    said.push_str(piece.trim_end_matches('\n'));
                }
            }
            theirs.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        let _gone = client.kill();
        let _reaped = client.wait();
    }
    let beside = if floods == 0 { "at rest".to_owned() } else { format!("{floods} flooding") };
    [("median", 50), ("99th percentile", 99)]
        .map(|(name, percent)| Samples {
            name: format!("key to echo, {beside}, {name}"),
            unit: "ms",
            ours: vec![percentile(&ours, percent)],
            baseline: vec![percentile(&theirs, percent)],
            baseline_name: "tmux, a client in control mode",
        })
        .into()
}

/// Sessions at rest, each with its lines, parked; and a window that shows none of them.
fn idle() -> Vec<Samples> {
    let home = Home::new().with_env("PILOTHOUSE_PARK_MS", "1000");
    home.json(&["engine", "start"]);
    let alone = private(&[home.engine_pid()]);
    let corpus = home.path().join("corpus");
    must(std::fs::write(&corpus, corpus_of(LINES_BYTES)));
    let script = format!("cat {}; exec sleep 1000000", corpus.display());
    for _ in 0..AT_REST {
        home.start(&["sh", "-c", &script]);
    }
    wait_until_parked(&home);
    let pids = ours(&home);
    let parked = private(&pids);
    let tmux = Tmux::new("idle");
    let server = tmux.pid();
    let server_alone = private(&[server]);
    for _ in 0..AT_REST {
        tmux.start(&script);
    }
    let window = Window::open(&home, Options::default());
    window.wait(".board .strip");
    window.keys("ctrl+4");
    window.until("no terminal", || !window.find("[data-name=terminal]"));
    let shows: Vec<u32> = window.kinds().into_iter().map(|(_, pid)| pid).collect();
    // What comes of the start is over by then, and every age is one of minutes: that is rest.
    std::thread::sleep(Duration::from_secs(70));
    let percent = |used: f64| used / REST.as_secs_f64() * 100.0;
    let (mut held, mut shown, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let before = (cpu(&pids), cpu(&shows), cpu(&[server]));
        std::thread::sleep(REST);
        held.push(percent(cpu(&pids) - before.0));
        shown.push(percent(cpu(&shows) - before.1));
        theirs.push(percent(cpu(&[server]) - before.2));
    }
    let all = held.iter().zip(&shown).map(|(held, shown)| held + shown).collect();
    let each = |all: f64| vec![all / AT_REST as f64];
    let row = |what: &str, ours| Samples {
        name: format!("processor, {AT_REST} at rest, {what}"),
        unit: "%",
        ours,
        baseline: theirs.clone(),
        baseline_name: "tmux",
    };
    let mut rows = vec![
        row("all our processes", all),
        row("engine, watcher and holders", held),
        row("window and webview", shown),
        Samples {
            name: format!("memory of its own for each of {AT_REST} that is parked, holder and engine"),
            unit: "MiB",
            ours: each(parked - alone),
            baseline: each(private(&[server]) - server_alone),
            baseline_name: "tmux",
        },
    ];
    rows.push(begun());
    rows
}

/// Waits until every session of a home is parked.
fn wait_until_parked(home: &Home) {
    let begun = Instant::now();
    let parked = |it: &Value| it.pointer("/pulse/parked") == Some(&true.into());
    while !home.json(&["session", "list"]).as_array().is_some_and(|all| all.iter().all(parked)) {
        assert!(begun.elapsed() < PATIENCE, "they are not parked");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// From the start of a holder until it holds a program in a terminal.
fn begun() -> Samples {
    let folder = must(tempfile::tempdir());
    let hold = Home::new().program("pilothouse-hold");
    let says = |command: &mut Command| {
        let begun = Instant::now();
        let mut child = must(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn());
        let mut word = String::new();
        if let Some(out) = child.stdout.take() {
            must(BufReader::new(out).read_line(&mut word));
        }
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        assert!(!word.is_empty(), "{command:?} said nothing");
        must(child.wait());
        ms
    };
    let (mut ours, mut script) = (Vec::new(), Vec::new());
    for n in 0..STARTS {
        let place = folder.path().join(n.to_string());
        must(std::fs::create_dir(&place));
        let asked = json!({
            "version": 1, "argv": ["true"], "cwd": folder.path(), "mode": "pty", "columns": 120, "rows": 40,
            "segment_bytes": 16 * 1024 * 1024, "socket": place.join("s.sock"), "limit_ms": 0,
        });
        must(std::fs::write(place.join("session.json"), asked.to_string()));
        ours.push(says(Command::new(&hold).arg(&place)));
        script.push(says(Command::new("script").args(["-q", "-c", "echo runs", "/dev/null"])));
    }
    Samples {
        name: "a holder, from its start until it holds a program".to_owned(),
        unit: "ms",
        ours,
        baseline: script,
        baseline_name: "script(1), from its start to the first word of its program",
    }
}
