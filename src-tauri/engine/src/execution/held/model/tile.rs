//! The last rows of a screen as text with its looks.

use alacritty_terminal::Term;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::Color;
use pilothouse_contract::rows::{Colour, Look, Row, Span};

/// The lowest rows that show anything, at most so many; and the cursor's place among them.
pub(super) fn last_rows<T>(term: &Term<T>, most: usize) -> (Vec<Row>, Option<(u16, u16)>) {
    let grid = term.grid();
    let place = grid.cursor.point;
    let shows = term.mode().contains(TermMode::SHOW_CURSOR);
    let rows = i32::try_from(grid.screen_lines()).unwrap_or_default();
    let mut all: Vec<(i32, Row)> = Vec::new();
    for line in (0..rows).rev() {
        let row = row((0..grid.columns()).map(|column| &grid[Line(line)][Column(column)]));
        if all.is_empty() && row.is_empty() && !(shows && place.line == line) {
            continue;
        }
        if all.len() == most {
            break;
        }
        all.push((line, row));
    }
    all.reverse();
    let at = all.iter().position(|(line, _)| shows && place.line == *line);
    let cursor = at.and_then(|at| Some((u16::try_from(at).ok()?, u16::try_from(place.column.0).ok()?)));
    (all.into_iter().map(|(_, row)| row).collect(), cursor)
}

fn row<'a>(cells: impl Iterator<Item = &'a Cell>) -> Row {
    let mut row = Row::new();
    // Blanks, which count once something follows them.
    let mut blanks = 0;
    for cell in cells {
        if cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
            continue;
        }
        let span = Span {
            text: String::new(),
            colour: colour(cell.fg),
            behind: colour(cell.bg),
            looks: looks(cell.flags),
        };
        let is_blank = cell.c == ' ' && cell.zerowidth().is_none() && span == Span::default();
        if is_blank {
            blanks += 1;
            continue;
        }
        if blanks > 0 {
            append(&mut row, Span::default(), std::iter::repeat_n(' ', blanks));
            blanks = 0;
        }
        let shown = if cell.flags.contains(Flags::HIDDEN) { ' ' } else { cell.c };
        append(&mut row, span, std::iter::once(shown).chain(cell.zerowidth().into_iter().flatten().copied()));
    }
    row
}

fn append(row: &mut Row, span: Span, text: impl Iterator<Item = char>) {
    match row.last_mut() {
        Some(last) if (last.colour, last.behind, &last.looks) == (span.colour, span.behind, &span.looks) => {
            last.text.extend(text);
        }
        _ => row.push(Span { text: text.collect(), ..span }),
    }
}

fn colour(colour: Color) -> Option<Colour> {
    match colour {
        // The named ones beyond are the usual colours, and their dim sisters.
        Color::Named(named) => u8::try_from(named as usize).ok().filter(|it| *it < 16).map(Colour::Palette),
        Color::Indexed(index) => Some(Colour::Palette(index)),
        Color::Spec(rgb) => Some(Colour::Exact([rgb.r, rgb.g, rgb.b])),
    }
}

fn looks(flags: Flags) -> Vec<Look> {
    let all = [
        (Flags::BOLD, Look::Bold),
        (Flags::DIM, Look::Dim),
        (Flags::ITALIC, Look::Italic),
        (Flags::ALL_UNDERLINES, Look::Underlined),
        (Flags::INVERSE, Look::Inverse),
        (Flags::STRIKEOUT, Look::Struck),
    ];
    all.into_iter().filter(|(flag, _)| flags.intersects(*flag)).map(|(_, look)| look).collect()
}
