//! The trajectories: what agents were asked, said and did; listed, narrowed, read. From the agents' own logs. Below those of
//! our sessions stand those that people started in terminals of their own.

mod found;

use std::sync::LazyLock;

use leptos::prelude::*;
use pilothouse_contract::archive::Place;
use pilothouse_contract::board::Subject;
use pilothouse_contract::elsewhere::Elsewhere;
use pilothouse_contract::money::Money;
use pilothouse_contract::session::Session;
use pilothouse_contract::trajectory::{StepKind, Trajectory};
use pilothouse_contract::{At, Call, Fault, SessionId, ask, wire};

use found::Seeks;

use crate::board::Filter;
use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{Calm, CommandButton, Icon, Reading, asked};
use crate::place::{Reads, View};
use crate::words::{age, clock, count, many, one, tokens};

static LISTED: LazyLock<ArcRwSignal<Vec<Reads>>> = LazyLock::new(|| ArcRwSignal::new(Vec::new()));
static ELSEWHERE: LazyLock<ArcRwSignal<Vec<Elsewhere>>> = LazyLock::new(|| ArcRwSignal::new(Vec::new()));

/// What can be read, in the order of the list.
pub(crate) fn listed() -> Vec<Reads> {
    LISTED.get()
}

/// Steps of a trajectory that are read at once.
const AT_ONCE: u32 = 2000;
/// So often it is looked what goes on elsewhere, in milliseconds.
const LOOK_MS: i64 = 10_000;

/// The session elsewhere that is read now.
fn elsewhere_here(desk: Desk) -> Option<Elsewhere> {
    let Some(Reads::Elsewhere(native)) = desk.place.trajectory.get() else { return None };
    ELSEWHERE.read().iter().find(|it| it.native == native).cloned()
}

/// Goes on with the session elsewhere that is read now, held here.
pub(crate) fn go_on_here(desk: Desk) {
    if desk.place.view.get_untracked() != View::Trajectories {
        return;
    }
    let Some(it) = untrack(|| elsewhere_here(desk)) else { return };
    let go_on = ask::session::GoOnElsewhere { native: it.native };
    desk.act_then("Go on with it here", go_on.request(), |desk, reply| {
        if let Ok(it) = wire::decode::<Session>(reply) {
            desk.place.open_subject(Subject::Session(it.id));
        }
    });
}

/// What the list shows.
#[derive(Clone, PartialEq)]
enum Form {
    Fault(Fault),
    Reading,
    None,
    NoneFits,
    Rows,
}

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
    let turn_of = Memo::new(move |_| desk.mirror.now.get().0 / LOOK_MS);
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
    let elsewhere = LocalResource::new(move || {
        let _again = turn_of.get();
        ipc::call(ask::session::Elsewhere {})
    });
    let seen = RwSignal::new(Vec::<Elsewhere>::new());
    let seen_fault = RwSignal::new(None::<Fault>);
    Effect::new(move |_| match elsewhere.get() {
        Some(Ok(list)) => {
            seen_fault.set(None);
            ELSEWHERE.set(list.clone());
            if seen.with_untracked(|known| *known != list) {
                seen.set(list);
            }
        }
        Some(Err(it)) => seen_fault.set(Some(it)),
        None => {}
    });
    let seen_shown = Memo::new(move |_| {
        let filter = desk.place.filter.get().to_lowercase();
        let project = desk.place.project.get();
        let fits = |it: &Elsewhere| filter.is_empty() || it.title.to_lowercase().contains(&filter);
        let all = seen.get().into_iter();
        all.filter(|it| fits(it) && project.is_none_or(|project| it.project == project)).collect::<Vec<_>>()
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
    let found = Seeks::new(desk);
    // One that is seen where it is worked stands there.
    let imported = Memo::new(move |_| {
        let mut all = found.imported_of(desk);
        seen.with(|seen| all.retain(|it| seen.iter().all(|seen| seen.native != it.native)));
        all
    });
    Effect::new(move |_| {
        let mut ids = shown.with(|all| all.iter().map(|it| Reads::Ours(it.session)).collect::<Vec<_>>());
        ids.extend(
            seen_shown
                .with(|all| all.iter().map(|it| Reads::Elsewhere(it.native.clone())).collect::<Vec<_>>()),
        );
        ids.extend(imported.with(|all| all.iter().map(|it| Reads::Imported(it.id)).collect::<Vec<_>>()));
        ids.extend(found.hits.with(|all| all.iter().map(found::reads).collect::<Vec<_>>()));
        // What is not read yet may hold what was chosen.
        let read = all.get().is_some_and(|it| it.is_ok()) && elsewhere.get().is_some_and(|it| it.is_ok());
        let chosen = desk.place.trajectory.get();
        if read && chosen.as_ref().is_none_or(|it| !ids.contains(it)) && chosen.as_ref() != ids.first() {
            desk.place.trajectory.set(ids.first().cloned());
        }
        LISTED.set(ids);
    });
    let outcome = move |session: SessionId| {
        desk.mirror.fleet.with(|fleet| {
            let of = fleet.sessions.get(&session)?;
            let attempt = of.attempt.and_then(|id| fleet.attempts.get(&id));
            let judged =
                || fleet.runs.values().find_map(|it| it.audit.as_ref().filter(|it| it.session == session));
            let came = match attempt {
                Some(it) => it.failure.as_ref().map_or_else(
                    || it.state.word().replace('-', " "),
                    |it| format!("failed: {}", it.word().replace('-', " ")),
                ),
                None => judged().map(pilothouse_contract::audit::Audit::says).unwrap_or_default(),
            };
            Some((of.asked, came))
        })
    };
    // Only news of the one that is read load it anew.
    let shown_now = Memo::new(move |_| {
        let reads = desk.place.trajectory.get()?;
        let known = match &reads {
            Reads::Ours(session) => kept.with(|all| all.iter().any(|it| it.session == *session)),
            Reads::Elsewhere(native) => seen.with(|all| all.iter().any(|it| it.native == *native)),
            Reads::Imported(_) | Reads::Step { .. } => true,
        };
        known.then_some(reads)
    });
    let news = Memo::new(move |_| match shown_now.get()? {
        Reads::Ours(session) => {
            kept.with(|all| all.iter().find(|it| it.session == session).map(|it| u64::from(it.steps)))
        }
        // What was imported stays as it was.
        Reads::Imported(_) | Reads::Step { .. } => None,
        Reads::Elsewhere(native) => {
            seen.with(|all| all.iter().find(|it| it.native == native).map(|it| it.bytes))
        }
    });
    // Rows stay where they are while what they say changes: a click on one that is built anew is lost.
    let row = move |id: SessionId| {
        let it = Memo::new(move |_| shown.with(|all| all.iter().find(|it| it.session == id).cloned()));
        let about = Memo::new(move |_| outcome(id));
        let reads = Reads::Ours(id);
        let is_chosen = move || (desk.place.trajectory.get() == Some(Reads::Ours(id))).to_string();
        let says = move || {
            let it = it.get()?;
            let (asked_at, came) = about.get().unzip();
            let ago = asked_at.map(|at| format!("{} ago", age(desk.mirror.now.get(), at)));
            let used = (it.read() + it.output > 0)
                .then(|| format!("{} in, {} out", tokens(it.read()), tokens(it.output)));
            let came = came.filter(|it| !it.is_empty()).map(|it| one(&it));
            let parts = [ago, Some(count(it.steps as usize, "step")), used, came];
            Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
        };
        view! {
            <li role="option" data-trajectory=id.to_string() aria-selected=is_chosen on:click=move |_| desk.place.trajectory.set(Some(reads.clone()))>
                <div class="t"><span class="call">{id.to_string().to_uppercase()}</span><b class="cut">{move || it.get().map(|it| one(&it.title))}</b></div>
                <div class="m cut">{says}</div>
            </li>
        }
    };
    let seen_row = move |native: String| {
        let reads = Reads::Elsewhere(native.clone());
        let (chosen, name) = (reads.clone(), native.clone());
        let it =
            Memo::new(move |_| seen_shown.with(|all| all.iter().find(|it| it.native == native).cloned()));
        let title = move || it.get().map(|it| one(if it.title.is_empty() { &it.native } else { &it.title }));
        let is_chosen = move || (desk.place.trajectory.get().as_ref() == Some(&chosen)).to_string();
        let says = move || {
            let it = it.get()?;
            let ago = age(desk.mirror.now.get(), it.written);
            Some(format!("{ago} ago · {} · {}", one(&it.stands()), one(last_of(&it.cwd))))
        };
        view! {
            <li role="option" data-elsewhere=name aria-selected=is_chosen on:click=move |_| desk.place.trajectory.set(Some(reads.clone()))>
                <div class="t"><span class="call">{move || it.get().map(|it| one(&it.agent).to_uppercase())}</span><b class="cut">{title}</b></div>
                <div class="m cut">{says}</div>
            </li>
        }
    };
    let sought = move || found.sought.get();
    let form = Memo::new(move |_| {
        let none = kept.with(Vec::is_empty) && seen.with(Vec::is_empty) && found.is_empty();
        let fits = |none: bool| none && imported.with(Vec::is_empty) && found.hits.with(Vec::is_empty);
        match fault.get() {
            Some(fault) => Form::Fault(fault),
            None if none && (all.with(Option::is_none) || elsewhere.with(Option::is_none)) => Form::Reading,
            None if none => Form::None,
            None if fits(shown.with(Vec::is_empty) && seen_shown.with(Vec::is_empty)) => Form::NoneFits,
            None => Form::Rows,
        }
    });
    let closed = Memo::new(move |_| match shown_now.get() {
        Some(Reads::Ours(session) | Reads::Step { place: Place::Session(session), .. }) => {
            crate::commands::is_closed(desk, session)
        }
        _ => false,
    });
    let list = move || {
        match form.get() {
        Form::Fault(fault) => view! { <crate::kit::FaultNote fault=fault/> }.into_any(),
        Form::Reading => view! { <Reading what="trajectories"/> }.into_any(),
        Form::None => view! { <Calm title="No trajectory yet" says="One is stored as soon as an agent's log says something. Sessions of Claude Code, Codex, Gemini CLI and opencode in other terminals are shown too, once they work in a project on the list. What agents did before is imported by pilothouse trajectory import."/> }.into_any(),
        Form::NoneFits => {
            // What was not answered is not known.
            let says = move || match (found.seeks.get(), found.fault.get().is_some()) {
                (true, _) => format!("No trajectory is called like '{}'; what they say is being searched.", desk.place.filter.get()),
                (_, true) => format!("No trajectory is called like '{}'.", desk.place.filter.get()),
                _ => format!("No trajectory is called like '{}', and none says it.", desk.place.filter.get()),
            };
            view! {
                <p class="none" data-name="none-fits">{says}</p>
                {move || found.fault.get().map(|fault| view! { <crate::kit::FaultNote fault=fault/> })}
            }
            .into_any()
        }
        Form::Rows => view! {
            <ul class="hits" role="listbox" tabindex="0" data-focus="list" aria-label="Trajectories">
                <For each=move || shown.get() key=|it| it.session children=move |it| row(it.session)/>
                {move || seen_shown.with(|it| !it.is_empty()).then(|| view! { <li class="part" role="presentation">"Started in other terminals"</li> })}
                {move || seen_fault.get().map(|fault| view! { <li class="part" role="presentation"><crate::kit::FaultNote fault=fault/></li> })}
                <For each=move || seen_shown.get() key=|it| it.native.clone() children=move |it| seen_row(it.native)/>
                {move || imported.with(|it| !it.is_empty()).then(|| view! { <li class="part" role="presentation">"Imported"</li> })}
                <For each=move || imported.get() key=|it| it.id children=move |it| found::log_row(desk, it)/>
                {move || found.left_out().map(|says| view! { <li class="part" role="presentation">{says}</li> })}
                {move || found.says().map(|says| view! { <li class="part" role="presentation" data-name="found" data-words=sought>{says}</li> })}
                {move || found.fault.get().map(|fault| view! { <li class="part" role="presentation"><crate::kit::FaultNote fault=fault/></li> })}
                <For each=move || found.hits.get() key=|it| (it.place, it.ordinal, it.excerpt.clone(), it.marks.clone()) children=move |it| found::hit_row(desk, it)/>
            </ul>
        }.into_any(),
    }
    };
    view! {
        <section class="pane board hitlist" data-pane="list" aria-label="Trajectories">
            <h3 class="panehead">{move || count(shown.with(Vec::len) + seen_shown.with(Vec::len) + imported.with(Vec::len), "session")}<span class="n">"newest first · "<crate::board::KeyOf id="filter"/>" finds"</span></h3>
            <Filter/>
            <div class="scroll">{list}</div>
        </section>
        <section class="pane stage reader" data-pane="stage" aria-label="Trajectory">
            {move || shown_now.get().map(|reads| match reads {
                Reads::Ours(session) | Reads::Step { place: Place::Session(session), .. } if closed.get() => view! { <crate::stage::Closed session=session/> }.into_any(),
                Reads::Ours(session) => {
                    let ask = move || {
                        let _again = news.get();
                        ipc::call(ask::trajectory::Show { session, from: 0, most: AT_ONCE })
                    };
                    asked("the trajectory", ask, |page| reader(page, None))
                }
                Reads::Step { place: Place::Session(session), ordinal } => {
                    let ask = move || ipc::call(ask::trajectory::Show { session, from: found::from(ordinal), most: AT_ONCE });
                    asked("the trajectory", ask, move |page| reader(page, Some(ordinal)))
                }
                Reads::Imported(log) | Reads::Step { place: Place::Log(log), .. } => {
                    let step = match &reads { Reads::Step { ordinal, .. } => Some(*ordinal), _ => None };
                    let from = step.map_or(0, found::from);
                    let ask = move || ipc::call(ask::trajectory::ShowLog { log, from, most: AT_ONCE });
                    asked("the log", ask, move |page| found::reader(page, from, step))
                }
                Reads::Elsewhere(native) => {
                    let ask = move || {
                        let _again = news.get();
                        ipc::call(ask::session::ReadElsewhere { native: native.clone(), from: 0, most: AT_ONCE })
                    };
                    asked("the session", ask, move |page| reader_elsewhere(desk, page))
                }
            })}
        </section>
    }
}

/// The end of a path, which tells folders apart.
fn last_of(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).and_then(|(at, _)| path.get(at + 1..)).unwrap_or(path)
}

fn reader(page: ask::trajectory::TrajectoryPage, step: Option<u32>) -> AnyView {
    let it = page.trajectory;
    let steps: Vec<Told<'_>> = page.steps.iter().map(|step| (step.ordinal, step.at, &step.kind)).collect();
    view! {
        <header class="head"><div class="line"><span class="call">{it.session.to_string().to_uppercase()}</span><h1 class="cut">{one(&it.title)}</h1></div>
            <div class="facts"><span>{count(it.steps as usize, "step")}</span>
                {(it.read() > 0).then(|| view! { <span>"Tokens "<b>{tokens(it.read())}</b>" in, "<b>{tokens(it.output)}</b>" out"</span> })}
                {(it.unread > 0).then(|| view! { <span>{count(it.unread as usize, "record")}" not read"</span> })}
                {(it.damaged > 0).then(|| view! { <span>{count(it.damaged as usize, "damaged line")}</span> })}
                <span class="mono cut">{one(&it.file)}</span></div></header>
        {turns(&steps, "Brief, written by Pilothouse", step)}
    }.into_any()
}

fn reader_elsewhere(desk: Desk, page: ask::session::ElsewherePage) -> AnyView {
    let it = page.session;
    let steps: Vec<Told<'_>> = page.steps.iter().map(|step| (step.ordinal, step.at, &step.kind)).collect();
    let title = if it.title.is_empty() { &it.native } else { &it.title };
    let left_out = page.steps_all as usize - page.steps.len();
    // Where it stands changes without a word in its log.
    let stands =
        Memo::new(move |_| elsewhere_here(desk).map(|it| (it.stands(), it.resume().is_some(), it.held)));
    view! {
        <header class="head"><div class="line"><span class="call">{one(&it.agent).to_uppercase()}</span><h1 class="cut">{one(title)}</h1>
                {move || stands.get().and_then(|it| it.1.then(|| view! { <CommandButton id="go-on-here" label="Go on here"/> }))}</div>
            <div class="facts"><span>{move || stands.get().map(|it| one(&it.0))}</span><span>{count(page.steps_all as usize, "step")}</span>
                {(page.damaged > 0).then(|| view! { <span>{count(page.damaged as usize, "damaged line")}</span> })}
                <span class="mono cut">{one(&it.cwd)}</span></div></header>
        {move || stands.get().filter(|it| !it.1 && it.2.is_none()).map(|_| view! { <p class="none">"Pilothouse sees it and does not hold it: end it in its terminal, then it can go on here."</p> })}
        {turns(&steps, "Prompt", None)}
        {(left_out > 0).then(|| view! { <p class="none">{format!("{} more: pilothouse session elsewhere {} --from {}", count(left_out, "step"), one(&it.native), page.steps.len())}</p> })}
    }.into_any()
}

/// A step as it is shown: its place, when it was, and what happened.
type Told<'a> = (u32, Option<At>, &'a StepKind);

/// Everything that was said and done. `prompt` says whose words the prompts are; `step` is the one that is to be in sight.
fn turns(steps: &[Told<'_>], prompt: &'static str, step: Option<u32>) -> AnyView {
    // An answer stands with its call.
    let step = step.map(|step| {
        let call = steps.iter().find_map(|it| match it.2 {
            StepKind::Result { call, .. } if it.0 == step => Some(call),
            _ => None,
        });
        let place =
            |of: &String| steps.iter().find(|it| matches!(it.2, StepKind::Call { call, .. } if call == of));
        call.and_then(place).map_or(step, |it| it.0)
    });
    let turns = steps.iter().map(|it| turn(*it, steps, prompt, step == Some(it.0))).collect_view();
    if step.is_some() {
        found::bring_in_sight();
    }
    view! { <div class="scroll" tabindex="0" data-focus="stage" data-name="trajectory">{turns}</div> }
        .into_any()
}

/// One step; a tool's answer stands with its call, a step of its own only where the call is missing.
fn turn((_, at, kind): Told<'_>, all: &[Told<'_>], prompt: &'static str, here: bool) -> AnyView {
    let here = here.then_some("true");
    let time = at.map(clock).unwrap_or_default();
    let said = |who: &'static str, text: &str| {
        view! { <div class="turn" aria-current=here><time>{time.clone()}</time><div><p class="who">{who}</p><p class="say">{many(text.trim())}</p></div></div> }.into_any()
    };
    match kind {
        StepKind::Prompt { text } => said(prompt, text),
        StepKind::Message { text } => said("Agent", text),
        StepKind::Reasoning { text } => said("Its reasons", text),
        StepKind::Error { text } => said("Trouble with its model", text),
        StepKind::Call { call, tool, says, .. } => {
            let result = all.iter().find_map(|(.., it)| match it { StepKind::Result { call: of, failed, text } if of == call => Some((*failed, text.clone())), _ => None });
            let failed = result.as_ref().is_some_and(|it| it.0);
            let lines = result.as_ref().map_or(0, |it| it.1.lines().count());
            let short = match &result { None => "no answer".to_owned(), Some((true, _)) => "failed".to_owned(), _ => count(lines, "line") };
            view! {
                <div class="turn" aria-current=here><time>{time}</time><details class="fold" open=here.is_some()><summary class="call-row"><Icon name=if failed { "cross" } else { "terminal" }/><span class="quiet">{one(tool)}</span><span class="mono cut">{one(says)}</span><span class="r">{short}</span></summary>
                    {result.map(|(_, text)| view! { <pre class="well">{many(&text)}</pre> })}</details></div>
            }.into_any()
        }
        StepKind::Result { call, text, .. } => {
            let with_call = all.iter().any(|(.., it)| matches!(it, StepKind::Call { call: of, .. } if of == call));
            if with_call { ().into_any() } else { said("A tool's answer", text) }
        }
        StepKind::Tokens { model, tokens: of } => view! {
            <div class="turn"><time></time><p class="cost">{format!("{} · {} in, {} out", one(model), tokens(of.read()), tokens(of.output))}</p></div>
        }.into_any(),
        StepKind::Cost { micros, .. } => {
            let sum = micros.map_or("a sum that it does not know".to_owned(), |it| Money(it).to_string());
            view! { <div class="turn"><time></time><p class="cost">{format!("{sum}, by the program's own count")}</p></div> }.into_any()
        }
        StepKind::Unread { .. } => ().into_any(),
    }
}
