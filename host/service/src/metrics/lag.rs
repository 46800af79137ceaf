//! How far the host is behind with deliveries: those it has begun and not answered, and how long answering
//! took.
//!
//! Both are about genuine deliveries only, so that forged ones neither hide a lag nor make one up.

use std::time::Instant;

use prometheus::{Histogram, HistogramOpts, IntGauge, Registry, Result};

use super::registered;

/// Upper bounds of the classes, in seconds. Most deliveries take a few milliseconds; the remote service gives up
/// after some seconds.
const BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Deliveries on their way through the host.
pub(crate) struct Lag {
    waiting: IntGauge,
    answered: Histogram,
}

/// A delivery that arrived and is not answered. It waits no more when this is dropped, also when its
/// sender has hung up and nobody answers it.
pub(crate) struct Waiting<'a> {
    lag: &'a Lag,
    since: Instant,
}

impl Lag {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let answered = HistogramOpts::new(
            "integration_delivery_lag_seconds",
            "Time from the arrival of a genuine delivery to its answer.",
        );
        let waiting = IntGauge::new(
            "integration_deliveries_waiting",
            "Deliveries that have arrived and are not answered.",
        );
        Ok(Self {
            waiting: registered(registry, waiting)?,
            answered: registered(
                registry,
                Histogram::with_opts(answered.buckets(BOUNDS.to_vec())),
            )?,
        })
    }

    /// A delivery has arrived, with its whole body.
    pub(crate) fn arrived(&self) -> Waiting<'_> {
        self.waiting.inc();
        Waiting {
            lag: self,
            since: Instant::now(),
        }
    }
}

impl Waiting<'_> {
    /// It is about to be answered, with 2xx or 503, and was genuine.
    pub(crate) fn answered(self) {
        let time = self.since.elapsed();
        self.lag.answered.observe(time.as_secs_f64());
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.lag.waiting.dec();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    fn lag() -> (Lag, Registry) {
        let registry = Registry::new();
        (Lag::new(&registry).unwrap(), registry)
    }

    fn rendered(registry: &Registry) -> String {
        let encoder = TextEncoder::new();
        encoder.encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn a_delivery_waits_until_it_is_answered_or_given_up() {
        let (lag, registry) = lag();
        let (first, second) = (lag.arrived(), lag.arrived());
        assert!(rendered(&registry).contains("integration_deliveries_waiting 2\n"));
        first.answered();
        drop(second);
        let text = rendered(&registry);
        assert!(
            text.contains("integration_deliveries_waiting 0\n"),
            "{text}"
        );
        assert!(
            text.contains("integration_delivery_lag_seconds_count 1\n"),
            "{text}"
        );
    }

    #[test]
    fn each_class_includes_the_shorter_ones() {
        let (lag, registry) = lag();
        for seconds in [0.005, 0.006, 0.4, 60.0] {
            lag.answered.observe(seconds);
        }
        let text = rendered(&registry);
        for line in [
            "_bucket{le=\"0.005\"} 1",
            "_bucket{le=\"0.01\"} 2",
            "_bucket{le=\"0.25\"} 2",
            "_bucket{le=\"0.5\"} 3",
            "_bucket{le=\"5\"} 3",
            "_bucket{le=\"+Inf\"} 4",
            "_sum 60.411",
            "_count 4",
        ] {
            let line = format!("integration_delivery_lag_seconds{line}\n");
            assert!(text.contains(&line), "{line} is not in:\n{text}");
        }
    }
}
