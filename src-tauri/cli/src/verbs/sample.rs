//! `pilothouse sample …`: changes that landed, looked at by a person; and what escaped.

use clap::Subcommand;
use pilothouse_contract::after::{Verdict, class};
use pilothouse_contract::pull::Pull;
use pilothouse_contract::{PullId, ask};

use super::pr::page_of;
use crate::desk::{self, End, HOLDS, does_not_hold, id};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What waits for a look, by risk and area; debt, escapes and rework
    List {
        /// Only of this project
        project: Option<String>,
    },
    /// The change that is to be looked at next, with its proofs, its evidence, its sessions and its diff; exit 1 if there is none
    Next {
        /// Only of this project
        project: Option<String>,
        /// Only in this area, as `sample list` names it
        #[arg(long)]
        area: Option<String>,
    },
    /// Say what you think of it; `revert` also opens the pull request that takes it back
    Verdict {
        /// The id of the pull request
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// fine, fix or revert
        #[arg(value_parser = verdict)]
        verdict: Verdict,
        /// What is wrong with it
        #[arg(default_value = "")]
        says: String,
        /// What the look took, in minutes
        #[arg(long)]
        minutes: u32,
    },
    /// Say that something was wrong with a change that landed
    Escape {
        /// The id of the pull request that it came with
        #[arg(value_parser = id::<PullId>)]
        pull: PullId,
        /// What
        says: String,
        /// The pull request that mends it
        #[arg(long, value_parser = id::<PullId>)]
        mended_by: Option<PullId>,
    },
}

fn verdict(word: &str) -> Result<Verdict, String> {
    [Verdict::Fine, Verdict::Fix, Verdict::Revert]
        .into_iter()
        .find(|it| it.word() == word)
        .ok_or_else(|| "it is fine, fix or revert".to_owned())
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::List { project } => {
            let project = desk::maybe_project(project.as_ref()).await?;
            let page = desk::call(ask::after::Desk { project: project.map(|it| it.id) }).await?;
            out.value(&page, list);
            Ok(HOLDS)
        }
        Verb::Next { project, area } => {
            let project = desk::maybe_project(project.as_ref()).await?;
            let page = desk::call(ask::after::Desk { project: project.map(|it| it.id) }).await?;
            let of = |it: &&Pull| area.as_ref().is_none_or(|area| areas(it).iter().any(|it| it == area));
            let Some(next) = page.waits.iter().find(of) else {
                out.value(&serde_json::Value::Null, |_| "Nothing waits for a look.".to_owned());
                return Ok(does_not_hold());
            };
            let page = desk::call(ask::pull::Show { pull: next.id }).await?;
            out.value(&page, |page| {
                let run = page.pull.run;
                format!(
                    "{}\n\nWhat its agents said and did: pilothouse run show {run}, pilothouse trajectory show SESSION\nSay what you think: pilothouse sample verdict {} fine|fix|revert --minutes N \"…\"",
                    page_of(page, true),
                    page.pull.id
                )
            });
            Ok(HOLDS)
        }
        Verb::Verdict { pull, verdict, says, minutes } => {
            // First what may be refused: a verdict is given once.
            let reverts = if verdict == Verdict::Revert {
                Some(desk::call(ask::after::TakeBack { pull, because: says.clone() }).await?)
            } else {
                None
            };
            let it = desk::call(ask::after::Sample { pull, verdict, minutes, says }).await?;
            out.value(&it, |it| match &reverts {
                Some(run) => format!(
                    "{} is taken back by {}: see where it stands with pilothouse run show {}",
                    it.id, run.id, run.id
                ),
                None => format!("{} is {}, by your word.", it.id, verdict.word()),
            });
            Ok(HOLDS)
        }
        Verb::Escape { pull, says, mended_by } => {
            let it = desk::call(ask::after::Escape { pull, says, mended_by }).await?;
            out.value(&it, |it| format!("Laid to {}: {} so far.", it.id, it.after.escapes.len()));
            Ok(HOLDS)
        }
    }
}

fn areas(pull: &Pull) -> Vec<String> {
    pull.review.risk.as_ref().map(|it| it.areas.clone()).unwrap_or_default()
}

fn list(page: &ask::after::DeskPage) -> String {
    let rows: Vec<Vec<String>> = page
        .waits
        .iter()
        .map(|it| {
            vec![
                it.id.to_string(),
                class(it).word().to_owned(),
                short(&areas(it).first().cloned().unwrap_or_default(), 30),
                format!("+{} -{}", it.size.added, it.size.removed),
                short(&it.title, 50),
                it.review.risk.as_ref().map_or_else(String::new, |it| short(&it.rule, 60)),
            ]
        })
        .collect();
    let mut says = if rows.is_empty() {
        "Nothing waits for a look.\n".to_owned()
    } else {
        table(&["PR", "RISK", "AREA", "SIZE", "TITLE", "RULE"], &rows)
    };
    says.push_str("\nReview debt\n");
    for it in &page.debt {
        says.push_str(&format!(
            "  {}: {} to look at, {} lines, {} overdue; {} lines that nobody looked at in all\n",
            it.class.word(),
            it.waits.len(),
            it.lines,
            it.overdue,
            it.unseen_lines
        ));
    }
    says.push_str("\nHow it went\n");
    for it in &page.rates {
        says.push_str(&format!("  {}\n", it.says()));
    }
    says
}
