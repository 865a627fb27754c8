//! Budgets: what all attempts of a run may use together, abandoned ones too; and the word, said once, that what its checks run takes
//! longer than the inner loop may.
//!
//! Refuses to throw away work that costs nothing more: while its agents are done and only proofs run, a run over its budget goes on.

use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::evidence::Evidence;
use pilothouse_contract::fuse::{Fuse, Minds};
use pilothouse_contract::pace::{comes_over, took};
use pilothouse_contract::run::{Run, RunState};
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{Event, RunId, text};

use super::Work;

impl Work<'_> {
    /// All attempts of a run together used what they may. It is parked, unless nothing of it uses any more.
    pub(super) fn over_budget(&mut self, run: RunId, fuse: Fuse) {
        let Some(it) = self.live_run(run).filter(|it| it.state == RunState::Running) else { return };
        let open = self.open_attempts(run);
        let spends = |it: &&pilothouse_contract::attempt::Attempt| it.state <= AttemptState::Working;
        let attempts = open.iter().filter_map(|id| self.fleet.attempts.get(id));
        if !open.is_empty() && attempts.filter(spends).count() == 0 {
            return;
        }
        let (key, used) = match fuse.minds {
            Minds::Money => ("run_money", "its attempts together used"),
            Minds::Time => ("run_s", "it has been under way for too long,"),
            _ => ("run_tokens", "its attempts together used"),
        };
        let slug = self.fleet.slug_of(it.item);
        let why = format!(
            "{used} {fuse}; raise {key} in WORKFLOW.md, commit that, and let it go on: pilothouse run start \
             {slug}"
        );
        self.park_run(run, Stop::Budget { fuse }, &why, &[]);
    }

    /// Says once that what a check runs has come to take longer than the inner loop may.
    pub(super) fn note_pace(&mut self, new: &Evidence) {
        let Some(sample) = new.sample() else { return };
        let Some(run) = self.fleet.runs.get(&new.subject.run) else { return };
        let before: Vec<u64> = self
            .fleet
            .evidence
            .values()
            .filter(|it| it.subject.run == run.id)
            .filter_map(Evidence::sample)
            .filter(|it| it.command == sample.command)
            .map(|it| it.ms)
            .collect();
        if let Some(p95_ms) = comes_over(&before, sample.ms, run.policy.inner_loop_s) {
            let (project, says) = (Some(run.project), slow(run, &sample.command, p95_ms));
            self.engine(Event::Notice { project, says });
        }
    }
}

/// The word about a command that takes longer than the inner loop may.
#[must_use]
pub fn slow(run: &Run, command: &str, p95_ms: u64) -> String {
    format!(
        "`{}` of {} takes {} in 95 of 100 runs: the inner loop of its agents should take {} s (inner_loop_s in WORKFLOW.md)",
        text::line(command, 120),
        run.id,
        took(p95_ms),
        run.policy.inner_loop_s
    )
}
