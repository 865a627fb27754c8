//! Where a secret may have got to: every file below a home, every process with its arguments and its environment, the history; and how
//! one is typed into a program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::home::{Home, Ran};
use crate::must;

/// Runs a program to its end that reads this.
///
/// # Panics
/// If it cannot be started.
pub fn typed(mut command: Command, text: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = must(command.spawn());
    if let Some(mut input) = child.stdin.take() {
        must(input.write_all(text.as_bytes()));
    }
    let output = must(child.wait_with_output());
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Files below a folder with their bytes. Sockets have none, and what goes away meanwhile has none either.
#[must_use]
pub fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|it| match it.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&it.path()),
            Ok(kind) if kind.is_file() => {
                std::fs::read(it.path()).map(|bytes| (it.path(), bytes)).into_iter().collect()
            }
            _ => Vec::new(),
        })
        .collect()
}

/// Every place where a secret is that is not its own: of the home's files all but those of tokens, of other folders all.
///
/// # Panics
/// If the engine does not answer.
#[must_use]
pub fn leaks(home: &Home, secret: &str, folders: &[&Path]) -> Vec<String> {
    let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
    let own = home.data().join("tokens");
    let mut files = files_below(&home.data());
    assert!(files.iter().any(|(path, _)| path.ends_with("pilothouse.db")), "no database was looked into");
    files.extend(folders.iter().flat_map(|it| files_below(it)));
    let leaky = files.iter().filter(|(path, bytes)| has(bytes) && !path.starts_with(&own));
    let mut found: Vec<String> = leaky.map(|(path, _)| path.display().to_string()).collect();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        for file in ["cmdline", "environ"] {
            // Processes come and go, and those of others are theirs.
            if std::fs::read(entry.path().join(file)).is_ok_and(|it| has(&it)) {
                found.push(entry.path().join(file).display().to_string());
            }
        }
    }
    if must(serde_json::to_string(&home.history())).contains(secret) {
        found.push("history".to_owned());
    }
    found
}
