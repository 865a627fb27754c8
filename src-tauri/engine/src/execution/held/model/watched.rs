//! Stands between the parser and the emulator: knows what the emulator keeps to itself and a painting needs, mends where it
//! is wrong, and keeps from it what would fill memory.

use alacritty_terminal::Term;
use alacritty_terminal::event::EventListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, Hyperlink, KeyboardModes,
    KeyboardModesApplyBehavior, LineClearMode, Mode, ModifyOtherKeys, NamedPrivateMode, PrivateMode, Rgb,
    StandardCharset, TabulationClearMode,
};

use super::super::older::Older;
use super::status::Status;
use super::{LEAST_LINES, LEFT_LIVE, LIVE_LINES};

/// A cell takes so many signs without a width; more belong to no writing.
const MARKS_MAX: usize = 16;
/// For each byte a program may fill a quarter of a line, and so many cells at least, and in any case a screen at once: a character
/// can be repeated by a few bytes, but nobody repeats more often than a line is long.
const CELLS_PER_BYTE: usize = 32;
/// The addresses of links take about this much memory; more are not kept.
const LINKS_MAX: usize = 4 * 1024 * 1024;
/// Stops of the tabulator are so far apart at first.
const TAB: usize = 8;

/// What the emulator does not tell.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Untold {
    /// The first and the last line that scroll, counted from one, if not all do.
    pub(in super::super) region: Option<(usize, usize)>,
    /// Which columns are stops of the tabulator, if they are not the usual ones.
    pub(in super::super) tabs: Option<Vec<bool>>,
    /// Which character set is in use.
    pub(in super::super) charset: CharsetIndex,
    /// What the program says of itself.
    pub(super) status: Status,
    /// Lines that are no live ones any more.
    pub(super) older: Older,
    /// Whether there ever was a character that takes two cells.
    wide: bool,
    /// So many cells may still be filled.
    cells: usize,
    /// Bytes of addresses since they were counted, with those that were there then; and whether those were too many.
    links: usize,
    is_full_of_links: bool,
}

impl Untold {
    /// The program said so many bytes more.
    pub(super) fn said(&mut self, bytes: usize, (columns, rows): (u16, u16)) {
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        let more = bytes.saturating_mul((columns / 4).max(CELLS_PER_BYTE));
        // What was not used is not saved up.
        self.cells = more.max(columns * rows);
    }

    /// The terminal has another size.
    pub(super) fn resize(&mut self, columns: usize) {
        self.region = None;
        if let Some(tabs) = &mut self.tabs {
            let mut column = tabs.len();
            tabs.resize_with(columns, || {
                column += 1;
                (column - 1).is_multiple_of(TAB)
            });
        }
    }

    fn tabs(&mut self, columns: usize) -> &mut Vec<bool> {
        self.tabs.get_or_insert_with(|| (0..columns).map(|it| it.is_multiple_of(TAB)).collect())
    }
}

/// The emulator, watched.
pub(super) struct Watched<'a, T> {
    pub(super) term: &'a mut Term<T>,
    pub(super) untold: &'a mut Untold,
}

impl<T> Watched<'_, T> {
    /// Whether the cell that a sign without a width would go to has enough of them.
    fn is_full(&self) -> bool {
        let grid = self.term.grid();
        let (line, mut column) = (grid.cursor.point.line, grid.cursor.point.column);
        if !grid.cursor.input_needs_wrap {
            column.0 = column.saturating_sub(1);
        }
        if grid[line][column].flags.contains(Flags::WIDE_CHAR_SPACER) {
            column.0 = column.saturating_sub(1);
        }
        grid[line][column].zerowidth().is_some_and(|it| it.len() >= MARKS_MAX)
    }

    /// Bytes of the addresses of links in all cells, each once for cells beside each other.
    fn links(&self) -> usize {
        let (grid, mut bytes, mut last) = (self.term.grid(), 0, None);
        for line in self.term.topmost_line().0..=self.term.bottommost_line().0 {
            for column in 0..self.term.columns() {
                let link = grid[Line(line)][Column(column)].hyperlink();
                if link != last {
                    bytes += link.as_ref().map_or(0, |it| it.uri().len() + it.id().len());
                    last = link;
                }
            }
        }
        bytes
    }

    /// Of a cursor whose lines are counted from where scrolling begins none leads beyond.
    fn keep_inside(&mut self) {
        if let Some((top, bottom)) = self.untold.region
            && self.term.mode().contains(TermMode::ORIGIN)
        {
            let point = &mut self.term.grid_mut().cursor.point;
            point.line = point.line.max(Line(top as i32 - 1)).min(Line(bottom as i32 - 1));
        }
    }

    /// Makes room for lines that are about to leave the screen: the oldest live ones are packed.
    #[inline]
    fn make_room(&mut self, lines: usize) {
        // An editor's screen has nothing above it.
        if self.term.grid().history_size() + lines > LIVE_LINES && self.untold.older.keeps() {
            // What is not packed while much comes is gone, so that more is left.
            let left = if self.untold.older.hurries() { LEAST_LINES } else { LEFT_LIVE };
            self.pack(LIVE_LINES.saturating_sub(lines).min(left));
        }
    }

    #[inline(never)]
    fn pack(&mut self, keep: usize) {
        self.untold.older.take(self.term.grid_mut(), keep, LIVE_LINES);
    }

    /// Of the live lines those are packed that would not fit in any more.
    pub(super) fn before_resize(&mut self, (columns, rows): (u16, u16)) {
        let (was, is) = (self.term.columns(), usize::from(columns));
        if !self.untold.older.keeps() {
            return;
        }
        // Once is little work, and of what has to leave some may be among the last lines.
        let hurries = self.untold.older.hurries();
        self.untold.older.hurry(false);
        if is < was {
            // Each, and each of the screen, may come to so many.
            let times = was.div_ceil(is);
            self.make_room(LIVE_LINES - (LIVE_LINES / times).saturating_sub(self.term.screen_lines()));
        }
        self.make_room(self.term.screen_lines().saturating_sub(usize::from(rows)));
        self.untold.older.hurry(hurries);
        if is != was {
            self.untold.older.break_off();
        }
    }

    /// What did not fit in is gone.
    pub(super) fn after_resize(&mut self, narrows: bool) {
        let is_below = self.term.mode().contains(TermMode::ALT_SCREEN);
        if self.untold.older.keeps() && (self.term.grid().history_size() == LIVE_LINES || narrows && is_below)
        {
            self.untold.older.forget();
        }
    }

    fn column(&self) -> usize {
        self.term.grid().cursor.point.column.0
    }

    fn after_mode(&mut self, mode: PrivateMode) {
        match mode {
            PrivateMode::Named(NamedPrivateMode::ColumnMode) => self.untold.region = None,
            PrivateMode::Named(NamedPrivateMode::SwapScreenAndSetRestoreCursor) => self.keep_inside(),
            _ => {}
        }
    }

    /// Blanks the halves of wide characters whose other half was taken away on the cursor's line.
    fn mend_halves(&mut self) {
        if !self.untold.wide {
            return;
        }
        let (columns, line) = (self.term.columns(), self.term.grid().cursor.point.line);
        let row = &mut self.term.grid_mut()[line];
        for column in 0..columns {
            let flags = row[Column(column)].flags;
            let is = |at: usize, flag| at < columns && row[Column(at)].flags.contains(flag);
            let widow = flags.contains(Flags::WIDE_CHAR) && !is(column + 1, Flags::WIDE_CHAR_SPACER)
                || flags.contains(Flags::WIDE_CHAR_SPACER)
                    && !(column > 0 && is(column - 1, Flags::WIDE_CHAR))
                || flags.contains(Flags::LEADING_WIDE_CHAR_SPACER) && column + 1 != columns;
            if widow {
                row[Column(column)] = row[Column(column)].bg.into();
            }
        }
    }
}

impl<T: EventListener> Watched<'_, T> {
    /// Goes so many lines down, or up, and to a column. Where lines are counted from where scrolling begins, the emulator counts
    /// them from there a second time.
    fn go(&mut self, down: i32, column: usize) {
        let line = self.term.grid().cursor.point.line.0.saturating_add(down);
        let is_counted = self.term.mode().contains(TermMode::ORIGIN);
        let top = self.untold.region.filter(|_| is_counted).map_or(0, |(top, _)| top as i32 - 1);
        Handler::goto(self.term, line.saturating_sub(top).max(0), column);
    }
}

macro_rules! pass_on {
    ($($name:ident($($of:ident: $what:ty),*);)*) => {
        $(#[inline]
        fn $name(&mut self, $($of: $what),*) {
            Handler::$name(self.term, $($of),*);
        })*
    };
}

/// The same, and then halves of characters are looked for.
macro_rules! pass_on_and_mend {
    ($($name:ident($of:ident: $what:ty);)*) => {
        $(fn $name(&mut self, $of: $what) {
            Handler::$name(self.term, $of);
            self.mend_halves();
        })*
    };
}

// Titles are nobody's here, and a stack of them only takes memory; so do clipboards.
impl<T: EventListener> Handler for Watched<'_, T> {
    pass_on! {
        set_cursor_style(style: Option<CursorStyle>);
        set_cursor_shape(shape: CursorShape);
        goto(line: i32, column: usize);
        goto_line(line: i32);
        identify_terminal(intermediate: Option<char>);
        device_status(about: usize);
        move_forward(columns: usize);
        move_backward(columns: usize);
        backspace();
        carriage_return();
        bell();
        substitute();
        scroll_down(rows: usize);
        insert_blank_lines(lines: usize);
        move_forward_tabs(count: u16);
        save_cursor_position();
        reverse_index();
        terminal_attribute(attribute: Attr);
        set_mode(mode: Mode);
        unset_mode(mode: Mode);
        report_mode(mode: Mode);
        report_private_mode(mode: PrivateMode);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        configure_charset(index: CharsetIndex, charset: StandardCharset);
        set_color(index: usize, colour: Rgb);
        dynamic_color_sequence(prefix: String, index: usize, end: &str);
        reset_color(index: usize);
        decaln();
        text_area_size_pixels();
        text_area_size_chars();
        report_keyboard_mode();
        push_keyboard_mode(mode: KeyboardModes);
        pop_keyboard_modes(count: u16);
        set_keyboard_mode(mode: KeyboardModes, how: KeyboardModesApplyBehavior);
        set_modify_other_keys(mode: ModifyOtherKeys);
        report_modify_other_keys();
    }

    pass_on_and_mend! {
        insert_blank(count: usize);
        erase_chars(count: usize);
        clear_line(mode: LineClearMode);
    }

    #[inline]
    fn linefeed(&mut self) {
        self.make_room(1);
        Handler::linefeed(self.term);
    }

    #[inline]
    fn newline(&mut self) {
        self.make_room(1);
        Handler::newline(self.term);
    }

    fn scroll_up(&mut self, rows: usize) {
        self.make_room(rows.min(self.term.screen_lines()));
        Handler::scroll_up(self.term, rows);
    }

    fn delete_lines(&mut self, lines: usize) {
        self.make_room(lines.min(self.term.screen_lines()));
        Handler::delete_lines(self.term, lines);
    }

    fn goto_col(&mut self, column: usize) {
        self.go(0, column);
    }

    fn move_up(&mut self, rows: usize) {
        self.go(-(rows as i32), self.column());
    }

    fn move_down(&mut self, rows: usize) {
        self.go(rows as i32, self.column());
    }

    fn move_up_and_cr(&mut self, rows: usize) {
        self.go(-(rows as i32), 0);
    }

    fn move_down_and_cr(&mut self, rows: usize) {
        self.go(rows as i32, 0);
    }

    fn move_backward_tabs(&mut self, count: u16) {
        let before = self.column();
        Handler::move_backward_tabs(self.term, count);
        // What comes next is written where the cursor is, and not in the next line.
        if self.column() != before {
            self.term.grid_mut().cursor.input_needs_wrap = false;
        }
    }

    fn delete_chars(&mut self, count: usize) {
        // The emulator takes what it cannot delete to the right of the cursor from the left of it.
        Handler::delete_chars(self.term, count.min(self.term.columns() - self.column()));
        // The mark that a line goes on came along with the last cell, and would count again once that is at the end.
        let (last, line) = (self.term.last_column(), self.term.grid().cursor.point.line);
        let row = &mut self.term.grid_mut()[line];
        (0..last.0).for_each(|column| row[Column(column)].flags.remove(Flags::WRAPLINE));
        self.mend_halves();
    }

    #[inline]
    fn input(&mut self, c: char) {
        let Some(left) = self.untold.cells.checked_sub(1) else { return };
        self.untold.cells = left;
        if self.term.grid().cursor.input_needs_wrap {
            self.make_room(1);
        }
        // Those before it take one cell each.
        if c >= '\u{300}' {
            match unicode_width::UnicodeWidthChar::width(c) {
                Some(0) if self.is_full() => return,
                Some(2) => {
                    self.untold.wide = true;
                    self.make_room(1);
                }
                _ => {}
            }
        }
        Handler::input(self.term, c);
        if self.term.mode().contains(TermMode::INSERT) {
            self.mend_halves();
        }
    }

    fn set_hyperlink(&mut self, link: Option<Hyperlink>) {
        let bytes = link.as_ref().map_or(0, |it| it.uri.len() + it.id.as_ref().map_or(0, String::len));
        self.untold.links += bytes;
        if self.untold.links > LINKS_MAX {
            let there = self.links();
            self.untold.is_full_of_links = there > LINKS_MAX / 2;
            self.untold.links = there.min(LINKS_MAX / 2);
        }
        Handler::set_hyperlink(self.term, link.filter(|_| !self.untold.is_full_of_links));
    }

    fn put_tab(&mut self, count: u16) {
        if self.term.grid().cursor.input_needs_wrap {
            self.make_room(1);
            Handler::put_tab(self.term, count);
        } else {
            // The same way, without a sign that is none in the cell.
            Handler::move_forward_tabs(self.term, count);
        }
    }

    fn clear_screen(&mut self, mode: ClearMode) {
        let cursor = self.term.grid().cursor.point.line;
        if matches!(mode, ClearMode::Above) && cursor == 1 {
            // The emulator forgets the first line when the cursor is on the second.
            self.term.grid_mut().reset_region(..Line(1));
        }
        match mode {
            ClearMode::All => self.make_room(self.term.screen_lines()),
            ClearMode::Saved => self.untold.older.clear(),
            ClearMode::Above | ClearMode::Below => {}
        }
        Handler::clear_screen(self.term, mode);
        self.mend_halves();
    }

    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        // As terminals do: below the screen there is nothing to scroll.
        let lines = self.term.screen_lines();
        let bottom = bottom.map_or(lines, |it| it.min(lines));
        if top < bottom {
            Handler::set_scrolling_region(self.term, top, Some(bottom));
            self.untold.region = Some((top, bottom)).filter(|it| *it != (1, lines));
        }
    }

    fn restore_cursor_position(&mut self) {
        Handler::restore_cursor_position(self.term);
        self.keep_inside();
        let (end, grid) = (self.term.last_column(), self.term.grid_mut());
        // It may have been saved on a screen that was not shown when the terminal got its size.
        super::go_on_beyond(&mut grid.cursor, end);
        if grid.cursor.input_needs_wrap {
            // Whether the line goes on is decided by what comes.
            let point = grid.cursor.point;
            grid[point.line][point.column].flags.remove(Flags::WRAPLINE);
        }
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        Handler::set_private_mode(self.term, mode);
        self.after_mode(mode);
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        Handler::unset_private_mode(self.term, mode);
        self.after_mode(mode);
    }

    fn set_horizontal_tabstop(&mut self) {
        Handler::set_horizontal_tabstop(self.term);
        let (columns, at) = (self.term.columns(), self.term.grid().cursor.point.column.0);
        if let Some(stop) = self.untold.tabs(columns).get_mut(at) {
            *stop = true;
        }
    }

    fn clear_tabs(&mut self, mode: TabulationClearMode) {
        let (columns, at) = (self.term.columns(), self.term.grid().cursor.point.column.0);
        let tabs = self.untold.tabs(columns);
        match (&mode, tabs.get_mut(at)) {
            (TabulationClearMode::All, _) => tabs.fill(false),
            (TabulationClearMode::Current, Some(stop)) => *stop = false,
            (TabulationClearMode::Current, None) => {}
        }
        Handler::clear_tabs(self.term, mode);
    }

    fn set_active_charset(&mut self, index: CharsetIndex) {
        Handler::set_active_charset(self.term, index);
        self.untold.charset = index;
    }

    fn reset_state(&mut self) {
        Handler::reset_state(self.term);
        let mut older = std::mem::take(&mut self.untold.older);
        older.clear();
        *self.untold = Untold { cells: self.untold.cells, older, ..Untold::default() };
    }
}
