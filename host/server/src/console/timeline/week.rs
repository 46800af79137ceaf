//! The hours of a week, per person and day.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::charts::{Bar, bars};
use super::days::{Range, hours};
use super::query::{Permalink, PersonFilter, View};
use super::rows::{RowStyle, brief, entry, name_of};
use integration_host_contract::SubjectKind;
use integration_host_ledger::{LedgerActivity, Person, PersonTime, SubjectTime, Summary};

/// The most people a page shows.
pub(super) const MOST_PEOPLE: usize = 100;

/// How many of the newest entries stand below the hours.
pub(super) const LATEST: usize = 10;

/// The hours of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) whose: PersonFilter,
    pub(super) name: String,
    pub(super) time: Vec<Duration>,
}

impl Row {
    pub(super) fn total(&self) -> Duration {
        self.time.iter().sum()
    }
}

/// One row for each user: somebody may be a member of several teams. The most time first.
pub(super) fn rows(people: &[PersonTime]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(people.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for PersonTime { person, time, .. } in people {
        let whose = PersonFilter::of(person);
        let place = *places.entry(whose.key()).or_insert(rows.len());
        match rows.get_mut(place) {
            Some(row) => {
                for (sum, more) in row.time.iter_mut().zip(time) {
                    *sum += *more;
                }
            }
            None => rows.push(Row {
                whose,
                name: name_of(person),
                time: time.clone(),
            }),
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.total()));
    rows
}

/// The week.
pub(super) fn show(
    link: &Permalink,
    range: &Range,
    summary: &Summary,
    latest: &[LedgerActivity],
    charted: Option<&SubjectKind>,
    style: &RowStyle,
    now: Timestamp,
) -> Markup {
    let rows = rows(&summary.people.items);
    let total: Duration = summary.time.iter().sum();
    html! {
        (incomplete(summary))
        (people(link, range, &rows, &summary.time, summary.people.more))
        div class="columns" {
            (bars("people-chart", "Hours per person", person_bars(link, &rows), total, "Everybody else"))
            (subject_chart(link, summary, charted, total))
        }
        section class="card" aria-labelledby="latest" {
            div class="card-head" {
                h2 id="latest" { "Latest entries" }
                a href=(link.seen_as(View::List).page()) { "All entries" }
            }
            ol class="entries" data-order="descending" data-most=(LATEST) {
                @for activity in latest { (entry(activity, style, now)) }
            }
        }
    }
}

/// Says when more was logged than is added up at once.
pub(super) fn incomplete(summary: &Summary) -> Markup {
    html! {
        @if !summary.complete {
            div class="notice notice-busy" {
                p { "There are too many entries to add up at once, so the oldest are missing from these hours. Choose a connection or a person." }
            }
        }
    }
}

/// The table of people and days.
pub(super) fn people(
    link: &Permalink,
    range: &Range,
    rows: &[Row],
    sums: &[Duration],
    more: bool,
) -> Markup {
    let mut shown: Vec<&Row> = rows.iter().take(MOST_PEOPLE).collect();
    // By name people find somebody, and no row moves while times change.
    shown.sort_by_cached_key(|row| row.name.to_lowercase());
    let left = rows.len().saturating_sub(MOST_PEOPLE);
    let day_of = |link: &Permalink, place: usize| {
        let date = range.days.get(place).copied();
        link.seen_as(View::Day).at(date).page()
    };
    html! {
        section class="card" id="people" data-summary aria-label="Hours per person and day" {
            table class="week" {
                caption class="unseen" { "Hours and minutes per person and day" }
                thead {
                    tr {
                        th scope="col" { "Person" }
                        @for (place, day) in range.days.iter().enumerate() {
                            th scope="col" class={ "number" @if *day == range.today { " today" } } {
                                a href=(day_of(link, place)) aria-current=[(*day == range.today).then_some("date")] {
                                    (day.strftime("%a")) " " span class="week-date" { (day.strftime("%-d %b")) }
                                }
                            }
                        }
                        th scope="col" class="number" { "Total" }
                    }
                }
                tbody {
                    @for row in &shown {
                        @let theirs = Permalink { whose: Some(row.whose.clone()), ..link.clone() };
                        tr data-person=(row.whose.key()) {
                            th scope="row" { a href=(theirs.page()) { (row.name) } }
                            @for (place, time) in row.time.iter().enumerate() {
                                (cell(range, place, *time, Some(&day_of(&theirs, place))))
                            }
                            td class="number week-total" data-label="Total" { (hours(row.total())) }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" { "All" }
                        @for (place, time) in sums.iter().enumerate() { (cell(range, place, *time, None)) }
                        td class="number week-total" data-label="Total" { (hours(sums.iter().sum())) }
                    }
                }
            }
            @if left > 0 || more {
                p class="subtle" {
                    @if more { "More people logged time than are shown." }
                    @else { "And " (left) " more people with less time." }
                    " Choose one in the filter, or export all entries."
                }
            }
        }
    }
}

fn cell(range: &Range, place: usize, time: Duration, target: Option<&str>) -> Markup {
    let day = range.days.get(place);
    let label = day.map(|day| day.strftime("%a").to_string());
    html! {
        td class={ "number" @if time.is_zero() { " nothing" } } data-label=[label] {
            @match target {
                _ if time.is_zero() => { span aria-hidden="true" { "–" } span class="unseen" { " nothing" } },
                Some(target) => a href=(target) { (hours(time)) },
                None => (hours(time)),
            }
        }
    }
}

fn person_bars(link: &Permalink, rows: &[Row]) -> Vec<Bar> {
    let bar = |row: &Row| {
        let theirs = Permalink {
            whose: Some(row.whose.clone()),
            ..link.clone()
        };
        Bar {
            label: row.name.clone(),
            target: Some(theirs.page()),
            time: row.total(),
        }
    };
    rows.iter().map(bar).collect()
}

/// Hours per subject of the kind that the integration names, or of whatever time was spent on, if there is none of it.
fn subject_chart(
    link: &Permalink,
    summary: &Summary,
    charted: Option<&SubjectKind>,
    total: Duration,
) -> Markup {
    let all = &summary.subjects.items;
    let of_kind = |kind: &SubjectKind| -> Vec<&SubjectTime> {
        let is_charted = |time: &&SubjectTime| {
            let subject = time.subject.subject();
            subject.is_some_and(|subject| subject.id.kind() == Some(&kind.id))
        };
        all.iter().filter(is_charted).collect()
    };
    let bar = |time: &SubjectTime, spent| {
        let subject = time.subject.subject()?;
        let connection = time.subject.connection_id.clone();
        let theirs = Permalink {
            subject: Some((connection, subject.id.clone())),
            ..link.clone()
        };
        Some(Bar {
            label: path_label(time),
            target: Some(theirs.page()),
            time: spent,
        })
    };
    let (title, bars_shown) = match charted.map(|kind| (kind, of_kind(kind))) {
        Some((kind, times)) if !times.is_empty() => (
            format!("Hours per {}", kind.noun.singular),
            times
                .into_iter()
                .filter_map(|time| bar(time, time.time))
                .collect(),
        ),
        _ => (
            "What time was spent on".to_owned(),
            all.iter()
                .filter_map(|time| bar(time, time.own_time))
                .collect(),
        ),
    };
    bars(
        "subject-chart",
        &title,
        bars_shown,
        total,
        "Everything else",
    )
}

fn path_label(time: &SubjectTime) -> String {
    let names = time.subject.path.iter();
    let names: Vec<String> = names
        .map(|part| {
            part.name
                .as_deref()
                .map_or_else(|| part.id.to_string(), brief)
        })
        .collect();
    names.join(" › ")
}

/// Whether somebody is the one that was chosen.
pub(super) fn is_chosen(link: &Permalink, person: &Person) -> bool {
    link.whose.as_ref() == Some(&PersonFilter::of(person))
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::User;
    use integration_host_contract::id::{ConnectionId, RemoteUserId, UserId};

    fn time(connection: &str, user: Option<&str>, hours: [u64; 2]) -> PersonTime {
        PersonTime {
            person: Person {
                connection_id: ConnectionId::new(connection),
                remote_user_id: RemoteUserId::new("11"),
                name: Some("Remote".into()),
                user: user.map(|id| User {
                    id: UserId::new(id),
                    name: id.to_uppercase(),
                    email: None,
                }),
            },
            time: hours.map(Duration::from_hours).to_vec(),
            entries: 1,
        }
    }

    #[test]
    fn who_works_in_two_teams_has_one_row() {
        let rows = rows(&[
            time("a", None, [2, 0]),
            time("a", Some("u"), [1, 0]),
            time("b", Some("u"), [1, 3]),
        ]);
        let hours: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.total().as_secs() / 3600))
            .collect();
        assert_eq!(hours, [("U", 5), ("Remote", 2)]);
        assert_eq!(rows[0].time, [2, 3].map(Duration::from_hours));
    }

    #[test]
    fn members_of_two_teams_with_one_number_are_two_people() {
        let rows = rows(&[time("a", None, [1, 0]), time("b", None, [1, 0])]);
        assert_eq!(rows.len(), 2, "two people's hours became one's");
    }
}
