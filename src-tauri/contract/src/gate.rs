//! The gates that an item passes before a run works on it, each with what was looked at, and what a person overrode.
//!
//! Refuses to look: whoever can see the files says what they say.

use serde::{Deserialize, Serialize};

use crate::ids::{EvidenceId, Oid};
use crate::layout::Diagnostic;
use crate::time::At;
use crate::who::Who;

/// The gates from an idea to the first work on it. Numbers are those of the design's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SpecGate {
    /// Intake: who answers for it, and whether there is room for more.
    G0,
    /// The spec's shape.
    G1,
    /// Its refinement by another family, and its open questions.
    G2,
    /// Compatibility and risk.
    G3,
    /// A yes to this very spec.
    G4,
    /// The plan.
    G5,
    /// Proofs that fail before the work.
    G6,
}

impl SpecGate {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [Self::G0, Self::G1, Self::G2, Self::G3, Self::G4, Self::G5, Self::G6];

    /// Its name in the design.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::G0 => "G0",
            Self::G1 => "G1",
            Self::G2 => "G2",
            Self::G3 => "G3",
            Self::G4 => "G4",
            Self::G5 => "G5",
            Self::G6 => "G6",
        }
    }

    /// What it looks at.
    #[must_use]
    pub fn looks_at(self) -> &'static str {
        match self {
            Self::G0 => "intake",
            Self::G1 => "shape of the spec",
            Self::G2 => "refinement and open questions",
            Self::G3 => "risk and compatibility",
            Self::G4 => "approval",
            Self::G5 => "the plan",
            Self::G6 => "proofs fail before the work",
        }
    }

    /// The gate of that name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word().eq_ignore_ascii_case(word))
    }
}

/// Whether a gate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It does not, and a person let the item past it, with a reason.
    Overridden,
    /// It is looked at later: by who starts the run, and by the run.
    Later,
}

impl Holds {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "holds",
            Self::No => "does not hold",
            Self::Overridden => "overridden",
            Self::Later => "comes later",
        }
    }
}

/// How one gate stands: the evidence of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// Which gate.
    pub gate: SpecGate,
    /// Whether it holds.
    pub holds: Holds,
    /// In one sentence, what was looked at and what of it.
    pub says: String,
    /// The commit that was looked at.
    pub commit: Oid,
    /// The hash of the spec's folder or file there.
    pub tree: Oid,
    /// When.
    pub at: At,
    /// What was found, each with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Diagnostic>,
    /// Records of commands that ran for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceId>,
    /// Who let the item past it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
}

/// That a person let an item past a gate. It is for this very spec: another one needs another reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Which gate.
    pub gate: SpecGate,
    /// The hash of the spec's folder or file that they let past.
    pub tree: Oid,
    /// Who.
    pub by: Who,
    /// When.
    pub at: At,
    /// Why.
    pub because: String,
}

/// What a gate that is not passed does to a run of an item that came with its repository. One that was begun here is always held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gates {
    /// It is told, with the run.
    #[default]
    Report,
    /// The run does not begin.
    Hold,
}
