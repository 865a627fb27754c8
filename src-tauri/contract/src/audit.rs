//! The completeness audit: what a fresh session says of each requirement of a run's spec, and by what evidence. It is judgement,
//! and its answers are checked: what is said to be shown must be shown by evidence of this run that holds.

use serde::{Deserialize, Serialize};

use crate::ids::{EvidenceId, Oid, SessionId};

/// One audit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The commit of the item branch that it is about.
    pub head: Oid,
    /// The session that judges, a fresh one for each round.
    pub session: SessionId,
    /// The how-manieth session that was asked, from 1.
    pub round: u32,
    /// What it said so far, at most one verdict a requirement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Judged>,
    /// The evidence that it came to an end, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
}

/// What was said of one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Its id, as `FR-001`.
    pub requirement: String,
    /// What was said.
    pub verdict: Shown,
}

/// Whether a requirement is shown to be met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shown")]
pub enum Shown {
    /// It is, by this evidence.
    Met {
        /// At least one that holds.
        evidence: Vec<EvidenceId>,
    },
    /// It is not.
    Missing {
        /// What is missing, in the judge's words.
        why: String,
    },
    /// Nobody said.
    Unsaid,
}

impl Audit {
    /// How many requirements it found to be met so far, of how many it spoke of; that it has said nothing yet.
    #[must_use]
    pub fn says(&self) -> String {
        if self.verdicts.is_empty() {
            return "no verdict yet".to_owned();
        }
        let met = self.verdicts.len() - self.gaps().count();
        format!("{met} of {} requirements met", self.verdicts.len())
    }

    /// What was said of a requirement.
    #[must_use]
    pub fn verdict(&self, requirement: &str) -> &Shown {
        let said = self.verdicts.iter().find(|it| it.requirement == requirement);
        said.map_or(&Shown::Unsaid, |it| &it.verdict)
    }

    /// The requirements that are not shown to be met.
    pub fn gaps(&self) -> impl Iterator<Item = &Judged> {
        self.verdicts.iter().filter(|it| !matches!(it.verdict, Shown::Met { .. }))
    }
}
