//! The terminal of a session: watched, hands off, until a person takes the keyboard on purpose. The screen is
//! xterm.js's; here is what stands around it.

use std::cell::Cell;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask::session::ProcessLine;
use pilothouse_contract::session::{Lease, Mode, SessionKind};
use pilothouse_contract::wire::{Ended, LeaseSeen};
use pilothouse_contract::{Fault, SessionId, ask};
use wasm_bindgen::prelude::*;

use crate::desk::desk;
use crate::ipc;
use crate::kit::{CommandButton, Icon, Key};
use crate::place::Overlay;
use crate::words::{bytes, clock, one};

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
    pub(crate) fn clip(text: &str);
    pub(crate) fn read_aloud();
}

thread_local! {
    /// The terminal that is on the page.
    static SHOWN: Cell<Option<u32>> = const { Cell::new(None) };
    /// Whether its program runs in a terminal, and so can be typed to.
    static ABLE: Cell<bool> = const { Cell::new(false) };
}

static TAKEN: std::sync::LazyLock<ArcRwSignal<bool>> = std::sync::LazyLock::new(|| ArcRwSignal::new(false));

/// Whether a program has the keyboard.
pub(crate) fn is_taken() -> bool {
    TAKEN.get()
}

static FINDING: std::sync::LazyLock<ArcRwSignal<bool>> = std::sync::LazyLock::new(|| ArcRwSignal::new(false));

/// Whether a terminal is on the page.
pub(crate) fn is_shown() -> bool {
    SHOWN.get().is_some()
}

/// Opens the field that finds a text on the screen and above it.
pub(crate) fn find() {
    FINDING.set(is_shown());
}

/// Paints the terminal again with everything above its screen that there is.
pub(crate) fn earlier() {
    if let Some(key) = SHOWN.get() {
        paint_earlier(key);
    }
}

/// Scrolls a terminal that is only watched. Returns whether the key was one that scrolls.
pub(crate) fn scroll(word: &str) -> bool {
    SHOWN.get().is_some_and(|key| scroll_by(key, word))
}

/// Copies what is selected. Returns how many signs that were.
pub(crate) fn copy() -> u32 {
    SHOWN.get().map_or(0, copy_selected)
}

/// Hands the keyboard to the program on the page, if it runs and listens; not while it waits for an answer, unless `despite`.
pub(crate) fn take(despite: bool) {
    // Behind whatever closes now and gives the focus back.
    set_timeout(
        move || {
            if let Some(key) = SHOWN.get()
                && ABLE.get()
            {
                TAKEN.set(true);
                keyboard(key, true, despite);
            }
        },
        std::time::Duration::from_millis(60),
    );
}

/// Takes the keyboard back.
pub(crate) fn leave() {
    give_back();
    if let Some(bar) = document().query_selector("[data-focus=stage]").ok().flatten() {
        let _hidden = bar.unchecked_into::<web_sys::HtmlElement>().focus();
    }
}

fn give_back() {
    if TAKEN.get_untracked() {
        if let Some(key) = SHOWN.get() {
            keyboard(key, false, false);
        }
        TAKEN.set(false);
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
    /// Who else has the keyboard.
    theirs: Option<Lease>,
    /// Why it was not given.
    refused: Option<Fault>,
}

/// The terminal of a session.
#[component]
pub(crate) fn Terminal(session: SessionId) -> impl IntoView {
    let desk = desk();
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
                    TAKEN.set(false);
                    it.refused = serde_json::from_str(&words).ok();
                }
                "lost" => TAKEN.set(false),
                "link" => desk.place.overlay.set(Some(Overlay::Link(words))),
                "skipped" => it.skipped += number,
                "still" => it.still = !words.is_empty(),
                "paste" => it.paste = Some(words),
                "ended" => it.ended = serde_json::from_str::<Ended>(&words).ok().map(|it| it.why),
                _ => {
                    it.fault = serde_json::from_str::<Fault>(&words).ok().map(|it| it.message).or(Some(words))
                }
            });
        });
    let told = StoredValue::new_local(told);
    Effect::new(move |_| {
        let Some(host) = host.get() else { return };
        if SHOWN.get().is_none() {
            let id = told.with_value(|told| show(&host, &session.to_string(), told.as_ref()));
            SHOWN.set(Some(id));
        }
    });
    on_cleanup(move || {
        if let Some(id) = SHOWN.take() {
            hide(id);
        }
        TAKEN.set(false);
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
        ABLE.set(able);
        // The keyboard of a program that ended is a person's again.
        if !able {
            give_back();
        }
    });
    let agent = move || facts.get().is_some_and(|it| it.0 == SessionKind::Agent);
    let bar = move || {
        match (TAKEN.get(), live()) {
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
                <Icon name="lock"/><span class="cut"><b>"Hands off. "</b>{says}</span>
                <span class="push"><CommandButton id="take" label="Take the keyboard"/></span>
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
        if it.still {
            notes.push("It stands still while you read above; the last line goes on".to_owned());
        }
        if it.skipped > 0 {
            notes.push(format!("{} went by too fast to show; they are in the log", bytes(it.skipped)));
        }
        (!notes.is_empty()).then(|| view! { <p class="termnotes">{notes.join(" · ")}</p> })
    };
    let refused = move || {
        screen.with(|it| it.refused.clone()).map(|fault| {
            let despite = move |_| take(true);
            // Only what the engine itself offers can be done all the same.
            let offered = fault.hints.iter().filter_map(|it| it.command.as_ref()).any(|it| it.contains("--despite-question"));
            view! {
                <p class="termnotes" data-name="refused"><span>{one(&fault.message)}"."</span>
                    {offered.then(|| view! { <span>"Answer it in the Queue (Ctrl+J), or"</span> <button class="button" data-size="small" type="button" data-name="despite" on:click=despite>"take it all the same"</button> })}</p>
            }
        })
    };
    view! {
        <div class="hands" data-taken=move || TAKEN.get().then_some("")>{bar}<Show when=live><Uses session=session/></Show><span class="quiet mono">{move || bytes(screen.with(|it| it.read))}</span></div>
        {notes}{refused}
        <Show when=move || FINDING.get()><Find/></Show>
        <div class="term well" tabindex="-1" data-focus="stage" data-name="terminal" data-session=session.to_string() node_ref=host></div>
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
        if let Some(key) = SHOWN.get() {
            missing.set(!find_text(key, &typed.get_untracked(), back));
        }
    };
    let close = move || {
        FINDING.set(false);
        if SHOWN.get().is_some_and(focus_program) {
            return;
        }
        if let Some(bar) = document().query_selector("[data-focus=stage]").ok().flatten() {
            let _hidden = bar.unchecked_into::<web_sys::HtmlElement>().focus();
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
