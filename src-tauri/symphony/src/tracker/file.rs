//! A tracker without a service: a folder with one file per issue, or one file with a list of them. YAML, JSON, or Markdown
//! with front matter and the description below it; the format stands in `docs/file.md`. A person or an agent moves an issue
//! by editing its file. Refuses to write, and to follow a name out of the folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Page, Reading, Tracker, TrackerError, invalid};
use crate::issue::{labels, same_state};
use crate::workflow::{Env, TrackerSettings, WorkflowError};
use crate::{Blocker, Issue};

/// A file that is longer than this is no issue.
const LONGEST: u64 = 4 << 20;

/// A record with the name of its file, or why there is none.
pub(super) type Record = Result<(Value, String), String>;

/// Issues in files.
#[derive(Debug)]
pub struct FileTracker {
    path: PathBuf,
}

impl FileTracker {
    /// Below a folder, or in a file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    async fn read(&self) -> Result<Vec<Record>, TrackerError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        read.map_err(|error| TrackerError::Request(error.to_string()))?
    }
}

impl Tracker for FileTracker {
    fn by_states<'a>(&'a self, states: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            if states.is_empty() {
                return Ok(Page::default());
            }
            let mut page = Page::default();
            let mut seen = BTreeSet::new();
            for record in self.read().await? {
                match record.and_then(|(value, name)| issue(&value, &name)) {
                    Ok(issue) if !seen.insert(issue.id.clone()) => {
                        page.dropped.push(format!("the id '{}' is there twice", issue.id));
                    }
                    Ok(issue) if states.iter().any(|it| same_state(it, &issue.state)) => {
                        page.issues.push(issue)
                    }
                    Ok(_) => {}
                    Err(says) => page.dropped.push(says),
                }
            }
            Ok(page)
        })
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Reading<'a> {
        Box::pin(async move {
            if ids.is_empty() {
                return Ok(Page::default());
            }
            let mut page = Page::default();
            let mut unread = None;
            for record in self.read().await? {
                let (value, name) = match record {
                    Ok(record) => record,
                    Err(says) => {
                        unread.get_or_insert_with(|| says.clone());
                        page.dropped.push(says);
                        continue;
                    }
                };
                let id = text(&value, "id").unwrap_or_else(|| identifier(&value, &name));
                if ids.contains(&id) && !page.issues.iter().any(|it| it.id == id) {
                    page.issues.push(issue(&value, &name).map_err(TrackerError::Response)?);
                }
            }
            // What cannot be read may be one that was asked for; only if all of them were found, it is none.
            let all = ids.iter().all(|id| page.issues.iter().any(|it| it.id == *id));
            match unread.filter(|_| !all) {
                Some(says) => Err(TrackerError::Response(says)),
                None => Ok(page),
            }
        })
    }
}

/// The path below `provider.path`.
pub(super) fn path(
    settings: &TrackerSettings,
    folder: &Path,
    env: Env<'_>,
) -> Result<PathBuf, WorkflowError> {
    match settings.provider.get("path") {
        Some(Value::String(written)) if !written.trim().is_empty() => {
            crate::workflow::resolve_path("tracker.provider.path", written, folder, env)
        }
        Some(other) => Err(invalid("path", format!("is {other}, and has to be a path"))),
        None => Err(invalid("path", "is missing; name a folder of issues, or a file with a list of them")),
    }
}

/// Every record below a path with the name of its file; those that cannot be read are words.
fn read(path: &Path) -> Result<Vec<Record>, TrackerError> {
    let unreachable =
        |error: std::io::Error| TrackerError::Request(format!("{} cannot be read: {error}", path.display()));
    if std::fs::metadata(path).map_err(unreachable)?.is_file() {
        let value = parse(path).map_err(TrackerError::Response)?;
        return records(&value, &stem(path)).map_err(TrackerError::Response);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreachable)? {
        let file = entry.map_err(unreachable)?;
        let path = file.path();
        let known = path.extension().and_then(|it| it.to_str());
        let hidden = file.file_name().to_string_lossy().starts_with('.');
        // Links are not followed: they may lead anywhere.
        let plain = file.file_type().is_ok_and(|it| it.is_file());
        if !hidden && plain && matches!(known, Some("json" | "yaml" | "yml" | "md")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files.iter().map(|path| Ok((parse(path)?, stem(path)))).collect())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn parse(path: &Path) -> Result<Value, String> {
    let says = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let size = std::fs::metadata(path).map_err(|error| says(&error))?.len();
    if size > LONGEST {
        return Err(says(&format!("is {size} bytes long; an issue has at most {LONGEST}")));
    }
    let content = std::fs::read_to_string(path).map_err(|error| says(&error))?;
    match path.extension().and_then(|it| it.to_str()) {
        Some("json") => serde_json::from_str(&content).map_err(|error| says(&error)),
        Some("md") => {
            let parts = crate::workflow::split(path, &content).map_err(|error| error.to_string())?;
            let mut map = parts.config;
            if !parts.prompt.is_empty() {
                map.entry("description").or_insert(Value::String(parts.prompt));
            }
            Ok(Value::Object(map))
        }
        _ => serde_saphyr::from_str(&content).map_err(|error| says(&error)),
    }
}

/// The records of one file with many: a list, or a map with `issues`.
pub(super) fn records(value: &Value, name: &str) -> Result<Vec<Record>, String> {
    let list = match value {
        Value::Array(list) => list,
        Value::Object(map) => match map.get("issues") {
            Some(Value::Array(list)) => list,
            _ => return Ok(vec![Ok((value.clone(), name.to_owned()))]),
        },
        _ => return Err(format!("{name} has to be a list of issues, or a map with `issues`")),
    };
    Ok(list.iter().map(|it| Ok((it.clone(), String::new()))).collect())
}

fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|it| !it.is_empty()),
        // YAML makes numbers of what people mean as names.
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn identifier(value: &Value, name: &str) -> String {
    text(value, "identifier").unwrap_or_else(|| name.to_owned())
}

fn time(value: &Value, key: &str) -> Option<jiff::Timestamp> {
    text(value, key)?.parse().ok()
}

/// A record as an issue. What is optional and cannot be understood is left out, the issue is not.
pub(super) fn issue(value: &Value, name: &str) -> Result<Issue, String> {
    let identifier = identifier(value, name);
    let shown = identifier.clone();
    let missing = |key: &str| format!("an issue '{shown}' has no {key}");
    let blockers = value.get("blocked_by").and_then(Value::as_array).into_iter().flatten();
    let blocked_by: Vec<Blocker> = blockers
        .filter_map(|it| match it {
            Value::String(key) => Some(Blocker { identifier: Some(key.clone()), ..Blocker::default() }),
            Value::Object(_) => serde_json::from_value(it.clone()).ok(),
            _ => None,
        })
        .collect();
    let listed = value.get("labels").and_then(Value::as_array).into_iter().flatten();
    let issue = Issue {
        id: text(value, "id").unwrap_or_else(|| identifier.clone()),
        native_ref: value.get("native_ref").filter(|it| it.is_object()).cloned(),
        title: text(value, "title").ok_or_else(|| missing("title"))?,
        description: text(value, "description"),
        priority: value.get("priority").and_then(Value::as_i64),
        state: text(value, "state").ok_or_else(|| missing("state"))?,
        branch_name: text(value, "branch_name"),
        url: text(value, "url"),
        assignee_id: text(value, "assignee_id"),
        labels: labels(listed.filter_map(Value::as_str)),
        blocked_by,
        dispatchable: match value.get("dispatchable") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(yes)) => *yes,
            Some(other) => {
                return Err(format!("an issue '{shown}': dispatchable is {other}, not true or false"));
            }
        },
        created_at: time(value, "created_at"),
        updated_at: time(value, "updated_at"),
        identifier,
    };
    if issue.is_whole() { Ok(issue) } else { Err(missing("id")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, FileTracker) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let tracker = FileTracker::new(folder.path().to_owned());
        (folder, tracker)
    }

    fn states(all: &[&str]) -> Vec<String> {
        all.iter().map(|it| (*it).to_owned()).collect()
    }

    #[tokio::test]
    async fn issues_are_read_from_yaml_json_and_markdown() {
        let (_folder, tracker) = folder(&[
            ("A-1.md", "---\ntitle: One\nstate: Todo\nlabels: [Bug, bug]\n---\nDo it well.\n"),
            ("A-2.yaml", "id: 77\ntitle: Two\nstate: In Progress\npriority: 2\nblocked_by: [A-1]\n"),
            ("A-3.json", r#"{"title": "Three", "state": "Done"}"#),
            (".hidden.yaml", "title: no"),
            ("notes.txt", "no issue"),
        ]);
        let page = tracker.by_states(&states(&["todo", "in progress"])).await.unwrap();
        let [one, two] = &page.issues[..] else { panic!("{page:?}") };
        assert_eq!((one.id.as_str(), one.description.as_deref()), ("A-1", Some("Do it well.")));
        assert_eq!(one.labels, ["bug"]);
        assert_eq!((two.id.as_str(), two.identifier.as_str(), two.priority), ("77", "A-2", Some(2)));
        assert_eq!(two.blocked_by[0].identifier.as_deref(), Some("A-1"));
        assert!(one.dispatchable);
    }

    #[tokio::test]
    async fn row_3_6_bad_optional_values_become_nothing_and_keep_the_record() {
        let (_folder, tracker) = folder(&[(
            "A-1.yaml",
            "title: One\nstate: Todo\npriority: high\nlabels: 7\nblocked_by: soon\ncreated_at: yesterday\n",
        )]);
        let page = tracker.by_states(&states(&["Todo"])).await.unwrap();
        let issue = &page.issues[0];
        assert_eq!((issue.priority, issue.created_at), (None, None));
        assert!(issue.labels.is_empty() && issue.blocked_by.is_empty());
    }

    #[tokio::test]
    async fn row_3_7_a_malformed_record_is_left_out_of_a_state_read_and_fails_a_refresh() {
        let (_folder, tracker) =
            folder(&[("A-1.yaml", "state: Todo\n"), ("A-2.yaml", "title: Two\nstate: Todo\n")]);
        let page = tracker.by_states(&states(&["Todo"])).await.unwrap();
        assert_eq!(page.issues.len(), 1);
        assert!(page.dropped[0].contains("'A-1' has no title"), "{:?}", page.dropped);
        let error = tracker.by_ids(&states(&["A-1"])).await.unwrap_err();
        assert_eq!(error.code(), "tracker_response");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_fails_a_refresh_only_where_it_may_be_the_one_asked_for() {
        let (_folder, tracker) =
            folder(&[("A-1.yaml", "title: [half"), ("A-2.yaml", "title: Two\nstate: Todo\n")]);
        let page = tracker.by_ids(&states(&["A-2"])).await.unwrap();
        assert_eq!((page.issues.len(), page.dropped.len()), (1, 1), "{page:?}");
        for asked in [&["A-1"][..], &["A-1", "A-2"]] {
            assert_eq!(tracker.by_ids(&states(asked)).await.unwrap_err().code(), "tracker_response");
        }
    }

    #[tokio::test]
    async fn row_3_8_a_refresh_by_id_gives_whole_issues() {
        let (folder, _) = folder(&[(
            "all.json",
            r#"[{"id": "x", "identifier": "A-1", "title": "One", "state": "Nowhere"}]"#,
        )]);
        let path = folder.path().join("all.json");
        let tracker = FileTracker::new(path.clone());
        let page = tracker.by_ids(&states(&["x", "y"])).await.unwrap();
        assert_eq!(page.issues.len(), 1, "what cannot be seen is left out");
        assert_eq!((page.issues[0].title.as_str(), page.issues[0].state.as_str()), ("One", "Nowhere"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(tracker.by_ids(&states(&["x"])).await.unwrap_err().code(), "tracker_request");
    }

    #[tokio::test]
    async fn row_3_10_whether_an_issue_may_be_worked_is_said_in_words() {
        let (_folder, tracker) = folder(&[("A-1.yaml", "title: One\nstate: Todo\ndispatchable: false\n")]);
        let page = tracker.by_states(&states(&["Todo"])).await.unwrap();
        assert!(!page.issues[0].dispatchable, "it is read all the same; the scheduler leaves it alone");
    }

    #[tokio::test]
    async fn row_3_9_a_providers_own_reference_is_kept() {
        let (_folder, tracker) = folder(&[("A-1.yaml", "title: One\nstate: Todo\nnative_ref: {page: 9}\n")]);
        let page = tracker.by_ids(&states(&["A-1"])).await.unwrap();
        assert_eq!(page.issues[0].native_ref, Some(json!({"page": 9})));
    }
}
