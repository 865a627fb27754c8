//! Sessions of Gemini CLI: a log each, below a folder with a name that a list gives to the folder that they were started in. The
//! program opens its log for each line anew and notes no process, so of one that stands in that folder nobody knows which
//! session it is at.
//!
//! Read from the logs of Gemini CLI 0.61.0.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use pilothouse_contract::trajectory::{StepKind, Tokens};
use serde_json::Value;

use super::super::LineRead;
use super::super::said::{count, fingerprint, hash, saying, text_at, time};
use super::running::Look;
use super::{Grounds, HEAD, Head, Log, Program, Runs, asked, entries, first_lines, logs_in, open};

pub(super) struct Gemini;

impl Program for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn logs(&self, grounds: &Grounds) -> Vec<Log> {
        let named = names(&grounds.homes.gemini);
        let mine = entries(&grounds.homes.gemini.join("tmp"))
            .filter(|folder| started_in(&named, folder).is_some_and(|it| grounds.project_of(&it).is_some()));
        let logs = mine.flat_map(|it| logs_in(&it.join("chats")));
        logs.filter_map(Log::of).collect()
    }

    fn head(&self, grounds: &Grounds, log: &Log) -> Option<Head> {
        let mut lines = first_lines(&log.file);
        let first: Value = serde_json::from_str(&lines.next()?).ok()?;
        // Who works for another session is no session that a person has.
        if !matches!(text_at(&first, "/kind"), "main" | "") {
            return None;
        }
        let folder = log.file.parent().and_then(Path::parent)?;
        Some(Head {
            native: text_at(&first, "/sessionId").to_owned(),
            cwd: started_in(&names(&grounds.homes.gemini), folder)?,
            title: lines.find_map(|line| asked(&read_line(&line))),
            began: time(&first, "/startTime"),
        })
    }

    fn runs(&self, _: &Log, head: &Head, look: &Look) -> Runs {
        let all = match look.of_program("gemini") {
            Ok(all) => all,
            Err(why) => return Runs::Unsure(why),
        };
        let mut here = None;
        for it in all {
            if it.is_asked(&head.native) {
                return Runs::In(it.pid, None);
            }
            here = here.or((it.cwd == head.cwd).then_some(it.pid));
        }
        here.map_or(Runs::No, |pid| {
            Runs::Unsure(format!("process {pid} works in its folder, and may be at it"))
        })
    }
}

/// Which folder has which name.
fn names(home: &Path) -> BTreeMap<String, PathBuf> {
    let list = open(&home.join("projects.json")).ok();
    let list =
        list.and_then(|it| serde_json::from_reader::<_, Value>(it.take(HEAD)).ok()).unwrap_or_default();
    let all = list.get("projects").and_then(Value::as_object);
    let named = all.into_iter().flatten();
    named.filter_map(|(folder, name)| Some((name.as_str()?.to_owned(), PathBuf::from(folder)))).collect()
}

/// Where the sessions were started whose logs lie in a folder; it may say so itself.
fn started_in(named: &BTreeMap<String, PathBuf>, folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_str()?;
    named.get(name).cloned().or_else(|| says_itself(folder))
}

/// Where they were started by what the folder itself says.
pub(super) fn says_itself(folder: &Path) -> Option<PathBuf> {
    let mut says = String::new();
    open(&folder.join(".project_root")).ok()?.take(HEAD).read_to_string(&mut says).ok()?;
    Some(PathBuf::from(says.trim()))
}

/// Reads one line. A message comes again once its calls were answered, and stands for itself then.
pub(super) fn read_line(line: &str) -> LineRead {
    if line.trim().is_empty() {
        return Some(Vec::new());
    }
    let record: Value = serde_json::from_str(line).ok().filter(Value::is_object)?;
    let at = time(&record, "/timestamp");
    let id = match text_at(&record, "/id") {
        "" => format!("line-{:016x}", fingerprint(line.trim())),
        id => id.to_owned(),
    };
    let steps = match text_at(&record, "/type") {
        "user" => {
            // What tools brought stands with their calls.
            let is_brought = |it: &Value| it.get("functionResponse").is_some();
            let parts = record.get("content").and_then(Value::as_array);
            let brought = parts.is_some_and(|it| it.iter().all(is_brought));
            let text = if brought { String::new() } else { words(record.get("content")) };
            if text.is_empty() { Vec::new() } else { vec![(id, StepKind::Prompt { text })] }
        }
        "gemini" => answer(&id, &record),
        "error" => vec![(id, StepKind::Error { text: words(record.get("content")) })],
        // The beginning of a log, and what it says of itself.
        "" if record.get("sessionId").is_some() || record.get("$set").is_some() => Vec::new(),
        name => {
            vec![(id, StepKind::Unread { name: if name.is_empty() { "nameless" } else { name }.to_owned() })]
        }
    };
    Some(steps.into_iter().map(|(native, kind)| (native, at, kind)).collect())
}

fn answer(id: &str, record: &Value) -> Vec<(String, StepKind)> {
    let mut steps = Vec::new();
    let list = |name: &str| record.get(name).and_then(Value::as_array).into_iter().flatten();
    let thoughts: Vec<String> = list("thoughts")
        .map(|it| [text_at(it, "/subject"), text_at(it, "/description")].join(" ").trim().to_owned())
        .collect();
    if !thoughts.is_empty() {
        steps.push((format!("{id}:thoughts"), StepKind::Reasoning { text: thoughts.join(" ") }));
    }
    let text = words(record.get("content"));
    if !text.is_empty() {
        steps.push((id.to_owned(), StepKind::Message { text }));
    }
    for it in list("toolCalls") {
        let call = text_at(it, "/id").to_owned();
        let with = it.get("args");
        let kind = StepKind::Call {
            call: call.clone(),
            tool: text_at(it, "/name").to_owned(),
            says: saying(with),
            input: with.map(|it| hash(&it.to_string())).unwrap_or_default(),
        };
        steps.push((format!("call:{call}"), kind));
        let failed = match text_at(it, "/status") {
            "success" => false,
            "error" | "cancelled" => true,
            // It is not answered yet.
            _ => continue,
        };
        let text = words(it.get("result"));
        steps.push((format!("result:{call}"), StepKind::Result { call, failed, text }));
    }
    if record.get("tokens").is_some_and(Value::is_object) {
        let cached = count(record, "/tokens/cached");
        let kind = StepKind::Tokens {
            model: text_at(record, "/model").to_owned(),
            tokens: Tokens {
                // What comes from the cache is counted in.
                input: count(record, "/tokens/input").saturating_sub(cached),
                cached,
                output: count(record, "/tokens/output").saturating_add(count(record, "/tokens/thoughts")),
                ..Tokens::default()
            },
        };
        steps.push((format!("tokens:{id}"), kind));
    }
    steps
}

/// What is text in what was said: a text, or parts of which some are texts, or what a tool brought.
fn words(content: Option<&Value>) -> String {
    let part = |it: &Value| {
        let brought = it.pointer("/functionResponse/response");
        let of = |name: &str| brought.and_then(|it| it.get(name)).and_then(Value::as_str);
        it.as_str()
            .or_else(|| it.get("text").and_then(Value::as_str))
            .or_else(|| of("output"))
            .or_else(|| of("error"))
            .unwrap_or_default()
            .to_owned()
    };
    match content {
        Some(Value::Array(parts)) => {
            parts.iter().map(part).filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n")
        }
        Some(other) => part(other),
        None => String::new(),
    }
}
