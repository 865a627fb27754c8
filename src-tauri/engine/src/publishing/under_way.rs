//! What is being done at a forge right now: a head of a pull request that is sent, a landing that is fetched. Whoever asks for the same
//! meanwhile asks for nothing: what is under way says how it went.
//!
//! Refuses: to be stored. After a restart nothing is under way, and what was not done is done again.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pilothouse_contract::{Oid, PullId};

type All = BTreeSet<(PullId, Oid)>;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<All>);

/// One of it, as long as it lasts.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    of: &'a UnderWay,
    what: (PullId, Oid),
}

impl UnderWay {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins it; nothing if it is under way.
    pub(crate) fn begin(&self, pull: PullId, commit: &Oid) -> Option<Begun<'_>> {
        let what = (pull, commit.clone());
        let is_new = self.all().insert(what.clone());
        // Made only for what is new: whoever drops one ends it.
        is_new.then(|| Begun { of: self, what })
    }

    /// Whether it is under way.
    pub(crate) fn has(&self, pull: PullId, commit: &Oid) -> bool {
        self.all().contains(&(pull, commit.clone()))
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.of.all().remove(&self.what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_each_is_under_way_until_it_ends_however_it_ends() {
        let all = UnderWay::default();
        let (one, two) = (Oid::from("a"), Oid::from("b"));
        let begun = all.begin(PullId(1), &one);
        assert!(begun.is_some() && all.has(PullId(1), &one) && all.begin(PullId(1), &one).is_none());
        assert!(all.begin(PullId(1), &two).is_some(), "another head is another thing");
        assert!(all.begin(PullId(2), &one).is_some());
        drop(begun);
        assert!(!all.has(PullId(1), &one) && all.begin(PullId(1), &one).is_some());
    }
}
