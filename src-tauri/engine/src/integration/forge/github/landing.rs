//! Landing by GitHub: its queue where the base has one, its auto-merge where something is still awaited there, else a merge of just the
//! head that has the yes. How it stands there is read by one question for all that wait.
//!
//! Refuses: to merge what GitHub does not call clean. Whoever may pass its rules by would pass them by.

use serde::Deserialize;
use serde_json::{Value, json};

use pilothouse_contract::{Oid, text};

use super::GitHub;
use super::publish::{NotDone, odd};
use super::queries;

/// So many are asked for at once.
const MOST: usize = 50;

/// How a pull request stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// By which the interface knows it.
    pub id: String,
    /// The head that it has there.
    pub head: Oid,
    /// The branch that it is to land on there.
    pub base: String,
    /// Open, landed or closed.
    pub end: End,
    /// Its place in the queue, and the forge's word for how it stands in it.
    pub queue: Option<(u64, String)>,
    /// Whether it lands by itself once it can.
    pub auto: bool,
    /// Whether what it lands on has a queue.
    pub by_queue: bool,
    /// GitHub's word for whether it may land.
    pub status: String,
    /// Whether it clashes with what it is to land on.
    pub clashes: bool,
    method: &'static str,
}

/// Whether it is over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is open.
    Open,
    /// It has landed.
    Merged(Option<Oid>),
    /// It was closed.
    Closed,
}

/// What came of asking for a landing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It is GitHub's now, and how.
    Taken(String),
    /// It cannot be asked for yet, and why.
    Later(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    id: String,
    state: String,
    head_ref_oid: String,
    base_ref_name: String,
    mergeable: String,
    merge_state_status: String,
    is_merge_queue_enabled: bool,
    merge_queue_entry: Option<Entry>,
    auto_merge_request: Option<Value>,
    merge_commit: Option<Commit>,
    repository: Option<Methods>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    position: u64,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Commit {
    oid: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Methods {
    merge_commit_allowed: bool,
    squash_merge_allowed: bool,
}

impl Pull {
    fn seen(self) -> There {
        There {
            end: match self.state.as_str() {
                "MERGED" => End::Merged(self.merge_commit.map(|it| Oid(it.oid))),
                "OPEN" => End::Open,
                _ => End::Closed,
            },
            head: Oid(self.head_ref_oid),
            base: text::line(&self.base_ref_name, 255),
            queue: self.merge_queue_entry.map(|it| (it.position, it.state.to_lowercase().replace('_', " "))),
            auto: self.auto_merge_request.is_some(),
            by_queue: self.is_merge_queue_enabled,
            clashes: self.mergeable == "CONFLICTING" || self.merge_state_status == "DIRTY",
            status: text::line(&self.merge_state_status, 40),
            method: match self.repository {
                Some(it) if !it.merge_commit_allowed && it.squash_merge_allowed => "SQUASH",
                Some(it) if !it.merge_commit_allowed => "REBASE",
                _ => "MERGE",
            },
            id: self.id,
        }
    }
}

impl There {
    /// Whether it is on its way there.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.queue.is_some() || self.auto
    }

    /// What it waits for there, in words.
    #[must_use]
    pub fn says(&self) -> String {
        match &self.queue {
            Some((position, state)) => format!("it is in its queue at {position}: {state}"),
            None if self.auto => "it lands by itself there once it can".to_owned(),
            None => format!("it is {} there", self.status.to_lowercase()),
        }
    }
}

impl GitHub {
    /// How pull requests stand there, by their ids. What there is none of is not told.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn there(&self, ids: &[String]) -> Result<Vec<There>, NotDone> {
        let mut all = Vec::new();
        for ids in ids.chunks(MOST) {
            let data = self.told(&queries::there(), json!({ "ids": ids })).await?;
            let nodes = data.get("nodes").cloned().unwrap_or_default();
            let nodes: Vec<Option<Pull>> =
                serde_json::from_value(nodes).map_err(|error| odd(&error.to_string()))?;
            all.extend(nodes.into_iter().flatten().map(Pull::seen));
        }
        Ok(all)
    }

    /// Asks for the landing of just that head. One that is on its way is asked for no second time.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn ask_to_land(&self, it: &There, head: &Oid) -> Result<Asked, NotDone> {
        match &it.end {
            End::Open => {}
            // Whoever follows it is told, and says what follows.
            End::Merged(_) | End::Closed => return Ok(Asked::Taken("it is over there".to_owned())),
        }
        if it.head != *head {
            let says = format!("it has {} there and not {}", it.head.short(), head.short());
            return Ok(Asked::Later(says));
        }
        if it.is_taken() {
            return Ok(Asked::Taken(it.says()));
        }
        let change = |field: &str, input: Value| {
            let query = queries::landing(field);
            async move { self.told(&query, json!({ "input": input })).await.map(drop) }
        };
        let own = json!({ "pullRequestId": it.id, "expectedHeadOid": head.as_str() });
        let by_method =
            json!({ "pullRequestId": it.id, "expectedHeadOid": head.as_str(), "mergeMethod": it.method });
        match (it.status.as_str(), it.by_queue) {
            ("CLEAN" | "HAS_HOOKS", true) => {
                change("enqueuePullRequest", own).await?;
                Ok(Asked::Taken("it is in its queue".to_owned()))
            }
            ("CLEAN" | "HAS_HOOKS", false) => {
                change("mergePullRequest", by_method).await?;
                Ok(Asked::Taken("it is merged there".to_owned()))
            }
            ("DIRTY", _) => Ok(Asked::Later("it clashes there with what it is to land on".to_owned())),
            ("DRAFT", _) => Ok(Asked::Later("it is a draft there".to_owned())),
            ("UNSTABLE", _) => {
                Ok(Asked::Later("checks that it does not require have not passed there".to_owned()))
            }
            _ => match change("enablePullRequestAutoMerge", by_method).await {
                Ok(()) => Ok(Asked::Taken("it lands by itself there once it can".to_owned())),
                Err(NotDone::Refused(says)) => {
                    Ok(Asked::Later(format!("it is {} there, and {says}", it.status.to_lowercase())))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Takes it out of the queue, and has it not land by itself. There is nothing to take out of what is over there.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn take_back(&self, it: &There) -> Result<(), NotDone> {
        if it.end != End::Open {
            return Ok(());
        }
        if it.queue.is_some() {
            self.told(&queries::landing("dequeuePullRequest"), json!({ "input": { "id": it.id } })).await?;
        }
        if it.auto {
            let input = json!({ "input": { "pullRequestId": it.id } });
            self.told(&queries::landing("disablePullRequestAutoMerge"), input).await?;
        }
        Ok(())
    }
}
