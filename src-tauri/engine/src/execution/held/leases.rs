//! The keyboard of a session: one viewer has it at a time, and taking it is a deed. Who has it is noted beside the log, so
//! that a viewer whose engine died goes on typing without having taken it again.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pilothouse_contract::session::Lease;
use pilothouse_holder::proc;
use serde::{Deserialize, Serialize};

use super::{Key, Sessions};
use crate::ports::clock;

/// The program that a viewer runs in: an id alone is given again to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    pid: u32,
    began: u64,
}

impl Hand {
    /// That of a process; nothing if it is gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, began: proc::began(pid)? })
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    hand: Hand,
    lease: Lease,
}

fn noted(path: &Path) -> Option<Note> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Sessions {
    /// Takes the keyboard for a viewer. One that had it (`again`) does not take it from whoever took it since. Returns whether
    /// it was taken anew, which is to be recorded; not so if the same hand has it as before its connection, or the engine, was
    /// lost.
    #[must_use]
    pub fn take_lease(&self, session: Key, viewer: u64, hand: Option<Hand>, who: &str, again: bool) -> bool {
        let note_of = self.note_of(session);
        let live = self.lock();
        let Some(live) = live.get(&session) else { return false };
        // Read while nobody else can take it.
        let noted = noted(&note_of);
        let same = hand.is_some() && noted.as_ref().map(|it| it.hand) == hand;
        let had = live.sight.borrow().hand;
        if again && (had.is_some() || (!same && noted.is_some())) {
            return false;
        }
        let kept = same && had.is_none();
        let lease = match noted.filter(|_| kept) {
            Some(note) => note.lease,
            None => Lease { who: who.to_owned(), since: clock::now() },
        };
        if let Some(hand) = hand {
            self.note(session, &Note { hand, lease: lease.clone() });
        }
        live.sight.send_modify(|it| {
            it.lease = Some(lease);
            it.hand = Some(viewer);
        });
        !kept
    }

    /// Whether a hand had the keyboard when its connection, or the engine, was lost.
    #[must_use]
    pub fn had_lease(&self, session: Key, hand: Option<Hand>) -> bool {
        let nobody = self.lock().get(&session).is_some_and(|it| it.sight.borrow().hand.is_none());
        nobody && hand.is_some() && noted(&self.note_of(session)).map(|it| it.hand) == hand
    }

    /// Gives the keyboard back, if the viewer has it.
    pub fn give_lease_back(&self, session: Key, viewer: u64) {
        let live = self.lock();
        let Some(live) = live.get(&session).filter(|it| it.sight.borrow().hand == Some(viewer)) else {
            return;
        };
        let _none = std::fs::remove_file(self.note_of(session));
        live.sight.send_modify(|it| {
            it.lease = None;
            it.hand = None;
        });
    }

    /// Whether a viewer has the keyboard.
    #[must_use]
    pub fn has_lease(&self, session: Key, viewer: u64) -> bool {
        self.lock().get(&session).is_some_and(|it| it.sight.borrow().hand == Some(viewer))
    }

    fn note_of(&self, session: Key) -> PathBuf {
        self.place(session).folder().join("lease.json")
    }

    fn note(&self, session: Key, note: &Note) {
        let path = self.note_of(session);
        let write = || {
            let mut file =
                OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(&serde_json::to_vec(note)?)
        };
        // Without it a lost engine costs one more record of an intervention.
        let _unwritten: std::io::Result<()> = write();
    }
}
