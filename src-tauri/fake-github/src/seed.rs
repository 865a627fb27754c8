//! A world to look at: repositories and pull requests that GitHub's recorded webhooks tell of, and a few in states that those do not show.

use serde_json::Value;

use crate::official;
use crate::world::World;

/// Plants it. The viewer is `octocat`, with the token `gho_fake`.
pub(crate) fn plant(world: &mut World) -> Result<(), String> {
    world.person("octocat", "gho_fake");
    for payload in official::webhooks("pull_request")? {
        let text = |at: &str| payload.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let full = text("/repository/full_name");
        if full.is_empty() || payload.pointer("/pull_request/state").and_then(Value::as_str) != Some("open") {
            continue;
        }
        if world.repo(&full).is_none() {
            world.add_repo(&full);
        }
        let (from, onto) = (text("/pull_request/head/ref"), text("/pull_request/base/ref"));
        let author = text("/pull_request/user/login");
        world.users.entry(author.clone()).or_insert_with(|| author.clone());
        if let Some(repo) = world.repo_mut(&full) {
            repo.branches.insert(onto.clone(), text("/pull_request/base/sha"));
            repo.branches.insert(from.clone(), text("/pull_request/head/sha"));
        }
        let Ok(number) = world.open(&full, &author, &from, &onto, &text("/pull_request/title")) else {
            continue;
        };
        if let Some(pull) = world.pull_mut(&full, number) {
            pull.body = text("/pull_request/body");
            pull.draft = payload.pointer("/pull_request/draft").and_then(Value::as_bool).unwrap_or_default();
        }
    }
    let full = "octocat/cabin";
    world.add_repo(full).required_checks = vec!["build".to_owned()];
    let titles = [
        "Say what the weather does",
        "Keep the log short",
        "Ask before the door closes",
        "Count passengers once",
    ];
    for (n, title) in titles.iter().enumerate() {
        let number =
            world.open(full, "octocat", &format!("work-{n}"), "main", title).map_err(|refused| refused.1)?;
        match n {
            0 => drop(world.check(full, number, "build", Some("SUCCESS"))),
            1 => drop(world.check(full, number, "build", Some("FAILURE"))),
            2 => {
                world.check(full, number, "build", None);
                world.thread(full, number, "hubot", "src/door.rs", 12, "Which door?");
            }
            _ => {
                world.check(full, number, "build", Some("SUCCESS"));
                world.review(full, number, "hubot", "CHANGES_REQUESTED", "They are counted twice.");
            }
        }
    }
    Ok(())
}
