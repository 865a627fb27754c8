//! The review of pull requests: rounds that people ask for, what they say of a change, and answers to findings.

use serde::{Deserialize, Serialize};

use crate::ids::PullId;
use crate::review::{Priority, Reply};

asks! {
    /// Has somebody look at a pull request's present head.
    Ask {
        /// Which.
        pull: PullId,
        /// Who looks; whoever the policy names and did not look yet, if none.
        agent: Option<String>,
        /// Why it may be an agent of the author's own family.
        because: Option<String>,
    }
    /// Says what is to be changed in it. It is a finding like any other, and the author answers it.
    Comment {
        /// Which.
        pull: PullId,
        /// In which file; empty for the whole change.
        path: String,
        /// In which line, as the head has it; 0 for the whole file.
        line: u32,
        /// How much it matters.
        priority: Priority,
        /// What.
        says: String,
    }
    /// Answers a finding.
    Answer {
        /// Of which pull request.
        pull: PullId,
        /// Its number.
        finding: u32,
        /// What becomes of it.
        reply: Reply,
        /// In words.
        says: String,
    }
}
