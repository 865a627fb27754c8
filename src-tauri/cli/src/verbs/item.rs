//! `pilothouse item …`

use clap::Subcommand;
use pilothouse_contract::ask;
use pilothouse_contract::item::Item;

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, clock, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Read the spec folders at the tip of a project's default branch anew, and take up what is new
    New {
        /// The project's name or id
        project: String,
    },
    /// Items and where they stand
    List {
        /// Only of this project
        project: Option<String>,
    },
    /// One item with its runs, pull requests and evidence
    Show {
        /// Its id or short name
        item: String,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::New { project } => {
            let project = desk::project(&project).await?;
            let items = desk::call(ask::item::Read { project: project.id }).await?;
            out.value(&items, |items| list(items));
        }
        Verb::List { project } => {
            let project = desk::maybe_project(project.as_ref()).await?;
            let items = desk::call(ask::item::List { project: project.map(|it| it.id) }).await?;
            out.value(&items, |items| list(items));
        }
        Verb::Show { item } => {
            let item = desk::item(&item).await?;
            let page = desk::call(ask::item::Show { item: item.id }).await?;
            out.value(&page, show);
        }
    }
    Ok(HOLDS)
}

fn list(items: &[Item]) -> String {
    if items.is_empty() {
        return "No items yet. An item is a folder specs/001-NAME with spec.md and tasks.md, or one of the layout that a repository has (OpenSpec, Kiro and others), committed on the default branch.".to_owned();
    }
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|it| {
            let done = it.spec.tasks.iter().filter(|task| task.done).count();
            vec![
                it.id.to_string(),
                it.slug.clone(),
                it.spec.layout.name().to_owned(),
                it.state.word().to_owned(),
                format!("{done}/{}", it.spec.tasks.len()),
                short(&it.why, 80),
            ]
        })
        .collect();
    table(&["ID", "NAME", "LAYOUT", "STATE", "TICKED", "WHY"], &rows)
}

fn show(page: &ask::item::ItemPage) -> String {
    let it = &page.item;
    let mut says = format!(
        "{} {}: {}\n{}, since {} UTC: {}\n",
        it.id,
        it.slug,
        short(&it.spec.title, 100),
        it.state.word(),
        clock(it.moved),
        short(&it.why, 200)
    );
    if !it.spec.summary.is_empty() {
        says.push_str(&format!("\n{}\n", short(&it.spec.summary, 500)));
    }
    for remark in &it.spec.remarks {
        let weight = if remark.blocking { "must be mended" } else { "note" };
        says.push_str(&format!(
            "\n{weight}: {}:{}: {}",
            it.spec.path_of(remark),
            remark.line,
            short(&remark.says, 200)
        ));
    }
    for run in &page.runs {
        says.push_str(&format!("\n{} {}: {}", run.id, run.state.word(), short(&run.why, 160)));
    }
    for pull in &page.pulls {
        says.push_str(&format!("\n{} {}: {}", pull.id, pull.state.word(), short(&pull.why, 160)));
    }
    let passed = page.evidence.iter().filter(|it| it.passed()).count();
    says.push_str(&format!("\n{} pieces of evidence, {passed} of them passed\n", page.evidence.len()));
    says.push_str(&format!(
        "\nStart or go on: pilothouse run start {}   Tasks: pilothouse task list {}",
        it.id, it.id
    ));
    says
}
