//! Follows one session to its end: listens to its holder, keeps duplicates of what that holds, and when the holder dies
//! starts another one around the living program. Where none can be started it says so, and still ends the session when
//! that is asked for.
//!
//! Refuses to read the terminal: the one reader is the living holder. A holder that does not answer is not a dead one.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::time::Duration;

use pilothouse_contract::session::{End, Trouble};
use pilothouse_holder::hands::{self, Hands};
use pilothouse_holder::place::{Held, Place, boot_id};
use pilothouse_holder::proc;
use pilothouse_holder::wire::{FromHolder, Taken, ToHolder, VERSION, take_from_holder};
use rustix::process::{Pid, test_kill_process};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::ends::{end_of, end_tree, in_words};
use super::outgoing::Outgoing;
use super::{Key, Sessions, Sight, Told};
use crate::ports::clock;

/// A holder that does not answer is tried again after this long, then twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);
/// After so many successors that could not begin it is told, and tried again only so often.
const TRIES: u32 = 8;
const PAUSE_STRANDED: Duration = Duration::from_secs(30);
/// A holder that has not made way within this stays.
const MAKE_WAY: Duration = Duration::from_secs(5);
/// A successor that says nothing for this long never will.
const WORD: Duration = Duration::from_secs(10);
/// A holder that has not brought an end about so long after the grace is ended by force, with the session.
const FORCE: Duration = Duration::from_secs(6);

pub(super) struct Follow<'a> {
    sessions: &'a Sessions,
    session: Key,
    place: Place,
    sight: watch::Sender<Sight>,
    orders: mpsc::UnboundedReceiver<ToHolder>,
    out: Outgoing,
    /// Duplicates of what the holder holds, once it handed them out.
    hands: Option<Hands>,
    /// The holder's process, once it was met: its end is the proof of its death.
    holder: Option<OwnedFd>,
    /// How many successors could not begin, one after the other.
    failed: u32,
    /// Until when a holder that is to make way has done so, and whether the last one was told to.
    leave_by: Option<Instant>,
    makes_way: bool,
    /// When an end that was asked for is brought about here, and whether it was.
    force: Option<Instant>,
    forced: bool,
    /// Whether what is typed is thrown away, and that was told.
    refuses: bool,
    /// How often the holder told where its log ends.
    grew: u32,
    pause: Duration,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        sessions: &'a Sessions,
        session: Key,
        sight: watch::Sender<Sight>,
        orders: mpsc::UnboundedReceiver<ToHolder>,
    ) -> Self {
        Self {
            sessions,
            session,
            place: sessions.place(session),
            sight,
            orders,
            out: Outgoing::default(),
            hands: None,
            holder: None,
            failed: 0,
            leave_by: None,
            makes_way: false,
            force: None,
            forced: false,
            refuses: false,
            grew: 0,
            pause: PAUSE,
        }
    }

    /// Follows it, over deaths of its holders, until it is over.
    pub(super) async fn run(mut self) -> End {
        // Where its holder listens was settled when it was asked for.
        let socket =
            self.place.asked().map_or_else(|_| self.sessions.socket(self.session), |asked| asked.socket);
        loop {
            if let Ok(stream) = UnixStream::connect(&socket).await {
                self.listen(stream).await;
                self.makes_way |= self.out.lost();
                self.leave_by = None;
                self.sight.send_modify(|it| it.pulse.held = false);
            }
            if let Ok(Some(exit)) = self.place.exit() {
                return end_of(&exit);
            }
            if self.is_dead() {
                // It may have ended between the two looks.
                if let Ok(Some(exit)) = self.place.exit() {
                    return end_of(&exit);
                }
                if self.hands.is_none() {
                    return self.sessions.lost(self.session, &self.place, self.forced);
                }
                match self.begin_successor().await {
                    Ok(holder) => {
                        self.replaced(holder);
                        continue;
                    }
                    Err(why) => {
                        if let Some(end) = self.not_replaced(&why).await {
                            return end;
                        }
                    }
                }
            }
            self.wait().await;
        }
    }

    /// Whether its holder is dead, as far as that can be proved.
    fn is_dead(&self) -> bool {
        match (&self.holder, &self.hands) {
            (Some(process), _) => proc::has_ended(process).unwrap_or(false),
            (None, None) => matches!(self.place.is_held(), Ok(false)),
            // The lock is ours too, so it proves nothing; where the system has no descriptors of processes, an id that
            // is free is a proof.
            (None, Some(_)) => self.place.held().ok().flatten().is_some_and(|held| {
                let pid = i32::try_from(held.holder).ok().and_then(Pid::from_raw);
                pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
            }),
        }
    }

    /// Waits a while, or until the holder is dead, or until somebody wants something that cannot wait.
    async fn wait(&mut self) {
        let process = self.holder.as_ref().filter(|it| !proc::has_ended(it).unwrap_or(true));
        let process = process.and_then(|it| it.try_clone().ok()).and_then(wakes);
        let dies = async {
            match &process {
                Some(process) => drop(process.readable().await),
                None => std::future::pending().await,
            }
        };
        let (force, again) = (self.force, Instant::now() + self.pause);
        tokio::pin!(dies);
        loop {
            tokio::select! {
                () = sleep_until(again) => {
                    self.pause = if self.failed < TRIES { (self.pause * 2).min(PAUSE_LONGEST) } else { PAUSE_STRANDED };
                    return;
                }
                () = &mut dies => return,
                () = sleep_until(force.unwrap_or(again)), if force.is_some() => {
                    self.end_by_force().await;
                    return;
                }
                Some(order) = self.orders.recv() => {
                    // Whoever wants its end, or wants it steady, does not wait for the next try.
                    let now = matches!(order, ToHolder::Stop(_) | ToHolder::Share);
                    self.take(order);
                    if (now && self.failed >= TRIES) || self.force != force {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, order: ToHolder) {
        if let ToHolder::Stop(grace_ms) = order
            && self.force.is_none()
            && !self.forced
        {
            self.force = Some(Instant::now() + Duration::from_millis(u64::from(grace_ms)) + FORCE);
        }
        if matches!(order, ToHolder::Leave(_)) {
            self.leave_by = Some(Instant::now() + MAKE_WAY);
        }
        self.out.take(order);
    }

    fn replaced(&mut self, holder: u32) {
        let uncertain_bytes = self.out.uncertain();
        self.failed = 0;
        self.sight.send_modify(|it| it.trouble = None);
        let planned = std::mem::take(&mut self.makes_way);
        tracing::warn!(session = %self.session, holder, uncertain_bytes, planned, "another holder took over");
        let uncertain_bytes = Some(uncertain_bytes);
        self.sessions.tell(self.session, Told::Replaced { holder, uncertain_bytes, planned });
    }

    /// No other holder could be started. Its end, if that is asked for or there is nothing left to hold.
    async fn not_replaced(&mut self, why: &str) -> Option<End> {
        self.failed = self.failed.saturating_add(1);
        let program = self.hands.as_ref().and_then(|it| it.program.as_ref());
        let ended = program.filter(|it| proc::has_ended(it).unwrap_or(false)).map(proc::how_ended);
        if let Some(grace_ms) = self.out.grace() {
            let grace = Duration::from_millis(u64::from(grace_ms));
            return Some(self.end_without_holder(why, "it was ended all the same", grace).await);
        }
        if self.failed < TRIES {
            tracing::error!(session = %self.session, why, "its holder died, and no other one could take over yet");
            return None;
        }
        if let Some(ended) = ended {
            return Some(self.end_without_holder(why, &in_words(ended), Duration::ZERO).await);
        }
        if self.failed == TRIES {
            tracing::error!(session = %self.session, why, "its holder died, and no other one can take over");
            let says = format!(
                "the holder of session {} died and no other one could take over: {why}. Its program lives as long as this \
                 engine does; it is tried again now and then",
                self.session.id
            );
            self.sessions.tell(self.session, Told::Notice(says));
        }
        self.sight.send_modify(|it| it.trouble = Some(Trouble::NoHolder { why: why.to_owned() }));
        self.pause = PAUSE_STRANDED;
        None
    }

    /// The ids of holder and program as far as they are still theirs: [`proc::NOBODY`] for who has ended, and for whom
    /// nobody can tell.
    fn still(&self, held: &Held) -> (u32, u32) {
        let runs = |it: &OwnedFd| !proc::has_ended(it).unwrap_or(true);
        let holder = match &self.holder {
            Some(it) => runs(it),
            // One that was never met is known by its name.
            None => proc::one(held.holder).is_some_and(|it| it.name.starts_with("pilothouse-hold")),
        };
        let program = match self.hands.as_ref().and_then(|it| it.program.as_ref()) {
            Some(it) => runs(it),
            // As long as its holder lives it is that one's child, and its id no stranger's.
            None => holder,
        };
        (if holder { held.holder } else { proc::NOBODY }, if program { held.pid } else { proc::NOBODY })
    }

    /// Ends what a session started, for no holder is there to do it.
    async fn end_without_holder(&self, why: &str, how: &str, grace: Duration) -> End {
        let left = match self.place.held() {
            Ok(Some(held)) => {
                let (holder, program) = self.still(&held);
                end_tree(&self.place, holder, program, grace).await
            }
            _ => Vec::new(),
        };
        let why = format!(
            "its holder died and no other one could take over ({why}); {how}, with everything it started; what it said \
             last may be missing from its log"
        );
        self.sessions.lost_for(self.session, why, left)
    }

    /// An end was asked for, and the holder has not brought it about: what the session started is ended here, and so is
    /// the holder. A successor writes the end down, if one can take over.
    async fn end_by_force(&mut self) {
        self.force = None;
        self.forced = true;
        tracing::warn!(session = %self.session, "its holder does not end it; it is ended by force");
        let Ok(Some(held)) = self.place.held() else { return };
        if held.boot != boot_id() {
            return;
        }
        let (holder, program) = self.still(&held);
        end_tree(&self.place, holder, program, Duration::ZERO).await;
        // One that was never met is known by its note, if it still is what the note says.
        let met = self.holder.take().or_else(|| {
            let ours = proc::one(held.holder).is_some_and(|it| it.name.starts_with("pilothouse-hold"));
            ours.then(|| proc::descriptor(held.holder)).flatten()
        });
        if let Some(holder) = met {
            proc::kill(&holder);
            self.holder = Some(holder);
        }
    }

    async fn begin_successor(&mut self) -> Result<u32, String> {
        let hands = self.hands.as_ref().ok_or("nothing of it was kept")?;
        let in_words = |error: io::Error| format!("what it held could not be handed on: {error}");
        let (ours, theirs) = Pair::pair().map_err(in_words)?;
        hands::send(&ours, b"h", &hands.descriptors()).map_err(in_words)?;
        let mut begun = self.sessions.begin_holder(&self.place, &[], Some(theirs.into()))?;
        // From here on this is the holder whose death counts.
        self.holder = begun.process.take();
        match timeout(WORD, begun.said()).await {
            Ok(true) => return Ok(begun.pid),
            Ok(false) => {}
            Err(_) => {
                // It may have begun to read, so the next one comes once it is dead.
                if let Some(holder) = &self.holder {
                    proc::kill(holder);
                }
                return Err(format!("it said nothing within {} s", WORD.as_secs()));
            }
        }
        let said = std::fs::read_to_string(self.place.folder().join("holder.err")).unwrap_or_default();
        Err(said.lines().last().unwrap_or("it ended without a word").to_owned())
    }

    /// Listens to a holder, and hands it orders, until the connection ends.
    async fn listen(&mut self, stream: UnixStream) {
        let pid = stream.peer_cred().ok().and_then(|it| it.pid()).and_then(|it| u32::try_from(it).ok());
        if let Some(process) = pid.and_then(proc::descriptor) {
            self.holder = Some(process);
        }
        self.out.connected();
        let (mut received, mut descriptors) = (Vec::new(), Vec::new());
        let mut piece = vec![0; 4096];
        // A holder that takes nothing more may still have something to say.
        let mut deaf = false;
        loop {
            let (force, leave_by) = (self.force, self.leave_by);
            let has_to_say = !deaf && !self.out.next().is_empty();
            tokio::select! {
                readable = stream.readable() => {
                    let read = readable.and_then(|()| stream.try_io(Interest::READABLE, || {
                        hands::receive(&stream, &mut piece, &mut descriptors)
                    }));
                    match read {
                        Ok(0) => return,
                        Ok(length) => received.extend(piece.get(..length).unwrap_or_default()),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                }
                writable = stream.writable(), if has_to_say => {
                    match writable.and_then(|()| stream.try_write(self.out.next())) {
                        Ok(length) => self.out.wrote(length),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => deaf = true,
                    }
                }
                Some(order) = self.orders.recv() => self.take(order),
                () = sleep_until(force.unwrap_or_else(Instant::now)), if force.is_some() => {
                    self.end_by_force().await;
                }
                () = sleep_until(leave_by.unwrap_or_else(Instant::now)), if leave_by.is_some() => {
                    self.leave_by = None;
                    self.out.stays();
                }
            }
            loop {
                match take_from_holder(&mut received) {
                    Taken::Frame(FromHolder::Ended) | Taken::Broken => return,
                    Taken::Frame(frame) => self.heard(frame, &mut descriptors),
                    Taken::Unknown => {}
                    Taken::More => break,
                }
            }
        }
    }

    fn heard(&mut self, frame: FromHolder, descriptors: &mut Vec<OwnedFd>) {
        match frame {
            FromHolder::Hello(version) => self.greeted(version),
            FromHolder::Build(build) => self.sight.send_modify(|it| it.build = build),
            FromHolder::Grew(end) => {
                self.grew = self.grew.saturating_add(1);
                self.sight.send_modify(|it| {
                    if end > it.pulse.output_bytes {
                        it.pulse.output_bytes = end;
                        it.pulse.last_output = Some(clock::now());
                    }
                })
            }
            FromHolder::Shared(_) => {
                if let Some(hands) = Hands::of(std::mem::take(descriptors)) {
                    self.hands = Some(hands);
                    self.sight.send_modify(|it| {
                        it.pulse.kept = true;
                        it.shared += 1;
                    });
                }
            }
            FromHolder::Took(end) => {
                self.refuses = false;
                self.out.took(end);
            }
            FromHolder::Dropped(end) => self.refused(end),
            FromHolder::Lost(bytes) => self.sight.send_modify(|it| {
                let first = self.grew < 2;
                // What comes with a holder's first word was lost before we followed, and may be long over.
                if bytes > it.pulse.lost_bytes && !first {
                    it.lost_at = it.pulse.output_bytes;
                }
                it.pulse.lost_bytes = bytes;
            }),
            FromHolder::Ended => {}
        }
    }

    fn greeted(&mut self, version: u32) {
        self.pause = PAUSE;
        self.out.greeted(version);
        if version != VERSION {
            tracing::info!(session = %self.session, version, "a holder of another version");
        }
        if self.makes_way
            && let Ok(Some(held)) = self.place.held()
        {
            // It is the same process, as another program.
            self.replaced(held.holder);
        }
        let trouble = (version < 2).then_some(Trouble::OneHand { version });
        self.sight.send_modify(|it| {
            it.pulse.held = true;
            it.trouble = trouble;
            // Said next, by one that knows it.
            it.build = String::new();
        });
        let uncertain = self.out.uncertain();
        if uncertain > 0 {
            // The connection was lost, and its holder was not.
            let says = format!(
                "the connection to the holder of session {} was lost: {uncertain} typed bytes may or may not have arrived, \
                 and are not typed again",
                self.session.id
            );
            self.sessions.tell(self.session, Told::Notice(says));
        }
    }

    /// What was typed was thrown away. The first word of many is told.
    fn refused(&mut self, end: u64) {
        let bytes = self.out.dropped(end);
        self.sight.send_modify(|it| it.pulse.refused_bytes += bytes);
        if bytes > 0 && !std::mem::replace(&mut self.refuses, true) {
            let says = format!(
                "session {} takes nothing that is typed, and what waits for it is full: what is typed now is thrown away",
                self.session.id
            );
            self.sessions.tell(self.session, Told::Notice(says));
        }
    }
}

/// The end of a process as something that wakes us.
#[allow(unsafe_code, reason = "tokio cannot know that a descriptor stays the same while it waits for it")]
fn wakes(process: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, and names the same file, for as long as it lives; nobody else has it.
    unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }.ok()
}
