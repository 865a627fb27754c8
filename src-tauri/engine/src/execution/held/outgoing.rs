//! What is to be said to a session's holder, in its order and over deaths of holders, and what became of what was typed.
//! Pure: whoever has the connection writes and reads.

use std::collections::VecDeque;

use pilothouse_holder::wire::{ToHolder, VERSION};

/// What is typed goes to a holder in pieces of at most this.
const PIECE: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// What is still to be said. The first stays until all of its frame is written: of a frame that is cut off the holder
    /// does nothing.
    waiting: VecDeque<ToHolder>,
    frame: Vec<u8>,
    written: usize,
    /// Whether the frame is that of the first order; else it is a greeting.
    of_order: bool,
    /// The holder's version, once it said it.
    version: Option<u32>,
    /// How much was typed over this connection, and the pieces of which no word came: where each begins and ends.
    typed: u64,
    unanswered: VecDeque<(u64, u64)>,
    /// Bytes typed over connections that ended before a word of them came.
    uncertain: u64,
    /// The last grace that was given: every new holder has to be told again.
    grace: Option<u32>,
    /// The holder was told to make way: whoever comes in its place hears the rest.
    leaving: bool,
}

impl Outgoing {
    /// Takes an order in. The end of a session goes before everything that was typed.
    pub(super) fn take(&mut self, order: ToHolder) {
        match order {
            ToHolder::Stop(grace_ms) => {
                self.grace = Some(grace_ms);
                let at = usize::from(self.of_order && !self.frame.is_empty());
                self.waiting.insert(at.min(self.waiting.len()), order);
            }
            ToHolder::Input(bytes) => {
                self.waiting.extend(bytes.chunks(PIECE).map(|piece| ToHolder::Input(piece.to_vec())));
            }
            ToHolder::Share | ToHolder::Leave(_) if self.version.is_some_and(|it| it < 2) => {}
            // One that is to end needs no successor.
            ToHolder::Leave(_) if self.grace.is_some() => {}
            order => self.waiting.push_back(order),
        }
    }

    /// The grace that was given, if the session is to end.
    pub(super) fn grace(&self) -> Option<u32> {
        self.grace
    }

    /// A connection begins.
    pub(super) fn connected(&mut self) {
        self.frame = ToHolder::Hello(VERSION).frame();
        if let Some(grace_ms) = self.grace {
            self.frame.extend(ToHolder::Stop(grace_ms).frame());
        }
    }

    /// The holder said its version; from here on it can be told.
    pub(super) fn greeted(&mut self, version: u32) {
        self.version = Some(version);
        // Asked for anew, and only of one that knows what is meant.
        self.waiting.retain(|it| *it != ToHolder::Share);
        if version >= 2 {
            self.waiting.push_front(ToHolder::Share);
        }
    }

    /// The bytes to be written next; none if there is nothing to say.
    pub(super) fn next(&mut self) -> &[u8] {
        // A holder makes way once there is a word of everything that was typed.
        let makes_way = matches!(self.waiting.front(), Some(ToHolder::Leave(_)));
        if self.frame.is_empty()
            && !self.leaving
            && (!makes_way || self.unanswered.is_empty())
            && let (Some(version), Some(order)) = (self.version, self.waiting.front())
        {
            self.frame = match order {
                ToHolder::Input(piece) if version >= 2 => ToHolder::Typed(self.typed, piece.clone()).frame(),
                order => order.frame(),
            };
            self.of_order = true;
        }
        self.frame.get(self.written..).unwrap_or_default()
    }

    /// So many of them were written.
    pub(super) fn wrote(&mut self, length: usize) {
        self.written += length;
        if self.written < self.frame.len() {
            return;
        }
        self.frame.clear();
        self.written = 0;
        if !std::mem::take(&mut self.of_order) {
            return;
        }
        match self.waiting.pop_front() {
            // An older holder never says what became of it.
            Some(ToHolder::Input(piece)) if self.version.is_some_and(|it| it >= 2) => {
                let begin = self.typed;
                self.typed += piece.len() as u64;
                self.unanswered.push_back((begin, self.typed));
            }
            Some(ToHolder::Leave(_)) => self.leaving = true,
            _ => {}
        }
    }

    /// The holder does not make way after all.
    pub(super) fn stays(&mut self) {
        self.leaving = false;
        let going = self.of_order && !self.frame.is_empty();
        let mut at = 0;
        self.waiting.retain(|it| {
            at += 1;
            (going && at == 1) || !matches!(it, ToHolder::Leave(_))
        });
    }

    /// The program took everything before an offset, but for what was thrown away.
    pub(super) fn took(&mut self, end: u64) {
        while self.unanswered.front().is_some_and(|(_, it)| *it <= end) {
            self.unanswered.pop_front();
        }
    }

    /// The piece that ends at an offset was thrown away, whatever becomes of those before it. Returns its length.
    pub(super) fn dropped(&mut self, end: u64) -> u64 {
        let found = self.unanswered.iter().position(|(_, it)| *it == end);
        let piece = found.and_then(|at| self.unanswered.remove(at));
        piece.map_or(0, |(begin, end)| end - begin)
    }

    /// The connection ended. What was not wholly written is said again to whoever holds it next; of what was, and has no
    /// answer, nothing is known. Returns whether the holder was told to make way.
    pub(super) fn lost(&mut self) -> bool {
        let left = self.leaving;
        self.uncertain += self.unanswered.drain(..).map(|(begin, end)| end - begin).sum::<u64>();
        let anew = |it: &ToHolder| matches!(it, ToHolder::Share | ToHolder::Stop(_) | ToHolder::Leave(_));
        self.waiting.retain(|it| !anew(it));
        *self = Self {
            waiting: std::mem::take(&mut self.waiting),
            uncertain: self.uncertain,
            grace: self.grace,
            ..Self::default()
        };
        left
    }

    /// Bytes of which nobody knows whether they were taken, since this was last asked.
    pub(super) fn uncertain(&mut self) -> u64 {
        std::mem::take(&mut self.uncertain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted() -> Outgoing {
        let mut it = Outgoing::default();
        it.connected();
        assert_eq!(write(&mut it), ToHolder::Hello(VERSION).frame());
        it.greeted(VERSION);
        assert_eq!(write(&mut it), ToHolder::Share.frame());
        it
    }

    fn write(it: &mut Outgoing) -> Vec<u8> {
        let frame = it.next().to_vec();
        it.wrote(frame.len());
        frame
    }

    #[test]
    fn what_is_thrown_away_says_nothing_of_what_waits_before_it() {
        let mut it = greeted();
        for piece in [vec![b'a'; 10], vec![b'b'; 20], vec![b'c'; 30]] {
            it.take(ToHolder::Input(piece));
            write(&mut it);
        }
        assert_eq!(it.dropped(60), 30, "the last does not fit");
        assert_eq!(it.dropped(60), 0, "it is thrown away once");
        it.took(10);
        it.lost();
        assert_eq!(it.uncertain(), 20, "the second waits, and its holder died");
        assert_eq!(it.uncertain(), 0, "told once");
    }

    #[test]
    fn a_frame_that_was_cut_off_is_said_again_and_not_uncertain() {
        let mut it = greeted();
        it.take(ToHolder::Input(b"half".to_vec()));
        it.take(ToHolder::Resize(80, 24));
        it.next();
        it.wrote(6);
        it.take(ToHolder::Stop(5));
        it.lost();
        assert_eq!(it.uncertain(), 0);
        it.connected();
        assert_eq!(write(&mut it), [ToHolder::Hello(VERSION).frame(), ToHolder::Stop(5).frame()].concat());
        assert!(it.next().is_empty(), "nothing is typed before the holder said what it is");
        it.greeted(VERSION);
        assert_eq!(write(&mut it), ToHolder::Share.frame());
        assert_eq!(write(&mut it), ToHolder::Typed(0, b"half".to_vec()).frame());
        assert_eq!(write(&mut it), ToHolder::Resize(80, 24).frame());
        it.lost();
        assert_eq!(it.uncertain(), 4);
    }

    #[test]
    fn an_end_goes_before_what_was_typed() {
        let mut it = greeted();
        it.take(ToHolder::Input(b"first".to_vec()));
        it.next();
        it.wrote(1);
        it.take(ToHolder::Input(b"second".to_vec()));
        it.take(ToHolder::Stop(7));
        write(&mut it);
        assert_eq!(write(&mut it), ToHolder::Stop(7).frame());
        assert_eq!(write(&mut it), ToHolder::Typed(5, b"second".to_vec()).frame());
    }

    #[test]
    fn a_holder_makes_way_once_all_that_was_typed_is_answered_and_the_rest_is_for_its_successor() {
        let mut it = greeted();
        it.take(ToHolder::Input(b"before".to_vec()));
        it.take(ToHolder::Leave(b"/new".to_vec()));
        it.take(ToHolder::Input(b"after".to_vec()));
        assert_eq!(write(&mut it), ToHolder::Typed(0, b"before".to_vec()).frame());
        assert!(it.next().is_empty(), "there is no word of it yet");
        it.took(6);
        assert_eq!(write(&mut it), ToHolder::Leave(b"/new".to_vec()).frame());
        assert!(it.next().is_empty(), "it makes way");
        assert!(it.lost());
        assert_eq!(it.uncertain(), 0);
        it.connected();
        write(&mut it);
        it.greeted(VERSION);
        write(&mut it);
        assert_eq!(write(&mut it), ToHolder::Typed(0, b"after".to_vec()).frame());
        assert!(!it.lost());
    }

    #[test]
    fn one_that_does_not_make_way_hears_the_rest_itself() {
        let mut it = greeted();
        it.take(ToHolder::Input(b"never taken".to_vec()));
        write(&mut it);
        it.take(ToHolder::Leave(b"/new".to_vec()));
        it.take(ToHolder::Resize(80, 24));
        assert!(it.next().is_empty());
        it.stays();
        assert_eq!(write(&mut it), ToHolder::Resize(80, 24).frame());
        it.take(ToHolder::Stop(1));
        it.take(ToHolder::Leave(b"/new".to_vec()));
        assert_eq!(write(&mut it), ToHolder::Stop(1).frame());
        assert!(it.next().is_empty(), "one that is to end needs no successor");
    }

    #[test]
    fn an_older_holder_is_told_in_its_own_words() {
        let mut it = Outgoing::default();
        it.connected();
        write(&mut it);
        it.greeted(1);
        it.take(ToHolder::Input(b"x".to_vec()));
        assert_eq!(write(&mut it), ToHolder::Input(b"x".to_vec()).frame());
        it.lost();
        assert_eq!(it.uncertain(), 0, "it never says what became of it");
    }
}
