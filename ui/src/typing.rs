//! Typing into sessions from afar, into one or many at once, and calling a session something else. To many is asked twice;
//! what a session did not take is said beside its name.

use std::collections::{BTreeMap, BTreeSet};

use leptos::prelude::*;
use pilothouse_contract::ask::session::TypedLine;
use pilothouse_contract::session::Mode;
use pilothouse_contract::{Call, SessionId, ask, keys, wire};

use crate::desk::desk;
use crate::kit::{FaultNote, Key, focus_soon, on_enter};
use crate::words::{count, one};

/// Types into sessions.
#[component]
pub(crate) fn Type(session: Option<SessionId>) -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let enter = RwSignal::new(true);
    let chosen = RwSignal::new(session.into_iter().collect::<BTreeSet<_>>());
    let asked = RwSignal::new(false);
    let came = RwSignal::new(BTreeMap::<SessionId, Result<(), String>>::new());
    let field = NodeRef::<leptos::html::Input>::new();
    focus_soon(field);
    // Those that can be typed into; the list stands still while it is looked at.
    let live: Vec<(SessionId, String)> = desk.mirror.fleet.with_untracked(|fleet| {
        let live = fleet.sessions.values().filter(|it| it.end.is_none() && it.mode == Mode::Pty);
        live.map(|it| (it.id, one(&it.title))).collect()
    });
    let all: BTreeSet<SessionId> = live.iter().map(|it| it.0).collect();
    // What could not be typed into is not chosen, whoever asked for it.
    chosen.update(|it| it.retain(|it| all.contains(it)));
    let send = move || {
        let sessions: Vec<SessionId> = chosen.get_untracked().into_iter().collect();
        // What was pasted into the field may hold signs that no program may take for keys.
        let words: String = words.get_untracked().chars().filter(|it| !it.is_control()).collect();
        let mut keys = keys::typed(&[words]);
        if enter.get_untracked() {
            keys.extend(keys::typed(&["Enter"]));
        }
        if sessions.is_empty() || keys.is_empty() {
            return;
        }
        if sessions.len() > 1 && !asked.get_untracked() {
            asked.set(true);
            return;
        }
        asked.set(false);
        let request = ask::session::Type { sessions, bytes: keys, despite_question: false }.request();
        desk.act_then("Type", request, move |desk, reply| {
            let lines: Vec<TypedLine> = wire::decode(reply).unwrap_or_default();
            let whole = !lines.is_empty() && lines.iter().all(|it| it.fault.is_none());
            // Who has it does not get it again.
            let _gone = chosen.try_update(|all| {
                all.retain(|id| lines.iter().any(|it| it.session == *id && it.fault.is_some()));
            });
            let said = |it: TypedLine| (it.session, it.fault.map_or(Ok(()), |it| Err(it.message)));
            let _gone = came.try_set(lines.into_iter().map(said).collect());
            if whole {
                desk.place.overlay.set(None);
            }
        });
    };
    let choose_all = {
        let all = all.clone();
        move || {
            asked.set(false);
            chosen.update(|it| *it = if *it == all { BTreeSet::new() } else { all.clone() });
        }
    };
    let all_or_none = choose_all.clone();
    let heed = move |event: leptos::ev::KeyboardEvent| {
        if crate::keys::word(&event) == "ctrl+shift+a" {
            event.prevent_default();
            event.stop_propagation();
            all_or_none();
        }
    };
    let empty = live.is_empty();
    let rows = live.into_iter().map(|(id, title)| {
        let toggle = move |_| {
            asked.set(false);
            chosen.update(|all| {
                if !all.remove(&id) {
                    all.insert(id);
                }
            });
        };
        let said = move || {
            came.with(|all| {
                all.get(&id).map(|it| it.as_ref().map_or_else(|why| one(why), |()| "typed".to_owned()))
            })
        };
        view! {
            <li><label><input type="checkbox" data-session=id.to_string() prop:checked=move || chosen.with(|it| it.contains(&id)) on:change=toggle/>
                <span class="call">{id.to_string()}</span> <span class="cut">{title}</span></label><span class="quiet">{said}</span></li>
        }
    }).collect_view();
    let n = move || chosen.with(BTreeSet::len);
    let says = move || match (n(), asked.get()) {
        (0, _) => "Choose a session.".to_owned(),
        (n, true) => format!("This goes to {} at once. Press again to type it.", count(n, "session")),
        (n, false) => format!("Goes to {}.", count(n, "session")),
    };
    view! {
        <div class="dialog typing" role="dialog" aria-modal="true" aria-label="Type into sessions" data-name="type" on:keydown=heed>
            <h2>"Type into sessions"</h2>
            <p class="quiet">"With an agent at a task this is recorded as an intervention. A name of a key alone is that key: C-c, Escape, Up."</p>
            <div class="input"><input node_ref=field type="text" data-name="keys" aria-label="What is typed" prop:value=move || words.get()
                on:input=move |event| { asked.set(false); words.set(event_target_value(&event)) } on:keydown=on_enter(false, send)/></div>
            <label class="tick"><input type="checkbox" data-name="enter" prop:checked=move || enter.get() on:change=move |_| enter.update(|it| *it = !*it)/>" and press Enter"</label>
            {if empty { view! { <p class="none">"No session lives in a terminal."</p> }.into_any() } else { view! { <ul class="ticks">{rows}</ul> }.into_any() }}
            <p role="status" data-name="to">{says}</p>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="type-send" disabled=move || n() == 0 on:click=move |_| send()>{move || if asked.get() { format!("Type into {}", count(n(), "session")) } else { "Type".to_owned() }} <Key says="↵"/></button>
                <button class="button" type="button" data-name="type-all" on:click=move |_| choose_all()>"All or none" <Key says="Ctrl+Shift+A"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}

/// Calls a session something else.
#[component]
pub(crate) fn Rename(session: SessionId) -> impl IntoView {
    let desk = desk();
    let title = desk.mirror.fleet.with_untracked(|it| it.sessions.get(&session).map(|it| it.title.clone()));
    let words = RwSignal::new(title.unwrap_or_default());
    let field = NodeRef::<leptos::html::Input>::new();
    focus_soon(field);
    let send = move || {
        let request = ask::session::Rename { session, title: words.get_untracked() }.request();
        desk.act_then("Rename", request, |desk, _| desk.place.overlay.set(None));
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="Call it something else" data-name="rename">
            <h2>{format!("What is {session} called?")}</h2>
            <div class="input"><input node_ref=field type="text" data-name="title" aria-label="Its name" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event)) on:keydown=on_enter(false, send)/></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="rename-send" on:click=move |_| send()>"Rename" <Key says="↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}

/// Leaves a note for the agents of a run that begin after it.
#[component]
pub(crate) fn LeaveNote(run: pilothouse_contract::RunId) -> impl IntoView {
    let desk = desk();
    // What is said of a line that is marked says of which.
    let words = RwSignal::new(crate::diff::place_in_words(desk.diff).unwrap_or_default());
    let field = NodeRef::<leptos::html::Input>::new();
    focus_soon(field);
    let send = move || {
        let request = ask::run::Note { run, text: words.get_untracked() }.request();
        desk.act_then("Leave the note", request, |desk, _| desk.place.overlay.set(None));
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="Leave a note" data-name="note">
            <h2>{format!("A note for the agents of {run}")}</h2>
            <p class="quiet">"Agents at work are left alone. Every one that begins after this finds it in its brief."</p>
            <div class="input"><input node_ref=field type="text" data-name="words" aria-label="The note" maxlength=pilothouse_contract::run::NOTE_MAX.to_string() prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event)) on:keydown=on_enter(false, send)/></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="note-send" disabled=move || words.with(|it| it.trim().is_empty()) on:click=move |_| send()>"Leave it" <Key says="↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}

/// Says why the line of a project is stopped, and stops it.
#[component]
pub(crate) fn HoldLine(project: pilothouse_contract::ProjectId) -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let field = NodeRef::<leptos::html::Input>::new();
    focus_soon(field);
    let name = desk.name_of(project).unwrap_or_default();
    let send = move || {
        let request = ask::project::HoldLine { project, why: words.get_untracked() }.request();
        desk.act_then("Stop the line", request, |desk, _| desk.place.overlay.set(None));
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="Stop the line" data-name="hold-line">
            <h2>{format!("Stop the line of {}", crate::words::one(&name))}</h2>
            <p class="quiet">"Nothing lands until somebody opens it again, but what a person lets through by itself. What is being landed lands."</p>
            <div class="input"><input node_ref=field type="text" data-name="words" aria-label="Why" placeholder="Why" maxlength="500" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event)) on:keydown=on_enter(false, send)/></div>
            {move || desk.fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="hold-line-send" disabled=move || words.with(|it| it.trim().is_empty()) on:click=move |_| send()>"Stop it" <Key says="↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}
