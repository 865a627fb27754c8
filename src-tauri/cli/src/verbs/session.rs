//! `pilothouse session …`

use clap::Subcommand;
use pilothouse_contract::elsewhere::Elsewhere;
use pilothouse_contract::keys::typed;
use pilothouse_contract::rows::{Rows, Tile, Wanted};
use pilothouse_contract::session::{Limits, Mode, Session};
use pilothouse_contract::{Fault, SessionId, ask};

use crate::desk::{self, End, HOLDS, does_not_hold, id};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Sessions that live, and what says so
    List {
        /// Also those that ended
        #[arg(long)]
        all: bool,
    },
    /// Sessions of agents that were started in other terminals, in projects on the list; with an id what one of them did
    Elsewhere {
        /// The agent's own id of it
        id: Option<String>,
        /// Go on with it here, held like any other session, unless it runs
        #[arg(long, requires = "id")]
        go_on: bool,
        /// From this step on
        #[arg(long, default_value_t = 0)]
        from: u32,
        /// At most so many steps
        #[arg(long, default_value_t = 1000)]
        most: u32,
    },
    /// Wait until the death of any one process of ours would end no session, then list them
    Steady,
    /// What stands on a session's screen, as text
    Screen {
        /// Its id
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
    },
    /// The last rows of sessions as text; with --json their colours too
    Rows {
        /// Their ids
        #[arg(required = true, value_parser = id::<SessionId>)]
        sessions: Vec<SessionId>,
        /// So many rows of each, at most
        #[arg(long, default_value_t = 12)]
        rows: u16,
    },
    /// Start any command as a held session
    Start {
        /// The project it belongs to
        #[arg(long)]
        project: Option<String>,
        /// Hold it by pipes instead of a terminal
        #[arg(long)]
        pipe: bool,
        #[command(flatten)]
        limits: LimitArgs,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Call a session something else
    Rename {
        /// Its id
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
        /// What it is called from now on
        title: String,
    },
    /// Type into sessions: names of keys are pressed (Enter, Escape, Tab, Up, C-c, M-x, F1 …), all else is typed as it stands
    Send {
        /// Their ids, with commas between them
        #[arg(value_parser = id::<SessionId>, value_delimiter = ',', required_unless_present = "all")]
        sessions: Vec<SessionId>,
        /// To every session that lives in a terminal
        #[arg(long, conflicts_with = "sessions")]
        all: bool,
        /// Everything as it stands, names of keys too
        #[arg(long)]
        literal: bool,
        /// Even while a session waits for an answer
        #[arg(long)]
        despite_question: bool,
        /// To more than one session without being asked again
        #[arg(long)]
        yes: bool,
        /// What is typed
        #[arg(last = true, required = true)]
        keys: Vec<String>,
    },
    /// End what a session that is over left running: what it started, and nothing else
    Clean {
        /// Its id
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
    },
    /// End a session with everything it started
    Kill {
        /// Its id
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
    },
}

/// What a session may use at most, with everything it starts.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct LimitArgs {
    /// Memory that it may use, with everything it starts: 512MiB, 2GiB
    #[arg(long, value_parser = Limits::memory)]
    memory_max: Option<u64>,
    /// Processor time that it may use, with everything it starts: 150% is one and a half cores
    #[arg(long, value_parser = Limits::cpu)]
    cpu_max: Option<u32>,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self { memory_bytes: args.memory_max, cpu_percent: args.cpu_max }
    }
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { all } => {
            let lines = desk::call(ask::session::List { all }).await?;
            let running = desk::call(ask::session::Processes {}).await?;
            if out.json {
                out.document(&with_processes(&lines, &running));
            } else {
                out.value(&lines, |lines| list(lines, &running));
            }
        }
        Verb::Elsewhere { id: None, .. } => {
            let all = desk::call(ask::session::Elsewhere {}).await?;
            out.value(&all, |all| elsewhere(all));
        }
        Verb::Elsewhere { id: Some(native), go_on: true, .. } => {
            let session = desk::call(ask::session::GoOnElsewhere { native }).await?;
            out.value(&session, begun);
        }
        Verb::Elsewhere { id: Some(native), from, most, .. } => {
            let page = desk::call(ask::session::ReadElsewhere { native, from, most }).await?;
            out.value(&page, elsewhere_page);
        }
        Verb::Steady => {
            let lines = desk::call(ask::session::Steady {}).await?;
            let running = if out.json { Vec::new() } else { desk::call(ask::session::Processes {}).await? };
            out.value(&lines, |lines| list(lines, &running));
        }
        Verb::Screen { session } => {
            let page = desk::call(ask::session::Screen { session }).await?;
            out.value(&page, |page| page.text.join("\n"));
        }
        Verb::Rows { sessions, rows } => {
            let wanted = sessions.into_iter().map(|session| Wanted { session, have: None });
            let tiles = desk::call(Rows { sessions: wanted.collect(), most: rows }).await?;
            out.value(&tiles, |tiles| {
                let tile = |it: &Tile| format!("{}\n{}", it.session, it.text().join("\n"));
                tiles.iter().map(tile).collect::<Vec<_>>().join("\n\n")
            });
        }
        Verb::Start { project, pipe, limits, command } => {
            let mode = if pipe { Mode::Pipe } else { Mode::Pty };
            let session = start(project.as_ref(), mode, limits, command).await?;
            out.value(&session, begun);
        }
        Verb::Rename { session, title } => {
            let session = desk::call(ask::session::Rename { session, title }).await?;
            out.value(&session, |it| format!("Session {} is called: {}", it.id, short(&it.title, 70)));
        }
        Verb::Send { sessions, all, literal, despite_question, yes, keys } => {
            let sessions = if all { in_terminals().await? } else { sessions };
            let bytes = if literal { keys.concat().into_bytes() } else { typed(&keys) };
            if sessions.len() > 1 && !yes {
                let names: Vec<String> = sessions.iter().map(ToString::to_string).collect();
                return Err(Fault::refused(format!(
                    "this would type {} bytes into {} sessions: {}",
                    bytes.len(),
                    names.len(),
                    names.join(", ")
                ))
                .hint("say the same with --yes if that is meant"));
            }
            let lines = desk::call(ask::session::Type { sessions, bytes, despite_question }).await?;
            let failed = lines.iter().any(|it| it.fault.is_some());
            out.value(&lines, |lines| sent(lines));
            return Ok(if failed { does_not_hold() } else { HOLDS });
        }
        Verb::Clean { session } => {
            let cleaned = desk::call(ask::session::Clean { session }).await?;
            out.value(&cleaned, |it| match (it.ended.as_slice(), it.left.as_slice()) {
                ([], []) => format!("Nothing runs any more that session {session} started."),
                (ended, []) => format!("Ended: {}.", ended.join(", ")),
                (ended, left) => {
                    format!(
                        "Ended: {}. Still there, and cannot be killed: {}.",
                        ended.join(", "),
                        left.join(", ")
                    )
                }
            });
            if !cleaned.left.is_empty() {
                return Ok(does_not_hold());
            }
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
    limits: LimitArgs,
    argv: Vec<String>,
) -> Result<Session, Fault> {
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
        limits: limits.into(),
        environment: Some(ask::session::Environment(
            // What is no text cannot be told; nothing is known that needs such.
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )),
    };
    desk::call(asked).await
}

/// Every session that lives in a terminal.
async fn in_terminals() -> Result<Vec<SessionId>, Fault> {
    let lines = desk::call(ask::session::List { all: false }).await?;
    Ok(lines.iter().map(|it| &it.session).filter(|it| it.mode == Mode::Pty).map(|it| it.id).collect())
}

fn begun(it: &Session) -> String {
    format!("Session {} runs. Watch it: pilothouse attach {}", it.id, it.id)
}

fn elsewhere(all: &[Elsewhere]) -> String {
    if all.is_empty() {
        return "No agent works elsewhere in a project on the list, as far as the logs of Claude Code, Codex, Gemini CLI and opencode say."
            .to_owned();
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|it| {
            vec![
                it.native.clone(),
                short(&it.agent, 10),
                it.project.to_string(),
                crate::out::clock(it.written),
                short(&it.stands(), 50),
                short(&it.title, 60),
            ]
        })
        .collect();
    let table = table(&["ID", "AGENT", "PROJECT", "WRITTEN (UTC)", "STANDS", "ASKED FIRST"], &rows);
    format!("{table}\nWhat one did: pilothouse session elsewhere ID")
}

fn elsewhere_page(page: &ask::session::ElsewherePage) -> String {
    let it = &page.session;
    let mut says = format!(
        "{} of {} in {}, {}: {} steps ({} damaged lines), from {}\n",
        short(&it.native, 60),
        short(&it.agent, 10),
        short(&it.cwd, 200),
        it.stands(),
        page.steps_all,
        page.damaged,
        short(&it.file, 300)
    );
    if it.resume().is_some() {
        says.push_str(&format!("Go on with it here: pilothouse session elsewhere {} --go-on\n", it.native));
    }
    says.push('\n');
    says + &super::trajectory::lines(page.steps.iter().map(|it| (it.ordinal, &it.kind)), false)
}

fn sent(lines: &[ask::session::TypedLine]) -> String {
    if lines.is_empty() {
        return "No session lives in a terminal, so nothing was typed.".to_owned();
    }
    let line = |it: &ask::session::TypedLine| match &it.fault {
        None => format!("{}: typed", it.session),
        Some(fault) => format!("{}: {}", it.session, short(&fault.message, 120)),
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn list(lines: &[ask::session::SessionLine], running: &[ask::session::ProcessesLine]) -> String {
    if lines.is_empty() {
        return "No sessions live. Hold one: pilothouse hold -- COMMAND   Those that ended: pilothouse session list --all".to_owned();
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let it = &line.session;
            let mine = running.iter().find(|mine| mine.session == it.id);
            let claims =
                line.claim.as_ref().map(|it| format!("; claims: {}", it.words())).unwrap_or_default();
            vec![
                it.id.to_string(),
                format!("{}{claims}", line.state.word()),
                it.running.as_ref().map(|it| it.pid.to_string()).unwrap_or_default(),
                line.cursor.logged.to_string(),
                mine.map(|it| used(it, false)).unwrap_or_default(),
                mine.map(|it| used(it, true)).unwrap_or_default(),
                short(&it.title, 50),
                short(&line.why, 70),
            ]
        })
        .collect();
    table(&["SESSION", "STATE", "PROCESS", "BYTES", "IT USES", "WE USE", "TITLE", "WHY"], &rows)
}

/// Processor time and memory of what runs of a session now: of its programs, or of what is ours.
fn used(line: &ask::session::ProcessesLine, ours: bool) -> String {
    let of = line.processes.iter().filter(|it| it.ours == ours);
    let (cpu_ms, bytes) = of.fold((0, 0), |(cpu, bytes), it| (cpu + it.cpu_ms, bytes + it.memory_bytes));
    match bytes {
        0 => String::new(),
        _ => format!("{}.{} s {} MiB", cpu_ms / 1000, cpu_ms % 1000 / 100, bytes.div_ceil(1 << 20)),
    }
}
