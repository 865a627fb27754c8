//! Keys: one listener for the whole page. A key becomes a word like `ctrl+shift+k`, the word a command. What a webview
//! does by itself on such keys (print, find, reload, zoom) is prevented here and nowhere else.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::commands::{self, Where};
use crate::desk::Desk;
use crate::place::{Overlay, Pane};
use crate::{lists, overlays};

/// What webviews do on keys by themselves and a control room does not want.
const PREVENTED: [&str; 12] = [
    "ctrl+p", "ctrl+s", "ctrl+f", "ctrl+g", "ctrl+r", "ctrl+u", "ctrl+n", "ctrl+w", "f5", "f7", "ctrl+d",
    "ctrl+h",
];

/// What stays the window's while a program has the keyboard: the way out, the palette and the next that needs somebody, and
/// what is done with a terminal. `terminal.js` is told of it.
pub(crate) const OURS: [&str; 12] = [
    "shift+f6",
    "ctrl+shift+t",
    "ctrl+shift+k",
    "ctrl+shift+j",
    "ctrl+shift+f",
    "ctrl+shift+c",
    "ctrl+shift+m",
    "ctrl+shift+e",
    "ctrl+shift+d",
    "ctrl+shift+n",
    "ctrl+shift+w",
    "ctrl+shift+b",
];

/// The word of a key.
pub(crate) fn word(event: &web_sys::KeyboardEvent) -> String {
    let mut word = String::new();
    if event.ctrl_key() || event.meta_key() {
        word.push_str("ctrl+");
    }
    if event.alt_key() {
        word.push_str("alt+");
    }
    let key = event.key();
    let printable = key.chars().count() == 1;
    // Shift is part of a sign; with letters and named keys it is a key of its own.
    if event.shift_key() && (!printable || key.chars().all(char::is_alphabetic)) {
        word.push_str("shift+");
    }
    word.push_str(&if key == " " { "space".to_owned() } else { key.to_lowercase() });
    word
}

/// A key as people read it.
pub(crate) fn shown(word: &str) -> String {
    let mac = window().navigator().platform().is_ok_and(|it| it.starts_with("Mac"));
    let parts: Vec<String> = word
        .split('+')
        .map(|part| match part {
            "ctrl" if mac => "⌘".to_owned(),
            "ctrl" => "Ctrl".to_owned(),
            "shift" => "Shift".to_owned(),
            "enter" => "↵".to_owned(),
            it if it.len() == 1 || it.starts_with('f') => it.to_owned(),
            it => it.to_owned(),
        })
        .collect();
    let modified = parts.len() > 1;
    let mut parts = parts;
    if let Some(last) = parts.last_mut()
        && (modified || last.starts_with('f'))
        && last.len() <= 3
    {
        *last = last.to_uppercase();
    }
    parts.join(if mac { "" } else { "+" })
}

fn typing(event: &web_sys::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok()) else {
        return false;
    };
    // The field in which a terminal would listen types nothing while it is only watched.
    let watched = target.class_list().contains("xterm-helper-textarea") && !in_terminal(event);
    !watched && matches!(target.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
}

/// Whether a field of the page has the focus, and no terminal's.
pub(crate) fn in_field(event: &web_sys::KeyboardEvent) -> bool {
    let target = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
    target.is_some_and(|it| {
        !it.class_list().contains("xterm-helper-textarea")
            && matches!(it.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
    })
}

/// Whether a key is the focused button's own.
fn is_buttons(event: &web_sys::KeyboardEvent, word: &str) -> bool {
    let target = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
    matches!(word, "enter" | "space")
        && target.is_some_and(|it| it.closest("button, a, summary, select").ok().flatten().is_some())
}

fn in_terminal(event: &web_sys::KeyboardEvent) -> bool {
    let target = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
    target.is_some_and(|it| it.closest("[data-keyboard=ours]").ok().flatten().is_some())
}

/// Listens for as long as the page lives.
pub(crate) fn listen(desk: Desk) {
    crate::stage::terminal::keep_keys(OURS.join(" ").as_str());
    let heard = window_event_listener_untyped("keydown", move |event| {
        let Some(event) = event.dyn_ref::<web_sys::KeyboardEvent>() else { return };
        heed(desk, event);
    });
    // The system asks the window to close: what goes on is said first, if anything does.
    let asked = window_event_listener_untyped("ph-leaving", move |_| {
        if crate::leaving::is_anything_under_way(desk) {
            desk.place.overlay.set(Some(Overlay::Leaving));
        } else {
            crate::ipc::close_window();
        }
    });
    // The machine is about to go down, or after all is not.
    let machine = window_event_listener_untyped("ph-machine", move |event| {
        let ends = event.dyn_ref::<web_sys::CustomEvent>().is_some_and(|it| it.detail().is_truthy());
        crate::leaving::machine(desk, ends);
    });
    // For as long as the page lives.
    std::mem::forget((heard, asked, machine));
    let _ = ev::keydown;
}

fn heed(desk: Desk, event: &web_sys::KeyboardEvent) {
    let word = word(event);
    // In copy mode plain keys move the mark, whoever has the keyboard.
    if desk.place.overlay.get_untracked().is_none()
        && desk.place.pane.get_untracked() == Pane::Stage
        && !in_field(event)
        && !is_buttons(event, &word)
        && crate::stage::terminal::press(&word)
    {
        event.prevent_default();
        return;
    }
    // A program that has the keyboard gets every other key.
    if in_terminal(event) {
        if !OURS.contains(&word.as_str()) {
            return;
        }
        if word == "shift+f6" || word == "ctrl+shift+t" {
            event.prevent_default();
            crate::stage::terminal::leave();
            return;
        }
    }
    if PREVENTED.contains(&word.as_str()) {
        event.prevent_default();
    }
    if is_buttons(event, &word) {
        return;
    }
    if overlays::heed(desk, &word) {
        event.prevent_default();
        return;
    }
    if desk.place.overlay.get_untracked().is_some() {
        return;
    }
    let typing = typing(event);
    if !typing && lists::heed(desk, &word) {
        event.prevent_default();
        return;
    }
    let pane = desk.place.pane.get_untracked();
    let found = commands::all().find(|it| {
        it.keys.contains(&word.as_str())
            && commands::able(desk, it)
            && match it.place {
                Where::Anywhere => !typing || word.contains('+') || word.starts_with('f'),
                Where::Panes => !typing,
                Where::List => !typing && pane == Pane::List,
                Where::Queue => !typing && pane == Pane::Queue,
            }
    });
    if let Some(command) = found {
        event.prevent_default();
        // A key that is held down does its deed once.
        if !event.repeat() {
            (command.run)(desk);
        }
    }
}
