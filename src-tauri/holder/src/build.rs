//! Which program file a process runs. It is known by the file itself and not by a number in it: one that was installed
//! anew in its place is another, whatever it says of itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The build that lies at a path; nothing if there is none.
#[must_use]
pub fn of(path: &Path) -> Option<String> {
    let it = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(format!("{:x}-{:x}-{:x}-{:x}.{:x}", it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec()))
}

/// The build that this process runs, also after its file was replaced or deleted.
#[must_use]
pub fn own() -> Option<String> {
    let path = if cfg!(target_os = "linux") {
        PathBuf::from("/proc/self/exe")
    } else {
        std::env::current_exe().ok()?
    };
    of(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_put_in_the_place_of_another_is_another_build() {
        let folder = tempfile::tempdir().unwrap();
        let (program, coming) = (folder.path().join("program"), folder.path().join("coming"));
        assert_eq!(of(&program), None);
        fs::write(&program, "same").unwrap();
        let before = of(&program).unwrap();
        assert_eq!(of(&program), Some(before.clone()));
        fs::write(&coming, "same").unwrap();
        fs::rename(&coming, &program).unwrap();
        assert_ne!(of(&program), Some(before));
        assert_eq!(own(), of(&std::env::current_exe().unwrap()));
    }
}
