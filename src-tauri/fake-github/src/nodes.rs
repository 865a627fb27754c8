//! Objects of GraphQL as JSON, made from what the world holds. A connection keeps all it has in `__all`; who answers cuts the page.

use serde_json::{Value, json};

use crate::world::{Check, Node, Pull, Repo, Thread, World, stamp};

/// All that a connection has.
pub(crate) type Made = Vec<Value>;

fn connection(name: &str, all: Made) -> Value {
    json!({ "__typename": format!("{name}Connection"), "__all": all })
}

/// A person.
pub(crate) fn user(world: &World, login: &str, is_viewer: bool) -> Value {
    let Some(name) = world.users.get(login) else { return Value::Null };
    json!({
        "__typename": "User", "id": format!("U_{login}"), "login": login, "name": name,
        "url": format!("https://github.localhost/{login}"), "resourcePath": format!("/{login}"), "isViewer": is_viewer,
    })
}

fn actor(world: &World, login: &str) -> Value {
    let mut it = user(world, login, false);
    if login.ends_with("[bot]")
        && let Some(it) = it.as_object_mut()
    {
        it.insert("__typename".to_owned(), "Bot".into());
        it.insert("id".to_owned(), format!("BOT_{login}").into());
    }
    it
}

/// A repository; what needs more is asked for field by field.
pub(crate) fn repo(world: &World, it: &Repo, who: &str) -> Value {
    let permission = match (world.readers.contains(&(who.to_owned(), it.full())), it.owner == who) {
        (true, _) => "READ",
        (_, true) => "ADMIN",
        _ => "WRITE",
    };
    let queue = it.has_queue.then(|| {
        json!({
            "__typename": "MergeQueue", "id": format!("MQ_{}", it.id),
            "url": format!("https://github.localhost/{}/queue/{}", it.full(), it.main),
            "nextEntryEstimatedTimeToMerge": null,
            "entries": connection("MergeQueueEntry", it.pulls.values().filter_map(|pull| entry(it, pull, world, who, false)).collect()),
        })
    });
    json!({
        "__typename": "Repository", "id": it.node_id(), "name": it.name, "nameWithOwner": it.full(),
        "owner": actor(world, &it.owner), "url": format!("https://github.localhost/{}", it.full()),
        "isPrivate": false, "isFork": false, "isArchived": false, "parent": null,
        "viewerPermission": permission, "mergeQueue": queue,
        "mergeCommitAllowed": true, "squashMergeAllowed": true, "rebaseMergeAllowed": true,
        "autoMergeAllowed": it.auto_merge, "deleteBranchOnMerge": false, "hasIssuesEnabled": true,
        "defaultBranchRef": branch(it, &it.main),
    })
}

/// A branch.
pub(crate) fn branch(repo: &Repo, name: &str) -> Option<Value> {
    let tip = repo.branches.get(name)?;
    let strict = !repo.required_checks.is_empty() || repo.required_reviews > 0;
    let rule = strict.then(|| {
        json!({
            "__typename": "BranchProtectionRule", "requiresStrictStatusChecks": false,
            "requiredApprovingReviewCount": repo.required_reviews,
            "requiredStatusCheckContexts": repo.required_checks, "requiresStatusChecks": !repo.required_checks.is_empty(),
            "requiresApprovingReviews": repo.required_reviews > 0,
        })
    });
    Some(json!({
        "__typename": "Ref", "id": format!("REF_{}_{name}", repo.id), "name": name, "prefix": "refs/heads/",
        "target": { "__typename": "Commit", "id": format!("C_{}_{tip}", repo.id), "oid": tip },
        "branchProtectionRule": rule,
    }))
}

fn entry(repo: &Repo, pull: &Pull, world: &World, who: &str, from_pull: bool) -> Option<Value> {
    let (place, it) = repo.place(pull.number)?;
    let commit = |oid: &str| json!({ "__typename": "Commit", "oid": oid });
    let whole = if from_pull { Value::Null } else { self::pull(world, repo, pull, who) };
    Some(json!({
        "__typename": "MergeQueueEntry", "id": format!("MQE_{}_{}", repo.id, it.id), "position": place, "state": it.state,
        "enqueuedAt": stamp(it.since), "estimatedTimeToMerge": 60 * place, "jump": false, "solo": false,
        "headCommit": commit(&it.head), "baseCommit": commit(&repo.tip(&pull.base_ref)), "pullRequest": whole,
    }))
}

fn check(repo: &Repo, pull: &Pull, it: &Check) -> Value {
    let url = format!("https://github.localhost/{}/runs/{}", repo.full(), it.id);
    if it.is_status {
        let state = it.conclusion.clone().unwrap_or_else(|| "PENDING".to_owned());
        return json!({
            "__typename": "StatusContext", "__repo": repo.full(), "id": format!("SC_{}", it.id), "context": it.name,
            "state": state, "targetUrl": url, "description": null, "createdAt": stamp(it.started),
        });
    }
    json!({
        "__typename": "CheckRun", "__repo": repo.full(), "__pull": pull.number, "id": format!("CR_{}", it.id),
        "databaseId": it.id, "name": it.name, "status": it.status, "conclusion": it.conclusion, "detailsUrl": url,
        "startedAt": stamp(it.started), "completedAt": it.ended.map(stamp),
        "checkSuite": {
            "__typename": "CheckSuite", "id": format!("CS_{}", it.id), "status": it.status,
            "workflowRun": {
                "__typename": "WorkflowRun", "id": format!("WFR_{}", it.id), "databaseId": it.id, "runNumber": 1, "event": "pull_request",
                "workflow": { "__typename": "Workflow", "id": "W_1", "name": "CI" },
            },
        },
    })
}

fn rollup(repo: &Repo, pull: &Pull) -> Value {
    let Some(state) = pull.rollup() else { return Value::Null };
    let all: Made = pull.of_head().map(|it| check(repo, pull, it)).collect();
    json!({
        "__typename": "StatusCheckRollup", "id": format!("SCR_{}_{}", repo.id, pull.number), "state": state,
        "contexts": connection("StatusCheckRollupContext", all),
    })
}

fn thread(world: &World, repo: &Repo, it: &Thread) -> Value {
    let said = |(id, who, says, at): &(u64, String, String, i64)| {
        json!({
            "__typename": "PullRequestReviewComment", "id": format!("PRRC_{id}"), "databaseId": id, "author": actor(world, who),
            "body": says, "bodyText": says, "createdAt": stamp(*at), "path": it.path,
            "url": format!("https://github.localhost/{}/c/{id}", repo.full()),
        })
    };
    json!({
        "__typename": "PullRequestReviewThread", "id": repo.thread_id(it.id), "isResolved": it.resolved.is_some(),
        "isOutdated": it.outdated, "path": it.path, "line": if it.outdated { Value::Null } else { it.line.into() },
        "viewerCanResolve": it.resolved.is_none(), "viewerCanUnresolve": it.resolved.is_some(), "viewerCanReply": true,
        "resolvedBy": it.resolved.as_ref().map(|who| user(world, who, false)),
        "comments": connection("PullRequestReviewComment", it.comments.iter().map(said).collect()),
    })
}

/// A pull request.
pub(crate) fn pull(world: &World, repo: &Repo, it: &Pull, who: &str) -> Value {
    let commit = |oid: &str, rolled: Value| {
        json!({
            "__typename": "Commit", "id": format!("C_{}_{oid}", repo.id), "oid": oid, "statusCheckRollup": rolled,
            "messageHeadline": it.title, "messageBody": "", "committedDate": stamp(it.updated), "authoredDate": stamp(it.updated),
            "authors": connection("GitActor", Vec::new()),
        })
    };
    let review = |it: &crate::world::Review| {
        json!({
            "__typename": "PullRequestReview", "id": format!("PRR_{}", it.id), "author": actor(world, &it.author),
            "authorAssociation": "MEMBER", "state": it.state, "body": it.body, "submittedAt": stamp(it.at),
            "includesCreatedEdit": false, "reactionGroups": [],
            "url": format!("https://github.localhost/r/{}", it.id), "commit": { "__typename": "Commit", "oid": it.commit },
        })
    };
    let wanted = it.wanted.iter().map(|login| {
        json!({ "__typename": "ReviewRequest", "id": format!("RR_{login}"), "requestedReviewer": user(world, login, false) })
    });
    let latest: Made = it.latest_reviews().into_iter().map(review).collect();
    let is_open = it.state == "OPEN";
    let own = vec![
        json!({ "__typename": "PullRequestCommit", "id": format!("PRC_{}", it.head), "commit": commit(&it.head, rollup(repo, it)) }),
    ];
    let auto = it.auto.as_ref().map(|(method, since)| {
        json!({
            "__typename": "AutoMergeRequest", "enabledAt": stamp(*since), "mergeMethod": method,
            "enabledBy": actor(world, &it.author), "authorEmail": null, "commitBody": null, "commitHeadline": null,
        })
    });
    json!({
        "__typename": "PullRequest", "__repo": repo.full(), "id": repo.pull_id(it.number), "number": it.number,
        "title": it.title, "body": it.body, "bodyText": it.body, "state": it.state, "isDraft": it.draft,
        "url": format!("https://github.localhost/{}/pull/{}", repo.full(), it.number),
        "author": actor(world, &it.author), "createdAt": stamp(it.created), "updatedAt": stamp(it.updated),
        "closed": !is_open, "closedAt": it.merged.map(stamp), "merged": it.state == "MERGED", "mergedAt": it.merged.map(stamp),
        "mergedBy": if it.state == "MERGED" { actor(world, &it.author) } else { Value::Null },
        "mergeCommit": it.merge_commit.as_ref().map(|oid| commit(oid, Value::Null)), "potentialMergeCommit": null,
        "headRefName": it.head_ref, "headRefOid": it.head, "baseRefName": it.base_ref, "baseRefOid": repo.tip(&it.base_ref),
        "headRepositoryOwner": actor(world, &repo.owner), "isCrossRepository": false, "maintainerCanModify": false,
        "additions": it.size.1, "deletions": it.size.2, "changedFiles": it.size.0,
        "mergeable": it.mergeable.as_deref().unwrap_or("UNKNOWN"), "mergeStateStatus": repo.merge_state(it),
        "canBeRebased": it.mergeable.as_deref() == Some("MERGEABLE"), "reviewDecision": repo.decision(it),
        "viewerCanEnableAutoMerge": is_open && repo.auto_merge, "viewerCanUpdateBranch": is_open, "viewerCanMergeAsAdmin": false,
        "viewerDidAuthor": it.author == who,
        "autoMergeRequest": auto, "isMergeQueueEnabled": repo.has_queue, "isInMergeQueue": repo.place(it.number).is_some(),
        "mergeQueueEntry": entry(repo, it, world, who, true),
        "statusCheckRollup": rollup(repo, it),
        "baseRef": branch(repo, &it.base_ref), "headRef": branch(repo, &it.head_ref),
        "latestReviews": connection("PullRequestReview", latest),
        "reviews": connection("PullRequestReview", it.reviews.iter().map(review).collect()),
        "reviewRequests": connection("ReviewRequest", wanted.collect()),
        "reviewThreads": connection("PullRequestReviewThread", it.threads.iter().map(|it| thread(world, repo, it)).collect()),
        "commits": connection("PullRequestCommit", own),
        "comments": connection("IssueComment", Vec::new()), "labels": connection("Label", Vec::new()),
        "assignees": connection("User", Vec::new()), "projectCards": connection("ProjectCard", Vec::new()),
        "projectItems": connection("ProjectV2Item", Vec::new()), "milestone": null, "reactionGroups": [],
        "files": connection("PullRequestChangedFile", Vec::new()),
    })
}

/// Pull requests of a repository by state, branch and order.
pub(crate) fn pulls(world: &World, repo: &Repo, arguments: &Value, who: &str) -> Value {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let states = arguments.get("states").and_then(Value::as_array);
    let fits = |it: &&Pull| {
        states.is_none_or(|all| all.iter().any(|state| state.as_str() == Some(&it.state)))
            && text("headRefName").is_none_or(|name| it.head_ref == name)
            && text("baseRefName").is_none_or(|name| it.base_ref == name)
    };
    let mut found: Vec<&Pull> = repo.pulls.values().filter(fits).collect();
    order(&mut found, arguments);
    connection("PullRequest", found.into_iter().map(|it| pull(world, repo, it, who)).collect())
}

/// Pull requests that somebody opened, in any repository.
pub(crate) fn pulls_of(world: &World, login: &str, arguments: &Value, who: &str) -> Value {
    let states = arguments.get("states").and_then(Value::as_array);
    let fits = |it: &&Pull| {
        it.author == login
            && states.is_none_or(|all| all.iter().any(|state| state.as_str() == Some(&it.state)))
    };
    let all =
        world.repos.values().flat_map(|repo| repo.pulls.values().filter(fits).map(move |it| (repo, it)));
    connection("PullRequest", all.map(|(repo, it)| pull(world, repo, it, who)).collect())
}

fn order(found: &mut [&Pull], arguments: &Value) {
    if arguments.pointer("/orderBy/field").and_then(Value::as_str) == Some("UPDATED_AT") {
        found.sort_by_key(|it| (it.updated, it.number));
    }
    if arguments.pointer("/orderBy/direction").and_then(Value::as_str) == Some("DESC") {
        found.reverse();
    }
}

/// What an id leads to.
pub(crate) fn node(world: &World, id: &str, who: &str) -> Option<Value> {
    Some(match world.node(id)? {
        Node::User(login) => user(world, &login, login == who),
        Node::Repo(full) => repo(world, world.repo(&full)?, who),
        Node::Pull(full, number) => {
            let repo = world.repo(&full)?;
            pull(world, repo, repo.pulls.get(&number)?, who)
        }
        Node::Thread(full, number, it) => {
            let repo = world.repo(&full)?;
            thread(world, repo, repo.pulls.get(&number)?.threads.iter().find(|thread| thread.id == it)?)
        }
    })
}

/// A search for pull requests. A word that this double does not know is an error.
pub(crate) fn search(world: &World, query: &str, kind: &str, who: &str) -> Result<Value, String> {
    if kind != "ISSUE" && kind != "ISSUE_ADVANCED" {
        return Err(format!("this double searches for no {kind}"));
    }
    let mut repos: Vec<String> = Vec::new();
    let mut tests: Vec<(String, String)> = Vec::new();
    for word in query.split_whitespace() {
        let (key, value) =
            word.split_once(':').ok_or_else(|| format!("this double cannot search for '{word}'"))?;
        let value = if value == "@me" { who } else { value };
        match key {
            "repo" => repos.push(value.to_lowercase()),
            _ => tests.push((key.to_owned(), value.to_owned())),
        }
    }
    let fits = |it: &Pull| -> Result<bool, String> {
        for (key, value) in &tests {
            let holds = match (key.as_str(), value.as_str()) {
                ("is" | "type", "pr" | "pull-request") => true,
                ("is" | "state", "open") => it.state == "OPEN",
                ("is" | "state", "closed") => it.state != "OPEN",
                ("is", "merged") => it.state == "MERGED",
                ("archived", "false") => true,
                ("author", login) => it.author == login,
                ("review-requested", login) => it.wanted.contains(login),
                ("involves", login) => it.author == login || it.reviews.iter().any(|it| it.author == login),
                ("sort", _) => true,
                _ => return Err(format!("this double cannot search by '{key}:{value}'")),
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let mut found = Vec::new();
    for repo in
        world.repos.values().filter(|it| repos.is_empty() || repos.contains(&it.full().to_lowercase()))
    {
        for it in repo.pulls.values() {
            if fits(it)? {
                found.push((it.created, pull(world, repo, it, who)));
            }
        }
    }
    found.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    let count = found.len();
    // Beyond a thousand a search gives nothing.
    let all: Made = found.into_iter().take(1000).map(|(_, it)| it).collect();
    Ok(json!({ "__typename": "SearchResultItemConnection", "__all": all, "issueCount": count }))
}
