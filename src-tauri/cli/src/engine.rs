//! The engine's own verbs. `engine watch` is the one-page parent that starts the engine again when it dies; `engine
//! serve` is the engine. Both are started by the client on demand.

mod before;

use std::io::{Read, Seek, Write};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Subcommand;
use pilothouse_client::{Client, Places, Start, readiness_line};
use pilothouse_contract::room::Slots;
use pilothouse_contract::{Fault, FaultCode, ask};
use pilothouse_engine::execution::held::PARK;
use pilothouse_engine::{Engine, Options, serve};
use pilothouse_holder::proc;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, clock};

/// The engine ended because another one has the data folder.
const ANOTHER: u8 = 3;
/// It could not start.
const CANNOT: u8 = 2;
/// A life shorter than this was a bad one: the next start waits longer.
const SHORT: Duration = Duration::from_secs(5);
const WAIT_LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start it in the background, if it does not run
    Start,
    /// Ask it to end; agents go on, and the next call starts it again
    Stop,
    /// Stop and start, to give it another environment
    Restart,
    /// Go over to the programs that are installed now, engine and holders, while agents go on
    Upgrade {
        /// Only say what would go on, which holders can make way and which cannot
        #[arg(long)]
        dry_run: bool,
    },
    /// Say whether it runs, since when, and with what
    Status,
    /// Keep this machine awake while runs are carried, or not; without a word say which
    KeepAwake {
        /// on or off
        #[arg(value_parser = ["on", "off"])]
        to: Option<String>,
    },
    /// Say how much may be worked at once over all projects, or choose it
    Slots {
        /// All together; 0 is without end
        #[arg(long)]
        total: Option<u32>,
        /// Queued runs begin while fewer runs than this are carried; 0 is without end
        #[arg(long)]
        runs: Option<u32>,
        /// With one agent, as in claude=3; claude=0 is without end
        #[arg(long, value_name = "AGENT=N", value_parser = agent_slots)]
        agent: Vec<(String, u32)>,
    },
    /// Say what goes on and what stops when the window, the engine, your log-in or the machine ends
    Survives,
    #[command(hide = true)]
    Watch {
        #[arg(long)]
        detached: bool,
    },
    #[command(hide = true)]
    Serve {
        #[arg(long, default_value_t = 0)]
        restarts: u32,
    },
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    match args.verb {
        None => watch(false, out).await,
        Some(Verb::Watch { detached }) => watch(detached, out).await,
        Some(Verb::Serve { restarts }) => serve(restarts).await,
        Some(Verb::Start) => {
            desk::engine().await?;
            status(out).await
        }
        Some(Verb::Stop) => stop(Some(out)).await,
        Some(Verb::Restart) => {
            stop(None).await?;
            desk::engine().await?;
            status(out).await
        }
        Some(Verb::Upgrade { dry_run: true }) => before::plan(out).await,
        Some(Verb::Upgrade { dry_run: false }) => upgrade(out).await,
        Some(Verb::Status) => status(out).await,
        Some(Verb::KeepAwake { to }) => {
            if let Some(to) = to {
                desk::call(ask::engine::KeepAwake { on: to == "on" }).await?;
            }
            let on = desk::call(ask::engine::Status {}).await?.keep_awake;
            out.value(&serde_json::json!({ "keep_awake": on }), |_| {
                if on {
                    "While runs are carried this machine is kept awake.".to_owned()
                } else {
                    "This machine may sleep while runs are carried; they stand still then. Keep it awake: pilothouse engine keep-awake on".to_owned()
                }
            });
            Ok(HOLDS)
        }
        Some(Verb::Slots { total, runs, agent }) => slots(total, runs, agent, out).await,
        Some(Verb::Survives) => before::survives(out).await,
    }
}

fn agent_slots(text: &str) -> Result<(String, u32), String> {
    let (agent, slots) = text.split_once('=').ok_or("write it as claude=3")?;
    Ok((agent.to_owned(), slots.parse().map_err(|_| format!("'{slots}' is not a number"))?))
}

async fn slots(total: Option<u32>, runs: Option<u32>, agents: Vec<(String, u32)>, out: Out) -> End {
    let mut slots = desk::call(ask::engine::Status {}).await?.slots;
    if total.is_some() || runs.is_some() || !agents.is_empty() {
        if let Some(runs) = runs {
            slots.runs = Some(runs).filter(|it| *it > 0);
        }
        if let Some(total) = total {
            slots.total = Some(total).filter(|it| *it > 0);
        }
        for (agent, n) in agents {
            if n == 0 {
                slots.agents.remove(&agent)
            } else {
                slots.agents.insert(agent, n)
            };
        }
        desk::call(ask::engine::SetSlots { slots: slots.clone() }).await?;
    }
    out.value(&slots, |slots| format!("At once over all projects: {slots}."));
    Ok(HOLDS)
}

/// The engine first, for a newer one knows older holders; then the holders, one hand always on every session.
async fn upgrade(out: Out) -> End {
    stop(None).await?;
    let upgraded = desk::engine().await?.call(ask::session::Upgrade {}).await?;
    let status = desk::call(ask::engine::Status {}).await?;
    let document =
        serde_json::json!({ "engine": status, "upgraded": upgraded.upgraded, "not": upgraded.not });
    out.value(&document, |_| {
        let mut says = format!("The engine runs as version {}: process {}.", status.version, status.pid);
        if !upgraded.upgraded.is_empty() {
            let names: Vec<String> = upgraded.upgraded.iter().map(ToString::to_string).collect();
            says.push_str(&format!("\nHeld by the new holder, and not interrupted: {}.", names.join(", ")));
        }
        for it in &upgraded.not {
            says.push_str(&format!("\n{} goes on with the holder it had: {}.", it.session, it.why));
        }
        says
    });
    Ok(if upgraded.not.is_empty() { HOLDS } else { desk::does_not_hold() })
}

async fn status(out: Out) -> End {
    let mut client = match Client::connect(&Places::find()?).await {
        Err(fault) if fault.code == FaultCode::Unreachable => {
            out.value(&serde_json::json!({ "running": false }), |_| {
                "The engine does not run. The next call starts it.".to_owned()
            });
            return Ok(desk::does_not_hold());
        }
        other => other?,
    };
    let status = client.call(ask::engine::Status {}).await?;
    let document = serde_json::json!({ "running": true, "engine": status });
    out.value(&document, |_| {
        let mut says = format!(
            "The engine runs: process {}, version {}, since {} UTC.\nData: {}\n{} sessions live, {} effects pending, {} events stored.",
            status.pid, status.version, clock(status.started), status.data, status.live_sessions, status.pending_effects, status.seq
        );
        if status.outdated {
            says.push_str("\nAnother program is installed in its place since: pilothouse engine upgrade");
        }
        if status.outdated_holders > 0 {
            says.push_str(&format!(
                "\n{} sessions are held by another program than the one installed now: pilothouse engine upgrade",
                status.outdated_holders
            ));
        }
        if status.restarts > 0 {
            says.push_str(&format!("\nIt was started again {} times by its watcher.", status.restarts));
        }
        if status.slots != Slots::default() {
            says.push_str(&format!("\nAt once over all projects: {}.", status.slots));
        }
        if let Some(halt) = &status.halt {
            let still = if halt.drained.is_some() { "nothing is at work" } else { "what is at work comes to its end" };
            says.push_str(&format!(
                "\nEverything is paused by {} since {} UTC, {still}: pilothouse run go-on",
                halt.by,
                clock(halt.at)
            ));
        }
        for alarm in &status.alarms {
            says.push_str(&format!("\nAlarm: {alarm}"));
        }
        says
    });
    Ok(if status.alarms.is_empty() { HOLDS } else { desk::does_not_hold() })
}

/// Asks the engine to end, and waits until it has.
async fn stop(out: Option<Out>) -> End {
    let places = Places::find()?;
    match ask_to_stop(&places).await {
        Ok(()) => {
            // Its lock is free once it is gone; a lock is waited for without looking again and again.
            let waited = tokio::task::spawn_blocking(move || wait_for_lock(&places)).await;
            waited.map_err(|error| Fault::bug(error.to_string()))??;
            if let Some(out) = out {
                out.value(&serde_json::json!({ "stopped": true }), |_| {
                    "The engine has ended. Agents go on.".to_owned()
                });
            }
        }
        Err(fault) if fault.code == FaultCode::Unreachable => {
            if let Some(out) = out {
                out.value(&serde_json::json!({ "stopped": false }), |_| "The engine did not run.".to_owned());
            }
        }
        Err(fault) => return Err(fault),
    }
    Ok(HOLDS)
}

/// One of another protocol cannot be told in words; it knows the signal.
async fn ask_to_stop(places: &Places) -> Result<(), Fault> {
    match Client::connect(places).await {
        Ok(mut client) => client.call(ask::engine::Stop {}).await,
        Err(fault) if fault.code == FaultCode::Refused => {
            let in_words = |error: std::io::Error| Fault::environment(error.to_string());
            let lock = std::fs::File::open(places.lock()).map_err(in_words)?;
            let is_held = rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared)
                == Err(rustix::io::Errno::WOULDBLOCK);
            let noted = std::fs::read_to_string(places.lock()).map_err(in_words)?;
            match noted.trim().parse().ok().filter(|_| is_held) {
                Some(pid) => proc::signal(pid, rustix::process::Signal::TERM),
                None => return Err(fault),
            }
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}

fn wait_for_lock(places: &Places) -> Result<(), Fault> {
    let file = std::fs::File::open(places.lock()).map_err(|error| Fault::environment(error.to_string()))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared)
        .map_err(|error| Fault::environment(error.to_string()))
}

/// Starts the engine, and starts it again whenever it dies. Ends when the engine was asked to, or cannot start.
async fn watch(detached: bool, out: Out) -> End {
    if detached {
        // A key pressed in the terminal that started us is not for us, nor is its end.
        let _leader_already = rustix::process::setsid();
    }
    let program = desk::program()?;
    let in_words =
        |error: std::io::Error| Fault::environment(format!("the engine could not be watched: {error}"));
    // Programs whose holder died come to us, whichever engine started them: somebody has to reap them, or nobody would
    // learn how they ended.
    #[cfg(target_os = "linux")]
    let _older_kernel = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(
        i32::try_from(std::process::id()).unwrap_or_default(),
    ));
    let mut died = signal(SignalKind::child()).map_err(in_words)?;
    let mut term = signal(SignalKind::terminate()).map_err(in_words)?;
    let mut int = signal(SignalKind::interrupt()).map_err(in_words)?;
    let mut restarts: u32 = 0;
    let mut wait = Duration::ZERO;
    loop {
        let begun = Instant::now();
        let mut child = tokio::process::Command::new(&program)
            .args(["engine", "serve", "--restarts", &restarts.to_string()])
            // What is given back goes to the system at once, and not when its thread next asks for something: one that drew a flood and
            // rests asks for nothing. Measured: 0.5 MiB for each of a hundred parked terminals, and 2.2 MiB by glibc's.
            .env("MIMALLOC_PURGE_DELAY", "0")
            // SQLite and zstd are served by glibc: else each of twenty threads keeps what the largest thing took that it ever did.
            .env("MALLOC_ARENA_MAX", "2")
            // And what is large comes from the system by itself and goes back there: by itself glibc raises both with the largest
            // thing that was given back, and from then on the next ones lie between small ones that stay.
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .env("MALLOC_TRIM_THRESHOLD_", "131072")
            .stdin(Stdio::null())
            // Only the first life tells whoever waits that it is ready.
            .stdout(match (restarts, detached) {
                (0, true) => Stdio::inherit(),
                (0, false) => Stdio::piped(),
                _ => Stdio::null(),
            })
            .spawn()
            .map_err(in_words)?;
        if let Some(said) = child.stdout.take() {
            tell(said, &child, out).await?;
        }
        let engine = child.id();
        let status = loop {
            tokio::select! {
                status = child.wait() => break status.map_err(in_words)?,
                _ = term.recv() => break end(&mut child).await?,
                _ = int.recv() => break end(&mut child).await?,
                _ = died.recv() => reap_adopted(engine),
            }
        };
        match status.code() {
            Some(0) => return Ok(HOLDS),
            // Whoever started us on demand goes to the other one.
            Some(code) if code == i32::from(ANOTHER) && detached => return Ok(HOLDS),
            Some(code) if code == i32::from(ANOTHER) => return Err(runs_already()?),
            Some(code) if code == i32::from(CANNOT) && restarts == 0 => return Ok(ExitCode::from(CANNOT)),
            _ => {}
        }
        restarts += 1;
        wait = if begun.elapsed() >= SHORT {
            Duration::ZERO
        } else {
            (wait * 2).max(Duration::from_millis(20)).min(WAIT_LONGEST)
        };
        tracing_line(&format!(
            "the engine ended ({status}); started again, for the {restarts}. time, in {wait:?}"
        ));
        tokio::time::sleep(wait).await;
    }
}

/// Reaps what came to us and has ended; the engine itself is waited for elsewhere.
fn reap_adopted(engine: Option<u32>) {
    let me = std::process::id();
    let ended = proc::all().into_values().filter(|it| it.parent == me && it.zombie && Some(it.pid) != engine);
    for process in ended {
        let pid = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw);
        let _gone = rustix::process::waitpid(pid, rustix::process::WaitOptions::NOHANG);
    }
}

/// Tells a person in the foreground what the engine said of its start.
async fn tell(
    said: tokio::process::ChildStdout,
    child: &tokio::process::Child,
    out: Out,
) -> Result<(), Fault> {
    let mut line = String::new();
    let _nothing = BufReader::new(said).read_line(&mut line).await;
    match serde_json::from_str::<Fault>(line.trim()) {
        Ok(fault) => Err(fault),
        Err(_) if line.trim() == "ready" && Client::connect(&Places::find()?).await.is_ok() => {
            let mine = std::fs::read_to_string(Places::find()?.lock()).unwrap_or_default();
            if mine.trim().parse() == Ok(child.id().unwrap_or_default()) {
                out.text(&format!("The engine runs, process {}. Ctrl-C ends it; agents go on.", mine.trim()));
            }
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

fn runs_already() -> Result<Fault, Fault> {
    let places = Places::find()?;
    let holder = std::fs::read_to_string(places.lock()).unwrap_or_default();
    let says = format!("an engine runs already for {}: process {}", places.data.display(), holder.trim());
    Ok(Fault::refused(says)
        .command("see how it does", "pilothouse engine status")
        .command("end it", "pilothouse engine stop"))
}

async fn end(child: &mut tokio::process::Child) -> Result<std::process::ExitStatus, Fault> {
    if let Some(pid) =
        child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
    {
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    child.wait().await.map_err(|error| Fault::environment(error.to_string()))
}

/// The engine.
async fn serve(restarts: u32) -> End {
    match begin(restarts).await {
        Ok(Some((engine, listener, lock))) => {
            say(&Start::Ready);
            let mut term =
                signal(SignalKind::terminate()).map_err(|error| Fault::environment(error.to_string()))?;
            let mut int =
                signal(SignalKind::interrupt()).map_err(|error| Fault::environment(error.to_string()))?;
            tokio::select! {
                () = serve::serve(&engine, listener) => {}
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            engine.close().await;
            // Freed by the end of this process and not before: until then some task of ours may still be at work, and no
            // other engine must be.
            std::mem::forget(lock);
            Ok(HOLDS)
        }
        Ok(None) => Ok(ExitCode::from(ANOTHER)),
        Err(fault) => {
            say(&Start::Failed(fault));
            Ok(ExitCode::from(CANNOT))
        }
    }
}

/// What a running engine holds for life.
type Begun = (Engine, tokio::net::UnixListener, std::fs::File);

/// Locks, then opens, then listens. Nothing if another engine has the lock.
async fn begin(restarts: u32) -> Result<Option<Begun>, Fault> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("PILOTHOUSE_LOG")
                .unwrap_or_else(|_| "info,sqlx=warn".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let places = Places::find()?;
    let cannot = |error: std::io::Error| {
        Fault::environment(format!("{} cannot be used: {error}", places.data.display()))
            .hint("make it writable for you, or set PILOTHOUSE_HOME to a folder that is")
    };
    std::fs::create_dir_all(&places.data).map_err(cannot)?;
    let mut lock = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(places.lock())
        .map_err(cannot)?;
    if !take(&lock, &places).await.map_err(cannot)? {
        return match another(&places, &mut lock).await {
            Some(fault) => Err(fault),
            None => Ok(None),
        };
    }
    let write = |lock: &mut std::fs::File| -> std::io::Result<()> {
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(format!("{}\n", std::process::id()).as_bytes())
    };
    write(&mut lock).map_err(cannot)?;
    let program = desk::program()?;
    let hold = program.with_file_name("pilothouse-hold");
    if !hold.is_file() {
        return Err(Fault::environment(format!(
            "{} is missing: it lies beside this program",
            hold.display()
        ))
        .hint("build or install both: cargo build --bins, or the package"));
    }
    let options = Options {
        data: places.data.clone(),
        worktrees: places.worktrees.clone(),
        sockets: places.sockets.clone(),
        hold,
        program,
        restarts,
        park: park()?,
        watcher: std::os::unix::process::parent_id(),
    };
    // Before anything is taken up, so that holders can be reached at once.
    let listener = serve::listen(&places.socket())?;
    let engine = Engine::open(options).await?;
    tracing::info!(pid = std::process::id(), restarts, data = %places.data.display(), "the engine runs");
    Ok(Some((engine, listener, lock)))
}

/// How long a screen at rest is kept ready to be drawn on, in milliseconds; for tests and benches, which have no minute.
const PARK_MS: &str = "PILOTHOUSE_PARK_MS";

/// After how long without a byte a screen is parked.
fn park() -> Result<Duration, Fault> {
    let Some(asked) = std::env::var_os(PARK_MS) else { return Ok(PARK) };
    let ms = asked.to_str().and_then(|it| it.parse().ok());
    ms.map(Duration::from_millis).ok_or_else(|| {
        let asked = pilothouse_contract::text::plain(&asked.to_string_lossy(), false);
        Fault::environment(format!("{PARK_MS} is '{asked}', which is no number of milliseconds"))
            .hint("take it out of the environment, or give it a number")
    })
}

/// So long is the lock asked for, and whoever has it, before that one is called stuck, in milliseconds.
const PAUSES_MS: [u64; 9] = [0, 20, 50, 100, 200, 400, 800, 1600, 1600];

/// Takes the lock of the data folder. Not if an engine that answers has it, or one that is stuck.
///
/// A lock may outlive its engine for a moment: a child that was forked off when the engine was killed holds it until it
/// becomes its own program. Whoever gave up then would leave nobody to carry on.
async fn take(lock: &std::fs::File, places: &Places) -> std::io::Result<bool> {
    for pause_ms in PAUSES_MS {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        match rustix::fs::flock(lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) if Client::connect(places).await.is_ok() => return Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Another engine has the data folder: if it answers, whoever waits may go to it. Else, the fault in words.
async fn another(places: &Places, lock: &mut std::fs::File) -> Option<Fault> {
    if Client::connect(places).await.is_ok() {
        say(&Start::Ready);
        return None;
    }
    let mut holder = String::new();
    let _unread = lock.read_to_string(&mut holder);
    let holder = holder.trim();
    let fault = Fault::environment(format!(
        "another engine, process {holder}, has {} and does not answer",
        places.data.display()
    ));
    Some(fault.command("end it", format!("kill {holder}")))
}

/// The one line for whoever started us.
fn say(start: &Start) {
    let mut out = std::io::stdout();
    let _nobody_listens = out.write_all(readiness_line(start).as_bytes()).and_then(|()| out.flush());
}

#[allow(clippy::print_stderr, reason = "goes into the engine's log")]
fn tracing_line(says: &str) {
    eprintln!("{says}");
}
