//! A GitHub without the internet: repositories, pull requests with checks, reviews, threads and merge queues, limits, login by
//! device, git over HTTP. What it says by GraphQL is checked by GitHub's own schema, and what it says by REST can be held against
//! GitHub's own description ([`official::check_answer`]). Tests use it, and so does who tries Pilothouse out.
//!
//! Refuses: to answer what it does not know. It is no server for the internet and listens on this machine alone.

// A pull request has more fields than a macro likes to write.
#![recursion_limit = "256"]

mod git;
mod graph;
pub mod life;
pub mod limits;
mod login;
mod mutations;
mod nodes;
pub mod official;
mod rest;
mod seed;
pub mod world;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use limits::{HOURLY, Wrong};
use rest::Reply;
use world::{Asked, World};

/// A request is at most this long.
const LONGEST: usize = 64 << 20;

/// A GitHub that listens. It ends when it is dropped.
#[derive(Debug)]
pub struct Fake {
    world: Arc<Mutex<World>>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    _root: tempfile::TempDir,
}

type Shared = Arc<Mutex<World>>;

fn held(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    /// Listens on a port of this machine; on any free one if it is 0.
    ///
    /// # Errors
    /// If the port is taken, or GitHub's descriptions are not there.
    pub async fn start(port: u16) -> std::io::Result<Self> {
        official::schema().map_err(std::io::Error::other)?;
        let root = tempfile::TempDir::with_prefix("fake-github-")?;
        let world = Arc::new(Mutex::new(World { root: root.path().to_owned(), ..World::default() }));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        held(&world).url = format!("http://{address}");
        let app = Router::new().fallback(take).with_state(world.clone());
        let serving = tokio::spawn(async move {
            let _ended = axum::serve(listener, app).await;
        });
        Ok(Self { world, address, serving, _root: root })
    }

    /// Where it is reached, as `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks into the world, or changes it.
    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut held(&self.world))
    }

    /// Makes a repository that git reaches, empty.
    ///
    /// # Errors
    /// If git cannot.
    pub fn git_repo(&self, full: &str) -> std::io::Result<()> {
        let mut world = held(&self.world);
        let root = world.root.clone();
        let it = world.add_repo(full);
        it.has_git = true;
        it.branches.clear();
        git::make(&root, it)
    }

    /// Protects the branches of a repository that git reaches, by a pattern of the shell: nobody pushes there.
    ///
    /// # Errors
    /// If git's hook cannot be written.
    pub fn protect(&self, full: &str, pattern: &str) -> std::io::Result<()> {
        let world = held(&self.world);
        let repo = world.repo(full).ok_or_else(|| std::io::Error::other("there is no such repository"))?;
        git::protect(&world.root, repo, pattern)
    }

    /// Fills the world with what there is to see: by recorded webhooks and by a few pull requests in all their states.
    ///
    /// # Errors
    /// If the recorded webhooks are not there.
    pub fn seed(&self) -> Result<(), String> {
        seed::plant(&mut held(&self.world))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request, from its bytes to those of the answer.
async fn take(State(world): State<Shared>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST).await else { return plain(413, "too long") };
    let method = parts.method.as_str().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let path = parts.uri.path().to_owned();
    // An enterprise server has the same below a path of its own, and a host of its own for its interface.
    let path = path
        .strip_prefix("/api/v3")
        .or_else(|| path.strip_prefix("/api"))
        .map_or(path.clone(), str::to_owned);
    if let Some((full, rest)) = git::path_of(&path) {
        return by_git(&world, (&method, &rest, &query), &full, &parts.headers, &body).await;
    }
    let (reply, points) = {
        let mut world = held(&world);
        let now = world.now();
        world.limits.turn(now);
        if let Some(Wrong::Silence) =
            world.limits.script.front().filter(|it| path.starts_with(&it.path)).map(|it| &it.what)
        {
            world.limits.next_wrong(&path);
            let cut =
                futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut off by script")) });
            return Response::builder()
                .status(StatusCode::OK)
                .body(Body::from_stream(cut))
                .unwrap_or_default();
        }
        answered(&mut world, &method, &path, &query, &parts.headers, &body)
    };
    let mut world = held(&world);
    let shown = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
    world.asked.push(Asked {
        method,
        path: shown,
        body: String::from_utf8_lossy(&body).into_owned(),
        status: reply.status,
        answer: reply.body.clone(),
        points,
    });
    sent(&world, reply, path.ends_with("/graphql"))
}

/// Has something go wrong in an answer by GraphQL that is there.
fn spoil(body: &mut Value, what: &Wrong) {
    let says = "Something went wrong while executing your query.";
    match what {
        Wrong::Hole(place) => punch(body, *place, None, says),
        Wrong::Part(place, part) => punch(body, *place, Some(part), says),
        Wrong::Deep(place) => beside(
            body,
            serde_json::json!([{
                "type": "FORBIDDEN", "message": "Resource not accessible by personal access token",
                "path": ["search", "nodes", place, "statusCheckRollup", "contexts", "nodes", 0, "checkSuite", "workflowRun"],
            }]),
        ),
        Wrong::Murmur => beside(body, serde_json::json!([{ "message": says }])),
        _ => {}
    }
}

/// Takes something out of an answer by GraphQL, as GitHub does when it could not get it.
fn punch(body: &mut Value, place: usize, part: Option<&str>, says: &str) {
    for list in ["/data/search/nodes", "/data/nodes"] {
        let thing = body.pointer_mut(list).and_then(|it| it.get_mut(place));
        let hole = match part {
            Some(part) => thing.and_then(|it| it.get_mut(part)),
            None => thing,
        };
        if let Some(hole) = hole {
            *hole = Value::Null;
            let path: Vec<Value> = list
                .split('/')
                .skip(2)
                .map(Value::from)
                .chain([place.into()])
                .chain(part.map(Value::from))
                .collect();
            beside(body, serde_json::json!([{ "message": says, "path": path }]));
            return;
        }
    }
}

/// Says of what was asked for by its id and is not there that there is none, as GitHub does.
fn tell_of_none(body: &mut Value) {
    let nodes = body.pointer("/data/nodes").and_then(Value::as_array);
    let none = nodes.into_iter().flatten().enumerate().filter(|(_, it)| it.is_null());
    let errors: Vec<Value> = none
        .map(|(place, _)| {
            serde_json::json!({
                "type": "NOT_FOUND", "path": ["nodes", place], "message": "Could not resolve to a node with the global id.",
            })
        })
        .collect();
    if !errors.is_empty() {
        beside(body, Value::Array(errors));
    }
}

fn answered(
    world: &mut World,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> (Reply, u64) {
    match world.limits.next_wrong(path) {
        Some(Wrong::Status(status, message)) => return (Reply::message(status, &message), 0),
        Some(Wrong::Garbage) => {
            return (
                Reply {
                    status: 200,
                    body: Value::Null,
                    text: Some("<html>Unicorn!</html>".to_owned()),
                    headers: Vec::new(),
                },
                0,
            );
        }
        Some(Wrong::Secondary(wait)) => return (secondary(Some(wait)), 0),
        Some(Wrong::SecondaryUnsaid) => return (secondary(None), 0),
        Some(Wrong::Spent(wait)) => {
            let now = world.now();
            for budget in [&mut world.limits.graphql, &mut world.limits.rest] {
                budget.used = HOURLY;
                budget.reset = now + wait;
            }
        }
        Some(what @ (Wrong::Hole(_) | Wrong::Part(..) | Wrong::Deep(_) | Wrong::Murmur)) => {
            let (mut reply, points) = rightly(world, method, path, query, headers, body);
            spoil(&mut reply.body, &what);
            return (reply, points);
        }
        Some(Wrong::LimitInside) => {
            let body = serde_json::json!({ "errors": [{
                "type": "RATE_LIMIT", "code": "graphql_rate_limit", "message": "API rate limit already exceeded for user.",
            }] });
            return (Reply::json(200, body), 0);
        }
        Some(Wrong::Silence) | None => {}
    }
    rightly(world, method, path, query, headers, body)
}

/// Puts what went wrong beside the data.
fn beside(body: &mut Value, errors: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert("errors".to_owned(), errors);
    }
}

/// The answer if nothing goes wrong by script.
fn rightly(
    world: &mut World,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> (Reply, u64) {
    match (method, path) {
        ("POST", "/login/device/code") => {
            return (Reply::json(200, world.device_code(&login::fields(body))), 0);
        }
        ("POST", "/login/oauth/access_token") => {
            return (Reply::json(200, world.device_token(&login::fields(body))), 0);
        }
        ("GET", path) if path.starts_with("/blob/") => {
            return (rest::blob(world, path, headers.contains_key("authorization")), 0);
        }
        _ => {}
    }
    let Some(who) = who(world, headers) else { return (Reply::message(401, "Bad credentials"), 0) };
    if path.ends_with("/graphql") {
        let (mut reply, points) = by_graphql(world, &who, body);
        tell_of_none(&mut reply.body);
        return (reply, points);
    }
    if world.limits.rest.left() == 0 && path != "/rate_limit" {
        return (Reply::message(403, "API rate limit exceeded for user."), 0);
    }
    let parsed = serde_json::from_slice(body).unwrap_or_default();
    if method == "POST" && !path.contains("/actions/") {
        let now = world.now();
        if let Some(wait) = world.limits.makes(now) {
            return (secondary(Some(wait)), 0);
        }
    }
    let mut reply = rest::answer(world, &who, method, path, query, &parsed);
    if method == "GET" && reply.status == 200 && reply.text.is_none() {
        let mut hash = DefaultHasher::new();
        reply.body.to_string().hash(&mut hash);
        let mark = format!("W/\"{:016x}\"", hash.finish());
        let known = headers.get("if-none-match").and_then(|it| it.to_str().ok()) == Some(&mark);
        if known {
            // What did not change costs nothing.
            reply = Reply { status: 304, body: Value::Null, text: None, headers: Vec::new() };
        }
        reply.headers.push(("etag".to_owned(), mark));
    }
    if reply.status != 304 {
        world.limits.rest.used += 1;
    }
    (reply, 0)
}

fn secondary(wait: Option<u64>) -> Reply {
    let mut reply = Reply::message(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    );
    reply.headers.extend(wait.map(|it| ("retry-after".to_owned(), it.to_string())));
    reply
}

fn by_graphql(world: &mut World, who: &str, body: &Bytes) -> (Reply, u64) {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return (Reply::message(400, "Problems parsing JSON"), 0);
    };
    if world.limits.graphql.left() == 0 {
        let says = format!("API rate limit exceeded for user {who}.");
        return (Reply::json(200, json!({ "errors": [{ "type": "RATE_LIMITED", "message": says }] })), 0);
    }
    let query = match graph::read(&asked) {
        Ok(query) => query,
        Err(refusal) => return (Reply::json(200, refusal), 0),
    };
    let now = world.now();
    if let Some(wait) = world.limits.spend(now, query.points, query.is_mutation) {
        return (secondary(Some(wait)), query.points);
    }
    // What was spent is told with this query in it.
    world.limits.graphql.used -= query.points;
    let answered = graph::answer(world, who, &query);
    world.limits.graphql.used += answered.points;
    (Reply::json(200, answered.body), answered.points)
}

fn token_of(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("authorization")?.to_str().ok()?;
    let (kind, rest) = given.split_once(' ')?;
    if kind.eq_ignore_ascii_case("basic") {
        let plain = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
        return Some(String::from_utf8_lossy(&plain).split_once(':')?.1.to_owned());
    }
    matches!(kind.to_ascii_lowercase().as_str(), "bearer" | "token").then(|| rest.trim().to_owned())
}

fn who(world: &World, headers: &HeaderMap) -> Option<String> {
    world.tokens.get(&token_of(headers)?).cloned()
}

fn sent(world: &World, reply: Reply, is_graphql: bool) -> Response<Body> {
    let (budget, resource) =
        if is_graphql { (&world.limits.graphql, "graphql") } else { (&world.limits.rest, "core") };
    let mut answer = Response::builder()
        .status(reply.status)
        .header("x-ratelimit-limit", HOURLY)
        .header("x-ratelimit-remaining", budget.left())
        .header("x-ratelimit-used", budget.used)
        .header("x-ratelimit-reset", budget.reset)
        .header("x-ratelimit-resource", resource)
        .header("x-oauth-scopes", "repo, read:org")
        .header("x-github-request-id", format!("FAKE:{}", world.asked.len()));
    for (name, value) in &reply.headers {
        answer = answer.header(name, value);
    }
    let (kind, body) = match (reply.text, reply.status) {
        (Some(text), _) => ("text/plain; charset=utf-8", text),
        (None, 304) => ("application/json", String::new()),
        (None, _) => ("application/json; charset=utf-8", reply.body.to_string()),
    };
    answer.header("content-type", kind).body(Body::from(body)).unwrap_or_default()
}

fn plain(status: u16, says: &str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(says.to_owned())).unwrap_or_default()
}

async fn by_git(
    world: &Shared,
    request: (&str, &str, &str),
    full: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Body> {
    let (found, who, root) = {
        let mut world = held(world);
        let shown = format!("/{full}.git/{}?{}", request.1, request.2);
        let asked = Asked {
            method: request.0.to_owned(),
            path: shown,
            body: String::new(),
            status: 200,
            answer: Value::Null,
            points: 0,
        };
        world.asked.push(asked);
        (world.repo(full).filter(|it| it.has_git).cloned(), who(&world, headers), world.root.clone())
    };
    let Some(who) = who else {
        let asks = Response::builder().status(401).header("www-authenticate", "Basic realm=\"GitHub\"");
        return asks.body(Body::from("a token is needed")).unwrap_or_default();
    };
    let Some(repo) = found else { return plain(404, "Repository not found.") };
    let writes = request.1 == "git-receive-pack" || request.2.contains("git-receive-pack");
    if writes && held(world).readers.contains(&(who.clone(), repo.full())) {
        return plain(403, &format!("Permission to {}.git denied to {who}.", repo.full()));
    }
    match git::serve(&root, &repo, request, headers, Some(&who), body).await {
        Ok(answer) => {
            if request.1 == "git-receive-pack" {
                held(world).read_git(full);
            }
            answer
        }
        Err(error) => plain(500, &error.to_string()),
    }
}
