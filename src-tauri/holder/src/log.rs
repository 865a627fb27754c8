//! A session's log: raw bytes in segments `log.0000`, `log.0001`, …, addressed by one offset from the first byte on.
//!
//! Layout of a segment: a header of 4,096 bytes, then the bytes. In the header, little endian: `0` magic `PHLOG\0`
//! and version (u16), `8` offset of the segment's first byte (u64), `16` capacity (u64), `64` published end (u64, an
//! offset of the whole log, stored atomically after the bytes are there), `72` how many bytes were not kept because the disk
//! or the log was full (u64). Bytes beyond the published end do not exist for readers; what a killed holder had read and
//! not published is found there by its successor, for the file is zeros until something is read into it. A file may be shorter than its capacity once the session is over.
//!
//! The reader uses plain file reads: on the systems we run on, a shared mapping and the file are the same pages.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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

/// The file of a segment that is packed: the header as it was, and the bytes compressed. The holder knows nothing of how.
#[must_use]
pub fn packed(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("log.{number:04}.zst"))
}

/// The numbers of the segments in a folder, in order, and whether each is only there packed.
///
/// # Errors
/// Whatever the file system says.
pub fn segments(folder: &Path) -> io::Result<BTreeMap<u32, bool>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(rest) = name.to_str().and_then(|it| it.strip_prefix("log.")) else { continue };
        let (number, is_packed) = rest.strip_suffix(".zst").map_or((rest, false), |it| (it, true));
        if let Ok(number) = number.parse::<u32>() {
            // Both are there for a moment while one is packed: the whole one counts.
            found.entry(number).and_modify(|it| *it &= is_packed).or_insert(is_packed);
        }
    }
    Ok(found)
}

/// Makes the bytes of a segment of what stands in its packed file after the header.
pub type Unpack = fn(&[u8]) -> io::Result<Vec<u8>>;

/// Reads a log, written or being written. Keeps at most two files open, however long it is.
#[derive(Debug)]
pub struct LogReader {
    folder: PathBuf,
    unpack: Option<Unpack>,
    newest: Option<Segment>,
    reading: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    number: u32,
    base: u64,
    capacity: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    In(File),
    Unpacked { published: u64, bytes: Vec<u8> },
}

impl Segment {
    /// A segment; nothing if it is not there, or is being made: then its bytes do not exist yet either.
    fn open(folder: &Path, number: u32, unpack: Option<Unpack>) -> io::Result<Option<Self>> {
        let absent = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        };
        let whole = File::open(segment(folder, number)).and_then(|file| Self::of(number, file));
        match whole {
            Ok(whole) => return Ok(Some(whole)),
            Err(error) if !absent(&error) => return Err(error),
            Err(_) => {}
        }
        match File::open(packed(folder, number)).and_then(|file| Self::unpacked(number, file, unpack)) {
            Ok(unpacked) => Ok(Some(unpacked)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(number: u32, file: File) -> io::Result<Self> {
        let mut head = [0; 24];
        file.read_exact_at(&mut head, 0)?;
        if head.first_chunk::<8>() != Some(&MAGIC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a session log of this version"));
        }
        let (base, capacity) = (number_at(&file, AT_BASE)?, number_at(&file, AT_CAPACITY)?);
        Ok(Self { number, base, capacity, bytes: Bytes::In(file) })
    }

    fn unpacked(number: u32, mut file: File, unpack: Option<Unpack>) -> io::Result<Self> {
        let unpack =
            unpack.ok_or_else(|| io::Error::other("a packed segment can only be read by the engine"))?;
        let published = number_at(&file, AT_PUBLISHED)?;
        let mut rest = Vec::new();
        file.seek(SeekFrom::Start(HEADER))?;
        file.read_to_end(&mut rest)?;
        let bytes = unpack(&rest)?;
        let whole = Self::of(number, file)?;
        if whole.base + bytes.len() as u64 != published {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a packed segment does not hold what it says",
            ));
        }
        Ok(Self { bytes: Bytes::Unpacked { published, bytes }, ..whole })
    }

    fn published(&self) -> io::Result<u64> {
        match &self.bytes {
            Bytes::In(file) => number_at(file, AT_PUBLISHED),
            Bytes::Unpacked { published, .. } => Ok(*published),
        }
    }

    fn holds(&self, offset: u64) -> bool {
        self.base <= offset && offset < self.base + self.capacity
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let there = self.published()?.saturating_sub(offset);
        let length = usize::try_from(there).unwrap_or(usize::MAX).min(into.len());
        let Some(part) = into.get_mut(..length) else { return Ok(0) };
        match &self.bytes {
            Bytes::In(file) => file.read_exact_at(part, HEADER + offset - self.base)?,
            Bytes::Unpacked { bytes, .. } => {
                let begin = usize::try_from(offset - self.base).unwrap_or(usize::MAX);
                part.copy_from_slice(bytes.get(begin..begin + length).unwrap_or_default());
            }
        }
        Ok(length)
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
        Self { folder: folder.to_owned(), unpack: None, newest: None, reading: None }
    }

    /// The same for a log that may be packed in part.
    #[must_use]
    pub fn unpacking(self, unpack: Unpack) -> Self {
        Self { unpack: Some(unpack), ..self }
    }

    /// The end of what is published; 0 while there is no log.
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData` if a segment is not of this version.
    pub fn end(&mut self) -> io::Result<u64> {
        loop {
            let (end, is_full, number) = match &self.newest {
                Some(it) => {
                    let end = it.published()?;
                    (end, end == it.base + it.capacity, Some(it.number))
                }
                None => (0, true, None),
            };
            if !is_full {
                return Ok(end);
            }
            // The next one, or whatever is there if that was dropped already.
            let next = match number {
                Some(number) => Segment::open(&self.folder, number + 1, self.unpack)?,
                None => None,
            };
            let next = match next {
                Some(next) => Some(next),
                None => {
                    let last = self.numbers()?.pop_last().map(|(last, _)| last);
                    match last.filter(|last| number.is_none_or(|number| *last > number)) {
                        Some(last) => Segment::open(&self.folder, last, self.unpack)?,
                        None => None,
                    }
                }
            };
            let Some(next) = next else { return Ok(end) };
            self.newest = Some(next);
        }
    }

    /// The first byte from an offset on that is still there: older ones were dropped when the log had taken what it may.
    ///
    /// # Errors
    /// As [`Self::end`].
    pub fn there(&mut self, offset: u64) -> io::Result<u64> {
        if self.find(offset)? || self.newest.as_ref().is_none_or(|it| offset >= it.base) {
            return Ok(offset);
        }
        for number in self.numbers()?.into_keys() {
            if let Some(it) = Segment::open(&self.folder, number, self.unpack)?
                && it.base >= offset
            {
                let base = it.base;
                self.reading = Some(it);
                return Ok(base);
            }
        }
        Ok(offset)
    }

    /// Reads bytes from an offset on. Returns how many; 0 at the end, and where there are none any more: see
    /// [`Self::there`].
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData` if a segment is not of this version.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if !self.find(offset)? {
            return Ok(0);
        }
        let here = [&self.reading, &self.newest].into_iter().flatten().find(|it| it.holds(offset));
        here.map_or(Ok(0), |it| it.read_at(offset, into))
    }

    /// Reads all from an offset on, at most `most` bytes. What was dropped is left out.
    ///
    /// # Errors
    /// As [`Self::read_at`].
    pub fn read_from(&mut self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        let mut offset = self.there(offset)?;
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

    /// Opens the segment of an offset. Whether there is one.
    fn find(&mut self, offset: u64) -> io::Result<bool> {
        if [&self.reading, &self.newest].into_iter().flatten().any(|it| it.holds(offset)) {
            return Ok(true);
        }
        self.end()?;
        let Some(newest) = self.newest.as_ref().filter(|it| !it.holds(offset)) else {
            return Ok(self.newest.is_some());
        };
        if offset >= newest.base {
            return Ok(false);
        }
        // All are of one size, but for the first ones of a log whose size was changed: a guess, and then a search.
        let back = (newest.base - offset).div_ceil(newest.capacity.max(1));
        let guess = u64::from(newest.number).checked_sub(back).and_then(|it| u32::try_from(it).ok());
        let guess = guess.into_iter().chain(self.numbers()?.into_keys());
        for number in guess {
            let found = Segment::open(&self.folder, number, self.unpack)?;
            if found.as_ref().is_some_and(|it| it.holds(offset)) {
                self.reading = found;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn numbers(&self) -> io::Result<BTreeMap<u32, bool>> {
        match segments(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            other => other,
        }
    }
}
