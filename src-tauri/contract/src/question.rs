//! Questions: what an agent asks its person, and what came of it. A person answers; an agent never does.
//!
//! Refuses: text that is not fit for a screen; what is stored went through [`crate::text`] already.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::ids::{AttemptId, ProjectId, QuestionId, RunId, SessionId};
use crate::text;
use crate::time::At;
use crate::who::Who;

/// A question is at most so long, in characters.
pub const ASKS_MAX: usize = 2000;
/// A choice is at most so long, in characters.
pub const CHOICE_MAX: usize = 200;
/// A question offers at most so many choices.
pub const CHOICES_MAX: usize = 6;
/// An answer is at most so long, in characters.
pub const ANSWER_MAX: usize = 4000;

/// Something that an agent asks its person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its id.
    pub id: QuestionId,
    /// The session that asks.
    pub session: SessionId,
    /// The run, if the session belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The attempt, if the session works for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// The project, if the session belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// What is asked; plain text that may have several lines.
    pub asks: String,
    /// What may be answered; if there are none, anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Whether the session waits for the answer before it goes on.
    pub blocks: bool,
    /// When it was asked.
    pub asked: At,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<QuestionAnswer>,
    /// Why nobody needs to answer any more, if the session ended unanswered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionAnswer {
    /// What is answered: one of the choices, if there are any.
    pub text: String,
    /// Who answers.
    pub by: Who,
    /// When.
    pub at: At,
}

impl Question {
    /// Whether it waits for an answer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.answer.is_none() && self.withdrawn.is_none()
    }

    /// The word shown to people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (&self.answer, &self.withdrawn) {
            (Some(_), _) => "answered",
            (None, Some(_)) => "withdrawn",
            (None, None) => "open",
        }
    }

    /// What a person's words come to as an answer: one of the choices by its text or its number from 1; where there are
    /// none, the words themselves.
    ///
    /// # Errors
    /// `Refused`, in words, if they are no answer to this question.
    pub fn answer_of(&self, said: &str) -> Result<String, Fault> {
        let said = text::plain(said.trim(), true);
        if self.choices.is_empty() {
            return match said.chars().count() {
                0 => Err(Fault::refused(format!("the answer to {} is empty", self.id))
                    .hint("say something, or end its session")),
                1..=ANSWER_MAX => Ok(said),
                length => Err(Fault::refused(format!(
                    "the answer to {} has {length} characters, and {ANSWER_MAX} is the most",
                    self.id
                ))
                .hint("shorten it")),
            };
        }
        let by_number = || self.choices.get(said.parse::<usize>().ok()?.checked_sub(1)?);
        self.choices.iter().find(|it| **it == said).or_else(by_number).cloned().ok_or_else(|| {
            let choices: Vec<String> =
                self.choices.iter().enumerate().map(|(n, it)| format!("{} {it}", n + 1)).collect();
            Fault::refused(format!("'{}' is none of the choices of {}", text::line(&said, 80), self.id))
                .hint(format!("answer with the text or the number of one: {}", choices.join("; ")))
        })
    }
}

/// What a session's words come to as a question: made plain, without blanks around.
///
/// # Errors
/// `Refused`, in words, if it is empty or too long, or if its choices are not a few short, different, plain lines.
pub fn asked(asks: &str, choices: &[String]) -> Result<(String, Vec<String>), Fault> {
    let asks = text::plain(asks.trim(), true);
    let length = asks.chars().count();
    if length == 0 {
        return Err(Fault::refused("the question is empty").hint("say what you want to know"));
    }
    if length > ASKS_MAX {
        let says = format!("the question has {length} characters, and {ASKS_MAX} is the most");
        return Err(Fault::refused(says).hint("shorten it, and say where the rest can be read"));
    }
    if choices.len() > CHOICES_MAX {
        let says = format!("the question offers {} choices, and {CHOICES_MAX} is the most", choices.len());
        return Err(Fault::refused(says).hint("offer fewer, or none and take what is said"));
    }
    let mut offered: Vec<String> = Vec::new();
    for choice in choices {
        let plain = text::plain(choice.trim(), false);
        // What comes back must be what was offered, letter for letter.
        if plain != *choice || plain.is_empty() || plain.chars().count() > CHOICE_MAX {
            let says = format!(
                "the choice '{}' is not one plain line of 1 to {CHOICE_MAX} characters",
                text::line(choice, 80)
            );
            return Err(Fault::refused(says).hint("write it without control characters and blanks around"));
        }
        if offered.contains(&plain) {
            return Err(Fault::refused(format!("the choice '{plain}' is offered twice")));
        }
        offered.push(plain);
    }
    Ok((asks, offered))
}

impl Fleet {
    /// The id the next question gets.
    #[must_use]
    pub fn next_question(&self) -> QuestionId {
        self.questions.keys().next_back().copied().unwrap_or_default().next()
    }

    /// The questions of a session, oldest first.
    pub fn questions_of(&self, session: SessionId) -> impl Iterator<Item = &Question> {
        self.questions.values().filter(move |it| it.session == session)
    }

    /// Until when a session had reason to be silent: now while it waits for an answer, else when its last answer came.
    #[must_use]
    pub fn waited_until(&self, session: SessionId, now: At) -> Option<At> {
        self.questions_of(session)
            .filter_map(|it| if it.is_open() { Some(now) } else { it.answer.as_ref().map(|it| it.at) })
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(choices: &[&str]) -> Question {
        let choices: Vec<String> = choices.iter().map(|it| (*it).to_owned()).collect();
        let (asks, choices) = asked(" Which?\n", &choices).unwrap();
        Question {
            id: QuestionId(7),
            session: SessionId(1),
            run: None,
            attempt: None,
            project: None,
            asks,
            choices,
            blocks: true,
            asked: At(0),
            answer: None,
            withdrawn: None,
        }
    }

    #[test]
    fn a_choice_is_taken_by_its_text_or_its_number() {
        let it = question(&["2", "red", "blue"]);
        assert_eq!(it.asks, "Which?");
        assert_eq!(it.answer_of("red").unwrap(), "red");
        assert_eq!(it.answer_of(" 3 ").unwrap(), "blue");
        assert_eq!(it.answer_of("2").unwrap(), "2", "a text goes before a number");
        for no in ["", "0", "4", "Red", "-1"] {
            let fault = it.answer_of(no).unwrap_err();
            assert!(fault.message.contains("none of the choices of q7"), "{fault}");
        }
    }

    #[test]
    fn without_choices_anything_that_can_be_shown_is_an_answer() {
        let it = question(&[]);
        assert_eq!(it.answer_of(" yes\nand no\x1b[31m ").unwrap(), "yes\nand no\u{241b}[31m");
        assert!(it.answer_of(" \n").is_err());
        assert!(it.answer_of(&"x".repeat(ANSWER_MAX + 1)).is_err());
    }

    #[test]
    fn what_does_not_fit_a_screen_is_not_asked() {
        assert_eq!(asked("a\x1b]0;b\x07", &[]).unwrap().0, "a\u{241b}]0;b\u{2407}");
        assert!(asked("  \n", &[]).is_err());
        assert!(asked(&"x".repeat(ASKS_MAX + 1), &[]).is_err());
        let choices = |all: &[&str]| asked("?", &all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert!(choices(&["a", "b"]).is_ok());
        for bad in [&["a", "a"][..], &["a\x1b[0m"], &[""], &["a\nb"], &["1", "2", "3", "4", "5", "6", "7"]] {
            assert!(choices(bad).is_err(), "{bad:?}");
        }
    }
}
