//! The wire: routes, the event stream, the plain answer and the error shape of the Messages API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};

use super::answer::{Answer, tokens_of};
use super::play::{Play, Reply};
use super::request::ModelRequest;
use super::script::{Failure, StatusFailure};

/// How much of a text one event carries, in characters: small, so that short texts come in several events too.
const PIECE: usize = 48;

type Shared = Arc<Mutex<Play>>;

/// Every route of the server.
pub(super) fn router(play: Shared) -> Router {
    // One fallback and no routes: agents try paths with and without query, and an unknown one is to be noted.
    Router::new().fallback(take).layer(DefaultBodyLimit::disable()).with_state(play)
}

fn locked(play: &Shared) -> MutexGuard<'_, Play> {
    play.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(
    State(play): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_end_matches('/');
    match (method.as_str(), path) {
        ("HEAD", _) => plain(StatusCode::OK, &json!({})),
        ("GET", "") => plain(StatusCode::OK, &json!({"server": "scripted-model"})),
        ("GET", "/v1/models") => plain(StatusCode::OK, &json!({"data": [], "has_more": false})),
        ("POST", "/v1/messages/count_tokens") => {
            plain(StatusCode::OK, &json!({"input_tokens": tokens_of(body.len())}))
        }
        ("POST", "/v1/messages") => messages(&play, &headers, &body).await,
        _ => {
            let why = format!("no such endpoint: {method} {}", uri.path());
            locked(&play).note_refused(why.clone());
            error(StatusCode::NOT_FOUND, &why, None)
        }
    }
}

async fn messages(play: &Shared, headers: &HeaderMap, body: &Bytes) -> Response {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let why = "the body is not JSON".to_owned();
        locked(play).note_refused(why.clone());
        return error(StatusCode::BAD_REQUEST, &why, None);
    };
    let request = ModelRequest::read(headers, &value, body.len());
    let reply = locked(play).reply(&request);
    match reply {
        Reply::Refusal(why) => error(StatusCode::BAD_REQUEST, &why, Some(false)),
        Reply::Answer(answer) if request.stream => streamed(&answer, None),
        Reply::Answer(answer) => plain(StatusCode::OK, &whole(&answer)),
        Reply::Spoilt(answer, Failure::Cut(cut)) if request.stream => {
            streamed(&answer, Some(cut.cut_after_events))
        }
        Reply::Spoilt(_, Failure::Cut(_)) => cut_off(),
        Reply::Spoilt(_, Failure::Hang(hang)) => {
            tokio::time::sleep(Duration::from_millis(hang.hang_ms)).await;
            cut_off()
        }
        Reply::Spoilt(_, Failure::Status(failure)) => failed(&failure),
    }
}

fn failed(failure: &StatusFailure) -> Response {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let said = failure.message.as_deref().unwrap_or("a failure from the script");
    error(status, said, failure.retry)
}

/// An error in the vendor's shape, under the vendor's name for its status.
fn error(status: StatusCode, message: &str, retry: Option<bool>) -> Response {
    let kind = match status.as_u16() {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    let mut response = plain(status, &body);
    if let Some(retry) = retry {
        let value = header::HeaderValue::from_static(if retry { "true" } else { "false" });
        response.headers_mut().insert("x-should-retry", value);
    }
    response
}

fn plain(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A connection that ends without an answer: a body that fails at once takes the unsent head with it.
fn cut_off() -> Response {
    Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(Cut) })))
}

/// What breaks a body off.
#[derive(Debug, thiserror::Error)]
#[error("cut, as the script says")]
struct Cut;

fn streamed(answer: &Answer, cut_after: Option<usize>) -> Response {
    let all = events(answer);
    let kept = cut_after.unwrap_or(all.len()).min(all.len());
    let mut frames: Vec<Result<Bytes, Cut>> =
        all.into_iter().take(kept).map(|frame| Ok(frame.into())).collect();
    if cut_after.is_some() {
        frames.push(Err(Cut));
    }
    let body = stream::unfold(frames.into_iter(), |mut rest| async move {
        // The server flushes when the body makes it wait. Without this, a cut would swallow the events before it.
        tokio::task::yield_now().await;
        rest.next().map(|frame| (frame, rest))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    if let Ok(id) = header::HeaderValue::from_str(&format!("req_{}", answer.id)) {
        headers.insert("request-id", id);
    }
    response
}

fn usage(answer: &Answer, output: u64) -> Value {
    let [input, cached, _] = answer.tokens;
    json!({
        "input_tokens": input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
    })
}

fn message(answer: &Answer, content: &[Value], stop: Option<&str>, output: u64) -> Value {
    json!({
        "id": format!("msg_{}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage(answer, output),
    })
}

fn stop_reason(answer: &Answer) -> &'static str {
    if answer.acts { "tool_use" } else { "end_turn" }
}

/// The answer as one JSON value.
fn whole(answer: &Answer) -> Value {
    let [.., output] = answer.tokens;
    message(answer, &answer.blocks, Some(stop_reason(answer)), output)
}

/// The answer as the events of a stream. Only the last but one carries the true number of tokens written.
fn events(answer: &Answer) -> Vec<String> {
    let [.., output] = answer.tokens;
    let mut events = vec![
        event(&json!({"type": "message_start", "message": message(answer, &[], None, 1)})),
        event(&json!({"type": "ping"})),
    ];
    for (index, block) in answer.blocks.iter().enumerate() {
        let (empty, deltas) = opened(block);
        events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": empty})));
        for delta in deltas {
            events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        events.push(event(&json!({"type": "content_block_stop", "index": index})));
    }
    let stop = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    events.push(event(&json!({"type": "message_delta", "delta": stop, "usage": usage(answer, output)})));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

fn event(data: &Value) -> String {
    let name = data.get("type").and_then(Value::as_str).unwrap_or("message");
    format!("event: {name}\ndata: {data}\n\n")
}

/// A block as it begins, empty, and the pieces that fill it.
fn opened(block: &Value) -> (Value, Vec<Value>) {
    let part = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or("");
    match part("type") {
        "thinking" => {
            let mut deltas =
                pieces(part("thinking"), |piece| json!({"type": "thinking_delta", "thinking": piece}));
            deltas.push(json!({"type": "signature_delta", "signature": part("signature")}));
            (json!({"type": "thinking", "thinking": "", "signature": ""}), deltas)
        }
        "tool_use" => {
            let input = block.get("input").map(Value::to_string).unwrap_or_default();
            let deltas = pieces(&input, |piece| json!({"type": "input_json_delta", "partial_json": piece}));
            (json!({"type": "tool_use", "id": part("id"), "name": part("name"), "input": {}}), deltas)
        }
        _ => {
            let deltas = pieces(part("text"), |piece| json!({"type": "text_delta", "text": piece}));
            (json!({"type": "text", "text": ""}), deltas)
        }
    }
}

fn pieces(text: &str, delta: impl Fn(&str) -> Value) -> Vec<Value> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(PIECE).map(|piece| delta(&piece.iter().collect::<String>())).collect()
}
