//! Requests to GitHub: how long is waited, what a status means, until when a service that wants no more questions gets none.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::super::ask::ForgeError;
use crate::ports::clock;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(45);
/// An answer is at most this long.
const LONGEST: usize = 32 << 20;
/// How long a service is left alone that does not say how long.
/// So much of what it says is read; it is cut once no secret is in it.
const SAID_MAX: usize = 4000;
const UNSAID: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A client.
///
/// # Errors
/// If the machine has nothing to check certificates with.
pub fn client() -> Result<Client, ForgeError> {
    // Somebody else in this process may have chosen already.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pilothouse/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| ForgeError::Unreachable(error.to_string()))
}

/// Sends a request.
///
/// # Errors
/// See [`ForgeError`].
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, ForgeError> {
    let failed = |error: reqwest::Error| ForgeError::Unreachable(in_words(&error));
    let mut reply = request.send().await.map_err(failed)?;
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    let mut bytes = Vec::new();
    while let Some(piece) = reply.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LONGEST {
            return Err(ForgeError::Odd(format!("it is longer than {LONGEST} bytes")));
        }
    }
    let spent = header(&headers, "x-ratelimit-remaining") == Some("0");
    let limited = status == 429 || (status == 403 && (spent || headers.contains_key("retry-after")));
    if limited {
        return Err(ForgeError::Limited(wait(&headers)));
    }
    let body = serde_json::from_slice::<Value>(&bytes);
    let says = |body: &Value| {
        let message = body.get("message").and_then(Value::as_str).unwrap_or("without a word");
        format!("{} ({status})", pilothouse_contract::text::line(message, SAID_MAX))
    };
    match (status, body) {
        (304, _) => Ok(Answer { status, headers, body: Value::Null }),
        (401, _) => Err(ForgeError::Unauthorized),
        (403 | 404, body) => Err(ForgeError::Forbidden(says(&body.unwrap_or_default()))),
        (200..=299, Ok(body)) => Ok(Answer { status, headers, body }),
        (200..=299, Err(error)) => Err(ForgeError::Odd(format!("it is no JSON: {error}"))),
        (500.., body) => Err(ForgeError::Unreachable(says(&body.unwrap_or_default()))),
        (_, body) => Err(ForgeError::Odd(says(&body.unwrap_or_default()))),
    }
}

/// Why there was no answer, without the address, and down to the cause.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    pilothouse_contract::text::line(&cause.to_string(), 200)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// For how long a service wants no questions, by its headers.
pub(crate) fn wait(headers: &HeaderMap) -> Duration {
    let number = |name: &str| header(headers, name).and_then(|it| it.trim().parse::<u64>().ok());
    if let Some(seconds) = number("retry-after") {
        return Duration::from_secs(seconds.max(1));
    }
    let now = u64::try_from(clock::now().seconds()).unwrap_or_default();
    number("x-ratelimit-reset").map_or(UNSAID, |at| Duration::from_secs(at.saturating_sub(now).max(1)))
}
