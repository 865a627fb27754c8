//! The keyboards of sessions: taken by a viewer, or typed on from afar by whoever sends keys. Both are deeds of a person and
//! recorded; neither goes past a question that waits in the queue, unless it is said so.

use pilothouse_contract::session::{Mode, Session};
use pilothouse_contract::{Access, Answer, Fault, SessionId, ask};
use pilothouse_holder::wire::ToHolder;

use super::Desk;
use crate::coordination::Input;
use crate::execution::held::{Hand, Key};

/// One order types so many bytes at the most.
const TYPED_MAX: usize = 64 * 1024;

/// Who takes a keyboard.
pub(crate) struct Taker {
    /// The viewer's number.
    pub(crate) viewer: u64,
    /// The program it runs in, if that is known.
    pub(crate) hand: Option<Hand>,
    /// Whether it had the keyboard before its connection was lost.
    pub(crate) again: bool,
    /// Whether a question that waits does not matter.
    pub(crate) despite_question: bool,
}

impl Desk {
    /// Takes the keyboard of a session: once, and recorded as an intervention.
    ///
    /// # Errors
    /// In words, if the caller may not, a question waits for its answer, or it cannot be recorded.
    pub(crate) async fn take_keyboard(
        &self,
        session: SessionId,
        key: Key,
        taker: Taker,
    ) -> Result<(), Fault> {
        self.admit(Access::Act, "typing into a session")?;
        let sessions = &self.engine.inner.sessions;
        let had = sessions.had_lease(key, taker.hand);
        let waiting = {
            let fleet = self.engine.fleet();
            let mut questions = fleet.questions.values();
            questions.find(|it| it.session == session && it.blocks && it.is_open()).map(|it| it.id)
        };
        if let Some(question) = waiting.filter(|_| !taker.despite_question && !had) {
            return Err(Fault::refused(format!(
                "session {session} waits for the answer to {question}, so its keyboard was not taken"
            ))
            .command("answer it", format!("pilothouse question answer {question} ANSWER"))
            .command(
                "take it all the same",
                format!("pilothouse attach {session} --keyboard --despite-question"),
            ));
        }
        let who = self.who();
        if sessions.take_lease(key, taker.viewer, taker.hand, &who.to_string(), taker.again) {
            // Stored before anything is typed; what cannot be stored was not taken.
            if let Err(fault) = self.engine.ask(Input::Typed { session }, who).await {
                sessions.give_lease_back(key, taker.viewer);
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Types into one session, as if its keyboard was taken for a moment.
    async fn type_into(&self, session: SessionId, bytes: &[u8], despite_question: bool) -> Result<(), Fault> {
        let found: Option<Session> = self.engine.fleet().sessions.get(&session).cloned();
        let it = found.ok_or_else(|| Fault::missing(format!("there is no session {session}")))?;
        if it.end.is_some() {
            return Err(Fault::refused(format!("session {session} has ended, so nothing was typed")));
        }
        if it.mode == Mode::Pipe {
            return Err(Fault::refused(format!("session {session} is held by pipes and has no keyboard")));
        }
        let (key, sessions) = (Key::from(&it), &self.engine.inner.sessions);
        // Keys that fall between those of somebody else are nobody's words.
        if let Some(lease) = sessions.lease(key) {
            return Err(Fault::refused(format!(
                "{} has the keyboard of session {session}, so nothing was typed",
                lease.who
            ))
            .hint("it is free again when they leave it")
            .command("take it from them", format!("pilothouse attach {session} --keyboard")));
        }
        let viewer = sessions.next_viewer();
        let taker = Taker { viewer, hand: None, again: false, despite_question };
        self.take_keyboard(session, key, taker).await?;
        if !sessions.has_lease(key, viewer) {
            return Err(Fault::refused(format!(
                "somebody else took the keyboard of session {session} just now, so nothing was typed"
            ))
            .hint("it is free again when they leave it"));
        }
        let taken = sessions.order(key, ToHolder::Input(bytes.to_vec()));
        sessions.give_lease_back(key, viewer);
        if taken {
            return Ok(());
        }
        Err(Fault::environment(format!("session {session} is not held now, so nothing was typed"))
            .command("wait until it is", "pilothouse session steady".to_owned()))
    }
}

impl Answer<ask::session::Type> for Desk {
    async fn answer(&self, call: ask::session::Type) -> Result<Vec<ask::session::TypedLine>, Fault> {
        if call.bytes.is_empty() || call.bytes.len() > TYPED_MAX {
            return Err(Fault::refused(format!("from 1 to {TYPED_MAX} bytes can be typed at once")));
        }
        let mut lines: Vec<ask::session::TypedLine> = Vec::new();
        for session in call.sessions {
            if !lines.iter().any(|it| it.session == session) {
                let typed = self.type_into(session, &call.bytes, call.despite_question).await;
                lines.push(ask::session::TypedLine { session, fault: typed.err() });
            }
        }
        Ok(lines)
    }
}
