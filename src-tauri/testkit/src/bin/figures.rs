//! `figures [open | frames | flood | memory | hidden]…`: what the window costs; all of it without a word. Opens the real one where
//! nobody sees it and prints samples beside those of a baseline, as JSON, for `cargo xtask bench window`.
//!
//! Refuses to judge: it fails only if a figure would be of something else than its name says.
#![allow(clippy::print_stderr, reason = "a program that talks to whoever runs it")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pilothouse_testkit::feeder::Feeder;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{own_mib, share_mib, stat_field};
use pilothouse_testkit::samples::{self, Samples, percentile};
use pilothouse_testkit::window::{Options, Window};
use serde_json::Value;

/// So often each is taken.
const TIMES: usize = 5;
/// So often frames are counted, at rest and not, in turns.
const TURNS: usize = 3;
/// So long are frames counted.
const COUNTED: Duration = Duration::from_secs(10);
/// So long until a page that was just opened has nothing more to do.
const SETTLES: Duration = Duration::from_secs(5);
/// The full board: so many strips, and so many events a second for each.
const STRIPS: u32 = 60;
const EVENTS: u32 = 10;
/// So many shells that nobody types into.
const SHELLS: usize = 10;
/// Sessions that nobody sees, and what each said.
const HIDDEN: usize = 40;
const LINES: usize = 10_000;
/// A frame that takes longer than this was seen to be missing, in milliseconds: two of a usual display.
const DROPPED_MS: f64 = 33.4;
/// The design's budget for opening the window, in milliseconds.
const BUDGET_MS: f64 = 1000.0;

type Take = fn() -> Vec<Samples>;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let parts: [(&str, Take); 5] =
        [("open", open), ("frames", full_board), ("flood", flood), ("memory", memory), ("hidden", hidden)];
    let of = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let all: Vec<Samples> = parts.iter().filter(|(name, _)| of(name)).flat_map(|(_, take)| take()).collect();
    samples::print(&all);
}

/// From the window's process to the first paint of its page. The page has no content of its own before the one view that
/// holds the board, so the first paint that has content is that.
fn open() -> Vec<Samples> {
    eprintln!("the window is opened {TIMES} times");
    let home = Home::new();
    home.json(&["rehearse", "--headless", "--speed", "100"]);
    let mut window = Window::open(&home, Options::default());
    let (mut painted, mut begun) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        window.reopen();
        window.wait(".board [data-bay=Landed]");
        let started = window.pid().and_then(started_ms).unwrap_or_else(|| panic!("the window is gone"));
        window.until("a first paint", || window.eval(PAINTED).is_number());
        painted.push(number(&window.eval(&format!("{PAINTED} + performance.timeOrigin"))) - started);
        begun.push(number(&window.eval("return performance.timeOrigin")) - started);
    }
    let name = || "open, to the first paint with the board".to_owned();
    let row = |baseline, baseline_name| Samples {
        name: name(),
        unit: "ms",
        ours: painted.clone(),
        baseline,
        baseline_name,
    };
    vec![
        row(begun, "the same window, to the moment its empty webview begins to load"),
        row(vec![BUDGET_MS], "the design's budget"),
    ]
}

/// When the page first painted something, since its time origin.
const PAINTED: &str = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime";

/// When a process started, in milliseconds since 1970: to the 10 ms that the kernel keeps.
fn started_ms(pid: u32) -> Option<f64> {
    // In hundredths of a second since the machine began.
    let ticks: f64 = stat_field(pid, 22)?.parse().ok()?;
    let up = std::fs::read_to_string("/proc/uptime").ok()?;
    let up: f64 = up.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some((now - up) * 1000.0 + ticks * 10.0)
}

/// A full board on which much happens, by a stand-in for the engine: no engine on a small machine has so much to tell.
fn full_board() -> Vec<Samples> {
    eprintln!("{STRIPS} strips with {EVENTS} events a second each");
    let home = Home::new();
    let feeder = Feeder::begin(&home.places(), STRIPS);
    let window = Window::open(&home, Options::default());
    window.until("every strip", || number(&window.eval(STRIPS_SHOWN)) >= f64::from(STRIPS));
    std::thread::sleep(SETTLES);
    let (mut busy, mut rest, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        rest.push(frames(&window, || std::thread::sleep(COUNTED)));
        busy.push(frames(&window, || {
            let count = u32::try_from(feeder.flow(COUNTED, EVENTS)).unwrap_or(u32::MAX);
            sent.push(f64::from(count) / COUNTED.as_secs_f64());
        }));
        // Frames of a page that does not keep up would be of something else.
        let last = format!("the last of turn {turn}");
        feeder.last(&last);
        window.wait_text(".board", &last);
    }
    // Before the stand-in goes, for the window would start an engine.
    drop(window);
    let mut rows = of_frames("frames-60x10", &busy, &rest);
    rows.push(Samples {
        name: "frames-60x10, events told".to_owned(),
        unit: "/s",
        ours: sent,
        baseline: vec![f64::from(STRIPS * EVENTS)],
        baseline_name: "asked for; fewer if the window does not read",
    });
    rows
}

const STRIPS_SHOWN: &str = "return document.querySelectorAll('.board .strip').length";

/// A terminal that is written to as fast as it can be, in the window.
fn flood() -> Vec<Samples> {
    eprintln!("a terminal that is flooded");
    let home = Home::new();
    home.json(&["engine", "start"]);
    let mut window = Window::open(&home, Options::default());
    let (mut busy, mut rest) = (Vec::new(), Vec::new());
    for _ in 0..2 * TURNS {
        if busy.len() == TURNS {
            break;
        }
        // A new page each turn, so that no turn is at rest with what the one before left in it.
        window.reopen();
        window.wait(".board");
        std::thread::sleep(SETTLES);
        let quiet = frames(&window, || std::thread::sleep(COUNTED));
        let id = home.start(&["yes"]).to_string();
        let strip = format!(".strip[data-subject={}]", id.to_uppercase());
        window.click(&strip);
        let screen = || window.eval("return window.__terminal()").to_string();
        window.until("the flood in the terminal", || screen().contains("y\\ny"));
        let flooded = frames(&window, || std::thread::sleep(COUNTED));
        // Frames of a terminal that stands still would be of something else.
        let shown = window.text(SHOWN);
        if (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            window.text(SHOWN) != shown
        }) {
            rest.push(quiet);
            busy.push(flooded);
        } else {
            eprintln!(
                "the terminal stood still at {shown}, so that turn is not counted; {:?}",
                window.errors()
            );
        }
        home.json(&["session", "kill", &id]);
        window.until("the strip gone", || !window.find(&strip));
    }
    assert!(!busy.is_empty(), "the terminal stood still every time");
    of_frames("frames-flood", &busy, &rest)
}

/// How much of its session a terminal has shown.
const SHOWN: &str = ".hands .quiet";

/// The times between frames while something goes on, in milliseconds.
fn frames(window: &Window, goes_on: impl FnOnce()) -> Vec<f64> {
    window.eval(
        "const mine = window.__counts = { times: [] }; let last;
         const step = (now) => {
           if (window.__counts !== mine) return;
           if (last !== undefined) mine.times.push(now - last);
           mine.last = last = now;
           requestAnimationFrame(step);
         };
         requestAnimationFrame(step);",
    );
    goes_on();
    // A frame that is still awaited is as long as it has been awaited.
    let times = window.eval(
        "const { times, last } = window.__counts; window.__counts = undefined; times.push(performance.now() - last); return times",
    );
    let times: Vec<f64> = times.as_array().into_iter().flatten().map(number).collect();
    assert!(times.len() > 1, "the page painted no frames");
    times
}

fn of_frames(name: &str, busy: &[Vec<f64>], rest: &[Vec<f64>]) -> Vec<Samples> {
    let row = |what: &str, unit, of: &dyn Fn(&Vec<f64>) -> f64| Samples {
        name: format!("{name}, {what}"),
        unit,
        ours: busy.iter().map(of).collect(),
        baseline: rest.iter().map(of).collect(),
        baseline_name: "the same page at rest, in turns",
    };
    let over = |it: &Vec<f64>| it.iter().filter(|it| **it > DROPPED_MS).count();
    vec![
        row("median", "ms", &|it| percentile(it, 50)),
        row("95th percentile", "ms", &|it| percentile(it, 95)),
        row("99th percentile", "ms", &|it| percentile(it, 99)),
        row("over 33 ms", "", &|it| f64::from(u32::try_from(over(it)).unwrap_or(u32::MAX))),
    ]
}

/// What our processes hold, by kind, shared pages by their share.
fn memory() -> Vec<Samples> {
    eprintln!("memory, on an empty home");
    let empty = Home::new();
    let baseline = held_by(&empty);
    eprintln!("memory, with a rehearsal and {SHELLS} shells");
    let full = Home::new();
    full.json(&["rehearse", "--headless", "--speed", "100"]);
    for _ in 0..SHELLS {
        full.start(&["sh"]);
    }
    let ours = held_by(&full);
    let mut rows: Vec<Samples> = Vec::new();
    for (kind, ours) in ours {
        rows.push(Samples {
            name: format!("memory, {kind}"),
            unit: "MiB",
            ours,
            baseline: baseline.get(kind).cloned().unwrap_or_else(|| vec![0.0]),
            baseline_name: "the same window on an empty home",
        });
    }
    rows
}

fn held_by(home: &Home) -> BTreeMap<&'static str, Vec<f64>> {
    home.json(&["engine", "start"]);
    let window = Window::open(home, Options::default());
    window.wait(".board");
    std::thread::sleep(SETTLES);
    let mut kinds: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for _ in 0..TIMES {
        std::thread::sleep(Duration::from_secs(1));
        let mut now: BTreeMap<&'static str, f64> = BTreeMap::new();
        let holders = home.held().into_iter().map(|(holder, _)| ("holders", holder));
        let ours = [("engine", Some(home.engine_pid())), ("watcher", home.watcher_pid())];
        let window = window.kinds().into_iter().map(|(kind, pid)| (kind, Some(pid)));
        for (kind, pid) in ours.into_iter().chain(window).chain(holders) {
            let held = pid.and_then(share_mib).unwrap_or_else(|| panic!("{kind}: no process to look at"));
            *now.entry(kind).or_default() += held;
            *now.entry("all").or_default() += held;
        }
        for (kind, held) in now {
            kinds.entry(kind).or_default().push(held);
        }
    }
    kinds
}

/// What the window and its webview hold of their own beside sessions that nobody sees, each with its lines.
fn hidden() -> Vec<Samples> {
    eprintln!("memory, with one hidden session and with {HIDDEN}");
    let home = Home::new();
    let start = || home.start(&["sh", "-c", &format!("seq 1 {LINES}; exec sleep 1000000")]);
    start();
    let window = Window::open(&home, Options::default());
    let held = |sessions: usize| {
        window.until("every strip", || number(&window.eval(STRIPS_SHOWN)) >= sessions as f64);
        window.keys("ctrl+4");
        window.until("no terminal", || !window.find("[data-name=terminal]"));
        std::thread::sleep(SETTLES);
        let held = (0..TIMES).map(|_| {
            std::thread::sleep(Duration::from_secs(1));
            window.kinds().into_iter().filter_map(|(_, pid)| own_mib(pid)).sum()
        });
        let held: Vec<f64> = held.collect();
        window.keys("ctrl+1");
        held
    };
    let baseline = held(1);
    for _ in 1..HIDDEN {
        start();
    }
    vec![Samples {
        name: format!("memory of its own, {HIDDEN} hidden sessions of {LINES} lines"),
        unit: "MiB",
        ours: held(HIDDEN),
        baseline,
        baseline_name: "the same window with one",
    }]
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}
