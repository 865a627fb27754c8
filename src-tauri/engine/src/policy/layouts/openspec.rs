//! OpenSpec: `openspec/changes/<change>/` with `proposal.md`, `tasks.md` and deltas below `specs/`; what is done lies in `changes/archive/`.
//!
//! Refuses to count otherwise than its own tools do: their totals take in boxes within fenced blocks and comments.

use pilothouse_contract::layout::{LaidItem, Layout};
use pilothouse_contract::spec::Requirement;

use super::{Adapter, Files, Found, Text, Tree, folders, inside, markdown, text_of};
use crate::policy::specs::{Grammar, OURS, heading, lines};

/// `## 1. Group`.
const GRAMMAR: Grammar<'static> = Grammar { ours: false, ..OURS };

pub(super) struct OpenSpec;

impl Adapter for OpenSpec {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::OpenSpec
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let changes = |below: &str| -> Vec<Found> {
            let found =
                folders(tree, below).into_iter().filter(|it| *it != "archive" && !it.starts_with('.'));
            found
                .map(|name| {
                    let path = format!("{below}{name}");
                    let inner = format!("{path}/");
                    let wants = inside(tree, &inner).filter(|it| it.ends_with(".md")).map(str::to_owned);
                    let wants = wants.collect();
                    Found::new(Layout::OpenSpec, name, &path, wants)
                })
                .filter(|it| !it.wants.is_empty())
                .collect()
        };
        let mut all = changes("openspec/changes/");
        all.extend(changes("openspec/changes/archive/"));
        all
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(Layout::OpenSpec, &found.name, &found.path);
        item.stage = found.path.contains("/archive/").then(|| "archived".to_owned());
        for path in &found.wants {
            let inner = path.get(found.path.len() + 1..).unwrap_or_default();
            let deltas = inner.starts_with("specs/");
            // The tracked file, or the many that a schema's glob gives.
            let tasks = !deltas
                && (inner.ends_with("tasks.md")
                    || inner.starts_with("tasks/")
                    || inner.starts_with("tasks-"));
            if !(deltas || tasks || inner == "proposal.md") {
                continue;
            }
            let Some(text) = text_of(&mut item, files, path) else { continue };
            if deltas {
                self.deltas(&mut item, &text);
            } else if tasks {
                let before = item.boxes;
                let first = markdown::lay(&mut item, path, &text, GRAMMAR);
                markdown::family(&mut item, first);
                item.tasks.iter_mut().skip(first).for_each(markdown::lift_verify);
                let theirs = markdown::count(&text, |_| true);
                item.boxes.done = before.done + theirs.done;
                item.boxes.total = before.total + theirs.total;
            } else if let Some(title) = markdown::title(&text) {
                let bare = title.trim_start_matches("Change:").trim_start_matches("Proposal:").trim();
                bare.clone_into(&mut item.title);
            }
        }
        vec![item]
    }
}

impl OpenSpec {
    /// What a delta wants, and what of it is not as it should be.
    fn deltas(&self, item: &mut LaidItem, text: &Text<'_>) {
        let mut kind = None;
        let mut open: Option<Open> = None;
        for line in lines(text).filter(|it| !it.hidden) {
            match heading(line.text) {
                Some((2, words)) => {
                    close(item, text, open.take());
                    let word = words.split(' ').next().unwrap_or_default().to_owned();
                    let known = ["ADDED", "MODIFIED", "REMOVED", "RENAMED"].contains(&word.as_str());
                    kind = known.then_some(word);
                }
                Some((3, words)) => {
                    close(item, text, open.take());
                    let name = words.strip_prefix("Requirement:").map(str::trim);
                    if let (Some(kind), Some(name)) = (&kind, name) {
                        item.requirements.push(Requirement {
                            id: name.to_owned(),
                            text: format!("{} in {}", kind.to_lowercase(), text.path),
                            line: line.number,
                        });
                        open = Some(Open {
                            name: name.to_owned(),
                            kind: kind.clone(),
                            at: line.span.from,
                            shall: false,
                            scenario: false,
                            reason: false,
                        });
                    }
                }
                Some((4, _)) => {
                    if let Some(open) = &mut open {
                        open.scenario = true;
                    }
                }
                _ => {
                    if let Some(open) = &mut open {
                        open.shall |= line.text.contains("SHALL") || line.text.contains("MUST");
                        open.reason |= line.text.to_ascii_lowercase().contains("reason");
                    }
                }
            }
        }
        close(item, text, open);
    }
}

/// A requirement that is being read.
struct Open {
    name: String,
    kind: String,
    at: usize,
    shall: bool,
    scenario: bool,
    reason: bool,
}

fn close(item: &mut LaidItem, text: &Text<'_>, open: Option<Open>) {
    let Some(open) = open else { return };
    let mut say = |says: &str| {
        let says = format!("requirement '{}' {says}", open.name);
        item.diagnostics.push(text.diagnostic(open.at, &says, true));
    };
    match open.kind.as_str() {
        "ADDED" | "MODIFIED" => {
            if !open.shall {
                say("has no SHALL or MUST: say in one sentence what must hold");
            }
            if !open.scenario {
                say("has no scenario: add '#### Scenario: name' with WHEN and THEN below it");
            }
        }
        "REMOVED" if !open.reason => say("is removed without a reason: add **Reason** and **Migration**"),
        _ => {}
    }
}
