//! What happens to a card, and the one fold of it.
//!
//! Refuses to judge: what does not fit changes nothing.

use serde::{Deserialize, Serialize};

use super::{
    Began, Card, Clear, Draft, Due, Finding, Pass, Reading, Role, Sat, Sitting, Stage, Used, Verdict,
};
use crate::gate::{Override, SpecGate};
use crate::ids::{ItemId, Oid, ProjectId};
use crate::run::Policy;
use crate::time::At;

/// What happened to a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[allow(missing_docs, reason = "the fields are the concepts they are named after")]
pub enum Happened {
    /// An item was begun from an idea.
    Begun { project: ProjectId, draft: Box<Draft> },
    /// A person let it go on by another policy, or with other lenses.
    Taken { policy: Box<Policy>, lenses: Vec<String> },
    /// A session is to come.
    Due { due: Due },
    /// A session sits down to it.
    Sits { sitting: Sitting },
    /// It is over, and this was read of what it left.
    Read { sat: Sat, reading: Reading },
    /// Somebody went on with it on its branch, and a person wants that to count.
    Adopted { head: Oid },
    /// A refinement begins.
    PassBegun { pass: Pass },
    /// A lens showed nothing.
    Cleared { clear: Clear },
    /// Something was found.
    Found { finding: Finding },
    /// Its author said what becomes of a finding.
    Settled { finding: u32, verdict: Verdict },
    /// A refinement is over.
    PassEnded { after: Oid, diff: String },
    /// It went along.
    Moved { to: Stage, why: String },
    /// A person let the item past a gate.
    Overridden { given: Override },
    /// A run began, and so its gates stood.
    Began { began: Began },
}

impl Happened {
    /// The word in the `kind` column and in lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begun { .. } => "draft-begun",
            Self::Taken { .. } => "draft-taken",
            Self::Due { .. } => "draft-due",
            Self::Sits { .. } => "draft-sits",
            Self::Read { .. } => "draft-read",
            Self::Adopted { .. } => "draft-adopted",
            Self::PassBegun { .. } => "pass-begun",
            Self::Cleared { .. } => "lens-clear",
            Self::Found { .. } => "finding-found",
            Self::Settled { .. } => "finding-settled",
            Self::PassEnded { .. } => "pass-ended",
            Self::Moved { .. } => "draft-moved",
            Self::Overridden { .. } => "gate-overridden",
            Self::Began { .. } => "gates-stood",
        }
    }

    /// In one line for people; nothing for what only machines mind.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        Some(match self {
            Self::Begun { draft, .. } if draft.is_taken_up() => {
                format!("taken up to be refined; answered for by {}", draft.author.says())
            }
            Self::Begun { draft, .. } => {
                format!("begun from {}, drafted by {}", draft.source.says(), draft.author.says())
            }
            Self::Sits { sitting } => {
                format!(
                    "{} sits down to {} it ({})",
                    sitting.by.says(),
                    sitting.due.role.word(),
                    sitting.session
                )
            }
            Self::PassBegun { pass } => format!("refinement {} begins, by {}", pass.number, pass.by.says()),
            Self::Cleared { clear } => format!("{}: nothing found", clear.lens),
            Self::Found { finding: it } => {
                format!("{}. {} ({}): {}", it.number, it.severity.word(), it.lens, it.says)
            }
            Self::Settled { finding, verdict } => {
                let word = if verdict.accepted { "accepted" } else { "rejected" };
                format!("{finding}. {word}: {}", verdict.because)
            }
            Self::Moved { to, why } => format!("{}: {why}", to.word()),
            Self::Adopted { head } => format!("what somebody made of it at {} counts", head.short()),
            Self::Overridden { given } => format!("{} overridden: {}", given.gate.word(), given.because),
            Self::Taken { .. }
            | Self::Due { .. }
            | Self::Read { .. }
            | Self::PassEnded { .. }
            | Self::Began { .. } => {
                return None;
            }
        })
    }
}

impl Card {
    /// The card of an item of which nothing is known yet.
    #[must_use]
    pub fn of(item: ItemId) -> Self {
        Self { item, draft: None, overrides: Vec::new(), began: None }
    }

    /// The newest override of a gate that was given for this very spec.
    #[must_use]
    pub fn overridden(&self, gate: SpecGate, tree: &Oid) -> Option<&Override> {
        self.overrides.iter().rev().find(|it| it.gate == gate && it.tree == *tree)
    }

    /// Folds in what happened. What does not fit changes nothing.
    pub fn apply(&mut self, what: &Happened, at: At) {
        match what {
            Happened::Begun { draft, .. } => self.draft = Some(draft.as_ref().clone()),
            Happened::Overridden { given } => self.overrides.push(given.clone()),
            Happened::Began { began } => self.began = Some(began.clone()),
            _ => {
                if let Some(draft) = &mut self.draft {
                    draft.apply(what, at);
                }
            }
        }
    }
}

impl Draft {
    fn apply(&mut self, what: &Happened, at: At) {
        match what {
            Happened::Taken { policy, lenses } => {
                self.policy = policy.as_ref().clone();
                self.lenses.clone_from(lenses);
                self.earlier = self.passes.iter().filter(|it| it.ended.is_some()).count();
            }
            Happened::Due { due } => self.due = Some(*due),
            Happened::Sits { sitting } => {
                self.sitting = Some(sitting.clone());
                self.due = None;
                // Of one that is read again it is known until it was read.
                self.unread = self.unread.take().filter(|it| it.session == sitting.session);
            }
            Happened::Read { sat, reading } => {
                let sitting = self.sitting.take();
                self.unread = None;
                // Who only looks changes nothing.
                if sat.role != Role::Refine {
                    self.worktree = sitting.map(|it| it.worktree).or(self.worktree);
                    self.head = reading.commit.clone();
                    self.reading = Some(reading.clone());
                } else if let Some(pass) = self.passes.last_mut() {
                    let tokens = pass.used.tokens + sat.used.tokens;
                    pass.used = Used { tokens, ..sat.used.clone() };
                }
                self.sat.push(sat.clone());
            }
            Happened::Adopted { head } => self.head = head.clone(),
            Happened::PassBegun { pass } => self.passes.push(pass.clone()),
            Happened::Cleared { clear } => self.pass(|it| {
                it.clear.retain(|known| known.lens != clear.lens);
                it.clear.push(clear.clone());
            }),
            Happened::Found { finding } => self.pass(|it| {
                // What somebody sees on a second look counts.
                it.clear.retain(|known| known.lens != finding.lens);
                it.findings.push(finding.clone());
            }),
            Happened::Settled { finding, verdict } => self.pass(|it| {
                if let Some(it) = it.findings.iter_mut().find(|it| it.number == *finding) {
                    it.verdict = Some(verdict.clone());
                }
            }),
            Happened::PassEnded { after, diff } => self.pass(|it| {
                it.after = Some(after.clone());
                it.diff.clone_from(diff);
                it.ended = Some(at);
            }),
            Happened::Moved { to, why } => {
                self.stage = *to;
                self.why.clone_from(why);
                self.moved = at;
                if to.rests() {
                    self.due = None;
                    if let Some(left) = self.sitting.take() {
                        // Tried twice, it is left to a person.
                        let again = self.unread.as_ref().is_some_and(|it| it.session == left.session);
                        self.unread = (!again).then_some(left);
                    }
                }
            }
            Happened::Begun { .. } | Happened::Overridden { .. } | Happened::Began { .. } => {}
        }
    }

    fn pass(&mut self, change: impl FnOnce(&mut Pass)) {
        if let Some(it) = self.passes.last_mut().filter(|it| it.ended.is_none()) {
            change(it);
        }
    }
}
