//! Which version of a project's `WORKFLOW.md` is in force: whose hooks are run, and whose words agents are told. The newest on the
//! default branch is, if it can be used and a person said yes to its commands; else the last one that was.

use serde::{Deserialize, Serialize};

use crate::ids::Oid;
use crate::time::At;

/// What is in force, and what waits to be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InForce {
    /// The last version that was good; nothing if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Version>,
    /// The newest one, if that is not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// One version of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// A commit that has it.
    pub commit: Oid,
    /// The SHA-256 of its bytes; empty where the commit has no such file.
    pub hash: String,
}

/// A version that is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Which.
    pub version: Version,
    /// Why not.
    pub why: NotInForce,
    /// Since when.
    pub since: At,
}

/// Why a version is not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum NotInForce {
    /// It cannot be used.
    Broken {
        /// What is wrong with it.
        says: String,
    },
    /// It would run what nobody said yes to.
    Untrusted {
        /// Where that is said in it.
        places: Vec<String>,
    },
}

impl InForce {
    /// That the newest version is not in force, what is wrong with it and what goes on instead: one sentence; nothing if it is.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        let waits = self.waits.as_ref()?;
        let commit = waits.version.commit.short();
        let wrong = match &waits.why {
            NotInForce::Broken { says } => format!("it cannot be used as it stands at {commit}: {says}"),
            NotInForce::Untrusted { places } => {
                format!("nobody said yes to what it runs since {commit}: {}", places.join(", "))
            }
        };
        Some(format!("{wrong}; {}", self.meanwhile()))
    }

    /// What goes on meanwhile.
    #[must_use]
    pub fn meanwhile(&self) -> String {
        match &self.good {
            Some(good) => {
                format!("its hooks and its words for agents go on as they were at {}", good.commit.short())
            }
            None => "agents work without its hooks and its words".to_owned(),
        }
    }
}
