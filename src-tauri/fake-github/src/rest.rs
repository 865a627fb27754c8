//! The part of REST that clients need beside GraphQL. Bodies are those that GitHub really sent - recorded webhooks are the
//! templates - with what this world holds put in; tests hold each against the OpenAPI description.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::official;
use crate::world::{Check, Pull, Repo, World, stamp};

/// What is sent back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// Text instead of JSON.
    pub(crate) text: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, body, text: None, headers: Vec::new() }
    }

    pub(crate) fn message(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string(),
        });
        Self::json(status, body)
    }
}

fn template(kind: &str, key: &str) -> Value {
    static PULL: OnceLock<Value> = OnceLock::new();
    static CHECK: OnceLock<Value> = OnceLock::new();
    let kept = if kind == "pull_request" { &PULL } else { &CHECK };
    let whole = kept.get_or_init(|| {
        let recorded = official::webhooks(kind).unwrap_or_default();
        recorded.into_iter().max_by_key(|it| it.to_string().len()).unwrap_or_default()
    });
    whole.get(key).cloned().unwrap_or_default()
}

fn put(into: &mut Value, with: Value) {
    if let (Value::Object(into), Value::Object(with)) = (into, with) {
        into.extend(with);
    }
}

fn person(world: &World, login: &str) -> Value {
    let mut it = template("pull_request", "sender");
    let name = world.users.get(login).cloned().unwrap_or_else(|| login.to_owned());
    put(&mut it, json!({ "login": login, "type": "User", "name": name, "site_admin": false }));
    it
}

fn repo(world: &World, it: &Repo) -> Value {
    let mut made = template("pull_request", "repository");
    put(
        &mut made,
        json!({
            "id": it.id, "node_id": it.node_id(), "name": it.name, "full_name": it.full(), "owner": person(world, &it.owner),
            "default_branch": it.main, "html_url": format!("https://github.localhost/{}", it.full()), "private": false,
            "clone_url": format!("https://github.localhost/{}.git", it.full()), "disabled": false, "archived": false,
            "permissions": { "admin": it.owner.is_empty(), "push": true, "pull": true },
            "allow_auto_merge": it.auto_merge, "network_count": 0, "subscribers_count": 0, "has_discussions": false,
        }),
    );
    made
}

fn pull(world: &World, of: &Repo, it: &Pull, whole: bool) -> Value {
    let mut made = template("pull_request", "pull_request");
    let end = |name: &str, oid: &str| json!({ "label": format!("{}:{name}", of.owner), "ref": name, "sha": oid, "user": person(world, &of.owner), "repo": repo(world, of) });
    let merged = it.state == "MERGED";
    put(
        &mut made,
        json!({
            "id": of.id * 100_000 + it.number, "node_id": of.pull_id(it.number), "number": it.number, "title": it.title, "body": it.body,
            "state": if it.state == "OPEN" { "open" } else { "closed" }, "draft": it.draft, "locked": false,
            "user": person(world, &it.author), "assignee": null, "assignees": [], "labels": [], "milestone": null,
            "requested_reviewers": it.wanted.iter().map(|it| person(world, it)).collect::<Vec<_>>(), "requested_teams": [],
            "head": end(&it.head_ref, &it.head), "base": end(&it.base_ref, &of.tip(&it.base_ref)),
            "html_url": format!("https://github.localhost/{}/pull/{}", of.full(), it.number),
            "created_at": stamp(it.created), "updated_at": stamp(it.updated), "merged_at": it.merged.map(stamp),
            "closed_at": it.merged.map(stamp), "merge_commit_sha": it.merge_commit, "auto_merge": null, "active_lock_reason": null,
        }),
    );
    if whole {
        let known = it.mergeable.as_deref().map(|it| it == "MERGEABLE");
        put(
            &mut made,
            json!({
                "merged": merged, "mergeable": known, "rebaseable": known, "mergeable_state": of.merge_state(it).to_lowercase(),
                "merged_by": merged.then(|| person(world, &it.author)), "comments": 0, "review_comments": it.threads.len(),
                "maintainer_can_modify": false, "commits": 1, "additions": it.size.1, "deletions": it.size.2, "changed_files": it.size.0,
            }),
        );
    }
    made
}

fn check(of: &Repo, it: &Check) -> Value {
    let mut made = template("check_run", "check_run");
    put(
        &mut made,
        json!({
            "id": it.id, "node_id": format!("CR_{}", it.id), "name": it.name, "head_sha": it.commit,
            "status": it.status.to_lowercase(), "conclusion": it.conclusion.as_ref().map(|it| it.to_lowercase()),
            "started_at": stamp(it.started), "completed_at": it.ended.map(stamp), "pull_requests": [],
            "details_url": format!("https://github.localhost/{}/runs/{}", of.full(), it.id), "external_id": "",
        }),
    );
    made
}

/// A log by its address, without a token; with one it is refused, as the host of logs does.
pub(crate) fn blob(world: &World, path: &str, has_token: bool) -> Reply {
    let mut parts = path.trim_matches('/').splitn(4, '/');
    let log = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("blob"), Some(owner), Some(name), Some(id)) => {
            let repo = world.repo(&format!("{owner}/{name}"));
            repo.and_then(|it| it.logs.get(&id.parse().ok()?)).cloned()
        }
        _ => None,
    };
    match log {
        _ if has_token => Reply::message(400, "InvalidAuthenticationInfo"),
        Some(log) => Reply { status: 200, body: Value::Null, text: Some(log), headers: Vec::new() },
        None => Reply::message(404, "BlobNotFound"),
    }
}

/// Answers a request that is good by its token.
pub(crate) fn answer(
    world: &mut World,
    who: &str,
    method: &str,
    path: &str,
    query: &str,
    body: &Value,
) -> Reply {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let missing = || Reply::message(404, "Not Found");
    let asked: Map<String, Value> = query
        .split('&')
        .filter_map(|it| it.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    match (method, parts.as_slice()) {
        ("GET", [""]) => Reply::json(200, json!({ "current_user_url": "https://api.github.localhost/user" })),
        ("GET", ["user"]) => {
            let mut it = person(world, who);
            put(
                &mut it,
                json!({
                    "id": 1, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null, "twitter_username": null,
                    "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
                    "created_at": "2020-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
                }),
            );
            Reply::json(200, it)
        }
        ("GET", ["rate_limit"]) => {
            let of = |it: &crate::limits::Budget| json!({ "limit": crate::limits::HOURLY, "used": it.used, "remaining": it.left(), "reset": it.reset });
            let (rest, graphql) = (of(&world.limits.rest), of(&world.limits.graphql));
            Reply::json(
                200,
                json!({ "rate": rest, "resources": { "core": rest, "graphql": graphql, "search": rest } }),
            )
        }
        (_, ["repos", owner, name, rest @ ..]) => {
            let full = format!("{owner}/{name}");
            let Some(it) = world.repo(&full).cloned() else { return missing() };
            of_repo(world, &it, method, rest, &asked, body).unwrap_or_else(missing)
        }
        _ => missing(),
    }
}

fn of_repo(
    world: &mut World,
    it: &Repo,
    method: &str,
    rest: &[&str],
    asked: &Map<String, Value>,
    body: &Value,
) -> Option<Reply> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    Some(match (method, rest) {
        ("GET", []) => Reply::json(200, repo(world, it)),
        ("GET", ["pulls"]) => {
            let state = asked.get("state").and_then(Value::as_str).unwrap_or("open");
            let fits = |pull: &&Pull| match state {
                "all" => true,
                "closed" => pull.state != "OPEN",
                _ => pull.state == "OPEN",
            };
            let all: Vec<Value> =
                it.pulls.values().filter(fits).map(|pull| self::pull(world, it, pull, false)).collect();
            page(all, asked, &format!("/repos/{}/pulls", it.full()))
        }
        ("GET", ["pulls", number]) => {
            let number = number.parse().ok()?;
            let reply = Reply::json(200, pull(world, it, it.pulls.get(&number)?, true));
            // As by GraphQL: it is worked out after it was asked for.
            world.reckon(&it.full(), number);
            reply
        }
        ("PUT", ["pulls", number, "merge"]) => {
            let method = text("merge_method").unwrap_or("merge").to_uppercase();
            let number = number.parse().ok()?;
            it.pulls.get(&number)?;
            match world.merge(&it.full(), number, text("sha"), &method) {
                Ok(sha) => Reply::json(
                    200,
                    json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" }),
                ),
                Err(refused) if refused.1.starts_with("Head branch was modified") => {
                    Reply::message(409, &refused.1)
                }
                Err(refused) => Reply::message(405, &refused.1),
            }
        }
        ("GET", ["commits", commit, "check-runs"]) => {
            let all: Vec<Value> = it
                .pulls
                .values()
                .flat_map(|pull| &pull.checks)
                .filter(|check| check.commit == *commit && !check.is_status)
                .map(|check| self::check(it, check))
                .collect();
            Reply::json(200, json!({ "total_count": all.len(), "check_runs": all }))
        }
        ("GET", ["actions", "jobs", id, "logs"]) => {
            // It lies on another host, whose address is good for a while and for whoever has it.
            let id: u64 = id.parse().ok()?;
            it.logs.get(&id)?;
            let address = format!("{}/blob/{}/{id}", world.url, it.full());
            Reply {
                status: 302,
                body: Value::Null,
                text: Some(String::new()),
                headers: vec![("location".to_owned(), address)],
            }
        }
        ("POST", ["actions", "runs", id, "rerun-failed-jobs"]) => {
            let id: u64 = id.parse().ok()?;
            let (number, name) = it.pulls.values().find_map(|pull| {
                let check = pull.checks.iter().find(|check| check.id == id)?;
                Some((pull.number, check.name.clone()))
            })?;
            world.check(&it.full(), number, &name, None);
            Reply::json(201, json!({}))
        }
        _ => return None,
    })
}

fn page(all: Vec<Value>, asked: &Map<String, Value>, path: &str) -> Reply {
    let number = |key: &str| asked.get(key).and_then(Value::as_str).and_then(|it| it.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(30).clamp(1, 100);
    let at = number("page").unwrap_or(1).max(1);
    let pages = all.len().div_ceil(size).max(1);
    let shown: Vec<Value> = all.into_iter().skip((at - 1) * size).take(size).collect();
    let mut reply = Reply::json(200, Value::Array(shown));
    let link = |page: usize, word: &str| {
        format!("<https://api.github.localhost{path}?per_page={size}&page={page}>; rel=\"{word}\"")
    };
    let mut links = Vec::new();
    if at < pages {
        links.extend([link(at + 1, "next"), link(pages, "last")]);
    }
    if at > 1 {
        links.extend([link(at - 1, "prev"), link(1, "first")]);
    }
    if !links.is_empty() {
        reply.headers.push(("link".to_owned(), links.join(", ")));
    }
    reply
}
