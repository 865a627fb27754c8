//! A session's log: raw bytes in segments `log.0000`, `log.0001`, …, addressed by one offset from the first byte on.
//!
//! Layout of a segment: a header of 4,096 bytes, then the bytes. In the header, little endian: `0` magic `PHLOG\0`
//! and version (u16), `8` offset of the segment's first byte (u64), `16` capacity (u64), `64` published end (u64, an
//! offset of the whole log, stored atomically after the bytes are there), `72` how many bytes were not kept because the disk
//! or the log was full (u64). Bytes beyond the published end do not exist for readers; what a killed holder had read and
//! not published is found there by its successor, for the file is zeros until something is read into it. A file may be shorter than its capacity once the session is over.
//!
//! The reader uses plain file reads: on the systems we run on, a shared mapping and the file are the same pages.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Length of a segment's header in bytes.
pub const HEADER: u64 = 4096;
/// Magic and version of a segment.
pub const MAGIC: [u8; 8] = *b"PHLOG\0\x01\0";
/// Where in the header the offset of the first byte stands.
pub const AT_BASE: u64 = 8;
/// Where in the header the capacity stands.
pub const AT_CAPACITY: u64 = 16;
/// Where in the header the published end stands.
pub const AT_PUBLISHED: u64 = 64;
/// Where in the header stands how many bytes of the session's output were not kept so far.
pub const AT_LOST: u64 = 72;
/// At most so many bytes are read at once, so at most so many lie beyond the published end if a holder was killed.
pub const SLICE: usize = 64 * 1024;

/// The file of a segment.
#[must_use]
pub fn segment(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("log.{number:04}"))
}

/// The numbers of the segments in a folder, in order.
///
/// # Errors
/// Whatever the file system says.
pub fn segments(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u32> =
            name.to_str().and_then(|it| it.strip_prefix("log.")).and_then(|it| it.parse().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a log, written or being written.
#[derive(Debug)]
pub struct LogReader {
    folder: PathBuf,
    open: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    base: u64,
    capacity: u64,
}

impl Segment {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; 24];
        file.read_exact_at(&mut head, 0)?;
        if head.first_chunk::<8>() != Some(&MAGIC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a session log of this version"));
        }
        let (base, capacity) = (number_at(&file, AT_BASE)?, number_at(&file, AT_CAPACITY)?);
        Ok(Self { file, base, capacity })
    }

    fn published(&self) -> io::Result<u64> {
        number_at(&self.file, AT_PUBLISHED)
    }
}

fn number_at(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}

impl LogReader {
    /// A reader of the log in a session folder. The log need not be there yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: Vec::new() }
    }

    /// The end of what is published; 0 while there is no log.
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData` if a segment is not of this version.
    pub fn end(&mut self) -> io::Result<u64> {
        self.look_for_new()?;
        self.open.last().map_or(Ok(0), Segment::published)
    }

    /// The first byte that is still there: older ones were dropped when the log had taken what it may.
    ///
    /// # Errors
    /// As [`Self::end`].
    pub fn begin(&mut self) -> io::Result<u64> {
        self.look_for_new()?;
        Ok(self.open.first().map_or(0, |it| it.base))
    }

    /// Reads bytes from an offset on. Returns how many; 0 at the end.
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData` if a segment is not of this version.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if self.open.iter().all(|it| offset >= it.base + it.capacity) {
            self.look_for_new()?;
        }
        let Some(it) = self.open.iter().find(|it| it.base <= offset && offset < it.base + it.capacity) else {
            return Ok(0);
        };
        let there = it.published()?.saturating_sub(offset);
        let length = usize::try_from(there).unwrap_or(usize::MAX).min(into.len());
        let Some(part) = into.get_mut(..length) else { return Ok(0) };
        it.file.read_exact_at(part, HEADER + offset - it.base)?;
        Ok(length)
    }

    /// Reads all from an offset on, at most `most` bytes.
    ///
    /// # Errors
    /// As [`Self::read_at`].
    pub fn read_from(&mut self, mut offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        while all.len() < most {
            let length = self.read_at(offset, &mut piece)?;
            let Some(read) = piece.get(..length.min(most - all.len())).filter(|read| !read.is_empty()) else {
                break;
            };
            all.extend_from_slice(read);
            offset += read.len() as u64;
        }
        Ok(all)
    }

    fn look_for_new(&mut self) -> io::Result<()> {
        loop {
            let number = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
            match Segment::open(&segment(&self.folder, number)) {
                Ok(next) => self.open.push(next),
                // A segment that is being made has no header yet: its bytes do not exist yet either.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}
