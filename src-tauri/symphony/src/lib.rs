//! Symphony: a loop that polls a tracker, makes one folder per issue, and runs one agent session in it until the issue
//! leaves the active states. This crate is the whole of it as six layers: `workflow` is policy and configuration,
//! `coordination` decides, `workspace` and `agent` execute, `tracker` integrates, `observability` tells. `runner` puts them
//! together. It refuses what the layers do not say: a layer never performs what another one owns, and the one that decides
//! has neither a clock nor a file.

pub mod agent;
pub mod coordination;
pub mod issue;
pub mod observability;
pub mod process;
pub mod runner;
pub mod tracker;
pub mod workflow;
pub mod workspace;

pub use issue::{Blocker, Issue};
