//! How fast a session's bytes go to a page: what comes after silence at once, then one message a frame of the screen,
//! and never more on the way than the page keeps up with. Decides, and does nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At most one message in this time: more of them a second cost the page more than their bytes do.
const FRAME: Duration = Duration::from_millis(16);
/// So many bytes may be on the way to the page, or waited for in it.
pub const WINDOW: usize = 512 * 1024;

/// So many bytes go in one message. Who falls behind goes on at the end.
const MESSAGE: usize = 64 * 1024;
/// The time until the next after a full one. Drawing a screen that scrolled through takes more than a frame where there is no
/// graphics card; a flood that nobody can read leaves the frames between to the rest of the page.
const AFTER_FULL: Duration = Duration::from_millis(48);

/// One viewer's pace.
#[derive(Debug, Default)]
pub struct Pace {
    /// Where the waiting bytes begin.
    at: u64,
    waiting: Vec<u8>,
    /// What was sent and not taken note of yet: begin and end of each message.
    flying: VecDeque<(u64, u64)>,
    /// When the last message went, and how long the next one waits after it.
    sent: Option<(Instant, Duration)>,
}

impl Pace {
    /// The offset after the last byte that came.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at + self.waiting.len() as u64
    }

    /// Whether more may be read.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.free() > self.waiting.len()
    }

    /// Whether all that came was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes came. What does not follow on what waits takes its place.
    pub fn came(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.end() {
            self.waiting.clear();
        }
        if self.waiting.is_empty() {
            self.at = offset;
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// A painting of so many bytes was sent. What waits is forgotten: the viewer goes on from the painting's offset.
    pub fn painted(&mut self, offset: u64, bytes: usize) {
        self.waiting.clear();
        self.at = offset;
        self.flying.push_back((offset.saturating_sub(bytes as u64), offset));
    }

    /// When the next message may go, if there is one.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        (!self.waiting.is_empty() && self.free() > 0)
            .then(|| self.sent.map_or(now, |(sent, wait)| sent + wait))
    }

    /// The next message: its offset and bytes.
    pub fn take(&mut self, now: Instant) -> (u64, Vec<u8>) {
        let length = self.waiting.len().min(self.free()).min(MESSAGE);
        let offset = self.at;
        let rest = self.waiting.split_off(length);
        let bytes = std::mem::replace(&mut self.waiting, rest);
        self.at += length as u64;
        self.flying.push_back((offset, self.at));
        self.sent = Some((now, if length == MESSAGE { AFTER_FULL } else { FRAME }));
        (offset, bytes)
    }

    /// The page has taken everything before an offset. An offset that was never sent counts as all that was.
    pub fn acknowledged(&mut self, offset: u64) {
        while self.flying.front().is_some_and(|(_, end)| *end <= offset) {
            self.flying.pop_front();
        }
        if let Some((begin, _)) = self.flying.front_mut() {
            *begin = offset.max(*begin);
        }
    }

    fn free(&self) -> usize {
        let flying: u64 = self.flying.iter().map(|(begin, end)| end - begin).sum();
        WINDOW.saturating_sub(usize::try_from(flying).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_go_at_once_and_then_one_message_a_frame() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.due(now), None);
        pace.came(10, b"ab");
        assert_eq!(pace.due(now), Some(now));
        assert_eq!(pace.take(now), (10, b"ab".to_vec()));
        pace.came(12, b"c");
        pace.came(13, b"d");
        assert_eq!(pace.due(now), Some(now + FRAME));
        assert_eq!(pace.take(now + FRAME), (12, b"cd".to_vec()));
        assert!(pace.is_empty() && pace.end() == 14);
    }

    fn sent_at_once(pace: &mut Pace, now: Instant) -> usize {
        let mut sent = 0;
        while let Some(due) = pace.due(now) {
            sent += pace.take(due).1.len();
        }
        sent
    }

    #[test]
    fn a_flood_goes_in_messages_that_leave_the_page_its_frame() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.came(0, &vec![7; 3 * MESSAGE / 2]);
        assert_eq!(pace.take(now).1.len(), MESSAGE);
        assert_eq!(pace.due(now), Some(now + AFTER_FULL));
        assert_eq!(pace.take(now + AFTER_FULL), (MESSAGE as u64, vec![7; MESSAGE / 2]));
        pace.came(pace.end(), b"x");
        assert_eq!(pace.due(now), Some(now + AFTER_FULL + FRAME));
    }

    #[test]
    fn never_more_than_the_window_is_on_the_way() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        while pace.has_room() {
            pace.came(pace.end(), &[7; 100_000]);
        }
        let came = pace.end();
        assert_eq!(sent_at_once(&mut pace, now), WINDOW);
        assert!(pace.due(now).is_none() && !pace.has_room());
        pace.acknowledged(1000);
        pace.came(came, &[8; 2000]);
        assert_eq!(pace.take(now), (WINDOW as u64, vec![7; 1000]), "just as much as was taken note of");
        pace.acknowledged(u64::MAX);
        assert_eq!(sent_at_once(&mut pace, now) as u64, came + 2000 - WINDOW as u64 - 1000);
    }

    #[test]
    fn what_was_skipped_is_not_sent_and_what_flies_still_counts() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.came(0, &vec![1; WINDOW]);
        assert_eq!(sent_at_once(&mut pace, now), WINDOW);
        pace.came(WINDOW as u64, &[2; 9]);
        pace.painted(90_000_000, 100);
        assert_eq!(pace.end(), 90_000_000);
        pace.came(90_000_000, &[3; 9]);
        assert!(pace.due(now).is_none());
        pace.acknowledged(WINDOW as u64);
        assert_eq!(pace.take(now), (90_000_000, vec![3; 9]));
        assert_eq!(pace.free(), WINDOW - 109, "the painting is on its way too");
        pace.acknowledged(90_000_000);
        assert_eq!(pace.free(), WINDOW - 9);
    }
}
