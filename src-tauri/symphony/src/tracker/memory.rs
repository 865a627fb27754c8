//! Issues that stand in the workflow file itself, or that a test puts there. Refuses to remember: what is in memory is gone
//! with the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{Page, Reading, Tracker, TrackerError, invalid};
use crate::Issue;
use crate::issue::same_state;
use crate::workflow::{TrackerSettings, WorkflowError};

#[derive(Debug, Default)]
struct Inside {
    issues: Vec<Issue>,
    fails: Option<TrackerError>,
    requests: u32,
}

/// Issues in memory.
#[derive(Debug, Default)]
pub struct MemoryTracker {
    inside: Mutex<Inside>,
}

impl MemoryTracker {
    /// With these issues.
    #[must_use]
    pub fn new(issues: Vec<Issue>) -> Self {
        Self { inside: Mutex::new(Inside { issues, ..Inside::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an issue there, or in the place of the one with its id.
    pub fn put(&self, issue: Issue) {
        let mut inside = self.lock();
        match inside.issues.iter_mut().find(|it| it.id == issue.id) {
            Some(old) => *old = issue,
            None => inside.issues.push(issue),
        }
    }

    /// Takes an issue away.
    pub fn remove(&self, id: &str) {
        self.lock().issues.retain(|it| it.id != id);
    }

    /// From now on each read fails with this, or no longer does.
    pub fn fail(&self, error: Option<TrackerError>) {
        self.lock().fails = error;
    }

    /// How many reads there were.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.lock().requests
    }

    fn read(&self, fits: impl Fn(&Issue) -> bool) -> Result<Page, TrackerError> {
        let mut inside = self.lock();
        inside.requests += 1;
        match &inside.fails {
            Some(error) => Err(error.clone()),
            None => Ok(Page {
                issues: inside.issues.iter().filter(|it| fits(it)).cloned().collect(),
                dropped: Vec::new(),
            }),
        }
    }
}

impl Tracker for MemoryTracker {
    fn by_states<'a>(&'a self, states: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            if states.is_empty() {
                return Ok(Page::default());
            }
            self.read(|issue| states.iter().any(|it| same_state(it, &issue.state)))
        })
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            if ids.is_empty() {
                return Ok(Page::default());
            }
            self.read(|issue| ids.contains(&issue.id))
        })
    }
}

/// The issues below `provider.issues`.
pub(super) fn seed(settings: &TrackerSettings) -> Result<Vec<Issue>, WorkflowError> {
    match settings.provider.get("issues") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => super::file::records(value, "provider")
            .and_then(|records| {
                records
                    .into_iter()
                    .map(|it| it.and_then(|(value, name)| super::file::issue(&value, &name)))
                    .collect()
            })
            .map_err(|says| invalid("issues", says)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_3_2_no_states_is_no_issues_and_no_request() {
        let tracker = MemoryTracker::default();
        tracker.fail(Some(TrackerError::Request("asked".to_owned())));
        assert_eq!(tracker.by_states(&[]).await.unwrap(), Page::default());
        assert_eq!(tracker.requests(), 0);
    }

    #[tokio::test]
    async fn row_3_3_no_ids_is_no_issues_and_no_request() {
        let tracker = MemoryTracker::default();
        tracker.fail(Some(TrackerError::Request("asked".to_owned())));
        assert_eq!(tracker.by_ids(&[]).await.unwrap(), Page::default());
        assert_eq!(tracker.requests(), 0);
    }
}
