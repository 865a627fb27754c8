//! Login by device: a code that a person types at the forge, and questions until they did. RFC 8628, as GitHub has it.

use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;

use super::ask::ForgeError;
use super::github::{Addresses, send};
use super::tokens::Token;

/// What a person is to do.
#[derive(Debug, Clone, Deserialize)]
pub struct Code {
    device_code: String,
    /// What they type.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// It is over after so many seconds.
    pub expires_in: u64,
    /// Seconds between two questions.
    interval: u64,
}

/// What came of one question.
#[derive(Debug)]
pub enum Turn {
    /// They did it.
    Done(Token),
    /// Not yet; it may be asked again after so long.
    Wait(Duration),
    /// It is over, and why.
    Over(String),
}

#[derive(Debug, Deserialize)]
struct Said {
    error: Option<String>,
    error_description: Option<String>,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Given {
    access_token: Option<String>,
}

/// Asks for a code.
///
/// # Errors
/// See [`ForgeError`].
pub async fn begin(client: &Client, host: &str, app: &str) -> Result<Code, ForgeError> {
    let asked = client
        .post(format!("{}/login/device/code", Addresses::of(host).web))
        .header("accept", "application/json")
        .json(&serde_json::json!({ "client_id": app, "scope": "repo read:org" }));
    let body = send(asked).await?.body;
    serde_json::from_value(body.clone()).map_err(|_| {
        let said: Option<Said> = serde_json::from_value(body).ok();
        let why = said.and_then(|it| it.error_description.or(it.error));
        ForgeError::Odd(why.unwrap_or_else(|| "it gives no code".to_owned()))
    })
}

impl Code {
    /// Asks once whether somebody typed it. `wait` is how long was waited before.
    ///
    /// # Errors
    /// See [`ForgeError`].
    pub async fn ask(
        &self,
        client: &Client,
        host: &str,
        app: &str,
        waited: Duration,
    ) -> Result<Turn, ForgeError> {
        let asked = client
            .post(format!("{}/login/oauth/access_token", Addresses::of(host).web))
            .header("accept", "application/json")
            .json(&serde_json::json!({
                "client_id": app, "device_code": self.device_code,
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            }));
        let body = send(asked).await?.body;
        let given =
            serde_json::from_value::<Given>(body.clone()).ok().and_then(|it| Token::read(&it.access_token?));
        if let Some(token) = given {
            return Ok(Turn::Done(token));
        }
        let said: Said = serde_json::from_value(body).map_err(|error| ForgeError::Odd(error.to_string()))?;
        Ok(match said.error.as_deref() {
            Some("authorization_pending") => Turn::Wait(waited.max(self.first_wait())),
            Some("slow_down") => {
                Turn::Wait(said.interval.map_or(waited + Duration::from_secs(5), Duration::from_secs))
            }
            Some("expired_token") => Turn::Over("the code was not typed in time".to_owned()),
            Some("access_denied") => Turn::Over("somebody said no".to_owned()),
            other => Turn::Over(said.error_description.or(other.map(str::to_owned)).unwrap_or_default()),
        })
    }

    /// How long is waited before the first question.
    #[must_use]
    pub fn first_wait(&self) -> Duration {
        Duration::from_secs(self.interval.max(1))
    }
}
