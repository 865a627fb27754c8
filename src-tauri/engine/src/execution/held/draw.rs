//! The screen of a session, drawn from its log: continuously while it lives, so that what its program asks its terminal is
//! answered once and by nobody else; at rest and unseen it is parked as a few compressed bytes.
//!
//! A checkpoint beside the log says what the screen was at an offset, so that a restarted engine replays little. All of it
//! happens on the threads of [`turns`], a slice at a time.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pilothouse_contract::facts::Claim;
use pilothouse_holder::log::LogReader;
use pilothouse_holder::place::{self, Asked, Place};
use pilothouse_holder::wire::ToHolder;
use tokio::sync::{mpsc, oneshot, watch};

use self::checkpoint::{Checkpoint, answered, note_answered, read_checkpoint, write_checkpoint};
use super::model::{Alacritty, LIVE_LINES, Model};
use super::pack::pack;
use super::{Key, Sight, output_of};
use crate::ports::clock;

mod checkpoint;
mod looks;
mod rows;
mod turns;

pub use looks::Drawn;
pub use rows::LastRows;

/// A model takes this much at once, and no longer than this; then others get their turn.
const SLICE: usize = 16 * 1024;
const TURN: Duration = Duration::from_millis(8);
/// So often it is looked whether a turn is over.
const STEP: usize = 512;
/// So long after a key a session goes before the others.
const URGENT_MS: u64 = 2000;
/// A session that said a slice or more since the last look is looked at again after this long: what it says meanwhile is
/// drawn at once, instead of a few bytes at a time.
const GATHER: Duration = Duration::from_millis(2);
/// A checkpoint is written after so many bytes, and not more often than this.
const CHECKPOINT_BYTES: u64 = 2 * 1024 * 1024;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// No more of a log is drawn anew for older lines, from its end.
const DEEP_BYTES: u64 = 64 * 1024 * 1024;
/// A question that lies further back in the log than this when an engine begins is not answered any more.
const STALE: u64 = 64 * 1024;
/// Of a session that is so far ahead of its drawing lines that leave the live ones are not kept: more will.
const HURRY: u64 = 4 * 1024 * 1024;
/// Whoever looks at a tile waits this long for what was said since.
const LOOK: Duration = Duration::from_millis(100);

/// The drawing of one session.
pub(super) struct Drawing {
    place: Place,
    log: LogReader,
    model: Option<Box<dyn Model>>,
    /// Whether it is drawn from the log, without a checkpoint, for whatever can be had of older lines.
    whole: bool,
    /// Without a model: what to make it of.
    parked: Option<Checkpoint>,
    /// The size as it was asked for.
    asked: (u16, u16),
    at: u64,
    /// Up to here everything is known: bytes and sizes.
    known: u64,
    /// How long the file of size changes was when it was read, how many of them were taken, and those that lie ahead.
    sizes_length: u64,
    sizes_taken: usize,
    sizes: Vec<(u64, u16, u16)>,
    /// Questions before this byte are not answered.
    answer_from: u64,
    /// What the program says of itself, with when it said so, unless that was before this byte: then nobody knows.
    claim: Option<Claim>,
    heard_from: u64,
    /// Up to where there is a checkpoint beside the log, and when this engine wrote it, if it did.
    saved: (u64, Option<Instant>),
}

impl Drawing {
    /// From the last checkpoint, or the beginning.
    fn open(place: Place, asked: &Asked, whole: bool) -> io::Result<Self> {
        let mut log = output_of(&place);
        let end = log.end()?;
        // However far behind it lies it is gone on from: what a program set then holds until it says otherwise.
        let parked = read_checkpoint(&place).filter(|it| it.offset <= end && !whole);
        let at = match &parked {
            Some(it) => it.offset,
            None if whole => log.there(end.saturating_sub(DEEP_BYTES))?,
            None => log.there(0)?,
        };
        // One that is noted just here may have come after the checkpoint; taken twice it changes nothing.
        let behind: Vec<_> = place.sizes()?.into_iter().take_while(|(offset, ..)| *offset < at).collect();
        let size = behind.last().map_or((asked.columns, asked.rows), |(_, columns, rows)| (*columns, *rows));
        let answered = answered(&place);
        let claim = parked.as_ref().and_then(|it| it.claim.clone());
        Ok(Self {
            place,
            log,
            model: None,
            whole,
            parked,
            asked: size,
            at,
            known: at,
            sizes_length: 0,
            sizes_taken: behind.len(),
            sizes: Vec::new(),
            answer_from: end.saturating_sub(STALE).max(answered),
            claim,
            heard_from: end,
            saved: (at, None),
        })
    }

    fn model(&mut self) -> &mut dyn Model {
        let (parked, size) = (self.parked.take(), self.asked);
        let revive = || {
            Box::new(parked.map_or_else(|| Alacritty::new(size.0, size.1), |it| it.revive()))
                as Box<dyn Model>
        };
        self.model.get_or_insert_with(revive).as_mut()
    }

    /// Draws one slice. Whether there was any; and what is to be typed in answer to what the program asked.
    fn draw(&mut self) -> io::Result<(bool, Vec<u8>)> {
        // The oldest of the log may have been dropped before it was drawn.
        self.at = self.log.there(self.at)?;
        if self.at >= self.known {
            // The end first: a size is written down before anything that follows it, so all that are due before this end
            // are known after it.
            self.known = self.log.end()?;
            let length = std::fs::metadata(self.place.folder().join("sizes")).map_or(0, |it| it.len());
            if length != self.sizes_length {
                self.sizes_length = length;
                let all = self.place.sizes()?;
                self.sizes = all.get(self.sizes_taken..).unwrap_or_default().to_vec();
            }
        }
        let due = self.next_size();
        let mut piece = vec![0; SLICE];
        let ends = [Some(self.known), due, (self.at < self.answer_from).then_some(self.answer_from)];
        let most = ends.into_iter().flatten().min().unwrap_or_default().saturating_sub(self.at);
        let most = usize::try_from(most).unwrap_or(SLICE).min(SLICE);
        let length = self.log.read_at(self.at, piece.get_mut(..most).unwrap_or_default())?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else {
            return Ok((false, Vec::new()));
        };
        // What is drawn now will not be among the last lines.
        let hurries = !self.whole && self.known.saturating_sub(self.at) > HURRY;
        self.model().hurry(hurries);
        // A few bytes can be a lot of work.
        let begun = Instant::now();
        for step in read.chunks(STEP) {
            self.model().feed(step);
            self.at += step.len() as u64;
            if begun.elapsed() > TURN {
                break;
            }
        }
        // Whoever looks now sees it at the size that it has from here on.
        self.next_size();
        let mut answers = self.model().answers();
        self.heed();
        if self.at <= self.answer_from {
            answers.clear();
        }
        self.maybe_save();
        Ok((true, answers))
    }

    /// Notes what the program says of itself, once that is something else.
    fn heed(&mut self) {
        let said = self.model.as_ref().and_then(|it| it.claim());
        let known = self.claim.as_ref().map(|it| Claim { at: None, ..it.clone() });
        if said != known.as_ref() {
            let at = (self.at > self.heard_from).then(clock::now);
            self.claim = said.map(|it| Claim { at, ..it.clone() });
        }
    }

    /// Takes the size changes that are due; where the next one is.
    fn next_size(&mut self) -> Option<u64> {
        while let Some((offset, columns, rows)) = self.sizes.first().copied() {
            if offset > self.at {
                return Some(offset);
            }
            self.sizes.remove(0);
            self.sizes_taken += 1;
            if self.model().size() != (columns, rows) {
                self.model().resize(columns, rows);
            }
        }
        None
    }

    fn maybe_save(&mut self) {
        let (at, when) = self.saved;
        let lately = when.is_some_and(|it| it.elapsed() < CHECKPOINT_EVERY);
        if self.whole || self.at - at.min(self.at) < CHECKPOINT_BYTES || lately {
            return;
        }
        self.saved = (self.at, Some(Instant::now()));
        if let Some(mut checkpoint) = self.checkpoint(|model| model.snapshot(LIVE_LINES)) {
            // Without it a restart replays more, and nothing worse. All older lines are too much to be written so often.
            let _unwritten = write_checkpoint(&self.place, &mut checkpoint);
        }
    }

    /// What the screen is now, painted so, without the older lines packed.
    fn checkpoint(&mut self, paints: impl FnOnce(&mut dyn Model) -> Vec<u8>) -> Option<Checkpoint> {
        let (at, claim) = (self.at, self.claim.clone());
        let model = self.model();
        let (columns, rows) = model.size();
        let paint = zstd::encode_all(paints(model).as_slice(), 1).ok()?;
        Some(Checkpoint { offset: at, columns, rows, claim, older: None, paint })
    }

    fn park(&mut self) {
        if self.model.is_some()
            && let Some(mut checkpoint) = self.checkpoint(|model| model.live())
        {
            checkpoint.older = Some(std::mem::take(self.model().older()));
            // As above; with it an engine that begins replays nothing of a session at rest.
            self.saved = (self.at, Some(Instant::now()));
            let _unwritten = write_checkpoint(&self.place, &mut checkpoint);
            (self.model, self.parked) = (None, Some(checkpoint));
        }
    }

    /// Takes over what another drawing of the same log made of it.
    fn adopt(&mut self, mut other: Box<Self>) -> io::Result<()> {
        // What was said meanwhile is little; else the other one is of no use.
        if other.at <= self.at && self.at - other.at <= HURRY {
            while other.at < self.at {
                other.known = self.at;
                if !other.draw()?.0 {
                    return Ok(());
                }
            }
            if self.size() == other.size() {
                (self.model, self.parked) = (other.model, None);
            }
        }
        Ok(())
    }

    /// Looks at the screen; one that is parked stays so.
    fn look<T>(&mut self, looks: impl FnOnce(&mut dyn Model) -> T) -> T {
        match (&self.model, &self.parked) {
            (None, Some(parked)) => looks(&mut parked.revive()),
            _ => looks(self.model()),
        }
    }

    /// Columns and rows as far as it is drawn.
    fn size(&self) -> (u16, u16) {
        match (&self.model, &self.parked) {
            (Some(model), _) => model.size(),
            (None, Some(parked)) => (parked.columns, parked.rows),
            (None, None) => self.asked,
        }
    }

    fn drawn(&mut self, lines_above: usize) -> Drawn {
        let offset = self.at;
        self.look(|model| Drawn::of(model, offset, lines_above))
    }

    /// The same, unless so many of the lines were not kept that it would be fewer than these.
    fn kept(&mut self, lines_above: usize, least: usize) -> Option<Drawn> {
        let offset = self.at;
        self.look(|model| {
            // An editor's screen has nothing above it.
            let is_there = model.is_alternate() || model.reaches(least);
            is_there.then(|| Drawn::of(model, offset, lines_above))
        })
    }
}

/// The screen of a session, shared by whoever draws it and whoever looks at it.
pub(super) struct Screen {
    state: Mutex<State>,
    /// When it was last typed into: milliseconds since the first look at a clock, and one; 0 is never.
    typed: AtomicU64,
    /// Columns and rows, once it is drawn.
    size: AtomicU32,
    /// It is drawn up to this byte, once it is.
    drawn: AtomicU64,
    /// Whether it is kept as a few compressed bytes now.
    parked: AtomicBool,
    /// What its program says of itself.
    claim: Mutex<Option<Claim>>,
}

enum State {
    /// Nobody looked yet. It is opened by whoever draws it first.
    NotYet(Place, bool),
    Open(Box<Drawing>),
    /// It has no terminal, or none that could be drawn.
    None,
}

/// The drawing of a session that lives.
pub(super) type Shared = Arc<Screen>;

fn clock_ms() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

impl Screen {
    /// Of a session's folder; with all older lines that can be had, or from its checkpoint.
    fn new(place: Place, whole: bool) -> Shared {
        let state = Mutex::new(State::NotYet(place, whole));
        Arc::new(Self {
            state,
            typed: AtomicU64::new(0),
            size: AtomicU32::new(0),
            drawn: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            claim: Mutex::default(),
        })
    }

    /// Whether it is kept as a few compressed bytes now.
    pub(super) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    fn is_urgent(&self) -> bool {
        let typed = self.typed.load(Ordering::Relaxed);
        typed > 0 && clock_ms().saturating_sub(typed) < URGENT_MS
    }

    /// Does something with the drawing; nothing if there is none. For the threads that draw.
    fn with<T>(&self, does: impl FnOnce(&mut Drawing) -> io::Result<T>) -> io::Result<Option<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // After an error whoever looks next tries again.
        if let State::NotYet(place, whole) = &*state {
            *state = match place.asked() {
                Ok(asked) if asked.mode == place::Mode::Pty => {
                    State::Open(Box::new(Drawing::open(place.clone(), &asked, *whole)?))
                }
                // What has not started yet has no screen yet: whoever looks next tries again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
                Ok(_) => State::None,
            };
        }
        let State::Open(drawing) = &mut *state else { return Ok(None) };
        let done = does(drawing)?;
        let (columns, rows) = drawing.size();
        self.size.store(u32::from(columns) << 16 | u32::from(rows), Ordering::Relaxed);
        self.drawn.store(drawing.at, Ordering::Relaxed);
        self.parked.store(drawing.model.is_none() && drawing.parked.is_some(), Ordering::Relaxed);
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        if *claim != drawing.claim {
            claim.clone_from(&drawing.claim);
        }
        Ok(Some(done))
    }

    /// Draws up to an offset, or to the end, in turns with all others; then does something with it. With `patience` it
    /// does so after this long however far it came.
    async fn caught_up<T: Send + 'static>(
        self: &Arc<Self>,
        to: u64,
        patience: Option<Duration>,
        orders: Option<mpsc::UnboundedSender<ToHolder>>,
        then: impl FnOnce(&mut Drawing) -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (tell, told) = oneshot::channel();
        let until = patience.and_then(|it| Instant::now().checked_add(it));
        let (then, tell) = (Some(then), Some(tell));
        turns::take(Box::new(CatchUp { screen: self.clone(), to, until, orders, then, tell }));
        told.await.unwrap_or_else(|_| Err(io::Error::other("drawing it ran into a defect of Pilothouse")))
    }
}

/// Draws a screen up to somewhere, for somebody who waits.
struct CatchUp<T, F> {
    screen: Shared,
    to: u64,
    until: Option<Instant>,
    orders: Option<mpsc::UnboundedSender<ToHolder>>,
    then: Option<F>,
    tell: Option<oneshot::Sender<io::Result<Option<T>>>>,
}

impl<T: Send, F: FnOnce(&mut Drawing) -> T + Send> turns::Work for CatchUp<T, F> {
    fn is_urgent(&self) -> bool {
        // Whoever has no patience waits to see it.
        self.until.is_some() || self.screen.is_urgent()
    }

    fn slice(&mut self) -> bool {
        if self.tell.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return false;
        }
        let (to, until, orders, then) = (self.to, self.until, &self.orders, &mut self.then);
        let done = self.screen.with(|drawing| {
            // Once in any case: a size may have changed since the last byte.
            let (more, answers) = drawing.draw()?;
            if !answers.is_empty()
                && let Some(orders) = orders
            {
                // Noted first: an engine that is killed between the two has not answered, and none answers twice.
                note_answered(&drawing.place, drawing.at);
                let _holder_gone = orders.send(ToHolder::Input(answers));
            }
            let late = until.is_some_and(|until| Instant::now() >= until);
            Ok(if more && drawing.at < to && !late { None } else { then.take().map(|then| then(drawing)) })
        });
        let done = match done {
            Ok(Some(None)) => return true,
            Ok(Some(Some(done))) => Ok(Some(done)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if let Some(tell) = self.tell.take() {
            let _nobody_waits = tell.send(done);
        }
        false
    }
}

/// Draws a session while it lives, and parks it after so long without a byte. Whoever waits for `looked_at` is woken when the
/// drawn screen has another size.
pub(super) async fn follow(
    screen: Shared,
    session: Key,
    looked_at: watch::Sender<Sight>,
    orders: mpsc::UnboundedSender<ToHolder>,
    park: Duration,
) {
    let mut sight = looked_at.subscribe();
    let mut parked = false;
    let (mut at, mut size) = (0, 0);
    loop {
        let over = sight.borrow_and_update().end.is_some();
        let drawn = screen.caught_up(u64::MAX, None, Some(orders.clone()), |it| it.at).await;
        let drawn = drawn.inspect_err(|error| {
            tracing::warn!(%session, %error, "its screen cannot be drawn just now");
        });
        if over {
            // Whoever looks at what is over begins from there.
            let _not_drawn = screen.caught_up(0, None, None, Drawing::park).await;
            pack_soon(&screen, true, None).await;
            return;
        }
        // A size is drawn after the bytes before it woke everybody.
        let drawn_size = screen.size.load(Ordering::Relaxed);
        if std::mem::replace(&mut size, drawn_size) != drawn_size {
            looked_at.send_modify(|_same| ());
        }
        let before = std::mem::replace(&mut at, drawn.ok().flatten().unwrap_or_default());
        if at.saturating_sub(before) >= SLICE as u64 && !screen.is_urgent() {
            tokio::time::sleep(GATHER).await;
        }
        match tokio::time::timeout(park, sight.changed()).await {
            // Its sender is here, so it does not go away.
            Ok(_) => parked = false,
            Err(_) if parked => {
                // Nothing is left to be done until something happens.
                let _stays = sight.changed().await;
                parked = false;
            }
            Err(_) => {
                parked = true;
                let _not_drawn = screen.caught_up(0, None, Some(orders.clone()), Drawing::park).await;
                pack_soon(&screen, false, Some(orders.clone())).await;
            }
        }
        if screen.is_urgent() {
            // Whoever looks gets the bytes before they are drawn.
            tokio::task::yield_now().await;
        }
    }
}

/// Packs what of the log is not written any more. What the program asks meanwhile is answered by `orders`.
async fn pack_soon(screen: &Shared, over: bool, orders: Option<mpsc::UnboundedSender<ToHolder>>) {
    let folder = screen.caught_up(0, None, orders, |it| it.place.folder().to_owned()).await;
    let Ok(Some(folder)) = folder else { return };
    let packed = tokio::task::spawn_blocking(move || pack(&folder, over)).await;
    if let Ok(Err(error)) = packed {
        tracing::warn!(%error, "a session's log could not be packed; it is whole");
    }
}

#[cfg(test)]
mod tests;
