//! The use cases: what a person or the remote service can ask of the host.
//!
//! The server and the command line call [`Service`] and nothing below it.

mod error;

use jiff::Timestamp;
use tokio::sync::watch;

pub use self::error::ServiceError;
use crate::contract::{Header, Health, Manifest, TestReport, User, WebhookResponse};
use crate::id::{ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId, UserId};
use crate::ledger::{
    ActivityFilter, Applied, Connection, Delivery, DeliveryStatus, LedgerActivity, Member, Page,
};
use crate::secret::Secrets;

/// What a person gives to connect a scope.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Values for the manifest's secrets.
    pub secrets: Secrets,
    /// The scope.
    pub scope_id: ScopeId,
    /// Name for people; the scope's name if absent.
    pub name: Option<String>,
}

/// The use cases.
pub struct Service {}

impl Service {
    /// What the integration is and needs.
    pub fn manifest(&self) -> &Manifest {
        todo!()
    }

    /// The callback URL of a hook.
    pub fn callback_url(&self, hook: &HookId) -> String {
        todo!()
    }

    /// Test Connection: whose secrets these are, and what they could connect. Nothing is kept.
    pub async fn test(&self, secrets: Secrets) -> Result<TestReport, ServiceError> {
        todo!()
    }

    /// Connects a scope: binds it, subscribes to its webhook and imports its team. If any of it
    /// fails, nothing is left behind here or at the remote service. `Conflict` if it is connected already.
    pub async fn connect(&self, request: ConnectRequest) -> Result<Connection, ServiceError> {
        todo!()
    }

    /// Connections that are made, oldest first.
    pub async fn connections(&self) -> Result<Vec<Connection>, ServiceError> {
        todo!()
    }

    /// One connection.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Connection, ServiceError> {
        todo!()
    }

    /// Renames a connection.
    pub async fn rename(&self, id: &ConnectionId, name: &str) -> Result<Connection, ServiceError> {
        todo!()
    }

    /// Replaces a connection's secrets, after making sure that they reach the same scope. Mappings stay.
    pub async fn replace_secrets(
        &self,
        id: &ConnectionId,
        secrets: Secrets,
    ) -> Result<Connection, ServiceError> {
        todo!()
    }

    /// Removes the webhook at the remote service and erases secrets and stored state. Activities and
    /// mappings are kept; connecting the scope again continues them.
    pub async fn disconnect(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        todo!()
    }

    /// The team and its mappings.
    pub async fn users(&self, id: &ConnectionId) -> Result<Vec<Member>, ServiceError> {
        todo!()
    }

    /// Imports the team again. What a person mapped stays.
    pub async fn refresh_users(&self, id: &ConnectionId) -> Result<Vec<Member>, ServiceError> {
        todo!()
    }

    /// Maps a member by hand, to a user of the directory or to nobody.
    pub async fn map_user(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        user: Option<&UserId>,
    ) -> Result<Member, ServiceError> {
        todo!()
    }

    /// Compares a connection with the remote service, repairs what can be repaired and updates what
    /// needs a person's attention.
    pub async fn check(&self, id: &ConnectionId) -> Result<Health, ServiceError> {
        todo!()
    }

    /// Reads a range of activities from the remote service.
    pub async fn reconcile(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Applied, ServiceError> {
        todo!()
    }

    /// Users of the platform whose name, address or id contains the query.
    pub async fn search_users(&self, query: &str) -> Result<Vec<User>, ServiceError> {
        todo!()
    }

    /// Activities, newest first.
    pub async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, ServiceError> {
        todo!()
    }

    /// Activities that changed after a place in the change feed.
    pub async fn changes(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>, ServiceError> {
        todo!()
    }

    /// Tells whenever the change feed may have grown; holds its last known place.
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        todo!()
    }

    /// The delivery log, newest first.
    pub async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, ServiceError> {
        todo!()
    }

    /// Handles a failed delivery again.
    pub async fn replay(&self, id: &DeliveryId) -> Result<Delivery, ServiceError> {
        todo!()
    }

    /// Takes one delivery and says what to answer. 2xx leaves only when the ledger has it durably.
    pub async fn handle_delivery(
        &self,
        hook: &HookId,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> WebhookResponse {
        todo!()
    }

    /// Whether the providers answer.
    pub async fn ready(&self) -> Result<(), ServiceError> {
        todo!()
    }

    /// Counters in the Prometheus text format.
    pub fn metrics(&self) -> String {
        todo!()
    }
}
