//! Looks at the screens of sessions: painted, with as many lines above as are asked for; and what is known of them at no cost.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pilothouse_contract::facts::Claim;

use super::super::model::{LEAST_LINES, LIVE_LINES, Model};
use super::super::{Key, Sessions};
use super::{Drawing, Screen, Shared, State, clock_ms};

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

impl Drawn {
    pub(super) fn of(model: &mut dyn Model, offset: u64, lines_above: usize) -> Self {
        let (columns, rows) = model.size();
        Self {
            offset,
            columns,
            rows,
            text: model.text(),
            paint: model.snapshot(lines_above),
            alternate: model.is_alternate(),
        }
    }
}

impl Sessions {
    /// The screen of a session now, with so many lines above it; nothing if it has no terminal. With `patience` it is as far
    /// as it could be drawn in that time, unless the session is over. Lines that were not kept are read out of the log, which
    /// takes a second for what fills it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub async fn drawn(
        &self,
        session: Key,
        lines_above: usize,
        patience: Option<Duration>,
    ) -> io::Result<Option<Drawn>> {
        // Where much came some of the live lines may have been left out; nobody waits for those.
        let least = if lines_above <= LIVE_LINES { lines_above.min(LEAST_LINES) } else { lines_above };
        let kept = move |it: &mut Drawing| it.kept(lines_above, least);
        match self.looked_at(session, patience, kept).await? {
            Some(None) => {}
            Some(drawn) => return Ok(drawn),
            None => return Ok(None),
        }
        // It takes all of a processor for a while, so one is taken at a time; who waited may find it done.
        static DEEP: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
        let _turn = DEEP.acquire().await.map_err(io::Error::other)?;
        match self.looked_at(session, patience, kept).await? {
            Some(None) => self.drawn_whole(session, lines_above).await,
            Some(drawn) => Ok(drawn),
            None => Ok(None),
        }
    }

    /// The same, drawn from the log; whoever looks next finds it done.
    async fn drawn_whole(&self, session: Key, lines_above: usize) -> io::Result<Option<Drawn>> {
        let end = self.log(session).end()?;
        let screen = Screen::new(self.place(session), true);
        let is_over = !self.lock().contains_key(&session);
        let drawn = screen.caught_up(end, None, None, move |it| {
            it.model().older().settle_for_these();
            let drawn = it.drawn(lines_above);
            if is_over {
                it.park();
            }
            drawn
        });
        let drawn = drawn.await?;
        let live = self.lock().get(&session).map(|it| (it.drawing.clone(), it.orders.clone()));
        let state =
            std::mem::replace(&mut *screen.state.lock().unwrap_or_else(PoisonError::into_inner), State::None);
        if let (Some((live, orders)), State::Open(whole)) = (live, state)
            && whole.model.is_some()
        {
            live.caught_up(0, None, Some(orders), move |it| it.adopt(whole)).await?.transpose()?;
        }
        Ok(drawn)
    }

    /// Looks at a session's drawing, up to what it has said by now.
    pub(super) async fn looked_at<T: Send + 'static>(
        &self,
        session: Key,
        patience: Option<Duration>,
        looks: impl FnOnce(&mut Drawing) -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let live = self.lock().get(&session).map(|it| (it.drawing.clone(), it.orders.clone()));
        let (screen, orders, patience) = match live {
            Some((screen, orders)) => (screen, Some(orders), patience),
            // What is over is drawn anew each time: half-way there, the next look would come no farther.
            None => (self.open_drawing(session), None, None),
        };
        let end = self.log(session).end()?;
        screen.caught_up(end, patience, orders, looks).await
    }

    /// Columns and rows of a session's terminal now; nothing if it is not followed, or was not drawn yet.
    #[must_use]
    pub fn size(&self, session: Key) -> Option<(u16, u16)> {
        let size = self.lock().get(&session)?.drawing.size.load(Ordering::Relaxed);
        (size > 0).then_some(((size >> 16) as u16, size as u16))
    }

    /// Up to which byte of its log a session is drawn; nothing if it is not followed, or was not drawn yet.
    #[must_use]
    pub fn drawn_to(&self, session: Key) -> Option<u64> {
        self.size(session)?;
        Some(self.lock().get(&session)?.drawing.drawn.load(Ordering::Relaxed))
    }

    /// What a session's program says of itself; nothing if it is not followed.
    #[must_use]
    pub fn claim(&self, session: Key) -> Option<Claim> {
        let drawing = self.lock().get(&session)?.drawing.clone();
        drawing.claim.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that a session was typed into: it goes before the others for a while.
    pub fn typed(&self, session: Key) {
        if let Some(live) = self.lock().get(&session) {
            live.drawing.typed.store(clock_ms(), Ordering::Relaxed);
        }
    }

    /// The drawing of a session that is followed from now on; empty if it has no terminal.
    pub(in super::super) fn open_drawing(&self, session: Key) -> Shared {
        Screen::new(self.place(session), false)
    }
}
