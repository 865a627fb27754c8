//! Folders by identity and not by name. What a path points to can be swapped at any moment; a device and an inode
//! cannot. Used wherever something is renamed away.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use pilothouse_contract::Fault;
use pilothouse_holder::place::boot_id;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, statat};
use serde::{Deserialize, Serialize};

/// What makes a folder this folder and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

/// The identity of a folder as it is written down. Devices get their numbers when a machine starts: one of another boot
/// says nothing, and only the inode counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The identity.
    #[serde(flatten)]
    pub identity: Identity,
    /// The boot that the device number is of; empty where it is not known.
    #[serde(default)]
    pub boot: String,
}

impl Noted {
    /// An identity that was looked at just now.
    #[must_use]
    pub fn now(identity: Identity) -> Self {
        Self { identity, boot: boot_id() }
    }

    /// Whether a folder that was looked at just now is this one.
    #[must_use]
    pub fn is(&self, found: Identity) -> bool {
        self.identity.inode == found.inode && (self.boot != boot_id() || self.identity.device == found.device)
    }
}

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
}

#[allow(clippy::unnecessary_cast, reason = "the width of these numbers differs between systems")]
fn identity_of(stat: &rustix::fs::Stat) -> Identity {
    Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}

impl Folder {
    /// Opens a folder. Fails if the last part of the path is a symbolic link or no folder.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self { fd: openat(CWD, path, flags, Mode::empty())? })
    }

    /// Its identity.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&fstat(&self.fd)?))
    }

    /// The identity of an entry, links not followed; nothing if it is not there.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn identity_of(&self, name: &str) -> io::Result<Option<Identity>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(identity_of(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Renames an entry into another folder. Never replaces anything.
    ///
    /// # Errors
    /// Whatever the file system says; `AlreadyExists` if the new name is taken.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        if cfg!(any(target_os = "linux", target_os = "macos")) {
            match renameat_with(&self.fd, name, &to.fd, new, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
                other => return Ok(other?),
            }
        }
        // A file system without the flag: look first. The names we move to are ours alone.
        if to.identity_of(new)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(rustix::fs::renameat(&self.fd, name, &to.fd, new)?)
    }
}

/// Makes a folder that only the user may enter.
///
/// # Errors
/// In words, if it cannot be made or written to.
pub(crate) fn make_private(folder: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| cannot_use(folder, &error))?;
    let probe = folder.join(".probe");
    std::fs::write(&probe, b"x")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| cannot_use(folder, &error))
}

/// Why a folder cannot be used, in words.
pub(crate) fn cannot_use(folder: &Path, error: &io::Error) -> Fault {
    let fault = Fault::environment(format!("{} cannot be used: {error}", folder.display()));
    match error.kind() {
        io::ErrorKind::StorageFull => {
            fault.hint("free some space there, then try again; nothing was changed")
        }
        _ => fault.hint("make it writable for you, or set PILOTHOUSE_HOME to a folder that is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_of_another_boot_says_nothing() {
        let here = Identity { device: 7, inode: 42 };
        let noted = Noted::now(here);
        assert!(noted.is(here));
        assert!(!noted.is(Identity { device: 8, inode: 42 }) && !noted.is(Identity { device: 7, inode: 43 }));
        let before = Noted { boot: "another boot".to_owned(), ..noted };
        assert!(
            before.is(Identity { device: 8, inode: 42 }) && !before.is(Identity { device: 7, inode: 43 })
        );
        let old: Noted = serde_json::from_str(r#"{"device": 7, "inode": 42}"#).unwrap();
        assert_eq!((old.identity, old.boot.as_str()), (here, ""), "a note of an older version is read");
    }
}
