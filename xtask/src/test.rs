//! `cargo xtask test`: set-up, then every check and every test, on shared build output.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::{need, step, window};

/// Runs it all; stops at the first that fails.
pub(crate) fn run(yes: bool) -> Result<ExitCode> {
    let begun = Instant::now();
    need::all(&window::NEEDS, yes)?;
    need::all(&window::UNSEEN, yes)?;
    need::all(&[need::UNSHARE, need::NPM, need::CLAUDE, need::PAGER, need::EDITOR], yes)?;
    need::all(&[need::GITHUB, need::GH, need::KEYRING], yes)?;
    step::cargo("Format", &["fmt", "--all", "--check"], &[])?;
    window::build()?;
    step::cargo(
        "Lint",
        &[
            "clippy",
            "--workspace",
            "--exclude",
            "pilothouse-ui",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
        &[],
    )?;
    // Of the pages, what needs no browser runs here; for whom they are compiled makes no difference to it.
    let pages = ["--package", "pilothouse-ui"];
    step::cargo(
        "Test the pages",
        &["test", "--quiet"].iter().chain(&pages).copied().collect::<Vec<_>>(),
        &[],
    )?;
    let lint = ["clippy", "--quiet"].iter().chain(&pages).chain(&["--all-targets", "--", "-D", "warnings"]);
    step::cargo("Lint the pages", &lint.copied().collect::<Vec<_>>(), &[])?;
    let programs = step::target().join("debug");
    step::cargo(
        "Test",
        &["test", "--workspace", "--exclude", "pilothouse-ui", "--no-fail-fast"],
        &[
            ("PILOTHOUSE_BIN_DIR", &programs.to_string_lossy()),
            ("PILOTHOUSE_CLAUDE", &need::claude().to_string_lossy()),
            ("PILOTHOUSE_ALL", "1"),
            ("RUST_BACKTRACE", "0"),
        ],
    )?;
    println!("\nEverything holds. It took {:.0} s.", begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}
