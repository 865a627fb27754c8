//! `pilothouse usage`: tokens and money, from the records of single calls.

use clap::ValueEnum;
use pilothouse_contract::archive::{By, Usage, UsageRow};
use pilothouse_contract::{At, ask};

use super::back::moment;
use crate::desk::{self, End, HOLDS};
use crate::out::{Out, short, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// By what it is added up
    #[arg(long, value_enum, default_value_t = Kind::Model)]
    by: Kind,
    /// Only calls since then: a span back from now (8h, 7d) or a time in UTC (2026-11-20T22:00)
    #[arg(long, value_parser = moment)]
    since: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Each session of ours and each imported log
    Session,
    /// Each task
    Task,
    /// Each item
    Item,
    /// Each agent program
    Agent,
    /// Each model
    Model,
    /// Each day
    Day,
}

impl Kind {
    fn by(self) -> By {
        match self {
            Self::Session => By::Session,
            Self::Task => By::Task,
            Self::Item => By::Item,
            Self::Agent => By::Agent,
            Self::Model => By::Model,
            Self::Day => By::Day,
        }
    }
}

pub(crate) async fn run(args: &Args, out: Out) -> End {
    let usage = desk::call(ask::trajectory::Usage { by: args.by.by(), since: args.since }).await?;
    out.value(&usage, show);
    Ok(HOLDS)
}

fn show(usage: &Usage) -> String {
    if usage.rows.is_empty() && matches!(usage.by, By::Task | By::Item) {
        let what = if usage.by == By::Task { "a task" } else { "an item" };
        return format!(
            "No calls of models are known that belong to {what}; what agents used elsewhere belongs to none: pilothouse usage --by session"
        );
    }
    if usage.rows.is_empty() {
        return "No calls of models are known. What agents did elsewhere is counted once it is imported: pilothouse trajectory import".to_owned();
    }
    let rows: Vec<Vec<String>> = usage.rows.iter().chain([&usage.all]).map(row).collect();
    let head = ["", "CALLS", "TOKENS IN", "CACHED", "OUT", "COST"];
    let tables = match usage.tables.as_slice() {
        [] => String::new(),
        tables => format!("\nPrices: {}", tables.join("; ")),
    };
    table(&head, &rows) + &tables
}

fn row(it: &UsageRow) -> Vec<String> {
    let tokens = &it.tokens;
    vec![
        short(&it.of, 60),
        it.calls.to_string(),
        (tokens.input + tokens.cache_write).to_string(),
        tokens.cached.to_string(),
        tokens.output.to_string(),
        cost(it),
    ]
}

/// What is known, and what is not: a sum that is no sum of all says so.
fn cost(it: &UsageRow) -> String {
    if it.calls == 0 && it.known.is_zero() {
        return "nothing".to_owned();
    }
    match (it.whole, it.known.is_zero()) {
        (true, _) => it.known.to_string(),
        (false, true) => format!("not known: no price for {}", names(it)),
        (false, false) => format!("{} and more: no price for {}", it.known, names(it)),
    }
}

fn names(it: &UsageRow) -> String {
    let named = it
        .no_price
        .iter()
        .map(|it| if it.is_empty() { "a model without a name".to_owned() } else { short(it, 40) });
    let all: Vec<String> = named.collect();
    if all.is_empty() { "some calls".to_owned() } else { all.join(", ") }
}
