//! The session holder's shared half: where a session lies on disk, how its log is laid out, and what is said on its
//! socket. The engine reads sessions with this; the program `pilothouse-hold` writes them.
//!
//! Refuses: any parser, any runtime, any policy, any network, any database.

pub mod build;
pub mod cgroup;
pub mod hands;
pub mod log;
pub mod place;
pub mod proc;
pub mod wire;
