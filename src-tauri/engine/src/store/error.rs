//! What can go wrong with the store, each in words that name the file and the cure.

use std::path::{Path, PathBuf};

use pilothouse_contract::Fault;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or what of it the user may have, is full.
    #[error("the disk is full: {path} could not be written, and nothing was changed")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The file or its folder may not be written.
    #[error("{path} may not be written")]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("{path} was written by a newer Pilothouse than this one")]
    Newer {
        /// The database.
        path: PathBuf,
    },
    /// No database, or one that is damaged.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is known.
        why: String,
    },
    /// A row holds what this version cannot read.
    #[error("{path} holds a row in {table} that this version cannot read")]
    Row {
        /// The database.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Anything else.
    #[error("{path} did not do what was asked")]
    Sql {
        /// The database.
        path: PathBuf,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
}

/// Primary result codes of SQLite; source: its documentation of result and error codes.
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

fn code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    // Extended codes carry the primary one in their low byte.
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

impl StoreError {
    pub(super) fn of(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match code(&source) {
            Some(FULL) => Self::Full { path },
            Some(READONLY | CANTOPEN) => Self::ReadOnly { path },
            Some(CORRUPT | NOTADB) => Self::Damaged { path, why: source.to_string() },
            _ => Self::Sql { path, source },
        }
    }

    pub(super) fn is_no_such_table(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some_and(|it| it.message().starts_with("no such table"))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let folder = match &error {
            StoreError::Full { path }
            | StoreError::ReadOnly { path }
            | StoreError::Newer { path }
            | StoreError::Damaged { path, .. }
            | StoreError::Row { path, .. }
            | StoreError::Sql { path, .. } => path.parent().unwrap_or(path).display().to_string(),
        };
        let fault = Fault::environment(error.to_string());
        match &error {
            StoreError::Full { .. } => {
                fault.hint(format!("free some space for {folder}; agents that run go on"))
            }
            StoreError::ReadOnly { .. } => fault
                .hint(format!("make {folder} writable for you, or set PILOTHOUSE_HOME to a folder that is")),
            StoreError::Newer { .. } => {
                fault.hint("install the newer version again, or set PILOTHOUSE_HOME to another folder")
            }
            StoreError::Damaged { .. } => fault
                .hint(format!("put back a copy of the database, such as {folder}/pilothouse.db.version-*")),
            StoreError::Row { source, .. } => fault.because(source),
            StoreError::Sql { source, .. } => fault.because(source),
        }
    }
}
