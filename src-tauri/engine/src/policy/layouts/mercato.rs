//! Open Mercato: specs in `.ai/specs/`, and runs in `.ai/runs/` as a folder with `PLAN.md` or as one file with boxes below `## Progress`.
//!
//! Refuses to take another table of the section for the plan, and any word but `todo` and `done` for a state that is sure.

use std::collections::{BTreeSet, HashMap};

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{LaidItem, LaidPhase, LaidTask, Layout, Mark, Span};
use pilothouse_contract::spec::{Phase, TaskSpec};

use super::edit::{Edit, Fresh};
use super::{
    Adapter, Files, Found, Text, Tree, folders, hash, inside, is_dated, markdown, part, stem, text_of,
};
use crate::policy::specs::table::{Cell, is_rule, row};
use crate::policy::specs::{Grammar, Line, OURS, heading, lines};

const SPECS: &str = ".ai/specs/";
const RUNS: &str = ".ai/runs/";

pub(super) struct OpenMercato;

impl Adapter for OpenMercato {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::OpenMercato
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let found = |path: String, wants: Vec<String>, name: &str| {
            Found::new(Layout::OpenMercato, name, &path, wants)
        };
        let specs: Vec<&str> =
            inside(tree, SPECS).filter(|it| it.ends_with(".md") && is_dated(stem(it))).collect();
        // A run belongs to the spec of its name, and to those that it cites; which these are is not known before it is read.
        let of = |name: &str| specs.iter().find(|it| stem(it) == name).map(|it| (*it).to_owned());
        let mut all = Vec::new();
        for name in folders(tree, RUNS) {
            let (path, plan) = (format!("{RUNS}{name}"), format!("{RUNS}{name}/PLAN.md"));
            if tree.contains(&plan) {
                all.push(found(path, [plan].into_iter().chain(of(name)).collect(), name));
            }
        }
        let flat = inside(tree, RUNS)
            .filter(|it| it.get(RUNS.len()..).is_some_and(|it| !it.contains('/') && it.ends_with(".md")));
        for path in flat.filter(|it| is_dated(stem(it))) {
            all.push(found(
                path.to_owned(),
                [path.to_owned()].into_iter().chain(of(stem(path))).collect(),
                stem(path),
            ));
        }
        all.extend(specs.iter().map(|path| found((*path).to_owned(), vec![(*path).to_owned()], stem(path))));
        all
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(Layout::OpenMercato, &found.name, &found.path);
        let Some(main) = found.wants.first() else { return vec![item] };
        let text = text_of(&mut item, files, main);
        if let Some(title) = text.as_deref().and_then(markdown::title) {
            item.title = title;
        }
        if found.path.starts_with(SPECS) {
            let folder = |it: &str| found.path.contains(it);
            item.stage = [("/implemented/", "implemented"), ("/enterprise/", "enterprise")]
                .into_iter()
                .find(|(it, _)| folder(it))
                .map(|(_, it)| it.to_owned());
            return vec![item];
        }
        for spec in found.wants.iter().skip(1) {
            text_of(&mut item, files, spec);
        }
        if let Some(text) = text {
            for cited in cited(&text).filter(|it| files.contains_key(it)) {
                if !item.files.contains(&cited) {
                    item.files.push(cited);
                }
            }
            if main.ends_with("/PLAN.md") {
                plan(&mut item, &text);
            } else {
                flat(&mut item, &text);
            }
        }
        vec![item]
    }

    fn done(&self, task: &LaidTask, text: &str, commit: Option<&str>) -> Result<Vec<Edit>, String> {
        let line = Line {
            number: task.spec.line,
            text: part(text, task.row),
            span: task.row,
            end: task.row.to,
            hidden: false,
        };
        let Some(cells) = row(&line) else {
            // A run in one file: the box, and the commit behind the words.
            let mut edits = vec![Edit { at: task.mark, with: "x".to_owned() }];
            if let Some(commit) = commit {
                edits.push(Edit {
                    at: Span { from: task.row.to, to: task.row.to },
                    with: format!(" — {commit}"),
                });
            }
            return Ok(edits);
        };
        let mut edits = vec![Edit { at: task.mark, with: "done".to_owned() }];
        // The commit's cell is the one behind the state's.
        let behind = cells.iter().skip_while(|it| it.span.to < task.mark.to).nth(1);
        if let (Some(commit), Some(cell)) = (commit, behind) {
            edits.push(Edit { at: cell.span, with: commit.to_owned() });
        }
        Ok(edits)
    }

    fn meta(&self, _key: &str, _value: &str) -> Result<String, String> {
        Err("a row of a plan has no room for it: write it into the run's SCOPE.md".to_owned())
    }

    fn added(&self, item: &LaidItem, title: &str, tasks: &[Fresh], end: &str) -> Result<String, String> {
        if item.tasks.iter().any(|it| it.mark.to.saturating_sub(it.mark.from) > 1) {
            return Err("rows are added to a plan's table by who keeps it, as X.Y-review-fix".to_owned());
        }
        Ok(markdown::added(item, title, tasks, end))
    }

    fn end_of(&self, text: &str) -> usize {
        progress(text).map_or(text.len(), |(_, end)| end.map_or(text.len(), |it| it.span.from))
    }
}

/// The line of a run's `## Progress`, and the heading that ends it.
fn progress(text: &str) -> Option<(Line<'_>, Option<Line<'_>>)> {
    let mut all = lines(text).filter(|it| !it.hidden && matches!(heading(it.text), Some((2, _))));
    let named =
        |it: &Line<'_>| heading(it.text).is_some_and(|(_, words)| words.eq_ignore_ascii_case("progress"));
    let begins = all.find(named)?;
    Some((begins, all.next()))
}

/// Specs that a run's text names.
fn cited(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(SPECS).skip(1).filter_map(|it| {
        let name = it.split(|it: char| it.is_whitespace() || "`)]\"'".contains(it)).next()?;
        name.ends_with(".md").then(|| format!("{SPECS}{name}"))
    })
}

fn flat(item: &mut LaidItem, text: &Text<'_>) {
    const GRAMMAR: Grammar<'static> = Grammar { ours: false, ..OURS };
    let found = progress(text).map(|(begins, ends)| (begins.number, ends.map_or(usize::MAX, |it| it.number)));
    let Some((begins, ends)) = found else {
        let says = "has no '## Progress', so it has no tasks: add the section with a box for each step";
        item.diagnostics.push(text.diagnostic(0, says, false));
        return;
    };
    markdown::lay(item, text.path, text, GRAMMAR);
    let within = |it: usize| it > begins && it < ends;
    item.tasks.retain(|it| within(it.spec.line));
    item.diagnostics.retain(|it| within(it.remark.line));
    // What is left of the phases are those that hold something; their numbers move up.
    let used: BTreeSet<usize> = item.tasks.iter().filter_map(|it| it.spec.phase).collect();
    let kept: HashMap<usize, usize> = used.into_iter().enumerate().map(|(to, from)| (from, to)).collect();
    for task in &mut item.tasks {
        task.spec.phase = task.spec.phase.and_then(|it| kept.get(&it).copied());
        if let Some((title, commit)) =
            task.spec.title.rsplit_once(" — ").or(task.spec.title.rsplit_once(" - "))
        {
            let sha = commit.trim().trim_matches('`');
            if (7..=40).contains(&sha.len()) && sha.bytes().all(|it| it.is_ascii_hexdigit()) {
                task.spec.other.push(("commit".to_owned(), sha.to_owned()));
                task.spec.title = title.trim().to_owned();
            }
        }
    }
    let mut number = 0;
    item.phases.retain(|_| {
        number += 1;
        kept.contains_key(&(number - 1))
    });
    let done = item.tasks.iter().filter(|it| it.state == Mark::Done).count();
    item.boxes = pilothouse_contract::layout::Boxes { done, total: item.tasks.len() };
}

/// Where a table keeps what.
struct Columns {
    phase: Option<usize>,
    step: usize,
    title: Option<usize>,
    exec: Option<usize>,
    status: usize,
    commit: Option<usize>,
}

impl Columns {
    fn of(head: &[Cell<'_>]) -> Option<Self> {
        let at = |name: &str| head.iter().position(|it| it.text.trim_matches('*').eq_ignore_ascii_case(name));
        Some(Self {
            phase: at("phase"),
            step: at("step")?,
            title: at("title"),
            exec: at("exec"),
            status: at("status")?,
            commit: at("commit"),
        })
    }
}

fn plan(item: &mut LaidItem, text: &Text<'_>) {
    let mut inside = false;
    let mut columns: Option<Columns> = None;
    let mut over = false;
    let mut phases = HashMap::new();
    for line in lines(text).filter(|it| !it.hidden) {
        if let Some((2, words)) = heading(line.text) {
            inside = words.eq_ignore_ascii_case("tasks");
            continue;
        }
        if !inside || over {
            continue;
        }
        match (row(&line), &columns) {
            (Some(cells), None) => columns = Columns::of(&cells),
            (Some(cells), Some(columns)) if !is_rule(&cells) => {
                task(item, text, &line, &cells, columns, &mut phases)
            }
            // Another table of the section tells something else.
            (None, Some(_)) => over = true,
            _ => {}
        }
    }
    if columns.is_none() {
        let says = "has no table with Step and Status below '## Tasks', so it has no tasks: add it as the first section";
        item.diagnostics.push(text.diagnostic(0, says, false));
    }
    let done = item.tasks.iter().filter(|it| it.state == Mark::Done).count();
    item.boxes = pilothouse_contract::layout::Boxes { done, total: item.tasks.len() };
}

fn task(
    item: &mut LaidItem,
    text: &Text<'_>,
    line: &Line<'_>,
    cells: &[Cell<'_>],
    columns: &Columns,
    phases: &mut HashMap<String, usize>,
) {
    let words = |at: Option<usize>| at.and_then(|it| cells.get(it)).map_or("", |it| it.text);
    let bare = |it: &str| it.trim_matches(['*', '`', ' ', '_']).to_owned();
    let mut say = |at: usize, says: &str| {
        item.diagnostics.push(text.diagnostic(at, says, false));
    };
    let id = bare(words(Some(columns.step)));
    let Some(status) = cells.get(columns.status).filter(|_| !id.is_empty()) else {
        say(line.span.from, "is a row without a step or a state: fill both cells, or delete the row");
        return;
    };
    let (word, at) = word_of(status);
    let state = match word.to_ascii_lowercase().as_str() {
        "todo" => Mark::Open,
        "done" => Mark::Done,
        "merged" => {
            say(at, "says merged, which is taken for done: write done");
            Mark::Done
        }
        _ => {
            say(
                at,
                "is neither todo nor done, so it is not known whether the step is to be worked: write one of them",
            );
            Mark::Partial
        }
    };
    let phase = bare(words(columns.phase));
    let place = (!phase.is_empty()).then(|| {
        *phases.entry(phase.clone()).or_insert_with(|| {
            let phase = Phase { title: phase, ..Phase::default() };
            item.phases.push(LaidPhase { phase, line: line.number });
            item.phases.len() - 1
        })
    });
    let mut spec = TaskSpec {
        id: TaskId(id),
        title: words(columns.title).replace("\\|", "|"),
        phase: place,
        line: line.number,
        done: state == Mark::Done,
        partial: state == Mark::Partial,
        ..TaskSpec::default()
    };
    let exec = bare(words(columns.exec));
    if !exec.is_empty() {
        spec.parallel = exec.starts_with("group:");
        spec.tier =
            ["cheap", "standard", "capable"].into_iter().find(|it| exec.ends_with(it)).map(str::to_owned);
        spec.other.push(("exec".to_owned(), exec));
    }
    let commit = bare(words(columns.commit));
    if !commit.is_empty() && commit != "-" && commit != "—" {
        spec.other.push(("commit".to_owned(), commit));
    }
    item.tasks.push(LaidTask {
        spec,
        state,
        file: text.path.to_owned(),
        span: Span { from: line.span.from, to: line.end },
        row: line.span,
        mark: Span { from: at, to: at + word.len() },
        hash: hash(line.text),
        ..LaidTask::default()
    });
}

/// The first word of a state's cell, without stars and comments, and where it stands.
fn word_of<'a>(cell: &Cell<'a>) -> (&'a str, usize) {
    let skipped = match cell.text.strip_prefix("<!--").and_then(|it| it.find("-->")) {
        Some(end) => end + "<!---->".len(),
        None => 0,
    };
    let rest = cell.text.get(skipped..).unwrap_or_default();
    let word = rest.trim_start_matches(|it: char| !it.is_alphanumeric());
    let begins = skipped + (rest.len() - word.len());
    let length = word.find(|it: char| !it.is_alphanumeric() && it != '-').unwrap_or(word.len());
    (word.get(..length).unwrap_or_default(), cell.span.from + begins)
}
