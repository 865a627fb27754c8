//! The requirements of a spec: list items and headings of `spec.md` that begin with an id like `FR-001` or `SC-002`.
//!
//! Refuses to guess: a sentence without an id is no requirement that anything can be held against.

use std::collections::HashSet;
use std::sync::LazyLock;

use pilothouse_contract::spec::Requirement;
use regex::Regex;

use super::lines::lines;

#[allow(clippy::expect_used, reason = "invariant: the pattern is fixed and compiles")]
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\s*(?:[-*+]|\d+\.|#{2,6})\s+\**`?((?:FR|SC|NFR|AC|REQ)-\d{1,4}[a-z]?)`?\**\s*[:.–—-]?\s*(.*)$",
    )
    .expect("the pattern compiles")
});

/// What an id begins with, and so many bytes from a line's beginning it stands at most, but for blanks.
const KINDS: [&str; 5] = ["FR-", "SC-", "NFR-", "AC-", "REQ-"];
const HEAD: usize = 48;

/// Reads them. An id that stands twice counts once, with the words of its first place.
pub(in crate::policy) fn requirements(spec: &str) -> Vec<Requirement> {
    let mut all: Vec<Requirement> = Vec::new();
    let mut seen = HashSet::new();
    for line in lines(spec).filter(|it| !it.hidden) {
        // Most lines hold no id, and the pattern is slow to say so.
        let begins = line.text.trim_start().split_at_checked(HEAD).map_or(line.text, |(it, _)| it);
        if !KINDS.iter().any(|it| begins.contains(it)) {
            continue;
        }
        let Some(found) = LINE.captures(line.text) else { continue };
        let part = |n: usize| found.get(n).map(|it| it.as_str()).unwrap_or_default();
        let (id, text) = (part(1), part(2).trim_start_matches("**").trim());
        if seen.insert(id.to_owned()) {
            let text = text.trim_start_matches([':', ' ']).to_owned();
            all.push(Requirement { id: id.to_owned(), text, line: line.number });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_at_the_beginning_of_items_are_requirements_and_others_are_not() {
        let text = "# X\n\n## Requirements\n\n- **FR-001**: It MUST fly.\n* FR-002 It lands\n- `SC-001`: under 2 s\n\
                    1. NFR-003: quiet\n### FR-010: A heading\n- See FR-001 for more\n- **FR-001**: again\n\
                    ```\n- FR-099: sample\n```\n";
        let found = requirements(text);
        let brief: Vec<(&str, &str, usize)> =
            found.iter().map(|it| (it.id.as_str(), it.text.as_str(), it.line)).collect();
        assert_eq!(
            brief,
            [
                ("FR-001", "It MUST fly.", 5),
                ("FR-002", "It lands", 6),
                ("SC-001", "under 2 s", 7),
                ("NFR-003", "quiet", 8),
                ("FR-010", "A heading", 9)
            ]
        );
    }
}
