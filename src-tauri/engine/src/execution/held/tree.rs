//! The process tree of a session: the control group that it is to have, what it may use, what of it runs, and what it left
//! running when it was over. Touches nothing that the session did not start.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pilothouse_contract::SessionId;
use pilothouse_contract::session::{End, Left, Limits};
use pilothouse_holder::cgroup::{self, Group};
use pilothouse_holder::place::{self, Place};
use pilothouse_holder::proc::{self, Look, Process};
use rustix::process::Signal;

use super::{Key, Sessions};

/// What a session left running has so long to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// What was killed is gone after this long, or it cannot be killed.
const KILLED: Duration = Duration::from_secs(2);
/// So often it is looked whether what was asked to end has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Limits as a holder is asked for them.
pub(super) fn asked(limits: Limits) -> cgroup::Limits {
    cgroup::Limits {
        memory_max: limits.memory_bytes.unwrap_or_default(),
        cpu_max: limits.cpu_percent.unwrap_or_default(),
    }
}

/// Whether sessions can be limited so here.
///
/// # Errors
/// In one sentence, if they cannot.
pub fn can_limit(limits: Limits) -> Result<(), String> {
    if limits.is_none() {
        return Ok(());
    }
    let prepared = cgroup::base().and_then(|base| cgroup::prepare(&base, asked(limits)));
    prepared.map_err(|why| {
        let what = match limits {
            Limits { memory_bytes: Some(_), cpu_percent: Some(_) } => "limits of memory and processor time",
            Limits { memory_bytes: Some(_), .. } => "a limit of memory",
            _ => "a limit of processor time",
        };
        format!("{what} cannot be enforced on this machine, so nothing was started: {why}")
    })
}

/// How the names of the control groups of sessions begin.
const GROUP: &str = "pilothouse-";

/// Whether a control group of this name is a session's.
#[must_use]
pub fn is_group_of_a_session(name: &str) -> bool {
    // Named by the key of the session, which begins with its id.
    let id = name.strip_prefix(GROUP).and_then(|key| key.split('-').next());
    id.is_some_and(|id| id.parse::<SessionId>().is_ok())
}

/// Everything that runs of a session that lives, without its holder.
pub(super) fn living(look: &Look, place: &Place, holder: u32, program: u32) -> Vec<Process> {
    look.of_session(place.folder(), holder, program, &in_group(place))
}

fn in_group(place: &Place) -> Vec<u32> {
    group_of(place).map(|it| it.all()).unwrap_or_default()
}

fn group_of(place: &Place) -> Option<Group> {
    place.asked().ok()?.cgroup.as_deref().map(Group::at)
}

/// What still runs of what a session left running.
fn left(look: &Look, place: &Place, noted: &[Left]) -> Vec<Process> {
    let same = |it: &&Left| proc::began(it.pid) == Some(it.began);
    let mut roots: Vec<u32> = noted.iter().filter(same).map(|it| it.pid).collect();
    roots.extend(in_group(place));
    // It has neither holder nor program any more.
    look.of_session(place.folder(), proc::NOBODY, proc::NOBODY, &roots)
}

/// What runs of a session: with its holder and its program while it lives, else with what it noted as left running.
#[must_use]
pub fn running(look: &Look, place: &Place, alive: Option<(u32, u32)>, noted: &[Left]) -> Vec<Process> {
    match alive {
        Some((holder, program)) => living(look, place, holder, program),
        None => left(look, place, noted),
    }
}

/// As the holder noted it.
pub(super) fn noted(left: &[place::Left]) -> Vec<Left> {
    left.iter().map(|it| Left { pid: it.pid, began: it.began, name: it.name.clone() }).collect()
}

/// Ends processes: asks them, and after the grace kills them, with the whole control group if there is one. Returns what there
/// was, and what could not be ended.
pub(super) fn end_all(
    living: impl Fn() -> Vec<Process>,
    grace: Duration,
    ask: impl FnOnce(&[Process]),
    group: Option<&Group>,
) -> (Vec<Process>, Vec<Process>) {
    let there = living();
    if !grace.is_zero() {
        ask(&there);
    }
    let polite = Instant::now() + grace;
    // A process can fork while the list is read, so the list is read again until it is empty.
    loop {
        let rest = living();
        let now = Instant::now();
        if rest.is_empty() || now >= polite + KILLED {
            return (there, rest);
        }
        if now >= polite {
            if let Some(group) = group {
                group.kill();
            }
            rest.iter().for_each(|it| proc::signal(it.pid, Signal::KILL));
        }
        std::thread::sleep(LOOK);
    }
}

impl Sessions {
    /// The control group that a session is to have; none if it can be done without.
    pub(super) fn group(&self, session: Key, limits: Limits) -> Result<Option<PathBuf>, String> {
        can_limit(limits)?;
        // Two engines may ask for a session of the same number in the same moment, and neither's group is the other's.
        let mut home = std::hash::DefaultHasher::new();
        self.folder.hash(&mut home);
        let name = format!("{GROUP}{session}-{:016x}", home.finish());
        Ok(cgroup::base().ok().map(|base| base.join(name)))
    }

    /// Takes the control group of a session that is over away, once nothing is in it any more.
    pub fn drop_group(&self, session: Key) {
        if let Some(group) = group_of(&self.place(session)).filter(|it| it.all().is_empty()) {
            group.remove();
        }
    }

    /// Ends what a session that is over left running: politely, then by force. Returns what ended and what did not, by
    /// name.
    pub async fn clean(&self, session: Key, end: &End) -> (Vec<String>, Vec<String>) {
        let (place, noted) = (self.place(session), end.left_running.clone());
        // Reads of /proc, and waits.
        let cleaned = tokio::task::spawn_blocking(move || {
            let ask = |there: &[Process]| {
                for process in there {
                    proc::signal(process.pid, Signal::TERM);
                    proc::signal(process.pid, Signal::CONT);
                }
            };
            let group = group_of(&place);
            let living = || left(&Look::now(), &place, &noted);
            let (there, rest) = end_all(living, GRACE, ask, group.as_ref());
            if let Some(group) = group.filter(|_| rest.is_empty()) {
                group.remove();
            }
            let ended = there.iter().filter(|it| !rest.iter().any(|left| left.pid == it.pid));
            (ended.map(ToString::to_string).collect(), rest.iter().map(ToString::to_string).collect())
        });
        cleaned.await.unwrap_or_default()
    }
}
