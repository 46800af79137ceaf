//! Days as the viewer's zone has them: some are 23 or 25 hours long.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::query::{Permalink, View};

/// The days of a week.
pub(super) const WEEK: usize = 7;

/// The time a page is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The days that are summed up, in order.
    pub(super) days: Vec<Date>,
    /// Where each of them begins, and where the last one ends.
    pub(super) boundaries: Vec<Timestamp>,
    /// Entries that end later are shown; `None`: all that are earlier.
    pub(super) from: Option<Timestamp>,
    /// Entries that begin earlier are shown; `None`: all that are later.
    pub(super) to: Option<Timestamp>,
    /// Today.
    pub(super) today: Date,
}

impl Range {
    /// The time of a page.
    pub(super) fn of(link: &Permalink, now: Timestamp, zone: &TimeZone) -> Self {
        let today = day_of(now, zone);
        let date = link.date.unwrap_or(today);
        let days = match link.view {
            View::Day => vec![date],
            View::Week | View::List => week_of(date),
        };
        let boundaries = boundaries(&days, zone);
        let (first, last) = (boundaries.first().copied(), boundaries.last().copied());
        let (from, to) = match link.view {
            View::Day | View::Week => (first, last),
            // The list goes back as far as there is anything.
            View::List => (None, link.date.map(|date| end_of(date, zone))),
        };
        Self {
            days,
            boundaries,
            from,
            to,
            today,
        }
    }

    /// The days in words.
    pub(super) fn title(&self, link: &Permalink) -> String {
        match (self.days.first(), self.days.last()) {
            _ if link.view == View::List => match link.date {
                Some(date) => format!("Up to {}", date.strftime("%A, %-d %B %Y")),
                None => "All entries".to_owned(),
            },
            (Some(first), Some(last)) if first != last => {
                let begin = if first.year() != last.year() {
                    first.strftime("%-d %B %Y")
                } else if first.month() != last.month() {
                    first.strftime("%-d %B")
                } else {
                    first.strftime("%-d")
                };
                format!("{begin} – {}", last.strftime("%-d %B %Y"))
            }
            (Some(day), _) => day.strftime("%A, %-d %B %Y").to_string(),
            _ => String::new(),
        }
    }

    /// The days as a file is called after them.
    pub(super) fn file_name(&self, link: &Permalink) -> String {
        match (link.view, self.days.first(), self.days.last()) {
            (View::List, ..) => match link.date {
                Some(date) => format!("timeline-until-{date}"),
                None => "timeline".to_owned(),
            },
            (_, Some(first), Some(last)) if first != last => {
                format!("timeline-{first}-to-{last}")
            }
            (_, Some(day), _) => format!("timeline-{day}"),
            _ => "timeline".to_owned(),
        }
    }

    /// A day of the time before or after this one.
    pub(super) fn neighbour(&self, steps: i64) -> Option<Date> {
        let days = self.days.len() as i64 * steps;
        self.days.first()?.checked_add(days.days()).ok()
    }
}

/// The day a moment is in.
pub(super) fn day_of(time: Timestamp, zone: &TimeZone) -> Date {
    time.to_zoned_datetime(zone.clone()).date()
}

/// The week of a day, which begins on Monday.
fn week_of(date: Date) -> Vec<Date> {
    let since_monday = i64::from(date.weekday().to_monday_zero_offset());
    (0..WEEK as i64)
        .filter_map(|day| date.checked_add((day - since_monday).days()).ok())
        .collect()
}

/// The first moment of a day. Where clocks jump over midnight, it is later.
fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    match date.to_zoned_datetime(zone.clone()) {
        Ok(start) => start.timestamp(),
        // Days are bounded far from the ends of time.
        Err(_) => Timestamp::MAX,
    }
}

/// The first moment after a day.
pub(super) fn end_of(date: Date, zone: &TimeZone) -> Timestamp {
    date.tomorrow()
        .map_or(Timestamp::MAX, |next| start_of(next, zone))
}

fn boundaries(days: &[Date], zone: &TimeZone) -> Vec<Timestamp> {
    let ends = days.last().map(|last| end_of(*last, zone));
    let starts = days.iter().map(|day| start_of(*day, zone));
    let mut boundaries: Vec<Timestamp> = Vec::with_capacity(days.len() + 1);
    for boundary in starts.chain(ends) {
        // A day that a zone left out, as Samoa did with one, has no time, but must not stop the week.
        let least = (boundaries.last())
            .and_then(|last| last.checked_add(SignedDuration::from_millis(1)).ok());
        boundaries.push(least.map_or(boundary, |least| boundary.max(least)));
    }
    boundaries
}

/// How much of the time from `start` to `stop` is between two others.
pub(super) fn overlap(
    start: Timestamp,
    stop: Timestamp,
    from: Timestamp,
    to: Timestamp,
) -> Duration {
    let between = stop.min(to).duration_since(start.max(from));
    Duration::try_from(between).unwrap_or_default()
}

/// Hours and minutes, such as 7:30.
pub(super) fn hours(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

/// Hours, minutes and seconds, such as 0:30:05.
pub(super) fn clock(time: Duration) -> String {
    format!("{}:{:02}", hours(time), time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn range(view: View, date: Date, zone_name: &str) -> Range {
        let link = Permalink {
            view,
            date: Some(date),
            ..Permalink::default()
        };
        Range::of(&link, Timestamp::UNIX_EPOCH, &zone(zone_name))
    }

    fn hours_of(range: &Range) -> Vec<i64> {
        range
            .boundaries
            .windows(2)
            .map(|ends| ends[1].duration_since(ends[0]).as_hours())
            .collect()
    }

    #[test]
    fn days_of_23_and_25_hours_are_as_long_as_the_zone_says() {
        let spring = range(View::Week, date(2026, 3, 29), "Europe/Berlin");
        assert_eq!(spring.days[0], date(2026, 3, 23), "a week begins on Monday");
        assert_eq!(hours_of(&spring), [24, 24, 24, 24, 24, 24, 23]);
        let autumn = range(View::Day, date(2026, 10, 25), "Europe/Berlin");
        assert_eq!(hours_of(&autumn), [25]);
    }

    #[test]
    fn a_day_without_midnight_begins_where_the_clock_goes_on() {
        // In Beirut the clock went from 00:00 to 01:00 on that day.
        let day = range(View::Day, date(2022, 3, 27), "Asia/Beirut");
        assert_eq!(hours_of(&day), [23]);
        assert_eq!(day.from.unwrap().to_string(), "2022-03-26T22:00:00Z");
    }

    #[test]
    fn a_week_with_a_day_that_never_was_can_be_seen() {
        // Samoa had no 30 December 2011.
        let week = range(View::Week, date(2011, 12, 30), "Pacific/Apia");
        assert!(week.boundaries.is_sorted_by(|one, other| one < other));
        let whole = week.to.unwrap().duration_since(week.from.unwrap());
        assert_eq!(whole.as_hours(), 6 * 24);
    }

    #[test]
    fn today_is_the_viewers() {
        let now = "2026-03-01T23:30:00Z".parse().unwrap();
        let link = Permalink::default();
        assert_eq!(
            Range::of(&link, now, &TimeZone::UTC).today,
            date(2026, 3, 1)
        );
        let later = Range::of(&link, now, &zone("Europe/Berlin"));
        assert_eq!(later.today, date(2026, 3, 2));
        assert_eq!(later.days[0], date(2026, 3, 2), "it is Monday there");
    }

    #[test]
    fn the_list_goes_back_without_end() {
        let list = range(View::List, date(2026, 3, 1), "UTC");
        assert_eq!(list.from, None);
        assert_eq!(list.to.unwrap().to_string(), "2026-03-02T00:00:00Z");
    }

    #[test]
    fn a_range_is_named_as_short_as_it_can_be() {
        let title = |view, date| {
            let link = Permalink {
                view,
                date: Some(date),
                ..Permalink::default()
            };
            Range::of(&link, Timestamp::UNIX_EPOCH, &TimeZone::UTC).title(&link)
        };
        assert_eq!(title(View::Week, date(2026, 3, 4)), "2 – 8 March 2026");
        assert_eq!(
            title(View::Week, date(2026, 3, 1)),
            "23 February – 1 March 2026"
        );
        assert_eq!(
            title(View::Week, date(2026, 1, 1)),
            "29 December 2025 – 4 January 2026"
        );
        assert_eq!(title(View::Day, date(2026, 3, 1)), "Sunday, 1 March 2026");
        let week = range(View::Week, date(2026, 3, 4), "UTC");
        assert_eq!(
            week.file_name(&Permalink::default()),
            "timeline-2026-03-02-to-2026-03-08"
        );
    }

    #[test]
    fn only_the_part_within_a_day_counts() {
        let at = |text: &str| format!("2026-03-{text}Z").parse::<Timestamp>().unwrap();
        let day = (at("02T00:00:00"), at("03T00:00:00"));
        let within = |start, stop| hours(overlap(at(start), at(stop), day.0, day.1));
        assert_eq!(within("01T23:00:00", "02T01:30:00"), "1:30");
        assert_eq!(within("02T09:00:00", "02T09:59:59"), "0:59");
        assert_eq!(within("01T00:00:00", "09T00:00:00"), "24:00");
        assert_eq!(within("03T09:00:00", "03T10:00:00"), "0:00");
        assert_eq!(
            within("02T10:00:00", "02T09:00:00"),
            "0:00",
            "a clock that is wrong"
        );
        assert_eq!(clock(Duration::from_secs(3661)), "1:01:01");
    }
}
