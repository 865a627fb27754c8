//! `pilothouse check spec|plan`: the gates that files can tell of, in a terminal or in CI; and what must hold after the other stages, see
//! `exits`. Exit code 0 if they hold, 1 if not, 2 if nothing could be looked at. Runs nothing of the repository.

mod exits;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use pilothouse_contract::layout::{GateLook, LaidItem, Layout};
use pilothouse_engine::execution::{agents, desk as files};
use pilothouse_engine::policy::layouts::Tree;
use pilothouse_engine::policy::layouts::desk::{Facts, plan_gates, plan_wants};
use pilothouse_engine::policy::layouts::gates;
use pilothouse_engine::policy::layouts::waves::Limits;
use serde::Serialize;

use super::spec::said;
use super::spec::tree::Desk;
use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Shape, open questions, risk and compatibility of a spec (G1, G2, G3)
    Spec {
        /// A spec's folder or file, or a repository
        path: PathBuf,
    },
    /// Tasks, proofs, scopes, order and coverage of a plan (G5)
    Plan {
        /// A spec's folder or file, or a repository
        path: PathBuf,
    },
    /// Findings of a refinement or a review: each with its place, evidence, remedy and verdict
    Findings {
        /// The file
        path: PathBuf,
    },
    /// A change against its task: something is changed, all of it in the scope, nothing of the spec
    Change {
        /// The spec's folder, or the repository
        path: PathBuf,
        /// The task's id
        #[arg(long)]
        task: String,
        /// Where the work began; without it, where $PILOTHOUSE_BASE says that an attempt began, or else what is not committed counts
        #[arg(long)]
        base: Option<String>,
    },
    /// Whether a pull request landed
    Landed {
        /// Its id
        #[arg(value_parser = crate::desk::id::<pilothouse_contract::PullId>)]
        pull: pilothouse_contract::PullId,
    },
    /// Lessons: each seen more than once, kept in a form, with its change made
    Lessons {
        /// The file
        path: PathBuf,
    },
}

#[derive(Debug, Serialize)]
struct Checked {
    holds: bool,
    items: Vec<OfItem>,
}

#[derive(Debug, Serialize)]
struct OfItem {
    layout: Layout,
    item: String,
    path: String,
    holds: bool,
    gates: Vec<GateLook>,
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    match verb {
        Verb::Spec { path } => gates_of(&path, false, out),
        Verb::Plan { path } => gates_of(&path, true, out),
        Verb::Findings { path } => exits::findings(&path, out),
        Verb::Lessons { path } => exits::lessons(&path, out),
        Verb::Change { path, task, base } => exits::change(&path, &task, base.as_deref(), out).await,
        Verb::Landed { pull } => exits::landed(pull, out).await,
    }
}

fn gates_of(path: &std::path::Path, plan: bool, out: Out) -> End {
    let desk = Desk::open(path)?;
    let tree = if plan { files::of_folder(&desk.top) } else { Tree::new() };
    let of_plan = |item: &LaidItem| {
        let facts = Facts {
            tree: &tree,
            beside: &files::files_in_folder(&desk.top, plan_wants(item, &tree)),
            symbols: &BTreeMap::new(),
            program: &agents::is_there,
            limits: &Limits::default(),
            red: &BTreeMap::new(),
        };
        plan_gates(item, &desk.files, &facts)
    };
    let all = desk.items()?;
    // Of a whole repository what is over is left out, and so is what is no plan yet.
    let over = |it: &LaidItem| {
        it.stage.as_deref().is_some_and(|it| matches!(it, "archived" | "implemented" | "done"))
    };
    let wanted = |it: &&&LaidItem| {
        desk.names(it)
            || all.len() == 1
            || !(over(it) || plan && it.tasks.is_empty() && it.diagnostics.is_empty())
    };
    let items: Vec<OfItem> = all
        .iter()
        .filter(wanted)
        .map(|it| {
            let gates = if plan { of_plan(it) } else { gates::spec(it, &desk.files, &|it| desk.has(it)) };
            let holds = gates.iter().all(|it| it.holds);
            OfItem { layout: it.layout, item: it.name.clone(), path: it.path.clone(), holds, gates }
        })
        .collect();
    let checked = Checked { holds: items.iter().all(|it| it.holds), items };
    out.value(&checked, |it| show(&it.items));
    Ok(if checked.holds { HOLDS } else { does_not_hold() })
}

fn show(items: &[OfItem]) -> String {
    let mut text = String::new();
    for item in items {
        let _ = writeln!(text, "{} ({})", item.path, item.layout.name());
        for gate in &item.gates {
            let verdict = if gate.holds { "holds" } else { "DOES NOT HOLD" };
            let _ = writeln!(text, "  {} {}: {verdict}", gate.gate, gate.looks_at);
            for it in &gate.found {
                let _ = writeln!(text, "    {}", said(it));
            }
        }
    }
    if items.is_empty() {
        text.push_str("nothing here is open");
    }
    text
}
