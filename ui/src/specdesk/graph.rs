//! The tasks of a plan drawn as waves: phases down, waves across, each task with why it waits. Arrows move in it, Enter opens the line of the
//! task that is chosen.

use std::collections::{BTreeMap, BTreeSet};

use leptos::prelude::*;
use pilothouse_contract::desk::rows::because;
use pilothouse_contract::desk::{PlanPage, ProofState, Red, TaskLook};
use pilothouse_contract::spec::Verify;
use pilothouse_contract::{TaskId, text};

use super::{bring, open_line};
use crate::desk::Desk;
use crate::kit::Icon;
use crate::words::{count, one};

/// So much is drawn: more than that nobody sees at once, and the command line has all of it.
const DRAWN: usize = 400;
const COLUMNS: usize = 24;
const PHASES: usize = 60;
/// So many facts are said of one task, each of so many signs.
const FACTS: usize = 40;
const SIGNS: usize = 300;

/// The column of a task: what is over first, then the waves, then what comes in none.
fn column(page: &PlanPage, task: &TaskLook) -> usize {
    match task.wave {
        Some(wave) => wave + 1,
        None if task.is_over() => 0,
        None => page.waves + 1,
    }
}

/// The first tasks, in the columns and the phases that have room.
fn drawn(page: &PlanPage) -> Vec<&TaskLook> {
    let all = || page.tasks.iter().take(DRAWN);
    let columns: BTreeSet<usize> = all().map(|it| column(page, it)).collect();
    let columns: BTreeSet<usize> = columns.into_iter().take(COLUMNS).collect();
    let phases: BTreeSet<Option<usize>> = all().map(|it| it.phase).collect();
    let phases: BTreeSet<Option<usize>> = phases.into_iter().take(PHASES).collect();
    all().filter(|it| columns.contains(&column(page, it)) && phases.contains(&it.phase)).collect()
}

/// Other people's text on one line that has an end.
fn short(says: &str) -> String {
    text::line(says, SIGNS)
}

/// The task that is chosen: the one that was, if it is drawn, or the first that could begin.
pub(super) fn chosen(page: &PlanPage, before: Option<&TaskId>) -> Option<TaskId> {
    let all = drawn(page);
    let same = all.iter().find(|it| Some(&it.id) == before);
    let first = || all.iter().find(|it| it.wave == Some(0)).or(all.first());
    same.or_else(first).map(|it| it.id.clone())
}

/// Heeds a key. Returns whether it was one of the graph's.
pub(super) fn heed(desk: Desk, page: &PlanPage, word: &str) -> bool {
    let specs = desk.specs;
    let chosen = chosen(page, specs.task.get_untracked().as_ref());
    let Some(at) = page.tasks.iter().find(|it| Some(&it.id) == chosen.as_ref()) else { return false };
    if matches!(word, "enter" | "space") && specs.in_graph.get_untracked() {
        open_line(desk, Some(&at.place));
        return true;
    }
    let Some(next) = step(page, at, word) else { return false };
    specs.in_graph.set(true);
    specs.task.set(Some(next));
    bring("[data-name=graph] [aria-selected=true]");
    true
}

/// Where an arrow leads: within a column, or to what stands nearest in the next column that holds any.
fn step(page: &PlanPage, at: &TaskLook, word: &str) -> Option<TaskId> {
    let own = column(page, at);
    let mut columns: BTreeMap<usize, Vec<&TaskLook>> = BTreeMap::new();
    for it in drawn(page) {
        columns.entry(column(page, it)).or_default().push(it);
    }
    for all in columns.values_mut() {
        all.sort_by_key(|it| it.phase);
    }
    let place = |all: &[&TaskLook]| all.iter().position(|it| it.id == at.id).unwrap_or_default();
    let here = columns.get(&own)?;
    let next = match word {
        "arrowdown" => here.get(place(here) + 1).or(here.last()).copied(),
        "arrowup" => here.get(place(here).saturating_sub(1)).copied(),
        "arrowright" => {
            let next = columns.range(own + 1..).next()?.1;
            next.iter().copied().find(|it| it.phase >= at.phase).or(next.last().copied())
        }
        "arrowleft" => {
            let next = columns.range(..own).next_back()?.1;
            next.iter().copied().rev().find(|it| it.phase <= at.phase).or(next.first().copied())
        }
        _ => return None,
    };
    next.map(|it| it.id.clone())
}

/// The graph, and what is to be said of the task that is chosen.
pub(super) fn view(desk: Desk, page: &PlanPage) -> AnyView {
    if page.tasks.is_empty() {
        return view! { <crate::kit::Calm title="This spec has no tasks" says="Write them where its layout keeps them; they are drawn here as waves."/> }.into_any();
    }
    let all = drawn(page);
    let mut columns: BTreeMap<usize, usize> = BTreeMap::new();
    let mut cells: BTreeMap<Option<usize>, BTreeMap<usize, Vec<&TaskLook>>> = BTreeMap::new();
    for it in &all {
        let number = column(page, it);
        *columns.entry(number).or_default() += 1;
        cells.entry(it.phase).or_default().entry(number).or_default().push(it);
    }
    let heads = columns.iter().map(|(number, of)| {
        let name = match *number {
            0 => "Done".to_owned(),
            it if it > page.waves => "In no wave".to_owned(),
            it => format!("Wave {it}"),
        };
        view! { <div class="wh" role="presentation"><span>{name}</span><span>{count(*of, "task")}</span></div> }
    }).collect_view();
    let body = cells
        .iter()
        .map(|(phase, row)| {
            let look = phase.and_then(|it| page.phases.get(it));
            let title = look.map_or_else(|| "Tasks".to_owned(), |it| short(&it.title));
            let done = look.map(|it| format!("{} of {} done", it.done, it.tasks));
            let cells = columns
                .keys()
                .map(|number| {
                    let of = row.get(number).into_iter().flatten().map(|it| task(desk, it)).collect_view();
                    view! { <div class="cell" role="presentation">{of}</div> }
                })
                .collect_view();
            view! { <div class="ph" role="presentation"><b>{title}</b><small>{done}</small></div>{cells} }
        })
        .collect_view();
    let more = (all.len() < page.tasks.len()).then(|| {
        let (drawn, of) = (all.len(), page.tasks.len());
        view! { <p class="none">{format!("The first {drawn} of {of} tasks are drawn, in at most {COLUMNS} columns and {PHASES} phases.")}</p> }
    });
    let slots = page.slots.map(|it| format!("{} at once", count(it, "task")));
    let of = page.clone();
    let chosen = move || {
        let id = desk.specs.task.get()?;
        let it = of.tasks.iter().find(|it| it.id == id)?;
        Some(about(it))
    };
    view! {
        <section class="deskpart" data-part="Waves">
            <h3 class="panehead">"Waves"<span class="n">{format!("{}{}", count(page.waves, "wave"), slots.map(|it| format!(", {it}")).unwrap_or_default())}</span></h3>
            <div class="deskgraph"><div class="waves" role="listbox" aria-label="Tasks in waves" data-name="graph" style:--columns=columns.len().to_string()><div class="wh" role="presentation">"Phase"</div>{heads}{body}</div></div>
            {more}
            <section class="took deskabout" data-name="about" aria-live="polite">{chosen}</section>
        </section>
    }.into_any()
}

fn task(desk: Desk, it: &TaskLook) -> AnyView {
    let specs = desk.specs;
    let (id, of, choose) = (it.id.clone(), it.id.clone(), it.id.clone());
    let chosen = move || (specs.task.with(|it| it.as_ref() == Some(&of)) && specs.in_graph.get()).to_string();
    // What the chosen one waits for is marked, so that the way through the graph is seen.
    let (state, icon) = match () {
        () if it.is_over() => ("done", "check"),
        () if it.stuck => ("parked", "cross"),
        () if it.wave == Some(0) => ("work", "play"),
        () => ("wait", "dash"),
    };
    let mut why: Vec<&str> = it.waits.iter().map(|it| because(it.because)).collect();
    why.dedup();
    let why = match () {
        () if it.stuck => "circle".to_owned(),
        () if it.optional && it.wave.is_none() && !it.is_over() => "optional".to_owned(),
        () => why.join(", "),
    };
    let place = it.place.clone();
    let click = move |_| {
        let again =
            specs.in_graph.get_untracked() && specs.task.with_untracked(|it| it.as_ref() == Some(&choose));
        specs.in_graph.set(true);
        specs.task.set(Some(choose.clone()));
        if again {
            open_line(desk, Some(&place));
        }
    };
    view! {
        <div class="task" role="option" data-s=state data-task=id.to_string() aria-selected=chosen on:click=click>
            <span class="t"><Icon name=icon/><span class="call">{short(id.as_str())}</span><span class="push cut">{why}</span></span>
            <span>{short(&it.title)}</span>
        </div>
    }.into_any()
}

/// What is to be said of one task.
fn about(it: &TaskLook) -> AnyView {
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    if it.stuck {
        rows.push((
            "Waits",
            "for itself, by way of others: look at Depends and at the order of the phases".to_owned(),
        ));
    }
    rows.extend(it.waits.iter().map(|wait| {
        let name = match wait.because {
            pilothouse_contract::layout::Because::Dependency => "Dependency",
            pilothouse_contract::layout::Because::Scope => "Scope",
            pilothouse_contract::layout::Because::Resource => "Resource",
            pilothouse_contract::layout::Because::Slot => "Slot",
        };
        (name, wait.says.clone())
    }));
    if it.waits.is_empty() && it.wave == Some(0) {
        rows.push(("Waits", "for nothing: it could begin".to_owned()));
    }
    let files = it.files.as_ref().map_or_else(
        || "not known, so it runs alone: add '  - Files: `path`'".to_owned(),
        |it| it.join(", "),
    );
    rows.push(("Files", files));
    match &it.verify {
        Verify::Unsaid => rows.push(("Proof", "none: add '  - Verify: `command`'".to_owned())),
        Verify::Manual(why) => rows.push(("Proof", format!("by hand: {why}"))),
        Verify::Human(what) => rows.push(("Proof", format!("by a person: {what}"))),
        Verify::Commands(all) if it.proofs.is_empty() => rows.push(("Proof", all.join(" && "))),
        Verify::Commands(_) => rows.extend(it.proofs.iter().map(|it| {
            let state = match it.state {
                ProofState::Missing => it.says.clone(),
                ProofState::New => "is made by the plan".to_owned(),
                ProofState::Resolves => "resolves".to_owned(),
            };
            let red = match it.red {
                Red::NotYetKnown => "red check not yet known",
                Red::Fails => "fails before the work, as it should",
                Red::Vacuous => "vacuous: it passed before the work",
            };
            ("Proof", format!("{} — {state}; {red}", it.command))
        })),
    }
    let covers = if it.covers.is_empty() { "no requirement".to_owned() } else { it.covers.join(", ") };
    rows.push(("Covers", covers));
    if let Some(more) = rows.len().checked_sub(FACTS).filter(|it| *it > 0) {
        rows.truncate(FACTS);
        rows.push(("More", format!("{more} that the command line has")));
    }
    let rows =
        rows.into_iter().map(|(name, says)| view! { <dt>{name}</dt><dd>{short(&says)}</dd> }).collect_view();
    view! { <h2>{format!("{} {}", short(it.id.as_str()), short(&it.title))}<span class="mono quiet">{format!(" {}", one(&it.place.to_string()))}</span></h2><dl>{rows}</dl> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_contract::desk::Place;
    use pilothouse_contract::layout::Mark;

    fn look(id: &str, phase: usize, wave: Option<usize>, state: Mark) -> TaskLook {
        TaskLook {
            id: id.into(),
            title: String::new(),
            phase: Some(phase),
            wave,
            waits: Vec::new(),
            stuck: false,
            state,
            place: Place::default(),
            verify: Verify::Unsaid,
            proofs: Vec::new(),
            files: None,
            covers: Vec::new(),
            strays: Vec::new(),
            optional: false,
        }
    }

    #[test]
    fn arrows_lead_through_the_waves_and_stop_at_the_edges() {
        let tasks = vec![
            look("A", 0, None, Mark::Done),
            look("B", 0, Some(0), Mark::Open),
            look("C", 1, Some(0), Mark::Open),
            look("D", 1, Some(2), Mark::Open),
        ];
        let page = PlanPage { tasks, waves: 3, ..PlanPage::default() };
        let from = |id: &str, word: &str| {
            let at = page.tasks.iter().find(|it| it.id.as_str() == id).unwrap();
            step(&page, at, word).map(|it| it.to_string())
        };
        let to = |id: &str| Some(id.to_owned());
        assert_eq!(chosen(&page, None).map(|it| it.to_string()), to("B"));
        assert_eq!(chosen(&page, Some(&"D".into())).map(|it| it.to_string()), to("D"));
        assert_eq!(chosen(&page, Some(&"Z".into())).map(|it| it.to_string()), to("B"), "gone since");
        assert_eq!(from("A", "arrowright"), to("B"));
        assert_eq!(from("B", "arrowdown"), to("C"));
        assert_eq!(from("C", "arrowdown"), to("C"));
        assert_eq!(from("C", "arrowright"), to("D"), "a wave without any is passed over");
        assert_eq!(from("D", "arrowright"), None);
        assert_eq!(from("D", "arrowleft"), to("C"));
        assert_eq!(from("B", "arrowleft"), to("A"));
        assert_eq!(from("B", "x"), None);
    }

    #[test]
    fn a_plan_without_end_is_drawn_to_an_end() {
        let tasks = (0..900).map(|n| look(&format!("T{n}"), n, Some(n), Mark::Open)).collect();
        let page = PlanPage { tasks, waves: 900, ..PlanPage::default() };
        assert_eq!(drawn(&page).len(), COLUMNS);
        let tasks = (0..900).map(|n| look(&format!("T{n}"), 0, Some(0), Mark::Open)).collect();
        assert_eq!(drawn(&PlanPage { tasks, waves: 1, ..PlanPage::default() }).len(), DRAWN);
    }
}
