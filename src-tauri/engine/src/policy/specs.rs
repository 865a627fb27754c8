//! Specs: `specs/NNN-slug/{spec.md,plan.md,tasks.md,phases/}` read into tasks, and ticked. Pure: bytes in, data or
//! bytes out. The task grammar is that of the design's spec format: phases are headings, a task is a checkbox line
//! with an id, its meta lines are bullets below it.

mod check;
mod lines;
mod meta;
mod read;
mod requirements;
mod sidecar;
pub(in crate::policy) mod table;
#[cfg(test)]
mod tests;
mod tick;

pub(in crate::policy) use check::{Graph, circle, proofs, shape};
pub use check::{gates, holds_up, needs};
pub(in crate::policy) use lines::{Line, lines};
pub(in crate::policy) use read::{Grammar, OURS, Placed, checkbox, heading, placed, remark};
pub use read::{Sources, TaskFile, read_spec, read_tasks};
pub(in crate::policy) use requirements::requirements;
pub use sidecar::is_beside;
pub(in crate::policy) use sidecar::{beside, fill};
pub use tick::{Done, TickError, tick};
