//! `pilothouse task …`

use clap::Subcommand;
use pilothouse_contract::ask::change::Of;
use pilothouse_contract::run::TaskState;
use pilothouse_contract::spec::Verify;
use pilothouse_contract::{AttemptId, Fault, ask};

use super::change;
use crate::desk::{self, End, HOLDS};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The tasks of an item, where each stands, and why it waits
    List {
        /// The item's id or short name
        item: String,
    },
    /// The newest attempt at a task: its sessions, its evidence, its brief
    Show {
        /// The item's id or short name
        item: String,
        /// The task's id
        task: String,
    },
    /// The files that the newest attempts changed, of runs under way and of parked ones
    Touched {
        /// Of one item alone: its id or short name
        item: Option<String>,
    },
    /// What the newest attempt at a task changed, as a diff: its commit, or its worktree as it is now
    Diff {
        /// The item's id or short name
        item: String,
        /// The task's id
        task: String,
        #[command(flatten)]
        look: change::Look,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { item } => {
            let item = desk::item(&item).await?;
            let tasks = desk::call(ask::task::List { item: item.id }).await?;
            out.value(&tasks, show);
        }
        Verb::Show { item, task } => {
            let page = desk::call(ask::attempt::Show { attempt: newest(&item, &task).await? }).await?;
            out.value(&page, attempt);
        }
        Verb::Touched { item } => {
            let item = match item {
                Some(item) => Some(desk::item(&item).await?.id),
                None => None,
            };
            let all = desk::call(ask::attempt::Touched { item }).await?;
            out.value(&all, |all| {
                let rows = all.iter().flat_map(|it| {
                    let row = move |path: &String| {
                        vec![
                            it.run.to_string(),
                            it.task.to_string(),
                            it.attempt.to_string(),
                            short(path, 200),
                        ]
                    };
                    it.paths.iter().map(row)
                });
                table(&["RUN", "TASK", "ATTEMPT", "FILE"], &rows.collect::<Vec<_>>())
            });
        }
        Verb::Diff { item, task, look } if !look.is_plain() => {
            change::show(Of::Attempt(newest(&item, &task).await?), &look, out).await?;
        }
        Verb::Diff { item, task, .. } => {
            let page = desk::call(ask::attempt::Diff { attempt: newest(&item, &task).await? }).await?;
            out.value(&page, |page| page.diff.clone());
            if page.cut {
                out.aside("The diff is longer; the rest is left out.");
            }
        }
    }
    Ok(HOLDS)
}

fn attempt(page: &ask::attempt::AttemptPage) -> String {
    let it = &page.attempt;
    let mut says =
        format!("{} {}, try {}: {}: {}\n", it.id, it.task, it.nth(), it.state.word(), short(&it.why, 300));
    for line in &page.sessions {
        let of = &line.session;
        says.push_str(&format!(
            "\n{} {}: {}: {}",
            of.id,
            short(&of.title, 60),
            line.state.word(),
            short(&line.why, 120)
        ));
    }
    for evidence in &page.evidence {
        says.push_str(&format!(
            "\n{} `{}`: {}",
            evidence.id,
            short(&evidence.command, 60),
            short(&evidence.why, 120)
        ));
    }
    if !page.brief.is_empty() {
        says.push_str(&format!("\n\nIts brief:\n\n{}", page.brief));
    }
    says
}

/// The newest attempt at a task.
async fn newest(item: &str, task: &str) -> Result<AttemptId, Fault> {
    let item = desk::item(item).await?;
    let tasks = desk::call(ask::task::List { item: item.id }).await?.tasks;
    let found = tasks.iter().find(|it| it.task.spec.id.as_str().eq_ignore_ascii_case(task));
    let found = found.ok_or_else(|| {
        Fault::missing(format!("{} has no task '{task}'", item.slug))
            .command("see which it has", format!("pilothouse task list {}", item.id))
    })?;
    found.task.attempts.last().copied().ok_or_else(|| {
        Fault::refused(format!("nobody has tried {task} of {} yet", item.slug))
            .command("see why it waits", format!("pilothouse task list {}", item.id))
    })
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
