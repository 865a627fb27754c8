//! The clock. The only place of the engine that reads one.

pub mod hours;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pilothouse_contract::At;

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> At {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    At(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The day of a moment here, as 2026-11-30.
#[must_use]
pub fn day(at: At) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    moment.to_zoned(jiff::tz::TimeZone::system()).date().to_string()
}

/// How long this machine has slept since it was started; nothing where the system does not tell.
#[must_use]
pub fn slept() -> Duration {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        // One goes on while it sleeps and the other does not.
        let of = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
        let awake = of(ClockId::Monotonic);
        of(ClockId::Boottime).saturating_sub(awake)
    }
    #[cfg(not(target_os = "linux"))]
    Duration::ZERO
}
