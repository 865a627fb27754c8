//! Who reviews pull requests, by `review:` of `WORKFLOW.md`: agents of another family than the author, how far down they may go, how
//! often, and what they look through.
//!
//! Refuses to ask anybody that nobody named: an agent costs money, and a review is switched on by a person.

use pilothouse_contract::card::Writer;
use pilothouse_contract::review::{Priority, ReviewPolicy};
use serde::Deserialize;

use super::family;

/// So many rounds are made where nothing else is said.
const ROUNDS: u32 = 3;
/// What is looked through where nothing else is said.
const LENSES: [&str; 3] = ["correctness", "security", "tests"];

/// The key `review:`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewSettings {
    /// Who reviews, by the names of agents.
    pub agents: Vec<String>,
    /// What matters less is dropped.
    pub line: Priority,
    /// So many rounds, and then a person decides.
    pub rounds: Option<u32>,
    /// What is looked through.
    pub lenses: Vec<String>,
    /// Whether a person's yes waits for it, too.
    pub person_waits: bool,
}

/// What follows for the changes of an author.
#[must_use]
pub fn policy(settings: &ReviewSettings, author: Writer, named: Vec<Writer>) -> ReviewPolicy {
    let (others, alike): (Vec<_>, Vec<_>) =
        named.into_iter().map(|it| (family::errs_alike(&author, &it), it)).partition(|it| it.0.is_none());
    let whys: Vec<String> = alike.into_iter().filter_map(|it| it.0).collect();
    let off = match (others.is_empty(), whys.is_empty()) {
        (false, _) => String::new(),
        (true, true) => {
            "nobody is named to review it: name an agent of another model family under review: in WORKFLOW.md"
                .to_owned()
        }
        (true, false) => format!("nobody of another model family is named to review it: {}", whys.join("; ")),
    };
    let lenses = match settings.lenses.as_slice() {
        [] => LENSES.iter().map(|it| (*it).to_owned()).collect(),
        own => own.to_vec(),
    };
    ReviewPolicy {
        agents: others.into_iter().map(|it| it.1).collect(),
        off,
        author: author.family,
        line: settings.line,
        rounds: settings.rounds.unwrap_or(ROUNDS),
        lenses,
        person_waits: settings.person_waits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::workflow::Workflow;

    fn read(review: &str) -> ReviewPolicy {
        let text = format!(
            "---\npilothouse:\n  agent: a\n  agents:\n    a: {{ command: [a], family: alpha }}\n    b: {{ command: [b], family: beta }}\n    c: {{ command: [c] }}\n  review: {review}\n---\n"
        );
        let workflow = Workflow::read(Some(&text), "x").unwrap();
        workflow.policy(workflow.agent(None).unwrap()).review
    }

    #[test]
    fn reviewers_are_of_another_family_and_nobody_is_asked_who_was_not_named() {
        let on = read("{ agents: [a, b], line: P1, rounds: 2, lenses: [money] }");
        let names: Vec<&str> = on.agents.iter().map(|it| it.agent.name.as_str()).collect();
        assert_eq!((names, on.off.as_str()), (vec!["b"], ""));
        assert_eq!((on.line, on.rounds, on.lenses), (Priority::P1, 2, vec!["money".to_owned()]));
        let none = read("{}");
        assert!(none.agents.is_empty() && none.off.contains("under review: in WORKFLOW.md"), "{}", none.off);
        assert_eq!((none.line, none.rounds, none.lenses.len()), (Priority::P2, 3, 3));
        let alike = read("{ agents: [a, c] }");
        assert!(
            alike.off.contains("a is of the family alpha") && alike.off.contains("family c is"),
            "{}",
            alike.off
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let bad = |review: &str| {
            Workflow::read(Some(&format!("---\npilothouse:\n  review: {review}\n---\n")), "x")
                .unwrap_err()
                .to_string()
        };
        assert!(bad("{ agents: [nobody] }").contains("'nobody'"));
        assert!(bad("{ line: P3 }").contains("P3"), "{}", bad("{ line: P3 }"));
        assert!(bad("{ rounds: 0 }").contains("review.rounds: must be at least 1"));
        assert!(bad("{ lenses: ['a; b'] }").contains("'a; b' is no name"));
    }
}
