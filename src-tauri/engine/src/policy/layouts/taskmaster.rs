//! task-master: `.taskmaster/tasks/tasks.json`, an item for each tag.
//!
//! Refuses to write: its own command line does that, and is named.

use pilothouse_contract::TaskId;
use pilothouse_contract::layout::{Boxes, LaidItem, LaidTask, Layout, Mark, Span};
use pilothouse_contract::spec::{TaskSpec, Verify};

use super::edit::{Edit, Fresh};
use super::json::{Node, Value, read};
use super::{Adapter, Files, Found, Text, Tree, hash, part, text_of};

const FILE: &str = ".taskmaster/tasks/tasks.json";
const OLDER: &str = "tasks/tasks.json";

pub(super) struct TaskMaster;

impl Adapter for TaskMaster {
    fn owns(&self, layout: Layout) -> bool {
        layout == Layout::TaskMaster
    }

    fn detect(&self, tree: &Tree) -> Vec<Found> {
        let path = [FILE, OLDER].into_iter().find(|it| tree.contains(*it));
        let found = |path: &str| Found::new(Layout::TaskMaster, "task-master", path, vec![path.to_owned()]);
        path.map(found).into_iter().collect()
    }

    fn read(&self, found: &Found, files: &Files) -> Vec<LaidItem> {
        let mut whole = LaidItem::new(Layout::TaskMaster, &found.name, &found.path);
        let Some(text) = text_of(&mut whole, files, &found.path) else { return vec![whole] };
        let node = match read(&text) {
            Ok(node) => node,
            Err(bad) => {
                whole.diagnostics.push(bad.diagnostic(&text));
                return vec![whole];
            }
        };
        // Older files have no tags.
        let tags: Vec<(&str, &Node)> = match (&node.value, node.get("tasks")) {
            (_, Some(Node { value: Value::List(_), .. })) => vec![("master", &node)],
            (Value::Map(all), _) => all.iter().map(|(tag, it)| (tag.as_str(), it)).collect(),
            _ => Vec::new(),
        };
        let mut items = Vec::new();
        for (tag, node) in tags {
            let Some(tasks) = node.get("tasks") else { continue };
            let mut item = LaidItem::new(Layout::TaskMaster, tag, &found.path);
            item.files.push(found.path.clone());
            for task in tasks.list() {
                add(&mut item, &text, task, None);
            }
            let done = item.tasks.iter().filter(|it| it.spec.done).count();
            item.boxes = Boxes { done, total: item.tasks.len() };
            items.push(item);
        }
        if items.is_empty() {
            let says = "has no tag with tasks: task-master init makes one";
            whole.diagnostics.push(text.diagnostic(node.span.from, says, false));
            items.push(whole);
        }
        items
    }

    fn done(&self, task: &LaidTask, _text: &str, _commit: Option<&str>) -> Result<Vec<Edit>, String> {
        Err(format!(
            "task-master keeps its own file: run task-master set-status --id={} --status=done",
            task.spec.id
        ))
    }

    fn meta(&self, _key: &str, _value: &str) -> Result<String, String> {
        Err("task-master keeps its own file: run task-master update-task".to_owned())
    }

    fn added(&self, _: &LaidItem, _: &str, _: &[Fresh], _: &str) -> Result<String, String> {
        Err("task-master keeps its own file: run task-master add-task".to_owned())
    }
}

fn state(word: &str) -> Option<Mark> {
    Some(match word {
        "pending" => Mark::Open,
        "in-progress" => Mark::Working,
        "done" | "completed" => Mark::Done,
        "review" => Mark::Review,
        "deferred" => Mark::Deferred,
        "cancelled" => Mark::Cancelled,
        "blocked" => Mark::Blocked,
        _ => return None,
    })
}

/// Adds a task and its parts.
fn add(item: &mut LaidItem, text: &Text<'_>, node: &Node, parent: Option<&TaskId>) {
    let path = item.path.clone();
    let mut say = |at: usize, says: &str| {
        item.diagnostics.push(text.diagnostic(at, says, true));
    };
    let Some(own) = node.get("id").and_then(Node::words) else {
        say(node.span.from, "is a task without an id: task-master validate-dependencies names such");
        return;
    };
    let whole = |id: &str| match parent {
        Some(parent) if !id.contains('.') => TaskId(format!("{parent}.{id}")),
        _ => TaskId(id.to_owned()),
    };
    let id = whole(own);
    let status = node.get("status");
    let word = status.and_then(Node::words).unwrap_or("pending");
    let state = state(word).unwrap_or_else(|| {
        say(status.map_or(node.span.from, |it| it.span.from), "is a status that task-master does not have");
        Mark::Partial
    });
    let named = node.get("dependencies").map(Node::list).unwrap_or_default();
    let depends = named.iter().filter_map(Node::words).map(whole).collect();
    let words = |key: &str| node.get(key).and_then(Node::words).unwrap_or_default().to_owned();
    let strategy = words("testStrategy");
    let commands: Vec<String> = strategy.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let mut other = Vec::new();
    for (key, value) in [("priority", words("priority")), ("test strategy", strategy)] {
        if !value.is_empty() {
            other.push((key.to_owned(), value));
        }
    }
    let parts = node.get("subtasks").map(Node::list).unwrap_or_default();
    // Parts are read after the task, and stand within it.
    let span = node.span;
    item.tasks.push(LaidTask {
        spec: TaskSpec {
            id: id.clone(),
            title: words("title"),
            line: text.place(span.from).0,
            done: state == Mark::Done,
            partial: matches!(state, Mark::Partial | Mark::Deferred | Mark::Cancelled),
            verify: if commands.is_empty() { Verify::Unsaid } else { Verify::Commands(commands) },
            depends: Some(depends),
            other,
            ..TaskSpec::default()
        },
        state,
        file: path.clone(),
        span,
        row: span,
        mark: status.map_or(Span { from: span.from, to: span.from }, |it| it.span),
        hash: hash(part(text, span)),
        parent: parent.cloned(),
        holds: !parts.is_empty(),
        ..LaidTask::default()
    });
    if parent.is_none() {
        for it in parts {
            add(item, text, it, Some(&id));
        }
    }
}
