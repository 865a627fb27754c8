//! What lies over the panes: the sheet of keys, questions before a deed, an answer in words. The annunciator
//! stays above. When it closes, the focus goes back to where it was.

use leptos::prelude::*;
use pilothouse_contract::{Call, QuestionId, ask};
use wasm_bindgen::JsCast;

use crate::commands::{self, Where};
use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{Key, on_enter};
use crate::leaving::{Leaving, MachineEnds, Upgrade};
use crate::palette::{GoTo, Palette};
use crate::place::{Confirm, Overlay};
use crate::project::AddRepository;
use crate::words::{many, one};

/// Heeds the keys that close what lies over the panes. Returns whether it was one.
pub(crate) fn heed(desk: Desk, word: &str) -> bool {
    let overlay = desk.place.overlay.get_untracked();
    match (word, &overlay) {
        ("escape", Some(_)) => desk.place.overlay.set(None),
        ("escape", None) if desk.fault.get_untracked().is_some() => desk.fault.set(None),
        ("y", Some(Overlay::Confirm(it))) => confirm(desk, it),
        ("n", Some(Overlay::Confirm(_))) => desk.place.overlay.set(None),
        _ => return false,
    }
    true
}

fn confirm(desk: Desk, it: &Confirm) {
    desk.place.overlay.set(None);
    desk.act(&it.label, (*it.deed).clone());
}

/// Whatever is over the panes.
#[component]
pub(crate) fn Overlays() -> impl IntoView {
    let desk = desk();
    let close = move |_| desk.place.overlay.set(None);
    // The focus comes back to where it was.
    let before = StoredValue::new_local(None::<web_sys::HtmlElement>);
    Effect::new(move |open: Option<bool>| {
        let now = desk.place.overlay.with(Option::is_some);
        if now && open != Some(true) {
            before.set_value(document().active_element().and_then(|it| it.dyn_into().ok()));
        } else if !now && open == Some(true) {
            request_animation_frame(move || {
                // Unless what was chosen has taken the focus meanwhile.
                let idle = desk.place.overlay.with_untracked(Option::is_none)
                    && document().active_element().is_none_or(|it| it.tag_name() == "BODY");
                before.with_value(|it| {
                    if let Some(it) = it.as_ref().filter(|_| idle) {
                        let _gone = it.focus();
                    }
                });
            });
        }
        now
    });
    move || {
        desk.place.overlay.get().map(|overlay| {
        let inner = match overlay {
            Overlay::Palette(begins) => view! { <Palette begins=begins/> }.into_any(),
            Overlay::GoTo => view! { <GoTo/> }.into_any(),
            Overlay::Type(session) => view! { <crate::typing::Type session=session/> }.into_any(),
            Overlay::Note(run) => view! { <crate::typing::LeaveNote run=run/> }.into_any(),
            Overlay::HoldLine(project) => view! { <crate::typing::HoldLine project=project/> }.into_any(),
            Overlay::Rename(session) => view! { <crate::typing::Rename session=session/> }.into_any(),
            Overlay::Keys => view! { <Keys/> }.into_any(),
            Overlay::AddRepository => view! { <AddRepository/> }.into_any(),
            Overlay::NewItem => view! { <crate::refine::NewItem/> }.into_any(),
            Overlay::Refinement(item) => view! { <crate::refine::Refinement item=item/> }.into_any(),
            Overlay::Leaving => view! { <Leaving/> }.into_any(),
            Overlay::MachineEnds => view! { <MachineEnds/> }.into_any(),
            Overlay::Upgrade => view! { <Upgrade/> }.into_any(),
            Overlay::Receipt(run) => view! { <Receipt run=run/> }.into_any(),
            Overlay::Link(address) => view! { <Link address=address/> }.into_any(),
            Overlay::Comment(pull, path, line) => view! { <crate::stage::review::Comment pull=pull path=path line=line/> }.into_any(),
            Overlay::Verdict(pull, back) => view! { <crate::stage::sample::Verdict pull=pull back=back/> }.into_any(),
            Overlay::Answer(pull, finding) => view! { <crate::stage::review::AnswerFinding pull=pull finding=finding/> }.into_any(),
            Overlay::Reply(question) => view! { <Reply question=question/> }.into_any(),
            Overlay::Confirm(it) => view! { <ConfirmDialog it=it/> }.into_any(),
        };
        view! { <div class="scrim" on:click=close></div><div class="over" data-name="overlay">{inner}</div> }
    })
    }
}

#[component]
fn Keys() -> impl IntoView {
    let group = |title: &'static str, place: Where| {
        let rows = commands::all().filter(|it| it.place == place && !it.keys.is_empty()).map(|it| view! {
            <li><span>{it.title}</span><span>{it.keys.iter().map(|key| view! { <Key says=crate::keys::shown(key)/>" " }).collect_view()}</span></li>
        }).collect_view();
        view! { <section><h3>{title}</h3><ul>{rows}</ul></section> }
    };
    // Keys of a mode are no commands: `mark.js` heeds them.
    let copying = [
        ("Move", &["h", "j", "k", "l", "↑", "↓", "←", "→"][..]),
        ("Word, line, everything", &["w", "b", "0", "$", "g", "G"]),
        ("Set the anchor; of whole lines", &["v", "V"]),
        ("Find; again", &["/", "n"]),
        ("Copy; leave", &["y", "Esc"]),
    ];
    let copying = copying
        .map(|(does, keys)| {
            let keys = keys.iter().map(|key| view! { <Key says=*key/>" " }).collect_view();
            view! { <li><span>{does}</span><span>{keys}</span></li> }
        })
        .collect_view();
    view! {
        <div class="dialog keysheet" tabindex="0" role="dialog" aria-modal="true" aria-label="Keys" data-name="keys">
            <h2>"Keys"</h2>
            <div class="keycols">{group("Everywhere", Where::Anywhere)}
                <div>{group("In lists and on the stage", Where::Panes)}{group("In the list", Where::List)}{group("In the queue", Where::Queue)}
                <section><h3>"In every list"</h3><ul><li><span>"Move"</span><span><Key says="j"/>" "<Key says="k"/>" "<Key says="↑"/>" "<Key says="↓"/></span></li><li><span>"Open"</span><Key says="↵"/></li><li><span>"Back"</span><Key says="Esc"/></li></ul></section>
                <section><h3>"In copy mode"</h3><ul>{copying}</ul></section></div>
            </div>
        </div>
    }
}

#[component]
fn ConfirmDialog(it: Confirm) -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    let of = it.clone();
    view! {
        <div class="dialog" role="alertdialog" aria-modal="true" aria-label=it.asks.clone() data-name="confirm">
            <h2>{it.asks.clone()}</h2><p>{it.says.clone()}</p>
            <div class="answers"><button node_ref=button class="button" data-kind="primary" type="button" data-name="confirm-yes" on:click=move |_| confirm(desk, &of)>{it.label.clone()} <Key says="y"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Keep it" <Key says="n"/></button></div>
        </div>
    }
}

#[component]
fn Reply(question: QuestionId) -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(String::new());
    let field = NodeRef::<leptos::html::Textarea>::new();
    crate::kit::focus_soon(field);
    let it = desk.mirror.fleet.with_untracked(|fleet| fleet.questions.get(&question).cloned());
    let asks = it.as_ref().map(|it| many(&it.asks)).unwrap_or_default();
    let choices = it
        .map(|it| {
            it.choices
                .iter()
                .enumerate()
                .map(|(n, it)| format!("{} {}", n + 1, one(it)))
                .collect::<Vec<_>>()
                .join(" · ")
        })
        .unwrap_or_default();
    let send = move || {
        let text = words.get_untracked();
        if text.trim().is_empty() {
            return;
        }
        let request = ask::question::Answer { question, text, policy: None }.request();
        desk.act_then("Reply", request, |desk, _| desk.place.overlay.set(None));
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="Reply" data-name="reply">
            <h2>{asks}</h2><p class="quiet">{choices}</p>
            <div class="input tall"><textarea node_ref=field rows="4" data-name="words" aria-label="Your answer" prop:value=move || words.get() on:input=move |event| words.set(event_target_value(&event))
                on:keydown=on_enter(true, send)></textarea></div>
            {move || desk.fault.get().map(|fault| view! { <crate::kit::FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="send" on:click=move |_| send()>"Send" <Key says="Ctrl+↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}

/// What a run took and what came of it, to be copied.
#[component]
fn Receipt(run: pilothouse_contract::RunId) -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    let markdown = StoredValue::new(String::new());
    let copied = RwSignal::new("");
    let lines = crate::kit::asked(
        "the receipt",
        move || ipc::call(ask::run::Receipt { run }),
        move |page: ask::run::ReceiptPage| {
            markdown.set_value(page.markdown);
            let rows = page
                .lines
                .into_iter()
                .map(|it| view! { <tr><th scope="row">{one(&it.name)}</th><td>{one(&it.says)}</td></tr> })
                .collect_view();
            view! { <p>{one(&page.receipt.title)}</p><table class="receipt"><tbody>{rows}</tbody></table> }
                .into_any()
        },
    );
    let copy = move |_| {
        let all = markdown.get_value();
        if !all.is_empty() {
            leptos::task::spawn_local(async move {
                let done = crate::stage::terminal::clip(&all).await.as_bool() == Some(true);
                let says = if done {
                    "Copied."
                } else {
                    "The clipboard did not take it. On the command line: pilothouse receipt"
                };
                let _gone = copied.try_set(says);
            });
        }
    };
    view! {
        <div class="dialog receiptsheet" role="dialog" aria-modal="true" aria-label="The receipt of a run" data-name="receipt">
            <h2>{format!("Receipt of {run}")}</h2>{lines}
            <p class="quiet" role="status">{move || copied.get()}</p>
            <div class="answers"><button node_ref=button class="button" data-kind="primary" type="button" data-name="copy-receipt" on:click=copy>"Copy as Markdown" <Key says="↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Close" <Key says="Esc"/></button></div>
        </div>
    }
}

/// A link that a program named: whole, and opened only by who saw it so.
#[component]
fn Link(address: String) -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    let shown = one(&address);
    let of = address.clone();
    let copy = move |_| {
        let of = of.clone();
        leptos::task::spawn_local(async move {
            crate::stage::terminal::clip(&of).await;
        });
        desk.place.overlay.set(None);
    };
    let open = move |_| {
        let address = address.clone();
        desk.place.overlay.set(None);
        leptos::task::spawn_local(async move {
            if let Err(fault) = ipc::visit(&address).await {
                desk.fault.set(Some(fault));
            }
        });
    };
    view! {
        <div class="dialog" role="dialog" aria-modal="true" aria-label="A link" data-name="link">
            <h2>"A program named this link"</h2><p class="mono">{shown}</p>
            <p class="quiet">"It may lead elsewhere than its text says. It opens in your browser, outside of Pilothouse."</p>
            <div class="answers"><button node_ref=button class="button" data-kind="primary" type="button" data-name="copy-link" on:click=copy>"Copy it"</button>
                <button class="button" type="button" data-name="visit" on:click=open>"Open it"</button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Leave it" <Key says="Esc"/></button></div>
        </div>
    }
}
