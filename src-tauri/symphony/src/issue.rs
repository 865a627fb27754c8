//! One issue as every layer sees it, whatever tracker it came from. Refuses to interpret what only a tracker knows: that
//! stays in `native_ref`, which nobody here looks into.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// An issue that stands before another one. Each part is what the tracker told, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Blocker {
    /// Its id in the tracker.
    #[serde(default)]
    pub id: Option<String>,
    /// Its key for people.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Its state, as the tracker spells it.
    #[serde(default)]
    pub state: Option<String>,
}

/// A normalised work item. Every field is always there: what is not known is null or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// What the scheduler knows it by. Opaque, never empty.
    pub id: String,
    /// What the provider calls it besides, for prompts and tools.
    #[serde(default)]
    pub native_ref: Option<Value>,
    /// The key for people, as `ABC-123`: unique in its scope, it names the workspace.
    pub identifier: String,
    /// What it is about, in one line.
    pub title: String,
    /// What it is about, in full.
    #[serde(default)]
    pub description: Option<String>,
    /// 1 to 4 come first, 1 before 4; anything else comes after them.
    #[serde(default)]
    pub priority: Option<i64>,
    /// The state as the tracker spells it. Compared by [`same_state`].
    pub state: String,
    /// The branch that the tracker proposes.
    #[serde(default)]
    pub branch_name: Option<String>,
    /// Where people look at it.
    #[serde(default)]
    pub url: Option<String>,
    /// Whose it is.
    #[serde(default)]
    pub assignee_id: Option<String>,
    /// Trimmed, in lower case, without blanks and doubles: see [`labels`].
    #[serde(default)]
    pub labels: Vec<String>,
    /// What stands before it, as far as the tracker told.
    #[serde(default)]
    pub blocked_by: Vec<Blocker>,
    /// The adapter's verdict on rules that only its provider knows.
    pub dispatchable: bool,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<jiff::Timestamp>,
    /// When it last changed.
    #[serde(default)]
    pub updated_at: Option<jiff::Timestamp>,
}

impl Issue {
    /// Whether it has everything without which it cannot be worked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        [&self.id, &self.identifier, &self.title, &self.state].iter().all(|it| !it.trim().is_empty())
    }

    /// Its place in the order of dispatch: priorities 1 to 4, then the rest; the oldest first; then by key.
    #[must_use]
    pub fn rank(&self) -> (i64, bool, Option<jiff::Timestamp>, String) {
        let priority = self.priority.filter(|it| (1..=4).contains(it)).unwrap_or(5);
        (priority, self.created_at.is_none(), self.created_at, self.identifier.clone())
    }

    /// A short hash of what a person changes to say something: state, labels, whose it is, whether it may be worked. The
    /// time of its last change is left out, for the agent itself changes that with every comment.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            &normal(&self.state),
            self.assignee_id.as_deref().unwrap_or_default(),
            &self.labels.join("\u{0}"),
        ] {
            hash.update(part.as_bytes());
            hash.update([0xff]);
        }
        hash.update([u8::from(self.dispatchable)]);
        hex(&hash.finalize(), 16)
    }
}

/// The first `digits` hexadecimal digits of some bytes.
pub(crate) fn hex(bytes: &[u8], digits: usize) -> String {
    let mut out = String::with_capacity(digits + 1);
    for byte in bytes.iter().take(digits.div_ceil(2)) {
        let _never = write!(out, "{byte:02x}");
    }
    out.truncate(digits);
    out
}

/// A state or label as it is compared: trimmed and in lower case.
#[must_use]
pub fn normal(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether two states are the same one.
#[must_use]
pub fn same_state(one: &str, other: &str) -> bool {
    normal(one) == normal(other)
}

/// Labels as an issue has them: normalised, without blanks, each once, in the order in which they came.
#[must_use]
pub fn labels<S: AsRef<str>>(from: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for label in from {
        let label = normal(label.as_ref());
        if !label.is_empty() && !out.contains(&label) {
            out.push(label);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_3_5_labels_come_out_in_lower_case_each_once() {
        assert_eq!(labels([" Bug ", "", "bug", "UX"]), ["bug", "ux"]);
    }

    #[test]
    fn row_n_5_states_compare_trimmed_and_in_lower_case_and_keep_their_spelling() {
        let issue: Issue = serde_json::from_value(serde_json::json!({
            "id": "1", "identifier": "A-1", "title": "t", "state": " In Progress ", "dispatchable": true
        }))
        .unwrap();
        assert!(same_state(&issue.state, "in progress"));
        assert_eq!(issue.state, " In Progress ");
        assert!(!same_state("Todo", "Done"));
    }
}
