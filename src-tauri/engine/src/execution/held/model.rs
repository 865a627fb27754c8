//! A terminal's model: bytes in, a screen out. Behind a trait, so that another emulator can take this one's place.
//!
//! Refuses: any session, any file. A program's bytes are hostile: whatever they are, a model neither panics outwards nor
//! grows without bound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use alacritty_terminal::event::{Event, EventListener, WindowSize};
use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Osc52, Term, TermMode};
use alacritty_terminal::vte::ansi::{Processor, Rgb};
use pilothouse_contract::facts::Claim;
use pilothouse_contract::rows::Row;

use super::older::{LINES_MAX, Older};
use super::paint::{self, Painter};

/// So many lines that left the screen are kept as cells at most; older ones are painted and packed.
pub const LIVE_LINES: usize = 1000;
/// So many are left when some are packed.
const LEFT_LIVE: usize = 350;
/// Whoever asks for so many lines above a screen gets them if they were said, without the log being drawn anew.
pub const LEAST_LINES: usize = 500;
/// Answers that wait to be typed take at most this; a program that asks and never listens gets no more.
const ANSWERS_MAX: usize = 64 * 1024;
/// A terminal has at most so many columns or rows, and so many cells: more than a screen can show, and in the worst case, both of
/// its screens full of whatever takes most, as much to paint as one message holds.
const SIDE_MAX: u16 = 1000;
const CELLS_MAX: usize = 200_000;
/// A painting that is longer than this has fewer lines above the screen.
const PAINTED_MAX: usize = 16 * 1024 * 1024;

/// What a terminal's bytes come to.
pub trait Model: Send {
    /// Takes what the program said.
    fn feed(&mut self, bytes: &[u8]);
    /// The terminal has another size now.
    fn resize(&mut self, columns: u16, rows: u16);
    /// What the program asked its terminal, answered, since the last call: bytes to be typed.
    fn answers(&mut self) -> Vec<u8>;
    /// The rows of the screen as text, without blanks at their ends.
    fn text(&mut self) -> Vec<String>;
    /// The lowest rows that show anything, at most so many, with their looks; and the cursor's row among them and its column,
    /// if it shows.
    fn last_rows(&mut self, most: usize) -> (Vec<Row>, Option<(u16, u16)>);
    /// Escape sequences that draw this on an empty terminal of the same size: the screen, its modes, and so many lines
    /// above it.
    fn snapshot(&mut self, lines_above: usize) -> Vec<u8>;
    /// Whether the program draws on the other screen, as editors do.
    fn is_alternate(&self) -> bool;
    /// How many lines above the screen there are.
    fn lines_above(&self) -> usize;
    /// Whether it has so many lines above its screen, or all that there ever were.
    fn reaches(&self, lines: usize) -> bool;
    /// Whether so much comes that lines which leave the live ones now need not be kept.
    fn hurry(&mut self, hurries: bool);
    /// What [`Self::snapshot`] paints, without the lines that are no live ones any more.
    fn live(&mut self) -> Vec<u8>;
    /// Those lines. They belong before what [`Self::live`] paints.
    fn older(&mut self) -> &mut Older;
    /// Columns and rows.
    fn size(&self) -> (u16, u16);
    /// What the program says of itself.
    fn claim(&self) -> Option<&Claim>;
}

/// The emulator of Alacritty.
pub struct Alacritty {
    term: Term<Ear>,
    parser: Processor,
    ear: Ear,
    size: (u16, u16),
    /// So many lines above the screen are kept.
    lines: usize,
    scan: Scan,
    untold: Untold,
    broken: u64,
}

/// Hears what the emulator wants to say.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Event>>>);

impl EventListener for Ear {
    fn send_event(&self, event: Event) {
        // What concerns a window or a clipboard ends here.
        if matches!(event, Event::PtyWrite(_) | Event::ColorRequest(..) | Event::TextAreaSizeRequest(_)) {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < ANSWERS_MAX / 16 {
                heard.push(event);
            }
        }
    }
}

struct Size(u16, u16);

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }

    fn screen_lines(&self) -> usize {
        usize::from(self.1)
    }

    fn columns(&self) -> usize {
        usize::from(self.0)
    }
}

/// The size that a terminal has if somebody asks for this one.
#[must_use]
pub fn sane(columns: u16, rows: u16) -> (u16, u16) {
    let columns = columns.clamp(2, SIDE_MAX);
    let most = u16::try_from(CELLS_MAX / usize::from(columns)).unwrap_or(SIDE_MAX).min(SIDE_MAX);
    (columns, rows.clamp(1, most))
}

impl Alacritty {
    /// An empty terminal.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        let mut it = Self::keeping(columns, rows, LIVE_LINES);
        it.untold.older = Older::keeping();
        it
    }

    /// One that keeps so many lines above its screen as cells, and none else.
    #[must_use]
    pub fn keeping(columns: u16, rows: u16, lines: usize) -> Self {
        let size = sane(columns, rows);
        let ear = Ear::default();
        let config = Config { scrolling_history: lines, osc52: Osc52::Disabled, ..Config::default() };
        let term = Term::new(config, &Size(size.0, size.1), ear.clone());
        Self {
            term,
            parser: Processor::new(),
            ear,
            size,
            lines,
            scan: Scan::default(),
            untold: Untold::default(),
            broken: 0,
        }
    }

    /// How often its parser broke and was begun anew.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// Does something to the emulator that may panic; then it begins anew, empty.
    fn within<T: Default>(&mut self, does: impl FnOnce(&mut Watched<'_, Ear>, &mut Processor) -> T) -> T {
        let mut watched = Watched { term: &mut self.term, untold: &mut self.untold };
        let parser = &mut self.parser;
        catch_unwind(AssertUnwindSafe(|| does(&mut watched, parser))).unwrap_or_else(|_| {
            tracing::error!("the terminal model ran into a defect and begins anew");
            let (broken, mut older) = (self.broken + 1, std::mem::take(&mut self.untold.older));
            *self = Self { broken, ..Self::keeping(self.size.0, self.size.1, self.lines) };
            older.forget();
            self.untold.older = older;
            T::default()
        })
    }

    /// A painting of all, no longer than it may be.
    fn whole(&mut self, lines_above: usize, with_older: bool) -> Vec<u8> {
        self.settle();
        let (mut above, mut with_older) = (lines_above, with_older);
        let mut painted = self.painted(above, with_older);
        while painted.len() > PAINTED_MAX && above > 0 {
            above = if with_older { self.lines.min(above) } else { above.min(self.lines) / 2 };
            with_older = false;
            painted = self.painted(above, with_older);
        }
        painted.extend(self.untold.status.painted());
        // What comes next may be the rest of it.
        painted.extend_from_slice(self.scan.kept());
        painted
    }

    /// Lets what a program holds back in a synchronised update be seen.
    fn settle(&mut self) {
        if self.parser.sync_bytes_count() > 0 {
            self.untold.said(self.parser.sync_bytes_count(), self.size);
            self.within(|watched, parser| parser.stop_sync(watched));
        }
    }

    /// Paints so many lines above the screen: the live ones of them, and the older ones if they are wanted.
    fn painted(&mut self, lines_above: usize, with_older: bool) -> Vec<u8> {
        self.within(|Watched { term, untold }, _| {
            let mut painter = Painter::default();
            let before = |grid: &Grid<Cell>| {
                let most = lines_above.saturating_sub(grid.history_size());
                if with_older { untold.older.painted(most) } else { Painter::default() }
            };
            end_lines(term);
            if term.mode().contains(TermMode::ALT_SCREEN) {
                // The other screen lies below and is what the program comes back to. Going there and back empties the one
                // that is shown, so that is put back as it was.
                let shown = term.grid().clone();
                term.swap_alt();
                end_lines(term);
                painter.follow(before(term.grid()));
                painter.cells(term.grid(), lines_above);
                painter.leave(term.grid());
                term.swap_alt();
                *term.grid_mut() = shown;
                painter.saved(term.grid());
                painter.cells(term.grid(), 0);
            } else {
                // What a program saved on the other screen is there when it comes back to it. Going there forgets what was saved
                // here.
                let saved = term.grid().saved_cursor.clone();
                let end = term.last_column();
                term.swap_alt();
                go_on_beyond(&mut term.grid_mut().saved_cursor, end);
                if term.grid().saved_cursor != Cursor::default() {
                    painter.saved_there(term.grid());
                }
                term.swap_alt();
                term.grid_mut().saved_cursor = saved;
                if term.grid().saved_cursor != Cursor::default() {
                    painter.saved(term.grid());
                }
                painter.follow(before(term.grid()));
                painter.cells(term.grid(), lines_above);
            }
            painter.rest(term, untold);
            painter.done()
        })
    }
}

impl Model for Alacritty {
    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (take, passes) = self.scan.take(rest);
            let (piece, after) = rest.split_at(take);
            if passes {
                // What it held back in a synchronised update may come now.
                self.untold.said(piece.len() + self.parser.sync_bytes_count(), self.size);
                self.within(|watched, parser| parser.advance(watched, piece));
                let report = self.scan.report();
                if let Some(answer) = report.and_then(|it| self.untold.status.take(&it)) {
                    self.ear.send_event(Event::PtyWrite(answer));
                }
            } else {
                // What it gathered of the command is thrown away with it, and nothing else.
                self.settle();
                self.parser = Processor::new();
            }
            rest = after;
        }
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        let size = sane(columns, rows);
        if size != self.size {
            let narrows = size.0 < self.size.0;
            self.size = size;
            self.within(|watched, _| {
                watched.before_resize(size);
                watched.term.resize(Size(size.0, size.1));
                watched.after_resize(narrows);
                watched.untold.resize(usize::from(size.0));
                go_on_at_ends(watched.term);
                let (end, grid) = (watched.term.last_column(), watched.term.grid_mut());
                go_on_beyond(&mut grid.cursor, end);
                go_on_beyond(&mut grid.saved_cursor, end);
            });
        }
    }

    fn answers(&mut self) -> Vec<u8> {
        let heard = std::mem::take(&mut *self.ear.0.lock().unwrap_or_else(PoisonError::into_inner));
        let size = self.size;
        self.within(|watched, _| {
            let mut answers = Vec::new();
            for event in heard {
                let said = match event {
                    Event::PtyWrite(text) => text,
                    Event::ColorRequest(index, says) => {
                        says(watched.term.colors()[index].unwrap_or_else(|| colour(index)))
                    }
                    Event::TextAreaSizeRequest(says) => says(WindowSize {
                        num_lines: size.1,
                        num_cols: size.0,
                        // What a person's font measures is nobody's business; programs want the ratio.
                        cell_width: 8,
                        cell_height: 16,
                    }),
                    _ => continue,
                };
                if answers.len() + said.len() <= ANSWERS_MAX {
                    answers.extend_from_slice(said.as_bytes());
                }
            }
            answers
        })
    }

    fn text(&mut self) -> Vec<String> {
        self.settle();
        self.within(|watched, _| paint::text(watched.term.grid()))
    }

    fn last_rows(&mut self, most: usize) -> (Vec<Row>, Option<(u16, u16)>) {
        self.settle();
        self.within(|watched, _| tile::last_rows(watched.term, most))
    }

    fn snapshot(&mut self, lines_above: usize) -> Vec<u8> {
        self.whole(lines_above, true)
    }

    fn live(&mut self) -> Vec<u8> {
        self.whole(self.lines, false)
    }

    fn older(&mut self) -> &mut Older {
        &mut self.untold.older
    }

    fn hurry(&mut self, hurries: bool) {
        self.untold.older.hurry(hurries);
    }

    fn reaches(&self, lines: usize) -> bool {
        self.untold.older.is_all() || self.lines_above() >= lines.min(LINES_MAX)
    }

    fn is_alternate(&self) -> bool {
        self.term.mode().contains(TermMode::ALT_SCREEN)
    }

    fn lines_above(&self) -> usize {
        // Above an editor's screen there is nothing, whatever there is above the one that it comes back to.
        let older = if self.is_alternate() { 0 } else { self.untold.older.lines() };
        self.term.grid().history_size() + older
    }

    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn claim(&self) -> Option<&Claim> {
        self.untold.status.claim()
    }
}

/// Takes from the ends of lines what they say and is not so: the last line goes on nowhere, whatever was written when it stood
/// higher; whether the one where the cursor waits at the end goes on is decided by what comes; and a cell is left to nobody
/// only before a wide character that did not fit.
fn end_lines(term: &mut Term<Ear>) {
    go_on_at_ends(term);
    let (first, last, end) = (term.topmost_line(), term.bottommost_line(), term.last_column());
    let grid = term.grid_mut();
    grid[last][end].flags.remove(Flags::WRAPLINE);
    if grid.cursor.input_needs_wrap {
        let point = grid.cursor.point;
        grid[point.line][point.column].flags.remove(Flags::WRAPLINE);
    }
    for line in first.0..=last.0 {
        let flags = grid[Line(line)][end].flags;
        if flags.contains(Flags::LEADING_WIDE_CHAR_SPACER) {
            // One that looks otherwise than the character was left by another character.
            let goes_on = flags.contains(Flags::WRAPLINE) && {
                let next = &grid[Line(line + 1)][Column(0)];
                next.flags.contains(Flags::WIDE_CHAR) && paint::look_alike(&grid[Line(line)][end], next)
            };
            grid[Line(line)][end].flags.set(Flags::LEADING_WIDE_CHAR_SPACER, goes_on);
        }
    }
}

/// A cursor that waited at the end of a line has room behind it once lines are longer.
fn go_on_beyond(cursor: &mut Cursor<Cell>, end: Column) {
    if cursor.input_needs_wrap && cursor.point.column < end {
        cursor.input_needs_wrap = false;
        cursor.point.column += 1;
    }
}

/// Lines go on at their ends alone. Where an end was before the terminal had another size the mark stays, and would count again
/// once a program pushes it to the end.
fn go_on_at_ends(term: &mut Term<Ear>) {
    let (first, last, end) = (term.topmost_line(), term.bottommost_line(), term.last_column());
    for line in first.0..=last.0 {
        let row = &mut term.grid_mut()[Line(line)];
        (0..end.0).for_each(|column| row[Column(column)].flags.remove(Flags::WRAPLINE));
    }
}

/// What a program is told of colours: a dark terminal's usual ones. The page shows them as its theme has them.
fn colour(index: usize) -> Rgb {
    const BASE: [u32; 16] = [
        0x00_0000, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0x00_00ee, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5, 0x7f_7f7f,
        0xff_0000, 0x00_ff00, 0xff_ff00, 0x5c_5cff, 0xff_00ff, 0x00_ffff, 0xff_ffff,
    ];
    let of = |value: u32| Rgb { r: (value >> 16) as u8, g: (value >> 8) as u8, b: value as u8 };
    let level = |step: usize| if step == 0 { 0 } else { 55 + 40 * step as u8 };
    match index {
        0..16 => of(BASE.get(index).copied().unwrap_or_default()),
        // The cube and the greys of xterm.
        16..232 => {
            Rgb { r: level((index - 16) / 36), g: level((index - 16) / 6 % 6), b: level((index - 16) % 6) }
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232) as u8;
            Rgb { r: grey, g: grey, b: grey }
        }
        257 => of(0x00_0000),
        _ => of(0xe5_e5e5),
    }
}

mod scan;
mod status;
mod tile;
mod watched;

use scan::Scan;
pub(super) use watched::Untold;
use watched::Watched;

#[cfg(test)]
mod tests;
