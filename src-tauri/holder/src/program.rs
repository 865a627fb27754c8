//! The program of a session: started in a terminal or behind a pipe, or taken over from a holder that died. Its output
//! comes from one descriptor. It leads a process group of its own.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use pilothouse_holder::cgroup::Group;
use pilothouse_holder::place::{Asked, Mode};
use pilothouse_holder::proc;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A program that runs.
pub(crate) struct Program {
    /// Its process id, also that of its group.
    pub(crate) pid: u32,
    /// The master of its terminal, or the pipe that its standard output and standard error go into.
    pub(crate) output: OwnedFd,
    /// Its process, where the system has descriptors of processes.
    pub(crate) process: Option<OwnedFd>,
    mode: Mode,
}

impl Program {
    /// Starts what is asked for, with the environment of this process, inside a group if there is one; with the group
    /// that it is in. Fails in words for people.
    pub(crate) fn start(
        asked: &Asked,
        folder: &Path,
        group: Option<Group>,
    ) -> Result<(Self, Option<Group>), String> {
        let Some((name, args)) = asked.argv.split_first() else {
            return Err("no command was given".to_owned());
        };
        if !asked.cwd.is_dir() {
            return Err(format!("the folder {} is not there", asked.cwd.display()));
        }
        let begin = || match asked.mode {
            Mode::Pty => in_terminal(asked, name, args, folder),
            Mode::Pipe => behind_pipe(asked, name, args, folder),
        };
        let is_limited = asked.memory_max > 0 || asked.cpu_max > 0;
        let entered = group.as_ref().map(|it| it.within(begin));
        let (begun, group) = match entered {
            Some(Ok((begun, true))) => (begun, group),
            // We are in it ourselves now, so it must not be killed whole.
            Some(Ok((begun, false))) => (begun, None),
            Some(Err(error)) if is_limited => {
                return Err(format!(
                    "its limits cannot be enforced: its control group cannot be entered: {error}"
                ));
            }
            Some(Err(_)) | None => (begin(), None),
        };
        let (pid, output) = begun?;
        rustix::io::ioctl_fionbio(&output, true).map_err(|error| error.to_string())?;
        // It is our child, so its id is its own until we reap it.
        Ok((Self { pid, output, process: proc::descriptor(pid), mode: asked.mode }, group))
    }

    /// A program that another holder started.
    pub(crate) fn taken(asked: &Asked, pid: u32, output: OwnedFd, process: Option<OwnedFd>) -> Self {
        Self { pid, output, process, mode: asked.mode }
    }

    /// Writes to its standard input. Returns how much was taken; a program behind a pipe has none and takes all.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.mode {
            Mode::Pty => Ok(rustix::io::write(&self.output, bytes)?),
            Mode::Pipe => Ok(bytes.len()),
        }
    }

    /// Sets the size of its terminal. Whether it has one, and took it.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> bool {
        let size = rustix::termios::Winsize {
            ws_col: columns.max(1),
            ws_row: rows.max(1),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        self.mode == Mode::Pty && rustix::termios::tcsetwinsize(&self.output, size).is_ok()
    }

    /// Columns and rows of its terminal, if it has one.
    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        let size = (self.mode == Mode::Pty).then(|| rustix::termios::tcgetwinsize(&self.output))?.ok()?;
        Some((size.ws_col, size.ws_row))
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows: rows.max(1), cols: columns.max(1), pixel_width: 0, pixel_height: 0 }
}

fn in_terminal(asked: &Asked, name: &str, args: &[String], folder: &Path) -> Result<(u32, OwnedFd), String> {
    let pair = native_pty_system()
        .openpty(size(asked.columns, asked.rows))
        .map_err(|error| format!("no terminal could be opened: {error}"))?;
    let mut command = CommandBuilder::new(name);
    command.args(args);
    command.cwd(&asked.cwd);
    command.env_clear();
    for (key, value) in std::env::vars_os() {
        command.env(key, value);
    }
    command.env(proc::HELD, folder);
    let child =
        pair.slave.spawn_command(command).map_err(|error| format!("{name} could not be started: {error}"))?;
    let pid = child.process_id().ok_or_else(|| format!("{name} has no process id"))?;
    // The slave is dropped here: once the program and its children are gone too, the master reads as closed.
    let fd = own(pair.master.as_ref()).ok_or_else(|| "its terminal has no descriptor".to_owned())?;
    Ok((pid, fd))
}

fn behind_pipe(asked: &Asked, name: &str, args: &[String], folder: &Path) -> Result<(u32, OwnedFd), String> {
    let in_words = |error: io::Error| format!("{name} could not be started: {error}");
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| format!("no pipe could be opened: {error}"))?;
    let second = write.try_clone().map_err(in_words)?;
    let child = Command::new(name)
        .args(args)
        .current_dir(&asked.cwd)
        .env(proc::HELD, folder)
        .stdin(Stdio::null())
        .stdout(write)
        .stderr(second)
        .process_group(0)
        .spawn()
        .map_err(in_words)?;
    Ok((child.id(), read))
}

/// A descriptor of our own for a terminal, so that it can be polled and read without copies.
#[allow(unsafe_code, reason = "portable-pty names its descriptor by number only")]
fn own(master: &(dyn MasterPty + Send)) -> Option<OwnedFd> {
    let number = master.as_raw_fd().filter(|number| *number >= 0)?;
    // SAFETY: the descriptor belongs to `master`, which outlives this borrow, and is open as long as it lives.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    borrowed.try_clone_to_owned().ok()
}
