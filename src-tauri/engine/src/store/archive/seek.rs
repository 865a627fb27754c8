//! Seeking in what is stored: which steps hold some words, the newest or the best first.
//!
//! Refuses to unpack what is not shown: ids and moments are sought first, and bodies fetched of those that are left.

use pilothouse_contract::archive::{Filters, Place};
use pilothouse_contract::{At, LogId, SessionId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::super::trajectories::ids;
use super::super::{Store, StoreError};
use super::{FoundStep, HOUR_BITS, small};

/// So many more steps of the hour that the last one stands in are looked at, to tell the newest.
const OF_HOUR: u32 = 500;

/// A step that was found, as far as it is known before it is fetched.
struct Seen {
    id: i64,
    at: Option<i64>,
    rank: f64,
}

impl Store {
    /// Steps of imported logs that fit a match of words, at most so many; the newest, or the best. `words` is in the language of FTS5. Of an
    /// hour with more than some hundred that fit, those that were stored last stand for the newest.
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
        let mut seen = self.seen(words, filters, ranked, most, None).await?;
        // The id begins with the hour, so what is missing of the newest stands in the last one.
        if let Some(last) = seen.last().map(|it| it.id).filter(|_| !ranked && seen.len() >= most as usize) {
            let hour = (last >> HOUR_BITS) << HOUR_BITS;
            seen.extend(self.seen(words, filters, false, OF_HOUR, Some((hour, last))).await?);
            seen.sort_by(|a, b| b.at.cmp(&a.at).then(b.id.cmp(&a.id)));
            seen.truncate(most as usize);
        }
        let in_words = |error| StoreError::of(&self.path, error);
        let packs = self.packs().await?;
        let wanted: Vec<i64> = seen.iter().map(|it| it.id).collect();
        let rows = sqlx::query(
            "SELECT s.id, s.log, s.ordinal, s.at, s.body, l.agent, l.title, l.cwd FROM log_step s JOIN log l ON l.id = s.log
             WHERE s.id IN (SELECT value FROM json_each(?))",
        )
        .bind(serde_json::to_string(&wanted).unwrap_or_default())
        .fetch_all(&self.read)
        .await
        .map_err(in_words)?;
        let mut rows: std::collections::HashMap<i64, SqliteRow> =
            rows.into_iter().map(|row| (row.get("id"), row)).collect();
        let found = seen.iter().filter_map(|it| {
            let row = rows.remove(&it.id)?;
            Some(FoundStep {
                place: Place::Log(LogId(small(&row, "log"))),
                ordinal: small(&row, "ordinal"),
                at: row.get::<Option<i64>, _>("at").map(At),
                kind: packs.unpack(row.get("body")),
                of: Some((row.get("agent"), row.get("title"), row.get("cwd"))),
                rank: it.rank,
            })
        });
        Ok(found.collect())
    }

    async fn seen(
        &self,
        words: &str,
        filters: &Filters,
        ranked: bool,
        most: u32,
        between: Option<(i64, i64)>,
    ) -> Result<Vec<Seen>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT w.rowid AS id, s.at, ");
        query.push(if ranked { "bm25(log_words)" } else { "0.0" });
        // The words say where to look, whatever else is asked: joined crosswise, SQLite keeps that order.
        query.push(" AS rank FROM log_words w CROSS JOIN log_step s ON s.id = w.rowid");
        let of_log = filters.agent.is_some() || filters.folder.is_some();
        query.push(if of_log { " CROSS JOIN log l ON l.id = s.log" } else { "" });
        query.push(" WHERE log_words MATCH ").push_bind(words.to_owned());
        if let Some((from, to)) = between {
            query.push(" AND w.rowid >= ").push_bind(from).push(" AND w.rowid < ").push_bind(to);
        }
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
        Ok(rows
            .iter()
            .map(|row| Seen { id: row.get("id"), at: row.get("at"), rank: row.get("rank") })
            .collect())
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
            " AS rank FROM step_words w CROSS JOIN step s ON s.session = w.rowid / 16777216 AND s.ordinal = w.rowid % 16777216
              WHERE step_words MATCH ",
        );
        query.push_bind(words.to_owned());
        query.push(" AND s.session IN (SELECT value FROM json_each(");
        query.push_bind(ids(sessions)).push("))");
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
