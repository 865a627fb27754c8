//! Checkpoints: what a screen was at an offset of its log, in memory while it is parked, and beside the log so that an engine
//! that begins draws little anew.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use pilothouse_holder::place::Place;

use super::super::model::{Alacritty, LIVE_LINES, Model};

/// What the screen was at an offset.
pub(super) struct Checkpoint {
    pub(super) offset: u64,
    pub(super) columns: u16,
    pub(super) rows: u16,
    /// Painted and compressed.
    paint: Vec<u8>,
}

impl Checkpoint {
    /// What a model shows now. Nothing if it cannot be compressed.
    pub(super) fn of(model: &mut dyn Model, offset: u64) -> Option<Self> {
        let (columns, rows) = model.size();
        let paint = zstd::encode_all(model.snapshot(LIVE_LINES).as_slice(), 1).ok()?;
        Some(Self { offset, columns, rows, paint })
    }

    pub(super) fn revive(&self) -> Alacritty {
        let mut model = Alacritty::new(self.columns, self.rows);
        model.feed(&zstd::decode_all(self.paint.as_slice()).unwrap_or_default());
        // What a painting asks of a terminal was asked before.
        model.answers();
        model
    }

    /// A line of three numbers, and the compressed painting.
    pub(super) fn read(place: &Place) -> Option<Self> {
        let mut file = std::fs::read(place.folder().join("screen")).ok()?;
        let paint = file.split_off(file.iter().position(|byte| *byte == b'\n')? + 1);
        let head = String::from_utf8(file).ok()?;
        let mut numbers = head.split_whitespace();
        Some(Self {
            offset: numbers.next()?.parse().ok()?,
            columns: numbers.next()?.parse().ok()?,
            rows: numbers.next()?.parse().ok()?,
            paint,
        })
    }

    pub(super) fn write(&self, place: &Place) -> io::Result<()> {
        let beside = place.folder().join("screen.tmp");
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
        let Self { offset, columns, rows, paint } = self;
        file.write_all(format!("{offset} {columns} {rows}\n").as_bytes())?;
        file.write_all(paint)?;
        std::fs::rename(beside, place.folder().join("screen"))
    }
}
