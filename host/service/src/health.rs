//! Keeping a connection right: checking, repairing, and completing names.

use jiff::Timestamp;
use tracing::{info, warn};

use super::background::policy::{later, needs_attention};
use super::lease::Fenced;
use super::{Host, HostError};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::sentence;
use integration_host_contract::{Changes, ErrorCode, Health, IntegrationError, Problem, Subject};
use integration_host_ledger::{
    Attention, Connection, ConnectionUpdate, CoverageChange, EventKind, SeenQuotas,
};

/// When a connection could not be checked for so many times the usual interval, what lies between is
/// read again.
const UNCHECKED_INTERVALS: u32 = 3;

/// Names that are recorded together.
const NAMES_AT_ONCE: usize = 200;

impl Host {
    /// Compares a connection with the remote service, repairs what can be repaired and updates what
    /// needs a person's attention. A gap that this finds is closed in the background.
    pub async fn check(&self, id: &ConnectionId) -> Result<Health, HostError> {
        let health = self.for_person().compare(id).await?;
        let gap = self.connection(id).await?.coverage.gap;
        if health.problem.is_none() && gap.is_some() {
            // A person asks.
            self.inner.kept_back.ask_for(id);
            self.inner.background.close_gap_now(id);
        }
        Ok(health)
    }

    /// [`Host::check`], except that it leaves a gap to the caller.
    pub(super) async fn compare(&self, id: &ConnectionId) -> Result<Health, HostError> {
        self.connection(id).await?;
        let guard = self.inner.leases.hold(id).await?;
        self.fenced_by(&guard).compare_in_turn(id).await
    }

    /// Records what a check found.
    async fn take_note(
        &self,
        connection: &Connection,
        since: Timestamp,
        health: &Health,
        trouble: Option<IntegrationError>,
    ) -> Result<(), HostError> {
        let id = &connection.id;
        let update = ConnectionUpdate {
            scope_name: health.scope.as_ref().map(|scope| scope.name.clone()),
            owner: health.account.clone(),
            subscription: health.subscription.clone().map(Some),
            // Without an answer from the remote service what was seen before stays, with its time.
            quotas: (!health.quotas.is_empty()).then(|| SeenQuotas {
                quotas: health.quotas.clone(),
                at: self.now(),
            }),
            ..ConnectionUpdate::default()
        };
        self.ledger.update_connection(id, update, since).await?;
        let unchecked = self.schedule().upkeep * UNCHECKED_INTERVALS;
        let covered_until = connection.coverage.covered_until;
        let reason = match &trouble {
            Some(trouble) => Some(trouble.message.clone()),
            None if later(covered_until, unchecked) < since => {
                Some("it could not be checked for long".to_owned())
            }
            None => None,
        };
        match reason {
            Some(reason) => {
                let noticed = CoverageChange::GapNoticed {
                    from: None,
                    reason,
                    at: self.now(),
                };
                self.notice_gap(id, noticed).await?;
            }
            None => {
                let confirmed = CoverageChange::Confirmed { until: since };
                self.ledger.change_coverage(id, confirmed).await?;
            }
        }
        match &health.problem {
            None => {
                if let Some(trouble) = trouble {
                    self.inner.metrics.subscriptions_repaired.inc();
                    let message = format!(
                        "The webhook was repaired. It had been wrong: {}",
                        sentence(&trouble.message)
                    );
                    self.record(id, EventKind::SubscriptionRepaired, message)
                        .await;
                }
                // Deliveries arrive; what keeps a gap from being closed stays.
                let gap = &connection.coverage.gap;
                let obstacle = gap.as_ref().and_then(|gap| gap.obstacle.clone());
                let attention = match obstacle {
                    Some(obstacle) => Some(obstacle),
                    None => self.lasting_attention(connection).await?,
                };
                self.set_attention(connection, attention).await
            }
            Some(problem) => self.note_problem(connection, problem).await,
        }
    }

    /// Tells a person of a problem that is theirs, or that lasts.
    async fn note_problem(
        &self,
        connection: &Connection,
        problem: &Problem,
    ) -> Result<(), HostError> {
        if !needs_attention(
            problem.error.code,
            wrong_since(connection),
            self.now(),
            self.schedule(),
        ) {
            return Ok(());
        }
        let attention = Attention {
            code: problem.error.code.as_str().to_owned(),
            message: problem.error.message.clone(),
        };
        self.set_attention(connection, Some(attention)).await
    }

    /// A check that failed tells nothing about the connection, unless it fails for long.
    async fn note_failure(
        &self,
        connection: &Connection,
        error: &HostError,
    ) -> Result<(), HostError> {
        warn!(connection = %connection.id, %error, "a connection could not be checked");
        let since = wrong_since(connection);
        if !needs_attention(error.code, since, self.now(), self.schedule()) {
            return Ok(());
        }
        let attention = Attention {
            code: error.code.as_str().to_owned(),
            message: format!(
                "The connection could not be checked since {}: {}",
                super::moment(since),
                sentence(&error.message)
            ),
        };
        self.set_attention(connection, Some(attention)).await
    }

    /// Sets what a person must do, and says so when it changes.
    pub(super) async fn set_attention(
        &self,
        connection: &Connection,
        attention: Option<Attention>,
    ) -> Result<(), HostError> {
        let id = &connection.id;
        let update = ConnectionUpdate {
            attention: Some(attention.clone()),
            ..ConnectionUpdate::default()
        };
        let ledger = &self.ledger;
        ledger.update_connection(id, update, self.now()).await?;
        match (&connection.attention, attention) {
            (Some(before), Some(now)) if before.code == now.code => {}
            (_, Some(attention)) => {
                if attention.code == ErrorCode::Unauthorized.as_str() {
                    self.look_at_others_of(connection).await;
                }
                self.record(id, EventKind::AttentionRaised, attention.message)
                    .await;
            }
            (Some(_), None) => {
                let message = "Nothing needs attention any more.".to_owned();
                self.record(id, EventKind::AttentionCleared, message).await;
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Has the connections looked at that use the same account's secrets: what is refused for one is refused for all.
    async fn look_at_others_of(&self, refused: &Connection) {
        let all = match self.connections().await {
            Ok(all) => all,
            Err(error) => {
                warn!(connection = %refused.id, %error, "others with the same secrets are not looked at before their time");
                return;
            }
        };
        for other in all {
            let is_of_account = other.integration == refused.integration
                && other.owner.id == refused.owner.id
                && other.id != refused.id;
            if is_of_account && other.attention.is_none() {
                self.inner.background.maintain_now(&other.id);
            }
        }
    }

    /// Completes names. Returns after how many seconds more would be found; `None`: nothing is missing.
    pub(super) async fn refresh_names(&self, id: &ConnectionId) -> Result<Option<u32>, HostError> {
        let (service, connection) = (self.clone(), id.clone());
        let refresh = self
            .inner
            .parts
            .integration
            .refresh_names(&self.context(id), move |refresh| {
                let (service, connection) = (service.clone(), connection.clone());
                Box::pin(async move {
                    service.record_names(&connection, &refresh.subjects).await?;
                    Ok(refresh)
                })
            })
            .await?;
        self.note_all(id, &refresh.notes).await;
        Ok(refresh.again_in_seconds)
    }

    /// Records names. One that cannot be recorded keeps no other from it; an error says that some are to be told
    /// again.
    async fn record_names(&self, id: &ConnectionId, subjects: &[Subject]) -> Result<(), HostError> {
        let mut untold = None;
        for subjects in subjects.chunks(NAMES_AT_ONCE) {
            if self.record_names_together(id, subjects).await.is_ok() {
                continue;
            }
            for subject in subjects {
                match self
                    .record_names_together(id, std::slice::from_ref(subject))
                    .await
                {
                    Ok(()) => {}
                    // The ledger will never take it, so telling it again would only keep names from being refreshed.
                    Err(error) if error.code == ErrorCode::InvalidInput => {
                        warn!(connection = %id, subject = subject.id, %error, "a name cannot be recorded");
                    }
                    Err(error) => {
                        warn!(connection = %id, subject = subject.id, %error, "a name could not be recorded yet");
                        untold = Some(error);
                    }
                }
            }
        }
        untold.map_or(Ok(()), Err)
    }

    async fn record_names_together(
        &self,
        id: &ConnectionId,
        subjects: &[Subject],
    ) -> Result<(), HostError> {
        let changes = Changes {
            subjects: subjects.to_vec(),
            ..Changes::default()
        };
        self.apply(id, &changes, None).await.map(drop)
    }
}

impl Fenced {
    async fn compare_in_turn(&self, id: &ConnectionId) -> Result<Health, HostError> {
        let connection = self.connection(id).await?;
        self.ensure_readable(id).await?;
        self.ensure_held(&connection).await?;
        let since = self.now();
        let checked = match self.check_and_repair(&connection).await {
            // Nothing of it is stored, and what is wrong at the remote service would be no error.
            Err(error) if error.code == ErrorCode::NotFound => {
                match self.bind_again(&connection).await {
                    Ok(()) => self.check_and_repair(&connection).await,
                    Err(error) => Err(error),
                }
            }
            checked => checked,
        };
        match checked {
            Ok((health, trouble)) => {
                self.take_note(&connection, since, &health, trouble).await?;
                Ok(health)
            }
            Err(error) => {
                self.note_failure(&connection, &error).await?;
                Err(error)
            }
        }
    }

    /// Returns the health after the repair, and what was wrong before it.
    async fn check_and_repair(
        &self,
        connection: &Connection,
    ) -> Result<(Health, Option<IntegrationError>), HostError> {
        let id = &connection.id;
        let integration = &self.inner.parts.integration;
        let context = self.context(id);
        let callback = self.callback(connection).await?;
        let mut health = integration.check(&context, callback.clone()).await?;
        let trouble = health.problem.as_ref().map(|problem| problem.error.clone());
        if health
            .problem
            .as_ref()
            .is_some_and(|problem| problem.repairable)
        {
            match self.subscribe(connection, &context, callback).await {
                Ok(subscription) => {
                    info!(connection = %id, "the webhook subscription was repaired");
                    health.subscription = Some(subscription);
                    health.problem = None;
                }
                Err(error) => {
                    warn!(connection = %id, %error, "the webhook subscription cannot be repaired");
                    if let Some(problem) = &mut health.problem {
                        problem.error.code = error.code;
                        problem.error.message = error.message;
                        problem.error.retry_after_seconds = error.retry_after_seconds;
                    }
                }
            }
        }
        Ok((health, trouble))
    }
}

/// Since when a connection is not known to be right.
fn wrong_since(connection: &Connection) -> Timestamp {
    let coverage = &connection.coverage;
    coverage
        .gap
        .as_ref()
        .map_or(coverage.covered_until, |gap| gap.opened_at)
}
