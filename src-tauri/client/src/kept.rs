//! What a window keeps from one opening to the next: where it was, its theme. One small file below the data folder, always
//! whole, so that a window that is killed at any moment finds what it kept last.
//!
//! Refuses: names that no page uses, and more than fits a few pages. It is comfort: what cannot be read is not there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pilothouse_contract::Fault;

/// What can be kept, and nothing else.
const NAMES: [&str; 4] = ["ph.theme", "ph.contrast", "ph.aloud", "ph.place"];
/// The longest value.
const VALUE_MAX: usize = 64 * 1024;
/// Longer is no file of ours: every value, written as JSON at its worst.
const FILE_MAX: u64 = 2 * 1024 * 1024;

/// What is kept, in a folder that is there.
#[derive(Debug, Clone)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// What is kept in a folder.
    #[must_use]
    pub fn below(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("kept.json")
    }

    /// Everything that is kept, by its name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, String> {
        let mut kept = read(&self.file()).unwrap_or_default();
        kept.retain(|name, value| is_kept(name, value));
        kept
    }

    /// Keeps one value. Several windows over one home keep beside each other.
    ///
    /// # Errors
    /// In words, if it is not for keeping, or the disk does not take it.
    pub fn keep(&self, name: &str, value: &str) -> Result<(), Fault> {
        if !NAMES.contains(&name) {
            return Err(Fault::refused(format!("nothing is kept by the name {name:?}"))
                .hint(format!("what can be kept: {}", NAMES.join(", "))));
        }
        if value.len() > VALUE_MAX {
            let says = format!("{name} is {} bytes long, and at most {VALUE_MAX} are kept", value.len());
            return Err(Fault::refused(says).hint("keep less under this name"));
        }
        self.write(name, value).map_err(|error| {
            Fault::environment(format!("{} cannot be written", self.file().display()))
                .because(error)
                .hint("make room on the disk, or the folder writable")
        })
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let lock = File::create(self.folder.join("kept.lock"))?;
        lock.lock()?;
        let mut kept = self.all();
        kept.insert(name.to_owned(), value.to_owned());
        // Whole beside it, and then in its place: there is no moment in which half of it can be read.
        let beside = self.folder.join("kept.json.new");
        fs::write(&beside, serde_json::to_vec(&kept)?)?;
        fs::rename(beside, self.file())
    }
}

fn is_kept(name: &str, value: &str) -> bool {
    NAMES.contains(&name) && value.len() <= VALUE_MAX
}

fn read(file: &Path) -> Option<BTreeMap<String, String>> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_last_is_there_whoever_kept_it_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Kept::below(folder.path().to_owned()), Kept::below(folder.path().to_owned()));
        assert_eq!(one.all(), BTreeMap::new());
        one.keep("ph.theme", "light").unwrap();
        other.keep("ph.place", "{\"view\":\"Wall\"}").unwrap();
        one.keep("ph.theme", "dark").unwrap();
        let both = [("ph.place", "{\"view\":\"Wall\"}"), ("ph.theme", "dark")];
        assert_eq!(other.all(), both.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(one.keep("ph.secret", "x").unwrap_err().message.contains("nothing is kept by the name"));
        let long = "x".repeat(VALUE_MAX + 1);
        assert!(one.keep("ph.place", &long).unwrap_err().message.contains("at most 65536"));
        assert_eq!(one.all().len(), 2, "what is refused changes nothing");
    }

    #[test]
    fn a_file_that_somebody_else_wrote_costs_comfort_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::below(folder.path().to_owned());
        for bad in ["", "{\"ph.theme\":", "[1]", "{\"ph.theme\":1}"] {
            fs::write(kept.file(), bad).unwrap();
            assert_eq!(kept.all(), BTreeMap::new(), "{bad}");
        }
        fs::write(kept.file(), "{\"ph.theme\":\"dark\",\"other\":\"x\"}").unwrap();
        assert_eq!(kept.all(), BTreeMap::from([("ph.theme".to_owned(), "dark".to_owned())]));
        kept.keep("ph.aloud", "yes").unwrap();
        assert_eq!(kept.all().len(), 2);
    }

    #[test]
    fn a_folder_that_is_gone_is_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let fault = Kept::below(folder.path().join("gone")).keep("ph.theme", "dark").unwrap_err();
        assert!(fault.message.contains("cannot be written"), "{fault}");
    }
}
