//! What a task file does not say, in a table beside it: `tasks.scope.md` with the columns Task, Depends, Files, Verify, Uses, Tier. For teams
//! that want no such lines in the file, and for layouts that have no room for them.
//!
//! Refuses to say other than the file: what stands in that is so.

use std::collections::HashMap;

use pilothouse_contract::TaskId;
use pilothouse_contract::spec::{Remark, TaskSpec, Verify};

use super::lines::{Line, lines};
use super::meta;
use super::read::{Grammar, OURS, remark};
use super::table::{Cell, is_rule, row};

/// What lies beside task files and is none.
const ENDINGS: [&str; 3] = [".scope.md", ".evidence.md", ".completeness.md"];
/// In the folder of an Open Mercato run.
const OF_A_RUN: &str = "SCOPE.md";

/// Whether a path is of something that lies beside a task file, and never one itself.
#[must_use]
pub fn is_beside(path: &str) -> bool {
    ENDINGS.iter().any(|it| path.ends_with(it))
}

/// The sidecars that a task file may have, best first.
pub(in crate::policy) fn beside(tasks: &str) -> Vec<String> {
    let (folder, name) = tasks.rsplit_once('/').map_or(("", tasks), |(folder, name)| (folder, name));
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let slash = if folder.is_empty() { "" } else { "/" };
    let mut all = vec![format!("{folder}{slash}{stem}.scope.md")];
    if name == "PLAN.md" {
        all.push(format!("{folder}{slash}{OF_A_RUN}"));
    }
    all
}

/// Fills what tasks do not say themselves. Returns what of the table is not as it should be.
pub(in crate::policy) fn fill<'a>(
    path: &str,
    text: &str,
    tasks: impl Iterator<Item = &'a mut TaskSpec>,
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut rows = rows(path, text, &mut remarks);
    for task in tasks {
        if let Some((_, said)) = rows.remove(&task.id) {
            take(task, said);
        }
    }
    remarks.extend(rows.into_iter().map(|(id, (line, _))| {
        remark(path, line, &format!("{id} is no task of the file that this table is for: mend the id"), false)
    }));
    remarks.sort_by_key(|it| it.line);
    remarks
}

/// What each row says, by its task, with its line.
fn rows(path: &str, text: &str, remarks: &mut Vec<Remark>) -> HashMap<TaskId, (usize, TaskSpec)> {
    let grammar = Grammar { file: path, ..OURS };
    let mut head: Option<Vec<String>> = None;
    let mut over = false;
    let mut all = HashMap::new();
    for line in lines(text).filter(|it| !it.hidden) {
        match (row(&line), &head) {
            (Some(cells), None) => head = columns(&cells),
            (Some(cells), Some(head)) if !over && !is_rule(&cells) => {
                let Some((id, said)) = said(head, &cells, &line, &grammar, remarks) else { continue };
                if all.insert(id.clone(), (line.number, said)).is_some() {
                    let says = format!("{id} has two rows: the last one counts");
                    remarks.push(remark(path, line.number, &says, false));
                }
            }
            // Another table tells something else.
            (None, Some(_)) => over = true,
            _ => {}
        }
    }
    if head.is_none() {
        let says = "has no table with a column Task: write | Task | Depends | Files | Verify | and a row for each task";
        remarks.push(remark(path, 0, says, false));
    }
    all
}

fn bare(cell: &Cell<'_>) -> String {
    cell.text.trim_matches(['*', '`', '_', ' ']).to_owned()
}

fn columns(cells: &[Cell<'_>]) -> Option<Vec<String>> {
    let names: Vec<String> = cells.iter().map(bare).collect();
    names.iter().any(|it| it.eq_ignore_ascii_case("task")).then_some(names)
}

fn said(
    head: &[String],
    cells: &[Cell<'_>],
    line: &Line<'_>,
    grammar: &Grammar<'_>,
    remarks: &mut Vec<Remark>,
) -> Option<(TaskId, TaskSpec)> {
    let mut task = TaskSpec::default();
    for (name, cell) in head.iter().zip(cells) {
        if name.eq_ignore_ascii_case("task") {
            task.id = TaskId(bare(cell));
        } else if !matches!(cell.text, "" | "-" | "—") {
            // A bar is escaped in a table, and in no command.
            let value = cell.text.replace("\\|", "|");
            meta::put(&mut task, name, &value, line.number, grammar, remarks);
        }
    }
    (!task.id.as_str().is_empty()).then(|| (task.id.clone(), task))
}

fn take(task: &mut TaskSpec, said: TaskSpec) {
    task.files = task.files.take().or(said.files);
    if task.verify == Verify::Unsaid {
        task.verify = said.verify;
    }
    task.expect = task.expect.take().or(said.expect);
    task.proof = task.proof.take().or(said.proof);
    task.depends = task.depends.take().or(said.depends);
    task.tier = task.tier.take().or(said.tier);
    task.gate = task.gate.take().or(said.gate);
    if task.covers.is_empty() {
        task.covers = said.covers;
    }
    if task.uses.is_empty() {
        task.uses = said.uses;
    }
}
