//! GitHub's own program is another client of the double: it was written by others against the real one, and has to agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use std::process::{Command, Output, Stdio};

use fake_github::Fake;
use serde_json::{Value, json};

fn gh(fake: &Fake, args: &[&str]) -> Command {
    let home = std::env::temp_dir().join(format!("gh-of-a-test-{}", std::process::id()));
    let mut command = Command::new("gh");
    command
        .args(args)
        .env("GH_HOST", "github.localhost")
        .env("GH_TOKEN", "gho_test")
        .env("HTTP_PROXY", fake.url())
        .env("http_proxy", fake.url())
        .env("NO_PROXY", "")
        .env("no_proxy", "")
        .env("GH_CONFIG_DIR", &home)
        .env("GH_NO_UPDATE_NOTIFIER", "1")
        .env("GH_PROMPT_DISABLED", "1")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

async fn ran(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("gh is needed: cargo xtask test installs it"))
        .await
        .unwrap()
}

async fn said(command: Command) -> String {
    let words = format!("{command:?}");
    let output = ran(command).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words}\n{out}\n{err}");
    out.into_owned()
}

async fn world() -> Fake {
    let fake = Fake::start(0).await.unwrap();
    fake.world(|it| {
        it.frozen = Some(1_800_000_000);
        it.person("octocat", "gho_test");
        let full = "octocat/cabin";
        it.add_repo(full).required_checks = vec!["build".to_owned()];
        for n in 1..=4 {
            it.open(full, "octocat", &format!("work-{n}"), "main", &format!("Change {n}")).unwrap();
            it.reckon(full, n);
        }
        it.check(full, 1, "build", Some("SUCCESS"));
        it.check(full, 2, "build", Some("FAILURE"));
        it.check(full, 3, "build", None);
        it.review(full, 1, "hubot", "APPROVED", "Good.");
        it.review(full, 2, "hubot", "CHANGES_REQUESTED", "Not so.");
        it.pull_mut(full, 4).unwrap().draft = true;
    });
    fake
}

#[tokio::test]
async fn gh_lists_and_shows_what_the_double_holds() {
    let fake = world().await;
    let list = said(gh(&fake, &["pr", "list", "-R", "octocat/cabin"])).await;
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 4, "{list}");
    assert_eq!(rows[0][..3], ["4", "Change 4", "work-4"]);
    assert!(list.contains("DRAFT") && list.contains("OPEN"), "{list}");

    let fields = "number,title,state,isDraft,headRefName,headRefOid,baseRefName,mergeable,mergeStateStatus,reviewDecision,statusCheckRollup,latestReviews,additions,deletions,changedFiles,author,url";
    for n in 1..=4_u64 {
        let text =
            said(gh(&fake, &["pr", "view", &n.to_string(), "-R", "octocat/cabin", "--json", fields])).await;
        let seen: Value = serde_json::from_str(&text).unwrap();
        let is = fake.world(|it| it.pull("octocat/cabin", n).cloned()).unwrap();
        assert_eq!(
            (seen["number"].clone(), seen["title"].clone(), seen["headRefOid"].clone()),
            (json!(n), json!(is.title), json!(is.head))
        );
        assert_eq!(
            (seen["isDraft"].clone(), seen["mergeable"].clone()),
            (json!(is.draft), json!("MERGEABLE"))
        );
        let checks: Vec<(Value, Value)> = seen["statusCheckRollup"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| (it["name"].clone(), it["conclusion"].clone()))
            .collect();
        let held: Vec<(Value, Value)> = is
            .of_head()
            .map(|it| (json!(it.name), json!(it.conclusion.clone().unwrap_or_default())))
            .collect();
        assert_eq!(checks, held, "{text}");
        let decision = ["APPROVED", "CHANGES_REQUESTED", "", ""][usize::try_from(n).unwrap() - 1];
        assert_eq!(seen["reviewDecision"].as_str().unwrap_or_default(), decision, "{text}");
    }
    let shown = said(gh(&fake, &["pr", "view", "1", "-R", "octocat/cabin"])).await;
    assert!(shown.contains("Change 1") && shown.contains("hubot (Approved)"), "{shown}");
}

#[tokio::test]
async fn gh_status_checks_and_its_own_questions_are_answered() {
    let fake = world().await;
    let status = said(gh(&fake, &["pr", "status", "-R", "octocat/cabin"])).await;
    assert!(status.contains("Change 1") && status.contains("Created by you"), "{status}");
    let checks = ran(gh(&fake, &["pr", "checks", "2", "-R", "octocat/cabin"])).await;
    let text = String::from_utf8_lossy(&checks.stdout);
    assert!(text.contains("build\tfail"), "{text} {}", String::from_utf8_lossy(&checks.stderr));
    let me = said(gh(&fake, &["api", "user", "--jq", ".login"])).await;
    assert_eq!(me.trim(), "octocat");
    let wrong = ran(gh(&fake, &["pr", "view", "77", "-R", "octocat/cabin"])).await;
    let says = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success() && says.contains("Could not resolve to a PullRequest"), "{says}");
    fake.world(|it| it.tokens.clear());
    let nobody = ran(gh(&fake, &["pr", "list", "-R", "octocat/cabin"])).await;
    let says = String::from_utf8_lossy(&nobody.stderr);
    assert!(!nobody.status.success() && says.contains("401"), "{says}");
}

#[tokio::test]
async fn gh_merges_what_may_be_merged_and_hears_why_not() {
    let fake = world().await;
    let refused = ran(gh(&fake, &["pr", "merge", "2", "-R", "octocat/cabin", "--squash"])).await;
    assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stdout));
    said(gh(&fake, &["pr", "merge", "1", "-R", "octocat/cabin", "--squash"])).await;
    assert_eq!(fake.world(|it| it.pull("octocat/cabin", 1).unwrap().state.clone()), "MERGED");
}
