//! A connection that looks at a session: its bytes from the log, or a painting of its screen first; what is typed, if it
//! has the keyboard. Whatever it does or fails to do, the session and the other viewers go on.

use std::io;
use std::time::{Duration, Instant};

use pilothouse_contract::facts::Seen;
use pilothouse_contract::session::Lease;
use pilothouse_contract::wire::{self, Attach, Ended, LeaseSeen, Size, Tag, View};
use pilothouse_contract::{Fault, SessionId};
use pilothouse_holder::log::LogReader;
use pilothouse_holder::wire::ToHolder;
use tokio::io::AsyncWriteExt;

use super::{Connection, Over, receive};
use crate::answer::{Caller, Taker};
use crate::execution::held::model::{LIVE_LINES, sane};
use crate::execution::held::{Hand, Key, Sessions};

/// A viewer gets bytes in pieces of at most this, so that none is waited for long.
const PIECE: usize = 64 * 1024;
/// A viewer that can be painted anew and is further behind than this is.
const TOO_FAR: u64 = 1024 * 1024;
/// More than this in the time between two paintings is a flood for who asks to be spared.
const FLOOD: u64 = 64 * 1024;
/// A painting that takes longer to catch up with its session than this is of what was drawn by then; the next one follows.
const PATIENCE: Duration = Duration::from_millis(100);
/// What has no screen to paint is shown from so many bytes before its end.
const TAIL: u64 = 256 * 1024;

/// What a viewer asks for.
struct Wish {
    session: SessionId,
    from: From,
    follow: bool,
    /// Whether it understands paintings and leases; with so many lines above the screen.
    paints: Option<usize>,
    keyboard: bool,
    again: bool,
    despite_question: bool,
    /// The time between two paintings of a flood; none if all bytes are wanted.
    spared: Option<Duration>,
}

enum From {
    /// A byte of the log; a negative number counts from the end.
    Byte(i64),
    /// A painting of the screen.
    Screen,
}

/// A viewer that is being served.
struct Viewer {
    number: u64,
    key: Key,
    wish: Wish,
    log: LogReader,
    at: u64,
    paint: bool,
    /// The terminal's size as this viewer knows it.
    size: Option<(u16, u16)>,
    told: Option<(Option<Lease>, bool)>,
    /// The frame that is being sent, and how much of it went.
    out: Vec<u8>,
    sent: usize,
    last: bool,
    flood: Flood,
}

/// How much a viewer that asks to be spared was sent lately.
struct Flood {
    /// When the time began for which bytes are counted.
    since: Instant,
    bytes: u64,
    /// Whether the screen alone is painted now.
    on: bool,
}

impl Connection {
    /// Streams a session's bytes; takes what is typed, if the viewer has the keyboard.
    pub(super) async fn attach(&mut self, payload: &[u8]) -> Over {
        match wire::decode::<Attach>(payload) {
            Ok(asked) => {
                let wish = Wish {
                    session: asked.session,
                    from: From::Byte(asked.from),
                    follow: asked.follow,
                    paints: None,
                    keyboard: asked.keyboard,
                    again: false,
                    despite_question: false,
                    spared: None,
                };
                self.watch(wish).await
            }
            Err(fault) => self.send_value(Tag::Fault, &fault).await,
        }
    }

    /// As [`Self::attach`], with paintings and leases.
    pub(super) async fn view(&mut self, payload: &[u8]) -> Over {
        match wire::decode::<View>(payload) {
            Ok(asked) => {
                let from = asked.from.and_then(|it| i64::try_from(it).ok()).map_or(From::Screen, From::Byte);
                // To read out of the log takes a while: whoever types does not wait for that, and only people may ask for it.
                let is_person = matches!(self.desk.caller, Caller::Person(_));
                let most = if is_person && !asked.keyboard { usize::MAX } else { LIVE_LINES };
                let wish = Wish {
                    session: asked.session,
                    from,
                    follow: true,
                    paints: Some(usize::try_from(asked.lines_above).unwrap_or(usize::MAX).min(most)),
                    keyboard: asked.keyboard,
                    again: asked.again,
                    despite_question: asked.despite_question,
                    spared: (asked.flood_ms > 0).then(|| Duration::from_millis(asked.flood_ms.into())),
                };
                self.watch(wish).await
            }
            Err(fault) => self.send_value(Tag::Fault, &fault).await,
        }
    }

    async fn watch(&mut self, wish: Wish) -> Over {
        let session = wish.session;
        let Some(key) = self.desk.engine.key(session) else {
            return self
                .send_value(Tag::Fault, &Fault::missing(format!("there is no session {session}")))
                .await;
        };
        if !wish.keyboard {
            // Whoever types is written down as that.
            self.desk.peek(session).await;
        }
        let sessions = self.desk.engine.inner.sessions.clone();
        let number = sessions.next_viewer();
        if wish.keyboard {
            let hand = self.stream.peer_cred().ok().and_then(|it| it.pid());
            let hand = hand.and_then(|it| u32::try_from(it).ok()).and_then(Hand::of);
            let (again, despite_question) = (wish.again, wish.despite_question);
            let taker = Taker { viewer: number, hand, again, despite_question };
            if let Err(fault) = self.desk.take_keyboard(session, key, taker).await {
                return self.send_value(Tag::Fault, &fault).await;
            }
        }
        sessions.count_viewer(key, true);
        let streamed = self.stream_to(&sessions, number, key, wish).await;
        sessions.count_viewer(key, false);
        sessions.give_lease_back(key, number);
        streamed
    }

    async fn stream_to(&mut self, sessions: &Sessions, number: u64, key: Key, wish: Wish) -> Over {
        let mut log = sessions.log(key);
        let end = log.end()?;
        let (at, paint) = match wish.from {
            From::Byte(from) => {
                let away = from.unsigned_abs();
                (if from < 0 { end.saturating_sub(away) } else { away }, false)
            }
            From::Screen => (end, true),
        };
        let (out, told) = (Vec::new(), None);
        let size = sessions.size(key);
        let flood = Flood { since: Instant::now(), bytes: 0, on: false };
        let mut viewer =
            Viewer { number, key, wish, log, at, paint, size, told, out, sent: 0, last: false, flood };
        let mut sight = sessions.sight(key);
        let mut received = std::mem::take(&mut self.received);
        loop {
            let over = sight.as_mut().is_none_or(|it| it.borrow_and_update().end.is_some());
            if viewer.out.is_empty() {
                if viewer.last {
                    return Ok(());
                }
                viewer.fill(sessions).await?;
            }
            let due = viewer.due();
            if viewer.out.is_empty() && due.is_none() && (over || !viewer.wish.follow) {
                let ended = self.ended(viewer.wish.session);
                viewer.put(Tag::Ended, &wire::encode(&ended).unwrap_or_default());
                viewer.last = true;
            }
            let (mut read, mut write) = self.stream.split();
            // What is typed is taken while bytes wait to go: a flood must not keep Ctrl-C from its program.
            tokio::select! {
                wrote = write.write(viewer.rest()), if !viewer.out.is_empty() => {
                    let wrote = wrote?;
                    if wrote == 0 {
                        return Ok(());
                    }
                    viewer.went(wrote);
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() && viewer.out.is_empty() => {}
                changed = changed(&mut sight), if viewer.out.is_empty() && due.is_none() => changed,
                frame = receive(&mut read, &mut received) => match frame? {
                    Some((tag, payload)) => viewer.heard(sessions, tag, payload),
                    None => return Ok(()),
                }
            }
        }
    }

    fn ended(&self, session: SessionId) -> Ended {
        let fleet = self.desk.engine.fleet();
        let Some(it) = fleet.sessions.get(&session) else { return Ended { code: None, why: String::new() } };
        // The end may be written down and not yet told.
        let end = it.end.clone().or_else(|| {
            let exit = self.desk.engine.inner.sessions.place(it.into()).exit().ok().flatten()?;
            Some(crate::execution::held::end_of(&exit))
        });
        let code = end.as_ref().and_then(|end| match end.how {
            pilothouse_contract::session::Ending::Exited { code } => Some(code),
            _ => None,
        });
        let told = pilothouse_contract::session::Session { end, ..it.clone() };
        let why = told.derived(&Seen::default(), crate::perform::now()).why();
        Ended { code, why }
    }
}

async fn changed(sight: &mut Option<tokio::sync::watch::Receiver<crate::execution::held::Sight>>) {
    match sight {
        // Its sender is gone once it is over, and the look at it says so.
        Some(sight) => drop(sight.changed().await),
        None => std::future::pending().await,
    }
}

impl Viewer {
    fn put(&mut self, tag: Tag, payload: &[u8]) {
        self.out = wire::frame(tag, payload);
        self.sent = 0;
    }

    fn rest(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    fn went(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent >= self.out.len() {
            self.out.clear();
        }
    }

    /// Puts the next frame there, if there is one.
    async fn fill(&mut self, sessions: &Sessions) -> io::Result<()> {
        if let Some(lines_above) = self.wish.paints {
            let seen = (sessions.lease(self.key), sessions.has_lease(self.key, self.number));
            if self.told.as_ref() != Some(&seen) {
                self.told = Some(seen.clone());
                let seen = LeaseSeen { lease: seen.0, yours: seen.1 };
                self.put(Tag::Lease, &wire::encode(&seen).unwrap_or_default());
                return Ok(());
            }
            let end = self.log.end()?;
            // Whoever has the keyboard set the size and knows it; for the others the lines are laid out anew.
            let size = sessions.size(self.key);
            if size.is_some() && size != self.size {
                self.paint |= self.size.is_some() && !sessions.has_lease(self.key, self.number);
                self.size = size;
            }
            if self.due().is_some_and(|due| Instant::now() < due) {
                return Ok(());
            }
            let flooded = self.flooded(end);
            if flooded.is_none() && self.flood.on {
                return Ok(());
            }
            let wanted = std::mem::take(&mut self.paint);
            if wanted || flooded.is_some() || end > self.at + TOO_FAR {
                let lines_above = if flooded == Some(true) { 0 } else { lines_above };
                let drawn = sessions.drawn(self.key, lines_above, Some(PATIENCE)).await;
                let drawn = drawn.inspect_err(|error| {
                    tracing::warn!(session = %self.wish.session, %error, "its screen cannot be painted");
                });
                let Ok(Some(drawn)) = drawn else {
                    // Without a screen there are still the bytes, and no sparing of anybody.
                    (self.wish.spared, self.flood.on) = (None, false);
                    self.at = if wanted { end.saturating_sub(TAIL) } else { self.at };
                    return self.read();
                };
                // What is older than a screen keeps is read out of the log once, and not for every painting.
                self.wish.paints = self.wish.paints.map(|lines| lines.min(LIVE_LINES));
                // What it was shown already is not taken back, unless it is laid out anew.
                if drawn.offset < self.at && !wanted {
                    return self.read();
                }
                self.at = drawn.offset;
                self.size = Some((drawn.columns, drawn.rows));
                let mut payload = drawn.offset.to_le_bytes().to_vec();
                payload.extend_from_slice(&drawn.columns.to_le_bytes());
                payload.extend_from_slice(&drawn.rows.to_le_bytes());
                payload.extend_from_slice(&drawn.paint);
                self.put(Tag::Screen, &payload);
                return Ok(());
            }
        }
        self.read()
    }

    /// When a flood is looked at next, if there is one.
    fn due(&self) -> Option<Instant> {
        self.wish.spared.filter(|_| self.flood.on).map(|it| self.flood.since + it)
    }

    /// Whether the screen is painted because of a flood, and if so, whether the flood goes on. `end` is where the log ends.
    fn flooded(&mut self, end: u64) -> Option<bool> {
        let spared = self.wish.spared?;
        let waits = end.saturating_sub(self.at);
        if self.flood.since.elapsed() >= spared {
            let was = self.flood.on;
            self.flood = Flood { since: Instant::now(), bytes: 0, on: was && waits > FLOOD };
            if was {
                return Some(self.flood.on);
            }
        }
        self.flood.on = self.flood.bytes + waits > FLOOD;
        None
    }

    /// Puts the next bytes there, if there are any.
    fn read(&mut self) -> io::Result<()> {
        // What was dropped from the log is left out; the offset says so.
        self.at = self.log.there(self.at)?;
        let mut piece = vec![0; PIECE];
        let length = self.log.read_at(self.at, &mut piece)?;
        if let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) {
            let mut payload = self.at.to_le_bytes().to_vec();
            payload.extend_from_slice(read);
            self.put(Tag::Bytes, &payload);
            self.at += length as u64;
            self.flood.bytes += length as u64;
        }
        Ok(())
    }

    fn heard(&self, sessions: &Sessions, tag: Tag, payload: Vec<u8>) {
        if !sessions.has_lease(self.key, self.number) {
            return;
        }
        match tag {
            Tag::Input if !is_answer(&payload) => {
                sessions.typed(self.key);
                sessions.order(self.key, ToHolder::Input(payload));
            }
            Tag::Resize => {
                if let Ok(size) = wire::decode::<Size>(&payload) {
                    let (columns, rows) = sane(size.columns, size.rows);
                    sessions.order(self.key, ToHolder::Resize(columns, rows));
                }
            }
            _ => {}
        }
    }
}

/// Whether bytes are what a terminal says of itself and no person types: the engine answers for all viewers, and a second
/// answer would be taken for keys.
fn is_answer(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"\x1b") else { return false };
    match rest.split_first() {
        Some((b'[', rest)) => {
            let Some((last, numbers)) = rest.split_last() else { return false };
            let plain = |numbers: &[u8]| numbers.iter().all(|it| it.is_ascii_digit() || *it == b';');
            match last {
                // Device attributes, and states that were asked for.
                b'c' => matches!(numbers.first(), Some(b'?' | b'>' | b'=')),
                b'n' => plain(numbers) && !numbers.is_empty(),
                b'y' => numbers.ends_with(b"$"),
                // The cursor's place; row 1 is also how F3 with Shift, Alt or Ctrl is told.
                b'R' => plain(numbers) && numbers.contains(&b';') && !numbers.starts_with(b"1;"),
                b't' => plain(numbers) && numbers.contains(&b';'),
                _ => false,
            }
        }
        // Colours and the like, and strings that were asked for.
        Some((b']' | b'P', rest)) => rest.ends_with(b"\x07") || rest.ends_with(b"\x1b\\"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_says_of_itself_is_told_from_keys() {
        for answer in [
            &b"\x1b[?62;22c"[..],
            b"\x1b[>0;276;0c",
            b"\x1b[24;80R",
            b"\x1b[0n",
            b"\x1b[?2026;2$y",
            b"\x1b[8;40;120t",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1bP1$r0m\x1b\\",
        ] {
            assert!(is_answer(answer), "{}", String::from_utf8_lossy(answer));
        }
        for keys in [
            &b"c"[..],
            b"\x1b",
            b"\x1b[A",
            b"\x1b[1;2R",
            b"\x1bOP",
            b"\x1b[3~",
            b"\x1b[200~hi\x1b[201~",
            b"\x03",
        ] {
            assert!(!is_answer(keys), "{}", String::from_utf8_lossy(keys));
        }
    }
}
