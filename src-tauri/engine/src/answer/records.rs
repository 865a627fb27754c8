//! Records of what was: evidence with its output, trajectories, events.

use pilothouse_contract::trajectory::Trajectory;
use pilothouse_contract::{Answer, Fault, Record, ask, text};

use super::Desk;

/// So much of an output is shown, from its end, in bytes.
const OUTPUT_SHOWN: u64 = 64 * 1024;
/// So many rows go into one answer at most.
pub(super) const ROWS_MAX: u32 = 10_000;

impl Answer<ask::evidence::Show> for Desk {
    async fn answer(&self, call: ask::evidence::Show) -> Result<ask::evidence::EvidencePage, Fault> {
        let id = call.evidence;
        let evidence =
            self.look(|fleet| fleet.evidence.get(&id).cloned(), || format!("there is no evidence {id}"))?;
        let Some(session) = evidence.session.and_then(|it| self.engine.key(it)) else {
            return Ok(ask::evidence::EvidencePage { output: String::new(), left_out: 0, evidence });
        };
        let mut log = self.engine.inner.sessions.log(session);
        let read = move || {
            let end = log.end()?;
            let from = end.saturating_sub(OUTPUT_SHOWN);
            Ok::<_, std::io::Error>((log.read_from(from, usize::MAX)?, from))
        };
        let (output, left_out) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| Fault::bug(error.to_string()))?
            .map_err(|error| Fault::environment(format!("the output of {id} cannot be read: {error}")))?;
        let output = text::plain(&String::from_utf8_lossy(&output), true);
        Ok(ask::evidence::EvidencePage { evidence, output, left_out })
    }
}

impl Desk {
    fn titled(&self, trajectory: Trajectory) -> Trajectory {
        let title = self
            .engine
            .fleet()
            .sessions
            .get(&trajectory.session)
            .map(|it| it.title.clone())
            .unwrap_or_default();
        Trajectory { title, ..trajectory }
    }
}

impl Answer<ask::trajectory::List> for Desk {
    async fn answer(&self, _: ask::trajectory::List) -> Result<Vec<Trajectory>, Fault> {
        let all = self.engine.inner.store.trajectories().await?;
        Ok(all.into_iter().map(|it| self.titled(it)).collect())
    }
}

impl Answer<ask::trajectory::Show> for Desk {
    async fn answer(&self, call: ask::trajectory::Show) -> Result<ask::trajectory::TrajectoryPage, Fault> {
        let all = self.engine.inner.store.trajectories().await?;
        let found = all.into_iter().find(|it| it.session == call.session).ok_or_else(|| {
            Fault::missing(format!("no trajectory of session {} is stored", call.session))
                .command("see which are", "pilothouse trajectory list")
        })?;
        let steps = self.engine.inner.store.steps(call.session, call.from, call.most.min(ROWS_MAX)).await?;
        Ok(ask::trajectory::TrajectoryPage { trajectory: self.titled(found), steps })
    }
}

impl Answer<ask::event::Since> for Desk {
    async fn answer(&self, call: ask::event::Since) -> Result<Vec<Record>, Fault> {
        Ok(self.engine.inner.store.records_after(call.seq, call.most.min(ROWS_MAX)).await?)
    }
}
