//! What the host counts, in the Prometheus text format.

mod lag;

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntCounter, IntCounterVec, Opts, Registry, Result, TextEncoder};
use tracing::warn;

use self::lag::Lag;
use crate::log_output;
use integration_host_contract::supervision;
use integration_host_http::HttpCounts;

/// Counts since the host started.
pub(super) struct Metrics {
    registry: Registry,
    pub(super) accepted: IntCounter,
    pub(super) pings: IntCounter,
    pub(super) ignored: IntCounter,
    pub(super) refused: IntCounter,
    pub(super) failed: IntCounter,
    pub(super) repeated: IntCounter,
    pub(super) delivery_seconds: Counter,
    pub(super) activities_applied: IntCounter,
    pub(super) activities_unchanged: IntCounter,
    pub(super) lag: Lag,
    pub(super) gaps_noticed: IntCounter,
    pub(super) gaps_closed: IntCounter,
    pub(super) silences_found: IntCounter,
    pub(super) subscriptions_repaired: IntCounter,
}

impl Metrics {
    /// Nothing was counted yet.
    ///
    /// # Errors
    /// A name stands here twice, or is none.
    pub(super) fn new() -> Result<Self> {
        let registry = Registry::new();
        let by = |name: &str, help: &str, label: &str| {
            registered(
                &registry,
                IntCounterVec::new(Opts::new(name, help), &[label]),
            )
        };
        let alone = |name: &str, help: &str| registered(&registry, IntCounter::new(name, help));
        let deliveries = by(
            "integration_deliveries_total",
            "Deliveries by outcome.",
            "outcome",
        )?;
        let activities = by(
            "integration_activities_total",
            "Activities handed to the ledger, by effect.",
            "effect",
        )?;
        let gaps = by(
            "integration_gaps_total",
            "Gaps in deliveries, by what was done.",
            "event",
        )?;
        Ok(Self {
            accepted: deliveries.get_metric_with_label_values(&["accepted"])?,
            pings: deliveries.get_metric_with_label_values(&["ping"])?,
            ignored: deliveries.get_metric_with_label_values(&["ignored"])?,
            refused: deliveries.get_metric_with_label_values(&["refused"])?,
            failed: deliveries.get_metric_with_label_values(&["failed"])?,
            repeated: deliveries.get_metric_with_label_values(&["repeated"])?,
            delivery_seconds: registered(
                &registry,
                Counter::new(
                    "integration_delivery_seconds_total",
                    "Time spent on deliveries.",
                ),
            )?,
            activities_applied: activities.get_metric_with_label_values(&["applied"])?,
            activities_unchanged: activities.get_metric_with_label_values(&["unchanged"])?,
            lag: Lag::new(&registry)?,
            gaps_noticed: gaps.get_metric_with_label_values(&["noticed"])?,
            gaps_closed: gaps.get_metric_with_label_values(&["closed"])?,
            silences_found: alone(
                "integration_silences_found_total",
                "Times deliveries had stopped although nothing looked wrong.",
            )?,
            subscriptions_repaired: alone(
                "integration_subscriptions_repaired_total",
                "Subscriptions that did not work and were repaired.",
            )?,
            registry,
        })
    }

    /// All counters, with those of HTTP, and for how long background work waits.
    pub(super) fn render(&self, http: &HttpCounts, late: Duration) -> String {
        let mut families = self.registry.gather();
        let rendered = counted_elsewhere(http, late).and_then(|elsewhere| {
            families.extend(elsewhere);
            TextEncoder::new().encode_to_string(&families)
        });
        rendered.unwrap_or_else(|error| {
            warn!(%error, "what was counted could not be told");
            String::new()
        })
    }
}

/// What other parts count, as it is now.
fn counted_elsewhere(http: &HttpCounts, late: Duration) -> Result<Vec<MetricFamily>> {
    let counts = [
        (
            "integration_log_lines_dropped_total",
            "Log lines that could not be written.",
            log_output::dropped_lines(),
        ),
        (
            "integration_panics_total",
            "Parts of the host that ended with a panic and were begun again.",
            supervision::panics(),
        ),
        (
            "integration_http_requests_total",
            "Requests to the remote service, retries included.",
            http.requests,
        ),
        (
            "integration_http_retries_total",
            "Requests sent because an earlier one failed.",
            http.retries,
        ),
        (
            "integration_http_refused_total",
            "Requests of the integration that were not allowed.",
            http.refused,
        ),
        (
            "integration_http_failed_total",
            "Requests without a response.",
            http.failed,
        ),
    ];
    let mut families = Vec::new();
    for (name, help, count) in counts {
        let counter = IntCounter::new(name, help)?;
        counter.inc_by(count);
        families.extend(counter.collect());
    }
    let waits = Gauge::new(
        "integration_background_late_seconds",
        "How long the background work waits that has been due the longest.",
    )?;
    waits.set(late.as_secs_f64());
    families.extend(waits.collect());
    let paced = Counter::new(
        "integration_http_paced_seconds_total",
        "Time requests waited for their guard.",
    )?;
    paced.inc_by(Duration::from_millis(http.paced_ms).as_secs_f64());
    families.extend(paced.collect());
    let responses = IntCounterVec::new(
        Opts::new(
            "integration_http_responses_total",
            "Responses by class of status.",
        ),
        &["class"],
    )?;
    for (class, count) in (1..).zip(http.statuses) {
        let class = format!("{class}xx");
        let counter = responses.get_metric_with_label_values(&[class.as_str()])?;
        counter.inc_by(count);
    }
    families.extend(responses.collect());
    Ok(families)
}

/// Something that is told with the registry's.
fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: Result<C>) -> Result<C> {
    let made = made?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_from_the_beginning_as_prometheus_reads_it() {
        let metrics = Metrics::new().unwrap();
        metrics.accepted.inc_by(3);
        metrics.delivery_seconds.inc_by(0.25);
        let http = HttpCounts {
            requests: 5,
            paced_ms: 1_500,
            statuses: [0, 4, 0, 1, 0],
            ..HttpCounts::default()
        };
        let text = metrics.render(&http, Duration::from_millis(500));
        for line in [
            "# HELP integration_deliveries_total Deliveries by outcome.",
            "# TYPE integration_deliveries_total counter",
            "integration_deliveries_total{outcome=\"accepted\"} 3",
            "integration_deliveries_total{outcome=\"repeated\"} 0",
            "integration_delivery_seconds_total 0.25",
            "integration_activities_total{effect=\"unchanged\"} 0",
            "# TYPE integration_delivery_lag_seconds histogram",
            "# TYPE integration_background_late_seconds gauge",
            "integration_background_late_seconds 0.5",
            "integration_gaps_total{event=\"noticed\"} 0",
            "integration_silences_found_total 0",
            "integration_http_requests_total 5",
            "integration_http_paced_seconds_total 1.5",
            "integration_http_responses_total{class=\"2xx\"} 4",
        ] {
            let is_told = text.lines().any(|told| told == line);
            assert!(is_told, "{line} is not in:\n{text}");
        }
        assert_eq!(text.matches("# TYPE ").count(), 17, "{text}");
    }
}
