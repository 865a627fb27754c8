//! What comes after a landing: which changes a person looks at, what they said of them, what escaped, and what was taken back; and the
//! figures that follow: review debt, escapes and rework by risk.
//!
//! Refuses to draw by chance: which change is looked at follows from its commit, so that nobody can draw again.

use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::ids::{Oid, ProjectId, PullId};
use crate::project::Project;
use crate::pull::{Pull, PullState};
use crate::risk::RiskClass;
use crate::time::At;
use crate::who::Who;

/// What is found so long after a landing is not laid to it any more, in milliseconds.
pub const ESCAPES_MS: i64 = 14 * 24 * 3_600_000;

/// Of how many changes out of a hundred a person looks at, by risk; what is high is always looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplePolicy {
    /// Of those of medium risk.
    pub medium: u32,
    /// Of those of low risk.
    pub low: u32,
    /// Within so many hours; later it is overdue.
    pub within_h: u32,
}

impl Default for SamplePolicy {
    fn default() -> Self {
        Self { medium: 25, low: 5, within_h: 48 }
    }
}

impl SamplePolicy {
    /// Whether nothing else is said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Of how many out of a hundred.
    #[must_use]
    pub fn rate(&self, class: RiskClass) -> u32 {
        match class {
            RiskClass::High => 100,
            RiskClass::Medium => self.medium.min(100),
            RiskClass::Low => self.low.min(100),
        }
    }

    /// Whether a change that landed as this commit is looked at.
    #[must_use]
    pub fn draws(&self, class: RiskClass, commit: &Oid) -> bool {
        let hash = commit.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The upper half is mixed better.
        (hash >> 32) % 100 < u64::from(self.rate(class))
    }
}

/// What a person says of a change that landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is good.
    Fine,
    /// Something of it is to be mended.
    Fix,
    /// It is taken back.
    Revert,
}

impl Verdict {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Fix => "fix",
            Self::Revert => "revert",
        }
    }
}

/// A verdict with who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// What.
    pub verdict: Verdict,
    /// What it took, in minutes.
    pub minutes: u32,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// Who.
    pub by: Who,
    /// When.
    pub at: At,
}

/// Something that was wrong with a change, and was found once it had landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escape {
    /// What.
    pub says: String,
    /// The pull request that mends it or takes it back, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended_by: Option<PullId>,
    /// Who says so.
    pub by: Who,
    /// When.
    pub at: At,
}

/// What came after the landing of a pull request, and before it of its returns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct After {
    /// A person looks at it, until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<At>,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
    /// What was wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escapes: Vec<Escape>,
    /// It takes back that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes_back: Option<PullId>,
    /// It was taken back by that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<PullId>,
}

impl After {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a person is to look at it yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.drawn.is_some() && self.sampled.is_none() && self.taken_back.is_none()
    }

    /// Folds one thing in.
    pub fn apply(&mut self, what: &Happened) {
        match what {
            Happened::Drawn { until } => self.drawn = Some(*until),
            Happened::Sampled { sampled } => self.sampled = Some(sampled.clone()),
            Happened::Escaped { escape } => self.escapes.push(escape.clone()),
            Happened::TakenBack { by } => self.taken_back = Some(*by),
        }
    }
}

/// Something that happened after a landing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[allow(missing_docs, reason = "the fields of an event are the concepts they are named after")]
pub enum Happened {
    /// A person is to look at it.
    Drawn { until: At },
    /// A person looked.
    Sampled { sampled: Sampled },
    /// Something was wrong with it.
    Escaped { escape: Escape },
    /// It was taken back.
    TakenBack { by: PullId },
}

impl Happened {
    /// The word in the `kind` column and in lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Drawn { .. } => "sample-drawn",
            Self::Sampled { .. } => "sampled",
            Self::Escaped { .. } => "escaped",
            Self::TakenBack { .. } => "taken-back",
        }
    }

    /// In words for people.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Drawn { .. } => "a person is to look at it".to_owned(),
            Self::Sampled { sampled } => format!(
                "looked at by {} for {} minutes: {} {}",
                sampled.by,
                sampled.minutes,
                sampled.verdict.word(),
                sampled.says
            ),
            Self::Escaped { escape } => format!("something was wrong with it: {}", escape.says),
            Self::TakenBack { by } => format!("taken back by {by}"),
        }
    }
}

/// The class of a pull request; low if nobody weighed it.
#[must_use]
pub fn class(pull: &Pull) -> RiskClass {
    pull.review.risk.as_ref().map(|it| it.class).unwrap_or_default()
}

fn landed(fleet: &Fleet, project: Option<ProjectId>) -> impl Iterator<Item = &Pull> {
    let of = move |it: &&Pull| project.is_none_or(|project| it.project == project);
    fleet.pulls.values().filter(of).filter(|it| matches!(it.state, PullState::Landed { .. }))
}

/// What a person is to look at: the riskiest first, and of those the oldest.
#[must_use]
pub fn waiting(fleet: &Fleet, project: Option<ProjectId>) -> Vec<&Pull> {
    let mut all: Vec<&Pull> = landed(fleet, project).filter(|it| it.after.waits()).collect();
    all.sort_by_key(|it| (std::cmp::Reverse(class(it)), it.moved, it.id));
    all
}

/// What nobody looked at yet, of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// The class.
    pub class: RiskClass,
    /// What a person is to look at.
    pub waits: Vec<PullId>,
    /// So many lines of it.
    pub lines: u64,
    /// When the oldest of it landed.
    pub oldest: Option<At>,
    /// So many of them are overdue.
    pub overdue: u32,
    /// Lines that landed in all and that no person looked at, drawn or not.
    pub unseen_lines: u64,
}

/// Review debt by risk, the riskiest first.
#[must_use]
pub fn debt(fleet: &Fleet, project: Option<ProjectId>, now: At) -> Vec<Debt> {
    let lines = |it: &Pull| u64::from(it.size.added) + u64::from(it.size.removed);
    let of = |class_of: RiskClass| {
        let waits: Vec<&Pull> =
            waiting(fleet, project).into_iter().filter(|it| class(it) == class_of).collect();
        let overdue = waits.iter().filter(|it| it.after.drawn.is_some_and(|until| until < now)).count();
        let unseen = landed(fleet, project).filter(|it| class(it) == class_of && it.after.sampled.is_none());
        Debt {
            class: class_of,
            lines: waits.iter().map(|it| lines(it)).sum(),
            oldest: waits.first().map(|it| it.moved),
            overdue: u32::try_from(overdue).unwrap_or(u32::MAX),
            waits: waits.iter().map(|it| it.id).collect(),
            unseen_lines: unseen.map(lines).sum(),
        }
    };
    RiskClass::ALL.into_iter().map(of).collect()
}

/// How often changes of one class had to be done again, and how often something was wrong with what had landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// The class.
    pub class: RiskClass,
    /// So many landed.
    pub landed: u32,
    /// So many of them were looked at by a person afterwards.
    pub sampled: u32,
    /// Of those that landed something was wrong with so many, found within two weeks.
    pub escaped: u32,
    /// So many were sent back, or changed by what was found in them, before they landed or instead.
    pub reworked: u32,
    /// Of so many that came to an end.
    pub ended: u32,
}

impl Rates {
    /// In a line.
    #[must_use]
    pub fn says(&self) -> String {
        let of = |n: u32, all: u32| match all {
            0 => "none yet".to_owned(),
            all => format!("{n} of {all} ({} %)", (u64::from(n) * 100).div_ceil(u64::from(all))),
        };
        format!(
            "{} risk: escaped {}, reworked {}, looked at afterwards {}",
            self.class.word(),
            of(self.escaped, self.landed),
            of(self.reworked, self.ended),
            of(self.sampled, self.landed)
        )
    }
}

/// Whether something was wrong with what landed, and was found in time to be laid to it.
#[must_use]
pub fn escaped(pull: &Pull) -> bool {
    pull.after.escapes.iter().any(|it| it.at.since_ms(pull.moved) <= ESCAPES_MS)
}

/// Rework and escapes by risk, the riskiest first.
#[must_use]
pub fn rates(fleet: &Fleet, project: Option<ProjectId>) -> Vec<Rates> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    // What nobody weighed is of no class, and says nothing of one.
    let is_of = |it: &Pull, class: RiskClass| it.review.risk.as_ref().is_some_and(|it| it.class == class);
    let of = |class_of: RiskClass| {
        let all: Vec<&Pull> = landed(fleet, project).filter(|it| is_of(it, class_of)).collect();
        let ended = fleet.pulls.values().filter(|it| {
            project.is_none_or(|project| it.project == project) && it.state.is_over() && is_of(it, class_of)
        });
        let ended: Vec<&Pull> = ended.collect();
        let again = |it: &&&Pull| it.bounces > 0 || it.state == PullState::Bounced || it.review.patches() > 1;
        Rates {
            class: class_of,
            landed: count(all.len()),
            sampled: count(all.iter().filter(|it| it.after.sampled.is_some()).count()),
            escaped: count(all.iter().filter(|it| escaped(it)).count()),
            reworked: count(ended.iter().filter(again).count()),
            ended: count(ended.len()),
        }
    };
    RiskClass::ALL.into_iter().map(of).collect()
}

/// In whose name changes of a class land by themselves.
#[must_use]
pub fn auto_landed(class: RiskClass) -> Who {
    Who::Policy(format!("auto-land of {} risk", class.word()))
}

/// Whether the yes of a pull request still counts: one of a switch does as long as that is on.
#[must_use]
pub fn yes_counts(project: &Project, pull: &Pull) -> bool {
    let class = class(pull);
    let by_switch = pull.approval.as_ref().is_some_and(|yes| yes.by == auto_landed(class));
    !by_switch || project.auto_land.contains(&class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_high_is_always_looked_at_and_the_rest_by_its_rate() {
        let policy = SamplePolicy::default();
        let commit = |n: u32| Oid(format!("{:040x}", u128::from(n) * 0x9e37_79b9_7f4a_7c15));
        let drawn = |class| (0..2000).filter(|n| policy.draws(class, &commit(*n))).count();
        assert_eq!(drawn(RiskClass::High), 2000);
        let (medium, low) = (drawn(RiskClass::Medium), drawn(RiskClass::Low));
        assert!((400..600).contains(&medium) && (60..140).contains(&low), "{medium} {low}");
        let none = SamplePolicy { medium: 0, low: 0, ..policy };
        assert!((0..2000).all(|n| !none.draws(RiskClass::Low, &commit(n))));
        assert_eq!(policy.draws(RiskClass::Low, &commit(7)), policy.draws(RiskClass::Low, &commit(7)));
    }

    #[test]
    fn rates_are_told_with_what_they_are_of() {
        let rates = Rates { class: RiskClass::Low, landed: 3, sampled: 1, escaped: 1, reworked: 0, ended: 0 };
        assert_eq!(
            rates.says(),
            "low risk: escaped 1 of 3 (34 %), reworked none yet, looked at afterwards 1 of 3 (34 %)"
        );
    }
}
