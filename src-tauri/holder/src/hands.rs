//! What a hand on a session holds, and how it is handed on: the descriptor that the program's output comes from, the
//! lock of whoever may read it, and the program's process. They go over a local socket, so that the death of one holder
//! ends nothing.
//!
//! The lock is that of the session's folder. It is one lock, however many hands have it: as long as anybody has it the
//! session is held. Whoever keeps duplicates must not read; the one reader is the living holder.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// So many descriptors go at once, at most.
const MOST: usize = 3;

/// A hand on a session.
#[derive(Debug)]
pub struct Hands {
    /// The master of its terminal, or the end of its pipe.
    pub output: OwnedFd,
    /// The lock of its folder.
    pub lock: OwnedFd,
    /// The program's process, where the system has descriptors of processes.
    pub program: Option<OwnedFd>,
}

impl Hands {
    /// From the descriptors that came with [`crate::wire::FromHolder::Shared`], in their order. Nothing if they are too
    /// few; they are closed then.
    #[must_use]
    pub fn of(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut descriptors = descriptors.into_iter();
        Some(Self { output: descriptors.next()?, lock: descriptors.next()?, program: descriptors.next() })
    }

    /// The descriptors, in the order in which they are sent.
    #[must_use]
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let program = self.program.as_ref().map(AsFd::as_fd);
        [self.output.as_fd(), self.lock.as_fd()].into_iter().chain(program).collect()
    }
}

/// Sends bytes, and descriptors with the first of them. Returns how many bytes went; the descriptors go with any.
///
/// # Errors
/// Whatever the socket says.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if !with.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors at once"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut with, SendFlags::empty())?)
}

/// Receives bytes, and adds the descriptors that came with them. Returns how many bytes came; 0 if the peer is gone.
///
/// # Errors
/// Whatever the socket says.
pub fn receive(socket: impl AsFd, into: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let flags = RecvFlags::empty();
    let came = recvmsg(socket, &mut [IoSliceMut::new(into)], &mut with, flags)?;
    for message in with.drain() {
        if let RecvAncillaryMessage::ScmRights(those) = message {
            descriptors.extend(those);
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    for descriptor in descriptors.iter() {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(came.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_arrive_with_the_bytes_and_are_the_same_files() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut reads, writes) = UnixStream::pair().unwrap();
        let lock = tempfile::tempfile().unwrap();
        let sent = Hands { output: writes.into(), lock: lock.into(), program: None };
        assert_eq!(send(&here, b"ab", &sent.descriptors()).unwrap(), 2);
        drop(sent);
        let (mut piece, mut came) = ([0; 8], Vec::new());
        assert_eq!(receive(&there, &mut piece, &mut came).unwrap(), 2);
        let got = Hands::of(came).unwrap();
        assert!(got.program.is_none());
        std::fs::File::from(got.output).write_all(b"through").unwrap();
        let mut through = String::new();
        reads.read_to_string(&mut through).unwrap();
        assert_eq!(through, "through");
        assert!(Hands::of(Vec::new()).is_none());
    }
}
