//! What tests of readers share.

pub(super) mod chance;
