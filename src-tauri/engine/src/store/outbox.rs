//! The outbox: effects that were asked for, and what came of them.

use pilothouse_contract::At;
use sqlx::{Row, Sqlite, Transaction};

use super::{Store, StoreError};
use crate::coordination::{EffectKey, Outcome, PendingEffect};

pub(super) async fn put(to: &mut Transaction<'_, Sqlite>, effects: &[PendingEffect]) -> Result<(), sqlx::Error> {
    for pending in effects {
        sqlx::query("INSERT INTO effect (key, at, kind, body) VALUES (?, ?, ?, ?)")
            .bind(number(pending.key))
            .bind(pending.at.0)
            .bind(pending.effect.word())
            .bind(serde_json::to_string(&pending.effect).unwrap_or_default())
            .execute(&mut **to)
            .await?;
    }
    Ok(())
}

pub(super) async fn end(
    to: &mut Transaction<'_, Sqlite>,
    key: EffectKey,
    outcome: &Outcome,
    at: At,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE effect SET outcome = ?, done_at = ? WHERE key = ?")
        .bind(serde_json::to_string(outcome).unwrap_or_default())
        .bind(at.0)
        .bind(number(key))
        .execute(&mut **to)
        .await?;
    Ok(())
}

pub(super) async fn load(store: &Store) -> Result<(Vec<PendingEffect>, EffectKey), StoreError> {
    let in_words = |error| StoreError::of(&store.path, error);
    let rows = sqlx::query("SELECT key, at, body FROM effect WHERE outcome IS NULL ORDER BY key")
        .fetch_all(&store.read)
        .await
        .map_err(in_words)?;
    let pending = rows
        .into_iter()
        .map(|row| {
            let bad = |source| StoreError::Row { path: store.path.clone(), table: "effect", source };
            Ok(PendingEffect {
                key: EffectKey(u64::try_from(row.get::<i64, _>("key")).unwrap_or_default()),
                at: At(row.get("at")),
                effect: serde_json::from_str(row.get("body")).map_err(bad)?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(key), 0) FROM effect")
        .fetch_one(&store.read)
        .await
        .map_err(in_words)?;
    Ok((pending, EffectKey(u64::try_from(last).unwrap_or_default() + 1)))
}

fn number(key: EffectKey) -> i64 {
    i64::try_from(key.0).unwrap_or(i64::MAX)
}
