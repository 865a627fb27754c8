//! Writes a session's log: bytes are read straight into a preallocated, shared-mapped segment, and only then is the
//! end published. A kill at any instruction loses nothing that was published, and nothing half-written is seen.
//!
//! The only place of the holder with unsafe code: a shared mapping, and the atomic number inside it.
#![allow(unsafe_code, reason = "a shared mapping cannot be made or published through safe code")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions};
use pilothouse_holder::log::{AT_PUBLISHED, HEADER, MAGIC, segment};

/// The largest piece read at once.
pub(crate) const SLICE: usize = 64 * 1024;

/// A log being written.
pub(crate) struct LogWriter {
    folder: PathBuf,
    capacity: u64,
    number: u32,
    base: u64,
    published: u64,
    file: File,
    map: MmapMut,
}

impl LogWriter {
    /// Begins a log in an empty session folder.
    pub(crate) fn begin(folder: &Path, capacity: u64) -> io::Result<Self> {
        let capacity = capacity.max(1).next_multiple_of(SLICE as u64);
        let (file, map) = make(folder, 0, 0, capacity)?;
        Ok(Self { folder: folder.to_owned(), capacity, number: 0, base: 0, published: 0, file, map })
    }

    /// The end of what is published.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// Reads one piece with `read`, straight into the log, and publishes it. Returns its length.
    ///
    /// Fails with what `read` says, or with `StorageFull` if a new segment is needed and cannot be made.
    pub(crate) fn read_in(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        if self.published == self.base + self.capacity {
            self.rotate().map_err(|error| io::Error::new(io::ErrorKind::StorageFull, error))?;
        }
        let begin = usize::try_from(HEADER + self.published - self.base).unwrap_or(usize::MAX);
        let end = begin.saturating_add(SLICE).min(self.map.len());
        let space = self.map.get_mut(begin..end).unwrap_or_default();
        let length = read(space)?;
        self.published += length as u64;
        publish(&mut self.map, self.published);
        Ok(length)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let (file, map) = make(&self.folder, self.number + 1, self.published, self.capacity)?;
        self.number += 1;
        self.base = self.published;
        self.file = file;
        self.map = map;
        Ok(())
    }

    /// Gives back the disk space that the last segment did not need.
    pub(crate) fn finish(self) -> io::Result<()> {
        let length = HEADER + self.published - self.base;
        drop(self.map);
        self.file.set_len(length)
    }
}

/// Makes a segment beside its place and renames it there, so that no reader sees one without a header. The space is
/// taken from the disk now: a full disk is an error here and not a fatal signal at a write into the mapping later.
fn make(folder: &Path, number: u32, base: u64, capacity: u64) -> io::Result<(File, MmapMut)> {
    let path = segment(folder, number);
    let beside = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(&beside)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, HEADER + capacity)?;
    file.write_all(&MAGIC)?;
    file.write_all(&base.to_le_bytes())?;
    file.write_all(&capacity.to_le_bytes())?;
    // SAFETY: the file was made by us just now in a folder that is private to the user, and nobody truncates it
    // while it is mapped: `finish` drops the mapping first.
    let mut map = unsafe { MmapOptions::new().map_mut(&file)? };
    publish(&mut map, base);
    fs::rename(&beside, &path)?;
    Ok((file, map))
}

fn publish(map: &mut MmapMut, end: u64) {
    debug_assert!(map.len() as u64 >= HEADER, "invariant: a segment is longer than its header");
    // SAFETY: a mapping is aligned to a page and longer than its header, so the number at `AT_PUBLISHED` (a multiple
    // of 8) is aligned and inside. Readers in other processes see it whole because it is stored atomically.
    let place = unsafe { AtomicU64::from_ptr(map.as_mut_ptr().add(AT_PUBLISHED as usize).cast()) };
    place.store(end.to_le(), Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_holder::log::LogReader;

    #[test]
    fn what_is_read_in_is_read_back_across_segments() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::begin(folder.path(), 1).unwrap();
        let mut reader = LogReader::new(folder.path());
        let mut sent = Vec::new();
        for n in 0..50_u32 {
            let piece: Vec<u8> = (0..7000).map(|i| (i * 31 + n) as u8).collect();
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                let length = log
                    .read_in(|into| {
                        let length = rest.len().min(into.len());
                        into[..length].copy_from_slice(&rest[..length]);
                        Ok(length)
                    })
                    .unwrap();
                rest = &rest[length..];
            }
            sent.extend(piece);
            assert_eq!(reader.end().unwrap(), sent.len() as u64);
        }
        assert!(segment(folder.path(), 5).exists(), "350 KB do not fit into five segments of 64 KiB");
        assert_eq!(reader.read_from(0, usize::MAX).unwrap(), sent);
        assert_eq!(reader.read_from(65_530, 12).unwrap(), sent[65_530..65_542]);
        log.finish().unwrap();
        assert_eq!(LogReader::new(folder.path()).read_from(0, usize::MAX).unwrap(), sent);
    }

    #[test]
    fn a_failed_read_publishes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::begin(folder.path(), 1).unwrap();
        let failed = log.read_in(|into| {
            into[0] = 7;
            Err(io::Error::from(io::ErrorKind::WouldBlock))
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(LogReader::new(folder.path()).end().unwrap(), 0);
    }
}
