//! `cargo xtask chaos`: what is ours is killed while sessions work, with release builds.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::step;

/// Runs it. 0 if nothing was lost, 1 if something was.
pub(crate) fn run(kills: u64, seed: u64, json: bool) -> Result<ExitCode> {
    step::cargo_quietly(&["build", "--release", "--bins"])?;
    step::cargo_quietly(&["build", "--release", "--package", "pilothouse-testkit", "--bin", "chaos"])?;
    let bin = step::target().join("release");
    let mut command = Command::new(bin.join("chaos"));
    command.args([kills.to_string(), seed.to_string()]).env("PILOTHOUSE_BIN_DIR", &bin);
    if json {
        command.arg("--json");
    }
    let status = command.status()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2)))
}
