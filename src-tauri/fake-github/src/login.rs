//! Login by device, as RFC 8628 and GitHub have it: a code that a person types, and an app that asks until somebody said yes.

use serde_json::{Map, Value, json};

use crate::world::{Device, World};

/// Seconds between two asks.
const INTERVAL: i64 = 5;
/// A code is good for so long.
const LIFE: i64 = 900;

/// Reads a form or JSON.
pub(crate) fn fields(body: &[u8]) -> Map<String, Value> {
    if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
        return fields;
    }
    let text = String::from_utf8_lossy(body);
    let plain = |it: &str| it.replace("%3A", ":").replace("%3a", ":").replace("%20", " ").replace('+', " ");
    text.split('&')
        .filter_map(|it| it.split_once('='))
        .map(|(key, value)| (key.to_owned(), plain(value).into()))
        .collect()
}

impl World {
    pub(crate) fn device_code(&mut self, asked: &Map<String, Value>) -> Value {
        if asked.get("client_id").and_then(Value::as_str).is_none_or(str::is_empty) {
            return json!({ "error": "Not Found" });
        }
        if self.no_device_flow {
            return json!({ "error": "device_flow_disabled", "error_description": "Device Flow must be explicitly enabled for this App" });
        }
        let n = self.number();
        let code = format!("device-{n}");
        let user_code = format!("WDJB-{n:04}");
        let now = self.now();
        let device = Device {
            user_code: user_code.clone(),
            answer: None,
            not_before: now + INTERVAL,
            interval: INTERVAL,
            expires: now + LIFE,
        };
        self.devices.insert(code.clone(), device);
        json!({
            "device_code": code, "user_code": user_code, "verification_uri": "https://github.localhost/login/device",
            "expires_in": LIFE, "interval": INTERVAL,
        })
    }

    pub(crate) fn device_token(&mut self, asked: &Map<String, Value>) -> Value {
        let code = asked.get("device_code").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (now, n) = (self.now(), self.number());
        let error = |it: &str| json!({ "error": it, "error_description": it.replace('_', " ") });
        let Some(device) = self.devices.get_mut(&code) else { return error("incorrect_device_code") };
        if now >= device.expires {
            return error("expired_token");
        }
        let early = now < device.not_before;
        device.not_before = now + device.interval;
        if early {
            device.interval += 5;
            return json!({ "error": "slow_down", "error_description": "Too many requests", "interval": device.interval });
        }
        match device.answer.clone() {
            None => error("authorization_pending"),
            Some(Err(word)) => error(&word),
            Some(Ok(login)) => {
                self.devices.remove(&code);
                let token = format!("gho_device{n}{login}");
                self.person(&login, &token);
                json!({ "access_token": token, "token_type": "bearer", "scope": "repo,read:org" })
            }
        }
    }

    /// A person types a code and says yes with their login, or something else happens: GitHub's word for it.
    ///
    /// # Panics
    /// Never; a code that nobody has is no device.
    pub fn types(&mut self, user_code: &str, answer: Result<&str, &str>) -> bool {
        let found = self.devices.values_mut().find(|it| it.user_code == user_code);
        let Some(device) = found else { return false };
        device.answer = Some(answer.map(str::to_owned).map_err(str::to_owned));
        true
    }
}
