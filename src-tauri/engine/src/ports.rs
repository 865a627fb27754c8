//! Ports: the world outside, a thin piece each. Nothing here decides.

pub mod checkouts;
pub mod clock;
pub mod folders;
pub mod git;
