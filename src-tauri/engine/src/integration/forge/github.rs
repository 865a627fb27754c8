//! GitHub: one GraphQL question for the open pull requests of all repositories, another for those under way, REST with its marks for
//! what GraphQL has not. Owns the addresses of a host and what a status means.
//!
//! Refuses: to follow a redirect, to send a token to a host that it is not for, and to tell a token to anybody, by text or by log.

mod answers;
mod http;
pub mod landing;
pub mod logs;
pub mod publish;
pub mod queries;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use pilothouse_contract::forge::{Budget, Capabilities};
use reqwest::Client;
use serde_json::{Value, json};

pub use answers::Again;
pub use http::client;
pub(crate) use http::send;

use super::ask::{Asking, Forge, ForgeError, Reading};
use super::tokens::Token;
use answers::{Found, Graph, Missing, Node};

/// A page has so many pull requests while there are few, and this many once there are more: fewer questions, a few points more.
const SMALL: usize = 50;
const LARGE: usize = 100;
/// A search tells no more than this.
const SEARCH_MAX: usize = 1000;
/// So many are asked again at once.
const AGAIN_MAX: usize = 50;
/// Of search words for repositories at most so many bytes go into one question.
const WORDS_MAX: usize = 4000;

/// What it can do.
pub const CAN: Capabilities =
    Capabilities { queue: true, auto_merge: true, threads: true, resolve: true, rerun: true };

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// GraphQL.
    pub graphql: String,
    /// REST, without the last slash.
    pub rest: String,
    /// Pages and logins, without the last slash.
    pub web: String,
}

impl Addresses {
    /// Those of a host: GitHub's own, an enterprise server's, or one on this machine, which alone is asked without TLS.
    #[must_use]
    pub fn of(host: &str) -> Self {
        if host == "github.com" {
            return Self {
                graphql: "https://api.github.com/graphql".to_owned(),
                rest: "https://api.github.com".to_owned(),
                web: "https://github.com".to_owned(),
            };
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let scheme = if matches!(name, "127.0.0.1" | "localhost" | "[::1]") { "http" } else { "https" };
        let web = format!("{scheme}://{host}");
        Self { graphql: format!("{web}/api/graphql"), rest: format!("{web}/api/v3"), web }
    }
}

/// What REST said before, and the mark under which it still says so.
type Marked = BTreeMap<String, (String, Value)>;

/// GitHub, as one account sees it.
#[derive(Debug)]
pub struct GitHub {
    host: String,
    at: Addresses,
    token: Token,
    client: Client,
    /// How many there were last, so that the next page has the right size.
    known: Mutex<usize>,
    marked: Mutex<Marked>,
}

impl GitHub {
    /// An account at a host.
    #[must_use]
    pub fn new(host: &str, token: Token, client: Client) -> Self {
        Self {
            host: host.to_owned(),
            at: Addresses::of(host),
            token,
            client,
            known: Mutex::default(),
            marked: Mutex::default(),
        }
    }

    /// Sends a question or an order of GraphQL. No fault says the token back.
    async fn post(&self, query: &str, variables: Value) -> Result<http::Answer, ForgeError> {
        let asked = self
            .client
            .post(&self.at.graphql)
            .bearer_auth(self.token.open())
            .json(&json!({ "query": query, "variables": variables }));
        http::send(asked).await.map_err(|error| error.without(self.token.open()))
    }

    /// An answer, and what it leaves out.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<(T, Missing), ForgeError> {
        let answer = self.post(query, variables).await?;
        let graph: Result<Graph<T>, _> = serde_json::from_value(answer.body);
        graph
            .map_err(|error| ForgeError::Odd(error.to_string()))
            .and_then(|it| {
                let missing = it.missing();
                Ok((it.data(&answer.headers)?, missing))
            })
            .map_err(|error| error.without(self.token.open()))
    }

    /// A document of REST. What did not change since it was asked for last costs none of the limit.
    ///
    /// # Errors
    /// See [`ForgeError`].
    pub async fn rest(&self, path: &str) -> Result<Value, ForgeError> {
        let known = self.marked.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        let mut asked = self
            .client
            .get(format!("{}{path}", self.at.rest))
            .bearer_auth(self.token.open())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        if let Some((mark, _)) = &known {
            asked = asked.header("if-none-match", mark);
        }
        let answer = http::send(asked).await.map_err(|error| error.without(self.token.open()))?;
        if answer.status == 304 {
            return known
                .map(|(_, body)| body)
                .ok_or_else(|| ForgeError::Odd("nothing changed, and nothing is known".to_owned()));
        }
        if let Some(mark) = answer.headers.get("etag").and_then(|it| it.to_str().ok()) {
            let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
            marked.insert(path.to_owned(), (mark.to_owned(), answer.body.clone()));
        }
        Ok(answer.body)
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// See [`ForgeError`].
    pub async fn whoami(&self) -> Result<String, ForgeError> {
        let user = self.rest("/user").await?;
        let login = user.get("login").and_then(Value::as_str).filter(|it| !it.is_empty());
        login.map(str::to_owned).ok_or_else(|| ForgeError::Odd("it does not say who is logged in".to_owned()))
    }

    fn tell(&self, nodes: Vec<Option<Node>>, missing: &Missing, reading: &mut Reading) {
        for (place, it) in nodes.into_iter().enumerate() {
            if let Some(it) = it {
                it.tell(&self.host, missing.of(place), reading);
            }
        }
    }

    async fn open_of(&self, words: &str, reading: &mut Reading) -> Result<(), ForgeError> {
        let mut after: Option<String> = None;
        let mut told = 0;
        loop {
            let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let size = if known > SMALL { LARGE } else { SMALL };
            let query = format!("is:pr is:open archived:false {words}");
            let variables = json!({ "words": query, "first": size, "after": after });
            let (found, missing): (Found, _) = self.ask(&queries::open(), variables).await?;
            reading.calls += 1;
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = found.search.issue_count;
            reading.cut |= found.search.issue_count > SEARCH_MAX;
            spent(&mut reading.budget, found.rate_limit.as_ref());
            // A page that is not there, or a place in it without anything: it left something out.
            let nodes = found.search.nodes;
            reading.cut |= missing.more || nodes.as_ref().is_none_or(|it| it.iter().any(Option::is_none));
            let nodes = nodes.unwrap_or_default();
            told += nodes.len();
            self.tell(nodes, &missing, reading);
            after = found.search.page_info.next();
            if after.is_none() || told >= SEARCH_MAX {
                reading.cut |= told < found.search.issue_count.min(SEARCH_MAX);
                return Ok(());
            }
        }
    }
}

/// What several questions of one reading cost is told as one.
fn spent(budget: &mut Option<Budget>, limit: Option<&answers::RateLimit>) {
    let Some(limit) = limit else { return };
    let before = budget.map_or(0, |it| it.cost);
    let now = limit.budget();
    *budget = Some(Budget { cost: before + now.cost, ..now });
}

impl Forge for GitHub {
    fn can(&self) -> Capabilities {
        CAN
    }

    fn open<'a>(&'a self, repos: &'a [String]) -> Asking<'a, Reading> {
        Box::pin(async move {
            let mut reading = Reading::default();
            let mut words = String::new();
            for repo in repos {
                let word = format!("repo:{repo} ");
                if !words.is_empty() && words.len() + word.len() > WORDS_MAX {
                    self.open_of(&words, &mut reading).await?;
                    words.clear();
                }
                words.push_str(&word);
            }
            if !words.is_empty() {
                self.open_of(words.trim_end(), &mut reading).await?;
            }
            Ok(reading)
        })
    }

    fn again<'a>(&'a self, ids: &'a [String]) -> Asking<'a, Reading> {
        Box::pin(async move {
            let mut reading = Reading::default();
            for ids in ids.chunks(AGAIN_MAX) {
                let (found, missing): (Again, _) = self.ask(&queries::again(), json!({ "ids": ids })).await?;
                reading.calls += 1;
                spent(&mut reading.budget, found.rate_limit.as_ref());
                self.tell(found.nodes, &missing, &mut reading);
                reading.over.extend(missing.none.into_iter().filter_map(|it| ids.get(it).cloned()));
            }
            Ok(reading)
        })
    }
}
