//! How long sessions that run were silent and at work: one row each, as long as they run.

use std::time::Duration;

use pilothouse_contract::SessionId;
use sqlx::Row;

use super::{Store, StoreError};

/// How long a session was silent and at work, and how much it had said by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Worked {
    /// Silent, since the last sign of work.
    pub silent: Duration,
    /// At work, altogether.
    pub work: Duration,
    /// Bytes of its output by then.
    pub output: u64,
}

fn ms(of: Duration) -> i64 {
    i64::try_from(of.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// What an engine kept of a session, if one did.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn worked(&self, session: SessionId) -> Result<Option<Worked>, StoreError> {
        let row = sqlx::query("SELECT silent_ms, work_ms, output FROM worked WHERE session = ?")
            .bind(i64::from(session.0))
            .fetch_optional(&self.read)
            .await
            .map_err(|error| StoreError::of(&self.path, error))?;
        let n = |row: &sqlx::sqlite::SqliteRow, name: &str| {
            u64::try_from(row.get::<i64, _>(name)).unwrap_or_default()
        };
        Ok(row.map(|row| Worked {
            silent: Duration::from_millis(n(&row, "silent_ms")),
            work: Duration::from_millis(n(&row, "work_ms")),
            output: n(&row, "output"),
        }))
    }

    /// Keeps that for the next engine.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn keep_worked(&self, session: SessionId, it: &Worked) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO worked (session, silent_ms, work_ms, output) VALUES (?, ?, ?, ?)
             ON CONFLICT (session) DO UPDATE SET silent_ms = excluded.silent_ms, work_ms = excluded.work_ms,
                 output = excluded.output",
        )
        .bind(i64::from(session.0))
        .bind(ms(it.silent))
        .bind(ms(it.work))
        .bind(i64::try_from(it.output).unwrap_or(i64::MAX))
        .execute(&self.write)
        .await
        .map(drop)
        .map_err(|error| StoreError::of(&self.path, error))
    }

    /// Forgets it: the session is over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_worked(&self, session: SessionId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM worked WHERE session = ?")
            .bind(i64::from(session.0))
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(|error| StoreError::of(&self.path, error))
    }
}
