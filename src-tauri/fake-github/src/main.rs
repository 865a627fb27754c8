//! `fake-github [--port N]`: the double as a program, with a world to look at.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to whoever runs it")]

use std::process::ExitCode;

use clap::Parser;
use fake_github::Fake;

/// A GitHub on this machine.
#[derive(Debug, Parser)]
#[command(name = "fake-github")]
struct Args {
    /// The port
    #[arg(long, default_value_t = 8931)]
    port: u16,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no threads could be started: {error}");
            return ExitCode::from(2);
        }
    };
    runtime.block_on(async {
        let fake = match Fake::start(args.port).await {
            Ok(fake) => fake,
            Err(error) => {
                eprintln!("it cannot listen on port {}: {error}", args.port);
                return ExitCode::from(2);
            }
        };
        if let Err(error) = fake.seed() {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
        println!("GitHub stands in at {}. Its viewer is octocat, with the token gho_fake.", fake.url());
        println!("  gh:         GH_HOST=github.localhost GH_TOKEN=gho_fake HTTP_PROXY={} gh pr list -R octocat/cabin", fake.url());
        println!("  pilothouse: pilothouse forge login {} --token --file, in a home for trying", fake.url().trim_start_matches("http://"));
        println!("Ctrl-C ends it.");
        let _ended = tokio::signal::ctrl_c().await;
        ExitCode::SUCCESS
    })
}
