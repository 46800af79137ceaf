//! Comparing the connection with Toggl.

use crate::capability::{Capabilities, Level};
use crate::model::{Callback, Error, Health, Problem, Quota};
use crate::state::{self, Allowance, Replaced, Webhook};
use crate::subscription::{Hold, Ours, to_subscription};
use crate::toggl::{Api, Listed, QUOTA_WINDOW_SECONDS, QuotaReading, QuotaRow, SubscriptionRow};
use crate::workspace;

/// What the contract calls the bucket of an organisation.
const ORGANIZATION: &str = "organization";

/// Finds out what is wrong, the gravest first.
pub(crate) fn check(capabilities: &dyn Capabilities, callback: &Callback) -> Result<Health, Error> {
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
    let found = match workspace::find(&workspaces, &scope_id) {
        Ok(found) => found,
        Err(error) => return hopeless(health, error),
    };
    let scope = workspace::scope(found, None);
    let obstacle = scope.obstacle.clone();
    health.scope = Some(scope);
    health.quotas = quotas(capabilities, &api, connection.organization_id)?;
    if let Some(obstacle) = obstacle {
        return hopeless(health, Error::Forbidden(obstacle));
    }

    let rows = match api.subscriptions(connection.workspace_id) {
        Ok(rows) => rows,
        Err(failure) => return hopeless(health, failure.error),
    };
    let ours = Ours {
        callback,
        webhook: &webhook,
        announced: state::recall(capabilities, state::ANNOUNCED)?,
    };
    let row = ours.kept(&rows);
    health.subscription = row.map(to_subscription);
    if let Some(error) = row
        .map(|row| contest(capabilities, row, &ours))
        .transpose()?
        .flatten()
    {
        return hopeless(health, error);
    }
    health.problem = subscription_problem(row, &rows, &ours).map(|error| Problem {
        error,
        repairable: true,
    });
    Ok(health)
}

/// Why a subscription must be left to another copy of this host, if it must. That it was seen there is remembered: as
/// long as the copy holds it, this host does not begin again.
fn contest(
    capabilities: &dyn Capabilities,
    row: &SubscriptionRow,
    ours: &Ours<'_>,
) -> Result<Option<Error>, Error> {
    let replaced: Replaced = state::recall(capabilities, state::REPLACED)?.unwrap_or_default();
    let now = capabilities.now();
    let hold = Hold::of(row, ours).filter(|hold| hold.is_contested(&replaced, now));
    let Some(hold) = hold else { return Ok(None) };
    let replaced = hold.noted(replaced, ours.callback, now);
    capabilities.write(vec![state::put(state::REPLACED, &replaced)?])?;
    Ok(Some(hold.explain()))
}

/// What a person must solve is a problem; what kept from finding out is an error.
fn hopeless(health: Health, error: Error) -> Result<Health, Error> {
    match error {
        Error::Unauthorized(_)
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::PlanLimit(_)
        | Error::Conflict(_) => Ok(Health {
            problem: Some(Problem {
                error,
                repairable: false,
            }),
            ..health
        }),
        error => Err(error),
    }
}

fn subscription_problem(
    row: Option<&SubscriptionRow>,
    rows: &[SubscriptionRow],
    ours: &Ours<'_>,
) -> Option<Error> {
    let Some(row) = row else {
        return Some(Error::NotFound(
            "The webhook no longer exists at Toggl, so nothing is reported.".into(),
        ));
    };
    if let Some(difference) = ours.difference(row) {
        return Some(Error::Conflict(difference.into()));
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
    if ours.spare(rows, row).next().is_some() {
        return Some(Error::Conflict(
            "There is more than one webhook of this connection at Toggl.".into(),
        ));
    }
    None
}

/// The buckets this connection draws from. Not knowing them is no problem.
fn quotas(
    capabilities: &dyn Capabilities,
    api: &Api<'_>,
    organization: Option<u64>,
) -> Result<Vec<Quota>, Error> {
    let rows = api.quotas().unwrap_or_else(|failure| {
        capabilities.log(
            Level::Info,
            &format!("The quotas stay unknown: {}", failure.error),
        );
        Listed::default()
    });
    let quotas: Vec<Quota> = rows
        .rows
        .iter()
        .filter(|row| row.organization_id.is_none() || row.organization_id == organization)
        // More left than there is, or none at all, is nothing to go by.
        .filter(|row| row.total > Some(0) && row.remaining <= row.total)
        .map(to_quota)
        .collect();
    let of_organization = quotas.iter().find(|quota| quota.name == ORGANIZATION);
    if let Some(total) = of_organization.map(|quota| quota.total) {
        let allowance = Allowance { total };
        if state::recall(capabilities, state::ALLOWANCE)? != Some(allowance) {
            capabilities.write(vec![state::put(state::ALLOWANCE, &allowance)?])?;
        }
    }
    Ok(quotas)
}

/// The organisation's bucket as an answer told of it; `None`: its size is not known.
pub(crate) fn organization_quota(
    capabilities: &dyn Capabilities,
    reading: &QuotaReading,
) -> Result<Option<Quota>, Error> {
    let allowance: Option<Allowance> = state::recall(capabilities, state::ALLOWANCE)?;
    Ok(allowance.map(|allowance| Quota {
        name: ORGANIZATION.into(),
        remaining: remaining(reading.remaining),
        total: allowance.total,
        resets_in_seconds: reading
            .resets_in_seconds(capabilities.now())
            .unwrap_or_default(),
    }))
}

fn to_quota(row: &QuotaRow) -> Quota {
    let name = match row.organization_id {
        None => "user",
        Some(_) => ORGANIZATION,
    };
    let unsigned =
        |number: Option<i64>| u32::try_from(number.unwrap_or_default().max(0)).unwrap_or(u32::MAX);
    Quota {
        name: name.into(),
        remaining: remaining(row.remaining.unwrap_or_default()),
        total: unsigned(row.total),
        resets_in_seconds: unsigned(row.resets_in_secs).min(QUOTA_WINDOW_SECONDS),
    }
}

/// How many requests are left, as far as the contract's number goes.
fn remaining(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}
