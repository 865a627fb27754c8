//! The fleet as the fold has it: one table a concept, one row a thing.

use std::collections::{BTreeMap, BTreeSet};

use pilothouse_contract::room::{Halt, Slots};
use pilothouse_contract::{
    AttemptId, EvidenceId, Fleet, ItemId, ProjectId, PullId, QuestionId, RunId, SessionId, Touched,
    WorktreeId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::{Row, Sqlite, Transaction};

use super::{Store, StoreError};

/// Writes the rows that changed.
pub(super) async fn put(
    to: &mut Transaction<'_, Sqlite>,
    fleet: &Fleet,
    touched: &BTreeSet<Touched>,
) -> Result<(), sqlx::Error> {
    for row in touched {
        match row {
            Touched::Project(id) => {
                write(
                    to,
                    "INSERT OR REPLACE INTO project (id, body) VALUES (?, ?)",
                    id.0,
                    fleet.projects.get(id),
                )
                .await?;
            }
            Touched::Item(id) => {
                write(to, "INSERT OR REPLACE INTO item (id, body) VALUES (?, ?)", id.0, fleet.items.get(id))
                    .await?;
            }
            Touched::Run(id) => {
                write(to, "INSERT OR REPLACE INTO run (id, body) VALUES (?, ?)", id.0, fleet.runs.get(id))
                    .await?;
            }
            Touched::Attempt(id) => {
                write(
                    to,
                    "INSERT OR REPLACE INTO attempt (id, body) VALUES (?, ?)",
                    id.0,
                    fleet.attempts.get(id),
                )
                .await?;
            }
            Touched::Session(id) => {
                write(
                    to,
                    "INSERT OR REPLACE INTO session (id, body) VALUES (?, ?)",
                    id.0,
                    fleet.sessions.get(id),
                )
                .await?;
            }
            Touched::Worktree(id) => {
                write(
                    to,
                    "INSERT OR REPLACE INTO worktree (id, body) VALUES (?, ?)",
                    id.0,
                    fleet.worktrees.get(id),
                )
                .await?;
            }
            Touched::Pull(id) => {
                write(to, "INSERT OR REPLACE INTO pull (id, body) VALUES (?, ?)", id.0, fleet.pulls.get(id))
                    .await?;
            }
            Touched::Evidence(id) => {
                write(
                    to,
                    "INSERT OR REPLACE INTO evidence (id, body) VALUES (?, ?)",
                    id.0,
                    fleet.evidence.get(id),
                )
                .await?;
            }
            Touched::Card(id) => {
                write(to, "INSERT OR REPLACE INTO card (id, body) VALUES (?, ?)", id.0, fleet.cards.get(id))
                    .await?;
            }
            Touched::Settings => {
                let settings = Settings {
                    keep_awake: fleet.keep_awake,
                    slots: fleet.slots.clone(),
                    halt: fleet.halt.clone(),
                };
                write(to, "INSERT OR REPLACE INTO setting (id, body) VALUES (?, ?)", 1, Some(&settings))
                    .await?;
            }
            Touched::Question(id) => {
                write(
                    to,
                    "INSERT OR REPLACE INTO question (id, body) VALUES (?, ?)",
                    id.0,
                    fleet.questions.get(id),
                )
                .await?;
            }
        }
    }
    Ok(())
}

/// The one row of settings. What a newer version added is not known to an older one, which refuses the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    keep_awake: bool,
    slots: Slots,
    halt: Option<Halt>,
}

async fn write<T: Serialize>(
    to: &mut Transaction<'_, Sqlite>,
    sql: &'static str,
    id: u32,
    row: Option<&T>,
) -> Result<(), sqlx::Error> {
    let Some(row) = row else { return Ok(()) };
    let body = serde_json::to_string(row).unwrap_or_default();
    sqlx::query(sql).bind(i64::from(id)).bind(body).execute(&mut **to).await?;
    Ok(())
}

/// Reads all rows.
pub(super) async fn load(store: &Store) -> Result<Fleet, StoreError> {
    let seq: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM event")
        .fetch_one(&store.read)
        .await
        .map_err(|error| StoreError::of(&store.path, error))?;
    let settings: BTreeMap<u32, Settings> =
        read(store, "setting", "SELECT id, body FROM setting", |id| id).await?;
    let settings = settings.into_values().next().unwrap_or_default();
    Ok(Fleet {
        keep_awake: settings.keep_awake,
        slots: settings.slots,
        halt: settings.halt,
        seq: u64::try_from(seq).unwrap_or_default(),
        projects: read(store, "project", "SELECT id, body FROM project", ProjectId).await?,
        items: read(store, "item", "SELECT id, body FROM item", ItemId).await?,
        cards: read(store, "card", "SELECT id, body FROM card", ItemId).await?,
        runs: read(store, "run", "SELECT id, body FROM run", RunId).await?,
        attempts: read(store, "attempt", "SELECT id, body FROM attempt", AttemptId).await?,
        sessions: read(store, "session", "SELECT id, body FROM session", SessionId).await?,
        worktrees: read(store, "worktree", "SELECT id, body FROM worktree", WorktreeId).await?,
        pulls: read(store, "pull", "SELECT id, body FROM pull", PullId).await?,
        evidence: read(store, "evidence", "SELECT id, body FROM evidence", EvidenceId).await?,
        questions: read(store, "question", "SELECT id, body FROM question", QuestionId).await?,
    })
}

async fn read<K: Ord, T: DeserializeOwned>(
    store: &Store,
    table: &'static str,
    sql: &'static str,
    id: fn(u32) -> K,
) -> Result<BTreeMap<K, T>, StoreError> {
    let rows =
        sqlx::query(sql).fetch_all(&store.read).await.map_err(|error| StoreError::of(&store.path, error))?;
    rows.into_iter()
        .map(|row| {
            let body = serde_json::from_str(row.get("body")).map_err(|source| StoreError::Row {
                path: store.path.clone(),
                table,
                source,
            })?;
            Ok((id(u32::try_from(row.get::<i64, _>("id")).unwrap_or_default()), body))
        })
        .collect()
}
