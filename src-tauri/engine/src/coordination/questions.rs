//! Questions: asked by a session, answered by a person (or by a rule that a person wrote down), withdrawn when nobody
//! waits for the answer any more.
//!
//! Refuses: an answer by the session that asks. That a caller is a person is found out before an input is made.

use pilothouse_contract::question::{Question, QuestionAnswer, asked};
use pilothouse_contract::run::{Touch, TouchKind};
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::{Event, Fault, QuestionId, SessionId, Who};

use super::Work;

impl Work<'_> {
    /// A session asks. The same words from the same session are the same question: whoever asks again after it lost
    /// the engine waits on and bothers nobody twice.
    pub(super) fn ask_question(
        &mut self,
        session: SessionId,
        asks: &str,
        choices: &[String],
    ) -> Result<(), Fault> {
        let (asks, choices) = asked(asks, choices)?;
        let it = self
            .fleet
            .sessions
            .get(&session)
            .ok_or_else(|| Fault::missing(format!("there is no session {session}")))?;
        let known = self.fleet.questions_of(session).find(|it| it.asks == asks);
        if let Some(known) = known {
            if known.choices == choices {
                return Ok(());
            }
            return Err(Fault::refused(format!(
                "session {session} asked just this as {}, with other choices",
                known.id
            ))
            .hint("ask in other words"));
        }
        if it.end.is_some() {
            return Err(Fault::refused(format!("session {session} has ended: nobody waits for an answer")));
        }
        if it.kind == SessionKind::Check {
            return Err(Fault::refused(format!(
                "session {session} gathers evidence, and evidence asks nobody"
            ))
            .hint("let the agent ask before its work is checked"));
        }
        let question = Question {
            id: self.fleet.next_question(),
            session,
            run: it.run,
            attempt: it.attempt,
            project: it.project,
            asks,
            choices,
            blocks: true,
            asked: self.now,
            answer: None,
            withdrawn: None,
        };
        self.emit_as(Who::Session(session), Event::QuestionAsked { question });
        Ok(())
    }

    /// Somebody answers. By a person it is a deed inside the run, and is counted as one.
    pub(super) fn answer_question(&mut self, question: QuestionId, said: &str) -> Result<(), Fault> {
        let it = self
            .fleet
            .questions
            .get(&question)
            .ok_or_else(|| {
                Fault::missing(format!("there is no question {question}"))
                    .command("see which there are", "pilothouse question list")
            })?
            .clone();
        if let Some(answer) = &it.answer {
            let says = format!("{question} was answered already by {}: {}", answer.by, answer.text);
            return Err(Fault::refused(says));
        }
        if let Some(why) = &it.withdrawn {
            return Err(Fault::refused(format!("nobody waits for an answer to {question} any more: {why}")));
        }
        let text = it.answer_of(said)?;
        let by = self.who.clone();
        let is_person = matches!(by, Who::Person(_));
        let answer = QuestionAnswer { text, by: by.clone(), at: self.now };
        self.emit(Event::QuestionAnswered { question, answer });
        if let Some(run) = it.run.filter(|_| is_person) {
            let touch = Touch { at: self.now, by, kind: TouchKind::Answered, session: Some(it.session) };
            self.emit(Event::RunTouched { run, touch });
        }
        Ok(())
    }

    /// A session ended: what it asked and nobody answered is withdrawn.
    pub(super) fn withdraw_questions(&mut self, session: SessionId) {
        let open: Vec<QuestionId> =
            self.fleet.questions_of(session).filter(|it| it.is_open()).map(|it| it.id).collect();
        for question in open {
            let why = format!("session {session} ended before it was answered");
            self.engine(Event::QuestionWithdrawn { question, why });
        }
    }
}
