//! The terminal of a session: watched, hands off, until a person takes the keyboard on purpose. The screen is
//! xterm.js's; here is what stands around it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask::session::ProcessLine;
use pilothouse_contract::session::{Lease, Mode, SessionKind};
use pilothouse_contract::wire::{Ended, LeaseSeen};
use pilothouse_contract::{Fault, SessionId, ask};
use wasm_bindgen::prelude::*;

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{CommandButton, Icon, Key};
use crate::place::Overlay;
use crate::words::{bytes, clock, count, one};

#[wasm_bindgen(raw_module = "./terminal.js")]
extern "C" {
    fn show(element: &web_sys::Element, session: &str, told: &JsValue) -> u32;
    fn hide(key: u32);
    fn keyboard(key: u32, taken: bool, despite: bool);
    #[wasm_bindgen(js_name = earlier)]
    fn paint_earlier(key: u32);
    #[wasm_bindgen(js_name = scroll)]
    fn scroll_by(key: u32, word: &str) -> bool;
    #[wasm_bindgen(js_name = find)]
    fn find_text(key: u32, text: &str, back: Option<bool>) -> bool;
    #[wasm_bindgen(js_name = focus)]
    fn focus_program(key: u32) -> bool;
    #[wasm_bindgen(js_name = copy)]
    fn copy_selected(key: u32) -> u32;
    #[wasm_bindgen(js_name = mark)]
    fn begin_mark(key: u32);
    #[wasm_bindgen(js_name = press)]
    fn press_in(key: u32, word: &str) -> bool;
    pub(crate) async fn clip(text: &str) -> JsValue;
    pub(crate) fn read_aloud();
    pub(crate) fn keep_keys(words: &str);
}

/// A terminal on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pane {
    session: SessionId,
    /// What `terminal.js` knows it by.
    key: u32,
    /// Whether its program runs in a terminal, and so can be typed to.
    able: bool,
}

thread_local! {
    /// The terminals that are on the page, in the order in which they came.
    static PANES: RefCell<Vec<Pane>> = const { RefCell::new(Vec::new()) };
}

type Shared<T> = LazyLock<ArcRwSignal<T>>;

/// The session whose terminal the keys are for, where several stand side by side.
static ACTIVE: Shared<Option<SessionId>> = LazyLock::new(|| ArcRwSignal::new(None));
/// The session whose program has the keyboard.
static TAKEN: Shared<Option<SessionId>> = LazyLock::new(|| ArcRwSignal::new(None));
/// The sessions whose terminals are in copy mode.
static MARKING: Shared<BTreeSet<SessionId>> = LazyLock::new(|| ArcRwSignal::new(BTreeSet::new()));
static FINDING: Shared<bool> = LazyLock::new(|| ArcRwSignal::new(false));

/// The terminal that the keys are for: the active one, or else the first.
fn pane() -> Option<Pane> {
    let active = ACTIVE.get_untracked();
    PANES.with_borrow(|all| all.iter().find(|it| Some(it.session) == active).or(all.first()).copied())
}

fn pane_of(session: SessionId) -> Option<Pane> {
    PANES.with_borrow(|all| all.iter().find(|it| it.session == session).copied())
}

/// Whether a program has the keyboard.
pub(crate) fn is_taken() -> bool {
    TAKEN.get().is_some()
}

/// Whether a terminal is on the page.
pub(crate) fn is_shown() -> bool {
    pane().is_some()
}

/// Whether several terminals are on the page.
pub(crate) fn are_several() -> bool {
    PANES.with_borrow(|all| all.len() > 1)
}

/// The session whose terminal the keys are for.
pub(crate) fn active() -> Option<SessionId> {
    pane().map(|it| it.session)
}

/// Makes the next terminal the one that the keys are for.
pub(crate) fn next() {
    let next = PANES.with_borrow(|all| {
        let at = all.iter().position(|it| Some(*it) == pane())?;
        all.get((at + 1) % all.len()).copied()
    });
    if let Some(next) = next {
        leave();
        ACTIVE.set(Some(next.session));
        focus_bar();
    }
}

/// Opens the field that finds a text on the screen and above it.
pub(crate) fn find() {
    FINDING.set(is_shown());
}

/// Paints the terminal again with everything above its screen that there is.
pub(crate) fn earlier() {
    if let Some(it) = pane() {
        paint_earlier(it.key);
    }
}

/// Begins copy mode in the terminal that the keys are for.
pub(crate) fn mark() {
    if let Some(it) = pane() {
        begin_mark(it.key);
        if !focus_program(it.key) {
            focus_bar();
        }
    }
}

/// Heeds a key in copy mode. Returns whether there is one, and it was its key.
pub(crate) fn press(word: &str) -> bool {
    let Some(it) = pane().filter(|it| MARKING.with_untracked(|all| all.contains(&it.session))) else {
        return false;
    };
    if word == "/" {
        find();
        return true;
    }
    press_in(it.key, word)
}

/// Puts the terminal that the keys are for away if it stands beside the first one, or else all that do.
pub(crate) fn put_away(desk: Desk) {
    let active = active();
    leave();
    desk.place.beside.update(|all| match all.iter().position(|it| Some(*it) == active) {
        Some(at) => drop(all.remove(at)),
        None => all.clear(),
    });
    let first = PANES.with_borrow(|all| all.first().map(|it| it.session));
    ACTIVE.set(first);
    focus_bar();
}

/// Scrolls a terminal that is only watched. Returns whether the key was one that scrolls.
pub(crate) fn scroll(word: &str) -> bool {
    pane().is_some_and(|it| scroll_by(it.key, word))
}

/// Copies what is selected. Returns how many signs that were.
pub(crate) fn copy() -> u32 {
    pane().map_or(0, |it| copy_selected(it.key))
}

/// Hands the keyboard to the program on the page, if it runs and listens; not while it waits for an answer, unless `despite`.
pub(crate) fn take(despite: bool) {
    // Behind whatever closes now and gives the focus back.
    set_timeout(
        move || {
            if let Some(it) = pane().filter(|it| it.able) {
                give_back();
                ACTIVE.set(Some(it.session));
                TAKEN.set(Some(it.session));
                keyboard(it.key, true, despite);
            }
        },
        std::time::Duration::from_millis(60),
    );
}

/// Takes the keyboard back.
pub(crate) fn leave() {
    give_back();
    focus_bar();
}

fn focus_bar() {
    // With the next frame: which one it is may have changed just now.
    request_animation_frame(|| {
        if let Some(bar) = document().query_selector("[data-focus=stage]").ok().flatten() {
            let _hidden = bar.unchecked_into::<web_sys::HtmlElement>().focus();
        }
    });
}

fn give_back() {
    if let Some(taken) = TAKEN.get_untracked() {
        if let Some(it) = pane_of(taken) {
            keyboard(it.key, false, false);
        }
        TAKEN.set(None);
    }
}

/// A terminal is in copy mode, or is no more.
fn marks(session: SessionId, does: bool) {
    if MARKING.with_untracked(|all| all.contains(&session)) != does {
        MARKING.update(|all| {
            if !all.remove(&session) {
                all.insert(session);
            }
        });
    }
}

/// A program has the keyboard no more, if it had it.
fn taken_no_more(session: SessionId) {
    if TAKEN.get_untracked() == Some(session) {
        TAKEN.set(None);
    }
}

/// What is known of the screen.
#[derive(Debug, Clone, Default, PartialEq)]
struct Screen {
    read: u64,
    skipped: u64,
    /// Whether it stands still because somebody reads what stands above.
    still: bool,
    ended: Option<String>,
    fault: Option<String>,
    paste: Option<String>,
    /// Signs of control that were in a paste.
    left_out: usize,
    /// In copy mode: the line of the mark, how many there are, how many signs are marked.
    mark: Option<(usize, usize, usize)>,
    /// Signs that were copied last.
    copied: Option<usize>,
    /// Who else has the keyboard.
    theirs: Option<Lease>,
    /// Why it was not given.
    refused: Option<Fault>,
}

/// At most so many terminals stand beside the first.
pub(crate) const BESIDE_MOST: usize = 3;

/// The terminal of a session, and those that a person put beside it.
#[component]
pub(crate) fn Terminal(session: SessionId) -> impl IntoView {
    let desk = desk();
    let all = Memo::new(move |_| {
        let there = |it: &SessionId| {
            *it != session && desk.mirror.fleet.with(|fleet| fleet.sessions.contains_key(it))
        };
        let beside = desk.place.beside.get().into_iter().filter(there).take(BESIDE_MOST);
        std::iter::once(session).chain(beside).collect::<Vec<_>>()
    });
    let several = Signal::derive(move || all.with(|all| all.len() > 1));
    ACTIVE.set(Some(session));
    view! {
        <div class="terms" data-n=move || all.with(Vec::len)>
            <For each=move || all.get() key=|it| *it let:it><One session=it first=it == session several=several/></For>
        </div>
    }
}

/// One terminal with what stands around it.
#[component]
fn One(session: SessionId, first: bool, several: Signal<bool>) -> impl IntoView {
    let desk = desk();
    let taken = move || TAKEN.get() == Some(session);
    let active = move || ACTIVE.get() == Some(session);
    let host = NodeRef::<leptos::html::Div>::new();
    let screen = RwSignal::new(Screen::default());
    let told =
        Closure::<dyn Fn(String, String, f64)>::new(move |what: String, words: String, number: f64| {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "byte counts are whole and small enough"
            )]
            let number = number as u64;
            let _gone = screen.try_update(|it| match what.as_str() {
                "bytes" => {
                    it.read = number;
                    it.fault = None;
                }
                "lease" => {
                    let seen = serde_json::from_str::<LeaseSeen>(&words).ok();
                    it.fault = None;
                    if seen.as_ref().is_some_and(|it| it.yours) {
                        it.refused = None;
                    }
                    it.theirs = seen.filter(|it| !it.yours).and_then(|it| it.lease);
                }
                "refused" => {
                    taken_no_more(session);
                    it.refused = serde_json::from_str(&words).ok();
                }
                "lost" => taken_no_more(session),
                "link" => desk.place.overlay.set(Some(Overlay::Link(words))),
                "skipped" => it.skipped += number,
                "still" => it.still = !words.is_empty(),
                "paste" => it.paste = Some(words),
                "left-out" => it.left_out = usize::try_from(number).unwrap_or(usize::MAX),
                "copied" => it.copied = usize::try_from(number).ok(),
                "mark" => {
                    it.mark = serde_json::from_str(&words).ok();
                    if it.mark.is_some() {
                        it.copied = None;
                    }
                    marks(session, it.mark.is_some());
                }
                "ended" => it.ended = serde_json::from_str::<Ended>(&words).ok().map(|it| it.why),
                _ => {
                    it.fault = serde_json::from_str::<Fault>(&words).ok().map(|it| it.message).or(Some(words))
                }
            });
        });
    let told = StoredValue::new_local(told);
    Effect::new(move |_| {
        let Some(host) = host.get() else { return };
        if pane_of(session).is_none() {
            let key = told.with_value(|told| show(&host, &session.to_string(), told.as_ref()));
            PANES.with_borrow_mut(|all| all.push(Pane { session, key, able: false }));
        }
    });
    on_cleanup(move || {
        if let Some(it) = pane_of(session) {
            PANES.with_borrow_mut(|all| all.retain(|it| it.session != session));
            hide(it.key);
        }
        taken_no_more(session);
        marks(session, false);
        FINDING.set(false);
    });
    let facts = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            fleet
                .sessions
                .get(&session)
                .map(|it| (it.kind, it.end.is_none() && it.running.is_some(), it.mode))
        })
    });
    let live = move || facts.get().is_some_and(|it| it.1);
    // Why it was not given holds only as long as the question is open.
    let asked = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            fleet.questions.values().any(|it| it.session == session && it.blocks && it.is_open())
        })
    });
    Effect::new(move |_| {
        if !asked.get() {
            screen.update(|it| it.refused = None);
        }
    });
    Effect::new(move |_| {
        let able = facts.get().is_some_and(|it| it.1 && it.2 == Mode::Pty);
        // Once it is on the page.
        let _shown = host.get();
        PANES.with_borrow_mut(|all| {
            all.iter_mut().filter(|it| it.session == session).for_each(|it| it.able = able);
        });
        // The keyboard of a program that ended is a person's again.
        if !able && TAKEN.get_untracked() == Some(session) {
            give_back();
        }
    });
    let agent = move || facts.get().is_some_and(|it| it.0 == SessionKind::Agent);
    let bar = move || {
        match (taken(), live()) {
        (true, _) => view! {
            <Icon name="keyboard"/><span><b>"The program has the keyboard. "</b>{agent().then_some("That you took it is recorded as an intervention.")}</span>
            <button class="button push" type="button" data-name="leave" on:click=move |_| leave()>"Leave it" <Key says="Shift+F6"/></button>
        }.into_any(),
        (false, true) => {
            let theirs = screen.with(|it| it.theirs.clone());
            let says = match theirs {
                Some(it) => format!("{} has the keyboard since {}; you are watching.", one(&it.who), clock(it.since)),
                None => "You are watching; keys go to Pilothouse.".to_owned(),
            };
            view! {
                <Icon name="lock"/><span class="cut words"><b>"Hands off. "</b>{says}</span>
                {(!several.get() || active()).then(|| view! { <span class="push"><CommandButton id="take" label="Take the keyboard"/></span> })}
            }.into_any()
        }
        (false, false) => view! { <Icon name="lock"/><span class="cut"><b>"Ended. "</b>{move || screen.get().ended.map(|it| format!("{}. ", one(&it)))}"This is its last output."</span> }.into_any(),
    }
    };
    let notes = move || {
        let it = screen.get();
        let mut notes = Vec::new();
        if let Some(fault) = it.fault {
            notes.push(format!(
                "Not heard: {}. It is read on from where it stood once the engine is back.",
                one(&fault)
            ));
        }
        if let Some(lines) = it.paste.filter(|it| !it.is_empty()) {
            notes.push(format!("That paste has {lines} lines. Paste again to send it."));
        }
        if it.left_out > 0 {
            notes.push(format!("{} left out of the paste", count(it.left_out, "control sign")));
        }
        if let Some(copied) = it.copied {
            notes.push(format!("Copied {}", count(copied, "sign")));
        }
        if it.still {
            notes.push("It stands still while you read above; the last line goes on".to_owned());
        }
        if it.skipped > 0 {
            notes.push(format!("{} went by too fast to show; they are in the log", bytes(it.skipped)));
        }
        (!notes.is_empty()).then(|| view! { <p class="termnotes">{notes.join(" · ")}</p> })
    };
    let marks = move || {
        let (line, of, marked) = screen.with(|it| it.mark)?;
        let says = match marked {
            0 => format!("Line {line} of {of}; nothing is marked yet. "),
            n => format!("Line {line} of {of}; {} marked. ", count(n, "sign")),
        };
        let keys = [("↑ ↓ ← →", "move"), ("v", "anchor"), ("/", "find"), ("y", "copy"), ("Esc", "leave")];
        let keys = keys.map(|(key, does)| view! { <span><Key says=key/>" "{does}</span> }).collect_view();
        Some(
            view! { <p class="termnotes" data-name="marking" role="status"><span><b>"Copy mode. "</b>{says}</span>{keys}</p> },
        )
    };
    let refused = move || {
        screen.with(|it| it.refused.clone()).map(|fault| {
            let despite = move |_| {
                ACTIVE.set(Some(session));
                take(true);
            };
            // Only what the engine itself offers can be done all the same.
            let offered = fault.hints.iter().filter_map(|it| it.command.as_ref()).any(|it| it.contains("--despite-question"));
            view! {
                <p class="termnotes" data-name="refused"><span>{one(&fault.message)}"."</span>
                    {offered.then(|| view! { <span>"Answer it in the Queue (Ctrl+J), or"</span> <button class="button" data-size="small" type="button" data-name="despite" on:click=despite>"take it all the same"</button> })}</p>
            }
        })
    };
    let title = move || {
        let title = desk.mirror.fleet.with(|it| it.sessions.get(&session).map(|it| one(&it.title)));
        several
            .get()
            .then(|| view! { <b class="mono">{session.to_string()}</b><span class="cut">{title}</span> })
    };
    let close = move |_| desk.place.beside.update(|all| all.retain(|it| *it != session));
    let away = move || {
        (several.get() && !first).then(|| view! { <button class="button" data-size="small" type="button" data-name="unsplit" title="Put it away" on:click=close><Icon name="cross"/></button> })
    };
    view! {
        <section class="termpane" data-active=move || (several.get() && active()).then_some("") aria-label=move || format!("Terminal of {session}")
            on:focusin=move |_| ACTIVE.set(Some(session)) on:pointerdown=move |_| ACTIVE.set(Some(session))>
            <div class="hands" data-taken=move || taken().then_some("")>{title}{bar}<Show when=live><Uses session=session/></Show><span class="quiet mono">{move || bytes(screen.with(|it| it.read))}</span>{away}</div>
            {notes}{marks}{refused}
            <Show when=move || FINDING.get() && active()><Find/></Show>
            <div class="term well" tabindex="-1" data-focus=move || active().then_some("stage") data-name="terminal" data-session=session.to_string() node_ref=host></div>
        </section>
    }
}

/// So often it is asked what a session uses.
const USES: Duration = Duration::from_secs(2);

/// What runs of a session and what it uses, ours apart: is it us or the agent?
#[component]
fn Uses(session: SessionId) -> impl IntoView {
    let all = RwSignal::new(Vec::<ProcessLine>::new());
    let ask = move || {
        spawn_local(async move {
            if let Ok(lines) = ipc::call(ask::session::Processes {}).await {
                let line = lines.into_iter().find(|it| it.session == session);
                let _gone = all.try_set(line.map(|it| it.processes).unwrap_or_default());
            }
        });
    };
    ask();
    let timer = set_interval_with_handle(ask, USES).ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });
    let sums = move |ours: bool| {
        all.with(|all| {
            let of = all.iter().filter(|it| it.ours == ours);
            of.fold((0, 0, 0), |(n, memory, cpu), it| (n + 1, memory + it.memory_bytes, cpu + it.cpu_ms))
        })
    };
    let says = move || {
        let (n, memory, cpu_ms) = sums(false);
        let processes = if n == 1 { "1 process".to_owned() } else { format!("{n} processes") };
        (n > 0).then(|| {
            format!("{processes} · {} · {}.{} s CPU", bytes(memory), cpu_ms / 1000, cpu_ms % 1000 / 100)
        })
    };
    let each = move || {
        let ours = sums(true).1;
        let line = |it: &ProcessLine| format!("{} {} {}", it.pid, one(&it.name), bytes(it.memory_bytes));
        let lines = all.with(|all| all.iter().filter(|it| !it.ours).map(line).collect::<Vec<_>>());
        format!("{}\nOurs: {}", lines.join("\n"), bytes(ours))
    };
    view! { <span class="quiet uses" data-name="uses" title=each>{says}</span> }
}

/// The field that finds a text on the screen and above it.
#[component]
fn Find() -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let missing = RwSignal::new(false);
    let field = NodeRef::<leptos::html::Input>::new();
    crate::kit::focus_soon(field);
    let look = move |back: Option<bool>| {
        if let Some(it) = pane() {
            missing.set(!find_text(it.key, &typed.get_untracked(), back));
        }
    };
    let close = move || {
        FINDING.set(false);
        if !pane().is_some_and(|it| focus_program(it.key)) {
            focus_bar();
        }
    };
    let heed = move |event: leptos::ev::KeyboardEvent| {
        match event.key().as_str() {
            "Enter" => look(Some(event.shift_key())),
            "Escape" => close(),
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    };
    view! {
        <div class="input filter" data-name="find">
            <Icon name="search"/>
            <input node_ref=field type="text" data-name="find-text" aria-label="Find in this terminal" placeholder="Find in this terminal" prop:value=move || typed.get()
                on:input=move |event| { typed.set(event_target_value(&event)); look(None) } on:keydown=heed/>
            <span class="quiet" role="status">{move || missing.get().then_some("Not there")}</span>
            <span><Key says="↵"/>" next"</span><span><Key says="Shift+↵"/>" before"</span><span><Key says="Esc"/>" close"</span>
        </div>
    }
}
