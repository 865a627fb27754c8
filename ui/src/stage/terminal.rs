//! The terminal of a session: watched, hands off, until a person takes the keyboard on purpose. The screen is
//! xterm.js's; here is what stands around it.

use std::cell::Cell;

use leptos::prelude::*;
use pilothouse_contract::session::{Mode, SessionKind};
use pilothouse_contract::wire::Ended;
use pilothouse_contract::{Fault, SessionId};
use wasm_bindgen::prelude::*;

use crate::desk::desk;
use crate::kit::{CommandButton, Icon, Key};
use crate::words::{bytes, one};

#[wasm_bindgen(raw_module = "./terminal.js")]
extern "C" {
    fn show(element: &web_sys::Element, session: &str, told: &JsValue) -> u32;
    fn hide(id: u32);
    fn keyboard(id: u32, taken: bool) -> u32;
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

/// Hands the keyboard to the program on the page, if it runs and listens.
pub(crate) fn take() {
    // Behind whatever closes now and gives the focus back.
    set_timeout(
        || {
            if let Some(id) = SHOWN.get()
                && ABLE.get()
            {
                SHOWN.set(Some(keyboard(id, true)));
                TAKEN.set(true);
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
        if let Some(id) = SHOWN.get() {
            SHOWN.set(Some(keyboard(id, false)));
        }
        TAKEN.set(false);
    }
}

/// What is known of the screen.
#[derive(Debug, Clone, Default, PartialEq)]
struct Screen {
    read: u64,
    from: u64,
    skipped: u64,
    ended: Option<String>,
    fault: Option<String>,
    paste: Option<String>,
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
                "from" => it.from = number,
                "skipped" => it.skipped += number,
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
        (false, true) => view! {
            <Icon name="lock"/><span class="cut"><b>"Hands off. "</b>"You are watching; keys go to Pilothouse."</span>
            <span class="push"><CommandButton id="take" label="Take the keyboard"/></span>
        }.into_any(),
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
        if it.from > 0 {
            notes.push(format!("{} before this are in the log", bytes(it.from)));
        }
        if it.skipped > 0 {
            notes.push(format!("{} went by too fast to show; they are in the log", bytes(it.skipped)));
        }
        (!notes.is_empty()).then(|| view! { <p class="termnotes">{notes.join(" · ")}</p> })
    };
    view! {
        <div class="hands" data-taken=move || TAKEN.get().then_some("")>{bar}<span class="quiet mono">{move || bytes(screen.with(|it| it.read))}</span></div>
        {notes}
        <div class="term well" tabindex="-1" data-focus="stage" data-name="terminal" data-session=session.to_string() node_ref=host></div>
    }
}
