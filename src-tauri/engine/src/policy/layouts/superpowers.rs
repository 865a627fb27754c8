//! Superpowers: plans in `docs/superpowers/plans/` (older: `docs/plans/`), `### Task N: name` with a block of files and steps as boxes.
//!
//! Refuses to schedule steps: they are worked in order by whoever has the task, and ticked one by one only when asked for.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Boxes, LaidItem, LaidTask, Layout, Mark, Span, Step};
use pilothouse_contract::spec::{Scope, TaskSpec, Verify};

use super::edit::{Edit, Fresh};
use super::{Adapter, Files, Found, Tree, hash, inside, is_dated, markdown, stem, text_of};
use crate::policy::specs::{Line, checkbox, heading, lines};

pub(super) struct Superpowers;

impl Adapter for Superpowers {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::Superpowers
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let plans = ["docs/superpowers/plans/", "docs/plans/"].into_iter().flat_map(|it| inside(tree, it));
        plans
            .filter(|it| it.ends_with(".md") && is_dated(stem(it)))
            .map(|path| Found::new(Layout::Superpowers, stem(path), path, vec![path.to_owned()]))
            .collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(Layout::Superpowers, &found.name, &found.path);
        let Some(text) = text_of(&mut item, files, &found.path) else { return vec![item] };
        if let Some(title) = markdown::title(&text) {
            item.title = title;
        }
        let mut in_files = false;
        for line in lines(&text) {
            if line.hidden {
                if let Some(task) = item.tasks.last_mut() {
                    task.span.to = line.end;
                }
                continue;
            }
            if let Some((marks, words)) = heading(line.text) {
                in_files = false;
                match numbered(&words) {
                    Some((number, title)) => item.tasks.push(task(&found.path, &line, number, title)),
                    // A heading as deep ends a task; a deeper one is a part of it.
                    None if marks <= 3 => item.tasks.push(LaidTask::default()),
                    None => {}
                }
                continue;
            }
            let Some(task) = item.tasks.last_mut().filter(|it| !it.file.is_empty()) else { continue };
            if !line.text.trim().is_empty() {
                task.span.to = line.end;
            }
            inside_task(task, &line, &mut in_files);
        }
        item.tasks.retain(|it| !it.file.is_empty());
        for task in &mut item.tasks {
            let done = task.steps.iter().filter(|it| it.state == Mark::Done).count();
            item.boxes.done += done;
            item.boxes.total += task.steps.len();
            task.spec.done = done > 0 && done == task.steps.len();
            task.state = match (task.spec.done, done) {
                (true, _) => Mark::Done,
                (false, 0) => Mark::Open,
                (false, _) => Mark::Working,
            };
        }
        if item.tasks.is_empty() {
            item.boxes = Boxes::default();
        }
        vec![item]
    }

    fn done(&self, task: &LaidTask, text: &str, _commit: Option<&str>) -> Result<Vec<Edit>, String> {
        // A task is done by its steps, each of one byte.
        let open = task.steps.iter().filter(|it| it.state == Mark::Open);
        let edits: Vec<Edit> = open
            .filter_map(|it| {
                let found = checkbox(text.get(it.span.from..it.span.to)?)?;
                let at = it.span.from + found.state_at;
                Some(Edit { at: Span { from: at, to: at + 1 }, with: "x".to_owned() })
            })
            .collect();
        if edits.is_empty() { Err("has no open step to tick".to_owned()) } else { Ok(edits) }
    }

    fn added(&self, _: &LaidItem, _: &str, _: &[Fresh], _: &str) -> Result<String, String> {
        Err("a plan of Superpowers is written whole: add a '### Task N' by hand".to_owned())
    }

    fn meta(&self, _key: &str, _value: &str) -> Result<String, String> {
        Err("a plan's text is its author's: write it into a tasks.scope.md beside it".to_owned())
    }
}

/// `Task 3: name`.
fn numbered(words: &str) -> Option<(u32, &str)> {
    let rest = words.strip_prefix("Task ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = rest.get(..digits)?.parse().ok()?;
    let title = rest.get(digits..)?;
    title.starts_with([':', '.', ' ']).then(|| (number, title.trim_start_matches([':', '.', ' '])))
}

fn task(path: &str, line: &Line<'_>, number: u32, title: &str) -> LaidTask {
    LaidTask {
        spec: TaskSpec {
            id: TaskId(format!("Task {number}")),
            title: title.to_owned(),
            line: line.number,
            ..TaskSpec::default()
        },
        file: path.to_owned(),
        span: Span { from: line.span.from, to: line.end },
        row: line.span,
        mark: Span { from: line.span.from, to: line.span.from },
        hash: hash(line.text),
        ..LaidTask::default()
    }
}

fn inside_task(task: &mut LaidTask, line: &Line<'_>, in_files: &mut bool) {
    let body = line.text.trim();
    if let Some(found) = checkbox(line.text) {
        *in_files = false;
        task.steps.push(Step {
            title: found.rest.replace("**", ""),
            line: line.number,
            state: markdown::mark(found.state),
            span: line.span,
            hash: hash(line.text),
        });
    } else if body.starts_with("**Files") {
        *in_files = true;
        task.spec.files.get_or_insert_with(Scope::default);
    } else if body.starts_with("**") {
        *in_files = false;
    } else if let Some(command) = body.strip_prefix("Run:").and_then(|it| it.split('`').nth(1)) {
        // The last run of a task proves all of it.
        task.spec.verify = Verify::Commands(vec![command.to_owned()]);
        task.spec.expect = None;
    } else if *in_files {
        file(task.spec.files.get_or_insert_with(Scope::default), body);
    }
}

/// `- Create: `path``, `- Modify: `path:12-34``, `- Test: `path``.
fn file(scope: &mut Scope, body: &str) {
    let Some((word, rest)) = body.trim_start_matches(['-', '*', ' ']).split_once(':') else { return };
    for path in rest.split('`').skip(1).step_by(2) {
        // Lines behind a path are where to look, and no part of it.
        let path = match path.rsplit_once(':') {
            Some((head, tail)) if tail.bytes().all(|it| it.is_ascii_digit() || b"-,".contains(&it)) => head,
            _ => path,
        };
        if path.is_empty() || scope.include.iter().any(|it| it == path) {
            continue;
        }
        scope.include.push(path.to_owned());
        if word.eq_ignore_ascii_case("create") {
            scope.new.push(path.to_owned());
        }
    }
}
