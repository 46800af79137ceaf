//! Counters of the service, in the Prometheus text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts since the host started.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) accepted: Counter,
    pub(super) pings: Counter,
    pub(super) ignored: Counter,
    pub(super) refused: Counter,
    pub(super) failed: Counter,
    pub(super) activities_applied: Counter,
    pub(super) activities_unchanged: Counter,
    pub(super) delivery_micros: Counter,
}

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn add_micros(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// All counters.
    pub(super) fn render(&self) -> String {
        let mut text = String::from(
            "# HELP integration_deliveries_total Deliveries by outcome.\n\
             # TYPE integration_deliveries_total counter\n",
        );
        let outcomes = [
            ("accepted", &self.accepted),
            ("ping", &self.pings),
            ("ignored", &self.ignored),
            ("refused", &self.refused),
            ("failed", &self.failed),
        ];
        for (outcome, counter) in outcomes {
            let count = counter.value();
            let _ = writeln!(text, "integration_deliveries_total{{outcome=\"{outcome}\"}} {count}");
        }
        let seconds = Duration::from_micros(self.delivery_micros.value()).as_secs_f64();
        let _ = write!(
            text,
            "# HELP integration_delivery_seconds_total Time spent on deliveries.\n\
             # TYPE integration_delivery_seconds_total counter\n\
             integration_delivery_seconds_total {seconds}\n\
             # HELP integration_activities_total Activities handed to the ledger, by effect.\n\
             # TYPE integration_activities_total counter\n\
             integration_activities_total{{effect=\"applied\"}} {}\n\
             integration_activities_total{{effect=\"unchanged\"}} {}\n",
            self.activities_applied.value(),
            self.activities_unchanged.value(),
        );
        text
    }
}
