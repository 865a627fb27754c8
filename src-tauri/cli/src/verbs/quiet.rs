//! `pilothouse quiet -- COMMAND`: runs a command and shows what of its output is worth reading; the whole is kept. Made for agents,
//! whose contexts are short; works for people too, and without an engine.
//!
//! Refuses to come between a command and its end: the exit code is the command's own, and where its output cannot be kept it is shown
//! whole, as if nobody were here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pilothouse_client::{Client, Places};
use pilothouse_contract::pace::{Tally, took};
use pilothouse_contract::session::{HELD, MARK};
use pilothouse_contract::{Fault, SessionId, ask, text};
use pilothouse_engine::policy::quiet::{Distilled, Lens, Ran, distil};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::desk::End;
use crate::out::Out;

/// Of a session so many logs are kept; the oldest go.
const LOGS_MAX: usize = 64;
/// So much of an output is kept, as of a check's: one that says more says it by mistake, and must not fill the disk.
const LOG_MAX: u64 = 256 * 1024 * 1024;
/// What the command left running may go on saying something; that is not waited for.
const REST: Duration = Duration::from_secs(1);
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
    tests: Option<Tally>,
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
    let (status, bytes) = match held_to_its_end(&args.command, &log).await {
        Ok(ended) => ended,
        Err(error) => {
            let _empty = std::fs::remove_file(&log.path);
            return Ok(not_run(&args.command, &error, out));
        }
    };
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let command = named(&args.command);
    let distilled = read(&log, &command, status, ms, bytes);
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
            tests: distilled.tests,
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

/// Runs the command with its output in the log. What asks this program to end is handed on to it. How it ended, and how many bytes
/// it said.
async fn held_to_its_end(command: &[String], log: &Log) -> io::Result<(ExitStatus, u64)> {
    let (program, rest) = command.split_first().map_or(("", command), |(it, rest)| (it.as_str(), rest));
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    // The keyboard's goes to both of us, and only one of us ends by it.
    let mut int = signal(SignalKind::interrupt())?;
    let (said, says) = io::pipe()?;
    let mut run = tokio::process::Command::new(program);
    run.args(rest).env(WITHIN, "1").stdout(Stdio::from(says.try_clone()?)).stderr(Stdio::from(says));
    let mut child = run.spawn()?;
    // It has the other end of the pipe until it is gone.
    drop(run);
    let (bytes, counted) = (Arc::new(AtomicU64::new(0)), log.file.try_clone()?);
    let counts = Arc::clone(&bytes);
    let mut kept = tokio::task::spawn_blocking(move || keep(said, counted, LOG_MAX, &counts));
    let pid = child.id().and_then(|it| rustix::process::Pid::from_raw(i32::try_from(it).ok()?));
    let hand_on = |signal| {
        if let Some(pid) = pid {
            let _gone = rustix::process::kill_process(pid, signal);
        }
    };
    let status = loop {
        tokio::select! {
            ended = child.wait() => break ended?,
            _ = term.recv() => hand_on(rustix::process::Signal::TERM),
            _ = hup.recv() => hand_on(rustix::process::Signal::HUP),
            _ = int.recv() => {}
        }
    };
    let _left_running = tokio::time::timeout(REST, &mut kept).await;
    Ok((status, bytes.load(Ordering::Relaxed)))
}

/// Keeps what is said in a file, so much of it at most; all of it is read, so that nobody who says it waits. On a full disk what does
/// not fit is counted and not kept.
fn keep(mut said: impl Read, mut file: File, most: u64, counts: &AtomicU64) {
    let mut piece = vec![0; 64 * 1024];
    let mut left = usize::try_from(most).unwrap_or(usize::MAX);
    loop {
        let length = match said.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if let Some(new) = piece.get(..length.min(left)).filter(|it| !it.is_empty()) {
            left = if file.write_all(new).is_ok() { left - new.len() } else { 0 };
        }
        counts.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Reads the log and distils it.
fn read(log: &Log, command: &str, status: ExitStatus, ms: u64, bytes: u64) -> Distilled {
    let (output, kept) = looked_through(&log.file).unwrap_or_default();
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let mut whole = log.path.display().to_string();
    if bytes > kept {
        whole.push_str(&format!(" (its first {} are kept)", text::size(kept)));
    }
    if kept > HEAD + TAIL {
        whole.push_str(&format!(
            " (looked through: the first {} and the last {} of it)",
            text::size(HEAD),
            text::size(TAIL)
        ));
    }
    let ended = format!("{ended} after {}", took(ms));
    let ran = Ran { command, exit: status.code(), ended: &ended, whole: &whole, bytes };
    distil(&output, &ran, Lens::of(command))
}

/// The beginning and the end of what is kept of an output, or all of it; and how long that is.
fn looked_through(file: &File) -> io::Result<(Vec<u8>, u64)> {
    let mut file = file.try_clone()?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let mut output = Vec::new();
    if bytes <= HEAD + TAIL {
        file.read_to_end(&mut output)?;
    } else {
        Read::by_ref(&mut file).take(HEAD).read_to_end(&mut output)?;
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
        tests: distilled.tests,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_endless_output_the_beginning_is_kept_and_all_of_it_is_counted() {
        let folder = std::env::temp_dir().join(format!("ph-quiet-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let log = begin(&folder).unwrap();
        let counts = AtomicU64::new(0);
        let said = io::repeat(b'x').take(300_000);
        keep(said, log.file.try_clone().unwrap(), 100_000, &counts);
        assert_eq!((counts.load(Ordering::Relaxed), log.path.metadata().unwrap().len()), (300_000, 100_000));
        // Only the newest logs are kept, and a number is never given again.
        for _ in 0..LOGS_MAX + 3 {
            begin(&folder).unwrap();
        }
        let kept = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!((kept, log.path.exists()), (LOGS_MAX, false));
        assert_eq!(begin(&folder).unwrap().number as usize, LOGS_MAX + 5);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
