//! What is under way, by name, for whoever is about to end something; and what becomes of each session when the programs
//! that are installed now take over. Pure: the window and the command line say the same of the same facts.

use serde::{Deserialize, Serialize};

use crate::ask::engine::EngineStatus;
use crate::ask::session::SessionLine;
use crate::ids::{ItemId, SessionId};
use crate::run::{Run, RunState};
use crate::session::{Session, SessionKind, Trouble};

/// Something that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Underway {
    /// What it is called: `s3`, `r1`.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Whose it is, or how far it has come.
    pub says: String,
}

/// The sessions that live, but for the checks of runs: agents first, then what people started.
pub fn sessions<'a>(all: impl Iterator<Item = &'a Session>) -> Vec<Underway> {
    let mut live: Vec<&Session> =
        all.filter(|it| it.end.is_none() && it.kind != SessionKind::Check).collect();
    live.sort_by_key(|it| (it.kind == SessionKind::Shell, it.id));
    let told = |it: &Session| {
        let says = match (it.kind, it.run) {
            (SessionKind::Agent, Some(run)) => format!("an agent of {run}"),
            _ => format!("started by a person in {}", it.cwd),
        };
        Underway { name: it.id.to_string(), title: it.title.clone(), says }
    };
    live.into_iter().map(told).collect()
}

/// The runs that are carried, and how far each has come; `title` names an item.
pub fn runs<'a>(all: impl Iterator<Item = &'a Run>, title: impl Fn(ItemId) -> String) -> Vec<Underway> {
    let live = all.filter(|it| it.state.is_live());
    let told = |it: &Run| {
        let far = match it.state {
            RunState::InPull => "its pull request is under way".to_owned(),
            _ => format!("{} of {} tasks done", it.done(), it.tasks.len()),
        };
        let says = if it.paused.is_some() { format!("{far}, paused") } else { far };
        Underway { name: it.id.to_string(), title: title(it.item), says }
    };
    live.map(told).collect()
}

/// How a session goes through an upgrade. No program ends by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// Its holder is the installed one already.
    AsItIs,
    /// Its holder makes way for the installed one.
    MakesWay,
    /// It keeps the holder that it has.
    KeepsIts,
}

impl Through {
    /// The words shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AsItIs => "goes on as it is",
            Self::MakesWay => "goes on, its holder makes way",
            Self::KeepsIts => "goes on with the holder it has",
        }
    }
}

/// One session in an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Which.
    pub session: SessionId,
    /// What it is called.
    pub title: String,
    /// How it goes through.
    pub through: Through,
    /// Why its holder cannot make way; empty if it can, or need not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What an upgrade would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Whether the engine that runs is another than the installed one.
    pub engine_outdated: bool,
    /// The version of the engine that runs.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Every session that lives.
    pub sessions: Vec<Passage>,
}

impl Plan {
    /// What an upgrade would do, by what the engine says of itself and of its sessions.
    #[must_use]
    pub fn of(engine: &EngineStatus, lines: &[SessionLine]) -> Self {
        Self {
            engine_outdated: engine.outdated,
            version: engine.version.clone(),
            pid: engine.pid,
            sessions: lines.iter().filter_map(passage).collect(),
        }
    }

    /// Sessions whose holders go through it in one way.
    #[must_use]
    pub fn count(&self, through: Through) -> usize {
        self.sessions.iter().filter(|it| it.through == through).count()
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.engine_outdated || self.count(Through::MakesWay) > 0
    }

    /// What is said where nobody has to do anything about it; nothing if everything is what is installed.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let holders = match self.count(Through::MakesWay) {
            1 => "1 holder".to_owned(),
            n => format!("{n} holders"),
        };
        match (self.engine_outdated, self.count(Through::MakesWay)) {
            (false, 0) => None,
            (true, 0) => Some("A newer Pilothouse is installed than the engine that runs".to_owned()),
            (true, _) => {
                Some(format!("A newer Pilothouse is installed than the engine and {holders} that run"))
            }
            (false, _) => Some(format!("A newer Pilothouse is installed than {holders} that run")),
        }
    }
}

fn passage(line: &SessionLine) -> Option<Passage> {
    let of = &line.session;
    if of.end.is_some() {
        return None;
    }
    let seen = line.pulse.filter(|it| it.held);
    let keeps = |why: &str| (Through::KeepsIts, why.to_owned());
    let (through, why) = match (&line.trouble, seen) {
        (Some(Trouble::NoHolder { why }), _) => {
            keeps(&format!("its holder died and no other one could take over: {why}"))
        }
        (_, Some(it)) if !it.outdated => (Through::AsItIs, String::new()),
        (Some(Trouble::OneHand { .. }), _) => {
            keeps("its holder is of an older version that cannot hand it over")
        }
        (_, None) => keeps("its holder does not answer"),
        (None, Some(_)) => (Through::MakesWay, String::new()),
    };
    Some(Passage { session: of.id, title: of.title.clone(), through, why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::session::Cursor;
    use crate::room::Slots;
    use crate::session::{End, Ending, Mode, Pulse, SessionState};
    use crate::time::At;

    fn line(id: u32, outdated: Option<bool>, trouble: Option<Trouble>) -> SessionLine {
        let argv = vec!["sh".to_owned()];
        let session = Session::of_a_person(SessionId(id), argv, "/home/p".to_owned(), At(1));
        let pulse = outdated.map(|outdated| Pulse { held: true, outdated, ..Pulse::default() });
        let (state, why) = (SessionState::Working, String::new());
        SessionLine {
            session,
            state,
            why,
            pulse,
            trouble,
            lease: None,
            cursor: Cursor::default(),
            claim: None,
            facts: Vec::new(),
        }
    }

    fn engine(outdated: bool) -> EngineStatus {
        EngineStatus {
            version: "1".to_owned(),
            protocol: 1,
            pid: 7,
            started: At(1),
            restarts: 0,
            data: String::new(),
            worktrees: String::new(),
            seq: 0,
            outdated,
            live_sessions: 0,
            outdated_holders: 0,
            pending_effects: 0,
            keep_awake: false,
            halt: None,
            slots: Slots::default(),
            alarms: Vec::new(),
        }
    }

    #[test]
    fn a_plan_says_of_each_holder_whether_it_can_make_way() {
        let stranded = Trouble::NoHolder { why: "no memory".to_owned() };
        let lines = [
            line(1, Some(false), None),
            line(2, Some(true), None),
            line(3, Some(true), Some(Trouble::OneHand { version: 1 })),
            line(4, None, Some(stranded)),
            line(5, None, None),
        ];
        let plan = Plan::of(&engine(true), &lines);
        let said: Vec<_> = plan.sessions.iter().map(|it| (it.through, it.why.as_str())).collect();
        assert_eq!(
            said,
            [
                (Through::AsItIs, ""),
                (Through::MakesWay, ""),
                (Through::KeepsIts, "its holder is of an older version that cannot hand it over"),
                (Through::KeepsIts, "its holder died and no other one could take over: no memory"),
                (Through::KeepsIts, "its holder does not answer"),
            ]
        );
        assert!(plan.notice().unwrap().contains("the engine and 1 holder"));
    }

    #[test]
    fn where_everything_is_what_is_installed_nothing_is_said() {
        // One that cannot make way is nothing that an upgrade would change.
        let old = line(3, Some(true), Some(Trouble::OneHand { version: 1 }));
        let plan = Plan::of(&engine(false), &[line(1, Some(false), None), old]);
        assert_eq!((plan.notice(), plan.is_wanted()), (None, false));
    }

    #[test]
    fn what_is_under_way_is_named_and_what_is_over_is_not() {
        let mut all: Vec<Session> = (1..=4).map(|id| line(id, None, None).session).collect();
        let how = Ending::Exited { code: 0 };
        all[0].end = Some(End::of(At(2), how));
        (all[1].kind, all[1].mode) = (SessionKind::Check, Mode::Pipe);
        (all[3].kind, all[3].run) = (SessionKind::Agent, Some(crate::ids::RunId(9)));
        let named = sessions(all.iter());
        let named: Vec<_> = named.iter().map(|it| (it.name.as_str(), it.says.as_str())).collect();
        assert_eq!(named, [("s4", "an agent of r9"), ("s3", "started by a person in /home/p")]);
    }
}
