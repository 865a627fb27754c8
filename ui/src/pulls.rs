//! The pull requests: what waits to land, and what landed; one of them on the stage.

use leptos::prelude::*;
use pilothouse_contract::after::class;
use pilothouse_contract::board::Subject;
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::waits::waits;

use crate::board::Filter;
use crate::desk::{Desk, desk};
use crate::kit::Chip;
use crate::words::{age, one};

/// The parts of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Under way.
    Open,
    /// Landed, and a person is to look at it.
    ToLook,
    /// Over.
    Over,
}

impl Part {
    fn of(it: &Pull) -> Self {
        match (it.state.is_over(), it.after.waits()) {
            (false, _) => Self::Open,
            (true, true) => Self::ToLook,
            (true, false) => Self::Over,
        }
    }
}

/// Each with what it waits for first.
fn shown(desk: Desk) -> Vec<(Pull, Option<String>)> {
    let project = desk.place.project.get();
    let filter = desk.place.filter.get().to_lowercase();
    let mut list: Vec<(Pull, Option<String>)> = desk.mirror.fleet.with(|fleet| {
        fleet
            .pulls
            .values()
            .filter(|it| {
                project.is_none_or(|id| it.project == id)
                    && (filter.is_empty() || it.title.to_lowercase().contains(&filter))
            })
            .map(|it| (it.clone(), waits(fleet, it).into_iter().next().map(|it| it.says)))
            .collect()
    });
    // Open ones first, the oldest of them on top; then what is to be looked at, the riskiest first; then what is over, the newest first.
    list.sort_by_key(|(it, _)| match Part::of(it) {
        part @ Part::Open => (part, 0, it.opened.0),
        part @ Part::ToLook => (part, -(class(it) as i64), it.moved.0),
        part @ Part::Over => (part, 0, -it.moved.0),
    });
    list
}

/// The pull requests in the order of the list.
pub(crate) fn listed(desk: Desk) -> Vec<Subject> {
    shown(desk).into_iter().map(|(it, _)| Subject::Pull(it.id)).collect()
}

/// The list at the left.
#[component]
pub(crate) fn PullList() -> impl IntoView {
    let desk = desk();
    let list = Memo::new(move |_| shown(desk));
    Effect::new(move |_| {
        let first = list.with(|all| all.first().map(|(it, _)| Subject::Pull(it.id)));
        if desk.place.pull.get().is_none() && first.is_some() {
            desk.place.pull.set(first);
        }
    });
    let part = move |part: Part| {
        list.get().into_iter().filter(|(it, _)| Part::of(it) == part).map(|(it, waits)| {
            let subject = Subject::Pull(it.id);
            let (of, choose) = (subject.clone(), subject.clone());
            let selected = move || desk.place.pull.with(|chosen| chosen.as_ref() == Some(&of)).to_string();
            let alarm = desk.alarm_of(&subject);
            let p = alarm.as_ref().map(|it| it.priority.digit());
            let seen = Signal::derive(|| false);
            let moved = it.moved;
            let why = match (&it.state, waits) {
                (PullState::WaitsForApproval, _) => "Ready for review".to_owned(),
                (PullState::Landed { commit }, _) => format!("Landed as {}", commit.short()),
                (_, Some(says)) => says,
                (state, None) if it.why.is_empty() => state.word().replace('-', " "),
                _ => it.why.clone(),
            };
            let risk = it.review.risk.as_ref().map(|it| view! { <span class="class" data-risk=it.class.word()>{it.class.word()}" risk"</span> });
            let n = it.review.unanswered().count();
            let open = (n > 0).then(|| view! { <span class="ctx">{format!("{n} open")}</span> });
            view! {
                <li class="strip" role="option" data-subject=it.id.to_string() data-p=p data-cocked=p.map(|_| "") aria-selected=selected on:click=move |_| desk.place.pull.set(Some(choose.clone()))>
                    <div class="l"><span class="call">{it.id.to_string().to_uppercase()}</span>{alarm.map(|it| view! { <Chip p=it.priority seen=seen/> })}<span class="title cut">{one(&it.title)}</span><span class="age">{move || age(desk.mirror.now.get(), moved)}</span></div>
                    <div class="l"><span class="why cut">{one(&why)}</span>{risk}{open}<span class="ctx">{format!("+{} −{}", it.size.added, it.size.removed)}</span></div>
                </li>
            }
        }).collect_view()
    };
    let n = move |part: Part| list.with(|all| all.iter().filter(|(it, _)| Part::of(it) == part).count());
    view! {
        <section class="pane board" data-pane="list" aria-label="Pull requests">
            <Filter/>
            <div class="bays" role="listbox" tabindex="0" data-focus="list" aria-label="Pull requests">
                <section class="bay"><h2>"Open"<span class="n">{move || n(Part::Open)}</span></h2><ul>{move || part(Part::Open)}</ul></section>
                {move || (n(Part::ToLook) > 0).then(|| view! { <section class="bay" data-bay="to-look"><h2>"Landed, to look at"<span class="n">{move || n(Part::ToLook)}</span></h2><ul>{move || part(Part::ToLook)}</ul></section> })}
                <section class="bay"><h2>"Landed and sent back"<span class="n">{move || n(Part::Over)}</span></h2><ul>{move || part(Part::Over)}</ul></section>
            </div>
        </section>
    }
}
