//! Which version of a project's `WORKFLOW.md` is in force. A version that cannot be used, or that would run what nobody said yes to,
//! is told and waits; the last good one goes on.

use pilothouse_contract::project::{Found, Trust};
use pilothouse_contract::workflow::{InForce, NotInForce, Version, Waits};
use pilothouse_contract::{Event, Fault, ProjectId};

use super::Work;

impl Work<'_> {
    /// The file was read as it stands where our record has the default branch: with the commands that it would run around attempts, or
    /// with what is wrong with it.
    pub(super) fn workflow_seen(
        &mut self,
        project: ProjectId,
        version: Version,
        read: Result<Vec<Found>, String>,
    ) -> Result<(), Fault> {
        let it = self.project(project)?;
        if version.commit != it.main {
            // The branch moved meanwhile, and is looked at again for that.
            return Ok(());
        }
        let known = it.workflow.clone().unwrap_or_default();
        let trusted = match &it.trust {
            Trust::Given { found, .. } => found.as_slice(),
            Trust::Undecided => &[],
        };
        let said_yes = |new: &Found| {
            trusted.iter().any(|it| (it.kind, &it.place, &it.hash) == (new.kind, &new.place, &new.hash))
        };
        let why = match read {
            Err(says) => Some(NotInForce::Broken { says }),
            Ok(commands) => {
                let new = commands.into_iter().filter(|it| !said_yes(it));
                let places: Vec<String> = new.map(|it| it.place).collect();
                (!places.is_empty()).then_some(NotInForce::Untrusted { places })
            }
        };
        let seen = match why {
            Some(why) => {
                let same = known.waits.as_ref().filter(|it| it.version.hash == version.hash && it.why == why);
                let waits = same.cloned().unwrap_or(Waits { version, why, since: self.now });
                InForce { good: known.good.clone(), waits: Some(waits) }
            }
            None => {
                let same = known.good.clone().filter(|it| it.hash == version.hash);
                // A commit without the file has nothing to be in force.
                InForce { good: same.or_else(|| (!version.hash.is_empty()).then_some(version)), waits: None }
            }
        };
        if seen != known {
            self.engine(Event::WorkflowSeen { project, seen });
        }
        Ok(())
    }
}
