//! Changes by GraphQL: each finds what its id leads to, does it by `life`, and answers with what stands then.

use apollo_compiler::resolvers::FieldError;
use serde_json::{Value, json};

use crate::graph::{Within, error};
use crate::life::Refused;
use crate::nodes;
use crate::world::{Node, World};

fn refused(Refused(kind, says): Refused) -> FieldError {
    error(kind, &says)
}

/// Does one of them.
pub(crate) fn perform(within: &Within<'_>, field: &str, input: &Value) -> Result<Value, FieldError> {
    let text = |key: &str| input.get(key).and_then(Value::as_str);
    let who = within.who.clone();
    let at_pull = |key: &str| match within.node(text(key).unwrap_or_default())? {
        Node::Pull(repo, number) => Ok((repo, number)),
        _ => Err(error("UNPROCESSABLE", "that is the id of no pull request")),
    };
    let head = text("expectedHeadOid");
    let mut world = within.world.borrow_mut();
    let method = text("mergeMethod").unwrap_or("MERGE");
    if matches!(field, "createPullRequest" | "addPullRequestReviewThreadReply" | "addComment") {
        let now = world.now();
        if world.limits.makes(now).is_some() {
            return Err(error("RATE_LIMITED", "was submitted too quickly"));
        }
    }
    if field == "createPullRequest" {
        let Some(Node::Repo(repo)) = world.node(text("repositoryId").unwrap_or_default()) else {
            return Err(error("NOT_FOUND", "Could not resolve to a Repository"));
        };
        if world.readers.contains(&(who.clone(), repo.clone())) {
            let says = format!("{who} does not have the correct permissions to execute `CreatePullRequest`");
            return Err(error("FORBIDDEN", &says));
        }
        let from = text("headRefName").unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
        let (onto, title) = (text("baseRefName").unwrap_or_default(), text("title").unwrap_or_default());
        let number = world.open(&repo, &who, &from, onto, title).map_err(refused)?;
        if let Some(pull) = world.pull_mut(&repo, number) {
            pull.body = text("body").unwrap_or_default().to_owned();
            pull.draft = input.get("draft").and_then(Value::as_bool).unwrap_or_default();
        }
        return Ok(
            json!({ "__typename": "CreatePullRequestPayload", "pullRequest": shown(&world, &repo, number, &who) }),
        );
    }
    if let "resolveReviewThread" | "unresolveReviewThread" | "addPullRequestReviewThreadReply" = field {
        let id =
            text("threadId").or_else(|| text("pullRequestReviewThreadId")).unwrap_or_default().to_owned();
        let Some(Node::Thread(repo, number, thread)) = world.node(&id) else {
            return Err(error(
                "NOT_FOUND",
                &format!("Could not resolve to a node with the global id of '{id}'"),
            ));
        };
        let (now, comment) = (world.now(), world.number());
        let found =
            world.pull_mut(&repo, number).and_then(|it| it.threads.iter_mut().find(|it| it.id == thread));
        if let Some(it) = found {
            match field {
                "resolveReviewThread" => it.resolved = Some(who.clone()),
                "unresolveReviewThread" => it.resolved = None,
                _ => {
                    it.comments.push((comment, who.clone(), text("body").unwrap_or_default().to_owned(), now))
                }
            }
        }
        let it = nodes::node(&world, &id, &who).unwrap_or_default();
        let last =
            it.pointer("/comments/__all").and_then(Value::as_array).and_then(|all| all.last()).cloned();
        return Ok(match field {
            "resolveReviewThread" => json!({ "__typename": "ResolveReviewThreadPayload", "thread": it }),
            "unresolveReviewThread" => json!({ "__typename": "UnresolveReviewThreadPayload", "thread": it }),
            _ => json!({ "__typename": "AddPullRequestReviewThreadReplyPayload", "comment": last }),
        });
    }
    // The rest is about a pull request. Its node is looked up without the loan of the world.
    drop(world);
    let key = if field == "dequeuePullRequest" { "id" } else { "pullRequestId" };
    let (repo, number) = at_pull(key)?;
    let mut world = within.world.borrow_mut();
    let done = match field {
        "mergePullRequest" => world.merge(&repo, number, head, method).map(drop),
        "enqueuePullRequest" => world.enqueue(&repo, number, head),
        "dequeuePullRequest" => world.dequeue(&repo, number),
        "enablePullRequestAutoMerge" => world.auto_merge(&repo, number, head, method),
        "disablePullRequestAutoMerge" => {
            set(&mut world, &repo, number, |it| it.auto = None);
            Ok(())
        }
        "markPullRequestReadyForReview" => {
            set(&mut world, &repo, number, |it| it.draft = false);
            Ok(())
        }
        "updatePullRequest" => {
            let (title, body) = (text("title").map(str::to_owned), text("body").map(str::to_owned));
            set(&mut world, &repo, number, |it| {
                it.title = title.unwrap_or_else(|| it.title.clone());
                it.body = body.unwrap_or_else(|| it.body.clone());
            });
            Ok(())
        }
        "requestReviews" => {
            let ids = input.get("userIds").and_then(Value::as_array).cloned().unwrap_or_default();
            let logins: Vec<String> =
                ids.iter().filter_map(|it| Some(it.as_str()?.strip_prefix("U_")?.to_owned())).collect();
            set(&mut world, &repo, number, |it| it.wanted.extend(logins));
            Ok(())
        }
        _ => return Err(FieldError { message: format!("this double does not know Mutation.{field}") }),
    };
    done.map_err(refused)?;
    let pull = shown(&world, &repo, number, &who);
    let entry = pull.get("mergeQueueEntry").cloned().unwrap_or_default();
    let mut letters = field.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let kind = format!("{first}{}Payload", letters.as_str());
    Ok(
        json!({ "__typename": kind, "pullRequest": pull, "mergeQueueEntry": entry, "actor": nodes::user(&world, &who, true) }),
    )
}

fn set(world: &mut World, repo: &str, number: u64, change: impl FnOnce(&mut crate::world::Pull)) {
    let now = world.now();
    if let Some(it) = world.pull_mut(repo, number) {
        change(it);
        it.updated = now;
    }
}

fn shown(world: &World, repo: &str, number: u64, who: &str) -> Value {
    let found = world.repo(repo).and_then(|it| Some((it, it.pulls.get(&number)?)));
    found.map(|(repo, it)| nodes::pull(world, repo, it, who)).unwrap_or_default()
}
