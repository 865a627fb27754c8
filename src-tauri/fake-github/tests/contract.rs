//! The double keeps to GitHub's own contract: what it answers is good by the schema and by the OpenAPI description, and it changes
//! as GitHub does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use fake_github::limits::{HOURLY, Wrong};
use fake_github::{Fake, official};
use reqwest::{Client, Method};
use serde_json::{Value, json};

const TOKEN: &str = "gho_test";

struct Asks {
    fake: Fake,
    client: Client,
}

impl Asks {
    async fn new() -> Self {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let fake = Fake::start(0).await.unwrap();
        fake.world(|it| {
            it.frozen = Some(1_800_000_000);
            it.person("octocat", TOKEN);
            it.add_repo("octocat/cabin");
        });
        Self { fake, client: Client::new() }
    }

    async fn graph(&self, query: &str, variables: Value) -> Value {
        let asked = self.client.post(format!("{}/graphql", self.fake.url())).bearer_auth(TOKEN);
        asked
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn data(&self, query: &str, variables: Value) -> Value {
        let it = self.graph(query, variables).await;
        assert_eq!(it.get("errors"), None, "{it:#}");
        it["data"].clone()
    }

    async fn rest(
        &self,
        method: &str,
        path: &str,
        mark: Option<&str>,
        body: Value,
    ) -> (u16, Value, reqwest::header::HeaderMap) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut asked = self.client.request(method, format!("{}{path}", self.fake.url())).bearer_auth(TOKEN);
        if let Some(mark) = mark {
            asked = asked.header("if-none-match", mark);
        }
        if !body.is_null() {
            asked = asked.json(&body);
        }
        let reply = asked.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let text = reply.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default(), headers)
    }

    fn open(&self, n: u64) {
        self.fake.world(|it| {
            for n in 0..n {
                it.open("octocat/cabin", "octocat", &format!("work-{n}"), "main", &format!("Change {n}"))
                    .unwrap();
            }
        });
    }

    /// Every answer of REST so far is good by GitHub's own description.
    fn holds(&self) {
        let asked = self.fake.world(|it| it.asked.clone());
        let by_rest = asked.iter().filter(|it| !it.path.contains("graphql") && !it.path.ends_with("logs"));
        let held: Vec<_> =
            by_rest.map(|it| official::check_answer(&it.method, &it.path, it.status, &it.answer)).collect();
        let wrong: Vec<_> = held.iter().filter_map(|it| it.as_ref().err()).collect();
        assert!(wrong.is_empty() && !held.is_empty(), "{wrong:#?}");
    }
}

#[tokio::test]
async fn what_rest_says_is_good_by_githubs_own_description() {
    let asks = Asks::new().await;
    asks.open(3);
    asks.fake.world(|it| {
        it.check("octocat/cabin", 1, "build", Some("SUCCESS"));
        it.check("octocat/cabin", 1, "lint", None);
        it.thread("octocat/cabin", 1, "hubot", "a.rs", 3, "Why?");
    });
    let head = asks.fake.world(|it| it.pull("octocat/cabin", 1).unwrap().head.clone());
    for path in [
        "/user",
        "/rate_limit",
        "/repos/octocat/cabin",
        "/repos/octocat/cabin/pulls",
        "/repos/octocat/cabin/pulls/1",
    ] {
        assert_eq!(asks.rest("GET", path, None, Value::Null).await.0, 200, "{path}");
    }
    let (_, runs, _) =
        asks.rest("GET", &format!("/repos/octocat/cabin/commits/{head}/check-runs"), None, Value::Null).await;
    assert_eq!(
        (runs["total_count"].clone(), runs["check_runs"][0]["conclusion"].clone()),
        (json!(2), json!("success"))
    );
    let (status, missing, _) = asks.rest("GET", "/repos/octocat/cabin/pulls/99", None, Value::Null).await;
    assert_eq!((status, missing["message"].clone()), (404, json!("Not Found")));
    let (status, merged, _) =
        asks.rest("PUT", "/repos/octocat/cabin/pulls/2/merge", None, json!({ "sha": "0" })).await;
    assert_eq!(status, 409, "{merged}");
    // Mergeability is worked out after somebody asked for it.
    let (_, first, _) = asks.rest("GET", "/repos/octocat/cabin/pulls/3", None, Value::Null).await;
    let (_, second, _) = asks.rest("GET", "/repos/octocat/cabin/pulls/3", None, Value::Null).await;
    assert_eq!((first["mergeable"].clone(), second["mergeable"].clone()), (Value::Null, json!(true)));
    let (status, _, _) = asks
        .rest("PUT", "/repos/octocat/cabin/pulls/3/merge", None, json!({ "merge_method": "squash" }))
        .await;
    assert_eq!(status, 200);
    asks.holds();
}

#[tokio::test]
async fn pages_are_cut_by_links_and_cursors_and_what_is_not_paged_is_refused() {
    let asks = Asks::new().await;
    asks.open(7);
    let (_, page, headers) =
        asks.rest("GET", "/repos/octocat/cabin/pulls?per_page=3&page=2", None, Value::Null).await;
    assert_eq!(page.as_array().unwrap().len(), 3);
    let link = headers["link"].to_str().unwrap();
    assert!(link.contains("page=3>; rel=\"next\"") && link.contains("page=1>; rel=\"prev\""), "{link}");
    let query = "query($after: String) { repository(owner: \"octocat\", name: \"cabin\") { pullRequests(first: 3, after: $after) {
        totalCount pageInfo { hasNextPage endCursor } nodes { number } } } }";
    let (mut after, mut seen) = (Value::Null, Vec::new());
    loop {
        let it = asks.data(query, json!({ "after": after })).await["repository"]["pullRequests"].clone();
        seen.extend(it["nodes"].as_array().unwrap().iter().map(|it| it["number"].as_u64().unwrap()));
        if it["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = it["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    for (first, kind) in [("", "MISSING_PAGINATION_BOUNDARIES"), ("(first: 101)", "EXCESSIVE_PAGINATION")] {
        let query = format!("{{ viewer {{ pullRequests{first} {{ nodes {{ number }} }} }} }}");
        assert_eq!(asks.graph(&query, Value::Null).await["errors"][0]["type"], json!(kind));
    }
}

#[tokio::test]
async fn a_query_is_checked_by_githubs_schema_and_costs_what_github_says() {
    let asks = Asks::new().await;
    asks.open(2);
    let wrong = asks.graph("{ viewer { pullRequests(first: 1) { nodes { numbr } } } }", Value::Null).await;
    assert!(wrong["errors"][0]["message"].as_str().unwrap().contains("numbr"), "{wrong}");
    assert_eq!(wrong.get("data"), None);
    // (1 + 50 + 50 + 50) / 100, and with a connection in a connection seventeen.
    let flat = "{ rateLimit { cost } viewer { pullRequests(first: 50) { nodes { reviewThreads(first: 30) { totalCount } latestReviews(first: 10) { totalCount } labels(first: 5) { totalCount } } } } }";
    assert_eq!(asks.data(flat, Value::Null).await["rateLimit"]["cost"], json!(2));
    let deep = flat.replace(
        "reviewThreads(first: 30) { totalCount }",
        "reviewThreads(first: 30) { nodes { comments(first: 1) { totalCount } } }",
    );
    assert_eq!(asks.data(&deep, Value::Null).await["rateLimit"]["cost"], json!(17));
    assert_eq!(asks.fake.world(|it| it.limits.graphql.used), 19);
    let known = asks.graph("{ __type(name: \"PullRequest\") { fields { name } } }", Value::Null).await;
    assert!(known["data"]["__type"]["fields"].as_array().unwrap().len() > 90, "{known}");
    let unknown = asks.graph("{ meta { gitHubServicesSha } }", Value::Null).await;
    assert!(unknown["errors"][0]["message"].as_str().unwrap().contains("does not know"), "{unknown}");
}

#[tokio::test]
async fn mergeability_is_unknown_first_and_again_after_every_push() {
    let asks = Asks::new().await;
    asks.open(1);
    let query = "{ repository(owner: \"octocat\", name: \"cabin\") { pullRequest(number: 1) { mergeable mergeStateStatus } } }";
    let ask = || async {
        let it = asks.data(query, Value::Null).await["repository"]["pullRequest"].clone();
        format!("{} {}", it["mergeable"].as_str().unwrap(), it["mergeStateStatus"].as_str().unwrap())
    };
    assert_eq!((ask().await, ask().await), ("UNKNOWN UNKNOWN".to_owned(), "MERGEABLE CLEAN".to_owned()));
    asks.fake.world(|it| it.push("octocat/cabin", "work-0", &"a".repeat(40)));
    asks.fake.world(|it| it.pull_mut("octocat/cabin", 1).unwrap().clashes = true);
    assert_eq!((ask().await, ask().await), ("UNKNOWN UNKNOWN".to_owned(), "CONFLICTING DIRTY".to_owned()));
}

#[tokio::test]
async fn what_did_not_change_costs_nothing_and_what_did_has_another_mark() {
    let asks = Asks::new().await;
    asks.open(1);
    let path = "/repos/octocat/cabin/pulls";
    let (_, _, headers) = asks.rest("GET", path, None, Value::Null).await;
    let mark = headers["etag"].to_str().unwrap().to_owned();
    let used = asks.fake.world(|it| it.limits.rest.used);
    assert_eq!(asks.rest("GET", path, Some(&mark), Value::Null).await.0, 304);
    assert_eq!(asks.fake.world(|it| it.limits.rest.used), used);
    asks.fake.world(|it| it.push("octocat/cabin", "work-0", &"b".repeat(40)));
    assert_eq!(asks.rest("GET", path, Some(&mark), Value::Null).await.0, 200);
    assert_eq!(asks.fake.world(|it| it.limits.rest.used), used + 1);
}

#[tokio::test]
async fn limits_hold_and_are_lifted_when_their_time_is_up() {
    let asks = Asks::new().await;
    let query = "{ viewer { login } }";
    asks.fake.world(|it| it.limits.wrong("/graphql", Wrong::Spent(120), 1));
    let spent = asks.graph(query, Value::Null).await;
    assert_eq!(spent["errors"][0]["type"], json!("RATE_LIMITED"), "{spent}");
    let (status, _, headers) = asks.rest("GET", "/user", None, Value::Null).await;
    assert_eq!((status, headers["x-ratelimit-remaining"].to_str().unwrap()), (403, "0"));
    asks.fake.world(|it| it.frozen = it.frozen.map(|now| now + 121));
    assert_eq!(asks.data(query, Value::Null).await["viewer"]["login"], json!("octocat"));
    assert_eq!(asks.fake.world(|it| it.limits.graphql.left()), HOURLY - 1);
    asks.fake.world(|it| it.limits.wrong("/user", Wrong::Secondary(33), 1));
    let (status, _, headers) = asks.rest("GET", "/user", None, Value::Null).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (403, "33"));
    for status in [401, 404, 422, 500, 502, 503] {
        asks.fake.world(|it| it.limits.wrong("/user", Wrong::Status(status, "by script".to_owned()), 1));
        assert_eq!(asks.rest("GET", "/user", None, Value::Null).await.0, status);
    }
    let nobody = asks.client.get(format!("{}/user", asks.fake.url())).send().await.unwrap();
    assert_eq!(nobody.status().as_u16(), 401);
    // Eighty requests that make content a minute, and not one more.
    let repo = asks.fake.world(|it| it.repo("octocat/cabin").unwrap().node_id());
    let make = "mutation($repo: ID!, $from: String!) { createPullRequest(input: {repositoryId: $repo, baseRefName: \"main\", headRefName: $from, title: \"T\"}) { pullRequest { number } } }";
    for n in 0..80 {
        asks.data(make, json!({ "repo": repo, "from": format!("b{n}") })).await;
    }
    let refused = asks.graph(make, json!({ "repo": repo, "from": "b80" })).await;
    assert_eq!(refused["errors"][0]["message"], json!("was submitted too quickly"), "{refused}");
}

#[tokio::test]
async fn what_lands_does_so_by_githubs_rules() {
    let asks = Asks::new().await;
    asks.open(3);
    let full = "octocat/cabin";
    asks.fake.world(|it| {
        let repo = it.repo_mut(full).unwrap();
        repo.required_checks = vec!["build".to_owned()];
        repo.required_reviews = 1;
        for n in 1..=3 {
            it.reckon(full, n);
        }
    });
    let id = |n| asks.fake.world(|it| it.repo(full).unwrap().pull_id(n));
    let head = |n| asks.fake.world(|it| it.pull(full, n).unwrap().head.clone());
    let merge = "mutation($id: ID!, $head: GitObjectID!) { mergePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { pullRequest { merged mergeCommit { oid } } } }";
    let refused = asks.graph(merge, json!({ "id": id(1), "head": head(1) })).await;
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("rule violations"), "{refused}");
    let auto = "mutation($id: ID!) { enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: SQUASH}) { pullRequest { autoMergeRequest { mergeMethod } } } }";
    asks.data(auto, json!({ "id": id(1) })).await;
    asks.fake.world(|it| {
        it.check(full, 1, "build", Some("SUCCESS"));
        assert_eq!(it.pull(full, 1).unwrap().state, "OPEN");
        it.review(full, 1, "hubot", "APPROVED", "");
        assert_eq!(it.pull(full, 1).unwrap().state, "MERGED", "it lands by itself");
        // The base moved, so nothing is known of the others any more.
        it.reckon(full, 2);
        it.check(full, 2, "build", Some("SUCCESS"));
        it.review(full, 2, "hubot", "APPROVED", "");
    });
    let stale = asks.graph(merge, json!({ "id": id(2), "head": "c".repeat(40) })).await;
    assert!(stale["errors"][0]["message"].as_str().unwrap().contains("Head branch was modified"), "{stale}");
    assert_eq!(
        asks.graph(auto, json!({ "id": id(2) })).await["errors"][0]["message"],
        json!("Pull request is in clean status")
    );
    asks.fake.world(|it| it.repo_mut(full).unwrap().has_queue = true);
    let by_queue = asks.graph(merge, json!({ "id": id(2), "head": head(2) })).await;
    assert!(by_queue["errors"][0]["message"].as_str().unwrap().contains("merge queue"), "{by_queue}");
    let enqueue = "mutation($id: ID!) { enqueuePullRequest(input: {pullRequestId: $id}) { mergeQueueEntry { position state } } }";
    let entry =
        asks.data(enqueue, json!({ "id": id(2) })).await["enqueuePullRequest"]["mergeQueueEntry"].clone();
    assert_eq!(entry, json!({ "position": 1, "state": "AWAITING_CHECKS" }));
    assert_eq!(asks.fake.world(|it| it.queue_goes_on(full)).unwrap(), Some(2));
    assert_eq!(asks.fake.world(|it| it.pull(full, 2).unwrap().state.clone()), "MERGED");
}

#[tokio::test]
async fn git_pushes_over_http_and_pull_requests_follow() {
    let asks = Asks::new().await;
    asks.fake.git_repo("octocat/boat").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = asks.fake.url().replace("http://", &format!("http://x-access-token:{TOKEN}@"));
    let git = |args: &str| {
        let args = args.to_owned();
        let at = folder.path().to_owned();
        tokio::task::spawn_blocking(move || {
            let ran = std::process::Command::new("git")
                .args(["-c", "user.name=T", "-c", "user.email=t@example.invalid"])
                .args(args.split(' '))
                .current_dir(at)
                .env("GIT_TERMINAL_PROMPT", "0")
                .output()
                .unwrap();
            (
                ran.status.success(),
                String::from_utf8_lossy(&ran.stdout).trim().to_owned()
                    + &String::from_utf8_lossy(&ran.stderr),
            )
        })
    };
    let must = |args: String| async move {
        let (good, says) = git(&args).await.unwrap();
        assert!(good, "git {args}: {says}");
        says
    };
    must("init --quiet --initial-branch=main".to_owned()).await;
    std::fs::write(folder.path().join("a"), "1\n").unwrap();
    must("add a".to_owned()).await;
    must("commit --quiet -m First".to_owned()).await;
    must(format!("push --quiet {url}/octocat/boat.git main")).await;
    must("checkout --quiet -b work".to_owned()).await;
    std::fs::write(folder.path().join("a"), "1\n2\n").unwrap();
    must("commit --quiet -am Second".to_owned()).await;
    must(format!("push --quiet {url}/octocat/boat.git work")).await;
    let number = asks.fake.world(|it| it.open("octocat/boat", "octocat", "work", "main", "Second")).unwrap();
    let head = must("rev-parse HEAD".to_owned()).await;
    let seen = asks.fake.world(|it| it.pull("octocat/boat", number).cloned()).unwrap();
    assert_eq!((seen.head, seen.size), (head, (1, 1, 0)));
    std::fs::write(folder.path().join("a"), "1\n2\n3\n").unwrap();
    must("commit --quiet -am Third".to_owned()).await;
    must(format!("push --quiet {url}/octocat/boat.git work")).await;
    let head = must("rev-parse HEAD".to_owned()).await;
    assert_eq!(asks.fake.world(|it| it.pull("octocat/boat", number).unwrap().head.clone()), head);
    asks.fake.world(|it| it.reckon("octocat/boat", number));
    let landed = asks.fake.world(|it| it.merge("octocat/boat", number, Some(&head), "SQUASH")).unwrap();
    let main = must(format!("ls-remote {url}/octocat/boat.git refs/heads/main")).await;
    assert!(main.starts_with(&landed), "{main} and {landed}");
    let (good, says) = git(&format!("ls-remote {}/octocat/boat.git", asks.fake.url())).await.unwrap();
    assert!(!good && !says.contains("refs/heads"), "nobody reads without a token: {says}");
}

#[tokio::test]
async fn a_device_logs_in_as_the_rfc_says() {
    let asks = Asks::new().await;
    let post = |path: &str, body: Value| {
        let asked = asks.client.post(format!("{}{path}", asks.fake.url())).json(&body);
        async move { asked.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let code = post("/login/device/code", json!({ "client_id": "app" })).await;
    let ask = json!({ "client_id": "app", "device_code": code["device_code"] });
    let later = |seconds: i64| asks.fake.world(|it| it.frozen = it.frozen.map(|now| now + seconds));
    let token = "/login/oauth/access_token";
    assert_eq!(post(token, ask.clone()).await["error"], json!("slow_down"));
    later(10);
    assert_eq!(post(token, ask.clone()).await["error"], json!("authorization_pending"));
    assert!(asks.fake.world(|it| it.types(code["user_code"].as_str().unwrap(), Ok("mona"))));
    later(10);
    let given = post(token, ask.clone()).await;
    assert!(given["access_token"].as_str().unwrap().starts_with("gho_"), "{given}");
    assert_eq!(post(token, ask).await["error"], json!("incorrect_device_code"), "a code is good once");
    asks.fake.world(|it| it.no_device_flow = true);
    assert_eq!(
        post("/login/device/code", json!({ "client_id": "app" })).await["error"],
        json!("device_flow_disabled")
    );
}

#[tokio::test]
async fn the_world_to_look_at_is_planted_from_what_github_really_sent() {
    let asks = Asks::new().await;
    asks.fake.seed().unwrap();
    let query = "{ search(type: ISSUE, first: 100, query: \"is:pr is:open\") { issueCount nodes { ... on PullRequest { number title repository { nameWithOwner } } } } }";
    let it = asks.data(query, Value::Null).await;
    let names = it["search"]["nodes"].to_string();
    assert!(names.contains("Codertocat/Hello-World") && names.contains("octocat/cabin"), "{names}");
}
