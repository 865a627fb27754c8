//! `cargo xtask soak`: hours of a simulated fleet under a frozen clock, or minutes of the real one, with release builds.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::step;

/// How long, and in which world.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// So many minutes of real engines, holders and agents, with kills
    #[arg(long, required_unless_present = "hours", conflicts_with = "hours")]
    minutes: Option<f64>,
    /// So many hours of a simulated fleet
    #[arg(long, requires = "virtual")]
    hours: Option<u64>,
    /// Under a frozen clock
    #[arg(long = "virtual", requires = "hours")]
    is_virtual: bool,
    /// Gives what happens, and in a simulation its order too
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Runs it. 0 if nothing was lost and nothing grew, 1 if something did.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let bin = step::release_with("soak")?;
    let mut command = Command::new(bin.join("soak"));
    match (args.minutes, args.hours) {
        (Some(minutes), None) => command.args(["--minutes", &minutes.to_string()]),
        (None, Some(hours)) => command.args(["--hours", &hours.to_string()]),
        _ => bail!("say how long: --minutes N, or --hours N --virtual"),
    };
    command.args(["--seed", &args.seed.to_string()]).env("PILOTHOUSE_BIN_DIR", &bin);
    if args.json {
        command.arg("--json");
    }
    step::ended(&mut command)
}
