//! The client of GitHub against the double: its questions and the forms of its answers are those of GitHub's own schema, what goes wrong
//! has a name, and what nothing changes in costs a handful of calls a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use fake_github::limits::{HOURLY, Wrong};
use fake_github::world::Check as Held;
use fake_github::{Fake, official};
use pilothouse_contract::At;
use pilothouse_contract::forge::{CheckState, Decision, ForgePull, Merge, Part};
use pilothouse_engine::integration::forge::ask::{Forge, ForgeError};
use pilothouse_engine::integration::forge::device::{self, Turn};
use pilothouse_engine::integration::forge::github::{GitHub, client, queries};
use pilothouse_engine::integration::forge::pace::{Next, Pace};
use pilothouse_engine::integration::forge::tokens::Token;
use serde_json::{Value, json};

const BEGUN: i64 = 1_800_000_000;
/// So long a fleet is at rest in the test that counts.
const MINUTES: i64 = 15;

async fn fake() -> Fake {
    let fake = Fake::start(0).await.unwrap();
    fake.world(|it| {
        it.frozen = Some(BEGUN);
        it.person("octocat", "gho_test");
    });
    fake
}

fn host(fake: &Fake) -> String {
    fake.url().replace("http://", "")
}

fn github(fake: &Fake) -> GitHub {
    GitHub::new(&host(fake), Token::read("gho_test").unwrap(), client().unwrap())
}

/// An answer to a query, made out of the schema alone: with `full` everything is there and each list has one of each kind, without it
/// all that may be missing is. `turn` chooses among the values of enums.
fn made(
    schema: &Schema,
    document: &ExecutableDocument,
    set: &SelectionSet,
    kind: &str,
    full: bool,
    turn: usize,
) -> Value {
    let mut out = serde_json::Map::new();
    for selection in &set.selections {
        match selection {
            Selection::Field(field) if field.name == "__typename" => {
                out.insert(field.response_key().to_string(), kind.into());
            }
            Selection::Field(field) => {
                out.insert(
                    field.response_key().to_string(),
                    value(schema, document, field, field.ty(), full, turn),
                );
            }
            Selection::InlineFragment(it) => {
                if it.type_condition.as_ref().is_none_or(|name| name == kind) {
                    out.extend(
                        made(schema, document, &it.selection_set, kind, full, turn)
                            .as_object()
                            .cloned()
                            .unwrap(),
                    );
                }
            }
            Selection::FragmentSpread(it) => {
                let fragment = &document.fragments[&it.fragment_name];
                if fragment.type_condition() == kind {
                    out.extend(
                        made(schema, document, &fragment.selection_set, kind, full, turn)
                            .as_object()
                            .cloned()
                            .unwrap(),
                    );
                }
            }
        }
    }
    Value::Object(out)
}

fn value(
    schema: &Schema,
    document: &ExecutableDocument,
    field: &apollo_compiler::executable::Field,
    ty: &apollo_compiler::ast::Type,
    full: bool,
    turn: usize,
) -> Value {
    if !ty.is_non_null() && !full {
        return Value::Null;
    }
    if ty.is_list() {
        if !full {
            return json!([]);
        }
        let kinds = kinds(schema, ty.inner_named_type());
        let mut all: Vec<Value> =
            kinds.iter().map(|kind| made(schema, document, &field.selection_set, kind, true, turn)).collect();
        if !ty.item_type().is_non_null() {
            all.push(Value::Null);
        }
        return Value::Array(all);
    }
    let name = ty.inner_named_type();
    match &schema.types[name] {
        ExtendedType::Enum(it) => it.values.keys()[turn % it.values.len()].as_str().into(),
        ExtendedType::Scalar(_) => match name.as_str() {
            "Int" => json!(7),
            "Boolean" => json!(turn.is_multiple_of(2)),
            "DateTime" => json!("2026-11-30T12:00:00Z"),
            "GitObjectID" => json!("a".repeat(40)),
            _ => json!("text"),
        },
        _ => {
            let kinds = kinds(schema, name);
            made(schema, document, &field.selection_set, &kinds[turn % kinds.len()], full, turn)
        }
    }
}

/// The kinds that an answer may be of; of those that any object can be, the ones we ask of and another one.
fn kinds(schema: &Schema, name: &str) -> Vec<String> {
    match name {
        "SearchResultItem" | "Node" => vec!["PullRequest".to_owned(), "Repository".to_owned()],
        "Actor" => vec!["User".to_owned()],
        _ => match &schema.types[name] {
            ExtendedType::Union(it) => it.members.iter().map(ToString::to_string).collect(),
            _ => vec![name.to_owned()],
        },
    }
}

/// Somebody who answers every question with one text.
async fn says(answer: Value) -> String {
    let app = axum::Router::new().fallback(move || {
        let answer = answer.to_string();
        async move { answer }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    host
}

#[tokio::test]
async fn questions_are_good_by_githubs_schema_and_whatever_it_may_answer_is_read() {
    let schema = official::schema().unwrap();
    for (query, is_open) in [(queries::open(), true), (queries::again(), false)] {
        let document = ExecutableDocument::parse_and_validate(schema, &query, "query.graphql")
            .unwrap_or_else(|error| panic!("{}", error.errors));
        let operation = document.operations.get(None).unwrap();
        let mut seen = 0;
        // As many turns as the longest enum here has values.
        for (full, turn) in (0..14).map(|turn| (true, turn)).chain([(false, 0)]) {
            let data = made(schema, &document, &operation.selection_set, "Query", full, turn);
            let host = says(json!({ "data": data })).await;
            let forge = GitHub::new(&host, Token::read("gho_longEnough").unwrap(), client().unwrap());
            let one = ["a/b".to_owned()];
            let told = if is_open { forge.open(&one).await } else { forge.again(&one).await };
            let told = told.unwrap_or_else(|error| panic!("{error}: {data:#}"));
            seen += told.pulls.len();
            for pull in told.pulls {
                assert_eq!((pull.checks.len(), pull.threads.len(), pull.reviews.len()), (2, 1, 1));
            }
        }
        assert!(seen > 0, "no turn was that of an open pull request");
    }
}

#[test]
fn what_is_sent_and_what_is_changed_is_good_by_githubs_schema() {
    let changes = [
        "enqueuePullRequest",
        "dequeuePullRequest",
        "enablePullRequestAutoMerge",
        "disablePullRequestAutoMerge",
        "mergePullRequest",
    ];
    let schema = official::schema().unwrap();
    for query in [queries::before(), queries::create(), queries::there()]
        .into_iter()
        .chain(changes.map(queries::landing))
    {
        ExecutableDocument::parse_and_validate(schema, &query, "query.graphql")
            .unwrap_or_else(|error| panic!("{}", error.errors));
    }
}

#[tokio::test]
async fn two_hundred_pull_requests_over_twenty_repositories_cost_a_handful_of_calls_a_minute() {
    let fake = fake().await;
    let mut repos = Vec::new();
    fake.world(|it| {
        for r in 0..20 {
            let full = format!("octocat/repo-{r:02}");
            it.add_repo(&full);
            for n in 1..=10 {
                it.open(&full, "octocat", &format!("work-{n}"), "main", &format!("Change {n}")).unwrap();
                it.reckon(&full, n);
                it.check(&full, n, "build", Some("SUCCESS"));
            }
            repos.push(full);
        }
    });
    let forge = github(&fake);
    let mut pace = Pace::default();
    let mut now = At(BEGUN * 1000);
    let end = now.plus_ms(MINUTES * 60_000);
    let mut calls: BTreeMap<i64, usize> = BTreeMap::new();
    let mut points = 0;
    while now.0 < end.0 {
        fake.world(|it| it.frozen = Some(now.seconds()));
        let before = fake.world(|it| it.asked.len());
        assert_eq!(pace.what(now), Next::All, "nothing is under way");
        let told = forge.open(&repos).await.unwrap();
        let asked = fake.world(|it| it.asked.len()) - before;
        assert_eq!((told.pulls.len(), told.calls as usize, told.cut), (200, asked, false));
        *calls.entry(now.since_ms(At(BEGUN * 1000)) / 60_000).or_default() += asked;
        let budget = told.budget.unwrap();
        points += budget.cost;
        let moving = told.pulls.iter().any(ForgePull::is_moving);
        pace.answered(now, Next::All, moving, Some(&budget));
        now = pace.at();
    }
    let most = calls.values().max().copied().unwrap();
    println!(
        "200 pull requests, 20 repositories, {MINUTES} minutes at rest: {} calls, {most} at most in a minute, {points} points of {HOURLY}",
        calls.values().sum::<usize>()
    );
    assert!(calls.len() == 15 && most <= 4, "{calls:?}");
    assert!(points <= HOURLY / 40, "a tenth of an hour's points would be {}", HOURLY / 40);
    let spent: u64 = fake.world(|it| it.asked.iter().map(|it| it.points).sum());
    assert_eq!(spent, points, "what the client says it spent is what the double says");
}

#[tokio::test]
async fn what_is_under_way_is_asked_for_by_itself_and_costs_one_call() {
    let fake = fake().await;
    fake.world(|it| {
        it.add_repo("octocat/cabin");
        for n in 1..=30 {
            it.open("octocat/cabin", "octocat", &format!("work-{n}"), "main", "Change").unwrap();
        }
        it.check("octocat/cabin", 1, "build", None);
    });
    let forge = github(&fake);
    let first = forge.open(&["octocat/cabin".to_owned()]).await.unwrap();
    assert!(
        first.pulls.iter().all(|it| it.merge == Merge::Unknown && it.is_moving()),
        "nobody has asked for that before"
    );
    assert_eq!((first.calls, first.budget.unwrap().cost), (1, 2));
    let ids: Vec<String> = first.pulls.iter().map(|it| it.id.clone()).collect();
    let second = forge.again(&ids).await.unwrap();
    assert_eq!(second.calls, 1);
    let moving: Vec<u64> = second.pulls.iter().filter(|it| it.is_moving()).map(|it| it.number).collect();
    assert_eq!(moving, [1], "mergeability is known now, and one check runs");
    fake.world(|it| it.merge("octocat/cabin", 2, None, "SQUASH").unwrap());
    let third = forge.again(&ids).await.unwrap();
    assert!(
        third.pulls.len() == 29 && third.pulls.iter().all(|it| it.number != 2),
        "what is over is not told of as open"
    );
    let second = first.pulls.iter().find(|it| it.number == 2).map(|it| it.id.clone()).unwrap();
    assert_eq!(third.over, [second]);
}

#[tokio::test]
async fn what_is_missing_in_an_answer_need_not_be_over() {
    let fake = fake().await;
    fake.world(|it| {
        it.add_repo("octocat/cabin");
        for n in 1..=3 {
            it.open("octocat/cabin", "octocat", &format!("work-{n}"), "main", "Change").unwrap();
        }
    });
    let forge = github(&fake);
    let repos = ["octocat/cabin".to_owned()];
    let whole = forge.open(&repos).await.unwrap();
    assert_eq!((whole.pulls.len(), whole.cut), (3, false));
    let ids: Vec<String> = whole.pulls.iter().map(|it| it.id.clone()).collect();
    fake.world(|it| it.limits.wrong("/graphql", Wrong::Hole(1), 1));
    let holed = forge.open(&repos).await.unwrap();
    assert_eq!((holed.pulls.len(), holed.cut, holed.over), (2, true, Vec::new()));
    fake.world(|it| it.limits.wrong("/graphql", Wrong::Hole(0), 1));
    let again = forge.again(&ids).await.unwrap();
    assert_eq!((again.pulls.len(), again.over), (2, Vec::new()));
    // Part of one that it could not get is told as untold, and costs the others nothing.
    fake.world(|it| it.limits.wrong("/graphql", Wrong::Part(1, "statusCheckRollup"), 2));
    let open = forge.open(&repos).await.unwrap();
    let untold: Vec<_> = open.pulls.iter().map(|it| it.untold.clone()).collect();
    assert_eq!((untold, open.cut), (vec![vec![], vec![Part::Checks], vec![]], false));
    let again = forge.again(&ids).await.unwrap();
    assert_eq!((again.pulls[1].untold.as_slice(), again.over.len()), (&[Part::Checks][..], 0));
    // What a token may not see of each check costs the checks nothing.
    fake.world(|it| it.check("octocat/cabin", 2, "build", Some("FAILURE")));
    fake.world(|it| it.limits.wrong("/graphql", Wrong::Deep(1), 1));
    let open = forge.open(&repos).await.unwrap();
    let second = open.pulls.iter().find(|it| it.number == 2).unwrap();
    assert!(second.untold.is_empty() && second.tally().1 == 1 && !open.cut, "{second:?}");
    // Where something went wrong that nothing can be seen of, others may be missing.
    fake.world(|it| it.limits.wrong("/graphql", Wrong::Murmur, 1));
    assert!(forge.open(&repos).await.unwrap().cut);
    // One that the forge has none of is over: it says so.
    let gone = forge.again(&["PR_nobody_has_it".to_owned()]).await.unwrap();
    assert_eq!((gone.pulls.len(), gone.over), (0, vec!["PR_nobody_has_it".to_owned()]));
}

#[tokio::test]
async fn what_there_is_more_of_than_is_read_is_counted_and_said() {
    let fake = fake().await;
    let full = "octocat/cabin";
    fake.world(|it| {
        it.add_repo(full);
        it.open(full, "octocat", "work", "main", "Change").unwrap();
        it.reckon(full, 1);
        for n in 0..70 {
            it.check(full, 1, &format!("check-{n}"), Some("SUCCESS"));
        }
        for n in 0..40 {
            it.thread(full, 1, "hubot", "src/a.rs", n + 1, "Why?");
        }
    });
    let told = github(&fake).open(&[full.to_owned()]).await.unwrap().pulls.remove(0);
    assert_eq!((told.checks.len(), told.checks_all), (60, 70));
    assert_eq!((told.threads.len(), told.threads_all), (30, 40));
    assert_eq!(
        (told.checks_say(), told.threads_say()),
        ("60 ok, 0 failed, 0 wait, 10 not read".to_owned(), "at least 30".to_owned())
    );
}

#[tokio::test]
async fn a_pull_request_is_told_in_the_words_of_all_forges() {
    let fake = fake().await;
    let full = "octocat/cabin";
    fake.world(|it| {
        let repo = it.add_repo(full);
        repo.required_checks = vec!["build".to_owned()];
        repo.required_reviews = 1;
        for n in 1..=6 {
            it.open(full, "octocat", &format!("work-{n}"), "main", "Change").unwrap();
            it.reckon(full, n);
        }
        it.check(full, 1, "build", Some("SUCCESS"));
        it.review(full, 1, "hubot", "APPROVED", "");
        it.check(full, 2, "build", Some("FAILURE"));
        it.pull_mut(full, 3).unwrap().mergeable = Some("CONFLICTING".to_owned());
        it.pull_mut(full, 4).unwrap().draft = true;
        let thread = it.thread(full, 5, "hubot", "src/a.rs", 7, "Why?");
        it.thread(full, 5, "hubot", "src/b.rs", 9, "And why?");
        let pull = it.pull_mut(full, 5).unwrap();
        pull.threads.iter_mut().find(|it| it.id == thread).unwrap().resolved = Some("octocat".to_owned());
        let head = pull.head.clone();
        pull.checks.push(Held {
            id: 99,
            name: "deploy".to_owned(),
            commit: head,
            is_status: true,
            conclusion: Some("SUCCESS".to_owned()),
            ..Held::default()
        });
        it.repo_mut(full).unwrap().has_queue = true;
        it.enqueue(full, 1, None).unwrap();
        it.auto_merge(full, 6, None, "SQUASH").unwrap();
    });
    let told = github(&fake).open(&[full.to_owned()]).await.unwrap();
    let of = |n: u64| told.pulls.iter().find(|it| it.number == n).unwrap();
    let queue = of(1).queue.clone().unwrap();
    assert_eq!(
        (of(1).merge.clone(), of(1).decision, queue.position, queue.state.as_str()),
        (Merge::Clean, Decision::Approved, 1, "awaiting checks")
    );
    assert_eq!(of(1).reviews[0].by, "hubot");
    assert_eq!(of(2).merge.words(), "blocked: a review is wanted, a check failed");
    assert_eq!((of(2).checks[0].state, of(2).checks[0].run.is_some()), (CheckState::Failed, true));
    assert_eq!(of(3).merge, Merge::Conflict);
    assert_eq!(of(4).merge.words(), "blocked: a draft");
    let open: Vec<_> =
        of(5).threads.iter().filter(|it| !it.resolved).map(|it| (it.path.as_str(), it.line)).collect();
    assert_eq!((open, of(5).open_threads()), (vec![("src/b.rs", Some(9))], 1));
    assert_eq!((of(5).checks[0].name.as_str(), of(5).checks[0].state), ("deploy", CheckState::Passed));
    assert!(of(6).auto_merge && of(6).by_queue && of(6).queue.is_none());
    assert!(told.pulls.iter().all(|it| it.base.name == "main" && it.url.is_some() && it.host == host(&fake)));
}

#[tokio::test]
async fn what_goes_wrong_has_a_name_and_the_forge_is_believed_how_long_to_wait() {
    let fake = fake().await;
    fake.world(|it| drop(it.add_repo("octocat/cabin").full()));
    let forge = github(&fake);
    let repos = ["octocat/cabin".to_owned()];
    let limited = |seconds| ForgeError::Limited(Duration::from_secs(seconds));
    for (what, error) in [
        (Wrong::Status(401, "Bad credentials".to_owned()), ForgeError::Unauthorized),
        (
            Wrong::Status(403, "Resource protected".to_owned()),
            ForgeError::Forbidden("Resource protected (403)".to_owned()),
        ),
        (Wrong::Status(404, "Not Found".to_owned()), ForgeError::Forbidden("Not Found (404)".to_owned())),
        (Wrong::Status(422, "Unprocessable".to_owned()), ForgeError::Odd("Unprocessable (422)".to_owned())),
        (
            Wrong::Status(502, "Server \x1b[31mError".to_owned()),
            ForgeError::Unreachable("Server \u{241b}[31mError (502)".to_owned()),
        ),
        (Wrong::Secondary(33), limited(33)),
        // By its words alone: points are left, and when they are given back is of no weight.
        (Wrong::SecondaryUnsaid, limited(60)),
        (Wrong::LimitInside, limited(60)),
    ] {
        fake.world(|it| it.limits.wrong("/graphql", what, 1));
        assert_eq!(forge.open(&repos).await.unwrap_err(), error);
    }
    for what in [Wrong::Garbage, Wrong::Silence] {
        fake.world(|it| it.limits.wrong("/graphql", what, 1));
        let error = forge.open(&repos).await.unwrap_err();
        assert!(matches!(error, ForgeError::Odd(_) | ForgeError::Unreachable(_)), "{error:?}");
    }
    // The clock of the double is not ours, so that how long is told by the machine's.
    fake.world(|it| {
        it.frozen = None;
        it.limits.wrong("/graphql", Wrong::Spent(500), 1);
    });
    match forge.open(&repos).await.unwrap_err() {
        ForgeError::Limited(wait) => assert!((400..=500).contains(&wait.as_secs()), "{wait:?}"),
        other => panic!("{other:?}"),
    }
    fake.world(|it| it.limits.graphql.used = 0);
    assert!(forge.open(&repos).await.unwrap().pulls.is_empty());
}

#[tokio::test]
async fn rest_is_asked_by_its_marks() {
    let fake = fake().await;
    let forge = github(&fake);
    for _ in 0..3 {
        assert_eq!(forge.whoami().await.unwrap(), "octocat");
    }
    let statuses: Vec<u16> = fake.world(|it| it.asked.iter().map(|it| it.status).collect());
    assert_eq!((statuses, fake.world(|it| it.limits.rest.used)), (vec![200, 304, 304], 1));
}

#[tokio::test]
async fn a_person_logs_in_by_device() {
    let fake = fake().await;
    let (client, host) = (client().unwrap(), host(&fake));
    let later = |seconds: u64| {
        fake.world(|it| it.frozen = it.frozen.map(|now| now + i64::try_from(seconds).unwrap()))
    };
    let code = device::begin(&client, &host, "app").await.unwrap();
    let wait = code.first_wait();
    let Turn::Wait(slower) = code.ask(&client, &host, "app", wait).await.unwrap() else {
        panic!("nobody typed it")
    };
    assert_eq!(slower, Duration::from_secs(10), "it was asked too early");
    later(slower.as_secs());
    assert!(matches!(code.ask(&client, &host, "app", slower).await.unwrap(), Turn::Wait(it) if it == slower));
    assert!(fake.world(|it| it.types(&code.user_code, Ok("mona"))));
    later(slower.as_secs());
    let Turn::Done(token) = code.ask(&client, &host, "app", slower).await.unwrap() else {
        panic!("it was typed")
    };
    assert_eq!(GitHub::new(&host, token, client.clone()).whoami().await.unwrap(), "mona");
    let denied = device::begin(&client, &host, "app").await.unwrap();
    fake.world(|it| it.types(&denied.user_code, Err("access_denied")));
    later(10);
    assert!(
        matches!(denied.ask(&client, &host, "app", wait).await.unwrap(), Turn::Over(why) if why.contains("said no"))
    );
    let late = device::begin(&client, &host, "app").await.unwrap();
    later(late.expires_in);
    assert!(
        matches!(late.ask(&client, &host, "app", wait).await.unwrap(), Turn::Over(why) if why.contains("in time"))
    );
    fake.world(|it| it.no_device_flow = true);
    assert!(device::begin(&client, &host, "app").await.unwrap_err().to_string().contains("Device Flow"));
}
