//! Integration: the built-in local forge and the lander. The forge lives in the user's repository, below
//! `refs/pilothouse/`, and in the store.
//!
//! Refuses: worktrees and sessions (see `execution`), and any decision.

pub mod forge;
pub mod lander;
