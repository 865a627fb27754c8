//! `pilothouse trajectory …`

use clap::Subcommand;
use pilothouse_contract::money::Money;
use pilothouse_contract::trajectory::{StepKind, Tokens, Trajectory};
use pilothouse_contract::{SessionId, ask};

use crate::desk::{self, End, HOLDS, id};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The trajectories that are stored, newest first
    List,
    /// What an agent said and did, step by step
    Show {
        /// Its session
        #[arg(value_parser = id::<SessionId>)]
        session: SessionId,
        /// From this step on
        #[arg(long, default_value_t = 0)]
        from: u32,
        /// At most so many steps
        #[arg(long, default_value_t = 1000)]
        most: u32,
        /// Also records that Pilothouse does not read
        #[arg(long)]
        all: bool,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List => {
            let all = desk::call(ask::trajectory::List {}).await?;
            out.value(&all, |all| list(all));
        }
        Verb::Show { session, from, most, all } => {
            desk::call(ask::session::Peek { session }).await?;
            let page = desk::call(ask::trajectory::Show { session, from, most }).await?;
            out.value(&page, |page| show(page, all));
        }
    }
    Ok(HOLDS)
}

fn list(all: &[Trajectory]) -> String {
    if all.is_empty() {
        return "No trajectories yet: agents with a session log of their own leave them.".to_owned();
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|it| {
            vec![
                it.session.to_string(),
                it.steps.to_string(),
                (it.input + it.cache_write).to_string(),
                it.cached.to_string(),
                it.output.to_string(),
                short(&it.title, 60),
            ]
        })
        .collect();
    table(&["SESSION", "STEPS", "TOKENS IN", "CACHED", "OUT", "TITLE"], &rows)
}

fn show(page: &ask::trajectory::TrajectoryPage, all: bool) -> String {
    let it = &page.trajectory;
    let says = format!(
        "{} {}: {} steps ({} records not read, {} damaged lines), from {}\n\n",
        it.session,
        short(&it.title, 80),
        it.steps,
        it.unread,
        it.damaged,
        it.file
    );
    says + &lines(page.steps.iter().map(|it| (it.ordinal, &it.kind)), all)
}

/// Steps, a line each; with `all` also what Pilothouse does not read.
pub(super) fn lines<'a>(steps: impl Iterator<Item = (u32, &'a StepKind)>, all: bool) -> String {
    let shown = steps.filter(|(_, kind)| all || !matches!(kind, StepKind::Unread { .. }));
    shown.map(|(ordinal, kind)| line(ordinal, kind) + "\n").collect()
}

fn line(ordinal: u32, kind: &StepKind) -> String {
    let (word, text) = match kind {
        StepKind::Prompt { text } => ("prompt", short(text, 200)),
        StepKind::Message { text } => ("says", short(text, 400)),
        StepKind::Reasoning { text } => ("thinks", short(text, 400)),
        StepKind::Call { tool, says, .. } => ("calls", format!("{}: {}", short(tool, 20), short(says, 200))),
        StepKind::Result { failed: true, text, .. } => ("FAILED", short(text, 200)),
        StepKind::Result { text, .. } => ("got", short(text, 200)),
        StepKind::Tokens { model, tokens } => {
            let Tokens { cached, output, .. } = tokens;
            let anew = tokens.input + tokens.cache_write;
            ("tokens", format!("{}: {anew} in, {cached} cached, {output} out", short(model, 40)))
        }
        StepKind::Cost { micros, .. } => {
            let sum = micros.map_or("a sum that it does not know".to_owned(), |it| Money(it).to_string());
            ("cost", format!("{sum}, by the program's own count"))
        }
        StepKind::Error { text } => ("ERROR", short(text, 200)),
        StepKind::Unread { name } => ("unread", short(name, 60)),
    };
    format!("{ordinal:>4}  {word:<7} {text}")
}
