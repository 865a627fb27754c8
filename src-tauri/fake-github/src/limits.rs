//! What may be asked how often, and what goes wrong by script: points an hour, the secondary limits a minute, statuses that a
//! test wants to see.

use std::collections::VecDeque;

/// Points an hour, of GraphQL and of REST each.
pub const HOURLY: u64 = 5_000;
/// Requests that make content, a minute.
const CONTENT: usize = 80;
/// Points a minute, above which a client is asked to wait.
const MINUTE: u64 = 2_000;

/// One kind of points.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// So many are spent.
    pub used: u64,
    /// And are given back then.
    pub reset: i64,
}

/// The state of all limits.
#[derive(Debug, Default)]
pub struct Limits {
    /// GraphQL's.
    pub graphql: Budget,
    /// REST's.
    pub rest: Budget,
    /// When content was made.
    made: VecDeque<i64>,
    /// When points of GraphQL were spent, and how many.
    spent: VecDeque<(i64, u64)>,
    /// What goes wrong next, in order.
    pub script: VecDeque<Trouble>,
}

/// Something that goes wrong.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// For requests whose path begins so.
    pub path: String,
    /// What.
    pub what: Wrong,
    /// So many times.
    pub times: usize,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// This status, with a message.
    Status(u16, String),
    /// The secondary limit: 403, and so many seconds to wait.
    Secondary(u64),
    /// The same without a word how long.
    SecondaryUnsaid,
    /// No points are left, for so many seconds.
    Spent(i64),
    /// An answer that is no JSON.
    Garbage,
    /// The connection is closed without an answer.
    Silence,
    /// One of the things that were asked for, at this place, is missing from the answer, and why stands beside it.
    Hole(usize),
    /// Of one of them this part is missing, and why stands beside it.
    Part(usize, &'static str),
    /// Something deep in the checks of one of them could not be told, as to a token that may not see it; the checks are there.
    Deep(usize),
    /// A limit that comes with a status of 200.
    LimitInside,
    /// Nothing is missing that could be seen, and something went wrong.
    Murmur,
}

impl Budget {
    fn turn(&mut self, now: i64) {
        if now >= self.reset {
            *self = Self { used: 0, reset: now + 3600 };
        }
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> u64 {
        HOURLY.saturating_sub(self.used)
    }
}

impl Limits {
    /// Gives back what an hour gives back.
    pub(crate) fn turn(&mut self, now: i64) {
        self.graphql.turn(now);
        self.rest.turn(now);
    }

    /// Something goes wrong, from the next fitting request on.
    pub fn wrong(&mut self, path: &str, what: Wrong, times: usize) {
        self.script.push_back(Trouble { path: path.to_owned(), what, times });
    }

    pub(crate) fn next_wrong(&mut self, path: &str) -> Option<Wrong> {
        let at = self.script.iter().position(|it| path.starts_with(&it.path))?;
        let it = self.script.get_mut(at)?;
        it.times = it.times.saturating_sub(1);
        let what = it.what.clone();
        if it.times == 0 {
            self.script.remove(at);
        }
        Some(what)
    }

    /// Spends points of GraphQL. So many seconds to wait, if that is too many for one minute.
    pub(crate) fn spend(&mut self, now: i64, points: u64, is_mutation: bool) -> Option<u64> {
        self.graphql.used += points;
        self.spent.push_back((now, if is_mutation { 5 } else { points.max(1) }));
        while self.spent.front().is_some_and(|(at, _)| *at + 60 <= now) {
            self.spent.pop_front();
        }
        (self.spent.iter().map(|(_, points)| points).sum::<u64>() > MINUTE).then_some(60)
    }

    /// Something that makes content was asked for. So many seconds to wait, if that is too often.
    pub(crate) fn makes(&mut self, now: i64) -> Option<u64> {
        while self.made.front().is_some_and(|at| *at + 60 <= now) {
            self.made.pop_front();
        }
        if self.made.len() >= CONTENT {
            return Some(60);
        }
        self.made.push_back(now);
        None
    }
}
