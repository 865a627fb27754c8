//! agent-os 2: `agent-os/specs/<date-slug>/` with `spec.md` and `tasks.md`, task groups with dependencies between them.
//!
//! Refuses to make tasks of version 3, which has none: its folders are items without tasks.

use std::collections::HashMap;

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{LaidItem, Layout};

use super::{Adapter, Files, Found, Tree, folders, markdown, text_of};
use crate::policy::specs::{Grammar, OURS, heading, lines};

const GRAMMAR: Grammar<'static> =
    Grammar { ours: false, heading: |_, words| words.starts_with("Task Group"), ..OURS };

pub(super) struct AgentOs;

impl Adapter for AgentOs {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::AgentOs
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        folders(tree, "agent-os/specs/")
            .into_iter()
            .map(|name| {
                let path = format!("agent-os/specs/{name}");
                let wants = ["spec.md", "plan.md", "tasks.md"].map(|it| format!("{path}/{it}"));
                let wants: Vec<String> = wants.into_iter().filter(|it| tree.contains(it)).collect();
                Found::new(Layout::AgentOs, name, &path, wants)
            })
            .filter(|it| !it.wants.is_empty())
            .collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(Layout::AgentOs, &found.name, &found.path);
        for name in ["spec.md", "plan.md"] {
            let text = text_of(&mut item, files, &format!("{}/{name}", found.path));
            if let Some(title) = text.and_then(|it| markdown::title(&it)) {
                item.title = title;
            }
        }
        let path = format!("{}/tasks.md", found.path);
        let Some(text) = text_of(&mut item, files, &path) else { return vec![item] };
        let first = markdown::lay(&mut item, &path, &text, GRAMMAR);
        markdown::family(&mut item, first);
        order(&mut item, &text);
        vec![item]
    }
}

/// Within a group tasks follow each other; a group waits for those that it names, and without a word for all before it.
fn order(item: &mut LaidItem, text: &str) {
    let number = |words: &str| {
        let rest = words.split("Task Group ").nth(1)?;
        rest.split(|it: char| !it.is_ascii_digit()).next()?.parse::<u32>().ok()
    };
    let mut named: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut current = None;
    for line in lines(text).filter(|it| !it.hidden) {
        if let Some((_, words)) = heading(line.text) {
            current = number(&words);
        } else if let (Some(group), Some(rest)) = (current, line.text.trim().strip_prefix("**Dependencies")) {
            let groups = rest.split([',', '&']).filter_map(|it| {
                let digits: String = it.chars().filter(char::is_ascii_digit).collect();
                digits.parse::<u32>().ok()
            });
            named.insert(group, groups.collect());
        }
    }
    let groups: Vec<Option<u32>> = item.phases.iter().map(|it| number(&it.phase.title)).collect();
    let group_of = |phase: Option<usize>| phase.and_then(|it| groups.get(it).copied().flatten());
    // The last of a group waits for the rest of it.
    let last: HashMap<u32, TaskId> = item
        .tasks
        .iter()
        .filter(|it| !it.holds)
        .filter_map(|it| Some((group_of(it.spec.phase)?, it.spec.id.clone())))
        .collect();
    let mut within: HashMap<u32, TaskId> = HashMap::new();
    for task in &mut item.tasks {
        let Some(group) = group_of(task.spec.phase).filter(|_| !task.holds) else { continue };
        let before = within.insert(group, task.spec.id.clone());
        let Some(first) = named.get(&group) else { continue };
        task.spec.depends.get_or_insert_with(|| match before {
            Some(before) => vec![before],
            None => first.iter().filter_map(|it| last.get(it)).cloned().collect(),
        });
    }
}
