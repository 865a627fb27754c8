//! `pilothouse session …`

use clap::Subcommand;
use pilothouse_contract::session::Mode;
use pilothouse_contract::{Fault, SessionId, ask};

use crate::desk::{self, End, HOLDS, id};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Sessions that live, and what says so
    List {
        /// Also those that ended
        #[arg(long)]
        all: bool,
    },
    /// Wait until the death of any one process of ours would end no session, then list them
    Steady,
    /// What stands on a session's screen, as text
    Screen {
        /// Its id
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
    },
    /// Start any command as a held session
    Start {
        /// The project it belongs to
        #[arg(long)]
        project: Option<String>,
        /// Hold it by pipes instead of a terminal
        #[arg(long)]
        pipe: bool,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// End a session with everything it started
    Kill {
        /// Its id
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { all } => {
            let lines = desk::call(ask::session::List { all }).await?;
            if out.json {
                let running = desk::call(ask::session::Processes {}).await?;
                out.document(&with_processes(&lines, &running));
            } else {
                out.value(&lines, |lines| list(lines));
            }
        }
        Verb::Steady => {
            let lines = desk::call(ask::session::Steady {}).await?;
            out.value(&lines, |lines| list(lines));
        }
        Verb::Screen { session } => {
            let page = desk::call(ask::session::Screen { session }).await?;
            out.value(&page, |page| page.text.join("\n"));
        }
        Verb::Start { project, pipe, command } => {
            let mode = if pipe { Mode::Pipe } else { Mode::Pty };
            let session = start(project.as_ref(), mode, command).await?;
            out.value(&session, |it| {
                format!("Session {} runs. Watch it: pilothouse attach {}", it.id, it.id)
            });
        }
        Verb::Kill { session } => {
            let session = desk::call(ask::session::Kill { session }).await?;
            out.value(&session, |it| format!("Session {} has ended, with everything it started.", it.id));
        }
    }
    Ok(HOLDS)
}

/// Each session with what runs of it.
fn with_processes(
    lines: &[ask::session::SessionLine],
    running: &[ask::session::ProcessesLine],
) -> Vec<serde_json::Value> {
    let with = |line: &ask::session::SessionLine| {
        let mut document = serde_json::to_value(line).unwrap_or_default();
        let mine = running.iter().find(|it| it.session == line.session.id);
        if let (Some(mine), Some(fields)) = (mine, document.as_object_mut()) {
            fields.insert("processes".to_owned(), serde_json::to_value(&mine.processes).unwrap_or_default());
        }
        document
    };
    lines.iter().map(with).collect()
}

/// Starts a command here.
pub(crate) async fn start(
    project: Option<&String>,
    mode: Mode,
    argv: Vec<String>,
) -> Result<pilothouse_contract::session::Session, Fault> {
    let project = desk::maybe_project(project).await?.map(|it| it.id);
    let cwd = std::env::current_dir()
        .map_err(|error| Fault::environment(format!("this folder cannot be used: {error}")))?;
    let size = crate::screen::size();
    let asked = ask::session::Start {
        project,
        argv,
        cwd: cwd.display().to_string(),
        mode,
        columns: size.columns,
        rows: size.rows,
    };
    desk::call(asked).await
}

fn list(lines: &[ask::session::SessionLine]) -> String {
    if lines.is_empty() {
        return "No sessions live. Hold one: pilothouse hold -- COMMAND   Those that ended: pilothouse session list --all".to_owned();
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let it = &line.session;
            let bytes = line
                .pulse
                .map(|it| it.output_bytes)
                .or(it.end.as_ref().map(|it| it.output_bytes))
                .unwrap_or_default();
            vec![
                it.id.to_string(),
                line.state.word().to_owned(),
                it.running.as_ref().map(|it| it.pid.to_string()).unwrap_or_default(),
                bytes.to_string(),
                short(&it.title, 50),
                short(&line.why, 70),
            ]
        })
        .collect();
    table(&["SESSION", "STATE", "PROCESS", "BYTES", "TITLE", "WHY"], &rows)
}
