//! What the log says of requests that somebody unknown sent and that were refused: once a minute, how many of which
//! kind came from which network. A line for each would let anybody fill the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use super::client::Network;

/// What lies between two reports; the first comes soon after the first request that was refused.
const INTERVAL: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(1);

/// How many kinds and networks are told apart in a minute, and how many of them have a line.
const MOST_TOLD_APART: usize = 2_000;
const MOST_LINES: usize = 20;

/// Counts refused requests and reports them.
#[derive(Default)]
pub(super) struct RequestLog(Mutex<Counts>);

/// Requests that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Kind {
    /// The template of the address, never the address itself.
    route: String,
    status: u16,
    network: Network,
}

#[derive(Default)]
struct Counts {
    by_kind: HashMap<Kind, u64>,
    /// What came when too many kinds were told apart already.
    others: u64,
    is_due: bool,
    reported: Option<Instant>,
}

/// What is said of a minute.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    lines: Vec<(Kind, u64)>,
    /// Requests that have no line.
    others: u64,
}

impl RequestLog {
    /// Counts a request that was refused.
    pub(super) fn count(self: &Arc<Self>, route: &str, status: u16, network: Network) {
        let due = self.lock().count(route, status, network, Instant::now());
        if let Some(due) = due {
            let log = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep_until(due).await;
                if let Some(log) = log.upgrade() {
                    let report = log.lock().report(Instant::now());
                    report.write();
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock()
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let report = self.lock().report(Instant::now());
        report.write();
    }
}

impl Counts {
    /// Counts one, and tells when a report is due if none was before.
    fn count(
        &mut self,
        route: &str,
        status: u16,
        network: Network,
        now: Instant,
    ) -> Option<Instant> {
        let kind = Kind {
            route: route.to_owned(),
            status,
            network,
        };
        let has_room = self.by_kind.len() < MOST_TOLD_APART;
        match self.by_kind.get_mut(&kind) {
            Some(count) => *count = count.saturating_add(1),
            None if has_room => {
                self.by_kind.insert(kind, 1);
            }
            None => self.others = self.others.saturating_add(1),
        }
        if std::mem::replace(&mut self.is_due, true) {
            return None;
        }
        let next = self.reported.map(|reported| reported + INTERVAL);
        Some((now + SOON).max(next.unwrap_or(now)))
    }

    fn report(&mut self, now: Instant) -> Report {
        let mut lines: Vec<_> = std::mem::take(&mut self.by_kind).into_iter().collect();
        lines.sort_by(|(left, left_count), (right, right_count)| {
            right_count.cmp(left_count).then_with(|| left.cmp(right))
        });
        let rest = lines.split_off(lines.len().min(MOST_LINES));
        let others = std::mem::take(&mut self.others)
            .saturating_add(rest.iter().map(|(_, count)| count).sum());
        self.is_due = false;
        self.reported = Some(now);
        Report { lines, others }
    }
}

impl Report {
    fn write(&self) {
        for (kind, requests) in &self.lines {
            let Kind {
                route,
                status,
                network,
            } = kind;
            let is_delivery = route.ends_with("/hooks/{hook}");
            match status {
                401 | 429 if is_delivery => tracing::warn!(
                    route, status, %network, requests,
                    "deliveries were refused; somebody forges them, or the signing secret is wrong"
                ),
                500.. => tracing::warn!(route, status, %network, requests, "requests failed"),
                _ => tracing::info!(route, status, %network, requests, "requests were refused"),
            }
        }
        if self.others > 0 {
            tracing::info!(requests = self.others, "further requests were refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Source;

    fn network(number: u32) -> Network {
        Source::of(std::net::Ipv4Addr::from_bits(number << 8).into()).network()
    }

    #[test]
    fn a_flood_is_one_line_a_minute_and_a_first_refusal_is_said_soon() {
        let mut counts = Counts::default();
        let now = Instant::now();
        assert_eq!(
            counts.count("/api/v1/users", 401, network(1), now),
            Some(now + SOON)
        );
        for _ in 0..462_000 {
            assert_eq!(counts.count("/api/v1/users", 401, network(1), now), None);
        }
        let report = counts.report(now + SOON);
        assert_eq!((report.lines.len(), report.others), (1, 0));
        assert_eq!(report.lines[0].1, 462_001);
        let later = now + Duration::from_secs(2);
        let due = counts.count("/api/v1/users", 401, network(1), later);
        assert_eq!(due, Some(now + SOON + INTERVAL));
    }

    #[test]
    fn from_however_many_networks_a_report_is_short_and_complete() {
        let mut counts = Counts::default();
        let now = Instant::now();
        for number in 0..10_000 {
            counts.count("/hooks/{hook}", 401, network(number), now);
        }
        counts.count("/hooks/{hook}", 401, network(7), now);
        assert_eq!(counts.by_kind.len(), MOST_TOLD_APART);
        let report = counts.report(now);
        assert_eq!(report.lines.len(), MOST_LINES);
        assert_eq!(report.lines[0].0.network, network(7));
        let told: u64 = report.lines.iter().map(|(_, count)| count).sum();
        assert_eq!(told + report.others, 10_001);
    }
}
