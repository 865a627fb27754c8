//! Pull requests on the built-in local forge.

use serde::{Deserialize, Serialize};

use crate::after::After;
use crate::ids::{EvidenceId, ItemId, Oid, ProjectId, PullId, RefName, RunId, SessionId};
use crate::published::Published;
use crate::queue::{Queued, Said};
use crate::review::Review;
use crate::time::At;
use crate::who::Who;

/// A proposed change of the default branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Its id.
    pub id: PullId,
    /// The project.
    pub project: ProjectId,
    /// The item.
    pub item: ItemId,
    /// The run that opened it.
    pub run: RunId,
    /// Its title.
    pub title: String,
    /// What, why, how verified.
    pub body: Body,
    /// The branch it lands on.
    pub onto: RefName,
    /// The branch it comes from.
    pub from: RefName,
    /// The commit it proposes.
    pub head: Oid,
    /// The commits it brings.
    pub commits: u32,
    /// Lines added and taken away against the merge base.
    pub size: Size,
    /// Where it stands.
    pub state: PullState,
    /// Why it stands there.
    pub why: String,
    /// The merge result that is being checked, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<MergeResult>,
    /// The checks on that merge result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<PullCheck>,
    /// The yes, bound to the head it was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<PullApproval>,
    /// Its risk, who reviewed it, and what came of that.
    #[serde(default, skip_serializing_if = "Review::is_empty")]
    pub review: Review,
    /// What came after its landing.
    #[serde(default, skip_serializing_if = "After::is_empty")]
    pub after: After,
    /// The session that runs one of its checks, while one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checking: Option<SessionId>,
    /// Checks of it that were ended because nobody needs to know any more, and whose ends are not known yet: they say nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<SessionId>,
    /// Its place in the queue, once somebody said yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// How often it was sent back.
    #[serde(default, skip_serializing_if = "crate::wait::is_zero")]
    pub bounces: u32,
    /// What it is on another forge, once a person had it sent there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// When it was opened.
    pub opened: At,
    /// When it last moved.
    pub moved: At,
}

impl Pull {
    /// Whether somebody said yes to the head that it proposes.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.approval.as_ref().is_some_and(|yes| yes.head == self.head)
    }

    /// Whether a person lets it land though the line is held: while it was held so, and not at another time before.
    #[must_use]
    pub fn escapes(&self, held: &Said) -> bool {
        let escape = self.queued.as_ref().and_then(|it| it.escape.as_ref());
        escape.is_some_and(|it| it.at >= held.at)
    }
}

/// Lines added and taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Size {
    /// Files that changed.
    pub files: u32,
    /// Lines added.
    pub added: u32,
    /// Lines taken away.
    pub removed: u32,
}

/// The structured body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Body {
    /// What changed, a line each.
    pub what: Vec<String>,
    /// Why: from the spec's summary.
    pub why: String,
    /// How it was verified; each line is bound to an evidence row.
    pub verified: Vec<VerifiedLine>,
}

/// One line of "how verified".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedLine {
    /// What it says.
    pub says: String,
    /// The evidence that says so.
    pub evidence: EvidenceId,
}

/// A merge of the pull request's head into the default branch, made before anything is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeResult {
    /// What it was made on: the default branch's commit, or in the queue the merge result ahead of it.
    pub onto: Oid,
    /// The head that was merged.
    pub head: Oid,
    /// The merge commit: what will land.
    pub commit: Oid,
    /// Its tree: what is checked.
    pub tree: Oid,
}

/// One check of a merge result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullCheck {
    /// The command.
    pub command: String,
    /// Its evidence, once it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
    /// Whether it passed, once it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullApproval {
    /// Who gave it.
    pub by: Who,
    /// For which head. Another head needs another yes.
    pub head: Oid,
    /// When.
    pub at: At,
}

/// Where a pull request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum PullState {
    /// The merge result is being made and checked.
    Checking,
    /// Checked; it waits for a yes.
    WaitsForApproval,
    /// Checked and approved; it waits for its landing.
    Landable,
    /// Being landed.
    Landing,
    /// The checkout of the default branch is in the way.
    WaitsForCheckout {
        /// The checkout.
        checkout: String,
        /// The paths in the way.
        paths: Vec<String>,
    },
    /// The project's line is stopped.
    WaitsForLine,
    /// On the default branch.
    Landed {
        /// Its merge commit: the default branch was moved there, or to one that landed with it and holds it.
        commit: Oid,
    },
    /// Sent back.
    Bounced,
}

impl PullState {
    /// The word shown to people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::WaitsForApproval => "waits-for-approval",
            Self::Landable => "landable",
            Self::Landing => "landing",
            Self::WaitsForCheckout { .. } => "waits-for-checkout",
            Self::WaitsForLine => "waits-for-line",
            Self::Landed { .. } => "landed",
            Self::Bounced => "bounced",
        }
    }

    /// Whether it has come to an end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Landed { .. } | Self::Bounced)
    }
}
