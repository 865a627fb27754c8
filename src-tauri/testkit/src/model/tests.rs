//! Speaks plain HTTP to a running server, as an agent would.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Outcome, Script, ScriptedModel};

/// What came back: the status, the head, the body without its chunks, and whether it ended as it should.
struct Got {
    status: u16,
    head: String,
    body: String,
    whole: bool,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The events of a stream.
    fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

fn start(script: &Value) -> ScriptedModel {
    ScriptedModel::start(Script::from_json(&script.to_string()).unwrap()).unwrap()
}

fn ask(model: &ScriptedModel, method: &str, path: &str, session: &str, body: &str) -> Got {
    let mut stream = TcpStream::connect(("127.0.0.1", model.port())).unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{head}{session}\r\n{body}").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A connection that the script cuts may end in a reset; what came before it counts.
    let _reset = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Got { status: 0, head: String::new(), body: String::new(), whole: false };
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.contains("transfer-encoding: chunked");
    let (body, whole) = if chunked { joined(body) } else { (body.to_owned(), true) };
    Got { status, head: head.to_owned(), body, whole }
}

/// The chunks of a body in one, and whether the last one came.
fn joined(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        body.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
    (body, false)
}

fn offered() -> Value {
    let tool = |name: &str| json!({"name": name, "input_schema": {"properties": {"file_path": {}}}});
    let bash = json!({"name": "Bash", "input_schema": {"properties": {"command": {}, "description": {}}}});
    json!([bash, tool("Write"), tool("Edit"), tool("Read")])
}

/// A request in one session, with these things said so far and tools on offer.
fn say(model: &ScriptedModel, session: &str, stream: bool, messages: &Value) -> Got {
    let system =
        json!([{"type": "text", "text": "Facts:\n - Primary working directory: /work/a b\n - Shell: bash"}]);
    let body = json!({
        "model": "m", "stream": stream, "system": system, "messages": messages, "tools": offered()
    });
    let session = format!("x-claude-code-session-id: {session}\r\n");
    ask(model, "POST", "/v1/messages?beta=true", &session, &body.to_string())
}

fn text(got: &Got) -> String {
    got.json()["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

fn prompt(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

#[test]
fn a_streamed_answer_has_every_block_and_the_final_tokens() {
    let script = json!({"scenarios": [{"name": "one", "steps": [{
        "thinking": "t".repeat(60), "text": "In ${cwd}: ${prompt}",
        "actions": [{"shell": "echo ${cwd}"}], "usage": {"input": 7, "cached": 90, "output": 30}
    }]}]});
    let model = start(&script);
    let got = say(&model, "s", true, &prompt("go ${cwd}"));
    assert_eq!((got.status, got.whole), (200, true));
    assert!(got.head.contains("text/event-stream") && got.head.contains("request-id: req_"));

    let events = got.events();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let block = |deltas: usize| {
        let mut kinds = vec!["content_block_start"];
        kinds.extend(vec!["content_block_delta"; deltas]);
        kinds.push("content_block_stop");
        kinds
    };
    // Two pieces of thinking and the signature, one of text, two of input.
    let blocks = [block(3), block(1), block(2)].concat();
    assert_eq!(
        kinds,
        [vec!["message_start", "ping"], blocks, vec!["message_delta", "message_stop"]].concat()
    );

    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 1);
    let last = &events[events.len() - 2];
    assert_eq!(last["delta"]["stop_reason"], "tool_use");
    let usage = &last["usage"];
    let tokens =
        ["input_tokens", "cache_read_input_tokens", "output_tokens"].map(|name| usage[name].as_u64());
    assert_eq!(tokens, [Some(7), Some(90), Some(30)]);

    let gathered =
        |name: &str| -> String { events.iter().filter_map(|event| event["delta"][name].as_str()).collect() };
    assert_eq!(gathered("thinking"), "t".repeat(60));
    assert_eq!(gathered("text"), "In /work/a b: go ${cwd}");
    let input: Value = serde_json::from_str(&gathered("partial_json")).unwrap();
    assert_eq!(input, json!({"command": "echo /work/a b", "description": "A step of the script"}));
}

#[test]
fn actions_become_the_tools_on_offer() {
    let script = json!({"scenarios": [{"name": "one", "steps": [{"actions": [
        {"write_file": {"path": "a.txt", "content": "1"}}, {"read_file": {"path": "/etc/x"}},
        {"edit_file": {"path": "${cwd}/a.txt", "old": "1", "new": "2"}}
    ]}]}]});
    let model = start(&script);
    let answer = say(&model, "s", false, &prompt("go")).json();
    let calls: Vec<(&str, &Value)> = answer["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["name"].as_str().unwrap(), &call["input"]))
        .collect();
    let expected = [
        ("Write", &json!({"file_path": "/work/a b/a.txt", "content": "1"})),
        ("Read", &json!({"file_path": "/etc/x"})),
        ("Edit", &json!({"file_path": "/work/a b/a.txt", "old_string": "1", "new_string": "2"})),
    ];
    assert_eq!(calls, expected);
    assert_eq!(answer["stop_reason"], "tool_use");
}

#[test]
fn an_action_without_its_tool_is_refused() {
    let script = json!({"scenarios": [{"name": "one", "steps": [{"actions": [{"shell": "ls"}]}]}]});
    let model = start(&script);
    let body = json!({"messages": prompt("go"), "tools": [{"name": "Read"}]}).to_string();
    let got = ask(&model, "POST", "/v1/messages", "", &body);
    assert_eq!(got.status, 400);
    assert_eq!(got.json()["error"]["type"], "invalid_request_error");
    assert!(matches!(&model.seen()[0].outcome, Outcome::Refused(why) if why.contains("Bash")));
}

#[test]
fn every_session_has_its_own_place() {
    let script = json!({"scenarios": [{"name": "one", "steps": [
        {"text": "first", "actions": [{"shell": "ls"}]}, {"text": "second"}
    ]}]});
    let model = start(&script);
    let later = json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
    ]);
    assert_eq!(text(&say(&model, "a", false, &prompt("go"))), "first");
    assert_eq!(text(&say(&model, "a", false, &later)), "second");
    assert_eq!(text(&say(&model, "b", false, &prompt("go"))), "first");
    assert_eq!(text(&say(&model, "a\r\nx-claude-code-agent-id: sub", false, &prompt("go"))), "first");
    assert!(text(&say(&model, "a", false, &later)).contains("nothing more"));

    let seen = model.seen();
    let places: Vec<_> = seen.iter().map(|seen| (seen.session.as_str(), seen.step)).collect();
    let expected = [("a", Some(0)), ("a", Some(1)), ("b", Some(0)), ("a/sub", Some(0)), ("a", None)];
    assert_eq!(places, expected);
    assert_eq!((seen[0].prompt.as_str(), &seen[4].outcome), ("go", &Outcome::Ended));
}

#[test]
fn without_a_header_the_first_prompt_is_the_session() {
    let script = json!({"scenarios": [{"name": "one", "steps": [{"text": "1"}, {"text": "2"}]}]});
    let model = start(&script);
    for (said, expected) in [("x", "1"), ("y", "1"), ("x", "2")] {
        let body = json!({"messages": prompt(said), "tools": offered()}).to_string();
        assert_eq!(text(&ask(&model, "POST", "/v1/messages", "", &body)), expected);
    }
}

#[test]
fn the_newest_prompt_chooses_the_scenario() {
    let script = json!({"scenarios": [
        {"name": "stop", "when": "(?i)^stop", "steps": [{"text": "stopped"}]},
        {"name": "work", "when": "work", "steps": [
            {"text": "w1", "actions": [{"shell": "ls"}]}, {"text": "w2", "actions": [{"shell": "ls"}]}, {"text": "w3"}]},
        {"name": "else", "steps": [{"text": "else"}]}
    ]});
    let model = start(&script);
    let reminder = "<system-reminder>stop</system-reminder>";
    let said = |more: &[&str]| -> Value {
        let block = |text: &&str| json!({"role": "user", "content": [{"type": "text", "text": reminder}, {"type": "text", "text": text}]});
        more.iter().map(block).collect()
    };
    assert_eq!(text(&say(&model, "s", false, &said(&["work"]))), "w1");
    // Said in the middle of the turn: nobody waits for these words, so the work goes on.
    assert_eq!(text(&say(&model, "s", false, &said(&["work", "hurry"]))), "w2");
    assert_eq!(text(&say(&model, "s", false, &said(&["work", "hurry", "Stop it"]))), "stopped");
    // Between turns the scenario for everything takes what is left.
    assert_eq!(text(&say(&model, "s", false, &said(&["work", "hurry", "Stop it", "so"]))), "else");
}

#[test]
fn failures_come_first_and_use_up_no_step() {
    let script = json!({"scenarios": [{"name": "one", "steps": [{"text": "a".repeat(500), "fail": [
        {"status": 529, "message": "busy"}, {"status": 401, "retry": false},
        {"cut_after_events": 4}, {"cut_after_events": 0}, {"hang_ms": 1}
    ]}]}]});
    let model = start(&script);
    let again = || say(&model, "s", true, &prompt("go"));

    let busy = again();
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    assert_eq!((busy.status, busy.json()), (529, error));
    let refused = again();
    assert_eq!(refused.json()["error"]["type"], "authentication_error");
    assert!(refused.head.contains("x-should-retry: false"));
    let cut = again();
    assert_eq!((cut.status, cut.whole, cut.events().len()), (200, false, 4));
    assert!(!again().whole && !again().whole);
    let served = again();
    assert!(served.whole);
    assert_eq!(served.events()[0]["type"], "message_start");

    let outcomes: Vec<Outcome> = model.seen().into_iter().map(|seen| seen.outcome).collect();
    let failed = |why: &str| Outcome::Failed(why.to_owned());
    let expected = [
        failed("status 529"),
        failed("status 401"),
        failed("cut after 4 events"),
        failed("cut after 0 events"),
        failed("silent for 1 ms"),
        Outcome::Served,
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn requests_without_tools_use_up_no_step() {
    let script = json!({"scenarios": [{"name": "one", "steps": [{"text": "1"}]}]});
    let model = start(&script);
    let body = json!({"messages": prompt("a title, please")}).to_string();
    assert!(text(&ask(&model, "POST", "/v1/messages", "", &body)).contains("side note"));
    assert_eq!(text(&say(&model, "s", false, &prompt("go"))), "1");
    assert_eq!(model.seen()[0].outcome, Outcome::Side);
}

#[test]
fn the_other_endpoints_answer_and_unknown_ones_say_so() {
    let model = start(&json!({"scenarios": []}));
    assert_eq!(ask(&model, "HEAD", "/anything", "", "").status, 200);
    assert_eq!(ask(&model, "GET", "/v1/models", "", "").status, 200);
    let count = ask(&model, "POST", "/v1/messages/count_tokens", "", "12345678").json();
    assert_eq!(count, json!({"input_tokens": 2}));
    let unknown = ask(&model, "POST", "/v1/responses", "", "{}");
    assert_eq!((unknown.status, unknown.json()["error"]["type"].as_str()), (404, Some("not_found_error")));
    assert_eq!(ask(&model, "POST", "/v1/messages", "", "{").status, 400);
    assert!(text(&say(&model, "s", false, &prompt("go"))).contains("nothing more"));
}

#[test]
fn dropping_it_ends_a_connection_that_hangs() {
    let script =
        json!({"scenarios": [{"name": "one", "steps": [{"text": "1", "fail": [{"hang_ms": 600_000}]}]}]});
    let model = start(&script);
    let port = model.port();
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let body = json!({"messages": prompt("go"), "tools": offered(), "stream": true}).to_string();
            let head =
                format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            let mut bytes = Vec::new();
            let _reset = stream.read_to_end(&mut bytes);
            bytes
        });
        while model.seen().is_empty() {
            std::thread::yield_now();
        }
        drop(model);
        assert!(hanging.join().unwrap().is_empty());
    });
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_script_with_a_mistake_is_refused() {
    let scenario =
        |steps: &str| Script::from_json(&format!(r#"{{"scenarios":[{{"name":"x","steps":[{steps}]}}]}}"#));
    for mistake in [r#"{"txt":"x"}"#, r#"{"actions":[{"fly":1}]}"#, r#"{"fail":[{"staus":1}]}"#] {
        assert!(scenario(mistake).is_err(), "{mistake}");
    }
    let pattern = Script::from_json(r#"{"scenarios":[{"name":"x","when":"(","steps":[]}]}"#);
    assert!(pattern.unwrap_err().to_string().contains("unclosed group"));
}
