//! What can be asked of the engine itself: how it is, that it stays awake, that it ends, what survives what.

use super::*;
use crate::room::{Halt, Slots};
use crate::time::At;

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It goes on.
    GoesOn,
    /// It stops.
    Stops,
    /// Nobody could find out.
    Unknown,
}

impl Fate {
    /// The words shown to people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::GoesOn => "go on",
            Self::Stops => "stop",
            Self::Unknown => "not known",
        }
    }
}

asks! {
    /// Who answers, since when, and with what.
    Status {}
    /// Asks the engine to end. Agents go on; the next call starts it again.
    Stop {}
    /// What goes on and what stops when something ends.
    Survives {}
    /// What becomes of the work in one case.
    Survival {
        /// When: "the window is closed".
        when: String,
        /// What becomes of sessions.
        sessions: Fate,
        /// What becomes of loops, the engine's own work.
        loops: Fate,
        /// Why, and what could be done about it.
        why: String,
    }
    /// Keeps the machine awake while runs are carried, or not any more.
    KeepAwake {
        /// Whether it does.
        on: bool,
    }
    /// Chooses how much may be worked at once over all projects.
    SetSlots {
        /// How much.
        slots: Slots,
    }
    /// What the engine says of itself.
    EngineStatus {
        /// The version of the program.
        version: String,
        /// The version of the protocol.
        protocol: u32,
        /// Its process id.
        pid: u32,
        /// When it started.
        started: At,
        /// How often it was started by its watcher before, in this life of the watcher.
        restarts: u32,
        /// The data folder.
        data: String,
        /// The folder of worktrees.
        worktrees: String,
        /// The last event's number.
        seq: u64,
        /// Whether it runs another program file than the one that lies in its place now.
        #[serde(default)]
        outdated: bool,
        /// Sessions that run now.
        live_sessions: u32,
        /// How many of them are held by another program file than the one that lies beside the engine now.
        #[serde(default)]
        outdated_holders: u32,
        /// Effects that are asked for and not yet done.
        pending_effects: u32,
        /// Whether the machine is to be kept awake while runs are carried.
        #[serde(default)]
        keep_awake: bool,
        /// How much may be worked at once over all projects.
        #[serde(default)]
        slots: Slots,
        /// That everything is paused.
        #[serde(default)]
        halt: Option<Halt>,
        /// What the engine cannot do just now, in words.
        alarms: Vec<String>,
    }
}
