//! `pilothouse event …`

use clap::Subcommand;
use pilothouse_contract::ask;

use crate::desk::{self, End, HOLDS};
use crate::out::{Out, clock};
use crate::progress;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// History as it happens; with --json one record a line
    Follow {
        /// From the record after this number on; 0 is the beginning. Without it, from now on
        #[arg(long)]
        after: Option<u64>,
        /// End when there is no more for now
        #[arg(long)]
        no_follow: bool,
    },
}

pub(crate) async fn run(verb: Verb, out: Out) -> End {
    let Verb::Follow { after, no_follow } = verb;
    let print = |record: &pilothouse_contract::Record| {
        if out.json {
            out.line(record);
        } else {
            let words = progress::words(record).unwrap_or_else(|| record.event.word().to_owned());
            out.text(&format!("{:>5}  {}  {words}", record.seq, clock(record.at)));
        }
    };
    if no_follow {
        let mut seq = after.unwrap_or(0);
        loop {
            let records = desk::call(ask::event::Since { seq, most: 1000 }).await?;
            let Some(last) = records.last() else { return Ok(HOLDS) };
            seq = last.seq;
            records.iter().for_each(print);
        }
    }
    progress::each_record(after, |record, _| {
        print(record);
        true
    })
    .await?;
    Ok(HOLDS)
}
