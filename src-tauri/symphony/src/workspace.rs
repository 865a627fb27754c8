//! Workspaces: one folder per issue below one root. Owns how a folder is called, that it lies below the root whatever links
//! say, how it is made and how it is removed. Refuses a path that leads out, the root itself, a folder that belongs to another
//! issue, and whatever is there that is no folder: that is a person's, and is not deleted.

mod hooks;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub(crate) use hooks::stopped;
pub use hooks::{HookError, HookRun, Surroundings, run as run_hook};

/// A key is at most this long, so that a file system takes it.
const LONGEST: usize = 120;

/// Names that Windows keeps for devices, with any ending.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Why there is no workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The path would be the root itself.
    #[error("the workspace {0} is the root itself")]
    IsRoot(PathBuf),
    /// A link on the way leads elsewhere.
    #[error("the workspace {path} leads out by the link {link}; remove the link")]
    Link {
        /// The workspace.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// The path does not lie below the root.
    #[error("the workspace {path} does not lie below {root}")]
    Outside {
        /// The workspace.
        path: PathBuf,
        /// The root.
        root: PathBuf,
    },
    /// Something that is no folder has its name.
    #[error("{0} is there and is no folder; move it away")]
    NotAFolder(PathBuf),
    /// On this file system, another issue's folder has the same name.
    #[error("{path} is already there as {other}, which differs in case only; rename one of the issues")]
    CaseTwin {
        /// The workspace.
        path: PathBuf,
        /// The name that is there.
        other: String,
    },
    /// The file system refused.
    #[error("{path}: {cause}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> WorkspaceError + '_ {
    move |cause| WorkspaceError::Io { path: path.to_owned(), cause }
}

/// A workspace that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Where, absolute.
    pub path: PathBuf,
    /// Its folder's name.
    pub key: String,
    /// Whether this call made it.
    pub created_now: bool,
}

/// The folder's name for an issue: its identifier, with `_` for every character that is no letter, digit, dot, underscore or
/// hyphen. If that changed anything, or the name would be a trap, 16 hexadecimal digits of the SHA-256 of the identifier as it
/// was follow after `--`.
#[must_use]
pub fn key(identifier: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let clean: String = identifier.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let stem = clean.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let trap = clean.trim_matches('.').is_empty()
        || clean.ends_with('.')
        || clean.starts_with('-')
        || clean.len() > LONGEST
        || RESERVED.contains(&stem.as_str());
    if clean == identifier && !trap {
        return clean;
    }
    let digest = crate::issue::hex(&Sha256::digest(identifier.as_bytes()), 16);
    let mut short: String = clean.chars().take(LONGEST - 18).collect();
    if trap {
        // Neither a device's name nor an option nor a dot may begin it.
        short.insert(0, '_');
    }
    format!("{short}--{digest}")
}

/// Where an issue's workspace lies.
#[must_use]
pub fn path_of(root: &Path, identifier: &str) -> PathBuf {
    root.join(key(identifier))
}

/// Makes sure that a path lies below the root, also once links are followed. What is not there yet leads nowhere.
///
/// # Errors
/// If it is the root, lies outside, or a link on the way leads elsewhere.
pub fn contained(root: &Path, path: &Path) -> Result<(), WorkspaceError> {
    let outside = || WorkspaceError::Outside { path: path.to_owned(), root: root.to_owned() };
    if path == root {
        return Err(WorkspaceError::IsRoot(path.to_owned()));
    }
    let below = path.strip_prefix(root).map_err(|_| outside())?;
    // The root itself may be reached by links: that is its owner's choice. From there on, none.
    let mut at = root.to_owned();
    for part in below.components() {
        let std::path::Component::Normal(name) = part else { return Err(outside()) };
        at.push(name);
        match fs::symlink_metadata(&at) {
            Ok(meta) if meta.file_type().is_symlink() => {
                return Err(WorkspaceError::Link { path: path.to_owned(), link: at });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(WorkspaceError::Io { path: at, cause }),
        }
    }
    Ok(())
}

/// Opens an issue's workspace: makes the folder if it is not there, else takes it as it is.
///
/// # Errors
/// See [`WorkspaceError`].
pub fn open(root: &Path, identifier: &str) -> Result<Workspace, WorkspaceError> {
    fs::create_dir_all(root).map_err(io_at(root))?;
    let key = key(identifier);
    let path = root.join(&key);
    contained(root, &path)?;
    let created_now = match fs::create_dir(&path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !fs::symlink_metadata(&path).map_err(io_at(&path))?.is_dir() {
                return Err(WorkspaceError::NotAFolder(path));
            }
            false
        }
        Err(error) => return Err(io_at(&path)(error)),
    };
    if !created_now {
        let names = fs::read_dir(root).map_err(io_at(root))?.flatten();
        let names: Vec<String> = names.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        if let Some(other) = case_twin(&key, &names) {
            return Err(WorkspaceError::CaseTwin { path, other });
        }
    }
    contained(root, &path)?;
    Ok(Workspace { path, key, created_now })
}

/// Opens an issue's workspace and notes one that is made below `notes` until [`filled`]. One that bears such a note was left
/// half by a kill: it is removed and made anew. Only the very folder that was noted is.
///
/// # Errors
/// See [`WorkspaceError`].
pub fn open_to_fill(root: &Path, identifier: &str, notes: &Path) -> Result<Workspace, WorkspaceError> {
    let (path, note) = (path_of(root, identifier), notes.join(key(identifier)));
    if let Ok(noted) = fs::read_to_string(&note) {
        if identity(&path).is_some_and(|it| it == noted) {
            remove(root, &path)?;
        }
        fs::remove_file(&note).map_err(io_at(&note))?;
    }
    let made = open(root, identifier)?;
    if let Some(it) = identity(&path).filter(|_| made.created_now) {
        fs::create_dir_all(notes).map_err(io_at(notes))?;
        crate::observability::write_whole(&note, it.as_bytes()).map_err(io_at(&note))?;
    }
    Ok(made)
}

/// A workspace is whole now, or gone again.
///
/// # Errors
/// If its note cannot be taken away: it would be made anew at the next attempt.
pub fn filled(key: &str, notes: &Path) -> Result<(), WorkspaceError> {
    let note = notes.join(key);
    match fs::remove_file(&note) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(&note)(error)),
        _ => Ok(()),
    }
}

/// Which folder it is that lies there, whatever its name.
fn identity(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir)?;
    Some(format!("{} {}", meta.dev(), meta.ino()))
}

/// The name under which a folder is really there, if a file system that knows no case gave out another one's.
fn case_twin(key: &str, names: &[String]) -> Option<String> {
    if names.iter().any(|it| it == key) {
        return None;
    }
    names.iter().find(|it| it.eq_ignore_ascii_case(key)).cloned()
}

/// Removes a workspace with all that is in it; links in it are removed and not followed. One that is gone is no error.
///
/// # Errors
/// If it does not lie below the root, is no folder, or the file system refuses.
pub fn remove(root: &Path, path: &Path) -> Result<(), WorkspaceError> {
    contained(root, path)?;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_at(path)(error)),
        Ok(meta) if !meta.is_dir() => Err(WorkspaceError::NotAFolder(path.to_owned())),
        // The library opens each folder relative to its parent, so a link that is put there meanwhile is not followed.
        Ok(_) => match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(path)(error)),
            _ => Ok(()),
        },
    }
}

/// The names of the workspaces that are there.
#[must_use]
pub fn local(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|it| it.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        (folder, root)
    }

    #[test]
    fn row_2_1_the_same_identifier_has_the_same_path() {
        for identifier in ["ABC-1", "a b", "..", "ü/ö"] {
            assert_eq!(path_of(Path::new("/r"), identifier), path_of(Path::new("/r"), identifier));
        }
    }

    #[test]
    fn row_2_2_a_folder_that_is_not_there_is_made() {
        let (_folder, root) = root();
        let made = open(&root.join("deep/er"), "A-1").unwrap();
        assert!(made.created_now && made.path.is_dir());
    }

    #[test]
    fn row_2_3_a_folder_that_is_there_is_taken_as_it_is() {
        let (_folder, root) = root();
        let first = open(&root, "A-1").unwrap();
        fs::write(first.path.join("work"), "half").unwrap();
        let again = open(&root, "A-1").unwrap();
        assert!(!again.created_now);
        assert_eq!(fs::read_to_string(again.path.join("work")).unwrap(), "half");
    }

    #[test]
    fn row_2_4_what_is_there_and_no_folder_is_refused_and_stays() {
        let (_folder, root) = root();
        fs::write(root.join("A-1"), "mine").unwrap();
        assert!(matches!(open(&root, "A-1"), Err(WorkspaceError::NotAFolder(_))));
        assert!(matches!(remove(&root, &root.join("A-1")), Err(WorkspaceError::NotAFolder(_))));
        assert_eq!(fs::read_to_string(root.join("A-1")).unwrap(), "mine");
    }

    #[test]
    fn row_2_10_names_are_cleaned_hashed_and_contained_before_anything_starts() {
        let cleaned = key("a/../../etc");
        assert!(
            cleaned.starts_with("a_.._.._etc--") && cleaned.len() == "a_.._.._etc--".len() + 16,
            "{cleaned}"
        );
        assert_eq!(key("a b").len(), "a_b--".len() + 16);
        let (folder, root) = root();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("A-1")).unwrap();
        assert!(matches!(open(&root, "A-1"), Err(WorkspaceError::Link { .. })));
        assert!(matches!(contained(&root, &outside), Err(WorkspaceError::Outside { .. })));
        assert!(matches!(contained(&root, &root), Err(WorkspaceError::IsRoot(_))));
        assert!(contained(&root, &root.join("x/../../y")).is_err());
        assert!(remove(&root, &root.join("A-1")).is_err() && outside.is_dir());
    }

    #[test]
    fn row_2_11_clean_identifiers_keep_their_name_and_others_never_meet() {
        assert_eq!(key("ABC-123"), "ABC-123");
        assert_eq!(key("v1.2_x"), "v1.2_x");
        assert_ne!(key("a b"), key("a/b"));
        assert_ne!(key("a b"), key("a_b"));
    }

    #[test]
    fn row_h_12_dots_case_twins_reserved_and_long_names_are_safe() {
        let long = "x".repeat(5000);
        for bad in [".", "..", "...", "", "CON", "nul.txt", "a.", "-rf", &long] {
            let key = key(bad);
            assert_ne!(key, bad);
            assert!(key.len() <= LONGEST + 1 && key.contains("--"), "{key}");
            assert!(!key.starts_with(['.', '-']) && !key.ends_with('.'), "{key}");
        }
        let (_folder, root) = root();
        let (one, other) = (open(&root, "ABC-1").unwrap(), open(&root, "abc-1"));
        // Where the file system tells them apart they are two folders, else the second is refused.
        assert!(other.is_err() || other.unwrap().path != one.path);
        assert_eq!(case_twin("abc-1", &["ABC-1".to_owned()]), Some("ABC-1".to_owned()));
        assert_eq!(case_twin("abc-1", &["ABC-1".to_owned(), "abc-1".to_owned()]), None);
    }

    #[test]
    fn a_folder_that_was_left_half_is_made_anew_and_no_other_one() {
        let (folder, root) = root();
        let notes = folder.path().join("notes");
        let half = open_to_fill(&root, "A-1", &notes).unwrap();
        assert!(half.created_now);
        fs::write(half.path.join("half"), "").unwrap();
        let again = open_to_fill(&root, "A-1", &notes).unwrap();
        assert!(again.created_now && !again.path.join("half").exists());
        filled(&again.key, &notes).unwrap();
        fs::write(again.path.join("work"), "").unwrap();
        let whole = open_to_fill(&root, "A-1", &notes).unwrap();
        assert!(!whole.created_now && whole.path.join("work").exists());
        // A note of another folder that had the name before says nothing of this one.
        fs::write(notes.join("A-1"), "1 1").unwrap();
        let other = open_to_fill(&root, "A-1", &notes).unwrap();
        assert!(!other.created_now && other.path.join("work").exists() && !notes.join("A-1").exists());
    }

    #[test]
    fn removing_follows_no_link_and_a_folder_that_is_gone_is_no_error() {
        let (folder, root) = root();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("keep"), "").unwrap();
        let made = open(&root, "A-1").unwrap();
        std::os::unix::fs::symlink(&outside, made.path.join("link")).unwrap();
        remove(&root, &made.path).unwrap();
        remove(&root, &made.path).unwrap();
        assert!(outside.join("keep").exists() && !made.path.exists());
        assert!(local(&root).is_empty());
    }
}
