//! The engine: everything that happens. Its folders are the six layers; the allowed edges between them are kept as a
//! table in `tests/tests/layers.rs`.
//!
//! Refuses: any window, any terminal of its own, any answer that is not backed by a stored fact.

pub mod answer;
pub mod coordination;
mod drift;
pub mod engine;
pub mod execution;
mod forges;
mod fuses;
mod gates;
mod going_on;
mod hooks;
pub mod integration;
mod issues;
mod night;
pub mod observability;
mod perform;
pub mod policy;
pub mod ports;
mod publishing;
pub mod rehearsal;
pub mod serve;
mod signs;
mod spending;
pub mod store;

pub use engine::{Engine, Options};
