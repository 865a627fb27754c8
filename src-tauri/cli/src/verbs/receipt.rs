//! `pilothouse receipt`: a run's receipt as Markdown, as facts, or as a picture.

mod picture;

use std::path::PathBuf;

use pilothouse_contract::{Fault, RunId, ask};

use crate::desk::{self, End, HOLDS, id};
use crate::out::Out;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run's id
    #[arg(value_parser = id::<RunId>)]
    run: RunId,
    /// As Markdown, as it is without this word too
    #[arg(long, conflicts_with = "png")]
    md: bool,
    /// Write a picture of it to this file, 1200 by 675 pixels; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, out: Out) -> End {
    let page = desk::call(ask::run::Receipt { run: args.run }).await?;
    let Some(file) = &args.png else {
        out.value(&page, |page| page.markdown.trim_end().to_owned());
        return Ok(HOLDS);
    };
    let picture = picture::png(&picture::svg(&page.receipt)).map_err(Fault::bug)?;
    std::fs::write(file, picture).map_err(|error| {
        Fault::environment(format!(
            "the receipt of {} could not be written to {}: {error}",
            args.run,
            file.display()
        ))
        .hint("name a file in a folder that is there and that you may write to")
    })?;
    out.value(&page, |_| format!("The receipt of {} is in {}.", args.run, file.display()));
    Ok(HOLDS)
}
