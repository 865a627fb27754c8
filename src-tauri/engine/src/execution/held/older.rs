//! Lines that left a terminal's live ones: painted once, packed, and bounded. They are text with its looks as the painter makes
//! it, so that a painting begins with them as they are; nobody draws them again.
//!
//! Refuses: to know a terminal. What cannot be kept is left out from the oldest on, and it is known that something is.

use std::collections::VecDeque;

use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::term::cell::Cell;

use super::paint::Painter;

/// No more lines above a screen are kept, live ones among them.
pub(super) const LINES_MAX: usize = 10_000;
/// So much text is packed at once; the end of a line is waited for, but not for ever.
const CHUNK: usize = 64 * 1024;
const CHUNK_MAX: usize = 4 * CHUNK;
/// So much text is kept at most, and so many bytes of it packed.
const TEXT_MAX: usize = 8 * 1024 * 1024;
const PACKED_MAX: usize = 1024 * 1024;
/// The bit of a line's length that says that the line before goes on in it.
const GOES_ON: u32 = 1 << 31;

/// The older lines of a terminal.
#[derive(Debug, Clone, Default)]
pub struct Older {
    chunks: VecDeque<Chunk>,
    /// Paints what is not packed yet.
    painter: Painter,
    /// The length of each line of that.
    lengths: Vec<u32>,
    /// Whether lines are kept at all.
    keeps: bool,
    /// Whether some are left out that were said.
    lacks: bool,
    /// Whether those that leave now are left out, because so many come that these are not among the last.
    hurries: bool,
}

/// Lines that were packed: their lengths, and then their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    /// How many they are.
    pub(super) lines: u32,
    /// How long their text is.
    pub(super) text: u32,
    /// Both, compressed.
    pub(super) packed: Vec<u8>,
}

impl Older {
    /// None so far; from now on they are kept.
    pub(super) fn keeping() -> Self {
        Self { keeps: true, ..Self::default() }
    }

    /// These, of a terminal that is made anew. `goes_on` says whether the last of them goes on in the first live one.
    pub(super) fn of(chunks: Vec<Chunk>, goes_on: bool, lacks: bool) -> Self {
        let mut it = Self { chunks: chunks.into(), keeps: true, lacks, ..Self::default() };
        it.painter.goes_on = goes_on;
        it
    }

    /// Everything of them, packed; whether the last goes on, and whether some are left out.
    pub(super) fn packed(&mut self) -> (&VecDeque<Chunk>, bool, bool) {
        self.pack();
        (&self.chunks, self.painter.goes_on, self.lacks)
    }

    /// Whether they are kept.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether none is left out that was said.
    pub(super) fn is_all(&self) -> bool {
        !self.lacks
    }

    /// Nobody can bring those that are left out.
    pub(super) fn settle_for_these(&mut self) {
        self.lacks = false;
    }

    /// How many they are.
    pub(super) fn lines(&self) -> usize {
        self.chunks.iter().map(|it| it.lines as usize).sum::<usize>() + self.lengths.len()
    }

    /// Whether so many come that those that leave now need not be kept.
    pub(super) fn hurry(&mut self, hurries: bool) {
        self.hurries = hurries;
    }

    /// Whether they are left out for that.
    pub(super) fn hurries(&self) -> bool {
        self.hurries
    }

    /// The program took away all that was above its screen.
    pub(super) fn clear(&mut self) {
        *self = Self { keeps: self.keeps, hurries: self.hurries, ..Self::default() };
    }

    /// What was kept does not belong to what is live now.
    pub(super) fn forget(&mut self) {
        self.clear();
        self.lacks = true;
    }

    /// The lines of the terminal have another length: the last of these ends here, whatever it was to go on in.
    pub(super) fn break_off(&mut self) {
        if self.painter.goes_on {
            let before = self.painter.text().len();
            self.painter.end_line();
            let more = self.painter.text().len() - before;
            match self.lengths.last_mut() {
                Some(length) => *length += more as u32,
                None => self.lengths.push(more as u32 | GOES_ON),
            }
        }
    }

    /// Takes the oldest lines of a grid, until it has so many above its screen.
    pub(super) fn take(&mut self, grid: &mut Grid<Cell>, keep: usize, most: usize) {
        let above = grid.history_size();
        if above <= keep {
            return;
        }
        if self.hurries {
            self.forget();
        } else {
            for row in -(above as i32)..-(keep as i32) {
                self.line(grid, row);
            }
        }
        // What is shrunk is its oldest.
        grid.update_history(keep);
        grid.update_history(most);
    }

    fn line(&mut self, grid: &Grid<Cell>, row: i32) {
        let (before, goes_on) = (self.painter.text().len(), self.painter.goes_on);
        self.painter.row(grid, row, true);
        let length = (self.painter.text().len() - before) as u32;
        self.lengths.push(if goes_on { length | GOES_ON } else { length });
        let text = self.painter.text().len();
        if text >= CHUNK && (!self.painter.goes_on || text >= CHUNK_MAX) {
            self.pack();
        }
    }

    fn pack(&mut self) {
        if self.lengths.is_empty() {
            return;
        }
        // Each begins as everything looks at first.
        let before = self.painter.text().len();
        self.painter.plain();
        if let Some(length) = self.lengths.last_mut() {
            *length += (self.painter.text().len() - before) as u32;
        }
        let text = self.painter.take();
        let mut all: Vec<u8> = self.lengths.iter().flat_map(|it| it.to_le_bytes()).collect();
        all.extend_from_slice(text.as_bytes());
        let lines = std::mem::take(&mut self.lengths).len() as u32;
        match zstd::bulk::compress(&all, 1) {
            Ok(packed) => self.chunks.push_back(Chunk { lines, text: text.len() as u32, packed }),
            // What is older than a gap is of no use.
            Err(_) => self.forget(),
        }
        let mut sums = self.chunks.iter().fold((0, 0, 0), |sums: (usize, usize, usize), it| {
            (sums.0 + it.lines as usize, sums.1 + it.text as usize, sums.2 + it.packed.len())
        });
        while let Some(first) = self.chunks.front()
            && (sums.0 - first.lines as usize >= LINES_MAX || sums.1 > TEXT_MAX || sums.2 > PACKED_MAX)
        {
            let first = (first.lines as usize, first.text as usize, first.packed.len());
            // Nobody asks for more lines than these; for less of a line than there was somebody may.
            self.lacks |= sums.0 - first.0 < LINES_MAX;
            sums = (sums.0 - first.0, sums.1 - first.1, sums.2 - first.2);
            self.chunks.pop_front();
        }
    }

    /// A painter that painted the last lines of these, so many or a few more, and goes on from there.
    pub(super) fn painted(&self, most: usize) -> Painter {
        if most == 0 || self.lines() == 0 {
            return Painter::default();
        }
        let mut pieces = vec![(self.lengths.clone(), self.painter.text().to_owned())];
        let mut lines = self.lengths.len();
        for chunk in self.chunks.iter().rev() {
            if lines >= most {
                break;
            }
            let Some(piece) = chunk.unpacked() else { break };
            lines += piece.0.len();
            pieces.push(piece);
        }
        let mut left_out = lines.saturating_sub(most);
        let mut text = String::new();
        for (lengths, piece) in pieces.iter().rev() {
            let mut at = 0;
            if left_out > 0 {
                let out = left_out.min(lengths.len());
                left_out -= out;
                // A line that has begun is painted whole.
                let begins = (0..=out).rev().find(|at| lengths.get(*at).is_none_or(|it| it & GOES_ON == 0));
                let out = begins.filter(|_| left_out == 0).unwrap_or(out);
                at = lengths.iter().take(out).map(|it| (it & !GOES_ON) as usize).sum();
            }
            text.push_str(piece.get(at..).unwrap_or_default());
        }
        self.painter.after(text)
    }
}

impl Chunk {
    /// The lengths of the lines, and their text; nothing if it is damaged.
    fn unpacked(&self) -> Option<(Vec<u32>, String)> {
        let head = self.lines as usize * size_of::<u32>();
        let all = zstd::bulk::decompress(&self.packed, head + self.text as usize).ok()?;
        let (lengths, text) = all.split_at_checked(head)?;
        let lengths = lengths.chunks_exact(size_of::<u32>());
        let lengths = lengths.filter_map(|it| Some(u32::from_le_bytes(it.try_into().ok()?))).collect();
        Some((lengths, String::from_utf8(text.to_vec()).ok()?))
    }
}
