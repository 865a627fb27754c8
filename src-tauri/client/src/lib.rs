//! The engine socket's client, shared by the window and the command line: finds the engine's places, starts it on
//! demand, calls, follows events, attaches to sessions.
//!
//! Refuses: any truth of its own.

mod connection;
mod kept;
mod line;
mod pace;
mod places;
mod reach;
mod start;
mod viewer;

pub use connection::{Attachment, Client, Feed, Frames, FromFeed, FromSession, Keyboard};
pub use kept::Kept;
pub use line::{Heard, Line, Typed, Typing};
pub use pace::{Pace, WINDOW};
pub use places::Places;
pub use reach::{Engine, Patience};
pub use start::{Start, UNSET, ensure_engine, readiness_line};
pub use viewer::{Order, show};
