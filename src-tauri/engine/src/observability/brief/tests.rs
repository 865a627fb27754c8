//! Briefs of fleets made by hand: what is told, in which order, and what is not.

use pilothouse_contract::PullId;
use pilothouse_contract::brief::page::{headline, rows};
use pilothouse_contract::evidence::Subject as Of;
use pilothouse_contract::money::{Account, PriceTable};
use pilothouse_contract::run::{Touch, TouchKind};
use pilothouse_contract::session::{End, Running};
use pilothouse_contract::trajectory::{StepKind, Tokens};
use serde_json::{Value, json};

use super::*;

/// The night begins then, and ends eight hours later.
const SINCE: At = At(100 * H);
const NOW: At = At(108 * H);
const H: i64 = 3_600_000;

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A run with the task T001, in a state and moved last at an hour of the night.
fn run(id: u32, state: &str, task: Value, hour: i64) -> Run {
    let policy = json!({
        "source": "built in", "agent": { "name": "claude", "adapter": "command", "command": ["x"] }, "checks": [],
        "approve": "policy", "attempts": 2, "slots": 2, "stall_s": 60, "check_s": 60, "protected": [], "always": [],
        "hot": [], "warm": [], "env": [], "done_lines": false,
    });
    of(json!({
        "id": format!("r{id}"), "project": "p1", "item": format!("i{id}"), "state": state, "why": "so it is",
        "policy": policy, "base": "b", "branch": "refs/heads/x", "head": null, "by": { "kind": "engine" },
        "started": 90 * H, "moved": SINCE.0 + hour * H,
        "tasks": [{ "spec": { "id": "T001", "title": "Do it", "line": 1, "done": false }, "state": task,
            "attempts": [format!("a{id}")] }],
    }))
}

fn attempt(id: u32, state: &str, hour: i64) -> Attempt {
    of(json!({
        "id": format!("a{id}"), "run": format!("r{id}"), "task": "T001", "number": 1, "state": state, "why": "so",
        "base": "b", "worktree": "w1", "started": 90 * H, "moved": SINCE.0 + hour * H,
        "candidate": { "onto": "b", "commit": "c", "tree": "the-tree", "paths": [], "patch": "" },
    }))
}

fn evidence(id: u32, run: u32, gate: Gate, verdict: Verdict, tree: &str, hour: i64) -> Evidence {
    let task = (gate != Gate::Landing).then(|| TaskId::from("T001"));
    Evidence {
        id: EvidenceId(id),
        gate,
        subject: Of { project: ProjectId(1), run: RunId(run), task, attempt: None, phase: None, pull: None },
        commit: "c".into(),
        tree: tree.into(),
        command: "make check".to_owned(),
        started: SINCE,
        ended: SINCE.plus_ms(hour * H),
        took_ms: Some(90_000),
        exit: Some(0),
        verdict,
        why: String::new(),
        output_hash: String::new(),
        output_bytes: 0,
        session: None,
        flaky_after: None,
        tests: None,
        environment: String::new(),
    }
}

fn pull(id: u32, state: Value) -> Pull {
    of(json!({
        "id": format!("pr{id}"), "project": "p1", "item": format!("i{id}"), "run": format!("r{id}"), "title": "x",
        "body": { "what": [], "why": "", "verified": [] }, "onto": "refs/heads/main", "from": "refs/heads/x",
        "head": "c", "commits": 2, "size": { "files": 1, "added": 10 * id, "removed": 0 }, "state": state, "why": "",
        "result": { "onto": "b", "head": "c", "commit": "m", "tree": "merged-tree" },
        "checks": [{ "command": "make check", "evidence": format!("e{id}0"), "passed": true }],
        "opened": SINCE.0, "moved": SINCE.0 + H,
    }))
}

/// A run that landed in the night: its proof and its check hold, on these trees.
fn landed(fleet: &mut Fleet, id: u32, proof_tree: &str, check_tree: &str) {
    fleet.runs.insert(RunId(id), run(id, "landed", json!({ "state": "done", "commit": "c" }), 1));
    fleet.runs.get_mut(&RunId(id)).unwrap().pull = Some(PullId(id));
    fleet.attempts.insert(AttemptId(id), attempt(id, "merged", 1));
    fleet.pulls.insert(PullId(id), pull(id, json!({ "state": "landed", "commit": "m" })));
    let proof = evidence(id * 10 + 1, id, Gate::Verify, Verdict::Passed, proof_tree, 1);
    fleet.attempts.get_mut(&AttemptId(id)).unwrap().evidence.push(proof.id);
    let check = evidence(id * 10, id, Gate::Landing, Verdict::Passed, check_tree, 1);
    fleet.evidence.extend([(proof.id, proof), (check.id, check)]);
}

fn facts(fleet: &Fleet) -> Facts<'_> {
    Facts {
        fleet,
        since: SINCE,
        chosen: Chosen::LastDeed,
        now: NOW,
        deed: None,
        alarms: Vec::new(),
        records: Vec::new(),
        asleep: Vec::new(),
        used: BTreeMap::new(),
        prices: BTreeMap::new(),
        quiet: Vec::new(),
    }
}

#[test]
fn what_landed_unverified_comes_first_and_only_proofs_of_the_very_tree_count() {
    let mut fleet = Fleet::default();
    landed(&mut fleet, 1, "the-tree", "merged-tree");
    landed(&mut fleet, 2, "another-tree", "merged-tree");
    landed(&mut fleet, 3, "the-tree", "another-tree");
    fleet.runs.insert(RunId(4), run(4, "running", json!({ "state": "waiting" }), -9));
    landed(&mut fleet, 5, "the-tree", "merged-tree");
    let by = Who::Person("anna".to_owned());
    fleet.pulls.get_mut(&PullId(5)).unwrap().approval =
        Some(pilothouse_contract::pull::PullApproval { by, head: "c".into(), at: SINCE });
    let it = super::of(&facts(&fleet));
    let order: Vec<_> = it.runs.iter().map(|it| (it.run.0, it.risk)).collect();
    let expected = [
        (3, Risk::Unverified),
        (2, Risk::Unverified),
        (1, Risk::Unread),
        (4, Risk::AtWork),
        (5, Risk::Landed),
    ];
    assert_eq!(order, expected, "the larger of two first");
    assert!(it.runs[0].unproved[0].contains("`make check` does not hold on the merge result"));
    assert!(it.runs[1].unproved[0].contains("T001 landed without a proof"));
    assert_eq!(it.totals.landed, [1, 2, 3, 5].map(PullId));
    assert_eq!(it.totals.held.len(), 8);
    assert_eq!(headline(&it), "Nothing needs you · 4 landed · 2 of them unverified · 4 tasks done");
    // A record that is gone proves nothing.
    fleet.evidence.remove(&EvidenceId(50));
    assert_eq!(super::of(&facts(&fleet)).runs[0].run, RunId(5));
}

#[test]
fn a_parked_run_says_why_by_the_closed_list_and_by_evidence() {
    let mut fleet = Fleet::default();
    let parked = json!({ "state": "parked", "why": "2 of 2 tries failed" });
    fleet.runs.insert(RunId(1), run(1, "parked", parked, 3));
    let mut failed = attempt(1, "failed", 3);
    failed.failure = Some(pilothouse_contract::attempt::Failure::VerifyFailed);
    failed.evidence.push(EvidenceId(7));
    let mut earlier = Attempt { id: AttemptId(9), number: 1, ..failed.clone() };
    earlier.moved = SINCE.plus_ms(-1);
    fleet.attempts.extend([(failed.id, failed), (earlier.id, earlier)]);
    let it = super::of(&facts(&fleet));
    let [run] = it.runs.as_slice() else { panic!("{it:?}") };
    let parked = &run.parked[0];
    assert_eq!(parked.failure, Some(pilothouse_contract::attempt::Failure::VerifyFailed));
    assert_eq!((&parked.evidence, parked.why.as_str()), (&vec![EvidenceId(7)], "2 of 2 tries failed"));
    assert_eq!(it.totals.failed, [AttemptId(1)], "what failed before is of another night");
    let row =
        rows(&it).into_iter().find(|it| it.label == "parked" && it.ids.contains(&"a1".to_owned())).unwrap();
    assert_eq!(row.says, "T001 Do it: verify-failed: 2 of 2 tries failed");
    assert_eq!(row.ids, ["a1", "e7"]);
    // Nothing moved since: whoever comes back later does not read it as news.
    assert!(super::of(&Facts { since: NOW, ..facts(&fleet) }).runs.is_empty());
}

#[test]
fn what_it_took_is_of_the_stretch_and_without_sleep() {
    let mut fleet = Fleet::default();
    fleet.runs.insert(RunId(1), run(1, "running", json!({ "state": "active", "attempt": "a1" }), 0));
    fleet.runs.get_mut(&RunId(1)).unwrap().touches.push(Touch {
        at: SINCE.plus_ms(H),
        by: Who::Person("anna".to_owned()),
        kind: TouchKind::Intervention,
        session: None,
    });
    fleet.attempts.insert(AttemptId(1), attempt(1, "working", 0));
    let mut session = |id: u32, from: i64, to: Option<i64>| {
        let mut it = Session::of_a_person(SessionId(id), vec![], String::new(), At(0));
        it.kind = SessionKind::Agent;
        it.run = Some(RunId(1));
        it.running = Some(Running { holder: 1, pid: 1, at: SINCE.plus_ms(from * H), native: None });
        it.end = to.map(|to| End::of(SINCE.plus_ms(to * H), Ending::Exited { code: 0 }));
        fleet.sessions.insert(it.id, it);
    };
    session(1, -5, Some(-1));
    session(2, -5, Some(2));
    session(3, 1, None);
    session(4, 1, Some(2));
    // One cent a token read.
    let models = [("m".to_owned(), serde_json::from_str(r#"{"input":10000,"output":0}"#).unwrap())].into();
    let table = PriceTable { source: "a list".to_owned(), date: String::new(), models };
    let prices = Prices { tables: vec![table], trouble: None };
    let used = |input| {
        let mut account = Account::default();
        let tokens = Tokens { input, output: 1, ..Tokens::default() };
        account.add(&StepKind::Tokens { model: "m".to_owned(), tokens }, &prices);
        account
    };
    let ran = |session, hour, ms| QuietRun {
        session: SessionId(session),
        number: 1,
        at: SINCE.plus_ms(hour * H),
        command: "cargo test".to_owned(),
        exit: Some(0),
        ms,
        whole: 40_100,
        shown: 100,
        tests: None,
    };
    let quiet = vec![ran(3, 1, 61_000), ran(4, 1, 500), ran(1, 1, 9)];
    let asleep = vec![(SINCE.plus_ms(3 * H), SINCE.plus_ms(6 * H))];
    let known = [
        (2, Accounts { all: used(900), late: used(30) }),
        (3, Accounts { all: used(5), late: Account::default() }),
    ];
    let used = known.map(|(id, it)| (SessionId(id), it)).into_iter().collect();
    let prices = [(RunId(1), prices)].into();
    fleet.runs.get_mut(&RunId(1)).unwrap().policy.inner_loop_s = 60;
    let it = super::of(&Facts { asleep, used, prices, quiet, ..facts(&fleet) });
    let [run] = it.runs.as_slice() else { panic!("{it:?}") };
    assert_eq!(run.sessions, [2, 3, 4].map(SessionId));
    assert_eq!(run.agents_ms, (2 + 4 + 1) * H, "two of the night's, four awake, one");
    assert_eq!((run.tokens.sessions, run.tokens.input), (2, 35));
    assert_eq!(it.totals.at_work, [AttemptId(1)]);
    // Eleven hours before the touch, then seven of which three were slept.
    assert_eq!((run.untouched.awake_ms(), run.interventions, it.totals.touches), (11 * H, 1, 1));
    let says: Vec<String> = rows(&it).into_iter().map(|it| format!("{} {}", it.label, it.says)).collect();
    assert!(
        says.iter().any(|it| it
            == "agents 3 sessions, 7 h 0 min together; 35 tokens read, 2 written, by the logs of 2 of 3"),
        "{says:#?}"
    );
    let money = "money at least $0.35; unknown for 1 of 3 sessions; by prices of a list";
    assert_eq!(says.iter().filter(|it| *it == money).count(), 2, "of the run and of all: {says:#?}");
    let quiet = "quiet 2 runs, 78 KiB withheld, about 20 k tokens (4 bytes each)";
    assert_eq!(says.iter().filter(|it| *it == quiet).count(), 2, "only of those that ran: {says:#?}");
    let slow = "slow 1 of 1 command over 60 s; the slowest: `cargo test` ran 2 times: half within 500 ms, 95 % within 1 min 1 s, over 60 s";
    assert!(says.iter().any(|it| it == slow), "{says:#?}");
}

fn add(records: &mut Vec<Record>, event: Event) {
    let seq = records.len() + 1;
    let at = SINCE.plus_ms(i64::try_from(seq).unwrap());
    records.push(Record { seq: u64::try_from(seq).unwrap(), at, who: Who::Engine, event });
}

#[test]
fn the_machines_own_story_is_told_and_landings_are_not_told_twice() {
    let fleet = Fleet::default();
    let mut records = Vec::new();
    add(&mut records, Event::EngineStarted { restarts: 0 });
    let project = ProjectId(1);
    let how = Move::Landing { pull: PullId(1) };
    add(&mut records, Event::MainMoved { project, from: "a".into(), to: "b".into(), how });
    let quiet = super::of(&Facts { records: records.clone(), ..facts(&fleet) });
    assert!(quiet.is_quiet() && rows(&quiet).is_empty(), "{quiet:?}");
    assert_eq!(headline(&quiet), "Nothing happened, and nothing needs you.");
    add(&mut records, Event::EngineStarted { restarts: 2 });
    add(&mut records, Event::MachineSlept { ms: 2 * H });
    let end = End {
        at: SINCE,
        how: Ending::Lost { why: "the machine was started anew".to_owned() },
        output_bytes: 1,
        lost_bytes: 5,
        left_behind: Vec::new(),
        left_running: Vec::new(),
        native: None,
    };
    add(&mut records, Event::SessionEnded { session: SessionId(3), end });
    let named = "bob \u{202e}<b>".to_owned();
    add(
        &mut records,
        Event::MainMoved { project, from: "a".into(), to: "b".into(), how: Move::Followed { named } },
    );
    let it = super::of(&Facts { records: records.clone(), ..facts(&fleet) });
    let kinds: Vec<_> = it.story.iter().map(|it| (it.seq, it.kind.word())).collect();
    let expected =
        [(1, "engine"), (3, "engine"), (4, "sleep"), (5, "lost"), (5, "output lost"), (6, "moved")];
    assert_eq!(kinds, expected);
    assert_eq!(it.story[2].says, "The machine slept for 2 h 0 min");
    assert_eq!(asleep(&records), [(records[3].at.plus_ms(-2 * H), records[3].at)]);
    assert!(!it.is_quiet());
    let last = rows(&it).pop().unwrap();
    assert!(last.says.contains("moved by bob \u{fffd}<b>, and followed") && last.ids == ["#6"], "{last:?}");
    // It is offered to who was away for long, and to nobody else.
    let deed = |h: i64| {
        Some(PersonsDeed { seq: 1, at: NOW.plus_ms(-h * H), by: Who::Engine, did: "run-started".to_owned() })
    };
    assert!(Brief { last_deed: deed(5), ..it.clone() }.is_worth_offering());
    assert!(!Brief { last_deed: deed(3), ..it.clone() }.is_worth_offering());
    assert!(!it.is_worth_offering() && !Brief { last_deed: deed(5), ..quiet }.is_worth_offering());
}

#[test]
fn the_first_failure_of_a_flake_is_no_failure() {
    let mut fleet = Fleet::default();
    landed(&mut fleet, 1, "the-tree", "merged-tree");
    let held = super::of(&facts(&fleet)).totals.held.len();
    let again = Evidence {
        flaky_after: Some(EvidenceId(91)),
        ..evidence(92, 1, Gate::Verify, Verdict::Passed, "the-tree", 2)
    };
    for it in [
        evidence(90, 1, Gate::Verify, Verdict::Failed, "other-tree", 1),
        evidence(91, 1, Gate::Verify, Verdict::Failed, "the-tree", 1),
        again,
    ] {
        fleet.evidence.insert(it.id, it);
    }
    let it = super::of(&facts(&fleet));
    assert_eq!((&it.totals.broke[..], &it.totals.flaky[..]), (&[EvidenceId(90)][..], &[EvidenceId(91)][..]));
    assert_eq!(it.totals.held.len(), held + 1);
    let says = pilothouse_contract::brief::page::rows(&it);
    let says: Vec<String> = says.iter().map(|it| format!("{it:?}")).collect();
    let wanted =
        format!("{} checks ran: {} hold, 1 do not, 0 unknown; 1 flake failed at first", held + 2, held + 1);
    assert!(says.iter().any(|it| it.contains(&wanted)), "{wanted}: {says:#?}");
}
