//! Policy: what the repository's own files say about how work is done. Pure: reads text, decides nothing, performs
//! nothing.

pub mod change;
pub mod conduct;
pub mod family;
pub mod instructions;
pub mod layouts;
pub mod prices;
pub mod publication;
pub mod queue;
pub mod quiet;
pub mod redact;
pub mod resources;
pub mod reviewers;
pub mod risk;
mod runnable;
pub mod scope;
pub mod shim;
pub mod skeleton;
pub mod skills;
pub mod specs;
pub mod stands;
#[cfg(test)]
mod tests;
pub mod tiers;
pub mod words;
pub mod workflow;
