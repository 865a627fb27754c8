//! `pilothouse quiet -- COMMAND`: runs a command and shows what of its output is worth reading; the whole is kept. Made for agents,
//! whose contexts are short; works for people too, and without an engine.
//!
//! Refuses to come between a command and its end: the exit code is the command's own, and where its output cannot be kept it is shown
//! whole, as if nobody were here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pilothouse_client::{Client, Places};
use pilothouse_contract::pace::took;
use pilothouse_contract::session::{HELD, MARK};
use pilothouse_contract::{Fault, SessionId, ask, text};
use pilothouse_engine::policy::quiet::{Distilled, Lens, Ran, distil};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::desk::End;
use crate::out::Out;

/// Of a session so many logs are kept; the oldest go.
const LOGS_MAX: usize = 64;
/// Of an output that is longer so much of its beginning and of its end is looked through.
const HEAD: u64 = 8 * 1024 * 1024;
const TAIL: u64 = 24 * 1024 * 1024;
/// An engine that does not take the word within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// What tells a shim that somebody is quiet already.
const WITHIN: &str = "PILOTHOUSE_QUIET";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// What came of it, for programs.
#[derive(Debug, Serialize)]
struct Told {
    command: String,
    exit: Option<i32>,
    ms: u64,
    shown: String,
    whole_bytes: u64,
    shown_bytes: u64,
    log: PathBuf,
    /// Whether an engine counted it.
    counted: bool,
}

/// A log of this session, empty yet.
struct Log {
    file: File,
    path: PathBuf,
    number: u32,
}

pub(crate) async fn run(args: Args, out: Out) -> End {
    let log = match folder().and_then(|it| begin(&it)) {
        Ok(log) => log,
        Err(why) => {
            out.aside(&format!("pilothouse: its output cannot be kept and is shown whole ({why})"));
            return Err(as_it_is(&args.command));
        }
    };
    let begun = Instant::now();
    let status = match held_to_its_end(&args.command, &log).await {
        Ok(status) => status,
        Err(error) => {
            let _empty = std::fs::remove_file(&log.path);
            return Ok(not_run(&args.command, &error, out));
        }
    };
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let command = named(&args.command);
    let distilled = read(&log, &command, status, ms);
    out.text(&distilled.shown);
    let counted = tell(&log, &command, status, ms, &distilled, out).await;
    if out.json {
        out.document(&Told {
            command,
            exit: status.code(),
            ms,
            shown: distilled.shown,
            whole_bytes: distilled.whole_bytes,
            shown_bytes: distilled.shown_bytes,
            log: log.path,
            counted,
        });
    }
    Ok(ExitCode::from(code(status)))
}

/// The exit code as a shell has it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|it| 128 + it));
    code.and_then(|it| u8::try_from(it & 0xff).ok()).unwrap_or(1)
}

/// Becomes the command. Comes back only if that cannot be.
fn as_it_is(command: &[String]) -> Fault {
    let (program, rest) = command.split_first().map_or(("", command), |(it, rest)| (it.as_str(), rest));
    let error = std::process::Command::new(program).args(rest).env(WITHIN, "1").exec();
    Fault::environment(format!("'{program}' could not be run: {error}"))
}

fn not_run(command: &[String], error: &io::Error, out: Out) -> ExitCode {
    let program = command.first().map(String::as_str).unwrap_or_default();
    let fault = Fault::environment(format!("'{program}' could not be run: {error}"))
        .hint("name a program that is on the PATH, then its arguments");
    let _its_code = out.fault(&fault);
    // As shells have it.
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// The command in a few words: its program by name, then its arguments.
fn named(command: &[String]) -> String {
    let mut words = command.iter();
    let program = words.next().map(String::as_str).unwrap_or_default();
    let name = Path::new(program).file_name().map_or(program.into(), |it| it.to_string_lossy());
    std::iter::once(name.as_ref()).chain(words.map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// Where logs are kept: with the session that this is in, or else in the data folder.
fn folder() -> Result<PathBuf, String> {
    let held = std::env::var_os(HELD).map(PathBuf::from).filter(|it| it.is_dir());
    let folder = match held {
        Some(session) => session.join("quiet"),
        None => Places::find().map_err(|fault| fault.message)?.data.join("quiet"),
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Begins the next log of a folder, and lets go of its oldest.
fn begin(folder: &Path) -> Result<Log, String> {
    let in_words = |error: io::Error| format!("{}: {error}", folder.display());
    let number = |it: &std::fs::DirEntry| it.file_name().to_str()?.strip_suffix(".log")?.parse::<u32>().ok();
    let entries = std::fs::read_dir(folder).map_err(in_words)?.flatten();
    let mut numbers: Vec<u32> = entries.filter_map(|it| number(&it)).collect();
    numbers.sort_unstable();
    for old in numbers.iter().rev().skip(LOGS_MAX - 1) {
        let _gone_already = std::fs::remove_file(folder.join(format!("{old}.log")));
    }
    let mut next = numbers.last().map_or(1, |it| it.saturating_add(1));
    loop {
        let path = folder.join(format!("{next}.log"));
        let made = File::options().read(true).append(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(file) => return Ok(Log { file, path, number: next }),
            // Another one began at the same moment.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && next < u32::MAX => next += 1,
            Err(error) => return Err(in_words(error)),
        }
    }
}

/// Runs the command with its output in the log. What asks this program to end is handed on to it.
async fn held_to_its_end(command: &[String], log: &Log) -> io::Result<ExitStatus> {
    let (program, rest) = command.split_first().map_or(("", command), |(it, rest)| (it.as_str(), rest));
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    // The keyboard's goes to both of us, and only one of us ends by it.
    let mut int = signal(SignalKind::interrupt())?;
    let mut child = tokio::process::Command::new(program)
        .args(rest)
        .env(WITHIN, "1")
        .stdout(Stdio::from(log.file.try_clone()?))
        .stderr(Stdio::from(log.file.try_clone()?))
        .spawn()?;
    let pid = child.id().and_then(|it| rustix::process::Pid::from_raw(i32::try_from(it).ok()?));
    let hand_on = |signal| {
        if let Some(pid) = pid {
            let _gone = rustix::process::kill_process(pid, signal);
        }
    };
    loop {
        tokio::select! {
            ended = child.wait() => return ended,
            _ = term.recv() => hand_on(rustix::process::Signal::TERM),
            _ = hup.recv() => hand_on(rustix::process::Signal::HUP),
            _ = int.recv() => {}
        }
    }
}

/// Reads the log and distils it.
fn read(log: &Log, command: &str, status: ExitStatus, ms: u64) -> Distilled {
    let (output, bytes) = looked_through(&log.file).unwrap_or_default();
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let place = log.path.display();
    let whole = if bytes > HEAD + TAIL {
        format!("{place} (looked through: the first {} and the last {})", text::size(HEAD), text::size(TAIL))
    } else {
        place.to_string()
    };
    let ended = format!("{ended} after {}", took(ms));
    let ran = Ran { command, exit: status.code(), ended: &ended, whole: &whole, bytes };
    distil(&output, &ran, Lens::of(command))
}

/// The beginning and the end of an output, or all of it; and how long it is.
fn looked_through(file: &File) -> io::Result<(Vec<u8>, u64)> {
    let mut file = file.try_clone()?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let mut output = Vec::new();
    if bytes <= HEAD + TAIL {
        file.read_to_end(&mut output)?;
    } else {
        file.by_ref().take(HEAD).read_to_end(&mut output)?;
        output.extend_from_slice(b"\n");
        file.seek(SeekFrom::Start(bytes - TAIL))?;
        file.take(TAIL).read_to_end(&mut output)?;
    }
    Ok((output, bytes))
}

/// Tells the engine, if this is inside a session. Whether it heard.
async fn tell(
    log: &Log,
    command: &str,
    status: ExitStatus,
    ms: u64,
    distilled: &Distilled,
    out: Out,
) -> bool {
    let session: Option<SessionId> = std::env::var(MARK).ok().and_then(|it| it.parse().ok());
    let Some(session) = session else { return false };
    let call = ask::took::Quiet {
        session,
        number: log.number,
        command: command.to_owned(),
        exit: status.code(),
        ms,
        whole: distilled.whole_bytes,
        shown: distilled.shown_bytes,
    };
    let telling = async { Client::connect(&Places::find()?).await?.call(call).await };
    match tokio::time::timeout(PATIENCE, telling).await {
        Ok(Ok(())) => true,
        Ok(Err(fault)) => {
            out.aside(&format!(
                "pilothouse: no engine counted this run ({}); its log is kept",
                fault.message
            ));
            false
        }
        Err(_) => {
            out.aside("pilothouse: the engine did not answer, so this run is not counted; its log is kept");
            false
        }
    }
}
