//! Whoever is connected to a holder: their frames as they come, what is to be sent to them, and the descriptors that
//! they asked for. A peer that is slow, broken or talks nonsense is dropped, and costs itself only.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use pilothouse_holder::build;
use pilothouse_holder::hands;
use pilothouse_holder::wire::{FromHolder, Taken, ToHolder, VERSION, take_to_holder};

/// A peer that does not take even this much is dropped.
const BACKLOG: usize = 64 * 1024;

/// So many pieces are taken of a peer at once: one that never stops neither fills memory nor keeps the holder from its program.
const AT_ONCE: usize = 8;

/// One peer.
pub(crate) struct Peer {
    /// Its number; a connection has one for itself.
    pub(crate) id: u64,
    /// The connection.
    pub(crate) stream: UnixStream,
    /// What is still to be sent.
    pub(crate) to_send: Vec<u8>,
    /// Whether it is to be dropped.
    pub(crate) gone: bool,
    received: Vec<u8>,
    told: u64,
    told_lost: u64,
    greeted: bool,
    wants_hands: bool,
}

impl Peer {
    /// A connection, unless it is another user's.
    pub(crate) fn meet(id: u64, stream: UnixStream) -> Option<Self> {
        if stream.set_nonblocking(true).is_err() || !is_same_user(&stream) {
            return None;
        }
        let mut to_send = FromHolder::Hello(VERSION).frame();
        to_send.extend(build::own().map(|it| FromHolder::Build(it).frame()).unwrap_or_default());
        Some(Self {
            id,
            stream,
            to_send,
            gone: false,
            received: Vec::new(),
            told: u64::MAX,
            told_lost: 0,
            greeted: false,
            wants_hands: false,
        })
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_to_send(&self) -> bool {
        !self.to_send.is_empty() || self.wants_hands
    }

    /// Takes what came.
    pub(crate) fn listen(&mut self, asked: &mut Vec<(u64, ToHolder)>) {
        let mut piece = [0; 16 * 1024];
        for _ in 0..AT_ONCE {
            match self.stream.read(&mut piece) {
                Ok(length) if length > 0 => self.received.extend(piece.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.gone = true;
                    return;
                }
            }
            self.take_frames(asked);
            if self.gone {
                return;
            }
        }
    }

    fn take_frames(&mut self, asked: &mut Vec<(u64, ToHolder)>) {
        loop {
            match take_to_holder(&mut self.received) {
                Taken::Frame(ToHolder::Hello(_)) => self.greeted = true,
                Taken::Frame(ToHolder::Share) if self.greeted => self.wants_hands = true,
                Taken::Frame(frame) if self.greeted => asked.push((self.id, frame)),
                Taken::Unknown => {}
                Taken::More => return,
                Taken::Frame(_) | Taken::Broken => {
                    self.gone = true;
                    return;
                }
            }
        }
    }

    /// Tells how far the log has grown and how much of the output was not kept, if it takes it now: a peer that is
    /// behind hears of the newest state only. Returns whether there is something to send.
    pub(crate) fn tell(&mut self, published: u64, lost: u64) -> bool {
        let tells = self.to_send.is_empty() && (self.told, self.told_lost) != (published, lost);
        if tells {
            (self.told, self.told_lost) = (published, lost);
            self.to_send = FromHolder::Grew(published).frame();
            if lost > 0 {
                self.to_send.extend(FromHolder::Lost(lost).frame());
            }
        }
        tells
    }

    /// Sends what it takes now.
    pub(crate) fn send(&mut self, held: &[BorrowedFd<'_>]) {
        while !self.to_send.is_empty() {
            match self.stream.write(&self.to_send) {
                Ok(0) => break,
                Ok(sent) => drop(self.to_send.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
        if self.wants_hands && self.to_send.is_empty() {
            let frame = FromHolder::Shared(held.len() > 2).frame();
            match hands::send(&self.stream, &frame, held) {
                Ok(sent) => {
                    self.wants_hands = false;
                    self.to_send = frame.get(sent..).unwrap_or_default().to_vec();
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => self.gone = true,
            }
        }
        if self.to_send.len() > BACKLOG {
            self.gone = true;
        }
    }
}

#[cfg(target_os = "linux")]
fn is_same_user(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream.as_fd())
        .is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

#[cfg(not(target_os = "linux"))]
fn is_same_user(_stream: &UnixStream) -> bool {
    // The socket lies in a folder that only the user can enter.
    true
}
