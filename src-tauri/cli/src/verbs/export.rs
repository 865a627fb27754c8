//! `pilothouse trajectory export`: a session's steps as a document or as lines of JSON, without the secrets in them; or its log as it lies there.
//!
//! Refuses to write over a file that is there already, and to show a raw log on a terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pilothouse_contract::archive::Place;
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, Fault, ask, text};
use serde::Serialize;

use super::trajectory::place;
use crate::desk::{self, End, HOLDS};
use crate::out::{Out, clock, short};

/// So many steps are asked for at once.
const PAGE: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A session, as s12, or an imported log, as l3
    #[arg(value_parser = place)]
    place: Place,
    /// As a document for people, or a step a line
    #[arg(long, value_enum, default_value_t = Format::Md)]
    format: Format,
    /// The agent's own log as it lies there, with all secrets that stand in it
    #[arg(long, requires = "to", conflicts_with = "format")]
    raw: bool,
    /// Into this file instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Also over a file that is there already
    #[arg(long, requires = "to")]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown
    Md,
    /// JSON, a step a line
    Jsonl,
}

/// A step as it is exported.
#[derive(Debug, Serialize)]
struct Line {
    ordinal: u32,
    at: Option<At>,
    #[serde(flatten)]
    kind: StepKind,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Exported {
    place: String,
    file: PathBuf,
    bytes: u64,
    raw: bool,
}

/// Whose session it is, and the log that its steps are from.
struct Of {
    agent: String,
    log: String,
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    let (of, first) = page(args.place, 0, true).await?;
    let bytes = match &args.to {
        Some(to) if args.raw => {
            let from = log(&of)?;
            let mut into = create(to, args.force)?;
            io::copy(&mut BufReader::new(from), &mut into).map_err(|error| not_written(to, &error))?
        }
        Some(to) => {
            let all = whole(args.place, &of, first, args.format).await?;
            let mut into = create(to, args.force)?;
            into.write_all(all.as_bytes()).map_err(|error| not_written(to, &error))?;
            all.len() as u64
        }
        None => {
            // What is asked for is the text itself, also with `--json`: a step a line is JSON.
            let all = whole(args.place, &of, first, args.format).await?;
            let _gone = io::stdout().write_all(text::plain(&all, true).as_bytes());
            return Ok(HOLDS);
        }
    };
    let exported =
        Exported { place: args.place.to_string(), file: args.to.unwrap_or_default(), bytes, raw: args.raw };
    out.value(&exported, |it| {
        let how = if it.raw {
            ", as it lies there: secrets in it are not taken out"
        } else {
            ", without the secrets that are known"
        };
        format!(
            "{} written to {}: {} bytes{how}",
            it.place,
            short(&it.file.display().to_string(), 200),
            it.bytes
        )
    });
    Ok(HOLDS)
}

/// Steps from one on. The first look at a session of ours is a look at it.
async fn page(place: Place, from: u32, first: bool) -> Result<(Of, Vec<Line>), Fault> {
    match place {
        Place::Log(log) => {
            let page = desk::call(ask::trajectory::ShowLog { log, from, most: PAGE }).await?;
            let lines =
                page.steps.into_iter().map(|it| Line { ordinal: it.ordinal, at: it.at, kind: it.kind });
            Ok((Of { agent: page.log.agent, log: page.log.file }, lines.collect()))
        }
        Place::Session(session) => {
            if first {
                desk::call(ask::session::Peek { session }).await?;
            }
            let page = desk::call(ask::trajectory::Show { session, from, most: PAGE }).await?;
            let lines =
                page.steps.into_iter().map(|it| Line { ordinal: it.ordinal, at: it.at, kind: it.kind });
            Ok((Of { agent: String::new(), log: page.trajectory.file }, lines.collect()))
        }
    }
}

/// All steps in a format.
async fn whole(place: Place, of: &Of, first: Vec<Line>, format: Format) -> Result<String, Fault> {
    let mut all = match format {
        Format::Md if of.agent.is_empty() => format!("# {place}\n"),
        Format::Md => format!("# {place}, a session of {}\n", short(&of.agent, 40)),
        Format::Jsonl => String::new(),
    };
    let mut lines = first;
    while let Some(last) = lines.last().map(|it| it.ordinal) {
        for line in &lines {
            match format {
                Format::Md => all += &told(line),
                Format::Jsonl => all = all + &serde_json::to_string(line).unwrap_or_default() + "\n",
            }
        }
        lines = page(place, last.saturating_add(1), false).await?.1;
    }
    Ok(all)
}

/// A step in Markdown. What others said stands in a fence that it cannot end.
fn told(line: &Line) -> String {
    let (word, says) = match &line.kind {
        StepKind::Prompt { text } => ("Prompt".to_owned(), text.clone()),
        StepKind::Message { text } => ("Message".to_owned(), text.clone()),
        StepKind::Reasoning { text } => ("Reasoning".to_owned(), text.clone()),
        StepKind::Call { tool, says, .. } => (format!("Call of {}", code(tool)), says.clone()),
        StepKind::Result { failed: true, text, .. } => ("Result, failed".to_owned(), text.clone()),
        StepKind::Result { text, .. } => ("Result".to_owned(), text.clone()),
        StepKind::Error { text } => ("Error".to_owned(), text.clone()),
        StepKind::Tokens { .. } | StepKind::Cost { .. } | StepKind::Unread { .. } => return String::new(),
    };
    let at = line.at.map(|it| format!(", {}", clock(it))).unwrap_or_default();
    let says = text::plain(&says, true);
    let fence = "`".repeat(longest(&says).max(2) + 1);
    format!("\n## {}. {word}{at}\n\n{fence}text\n{}\n{fence}\n", line.ordinal, says.trim_end())
}

/// A name as code in a line.
fn code(name: &str) -> String {
    format!("`{}`", short(name, 60).replace('`', "'"))
}

/// The longest row of backticks in a text.
fn longest(says: &str) -> usize {
    says.split(|it| it != '`').map(str::len).max().unwrap_or_default()
}

/// The log that the steps were read from.
fn log(of: &Of) -> Result<File, Fault> {
    if of.log.ends_with(".db") {
        return Err(Fault::refused(format!(
            "{} is a database of many sessions, which has no log of one",
            short(&of.log, 200)
        ))
        .hint("export it without --raw"));
    }
    File::open(&of.log).map_err(|error| {
        Fault::missing(format!("the log {} cannot be read any more: {error}", short(&of.log, 200)))
            .hint("what was stored of it is exported without --raw")
    })
}

/// A file of this user alone.
fn create(to: &Path, force: bool) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Fault::refused(format!("{} is there already", to.display()))
            .hint("name another file, or say --force to write over it"),
        _ => not_written(to, &error),
    })
}

fn not_written(to: &Path, error: &io::Error) -> Fault {
    Fault::environment(format!("{} cannot be written: {error}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_cannot_end_its_fence() {
        let kind = StepKind::Message { text: "```\n# No title\n````".to_owned() };
        let told = told(&Line { ordinal: 3, at: None, kind });
        assert_eq!(told, "\n## 3. Message\n\n`````text\n```\n# No title\n````\n`````\n");
    }
}
