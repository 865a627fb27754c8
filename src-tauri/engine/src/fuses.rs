//! Fuses are minded while a session runs: how long it was silent and at work, by a clock that is kept over engines; what its log says; and
//! protected paths that it changes, at once and not only at its end.

use std::time::{Duration, Instant};

use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::fuse::{self, Fuse, Minds};
use pilothouse_contract::worktree::Worktree;
use pilothouse_contract::{At, Oid, SessionId, WorktreeId};

use crate::coordination::Input;
use crate::engine::Engine;
use crate::execution::held::{Key, Sight};
use crate::perform::now;
use crate::policy::scope;
use crate::ports::git::Git;
use crate::spending::under_way_s;
use crate::store::Worked;

/// So often at least the fuses of a session are looked at.
const SLOWLY: Duration = Duration::from_secs(30);
/// Whether it has begun, by the record, is asked again after this.
const SOON: Duration = Duration::from_millis(500);
/// And at most so often how long it worked is kept.
const KEPT: Duration = Duration::from_secs(3);

/// How long a session was silent and at work, not counting while the machine slept: clocks on the wall go on then, and the one
/// that is asked here does not. It is kept every few seconds and goes on from there in the next engine; what passed between two engines is not
/// counted, so it says too little rather than too much.
#[derive(Debug)]
struct Awake {
    looked: Instant,
    /// The last sign of work that was seen.
    last: Option<At>,
    silent: Duration,
    work: Duration,
}

impl Awake {
    /// From what an engine before this one kept, if one did. Output that came since then was no silence.
    fn from(kept: Option<Worked>, output: u64) -> Self {
        let kept = kept.unwrap_or_default();
        let silent = if kept.output == output { kept.silent } else { Duration::ZERO };
        Self { looked: Instant::now(), last: None, silent, work: kept.work }
    }

    /// Goes on to now, with the last sign of work, and until when a person was waited for, if at all.
    fn look(&mut self, last: Option<At>, waited: Option<At>, now: At) {
        let ago = |at: At| Duration::from_millis(u64::try_from(now.since_ms(at)).unwrap_or_default());
        let since = self.looked.elapsed().min(waited.map_or(Duration::MAX, ago));
        self.looked = Instant::now();
        self.work += since;
        self.silent += since;
        let last = last.max(waited);
        // Another one is a newer one, also if the clock on the wall was set back.
        if last != self.last {
            self.last = last;
            self.silent = self.silent.min(last.map_or(Duration::ZERO, ago));
        }
    }
}

impl Engine {
    /// Hands in the first fuse of a session that blows. Neither sleep of the machine nor waiting for a person is counted.
    pub(crate) async fn mind_fuses(
        self,
        session: SessionId,
        key: Key,
        mut sight: tokio::sync::watch::Receiver<Sight>,
    ) {
        let kept = self.inner.store.worked(session).await.unwrap_or_default();
        let mut awake = Awake::from(kept, sight.borrow().pulse.output_bytes);
        let mut kept_at = None;
        loop {
            let seen = sight.borrow_and_update().clone();
            let now = now();
            let (fuses, worktree, waited, changed, run) = {
                let fleet = self.fleet();
                let Some(it) = fleet.sessions.get(&session) else { return };
                let waited = fleet.waited_until(session, now);
                let tree = it.worktree.and_then(|id| fleet.worktrees.get(&id)?.seen.as_ref());
                let fuses = fuse::of(&fleet, it, Some(&seen.pulse), now);
                let run = it.run.and_then(|id| fleet.runs.get(&id));
                let left = run.filter(|it| it.policy.run_s > 0);
                let left = left.map(|it| it.policy.run_s.saturating_sub(under_way_s(it)).max(1));
                (fuses, it.worktree, waited, tree.map(|it| it.at), it.run.zip(Some(left)))
            };
            // What changed while no engine looked was seen when this one began.
            let last = self.last_sign(&seen, worktree).max(changed);
            awake.look(last, waited, now);
            let back = |by: Duration| Some(now.plus_ms(-i64::try_from(by.as_millis()).unwrap_or_default()));
            let (silent_from, work_from) = (back(awake.silent), back(awake.work));
            self.inner.sessions.tell_pulse(key, |it| {
                // What is a second off is not told again.
                let is_off = |told: Option<At>, is: Option<At>| {
                    told.zip(is).is_none_or(|(told, is)| (is.0 - told.0).abs() > 1000)
                };
                if is_off(it.silent_from, silent_from) || is_off(it.work_from, work_from) {
                    (it.silent_from, it.work_from) = (silent_from, work_from);
                }
            });
            if kept_at.is_none_or(|at: Instant| at.elapsed() >= KEPT) {
                kept_at = Some(Instant::now());
                let worked =
                    Worked { silent: awake.silent, work: awake.work, output: seen.pulse.output_bytes };
                if let Err(error) = self.inner.store.keep_worked(session, &worked).await {
                    tracing::warn!(%session, %error, "how long it worked could not be kept");
                }
            }
            // The whole run may be over its own.
            let run_left = match run {
                Some((run, left)) => {
                    self.mind_budget(run).await;
                    left.map(Duration::from_secs)
                }
                None => None,
            };
            let spent = |it: Fuse| match it.minds {
                Minds::Silence => Fuse { spent: awake.silent.as_secs(), ..it },
                Minds::Time => Fuse { spent: awake.work.as_secs(), ..it },
                _ => it,
            };
            let fuses: Vec<Fuse> = fuses.into_iter().map(spent).collect();
            if let Some(blown) = fuses.iter().find(|it| it.is_blown()) {
                // What is only swept may have been written to since the last look.
                let unseen = worktree.filter(|it| self.inner.watch.unwatched().contains(it));
                if let Some(unseen) = unseen.filter(|_| blown.minds == Minds::Silence) {
                    self.sweep_worktree(unseen).await;
                    if self.last_sign(&sight.borrow().clone(), worktree).max(changed) != last {
                        continue;
                    }
                }
                self.tell(Input::FuseBlown { session, fuse: *blown });
                // Until it is over an engine that comes after this one has to know, too.
                drop(sight.wait_for(|it| it.end.is_some()).await);
                self.forget_worked(session).await;
                return;
            }
            let timed = fuses.iter().filter(|it| matches!(it.minds, Minds::Silence | Minds::Time));
            // One that blows soon is looked at more often, so that little of it is forgotten with an engine.
            let nap = |it: &Fuse| Duration::from_secs((it.limit - it.spent).min((it.limit / 8).max(1)));
            let left = timed.map(nap).chain(run_left).min().unwrap_or(SOON);
            let spent = |it: &Sight| (it.pulse.tokens, it.pulse.micros, it.pulse.repeats, it.pulse.context);
            let known = spent(&seen);
            let news = |it: &Sight| it.end.is_some() || spent(it) != known;
            let ended = match tokio::time::timeout(left.min(SLOWLY), sight.wait_for(news)).await {
                Ok(Ok(it)) => it.end.is_some(),
                Ok(Err(_)) => true,
                Err(_) => false,
            };
            if ended {
                self.forget_worked(session).await;
                return;
            }
        }
    }

    async fn forget_worked(&self, session: SessionId) {
        if let Err(error) = self.inner.store.forget_worked(session).await {
            tracing::warn!(%session, %error, "how long it worked could not be forgotten");
        }
    }

    fn last_sign(&self, sight: &Sight, worktree: Option<WorktreeId>) -> Option<At> {
        let activity = self.inner.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let touched = worktree.and_then(|it| activity.get(&it).copied());
        sight.pulse.last_output.into_iter().chain(touched).max()
    }

    /// Hands in protected paths that an attempt at work changed, by what git says of its worktree and by its commits.
    pub(crate) async fn mind_paths(
        &self,
        worktree: &Worktree,
        git: &Git,
        head: Option<&Oid>,
        status: &[String],
    ) {
        let found = {
            let fleet = self.fleet();
            let attempt = worktree.attempt.and_then(|id| fleet.attempts.get(&id));
            let works = attempt.filter(|it| it.state == AttemptState::Working);
            works.and_then(|it| {
                Some((it.id, it.base.clone(), fleet.runs.get(&it.run)?.policy.protected.clone()))
            })
        };
        let Some((attempt, base, protected)) = found else { return };
        let mut paths: Vec<String> = status.iter().filter_map(|it| it.get(3..)).map(str::to_owned).collect();
        if let Some(head) = head.filter(|it| **it != base) {
            paths.extend(git.changed(&base, head).await.unwrap_or_default());
        }
        paths.retain(|it| scope::any_matches(&protected, it));
        paths.sort_unstable();
        paths.dedup();
        if !paths.is_empty() {
            self.tell(Input::PathsTouched { attempt, paths });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_waiting_nor_a_clock_that_is_set_back_makes_a_session_silent() {
        let now = At(1_000_000);
        let mut awake = Awake::from(None, 0);
        let mut after = |s: u64, last: i64, waited: Option<i64>| {
            awake.looked = Instant::now().checked_sub(Duration::from_secs(s)).unwrap();
            let at = |ago: i64| now.plus_ms(-ago * 1000);
            awake.look(Some(at(last)), waited.map(at), now);
            (awake.silent.as_secs(), awake.work.as_secs())
        };
        assert_eq!(after(10, 3, None), (3, 10));
        assert_eq!(after(10, 3, None), (13, 20), "the same sign is no new one");
        assert_eq!(after(10, 20, Some(0)), (0, 20), "it waits for a person");
        assert_eq!(after(10, 20, Some(4)), (4, 24), "the answer came four seconds ago");
        // A sign from what is now the future.
        assert_eq!(after(10, -500, None), (0, 34));
        assert_eq!(after(10, 2, None), (2, 44), "the clock was set back: this one is new");
    }

    #[test]
    fn the_next_engine_goes_on_from_what_was_kept() {
        let s = Duration::from_secs;
        let kept = Worked { silent: s(40), work: s(90), output: 7 };
        let on = Awake::from(Some(kept), 7);
        assert_eq!((on.silent, on.work), (s(40), s(90)));
        let spoke = Awake::from(Some(kept), 9);
        assert_eq!((spoke.silent, spoke.work), (Duration::ZERO, s(90)), "it said something meanwhile");
    }
}
