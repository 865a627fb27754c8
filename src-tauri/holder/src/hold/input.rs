//! What was typed and not yet taken by the program, and the word that is owed to each who typed.

use std::collections::VecDeque;
use std::io;

use pilothouse_holder::wire::FromHolder;

/// Input that the program does not take is kept up to this much, then further input is thrown away.
const BACKLOG: usize = 4 * 1024 * 1024;

/// Input that waits.
#[derive(Default)]
pub(super) struct Input {
    bytes: VecDeque<u8>,
    /// How much was ever taken in, and how much of it the program took.
    queued: u64,
    given: u64,
    /// Where each frame ends in what was taken in, whose it is, and what that peer calls its end.
    frames: VecDeque<(u64, u64, u64)>,
}

impl Input {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes bytes of a peer in, and what it calls their end if it wants a word of them. Not if too much waits already.
    pub(super) fn put(&mut self, peer: u64, bytes: &[u8], end: Option<u64>) -> bool {
        if self.bytes.len() + bytes.len() > BACKLOG {
            return false;
        }
        self.bytes.extend(bytes);
        self.queued += bytes.len() as u64;
        self.frames.extend(end.map(|end| (self.queued, peer, end)));
        true
    }

    /// Gives what waits, as far as it is taken. Returns what is to be said, and to whom.
    pub(super) fn give(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> Vec<(u64, FromHolder)> {
        let mut words = Vec::new();
        while !self.bytes.is_empty() {
            match write(self.bytes.as_slices().0) {
                Ok(taken) => {
                    let taken = taken.min(self.bytes.len());
                    self.bytes.drain(..taken);
                    self.given += taken as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.bytes = VecDeque::new();
                    let taken = self.given;
                    self.given = self.queued;
                    let owed = self.frames.drain(..);
                    words.extend(owed.map(|(queued, peer, end)| match queued <= taken {
                        true => (peer, FromHolder::Took(end)),
                        false => (peer, FromHolder::Dropped(end)),
                    }));
                }
            }
        }
        while let Some((_, peer, end)) = self.frames.pop_front_if(|(queued, ..)| *queued <= self.given) {
            words.push((peer, FromHolder::Took(end)));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_said_of_each_frame_once_all_of_it_was_taken_or_none_will_be() {
        let mut input = Input::default();
        assert!(
            input.put(1, b"abc", Some(3)) && input.put(2, b"de", None) && input.put(2, b"fgh", Some(100))
        );
        let mut room = 4;
        let mut took = Vec::new();
        let mut write = |bytes: &[u8]| {
            let taken = bytes.len().min(room);
            room -= taken;
            took.extend_from_slice(&bytes[..taken]);
            if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        };
        assert_eq!(input.give(&mut write), [(1, FromHolder::Took(3))]);
        assert_eq!(input.give(|_| Err(io::ErrorKind::BrokenPipe.into())), [(2, FromHolder::Dropped(100))]);
        assert!(input.is_empty());
        assert_eq!(took, b"abcd");
        assert!(!input.put(1, &vec![0; BACKLOG + 1], Some(9)), "more than is kept");
    }
}
