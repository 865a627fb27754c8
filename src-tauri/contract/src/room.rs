//! What a person chose for all projects together: how much may be worked at once, and that everything stands still.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::At;
use crate::who::Who;

/// How many attempts may run at once over all projects. What a run and its project allow counts besides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Slots {
    /// All together; without end if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// How many runs are carried at once of those that are queued; without end if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u32>,
    /// With an agent, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<String, u32>,
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) => write!(f, "{total}")?,
            None => f.write_str("without end")?,
        }
        self.agents.iter().try_for_each(|(agent, slots)| write!(f, ", {slots} with {agent}"))?;
        self.runs.map_or(Ok(()), |runs| write!(f, "; {runs} of the queued runs at once"))
    }
}

/// That everything is paused: what is worked is worked to its end, and nothing begins or lands meanwhile, whoever starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Who paused it.
    pub by: Who,
    /// When.
    pub at: At,
    /// Since when nothing is under way any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<At>,
}
