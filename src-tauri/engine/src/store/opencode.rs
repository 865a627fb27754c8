//! Another program's database: opencode's, in which it keeps its sessions. It is read and never written; its rows are handed
//! over as lines of JSON, as if they stood in a log.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

/// So many sessions are told of: those that were written last.
const SESSIONS_MAX: i64 = 500;
/// So many parts of one session.
const PARTS_MAX: i64 = 200_000;

/// A session with what was asked in it first, or its title. Its columns may be others in the next version, and what is in them may be
/// damaged: then there is no row, and no more.
macro_rules! asked {
    ($which:literal) => {
        concat!(
            "
    SELECT json_object(
        'id', s.id, 'directory', s.directory, 'created', s.time_created, 'updated', s.time_updated,
        'bytes', (SELECT coalesce(sum(length(p.data)), 0) FROM part p WHERE p.session_id = s.id),
        'asked', coalesce((
            SELECT CASE WHEN json_valid(p.data) THEN json_extract(p.data, '$.text') END
            FROM part p JOIN message m ON m.id = p.message_id
            WHERE p.session_id = s.id
                AND CASE WHEN json_valid(m.data) THEN json_extract(m.data, '$.role') END = 'user'
                AND CASE WHEN json_valid(p.data) THEN json_extract(p.data, '$.type') END = 'text'
            ORDER BY p.time_created, p.id LIMIT 1
        ), s.title))
    FROM session s WHERE ",
            $which
        )
    };
}

const SESSIONS: &str =
    asked!("s.parent_id IS NULL AND s.time_archived IS NULL ORDER BY s.time_updated DESC LIMIT ?");
const ONE: &str = asked!("s.id = ? LIMIT 1");

/// All of them, those that were put away and those that worked for others too, without what was asked: that takes a look at each.
const ALL: &str = "
    SELECT json_object('id', s.id, 'directory', s.directory, 'created', s.time_created, 'updated', s.time_updated,
        'bytes', (SELECT coalesce(sum(length(p.data)), 0) FROM part p WHERE p.session_id = s.id))
    FROM session s ORDER BY s.time_updated LIMIT ?";
/// So many sessions can be imported from one.
const ALL_MAX: i64 = 200_000;

const PARENT: &str = "SELECT coalesce(parent_id, '') FROM session WHERE id = ?";

const PARTS: &str = "
    SELECT json_object(
        'id', coalesce(p.id, m.id), 'at', coalesce(p.time_created, m.time_created),
        'message', CASE WHEN json_valid(m.data) THEN json(m.data) END,
        'part', CASE WHEN json_valid(p.data) THEN json(p.data) END)
    FROM message m LEFT JOIN part p ON p.message_id = m.id
    WHERE m.session_id = ? ORDER BY m.time_created, m.id, p.id LIMIT ?";

/// What a database of opencode says of its sessions, the ones written last first; nothing if there is no such file.
///
/// # Errors
/// In words, if it is none, or one that this version cannot read.
pub async fn sessions(path: &Path) -> Result<Vec<String>, String> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    read(path, sqlx::query_scalar(SESSIONS).bind(SESSIONS_MAX)).await
}

/// What a database of opencode says of all its sessions, those that were written first at the beginning.
///
/// # Errors
/// As [`sessions`].
pub async fn all(path: &Path) -> Result<Vec<String>, String> {
    read(path, sqlx::query_scalar(ALL).bind(ALL_MAX)).await
}

/// What it says of one session, and which session that worked for; nothing if there is none of that id.
///
/// # Errors
/// As [`sessions`].
pub async fn session(path: &Path, id: &str) -> Result<Option<(String, Option<String>)>, String> {
    let rows = read(path, sqlx::query_scalar(ONE).bind(id)).await?;
    let parent = read(path, sqlx::query_scalar(PARENT).bind(id)).await?.pop().filter(|it| !it.is_empty());
    Ok(rows.into_iter().next().map(|it| (it, parent)))
}

/// What was said in a session: each part of its messages, in order.
///
/// # Errors
/// As [`sessions`].
pub async fn parts(path: &Path, session: &str) -> Result<Vec<String>, String> {
    read(path, sqlx::query_scalar(PARTS).bind(session).bind(PARTS_MAX)).await
}

type Query<'q> = sqlx::query::QueryScalar<'q, sqlx::Sqlite, String, sqlx::sqlite::SqliteArguments>;

async fn read(path: &Path, query: Query<'_>) -> Result<Vec<String>, String> {
    let in_words = |error: sqlx::Error| format!("{} cannot be read: {error}", path.display());
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        // Its own program may be writing, and is never made to wait.
        .busy_timeout(Duration::from_secs(1))
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(in_words)?;
    let rows = query.fetch_all(&mut connection).await.map_err(in_words);
    connection.close().await.map_err(in_words)?;
    rows
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteJournalMode;

    use super::*;

    /// The tables as opencode 1.18.33 makes them, as far as they matter.
    const TABLES: &str = "
        CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text NOT NULL, title text NOT NULL,
            time_created integer NOT NULL, time_updated integer NOT NULL, time_archived integer);
        CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL, data text NOT NULL);
        CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL, time_created integer NOT NULL,
            data text NOT NULL);";

    async fn made(path: &Path, rows: &'static str) {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(TABLES).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn what_people_asked_is_told_and_what_is_damaged_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opencode.db");
        assert_eq!(sessions(&path).await, Ok(Vec::new()), "it is not installed");
        made(
            &path,
            r#"INSERT INTO session VALUES
                ('ses_1', NULL, '/a', 'a title', 1, 5, NULL), ('ses_2', NULL, '/b', 'untouched', 2, 9, NULL),
                ('ses_3', 'ses_1', '/a', 'works for another', 3, 8, NULL), ('ses_4', NULL, '/a', 'put away', 3, 8, 8);
            INSERT INTO message VALUES ('m1', 'ses_1', 1, '{"role": "user"}'), ('m2', 'ses_1', 2, '{"role": "assistant"}'),
                ('m3', 'ses_1', 3, '{"role": "assistant", "error": {}}'), ('m4', 'ses_2', 1, 'damaged');
            INSERT INTO part VALUES ('p0', 'm1', 'ses_1', 1, 'damaged'), ('p1', 'm1', 'ses_1', 1, '{"type": "text", "text": "Mend it"}'),
                ('p2', 'm2', 'ses_1', 2, '{"type": "text", "text": "Mended."}');"#,
        )
        .await;
        let before = std::fs::read(&path).unwrap();
        let told: Vec<serde_json::Value> =
            sessions(&path).await.unwrap().iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        let short: Vec<_> =
            told.iter().map(|it| (it["id"].as_str().unwrap(), it["asked"].as_str().unwrap())).collect();
        assert_eq!(short, [("ses_2", "untouched"), ("ses_1", "Mend it")]);
        assert_eq!(
            (&told[1]["directory"], &told[1]["bytes"]),
            (&serde_json::json!("/a"), &serde_json::json!(77))
        );
        let said: Vec<serde_json::Value> =
            parts(&path, "ses_1").await.unwrap().iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        let short: Vec<_> = said.iter().map(|it| (it["id"].as_str().unwrap(), &it["part"]["text"])).collect();
        let null = serde_json::Value::Null;
        assert_eq!(
            short,
            [("p0", &null), ("p1", &"Mend it".into()), ("p2", &"Mended.".into()), ("m3", &null)]
        );
        let found: Vec<String> = all(&path).await.unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap()["id"].clone())
            .collect();
        assert_eq!(ids, ["ses_1", "ses_3", "ses_4", "ses_2"], "for the archive all of them");
        let (row, parent) = session(&path, "ses_3").await.unwrap().unwrap();
        assert!(row.contains("works for another") && parent.as_deref() == Some("ses_1"), "{row}");
        assert_eq!(session(&path, "ses_9").await, Ok(None));
        assert_eq!(parts(&path, "ses_9").await, Ok(Vec::new()));
        assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was written");
    }

    #[tokio::test]
    async fn another_file_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opencode.db");
        std::fs::write(&path, "no database").unwrap();
        assert!(sessions(&path).await.unwrap_err().contains("opencode.db cannot be read"));
        std::fs::remove_file(&path).unwrap();
        made(&path, "ALTER TABLE session RENAME COLUMN directory TO place").await;
        assert!(sessions(&path).await.unwrap_err().contains("no such column"));
    }
}
