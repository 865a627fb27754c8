//! What the readers of agents' logs have in common: texts at places, a call in one line for people, names for what has none.
//!
//! Pure: no file is opened here.

use pilothouse_contract::At;
use serde_json::Value;

use crate::policy::redact;

/// How many characters a call's line for people has at most.
const LONGEST_SAYING: usize = 240;
/// What a call is about, most telling first; a call with none of these is shown as JSON.
const TELLING: [&str; 7] = ["command", "cmd", "file_path", "filePath", "notebook_path", "url", "query"];

/// The text at a place; an empty one if there is none.
pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The moment that a text at a place tells.
pub(super) fn time(value: &Value, pointer: &str) -> Option<At> {
    let moment: jiff::Timestamp = text_at(value, pointer).parse().ok()?;
    Some(At(moment.as_millisecond()))
}

/// A number at a place; zero if there is none.
pub(super) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// What a tool was called with, in one line that fits a list.
pub(super) fn saying(input: Option<&Value>) -> String {
    let Some(input) = input else { return String::new() };
    let told = TELLING.iter().find_map(|name| input.get(name).and_then(Value::as_str));
    let told = told.map_or_else(|| input.to_string(), str::to_owned);
    // Cleaned before it is cut, for half a secret has no form any more.
    let told = redact::redacted(&told);
    let lines: Vec<&str> = told.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Control characters would let an agent write on the terminal of whoever reads the list.
    let line = lines.join(" ↵ ").replace(char::is_control, " ");
    match line.char_indices().nth(LONGEST_SAYING - 1) {
        Some((cut, last)) if cut + last.len_utf8() < line.len() => {
            line.chars().take(LONGEST_SAYING - 1).chain(['…']).collect()
        }
        _ => line,
    }
}

/// A hash of a text, as text.
pub(super) fn hash(text: &str) -> String {
    format!("{:016x}", fingerprint(text))
}

/// FNV-1a in 64 bits: short to write and, unlike the standard library's hashes, the same in every version.
pub(super) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_in_one_short_line() {
        let said = |input: &Value| saying(Some(input));
        assert_eq!(said(&serde_json::json!({"command": "a\n\n  b\u{1b}[0m"})), "a ↵ b [0m");
        assert_eq!(said(&serde_json::json!({"file_path": "/w/x", "content": "y"})), "/w/x");
        assert_eq!(said(&serde_json::json!({"n": 1})), r#"{"n":1}"#);
        for (length, shown) in [(239, 239), (240, 240), (241, 240), (900, 240)] {
            let line = said(&serde_json::json!({"command": "é".repeat(length)}));
            assert_eq!((line.chars().count(), line.ends_with('…')), (shown, length > 240));
        }
    }
}
