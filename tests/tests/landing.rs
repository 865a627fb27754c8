//! Landing with the default branch checked out clean, dirty elsewhere, dirty in the way, not checked out, and checked
//! out in a worktree of the user's own; and moves of it by others.

use pilothouse_contract::Record;
use pilothouse_contract::event::Event;
use pilothouse_contract::project::Line;
use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;

struct Scene {
    home: Home,
    repo: Repo,
    agent: ShellAgent,
}

/// A repository with a one-task spec whose agent edits `shared.txt` and makes `made.txt`.
fn scene() -> Scene {
    scene_of(
        &[],
        ("shared.txt`, `made.txt", "grep -q agent shared.txt && test -s made.txt"),
        "echo agent > shared.txt; echo made > made.txt",
    )
}

/// A repository with more files, a one-task spec with these files and this proof, and an agent that does this.
fn scene_of(more: &[(&str, &str)], (files, proof): (&str, &str), agent: &str) -> Scene {
    let tasks = task_file(&[("T001", files, proof)]);
    let first = [
        ("shared.txt", "first\n"),
        ("other.txt", "other\n"),
        (".gitignore", "*.log\n"),
        ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
        ("specs/001-work/tasks.md", &tasks),
    ];
    let repo = Repo::new("shop", &[&first, more].concat());
    let home = Home::trusting(&repo);
    Scene { home, repo, agent: ShellAgent::new(agent) }
}

impl Scene {
    fn start(&self, approve: &str) {
        self.home.json(&[
            "run",
            "start",
            "001-work",
            "--command",
            &self.agent.command(),
            "--approve",
            approve,
        ]);
    }

    fn wait(&self, fits: impl Fn(&Record) -> bool) -> Record {
        self.home.events(0).find(|record| fits(record)).expect("the engine tells")
    }

    fn wait_for_pull(&self, fits: impl Fn(&PullState) -> bool) -> PullState {
        let record = self.wait(|record| matches!(&record.event, Event::PullMoved { to, .. } if fits(to)));
        let Event::PullMoved { to, .. } = record.event else { unreachable!() };
        to
    }

    fn wait_landed(&self) -> String {
        match self.wait_for_pull(PullState::is_over) {
            PullState::Landed { commit } => commit.0,
            other => panic!("{other:?}"),
        }
    }

    fn main(&self) -> String {
        self.repo.git(&["rev-parse", "main"])
    }
}

#[test]
fn a_clean_checkout_comes_along() {
    let scene = scene();
    scene.start("policy");
    let landed = scene.wait_landed();
    assert_eq!(scene.main(), landed);
    assert_eq!(
        (scene.repo.read("shared.txt"), scene.repo.read("made.txt")),
        ("agent\n".to_owned(), "made\n".to_owned())
    );
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    assert!(scene.repo.read("specs/001-work/tasks.md").contains("- [x] T001"), "ticked by the engine");
    scene.home.at_rest();
    let branches = scene.repo.git(&["branch", "--format=%(refname:short)"]);
    assert_eq!(branches, "main", "no branch of ours is left over");
    assert_eq!(scene.repo.git(&["worktree", "list"]).lines().filter(|it| !it.contains("runner-")).count(), 1);
    let checks = scene.home.json(&["pr", "show", "pr1"]);
    let tree = scene.repo.git(&["rev-parse", "main^{tree}"]);
    for evidence in checks["evidence"].as_array().unwrap().iter().filter(|it| it["gate"] == "landing") {
        assert_eq!(
            (evidence["tree"].as_str(), evidence["verdict"].as_str()),
            (Some(tree.as_str()), Some("passed"))
        );
    }
}

#[test]
fn edits_elsewhere_are_kept() {
    let scene = scene();
    scene.repo.write("other.txt", "mine, unstaged\n");
    scene.repo.write("staged.txt", "mine, staged\n");
    scene.repo.git(&["add", "staged.txt"]);
    scene.repo.write("untracked.txt", "mine, untracked\n");
    let before = scene.repo.git(&["status", "--porcelain"]);
    scene.start("policy");
    let landed = scene.wait_landed();
    assert_eq!(scene.main(), landed);
    assert_eq!(scene.repo.read("shared.txt"), "agent\n");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), before);
    assert_eq!(scene.repo.read("other.txt"), "mine, unstaged\n");
}

#[test]
fn edits_in_the_way_make_the_landing_wait_and_name_them() {
    let scene = scene();
    scene.repo.write("shared.txt", "mine\n");
    let before = scene.main();
    scene.start("policy");
    let state = scene.wait_for_pull(|state| matches!(state, PullState::WaitsForCheckout { .. }));
    let PullState::WaitsForCheckout { checkout, paths } = state else { unreachable!() };
    assert_eq!((checkout, paths), (scene.repo.name(), vec!["shared.txt".to_owned()]));
    assert_eq!(
        (scene.main(), scene.repo.read("shared.txt")),
        (before, "mine\n".to_owned()),
        "nothing was touched"
    );
    // Asking again says the same and does no harm.
    let again = scene.home.try_json(&["pr", "land", "pr1"]);
    assert_eq!((again.code, again.json()["state"]["state"].as_str()), (1, Some("waits-for-checkout")));
    // Out of the way: it lands by itself.
    scene.repo.git(&["checkout", "--quiet", "--", "shared.txt"]);
    assert_eq!(scene.wait_landed(), scene.main());
    assert_eq!(scene.repo.read("shared.txt"), "agent\n");
    // What git leaves behind at a try is no reason for another: one by the engine, one that was asked for.
    let history = scene.home.history();
    let waited = history
        .iter()
        .filter(|it| matches!(&it.event, Event::PullMoved { to: PullState::WaitsForCheckout { .. }, .. }));
    assert_eq!(waited.count(), 2);
}

#[test]
fn an_ignored_or_untracked_file_in_the_way_is_never_overwritten() {
    let scene = scene();
    scene.repo.write("made.txt", "mine, untracked\n");
    scene.repo.commit(&[], "nothing");
    scene.repo.git(&["rm", "--quiet", "--cached", "made.txt"]);
    scene.repo.git(&["commit", "--quiet", "--message", "untracked again"]);
    scene.repo.write(".git/info/exclude", "made.txt\n");
    scene.start("policy");
    let state =
        scene.wait_for_pull(|state| matches!(state, PullState::WaitsForCheckout { .. }) || state.is_over());
    assert!(
        matches!(&state, PullState::WaitsForCheckout { paths, .. } if paths == &["made.txt"]),
        "{state:?}"
    );
    assert_eq!(scene.repo.read("made.txt"), "mine, untracked\n");
    std::fs::remove_file(scene.repo.path().join("made.txt")).unwrap();
    scene.wait_landed();
    assert_eq!(scene.repo.read("made.txt"), "made\n");
}

#[test]
fn an_ignored_file_where_a_folder_lands_is_kept_until_it_is_out_of_the_way() {
    let scene = scene_of(&[], ("build/x", "test -s build/x"), "mkdir -p build; echo made > build/x");
    scene.repo.write(".git/info/exclude", "build\n");
    scene.repo.write("build", "mine, ignored\n");
    let before = scene.main();
    scene.start("policy");
    let state =
        scene.wait_for_pull(|state| matches!(state, PullState::WaitsForCheckout { .. }) || state.is_over());
    assert!(
        matches!(&state, PullState::WaitsForCheckout { paths, .. } if paths == &["build/x"]),
        "{state:?}"
    );
    assert_eq!((scene.main(), scene.repo.read("build")), (before, "mine, ignored\n".to_owned()));
    std::fs::remove_file(scene.repo.path().join("build")).unwrap();
    scene.wait_landed();
    assert_eq!(scene.repo.read("build/x"), "made\n");
}

#[test]
fn a_folder_where_a_file_lands_is_kept_until_it_is_out_of_the_way() {
    // A tracked folder becomes a file, and holds a file of the user's own that git ignores.
    let scene =
        scene_of(&[("lib/a.txt", "a\n")], ("lib`, `lib/a.txt", "test -f lib"), "rm -r lib; echo made > lib");
    scene.repo.write("lib/mine.log", "mine, ignored\n");
    let before = scene.main();
    scene.start("policy");
    let state =
        scene.wait_for_pull(|state| matches!(state, PullState::WaitsForCheckout { .. }) || state.is_over());
    assert!(matches!(&state, PullState::WaitsForCheckout { paths, .. } if paths == &["lib"]), "{state:?}");
    assert_eq!(
        (scene.main(), scene.repo.read("lib/mine.log"), scene.repo.read("lib/a.txt")),
        (before, "mine, ignored\n".to_owned(), "a\n".to_owned())
    );
    std::fs::remove_file(scene.repo.path().join("lib/mine.log")).unwrap();
    scene.wait_landed();
    assert_eq!(scene.repo.read("lib"), "made\n");
}

#[test]
fn an_untracked_folder_where_a_file_lands_is_kept_until_it_is_out_of_the_way() {
    let scene = scene();
    scene.repo.write("made.txt/mine", "mine, untracked\n");
    scene.start("policy");
    let state =
        scene.wait_for_pull(|state| matches!(state, PullState::WaitsForCheckout { .. }) || state.is_over());
    assert!(
        matches!(&state, PullState::WaitsForCheckout { paths, .. } if paths == &["made.txt"]),
        "{state:?}"
    );
    assert_eq!(scene.repo.read("made.txt/mine"), "mine, untracked\n");
    std::fs::remove_dir_all(scene.repo.path().join("made.txt")).unwrap();
    scene.wait_landed();
    assert_eq!(scene.repo.read("made.txt"), "made\n");
}

#[test]
fn a_branch_that_is_not_checked_out_is_moved_alone() {
    let scene = scene();
    scene.repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    scene.repo.write("shared.txt", "mine\n");
    scene.start("policy");
    let landed = scene.wait_landed();
    assert_eq!(scene.main(), landed);
    assert_eq!(scene.repo.read("shared.txt"), "mine\n");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "M shared.txt");
    assert_eq!(scene.repo.git(&["show", "main:shared.txt"]), "agent");
}

#[test]
fn a_checkout_in_a_worktree_of_the_users_own_comes_along() {
    let scene = scene();
    scene.repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    let beside = scene.repo.path().with_file_name("beside");
    scene.repo.git(&["worktree", "add", "--quiet", beside.to_str().unwrap(), "main"]);
    scene.start("policy");
    scene.wait_landed();
    assert_eq!(std::fs::read_to_string(beside.join("shared.txt")).unwrap(), "agent\n");
    assert_eq!(scene.repo.read("shared.txt"), "first\n");
}

#[test]
fn a_rebase_in_a_worktree_of_the_users_own_is_waited_for_and_its_end_noticed() {
    let scene = scene();
    scene.repo.commit(&[("more.txt", "more\n")], "More");
    scene.repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    let beside = scene.repo.path().with_file_name("beside");
    let beside = beside.to_str().unwrap();
    scene.repo.git(&["worktree", "add", "--quiet", beside, "main"]);
    scene.repo.git(&[
        "-C",
        beside,
        "-c",
        "sequence.editor=sed -i 1ibreak",
        "rebase",
        "--quiet",
        "-i",
        "HEAD~1",
    ]);
    let before = scene.main();
    scene.start("policy");
    let state =
        scene.wait_for_pull(|state| matches!(state, PullState::WaitsForCheckout { .. }) || state.is_over());
    assert!(
        matches!(&state, PullState::WaitsForCheckout { checkout, paths } if checkout == beside && paths.is_empty()),
        "{state:?}"
    );
    assert_eq!(scene.main(), before);
    scene.repo.git(&["-C", beside, "rebase", "--abort"]);
    assert_eq!(scene.wait_landed(), scene.main());
    assert_eq!(std::fs::read_to_string(format!("{beside}/made.txt")).unwrap(), "made\n");
}

#[test]
fn nothing_lands_without_a_yes_and_the_yes_is_the_persons() {
    let scene = scene();
    let before = scene.main();
    scene.start("person");
    scene.wait_for_pull(|state| *state == PullState::WaitsForApproval);
    assert_eq!(scene.main(), before);
    let refused = scene.home.try_json(&["pr", "land", "pr1"]);
    assert!(refused.fault().contains("nobody's yes"), "{refused:?}");
    scene.home.json(&["pr", "approve", "pr1"]);
    scene.wait_landed();
    let page = scene.home.json(&["pr", "show", "pr1"]);
    assert_eq!(page["pull"]["approval"]["by"]["kind"], "person");
    assert_eq!(page["pull"]["approval"]["head"], page["pull"]["head"]);
    let lines = page["pull"]["body"]["verified"].as_array().unwrap();
    assert_eq!(lines.len(), 1);
    let bound =
        page["evidence"].as_array().unwrap().iter().find(|it| it["id"] == lines[0]["evidence"]).unwrap();
    assert_eq!((bound["verdict"].as_str(), bound["gate"].as_str()), (Some("passed"), Some("verify")));
}

#[test]
fn a_commit_of_the_users_own_during_a_run_stops_the_line_until_they_say_yes() {
    let scene = scene();
    scene.start("person");
    scene.wait_for_pull(|state| *state == PullState::WaitsForApproval);
    scene.repo.commit(&[("hotfix.txt", "urgent\n")], "Hotfix");
    let hotfix = scene.main();
    let record = scene.wait(|it| matches!(it.event, Event::LineChanged { line: Line::Stopped { .. }, .. }));
    let Event::LineChanged { line: Line::Stopped { found, named, .. }, .. } = record.event else {
        unreachable!()
    };
    assert_eq!(found.unwrap().0, hotfix);
    assert!(named.contains("test@example.invalid") && named.contains("Hotfix"), "{named}");
    scene.home.json(&["pr", "approve", "pr1"]);
    scene.wait_for_pull(|state| *state == PullState::WaitsForLine);
    assert_eq!(scene.main(), hotfix, "nothing lands while the line is stopped");
    scene.home.json(&["project", "adopt", "shop"]);
    let landed = scene.wait_landed();
    assert_eq!(scene.repo.git(&["merge-base", &landed, &hotfix]), hotfix, "the hotfix is kept");
    assert_eq!(scene.repo.read("hotfix.txt"), "urgent\n");
    let page = scene.home.json(&["pr", "show", "pr1"]);
    let tree = scene.repo.git(&["rev-parse", "main^{tree}"]);
    let on_it = |it: &&serde_json::Value| {
        it["gate"] == "landing" && it["tree"] == tree.as_str() && it["verdict"] == "passed"
    };
    assert!(
        page["evidence"].as_array().unwrap().iter().any(|it| on_it(&it)),
        "checked anew on the tree that landed"
    );
}

#[test]
fn a_move_from_outside_can_be_taken_back() {
    let scene = scene();
    let before = scene.main();
    scene.start("person");
    scene.wait_for_pull(|state| *state == PullState::WaitsForApproval);
    // Moved under its checkout, as a bare update-ref does: the checkout shows the reverse change.
    let tree = scene.repo.git(&["rev-parse", "HEAD^{tree}"]);
    let stray = scene.repo.git(&["commit-tree", &tree, "-p", "HEAD", "-m", "stray"]);
    scene.repo.git(&["update-ref", "-m", "oops", "refs/heads/main", &stray]);
    scene.wait(|it| matches!(it.event, Event::LineChanged { line: Line::Stopped { .. }, .. }));
    scene.home.json(&["project", "take-back", "shop"]);
    assert_eq!((scene.main(), scene.repo.git(&["status", "--porcelain"])), (before, String::new()));
    let kept = scene.repo.git(&["for-each-ref", "--format=%(objectname)", "refs/pilothouse/recovery/"]);
    assert!(kept.contains(&stray), "what it pointed to is kept");
    scene.home.json(&["pr", "approve", "pr1"]);
    scene.wait_landed();
}

#[test]
fn a_move_while_nothing_is_under_way_is_followed() {
    let scene = scene();
    scene.repo.commit(&[("more.txt", "more\n")], "More");
    let record = scene.wait(|it| matches!(it.event, Event::MainMoved { .. }));
    let Event::MainMoved { to, .. } = record.event else { unreachable!() };
    assert_eq!(to.0, scene.main());
    scene.start("policy");
    scene.wait_landed();
    assert_eq!(scene.repo.read("more.txt"), "more\n");
}

#[test]
fn a_check_that_fails_on_the_merge_result_sends_the_change_back() {
    let scene = scene();
    scene.repo.commit(
        &[(
            "WORKFLOW.md",
            "---\npilothouse:\n  checks:\n    - test ! -e made.txt || test -e hotfix.txt\n---\n",
        )],
        "A check that the change does not hold",
    );
    // It came after the yes, and runs only once somebody saw it.
    let refused = scene.home.try_json(&["run", "start", "001-work", "--agent", "rehearsal"]).fault();
    assert!(refused.contains("the command in WORKFLOW.md checks is new"), "{refused}");
    scene.home.trust_again(&scene.repo);
    let before = scene.main();
    scene.start("policy");
    let ended = scene.wait(|it| matches!(it.event, Event::RunMoved { to: RunState::Parked, .. }));
    let Event::RunMoved { why, stop, evidence, .. } = ended.event else { unreachable!() };
    assert!(why.contains("failed on the merge result"), "{why}");
    assert_eq!(stop.map(|it| it.word()), Some("sent-back"));
    // What shows it is the check that failed, and nobody has to search for it.
    let shown =
        scene.home.try_json(&["evidence", "show", &evidence[0].to_string()]).json()["evidence"].clone();
    assert_eq!((&shown["gate"], &shown["verdict"]), (&"landing".into(), &"failed".into()), "{shown}");
    assert_eq!(scene.main(), before);
    // What the check asks for comes onto main; the run goes on, is merged with it and checked anew.
    scene.repo.commit(&[("hotfix.txt", "here\n")], "What the check wants");
    let hotfix = scene.main();
    scene.wait(|it| matches!(&it.event, Event::MainMoved { to, .. } if to.0 == hotfix));
    scene.start("policy");
    let landed = scene.wait(|it| matches!(it.event, Event::RunMoved { to: RunState::Landed, .. }));
    assert!(landed.seq > ended.seq);
    assert_eq!(scene.repo.read("made.txt"), "made\n");
}

#[test]
fn a_proof_that_fails_and_then_holds_on_the_same_tree_lands_and_is_called_a_flake() {
    let proof = "test -s made.txt && ! mkdir \"$(git rev-parse --git-common-dir)/seen\" 2>&1";
    let scene = scene_of(&[], ("made.txt", proof), "echo made > made.txt");
    scene.start("policy");
    scene.wait_landed();
    let page = scene.home.json(&["run", "show", "r1"]);
    let verified: Vec<(&str, bool)> = page["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["gate"] == "verify")
        .map(|it| (it["verdict"].as_str().unwrap(), it["flaky_after"].is_string()))
        .collect();
    assert_eq!(verified, [("failed", false), ("passed", true)]);
    assert_eq!(page["attempts"].as_array().unwrap().len(), 1, "the agent was not asked twice");
    let says = page["pull"]["body"]["verified"][0]["says"].as_str().unwrap();
    assert!(says.contains("a flake: it failed there at first"), "{says}");
    // The receipt and the brief count it apart from what really failed.
    let receipt = &scene.home.json(&["receipt", "r1"])["receipt"]["checks"];
    let verified = receipt.as_array().unwrap().iter().find(|it| it["gate"] == "verify").unwrap();
    let counted = ["passed", "failed", "flaky", "unknown"].map(|it| verified[it].as_u64().unwrap());
    assert_eq!(counted, [1, 0, 1, 0], "{receipt}");
    let totals = &scene.home.json(&["brief"])["totals"];
    assert_eq!((&totals["broke"], totals["flaky"].as_array().unwrap().len()), (&serde_json::json!([]), 1));
}
