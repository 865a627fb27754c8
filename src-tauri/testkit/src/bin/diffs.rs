//! `diffs [engine | window]…`: what it costs to look at a long change; all of it without a word. Lists 5,000 files and reads a file of
//! 100,000 changed lines beside git, and scrolls through that file in the real window. Prints samples as JSON for `cargo xtask bench diff`.
//!
//! Refuses to judge: it fails only if a figure would be of something else than its name says.
#![allow(clippy::print_stderr, reason = "a program that talks to whoever runs it")]

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pilothouse_contract::Oid;
use pilothouse_engine::execution::changes::{Between, Changes};
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::own_mib;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::samples::{self, Samples, percentile};
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

/// So often each is taken.
const TIMES: usize = 9;
/// So many files, and so many lines.
const FILES: usize = 5000;
const LINES: u32 = 100_000;
/// Rows of a page.
const ROWS: u32 = 200;
/// So often frames are counted, at rest and not, in turns.
const TURNS: usize = 3;
/// So long does it take from the top to the bottom.
const SCROLLS_S: u32 = 10;
/// A frame that takes longer than this was seen to be missing, in milliseconds: two of a usual display.
const DROPPED_MS: f64 = 33.4;

type Take = fn() -> Vec<Samples>;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let parts: [(&str, Take); 2] = [("engine", engine), ("window", window)];
    let of = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let all: Vec<Samples> = parts.iter().filter(|(name, _)| of(name)).flat_map(|(_, take)| take()).collect();
    samples::print(&all);
}

fn must<T, E: std::fmt::Display>(it: Result<T, E>) -> T {
    it.unwrap_or_else(|error| panic!("{error}"))
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

/// Git as a person would type it, with its answer read to its end.
fn git(repo: &Repo, args: &[&str]) -> (f64, usize) {
    let begun = Instant::now();
    let out = must(Command::new("git").arg("-C").arg(repo.path()).args(args).stdin(Stdio::null()).output());
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    (ms(begun), out.stdout.len())
}

/// The last change of a repository.
fn last(repo: &Repo) -> Between {
    let oid = |name: &str| Oid(repo.git(&["rev-parse", name]));
    Between { git_dir: repo.path().join(".git"), from: oid("HEAD^"), to: oid("HEAD") }
}

fn engine() -> Vec<Samples> {
    eprintln!("a change of {FILES} files, and one of {LINES} lines");
    let runtime = must(tokio::runtime::Builder::new_current_thread().enable_all().build());
    let many = |word: &str| -> Vec<(String, String)> {
        (0..FILES).map(|it| (format!("part{:02}/file{it}.txt", it % 50), format!("{it}\n{word}\n"))).collect()
    };
    let (before, after) = (many("old"), many("new"));
    let repo = Repo::new("many", &before.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect::<Vec<_>>());
    repo.commit(&after.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect::<Vec<_>>(), "Change");
    let between = last(&repo);
    let (mut listed, mut numstat) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        let files = must(runtime.block_on(Changes::default().files(&between)));
        listed.push(ms(begun));
        assert_eq!(files.len(), FILES);
        numstat.push(git(&repo, &["diff", "--numstat", between.from.as_str(), between.to.as_str()]).0);
    }

    let long = |word: &str| {
        (0..LINES).fold(String::new(), |mut text, it| {
            let _written = writeln!(text, "fn {word}_{it}() -> u32 {{ {it} }}");
            text
        })
    };
    let (old, new) = (long("old"), long("new"));
    let repo = Repo::new("long", &[("long.rs", &old)]);
    repo.commit(&[("long.rs", &new)], "Change");
    let between = last(&repo);
    let (mut first, mut middle, mut whole, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let changes = Changes::default();
        let begun = Instant::now();
        let page = |at: u32| {
            runtime.block_on(async {
                let files = must(changes.files(&between).await);
                let entry = files.first().unwrap_or_else(|| panic!("no file"));
                let body = must(changes.body(&between, entry).await);
                (body.rows(true, at, ROWS), body.weight())
            })
        };
        let (rows, weight) = page(0);
        first.push(ms(begun));
        assert_eq!(rows.len(), ROWS as usize);
        let begun = Instant::now();
        let (rows, _) = page(LINES / 2);
        middle.push(ms(begun));
        assert!(rows.first().is_some_and(|it| it.new == Some(LINES / 2 + 1)));
        #[allow(clippy::cast_precision_loss, reason = "bytes of a file in memory")]
        kept.push(weight as f64 / 1_048_576.0);
        let args = ["diff", between.from.as_str(), between.to.as_str(), "--", "long.rs"];
        whole.push(git(&repo, &args).0);
    }
    #[allow(clippy::cast_precision_loss, reason = "bytes of a file in memory")]
    let sides = (old.len() + new.len()) as f64 / 1_048_576.0;
    let row = |name: &str, unit, ours, baseline, baseline_name| Samples {
        name: name.to_owned(),
        unit,
        ours,
        baseline,
        baseline_name,
    };
    vec![
        row("listing 5,000 files", "ms", listed, numstat, "git diff --numstat"),
        row("first rows of 100,000 changed lines", "ms", first, whole.clone(), "git diff of the file"),
        row("a page of rows in the middle", "ms", middle, whole, "git diff of the file"),
        row("kept of it", "MiB", kept, vec![sides], "both sides of the file"),
    ]
}

/// Times between frames while something is done for each, in milliseconds, and how many parts a part of the page had at most.
fn frames(window: &Window, part: &str, each: &str, seconds: u32) -> (Vec<f64>, f64) {
    window.eval(&format!(
        "const it = document.querySelector('{part}'), begun = performance.now(), mine = window.__counts = {{ times: [], nodes: 0, waits: 0 }};
         let last;
         const step = (now) => {{
           if (last !== undefined) mine.times.push(now - last);
           last = now;
           const part = (performance.now() - begun) / {seconds}000;
           {each}
           mine.nodes = Math.max(mine.nodes, it.getElementsByTagName('*').length);
           if (part < 1) requestAnimationFrame(step); else mine.done = true;
         }};
         requestAnimationFrame(step);"
    ));
    // The window is left alone meanwhile: who asks it takes its time.
    std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    window.until("the end of it", || window.eval("return window.__counts.done === true") == json!(true));
    let told = window.eval("return window.__counts");
    let times: Vec<f64> =
        told.get("times").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64).collect();
    assert!(times.len() > 1, "the page painted no frames");
    (times, told.get("nodes").and_then(Value::as_f64).unwrap_or_default())
}

fn window() -> Vec<Samples> {
    eprintln!("a file of {LINES} lines in the real window, {TURNS} times from its top to its bottom");
    let repo = Repo::with_tasks(&[("T001", "long.txt`, `many/", "grep -q new long.txt")]);
    let old: String = (0..LINES).fold(String::new(), |mut text, it| {
        let _written = writeln!(text, "line {it} of the old file");
        text
    });
    repo.commit(&[("long.txt", &old)], "Be long");
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new(&format!(
        "sed -i 's/old/new/' long.txt; mkdir many; for n in $(seq {FILES}); do echo $n > many/file$n.txt; done"
    ));
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "person", "--fresh"]);
    let window = Window::open(&home, Options { width: 1600, height: 900, ..Options::default() });
    window.wait("[data-bay=Land] .strip[data-subject=PR1]");
    window.keys("ctrl+3");
    window.wait("[data-name=landbar][data-state=waits-for-approval]");
    window.wait("[data-name=diff] [data-path='long.txt']");
    window.wait("[data-name=diff] .r [data-d='-']");
    let memory = |window: &Window| window.processes().iter().filter_map(|it| own_mib(*it)).sum::<f64>();
    let held = memory(&window);
    let rows = "[data-name=diff] .rowscroll";
    let list = "[data-name=files] .filescroll";
    let (mut files, mut listed): (Vec<Vec<f64>>, f64) = (Vec::new(), 0.0);
    let (mut fast, mut reading, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let (mut nodes, mut kept): (f64, Vec<f64>) = (0.0, Vec::new());
    for _ in 0..TURNS {
        window.eval("document.querySelector('[data-name=diff] .rowscroll').scrollTop = 0");
        rest.push(frames(&window, rows, "", 5).0);
        let (times, most) = frames(&window, rows, "it.scrollTop = part * it.scrollHeight;", SCROLLS_S);
        window.wait(&format!("[data-name=diff] .r[data-line='{LINES}']"));
        nodes = nodes.max(most);
        fast.push(times);
        let (times, most) = frames(&window, list, "it.scrollTop = part * it.scrollHeight;", 5);
        window.wait(&format!("[data-name=files] [data-file='{FILES}']"));
        listed = listed.max(most);
        files.push(times);
        let (times, most) = frames(&window, rows, "it.scrollTop += 40;", 5);
        nodes = nodes.max(most);
        reading.push(times);
        window.eval(&format!("document.querySelector('{rows}').scrollTop = 0"));
        kept.push(memory(&window));
    }
    let of_frames = |name: &str, busy: &[Vec<f64>]| {
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
            row("worst", "ms", &|it| percentile(it, 100)),
            row("over 33 ms", "", &|it| f64::from(u32::try_from(over(it)).unwrap_or(u32::MAX))),
        ]
    };
    let mut all = of_frames("from top to bottom in 10 s", &fast);
    all.extend(of_frames("as one reads, two lines a frame", &reading));
    all.extend(of_frames("the list of 5,000 files in 5 s", &files));
    all.push(Samples {
        name: "parts of the list, at most".to_owned(),
        unit: "",
        ours: vec![listed],
        baseline: vec![f64::from(u32::try_from(FILES).unwrap_or(u32::MAX))],
        baseline_name: "files of the change",
    });
    all.push(Samples {
        name: "parts of the rows, at most".to_owned(),
        unit: "",
        ours: vec![nodes],
        baseline: vec![f64::from(2 * LINES)],
        baseline_name: "rows of the file",
    });
    all.push(Samples {
        name: "memory of the window, scrolled through once, twice, three times".to_owned(),
        unit: "MiB",
        ours: kept,
        baseline: vec![held],
        baseline_name: "the same at the first rows",
    });
    all
}
