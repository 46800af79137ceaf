//! The JSON of HTTP API v1: what the server answers and the command line reads.
//!
//! Every type here is one object of the OpenAPI document at `/api/openapi.json`. Field names are the
//! published ones; times are RFC 3339 in UTC; ids are strings. Conversions from the host's own types
//! stand beside each object, and nothing here knows about HTTP.

mod account;
mod activity;
mod connection;
mod delivery;
mod health;
mod integration;
mod missing;
mod problem;
mod sealing_key;
mod secrets;
pub mod time;
mod user;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub use self::account::{AccountView, ScopeView, TestReportView, TestRequest};
pub use self::activity::{
    ActivityList, ActivityType, ActivityView, ChangeList, ReconcileRequest, ReconcileResult,
    SourceView, SubjectView,
};
pub use self::connection::{
    AttentionView, ConnectRequestBody, ConnectionEventView, ConnectionList, ConnectionLog,
    ConnectionStatus, ConnectionView, DisconnectedView, GapView, GapWaitView, MappedUsers,
    RenameRequest, ReplaceSecretsRequest, ScopeReference, SubscriptionView, UnreadTimeView,
};
pub use self::delivery::{
    DeliveryList, DeliveryStatusView, DeliveryView, ReplayRequest, ReplayResult,
};
pub use self::health::{HealthProblem, HealthView, QuotaView, SeenQuotaView};
#[cfg(test)]
pub(crate) use self::integration::tests as integration_tests;
pub use self::integration::{IntegrationView, NounView, SecretFieldView, SubjectKindView};
pub use self::missing::{MissingList, MissingStateView, MissingView, TakeBackRequest, TakenBack};
pub use self::problem::Problem;
pub use self::sealing_key::{FormerKeysView, RotationProgressView, RotationView, SealingKeyView};
pub use self::secrets::SecretValues;
pub use self::user::{
    Earlier, ImportView, ImportedTeam, MapRequest, MatchedByView, MemberList, MemberStateView,
    MemberView, RemoteUserView, UserList, UserView,
};

/// Reads a field that may be null but may not be left out: leaving it out is more often a slip than
/// a wish.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// A link that signs in to the console once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SignInLinkView {
    /// What follows the host's address.
    #[schema(example = "/sign-in?code=0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    pub path: String,
    /// For how long it is good.
    pub expires_in_seconds: u64,
}
