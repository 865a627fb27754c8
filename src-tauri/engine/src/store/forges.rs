//! Forges that a person logged in to, and what each told last.

use pilothouse_contract::At;
use pilothouse_contract::forge::{Budget, ForgePull, Reach};
use sqlx::Row;

use super::{Store, StoreError};

impl Store {
    /// A person logged in to a host; again, perhaps as somebody else.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn join_forge(&self, host: &str, login: &str, source: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO forge (host, login, source) VALUES (?, ?, ?)
             ON CONFLICT (host) DO UPDATE SET login = excluded.login, source = excluded.source, trouble = NULL",
        )
        .bind(host)
        .bind(login)
        .bind(source)
        .execute(&self.write)
        .await
        .map(drop)
        .map_err(|error| StoreError::of(&self.path, error))
    }

    /// A person logged out; what the forge told goes too.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn leave_forge(&self, host: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM forge WHERE host = ?")
            .bind(host)
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(|error| StoreError::of(&self.path, error))
    }

    /// The forges, by host.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forges(&self) -> Result<Vec<Reach>, StoreError> {
        let rows = sqlx::query(
            "SELECT host, login, source, known, trouble, left_out, budget FROM forge ORDER BY host",
        )
        .fetch_all(&self.read)
        .await
        .map_err(|error| StoreError::of(&self.path, error))?;
        let read = |row: &sqlx::sqlite::SqliteRow| Reach {
            host: row.get("host"),
            login: row.get("login"),
            source: row.get("source"),
            known: row.get::<Option<i64>, _>("known").map(At),
            trouble: row.get("trouble"),
            left_out: row.get("left_out"),
            next: None,
            held: None,
            budget: row.get::<Option<String>, _>("budget").and_then(|it| serde_json::from_str(&it).ok()),
            can: pilothouse_contract::forge::Capabilities::default(),
        };
        Ok(rows.iter().map(read).collect())
    }

    /// What the forges told last, by host, repository and number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forge_pulls(&self) -> Result<Vec<ForgePull>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT body FROM forge_pull ORDER BY host, repo, number")
            .fetch_all(&self.read)
            .await
            .map_err(|error| StoreError::of(&self.path, error))?;
        // A row that another version wrote in another form is told anew by the forge soon.
        Ok(rows.iter().filter_map(|it| serde_json::from_str(it).ok()).collect())
    }

    /// A forge told: what is open now, what is not any more, what may still be asked, and what it left out. `at` is when it told all that
    /// is known; nothing if it was asked for a part.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing of it is stored.
    pub async fn forge_told(
        &self,
        host: &str,
        at: Option<At>,
        (budget, left_out): (Option<&Budget>, Option<&str>),
        open: &[&ForgePull],
        over: &[&ForgePull],
    ) -> Result<(), StoreError> {
        let in_words = |error| StoreError::of(&self.path, error);
        let mut transaction = self.write.begin().await.map_err(in_words)?;
        sqlx::query("UPDATE forge SET known = coalesce(?, known), trouble = NULL, left_out = ?, budget = ? WHERE host = ?")
            .bind(at.map(|it| it.0))
            .bind(left_out)
            .bind(budget.and_then(|it| serde_json::to_string(it).ok()))
            .bind(host)
            .execute(&mut *transaction)
            .await
            .map_err(in_words)?;
        for it in open {
            sqlx::query(
                "INSERT INTO forge_pull (host, repo, number, body) SELECT ?1, ?2, ?3, ?4
                 WHERE EXISTS (SELECT 1 FROM forge WHERE host = ?1)
                 ON CONFLICT (host, repo, number) DO UPDATE SET body = excluded.body",
            )
            .bind(host)
            .bind(&it.repo)
            .bind(i64::try_from(it.number).unwrap_or(i64::MAX))
            .bind(serde_json::to_string(it).unwrap_or_default())
            .execute(&mut *transaction)
            .await
            .map_err(in_words)?;
        }
        for it in over {
            sqlx::query("DELETE FROM forge_pull WHERE host = ? AND repo = ? AND number = ?")
                .bind(host)
                .bind(&it.repo)
                .bind(i64::try_from(it.number).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await
                .map_err(in_words)?;
        }
        transaction.commit().await.map_err(in_words)
    }

    /// A forge told nothing, and why.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forge_silent(&self, host: &str, why: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE forge SET trouble = ? WHERE host = ?")
            .bind(why)
            .bind(host)
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(|error| StoreError::of(&self.path, error))
    }
}
