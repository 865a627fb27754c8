//! What an attempt changed: its worktree as it is while it works, its commit once it is read; whatever its files are
//! called.

use pilothouse_contract::event::Event;
use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;

#[test]
fn an_attempt_shows_what_it_changed_while_it_works_and_after() {
    let workflow = "---\npilothouse:\n  attempts: 1\n---\n";
    let repo = Repo::with_tasks(&[("T001", "a", "grep -q two a")]);
    repo.commit(&[("WORKFLOW.md", workflow), ("a", "one\n")], "Say how");
    let home = Home::trusting(&repo);
    let unknown = home.try_json(&["task", "diff", "001-work", "T009"]);
    assert!(unknown.fault().contains("has no task 'T009'"), "{unknown:?}");
    let untried = home.try_json(&["task", "diff", "001-work", "T001"]);
    assert!(untried.fault().contains("nobody has tried"), "{untried:?}");
    // A changed file, one that git does not know with a name that would paint on a terminal, and a pause to look.
    let agent = ShellAgent::new(
        "echo two > a; printf 'x\\033[2Jy' > \"$(printf 'n\\033]0;evil\\007\\nm')\"
         \"$PILOTHOUSE_BIN\" hook ask 'Enough?' --choice yes",
    );
    home.json(&["run", "start", "001-work", "--command", &agent.command()]);
    let mut events = home.events(0);
    assert!(events.any(|it| matches!(it.event, Event::QuestionAsked { .. })));
    let live = home.json(&["task", "diff", "001-work", "T001"]);
    assert!(live["commit"].is_null() && live["cut"] == false, "{live}");
    assert_eq!(live["onto"].as_str().unwrap(), repo.git(&["rev-parse", "main"]));
    let diff = live["diff"].as_str().unwrap();
    assert!(diff.contains("-one\n+two\n") && diff.contains("+x\u{1b}[2Jy"), "{diff}");
    assert!(diff.contains(r#"b/n\033]0;evil\a\nm"#), "{diff}");
    let shown = home.run(&["task", "diff", "001-work", "T001"]);
    assert!(shown.out.contains("+x␛[2Jy") && !shown.out.contains('\u{1b}'), "{shown:?}");
    // Looking left the agent's own index as it was.
    let worktree = home.json(&["worktree", "list"])[0]["path"].as_str().unwrap().to_owned();
    let status =
        std::process::Command::new("git").args(["-C", &worktree, "status", "--porcelain"]).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.starts_with(" M a\n?? ") && status.lines().count() == 2, "{status}");
    let page = home.json(&["task", "show", "001-work", "T001"]);
    assert!(page["brief"].as_str().unwrap().contains("## Your task: T001"), "{page}");
    let kinds: Vec<&str> = page["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["session"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!((kinds, page["evidence"].as_array().unwrap().len()), (vec!["check", "agent"], 1));
    home.json(&["question", "answer", "q1", "yes"]);
    // The other file is outside its scope: the attempt fails, and what it made can still be looked at.
    assert!(events.any(|it| matches!(it.event, Event::AttemptFailed { .. })));
    let read = home.json(&["task", "diff", "001-work", "T001"]);
    let commit = read["commit"].as_str().unwrap();
    assert_eq!(repo.git(&["rev-parse", &format!("{commit}^")]), read["onto"].as_str().unwrap());
    assert_eq!(read["diff"], live["diff"], "what was read is what was seen");
}
