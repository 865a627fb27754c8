//! One answer of the model, ready to be sent: the step's strings filled in, its actions as calls of the tools that
//! the agent offers.

use serde_json::{Value, json};

use super::request::ModelRequest;
use super::script::{Action, Step, Usage};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// What its ids end with.
    pub(super) id: String,
    /// The model it claims to be.
    pub(super) model: String,
    /// Its content blocks, as the API has them.
    pub(super) blocks: Vec<Value>,
    /// Whether it calls tools.
    pub(super) acts: bool,
    /// Tokens read anew, read from the cache, written.
    pub(super) tokens: [u64; 3],
}

impl Answer {
    /// An answer that only says something.
    pub(super) fn plain(request: &ModelRequest, id: String, text: &str) -> Self {
        let block = json!({"type": "text", "text": text});
        Self::with(request, id, vec![block], false, Usage::default())
    }

    /// The answer that a step gives to this request.
    ///
    /// # Errors
    /// In words, when the step wants a tool that the request does not offer.
    pub(super) fn of(request: &ModelRequest, id: String, step: &Step) -> Result<Self, String> {
        let mut blocks = Vec::new();
        if !step.thinking.is_empty() {
            let thinking = filled(&step.thinking, request);
            // Agents hand the signature back and check only that there is one.
            blocks.push(json!({"type": "thinking", "thinking": thinking, "signature": "c2lnbmVk"}));
        }
        if !step.text.is_empty() || (blocks.is_empty() && step.actions.is_empty()) {
            blocks.push(json!({"type": "text", "text": filled(&step.text, request)}));
        }
        for (number, action) in step.actions.iter().enumerate() {
            let (tool, input) = call(request, action)?;
            let id = format!("toolu_{id}_{number}");
            blocks.push(json!({"type": "tool_use", "id": id, "name": tool, "input": input}));
        }
        Ok(Self::with(request, id, blocks, !step.actions.is_empty(), step.usage))
    }

    fn with(request: &ModelRequest, id: String, blocks: Vec<Value>, acts: bool, usage: Usage) -> Self {
        let written = blocks.iter().map(|block| block.to_string().len()).sum();
        let tokens = [
            usage.input.unwrap_or_else(|| tokens_of(request.size)),
            usage.cached.unwrap_or(0),
            usage.output.unwrap_or_else(|| tokens_of(written)),
        ];
        Self { id, model: request.model.clone(), blocks, acts, tokens }
    }
}

/// About how many tokens so many bytes are; also the answer to a request to count them.
pub(super) fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// The directory is filled in first: what looks like a placeholder inside a prompt is left as it is.
fn filled(text: &str, request: &ModelRequest) -> String {
    text.replace("${cwd}", request.cwd.as_deref().unwrap_or(".")).replace("${prompt}", request.prompt())
}

fn absolute(path: &str, request: &ModelRequest) -> String {
    let path = filled(path, request);
    match &request.cwd {
        Some(cwd) if !path.starts_with('/') => format!("{}/{path}", cwd.trim_end_matches('/')),
        _ => path,
    }
}

/// The tool that does what the action wants, and what to call it with.
fn call(request: &ModelRequest, action: &Action) -> Result<(&'static str, Value), String> {
    let (tool, mut input) = match action {
        Action::Shell(command) => ("Bash", json!({"command": filled(command, request)})),
        Action::WriteFile { path, content } => {
            ("Write", json!({"file_path": absolute(path, request), "content": filled(content, request)}))
        }
        Action::EditFile { path, old, new } => (
            "Edit",
            json!({
                "file_path": absolute(path, request),
                "old_string": filled(old, request),
                "new_string": filled(new, request),
            }),
        ),
        Action::ReadFile { path } => ("Read", json!({"file_path": absolute(path, request)})),
    };
    let Some(described) = request.tools.get(tool) else {
        return Err(format!("the script wants the tool {tool}, which this request does not offer"));
    };
    if *described && let Some(fields) = input.as_object_mut() {
        fields.insert("description".to_owned(), Value::from("A step of the script"));
    }
    Ok((tool, input))
}
