//! Execution: worktrees, sessions, agents, checks, and the commits that the engine makes of what agents did. Performs
//! effects of coordination; each looks first whether it is done already.
//!
//! Refuses: forges and landings (see `integration`), and any decision.

pub mod recovery;
pub mod trees;
