//! What is said of a change: findings by sessions that review it and by people, and answers to them.
//!
//! Refuses: whoever was not asked, findings that there are not, a second answer, and words that say nothing.

use pilothouse_contract::card::Clear;
use pilothouse_contract::review::{Answer, Finding, Happened, Reply, Role, Sitting};
use pilothouse_contract::run::{Touch, TouchKind};
use pilothouse_contract::{Event, Fault, PullId, SessionId, text};

use super::Said;
use crate::coordination::Work;
use crate::coordination::draft::{BECAUSE_MAX, cut};

/// A pull request holds so many findings.
const FINDINGS_MAX: usize = 100;
/// What is said in a finding, in signs.
const SAYS_MAX: usize = 2_000;
/// A path is so long at most, in signs.
const PATH_MAX: usize = 400;

impl Work<'_> {
    /// A session that reviews says something. What lies below the line is counted and no more.
    pub(super) fn reviewer_says(&mut self, session: SessionId, lens: &str, said: Said) -> Result<(), Fault> {
        let reviews = |it: &(PullId, Sitting)| it.1.role == Role::Review;
        let Some((pull, sitting)) = self.sits_at(session).filter(reviews) else {
            return Err(Fault::refused("nobody asks this session for findings"));
        };
        let it = self.pull(pull)?.clone();
        let round = it.review.open_round().cloned().ok_or_else(|| Fault::refused("no round is under way"))?;
        let Some(lens) = round.lenses.iter().find(|it| it.eq_ignore_ascii_case(lens.trim())).cloned() else {
            return Err(Fault::refused(format!("'{}' is no lens of this review", text::line(lens, 60)))
                .hint(format!("there are: {}", round.lenses.join(", "))));
        };
        let line = self.fleet.runs.get(&it.run).map(|it| it.policy.review.line).unwrap_or_default();
        let found = match said {
            Said::Nothing(says) => {
                let says = cut(&says, BECAUSE_MAX, "say what was looked at")?;
                return self.clear(pull, lens, says);
            }
            Said::Found(found) if found.priority <= line => found,
            Said::Below | Said::Found(_) => {
                self.review(pull, Happened::Dropped {}, true);
                return self.clear(pull, lens, "nothing above the line".to_owned());
            }
        };
        let what = cut(&found.what, SAYS_MAX, "say what is wrong")?;
        let path = text::line(&found.path, PATH_MAX);
        let agent = sitting.by.agent.name;
        // Said again, it is the same; and what was answered once is not said again by whoever said it.
        let same = |it: &&Finding| it.agent == agent && it.what == what && it.path == path;
        if it.review.findings.iter().any(|it| same(&it)) {
            return self.clear(pull, lens, "it was said before".to_owned());
        }
        self.found(pull, Finding { round: round.number, agent, lens, what, path, ..*found })
    }

    /// A lens is answered by what was found through it, or else by this.
    fn clear(&mut self, pull: PullId, lens: String, says: String) -> Result<(), Fault> {
        let open = self.pull(pull)?.review.open_lenses().contains(&lens.as_str());
        if open {
            self.review(pull, Happened::Cleared { clear: Clear { lens, says } }, true);
        }
        Ok(())
    }

    /// A finding gets its number.
    fn found(&mut self, pull: PullId, finding: Finding) -> Result<(), Fault> {
        let it = self.pull(pull)?;
        if it.review.findings.len() >= FINDINGS_MAX {
            return Err(Fault::refused(format!("a pull request holds at most {FINDINGS_MAX} findings"))
                .hint("a change of which so much is to be said is done anew"));
        }
        let number = u32::try_from(it.review.findings.len() + 1).unwrap_or(u32::MAX);
        let short = |it: &str| it.trim().chars().take(SAYS_MAX).collect::<String>();
        let finding = Finding {
            number,
            by: self.who.clone(),
            why: short(&finding.why),
            mend: short(&finding.mend),
            head: it.head.clone(),
            at: self.now,
            answer: None,
            ..finding
        };
        self.review(pull, Happened::Found { finding }, true);
        Ok(())
    }

    /// A person says something of a change. The author answers it like any other finding.
    pub(super) fn comment(&mut self, pull: PullId, finding: Finding) -> Result<(), Fault> {
        let (it, run) = self.may_be_reviewed(pull)?;
        let what = cut(&finding.what, SAYS_MAX, "a comment without words says nothing")?;
        let path = text::line(&finding.path, PATH_MAX);
        if it.review.unanswered().any(|it| it.what == what && it.path == path && it.line == finding.line) {
            return Err(Fault::refused("just this was said already, and is not answered yet"));
        }
        let (agent, lens) = (String::new(), String::new());
        self.found(pull, Finding { round: 0, agent, lens, what, path, ..finding })?;
        let touch = Touch { at: self.now, by: self.who.clone(), kind: TouchKind::Commented, session: None };
        self.emit(Event::RunTouched { run: run.id, touch });
        self.review_on(pull);
        Ok(())
    }

    /// A person answers a finding.
    pub(super) fn person_answers(
        &mut self,
        pull: PullId,
        finding: u32,
        reply: Reply,
        says: &str,
    ) -> Result<(), Fault> {
        let (it, run) = self.may_be_reviewed(pull)?;
        if let Some(sitting) = it.review.sitting.as_ref().filter(|it| it.role == Role::Answer) {
            return Err(Fault::refused(format!("its author answers this moment, in {}", sitting.session))
                .command("end that first", format!("pilothouse session kill {}", sitting.session)));
        }
        if matches!(reply, Reply::Accepted { commit: None }) {
            return Err(Fault::refused("what is accepted is mended by a commit of the branch: name it"));
        }
        self.answer(pull, finding, reply, says)?;
        let touch = Touch { at: self.now, by: self.who.clone(), kind: TouchKind::Answered, session: None };
        self.emit(Event::RunTouched { run: run.id, touch });
        // A person who has answered all of it has decided.
        if self.pull(pull)?.review.unanswered().next().is_none() {
            self.review_on(pull);
        }
        Ok(())
    }

    /// The author's session answers a finding.
    pub(super) fn author_answers(
        &mut self,
        session: SessionId,
        finding: u32,
        reply: Reply,
        says: &str,
    ) -> Result<(), Fault> {
        let answers = |it: &(PullId, Sitting)| it.1.role == Role::Answer;
        let Some((pull, _)) = self.sits_at(session).filter(answers) else {
            return Err(Fault::refused("nobody asks this session for answers"));
        };
        self.answer(pull, finding, reply, says)
    }

    fn answer(&mut self, pull: PullId, finding: u32, reply: Reply, says: &str) -> Result<(), Fault> {
        let it = self.pull(pull)?;
        let Some(known) = it.review.findings.iter().find(|it| it.number == finding) else {
            let all = it.review.findings.len();
            return Err(Fault::refused(format!("{pull} has no finding {finding}"))
                .hint(format!("they are numbered from 1 to {all}")));
        };
        let says = cut(says, BECAUSE_MAX, "say what you change by it, where it goes, or why it is not so")?;
        let reply = match reply {
            Reply::Deferred { tracker } => {
                let tracker = text::line(&tracker, PATH_MAX);
                let lacks = "name the entry that says so: an issue, or a line of a file";
                Reply::Deferred { tracker: cut(&tracker, PATH_MAX, lacks)? }
            }
            reply => reply,
        };
        if let Some(answer) = &known.answer {
            // Said again, it is the same.
            if answer.by == self.who && answer.says == says && answer.reply == reply {
                return Ok(());
            }
            let says = format!("finding {finding} was answered already by {}: {}", answer.by, answer.reply);
            return Err(Fault::refused(says).hint("each is answered once"));
        }
        let answer = Answer { reply, says, by: self.who.clone(), at: self.now };
        self.review(pull, Happened::Answered { finding, answer }, true);
        Ok(())
    }
}
