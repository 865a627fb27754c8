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
use std::time::{Duration, Instant};

use memmap2::{MmapMut, MmapOptions};
use pilothouse_holder::log::{
    AT_BASE, AT_CAPACITY, AT_LOST, AT_PUBLISHED, HEADER, MAGIC, SLICE, packed, segment, segments,
};

/// A log being written.
pub(crate) struct LogWriter {
    folder: PathBuf,
    capacity: u64,
    number: u32,
    base: u64,
    published: u64,
    lost: u64,
    file: File,
    map: MmapMut,
    /// So many bytes are kept, and older ones dropped; all, if there is no such limit.
    keep: Option<u64>,
    /// After a failure no new segment is asked for before this.
    retry: Option<Instant>,
}

/// A full disk is tried again so often.
const RETRY: Duration = Duration::from_secs(1);

impl LogWriter {
    /// Begins a log in an empty session folder.
    pub(crate) fn begin(folder: &Path, capacity: u64) -> io::Result<Self> {
        let capacity = capacity.max(1).next_multiple_of(SLICE as u64);
        let (file, map) = make(folder, 0, 0, capacity)?;
        Ok(Self {
            folder: folder.to_owned(),
            capacity,
            number: 0,
            base: 0,
            published: 0,
            lost: 0,
            file,
            map,
            keep: None,
            retry: None,
        })
    }

    /// Goes on with the log of a holder that was killed. What that one had read and not yet published is published now:
    /// only zeros at the very end of its last piece cannot be told from nothing.
    pub(crate) fn resume(folder: &Path) -> io::Result<Self> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "its log is not one of this version");
        let number = segments(folder)?.into_iter().rfind(|(_, is_packed)| !is_packed);
        let (number, _) = number.ok_or_else(bad)?;
        let file = OpenOptions::new().read(true).write(true).open(segment(folder, number))?;
        // SAFETY: the file lies in a folder that is private to the user; the one holder before us is dead, and nobody
        // but a holder truncates it.
        let mut map = unsafe { MmapOptions::new().map_mut(&file)? };
        if map.get(..8) != Some(&MAGIC) || (map.len() as u64) < HEADER {
            return Err(bad());
        }
        let (base, capacity) = (at(&map, AT_BASE), at(&map, AT_CAPACITY));
        let (published, lost) = (at(&map, AT_PUBLISHED), at(&map, AT_LOST));
        // One that was killed while it ended had given back what it did not need.
        if published.checked_sub(base).is_some_and(|it| it < capacity && HEADER + it == map.len() as u64) {
            drop(map);
            // A full disk is to be an error here, and no fatal signal at a write into the mapping.
            let whole = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&file, whole, 0, HEADER + capacity)?;
            // SAFETY: as above.
            map = unsafe { MmapOptions::new().map_mut(&file)? };
        }
        if map.len() as u64 != HEADER + capacity || published < base || published > base + capacity {
            return Err(bad());
        }
        let begin = usize::try_from(HEADER + published - base).unwrap_or(usize::MAX);
        let end = begin.saturating_add(SLICE).min(map.len());
        let unpublished = map.get(begin..end).unwrap_or_default();
        let length = unpublished.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let published = published + length as u64;
        store(&mut map, AT_PUBLISHED, published);
        Ok(Self {
            folder: folder.to_owned(),
            capacity,
            number,
            base,
            published,
            lost,
            file,
            map,
            keep: None,
            retry: None,
        })
    }

    /// Keeps the newest of the log up to so many bytes, and drops what is older.
    pub(crate) fn keeping(self, keep: Option<u64>) -> Self {
        Self { keep, ..self }
    }

    /// How many bytes were not kept so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Counts bytes that are not kept.
    pub(crate) fn lose(&mut self, bytes: u64) {
        self.lost += bytes;
        store(&mut self.map, AT_LOST, self.lost);
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
            if self.retry.is_some_and(|retry| Instant::now() < retry) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.retry = Some(Instant::now() + RETRY);
            if let Some(keep) = self.keep {
                self.drop_oldest(keep).map_err(|error| io::Error::new(io::ErrorKind::StorageFull, error))?;
            }
            self.rotate().map_err(|error| io::Error::new(io::ErrorKind::StorageFull, error))?;
            self.retry = None;
        }
        let begin = usize::try_from(HEADER + self.published - self.base).unwrap_or(usize::MAX);
        let end = begin.saturating_add(SLICE).min(self.map.len());
        let space = self.map.get_mut(begin..end).unwrap_or_default();
        make_present(space);
        let length = read(space)?;
        self.published += length as u64;
        store(&mut self.map, AT_PUBLISHED, self.published);
        Ok(length)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let (file, mut map) = make(&self.folder, self.number + 1, self.published, self.capacity)?;
        store(&mut map, AT_LOST, self.lost);
        self.number += 1;
        self.base = self.published;
        self.file = file;
        self.map = map;
        Ok(())
    }

    /// Drops the oldest segments, so that what is kept stays below so many bytes after the next one is made. The one that
    /// is written stays.
    fn drop_oldest(&self, keep: u64) -> io::Result<()> {
        let most = u32::try_from(keep / self.capacity).unwrap_or(u32::MAX).max(2);
        for number in segments(&self.folder)?.into_keys().filter(|it| it + most <= self.number + 1) {
            for file in [segment(&self.folder, number), packed(&self.folder, number)] {
                match fs::remove_file(file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Gives back the disk space that the last segment did not need.
    pub(crate) fn finish(self) -> io::Result<()> {
        let length = HEADER + self.published - self.base;
        drop(self.map);
        self.file.set_len(length)
    }
}

/// Has every page of a piece there and writable. A terminal gives its bytes away 64 at a time (`iterate_tty_read` in Linux's
/// `tty_io.c`); a holder that is killed while the kernel waits for the page that they go to would take those with it.
fn make_present(piece: &mut [u8]) {
    /// No system has smaller pages.
    const PAGE: usize = 4096;
    // Nothing is published here yet, so it is zeros.
    for page in piece.chunks_mut(PAGE) {
        for end in [0, page.len() - 1] {
            if let Some(byte) = page.get_mut(end) {
                *byte = std::hint::black_box(0);
            }
        }
    }
}

/// Makes a segment beside its place and renames it there, so that no reader sees one without a header. The space is
/// taken from the disk now: a full disk is an error here and not a fatal signal at a write into the mapping later.
fn make(folder: &Path, number: u32, base: u64, capacity: u64) -> io::Result<(File, MmapMut)> {
    let path = segment(folder, number);
    let beside = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(&beside)?;
    if let Err(error) =
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, HEADER + capacity)
    {
        // What it took of the space that there was is wanted by others.
        let _left = fs::remove_file(&beside);
        return Err(error.into());
    }
    file.write_all(&MAGIC)?;
    file.write_all(&base.to_le_bytes())?;
    file.write_all(&capacity.to_le_bytes())?;
    // SAFETY: the file was made by us just now in a folder that is private to the user, and nobody truncates it
    // while it is mapped: `finish` drops the mapping first.
    let mut map = unsafe { MmapOptions::new().map_mut(&file)? };
    store(&mut map, AT_PUBLISHED, base);
    fs::rename(&beside, &path)?;
    Ok((file, map))
}

/// A number of the header.
fn at(map: &MmapMut, place: u64) -> u64 {
    let bytes = usize::try_from(place).ok().and_then(|place| map.get(place..)?.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Stores a number of the header so that readers in other processes see it whole.
fn store(map: &mut MmapMut, place: u64, number: u64) {
    debug_assert!(map.len() as u64 >= HEADER, "invariant: a segment is longer than its header");
    debug_assert!(
        place.is_multiple_of(8) && place + 8 <= HEADER,
        "invariant: numbers of the header are aligned"
    );
    // SAFETY: a mapping is aligned to a page and longer than its header, so a number at a multiple of 8 in the header is
    // aligned and inside.
    let place = unsafe { AtomicU64::from_ptr(map.as_mut_ptr().add(place as usize).cast()) };
    place.store(number.to_le(), Ordering::Release);
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

    fn put(log: &mut LogWriter, bytes: &[u8]) {
        let read = log.read_in(|into| {
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        });
        assert_eq!(read.unwrap(), bytes.len());
    }

    #[test]
    fn a_successor_goes_on_at_the_published_end_with_what_was_read_and_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::begin(folder.path(), 1).unwrap();
        put(&mut log, &[7; 65_000]);
        log.lose(3);
        // Killed between reading and publishing: the bytes are there, and no end says so.
        let read_and_killed = log.read_in(|into| {
            into[..4].copy_from_slice(b"ab\0c");
            Err(io::ErrorKind::Interrupted.into())
        });
        assert!(read_and_killed.is_err());
        drop(log);
        let mut log = LogWriter::resume(folder.path()).unwrap();
        assert_eq!((log.published(), log.lost()), (65_004, 3));
        put(&mut log, &[8; 532]);
        put(&mut log, b"next");
        assert!(segment(folder.path(), 1).exists());
        drop(log);
        let log = LogWriter::resume(folder.path()).unwrap();
        assert_eq!((log.published(), log.lost(), log.number), (65_540, 3, 1));
        let all = LogReader::new(folder.path()).read_from(65_000, usize::MAX).unwrap();
        assert_eq!(all, [b"ab\0c".as_slice(), &[8; 532], b"next"].concat());
    }

    #[test]
    fn a_successor_goes_on_where_one_was_killed_while_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::begin(folder.path(), 1).unwrap();
        put(&mut log, b"all that it said");
        log.finish().unwrap();
        let mut log = LogWriter::resume(folder.path()).unwrap();
        assert_eq!((log.published(), log.lost()), (16, 0));
        put(&mut log, b", and more");
        let all = LogReader::new(folder.path()).read_from(0, usize::MAX).unwrap();
        assert_eq!(all, b"all that it said, and more");
    }

    #[test]
    fn a_quota_drops_the_oldest_and_readers_say_where_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::begin(folder.path(), 1).unwrap().keeping(Some(3 * SLICE as u64));
        let mut early = LogReader::new(folder.path());
        for n in 0..10_u8 {
            log.read_in(|into| {
                into.fill(n);
                Ok(into.len())
            })
            .unwrap();
            assert_eq!(early.end().unwrap(), (u64::from(n) + 1) * SLICE as u64);
        }
        let mut reader = LogReader::new(folder.path());
        let begin = reader.there(0).unwrap();
        assert_eq!(begin, 7 * SLICE as u64, "three are kept");
        assert_eq!(reader.read_from(0, usize::MAX).unwrap().len(), 3 * SLICE);
        assert_eq!(reader.read_from(begin + 5, 2).unwrap(), [7, 7]);
        assert_eq!(early.there(begin + 1).unwrap(), begin + 1);
        assert_eq!(
            reader.there(99 * SLICE as u64).unwrap(),
            99 * SLICE as u64,
            "what is to come is not dropped"
        );
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
