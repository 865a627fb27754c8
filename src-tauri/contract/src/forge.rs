//! Pull requests as a forge tells of them, whichever forge that is: what is known, since when, and why no more is known. What a
//! forge says is a claim of others: its words go through [`crate::text`] before a terminal shows them.

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, ProjectId};
use crate::pull::Size;
use crate::time::At;

/// A pull request of a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgePull {
    /// The forge's host; `local` for our own.
    pub host: String,
    /// The repository there, as `owner/name`.
    pub repo: String,
    /// Its number there.
    pub number: u64,
    /// The project whose repository that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// By which the forge's interface knows it.
    pub id: String,
    /// Where a browser shows it; nothing if it has no page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its title.
    pub title: String,
    /// Who opened it.
    pub author: String,
    /// Whether it is a draft.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub draft: bool,
    /// What it proposes.
    pub head: Tip,
    /// What it lands on.
    pub base: Tip,
    /// How large it is.
    pub size: Size,
    /// Whether it may land.
    pub merge: Merge,
    /// What ran on its head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// So many ran; more than `checks` has if the forge has more than are read.
    #[serde(default)]
    pub checks_all: u64,
    /// What reviews come to.
    #[serde(default)]
    pub decision: Decision,
    /// The newest review of each person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
    /// Threads at lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<Thread>,
    /// So many there are; more than `threads` has if the forge has more than are read.
    #[serde(default)]
    pub threads_all: u64,
    /// Its place in a merge queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Whether changes land there by a queue.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub by_queue: bool,
    /// Whether it lands by itself once it can.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub auto_merge: bool,
    /// When it changed last, by the forge.
    pub updated: At,
    /// What the forge could not tell of it last: there stands what it told before of the same head, or nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Part>,
}

/// A part of a pull request that a forge may fail to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What ran on its head.
    Checks,
    /// Reviews, and what they come to.
    Reviews,
    /// Threads at lines.
    Threads,
    /// How it lands: its place in a queue, or whether it lands by itself.
    Landing,
}

/// A branch and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The branch.
    pub name: String,
    /// The commit.
    pub oid: Oid,
}

/// Whether a pull request may land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Merge {
    /// It may.
    Clean,
    /// It clashes with what it lands on.
    Conflict,
    /// The forge has not worked it out.
    Unknown,
    /// It may not, for these reasons.
    Blocked {
        /// In words.
        reasons: Vec<String>,
    },
}

/// A check that ran on a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// Where its log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The run that may be run again, by the forge's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// It waits or runs.
    Pending,
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It said neither.
    Skipped,
}

/// What reviews come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Nobody has to look, and nobody did.
    #[default]
    None,
    /// Somebody has to.
    Required,
    /// Somebody wants changes.
    Changes,
    /// It has its yes.
    Approved,
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub by: String,
    /// The forge's word.
    pub says: String,
}

/// A thread at a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// By which the forge knows it.
    pub id: String,
    /// The file.
    pub path: String,
    /// The line, if it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whether it is settled.
    pub resolved: bool,
    /// Whether what it is about has changed since.
    pub outdated: bool,
}

/// A place in a merge queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// From 1.
    pub position: u64,
    /// The forge's word for how it stands there.
    pub state: String,
    /// So long it will take by the forge's guess, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What a forge can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// It has merge queues.
    pub queue: bool,
    /// A pull request may land by itself once it can.
    pub auto_merge: bool,
    /// It has threads at lines.
    pub threads: bool,
    /// A thread may be settled.
    pub resolve: bool,
    /// A check may be run again.
    pub rerun: bool,
}

/// What is known of a forge itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Its host.
    pub host: String,
    /// Who is logged in there.
    pub login: String,
    /// Where the token is from: `keyring`, `gh` or `file`.
    pub source: String,
    /// When it last told all that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<At>,
    /// Why it told no more since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// What it did not tell when it was asked for everything last, though it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// When it is asked next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<At>,
    /// Until when it gets no questions, whoever has some: it wants none, or what is left to ask for is the person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<At>,
    /// What may still be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What it can do.
    #[serde(default)]
    pub can: Capabilities,
}

/// What may be asked of a forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// So many points an hour.
    pub limit: u64,
    /// So many are left.
    pub left: u64,
    /// And are given back then.
    pub resets: At,
    /// So many the last question cost.
    pub cost: u64,
}

impl ForgePull {
    /// What people call it: `owner/name#7`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}#{}", self.repo, self.number)
    }

    /// What people call it over all forges: `host/owner/name#7`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.host, self.name())
    }

    /// Whether something of it is under way, so that it is worth asking soon again.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.merge == Merge::Unknown
            || self.queue.is_some()
            || self.auto_merge
            || self.checks.iter().any(|it| it.state == CheckState::Pending)
    }

    /// Checks that passed, that failed, that wait.
    #[must_use]
    pub fn tally(&self) -> (usize, usize, usize) {
        let count = |state| self.checks.iter().filter(|it| it.state == state).count();
        (count(CheckState::Passed), count(CheckState::Failed), count(CheckState::Pending))
    }

    /// Puts what was known before where the forge could not tell, if that was of the same head.
    pub fn keep(&mut self, before: &Self) {
        if self.head.oid != before.head.oid {
            return;
        }
        for part in self.untold.clone() {
            match part {
                Part::Checks => {
                    self.checks.clone_from(&before.checks);
                    self.checks_all = before.checks_all;
                }
                Part::Reviews => {
                    self.reviews.clone_from(&before.reviews);
                    self.decision = before.decision;
                }
                Part::Threads => {
                    self.threads.clone_from(&before.threads);
                    self.threads_all = before.threads_all;
                }
                Part::Landing => {
                    self.queue.clone_from(&before.queue);
                    self.auto_merge = before.auto_merge;
                }
            }
        }
    }

    /// What the forge could not tell of it, in words; nothing if it told everything.
    #[must_use]
    pub fn untold_says(&self) -> Option<String> {
        let name = |it: &Part| match it {
            Part::Checks => "checks",
            Part::Reviews => "reviews",
            Part::Threads => "threads",
            Part::Landing => "the queue",
        };
        let names: Vec<&str> = self.untold.iter().map(name).collect();
        (!names.is_empty()).then(|| {
            format!("not told now: {} (as known of this head before, or not at all)", names.join(", "))
        })
    }

    /// Threads that nobody settled.
    #[must_use]
    pub fn open_threads(&self) -> usize {
        self.threads.iter().filter(|it| !it.resolved).count()
    }

    /// How its checks stand, in words; also how many there are that were not read.
    #[must_use]
    pub fn checks_say(&self) -> String {
        let (passed, failed, pending) = self.tally();
        let unread = self.checks_all.saturating_sub(self.checks.len() as u64);
        let unread = if unread > 0 { format!(", {unread} not read") } else { String::new() };
        format!("{passed} ok, {failed} failed, {pending} wait{unread}")
    }

    /// How many threads are open, in words: at least so many, where there are more than were read.
    #[must_use]
    pub fn threads_say(&self) -> String {
        let more = if self.threads_all > self.threads.len() as u64 { "at least " } else { "" };
        format!("{more}{}", self.open_threads())
    }

    /// The command that shows the same by GitHub's own program.
    #[must_use]
    pub fn command(&self) -> String {
        let host = if self.host == "github.com" { String::new() } else { format!("{}/", self.host) };
        format!("gh pr view {} -R {host}{}", self.number, self.repo)
    }
}

impl Merge {
    /// In one short text.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Clean => "may land".to_owned(),
            Self::Conflict => "clashes".to_owned(),
            Self::Unknown => "not known yet".to_owned(),
            Self::Blocked { reasons } if reasons.is_empty() => "blocked".to_owned(),
            Self::Blocked { reasons } => format!("blocked: {}", reasons.join(", ")),
        }
    }
}

impl Decision {
    /// In one short text; nothing if nobody looked and nobody has to.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Required => "review wanted",
            Self::Changes => "changes wanted",
            Self::Approved => "approved",
        }
    }
}
