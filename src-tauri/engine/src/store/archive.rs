//! The archive: imported logs of agents' sessions, the words of all steps that are stored, and what they used.
//!
//! Refuses to keep what is a secret: whoever hands steps over has taken it out.

use std::collections::HashMap;

use pilothouse_contract::archive::{ArchivedLog, Filters, Imported, Place};
use pilothouse_contract::elsewhere::ElsewhereStep;
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, LogId, SessionId};
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{NewStep, Store, StoreError};

/// So much of a step can be found by its words, in bytes.
const INDEXED: usize = 64 * 1024;
/// A body that is longer is packed, in bytes.
const PACKED_FROM: usize = 200;
/// So many steps are stored at a time.
const AT_ONCE: usize = 500;
/// A session of ours has fewer steps than this.
const STEPS_MAX: i64 = 1 << 24;

/// A log that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLog {
    /// Whose it is.
    pub agent: String,
    /// The agent's own id of the session.
    pub native: String,
    /// The file.
    pub file: String,
    /// The folder that the session was started in.
    pub cwd: String,
    /// What it was asked first, as one line.
    pub title: String,
    /// When its first step was.
    pub began: Option<At>,
    /// When the file was written last.
    pub written: At,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Lines that were damaged.
    pub damaged: u32,
}

/// A step that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundStep {
    /// Where it stands.
    pub place: Place,
    /// Its place there.
    pub ordinal: u32,
    /// When.
    pub at: Option<At>,
    /// What happened.
    pub kind: StepKind,
    /// Whose session it is, its title and its folder; empty for a session of ours, whose are the fleet's.
    pub of: Option<(String, String, String)>,
    /// How well it fits; less is better.
    pub rank: f64,
}

/// A record of what a call used, or of what a program counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Used {
    /// Where it stands.
    pub place: Place,
    /// When.
    pub at: Option<At>,
    /// What.
    pub kind: StepKind,
}

impl Store {
    /// Which files are stored: by path and, where a file holds several, the agent's own id; with their length and when they were
    /// written.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn archived_files(&self) -> Result<HashMap<(String, String), (u64, At)>, StoreError> {
        let rows = sqlx::query("SELECT native, file, bytes, written FROM log")
            .fetch_all(&self.read)
            .await
            .map_err(|error| StoreError::of(&self.path, error))?;
        let of = |row: &SqliteRow| {
            let bytes = u64::try_from(row.get::<i64, _>("bytes")).unwrap_or_default();
            ((row.get("file"), row.get("native")), (bytes, At(row.get("written"))))
        };
        Ok(rows.iter().map(of).collect())
    }

    /// Stores a log with its steps, some at a time, so that nobody who has something to store waits for all of it. A native id that is known
    /// keeps its place and gets the new words; steps that are not in the log any more stay. Nobody else stores the same log meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`]; then a part of it may be stored, and the log is not known as it is: the next time completes it.
    pub async fn archive(&self, log: &NewLog, steps: &[NewStep]) -> Result<Imported, StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let mut transaction = self.write.begin().await.map_err(in_words)?;
        let (id, known) = begin(&mut transaction, log).await.map_err(in_words)?;
        transaction.commit().await.map_err(in_words)?;
        let (mut fresh, mut changed) = (0, 0);
        for some in steps.chunks(AT_ONCE) {
            let mut transaction = self.write.begin().await.map_err(in_words)?;
            let put = put(&mut transaction, id, &known, some).await.map_err(in_words)?;
            transaction.commit().await.map_err(in_words)?;
            fresh += put.0;
            changed += put.1;
        }
        let counted = sqlx::query(
            "UPDATE log SET bytes = ?2, steps = (SELECT count(*) FROM log_step WHERE log = ?1),
                 unread = (SELECT count(*) FROM log_step WHERE log = ?1 AND kind = 'unread') WHERE id = ?1 RETURNING steps, unread",
        )
        .bind(id)
        .bind(i64::try_from(log.bytes).unwrap_or(i64::MAX))
        .fetch_one(&self.write)
        .await
        .map_err(in_words)?;
        Ok(Imported {
            log: Some(LogId(u32::try_from(id).unwrap_or_default())),
            why: None,
            steps: small(&counted, "steps"),
            fresh,
            changed,
            unread: small(&counted, "unread"),
            damaged: log.damaged,
        })
    }

    /// The imported logs, those that were written last first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn archived(&self, most: u32) -> Result<Vec<ArchivedLog>, StoreError> {
        let rows = sqlx::query("SELECT * FROM log ORDER BY written DESC, id LIMIT ?")
            .bind(i64::from(most))
            .fetch_all(&self.read)
            .await
            .map_err(|error| StoreError::of(&self.path, error))?;
        Ok(rows.iter().map(archived).collect())
    }

    /// An imported log with steps from an ordinal on, at most so many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn archived_steps(
        &self,
        log: LogId,
        from: u32,
        most: u32,
    ) -> Result<Option<(ArchivedLog, Vec<ElsewhereStep>)>, StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let row = sqlx::query("SELECT * FROM log WHERE id = ?")
            .bind(i64::from(log.0))
            .fetch_optional(&self.read)
            .await
            .map_err(in_words)?;
        let Some(row) = row else { return Ok(None) };
        let rows = sqlx::query(
            "SELECT ordinal, at, body FROM log_step WHERE log = ? AND ordinal >= ? ORDER BY ordinal LIMIT ?",
        )
        .bind(i64::from(log.0))
        .bind(i64::from(from))
        .bind(i64::from(most))
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let steps = rows.iter().map(|row| ElsewhereStep {
            ordinal: small(row, "ordinal"),
            at: row.get::<Option<i64>, _>("at").map(At),
            kind: unpacked(row.get("body")),
        });
        Ok(Some((archived(&row), steps.collect())))
    }

    /// Steps of imported logs that fit a match of words, at most so many; the newest stored first, or the best. `words` is in the
    /// language of FTS5.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn search_logs(
        &self,
        words: &str,
        filters: &Filters,
        ranked: bool,
        most: u32,
    ) -> Result<Vec<FoundStep>, StoreError> {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT s.log, s.ordinal, s.at, s.body, l.agent, l.title, l.cwd, ");
        query.push(if ranked { "bm25(log_words)" } else { "0.0" });
        query.push(
            " AS rank FROM log_words w JOIN log_step s ON s.id = w.rowid JOIN log l ON l.id = s.log WHERE log_words MATCH ",
        );
        query.push_bind(words.to_owned());
        if let Some(agent) = &filters.agent {
            query.push(" AND l.agent = ").push_bind(agent.clone());
        }
        if let Some(folder) = &filters.folder {
            let folder = folder.trim_end_matches('/').to_owned();
            query.push(" AND (l.cwd = ").push_bind(folder.clone());
            query.push(" OR substr(l.cwd, 1, length(").push_bind(folder.clone());
            query.push(") + 1) = ").push_bind(folder).push(" || '/')");
        }
        if let Some(tool) = &filters.tool {
            query.push(" AND s.tool = ").push_bind(tool.clone());
        }
        if filters.failed {
            query.push(" AND s.failed = 1");
        }
        of_step(&mut query, filters);
        query.push(if ranked { " ORDER BY rank LIMIT " } else { " ORDER BY w.rowid DESC LIMIT " });
        query.push_bind(i64::from(most));
        let rows = query.build().fetch_all(&self.read).await;
        let rows = rows.map_err(|error| StoreError::of(&self.path, error))?;
        let of = |row: &SqliteRow| FoundStep {
            place: Place::Log(LogId(small(row, "log"))),
            ordinal: small(row, "ordinal"),
            at: row.get::<Option<i64>, _>("at").map(At),
            kind: unpacked(row.get("body")),
            of: Some((row.get("agent"), row.get("title"), row.get("cwd"))),
            rank: row.get("rank"),
        };
        Ok(rows.iter().map(of).collect())
    }

    /// The same in the steps of our own sessions; whose they are, and in which folder, `sessions` says.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn search_steps(
        &self,
        words: &str,
        filters: &Filters,
        sessions: &[SessionId],
        ranked: bool,
        most: u32,
    ) -> Result<Vec<FoundStep>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT s.session, s.ordinal, s.at, s.body, ");
        query.push(if ranked { "bm25(step_words)" } else { "0.0" });
        query.push(
            " AS rank FROM step_words w JOIN step s ON s.session = w.rowid / 16777216 AND s.ordinal = w.rowid % 16777216
              WHERE step_words MATCH ",
        );
        query.push_bind(words.to_owned());
        query.push(" AND s.session IN (SELECT value FROM json_each(");
        query.push_bind(super::trajectories::ids(sessions)).push("))");
        if let Some(tool) = &filters.tool {
            query.push(" AND json_extract(s.body, '$.tool') = ").push_bind(tool.clone());
        }
        if filters.failed {
            query.push(" AND json_extract(s.body, '$.failed') = 1");
        }
        of_step(&mut query, filters);
        query.push(if ranked { " ORDER BY rank LIMIT " } else { " ORDER BY w.rowid DESC LIMIT " });
        query.push_bind(i64::from(most));
        let rows = query.build().fetch_all(&self.read).await;
        let rows = rows.map_err(|error| StoreError::of(&self.path, error))?;
        let of = |row: &SqliteRow| {
            Some(FoundStep {
                place: Place::Session(SessionId(small(row, "session"))),
                ordinal: small(row, "ordinal"),
                at: row.get::<Option<i64>, _>("at").map(At),
                kind: serde_json::from_str(row.get("body")).ok()?,
                of: None,
                rank: row.get("rank"),
            })
        };
        Ok(rows.iter().filter_map(of).collect())
    }

    /// All records of what calls used that say that they were made from a moment on, or of all of them; in the order in which they
    /// stand in their logs.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn used(&self, since: Option<At>) -> Result<Vec<Used>, StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        // What a program counted is of all of its session, and says nothing of a part.
        let ours = sqlx::query(
            "SELECT session, at, body FROM step
             WHERE kind = 'tokens' AND (?1 IS NULL OR at >= ?1) OR kind = 'cost' AND ?1 IS NULL ORDER BY session, ordinal",
        )
        .bind(since.map(|it| it.0))
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let logs = sqlx::query(
            "SELECT log, at, body FROM log_step
             WHERE kind IN ('tokens', 'cost') AND (?1 IS NULL OR kind = 'tokens' AND at >= ?1) ORDER BY log, ordinal",
        )
        .bind(since.map(|it| it.0))
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let at = |row: &SqliteRow| row.get::<Option<i64>, _>("at").map(At);
        let ours = ours.iter().filter_map(|row| {
            let place = Place::Session(SessionId(small(row, "session")));
            Some(Used { place, at: at(row), kind: serde_json::from_str(row.get("body")).ok()? })
        });
        let logs = logs.iter().map(|row| Used {
            place: Place::Log(LogId(small(row, "log"))),
            at: at(row),
            kind: unpacked(row.get("body")),
        });
        Ok(ours.chain(logs).collect())
    }
}

/// What steps are asked for by themselves.
fn of_step(query: &mut QueryBuilder<Sqlite>, filters: &Filters) {
    if let Some(kind) = &filters.kind {
        query.push(" AND s.kind = ").push_bind(kind.clone());
    }
    if let Some(since) = filters.since {
        query.push(" AND s.at >= ").push_bind(since.0);
    }
    if let Some(until) = filters.until {
        query.push(" AND s.at < ").push_bind(until.0);
    }
}

/// What is stored of a log: of each step by its native id where it stands and how it reads.
type Known = HashMap<String, (i64, i64)>;

/// A log is about to be stored. As long as not all of it is, it has no length that a file has.
async fn begin(to: &mut SqliteConnection, log: &NewLog) -> Result<(i64, Known), sqlx::Error> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO log (agent, native, file, cwd, title, began, written, bytes, steps, unread, damaged)
         VALUES (?, ?, ?, ?, ?, ?, ?, -1, 0, 0, ?)
         ON CONFLICT (agent, native) DO UPDATE SET file = excluded.file, cwd = excluded.cwd, title = excluded.title,
             began = excluded.began, written = excluded.written, bytes = excluded.bytes, damaged = excluded.damaged
         RETURNING id",
    )
    .bind(&log.agent)
    .bind(&log.native)
    .bind(&log.file)
    .bind(&log.cwd)
    .bind(&log.title)
    .bind(log.began.map(|it| it.0))
    .bind(log.written.0)
    .bind(i64::from(log.damaged))
    .fetch_one(&mut *to)
    .await?;
    let known = sqlx::query("SELECT native, id, mark FROM log_step WHERE log = ?")
        .bind(id)
        .fetch_all(&mut *to)
        .await?;
    let known = known.iter().map(|row| (row.get("native"), (row.get("id"), row.get("mark")))).collect();
    Ok((id, known))
}

/// Stores steps of a log; how many of them are new, and how many read differently now.
async fn put(
    to: &mut SqliteConnection,
    id: i64,
    known: &Known,
    steps: &[NewStep],
) -> Result<(u32, u32), sqlx::Error> {
    let mut next: i64 =
        sqlx::query_scalar("SELECT coalesce(max(ordinal) + 1, 0) FROM log_step WHERE log = ?")
            .bind(id)
            .fetch_one(&mut *to)
            .await?;
    let mut row: i64 =
        sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM log_step").fetch_one(&mut *to).await?;
    let (mut fresh, mut changed) = (Vec::new(), 0_u32);
    for (native, at, kind) in steps {
        let body = serde_json::to_string(kind).unwrap_or_default();
        let mark = mark(&body);
        match known.get(native) {
            Some((_, same)) if *same == mark => {}
            Some((known, _)) => {
                changed += 1;
                sqlx::query("UPDATE log_step SET at = ?, kind = ?, tool = ?, failed = ?, mark = ?, body = ? WHERE id = ?")
                    .bind(at.map(|it| it.0))
                    .bind(kind.word())
                    .bind(tool(kind))
                    .bind(i64::from(failed(kind)))
                    .bind(mark)
                    .bind(packed(&body))
                    .bind(known)
                    .execute(&mut *to)
                    .await?;
                let words = words(kind).unwrap_or_default();
                sqlx::query("INSERT OR REPLACE INTO log_words (rowid, text) VALUES (?, ?)")
                    .bind(known)
                    .bind(words)
                    .execute(&mut *to)
                    .await?;
            }
            None => {
                row += 1;
                fresh.push((row, next, native, at, kind, mark, body));
                next += 1;
            }
        }
    }
    if fresh.is_empty() {
        return Ok((0, changed));
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO log_step (id, log, ordinal, native, at, kind, tool, failed, mark, body) ",
    );
    query.push_values(&fresh, |mut to, (row, ordinal, native, at, kind, mark, body)| {
        to.push_bind(*row).push_bind(id).push_bind(*ordinal).push_bind((*native).clone());
        to.push_bind(at.map(|it| it.0)).push_bind(kind.word()).push_bind(tool(kind).map(str::to_owned));
        to.push_bind(i64::from(failed(kind))).push_bind(*mark).push_bind(packed(body));
    });
    query.build().execute(&mut *to).await?;
    let told: Vec<_> = fresh.iter().filter_map(|it| Some((it.0, words(it.4)?))).collect();
    if !told.is_empty() {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO log_words (rowid, text) ");
        query.push_values(told, |mut to, (row, words)| {
            to.push_bind(row).push_bind(words);
        });
        query.build().execute(&mut *to).await?;
    }
    Ok((u32::try_from(fresh.len()).unwrap_or(u32::MAX), changed))
}

/// Lets a step of a session of ours be found by its words.
pub(super) async fn index(
    to: &mut SqliteConnection,
    session: SessionId,
    ordinal: i64,
    kind: &StepKind,
) -> Result<(), sqlx::Error> {
    let Some(words) = words(kind).filter(|_| ordinal < STEPS_MAX) else { return Ok(()) };
    sqlx::query("INSERT OR REPLACE INTO step_words (rowid, text) VALUES (?, ?)")
        .bind(i64::from(session.0) * STEPS_MAX + ordinal)
        .bind(words)
        .execute(to)
        .await?;
    Ok(())
}

/// What a step is found by; nothing if nobody looks for it.
fn words(kind: &StepKind) -> Option<String> {
    let text = match kind {
        StepKind::Prompt { text }
        | StepKind::Message { text }
        | StepKind::Reasoning { text }
        | StepKind::Result { text, .. }
        | StepKind::Error { text } => text.clone(),
        StepKind::Call { tool, says, .. } => format!("{tool} {says}"),
        StepKind::Tokens { .. } | StepKind::Cost { .. } | StepKind::Unread { .. } => return None,
    };
    let end = text.floor_char_boundary(INDEXED);
    Some(text.get(..end).unwrap_or_default().to_owned())
}

fn tool(kind: &StepKind) -> Option<&str> {
    match kind {
        StepKind::Call { tool, .. } => Some(tool),
        _ => None,
    }
}

fn failed(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Result { failed: true, .. })
}

fn mark(body: &str) -> i64 {
    let digest = Sha256::digest(body.as_bytes());
    digest.iter().take(8).fold(0, |sum, byte| (sum << 8) | i64::from(*byte))
}

fn packed(body: &str) -> Vec<u8> {
    let small = (body.len() > PACKED_FROM).then(|| zstd::bulk::compress(body.as_bytes(), 3).ok()).flatten();
    small.filter(|it| it.len() < body.len()).unwrap_or_else(|| body.as_bytes().to_vec())
}

/// A body; one that cannot be read is said to be none, for the log is still there.
fn unpacked(body: &[u8]) -> StepKind {
    let read = if body.first() == Some(&b'{') {
        serde_json::from_slice(body).ok()
    } else {
        zstd::decode_all(body).ok().and_then(|it| serde_json::from_slice(&it).ok())
    };
    read.unwrap_or_else(|| StepKind::Unread { name: "a step that cannot be unpacked".to_owned() })
}

fn small(row: &SqliteRow, column: &str) -> u32 {
    u32::try_from(row.get::<i64, _>(column)).unwrap_or_default()
}

fn archived(row: &SqliteRow) -> ArchivedLog {
    ArchivedLog {
        id: LogId(small(row, "id")),
        agent: row.get("agent"),
        native: row.get("native"),
        file: row.get("file"),
        cwd: row.get("cwd"),
        title: row.get("title"),
        began: row.get::<Option<i64>, _>("began").map(At),
        written: At(row.get("written")),
        steps: small(row, "steps"),
        unread: small(row, "unread"),
        damaged: small(row, "damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> NewLog {
        NewLog {
            agent: "codex".to_owned(),
            native: "n1".to_owned(),
            file: "/logs/1".to_owned(),
            cwd: "/work/a".to_owned(),
            title: "Mend it".to_owned(),
            began: Some(At(1)),
            written: At(2),
            bytes: 9,
            damaged: 0,
        }
    }

    fn said(native: &str, text: &str) -> NewStep {
        (native.to_owned(), Some(At(5)), StepKind::Message { text: text.to_owned() })
    }

    #[tokio::test]
    async fn a_log_is_stored_once_and_found_by_what_it_says_now() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let long = format!("the compass {}", "turns ".repeat(200));
        let steps = [said("a", "the rudder broke"), said("b", &long)];
        let first = store.archive(&log(), &steps).await.unwrap();
        assert_eq!((first.steps, first.fresh, first.changed), (2, 2, 0));
        let again = store.archive(&log(), &steps).await.unwrap();
        assert_eq!((again.log, again.steps, again.fresh, again.changed), (first.log, 2, 0, 0));
        // It went on, and one step reads differently.
        let more = [said("a", "the rudder was mended"), said("b", &long), said("c", "done")];
        let third = store.archive(&log(), &more).await.unwrap();
        assert_eq!((third.steps, third.fresh, third.changed), (3, 1, 1));
        let find = async |words: &str, filters: Filters| {
            let found = store.search_logs(words, &filters, false, 9).await.unwrap();
            found.into_iter().map(|it| it.ordinal).collect::<Vec<_>>()
        };
        let all = Filters::default;
        assert_eq!(find("broke", all()).await, Vec::<u32>::new());
        assert_eq!(find("rudder", all()).await, [0]);
        assert_eq!(find("compass", all()).await, [1]);
        for (folder, found) in [("/work/a", 1), ("/work/", 1), ("/work", 1), ("/wor", 0), ("/work/a/b", 0)] {
            let filters = Filters { folder: Some(folder.to_owned()), ..all() };
            assert_eq!(find("rudder", filters).await.len(), found, "{folder}");
        }
        assert!(find("rudder", Filters { failed: true, ..all() }).await.is_empty());
        assert!(find("rudder", Filters { agent: Some("claude".to_owned()), ..all() }).await.is_empty());
        assert!(find("rudder", Filters { since: Some(At(6)), ..all() }).await.is_empty());
        let (_, read) = store.archived_steps(first.log.unwrap(), 1, 1).await.unwrap().unwrap();
        assert_eq!(read.first().map(|it| it.kind.clone()), Some(StepKind::Message { text: long }));
    }
}
