//! `pilothouse spec …`: items, phases and tasks of a repository in whatever layout it has, which needs no engine (`list` and `show` write
//! nothing, the others one file each); and new items, their refinement and their gates.

pub(crate) mod desk;
mod replace;
pub(crate) mod show;
pub(crate) mod tree;
mod write;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pilothouse_contract::layout::{Diagnostic, LaidItem};
use serde::Serialize;

use crate::desk::{End, HOLDS};
use crate::out::{Out, short, table};
use tree::Desk;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Items with their phases and tasks; with --json each task's state, files, proof, dependencies and bytes
    List {
        /// A repository, or a spec's folder or file in one
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Tick a task as its layout does it: one byte, or the one cell or word that says it
    Tick(write::Tick),
    /// Append a phase with tasks; ids go on from the highest, nothing that stands is moved
    Append(write::Append),
    /// Put a key and its value below a task, as `Verify` or `Files`
    Annotate(write::Annotate),
    /// One spec held against its layout and the tree: questions, sections, size, what it cites, assumptions, risks
    Show {
        /// A spec's folder or file, or its short name in the repository here
        path: PathBuf,
    },
    #[command(flatten)]
    Desk(desk::Verb),
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    top: PathBuf,
    /// How many items of which layout.
    layouts: BTreeMap<&'static str, usize>,
    items: Vec<&'a LaidItem>,
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { path } => list(&path, out),
        Verb::Tick(it) => write::tick(&it, out),
        Verb::Append(it) => write::append(&it, out),
        Verb::Annotate(it) => write::annotate(&it, out),
        Verb::Show { path } => show::spec(&path, out),
        Verb::Desk(verb) => desk::run(verb, out).await,
    }
}

fn list(path: &Path, out: Out) -> End {
    let desk = Desk::open(path)?;
    let items = desk.items()?;
    let mut layouts = BTreeMap::new();
    for item in &items {
        *layouts.entry(item.layout.name()).or_default() += 1;
    }
    out.value(&Listed { top: desk.top.clone(), layouts, items }, |it| show(&it.items));
    Ok(HOLDS)
}

fn show(items: &[&LaidItem]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|it| {
            let worked = || it.tasks.iter().filter(|it| !it.holds);
            vec![
                it.layout.name().to_owned(),
                short(&it.name, 40),
                it.stage.clone().map_or_else(|| "-".to_owned(), |it| short(&it, 16)),
                it.phases.len().to_string(),
                format!("{}/{}", worked().filter(|it| it.spec.done).count(), worked().count()),
                it.diagnostics.len().to_string(),
                it.path.clone(),
            ]
        })
        .collect();
    let mut text = table(&["LAYOUT", "ITEM", "STAGE", "PHASES", "DONE", "REMARKS", "PATH"], &rows);
    // Of one item everything is shown.
    if let [item] = items {
        let mut phase = None;
        for task in &item.tasks {
            if task.spec.phase != phase || phase.is_none() {
                phase = task.spec.phase;
                let title = phase.and_then(|it| item.phases.get(it)).map(|it| it.phase.title.as_str());
                let _ = writeln!(text, "\n{}", short(title.unwrap_or("(no phase)"), 100));
            }
            let indent = if task.parent.is_some() { "    " } else { "  " };
            let state = task.state.word();
            let _ = writeln!(text, "{indent}{state:<9} {} {}", task.spec.id, short(&task.spec.title, 90));
        }
    }
    for item in items {
        for it in &item.diagnostics {
            let _ = writeln!(text, "{}", said(it));
        }
    }
    text
}

/// A diagnostic on one line, with its place in front.
pub(crate) fn said(it: &Diagnostic) -> String {
    let place = match (it.remark.line, it.column) {
        (0, _) => it.remark.file.clone(),
        (line, 0) => format!("{}:{line}", it.remark.file),
        (line, column) => format!("{}:{line}:{column}", it.remark.file),
    };
    let kind = if it.remark.blocking { "blocks" } else { "remark" };
    format!("{kind}  {place}: {}", short(&it.remark.says, 400))
}
