//! The log of the rehearsal's agents: one JSON object a line, `{"id": …, "kind": …, …}` with the fields of a step.

use pilothouse_contract::At;
use pilothouse_contract::trajectory::StepKind;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    id: String,
    /// Seconds since 1970, if it says.
    #[serde(default)]
    at: Option<i64>,
    #[serde(flatten)]
    kind: StepKind,
}

/// What a line says; nothing if it is damaged.
pub(crate) fn read_line(line: &str) -> Option<Vec<(String, Option<At>, StepKind)>> {
    if line.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut line: Line = serde_json::from_str(line).ok()?;
    // It says all it calls with.
    if let StepKind::Call { says, input, .. } = &mut line.kind {
        *input = super::said::hash(says);
    }
    Some(vec![(line.id, line.at.map(|it| At(it * 1000)), line.kind)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_step() {
        let read = read_line(r#"{"id":"1","at":7,"kind":"message","text":"hello"}"#).unwrap();
        assert_eq!(read, [("1".to_owned(), Some(At(7000)), StepKind::Message { text: "hello".to_owned() })]);
        assert_eq!(read_line(r#"{"id":"1","kind"#), None);
    }
}
