//! The one poll loop of a holder: output into the log, input from the socket, children reaped, the end written down.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use pilothouse_holder::place::{Asked, Exit, Held, Mode, Place, boot_id};
use pilothouse_holder::proc;
use pilothouse_holder::wire::{FromHolder, Taken, ToHolder, VERSION, take_to_holder};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions};

use crate::program::Program;
use crate::segment::{LogWriter, SLICE};

/// After a polite word at the time limit, this long passes before force.
const LIMIT_GRACE: Duration = Duration::from_secs(2);
/// A peer that does not take even this much is dropped.
const PEER_BACKLOG: usize = 64 * 1024;
/// Input that the program does not take is kept up to this much, then further input is thrown away.
const INPUT_BACKLOG: usize = 4 * 1024 * 1024;

/// Holds the session in a folder to its end.
///
/// Returns at once, without a word, if another holder has it or it is over: so asking twice starts it once.
pub(crate) fn run(place: &Place) -> io::Result<()> {
    let asked = place.asked()?;
    let lock = place.lock_file()?;
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if place.exit()?.is_some() {
        return Ok(());
    }
    if place.held()?.is_some() {
        // A holder had it and died without a word; its program lost its terminal. Starting it again would do its
        // work twice.
        return Err(io::Error::other("this session was held before and its holder died"));
    }
    leave_the_parent();
    match Holder::begin(place, &asked, lock) {
        Ok(holder) => {
            say_held();
            holder.hold()
        }
        Err(why) => place.write_exit(&Exit { not_started: Some(why), ..Exit::default() }),
    }
}

/// Whoever started us waits for this one line, or for the end of our standard output without it.
fn say_held() {
    let mut out = io::stdout();
    let _nobody_listens = out.write_all(b"held\n").and_then(|()| out.flush());
}

/// The holder outlives whoever started it: own session, and on Linux adoptive parent of all that the program starts,
/// so that daemons of the program are still found and reaped.
fn leave_the_parent() {
    let _leader_already = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    let _older_kernel = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(
        i32::try_from(std::process::id()).unwrap_or(0),
    ));
}

struct Peer {
    stream: UnixStream,
    received: Vec<u8>,
    to_send: Vec<u8>,
    told: u64,
    greeted: bool,
    gone: bool,
}

struct Holder<'a> {
    place: &'a Place,
    asked: &'a Asked,
    /// Kept for life: whoever has it is the holder.
    _lock: File,
    listener: UnixListener,
    signals: UnixStream,
    program: Program,
    log: LogWriter,
    peers: Vec<Peer>,
    input: Vec<u8>,
    output_open: bool,
    lost_bytes: u64,
    status: Option<rustix::process::WaitStatus>,
    over_limit: bool,
    limit: Option<Instant>,
    force: Option<Instant>,
}

impl<'a> Holder<'a> {
    fn begin(place: &'a Place, asked: &'a Asked, lock: File) -> Result<Self, String> {
        let in_words = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}")
        };
        let log = LogWriter::begin(place.folder(), asked.segment_bytes)
            .map_err(in_words("its log could not be made"))?;
        let _absent = std::fs::remove_file(&asked.socket);
        let listener =
            UnixListener::bind(&asked.socket).map_err(in_words("its socket could not be opened"))?;
        listener.set_nonblocking(true).map_err(in_words("its socket could not be opened"))?;
        let (signals, signalled) =
            UnixStream::pair().map_err(in_words("no pair of sockets could be opened"))?;
        signals.set_nonblocking(true).map_err(in_words("no pair of sockets could be opened"))?;
        for signal in [signal_hook::consts::SIGCHLD, signal_hook::consts::SIGTERM] {
            let end = signalled.try_clone().map_err(in_words("signals could not be heard"))?;
            signal_hook::low_level::pipe::register(signal, end)
                .map_err(in_words("signals could not be heard"))?;
        }
        let program = Program::start(asked)?;
        let held = Held { version: VERSION, holder: std::process::id(), pid: program.pid, boot: boot_id() };
        if asked.mode == Mode::Pty {
            place
                .add_size(0, asked.columns, asked.rows)
                .map_err(in_words("its size could not be written down"))?;
        }
        place.write_held(&held).map_err(in_words("its holder could not be written down"))?;
        Ok(Self {
            place,
            asked,
            _lock: lock,
            listener,
            signals,
            program,
            log,
            peers: Vec::new(),
            input: Vec::new(),
            output_open: true,
            lost_bytes: 0,
            status: None,
            over_limit: false,
            limit: (asked.limit_ms > 0).then(|| Instant::now() + Duration::from_millis(asked.limit_ms)),
            force: None,
        })
    }

    fn hold(mut self) -> io::Result<()> {
        while self.status.is_none() {
            self.wait()?;
            self.reap();
            self.take_output();
            self.give_input();
            self.meet_peers();
            self.keep_limits();
            self.tell_peers();
        }
        self.end()
    }

    /// Waits until something is to be done.
    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let wake = self.limit.into_iter().chain(self.force).min();
        let timeout = wake.map(|wake| wake.saturating_duration_since(now)).map(|span| Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(span.subsec_nanos()),
        });
        let mut about_output = PollFlags::empty();
        if self.output_open {
            about_output |= PollFlags::IN;
        }
        if !self.input.is_empty() {
            about_output |= PollFlags::OUT;
        }
        let mut fds =
            vec![PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        // A closed terminal polls as hung up for ever; without interest in it the loop must not look at it.
        let output = self.program.output();
        if !about_output.is_empty() {
            fds.push(PollFd::from_borrowed_fd(output, about_output));
        }
        for peer in &self.peers {
            let flags = if peer.to_send.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            fds.push(PollFd::new(&peer.stream, flags));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reaps every child that ended; remembers how the program itself did.
    fn reap(&mut self) {
        let mut heard = [0; 64];
        while matches!((&self.signals).read(&mut heard), Ok(read) if read > 0) {}
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if u32::try_from(pid.as_raw_nonzero().get()) == Ok(self.program.pid) {
                self.status = Some(status);
            }
        }
    }

    /// Takes what output there is, at most a few slices, so that peers and signals get their turn.
    fn take_output(&mut self) {
        for _ in 0..16 {
            if !self.output_open || !self.take_slice() {
                return;
            }
        }
    }

    /// Takes one slice. Returns whether there may be more now.
    fn take_slice(&mut self) -> bool {
        let output = self.program.output();
        let read = |into: &mut [u8]| Ok(rustix::io::read(output, into)?);
        let full = self.log.published() >= self.asked.log_limit();
        let kept = if full { Err(io::ErrorKind::StorageFull.into()) } else { self.log.read_in(read) };
        let taken = match kept {
            // The disk or the log is full. The agent goes on; what it says from here on is counted and not kept.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let mut nowhere = vec![0; SLICE];
                let taken = read(&mut nowhere);
                self.lost_bytes += taken.as_ref().map_or(0, |length| *length as u64);
                taken
            }
            other => other,
        };
        match taken {
            Ok(0) => self.output_open = false,
            Ok(_) => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            // EIO is how a terminal says that nobody has its other end open any more.
            Err(_) => self.output_open = false,
        }
        false
    }

    fn give_input(&mut self) {
        while !self.input.is_empty() {
            match self.program.write(&self.input) {
                Ok(taken) => drop(self.input.drain(..taken.min(self.input.len()))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.input.clear(),
            }
        }
    }

    fn meet_peers(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_ok() && is_same_user(&stream) {
                let to_send = FromHolder::Hello(VERSION).frame();
                self.peers.push(Peer {
                    stream,
                    received: Vec::new(),
                    to_send,
                    told: u64::MAX,
                    greeted: false,
                    gone: false,
                });
            }
        }
        let mut asked = Vec::new();
        for peer in &mut self.peers {
            peer.listen(&mut asked);
        }
        for frame in asked {
            self.answer(frame);
        }
    }

    fn answer(&mut self, frame: ToHolder) {
        match frame {
            ToHolder::Hello(_) => {}
            ToHolder::Input(bytes) => {
                if self.input.len() + bytes.len() <= INPUT_BACKLOG {
                    self.input.extend(bytes);
                    self.give_input();
                }
            }
            ToHolder::Resize(columns, rows) => {
                if self.program.resize(columns, rows) {
                    // A size that is not written down makes a replay look wrong, and nothing worse.
                    let _unwritten = self.place.add_size(self.log.published(), columns, rows);
                }
            }
            ToHolder::Stop(grace_ms) => self.stop(Duration::from_millis(u64::from(grace_ms))),
        }
    }

    /// Asks the program's group to end; after the grace everything it started is ended by force.
    fn stop(&mut self, grace: Duration) {
        let pid = self.program.pid;
        if self.asked.mode == Mode::Pty {
            // Interactive shells ignore SIGTERM and end at a hang-up.
            proc::signal_group(pid, Signal::HUP);
        }
        proc::signal_group(pid, Signal::TERM);
        proc::signal_group(pid, Signal::CONT);
        let force = Instant::now() + grace;
        self.force = Some(self.force.map_or(force, |earlier| earlier.min(force)));
    }

    fn keep_limits(&mut self) {
        let now = Instant::now();
        if self.limit.is_some_and(|limit| now >= limit) {
            self.limit = None;
            self.over_limit = true;
            self.stop(LIMIT_GRACE);
        }
        if self.force.is_some_and(|force| now >= force) {
            self.force = None;
            proc::signal_group(self.program.pid, Signal::KILL);
            for process in proc::descendants(std::process::id()) {
                proc::signal(process.pid, Signal::KILL);
            }
        }
    }

    fn tell_peers(&mut self) {
        let published = self.log.published();
        for peer in &mut self.peers {
            if peer.to_send.is_empty() && peer.told != published {
                peer.told = published;
                peer.to_send = FromHolder::Grew(published).frame();
            }
            peer.send();
        }
        self.peers.retain(|peer| !peer.gone);
    }

    /// The program ended: ends what it left behind, takes the rest of the output, writes the end down.
    fn end(mut self) -> io::Result<()> {
        let left_behind = self.end_the_rest();
        while self.output_open && self.take_slice() {}
        let output_bytes = self.log.published();
        let status = self.status;
        let exit = Exit {
            code: status.and_then(rustix::process::WaitStatus::exit_status),
            signal: status.and_then(rustix::process::WaitStatus::terminating_signal),
            not_started: None,
            over_limit: self.over_limit,
            output_bytes,
            lost_bytes: self.lost_bytes,
            left_behind,
        };
        let _untrimmed = self.log.finish();
        self.place.write_exit(&exit)?;
        for peer in &mut self.peers {
            peer.to_send.extend(FromHolder::Grew(output_bytes).frame());
            peer.to_send.extend(FromHolder::Ended.frame());
            let _slow = peer.stream.set_nonblocking(false);
            let _slow = peer.stream.set_write_timeout(Some(Duration::from_millis(200)));
            peer.send();
        }
        let _gone = std::fs::remove_file(&self.asked.socket);
        Ok(())
    }

    /// Ends everything the program started and left running, until nothing is left. Returns their names.
    fn end_the_rest(&mut self) -> Vec<String> {
        let me = std::process::id();
        let mut names = Vec::new();
        // A process can fork while the list is read, so the list is read again until it is empty; a bound keeps a
        // process that cannot be killed from keeping the holder.
        for round in 0..200 {
            let rest = proc::descendants(me);
            if rest.is_empty() {
                break;
            }
            for process in rest {
                if round == 0 {
                    names.push(format!("{} ({})", process.name, process.pid));
                }
                proc::signal(process.pid, Signal::KILL);
            }
            // Their ends come as SIGCHLD: wait for one, a little while.
            let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
            let _heard = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
            self.reap();
        }
        if cfg!(not(target_os = "linux")) {
            proc::signal_group(self.program.pid, Signal::KILL);
        }
        names
    }
}

impl Peer {
    fn listen(&mut self, asked: &mut Vec<ToHolder>) {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => {
                    self.gone = true;
                    break;
                }
                Ok(length) => self.received.extend(piece.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.gone = true;
                    break;
                }
            }
        }
        loop {
            match take_to_holder(&mut self.received) {
                Taken::Frame(ToHolder::Hello(_)) => self.greeted = true,
                Taken::Frame(frame) if self.greeted => asked.push(frame),
                Taken::Unknown => {}
                Taken::More => return,
                Taken::Frame(_) | Taken::Broken => {
                    self.gone = true;
                    return;
                }
            }
        }
    }

    fn send(&mut self) {
        while !self.to_send.is_empty() {
            match self.stream.write(&self.to_send) {
                Ok(0) => break,
                Ok(sent) => drop(self.to_send.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
        if self.to_send.len() > PEER_BACKLOG {
            self.gone = true;
        }
    }
}

#[cfg(target_os = "linux")]
fn is_same_user(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream.as_fd())
        .is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

#[cfg(not(target_os = "linux"))]
fn is_same_user(_stream: &UnixStream) -> bool {
    // The socket lies in a folder that only the user can enter.
    true
}
