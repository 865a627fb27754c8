//! The rows of one file as they are laid out: which of them are shown, and which are folded until somebody opens them.

use std::sync::Arc;

use pilothouse_contract::Oid;
use pilothouse_contract::ask::change::{File, Head};

/// What stands in a line of the sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stands {
    /// A row of the file.
    Row(u32),
    /// So many unchanged rows, from this one on.
    Fold(u32, u32),
}

/// Rows that are shown, or folded, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// The first line of the sheet that it takes.
    at: u32,
    from: u32,
    count: u32,
    folded: bool,
}

impl Part {
    fn lines(self) -> u32 {
        if self.folded { 1 } else { self.count }
    }
}

/// Which file it is, and how it is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Which {
    /// From which commit the change is.
    pub(crate) from: Oid,
    /// To which.
    pub(crate) to: Oid,
    /// The place of the file in the list.
    pub(crate) file: u32,
    /// Whether both sides stand beside each other.
    pub(crate) split: bool,
}

/// One file, laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// Which.
    pub(crate) which: Which,
    /// The file as it is listed.
    pub(crate) file: File,
    /// What there is to say of it.
    pub(crate) notes: Vec<String>,
    /// The first changed row of each hunk.
    pub(crate) hunks: Arc<Vec<u32>>,
    /// So many rows the file has, folded ones too.
    pub(crate) rows: u32,
    parts: Arc<Vec<Part>>,
}

impl Sheet {
    /// Lays it out.
    pub(crate) fn new(which: Which, file: File, head: &Head) -> Self {
        let mut parts: Vec<(u32, u32, bool)> = Vec::new();
        let mut at = 0;
        for (from, count) in &head.gaps {
            parts.push((at, from.saturating_sub(at), false));
            parts.push((*from, *count, true));
            at = from + count;
        }
        parts.push((at, head.rows.saturating_sub(at), false));
        Self {
            which,
            file,
            notes: head.notes.clone(),
            hunks: Arc::new(head.hunks.clone()),
            rows: head.rows,
            parts: laid(parts.into_iter()),
        }
    }

    /// How many lines it has.
    pub(crate) fn lines(&self) -> u32 {
        self.parts.last().map_or(0, |it| it.at + it.lines())
    }

    /// What stands in a line.
    pub(crate) fn at(&self, line: u32) -> Option<Stands> {
        let behind = self.parts.partition_point(|it| it.at <= line);
        let part = self.parts.get(behind.checked_sub(1)?)?;
        let nth = line - part.at;
        (nth < part.lines()).then_some(if part.folded {
            Stands::Fold(part.from, part.count)
        } else {
            Stands::Row(part.from + nth)
        })
    }

    /// The line in which a row stands, or the fold that holds it.
    pub(crate) fn line_of(&self, row: u32) -> u32 {
        let behind = self.parts.partition_point(|it| it.from <= row);
        let part = behind.checked_sub(1).and_then(|it| self.parts.get(it));
        part.map_or(0, |it| if it.folded { it.at } else { it.at + row - it.from })
    }

    /// About the line at which a row of the same file stands that is laid out otherwise: in the same hunk, or behind it, as far in it.
    pub(crate) fn line_like(&self, other: &Self, row: u32) -> u32 {
        let nth = other.hunks.partition_point(|it| *it <= row);
        let part = |of: &Self| {
            let from = nth.checked_sub(1).and_then(|it| of.hunks.get(it)).copied().unwrap_or(0);
            (from, of.hunks.get(nth).copied().unwrap_or(of.rows).max(from + 1))
        };
        let ((from, to), (theirs, behind)) = (part(self), part(other));
        let share = u64::from(row.saturating_sub(theirs)) * u64::from(to - from) / u64::from(behind - theirs);
        self.line_of(from + u32::try_from(share).unwrap_or(0))
    }

    /// It with the fold of a line opened.
    pub(crate) fn opened(&self, line: u32) -> Self {
        let open = |it: &Part| (it.from, it.count, it.folded && it.at != line);
        Self { parts: laid(self.parts.iter().map(open)), ..self.clone() }
    }

    /// The first line of the next hunk behind a line, or of the one before it.
    pub(crate) fn hunk_from(&self, line: Option<u32>, down: bool) -> Option<u32> {
        let mut lines = self.hunks.iter().map(|it| self.line_of(*it));
        match (line, down) {
            (None, true) => lines.next(),
            (Some(line), true) => lines.find(|it| *it > line),
            (None, false) => None,
            (Some(line), false) => lines.take_while(|it| *it < line).last(),
        }
    }
}

fn laid(parts: impl Iterator<Item = (u32, u32, bool)>) -> Arc<Vec<Part>> {
    let mut all: Vec<Part> = Vec::new();
    for (from, count, folded) in parts.filter(|it| it.1 > 0) {
        let at = all.last().map_or(0, |it| it.at + it.lines());
        all.push(Part { at, from, count, folded });
    }
    Arc::new(all)
}

#[cfg(test)]
mod tests {
    use pilothouse_contract::ask::change::Status;

    use super::*;

    fn sheet() -> Sheet {
        let which = Which { from: Oid("a".into()), to: Oid("b".into()), file: 0, split: false };
        let file = File {
            path: "x".into(),
            old: None,
            status: Status::Modified,
            added: 1,
            removed: 1,
            binary: false,
        };
        let head = Head { rows: 100, gaps: vec![(0, 10), (20, 50)], hunks: vec![13, 73], notes: Vec::new() };
        Sheet::new(which, file, &head)
    }

    #[test]
    fn folds_take_one_line_until_they_are_opened() {
        let it = sheet();
        assert_eq!(it.lines(), 1 + 10 + 1 + 30);
        assert_eq!((it.at(0), it.at(1)), (Some(Stands::Fold(0, 10)), Some(Stands::Row(10))));
        assert_eq!(
            (it.at(11), it.at(12), it.at(42)),
            (Some(Stands::Fold(20, 50)), Some(Stands::Row(70)), None)
        );
        assert_eq!((it.line_of(5), it.line_of(13), it.line_of(99)), (0, 4, 41));
        let it = it.opened(11);
        assert_eq!((it.lines(), it.at(11), it.line_of(99)), (91, Some(Stands::Row(20)), 90));
        assert_eq!(it.at(0), Some(Stands::Fold(0, 10)));
    }

    #[test]
    fn hunks_are_gone_through_in_both_directions() {
        let it = sheet();
        assert_eq!((it.hunk_from(None, true), it.hunk_from(Some(4), true)), (Some(4), Some(15)));
        assert_eq!((it.hunk_from(Some(15), true), it.hunk_from(Some(15), false)), (None, Some(4)));
        assert_eq!(it.hunk_from(Some(4), false), None);
        let other = Sheet { hunks: Arc::new(vec![11, 60]), rows: 80, ..it.clone() };
        let like = |row| other.line_like(&it, row);
        assert_eq!((like(13), like(43), like(73)), (other.line_of(11), other.line_of(35), other.line_of(60)));
        // What is one hunk from the top stays where it is.
        let all = Sheet { hunks: Arc::new(vec![0]), ..it.clone() };
        assert_eq!(all.line_like(&all, 88), all.line_of(88));
    }
}
