//! The rows of one file. They come from what git says with every unchanged line of it, so that what is folded can be opened without
//! asking again.

use pilothouse_contract::ask::change::{Ends, Head, Line, ROWS_MAX, Row};

use super::words;

/// So many unchanged rows stay beside a change.
const AROUND: u32 = 3;
/// Fewer unchanged rows than this are not folded: the fold would take as much room.
const WORTH: u32 = 4;
/// So many bytes of a line are shown.
const LINE_MAX: usize = 2000;

/// What a line of the diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    Out,
    In,
}

/// A line of the diff: where its text lies, and its numbers.
#[derive(Debug, Clone, Copy)]
struct Piece {
    at: u32,
    len: u32,
    kind: Kind,
    unended: bool,
    old: u32,
    new: u32,
}

/// Lines that were changed together: what was taken out, then what was added.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// The first of its pieces.
    first: u32,
    out: u32,
    added: u32,
    /// The first of its rows where both sides stand beside each other.
    split: u32,
}

impl Block {
    fn rows(self, split: bool) -> u32 {
        if split { self.out.max(self.added) } else { self.out + self.added }
    }

    fn at(self, split: bool) -> u32 {
        if split { self.split } else { self.first }
    }

    fn end(self) -> u32 {
        self.first + self.out + self.added
    }
}

/// A file of a change, read.
#[derive(Debug, Default)]
pub struct Body {
    said: Vec<u8>,
    pieces: Vec<Piece>,
    blocks: Vec<Block>,
    notes: Vec<String>,
    /// Every line of both sides ends with CR LF, so that is not worth saying of each.
    crlf: bool,
}

fn n(it: usize) -> u32 {
    u32::try_from(it).unwrap_or(u32::MAX)
}

impl Body {
    /// A file of which there is nothing to show but words.
    #[must_use]
    pub fn of_notes(notes: Vec<String>) -> Self {
        Self { notes, ..Self::default() }
    }

    /// Reads what `git diff` said of two files with all that is unchanged in them: one hunk.
    #[must_use]
    pub fn of_diff(said: Vec<u8>, notes: Vec<String>) -> Self {
        let mut body = Self { notes, ..Self::default() };
        let mut at = 0;
        let mut within = false;
        for line in said.split_inclusive(|it| *it == b'\n') {
            let from = at;
            at += line.len();
            if !within {
                within = line.starts_with(b"@@ ");
                continue;
            }
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            let kind = match bare.first() {
                Some(b'+') => Kind::In,
                Some(b'-') => Kind::Out,
                Some(b'\\') => {
                    if let Some(last) = body.pieces.last_mut() {
                        last.unended = true;
                    }
                    continue;
                }
                _ => Kind::Same,
            };
            // Git can be told to leave the sign of an empty unchanged line out.
            let sign = usize::from(!bare.is_empty());
            body.push(from + sign, bare.len() - sign, kind);
        }
        body.said = said;
        body.settle();
        body
    }

    /// A file that is on one side alone.
    #[must_use]
    pub fn of_one(bytes: Vec<u8>, added: bool, notes: Vec<String>) -> Self {
        let mut body = Self { notes, ..Self::default() };
        let kind = if added { Kind::In } else { Kind::Out };
        let mut at = 0;
        for line in bytes.split_inclusive(|it| *it == b'\n') {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            body.push(at, bare.len(), kind);
            at += line.len();
            if bare.len() == line.len()
                && let Some(last) = body.pieces.last_mut()
            {
                last.unended = true;
            }
        }
        body.said = bytes;
        if body.pieces.is_empty() {
            body.notes.push("It is empty.".to_owned());
        }
        body.settle();
        body
    }

    fn push(&mut self, at: usize, len: usize, kind: Kind) {
        let (old, new) = self.pieces.last().map_or((1, 1), |it| {
            (it.old + u32::from(it.kind != Kind::In), it.new + u32::from(it.kind != Kind::Out))
        });
        self.pieces.push(Piece { at: n(at), len: n(len), kind, unended: false, old, new });
    }

    /// What follows from its lines: blocks, and words on line ends.
    fn settle(&mut self) {
        let mut blocks: Vec<Block> = Vec::new();
        let mut before: Option<Kind> = None;
        for (at, piece) in self.pieces.iter().enumerate() {
            // What is taken out comes first: behind what was added it is of the next block.
            if matches!(
                (before, piece.kind),
                (Some(Kind::Same) | None, Kind::Out | Kind::In) | (Some(Kind::In), Kind::Out)
            ) {
                let behind = |last: &Block| last.split + last.rows(true) + (n(at) - last.end());
                let split = blocks.last().map_or(n(at), behind);
                blocks.push(Block { first: n(at), out: 0, added: 0, split });
            }
            if let Some(last) = blocks.last_mut() {
                last.out += u32::from(piece.kind == Kind::Out);
                last.added += u32::from(piece.kind == Kind::In);
            }
            before = Some(piece.kind);
        }
        self.blocks = blocks;
        self.say_ends();
    }

    fn say_ends(&mut self) {
        // Of each side: lines, and those of them that end with CR LF.
        let (mut old, mut new) = ((0_u64, 0_u64), (0_u64, 0_u64));
        let mut broken = false;
        let (mut old_unended, mut new_unended) = (false, false);
        for it in &self.pieces {
            let bytes = self.bytes(*it);
            broken |= std::str::from_utf8(bytes).is_err();
            let cr = u64::from(bytes.ends_with(b"\r"));
            let counts = u64::from(!it.unended);
            if it.kind != Kind::In {
                old = (old.0 + counts, old.1 + cr * counts);
                old_unended |= it.unended;
            }
            if it.kind != Kind::Out {
                new = (new.0 + counts, new.1 + cr * counts);
                new_unended |= it.unended;
            }
        }
        let word = |(all, cr): (u64, u64)| match cr {
            _ if all == 0 => None,
            0 => Some("LF"),
            _ if cr == all => Some("CR LF"),
            _ => Some("LF and CR LF mixed"),
        };
        let (was, is) = (word(old), word(new));
        self.crlf = [was, is].into_iter().flatten().all(|it| it == "CR LF");
        match (was, is) {
            (Some(was), Some(is)) if was != is => {
                self.notes.push(format!("Its lines ended with {was} before, and end with {is} now."));
            }
            (_, Some(it)) | (Some(it), None) if it != "LF" => {
                self.notes.push(format!("Its lines end with {it}."));
            }
            _ => {}
        }
        match (old_unended, new_unended) {
            (true, true) => self.notes.push("Its last line has no line end.".to_owned()),
            (true, false) if new.0 > 0 => {
                self.notes.push("Its last line had no line end before, and has one now.".to_owned());
            }
            (false, true) if old.0 > 0 => {
                self.notes.push("Its last line had a line end before, and has none now.".to_owned());
            }
            (true, false) | (false, true) => self.notes.push("Its last line has no line end.".to_owned()),
            (false, false) => {}
        }
        if broken {
            self.notes.push("Not all of it is UTF-8; what is not is shown as \u{fffd}.".to_owned());
        }
    }

    /// How much memory it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.said.len()
            + self.pieces.len() * size_of::<Piece>()
            + self.blocks.len() * size_of::<Block>()
            + 256
    }

    /// What there is to say of the whole.
    #[must_use]
    pub fn head(&self, split: bool) -> Head {
        Head {
            rows: self.rows_in_all(split),
            gaps: self.gaps(split),
            hunks: self.hunks(split),
            notes: self.notes.clone(),
        }
    }

    fn rows_in_all(&self, split: bool) -> u32 {
        match self.blocks.last() {
            Some(last) if split => last.split + last.rows(true) + (n(self.pieces.len()) - last.end()),
            _ => n(self.pieces.len()),
        }
    }

    /// Where it is unchanged for long.
    fn gaps(&self, split: bool) -> Vec<(u32, u32)> {
        let mut gaps = Vec::new();
        if self.blocks.is_empty() {
            return gaps;
        }
        let mut fold = |from: u32, to: u32| {
            if to >= from + WORTH {
                gaps.push((from, to - from));
            }
        };
        let mut from = 0;
        for block in &self.blocks {
            fold(from, block.at(split).saturating_sub(AROUND));
            from = block.at(split) + block.rows(split) + AROUND;
        }
        fold(from, self.rows_in_all(split));
        gaps
    }

    /// Where each hunk begins: changes that no fold parts are one.
    fn hunks(&self, split: bool) -> Vec<u32> {
        let mut hunks = Vec::new();
        let mut end = None;
        for block in &self.blocks {
            let at = block.at(split);
            if end.is_none_or(|end| at >= end + 2 * AROUND + WORTH) {
                hunks.push(at);
            }
            end = Some(at + block.rows(split));
        }
        hunks
    }

    /// Rows from one on.
    #[must_use]
    pub fn rows(&self, split: bool, at: u32, most: u32) -> Vec<Row> {
        let end = at.saturating_add(most.min(ROWS_MAX)).min(self.rows_in_all(split));
        (at..end).filter_map(|it| if split { self.beside(it) } else { self.below(it) }).collect()
    }

    /// The block that a row lies in or behind.
    fn block_before(&self, row: u32, split: bool) -> Option<Block> {
        let behind = self.blocks.partition_point(|it| it.at(split) <= row);
        self.blocks.get(behind.checked_sub(1)?).copied()
    }

    fn piece(&self, at: u32) -> Option<Piece> {
        self.pieces.get(at as usize).copied()
    }

    /// A row where both sides stand below each other.
    fn below(&self, row: u32) -> Option<Row> {
        let piece = self.piece(row)?;
        if piece.kind == Kind::Same {
            return Some(self.same(piece));
        }
        let block = self.block_before(row, false)?;
        let in_out = piece.kind == Kind::Out;
        let (nth, others, first) = if in_out {
            (row - block.first, block.added, block.first + block.out)
        } else {
            (row - block.first - block.out, block.out, block.first)
        };
        let other = (nth < others).then(|| self.piece(first + nth)).flatten();
        let (out, added) = if in_out { (Some(piece), other) } else { (other, Some(piece)) };
        let (out, added) = self.pair(out, added);
        Some(if in_out {
            Row { old: Some(piece.old), new: None, out, line: None }
        } else {
            Row { old: None, new: Some(piece.new), out: None, line: added }
        })
    }

    /// A row where they stand beside each other.
    fn beside(&self, row: u32) -> Option<Row> {
        let Some(block) = self.block_before(row, true) else {
            return self.piece(row).map(|it| self.same(it));
        };
        let nth = row - block.split;
        if nth >= block.rows(true) {
            return self.piece(block.end() + nth - block.rows(true)).map(|it| self.same(it));
        }
        let out = (nth < block.out).then(|| self.piece(block.first + nth)).flatten();
        let added = (nth < block.added).then(|| self.piece(block.first + block.out + nth)).flatten();
        let (old, new) = (out.map(|it| it.old), added.map(|it| it.new));
        let (out, line) = self.pair(out, added);
        Some(Row { old, new, out, line })
    }

    fn same(&self, piece: Piece) -> Row {
        Row { old: Some(piece.old), new: Some(piece.new), out: None, line: Some(self.line(piece)) }
    }

    /// A line and its counterpart, with what differs in each.
    fn pair(&self, out: Option<Piece>, added: Option<Piece>) -> (Option<Line>, Option<Line>) {
        let (mut out, mut added) = (out.map(|it| self.line(it)), added.map(|it| self.line(it)));
        if let (Some(out), Some(added)) = (&mut out, &mut added) {
            (out.marks, added.marks) = words::differing(&out.text, &added.text);
        }
        (out, added)
    }

    fn bytes(&self, piece: Piece) -> &[u8] {
        let from = piece.at as usize;
        self.said.get(from..from + piece.len as usize).unwrap_or_default()
    }

    fn line(&self, piece: Piece) -> Line {
        let whole = self.bytes(piece);
        let bare = whole.strip_suffix(b"\r").filter(|_| !piece.unended);
        let ends = match bare {
            _ if piece.unended => Ends::Never,
            Some(_) if !self.crlf => Ends::CrLf,
            _ => Ends::Usually,
        };
        let bytes = bare.unwrap_or(whole);
        let mut end = bytes.len().min(LINE_MAX);
        // Not in the middle of a character.
        while end < bytes.len() && end > 0 && bytes.get(end).is_some_and(|it| it & 0xc0 == 0x80) {
            end -= 1;
        }
        let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        Line { text, marks: Vec::new(), more: n(bytes.len() - end), ends }
    }
}

#[cfg(test)]
mod tests;
