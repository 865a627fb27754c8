//! BMAD: a story a file, with `Status:` and boxes, and a ledger of all stories in `sprint-status.yaml`.
//!
//! Refuses to write: states move by BMAD's own words. Where story and ledger disagree it says so, and believes the story.

use std::collections::BTreeMap;

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{LaidItem, LaidTask, Layout};

use super::edit::{Edit, Fresh};
use super::{Adapter, Files, Found, Tree, inside, markdown, stem, text_of};
use crate::policy::specs::{Grammar, OURS, lines};

const GRAMMAR: Grammar<'static> = Grammar { ours: false, unnamed: true, ..OURS };
const FOLDERS: [&str; 2] = ["_bmad-output/implementation-artifacts/", "docs/stories/"];

pub(super) struct Bmad;

impl Adapter for Bmad {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::Bmad
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let story = |it: &&str| {
            let name = stem(it);
            it.ends_with(".md")
                && name.starts_with(|it: char| it.is_ascii_digit())
                && name.contains(['-', '.'])
        };
        FOLDERS
            .into_iter()
            .flat_map(|folder| {
                let ledger = format!("{folder}sprint-status.yaml");
                let ledger = tree.contains(&ledger).then_some(ledger);
                inside(tree, folder).filter(story).map(move |path| {
                    let wants = [path.to_owned()].into_iter().chain(ledger.clone()).collect();
                    Found::new(Layout::Bmad, stem(path), path, wants)
                })
            })
            .collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(Layout::Bmad, &found.name, &found.path);
        let Some(text) = text_of(&mut item, files, &found.path) else { return vec![item] };
        if let Some(title) = markdown::title(&text) {
            item.title = title;
        }
        let status = lines(&text).filter(|it| !it.hidden).find_map(|it| {
            let words = it.text.trim().trim_start_matches(['*', '#', ' ']);
            let word = words.strip_prefix("Status:")?.trim_matches(['*', ' ']).to_ascii_lowercase();
            Some((word, it.span.from))
        });
        item.stage = status.as_ref().map(|(word, _)| word.clone());
        markdown::lay(&mut item, &found.path, &text, GRAMMAR);
        name_parts(&mut item);
        let Some(ledger) = found.wants.get(1) else { return vec![item] };
        let Some(yaml) = text_of(&mut item, files, ledger) else { return vec![item] };
        match serde_saphyr::from_str::<Ledger>(&yaml) {
            Ok(it) => {
                let theirs = it.development_status.get(&found.name);
                if let (Some(theirs), Some((ours, at))) = (theirs, status)
                    && *theirs != ours
                {
                    let says = format!(
                        "the story says {ours} and {ledger} says {theirs}: bring both to the same word"
                    );
                    item.diagnostics.push(text.diagnostic(at, &says, false));
                }
            }
            Err(error) => {
                let at = error.location().map_or((0, 0), |it| (it.line(), it.column()));
                let says =
                    format!("is no ledger of BMAD: {}", error.to_string().lines().next().unwrap_or_default());
                let remark =
                    crate::policy::specs::remark(ledger, usize::try_from(at.0).unwrap_or(0), &says, false);
                let column = usize::try_from(at.1).unwrap_or(0);
                item.diagnostics.push(pilothouse_contract::layout::Diagnostic { remark, column });
            }
        }
        vec![item]
    }

    fn done(&self, _: &LaidTask, _: &str, _: Option<&str>) -> Result<Vec<Edit>, String> {
        Err("a story's boxes are its developer's, and its state moves by BMAD's own workflow".to_owned())
    }

    fn meta(&self, _key: &str, _value: &str) -> Result<String, String> {
        Err("a story is BMAD's to write".to_owned())
    }

    fn added(&self, _: &LaidItem, _: &str, _: &[Fresh], _: &str) -> Result<String, String> {
        Err("a story is BMAD's to write".to_owned())
    }
}

#[derive(Debug, serde::Deserialize)]
struct Ledger {
    #[serde(default)]
    development_status: BTreeMap<String, String>,
}

/// Boxes have no ids: they are numbered by their order, parts below what they are indented under.
fn name_parts(item: &mut LaidItem) {
    let (mut major, mut minor) = (0_usize, 0_usize);
    let mut upper: Option<usize> = None;
    let mut holds = Vec::new();
    for (place, task) in item.tasks.iter_mut().enumerate() {
        let nested = task.mark.from.saturating_sub(task.row.from) > 3;
        match upper.filter(|_| nested) {
            Some(upper) => {
                minor += 1;
                task.parent = Some(TaskId(format!("{major}")));
                task.spec.id = TaskId(format!("{major}.{minor}"));
                holds.push(upper);
            }
            None => {
                (major, minor) = (major + 1, 0);
                task.spec.id = TaskId(format!("{major}"));
                upper = Some(place);
            }
        }
        task.unnamed = true;
        // `Task 2: do it (AC: #1, #3)`.
        if let Some((title, criteria)) = task.spec.title.clone().rsplit_once("(AC:") {
            task.spec.title = title.trim().to_owned();
            let ids = criteria.trim_end_matches(')').split(',').map(|it| it.trim().trim_start_matches('#'));
            task.spec.covers = ids.filter(|it| !it.is_empty()).map(|it| format!("AC{it}")).collect();
        }
    }
    for place in holds {
        if let Some(task) = item.tasks.get_mut(place) {
            task.holds = true;
        }
    }
}
