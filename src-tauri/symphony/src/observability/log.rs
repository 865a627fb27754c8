//! Log lines: `key=value`, or one JSON document each. Owns that secrets are taken out, that text of others is plain, and that
//! a sink which fails is counted and passed over. Refuses long payloads.

use std::io::{self, Write};

use pilothouse_contract::text;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Issue;

/// A value in a line is at most this long.
const LONGEST: usize = 600;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What happens.
    Info,
    /// What went wrong and mends itself.
    Warn,
    /// What a person has to mend.
    Error,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How much it matters.
    pub level: Level,
    /// What happened, as a word that stays.
    pub event: String,
    /// About what: `issue_id`, `issue_identifier`, `session_id` and others.
    pub fields: Vec<(String, String)>,
    /// In words.
    pub message: String,
}

impl Record {
    fn new(level: Level, event: &str, message: impl Into<String>) -> Self {
        Self { level, event: event.to_owned(), fields: Vec::new(), message: message.into() }
    }

    /// What happens.
    pub fn info(event: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Info, event, message)
    }

    /// What went wrong and mends itself.
    pub fn warn(event: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Warn, event, message)
    }

    /// What a person has to mend.
    pub fn error(event: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Error, event, message)
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, key: &str, value: impl ToString) -> Self {
        self.fields.push((key.to_owned(), value.to_string()));
        self
    }

    /// About an issue.
    #[must_use]
    pub fn of(self, issue: &Issue) -> Self {
        self.field("issue_id", &issue.id).field("issue_identifier", &issue.identifier)
    }

    /// About a session, if there is one yet.
    #[must_use]
    pub fn session(self, id: Option<String>) -> Self {
        match id {
            Some(id) => self.field("session_id", id),
            None => self,
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(it, _)| it == key).map(|(_, value)| value.as_str())
    }
}

/// Where lines go. May fail at any time.
pub trait Sink: Send {
    /// Writes one record; `at` is its time in UTC, as RFC 3339.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn write(&mut self, at: &str, record: &Record) -> io::Result<()>;
}

/// Lines of text, or of JSON, to anything that can be written to.
#[derive(Debug)]
pub struct TextSink<W> {
    to: W,
    json: bool,
}

impl<W: Write> TextSink<W> {
    /// Lines of `key=value`, or with `json` one document each.
    pub fn new(to: W, json: bool) -> Self {
        Self { to, json }
    }
}

impl<W: Write + Send> Sink for TextSink<W> {
    fn write(&mut self, at: &str, record: &Record) -> io::Result<()> {
        let line = if self.json {
            let mut map = Map::new();
            map.insert("at".to_owned(), Value::from(at));
            map.insert("level".to_owned(), serde_json::to_value(record.level).unwrap_or_default());
            map.insert("event".to_owned(), Value::from(&*record.event));
            for (key, value) in &record.fields {
                map.insert(key.clone(), Value::from(&**value));
            }
            map.insert("message".to_owned(), Value::from(&*record.message));
            Value::Object(map).to_string()
        } else {
            let level = format!("{:?}", record.level).to_lowercase();
            let mut line = format!("at={at} level={level} event={}", record.event);
            for (key, value) in &record.fields {
                line.push_str(&format!(" {key}={}", quoted(value)));
            }
            if !record.message.is_empty() {
                line.push_str(&format!(" message={}", quoted(&record.message)));
            }
            line
        };
        writeln!(self.to, "{line}")?;
        self.to.flush()
    }
}

/// A value on one line, in quotes if it would not be one word.
fn quoted(value: &str) -> String {
    let plain = text::plain(value, false);
    if !plain.is_empty() && plain.chars().all(|c| c.is_alphanumeric() || "-_.:/#@".contains(c)) {
        plain
    } else {
        format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The log: a sink, what may not be in it, and how often it failed.
pub struct Log {
    sink: Box<dyn Sink>,
    secrets: Vec<String>,
    lost: u64,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Log {
    /// A log to a sink.
    #[must_use]
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, secrets: Vec::new(), lost: 0 }
    }

    /// From now on these are taken out of every line.
    pub fn hide(&mut self, secrets: Vec<String>) {
        for secret in secrets {
            // What is shorter than this stands in half of all words.
            if secret.len() >= 4 && !self.secrets.contains(&secret) {
                self.secrets.push(secret);
            }
        }
    }

    /// Tells something. That this fails is counted, and told to nobody else.
    pub fn tell(&mut self, record: &Record) {
        let clean = |value: &str| {
            let hidden =
                self.secrets.iter().fold(value.to_owned(), |it, secret| it.replace(secret, "[secret]"));
            text::line(&hidden, LONGEST)
        };
        let record = Record {
            level: record.level,
            event: record.event.clone(),
            fields: record.fields.iter().map(|(key, value)| (key.clone(), clean(value))).collect(),
            message: clean(&record.message),
        };
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        if self.sink.write(&at, &record).is_err() {
            self.lost += 1;
        }
    }

    /// How many lines no sink took.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(json: bool, record: &Record, secrets: &[&str]) -> String {
        let shared = Shared::default();
        let mut log = Log::new(Box::new(TextSink::new(shared.clone(), json)));
        log.hide(secrets.iter().map(|it| (*it).to_owned()).collect());
        log.tell(record);
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn record() -> Record {
        let issue: Issue = serde_json::from_value(serde_json::json!({
            "id": "1", "identifier": "A-1", "title": "t", "state": "Todo", "dispatchable": true
        }))
        .unwrap();
        Record::warn("worker_ended", "it said \x1b[31m\"no\"\nand left")
            .of(&issue)
            .session(Some("t-u".to_owned()))
    }

    #[test]
    fn row_6_2_a_line_names_its_issue_and_session() {
        let line = told(false, &record(), &[]);
        assert!(
            line.contains(
                " level=warn event=worker_ended issue_id=1 issue_identifier=A-1 session_id=t-u message="
            ),
            "{line}"
        );
        assert!(line.ends_with("message=\"it said ␛[31m\\\"no\\\" and left\"\n"), "{line:?}");
        let json: Value = serde_json::from_str(&told(true, &record(), &[])).unwrap();
        assert_eq!((json["issue_id"].as_str(), json["session_id"].as_str()), (Some("1"), Some("t-u")));
    }

    #[test]
    fn row_n_26_secrets_are_in_no_line() {
        let record = Record::info("x", "Authorization: Bearer lin_1234").field("url", "https://lin_1234@x");
        for json in [true, false] {
            assert!(!told(json, &record, &["lin_1234"]).contains("lin_1234"));
        }
    }

    #[test]
    fn lines_are_cut() {
        assert!(told(false, &Record::info("x", "y".repeat(100_000)), &[]).len() < 1000);
    }
}
