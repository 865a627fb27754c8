//! What happens to the review of a pull request, and the one fold of it.
//!
//! Refuses to judge: what names something unknown changes nothing.

use serde::{Deserialize, Serialize};

use super::{Answer, Finding, Reply, Review, Round, Sitting, Stage, Stands};
use crate::card::Clear;
use crate::ids::{Oid, SessionId};
use crate::risk::Risk;
use crate::time::At;

/// Something that happened to a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[allow(missing_docs, reason = "the fields of an event are the concepts they are named after")]
pub enum Happened {
    /// Its head was looked at: how risky it is, and which patch it is.
    Weighed { risk: Risk, patch: String },
    /// It came to stand somewhere.
    Moved { to: Stage, why: String },
    /// A reviewer begins to look at a patch.
    RoundBegun { round: Round },
    /// Every lens of a round was answered.
    RoundEnded {},
    /// A round is over that nobody looked to the end in.
    RoundDropped {},
    /// A session sits down.
    Sits { sitting: Sitting },
    /// A session got up; what an author left is being read.
    Rose { session: SessionId, left: bool },
    /// What an author left is on the branch, or was nothing.
    Read { session: SessionId, commit: Option<Oid> },
    /// A lens showed nothing.
    Cleared { clear: Clear },
    /// Something was found.
    Found { finding: Finding },
    /// Something was said that lies below the line.
    Dropped {},
    /// Somebody says what becomes of a finding.
    Answered { finding: u32, answer: Answer },
    /// What was accepted and never committed is open again.
    Reopened { findings: Vec<u32> },
    /// A person grants another round.
    Granted {},
}

impl Happened {
    /// The word in the `kind` column and in lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Weighed { .. } => "risk-weighed",
            Self::Moved { .. } => "review-moved",
            Self::RoundBegun { .. } => "round-begun",
            Self::RoundEnded {} => "round-ended",
            Self::RoundDropped {} => "round-dropped",
            Self::Sits { .. } => "review-sits",
            Self::Rose { .. } => "review-rose",
            Self::Read { .. } => "review-read",
            Self::Cleared { .. } => "review-cleared",
            Self::Found { .. } => "review-found",
            Self::Dropped {} => "review-dropped",
            Self::Answered { .. } => "review-answered",
            Self::Reopened { .. } => "review-reopened",
            Self::Granted {} => "review-granted",
        }
    }
}

impl Happened {
    /// In words for people; nothing for what only matters to the machine.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        Some(match self {
            Self::Weighed { risk, .. } => format!("risk {}: {}", risk.class.word(), risk.rule),
            Self::Moved { to, why } => format!("review {}: {why}", to.word()),
            Self::RoundBegun { round } => format!("round {} by {}", round.number, round.by.says()),
            Self::RoundEnded {} => "a reviewer looked through it".to_owned(),
            Self::Sits { sitting } => {
                format!("{} sits down in {} to {}", sitting.by.says(), sitting.session, sitting.role.word())
            }
            Self::Read { commit: Some(commit), .. } => format!("findings are answered by {}", commit.short()),
            Self::Cleared { clear } => format!("{}: nothing found; {}", clear.lens, clear.says),
            Self::Found { finding } => {
                let place = finding.place();
                format!("{} {place} found: {}", finding.priority.word(), finding.what)
            }
            Self::Answered { finding, answer } => {
                format!("finding {finding} {} by {}: {}", answer.reply, answer.by, answer.says)
            }
            Self::Reopened { findings } => {
                let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
                format!("accepted and not committed, so open again: {}", all.join(", "))
            }
            Self::Granted {} => "one more round is granted".to_owned(),
            Self::RoundDropped {} | Self::Rose { .. } | Self::Read { .. } | Self::Dropped {} => return None,
        })
    }
}

impl Review {
    /// Folds one thing in.
    pub fn apply(&mut self, what: &Happened, at: At) {
        match what {
            Happened::Weighed { risk, patch } => {
                self.risk = Some(risk.clone());
                self.patch.clone_from(patch);
            }
            Happened::Moved { to, why } => {
                self.stands = Some(Stands { stage: *to, why: why.clone(), since: at });
            }
            Happened::RoundBegun { round } => self.rounds.push(round.clone()),
            Happened::RoundEnded {} => self.round(|it| it.ended = Some(at)),
            Happened::RoundDropped {} => {
                if self.open_round().is_some() {
                    self.rounds.pop();
                }
            }
            Happened::Sits { sitting } => self.sitting = Some(sitting.clone()),
            Happened::Rose { session, left } => {
                let rose = self.sitting.take_if(|it| it.session == *session);
                if *left {
                    self.unread = rose;
                }
            }
            Happened::Read { session, commit } => {
                self.unread.take_if(|it| it.session == *session);
                for it in &mut self.findings {
                    if let Some(Answer { reply: Reply::Accepted { commit: by @ None }, .. }) = &mut it.answer
                    {
                        by.clone_from(commit);
                    }
                }
            }
            Happened::Cleared { clear } => self.round(|it| {
                it.clear.retain(|known| known.lens != clear.lens);
                it.clear.push(clear.clone());
            }),
            Happened::Found { finding } => self.findings.push(finding.clone()),
            Happened::Dropped {} => {
                self.dropped += 1;
                self.round(|it| it.dropped += 1);
            }
            Happened::Answered { finding, answer } => {
                if let Some(it) = self.findings.iter_mut().find(|it| it.number == *finding) {
                    it.answer = Some(answer.clone());
                }
            }
            Happened::Reopened { findings } => {
                for it in self.findings.iter_mut().filter(|it| findings.contains(&it.number)) {
                    it.answer = None;
                }
            }
            Happened::Granted {} => self.granted += 1,
        }
    }

    fn round(&mut self, change: impl FnOnce(&mut Round)) {
        if let Some(it) = self.rounds.last_mut().filter(|it| it.ended.is_none()) {
            change(it);
        }
    }
}
