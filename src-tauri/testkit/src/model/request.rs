//! What a Messages request says, read leniently from its JSON: the session, the prompts, the directory, the tools.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::http::HeaderMap;
use regex::Regex;
use serde_json::Value;

/// What agents wrap around people's words, and what they put in their place when a turn is broken off.
static WRAPPING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?s)<system-reminder>.*?</system-reminder>|\[Request interrupted by user[^\]]*\]").ok()
});

/// Where Claude Code says which directory it works in.
static DIRECTORY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?mi)\bworking directory: (/[^\r\n]*?)\s*$").ok());

/// A request for an answer of the model.
#[derive(Debug)]
pub(super) struct ModelRequest {
    /// Which agent session asks.
    pub(super) session: String,
    /// The model asked for.
    pub(super) model: String,
    /// Whether the answer is to be streamed.
    pub(super) stream: bool,
    /// Everything that people (or a parent agent) said, oldest first.
    pub(super) prompts: Vec<String>,
    /// The directory that the agent works in, if it says.
    pub(super) cwd: Option<String>,
    /// The tools on offer: name, and whether they take a description.
    pub(super) tools: HashMap<String, bool>,
    /// The size of the request in bytes.
    pub(super) size: usize,
}

impl ModelRequest {
    /// Reads a request. A body without messages makes a request without prompts, not a failure.
    pub(super) fn read(headers: &HeaderMap, body: &Value, size: usize) -> Self {
        let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let by_user = |message: &&Value| role(message) == "user";
        let prompts: Vec<String> = messages.iter().filter(by_user).filter_map(prompt_of).collect();
        Self {
            session: session(headers, prompts.first().map_or("", String::as_str)),
            model: body.get("model").and_then(Value::as_str).unwrap_or("scripted-model").to_owned(),
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            cwd: directory(body, messages),
            tools: tools(body),
            prompts,
            size,
        }
    }

    /// What was said last.
    pub(super) fn prompt(&self) -> &str {
        self.prompts.last().map_or("", String::as_str)
    }
}

fn role(message: &Value) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or("")
}

/// The texts of a message or a system prompt, which may be one string or a list of blocks.
fn texts(content: Option<&Value>) -> Vec<&str> {
    match content {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(blocks)) => {
            blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect()
        }
        _ => Vec::new(),
    }
}

/// What a person said in a message; none if there is nothing but tool results and what the agent put in.
fn prompt_of(message: &Value) -> Option<String> {
    let said = texts(message.get("content")).join("\n");
    let said = match WRAPPING.as_ref() {
        Some(wrapping) => wrapping.replace_all(&said, ""),
        None => said.into(),
    };
    let said = said.trim();
    (!said.is_empty()).then(|| said.to_owned())
}

/// The directory, from the agent's own words first: a prompt may speak of some other directory.
fn directory(body: &Value, messages: &[Value]) -> Option<String> {
    let system = texts(body.get("system")).into_iter();
    let (by_agent, by_others): (Vec<&Value>, Vec<&Value>) =
        messages.iter().partition(|message| role(message) == "system");
    let said = by_agent.into_iter().chain(by_others).flat_map(|message| texts(message.get("content")));
    system.chain(said).find_map(|text| {
        let found = DIRECTORY.as_ref()?.captures(text)?;
        Some(found.get(1)?.as_str().to_owned())
    })
}

fn tools(body: &Value) -> HashMap<String, bool> {
    let offered = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    offered
        .filter_map(|tool| {
            let name = tool.get("name")?.as_str()?.to_owned();
            let described = tool.pointer("/input_schema/properties/description").is_some();
            Some((name, described))
        })
        .collect()
}

fn session(headers: &HeaderMap, first_prompt: &str) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (header("x-claude-code-session-id"), header("x-claude-code-agent-id")) {
        (Some(session), Some(agent)) => format!("{session}/{agent}"),
        (Some(session), None) => session.to_owned(),
        (None, _) => {
            let mut hasher = DefaultHasher::new();
            first_prompt.hash(&mut hasher);
            format!("prompt-{:016x}", hasher.finish())
        }
    }
}
