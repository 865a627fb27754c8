//! Forges, and the pull requests that they tell of.

use serde::{Deserialize, Serialize};

use crate::forge::{CheckState, ForgePull, Reach};
use crate::ids::{ProjectId, PullId};

/// What is known of forges and their pull requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only of this project; of all if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
}

/// That, and how old it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ForgePage {
    /// The forges, with when each was heard last and why not since.
    pub forges: Vec<Reach>,
    /// Their open pull requests.
    pub pulls: Vec<ForgePull>,
}

/// A person logged in to a host. The token is where it is kept; it never goes this way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The host.
    pub host: String,
    /// As whom.
    pub login: String,
    /// Where the token is: `keyring`, `gh` or `file`.
    pub source: String,
}

/// A person logged out of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The host.
    pub host: String,
}

/// Asks a host now, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// The host; all if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Sends a pull request of ours to the forge that its project's `origin` lies at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// Which.
    pub pull: PullId,
    /// Only say what would be sent.
    #[serde(default)]
    pub dry: bool,
}

/// Fetches the log of a check that ran at a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The pull request, as `owner/name#7` or `host/owner/name#7`.
    pub pull: String,
    /// The check's name.
    pub check: String,
}

/// That log. It is what others wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLog {
    /// The pull request, as `host/owner/name#7`.
    pub pull: String,
    /// The check's name.
    pub check: String,
    /// How it stands.
    pub state: CheckState,
    /// Where a browser shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The text, without secrets whose forms are known.
    pub text: String,
    /// Whether it is longer, and this is its end.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub cut: bool,
}
