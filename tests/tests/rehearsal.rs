//! The rehearsal and its agents: the honest one lands with evidence for every line; each of the others is caught, named
//! and recorded by the gate made for it.

use pilothouse_contract::attempt::Failure;
use pilothouse_contract::event::Event;
use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::project::Line;
use pilothouse_contract::run::{RunState, TaskState};
use pilothouse_contract::{Fleet, Record};
use pilothouse_testkit::home::Home;
use serde_json::Value;

struct Ended {
    home: Home,
    code: i32,
    summary: Value,
    history: Vec<Record>,
    fleet: Fleet,
}

fn rehearse(script: &str) -> Ended {
    let home = Home::new();
    let ran = home.try_json(&["rehearse", "--headless", "--speed", "50", "--script", script]);
    let history = home.history();
    let mut fleet = Fleet::default();
    for record in &history {
        fleet.apply(record);
    }
    Ended { code: ran.code, summary: ran.json(), home, history, fleet }
}

impl Ended {
    fn git(&self, args: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        let out = command.arg("-C").arg(self.summary["path"].as_str().unwrap()).args(args).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    fn failures(&self, of: &str) -> Vec<&Failure> {
        self.fleet
            .attempts
            .values()
            .filter(|it| it.task.as_str() == of)
            .filter_map(|it| it.failure.as_ref())
            .collect()
    }

    fn task(&self, id: &str) -> &TaskState {
        &self.fleet.runs.values().next().unwrap().task(&id.into()).unwrap().state
    }

    /// A task that was not done is ticked nowhere, and its bad work is nowhere.
    fn assert_never_ticked(&self, task: &str) {
        assert!(matches!(self.task(task), TaskState::Parked { .. }), "{:?}", self.task(task));
        // An agent's own branch is its own affair; what counts is what the engine moves.
        let branches = self.git(&["for-each-ref", "--format=%(refname)", "refs/heads"]);
        for branch in branches.lines().filter(|it| it.ends_with("/main") || it.ends_with("/item")) {
            let tasks = self.git(&["show", &format!("{branch}:specs/001-tide-table/tasks.md")]);
            assert!(!tasks.contains(&format!("[x] {task}")), "{task} is ticked on {branch}");
        }
        assert_eq!(self.code, 1);
        assert_eq!(self.summary["landed"], 0);
        assert_eq!(self.git(&["rev-list", "--count", "main"]), "1", "main did not move");
    }
}

#[test]
fn the_voyage_lands_and_every_line_of_it_is_proved() {
    let ended = rehearse("voyage");
    assert_eq!(ended.code, 0, "{}", ended.summary);
    for (name, value) in
        [("landed", 1), ("tasks_done", 6), ("tasks_total", 6), ("attempts", 7), ("failed_verifies", 1)]
    {
        assert_eq!(ended.summary[name], value, "{name} in {}", ended.summary);
    }
    assert_eq!(ended.summary["main"].as_str().unwrap(), ended.git(&["rev-parse", "main"]));
    assert!(ended.summary["seconds"].as_f64().unwrap() > 0.0);
    // What landed works, and its boxes are ticked.
    let path = ended.summary["path"].as_str().unwrap();
    let tide = std::process::Command::new("sh")
        .args(["bin/tide", "next", "high", "05:00", "tests/harbour.txt"])
        .current_dir(path)
        .output();
    assert_eq!(String::from_utf8(tide.unwrap().stdout).unwrap(), "16:41 high 4.1\n");
    let tasks = ended.git(&["show", "main:specs/001-tide-table/tasks.md"]);
    assert_eq!((tasks.matches("- [x] T00").count(), tasks.matches("- [ ]").count()), (6, 0));
    let record = ended.git(&["show", "main:specs/001-tide-table/evidence.md"]);
    assert_eq!(record.matches("| exit code 0 |").count(), 6);
    // The record was there when the checks ran, so the tree that landed is the tree that was checked.
    let tree = ended.git(&["rev-parse", "main^{tree}"]);
    let checked = ended.fleet.evidence.values().find(|it| it.gate == Gate::Landing).unwrap();
    assert_eq!((checked.tree.as_str(), checked.verdict), (tree.as_str(), Verdict::Passed));
    // Every task went red, then was proved on the tree of its one commit.
    let run = ended.fleet.runs.values().next().unwrap();
    for task in &run.tasks {
        let TaskState::Done { commit } = &task.state else { panic!("{:?}", task.state) };
        let of_task = |gate| {
            ended
                .fleet
                .evidence
                .values()
                .filter(move |it| it.gate == gate && it.subject.task.as_ref() == Some(&task.spec.id))
        };
        assert!(of_task(Gate::RedCheck).all(|it| it.passed() && it.exit != Some(0)));
        let tree = ended.git(&["rev-parse", &format!("{commit}^{{tree}}")]);
        assert!(
            of_task(Gate::Verify).any(|it| it.passed() && it.tree.as_str() == tree),
            "{} has no proof of its tree",
            task.spec.id
        );
        let paths = ended.git(&["diff-tree", "--no-commit-id", "--name-only", "-r", commit.as_str()]);
        let scope = task.spec.files.as_ref().unwrap();
        assert!(
            paths.lines().all(|path| scope.include.iter().any(|it| it == path)),
            "{paths} of {}",
            task.spec.id
        );
    }
    // Every transition says why, and an agent's session is a trajectory.
    for record in &ended.history {
        if let Event::AttemptMoved { why, .. } | Event::TaskMoved { why, .. } | Event::PullMoved { why, .. } =
            &record.event
        {
            assert!(!why.is_empty(), "{record:?}");
        }
    }
    let trajectories = ended.home.json(&["trajectory", "list"]);
    assert_eq!(
        trajectories.as_array().unwrap().len(),
        8,
        "seven tries, and who held them against the requirements"
    );
    let session = ended
        .fleet
        .attempts
        .values()
        .find(|it| it.task.as_str() == "T005")
        .unwrap()
        .session
        .unwrap()
        .to_string();
    let steps = ended.home.json(&["trajectory", "show", &session]);
    let kinds: Vec<&str> =
        steps["steps"].as_array().unwrap().iter().map(|it| it["kind"]["kind"].as_str().unwrap()).collect();
    for kind in ["prompt", "message", "call", "result", "tokens"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    let output = ended.home.run(&["attach", &session, "--no-follow"]);
    assert!(output.out.contains("tide: 4 cases hold"), "{}", output.out);
    // Its receipt says the same in one page.
    let page = ended.home.json(&["receipt", "r1"]);
    let receipt = &page["receipt"];
    let counted = ["tasks", "done", "attempts", "failed", "sessions"].map(|it| receipt[it].as_u64().unwrap());
    let tried = u64::try_from(ended.fleet.attempts.len()).unwrap();
    assert_eq!(counted, [6, 6, tried, tried - 6, tried + 1], "and one session that judged in the end");
    assert_eq!(receipt["change"]["landed"], ended.git(&["rev-parse", "HEAD"]));
    assert_eq!((&receipt["state"], &receipt["touches"]), (&"landed".into(), &Value::Array(Vec::new())));
    let held: u64 =
        receipt["checks"].as_array().unwrap().iter().map(|it| it["passed"].as_u64().unwrap()).sum();
    let passed = ended.fleet.evidence.values().filter(|it| it.verdict == Verdict::Passed).count();
    assert_eq!(held, u64::try_from(passed).unwrap());
    let told = ended.home.json(&["trajectory", "list"]);
    let told: u64 = told.as_array().unwrap().iter().map(|it| it["output"].as_u64().unwrap()).sum();
    assert!(told > 0 && receipt["tokens"]["output"] == told, "{receipt}");
    let shown = ended.home.run(&["receipt", "r1"]).out;
    assert_eq!(shown.trim_end(), page["markdown"].as_str().unwrap().trim_end());
    assert!(shown.contains("| Hands | off; untouched for "), "{shown}");
}

#[test]
fn what_a_fresh_session_finds_missing_is_told_with_the_change() {
    let ended = rehearse("forgetter");
    let pull = ended.fleet.pulls.values().next().unwrap();
    let told = pull.body.verified.iter().find(|it| it.says.starts_with("completeness")).unwrap();
    assert_eq!(told.says, "completeness: not shown to be met: FR-003");
    let proof = &ended.fleet.evidence[&told.evidence];
    assert_eq!((proof.gate, proof.verdict), (Gate::Completeness, Verdict::Failed));
    let audit = ended.fleet.runs.values().next().unwrap().audit.clone().unwrap();
    assert_eq!(audit.gaps().map(|it| it.requirement.as_str()).collect::<Vec<_>>(), ["FR-003"]);
}

#[test]
fn the_liar_is_caught_by_the_proof() {
    let ended = rehearse("liar");
    assert_eq!(ended.failures("T002"), [&Failure::VerifyFailed, &Failure::VerifyFailed]);
    ended.assert_never_ticked("T002");
    assert_eq!(ended.summary["failed_verifies"], 2);
    let last = ended.fleet.attempts.values().rfind(|it| it.task.as_str() == "T002").unwrap();
    let proof = last.evidence.last().and_then(|id| ended.fleet.evidence.get(id)).unwrap();
    assert_eq!((proof.gate, proof.verdict, proof.exit), (Gate::Verify, Verdict::Failed, Some(1)));
    let page = ended.home.try_json(&["evidence", "show", &proof.id.to_string()]);
    assert!(
        page.code == 1 && page.json()["output"].as_str().unwrap().contains("want 3.9, got TODO"),
        "{page:?}"
    );
    // The second try was told what the first one did, in a session of its own.
    let brief = std::fs::read_to_string(
        ended.home.data().join("attempts").join(last.id.to_string()).join("brief.md"),
    )
    .unwrap();
    assert!(brief.contains("verify-failed") && brief.contains("want 3.9, got TODO"), "{brief}");
}

#[test]
fn the_failer_is_parked_with_its_exit_code() {
    let ended = rehearse("failer");
    assert_eq!(
        ended.failures("T002"),
        [&Failure::AgentExit { code: Some(3) }, &Failure::AgentExit { code: Some(3) }]
    );
    ended.assert_never_ticked("T002");
    assert!(ended.summary["why"].as_str().unwrap().contains("exit code 3"));
}

#[test]
fn the_staller_is_ended_and_the_next_try_lands() {
    let ended = rehearse("staller");
    assert_eq!(ended.failures("T002"), [&Failure::Stalled]);
    assert_eq!((ended.code, &ended.summary["landed"]), (0, &Value::from(1)));
    let stalled = ended.fleet.attempts.values().find(|it| it.failure.is_some()).unwrap();
    let session = &ended.fleet.sessions[&stalled.session.unwrap()];
    assert!(session.end.is_some(), "its session was ended");
}

#[test]
fn the_looper_and_the_spender_are_ended_by_their_fuses_and_the_next_try_lands() {
    for (script, failure, says) in [
        ("looper", Failure::Repeats, "the same call brought the same answer"),
        ("spender", Failure::OverTokens, "tokens of 60000"),
    ] {
        let ended = rehearse(script);
        assert_eq!(ended.failures("T002"), [&failure], "{script}");
        assert_eq!((ended.code, &ended.summary["landed"]), (0, &Value::from(1)), "{script}");
        let failed = ended.fleet.attempts.values().find(|it| it.failure.is_some()).unwrap();
        assert!(failed.why.contains(says), "{}", failed.why);
        assert!(ended.fleet.sessions[&failed.session.unwrap()].end.is_some(), "its session was ended");
    }
}

#[test]
fn the_filler_is_followed_by_a_fresh_session_that_goes_on_in_its_worktree() {
    let ended = rehearse("filler");
    assert_eq!((ended.code, &ended.summary["landed"]), (0, &Value::from(1)), "{}", ended.summary);
    let tries: Vec<_> = ended.fleet.attempts.values().filter(|it| it.task.as_str() == "T002").collect();
    let [first, second] = tries.as_slice() else { panic!("{tries:?}") };
    let Some(Failure::HandedOver { fill }) = first.failure else { panic!("{:?}", first.failure) };
    assert_eq!(fill, 165_010, "what its model read for the newest call, from wherever");
    assert_eq!(
        (second.continues, second.worktree, &second.base),
        (Some(first.id), first.worktree, &first.base)
    );
    assert!(first.session != second.session && ended.fleet.sessions[&first.session.unwrap()].end.is_some());
    let task = ended.fleet.runs.values().next().unwrap().task(&"T002".into()).unwrap().clone();
    assert_eq!(task.failures, 0, "it is no failure of the task");
    // What the first one left is told to the second: what changed, what failed, what it said.
    let brief = ended.home.data().join("attempts").join(second.id.to_string()).join("brief.md");
    let brief = std::fs::read_to_string(brief).unwrap();
    for part in [
        "## Handed over",
        "full of 165010 tokens",
        "lib/height.sh |",
        "failed: `rm tests/t-height.sh && sh tests/t-height.sh`",
        "The cases are still to be written.",
        "## Your task: T002",
    ] {
        assert!(brief.contains(part), "{part} is missing:\n{brief}");
    }
    assert!(!brief.contains("An earlier try failed"), "{brief}");
    let shown = ended.home.run(&["run", "show", "r1"]).out;
    assert!(shown.contains("failed: handed-over") && shown.contains("2, goes on from"), "{shown}");
}

#[test]
fn of_a_dirty_worktree_what_lies_in_the_scope_counts_and_what_does_not_is_refused() {
    let ended = rehearse("dirty");
    assert_eq!((ended.code, &ended.summary["landed"]), (0, &Value::from(1)), "{}", ended.summary);
    let strayed = Failure::ScopeDrift { paths: vec!["scratch/notes.txt".to_owned()] };
    assert_eq!(ended.failures("T002"), [&strayed]);
    // The second one committed nothing and staged half: the engine's one commit holds all of it, and nothing else.
    let TaskState::Done { commit } = ended.task("T002") else { panic!("{:?}", ended.task("T002")) };
    let paths = ended.git(&["diff-tree", "--no-commit-id", "--name-only", "-r", commit.as_str()]);
    assert_eq!(paths, "lib/height.sh\ntests/t-height.sh");
    assert!(!ended.git(&["ls-tree", "-r", "--name-only", "main"]).contains("scratch"));
    assert_eq!(ended.git(&["status", "--porcelain"]), "", "the checkout is as clean as it was");
}

#[test]
fn the_crasher_is_seen_and_the_next_try_lands() {
    let ended = rehearse("crasher");
    assert_eq!(ended.failures("T002"), [&Failure::AgentExit { code: None }]);
    assert_eq!(ended.code, 0);
    // The next try began no sooner than after the rest that its WORKFLOW.md asks for.
    let (failed, until) = ended
        .history
        .iter()
        .find_map(|it| match &it.event {
            Event::TaskRests { until, .. } => Some((it.at, *until)),
            _ => None,
        })
        .unwrap();
    assert_eq!(until.since_ms(failed), 2_000);
    let next = ended.fleet.attempts.values().find(|it| it.task.as_str() == "T002" && it.number == 2).unwrap();
    assert!(next.started >= until, "{} is before {}", next.started.0, until.0);
}

#[test]
fn the_strayer_is_caught_by_the_scope_audit() {
    let ended = rehearse("strayer");
    let strayed = Failure::ScopeDrift { paths: vec!["tests/all.sh".to_owned()] };
    assert_eq!(ended.failures("T002"), [&strayed, &strayed]);
    ended.assert_never_ticked("T002");
}

#[test]
fn whoever_ticks_its_own_box_strays() {
    let ended = rehearse("ticker");
    let strayed = Failure::ScopeDrift { paths: vec!["specs/001-tide-table/tasks.md".to_owned()] };
    assert_eq!(ended.failures("T002"), [&strayed, &strayed]);
    ended.assert_never_ticked("T002");
}

#[test]
fn the_self_approver_is_refused_named_and_recorded() {
    let ended = rehearse("self-approver");
    let session = ended.fleet.attempts.values().find(|it| it.task.as_str() == "T002").unwrap().session;
    let refused: Vec<&str> = ended
        .history
        .iter()
        .filter_map(|it| match &it.event {
            Event::Refused { session: who, asked, .. } if *who == session => Some(asked.as_str()),
            _ => None,
        })
        .collect();
    // The third time without its mark and in a session of its own: its ancestry tells.
    assert_eq!(refused, ["pull approve", "pull land", "pull approve"]);
    let pull = ended.fleet.pulls.values().next().unwrap();
    assert!(
        matches!(pull.approval.as_ref().unwrap().by, pilothouse_contract::Who::Policy(_)),
        "{:?}",
        pull.approval
    );
}

#[test]
fn the_main_mover_meets_the_fence_and_then_stops_the_line() {
    let ended = rehearse("main-mover");
    let attempt = ended.fleet.attempts.values().find(|it| it.task.as_str() == "T002").unwrap();
    assert_eq!(attempt.failure, Some(Failure::MovedRef { reference: "refs/heads/main".to_owned() }));
    let touched: Vec<(bool, bool, &str)> = ended
        .history
        .iter()
        .filter_map(|it| match &it.event {
            Event::RefTouched { prevented, session, named, .. } => {
                Some((*prevented, *session == attempt.session, named.as_str()))
            }
            _ => None,
        })
        .collect();
    assert!(
        touched.iter().any(|(prevented, mine, _)| *prevented && *mine),
        "the fence held once: {touched:?}"
    );
    let named = format!("T002 {}", attempt.id);
    assert!(
        touched.iter().any(|(prevented, mine, who)| !*prevented && *mine && who.contains(&named)),
        "{touched:?}"
    );
    let project = ended.fleet.projects.values().next().unwrap();
    assert!(
        matches!(&project.line, Line::Stopped { expected, .. } if *expected == project.main),
        "{:?}",
        project.line
    );
    assert!(matches!(ended.task("T002"), TaskState::Parked { .. }));
    assert_eq!(ended.fleet.runs.values().next().unwrap().state, RunState::Parked);
    // Nothing lands until a person settles it; then everything is where it was.
    let refused = ended.home.try_json(&["run", "start", "001-tide-table"]);
    assert!(refused.fault().contains("the line of"), "{refused:?}");
    ended.home.json(&["project", "take-back", &project.name]);
    assert_eq!(ended.git(&["rev-parse", "main"]), project.main.as_str());
    assert_eq!(ended.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_rehearsal_that_waits_for_a_person_lands_with_their_yes() {
    let home = Home::new();
    let mut headless =
        home.command(&["rehearse", "--headless", "--speed", "50", "--approve", "person", "--json"]);
    let headless = headless.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let waits = |it: &Record| {
        matches!(
            &it.event,
            Event::PullMoved { to: pilothouse_contract::pull::PullState::WaitsForApproval, .. }
        )
    };
    // The engine is started by the rehearsal; following it starts none of its own.
    assert!(home.events(0).any(|it| waits(&it)));
    home.json(&["pr", "approve", "pr1"]);
    let ended = headless.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
}
