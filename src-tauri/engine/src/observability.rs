//! Observability: what agents did, read from their own session logs into the store; what a run took; what is sought and counted in all of it.

pub mod archive;
pub mod brief;
pub mod quiet;
pub mod receipt;
pub mod trajectories;
