//! Where agents of the simulated world sit: in which worktree, under which id of their own. Two programs in one of either are one too many.

use super::*;

impl World {
    /// An agent's program begins. Returns the id of its own session.
    pub(super) fn sit_down(&mut self, session: SessionId, fleet: &Fleet) -> Option<String> {
        let it = fleet.sessions.get(&session)?;
        let attempt = it.attempt.and_then(|id| fleet.attempts.get(&id));
        let earlier = attempt.and_then(|it| fleet.resumed_by(it));
        let earlier = earlier.and_then(|it| it.running.as_ref()?.native.clone());
        let native = earlier.unwrap_or_else(|| own_id(session));
        let Self { natives, ended, .. } = self;
        natives.retain(|id, _| !ended.contains_key(id));
        for (other, theirs) in &self.natives {
            // What was found started already has its chair.
            let sits = *other != session;
            if sits && *theirs == native {
                let says = format!("sessions {other} and {session} both work as {native}");
                self.faults.push(BreachKind::Doubled.of(says));
            }
            let place = fleet.sessions.get(other).and_then(|it| it.worktree);
            if sits && place.is_some() && place == it.worktree {
                let says = format!("sessions {other} and {session} both work in one worktree");
                self.faults.push(BreachKind::Doubled.of(says));
            }
        }
        self.natives.insert(session, native.clone());
        Some(native)
    }
}
