//! A calendar day that can stand in a constant table.
//!
//! The arithmetic is written here because a library for dates would cost every build more time than it saves lines.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A day of the Gregorian calendar, in UTC. In files it is `2027-01-14`.
///
/// ```
/// # use tachikoma_backend_codex::models::Date;
/// assert_eq!("2027-01-14".parse(), Ok(Date { year: 2027, month: 1, day: 14 }));
/// assert!("2027-02-29".parse::<Date>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    /// For example 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The days from `earlier` to this day; negative where this day comes first.
    pub fn days_since(self, earlier: Self) -> i64 {
        self.day_number() - earlier.day_number()
    }

    /// The day of this moment, in seconds since 1970; `None` after the year 9999.
    pub(crate) fn from_unix_seconds(seconds: u64) -> Option<Self> {
        // The inverse of `day_number`: 146,097 days are 400 years.
        let days = seconds / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        let year = u16::try_from(era * 400 + year_of_era + u64::from(month <= 2)).ok()?;
        let day = (day_of_year - (153 * from_march + 2) / 5 + 1) as u8;
        (year <= 9999).then_some(Self { year, month: month as u8, day })
    }

    /// Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last.
    fn day_number(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
    }
}

/// The day of this moment; 1970-01-01 for everything before it.
impl From<SystemTime> for Date {
    fn from(moment: SystemTime) -> Self {
        let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self::from_unix_seconds(seconds).unwrap_or(Self { year: u16::MAX, month: 12, day: 31 })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let number = |part: &str, digits| {
            let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| is_number)
        };
        let date = || {
            let (year, rest) = text.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            let month = u8::try_from(number(month, 2)?).ok()?;
            let day = u8::try_from(number(day, 2)?).ok()?;
            Some(Self { year: number(year, 4)?, month, day })
        };
        // A day that does not exist is another one when it is counted.
        let exists = |date: &Self| {
            let is_in_range = (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
            // Of days before 1970, which no model has, only the numbers are checked.
            let seconds = u64::try_from(date.day_number() * 86_400);
            is_in_range && seconds.map_or(true, |seconds| Self::from_unix_seconds(seconds) == Some(*date))
        };
        date().filter(exists).ok_or_else(|| InvalidDate(text.to_owned()))
    }
}

impl TryFrom<String> for Date {
    type Error = InvalidDate;

    fn try_from(text: String) -> Result<Self, InvalidDate> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

/// A text that is not a day of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDate(String);

impl fmt::Display for InvalidDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a valid day such as 2027-01-14", self.0)
    }
}

impl std::error::Error for InvalidDate {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for (day, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (20_779, "2026-11-22"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            let date = Date::from(UNIX_EPOCH + Duration::from_secs(day * 86_400 + 86_399));
            assert_eq!(date.to_string(), expected);
            assert_eq!(date.days_since(Date { year: 1970, month: 1, day: 1 }), day as i64, "{expected}");
        }
        assert_eq!(Date::from(UNIX_EPOCH - Duration::from_secs(1)).to_string(), "1970-01-01");
    }

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for text in ["2026-11-22", "2028-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(text.parse().map(|date: Date| date.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "", "2026", "2026-11", "2026-1-1", "2026-13-01", "2026-00-10", "2026-02-30", "2026-11-22T00:00",
            "+026-11-22",
        ] {
            assert_eq!(text.parse::<Date>(), Err(InvalidDate(text.to_owned())));
        }
    }
}
