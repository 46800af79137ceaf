//! How much of the log one connection can fill: whoever misbehaves all the time is named, but does
//! not push everything else out of the log.

use std::time::{Duration, Instant};

use tracing::warn;

use integration_host_contract::id::ConnectionId;
use integration_host_contract::recent::Recent;

const WINDOW: Duration = Duration::from_secs(60);

/// Connections remembered at the same time.
const MAX_WINDOWS: usize = 10_000;

/// Lines per connection and minute.
pub struct LogBudget {
    lines_per_minute: u32,
    windows: Recent<ConnectionId, Window>,
}

struct Window {
    began: Instant,
    lines: u32,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Write it.
    Write,
    /// Write that there are too many; the rest of this minute is dropped.
    Last,
    /// Drop it.
    Drop,
}

impl LogBudget {
    /// So many lines a minute for each connection.
    pub fn new(lines_per_minute: u32) -> Self {
        Self {
            lines_per_minute,
            windows: Recent::new(MAX_WINDOWS),
        }
    }

    /// Counts a line of a connection, and tells whether it may be written. That lines are dropped is
    /// itself a line.
    pub fn admits(&self, connection: &ConnectionId) -> bool {
        let verdict = self.count_at(connection, Instant::now());
        if verdict == Verdict::Last {
            warn!(
                %connection,
                limit = "log_lines_per_minute",
                "too many lines about this connection's calls; the rest of this minute's is dropped"
            );
        }
        verdict == Verdict::Write
    }

    /// [`Self::admits`] for a line about none in particular.
    pub fn admits_unattributed(&self) -> bool {
        self.admits(&ConnectionId::new("unknown"))
    }

    fn count_at(&self, connection: &ConnectionId, now: Instant) -> Verdict {
        let first = || Window {
            began: now,
            lines: 0,
        };
        let lines = (self.windows).change_or_insert(connection.clone(), first, |window| {
            if now.saturating_duration_since(window.began) >= WINDOW {
                *window = first();
            }
            window.lines = window.lines.saturating_add(1);
            window.lines
        });
        if lines <= self.lines_per_minute {
            Verdict::Write
        } else if lines == self.lines_per_minute.saturating_add(1) {
            Verdict::Last
        } else {
            Verdict::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_fills_its_share_of_the_log_and_no_more() {
        let budget = LogBudget::new(2);
        let (loud, quiet) = (ConnectionId::new("loud"), ConnectionId::new("quiet"));
        let now = Instant::now();
        let verdicts: Vec<_> = (0..5).map(|_| budget.count_at(&loud, now)).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Write,
                Verdict::Write,
                Verdict::Last,
                Verdict::Drop,
                Verdict::Drop
            ]
        );
        assert_eq!(budget.count_at(&quiet, now), Verdict::Write);
        assert_eq!(budget.count_at(&loud, now + WINDOW), Verdict::Write);
    }
}
