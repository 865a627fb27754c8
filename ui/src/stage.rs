//! The stage: everything about one thing. An agent's task with its timeline, diff, checks, terminal and plan; a pull
//! request; a project; an item's plan; a person's session.

mod checks;
mod head;
mod plan;
mod published;
mod pull;
pub(crate) mod review;
pub(crate) mod sample;
pub(crate) mod terminal;
mod timeline;

use leptos::prelude::*;
use pilothouse_contract::ask::change::Of;
use pilothouse_contract::board::Subject;
use pilothouse_contract::{AttemptId, RunId, SessionId, TaskId};

use crate::board::FirstRun;
use crate::desk::{Desk, desk};
use crate::diff::Diff;
use crate::kit::Calm;
use crate::mirror::Link;
use crate::place::{Tab, View};
use crate::project::{ItemPage, ProjectPage};

/// The newest attempt of a task.
pub(crate) fn attempt_of(desk: Desk, run: RunId, task: &TaskId) -> Option<AttemptId> {
    desk.mirror.fleet.with(|it| it.runs.get(&run)?.task(task)?.attempts.last().copied())
}

/// The stage.
#[component]
pub(crate) fn Stage() -> impl IntoView {
    let desk = desk();
    let subject = Memo::new(move |_| desk.on_stage());
    let empty = Memo::new(move |_| desk.mirror.fleet.with(|it| it.listed().next().is_none()));
    let heard = Memo::new(move |_| desk.mirror.link.get() != Link::Opening);
    let startable =
        Memo::new(move |_| desk.mirror.fleet.with(|it| it.items.values().any(|item| it.can_start(item))));
    let body = move || {
        match subject.get() {
        _ if !heard.get() => view! { <crate::kit::Reading what="the fleet"/> }.into_any(),
        Some(Subject::Task(run, task)) => view! { <TaskStage run=run task=task/> }.into_any(),
        Some(Subject::Pull(pull)) => view! { <pull::PullStage pull=pull/> }.into_any(),
        Some(Subject::Project(project)) => view! { <ProjectPage project=project/> }.into_any(),
        Some(Subject::Item(item)) => view! { <ItemPage item=item/> }.into_any(),
        Some(Subject::Session(session)) => view! { <head::SessionHead session=session/><terminal::Terminal session=session/> }.into_any(),
        None if empty.get() => view! { <FirstRun/> }.into_any(),
        None if desk.place.view.get() == View::Pulls => view! { <Calm title="No pull request yet" says="One is opened when every task of a run is done."/> }.into_any(),
        None => view! { <Calm title="Nothing is chosen" says="Choose a strip, or start a run.">{startable.get().then(|| view! { <p class="acts"><crate::kit::CommandButton id="start-run"/></p> })}</Calm> }.into_any(),
    }
    };
    view! { <section class="pane stage" data-pane="stage" aria-label="Stage">{body}</section> }
}

#[component]
fn TaskStage(run: RunId, task: TaskId) -> impl IntoView {
    let desk = desk();
    let tab = desk.place.tab;
    let of = task.clone();
    let counts = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            let run = fleet.runs.get(&run)?;
            let task = run.task(&of)?;
            let all: Vec<_> = task
                .attempts
                .iter()
                .filter_map(|id| fleet.attempts.get(id))
                .flat_map(|it| &it.evidence)
                .collect();
            let held = all
                .iter()
                .filter(|id| {
                    fleet.evidence.get(id).is_some_and(pilothouse_contract::evidence::Evidence::passed)
                })
                .count();
            Some((held, all.len(), run.done(), run.tasks.len()))
        })
    });
    let tabs = Tab::ALL.into_iter().map(|it| {
        let n = move || {
            let (held, all, done, tasks) = counts.get()?;
            // Checks always says something of the same width: a tab that grew would move the next ones from under the pointer.
            match it {
                Tab::Checks if all == 0 => Some("none yet".to_owned()),
                Tab::Checks => Some(format!("{held} of {all} hold")),
                Tab::Plan => Some(format!("{done} of {tasks}")),
                _ => None,
            }
        };
        view! {
            <button class="tab" type="button" role="tab" tabindex="-1" data-tab=it.word() aria-selected=move || (tab.get() == it).to_string() on:click=move |_| tab.set(it)>
                {it.word()} {move || n().map(|n| view! { <span class="n">{n}</span> })} <crate::kit::Key says=it.key()/>
            </button>
        }
    }).collect_view();
    let body = {
        let task = task.clone();
        move || {
            let task = task.clone();
            match tab.get() {
                Tab::Timeline => view! { <timeline::Timeline run=run task=task/> }.into_any(),
                Tab::Diff => view! { <TaskDiff run=run task=task/> }.into_any(),
                Tab::Checks => view! { <checks::Checks run=run task=task/> }.into_any(),
                Tab::Terminal => view! { <TaskTerminal run=run task=task/> }.into_any(),
                Tab::Plan => view! { <plan::Plan run=run/> }.into_any(),
            }
        }
    };
    view! {
        <head::TaskHead run=run task=task/>
        <div class="tabs" role="tablist">{tabs}</div>
        {body}
    }
}

#[component]
fn TaskTerminal(run: RunId, task: TaskId) -> impl IntoView {
    let desk = desk();
    let session = Memo::new(move |_| crate::commands::session_of(desk, &Subject::Task(run, task.clone())));
    let closed = Memo::new(move |_| session.get().is_some_and(|it| crate::commands::is_closed(desk, it)));
    move || match session.get() {
        Some(session) if closed.get() => view! { <Closed session=session/> }.into_any(),
        Some(session) => view! { <terminal::Terminal session=session/> }.into_any(),
        None => view! { <Calm title="No agent has begun" says="Its terminal is here as soon as one has."/> }
            .into_any(),
    }
}

/// What stands where an agent's terminal or transcript would be while it works, until a person wants to see it.
#[component]
pub(crate) fn Closed(session: SessionId) -> impl IntoView {
    view! {
        <div class="closed" data-name="closed" data-session=session.to_string()>
            <Calm title="Hands off" says="An agent works here. Its terminal and its transcript stay closed while it does; looking is written down as a peek, and changes nothing for the agent.">
                <p class="acts"><crate::kit::CommandButton id="reveal" label="Look at it"/> <crate::kit::CommandButton id="note" label="Leave a note instead"/></p>
            </Calm>
        </div>
    }
}

#[component]
fn TaskDiff(run: RunId, task: TaskId) -> impl IntoView {
    let desk = desk();
    let attempt = Memo::new(move |_| attempt_of(desk, run, &task));
    // Read anew when the attempt moves, or its worktree was seen to change.
    let version = Memo::new(move |_| {
        let id = attempt.get()?;
        desk.mirror.fleet.with(|fleet| {
            let it = fleet.attempts.get(&id)?;
            let seen = fleet.worktrees.get(&it.worktree).and_then(|it| it.seen.as_ref()).map(|it| it.at);
            Some((it.state, it.candidate.as_ref().map(|it| it.commit.clone()), seen))
        })
    });
    move || match attempt.get() {
        None => view! { <Calm title="Nothing was changed yet" says="No attempt has begun."/> }.into_any(),
        Some(attempt) => {
            view! { <Diff of=Of::Attempt(attempt) again=move || drop(version.get())/> }.into_any()
        }
    }
}

/// The plan of an item, for its page.
pub(crate) fn plan_of(item: pilothouse_contract::ItemId) -> AnyView {
    view! { <plan::PlanOf item=item run=None/> }.into_any()
}
