//! Kiro, and cc-sdd which extends it: `.kiro/specs/<feature>/` with `requirements.md` or `bugfix.md`, `design.md` and `tasks.md` of two
//! levels.
//!
//! Refuses to take a component's name (`_Boundary_`) for a path: what a task may write is known only where `Files` says so.

use pilothouse_contract::layout::{LaidItem, LaidPhase, Layout};
use pilothouse_contract::spec::{Phase, Requirement};

use super::{Adapter, Files, Found, Tree, folders, markdown, text_of};
use crate::policy::specs::{Grammar, OURS, heading, lines};

const GRAMMAR: Grammar<'static> = Grammar { ours: false, ..OURS };

pub(super) struct Kiro;

impl Adapter for Kiro {
    fn owns(&self, layout: Layout) -> bool {
        matches!(layout, Layout::Kiro | Layout::CcSdd)
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        folders(tree, ".kiro/specs/")
            .into_iter()
            .map(|name| {
                let path = format!(".kiro/specs/{name}");
                let theirs = tree.contains(&format!("{path}/spec.json"));
                let wants = ["requirements.md", "bugfix.md", "design.md", "tasks.md", "spec.json"];
                let wants = wants.map(|it| format!("{path}/{it}"));
                let wants: Vec<String> = wants.into_iter().filter(|it| tree.contains(it)).collect();
                let layout = if theirs { Layout::CcSdd } else { Layout::Kiro };
                Found::new(layout, name, &path, wants)
            })
            .filter(|it| !it.wants.is_empty())
            .collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(found.layout, &found.name, &found.path);
        for name in ["requirements.md", "bugfix.md"] {
            if let Some(text) = text_of(&mut item, files, &format!("{}/{name}", found.path)) {
                item.requirements.extend(criteria(&text));
            }
        }
        if let Some(text) = text_of(&mut item, files, &format!("{}/spec.json", found.path)) {
            match super::json::read(&text) {
                Ok(node) => item.stage = node.get("phase").and_then(|it| it.text()).map(str::to_owned),
                Err(bad) => item.diagnostics.push(bad.diagnostic(&text)),
            }
        }
        let path = format!("{}/tasks.md", found.path);
        let Some(text) = text_of(&mut item, files, &path) else { return vec![item] };
        let first = markdown::lay(&mut item, &path, &text, GRAMMAR);
        markdown::family(&mut item, first);
        for task in &mut item.tasks {
            task.spec.covers = task.spec.covers.iter().flat_map(|it| ranged(it)).collect();
            // A working task is open to us: who is at work is said by the engine, and not by a box.
            task.spec.partial = false;
        }
        majors(&mut item);
        vec![item]
    }

    fn meta(&self, key: &str, value: &str) -> Result<String, String> {
        Ok(format!("_{key}: {value}_"))
    }
}

/// Where no heading says otherwise, each major task is a phase of its own.
fn majors(item: &mut LaidItem) {
    if !item.phases.is_empty() {
        return;
    }
    let mut phases: Vec<LaidPhase> = Vec::new();
    for task in &mut item.tasks {
        if task.parent.is_none() || phases.is_empty() {
            let phase = Phase { title: task.spec.title.clone(), ..Phase::default() };
            phases.push(LaidPhase { phase, line: task.spec.line });
        }
        task.spec.phase = phases.len().checked_sub(1);
    }
    item.phases = phases;
}

/// `1.1–1.3` is three; what is prose stays as it is.
fn ranged(text: &str) -> Vec<String> {
    let whole = || vec![text.to_owned()];
    let Some((from, to)) = text.split_once(['–', '-']) else { return whole() };
    let parted = |it: &str| {
        let (major, minor) = it.trim().split_once('.')?;
        Some((major.to_owned(), minor.parse::<u32>().ok()?))
    };
    match (parted(from), parted(to)) {
        (Some((major, first)), Some((other, last)))
            if major == other && first <= last && last - first < 100 =>
        {
            (first..=last).map(|it| format!("{major}.{it}")).collect()
        }
        _ => whole(),
    }
}

/// Numbered criteria below `### Requirement N`, as `N.M`.
fn criteria(text: &str) -> Vec<Requirement> {
    let mut all = Vec::new();
    let mut major: Option<String> = None;
    for line in lines(text).filter(|it| !it.hidden) {
        if let Some((_, words)) = heading(line.text) {
            if let Some(rest) = words.strip_prefix("Requirement ") {
                let number = rest.split([':', ' ', '.']).next().unwrap_or_default();
                major = number.bytes().all(|it| it.is_ascii_digit()).then(|| number.to_owned());
            } else if !words.to_ascii_lowercase().contains("criteria") {
                major = None;
            }
            continue;
        }
        let Some(major) = &major else { continue };
        let Some((number, says)) = line.text.trim_start().split_once(['.', ')']) else { continue };
        if !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit()) && says.starts_with(' ') {
            all.push(Requirement {
                id: format!("{major}.{number}"),
                text: says.trim().to_owned(),
                line: line.number,
            });
        }
    }
    all
}
