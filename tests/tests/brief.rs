//! The brief against everything else that tells of the same: each of its figures is counted again from history, runs, pull
//! requests and git itself; and other people's text in it is text.

use std::collections::BTreeSet;

use pilothouse_contract::attempt::AttemptState;
use pilothouse_contract::brief::{Brief, Chosen, Risk, StoryKind};
use pilothouse_contract::evidence::{Gate, Verdict};
use pilothouse_contract::pull::PullState;
use pilothouse_contract::session::SessionKind;
use pilothouse_contract::{At, AttemptId, Event, EvidenceId, Fleet, Record, SessionId, Who};
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::kill_at_once;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::Value;

fn brief(home: &Home, args: &[&str]) -> Brief {
    serde_json::from_value(home.json(&[&["brief"], args].concat())).unwrap()
}

fn git(path: &str, args: &[&str]) -> String {
    let out = std::process::Command::new("git").arg("-C").arg(path).args(args).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn set<T: Ord + Copy>(all: &[T]) -> BTreeSet<T> {
    all.iter().copied().collect()
}

#[test]
fn every_figure_of_a_night_is_found_again_elsewhere() {
    let home = Home::new();
    home.price("source: a list\nmodels:\n  scripted: { input: 10, cached: 1, output: 20 }\n");
    // One that lands after a failed try, one that is parked, and one whose default branch somebody moves.
    for (script, code) in [("voyage", 0), ("failer", 1), ("main-mover", 1)] {
        let ran = home.try_json(&["rehearse", "--headless", "--speed", "50", "--script", script]);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    home.at_rest();
    // The engine dies in the night, and its watcher starts another one.
    let before = home.history().last().unwrap().seq;
    kill_at_once(home.engine_pid());
    let restarted = home.events(before).find(|it| matches!(it.event, Event::EngineStarted { restarts: 1 }));
    let it = brief(&home, &[]);
    let history = home.history();
    let mut fleet = Fleet::default();
    history.iter().filter(|record| record.seq <= it.seq).for_each(|record| drop(fleet.apply(record)));
    assert_eq!((it.chosen, it.until.since_ms(it.since)), (Chosen::HalfDay, 12 * 3_600_000));

    // The last deed is the newest record by a person.
    let deed = history.iter().rfind(|it| matches!(it.who, Who::Person(_))).unwrap();
    let told = it.last_deed.as_ref().unwrap();
    assert_eq!(
        (told.seq, told.at, &told.by, told.did.as_str()),
        (deed.seq, deed.at, &deed.who, deed.event.word())
    );

    // Attempts, checks and sessions: each id of history and no other.
    let failed: BTreeSet<AttemptId> = history
        .iter()
        .filter_map(|it| match it.event {
            Event::AttemptFailed { attempt, .. } => Some(attempt),
            _ => None,
        })
        .collect();
    assert_eq!(set(&it.totals.failed), failed);
    let done: BTreeSet<AttemptId> = history
        .iter()
        .filter_map(|it| match it.event {
            Event::AttemptMoved { attempt, to: AttemptState::Merged, .. } => Some(attempt),
            _ => None,
        })
        .collect();
    assert_eq!(set(&it.totals.done), done);
    assert_eq!(it.totals.at_work, []);
    let checks = |verdict| -> BTreeSet<EvidenceId> {
        let of = history.iter().filter_map(|it| match &it.event {
            Event::EvidenceGathered { evidence } if evidence.verdict == verdict => Some(evidence.id),
            _ => None,
        });
        of.collect()
    };
    assert_eq!(set(&it.totals.held), checks(Verdict::Passed));
    assert_eq!(set(&it.totals.broke), checks(Verdict::Failed));
    assert_eq!(set(&it.totals.unknown), checks(Verdict::Unknown));
    let agents: BTreeSet<SessionId> = history
        .iter()
        .filter_map(|it| match &it.event {
            Event::SessionRuns { session, .. } => Some(*session),
            _ => None,
        })
        .filter(|it| fleet.sessions[it].kind == SessionKind::Agent)
        .collect();
    assert_eq!(set(&it.totals.sessions), agents);
    let trajectories = home.json(&["trajectory", "list"]);
    let sum = |field: &str| {
        trajectories.as_array().unwrap().iter().map(|it| it[field].as_u64().unwrap()).sum::<u64>()
    };
    let tokens = it.totals.tokens;
    assert_eq!((tokens.input, tokens.cached, tokens.output), (sum("input"), sum("cached"), sum("output")));
    assert!(tokens.output > 0 && (tokens.sessions as usize) < agents.len(), "{tokens:?}: some say nothing");

    // Money: each call of each session once, by the price of each kind of token; what has no log has no price either.
    let money = &it.totals.money;
    assert_eq!(money.known.0, sum("input") * 10 + sum("cached") + sum("output") * 20);
    assert_eq!(
        (money.sessions as usize, (money.sessions - money.unknown) as usize),
        (agents.len(), tokens.sessions as usize)
    );
    assert!(money.unknown > 0 && money.no_price.is_empty() && money.tables == ["a list"], "{money:?}");
    // What was run quietly: as many runs as logs were kept, and as many bytes as those hold.
    let sessions = std::fs::read_dir(home.data().join("sessions")).unwrap().flatten();
    let logs =
        sessions.flat_map(|it| std::fs::read_dir(it.path().join("quiet")).into_iter().flatten().flatten());
    let logs: Vec<u64> = logs.map(|it| it.metadata().unwrap().len()).collect();
    let quiet = it.totals.quiet;
    assert_eq!((quiet.runs as usize, quiet.whole_bytes), (logs.len(), logs.iter().sum()), "{quiet:?}");
    assert!(quiet.runs > 5 && it.runs.iter().map(|it| it.quiet.runs).sum::<u32>() == quiet.runs, "{quiet:?}");

    // What is risky comes first, and each run says what its own page says.
    let risks: Vec<_> = it.runs.iter().map(|it| it.risk).collect();
    assert_eq!(risks, [Risk::Parked, Risk::Parked, Risk::Unread]);
    for run in &it.runs {
        let page = home.json(&["run", "show", &run.run.to_string()]);
        assert_eq!(page["run"]["state"], run.state.word());
        let tasks = page["run"]["tasks"].as_array().unwrap();
        let in_state = |word: &str| tasks.iter().filter(|it| it["state"]["state"] == word).count();
        assert_eq!((run.tasks as usize, run.done as usize), (tasks.len(), in_state("done")));
        assert_eq!((run.tasks_done.len(), run.parked.len()), (in_state("done"), in_state("parked")));
        for task in &run.parked {
            let attempt = &fleet.attempts[&task.attempt.unwrap()];
            assert_eq!((&task.failure, &task.evidence), (&attempt.failure, &attempt.evidence));
        }
        // The one commit of a task is on its branch, and a proof held on the tree of it.
        let path = &fleet.projects[&run.project].path;
        for task in &run.tasks_done {
            let tree = git(path, &["rev-parse", &format!("{}^{{tree}}", task.commit)]);
            let proof = |it: &&pilothouse_contract::brief::Proof| {
                it.gate == Gate::Verify
                    && it.verdict == Verdict::Passed
                    && fleet.evidence[&it.evidence].tree.as_str() == tree
            };
            assert!(task.proofs.iter().any(|it| proof(&it)), "{task:?}");
        }
    }
    let landed = it.runs.iter().find(|it| it.risk == Risk::Unread).unwrap();
    let pull = landed.pull.as_ref().unwrap();
    assert_eq!((it.totals.landed.as_slice(), &landed.unproved), ([pull.pull].as_slice(), &Vec::new()));
    let page = home.json(&["pr", "show", &pull.pull.to_string()]);
    let PullState::Landed { commit } = &pull.state else { panic!("{pull:?}") };
    assert_eq!(page["pull"]["state"]["commit"], commit.as_str());
    let path = &fleet.projects[&landed.project].path;
    assert_eq!(git(path, &["rev-parse", "main"]), commit.as_str());
    let counted = git(path, &["rev-list", "--count", &format!("{commit}^1..{commit}^2")]);
    assert_eq!(pull.commits.to_string(), counted);
    let size = git(path, &["diff", "--shortstat", &format!("{commit}^1"), commit.as_str()]);
    assert!(
        size.contains(&format!("{} files changed, {} insertions(+)", pull.size.files, pull.size.added)),
        "{size}: {:?}",
        pull.size
    );
    assert!(pull.checks.iter().all(|it| it.verdict == Some(Verdict::Passed)) && !pull.checks.is_empty());

    // What needs a person is what stands still, and the machine's own story is history's.
    let needs: Vec<_> = it.needs.iter().map(|it| (it.priority.digit(), it.call.as_str())).collect();
    assert_eq!(needs, [("1", "MAIN"), ("2", "1/T002")]);
    assert!(it.needs.iter().all(|it| !it.answers.is_empty()));
    let starts: Vec<u64> = it
        .story
        .iter()
        .filter(|it| matches!(it.kind, StoryKind::EngineStarted { .. }))
        .map(|it| it.seq)
        .collect();
    assert_eq!(starts, [1, restarted.unwrap().seq]);
    let of = |word: &str| it.story.iter().filter(|it| it.kind.word() == word).count();
    let lines = history.iter().filter(|it| matches!(it.event, Event::LineChanged { .. })).count();
    assert_eq!((of("line stopped"), lines), (1, 1));
    assert_eq!(of("ref"), history.iter().filter(|it| matches!(it.event, Event::RefTouched { .. })).count());

    // The page says the same to people, on a terminal of 80 columns and as Markdown.
    let page = home.run(&["brief"]).out;
    assert!(page.lines().all(|it| it.chars().count() <= 80), "{page}");
    let counts = format!(
        "2 need you · 1 landed · 2 parked · {} tasks done · {} attempts failed",
        done.len(),
        failed.len()
    );
    assert!(page.contains(&counts), "{page}");
    assert!(page.contains(&format!("landed as {}", &commit.as_str()[..10])), "{page}");
    let dollars =
        format!("at least {}; unknown for {} of {} sessions", money.known, money.unknown, money.sessions);
    assert!(page.contains(&dollars), "{page}");
    let markdown = home.run(&["brief", "--md"]).out;
    assert!(
        markdown.starts_with("# Since you left")
            && markdown.contains("\n## Needs you\n\n- **P1 Failed** MAIN"),
        "{markdown}"
    );

    // Since a moment after all of it there is nothing to read but what still needs somebody.
    let later = brief(&home, &["--since", "1ms"]);
    assert_eq!((later.chosen, later.runs.len(), later.needs.len()), (Chosen::Asked, 0, 2));
    assert_eq!((later.totals.done.len(), later.totals.held.len(), later.story.len()), (0, 0, 0));
    let last = brief(&home, &["--since", "last"]);
    assert_eq!((last.chosen, last.since), (Chosen::LastDeed, deed.at));
}

#[test]
fn nothing_is_said_calmly_and_a_time_that_is_none_is_refused() {
    let home = Home::new();
    let it = brief(&home, &[]);
    assert!(it.is_quiet() && !it.is_worth_offering(), "{it:?}");
    let page = home.run(&["brief"]);
    assert_eq!(page.code, 0);
    assert!(page.out.ends_with("\nNothing happened, and nothing needs you.\n"), "{}", page.out);
    let refused = home.run(&["brief", "--since", "yesterday"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("write it like 8h, 90min, 7d, 2026-11-20T22:00 (UTC), or last"),
        "{}",
        refused.err
    );
}

/// What a spec may hold that a terminal, a page or Markdown would heed.
const HOSTILE: &str = "\u{1b}[31m<script>alert(1)</script> [x](javascript:y) `z` | \u{202e}evil";

#[test]
fn hostile_text_is_text_in_every_form() {
    let tasks = format!(
        "- [ ] T001 Do {HOSTILE}\n  - Files: `*.txt`\n  - Verify: `test -s made.txt`\n  - Depends: none\n"
    );
    let spec = format!("# {HOSTILE}\n\n## Summary\n\n{HOSTILE}\n");
    let repo = Repo::new("shop", &[("specs/001-work/spec.md", &spec), ("specs/001-work/tasks.md", &tasks)]);
    let home = Home::trusting(&repo);
    let agent = ShellAgent::new("exit 3");
    assert_eq!(home.carry(&agent).code, 1);
    let facts: Value = home.json(&["brief"]);
    assert!(
        facts["runs"][0]["title"].as_str().unwrap().contains("<script>"),
        "facts are as they are: {facts}"
    );
    let page = home.run(&["brief"]).out;
    assert!(page.contains("<script>") && !page.contains(['\u{1b}', '\u{202e}']), "{page:?}");
    for args in [["brief", "--md"].as_slice(), &["receipt", "r1"]] {
        let markdown = home.run(args).out;
        assert!(!markdown.contains(['\u{1b}', '\u{202e}']), "{markdown:?}");
        assert!(markdown.contains("\\<script\\>") && !markdown.contains("<script>"), "{args:?}: {markdown}");
        assert!(!markdown.contains("](javascript") || markdown.contains("\\]("), "{markdown}");
    }
    // A picture is drawn of it all the same.
    let file = home.path().join("receipt.png");
    let drawn = home.run(&["receipt", "r1", "--png", &file.display().to_string()]);
    assert_eq!(drawn.code, 0, "{drawn:?}");
    let reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&file).unwrap())).read_info();
    assert_eq!(reader.unwrap().info().size(), (1200, 675));
    let refused = home.try_json(&["receipt", "r1", "--png", "/nowhere/receipt.png"]);
    assert!(refused.fault().contains("name a file in a folder that is there"), "{refused:?}");
}

#[test]
fn the_window_says_it_and_each_line_opens_what_it_is_about() {
    let tasks = format!(
        "- [ ] T001 Do {HOSTILE}\n  - Files: `*.txt`\n  - Verify: `test -s made.txt`\n  - Depends: none\n"
    );
    let spec = format!("# {HOSTILE}\n\n## Summary\n\n{HOSTILE}\n");
    let repo = Repo::new("shop", &[("specs/001-work/spec.md", &spec), ("specs/001-work/tasks.md", &tasks)]);
    let home = Home::new();
    let window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    window.keys("ctrl+6");
    window.wait_text("[data-name=brief] .calm", "Nothing happened since");
    // It follows the fleet.
    home.trust(&repo);
    assert_eq!(home.carry(&ShellAgent::new("exit 3")).code, 1);
    window.wait_text("[data-name=brief] .headline", "1 needs you · 1 parked · 2 attempts failed");
    window.wait_text("[data-name=brief] .briefing", "Do ␛[31m<script>alert(1)</script> [x](javascript:y)");
    assert!(!window.text("body").contains('\u{202e}'), "what reorders text is made visible");
    // What needs somebody is opened in the queue, a run on the stage: by keys.
    window.wait(".briefing li[data-kind=head][aria-selected=true]");
    window.keys("Enter");
    window.wait(".queue .item[data-key^='parked'][aria-selected=true]");
    window.keys("Escape");
    window.keys("End");
    window.keys("Home");
    window.until("its first line", || window.find(".briefing li[aria-selected=true][id=brief-1]"));
    // And by a click, its parked task.
    window.eval(
        "document.querySelectorAll('.briefing li[data-kind=detail]').forEach(it => { if (it.querySelector('.label').textContent === 'parked') it.dataset.wanted = '' })",
    );
    window.click(".briefing li[data-wanted] .says");
    window.wait_text(".stage h1", "Do ␛[31m<script>");
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}

#[test]
fn who_was_away_for_long_is_offered_it_in_one_line() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let ago = |h: i64| At(i64::try_from(now).unwrap() - h * 3_600_000);
    let noted = |seq, h, who, says: &str| Record {
        seq,
        at: ago(h),
        who,
        event: Event::Notice { project: None, says: says.to_owned() },
    };
    let home = Home::new();
    home.remember(&[
        noted(1, 15, Who::Engine, "of the evening before"),
        noted(2, 14, Who::Person("anna".to_owned()), "anna's last deed"),
        noted(3, 5, Who::Engine, "of the night"),
    ]);
    let window = Window::open(&home, Options::default());
    window.wait_text("[data-name=offer]", "Since you left, 14 h 0 min ago: Nothing needs you");
    assert!(!window.find("[role=dialog], [role=alertdialog]"), "nothing is covered");
    window.keys("ctrl+6");
    window.wait_text("[data-name=brief] .facts", "since a person's last deed: notice by anna (#2)");
    window.wait_text("[data-name=brief] .briefing", "of the night");
    let page = window.text("[data-name=brief] .briefing");
    assert!(page.contains("anna's last deed") && !page.contains("of the evening before"), "{page}");
    window.until("no offer any more", || !window.find("[data-name=offer]"));
    assert_eq!(window.errors(), Vec::<String>::new());
}
