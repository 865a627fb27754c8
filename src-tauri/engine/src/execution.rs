//! Execution: worktrees, sessions, agents, checks, and the commits that the engine makes of what agents did. Performs
//! effects of coordination; each looks first whether it is done already.
//!
//! Refuses: forges and landings (see `integration`), and any decision.

pub mod agents;
pub mod attempts;
pub mod awake;
pub mod brief;
pub mod changes;
pub mod checks;
pub mod commits;
pub mod desk;
mod draft_brief;
pub mod drafting;
pub mod env;
pub mod fence;
pub mod held;
pub mod hooks;
pub mod instructions;
pub mod judge;
pub mod laid;
pub mod look;
pub mod recovery;
pub mod repository;
pub mod reviewing;
mod seat;
pub mod skills;
pub mod trees;
pub mod watch;
