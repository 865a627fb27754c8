//! The real window over a real engine: what a person sees, clicks and types.

use std::process::Command;

use pilothouse_testkit::home::{Home, moved_to, ran};
use pilothouse_testkit::process::Fifo;
use pilothouse_testkit::window::{Options, Window};

/// A page in good order was kept from nothing and complained of nothing.
fn in_good_order(window: &Window) {
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}

#[test]
fn the_window_opens_on_a_fresh_home_and_again_after_it_was_killed() {
    let home = Home::new();
    let mut window = Window::open(&home, Options { theme: "dark", ..Options::default() });
    window.wait_text("body", "Add a repository");
    in_good_order(&window);
    let engine = home.engine_pid();
    // Somewhere else than where a window begins; killed in the moment in which that is kept.
    for (key, view) in [("ctrl+5", "wall"), ("ctrl+2", "worktrees"), ("ctrl+6", "brief")] {
        window.keys(key);
        window.wait(&format!(".window[data-view={view}]"));
        window.keeps();
        window.kill();
        assert_eq!(window.pid(), None);
        window.reopen();
        window.wait(&format!(".window[data-view={view}]"));
        assert_eq!(window.eval("return document.documentElement.dataset.theme"), "dark", "its theme is kept");
    }
    in_good_order(&window);
    assert_eq!(home.engine_pid(), engine, "the engine does not notice");
    // Two homes never meet: neither in the engine nor in what the page keeps.
    let other = Home::new();
    let elsewhere = Window::open(&other, Options::default());
    elsewhere.wait_text("body", "Add a repository");
    assert_ne!(other.engine_pid(), engine);
    elsewhere.wait(".window[data-view=board]");
    assert_eq!(elsewhere.eval("return window.__kept('ph.theme')"), "system");
}

#[test]
fn a_rehearsal_without_a_display_says_so_and_how_to_go_on() {
    let home = Home::new();
    let ran = home.run(&["rehearse", "--speed", "100"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("There is no display for the window, so go on here: pilothouse pr list"),
        "{ran:?}"
    );
    let run = home.json(&["run", "list"])[0].clone();
    assert_eq!(run["policy"]["approve"], "person", "whoever looks at a window says yes there: {run}");
}

#[test]
fn a_rehearsal_opens_the_window_that_lies_beside_the_program() {
    let home = Home::new();
    let beside = home.path().join("bin");
    std::fs::create_dir(&beside).unwrap();
    for name in ["pilothouse", "pilothouse-hold"] {
        std::fs::copy(home.program(name), beside.join(name)).unwrap();
    }
    let rehearse = |args: &[&str]| {
        let mut command = Command::new(beside.join("pilothouse"));
        ran(moved_to(home.path(), &mut command).arg("rehearse").args(args).env("DISPLAY", ":9"))
    };
    let without = rehearse(&["--speed", "100"]);
    assert!(without.out.contains("build it with cargo xtask run, or go on here"), "{without:?}");
    // A window that says that it was opened: reading waits until somebody writes.
    let told = Fifo::new(home.path().join("told"));
    let window = format!(
        "printf '#!/bin/sh\\necho \"$PILOTHOUSE_HOME\" >{told}\\n' >{0} && chmod +x {0}",
        beside.join("pilothouse-desktop").display()
    );
    assert!(Command::new("sh").args(["-c", &window]).status().unwrap().success());
    let with = rehearse(&["--speed", "100"]);
    assert!(with.out.contains("The window shows it."), "{with:?}");
    assert_eq!(told.read().trim(), home.path().to_str().unwrap());
}

#[test]
fn a_window_whose_engine_cannot_start_is_not_left_with_a_dead_child_for_each_try() {
    let home = Home::new().with_own_programs();
    let log = home.path().join("tries");
    home.install("pilothouse", format!("#!/bin/sh\necho try >> '{}'\n", log.display()).as_bytes());
    let window = Window::open(&home, Options::default());
    let tries = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    window.until("some tries", || tries() >= 4);
    let children = || {
        let parent = window.pid().unwrap().to_string();
        let out = Command::new("ps").args(["--ppid", &parent, "-o", "stat="]).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    window.until("no dead child of a try before", || children().matches('Z').count() <= 1);
    assert!(!children().is_empty(), "the window runs, with its page");
}
