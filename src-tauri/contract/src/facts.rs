//! A session's state, derived when somebody asks, with the facts that say so: who says each, and since when (promise P4).
//!
//! What a program says of itself in its terminal is a claim. It is shown as one, stands behind all else, and decides nothing.

use serde::{Deserialize, Serialize};

use crate::question::Question;
use crate::session::{Ending, Pulse, QUIET_MS, Session, SessionState, Trouble};
use crate::time::At;

/// One thing that is known of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What is so, in words.
    pub says: String,
    /// Who says it.
    pub source: Source,
    /// Since when it is so, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// Who says a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The engine: what it did for the session, and could not do.
    Engine,
    /// The holder: what it wrote down of the program.
    Holder,
    /// The log: how much was said, and when last.
    Log,
    /// The program, by a call of its own.
    Hook,
    /// The program, in its terminal; it may be anybody's words.
    Claim,
}

impl Source {
    /// The word shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Holder => "holder",
            Self::Log => "log",
            Self::Hook => "hook",
            Self::Claim => "claim",
        }
    }
}

/// What a program says of itself in its terminal, by the Program Status Protocol (OSC 7501).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What it says that it does.
    pub state: Claimed,
    /// What it says that it waits for, if it is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// What it says of that: one line of plain text; empty if nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// How far it says that it is, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// When this engine heard it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// What a program says that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claimed {
    /// It waits for whatever comes next.
    Idle,
    /// It works.
    Working,
    /// It did what it was asked, and nobody looked yet.
    Done,
    /// It cannot go on before somebody does something.
    Blocked,
    /// It failed.
    Error,
}

/// What a program says that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// A yes.
    Permission,
    /// An answer.
    Question,
    /// Somebody to log in.
    Auth,
}

impl Claim {
    /// In a few words: "waits for permission".
    #[must_use]
    pub fn words(&self) -> &'static str {
        match (self.state, self.waits_for) {
            (Claimed::Idle, _) => "is idle",
            (Claimed::Working, _) => "works",
            (Claimed::Done, _) => "is done",
            (Claimed::Blocked, Some(WaitsFor::Permission)) => "waits for permission",
            (Claimed::Blocked, Some(WaitsFor::Question)) => "waits for an answer",
            (Claimed::Blocked, Some(WaitsFor::Auth)) => "waits for a log-in",
            (Claimed::Blocked, None) => "is blocked",
            (Claimed::Error, _) => "failed",
        }
    }
}

/// What is seen of a session now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// What moves, if it is followed.
    pub pulse: Option<&'a Pulse>,
    /// What keeps it from being held as it should be.
    pub trouble: Option<&'a Trouble>,
    /// What it asks its person and waits for.
    pub question: Option<&'a Question>,
    /// What its program says of itself.
    pub claim: Option<&'a Claim>,
}

/// A session's state with the facts that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The state.
    pub state: SessionState,
    /// The facts; those that decided it first.
    pub facts: Vec<Fact>,
}

impl Derived {
    /// The facts in one sentence.
    #[must_use]
    pub fn why(&self) -> String {
        let says = |it: &Fact| match it.source {
            Source::Claim => format!("claims: {}", it.says),
            _ => it.says.clone(),
        };
        self.facts.iter().map(says).collect::<Vec<_>>().join("; ")
    }

    fn and(mut self, source: Source, at: Option<At>, says: String) -> Self {
        self.facts.push(Fact { says, source, at });
        self
    }
}

impl Session {
    /// Its state, and the facts that say so.
    #[must_use]
    pub fn derived(&self, seen: &Seen<'_>, now: At) -> Derived {
        let derived = |state| Derived { state, facts: Vec::new() };
        let Some(running) = &self.running else {
            if self.end.is_some() {
                return self.ended();
            }
            let says = "asked for, no word from its holder yet".to_owned();
            return derived(SessionState::Starting).and(Source::Engine, Some(self.asked), says);
        };
        if self.end.is_some() {
            return self.ended();
        }
        if let Some(Trouble::NoHolder { why }) = seen.trouble {
            let says = format!(
                "its holder died and no other one could take over ({why}); process {} lives as long as this engine keeps its \
                 terminal, and nobody reads what it says; end it: pilothouse session kill {}",
                running.pid, self.id
            );
            return derived(SessionState::Stranded).and(Source::Engine, None, says);
        }
        let (pid, began) = (running.pid, Some(running.at));
        let Some(pulse) = seen.pulse.filter(|pulse| pulse.held) else {
            return derived(SessionState::Unknown)
                .and(Source::Holder, began, format!("process {pid} started"))
                .and(Source::Engine, None, "its holder does not answer".to_owned());
        };
        let quiet_ms = now.since_ms(pulse.last_output.unwrap_or(running.at));
        let (state, said) = if quiet_ms >= QUIET_MS {
            (SessionState::Quiet, format!("no output for {} s", quiet_ms / 1000))
        } else {
            (SessionState::Working, format!("{} bytes of output", pulse.output_bytes))
        };
        let mut it = derived(state).and(Source::Holder, began, format!("process {pid} runs")).and(
            Source::Log,
            pulse.last_output,
            said,
        );
        if let Some(question) = seen.question {
            it =
                it.and(Source::Hook, Some(question.asked), format!("waits for an answer to {}", question.id));
        }
        if pulse.refused_bytes > 0 {
            let says = format!("{} typed bytes were thrown away, for it takes none", pulse.refused_bytes);
            it = it.and(Source::Holder, None, says);
        }
        if pulse.outdated && seen.trouble.is_none() {
            let says = "its holder is of another build than the one on disk: pilothouse engine upgrade";
            it = it.and(Source::Engine, None, says.to_owned());
        }
        if let Some(Trouble::OneHand { version }) = seen.trouble {
            let says = format!(
                "its holder is of an older version ({version}) and cannot be held twice: if that one dies, it ends"
            );
            it = it.and(Source::Holder, None, says);
        }
        // What is behind a pipe has no terminal to claim anything in.
        if let Some(claim) = seen.claim {
            let far = claim.percent.map(|it| format!(" ({it} %)")).unwrap_or_default();
            let more = if claim.says.is_empty() { String::new() } else { format!(": {}", claim.says) };
            it = it.and(Source::Claim, claim.at, format!("it {}{far}{more}", claim.words()));
        }
        it
    }

    /// The state of what is over.
    fn ended(&self) -> Derived {
        let Some(end) = &self.end else {
            return Derived { state: SessionState::Unknown, facts: Vec::new() };
        };
        let at = Some(end.at);
        let (state, source, says) = match &end.how {
            Ending::Exited { code } => (SessionState::Exited, Source::Holder, format!("exit code {code}")),
            Ending::Signalled { signal } => {
                (SessionState::Exited, Source::Holder, format!("ended by signal {signal}"))
            }
            Ending::Unknown { why } => (SessionState::Exited, Source::Holder, format!("exit unknown: {why}")),
            Ending::NotStarted { why } => {
                (SessionState::Exited, Source::Holder, format!("never started: {why}"))
            }
            Ending::Lost { why } => (SessionState::Lost, Source::Engine, why.clone()),
        };
        let it = Derived { state, facts: Vec::new() }.and(source, at, says);
        if end.left_running.is_empty() {
            return it;
        }
        let left: Vec<String> =
            end.left_running.iter().map(|it| format!("{} ({})", it.name, it.pid)).collect();
        let says = format!("it left running {}: pilothouse session clean {}", left.join(", "), self.id);
        it.and(Source::Holder, at, says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SessionId;
    use crate::session::{End, Running};

    fn runs() -> Session {
        let mut session =
            Session::of_a_person(SessionId(3), vec!["codex".to_owned()], "/a".to_owned(), At(1000));
        session.running = Some(Running { holder: 7, pid: 8, at: At(2000), native: None });
        session
    }

    #[test]
    fn a_state_comes_with_who_says_so_and_since_when() {
        let session = runs();
        let pulse = Pulse { held: true, output_bytes: 40, last_output: Some(At(50_000)), ..Pulse::default() };
        let claim = Claim {
            state: Claimed::Blocked,
            waits_for: Some(WaitsFor::Permission),
            says: "approve rm".to_owned(),
            percent: Some(40),
            at: Some(At(49_000)),
        };
        let seen = Seen { pulse: Some(&pulse), claim: Some(&claim), ..Seen::default() };
        let it = session.derived(&seen, At(51_000));
        let facts: Vec<_> = it.facts.iter().map(|it| (it.says.as_str(), it.source, it.at)).collect();
        assert_eq!(
            facts,
            [
                ("process 8 runs", Source::Holder, Some(At(2000))),
                ("40 bytes of output", Source::Log, Some(At(50_000))),
                ("it waits for permission (40 %): approve rm", Source::Claim, Some(At(49_000))),
            ]
        );
        // A claim changes no state.
        assert_eq!(it.state, SessionState::Working);
        assert_eq!(
            it.why(),
            "process 8 runs; 40 bytes of output; claims: it waits for permission (40 %): approve rm"
        );
        let it = session.derived(&seen, At(70_000));
        assert_eq!((it.state, it.facts[1].says.as_str()), (SessionState::Quiet, "no output for 20 s"));
    }

    #[test]
    fn what_is_over_claims_nothing() {
        let mut session = runs();
        let claim =
            Claim { state: Claimed::Working, waits_for: None, says: String::new(), percent: None, at: None };
        session.end = Some(End {
            at: At(9000),
            how: Ending::Exited { code: 3 },
            output_bytes: 1,
            lost_bytes: 0,
            left_behind: Vec::new(),
            left_running: Vec::new(),
            native: None,
        });
        let it = session.derived(&Seen { claim: Some(&claim), ..Seen::default() }, At(9001));
        let exit = Fact { says: "exit code 3".to_owned(), source: Source::Holder, at: Some(At(9000)) };
        assert_eq!(it, Derived { state: SessionState::Exited, facts: vec![exit] });
        session.end = None;
        session.running = None;
        let it = session.derived(&Seen::default(), At(9001));
        assert_eq!((it.state, it.facts[0].at), (SessionState::Starting, Some(At(1000))));
    }
}
