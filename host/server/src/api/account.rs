//! Test Connection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SecretValues;
use integration_host_contract::{Account, Scope, TestReport};

/// Secrets to test.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRequest {
    /// Values for the secrets the integration asks for.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub secrets: SecretValues,
}

/// What Test Connection found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestReportView {
    /// Whose secret it is.
    pub account: AccountView,
    /// What could be connected.
    pub scopes: Vec<ScopeView>,
}

/// An account at the remote service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// Id at the remote service.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// E-mail address, where the remote service tells it.
    pub email: Option<String>,
}

/// What a connection can be bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScopeView {
    /// Id at the remote service.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The organisation it belongs to.
    pub organization: Option<String>,
    /// Its plan.
    pub plan: Option<String>,
    /// The account's role in it.
    pub role: Option<String>,
    /// Whether it can be connected.
    pub connectable: bool,
    /// Why it cannot be connected.
    pub reason: Option<String>,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            name: account.name,
            email: account.email,
        }
    }
}

impl From<Scope> for ScopeView {
    fn from(scope: Scope) -> Self {
        Self {
            id: scope.id.to_string(),
            name: scope.name,
            organization: scope.organization,
            plan: scope.plan,
            role: scope.role,
            connectable: scope.obstacle.is_none(),
            reason: scope.obstacle,
        }
    }
}

impl From<TestReport> for TestReportView {
    fn from(report: TestReport) -> Self {
        Self {
            account: report.account.into(),
            scopes: report.scopes.into_iter().map(ScopeView::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use integration_host_contract::id::ScopeId;

    #[test]
    fn a_report_has_the_published_fields() {
        let report = TestReport {
            account: Account {
                id: "7".into(),
                name: "Ada".into(),
                email: Some("ada@example.com".into()),
            },
            scopes: vec![Scope {
                id: ScopeId::new("43"),
                name: "Studio".into(),
                organization: Some("Example".into()),
                plan: Some("Starter".into()),
                role: Some("admin".into()),
                obstacle: None,
            }],
        };
        assert_eq!(
            serde_json::to_value(TestReportView::from(report)).unwrap(),
            json!({
                "account": {"id": "7", "name": "Ada", "email": "ada@example.com"},
                "scopes": [{
                    "id": "43", "name": "Studio", "organization": "Example", "plan": "Starter",
                    "role": "admin", "connectable": true, "reason": null
                }]
            })
        );
    }
}
