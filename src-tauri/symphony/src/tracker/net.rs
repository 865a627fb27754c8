//! What requests to any service have in common: a client that follows nobody elsewhere, answers that are bounded, and how long one that
//! wants no more requests gets none.
//!
//! Refuses to know a service: what its statuses and its words mean is said where it is asked.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Response, StatusCode};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(45);
/// An answer is at most this long, in bytes.
pub const LONGEST: usize = 32 << 20;
/// How long a service is left alone that does not say how long.
const UNSAID_MS: u64 = 60_000;

/// A client; `connect` is how long a connection may take to come about.
///
/// # Errors
/// If the machine has nothing to check certificates with.
pub fn client(connect: Duration) -> Result<Client, reqwest::Error> {
    // Somebody else in this process may have chosen already.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(connect)
        .timeout(ANSWER)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pilothouse/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The whole of an answer; nothing if it is longer than [`LONGEST`].
///
/// # Errors
/// If it breaks off.
pub async fn read(reply: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = reply.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LONGEST {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a service wants no more requests for now.
#[must_use]
pub fn limited(status: StatusCode, headers: &HeaderMap) -> bool {
    let none_left = header(headers, "x-ratelimit-remaining") == Some("0");
    status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::FORBIDDEN && (none_left || headers.contains_key("retry-after")))
}

/// Whether what a service says beside a 403 is that it wants no more requests: GitHub's secondary limits may come with no header at all.
#[must_use]
pub fn limited_by_words(body: &serde_json::Value) -> bool {
    limits(body.get("message").and_then(serde_json::Value::as_str).unwrap_or_default())
}

/// Whether words are those of a limit.
#[must_use]
pub fn limits(says: &str) -> bool {
    let says = says.to_lowercase();
    says.contains("rate limit") || says.contains("abuse detection")
}

/// For how long a service wants no requests, by its headers, in milliseconds: a second at least. When points are given back is of
/// weight only if none are left; else a minute.
#[must_use]
pub fn wait_ms(headers: &HeaderMap) -> u64 {
    let number = |name: &str| header(headers, name).and_then(|it| it.trim().parse::<u64>().ok());
    if let Some(seconds) = number("retry-after") {
        return seconds.saturating_mul(1000).max(1000);
    }
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    let given_back =
        |left: &str, reset: &str| number(reset).filter(|_| number(left).is_none_or(|it| it == 0));
    let reset = given_back("x-ratelimit-remaining", "x-ratelimit-reset")
        .map(|it| it.saturating_mul(1000))
        .or_else(|| given_back("x-ratelimit-requests-remaining", "x-ratelimit-requests-reset"));
    reset.map_or(UNSAID_MS, |at| at.saturating_sub(now).max(1000))
}
