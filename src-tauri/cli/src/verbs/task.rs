//! `pilothouse task …`

use clap::Subcommand;
use pilothouse_contract::ask;
use pilothouse_contract::run::TaskState;
use pilothouse_contract::spec::Verify;

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The tasks of an item, where each stands, and why it waits
    List {
        /// The item's id or short name
        item: String,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    let Verb::List { item } = verb;
    let item = desk::item(&item).await?;
    let tasks = desk::call(ask::task::List { item: item.id }).await?;
    out.value(&tasks, show);
    Ok(HOLDS)
}

fn show(page: &ask::task::Tasks) -> String {
    let rows: Vec<Vec<String>> = page
        .tasks
        .iter()
        .map(|line| {
            let it = &line.task;
            let why = match (&it.state, &line.wait) {
                (TaskState::Parked { why }, _) => why.clone(),
                (TaskState::Active { attempt }, _) => format!("{attempt} works on it"),
                (TaskState::Done { commit }, _) => format!("committed as {}", commit.short()),
                (_, Some(wait)) => wait.to_string(),
                _ => String::new(),
            };
            let files =
                it.spec.files.as_ref().map_or_else(|| "unknown".to_owned(), |scope| scope.include.join(", "));
            let verify = match &it.spec.verify {
                Verify::Commands(commands) => commands.join(" && "),
                Verify::Manual(why) => format!("by hand: {why}"),
                Verify::Human(what) => format!("by a person: {what}"),
                Verify::Unsaid => "none".to_owned(),
            };
            vec![
                it.spec.id.to_string(),
                it.state.word().to_owned(),
                it.attempts.len().to_string(),
                short(&it.spec.title, 40),
                short(&files, 40),
                short(&verify, 40),
                short(&why, 80),
            ]
        })
        .collect();
    let mut says = table(&["TASK", "STATE", "TRIES", "TITLE", "FILES", "PROOF", "WHY"], &rows);
    for remark in page.remarks.iter().filter(|it| it.blocking) {
        says.push_str(&format!(
            "\nmust be mended: {}:{}: {}",
            remark.file,
            remark.line,
            short(&remark.says, 200)
        ));
    }
    says
}
