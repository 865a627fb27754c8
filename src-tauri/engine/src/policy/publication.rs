//! The words in which a pull request of ours is opened on another forge: what, why, how verified, as its page here has it. What agents
//! and specs wrote is text there and nothing else - nobody is mentioned by it, no issue is closed by it -, and secrets are taken out.

use pilothouse_contract::pull::Pull;
use pilothouse_contract::text;

use super::redact::redacted;

/// A title holds at most so many signs.
const TITLE_MAX: usize = 200;
/// A line of the text holds at most so many.
const LINE_MAX: usize = 600;
/// Of each part at most so many lines are said.
const LINES_MAX: usize = 60;
/// The text is no longer than this, in bytes: forges take no more than 65,536 signs.
const BODY_MAX: usize = 60_000;

/// The title.
#[must_use]
pub fn title(pull: &Pull) -> String {
    text::line(redacted(pull.title.trim()).trim(), TITLE_MAX)
}

/// The text.
#[must_use]
pub fn body(pull: &Pull) -> String {
    // Whole first, then line by line: a secret may be several lines long.
    let safe = |it: &str| text::markdown(redacted(it).trim(), LINE_MAX);
    let mut says = String::new();
    if !pull.body.why.trim().is_empty() {
        says.push_str("## Why\n\n");
        let why = redacted(&pull.body.why).into_owned();
        for line in why.lines().take(LINES_MAX) {
            says.push_str(&format!("{}\n", text::markdown(line.trim(), LINE_MAX)));
        }
        says.push('\n');
    }
    let part = |says: &mut String, title: &str, lines: Vec<String>| {
        let more = lines.len().saturating_sub(LINES_MAX);
        if lines.is_empty() {
            return;
        }
        says.push_str(&format!("## {title}\n\n"));
        for line in lines.iter().take(LINES_MAX) {
            says.push_str(&format!("- {line}\n"));
        }
        if more > 0 {
            says.push_str(&format!("- and {more} more\n"));
        }
        says.push('\n');
    };
    part(&mut says, "What", pull.body.what.iter().map(|it| safe(it)).collect());
    let verified = pull.body.verified.iter().map(|it| format!("{} ({})", safe(&it.says), it.evidence));
    part(&mut says, "How verified", verified.collect());
    if let Some(risk) = &pull.review.risk {
        says.push_str(&format!("Risk: {}, by the rule {}\n\n", risk.class.word(), safe(&risk.rule)));
    }
    says.push_str(&format!("{} of Pilothouse\n", pull.id));
    if says.len() <= BODY_MAX {
        return says;
    }
    let mut end = BODY_MAX;
    while !says.is_char_boundary(end) {
        end -= 1;
    }
    says.truncate(end);
    says.push_str("\n\n(cut here)\n");
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(why: &str, what: &[&str]) -> Pull {
        let mut it: Pull = serde_json::from_value(serde_json::json!({
            "id": "pr3", "project": "p1", "item": "i1", "run": "r1", "title": format!("Add {why}"),
            "body": { "what": what, "why": why, "verified": [{ "says": "T001: `make` passed on tree abc", "evidence": "e7" }] },
            "onto": "refs/heads/main", "from": "refs/heads/pilothouse/001-x/item", "head": "a".repeat(40), "commits": 1,
            "size": { "files": 1, "added": 2, "removed": 3 }, "state": { "state": "checking" }, "why": "", "opened": 0, "moved": 0,
        }))
        .unwrap();
        it.body.why = why.to_owned();
        it
    }

    #[test]
    fn what_is_sent_says_what_why_and_how_verified_in_order() {
        let says = body(&pull("It must be done.", &["T001: make it"]));
        let at = |it: &str| says.find(it).unwrap_or_else(|| panic!("{it} in {says}"));
        assert!(at("## Why") < at("It must be done.") && at("It must be done.") < at("## What"));
        assert!(at("- T001: make it") < at("## How verified") && at("## How verified") < at("(e7)"));
        assert!(says.ends_with("pr3 of Pilothouse\n"), "{says}");
    }

    #[test]
    fn nobody_is_mentioned_nothing_is_linked_and_no_secret_is_sent() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        let it = pull(
            &format!("Ask @octocat, fixes #12 <img src=x>\n## Not ours\nwith {token}"),
            &[&format!("T001: token {token}")],
        );
        let says = format!("{}\n{}", title(&it), body(&it));
        assert!(!says.contains(&token) && says.contains("secret taken out"), "{says}");
        let body = body(&it);
        assert!(
            !body.contains("@octocat") && !body.contains("#12") && !body.contains("<img")
                || body.contains("\\<img")
        );
        assert!(
            !body.contains("@octocat") && !body.contains("#12") && !body.contains("\n## Not ours"),
            "{body}"
        );
        assert!(!title(&it).contains('\n'));
    }

    #[test]
    fn a_long_text_is_cut_at_a_sign_and_says_so() {
        let long = "\u{e9}".repeat(580);
        let lines: Vec<&str> = vec![long.as_str(); 200];
        let says = body(&pull("why", &lines));
        assert!(says.len() <= BODY_MAX + 20 && says.contains("(cut here)"), "{}", says.len());
        let says = body(&pull("why", &vec!["short"; 200]));
        assert!(says.contains("- and 140 more"), "{says}");
    }
}
