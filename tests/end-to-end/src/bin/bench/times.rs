//! Times of one thing done again and again.

use std::fmt;
use std::time::Duration;

/// Some times, shown as what half of them and 99 of 100 stay within.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// What so many of 100 stay within.
    pub fn within(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = (self.0.len() * percent / 100).min(last);
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = format!("{} / {}", shown(self.within(50)), shown(self.within(99)));
        formatter.pad(&figure)
    }
}

/// A time in two significant digits or more.
pub fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds @ ..10e-6 => format!("{:.1} µs", seconds * 1e6),
        seconds @ ..1e-3 => format!("{:.0} µs", seconds * 1e6),
        seconds @ ..10e-3 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.0} ms", seconds * 1e3),
    }
}
