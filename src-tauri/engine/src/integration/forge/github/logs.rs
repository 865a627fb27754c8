//! Logs of checks that ran at GitHub. It answers with an address on another host, which is asked without the token.
//!
//! Refuses: to read a log without an end. Of a long one the end is kept, for there stands why.

use std::collections::VecDeque;

use reqwest::Response;
use serde_json::Value;

use pilothouse_contract::{Oid, text};

use super::super::ask::ForgeError;
use super::publish::NotDone;
use super::{GitHub, http};

/// Of a log so many bytes are kept, the last ones.
const KEPT: usize = 1 << 20;
/// And so many are read at most.
const READ: usize = 64 << 20;

/// A log, and whether its beginning was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its text, as it is.
    pub text: String,
    /// Whether more was there.
    pub cut: bool,
}

impl GitHub {
    /// The log of the newest check of that name at a commit; nothing if GitHub keeps none: it ran elsewhere, or is not over.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn log(&self, repo: &str, head: &Oid, check: &str) -> Result<Option<Log>, NotDone> {
        let found =
            self.rest(&format!("/repos/{repo}/commits/{}/check-runs?per_page=100", head.as_str())).await?;
        let runs = found.get("check_runs").and_then(Value::as_array);
        let named = |it: &&Value| it.get("name").and_then(Value::as_str) == Some(check);
        let ids = runs.into_iter().flatten().filter(named).filter_map(|it| it.get("id")?.as_u64());
        let Some(job) = ids.max() else { return Ok(None) };
        let asked = self
            .client
            .get(format!("{}/repos/{repo}/actions/jobs/{job}/logs", self.at.rest))
            .bearer_auth(self.token.open())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        let failed = |error: &dyn std::error::Error| {
            ForgeError::Unreachable(text::line(&error.to_string(), 200)).without(self.token.open())
        };
        let mut reply = asked.send().await.map_err(|error| failed(&error.without_url()))?;
        let elsewhere = reply.headers().get("location").and_then(|it| it.to_str().ok()).map(str::to_owned);
        if let Some(address) = elsewhere.filter(|_| reply.status().is_redirection()) {
            if !self.may_ask(&address) {
                return Err(odd("it sends whoever wants the log to an address that is none"));
            }
            // The address says by itself who may read; the token is none of that host's.
            reply = self.client.get(&address).send().await.map_err(|error| failed(&error.without_url()))?;
        }
        match reply.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(None),
            401 => return Err(ForgeError::Unauthorized.into()),
            403 | 429 if reply.headers().contains_key("retry-after") => {
                return Err(ForgeError::Limited(http::wait(reply.headers())).into());
            }
            403 => return Err(ForgeError::Forbidden("it does not show the log (403)".to_owned()).into()),
            status => return Err(odd(&format!("instead of the log it says {status}"))),
        }
        let log = read(&mut reply).await.map_err(|error| failed(&error.without_url()))?;
        Ok(Some(Log { text: log.text.replace(self.token.open(), "[token]"), ..log }))
    }

    /// Whether an address may be asked: by TLS, or on this machine if the forge itself is.
    fn may_ask(&self, address: &str) -> bool {
        address.starts_with("https://")
            || (self.at.web.starts_with("http://") && address.starts_with(&format!("{}/", self.at.web)))
    }
}

fn odd(says: &str) -> NotDone {
    super::publish::odd(says)
}

async fn read(reply: &mut Response) -> Result<Log, reqwest::Error> {
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut all = 0;
    while let Some(piece) = reply.chunk().await? {
        all += piece.len();
        kept.extend(&piece);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
        if all >= READ {
            break;
        }
    }
    let kept: Vec<u8> = kept.into();
    let cut = all > kept.len();
    let text = String::from_utf8_lossy(&kept);
    // Half a line at the beginning is none.
    let from = if cut { text.find('\n').map_or(0, |it| it + 1) } else { 0 };
    Ok(Log { text: text.get(from..).unwrap_or_default().to_owned(), cut })
}
