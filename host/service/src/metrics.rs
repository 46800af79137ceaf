//! Counters of the service, in the Prometheus text format.

mod lag;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::lag::Lag;
use crate::log_output;
use integration_host_contract::supervision;
use integration_host_http::HttpCounts;

/// Counts since the host started.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) accepted: Counter,
    pub(super) pings: Counter,
    pub(super) ignored: Counter,
    pub(super) refused: Counter,
    pub(super) failed: Counter,
    pub(super) repeated: Counter,
    pub(super) activities_applied: Counter,
    pub(super) activities_unchanged: Counter,
    pub(super) delivery_micros: Counter,
    pub(super) lag: Lag,
    pub(super) gaps_noticed: Counter,
    pub(super) gaps_closed: Counter,
    pub(super) silences_found: Counter,
    pub(super) subscriptions_repaired: Counter,
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
    /// All counters, with those of HTTP, and for how long background work waits.
    pub(super) fn render(&self, http: &HttpCounts, late: Duration) -> String {
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
            ("repeated", &self.repeated),
        ];
        for (outcome, counter) in outcomes {
            let count = counter.value();
            let _ = writeln!(
                text,
                "integration_deliveries_total{{outcome=\"{outcome}\"}} {count}"
            );
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
        self.lag.render(&mut text);
        let late_seconds = late.as_secs_f64();
        let _ = write!(
            text,
            "# HELP integration_background_late_seconds How long the background work waits that has been due the longest.\n\
             # TYPE integration_background_late_seconds gauge\n\
             integration_background_late_seconds {late_seconds}\n"
        );
        let _ = write!(
            text,
            "# HELP integration_gaps_total Gaps in deliveries, by what was done.\n\
             # TYPE integration_gaps_total counter\n\
             integration_gaps_total{{event=\"noticed\"}} {}\n\
             integration_gaps_total{{event=\"closed\"}} {}\n\
             # HELP integration_silences_found_total Times deliveries had stopped although nothing looked wrong.\n\
             # TYPE integration_silences_found_total counter\n\
             integration_silences_found_total {}\n\
             # HELP integration_subscriptions_repaired_total Subscriptions that did not work and were repaired.\n\
             # TYPE integration_subscriptions_repaired_total counter\n\
             integration_subscriptions_repaired_total {}\n",
            self.gaps_noticed.value(),
            self.gaps_closed.value(),
            self.silences_found.value(),
            self.subscriptions_repaired.value(),
        );
        let _ = write!(
            text,
            "# HELP integration_log_lines_dropped_total Log lines that could not be written.\n\
             # TYPE integration_log_lines_dropped_total counter\n\
             integration_log_lines_dropped_total {}\n\
             # HELP integration_panics_total Parts of the host that ended with a panic and were begun again.\n\
             # TYPE integration_panics_total counter\n\
             integration_panics_total {}\n",
            log_output::dropped_lines(),
            supervision::panics(),
        );
        let paced_seconds = Duration::from_millis(http.paced_ms).as_secs_f64();
        let _ = write!(
            text,
            "# HELP integration_http_requests_total Requests to the remote service, retries included.\n\
             # TYPE integration_http_requests_total counter\n\
             integration_http_requests_total {}\n\
             # HELP integration_http_retries_total Requests sent because an earlier one failed.\n\
             # TYPE integration_http_retries_total counter\n\
             integration_http_retries_total {}\n\
             # HELP integration_http_refused_total Requests of the integration that were not allowed.\n\
             # TYPE integration_http_refused_total counter\n\
             integration_http_refused_total {}\n\
             # HELP integration_http_failed_total Requests without a response.\n\
             # TYPE integration_http_failed_total counter\n\
             integration_http_failed_total {}\n\
             # HELP integration_http_paced_seconds_total Time requests waited for their guard.\n\
             # TYPE integration_http_paced_seconds_total counter\n\
             integration_http_paced_seconds_total {paced_seconds}\n\
             # HELP integration_http_responses_total Responses by class of status.\n\
             # TYPE integration_http_responses_total counter\n",
            http.requests, http.retries, http.refused, http.failed,
        );
        for (class, count) in (1..).zip(http.statuses) {
            let _ = writeln!(
                text,
                "integration_http_responses_total{{class=\"{class}xx\"}} {count}"
            );
        }
        text
    }
}
