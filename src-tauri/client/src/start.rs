//! Starts the engine on demand: detached, with a log, once. Whoever comes second finds it running.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pilothouse_contract::session::{HELD, MARK};
use pilothouse_contract::{Fault, FaultCode};

use crate::{Client, Places};

/// The pauses before an engine that said it was ready is asked again, in milliseconds.
const AGAIN_MS: [u64; 5] = [20, 100, 300, 600, 1000];

/// Names, apart by spaces, the variables that a program of ours set for itself, so that the engine does not inherit them.
pub const UNSET: &str = "PILOTHOUSE_UNSET";

/// What a started engine says on its standard output, as its first and only line there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It answers at its socket, or another one does.
    Ready,
    /// It cannot be started.
    Failed(Fault),
}

/// The line for a start.
#[must_use]
pub fn readiness_line(start: &Start) -> String {
    match start {
        Start::Ready => "ready\n".to_owned(),
        Start::Failed(fault) => format!("{}\n", serde_json::to_string(fault).unwrap_or_default()),
    }
}

/// Connects to the engine; starts it first if none runs.
///
/// # Errors
/// In words, why it cannot be started.
pub async fn ensure_engine(places: &Places, program: &Path) -> Result<Client, Fault> {
    match Client::connect(places).await {
        Err(fault) if fault.code == FaultCode::Unreachable => {}
        other => return other,
    }
    // An engine that descends from a session would end with it.
    if [MARK, HELD].iter().any(|it| std::env::var_os(it).is_some()) {
        return Err(Fault::new(
            FaultCode::Unreachable,
            "the engine does not run, and a program inside a session does not start it",
        )
        .command("start it from a terminal of your own", "pilothouse engine start"));
    }
    let (places_there, program_there) = (places.clone(), program.to_owned());
    tokio::task::spawn_blocking(move || start(&places_there, &program_there))
        .await
        .map_err(|error| Fault::bug(error.to_string()))??;
    // It may be killed between its word and our first one; its watcher starts it again.
    let mut again = AGAIN_MS.into_iter();
    loop {
        match (Client::connect(places).await, again.next()) {
            (Err(fault), Some(ms)) if fault.code == FaultCode::Unreachable => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            (done, _) => return done,
        }
    }
}

/// Starts the engine and waits for its word.
fn start(places: &Places, program: &Path) -> Result<(), Fault> {
    let cannot = |error: std::io::Error| {
        let fault = Fault::environment(format!("{} cannot be used: {error}", places.data.display()));
        match error.kind() {
            std::io::ErrorKind::StorageFull => {
                fault.hint("free some space there, then try again; nothing was changed")
            }
            _ => fault.hint("make it writable for you, or set PILOTHOUSE_HOME to a folder that is"),
        }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&places.data).map_err(cannot)?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(places.log()).map_err(cannot)?;
    let mut command = Command::new(program);
    // What a window set for itself is not for agents.
    for name in std::env::var(UNSET).unwrap_or_default().split_whitespace().chain([UNSET]) {
        command.env_remove(name);
    }
    let mut child = command
        .args(["engine", "watch", "--detached"])
        .current_dir(&places.data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| {
            Fault::environment(format!("{} could not be started: {error}", program.display()))
        })?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let _nothing_said = BufReader::new(out).read_line(&mut line);
    }
    // It is a child of this process until it ends, however that is: a window that tries again and again would be left with one dead
    // child for each try.
    let waits = std::thread::Builder::new().name("engine watch".to_owned()).stack_size(64 * 1024);
    let _unreaped = waits.spawn(move || child.wait());
    match line.trim() {
        "ready" => Ok(()),
        "" => Err(Fault::environment("the engine ended before it was ready")
            .hint(format!("its log says why: {}", places.log().display()))),
        fault => {
            Err(serde_json::from_str(fault)
                .unwrap_or_else(|_| Fault::bug(format!("the engine said: {fault}"))))
        }
    }
}
