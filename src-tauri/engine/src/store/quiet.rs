//! What the quiet wrapper ran for agents: one row a command.

use pilothouse_contract::pace::Tally;
use pilothouse_contract::{At, SessionId};
use sqlx::Row;

use super::trajectories::ids;
use super::{Store, StoreError};

/// Of one session at most so many are kept: the figures need no more, and a loop that calls the wrapper must not fill the disk.
const ROWS_MAX: i64 = 20_000;

/// A command that the quiet wrapper ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietRun {
    /// For which session.
    pub session: SessionId,
    /// The wrapper's own number of it there.
    pub number: u32,
    /// When it ended.
    pub at: At,
    /// What it was.
    pub command: String,
    /// Its exit code; nothing if a signal ended it.
    pub exit: Option<i32>,
    /// How long it ran, in milliseconds.
    pub ms: u64,
    /// Bytes of its output.
    pub whole: u64,
    /// Bytes that were shown of it.
    pub shown: u64,
    /// Tests that it ran, if its output told of any.
    pub tests: Option<Tally>,
}

fn stored(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Store {
    /// Stores a run of the quiet wrapper. Whether it is one that was not told of before.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn put_quiet(&self, it: &QuietRun) -> Result<bool, StoreError> {
        let put = sqlx::query(
            "INSERT INTO quiet (session, number, at, command, exit, ms, whole, shown, passed, failed)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, ?11
             WHERE (SELECT count(*) FROM quiet WHERE session = ?1) < ?9
             ON CONFLICT DO NOTHING",
        )
        .bind(i64::from(it.session.0))
        .bind(i64::from(it.number))
        .bind(it.at.0)
        .bind(&it.command)
        .bind(it.exit)
        .bind(stored(it.ms))
        .bind(stored(it.whole))
        .bind(stored(it.shown))
        .bind(ROWS_MAX)
        .bind(it.tests.map(|it| i64::from(it.passed)))
        .bind(it.tests.map(|it| i64::from(it.failed)))
        .execute(&self.write)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(put.rows_affected() > 0)
    }

    /// What the quiet wrapper ran for sessions from a moment on, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quiet_runs(&self, sessions: &[SessionId], since: At) -> Result<Vec<QuietRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT session, number, at, command, exit, ms, whole, shown, passed, failed FROM quiet
             WHERE session IN (SELECT value FROM json_each(?)) AND at >= ? ORDER BY id",
        )
        .bind(ids(sessions))
        .bind(since.0)
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let small = |column: &str| u32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
            let large = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap_or_default();
            let counted = |column: &str| u32::try_from(row.get::<Option<i64>, _>(column)?).ok();
            let tests = counted("passed").zip(counted("failed"));
            QuietRun {
                session: SessionId(small("session")),
                number: small("number"),
                at: At(row.get("at")),
                command: row.get("command"),
                exit: row.get("exit"),
                ms: large("ms"),
                whole: large("whole"),
                shown: large("shown"),
                tests: tests.map(|(passed, failed)| Tally { passed, failed }),
            }
        };
        Ok(rows.iter().map(read).collect())
    }
}
