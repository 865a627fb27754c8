//! The outbox: effects that were asked for, and what came of them. In their written form: what they mean is for others.

use pilothouse_contract::At;
use sqlx::{Row, Sqlite, Transaction};

use super::{OutboxEnd, OutboxRow, Store, StoreError};

pub(super) async fn put(to: &mut Transaction<'_, Sqlite>, effects: &[OutboxRow]) -> Result<(), sqlx::Error> {
    for row in effects {
        sqlx::query("INSERT INTO effect (key, at, kind, body) VALUES (?, ?, ?, ?)")
            .bind(number(row.key))
            .bind(row.at.0)
            .bind(row.kind)
            .bind(&row.body)
            .execute(&mut **to)
            .await?;
    }
    Ok(())
}

pub(super) async fn end(to: &mut Transaction<'_, Sqlite>, end: &OutboxEnd) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE effect SET outcome = ?, done_at = ? WHERE key = ?")
        .bind(&end.outcome)
        .bind(end.at.0)
        .bind(number(end.key))
        .execute(&mut **to)
        .await?;
    Ok(())
}

pub(super) async fn load(store: &Store) -> Result<(Vec<OutboxRow>, u64), StoreError> {
    let in_words = |error| StoreError::of(&store.path, error);
    let rows = sqlx::query("SELECT key, at, body FROM effect WHERE outcome IS NULL ORDER BY key")
        .fetch_all(&store.read)
        .await
        .map_err(in_words)?;
    let pending = rows.into_iter().map(|row| OutboxRow {
        key: u64::try_from(row.get::<i64, _>("key")).unwrap_or_default(),
        at: At(row.get("at")),
        kind: "",
        body: row.get("body"),
    });
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(key), 0) FROM effect")
        .fetch_one(&store.read)
        .await
        .map_err(in_words)?;
    Ok((pending.collect(), u64::try_from(last).unwrap_or_default() + 1))
}

fn number(key: u64) -> i64 {
    i64::try_from(key).unwrap_or(i64::MAX)
}
