//! The prompt of an attempt: a strict Liquid template over `issue`, `attempt` and `retry_kind`. Refuses what it does not
//! know: an unknown variable or filter fails the attempt, it never becomes empty text.

use std::error::Error as _;
use std::io;

use serde::Serialize;
use serde_json::json;

use crate::Issue;

/// The prompt where the file's body is blank. Never used where reading the file failed.
pub const DEFAULT_PROMPT: &str = "You work on {{ issue.identifier }}: {{ issue.title }}\n\n\
{% if issue.description %}{{ issue.description }}\n\n{% endif %}\
Work in this folder only. Finish the issue, check your work, and say at the end what you did.";

/// A prompt is at most so long, in bytes: a template can say more than any agent reads.
const PROMPT_MAX: usize = 1024 * 1024;

/// Why a prompt could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is no Liquid, or names a filter or tag that does not exist.
    #[error("template_parse_error: the prompt cannot be read: {0}")]
    Parse(String),
    /// The template names something that there is not.
    #[error("template_render_error: the prompt cannot be made: {0}")]
    Render(String),
}

/// Why an attempt is made: what `attempt` alone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryKind {
    /// The first one.
    First,
    /// The one before ended well and the issue is still active.
    Continuation,
    /// The one before failed.
    Failure,
}

/// Makes the prompt of an attempt; `attempt` is nothing for the first.
///
/// # Errors
/// If the template cannot be read or names something unknown. That is this attempt's failure and nobody else's.
pub fn render(
    template: &str,
    issue: &Issue,
    attempt: Option<u32>,
    kind: RetryKind,
) -> Result<String, TemplateError> {
    let template = if template.trim().is_empty() { DEFAULT_PROMPT } else { template };
    let parser = liquid::ParserBuilder::with_stdlib()
        .build()
        .map_err(|error| TemplateError::Parse(one_line(&error)))?;
    let parsed = parser.parse(template).map_err(|error| TemplateError::Parse(one_line(&error)))?;
    let inputs = json!({ "issue": issue, "attempt": attempt, "retry_kind": kind });
    let inputs = liquid::to_object(&inputs).map_err(|error| TemplateError::Render(one_line(&error)))?;
    let mut made = Made::default();
    let rendered = parsed.render_to(&mut made, &inputs);
    if made.is_full {
        return Err(TemplateError::Render(format!("it would be longer than {PROMPT_MAX} bytes")));
    }
    rendered.map_err(|error| TemplateError::Render(one_line(&error)))?;
    String::from_utf8(made.bytes).map_err(|error| TemplateError::Render(error.to_string()))
}

/// What was made of a prompt so far. Takes no more once that is too much.
#[derive(Debug, Default)]
struct Made {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Made {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > PROMPT_MAX {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An issue that has everything, for [`check`].
#[must_use]
pub fn example() -> Issue {
    let text = || Some("text".to_owned());
    Issue {
        id: "id".to_owned(),
        native_ref: Some(json!({})),
        identifier: "KEY-1".to_owned(),
        title: "title".to_owned(),
        description: text(),
        priority: Some(1),
        state: "state".to_owned(),
        branch_name: text(),
        url: text(),
        assignee_id: text(),
        labels: vec!["label".to_owned()],
        blocked_by: vec![crate::Blocker { id: text(), identifier: text(), state: text() }],
        dispatchable: true,
        created_at: Some(jiff::Timestamp::UNIX_EPOCH),
        updated_at: Some(jiff::Timestamp::UNIX_EPOCH),
    }
}

/// Whether a prompt can be made for an issue, at the first try and after it.
///
/// # Errors
/// As [`render`].
pub fn check(template: &str, issue: &Issue) -> Result<(), TemplateError> {
    render(template, issue, None, RetryKind::First)?;
    render(template, issue, Some(1), RetryKind::Failure).map(|_| ())
}

/// The library's errors are drawings of several lines.
fn one_line(error: &liquid::Error) -> String {
    let mut says = error.to_string();
    if let Some(cause) = error.source() {
        says = format!("{says}; {cause}");
    }
    says.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue() -> Issue {
        serde_json::from_value(json!({
            "id": "1", "identifier": "A-1", "title": "Mend", "state": "Todo", "dispatchable": true,
            "labels": ["bug", "ui"], "blocked_by": [{"identifier": "A-0", "state": "Done"}],
            "native_ref": {"number": 7}, "created_at": "2026-01-02T03:04:05Z"
        }))
        .unwrap()
    }

    fn made(template: &str, attempt: Option<u32>) -> Result<String, TemplateError> {
        render(template, &issue(), attempt, RetryKind::First)
    }

    #[test]
    fn row_1_15_a_prompt_has_the_issue_and_the_attempt() {
        let template = "{{ issue.identifier }} {{ issue.title }} {% for l in issue.labels %}[{{ l }}]{% endfor %}\
            {% for b in issue.blocked_by %}<{{ b.identifier }}>{% endfor %} {{ issue.native_ref.number }} \
            {{ issue.created_at }} {% if attempt %}again {{ attempt }}{% else %}first{% endif %}{{ issue.description }}";
        assert_eq!(made(template, None).unwrap(), "A-1 Mend [bug][ui]<A-0> 7 2026-01-02T03:04:05Z first");
        assert!(made(template, Some(3)).unwrap().ends_with("again 3"));
        assert_eq!(made("{{ retry_kind }}", None).unwrap(), "first");
    }

    #[test]
    fn row_1_16_an_unknown_variable_fails_the_prompt() {
        for template in
            ["{{ isue.title }}", "{{ issue.nothing }}", "{% for x in issue.nothing %}x{% endfor %}"]
        {
            assert!(matches!(made(template, None), Err(TemplateError::Render(_))), "{template}");
        }
    }

    #[test]
    fn row_n_1_an_unknown_filter_fails_the_prompt() {
        let error = made("{{ issue.title | shout }}", None).unwrap_err().to_string();
        assert!(error.contains("shout"), "{error}");
        assert!(matches!(made("{{ issue.title", None), Err(TemplateError::Parse(_))));
    }

    #[test]
    fn a_prompt_that_would_be_longer_than_anybody_reads_is_not_made() {
        let template = format!("{{% for i in (1..9000) %}}{}{{% endfor %}}", "x".repeat(200));
        let error = made(&template, None);
        assert!(error.unwrap_err().to_string().contains("longer than"));
    }

    #[test]
    fn a_blank_body_has_a_prompt_all_the_same() {
        assert!(made("  \n", None).unwrap().starts_with("You work on A-1: Mend"));
    }
}
