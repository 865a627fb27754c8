//! Specs: `specs/NNN-slug/{spec.md,plan.md,tasks.md,phases/}` read into tasks, and ticked. Pure: bytes in, data or
//! bytes out. The task grammar is that of the design's spec format: phases are headings, a task is a checkbox line
//! with an id, its meta lines are bullets below it.

mod meta;
mod read;
mod requirements;
#[cfg(test)]
mod tests;
mod tick;

pub use read::{Sources, TaskFile, gates, holds_up, needs, read_spec, read_tasks};
pub use tick::{Done, TickError, tick};
