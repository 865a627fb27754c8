//! Starts the program of a session in a terminal or behind a pipe, and hands out the one descriptor that its output
//! comes from. The program leads a process group of its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use pilothouse_holder::place::{Asked, Mode};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The program's output end, and in a terminal its input end too.
pub(crate) enum Ends {
    /// The master of its terminal, and a descriptor of it.
    Terminal(Box<dyn MasterPty + Send>, OwnedFd),
    /// The pipe that its standard output and standard error go into.
    Pipe(OwnedFd),
}

/// A started program.
pub(crate) struct Program {
    /// Its process id, also that of its group.
    pub(crate) pid: u32,
    /// Its ends.
    pub(crate) ends: Ends,
}

impl Program {
    /// Starts what is asked for, with the environment of this process. Fails in words for people.
    pub(crate) fn start(asked: &Asked) -> Result<Self, String> {
        let Some((name, args)) = asked.argv.split_first() else {
            return Err("no command was given".to_owned());
        };
        if !asked.cwd.is_dir() {
            return Err(format!("the folder {} is not there", asked.cwd.display()));
        }
        let program = match asked.mode {
            Mode::Pty => in_terminal(asked, name, args),
            Mode::Pipe => behind_pipe(asked, name, args),
        }?;
        rustix::io::ioctl_fionbio(program.output(), true).map_err(|error| error.to_string())?;
        Ok(program)
    }

    /// The descriptor that output comes from.
    pub(crate) fn output(&self) -> BorrowedFd<'_> {
        match &self.ends {
            Ends::Terminal(_, fd) | Ends::Pipe(fd) => fd.as_fd(),
        }
    }

    /// Writes to its standard input. Returns how much was taken; a program behind a pipe has none and takes all.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.ends {
            Ends::Terminal(_, fd) => Ok(rustix::io::write(fd, bytes)?),
            Ends::Pipe(_) => Ok(bytes.len()),
        }
    }

    /// Sets the size of its terminal, if it has one.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> bool {
        match &self.ends {
            Ends::Terminal(master, _) => master.resize(size(columns, rows)).is_ok(),
            Ends::Pipe(_) => false,
        }
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows: rows.max(1), cols: columns.max(1), pixel_width: 0, pixel_height: 0 }
}

fn in_terminal(asked: &Asked, name: &str, args: &[String]) -> Result<Program, String> {
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
    let child =
        pair.slave.spawn_command(command).map_err(|error| format!("{name} could not be started: {error}"))?;
    let pid = child.process_id().ok_or_else(|| format!("{name} has no process id"))?;
    // The slave is dropped here: once the program and its children are gone too, the master reads as closed.
    let fd = own(pair.master.as_ref()).ok_or_else(|| "its terminal has no descriptor".to_owned())?;
    Ok(Program { pid, ends: Ends::Terminal(pair.master, fd) })
}

fn behind_pipe(asked: &Asked, name: &str, args: &[String]) -> Result<Program, String> {
    let in_words = |error: io::Error| format!("{name} could not be started: {error}");
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| format!("no pipe could be opened: {error}"))?;
    let second = write.try_clone().map_err(in_words)?;
    let child = Command::new(name)
        .args(args)
        .current_dir(&asked.cwd)
        .stdin(Stdio::null())
        .stdout(write)
        .stderr(second)
        .process_group(0)
        .spawn()
        .map_err(in_words)?;
    Ok(Program { pid: child.id(), ends: Ends::Pipe(read) })
}

/// A descriptor of our own for a terminal, so that it can be polled and read without copies.
#[allow(unsafe_code, reason = "portable-pty names its descriptor by number only")]
fn own(master: &(dyn MasterPty + Send)) -> Option<OwnedFd> {
    let number = master.as_raw_fd().filter(|number| *number >= 0)?;
    // SAFETY: the descriptor belongs to `master`, which outlives this borrow, and is open as long as it lives.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    borrowed.try_clone_to_owned().ok()
}
