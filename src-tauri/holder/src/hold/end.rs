//! The end of a session: brought about when it is asked for or overdue, or met when its program ends by itself; then
//! whatever else the session started is ended or listed, and it is written down.

use std::io;
use std::time::{Duration, Instant};

use pilothouse_holder::cgroup::Group;
use pilothouse_holder::place::{Exit, Left, Mode};
use pilothouse_holder::proc::{self, Ended};
use pilothouse_holder::wire::FromHolder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::Holder;

/// After a polite word at the time limit, this long passes before force.
const LIMIT_GRACE: Duration = Duration::from_secs(2);
/// So long is the rest of the output taken after the program's end.
const REST: Duration = Duration::from_secs(2);
/// What still runs so long after the program's end was left running, and is not just ending too.
const ENDING: Duration = Duration::from_millis(100);

impl Holder<'_> {
    /// Asks the program's group to end; after the grace everything it started is ended by force.
    pub(super) fn stop(&mut self, grace: Duration) {
        let pid = self.program.pid;
        if self.asked.mode == Mode::Pty {
            // Interactive shells ignore SIGTERM and end at a hang-up.
            proc::signal_group(pid, Signal::HUP);
        }
        proc::signal_group(pid, Signal::TERM);
        proc::signal_group(pid, Signal::CONT);
        let force = Instant::now() + grace;
        self.stopped = true;
        self.force = Some(self.force.map_or(force, |earlier| earlier.min(force)));
    }

    pub(super) fn keep_limits(&mut self) {
        let now = Instant::now();
        if self.limit.is_some_and(|limit| now >= limit) {
            self.limit = None;
            self.over_limit = true;
            self.stop(LIMIT_GRACE);
        }
        if self.force.is_some_and(|force| now >= force) {
            self.force = None;
            proc::signal_group(self.program.pid, Signal::KILL);
            self.kill_everything();
        }
    }

    /// Everything of the session that lives.
    fn everything(&self) -> Vec<proc::Process> {
        let group = self.group.as_ref().map(Group::all).unwrap_or_default();
        let program = if self.ended.is_some() { proc::NOBODY } else { self.program.pid };
        proc::of_session(self.place.folder(), std::process::id(), program, &group)
    }

    /// Ends what lives of it at once. Returns what that was.
    fn kill_everything(&self) -> Vec<proc::Process> {
        let rest = self.everything();
        if let Some(group) = self.group.as_ref().filter(|_| !rest.is_empty()) {
            group.kill();
        }
        // What has left the group, or never was in one.
        for process in &rest {
            proc::signal(process.pid, Signal::KILL);
        }
        rest
    }

    /// The program ended: ends what it left behind or lists it, takes the rest of the output, writes the end down.
    pub(super) fn end(mut self) -> io::Result<()> {
        let took = self.began.elapsed();
        let keeps = self.asked.keep_rest && !self.stopped;
        let left_running = if keeps { self.list_the_rest() } else { Vec::new() };
        let left_behind = if keeps { Vec::new() } else { self.end_the_rest() };
        if let Some(group) = self.group.as_ref().filter(|_| left_running.is_empty()) {
            group.remove();
        }
        // What a terminal or a pipe still holds is little; whoever goes on writing to it is none of the session's any more.
        let until = Instant::now() + REST;
        while self.output_open && Instant::now() < until && self.take_slice() {}
        let output_bytes = self.log.published();
        let exit = Exit {
            code: self.ended.and_then(|it| if let Ended::Code(code) = it { Some(code) } else { None }),
            signal: self
                .ended
                .and_then(|it| if let Ended::Signal(signal) = it { Some(signal) } else { None }),
            not_started: None,
            over_limit: self.over_limit,
            took_ms: u64::try_from(took.as_millis()).ok(),
            output_bytes,
            lost_bytes: self.log.lost(),
            left_behind,
            left_running,
        };
        // First how it ended: whoever is killed behind that leaves room to be given back, and nothing else.
        self.place.write_exit(&exit)?;
        let _untrimmed = self.log.finish();
        for peer in &mut self.peers {
            peer.to_send.extend(FromHolder::Grew(output_bytes).frame());
            peer.to_send.extend(FromHolder::Ended.frame());
            let _slow = peer.stream.set_nonblocking(false);
            let _slow = peer.stream.set_write_timeout(Some(Duration::from_millis(200)));
            peer.send(&[]);
        }
        let _gone = std::fs::remove_file(&self.asked.socket);
        Ok(())
    }

    /// What the program left running, once what was just ending has ended.
    fn list_the_rest(&mut self) -> Vec<Left> {
        let until = Instant::now() + ENDING;
        loop {
            let rest = self.everything();
            if rest.is_empty() || Instant::now() >= until {
                let left = rest
                    .into_iter()
                    .filter_map(|it| Some(Left { began: proc::began(it.pid)?, pid: it.pid, name: it.name }));
                return left.collect();
            }
            self.wait_for_a_child();
        }
    }

    /// Ends everything the program started and left running, until nothing is left. Returns their names.
    fn end_the_rest(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        // A process can fork while the list is read, so the list is read again until it is empty; a bound keeps a
        // process that cannot be killed from keeping the holder.
        for round in 0..200 {
            let rest = self.kill_everything();
            if rest.is_empty() {
                break;
            }
            if round == 0 {
                names.extend(rest.iter().map(ToString::to_string));
            }
            self.wait_for_a_child();
        }
        if cfg!(not(target_os = "linux")) {
            proc::signal_group(self.program.pid, Signal::KILL);
        }
        names
    }

    /// The end of a child comes as SIGCHLD: waits for one, a little while.
    fn wait_for_a_child(&mut self) {
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
        let _heard = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
        self.reap();
    }
}
