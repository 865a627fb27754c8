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

    /// The places that belong to a data folder. Its sockets lie in it, unless their paths would be too long: then in a
    /// folder of their own at a shorter place.
    ///
    /// # Errors
    /// In words, if that is too long as well.
    pub fn at(data: PathBuf, runtime: &Path) -> Result<Self, Fault> {
        let sockets = data.join("run");
        if fits(&sockets) {
            return Ok(Self { worktrees: data.join("worktrees"), data, sockets });
        }
        let hash: String = Sha256::digest(data.as_os_str().as_encoded_bytes())
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let user = rustix::process::geteuid().as_raw();
        let sockets = runtime.join(format!("ph-{hash}-{user}"));
        if !fits(&sockets) {
            return Err(Fault::environment(format!(
                "{} is too long a name for a folder of sockets",
                sockets.display()
            ))
            .hint("set XDG_RUNTIME_DIR to a folder with a shorter name, or PILOTHOUSE_HOME to one"));
        }
        Ok(Self { worktrees: data.join("worktrees"), data, sockets })
    }

    /// Whether the folder of sockets can be trusted: it is the user's own, no link, and nobody else may enter it. One
    /// that is not there holds nothing that could be met.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn check_sockets(&self) -> Result<(), Fault> {
        let folder = &self.sockets;
        let Ok(it) = rustix::fs::lstat(folder) else { return Ok(()) };
        let wrong = if it.st_uid != rustix::process::geteuid().as_raw() {
            "belongs to another user"
        } else if rustix::fs::FileType::from_raw_mode(it.st_mode) != rustix::fs::FileType::Directory {
            "is no folder of its own"
        } else if it.st_mode & 0o077 != 0 {
            "may be entered by others"
        } else {
            return Ok(());
        };
        Err(Fault::environment(format!("{} {wrong}: no engine is looked for there", folder.display()))
            .hint("look what it is and take it away; the engine makes it anew")
            .command("or close it to others", format!("chmod 700 {}", folder.display())))
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

/// Whether the longest name of a session's socket fits into a folder of sockets.
fn fits(sockets: &Path) -> bool {
    sockets.join("s4294967295-xxxxxxxxx.sock").as_os_str().len() < SOCKET_PATH_MAX
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
        for deep in [String::new(), "/deep".repeat(16)] {
            let at = |home: &str| Places::at(format!("/{home}{deep}/data").into(), Path::new("/run/user/1"));
            let (one, two) = (at("a").unwrap(), at("b").unwrap());
            assert_ne!(one.socket(), two.socket());
        }
    }

    #[test]
    fn sockets_lie_in_the_data_folder_as_long_as_their_paths_are_short_enough() {
        let at = |data: String| Places::at(data.into(), Path::new("/run/user/1")).unwrap();
        assert_eq!(
            at("/home/me/.local/share/pilothouse".to_owned()).sockets,
            Path::new("/home/me/.local/share/pilothouse/run")
        );
        let longest = "/run/s4294967295-xxxxxxxxx.sock".len();
        let just = format!("/{}", "x".repeat(SOCKET_PATH_MAX - longest - 2));
        assert_eq!(at(just.clone()).sockets, Path::new(&just).join("run"));
        assert!(at(format!("{just}x")).sockets.starts_with("/run/user/1"));
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_refused_in_words() {
        let long = format!("/{}", "x".repeat(100));
        let fault = Places::at(long.clone().into(), Path::new(&long)).unwrap_err();
        assert!(fault.message.contains("too long"), "{fault}");
    }

    #[test]
    fn a_folder_of_sockets_that_is_a_link_or_open_to_others_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let places = Places::at(folder.path().to_owned(), folder.path()).unwrap();
        places.check_sockets().unwrap();
        std::fs::create_dir(&places.sockets).unwrap();
        let open = |mode| std::fs::set_permissions(&places.sockets, std::fs::Permissions::from_mode(mode));
        open(0o700).unwrap();
        places.check_sockets().unwrap();
        open(0o755).unwrap();
        assert!(places.check_sockets().unwrap_err().message.contains("entered by others"));
        std::fs::remove_dir(&places.sockets).unwrap();
        std::os::unix::fs::symlink(folder.path(), &places.sockets).unwrap();
        assert!(places.check_sockets().unwrap_err().message.contains("no folder of its own"));
    }
}
