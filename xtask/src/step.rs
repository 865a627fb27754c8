//! Steps: commands with a name, their time, and an end in words.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), PathBuf::from)
}

/// Runs a command under a name; says how long it took, or why it failed.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<()> {
    println!("\n== {name}");
    let begun = Instant::now();
    let status = command
        .current_dir(top())
        .status()
        .with_context(|| format!("{name}: {command:?} could not be started"))?;
    if !status.success() {
        bail!("{name} failed ({status}): {}", words(command));
    }
    println!("== {name}: {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Runs cargo under a name.
pub(crate) fn cargo(name: &str, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    run(
        name,
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(args)
            .envs(env.iter().copied()),
    )
}

/// Runs cargo without a name: what it says goes to standard error, where it is in nobody's way.
pub(crate) fn cargo_quietly(args: &[&str]) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let status = command.args(args).current_dir(top()).stdout(std::io::stderr()).status()?;
    if !status.success() {
        bail!("{} failed", words(&command));
    }
    Ok(())
}

/// Builds the programs as they ship, and one of the testkit beside them. Returns their folder.
pub(crate) fn release_with(bin: &str) -> Result<PathBuf> {
    cargo_quietly(&["build", "--release", "--bins"])?;
    release_of_testkit(bin)
}

/// Builds a program of the testkit beside those that ship. Returns their folder.
pub(crate) fn release_of_testkit(bin: &str) -> Result<PathBuf> {
    cargo_quietly(&["build", "--release", "--package", "pilothouse-testkit", "--bin", bin])?;
    Ok(target().join("release"))
}

/// Runs a program of ours to its end, which is ours too: 2 if a signal ended it.
pub(crate) fn ended(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| words(command))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2)))
}

/// A command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|it| it.to_string_lossy().into_owned()));
    words.join(" ")
}
