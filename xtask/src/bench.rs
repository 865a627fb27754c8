//! Benchmarks: rows of figures beside a named baseline that runs in the same minute. They print and judge nothing;
//! `benches/README.md` keeps dated results with their method.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{need, step, window};

/// The benchmarks there are.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// A whole rehearsal, beside the same agents and proofs run one after the other by a shell
    Rehearsal,
    /// Output through a held session, beside script(1), which logs a terminal too
    Holder,
    /// The window: how soon it opens, its frames under load, and what it holds, beside itself at rest
    Window,
    /// Held terminals: speed, processor, memory, attaching, keys; beside tmux and a bare reader
    Terminal,
    /// A hundred sessions at rest and the window, beside tmux; how soon a holder holds
    Idle,
    /// Finding the tasks that may begin, beside what the design allows
    Scheduler,
    /// Reading specs and plans, and laying a plan into waves, beside what the design allows
    Specs,
    /// A change of 5,000 files and one of 100,000 lines, beside git; and scrolling through it in the window
    Diff,
    /// A simulated day of the merge queue, beside landing one by one and plain batches
    Queue,
    /// Agents' logs imported, sought in and read, beside plain SQLite, grep and zstd over the same bytes
    Store,
}

/// One figure.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    unit: String,
    ours: f64,
    baseline: f64,
    baseline_name: String,
    ratio: f64,
    n: usize,
    /// Half the distance between the fastest and the slowest of ours, as a part of the median.
    spread: f64,
}

fn row(name: &str, unit: &str, ours: &mut [f64], baseline: &mut [f64], baseline_name: &str) -> Row {
    let (mid, base) = (median(ours), median(baseline));
    let spread = (ours.last().copied().unwrap_or(mid) - ours.first().copied().unwrap_or(mid)) / 2.0 / mid;
    Row {
        name: name.to_owned(),
        unit: unit.to_owned(),
        ours: mid,
        baseline: base,
        baseline_name: baseline_name.to_owned(),
        ratio: mid / base,
        n: ours.len(),
        spread,
    }
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs one and prints its rows.
pub(crate) fn run(name: Name, events: u64, json: bool) -> Result<ExitCode> {
    let bin = step::target().join("release");
    match name {
        Name::Window => window::build_for_figures()?,
        Name::Terminal => {
            need::all(&[need::TMUX], false)?;
            step::release_with("terminals")?;
        }
        Name::Idle => {
            need::all(&[need::TMUX], false)?;
            window::build_released()?;
            step::release_of_testkit("terminals")?;
        }
        Name::Scheduler => drop(step::release_with("scheduler")?),
        Name::Specs => drop(step::release_of_testkit("specs")?),
        Name::Queue => drop(step::release_of_testkit("queue")?),
        Name::Store => drop(step::release_of_testkit("store")?),
        Name::Diff => {
            window::build_released()?;
            step::release_of_testkit("diffs")?;
        }
        _ => step::cargo_quietly(&["build", "--release", "--bins"])?,
    }
    let rows = match name {
        Name::Rehearsal => rehearsal(&bin)?,
        Name::Holder => holder(&bin)?,
        Name::Window => of_window(&bin)?,
        Name::Terminal => samples(&bin, &bin.join("terminals"), &["terminal"])?,
        Name::Idle => samples(&bin, &bin.join("terminals"), &["idle"])?,
        Name::Scheduler => samples(&bin, &bin.join("scheduler"), &[])?,
        Name::Specs => samples(&bin, &bin.join("specs"), &[])?,
        Name::Queue => samples(&bin, &bin.join("queue"), &[])?,
        Name::Store => samples(&bin, &bin.join("store"), &["--events", &events.to_string()])?,
        Name::Diff => samples(&bin, &bin.join("diffs"), &[])?,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for it in &rows {
            // Of nothing there is no ratio.
            let or_none = |it: f64, text: String| if it.is_finite() { text } else { "–".to_owned() };
            println!(
                "{:<40} {:>10.2} {:<5} {:>10.2} {} (ratio {}, n {}, spread {})",
                it.name,
                it.ours,
                it.unit,
                it.baseline,
                it.baseline_name,
                or_none(it.ratio, format!("{:.2}", it.ratio)),
                it.n,
                or_none(it.spread, format!("±{:.0} %", it.spread * 100.0))
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ph-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn must(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().with_context(|| step::words(command))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}{}",
            step::words(command),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.stdout)
}

fn rehearsal(bin: &Path) -> Result<Vec<Row>> {
    let home = Scratch::new("rehearsal")?;
    let program = bin.join("pilothouse");
    let engine = |args: &[&str]| must(Command::new(&program).args(args).env("PILOTHOUSE_HOME", &home.0));
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let said = engine(&["rehearse", "--headless", "--speed", "100", "--json"])?;
        let summary: serde_json::Value = serde_json::from_slice(&said)?;
        ours.push(summary.get("seconds").and_then(serde_json::Value::as_f64).context("no seconds")?);
        let path = summary.get("path").and_then(serde_json::Value::as_str).context("no path")?.to_owned();
        plain.push(by_shell(Path::new(&path), &home.0)?);
    }
    engine(&["engine", "stop"])?;
    Ok(vec![row(
        "rehearsal, whole",
        "s",
        &mut ours,
        &mut plain,
        "the same agents and proofs by a shell, one after the other",
    )])
}

/// The same work without worktrees, holders, red checks, audits, evidence and landing.
fn by_shell(repo: &Path, home: &Path) -> Result<f64> {
    let clone = home.join("by-shell");
    let _earlier = std::fs::remove_dir_all(&clone);
    let first = must(Command::new("git").args(["rev-list", "--max-parents=0", "main"]).current_dir(repo))?;
    must(Command::new("git").args(["clone", "--quiet"]).arg(repo).arg(&clone))?;
    must(
        Command::new("git")
            .args(["reset", "--quiet", "--hard", String::from_utf8_lossy(&first).trim()])
            .current_dir(&clone),
    )?;
    let agent = home.join("data/rehearsals/agent.sh");
    let begun = Instant::now();
    for (task, proof) in [
        ("T001", "sh tests/t-parse.sh"),
        ("T002", "sh tests/t-height.sh"),
        ("T003", "sh tests/t-next.sh"),
        ("T004", "sh tests/t-table.sh"),
        ("T005", "sh tests/t-cli.sh"),
        ("T006", "grep -q 'bin/tide next' README.md"),
    ] {
        let brief = home.join("brief.md");
        std::fs::write(&brief, format!("Proof, must exit 0: `{proof}`\n## Your task: {task} x\n"))?;
        must(
            Command::new("sh")
                .arg(&agent)
                .args(["smooth", "100"])
                .env("PILOTHOUSE_BRIEF", &brief)
                .current_dir(&clone),
        )?;
        must(Command::new("sh").args(["-c", proof]).current_dir(&clone))?;
    }
    must(Command::new("sh").arg("tests/all.sh").current_dir(&clone))?;
    Ok(begun.elapsed().as_secs_f64())
}

fn holder(bin: &Path) -> Result<Vec<Row>> {
    const MIB: f64 = 64.0;
    let scratch = Scratch::new("holder")?;
    let flood = format!("head -c {} /dev/zero | tr '\\0' x | fold -w 79", (MIB * 1024.0 * 1024.0) as u64);
    let (mut ours, mut script) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let folder = scratch.0.join(n.to_string());
        std::fs::create_dir(&folder)?;
        let asked = serde_json::json!({
            "version": 1, "argv": ["sh", "-c", flood], "cwd": scratch.0, "mode": "pty", "columns": 80, "rows": 24,
            "segment_bytes": 16 * 1024 * 1024, "socket": scratch.0.join("s.sock"), "limit_ms": 0,
        });
        std::fs::write(folder.join("session.json"), asked.to_string())?;
        let begun = Instant::now();
        must(Command::new(bin.join("pilothouse-hold")).arg(&folder))?;
        ours.push(MIB / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        must(Command::new("script").args(["-q", "-c", &flood]).arg(folder.join("typescript")))?;
        script.push(MIB / begun.elapsed().as_secs_f64());
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(vec![row("output through a session", "MB/s", &mut ours, &mut script, "script(1)")])
}

/// What a program of the testkit measured.
#[derive(Debug, Deserialize)]
struct Samples {
    name: String,
    unit: String,
    ours: Vec<f64>,
    baseline: Vec<f64>,
    baseline_name: String,
}

fn of_window(bin: &Path) -> Result<Vec<Row>> {
    // What drives the window is no part of what is measured.
    samples(bin, &step::target().join("debug/figures"), &[])
}

/// What a program of the testkit measured of the programs in a folder.
fn samples(bin: &Path, figures: &Path, args: &[&str]) -> Result<Vec<Row>> {
    let output = Command::new(figures)
        .args(args)
        .env("PILOTHOUSE_BIN_DIR", bin)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} could not be started", figures.display()))?;
    if !output.status.success() {
        bail!("{} took no figures; why stands above", figures.display());
    }
    let all: Vec<Samples> = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} printed something else than samples", figures.display()))?;
    let rows = all
        .into_iter()
        .map(|mut it| row(&it.name, &it.unit, &mut it.ours, &mut it.baseline, &it.baseline_name));
    Ok(rows.collect())
}
