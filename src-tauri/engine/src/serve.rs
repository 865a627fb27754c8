//! The engine's socket: who calls is found out first, then frames are read, answered, streamed. Each connection is a
//! task of its own; a broken or slow peer costs itself only.

mod viewer;

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::FutureExt;
use pilothouse_contract::session::MARK;
use pilothouse_contract::wire::{self, Hello, Subscribe, Tag, Taken, take_frame};
use pilothouse_contract::{Fault, PROTOCOL, Record, Request, SessionId, dispatch};
use pilothouse_holder::proc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

use crate::answer::{Caller, Desk};
use crate::engine::Engine;

/// So often the engine looks whether its socket is still there: one look at one file, and sooner than a caller gives up.
const LOOK_FOR_SOCKET: Duration = Duration::from_secs(1);

/// Opens the engine's socket. Only for whoever has the lock of the data folder: what stands there is left over.
///
/// # Errors
/// In words, if it cannot be opened.
pub fn listen(socket: &Path) -> Result<UnixListener, Fault> {
    let in_words = |error: io::Error| {
        Fault::environment(format!("the socket {} cannot be opened: {error}", socket.display()))
            .hint("set PILOTHOUSE_HOME to a folder of yours")
    };
    if let Some(folder) = socket.parent() {
        make_ours(folder, in_words)?;
    }
    if socket.symlink_metadata().is_ok_and(|it| it.file_type().is_socket()) {
        std::fs::remove_file(socket).map_err(in_words)?;
    }
    let listener = UnixListener::bind(socket).map_err(in_words)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(in_words)?;
    Ok(listener)
}

/// Makes a folder that is the user's own and that nobody else may enter; refuses what is not, or is a link.
fn make_ours(folder: &Path, in_words: impl Fn(io::Error) -> Fault) -> Result<(), Fault> {
    if let Some(around) = folder.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(around).map_err(&in_words)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(in_words(error)),
        _ => {}
    }
    // Of the name itself, and not of what a link may point to.
    let it = rustix::fs::lstat(folder).map_err(|error| in_words(error.into()))?;
    let wrong = if it.st_uid != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if rustix::fs::FileType::from_raw_mode(it.st_mode) != rustix::fs::FileType::Directory {
        "is no folder of its own"
    } else {
        return std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(in_words);
    };
    Err(Fault::environment(format!("{} {wrong}: no socket is opened there", folder.display()))
        .hint("take it away, or set XDG_RUNTIME_DIR or PILOTHOUSE_HOME to a folder of yours"))
}

/// What makes the socket file the one that we opened; nothing if there is none.
fn file_of(socket: &Path) -> Option<(u64, u64)> {
    let it = socket.symlink_metadata().ok().filter(|it| it.file_type().is_socket())?;
    Some((it.dev(), it.ino()))
}

/// Serves until the engine is asked to end. A socket file that somebody deleted or replaced is made anew: without it
/// nobody could reach this engine, and none other may begin while it lives.
pub async fn serve(engine: &Engine, mut listener: UnixListener) {
    let socket = socket_in(&engine.inner.options.sockets);
    let mut ours = file_of(&socket);
    let mut look = tokio::time::interval(LOOK_FOR_SOCKET);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = engine.stopped() => return,
            _ = look.tick() => {
                if ours.is_some() && file_of(&socket) == ours {
                    continue;
                }
                match listen(&socket) {
                    Ok(anew) => {
                        tracing::warn!(socket = %socket.display(), "the socket was gone and is opened anew");
                        (listener, ours) = (anew, file_of(&socket));
                    }
                    Err(fault) => tracing::error!(%fault, "the socket is gone"),
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let engine = engine.clone();
                    tokio::spawn(async move {
                        if let Some(desk) = admit(&engine, &stream).await {
                            let _peer_gone = Connection::new(desk, stream).serve().await;
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a caller could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Finds out who calls: the user must be the engine's own; a program that descends from a session is that session's.
async fn admit(engine: &Engine, stream: &UnixStream) -> Option<Desk> {
    let peer = stream.peer_cred().ok()?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let sessions: Vec<(SessionId, u32, u32)> = {
        let fleet = engine.fleet();
        let running = fleet.sessions.values().filter_map(|it| {
            Some((it.id, it.running.as_ref()?.holder, it.running.as_ref()?.pid, it.end.is_none()))
        });
        running.filter(|(.., live)| *live).map(|(id, holder, pid, _)| (id, holder, pid)).collect()
    };
    let pid = u32::try_from(peer.pid()?).ok()?;
    // Reads of /proc.
    let own = std::process::id();
    // One that is gone has nobody below it.
    let watcher = engine.inner.options.watcher;
    let watcher = (std::os::unix::process::parent_id() == watcher && watcher > 1).then_some(watcher);
    let caller = tokio::task::spawn_blocking(move || who(pid, &sessions, own, watcher)).await;
    let caller = caller.unwrap_or(Caller::Unknown);
    Some(Desk { engine: engine.clone(), caller })
}

/// Whose a process is, by its line of ancestors. `own` is the engine's own process, `watcher` that which started it.
fn who(pid: u32, sessions: &[(SessionId, u32, u32)], own: u32, watcher: Option<u32>) -> Caller {
    let Some(line) = proc::ancestry(pid) else { return Caller::Unknown };
    // Ancestry goes before the mark: a program can take the mark off, or put another session's on.
    let ancestors = line.iter().take_while(|it| **it != own);
    for ancestor in ancestors.clone() {
        if let Some((session, ..)) =
            sessions.iter().find(|(_, holder, pid)| holder == ancestor || pid == ancestor)
        {
            return Caller::Session(*session);
        }
    }
    // A session whose beginning is not stored yet is known by its mark alone. It gets a session's rights by that, which are
    // less than anybody else's.
    let mut marks = ancestors.clone().filter_map(|it| proc::variable(*it, MARK)?.parse().ok());
    match marks.next() {
        Some(session) => Caller::Session(session),
        // What the engine itself started and no session holds is a filter or a driver that a repository gave to our git: it
        // is nobody's hand.
        None if line.contains(&own) => Caller::Unknown,
        // A daemon of a session whose holder died comes to the watcher, and may have taken its mark off.
        None if watcher.is_some_and(|it| line.contains(&it)) => Caller::Unknown,
        // What a session left running hangs below nobody of ours any more, and is in its control group still.
        None if ancestors.into_iter().any(|it| in_a_sessions_group(*it)) => Caller::Unknown,
        None => Caller::Person(user_name()),
    }
}

/// Whether a process is in the control group of a session. Source: proc_pid_cgroup(5).
fn in_a_sessions_group(pid: u32) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    own.split('/').any(crate::execution::held::is_group_of_a_session)
}

/// The name of the user that the engine, and so its caller, runs as.
fn user_name() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // name:password:id:…; source: passwd(5).
    let mut names = users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    names.next().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| format!("user {id}"))
}

struct Connection {
    desk: Desk,
    stream: UnixStream,
    received: Vec<u8>,
}

/// Why a connection ends.
type Over = io::Result<()>;

impl Connection {
    fn new(desk: Desk, stream: UnixStream) -> Self {
        Self { desk, stream, received: Vec::new() }
    }

    async fn serve(mut self) -> Over {
        let hello = Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() };
        self.send_value(Tag::Hello, &hello).await?;
        let Some((Tag::Hello, payload)) = self.receive().await? else { return Ok(()) };
        match wire::decode::<Hello>(&payload) {
            Ok(theirs) if theirs.protocol == PROTOCOL => {}
            Ok(theirs) => {
                let fault = Fault::refused(format!(
                    "the engine speaks protocol {PROTOCOL} (version {}), this program protocol {} (version {})",
                    hello.version, theirs.protocol, theirs.version
                ))
                .command("start the engine of this version", "pilothouse engine restart");
                return self.send_value(Tag::Fault, &fault).await;
            }
            Err(fault) => return self.send_value(Tag::Fault, &fault).await,
        }
        while let Some((tag, payload)) = self.receive().await? {
            match tag {
                Tag::Request => self.request(&payload).await?,
                Tag::Subscribe => return self.subscribe(&payload).await,
                Tag::Attach => return self.attach(&payload).await,
                Tag::View => return self.view(&payload).await,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    async fn request(&mut self, payload: &[u8]) -> Over {
        let answer = match wire::decode::<Request>(payload) {
            Ok(request) => self.answer(request).await,
            Err(fault) => Err(fault.command("start the engine of this version", "pilothouse engine restart")),
        };
        match answer {
            Ok(reply) => self.send(Tag::Reply, &reply).await,
            Err(fault) => self.send_value(Tag::Fault, &fault).await,
        }
    }

    async fn answer(&self, request: Request) -> Result<Vec<u8>, Fault> {
        self.desk.admit(request.access(), request.name())?;
        let name = request.name();
        // A defect in one answer is that answer's fault and nobody else's.
        AssertUnwindSafe(dispatch(&self.desk, request)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(call = name, "an answer panicked");
            Err(Fault::bug(format!("{name} ran into a defect of Pilothouse"))
                .hint("the engine's log says where"))
        })
    }

    /// Streams events: a snapshot or what was missed, then whatever comes. A subscriber that falls behind gets what it
    /// missed from the store.
    async fn subscribe(&mut self, payload: &[u8]) -> Over {
        let asked = match wire::decode::<Subscribe>(payload) {
            Ok(asked) => asked,
            Err(fault) => return self.send_value(Tag::Fault, &fault).await,
        };
        let mut live = self.desk.engine.subscribe();
        let mut last = match asked.after {
            Some(after) => after,
            None => {
                // As bytes, and not as a copy that would be made into bytes.
                let (seq, payload) = {
                    let fleet = self.desk.engine.fleet();
                    (fleet.seq, wire::encode(&*fleet).unwrap_or_default())
                };
                self.send(Tag::Snapshot, &payload).await?;
                seq
            }
        };
        last = self.catch_up(last).await?;
        loop {
            tokio::select! {
                gone = self.stream.readable() => {
                    gone?;
                    // A subscriber has nothing more to say but goodbye.
                    let mut piece = [0; 64];
                    match self.stream.try_read(&mut piece) {
                        Ok(0) => return Ok(()),
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Ok(()),
                        _ => {}
                    }
                }
                records = live.recv() => match records {
                    Ok(records) => {
                        let new: Vec<&Record> = records.iter().filter(|it| it.seq > last).collect();
                        if new.first().is_some_and(|it| it.seq != last + 1) {
                            last = self.catch_up(last).await?;
                        } else if let Some(newest) = new.last() {
                            last = newest.seq;
                            self.send_value(Tag::Records, &new).await?;
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => last = self.catch_up(last).await?,
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                }
            }
        }
    }

    /// Sends what is stored after a number; returns the number of the last record sent.
    async fn catch_up(&mut self, mut last: u64) -> io::Result<u64> {
        loop {
            let missed = match self.desk.engine.inner.store.records_after(last, 500).await {
                Ok(missed) => missed,
                Err(error) => {
                    self.send_value(Tag::Fault, &Fault::from(error)).await?;
                    return Ok(last);
                }
            };
            let Some(newest) = missed.last() else { return Ok(last) };
            last = newest.seq;
            self.send_value(Tag::Records, &missed).await?;
        }
    }

    async fn receive(&mut self) -> io::Result<Option<(Tag, Vec<u8>)>> {
        receive(&mut self.stream, &mut self.received).await
    }

    async fn send(&mut self, tag: Tag, payload: &[u8]) -> Over {
        self.stream.write_all(&wire::frame(tag, payload)).await
    }

    async fn send_value<T: serde::Serialize>(&mut self, tag: Tag, value: &T) -> Over {
        let payload = wire::encode(value).unwrap_or_default();
        self.send(tag, &payload).await
    }
}

/// Takes the next frame; nothing if the peer is gone or does not speak our protocol. Can be dropped half-way: what was
/// received stays in the buffer.
async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
) -> io::Result<Option<(Tag, Vec<u8>)>> {
    let mut piece = [0; 16 * 1024];
    loop {
        match take_frame(received) {
            Taken::Frame(tag, payload) => return Ok(Some((tag, payload))),
            Taken::Broken => return Ok(None),
            Taken::More => {}
        }
        match stream.read(&mut piece).await? {
            0 => return Ok(None),
            length => received.extend(piece.get(..length).unwrap_or_default()),
        }
    }
}

/// The engine's socket in a folder of sockets.
#[must_use]
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("engine.sock")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_the_engines_own_git_started_is_nobody() {
        let me = std::process::id();
        // Without our own environment, so that nothing marks it.
        let mut child =
            Command::new("cat").env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        assert!(matches!(who(pid, &[], me, None), Caller::Unknown), "a child of the engine");
        assert!(matches!(who(pid, &[], u32::MAX, None), Caller::Person(_)), "a child of somebody else");
        assert!(matches!(who(pid, &[], u32::MAX, Some(me)), Caller::Unknown), "what came to the watcher");
        let held = [(SessionId(4), pid, 1)];
        assert!(
            matches!(who(pid, &held, me, None), Caller::Session(SessionId(4))),
            "a holder is met before the engine"
        );
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(matches!(who(pid, &[], me, None), Caller::Unknown), "one that is gone");
    }
}
