//! Answers to calls, by concept. Each gathers facts, hands an input in, and says what came of it; nothing clever.

mod after;
mod archive;
mod attempts;
mod brief;
mod changes;
mod check_log;
mod desk;
mod drafts;
mod elsewhere;
mod forges;
mod instructions;
mod items;
mod keyboard;
mod projects;
mod publish;
mod pulls;
mod questions;
mod records;
mod reviews;
mod runs;
mod sessions;
mod survival;
mod took;
mod worktrees;

pub(crate) use keyboard::Taker;
use pilothouse_contract::{Access, Answer, Fault, Fleet, Record, SessionId, Who, ask};
use pilothouse_holder::build;

use crate::coordination::{Input, Outcome};
use crate::engine::{Engine, Taken};
use crate::execution::held::Key;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A person, by their user name.
    Person(String),
    /// A program inside a session.
    Session(SessionId),
    /// The engine itself, by a rule that is named.
    Policy(String),
    /// Nobody can tell: it was gone before it could be looked at.
    Unknown,
}

/// The engine as one caller sees it.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(crate) engine: Engine,
    pub(crate) caller: Caller,
}

impl Desk {
    /// The engine as a caller sees it who is known already.
    #[must_use]
    pub fn of(engine: &Engine, caller: Caller) -> Self {
        Self { engine: engine.clone(), caller }
    }

    /// Whether the caller may do that. What they may not is recorded.
    ///
    /// # Errors
    /// `Refused`, in words.
    pub fn admit(&self, access: Access, name: &str) -> Result<(), Fault> {
        let refused = match (&self.caller, access) {
            (Caller::Person(_) | Caller::Policy(_), _) | (_, Access::Read) | (Caller::Session(_), Access::Hook) => return Ok(()),
            (Caller::Session(session), _) => {
                let why = "a program inside a session may look and report, and nothing else".to_owned();
                (Some(*session), why)
            }
            (Caller::Unknown, _) => {
                (None, "nobody can tell who called: the program was gone at once, or it is one that the engine's own git started".to_owned())
            }
        };
        let (session, why) = refused;
        let name = &in_words(name);
        self.engine.tell(Input::CallRefused { session, asked: name.clone(), why: why.clone() });
        let who = session.map_or_else(|| "the caller".to_owned(), |it| format!("session {it}"));
        Err(Fault::refused(format!("{name} was refused to {who}: {why}"))
            .hint("a person does this, from a terminal that is not a session of Pilothouse"))
    }

    pub(crate) fn who(&self) -> Who {
        match &self.caller {
            Caller::Person(name) => Who::Person(name.clone()),
            Caller::Session(session) => Who::Session(*session),
            Caller::Policy(rule) => Who::Policy(rule.clone()),
            Caller::Unknown => Who::Outside("unknown".to_owned()),
        }
    }

    /// Hands a deed in and says what happened.
    async fn act(&self, input: Input) -> Result<Vec<Record>, Fault> {
        Ok(self.engine.ask(input, self.who()).await?.records)
    }

    /// Hands a deed in and waits for the end of what it asks for.
    async fn act_to_end(&self, input: Input) -> Result<Vec<Outcome>, Fault> {
        let Taken { outcomes, .. } = self.engine.ask(input, self.who()).await?;
        let mut ends = Vec::new();
        for outcome in outcomes {
            let ended =
                outcome.await.map_err(|_| Fault::environment("the engine is ending").hint("ask again"))?;
            ends.push(ended);
        }
        Ok(ends)
    }

    /// A person looks at what a session does. Looking never fails for want of being written down.
    pub(crate) async fn peek(&self, session: pilothouse_contract::SessionId) {
        if matches!(self.caller, Caller::Person(_))
            && let Err(fault) = self.act(Input::Peeked { session }).await
        {
            tracing::warn!(%session, %fault, "that somebody looked could not be written down");
        }
    }

    /// Looks something up in the fleet.
    fn look<T>(
        &self,
        look: impl FnOnce(&Fleet) -> Option<T>,
        missing: impl FnOnce() -> String,
    ) -> Result<T, Fault> {
        look(&self.engine.fleet()).ok_or_else(|| Fault::missing(missing()))
    }
}

/// `PullApprove` as people say it: `pull approve`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

impl Answer<ask::engine::Status> for Desk {
    async fn answer(&self, _: ask::engine::Status) -> Result<ask::engine::EngineStatus, Fault> {
        let options = &self.engine.inner.options;
        let (seq, live) = {
            let fleet = self.engine.fleet();
            let live = fleet.sessions.values().filter(|it| it.end.is_none()).map(Key::from);
            (fleet.seq, live.collect::<Vec<_>>())
        };
        let outdated =
            live.iter().filter(|it| self.engine.inner.sessions.pulse(**it).is_some_and(|it| it.outdated));
        let lies_there = build::of(&options.program);
        Ok(ask::engine::EngineStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: pilothouse_contract::PROTOCOL,
            pid: std::process::id(),
            started: self.engine.inner.started,
            restarts: options.restarts,
            data: options.data.display().to_string(),
            worktrees: options.worktrees.display().to_string(),
            seq,
            outdated: lies_there.is_some() && lies_there != build::own(),
            live_sessions: u32::try_from(live.len()).unwrap_or(u32::MAX),
            outdated_holders: u32::try_from(outdated.count()).unwrap_or(u32::MAX),
            pending_effects: self.engine.pending_effects(),
            keep_awake: self.engine.fleet().keep_awake,
            slots: self.engine.fleet().slots.clone(),
            halt: self.engine.fleet().halt.clone(),
            alarms: self.engine.alarms(),
        })
    }
}

impl Answer<ask::engine::KeepAwake> for Desk {
    async fn answer(&self, call: ask::engine::KeepAwake) -> Result<(), Fault> {
        self.act(Input::KeepAwake { on: call.on }).await.map(|_| ())
    }
}

impl Answer<ask::engine::SetSlots> for Desk {
    async fn answer(&self, call: ask::engine::SetSlots) -> Result<(), Fault> {
        self.act(Input::SetSlots { slots: call.slots }).await.map(|_| ())
    }
}

impl Answer<ask::engine::Stop> for Desk {
    async fn answer(&self, _: ask::engine::Stop) -> Result<(), Fault> {
        self.engine.stop();
        Ok(())
    }
}
