//! How many deliveries arrived lately, as a chart.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::console::chart::{Column, Part, columns};
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::state::AppState;
use integration_host_ledger::{Connection, DeliveryRate, DeliveryStatus};

/// The minutes that are shown, the present one included.
const MINUTES: i32 = 60;

/// The card.
pub(super) async fn card(
    state: &AppState,
    connection: &Connection,
    viewer: &Viewer,
) -> Result<Markup, ConsoleError> {
    let now = state.service.now();
    let first = first_minute(now);
    let rates = state.service.delivery_rates(&connection.id, first).await?;
    let hour = Hour::new(first, &rates);
    let clock = |time: Timestamp| clock(time, &viewer.zone);
    Ok(html! {
        section class="card" aria-labelledby="rates" {
            h2 id="rates" { "Deliveries in the last hour" }
            @if hour.all() == 0 {
                p { (hour.summary(&viewer.zone)) " One arrives whenever somebody logs time." }
            } @else {
                figure class="chart-frame" {
                    p class="subtle small" aria-hidden="true" { (hour.most()) " a minute" }
                    (columns(&hour.summary(&viewer.zone), &hour.columns(&viewer.zone)))
                    div class="chart-axis subtle small" aria-hidden="true" {
                        span { (clock(first)) } span { (clock(now)) }
                    }
                }
                p { (hour.summary(&viewer.zone)) }
            }
            p {
                a href=(format!("connections/{}/deliveries", connection.id)) { "All deliveries" }
                @if hour.failed() > 0 {
                    " · "
                    a href=(format!("connections/{}/deliveries?status=failed", connection.id)) { "Failed ones" }
                }
            }
        }
    })
}

fn first_minute(now: Timestamp) -> Timestamp {
    let minute = now.as_second().div_euclid(60) * 60;
    let now = Timestamp::from_second(minute).unwrap_or(now);
    now.saturating_sub(SignedDuration::from_mins(i64::from(MINUTES) - 1))
        .unwrap_or(now)
}

fn clock(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone())
        .strftime("%H:%M")
        .to_string()
}

/// Deliveries of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Minute {
    handled: u64,
    failed: u64,
}

impl Minute {
    fn all(self) -> u64 {
        self.handled + self.failed
    }
}

/// Deliveries by the minute; a minute without any is there too.
struct Hour(BTreeMap<Timestamp, Minute>);

impl Hour {
    fn new(first: Timestamp, rates: &[DeliveryRate]) -> Self {
        let mut minutes: BTreeMap<_, _> = (0..i64::from(MINUTES))
            .filter_map(|minute| first.checked_add(SignedDuration::from_mins(minute)).ok())
            .map(|minute| (minute, Minute::default()))
            .collect();
        for rate in rates {
            let Some(minute) = minutes.get_mut(&rate.minute) else {
                continue;
            };
            match rate.status {
                DeliveryStatus::Failed | DeliveryStatus::Refused => {
                    minute.failed += rate.deliveries
                }
                _ => minute.handled += rate.deliveries,
            }
        }
        Self(minutes)
    }

    fn all(&self) -> u64 {
        self.0.values().map(|minute| minute.all()).sum()
    }

    fn failed(&self) -> u64 {
        self.0.values().map(|minute| minute.failed).sum()
    }

    fn most(&self) -> u64 {
        self.0
            .values()
            .map(|minute| minute.all())
            .max()
            .unwrap_or_default()
    }

    fn columns(&self, zone: &TimeZone) -> Vec<Column> {
        let column = |(time, minute): (&Timestamp, &Minute)| Column {
            title: match minute.failed {
                0 => format!("{}: {}", clock(*time, zone), minute.all()),
                failed => format!("{}: {}, {failed} failed", clock(*time, zone), minute.all()),
            },
            parts: vec![(Part::Usual, minute.handled), (Part::Bad, minute.failed)],
        };
        self.0.iter().map(column).collect()
    }

    fn summary(&self, zone: &TimeZone) -> String {
        let failed = match self.failed() {
            0 => String::new(),
            failed => format!(", {failed} of them failed"),
        };
        // The first of the busiest minutes.
        let busiest = self.0.iter().rev().max_by_key(|(_, minute)| minute.all());
        match (self.all(), busiest) {
            (0, _) | (_, None) => "No deliveries in the last hour.".to_owned(),
            (1, _) => format!(
                "One delivery in the last hour{}.",
                if self.failed() > 0 {
                    ", which failed"
                } else {
                    ""
                }
            ),
            (all, Some((time, minute))) => format!(
                "{all} deliveries in the last hour{failed}. Most arrived at {}: {}.",
                clock(*time, zone),
                minute.all()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(rates: &[(&str, DeliveryStatus, u64)]) -> Hour {
        let rates: Vec<_> = rates
            .iter()
            .map(|(minute, status, deliveries)| DeliveryRate {
                minute: minute.parse().unwrap(),
                status: *status,
                deliveries: *deliveries,
            })
            .collect();
        Hour::new("2026-03-01T08:00:00Z".parse().unwrap(), &rates)
    }

    #[test]
    fn the_present_minute_is_the_last_of_sixty() {
        let first = first_minute("2026-03-01T08:59:59.9Z".parse().unwrap());
        assert_eq!(first, "2026-03-01T08:00:00Z".parse().unwrap());
        assert_eq!(hour(&[]).columns(&TimeZone::UTC).len(), 60);
    }

    #[test]
    fn the_sentence_says_what_the_picture_shows() {
        use DeliveryStatus::{Accepted, Failed, Ping};
        let zone = TimeZone::UTC;
        assert_eq!(hour(&[]).summary(&zone), "No deliveries in the last hour.");
        assert_eq!(
            hour(&[("2026-03-01T08:10:00Z", Failed, 1)]).summary(&zone),
            "One delivery in the last hour, which failed."
        );
        let some = hour(&[
            ("2026-03-01T08:10:00Z", Accepted, 3),
            ("2026-03-01T08:10:00Z", Ping, 1),
            ("2026-03-01T08:20:00Z", Accepted, 2),
            ("2026-03-01T08:20:00Z", Failed, 2),
            ("2026-03-01T07:59:00Z", Failed, 9),
        ]);
        assert_eq!(
            some.summary(&zone),
            "8 deliveries in the last hour, 2 of them failed. Most arrived at 08:10: 4."
        );
        assert_eq!(some.columns(&zone)[20].title, "08:20: 4, 2 failed");
    }
}
