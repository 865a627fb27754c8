//! The head of the stage: what it is, where it stands, the facts about it, and what can be done.

use leptos::prelude::*;
use pilothouse_contract::attention::Alarm;
use pilothouse_contract::board::{Subject, call_of};
use pilothouse_contract::facts::Claim;
use pilothouse_contract::fuse;
use pilothouse_contract::run::TaskState;
use pilothouse_contract::{RunId, SessionId, TaskId};

use crate::desk::{Desk, desk};
use crate::kit::{Chip, CommandButton};
use crate::words::{age, bytes, one};

/// The facts of a task that its head shows.
#[derive(Debug, Clone, PartialEq)]
struct Facts {
    call: String,
    title: String,
    project: String,
    spec: String,
    place: String,
    tries: String,
    agent: String,
    branch: String,
    state: String,
    /// Its session, while that lives.
    live: Option<SessionId>,
}

/// The head of a task.
#[component]
pub(crate) fn TaskHead(run: RunId, task: TaskId) -> impl IntoView {
    let desk = desk();
    let of = task.clone();
    let facts = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            let run = fleet.runs.get(&run)?;
            let item = fleet.items.get(&run.item);
            let at = run.tasks.iter().position(|it| it.spec.id == of)?;
            let task = run.tasks.get(at)?;
            let attempt = task.attempts.last().and_then(|id| fleet.attempts.get(id));
            let state = match (&task.state, attempt) {
                (TaskState::Active { .. }, Some(it)) => it.state.word().replace('-', " "),
                (state, _) => state.word().to_owned(),
            };
            Some(Facts {
                call: call_of(item, &task.spec.id),
                title: task.spec.title.clone(),
                project: fleet.projects.get(&run.project).map(|it| it.name.clone()).unwrap_or_default(),
                spec: item.map(|it| it.slug.clone()).unwrap_or_default(),
                place: format!("{} of {}", at + 1, run.tasks.len()),
                tries: attempt.map_or_else(
                    || "none".to_owned(),
                    |it| {
                        let of = format!("{} of {}", it.number, run.policy.attempts.max(it.number));
                        it.continues.map_or(of.clone(), |before| format!("{of}, goes on from {before}"))
                    },
                ),
                agent: run.policy.agent.name.clone(),
                branch: attempt
                    .and_then(|it| fleet.worktrees.get(&it.worktree))
                    .map(|it| it.branch.short().to_owned())
                    .unwrap_or_default(),
                state,
                live: attempt
                    .and_then(|it| it.session)
                    .filter(|it| fleet.sessions.get(it).is_some_and(|it| it.end.is_none())),
            })
        })
    });
    let subject = Subject::Task(run, task);
    let alarm = Memo::new(move |_| desk.alarm_of(&subject));
    move || {
        facts.get().map(|it| view! {
        <header class="head">
            <div class="line">
                <span class="call">{one(&it.call)}</span><h1 class="cut">{one(&it.title)}</h1><AlarmChip alarm=alarm/>
                {it.live.map(|_| view! { <span class="push"><CommandButton id="interrupt" label="End"/></span> })}
            </div>
            <div class="facts">
                <span>"Project "<b>{one(&it.project)}</b></span><span>"Spec "<b>{one(&it.spec)}</b></span><span>"Task "<b>{it.place}</b></span><span>"Attempt "<b>{it.tries}</b></span>
                <span>"State "<b data-name="state">{it.state}</b></span><span>"Agent "<b>{one(&it.agent)}</b></span>
                <span class="mono cut">{one(&it.branch)}</span>
            </div>
            {it.live.map(|session| view! { <Fuses session=session/><Claims session=session/> })}
        </header>
    })
    }
}

/// What would end the session of an attempt, and how far off that is.
#[component]
fn Fuses(session: SessionId) -> impl IntoView {
    let desk = desk();
    let fuses = Memo::new(move |_| {
        let pulse = desk.mirror.sessions.with(|all| all.get(&session).and_then(|it| it.pulse));
        let now = desk.mirror.now.get();
        desk.mirror.fleet.with(|fleet| {
            let it = fleet.sessions.get(&session)?;
            Some(fuse::of(fleet, it, pulse.as_ref(), now))
        })
    });
    move || {
        let fuses = fuses.get().filter(|it| !it.is_empty())?;
        let said = fuses
            .into_iter()
            .map(|it| view! { <span data-near=it.is_near().to_string()>{it.to_string()}</span> });
        Some(view! { <div class="facts" data-name="fuses"><span>"Fuses"</span>{said.collect_view()}</div> })
    }
}

/// What the program of a session says of itself in its terminal; it may be anybody's words.
#[component]
fn Claims(session: SessionId) -> impl IntoView {
    let desk = desk();
    let claim = Memo::new(move |_| claim_of(desk, session));
    move || {
        claim.get().map(|it| {
            let more = one(&it.says);
            view! {
                <div class="facts" data-name="claims" title="The program says so itself; Pilothouse did not look">
                    <span>"Claims"</span><span class="cut"><b>{it.words()}</b>{(!more.is_empty()).then(|| format!(": {more}"))}</span>
                </div>
            }
        })
    }
}

/// What the program of a session says of itself, if it does.
pub(crate) fn claim_of(desk: Desk, session: SessionId) -> Option<Claim> {
    desk.mirror.sessions.with(|all| all.get(&session).and_then(|it| it.claim.clone()))
}

/// The chip of an alarm, if there is one.
#[component]
pub(crate) fn AlarmChip(alarm: Memo<Option<Alarm>>) -> impl IntoView {
    let desk = desk();
    let seen = Signal::derive(move || {
        alarm.get().is_some_and(|it| desk.place.seen.with(|all| all.contains(&it.key)))
    });
    move || alarm.get().map(|it| view! { <Chip p=it.priority seen=seen/> })
}

/// The head of a session that a person started.
#[component]
pub(crate) fn SessionHead(session: SessionId) -> impl IntoView {
    let desk = desk();
    let it = Memo::new(move |_| desk.mirror.fleet.with(|fleet| fleet.sessions.get(&session).cloned()));
    let says = move || {
        desk.mirror.sessions.with(|all| {
            all.get(&session).map(|it| (it.state.word(), it.pulse.map_or(0, |it| it.output_bytes)))
        })
    };
    move || {
        it.get().map(|it| {
        let asked = it.asked;
        let live = it.end.is_none();
        view! {
            <header class="head">
                <div class="line"><span class="call">{session.to_string()}</span><h1 class="cut">{one(&it.title)}</h1>
                    {live.then(|| view! { <span class="push"><CommandButton id="interrupt" label="End"/></span> })}</div>
                <div class="facts"><span class="mono cut">{one(&it.cwd)}</span><span>"Asked for "<b>{move || age(desk.mirror.now.get(), asked)}" ago"</b></span>
                    {move || says().map(|(state, n)| view! { <span>"State "<b>{state}</b></span><span>"Log "<b>{bytes(n)}</b></span> })}</div>
                <Claims session=session/>
            </header>
        }
    })
    }
}
