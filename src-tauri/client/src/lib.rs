//! The engine socket's client, shared by the window and the command line: finds the engine's places, starts it on
//! demand, calls, follows events, attaches to sessions.
//!
//! Refuses: any truth of its own.

mod connection;
mod places;
mod start;

pub use connection::{Attachment, Client, Feed, Frames, FromFeed, FromSession, Keyboard};
pub use places::Places;
pub use start::{Start, ensure_engine, readiness_line};
