//! What an agent asks its client, and the answer. The policy in one place: nothing is approved, nobody is asked, no tool is
//! there, and what is not known is refused. A session goes on after a refusal; only a question to a person ends the turn,
//! for nobody is there to answer it.

use serde_json::{Value, json};

/// An answer.
#[derive(Debug)]
pub(super) struct Verdict {
    /// `result` or `error`, still without its id.
    pub(super) reply: Value,
    /// What happened, as a word that stays.
    pub(super) event: &'static str,
    /// In words.
    pub(super) says: String,
    /// Whether the turn cannot go on without a person.
    pub(super) ends_turn: bool,
}

/// The answer to a request.
pub(super) fn answer(method: &str, message: &Value) -> Verdict {
    let params = message.get("params").unwrap_or(&Value::Null);
    let what = super::summary(method, params);
    let refused = |reply: Value| Verdict {
        reply: json!({ "result": reply }),
        event: "approval_declined",
        says: format!("{method} was declined: {what}"),
        ends_turn: false,
    };
    let asks = |reply: Value| Verdict {
        reply,
        event: "turn_input_required",
        says: format!("{method}: {what}"),
        ends_turn: true,
    };
    match method {
        "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
            refused(json!({ "decision": "decline" }))
        }
        "execCommandApproval" | "applyPatchApproval" => refused(json!({ "decision": "denied" })),
        "item/tool/call" => {
            let tool = params.get("tool").and_then(Value::as_str).unwrap_or("this tool");
            let says = format!("there is no tool '{}'", pilothouse_contract::text::line(tool, 80));
            let text = json!({ "type": "inputText", "text": &says });
            Verdict {
                reply: json!({ "result": { "success": false, "output": &says, "contentItems": [text] } }),
                event: "unsupported_tool_call",
                says,
                ends_turn: false,
            }
        }
        "mcpServer/elicitation/request" => {
            asks(json!({ "result": { "action": "decline", "content": null } }))
        }
        "item/tool/requestUserInput" => asks(refusal("nobody is there to answer")),
        _ if super::reading::wants_input(method, params) => asks(refusal("nobody is there to answer")),
        _ => Verdict {
            reply: refusal("this client does not know the request and refuses it"),
            event: "request_refused",
            says: format!("the unknown request {} was refused", pilothouse_contract::text::line(method, 80)),
            ends_turn: false,
        },
    }
}

fn refusal(says: &str) -> Value {
    json!({ "error": { "code": -32601, "message": says } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ever_approved() {
        for method in [
            "item/commandExecution/requestApproval",
            "item/fileChange/requestApproval",
            "execCommandApproval",
            "applyPatchApproval",
            "item/permissions/requestApproval",
            "mcpServer/elicitation/request",
            "item/tool/requestUserInput",
            "something/new/requestApproval",
        ] {
            let verdict = answer(method, &json!({"params": {"command": "rm -rf /"}}));
            let said = verdict.reply.to_string();
            for word in ["accept", "approved", "acceptForSession", "allow"] {
                assert!(!said.contains(&format!("\"{word}")), "{method}: {said}");
            }
        }
    }
}
