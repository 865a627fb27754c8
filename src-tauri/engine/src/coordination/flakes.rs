//! Flakes: a check that does not hold is run again on the very same commit before anything follows from it. One that
//! holds then is a flake: it counts, and its evidence and the pull request say so. One that fails again does not hold.
//!
//! Refuses: to ask a third time, and to ask again about what must fail, as at the red check.

use pilothouse_contract::EvidenceId;
use pilothouse_contract::evidence::{Evidence, Gate, Verdict};

use super::Work;
use super::effect::CheckAsked;

impl Work<'_> {
    /// What came of the same check on the same commit before.
    fn earlier(&self, asked: &CheckAsked) -> impl Iterator<Item = &Evidence> {
        let command = asked.commands.join(" && ");
        self.fleet.evidence.values().filter(move |it| {
            it.gate == asked.gate
                && it.subject.attempt == asked.attempt
                && it.subject.pull == asked.pull
                && it.subject.phase == asked.phase
                && it.subject.run == asked.run
                && it.commit == asked.commit
                && it.command == command
        })
    }

    /// Notes in the evidence of a check that holds that it did not at first.
    pub(super) fn note_flake(&self, asked: &CheckAsked, evidence: &mut Evidence) {
        if asked.gate == Gate::RedCheck || evidence.verdict != Verdict::Passed {
            return;
        }
        let failed = self.earlier(asked).find(|it| it.verdict == Verdict::Failed).map(|it| it.id);
        if let Some(failed) = failed {
            evidence.why = format!(
                "a flake: it failed at first ({failed}) and passed when it was run again on the same tree"
            );
            evidence.flaky_after = Some(failed);
        }
    }

    /// Whether a check that failed just now is worth another run: it is the first time on this commit, and the policy
    /// allows it. `now` is the evidence of it.
    pub(super) fn may_be_flake(&self, asked: &CheckAsked, now: EvidenceId) -> bool {
        let policy = self.fleet.runs.get(&asked.run).map(|it| &it.policy);
        asked.gate != Gate::RedCheck
            && policy.is_some_and(|it| it.rerun)
            && !self.earlier(asked).any(|it| it.id != now && it.verdict == Verdict::Failed)
    }
}
