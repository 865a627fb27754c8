//! `cargo xtask sim` and `sim-landing`: the simulation over as many seeds as one likes, in a release build.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::step;

/// Runs a program of it. 0 if every seed held, 1 if one did not.
pub(crate) fn run(bin: &str, from: u64, seeds: u64, json: bool) -> Result<ExitCode> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["run", "--quiet", "--release", "--package", "pilothouse-testkit", "--bin", bin, "--"])
        .args([from.to_string(), seeds.to_string()])
        .current_dir(step::top());
    if json {
        command.arg("--json");
    }
    step::ended(&mut command)
}
