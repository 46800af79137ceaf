//! Checks.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AccountView, ScopeView, SubscriptionView};
use integration_host_contract::{Health, Problem, Quota};
use integration_host_ledger::SeenQuotas;

/// How a connection compares with the remote service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// Whose secret it is, if it is accepted.
    pub account: Option<AccountView>,
    /// The scope, if it was found.
    pub scope: Option<ScopeView>,
    /// The webhook, if it was found.
    pub subscription: Option<SubscriptionView>,
    /// How many requests the remote service still accepts.
    pub quotas: Vec<QuotaView>,
    /// What is wrong; null: nothing.
    pub problem: Option<HealthProblem>,
}

/// How many requests the remote service still accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaView {
    /// What it counts.
    pub name: String,
    /// Requests left.
    pub remaining: i32,
    /// Requests in one period.
    pub total: u32,
    /// Seconds until the period ends.
    pub resets_in_seconds: u32,
}

/// How many requests the remote service still accepted at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenQuotaView {
    /// What it counts.
    pub name: String,
    /// Requests left.
    pub remaining: i32,
    /// Requests in one period.
    pub total: u32,
    /// When the period ends; what was left before says nothing from then on.
    #[schema(value_type = String, format = DateTime)]
    pub resets_at: Timestamp,
}

/// Something wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthProblem {
    /// The contract's name of the error.
    #[schema(example = "unauthorized")]
    pub code: String,
    /// What happened and what helps, in a sentence.
    pub message: String,
    /// Whether the host may put it right itself.
    pub repairable: bool,
    /// After how many seconds checking again may help.
    pub retry_after_seconds: Option<u32>,
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        Self {
            healthy: health.problem.is_none(),
            account: health.account.map(AccountView::from),
            scope: health.scope.map(ScopeView::from),
            subscription: health.subscription.map(SubscriptionView::from),
            quotas: health.quotas.into_iter().map(QuotaView::from).collect(),
            problem: health.problem.map(HealthProblem::from),
        }
    }
}

impl From<Quota> for QuotaView {
    fn from(quota: Quota) -> Self {
        Self {
            name: quota.name,
            remaining: quota.remaining,
            total: quota.total,
            resets_in_seconds: quota.resets_in_seconds,
        }
    }
}

impl SeenQuotaView {
    pub(super) fn all(seen: SeenQuotas) -> Vec<Self> {
        let view = |quota: Quota| {
            let left = SignedDuration::from_secs(quota.resets_in_seconds.into());
            Self {
                name: quota.name,
                remaining: quota.remaining,
                total: quota.total,
                resets_at: seen.at.saturating_add(left).unwrap_or(seen.at),
            }
        };
        seen.quotas.into_iter().map(view).collect()
    }
}

impl From<Problem> for HealthProblem {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.error.code.as_str().to_owned(),
            message: problem.error.message,
            repairable: problem.repairable,
            retry_after_seconds: problem.error.retry_after_seconds,
        }
    }
}
