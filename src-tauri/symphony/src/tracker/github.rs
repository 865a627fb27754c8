//! GitHub Issues over REST, version 2022-11-28. The profile stands in `docs/github.md`. Refuses pull requests, which GitHub
//! calls issues too, and pages that lead to another host.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, IF_NONE_MATCH, LINK};
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};

use super::http::{self, Answer};
use super::{Page, Reading, Tracker, TrackerError, invalid};
use crate::Issue;
use crate::issue::{labels, normal};
use crate::workflow::{Env, TrackerSettings, WorkflowError};

/// More pages than this are no list of issues.
const PAGES: usize = 1000;

/// What settings say.
#[derive(Clone)]
pub(super) struct Access {
    repo: String,
    token: String,
    names: Vec<String>,
    api: Url,
}

impl std::fmt::Debug for Access {
    // Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("repo", &self.repo).finish_non_exhaustive()
    }
}

/// Issues of one repository.
#[derive(Debug)]
pub struct GitHubTracker {
    access: Access,
    client: Client,
    /// What was seen of an issue, by its number, with the mark under which GitHub says that it is still so.
    seen: Mutex<BTreeMap<String, (String, Value)>>,
}

/// Reads the provider's settings.
pub(super) fn access(settings: &TrackerSettings, env: Env<'_>) -> Result<Access, WorkflowError> {
    let repo = http::text(settings, "repo", Some("GITHUB_REPO"), env)?
        .ok_or_else(|| invalid("repo", "is missing; say owner/name, or set GITHUB_REPO"))?;
    let part = |it: &str| {
        !it.is_empty()
            && it != "."
            && it != ".."
            && it.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if !repo.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name)) {
        return Err(invalid("repo", format!("'{repo}' is not owner/name")));
    }
    let states = settings.active_states.iter().chain(&settings.terminal_states);
    if let Some(bad) = states.map(|it| normal(it)).find(|it| it != "open" && it != "closed") {
        return Err(invalid("repo", format!("GitHub has no state '{bad}'; there are open and closed")));
    }
    let api = http::text(settings, "api_url", None, env)?;
    let api = http::address("api_url", api.as_deref().unwrap_or("https://api.github.com"))?;
    let (token, names) = http::secret(settings, "token", "GITHUB_TOKEN", env)?;
    Ok(Access { repo, token, names, api })
}

impl GitHubTracker {
    pub(super) fn new(access: Access) -> Result<Self, WorkflowError> {
        Ok(Self { access, client: http::client()?, seen: Mutex::default() })
    }

    fn url(&self, rest: &str) -> Result<Url, TrackerError> {
        let base = self.access.api.as_str().trim_end_matches('/');
        let url = format!("{base}/repos/{}/issues{rest}", self.access.repo);
        url.parse().map_err(|error| TrackerError::Request(format!("{url} is no address: {error}")))
    }

    async fn get(&self, url: Url, mark: Option<&str>) -> Result<Answer, TrackerError> {
        let mut request = self
            .client
            .get(url)
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header(AUTHORIZATION, format!("Bearer {}", self.access.token));
        if let Some(mark) = mark {
            request = request.header(IF_NONE_MATCH, mark);
        }
        http::send(request).await
    }

    async fn all(&self, state: &str) -> Result<Page, TrackerError> {
        let mut next = self.url(&format!("?state={state}&per_page=100&sort=created&direction=asc"))?;
        let mut page = Page::default();
        for _ in 0..PAGES {
            let answer = self.get(next.clone(), None).await?;
            if answer.status != StatusCode::OK {
                let says = "the repository is not there, or the token may not see it".to_owned();
                return Err(TrackerError::Status { status: answer.status.as_u16(), says });
            }
            let Value::Array(records) = &answer.body else {
                return Err(TrackerError::Response("the answer is no list of issues".to_owned()));
            };
            for record in records {
                match issue(record, &self.access.repo) {
                    Ok(issue) => page.issues.push(issue),
                    Err(says) => page.dropped.push(says),
                }
            }
            let Some(after) = next_page(&answer) else { return Ok(page) };
            let after: Url = after
                .parse()
                .map_err(|error| TrackerError::Pagination(format!("the next page is no address: {error}")))?;
            if after.origin() != next.origin() || after == next {
                return Err(TrackerError::Pagination(
                    "the next page leads elsewhere, or in a circle".to_owned(),
                ));
            }
            next = after;
        }
        Err(TrackerError::Pagination(format!("there are more than {PAGES} pages")))
    }

    /// One issue, by its number; nothing if it can no longer be seen. What did not change costs none of the limit.
    async fn one(&self, id: &str) -> Result<Option<Issue>, TrackerError> {
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_digit()) {
            return Ok(None);
        }
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let answer = self.get(self.url(&format!("/{id}"))?, known.as_ref().map(|it| it.0.as_str())).await?;
        let body = match (answer.status, known) {
            (StatusCode::NOT_MODIFIED, Some((_, body))) => body,
            (StatusCode::OK, _) => answer.body,
            // Gone, or moved to another repository.
            (StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::MOVED_PERMANENTLY, _) => return Ok(None),
            (status, _) => {
                return Err(TrackerError::Status { status: status.as_u16(), says: "unexpected".to_owned() });
            }
        };
        if let Some(mark) = answer.headers.get(ETAG).and_then(|it| it.to_str().ok()) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(id.to_owned(), (mark.to_owned(), body.clone()));
        }
        issue(&body, &self.access.repo).map(Some).map_err(TrackerError::Response)
    }
}

impl Tracker for GitHubTracker {
    fn by_states<'a>(&'a self, states: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            let states: Vec<String> = states.iter().map(|it| normal(it)).collect();
            match (states.iter().any(|it| it == "open"), states.iter().any(|it| it == "closed")) {
                (true, true) => self.all("all").await,
                (true, false) => self.all("open").await,
                (false, true) => self.all("closed").await,
                (false, false) => Ok(Page::default()),
            }
        })
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            let mut page = Page::default();
            for id in ids {
                if !page.issues.iter().any(|it| it.id == *id)
                    && let Some(issue) = self.one(id).await?
                {
                    page.issues.push(issue);
                }
            }
            Ok(page)
        })
    }

    fn secret_names(&self) -> Vec<String> {
        self.access.names.clone()
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.access.token.clone()]
    }
}

/// The address of the next page, by the header `Link`. Source: RFC 8288.
fn next_page(answer: &Answer) -> Option<String> {
    let links = answer.headers.get(LINK)?.to_str().ok()?;
    let next = links.split(',').find(|it| it.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

fn issue(record: &Value, repo: &str) -> Result<Issue, String> {
    let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = record.get("number").and_then(Value::as_u64).ok_or("an issue has no number")?;
    let missing = |key: &str| format!("the issue {number} has no {key}");
    let listed = record.get("labels").and_then(Value::as_array).into_iter().flatten();
    let names = listed.filter_map(|it| it.get("name").unwrap_or(it).as_str());
    let time = |key: &str| text(key).and_then(|it| it.parse().ok());
    let issue = Issue {
        id: number.to_string(),
        native_ref: Some(json!({
            "id": record.get("id"), "node_id": record.get("node_id"), "number": number, "repo": repo,
        })),
        identifier: format!("GH-{number}"),
        title: text("title").ok_or_else(|| missing("title"))?,
        description: text("body"),
        priority: None,
        state: text("state").ok_or_else(|| missing("state"))?,
        branch_name: None,
        url: text("html_url"),
        assignee_id: record.pointer("/assignee/login").and_then(Value::as_str).map(str::to_owned),
        labels: labels(names),
        blocked_by: Vec::new(),
        dispatchable: record.get("pull_request").is_none_or(Value::is_null),
        created_at: time("created_at"),
        updated_at: time("updated_at"),
    };
    if issue.is_whole() { Ok(issue) } else { Err(missing("title")) }
}
