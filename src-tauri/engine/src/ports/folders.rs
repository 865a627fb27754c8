//! Folders by identity and not by name. What a path points to can be swapped at any moment; a device and an inode
//! cannot. Used wherever something is renamed away.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

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
