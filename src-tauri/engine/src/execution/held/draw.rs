//! The screen of a session, drawn from its log: continuously while it lives, so that what its program asks its terminal is
//! answered once and by nobody else; at rest and unseen it is parked as a few compressed bytes.
//!
//! A checkpoint beside the log says what the screen was at an offset, so that a restarted engine replays little.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pilothouse_holder::log::LogReader;
use pilothouse_holder::place::{self, Place};
use pilothouse_holder::wire::ToHolder;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::model::{Alacritty, Model};
use super::pack::pack;
use super::{Key, Sessions, Sight};

/// A model takes this much at once; then others get their turn. A key that is pressed meanwhile waits for a few of these.
const SLICE: usize = 4 * 1024;
/// A checkpoint is written after so many bytes, and not more often than this.
const CHECKPOINT_BYTES: u64 = 2 * 1024 * 1024;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Of a log without a checkpoint no more than this is replayed, from its end.
const REPLAY_MAX: u64 = 64 * 1024 * 1024;
/// A question that lies further back in the log than this when an engine begins is not answered any more.
const STALE: u64 = 64 * 1024;
/// After this long without a byte and without a look a model is parked.
const PARK: Duration = Duration::from_secs(60);
/// Screens are drawn on at most so many threads.
const THREADS_MAX: usize = 4;
/// Lines above the screen that a parked model and a checkpoint keep.
const KEPT_LINES: usize = 1000;

/// A screen as it is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Everything before this byte of the log is in it.
    pub offset: u64,
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
    /// The rows as text.
    pub text: Vec<String>,
    /// Escape sequences that paint it, with what is above it, on an empty terminal of that size.
    pub paint: Vec<u8>,
    /// Whether the program draws on the other screen, as editors do.
    pub alternate: bool,
}

/// What the screen was at an offset.
struct Checkpoint {
    offset: u64,
    columns: u16,
    rows: u16,
    /// Painted and compressed.
    paint: Vec<u8>,
}

impl Checkpoint {
    fn revive(&self) -> Alacritty {
        let mut model = Alacritty::new(self.columns, self.rows);
        model.feed(&zstd::decode_all(self.paint.as_slice()).unwrap_or_default());
        // What a painting asks of a terminal was asked before.
        model.answers();
        model
    }
}

/// The drawing of one session.
pub(super) struct Drawing {
    place: Place,
    log: LogReader,
    model: Option<Box<dyn Model>>,
    /// Without a model: what to make it of.
    parked: Option<Checkpoint>,
    /// The size as it was asked for.
    asked: (u16, u16),
    at: u64,
    /// Up to here everything is known: bytes and sizes.
    known: u64,
    /// How many size changes were taken, and those that lie ahead.
    sizes_taken: usize,
    sizes: Vec<(u64, u16, u16)>,
    /// Questions before this byte are not answered.
    answer_from: u64,
    saved: (u64, Instant),
}

impl Drawing {
    /// From the last checkpoint, or the beginning.
    pub(super) fn open(place: Place, mut log: LogReader) -> io::Result<Self> {
        let asked = place.asked()?;
        let end = log.end()?;
        // An old one would cost more to go on from than the end of the log costs.
        let near = |it: &Checkpoint| it.offset <= end && end - it.offset <= REPLAY_MAX;
        let parked = read_checkpoint(&place).filter(near);
        let at = match &parked {
            Some(it) => it.offset,
            None => log.there(end.saturating_sub(REPLAY_MAX))?,
        };
        let behind: Vec<_> = place.sizes()?.into_iter().take_while(|(offset, ..)| *offset <= at).collect();
        let size = behind.last().map_or((asked.columns, asked.rows), |(_, columns, rows)| (*columns, *rows));
        let answered = std::fs::read_to_string(place.folder().join("answered"));
        let answered = answered.ok().and_then(|it| it.trim().parse().ok()).unwrap_or_default();
        Ok(Self {
            place,
            log,
            model: None,
            parked,
            asked: size,
            at,
            known: at,
            sizes_taken: behind.len(),
            sizes: Vec::new(),
            answer_from: end.saturating_sub(STALE).max(answered),
            saved: (at, Instant::now()),
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
            let all = self.place.sizes()?;
            self.sizes = all.get(self.sizes_taken..).unwrap_or_default().to_vec();
        }
        let due = self.next_size();
        let mut piece = [0; SLICE];
        let ends = [Some(self.known), due, (self.at < self.answer_from).then_some(self.answer_from)];
        let most = ends.into_iter().flatten().min().unwrap_or_default().saturating_sub(self.at);
        let most = usize::try_from(most).unwrap_or(SLICE).min(SLICE);
        let length = self.log.read_at(self.at, piece.get_mut(..most).unwrap_or_default())?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else {
            return Ok((false, Vec::new()));
        };
        self.model().feed(read);
        self.at += length as u64;
        let mut answers = self.model().answers();
        if self.at <= self.answer_from {
            answers.clear();
        }
        self.maybe_save();
        Ok((true, answers))
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
        if self.at - at.min(self.at) < CHECKPOINT_BYTES || when.elapsed() < CHECKPOINT_EVERY {
            return;
        }
        self.saved = (self.at, Instant::now());
        if let Some(checkpoint) = self.checkpoint() {
            // Without it a restart replays more, and nothing worse.
            let _unwritten = write_checkpoint(&self.place, &checkpoint);
        }
    }

    /// Nothing while the program draws on the other screen: it comes back to the first one with all that it was.
    fn checkpoint(&mut self) -> Option<Checkpoint> {
        let at = self.at;
        let model = self.model();
        if model.is_alternate() {
            return None;
        }
        let (columns, rows) = model.size();
        let paint = zstd::encode_all(model.snapshot(KEPT_LINES).as_slice(), 1).ok()?;
        Some(Checkpoint { offset: at, columns, rows, paint })
    }

    fn park(&mut self) {
        if self.model.is_some()
            && let Some(checkpoint) = self.checkpoint()
        {
            (self.model, self.parked) = (None, Some(checkpoint));
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
        let model = self.model();
        let (columns, rows) = model.size();
        Drawn {
            offset,
            columns,
            rows,
            text: model.text(),
            paint: model.snapshot(lines_above),
            alternate: model.is_alternate(),
        }
    }
}

/// Draws on threads of their own: whoever types and whoever watches does not wait behind what others flood.
pub(super) fn spawn(follow: impl Future<Output = ()> + Send + 'static) {
    static THREADS: LazyLock<Option<Runtime>> = LazyLock::new(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = (cores / 2).clamp(1, THREADS_MAX);
        let built = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("draws")
            .enable_time()
            .build();
        built.inspect_err(|error| tracing::warn!(%error, "screens are drawn among everything else")).ok()
    });
    match &*THREADS {
        Some(threads) => drop(threads.spawn(follow)),
        None => drop(tokio::spawn(follow)),
    }
}

/// The drawing of a session that lives.
pub(super) type Shared = std::sync::Arc<tokio::sync::Mutex<Option<Drawing>>>;

/// Draws a session while it lives.
pub(super) async fn follow(
    shared: Shared,
    session: Key,
    mut sight: watch::Receiver<Sight>,
    orders: mpsc::UnboundedSender<ToHolder>,
) {
    let mut parked = false;
    loop {
        let over = sight.borrow_and_update().end.is_some();
        if let Err(error) = catch_up(&shared, u64::MAX, Some(&orders)).await {
            tracing::warn!(%session, %error, "its screen cannot be drawn just now");
        }
        if over {
            pack_soon(&shared, true).await;
            return;
        }
        match tokio::time::timeout(PARK, sight.changed()).await {
            Ok(Ok(())) => parked = false,
            Ok(Err(_)) => return,
            Err(_) if parked => {
                // Nothing is left to be done until something happens.
                if sight.changed().await.is_err() {
                    return;
                }
                parked = false;
            }
            Err(_) => {
                parked = true;
                if let Some(drawing) = shared.lock().await.as_mut() {
                    drawing.park();
                }
                pack_soon(&shared, false).await;
            }
        }
    }
}

/// Packs what of the log is not written any more.
async fn pack_soon(shared: &Shared, over: bool) {
    let Some(folder) = shared.lock().await.as_ref().map(|it| it.place.folder().to_owned()) else { return };
    let packed = tokio::task::spawn_blocking(move || pack(&folder, over)).await;
    if let Ok(Err(error)) = packed {
        tracing::warn!(%error, "a session's log could not be packed; it is whole");
    }
}

/// Draws up to an offset, or to the end.
async fn catch_up(
    shared: &Shared,
    to: u64,
    orders: Option<&mpsc::UnboundedSender<ToHolder>>,
) -> io::Result<()> {
    loop {
        {
            let mut drawing = shared.lock().await;
            let Some(drawing) = drawing.as_mut() else { return Ok(()) };
            // Once in any case: a size may have changed since the last byte.
            let (more, answers) = drawing.draw()?;
            if !answers.is_empty()
                && let Some(orders) = orders
            {
                let _holder_gone = orders.send(ToHolder::Input(answers));
                let _unwritten =
                    std::fs::write(drawing.place.folder().join("answered"), drawing.at.to_string());
            }
            if !more || drawing.at >= to {
                return Ok(());
            }
        }
        tokio::task::yield_now().await;
    }
}

impl Sessions {
    /// The screen of a session now, with so many lines above it; nothing if it has no terminal.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub async fn drawn(&self, session: Key, lines_above: usize) -> io::Result<Option<Drawn>> {
        let place = self.place(session);
        match place.asked() {
            Ok(asked) if asked.mode == place::Mode::Pty => {}
            Ok(_) => return Ok(None),
            // What never started has no screen.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let live = self.lock().get(&session).map(|it| (it.drawing.clone(), it.orders.clone()));
        let (shared, orders) = match live {
            Some((shared, orders)) => (shared, Some(orders)),
            None => {
                let drawing = Drawing::open(place, self.log(session))?;
                (Shared::new(tokio::sync::Mutex::new(Some(drawing))), None)
            }
        };
        let end = self.log(session).end()?;
        catch_up(&shared, end, orders.as_ref()).await?;
        Ok(shared.lock().await.as_mut().map(|it| it.drawn(lines_above)))
    }

    /// Columns and rows of a session's terminal now; nothing if it is not followed, or is being drawn this moment.
    #[must_use]
    pub fn size(&self, session: Key) -> Option<(u16, u16)> {
        let shared = self.lock().get(&session)?.drawing.clone();
        let drawing = shared.try_lock().ok()?;
        drawing.as_ref().map(Drawing::size)
    }

    /// The drawing of a session that is followed from now on; empty if it has no terminal.
    pub(super) fn open_drawing(&self, session: Key) -> Shared {
        let place = self.place(session);
        let has_terminal = place.asked().is_ok_and(|it| it.mode == place::Mode::Pty);
        let drawing = has_terminal.then(|| Drawing::open(place, self.log(session)));
        let drawing = drawing.and_then(|it| {
            it.inspect_err(|error| tracing::warn!(%session, %error, "its screen cannot be drawn")).ok()
        });
        Shared::new(tokio::sync::Mutex::new(drawing))
    }
}

/// A line of three numbers, and the compressed painting.
fn read_checkpoint(place: &Place) -> Option<Checkpoint> {
    let mut file = std::fs::read(place.folder().join("screen")).ok()?;
    let paint = file.split_off(file.iter().position(|byte| *byte == b'\n')? + 1);
    let head = String::from_utf8(file).ok()?;
    let mut numbers = head.split_whitespace();
    Some(Checkpoint {
        offset: numbers.next()?.parse().ok()?,
        columns: numbers.next()?.parse().ok()?,
        rows: numbers.next()?.parse().ok()?,
        paint,
    })
}

fn write_checkpoint(place: &Place, checkpoint: &Checkpoint) -> io::Result<()> {
    let beside = place.folder().join("screen.tmp");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    let Checkpoint { offset, columns, rows, paint } = checkpoint;
    file.write_all(format!("{offset} {columns} {rows}\n").as_bytes())?;
    file.write_all(paint)?;
    std::fs::rename(beside, place.folder().join("screen"))
}
