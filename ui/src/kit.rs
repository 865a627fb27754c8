//! Small parts: icon, chip, key, button of a command, the forms of a pane that has nothing, waits, or failed. State lives
//! in `data-*` and `aria-*`, never in class names.

use leptos::prelude::*;
use pilothouse_contract::Fault;
use pilothouse_contract::attention::Priority;

use crate::commands;
use crate::desk::desk;

/// Icons by name: one stroke, on a grid of 16.
fn path(name: &str) -> &'static str {
    match name {
        "check" => "M3.5 8.5 6.5 11.5 12.5 4.5",
        "cross" => "M4 4 12 12M12 4 4 12",
        "dash" => "M4 8h8",
        "clock" => "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11M8 5v3.2l2 1.3",
        "play" => "M5 3.5 12 8 5 12.5Z",
        "lock" => "M4 7.5h8v5.5h-8zM5.5 7.5v-2a2.5 2.5 0 0 1 5 0v2",
        "search" => "M7 2.8a4.2 4.2 0 1 1 0 8.4a4.2 4.2 0 1 1 0-8.4M10.2 10.2 13.5 13.5",
        "branch" => {
            "M5 3a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3M5 6v4M5 10a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3M11 4a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3M11 7c0 2-2 2.5-5.2 3.3"
        }
        "file" => "M4 2.5h5l3 3v8h-8zM9 2.5v3h3",
        "pencil" => "M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2zM9.5 4.3l2.2 2.2",
        "terminal" => "M2.5 3.5h11v9h-11zM5 6.5l2 1.5-2 1.5M8.5 10h2.5",
        "question" => {
            "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11M6.3 6.4a1.7 1.7 0 1 1 2.4 1.7c-.5.3-.7.6-.7 1.1M8 11.2v.1"
        }
        "flag" => "M4 13.5v-11h8l-1.6 3 1.6 3H4",
        "list" => "M3 4.5h10M3 8h10M3 11.5h6",
        "down" => "M4 6l4 4 4-4",
        "right" => "M6 4l4 4-4 4",
        "keyboard" => "M2 4.5h12v7H2zM4.5 7h.1M7 7h.1M9 7h.1M11.5 7h.1M5 9.3h6",
        "speech" => "M3 3.5h10v7H7.5L5 13v-2.5H3z",
        "eye" => {
            "M1.8 8s2.2-4 6.2-4 6.2 4 6.2 4-2.2 4-6.2 4-6.2-4-6.2-4M8 6.3a1.7 1.7 0 1 1 0 3.4a1.7 1.7 0 1 1 0-3.4"
        }
        "warning" => "M8 2.8 14 13H2zM8 6.5v3M8 11.3v.1",
        // A pilothouse: a roof, a window, a deck.
        _ => "M2.5 6.5 8 3l5.5 3.5M4 6.5v5.5h8V6.5M2 12.5h12M6.5 8.5h3",
    }
}

/// An icon; hidden from readers, for its words stand beside it.
#[component]
pub(crate) fn Icon(name: &'static str) -> impl IntoView {
    view! { <svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=path(name)/></svg> }
}

/// A priority: shape and digit carry it, colour repeats it.
#[component]
pub(crate) fn Chip(p: Priority, #[prop(into)] seen: Signal<bool>) -> impl IntoView {
    view! {
        <span class="chip" role="img" data-p=p.digit() data-ack=move || seen.get().then_some("") aria-label=format!("priority {}", p.digit())>
            {p.digit()}
        </span>
    }
}

/// A key cap.
#[component]
pub(crate) fn Key(#[prop(into)] says: String) -> impl IntoView {
    view! { <kbd class="key">{says}</kbd> }
}

/// A button of a command, with its key.
#[component]
pub(crate) fn CommandButton(
    id: &'static str,
    #[prop(optional)] kind: &'static str,
    #[prop(optional, into)] label: String,
) -> impl IntoView {
    let desk = desk();
    let title = commands::of(id).map_or("", |it| it.title);
    let label = if label.is_empty() { title.to_owned() } else { label };
    let key = commands::shown(id);
    let run = move |_| {
        if let Some(command) = commands::of(id) {
            (command.run)(desk);
        }
    };
    view! {
        <button class="button" type="button" data-kind=kind data-command=id title=title on:click=run>
            {label}
            {(!key.is_empty()).then(|| view! { <Key says=key/> })}
        </button>
    }
}

/// What a field does with Enter, or with Ctrl+Enter where Enter makes a line.
pub(crate) fn on_enter(
    ctrl: bool,
    does: impl Fn() + 'static,
) -> impl Fn(leptos::ev::KeyboardEvent) + 'static {
    move |event| {
        if event.key() == "Enter" && (event.ctrl_key() || !ctrl) {
            event.prevent_default();
            event.stop_propagation();
            // A key that is held down is no second yes.
            if !event.repeat() {
                does();
            }
        }
    }
}

/// Puts the focus on a part of the page as soon as it is there.
pub(crate) fn focus_soon<E>(part: NodeRef<E>)
where
    E: leptos::html::ElementType + 'static,
    E::Output: wasm_bindgen::JsCast + Clone + 'static,
{
    Effect::new(move |_| {
        if let Some(part) = part.get() {
            focus_within(wasm_bindgen::JsCast::unchecked_into(part), FRAMES);
        }
    });
}

/// So many frames it is tried to give the focus away.
const FRAMES: u8 = 20;

/// What has been made stands on the page with one of the next frames; until then it cannot have the focus. Nor is it taken from
/// what a person has given it to meanwhile.
fn focus_within(part: web_sys::HtmlElement, frames: u8) {
    request_animation_frame(move || {
        let _hidden = part.focus();
        let nobody_has_it = document().active_element().is_none_or(|it| it.tag_name() == "BODY");
        if (nobody_has_it || !part.is_connected()) && frames > 0 {
            focus_within(part, frames - 1);
        }
    });
}

/// What a pane says that has nothing to show.
#[component]
pub(crate) fn Calm(
    #[prop(into)] title: String,
    #[prop(optional, into)] says: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="calm">
            <h2 class="big">{title}</h2>
            {(!says.is_empty()).then(|| view! { <p>{says}</p> })}
            {children.map(|it| it())}
        </div>
    }
}

/// What a pane says that waits for an answer: nothing at first, then what it reads.
#[component]
pub(crate) fn Reading(#[prop(into)] what: String) -> impl IntoView {
    let late = RwSignal::new(false);
    set_timeout(
        move || {
            let _gone = late.try_set(true);
        },
        std::time::Duration::from_millis(400),
    );
    view! { <p class="reading" aria-live="polite">{move || late.get().then(|| format!("Reading {what}"))}</p> }
}

/// A fault in its place: what happened, how to mend it, the cause behind a fold.
#[component]
pub(crate) fn FaultNote(fault: Fault) -> impl IntoView {
    let hints = fault
        .hints
        .iter()
        .map(|hint| {
            let text = crate::words::one(&hint.text);
            let command = hint.command.as_ref().map(|it| crate::words::one(it));
            view! { <li>{text} {command.map(|it| view! { " " <code>{it}</code> })}</li> }
        })
        .collect_view();
    let detail = fault.detail.as_ref().map(|it| {
        let it = crate::words::many(it);
        view! { <details><summary>"Details"</summary><pre>{it}</pre></details> }
    });
    view! {
        <div class="faultnote">
            <p><b>{crate::words::many(&fault.message)}</b></p>
            <ul>{hints}</ul>
            {detail}
        </div>
    }
}

/// Something that a call brings: waits, shows it, or shows why not. Asked anew whenever what `ask` reads changes; until the
/// answer is there, the last one stays.
pub(crate) fn asked<T, F>(
    what: &'static str,
    ask: impl Fn() -> F + 'static,
    show: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + PartialEq + 'static,
    F: Future<Output = Result<T, Fault>> + 'static,
{
    let (last, fault) = heard(ask);
    view! {
        {move || fault.get().map(|fault| view! { <FaultNote fault=fault/> })}
        {move || match last.get() {
            None if fault.with(Option::is_some) => ().into_any(),
            None => view! { <Reading what=what/> }.into_any(),
            Some(page) => show(page),
        }}
    }
    .into_any()
}

/// What a call brought last, and why it brought nothing: for what has to stay on the page while its parts change.
pub(crate) fn heard<T, F>(
    ask: impl Fn() -> F + 'static,
) -> (RwSignal<Option<T>, LocalStorage>, RwSignal<Option<Fault>>)
where
    T: Clone + PartialEq + 'static,
    F: Future<Output = Result<T, Fault>> + 'static,
{
    let answer = LocalResource::new(ask);
    let last = RwSignal::new_local(None::<T>);
    let fault = RwSignal::new(None::<Fault>);
    Effect::new(move |_| match answer.get() {
        Some(Ok(page)) => {
            fault.set(None);
            if last.with_untracked(|it| it.as_ref() != Some(&page)) {
                last.set(Some(page));
            }
        }
        Some(Err(it)) => fault.set(Some(it)),
        None => {}
    });
    (last, fault)
}
