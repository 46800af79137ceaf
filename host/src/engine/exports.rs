//! The contract's functions, as methods.

use std::time::Duration;

use super::call::HANDLE_WEBHOOK;
use super::{CallContext, CallError, Integration};
use crate::bindings::exports::worksights::integration::integration as wit;
use crate::contract::{
    BoundScope, DeliveryResult, Health, NameRefresh, Reconciliation, Selection, Subscription,
    TeamMember, TestReport, WebhookRequest,
};
use crate::id::ScopeId;

impl Integration {
    fn call_time(&self) -> Duration {
        self.engine.limits.call_timeout()
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
        .map(TestReport::from)
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
        .map(BoundScope::from)
    }

    /// Makes the webhook exist. The caller holds the connection's lease.
    pub async fn subscribe(
        &self,
        context: &CallContext,
        callback_url: &str,
    ) -> Result<Subscription, CallError> {
        self.run(
            context,
            "subscribe",
            self.call_time(),
            0,
            callback_url.to_owned(),
            |exports, store, callback_url| Box::pin(exports.call_subscribe(store, callback_url)),
        )
        .await
        .map(Subscription::from)
    }

    /// Takes one delivery.
    pub async fn handle_webhook(
        &self,
        context: &CallContext,
        request: WebhookRequest,
    ) -> Result<DeliveryResult, CallError> {
        let request: wit::WebhookRequest = request.into();
        let time = self.engine.limits.delivery_timeout();
        self.run(
            context,
            HANDLE_WEBHOOK,
            time,
            self.conflict_retries(),
            request,
            |exports, store, request| Box::pin(exports.call_handle_webhook(store, request)),
        )
        .await
        .map(DeliveryResult::from)
    }

    /// Lists the team and matches it to users.
    pub async fn map_users(&self, context: &CallContext) -> Result<Vec<TeamMember>, CallError> {
        self.run(
            context,
            "map-users",
            self.call_time(),
            self.conflict_retries(),
            (),
            |exports, store, ()| Box::pin(exports.call_map_users(store)),
        )
        .await
        .map(|members| members.into_iter().map(TeamMember::from).collect())
    }

    /// Fetches names that are missing.
    pub async fn refresh_names(&self, context: &CallContext) -> Result<NameRefresh, CallError> {
        self.run(
            context,
            "refresh-names",
            self.call_time(),
            self.conflict_retries(),
            (),
            |exports, store, ()| Box::pin(exports.call_refresh_names(store)),
        )
        .await
        .map(NameRefresh::from)
    }

    /// Compares the connection with the remote service.
    pub async fn check(
        &self,
        context: &CallContext,
        callback_url: &str,
    ) -> Result<Health, CallError> {
        self.run(
            context,
            "check",
            self.call_time(),
            self.conflict_retries(),
            callback_url.to_owned(),
            |exports, store, callback_url| Box::pin(exports.call_check(store, callback_url)),
        )
        .await
        .map(Health::from)
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
        self.run(
            context,
            "reconcile",
            self.call_time(),
            self.conflict_retries(),
            arguments,
            |exports, store, (selection, cursor)| {
                Box::pin(exports.call_reconcile(store, selection, cursor.as_deref()))
            },
        )
        .await
        .map(Reconciliation::from)
    }

    /// Removes the webhook. The caller holds the connection's lease.
    pub async fn disconnect(&self, context: &CallContext) -> Result<(), CallError> {
        self.run(
            context,
            "disconnect",
            self.call_time(),
            0,
            (),
            |exports, store, ()| Box::pin(exports.call_disconnect(store)),
        )
        .await
    }
}
