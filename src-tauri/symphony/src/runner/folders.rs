//! Which folders a loop may use: the root of the workspaces, and the folder of what it knows, which lies with the user's own
//! data and not where agents may write. Refuses folders of other users.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Nobody else reads or writes what is made here.
const PRIVATE: u32 = 0o700;

/// The folder of a root's state, below `base`: roots that are reached by different links have the same.
#[must_use]
pub fn state_folder(base: &Path, root: &Path) -> PathBuf {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let digest = crate::workflow::hash(root.as_os_str().as_encoded_bytes());
    base.join(digest.get(..16).unwrap_or_default())
}

/// Makes the root, if it is not there.
///
/// # Errors
/// If it cannot be made, or it or the link that leads there is another user's.
pub(super) fn root(path: &Path) -> io::Result<()> {
    make(path)?;
    own(path)
}

/// Makes the folder of the state, if it is not there, and closes it to others.
///
/// # Errors
/// If it cannot be made or closed, or is another user's.
pub(super) fn state(path: &Path) -> io::Result<()> {
    make(path)?;
    own(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(PRIVATE))
}

fn make(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(PRIVATE).create(path)
}

fn own(path: &Path) -> io::Result<()> {
    let us = rustix::process::geteuid().as_raw();
    // A link of somebody else could lead elsewhere tomorrow.
    for meta in [std::fs::symlink_metadata(path)?, std::fs::metadata(path)?] {
        if meta.uid() != us {
            let says = "it belongs to another user; choose a folder of yours";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, says));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        // Whoever may give folders away does; for others the root of the file system is another user's.
        let theirs = match std::os::unix::fs::chown(&theirs, Some(1), None) {
            Ok(()) => theirs,
            Err(_) => PathBuf::from("/"),
        };
        for refused in [root(&theirs), state(&theirs)] {
            assert!(refused.unwrap_err().to_string().contains("another user"));
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        assert!(root(&link).is_err(), "also where a link of ours leads there");
    }

    #[test]
    fn the_state_lies_apart_from_the_root_and_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let (one, base) = (folder.path().join("one"), folder.path().join("data"));
        root(&one).unwrap();
        std::os::unix::fs::symlink(&one, folder.path().join("link")).unwrap();
        let place = state_folder(&base, &one);
        assert!(place.starts_with(&base));
        assert_eq!(place, state_folder(&base, &folder.path().join("link")), "one root, one state");
        assert_ne!(place, state_folder(&base, &folder.path().join("two")));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
        state(&place).unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_lift_below_a_root_that_no_loop_knows_fails_and_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (one, base) = (folder.path().join("one"), folder.path().join("data"));
        root(&one).unwrap();
        let error = super::super::request_lift(&base, &one, "A-1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("no loop has worked below") && !base.exists(), "{error}");
        state(&state_folder(&base, &one)).unwrap();
        super::super::request_lift(&base, &one, "A-1").unwrap();
    }
}
