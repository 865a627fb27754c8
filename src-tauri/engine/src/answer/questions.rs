//! Questions of agents: asked and waited for by hooks, listed, answered by a person.

use pilothouse_contract::question::{Question, asked};
use pilothouse_contract::{Answer, Fault, QuestionId, Who, ask};

use super::{Caller, Desk};
use crate::coordination::Input;

impl Desk {
    fn question(&self, question: QuestionId) -> Result<Question, Fault> {
        self.look(
            |fleet| fleet.questions.get(&question).cloned(),
            || format!("there is no question {question}"),
        )
    }
}

impl Answer<ask::question::List> for Desk {
    async fn answer(&self, call: ask::question::List) -> Result<Vec<Question>, Fault> {
        let fleet = self.engine.fleet();
        Ok(fleet.questions.values().filter(|it| call.all || it.is_open()).cloned().collect())
    }
}

impl Answer<ask::question::Answer> for Desk {
    async fn answer(&self, call: ask::question::Answer) -> Result<Question, Fault> {
        let who = call.policy.map_or_else(|| self.who(), Who::Policy);
        let input = Input::AnswerQuestion { question: call.question, text: call.text };
        self.engine.ask(input, who).await?;
        self.question(call.question)
    }
}

impl Answer<ask::hook::Ask> for Desk {
    async fn answer(&self, call: ask::hook::Ask) -> Result<QuestionId, Fault> {
        // What the caller says of itself counts only if its ancestry says the same.
        if self.caller != Caller::Session(call.session) {
            return Err(Fault::refused("this is for programs inside the session that they speak of"));
        }
        let (asks, _) = asked(&call.asks, &call.choices)?;
        let session = call.session;
        self.act(Input::AskQuestion { session, asks: call.asks, choices: call.choices }).await?;
        let fleet = self.engine.fleet();
        let found = fleet.questions_of(session).find(|it| it.asks == asks).map(|it| it.id);
        found.ok_or_else(|| Fault::bug("the question was asked and is not there"))
    }
}

impl Answer<ask::hook::Verdict> for Desk {
    async fn answer(&self, call: ask::hook::Verdict) -> Result<(), Fault> {
        if self.caller != Caller::Session(call.session) {
            return Err(Fault::refused("this is for programs inside the session that they speak of"));
        }
        let (session, requirement, shown) = (call.session, call.requirement, call.shown);
        self.act(Input::JudgeSays { session, requirement, shown }).await.map(|_| ())
    }
}

impl Answer<ask::hook::Answered> for Desk {
    async fn answer(&self, call: ask::hook::Answered) -> Result<Question, Fault> {
        let question = self.question(call.question)?;
        if self.caller != Caller::Session(question.session) {
            return Err(Fault::refused(format!("{} is not a question of this session", call.question)));
        }
        Ok(question)
    }
}
