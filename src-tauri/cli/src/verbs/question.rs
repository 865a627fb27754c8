//! `pilothouse question …`: what agents ask, and a person's answers.

use clap::Subcommand;
use pilothouse_contract::question::Question;
use pilothouse_contract::{QuestionId, ask, text};

use crate::desk::{self, End, HOLDS, id};
use crate::out::{Out, clock};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Questions that wait for an answer
    List {
        /// Also those that were answered or withdrawn
        #[arg(long)]
        all: bool,
    },
    /// Answer one; a program inside a session cannot
    Answer {
        /// Its id
        #[arg(value_parser = id::<QuestionId>)]
        question: QuestionId,
        /// The answer; where there are choices, the text or the number of one
        #[arg(required = true)]
        text: Vec<String>,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { all } => {
            let questions = desk::call(ask::question::List { all }).await?;
            out.value(&questions, |questions| list(questions));
        }
        Verb::Answer { question, text } => {
            let asked = ask::question::Answer { question, text: text.join(" "), policy: None };
            let question = desk::call(asked).await?;
            out.value(&question, |it| {
                let said = it.answer.as_ref().map(|it| it.text.as_str()).unwrap_or_default();
                format!("Session {} is told: {said}", it.session)
            });
        }
    }
    Ok(HOLDS)
}

fn list(questions: &[Question]) -> String {
    if questions.is_empty() {
        return "Nobody asks anything. What was asked before: pilothouse question list --all".to_owned();
    }
    questions.iter().map(show).collect::<Vec<_>>().join("\n\n")
}

/// A question whole: what is decided on is not cut.
fn show(it: &Question) -> String {
    let mut from = format!("session {}", it.session);
    if let Some(run) = it.run {
        from.push_str(&format!(" of {run}"));
    }
    let mut says = format!("{} {}, {from}, {} UTC", it.id, it.word(), clock(it.asked));
    for line in text::plain(&it.asks, true).lines() {
        says.push_str(&format!("\n    {line}"));
    }
    for (n, choice) in it.choices.iter().enumerate() {
        says.push_str(&format!("\n      {} {}", n + 1, text::plain(choice, false)));
    }
    match (&it.answer, &it.withdrawn) {
        (Some(answer), _) => {
            says.push_str(&format!("\n    {}: {}", answer.by, text::plain(&answer.text, true)))
        }
        (None, Some(why)) => says.push_str(&format!("\n    withdrawn: {}", text::plain(why, false))),
        (None, None) => {
            let how = if it.choices.is_empty() { "TEXT" } else { "NUMBER" };
            says.push_str(&format!("\n    Answer: pilothouse question answer {} {how}", it.id));
        }
    }
    says
}
