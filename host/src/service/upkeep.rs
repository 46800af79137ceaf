//! Looking after a connection: what the background does about once an hour, and when deliveries
//! seem to have stopped.

use std::time::Duration;

use tracing::{info, warn};

use super::background::decide::{
    Comparison, Rhythm, earlier, later, needs_a_person, spare, unsigned,
};
use super::background::not_before;
use super::reconcile::count;
use super::{Service, ServiceError, moment};
use crate::contract::{ErrorCode, Problem};
use crate::id::ConnectionId;
use crate::ledger::{Connection, CoverageChange, EventKind};

/// How many deliveries tell the rhythm of a connection.
const RHYTHM: usize = 300;

impl Service {
    /// Checks and repairs a connection, closes its gap and imports its team. Returns when to do so
    /// again, if not at the usual time.
    pub(super) async fn look_after(
        &self,
        id: &ConnectionId,
    ) -> Result<Option<Duration>, ServiceError> {
        let health = self.compare(id).await?;
        let spare =
            spare(&health.quotas).map(|seconds| not_before(Duration::from_secs(seconds.into())));
        match health.problem {
            Some(problem) => {
                if spare.is_none() && can_read(problem.error.code) {
                    self.read_open_gap(id).await?;
                }
                give_up(problem).map(|()| None)
            }
            // What is left of the quota is for people.
            None if spare.is_some() => Ok(spare),
            None => {
                self.close_gap(id).await?;
                if let Err(error) = self.import_team(id).await {
                    let message = format!("The team could not be imported: {error}");
                    self.record(id, EventKind::TeamFailed, message).await;
                    return Err(error);
                }
                self.inner.background.refresh_names_now(id);
                Ok(None)
            }
        }
    }

    /// Sees whether deliveries have stopped. Returns when to look again.
    pub(super) async fn watch(&self, connection: Connection) -> Result<Duration, ServiceError> {
        let id = &connection.id;
        let schedule = self.schedule();
        if connection.coverage.gap.is_some() {
            return Ok(schedule.silence());
        }
        let now = self.now();
        let rhythm = Rhythm {
            delivered_at: self.ledger.delivery_times(id, RHYTHM).await?,
            connected_at: connection.coverage.connected_at,
            reconciled_at: connection.coverage.reconciled_at,
        };
        let comparison = rhythm.comparison(now, schedule);
        if let Comparison::NotBefore(due) = comparison {
            // The rhythm may be another by then.
            return Ok(unsigned(due.duration_since(now)).min(schedule.silence()));
        }
        let health = match self.compare(id).await {
            Ok(health) => health,
            // Upkeep tries again; two of them would cost twice the quota.
            Err(error) if error.retry_after_seconds.is_none() => return Ok(schedule.silence()),
            Err(error) => return Err(error),
        };
        if health.problem.is_some() || self.connection(id).await?.coverage.gap.is_some() {
            self.inner.background.look_after_now(id);
            return Ok(schedule.silence());
        }
        if let Some(seconds) = spare(&health.quotas) {
            return Ok(not_before(Duration::from_secs(seconds.into())));
        }
        self.compare_activities(&connection, comparison).await?;
        Ok(schedule.silence() / 2)
    }

    /// Compares recent activities with the remote service. If something is new although nothing was
    /// delivered for long, deliveries have stopped: the subscription is renewed.
    async fn compare_activities(
        &self,
        connection: &Connection,
        comparison: Comparison,
    ) -> Result<(), ServiceError> {
        let id = &connection.id;
        let schedule = self.schedule();
        let now = self.now();
        let from = match comparison {
            Comparison::Silence(since) => earlier(since, schedule.margin()),
            _ => earlier(now, schedule.verify_range()),
        };
        let from = from.max(connection.coverage.connected_at).min(now);
        let to = later(now, schedule.margin());
        let changed = self.read_range(id, from, to).await?.changed;
        let compared = CoverageChange::Compared { at: now };
        let ledger = &self.ledger;
        ledger.change_coverage(id, compared).await?;
        match comparison {
            Comparison::Silence(since) if changed > 0 => {
                warn!(connection = %id, changed, "deliveries have stopped although the subscription looks right");
                self.inner.metrics.silences_found.add(1);
                let noticed = CoverageChange::GapNoticed {
                    from: Some(since),
                    reason: "nothing was delivered although activities changed".to_owned(),
                    at: now,
                };
                self.notice_gap(id, noticed).await?;
                if let Err(error) = self.renew_subscription(connection).await {
                    if needs_a_person(error.code) || error.code == ErrorCode::InvalidInput {
                        self.obstruct_gap(connection, &error).await?;
                    }
                    return Err(error);
                }
                let message = format!(
                    "Nothing had been delivered since {} although the webhook looked right ({}); it was renewed.",
                    moment(since),
                    count(changed)
                );
                self.record(id, EventKind::SilenceFound, message).await;
                self.inner.background.close_gap_now(id);
            }
            _ if changed > 0 => {
                info!(connection = %id, changed, "a comparison found what was not delivered");
                let message = format!(
                    "A comparison from {} on found what no delivery had reported: {}.",
                    moment(from),
                    count(changed)
                );
                self.record(id, EventKind::DifferenceFound, message).await;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether activities can be read although the subscription does not work.
fn can_read(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::NotFound
    )
}

/// What a person must solve waits for the usual time; anything else is tried again sooner.
fn give_up(problem: Problem) -> Result<(), ServiceError> {
    if needs_a_person(problem.error.code) {
        return Ok(());
    }
    Err(problem.error.into())
}
