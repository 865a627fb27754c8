//! What outlives the loop: claims that wait, their counts, what each issue has cost, which workspace is whose. One JSON file
//! in the user's own data, written whole. Refuses to guess: a file that it cannot read is put aside and told, not overwritten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::write_whole;
use crate::coordination::{Held, Ledger, Retry, State, Totals};
use crate::workflow::RetryKind;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The form of this file.
    pub version: u32,
    /// The number of the next run.
    pub next_run: u64,
    /// What ran, as the attempt that goes on with it.
    pub running: BTreeMap<String, Retry>,
    /// What waits for an attempt.
    pub retries: BTreeMap<String, Retry>,
    /// What waits for a person who answers.
    pub blocked: BTreeMap<String, Held>,
    /// What waits for a person who lifts it.
    pub parked: BTreeMap<String, Held>,
    /// What each claimed issue has cost, and its thread.
    pub ledgers: BTreeMap<String, Ledger>,
    /// Whose workspace lies where: by issue, its key for people and the folder.
    pub places: BTreeMap<String, (String, PathBuf)>,
    /// All issues together.
    pub totals: Totals,
}

impl Kept {
    /// What is to be kept of a state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let running = state.running.iter().map(|(id, it)| {
            let retry = Retry {
                identifier: it.issue.identifier.clone(),
                url: it.issue.url.clone(),
                attempt: it.attempt.unwrap_or(1),
                kind: RetryKind::Continuation,
                due_at: it.started_at,
                error: Some("the loop ended while it ran".to_owned()),
                slot_waits: 0,
                token: 0,
            };
            (id.clone(), retry)
        });
        let retries = state.retries.iter().map(|(id, it)| (id.clone(), Retry { token: 0, ..it.clone() }));
        Self {
            version: 1,
            next_run: state.next_run,
            running: running.collect(),
            retries: retries.collect(),
            blocked: state.blocked.clone(),
            parked: state.parked.clone(),
            ledgers: state.ledgers.clone(),
            places: state.places.clone(),
            totals: state.totals,
        }
    }
}

/// The file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    last: Option<Kept>,
}

impl Store {
    /// In a folder, which is made.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { path: folder.join("state.json"), last: None })
    }

    /// What was kept; nothing at first. With words if there was something that cannot be read: it was put aside.
    ///
    /// # Errors
    /// If it cannot be put aside.
    pub fn read(&self) -> std::io::Result<(Kept, Option<String>)> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Kept::default(), None)),
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Kept>(&bytes) {
            Ok(kept) if kept.version == 1 => Ok((kept, None)),
            other => {
                let why = other.map_or_else(|it| it.to_string(), |it| format!("version {}", it.version));
                let aside =
                    self.path.with_extension(format!("unread-{}", jiff::Timestamp::now().as_millisecond()));
                std::fs::rename(&self.path, &aside)?;
                let says =
                    format!("what was kept cannot be read ({why}) and was put aside as {}", aside.display());
                Ok((Kept::default(), Some(says)))
            }
        }
    }

    /// Keeps a state, if that is other than what was kept last.
    ///
    /// # Errors
    /// If it cannot be written; the old one is still whole then.
    pub fn keep(&mut self, state: &State) -> std::io::Result<()> {
        let now = Kept::of(state);
        if self.last.as_ref() != Some(&now) {
            write_whole(&self.path, &serde_json::to_vec_pretty(&now)?)?;
            self.last = Some(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_put_aside_and_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("state.json"), "{half").unwrap();
        let (kept, says) = store.read().unwrap();
        assert_eq!(kept, Kept::default());
        assert!(says.unwrap().contains("put aside"));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read_to_string(left[0].path()).unwrap(), "{half");
    }
}
