//! A session's own control group, where the system has control groups of version 2 and lets us make some: what is in it
//! can be limited, found and killed whole, whatever it does to leave its parents. Format: Linux, `cgroup-v2.rst`.
//!
//! Refuses version 1, whose groups cannot be killed whole, and groups that others put programs into.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};

use crate::proc;

/// The group that our own processes go into when theirs has to be free of processes: only then may it limit those below.
const OURS: &str = "pilothouse";

/// So long it is tried to make room for groups with limits.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a group may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of memory; 0 means no limit.
    pub memory_max: u64,
    /// Processor time in percent of one core; 0 means no limit.
    pub cpu_max: u32,
}

impl Limits {
    fn wanted(self) -> Vec<&'static str> {
        let memory = (self.memory_max > 0).then_some("memory");
        let cpu = (self.cpu_max > 0).then_some("cpu");
        memory.into_iter().chain(cpu).collect()
    }
}

/// The group below which groups of sessions can be made.
///
/// # Errors
/// In words, if there is none.
pub fn base() -> Result<PathBuf, String> {
    let own = own()?;
    let base = match own.parent() {
        Some(parent) if own.file_name().is_some_and(|it| it == OURS) => parent.to_owned(),
        _ => own,
    };
    let writable = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    if writable(&base) && writable(&base.join("cgroup.procs")) {
        Ok(base)
    } else {
        Err(format!(
            "the control group {} is not ours to divide; systemd lends one: systemd-run --user --scope -p Delegate=yes \
             pilothouse engine start",
            base.display()
        ))
    }
}

/// The group of this process.
fn own() -> Result<PathBuf, String> {
    let none = || "this system has no control groups of version 2".to_owned();
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|_| none())?;
    let (root, mount) = mounts.lines().find_map(mounted).ok_or_else(none)?;
    let own = fs::read_to_string("/proc/self/cgroup").map_err(|_| none())?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(none)?;
    let below = Path::new(own).strip_prefix(root).map_err(|_| none())?;
    if below.components().any(|it| it == std::path::Component::ParentDir) {
        return Err("our control group lies outside of what can be seen here".to_owned());
    }
    Ok(Path::new(mount).join(below))
}

/// Root and mount point of a line of `mountinfo`, if it is of version 2. Source: proc_pid_mountinfo(5).
fn mounted(line: &str) -> Option<(&str, &str)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    kind.starts_with("cgroup2 ").then_some((fields.next()?, fields.next()?))
}

/// Sees to it that groups made below can be limited so.
///
/// # Errors
/// In words, if they cannot.
pub fn prepare(base: &Path, limits: Limits) -> Result<(), String> {
    let wanted = limits.wanted();
    let read = |name: &str| fs::read_to_string(base.join(name)).unwrap_or_default();
    let has = |list: &str, it: &str| list.split_whitespace().any(|word| word == it);
    let there = read("cgroup.controllers");
    if let Some(missing) = wanted.iter().find(|it| !has(&there, it)) {
        return Err(format!("control groups of version 2 do not limit {missing} here ({})", base.display()));
    }
    let on = read("cgroup.subtree_control");
    let missing: Vec<String> = wanted.iter().filter(|it| !has(&on, it)).map(|it| format!("+{it}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let switch_on = || fs::write(base.join("cgroup.subtree_control"), missing.join(" "));
    let begun = Instant::now();
    loop {
        let busy = match switch_on() {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => error.to_string(),
            Err(error) => return Err(format!("{} cannot be told to limit: {error}", base.display())),
        };
        // What the engine started for a moment, git above all, was born into its group: it ends soon.
        let aside = stand_aside(base);
        if begun.elapsed() > PATIENCE {
            let busy = format!("{} cannot be told to limit: {busy}", base.display());
            return Err(aside.err().unwrap_or(busy));
        }
        if aside.is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Puts our own processes into a group below: one that holds processes itself may not limit those below it.
fn stand_aside(base: &Path) -> Result<(), String> {
    let there = listed(base);
    let stranger =
        there.iter().filter_map(|pid| proc::one(*pid)).find(|it| !it.name.starts_with("pilothouse"));
    if let Some(it) = stranger {
        return Err(format!(
            "the control group {} holds other programs too ({} {}); give the engine one of its own: systemd-run --user \
             --scope -p Delegate=yes pilothouse engine start",
            base.display(),
            it.name,
            it.pid
        ));
    }
    let aside = base.join(OURS);
    let in_words = |error: io::Error| format!("{} cannot be used: {error}", aside.display());
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(in_words(error)),
        _ => {}
    }
    for pid in there {
        match fs::write(aside.join("cgroup.procs"), pid.to_string()) {
            // It ended meanwhile.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            other => other.map_err(in_words)?,
        }
    }
    Ok(())
}

/// A session's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(PathBuf);

impl Group {
    /// The group at a place, whether it is there or not.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes it, with its limits.
    ///
    /// # Errors
    /// In words, if it cannot be made, or not be limited so, or others are in it.
    pub fn make(&self, limits: Limits) -> Result<(), String> {
        let in_words =
            |error: io::Error| format!("the control group {} cannot be made: {error}", self.0.display());
        match fs::create_dir(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(in_words(error)),
            _ => {}
        }
        if !self.0.join("cgroup.kill").exists() {
            self.remove();
            return Err("this system's control groups cannot be killed whole (Linux before 5.14)".to_owned());
        }
        if !self.all().is_empty() {
            return Err(format!("others are in the control group {}", self.0.display()));
        }
        self.limit(limits).map_err(|error| format!("the control group cannot be limited: {error}"))
    }

    fn limit(&self, limits: Limits) -> io::Result<()> {
        if limits.memory_max > 0 {
            fs::write(self.0.join("memory.max"), limits.memory_max.to_string())?;
        }
        if limits.cpu_max > 0 {
            // Microseconds of processor time in each tenth of a second.
            fs::write(self.0.join("cpu.max"), format!("{} 100000", u64::from(limits.cpu_max) * 1000))?;
        }
        Ok(())
    }

    /// Does something inside of it: what is started there is in it from its first moment. Returns also whether this
    /// process itself came back.
    ///
    /// # Errors
    /// If it cannot be entered; then nothing was done.
    pub fn within<T>(&self, begin: impl FnOnce() -> T) -> io::Result<(T, bool)> {
        let back = own().map_err(io::Error::other)?;
        // 0 is whoever writes.
        fs::write(self.0.join("cgroup.procs"), "0")?;
        let begun = begin();
        let is_back = fs::write(back.join("cgroup.procs"), "0").is_ok();
        Ok((begun, is_back))
    }

    /// Kills everything in it, also what is being forked now.
    pub fn kill(&self) {
        // There is none, or it cannot be killed whole: then its programs are found and killed one by one.
        let _none = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// The ids of what is in it and in groups below it.
    #[must_use]
    pub fn all(&self) -> Vec<u32> {
        self.and_below().iter().flat_map(|it| listed(it)).collect()
    }

    /// Takes it away with what is below it. One that is not empty stays.
    pub fn remove(&self) {
        for group in self.and_below().iter().rev() {
            let _stays = fs::remove_dir(group);
        }
    }

    /// Itself and the groups below it, each after the one that it lies in.
    fn and_below(&self) -> Vec<PathBuf> {
        let mut groups = vec![self.0.clone()];
        let mut at = 0;
        while let Some(group) = groups.get(at) {
            let below = fs::read_dir(group).into_iter().flatten().flatten();
            let below = below.filter(|it| it.file_type().is_ok_and(|it| it.is_dir())).map(|it| it.path());
            let below: Vec<_> = below.collect();
            groups.extend(below);
            at += 1;
        }
        groups
    }
}

fn listed(group: &Path) -> Vec<u32> {
    let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    procs.lines().filter_map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_version_2_is_found_among_others() {
        let line = "33 24 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(mounted(line), Some(("/", "/sys/fs/cgroup/unified")));
        assert_eq!(mounted("34 24 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"), None);
    }

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        // The files of a group, without a kernel behind them.
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { memory_max: 2 << 30, cpu_max: 150 };
        Group::at(folder.path()).limit(limits).unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("memory.max").as_str(), read("cpu.max").as_str()), ("2147483648", "150000 100000"));
    }

    #[test]
    fn a_limit_that_is_not_there_is_refused_by_name_and_one_that_is_there_is_switched_on() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), "cpu io").unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), "io").unwrap();
        let refused = prepare(folder.path(), Limits { memory_max: 1, cpu_max: 1 }).unwrap_err();
        assert!(refused.contains("do not limit memory here"), "{refused}");
        prepare(folder.path(), Limits { memory_max: 0, cpu_max: 1 }).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap(), "+cpu");
    }
}
