//! `store [--events N] [--keep DIR]`: what it costs to keep what agents did. Writes logs of sessions that never were, imports them by the engine's
//! own answers, seeks in them and reads them; beside plain SQLite, grep or ripgrep, and zstd over the same bytes. Prints samples as JSON for
//! `cargo xtask bench store`; how far it is and where the bytes lie goes to standard error.
//!
//! Refuses to judge: it fails only if a figure would be of something else than its name says.
#![allow(clippy::print_stderr, reason = "a program that talks to whoever runs it")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use pilothouse_contract::archive::{Filters, Found};
use pilothouse_contract::{Answer, LogId, ask};
use pilothouse_engine::answer::{Caller, Desk};
use pilothouse_engine::{Engine, Options};
use pilothouse_testkit::logs::{self, Words, Written};
use pilothouse_testkit::must;
use pilothouse_testkit::process::cpu_seconds;
use pilothouse_testkit::samples::{self, Samples, percentile};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row};

/// Without a word so many steps are stored.
const EVENTS: u64 = 1_000_000;
/// Each kind of question is asked so often.
const QUERIES: usize = 40;
/// So often the whole of the logs is searched by the other.
const SCANS: usize = 3;
/// Steps of the long session, and of a page of it.
const LONG: u64 = 50_000;
const PAGE: u32 = 1000;
/// So often a page is read.
const PAGES: usize = 21;
/// So many logs are asked for at once, as the command line does.
const AT_ONCE: usize = 3;
/// No more of the logs is packed by zstd to see how far it goes, for its level 19 takes minutes.
const PACKED: usize = 32 * 1024 * 1024;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| args.iter().position(|it| it == name).and_then(|it| args.get(it + 1)).cloned();
    let events = after("--events").map_or(EVENTS, |it| must(it.parse()));
    let scratch = must(tempfile::tempdir());
    let folder = after("--keep").map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let runtime = must(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build());
    samples::print(&runtime.block_on(take(&folder, events)));
}

fn ms(it: Duration) -> f64 {
    it.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn number(it: u64) -> f64 {
    it as f64
}

fn row(
    name: &str,
    unit: &'static str,
    ours: Vec<f64>,
    baseline: Vec<f64>,
    baseline_name: &'static str,
) -> Samples {
    Samples { name: name.to_owned(), unit, ours, baseline, baseline_name }
}

/// The engine over a folder, as a person has it.
async fn desk(folder: &Path) -> Desk {
    let options = Options {
        data: folder.join("data"),
        worktrees: folder.join("worktrees"),
        sockets: folder.join("sockets"),
        hold: PathBuf::from("pilothouse-hold"),
        program: PathBuf::from("pilothouse"),
        restarts: 0,
        park: Duration::from_secs(60),
        watcher: 0,
    };
    let engine = must(Engine::open(options).await);
    Desk::of(&engine, Caller::Person("kim".to_owned()))
}

/// Imports what is below a folder as the command line does; how many steps were new, and how long it took.
async fn import(desk: &Desk, folder: &Path) -> (u64, Duration) {
    let begun = Instant::now();
    let call = ask::trajectory::Logs { folder: Some(folder.display().to_string()) };
    let found = must(desk.answer(call).await);
    let taken = futures::stream::iter(found.into_iter().filter(|it| !it.known)).map(|it| async move {
        let came = must(desk.answer(ask::trajectory::Import { file: it.file, native: it.native }).await);
        assert_eq!(came.why, None, "a log was not taken");
        u64::from(came.fresh)
    });
    let fresh: u64 = taken.buffer_unordered(AT_ONCE).fold(0, |sum, it| async move { sum + it }).await;
    (fresh, begun.elapsed())
}

/// The lines of the logs into a table of plain SQLite, as many at a time and as safe as ours.
async fn plainly(folder: &Path, written: &Written) -> Duration {
    let file = folder.join("plain.db");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .disable_statement_logging();
    let mut to = must(SqliteConnection::connect_with(&options).await);
    must(
        sqlx::query("CREATE TABLE line (id INTEGER PRIMARY KEY, body TEXT NOT NULL)").execute(&mut to).await,
    );
    let begun = Instant::now();
    for log in &written.files {
        let text = must(std::fs::read_to_string(log));
        let lines: Vec<&str> = text.lines().collect();
        for some in lines.chunks(500) {
            let mut transaction = must(to.begin().await);
            let mut query = QueryBuilder::<sqlx::Sqlite>::new("INSERT INTO line (body) ");
            query.push_values(some, |mut row, line| {
                row.push_bind((*line).to_owned());
            });
            must(query.build().execute(&mut *transaction).await);
            must(transaction.commit().await);
        }
    }
    let took = begun.elapsed();
    must(to.close().await);
    must(std::fs::remove_file(&file));
    took
}

/// Where the bytes of a database lie; how many there are.
async fn weigh(data: &Path) -> u64 {
    let options =
        SqliteConnectOptions::new().filename(data.join("pilothouse.db")).disable_statement_logging();
    let mut db = must(SqliteConnection::connect_with(&options).await);
    must(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut db).await);
    let rows = sqlx::query(
        "SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name HAVING bytes > 1000000 ORDER BY bytes DESC",
    );
    for row in must(rows.fetch_all(&mut db).await) {
        eprintln!(
            "    {:<32} {:>8.1} MB",
            row.get::<String, _>("name"),
            number(row.get::<i64, _>("bytes").unsigned_abs()) / 1e6
        );
    }
    must(db.close().await);
    must(data.join("pilothouse.db").metadata()).len()
}

/// What zstd makes of the beginning of the logs, as a part of it.
fn packed(written: &Written, level: i32) -> f64 {
    let mut text = Vec::new();
    for file in &written.files {
        text.extend(must(std::fs::read(file)));
        if text.len() >= PACKED {
            break;
        }
    }
    text.truncate(PACKED);
    let small = must(zstd::bulk::compress(&text, level));
    number(small.len() as u64) / number(text.len() as u64)
}

/// What is sought: the name of the kind, with words and filters of each question.
fn questions(words: &Words) -> Vec<(&'static str, Vec<(String, Filters)>)> {
    let each = |make: &dyn Fn(usize) -> (String, Filters)| (0..QUERIES).map(make).collect::<Vec<_>>();
    // Whole words; without the space the last one would be taken for the beginning of one.
    let plain = |words: String| (format!("{words} "), Filters::default());
    vec![
        ("a rare word", each(&|n| plain(words.at(20_000 + n * 900).to_owned()))),
        ("a word in the middle", each(&|n| plain(words.at(600 + n * 40).to_owned()))),
        ("a common word", each(&|n| plain(words.at(n * 2).to_owned()))),
        ("two words", each(&|n| plain(format!("{} {}", words.at(n), words.at(300 + n * 7))))),
        ("a phrase", each(&|n| plain(format!("\"{} {}\"", words.at(n), words.at(n + 9))))),
        ("a beginning", each(&|n| (words.at(30 + n).chars().take(3 + n % 3).collect(), Filters::default()))),
        (
            "with filters",
            each(&|n| {
                let of = Filters {
                    agent: Some("codex".to_owned()),
                    kind: Some("message".to_owned()),
                    ..Filters::default()
                };
                (format!("{} ", words.at(100 + n * 5)), of)
            }),
        ),
        (
            "in one folder, failed",
            each(&|n| {
                let folder = Some(format!("/home/kim/{}", words.at(200 + n % 20)));
                (format!("{} ", words.at(n * 3)), Filters { folder, failed: true, ..Filters::default() })
            }),
        ),
    ]
}

async fn search(desk: &Desk, words: &str, filters: &Filters, ranked: bool) -> (Found, Duration) {
    let call =
        ask::trajectory::Search { words: words.to_owned(), filters: filters.clone(), ranked, most: 50 };
    let begun = Instant::now();
    let found = must(desk.answer(call).await);
    (found, begun.elapsed())
}

/// How long another program looks through all logs for a word, and its name.
fn scan(folder: &Path, word: &str) -> (Duration, &'static str) {
    static RG: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        Command::new("rg").arg("--version").stdout(Stdio::null()).status().is_ok()
    });
    let mut command = if *RG {
        let mut rg = Command::new("rg");
        rg.args(["-F", "-c", "--no-ignore", word]);
        rg
    } else {
        let mut grep = Command::new("grep");
        grep.args(["-rFc", word]).env("LC_ALL", "C");
        grep
    };
    let begun = Instant::now();
    must(command.arg(folder).stdin(Stdio::null()).output());
    (begun.elapsed(), if *RG { "ripgrep over the logs" } else { "grep -F over the logs" })
}

async fn take(folder: &Path, events: u64) -> Vec<Samples> {
    let words = Words::new();
    let logs_in = folder.join("logs");
    eprintln!("writing logs of {events} steps");
    let written = must(logs::write(&logs_in, events, &words));
    let of_log = number(written.bytes) / number(written.steps);
    eprintln!(
        "{} steps in {} logs, {:.0} MB, {of_log:.0} bytes each",
        written.steps,
        written.files.len(),
        number(written.bytes) / 1e6
    );
    let mut all = Vec::new();

    let desk = desk(folder).await;
    let before = weigh(&folder.join("data")).await;
    let cpu = cpu_seconds(std::process::id()).unwrap_or(f64::NAN);
    let (fresh, took) = import(&desk, &logs_in).await;
    let cpu = cpu_seconds(std::process::id()).unwrap_or(f64::NAN) - cpu;
    assert_eq!(fresh, written.steps, "steps that were written and imported");
    eprintln!("imported in {:.1} s, {cpu:.1} s of processor", took.as_secs_f64());
    let plain = plainly(folder, &written).await;
    let a_second = |it: Duration| number(written.steps) / it.as_secs_f64();
    all.push(row(
        "import",
        "/s",
        vec![a_second(took)],
        vec![a_second(plain)],
        "their lines into a table of plain SQLite",
    ));
    all.push(row(
        "import, a second of processor",
        "/s",
        vec![number(written.steps) / cpu],
        vec![34_000.0],
        "the spike, a second",
    ));
    let size = number(weigh(&folder.join("data")).await - before) / number(written.steps);
    let size_beside = |it: f64, name| row("stored", "B", vec![size], vec![it], name);
    all.push(size_beside(of_log, "the logs, a step"));
    all.push(size_beside(of_log * packed(&written, 3), "the logs by zstd -3, a step"));
    all.push(size_beside(of_log * packed(&written, 19), "the logs by zstd -19, a step"));
    all.push(size_beside(373.0, "the spike, a step"));

    let (fresh, known) = import(&desk, &logs_in).await;
    assert_eq!(fresh, 0, "nothing is new");
    all.push(row(
        "import again, nothing changed",
        "s",
        vec![known.as_secs_f64()],
        vec![took.as_secs_f64()],
        "the first time",
    ));
    for file in &written.files {
        let opened = must(std::fs::OpenOptions::new().append(true).open(file));
        must(opened.set_modified(std::time::SystemTime::now()));
    }
    let some = written.files.first().and_then(|it| it.parent()).unwrap_or(&logs_in).to_owned();
    let (fresh, touched) = import(&desk, &some).await;
    assert_eq!(fresh, 0, "nothing is new");
    eprintln!("{} touched and read again in {:.2} s", some.display(), touched.as_secs_f64());

    for (name, asked) in questions(&words) {
        let (mut took, mut ranked, mut hits) = (Vec::new(), Vec::new(), 0);
        for (words, filters) in &asked {
            let (found, it) = search(&desk, words, filters, false).await;
            hits += found.hits.len();
            took.push(ms(it));
            ranked.push(ms(search(&desk, words, filters, true).await.1));
        }
        let mut scanned = Vec::new();
        let mut other = "";
        for (words, _) in asked.iter().step_by(asked.len().div_ceil(SCANS)) {
            let (it, program) = scan(&logs_in, words.trim().trim_matches('"'));
            scanned.push(ms(it));
            other = program;
        }
        eprintln!(
            "{name}: {hits} hits; ranked {:.2} ms, 99 of 100 under {:.2}",
            percentile(&ranked, 50),
            percentile(&ranked, 99)
        );
        all.push(row(
            &format!("{name}, 99th percentile"),
            "ms",
            vec![percentile(&took, 99)],
            scanned.clone(),
            other,
        ));
        all.push(row(name, "ms", took, scanned, other));
        all.push(row(&format!("{name}, ranked"), "ms", ranked, vec![], other));
    }

    let long = folder.join("long");
    let (file, _) = must(logs::claude(&long, 1_000_003, LONG, &words));
    let (steps, took) = import(&desk, &long).await;
    eprintln!("a session of {steps} steps imported in {:.2} s", took.as_secs_f64());
    let logs = must(desk.answer(ask::trajectory::Archive { most: u32::MAX }).await);
    let log = logs.iter().find(|it| u64::from(it.steps) == steps).map_or(LogId(0), |it| it.id);
    for (name, from) in [("the first page of 50,000 steps", 0), ("a page in their middle", 25_000)] {
        let (mut ours, mut whole) = (Vec::new(), Vec::new());
        for _ in 0..PAGES {
            let begun = Instant::now();
            let page = must(desk.answer(ask::trajectory::ShowLog { log, from, most: PAGE }).await);
            ours.push(ms(begun.elapsed()));
            assert_eq!(page.steps.len(), PAGE as usize);
        }
        for _ in 0..SCANS {
            let begun = Instant::now();
            let text = must(std::fs::read_to_string(&file));
            text.lines().for_each(|it| drop(black_box(serde_json::from_str::<serde_json::Value>(it))));
            whole.push(ms(begun.elapsed()));
        }
        all.push(row(name, "ms", ours, whole, "reading its log as JSON"));
    }
    all
}
