//! Where everything is. `PILOTHOUSE_HOME` moves all of it, so that two copies never meet; without it the places are
//! those of the XDG base directory specification.

use std::env;
use std::path::{Path, PathBuf};

use pilothouse_contract::Fault;
use sha2::{Digest, Sha256};

/// The longest path a Unix socket may have on every system we run on, in bytes.
const SOCKET_PATH_MAX: usize = 104;

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The data folder: the database, sessions, recovery.
    pub data: PathBuf,
    /// The folder of worktrees.
    pub worktrees: PathBuf,
    /// The folder of sockets.
    pub sockets: PathBuf,
}

impl Places {
    /// The places of this user, by the environment.
    ///
    /// # Errors
    /// In words, if there is no home, or a path would be too long for a socket.
    pub fn find() -> Result<Self, Fault> {
        let folder = |name: &str| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let data = match (folder("PILOTHOUSE_HOME"), folder("XDG_DATA_HOME"), folder("HOME")) {
            (Some(home), ..) => absolute(&home)?.join("data"),
            (None, Some(data), _) => data.join("pilothouse"),
            (None, None, Some(home)) => home.join(".local/share/pilothouse"),
            (None, None, None) => {
                return Err(Fault::environment("there is no home folder")
                    .hint("set HOME, or set PILOTHOUSE_HOME to a folder of yours"));
            }
        };
        let runtime = folder("XDG_RUNTIME_DIR").unwrap_or_else(env::temp_dir);
        Self::at(data, &runtime)
    }

    /// The places that belong to a data folder.
    ///
    /// # Errors
    /// In words, if a path would be too long for a socket.
    pub fn at(data: PathBuf, runtime: &Path) -> Result<Self, Fault> {
        let hash: String = Sha256::digest(data.as_os_str().as_encoded_bytes())
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let user = rustix::process::geteuid().as_raw();
        let sockets = runtime.join(format!("ph-{hash}-{user}"));
        let longest = sockets.join("s4294967295.sock");
        if longest.as_os_str().len() >= SOCKET_PATH_MAX {
            return Err(Fault::environment(format!(
                "{} is too long a name for a folder of sockets",
                sockets.display()
            ))
            .hint("set XDG_RUNTIME_DIR to a folder with a shorter name"));
        }
        Ok(Self { worktrees: data.join("worktrees"), data, sockets })
    }

    /// The engine's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.sockets.join("engine.sock")
    }

    /// The file whose lock an engine holds for life.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.data.join("engine.lock")
    }

    /// The engine's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.data.join("engine.log")
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    std::path::absolute(path)
        .map_err(|error| Fault::environment(format!("PILOTHOUSE_HOME cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_homes_never_meet() {
        let one = Places::at("/a/data".into(), Path::new("/run/user/1")).unwrap();
        let two = Places::at("/b/data".into(), Path::new("/run/user/1")).unwrap();
        assert_ne!(one.socket(), two.socket());
        assert!(one.socket().starts_with("/run/user/1/"));
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_refused_in_words() {
        let fault = Places::at("/a".into(), Path::new(&format!("/{}", "x".repeat(100)))).unwrap_err();
        assert!(fault.message.contains("too long"), "{fault}");
    }
}
