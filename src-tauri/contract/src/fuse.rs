//! Fuses: what ends an attempt that gets nowhere. Each is seen long before it blows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attempt::Failure;
use crate::fleet::Fleet;
use crate::money::Money;
use crate::session::{Pulse, Session, SessionKind};
use crate::time::At;

/// What a fuse minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Minds {
    /// Seconds without output and without a changed file. Waiting for a person is no silence.
    Silence,
    /// Seconds that the session works, waiting for a person aside.
    Time,
    /// Tokens that its model read anew and wrote, by the agent's own log.
    Tokens,
    /// Micro-dollars that its model's calls cost, where their price is known.
    Money,
    /// How often the same call brought the same answer, one after the other, by the agent's own log.
    Repeats,
    /// Tokens that its model read for the newest call, from wherever, by the agent's own log.
    Context,
    /// How often its task failed.
    Tries,
    /// Protected paths that it changed.
    Paths,
}

/// A fuse of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fuse {
    /// What it minds.
    pub minds: Minds,
    /// So much there was.
    pub spent: u64,
    /// At so much it blows.
    pub limit: u64,
}

impl Fuse {
    /// Whether it blows.
    #[must_use]
    pub fn is_blown(&self) -> bool {
        self.spent >= self.limit
    }

    /// Whether four fifths are gone.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.spent.saturating_mul(5) >= self.limit.saturating_mul(4)
    }

    /// How an attempt fails by it, where it is the fuse that ends it.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        Some(match self.minds {
            Minds::Silence => Failure::Stalled,
            Minds::Time => Failure::OverTime,
            Minds::Tokens => Failure::OverTokens,
            Minds::Money => Failure::OverMoney,
            Minds::Repeats => Failure::Repeats,
            Minds::Context | Minds::Tries | Minds::Paths => return None,
        })
    }
}

impl fmt::Display for Fuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spent, limit) = (self.spent, self.limit);
        match self.minds {
            Minds::Silence => write!(f, "silent {} of {}", span(spent), span(limit)),
            Minds::Time => write!(f, "at work {} of {}", span(spent), span(limit)),
            Minds::Tokens => write!(f, "{} of {} tokens", thousands(spent), thousands(limit)),
            Minds::Money => write!(f, "{} of {}", Money(spent), Money(limit)),
            Minds::Repeats => write!(f, "same call {spent} of {limit} times"),
            Minds::Context => write!(f, "context {} of {} tokens", thousands(spent), thousands(limit)),
            Minds::Tries => write!(f, "{spent} of {limit} tries failed"),
            Minds::Paths if spent == 0 => write!(f, "no protected path changed"),
            Minds::Paths => write!(f, "{spent} protected paths changed"),
        }
    }
}

/// Seconds for people.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{}.{} h", seconds / 3600, seconds % 3600 / 360),
    }
}

fn thousands(tokens: u64) -> String {
    if tokens < 10_000 { tokens.to_string() } else { format!("{} k", tokens / 1000) }
}

/// The fuses of an agent's session, as they are seen now; none of any other session, or of one that is over. What was not
/// seen for want of a pulse counts as nothing.
#[must_use]
pub fn of(fleet: &Fleet, session: &Session, pulse: Option<&Pulse>, now: At) -> Vec<Fuse> {
    let is_live = session.kind == SessionKind::Agent && session.end.is_none();
    let Some(running) = session.running.as_ref().filter(|_| is_live) else { return Vec::new() };
    let Some(run) = session.run.and_then(|id| fleet.runs.get(&id)) else { return Vec::new() };
    let worktree = session.worktree.and_then(|id| fleet.worktrees.get(&id)?.seen.as_ref());
    let pulse = pulse.copied().unwrap_or_default();
    // While it waits for a person nothing is spent.
    let asked = fleet.questions_of(session.id).filter(|it| it.is_open()).map(|it| it.asked).min();
    let until = asked.unwrap_or(now).min(now);
    let signs = [
        pulse.last_output,
        pulse.silent_from,
        worktree.map(|it| it.at),
        fleet.waited_until(session.id, now),
        Some(running.at),
    ];
    let last = signs.into_iter().flatten().max().unwrap_or(now);
    let seconds = |since: At, until: At| u64::try_from(until.since_ms(since) / 1000).unwrap_or_default();
    let policy = &run.policy;
    let fuse = |minds, spent, limit| Fuse { minds, spent, limit };
    let attempt = session.attempt.and_then(|id| fleet.attempts.get(&id));
    let task = attempt.and_then(|it| run.task(&it.task));
    // Of several that try it at once none is handed over: each is one try, and so are they all.
    let context = attempt.filter(|it| it.contest.is_none()).map_or(0, |_| policy.context);
    let all = [
        fuse(Minds::Silence, seconds(last, now), policy.stall_s.into()),
        fuse(Minds::Time, seconds(pulse.work_from.unwrap_or(running.at), until), policy.attempt_s.into()),
        // What nobody knows the price of is minded by the others. Of two that blow at once the first is named.
        fuse(Minds::Money, pulse.micros.unwrap_or_default(), pulse.micros.map_or(0, |_| policy.money.0)),
        fuse(Minds::Tokens, pulse.tokens, policy.tokens),
        fuse(Minds::Repeats, pulse.repeats.into(), policy.repeats.into()),
        fuse(Minds::Context, pulse.context, context),
        fuse(
            Minds::Tries,
            task.map_or(0, |it| it.failures.into()),
            task.map_or(0, |_| policy.attempts.into()),
        ),
        fuse(Minds::Paths, 0, task.map_or(0, |_| 1)),
    ];
    // A limit of 0 is none.
    all.into_iter().filter(|it| it.limit > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuses_are_told_in_words_and_are_near_before_they_blow() {
        let said = |minds, spent, limit| {
            let it = Fuse { minds, spent, limit };
            (it.to_string(), it.is_near(), it.is_blown())
        };
        assert_eq!(said(Minds::Silence, 100, 600), ("silent 100 s of 10 min".to_owned(), false, false));
        assert_eq!(said(Minds::Time, 12_000, 14_400), ("at work 3.3 h of 4.0 h".to_owned(), true, false));
        assert_eq!(said(Minds::Tokens, 9_999, 500_000), ("9999 of 500 k tokens".to_owned(), false, false));
        let money = said(Minds::Money, 1_600_000, 2_000_000);
        assert_eq!(money, ("$1.60 of $2.00".to_owned(), true, false));
        let context = said(Minds::Context, 130_000, 160_000);
        assert_eq!(context, ("context 130 k of 160 k tokens".to_owned(), true, false));
        assert_eq!(said(Minds::Tries, 1, 2), ("1 of 2 tries failed".to_owned(), false, false));
        assert_eq!(said(Minds::Paths, 0, 1), ("no protected path changed".to_owned(), false, false));
        assert_eq!(said(Minds::Repeats, 10, 10), ("same call 10 of 10 times".to_owned(), true, true));
    }
}
