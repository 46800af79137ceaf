//! Times that people type: an RFC 3339 timestamp, or a date for the whole day in UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use integration_host_contract::sentence::shorten;

/// What the messages call a time that can be read.
pub const EXPECTED: &str =
    "an RFC 3339 time such as 2026-03-01T08:00:00Z, or a date such as 2026-03-01 (the day in UTC)";

/// The first moment of a range: the time itself, or the beginning of the day.
pub fn parse_from(text: &str) -> Result<Timestamp, String> {
    parse(text, 0)
}

/// The moment a range ends before: the time itself, or the end of the day, so that a range from a
/// date to the same date is that whole day.
pub fn parse_to(text: &str) -> Result<Timestamp, String> {
    parse(text, 1)
}

fn parse(text: &str, days_later: i64) -> Result<Timestamp, String> {
    let unreadable = || format!("“{}” is no time; expected {EXPECTED}", shorten(text));
    // A date has exactly ten characters; anything longer must carry its own offset.
    if text.len() == 10 {
        return text
            .parse::<Date>()
            .and_then(|date| date.checked_add(days_later.days()))
            .and_then(|date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)))
            .map_err(|_| unreadable());
    }
    text.parse::<Timestamp>().map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_taken_with_their_offset() {
        assert_eq!(
            parse_from("2026-03-01T10:00:00+02:00").unwrap().to_string(),
            "2026-03-01T08:00:00Z"
        );
    }

    #[test]
    fn a_date_is_the_whole_day() {
        assert_eq!(
            parse_from("2026-02-28").unwrap().to_string(),
            "2026-02-28T00:00:00Z"
        );
        assert_eq!(
            parse_to("2026-02-28").unwrap().to_string(),
            "2026-03-01T00:00:00Z"
        );
    }

    #[test]
    fn anything_else_is_answered_with_the_form() {
        for wrong in [
            "",
            "yesterday",
            "2026-02-30",
            "2026-03-01T08:00:00",
            "1750000000",
            "9999-12-31",
        ] {
            match parse_to(wrong) {
                Err(message) => assert!(message.contains("RFC 3339"), "{message}"),
                Ok(time) => panic!("{wrong} was read as {time}"),
            }
        }
    }
}
