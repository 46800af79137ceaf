//! Connections.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AccountView, SecretValues, SeenQuotaView};
use integration_host::{GapWait, UnreadTime};
use integration_host_contract::Subscription;
use integration_host_ledger::{Attention, Connection, ConnectionEvent, Gap, Page};

/// What a person gives to connect a scope.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectRequestBody {
    /// Values for the secrets the integration asks for.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub secrets: SecretValues,
    /// The scope's id, from Test Connection.
    #[schema(example = "43")]
    pub scope_id: String,
    /// Name for people; the scope's name if absent.
    #[serde(default)]
    pub name: Option<String>,
}

/// A new name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// Name for people.
    pub name: String,
}

/// New secrets for the same scope.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceSecretsRequest {
    /// Values for the secrets the integration asks for.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub secrets: SecretValues,
}

/// The end of a connection of which something stays at the remote service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisconnectedView {
    /// A sentence that says what stays there, why, and what a person does about it.
    pub stays: String,
}

/// All connections, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionList {
    /// The connections.
    pub connections: Vec<ConnectionView>,
}

/// One scope of a remote service, connected with a person's secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    /// Its id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The integration's id.
    pub integration: String,
    /// What it is bound to.
    pub scope: ScopeReference,
    /// Whose secrets it uses.
    pub owner: AccountView,
    /// Whether a person must do something.
    pub status: ConnectionStatus,
    /// What a person must do.
    pub attention: Option<AttentionView>,
    /// The webhook at the remote service, as last seen.
    pub subscription: Option<SubscriptionView>,
    /// How much of the team is mapped.
    pub users: MappedUsers,
    /// Where the remote service sends deliveries. Whoever knows it can send, so it is for administrators only.
    pub callback_url: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its name, state, secrets or subscription last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When the last genuine delivery arrived.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_delivery_at: Option<Timestamp>,
    /// Until then everything logged is known to be in the ledger. It moves on with every check.
    #[schema(value_type = String, format = DateTime)]
    pub covered_until: Timestamp,
    /// What may be missing and is being read; null: nothing.
    pub gap: Option<GapView>,
    /// The time in which it was disconnected before it was connected again, if nobody has had it read: what was logged then is
    /// not in the ledger. Reconciling it brings it. Told of a single connection only; lists have null.
    #[serde(default)]
    pub unread: Option<UnreadTimeView>,
    /// When the ledger was last compared with the remote service without anybody asking.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_reconciled_at: Option<Timestamp>,
    /// How many requests the remote service still accepted when a check last asked it. Empty: it was never
    /// asked, or does not tell.
    #[serde(default)]
    pub quotas: Vec<SeenQuotaView>,
    /// When that was.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub quotas_seen_at: Option<Timestamp>,
}

/// A time in which deliveries may have been lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapView {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Why deliveries may be missing.
    pub reason: String,
    /// Why it is not being read at the moment; null: it is, or will be soon. Told of a single connection only; lists have
    /// null.
    #[serde(default)]
    pub waits_for: Option<GapWaitView>,
}

/// Why a gap is not being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapWaitView {
    /// The quota of which less than a third is left, which is kept for people.
    #[schema(example = "organization")]
    pub quota: String,
    /// When reading goes on by itself.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// A time of which the ledger does not have what was logged in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnreadTimeView {
    /// It begins here.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// And ends here.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// One page of a connection's log, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionLog {
    /// What happened.
    pub events: Vec<ConnectionEventView>,
    /// The `cursor` of the next page; null: this is the last.
    pub next: Option<String>,
}

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionEventView {
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What kind of thing.
    #[schema(example = "gap-reconciled")]
    pub kind: String,
    /// What, in a sentence.
    pub message: String,
}

/// A scope by id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScopeReference {
    /// Id at the remote service.
    pub id: String,
    /// Name for people.
    pub name: String,
}

/// Whether a connection works by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionStatus {
    /// It does.
    Active,
    /// A person must do something.
    Attention,
}

/// Something only a person can put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttentionView {
    /// The contract's name of the error.
    #[schema(example = "unauthorized")]
    pub code: String,
    /// What to do, in a sentence.
    pub message: String,
}

/// The webhook at the remote service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionView {
    /// Id at the remote service.
    pub id: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When the remote service last made sure that the callback answers.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub validated_at: Option<Timestamp>,
    /// What it reports.
    #[serde(default)]
    pub events: Vec<String>,
}

/// How much of a team is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MappedUsers {
    /// Members that are mapped to a user.
    pub mapped: u64,
    /// Members of the team.
    pub total: u64,
}

impl ConnectionView {
    /// A connection with the URL at which it takes deliveries.
    pub fn new(connection: Connection, callback_url: String) -> Self {
        let quotas_seen_at = connection.quotas.as_ref().map(|seen| seen.at);
        Self {
            id: connection.id.to_string(),
            name: connection.name,
            integration: connection.integration,
            scope: ScopeReference {
                id: connection.scope_id.to_string(),
                name: connection.scope_name,
            },
            owner: connection.owner.into(),
            status: match connection.attention {
                Some(_) => ConnectionStatus::Attention,
                None => ConnectionStatus::Active,
            },
            attention: connection.attention.map(AttentionView::from),
            subscription: connection.subscription.map(SubscriptionView::from),
            users: MappedUsers {
                mapped: connection.users_mapped,
                total: connection.users_total,
            },
            callback_url,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            last_delivery_at: connection.last_delivery_at,
            covered_until: connection.coverage.covered_until,
            gap: connection.coverage.gap.map(GapView::from),
            unread: None,
            last_reconciled_at: connection.coverage.reconciled_at,
            quotas: connection
                .quotas
                .map(SeenQuotaView::all)
                .unwrap_or_default(),
            quotas_seen_at,
        }
    }
}

impl From<GapWait> for GapWaitView {
    fn from(wait: GapWait) -> Self {
        Self {
            quota: wait.quota,
            until: wait.until,
        }
    }
}

impl From<UnreadTime> for UnreadTimeView {
    fn from(unread: UnreadTime) -> Self {
        Self {
            from: unread.from,
            to: unread.to,
        }
    }
}

impl From<Gap> for GapView {
    fn from(gap: Gap) -> Self {
        Self {
            from: gap.from,
            reason: gap.reason,
            waits_for: None,
        }
    }
}

impl From<Page<ConnectionEvent>> for ConnectionLog {
    fn from(page: Page<ConnectionEvent>) -> Self {
        let view = |event: ConnectionEvent| ConnectionEventView {
            at: event.at,
            kind: event.kind.as_str().to_owned(),
            message: event.message,
        };
        Self {
            events: page.items.into_iter().map(view).collect(),
            next: page.next,
        }
    }
}

impl From<Attention> for AttentionView {
    fn from(attention: Attention) -> Self {
        Self {
            code: attention.code,
            message: attention.message,
        }
    }
}

impl From<Subscription> for SubscriptionView {
    fn from(subscription: Subscription) -> Self {
        Self {
            id: subscription.id,
            enabled: subscription.enabled,
            validated_at: subscription.validated_at,
            events: subscription.events,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use integration_host_contract::id::{ConnectionId, HookId, ScopeId};
    use integration_host_contract::{Account, Quota};
    use integration_host_ledger::{ConnectionState, Coverage, SeenQuotas};

    fn connection() -> Connection {
        Connection {
            id: ConnectionId::new("c1"),
            name: "Studio".into(),
            integration: "toggl".into(),
            scope_id: ScopeId::new("43"),
            scope_name: "Studio".into(),
            owner: Account {
                id: "7".into(),
                name: "Ada".into(),
                email: None,
            },
            hook: HookId::new("h"),
            state: ConnectionState::Active,
            attention: None,
            subscription: Some(Subscription {
                id: "9".into(),
                enabled: true,
                validated_at: Some("2026-03-01T08:00:00Z".parse().unwrap()),
                events: vec!["time_entry.created".into()],
            }),
            users_mapped: 58,
            users_total: 119,
            created_at: "2026-03-01T07:00:00Z".parse().unwrap(),
            updated_at: "2026-03-01T07:30:00Z".parse().unwrap(),
            last_delivery_at: None,
            coverage: Coverage {
                connected_at: "2026-03-01T07:00:00Z".parse().unwrap(),
                covered_until: "2026-03-01T08:00:00Z".parse().unwrap(),
                gap: Some(Gap {
                    from: "2026-03-01T08:00:00Z".parse().unwrap(),
                    reason: "The webhook was disabled.".into(),
                    opened_at: "2026-03-01T09:00:00Z".parse().unwrap(),
                    noticed_at: "2026-03-01T09:00:00Z".parse().unwrap(),
                    obstacle: None,
                }),
                reconciled_at: None,
                verified_at: None,
            },
            unsettled_since: None,
            quotas: Some(SeenQuotas {
                quotas: vec![Quota {
                    name: "organization".into(),
                    remaining: 599,
                    total: 600,
                    resets_in_seconds: 90,
                }],
                at: "2026-03-01T08:00:00Z".parse().unwrap(),
            }),
        }
    }

    #[test]
    fn a_connection_has_the_published_fields() {
        let view = ConnectionView::new(connection(), "https://example.com/hooks/h".into());
        assert_eq!(
            serde_json::to_value(view).unwrap(),
            json!({
                "id": "c1", "name": "Studio", "integration": "toggl",
                "scope": {"id": "43", "name": "Studio"},
                "owner": {"id": "7", "name": "Ada", "email": null},
                "status": "active", "attention": null,
                "subscription": {
                    "id": "9", "enabled": true, "validated_at": "2026-03-01T08:00:00Z",
                    "events": ["time_entry.created"]
                },
                "users": {"mapped": 58, "total": 119},
                "callback_url": "https://example.com/hooks/h",
                "created_at": "2026-03-01T07:00:00Z", "updated_at": "2026-03-01T07:30:00Z",
                "last_delivery_at": null,
                "covered_until": "2026-03-01T08:00:00Z",
                "gap": {"from": "2026-03-01T08:00:00Z", "reason": "The webhook was disabled.", "waits_for": null},
                "unread": null,
                "last_reconciled_at": null,
                "quotas": [{
                    "name": "organization", "remaining": 599, "total": 600,
                    "resets_at": "2026-03-01T08:01:30Z"
                }],
                "quotas_seen_at": "2026-03-01T08:00:00Z"
            })
        );
    }

    #[test]
    fn what_needs_a_person_shows_as_attention() {
        let mut connection = connection();
        connection.attention = Some(Attention {
            code: "unauthorized".into(),
            message: "Give a new token.".into(),
        });
        let view = serde_json::to_value(ConnectionView::new(connection, String::new())).unwrap();
        assert_eq!(view["status"], "attention");
        assert_eq!(
            view["attention"],
            json!({"code": "unauthorized", "message": "Give a new token."})
        );
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = serde_json::from_str::<ConnectRequestBody>(
            r#"{"secrets":{"api-token":"t"},"scope":"43"}"#,
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("unknown field `scope`"),
            "{error}"
        );
    }
}
