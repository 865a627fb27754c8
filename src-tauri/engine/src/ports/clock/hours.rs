//! Hours of the clock on the wall, resolved to moments in the machine's time zone.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use pilothouse_contract::At;
use pilothouse_contract::window::{Begins, Daily, Window};

/// The window that a person asked for. Nothing is open yet: whoever waits for its opening finds out.
///
/// # Errors
/// In words, if a time is none.
pub fn window(begins: &Begins, now: At) -> Result<Window, String> {
    match begins {
        Begins::Queued => {
            Ok(Window { daily: None, opens: now, closes: None, is_open: true, says: String::new() })
        }
        Begins::At { time } => once(time, &zoned(now, TimeZone::system())),
        Begins::Daily { from, to } => next(&Daily { from: from.clone(), to: to.clone() }, now),
    }
}

/// The window of every day that is open now, or else the next one.
///
/// # Errors
/// In words, if a time is none.
pub fn next(daily: &Daily, now: At) -> Result<Window, String> {
    next_in(daily, &zoned(now, TimeZone::system()))
}

fn zoned(now: At, zone: TimeZone) -> Zoned {
    Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned(zone)
}

fn clock(text: &str) -> Result<Time, String> {
    Time::strptime("%H:%M", text.trim())
        .or_else(|_| Time::strptime("%H:%M:%S", text.trim()))
        .map_err(|_| format!("'{text}' is no time of day: write hours and minutes, as in 22:00"))
}

fn moment(it: &Zoned) -> At {
    At(it.timestamp().as_millisecond())
}

fn once(text: &str, now: &Zoned) -> Result<Window, String> {
    let whole = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let opens = match whole.iter().find_map(|it| DateTime::strptime(it, text.trim()).ok()) {
        Some(at) => at.to_zoned(now.time_zone().clone()).map_err(|error| error.to_string())?,
        None => {
            let time = clock(text).map_err(|_| {
                format!("'{text}' is no time: write 22:00 for the next time that the clock shows that, or 2026-12-01T22:00")
            })?;
            on_day(now, 0, time)
                .filter(|it| it > now)
                .or_else(|| on_day(now, 1, time))
                .ok_or("there is no such day")?
        }
    };
    if opens <= *now {
        return Err(format!("{text} is over: it begins at once without --at"));
    }
    let says = opens.strftime("%Y-%m-%d %H:%M").to_string();
    Ok(Window { daily: None, opens: moment(&opens), closes: None, is_open: false, says })
}

fn next_in(daily: &Daily, now: &Zoned) -> Result<Window, String> {
    let (from, to) = (clock(&daily.from)?, clock(&daily.to)?);
    if from == to {
        return Err(format!(
            "a window from {} to {} is open always or never: leave it out",
            daily.from, daily.to
        ));
    }
    // One that began yesterday may still be open; today's may be over.
    let open = (-1..=1).find_map(|day| {
        let opens = on_day(now, day, from)?;
        let closes = on_day(now, if to > from { day } else { day + 1 }, to)?;
        (closes > *now).then_some((opens, closes))
    });
    let (opens, closes) = open.ok_or("there is no such day")?;
    let says = opens.strftime("%H:%M").to_string();
    Ok(Window {
        daily: Some(daily.clone()),
        opens: moment(&opens),
        closes: Some(moment(&closes)),
        is_open: false,
        says,
    })
}

/// That time on the day that is so many days from today. Where the clock is set forward over it, the time after that counts.
fn on_day(now: &Zoned, days: i64, time: Time) -> Option<Zoned> {
    let date = now.date().checked_add(days.days()).ok()?;
    date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse::<DateTime>().unwrap().to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap()
    }

    fn daily(from: &str, to: &str) -> Daily {
        Daily { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn a_window_over_midnight_is_found_from_both_sides() {
        let night = daily("22:00", "06:00");
        let of = |now: &str| {
            let it = next_in(&night, &at(now)).unwrap();
            (it.opens, it.closes.unwrap())
        };
        let tonight = (moment(&at("2026-11-30T22:00")), moment(&at("2026-12-01T06:00")));
        assert_eq!(of("2026-11-30T09:00"), tonight);
        assert_eq!(of("2026-11-30T23:00"), tonight);
        assert_eq!(of("2026-12-01T05:59"), tonight);
        assert_ne!(of("2026-12-01T06:00"), tonight, "it is over at that very moment");
        let noon = next_in(&daily("12:00", "13:00"), &at("2026-11-30T12:30")).unwrap();
        assert_eq!(noon.opens, moment(&at("2026-11-30T12:00")));
    }

    #[test]
    fn the_same_hour_comes_by_the_clock_on_the_wall_over_a_change_of_time() {
        // On 2026-10-25 the clocks of Berlin go back by an hour.
        let first = next_in(&daily("22:00", "23:00"), &at("2026-10-24T21:00")).unwrap();
        let second = next_in(&daily("22:00", "23:00"), &at("2026-10-24T23:30")).unwrap();
        assert_eq!(second.opens.since_ms(first.opens), 25 * 3_600_000);
    }

    #[test]
    fn a_time_is_the_next_that_the_clock_shows_and_what_is_none_is_said() {
        let now = at("2026-11-30T09:00");
        assert_eq!(once("22:00", &now).unwrap().opens, moment(&at("2026-11-30T22:00")));
        assert_eq!(once("08:00", &now).unwrap().opens, moment(&at("2026-12-01T08:00")));
        assert_eq!(once("2026-12-03T07:30", &now).unwrap().says, "2026-12-03 07:30");
        assert!(once("2026-11-29T07:30", &now).unwrap_err().contains("is over"));
        assert!(once("tonight", &now).unwrap_err().contains("'tonight' is no time"));
        assert!(next_in(&daily("22:00", "25:00"), &now).unwrap_err().contains("'25:00'"));
        assert!(next_in(&daily("22:00", "22:00"), &now).is_err());
    }
}
