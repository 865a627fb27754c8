//! What the system tells of processes: what they are, where they stand and what they write. Of one's own alone, and on Linux
//! alone; elsewhere nothing is told, and that is said.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why nobody knows, where that is so.
pub(super) const BLIND: &str = "this system does not tell which program writes a file";

/// All processes of this user, seen once.
#[derive(Debug)]
pub(super) struct Look(Option<Vec<Seen>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) pid: u32,
    /// Its command line; what is no text in it is replaced.
    pub(super) args: Vec<String>,
    pub(super) cwd: PathBuf,
    /// Logs that it has open to write to.
    writes: Vec<PathBuf>,
}

impl Look {
    pub(super) fn now() -> Self {
        if !cfg!(target_os = "linux") {
            return Self(None);
        }
        let user = rustix::process::geteuid().as_raw();
        let all = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let mine = all.filter_map(|it| {
            let pid: u32 = it.file_name().to_str()?.parse().ok()?;
            (it.metadata().ok()?.uid() == user).then(|| Seen::of(pid)).flatten()
        });
        Self(Some(mine.collect()))
    }

    /// The process that writes a log, if any does; or why nobody knows.
    pub(super) fn writer_of(&self, log: &Path) -> Result<Option<u32>, String> {
        let all = self.0.as_ref().ok_or(BLIND)?;
        let whole = log.canonicalize().unwrap_or_else(|_| log.to_owned());
        Ok(all.iter().find(|it| it.writes.contains(&whole)).map(|it| it.pid))
    }

    /// The processes of a program, by its name; or why nobody knows.
    pub(super) fn of_program(&self, name: &str) -> Result<impl Iterator<Item = &Seen>, String> {
        let all = self.0.as_ref().ok_or(BLIND)?;
        Ok(all.iter().filter(move |it| it.is_program(name)))
    }
}

impl Seen {
    fn of(pid: u32) -> Option<Self> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let line = fs::read(proc.join("cmdline")).ok()?;
        let args = line.split(|byte| *byte == 0).map(|it| String::from_utf8_lossy(it).into_owned()).collect();
        // What has ended and waits to be reaped stands nowhere.
        let cwd = fs::read_link(proc.join("cwd")).ok()?;
        let open = fs::read_dir(proc.join("fd")).into_iter().flatten().filter_map(Result::ok);
        let writes = open.filter_map(|it| {
            let file = fs::read_link(it.path()).ok()?;
            // Whoever looks for one log more is no writer of it, and most of what is open is no log.
            let is_log = file.extension().is_some_and(|it| it == "jsonl");
            (is_log && writes(&fs::read_to_string(proc.join("fdinfo").join(it.file_name())).ok()?))
                .then_some(file)
        });
        Some(Self { pid, args, cwd, writes: writes.collect() })
    }

    /// Whether it is a program of that name: by itself, or as a script of one that runs scripts.
    fn is_program(&self, name: &str) -> bool {
        let called = |arg: &String| Path::new(arg).file_stem().is_some_and(|it| it == name);
        let runs_scripts = |arg: &String| ["node", "bun", "deno"].iter().any(|it| called_as(arg, it));
        let mut args = self.args.iter();
        let first = args.next();
        first.is_some_and(called)
            || first.is_some_and(runs_scripts) && args.find(|it| !it.starts_with('-')).is_some_and(called)
    }

    /// Whether it was asked for something by this word.
    pub(super) fn is_asked(&self, word: &str) -> bool {
        self.args.iter().skip(1).any(|it| it == word)
    }
}

fn called_as(arg: &str, name: &str) -> bool {
    Path::new(arg).file_name().is_some_and(|it| it == name)
}

/// Whether what is told of an open file says that it is open to be written. The access mode is the last two bits of its flags,
/// which are octal; source: proc_pid_fdinfo(5).
fn writes(told: &str) -> bool {
    let flags = told.lines().find_map(|it| it.strip_prefix("flags:"));
    flags.and_then(|it| u32::from_str_radix(it.trim(), 8).ok()).is_some_and(|it| it & 3 != 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn who_writes_a_log_is_told_and_who_reads_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (written, read) = (folder.path().join("written.jsonl"), folder.path().join("read.jsonl"));
        fs::write(&read, "x").unwrap();
        let writer = fs::OpenOptions::new().append(true).create(true).open(&written).unwrap();
        let reader = fs::File::open(&read).unwrap();
        let look = Look::now();
        assert_eq!(look.writer_of(&written), Ok(Some(std::process::id())));
        assert_eq!(look.writer_of(&read), Ok(None));
        drop((writer, reader));
        assert_eq!(Look::now().writer_of(&written), Ok(None));
        assert_eq!(Look(None).writer_of(&written), Err(BLIND.to_owned()));
    }

    #[test]
    fn a_program_is_known_by_its_name_and_as_a_script() {
        let seen = |args: &[&str]| Seen {
            pid: 1,
            args: args.iter().map(|it| (*it).to_owned()).collect(),
            cwd: PathBuf::new(),
            writes: Vec::new(),
        };
        for args in [
            &["gemini"][..],
            &["/usr/bin/gemini", "-r", "1"],
            &["node", "/x/.bin/gemini"],
            &["/usr/bin/node", "--max-old-space-size=9", "/x/bundle/gemini.js", "-y"],
        ] {
            assert!(seen(args).is_program("gemini"), "{args:?}");
        }
        for args in [&["vim", "gemini"][..], &["node", "x.js", "gemini"], &["gemini-x"], &[]] {
            assert!(!seen(args).is_program("gemini"), "{args:?}");
        }
    }
}
