//! The boundary of Pilothouse. Everything that crosses between the engine and its clients (window, command line,
//! agents' hooks) is defined here once: ids, calls, events, faults, view structs, and the fold that both sides run.
//!
//! Refuses: any IO, any clock, any runtime, any native dependency. It compiles to wasm.

pub mod after;
pub mod archive;
pub mod ask;
pub mod attempt;
pub mod attention;
pub mod audit;
pub mod board;
pub mod brief;
pub mod call;
pub mod card;
pub mod claim;
pub mod desk;
pub mod elsewhere;
pub mod event;
pub mod evidence;
pub mod facts;
pub mod fault;
pub mod fleet;
pub mod forge;
pub mod fuse;
pub mod gate;
pub mod ids;
pub mod instructions;
pub mod item;
pub mod keys;
pub mod layout;
pub mod money;
pub mod outside;
pub mod pace;
pub mod phase;
pub mod project;
pub mod published;
pub mod pull;
pub mod question;
pub mod queue;
pub mod receipt;
pub mod review;
pub mod risk;
pub mod room;
pub mod rows;
pub mod run;
pub mod session;
pub mod skill;
pub mod spec;
pub mod stop;
pub mod text;
pub mod time;
pub mod trajectory;
pub mod underway;
pub mod wait;
pub mod waits;
pub mod who;
pub mod window;
pub mod wire;
pub mod workflow;
pub mod worktree;

pub use call::{Access, Answer, Call, Request, dispatch};
pub use event::{Event, Record};
pub use fault::{Fault, FaultCode, Hint};
pub use fleet::{Fleet, Touched};
pub use ids::*;
pub use time::At;
pub use who::Who;

/// The version of the engine socket's protocol. A client of another version is told so in words and refused.
pub const PROTOCOL: u32 = 1;
