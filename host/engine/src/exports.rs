//! The contract's functions, as methods.

use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::call::{HANDLE_WEBHOOK, Room};
use super::{CallContext, CallError, Integration};
use crate::bindings::exports::worksights::integration::integration as wit;
use integration_host_contract::id::ScopeId;
use integration_host_contract::{
    BoundScope, Callback, DeliveryResult, Health, NameRefresh, Problem, Reconciliation, Selection,
    Subscription, Team, TestReport, WebhookRequest,
};

impl Integration {
    fn call_time(&self) -> Duration {
        self.engine.limits.call_timeout
    }

    /// The longest time to wait, in seconds, because the remote service says so.
    fn longest_wait(&self) -> u32 {
        self.manifest().pacing.longest_wait_seconds()
    }

    /// Calls that only read at the remote service are run again when their commit loses a race.
    fn conflict_retries(&self) -> u32 {
        self.engine.limits.conflict_retries
    }

    /// Checks secrets and lists what can be connected.
    pub async fn test(&self, context: &CallContext) -> Result<TestReport, CallError> {
        self.run(
            context,
            "test",
            self.call_time(),
            self.conflict_retries(),
            (),
            |exports, store, ()| Box::pin(exports.call_test(store)),
        )
        .await
    }

    /// Binds the connection to a scope. The caller holds the connection's lease.
    pub async fn connect(
        &self,
        context: &CallContext,
        scope: &ScopeId,
    ) -> Result<BoundScope, CallError> {
        self.run(
            context,
            "connect",
            self.call_time(),
            0,
            scope.as_str().to_owned(),
            |exports, store, scope| Box::pin(exports.call_connect(store, scope)),
        )
        .await
    }

    /// Makes the webhook exist. The caller holds the connection's lease.
    pub async fn subscribe(
        &self,
        context: &CallContext,
        callback: impl Into<Callback>,
    ) -> Result<Subscription, CallError> {
        let callback: wit::Callback = callback.into().into();
        self.run(
            context,
            "subscribe",
            self.call_time(),
            0,
            callback,
            |exports, store, callback| Box::pin(exports.call_subscribe(store, callback)),
        )
        .await
    }

    /// Takes one delivery.
    pub async fn handle_webhook(
        &self,
        context: &CallContext,
        request: WebhookRequest,
    ) -> Result<DeliveryResult, CallError> {
        let request: wit::WebhookRequest = request.into();
        let time = self.engine.limits.delivery_timeout;
        let full = self.note_of_full_storage();
        self.run_and_hand_over(
            context,
            HANDLE_WEBHOOK,
            time,
            self.conflict_retries(),
            request,
            |exports, store, request| Box::pin(exports.call_handle_webhook(store, request)),
            move |mut result: DeliveryResult, room| {
                // That an integration can remember no more must not cost what it was told.
                if room == Room::None {
                    result.notes.push(full.clone());
                }
                Box::pin(ready(Ok(result)))
            },
        )
        .await
    }

    /// What a person is told when the connection may store nothing more.
    fn note_of_full_storage(&self) -> String {
        format!(
            "Names that are new cannot be looked up, because {}: raise `storage_keys_per_connection` and `storage_bytes_per_connection` in [limits].",
            self.engine.storage_full().text
        )
    }

    /// Lists the team and matches it to users.
    pub async fn map_users(&self, context: &CallContext) -> Result<Team, CallError> {
        self.run(
            context,
            "map-users",
            self.call_time(),
            self.conflict_retries(),
            (),
            |exports, store, ()| Box::pin(exports.call_map_users(store)),
        )
        .await
    }

    /// Fetches names that are missing. They are recorded before the integration remembers that it found them:
    /// nothing else would ever tell of them again. `record` may be called several times with the same names.
    pub async fn refresh_names(
        &self,
        context: &CallContext,
        record: impl Fn(
            NameRefresh,
        )
            -> BoxFuture<'static, Result<NameRefresh, Box<dyn Error + Send + Sync>>>
        + Send
        + Sync
        + 'static,
    ) -> Result<NameRefresh, CallError> {
        let record = Arc::new(record);
        let full = self.engine.storage_full();
        self.run_and_hand_over(
            context,
            "refresh-names",
            self.call_time(),
            self.conflict_retries(),
            (),
            |exports, store, ()| Box::pin(exports.call_refresh_names(store)),
            move |refresh, room| {
                let (record, full) = (Arc::clone(&record), full.clone());
                Box::pin(async move {
                    let recorded = record(refresh).await;
                    let recorded = recorded.map_err(CallError::Unrecorded)?;
                    match room {
                        Room::Enough => Ok(recorded),
                        Room::None => Err(CallError::stopped("refresh-names", full)),
                    }
                })
            },
        )
        .await
        .map(|refresh| NameRefresh {
            again_in_seconds: refresh
                .again_in_seconds
                .map(|wait| wait.min(self.longest_wait())),
            ..refresh
        })
    }

    /// Compares the connection with the remote service.
    pub async fn check(
        &self,
        context: &CallContext,
        callback: impl Into<Callback>,
    ) -> Result<Health, CallError> {
        let callback: wit::Callback = callback.into().into();
        self.run(
            context,
            "check",
            self.call_time(),
            self.conflict_retries(),
            callback,
            |exports, store, callback| Box::pin(exports.call_check(store, callback)),
        )
        .await
        .map(|mut health| {
            for quota in &mut health.quotas {
                quota.resets_in_seconds = quota.resets_in_seconds.min(self.longest_wait());
            }
            if let Some(problem) = health.problem.take() {
                let error = problem.error.waiting_at_most(self.longest_wait());
                health.problem = Some(Problem { error, ..problem });
            }
            health
        })
    }

    /// Reads one page of activities.
    pub async fn reconcile(
        &self,
        context: &CallContext,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Reconciliation, CallError> {
        let arguments: (wit::Selection, Option<String>) =
            (selection.into(), cursor.map(str::to_owned));
        let full = self.note_of_full_storage();
        self.run_and_hand_over(
            context,
            "reconcile",
            self.call_time(),
            self.conflict_retries(),
            arguments,
            |exports, store, (selection, cursor)| {
                Box::pin(exports.call_reconcile(store, selection, cursor.as_deref()))
            },
            move |mut page: Reconciliation, room| {
                if room == Room::None {
                    page.notes.push(full.clone());
                }
                Box::pin(ready(Ok(page)))
            },
        )
        .await
    }

    /// Removes the webhook. The caller holds the connection's lease.
    pub async fn disconnect(
        &self,
        context: &CallContext,
        callback: impl Into<Callback>,
    ) -> Result<(), CallError> {
        let callback: wit::Callback = callback.into().into();
        self.run(
            context,
            "disconnect",
            self.call_time(),
            0,
            callback,
            |exports, store, callback| Box::pin(exports.call_disconnect(store, callback)),
        )
        .await
    }
}
