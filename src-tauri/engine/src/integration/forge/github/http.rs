//! Requests to GitHub: what a status means. How one is asked and read is said in Symphony's `net`, for its trackers are asked alike.

use std::time::Duration;

use pilothouse_symphony::tracker::net;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::super::ask::ForgeError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);
/// So much of what it says is read, in signs; it is cut once no secret is in it.
const SAID_MAX: usize = 4000;

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
    net::client(CONNECT).map_err(|error| ForgeError::Unreachable(error.to_string()))
}

/// Sends a request.
///
/// # Errors
/// See [`ForgeError`].
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, ForgeError> {
    let failed = |error: reqwest::Error| ForgeError::Unreachable(in_words(&error));
    let mut reply = request.send().await.map_err(failed)?;
    let (status, headers) = (reply.status(), reply.headers().clone());
    let Some(bytes) = net::read(&mut reply).await.map_err(failed)? else {
        return Err(ForgeError::Odd(format!("it is longer than {} bytes", net::LONGEST)));
    };
    if net::limited(status, &headers) {
        return Err(ForgeError::Limited(wait(&headers)));
    }
    let status = status.as_u16();
    let body = serde_json::from_slice::<Value>(&bytes);
    let says = |body: &Value| {
        let message = body.get("message").and_then(Value::as_str).unwrap_or("without a word");
        format!("{} ({status})", pilothouse_contract::text::line(message, SAID_MAX))
    };
    match (status, body) {
        (304, _) => Ok(Answer { status, headers, body: Value::Null }),
        (401, _) => Err(ForgeError::Unauthorized),
        // A limit by its words alone: neither how long nor that nothing is left stands in the headers.
        (403, Ok(body)) if net::limited_by_words(&body) => Err(ForgeError::Limited(wait(&headers))),
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

/// For how long a service wants no questions, by its headers.
pub(crate) fn wait(headers: &HeaderMap) -> Duration {
    Duration::from_millis(net::wait_ms(headers))
}
