//! The clock. The only place of the engine that reads one.

use std::time::{SystemTime, UNIX_EPOCH};

use pilothouse_contract::At;

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> At {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    At(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
