//! Observability: what agents did, read from their own session logs into the store; and what a run took.

pub mod brief;
pub mod quiet;
pub mod receipt;
pub mod trajectories;
