//! Our own layout and GitHub's spec-kit, which share a folder: `specs/NNN-slug/` with `spec.md`, `tasks.md`, `checklists/` and phase files.
//!
//! Refuses to take a checklist for tasks: those are their reviewers', and are counted as boxes only.

use pilothouse_contract::layout::{LaidItem, Layout};

use super::{Adapter, Files, Found, Tree, folders, inside, markdown, text_of};
use crate::policy::specs::{OURS, requirements};

pub(super) struct SpecKit;

impl Adapter for SpecKit {
    fn owns(&self, layout: Layout) -> bool {
        matches!(layout, Layout::Native | Layout::SpecKit)
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let theirs = inside(tree, ".specify/").next().is_some();
        let layout = if theirs { Layout::SpecKit } else { Layout::Native };
        let numbered = |it: &&str| {
            let digits = it.bytes().take_while(u8::is_ascii_digit).count();
            digits >= 3 && it.as_bytes().get(digits) == Some(&b'-')
        };
        folders(tree, "specs/")
            .into_iter()
            .filter(numbered)
            .map(|name| {
                let path = format!("specs/{name}");
                let wants = ["spec.md", "tasks.md", "plan.md"].map(|it| format!("{path}/{it}"));
                let phases = format!("{path}/phases/");
                let phases = inside(tree, &phases).filter(|it| it.ends_with(".md")).map(str::to_owned);
                let wants = wants.into_iter().filter(|it| tree.contains(it)).chain(phases).collect();
                Found::new(layout, name, &path, wants)
            })
            .collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(found.layout, &found.name, &found.path);
        if let Some(text) = text_of(&mut item, files, &format!("{}/spec.md", found.path)) {
            if let Some(title) = markdown::title(&text) {
                item.title = title;
            }
            item.requirements = requirements(&text);
        }
        let tasks = format!("{}/tasks.md", found.path);
        if let Some(text) = text_of(&mut item, files, &tasks) {
            markdown::lay(&mut item, &tasks, &text, OURS);
        }
        vec![item]
    }
}
