//! GitHub and Linear against small services on this machine that keep issues, page, count requests and refuse.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pilothouse_symphony::tracker::{Tracker, TrackerError, open};
use pilothouse_symphony::workflow::{Settings, WorkflowError, split};
use serde_json::{Value, json};

/// A status, headers and a body.
type Refusal = (u16, Vec<(&'static str, String)>, String);

/// What a service keeps and what it was asked.
#[derive(Default)]
struct Inside {
    issues: Vec<Value>,
    asked: Vec<String>,
    /// In the place of the next answers.
    refuses: Option<Refusal>,
    /// Fails from this page on.
    fails_from: usize,
    page: usize,
    host: String,
}

type Shared = Arc<Mutex<Inside>>;

async fn serve(answer: fn(&mut Inside, &str, &HeaderMap, &[u8]) -> Response) -> (String, Shared) {
    let shared = Shared::default();
    let handler = move |State(shared): State<Shared>, request: Request| async move {
        let uri = request.uri().to_string();
        let headers = request.headers().clone();
        let body: Bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let mut inside = shared.lock().unwrap();
        inside.asked.push(uri.clone());
        if let Some((status, headers, text)) = inside.refuses.clone() {
            let mut reply = (StatusCode::from_u16(status).unwrap(), text).into_response();
            for (name, value) in headers {
                reply.headers_mut().insert(name, value.parse().unwrap());
            }
            return reply;
        }
        answer(&mut inside, &uri, &headers, &body)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    shared.lock().unwrap().host = host.clone();
    let router = Router::new().fallback(handler).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (host, shared)
}

fn reply(body: &Value) -> Response {
    ([("content-type", "application/json")], body.to_string()).into_response()
}

fn github(inside: &mut Inside, uri: &str, headers: &HeaderMap, _body: &[u8]) -> Response {
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["x-github-api-version"], "2022-11-28");
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    if let Some(number) = path.strip_prefix("/repos/o/r/issues/") {
        let found = inside.issues.iter().find(|it| it["number"].as_u64() == number.parse().ok());
        let Some(found) = found else { return StatusCode::NOT_FOUND.into_response() };
        let mark = format!("\"{}\"", found["updated_at"]);
        if headers.get("if-none-match").is_some_and(|it| it.to_str().unwrap() == mark) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let mut reply = reply(found);
        reply.headers_mut().insert("etag", mark.parse().unwrap());
        return reply;
    }
    assert_eq!(path, "/repos/o/r/issues");
    let of = |key: &str| {
        query.split('&').find_map(|it| it.strip_prefix(&format!("{key}="))).unwrap_or("1").to_owned()
    };
    let (state, page): (String, usize) = (of("state"), of("page").parse().unwrap());
    if inside.fails_from > 0 && page >= inside.fails_from {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let fits: Vec<Value> =
        inside.issues.iter().filter(|it| state == "all" || it["state"] == *state).cloned().collect();
    // Two on a page, so that few issues are many pages.
    let here: Vec<Value> = fits.iter().skip((page - 1) * 2).take(2).cloned().collect();
    let mut answer = reply(&json!(here));
    if fits.len() > page * 2 {
        let link =
            format!("<{}/repos/o/r/issues?state={state}&page={}>; rel=\"next\"", inside.host, page + 1);
        answer.headers_mut().insert("link", link.parse().unwrap());
    }
    answer
}

fn linear(inside: &mut Inside, _uri: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    assert_eq!(headers["authorization"], "s3cret");
    let asked: Value = serde_json::from_slice(body).unwrap();
    if asked["query"].as_str().unwrap().contains("viewer") {
        return reply(&json!({"data": {"viewer": {"id": "me-7"}}}));
    }
    inside.page += 1;
    if inside.fails_from > 0 && inside.page >= inside.fails_from {
        return reply(&json!({"data": null, "errors": [{"message": "internal"}]}));
    }
    let filter = &asked["variables"]["filter"];
    assert_eq!(filter["project"]["slugId"]["eq"], "proj");
    let fits = |it: &&Value| match filter["id"]["in"].as_array() {
        Some(ids) => ids.contains(&it["id"]),
        None => filter["or"].as_array().unwrap().iter().any(|any| {
            let wanted = any["state"]["name"]["eqIgnoreCase"].as_str().unwrap();
            wanted.eq_ignore_ascii_case(it["state"]["name"].as_str().unwrap_or_default())
        }),
    };
    let fits: Vec<Value> = inside.issues.iter().filter(fits).cloned().collect();
    let from: usize = asked["variables"]["after"].as_str().map_or(0, |it| it.parse().unwrap());
    let nodes: Vec<Value> = fits.iter().skip(from).take(2).cloned().collect();
    let end = from + nodes.len();
    let info = json!({"hasNextPage": end < fits.len(), "endCursor": end.to_string()});
    reply(&json!({"data": {"issues": {"nodes": nodes, "pageInfo": info}}}))
}

fn opened(kind: &str, provider: &str, more: &str) -> Result<Arc<dyn Tracker>, WorkflowError> {
    let text = format!("---\ntracker: {{kind: {kind}, provider: {{{provider}}}{more}}}\n---\n");
    let config = split(Path::new("W.md"), &text).unwrap().config;
    let env = |name: &str| (name == "TOKEN_HERE").then(|| "s3cret".to_owned());
    let settings = Settings::read(&config, Path::new("/W.md"), &env)?;
    open(&settings.tracker, Path::new("/"), &env)
}

const STATES: &str = ", active_states: [open], terminal_states: [closed]";

fn on_github(host: &str) -> Arc<dyn Tracker> {
    opened("github", &format!("repo: o/r, token: $TOKEN_HERE, api_url: '{host}'"), STATES).unwrap()
}

fn on_linear(host: &str) -> Arc<dyn Tracker> {
    opened("linear", &format!("project_slug: proj, api_key: $TOKEN_HERE, endpoint: '{host}/graphql'"), "")
        .unwrap()
}

fn gh(number: u64, state: &str) -> Value {
    json!({"number": number, "id": number + 1000, "node_id": "N", "title": format!("Issue {number}"), "state": state,
        "body": "text", "labels": [{"name": "Bug"}], "html_url": "https://x", "updated_at": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z", "assignee": {"login": "kim"}})
}

fn li(id: &str, state: &str) -> Value {
    json!({"id": id, "identifier": format!("ENG-{id}"), "title": "t", "priority": 2, "state": {"name": state},
        "labels": {"nodes": [{"name": "Bug"}]}, "assignee": {"id": "me-7"}, "inverseRelations": {"nodes": []},
        "createdAt": "2026-01-01T00:00:00.000Z"})
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

#[tokio::test]
async fn row_1_11_a_secret_comes_from_the_variable_that_is_named_and_is_not_told() {
    let missing = opened("linear", "project_slug: p, api_key: $NOT_THERE", "").unwrap_err();
    assert_eq!((missing.code(), missing.to_string().contains("NOT_THERE")), ("missing_tracker_secret", true));
    let tracker = opened("linear", "project_slug: $TOKEN_HERE, api_key: $TOKEN_HERE", "").unwrap();
    assert_eq!(tracker.secrets(), ["s3cret"]);
    assert_eq!(tracker.secret_names(), ["LINEAR_API_KEY", "TOKEN_HERE"]);
    let text =
        "---\ntracker: {kind: linear, provider: {project_slug: $TOKEN_HERE, api_key: $TOKEN_HERE}}\n---\n";
    let config = split(Path::new("W.md"), text).unwrap().config;
    let env = |name: &str| (name == "TOKEN_HERE").then(|| "s3cret".to_owned());
    let settings = Settings::read(&config, Path::new("/W.md"), &env).unwrap();
    assert_eq!(settings.tracker.provider["project_slug"], "$TOKEN_HERE", "no secret, so it stays as written");
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[tokio::test]
async fn row_3_4_order_is_kept_over_pages() {
    let (host, shared) = serve(github).await;
    shared.lock().unwrap().issues = (1..=5).map(|it| gh(it, "open")).collect();
    let page = on_github(&host).by_states(&texts(&["Open"])).await.unwrap();
    let ids: Vec<&str> = page.issues.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    assert_eq!(shared.lock().unwrap().asked.len(), 3);
    let (host, shared) = serve(linear).await;
    shared.lock().unwrap().issues = ["a", "b", "c", "d", "e"].iter().map(|it| li(it, "Todo")).collect();
    let page = on_linear(&host).by_states(&texts(&[" todo "])).await.unwrap();
    let ids: Vec<&str> = page.issues.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_whole_read() {
    let (host, shared) = serve(github).await;
    shared.lock().unwrap().issues = (1..=5).map(|it| gh(it, "open")).collect();
    shared.lock().unwrap().fails_from = 2;
    let error = on_github(&host).by_states(&texts(&["open"])).await.unwrap_err();
    assert!(matches!(error, TrackerError::Status { status: 502, .. }), "{error}");
    let (host, shared) = serve(linear).await;
    shared.lock().unwrap().issues = ["a", "b", "c"].iter().map(|it| li(it, "Todo")).collect();
    shared.lock().unwrap().fails_from = 2;
    let error = on_linear(&host).by_states(&texts(&["Todo"])).await.unwrap_err();
    assert_eq!(error.code(), "tracker_response");
}

#[tokio::test]
async fn row_3_12_errors_are_told_apart() {
    let refused = |provider: &str, more: &str| opened("github", provider, more).unwrap_err().code();
    assert_eq!(
        refused("repo: o/r, token: x", ", active_states: [Todo], terminal_states: [closed]"),
        "invalid_tracker_config"
    );
    assert_eq!(refused("repo: ../etc, token: x", STATES), "invalid_tracker_config");
    assert_eq!(
        refused("repo: o/r, token: x, api_url: 'http://example.org'", STATES),
        "invalid_tracker_config"
    );
    assert_eq!(refused("repo: o/r, token: $NOT_THERE", STATES), "missing_tracker_secret");
    let (host, shared) = serve(github).await;
    let tracker = on_github(&host);
    for (status, headers, body, code) in [
        (500, vec![], "no", "tracker_status"),
        (401, vec![], "no", "tracker_status"),
        (200, vec![], "no json", "tracker_response"),
        (200, vec![], "{}", "tracker_response"),
        (200, vec![("link", "<http://127.0.0.1:1/x>; rel=\"next\"".to_owned())], "[]", "tracker_pagination"),
        (429, vec![], "slow down", "tracker_rate_limited"),
    ] {
        shared.lock().unwrap().refuses = Some((status, headers, body.to_owned()));
        let error = tracker.by_states(&texts(&["open"])).await.unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}: {error}");
        assert!(!error.to_string().contains("s3cret"));
    }
    let nobody = on_github("http://127.0.0.1:1");
    assert_eq!(nobody.by_states(&texts(&["open"])).await.unwrap_err().code(), "tracker_request");
}

#[tokio::test]
async fn row_h_10_a_service_is_left_alone_until_the_time_that_it_says() {
    let (host, shared) = serve(github).await;
    let tracker = on_github(&host);
    let wait = async |headers: Vec<(&'static str, String)>, status: u16| {
        shared.lock().unwrap().refuses = Some((status, headers, String::new()));
        match tracker.by_states(&texts(&["open"])).await {
            Err(TrackerError::RateLimited { wait_ms }) => wait_ms,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wait(vec![("retry-after", "90".to_owned())], 403).await, 90_000);
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600;
    let reset = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", at.to_string())];
    let waits = wait(reset, 403).await;
    assert!((3_000_000..=3_600_000).contains(&waits), "{waits}");
    let (host, shared) = serve(linear).await;
    let body = json!({"errors": [{"message": "x", "extensions": {"code": "RATELIMITED"}}]}).to_string();
    let reset = vec![("x-ratelimit-requests-reset", (at * 1000).to_string())];
    shared.lock().unwrap().refuses = Some((400, reset, body));
    let error = on_linear(&host).by_states(&texts(&["Todo"])).await.unwrap_err();
    assert!(matches!(error, TrackerError::RateLimited { wait_ms } if wait_ms > 3_000_000), "{error}");
}

#[tokio::test]
async fn row_3_8_a_refresh_gives_whole_issues_and_leaves_out_what_is_gone() {
    let (host, shared) = serve(github).await;
    shared.lock().unwrap().issues = vec![gh(1, "open"), gh(2, "closed")];
    let tracker = on_github(&host);
    let page = tracker.by_ids(&texts(&["2", "9", "../x"])).await.unwrap();
    let [issue] = &page.issues[..] else { panic!("{page:?}") };
    assert_eq!(
        (&*issue.identifier, &*issue.state, issue.description.as_deref()),
        ("GH-2", "closed", Some("text"))
    );
    assert_eq!((issue.labels.clone(), issue.assignee_id.as_deref()), (texts(&["bug"]), Some("kim")));
    // What did not change is asked for conditionally, and is whole all the same; what did is seen.
    assert_eq!(tracker.by_ids(&texts(&["2"])).await.unwrap().issues, page.issues);
    shared.lock().unwrap().issues[1]["title"] = json!("Other");
    shared.lock().unwrap().issues[1]["updated_at"] = json!("2026-02-02T00:00:00Z");
    assert_eq!(tracker.by_ids(&texts(&["2"])).await.unwrap().issues[0].title, "Other");

    let (host, shared) = serve(linear).await;
    shared.lock().unwrap().issues = (0..120).map(|it| li(&it.to_string(), "Todo")).collect();
    let ids: Vec<String> = (0..120).map(|it| it.to_string()).chain(["gone".to_owned()]).collect();
    let tracker = on_linear(&host);
    assert_eq!(tracker.by_ids(&ids).await.unwrap().issues.len(), 120, "in batches");
    shared.lock().unwrap().issues[3]["title"] = Value::Null;
    assert_eq!(
        tracker.by_ids(&ids).await.unwrap_err().code(),
        "tracker_response",
        "a malformed one fails it"
    );
    let page = tracker.by_states(&texts(&["Todo"])).await.unwrap();
    assert_eq!((page.issues.len(), page.dropped.len()), (119, 1));
}

#[tokio::test]
async fn row_3_9_githubs_own_ids_are_kept_apart() {
    let (host, shared) = serve(github).await;
    shared.lock().unwrap().issues = vec![gh(7, "open")];
    let page = on_github(&host).by_ids(&texts(&["7"])).await.unwrap();
    assert_eq!(
        page.issues[0].native_ref,
        Some(json!({"id": 1007, "node_id": "N", "number": 7, "repo": "o/r"}))
    );
}

#[tokio::test]
async fn row_3_10_pull_requests_blockers_and_other_peoples_issues_may_not_be_worked() {
    let (host, shared) = serve(github).await;
    let mut pull = gh(3, "open");
    pull["pull_request"] = json!({"url": "x"});
    shared.lock().unwrap().issues = vec![pull];
    let page = on_github(&host).by_states(&texts(&["open"])).await.unwrap();
    assert!(!page.issues[0].dispatchable);

    let (host, shared) = serve(linear).await;
    let blocked = |id: &str, by: &str, state: &str| {
        let mut issue = li(id, state);
        issue["inverseRelations"]["nodes"] =
            json!([{"type": "blocks", "issue": {"id": "z", "identifier": "ENG-Z", "state": {"name": by}}}]);
        issue
    };
    let mut theirs = li("t", "Todo");
    theirs["assignee"]["id"] = json!("somebody");
    shared.lock().unwrap().issues = vec![
        li("free", "Todo"),
        blocked("b1", "In Progress", "Todo"),
        blocked("b2", "Done", "Todo"),
        blocked("b3", "In Progress", "In Progress"),
        theirs,
    ];
    let provider =
        format!("project_slug: proj, api_key: $TOKEN_HERE, endpoint: '{host}/graphql', assignee: me");
    let tracker = opened("linear", &provider, "").unwrap();
    let page = tracker.by_states(&texts(&["Todo", "In Progress"])).await.unwrap();
    let verdicts: Vec<(&str, bool)> =
        page.issues.iter().map(|it| (it.id.as_str(), it.dispatchable)).collect();
    assert_eq!(verdicts, [("free", true), ("b1", false), ("b2", true), ("b3", true), ("t", false)]);
    assert_eq!(page.issues[1].blocked_by[0].identifier.as_deref(), Some("ENG-Z"));
}

#[tokio::test]
async fn row_3_2_and_services_are_not_asked_for_nothing() {
    let (host, shared) = serve(github).await;
    let tracker = on_github(&host);
    assert!(tracker.by_states(&[]).await.unwrap().issues.is_empty());
    assert!(tracker.by_ids(&[]).await.unwrap().issues.is_empty());
    assert!(shared.lock().unwrap().asked.is_empty());
    let (host, shared) = serve(linear).await;
    let tracker = on_linear(&host);
    assert!(tracker.by_states(&[]).await.unwrap().issues.is_empty());
    assert!(tracker.by_ids(&[]).await.unwrap().issues.is_empty());
    assert!(shared.lock().unwrap().asked.is_empty());
}
