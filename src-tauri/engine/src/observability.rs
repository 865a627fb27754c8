//! Observability: what agents did, read from their own session logs into the store.

pub mod trajectories;
