//! A grid of cells as text, and as the escape sequences that paint it on an empty terminal of the same size.

use std::fmt::Write;

use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, Color, NamedColor, StandardCharset};

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

fn cells(grid: &Grid<Cell>, line: Line) -> impl DoubleEndedIterator<Item = &Cell> {
    let row = &grid[line];
    (0..grid.columns()).map(move |column| &row[Column(column)])
}

/// Paints a screen with its modes, and so many lines above it.
pub(super) fn screen(grid: &Grid<Cell>, mode: TermMode, lines_above: usize) -> Vec<u8> {
    let above = i32::try_from(lines_above.min(grid.history_size())).unwrap_or_default();
    let rows = i32::try_from(grid.screen_lines()).unwrap_or_default();
    let mut out = String::new();
    let mut pen = Cell::default();
    for row in -above..rows {
        let line = Line(row);
        let last = cells(grid, line).rposition_used();
        let wraps = cells(grid, line).next_back().is_some_and(|it| it.flags.contains(Flags::WRAPLINE));
        let follows = row + 1 < rows;
        // A line that goes on in the next one is painted to its end, and the next character wraps; if there is none, it
        // is ended like any other.
        let goes_on = wraps && follows && cells(grid, Line(row + 1)).rposition_used().is_some();
        let length = if goes_on { grid.columns() } else { last.map_or(0, |last| last + 1) };
        for cell in cells(grid, line).take(length) {
            draw(&mut out, &mut pen, cell);
        }
        if follows && !goes_on {
            // Blanks that scroll in take the colour of the pen.
            put_pen(&mut out, &mut pen, &Cell::default());
            out.push_str("\r\n");
        }
    }
    put_modes(&mut out, mode);
    put_cursor(&mut out, &mut pen, grid, mode);
    out.into_bytes()
}

trait Used {
    fn rposition_used(self) -> Option<usize>;
}

impl<'a, I: DoubleEndedIterator<Item = &'a Cell>> Used for I {
    /// The last cell that shows anything.
    fn rposition_used(self) -> Option<usize> {
        let blank = Cell::default();
        let used = |cell: &&Cell| {
            let flags = cell.flags & !Flags::WRAPLINE;
            cell.c != ' ' || cell.bg != blank.bg || !flags.is_empty() || cell.zerowidth().is_some()
        };
        let all: Vec<&Cell> = self.collect();
        all.iter().rposition(used)
    }
}

fn draw(out: &mut String, pen: &mut Cell, cell: &Cell) {
    if cell.flags.intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER) {
        // The character itself takes this cell too, or the one that is wrapped makes it.
        return;
    }
    put_pen(out, pen, cell);
    out.push(if cell.c == '\t' { ' ' } else { cell.c });
    out.extend(cell.zerowidth().into_iter().flatten());
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

/// Makes the pen that of a cell.
fn put_pen(out: &mut String, pen: &mut Cell, cell: &Cell) {
    if pen.hyperlink() != cell.hyperlink() {
        let said = match cell.hyperlink() {
            Some(link) => write!(out, "\x1b]8;id={};{}\x1b\\", link.id(), link.uri()),
            None => write!(out, "\x1b]8;;\x1b\\"),
        };
        // A string takes everything.
        let _never: Result<(), std::fmt::Error> = said;
        pen.set_hyperlink(cell.hyperlink());
    }
    let same = pen.flags & LOOKS == cell.flags & LOOKS
        && (pen.fg, pen.bg) == (cell.fg, cell.bg)
        && pen.underline_color() == cell.underline_color();
    if same {
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

fn put_modes(out: &mut String, mode: TermMode) {
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
    ] {
        if mode.contains(flag) {
            out.push_str(on);
        }
    }
    for (flag, off) in [(TermMode::SHOW_CURSOR, "\x1b[?25l"), (TermMode::ALTERNATE_SCROLL, "\x1b[?1007l")] {
        if !mode.contains(flag) {
            out.push_str(off);
        }
    }
}

fn put_cursor(out: &mut String, pen: &mut Cell, grid: &Grid<Cell>, mode: TermMode) {
    let cursor = &grid.cursor;
    let (line, column) = (cursor.point.line, cursor.point.column);
    let mut at = column.0;
    let waits = cursor.input_needs_wrap.then(|| &grid[line][column]);
    // A cursor that waits beyond the last column got there by writing in it.
    let wide_before = waits.is_some_and(|it| it.flags.contains(Flags::WIDE_CHAR_SPACER)) && at > 0;
    at -= usize::from(wide_before);
    let _never: Result<(), std::fmt::Error> = write!(out, "\x1b[{};{}H", line.0 + 1, at + 1);
    if waits.is_some() {
        let cell = &grid[line][Column(at)];
        put_pen(out, pen, cell);
        out.push(cell.c);
        out.extend(cell.zerowidth().into_iter().flatten());
    }
    put_pen(out, pen, &cursor.template);
    for (index, set) in
        [(CharsetIndex::G0, '('), (CharsetIndex::G1, ')'), (CharsetIndex::G2, '*'), (CharsetIndex::G3, '+')]
    {
        if cursor.charsets[index] == StandardCharset::SpecialCharacterAndLineDrawing {
            out.push('\x1b');
            out.push(set);
            out.push('0');
        }
    }
    if mode.contains(TermMode::INSERT) {
        out.push_str("\x1b[4h");
    }
    if !mode.contains(TermMode::LINE_WRAP) {
        out.push_str("\x1b[?7l");
    }
}
