//! What the layouts in Markdown have in common: boxes with places, phases with groups below them, families of ids, and tasks that are added.
//!
//! Refuses to have a grammar of its own: boxes, ids and meta lines are those of `policy::specs`.

use std::collections::{HashMap, HashSet};

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Boxes, Diagnostic, LaidItem, LaidPhase, LaidTask, Layout, Mark, Span};
use pilothouse_contract::spec::{Remark, Verify};

use super::edit::Fresh;
use super::{hash, part};
use crate::policy::specs::{Grammar, Placed, checkbox, lines, placed};

/// What a box's sign means.
pub(super) fn mark(state: char) -> Mark {
    match state {
        'x' | 'X' => Mark::Done,
        '-' => Mark::Working,
        '~' => Mark::Partial,
        _ => Mark::Open,
    }
}

/// The first heading of the first level, or of any.
pub(super) fn title(text: &str) -> Option<String> {
    let heading = |line: &str| line.trim().strip_prefix('#').map(|it| it.trim_matches(['#', ' ']).to_owned());
    lines(text).filter(|it| !it.hidden).find_map(|it| heading(it.text)).filter(|it| !it.is_empty())
}

/// Lays the tasks of a file into an item. Returns the place of the first of them.
pub(super) fn lay(item: &mut LaidItem, path: &str, text: &str, grammar: Grammar<'_>) -> usize {
    let grammar = Grammar { file: path, ..grammar };
    let mut all = placed(text, &grammar);
    let unnamed = all.file.tasks.is_empty() && all.others > 0 && !grammar.ours;
    if unnamed {
        all = placed(text, &Grammar { unnamed: true, ..grammar });
    }
    let first = item.tasks.len();
    let folded = fold(&all);
    let before = item.phases.len();
    for (at, _) in &folded.phases {
        let (phase, head) = (all.file.phases.get(*at), all.heads.get(*at));
        let (Some(phase), Some((_, line))) = (phase, head) else { continue };
        item.phases.push(LaidPhase { phase: phase.clone(), line: *line });
    }
    let Placed { file, places, .. } = all;
    for (number, (mut spec, place)) in file.tasks.into_iter().zip(places).enumerate() {
        let (phase, group) = spec.phase.and_then(|it| folded.of.get(&it)).cloned().unwrap_or((None, None));
        spec.phase = phase.map(|it| it + before);
        if unnamed {
            // By its words and not by its box: a tick makes no other task of it.
            let id = format!("~{}-{}", number + 1, hash(&spec.title).get(..6).unwrap_or_default());
            spec.id = TaskId(id);
        }
        item.tasks.push(LaidTask {
            spec,
            state: mark(place.state),
            file: path.to_owned(),
            span: Span { from: place.row.from, to: place.end },
            row: place.row,
            mark: Span { from: place.state_at, to: place.state_at + place.state.len_utf8() },
            hash: hash(part(text, place.row)),
            group,
            unnamed,
            ..LaidTask::default()
        });
    }
    let counted = count(text, |line| !line);
    item.boxes.done += counted.done;
    item.boxes.total += counted.total;
    diagnose(item, text, file.remarks);
    if let Some(open) = unclosed(text) {
        let says = "begins a block that never ends, so all below is hidden: close it with the same signs";
        let remark = crate::policy::specs::remark(path, open, says, false);
        item.diagnostics.push(Diagnostic { remark, column: 1 });
    }
    first
}

/// The line where a block begins that is open at the file's end.
fn unclosed(text: &str) -> Option<usize> {
    let mut open = None;
    let mut closed = true;
    for line in lines(text) {
        if line.hidden && closed {
            open = Some(line.number);
        }
        closed = !line.hidden;
    }
    // A block that ends with the file's last line is hidden there, too; what follows it would not be.
    let mut probe = text.to_owned();
    probe.push_str("\nx");
    open.filter(|_| !closed && lines(&probe).last().is_some_and(|it| it.hidden))
}

/// Puts remarks into an item, each with the column where its line begins to say something.
pub(super) fn diagnose(item: &mut LaidItem, text: &str, remarks: Vec<Remark>) {
    if remarks.is_empty() {
        return;
    }
    let columns: Vec<usize> =
        lines(text).map(|it| it.text.chars().take_while(|it| it.is_whitespace()).count() + 1).collect();
    item.diagnostics.extend(remarks.into_iter().map(|remark| {
        let column = remark.line.checked_sub(1).and_then(|it| columns.get(it)).copied().unwrap_or(0);
        Diagnostic { remark, column }
    }));
}

/// Boxes; which lines count is said by whether they are hidden.
pub(super) fn count(text: &str, counts: impl Fn(bool) -> bool) -> Boxes {
    let mut boxes = Boxes::default();
    for found in lines(text).filter(|it| counts(it.hidden)).filter_map(|it| checkbox(it.text)) {
        boxes.total += 1;
        boxes.done += usize::from(matches!(found.state, 'x' | 'X'));
    }
    boxes
}

/// Headings as phases with groups below them.
struct Folded {
    /// Which headings are phases, and how deep they are.
    phases: Vec<(usize, usize)>,
    /// Of each heading the phase and the group that it stands for.
    of: HashMap<usize, (Option<usize>, Option<String>)>,
}

/// A heading with tasks right below it is a phase, unless it lies below one: then it is a group of that. Headings of prose are neither.
fn fold(all: &Placed) -> Folded {
    let used: HashSet<usize> = all.file.tasks.iter().filter_map(|it| it.phase).collect();
    let says = |title: &str| title.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("phase"));
    let mut folded = Folded { phases: Vec::new(), of: HashMap::new() };
    for (at, (phase, (marks, _))) in all.file.phases.iter().zip(&all.heads).enumerate() {
        let upper = folded.phases.last().copied().filter(|(_, depth)| marks > depth);
        match upper {
            Some(_) if used.contains(&at) => {
                let place = folded.phases.len() - 1;
                folded.of.insert(at, (Some(place), Some(phase.title.clone())));
            }
            Some(_) => {}
            None if used.contains(&at) || says(&phase.title) => {
                folded.phases.push((at, *marks));
                folded.of.insert(at, (Some(folded.phases.len() - 1), None));
            }
            // What is below prose is below no phase.
            None => {}
        }
    }
    folded
}

/// Finds parts by their ids - `2.1` is a part of `2`, or of `2.0` - and marks what only holds others.
pub(super) fn family(item: &mut LaidItem, first: usize) {
    let own = item.tasks.get_mut(first..).unwrap_or_default();
    let ids: HashSet<TaskId> = own.iter().map(|it| it.spec.id.clone()).collect();
    let mut holds: HashSet<TaskId> = HashSet::new();
    for task in own.iter_mut() {
        let Some((head, tail)) = task.spec.id.as_str().rsplit_once('.') else { continue };
        let parent = [head.to_owned(), format!("{head}.0")]
            .into_iter()
            .map(TaskId)
            .find(|it| ids.contains(it) && *it != task.spec.id);
        if let Some(parent) = parent.filter(|_| tail != "0" || ids.contains(&TaskId(head.to_owned()))) {
            holds.insert(parent.clone());
            task.parent = Some(parent);
        }
    }
    for task in own {
        task.holds = holds.contains(&task.spec.id);
    }
}

/// A proof that stands in a task's sentence: what is between backticks behind the word verify.
pub(super) fn lift_verify(task: &mut LaidTask) {
    if task.spec.verify != Verify::Unsaid {
        return;
    }
    let title = &task.spec.title;
    // In small letters of ASCII, so that places stay what they are.
    let Some(at) = title.to_ascii_lowercase().find("verif") else { return };
    let mut behind = title.get(at..).unwrap_or_default().split('`');
    if let Some(command) = behind.nth(1).map(str::trim).filter(|it| !it.is_empty()) {
        task.spec.verify = Verify::Commands(vec![command.to_owned()]);
    }
}

/// A phase with tasks, as it is put at a file's end. Ids go on from the highest that was ever given.
pub(super) fn added(item: &LaidItem, title: &str, tasks: &[Fresh], end: &str) -> String {
    let numbered = |id: &str| id.split('.').next().and_then(|it| it.parse::<u64>().ok());
    let ours = matches!(item.layout, Layout::Native | Layout::SpecKit);
    let of = |id: &str| if ours { id.strip_prefix('T').and_then(|it| it.parse().ok()) } else { numbered(id) };
    let highest = item.tasks.iter().filter_map(|it| of(it.spec.id.as_str())).max().unwrap_or(0);
    let phases = item.phases.iter().filter_map(|it| {
        let words = it.phase.title.trim_start_matches(|it: char| it.is_alphabetic() || it == ' ');
        words.split(|it: char| !it.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    let phase = phases.max().unwrap_or(item.phases.len() as u64).saturating_add(1);
    let group = highest.max(if ours { 0 } else { phase - 1 }).saturating_add(1);
    let kiro = matches!(item.layout, Layout::Kiro | Layout::CcSdd);
    let mut out = match () {
        () if ours => format!("{end}## Phase {phase}: {title}{end}{end}"),
        () if kiro => format!("{end}- [ ] {group}. {title}{end}"),
        () if item.layout == Layout::AgentOs => format!("{end}#### Task Group {group}: {title}{end}{end}"),
        // The section goes on below it.
        () if item.layout == Layout::OpenMercato => format!("{end}### Phase {group}: {title}{end}{end}"),
        () => format!("{end}## {group}. {title}{end}{end}"),
    };
    for (number, task) in tasks.iter().enumerate() {
        let id = if ours {
            format!("T{:03}", highest.saturating_add(1 + number as u64))
        } else {
            format!("{group}.{}", number + 1)
        };
        let indent = if kiro { "  " } else { "" };
        out.push_str(&format!("{indent}- [ ] {id} {}{end}", task.title));
        for (key, value) in &task.meta {
            let line = if kiro { format!("_{key}: {value}_") } else { format!("{key}: {value}") };
            out.push_str(&format!("{indent}  - {line}{end}"));
        }
    }
    if item.layout == Layout::OpenMercato {
        out.push_str(end);
    }
    out
}
