//! What people see: log lines, a snapshot, and what is kept on disk beside the workspaces. Owns how a line is written and
//! what is taken out of it. Refuses to be needed: a sink that fails costs its lines and nothing else.

mod kept;
mod log;
mod snapshot;

use std::io::{self, Write as _};
use std::path::Path;

pub use kept::{Kept, Store};
pub use log::{Level, Log, Record, Sink, TextSink};
pub use snapshot::{BlockedRow, RetryRow, RunningRow, Snapshot, snapshot};

/// Writes a file so that whoever reads it sees all of the old or all of the new.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file has a folder"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.new"));
    let mut file = std::fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
