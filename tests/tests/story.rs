//! The story of the window, by keyboard alone and then by mouse: a rehearsal seen at work, terminals, diffs, checks, the
//! plan and trajectories read, a question answered from the queue, a pull request approved and seen landing.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pilothouse_contract::pull::PullState;
use pilothouse_contract::run::TouchKind;
use pilothouse_contract::{Event, Record};
use pilothouse_testkit::agent::{ShellAgent, task_file};
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::{kill_at_once, lives};
use pilothouse_testkit::repo::Repo;
use pilothouse_testkit::window::{Options, Window};
use serde_json::{Value, json};

/// A page in good order was kept from nothing and complained of nothing.
fn in_good_order(window: &Window) {
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}

fn landed(record: &Record) -> bool {
    matches!(record.event, Event::PullMoved { to: PullState::Landed { .. }, .. })
}

/// The text of the terminals on the page.
fn terminal(window: &Window) -> String {
    window.eval("return window.__terminal()").as_str().unwrap_or_default().to_owned()
}

fn main_of(home: &Home) -> (PathBuf, String) {
    let project = &home.json(&["project", "list"])[0];
    let (path, main) = (project["path"].as_str().unwrap(), project["main"].as_str().unwrap());
    (PathBuf::from(path), main.to_owned())
}

/// Warm pixels outside of wells: where they are, at most a few.
fn warm_pixels(window: &Window) -> Vec<(u32, u32, [u8; 3])> {
    let wells = window.eval(
        "return [...document.querySelectorAll('.well')].map(it => { const r = it.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] })",
    );
    let wells: Vec<[f64; 4]> = serde_json::from_value(wells).unwrap();
    let file = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
    window.screenshot(file.path());
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file.path()).unwrap()))
        .read_info()
        .unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let step = info.color_type.samples();
    let mut warm = Vec::new();
    for (n, pixel) in bytes[..info.buffer_size()].chunks(step).enumerate() {
        let (x, y) = (u32::try_from(n).unwrap() % info.width, u32::try_from(n).unwrap() / info.width);
        let (r, b) = (i32::from(pixel[0]), i32::from(pixel[2]));
        let inside = |it: &[f64; 4]| {
            f64::from(x) >= it[0] && f64::from(x) <= it[2] && f64::from(y) >= it[1] && f64::from(y) <= it[3]
        };
        if r > b + 12 && !wells.iter().any(inside) {
            warm.push((x, y, [pixel[0], pixel[1], pixel[2]]));
        }
    }
    warm.truncate(5);
    warm
}

#[test]
fn a_newcomer_sees_a_fleet_at_work_answers_approves_and_sees_it_land_by_keyboard_alone() {
    let home = Home::new();
    let mut window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    window.keys("ctrl+shift+r");
    // Agents come up on the board, and the first of them on the stage.
    window.wait("[data-bay=Working] .strip[aria-selected=true]");
    // Its terminal is closed while it works, until somebody wants to look.
    window.keys("t");
    window.until("the agent's first words on its screen", || {
        // It may have ended meanwhile: then there is nothing to keep closed.
        if window.find("[data-name=closed]") {
            window.keys("o");
        }
        terminal(&window).contains("I take T00")
    });
    window.keys("d");
    window.until("a diff of what it writes", || window.find("[data-name=diff] [data-d='+']"));
    window.keys("c");
    window.wait("[data-name=checks] [data-verdict=passed]");
    window.keys("p");
    window.wait("[data-name=plan] [data-task=T006]");
    window.wait_text("[data-name=plan]", "Coverage");
    window.wait_text("[data-name=gates]", "G7 verify");
    window.keys("e");
    window.wait_text("[data-name=timeline]", "Attempt 1 started");
    // An agent asks; the question is in the queue with its answers, and its tile says so.
    window.wait(".item[data-key^='question']");
    window.wait(".tile[data-family='Needs you'][data-p='2']");
    window.keys("ctrl+j");
    window.wait(".item[data-key^='question'][aria-selected=true]");
    // Its keyboard is not for the taking while the queue can answer it.
    window.keys("ctrl+shift+t");
    window.wait("[data-name=refused]");
    window.until("hands off", || !window.find(".hands[data-taken]"));
    window.keys("ctrl+enter");
    window.until("no question any more", || !window.find(".item[data-key^='question']"));
    let question = &home.json(&["question", "list", "--all"])[0];
    assert_eq!(question["answer"]["text"], question["choices"][0], "{question}");
    assert_eq!(question["answer"]["by"]["kind"], "person", "{question}");
    // The pull request comes to the Land bay, and is read before it is approved.
    window.wait("[data-bay=Land] .strip[data-subject=PR1]");
    window.keys("ctrl+3");
    window.wait("[data-name=landbar][data-state=waits-for-approval]");
    window.wait_text("[data-name=pull]", "How verified");
    window.wait("[data-name=pull] [data-verdict=passed]");
    window.wait("[data-name=diff] [data-d='+']");
    let (_, before) = main_of(&home);
    window.keys("y");
    window.wait("[data-name=landbar][data-state=landed]");
    let (path, after) = main_of(&home);
    assert_ne!(before, after);
    let tree = std::process::Command::new("git")
        .args(["log", "-1", "--format=%H"])
        .current_dir(&path)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&tree.stdout).trim(), after, "the checkout of main went with it");
    // One page says what it took, and that somebody answered.
    window.keys("ctrl+shift+p");
    window.wait_text("[data-name=receipt]", &format!("landed as {}", &after[..10]));
    window.wait_text("[data-name=receipt]", "question answered");
    window.keys("Enter");
    window.wait_text("[data-name=receipt]", "Copied.");
    window.keys("escape");
    window.until("it closed", || !window.find("[data-name=receipt]"));
    // What the agents said and did is there to read.
    window.keys("ctrl+4");
    window.wait("[data-trajectory][aria-selected=true]");
    // First the one that ended last: whoever held the requirements against the evidence.
    window.wait_text("[data-trajectory][aria-selected=true]", "requirements met");
    window.wait_text("[data-name=trajectory]", "I hold each requirement against the evidence");
    window.keys("j");
    window.wait("[data-trajectory]:nth-child(2)[aria-selected=true]");
    window.wait_text("[data-name=trajectory]", "I take T00");
    // A fleet that is well is grey: no warm pixel outside of wells, in either theme.
    window.keys("ctrl+1");
    window.wait(".bays");
    for theme in ["light", "dark"] {
        window.theme(theme);
        window.wait_text(".queue", "Nothing needs you");
        assert_eq!(warm_pixels(&window), [], "{theme}");
    }
    assert_eq!(window.eval("return document.getAnimations().length"), 0, "nothing moves at rest");
    let run = &home.json(&["run", "show", "r1"])["run"];
    let kinds: Vec<&Value> = run["touches"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    // At the first agent's terminal, if it worked still, and at that of the one that asked.
    let (last, looks) = kinds.split_last().unwrap();
    assert_eq!(*last, &json!(TouchKind::Answered));
    assert!(matches!(looks.len(), 1 | 2), "{kinds:?}");
    assert!(looks.iter().all(|it| **it == json!(TouchKind::Peek)), "a look is a look and no more: {kinds:?}");
    in_good_order(&window);
}

#[test]
fn the_same_by_mouse_while_window_and_engine_are_killed() {
    let home = Home::new();
    home.json(&["rehearse", "--no-window", "--speed", "2"]);
    let mut window = Window::open(&home, Options { theme: "dark", ..Options::default() });
    window.click("[data-bay=Working] .strip");
    // Whoever clicked may type on.
    window.keys("d");
    window.wait("[data-tab=Diff][aria-selected=true]");
    window.click("[data-tab=Terminal]");
    window.until("the agent's words", || {
        let look = "document.querySelector('[data-name=closed] [data-command=reveal]')?.click()";
        window.eval(look);
        terminal(&window).contains("I take T00")
    });
    // A task that is done has something to show, whoever is at work now.
    window.click("[data-tab=Plan]");
    window.click("[data-name=plan] [data-task=T001][data-s=done]");
    window.click("[data-tab=Diff]");
    window.until("a diff", || window.find("[data-name=diff] [data-d='+']"));
    window.click("[data-tab=Checks]");
    window.click("[data-name=checks] [data-verdict=passed] .proof");
    window.wait_text("[data-name=checks] .output", "SHA-256");
    // What its run took stands below: how long commands run, what was withheld from agents, what it cost.
    window.wait_text("[data-name=took]", "none over 60 s; the slowest:");
    window.wait_text("[data-name=took]", "withheld, about");
    window.wait_text("[data-name=took]", "(no price for `scripted`)");
    window.click("[data-tab=Plan]");
    window.wait("[data-name=plan] [data-task=T006]");
    window.wait(".item[data-key^='question']");
    let before = window.text(".head h1");
    // Killed and opened again, the window shows the same place.
    window.keeps();
    window.kill();
    window.reopen();
    window.wait_text(".head h1", &before);
    // The engine is killed: the window says so, hears of the next one by itself, and has lost nothing.
    kill_at_once(home.engine_pid());
    window.wait(".item[data-key^='question']");
    window.click(".item[data-key^='question'] [data-answer='2']");
    window.until("no question any more", || !window.find(".item[data-key^='question']"));
    window.click("[data-bay=Land] .strip[data-subject=PR1]");
    window.click("[data-command=approve]");
    window.wait("[data-name=landbar][data-state=landed]");
    assert!(home.history().iter().any(landed));
    window.click("[data-bay=Landed] h2");
    window.wait("[data-bay=Landed] .strip[data-subject=PR1]");
    window.click("[data-place=trajectories]");
    window.click("[data-trajectory]:nth-child(2)");
    window.wait_text("[data-name=trajectory]", "I take T00");
    // A worktree that was removed comes back by a click.
    window.click("[data-place=worktrees]");
    window.click("[data-removed] button");
    window.wait("[data-worktree]");
    assert!(home.history().iter().any(|it| matches!(it.event, Event::WorktreeRestored { .. })));
    in_good_order(&window);
}

/// What an agent, a spec or a file name may hold that a page or a terminal would heed.
const HTML: &str = "<img src=x onerror=document.title='pwned'><script>alert(1)</script>";

#[test]
fn hostile_text_is_shown_as_text_wherever_it_comes_from() {
    let bidi = "abc\u{202e}gnp.exe";
    let tasks = format!(
        "## Phase 1: {HTML}\n\n- [ ] T001 Do {HTML} {bidi} $(touch pwned) `x`\n  - Files: `*.txt`, `**/*.txt`\n  - Verify: `test -s made.txt`\n  - Depends: none\n  - Covers: R<b>1</b>\n"
    );
    let spec = format!("# {HTML} {bidi}\n\n## Summary\n\n{HTML} '; rm -rf / #\n");
    let repo = Repo::new("shop", &[("specs/001-work/spec.md", &spec), ("specs/001-work/tasks.md", &tasks)]);
    // Somebody works here in another terminal. The program that goes on with that here only says how it was asked to.
    let other = tempfile::tempdir().unwrap();
    let claude = other.path().join("claude");
    std::fs::write(&claude, "#!/bin/sh\necho asked to $*\nread end\n").unwrap();
    std::fs::set_permissions(&claude, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", other.path().display(), std::env::var("PATH").unwrap());
    let home = Home::new().with_env("PATH", &path);
    home.talk_elsewhere(repo.path(), "0f-1", &[("user", json!(format!("Mend {HTML} {bidi}")))]);
    let window = Window::open(&home, Options::default());
    // A repository is added by hand; what in it can run is shown whole; nothing runs before a person says yes.
    window.wait("[data-name=first-run]");
    window.keys("ctrl+o");
    window.wait("[data-name=path]:focus");
    window.type_text(&repo.name());
    window.click("[data-name=add]");
    window.wait_text("[data-name=trust]", "test -s made.txt");
    window.click("[data-name=trust-yes]");
    window.until("trust", || !window.find("[data-name=trust]"));
    let name = "x<b>y'$(id)`.txt";
    let agent = pilothouse_testkit::agent::ShellAgent::new(&format!(
        "printf '\\033]0;pwned\\007\\033[31m{HTML}\\033[0m \\342\\200\\256txt\\n' | tr -d '\\r'\nprintf '%s\\n' '{}' > \"$(printf '%s' '{}')\"\necho made > made.txt\n",
        "<u>not underlined</u>",
        name.replace('\'', "'\\''"),
    ));
    home.json(&["run", "start", "001-work", "--command", &agent.command(), "--approve", "person"]);
    window.wait("[data-bay=Land] .strip");
    window.keys("ctrl+3");
    window.wait("[data-name=landbar][data-state=waits-for-approval]");
    window.click("[data-name=files] [data-file][title^='x<b>y']");
    window.wait_text("[data-name=diff]", "<u>not underlined</u>");
    window.wait_text("[data-name=diff]", "x<b>y'$(id)`.txt");
    window.wait_text("[data-name=pull]", "<img src=x onerror=");
    let shown = window.text("body");
    assert!(!shown.contains('\u{202e}'), "what reorders text is made visible");
    window.keys("ctrl+1");
    window.wait("[data-bay=Land] .strip");
    window.keys("ctrl+4");
    window.wait("[data-pane=list]");
    window.click("[data-elsewhere='0f-1']");
    window.wait_text("[data-pane=stage] h1", "Mend <img src=x onerror=");
    window.wait_text("[data-name=trajectory]", "Mend <img src=x onerror=");
    window.wait_text("[data-pane=stage] .facts", "does not run");
    let shown = window.text("body");
    assert!(!shown.contains('\u{202e}'), "what reorders text is made visible");
    window.keys("ctrl+shift+g");
    window.until("it to go on here", || {
        let held = home.json(&["session", "list"]);
        let held = held
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["session"]["title"].as_str().is_some_and(|it| it.contains("--resume")));
        held.is_some_and(|it| {
            let screen = home.json(&["session", "screen", it["session"]["id"].as_str().unwrap()]);
            screen["text"][0] == "asked to --resume 0f-1"
        })
    });
    // The agent's own screen: its escapes are a terminal's, its markup is text, and the window's title is ours.
    home.json(&["session", "list", "--all"]);
    window.keys("ctrl+k");
    window.wait("[data-name=ask]:focus");
    window.type_text("landed");
    window.keys("Escape");
    let injected = window.eval(
        "return [document.querySelectorAll('img, script:not([src]), u, iframe, a[href]').length, document.title, document.querySelectorAll('.strip b, .diff .tx *').length]",
    );
    assert_eq!(injected, json!([0, "Pilothouse", 0]), "nothing of it became a part of the page");
    in_good_order(&window);
}

#[test]
fn a_terminal_is_watched_taken_typed_into_and_left_by_keyboard_alone() {
    // A browser that only notes where it was sent.
    let outside = tempfile::TempDir::new().unwrap();
    let (browser, visited) = (outside.path().join("xdg-open"), outside.path().join("visited"));
    std::fs::write(
        &browser,
        format!("#!/bin/sh\nprintf %s \"$1\" > '{}.part'\nmv '{0}.part' '{0}'\n", visited.display()),
    )
    .unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", outside.path().display(), std::env::var("PATH").unwrap_or_default());
    let home = Home::new().with_env("PATH", &path);
    let window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    let id = &home.start(&["sh"]).to_string();
    window.wait(&format!(".strip[data-subject={}]", id.to_uppercase()));
    window.keys("j");
    window.wait(&format!("[data-name=terminal][data-session={id}]"));
    window.wait_text("[data-name=uses]", "1 process");
    // Hands off: a key is ours until the keyboard is taken, and the way out is ours even then.
    window.keys("ctrl+shift+t");
    window.wait(".hands[data-taken]");
    window.wait(".xterm-helper-textarea:focus");
    window.type_text("echo $((40 + 2)); printf '\\033[38;2;255;80;0m<b>true</b>\\033[0m \\033]0;pwned\\007\\033]52;c;cHduZWQ=\\007'");
    window.keys("Enter");
    window.until("what the program says", || {
        let shown = terminal(&window);
        shown.lines().any(|it| it == "42") && shown.contains("<b>true</b>")
    });
    window.until("a colour of its own", || {
        window.eval(
            "return [...document.querySelectorAll('.xterm-rows span')].some((it) => it.textContent.includes('<b>true') && getComputedStyle(it).color !== getComputedStyle(document.querySelector('.xterm-rows')).color)",
        ) == json!(true)
    });
    assert_eq!(window.eval("return document.title"), "Pilothouse");
    // A paste of several lines asks first.
    let paste = |text: &str| {
        let text = json!(text);
        window.eval(&format!("const data = new DataTransfer(); data.setData('text', {text}); document.querySelector('.xterm-helper-textarea').dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data, bubbles: true, cancelable: true }}))"));
    };
    paste("echo pasted-1\necho pasted-2\n");
    window.wait_text(".termnotes", "Paste again to send it");
    assert!(!terminal(&window).contains("pasted-1"));
    paste("echo pasted-1\necho pasted-2\n");
    // Once as it was typed, once as it was said.
    window.until("what was pasted", || terminal(&window).matches("pasted-2").count() == 2);
    // A program that is told where a paste begins and ends is told the truth: no part of a paste can say that it is over,
    // however it is put together, and no sign of it is a key.
    window.type_text("printf '\\033[?2004h'; stty -echo; echo ready; cat -v");
    window.keys("Enter");
    window.until("a program that wants to be told", || {
        home.json(&["session", "list"])[0]["processes"].to_string().contains("\"cat\"")
    });
    // The terminal in the page has heard so too: it may draw later than the engine knows.
    window.until("the page that was told", || terminal(&window).lines().any(|it| it == "ready"));
    paste("safe\u{1b}[20\u{1b}[201~1~\u{9b}201~\u{3}\u{4}\u{15}\ttext");
    window.wait_text(".termnotes", "6 control signs left out of the paste");
    window.keys("Enter");
    let told = "^[[200~safe[20[201~1~201~\ttext^[[201~";
    window.until("what it was told", || {
        let shown = terminal(&window);
        shown
            .lines()
            .any(|it| it.split_whitespace().collect::<Vec<_>>() == told.split('\t').collect::<Vec<_>>())
    });
    window.keys("ctrl+c");
    window.type_text("printf '\\033[?2004l'; stty echo; echo alone");
    window.keys("Enter");
    window.until("the shell again", || terminal(&window).lines().any(|it| it.ends_with("alone")));
    // Without such a program a line is only text too: what would end it, or the program, is not in it.
    paste("echo one-\u{3}line\u{1b}\u{7f}");
    window.wait_text(".termnotes", "3 control signs left out of the paste");
    window.keys("Enter");
    window.until("one line", || terminal(&window).lines().any(|it| it == "one-line"));
    window.keys("shift+f6");
    window.until("hands off again", || !window.find(".hands[data-taken]"));
    window.until("the focus away from it", || !window.find(".xterm-helper-textarea:focus"));
    // Keys are the window's again: a text is found, or said to be missing.
    window.keys("ctrl+shift+f");
    window.wait("[data-name=find-text]:focus");
    window.type_text("pasted-1");
    window.keys("enter");
    window.wait(".xterm-selection div");
    window.type_text("-and-more");
    window.wait_text("[data-name=find]", "Not there");
    window.keys("escape");
    window.until("the field gone", || !window.find("[data-name=find]"));
    window.keys("ctrl+/");
    window.wait("[data-name=keys]");
    window.keys("escape");
    let listed = home.json(&["session", "list"]);
    assert!(listed[0]["state"].is_string(), "leaving ends nothing: {listed}");
    assert!(listed[0]["lease"].is_null(), "nobody has the keyboard: {listed}");
    // A link asks: it is shown whole, and opened outside by whoever says so.
    home.json(&["session", "send", id, "--", "clear; echo see https://example.invalid/a?b=1", "Enter"]);
    // Drawn, not only known: the page draws with its next frame.
    window.until("the link", || {
        window
            .eval("return [...document.querySelectorAll('.xterm-rows > div')].some((it) => it.textContent.trimEnd() === 'see https://example.invalid/a?b=1')")
            == json!(true)
    });
    let mouse = |kinds: &str| {
        window.eval(&format!(
            "const row = [...document.querySelectorAll('.xterm-rows > div')].find((it) => it.textContent.startsWith('see https')); const box = row.getBoundingClientRect(); for (const kind of {kinds}) document.querySelector('.xterm-screen').dispatchEvent(new MouseEvent(kind, {{ bubbles: true, clientX: box.left + 90, clientY: box.top + 6 }}))",
        ))
    };
    mouse("['mousemove']");
    window.wait(".xterm-cursor-pointer");
    mouse("['mousedown', 'mouseup']");
    window.wait_text("[data-name=link]", "https://example.invalid/a?b=1");
    assert!(!visited.exists());
    window.click("[data-name=visit]");
    window.until("the browser", || {
        std::fs::read_to_string(&visited).is_ok_and(|it| it == "https://example.invalid/a?b=1")
    });
    // It is ended, and what it said last stays.
    home.json(&["session", "kill", id]);
    window.wait_text(".hands", "Ended");
    window.until("its last words", || terminal(&window).contains("see https://"));
    in_good_order(&window);
}

#[test]
fn terminals_stand_side_by_side_are_renamed_and_typed_into_at_once_by_keyboard_alone() {
    let home = Home::new();
    let mut window = Window::open(&home, Options::default());
    window.wait("[data-name=first-run]");
    let ids: Vec<String> = (0..2).map(|_| home.start(&["sh"]).to_string()).collect();
    let pane = |id: &str| format!("[data-name=terminal][data-session={id}]");
    window.wait(&format!(".strip[data-subject={}]", ids[1].to_uppercase()));
    window.keys("home");
    window.wait(&pane(&ids[0]));
    window.keys("ctrl+shift+d");
    window.wait("[data-name=ask]:focus");
    window.wait_text("[data-name=palette]", &format!("Beside: {}", ids[1]));
    window.keys("enter");
    window.wait(&pane(&ids[1]));
    // The keys are for one of them: the next one is taken, and only it says what is typed.
    window.keys("ctrl+shift+n");
    window.wait(&format!(".termpane[data-active] {}", pane(&ids[1])));
    window.keys("ctrl+shift+t");
    window.wait(".hands[data-taken]");
    window.wait(".xterm-helper-textarea:focus");
    window.type_text("echo only-$((1 + 1))");
    window.keys("enter");
    window.until("the second alone", || terminal(&window).matches("only-2").count() == 1);
    window.keys("shift+f6");
    window.until("hands off again", || !window.find(".hands[data-taken]"));
    // To both at once: asked twice.
    window.keys("ctrl+shift+b");
    window.wait("[data-name=keys]:focus");
    window.type_text("echo both-$((2 + 3))");
    window.keys("ctrl+shift+a");
    window.wait_text("[data-name=to]", "Goes to 2 sessions");
    window.keys("enter");
    window.wait_text("[data-name=to]", "Press again");
    assert!(!terminal(&window).contains("both-"));
    window.keys("enter");
    window.until("both", || terminal(&window).lines().filter(|it| *it == "both-5").count() == 2);
    window.until("the question gone", || !window.find("[data-name=type]"));
    window.keys("f2");
    window.wait("[data-name=title]:focus");
    window.keys("ctrl+a");
    window.type_text("the <i>second</i>");
    window.keys("enter");
    window.wait_text(&format!(".strip[data-subject={}]", ids[1].to_uppercase()), "the <i>second</i>");
    // On the wall both are small, and one key opens one whole.
    window.keys("ctrl+5");
    for id in &ids {
        window.wait_text(&format!("[data-tile={id}]"), "both-5");
    }
    window.keys("end");
    window.wait(&format!("[data-tile={}][aria-selected=true]", ids[1]));
    window.keys("enter");
    window.wait(&pane(&ids[1]));
    window.keys("escape");
    window.keys("home");
    window.wait(&format!("#session-{}[aria-selected=true]", ids[0]));
    in_good_order(&window);
    // It says what goes on before it closes, and so it is.
    window.keys("ctrl+q");
    window.wait_text("[data-name=leaving]", "2 sessions go on");
    window.wait_text("[data-name=leaving] .fates", "When the machine is started anew");
    let pid = window.pid().unwrap();
    // Not while its driver waits for an answer from it.
    window.eval("setTimeout(() => document.querySelector('[data-name=leave-window]').click(), 100)");
    let begun = std::time::Instant::now();
    while lives(pid) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the window does not close");
        std::thread::yield_now();
    }
    assert_eq!(home.json(&["session", "list"]).as_array().unwrap().len(), 2);
    // Opened again, it is as it was.
    window.reopen();
    window.wait(&pane(&ids[0]));
    window.wait(&pane(&ids[1]));
    in_good_order(&window);
}

#[test]
fn runs_are_started_by_key_and_by_click_and_which_is_asked_only_where_there_is_a_choice() {
    let agent = ShellAgent::new("echo made > $task.txt");
    let words: Vec<String> = agent.command().split(' ').map(|it| format!("'{it}'")).collect();
    let workflow = format!(
        "---\npilothouse:\n  agent: mine\n  agents:\n    mine: {{ command: [{}] }}\n  approve: policy\n---\n",
        words.join(", ")
    );
    let mut files = vec![("WORKFLOW.md".to_owned(), workflow)];
    for (n, name) in [(1, "Sails"), (2, "Oars"), (3, "Keel")] {
        let (folder, id) = (format!("specs/00{n}-{}", name.to_lowercase()), format!("T00{n}"));
        files.push((format!("{folder}/spec.md"), format!("# {name}\n\n## Summary\n\n{name}.\n")));
        let tasks = task_file(&[(&id, &format!("{id}.txt"), &format!("test -s {id}.txt"))]);
        files.push((format!("{folder}/tasks.md"), tasks));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let repo = Repo::new("shop", &files);
    let home = Home::trusting(&repo);
    let window = Window::open(&home, Options::default());
    let lands = |n: usize| assert!(home.events(0).filter(landed).nth(n).is_some(), "run {n} lands");
    // Several could be started: the palette asks which.
    window.wait("[data-name=project] [data-item='003-keel']");
    window.keys("ctrl+shift+s");
    window.wait_text("[data-name=palette]", "Start the run of 001-sails Sails");
    window.click("[data-name=palette] [role=option]:nth-child(3)");
    lands(0);
    // The one whose page is open is meant, whatever else there is.
    window.keys("ctrl+k");
    window.type_text("project shop");
    window.keys("Enter");
    window.click("[data-name=project] [data-item='002-oars'] button");
    window.wait_text("[data-pane=stage] h1", "Oars");
    window.click("[data-pane=stage] [data-command=start-run]");
    lands(1);
    // One is left: nothing is asked.
    window.keys("ctrl+shift+s");
    lands(2);
    assert!(!window.find("[data-name=palette]"));
    let runs = home.json(&["run", "list"]);
    let runs: Vec<_> = runs.as_array().unwrap().iter().map(|it| (&it["item"], &it["by"]["kind"])).collect();
    assert_eq!(json!(runs), json!([["i3", "person"], ["i2", "person"], ["i1", "person"]]));
    for file in ["T001.txt", "T002.txt", "T003.txt"] {
        assert_eq!(repo.read(file), "made\n");
    }
    // None is left: it is not offered any more.
    window.keys("ctrl+k");
    window.type_text("start a run");
    window.wait_text("[data-name=palette]", "Nothing matches.");
    window.keys("Escape");
    in_good_order(&window);
}
