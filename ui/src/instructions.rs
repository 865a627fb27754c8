//! The instructions of a project: what agents read before they work, drawn as a graph in columns by depth, each file as long as its bytes,
//! with the line at which a limit cuts; and what is wrong with them, each with its remedy.
//!
//! Refuses to follow a link and to open a file: it shows what the engine read.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use pilothouse_contract::instructions::{Cut, EdgeKind, Finding, Graph, Node};
use pilothouse_contract::{Fault, ProjectId, ask};

use crate::desk::{Desk, desk};
use crate::ipc;
use crate::kit::{Calm, CommandButton, FaultNote, Icon, Reading};
use crate::words::{bytes, count, one, tokens};

/// The size of a file's box, and what lies between two of them, in units of the drawing.
const BOX: (usize, usize) = (196, 42);
const GAP: (usize, usize) = (52, 10);
const EDGE: usize = 14;
const HEAD: usize = 20;
/// More columns than these are not drawn apart.
const COLUMNS: usize = 8;
/// Of a path so many signs have room in its box.
const SIGNS: usize = 25;

/// What the page holds of the instructions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instructions {
    /// The project that is meant now.
    of: RwSignal<Option<ProjectId>>,
    /// Of which project, and what was read.
    graph: RwSignal<Option<(ProjectId, Graph)>>,
    /// Why it could not be read.
    fault: RwSignal<Option<Fault>>,
    /// The file that is chosen, by its path.
    pub(crate) chosen: RwSignal<Option<String>>,
}

impl Instructions {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self {
            of: RwSignal::new(None),
            graph: RwSignal::new(None),
            fault: RwSignal::new(None),
            chosen: RwSignal::new(None),
        }
    }

    /// Reads those of a project, which is the one that is meant from now on.
    pub(crate) fn read(self, project: ProjectId) {
        if self.of.get_untracked() != Some(project) {
            self.of.set(Some(project));
            self.fault.set(None);
        }
        spawn_local(self.answered(project));
    }

    async fn answered(self, project: ProjectId) {
        let answer = ipc::call(ask::project::Instructions { project }).await;
        // Another may be meant meanwhile.
        if self.of.get_untracked() != Some(project) {
            return;
        }
        match answer {
            Ok(graph) => {
                self.fault.set(None);
                let known = |path: &String| graph.nodes.iter().any(|it| it.path == *path);
                if self.chosen.with_untracked(|it| it.as_ref().is_none_or(|it| !known(it))) {
                    // What is wrong is looked at first.
                    let wrong = graph.findings.iter().map(|it| &it.file).find(|it| known(it));
                    self.chosen.set(wrong.or(graph.nodes.first().map(|it| &it.path)).cloned());
                }
                self.graph.set(Some((project, graph)));
            }
            Err(fault) => self.fault.set(Some(fault)),
        }
    }
}

/// The project whose instructions are meant: the one on the stage of the board, else the one that is shown, else the first.
pub(crate) fn project(desk: Desk) -> Option<ProjectId> {
    let subject = desk.place.subject.get();
    let shown = desk.place.project.get();
    desk.mirror
        .fleet
        .with(|fleet| {
            subject?.project(fleet).filter(|it| {
                shown.is_none_or(|shown| shown == *it) && fleet.projects.get(it).is_some_and(|it| !it.removed)
            })
        })
        .or(shown)
        .or_else(|| desk.mirror.fleet.with(|it| it.listed().next().map(|it| it.id)))
}

/// The files that can be chosen, in the order of the drawing.
pub(crate) fn listed(desk: Desk) -> Vec<String> {
    let all = |it: &Option<(ProjectId, Graph)>| {
        it.as_ref().map(|(_, it)| it.nodes.iter().map(|it| it.path.clone()).collect()).unwrap_or_default()
    };
    desk.instructions.graph.with(all)
}

/// Reads them again.
pub(crate) fn again(desk: Desk) {
    if let Some(project) = untrack(|| project(desk)) {
        desk.instructions.read(project);
    }
}

/// Moves within the drawing: a column further, to what is nearest there.
pub(crate) fn aside(desk: Desk, forward: bool) {
    let next = desk.instructions.graph.with_untracked(|it| {
        let (_, graph) = it.as_ref()?;
        let places = places(graph);
        let chosen = desk.instructions.chosen.get_untracked()?;
        let at = graph.nodes.iter().position(|it| it.path == chosen)?;
        let (column, row) = places.get(at).copied()?;
        let to = if forward { column + 1 } else { column.checked_sub(1)? };
        let near = places
            .iter()
            .enumerate()
            .filter(|(_, it)| it.0 == to)
            .min_by_key(|(_, it)| it.1.abs_diff(row))?
            .0;
        graph.nodes.get(near).map(|it| it.path.clone())
    });
    if next.is_some() {
        desk.instructions.chosen.set(next);
        crate::lists::keep_in_sight("list");
    }
}

/// The column and the row of each file.
fn places(graph: &Graph) -> Vec<(usize, usize)> {
    let mut next: BTreeMap<usize, usize> = BTreeMap::new();
    let place = |it: &Node| {
        let column = it.depth.min(COLUMNS - 1);
        let row = next.entry(column).or_default();
        *row += 1;
        (column, *row - 1)
    };
    graph.nodes.iter().map(place).collect()
}

/// The left upper corner of a place.
fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (EDGE + column * (BOX.0 + GAP.0), EDGE + HEAD + row * (BOX.1 + GAP.1))
}

/// The end of a path, cut where its box ends.
fn label(path: &str) -> String {
    let signs: Vec<char> = one(path).chars().collect();
    match signs.len().checked_sub(SIGNS) {
        None | Some(0) => signs.into_iter().collect(),
        Some(more) => std::iter::once('…').chain(signs.into_iter().skip(more + 1)).collect(),
    }
}

/// Where a file is cut, at its earliest; and whether nothing of it is read at some place.
fn cut_of<'a>(graph: &'a Graph, path: &str) -> (Option<&'a Cut>, bool) {
    let cuts = || graph.chains.iter().filter_map(|it| it.cut.as_ref());
    (
        cuts().filter(|it| it.file == path).min_by_key(|it| it.byte),
        cuts().any(|it| it.behind.iter().any(|it| it == path)),
    )
}

/// The drawing.
fn drawing(desk: Desk, graph: &Graph) -> AnyView {
    let places = places(graph);
    let (columns, rows) =
        places.iter().fold((0, 0), |(columns, rows), it| (columns.max(it.0 + 1), rows.max(it.1 + 1)));
    let (wide, high) = (EDGE * 2 + columns * (BOX.0 + GAP.0), EDGE * 2 + HEAD + rows * (BOX.1 + GAP.1));
    let most = graph.nodes.iter().map(|it| it.bytes).max().unwrap_or(1).max(32 * 1024);
    let edges = graph
        .edges
        .iter()
        .filter_map(|it| {
            let (from, to) = (places.get(it.from).copied()?, places.get(it.to).copied()?);
            let ends = (graph.nodes.get(it.from)?.path.clone(), graph.nodes.get(it.to)?.path.clone());
            let lit = move || {
                desk.instructions
                    .chosen
                    .with(|it| it.as_ref().is_some_and(|it| *it == ends.0 || *it == ends.1))
                    .then_some("")
            };
            let kind = match it.kind {
                EdgeKind::Import => "import",
                EdgeKind::Nested => "nested",
                EdgeKind::Alias => "alias",
                EdgeKind::Link | EdgeKind::Mention => "link",
            };
            Some(view! { <path class="edge" data-kind=kind data-lit=lit d=curve(from, to)/> })
        })
        .collect_view();
    let boxes = graph
        .nodes
        .iter()
        .zip(&places)
        .map(|(node, place)| file(desk, graph, node, *place, most))
        .collect_view();
    let heads = (0..columns)
        .map(|it| {
            let says = match it {
                0 => "read by itself".to_owned(),
                1 => "one step further".to_owned(),
                it => format!("{it} steps further"),
            };
            view! { <text class="column" x=corner((it, 0)).0 y=EDGE + 10 font-size="11">{says}</text> }
        })
        .collect_view();
    view! {
        <svg class="graph" role="listbox" aria-label="Files of instructions"
            viewBox=format!("0 0 {wide} {high}") width=rem(wide) height=rem(high)>
            <g aria-hidden="true">{heads}{edges}</g>{boxes}
        </svg>
    }
    .into_any()
}

/// A length of the drawing, as large as the window's letters are.
fn rem(units: usize) -> String {
    format!("{}.{:02}rem", units / 13, units % 13 * 100 / 13)
}

/// The way from one file to another: out of its right side and into the left one, or around where both stand in one column.
fn curve(from: (usize, usize), to: (usize, usize)) -> String {
    let ((x, y), (u, v)) = (corner(from), corner(to));
    let half = BOX.1 / 2;
    if from.0 < to.0 {
        let (x, mid) = (x + BOX.0, GAP.0 / 2);
        return format!(
            "M{x} {} C{} {} {} {} {u} {}",
            y + half,
            x + mid,
            y + half,
            u - mid.min(u),
            v + half,
            v + half
        );
    }
    // Back, or to a neighbour: around the right side.
    let (x, u) = (x + BOX.0, u + BOX.0);
    let out = x.max(u) + GAP.0 / 2;
    format!("M{x} {} C{out} {} {out} {} {u} {}", y + half, y + half, v + half, v + half)
}

/// A file in the drawing.
fn file(desk: Desk, graph: &Graph, node: &Node, place: (usize, usize), most: u64) -> AnyView {
    let (x, y) = corner(place);
    let room = u64::try_from(BOX.0 - 16).unwrap_or(1);
    let length = |bytes: u64| (bytes.min(most) * room / most.max(1)).max(1);
    let (cut, unread) = cut_of(graph, &node.path);
    let wrong = graph.findings.iter().filter(|it| it.file == node.path).collect::<Vec<_>>();
    let weight = match (wrong.iter().any(|it| it.blocking), wrong.is_empty()) {
        (true, _) => Some("blocks"),
        (false, false) => Some("remark"),
        _ => None,
    };
    let path = node.path.clone();
    let chosen = {
        let path = path.clone();
        move || desk.instructions.chosen.with(|it| it.as_ref() == Some(&path)).to_string()
    };
    let (left, base) = (x + 8, y + 31);
    let cut_line = cut.map(|it| {
        let at = u64::try_from(left).unwrap_or_default() + length(it.byte);
        view! { <path class="cutline" data-name="cutline" d=format!("M{at} {} V{}", base - 6, base + 8)/> }
    });
    let read = cut.map_or(if unread { 0 } else { node.bytes }, |it| it.byte);
    let says = format!(
        "{}, {}, {} bytes, {}",
        one(&node.path),
        node.kind.word(),
        node.bytes,
        count(wrong.len(), "finding")
    );
    let sign = weight.map(|it| if it == "blocks" { "✕" } else { "–" });
    view! {
        <g role="option" class="file" data-file=one(&node.path) data-weight=weight data-unread=(unread || node.orphan).then_some("") aria-selected=chosen aria-label=says
            on:click=move |_| desk.instructions.chosen.set(Some(path.clone()))>
            <rect class="frame" x=x y=y width=BOX.0 height=BOX.1/>
            <text x=left y=y + 17 font-size="12">{label(&node.path)}</text>
            <text class="sign" x=x + BOX.0 - 8 y=y + 17 font-size="12" text-anchor="end">{sign}</text>
            <rect class="whole" x=left y=base width=length(node.bytes) height="4"/>
            {(read > 0).then(|| view! { <rect class="read" x=left y=base width=length(read) height="4"/> })}
            {cut_line}
        </g>
    }
    .into_any()
}

/// The view.
#[component]
pub(crate) fn InstructionsPage() -> impl IntoView {
    let desk = desk();
    let held = desk.instructions;
    let of = Memo::new(move |_| project(desk));
    Effect::new(move |_| {
        if let Some(project) = of.get() {
            held.read(project);
        }
    });
    let name = move || {
        of.get().and_then(|id| desk.mirror.fleet.with(|it| it.projects.get(&id).map(|it| one(&it.name))))
    };
    let graph = Memo::new(move |_| {
        let project = of.get();
        held.graph.with(|it| it.as_ref().filter(|it| Some(it.0) == project).map(|it| it.1.clone()))
    });
    let facts = move || {
        graph.with(|it| {
            it.as_ref().map(|it| {
                let cuts = it.chains.iter().filter(|it| it.cut.is_some()).count();
                let verdict = if it.holds { "nothing blocks" } else { "does not hold" };
                view! {
                    <span>{count(it.nodes.len(), "file")}</span><span>{bytes(it.bytes)}</span><span>{format!("about {} tokens", tokens(it.tokens))}</span>
                    <span><b>{verdict}</b></span>{(cuts > 0).then(|| view! { <span>{format!("cut in {}", count(cuts, "folder"))}</span> })}
                }
            })
        })
    };
    let body = move || {
        match (graph.get(), of.get(), held.fault.get()) {
        (_, None, _) => view! { <Calm title="No repository yet" says="Add one, and what its agents read is drawn here."/> }.into_any(),
        (_, _, Some(fault)) => view! { <FaultNote fault=fault/> }.into_any(),
        (None, ..) => view! { <Reading what="the instructions"/> }.into_any(),
        (Some(it), ..) if it.nodes.is_empty() => {
            view! { <Calm title="No instructions for agents" says="Begin with an AGENTS.md: what the commands are, and where things go."/> }.into_any()
        }
        (Some(it), ..) => drawing(desk, &it),
    }
    };
    view! {
        <section class="pane stage instructions" data-pane="list" data-name="instructions" aria-label="Instructions">
            <header class="head"><div class="line"><h1>"Instructions of "{name}</h1><span class="push"><CommandButton id="read-again"/></span></div><div class="facts">{facts}</div></header>
            <div class="scroll" tabindex="0" data-focus="list">{body}</div>
        </section>
        <section class="pane stage" data-pane="stage" data-name="instruction" aria-label="What is wrong">
            {move || graph.get().map(|it| beside(desk, it))}
        </section>
    }
}

/// What is said of the chosen file, and what is wrong everywhere.
fn beside(desk: Desk, graph: Graph) -> AnyView {
    let held = StoredValue::new(graph);
    let chosen = desk.instructions.chosen;
    let head = move || {
        let path = chosen.get()?;
        held.with_value(|graph| {
            let at = graph.nodes.iter().position(|it| it.path == path)?;
            let node = graph.nodes.get(at)?;
            let to = graph.edges.iter().filter(|it| it.from == at).count();
            let from = graph.edges.iter().filter(|it| it.to == at).count();
            let (cut, unread) = cut_of(graph, &path);
            let limit = match (cut, unread) {
                (Some(cut), _) => Some(format!("Codex reads the first {} bytes, to line {}, column {}", cut.byte, cut.line, cut.column)),
                (None, true) => Some("Codex reads nothing of it: the limit lies before it".to_owned()),
                _ => None,
            };
            let word = if node.orphan { "orphan".to_owned() } else { node.kind.word().to_owned() };
            Some(view! {
                <header class="head"><div class="line"><h1 class="cut mono">{one(&node.path)}</h1></div>
                    <div class="facts"><span>{word}</span><span>{format!("{} bytes", node.bytes)}</span><span>{format!("about {} tokens", tokens(node.tokens))}</span>
                        <span>{format!("leads to {to}, led to by {from}")}</span></div>
                    {limit.map(|it| view! { <p class="note" data-name="cut"><Icon name="warning"/>{it}</p> })}</header>
            })
        })
    };
    let rows = move |own: bool| {
        let path = chosen.get();
        held.with_value(|graph| {
            let wanted = |it: &&Finding| (Some(&it.file) == path.as_ref()) == own;
            graph.findings.iter().filter(wanted).map(|it| row(desk, it)).collect::<Vec<_>>()
        })
    };
    let part = move |own: bool, title: &'static str| {
        let rows = rows(own);
        (!rows.is_empty()).then(|| view! { <h3 class="panehead">{title}<span class="n">{rows.len()}</span></h3><ul class="findings">{rows}</ul> })
    };
    let calm = held.with_value(|it| it.findings.is_empty());
    view! {
        {head}
        <div class="scroll" tabindex="0" data-focus="stage" data-name="findings">
            {calm.then(|| view! { <Calm title="Nothing is wrong" says="Links lead somewhere, commands exist, and no limit cuts."/> })}
            {move || part(true, "Of this file")}
            {move || part(false, "Of other files")}
        </div>
    }
    .into_any()
}

/// Something that is wrong.
fn row(desk: Desk, it: &Finding) -> AnyView {
    let place = match (it.line, it.column) {
        (0, _) => one(&it.file),
        (line, 0) => format!("{}:{line}", one(&it.file)),
        (line, column) => format!("{}:{line}:{column}", one(&it.file)),
    };
    let file = it.file.clone();
    let choose = move |_| {
        let known = desk.instructions.graph.with_untracked(|it| {
            it.as_ref().is_some_and(|(_, it)| it.nodes.iter().any(|it| it.path == file))
        });
        if known {
            desk.instructions.chosen.set(Some(file.clone()));
            crate::lists::keep_in_sight("list");
        }
    };
    view! {
        <li data-finding=it.kind.word() data-weight=if it.blocking { "blocks" } else { "remark" } on:click=choose>
            <Icon name=if it.blocking { "cross" } else { "dash" }/>
            <div><p><b>{it.kind.word()}</b>" "<span class="mono">{place}</span></p><p>{one(&it.says)}</p><p class="quiet">"→ "{one(&it.remedy)}</p></div>
        </li>
    }
    .into_any()
}
