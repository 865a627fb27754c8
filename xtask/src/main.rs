//! `cargo xtask run | test | bench <name>`: everything a developer types. Finds what is missing on the machine, says the
//! one line that installs it, runs that line itself where it may, and fails in words that name the cure.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to whoever runs it")]

mod bench;
mod need;
#[cfg(feature = "pages")]
mod pages;
mod sim;
mod step;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Everything a developer types.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build and run the rehearsal, showing its progress
    Run {
        /// Install what is missing without asking (also as root, and where CI is set)
        #[arg(long)]
        yes: bool,
        /// What follows goes to `pilothouse rehearse --headless`
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Set up what tests need, then run every check and every test
    Test {
        /// Install what is missing without asking (also as root, and where CI is set)
        #[arg(long)]
        yes: bool,
    },
    /// Run a benchmark and print rows of figures beside a named baseline
    Bench {
        /// Which
        name: bench::Name,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Simulate the coordination layer over many seeds
    Sim {
        /// How many
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// From this one on
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Build the pages of the window into ui/dist
    #[command(hide = true)]
    Pages,
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Run { yes, rest } => run(yes, &rest),
        Task::Test { yes } => test::run(yes),
        Task::Bench { name, json } => bench::run(name, json),
        Task::Sim { seeds, from, json } => sim::run(from, seeds, json),
        Task::Pages => pages(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Builds what the command line needs, then rehearses.
fn run(yes: bool, rest: &[String]) -> Result<ExitCode> {
    need::all(&[need::GIT, need::CC], yes)?;
    step::cargo("Build", &["build", "--bins"], &[])?;
    let mut command = std::process::Command::new(step::target().join("debug/pilothouse"));
    command.args(["rehearse", "--headless"]).args(rest);
    let status = command.status()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2)))
}

#[cfg(feature = "pages")]
fn pages() -> Result<ExitCode> {
    pages::build()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "pages"))]
fn pages() -> Result<ExitCode> {
    anyhow::bail!(
        "this xtask was built without its pages feature: cargo run -p xtask --features pages -- pages"
    )
}
