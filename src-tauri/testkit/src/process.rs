//! Processes beside a test: what the kernel says of them, signals to them, a word from one through a named pipe, and a
//! watchdog, so that what never comes ends a test instead of hanging it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::must;

/// What does not come within this is not coming.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a signal by its name with a dash. Returns whether there was a process to get it.
pub fn signal(pid: u32, name: &str) -> bool {
    let sent = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
    sent.is_ok_and(|it| it.success())
}

/// Ends a process at once, if it has not ended already.
pub fn kill_at_once(pid: u32) {
    let _gone_already = signal(pid, "-9");
}

/// A field of `/proc/PID/stat` by its number in proc_pid_stat(5), from 3 on; nothing if the process is gone.
#[must_use]
pub fn stat_field(pid: u32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so what counts follows its last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}

/// Whether a process is there and not only waiting to be reaped.
#[must_use]
pub fn lives(pid: u32) -> bool {
    stat_field(pid, 3).is_some_and(|state| !matches!(state.as_str(), "Z" | "X"))
}

/// A line of what the kernel says of all of a process's memory, in MiB; nothing if the process is gone.
fn memory_mib(pid: u32, name: &str) -> Option<f64> {
    let all = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = all.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(':'))?;
    kib.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|it| it / 1024.0)
}

/// What a process holds in MiB, pages that it shares by its share.
#[must_use]
pub fn share_mib(pid: u32) -> Option<f64> {
    memory_mib(pid, "Pss")
}

/// What a process holds in MiB that is of no file: this is its own, whoever else runs the same program.
#[must_use]
pub fn own_mib(pid: u32) -> Option<f64> {
    memory_mib(pid, "Anonymous")
}

/// Processor time that a process used so far, in seconds.
#[must_use]
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    // User and system time in hundredths of a second.
    let of = |number| stat_field(pid, number)?.parse::<f64>().ok();
    Some((of(14)? + of(15)?) / 100.0)
}

/// Kills a process that is still awaited after [`PATIENCE`]. Whoever no longer waits drops it.
#[derive(Debug)]
pub struct Watchdog {
    _waits: Sender<()>,
}

impl Watchdog {
    /// A watchdog over a process.
    #[must_use]
    pub fn over(pid: u32) -> Self {
        let (waits, over) = channel::<()>();
        std::thread::spawn(move || {
            if over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                kill_at_once(pid);
            }
        });
        Self { _waits: waits }
    }
}

/// Runs a program to its end, under a watchdog.
///
/// # Panics
/// If it cannot be started.
pub fn ended(command: &mut Command) -> Output {
    let child = must(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn());
    let _watchdog = Watchdog::over(child.id());
    must(child.wait_with_output())
}

/// A named pipe: whoever writes into it waits for who reads, and the other way round.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
}

impl Fifo {
    /// Makes one.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        assert!(must(Command::new("mkfifo").arg(&path).status()).success(), "no named pipe could be made");
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for what one writer says.
    ///
    /// # Panics
    /// If nobody says anything.
    #[must_use]
    pub fn read(&self) -> String {
        let said = ended(Command::new("cat").arg(&self.path));
        assert!(!said.stdout.is_empty(), "nobody wrote into {self}");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

impl fmt::Display for Fifo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_has_ended_and_not_until_it_is_reaped() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        assert!(lives(pid));
        assert_eq!(stat_field(pid, 4), Some(std::process::id().to_string()), "its parent");
        assert!(signal(pid, "-KILL"));
        // Ended, and still there for whoever reaps it.
        while stat_field(pid, 3).as_deref() != Some("Z") {
            std::thread::yield_now();
        }
        assert!(!lives(pid));
        child.wait().unwrap();
        assert!(!lives(pid) && !signal(pid, "-0"));
    }

    #[test]
    fn what_a_process_holds_and_uses_is_told() {
        let own = std::process::id();
        let before = own_mib(own).unwrap();
        let held = vec![1_u8; 64 * 1024 * 1024];
        let after = own_mib(own).unwrap();
        assert!(after - before > 60.0, "{before} and then {after} MiB with {} bytes more", held.len());
        assert!(share_mib(own).unwrap() >= after);
        let used = cpu_seconds(own).unwrap();
        while cpu_seconds(own).unwrap() < used + 0.05 {}
        assert_eq!((own_mib(u32::MAX), share_mib(u32::MAX), cpu_seconds(u32::MAX)), (None, None, None));
    }

    #[test]
    fn a_word_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let word = Fifo::new(folder.path().join("word"));
        let mut says = Command::new("sh").args(["-c", &format!("echo up >{word}")]).spawn().unwrap();
        assert_eq!(word.read(), "up\n");
        assert!(says.wait().unwrap().success());
    }
}
