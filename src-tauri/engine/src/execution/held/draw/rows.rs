//! The last rows of sessions as text with its colours, for tiles. What has not changed is not looked at; a session that is
//! parked answers from its painting and stays parked.

use std::io;

use pilothouse_contract::rows::{Row, Version};
use pilothouse_holder::log::LogReader;
use pilothouse_holder::place::Mode;

use super::super::model::{Alacritty, Model};
use super::super::{Key, Sessions};

/// Of a log that no terminal shows, its last so many bytes are laid out, this wide.
const TAIL: u64 = 8 * 1024;
const COLUMNS: u16 = 120;

/// The last rows of a session; nothing in the place of those that the caller has.
#[derive(Debug, Default)]
pub struct LastRows {
    /// What they are of.
    pub version: Version,
    /// The rows, the lowest one last.
    pub rows: Option<Vec<Row>>,
    /// The cursor's row among these, and its column.
    pub cursor: Option<(u16, u16)>,
}

impl Sessions {
    /// The last rows of a session, at most so many.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub async fn last_rows(&self, session: Key, most: u16, have: Option<Version>) -> io::Result<LastRows> {
        let live = self.lock().get(&session).map(|it| it.sight.borrow().pulse.output_bytes);
        let unchanged = |version| LastRows { version, ..LastRows::default() };
        if let Some(said) = live
            && let Some(have) = have
            && have.offset >= said
            && (have.columns == 0 || self.size(session) == Some((have.columns, have.rows)))
        {
            return Ok(unchanged(have));
        }
        let mut log = self.log(session);
        let end = log.end()?;
        if let Some(have) = have.filter(|have| live.is_none() && have.offset >= end) {
            return Ok(unchanged(have));
        }
        match self.place(session).asked() {
            Ok(asked) if asked.mode == Mode::Pipe => {
                let laid_out = tokio::task::spawn_blocking(move || lay_out(&mut log, end, most)).await;
                return laid_out.map_err(io::Error::other)?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LastRows::default()),
            Err(error) => return Err(error),
        }
        let rows = self.looked_at(session, Some(super::LOOK), move |it| {
            let offset = it.at;
            it.look(|model| of(model, offset, most))
        });
        Ok(rows.await?.unwrap_or_default())
    }
}

fn of(model: &mut dyn Model, offset: u64, most: u16) -> LastRows {
    let (columns, rows) = model.size();
    let (last, cursor) = model.last_rows(usize::from(most));
    LastRows { version: Version { offset, columns, rows }, rows: Some(last), cursor }
}

/// Lays out the end of what a pipe brought.
fn lay_out(log: &mut LogReader, end: u64, most: u16) -> io::Result<LastRows> {
    let said = log.read_from(end.saturating_sub(TAIL), usize::try_from(TAIL).unwrap_or(usize::MAX))?;
    let mut model = Alacritty::new(COLUMNS, most);
    model.feed(b"\x1b[?25l");
    for line in said.split_inclusive(|it| *it == b'\n') {
        model.feed(line);
        // Behind a pipe nothing else brings it back to the beginning of a line.
        model.feed(b"\r");
    }
    let mut rows = of(&mut model, end, most);
    rows.version = Version { offset: end, columns: 0, rows: 0 };
    Ok(rows)
}
