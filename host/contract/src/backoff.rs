//! Delays that grow while something keeps failing.

use std::time::Duration;

/// A delay that doubles with each failure in a row, up to the longest one. Jitter is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// From the delay after the first failure to the longest one.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The delay after so many failures in a row; none counts as one.
    pub fn delay(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_no_further() {
        let backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(600));
        let seconds =
            [0, 1, 2, 3, 6, 7, 8, 33, u32::MAX].map(|failures| backoff.delay(failures).as_secs());
        assert_eq!(seconds, [10, 10, 20, 40, 320, 600, 600, 600, 600]);
    }
}
