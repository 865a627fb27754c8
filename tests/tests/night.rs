//! Nights: the machine is kept awake while runs are carried and not a moment longer, whatever becomes of the engine; where
//! that cannot be done it is said.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pilothouse_contract::event::Event;
use pilothouse_contract::run::RunState;
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{Fifo, kill_at_once, lives};
use pilothouse_testkit::repo::Repo;

/// A search path on which the system's tool is this script.
fn tool(folder: &Path, script: &str) -> String {
    let name = if cfg!(target_os = "macos") { "caffeinate" } else { "systemd-inhibit" };
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}

fn repo() -> Repo {
    let tasks = task_file(&[("T001", "made.txt", "test -s made.txt")]);
    Repo::new(
        "shop",
        &[
            ("specs/001-work/spec.md", "# Work\n\n## Summary\n\nIt must be done.\n"),
            ("specs/001-work/tasks.md", &tasks),
        ],
    )
}

#[test]
fn the_machine_is_kept_awake_while_a_run_is_carried_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = |name: &str| Fifo::new(folder.path().join(name));
    let (begun, held, here, go) = (fifo("begun"), fifo("held"), fifo("here"), fifo("go"));
    // Whoever reads `held` reads until the tool and all it started are gone.
    let script = format!(
        "echo $$ > {}; exec 9> {}; echo held >&9; exec cat > /dev/null",
        begun.path().display(),
        held.path().display()
    );
    let repo = repo();
    let home = Home::trusting(&repo).with_env("PATH", &tool(folder.path(), &script));
    home.json(&["engine", "restart"]);
    assert_eq!(home.json(&["engine", "keep-awake"])["keep_awake"], false, "nobody asked for it");
    home.json(&["engine", "keep-awake", "on"]);
    let agent = ShellAgent::new(&format!(
        "echo here > {}; read go < {}; echo made > made.txt",
        here.path().display(),
        go.path().display()
    ));
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "policy"]);
    let first: u32 = begun.read().trim().parse().unwrap();
    assert_eq!(here.read().trim(), "here");
    std::thread::scope(|scope| {
        let over = scope.spawn(|| held.read());
        assert!(lives(first));
        kill_at_once(home.engine_pid());
        over.join().unwrap();
        // The next engine knows what was wanted.
        let second: u32 = begun.read().trim().parse().unwrap();
        assert_ne!(first, second);
        let over = scope.spawn(|| held.read());
        assert!(lives(second));
        std::fs::write(go.path(), "go\n").unwrap();
        let landed = |it: &Event| matches!(it, Event::RunMoved { to: RunState::Landed, .. });
        home.events(0).find(|it| landed(&it.event)).unwrap();
        over.join().unwrap();
    });
}

#[test]
fn a_machine_that_cannot_be_kept_awake_is_named_once_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let repo = repo();
    let path = tool(folder.path(), "echo 'Access denied' >&2; exit 1");
    let home = Home::trusting(&repo).with_env("PATH", &path);
    home.json(&["engine", "restart"]);
    home.json(&["engine", "keep-awake", "on"]);
    let agent = ShellAgent::new("echo made > made.txt");
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "policy"]);
    let told = |it: &Event| matches!(it, Event::Notice { says, .. } if says.contains("cannot be kept awake"));
    home.events(0).find(|it| told(&it.event)).unwrap();
    let landed = |it: &Event| matches!(it, Event::RunMoved { to: RunState::Landed, .. });
    home.events(0).find(|it| landed(&it.event)).unwrap();
    let all: Vec<String> = home
        .history()
        .into_iter()
        .filter(|it| told(&it.event))
        .map(|it| match it.event {
            Event::Notice { says, .. } => says,
            _ => String::new(),
        })
        .collect();
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].contains("ended: Access denied"), "{all:?}");
    assert!(all[0].contains("pilothouse engine keep-awake off"), "{all:?}");
}
