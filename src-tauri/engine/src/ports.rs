//! Ports: the world outside, a thin piece each. Nothing here decides.

pub mod clock;
pub mod folders;
pub mod git;
