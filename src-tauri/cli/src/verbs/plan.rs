//! `pilothouse plan waves`: which tasks of a plan may run at once, and why each of the others waits. Needs no engine and runs nothing.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use pilothouse_contract::Fault;
use pilothouse_contract::layout::{Because, Layout, Waves};
use pilothouse_engine::policy::layouts::waves::{Limits, waves};
use pilothouse_engine::policy::workflow::{Workflow, built_in};
use serde::Serialize;

use super::spec::tree::Desk;
use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::{Out, short};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Waves of open tasks, each with why it is not in an earlier one
    Waves {
        /// A spec's folder or file, or a repository
        path: PathBuf,
        /// So many tasks at once; without it any number
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        slots: Option<u32>,
    },
    /// One plan: its waves, phases, coverage both ways, whether each proof can be run, its scopes on the tree
    Show {
        /// A spec's folder or file, or its short name in the repository here
        path: PathBuf,
        /// So many tasks at once; without it as many as WORKFLOW.md says
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        slots: Option<u32>,
    },
}

#[derive(Debug, Serialize)]
struct Plan {
    layout: Layout,
    item: String,
    path: String,
    #[serde(flatten)]
    waves: Waves,
}

pub(crate) fn run(verb: Verb, out: Out) -> End {
    let (path, slots) = match verb {
        Verb::Waves { path, slots } => (path, slots),
        Verb::Show { path, slots } => return super::spec::show::plan(&path, slots, out),
    };
    let desk = Desk::open(&path)?;
    let limits = Limits { slots: slots.and_then(|it| usize::try_from(it).ok()), ..limits(&desk)? };
    let all = desk.items()?;
    let planned = all.iter().filter(|it| !it.tasks.is_empty()).map(|it| Plan {
        layout: it.layout,
        item: it.name.clone(),
        path: it.path.clone(),
        waves: waves(it, &limits),
    });
    // Of a whole repository what is over is left out.
    let plans: Vec<Plan> =
        planned.filter(|it| !it.waves.waves.is_empty() || !it.waves.stuck.is_empty()).collect();
    let holds = plans.iter().all(|it| it.waves.stuck.is_empty());
    out.value(&plans, |it| show(it));
    Ok(if holds { HOLDS } else { does_not_hold() })
}

/// What `WORKFLOW.md` of the working tree says of resources and hot files.
pub(super) fn limits(desk: &Desk) -> Result<Limits, Fault> {
    let text = super::spec::tree::file(&desk.top.join("WORKFLOW.md"));
    let workflow = Workflow::read(text.as_deref(), "WORKFLOW.md")
        .map_err(|error| Fault::refused(error.to_string()).hint("mend WORKFLOW.md"))?;
    let policy = built_in("claude").map(|agent| workflow.policy(agent));
    Ok(policy.map_or_else(Limits::default, |it| Limits {
        slots: usize::try_from(it.slots).ok(),
        resources: it.resources,
        hot: it.hot,
    }))
}

fn show(plans: &[Plan]) -> String {
    let mut text = String::new();
    for plan in plans {
        let tasks: usize = plan.waves.waves.iter().map(Vec::len).sum();
        let _ = writeln!(text, "{}: {tasks} open tasks in {} waves", plan.path, plan.waves.waves.len());
        for (number, wave) in plan.waves.waves.iter().enumerate() {
            let _ = writeln!(text, "  wave {}", number + 1);
            for it in wave {
                let why = it.waits.iter().map(|it| {
                    let kind = match it.because {
                        Because::Dependency => "dependency",
                        Because::Scope => "scope",
                        Because::Resource => "resource",
                        Because::Slot => "slot",
                    };
                    format!("{kind}: {}", short(&it.says, 100))
                });
                let why: Vec<String> = why.collect();
                let _ = writeln!(text, "    {:<8} {}", it.task.to_string(), why.join("; "));
            }
        }
        for task in &plan.waves.stuck {
            let _ = writeln!(text, "  never: {task} waits for itself, by way of others: look at Depends");
        }
    }
    if plans.is_empty() {
        text.push_str("no task is open");
    }
    text
}
