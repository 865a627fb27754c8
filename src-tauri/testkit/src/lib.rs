//! What tests need and the product does not ship: a simulated world for the coordination layer, a scripted model for
//! agent programs and one of these, homes of their own for real engines, the real window, a stand-in for the engine in benches of the window,
//! temporary repositories. A dev-dependency only.

pub mod agent;
pub mod chaos;
pub mod claude;
pub mod desks;
pub mod feeder;
pub mod home;
pub mod logind;
pub mod logs;
pub mod model;
pub mod process;
pub mod queue;
pub mod repo;
pub mod samples;
pub mod seat;
pub mod secrets;
pub mod sim;
pub mod soak;
pub mod window;

/// What came of something that has to come.
///
/// # Panics
/// If it did not.
pub fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Whether every program that a test can use has to be there: a test that does without one shows less.
#[must_use]
pub fn is_all() -> bool {
    std::env::var_os("PILOTHOUSE_ALL").is_some()
}
