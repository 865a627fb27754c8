//! The worktrees: what is on disk, whose it is, what it holds; and those that were removed and can come back.

use leptos::prelude::*;
use pilothouse_contract::ask::change::Of;
use pilothouse_contract::board::call_of;
use pilothouse_contract::worktree::{Worktree, WorktreeState};
use pilothouse_contract::{AttemptId, Call, WorktreeId, ask};

use crate::board::Filter;
use crate::desk::{Desk, desk};
use crate::diff::Diff;
use crate::kit::{Calm, CommandButton, Icon};
use crate::words::{age, clock, count, day, one};

fn of_project(desk: Desk, removed: bool) -> Vec<Worktree> {
    let project = desk.place.project.get();
    let filter = desk.place.filter.get().to_lowercase();
    let mut list: Vec<Worktree> = desk.mirror.fleet.with(|fleet| {
        fleet
            .worktrees
            .values()
            .filter(|it| matches!(it.state, WorktreeState::Removed { .. }) == removed)
            .filter(|it| project.is_none_or(|id| it.project == id))
            .filter(|it| filter.is_empty() || it.branch.0.to_lowercase().contains(&filter))
            .cloned()
            .collect()
    });
    list.reverse();
    list
}

/// The worktrees that are not removed, in the order of the list.
pub(crate) fn listed(desk: Desk) -> Vec<Worktree> {
    of_project(desk, false)
}

/// A row's words.
struct Row {
    call: String,
    owner: String,
}

fn row(desk: Desk, it: &Worktree) -> Row {
    desk.mirror.fleet.with(|fleet| {
        let attempt = it.attempt.and_then(|id| fleet.attempts.get(&id));
        let run = attempt.and_then(|it| fleet.runs.get(&it.run));
        Row {
            call: match (attempt, run) {
                (Some(attempt), Some(run)) => call_of(fleet.items.get(&run.item), &attempt.task),
                _ => it.id.to_string().to_uppercase(),
            },
            owner: match (attempt, run) {
                (Some(attempt), Some(run)) => {
                    format!("{}, {}", run.policy.agent.name, attempt.state.word().replace('-', " "))
                }
                _ => "nobody".to_owned(),
            },
        }
    })
}

/// The view.
#[component]
pub(crate) fn Worktrees() -> impl IntoView {
    let desk = desk();
    let list = Memo::new(move |_| listed(desk));
    let removed = Memo::new(move |_| of_project(desk, true));
    Effect::new(move |_| {
        let chosen = desk.place.worktree.get();
        let known = list.with(|all| all.iter().any(|it| Some(it.id) == chosen));
        let first = list.with(|all| all.first().map(|it| it.id));
        if !known && first != chosen {
            desk.place.worktree.set(first);
        }
    });
    let rows = move || {
        list.get().into_iter().map(|it| {
        let id = it.id;
        let words = row(desk, &it);
        let (changed, untracked, watched, seen) = it.seen.as_ref().map_or((0, 0, String::new(), None), |it| (it.changed, it.untracked, it.watched.clone(), Some(it.at)));
        let state = match &it.state { WorktreeState::Gone { why } => format!("gone: {why}"), WorktreeState::Making => "being made".to_owned(), _ => words.owner.clone() };
        view! {
            <tr role="option" data-worktree=id.to_string() aria-selected=move || (desk.place.worktree.get() == Some(id)).to_string() on:click=move |_| desk.place.worktree.set(Some(id))>
                <td class="call">{one(&words.call)}</td><td class="mono cut">{one(it.branch.short())}</td><td class="quiet cut">{one(&state)}</td>
                <td class="num">{changed}</td><td class="num">{untracked}</td><td class="quiet w">{one(&watched)}</td>
                <td class="num quiet">{move || seen.map(|at| age(desk.mirror.now.get(), at))}</td>
            </tr>
        }
    }).collect_view()
    };
    let table = move || {
        if list.with(Vec::is_empty) {
            view! { <Calm title="No worktree" says="One is made for each attempt, outside of your checkout."/> }.into_any()
        } else {
            view! {
            <table class="table" role="listbox" aria-label="Worktrees">
                <thead><tr><th>"Agent"</th><th>"Branch"</th><th>"Owner"</th><th class="num">"Changed"</th><th class="num">"Untracked"</th><th class="w">"Watched"</th><th class="num">"Seen"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        }.into_any()
        }
    };
    // Read anew when another is chosen, or this one was seen to change.
    let chosen = Memo::new(move |_| {
        let id = desk.place.worktree.get()?;
        desk.mirror.fleet.with(|fleet| {
            let it = fleet.worktrees.get(&id)?;
            let attempt = it.attempt.filter(|_| it.state == WorktreeState::Live);
            let busy =
                it.attempt.and_then(|id| fleet.attempts.get(&id)).is_some_and(|it| !it.state.is_over());
            Some((id, attempt, busy))
        })
    });
    let holds = Memo::new(move |_| {
        let id = desk.place.worktree.get()?;
        desk.mirror.fleet.with(|fleet| {
            let seen = fleet.worktrees.get(&id)?.seen.as_ref()?;
            Some((seen.head.clone(), seen.changed, seen.untracked))
        })
    });
    let back = move || removed.get().into_iter().map(|it| undo_row(desk, &it)).collect_view();
    view! {
        <section class="pane stage trees" data-pane="list" aria-label="Worktrees">
            <header class="head"><div class="line"><h1>"Worktrees"</h1><span class="push"><CommandButton id="remove-worktree"/></span></div>
                <div class="facts"><span>{move || count(list.with(Vec::len), "worktree")}", your own checkout is not listed: it can never be a target"</span></div></header>
            <Filter/>
            <div class="scroll" tabindex="0" data-focus="list">{table}</div>
        </section>
        <section class="pane stage treeside" data-pane="stage" aria-label="Worktree">
            <div class="treediff">{move || chosen.get().map(|(id, attempt, busy)| changes(id, attempt, busy, move || drop(holds.get())))}</div>
            <div class="removed" data-name="removed">
                <h3 class="panehead">"Removed, can come back"<span class="n">{move || count(removed.with(Vec::len), "worktree")}</span></h3>
                <div class="scroll">{move || removed.with(Vec::is_empty).then(|| view! { <p class="none">"None. What you remove stays here for 14 days."</p> })}
                <table class="table undo"><colgroup><col class="c-time"/><col class="c-call"/><col/><col class="c-kept"/><col class="c-until"/><col class="c-undo"/></colgroup><tbody>{back}</tbody></table></div>
            </div>
        </section>
    }
}

fn undo_row(desk: Desk, it: &Worktree) -> AnyView {
    let id = it.id;
    let WorktreeState::Removed { recovery } = &it.state else { return ().into_any() };
    let words = row(desk, it);
    let undo = move |_| desk.act("Undo", ask::worktree::Undo { worktree: id }.request());
    view! {
        <tr data-removed=id.to_string()><td class="mono quiet">{clock(recovery.at)}</td><td class="call">{one(&words.call)}</td><td class="mono cut">{one(it.branch.short())}</td>
            <td class="quiet cut" title="New files that were in it, kept in a bundle">{count(recovery.bundled as usize, "file")}" kept"</td><td class="quiet">"until "{day(recovery.until)}</td>
            <td class="num"><button class="button" data-size="small" type="button" on:click=undo>"Undo"</button></td></tr>
    }.into_any()
}

fn changes(
    id: WorktreeId,
    attempt: Option<AttemptId>,
    busy: bool,
    again: impl Fn() + Copy + 'static,
) -> AnyView {
    match attempt {
        Some(attempt) => view! {
            <h3 class="panehead"><Icon name="branch"/>{format!("What {id} holds")}<span class="n">{if busy { "an attempt is at work in it" } else { "" }}</span></h3>
            <Diff of=Of::Attempt(attempt) again=again/>
        }.into_any(),
        None => view! { <Calm title="Nothing to show" says="It is not on disk, or belongs to no attempt."/> }.into_any(),
    }
}
