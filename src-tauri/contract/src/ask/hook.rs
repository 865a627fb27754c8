//! What agents' hooks send. The only thing besides reading that a program inside a session may do.

use super::*;
use crate::audit::Shown;

asks! {
    /// The fence in an agent's git refused a move of a ref.
    RefRefused {
        /// The session the caller says it is in; checked against its ancestry.
        session: SessionId,
        /// The ref.
        reference: String,
        /// Where it stood.
        from: String,
        /// Where it was to go.
        to: String,
    }
    /// What the session that judges a run's completeness says of one requirement.
    Verdict {
        /// The session the caller says it is in; checked against its ancestry.
        session: SessionId,
        /// The requirement's id.
        requirement: String,
        /// What it says.
        shown: Shown,
    }
    /// Asks the session's person something. The same words from the same session are the same question.
    Ask {
        /// The session the caller says it is in; checked against its ancestry.
        session: SessionId,
        /// What is asked.
        asks: String,
        /// What may be answered; if there are none, anything.
        choices: Vec<String>,
    }
    /// Where a question stands, for the session that asked it.
    Answered {
        /// Which.
        question: QuestionId,
    }
}
