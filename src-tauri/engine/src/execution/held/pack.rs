//! Packs the closed segments of a log, so that days of output take little. Only segments that nobody writes any more; the
//! one that is written is the holder's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use pilothouse_holder::log::{AT_BASE, AT_PUBLISHED, HEADER, packed, segment, segments};

/// Packs all closed segments of a log, or, once its session is over, all of them.
///
/// # Errors
/// Whatever the file system says. What was not packed is whole.
pub(super) fn pack(folder: &Path, over: bool) -> io::Result<()> {
    let all = segments(folder)?;
    let newest = all.keys().next_back().copied();
    for (number, is_packed) in all {
        if !is_packed && (over || Some(number) != newest) {
            pack_one(folder, number)?;
        }
    }
    Ok(())
}

fn pack_one(folder: &Path, number: u32) -> io::Result<()> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "a segment does not hold what it says");
    let whole = segment(folder, number);
    let mut bytes = Vec::new();
    File::open(&whole)?.read_to_end(&mut bytes)?;
    let head = usize::try_from(HEADER).unwrap_or(usize::MAX);
    let at = |place: u64| {
        let place = usize::try_from(place).ok()?;
        Some(u64::from_le_bytes(*bytes.get(place..)?.first_chunk::<8>()?))
    };
    let length = at(AT_PUBLISHED)
        .zip(at(AT_BASE))
        .and_then(|(end, base)| usize::try_from(end.checked_sub(base)?).ok());
    let (header, rest) = bytes.split_at_checked(head).ok_or_else(bad)?;
    let said = length.and_then(|length| rest.get(..length)).ok_or_else(bad)?;
    let beside = packed(folder, number).with_extension("tmp");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(header)?;
    file.write_all(&zstd::encode_all(said, 1)?)?;
    file.sync_data()?;
    fs::rename(&beside, packed(folder, number))?;
    // Who reads it goes on with the file that is open, or finds the packed one.
    fs::remove_file(whole)
}

#[cfg(test)]
mod tests {
    use pilothouse_holder::log::{AT_CAPACITY, LogReader, MAGIC};

    use super::*;

    /// A segment as a holder writes it.
    fn write(folder: &Path, number: u32, base: u64, capacity: usize, bytes: &[u8]) {
        let mut file = vec![0; HEADER as usize + capacity];
        file[..8].copy_from_slice(&MAGIC);
        let mut put =
            |at: u64, value: u64| file[at as usize..at as usize + 8].copy_from_slice(&value.to_le_bytes());
        put(AT_BASE, base);
        put(AT_CAPACITY, capacity as u64);
        put(AT_PUBLISHED, base + bytes.len() as u64);
        file[HEADER as usize..HEADER as usize + bytes.len()].copy_from_slice(bytes);
        fs::write(segment(folder, number), file).unwrap();
    }

    #[test]
    fn what_is_packed_reads_as_before_and_the_one_that_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<u8> = (0..250_000_u32).map(|n| (n / 50) as u8).collect();
        for (number, piece) in all.chunks(100_000).enumerate() {
            write(folder.path(), number as u32, number as u64 * 100_000, 100_000, piece);
        }
        let reader = || LogReader::new(folder.path()).unpacking(|bytes| zstd::decode_all(bytes));
        let mut before = reader();
        assert_eq!(before.read_from(10, 5).unwrap(), all[10..15]);
        pack(folder.path(), false).unwrap();
        let names = segments(folder.path()).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [(0, true), (1, true), (2, false)]);
        for reader in [&mut before, &mut reader()] {
            assert_eq!(reader.end().unwrap(), 250_000);
            assert!(reader.read_from(0, usize::MAX).unwrap() == all);
            assert_eq!(reader.read_from(199_990, 20).unwrap(), all[199_990..200_010]);
        }
        pack(folder.path(), true).unwrap();
        assert!(reader().read_from(0, usize::MAX).unwrap() == all);
        let used: u64 =
            fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).sum();
        assert!(used < 50_000, "{used}");
    }
}
