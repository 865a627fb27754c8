//! Items of other layouts as a run carries them: their tasks with scope, proof and order in our own words, and in one sentence what of
//! that is missing and where it is written.
//!
//! Refuses to guess: a box that says neither open nor done, an id that git cannot hold and a task without a proof keep a run from starting.

use std::collections::{BTreeSet, HashMap};

use pilothouse_contract::layout::{Boxes, LaidItem, LaidTask, Layout, Mark};
use pilothouse_contract::spec::{Phase, Remark, Spec, TaskSpec, Verify};
use pilothouse_contract::{TaskId, text};

use crate::policy::specs::{beside, circle, proofs, remark, shape};

/// A title is no longer.
const TITLE_MAX: usize = 300;
/// An id is no longer: it becomes part of a branch's name.
const ID_MAX: usize = 60;

/// Whether a run may carry an item, or a person is told why not: work that is under way or ahead. What lies in an archive is over, and a
/// spec of Open Mercato's is carried by its run.
#[must_use]
pub fn carried(item: &LaidItem) -> bool {
    let over = matches!(item.stage.as_deref(), Some("archived" | "implemented" | "enterprise"));
    let spec_alone = item.layout == Layout::OpenMercato && item.tasks.is_empty();
    let nothing =
        item.layout == Layout::TaskMaster && item.tasks.is_empty() && item.boxes == Boxes::default();
    !(item.layout.is_ours() || over || spec_alone || nothing)
}

/// What a run is told of an item.
#[must_use]
pub fn spec_of(item: &LaidItem) -> Spec {
    let file = item.tasks.first().map_or_else(|| task_file(item), |it| it.file.clone());
    let mut spec = Spec {
        folder: item.path.clone(),
        layout: item.layout,
        name: item.name.clone(),
        task_file: file,
        title: text::line(&item.title, TITLE_MAX),
        summary: summary(item),
        issue: None,
        requirements: item.requirements.clone(),
        phases: item.phases.iter().map(|it| it.phase.clone()).collect(),
        tasks: tasks(item),
        remarks: Vec::new(),
    };
    for phase in &mut spec.phases {
        phase.title = text::line(&phase.title, TITLE_MAX);
    }
    for it in &mut spec.requirements {
        it.text = text::line(&it.text, 2000);
    }
    let (phases, tasks) = (&spec.phases, &spec.tasks);
    let mut remarks = remarks(item, phases, tasks);
    let within = format!("{}/", item.path);
    for it in &mut remarks {
        if let Some(inner) = it.file.strip_prefix(&within) {
            it.file = inner.to_owned();
        }
    }
    remarks.sort_by(|one, other| {
        (!one.blocking, &one.file, one.line).cmp(&(!other.blocking, &other.file, other.line))
    });
    spec.remarks = remarks;
    spec
}

/// Where tasks would stand.
fn task_file(item: &LaidItem) -> String {
    let single = [".md", ".json"].iter().any(|it| item.path.ends_with(it));
    if single { item.path.clone() } else { format!("{}/tasks.md", item.path) }
}

/// What an agent reads before it begins, for a layout says in many files what we say in one.
fn summary(item: &LaidItem) -> String {
    let tasks: BTreeSet<&str> = item.tasks.iter().map(|it| it.file.as_str()).collect();
    let other =
        |it: &&String| !tasks.contains(it.as_str()) && it.ends_with(".md") && !it.ends_with(".scope.md");
    let read: Vec<String> = item.files.iter().filter(other).map(|it| format!("`{it}`")).collect();
    match read.as_slice() {
        [] => String::new(),
        all => format!("What is wanted stands in {}: read that first.", text::line(&all.join(", "), 2000)),
    }
}

/// The tasks that are worked: those that only hold others are done with them, and who waits for one waits for all that it holds.
fn tasks(item: &LaidItem) -> Vec<TaskSpec> {
    let mut parts: HashMap<&TaskId, Vec<&LaidTask>> = HashMap::new();
    for task in &item.tasks {
        if let Some(parent) = &task.parent {
            parts.entry(parent).or_default().push(task);
        }
    }
    let holders: BTreeSet<&TaskId> = item.tasks.iter().filter(|it| it.holds).map(|it| &it.spec.id).collect();
    let worked = item.tasks.iter().filter(|it| !it.holds);
    worked
        .map(|task| {
            let mut spec = task.spec.clone();
            spec.title = text::line(&spec.title, TITLE_MAX);
            for (key, value) in &mut spec.other {
                (*key, *value) = (text::line(key, 60), text::line(value, 2000));
            }
            spec.depends = spec.depends.map(|all| {
                let mut named = Vec::new();
                for id in all {
                    if holders.contains(&id) {
                        inner(&id, &parts, &mut named);
                    } else {
                        named.push(id);
                    }
                }
                named.retain(|it| *it != spec.id);
                named
            });
            spec
        })
        .collect()
}

/// All that a task holds, however deep.
fn inner(id: &TaskId, parts: &HashMap<&TaskId, Vec<&LaidTask>>, into: &mut Vec<TaskId>) {
    let mut edge: Vec<&TaskId> = vec![id];
    let mut seen: BTreeSet<&TaskId> = BTreeSet::new();
    while let Some(next) = edge.pop() {
        if !seen.insert(next) {
            continue;
        }
        for part in parts.get(next).into_iter().flatten() {
            if part.holds {
                edge.push(&part.spec.id);
            } else if !part.spec.optional {
                into.push(part.spec.id.clone());
            }
        }
    }
}

/// What is not as it should be, with the file relative to the top of the repository.
fn remarks(item: &LaidItem, phases: &[Phase], tasks: &[TaskSpec]) -> Vec<Remark> {
    let main = item.tasks.first().map_or_else(|| task_file(item), |it| it.file.clone());
    let of_tasks = |file: &str| item.tasks.iter().any(|it| it.file == file) || file == main;
    // What is wrong with a spec's text is for its own gate, and keeps no run from starting.
    let mut all: Vec<Remark> = item
        .diagnostics
        .iter()
        .map(|it| Remark { blocking: it.remark.blocking && of_tasks(&it.remark.file), ..it.remark.clone() })
        .collect();
    if let Some(says) = theirs(item.layout) {
        all.push(remark(&main, 0, says, true));
        return all;
    }
    if tasks.is_empty() && !all.iter().any(|it| it.blocking) {
        all.push(remark(&main, 0, "has no tasks yet: without tasks nothing can be run", true));
    }
    if item.path.contains(|it: char| it == '\\' || it.is_control()) {
        let says =
            "lies where a path holds a backslash or a control sign, which no scope can name: rename it";
        all.push(remark(&main, 0, says, true));
    }
    shape(&main, tasks.iter(), &mut all);
    proofs(&main, tasks.iter().filter(|it| it.verify != Verify::Unsaid), &mut all);
    if let Some(id) = circle(tasks, phases) {
        let line = tasks.iter().rfind(|it| it.id == id).map_or(0, |it| it.line);
        let says = format!("{id} waits for itself, by way of others: look at Depends and at the order");
        all.push(remark(&main, line, &says, true));
    }
    for task in item.tasks.iter().filter(|it| !it.holds && !it.spec.done && !it.spec.optional) {
        let (id, line) = (&task.spec.id, task.spec.line);
        let writable = task.state == Mark::Open || task.state == Mark::Working && !task.steps.is_empty();
        if !writable {
            let says = format!(
                "{id} is {} by its file, which does not say that it is to be worked: set it to open, or to done, by hand",
                task.state.word()
            );
            all.push(remark(&task.file, line, &says, true));
        }
        let plain = |it: char| it.is_ascii_alphanumeric() || " ._-~".contains(it);
        if id.as_str().len() > ID_MAX || !id.as_str().chars().all(plain) {
            let says = format!(
                "'{}' cannot be part of a branch's name: name the task with letters, digits, dots and dashes",
                text::line(id.as_str(), 80)
            );
            all.push(remark(&task.file, line, &says, true));
        }
    }
    all.extend(missing(&main, item.layout, tasks));
    all
}

/// Why a layout's items are read and not run.
fn theirs(layout: Layout) -> Option<&'static str> {
    match layout {
        Layout::TaskMaster => Some(
            "is task-master's own, which is read here and never written: work it there, or write its tasks into specs/NNN-name/tasks.md to run them here",
        ),
        Layout::Bmad => Some(
            "is a story of BMAD's, which is read here and never written: work it there, or write its tasks into specs/NNN-name/tasks.md to run them here",
        ),
        _ => None,
    }
}

/// In one sentence what open tasks do not say, and where to write it.
fn missing(file: &str, layout: Layout, tasks: &[TaskSpec]) -> Option<Remark> {
    let open: Vec<&TaskSpec> = tasks.iter().filter(|it| !it.done && !it.optional).collect();
    let unproved: Vec<&&TaskSpec> = open.iter().filter(|it| it.verify == Verify::Unsaid).collect();
    let unscoped = open.iter().filter(|it| it.files.is_none()).count();
    let first = unproved.first().copied().or_else(|| open.iter().find(|it| it.files.is_none()))?;
    let what = match (unproved.len(), unscoped) {
        (0, files) => format!("{files} of {} open tasks have no Files, and so run alone", open.len()),
        (proofs, 0) => format!("{proofs} of {} open tasks have no Verify", open.len()),
        (proofs, files) => {
            format!("{proofs} of {} open tasks have no Verify and {files} no Files", open.len())
        }
    };
    let below = match layout {
        Layout::Kiro | Layout::CcSdd => "below the task as '- _Verify: `command`_', or ",
        Layout::OpenSpec | Layout::AgentOs => "below the task as '  - Verify: `command`', or ",
        _ => "",
    };
    let sidecar = beside(file).pop().unwrap_or_default();
    let says = format!(
        "{what}, {} first: write that {below}in {sidecar}, a table with the columns Task, Files and Verify",
        first.id
    );
    Some(remark(file, first.line, &says, !unproved.is_empty()))
}
