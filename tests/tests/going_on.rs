//! Tries that go on where the last one stood: in its worktree, and in the agent's own session where the agent can do that.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::evidence::Gate;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

/// An item of one task, whose agent can go on with a session of it. `body` is told its session's id as `$2`, and as `$3` `on` if it
/// goes on.
fn scene(settings: &str, body: &str) -> (Home, Repo, ShellAgent) {
    let agent = ShellAgent::new(body);
    let command = agent.command();
    let words =
        |rest: &[&str]| json!(command.split(' ').chain(rest.iter().copied()).collect::<Vec<_>>()).to_string();
    let (command, resume) = (words(&["{uuid}", "first"]), words(&["{native}", "on"]));
    let workflow = format!(
        "---\npilothouse:\n  agent: mine\n  agents:\n    mine: {{ command: {command}, resume: {resume} }}\n  approve: policy\n{settings}---\n"
    );
    let tasks = "## Phase 1: Work\n\n- [ ] T001 Make it good\n  - Files: `T001`\n  - Verify: `grep good T001 || { echo want good; exit 1; }`\n";
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &workflow),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            ("specs/001-work/tasks.md", tasks),
        ],
    );
    let home = Home::new();
    home.trust(&repo);
    (home, repo, agent)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn what_did_not_hold_is_mended_in_the_agents_own_session_and_its_own_worktree() {
    let seen = tempfile::tempdir().unwrap();
    let at = seen.path().display();
    let (home, repo, _agent) = scene(
        "",
        &format!(
            "echo \"$2\" >> {at}/ids; pwd >> {at}/places
             case $3 in
             on) cp \"$1\" {at}/brief; [ \"$(cat T001)\" = bad ] && echo good > T001 ;;
             *) echo bad > T001 ;;
             esac"
        ),
    );
    let ran = home.try_json(&["run", "start", "001-work", "--wait"]);
    assert_eq!((ran.code, &ran.json()["state"]), (0, &Value::from("landed")), "{ran:?}");
    assert_eq!(repo.read("T001"), "good\n");
    let read = |name: &str| std::fs::read_to_string(seen.path().join(name)).unwrap();
    let (ids, places) = (read("ids"), read("places"));
    let (ids, places) = (lines(&ids), lines(&places));
    assert_eq!((ids.len(), places.len()), (2, 2), "{ids:?} {places:?}");
    assert_eq!((ids[0], places[0]), (ids[1], places[1]), "one session of its own, one worktree");
    // It is told what became of its work, and not its whole task again.
    let brief = read("brief");
    assert!(brief.contains("You go on in your own session") && brief.contains("(verify-failed)"), "{brief}");
    assert!(brief.contains("want good") && !brief.contains("It must be done."), "{brief}");

    let page = home.json(&["run", "show", "r1"]);
    let attempts = page["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{page}");
    assert_eq!(
        (&attempts[0]["failure"]["failure"], &attempts[1]["state"], &attempts[1]["continues"]),
        (&json!("verify-failed"), &json!("merged"), &json!("a1"))
    );
    assert_eq!(attempts[0]["worktree"], attempts[1]["worktree"]);
    assert_eq!(attempts[0]["base"], attempts[1]["base"]);
    assert_ne!(attempts[0]["session"], attempts[1]["session"], "two of ours, one of its own");
    let history = home.history();
    let red = |it: &&Record| matches!(&it.event, Event::EvidenceGathered { evidence } if evidence.gate == Gate::RedCheck);
    assert_eq!(history.iter().filter(red).count(), 1, "its proof failed on that base once");
    let shown = home.run(&["run", "show", "r1"]).out;
    assert!(shown.contains("2, goes on from a1"), "{shown}");
    let asked = history.iter().filter(|it| matches!(it.event, Event::WorktreeAsked { .. })).count();
    assert_eq!(asked, 1, "one worktree for both");
}

#[test]
fn an_agent_that_fails_twice_is_followed_by_one_that_begins_afresh() {
    let seen = tempfile::tempdir().unwrap();
    let at = seen.path().display();
    let (home, repo, _agent) = scene(
        "  attempts: 3\n  retry_s: 0\n",
        &format!(
            "echo \"$3 $2\" >> {at}/ids
             [ \"$(wc -l < {at}/ids)\" -lt 3 ] && {{ echo bad >> T001; exit 3; }}
             [ -e T001 ] && exit 4
             echo good > T001"
        ),
    );
    let ran = home.try_json(&["run", "start", "001-work", "--wait"]);
    assert_eq!((ran.code, &ran.json()["state"]), (0, &Value::from("landed")), "{ran:?}");
    assert_eq!(repo.read("T001"), "good\n");
    let ids = std::fs::read_to_string(seen.path().join("ids")).unwrap();
    let told: Vec<(&str, &str)> = ids.lines().filter_map(|it| it.split_once(' ')).collect();
    let how: Vec<&str> = told.iter().map(|it| it.0).collect();
    assert_eq!(how, ["first", "on", "first"]);
    assert!(told[0].1 == told[1].1 && told[1].1 != told[2].1, "{told:?}");
    let page = home.json(&["run", "show", "r1"]);
    let trees: Vec<&Value> = page["attempts"].as_array().unwrap().iter().map(|it| &it["worktree"]).collect();
    assert!(trees[0] == trees[1] && trees[1] != trees[2], "{page}");
    // What the first two left is not lost.
    home.at_rest();
    let removed = |it: &&Record| matches!(&it.event, Event::WorktreeRemoved { worktree, .. } if trees[0] == &json!(worktree));
    assert_eq!(home.history().iter().filter(removed).count(), 1);
}
