//! Tokens of forges: where they are kept, and how one is had without being asked for. In the system's keyring, once that has shown
//! that it keeps what it is given; from `gh`, which is only read; or in a file of the user's alone, where a person chose that.
//!
//! Refuses: to keep one where nobody said so - no kernel keyring, no file by default -, to show one, and to hand one to a program as
//! an argument or a variable.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// A keyring that is locked asks its person; so long is waited for them.
const KEYRING: Duration = Duration::from_secs(60);
/// `gh` answers within this.
const GH: Duration = Duration::from_secs(20);
/// The name in the keyring.
const NAME: &str = "pilothouse";

/// A token. It is written nowhere by accident: it has no text and no form for the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Out of what somebody pasted; nothing if that can be none.
    #[must_use]
    pub fn read(written: &str) -> Option<Self> {
        let it = written.trim();
        let good = !it.is_empty() && it.len() <= 2_000 && it.chars().all(|c| c.is_ascii_graphic());
        good.then(|| Self(it.to_owned()))
    }

    /// The token itself, for the one who sends it.
    #[must_use]
    pub(crate) fn open(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Where a token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the system's keyring.
    Keyring,
    /// Where GitHub's own program keeps it.
    Gh,
    /// In a file of the user's alone, as it is.
    File,
}

impl Source {
    /// The word that is stored.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Gh => "gh",
            Self::File => "file",
        }
    }

    /// The source of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Keyring, Self::Gh, Self::File].into_iter().find(|it| it.word() == word)
    }
}

/// Keeps a token of a host.
///
/// # Errors
/// In words, if it cannot be kept there.
pub fn keep(data: &Path, host: &str, source: Source, token: &Token) -> Result<(), String> {
    match source {
        Source::Gh => Ok(()),
        Source::File => write(&file(data, host), token).map_err(|error| error.to_string()),
        Source::Keyring => {
            let (host, token) = (host.to_owned(), token.clone());
            in_time(move || {
                prove()?;
                entry(&host)?.set_password(token.open()).map_err(|error| said(&error))
            })
        }
    }
}

/// The token of a host.
///
/// # Errors
/// In words, if there is none, or it cannot be had.
pub fn find(data: &Path, host: &str, source: Source) -> Result<Token, String> {
    let none = || format!("there is no token for {host} where it was kept ({})", source.word());
    match source {
        Source::Gh => of_gh(host)?.ok_or_else(none),
        Source::File => {
            let place = file(data, host);
            let text =
                std::fs::read_to_string(&place).map_err(|error| format!("{}: {error}", place.display()))?;
            Token::read(&text).ok_or_else(none)
        }
        Source::Keyring => {
            let host = host.to_owned();
            let text = in_time(move || {
                open()?;
                entry(&host)?.get_password().map_err(|error| said(&error))
            })?;
            Token::read(&text).ok_or_else(none)
        }
    }
}

/// Throws a token away; that there is none is fine.
///
/// # Errors
/// In words, if it is there and stays.
pub fn forget(data: &Path, host: &str, source: Source) -> Result<(), String> {
    match source {
        Source::Gh => Ok(()),
        Source::File => match std::fs::remove_file(file(data, host)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        },
        Source::Keyring => {
            let host = host.to_owned();
            in_time(move || {
                open()?;
                match entry(&host)?.delete_credential() {
                    Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
                    Err(error) => Err(said(&error)),
                }
            })
        }
    }
}

/// What `gh` has for a host; nothing if there is no `gh`, or it has none.
///
/// # Errors
/// In words, if it does not answer.
pub fn of_gh(host: &str) -> Result<Option<Token>, String> {
    let host = host.to_owned();
    let (done, waits) = channel();
    let command = std::process::Command::new("gh")
        .args(["auth", "token", "--hostname", &host])
        // One that somebody put into this environment is theirs for other things, and for whatever host they meant.
        .env_remove("GH_TOKEN")
        .env_remove("GITHUB_TOKEN")
        .env_remove("GH_ENTERPRISE_TOKEN")
        .env_remove("GITHUB_ENTERPRISE_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = command else { return Ok(None) };
    let pid = child.id();
    std::thread::spawn(move || {
        let _nobody_waits = done.send(child.wait_with_output());
    });
    match waits.recv_timeout(GH) {
        Ok(Ok(output)) if output.status.success() => {
            Ok(Token::read(&String::from_utf8_lossy(&output.stdout)))
        }
        Ok(_) => Ok(None),
        Err(_) => {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            Err(format!("gh gave no answer within {} s", GH.as_secs()))
        }
    }
}

/// Where the file of a host's token lies. Its name is a hash, for a host may hold what no file may be called.
#[must_use]
pub fn file(data: &Path, host: &str) -> PathBuf {
    let hash = Sha256::digest(host.as_bytes());
    let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    data.join("tokens").join(name)
}

fn write(place: &Path, token: &Token) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = place.parent().unwrap_or(place);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let coming = place.with_extension("coming");
    match std::fs::remove_file(&coming) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&coming)?;
    file.write_all(token.open().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&coming, place)
}

/// A keyring may wait for its person for ever; whoever asks does not.
fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (done, waits) = channel();
    std::thread::spawn(move || {
        let _nobody_waits = done.send(work());
    });
    waits.recv_timeout(KEYRING).unwrap_or_else(|_| {
        Err(format!("the keyring gave no answer within {} s; is it locked?", KEYRING.as_secs()))
    })
}

fn said(error: &keyring_core::Error) -> String {
    match error {
        keyring_core::Error::NoEntry => "the keyring has no such entry".to_owned(),
        other => format!("the keyring says: {}", pilothouse_contract::text::line(&other.to_string(), 200)),
    }
}

fn entry(host: &str) -> Result<keyring_core::Entry, String> {
    keyring_core::Entry::new(NAME, host).map_err(|error| said(&error))
}

#[cfg(target_os = "linux")]
fn open() -> Result<(), String> {
    if keyring_core::get_default_store().is_none() {
        let store = zbus_secret_service_keyring_store::Store::new().map_err(|error| said(&error))?;
        keyring_core::set_default_store(store);
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn open() -> Result<(), String> {
    Err("this build knows no keyring on this system; keep the token in gh, or say --file".to_owned())
}

/// A keyring that opens may still keep nothing: it is shown by something that may be lost.
fn prove() -> Result<(), String> {
    open()?;
    let name = format!("canary-{}", uuid::Uuid::new_v4());
    let canary = keyring_core::Entry::new(NAME, &name).map_err(|error| said(&error))?;
    canary.set_password(&name).map_err(|error| said(&error))?;
    let found = canary.get_password().map_err(|error| said(&error));
    canary.delete_credential().map_err(|error| said(&error))?;
    if found? == name {
        Ok(())
    } else {
        Err("the keyring gives back something else than it was given".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_has_no_text_and_what_can_be_none_is_none() {
        let token = Token::read(" gho_secret\n").unwrap();
        assert_eq!((format!("{token:?}"), token.open()), ("Token".to_owned(), "gho_secret"));
        for bad in ["", "  ", "two words", "line\nbreak", "caf\u{e9}"] {
            assert_eq!(Token::read(bad), None, "{bad:?}");
        }
        assert_eq!(Source::of("keyutils"), None);
    }

    #[test]
    fn a_file_of_a_token_is_the_users_alone_and_goes_when_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (data, token) = (folder.path(), Token::read("gho_secret").unwrap());
        for host in ["github.com", "127.0.0.1:8931", "../../etc"] {
            keep(data, host, Source::File, &token).unwrap();
            keep(data, host, Source::File, &token).unwrap();
            let place = file(data, host);
            assert!(place.starts_with(data.join("tokens")));
            assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(find(data, host, Source::File).unwrap(), token);
            forget(data, host, Source::File).unwrap();
            forget(data, host, Source::File).unwrap();
            assert!(find(data, host, Source::File).is_err());
        }
    }
}
