//! `cargo xtask fake-github`: the double of GitHub as a program, with what it is true to set up.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{need, step};

/// Runs it until Ctrl-C.
pub(crate) fn run(port: u16, yes: bool) -> Result<ExitCode> {
    need::all(&[need::NPM, need::GITHUB], yes)?;
    step::cargo_quietly(&["build", "--package", "pilothouse-fake-github", "--bin", "fake-github"])?;
    step::ended(Command::new(step::target().join("debug/fake-github")).args(["--port", &port.to_string()]))
}
