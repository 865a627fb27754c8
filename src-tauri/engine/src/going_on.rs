//! Going on: a session that takes up an earlier one's own conversation has that one's id and writes on in its log. Which id that is,
//! where its part of the log begins, and whether it did anything.
//!
//! Refuses to count twice: what stood in the log before the program began is the earlier session's.

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::session::{Session, SessionKind};
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{AttemptId, Fleet, SessionId, text};

use crate::engine::Engine;
use crate::execution::brief::Handed;
use crate::observability::trajectories;

/// Of the steps of a session that is handed over the newest are looked through, so many.
const STEPS: u32 = 400;
/// So many of the things that it said last are handed over, each at most so long; and so much of what a command said.
const SAID: usize = 3;
const SAID_MAX: usize = 2_000;
const FAILED_MAX: usize = 6_000;

/// The session that another one goes on with, if it does.
pub(crate) fn earlier<'a>(fleet: &'a Fleet, session: &Session) -> Option<&'a Session> {
    let attempt = session.attempt.filter(|_| session.kind == SessionKind::Agent)?;
    fleet.resumed_by(fleet.attempts.get(&attempt)?)
}

impl Engine {
    /// The id of an agent's own session: the one it runs under; else that of the one it goes on with, or the one that we choose.
    pub(crate) fn native_of(&self, fleet: &Fleet, session: &Session) -> String {
        let runs_as = |it: &Session| it.running.as_ref()?.native.clone();
        let known = runs_as(session).or_else(|| runs_as(earlier(fleet, session)?));
        known.unwrap_or_else(|| self.native_id(session.id))
    }

    /// Makes ready to go on with an earlier session, before the program does: its log is read whole.
    pub(crate) async fn take_up(&self, session: SessionId) {
        let before = {
            let fleet = self.fleet();
            let it = fleet.sessions.get(&session);
            let before = it.and_then(|it| earlier(&fleet, it)).map(|it| it.id);
            before.and_then(|it| self.followed(&fleet, it))
        };
        let Some(before) = before else { return };
        if let Err(error) = trajectories::begin_after(&self.inner.store, &before, session).await {
            tracing::warn!(%session, %error, "where its part of the log begins could not be noted");
        }
    }

    /// Whether a session that was to go on with another one ended without having done anything, by its own log. That is read to its
    /// end for it.
    pub(crate) async fn did_nothing(&self, session: SessionId) -> bool {
        let followed = {
            let fleet = self.fleet();
            let it = fleet.sessions.get(&session).filter(|it| earlier(&fleet, it).is_some());
            it.and_then(|it| self.followed(&fleet, it.id))
        };
        let Some(followed) = followed else { return false };
        trajectories::finish(&self.inner.store, &followed).await;
        self.inner.store.has_done_nothing(session).await.unwrap_or(false)
    }

    /// What the session before left to an attempt that goes on for it in a fresh one; nothing if that is not so.
    pub(crate) async fn handed(&self, attempt: AttemptId) -> Option<Handed> {
        let (fill, session, followed) = {
            let fleet = self.fleet();
            let before = fleet.attempts.get(&fleet.attempts.get(&attempt)?.continues?)?;
            let Some(Failure::HandedOver { fill }) = before.failure else { return None };
            let session = before.session?;
            (fill, session, self.followed(&fleet, session))
        };
        if let Some(followed) = followed {
            trajectories::finish(&self.inner.store, &followed).await;
        }
        let steps = self.inner.store.newest_steps(session, STEPS).await.unwrap_or_default();
        Some(Handed { fill, ..left(&steps) })
    }
}

/// What the last steps of a session leave to the next one.
fn left(steps: &[StepKind]) -> Handed {
    let cut = |it: &str, most: usize| text::plain(it.chars().take(most).collect::<String>().as_str(), true);
    let messages = steps.iter().filter_map(|it| match it {
        StepKind::Message { text } => Some(cut(text, SAID_MAX)),
        _ => None,
    });
    let said: Vec<String> = messages.collect();
    let failed = steps.iter().rev().find_map(|it| match it {
        StepKind::Result { call, failed: true, text } => Some((call, text)),
        _ => None,
    });
    let called = |of: &str| {
        steps.iter().rev().find_map(|it| match it {
            StepKind::Call { call, says, .. } if call == of => Some(text::line(says, 300)),
            _ => None,
        })
    };
    Handed {
        failed: failed.and_then(|(call, said)| Some((called(call)?, cut(said, FAILED_MAX)))),
        said: said.get(said.len().saturating_sub(SAID)..).unwrap_or_default().to_vec(),
        ..Handed::default()
    }
}
