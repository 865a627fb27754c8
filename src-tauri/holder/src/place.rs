//! Where a session lies on disk. Everything is private to the user. A session folder holds:
//! `session.json` (what was asked for, written by the engine before the holder starts), `lock` (held by the one holder,
//! and by the engine that keeps duplicates of its descriptors), `holder.json` (who holds what, written once the program
//! runs, and by each successor), `log.0000…` (see [`crate::log`]), `sizes` (one line per size change: offset, columns,
//! rows), `exit.json` (how it ended, written last; without a code and a signal if nobody could learn it), `holder.room` and `exit.room` (empty
//! room for those two on a full disk).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The log of a check takes so many bytes: one that says more says it by mistake, and must not fill the disk.
const LOG_MAX_PIPE: u64 = 256 * 1024 * 1024;
/// Of the log of a terminal so many bytes are kept, and older ones dropped: days of a busy screen.
const LOG_KEEP_PTY: u64 = 1024 * 1024 * 1024;

/// What is put by for a full disk: a file beside the one that is to be written then, of so many bytes.
const PUT_BY: &str = "room";
const ROOM: usize = 4096;

/// How a program is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In a terminal of its own.
    Pty,
    /// Standard output and standard error in one pipe, standard input empty.
    Pipe,
}

/// What is asked for. The program's environment is not in here: it is the holder's own, so that it never lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The version of the holder protocol of the one who asks.
    pub version: u32,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// How it is held.
    pub mode: Mode,
    /// Columns of its terminal.
    pub columns: u16,
    /// Rows of its terminal.
    pub rows: u16,
    /// Capacity of one log segment in bytes; rounded up to 64 KiB.
    pub segment_bytes: u64,
    /// Bytes that the log takes; 0 means what is usual for the mode. Behind a pipe, what the program says beyond it, to within
    /// one piece that is read at once, is counted and not kept, for a proof must not miss its beginning. Of a terminal the
    /// newest is kept and the oldest segments are dropped. The program goes on either way.
    #[serde(default)]
    pub log_max: u64,
    /// The socket to listen at.
    pub socket: PathBuf,
    /// After this long the program is ended, in milliseconds; 0 means never. A holder keeps the limit even while no
    /// engine runs.
    #[serde(default)]
    pub limit_ms: u64,
    /// The control group that everything it starts is to be in, if it is to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
    /// Bytes of memory that it may use together; 0 means no limit. Without its control group it is not started then.
    #[serde(default)]
    pub memory_max: u64,
    /// Processor time that it may use together, in percent of one core; 0 means no limit. As above.
    #[serde(default)]
    pub cpu_max: u32,
    /// Whether what the program leaves running when it ends by itself goes on, and is listed; else it is ended.
    #[serde(default)]
    pub keep_rest: bool,
}

impl Asked {
    /// The most that its log takes, in bytes; nothing if it only ever drops its oldest.
    #[must_use]
    pub fn log_limit(&self) -> Option<u64> {
        (self.mode == Mode::Pipe).then_some(if self.log_max == 0 { LOG_MAX_PIPE } else { self.log_max })
    }

    /// How much of the newest of its log is kept, in bytes; nothing if all is.
    #[must_use]
    pub fn log_keep(&self) -> Option<u64> {
        (self.mode == Mode::Pty).then_some(if self.log_max == 0 { LOG_KEEP_PTY } else { self.log_max })
    }
}

/// Who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The version of the holder's protocol.
    pub version: u32,
    /// The holder's process id.
    pub holder: u32,
    /// The program's process id.
    pub pid: u32,
    /// The machine's boot id, where it has one: a session of another boot is gone.
    pub boot: String,
    /// When the program was started, in milliseconds since 1970; 0 if the holder is older than this note.
    #[serde(default)]
    pub started_ms: u64,
    /// How many holders it had before.
    #[serde(default)]
    pub replaced: u32,
}

/// How a session ended. The default is an end of which nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, if it exited.
    pub code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// Why it was never started, if it was not.
    pub not_started: Option<String>,
    /// Whether the time limit ended it.
    #[serde(default)]
    pub over_limit: bool,
    /// How long its program ran, in milliseconds; nothing if it never did, or the holder is older than this note.
    #[serde(default)]
    pub took_ms: Option<u64>,
    /// Bytes in its log.
    pub output_bytes: u64,
    /// Bytes that were not logged, because the disk or the log was full.
    pub lost_bytes: u64,
    /// Programs it left behind, which were ended with it.
    pub left_behind: Vec<String>,
    /// Programs it left running, which go on.
    #[serde(default)]
    pub left_running: Vec<Left>,
}

/// A process that outlives its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its id.
    pub pid: u32,
    /// When it began, in the system's own ticks: an id is given again to others, but not with that.
    pub began: u64,
    /// Its short name.
    pub name: String,
}

/// A session's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub PathBuf);

impl Place {
    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Makes the folder, private to the user. Fails with `AlreadyExists` if there is one.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn make(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).create(&self.0)
    }

    /// Writes what is asked for.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_asked(&self, asked: &Asked) -> io::Result<()> {
        write_whole(&self.0.join("session.json"), asked)
    }

    /// Reads what was asked for.
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData`.
    pub fn asked(&self) -> io::Result<Asked> {
        read_whole(&self.0.join("session.json"))
    }

    /// Writes who holds it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_held(&self, held: &Held) -> io::Result<()> {
        write_whole(&self.0.join("holder.json"), held)
    }

    /// Puts room by, so that who holds it and how it ended can be written down on a full disk. What is there already stays.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn put_room_by(&self) -> io::Result<()> {
        for name in ["holder", "exit"] {
            let path = self.0.join(name).with_extension(PUT_BY);
            if path.metadata().is_ok_and(|it| it.len() >= ROOM as u64) {
                continue;
            }
            // Half a room is none, and would be taken for one.
            write_new(&path, &[b' '; ROOM]).inspect_err(|_| drop(fs::remove_file(&path)))?;
        }
        Ok(())
    }

    /// Who holds it, once its program runs.
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData`.
    pub fn held(&self) -> io::Result<Option<Held>> {
        absent(read_whole(&self.0.join("holder.json")))
    }

    /// Writes how it ended.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        write_whole(&self.0.join("exit.json"), exit)?;
        for name in ["holder", "exit"] {
            let _not_there = fs::remove_file(self.0.join(name).with_extension(PUT_BY));
        }
        Ok(())
    }

    /// How it ended, once it did.
    ///
    /// # Errors
    /// Whatever the file system says, or `InvalidData`.
    pub fn exit(&self) -> io::Result<Option<Exit>> {
        absent(read_whole(&self.0.join("exit.json")))
    }

    /// Adds a size change at an offset of the log.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn add_size(&self, offset: u64, columns: u16, rows: u16) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.0.join("sizes"))?;
        file.write_all(format!("{offset} {columns} {rows}\n").as_bytes())
    }

    /// The size changes so far, in order: offset, columns, rows. A line that is being written is none yet.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn sizes(&self) -> io::Result<Vec<(u64, u16, u16)>> {
        let all = absent(fs::read_to_string(self.0.join("sizes")))?.unwrap_or_default();
        let whole = all.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let read = |line: &str| {
            let mut numbers = line.split_whitespace();
            Some((
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
            ))
        };
        Ok(whole.filter_map(read).collect())
    }

    /// Opens the lock file; whoever has its exclusive lock is the holder.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.0.join("lock"))
    }

    /// Whether anybody holds it: a holder, or an engine that has what a holder needs. A failed probe is not a proof of
    /// death, so an error here is an error and not a "no".
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn is_held(&self) -> io::Result<bool> {
        let file = match File::open(self.0.join("lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// The machine's boot id, or the empty string where there is none.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn absent<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_whole<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a file so that a reader sees all of it or none: beside it first, then renamed. On a full disk into what was put by
/// for that.
fn write_whole<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let beside = path.with_extension("tmp");
    let full = match write_new(&beside, &bytes) {
        Ok(()) => return fs::rename(&beside, path),
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            error
        }
        Err(error) => return Err(error),
    };
    let _nothing_there = fs::remove_file(&beside);
    let put_by = path.with_extension(PUT_BY);
    let Ok(file) = OpenOptions::new().write(true).open(&put_by) else { return Err(full) };
    file.write_all_at(&bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_data()?;
    fs::rename(&put_by, path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}
