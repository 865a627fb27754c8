//! `pilothouse-hold <session folder>`: holds one session. Owns its terminal, its log, its process tree and its exit
//! status, in one poll loop.
//!
//! Refuses: any parser, any runtime, any policy, any network, any database. It never needs an update while it runs.

mod hold;
mod program;
mod segment;

use std::path::PathBuf;
use std::process::ExitCode;

use pilothouse_holder::place::Place;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(folder), None) = (args.next(), args.next()) else {
        complain(
            "usage: pilothouse-hold <session folder>. The engine starts this program; see `pilothouse hold`.",
        );
        return ExitCode::from(2);
    };
    match hold::run(&Place(PathBuf::from(folder))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("pilothouse-hold: {error}"));
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::print_stderr, reason = "the one voice of this program")]
fn complain(says: &str) {
    eprintln!("{says}");
}
