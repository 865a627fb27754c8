//! A project: what was found in it that can run commands, the decision to trust it and what that means, a line that was
//! stopped, and its items with where each stands.

mod landing;

use leptos::prelude::*;
use pilothouse_contract::board::{Subject, number_of};
use pilothouse_contract::item::Item;
use pilothouse_contract::layout::Layout;
use pilothouse_contract::project::{Found, FoundKind, Line, Trust};
use pilothouse_contract::run::RunState;
use pilothouse_contract::{Call, ItemId, ProjectId, ask};

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{Calm, Icon, Key, asked};
use crate::place::{Confirm, Overlay};
use crate::stage::plan_of;
use crate::words::{age, clock, count, many, one};

/// A project on the stage.
#[component]
pub(crate) fn ProjectPage(project: ProjectId) -> impl IntoView {
    let desk = desk();
    let it = Memo::new(move |_| desk.mirror.fleet.with(|fleet| fleet.projects.get(&project).cloned()));
    let items = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            fleet.items.values().filter(|it| it.project == project).cloned().collect::<Vec<_>>()
        })
    });
    let head = move || {
        it.get().map(|it| view! {
        <header class="head"><div class="line"><h1 class="cut">{one(&it.name)}</h1>
            <span class="push answers-line"><crate::kit::CommandButton id="desk" label="Desk"/><crate::kit::CommandButton id="instructions" label="Instructions"/><button class="button" type="button" data-name="remove-project" on:click=move |_| remove(desk, project)>"Take off the list"</button></span></div>
            <div class="facts"><span class="mono cut">{one(&it.path)}</span><span>"Lands on "<b class="mono">{one(it.default_branch.short())}</b></span><span>"at "<b class="mono">{it.main.short().to_owned()}</b></span></div></header>
    })
    };
    let undecided =
        Memo::new(move |_| it.with(|it| it.as_ref().is_some_and(|it| it.trust == Trust::Undecided)));
    let stopped = move || {
        it.get().and_then(|it| match it.line { Line::Stopped { named, at, .. } => Some((named, at)), Line::Open => None }).map(|(named, at)| view! {
        <p class="note"><Icon name="warning"/><span>{format!("The line is stopped since {}: the default branch was moved by {}. Answer in the Queue.", clock(at), one(&named))}</span></p>
    })
    };
    let held = move || {
        it.get().and_then(|it| it.held).map(|held| view! {
        <p class="note" data-name="held"><Icon name="lock"/><span>{format!("{} holds the line since {}: {}", crate::chrome::by(&held.by), clock(held.at), one(&held.why))}</span></p>
    })
    };
    // What is new since a person trusted it they may look at again, and decide anew.
    let again = RwSignal::new(false);
    let decided = Memo::new(move |_| it.with(|it| it.as_ref().map(|it| it.trust.clone())));
    Effect::new(move |_| {
        decided.track();
        again.set(false);
    });
    // What had the focus there goes with it.
    let holds = NodeRef::<leptos::html::Div>::new();
    Effect::new(move |before: Option<bool>| {
        let now = again.get();
        if let Some(holds) = holds.get_untracked().filter(|_| before == Some(true) && !now) {
            let _hidden = holds.focus();
        }
        now
    });
    let trust = move || {
        if undecided.get() {
            view! { <TrustDecision project=project/> }.into_any()
        } else if again.get() {
            view! { <TrustDecision project=project again=again/> }.into_any()
        } else {
            it.get().and_then(|it| match it.trust { Trust::Given { at, by, found } => Some((at, by, found)), Trust::Undecided => None }).map(|(at, by, found)| {
            view! { <details class="fold"><summary>{format!("Trusted by {} at {}: {}", crate::chrome::by(&by), clock(at), count(found.len(), "thing"))}" that can run"</summary>{list(&found)}</details>
                <p class="answers"><button class="button" data-size="small" type="button" data-name="look-again" on:click=move |_| again.set(true)>"Look again"</button>
                    <span class="quiet">"Proofs that are new or changed since then run only once you saw them."</span></p> }
        }).into_any()
        }
    };
    let rows = move || items.get().into_iter().map(|it| item_row(desk, &it)).collect_view();
    let none = move || {
        items.with(Vec::is_empty).then(|| view! { <Calm title="No spec yet" says="Write specs/001-name/spec.md and tasks.md on the default branch, or in the layout that the repository has; it is seen at once."/> })
    };
    view! {
        {head}
        <div class="scroll pad" tabindex="0" node_ref=holds data-focus="stage" data-name="project">
            {stopped}{held}{trust}
            <h3 class="panehead flush">"Items"<span class="n">{move || count(items.with(Vec::len), "item")}</span></h3>
            {none}
            <table class="table"><tbody>{rows}</tbody></table>
            <landing::Landings project=project/>
        </div>
    }
}

fn remove(desk: Desk, project: ProjectId) {
    let name = desk
        .mirror
        .fleet
        .with_untracked(|it| it.projects.get(&project).map(|it| it.name.clone()))
        .unwrap_or_default();
    desk.place.overlay.set(Some(Overlay::Confirm(Confirm {
        asks: format!("Take {} off the list?", one(&name)),
        says: "The repository stays as it is. Runs in it must be over.".to_owned(),
        label: "Take it off".to_owned(),
        deed: Box::new(ask::project::Remove { project }.request()),
    })));
}

/// Stops the line of the project that is chosen, or of the pull request's; if it is stopped by a person, opens it again.
pub(crate) fn line(desk: Desk) {
    let chosen = match crate::commands::subject(desk) {
        Some(Subject::Project(project)) => Some(project),
        _ => {
            crate::commands::pull_of(desk).map(|it| it.project).or_else(|| desk.place.project.get_untracked())
        }
    };
    let found = desk.mirror.fleet.with_untracked(|fleet| {
        let only = || fleet.listed().next().filter(|_| fleet.listed().count() == 1).map(|it| it.id);
        let project = fleet.projects.get(&chosen.or_else(only)?)?;
        Some((project.id, project.held.is_some()))
    });
    match found {
        Some((project, true)) => desk.act("Open the line", ask::project::OpenLine { project }.request()),
        Some((project, false)) => desk.place.overlay.set(Some(Overlay::HoldLine(project))),
        None => {}
    }
}

/// What a row of an item may start.
fn item_row(desk: Desk, item: &Item) -> AnyView {
    let id = item.id;
    let run =
        desk.mirror.fleet.with(|fleet| fleet.run_of(id).map(|it| (it.state, it.done(), it.tasks.len())));
    let startable = desk.mirror.fleet.with(|fleet| fleet.can_start(item));
    let tasks = item.spec.tasks.iter().filter(|it| !it.done).count();
    let blocked = item.spec.remarks.iter().filter(|it| it.blocking).count();
    let says = match run {
        Some((state, done, all)) if state != RunState::Landed => {
            format!("{} · {done} of {all} tasks done", state.word().replace('-', " "))
        }
        _ if blocked > 0 => format!("{} before it can run", count(blocked, "remark")),
        _ => format!("{} · {}", item.state.word().replace('-', " "), count(tasks, "open task")),
    };
    let label = if run.is_some_and(|it| it.0 == RunState::Parked) { "Go on" } else { "Start" };
    let moved = item.moved;
    // Ours says nothing of itself.
    let layout = (item.spec.layout != Layout::Native)
        .then(|| view! { " " <span class="tag" data-name="layout">{item.spec.layout.name()}</span> });
    view! {
        <tr data-item=item.slug.clone()><td class="call">{one(number_of(&item.slug)).to_owned()}</td><td class="cut"><b>{one(&item.spec.title)}</b>{layout}</td><td class="quiet">{one(&says)}</td>
            <td class="num quiet">{move || age(desk.mirror.now.get(), moved)}</td>
            <td class="num"><button class="button" data-size="small" type="button" on:click=move |_| desk.place.open_subject(Subject::Item(id))>"Open"</button>
                {startable.then(|| view! { " " <button class="button" data-size="small" type="button" data-name="start" on:click=move |_| start(desk, id)>{label}</button> })}</td></tr>
    }.into_any()
}

/// Starts a run as the policy has it: with that, the spec at the tip of the default branch is approved.
pub(crate) fn start(desk: Desk, item: ItemId) {
    let request = ask::run::Start::of(item).request();
    desk.act_then("Start the run", request, move |desk, _| {
        desk.place.following.set(Some(item));
        desk.place.open_subject(Subject::Item(item));
    });
}

fn kind(kind: FoundKind) -> &'static str {
    match kind {
        FoundKind::Hook => "Git hook",
        FoundKind::GitCommand => "Git setting",
        FoundKind::McpServer => "MCP server",
        FoundKind::AgentSetting => "Agent setting",
        FoundKind::Workflow => "Workflow",
        FoundKind::Verify => "Proof",
    }
}

fn list(found: &[Found]) -> AnyView {
    let rows = found.iter().map(|it| view! {
        <li><span class="tag">{kind(it.kind)}</span><span class="mono quiet">{one(&it.place)}</span><pre class="well">{many(&it.says)}</pre></li>
    }).collect_view();
    view! { <ul class="found" data-name="found">{rows}</ul> }.into_any()
}

/// The decision, with what it means; or what was decided, looked at `again`.
#[component]
fn TrustDecision(project: ProjectId, #[prop(optional)] again: Option<RwSignal<bool>>) -> impl IntoView {
    asked(
        "what in it can run commands",
        move || ipc::call(ask::project::Look { project }),
        move |page: ask::project::ProjectPage| {
            let n = page.found.len();
            let digest = page.digest.clone();
            let name = one(&page.project.name);
            let trust = move |_| {
                let desk = desk();
                desk.act("Trust", ask::project::Trust { project, digest: digest.clone() }.request());
            };
            let says = match n {
                0 if again.is_some() => "Nothing is found in it now that can run commands.".to_owned(),
                n if again.is_some() => format!("{} in it can run commands with your rights. Read them: with a yes they are those that you saw, and what is added later asks again.", count(n, "thing")),
                0 => "Nothing was found in it that can run commands. Agents will run in worktrees of it with your rights.".to_owned(),
                n => format!("{} in it can run commands with your rights. Read them. If you trust it, agents may start, and these may run in its worktrees; what is added later asks again.", count(n, "thing")),
            };
            let rest = match again {
                None => view! { <span class="quiet">"Until then nothing of it runs, and no agent starts in it."</span> }.into_any(),
                Some(again) => {
                    let button = NodeRef::<leptos::html::Button>::new();
                    crate::kit::focus_soon(button);
                    view! {
                        <button node_ref=button class="button" type="button" data-name="trust-cancel" on:click=move |_| again.set(false)>"Cancel"</button>
                        <span class="quiet">"It stays trusted as it was: what is new or changed since then runs only once you saw it."</span>
                    }.into_any()
                }
            };
            view! {
                <section class="trust" data-name="trust">
                    <h2>{format!("May the commands of {name} run?")}</h2>
                    <p>{says}</p>
                    {list(&page.found)}
                    <div class="answers"><button class="button" type="button" data-kind="primary" data-name="trust-yes" on:click=trust>{format!("Trust {name}")}</button>
                        {rest}</div>
                </section>
            }.into_any()
        },
    )
}

/// An item on the stage: its plan, its remarks, and the start.
#[component]
pub(crate) fn ItemPage(item: ItemId) -> impl IntoView {
    let desk = desk();
    let it = Memo::new(move |_| desk.mirror.fleet.with(|fleet| fleet.items.get(&item).cloned()));
    let state = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            fleet.run_of(item).map(|it| (it.id, it.state, it.why.clone(), it.done(), it.tasks.len()))
        })
    });
    let can = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| fleet.items.get(&item).is_some_and(|it| fleet.can_start(it)))
    });
    let on_desk = Memo::new(move |_| crate::specdesk::may_have(desk, item));
    let head = move || {
        it.get().map(|it| {
        let run = state.get();
        let label = if run.as_ref().is_some_and(|it| it.1 == RunState::Parked) { "Go on" } else { "Start" };
        view! {
            <header class="head"><div class="line"><span class="call">{one(number_of(&it.slug)).to_owned()}</span><h1 class="cut">{one(&it.spec.title)}</h1>
                <span class="push answers-line">{on_desk.get().then(|| view! { <crate::kit::CommandButton id="desk" label="Desk"/> })}{can.get().then(|| view! { <crate::kit::CommandButton id="start-run" kind="primary" label=label/> })}</span></div>
                <div class="facts"><span class="mono cut">{one(&it.spec.folder)}</span><span>"State "<b>{it.state.word().replace('-', " ")}</b></span>
                    {run.map(|(id, state, why, done, all)| view! { <span>{format!("Run {id} ")}<b>{state.word().replace('-', " ")}</b></span><span>{format!("{done} of {all} tasks done")}</span><span class="cut">{one(&why)}</span> })}</div></header>
        }
    })
    };
    let remarks = move || {
        it.get().map(|it| it.spec.remarks.iter().map(|it| view! {
        <p class="note"><Icon name=if it.blocking { "cross" } else { "dash" }/><span><span class="mono">{format!("{}:{}", one(&it.file), it.line)}</span>" "{one(&it.says)}</span></p>
    }).collect_view())
    };
    let outside = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| fleet.run_of(item).and_then(|it| it.outside.clone()))
    });
    let changed = move || {
        outside.get().filter(|it| !it.changes.is_empty()).map(|it| {
            let says = it.changes.iter().map(|it| view! { <li>{one(&it.to_string())}</li> }).collect_view();
            view! {
                <details class="fold" data-name="outside"><summary>{format!("{} from outside while it was parked, from {} to {}", count(it.changes.len(), "change"), clock(it.since), clock(it.until))}</summary><ul>{says}</ul></details>
            }
        })
    };
    view! { {head}<div>{remarks}{changed}</div>{plan_of(item)} }
}

/// The folder of a repository, asked for.
#[component]
pub(crate) fn AddRepository() -> impl IntoView {
    let desk = desk();
    let path = RwSignal::new(String::new());
    let field = NodeRef::<leptos::html::Input>::new();
    crate::kit::focus_soon(field);
    let add = move || {
        let path = path.get_untracked().trim().to_owned();
        if path.is_empty() {
            return;
        }
        desk.act_then("Add the repository", ask::project::Add { path }.request(), |desk, reply| {
            if let Ok(it) = pilothouse_contract::wire::decode::<pilothouse_contract::project::Project>(reply)
            {
                desk.place.overlay.set(None);
                desk.place.project.set(None);
                desk.place.open_subject(Subject::Project(it.id));
            }
        });
    };
    view! {
        <div class="dialog" role="dialog" aria-label="Add a repository">
            <h2>"Add a repository"</h2>
            <p class="quiet">"The folder of a local git repository. It is looked at, and nothing in it runs."</p>
            <div class="input"><input node_ref=field type="text" data-name="path" aria-label="Folder" spellcheck="false" placeholder="/home/you/project" prop:value=move || path.get()
                on:input=move |event| path.set(event_target_value(&event)) on:keydown=move |event| if event.key() == "Enter" { add() }/></div>
            {move || desk.fault.get().map(|fault| view! { <crate::kit::FaultNote fault=fault/> })}
            <div class="answers"><button class="button" data-kind="primary" type="button" data-name="add" on:click=move |_| add()>"Add" <Key says="↵"/></button>
                <button class="button" type="button" on:click=move |_| desk.place.overlay.set(None)>"Cancel" <Key says="Esc"/></button></div>
        </div>
    }
}
