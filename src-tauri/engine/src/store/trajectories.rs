//! Trajectories: steps of sessions, with how far their log was read. Steps and that mark are stored together, so that
//! a crash between them neither loses nor doubles a step.

use pilothouse_contract::trajectory::{Step, StepKind, Trajectory};
use pilothouse_contract::{At, SessionId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError};

/// How far a session's log was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// The log.
    pub file: String,
    /// Up to this byte.
    pub to: u64,
    /// Lines so far that were no records.
    pub damaged: u32,
    /// Whether the session ended and its log was read whole.
    pub whole: bool,
}

/// A step that was read: native id, time, kind.
pub type NewStep = (String, Option<At>, StepKind);

impl Store {
    /// How far a session's log was read; nothing if it never was.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trajectory_read(&self, session: SessionId) -> Result<Option<Read>, StoreError> {
        let row = sqlx::query("SELECT file, read_to, damaged, whole FROM trajectory WHERE session = ?")
            .bind(i64::from(session.0))
            .fetch_optional(&self.read)
            .await
            .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(row.map(|row| Read {
            file: row.get("file"),
            to: u64::try_from(row.get::<i64, _>("read_to")).unwrap_or_default(),
            damaged: u32::try_from(row.get::<i64, _>("damaged")).unwrap_or_default(),
            whole: row.get::<i64, _>("whole") != 0,
        }))
    }

    /// Stores steps and how far the log was read. A native id that is known keeps its place and gets the new words.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing of it is stored.
    pub async fn put_steps(
        &self,
        session: SessionId,
        read: &Read,
        steps: &[NewStep],
    ) -> Result<(), StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let id = i64::from(session.0);
        let mut transaction = self.write.begin().await.map_err(in_words)?;
        sqlx::query(
            "INSERT INTO trajectory (session, file, read_to, damaged, whole) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (session) DO UPDATE SET file = excluded.file, read_to = excluded.read_to,
                 damaged = excluded.damaged, whole = excluded.whole",
        )
        .bind(id)
        .bind(&read.file)
        .bind(i64::try_from(read.to).unwrap_or(i64::MAX))
        .bind(i64::from(read.damaged))
        .bind(i64::from(read.whole))
        .execute(&mut *transaction)
        .await
        .map_err(in_words)?;
        for (native, at, kind) in steps {
            sqlx::query(
                "INSERT INTO step (session, ordinal, native, at, kind, body)
                 VALUES (?1, (SELECT coalesce(max(ordinal) + 1, 0) FROM step WHERE session = ?1), ?2, ?3, ?4, ?5)
                 ON CONFLICT (session, native) DO UPDATE SET at = excluded.at, kind = excluded.kind, body = excluded.body",
            )
            .bind(id)
            .bind(native)
            .bind(at.map(|at| at.0))
            .bind(kind.word())
            .bind(serde_json::to_string(kind).unwrap_or_default())
            .execute(&mut *transaction)
            .await
            .map_err(in_words)?;
        }
        transaction.commit().await.map_err(in_words)
    }

    /// All trajectories, newest session first. Titles are left empty: they are the fleet's.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trajectories(&self) -> Result<Vec<Trajectory>, StoreError> {
        let rows = sqlx::query(
            "SELECT t.session, t.file, t.damaged, count(s.ordinal) AS steps,
                 coalesce(sum(s.kind = 'unread'), 0) AS unread,
                 coalesce(sum(json_extract(s.body, '$.input')) FILTER (WHERE s.kind = 'tokens'), 0) AS input,
                 coalesce(sum(json_extract(s.body, '$.cached')) FILTER (WHERE s.kind = 'tokens'), 0) AS cached,
                 coalesce(sum(json_extract(s.body, '$.output')) FILTER (WHERE s.kind = 'tokens'), 0) AS output
             FROM trajectory t LEFT JOIN step s USING (session)
             GROUP BY t.session ORDER BY t.session DESC",
        )
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(rows.iter().map(trajectory).collect())
    }

    /// Steps of a session from an ordinal on, at most so many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn steps(&self, session: SessionId, from: u32, most: u32) -> Result<Vec<Step>, StoreError> {
        let rows = sqlx::query(
            "SELECT ordinal, native, at, body FROM step WHERE session = ? AND ordinal >= ? ORDER BY ordinal LIMIT ?",
        )
        .bind(i64::from(session.0))
        .bind(i64::from(from))
        .bind(i64::from(most))
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        rows.into_iter()
            .map(|row| {
                let kind = serde_json::from_str(row.get("body")).map_err(|source| StoreError::Row {
                    path: self.path.clone(),
                    table: "step",
                    source,
                })?;
                Ok(Step {
                    session,
                    ordinal: u32::try_from(row.get::<i64, _>("ordinal")).unwrap_or_default(),
                    native: row.get("native"),
                    at: row.get::<Option<i64>, _>("at").map(At),
                    kind,
                })
            })
            .collect()
    }
}

fn trajectory(row: &SqliteRow) -> Trajectory {
    let small = |column: &str| u32::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    let large = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap_or_default();
    Trajectory {
        session: SessionId(small("session")),
        title: String::new(),
        steps: small("steps"),
        unread: small("unread"),
        damaged: small("damaged"),
        input: large("input"),
        cached: large("cached"),
        output: large("output"),
        file: row.get("file"),
    }
}
