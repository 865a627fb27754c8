//! Why something that could begin does not: visible, different reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attempt::AttemptState;
use crate::ids::{RunId, TaskId};
use crate::time::At;

/// Why a task that is not begun does not begin, or an attempt that has begun does not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wait")]
pub enum Wait {
    /// Nothing: it can begin.
    Ready,
    /// Tasks that come first are not done.
    Dependency {
        /// Which; the first of many.
        tasks: Vec<TaskId>,
        /// How many more there are.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: u32,
    },
    /// A task that is being worked might write the same files.
    Scope {
        /// Which.
        with: TaskId,
        /// The part that may clash.
        why: String,
    },
    /// The checkpoint of a phase that comes first does not hold yet.
    Checkpoint {
        /// The phase's heading.
        phase: String,
    },
    /// All slots of its run are taken.
    Slot {
        /// How many there are.
        slots: u32,
    },
    /// There is no room beside what other runs are working on.
    Room {
        /// Where.
        of: Room,
        /// How many attempts may be there at once.
        limit: u32,
    },
    /// Its run has not begun: its window opens then.
    Window {
        /// When.
        opens: At,
        /// In the words of the person's clock.
        says: String,
    },
    /// Its run has not begun: others are carried first.
    Queue {
        /// How many are carried at once.
        runs: u32,
    },
    /// Its run is paused, or everything is.
    Paused,
    /// Its last try failed, and the next one begins a little later.
    Rest {
        /// When.
        until: At,
    },
    /// A resource is taken.
    Resource {
        /// Its name.
        name: String,
        /// Who has it; the first of many.
        with: TaskId,
        /// In which run, if it is another one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// How much of it there is.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        of: u32,
    },
}

/// What attempts of several runs share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "room")]
pub enum Room {
    /// Everything on this machine.
    Machine,
    /// All runs of the project.
    Project,
    /// All runs with that agent.
    Agent {
        /// Its name.
        name: String,
    },
    /// All attempts of the project in that state.
    State {
        /// Which.
        state: AttemptState,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Dependency { tasks, more } => {
                f.write_str("waits for ")?;
                for (n, task) in tasks.iter().enumerate() {
                    write!(f, "{}{task}", if n == 0 { "" } else { ", " })?;
                }
                if *more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Self::Scope { with, why } => write!(f, "waits for the scope of {with}: {why}"),
            Self::Window { says, .. } => write!(f, "begins at {says}"),
            Self::Queue { runs } => write!(f, "begins once fewer than {runs} runs are carried"),
            Self::Paused => f.write_str("waits until its run goes on: it is paused"),
            Self::Rest { .. } => f.write_str("rests a little after a failed try"),
            Self::Checkpoint { phase } => write!(f, "waits for the checkpoint of {phase}"),
            Self::Slot { slots } => write!(f, "waits for one of {slots} slots"),
            Self::Room { of, limit } => write!(f, "waits for one of {limit} places {of}"),
            Self::Resource { name, with, run, of } => {
                match of {
                    1 => write!(f, "waits for {name}, which {with}")?,
                    _ => write!(f, "waits for one of {of} {name}, of which {with}")?,
                }
                run.map_or(Ok(()), |run| write!(f, " of {run}"))?;
                f.write_str(" has")
            }
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("on this machine"),
            Self::Project => f.write_str("in this project"),
            Self::Agent { name } => write!(f, "with {name}"),
            Self::State { state } => write!(f, "in state {}", state.word()),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(n: &u32) -> bool {
    *n == 1
}
