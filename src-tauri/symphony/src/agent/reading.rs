//! What an app-server's messages mean: tokens, limits, progress, questions, and a line for people. Read leniently, for names
//! have changed from version to version. Refuses counts that are no totals of a thread.

use pilothouse_contract::text;
use serde_json::Value;

use crate::coordination::{Pulse, Tokens};

/// The first of some names that a map has.
fn first<'a>(map: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|it| map.get(*it)).filter(|it| !it.is_null())
}

/// A count, also one that came as a text.
fn count(map: &Value, names: &[&str]) -> Option<u64> {
    match first(map, names)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The totals of a thread, and which. Only absolute ones count: what was added last, usages without a name and those at the end
/// of a turn are passed over.
#[must_use]
pub fn usage(method: &str, params: &Value) -> Option<(Option<String>, Tokens)> {
    let total = match method {
        "thread/tokenUsage/updated" => {
            first(params, &["tokenUsage", "token_usage"]).and_then(|it| it.get("total"))?
        }
        _ => {
            // The event of old, in its envelopes.
            let event = first(params, &["msg", "payload"]).unwrap_or(params);
            let named = event.get("type").and_then(Value::as_str) == Some("token_count");
            if !named && !method.ends_with("token_count") {
                return None;
            }
            event.get("info").and_then(|it| first(it, &["total_token_usage", "totalTokenUsage"]))?
        }
    };
    let input = count(total, &["inputTokens", "input_tokens", "promptTokens", "prompt_tokens", "input"]);
    let output =
        count(total, &["outputTokens", "output_tokens", "completionTokens", "completion_tokens", "output"]);
    let all = count(total, &["totalTokens", "total_tokens", "total"]);
    if input.is_none() && output.is_none() && all.is_none() {
        return None;
    }
    let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
    let thread = first(params, &["threadId", "thread_id"]).and_then(Value::as_str).map(str::to_owned);
    let tokens = Tokens {
        input,
        output,
        total: all.unwrap_or_else(|| input.saturating_add(output)),
        cached: count(total, &["cachedInputTokens", "cached_input_tokens"]).unwrap_or_default(),
        reasoning: count(total, &["reasoningOutputTokens", "reasoning_output_tokens"]).unwrap_or_default(),
    };
    Some((thread, tokens))
}

/// What a provider says of its limits, wherever in a message that stands.
#[must_use]
pub fn rate_limits(message: &Value) -> Option<Value> {
    fn find(value: &Value, depth: u32) -> Option<&Value> {
        if depth == 0 {
            return None;
        }
        let map = value.as_object()?;
        let named = first(value, &["rateLimits", "rate_limits"]).filter(|it| it.is_object());
        named.or_else(|| map.values().find_map(|it| find(it, depth - 1)))
    }
    find(message, 5).cloned()
}

/// What a notification means for the stall clock.
#[must_use]
pub fn pulse(method: &str, params: &Value) -> Pulse {
    let kind = params.pointer("/item/type").and_then(Value::as_str).unwrap_or_default();
    let command =
        matches!(kind, "commandExecution" | "command_execution" | "mcpToolCall" | "local_shell_call");
    match method {
        "item/started" if command => Pulse::CommandBegan,
        "item/completed" if command => Pulse::CommandEnded,
        _ if method.starts_with("item/") || method.starts_with("turn/") => Pulse::Progress,
        "codex/event/exec_command_begin" => Pulse::CommandBegan,
        "codex/event/exec_command_end" => Pulse::CommandEnded,
        _ if method.starts_with("codex/event/") && !method.ends_with("token_count") => Pulse::Progress,
        // Limits, counts, states of servers, heartbeats, and whatever comes to be: life, but no work.
        _ => Pulse::Chatter,
    }
}

/// Whether a message says that a person has to answer.
pub(super) fn wants_input(method: &str, params: &Value) -> bool {
    let flag = first(params, &["requiresInput", "requires_input", "inputRequired", "input_required"]);
    matches!(
        method,
        "turn/input_required"
            | "turn/inputRequired"
            | "turn/needs_input"
            | "turn/needsInput"
            | "turn/need_input"
            | "turn/request_input"
            | "turn/requestInput"
    ) || flag.and_then(Value::as_bool) == Some(true)
}

/// A line for people. Display only: nothing depends on it.
#[must_use]
pub fn summary(method: &str, params: &Value) -> String {
    let at = |pointer: &str| params.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let command = |pointer: &str| match params.pointer(pointer) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(words)) => {
            Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    let says = match method {
        "item/started" | "item/completed" => {
            let verb = if method.ends_with("started") { "began" } else { "ended" };
            match at("/item/type").as_deref() {
                Some("commandExecution") => {
                    format!("command {verb}: {}", command("/item/command").unwrap_or_default())
                }
                Some("agentMessage") => at("/item/text").unwrap_or_else(|| format!("message {verb}")),
                Some("fileChange") => format!("file change {verb}"),
                Some("reasoning") => format!("thinking {verb}"),
                Some(other) => format!("{other} {verb}"),
                None => format!("item {verb}"),
            }
        }
        "item/agentMessage/delta" => at("/delta").unwrap_or_else(|| "writing".to_owned()),
        "item/commandExecution/outputDelta" => "command output".to_owned(),
        "turn/started" => "turn began".to_owned(),
        "turn/completed" => {
            let status = at("/turn/status").unwrap_or_else(|| "completed".to_owned());
            format!("turn {status} {}", at("/turn/error/message").unwrap_or_default())
        }
        "thread/tokenUsage/updated" => "tokens counted".to_owned(),
        "account/rateLimits/updated" => "limits told".to_owned(),
        "error" => at("/error/message").or_else(|| at("/message")).unwrap_or_default(),
        _ => at("/question")
            .or_else(|| at("/questions/0/question"))
            .or_else(|| at("/message"))
            .or_else(|| command("/command"))
            .or_else(|| at("/reason"))
            .or_else(|| at("/error/message"))
            .unwrap_or_else(|| method.to_owned()),
    };
    text::line(says.trim(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn row_n_24_totals_of_the_thread_count_and_what_was_added_last_does_not() {
        let params = json!({"threadId": "t", "tokenUsage": {
            "total": {"inputTokens": 100, "outputTokens": "20", "cachedInputTokens": 60},
            "last": {"inputTokens": 7, "totalTokens": 7}, "modelContextWindow": 200_000
        }});
        let (thread, total) = usage("thread/tokenUsage/updated", &params).unwrap();
        assert_eq!(thread.as_deref(), Some("t"));
        assert_eq!((total.input, total.output, total.total, total.cached), (100, 20, 120, 60));
        let old = json!({"msg": {"type": "token_count", "info": {
            "total_token_usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 12}
        }}});
        assert_eq!(usage("codex/event/token_count", &old).unwrap().1.total, 12);
        for ignored in [
            json!({"usage": {"input_tokens": 5}}),
            json!({"turn": {"usage": {"total_tokens": 5}}}),
            json!({"tokenUsage": {"last": {"total_tokens": 5}}}),
        ] {
            assert_eq!(usage("turn/completed", &ignored), None);
        }
    }

    #[test]
    fn limits_are_found_in_both_spellings() {
        let camel = json!({"method": "account/rateLimits/updated", "params": {"rateLimits": {"primary": 1}}});
        assert_eq!(rate_limits(&camel), Some(json!({"primary": 1})));
        let snake = json!({"params": {"msg": {"type": "token_count", "rate_limits": {"primary": 2}}}});
        assert_eq!(rate_limits(&snake), Some(json!({"primary": 2})));
        assert_eq!(rate_limits(&json!({"params": {"rateLimits": null}})), None);
    }

    #[test]
    fn row_6_6_the_main_events_have_a_line_for_people() {
        let shown = |method: &str, params: Value| summary(method, &params);
        let item = |kind: &str| json!({"item": {"type": kind, "command": "cargo test", "text": "Done."}});
        assert_eq!(shown("item/started", item("commandExecution")), "command began: cargo test");
        assert_eq!(shown("item/completed", item("agentMessage")), "Done.");
        assert_eq!(
            shown("turn/completed", json!({"turn": {"status": "failed", "error": {"message": "no"}}})),
            "turn failed no"
        );
        assert_eq!(shown("error", json!({"message": "a\x1b[2J"})), "a␛[2J");
        assert_eq!(shown("brand/new", json!({})), "brand/new");
    }
}
