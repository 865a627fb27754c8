//! The one poll loop of a holder: output into the log, input from the socket, children reaped, the end written down.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pilothouse_holder::cgroup::{Group, Limits};
use pilothouse_holder::hands::{self, Hands};
use pilothouse_holder::log::SLICE;
use pilothouse_holder::place::{Asked, Exit, Held, Mode, Place, boot_id};
use pilothouse_holder::proc::{self, Ended};
use pilothouse_holder::wire::{FromHolder, ToHolder, VERSION};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus};

use self::input::Input;
use crate::peer::Peer;
use crate::program::Program;
use crate::segment::LogWriter;

mod end;
mod input;

/// While nobody is connected, it is looked so often whether the socket is still there to connect to.
const LOOK_FOR_SOCKET: Duration = Duration::from_secs(1);
/// A successor is not the parent of its program: so long it waits for whoever is to reap it.
const REAPED: Duration = Duration::from_secs(2);

/// Holds the session in a folder to its end.
///
/// Returns at once, without a word, if another holder has it or it is over: so asking twice starts it once.
pub(crate) fn run(place: &Place) -> io::Result<()> {
    let asked = place.asked()?;
    let lock = OwnedFd::from(place.lock_file()?);
    if !is_ours(&lock)? || place.exit()?.is_some() {
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

/// Takes over from a holder that died: its descriptors come over standard input, from whoever kept duplicates of them
/// and knows that it is dead. Then as [`run`].
pub(crate) fn take_over(place: &Place) -> io::Result<()> {
    let asked = place.asked()?;
    let mut came = Vec::new();
    hands::receive(io::stdin(), &mut [0; 1], &mut came)?;
    let hands = Hands::of(came).ok_or_else(|| {
        io::Error::other("no descriptors came over standard input: only an engine can ask this")
    })?;
    if !is_ours(&hands.lock)? || place.exit()?.is_some() {
        return Ok(());
    }
    leave_the_parent();
    let holder = Holder::succeed(place, &asked, hands)?;
    say_held();
    holder.hold()
}

/// Takes the lock, or finds that this descriptor of it has it.
fn is_ours(lock: &OwnedFd) -> io::Result<bool> {
    match rustix::fs::flock(lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
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

struct Holder<'a> {
    place: &'a Place,
    asked: &'a Asked,
    /// Kept for life: whoever has it may read.
    lock: OwnedFd,
    listener: UnixListener,
    /// What makes the socket file ours: device and inode.
    socket: Option<(u64, u64)>,
    signals: UnixStream,
    program: Program,
    /// Whether the program is our child, so that we reap it.
    parent: bool,
    log: LogWriter,
    peers: Vec<Peer>,
    met: u64,
    input: Input,
    output_open: bool,
    ended: Option<Ended>,
    /// Whether it is to go, and which program is to go on in its place.
    leave: Option<PathBuf>,
    over_limit: bool,
    limit: Option<Instant>,
    /// Whether it was asked to end, and when that is brought about by force.
    stopped: bool,
    force: Option<Instant>,
    /// When its program began, by this holder's own clock: by the one on the wall, if another holder began it.
    began: Instant,
    /// Where everything is that it started, unless it moved elsewhere.
    group: Option<Group>,
}

impl<'a> Holder<'a> {
    fn begin(place: &'a Place, asked: &'a Asked, lock: OwnedFd) -> Result<Self, String> {
        let in_words = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}")
        };
        let log = LogWriter::begin(place.folder(), asked.segment_bytes)
            .map_err(in_words("its log could not be made"))?
            .keeping(asked.log_keep());
        let listener = listen(asked).map_err(in_words("its socket could not be opened"))?;
        let signals = hear_signals().map_err(in_words("signals could not be heard"))?;
        let group = group_of(asked)?;
        let (program, group) = Program::start(asked, place.folder(), group)?;
        let held = Held {
            version: VERSION,
            holder: std::process::id(),
            pid: program.pid,
            boot: boot_id(),
            started_ms: now_ms(),
            replaced: 0,
        };
        if asked.mode == Mode::Pty {
            place
                .add_size(0, asked.columns, asked.rows)
                .map_err(in_words("its size could not be written down"))?;
        }
        place.write_held(&held).map_err(in_words("its holder could not be written down"))?;
        // Without it a full disk costs more, and nothing else.
        let _no_room = place.put_room_by();
        Ok(Self::new(place, asked, lock, listener, signals, program, log, group, held.started_ms, true))
    }

    fn succeed(place: &'a Place, asked: &'a Asked, hands: Hands) -> io::Result<Self> {
        let before = place.held()?.ok_or_else(|| io::Error::other("this session never had a holder"))?;
        let log = LogWriter::resume(place.folder())?.keeping(asked.log_keep());
        let listener = listen(asked)?;
        let signals = hear_signals()?;
        place.write_held(&Held {
            version: VERSION,
            holder: std::process::id(),
            replaced: before.replaced + 1,
            ..before.clone()
        })?;
        let _no_room = place.put_room_by();
        // It is, if this process was its holder before, as another program.
        let parent = proc::one(before.pid).is_some_and(|it| it.parent == std::process::id());
        let program = Program::taken(asked, before.pid, hands.output, hands.program);
        // The one before may have died between setting a size and writing it down.
        let noted = place.sizes()?.last().map_or((asked.columns, asked.rows), |it| (it.1, it.2));
        if let Some(size) = program.size().filter(|it| *it != noted) {
            let _unwritten = place.add_size(log.published(), size.0, size.1);
        }
        let group =
            asked.cgroup.as_deref().map(Group::at).filter(|it| !it.all().contains(&std::process::id()));
        Ok(Self::new(
            place,
            asked,
            hands.lock,
            listener,
            signals,
            program,
            log,
            group,
            before.started_ms,
            parent,
        ))
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "both ways to begin have all of these, and nobody else does"
    )]
    fn new(
        place: &'a Place,
        asked: &'a Asked,
        lock: OwnedFd,
        listener: UnixListener,
        signals: UnixStream,
        program: Program,
        log: LogWriter,
        group: Option<Group>,
        started_ms: u64,
        parent: bool,
    ) -> Self {
        let gone = Duration::from_millis(now_ms().saturating_sub(started_ms));
        let limit = Duration::from_millis(asked.limit_ms);
        let now = Instant::now();
        Self {
            place,
            asked,
            lock,
            listener,
            socket: file_of(asked),
            signals,
            program,
            parent,
            log,
            peers: Vec::new(),
            met: 0,
            input: Input::default(),
            output_open: true,
            ended: None,
            leave: None,
            over_limit: false,
            stopped: false,
            group,
            limit: (asked.limit_ms > 0).then(|| now + limit.saturating_sub(gone)),
            force: None,
            began: now.checked_sub(gone).unwrap_or(now),
        }
    }

    fn hold(mut self) -> io::Result<()> {
        // The program may have ended while one program here went on as another, and nobody heard of it.
        self.reap();
        while self.ended.is_none() {
            self.wait()?;
            self.reap();
            self.take_output();
            self.give_input();
            self.meet_peers();
            // What was typed goes first, and an end that is under way goes on.
            if let Some(successor) = self.leave.take_if(|_| self.input.is_empty() && !self.stopped) {
                if successor.as_os_str().is_empty() {
                    return Ok(());
                }
                let why = self.go_on_as(&successor);
                crate::complain(&format!("{} could not go on in its place: {why}", successor.display()));
            }
            self.keep_limits();
            self.tell_peers();
            self.keep_socket();
        }
        self.end()
    }

    /// Becomes another program with everything that is held. It is the same process, so what it started stays its own,
    /// and how that ends can be told on any system. Comes back only if that program cannot be begun.
    fn go_on_as(&self, successor: &Path) -> io::Error {
        let begin = || {
            let (ours, theirs) = UnixStream::pair()?;
            hands::send(&ours, b"h", &held(&self.program, &self.lock))?;
            let mut command = Command::new(successor);
            command.arg(self.place.folder()).arg("--take-over").stdin(OwnedFd::from(theirs));
            Err(command.exec())
        };
        begin().unwrap_or_else(|error| error)
    }

    /// Waits until something is to be done.
    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        // Who is connected needs no socket file, so nothing wakes us for it then.
        let look = self.peers.is_empty().then(|| now + LOOK_FOR_SOCKET);
        let wake = self.limit.into_iter().chain(self.force).chain(look).min();
        let timeout = wake.map(|wake| timespec(wake.saturating_duration_since(now)));
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
        if !about_output.is_empty() {
            fds.push(PollFd::new(&self.program.output, about_output));
        }
        if let Some(process) = self.program.process.as_ref().filter(|_| !self.parent) {
            fds.push(PollFd::new(process, PollFlags::IN));
        }
        for peer in &self.peers {
            let flags = if peer.has_to_send() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            fds.push(PollFd::new(&peer.stream, flags));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reaps every child that ended, and learns of the program's end.
    fn reap(&mut self) {
        let mut heard = [0; 64];
        while matches!((&self.signals).read(&mut heard), Ok(read) if read > 0) {}
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if u32::try_from(pid.as_raw_nonzero().get()) == Ok(self.program.pid) {
                self.ended = Some(how(status));
            }
        }
        if !self.parent && self.ended.is_none() {
            self.ended = self.end_of_anothers_child();
        }
    }

    /// How a program that another holder started ended, if it did. The kernel tells once it was reaped, which somebody
    /// else has to do.
    fn end_of_anothers_child(&self) -> Option<Ended> {
        let Some(process) = &self.program.process else {
            // Without a descriptor of it, an open terminal is a sign of life, and a closed one asks for a look.
            let gone = !self.output_open && proc::one(self.program.pid).is_none_or(|it| it.zombie);
            return gone.then_some(Ended::Unknown);
        };
        if !proc::has_ended(process).unwrap_or(false) {
            return None;
        }
        let until = Instant::now() + REAPED;
        loop {
            let ended = proc::how_ended(process);
            let left = until.saturating_duration_since(Instant::now());
            if ended != Ended::Unknown || left.is_zero() {
                return Some(ended);
            }
            // A descriptor of a process hangs up when it is reaped.
            let mut look = [PollFd::new(process, PollFlags::empty())];
            let _failed = poll(&mut look, Some(&timespec(left)));
            if look.iter().any(|it| it.revents().contains(PollFlags::HUP)) {
                return Some(proc::how_ended(process));
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
        let output = &self.program.output;
        let read = |into: &mut [u8]| Ok(rustix::io::read(output, into)?);
        let full = self.asked.log_limit().is_some_and(|limit| self.log.published() >= limit);
        let kept = if full { Err(io::ErrorKind::StorageFull.into()) } else { self.log.read_in(read) };
        let taken = match kept {
            // The disk or the log is full. The agent goes on; what it says from here on is counted and not kept.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let mut nowhere = vec![0; SLICE];
                let taken = read(&mut nowhere);
                self.log.lose(taken.as_ref().map_or(0, |length| *length as u64));
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
        let words = self.input.give(|bytes| self.program.write(bytes));
        for (peer, word) in words {
            self.say(peer, &word);
        }
    }

    /// Takes in what a peer typed; its own offset of the end, if it wants to hear what became of it.
    fn typed(&mut self, peer: u64, bytes: &[u8], end: Option<u64>) {
        match (self.input.put(peer, bytes, end), end) {
            (true, _) => self.give_input(),
            (false, Some(end)) => self.say(peer, &FromHolder::Dropped(end)),
            (false, None) => {}
        }
    }

    fn say(&mut self, peer: u64, frame: &FromHolder) {
        if let Some(peer) = self.peers.iter_mut().find(|it| it.id == peer) {
            peer.to_send.extend(frame.frame());
        }
    }

    fn meet_peers(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            self.met += 1;
            self.peers.extend(Peer::meet(self.met, stream));
        }
        let mut asked = Vec::new();
        for peer in &mut self.peers {
            peer.listen(&mut asked);
        }
        for (peer, frame) in asked {
            self.answer(peer, frame);
        }
    }

    fn answer(&mut self, peer: u64, frame: ToHolder) {
        match frame {
            ToHolder::Hello(_) | ToHolder::Share => {}
            ToHolder::Input(bytes) => self.typed(peer, &bytes, None),
            ToHolder::Typed(offset, bytes) => {
                self.typed(peer, &bytes, Some(offset.saturating_add(bytes.len() as u64)))
            }
            ToHolder::Leave(program) => self.leave = Some(OsString::from_vec(program).into()),
            ToHolder::Resize(columns, rows) => {
                if self.program.resize(columns, rows) {
                    // A size that is not written down makes a replay look wrong, and nothing worse.
                    let _unwritten = self.place.add_size(self.log.published(), columns, rows);
                }
            }
            ToHolder::Stop(grace_ms) => self.stop(Duration::from_millis(u64::from(grace_ms))),
        }
    }

    fn tell_peers(&mut self) {
        let (published, lost) = (self.log.published(), self.log.lost());
        let held = held(&self.program, &self.lock);
        for peer in &mut self.peers {
            // What waited goes first: while it does, nothing newer is told, and nobody would wake us for that.
            peer.send(&held);
            if peer.tell(published, lost) {
                peer.send(&held);
            }
        }
        self.peers.retain(|peer| !peer.gone);
    }

    /// A socket file that somebody deleted is made anew: without it no engine would find us.
    fn keep_socket(&mut self) {
        if !self.peers.is_empty() || (self.socket.is_some() && file_of(self.asked) == self.socket) {
            return;
        }
        if let Ok(listener) = listen(self.asked) {
            self.listener = listener;
            self.socket = file_of(self.asked);
        }
    }
}

/// What is handed out, in its order.
fn held<'a>(program: &'a Program, lock: &'a OwnedFd) -> Vec<BorrowedFd<'a>> {
    let process = program.process.as_ref().map(AsFd::as_fd);
    [program.output.as_fd(), lock.as_fd()].into_iter().chain(process).collect()
}

fn how(status: WaitStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Unknown,
    }
}

fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The group for what is asked for. One that cannot be made is done without, unless something is to be limited.
fn group_of(asked: &Asked) -> Result<Option<Group>, String> {
    let limits = Limits { memory_max: asked.memory_max, cpu_max: asked.cpu_max };
    let made = asked.cgroup.as_deref().map(|path| {
        let group = Group::at(path);
        group.make(limits).map(|()| group)
    });
    match made {
        Some(Ok(group)) => Ok(Some(group)),
        Some(Err(_)) | None if limits == Limits::default() => Ok(None),
        Some(Err(why)) => Err(format!("its limits cannot be enforced: {why}")),
        None => Err("its limits cannot be enforced without a control group".to_owned()),
    }
}

/// Opens the socket, in the place of whatever stands there.
fn listen(asked: &Asked) -> io::Result<UnixListener> {
    if let Some(folder) = asked.socket.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let _absent = std::fs::remove_file(&asked.socket);
    let listener = UnixListener::bind(&asked.socket)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn file_of(asked: &Asked) -> Option<(u64, u64)> {
    asked.socket.symlink_metadata().ok().map(|it| (it.dev(), it.ino()))
}

/// Signals as bytes, so that the one poll wakes for them. Those that would end a program that does not expect them are
/// heard and not heeded: what a holder does is said on its socket.
fn hear_signals() -> io::Result<UnixStream> {
    let (signals, signalled) = UnixStream::pair()?;
    signals.set_nonblocking(true)?;
    use signal_hook::consts::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    for signal in [SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    Ok(signals)
}
