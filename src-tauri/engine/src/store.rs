//! The store: the only user of sqlx. One writer, a few readers, write-ahead log; a decision is stored as a whole or
//! not at all.
//!
//! Refuses: judgement. Rows come from the fold, never from here.

pub mod archive;
mod error;
mod fleet;
mod forges;
mod history;
pub mod opencode;
mod outbox;
mod quiet;
mod trajectories;
mod worked;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilothouse_contract::{At, Fleet, Record, Touched};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub use error::StoreError;
pub use quiet::QuietRun;
pub use trajectories::{Accounts, NewStep, Read as TrajectoryRead, Spent};
pub use worked::Worked;

/// So many pages each connection keeps, as KiB: less than SQLite would by itself, for there are four of them, they fill as history
/// grows, and the system keeps the file in memory as well.
const CACHE_KIB: &str = "-512";

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    write: SqlitePool,
    read: SqlitePool,
    path: PathBuf,
    packs: archive::Shelf,
}

/// Everything that a starting engine needs.
#[derive(Debug)]
pub struct Loaded {
    /// The fleet as it was stored last.
    pub fleet: Fleet,
    /// Effects that were asked for and whose outcome is not stored.
    pub pending: Vec<OutboxRow>,
    /// The number the next effect gets.
    pub next_effect: u64,
}

/// An effect in the outbox, in its written form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number.
    pub key: u64,
    /// When it was asked for.
    pub at: At,
    /// The word for its kind.
    pub kind: &'static str,
    /// What is to be done, as JSON.
    pub body: String,
}

/// The end of an effect, in its written form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEnd {
    /// Its number.
    pub key: u64,
    /// When it ended.
    pub at: At,
    /// What came of it, as JSON.
    pub outcome: String,
}

/// What is stored as a whole or not at all.
#[derive(Debug)]
pub struct Written<'a> {
    /// What happened.
    pub records: &'a [Record],
    /// What is to be done.
    pub effects: &'a [OutboxRow],
    /// The fleet as the fold has it now.
    pub fleet: &'a Fleet,
    /// Which of its rows changed.
    pub touched: &'a BTreeSet<Touched>,
    /// The effect that all this is the end of.
    pub done: Option<OutboxEnd>,
}

impl Store {
    /// Opens the database in a data folder, or makes it. A database of an older version is copied beside itself
    /// before it is brought up to this one.
    ///
    /// # Errors
    /// See [`StoreError`]; each says what and how to mend it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("pilothouse.db");
        let in_words = |error| StoreError::of(&path, error);
        let fresh = !path.exists();
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .pragma("cache_size", CACHE_KIB)
            .busy_timeout(Duration::from_secs(10));
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(in_words)?;
        if !fresh {
            back_up_if_older(&write, &path).await?;
        }
        MIGRATIONS.run(&write).await.map_err(|error| match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
                StoreError::Newer { path: path.clone() }
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                StoreError::of(&path, error)
            }
            other => StoreError::Damaged { path: path.clone(), why: other.to_string() },
        })?;
        let read = SqlitePoolOptions::new()
            .max_connections(3)
            .connect_with(options.read_only(true))
            .await
            .map_err(in_words)?;
        Ok(Self { write, read, path, packs: archive::Shelf::default() })
    }

    /// Reads what a starting engine needs.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load(&self) -> Result<Loaded, StoreError> {
        let fleet = fleet::load(self).await?;
        let (pending, next_effect) = outbox::load(self).await?;
        Ok(Loaded { fleet, pending, next_effect })
    }

    /// Stores what was decided.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing of it is stored.
    pub async fn commit(&self, written: &Written<'_>) -> Result<(), StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let mut transaction = self.write.begin().await.map_err(in_words)?;
        history::put(&mut transaction, written.records).await.map_err(in_words)?;
        outbox::put(&mut transaction, written.effects).await.map_err(in_words)?;
        fleet::put(&mut transaction, written.fleet, written.touched).await.map_err(in_words)?;
        if let Some(end) = &written.done {
            outbox::end(&mut transaction, end).await.map_err(in_words)?;
        }
        transaction.commit().await.map_err(in_words)
    }

    /// A value that belongs to this database; made with `make` when it is asked for first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn meta(&self, key: &str, make: impl FnOnce() -> String) -> Result<String, StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(make())
            .execute(&self.write)
            .await
            .map_err(in_words)?;
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_one(&self.write)
            .await
            .map_err(in_words)
    }

    /// Closes the database, so that its log is folded into it.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Copies a database that is older than this program, once per version: a migration that goes wrong must not cost
/// anybody their history.
async fn back_up_if_older(write: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let in_words = |error| StoreError::of(path, error);
    let known: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(write).await.or_else(
            |error| if StoreError::is_no_such_table(&error) { Ok(None) } else { Err(in_words(error)) },
        )?;
    let newest = MIGRATIONS.iter().map(|it| it.version).max().unwrap_or_default();
    let Some(known) = known.filter(|known| *known < newest) else { return Ok(()) };
    let copy = path.with_extension(format!("db.version-{known}"));
    if copy.exists() {
        return Ok(());
    }
    sqlx::query("VACUUM INTO ?")
        .bind(copy.to_string_lossy().into_owned())
        .execute(write)
        .await
        .map_err(in_words)?;
    Ok(())
}

#[cfg(test)]
mod tests;
