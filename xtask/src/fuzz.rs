//! `cargo xtask fuzz`: what reads other people's bytes, fed with broken ones for as long as one likes.

use std::process::ExitCode;

use anyhow::Result;

use crate::step;

/// The tests that feed bytes, by what they feed.
const READERS: [(&str, &str); 3] = [
    ("specs and plans", "policy::layouts::tests::fuzz"),
    ("instructions and skills", "policy::instructions::tests::fuzz"),
    ("terminals", "held::model::tests::whatever_comes"),
];

/// Runs each. Fails with the seed that broke one.
pub(crate) fn run(seconds: u64, seed: u64) -> Result<ExitCode> {
    let (seconds, seed) = (seconds.to_string(), seed.to_string());
    for (name, test) in READERS {
        step::cargo(
            name,
            &["test", "--quiet", "--package", "pilothouse-engine", "--lib", test, "--", "--nocapture"],
            &[("PILOTHOUSE_FUZZ_SECONDS", seconds.as_str()), ("PILOTHOUSE_SEED", seed.as_str())],
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
