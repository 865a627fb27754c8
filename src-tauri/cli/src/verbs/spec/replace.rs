//! A file's bytes replaced as a whole: whoever reads it sees the old ones or the new ones, and its permissions and links to it stay.
//!
//! Refuses to write over bytes that are not those that were read, to write outside of a repository, and to write what is read-only.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use pilothouse_contract::Fault;

use super::tree::inside;

/// Replaces the bytes of a file of a repository. Returns whether it did: if others stand there by now than those that were read, it does not.
///
/// # Errors
/// In words.
pub(super) fn replace(top: &Path, file: &str, was: &[u8], now: &[u8]) -> Result<bool, Fault> {
    // A link stays one, and the file that it leads to is written.
    let path = inside(top, &top.join(file)).ok_or_else(|| {
        Fault::refused(format!("{file} is no file of this repository by now, or leads out of it"))
            .hint("look what it is, and name the file itself")
    })?;
    let failed = |error: std::io::Error| {
        Fault::environment(format!("{} could not be written: {error}", path.display()))
    };
    let held = File::open(&path).map_err(failed)?;
    let kept = held.metadata().map_err(failed)?;
    if kept.permissions().readonly() {
        return Err(Fault::refused(format!("{} is read-only", path.display()))
            .hint("allow that it is written, as with chmod u+w"));
    }
    // One of ours at a time. Where a file system has no locks, what stands there is still held against what was read.
    let _free = held.lock();
    let stands = || path.metadata().map(|it| (it.dev(), it.ino()));
    // Whoever had it before put another file in its place.
    if stands().map_err(failed)? != (kept.dev(), kept.ino()) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(top);
    let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = folder.join(format!(".{name}.{}.pilothouse", std::process::id()));
    let written = (|| {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(now)?;
        new.set_permissions(kept.permissions())?;
        new.sync_all()?;
        // As late as can be: what somebody wrote meanwhile is theirs.
        let theirs = std::fs::read(&path)? != was || stands()? != (kept.dev(), kept.ino());
        if theirs {
            return Ok(false);
        }
        std::fs::rename(&beside, &path)?;
        Ok(true)
    })();
    if !matches!(written, Ok(true)) {
        let _none = std::fs::remove_file(&beside);
    }
    written.map_err(failed)
}
