//! How far the host is behind with deliveries: those it has begun and not answered, and how long answering
//! took.
//!
//! Both are about genuine deliveries only, so that forged ones neither hide a lag nor make one up.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Counter;

/// Upper bounds of the classes, in milliseconds. Most deliveries take a few; the remote service gives up
/// after some seconds.
const BOUNDS_MS: [u32; 10] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/// Deliveries on their way through the host.
#[derive(Default)]
pub(crate) struct Lag {
    waiting: AtomicU64,
    /// Answered deliveries by class; those beyond the last bound are in `answered` only.
    classes: [Counter; BOUNDS_MS.len()],
    answered: Counter,
    micros: Counter,
}

/// A delivery that arrived and is not answered. It waits no more when this is dropped, also when its
/// sender has hung up and nobody answers it.
pub(crate) struct Waiting<'a> {
    lag: &'a Lag,
    since: Instant,
}

impl Lag {
    /// A delivery has arrived, with its whole body.
    pub(crate) fn arrived(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting {
            lag: self,
            since: Instant::now(),
        }
    }

    fn observe(&self, time: Duration) {
        let class = (BOUNDS_MS.iter().zip(&self.classes))
            .find(|(bound, _)| time <= Duration::from_millis(u64::from(**bound)));
        if let Some((_, class)) = class {
            class.add(1);
        }
        self.micros.add_micros(time);
        self.answered.add(1);
    }

    pub(super) fn render(&self, text: &mut String) {
        text.push_str(
            "# HELP integration_deliveries_waiting Deliveries that have arrived and are not answered.\n\
             # TYPE integration_deliveries_waiting gauge\n",
        );
        let waiting = self.waiting.load(Ordering::Relaxed);
        let _ = writeln!(text, "integration_deliveries_waiting {waiting}");
        text.push_str(
            "# HELP integration_delivery_lag_seconds Time from the arrival of a genuine delivery to its answer.\n\
             # TYPE integration_delivery_lag_seconds histogram\n",
        );
        // Read first: whoever counts meanwhile has counted a class before.
        let answered = self.answered.value();
        let mut up_to = 0;
        for (bound, class) in BOUNDS_MS.iter().zip(&self.classes) {
            up_to = answered.min(up_to + class.value());
            let seconds = f64::from(*bound) / 1e3;
            let _ = writeln!(
                text,
                "integration_delivery_lag_seconds_bucket{{le=\"{seconds}\"}} {up_to}"
            );
        }
        let sum = Duration::from_micros(self.micros.value()).as_secs_f64();
        let _ = writeln!(
            text,
            "integration_delivery_lag_seconds_bucket{{le=\"+Inf\"}} {answered}\n\
             integration_delivery_lag_seconds_sum {sum}\n\
             integration_delivery_lag_seconds_count {answered}"
        );
    }
}

impl Waiting<'_> {
    /// It is about to be answered, with 2xx or 503, and was genuine.
    pub(crate) fn answered(self) {
        self.lag.observe(self.since.elapsed());
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.lag.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(lag: &Lag) -> String {
        let mut text = String::new();
        lag.render(&mut text);
        text
    }

    #[test]
    fn a_delivery_waits_until_it_is_answered_or_given_up() {
        let lag = Lag::default();
        let (first, second) = (lag.arrived(), lag.arrived());
        assert!(rendered(&lag).contains("integration_deliveries_waiting 2\n"));
        first.answered();
        drop(second);
        let text = rendered(&lag);
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
        let lag = Lag::default();
        for milliseconds in [5, 6, 400, 60_000] {
            lag.observe(Duration::from_millis(milliseconds));
        }
        let text = rendered(&lag);
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
