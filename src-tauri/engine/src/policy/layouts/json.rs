//! JSON with the bytes where each value stands, so that one value can be written and nothing else moves.
//!
//! Refuses what is nested deeper than anybody writes, with its place, instead of running out of stack.

use pilothouse_contract::layout::{Diagnostic, Span};

use super::Text;

const DEPTH_MAX: usize = 64;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Its bytes.
    pub(super) span: Span,
    /// What it is.
    pub(super) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// `null`, or a number as it is written.
    Plain(String),
    /// `true` or `false`.
    Flag(bool),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in order.
    Map(Vec<(String, Node)>),
}

/// Why a text is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    at: usize,
    says: String,
}

impl Bad {
    pub(super) fn diagnostic(&self, text: &Text<'_>) -> Diagnostic {
        text.diagnostic(self.at, &format!("is no JSON: {}", self.says), true)
    }
}

impl Node {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(all) => all.iter().find(|(it, _)| it == key).map(|(_, it)| it),
            _ => None,
        }
    }

    /// Its text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(it) => Some(it),
            _ => None,
        }
    }

    /// A text or a number as words.
    pub(super) fn words(&self) -> Option<&str> {
        match &self.value {
            Value::Text(it) | Value::Plain(it) if it != "null" => Some(it),
            _ => None,
        }
    }

    /// Its parts, if it is a list.
    pub(super) fn list(&self) -> &[Node] {
        match &self.value {
            Value::List(it) => it,
            _ => &[],
        }
    }
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Node, Bad> {
    let mut reader = Reader { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } };
    let node = reader.node(0)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.bad("something stands behind its end: delete it"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn bad(&self, says: &str) -> Bad {
        Bad { at: self.at, says: says.to_owned() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Bad> {
        if depth > DEPTH_MAX {
            return Err(self.bad("it is nested deeper than 64 levels: flatten it"));
        }
        self.blank();
        let from = self.at;
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(_) => self.word()?,
            None => return Err(self.bad("it ends where a value should stand")),
        };
        Ok(Node { span: Span { from, to: self.at }, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Bad> {
        let mut all = Vec::new();
        self.at += 1;
        loop {
            self.blank();
            match self.peek() {
                Some(b'}') if all.is_empty() => break,
                Some(b'"') => {}
                _ => return Err(self.bad("a key between quotation marks should stand here")),
            }
            let key = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.bad("a colon should stand here"));
            }
            self.at += 1;
            all.push((key, self.node(depth + 1)?));
            if self.ends(b'}')? {
                break;
            }
        }
        if self.peek() == Some(b'}') {
            self.at += 1;
        }
        Ok(Value::Map(all))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Bad> {
        let mut all = Vec::new();
        self.at += 1;
        loop {
            self.blank();
            if self.peek() == Some(b']') && all.is_empty() {
                break;
            }
            all.push(self.node(depth + 1)?);
            if self.ends(b']')? {
                break;
            }
        }
        if self.peek() == Some(b']') {
            self.at += 1;
        }
        Ok(Value::List(all))
    }

    /// Whether a closing sign comes; a comma is passed. The sign itself is left for the caller.
    fn ends(&mut self, close: u8) -> Result<bool, Bad> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(it) if it == close => Ok(true),
            _ => Err(self.bad("a comma or the closing bracket should stand here")),
        }
    }

    fn string(&mut self) -> Result<String, Bad> {
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut at = from + 1;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err(self.bad("this text has no end: close it with a quotation mark")),
            }
        }
        let whole = self.text.get(from..=at).unwrap_or_default();
        let text = serde_json::from_str(whole)
            .map_err(|_| self.bad("this text holds what JSON has no room for: escape it with a backslash"))?;
        self.at = at + 1;
        Ok(text)
    }

    fn word(&mut self) -> Result<Value, Bad> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let long = rest.bytes().take_while(|it| it.is_ascii_alphanumeric() || b"+-.".contains(it)).count();
        let word = rest.get(..long).unwrap_or_default();
        let value = match word {
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            "null" => Value::Plain(word.to_owned()),
            _ if word.parse::<f64>().is_ok() => Value::Plain(word.to_owned()),
            _ => return Err(self.bad("a value should stand here: a text, a number, true, false or null")),
        };
        self.at += long;
        Ok(value)
    }
}
