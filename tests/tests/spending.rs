//! Money and budgets: what agents used is priced where a price is known and is unknown elsewhere, never nothing; the fuse for money
//! ends an attempt, a budget parks a run, and both let it go on once a person raised them.

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::event::Event;
use pilothouse_contract::fuse::Minds;
use pilothouse_contract::run::RunState;
use pilothouse_contract::stop::Stop;
use pilothouse_contract::{Fleet, Record};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use serde_json::Value;

/// Ten dollars for a million tokens that are read anew, twenty for those written, one for those from a cache.
const PRICES: &str = "source: a list of the test\ndate: '2026-11-30'\nmodels:\n  scripted: { input: 10, cached: 1, cache_write: 12, output: 20 }\n";

/// A home with a table of prices of its own.
fn priced(prices: &str) -> Home {
    let home = Home::new();
    home.price(prices);
    home
}

fn fleet(history: &[Record]) -> Fleet {
    let mut fleet = Fleet::default();
    history.iter().for_each(|it| drop(fleet.apply(it)));
    fleet
}

/// What the steps of all sessions of the first run cost by the list, in micro-dollars, counted again one by one; and of how many
/// sessions nobody knows.
fn recounted(home: &Home) -> (u64, usize) {
    let page = home.json(&["run", "show", "r1"]);
    let attempts = page["attempts"].as_array().unwrap().iter().filter_map(|it| it["session"].as_str());
    let sessions: Vec<&str> = attempts.chain(page["run"]["audit"]["session"].as_str()).collect();
    let (mut micros, mut unknown) = (0, 0);
    for session in sessions {
        let steps = home.try_json(&["trajectory", "show", session, "--most", "10000"]);
        let steps = if steps.code == 0 { steps.json() } else { Value::Null };
        let of = |it: &Value| {
            let n = |name: &str| it["kind"][name].as_u64().unwrap_or(0);
            n("input") * 10 + n("cached") + n("output") * 20
        };
        let steps = steps["steps"].as_array().cloned().unwrap_or_default();
        let calls: Vec<u64> = steps.iter().filter(|it| it["kind"]["kind"] == "tokens").map(of).collect();
        micros += calls.iter().sum::<u64>();
        unknown += usize::from(calls.is_empty());
    }
    (micros, unknown)
}

#[test]
fn the_spender_blows_the_fuse_for_money_and_every_call_is_counted_once() {
    let home = priced(PRICES);
    let ran = home.try_json(&["rehearse", "--headless", "--speed", "50", "--script", "spender"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    home.at_rest();
    let fleet = fleet(&home.history());
    let failed = fleet.attempts.values().find(|it| it.failure.is_some()).unwrap();
    assert_eq!((&failed.failure, failed.task.as_str()), (&Some(Failure::OverMoney), "T002"));
    assert!(failed.why.starts_with("it cost $") && failed.why.ends_with(" of $0.40"), "{}", failed.why);
    assert!(fleet.sessions[&failed.session.unwrap()].end.is_some(), "its session was ended");
    // What the abandoned attempt cost is in the sum.
    let (micros, unknown) = recounted(&home);
    let receipt = home.json(&["receipt", "r1"]);
    let money = &receipt["receipt"]["money"];
    assert_eq!(
        (money["known"].as_u64(), money["unknown"].as_u64()),
        (Some(micros), Some(unknown as u64)),
        "{money}"
    );
    assert!(micros > 400_000 && unknown == 0, "{micros} {unknown}");
    let line = receipt["lines"].as_array().unwrap().iter().find(|it| it["name"] == "Money").unwrap();
    let cents = (micros + 5_000) / 10_000;
    let says = format!("${}.{:02}; by prices of a list of the test, 2026-11-30", cents / 100, cents % 100);
    assert_eq!(line["says"], Value::from(says));
    let shown = home.run(&["run", "show", "r1"]).out;
    assert!(shown.contains(&format!("Money: ${}.{:02}; by prices of", cents / 100, cents % 100)), "{shown}");
    let brief = home.json(&["brief"]);
    assert_eq!(brief["totals"]["money"]["known"], money["known"], "{brief}");
}

#[test]
fn a_model_without_a_price_costs_nobody_knows_how_much() {
    let home = priced("source: another\nmodels:\n  not-this-one: { input: 1, output: 1 }\n");
    let ran = home.try_json(&["rehearse", "--headless", "--speed", "50", "--script", "spender"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    home.at_rest();
    // The fuse for money cannot see it; the one for tokens does.
    let fleet = fleet(&home.history());
    let failed = fleet.attempts.values().find(|it| it.failure.is_some()).unwrap();
    assert_eq!(failed.failure, Some(Failure::OverTokens));
    let receipt = home.json(&["receipt", "r1"]);
    let (money, sessions) = (&receipt["receipt"]["money"], receipt["receipt"]["sessions"].as_u64().unwrap());
    assert_eq!((money["known"].as_u64(), money["unknown"].as_u64()), (Some(0), Some(sessions)), "{money}");
    let line = receipt["lines"].as_array().unwrap().iter().find(|it| it["name"] == "Money").unwrap();
    let says = format!("unknown for {sessions} of {sessions} sessions (no price for `scripted`)");
    assert_eq!(line["says"], Value::from(says.clone()));
    let page = home.run(&["brief"]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&says) && !page.contains("$0"), "{page}");
    // The user mends the table, and it counts at once; one that is broken is named, and takes nothing away.
    home.price(PRICES);
    let known = home.json(&["receipt", "r1"])["receipt"]["money"]["known"].as_u64().unwrap();
    assert_eq!(known, recounted(&home).0);
    home.price("models: [");
    let page = home.run(&["run", "show", "r1"]).out;
    assert!(page.contains("unknown for") && page.contains("prices.yaml: "), "{page}");
}

/// Tasks that the rehearsal's agent knows and asks nothing about, one after the other.
fn rehearsal(settings: &str) -> Repo {
    let task = |id: &str, title: &str, files: &str, verify: &str| {
        format!("- [ ] {id} {title}\n  - Files: {files}\n  - Verify: `{verify}`\n")
    };
    let tasks = [
        task("T001", "Parse", "`lib/parse.sh`, `tests/t-parse.sh`", "sh tests/t-parse.sh"),
        task("T002", "Heights", "`lib/height.sh`, `tests/t-height.sh`", "sh tests/t-height.sh"),
        task("T006", "Say so", "`README.md`", "grep -q 'bin/tide next' README.md"),
    ];
    let tasks = format!("## Phase 1: Libraries\n\n{}", tasks.concat());
    let spec = "# Tides\n\n## Summary\n\nSailors ask.\n";
    let files = [
        ("README.md", "# Lighthouse\n"),
        ("specs/001-tide-table/spec.md", spec),
        ("specs/001-tide-table/tasks.md", &tasks),
        ("WORKFLOW.md", &workflow(settings)),
    ];
    Repo::new("lighthouse", &files)
}

fn workflow(settings: &str) -> String {
    format!("---\npilothouse:\n  agent: rehearsal\n  approve: policy\n  retry_s: 0\n{settings}---\n")
}

#[test]
fn a_run_over_its_budget_is_parked_with_a_typed_reason_and_goes_on_once_that_is_raised() {
    for (minds, settings, raised) in [
        (Minds::Tokens, "  run_tokens: 20000\n", "  run_tokens: 2000000\n"),
        (Minds::Money, "  run_money: 0.20\n", "  run_money: 900\n"),
    ] {
        let repo = rehearsal(settings);
        let home = priced(PRICES);
        home.trust(&repo);
        let ran = home.try_json(&["run", "start", "001-tide-table", "--wait"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        home.at_rest();
        let parked = fleet(&home.history());
        let run = parked.runs.values().next().unwrap();
        assert_eq!(run.state, RunState::Parked, "{}", run.why);
        let Some(Stop::Budget { fuse }) = &run.stop else { panic!("{:?}: {}", run.stop, run.why) };
        assert!(fuse.minds == minds && fuse.is_blown(), "{fuse:?}");
        assert!(run.why.contains(&format!("its attempts together used {fuse}")), "{}", run.why);
        assert!(run.why.contains("pilothouse run start 001-tide-table"), "{}", run.why);
        assert!(run.done() > 0 && run.done() < run.tasks.len(), "what was done before stays done");
        assert!(parked.sessions.values().all(|it| it.end.is_some()), "a parked run is at rest");
        let shown = home.run(&["run", "show", "r1"]).out;
        assert!(
            shown.contains("parked (over-budget)") && shown.contains(&format!("Budget: {fuse}")),
            "{shown}"
        );
        // As it is, it does not come far; with more, it lands.
        let again = home.try_json(&["run", "start", "001-tide-table", "--wait"]);
        assert_eq!(again.code, 1, "{again:?}");
        let sessions = |fleet: &Fleet| {
            fleet.sessions.values().filter(|it| it.running.is_some() && it.gate.is_none()).count()
        };
        let still = fleet_of(&home);
        assert_eq!(sessions(&still), sessions(&parked), "no agent began");
        repo.commit(&[("WORKFLOW.md", &workflow(raised))], "More");
        let landed = home.try_json(&["run", "start", "001-tide-table", "--wait"]);
        assert_eq!((landed.code, landed.json()["state"].as_str()), (0, Some("landed")), "{landed:?}");
        let story = home.history();
        let over = story
            .iter()
            .filter(|it| matches!(&it.event, Event::RunMoved { stop: Some(Stop::Budget { .. }), .. }));
        assert_eq!(over.count(), 2, "once for each try that was over it");
    }
}

fn fleet_of(home: &Home) -> Fleet {
    home.at_rest();
    fleet(&home.history())
}
