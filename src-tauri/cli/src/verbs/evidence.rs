//! `pilothouse evidence …`

use clap::Subcommand;
use pilothouse_contract::evidence::Verdict;
use pilothouse_contract::pace::took;
use pilothouse_contract::{EvidenceId, ask, text};

use crate::desk::{self, End, HOLDS, does_not_hold, id};
use crate::out::{Out, clock, short};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// One record with the end of its output; exit 1 if it did not pass
    Show {
        /// Its id
        #[arg(value_parser = id::<EvidenceId>)]
        evidence: EvidenceId,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    let Verb::Show { evidence } = verb;
    let page = desk::call(ask::evidence::Show { evidence }).await?;
    out.value(&page, show);
    Ok(if page.evidence.passed() { HOLDS } else { does_not_hold() })
}

fn show(page: &ask::evidence::EvidencePage) -> String {
    let it = &page.evidence;
    let verdict = match it.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::Unknown => "not known",
    };
    let mut says = format!(
        "{} {}: {}\n$ {}\ncommit {}, tree {}, {} UTC, took {}, on {}\n",
        it.id,
        verdict,
        short(&it.why, 300),
        text::plain(&it.command, false),
        it.commit.short(),
        it.tree.short(),
        clock(it.started),
        took(it.took()),
        it.environment
    );
    if it.session.is_some() {
        says.push_str(&format!("{} bytes of output, SHA-256 {}\n\n", it.output_bytes, it.output_hash));
        if page.left_out > 0 {
            says.push_str(&format!("({} bytes before this are left out)\n", page.left_out));
        }
        says.push_str(&page.output);
    }
    says
}
