//! The engine: everything that happens. Its folders are the six layers; the allowed edges between them are kept as a
//! table in `tests/tests/layers.rs`.
//!
//! Refuses: any window, any terminal of its own, any answer that is not backed by a stored fact.

pub mod coordination;
pub mod execution;
pub mod policy;
pub mod ports;
pub mod store;
