//! What of ours is sent to GitHub: a pull request is looked for by its branch, and opened where there is none. What is not allowed is
//! refused there in a sentence, which is handed on.

use serde::Deserialize;
use serde_json::{Value, json};

use pilothouse_contract::published::Named;
use pilothouse_contract::text;

use super::super::ask::ForgeError;
use super::answers::Wrong;
use super::{GitHub, http, queries};

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// There was no answer.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// It says no, and why.
    #[error("it refuses: {0}")]
    Refused(String),
}

/// A repository as it is before something is sent there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// By which the interface knows it.
    pub id: String,
    /// Its default branch.
    pub main: Option<String>,
    /// What is open from that branch.
    pub open: Vec<Opened>,
}

/// A pull request that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it is called.
    pub named: Named,
    /// The branch that it is to land on.
    pub base: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    id: String,
    number: u64,
    url: String,
    base_ref_name: String,
    #[serde(default)]
    is_cross_repository: bool,
}

impl Pull {
    fn opened(self) -> Opened {
        Opened { named: Named { number: self.number, id: self.id, url: self.url }, base: self.base_ref_name }
    }
}

impl GitHub {
    /// Asks for something by GraphQL of which nothing may be missing but what there is none of by its id.
    pub(super) async fn told(&self, query: &str, variables: Value) -> Result<Value, NotDone> {
        let answer = self.post(query, variables).await?;
        let errors = answer.body.get("errors").cloned().unwrap_or(Value::Array(Vec::new()));
        let errors: Vec<Wrong> = serde_json::from_value(errors).unwrap_or_default();
        let wrong = errors.into_iter().find(|it| it.none_at().is_none());
        if let Some(wrong) = wrong {
            if wrong.is_limit() {
                return Err(NotDone::Forge(ForgeError::Limited(http::wait(&answer.headers))));
            }
            let says = text::line(&wrong.message.replace(self.token.open(), "[token]"), 300);
            return Err(match wrong.kind.as_deref() {
                Some("FORBIDDEN" | "INSUFFICIENT_SCOPES" | "NOT_FOUND") => {
                    NotDone::Forge(ForgeError::Forbidden(says))
                }
                _ => NotDone::Refused(says),
            });
        }
        match answer.body.get("data") {
            Some(data) if !data.is_null() => Ok(data.clone()),
            _ => Err(odd("without data and without a word")),
        }
    }

    /// A repository, and what is open there from one of its own branches.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn before(&self, repo: &str, branch: &str) -> Result<Known, NotDone> {
        let (owner, name) = repo.split_once('/').unwrap_or((repo, ""));
        let variables = json!({ "owner": owner, "name": name, "branch": branch });
        let data = self.told(&queries::before(), variables).await?;
        let of = |path: &str| data.pointer(path).cloned().unwrap_or_default();
        let word = |path: &str| data.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let id = word("/repository/id").ok_or_else(|| odd("it tells of no such repository"))?;
        let open: Vec<Option<Pull>> = serde_json::from_value(of("/repository/pullRequests/nodes"))
            .map_err(|error| odd(&error.to_string()))?;
        // Somebody else's branch of the same name is none of ours.
        let open = open.into_iter().flatten().filter(|it| !it.is_cross_repository).map(Pull::opened);
        Ok(Known { id, main: word("/repository/defaultBranchRef/name"), open: open.collect() })
    }

    /// Opens a pull request.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn create(
        &self,
        known: &Known,
        branch: &str,
        base: &str,
        title: &str,
        body: &str,
    ) -> Result<Named, NotDone> {
        // Whatever it was redacted by: the token that is in our hands is in no text that we send.
        let hidden = |it: &str| it.replace(self.token.open(), "[token]");
        let input = json!({
            "repositoryId": known.id, "headRefName": branch, "baseRefName": base, "title": hidden(title), "body": hidden(body),
        });
        let data = self.told(&queries::create(), json!({ "input": input })).await?;
        let made = data.pointer("/createPullRequest/pullRequest").cloned().unwrap_or_default();
        let made: Pull = serde_json::from_value(made).map_err(|error| odd(&error.to_string()))?;
        Ok(made.opened().named)
    }

    /// The address by which git reaches a repository there.
    #[must_use]
    pub fn remote(&self, repo: &str) -> String {
        format!("{}/{repo}.git", self.at.web)
    }
}

pub(super) fn odd(says: &str) -> NotDone {
    NotDone::Forge(ForgeError::Odd(text::line(says, 200)))
}
