//! Trajectories: steps of sessions, with how far their log was read. Steps and that mark are stored together, so that
//! a crash between them neither loses nor doubles a step.

use std::collections::BTreeMap;

use pilothouse_contract::money::{Account, Prices};
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

/// What a session spent, by its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Tokens that were read anew and written.
    pub tokens: u64,
    /// What is known of what it cost, in micro-dollars; nothing if nothing is.
    pub micros: Option<u64>,
    /// How often the last call that was answered brought the same answer, one after the other.
    pub repeats: u32,
    /// Tokens that its model read for the newest call, from wherever.
    pub context: u64,
}

/// What a session used.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// Altogether.
    pub all: Account,
    /// In calls that say that they were made from a moment on.
    pub late: Account,
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

    /// Stores steps and how far the log was read. A native id that is known keeps its place and gets the new words. A log that was
    /// read whole is not read any further.
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
        let whole: Option<i64> = sqlx::query_scalar("SELECT whole FROM trajectory WHERE session = ?")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(in_words)?;
        // Read to its end: what is in the file by now is the log of a session that goes on with this one.
        if whole == Some(1) {
            return Ok(());
        }
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
            let ordinal: i64 = sqlx::query_scalar(
                "INSERT INTO step (session, ordinal, native, at, kind, body)
                 VALUES (?1, (SELECT coalesce(max(ordinal) + 1, 0) FROM step WHERE session = ?1), ?2, ?3, ?4, ?5)
                 ON CONFLICT (session, native) DO UPDATE SET at = excluded.at, kind = excluded.kind, body = excluded.body
                 RETURNING ordinal",
            )
            .bind(id)
            .bind(native)
            .bind(at.map(|at| at.0))
            .bind(kind.word())
            .bind(serde_json::to_string(kind).unwrap_or_default())
            .fetch_one(&mut *transaction)
            .await
            .map_err(in_words)?;
            super::archive::index(&mut transaction, session, ordinal, kind).await.map_err(in_words)?;
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
                 coalesce(sum(json_extract(s.body, '$.cache_write')) FILTER (WHERE s.kind = 'tokens'), 0) AS cache_write,
                 coalesce(sum(json_extract(s.body, '$.output')) FILTER (WHERE s.kind = 'tokens'), 0) AS output
             FROM trajectory t LEFT JOIN step s USING (session)
             GROUP BY t.session ORDER BY t.session DESC",
        )
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(rows.iter().map(trajectory).collect())
    }

    /// What a session spent so far, each call once. Repeated calls are counted up to `most` and a few more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn spent(&self, session: SessionId, most: u32, prices: &Prices) -> Result<Spent, StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let account = self.accounts(&[session], At(i64::MAX), prices).await?.remove(&session);
        let account = account.unwrap_or_default().all;
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM step WHERE session = ? AND kind IN ('call', 'result') ORDER BY ordinal DESC LIMIT ?",
        )
        .bind(i64::from(session.0))
        // A call and its answer; the last may have none yet, and some are made together.
        .bind(2 * i64::from(most) + 20)
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let newest: Option<String> = sqlx::query_scalar(
            "SELECT body FROM step WHERE session = ? AND kind = 'tokens' ORDER BY ordinal DESC LIMIT 1",
        )
        .bind(i64::from(session.0))
        .fetch_optional(&self.read)
        .await
        .map_err(in_words)?;
        let steps = bodies.iter().filter_map(|it| serde_json::from_str(it).ok());
        let cost = account.cost(prices);
        Ok(Spent {
            tokens: account.tokens().spent(),
            micros: (cost.whole || !cost.known.is_zero()).then_some(cost.known.0),
            repeats: repeats(steps),
            context: match newest.as_deref().map(serde_json::from_str) {
                Some(Ok(StepKind::Tokens { tokens, .. })) => tokens.read(),
                _ => 0,
            },
        })
    }

    /// What sessions used: altogether, and in calls that say that they were made from a moment on.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn accounts(
        &self,
        sessions: &[SessionId],
        since: At,
        prices: &Prices,
    ) -> Result<BTreeMap<SessionId, Accounts>, StoreError> {
        let rows = sqlx::query(
            "SELECT session, at, body FROM step
             WHERE session IN (SELECT value FROM json_each(?)) AND kind IN ('tokens', 'cost') ORDER BY session, ordinal",
        )
        .bind(ids(sessions))
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        let mut all: BTreeMap<SessionId, Accounts> = BTreeMap::new();
        for row in rows {
            let session = SessionId(u32::try_from(row.get::<i64, _>("session")).unwrap_or_default());
            let Ok(step) = serde_json::from_str::<StepKind>(row.get("body")) else { continue };
            let accounts = all.entry(session).or_default();
            accounts.all.add(&step, prices);
            // The program's own count is of all of it, and says nothing of a part.
            let is_late = row.get::<Option<i64>, _>("at").is_some_and(|at| at >= since.0);
            if is_late && matches!(step, StepKind::Tokens { .. }) {
                accounts.late.add(&step, prices);
            }
        }
        Ok(all)
    }

    /// The model of a session's newest call, by its log.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_model(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT json_extract(body, '$.model') FROM step WHERE session = ? AND kind = 'tokens'
             ORDER BY ordinal DESC LIMIT 1",
        )
        .bind(i64::from(session.0))
        .fetch_optional(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))
    }

    /// What a session's program said last that all of it cost.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn told_cost(&self, session: SessionId) -> Result<Option<StepKind>, StoreError> {
        let body: Option<String> = sqlx::query_scalar(
            "SELECT body FROM step WHERE session = ? AND kind = 'cost' ORDER BY ordinal DESC LIMIT 1",
        )
        .bind(i64::from(session.0))
        .fetch_optional(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(body.and_then(|it| serde_json::from_str(&it).ok()))
    }

    /// Whether a log was read in which its agent did anything: said or called something.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn has_done_nothing(&self, session: SessionId) -> Result<bool, StoreError> {
        let done: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM step WHERE session = ? AND kind IN ('message', 'reasoning', 'call', 'tokens'))",
        )
        .bind(i64::from(session.0))
        .fetch_one(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(done == 0)
    }

    /// The newest steps of a session, oldest first, at most so many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_steps(&self, session: SessionId, most: u32) -> Result<Vec<StepKind>, StoreError> {
        let bodies: Vec<String> =
            sqlx::query_scalar("SELECT body FROM step WHERE session = ? ORDER BY ordinal DESC LIMIT ?")
                .bind(i64::from(session.0))
                .bind(i64::from(most))
                .fetch_all(&self.read)
                .await
                .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(bodies.iter().rev().filter_map(|it| serde_json::from_str(it).ok()).collect())
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

/// Ids as the database reads a list of them.
pub(super) fn ids(sessions: &[SessionId]) -> String {
    let ids: Vec<u32> = sessions.iter().map(|it| it.0).collect();
    serde_json::to_string(&ids).unwrap_or_default()
}

/// How many calls there are in a row that are the same as the last one and were answered the same; from the newest on.
fn repeats(newest_first: impl Iterator<Item = StepKind>) -> u32 {
    let mut answers: BTreeMap<String, (bool, String)> = BTreeMap::new();
    let mut last = None;
    let mut count = 0;
    for step in newest_first {
        match step {
            StepKind::Result { call, failed, text } => {
                answers.insert(call, (failed, text));
            }
            StepKind::Call { call, tool, input, .. } => {
                // What is not answered yet says nothing.
                let Some(answer) = answers.remove(&call) else { continue };
                let this = (tool, input, answer);
                if this.1.is_empty() || *last.get_or_insert_with(|| this.clone()) != this {
                    break;
                }
                count += 1;
            }
            _ => {}
        }
    }
    count
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
        cache_write: large("cache_write"),
        output: large("output"),
        file: row.get("file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_call_with_the_same_answer_repeats() {
        let call = |n: u32, says: &str| StepKind::Call {
            call: n.to_string(),
            tool: "sh".to_owned(),
            says: "the same".to_owned(),
            input: says.to_owned(),
        };
        let got = |n: u32, text: &str| StepKind::Result {
            call: n.to_string(),
            failed: false,
            text: text.to_owned(),
        };
        let of = |steps: &[StepKind]| repeats(steps.iter().rev().cloned());
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[call(1, "a"), got(1, "x"), call(2, "a"), got(2, "x"), call(3, "a")]), 2);
        assert_eq!(of(&[call(1, "a"), got(1, "x"), call(2, "a"), got(2, "y")]), 1);
        assert_eq!(of(&[call(1, "a"), got(1, "x"), call(2, "b"), got(2, "x"), call(3, "a"), got(3, "x")]), 1);
        // Calls that are made together are answered together.
        assert_eq!(of(&[call(1, "a"), call(2, "a"), got(1, "x"), got(2, "x")]), 2);
    }
}
