//! The board: which agent next? Strips in bays; what needs a person comes first, then what waited longest. Strips do not
//! change places under the pointer.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use pilothouse_contract::board::{Bay, Strip, Subject};

use crate::commands;
use crate::desk::{Desk, desk};
use crate::kit::{Chip, CommandButton, Key};
use crate::mirror::Link;
use crate::place::View;
use crate::words::{age, count, one};

/// The strips of the board in the order they are shown in.
pub(crate) fn ordered(desk: Desk) -> Vec<Arc<Strip>> {
    let mut strips = desk.strips();
    let urgency: BTreeMap<Subject, u8> = desk.mirror.alarms.with(|all| {
        all.iter().rev().filter_map(|it| Some((it.subject.clone()?, it.priority as u8))).collect()
    });
    strips.sort_by_key(|it| (it.bay, urgency.get(&it.subject).copied().unwrap_or(9)));
    strips
}

/// What a strip is called in the page, for whoever points to it: letters, digits and dashes only.
fn id_of(subject: &Subject) -> String {
    let says = match subject {
        Subject::Task(run, task) => format!("task-{run}-{task}"),
        Subject::Pull(it) => format!("pull-{it}"),
        Subject::Project(it) => format!("project-{it}"),
        Subject::Item(it) => format!("item-{it}"),
        Subject::Session(it) => format!("session-{it}"),
    };
    says.chars().map(|it| if it.is_alphanumeric() { it } else { '-' }).collect()
}

/// The board.
#[component]
pub(crate) fn Board() -> impl IntoView {
    let desk = desk();
    let wanted = Memo::new(move |_| {
        ordered(desk).iter().map(|it| (it.bay, it.subject.clone())).collect::<Vec<(Bay, Subject)>>()
    });
    let pointed = RwSignal::new(false);
    let order = settled(wanted, pointed.into(), |it| it.0);
    // Only what is on the page can be pointed to.
    let active = move || {
        let subject = desk.place.subject.get()?;
        let bay = order.with(|all| all.iter().find(|it| it.1 == subject).map(|it| it.0))?;
        let foot = matches!(bay, Bay::Ready | Bay::Parked | Bay::Landed);
        (!foot || desk.place.open.with(|it| it.contains(&bay))).then(|| id_of(&subject))
    };
    let bays = Bay::ALL.into_iter().map(|bay| view! { <BayOf bay=bay order=order/> }).collect_view();
    let empty = move || {
        let nothing = order.with(Vec::is_empty) && !desk.place.filter.with(String::is_empty);
        nothing.then(|| view! {
            <p class="none">"No strip matches '" {move || desk.place.filter.get()} "'. " <button class="button" data-size="small" on:click=move |_| desk.place.filter.set(String::new())>"Clear" <Key says="Esc"/></button></p>
        })
    };
    view! {
        <section class="pane board" data-pane="list" aria-label="Board" on:pointerenter=move |_| pointed.set(true) on:pointerleave=move |_| pointed.set(false)>
            <Filter/>
            <div class="bays" role="listbox" tabindex="0" data-focus="list" aria-label="Strips" aria-activedescendant=active>{bays}</div>
            {empty}
        </section>
    }
}

/// An order that changes at once, but not while the pointer is over the list: then what is new comes at the end of its
/// group and the rest waits for the pointer to leave.
pub(crate) fn settled<T, G>(wanted: Memo<Vec<T>>, pointed: Signal<bool>, group: fn(&T) -> G) -> Memo<Vec<T>>
where
    T: Clone + PartialEq + Send + Sync + 'static,
    G: Ord + 'static,
{
    Memo::new(move |shown: Option<&Vec<T>>| {
        let wanted = wanted.get();
        let Some(shown) = shown.filter(|_| pointed.get()) else { return wanted };
        let mut kept: Vec<T> = shown.iter().filter(|it| wanted.contains(it)).cloned().collect();
        for it in wanted {
            if !kept.contains(&it) {
                kept.push(it);
            }
        }
        kept.sort_by_key(group);
        kept
    })
}

#[component]
fn BayOf(bay: Bay, order: Memo<Vec<(Bay, Subject)>>) -> impl IntoView {
    let desk = desk();
    let here = Memo::new(move |_| {
        order.with(|all| all.iter().filter(|it| it.0 == bay).map(|it| it.1.clone()).collect::<Vec<_>>())
    });
    let foot = matches!(bay, Bay::Ready | Bay::Parked | Bay::Landed);
    let folded = move || foot && !desk.place.open.with(|it| it.contains(&bay));
    let oldest = Memo::new(move |_| {
        let since = desk.mirror.strips.with(|all| {
            here.with(|here| all.iter().filter(|it| here.contains(&it.subject)).map(|it| it.since).min())
        });
        let n = here.with(Vec::len);
        match since {
            Some(since) if !foot => format!("{n} · oldest {}", age(desk.mirror.now.get(), since)),
            _ => n.to_string(),
        }
    });
    let unfold = move || {
        desk.place.open.update(|it| {
            if !it.remove(&bay) {
                it.insert(bay);
            }
        });
    };
    let fold = move |_| {
        if foot {
            unfold();
        }
    };
    view! {
        <section class="bay" role="presentation" data-bay=bay.word() data-folded=move || folded().then_some("") data-foot=foot.then_some("")>
            <h2 on:click=fold role=foot.then_some("button") tabindex=foot.then_some("0") aria-expanded=move || foot.then(|| (!folded()).to_string())
                on:keydown=move |event| if matches!(event.key().as_str(), "Enter" | " ") && foot { event.stop_propagation(); event.prevent_default(); unfold() }
                title=if foot { "Fold or unfold" } else { "" }>{bay.word()} <span class="n">{oldest}</span></h2>
            <Show when=move || !folded()>
                <ul role="group" aria-label=bay.word()>
                    <For each=move || here.get() key=Clone::clone let:subject>
                        <StripOf subject=subject/>
                    </For>
                </ul>
            </Show>
        </section>
    }
}

#[component]
fn StripOf(subject: Subject) -> impl IntoView {
    let desk = desk();
    let of = subject.clone();
    let strip =
        Memo::new(move |_| desk.mirror.strips.with(|all| all.iter().find(|it| it.subject == of).cloned()));
    let of = subject.clone();
    let alarm = Memo::new(move |_| desk.alarm_of(&of).map(|it| (it.key, it.priority, it.asks)));
    let seen = Signal::derive(move || {
        alarm.get().is_some_and(|it| desk.place.seen.with(|seen| seen.contains(&it.0)))
    });
    let of = subject.clone();
    let selected = Memo::new(move |_| desk.place.subject.with(|it| it.as_ref() == Some(&of)));
    let id = id_of(&subject);
    let of = subject.clone();
    let open = move |_| {
        desk.place.view.set(View::Board);
        desk.place.subject.set(Some(of.clone()));
    };
    let stale = move || matches!(desk.mirror.link.get(), Link::Lost { .. }).then_some("");
    let text = move |take: fn(&Strip) -> &str| {
        strip.with(|it| it.as_ref().map(|it| one(take(it))).unwrap_or_default())
    };
    let why = move || {
        let asks = alarm.get().map(|it| one(&it.2));
        asks.filter(|it| *it != text(|it| &it.title)).unwrap_or_else(|| text(|it| &it.why))
    };
    let old = Memo::new(move |_| {
        strip.with(|it| it.as_ref().map(|it| age(desk.mirror.now.get(), desk.mirror.progress(it))))
    });
    // Two projects may have a task of the same callsign.
    let mark = Memo::new(move |_| {
        let mark = text(|it| &it.mark);
        let project = strip.with(|it| it.as_ref().map(|it| it.project));
        let Some(name) = project.filter(|_| desk.among_several()).and_then(|it| desk.name_of(it)) else {
            return mark;
        };
        if mark.is_empty() { one(&name) } else { format!("{} · {mark}", one(&name)) }
    });
    let chip = move || alarm.get().map(|it| view! { <Chip p=it.1 seen=seen/> });
    view! {
        <li class="strip" role="option" id=id data-subject=move || strip.with(|it| it.as_ref().map(|it| it.call.clone()))
            data-p=move || alarm.get().map(|it| it.1.digit()) data-cocked=move || alarm.get().map(|_| "")
            data-ack=move || seen.get().then_some("") data-stale=stale
            aria-selected=move || selected.get().to_string() on:click=open title=move || text(|it| &it.title)>
            <div class="l">
                <span class="call">{move || text(|it| &it.call)}</span>
                {chip}
                <span class="title cut">{move || text(|it| &it.title)}</span>
                <span class="age">{old}</span>
            </div>
            <div class="l">
                <span class="why cut">{why}</span>
                <span class="ctx cut">{mark}</span>
            </div>
        </li>
    }
}

/// Where the list is narrowed.
#[component]
pub(crate) fn Filter() -> impl IntoView {
    let desk = desk();
    let field = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| {
        if desk.place.filtering.get()
            && let Some(field) = field.get()
        {
            let _hidden = field.focus();
        }
    });
    let shown = move || desk.place.filtering.get() || !desk.place.filter.with(String::is_empty);
    let heed = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "Escape" => {
            desk.place.filter.set(String::new());
            desk.place.filtering.set(false);
        }
        "Enter" | "ArrowDown" => {
            event.prevent_default();
            desk.place.filtering.set(false);
            crate::lists::keep_in_sight("list");
            if let Some(list) = document().query_selector("[data-focus=list]").ok().flatten() {
                let _hidden = wasm_bindgen::JsCast::unchecked_into::<web_sys::HtmlElement>(list).focus();
            }
        }
        _ => {}
    };
    view! {
        <Show when=shown>
            <div class="input filter">
                <crate::kit::Icon name="search"/>
                <input node_ref=field type="text" data-name="filter" aria-label="Narrow the list" placeholder="Narrow" prop:value=move || desk.place.filter.get()
                    on:input=move |event| desk.place.filter.set(event_target_value(&event)) on:keydown=heed/>
            </div>
        </Show>
    }
}

/// What a newcomer sees.
#[component]
pub(crate) fn FirstRun() -> impl IntoView {
    view! {
        <div class="calm" data-name="first-run">
            <h1>"Add a repository to begin."</h1>
            <p>"Any local git repository. Nothing in it runs before you looked at what could, and nothing is written to it before you start a run."</p>
            <CommandButton id="add" kind="primary"/>
            <hr/>
            <p>"Or watch scripted agents take a sample repository from a spec to a landed change. About a minute, no account, no network."</p>
            <CommandButton id="rehearse"/>
        </div>
    }
}

/// What is said when nothing needs anybody.
#[component]
pub(crate) fn AllQuiet() -> impl IntoView {
    let desk = desk();
    let title = move || match desk.mirror.link.get() {
        Link::Lost { since, .. } => format!("Not heard since {}.", crate::words::clock(since)),
        Link::Opening => String::new(),
        Link::Heard => {
            let hidden = desk.mirror.alarms.with(Vec::len);
            match hidden {
                0 => "Nothing needs you.".to_owned(),
                n => format!("Nothing here; {} elsewhere or put off.", count(n, "alarm")),
            }
        }
    };
    let says = move || {
        let (working, land, ready) = desk.mirror.strips.with(|all| {
            let of = |bay: Bay| all.iter().filter(|it| it.bay == bay).count();
            (of(Bay::Working) + of(Bay::Verify), of(Bay::Land), of(Bay::Ready))
        });
        match (working, land, ready) {
            (0, 0, 0) => "No run is under way.".to_owned(),
            (0, land, 0) => format!("{} in Land.", count(land, "pull request")),
            (working, land, ready) => format!("{working} at work, {ready} to come, {land} in Land."),
        }
    };
    view! { <div class="calm"><h2>{title}</h2><p>{says}</p></div> }
}

/// The key of a command in a sentence.
#[component]
pub(crate) fn KeyOf(id: &'static str) -> impl IntoView {
    view! { <Key says=commands::shown(id)/> }
}
