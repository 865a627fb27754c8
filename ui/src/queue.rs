//! The queue: what needs me? The only list of open alarms, the most urgent first, each with its question, its cause, what
//! happens if nobody acts, and its answers.

use leptos::prelude::*;
use pilothouse_contract::At;
use pilothouse_contract::attention::{Alarm, Deed, Family, Priority};
use pilothouse_contract::underway::Plan;

use crate::board::AllQuiet;
use crate::commands;
use crate::desk::desk;
use crate::kit::{Chip, Icon, Key};
use crate::place::{Overlay, Pane};
use crate::words::{age, many, one};

/// What an alarm is called in the page, for whoever points to it.
fn id_of(key: &str) -> String {
    format!("alarm-{}", key.replace(|it: char| !it.is_alphanumeric(), "-"))
}

/// The queue.
#[component]
pub(crate) fn Queue() -> impl IntoView {
    let desk = desk();
    let wanted = Memo::new(move |_| desk.alarms().into_iter().map(|it| it.key).collect::<Vec<_>>());
    // Nothing comes between the pointer and the answer that it is about to press.
    let pointed = RwSignal::new(false);
    let keys = crate::board::settled(wanted, pointed.into(), |_| ());
    // Something is always chosen, so that the first answer has one place.
    Effect::new(move |_| {
        let keys = keys.get();
        let chosen = desk.place.alarm.get();
        if chosen.as_ref().is_none_or(|it| !keys.contains(it)) && chosen.as_ref() != keys.first() {
            desk.place.alarm.set(keys.first().cloned());
        }
    });
    let n = move || keys.with(Vec::len);
    let active = move || desk.place.alarm.with(|it| it.as_ref().map(|it| id_of(it)));
    let elsewhere = Memo::new(move |_| desk.elsewhere());
    let others = move || {
        let n = elsewhere.get();
        (n > 0).then(|| view! {
            <button class="button" data-size="small" data-name="elsewhere" title="Show all projects" on:click=move |_| desk.place.project.set(None)>{format!("{n} elsewhere")}</button>
        })
    };
    let family = move || {
        desk.place.family.get().map(|it| view! {
        <button class="button" data-size="small" on:click=move |_| desk.place.family.set(None)>{it.word()} " only" <Key says="Esc"/></button>
    })
    };
    let shelved = move || {
        let n = desk.shelved.with(std::collections::BTreeSet::len);
        (n > 0).then(|| view! { <div><span>{format!("{n} put off")}</span><b>"bring back " <Key says=commands::shown("unshelve")/></b></div> })
    };
    // No alarm: nothing is wrong, and nobody has to do anything about it in time.
    let notice = move || {
        let here = desk.place.family.get().is_none_or(|it| it == Family::Engine);
        let says = desk.mirror.upgrade.with(|it| it.as_ref().and_then(Plan::notice)).filter(|_| here);
        says.map(|says| view! {
            <div data-name="notice"><span>"Engine: "{says}</span><button class="button" data-size="small" type="button" on:click=move |_| desk.place.overlay.set(Some(Overlay::Upgrade))>"Upgrade"</button></div>
        })
    };
    let quiet = move || (n() == 0).then(|| view! { <AllQuiet/> });
    view! {
        <section class="pane queue" data-pane="queue" aria-label="Queue" on:pointerenter=move |_| pointed.set(true) on:pointerleave=move |_| pointed.set(false)>
            <h2>"Queue" {family} {others} <span class="n">{move || format!("{} open", n())}</span></h2>
            <ul role="listbox" tabindex="0" data-focus="queue" aria-label="What needs you" aria-activedescendant=active>
                <For each=move || keys.get() key=Clone::clone let:key>
                    <Item key=key/>
                </For>
            </ul>
            {quiet}
            <div class="foot">{notice}{shelved}</div>
        </section>
    }
}

#[component]
fn Item(key: String) -> impl IntoView {
    let desk = desk();
    let of = key.clone();
    let alarm =
        Memo::new(move |_| desk.mirror.alarms.with(|all| all.iter().find(|it| it.key == of).cloned()));
    let of = key.clone();
    let selected = Memo::new(move |_| desk.place.alarm.with(|it| it.as_ref() == Some(&of)));
    let of = key.clone();
    let seen = Signal::derive(move || desk.place.seen.with(|all| all.contains(&of)));
    let of = key.clone();
    let choose = move |_| desk.place.alarm.set(Some(of.clone()));
    let id = id_of(&key);
    let body = move || alarm.get().map(|it| view! { <ItemBody alarm=it selected=selected seen=seen/> });
    view! {
        <li class="item" role="option" id=id data-key=key data-p=move || alarm.with(|it| it.as_ref().map(|it| it.priority.digit()))
            data-ack=move || seen.get().then_some("") aria-selected=move || selected.get().to_string() on:click=choose>
            {body}
        </li>
    }
}

#[component]
fn ItemBody(alarm: Alarm, selected: Memo<bool>, seen: Signal<bool>) -> impl IntoView {
    let desk = desk();
    let since = alarm.since;
    let answers = alarm.answers.iter().enumerate().map(|(n, answer)| {
        let (label, deed) = (answer.label.clone(), answer.deed.clone());
        let shown = one(&label);
        let doing = deed.clone();
        let busy = move || match &doing {
            Deed::Call(request) => desk.doing.with(|all| all.iter().any(|it| it.0 == **request)),
            _ => false,
        };
        let opens = matches!(deed, Deed::Open(_));
        let kind = move || if n == 0 && selected.get() { "primary" } else { "" };
        let key = move || selected.get().then(|| match n {
            0 => commands::shown("first-answer"),
            n => (n + 1).to_string(),
        }).map(|says| view! { <Key says=says/> });
        view! {
            <button class="button" type="button" tabindex="-1" data-answer=(n + 1).to_string() data-kind=kind disabled=busy title=if opens { "Opens it on the stage" } else { "" }
                on:click=move |_| desk.perform(&label, &deed)>
                <span class="cut">{shown}</span>{key}
            </button>
        }
    }).collect_view();
    let asks = many(&alarm.asks);
    let project = alarm.project;
    let whose =
        move || project.filter(|_| desk.among_several()).and_then(|it| desk.name_of(it)).map(|it| one(&it));
    view! {
        <div class="top"><Chip p=alarm.priority seen=seen/><span>{alarm.family.word()}</span><span class="call">{one(&alarm.call)}</span><span class="cut">{whose}</span>
            <span class="age">{move || age(desk.mirror.now.get(), since)}</span></div>
        <h3>{asks}</h3>
        {(!alarm.says.is_empty()).then(|| view! { <p class="says">{many(&alarm.says)}</p> })}
        <p class="next"><span>{one(&alarm.next)}</span></p>
        <div class="answers">{answers}</div>
    }
}

/// The folded queue: a chip for each alarm, in the same order, always in sight.
#[component]
pub(crate) fn Rail() -> impl IntoView {
    let desk = desk();
    let open = move |_: leptos::ev::MouseEvent| {
        desk.place.queue_over.set(true);
        desk.place.pane.set(Pane::Queue);
    };
    let chips = move || {
        desk.alarms().into_iter().map(|it| {
        let key = it.key.clone();
        let seen = Signal::derive(move || desk.place.seen.with(|all| all.contains(&key)));
        let (key, says) = (it.key.clone(), one(&it.asks));
        let choose = move |event: leptos::ev::MouseEvent| {
            desk.place.alarm.set(Some(key.clone()));
            open(event);
        };
        view! { <button class="slot" type="button" tabindex="-1" aria-label=says.clone() title=says on:click=choose><Chip p=it.priority seen=seen/></button> }
    }).collect_view()
    };
    view! {
        <aside class="pane rail" aria-label="Queue, folded">
            <button class="slot" type="button" tabindex="-1" data-command="fold-queue" title=format!("Unfold the queue ({})", commands::shown("fold-queue"))
                on:click=move |event| if desk.place.queue_closed.get_untracked() && desk.place.view.get_untracked() == crate::place::View::Board { desk.place.queue_closed.set(false) } else { open(event) }>
                <Icon name="list"/>
            </button>
            {chips}
        </aside>
    }
}

/// Tells readers of the screen what is new, whatever is folded: urgent things at once, others in turn, one at a time.
#[component]
pub(crate) fn Announce() -> impl IntoView {
    let desk = desk();
    // What is over makes nothing older new again.
    let newest = move |urgent: bool| {
        let newest = Memo::new(move |told: Option<&(At, Option<String>)>| {
            let newest = desk.mirror.alarms.with(|all| {
                let of = all.iter().filter(|it| (it.priority == Priority::P1) == urgent);
                of.max_by_key(|it| it.since).map(|it| (it.since, one(&format!("{} {}", it.call, it.asks))))
            });
            let told = told.cloned().unwrap_or_default();
            newest.filter(|it| it.0 > told.0).map_or(told, |(since, says)| (since, Some(says)))
        });
        move || newest.get().1
    };
    let (urgent, others) = (newest(true), newest(false));
    view! {
        <p class="hide" role="alert" aria-live="assertive">{urgent}</p>
        <p class="hide" role="status" aria-live="polite">{others}</p>
    }
}
