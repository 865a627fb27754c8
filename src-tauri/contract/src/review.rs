//! The review of a pull request: rounds of agents of another family, findings of them and of people in one table, each answered
//! once, and where it stands. What happens to it, and the one fold of that, lies in `review/happened.rs`.
//!
//! Refuses to judge what is good: a finding has the priority and the answer that were given to it.

mod happened;

use std::fmt;

pub use happened::Happened;
use serde::{Deserialize, Serialize};

use crate::card::{Clear, Excuse, Writer};
use crate::ids::{Oid, SessionId, WorktreeId};
use crate::risk::Risk;
use crate::time::At;
use crate::who::Who;

/// How much a finding matters. There are no others: whatever is less is nobody's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Priority {
    /// It does harm: data, money, rights.
    P0,
    /// It does not do what it should.
    P1,
    /// It will cost somebody: a trap, a case that nobody meets today, a test that proves nothing.
    #[default]
    P2,
}

impl Priority {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
        }
    }

    /// The priority of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::P0, Self::P1, Self::P2].into_iter().find(|it| it.word().eq_ignore_ascii_case(word.trim()))
    }
}

/// What is said of reviews in the policy of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReviewPolicy {
    /// Who reviews: each of another family than the author. Nobody if it is off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Writer>,
    /// Why nobody reviews, if nobody does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub off: String,
    /// The family of the author, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What matters less than this is dropped, and counted.
    pub line: Priority,
    /// So many rounds, and then a person decides; 0 in records of older versions is none.
    pub rounds: u32,
    /// What is looked through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lenses: Vec<String>,
    /// Whether a person's yes waits for the review, too.
    #[serde(skip_serializing_if = "crate::spec::is_false")]
    pub person_waits: bool,
}

/// The review of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Review {
    /// How risky its head is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The stable patch id of its head against the default branch.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patch: String,
    /// Where it stands; nothing before anybody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands: Option<Stands>,
    /// Its rounds, oldest first: one for each reviewer of each patch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Round>,
    /// Everything that was found, by agents and by people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The session that is at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sitting: Option<Sitting>,
    /// A session of the author that is over, and whose work is being put on the branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Sitting>,
    /// So many things were said that lie below the line.
    #[serde(skip_serializing_if = "crate::wait::is_zero")]
    pub dropped: u32,
    /// So many rounds a person granted beyond what the policy says.
    #[serde(skip_serializing_if = "crate::wait::is_zero")]
    pub granted: u32,
}

impl Review {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Findings without an answer.
    pub fn unanswered(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.answer.is_none())
    }

    /// The round that is under way.
    #[must_use]
    pub fn open_round(&self) -> Option<&Round> {
        self.rounds.last().filter(|it| it.ended.is_none())
    }

    /// Whether a reviewer looked at this patch to the end.
    #[must_use]
    pub fn looked(&self, key: &str, patch: &str) -> bool {
        self.rounds.iter().any(|it| it.key == key && it.patch == patch && it.ended.is_some())
    }

    /// The first of those who review by the policy that did not look at the patch of now to the end.
    #[must_use]
    pub fn fresh<'a>(&self, policy: &'a ReviewPolicy) -> Option<&'a Writer> {
        policy.agents.iter().find(|by| {
            !self.rounds.iter().any(|round| {
                round.patch == self.patch && round.ended.is_some() && round.by.agent.name == by.agent.name
            })
        })
    }

    /// Lenses of the round under way that nobody said anything of.
    #[must_use]
    pub fn open_lenses(&self) -> Vec<&str> {
        let Some(round) = self.open_round() else { return Vec::new() };
        let said = |lens: &&str| {
            let found = |it: &Finding| {
                it.round == round.number && it.lens == *lens && it.agent == round.by.agent.name
            };
            round.clear.iter().any(|it| it.lens == *lens) || self.findings.iter().any(found)
        };
        round.lenses.iter().map(String::as_str).filter(|it| !said(it)).collect()
    }

    /// What was accepted, and is on no commit yet.
    #[must_use]
    pub fn uncommitted(&self) -> Vec<u32> {
        let open = |it: &&Finding| {
            matches!(&it.answer, Some(Answer { reply: Reply::Accepted { commit: None }, .. }))
        };
        self.findings.iter().filter(open).map(|it| it.number).collect()
    }

    /// The number of the newest round that anything was said in, dropped ones among them: what was said of another patch counts for that.
    #[must_use]
    pub fn newest_round(&self) -> u32 {
        let rounds = self.rounds.iter().map(|it| it.number);
        rounds.chain(self.findings.iter().map(|it| it.round)).max().unwrap_or_default()
    }

    /// How many patches were looked at.
    #[must_use]
    pub fn patches(&self) -> usize {
        let mut all: Vec<&str> = self.rounds.iter().map(|it| it.patch.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }

    /// Where it stands, in a line.
    #[must_use]
    pub fn says(&self) -> String {
        let stands = self.stands.as_ref().map_or("nobody looked yet", |it| it.why.as_str());
        let open = self.unanswered().count();
        let findings = match (self.findings.len(), open) {
            (0, _) => String::new(),
            (n, 0) => format!("; {n} findings, each answered"),
            (n, open) => format!("; {n} findings, {open} open"),
        };
        format!("{stands}{findings}")
    }
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nobody of another family is there to review.
    Off,
    /// Somebody looks.
    Reviewing,
    /// The author answers.
    Answering,
    /// A person decides.
    Person,
    /// Every reviewer looked, and every finding is answered.
    Done,
}

impl Stage {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reviewing => "reviewing",
            Self::Answering => "answering",
            Self::Person => "person",
            Self::Done => "done",
        }
    }
}

/// Where it stands, and why, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Where.
    pub stage: Stage,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: At,
}

/// One look of one reviewer at one patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Its number: of the patch, from 1.
    pub number: u32,
    /// The patch.
    pub patch: String,
    /// The head that it was looked at by.
    pub head: Oid,
    /// Who looks.
    pub by: Writer,
    /// The reviewer's configuration: whoever has the same one sees no patch twice.
    pub key: String,
    /// Why it may be one of the author's own family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Excuse>,
    /// What is looked through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lenses: Vec<String>,
    /// Lenses that showed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<Clear>,
    /// So many things were said in it that lie below the line.
    #[serde(default, skip_serializing_if = "crate::wait::is_zero")]
    pub dropped: u32,
    /// When it began.
    pub began: At,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<At>,
}

/// What a session at a pull request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Somebody else looks at the change.
    Review,
    /// Whoever made it answers what was found.
    Answer,
}

impl Role {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Answer => "answer",
        }
    }
}

/// A session at a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// The session: a fresh one each time.
    pub session: SessionId,
    /// Its worktree.
    pub worktree: WorktreeId,
    /// The head that it begins from.
    pub base: Oid,
    /// What it is for.
    pub role: Role,
    /// The how-manieth for the same, from 1.
    pub round: u32,
    /// Who sits.
    pub by: Writer,
}

/// Something that was found in a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its number, from 1: of the pull request.
    pub number: u32,
    /// The round that it was found in; 0 if a person said it.
    pub round: u32,
    /// Who says it.
    pub by: Who,
    /// The name of the agent that says it; empty for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// The lens that it was seen through; empty for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lens: String,
    /// How much it matters.
    pub priority: Priority,
    /// The path; empty for the whole change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The line in the file as the head has it; 0 for the whole file.
    #[serde(default, skip_serializing_if = "crate::wait::is_zero")]
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// Why it matters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// How it may be mended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// The head that it was seen at.
    pub head: Oid,
    /// When.
    pub at: At,
    /// What became of it, once somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

impl Finding {
    /// One as somebody says it; who, when, of which head and its number are given by whoever takes it down.
    #[must_use]
    pub fn said(priority: Priority, path: String, line: u32, what: String) -> Self {
        Self {
            number: 0,
            round: 0,
            by: Who::Engine,
            agent: String::new(),
            lens: String::new(),
            priority,
            path,
            line,
            what,
            why: String::new(),
            mend: String::new(),
            head: Oid::default(),
            at: At::default(),
            answer: None,
        }
    }

    /// Where, as `src/a.rs:12`; empty for the whole.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.path.as_str(), self.line) {
            ("", _) => String::new(),
            (path, 0) => path.to_owned(),
            (path, line) => format!("{path}:{line}"),
        }
    }
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What.
    pub reply: Reply,
    /// In words: what was changed, why it waits, why it is not so.
    pub says: String,
    /// Who says so.
    pub by: Who,
    /// When.
    pub at: At,
}

/// The three answers there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply")]
pub enum Reply {
    /// It is mended, by a commit of the branch; nothing while that is being made.
    Accepted {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<Oid>,
    },
    /// It is mended later: an entry of a tracker, or a line of a file, says so.
    Deferred {
        /// Which.
        tracker: String,
    },
    /// It is not so, or does not matter.
    PushedBack,
}

impl Reply {
    /// The word shown to people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Deferred { .. } => "deferred",
            Self::PushedBack => "pushed back",
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { commit: Some(commit) } => write!(f, "accepted with {}", commit.short()),
            Self::Accepted { commit: None } => f.write_str("accepted, and not committed yet"),
            Self::Deferred { tracker } => write!(f, "deferred to {}", crate::text::line(tracker, 120)),
            Self::PushedBack => f.write_str("pushed back"),
        }
    }
}
