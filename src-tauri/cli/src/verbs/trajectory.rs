//! `pilothouse trajectory …`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Subcommand;
use futures::StreamExt;
use pilothouse_contract::archive::{ArchivedLog, Filters, Found, FoundLog, Place};
use pilothouse_contract::money::Money;
use pilothouse_contract::trajectory::{StepKind, Tokens, Trajectory};
use pilothouse_contract::{At, Fault, LogId, SessionId, ask};
use serde::Serialize;

use super::back::moment;
use crate::desk::{self, End, HOLDS, does_not_hold};
use crate::out::{Out, clock, short, table};

/// While logs are imported, it is said how far it is this often.
const SAY: Duration = Duration::from_secs(2);

/// So many logs are imported at once: only one is stored at a time.
const AT_ONCE: usize = 3;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The trajectories that are stored, newest first
    List {
        /// Those of the logs that were imported, instead of those of our sessions
        #[arg(long)]
        imported: bool,
        /// At most so many of them
        #[arg(long, default_value_t = 1000)]
        most: u32,
    },
    /// What an agent said and did, step by step
    Show {
        /// Its session, as s12, or an imported log, as l3
        #[arg(value_parser = place)]
        place: Place,
        /// From this step on
        #[arg(long, default_value_t = 0)]
        from: u32,
        /// At most so many steps
        #[arg(long, default_value_t = 1000)]
        most: u32,
        /// Also records that Pilothouse does not read
        #[arg(long)]
        all: bool,
    },
    /// Write a session down: as Markdown or a step a line, without the secrets in it
    Export(super::export::Args),
    /// Import the logs of Claude Code, Codex, Gemini CLI and opencode, so that they can be searched and counted. Again, it takes only
    /// what changed; broken off, it keeps the logs that it had taken
    Import {
        /// A folder with logs, or a log; without it where the agents of this machine keep theirs
        dir: Option<PathBuf>,
    },
    /// Find the steps in which all of some words stand, in our sessions and in what was imported, newest first
    Search {
        /// The words; the last may be the beginning of one, and what stands in double quotes is a phrase
        #[arg(required = true)]
        words: Vec<String>,
        /// Of this agent: claude, codex, gemini, opencode
        #[arg(long)]
        agent: Option<String>,
        /// Of this kind: prompt, message, reasoning, call, result, error
        #[arg(long, value_parser = ["prompt", "message", "reasoning", "call", "result", "error"])]
        kind: Option<String>,
        /// Calls of this tool
        #[arg(long)]
        tool: Option<String>,
        /// Only results that went wrong
        #[arg(long)]
        failed: bool,
        /// Of sessions that were started in this folder or below it
        #[arg(long)]
        folder: Option<PathBuf>,
        /// Since then: a span back from now (3h, 7d) or a time in UTC (2026-11-20T22:00)
        #[arg(long, value_parser = moment)]
        since: Option<At>,
        /// Before then
        #[arg(long, value_parser = moment)]
        until: Option<At>,
        /// The best first, instead of the newest
        #[arg(long)]
        ranked: bool,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        most: u32,
    },
}

/// A session of ours or an imported log.
pub(super) fn place(typed: &str) -> Result<Place, String> {
    let session = typed.parse::<SessionId>().map(Place::Session);
    session
        .or_else(|_| typed.parse::<LogId>().map(Place::Log))
        .map_err(|_| format!("'{typed}' is neither a session like s1 nor an imported log like l1"))
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { imported: true, most } => {
            let all = desk::call(ask::trajectory::Archive { most }).await?;
            out.value(&all, |all| archived(all));
        }
        Verb::List { .. } => {
            let all = desk::call(ask::trajectory::List {}).await?;
            out.value(&all, |all| list(all));
        }
        Verb::Show { place: Place::Log(log), from, most, all } => {
            let page = desk::call(ask::trajectory::ShowLog { log, from, most }).await?;
            out.value(&page, |page| {
                let it = &page.log;
                let (agent, native) = (short(&it.agent, 20), short(&it.native, 60));
                let (read, file) = (read(it.steps, it.unread, it.damaged), short(&it.file, 200));
                let says =
                    format!("{} {}: {agent} {native}, {read}, from {file}\n\n", it.id, short(&it.title, 80));
                says + &lines(page.steps.iter().map(|it| (it.ordinal, &it.kind)), all)
            });
        }
        Verb::Show { place: Place::Session(session), from, most, all } => {
            desk::call(ask::session::Peek { session }).await?;
            let page = desk::call(ask::trajectory::Show { session, from, most }).await?;
            out.value(&page, |page| show(page, all));
        }
        Verb::Export(args) => return super::export::run(args, out).await,
        Verb::Import { dir } => return import(dir, out).await,
        Verb::Search { words, agent, kind, tool, failed, folder, since, until, ranked, most } => {
            let folder = folder.map(whole).transpose()?;
            let filters = Filters { agent, kind, tool, failed, folder, since, until };
            let search = ask::trajectory::Search { words: words.join(" "), filters, ranked, most };
            let found = desk::call(search).await?;
            out.value(&found, hits);
            if found.hits.is_empty() {
                return Ok(does_not_hold());
            }
        }
    }
    Ok(HOLDS)
}

/// A path as the engine, which stands elsewhere, understands it.
fn whole(path: PathBuf) -> Result<String, Fault> {
    let whole = std::path::absolute(&path);
    let whole = whole.map_err(|error| Fault::refused(format!("{} is no path: {error}", path.display())))?;
    Ok(whole.canonicalize().unwrap_or(whole).display().to_string())
}

/// What came of an import.
#[derive(Debug, Default, Serialize)]
struct Taken {
    /// Files that were found.
    files: u64,
    /// Those of them that had not changed since they were imported.
    unchanged: u64,
    /// Sessions whose logs were read.
    sessions: u64,
    /// Steps that nobody had stored.
    events: u64,
    /// Steps that read differently now.
    changed: u64,
    /// Records that Pilothouse does not read, in the logs that were read.
    unknown: u64,
    /// Lines that were damaged.
    damaged: u64,
    /// Bytes that were read.
    bytes: u64,
    /// How long it took.
    seconds: f64,
    /// Files that were not taken, and why.
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    file: String,
    why: String,
}

async fn import(dir: Option<PathBuf>, out: Out) -> End {
    let begun = Instant::now();
    let folder = dir.map(whole).transpose()?;
    let found = desk::call(ask::trajectory::Logs { folder }).await?;
    let mut taken = Taken { files: found.len() as u64, ..Taken::default() };
    let mut said = Instant::now();
    let unchanged = found.iter().filter(|it| it.known).count() as u64;
    taken.unchanged = unchanged;
    // While one is stored the next are read.
    let mut coming = futures::stream::iter(found.into_iter().filter(|it| !it.known))
        .map(|FoundLog { file, native, bytes, .. }| async move {
            let came = desk::call(ask::trajectory::Import { file: file.clone(), native }).await;
            (file, bytes, came)
        })
        .buffered(AT_ONCE);
    let mut n = unchanged;
    while let Some((file, bytes, came)) = coming.next().await {
        n += 1;
        if said.elapsed() >= SAY {
            said = Instant::now();
            out.aside(&format!("{n} of {} logs, {} steps so far", taken.files, taken.events));
        }
        let came = came?;
        match came.why {
            Some(why) => taken.left_out.push(LeftOut { file, why }),
            None => {
                taken.sessions += 1;
                taken.bytes += bytes;
            }
        }
        taken.events += u64::from(came.fresh);
        taken.changed += u64::from(came.changed);
        taken.unknown += u64::from(came.unread);
        taken.damaged += u64::from(came.damaged);
    }
    taken.seconds = begun.elapsed().as_secs_f64();
    out.value(&taken, said_of);
    Ok(HOLDS)
}

fn said_of(it: &Taken) -> String {
    let mut says = format!(
        "{} logs found, {} of them unchanged; {} read in {:.1} s: {} new steps, {} changed, {} records not read, {} damaged lines\n",
        it.files, it.unchanged, it.sessions, it.seconds, it.events, it.changed, it.unknown, it.damaged
    );
    for left in it.left_out.iter().take(20) {
        says += &format!("left out: {}: {}\n", short(&left.file, 200), short(&left.why, 200));
    }
    if let Some(more) = it.left_out.len().checked_sub(20).filter(|it| *it > 0) {
        says += &format!("and {more} more\n");
    }
    says
}

fn archived(all: &[ArchivedLog]) -> String {
    if all.is_empty() {
        return "Nothing was imported yet: pilothouse trajectory import".to_owned();
    }
    let row = |it: &ArchivedLog| {
        let (steps, folder) = (it.steps.to_string(), short(&it.cwd, 40));
        vec![it.id.to_string(), it.agent.clone(), clock(it.written), steps, folder, short(&it.title, 60)]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table(&["LOG", "AGENT", "WRITTEN", "STEPS", "FOLDER", "TITLE"], &rows)
}

fn hits(found: &Found) -> String {
    if found.hits.is_empty() {
        return "Nothing found. Logs of agents that ran elsewhere are searched once they are imported: pilothouse trajectory import".to_owned();
    }
    let mut says = String::new();
    for it in &found.hits {
        let at = it.at.map(clock).unwrap_or_default();
        let (agent, title) = (short(&it.agent, 20), short(&it.title, 60));
        says += &format!(
            "{} step {}  {at}  {agent}  {}  {title}\n    {}\n",
            it.place, it.ordinal, it.kind, it.excerpt
        );
    }
    let micros = found.micros;
    let more = if found.more { ", and there are more: --most" } else { "" };
    says + &format!("{} found in {}.{} ms{more}", found.hits.len(), micros / 1000, micros % 1000 / 100)
}

/// How much of a log was read.
fn read(steps: u32, unread: u32, damaged: u32) -> String {
    format!("{steps} steps ({unread} records not read, {damaged} damaged lines)")
}

fn list(all: &[Trajectory]) -> String {
    if all.is_empty() {
        return "No trajectories yet: agents with a session log of their own leave them.".to_owned();
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|it| {
            vec![
                it.session.to_string(),
                it.steps.to_string(),
                (it.input + it.cache_write).to_string(),
                it.cached.to_string(),
                it.output.to_string(),
                short(&it.title, 60),
            ]
        })
        .collect();
    table(&["SESSION", "STEPS", "TOKENS IN", "CACHED", "OUT", "TITLE"], &rows)
}

fn show(page: &ask::trajectory::TrajectoryPage, all: bool) -> String {
    let it = &page.trajectory;
    let read = read(it.steps, it.unread, it.damaged);
    let says = format!("{} {}: {read}, from {}\n\n", it.session, short(&it.title, 80), it.file);
    says + &lines(page.steps.iter().map(|it| (it.ordinal, &it.kind)), all)
}

/// Steps, a line each; with `all` also what Pilothouse does not read.
pub(super) fn lines<'a>(steps: impl Iterator<Item = (u32, &'a StepKind)>, all: bool) -> String {
    let shown = steps.filter(|(_, kind)| all || !matches!(kind, StepKind::Unread { .. }));
    shown.map(|(ordinal, kind)| line(ordinal, kind) + "\n").collect()
}

fn line(ordinal: u32, kind: &StepKind) -> String {
    let (word, text) = match kind {
        StepKind::Prompt { text } => ("prompt", short(text, 200)),
        StepKind::Message { text } => ("says", short(text, 400)),
        StepKind::Reasoning { text } => ("thinks", short(text, 400)),
        StepKind::Call { tool, says, .. } => ("calls", format!("{}: {}", short(tool, 20), short(says, 200))),
        StepKind::Result { failed: true, text, .. } => ("FAILED", short(text, 200)),
        StepKind::Result { text, .. } => ("got", short(text, 200)),
        StepKind::Tokens { model, tokens } => {
            let Tokens { cached, output, .. } = tokens;
            let anew = tokens.input + tokens.cache_write;
            ("tokens", format!("{}: {anew} in, {cached} cached, {output} out", short(model, 40)))
        }
        StepKind::Cost { micros, .. } => {
            let sum = micros.map_or("a sum that it does not know".to_owned(), |it| Money(it).to_string());
            ("cost", format!("{sum}, by the program's own count"))
        }
        StepKind::Error { text } => ("ERROR", short(text, 200)),
        StepKind::Unread { name } => ("unread", short(name, 60)),
    };
    format!("{ordinal:>4}  {word:<7} {text}")
}
