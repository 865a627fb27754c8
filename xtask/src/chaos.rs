//! `cargo xtask chaos`: what is ours is killed while sessions work, with release builds, the window among them.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{need, step, window};

/// Runs it. 0 if nothing was lost, 1 if something was.
pub(crate) fn run(kills: u64, seed: u64, json: bool) -> Result<ExitCode> {
    need::all(&[need::NPM, need::CLAUDE, need::PAGER, need::EDITOR], false)?;
    window::build_released()?;
    let bin = step::release_of_testkit("chaos")?;
    let mut command = Command::new(bin.join("chaos"));
    command
        .args([kills.to_string(), seed.to_string()])
        .env("PILOTHOUSE_BIN_DIR", &bin)
        .env("PILOTHOUSE_CLAUDE", need::claude())
        .env("PILOTHOUSE_ALL", "1");
    if json {
        command.arg("--json");
    }
    step::ended(&mut command)
}
