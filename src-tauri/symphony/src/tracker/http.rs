//! Requests to a tracker's service. Owns which addresses may get a secret and what an answer's status means; how one is asked and
//! read is said in `net`.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use super::{TrackerError, invalid, net};
use crate::workflow::{Env, TrackerSettings, WorkflowError, variable};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// An answer that is none of the errors.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// A client.
///
/// # Errors
/// If the machine has nothing to check certificates with.
pub(super) fn client() -> Result<Client, WorkflowError> {
    net::client(CONNECT).map_err(|error| invalid("endpoint", format!("no client can be made: {error}")))
}

/// An address that may get a secret: HTTPS, or this machine.
///
/// # Errors
/// If it is neither.
pub(super) fn address(key: &str, written: &str) -> Result<Url, WorkflowError> {
    let url: Url =
        written.parse().map_err(|error| invalid(key, format!("'{written}' is no address: {error}")))?;
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() == "https" || (url.scheme() == "http" && local) {
        Ok(url)
    } else {
        Err(invalid(key, format!("'{written}' has to begin with https://")))
    }
}

/// A provider's text, or the variable that it falls back to.
pub(super) fn text(
    settings: &TrackerSettings,
    key: &str,
    fallback: Option<&str>,
    env: Env<'_>,
) -> Result<Option<String>, WorkflowError> {
    match settings.provider.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        None | Some(Value::Null | Value::String(_)) => {
            Ok(fallback.and_then(env).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()))
        }
        Some(other) => Err(invalid(key, format!("is {other}, and has to be a text"))),
    }
}

/// A secret, and the names of the variables that may hold it.
///
/// # Errors
/// If it is not there. Says where it would come from, and nothing of it.
pub(super) fn secret(
    settings: &TrackerSettings,
    key: &str,
    fallback: &str,
    env: Env<'_>,
) -> Result<(String, Vec<String>), WorkflowError> {
    let written = text(settings, key, None, env)?;
    let name = written.as_deref().and_then(variable).unwrap_or(fallback).to_owned();
    let found = match &written {
        Some(literal) if variable(literal).is_none() => Some(literal.clone()),
        _ => env(&name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()),
    };
    let missing =
        || WorkflowError::MissingSecret { key: format!("tracker.provider.{key}"), env: name.clone() };
    let found = found.ok_or_else(missing)?;
    let mut names = vec![fallback.to_owned()];
    if name != fallback {
        names.push(name);
    }
    Ok((found, names))
}

/// Sends a request. An answer with a status below 400, or 404 and 410, is one.
///
/// # Errors
/// If there is none, or it is a refusal.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, TrackerError> {
    // The address may hold what people would not have in a log.
    let failed = |error: reqwest::Error| TrackerError::Request(error.without_url().to_string());
    let mut reply = request.send().await.map_err(failed)?;
    let (status, headers) = (reply.status(), reply.headers().clone());
    let Some(bytes) = net::read(&mut reply).await.map_err(failed)? else {
        return Err(TrackerError::Response(format!("the answer is longer than {} bytes", net::LONGEST)));
    };
    if net::limited(status, &headers) {
        return Err(TrackerError::RateLimited { wait_ms: net::wait_ms(&headers) });
    }
    let body = serde_json::from_slice::<Value>(&bytes);
    let gone = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    if status.as_u16() >= 400 && !gone {
        if let Ok(body) = &body
            && (body.pointer("/errors/0/extensions/code").and_then(Value::as_str) == Some("RATELIMITED")
                || (status == StatusCode::FORBIDDEN && net::limited_by_words(body)))
        {
            return Err(TrackerError::RateLimited { wait_ms: net::wait_ms(&headers) });
        }
        let says = pilothouse_contract::text::line(&String::from_utf8_lossy(&bytes), 200);
        return Err(TrackerError::Status { status: status.as_u16(), says });
    }
    let body = match body {
        Ok(body) => body,
        Err(_) if gone || status == StatusCode::NOT_MODIFIED || status.is_redirection() => Value::Null,
        Err(error) => return Err(TrackerError::Response(format!("the answer is no JSON: {error}"))),
    };
    Ok(Answer { status, headers, body })
}
