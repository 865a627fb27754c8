//! Asks for the brief.

use serde::{Deserialize, Serialize};

use crate::brief::Since;

/// What happened since a moment, for whoever comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Since when; if none, since a person's last deed or for twelve hours, whichever is longer ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}
