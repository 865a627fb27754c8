//! Events, in order.

use pilothouse_contract::card::Happened;
use pilothouse_contract::{At, Event, Record, RunId, Who};
use sqlx::{Row, Sqlite, Transaction};

use super::{Store, StoreError};

/// Adds records.
pub(super) async fn put(to: &mut Transaction<'_, Sqlite>, records: &[Record]) -> Result<(), sqlx::Error> {
    for record in records {
        let (project, run) = subject(&record.event);
        sqlx::query(
            "INSERT INTO event (seq, at, kind, who, project, run, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(i64::try_from(record.seq).unwrap_or(i64::MAX))
        .bind(record.at.0)
        .bind(record.event.word())
        .bind(json(&record.who))
        .bind(project.map(i64::from))
        .bind(run.map(i64::from))
        .bind(json(&record.event))
        .execute(&mut **to)
        .await?;
    }
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The project and the run that an event names itself. What belongs to a run by way of an attempt or a session is
/// found through the fleet.
fn subject(event: &Event) -> (Option<u32>, Option<u32>) {
    match event {
        Event::ProjectAdded { project } => (Some(project.id.0), None),
        Event::ProjectRemoved { project }
        | Event::ProjectTrusted { project, .. }
        | Event::WorkflowSeen { project, .. }
        | Event::MainMoved { project, .. }
        | Event::LineChanged { project, .. }
        | Event::RefTouched { project, .. } => (Some(project.0), None),
        Event::ItemRead { item } => (Some(item.project.0), None),
        Event::Card { what: Happened::Begun { project, .. }, .. } => (Some(project.0), None),
        Event::Card { what: Happened::Began { began }, .. } => (None, Some(began.run.0)),
        Event::RunStarted { run } => (Some(run.project.0), Some(run.id.0)),
        Event::RunResumed { run, .. }
        | Event::RunMoved { run, .. }
        | Event::HeadMoved { run, .. }
        | Event::RunTouched { run, .. }
        | Event::OutsideSeen { run, .. }
        | Event::RunNoted { run, .. }
        | Event::PhaseMoved { run, .. }
        | Event::AuditAsked { run, .. }
        | Event::Judged { run, .. }
        | Event::Audited { run, .. }
        | Event::RunBegun { run, .. }
        | Event::RunWindow { run, .. }
        | Event::RunRanked { run, .. }
        | Event::RunPaused { run, .. }
        | Event::TaskMoved { run, .. }
        | Event::TaskRestarted { run, .. }
        | Event::TaskRests { run, .. }
        | Event::TaskRested { run, .. }
        | Event::TaskGoesOn { run, .. }
        | Event::Integrating { run, .. } => (None, Some(run.0)),
        Event::AttemptStarted { attempt } => (None, Some(attempt.run.0)),
        Event::SessionAsked { session } => (session.project.map(|it| it.0), session.run.map(|it| it.0)),
        Event::QuestionAsked { question } => (question.project.map(|it| it.0), question.run.map(|it| it.0)),
        Event::EvidenceGathered { evidence } => {
            (Some(evidence.subject.project.0), Some(evidence.subject.run.0))
        }
        Event::PullOpened { pull } => (Some(pull.project.0), Some(pull.run.0)),
        Event::Refused { project, run, .. } => (project.map(|it| it.0), run.map(|it| it.0)),
        Event::Notice { project, .. } | Event::ForgeSaid { project, .. } => (project.map(|it| it.0), None),
        Event::WorktreeAsked { worktree } => (Some(worktree.project.0), None),
        _ => (None, None),
    }
}

impl Store {
    /// Records after a number, oldest first, at most so many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn records_after(&self, seq: u64, most: u32) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query("SELECT seq, at, who, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(i64::try_from(seq).unwrap_or(i64::MAX))
            .bind(i64::from(most))
            .fetch_all(&self.read)
            .await
            .map_err(|error| StoreError::of(&self.path, error))?;
        self.records(rows)
    }

    /// The newest record by a person.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn last_by_a_person(&self) -> Result<Option<Record>, StoreError> {
        let row = sqlx::query(
            // Who only looked did nothing.
            "SELECT seq, at, who, body FROM event WHERE json_extract(who, '$.kind') = 'person'
               AND NOT (kind = 'run-touched' AND json_extract(body, '$.touch.kind') = 'peek')
             ORDER BY seq DESC LIMIT 1",
        )
        .fetch_optional(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(self.records(row.into_iter().collect())?.pop())
    }

    /// Records of some kinds from a moment on and up to a number, oldest first. A clock that was set back by more than a day
    /// meanwhile may hide some.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn records_of_kinds(
        &self,
        kinds: &[&str],
        since: At,
        upto: u64,
    ) -> Result<Vec<Record>, StoreError> {
        // From the newest back to the first that is too old: what lies before that is never read.
        let rows = sqlx::query(
            "SELECT seq, at, who, body FROM event
             WHERE seq > coalesce((SELECT seq FROM event WHERE at < ?1 - 86400000 ORDER BY seq DESC LIMIT 1), 0)
                AND seq <= ?2 AND at >= ?1 AND kind IN (SELECT value FROM json_each(?3))
             ORDER BY seq",
        )
        .bind(since.0)
        .bind(i64::try_from(upto).unwrap_or(i64::MAX))
        .bind(json(&kinds))
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        self.records(rows)
    }

    /// Records that name a run or one of its attempts, sessions or pull requests, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn records_of(&self, run: RunId) -> Result<Vec<Record>, StoreError> {
        // What an attempt, a session or a pull request went through is tied to the run by the rows that began it.
        let rows = sqlx::query(
            "WITH mine AS (
                 SELECT json_extract(body, '$.attempt.id') AS attempt,
                        json_extract(body, '$.session.id') AS session,
                        json_extract(body, '$.pull.id') AS pull,
                        json_extract(body, '$.question.id') AS question
                 FROM event WHERE run = ?1
                    AND kind IN ('attempt-started', 'session-asked', 'pull-opened', 'question-asked'))
             SELECT seq, at, who, body FROM event
             WHERE run = ?1
                OR (kind IN ('attempt-moved', 'attempt-failed', 'brief-written', 'candidate-read')
                    AND json_extract(body, '$.attempt') IN (SELECT attempt FROM mine))
                OR (kind IN ('session-runs', 'holder-replaced', 'session-ended')
                    AND json_extract(body, '$.session') IN (SELECT session FROM mine))
                OR (kind IN ('pull-renewed', 'pull-merged', 'pull-checked', 'pull-approved', 'pull-moved')
                    AND json_extract(body, '$.pull') IN (SELECT pull FROM mine))
                OR (kind IN ('question-answered', 'question-withdrawn')
                    AND json_extract(body, '$.question') IN (SELECT question FROM mine))
             ORDER BY seq",
        )
        .bind(i64::from(run.0))
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        self.records(rows)
    }

    fn records(&self, rows: Vec<sqlx::sqlite::SqliteRow>) -> Result<Vec<Record>, StoreError> {
        let bad = |source| StoreError::Row { path: self.path.clone(), table: "event", source };
        rows.into_iter()
            .map(|row| {
                let who: Who = serde_json::from_str(row.get("who")).map_err(bad)?;
                let event: Event = serde_json::from_str(row.get("body")).map_err(bad)?;
                let seq = u64::try_from(row.get::<i64, _>("seq")).unwrap_or_default();
                Ok(Record { seq, at: At(row.get("at")), who, event })
            })
            .collect()
    }
}
