//! The trajectories: what agents were asked, said and did; listed, narrowed, read. From the agents' own logs.

use leptos::prelude::*;
use pilothouse_contract::trajectory::{Step, StepKind, Trajectory};
use pilothouse_contract::{SessionId, ask};

use crate::board::Filter;
use crate::desk::desk;
use crate::ipc;
use crate::kit::{Calm, Icon, Reading, asked};
use crate::words::{age, clock, count, many, one, tokens};

static LISTED: std::sync::LazyLock<ArcRwSignal<Vec<SessionId>>> =
    std::sync::LazyLock::new(|| ArcRwSignal::new(Vec::new()));

/// The sessions in the order of the list.
pub(crate) fn listed() -> Vec<SessionId> {
    LISTED.get()
}

/// Steps of a trajectory that are read at once.
const AT_ONCE: u32 = 2000;

/// The view.
#[component]
pub(crate) fn Trajectories() -> impl IntoView {
    let desk = desk();
    // Read anew when a session ends, or a running one has written more.
    let version = Memo::new(move |_| {
        let ended = desk.mirror.fleet.with(|it| it.sessions.values().filter(|it| it.end.is_some()).count());
        let bytes = desk
            .mirror
            .sessions
            .with(|all| all.values().filter_map(|it| it.pulse).map(|it| it.output_bytes).sum::<u64>());
        (ended, bytes)
    });
    let all = LocalResource::new(move || {
        let _again = version.get();
        ipc::call(ask::trajectory::List {})
    });
    let kept = RwSignal::new(Vec::<Trajectory>::new());
    let fault = RwSignal::new(None);
    Effect::new(move |_| match all.get() {
        Some(Ok(list)) => {
            fault.set(None);
            if kept.with_untracked(|known| *known != list) {
                kept.set(list);
            }
        }
        Some(Err(it)) => fault.set(Some(it)),
        None => {}
    });
    let shown = Memo::new(move |_| {
        let filter = desk.place.filter.get().to_lowercase();
        let project = desk.place.project.get();
        kept.get()
            .into_iter()
            .filter(|it| filter.is_empty() || it.title.to_lowercase().contains(&filter))
            .filter(|it| {
                project.is_none()
                    || desk
                        .mirror
                        .fleet
                        .with(|fleet| fleet.sessions.get(&it.session).is_some_and(|it| it.project == project))
            })
            .collect::<Vec<_>>()
    });
    Effect::new(move |_| {
        let ids = shown.with(|all| all.iter().map(|it| it.session).collect::<Vec<_>>());
        let chosen = desk.place.trajectory.get();
        if chosen.is_none_or(|it| !ids.contains(&it)) && chosen != ids.first().copied() {
            desk.place.trajectory.set(ids.first().copied());
        }
        LISTED.set(ids);
    });
    let outcome = move |session: SessionId| {
        desk.mirror.fleet.with(|fleet| {
            let session = fleet.sessions.get(&session)?;
            let attempt = session.attempt.and_then(|id| fleet.attempts.get(&id))?;
            Some((
                session.asked,
                attempt.failure.as_ref().map_or_else(
                    || attempt.state.word().replace('-', " "),
                    |it| format!("failed: {}", it.word().replace('-', " ")),
                ),
            ))
        })
    };
    // Only news of the one that is read load it anew.
    let shown_now = Memo::new(move |_| {
        let session = desk.place.trajectory.get()?;
        kept.with(|all| all.iter().any(|it| it.session == session)).then_some(session)
    });
    let news = Memo::new(move |_| {
        let session = shown_now.get();
        kept.with(|all| all.iter().find(|it| Some(it.session) == session).map(|it| it.steps))
    });
    let rows = move || {
        shown.get().into_iter().map(|it| {
        let id = it.session;
        let about = outcome(id);
        let asked_at = about.as_ref().map(|it| it.0);
        let says = about.map(|it| it.1).unwrap_or_default();
        view! {
            <li role="option" data-trajectory=id.to_string() aria-selected=move || (desk.place.trajectory.get() == Some(id)).to_string() on:click=move |_| desk.place.trajectory.set(Some(id))>
                <div class="t"><span class="call">{id.to_string().to_uppercase()}</span><b class="cut">{one(&it.title)}</b></div>
                <div class="m">{move || asked_at.map(|at| format!("{} ago · ", age(desk.mirror.now.get(), at)))}{format!("{} · ", count(it.steps as usize, "step"))}{(it.input + it.output > 0).then(|| format!("{} in, {} out · ", tokens(it.input + it.cached), tokens(it.output)))}{one(&says)}</div>
            </li>
        }
    }).collect_view()
    };
    let list = move || {
        match (kept.with(Vec::is_empty), fault.get()) {
        (_, Some(fault)) => view! { <crate::kit::FaultNote fault=fault/> }.into_any(),
        (true, _) if all.get().is_none() => view! { <Reading what="trajectories"/> }.into_any(),
        (true, _) => view! { <Calm title="No trajectory yet" says="One is stored as soon as an agent's log says something."/> }.into_any(),
        _ if shown.with(Vec::is_empty) => view! { <p class="none">{move || format!("No trajectory matches '{}'.", desk.place.filter.get())}</p> }.into_any(),
        _ => view! { <ul class="hits" role="listbox" tabindex="0" data-focus="list" aria-label="Trajectories">{rows}</ul> }.into_any(),
    }
    };
    view! {
        <section class="pane board hitlist" data-pane="list" aria-label="Trajectories">
            <h3 class="panehead">{move || count(shown.with(Vec::len), "session")}<span class="n">"newest first · "<crate::board::KeyOf id="filter"/>" narrows"</span></h3>
            <Filter/>
            <div class="scroll">{list}</div>
        </section>
        <section class="pane stage reader" data-pane="stage" aria-label="Trajectory">
            {move || shown_now.get().map(|session| {
                let ask = move || {
                    let _again = news.get();
                    ipc::call(ask::trajectory::Show { session, from: 0, most: AT_ONCE })
                };
                asked("the trajectory", ask, reader)
            })}
        </section>
    }
}

fn reader(page: ask::trajectory::TrajectoryPage) -> AnyView {
    let it = page.trajectory;
    let turns = page.steps.iter().map(|step| turn(step, &page.steps)).collect_view();
    view! {
        <header class="head"><div class="line"><span class="call">{it.session.to_string().to_uppercase()}</span><h1 class="cut">{one(&it.title)}</h1></div>
            <div class="facts"><span>{count(it.steps as usize, "step")}</span>
                {(it.input + it.cached > 0).then(|| view! { <span>"Tokens "<b>{tokens(it.input + it.cached)}</b>" in, "<b>{tokens(it.output)}</b>" out"</span> })}
                {(it.unread > 0).then(|| view! { <span>{count(it.unread as usize, "record")}" not read"</span> })}
                {(it.damaged > 0).then(|| view! { <span>{count(it.damaged as usize, "damaged line")}</span> })}
                <span class="mono cut">{one(&it.file)}</span></div></header>
        <div class="scroll" tabindex="0" data-focus="stage" data-name="trajectory">{turns}</div>
    }.into_any()
}

/// One step; a tool's answer stands with its call, a step of its own only where the call is missing.
fn turn(step: &Step, all: &[Step]) -> AnyView {
    let time = step.at.map(clock).unwrap_or_default();
    let said = |who: &'static str, text: &str| {
        view! { <div class="turn"><time>{time.clone()}</time><div><p class="who">{who}</p><p class="say">{many(text.trim())}</p></div></div> }.into_any()
    };
    match &step.kind {
        StepKind::Prompt { text } => said("Brief, written by Pilothouse", text),
        StepKind::Message { text } => said("Agent", text),
        StepKind::Reasoning { text } => said("Its reasons", text),
        StepKind::Error { text } => said("Trouble with its model", text),
        StepKind::Call { call, tool, says } => {
            let result = all.iter().find_map(|it| match &it.kind { StepKind::Result { call: of, failed, text } if of == call => Some((*failed, text.clone())), _ => None });
            let failed = result.as_ref().is_some_and(|it| it.0);
            let lines = result.as_ref().map_or(0, |it| it.1.lines().count());
            let short = match &result { None => "no answer".to_owned(), Some((true, _)) => "failed".to_owned(), _ => count(lines, "line") };
            view! {
                <div class="turn"><time>{time}</time><details class="fold"><summary class="call-row"><Icon name=if failed { "cross" } else { "terminal" }/><span class="quiet">{one(tool)}</span><span class="mono cut">{one(says)}</span><span class="r">{short}</span></summary>
                    {result.map(|(_, text)| view! { <pre class="well">{many(&text)}</pre> })}</details></div>
            }.into_any()
        }
        StepKind::Result { call, text, .. } => {
            let with_call = all.iter().any(|it| matches!(&it.kind, StepKind::Call { call: of, .. } if of == call));
            if with_call { ().into_any() } else { said("A tool's answer", text) }
        }
        StepKind::Tokens { model, input, cached, output } => view! {
            <div class="turn"><time></time><p class="cost">{format!("{} · {} in, {} out", one(model), tokens(input + cached), tokens(*output))}</p></div>
        }.into_any(),
        StepKind::Unread { .. } => ().into_any(),
    }
}
