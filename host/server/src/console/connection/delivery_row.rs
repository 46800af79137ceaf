//! One delivery in the list.

use maud::{Markup, html};

use crate::console::elements::{Tone, badge, moment_to_the_second};
use crate::console::told::told;
use crate::console::viewer::Viewer;
use integration_host_ledger::{Delivery, DeliveryStatus};

/// The heads of the columns.
pub(super) fn head() -> Markup {
    html! {
        tr {
            th scope="col" { "Received" }
            th scope="col" { "Outcome" }
            th scope="col" { "What it was" }
            th scope="col" { "Event" }
            th scope="col" class="number" { "Handled in" }
            th scope="col" class="number" { "Tries" }
            th scope="col" class="number" { "Size" }
        }
    }
}

/// A row. `status` is the outcome the list shows, to come back to.
pub(super) fn row(delivery: &Delivery, status: &str, viewer: &Viewer) -> Markup {
    let record = &delivery.record;
    let (tone, words) = outcome(record.status);
    let address = format!(
        "connections/{}/deliveries/{}/replay",
        delivery.connection_id, record.id
    );
    html! {
        tr {
            td data-label="Received" { (moment_to_the_second(record.received_at, &viewer.zone)) }
            td data-label="Outcome" { (badge(tone, words)) }
            td data-label="What it was" {
                p { (told(&record.detail, &viewer.zone)) }
                @if delivery.replayable {
                    form method="post" action=(address) {
                        input type="hidden" name="status" value=(status);
                        button class="secondary" {
                            "Replay" span class="unseen" { " delivery " (record.id) }
                        }
                    }
                }
            }
            td data-label="Event" {
                @match &record.event_id { Some(event) => code { (event) }, None => "–" }
            }
            td data-label="Handled in" class="number" { (duration(record.elapsed_us)) }
            td data-label="Tries" class="number" { (delivery.attempts) }
            td data-label="Size" class="number" { (size(record.size_bytes)) }
        }
    }
}

/// An outcome in a word.
pub(super) fn outcome(status: DeliveryStatus) -> (Tone, &'static str) {
    match status {
        DeliveryStatus::Accepted => (Tone::Good, "Accepted"),
        DeliveryStatus::Ping => (Tone::Neutral, "Ping"),
        DeliveryStatus::Ignored => (Tone::Neutral, "Ignored"),
        DeliveryStatus::Failed => (Tone::Bad, "Failed"),
        DeliveryStatus::Superseded => (Tone::Neutral, "Superseded"),
        DeliveryStatus::Refused => (Tone::Bad, "Refused"),
    }
}

fn duration(microseconds: u64) -> String {
    let milliseconds = microseconds as f64 / 1000.0;
    if microseconds < 10_000 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1000 {
        format!("{bytes} B")
    } else {
        format!("{:.1} kB", bytes as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_exact_as_somebody_needs() {
        let durations = [0, 1_240, 9_999, 12_500, 2_000_000].map(duration);
        assert_eq!(
            durations,
            ["0.0 ms", "1.2 ms", "10.0 ms", "12 ms", "2000 ms"]
        );
        assert_eq!(
            [0, 999, 1000, 65_536].map(size),
            ["0 B", "999 B", "1.0 kB", "65.5 kB"]
        );
    }
}
