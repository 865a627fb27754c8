//! `pilothouse-hold <session folder>`: holds one session. Owns its terminal, its log, its process tree and its exit
//! status, in one poll loop. With `--take-over` it goes on where a holder that was killed, or that made way for it, stood.
//!
//! Refuses: any parser, any runtime, any policy, any network, any database.

mod hold;
mod peer;
mod program;
mod segment;

use std::path::PathBuf;
use std::process::ExitCode;

use pilothouse_holder::place::Place;
use pilothouse_holder::wire::VERSION;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1);
    let mut args = args.peekable();
    if args.peek().is_some_and(|it| it == "--version") {
        return say_version();
    }
    let held = match (args.next(), args.next(), args.next()) {
        (Some(folder), None, None) => hold::run(&Place(PathBuf::from(folder))),
        (Some(folder), Some(flag), None) if flag == "--take-over" => {
            hold::take_over(&Place(PathBuf::from(folder)))
        }
        _ => {
            complain(
                "usage: pilothouse-hold <session folder> [--take-over]. The engine starts this program; see `pilothouse hold`.",
            );
            return ExitCode::from(2);
        }
    };
    match held {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("pilothouse-hold: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Shows that this program can be begun on this machine, and which protocol it speaks.
fn say_version() -> ExitCode {
    use std::io::Write;
    let says = format!("pilothouse-hold {} protocol {VERSION}\n", env!("CARGO_PKG_VERSION"));
    match std::io::stdout().write_all(says.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

#[allow(clippy::print_stderr, reason = "the one voice of this program")]
fn complain(says: &str) {
    eprintln!("{says}");
}
