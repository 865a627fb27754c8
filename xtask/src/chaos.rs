//! `cargo xtask chaos`: what is ours is killed while sessions work, with release builds.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::step;

/// Runs it. 0 if nothing was lost, 1 if something was.
pub(crate) fn run(kills: u64, seed: u64, json: bool) -> Result<ExitCode> {
    let bin = step::release_with("chaos")?;
    let mut command = Command::new(bin.join("chaos"));
    command.args([kills.to_string(), seed.to_string()]).env("PILOTHOUSE_BIN_DIR", &bin);
    if json {
        command.arg("--json");
    }
    step::ended(&mut command)
}
