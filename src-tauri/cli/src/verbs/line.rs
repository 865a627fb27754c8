//! `pilothouse line …`: a person holds the line of a project, so that nothing lands, and lets it go again.

use clap::Subcommand;
use pilothouse_contract::ask;

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, short};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Hold the line: nothing lands until you open it, but by pr land --escape
    Stop {
        /// The project, by name or id
        project: String,
        /// Why; whoever waits reads it
        #[arg(long)]
        why: String,
    },
    /// Let the line go again: what waits lands as soon as its checks hold on what is there then
    Open {
        /// The project, by name or id
        project: String,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::Stop { project, why } => {
            let it = desk::project(&project).await?;
            let it = desk::call(ask::project::HoldLine { project: it.id, why }).await?;
            out.value(&it, |it| {
                let why = it.held.as_ref().map(|it| short(&it.why, 200)).unwrap_or_default();
                format!("You hold the line of {}: {why}. Let it go: pilothouse line open {0}", it.name)
            });
        }
        Verb::Open { project } => {
            let it = desk::project(&project).await?;
            let it = desk::call(ask::project::OpenLine { project: it.id }).await?;
            out.value(&it, |it| format!("The line of {} is open.", it.name));
        }
    }
    Ok(HOLDS)
}
