//! The window's program. Everything is in the library, so that it can be tested without a window.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    pilothouse_desktop::run()
}
