//! Linear over GraphQL. The profile stands in `docs/linear.md`. Refuses an answer of which a part is an error.

use std::collections::BTreeSet;

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Page, Reading, Tracker, TrackerError, http, invalid, net};
use crate::issue::{labels, normal, same_state};
use crate::workflow::{Env, TrackerSettings, WorkflowError};
use crate::{Blocker, Issue};

/// Issues in one request.
const BATCH: usize = 50;
/// More pages than this are no list of issues.
const PAGES: usize = 1000;

const ISSUES: &str = "query Issues($filter: IssueFilter!, $first: Int!, $after: String) { \
issues(filter: $filter, first: $first, after: $after) { \
nodes { id identifier title description priority state { name } branchName url assignee { id } \
labels { nodes { name } } inverseRelations { nodes { type issue { id identifier state { name } } } } \
createdAt updatedAt } pageInfo { hasNextPage endCursor } } }";

/// What settings say.
#[derive(Clone)]
pub(super) struct Access {
    endpoint: Url,
    key: String,
    names: Vec<String>,
    project: String,
    assignee: Option<String>,
    terminal: Vec<String>,
}

impl std::fmt::Debug for Access {
    // Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("project", &self.project).finish_non_exhaustive()
    }
}

/// Issues of one project.
#[derive(Debug)]
pub struct LinearTracker {
    access: Access,
    client: Client,
    me: OnceCell<String>,
}

/// Reads the provider's settings.
pub(super) fn access(settings: &TrackerSettings, env: Env<'_>) -> Result<Access, WorkflowError> {
    let project = http::text(settings, "project_slug", None, env)?
        .ok_or_else(|| invalid("project_slug", "is missing; it ends the address of the project's page"))?;
    let endpoint = http::text(settings, "endpoint", None, env)?;
    let endpoint = endpoint.as_deref().unwrap_or("https://api.linear.app/graphql");
    let assignee = http::text(settings, "assignee", Some("LINEAR_ASSIGNEE"), env)?;
    let endpoint = http::address("endpoint", endpoint)?;
    let (key, names) = http::secret(settings, "api_key", "LINEAR_API_KEY", env)?;
    Ok(Access { endpoint, key, names, project, assignee, terminal: settings.terminal_states.clone() })
}

impl LinearTracker {
    pub(super) fn new(access: Access) -> Result<Self, WorkflowError> {
        Ok(Self { access, client: http::client()?, me: OnceCell::new() })
    }

    async fn query(&self, query: &str, variables: &Value) -> Result<Value, TrackerError> {
        let request = self
            .client
            .post(self.access.endpoint.clone())
            .header(AUTHORIZATION, &self.access.key)
            .json(&json!({ "query": query, "variables": variables }));
        let answer = http::send(request).await?;
        if answer.status.as_u16() != 200 {
            let says = "no GraphQL is there".to_owned();
            return Err(TrackerError::Status { status: answer.status.as_u16(), says });
        }
        if let Some(error) = answer.body.pointer("/errors/0") {
            if error.pointer("/extensions/code").and_then(Value::as_str) == Some("RATELIMITED") {
                return Err(TrackerError::RateLimited { wait_ms: net::wait_ms(&answer.headers) });
            }
            let says = error.get("message").and_then(Value::as_str).unwrap_or("an error without words");
            return Err(TrackerError::Response(pilothouse_contract::text::line(says, 200)));
        }
        let data = answer.body.get("data").filter(|it| it.is_object()).cloned();
        data.ok_or_else(|| TrackerError::Response("the answer has no data".to_owned()))
    }

    /// Whose issues are worked: nobody's in particular, or one person's.
    async fn whose(&self) -> Result<Option<&str>, TrackerError> {
        match self.access.assignee.as_deref() {
            Some("me") => {
                let me = self.me.get_or_try_init(|| async {
                    let data = self.query("query Me { viewer { id } }", &json!({})).await?;
                    let id = data.pointer("/viewer/id").and_then(Value::as_str).map(str::to_owned);
                    id.ok_or_else(|| TrackerError::Response("the answer has no viewer".to_owned()))
                });
                Ok(Some(me.await?))
            }
            other => Ok(other),
        }
    }

    /// All pages below a filter; `strict` fails on a malformed record.
    async fn pages(&self, filter: &Value, strict: bool) -> Result<Page, TrackerError> {
        let whose = self.whose().await?;
        let (mut page, mut cursors, mut after) = (Page::default(), BTreeSet::new(), Value::Null);
        for _ in 0..PAGES {
            let variables = json!({ "filter": filter, "first": BATCH, "after": after });
            let data = self.query(ISSUES, &variables).await?;
            let nodes = data.pointer("/issues/nodes").and_then(Value::as_array);
            let nodes = nodes.ok_or_else(|| TrackerError::Response("the answer has no issues".to_owned()))?;
            for node in nodes {
                match self.issue(node, whose) {
                    Ok(issue) => page.issues.push(issue),
                    Err(says) if strict => return Err(TrackerError::Response(says)),
                    Err(says) => page.dropped.push(says),
                }
            }
            let more = data.pointer("/issues/pageInfo/hasNextPage").and_then(Value::as_bool);
            match more {
                Some(false) => return Ok(page),
                Some(true) => {}
                None => {
                    return Err(TrackerError::Pagination(
                        "a page does not say whether it is the last".to_owned(),
                    ));
                }
            }
            let cursor = data.pointer("/issues/pageInfo/endCursor").and_then(Value::as_str);
            let cursor = cursor.filter(|it| cursors.insert((*it).to_owned()));
            after = json!(cursor.ok_or_else(|| {
                TrackerError::Pagination("there are more pages, but no new way to them".to_owned())
            })?);
        }
        Err(TrackerError::Pagination(format!("there are more than {PAGES} pages")))
    }

    fn issue(&self, node: &Value, whose: Option<&str>) -> Result<Issue, String> {
        let text = |pointer: &str| {
            node.pointer(pointer).and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned)
        };
        let key = text("/identifier").unwrap_or_else(|| "?".to_owned());
        let needed =
            |pointer: &str| text(pointer).ok_or_else(|| format!("the issue '{key}' has no {pointer}"));
        let list = |pointer: &str| node.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        let blocks = list("/inverseRelations/nodes")
            .filter(|it| it.get("type").and_then(Value::as_str).is_some_and(|it| normal(it) == "blocks"));
        let of = |it: &Value, pointer: &str| it.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let blocked_by: Vec<Blocker> = blocks
            .map(|it| Blocker {
                id: of(it, "/issue/id"),
                identifier: of(it, "/issue/identifier"),
                state: of(it, "/issue/state/name"),
            })
            .collect();
        let state = needed("/state/name")?;
        let over = |it: &Blocker| {
            it.state.as_ref().is_some_and(|state| self.access.terminal.iter().any(|it| same_state(it, state)))
        };
        let assignee_id = text("/assignee/id");
        let his = whose.is_none_or(|it| assignee_id.as_deref() == Some(it));
        let free = !same_state(&state, "Todo") || blocked_by.iter().all(over);
        Ok(Issue {
            id: needed("/id")?,
            native_ref: None,
            identifier: needed("/identifier")?,
            title: needed("/title")?,
            description: text("/description"),
            priority: node.get("priority").and_then(Value::as_i64),
            state,
            branch_name: text("/branchName"),
            url: text("/url"),
            assignee_id,
            labels: labels(list("/labels/nodes").filter_map(|it| it.get("name")?.as_str())),
            blocked_by,
            dispatchable: his && free,
            created_at: text("/createdAt").and_then(|it| it.parse().ok()),
            updated_at: text("/updatedAt").and_then(|it| it.parse().ok()),
        })
    }

    fn scope(&self) -> Value {
        json!({ "slugId": { "eq": self.access.project } })
    }
}

impl Tracker for LinearTracker {
    fn by_states<'a>(&'a self, states: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            if states.is_empty() {
                return Ok(Page::default());
            }
            // Whatever their case: a slip in the file would else be an empty board without a word.
            let any: Vec<Value> = states
                .iter()
                .map(|it| json!({ "state": { "name": { "eqIgnoreCase": it.trim() } } }))
                .collect();
            self.pages(&json!({ "project": self.scope(), "or": any }), false).await
        })
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            let mut page = Page::default();
            for batch in ids.chunks(BATCH) {
                let filter = json!({ "project": self.scope(), "id": { "in": batch } });
                page.issues.append(&mut self.pages(&filter, true).await?.issues);
            }
            Ok(page)
        })
    }

    fn secret_names(&self) -> Vec<String> {
        self.access.names.clone()
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.access.key.clone()]
    }
}
