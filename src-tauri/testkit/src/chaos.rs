//! Chaos: sessions that count at full speed and interactive programs, while engine, holders, viewers and the engine's
//! watcher are killed with `kill -9`, or stopped for a while, one at a time and in an order that a seed gives. The next
//! comes only once every session is in two hands again. Afterwards everything is held against what was written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pilothouse_client::FromSession;
use pilothouse_contract::event::Event;
use pilothouse_contract::session::Ending;
use pilothouse_contract::wire::View;
use pilothouse_contract::{Fault, SessionId, text};
use pilothouse_engine::execution::held::model::{Alacritty, Model};
use serde_json::{Value, json};

use crate::home::Home;
use crate::must;
use crate::process::{Fifo, ended, kill_at_once, lives, signal};
use crate::seat::Seat;

/// Sessions that count.
const COUNTERS: usize = 3;
/// So many lines each of them writes, as fast as it can, around every kill.
const LINES: u64 = 100_000;
/// A moment lies at most so long after the writing began, in microseconds.
const MOMENT_US: u64 = 30_000;

/// What it came to. All but the first two and the seed are 0 if every promise was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Processes of ours that were killed or stopped.
    pub kills: u64,
    /// Lines that the counting programs say they wrote.
    pub lines_written: u64,
    /// Lines of those that are not in the log.
    pub lines_lost: u64,
    /// Lines that are in the log again.
    pub lines_doubled: u64,
    /// Programs that did not live to their own end.
    pub agents_lost: u64,
    /// Sessions of which somebody sees something else than a fresh replay of the log shows.
    pub screens_wrong: u64,
    /// The order of the kills.
    pub seed: u64,
    /// What was killed, in order, for whoever looks for the cause of a loss.
    pub order: Vec<String>,
}

impl Outcome {
    /// Whether nothing was lost.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lines_written > 0
            && self.lines_lost + self.lines_doubled + self.agents_lost + self.screens_wrong == 0
    }

    /// As a document.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "kills": self.kills,
            "lines_written": self.lines_written,
            "lines_lost": self.lines_lost,
            "lines_doubled": self.lines_doubled,
            "agents_lost": self.agents_lost,
            "screens_wrong": self.screens_wrong,
            "seed": self.seed,
        })
    }
}

/// A program that counts: told to go on by a word, and to end by the end of the words.
struct Counter {
    session: SessionId,
    words: File,
    written: PathBuf,
    viewer: Viewer,
}

/// A program that draws.
struct Drawer {
    session: SessionId,
    pid: u32,
    keys: &'static [&'static [u8]],
}

/// `pilothouse attach` in the place of a window: what it shows goes into a file.
struct Viewer {
    shown: PathBuf,
    child: Child,
}

impl Viewer {
    fn open(home: &Home, session: SessionId) -> Self {
        let shown = home.path().join(format!("shown-{session}"));
        let child = Self::attach(home, session, &shown);
        Self { shown, child }
    }

    /// From where the one before it came to.
    fn attach(home: &Home, session: SessionId, shown: &Path) -> Child {
        let file = must(OpenOptions::new().create(true).append(true).open(shown));
        let from = must(file.metadata()).len().to_string();
        let mut command = home.command(&["attach", &session.to_string(), "--raw", "--from", &from]);
        must(command.stdout(Stdio::from(OwnedFd::from(file))).stderr(Stdio::null()).spawn())
    }

    fn kill(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs it.
///
/// # Panics
/// If something does not come that has to, such as both hands on every session.
#[must_use]
pub fn run(kills: u64, seed: u64) -> Outcome {
    let home = Home::new();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut outcome = Outcome { seed, ..Outcome::default() };
    let mut counters: Vec<Counter> = (0..COUNTERS).map(|n| counter(&home, n)).collect();
    let drawers = drawers(&home);
    for _ in 0..kills {
        let holders = steady(&home);
        // A key for each program that draws, and what it draws for it.
        for drawer in &drawers {
            let key = rng.choice(drawer.keys).copied().unwrap_or_default();
            must(press(&home, drawer.session, key));
        }
        for counter in &mut counters {
            must(counter.words.write_all(b"go\n"));
        }
        // A seeded moment of what is going on now, and no wait for anything.
        std::thread::sleep(Duration::from_micros(rng.u64(0..MOMENT_US)));
        let named = strike(&home, &mut rng, &holders, &mut counters);
        outcome.order.push(named);
        outcome.kills += 1;
    }
    steady(&home);
    finish(&home, counters, &drawers, &mut outcome);
    outcome
}

fn counter(home: &Home, n: usize) -> Counter {
    let words = Fifo::new(home.path().join(format!("words-{n}")));
    let written = home.path().join(format!("written-{n}"));
    let script = format!(
        "stty raw -echo; exec 3<{words}; n=0
         while read -r go <&3; do seq $((n + 1)) $((n + {LINES})); n=$((n + {LINES})); done
         echo $n >{written}.tmp; mv {written}.tmp {written}",
        written = written.display()
    );
    let session = home.start(&["sh", "-c", &script]);
    // Comes back once the program has opened its end.
    let words = must(OpenOptions::new().write(true).open(words.path()));
    let viewer = Viewer::open(home, session);
    Counter { session, words, written, viewer }
}

/// A pager and an editor where the machine has them, and in any case a script that draws.
fn drawers(home: &Home) -> Vec<Drawer> {
    let text = home.path().join("text");
    let lines: String =
        (1..=2000).map(|n| format!("{n}: all that is said here is said {n} times\n")).collect();
    must(std::fs::write(&text, lines));
    let text = text.display().to_string();
    let has = |program: &str| {
        let looked =
            Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
        looked.is_ok_and(|it| it.success())
    };
    let script = "stty raw -echo; printf ready; n=0; while :; do k=$(dd bs=1 count=1 2>/dev/null); n=$((n + 1)); \
                  printf '\\033[%d;%dH\\033[3%dm%s%d' $((n % 40 + 1)) $((n % 100 + 1)) $((n % 8)) \"$k\" $n; done";
    let mut programs: Vec<(Vec<&str>, &'static [&'static [u8]])> =
        vec![(vec!["sh", "-c", script], &[b"a", b"b", b"c"])];
    if has("less") {
        programs.push((vec!["less", &text], &[b" ", b"b", b"j", b"G", b"g"]));
    }
    if has("vi") {
        programs.push((vec!["vi", &text], &[b"\x06", b"\x02", b"xu", b"Onew\x1b", b"dd"]));
    }
    programs.into_iter().map(|(argv, keys)| drawer(home, &argv, keys)).collect()
}

fn drawer(home: &Home, argv: &[&str], keys: &'static [&'static [u8]]) -> Drawer {
    let session = home.start(argv);
    let pid = pid_of(home, session);
    Drawer { session, pid, keys }
}

fn pid_of(home: &Home, session: SessionId) -> u32 {
    let lines = home.json(&["session", "list"]);
    let mine =
        lines.as_array().into_iter().flatten().find(|it| {
            it.pointer("/session/id").and_then(Value::as_str) == Some(session.to_string().as_str())
        });
    let pid = mine.and_then(|it| it.pointer("/session/running/pid")).and_then(Value::as_u64);
    pid.and_then(|it| u32::try_from(it).ok()).unwrap_or_else(|| panic!("{session} does not run: {lines}"))
}

/// Waits until every session is in two hands; the holders.
fn steady(home: &Home) -> Vec<u32> {
    let said = ended(&mut home.command(&["--json", "session", "steady"]));
    let lines: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
    let lines = lines.as_array().unwrap_or_else(|| panic!("the sessions are not in two hands: {said:?}"));
    let holders = lines.iter().filter_map(|it| it.pointer("/session/running/holder")?.as_u64());
    holders.filter_map(|it| u32::try_from(it).ok()).collect()
}

/// Presses a key in a session and waits for what is drawn for it.
fn press(home: &Home, session: SessionId, key: &[u8]) -> Result<(), Fault> {
    let mut seat = Seat::view(home, &View::typing(session))?;
    // What it drew before, then what is new.
    while !matches!(seat.next()?, FromSession::Screen(..)) {}
    seat.input(key)?;
    loop {
        match seat.next()? {
            FromSession::Bytes(..) => return Ok(()),
            FromSession::Ended(ended) => {
                return Err(Fault::missing(format!("{session} ended: {}", ended.why)));
            }
            _ => {}
        }
    }
}

/// Kills or stops one process of ours. Returns what.
fn strike(home: &Home, rng: &mut fastrand::Rng, holders: &[u32], counters: &mut [Counter]) -> String {
    let holder = holders.get(rng.usize(0..holders.len().max(1))).copied().unwrap_or_default();
    match rng.u32(0..10) {
        0..=3 => {
            kill_at_once(holder);
            format!("killed holder {holder}")
        }
        4..=6 => {
            let engine = home.engine_pid();
            kill_at_once(engine);
            format!("killed engine {engine}")
        }
        7 => {
            let n = rng.usize(0..counters.len());
            let Some(counter) = counters.get_mut(n) else { return String::new() };
            counter.viewer.kill();
            counter.viewer.child = Viewer::attach(home, counter.session, &counter.viewer.shown);
            format!("killed the viewer of {}", counter.session)
        }
        8 => {
            let pid = if rng.bool() { holder } else { home.engine_pid() };
            let _gone = signal(pid, "-STOP");
            std::thread::sleep(Duration::from_micros(rng.u64(0..MOMENT_US)));
            let _gone = signal(pid, "-CONT");
            format!("stopped process {pid} for a while")
        }
        _ => match home.watcher_pid() {
            Some(watcher) => {
                kill_at_once(watcher);
                format!("killed the engine's watcher {watcher}")
            }
            None => "nobody watches the engine".to_owned(),
        },
    }
}

/// Ends what counts, and holds everything against the logs.
fn finish(home: &Home, counters: Vec<Counter>, drawers: &[Drawer], outcome: &mut Outcome) {
    let mut counting: Vec<(SessionId, PathBuf, Viewer)> = Vec::new();
    for counter in counters {
        drop(counter.words);
        counting.push((counter.session, counter.written, counter.viewer));
    }
    let mut left = counting.len();
    let ended = home.events(0).find(|it| {
        left -= usize::from(matches!(it.event, Event::SessionEnded { .. }));
        left == 0
    });
    assert!(ended.is_some(), "the counting programs do not end: {:?}", outcome.order);
    for (session, written, mut viewer) in counting {
        let log = home.run(&["attach", &session.to_string(), "--raw", "--no-follow"]).out;
        match std::fs::read_to_string(written).ok().and_then(|it| it.trim().parse().ok()) {
            Some(written) => {
                let (lost, doubled) = compare(&log, written);
                outcome.lines_written += written;
                outcome.lines_lost += lost;
                outcome.lines_doubled += doubled;
            }
            None => outcome.agents_lost += 1,
        }
        // It ends by itself once it has shown the last byte.
        let _status = viewer.child.wait();
        outcome.screens_wrong += u64::from(must(std::fs::read(&viewer.shown)) != log.as_bytes());
    }
    for drawer in drawers {
        let id = drawer.session.to_string();
        let shown = home.json(&["session", "screen", &id]);
        outcome.screens_wrong += u64::from(!is_drawn(home, &id, &shown));
        outcome.agents_lost += u64::from(!lives(drawer.pid));
    }
    let lost = home.history().into_iter().filter(
        |it| matches!(&it.event, Event::SessionEnded { end, .. } if matches!(end.how, Ending::Lost { .. })),
    );
    outcome.agents_lost = outcome.agents_lost.max(lost.count() as u64);
}

/// Whether a screen is what a fresh model makes of the whole log.
fn is_drawn(home: &Home, session: &str, shown: &Value) -> bool {
    let number = |name: &str| shown.get(name).and_then(Value::as_u64).and_then(|it| u16::try_from(it).ok());
    let (Some(columns), Some(rows)) = (number("columns"), number("rows")) else { return false };
    let offset = shown.get("offset").and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
    let mut log = home.command(&["attach", session, "--raw", "--no-follow"]);
    let log = must(log.stderr(Stdio::null()).output()).stdout;
    let Some(seen) = offset.and_then(|offset| log.get(..offset)) else { return false };
    let mut fresh = Alacritty::new(columns, rows);
    fresh.feed(seen);
    let fresh: Vec<Value> = fresh.text().iter().map(|it| Value::from(text::plain(it, false))).collect();
    shown.get("text").and_then(Value::as_array) == Some(&fresh)
}

/// How many lines of a count are missing in a log, and how many are there again.
fn compare(log: &str, written: u64) -> (u64, u64) {
    let (mut next, mut lost, mut doubled) = (1, 0, 0);
    for line in log.lines() {
        // A torn line is none: the numbers after it say what is missing.
        let Ok(number) = line.parse::<u64>() else { continue };
        if number < next {
            doubled += 1;
        } else {
            lost += number - next;
            next = number + 1;
        }
    }
    (lost + (written + 1).saturating_sub(next), doubled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_lines_are_counted() {
        assert_eq!(compare("1\n2\n3\n", 3), (0, 0));
        assert_eq!(compare("1\n3\n3\n", 5), (3, 1));
        assert_eq!(compare("1\n2x2\n4\n", 4), (2, 0));
        assert_eq!(compare("", 2), (2, 0));
    }
}
