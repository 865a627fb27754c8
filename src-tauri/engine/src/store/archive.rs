//! The archive: imported logs of agents' sessions, the words of all steps that are stored, and what they used.
//!
//! Refuses to keep what is a secret: whoever hands steps over has taken it out.

use std::collections::HashMap;

mod pack;
mod seek;

use pilothouse_contract::archive::{ArchivedLog, Imported, Place};
use pilothouse_contract::elsewhere::ElsewhereStep;
use pilothouse_contract::trajectory::StepKind;
use pilothouse_contract::{At, LogId, SessionId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

pub use pack::Prepared;
pub(super) use pack::Shelf;

use super::{Store, StoreError};

/// So many steps are stored at a time.
const AT_ONCE: usize = 1000;
/// An hour has room for so many steps, as a power of two; what is more counts to the next.
const HOUR_BITS: u32 = 16;
const HOUR_MS: i64 = 3_600_000;
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
    /// The agent's own id of the session that it worked for, if it was a part of one.
    pub parent: Option<String>,
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
    /// The native id of its step, short.
    pub native: String,
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
        let rows = sqlx::query("SELECT native, file, bytes, written FROM log_file")
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
    /// keeps its place and gets the new words, unless they are of an older file than the one that was read last; steps that are not in the log any
    /// more stay. Nobody else stores a log meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`]; then a part of it may be stored, and the log is not known as it is: the next time completes it.
    pub async fn archive(&self, log: &NewLog, steps: &[Prepared]) -> Result<Imported, StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let mut transaction = self.write.begin().await.map_err(in_words)?;
        let mut stored = begin(&mut transaction, log).await.map_err(in_words)?;
        transaction.commit().await.map_err(in_words)?;
        let (id, mut fresh, mut changed) = (stored.id, 0, 0);
        for some in steps.chunks(AT_ONCE) {
            let mut transaction = self.write.begin().await.map_err(in_words)?;
            let put = put(&mut transaction, &mut stored, some).await.map_err(in_words)?;
            transaction.commit().await.map_err(in_words)?;
            fresh += put.0;
            changed += put.1;
        }
        let mut transaction = self.write.begin().await.map_err(in_words)?;
        sqlx::query(
            "INSERT INTO log_file (file, native, log, bytes, written) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (file, native) DO UPDATE SET log = excluded.log, bytes = excluded.bytes, written = excluded.written",
        )
        .bind(&log.file)
        .bind(&log.native)
        .bind(id)
        .bind(i64::try_from(log.bytes).unwrap_or(i64::MAX))
        .bind(log.written.0)
        .execute(&mut *transaction)
        .await
        .map_err(in_words)?;
        let counted = sqlx::query(
            "UPDATE log SET bytes = CASE WHEN file = ?3 THEN ?2 ELSE bytes END, steps = (SELECT count(*) FROM log_step WHERE log = ?1),
                 unread = (SELECT count(*) FROM log_step WHERE log = ?1 AND kind = 'unread') WHERE id = ?1 RETURNING steps, unread",
        )
        .bind(id)
        .bind(i64::try_from(log.bytes).unwrap_or(i64::MAX))
        .bind(&log.file)
        .fetch_one(&mut *transaction)
        .await
        .map_err(in_words)?;
        transaction.commit().await.map_err(in_words)?;
        if fresh > 0 {
            self.learn().await?;
        }
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

    /// The imported logs that are parts of a session, each with its agent and that one's own id of it; and which log an agent's id is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn archived_parts(&self) -> Result<Vec<(LogId, String, Option<LogId>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT l.id, l.parent, p.id AS whole FROM log l LEFT JOIN log p ON p.agent = l.agent AND p.native = l.parent WHERE l.parent IS NOT NULL",
        )
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        let whole = |row: &SqliteRow| {
            row.get::<Option<i64>, _>("whole").map(|it| LogId(u32::try_from(it).unwrap_or_default()))
        };
        Ok(rows.iter().map(|row| (LogId(small(row, "id")), row.get("parent"), whole(row))).collect())
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
        let packs = self.packs().await?;
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
            kind: packs.unpack(row.get("body")),
        });
        Ok(Some((archived(&row), steps.collect())))
    }

    /// All records of what calls used that say that they were made from a moment on, or of all of them; in the order in which they
    /// stand in their logs.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn used(&self, since: Option<At>) -> Result<Vec<Used>, StoreError> {
        let packs = self.packs().await?;
        let in_words = |error| StoreError::of(&self.path, error);
        // What a program counted is of all of its session, and says nothing of a part.
        let ours = sqlx::query(
            "SELECT session, native, at, body FROM step
             WHERE kind = 'tokens' AND (?1 IS NULL OR at >= ?1) OR kind = 'cost' AND ?1 IS NULL ORDER BY session, ordinal",
        )
        .bind(since.map(|it| it.0))
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let logs = sqlx::query(
            "SELECT log, native, at, body FROM log_step
             WHERE kind IN ('tokens', 'cost') AND (?1 IS NULL OR kind = 'tokens' AND at >= ?1) ORDER BY log, ordinal",
        )
        .bind(since.map(|it| it.0))
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let at = |row: &SqliteRow| row.get::<Option<i64>, _>("at").map(At);
        let ours = ours.iter().filter_map(|row| {
            let place = Place::Session(SessionId(small(row, "session")));
            Some(Used {
                place,
                native: pack::short(row.get("native")),
                at: at(row),
                kind: serde_json::from_str(row.get("body")).ok()?,
            })
        });
        let logs = logs.iter().map(|row| Used {
            place: Place::Log(LogId(small(row, "log"))),
            native: pack::short(row.get("native")),
            at: at(row),
            kind: packs.unpack(row.get("body")),
        });
        Ok(ours.chain(logs).collect())
    }
}

/// A log that is stored, or about to be.
struct Stored {
    id: i64,
    /// Of each step by its native id where it stands and how it reads.
    known: HashMap<String, (i64, i64)>,
    /// Whether what is stored was read from a file that was written later: then it stays.
    is_older: bool,
    /// The place of the next step.
    next: i64,
    /// The moment that steps without one, or with one before their predecessor's, count to.
    at: i64,
}

/// A log is about to be stored. As long as not all of it is, it has no length that a file has.
async fn begin(to: &mut SqliteConnection, log: &NewLog) -> Result<Stored, sqlx::Error> {
    let later: Option<i64> =
        sqlx::query_scalar("SELECT id FROM log WHERE agent = ? AND native = ? AND file <> ? AND written > ?")
            .bind(&log.agent)
            .bind(&log.native)
            .bind(&log.file)
            .bind(log.written.0)
            .fetch_optional(&mut *to)
            .await?;
    let id: i64 = match later {
        Some(id) => id,
        None => {
            sqlx::query_scalar(
                "INSERT INTO log (agent, native, file, cwd, title, began, written, bytes, steps, unread, damaged, parent)
                 VALUES (?, ?, ?, ?, ?, ?, ?, -1, 0, 0, ?, ?)
                 ON CONFLICT (agent, native) DO UPDATE SET file = excluded.file, cwd = excluded.cwd, title = excluded.title,
                     began = coalesce(min(began, excluded.began), excluded.began), written = excluded.written, bytes = excluded.bytes,
                     damaged = excluded.damaged, parent = excluded.parent
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
            .bind(&log.parent)
            .fetch_one(&mut *to)
            .await?
        }
    };
    // Read anew if this one is not stored to its end.
    sqlx::query("UPDATE log_file SET bytes = -1 WHERE file = ? AND native = ?")
        .bind(&log.file)
        .bind(&log.native)
        .execute(&mut *to)
        .await?;
    let known = sqlx::query("SELECT native, id, mark, ordinal FROM log_step WHERE log = ?")
        .bind(id)
        .fetch_all(&mut *to)
        .await?;
    let next = known.iter().map(|row| row.get::<i64, _>("ordinal") + 1).max().unwrap_or_default();
    let known =
        known.iter().map(|row| (pack::short(row.get("native")), (row.get("id"), row.get("mark")))).collect();
    Ok(Stored { id, known, is_older: later.is_some(), next, at: log.began.unwrap_or(log.written).0 })
}

/// The first id that is free in the hour of a moment, or after it.
async fn free(to: &mut SqliteConnection, at: i64) -> Result<i64, sqlx::Error> {
    let mut hour = (at / HOUR_MS).clamp(1, 1 << 30);
    loop {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM log_step WHERE id < ?")
            .bind((hour + 1) << HOUR_BITS)
            .fetch_one(&mut *to)
            .await?;
        let free = last.map_or(0, |it| it + 1).max(hour << HOUR_BITS);
        if free < (hour + 1) << HOUR_BITS {
            return Ok(free);
        }
        hour += 1;
    }
}

/// Stores steps of a log; how many of them are new, and how many read differently now.
async fn put(
    to: &mut SqliteConnection,
    log: &mut Stored,
    steps: &[Prepared],
) -> Result<(u32, u32), sqlx::Error> {
    let (mut fresh, mut changed) = (Vec::new(), 0_u32);
    let mut row = 0;
    for it in steps {
        match log.known.get(&it.native) {
            Some((_, same)) if *same == it.mark || log.is_older => {}
            Some((known, _)) => {
                changed += 1;
                sqlx::query("UPDATE log_step SET at = ?, kind = ?, tool = ?, failed = ?, mark = ?, body = ? WHERE id = ?")
                    .bind(it.at.map(|it| it.0))
                    .bind(it.kind)
                    .bind(&it.tool)
                    .bind(i64::from(it.failed))
                    .bind(it.mark)
                    .bind(&it.body)
                    .bind(known)
                    .execute(&mut *to)
                    .await?;
                sqlx::query("INSERT OR REPLACE INTO log_words (rowid, text) VALUES (?, ?)")
                    .bind(known)
                    .bind(it.words.as_deref().unwrap_or_default())
                    .execute(&mut *to)
                    .await?;
            }
            None => {
                let at = it.at.map_or(log.at, |it| it.0.max(log.at));
                if (row + 1) % (1 << HOUR_BITS) == 0 {
                    // This hour is full.
                    row = free(to, ((row + 1) >> HOUR_BITS) * HOUR_MS).await?;
                } else if row == 0 || at / HOUR_MS != log.at / HOUR_MS {
                    row = free(to, at).await?.max(row + 1);
                } else {
                    row += 1;
                }
                log.at = at;
                fresh.push((row, log.next, it));
                log.next += 1;
            }
        }
    }
    if fresh.is_empty() {
        return Ok((0, changed));
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO log_step (id, log, ordinal, native, at, kind, tool, failed, mark, body) ",
    );
    let id = log.id;
    query.push_values(&fresh, |mut to, (row, ordinal, it)| {
        to.push_bind(*row).push_bind(id).push_bind(*ordinal).push_bind(&it.native);
        to.push_bind(it.at.map(|it| it.0)).push_bind(it.kind).push_bind(&it.tool);
        to.push_bind(i64::from(it.failed)).push_bind(it.mark).push_bind(&it.body);
    });
    query.build().execute(&mut *to).await?;
    let told: Vec<_> = fresh.iter().filter_map(|it| Some((it.0, it.2.words.as_ref()?))).collect();
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
    let Some(words) = pack::words(kind).filter(|_| ordinal < STEPS_MAX) else { return Ok(()) };
    sqlx::query("INSERT OR REPLACE INTO step_words (rowid, text) VALUES (?, ?)")
        .bind(i64::from(session.0) * STEPS_MAX + ordinal)
        .bind(words)
        .execute(to)
        .await?;
    Ok(())
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
    use pilothouse_contract::archive::Filters;

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
            parent: None,
        }
    }

    async fn archive(store: &Store, log: &NewLog, steps: &[super::super::NewStep]) -> Imported {
        let steps = store.prepare(steps.to_vec()).await.unwrap();
        store.archive(log, &steps).await.unwrap()
    }

    fn said(native: &str, text: &str) -> super::super::NewStep {
        (native.to_owned(), Some(At(5)), StepKind::Message { text: text.to_owned() })
    }

    #[tokio::test]
    async fn a_log_is_stored_once_and_found_by_what_it_says_now() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let long = format!("the compass {}", "turns ".repeat(200));
        let steps = [said("a", "the rudder broke"), said("b", &long)];
        let first = archive(&store, &log(), &steps).await;
        assert_eq!((first.steps, first.fresh, first.changed), (2, 2, 0));
        let again = archive(&store, &log(), &steps).await;
        assert_eq!((again.log, again.steps, again.fresh, again.changed), (first.log, 2, 0, 0));
        // It went on, and one step reads differently.
        let more = [said("a", "the rudder was mended"), said("b", &long), said("c", "done")];
        let third = archive(&store, &log(), &more).await;
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

    #[tokio::test]
    async fn the_newest_stand_first_whenever_they_were_stored_and_an_older_file_undoes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let at = |native: &str, hours: i64, text: &str| {
            (native.to_owned(), Some(At(hours * HOUR_MS)), StepKind::Message { text: text.to_owned() })
        };
        // The log that was written last is stored first; two of one hour are told apart by the moment, and the last has none.
        let of = |native: &str, hours: i64| NewLog {
            native: native.to_owned(),
            file: native.to_owned(),
            began: Some(At(hours * HOUR_MS)),
            ..log()
        };
        archive(&store, &of("late", 900), &[at("a", 900, "rudder late"), at("b", 905, "rudder latest")])
            .await;
        archive(
            &store,
            &of("early", 100),
            &[
                at("a", 100, "rudder early"),
                ("c".to_owned(), None, StepKind::Message { text: "rudder timeless".to_owned() }),
            ],
        )
        .await;
        let within = (
            "a".to_owned(),
            Some(At(905 * HOUR_MS + 5)),
            StepKind::Message { text: "rudder within".to_owned() },
        );
        archive(&store, &of("between", 903), &[at("z", 903, "rudder between"), within]).await;
        let find = async |most| {
            let found = store.search_logs("rudder", &Filters::default(), false, most).await.unwrap();
            found
                .into_iter()
                .map(|it| super::super::archive::pack::words(&it.kind).unwrap().replace("rudder ", ""))
                .collect::<Vec<_>>()
        };
        assert_eq!(find(2).await, ["within", "latest"]);
        assert_eq!(find(1).await, ["within"]);
        assert_eq!(find(9).await, ["within", "latest", "between", "late", "timeless", "early"]);
        // A copy from before: it brings what is missing, and changes nothing.
        let copy =
            NewLog { file: "copy".to_owned(), written: At(1), title: "Old".to_owned(), ..of("late", 900) };
        let came =
            archive(&store, &copy, &[at("a", 900, "rudder broken"), at("d", 901, "rudder more")]).await;
        assert_eq!((came.steps, came.fresh, came.changed), (3, 1, 0));
        assert_eq!(find(9).await, ["within", "latest", "between", "more", "late", "timeless", "early"]);
        let known = store.archived_files().await.unwrap();
        assert_eq!(known.len(), 4, "both files are known: {known:?}");
        let logs = store.archived(9).await.unwrap();
        assert!(logs.iter().all(|it| it.file != "copy" && it.title == "Mend it"), "{logs:?}");
    }

    #[tokio::test]
    async fn a_dictionary_is_learned_once_there_is_enough_and_what_was_before_it_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let text = |n: u32| {
            format!(
                "The test of part_{} in src/part_{}.rs failed at line {n}: the value was not what it should be, so it is read again.",
                n % 90,
                n % 71
            )
        };
        let steps: Vec<_> = (0..10_050).map(|n| said(&n.to_string(), &text(n))).collect();
        archive(&store, &log(), &steps).await;
        let later = NewLog { native: "n2".to_owned(), file: "/logs/2".to_owned(), ..log() };
        archive(&store, &later, &[said("x", &text(20_000))]).await;
        store.close().await;
        let store = Store::open(folder.path()).await.unwrap();
        let long = async |log: u32| {
            let sum = sqlx::query_scalar::<_, i64>("SELECT max(length(body)) FROM log_step WHERE log = ?");
            sum.bind(log).fetch_one(&store.read).await.unwrap()
        };
        assert!(long(2).await * 2 < long(1).await, "{} of {}", long(2).await, long(1).await);
        for (of, from, n) in [(1, 10_049, 10_049), (2, 0, 20_000)] {
            let (_, read) = store.archived_steps(LogId(of), from, 1).await.unwrap().unwrap();
            assert_eq!(read[0].kind, StepKind::Message { text: text(n) });
        }
    }
}
