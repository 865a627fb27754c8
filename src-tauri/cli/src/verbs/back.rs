//! How far back something is looked at, as people type it: a span, a moment, or the last thing that a person did.

use jiff::SignedDuration;
use pilothouse_contract::At;

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    /// To the last thing that a person did.
    Last,
    /// To a moment.
    To(At),
}

/// A span back from now (`8h`, `90min`, `7d`), a time in UTC (`2026-11-20T22:00`), or `last`.
///
/// # Errors
/// In words, if it is none of them.
pub(crate) fn back(typed: &str) -> Result<Back, String> {
    match typed {
        "last" => Ok(Back::Last),
        typed => moment(typed).map(Back::To).map_err(|why| format!("{why}, or last")),
    }
}

/// The same without `last`.
///
/// # Errors
/// In words, if it is none of them.
pub(crate) fn moment(typed: &str) -> Result<At, String> {
    // A day of a span is one of 24 hours: nobody looks back to the minute over days.
    let days = typed.strip_suffix('d').and_then(|it| it.trim().parse::<u16>().ok());
    let span = match days {
        Some(days) => Some(SignedDuration::from_hours(24 * i64::from(days))),
        None => typed.parse::<SignedDuration>().ok(),
    };
    if let Some(span) = span {
        let now = At(jiff::Timestamp::now().as_millisecond());
        return Ok(now.plus_ms(-i64::try_from(span.abs().as_millis()).unwrap_or(i64::MAX)));
    }
    let utc = |it: jiff::civil::DateTime| it.to_zoned(jiff::tz::TimeZone::UTC).map(|it| it.timestamp());
    let at =
        typed.parse::<jiff::Timestamp>().or_else(|_| typed.parse::<jiff::civil::DateTime>().and_then(utc));
    at.map(|it| At(it.as_millisecond())).map_err(|_| {
        format!("'{typed}' is neither a span nor a time: write it like 8h, 90min, 7d, 2026-11-20T22:00 (UTC)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_is_a_span_a_time_or_the_last_deed() {
        let now = jiff::Timestamp::now().as_millisecond();
        let ago = |typed: &str| match back(typed) {
            Ok(Back::To(At(at))) => now - at,
            other => panic!("{typed}: {other:?}"),
        };
        for (typed, hours) in [("8h", 8), ("-8h", 8), ("480min", 8), ("7d", 168)] {
            let off = (ago(typed) - hours * 3_600_000).abs();
            assert!(off < 60_000, "{typed}: {off} ms off");
        }
        assert_eq!(back("last"), Ok(Back::Last));
        assert_eq!(back("1970-01-01T00:01"), Ok(Back::To(At(60_000))));
        assert_eq!(back("1970-01-01T02:01+02:00"), Ok(Back::To(At(60_000))));
        assert!(back("yesterday").unwrap_err().contains("write it like 8h"));
        assert!(moment("last").is_err());
    }
}
