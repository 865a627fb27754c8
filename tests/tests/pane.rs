//! The terminal's pane in the real window: what can hardly be read is made readable, screens are put into words for who asks,
//! a program reaches no clipboard, and sessions that nobody sees cost the window nothing.

use std::time::{Duration, Instant};

use pilothouse_contract::SessionId;
use pilothouse_contract::wire::View;
use pilothouse_testkit::home::Home;
use pilothouse_testkit::process::own_mib;
use pilothouse_testkit::seat::Seat;
use pilothouse_testkit::window::{Options, Window};
use serde_json::json;

/// A page in good order was kept from nothing and complained of nothing.
fn in_good_order(window: &Window) {
    assert_eq!(window.violations(), Vec::<String>::new());
    assert_eq!(window.errors(), Vec::<String>::new());
}

/// Opens the terminal of a session.
fn look_at(window: &Window, session: SessionId) {
    window.click(&format!(".strip[data-subject=S{}]", session.0));
    window.wait(&format!("[data-name=terminal][data-session={session}]"));
}

/// Does what the palette finds by these words.
fn command(window: &Window, words: &str) {
    window.keys("ctrl+k");
    window.wait("[data-name=ask]:focus");
    window.type_text(words);
    window.wait_text("[data-name=palette]", words);
    window.keys("enter");
    window.until("the palette gone", || !window.find("[data-name=palette]"));
}

/// The relative luminance of WCAG 2.2.
fn luminance([r, g, b]: [f64; 3]) -> f64 {
    let of = |it: f64| {
        let it = it / 255.0;
        if it <= 0.04045 { it / 12.92 } else { ((it + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * of(r) + 0.7152 * of(g) + 0.0722 * of(b)
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// A computed colour of the page, by a script that returns it.
fn colour(window: &Window, script: &str) -> [f64; 3] {
    let said = window.eval(script);
    let said = said.as_str().unwrap_or_else(|| panic!("{script}: {said}"));
    let inner = said.strip_prefix("rgb(").and_then(|it| it.strip_suffix(')'));
    let inner = inner.unwrap_or_else(|| panic!("{said} lets through what is behind it"));
    let numbers: Vec<f64> = inner.split(',').map(|it| it.trim().parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

#[test]
fn what_could_hardly_be_read_is_shown_with_enough_contrast() {
    // Said in the colours of a ground that is nearly the same, and once in one that can be read on either.
    const FAINT: [(&str, [f64; 3], &str); 2] =
        [("dark", [40.0, 40.0, 40.0], "dim-on-dark"), ("light", [235.0, 235.0, 235.0], "pale-on-light")];
    let home = Home::new();
    let said = FAINT.map(|(_, [r, g, b], word)| format!("\\033[38;2;{r};{g};{b}m{word}\\033[0m\\r\\n"));
    let script = format!("printf '{}\\033[38;2;120;120;120mclear\\033[0m'; read end", said.concat());
    let session = home.start(&["sh", "-c", &script]);
    let mut window = Window::open(&home, Options::default());
    for (theme, raw, word) in FAINT {
        window.theme(theme);
        look_at(&window, session);
        let span = |word: &str| {
            format!(
                "[...document.querySelectorAll('.xterm-rows span')].find((it) => it.textContent === '{word}')"
            )
        };
        let drawn = format!("return {} !== undefined", span("clear"));
        window.until("the words", || window.eval(&drawn) == json!(true));
        // What is seen behind it is the first that lets nothing through.
        let ground = colour(
            &window,
            "let it = document.querySelector('.xterm-rows'), behind; \
             do { behind = getComputedStyle(it).backgroundColor; it = it.parentElement } while (behind.startsWith('rgba')); return behind",
        );
        let shown = |word| colour(&window, &format!("return getComputedStyle({}).color", span(word)));
        assert!(contrast(raw, ground) < 1.6, "{theme}: {raw:?} on {ground:?} is no test of it");
        let ratio = contrast(shown(word), ground);
        assert!(ratio >= 4.5, "{theme}: {word} is shown in {:?} on {ground:?}, {ratio:.2} : 1", shown(word));
    }
    in_good_order(&window);
}

#[test]
fn a_screen_is_put_into_words_for_who_asks_and_not_for_others() {
    let home = Home::new();
    let session = home.start(&["sh", "-c", "echo first; while read -r word; do echo heard $word; done"]);
    let window = Window::open(&home, Options::default());
    look_at(&window, session);
    let drawn = || window.eval("return window.__terminal()").as_str().unwrap_or_default().to_owned();
    window.until("what it said", || drawn().contains("first"));
    assert!(!window.find(".xterm-accessibility"), "it costs time for every line");
    command(&window, "Put terminals into words");
    let words = "[...document.querySelectorAll('.xterm-accessibility-tree [role=listitem]')].map((it) => it.textContent.trimEnd())";
    let reads = |line: &str| window.eval(&format!("return {words}.includes('{line}')")) == json!(true);
    window.until("the screen in words", || reads("first"));
    // What comes from then on is said aloud as well.
    home.json(&["session", "send", &session.to_string(), "--", "this", "Enter"]);
    window.until("what came", || reads("heard this"));
    window.wait_text(".xterm-accessibility .live-region", "heard this");
    // It is kept for the next page too, until it is not wanted any more.
    window.reload();
    look_at(&window, session);
    window.until("the screen in words again", || reads("heard this"));
    command(&window, "Put terminals into words");
    window.until("no words any more", || !window.find(".xterm-accessibility"));
    in_good_order(&window);
}

#[test]
fn a_program_reaches_no_clipboard() {
    let home = Home::new();
    // It sets the clipboard, by either way to end such a command, then asks for it, and tells what came; "stolen" is what
    // it would have set.
    let script = "read go; stty raw -echo; printf '\\033]52;c;c3RvbGVu\\007\\033]52;c;c3RvbGVu\\033\\\\\\033]52;c;?\\007\\033[c'; \
                  got=$(dd bs=1 count=5 2>/dev/null | tr '\\033' '^'); printf '\\r\\ngot %s.' \"$got\"; read end";
    let session = home.start(&["sh", "-c", script]);
    let window = Window::open(&home, Options::default());
    look_at(&window, session);
    // A field of ours is where a person copies and pastes.
    let field = |text: &str| {
        window.keys("ctrl+k");
        window.wait("[data-name=ask]:focus");
        window.type_text(text);
    };
    let value = || window.eval("return document.querySelector('[data-name=ask]').value");
    let pasted = || {
        field("");
        window.keys("ctrl+v");
        window.until("what is pasted", || value() != "");
        let value = value();
        window.keys("escape");
        window.until("the palette gone", || !window.find("[data-name=palette]"));
        value
    };
    let copies = |text: &str| {
        field(text);
        window.keys("ctrl+a");
        window.keys("ctrl+c");
        window.keys("escape");
        window.until("the palette gone", || !window.find("[data-name=palette]"));
    };
    copies("first");
    assert_eq!(pasted(), "first");
    copies("kept");
    home.json(&["session", "send", &session.to_string(), "--", "go", "Enter"]);
    let shown = || window.eval("return window.__terminal()").as_str().unwrap_or_default().to_owned();
    // The answer to what came after is the first that it gets.
    window.until("what the program got", || shown().contains("got ^[?6c."));
    assert_eq!(pasted(), "kept");
    in_good_order(&window);
}

/// Sessions that nobody sees, what each said, how often one is looked at with all its lines and how often with its last.
const HIDDEN: usize = 40;
const LINES: usize = 10_000;
const WHOLE: usize = 20;
const LOOKS: usize = 200;
/// A collector takes its time, so the page may hold so much more or less. Half of the terminals kept with their lines would be
/// 280 MiB, and so would be what WebKitGTK keeps if a style sheet is replaced at each look.
const GROWS_MIB: f64 = 128.0;

/// What window and webview hold of their own, once they hold no more: the least of a while.
fn held_mib(window: &Window) -> f64 {
    let begun = Instant::now();
    let mut least = f64::INFINITY;
    while begun.elapsed() < Duration::from_secs(5) {
        let now: f64 = window.kinds().iter().filter_map(|(_, pid)| own_mib(*pid)).sum();
        least = least.min(now);
        std::thread::sleep(Duration::from_millis(100));
    }
    least
}

#[test]
fn sessions_that_nobody_sees_cost_the_window_no_memory() {
    let home = Home::new();
    let script = format!("seq 1 {LINES}; echo said; read end");
    let start = || {
        let session = home.start(&["sh", "-c", &script]);
        Seat::view(&home, &View::of(session)).unwrap().until("said").unwrap();
        session
    };
    let mut all = vec![start()];
    let window = Window::open(&home, Options::default());
    let shown = || window.eval("return window.__terminal()").as_str().unwrap_or_default().to_owned();
    // Looks at each in turn, now and then with all its lines, and then at none: what the window holds.
    let looks = |all: &[SessionId]| {
        for session in all.iter().cycle().take(WHOLE) {
            look_at(&window, *session);
            window.until("its last line", || shown().ends_with("said"));
            window.keys("ctrl+shift+e");
            window.until("its first line", || shown().starts_with("1\n2\n3\n"));
        }
        // From one to the next, as soon as it shows what it is to show.
        let numbers: Vec<u32> = all.iter().map(|it| it.0).collect();
        window.eval(&format!(
            "const all = {numbers:?}; window.__looks = 0;
             const of = () => all[window.__looks % all.length];
             const look = () => document.querySelector(`.strip[data-subject=S${{of()}}]`).click();
             const shows = (it) => it.session === `s${{of()}}` && it.text.includes('said');
             const next = () => {{
               if (window.__screens().some(shows) && ++window.__looks < {LOOKS}) look();
               if (window.__looks < {LOOKS}) requestAnimationFrame(next);
             }};
             look(); next();"
        ));
        window.until("all looks", || window.eval("return window.__looks") == json!(LOOKS));
        window.keys("ctrl+4");
        window.until("no terminal", || !window.find("[data-name=terminal]"));
        let held = held_mib(&window);
        window.keys("ctrl+1");
        window.wait(".board .strip");
        held
    };
    let one = looks(&all);
    all.extend((1..HIDDEN).map(|_| start()));
    let forty = looks(&all);
    println!("the window holds {one:.1} MiB with one hidden session, {forty:.1} MiB with {HIDDEN}");
    assert!(forty - one < GROWS_MIB, "{one:.1} MiB with one hidden session, {forty:.1} MiB with {HIDDEN}");
    in_good_order(&window);
}
