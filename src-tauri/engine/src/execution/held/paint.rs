//! A grid of cells as text, and as the escape sequences that paint it on an empty terminal of the same size.

use std::fmt::Write;

use alacritty_terminal::grid::{Charsets, Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::color::COUNT;
use alacritty_terminal::term::{Term, TermMode};
use alacritty_terminal::vte::ansi::{
    CharsetIndex, Color, CursorShape, CursorStyle, NamedColor, Rgb, StandardCharset,
};

use super::model::Untold;

/// The rows of a screen, without blanks at their ends.
pub(super) fn text(grid: &Grid<Cell>) -> Vec<String> {
    let rows = 0..i32::try_from(grid.screen_lines()).unwrap_or(i32::MAX);
    rows.map(|row| {
        let mut line = String::new();
        for cell in cells(grid, Line(row)) {
            if !cell.flags.intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER) {
                line.push(cell.c);
                line.extend(cell.zerowidth().into_iter().flatten());
            }
        }
        line.truncate(line.trim_end().len());
        line
    })
    .collect()
}

fn cells(grid: &Grid<Cell>, line: Line) -> impl Iterator<Item = &Cell> {
    let row = &grid[line];
    (0..grid.columns()).map(move |column| &row[Column(column)])
}

const LOOKS: Flags = Flags::from_bits_truncate(
    Flags::INVERSE.bits()
        | Flags::BOLD.bits()
        | Flags::ITALIC.bits()
        | Flags::DIM.bits()
        | Flags::HIDDEN.bits()
        | Flags::STRIKEOUT.bits()
        | Flags::ALL_UNDERLINES.bits(),
);

/// Whether two cells look the same, whatever stands in them, and lead to the same place.
pub(super) fn look_alike(one: &Cell, other: &Cell) -> bool {
    are_dressed_alike(one, other) && one.hyperlink() == other.hyperlink()
}

fn are_dressed_alike(one: &Cell, other: &Cell) -> bool {
    one.flags & LOOKS == other.flags & LOOKS
        && (one.fg, one.bg) == (other.fg, other.bg)
        && one.underline_color() == other.underline_color()
}

/// The addresses of links take at most so much of a painting; what comes then is text without its link. A program can give
/// each cell another one, and each may be as long as a command.
const LINKS_MAX: usize = 4 * 1024 * 1024;

/// Paints on a terminal that begins empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Painter {
    links: usize,
    out: String,
    /// With what would be written now.
    pen: Cell,
    charsets: Charsets,
    /// Whether the last line goes on in the next one.
    pub(super) goes_on: bool,
}

impl Painter {
    /// Paints the cells of a screen and so many lines above it, from its first line on.
    pub(super) fn cells(&mut self, grid: &Grid<Cell>, lines_above: usize) {
        let above = i32::try_from(lines_above.min(grid.history_size())).unwrap_or_default();
        let rows = i32::try_from(grid.screen_lines()).unwrap_or_default();
        (-above..rows).for_each(|row| self.row(grid, row, row + 1 < rows));
        self.goes_on = false;
    }

    /// Paints one line; whether another one follows.
    pub(super) fn row(&mut self, grid: &Grid<Cell>, row: i32, follows: bool) {
        let (line, columns) = (Line(row), grid.columns());
        // A line that the one before goes on in may have scrolled in, and had the colour of the pen then.
        let blank = Cell::default().bg;
        let scrolled_in = if self.goes_on { grid[line][Column(0)].bg } else { blank };
        let end = &grid[line][grid.last_column()];
        // A line that goes on in the next one is painted to its end, and the next character wraps, be it a blank.
        let wraps = end.flags.contains(Flags::WRAPLINE) && follows;
        let least = usize::from(self.goes_on);
        self.goes_on = wraps;
        let length = if wraps { columns } else { used(grid, line).max(least) };
        // A wide character that does not fit at the end of a line leaves the last cell to nobody. One that looks otherwise
        // than the character was left by another character.
        let made_by_next = wraps && {
            let next = &grid[Line(row + 1)][Column(0)];
            next.flags.contains(Flags::WIDE_CHAR) && look_alike(end, next)
        };
        for cell in cells(grid, line).take(length) {
            self.cell(cell, made_by_next);
        }
        if scrolled_in != blank && length < columns {
            self.pen(&Cell::default());
            self.out.push_str("\x1b[K");
        }
        if follows && !wraps {
            self.end_line();
        }
    }

    /// Ends a line. Blanks that scroll in take the colour of the pen.
    pub(super) fn end_line(&mut self) {
        self.plain();
        self.out.push_str("\r\n");
        self.goes_on = false;
    }

    /// What is written next looks as it does at first.
    pub(super) fn plain(&mut self) {
        self.pen(&Cell::default());
    }

    /// What was painted so far.
    pub(super) fn text(&self) -> &str {
        &self.out
    }

    /// Takes what was painted so far away, and goes on from there.
    pub(super) fn take(&mut self) -> String {
        self.links = 0;
        std::mem::take(&mut self.out)
    }

    /// One that goes on from here after it painted this.
    pub(super) fn after(&self, text: String) -> Self {
        Self { links: 0, out: text, ..self.clone() }
    }

    /// Goes on after what another one painted, which ended where this one stands: at the beginning, with nothing changed.
    pub(super) fn follow(&mut self, other: Self) {
        self.out.push_str(&other.out);
        (self.pen, self.goes_on) = (other.pen, other.goes_on);
    }

    fn cell(&mut self, cell: &Cell, made_by_next: bool) {
        let spacer = Flags::WIDE_CHAR_SPACER;
        if cell.flags.contains(spacer)
            || (made_by_next && cell.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER))
        {
            // The character itself takes this cell too.
            return;
        }
        if cell.extra.is_none() && self.pen.extra.is_none() && are_dressed_alike(&self.pen, cell) {
            self.out.push(cell.c);
            return;
        }
        self.pen(cell);
        self.out.push(cell.c);
        self.out.extend(cell.zerowidth().into_iter().flatten());
    }

    /// Saves the cursor that a program saved; on an empty screen, and leaves it empty.
    pub(super) fn saved(&mut self, grid: &Grid<Cell>) {
        self.cursor(grid, &grid.saved_cursor, None);
        self.out.push_str("\x1b7");
        self.plainly();
        // A cursor that waits at the end of a line wrote there.
        self.out.push_str(if grid.saved_cursor.input_needs_wrap { "\x1b[2K\x1b[H" } else { "\x1b[H" });
    }

    /// The same on the other screen, and comes back.
    pub(super) fn saved_there(&mut self, grid: &Grid<Cell>) {
        self.out.push_str("\x1b[?1049h");
        self.saved(grid);
        self.out.push_str("\x1b[?1049l");
    }

    /// Leaves the first screen for the other one as its program did: it comes back to the cursor that was left.
    pub(super) fn leave(&mut self, grid: &Grid<Cell>) {
        self.cursor(grid, &grid.cursor, None);
        self.out.push_str("\x1b[?1049h");
        // It begins in the colour of the pen.
        self.plainly();
        self.out.push_str("\x1b[2J");
    }

    /// What is not cells: stops, cursors, what scrolls, modes.
    pub(super) fn rest<T>(&mut self, term: &Term<T>, untold: &Untold) {
        let (grid, mode) = (term.grid(), *term.mode());
        if let Some(tabs) = &untold.tabs {
            self.out.push_str("\x1b[3g");
            for column in tabs.iter().enumerate().filter_map(|(column, is_stop)| is_stop.then_some(column)) {
                self.write(format_args!("\x1b[1;{}H\x1bH", column + 1));
            }
        }
        if let Some((top, bottom)) = untold.region {
            self.write(format_args!("\x1b[{top};{bottom}r"));
        }
        self.plainly();
        self.colours(term);
        if mode.contains(TermMode::ORIGIN) {
            self.out.push_str("\x1b[?6h");
            self.cursor(grid, &grid.cursor, untold.region.map(|(top, _)| top));
        } else {
            self.cursor(grid, &grid.cursor, None);
        }
        if untold.charset == CharsetIndex::G1 {
            self.out.push('\x0e');
        }
        self.modes(mode);
        self.shape(term);
    }

    /// The escape sequences.
    pub(super) fn done(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _never: Result<(), std::fmt::Error> = self.out.write_fmt(what);
    }

    /// What is written is taken as it is, and as it looks at first.
    fn plainly(&mut self) {
        self.charsets(&Charsets::default());
        self.pen(&Cell::default());
    }

    fn charsets(&mut self, wanted: &Charsets) {
        for (index, set) in [
            (CharsetIndex::G0, '('),
            (CharsetIndex::G1, ')'),
            (CharsetIndex::G2, '*'),
            (CharsetIndex::G3, '+'),
        ] {
            if self.charsets[index] != wanted[index] {
                self.charsets[index] = wanted[index];
                let drawing = wanted[index] == StandardCharset::SpecialCharacterAndLineDrawing;
                self.out.extend(['\x1b', set, if drawing { '0' } else { 'B' }]);
            }
        }
    }

    /// Puts the cursor where it is, with its pen and character sets; lines are counted from `top` if there is one.
    fn cursor(&mut self, grid: &Grid<Cell>, cursor: &Cursor<Cell>, top: Option<usize>) {
        let (line, column) = (cursor.point.line, cursor.point.column);
        let row = &grid[line];
        let mut at = column.0;
        if cursor.input_needs_wrap && row[column].flags.contains(Flags::WIDE_CHAR_SPACER) && at > 0 {
            at -= 1;
        }
        let line = (usize::try_from(line.0).unwrap_or_default() + 2).saturating_sub(top.unwrap_or(1));
        self.plainly();
        self.write(format_args!("\x1b[{};{}H", line, at + 1));
        if cursor.input_needs_wrap {
            // A cursor that waits beyond the last column got there by writing in it.
            let cell = &row[Column(at)];
            self.cell(cell, false);
        }
        self.pen(&cursor.template);
        self.charsets(&cursor.charsets);
    }

    fn modes(&mut self, mode: TermMode) {
        for (flag, on) in [
            (TermMode::APP_CURSOR, "\x1b[?1h"),
            (TermMode::APP_KEYPAD, "\x1b="),
            (TermMode::BRACKETED_PASTE, "\x1b[?2004h"),
            (TermMode::MOUSE_REPORT_CLICK, "\x1b[?1000h"),
            (TermMode::MOUSE_DRAG, "\x1b[?1002h"),
            (TermMode::MOUSE_MOTION, "\x1b[?1003h"),
            (TermMode::UTF8_MOUSE, "\x1b[?1005h"),
            (TermMode::SGR_MOUSE, "\x1b[?1006h"),
            (TermMode::FOCUS_IN_OUT, "\x1b[?1004h"),
            (TermMode::LINE_FEED_NEW_LINE, "\x1b[20h"),
            (TermMode::INSERT, "\x1b[4h"),
        ] {
            if mode.contains(flag) {
                self.out.push_str(on);
            }
        }
        for (flag, off) in [
            (TermMode::SHOW_CURSOR, "\x1b[?25l"),
            (TermMode::ALTERNATE_SCROLL, "\x1b[?1007l"),
            (TermMode::LINE_WRAP, "\x1b[?7l"),
        ] {
            if !mode.contains(flag) {
                self.out.push_str(off);
            }
        }
    }

    /// Colours that the program gave other values.
    fn colours<T>(&mut self, term: &Term<T>) {
        for index in 0..COUNT {
            let Some(Rgb { r, g, b }) = term.colors()[index] else { continue };
            match index {
                0..256 => self.write(format_args!("\x1b]4;{index};rgb:{r:02x}/{g:02x}/{b:02x}\x1b\\")),
                // What is written, what is behind it, the cursor.
                256..=258 => {
                    self.write(format_args!("\x1b]{};rgb:{r:02x}/{g:02x}/{b:02x}\x1b\\", index - 246))
                }
                _ => {}
            }
        }
    }

    /// How the cursor looks, if the program said so.
    fn shape<T>(&mut self, term: &Term<T>) {
        let style = term.cursor_style();
        if style != CursorStyle::default() {
            let shape = match style.shape {
                CursorShape::Underline => 3,
                CursorShape::Beam => 5,
                _ => 1,
            };
            self.write(format_args!("\x1b[{} q", shape + usize::from(!style.blinking)));
        }
    }

    /// Makes the pen that of a cell.
    fn pen(&mut self, cell: &Cell) {
        let (out, pen) = (&mut self.out, &mut self.pen);
        let link = cell.hyperlink().filter(|_| self.links < LINKS_MAX);
        if pen.hyperlink() != link {
            let before = out.len();
            let said = match &link {
                Some(link) => write!(out, "\x1b]8;id={};{}\x1b\\", link.id(), link.uri()),
                None => write!(out, "\x1b]8;;\x1b\\"),
            };
            // A string takes everything.
            let _never: Result<(), std::fmt::Error> = said;
            self.links += out.len() - before;
            pen.set_hyperlink(link);
        }
        if are_dressed_alike(pen, cell) {
            return;
        }
        let mut codes = vec!["0".to_owned()];
        for (flag, code) in [
            (Flags::BOLD, "1"),
            (Flags::DIM, "2"),
            (Flags::ITALIC, "3"),
            (Flags::UNDERLINE, "4"),
            (Flags::DOUBLE_UNDERLINE, "4:2"),
            (Flags::UNDERCURL, "4:3"),
            (Flags::DOTTED_UNDERLINE, "4:4"),
            (Flags::DASHED_UNDERLINE, "4:5"),
            (Flags::INVERSE, "7"),
            (Flags::HIDDEN, "8"),
            (Flags::STRIKEOUT, "9"),
        ] {
            if cell.flags.contains(flag) {
                codes.push(code.to_owned());
            }
        }
        codes.extend(colour(cell.fg, 30));
        codes.extend(colour(cell.bg, 40));
        codes.extend(cell.underline_color().and_then(|it| colour(it, 50)));
        out.push_str("\x1b[");
        out.push_str(&codes.join(";"));
        out.push('m');
        pen.flags = cell.flags & LOOKS;
        (pen.fg, pen.bg) = (cell.fg, cell.bg);
        pen.set_underline_color(cell.underline_color());
    }
}

/// What says how a line ends, and shows nothing.
const ENDS: Flags =
    Flags::from_bits_truncate(Flags::WRAPLINE.bits() | Flags::LEADING_WIDE_CHAR_SPACER.bits());

/// How many cells of a line are not as an empty terminal has them, or stand before one that is not. One that shows nothing may
/// have looks all the same, and is inside the line once something is written behind it.
fn used(grid: &Grid<Cell>, line: Line) -> usize {
    let blank = Cell::default();
    // What is left of a wide character that was half written over may have room for more, and nothing in it.
    let has_more = |cell: &Cell| {
        cell.zerowidth().is_some_and(|it| !it.is_empty())
            || cell.underline_color().is_some()
            || cell.hyperlink().is_some()
    };
    let is_used = |cell: &Cell| {
        cell.c != ' '
            || (cell.fg, cell.bg) != (blank.fg, blank.bg)
            || !(cell.flags & !ENDS).is_empty()
            || cell.extra.is_some() && has_more(cell)
    };
    let row = &grid[line];
    (0..grid.columns()).rev().find(|column| is_used(&row[Column(*column)])).map_or(0, |last| last + 1)
}

/// The code of a colour; `base` is 30 for what is written, 40 for what is behind it, 50 for the line below it.
fn colour(colour: Color, base: u16) -> Option<String> {
    match colour {
        Color::Named(NamedColor::Foreground | NamedColor::Background) => None,
        Color::Named(named) => match named as u16 {
            plain @ 0..8 if base < 50 => Some((base + plain).to_string()),
            bright @ 8..16 if base < 50 => Some((base + 52 + bright).to_string()),
            other @ 0..16 => Some(format!("{}:5:{other}", base + 8)),
            _ => None,
        },
        Color::Indexed(index) => Some(format!("{}:5:{index}", base + 8)),
        Color::Spec(rgb) => Some(format!("{}:2::{}:{}:{}", base + 8, rgb.r, rgb.g, rgb.b)),
    }
}
