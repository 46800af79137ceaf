//! An entry as a row.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::days::{clock, day_of, overlap};
use super::query::PersonFilter;
use crate::console::elements::{Tone, badge};
use integration_host_contract::sentence::cut;
use integration_host_ledger::{LedgerActivity, Person};

/// The most characters of a name or description that a row shows, and of tags the most.
const MOST_TEXT: usize = 160;
const MOST_TAGS: usize = 12;

/// How rows of a page are written.
#[derive(Clone, Debug)]
pub(super) struct RowStyle {
    /// The zone of the times.
    pub(super) zone: TimeZone,
    /// The day the page is about: rows say then what is outside of it, and not whose they are.
    pub(super) day: Option<(Timestamp, Timestamp)>,
}

/// What tells an entry apart from all others.
pub(super) fn entry_id(activity: &LedgerActivity) -> String {
    format!("{}:{}", activity.connection_id, activity.entry_id)
}

/// Whose time an entry is.
pub(super) fn person(activity: &LedgerActivity) -> Option<Person> {
    Some(Person {
        connection_id: activity.connection_id.clone(),
        remote_user_id: activity.remote_user_id.clone()?,
        name: activity.remote_user_name.clone(),
        user: activity.user.clone(),
    })
}

/// What a person is called.
pub(super) fn name_of(person: &Person) -> String {
    let name = match (&person.user, &person.name) {
        (Some(user), _) => user.name.as_str(),
        (None, Some(name)) => name.as_str(),
        (None, None) => "",
    };
    if name.trim().is_empty() {
        format!("Member {}", brief(person.remote_user_id.as_str()))
    } else {
        brief(name)
    }
}

/// As much of a text as a page has room for.
pub(super) fn brief(text: &str) -> String {
    cut(text, MOST_TEXT).into_owned()
}

/// The names of what an entry was spent on, outermost first.
fn path(activity: &LedgerActivity) -> Vec<String> {
    let names = activity
        .subjects
        .iter()
        .filter_map(|part| part.name.as_deref());
    names.map(brief).collect()
}

/// A list item.
pub(super) fn entry(activity: &LedgerActivity, style: &RowStyle, now: Timestamp) -> Markup {
    let person = person(activity);
    let whose = person.as_ref().map(|person| PersonFilter::of(person).key());
    let running = activity.runs();
    let path = path(activity);
    let title = html! {
        @if !path.is_empty() {
            span class="entry-path" {
                @for (place, name) in path.iter().enumerate() {
                    @if place > 0 { span class="entry-step" { " › " } }
                    (name)
                }
            }
        }
        span class="entry-text" {
            @match activity.description() {
                Some(text) => (brief(text)),
                None => span class="subtle" { "No description" },
            }
        }
    };
    html! {
        li class={ "entry" @if activity.deleted { " entry-deleted" } @if running { " entry-running" } }
            data-entry=(entry_id(activity)) data-person=[whose]
            data-start=[activity.start.map(Timestamp::as_millisecond)] {
            div class="entry-when" { (when(activity, style)) }
            div class="entry-what" {
                @if activity.deleted { del class="entry-title" { (title) } }
                @else { div class="entry-title" { (title) } }
                div class="entry-notes" {
                    @if let (None, Some(person)) = (style.day, &person) {
                        span class="entry-person" { (name_of(person)) }
                    }
                    @if person.as_ref().is_some_and(|person| person.user.is_none()) {
                        (badge(Tone::Neutral, "Not mapped"))
                    }
                    @if running { (badge(Tone::Good, "Running")) }
                    @if activity.frozen { (badge(Tone::Neutral, "Ran when disconnected")) }
                    @if activity.deleted { (badge(Tone::Bad, "Deleted")) }
                    @if activity.billable { (badge(Tone::Busy, "Billable")) }
                    @for tag in activity.tags.iter().take(MOST_TAGS) {
                        span class="tag" { span class="unseen" { "Tag " } (brief(tag)) }
                    }
                    @if activity.tags.len() > MOST_TAGS {
                        span class="subtle small" { "and " (activity.tags.len() - MOST_TAGS) " more tags" }
                    }
                }
            }
            div class="entry-time number" { (duration(activity, style, running, now)) }
        }
    }
}

/// From when to when.
fn when(activity: &LedgerActivity, style: &RowStyle) -> Markup {
    let Some(start) = activity.start else {
        return html! { "–" };
    };
    let zone = &style.zone;
    let first = day_of(start, zone);
    let local = |time: Timestamp| time.to_zoned_datetime(zone.clone());
    let shown_day = style.day.map(|(from, _)| day_of(from, zone));
    let stamp = |time: Timestamp, with_day: bool| {
        let format = if with_day {
            "%a %-d %b, %H:%M"
        } else {
            "%H:%M"
        };
        html! {
            time datetime=(time.to_string()) title=(local(time).strftime("%Y-%m-%d %H:%M:%S %Z")) {
                (local(time).strftime(format))
            }
        }
    };
    html! {
        (stamp(start, shown_day != Some(first)))
        " – "
        @match activity.stop {
            Some(stop) => (stamp(stop, day_of(stop, zone) != first)),
            None if activity.deleted || activity.frozen => "?",
            None => "now",
        }
    }
}

/// How long, and how much of it on the day of the page.
fn duration(activity: &LedgerActivity, style: &RowStyle, running: bool, now: Timestamp) -> Markup {
    let (Some(start), Some(whole)) = (activity.start, activity.length(now)) else {
        return Markup::default();
    };
    let stop = activity.stop.unwrap_or(now);
    let part = style
        .day
        .filter(|(from, to)| start < *from || stop > *to)
        .map(|(from, to)| overlap(start, stop, from, to));
    html! {
        span class="unseen" { "Duration " }
        span data-since=[running.then(|| start.as_millisecond())] { (clock(whole)) }
        @if let Some(part) = part {
            span class="subtle small entry-part" { (clock(part)) " of it on this day" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::User;
    use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId, UserId};
    use integration_host_ledger::SubjectName;

    const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&";

    fn activity() -> LedgerActivity {
        LedgerActivity {
            connection_id: ConnectionId::new("c"),
            entry_id: "99".into(),
            event_id: None,
            remote_user_id: Some(RemoteUserId::new("11")),
            remote_user_name: Some("Mara".into()),
            user: None,
            subjects: vec![
                SubjectName {
                    id: SubjectId::new("client/1"),
                    name: Some("Example Ltd".into()),
                },
                SubjectName {
                    id: SubjectId::new("project/2"),
                    name: Some("Website".into()),
                },
            ],
            title: vec!["Example Ltd".into(), "Website".into(), "Sketches".into()],
            tags: vec!["deep work".into()],
            billable: true,
            start: Some("2026-03-01T23:00:00Z".parse().unwrap()),
            stop: Some("2026-03-02T00:30:00Z".parse().unwrap()),
            deleted: false,
            frozen: false,
            missing: false,
            revision: "r".into(),
            cursor: 1,
        }
    }

    fn style(day: Option<&str>) -> RowStyle {
        let day = day.map(|day| {
            let start: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
            (start, start + jiff::SignedDuration::from_hours(24))
        });
        RowStyle {
            zone: TimeZone::UTC,
            day,
        }
    }

    fn row(activity: &LedgerActivity, day: Option<&str>) -> String {
        let now = "2026-03-02T02:00:00Z".parse().unwrap();
        entry(activity, &style(day), now).into_string()
    }

    #[test]
    fn a_row_says_when_what_and_how_long() {
        let row = row(&activity(), None);
        for part in [
            "Sun 1 Mar, 23:00",
            "Mon 2 Mar, 00:30",
            "Example Ltd",
            "Website",
            "Sketches",
            "deep work",
            "Billable",
            "Mara",
            "Not mapped",
            "1:30:00",
        ] {
            assert!(row.contains(part), "{part} is missing: {row}");
        }
    }

    #[test]
    fn an_entry_across_midnight_says_how_much_of_it_is_on_the_day() {
        assert!(row(&activity(), Some("2026-03-01")).contains("1:00:00 of it on this day"));
        assert!(row(&activity(), Some("2026-03-02")).contains("0:30:00 of it on this day"));
    }

    #[test]
    fn what_runs_ticks_and_what_was_deleted_does_not() {
        let running = LedgerActivity {
            stop: None,
            ..activity()
        };
        let text = row(&running, None);
        assert!(
            text.contains("data-since=\"1772406000000\">3:00:00<"),
            "{text}"
        );
        assert!(text.contains("Running"));
        let deleted = row(
            &LedgerActivity {
                deleted: true,
                ..running
            },
            None,
        );
        assert!(!deleted.contains("data-since") && !deleted.contains("Running"));
        assert!(deleted.contains("<del") && deleted.contains("Deleted"));
    }

    #[test]
    fn no_text_of_an_entry_becomes_markup() {
        let hostile = || HOSTILE.to_owned();
        let activity = LedgerActivity {
            connection_id: ConnectionId::new(hostile()),
            entry_id: hostile(),
            remote_user_id: Some(RemoteUserId::new(hostile())),
            remote_user_name: Some(hostile()),
            user: Some(User {
                id: UserId::new(hostile()),
                name: hostile(),
                email: None,
            }),
            subjects: vec![SubjectName {
                id: SubjectId::new("project/1"),
                name: Some(hostile()),
            }],
            title: vec![hostile(), hostile()],
            tags: vec![hostile()],
            ..activity()
        };
        let row = row(&activity, None);
        assert!(!row.contains("<img"), "a script in a name would run: {row}");
        assert!(!row.contains("x onerror=alert(1)>\"'"), "{row}");
    }

    #[test]
    fn an_absurdly_long_name_does_not_fill_the_page() {
        let long = "ü".repeat(100_000);
        let activity = LedgerActivity {
            title: vec![long.clone()],
            subjects: Vec::new(),
            tags: vec![long; 500],
            ..activity()
        };
        assert!(row(&activity, None).len() < 10_000);
    }
}
