//! What sessions at a draft say of it: findings through lenses, and verdicts on them.
//!
//! Refuses: whoever was not asked, lenses and findings that there are not, and words that say nothing.

use pilothouse_contract::card::{Clear, Draft, Finding, Happened, Role, Sitting, Verdict};
use pilothouse_contract::{Fault, ItemId, SessionId, text};

use super::{BECAUSE_MAX, cut};
use crate::coordination::Work;

/// A pass holds so many findings.
const FINDINGS_MAX: usize = 60;
/// What is said in a finding, in signs.
const SAYS_MAX: usize = 2_000;

impl Work<'_> {
    pub(super) fn refiner_says(
        &mut self,
        session: SessionId,
        lens: &str,
        found: Option<Finding>,
        says: &str,
    ) -> Result<(), Fault> {
        let refines = |it: &(ItemId, Sitting)| it.1.due.role == Role::Refine;
        let Some((item, _)) = self.sitting(session).filter(refines) else {
            return Err(Fault::refused("nobody asks this session for findings"));
        };
        let pass = self.draft(item).and_then(Draft::open_pass).cloned();
        let pass = pass.ok_or_else(|| Fault::refused("no refinement is under way"))?;
        let Some(lens) = pass.lenses.iter().find(|it| it.eq_ignore_ascii_case(lens.trim())).cloned() else {
            return Err(Fault::refused(format!("'{}' is no lens of this refinement", text::line(lens, 60)))
                .hint(format!("there are: {}", pass.lenses.join(", "))));
        };
        let Some(found) = found else {
            if pass.findings.iter().any(|it| it.lens == lens) {
                return Err(Fault::refused(format!("something was found through {lens} already")));
            }
            let says = cut(says, BECAUSE_MAX, "say what was looked at")?;
            self.card(item, Happened::Cleared { clear: Clear { lens, says } }, true);
            return Ok(());
        };
        let says = cut(&found.says, SAYS_MAX, "say what is missing or could go wrong")?;
        // Said again, it is the same.
        if pass.findings.iter().any(|it| it.lens == lens && it.says == says) {
            return Ok(());
        }
        if pass.findings.len() >= FINDINGS_MAX {
            return Err(Fault::refused(format!("a refinement holds at most {FINDINGS_MAX} findings"))
                .hint("leave out what is small; another pass follows while something of weight is found"));
        }
        let number = u32::try_from(pass.findings.len() + 1).unwrap_or(u32::MAX);
        let short = |it: &str| it.trim().chars().take(SAYS_MAX).collect::<String>();
        let finding = Finding {
            number,
            lens,
            says,
            at: text::line(&found.at, 120),
            proposes: short(&found.proposes),
            verdict: None,
            ..found
        };
        self.card(item, Happened::Found { finding }, true);
        Ok(())
    }

    pub(super) fn author_settles(
        &mut self,
        session: SessionId,
        finding: u32,
        verdict: Verdict,
    ) -> Result<(), Fault> {
        let settles = |it: &(ItemId, Sitting)| it.1.due.role == Role::Settle;
        let Some((item, _)) = self.sitting(session).filter(settles) else {
            return Err(Fault::refused("nobody asks this session for verdicts"));
        };
        let pass = self.draft(item).and_then(Draft::open_pass);
        let known = pass.is_some_and(|it| it.findings.iter().any(|it| it.number == finding));
        if !known {
            let all = pass.map_or(0, |it| it.findings.len());
            return Err(Fault::refused(format!("there is no finding {finding}"))
                .hint(format!("they are numbered from 1 to {all}")));
        }
        let because = cut(&verdict.because, BECAUSE_MAX, "say why, or why not")?;
        self.card(item, Happened::Settled { finding, verdict: Verdict { because, ..verdict } }, true);
        Ok(())
    }
}
