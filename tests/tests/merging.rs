//! Many approved pull requests of one real repository: they land together by the checks of what lands, whoever breaks the others is
//! found and sent back, and a person can hold the line and let one through.

use pilothouse_contract::event::Event;
use pilothouse_contract::pull::PullState;
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use serde_json::Value;

const ITEMS: [&str; 5] = ["one", "two", "three", "four", "five"];

struct Scene {
    home: Home,
    repo: Repo,
    _agent: ShellAgent,
}

/// A repository with five items of one task each, and a check; each of them has a pull request that waits for a yes.
fn scene(check: &str, agent: &str) -> Scene {
    let workflow = "---\npilothouse:\n  checks: [sh check.sh]\n  queue: { batch: 8, parallel: 1 }\n---\n";
    let mut files = vec![
        ("WORKFLOW.md".to_owned(), workflow.to_owned()),
        ("check.sh".to_owned(), format!("{check}\n")),
        ("shared".to_owned(), "first\n".to_owned()),
    ];
    for (n, item) in (1..).zip(ITEMS) {
        let tasks =
            task_file(&[(&format!("T00{n}"), &format!("{item}`, `shared"), &format!("test -s {item}"))]);
        files.push((
            format!("specs/00{n}-{item}/spec.md"),
            format!("# {item}\n\n## Summary\n\nIt must be.\n"),
        ));
        files.push((format!("specs/00{n}-{item}/tasks.md"), tasks));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let repo = Repo::new("shop", &files);
    let home = Home::trusting(&repo);
    let names =
        "case $task in T001) it=one;; T002) it=two;; T003) it=three;; T004) it=four;; *) it=five;; esac";
    let agent = ShellAgent::new(&format!("{names}\necho made > $it\n{agent}"));
    for (n, item) in (1..).zip(ITEMS) {
        home.json(&["run", "start", &format!("00{n}-{item}"), "--command", &agent.command()]);
    }
    let waits = home
        .events(0)
        .filter(|it| matches!(it.event, Event::PullMoved { to: PullState::WaitsForApproval, .. }));
    assert_eq!(waits.take(ITEMS.len()).count(), ITEMS.len());
    Scene { home, repo, _agent: agent }
}

impl Scene {
    /// The pull request of an item, as it is told now.
    fn pull(&self, item: &str) -> Value {
        let all = self.home.json(&["pr", "list"]);
        let found = all.as_array().unwrap().iter().find(|it| it["title"] == item);
        found.unwrap_or_else(|| panic!("no pull request of {item}: {all}")).clone()
    }

    fn id(&self, item: &str) -> String {
        self.pull(item)["id"].as_str().unwrap().to_owned()
    }

    fn approve_all(&self) {
        for item in ITEMS {
            self.home.json(&["pr", "approve", &self.id(item)]);
        }
    }

    /// Waits until so many are over.
    fn wait_over(&self, n: usize) {
        let over =
            self.home.events(0).filter(|it| matches!(&it.event, Event::PullMoved { to, .. } if to.is_over()));
        assert_eq!(over.take(n).count(), n);
    }

    fn files(&self, at: &str) -> Vec<String> {
        let all = self.repo.git(&["ls-tree", "--name-only", at]);
        ITEMS.iter().filter(|item| all.lines().any(|it| it == **item)).map(|it| (*it).to_owned()).collect()
    }

    fn checks_at_landing(&self) -> usize {
        let checks = self.home.history();
        let landing = |it: &pilothouse_contract::Record| matches!(&it.event, Event::EvidenceGathered { evidence } if evidence.gate == pilothouse_contract::evidence::Gate::Landing);
        checks.into_iter().filter(landing).count()
    }
}

#[test]
fn what_was_approved_while_the_line_was_held_lands_together_and_who_breaks_it_is_sent_back() {
    // Two and four hold each by itself, and not together.
    let scene = scene("! { test -e two && test -e four; }", "");
    let held = scene.home.json(&["line", "stop", "shop", "--why", "the release is being cut"]);
    assert_eq!(held["held"]["why"], "the release is being cut");
    scene.approve_all();
    let before = scene.checks_at_landing();
    assert_eq!(before, ITEMS.len(), "each was checked by itself once, on the default branch");
    let page = scene.home.json(&["pr", "show", &scene.id("three")]);
    assert_eq!(page["pull"]["state"]["state"], "waits-for-line");
    let wait = &page["waits"][0];
    assert_eq!(wait["on"], "line");
    assert!(wait["says"].as_str().unwrap().contains("the release is being cut"), "{wait}");
    assert!(wait["ends"].as_str().unwrap().contains("line open shop"), "{wait}");
    assert!(wait["since"].as_i64().unwrap() > 0, "{wait}");
    assert!(scene.home.try_json(&["pr", "land", &scene.id("one")]).fault().contains("holds the line"));

    // One is let through, and no other one with it.
    let escaped =
        scene.home.json(&["pr", "land", &scene.id("one"), "--escape", "--why", "users are locked out"]);
    assert_eq!(escaped["state"]["state"], "landed");
    assert_eq!(scene.files("main"), ["one"]);
    let brief = scene.home.json(&["brief", "--since", "1h"]);
    assert_eq!(brief["totals"]["escaped"], serde_json::json!([scene.id("one")]));

    scene.home.json(&["line", "open", "shop"]);
    scene.wait_over(ITEMS.len());
    scene.home.at_rest();
    let sent_back: Vec<&str> =
        ITEMS.into_iter().filter(|it| scene.pull(it)["state"]["state"] == "bounced").collect();
    let [bad] = sent_back.as_slice() else { panic!("{sent_back:?} were sent back") };
    assert!(["two", "four"].contains(bad), "{bad} broke nothing");
    assert!(scene.pull(bad)["why"].as_str().unwrap().contains("`sh check.sh` failed on the merge result"));
    let landed: Vec<&str> = ITEMS.into_iter().filter(|it| it != bad).collect();
    assert_eq!(scene.files("main"), landed);

    // Wherever the default branch ever stood, the check holds; and each stands on the one before.
    let stood = scene.repo.git(&["log", "--walk-reflogs", "--format=%H", "main"]);
    for commit in stood.lines() {
        let files = scene.files(commit);
        assert!(
            !(files.contains(&"two".to_owned()) && files.contains(&"four".to_owned())),
            "{commit}: {files:?}"
        );
        assert!(scene.repo.try_git(&["merge-base", "--is-ancestor", commit, "main"]).0, "{commit} was left");
    }
    // One by one it had taken at least four checks more, and twice that of the one that was sent back.
    let moves = stood.lines().count() - 1;
    assert!(moves < landed.len(), "they landed by {moves} moves: some of them together");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn texts_that_clash_are_sent_back_with_their_paths_once_the_other_one_has_landed() {
    let scene = scene("true", "case $it in two|four) echo $it > shared;; esac");
    scene.home.json(&["line", "stop", "shop", "--why", "wait"]);
    scene.approve_all();
    scene.home.json(&["line", "open", "shop"]);
    scene.wait_over(ITEMS.len());
    scene.home.at_rest();
    let state = |item: &str| scene.pull(item)["state"]["state"].as_str().unwrap().to_owned();
    let (two, four) = (state("two"), state("four"));
    assert!(
        [("landed", "bounced"), ("bounced", "landed")].contains(&(two.as_str(), four.as_str())),
        "{two}, {four}"
    );
    let bad = if two == "bounced" { "two" } else { "four" };
    let why = scene.pull(bad)["why"].as_str().unwrap().to_owned();
    assert!(why.contains("it clashes with the default branch: shared"), "{why}");
    assert_eq!(scene.files("main"), ITEMS.into_iter().filter(|it| *it != bad).collect::<Vec<_>>());
    assert_eq!(scene.checks_at_landing(), ITEMS.len() + 1, "what is left landed by one check together");
}
