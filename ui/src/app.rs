//! The window: two rows of chrome, three panes, a status line, and what lies over them.

use leptos::prelude::*;
use pilothouse_contract::board::Subject;
use wasm_bindgen::JsCast;

use crate::board::Board;
use crate::chrome::{Annunciator, FaultBar, StatusLine, TitleBar};
use crate::desk::Desk;
use crate::keys;
use crate::mirror::{Link, Mirror};
use crate::overlays::Overlays;
use crate::place::{Pane, Place, View};
use crate::pulls::PullList;
use crate::queue::{Queue, Rail};
use crate::stage::Stage;
use crate::trajectories::Trajectories;
use crate::worktrees::Worktrees;

/// The whole window.
#[component]
#[allow(unreachable_pub, reason = "the macro makes it public")]
pub(crate) fn App() -> impl IntoView {
    let (mirror, place) = (Mirror::start(), Place::restore());
    let shelved = Memo::new(move |_| {
        let now = mirror.now.get();
        place
            .shelved
            .with(|all| all.iter().filter(|(_, until)| **until > now).map(|it| it.0.clone()).collect())
    });
    let desk = Desk {
        mirror,
        place,
        shelved,
        fault: RwSignal::new(None),
        doing: RwSignal::new(Vec::new()),
        undo: RwSignal::new(None),
        away: crate::brief::Away::new(),
        instructions: crate::instructions::Instructions::new(),
        diff: crate::diff::Look::new(),
        specs: crate::specdesk::Specs::new(),
    };
    provide_context(desk);
    keys::listen(desk);
    choose_something(desk);
    focus_follows(desk);
    crate::brief::offer(desk);
    let place = desk.place;
    let stale = Memo::new(move |_| matches!(desk.mirror.link.get(), Link::Lost { .. }));
    let panes = move || match place.view.get() {
        View::Board => view! { <Board/><Stage/> }.into_any(),
        View::Pulls => view! { <PullList/><Stage/> }.into_any(),
        View::Worktrees => view! { <Worktrees/> }.into_any(),
        View::Trajectories => view! { <Trajectories/> }.into_any(),
        View::Wall => view! { <crate::wall::Wall/> }.into_any(),
        View::Brief => view! { <crate::brief::BriefPage/> }.into_any(),
        View::Instructions => view! { <crate::instructions::InstructionsPage/> }.into_any(),
        View::Desk => view! { <crate::specdesk::SpecDesk/> }.into_any(),
    };
    // Only the board has room for the queue beside it; everywhere else it is a rail of chips.
    let queue = move || match (place.queue_over.get(), place.view.get(), place.queue_closed.get()) {
        (true, ..) => "over",
        (false, View::Board, false) => "open",
        _ => "closed",
    };
    view! {
        <div class="window" data-view=move || place.view.get().name() data-stale=move || stale.get().then_some("")>
            <TitleBar/>
            <Annunciator/>
            <div
                class="panes"
                inert=move || place.overlay.with(Option::is_some)
                data-queue=queue
                data-board=move || if place.board_closed.get() { "closed" } else { "open" }
                data-view=move || place.view.get().name()
                on:focusin=move |event| {
                    let at = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
                    let pane = at.and_then(|it| it.closest("[data-pane]").ok().flatten()).and_then(|it| it.get_attribute("data-pane"));
                    let pane = match pane.as_deref() { Some("list") => Pane::List, Some("stage") => Pane::Stage, Some("queue") => Pane::Queue, _ => return };
                    if place.pane.get_untracked() != pane { place.pane.set(pane); }
                }
            >
                {panes}
                <Queue/>
                <Rail/>
            </div>
            <StatusLine/>
            <FaultBar/>
            <crate::queue::Announce/>
            <Overlays/>
        </div>
    }
}

/// A window over a fleet is never empty-handed: with nothing chosen, or with something that is gone, the most urgent is
/// chosen.
fn choose_something(desk: Desk) {
    Effect::new(move |_| {
        let strips = desk.mirror.strips.get();
        if desk.mirror.link.get() == Link::Opening {
            return;
        }
        let known = |subject: &Subject| {
            desk.mirror.fleet.with(|fleet| match subject {
                Subject::Task(run, task) => fleet.runs.get(run).is_some_and(|it| it.task(task).is_some()),
                Subject::Pull(id) => fleet.pulls.contains_key(id),
                Subject::Project(id) => fleet.projects.get(id).is_some_and(|it| !it.removed),
                // An item that was just started may be told of after the answer that names it.
                Subject::Item(id) => {
                    fleet.items.contains_key(id) || desk.place.following.get_untracked() == Some(*id)
                }
                Subject::Session(id) => fleet.sessions.contains_key(id),
            })
        };
        let gone = desk.place.following.get_untracked().is_none()
            && desk.place.project.get_untracked().is_some_and(|it| !known(&Subject::Project(it)));
        if gone {
            desk.place.project.set(None);
        }
        if desk.place.subject.get_untracked().as_ref().is_none_or(|it| !known(it)) {
            let project =
                desk.mirror.fleet.with_untracked(|it| it.listed().next().map(|it| Subject::Project(it.id)));
            let next =
                untrack(|| crate::board::ordered(desk)).first().map(|it| it.subject.clone()).or(project);
            if desk.place.subject.get_untracked() != next {
                desk.place.subject.set(next);
            }
        }
        // Whoever started a run wants to see its first agent; whoever reads a plan wants to read on.
        if let Some(item) = desk.place.following.get()
            && desk.place.subject.get_untracked() == Some(Subject::Item(item))
        {
            let run = desk.mirror.fleet.with(|fleet| fleet.run_of(item).map(|it| it.id));
            let first = strips.iter().find(|it| {
                it.bay == pilothouse_contract::board::Bay::Working
                    && matches!(&it.subject, Subject::Task(of, _) if Some(*of) == run)
            });
            if let Some(first) = first {
                desk.place.following.set(None);
                desk.place.subject.set(Some(first.subject.clone()));
            }
        }
    });
}

/// The focus goes where the keys go.
fn focus_follows(desk: Desk) {
    Effect::new(move |_| {
        let name = match desk.place.pane.get() {
            Pane::List => "list",
            Pane::Stage => "stage",
            Pane::Queue => "queue",
        };
        let _view = desk.place.view.get();
        let _over = desk.place.queue_over.get();
        if desk.place.overlay.get().is_some() || desk.place.filtering.get() {
            return;
        }
        request_animation_frame(move || {
            // Something may lie over it again since.
            if desk.place.overlay.with_untracked(Option::is_some) {
                return;
            }
            let within = document().active_element().and_then(|it| it.closest("[data-pane]").ok().flatten());
            if within.is_some_and(|it| it.get_attribute("data-pane").as_deref() == Some(name)) {
                return;
            }
            let target = document().query_selector(&format!("[data-focus={name}]")).ok().flatten();
            if let Some(target) = target.and_then(|it| it.dyn_into::<web_sys::HtmlElement>().ok()) {
                let _hidden = target.focus();
            }
        });
    });
}
