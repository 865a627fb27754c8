//! The review of pull requests: risk by rules, agents of another family, findings that are answered once, and a landing that waits for
//! that. Scripted agents, real git, the built program.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::review::{Happened, Role};
use pilothouse_testkit::agent::{ShellAgent, task_file, two_families};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::repo::Repo;
use serde_json::{Value, json};

/// Whoever makes the change: `answers` is what it does with findings, in its worktree.
fn writer(answers: &str) -> ShellAgent {
    ShellAgent::new(&format!(
        "settle() {{ \"$PILOTHOUSE_BIN\" hook settle \"$@\"; }}\n\
         case \"$(head -n 1 \"$1\")\" in\n'# Findings on '*) {answers} ;;\n\
         *) mkdir -p src/billing; echo 'total' > src/billing/total.sh ;;\nesac"
    ))
}

/// Whoever looks: `first` in its first round, and then it finds nothing.
fn critic(first: &str) -> ShellAgent {
    ShellAgent::new(&format!(
        "found() {{ \"$PILOTHOUSE_BIN\" hook finding \"$@\"; }}\n\
         case \"$(head -n 1 \"$1\")\" in\n*'round 1') {first} ;;\n*) found right nothing 'the mended line' ;;\nesac"
    ))
}

const FINDS: &str = "found right P1 'It adds nothing up' --at src/billing/total.sh:1 --why 'the sum is wrong' --proposes 'add it up'\n\
    found right p2 'It has no test' --at src/billing/total.sh\n\
    found right P3 'It could be nicer' --at src/billing/total.sh:1";
const ANSWERS: &str = "settle 1 accepted 'it adds up now' && settle 2 rejected 'the proof is its test' && echo 'total sum' > src/billing/total.sh";

struct Scene {
    home: Home,
    repo: Repo,
    _agents: [ShellAgent; 2],
}

fn scene(writer: ShellAgent, critic: ShellAgent, approve: &str, review: &str) -> Scene {
    let workflow = format!(
        "---\npilothouse:\n  agent: writer\n  approve: {approve}\n  completeness: 'off'\n  review: {review}\n  agents:\n{}---\n",
        two_families(&writer, &critic)
    );
    let tasks = task_file(&[("T001", "src/billing/`, `notes.txt", "grep -q total src/billing/total.sh")]);
    let repo = Repo::new(
        "shop",
        &[
            ("WORKFLOW.md", &workflow),
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must add up.\n"),
            ("specs/001-work/tasks.md", &tasks),
        ],
    );
    let home = Home::trusting(&repo);
    Scene { home, repo, _agents: [writer, critic] }
}

impl Scene {
    fn start(&self) {
        self.home.json(&["run", "start", "001-work"]);
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    /// Waits until it is over. Whether it landed.
    fn over(&self) -> bool {
        let over = |it: &Record| matches!(&it.event, Event::PullMoved { to, .. } if to.is_over());
        let record = self.wait(over);
        matches!(record.event, Event::PullMoved { to: PullState::Landed { .. }, .. })
    }

    /// Waits until the review came to stand there so many times.
    fn stands(&self, stage: &str) {
        self.wait(|it| {
            matches!(&it.event, Event::Review { what: Happened::Moved { to, .. }, .. } if to.word() == stage)
        });
    }

    fn checked(&self) {
        self.wait(|it| matches!(&it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. }));
    }

    fn page(&self) -> Value {
        self.home.json(&["pr", "show", "pr1"])
    }

    fn sat(&self) -> Vec<Role> {
        let all = self.home.history().into_iter();
        all.filter_map(|it| match it.event {
            Event::Review { what: Happened::Sits { sitting }, .. } => Some(sitting.role),
            _ => None,
        })
        .collect()
    }
}

const ON: &str = "{ agents: [critic], lenses: [right] }";

#[test]
fn a_change_is_reviewed_by_another_family_answered_by_its_author_and_lands_as_it_was_looked_at() {
    let scene = scene(writer(ANSWERS), critic(FINDS), "policy", ON);
    scene.start();
    assert!(scene.over(), "{:#}", scene.page());
    let page = scene.page();
    let review = &page["pull"]["review"];
    assert_eq!(review["risk"]["class"], "high", "{review:#}");
    assert_eq!(review["risk"]["rule"], "`billing` in the path src/billing/total.sh");
    let rounds = review["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2, "{review:#}");
    assert_ne!(rounds[0]["patch"], rounds[1]["patch"]);
    assert!(rounds.iter().all(|it| it["by"]["family"] == "beta" && it["ended"].is_number()), "{rounds:#?}");
    assert_eq!((&review["dropped"], &rounds[0]["dropped"]), (&json!(1), &json!(1)), "P3 is none");
    let findings = review["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "{findings:#?}");
    let first = &findings[0];
    assert_eq!(
        (&first["priority"], &first["path"], &first["line"]),
        (&json!("P1"), &json!("src/billing/total.sh"), &json!(1))
    );
    assert_eq!((&first["why"], &first["mend"]), (&json!("the sum is wrong"), &json!("add it up")));
    let (accepted, pushed) = (&findings[0]["answer"], &findings[1]["answer"]);
    assert_eq!(
        (&accepted["reply"]["reply"], &pushed["reply"]["reply"]),
        (&json!("accepted"), &json!("pushed-back"))
    );
    // The commit that is named mends it, is on the default branch, and is what was looked at and checked.
    let commit = accepted["reply"]["commit"].as_str().unwrap();
    assert_eq!((&page["pull"]["head"], &rounds[1]["head"]), (&json!(commit), &json!(commit)));
    scene.repo.git(&["merge-base", "--is-ancestor", commit, "main"]);
    assert_eq!(scene.repo.read("src/billing/total.sh"), "total sum\n");
    let message = scene.repo.git(&["log", "-1", "--format=%B", commit]);
    assert!(
        message.contains("Answer the findings on pr1") && message.contains("it adds up now"),
        "{message}"
    );
    assert_eq!(scene.sat(), [Role::Review, Role::Answer, Role::Review]);
    // The patch is the one that git itself names.
    let (base, head) = (page["pull"]["result"]["onto"].as_str().unwrap(), commit);
    let diff = scene.repo.git(&["diff-tree", "-p", "--full-index", "--no-renames", base, head]);
    assert!(diff.contains("total sum") && review["patch"].as_str().unwrap().len() == 40, "{review:#}");
    // How strongly it was verified, each by evidence that is shown with it.
    assert_eq!(page["mix"]["shown"][0]["strength"], "compile", "{:#}", page["mix"]);
    assert!(page["mix"]["vacuous"].is_null(), "its proof was seen to fail: {:#}", page["mix"]);
    let shown = scene.home.run(&["pr", "show", "pr1"]).out;
    for says in [
        "high: `billing` in the path src/billing/total.sh",
        "round 1 by critic (beta)",
        "2 found, 1 below the line",
        "1. P1 src/billing/total.sh:1 (critic): It adds nothing up",
        "pushed back by",
        "no person touched it",
    ] {
        assert!(shown.contains(says), "no '{says}' in {shown}");
    }
    // What it sat in is put away.
    scene.home.at_rest();
    let left = scene.repo.git(&["worktree", "list"]);
    assert!(!left.contains("-review-") && !left.contains("-answer-"), "{left}");
}

#[test]
fn a_restart_in_the_midst_of_a_review_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (here, go) = (Fifo::new(folder.path().join("here")), Fifo::new(folder.path().join("go")));
    let critic = critic(&format!(
        "found right P1 'It adds nothing up'\necho here > {}; read go < {}\nfound right P1 'It adds nothing up'",
        here.path().display(),
        go.path().display()
    ));
    let scene = scene(
        writer(&ANSWERS.replace("settle 2 rejected 'the proof is its test' && ", "")),
        critic,
        "policy",
        ON,
    );
    scene.start();
    assert_eq!(here.read().trim(), "here");
    scene.home.json(&["engine", "restart"]);
    std::fs::write(go.path(), "go\n").unwrap();
    assert!(scene.over(), "{:#}", scene.page());
    let review = &scene.page()["pull"]["review"];
    assert_eq!(
        review["findings"].as_array().map(Vec::len),
        Some(1),
        "said again, it is the same: {review:#}"
    );
    assert_eq!(scene.sat(), [Role::Review, Role::Answer, Role::Review]);
    let begun = scene.home.history().iter().filter(|it| it.event.word() == "round-begun").count();
    assert_eq!(begun, 2);
}

#[test]
fn a_person_comments_and_answers_and_nothing_lands_over_what_is_open() {
    let scene = scene(
        writer("settle 1 accepted 'renamed' && echo renamed > notes.txt"),
        critic("found right nothing x"),
        "person",
        ON,
    );
    let home = &scene.home;
    scene.start();
    scene.checked();
    scene.stands("done");
    let comment = |more: &[&str]| home.try_json(&[&["pr", "comment", "pr1", "Call it sum"], more].concat());
    let gone = comment(&["--path", "src/none.sh"]).fault();
    assert!(gone.contains("src/none.sh is no file of pr1"), "{gone}");
    let beyond = comment(&["--path", "src/billing/total.sh", "--line", "99"]).fault();
    assert!(beyond.contains("no line 99"), "{beyond}");
    assert_eq!(comment(&["--path", "src/billing/total.sh", "--line", "1"]).code, 0);
    // Its author answers with a commit, and that is looked at like any other.
    scene.wait(|it| matches!(&it.event, Event::PullRenewed { .. }));
    let done = |it: &Record| matches!(&it.event, Event::Review { what: Happened::Moved { to, .. }, .. } if to.word() == "done");
    let twice = home.events(0).filter(done).take(2).count();
    assert_eq!(twice, 2);
    let review = &scene.page()["pull"]["review"];
    assert_eq!(
        (&review["findings"][0]["answer"]["reply"]["reply"], &review["findings"][0]["by"]["kind"]),
        (&json!("accepted"), &json!("person"))
    );
    assert_eq!(review["rounds"].as_array().map(Vec::len), Some(2), "{review:#}");
    assert!(home.run(&["pr", "show", "pr1"]).out.contains("commented on"));

    let bad = home.try_json(&["pr", "answer", "pr1", "1", "x", "--push-back"]).fault();
    assert!(bad.contains("answered already"), "{bad}");
    let none = home.try_json(&["pr", "answer", "pr1", "1", "x"]).fault();
    assert!(none.contains("--push-back"), "{none}");
    let foreign = scene.repo.git(&["rev-parse", "main"]);
    let foreign = home.try_json(&["pr", "answer", "pr1", "1", "x", "--accept", &foreign]).fault();
    assert!(foreign.contains("pr1 does not bring the commit"), "{foreign}");
    home.json(&["pr", "approve", "pr1"]);
    assert!(scene.over());
    assert_eq!(scene.repo.read("notes.txt"), "renamed\n");
}

#[test]
fn an_agent_may_neither_approve_nor_answer_for_a_person_nor_ask_for_a_review() {
    let tries = "for it in 'approve pr1' 'answer pr1 1 fine --push-back' 'comment pr1 fine' 'review pr1 --agent twin --because it' 'land pr1'; do\n\
        \"$PILOTHOUSE_BIN\" pr $it >> notes.txt 2>&1; env -u PILOTHOUSE_SESSION setsid \"$PILOTHOUSE_BIN\" pr $it >> notes.txt 2>&1; done\n\
        settle 1 deferred 'later' --tracker '#7'";
    let scene = scene(writer(tries), critic("found right P0 'It adds nothing up'"), "person", ON);
    scene.start();
    scene.stands("done");
    let page = scene.page();
    assert!(page["pull"]["approval"].is_null(), "{page:#}");
    let finding = &page["pull"]["review"]["findings"][0];
    assert_eq!(finding["answer"]["reply"], json!({ "reply": "deferred", "tracker": "#7" }));
    let refused = scene.home.history().iter().filter(|it| it.event.word() == "refused").count();
    assert_eq!(refused, 10, "each try is refused and recorded");
}

#[test]
fn a_family_reviews_itself_only_with_a_reason_and_where_nobody_is_named_that_is_said() {
    let scene = scene(
        writer("true"),
        critic("found right nothing x"),
        "person",
        "{ agents: [twin], lenses: [right] }",
    );
    let home = &scene.home;
    scene.start();
    scene.checked();
    let shown = home.run(&["pr", "show", "pr1"]).out;
    assert!(
        shown.contains("nobody of another model family is named to review it: twin is of the family alpha"),
        "{shown}"
    );
    assert!(scene.sat().is_empty());
    let alike = home.try_json(&["pr", "review", "pr1", "--agent", "twin"]).fault();
    assert!(alike.contains("it errs alike") && alike.contains("--because"), "{alike}");
    home.json(&["pr", "review", "pr1", "--agent", "twin", "--because", "no other one here"]);
    scene.stands("done");
    let round = &scene.page()["pull"]["review"]["rounds"][0];
    assert_eq!(round["excuse"]["because"], "no other one here", "{round:#}");
    let again = home.try_json(&["pr", "review", "pr1", "--agent", "twin", "--because", "still"]).fault();
    assert!(again.contains("looked at just this change before"), "{again}");
}
