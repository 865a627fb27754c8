//! Sessions of Codex: a log each, below a folder for each day. The program keeps the log of a session open as long as it runs.
//!
//! A log tells of a call twice: as the model asked for it, and as it was done. Where the second is there it stands for both.
//! Read from the logs of Codex 0.169.0; those of older versions lack the second, and their words are events of their own.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use pilothouse_contract::trajectory::{StepKind, Tokens};
use serde_json::Value;

use super::super::LineRead;
use super::super::said::{count, fingerprint, hash, saying, text_at, time};
use super::running::Look;
use super::{Grounds, Head, Log, Program, Runs, asked, entries, first_lines, logs_in};

/// Where a log lies does not say of what project it is, so each is opened; those that are older than so many others are not.
const LOGS_MAX: usize = 2000;

pub(super) struct Codex;

impl Program for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn logs(&self, grounds: &Grounds) -> Vec<Log> {
        // Years, months and days have names whose order is theirs.
        let below = |folders: Vec<PathBuf>| {
            let mut all: Vec<PathBuf> = folders.iter().flat_map(|it| entries(it)).collect();
            all.sort_by(|a, b| b.cmp(a));
            all
        };
        let days = below(below(below(vec![grounds.homes.codex.join("sessions")])));
        let is_log =
            |it: &PathBuf| it.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"rollout-"));
        days.iter().flat_map(|it| logs_in(it)).filter(is_log).filter_map(Log::of).take(LOGS_MAX).collect()
    }

    fn head(&self, grounds: &Grounds, log: &Log) -> Option<Head> {
        let mut lines = first_lines(&log.file);
        let first: Value = serde_json::from_str(&lines.next()?).ok()?;
        // Who works for another session is no session that a person has.
        let is_part = first.pointer("/payload/source").is_some_and(Value::is_object);
        if text_at(&first, "/type") != "session_meta" || is_part {
            return None;
        }
        let mut head = Head {
            native: text_at(&first, "/payload/id").to_owned(),
            cwd: PathBuf::from(text_at(&first, "/payload/cwd")),
            title: None,
            began: time(&first, "/timestamp"),
        };
        // Most are of other projects.
        grounds.project_of(&head.cwd)?;
        let mut reader = Reader::default();
        head.title = lines.find_map(|line| asked(&reader.line(&line)));
        Some(head)
    }

    fn runs(&self, log: &Log, _: &Head, look: &Look) -> Runs {
        match look.writer_of(&log.file) {
            Ok(Some(process)) => Runs::In(process, None),
            Ok(None) => Runs::No,
            Err(why) => Runs::Unsure(why),
        }
    }
}

/// Which calls a log tells of as they were done.
pub(super) fn done(lines: impl Iterator<Item = io::Result<String>>) -> HashSet<String> {
    let id = |line: io::Result<String>| {
        let line = line.ok().filter(|it| it.contains("\"item_completed\""))?;
        let record: Value = serde_json::from_str(&line).ok()?;
        Some(text_at(&record, "/payload/item/id").to_owned())
    };
    lines.filter_map(id).collect()
}

/// Reads lines one after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Calls that are told of as they were done.
    done: HashSet<String>,
    /// The model that answers now.
    model: String,
}

impl Reader {
    /// One that knows which calls are told of as they were done.
    pub(super) fn knowing(done: HashSet<String>) -> Self {
        Self { done, model: String::new() }
    }

    pub(super) fn line(&mut self, line: &str) -> LineRead {
        if line.trim().is_empty() {
            return Some(Vec::new());
        }
        let record: Value = serde_json::from_str(line).ok().filter(Value::is_object)?;
        let at = time(&record, "/timestamp");
        let null = Value::Null;
        let said = record.get("payload").unwrap_or(&null);
        let own = || format!("line-{:016x}", fingerprint(line.trim()));
        let steps = match text_at(&record, "/type") {
            "event_msg" => event(said, own),
            "response_item" => self.asked_for(said, own),
            "turn_context" => {
                text_at(said, "/model").clone_into(&mut self.model);
                Vec::new()
            }
            "token_usage_record" => vec![self.tokens(said, own)],
            // What it began with, and what it knew.
            "session_meta" | "world_state" => Vec::new(),
            name => vec![unread(own(), name)],
        };
        Some(steps.into_iter().map(|(native, kind)| (native, at, kind)).collect())
    }

    /// What the model was given and asked for: only calls that nothing tells of as done.
    fn asked_for(&self, said: &Value, own: impl Fn() -> String) -> Vec<(String, StepKind)> {
        let call = text_at(said, "/call_id");
        match text_at(said, "/type") {
            // Told of as events.
            "message" | "reasoning" => Vec::new(),
            "function_call" | "custom_tool_call" | "function_call_output" | "custom_tool_call_output"
                if self.done.contains(call) =>
            {
                Vec::new()
            }
            "function_call" => {
                let with = text_at(said, "/arguments");
                let parsed = serde_json::from_str(with).unwrap_or_else(|_| Value::from(with));
                vec![called(call, text_at(said, "/name"), &parsed)]
            }
            "custom_tool_call" => {
                let with = said.get("input").cloned().unwrap_or_default();
                vec![called(call, text_at(said, "/name"), &with)]
            }
            "function_call_output" | "custom_tool_call_output" => {
                let text = match said.get("output") {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Array(parts)) => {
                        parts.iter().map(|it| text_at(it, "/text")).collect::<Vec<_>>().join("\n")
                    }
                    _ => String::new(),
                };
                // How it came out stands in words before what it said, if it stands anywhere.
                let failed = text.lines().take(4).any(|it| {
                    let code =
                        it.strip_prefix("Process exited with code ").or(it.strip_prefix("Exit code: "));
                    code.is_some_and(|it| it != "0")
                });
                vec![answered(call, failed, text)]
            }
            "additional_tools" => Vec::new(),
            name => vec![unread(own(), name)],
        }
    }

    fn tokens(&self, said: &Value, own: impl Fn() -> String) -> (String, StepKind) {
        let cached = count(said, "/usage/cached_input_tokens");
        let kind = StepKind::Tokens {
            model: self.model.clone(),
            tokens: Tokens {
                // What comes from the cache is counted in.
                input: count(said, "/usage/input_tokens").saturating_sub(cached),
                cached,
                output: count(said, "/usage/output_tokens"),
                ..Tokens::default()
            },
        };
        let response = text_at(said, "/response_id");
        (if response.is_empty() { own() } else { format!("tokens:{response}") }, kind)
    }
}

/// What happened.
fn event(said: &Value, own: impl Fn() -> String) -> Vec<(String, StepKind)> {
    let text = |pointer: &str| text_at(said, pointer).to_owned();
    match text_at(said, "/type") {
        "item_completed" => item(said.get("item").unwrap_or(&Value::Null), own),
        "user_message" => vec![(own(), StepKind::Prompt { text: text("/message") })],
        "agent_message" => vec![(own(), StepKind::Message { text: text("/message") })],
        "agent_reasoning" => vec![(own(), StepKind::Reasoning { text: text("/text") })],
        "error" | "stream_error" | "warning" => vec![(own(), StepKind::Error { text: text("/message") })],
        "turn_aborted" => {
            vec![(own(), StepKind::Error { text: format!("the turn was broken off: {}", text("/reason")) })]
        }
        // Beginnings, ends, settings and counts, of which others tell.
        "task_started" | "task_complete" | "token_count" | "thread_settings_applied" | "item_started" => {
            Vec::new()
        }
        name => vec![unread(own(), name)],
    }
}

/// Something that was done.
fn item(item: &Value, own: impl Fn() -> String) -> Vec<(String, StepKind)> {
    let id = text_at(item, "/id");
    let words = |pointer: &str| {
        let parts = item.pointer(pointer).and_then(Value::as_array);
        let parts = parts.into_iter().flatten().map(|it| it.as_str().unwrap_or_else(|| text_at(it, "/text")));
        parts.filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let failed = !matches!(text_at(item, "/status"), "completed" | "");
    match text_at(item, "/type") {
        "UserMessage" => vec![(id.to_owned(), StepKind::Prompt { text: words("/content") })],
        "AgentMessage" => vec![(id.to_owned(), StepKind::Message { text: words("/content") })],
        "Reasoning" => {
            let text = [words("/summary_text"), words("/raw_content")].concat();
            if text.is_empty() { Vec::new() } else { vec![(id.to_owned(), StepKind::Reasoning { text })] }
        }
        "CommandExecution" => {
            let command = item.get("command").and_then(Value::as_array);
            let command: Vec<&str> = command.into_iter().flatten().filter_map(Value::as_str).collect();
            // What a shell was asked to do, without the shell.
            let command = match command.as_slice() {
                [_, "-c" | "-lc", command] => (*command).to_owned(),
                all => all.join(" "),
            };
            let code = item.get("exit_code").and_then(Value::as_i64);
            let with = serde_json::json!({ "command": command });
            let text = text_at(item, "/aggregated_output").to_owned();
            vec![called(id, "shell", &with), answered(id, failed || code.is_some_and(|it| it != 0), text)]
        }
        "FileChange" => {
            let files = item.get("changes").and_then(Value::as_object);
            let files: Vec<&str> = files.into_iter().flatten().map(|(file, _)| file.as_str()).collect();
            let with = serde_json::json!({ "command": files.join("\n") });
            let text = [text_at(item, "/stdout"), text_at(item, "/stderr")].concat();
            vec![called(id, "apply_patch", &with), answered(id, failed, text)]
        }
        "McpToolCall" => {
            let tool = format!("{}.{}", text_at(item, "/server"), text_at(item, "/tool"));
            let with = item.get("arguments").cloned().unwrap_or_default();
            let text = item.get("result").map(ToString::to_string).unwrap_or_default();
            vec![called(id, &tool, &with), answered(id, failed, text)]
        }
        name => vec![unread(own(), name)],
    }
}

fn called(call: &str, tool: &str, with: &Value) -> (String, StepKind) {
    let kind = StepKind::Call {
        call: call.to_owned(),
        tool: tool.to_owned(),
        says: saying(Some(with)),
        input: hash(&with.to_string()),
    };
    (format!("call:{call}"), kind)
}

fn answered(call: &str, failed: bool, text: String) -> (String, StepKind) {
    (format!("result:{call}"), StepKind::Result { call: call.to_owned(), failed, text })
}

fn unread(native: String, name: &str) -> (String, StepKind) {
    (native, StepKind::Unread { name: if name.is_empty() { "nameless" } else { name }.to_owned() })
}
