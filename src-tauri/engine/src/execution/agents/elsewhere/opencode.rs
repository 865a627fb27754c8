//! Sessions of opencode: rows of one database, which whoever has the database hands over as lines of JSON. One program may serve
//! sessions of any folder, and none notes which it is at.
//!
//! Read from the database of opencode 1.18.33. It opens no file.

use std::path::PathBuf;

use pilothouse_contract::At;
use pilothouse_contract::trajectory::{StepKind, Tokens};
use serde::Deserialize;
use serde_json::Value;

use super::super::LineRead;
use super::super::said::{count, hash, saying, text_at};
use super::running::Look;
use super::{Grounds, Head, Log, Program, Runs, Steps, is_id};

/// What the database says of a session.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Row {
    id: String,
    directory: String,
    /// What it was asked first, or what it is called.
    asked: Option<String>,
    created: i64,
    updated: i64,
    /// So much was said in it.
    bytes: Option<u64>,
}

pub(super) struct Opencode;

impl Program for Opencode {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn logs(&self, grounds: &Grounds) -> Vec<Log> {
        let rows = grounds.opencode.iter().filter_map(|it| serde_json::from_str::<Row>(it).ok());
        let log = |row: Row| Log {
            file: grounds.homes.opencode.clone(),
            bytes: row.bytes.unwrap_or_default(),
            written: At(row.updated),
            says: Some(row),
        };
        rows.map(log).collect()
    }

    fn head(&self, _: &Grounds, log: &Log) -> Option<Head> {
        let row = log.says.clone()?;
        Some(Head {
            native: row.id,
            cwd: PathBuf::from(row.directory),
            title: row.asked,
            began: Some(At(row.created)),
        })
    }

    fn runs(&self, _: &Log, head: &Head, look: &Look) -> Runs {
        let all = match look.of_program("opencode") {
            Ok(all) => all,
            Err(why) => return Runs::Unsure(why),
        };
        let mut may_be = None;
        for it in all {
            if it.is_asked(&head.native) {
                return Runs::In(it.pid, None);
            }
            let serves = ["serve", "web", "acp"].into_iter().any(|word| it.is_asked(word));
            may_be = may_be.or((serves || it.cwd == head.cwd).then_some((it.pid, serves)));
        }
        match may_be {
            None => Runs::No,
            Some((pid, true)) => Runs::Unsure(format!("process {pid} serves sessions, and may be at it")),
            Some((pid, false)) => {
                Runs::Unsure(format!("process {pid} works in its folder, and may be at it"))
            }
        }
    }
}

/// Whose session a row is, how much was said in it and when last.
pub(super) fn about(row: &str) -> Option<(super::archive::About, u64, At)> {
    let row: Row = serde_json::from_str(row).ok()?;
    let about = super::archive::About {
        agent: "opencode",
        native: row.id,
        cwd: PathBuf::from(row.directory),
        title: super::archive::headed(&row.asked.unwrap_or_default()),
        began: Some(At(row.created)),
    };
    is_id(&about.native).then(|| (about, row.bytes.unwrap_or_default(), At(row.updated)))
}

/// What a session says: each row a part of a message, with that message.
#[must_use]
pub(crate) fn steps(rows: &[String]) -> Steps {
    let mut all = Steps::default();
    rows.iter().for_each(|it| all.take(read_row(it)));
    all
}

fn read_row(row: &str) -> LineRead {
    let row: Value = serde_json::from_str(row).ok().filter(Value::is_object)?;
    let id = text_at(&row, "/id");
    let at = row.get("at").and_then(Value::as_i64).map(At);
    let text = || text_at(&row, "/part/text").to_owned();
    let steps = match (text_at(&row, "/part/type"), text_at(&row, "/message/role")) {
        // What the program adds to what a person asked is marked.
        ("text", "user") if row.pointer("/part/synthetic") == Some(&Value::Bool(true)) => Vec::new(),
        ("text", "user") => vec![(id.to_owned(), StepKind::Prompt { text: text() })],
        ("text", _) => vec![(id.to_owned(), StepKind::Message { text: text() })],
        ("reasoning", _) if text().trim().is_empty() => Vec::new(),
        ("reasoning", _) => vec![(id.to_owned(), StepKind::Reasoning { text: text() })],
        ("tool", _) => tool(&row),
        ("step-finish", _) => vec![(format!("tokens:{id}"), tokens(&row))],
        ("step-start" | "snapshot" | "patch", _) => Vec::new(),
        // A message without a part, which is there if it came to nothing.
        ("", _) => match text_at(&row, "/message/error/data/message") {
            "" => Vec::new(),
            error => vec![(id.to_owned(), StepKind::Error { text: error.to_owned() })],
        },
        (name, _) => vec![(id.to_owned(), StepKind::Unread { name: name.to_owned() })],
    };
    Some(steps.into_iter().map(|(native, kind)| (native, at, kind)).collect())
}

fn tool(row: &Value) -> Vec<(String, StepKind)> {
    let call = text_at(row, "/part/callID").to_owned();
    let with = row.pointer("/part/state/input");
    let kind = StepKind::Call {
        call: call.clone(),
        tool: text_at(row, "/part/tool").to_owned(),
        says: saying(with),
        input: with.map(|it| hash(&it.to_string())).unwrap_or_default(),
    };
    let mut steps = vec![(format!("call:{call}"), kind)];
    let came = match text_at(row, "/part/state/status") {
        "completed" => {
            let code = row.pointer("/part/state/metadata/exit").and_then(Value::as_i64);
            Some((code.is_some_and(|it| it != 0), text_at(row, "/part/state/output")))
        }
        "error" => Some((true, text_at(row, "/part/state/error"))),
        // It is not answered yet.
        _ => None,
    };
    if let Some((failed, text)) = came {
        let text = text.to_owned();
        steps.push((format!("result:{call}"), StepKind::Result { call, failed, text }));
    }
    steps
}

fn tokens(row: &Value) -> StepKind {
    StepKind::Tokens {
        model: text_at(row, "/message/modelID").to_owned(),
        tokens: Tokens {
            input: count(row, "/part/tokens/input"),
            cached: count(row, "/part/tokens/cache/read"),
            cache_write: count(row, "/part/tokens/cache/write"),
            output: count(row, "/part/tokens/output").saturating_add(count(row, "/part/tokens/reasoning")),
            ..Tokens::default()
        },
    }
}
