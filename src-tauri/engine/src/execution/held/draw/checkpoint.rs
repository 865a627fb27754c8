//! What is written beside a session's log so that its screen need not be drawn from the beginning: what the screen was at an
//! offset, and up to where its program's questions were answered.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use pilothouse_contract::facts::Claim;
use pilothouse_holder::place::Place;

use super::super::model::{Alacritty, Model};

/// What the screen was at an offset.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) offset: u64,
    pub(super) columns: u16,
    pub(super) rows: u16,
    /// What the program said of itself.
    pub(super) claim: Option<Claim>,
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

/// A line of three numbers with the claim, if there is one, and the compressed painting.
pub(super) fn read_checkpoint(place: &Place) -> Option<Checkpoint> {
    let mut file = std::fs::read(place.folder().join("screen")).ok()?;
    let paint = file.split_off(file.iter().position(|byte| *byte == b'\n')? + 1);
    let head = String::from_utf8(file).ok()?;
    let mut words = head.trim_end().splitn(4, ' ');
    Some(Checkpoint {
        offset: words.next()?.parse().ok()?,
        columns: words.next()?.parse().ok()?,
        rows: words.next()?.parse().ok()?,
        claim: words.next().and_then(|it| serde_json::from_str(it).ok()),
        paint,
    })
}

pub(super) fn write_checkpoint(place: &Place, checkpoint: &Checkpoint) -> io::Result<()> {
    let beside = place.folder().join("screen.tmp");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    let Checkpoint { offset, columns, rows, claim, paint } = checkpoint;
    let claim = claim.as_ref().and_then(|it| serde_json::to_string(it).ok());
    let claim = claim.map(|it| format!(" {it}")).unwrap_or_default();
    file.write_all(format!("{offset} {columns} {rows}{claim}\n").as_bytes())?;
    file.write_all(paint)?;
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
        for claim in [Some(claim), None] {
            let written = Checkpoint { offset: 70_000, columns: 40, rows: 5, claim, paint: paint.clone() };
            write_checkpoint(&place, &written).unwrap();
            let read = read_checkpoint(&place).unwrap();
            assert_eq!((read.offset, read.columns, read.rows), (70_000, 40, 5));
            assert_eq!((&read.claim, &read.paint), (&written.claim, &paint));
            assert_eq!(read.revive().text()[0], "screen");
        }
    }
}
