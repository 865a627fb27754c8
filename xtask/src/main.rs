//! `cargo xtask run | test | shots | bench <name>`: everything a developer types. Finds what is missing on the machine, says the
//! one line that installs it, runs that line itself where it may, and fails in words that name the cure.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to whoever runs it")]

mod bench;
mod chaos;
mod conformance;
mod fake_github;
mod fuzz;
mod need;
#[cfg(feature = "pages")]
mod pages;
mod sim;
mod soak;
mod step;
mod test;
mod window;

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
    /// Build everything and show a rehearsal: in the window, or here where there is no display
    Run {
        /// Install what is missing without asking (also as root, and where CI is set)
        #[arg(long)]
        yes: bool,
        /// What follows goes to `pilothouse rehearse`
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
        /// How many steps `store` keeps
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Kill what is ours, one at a time, while sessions work; say what it cost
    Chaos {
        /// How many kills
        #[arg(long, default_value_t = 200)]
        kills: u64,
        /// Gives their order
        #[arg(long, default_value_t = 1)]
        seed: u64,
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
    /// Simulate many pull requests that land at once, over many seeds: the default branch is never red and never rewritten
    SimLanding {
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
    /// Feed what reads other people's bytes - specs, plans, terminals - with broken ones; a seed that breaks it prints itself
    Fuzz {
        /// So long for each reader
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// From this seed on
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Let a fleet work for long, in the real world or a simulated one; say what was lost, and whether anything grows
    Soak(soak::Args),
    /// A GitHub on this machine, with pull requests in it, to try things out against
    FakeGithub {
        /// Its port
        #[arg(long, default_value_t = 8931)]
        port: u16,
        /// Install what is missing without asking (also as root, and where CI is set)
        #[arg(long)]
        yes: bool,
    },
    /// Run the tests of the Symphony specification's rows and write src-tauri/symphony/CONFORMANCE.md
    Conformance {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Take pictures of the window: every scene in every theme and size
    Shots {
        /// Where to; below target/ without it
        #[arg(long)]
        out: Option<std::path::PathBuf>,
        /// Install what is missing without asking (also as root, and where CI is set)
        #[arg(long)]
        yes: bool,
    },
    /// Build the pages of the window into ui/dist
    #[command(hide = true)]
    Pages,
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Run { yes, rest } => window::run(yes, &rest),
        Task::Shots { out, yes } => window::shots(yes, out),
        Task::Test { yes } => test::run(yes),
        Task::Bench { name, events, json } => bench::run(name, events, json),
        Task::Chaos { kills, seed, json } => chaos::run(kills, seed, json),
        Task::Conformance { json } => conformance::run(json),
        Task::Sim { seeds, from, json } => sim::run("simulate", from, seeds, json),
        Task::SimLanding { seeds, from, json } => sim::run("landings", from, seeds, json),
        Task::Soak(args) => soak::run(args),
        Task::FakeGithub { port, yes } => fake_github::run(port, yes),
        Task::Fuzz { seconds, seed } => fuzz::run(seconds, seed),
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
