//! The pull requests: what waits to land, and what landed; one of them on the stage. Beside them those that forges tell of, with the
//! age of what is known.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::after::class;
use pilothouse_contract::ask::forge::ForgePage;
use pilothouse_contract::board::Subject;
use pilothouse_contract::forge::{ForgePull, Merge, Reach};
use pilothouse_contract::pull::{Pull, PullState};
use pilothouse_contract::waits::waits;
use pilothouse_contract::{Event, Fleet, PullId, ask};

use crate::board::Filter;
use crate::desk::{Desk, desk};
use crate::ipc;
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

/// Those that are shown, in the order of the list.
fn sorted(desk: Desk) -> Vec<Pull> {
    let project = desk.place.project.get();
    let filter = desk.place.filter.get().to_lowercase();
    let fits = |it: &&Pull| {
        project.is_none_or(|id| it.project == id)
            && (filter.is_empty() || it.title.to_lowercase().contains(&filter))
    };
    let mut list: Vec<Pull> =
        desk.mirror.fleet.with(|fleet| fleet.pulls.values().filter(fits).cloned().collect());
    // Open ones first, the oldest of them on top; then what is to be looked at, the riskiest first and area by area; then what is over, the newest first.
    list.sort_by_key(|it| match Part::of(it) {
        part @ Part::Open => (part, 0, String::new(), it.opened.0),
        // Those of one area stand together: who looks at one has the others of it in mind.
        part @ Part::ToLook => (part, -(class(it) as i64), area(it), it.moved.0),
        part @ Part::Over => (part, 0, String::new(), -it.moved.0),
    });
    list
}

/// Where most of a change is.
fn area(it: &Pull) -> String {
    it.review.risk.as_ref().and_then(|it| it.areas.first().cloned()).unwrap_or_default()
}

/// What a person is to look at, in the order of the list.
pub(crate) fn to_look(desk: Desk) -> Vec<PullId> {
    let all = sorted(desk).into_iter().filter(|it| Part::of(it) == Part::ToLook);
    all.map(|it| it.id).collect()
}

/// Each with what it waits for first.
fn shown(desk: Desk) -> Vec<(Pull, Option<String>)> {
    let list = sorted(desk);
    let first = |fleet: &Fleet, it: &Pull| waits(fleet, it).into_iter().next().map(|it| it.says);
    desk.mirror.fleet.with(|fleet| {
        let with_wait = |it: Pull| {
            let says = first(fleet, &it);
            (it, says)
        };
        list.into_iter().map(with_wait).collect()
    })
}

/// The pull requests in the order of the list.
pub(crate) fn listed(desk: Desk) -> Vec<Subject> {
    sorted(desk).into_iter().map(|it| Subject::Pull(it.id)).collect()
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
            let area = (part == Part::ToLook).then(|| area(&it)).filter(|it| !it.is_empty());
            let area = area.map(|it| view! { <span class="ctx" data-name="area">{one(&it)}</span> });
            let open = (n > 0).then(|| view! { <span class="ctx">{format!("{n} open")}</span> });
            view! {
                <li class="strip" role="option" data-subject=it.id.to_string() data-p=p data-cocked=p.map(|_| "") aria-selected=selected on:click=move |_| desk.place.pull.set(Some(choose.clone()))>
                    <div class="l"><span class="call">{it.id.to_string().to_uppercase()}</span>{alarm.map(|it| view! { <Chip p=it.priority seen=seen/> })}<span class="title cut">{one(&it.title)}</span><span class="age">{move || age(desk.mirror.now.get(), moved)}</span></div>
                    <div class="l"><span class="why cut">{one(&why)}</span>{area}{risk}{open}<span class="ctx">{format!("+{} −{}", it.size.added, it.size.removed)}</span></div>
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
            <Elsewhere/>
        </section>
    }
}

/// So often what forges told is read again while the list is shown; news are read at once.
const LOOK_MS: i64 = 10_000;

/// What forges tell of.
#[component]
fn Elsewhere() -> impl IntoView {
    let desk = desk();
    let page = RwSignal::new(ForgePage::default());
    let news = Memo::new(move |_| {
        let said = desk.mirror.recent.with(|all| {
            all.iter().rev().find(|it| matches!(it.event, Event::ForgeSaid { .. })).map(|it| it.seq)
        });
        (said, desk.mirror.now.get().0 / LOOK_MS, desk.place.project.get())
    });
    Effect::new(move |_| {
        let project = news.get().2;
        spawn_local(async move {
            if let Ok(told) = ipc::call(ask::forge::List { project }).await
                && page.with_untracked(|known| *known != told)
            {
                page.set(told);
            }
        });
    });
    let forge = move |reach: Reach| {
        let pulls: Vec<ForgePull> = page.with(|it| {
            let filter = desk.place.filter.get().to_lowercase();
            let fits = |it: &&ForgePull| {
                it.host == reach.host && (filter.is_empty() || it.title.to_lowercase().contains(&filter))
            };
            it.pulls.iter().filter(fits).cloned().collect()
        });
        let known = move || match reach.known {
            Some(at) => format!("as it was {} ago", age(desk.mirror.now.get(), at)),
            None => "never heard yet".to_owned(),
        };
        let trouble = reach.trouble.as_ref().or(reach.left_out.as_ref()).map(|why| view! { <p class="note" data-name="forge-trouble"><crate::kit::Icon name="warning"/><span>{one(why)}</span></p> });
        let rows = pulls.iter().map(row).collect_view();
        view! {
            <section class="bay" data-name="forge" data-host=reach.host.clone()>
                <h2>{one(&reach.host)}<span class="n">{pulls.len()}</span><span class="age" data-name="known">{known}</span></h2>
                {trouble}<ul>{rows}</ul>
            </section>
        }
    };
    move || {
        let reaches = page.with(|it| it.forges.clone());
        (!reaches.is_empty()).then(|| {
            view! { <div class="bays" data-name="elsewhere" role="group" aria-label="Pull requests of forges">{reaches.into_iter().map(forge).collect_view()}</div> }
        })
    }
}

fn row(it: &ForgePull) -> impl IntoView + use<> {
    let (passed, failed, pending) = it.tally();
    let p = match it.merge {
        Merge::Conflict => Some("2"),
        _ if failed > 0 => Some("2"),
        _ => None,
    };
    let mut why = vec![it.merge.words()];
    if !it.checks.is_empty() {
        let all = (it.checks_all as usize).max(passed + failed + pending);
        why.push(format!("{passed} of {all} checks passed"));
    }
    if !it.decision.words().is_empty() && !matches!(it.merge, Merge::Blocked { .. }) {
        why.push(it.decision.words().to_owned());
    }
    if it.open_threads() > 0 || it.threads_all > it.threads.len() as u64 {
        why.push(format!("{} open threads", it.threads_say()));
    }
    if let Some(queue) = &it.queue {
        why.push(format!("{} in the queue", queue.position));
    }
    why.extend(it.untold_says());
    let url = it.url.clone().unwrap_or_default();
    let open = move |_| {
        let url = url.clone();
        spawn_local(async move {
            // The shell says itself why it could not.
            let _told = ipc::visit(&url).await;
        });
    };
    view! {
        <li class="strip" data-subject=it.full_name() data-p=p>
            <div class="l"><span class="call">{one(&it.name())}</span><span class="title cut">{one(&it.title)}</span><span class="ctx">{format!("+{} −{}", it.size.added, it.size.removed)}</span></div>
            <div class="l"><span class="why cut">{one(&why.join(" · "))}</span></div>
            <div class="l"><code class="mono cut">{one(&it.command())}</code><button class="button push" data-size="small" type="button" data-name="open-forge" on:click=open>"Open in browser"</button></div>
        </li>
    }
}
