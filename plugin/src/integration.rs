//! The contract's functions.

use crate::capability::Capabilities;
use crate::model::{
    BoundScope, Callback, DeliveryResult, Error, Health, Manifest, NameRefresh, Reconciliation,
    Selection, Subscription, Team, TestReport, WebhookRequest,
};
use crate::{health, manifest, names, reconcile, subscription, team, webhook, workspace};

/// The integration, running for the one connection whose capabilities it was lent.
///
/// Each method is one call of the contract, a unit of work: what it writes is to be kept only when
/// it returns `Ok`. Failures are the contract's, see `wit/integration.wit`.
#[derive(Clone, Copy)]
pub struct Toggl<'a> {
    capabilities: &'a dyn Capabilities,
}

impl<'a> Toggl<'a> {
    /// The integration with these capabilities.
    pub fn new(capabilities: &'a dyn Capabilities) -> Self {
        Self { capabilities }
    }

    /// What the integration is and needs.
    pub fn describe() -> Manifest {
        manifest::MANIFEST
    }

    /// Checks the API token and lists the workspaces.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when Toggl rejects the token.
    pub fn test(&self) -> Result<TestReport, Error> {
        workspace::test(self.capabilities)
    }

    /// Binds the connection to a workspace and makes its signing secret.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] or [`Error::Conflict`] when it cannot be bound.
    pub fn connect(&self, scope_id: &str) -> Result<BoundScope, Error> {
        workspace::connect(self.capabilities, scope_id)
    }

    /// Makes the subscription exist, enabled, validated and calling this URL.
    ///
    /// # Errors
    /// [`Error::PlanLimit`], [`Error::Conflict`] or [`Error::InvalidInput`] when Toggl refuses it.
    pub fn subscribe(&self, callback: impl Into<Callback>) -> Result<Subscription, Error> {
        subscription::subscribe(self.capabilities, &callback.into())
    }

    /// Takes one delivery.
    ///
    /// # Errors
    /// Only when storage fails; a delivery that is no good is an outcome.
    pub fn handle_webhook(&self, request: &WebhookRequest) -> Result<DeliveryResult, Error> {
        webhook::handle(self.capabilities, request)
    }

    /// Lists the team and matches it to the platform's users.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the account may not see the team.
    pub fn map_users(&self) -> Result<Team, Error> {
        team::map_users(self.capabilities)
    }

    /// Fetches names, as far as the quota allows.
    ///
    /// # Errors
    /// When Toggl gave nothing at all.
    pub fn refresh_names(&self) -> Result<NameRefresh, Error> {
        names::refresh(self.capabilities)
    }

    /// Compares the connection with Toggl.
    ///
    /// # Errors
    /// When that could not be found out.
    pub fn check(&self, callback: impl Into<Callback>) -> Result<Health, Error> {
        health::check(self.capabilities, &callback.into())
    }

    /// Reads one page of activities.
    ///
    /// # Errors
    /// [`Error::PlanLimit`] when the plan does not include reports.
    pub fn reconcile(
        &self,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Reconciliation, Error> {
        reconcile::reconcile(self.capabilities, selection, cursor)
    }

    /// Removes the subscription. What is stored stays, so that it can be looked for again.
    ///
    /// # Errors
    /// When Toggl could not be asked to remove it, and when the token gives no access to it any more: then it stays.
    pub fn disconnect(&self, callback: impl Into<Callback>) -> Result<(), Error> {
        subscription::disconnect(self.capabilities, &callback.into())
    }
}
