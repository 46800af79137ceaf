//! The entries of a day, by person.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::days::{Range, hours, overlap};
use super::query::{Permalink, PersonFilter, View};
use super::rows::{RowStyle, entry, name_of, person};
use super::week;
use integration_host_ledger::{LedgerActivity, Summary};

/// The most entries a day shows at once. A busier one shows the hours first.
pub(super) const MOST_ENTRIES: usize = 300;

/// The day with all its entries.
pub(super) fn show(
    activities: &[LedgerActivity],
    range: &Range,
    style: &RowStyle,
    now: Timestamp,
) -> Markup {
    html! {
        @for group in &groups(activities) {
            section class="card person-day" aria-label=(group.name) data-person=(group.key) {
                div class="card-head" {
                    h2 { (group.name) }
                    p class="number person-total" id=(format!("total-{}", group.key)) data-summary {
                        span class="unseen" { "Total " } (hours(total(&group.entries, range, now)))
                    }
                }
                ol class="entries" data-order="ascending" {
                    @for activity in &group.entries { (entry(activity, style, now)) }
                }
            }
        }
    }
}

/// A day with more entries than a page has room for.
pub(super) fn show_busy(link: &Permalink, range: &Range, summary: &Summary) -> Markup {
    html! {
        div class="notice" {
            p {
                "This day has " (summary.entries) " entries. Choose a person to see theirs, or "
                a href=(link.seen_as(View::List).at(range.days.first().copied()).page()) { "see them all as a list" } "."
            }
        }
        (week::incomplete(summary))
        (week::people(link, range, &week::rows(&summary.people.items), &summary.time, summary.people.more))
    }
}

struct Group<'a> {
    key: String,
    name: String,
    entries: Vec<&'a LedgerActivity>,
}

/// The entries of each person, people by name and entries by time.
fn groups(activities: &[LedgerActivity]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(String, String), Group<'_>> = BTreeMap::new();
    // They come newest first.
    for activity in activities.iter().rev() {
        let Some(person) = person(activity) else {
            continue;
        };
        let (key, name) = (PersonFilter::of(&person).key(), name_of(&person));
        groups
            .entry((name.to_lowercase(), key.clone()))
            .or_insert(Group {
                key,
                name,
                entries: Vec::new(),
            })
            .entries
            .push(activity);
    }
    groups.into_values().collect()
}

fn total(entries: &[&LedgerActivity], range: &Range, now: Timestamp) -> Duration {
    let (Some(from), Some(to)) = (range.from, range.to) else {
        return Duration::ZERO;
    };
    let counted = entries
        .iter()
        .filter(|activity| !activity.deleted && !activity.frozen);
    counted
        .filter_map(|activity| {
            let stop = activity.stop.unwrap_or(now);
            Some(overlap(activity.start?, stop, from, to))
        })
        .sum()
}
