//! Looking after a connection: what the background does about once an hour, and when deliveries
//! seem to have stopped.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::background::not_before;
use super::background::policy::{Comparison, Rhythm, earlier, later, needs_a_person, to_std};
use super::lease::Fenced;
use super::reconcile::{Kind, Progress, Reserve, outcome};
use super::{Host, HostError, moment};
use integration_host_contract::clock::is_ahead;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{ErrorCode, Problem};
use integration_host_ledger::{Connection, CoverageChange, EventKind, ImportLimits};

/// How many deliveries tell the rhythm of a connection.
const RHYTHM: usize = 300;

impl Host {
    /// Looks further than deliveries and gaps do, as far as the quota has requests to spare. It goes on with the next
    /// upkeep where it stops.
    async fn compare_at_leisure(&self, id: &ConnectionId) -> Result<(), HostError> {
        self.look_up_superseded(id).await?;
        self.ask_for_missing(id, Reserve::ForPeople).await?;
        self.read_changes(id).await?;
        self.sweep(id).await
    }

    /// Compares recent activities with the remote service. What no delivery has reported is the surest sign that
    /// deliveries are lost, however right the subscription looks: it is renewed at once. Returns after which time to go
    /// on, if what is left of the quota is for people.
    async fn compare_activities(
        &self,
        connection: &Connection,
        comparison: Comparison,
    ) -> Result<Option<Duration>, HostError> {
        let id = &connection.id;
        let schedule = self.schedule();
        let now = self.now();
        let all_of_it = earlier(now, schedule.verify_range);
        let from = match comparison {
            Comparison::Silence(since) => earlier(since, schedule.margin).max(all_of_it),
            _ => all_of_it,
        };
        let to = later(now, schedule.margin);
        let read = self
            .read_range(connection, Kind::Comparison, from, to, Reserve::ForPeople)
            .await?;
        let read = match read {
            Progress::Done(read) => read,
            Progress::Paused(wait) => return Ok(Some(wait)),
        };
        let (changed, missing, unread) = (read.applied.changed, read.missing, read.unread);
        let compared = if from == all_of_it {
            CoverageChange::Verified { at: read.began_at }
        } else {
            CoverageChange::Compared { at: read.began_at }
        };
        self.ledger.change_coverage(id, compared).await?;
        if changed == 0 {
            return Ok(None);
        }
        let found = outcome(changed, missing, unread);
        match comparison {
            Comparison::Silence(since) => self.end_silence(connection, since, &found).await?,
            _ => {
                let message = format!(
                    "A comparison from {} on found what no delivery had reported ({found}), so the webhook was renewed.",
                    moment(from)
                );
                self.renew_for_lost(connection, EventKind::DifferenceFound, message)
                    .await?;
            }
        }
        Ok(None)
    }

    /// Renews the subscription because nothing has been delivered since then, although something was found.
    pub(super) async fn end_silence(
        &self,
        connection: &Connection,
        since: Timestamp,
        found: &str,
    ) -> Result<(), HostError> {
        let message = format!(
            "Nothing had been delivered since {} although the webhook looked right ({found}); it was renewed.",
            moment(since)
        );
        self.renew_for_lost(connection, EventKind::SilenceFound, message)
            .await?;
        self.inner.metrics.silences_found.inc();
        Ok(())
    }

    async fn renew_for_lost(
        &self,
        connection: &Connection,
        kind: EventKind,
        message: String,
    ) -> Result<(), HostError> {
        let (id, coverage) = (&connection.id, &connection.coverage);
        warn!(connection = %id, "a comparison found what no delivery had reported");
        // What an earlier comparison looked at is there.
        let since = connection
            .last_delivery_at
            .max(coverage.reconciled_at)
            .unwrap_or(coverage.connected_at);
        let noticed = CoverageChange::GapNoticed {
            from: Some(since),
            reason: "a comparison found activities that no delivery had reported".to_owned(),
            at: self.now(),
        };
        self.notice_gap(id, noticed).await?;
        if let Err(error) = self.renew_subscription(connection).await {
            if needs_a_person(error.code) || error.code == ErrorCode::InvalidInput {
                self.obstruct_gap(connection, &error).await?;
            }
            return Err(error);
        }
        self.record(id, kind, message).await;
        self.inner.background.close_gap_now(id);
        Ok(())
    }
}

impl Fenced {
    /// Checks and repairs a connection, closes its gap and imports its team. Returns when to do so
    /// again, if not at the usual time.
    pub(super) async fn look_after(
        &self,
        id: &ConnectionId,
    ) -> Result<Option<Duration>, HostError> {
        let health = match self.compare(id).await {
            // Reading draws on another quota than checking may, and what is missing need not wait for the latter.
            Err(error) if error.code == ErrorCode::QuotaExhausted => {
                self.read_open_gap(id).await?;
                return Err(error);
            }
            health => health?,
        };
        match health.problem {
            Some(problem) => {
                if can_read(problem.error.code) {
                    self.read_open_gap(id).await?;
                }
                give_up(problem).map(|()| None)
            }
            None => {
                let closed = match self.close_gap(id).await {
                    Ok(Some(wait)) => return Ok(Some(wait)),
                    Err(error) if !is_of_one_request(&error) => return Err(error),
                    closed => closed.map(drop),
                };
                // What is left of the quota is for people.
                if let Some(wait) = self.kept_back(id).await? {
                    return closed.map(|()| Some(not_before(wait)));
                }
                let imported = self.import_team(id, &ImportLimits::default()).await;
                if let Err(error) = &imported {
                    let message = format!("The team could not be imported: {error}");
                    self.record(id, EventKind::TeamFailed, message).await;
                }
                let imported = match imported {
                    Err(error) if !is_of_one_request(&error) => return Err(error),
                    imported => imported.map(drop),
                };
                self.inner.background.refresh_names_now(id);
                if closed.is_ok()
                    && let Err(error) = self.compare_at_leisure(id).await
                {
                    debug!(connection = %id, %error, "what can wait has to wait");
                }
                closed.and(imported).map(|()| None)
            }
        }
    }

    /// Sees whether deliveries have stopped. Returns when to look again.
    pub(super) async fn watch(&self, connection: Connection) -> Result<Duration, HostError> {
        let id = &connection.id;
        let schedule = self.schedule();
        if connection.coverage.gap.is_some() {
            return Ok(schedule.silence);
        }
        let now = self.now();
        let mut delivered_at = self.ledger.delivery_times(id, RHYTHM).await?;
        delivered_at.retain(|at| !is_ahead(*at, now));
        let rhythm = Rhythm {
            delivered_at,
            connected_at: connection.coverage.connected_at,
            reconciled_at: connection.coverage.reconciled_at,
            verified_at: connection.coverage.verified_at,
        };
        let comparison = rhythm.comparison(now, schedule);
        if let Comparison::NotBefore(due) = comparison {
            // The rhythm may be another by then.
            return Ok(to_std(due.duration_since(now)).min(schedule.silence));
        }
        let health = match self.compare(id).await {
            Ok(health) => health,
            // Nothing was asked, so that it costs nothing to try again soon.
            Err(error) if error.found_no_turn => return Err(error),
            // Upkeep tries again; two of them would cost twice the quota. Before it resets there is nothing to see.
            Err(error) => {
                let asked =
                    Duration::from_secs(error.retry_after_seconds.unwrap_or_default().into());
                return Ok(schedule.silence.max(asked.min(self.longest_wait())));
            }
        };
        if health.problem.is_some() || self.connection(id).await?.coverage.gap.is_some() {
            self.inner.background.maintain_now(id);
            return Ok(schedule.silence);
        }
        let wait = self.compare_activities(&connection, comparison).await?;
        Ok(wait.map_or(schedule.silence / 2, not_before))
    }
}

/// Whether a failure says nothing of other requests: what one list cannot tell keeps nothing else from being done.
fn is_of_one_request(error: &HostError) -> bool {
    matches!(error.code, ErrorCode::Upstream | ErrorCode::Unavailable)
}

/// Whether activities can be read although the subscription does not work.
fn can_read(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::NotFound
    )
}

/// What a person must solve waits for the usual time; anything else is tried again sooner.
fn give_up(problem: Problem) -> Result<(), HostError> {
    if needs_a_person(problem.error.code) {
        return Ok(());
    }
    Err(problem.error.into())
}
