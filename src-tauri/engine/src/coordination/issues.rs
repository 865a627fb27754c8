//! Runs that were queued for an issue of a tracker follow it: one whose issue is over is stopped, one whose issue is not to be worked for now
//! is paused until it is again.
//!
//! Refuses: to go on with what a person paused, and to stop what is being landed this moment.

use pilothouse_contract::claim::Standing;
use pilothouse_contract::run::Run;
use pilothouse_contract::{Event, RunId, Who};

use super::Work;

/// By whom a run is paused and stopped whose issue says so.
pub(super) const BY_ITS_ISSUE: &str = "its issue";

impl Work<'_> {
    /// A read of the tracker succeeded.
    pub(super) fn issues_seen(&mut self, seen: Vec<(RunId, Standing)>) {
        for (run, standing) in seen {
            let claimed = |it: &&Run| it.claim.is_some() && it.state.is_live();
            let Some(it) = self.fleet.runs.get(&run).filter(claimed).cloned() else { continue };
            let by = Who::Policy(BY_ITS_ISSUE.to_owned());
            match standing {
                Standing::Active if it.paused.as_ref().is_some_and(|it| it.by == by) => {
                    self.emit_as(by, Event::RunPaused { run, paused: false });
                    self.goes_on(run);
                }
                Standing::Away { says } if !it.is_paused() => {
                    self.emit_as(by, Event::RunPaused { run, paused: true });
                    self.engine(Event::Notice {
                        project: Some(it.project),
                        says: format!("{run} is paused: {says}"),
                    });
                }
                Standing::Over { state } => {
                    let key = it.claim.as_ref().map(|it| it.identifier.clone()).unwrap_or_default();
                    // What is being landed is landed; the next look finds it over.
                    let _landing = self.stop_run_as(by, run, &format!("its issue {key} is {state}"));
                }
                Standing::Active | Standing::Away { .. } => {}
            }
        }
    }
}
