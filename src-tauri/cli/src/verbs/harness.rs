//! `pilothouse harness lint`: the instruction graph of a repository, and what is wrong with it. Exit code 0 if it holds, 1 if not, 2 if
//! nothing could be looked at. Needs no engine and runs nothing of the repository.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use pilothouse_contract::instructions::{Finding, Graph};
use pilothouse_contract::text::size;
use pilothouse_engine::execution::instructions;

use crate::desk::{End, HOLDS, does_not_hold};
use crate::out::{Out, short, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// AGENTS.md and its kin as a graph: sizes, dead links, orphans, commands that do not exist, and where a limit cuts
    Lint {
        /// A repository, or a folder in one
        #[arg(default_value = ".")]
        path: PathBuf,
    },
}

pub(crate) fn run(verb: Verb, out: Out) -> End {
    let Verb::Lint { path } = verb;
    let looked = instructions::look(&instructions::top_of(&path)?)?;
    let graph = looked.graph();
    out.value(&graph, show);
    Ok(if graph.holds { HOLDS } else { does_not_hold() })
}

fn show(graph: &Graph) -> String {
    if graph.nodes.is_empty() {
        return "No instructions for agents here. Begin with an AGENTS.md: what the commands are, and where things go.".to_owned();
    }
    let rows: Vec<Vec<String>> = graph
        .nodes
        .iter()
        .map(|it| {
            vec![
                format!("{}{}", "  ".repeat(it.depth.min(8)), it.path),
                if it.orphan { "orphan".to_owned() } else { it.kind.word().to_owned() },
                it.bytes.to_string(),
                it.tokens.to_string(),
            ]
        })
        .collect();
    let mut text = table(&["FILE", "IS", "BYTES", "TOKENS (ABOUT)"], &rows);
    let _ =
        writeln!(text, "\n{} files, {}, about {} tokens", graph.nodes.len(), size(graph.bytes), graph.tokens);
    for chain in &graph.chains {
        let folder = if chain.folder.is_empty() { "the top" } else { chain.folder.as_str() };
        let end = match &chain.cut {
            Some(cut) => format!("cut at {}:{}:{}", cut.file, cut.line, cut.column),
            None => "read whole".to_owned(),
        };
        let _ = writeln!(
            text,
            "{} at {folder}: {} of {}, {end}",
            chain.program,
            size(chain.bytes),
            size(chain.limit)
        );
    }
    for finding in &graph.findings {
        text.push_str(&said(finding));
    }
    text
}

/// A finding with its place in front and its remedy below.
pub(super) fn said(it: &Finding) -> String {
    let place = match (it.line, it.column) {
        (0, _) => it.file.clone(),
        (line, 0) => format!("{}:{line}", it.file),
        (line, column) => format!("{}:{line}:{column}", it.file),
    };
    let weight = if it.blocking { "blocks" } else { "remark" };
    format!(
        "{weight}  {} {}: {}\n        → {}\n",
        it.kind.word(),
        short(&place, 200),
        short(&it.says, 500),
        short(&it.remedy, 300)
    )
}
