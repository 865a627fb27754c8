//! Who did something: every event row names one of these.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::SessionId;

/// The author of a transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Who {
    /// The engine, by its own rules.
    Engine,
    /// A written policy, named by where it stands.
    Policy(String),
    /// A person at the window or the command line, by their user name.
    Person(String),
    /// A program inside a session.
    Session(SessionId),
    /// Somebody outside Pilothouse, as far as git tells.
    Outside(String),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.write_str("engine"),
            Self::Policy(place) => write!(f, "policy ({place})"),
            Self::Person(name) => f.write_str(name),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Outside(name) => write!(f, "outside ({name})"),
        }
    }
}
