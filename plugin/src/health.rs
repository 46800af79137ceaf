//! Comparing the connection with Toggl.

use crate::capability::{Capabilities, Level};
use crate::model::{Error, Health, Problem, Quota};
use crate::state::{self, Webhook};
use crate::subscription::{is_ours, to_subscription};
use crate::toggl::{Api, QuotaRow, SubscriptionRow};
use crate::workspace;

/// Finds out what is wrong, the gravest first.
pub(crate) fn check(capabilities: &dyn Capabilities, callback_url: &str) -> Result<Health, Error> {
    let connection = state::connection(capabilities)?;
    let webhook: Webhook =
        state::read(capabilities, state::WEBHOOK)?.ok_or_else(state::not_connected)?;
    let api = Api::new(capabilities);
    let mut health = Health::default();

    let me = match api.me() {
        Ok(me) => me,
        Err(failure) => return hopeless(health, failure.error),
    };
    health.account = Some(workspace::account(&me));

    let workspaces = match api.workspaces() {
        Ok(workspaces) => workspaces,
        Err(failure) => return hopeless(health, failure.error),
    };
    let scope_id = connection.workspace_id.to_string();
    let Some(found) = workspace::find(&workspaces, &scope_id) else {
        return hopeless(health, Error::NotFound(workspace::not_a_member(&scope_id)));
    };
    let scope = workspace::scope(found, None);
    let obstacle = scope.obstacle.clone();
    health.scope = Some(scope);
    health.quotas = quotas(capabilities, &api, connection.organization_id);
    if let Some(obstacle) = obstacle {
        return hopeless(health, Error::Forbidden(obstacle));
    }

    let rows = match api.subscriptions(connection.workspace_id) {
        Ok(rows) => rows,
        Err(failure) => return hopeless(health, failure.error),
    };
    let stored = rows
        .iter()
        .find(|row| webhook.subscription_id == Some(row.subscription_id));
    let row = stored.or_else(|| {
        rows.iter()
            .find(|row| is_ours(row, &webhook, Some(callback_url)))
    });
    health.subscription = row.map(to_subscription);
    health.problem = subscription_problem(row, &webhook, callback_url).map(|error| Problem {
        error,
        repairable: true,
    });
    Ok(health)
}

/// What a person must solve is a problem; what kept from finding out is an error.
fn hopeless(health: Health, error: Error) -> Result<Health, Error> {
    match error {
        Error::Unauthorized(_) | Error::Forbidden(_) | Error::NotFound(_) | Error::PlanLimit(_) => {
            Ok(Health {
                problem: Some(Problem {
                    error,
                    repairable: false,
                }),
                ..health
            })
        }
        error => Err(error),
    }
}

fn subscription_problem(
    row: Option<&SubscriptionRow>,
    webhook: &Webhook,
    callback_url: &str,
) -> Option<Error> {
    let Some(row) = row else {
        return Some(Error::NotFound(
            "The webhook no longer exists at Toggl, so nothing is reported.".into(),
        ));
    };
    if !row.calls(callback_url) {
        return Some(Error::Conflict(
            "The webhook at Toggl calls another URL than this host's, so nothing is reported here."
                .into(),
        ));
    }
    if webhook.subscription_id != Some(row.subscription_id) {
        return Some(Error::Conflict(
            "The webhook at Toggl is not the one this connection made.".into(),
        ));
    }
    if !row.enabled {
        return Some(Error::Conflict(
            "The webhook is disabled at Toggl, so nothing is reported.".into(),
        ));
    }
    if row.validated_at.is_none() {
        return Some(Error::Conflict(
            "Toggl has not validated the callback, so nothing is reported.".into(),
        ));
    }
    None
}

/// The buckets this connection draws from. Not knowing them is no problem.
fn quotas(capabilities: &dyn Capabilities, api: &Api<'_>, organization: Option<u64>) -> Vec<Quota> {
    let rows = api.quotas().unwrap_or_else(|failure| {
        capabilities.log(
            Level::Info,
            &format!("The quotas stay unknown: {}", failure.error),
        );
        Vec::new()
    });
    rows.iter()
        .filter(|row| row.organization_id.is_none() || row.organization_id == organization)
        .map(to_quota)
        .collect()
}

fn to_quota(row: &QuotaRow) -> Quota {
    let name = match row.organization_id {
        None => "user",
        Some(_) => "organization",
    };
    let unsigned =
        |number: Option<i64>| u32::try_from(number.unwrap_or_default().max(0)).unwrap_or(u32::MAX);
    let remaining = row.remaining.unwrap_or_default();
    Quota {
        name: name.into(),
        remaining: i32::try_from(remaining).unwrap_or(if remaining < 0 {
            i32::MIN
        } else {
            i32::MAX
        }),
        total: unsigned(row.total),
        resets_in_seconds: unsigned(row.resets_in_secs),
    }
}
