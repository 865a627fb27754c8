//! The desk: is this spec ready to be planned, and this plan to be run? Items of every layout at the left, the page of one at the right with a
//! tab each for its spec and its plan. Read from commits by the engine; opening it changes nothing.
//!
//! A tab is a variant of [`DeskTab`] in `place.rs`, a body in [`Page`], and its keys in [`heed`].

mod graph;
mod lines;
mod rows;

use std::collections::BTreeMap;

use leptos::prelude::*;
use pilothouse_contract::board::Subject;
use pilothouse_contract::desk::{DeskItem, DeskOf, DeskPage, Place};
use pilothouse_contract::fleet::Fleet;
use pilothouse_contract::item::ItemState;
use pilothouse_contract::{Fault, ItemId, Oid, ProjectId, TaskId, ask};

use crate::board::Filter;
use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{Calm, CommandButton, FaultNote, Reading};
use crate::place::{DeskAt, DeskTab, Pane, View};
use crate::words::{count, one};

/// What the page holds of the desk. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Specs {
    /// The items as they were read last.
    all: RwSignal<Option<Vec<DeskOf>>>,
    /// Why they could not be read.
    fault: RwSignal<Option<Fault>>,
    /// The page of the chosen item, and whose it is.
    page: RwSignal<Option<(DeskAt, DeskPage)>>,
    /// Why it could not be read.
    page_fault: RwSignal<Option<Fault>>,
    /// Whether the items were read since the desk was opened, and not only on an earlier visit.
    fresh: RwSignal<bool>,
    /// The item to be chosen, or the project whose first one is: until it is found, or another is chosen.
    wanted: RwSignal<Option<Subject>>,
    /// The row of the page that is chosen.
    row: RwSignal<usize>,
    /// The task of the graph that is chosen.
    task: RwSignal<Option<TaskId>>,
    /// Whether the keys last moved in the graph.
    in_graph: RwSignal<bool>,
    /// The line that is open.
    line: RwSignal<Option<Place>>,
}

impl Specs {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self {
            all: RwSignal::new(None),
            fault: RwSignal::new(None),
            page: RwSignal::new(None),
            page_fault: RwSignal::new(None),
            fresh: RwSignal::new(false),
            wanted: RwSignal::new(None),
            row: RwSignal::new(0),
            task: RwSignal::new(None),
            in_graph: RwSignal::new(false),
            line: RwSignal::new(None),
        }
    }

    /// The page that is shown: of what is chosen, once it is there.
    pub(crate) fn shown(self, at: Option<&DeskAt>) -> Option<DeskPage> {
        self.page.with(|it| it.as_ref().filter(|it| Some(&it.0) == at).map(|it| it.1.clone()))
    }
}

/// Goes to the desk, and to the item that is on the stage there, or to the first of the project.
pub(crate) fn open(desk: Desk) {
    let subject = untrack(|| desk.on_stage());
    let item = desk.mirror.fleet.with_untracked(|fleet| subject.as_ref()?.item(fleet)).map(Subject::Item);
    let wanted = item.or(subject.filter(|it| matches!(it, Subject::Project(_))));
    let on_item = matches!(wanted, Some(Subject::Item(_)));
    // Of a project that is not shown the list would not have it.
    let project = untrack(|| desk.project_on_stage());
    if desk.place.project.get_untracked().is_some_and(|shown| project.is_some_and(|it| it != shown)) {
        desk.place.project.set(None);
    }
    if let Some(wanted) = &wanted {
        // Until it is found, nothing stands there that could be taken for it.
        desk.place.desk.set(untrack(|| found(desk, wanted)));
    }
    if wanted.is_some() || desk.place.view.get_untracked() != View::Desk {
        desk.specs.wanted.set(wanted);
    }
    desk.place.view.set(View::Desk);
    desk.place.filter.set(String::new());
    desk.place.filtering.set(false);
    desk.place.pane.set(if on_item { Pane::Stage } else { Pane::List });
}

/// Whether the desk may have an item: a draft lies on a branch of its own until it lands, or somebody brings it over.
pub(crate) fn may_have(desk: Desk, item: ItemId) -> bool {
    let away = desk.mirror.fleet.with(|fleet| {
        let draft = fleet.cards.get(&item).is_some_and(|it| it.draft.is_some());
        draft && fleet.items.get(&item).is_none_or(|it| it.state != ItemState::Landed)
    });
    !away || found(desk, &Subject::Item(item)).is_some()
}

/// What is wanted, among the items as they were read last.
fn found(desk: Desk, wanted: &Subject) -> Option<DeskAt> {
    desk.specs.all.with(|all| {
        let mut of = all.iter().flatten().flat_map(|of| of.items.iter().map(move |it| (of.project, it)));
        let found = of.find(|(project, it)| match wanted {
            Subject::Item(id) => it.item == Some(*id),
            Subject::Project(id) => project == id,
            _ => false,
        });
        found.map(|(project, it)| DeskAt { project, path: it.path.clone(), name: it.name.clone() })
    })
}

/// Shows another tab of the page.
pub(crate) fn turn(desk: Desk, step: usize) {
    let at =
        DeskTab::ALL.iter().position(|it| *it == desk.place.desk_tab.get_untracked()).unwrap_or_default();
    if let Some(tab) = DeskTab::ALL.get((at + step) % DeskTab::ALL.len()) {
        show(desk, *tab);
    }
}

/// Shows a tab of the page.
pub(crate) fn show(desk: Desk, tab: DeskTab) {
    desk.place.desk_tab.set(tab);
    desk.specs.row.set(0);
    desk.specs.in_graph.set(tab == DeskTab::Plan);
    desk.specs.line.set(None);
    desk.place.pane.set(Pane::Stage);
}

/// The engine's item that is on the desk, if it is one.
pub(crate) fn item(desk: Desk) -> Option<Subject> {
    let at = desk.place.desk.get();
    desk.specs
        .page
        .with(|it| it.as_ref().filter(|it| Some(&it.0) == at.as_ref()).and_then(|it| it.1.item.item))
        .map(Subject::Item)
}

/// The items that the list shows, with where each is.
fn shown(desk: Desk) -> Vec<(DeskAt, DeskItem)> {
    let filter = desk.place.filter.get().to_lowercase();
    let project = desk.place.project.get();
    let fits = |it: &DeskItem| {
        filter.is_empty()
            || [&it.title, &it.name, &it.path].iter().any(|it| it.to_lowercase().contains(&filter))
            || it.layout.name().to_lowercase().contains(&filter)
    };
    desk.specs.all.with(|all| {
        let of = all.iter().flatten().filter(|it| project.is_none_or(|project| it.project == project));
        let of = of.flat_map(|of| of.items.iter().map(move |it| (of.project, it)));
        let at = |project: ProjectId, it: &DeskItem| DeskAt {
            project,
            path: it.path.clone(),
            name: it.name.clone(),
        };
        of.filter(|(_, it)| fits(it)).map(|(project, it)| (at(project, it), it.clone())).collect()
    })
}

/// The items in the order of the list.
pub(crate) fn listed(desk: Desk) -> Vec<DeskAt> {
    shown(desk).into_iter().map(|it| it.0).collect()
}

/// Heeds a key on the page. Returns whether it was one of the page's.
pub(crate) fn heed(desk: Desk, word: &str) -> bool {
    let specs = desk.specs;
    if word == "escape" {
        if specs.line.get_untracked().is_some() {
            specs.line.set(None);
        } else {
            desk.place.pane.set(Pane::List);
        }
        return true;
    }
    let at = desk.place.desk.get_untracked();
    let Some(page) = untrack(|| specs.shown(at.as_ref())) else { return false };
    match desk.place.desk_tab.get_untracked() {
        DeskTab::Plan => graph::heed(desk, &page.plan, word) || rows::heed(desk, &rows::of_plan(&page), word),
        DeskTab::Spec => rows::heed(desk, &rows::of_spec(&page), word),
    }
}

/// Opens a line.
fn open_line(desk: Desk, place: Option<&Place>) {
    if let Some(place) = place {
        desk.specs.line.set(Some(place.clone()));
    }
}

/// Brings something on the page into sight, once the page has it.
fn bring(selector: &'static str) {
    request_animation_frame(move || {
        let found = document().query_selector(selector).ok().flatten();
        if let Some(found) = found {
            let options = web_sys::ScrollIntoViewOptions::new();
            options.set_block(web_sys::ScrollLogicalPosition::Nearest);
            options.set_inline(web_sys::ScrollLogicalPosition::Nearest);
            found.scroll_into_view_with_scroll_into_view_options(&options);
        }
    });
}

/// The view.
#[component]
pub(crate) fn SpecDesk() -> impl IntoView {
    let desk = desk();
    let specs = desk.specs;
    // Read anew when a default branch moves, or the projects change.
    let stands = Memo::new(move |_| {
        desk.mirror
            .fleet
            .with(|it| it.listed().map(|it| (it.id, it.main.clone())).collect::<Vec<(ProjectId, Oid)>>())
    });
    specs.fresh.set(false);
    let all = LocalResource::new(move || {
        let _again = stands.get();
        ipc::call(ask::desk::List { project: None })
    });
    Effect::new(move |_| match all.get() {
        Some(Ok(list)) => {
            specs.fault.set(None);
            if specs.all.with_untracked(|known| known.as_ref() != Some(&list)) {
                specs.all.set(Some(list));
            }
            specs.fresh.set(true);
        }
        Some(Err(fault)) => specs.fault.set(Some(fault)),
        None => {}
    });
    choose(desk);
    // The page is read anew when its base moves, or a proof of its project was tried on the base tree.
    let version = Memo::new(move |_| {
        let at = desk.place.desk.get()?;
        let (base, tried) = desk.mirror.fleet.with(|fleet| {
            let tried = fleet.evidence.values().filter(|it| {
                it.gate == pilothouse_contract::evidence::Gate::RedCheck && it.subject.project == at.project
            });
            let of = fleet.items.values().find(|it| it.project == at.project && it.spec.folder == at.path);
            let stands = of.map(|it| it.base.clone());
            (stands.or_else(|| fleet.projects.get(&at.project).map(|it| it.main.clone())), tried.count())
        });
        Some((at, base, tried))
    });
    Effect::new(move |before: Option<Option<DeskAt>>| {
        let at = version.get().map(|it| it.0);
        if before.flatten() != at {
            // What went wrong with another is nothing to this one.
            specs.page_fault.set(None);
        }
        if let Some(at) = at.clone() {
            leptos::task::spawn_local(read(desk, at));
        }
        at
    });
    view! { <List/><Page/> }
}

/// Reads the page of an item.
async fn read(desk: Desk, at: DeskAt) {
    let specs = desk.specs;
    let asked = ask::desk::Open { project: at.project, path: at.path.clone(), name: at.name.clone() };
    let answer = ipc::call(asked).await;
    // Another may have been chosen meanwhile.
    if desk.place.desk.try_get_untracked().flatten().as_ref() != Some(&at) {
        return;
    }
    let page = match answer {
        Ok(page) => page,
        Err(fault) => return specs.page_fault.set(Some(fault)),
    };
    specs.page_fault.set(None);
    if specs.page.with_untracked(|it| it.as_ref().is_none_or(|it| it.0 != at)) {
        specs.row.set(0);
        specs.line.set(None);
        specs.in_graph.set(desk.place.desk_tab.get_untracked() == DeskTab::Plan);
        specs.task.set(None);
    }
    let task = graph::chosen(&page.plan, specs.task.get_untracked().as_ref());
    if specs.task.get_untracked() != task {
        specs.task.set(task);
    }
    if specs.page.with_untracked(|it| it.as_ref().is_none_or(|it| it.0 != at || it.1 != page)) {
        specs.page.set(Some((at, page)));
    }
}

/// What was asked for is chosen, or else what was chosen before, or the first. What is not there leaves nothing chosen.
fn choose(desk: Desk) {
    let specs = desk.specs;
    Effect::new(move |_| {
        if specs.all.with(Option::is_none) {
            return;
        }
        let chosen = desk.place.desk.get_untracked();
        let next = match specs.wanted.get() {
            Some(wanted) => {
                let found = found(desk, &wanted);
                // An earlier list may name what is gone since.
                if found.is_some() && specs.fresh.get() {
                    specs.wanted.set(None);
                }
                found
            }
            None => {
                let all = shown(desk);
                let stays = chosen.as_ref().filter(|it| all.iter().any(|(at, _)| at == *it)).cloned();
                stays.or_else(|| all.first().map(|it| it.0.clone()))
            }
        };
        if chosen != next {
            desk.place.desk.set(next);
        }
    });
    // Whoever chooses another waits no longer.
    Effect::new(move |begun: Option<()>| {
        let another = desk.place.desk.with(Option::is_some) && begun.is_some();
        if another && specs.wanted.with_untracked(Option::is_some) {
            specs.wanted.set(None);
        }
    });
}

/// The list at the left.
#[component]
fn List() -> impl IntoView {
    let desk = desk();
    let specs = desk.specs;
    let list = Memo::new(move |_| shown(desk));
    // Of which project each is, where there are several.
    let names = Memo::new(move |_| {
        let all = |fleet: &Fleet| fleet.listed().map(|it| (it.id, one(&it.name))).collect();
        if desk.among_several() { desk.mirror.fleet.with(all) } else { BTreeMap::new() }
    });
    let row = move |(at, it): (DeskAt, DeskItem)| {
        let of_project = names.with(|all: &BTreeMap<ProjectId, String>| all.get(&at.project).cloned());
        let (of, choose) = (at.clone(), at);
        let selected = move || desk.place.desk.with(|chosen| chosen.as_ref() == Some(&of)).to_string();
        let done = match it.tasks {
            0 => "no tasks".to_owned(),
            all => format!("{} of {all} done", it.done),
        };
        let says = match (&it.stage, it.remarks) {
            (_, 1..) => format!("{} in its way", count(it.remarks, "fault")),
            (Some(stage), _) => one(stage),
            (None, _) => done.clone(),
        };
        view! {
            <li role="option" data-desk=it.path.clone() aria-selected=selected on:click=move |_| desk.place.desk.set(Some(choose.clone()))>
                <div class="t"><b class="cut">{one(&it.title)}</b><span class="tag push">{it.layout.name()}</span></div>
                <div class="m">{of_project.map(|it| view! { <span class="cut" data-name="of-project">{it}</span> })}<span class="mono cut">{one(&it.path)}</span><span class="push">{says}</span></div>
            </li>
        }
    };
    // What was read before stays, and it is said that it is old.
    let old = move || {
        let fault = specs.fault.get().filter(|_| specs.all.with(Option::is_some));
        fault.map(|fault| view! { <FaultNote fault=fault/> })
    };
    let of_projects = move || {
        let faults = desk
            .specs
            .all
            .with(|all| all.iter().flatten().filter_map(|it| it.fault.clone()).collect::<Vec<_>>());
        faults.into_iter().map(|it| view! { <p class="note">{one(&it)}</p> }).collect_view()
    };
    let body = move || {
        match (desk.specs.all.with(Option::is_some), desk.specs.fault.get()) {
        (false, Some(fault)) => view! { <FaultNote fault=fault/> }.into_any(),
        (false, None) => view! { <Reading what="the specs"/> }.into_any(),
        _ if list.with(Vec::is_empty) && !desk.place.filter.with(String::is_empty) => {
            view! { <p class="none">"No spec matches."</p> }.into_any()
        }
        _ if list.with(Vec::is_empty) => view! {
            <Calm title="No spec yet" says="Known are the folders of spec-kit, OpenSpec, Kiro, Open Mercato, Superpowers, agent-os, task-master, BMAD and Ralph, on the default branch."/>
        }.into_any(),
        _ => list.get().into_iter().map(row).collect_view().into_any(),
    }
    };
    view! {
        <section class="pane board" data-pane="list" data-name="desklist" aria-label="Specs">
            <Filter/>
            {old}{of_projects}
            <ul class="hits bays" role="listbox" tabindex="0" data-focus="list" aria-label="Specs">{body}</ul>
        </section>
    }
}

/// The page at the right.
#[component]
fn Page() -> impl IntoView {
    let desk = desk();
    let specs = desk.specs;
    let page = Memo::new(move |_| {
        let at = desk.place.desk.get();
        specs.shown(at.as_ref())
    });
    let tab = desk.place.desk_tab;
    let tabs = DeskTab::ALL.into_iter().map(|it| {
        let n = move || {
            let page = page.get()?;
            let gates = match it {
                DeskTab::Spec => page.spec.gates,
                DeskTab::Plan => page.plan.gates,
            };
            let blocks: usize = gates.iter().map(|it| it.blocks).sum();
            Some(if blocks == 0 { "holds".to_owned() } else { format!("{blocks} in its way") })
        };
        view! {
            <button class="tab" type="button" role="tab" tabindex="-1" data-tab=it.word() aria-selected=move || (tab.get() == it).to_string() on:click=move |_| show(desk, it)>
                {it.word()} {move || n().map(|n| view! { <span class="n">{n}</span> })}
            </button>
        }
    }).collect_view();
    // What is wanted and not there, once that is known.
    let absent = move || match specs.wanted.get()? {
        Subject::Item(item) if specs.fresh.get() => {
            let name = desk.mirror.fleet.with(|it| it.slug_of(item));
            Some(format!("{} is not on the default branch yet", one(&name)))
        }
        _ => None,
    };
    let waits =
        move || specs.wanted.with(Option::is_some) && !specs.fresh.get() && specs.fault.with(Option::is_none);
    let body = move || {
        match (page.get(), desk.place.desk.with(Option::is_some)) {
        (Some(page), _) => match tab.get() {
            DeskTab::Spec => rows::view(desk, &rows::of_spec(&page), &page.spec.meters),
            DeskTab::Plan => view! {
                {graph::view(desk, &page.plan)}
                {rows::view(desk, &rows::of_plan(&page), &[])}
            }
            .into_any(),
        },
        (None, true) if specs.page_fault.with(Option::is_some) => ().into_any(),
        (None, true) => view! { <Reading what="the spec"/> }.into_any(),
        (None, false) if waits() => view! { <Reading what="the specs"/> }.into_any(),
        (None, false) => match absent() {
            Some(title) => view! { <Calm title=title says="The spec of a draft is read in its refinement until its branch lands."/> }.into_any(),
            None => view! { <Calm title="Nothing is chosen" says="A spec and its plan are read here before anything runs."/> }.into_any(),
        },
    }
    };
    // Above what was read before, if anything was.
    let fault = move || specs.page_fault.get().map(|fault| view! { <FaultNote fault=fault/> });
    // It stays while what it holds changes, and has the keys; another page and another tab begin at their top.
    let holds = NodeRef::<leptos::html::Div>::new();
    Effect::new(move |_| {
        let _other = (desk.place.desk.get(), tab.get());
        if let Some(holds) = holds.get() {
            holds.set_scroll_top(0);
        }
    });
    view! {
        <section class="pane stage" data-pane="stage" data-name="desk" aria-label="Desk">
            {move || page.get().map(|page| head(desk, &page))}
            <div class="tabs" role="tablist">{tabs}</div>
            <div class="scroll deskpage" tabindex="0" role="tabpanel" node_ref=holds data-focus="stage" data-name=move || tab.get().name()>{fault}{body}</div>
            <lines::Lines/>
        </section>
    }
}

fn head(desk: Desk, page: &DeskPage) -> AnyView {
    let it = &page.item;
    let known = it.item;
    let can = Memo::new(move |_| {
        desk.mirror
            .fleet
            .with(|fleet| known.and_then(|id| fleet.items.get(&id)).is_some_and(|it| fleet.can_start(it)))
    });
    let board = known.map(|id| view! {
        <button class="button" type="button" data-name="to-board" on:click=move |_| desk.place.open_subject(Subject::Item(id))>"On the board"</button>
    });
    let state = Memo::new(move |_| {
        desk.mirror.fleet.with(|fleet| {
            known.and_then(|id| fleet.items.get(&id)).map(|it| it.state.word().replace('-', " "))
        })
    });
    view! {
        <header class="head"><div class="line"><h1 class="cut">{one(&it.title)}</h1><span class="tag">{it.layout.name()}</span>
            <span class="push answers-line">{board}{move || can.get().then(|| view! { <CommandButton id="start-run" kind="primary" label="Start"/> })}</span></div>
            <div class="facts"><span class="mono cut">{one(&it.path)}</span>
                {page.commit.as_ref().map(|it| view! { <span>"at "<b class="mono">{it.short().to_owned()}</b></span> })}
                {it.stage.as_ref().map(|it| view! { <span>"Stage "<b>{one(it)}</b></span> })}
                {move || state.get().map(|it| view! { <span>"State "<b>{it}</b></span> })}
                <span>{count(it.phases, "phase")}</span><span>{format!("{} of {} done", it.done, count(it.tasks, "task"))}</span></div></header>
    }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_contract::{Call, wire};

    #[test]
    fn a_page_crosses_the_boundary_whole() {
        let page = DeskPage {
            item: DeskItem {
                layout: pilothouse_contract::layout::Layout::Kiro,
                name: "x".to_owned(),
                title: "X".to_owned(),
                path: ".kiro/specs/x".to_owned(),
                stage: None,
                phases: 1,
                done: 0,
                tasks: 2,
                remarks: 0,
                item: None,
            },
            commit: Some(Oid::from("a1")),
            spec: pilothouse_contract::desk::SpecPage::default(),
            plan: pilothouse_contract::desk::PlanPage::default(),
        };
        let bytes = wire::encode(&page).unwrap();
        assert_eq!(wire::decode::<DeskPage>(&bytes).unwrap(), page);
        let asked =
            ask::desk::Open { project: ProjectId(1), path: "specs/001-x".into(), name: "001-x".into() };
        assert_eq!(asked.request().name(), "DeskOpen");
    }
}
