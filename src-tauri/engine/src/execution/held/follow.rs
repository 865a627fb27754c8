//! Follows one session to its end: listens to its holder, keeps duplicates of what that holds, and when the holder dies
//! starts another one around the living program.
//!
//! Refuses to read the terminal: the one reader is the living holder. A holder that does not answer is not a dead one.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::time::Duration;

use pilothouse_contract::session::End;
use pilothouse_holder::hands::{self, Hands};
use pilothouse_holder::place::Place;
use pilothouse_holder::proc;
use pilothouse_holder::wire::{FromHolder, Taken, ToHolder, VERSION, take_from_holder};
use rustix::process::{Pid, test_kill_process};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use super::{Key, Sessions, Sight, Told, end_of};
use crate::ports::clock;

/// A holder that does not answer is tried again after this long, then twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);
/// What is typed goes to a holder in pieces of at most this.
const INPUT: usize = 64 * 1024;

pub(super) struct Follow<'a> {
    sessions: &'a Sessions,
    session: Key,
    place: Place,
    sight: watch::Sender<Sight>,
    orders: mpsc::UnboundedReceiver<ToHolder>,
    /// Duplicates of what the holder holds, once it handed them out.
    hands: Option<Hands>,
    /// The holder's process, once it was met: its end is the proof of its death.
    holder: Option<OwnedFd>,
    /// Offsets of what was typed over the present connection: sent, and known to have arrived.
    sent: u64,
    arrived: u64,
    /// The last grace that was given: a new holder has to be told again.
    stop: Option<u32>,
    pause: Duration,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        sessions: &'a Sessions,
        session: Key,
        sight: watch::Sender<Sight>,
        orders: mpsc::UnboundedReceiver<ToHolder>,
    ) -> Self {
        Self {
            sessions,
            session,
            place: sessions.place(session),
            sight,
            orders,
            hands: None,
            holder: None,
            sent: 0,
            arrived: 0,
            stop: None,
            pause: PAUSE,
        }
    }

    /// Follows it, over deaths of its holders, until it is over.
    pub(super) async fn run(mut self) -> End {
        // Where its holder listens was settled when it was asked for.
        let socket =
            self.place.asked().map_or_else(|_| self.sessions.socket(self.session), |asked| asked.socket);
        loop {
            if let Ok(stream) = UnixStream::connect(&socket).await {
                self.listen(stream).await;
                self.sight.send_modify(|it| it.pulse.held = false);
            }
            if let Ok(Some(exit)) = self.place.exit() {
                return end_of(&exit);
            }
            if self.is_dead() {
                // It may have ended between the two looks.
                if let Ok(Some(exit)) = self.place.exit() {
                    return end_of(&exit);
                }
                if self.hands.is_none() {
                    return self.sessions.lost(self.session, &self.place);
                }
                if self.replace().await {
                    continue;
                }
            }
            self.wait().await;
        }
    }

    /// Whether its holder is dead, as far as that can be proved.
    fn is_dead(&self) -> bool {
        match (&self.holder, &self.hands) {
            (Some(process), _) => proc::has_ended(process).unwrap_or(false),
            (None, None) => matches!(self.place.is_held(), Ok(false)),
            // The lock is ours too, so it proves nothing; where the system has no descriptors of processes, an id that
            // is free is a proof.
            (None, Some(_)) => self.place.held().ok().flatten().is_some_and(|held| {
                let pid = i32::try_from(held.holder).ok().and_then(Pid::from_raw);
                pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
            }),
        }
    }

    /// Waits a while, or until the holder is dead.
    async fn wait(&mut self) {
        let process = self.holder.as_ref().filter(|it| !proc::has_ended(it).unwrap_or(true));
        let process = process.and_then(|it| it.try_clone().ok()).and_then(wakes);
        let dies = async {
            match &process {
                Some(process) => drop(process.readable().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(self.pause) => self.pause = (self.pause * 2).min(PAUSE_LONGEST),
            () = dies => {}
        }
    }

    /// Starts another holder in the place of a dead one. Whether it holds the session now.
    async fn replace(&mut self) -> bool {
        match self.begin_successor().await {
            Ok(holder) => {
                let uncertain_bytes = self.sent - self.arrived;
                (self.sent, self.arrived) = (0, 0);
                tracing::warn!(session = %self.session, holder, uncertain_bytes, "its holder died; another one took over");
                self.sessions.tell(self.session, Told::Replaced { holder, uncertain_bytes });
                true
            }
            Err(why) => {
                tracing::error!(session = %self.session, why, "its holder died, and no other one could take over yet");
                false
            }
        }
    }

    async fn begin_successor(&mut self) -> Result<u32, String> {
        let hands = self.hands.as_ref().ok_or("nothing of it was kept")?;
        let in_words = |error: io::Error| format!("what it held could not be handed on: {error}");
        let (ours, theirs) = Pair::pair().map_err(in_words)?;
        hands::send(&ours, b"h", &hands.descriptors()).map_err(in_words)?;
        let mut begun = self.sessions.begin_holder(&self.place, &[], Some(theirs.into()))?;
        // From here on this is the holder whose death counts.
        self.holder = begun.process.take();
        if begun.said().await {
            return Ok(begun.pid);
        }
        let said = std::fs::read_to_string(self.place.folder().join("holder.err")).unwrap_or_default();
        Err(said.lines().last().unwrap_or("it ended without a word").to_owned())
    }

    /// Listens to a holder, and hands it orders, until the connection ends.
    async fn listen(&mut self, mut stream: UnixStream) {
        let pid = stream.peer_cred().ok().and_then(|it| it.pid()).and_then(|it| u32::try_from(it).ok());
        if let Some(process) = pid.and_then(proc::descriptor) {
            self.holder = Some(process);
        }
        (self.sent, self.arrived) = (0, 0);
        let mut greeting = ToHolder::Hello(VERSION).frame();
        if let Some(grace_ms) = self.stop {
            greeting.extend(ToHolder::Stop(grace_ms).frame());
        }
        if stream.write_all(&greeting).await.is_err() {
            return;
        }
        let (mut received, mut descriptors) = (Vec::new(), Vec::new());
        let mut piece = vec![0; 4096];
        let mut version = 1;
        loop {
            tokio::select! {
                readable = stream.readable() => {
                    let read = readable.and_then(|()| stream.try_io(Interest::READABLE, || {
                        hands::receive(&stream, &mut piece, &mut descriptors)
                    }));
                    match read {
                        Ok(0) => return,
                        Ok(length) => received.extend(piece.get(..length).unwrap_or_default()),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                }
                Some(order) = self.orders.recv() => {
                    if self.give(&mut stream, order, version).await.is_err() {
                        return;
                    }
                }
            }
            loop {
                match take_from_holder(&mut received) {
                    Taken::Frame(FromHolder::Hello(theirs)) => {
                        version = theirs;
                        self.pause = PAUSE;
                        self.sight.send_modify(|it| it.pulse.held = true);
                        if version != VERSION {
                            tracing::info!(session = %self.session, version, "a holder of another version");
                        }
                        let shares = version >= 2;
                        if shares && stream.write_all(&ToHolder::Share.frame()).await.is_err() {
                            return;
                        }
                    }
                    Taken::Frame(FromHolder::Ended) | Taken::Broken => return,
                    Taken::Frame(frame) => self.heard(frame, &mut descriptors),
                    Taken::Unknown => {}
                    Taken::More => break,
                }
            }
        }
    }

    fn heard(&mut self, frame: FromHolder, descriptors: &mut Vec<OwnedFd>) {
        match frame {
            FromHolder::Grew(end) => self.sight.send_modify(|it| {
                if end > it.pulse.output_bytes {
                    it.pulse.output_bytes = end;
                    it.pulse.last_output = Some(clock::now());
                }
            }),
            FromHolder::Shared(_) => {
                if let Some(hands) = Hands::of(std::mem::take(descriptors)) {
                    self.hands = Some(hands);
                    self.sight.send_modify(|it| {
                        it.pulse.kept = true;
                        it.shared += 1;
                    });
                }
            }
            FromHolder::Took(end) | FromHolder::Dropped(end) => self.arrived = self.arrived.max(end),
            FromHolder::Lost(bytes) => self.sight.send_modify(|it| it.pulse.lost_bytes = bytes),
            FromHolder::Hello(_) | FromHolder::Ended => {}
        }
    }

    /// Gives an order to a holder of a version.
    async fn give(&mut self, stream: &mut UnixStream, order: ToHolder, version: u32) -> io::Result<()> {
        match order {
            ToHolder::Input(bytes) => {
                for piece in bytes.chunks(INPUT) {
                    let frame = if version >= 2 {
                        ToHolder::Typed(self.sent, piece.to_vec())
                    } else {
                        ToHolder::Input(piece.to_vec())
                    };
                    // Counted first: of a frame that went half-way nobody knows either.
                    self.sent += piece.len() as u64;
                    stream.write_all(&frame.frame()).await?;
                }
                Ok(())
            }
            order => {
                if let ToHolder::Stop(grace_ms) = order {
                    self.stop = Some(grace_ms);
                }
                stream.write_all(&order.frame()).await
            }
        }
    }
}

/// The end of a process as something that wakes us.
#[allow(unsafe_code, reason = "tokio cannot know that a descriptor stays the same while it waits for it")]
fn wakes(process: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, and names the same file, for as long as it lives; nobody else has it.
    unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }.ok()
}
