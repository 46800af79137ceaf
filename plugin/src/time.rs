//! Points in time as Toggl writes them, and as revisions need them.
//!
//! Written out instead of taken from a date library, for the component's size: jiff and derived JSON
//! readers (see `json`) together made it 290 kB larger. A test compares this with jiff.

use std::fmt::Write;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 24 * 3600;

/// A point in time between 1677 and 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    nanoseconds: i64,
}

impl Timestamp {
    /// 1970-01-01 UTC.
    pub const UNIX_EPOCH: Self = Self { nanoseconds: 0 };

    /// The time so many nanoseconds after 1970-01-01 UTC.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self { nanoseconds }
    }

    /// The time so many milliseconds after 1970-01-01 UTC; the ends of time stand for what is beyond.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self::from_nanoseconds(milliseconds.saturating_mul(NANOSECONDS_PER_MILLISECOND))
    }

    /// The time so many seconds after 1970-01-01 UTC; the ends of time stand for what is beyond.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_nanoseconds(seconds.saturating_mul(NANOSECONDS_PER_SECOND))
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub const fn nanoseconds(self) -> i64 {
        self.nanoseconds
    }

    /// Whole milliseconds since 1970-01-01 UTC.
    pub const fn milliseconds(self) -> i64 {
        self.nanoseconds.div_euclid(NANOSECONDS_PER_MILLISECOND)
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub const fn seconds(self) -> i64 {
        self.nanoseconds.div_euclid(NANOSECONDS_PER_SECOND)
    }

    /// Reads an RFC 3339 time, with `Z` or an offset, with or without a fraction of a second. `None`
    /// if it is none, or outside 1970 to 2262.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Digits(text.as_bytes());
        let (year, month, day) = (rest.number(4)?, rest.after(b"-", 2)?, rest.after(b"-", 2)?);
        let (hour, minute, second) = (
            rest.after(b"Tt ", 2)?,
            rest.after(b":", 2)?,
            rest.after(b":", 2)?,
        );
        let fraction = rest.fraction()?;
        let offset = rest.offset()?;
        let is_valid = rest.0.is_empty()
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 60;
        if !is_valid {
            return None;
        }
        // A leap second is the one before it, as in Unix time.
        let of_day = hour * 3600 + minute * 60 + second.min(59);
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + of_day - offset;
        let nanoseconds = seconds
            .checked_mul(NANOSECONDS_PER_SECOND)?
            .checked_add(fraction)?;
        (nanoseconds >= 0).then_some(Self { nanoseconds })
    }

    /// The time so many seconds later (earlier, if negative).
    pub fn after(self, seconds: i64) -> Self {
        let nanoseconds = seconds.saturating_mul(NANOSECONDS_PER_SECOND);
        Self::from_nanoseconds(self.nanoseconds.saturating_add(nanoseconds))
    }

    /// Whether it lies on a whole second, as times written without a fraction do.
    pub(crate) fn is_whole_second(self) -> bool {
        self.nanoseconds.rem_euclid(NANOSECONDS_PER_SECOND) == 0
    }

    /// The day in UTC, as its number since 1970-01-01.
    pub(crate) fn day(self) -> i64 {
        self.seconds().div_euclid(SECONDS_PER_DAY)
    }

    /// Appends `2023-07-17T11:43:32`, in UTC and without a zone.
    pub(crate) fn push_seconds(self, text: &mut String) {
        push_day(text, self.day());
        let second = self.seconds().rem_euclid(SECONDS_PER_DAY);
        text.push('T');
        push_number(text, second / 3600, 2);
        text.push(':');
        push_number(text, second / 60 % 60, 2);
        text.push(':');
        push_number(text, second % 60, 2);
    }

    /// Appends `2023-07-17T11:43:32.827000000`, in UTC and without a zone.
    pub(crate) fn push_nanoseconds(self, text: &mut String) {
        self.push_seconds(text);
        text.push('.');
        push_number(text, self.nanoseconds.rem_euclid(NANOSECONDS_PER_SECOND), 9);
    }
}

/// `2023-07-17`
pub(crate) fn day_text(day: i64) -> String {
    let mut text = String::new();
    push_day(&mut text, day);
    text
}

fn push_day(text: &mut String, day: i64) {
    let (year, month, day) = civil_from_days(day);
    push_number(text, year, 4);
    text.push('-');
    push_number(text, month, 2);
    text.push('-');
    push_number(text, day, 2);
}

/// Appends a number with leading zeros.
fn push_number(text: &mut String, number: i64, width: usize) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{number:0width$}");
}

/// What is left to read of a text.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    /// A number of exactly this many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let mut number: i64 = 0;
        for byte in head {
            let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
            number = number * 10 + i64::from(digit);
        }
        self.0 = rest;
        Some(number)
    }

    /// A number after one of these separators.
    fn after(&mut self, separators: &[u8], digits: usize) -> Option<i64> {
        let (separator, rest) = self.0.split_first()?;
        self.0 = rest;
        if separators.contains(separator) {
            self.number(digits)
        } else {
            None
        }
    }

    /// Nanoseconds, if a fraction follows; what is finer is cut off.
    fn fraction(&mut self) -> Option<i64> {
        let Some(rest) = self.0.strip_prefix(b".") else {
            return Some(0);
        };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(count)?;
        self.0 = rest;
        let nine = digits
            .iter()
            .copied()
            .chain(std::iter::repeat(b'0'))
            .take(9);
        let nanoseconds = nine.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        (count > 0).then_some(nanoseconds)
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match sign {
            b'Z' | b'z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, minutes) = (self.number(2)?, self.after(b":", 2)?);
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// The days of eras of 400 years that begin in March, so that the leap day is a year's last; see
// https://howardhinnant.github.io/date_algorithms.html
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_FROM_ERA_TO_EPOCH: i64 = 719_468;

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_FROM_ERA_TO_EPOCH
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(DAYS_FROM_ERA_TO_EPOCH);
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_form_toggl_was_seen_to_write() {
        let expected = Some(Timestamp::from_seconds(1_689_594_212));
        for text in [
            "2023-07-17T11:43:32Z",
            "2023-07-17T11:43:32+00:00",
            "2023-07-17T13:43:32.000+02:00",
        ] {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
        let fraction = Timestamp::parse("2023-07-17T11:43:32.827Z").unwrap();
        assert_eq!(fraction.milliseconds(), 1_689_594_212_827);
    }

    #[test]
    fn rejects_what_is_no_time() {
        let wrong = [
            "",
            "Z",
            "2023-07-17",
            "2023-07-17T11:43:32",
            "2023-02-29T11:43:32Z",
            "2023-13-01T11:43:32Z",
            "2023-07-17T24:00:00Z",
            "2023-07-17T11:43:32.Z",
            "2023-07-17T11:43:32+0000",
            "2023-07-17T11:43:32Z ",
            "9999-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "20é3-07-17T11:43:32Z",
            "+023-07-17T11:43:32Z",
        ];
        for text in wrong {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_date_library(nanoseconds in 0..i64::MAX, offset in -50_000_i32..50_000) {
            let theirs = jiff::Timestamp::from_nanosecond(nanoseconds.into()).unwrap();
            let ours = Timestamp::from_nanoseconds(nanoseconds);
            let mut text = String::new();
            ours.push_nanoseconds(&mut text);
            prop_assert_eq!(&text, &theirs.strftime("%Y-%m-%dT%H:%M:%S.%9f").to_string());
            let offset = jiff::tz::Offset::from_seconds(offset / 60 * 60).unwrap();
            let local = theirs.display_with_offset(offset).to_string();
            prop_assert_eq!(Timestamp::parse(&local), Some(ours), "{}", local);
        }

        #[test]
        fn any_text_is_read_or_rejected(text in ".{0,40}") {
            let _ = Timestamp::parse(&text);
        }

        #[test]
        fn any_day_has_a_text(day: i64) {
            prop_assert!(!day_text(day / 1_000_000).is_empty());
        }
    }
}
