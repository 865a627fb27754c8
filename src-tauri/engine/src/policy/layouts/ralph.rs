//! A Ralph loop's `prd.json`: stories with `passes`, worked by priority.
//!
//! Refuses to write anything of it but the word behind `passes`.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Boxes, LaidItem, LaidTask, Layout, Mark, Span};
use pilothouse_contract::spec::TaskSpec;

use super::edit::{Edit, Fresh};
use super::json::{Node, Value, read};
use super::{Adapter, Files, Found, Tree, hash, part, text_of};

pub(super) struct Ralph;

impl Adapter for Ralph {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::Ralph
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let named = |it: &&String| *it == "prd.json" || it.ends_with("/prd.json");
        let found = |path: &String| {
            let name = path.strip_suffix("/prd.json").unwrap_or("prd");
            Found::new(Layout::Ralph, name, path, vec![path.clone()])
        };
        tree.iter().filter(named).map(found).collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut item = LaidItem::new(Layout::Ralph, &found.name, &found.path);
        let Some(text) = text_of(&mut item, files, &found.path) else { return vec![item] };
        let node = match read(&text) {
            Ok(node) => node,
            Err(bad) => {
                item.diagnostics.push(bad.diagnostic(&text));
                return vec![item];
            }
        };
        for key in ["project", "branchName"] {
            if let Some(title) = node.get(key).and_then(Node::text) {
                title.clone_into(&mut item.title);
                break;
            }
        }
        let Some(stories) = node.get("userStories") else {
            let says = "has no userStories: a list of stories with id, title, priority and passes";
            item.diagnostics.push(text.diagnostic(node.span.from, says, true));
            return vec![item];
        };
        let mut tasks: Vec<(f64, LaidTask)> = Vec::new();
        for story in stories.list() {
            let mut say = |at: usize, says: &str| {
                item.diagnostics.push(text.diagnostic(at, says, true));
            };
            let Some(id) = story.get("id").and_then(Node::words) else {
                say(story.span.from, "is a story without an id: give it one that no other has");
                continue;
            };
            let passes = story.get("passes");
            let Some(Node { value: Value::Flag(done), span: mark }) = passes else {
                let at = passes.map_or(story.span.from, |it| it.span.from);
                say(at, "passes must be true or false: write false if it is to be worked");
                continue;
            };
            let words = |key: &str| story.get(key).and_then(Node::words).unwrap_or_default().to_owned();
            let criteria = story.get("acceptanceCriteria").map(Node::list).unwrap_or_default();
            let criteria = criteria.iter().filter_map(Node::text);
            let begins = text.get(..mark.from).and_then(|it| it.rfind('\n')).map_or(0, |it| it + 1);
            let ends = text.get(mark.to..).and_then(|it| it.find('\n')).map_or(text.len(), |it| mark.to + it);
            let row = Span { from: begins, to: ends };
            tasks.push((
                words("priority").parse().unwrap_or(f64::MAX),
                LaidTask {
                    spec: TaskSpec {
                        id: TaskId(id.to_owned()),
                        title: words("title"),
                        line: text.place(story.span.from).0,
                        done: *done,
                        other: criteria.map(|it| ("accepts".to_owned(), it.to_owned())).collect(),
                        ..TaskSpec::default()
                    },
                    state: if *done { Mark::Done } else { Mark::Open },
                    file: found.path.clone(),
                    span: story.span,
                    row,
                    mark: *mark,
                    // Of the story: a line that says passes is like any other such.
                    hash: hash(part(&text, story.span)),
                    ..LaidTask::default()
                },
            ));
        }
        // The loop takes the lowest number first.
        tasks.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        item.tasks = tasks.into_iter().map(|(_, it)| it).collect();
        let done = item.tasks.iter().filter(|it| it.spec.done).count();
        item.boxes = Boxes { done, total: item.tasks.len() };
        vec![item]
    }

    fn done(&self, task: &LaidTask, _text: &str, _commit: Option<&str>) -> Result<Vec<Edit>, String> {
        Ok(vec![Edit { at: task.mark, with: "true".to_owned() }])
    }

    fn meta(&self, _key: &str, _value: &str) -> Result<String, String> {
        Err("stories of a prd.json have no room for it: write it into a tasks.scope.md beside it".to_owned())
    }

    fn added(&self, _: &LaidItem, _: &str, _: &[Fresh], _: &str) -> Result<String, String> {
        Err("stories are added by who keeps the prd.json".to_owned())
    }
}
