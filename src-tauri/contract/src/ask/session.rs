//! What can be asked of sessions: which there are, what runs of them and stands on their screens; to start, hold, type into and end
//! them.

use super::*;
use crate::facts::{Claim, Fact};
use crate::session::{Lease, Limits, Mode, Pulse, Session, SessionState, Trouble};

/// Names of variables and their values. They may hold secrets: they are never stored, and what is shown of them is how many
/// they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment(pub Vec<(String, String)>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

/// Offsets into a session's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// It ends here.
    pub logged: u64,
    /// Everything before this byte is on the screen that the engine keeps; none if it keeps no screen of it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<u64>,
}

asks! {
    /// A person looks at what an agent at work says and does. Nothing is asked of the agent; it is written down.
    Peek {
        /// Which.
        session: SessionId,
    }
    /// Sessions: those that live, or all.
    List {
        /// Also those that ended.
        all: bool,
    }
    /// Starts any command as a held session.
    Start {
        /// The project, if it belongs to one.
        project: Option<ProjectId>,
        /// The program and its arguments.
        argv: Vec<String>,
        /// Its working directory, absolute.
        cwd: String,
        /// How it is held.
        mode: Mode,
        /// Columns of its terminal.
        columns: u16,
        /// Rows of its terminal.
        rows: u16,
        /// What it may use at most.
        #[serde(default, skip_serializing_if = "Limits::is_none")]
        limits: Limits,
        /// The environment of whoever starts it; without one it has the engine's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<Environment>,
    }
    /// Calls a session something else.
    Rename {
        /// Which.
        session: SessionId,
        /// What it is called from now on: one line.
        title: String,
    }
    /// Types into sessions as if it came from a keyboard. Each takes it at once or says why not.
    Type {
        /// Which; each that is named once.
        sessions: Vec<SessionId>,
        /// What is typed.
        bytes: Vec<u8>,
        /// Whether it is typed even while the session waits for an answer that can be given in the queue.
        despite_question: bool,
    }
    /// What came of typing into a session.
    TypedLine {
        /// Which.
        session: SessionId,
        /// Why nothing was typed there; none if it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<crate::Fault>,
    }
    /// Ends a session with everything it started.
    Kill {
        /// Which.
        session: SessionId,
    }
    /// Ends what a session that is over left running: what it started itself, and nothing else.
    Clean {
        /// Which.
        session: SessionId,
    }
    /// What was ended so.
    Cleaned {
        /// Each by name and process id.
        ended: Vec<String>,
        /// What would not end.
        left: Vec<String>,
    }
    /// Has every session held by the holder that lies beside the engine now. No program ends by it.
    Upgrade {}
    /// What came of it.
    Upgraded {
        /// Sessions that are held by it since.
        upgraded: Vec<SessionId>,
        /// Sessions that go on as they were.
        not: Vec<NotUpgraded>,
    }
    /// A session that goes on with the holder that it had.
    NotUpgraded {
        /// Which.
        session: SessionId,
        /// Why.
        why: String,
    }
    /// Waits until nothing is lost if any one process dies: each session that lives has its holder, and the engine
    /// keeps duplicates of what the holder holds. A session that cannot come to that is not waited for; it says why.
    Steady {}
    /// A session with its derived state.
    SessionLine {
        /// The session.
        session: Session,
        /// Its state.
        state: SessionState,
        /// Why, in one sentence.
        why: String,
        /// The facts that say so: who says each, and since when.
        #[serde(default)]
        facts: Vec<Fact>,
        /// How far its log goes, and how far it is drawn.
        #[serde(default)]
        cursor: Cursor,
        /// What is seen of it now.
        pulse: Option<Pulse>,
        /// What keeps it from being held as it should be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<Trouble>,
        /// Who has its keyboard.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<Lease>,
        /// What its program says of itself. It may be anybody's words, and nothing can be answered by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<Claim>,
    }
    /// What runs of each session that lives, and of those that are over and left something running.
    Processes {}
    /// What runs of a session.
    ProcessesLine {
        /// Which.
        session: SessionId,
        /// Ours first: its holder, then its program and all that came of that, daemons too.
        processes: Vec<ProcessLine>,
    }
    /// A process of a session.
    ProcessLine {
        /// Its id.
        pid: u32,
        /// Its short name.
        name: String,
        /// Whether it is the holder, which is ours and no agent's.
        ours: bool,
        /// Processor time that it used, in milliseconds.
        cpu_ms: u64,
        /// Memory that it has now, in bytes.
        memory_bytes: u64,
    }
    /// The screen of a session as text.
    Screen {
        /// Which.
        session: SessionId,
    }
    /// A screen.
    ScreenPage {
        /// Everything before this byte of the log is in it.
        offset: u64,
        /// Columns.
        columns: u16,
        /// Rows.
        rows: u16,
        /// The rows, without blanks at their ends; what a program says, so text and nothing else.
        text: Vec<String>,
        /// Whether the program draws on the other screen, as editors do.
        alternate: bool,
    }
    /// Sessions of agents that people started in terminals of their own, in projects on the list; what was written last
    /// first.
    Elsewhere {}
    /// The steps of one of them.
    ReadElsewhere {
        /// The agent's own id of it.
        native: String,
        /// From this step on.
        from: u32,
        /// At most so many.
        most: u32,
    }
    /// Goes on with one of them here, by the agent's own "resume", unless it runs.
    GoOnElsewhere {
        /// The agent's own id of it.
        native: String,
    }
    /// Such a session's page.
    ElsewherePage {
        /// The session.
        session: crate::elsewhere::Elsewhere,
        /// How many steps it has.
        steps_all: u32,
        /// Lines that were damaged.
        damaged: u32,
        /// The steps that were asked for.
        steps: Vec<crate::elsewhere::ElsewhereStep>,
    }
}
