//! What is written beside a session's log so that its screen need not be drawn from the beginning: what the screen was at an
//! offset, and up to where its program's questions were answered.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use pilothouse_contract::facts::Claim;
use pilothouse_holder::place::Place;
use serde::{Deserialize, Serialize};

use super::super::model::{Alacritty, Model};
use super::super::older::{Chunk, Older};

/// What the screen was at an offset.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) offset: u64,
    pub(super) columns: u16,
    pub(super) rows: u16,
    /// What the program said of itself.
    pub(super) claim: Option<Claim>,
    /// Lines that were no live ones any more; none if they were not written down.
    pub(super) older: Option<Older>,
    /// Painted and compressed.
    pub(super) paint: Vec<u8>,
}

impl Checkpoint {
    /// A model of it.
    pub(super) fn revive(&self) -> Alacritty {
        let mut model = Alacritty::new(self.columns, self.rows);
        model.feed(&zstd::decode_all(self.paint.as_slice()).unwrap_or_default());
        // What a painting asks of a terminal was asked before.
        model.answers();
        match &self.older {
            Some(older) => model.older().clone_from(older),
            None => model.older().forget(),
        }
        model
    }
}

/// Up to where the program's questions were answered.
pub(super) fn answered(place: &Place) -> u64 {
    let noted = std::fs::read_to_string(place.folder().join("answered"));
    noted.ok().and_then(|it| it.trim().parse().ok()).unwrap_or_default()
}

/// One number of one length in the place of another, so that a kill leaves the one or the other.
pub(super) fn note_answered(place: &Place, at: u64) {
    let path = place.folder().join("answered");
    let note = || {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        file.write_all_at(format!("{at:020}\n").as_bytes(), 0)
    };
    let noted: io::Result<()> = note();
    if let Err(error) = noted {
        tracing::warn!(%error, "an answer could not be noted; an engine that dies now gives it twice");
    }
}

/// What stands behind the three numbers of a checkpoint.
#[derive(Default, Serialize, Deserialize)]
struct More {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    older: Option<MoreOlder>,
}

/// Older lines, which stand behind the painting.
#[derive(Serialize, Deserialize)]
struct MoreOlder {
    /// Of each piece of them its lines, its text, and its bytes there.
    chunks: Vec<(u32, u32, usize)>,
    goes_on: bool,
    lacks: bool,
}

/// A line of three numbers and what else there is to know, the compressed painting, and the older lines.
pub(super) fn read_checkpoint(place: &Place) -> Option<Checkpoint> {
    let mut file = std::fs::read(place.folder().join("screen")).ok()?;
    let mut paint = file.split_off(file.iter().position(|byte| *byte == b'\n')? + 1);
    let head = String::from_utf8(file).ok()?;
    let mut words = head.trim_end().splitn(4, ' ');
    let numbers = (words.next()?, words.next()?, words.next()?);
    let more: More = words.next().and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
    let older = match more.older {
        Some(older) => {
            let behind: usize = older.chunks.iter().map(|it| it.2).sum();
            let mut rest = paint.split_off(paint.len().checked_sub(behind)?);
            let mut chunks = Vec::new();
            for (lines, text, length) in older.chunks {
                let after = rest.split_off(length);
                chunks.push(Chunk { lines, text, packed: std::mem::replace(&mut rest, after) });
            }
            Some(Older::of(chunks, older.goes_on, older.lacks))
        }
        None => None,
    };
    Some(Checkpoint {
        offset: numbers.0.parse().ok()?,
        columns: numbers.1.parse().ok()?,
        rows: numbers.2.parse().ok()?,
        claim: more.claim,
        older,
        paint,
    })
}

pub(super) fn write_checkpoint(place: &Place, checkpoint: &mut Checkpoint) -> io::Result<()> {
    let beside = place.folder().join("screen.tmp");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    let Checkpoint { offset, columns, rows, claim, older, paint } = checkpoint;
    let packed = older.as_mut().map(Older::packed);
    let older = packed.map(|(chunks, goes_on, lacks)| {
        let chunks = chunks.iter().map(|it| (it.lines, it.text, it.packed.len())).collect();
        MoreOlder { chunks, goes_on, lacks }
    });
    let more = serde_json::to_string(&More { claim: claim.clone(), older })?;
    file.write_all(format!("{offset} {columns} {rows} {more}\n").as_bytes())?;
    file.write_all(paint)?;
    for chunk in packed.into_iter().flat_map(|it| it.0) {
        file.write_all(&chunk.packed)?;
    }
    std::fs::rename(beside, place.folder().join("screen"))
}

#[cfg(test)]
mod tests {
    use pilothouse_contract::At;
    use pilothouse_contract::facts::{Claimed, WaitsFor};

    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place(folder.path().to_owned());
        assert!(read_checkpoint(&place).is_none());
        let claim = Claim {
            state: Claimed::Blocked,
            waits_for: Some(WaitsFor::Permission),
            says: "approve rm -rf x".to_owned(),
            percent: None,
            at: Some(At(7)),
        };
        let paint = zstd::encode_all(b"screen\nmore".as_slice(), 1).unwrap();
        let mut model = Alacritty::new(40, 5);
        (0..9000).for_each(|n| model.feed(format!("line {n} \u{1b}[31mred\u{1b}[m\r\n").as_bytes()));
        for (claim, older) in [(Some(claim), None), (None, Some(model.older().clone()))] {
            let mut written =
                Checkpoint { offset: 70_000, columns: 40, rows: 5, claim, older, paint: paint.clone() };
            write_checkpoint(&place, &mut written).unwrap();
            let read = read_checkpoint(&place).unwrap();
            assert_eq!((read.offset, read.columns, read.rows), (70_000, 40, 5));
            assert_eq!((&read.claim, &read.paint), (&written.claim, &paint));
            let mut again = read.revive();
            assert_eq!(again.text()[0], "screen");
            let lines = written.older.as_ref().map_or(0, Older::lines);
            assert_eq!((again.older().lines(), again.reaches(usize::MAX)), (lines, lines > 0));
            let painted = String::from_utf8(again.snapshot(usize::MAX)).unwrap();
            assert_eq!(painted.contains("line 17 \u{1b}[0;31mred"), lines > 0);
        }
    }
}
