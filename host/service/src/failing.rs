//! Deliveries that keep failing: when a person is told, and when that is over.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::background::policy::to_std;
use super::{Host, HostError, MOST_REMEMBERED, moment};
use integration_host_contract::id::{ConnectionId, HookId};
use integration_host_contract::recent::Recent;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::{Attention, Connection, Delivery};

/// The code of the attention that a connection needs whose deliveries keep failing.
pub const FAILING: &str = "failing-deliveries";

/// After so many that failed in a row a person is told at once.
const MOST_IN_A_ROW: u32 = 20;

/// Failures that lie further apart are not of one row: what failed is handled again more often than that.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The rows of failed deliveries that no success has ended yet, of this host. They need not outlive it: those of
/// another start are told by the ledger.
pub(super) struct Failing(Recent<ConnectionId, Row>);

impl Default for Failing {
    fn default() -> Self {
        Self(Recent::new(MOST_REMEMBERED))
    }
}

/// Failures without a success between them.
#[derive(Clone, Copy)]
struct Row {
    began_at: Timestamp,
    last_at: Timestamp,
    deliveries: u32,
}

impl Failing {
    /// One more failed. Returns since when, if it is time to tell a person.
    fn failed(&self, id: &ConnectionId, now: Timestamp, patience: Duration) -> Option<Timestamp> {
        let first = || Row {
            began_at: now,
            last_at: now,
            deliveries: 0,
        };
        self.0.change_or_insert(id.clone(), first, |row| {
            if to_std(now.duration_since(row.last_at)) >= LONGEST_PAUSE {
                *row = first();
            }
            row.last_at = now;
            row.deliveries = row.deliveries.saturating_add(1);
            let is_long = to_std(now.duration_since(row.began_at)) >= patience;
            (row.deliveries >= MOST_IN_A_ROW || is_long).then_some(row.began_at)
        })
    }

    fn succeeded(&self, id: &ConnectionId) {
        self.0.remove(id);
    }
}

impl Host {
    /// A delivery was not taken. After a while, or many in a row, a person is told.
    pub(super) async fn delivery_failed(&self, connection: &Connection, why: &str) {
        let patience = self.schedule().delivery_patience;
        let failing = &self.inner.failing;
        if let Some(since) = failing.failed(&connection.id, self.now(), patience) {
            self.tell_of_failing(connection, since, why).await;
        }
    }

    /// [`Self::delivery_failed`] for one that could not even be verified.
    pub(super) async fn delivery_not_verified(&self, hook: &HookId) {
        if let Ok(Some(connection)) = self.ledger.connection_by_hook(hook).await {
            let why = "the secret that verifies them cannot be read from the storage";
            self.delivery_failed(&connection, why).await;
        }
    }

    /// A delivery was handled: what was told of failing ones is over, unless some are still kept.
    pub(super) async fn delivery_handled(&self, connection: &Connection) {
        self.inner.failing.succeeded(&connection.id);
        if !is_failing(connection) {
            return;
        }
        let over = async {
            // As it is now: something else may need attention meanwhile.
            let connection = self.connection(&connection.id).await?;
            if is_failing(&connection) && self.lasting_attention(&connection).await?.is_none() {
                self.set_attention(&connection, None).await?;
            }
            Ok::<_, HostError>(())
        };
        if let Err(error) = over.await {
            warn!(connection = %connection.id, %error, "nobody could be told that deliveries are handled again");
        }
    }

    /// Tells of the failed deliveries among these that have been kept for long, whoever failed at them. Returns in how
    /// long one of the others will have been.
    pub(super) async fn tell_of_kept(&self, deliveries: &[Delivery]) -> Option<Duration> {
        let (now, patience) = (self.now(), self.schedule().delivery_patience);
        let mut oldest: HashMap<&ConnectionId, &Delivery> = HashMap::new();
        for delivery in deliveries {
            let first = oldest.entry(&delivery.connection_id).or_insert(delivery);
            if delivery.record.received_at < first.record.received_at {
                *first = delivery;
            }
        }
        let mut next: Option<Duration> = None;
        for (id, delivery) in oldest {
            let since = delivery.record.received_at;
            let kept_for = to_std(now.duration_since(since));
            if kept_for < patience {
                let rest = patience - kept_for;
                next = Some(next.map_or(rest, |next| next.min(rest)));
            } else if let Ok(connection) = self.connection(id).await {
                self.tell_of_failing(&connection, since, &delivery.record.detail)
                    .await;
            }
        }
        next
    }

    /// Tells a person, unless something needs attention already.
    async fn tell_of_failing(&self, connection: &Connection, since: Timestamp, why: &str) {
        if connection.attention.is_some() {
            return;
        }
        let attention = Attention {
            code: FAILING.to_owned(),
            message: format!(
                "Deliveries have been failing since {}: {} They are handled again by themselves; if this lasts, see the failed deliveries.",
                moment(since),
                sentence(why)
            ),
        };
        if let Err(error) = self.set_attention(connection, Some(attention)).await
            && self.inner.log_budget.admits(&connection.id)
        {
            warn!(connection = %connection.id, %error, "nobody could be told that deliveries keep failing");
        }
    }
}

fn is_failing(connection: &Connection) -> bool {
    let attention = connection.attention.as_ref();
    attention.is_some_and(|attention| attention.code == FAILING)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_person_is_told_after_ten_minutes_or_twenty_in_a_row() {
        let failing = Failing::default();
        let id = ConnectionId::new("a");
        let told = |seconds| failing.failed(&id, at(seconds), PATIENCE);
        assert_eq!((told(0), told(599)), (None, None));
        assert_eq!(told(600), Some(at(0)));
        failing.succeeded(&id);
        assert_eq!(told(601), None, "a success ends the row");
        for second in 0..18 {
            assert_eq!(told(602 + second), None);
        }
        assert_eq!(told(620), Some(at(601)), "twenty in a row");
        assert_eq!(
            failing.failed(&ConnectionId::new("b"), at(620), PATIENCE),
            None
        );
        assert_eq!(told(10_000), None, "the next day is another row");
    }
}
