//! How often a forge is asked: seldom at rest, often while something is under way, never faster than its points last, and after a
//! failure ever more seldom. Pure: the time is told.

use std::time::Duration;

use pilothouse_contract::At;
use pilothouse_contract::forge::Budget;

use super::ask::ForgeError;

/// At rest a forge is asked once in so long.
pub const REST: Duration = Duration::from_secs(60);
/// While something is under way.
pub const QUICK: Duration = Duration::from_secs(10);
/// So often after a push of our own it is quick, whatever it says.
const EAGER: u32 = 6;
/// After the first failure; doubled with each.
const AGAIN: Duration = Duration::from_secs(15);
/// What GitHub wants at least of those that it told more than once to wait.
const MINUTE: Duration = Duration::from_secs(60);
/// No failure makes it longer than this.
const LONGEST: Duration = Duration::from_secs(900);
/// Of what is left until points are given back we take one in so many: the account is also the person's.
const SHARE: u64 = 2;

/// When a forge is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    failures: u32,
    /// Of them so many in a row said that it wants no questions.
    limits: u32,
    eager: u32,
    /// When all was asked for last, by the clock that was told.
    whole: Option<At>,
    next: Option<At>,
    /// It said that it wants no questions until then.
    held: Option<At>,
}

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Everything.
    All,
    /// What is under way.
    Moving,
}

impl Pace {
    /// When it is asked next.
    #[must_use]
    pub fn at(&self) -> At {
        self.next.unwrap_or(At(0))
    }

    /// What is asked then.
    #[must_use]
    pub fn what(&self, now: At) -> Next {
        let rested = |it: At| now.since_ms(it) >= ms(REST) - ms(QUICK) / 2;
        if self.whole.is_none_or(rested) { Next::All } else { Next::Moving }
    }

    /// We pushed, or opened something: the answer is worth asking for now, and often for a while.
    pub fn pushed(&mut self, now: At) {
        self.eager = EAGER;
        if self.failures == 0 {
            self.next = Some(now);
        }
    }

    /// Somebody wants to know now: all of it.
    pub fn wanted(&mut self) {
        self.whole = None;
    }

    /// Until when it gets no questions, if that is later than now. Nobody overrides that.
    #[must_use]
    pub fn held(&self, now: At) -> Option<At> {
        self.held.filter(|until| now < *until)
    }

    /// It answered; `moving` says whether something is under way.
    pub fn answered(&mut self, now: At, what: Next, moving: bool, budget: Option<&Budget>) {
        (self.failures, self.limits) = (0, 0);
        if what == Next::All {
            self.whole = Some(now);
        }
        let quick = moving || self.eager > 0;
        self.eager = self.eager.saturating_sub(1);
        let wished = ms(if quick { QUICK } else { REST });
        let wait = budget.map_or(wished, |it| wished.max(affordable(now, it)));
        let next = now.plus_ms(wait);
        // What is left is the person's, and nobody who only wants to know takes it.
        self.held = budget.filter(|it| questions(it) == 0).map(|_| next);
        self.next = Some(next);
    }

    /// It gave no answer.
    pub fn failed(&mut self, now: At, error: &ForgeError) {
        self.failures = self.failures.saturating_add(1);
        let doubled =
            |first: Duration, n: u32| first.saturating_mul(1 << n.saturating_sub(1).min(6)).min(LONGEST);
        let (wait, held) = match error {
            // How long it says is believed the first time. Said once more, it is meant more: GitHub asks whoever is told so again to
            // wait a minute, and twice as long each time.
            ForgeError::Limited(said) => {
                self.limits = self.limits.saturating_add(1);
                let least = if self.limits > 1 { doubled(MINUTE, self.limits) } else { Duration::ZERO };
                ((*said).max(least), true)
            }
            // A person who mended the connection, or the token, need not wait for us.
            _ => (doubled(AGAIN, self.failures), false),
        };
        let next = now.plus_ms(ms(wait));
        self.held = held.then_some(next);
        self.next = Some(next);
    }
}

fn ms(it: Duration) -> i64 {
    i64::try_from(it.as_millis()).unwrap_or(i64::MAX)
}

/// So many questions of that cost our share of the points is.
fn questions(budget: &Budget) -> u64 {
    budget.left / SHARE / budget.cost.max(1)
}

/// So long between two questions of that cost our share of the points lasts until they are given back.
fn affordable(now: At, budget: &Budget) -> i64 {
    let until = budget.resets.since_ms(now);
    let questions = questions(budget);
    if questions == 0 { until.max(ms(REST)) } else { until / i64::try_from(questions).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(left: u64, cost: u64) -> Budget {
        Budget { limit: 5000, left, resets: At(3_600_000), cost }
    }

    #[test]
    fn at_rest_a_forge_is_asked_once_a_minute_and_while_something_moves_six_times() {
        let mut pace = Pace::default();
        assert_eq!((pace.at(), pace.what(At(0))), (At(0), Next::All));
        pace.answered(At(0), Next::All, false, Some(&budget(4998, 2)));
        assert_eq!(pace.at(), At(60_000));
        pace.answered(At(60_000), Next::All, true, Some(&budget(4996, 2)));
        assert_eq!((pace.at(), pace.what(pace.at())), (At(70_000), Next::Moving));
        // What moves is asked for by itself, and all of it still once a minute.
        let mut now = pace.at();
        for _ in 0..5 {
            let what = pace.what(now);
            pace.answered(now, what, true, Some(&budget(4990, 1)));
            now = pace.at();
        }
        assert_eq!((now, pace.what(now)), (At(120_000), Next::All));
    }

    #[test]
    fn a_push_is_followed_closely_for_a_while() {
        let mut pace = Pace::default();
        pace.answered(At(0), Next::All, false, None);
        pace.pushed(At(1_000));
        assert_eq!(pace.at(), At(1_000));
        for n in 0..6 {
            let now = pace.at();
            assert_eq!(now, At(1_000 + 10_000 * n));
            let what = pace.what(now);
            pace.answered(now, what, false, None);
        }
        pace.answered(pace.at(), Next::Moving, false, None);
        assert!(pace.at().since_ms(At(61_000)) >= 60_000);
    }

    #[test]
    fn points_that_run_out_make_it_slow_and_never_take_the_persons_half() {
        let mut pace = Pace::default();
        pace.answered(At(0), Next::All, true, Some(&budget(600, 3)));
        assert_eq!(pace.at(), At(36_000), "100 questions for an hour");
        pace.answered(At(0), Next::All, true, Some(&budget(3, 3)));
        assert_eq!(pace.at(), At(3_600_000), "none until points are given back");
        pace.wanted();
        assert_eq!(
            (pace.held(At(3_599_999)), pace.held(At(3_600_000))),
            (Some(At(3_600_000)), None),
            "whoever wants to know"
        );
    }

    #[test]
    fn a_failure_makes_it_ever_slower_and_an_answer_quick_again() {
        let mut pace = Pace::default();
        let gone = ForgeError::Unreachable("no".to_owned());
        let mut waits = Vec::new();
        for _ in 0..8 {
            let before = pace.at();
            pace.failed(before, &gone);
            waits.push(pace.at().since_ms(before) / 1000);
            pace.pushed(before);
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
        pace.failed(At(0), &ForgeError::Limited(Duration::from_secs(77)));
        assert_eq!(pace.at(), At(77_000), "one that says how long is believed");
        pace.answered(At(77_000), Next::All, false, None);
        let mut waits = Vec::new();
        for wait in [77, 60, 60, 60] {
            let before = pace.at();
            pace.failed(before, &ForgeError::Limited(Duration::from_secs(wait)));
            waits.push(pace.at().since_ms(before) / 1000);
        }
        assert_eq!(
            waits,
            [77, 120, 240, 480],
            "how long it says is believed the first time, and more each time"
        );
        let held = pace.at();
        pace.wanted();
        assert_eq!(
            (pace.held(At(held.0 - 1)), pace.held(held)),
            (Some(held), None),
            "and nobody overrides it"
        );
        pace.answered(held, Next::All, false, None);
        pace.failed(At(0), &gone);
        assert_eq!((pace.at(), pace.held(At(1))), (At(15_000), None), "whoever mended it need not wait");
    }
}
