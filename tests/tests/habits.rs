//! Every habit of somebody who comes from a terminal multiplexer, by keyboard alone: list, attach, detach, scroll, earlier
//! lines, search, copy, split, unsplit, rename, send keys, broadcast; and going to an agent, a file or a worktree.

use pilothouse_testkit::agent::ShellAgent;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::json;

/// A page in good order was kept from nothing and complained of nothing.
fn in_good_order(window: &Window) {
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}

/// The text of the terminals on the page, with what stands above their screens.
fn terminal(window: &Window) -> String {
    window.eval("return window.__terminal()").as_str().unwrap_or_default().to_owned()
}

/// The rows of the first terminal that are drawn now.
fn drawn(window: &Window) -> Vec<String> {
    let rows = window.eval("return [...document.querySelector('.xterm-rows')?.children ?? []].map((it) => it.textContent.trimEnd())");
    serde_json::from_value(rows).unwrap_or_default()
}

/// What is on the clipboard: pasted into a field by the system's own key.
fn clipboard(window: &Window) -> String {
    window.keys("ctrl+k");
    window.wait("[data-name=ask]:focus");
    window.keys("ctrl+v");
    let pasted = || {
        window
            .eval("return document.querySelector('[data-name=ask]').value")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    window.until("something on the clipboard", || !pasted().is_empty());
    let all = pasted();
    window.keys("escape");
    window.until("the palette gone", || !window.find("[data-name=palette]"));
    all
}

fn types(window: &Window, text: &str) {
    window.type_text(text);
    window.keys("enter");
}

#[test]
fn every_habit_of_a_multiplexer_is_served_by_keyboard_alone() {
    let home = Home::new();
    let window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    let many = home.start(&["sh", "-c", "seq 1 3000; echo needle in hay; exec sh"]).to_string();
    let other = home.start(&["sh"]).to_string();
    let pane = |id: &str| format!("[data-name=terminal][data-session={id}]");
    // List: both stand there, and a key chooses one. Its terminal is watched.
    window.wait(&format!(".strip[data-subject={}]", other.to_uppercase()));
    window.keys("home");
    window.wait(&pane(&many));
    window.until("its last lines", || terminal(&window).contains("needle in hay"));
    // Scroll.
    window.keys("f6");
    window.until("the last line drawn", || drawn(&window).iter().any(|it| it == "2999"));
    window.keys("pageup");
    window.until("lines above", || drawn(&window).iter().any(|it| it == "2950"));
    window.keys("home");
    window.until("the first of 500 lines above", || drawn(&window).iter().any(|it| it.starts_with("24")));
    window.keys("end");
    window.until("the last line again", || drawn(&window).iter().any(|it| it == "needle in hay"));
    // Attach: from now on keys are the program's.
    window.keys("ctrl+shift+t");
    window.wait(".hands[data-taken]");
    window.wait(".xterm-helper-textarea:focus");
    types(&window, "echo typed-$((1 + 1))");
    window.until("what the program says", || terminal(&window).lines().any(|it| it == "typed-2"));
    // Earlier lines, while the keyboard stays where it is: nothing that is typed meanwhile is the program's.
    assert!(!terminal(&window).lines().any(|it| it == "17"));
    window.keys("ctrl+shift+e");
    window.until("lines out of the log", || terminal(&window).lines().any(|it| it == "17"));
    window.wait_text("[data-name=marking]", "Copy mode");
    window.keys("g");
    window.until("its very first line", || drawn(&window).first().is_some_and(|it| it == "1"));
    assert!(window.find(".hands[data-taken]"));
    // Copy: from a line, over two more, whole.
    for key in ["j", "down", "0", "v", "j", "j", "$", "y"] {
        window.keys(key);
    }
    window.wait_text(".termnotes", "Copied 5 signs");
    window.until("the end of copy mode", || !window.find("[data-name=marking]"));
    types(&window, "echo typed-$((2 + 2))");
    window.until("the program's keys again", || terminal(&window).lines().any(|it| it == "typed-4"));
    assert_eq!(terminal(&window).matches("typed-$((2").count(), 1, "no key of copy mode was typed");
    // Detach: it goes on.
    window.keys("shift+f6");
    window.until("hands off", || !window.find(".hands[data-taken]"));
    assert_eq!(clipboard(&window), "3 4 5", "lines as a field takes them");
    // Search, and copy what was found, while only watching. What is said meanwhile waits.
    window.keys("ctrl+shift+m");
    window.wait_text("[data-name=marking]", "nothing is marked yet");
    window.keys("/");
    window.wait("[data-name=find-text]:focus");
    window.type_text("needle");
    window.keys("enter");
    window.wait_text("[data-name=marking]", "6 signs marked");
    window.keys("escape");
    window.until("the field gone", || !window.find("[data-name=find]"));
    home.json(&["session", "send", &many, "--", "echo meanwhile", "Enter"]);
    window.keys("w");
    window.keys("w");
    window.wait_text("[data-name=marking]", "11 signs marked");
    assert!(!terminal(&window).contains("meanwhile"));
    window.keys("enter");
    window.wait_text(".termnotes", "Copied 11 signs");
    window.until("what came meanwhile", || terminal(&window).lines().any(|it| it == "meanwhile"));
    assert_eq!(clipboard(&window), "needle in h");
    // Split, and unsplit.
    window.keys("ctrl+shift+d");
    window.wait_text("[data-name=palette]", &format!("Beside: {other}"));
    window.keys("enter");
    window.wait(&pane(&other));
    window.keys("ctrl+shift+n");
    window.wait(&format!(".termpane[data-active] {}", pane(&other)));
    window.keys("ctrl+shift+w");
    window.until("one terminal", || !window.find(&pane(&other)));
    assert!(window.find(&pane(&many)));
    // Rename.
    window.keys("f2");
    window.wait("[data-name=title]:focus");
    window.keys("ctrl+a");
    window.type_text("counts");
    window.keys("enter");
    window.wait_text(&format!(".strip[data-subject={}]", many.to_uppercase()), "counts");
    // Send keys to one; to all of them, which is asked twice.
    window.keys("ctrl+shift+b");
    window.wait("[data-name=keys]:focus");
    window.wait_text("[data-name=to]", "Goes to 1 session");
    types(&window, "echo sent-$((3 + 3))");
    window.until("what was sent", || terminal(&window).lines().any(|it| it == "sent-6"));
    window.until("the question gone", || !window.find("[data-name=type]"));
    window.keys("ctrl+shift+b");
    window.wait("[data-name=keys]:focus");
    window.type_text("echo all-$((4 + 4))");
    window.keys("ctrl+shift+a");
    window.wait_text("[data-name=to]", "Goes to 2 sessions");
    window.keys("enter");
    window.wait_text("[data-name=to]", "Press again");
    let says = |id: &str| home.json(&["session", "screen", id])["text"].to_string();
    assert!(!says(&other).contains("all-"));
    window.keys("enter");
    window.until("all of them", || [&many, &other].iter().all(|id| says(id).contains("\"all-8\"")));
    in_good_order(&window);
}

#[test]
fn one_key_goes_to_an_agent_a_file_or_a_worktree() {
    let repo =
        Repo::with_tasks(&[("T001", "a.txt", "test -e a.txt"), ("T002", "deep/b.txt", "test -e deep/b.txt")]);
    let home = Home::trusting(&repo);
    // Each writes its file, and then waits.
    let agent = ShellAgent::new(
        "case $task in T001) echo one > a.txt;; *) mkdir -p deep; seq 1 400 > deep/b.txt;; esac; read word",
    );
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--slots", "2"]);
    let window = Window::open(&home, Options::default());
    window.wait("[data-bay=Working] .strip[data-subject$=T002]");
    let files = || home.json(&["task", "touched"]).to_string();
    window.until("both files", || files().contains("a.txt") && files().contains("deep/b.txt"));
    window.keys("ctrl+p");
    window.wait("[data-name=goto] [data-name=ask]:focus");
    window.wait_text("[data-name=goto]", "deep/b.txt");
    window.type_text("b.txt");
    window.keys("enter");
    window.wait("[data-tab=Diff][aria-selected=true]");
    window.wait("[data-name=diff] [data-path='deep/b.txt']");
    window.until("it in sight, and no longer looked for", || {
        let top = "const head = document.querySelector(\"[data-name=diff] [data-path='deep/b.txt']\").getBoundingClientRect(), pane = document.querySelector('[data-name=diff]').parentElement.getBoundingClientRect(); return head.top >= pane.top - 1 && head.top < pane.bottom";
        window.eval(top) == json!(true)
    });
    // An agent.
    window.keys("ctrl+p");
    window.wait("[data-name=goto] [data-name=ask]:focus");
    window.type_text("t001");
    window.keys("enter");
    window.wait(".strip[data-subject$=T001][aria-selected=true]");
    // A worktree.
    let worktree = home.json(&["worktree", "list"])[0].clone();
    window.keys("ctrl+p");
    window.wait("[data-name=goto] [data-name=ask]:focus");
    window.type_text(worktree["branch"].as_str().unwrap().trim_start_matches("refs/heads/"));
    window.wait_text("[data-name=goto] [aria-selected=true]", "worktree");
    window.keys("enter");
    window.wait(&format!(
        ".window[data-view=worktrees] [data-worktree={}][aria-selected=true]",
        worktree["id"].as_str().unwrap()
    ));
    in_good_order(&window);
    home.json(&["run", "stop", "r1"]);
}
