//! What is said before something ends: the window, the machine, or the programs of ours that make way for newer ones. Each
//! names what goes on and what stops; none of it is guessed.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::ask::engine::Survival;
use pilothouse_contract::ask::session::Upgraded;
use pilothouse_contract::underway::{self, Plan, Through, Underway};
use pilothouse_contract::{Call, Fault, ask};
use wasm_bindgen_futures::JsFuture;

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{FaultNote, Key};
use crate::mirror::Link;
use crate::place::Overlay;
use crate::words::{count, one};

/// So many are named; of the others is said how many they are.
const NAMED: usize = 6;
/// So often an engine that makes way is asked whether another one is there.
const TRIES: u32 = 200;
/// So often it is looked whether the one that is there is heard.
const HEARD: u32 = 50;
/// And so long is waited in between, in milliseconds.
const PAUSE_MS: i32 = 100;

/// The sessions and the runs that are under way.
fn under_way(desk: Desk) -> (Vec<Underway>, Vec<Underway>) {
    desk.mirror.fleet.with_untracked(|fleet| {
        let title = |id| fleet.items.get(&id).map_or_else(String::new, |it| it.slug.clone());
        (underway::sessions(fleet.sessions.values()), underway::runs(fleet.runs.values(), title))
    })
}

/// Whether any session or run is.
pub(crate) fn is_anything_under_way(desk: Desk) -> bool {
    let (sessions, runs) = under_way(desk);
    !sessions.is_empty() || !runs.is_empty()
}

/// Each by its name.
fn named(all: Vec<Underway>) -> AnyView {
    let more = all.len().saturating_sub(NAMED);
    let rows = all.into_iter().take(NAMED).map(|it| {
        view! { <li><span class="call">{one(&it.name)}</span><span class="cut">{one(&it.title)}</span><span class="quiet cut">{one(&it.says)}</span></li> }
    });
    let rows = rows.collect_view();
    view! { <ul class="named">{rows}{(more > 0).then(|| view! { <li class="quiet"><span></span><span>{format!("and {more} more")}</span></li> })}</ul> }
        .into_any()
}

/// What becomes of sessions and loops in each case.
fn fates() -> AnyView {
    crate::kit::asked(
        "what goes on",
        || ipc::call(ask::engine::Survives {}),
        |lines: Vec<Survival>| {
            let rows = lines.into_iter().map(|it| view! {
                <tr><th scope="row">{format!("When {}", it.when)}</th><td>{it.sessions.word()}</td><td>{it.loops.word()}</td></tr>
                <tr class="quiet"><td colspan="3">{one(&it.why)}</td></tr>
            }).collect_view();
            view! { <table class="fates"><thead><tr><th></th><th>"Sessions"</th><th>"Loops"</th></tr></thead><tbody>{rows}</tbody></table> }.into_any()
        },
    )
}

fn go_on(n: usize, thing: &str) -> String {
    format!("{} {}", count(n, thing), if n == 1 { "goes on" } else { "go on" })
}

/// What goes on once the window is closed, and what stops when something else ends.
#[component]
pub(crate) fn Leaving() -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    let (sessions, runs) = under_way(desk);
    let title = match (sessions.len(), runs.len()) {
        (0, 0) => "Close the window?".to_owned(),
        (0, n) => format!("Close the window? {}.", go_on(n, "run")),
        (n, 0) => format!("Close the window? {}.", go_on(n, "session")),
        (n, m) => format!("Close the window? {} and {} go on.", count(n, "session"), count(m, "run")),
    };
    view! {
        <div class="dialog" role="alertdialog" aria-modal="true" aria-label="Close the window?" data-name="leaving">
            <h2>{title}</h2>{named(runs)}{named(sessions)}{fates()}
            <div class="answers"><button node_ref=button class="button" data-kind="primary" type="button" data-name="leave-window" on:click=move |_| ipc::close_window()>"Close the window" <Key says="↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Stay" <Key says="Esc"/></button></div>
        </div>
    }
}

/// The machine is about to go down, or after all is not. Nothing is said where nothing stops.
pub(crate) fn machine(desk: Desk, ends: bool) {
    let (sessions, runs) = under_way(desk);
    let overlay = desk.place.overlay;
    match (ends, overlay.get_untracked()) {
        (true, _) if sessions.is_empty() && runs.is_empty() => ipc::let_go(),
        (true, _) => overlay.set(Some(Overlay::MachineEnds)),
        (false, Some(Overlay::MachineEnds)) => overlay.set(None),
        (false, _) => {}
    }
}

/// What stops with the machine.
#[component]
pub(crate) fn MachineEnds() -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    // However it is closed, the machine need not wait any more.
    on_cleanup(ipc::let_go);
    let (sessions, runs) = under_way(desk);
    let stops = match (sessions.len(), runs.len()) {
        (0, n) => count(n, "run"),
        (n, 0) => count(n, "session"),
        (n, m) => format!("{} and {}", count(n, "session"), count(m, "run")),
    };
    view! {
        <div class="dialog" role="alertdialog" aria-modal="true" aria-label="The machine goes down" data-name="machine-ends">
            <h2>{format!("The machine goes down, and with it {stops}")}</h2>
            <p class="quiet">"What sessions said is kept, and what agents wrote stays in its worktree. When the machine is up again, runs try what was under way again, and a session that was lost is offered in the queue, to be resumed by its own program."</p>
            {named(runs)}{named(sessions)}
            <div class="answers"><button node_ref=button class="button" data-kind="primary" type="button" data-name="let-go" on:click=move |_| desk.place.overlay.set(None)>"Let it go down" <Key says="↵"/></button></div>
        </div>
    }
}

/// Waits a moment.
async fn pause() {
    let promise = js_sys::Promise::new(&mut |done, _| {
        let _never = window().set_timeout_with_callback_and_timeout_and_arguments_0(&done, PAUSE_MS);
    });
    let _waited = JsFuture::from(promise).await;
}

/// Ends the engine that runs, waits for the installed one, which the shell starts, and lets that one give each session to the
/// installed holder.
async fn upgrade(desk: Desk) -> Result<Upgraded, Fault> {
    let before = ipc::call(ask::engine::Status {}).await?.pid;
    let stop = ask::engine::Stop {}.request();
    // As long as this stands there, an engine that is silent is no alarm.
    desk.doing.update(|all| all.push((stop.clone(), "Go over to the installed programs".to_owned())));
    let done = async {
        ipc::request(&stop).await?;
        for _ in 0..TRIES {
            if ipc::call(ask::engine::Status {}).await.is_ok_and(|it| it.pid != before) {
                return ipc::call(ask::session::Upgrade {}).await;
            }
            pause().await;
        }
        Err(Fault::environment("the engine that runs did not make way, or the installed one did not begin")
            .command("see what is wrong", "pilothouse doctor"))
    }
    .await;
    // It is only missed if it is not heard again.
    for _ in 0..HEARD {
        if !matches!(desk.mirror.link.get_untracked(), Link::Lost { .. }) {
            break;
        }
        pause().await;
    }
    desk.doing.update(|all| all.retain(|it| it.0 != stop));
    done
}

/// What an upgrade would do, and then what came of it.
#[component]
pub(crate) fn Upgrade() -> impl IntoView {
    let desk = desk();
    let button = NodeRef::<leptos::html::Button>::new();
    crate::kit::focus_soon(button);
    let plan = desk.mirror.upgrade.get_untracked();
    let (_, runs) = under_way(desk);
    let going = RwSignal::new(false);
    let came = RwSignal::new(None::<Result<Upgraded, Fault>>);
    let wanted = plan.as_ref().is_some_and(Plan::is_wanted);
    let go = move || {
        if going.get_untracked() || came.with_untracked(Option::is_some) || !wanted {
            desk.place.overlay.set(None);
            return;
        }
        going.set(true);
        spawn_local(async move {
            let done = upgrade(desk).await;
            let _gone = (going.try_set(false), came.try_set(Some(done)));
        });
    };
    let says = move || match came.get() {
        Some(Ok(it)) => view! { <CameOf it=it/> }.into_any(),
        Some(Err(fault)) => view! { <FaultNote fault=fault/> }.into_any(),
        None => ().into_any(),
    };
    let label = move || match (going.get(), came.with(Option::is_some)) {
        _ if !wanted => "Close",
        (true, _) => "Going over …",
        (false, false) => "Upgrade",
        (false, true) => "Close",
    };
    view! {
        <div class="dialog" role="alertdialog" aria-modal="true" aria-label="Go over to what is installed" data-name="upgrade">
            <h2>{if wanted { "Go over to the Pilothouse that is installed now?" } else { "What runs is what is installed" }}</h2>
            {wanted.then(|| view! { <p class="quiet">"No session ends by it. Loops stand still for a moment and go on. This window stays as it is until you open it again."</p> })}
            {named(runs)}{plan.map(|plan| view! { <Passages plan=plan/> })}
            <div role="status">{says}</div>
            <div class="answers"><button node_ref=button class="button" data-kind="primary" type="button" data-name="upgrade-go" disabled=move || going.get() on:click=move |_| go()>{label} <Key says="↵"/></button>
                {move || (wanted && !going.get() && came.with(Option::is_none)).then(|| view! { <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Not now" <Key says="Esc"/></button> })}</div>
        </div>
    }
}

/// What becomes of the engine and of each session.
#[component]
fn Passages(plan: Plan) -> impl IntoView {
    let engine = if plan.engine_outdated {
        "ends, and the installed one begins"
    } else {
        "is the installed one, and begins anew"
    };
    let more = plan.sessions.len().saturating_sub(NAMED);
    // Those that cannot make way stand first: they are what a person may want to know.
    let mut sessions = plan.sessions;
    sessions.sort_by_key(|it| (it.through != Through::KeepsIts, it.session));
    let rows = sessions.into_iter().take(NAMED).map(|it| view! {
        <tr data-session=it.session.to_string()><th scope="row"><span class="call">{it.session.to_string()}</span>" "{one(&it.title)}</th><td>{it.through.word()}</td></tr>
        {(!it.why.is_empty()).then(|| view! { <tr class="quiet"><td colspan="2">{one(&it.why)}</td></tr> })}
    }).collect_view();
    view! {
        <table class="fates"><tbody>
            <tr><th scope="row">{format!("Engine, process {}", plan.pid)}</th><td>{engine}</td></tr>
            {rows}
            {(more > 0).then(|| view! { <tr class="quiet"><td colspan="2">{format!("and {more} more")}</td></tr> })}
        </tbody></table>
    }
}

/// What came of an upgrade.
#[component]
fn CameOf(it: Upgraded) -> impl IntoView {
    let held = match it.upgraded.len() {
        0 => "The installed engine runs.".to_owned(),
        n => format!("The installed engine runs, and the installed holder has {}.", count(n, "session")),
    };
    let not = it.not.into_iter().map(
        |it| view! { <p>{format!("{} goes on with the holder it had: {}.", it.session, one(&it.why))}</p> },
    );
    let not = not.collect_view();
    view! { <p data-name="upgraded">{held}</p>{not} }
}
