//! Process facts: who descends from whom, what a session started, how a process ended. On Linux from `/proc`; elsewhere
//! from `ps`, which was written by inspection and is untested.
#![allow(
    unsafe_code,
    reason = "the kernel tells how a process ended by a control call that rustix does not name"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// In the environment of every program that a holder starts: the folder of its session. What a session started is known
/// by it even after it left all its parents.
pub const HELD: &str = "PILOTHOUSE_HELD";

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its short name.
    pub name: String,
    /// Whether it has ended and only waits to be reaped.
    pub zombie: bool,
}

impl std::fmt::Display for Process {
    /// As people name it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}

/// All processes that can be seen now.
#[must_use]
pub fn all() -> BTreeMap<u32, Process> {
    if cfg!(target_os = "linux") { from_proc() } else { from_ps() }
}

/// One process, if it is there.
#[must_use]
pub fn one(pid: u32) -> Option<Process> {
    if cfg!(target_os = "linux") {
        parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    } else {
        from_ps().remove(&pid)
    }
}

/// When a process began, in the system's own ticks since it was started: with its id it names one process for good.
#[must_use]
pub fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The 22nd field; the name before the last parenthesis is the second. Source: proc_pid_stat(5).
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The ids of a process and its ancestors, itself first, as far as they can be followed. Nothing if the process itself
/// is gone. An ancestor that cannot be read (where `/proc` hides the processes of others) ends the line.
#[must_use]
pub fn ancestry(pid: u32) -> Option<Vec<u32>> {
    ancestry_by(pid, one)
}

fn ancestry_by(pid: u32, look: impl Fn(u32) -> Option<Process>) -> Option<Vec<u32>> {
    // An ancestor that ends while it is looked for leaves its child to another parent: the walk begins anew, for what
    // the new parent descends from counts. A line that changes all the time is not believed.
    for _ in 0..64 {
        let mut line = Vec::new();
        let mut next = look(pid)?;
        loop {
            line.push(next.pid);
            if next.parent <= 1 || line.contains(&next.parent) {
                return Some(line);
            }
            match look(next.parent) {
                Some(parent) => next = parent,
                None if look(next.pid).is_some_and(|again| again.parent == next.parent) => return Some(line),
                None => break,
            }
        }
    }
    None
}

/// The value of a variable in a process's environment as it was started with; nothing if it cannot be read.
#[must_use]
pub fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{name}=");
    environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .find_map(|entry| entry.strip_prefix(&prefix).map(str::to_owned))
}

/// The living descendants of a process, nearest first, without itself.
#[must_use]
pub fn descendants(of: u32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> = Vec::new();
    let mut seen = BTreeSet::from([of]);
    let mut edge = vec![of];
    while let Some(parent) = edge.pop() {
        for process in all.values().filter(|process| process.parent == parent) {
            if seen.insert(process.pid) {
                edge.push(process.pid);
                if !process.zombie {
                    found.push(process.clone());
                }
            }
        }
    }
    found
}

/// The id of no process. Whoever ended is named by it: an id that was given up is given again, to a stranger.
pub const NOBODY: u32 = u32::MAX;

/// Everything that lives of a session: its program, what descends from that and from its holder, what carries its mark,
/// and what is in its control group. Without the holder itself.
#[must_use]
pub fn of_session(folder: &Path, holder: u32, program: u32, group: &[u32]) -> Vec<Process> {
    Look::now().of_session(folder, holder, program, group)
}

/// One look at all processes and the marks that they carry, for whoever asks for many sessions.
#[derive(Debug)]
pub struct Look {
    all: BTreeMap<u32, Process>,
    marks: BTreeMap<u32, String>,
}

impl Look {
    /// Looks.
    #[must_use]
    pub fn now() -> Self {
        let all = all();
        let marks = all.keys().filter_map(|pid| Some((*pid, variable(*pid, HELD)?))).collect();
        Self { all, marks }
    }

    /// As [`of_session`].
    #[must_use]
    pub fn of_session(&self, folder: &Path, holder: u32, program: u32, group: &[u32]) -> Vec<Process> {
        let mark = folder.to_string_lossy();
        let marked = self.marks.iter().filter(|(pid, it)| **pid != holder && **it == mark);
        let mut edge = vec![holder, program];
        edge.extend(marked.map(|(pid, _)| *pid));
        edge.extend(group.iter().filter(|pid| **pid != holder));
        let mut found = BTreeMap::new();
        found.extend(edge.iter().skip(1).filter_map(|pid| Some((*pid, self.all.get(pid)?.clone()))));
        while let Some(parent) = edge.pop() {
            for process in self.all.values().filter(|it| it.parent == parent && it.pid != holder) {
                if found.insert(process.pid, process.clone()).is_none() {
                    edge.push(process.pid);
                }
            }
        }
        found.into_values().filter(|it| !it.zombie).collect()
    }
}

/// What a process used since it began: milliseconds of processor time, and bytes of memory that it has now. Nothing where
/// that cannot be read.
#[must_use]
pub fn usage(pid: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields 14, 15 and 24, of which the name is the second; some are negative. Source: proc_pid_stat(5).
    let fields: Vec<u64> =
        stat.rsplit_once(')')?.1.split_ascii_whitespace().map(|it| it.parse().unwrap_or_default()).collect();
    let (user, system, pages) = (fields.get(11)?, fields.get(12)?, fields.get(21)?);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Some(((user + system) * 1000 / ticks, pages * rustix::param::page_size() as u64))
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can tell.
    Unknown,
}

/// A descriptor of a process; nothing where the system has none, or the process is gone.
#[must_use]
pub fn descriptor(pid: u32) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _none_here = pid;
        None
    }
}

/// Whether the process of a descriptor has ended.
///
/// # Errors
/// Whatever the system says.
pub fn has_ended(process: impl AsFd) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut look = [PollFd::new(&process, PollFlags::IN)];
    Ok(poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}

/// Ends the process of a descriptor at once. One that is gone is no error.
pub fn kill(process: impl AsFd) {
    #[cfg(target_os = "linux")]
    let _gone = rustix::process::pidfd_send_signal(process, Signal::KILL);
    #[cfg(not(target_os = "linux"))]
    let _none_here = process;
}

/// How the process of a descriptor ended, once it was reaped by whoever is its parent now. `Unknown` before that, and
/// where the kernel does not tell (Linux before 6.15).
#[must_use]
#[cfg(target_os = "linux")]
pub fn how_ended(process: impl AsFd) -> Ended {
    /// `struct pidfd_info` of `linux/pidfd.h`, in its first and shortest form.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        mask: u64,
        cgroup: u64,
        ids: [u32; 11],
        exit: i32,
    }
    /// `PIDFD_INFO_EXIT`: asked for, and answered, if the exit is known.
    const EXIT: u64 = 1 << 3;
    /// `PIDFD_GET_INFO`: read and write, 64 bytes, type 0xff, number 11.
    const GET_INFO: rustix::ioctl::Opcode = 0xc040_ff0b;
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the number says that the kernel reads and writes 64 bytes, which is what `Info` has.
    let told = unsafe {
        let ask = rustix::ioctl::Updater::<GET_INFO, Info>::new(&mut info);
        rustix::ioctl::ioctl(process, ask)
    };
    if told.is_err() || info.mask & EXIT == 0 {
        return Ended::Unknown;
    }
    // As wait(2) has it: the signal in the low seven bits, else the code above them.
    match (info.exit & 0x7f, (info.exit >> 8) & 0xff) {
        (0, code) => Ended::Code(code),
        (signal, _) => Ended::Signal(signal),
    }
}

/// How the process of a descriptor ended: not told on this system.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn how_ended(_process: impl AsFd) -> Ended {
    Ended::Unknown
}

/// Sends a signal to one process. A process that is gone is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone already, or not ours: both leave nothing to do.
        let _gone = kill_process(pid, signal);
    }
}

/// Sends a signal to a process group. A group that is gone is no error.
pub fn signal_group(leader: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _gone = rustix::process::kill_process_group(pid, signal);
    }
}

fn from_proc() -> BTreeMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, one(pid)?)))
        .collect()
}

/// Reads `/proc/<pid>/stat`: `pid (name) state ppid …`, where the name may hold spaces and parentheses.
fn parse_stat(pid: u32, stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process { pid, parent, name: name.to_owned(), zombie: matches!(state, "Z" | "X") })
}

fn from_ps() -> BTreeMap<u32, Process> {
    let Ok(output) = std::process::Command::new("ps").args(["-axo", "pid=,ppid=,stat=,comm="]).output()
    else {
        return BTreeMap::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let pid = fields.next()?.parse().ok()?;
            let parent = fields.next()?.parse().ok()?;
            let zombie = fields.next()?.starts_with('Z');
            let name = fields.collect::<Vec<_>>().join(" ");
            Some((pid, Process { pid, parent, name, zombie }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_parent() {
        let process = parse_stat(7, "7 (a) b (c)) S 42 7 7 0").unwrap();
        assert_eq!((process.name.as_str(), process.parent, process.zombie), ("a) b (c)", 42, false));
    }

    #[test]
    fn a_child_of_another_tells_how_it_ended() {
        let mut child = std::process::Command::new("sh");
        let child = child.args(["-c", "read word; exit 7"]).stdin(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let process = descriptor(child.id()).unwrap();
        assert!(!has_ended(&process).unwrap());
        assert_eq!(how_ended(&process), Ended::Unknown);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(has_ended(&process).unwrap());
        // Older kernels do not tell.
        assert!(matches!(how_ended(&process), Ended::Code(7) | Ended::Unknown));
    }

    #[test]
    fn what_carries_the_mark_belongs_to_the_session_whoever_its_parent_is() {
        let folder = Path::new("/nowhere/s1-x");
        // One that ends with its input, so that nothing is left of it whatever becomes of this test.
        let mut child = std::process::Command::new("cat");
        let mut child = child.stdin(std::process::Stdio::piped()).env(HELD, folder).spawn().unwrap();
        let found = of_session(folder, NOBODY, NOBODY, &[]);
        assert!(found.iter().any(|it| it.pid == child.id()), "{found:?}");
        assert!(of_session(Path::new("/nowhere/s2"), NOBODY, NOBODY, &[]).is_empty());
        for process in found {
            signal(process.pid, Signal::KILL);
        }
        child.wait().unwrap();
    }

    #[test]
    fn our_own_line_ends_at_the_top() {
        let line = ancestry(std::process::id()).unwrap();
        assert_eq!(line.first(), Some(&std::process::id()));
        assert!(line.len() > 1, "the test runner has a parent");
    }

    #[test]
    fn an_ancestor_that_is_hidden_ends_the_line_and_one_that_ended_does_not() {
        let process = |pid, parent| Process { pid, parent, name: String::new(), zombie: false };
        let hidden = |pid| match pid {
            30 => Some(process(30, 20)),
            20 => Some(process(20, 10)),
            _ => None,
        };
        assert_eq!(ancestry_by(30, hidden), Some(vec![30, 20]));
        assert_eq!(ancestry_by(31, hidden), None, "the first one has to be there");
        // 20 ends just before it is looked at, and 30 goes to 5.
        let looks = std::cell::Cell::new(0);
        let ends = |pid| {
            looks.set(looks.get() + 1);
            match pid {
                30 if looks.get() == 1 => Some(process(30, 20)),
                30 => Some(process(30, 5)),
                5 => Some(process(5, 1)),
                _ => None,
            }
        };
        assert_eq!(ancestry_by(30, ends), Some(vec![30, 5]));
    }
}
