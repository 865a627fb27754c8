//! Fuses of agents at work: a protected path that is changed ends a try at once, a run may take only so long, and what an agent worked
//! is not forgotten with an engine. Each agent here would go on for ever.

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::event::Event;
use pilothouse_contract::fuse::Minds;
use pilothouse_contract::run::RunState;
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{At, Record};
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::kill_at_once;
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

/// A run of one task with these settings, whose agent does `body` and then something for ever. Started, and not waited for.
fn begun(settings: &str, body: &str) -> (Home, Repo, ShellAgent) {
    let workflow = format!("---\npilothouse:\n  attempts: 1\n{settings}---\n");
    let tasks = "## Phase 1: Work\n\n- [ ] T001 Make it good\n  - Files: `T001`, `mark`\n  - Verify: `grep -q good T001`\n";
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &workflow),
            ("infra/net.tf", "a network\n"),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            ("specs/001-work/tasks.md", tasks),
        ],
    );
    let agent = ShellAgent::new(&format!("{body}\nwhile :; do echo at work; sleep 0.2; done"));
    let home = Home::trusting(&repo);
    home.json(&["run", "start", "001-work", "--command", &agent.command()]);
    (home, repo, agent)
}

/// Waits until the run is parked. Returns when its agent began, how it failed, why, and when.
fn parked(home: &Home) -> (At, Failure, String, At) {
    let over = |it: &Record| matches!(&it.event, Event::RunMoved { to: RunState::Parked, .. });
    assert!(home.events(0).any(|it| over(&it)), "it is parked");
    let history = home.history();
    let began = history.iter().find_map(|it| match &it.event {
        Event::SessionRuns { running, .. } if running.native.is_some() => Some(running.at),
        _ => None,
    });
    let failed = history.iter().find_map(|it| match &it.event {
        Event::AttemptFailed { failure, why, .. } => Some((failure.clone(), why.clone(), it.at)),
        _ => None,
    });
    let (failure, why, at) = failed.expect("its attempt failed");
    (began.expect("its agent began"), failure, why, at)
}

#[test]
fn a_protected_path_that_is_changed_ends_a_try_while_its_agent_works() {
    let changed = [
        "echo more >> infra/net.tf",
        // Its own commit hides it from a look at what is not committed.
        "rm infra/net.tf; git add -A; git commit -qm tidied",
    ];
    for body in changed {
        let (home, _repo, _agent) = begun("  protected: [infra/]\n  attempt_s: 90\n", body);
        let (_, failure, why, _) = parked(&home);
        assert_eq!(failure, Failure::ScopeDrift { paths: vec!["infra/net.tf".to_owned()] }, "{body}");
        assert_eq!(why, "it changed protected paths while it worked: infra/net.tf");
        // Nobody ran its proof for that, and its session is over.
        home.at_rest();
        let page = home.json(&["run", "show", "r1"]);
        let attempt = &page["attempts"][0];
        assert!(attempt["candidate"].is_null(), "{attempt}");
    }
}

#[test]
fn a_run_that_takes_longer_than_it_may_is_parked_and_has_its_time_anew_when_it_is_let_go_on() {
    let (home, repo, _agent) = begun("  run_s: 3\n", "");
    let (_, failure, _, _) = parked(&home);
    assert_eq!(failure, Failure::Stopped);
    let page = home.json(&["run", "show", "r1"]);
    let stop: Stop = serde_json::from_value(page["run"]["stop"].clone()).unwrap();
    let Stop::Budget { fuse } = stop else { panic!("{stop:?}") };
    assert_eq!((fuse.minds, fuse.limit), (Minds::Time, 3));
    let why = page["run"]["why"].as_str().unwrap();
    assert!(why.contains("under way for too long") && why.contains("raise run_s in WORKFLOW.md"), "{why}");
    // A person gives it more, and another agent.
    let workflow = "---\npilothouse:\n  run_s: 600\n  approve: policy\n---\n";
    repo.commit(&[("WORKFLOW.md", workflow)], "More time");
    let good = ShellAgent::new("echo good > T001");
    let on = home.try_json(&[
        "run",
        "start",
        "001-work",
        "--command",
        &good.command(),
        "--approve",
        "policy",
        "--wait",
    ]);
    assert_eq!((on.code, &on.json()["state"]), (0, &Value::from("landed")), "{on:?}");
}

#[test]
fn what_an_agent_worked_counts_on_when_the_engine_is_killed_and_every_fuse_is_shown() {
    // It says by a file that it has worked for twelve of its twenty seconds.
    let body = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo at work; sleep 0.2; done; echo now > mark";
    let (home, _repo, _agent) = begun("  attempt_s: 20\n", body);
    let marked = |it: &Record| matches!(&it.event, Event::WorktreeSeen { seen, .. } if seen.untracked > 0);
    let at = home.events(0).find(marked).expect("it says so").at;
    let page = home.json(&["run", "show", "r1"]);
    let of = |minds: &str| {
        let all = page["fuses"][0]["fuses"].as_array().unwrap();
        all.iter().find(|it| it["minds"] == minds).unwrap_or_else(|| panic!("no {minds} in {all:?}")).clone()
    };
    assert_eq!((&of("tries")["spent"], &of("tries")["limit"]), (&json!(0), &json!(1)));
    assert_eq!(of("paths")["spent"], 0);
    assert!(of("time")["spent"].as_u64().unwrap() >= 8, "{page}");
    assert_eq!(of("context")["limit"], 160_000);
    let shown = home.run(&["run", "show", "r1"]).out;
    assert!(shown.contains("0 of 1 tries failed, no protected path changed"), "{shown}");

    kill_at_once(home.engine_pid());
    let (began, failure, _, ended) = parked(&home);
    assert_eq!(failure, Failure::OverTime);
    // Counted anew by the next engine it would have had twenty seconds from the kill on.
    let (worked, since) = (ended.since_ms(began), ended.since_ms(at));
    assert!(worked >= 19_000, "it had its time: {worked} ms");
    assert!(since < 18_000, "and not once more: {since} ms after the twelve seconds");
}
