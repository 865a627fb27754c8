//! When a run may begin: at once, at a time, or within the same hours of every day. Hours are those of the machine's clock on the
//! wall; whoever resolves them to moments has a clock, this file has none.

use serde::{Deserialize, Serialize};

use crate::time::At;

/// When a person wants a run to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "begins")]
pub enum Begins {
    /// As soon as fewer runs are carried than may be at once.
    Queued,
    /// Then, by the machine's clock: `22:00` is the next time that it shows that, `2026-12-01T22:00` that moment.
    At {
        /// When.
        time: String,
    },
    /// Between two times of every day, as `22:00` and `06:00`; what is at work then comes to its end, nothing else begins.
    Daily {
        /// From when.
        from: String,
        /// To when.
        to: String,
    },
}

/// When a run begins, in moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The hours, if they come back every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<Daily>,
    /// Nothing of it begins before this.
    pub opens: At,
    /// Nor after this, until it opens again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<At>,
    /// Whether it is open.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub is_open: bool,
    /// When it opens, in the words of the person's clock; empty if it was never shut.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

impl Window {
    /// The same hours one day later, by a clock that nobody sets forward or back.
    #[must_use]
    pub fn a_day_later(&self) -> Self {
        const DAY_MS: i64 = 24 * 3_600_000;
        Self {
            opens: self.opens.plus_ms(DAY_MS),
            closes: self.closes.map(|it| it.plus_ms(DAY_MS)),
            is_open: false,
            ..self.clone()
        }
    }
}

/// The same hours of every day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daily {
    /// From this time, as `22:00`.
    pub from: String,
    /// To this one, of the next day if it is earlier.
    pub to: String,
}
