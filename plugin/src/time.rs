//! Points in time as Toggl writes them, and as revisions need them.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// Reads a time with `Z` or an offset, with or without a fraction of a second. `None` if it is none,
/// or outside 1970 to 9999, where its text would not sort.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    (time >= Timestamp::UNIX_EPOCH).then_some(time)
}

/// `2023-07-17T11:43:32Z`
pub(crate) fn push_seconds(text: &mut String, time: Timestamp) {
    push_civil(text, time);
    text.push('Z');
}

/// `2023-07-17T11:43:32.827000000Z`
pub(crate) fn push_nanoseconds(text: &mut String, time: Timestamp) {
    push_civil(text, time);
    // Writing to a string cannot fail.
    let _ = write!(text, ".{:09}Z", time.subsec_nanosecond().max(0));
}

fn push_civil(text: &mut String, time: Timestamp) {
    let civil = Offset::UTC.to_datetime(time.max(Timestamp::UNIX_EPOCH));
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
}

/// The date in UTC.
pub(crate) fn date(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

/// The time `seconds` after (before, if negative) this one; stays put at the ends of time.
pub(crate) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    let second = time.as_second().saturating_add(seconds);
    Timestamp::new(second, time.subsec_nanosecond()).unwrap_or(time)
}

/// Whole seconds from `now` until `then`, at least 1.
pub(crate) fn seconds_until(then: Timestamp, now: Timestamp) -> u32 {
    let seconds = then.as_second().saturating_sub(now.as_second());
    u32::try_from(seconds).unwrap_or(1).max(1)
}
