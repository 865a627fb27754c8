//! Held sessions as the engine sees them: started once, followed, written to, ended. The holder does the holding; what
//! the engine knows of a session it reads from the holder's folder, so that a restarted engine knows the same.
//!
//! A session is known by its [`Key`], and by nothing less: a database that was put back from a copy gives numbers again,
//! and must not take the sessions of its other life for its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilothouse_contract::session::{End, Lease, Limits, Mode, Pulse, Running, Session, Trouble};
use pilothouse_contract::{At, SessionId};
use pilothouse_holder::build;
use pilothouse_holder::log::LogReader;
use pilothouse_holder::place::{self, Asked, Exit, Place};
use pilothouse_holder::proc;
use pilothouse_holder::wire::{ToHolder, VERSION};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, watch};

pub use self::draw::{Drawn, LastRows};
pub use self::ends::end_of;
use self::follow::Follow;
pub use self::leases::Hand;
pub use self::tree::is_group_of_a_session;
use crate::ports::clock;

mod draw;
mod ends;
mod follow;
mod leases;
pub mod model;
mod older;
mod outgoing;
mod pack;
mod paint;
mod private;
pub mod tree;
mod upgrade;

/// Capacity of a log segment of an interactive session, in bytes.
const SEGMENT_PTY: u64 = 16 * 1024 * 1024;
/// After this long without a byte the screen of a session is parked, unless somebody says otherwise.
pub const PARK: Duration = Duration::from_secs(60);
/// Capacity of a log segment of a check, in bytes: they are many, and mostly say little.
const SEGMENT_PIPE: u64 = 1024 * 1024;

/// Which session: its number, and when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    id: SessionId,
    asked: At,
}

impl From<&Session> for Key {
    fn from(session: &Session) -> Self {
        Self { id: session.id, asked: session.asked }
    }
}

/// The name of its folder and its socket: `s12-mh2k4t1c`. The time is in base 36, for a socket's path must be short.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::new();
        let mut left = self.asked.0.unsigned_abs();
        while left > 0 || digits.is_empty() {
            let digit = u32::try_from(left % 36).unwrap_or_default();
            digits.push(char::from_digit(digit, 36).unwrap_or('0'));
            left /= 36;
        }
        write!(f, "{}-{}", self.id, digits.iter().rev().collect::<String>())
    }
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it is there.
    None,
    /// It was asked for; no holder ever had it.
    Asked,
    /// A holder has it, or cannot be told not to.
    Held,
    /// It ended, or its holder is gone. It is never started again.
    Over,
}

/// A reader of the log in a session's folder.
fn output_of(place: &Place) -> LogReader {
    LogReader::new(place.folder()).unpacking(|bytes| zstd::decode_all(bytes))
}

/// What is to be held.
#[derive(Debug, Clone)]
pub struct ToHold {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// How it is held.
    pub mode: Mode,
    /// Columns and rows of its terminal.
    pub size: (u16, u16),
    /// After this long it is ended; zero means never.
    pub limit: Duration,
    /// What it may use at most.
    pub limits: Limits,
    /// Whether what it leaves running when it ends by itself goes on.
    pub keep_rest: bool,
    /// Its whole environment.
    pub env: Vec<(String, OsString)>,
}

/// What is seen of a session.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// What moves.
    pub pulse: Pulse,
    /// How it ended, once it did.
    pub end: Option<End>,
    /// Which program file its holder runs; empty if it did not say.
    pub(crate) build: String,
    /// What keeps it from being held as it should be.
    pub trouble: Option<Trouble>,
    /// Who has the keyboard.
    pub lease: Option<Lease>,
    /// The viewer that has it.
    pub(crate) hand: Option<u64>,
    /// Where its log ended when output was lost last: once it goes on from there, output is kept again.
    pub(crate) lost_at: u64,
    /// How often holders handed out what they hold.
    pub(crate) shared: u64,
}

/// What is told of a session while it is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Another holder took over.
    Replaced {
        /// The process id of the new one.
        holder: u32,
        /// Bytes that were typed and of which nobody knows whether they were taken.
        uncertain_bytes: Option<u64>,
        /// Whether it made way for the other one, and did not die.
        planned: bool,
    },
    /// Something that whoever looks after it should know, in words.
    Notice(String),
    /// It ended.
    Ended(End),
}

struct Live {
    sight: watch::Sender<Sight>,
    orders: mpsc::UnboundedSender<ToHolder>,
    drawing: draw::Shared,
}

/// A holder that was started.
struct Begun {
    pid: u32,
    process: Option<OwnedFd>,
    out: Option<tokio::process::ChildStdout>,
}

impl Begun {
    /// Waits for its word. Whether it holds the session now.
    async fn said(&mut self) -> bool {
        let Some(out) = self.out.take() else { return false };
        let mut said = String::new();
        // One line, or the end of it: both say that it got as far as it will.
        let _eof = BufReader::new(out).read_line(&mut said).await;
        said == "held\n"
    }
}

/// All held sessions.
#[derive(Clone)]
pub struct Sessions {
    folder: PathBuf,
    sockets: PathBuf,
    program: PathBuf,
    live: Arc<Mutex<BTreeMap<Key, Live>>>,
    viewers: Arc<AtomicU64>,
    park: Duration,
    told: mpsc::UnboundedSender<(SessionId, Told)>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Sessions in a folder, held by a program, with sockets in a folder of short name. What becomes of them is told to `told`.
    #[must_use]
    pub fn new(
        folder: &Path,
        sockets: &Path,
        program: &Path,
        told: mpsc::UnboundedSender<(SessionId, Told)>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            sockets: sockets.to_owned(),
            program: program.to_owned(),
            live: Arc::default(),
            viewers: Arc::default(),
            park: PARK,
            told,
        }
    }

    /// The same, and screens are parked after so long without a byte.
    #[must_use]
    pub fn parking_after(self, park: Duration) -> Self {
        Self { park, ..self }
    }

    /// The folder of a session.
    #[must_use]
    pub fn place(&self, session: Key) -> Place {
        Place(self.folder.join(session.to_string()))
    }

    /// A reader of a session's log.
    #[must_use]
    pub fn log(&self, session: Key) -> LogReader {
        output_of(&self.place(session))
    }

    /// What was asked for, if it was.
    #[must_use]
    pub fn asked(&self, session: Key) -> Option<Asked> {
        self.place(session).asked().ok()
    }

    /// How far a session has come.
    #[must_use]
    pub fn stage(&self, session: Key) -> Stage {
        let place = self.place(session);
        match (place.exit(), place.is_held(), place.held()) {
            (Ok(Some(_)), ..) | (_, Ok(false), Ok(Some(_))) => Stage::Over,
            (Ok(None), Ok(false), Ok(None)) if place.asked().is_ok() => Stage::Asked,
            (Ok(None), Ok(false), Ok(None)) => Stage::None,
            // What cannot be looked at must not be begun anew.
            _ => Stage::Held,
        }
    }

    fn socket(&self, session: Key) -> PathBuf {
        self.sockets.join(format!("{session}.sock"))
    }

    /// Starts a session, or finds it started. Fails in words for people.
    ///
    /// # Errors
    /// If it could not be started, with the reason.
    pub async fn start(&self, session: Key, what: &ToHold) -> Result<Running, String> {
        let place = self.place(session);
        let limits = tree::asked(what.limits);
        let cgroup = self.group(session, what.limits)?;
        let asked = Asked {
            version: VERSION,
            argv: what.argv.clone(),
            cwd: what.cwd.clone(),
            mode: match what.mode {
                Mode::Pty => place::Mode::Pty,
                Mode::Pipe => place::Mode::Pipe,
            },
            columns: what.size.0,
            rows: what.size.1,
            segment_bytes: if what.mode == Mode::Pty { SEGMENT_PTY } else { SEGMENT_PIPE },
            log_max: 0,
            socket: self.socket(session),
            limit_ms: u64::try_from(what.limit.as_millis()).unwrap_or(u64::MAX),
            memory_max: limits.memory_max,
            cpu_max: limits.cpu_max,
            // Without a control group nobody would know later whose it is, and take it for a person's.
            keep_rest: what.keep_rest && cgroup.is_some(),
            cgroup,
        };
        let in_words = |error: io::Error| {
            format!("its folder {} could not be written: {error}", place.folder().display())
        };
        match place.make() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(in_words(error)),
        }
        private::is_private(&self.folder)?;
        private::is_private(place.folder())?;
        if place.asked().is_err() {
            place.write_asked(&asked).map_err(in_words)?;
        }
        self.start_holder(&place, &what.env).await?;
        self.running(session).await
    }

    /// Starts the holder of a session that was asked for and never had one.
    ///
    /// # Errors
    /// If it could not be started, with the reason.
    pub async fn start_again(&self, session: Key, env: &[(String, OsString)]) -> Result<Running, String> {
        self.start_holder(&self.place(session), env).await?;
        self.running(session).await
    }

    /// Starts a holder for a session. If there is one, or it is over, the new one goes away by itself.
    async fn start_holder(&self, place: &Place, env: &[(String, OsString)]) -> Result<(), String> {
        self.begin_holder(place, env, None)?.said().await;
        Ok(())
    }

    /// Starts a holder: for a program that is to be started, or, with a socket that descriptors come over, for one that
    /// runs.
    fn begin_holder(
        &self,
        place: &Place,
        env: &[(String, OsString)],
        over: Option<OwnedFd>,
    ) -> Result<Begun, String> {
        let errors = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(place.folder().join("holder.err"))
            .map_err(|error| {
                format!("its folder {} could not be written: {error}", place.folder().display())
            })?;
        let mut command = tokio::process::Command::new(&self.program);
        command.arg(place.folder());
        if over.is_some() {
            command.arg("--take-over");
        }
        let mut child = command
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(place.folder())
            .stdin(over.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|error| {
                format!("the holder {} could not be started: {error}", self.program.display())
            })?;
        let pid = child.id().unwrap_or_default();
        let process = child.id().and_then(proc::descriptor);
        let out = child.stdout.take();
        // Somebody has to reap it while this engine lives.
        tokio::spawn(async move { child.wait().await });
        Ok(Begun { pid, process, out })
    }

    /// Facts of the program that a holder started.
    ///
    /// # Errors
    /// If it was not started, with the reason.
    pub async fn running(&self, session: Key) -> Result<Running, String> {
        let place = &self.place(session);
        let in_words = |error: io::Error| format!("{}: {error}", place.folder().display());
        // A holder that another engine started may be between its lock and its note.
        for pause_ms in [0, 10, 20, 50, 100, 200, 400, 800] {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            if let Some(exit) = place.exit().map_err(in_words)?
                && let Some(why) = exit.not_started
            {
                return Err(why);
            }
            if let Some(held) = place.held().map_err(in_words)? {
                let at = std::fs::metadata(place.folder().join("holder.json"))
                    .and_then(|it| it.modified())
                    .ok()
                    .and_then(|it| it.duration_since(std::time::UNIX_EPOCH).ok())
                    .map_or_else(clock::now, |it| At(i64::try_from(it.as_millis()).unwrap_or_default()));
                return Ok(Running { holder: held.holder, pid: held.pid, at, native: None });
            }
            if !place.is_held().map_err(in_words)? {
                break;
            }
        }
        let said = std::fs::read_to_string(place.folder().join("holder.err")).unwrap_or_default();
        let said = said.trim();
        Err(if said.is_empty() { "its holder ended without a word".to_owned() } else { said.to_owned() })
    }

    /// Follows a session to its end. Following twice is following once.
    pub fn follow(&self, session: Key) {
        let (sight, _) = watch::channel(Sight::default());
        let (orders, taken) = mpsc::unbounded_channel();
        let drawing = self.open_drawing(session);
        {
            let mut live = self.lock();
            if live.contains_key(&session) {
                return;
            }
            live.insert(
                session,
                Live { sight: sight.clone(), orders: orders.clone(), drawing: drawing.clone() },
            );
        }
        tokio::spawn(draw::follow(drawing, session, sight.clone(), orders, self.park));
        let sessions = self.clone();
        tokio::spawn(async move {
            let end = Follow::new(&sessions, session, sight.clone(), taken).run().await;
            sight.send_modify(|it| {
                it.pulse.held = false;
                it.pulse.kept = false;
                it.pulse.output_bytes = end.output_bytes;
                it.pulse.lost_bytes = end.lost_bytes;
                it.end = Some(end.clone());
            });
            sessions.lock().remove(&session);
            sessions.tell(session, Told::Ended(end));
        });
    }

    fn tell(&self, session: Key, told: Told) {
        // Nobody listens only while the engine ends.
        let _ending = self.told.send((session.id, told));
    }

    /// Comes back once each session that lives is in two hands, or over, or says why it cannot come to that.
    pub async fn steady(&self) {
        // Each is asked again: what was last heard may have been said by one that was killed since.
        let asked: Vec<_> = self
            .lock()
            .values()
            .map(|it| {
                let sight = it.sight.subscribe();
                let shared = sight.borrow().shared;
                let _over = it.orders.send(ToHolder::Share);
                (sight, shared)
            })
            .collect();
        for (mut sight, shared) in asked {
            let in_two_hands = |it: &Sight| match &it.trouble {
                Some(Trouble::NoHolder { .. }) => true,
                Some(Trouble::OneHand { .. }) => it.pulse.held,
                None => it.end.is_some() || (it.pulse.held && it.pulse.kept && it.shared > shared),
            };
            // It is over as well if nobody follows it any more.
            let _over = sight.wait_for(in_two_hands).await;
        }
    }

    /// What is seen of a session, as it changes; nothing if it is not followed.
    #[must_use]
    pub fn sight(&self, session: Key) -> Option<watch::Receiver<Sight>> {
        self.lock().get(&session).map(|live| live.sight.subscribe())
    }

    /// What moves of a session now; nothing if it is not followed.
    #[must_use]
    pub fn pulse(&self, session: Key) -> Option<Pulse> {
        let build = build::of(&self.program);
        self.lock().get(&session).map(|live| {
            let sight = live.sight.borrow();
            let outdated = sight.pulse.held && build.is_some_and(|it| it != sight.build);
            Pulse { outdated, parked: live.drawing.is_parked(), ..sight.pulse }
        })
    }

    /// What keeps a session from being held as it should be; nothing if it is not followed, or is held well.
    #[must_use]
    pub fn trouble(&self, session: Key) -> Option<Trouble> {
        self.lock().get(&session).and_then(|live| live.sight.borrow().trouble.clone())
    }

    /// Sessions for which no holder can be started, with why.
    #[must_use]
    pub fn stranded(&self) -> Vec<(SessionId, String)> {
        let live = self.lock();
        let all = live.iter().filter_map(|(key, it)| match &it.sight.borrow().trouble {
            Some(Trouble::NoHolder { why }) => Some((key.id, why.clone())),
            _ => None,
        });
        all.collect()
    }

    /// A number for a viewer.
    #[must_use]
    pub fn next_viewer(&self) -> u64 {
        self.viewers.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a viewer in or out.
    pub fn count_viewer(&self, session: Key, comes: bool) {
        self.tell_pulse(session, |it| {
            it.viewers = if comes { it.viewers + 1 } else { it.viewers.saturating_sub(1) };
        });
    }

    /// Notes something in the pulse of a session that lives. Who looks at it is woken if that changed anything.
    pub fn tell_pulse(&self, session: Key, what: impl FnOnce(&mut Pulse)) {
        if let Some(live) = self.lock().get(&session) {
            live.sight.send_if_modified(|it| {
                let before = it.pulse;
                what(&mut it.pulse);
                it.pulse != before
            });
        }
    }

    /// Waits for a session's end.
    pub async fn end(&self, session: Key) -> End {
        if let Ok(Some(exit)) = self.place(session).exit() {
            return end_of(&exit);
        }
        self.follow(session);
        let Some(mut sight) = self.sight(session) else {
            // It ended while we looked.
            return match self.place(session).exit() {
                Ok(Some(exit)) => end_of(&exit),
                _ => self.lost(session, &self.place(session), false),
            };
        };
        let ended = sight.wait_for(|it| it.end.is_some()).await.ok().and_then(|it| it.end.clone());
        ended.unwrap_or_else(|| self.lost(session, &self.place(session), false))
    }

    /// Sessions that live and whose output is not written down just now, with how many bytes were not so far.
    #[must_use]
    pub fn unwritten(&self) -> Vec<(SessionId, u64)> {
        let live = self.lock();
        let lost = live.iter().filter_map(|(key, it)| {
            let sight = it.sight.borrow();
            let goes_on = sight.pulse.output_bytes > sight.lost_at;
            (sight.pulse.lost_bytes > 0 && !goes_on).then_some((key.id, sight.pulse.lost_bytes))
        });
        lost.collect()
    }

    /// Who has the keyboard of a session now.
    #[must_use]
    pub fn lease(&self, session: Key) -> Option<Lease> {
        self.lock().get(&session).and_then(|live| live.sight.borrow().lease.clone())
    }

    /// Gives an order to a session's holder. Returns whether the session is followed.
    pub fn order(&self, session: Key, order: ToHolder) -> bool {
        self.lock().get(&session).is_some_and(|live| live.orders.send(order).is_ok())
    }

    /// Sees to it that a session that was never started never is. Returns whether it is so: not if a holder has it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn prevent(&self, session: Key) -> io::Result<bool> {
        let place = self.place(session);
        match place.make() {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Whoever has the lock decides; a holder takes it before anything else.
        let lock = place.lock_file()?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        if place.held()?.is_some() || place.exit()?.is_some() {
            return Ok(false);
        }
        place.write_exit(&Exit {
            not_started: Some("it was stopped before it began".to_owned()),
            ..Exit::default()
        })?;
        Ok(true)
    }

    /// Ends a session: politely, then by force. Waits for its end.
    pub async fn stop(&self, session: Key, grace: Duration) -> End {
        self.follow(session);
        self.order(session, ToHolder::Stop(u32::try_from(grace.as_millis()).unwrap_or(u32::MAX)));
        self.end(session).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Live>> {
        self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
