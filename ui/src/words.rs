//! Words and numbers as people read them: ages, times, sizes, and other people's text made safe to show.

use pilothouse_contract::{At, text};
use wasm_bindgen::JsValue;

/// Other people's text on one line: nothing in it can reorder, hide or imitate.
pub(crate) fn one(says: &str) -> String {
    text::plain(says, false)
}

/// Other people's text with its lines.
pub(crate) fn many(says: &str) -> String {
    text::plain(says, true)
}

/// How long ago, rounded to what changes a decision.
pub(crate) fn age(now: At, since: At) -> String {
    let s = now.since_ms(since) / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// How long something took.
pub(crate) fn took(from: At, to: At) -> String {
    let ms = to.since_ms(from);
    if ms < 1000 {
        format!("{ms} ms")
    } else if ms < 60_000 {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    } else {
        age(to, from)
    }
}

/// The time of day here, `14:02`.
pub(crate) fn clock(at: At) -> String {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in a double")]
    let date = js_sys::Date::new(&JsValue::from_f64(at.0 as f64));
    format!("{:02}:{:02}", date.get_hours(), date.get_minutes())
}

/// The day here, `20 Nov`.
pub(crate) fn day(at: At) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in a double")]
    let date = js_sys::Date::new(&JsValue::from_f64(at.0 as f64));
    let month = usize::try_from(date.get_month()).ok().and_then(|it| MONTHS.get(it)).unwrap_or(&"");
    format!("{} {month}", date.get_date())
}

/// A number of bytes.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{} kB", n / 1_000),
        _ => format!("{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// A number with its thing, `1 task`, `2 tasks`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// Tokens, `412 k`.
pub(crate) fn tokens(n: u64) -> String {
    if n < 10_000 { n.to_string() } else { format!("{} k", n / 1000) }
}
