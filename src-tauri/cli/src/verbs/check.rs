//! `pilothouse check spec|plan`: the gates that files can tell of, in a terminal or in CI. Exit code 0 if they hold, 1 if not, 2 if nothing
//! could be looked at. Needs no engine and runs nothing of the repository.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use pilothouse_contract::layout::{GateLook, LaidItem, Layout};
use pilothouse_engine::policy::layouts::gates::{self, World};
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

pub(crate) fn run(verb: Verb, out: Out) -> End {
    let (path, plan) = match verb {
        Verb::Spec { path } => (path, false),
        Verb::Plan { path } => (path, true),
    };
    let desk = Desk::open(&path)?;
    let (has, runs) = (|it: &str| desk.has(it), |it: &str| desk.runs(it));
    let world = World { path: &has, program: &runs };
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
            let gates = if plan {
                gates::plan(it, &desk.files, &world)
            } else {
                gates::spec(it, &desk.files, &world)
            };
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
