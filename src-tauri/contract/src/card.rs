//! The card of an item: where its idea came from, how its spec was drafted, refined and planned, and which gates a person
//! overrode, with their reasons. What happens to it, and the one fold of that, lies in `card/happened.rs`.
//!
//! Refuses to judge what is good: a finding has the severity and the verdict that were given to it.

mod happened;

pub use happened::Happened;
use serde::{Deserialize, Serialize};

use crate::gate::{Override, Stand};
use crate::ids::{ItemId, Oid, RefName, RunId, SessionId, WorktreeId};
use crate::layout::{GateLook, Layout};
use crate::run::{AgentChoice, Policy};
use crate::time::At;
use crate::who::Who;

/// What is known of an item before a run carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Of which item.
    pub item: ItemId,
    /// How its spec comes about, if it was begun here and did not come with the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Draft>,
    /// Gates that a person let it past, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// How its gates stood when its newest run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Began>,
}

/// How the gates stood when a run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// Which run.
    pub run: RunId,
    /// Each gate.
    pub gates: Vec<Stand>,
}

/// Where an idea came from. Its words are other people's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Source {
    /// Somebody typed it.
    Sentence {
        /// The words.
        text: String,
    },
    /// It stood in a file.
    File {
        /// Which, as it was named.
        path: String,
        /// Its text.
        text: String,
    },
    /// An issue of a tracker.
    Issue {
        /// Which, as its tracker names it.
        reference: String,
        /// Its title.
        title: String,
        /// What it says.
        text: String,
    },
    /// It came with the repository, and is refined here.
    Repository {
        /// Its folder.
        path: String,
        /// Its title.
        title: String,
    },
}

impl Source {
    /// Its words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Sentence { text } | Self::File { text, .. } | Self::Issue { text, .. } => text,
            Self::Repository { .. } => "",
        }
    }

    /// What people call it: its title, or its first line that says something.
    #[must_use]
    pub fn title(&self) -> &str {
        let first =
            || self.text().lines().map(|it| it.trim_matches(['#', ' ', '\t'])).find(|it| !it.is_empty());
        match self {
            Self::Issue { title, .. } | Self::Repository { title, .. } => title,
            _ => first().unwrap_or_default(),
        }
    }

    /// Where from, in words.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Sentence { .. } => "a sentence".to_owned(),
            Self::File { path, .. } => format!("the file {path}"),
            Self::Issue { reference, .. } => format!("the issue {reference}"),
            Self::Repository { path, .. } => format!("what the repository has in {path}"),
        }
    }
}

/// An agent as an author or a refiner, with the family of its model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The agent.
    pub agent: AgentChoice,
    /// The family of its model; nothing if nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
}

impl Writer {
    /// Its name with its family.
    #[must_use]
    pub fn says(&self) -> String {
        let family = self.family.as_deref().unwrap_or("of an unknown family");
        format!("{} ({family})", self.agent.name)
    }
}

/// How the spec of an item comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Where the idea came from.
    pub source: Source,
    /// In whose layout it is written.
    pub layout: Layout,
    /// The spec's folder, relative to the top of the repository.
    pub folder: String,
    /// The branch that it is written on, until a run carries it.
    pub branch: RefName,
    /// Feature, fix, migration, zero-to-one or boundary-refactor.
    pub kind: String,
    /// Who answers for it.
    pub owner: String,
    /// Who answers for it when it breaks at night; nothing if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nights: Option<String>,
    /// What each refinement looks through; each has to be answered.
    pub lenses: Vec<String>,
    /// Who writes it.
    pub author: Writer,
    /// What its sessions are started under.
    pub policy: Policy,
    /// Where it stands.
    pub stage: Stage,
    /// Why it stands there.
    pub why: String,
    /// The newest commit of its branch.
    pub head: Oid,
    /// The session that is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sitting: Option<Sitting>,
    /// A session that is over, of which nothing was read yet: what it left lies in its worktree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Sitting>,
    /// The session that comes next, once nothing is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// What was read of it when a session ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// Its refinement passes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<Pass>,
    /// So many of them were over when a person asked for the newest refinement.
    #[serde(default)]
    pub earlier: usize,
    /// Its sessions that are over, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sat: Vec<Sat>,
    /// The worktree that its newest commit lies in, for whoever wants to look; those before are put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<WorktreeId>,
    /// When it last moved.
    pub moved: At,
}

impl Draft {
    /// Whether its spec came with the repository, and is only refined here.
    #[must_use]
    pub fn is_taken_up(&self) -> bool {
        matches!(self.source, Source::Repository { .. })
    }

    /// The pass that is under way.
    #[must_use]
    pub fn open_pass(&self) -> Option<&Pass> {
        self.passes.last().filter(|it| it.ended.is_none())
    }

    /// All that its sessions used, in tokens read anew and written.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.sat.iter().map(|it| it.used.tokens).sum()
    }
}

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its author writes it.
    Drafting,
    /// It is written, and waits for its refinement.
    Drafted,
    /// Others look for what is missing, and its author answers them.
    Refining,
    /// Its refinement is over; the plan comes next.
    Refined,
    /// Its author writes the plan.
    Planning,
    /// The plan holds: a run may begin.
    Planned,
    /// It goes on only by a person.
    Stopped,
}

impl Stage {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drafting => "drafting",
            Self::Drafted => "drafted",
            Self::Refining => "refining",
            Self::Refined => "refined",
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Stopped => "stopped",
        }
    }

    /// Whether nothing happens until a person acts.
    #[must_use]
    pub fn rests(self) -> bool {
        matches!(self, Self::Drafted | Self::Planned | Self::Stopped)
    }
}

/// What a session of a draft is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Its author writes the spec.
    Draft,
    /// Somebody else looks for what is missing and what could go wrong.
    Refine,
    /// Its author gives each finding a verdict, and changes the spec by those that are accepted.
    Settle,
    /// Its author writes the plan.
    Plan,
}

impl Role {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Refine => "refine",
            Self::Settle => "settle",
            Self::Plan => "plan",
        }
    }
}

/// A session that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// What for.
    pub role: Role,
    /// The how-manieth for the same, from 1.
    pub round: u32,
}

/// A session at a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// The session: a fresh one each time.
    pub session: SessionId,
    /// Its worktree.
    pub worktree: WorktreeId,
    /// The commit that it begins from.
    pub base: Oid,
    /// What it is for.
    pub due: Due,
    /// Who sits.
    pub by: Writer,
}

/// What a session used, by its agent's own log; nothing of one that keeps none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    /// The model that it used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The family of that model, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Tokens read anew and written.
    pub tokens: u64,
}

/// A session at a draft that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sat {
    /// The session.
    pub session: SessionId,
    /// What it was for.
    pub role: Role,
    /// Whose it was.
    pub by: String,
    /// What it used.
    pub used: Used,
}

/// What was read of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The commit.
    pub commit: Oid,
    /// The hash of the spec's folder or file there.
    pub tree: Oid,
    /// What its gates say, as far as files can tell.
    pub gates: Vec<GateLook>,
    /// Paths outside its folder that the session changed: they were not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strayed: Vec<String>,
    /// Open tasks that name no scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopeless: Vec<String>,
    /// The change since the commit that the session began from, cut where it is long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

impl Reading {
    /// What keeps a gate from holding, by the gate's name; nothing if it holds.
    #[must_use]
    pub fn blocks(&self, gate: &str) -> Option<String> {
        let look = self.gates.iter().filter(|it| it.gate == gate);
        let mut found = look.flat_map(|it| &it.found).filter(|it| it.remark.blocking);
        found.next().map(|it| format!("{}:{}: {}", it.remark.file, it.remark.line, it.remark.says))
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It would be nicer.
    Low,
    /// Somebody would build the wrong thing, or build it twice.
    Medium,
    /// It would not work.
    High,
    /// It would do harm.
    Critical,
}

impl Severity {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical].into_iter().find(|it| it.word() == word)
    }
}

/// Something that is missing in a spec, or could go wrong by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its number in the pass, from 1.
    pub number: u32,
    /// The lens that it was seen through.
    pub lens: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it says.
    pub says: String,
    /// Where, as `spec.md:12`; empty for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// The text that is proposed; empty if none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proposes: String,
    /// What its author said of it, once they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

impl Finding {
    /// Whether it was accepted.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.verdict.as_ref().is_some_and(|it| it.accepted)
    }
}

/// What the author of a spec says of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the spec is changed by it.
    pub accepted: bool,
    /// Why, or why not.
    pub because: String,
}

/// That a lens showed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clear {
    /// Which lens.
    pub lens: String,
    /// What was looked at.
    pub says: String,
}

/// That a refiner of the author's own family was let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excuse {
    /// By whom.
    pub by: Who,
    /// Why.
    pub because: String,
}

/// One refinement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// Its number, from 1.
    pub number: u32,
    /// Who refines.
    pub by: Writer,
    /// Why that may be one of the author's own family, or of one that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Excuse>,
    /// What it looks through.
    pub lenses: Vec<String>,
    /// The commit that it looks at.
    pub before: Oid,
    /// Lenses that showed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<Clear>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What its refiner's sessions used.
    #[serde(default)]
    pub used: Used,
    /// The commit that it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Oid>,
    /// The change of the spec by it, cut where it is long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// When it began.
    pub began: At,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<At>,
}

impl Pass {
    /// Lenses that nobody said anything of.
    pub fn open_lenses(&self) -> impl Iterator<Item = &str> {
        let said = |lens: &&str| {
            self.clear.iter().any(|it| it.lens == *lens) || self.findings.iter().any(|it| it.lens == *lens)
        };
        self.lenses.iter().map(String::as_str).filter(move |it| !said(it))
    }

    /// Findings without a verdict.
    pub fn unsettled(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.verdict.is_none())
    }

    /// How many findings of medium or above were accepted: while there are, another pass is worth it.
    #[must_use]
    pub fn weighty(&self) -> usize {
        self.findings.iter().filter(|it| it.accepted() && it.severity >= Severity::Medium).count()
    }

    /// What came of it, in words.
    #[must_use]
    pub fn says(&self) -> String {
        let accepted = self.findings.iter().filter(|it| it.accepted()).count();
        match self.findings.len() {
            0 if self.ended.is_none() => "nothing found yet".to_owned(),
            0 => "nothing found".to_owned(),
            n => format!("{n} found, {accepted} accepted, {} of medium or above", self.weighty()),
        }
    }

    /// Whether it was another family than the author's, as it was promised and as its agent's log says.
    #[must_use]
    pub fn is_of_others(&self, author: &Writer) -> bool {
        let differs = |it: Option<&String>| match (it, author.family.as_ref()) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        differs(self.by.family.as_ref()) && (self.used.family.is_none() || differs(self.used.family.as_ref()))
    }
}
