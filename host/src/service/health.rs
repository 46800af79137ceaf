//! Keeping a connection right: checking, repairing, reconciling, and completing names.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::{Service, ServiceError};
use crate::contract::{Changes, ErrorCode, Health, Selection};
use crate::id::ConnectionId;
use crate::ledger::{Applied, Attention, ConnectionUpdate};

/// The longest range one request reconciles. Reading it is paced and uses up the remote service's quota,
/// so that a slip of the pen must not begin with the year 1.
const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The most ids one call of `reconcile` takes.
const MAX_SELECTED: usize = 100;

/// The most pages one reconciliation reads: a bound on what a defective integration can cost.
const MAX_PAGES: usize = 10_000;

impl Service {
    /// Compares a connection with the remote service, repairs what can be repaired and updates what
    /// needs a person's attention.
    pub async fn check(&self, id: &ConnectionId) -> Result<Health, ServiceError> {
        let connection = self.connection(id).await?;
        let _lease = self.inner.leases.hold(id).await;
        self.ensure_readable(id).await?;
        let parts = &self.inner.parts;
        let context = self.context(id);
        let callback_url = self.callback_url(&connection.hook);
        let mut health = parts.integration.check(&context, &callback_url).await?;
        if health
            .problem
            .as_ref()
            .is_some_and(|problem| problem.repairable)
        {
            match parts.integration.subscribe(&context, &callback_url).await {
                Ok(subscription) => {
                    info!(connection = %id, "the webhook subscription was repaired");
                    health.subscription = Some(subscription);
                    health.problem = None;
                }
                Err(error) => {
                    warn!(connection = %id, %error, "the webhook subscription cannot be repaired");
                    let error = ServiceError::from(error);
                    if let Some(problem) = &mut health.problem {
                        problem.error.code = error.code;
                        problem.error.message = error.message;
                        problem.error.retry_after_seconds = error.retry_after_seconds;
                    }
                }
            }
        }
        let attention = health.problem.as_ref().map(|problem| Attention {
            code: problem.error.code.as_str().to_owned(),
            message: problem.error.message.clone(),
        });
        let update = ConnectionUpdate {
            scope_name: health.scope.as_ref().map(|scope| scope.name.clone()),
            owner: health.account.clone(),
            attention: Some(attention),
            subscription: health.subscription.clone().map(Some),
            ..ConnectionUpdate::default()
        };
        parts
            .ledger
            .update_connection(id, update, parts.clock.now())
            .await?;
        Ok(health)
    }

    /// Reads a range of activities from the remote service, so that the ledger has what deliveries
    /// failed to tell, deletions included.
    pub async fn reconcile(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Applied, ServiceError> {
        if from >= to {
            return Err(ServiceError::invalid(
                "the range is empty: `from` must be before `to`",
            ));
        }
        if to.duration_since(from) > LONGEST_RANGE {
            return Err(ServiceError::invalid(format!(
                "the range is longer than {} days; reconcile one part after the other",
                LONGEST_RANGE.as_hours() / 24
            )));
        }
        self.connection(id).await?;
        let mut total = Applied::default();
        let mut seen = HashSet::new();
        let range = Selection::Range(from, to);
        self.reconcile_selection(id, &range, &mut total, Some(&mut seen))
            .await?;

        let mut after: Option<String> = None;
        loop {
            let ids = self
                .inner
                .parts
                .ledger
                .activity_ids(id, from, to, after.as_deref(), MAX_SELECTED)
                .await?;
            let Some(last) = ids.last().cloned() else {
                break;
            };
            let missing: Vec<_> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
            if !missing.is_empty() {
                let selection = Selection::Activities(missing);
                self.reconcile_selection(id, &selection, &mut total, None)
                    .await?;
            }
            after = Some(last);
        }
        Ok(total)
    }

    async fn reconcile_selection(
        &self,
        id: &ConnectionId,
        selection: &Selection,
        total: &mut Applied,
        mut seen: Option<&mut HashSet<String>>,
    ) -> Result<(), ServiceError> {
        let context = self.context(id);
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .inner
                .parts
                .integration
                .reconcile(&context, selection, cursor.as_deref())
                .await?;
            let applied = self.apply(id, &page.changes, None).await?;
            total.applied += applied.applied;
            total.unchanged += applied.unchanged;
            if let Some(seen) = seen.as_deref_mut() {
                seen.extend(
                    page.changes
                        .activities
                        .into_iter()
                        .map(|activity| activity.id),
                );
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
        Err(ServiceError::new(
            ErrorCode::Internal,
            format!("the integration did not finish reconciling within {MAX_PAGES} pages"),
        ))
    }

    /// Completes names. Returns after how many seconds more would be found; `None`: nothing is missing.
    pub(super) async fn refresh_names(
        &self,
        id: &ConnectionId,
    ) -> Result<Option<u32>, ServiceError> {
        let refresh = self
            .inner
            .parts
            .integration
            .refresh_names(&self.context(id))
            .await?;
        if !refresh.subjects.is_empty() {
            let changes = Changes {
                subjects: refresh.subjects,
                ..Changes::default()
            };
            self.apply(id, &changes, None).await?;
        }
        Ok(refresh.again_in_seconds)
    }
}
