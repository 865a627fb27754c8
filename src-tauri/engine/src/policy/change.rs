//! A change as git tells it, read: which files, and of one file its rows - below each other or beside each other, with what of a line
//! differs from its counterpart - and where it is unchanged for long.
//!
//! Pure: reads what git said, and runs nothing.

mod body;
mod list;
mod words;

pub use body::Body;
pub use list::{Entry, read};
