//! The webhook at Toggl: making it exist, and removing it.
//!
//! Creating, replacing and enabling a subscription makes Toggl ping the callback before the call
//! returns. The ping is handled by another call meanwhile, which sees committed storage only: the
//! signing secret therefore comes from `connect`, and a ping is accepted from any subscription.

mod ours;
mod refusal;
mod subscriber;

use crate::capability::{Capabilities, Level};
use crate::model::{Callback, Error, Subscription};
use crate::state::{self, Replaced, Webhook};
use crate::toggl::{Api, SubscriptionRow, excerpt};

pub(crate) use self::ours::{Hold, Ours};
use self::subscriber::Subscriber;

/// Makes the subscription exist, enabled, validated and calling the callback.
pub(crate) fn subscribe(
    capabilities: &dyn Capabilities,
    callback: &Callback,
) -> Result<Subscription, Error> {
    if !is_web_url(&callback.url) {
        return Err(Error::InvalidInput(
            "The callback is no http or https URL. Set the host's public URL.".into(),
        ));
    }
    let mut webhook: Webhook =
        state::read(capabilities, state::WEBHOOK)?.ok_or_else(state::not_connected)?;
    let api = Api::new(capabilities);
    let subscriber = Subscriber {
        capabilities,
        api: &api,
        ours: Ours {
            callback,
            webhook: &webhook,
            // The ping writes it meanwhile: a call that had read it could not be committed.
            announced: None,
        },
        limits: subscriber::limits(capabilities, &api, webhook.workspace_id)?,
        replaced: state::recall(capabilities, state::REPLACED)?.unwrap_or_default(),
    };
    let (row, replaced) = subscriber.run()?;
    webhook.subscription_id = Some(row.subscription_id);
    webhook.callback_url = Some(callback.url.clone());
    webhook.previous_secret = None;
    webhook.description = row.description.clone();
    webhook.events = (!row.event_filters.is_empty()).then(|| row.event_filters.clone());
    let mut writes = vec![
        state::put(state::WEBHOOK, &webhook)?,
        state::delete(state::ANNOUNCED),
    ];
    if let Some(replaced) = replaced {
        writes.push(state::put(state::REPLACED, &replaced)?);
    }
    capabilities.write(writes)?;
    Ok(to_subscription(&row))
}

/// Removes the subscription. What is stored stays, so that one that comes into being late is found by another call.
pub(crate) fn disconnect(
    capabilities: &dyn Capabilities,
    callback: &Callback,
) -> Result<(), Error> {
    let Some(webhook) = state::read::<Webhook>(capabilities, state::WEBHOOK)? else {
        return Ok(());
    };
    let ours = Ours {
        callback,
        webhook: &webhook,
        announced: state::recall(capabilities, state::ANNOUNCED)?,
    };
    let replaced: Replaced = state::recall(capabilities, state::REPLACED)?.unwrap_or_default();
    let now = capabilities.now();
    // What this host has left to another copy is the copy's.
    let is_left = |row: &SubscriptionRow| {
        Hold::of(row, &ours).is_some_and(|hold| hold.is_contested(&replaced, now))
    };
    let removable =
        |row: &SubscriptionRow| ours.has(row) && !ours.is_another_lifes(row) && !is_left(row);
    let is_known = webhook.subscription_id.is_some() || ours.announced.is_some();
    let api = Api::new(capabilities);
    // By its id alone only what no copy may have.
    let is_shared = !replaced.holders.is_empty() || !ours.is_of_this_life();
    let known_ids: Vec<u64> = ours.known_ids().filter(|_| !is_shared).collect();
    let removed = match remove(&api, webhook.workspace_id, &known_ids, removable) {
        // Of a workspace Toggl says the same whether the token is wrong or its owner may not; of the account it does not.
        Err(error @ Error::Forbidden(_)) => match api.me() {
            Err(failure) if matches!(failure.error, Error::Unauthorized(_)) => Err(failure.error),
            _ => Err(error),
        },
        removed => removed,
    };
    match removed {
        // It is gone with its workspace.
        Err(Error::NotFound(_)) => Ok(()),
        // What the token or the plan no longer gives access to cannot be removed.
        Err(Error::Unauthorized(why)) if is_known => {
            Err(Error::Unauthorized(stays(&why, &webhook)))
        }
        Err(Error::Forbidden(why)) if is_known => Err(Error::Forbidden(stays(&why, &webhook))),
        Err(Error::PlanLimit(why)) if is_known => Err(Error::PlanLimit(stays(&why, &webhook))),
        Err(error @ (Error::Unauthorized(_) | Error::Forbidden(_) | Error::PlanLimit(_))) => {
            let message =
                format!("A webhook that nobody knows of could not be looked for: {error}");
            capabilities.log(Level::Warn, &message);
            Ok(())
        }
        result => result,
    }
}

/// Why a webhook stays, and where a person deletes it.
fn stays(why: &str, webhook: &Webhook) -> String {
    let name = match &webhook.description {
        Some(name) => format!("The webhook “{}”", excerpt(name)),
        None => "The webhook".into(),
    };
    format!(
        "{why} {name} stays at Toggl: an admin of the workspace deletes it there, under Integrations → Webhooks."
    )
}

fn remove(
    api: &Api<'_>,
    workspace: u64,
    known_ids: &[u64],
    removable: impl Fn(&SubscriptionRow) -> bool,
) -> Result<(), Error> {
    let rows = api.subscriptions(workspace)?;
    let mut was_any = false;
    for row in rows.iter().filter(|row| removable(row)) {
        was_any = true;
        delete(api, workspace, row.subscription_id)?;
    }
    // A list may leave out what is there.
    let is_unlisted = |id: &u64| rows.iter().all(|row| row.subscription_id != *id);
    for id in known_ids.iter().copied().filter(is_unlisted) {
        was_any |= delete_unlisted(api, workspace, id)?;
    }
    if !was_any {
        return Ok(());
    }
    // Toggl has been seen to keep a disabled subscription while reporting it deleted.
    for row in api
        .subscriptions(workspace)?
        .iter()
        .filter(|row| removable(row))
    {
        match api.enable_subscription(workspace, row.subscription_id) {
            Ok(_) => {}
            // The callback may be gone by now, which keeps it from being enabled; try all the same.
            Err(failure) if failure.status == Some(400) || failure.is_absence() => {}
            Err(failure) => return Err(failure.into()),
        }
        delete(api, workspace, row.subscription_id)?;
    }
    Ok(())
}

fn delete(api: &Api<'_>, workspace: u64, subscription: u64) -> Result<(), Error> {
    match api.delete_subscription(workspace, subscription) {
        Err(failure) if !matches!(failure.status, Some(404 | 410)) => Err(failure.into()),
        _ => Ok(()),
    }
}

/// Deletes a subscription that Toggl does not list, and returns whether it was there.
fn delete_unlisted(api: &Api<'_>, workspace: u64, subscription: u64) -> Result<bool, Error> {
    match api.delete_subscription(workspace, subscription) {
        Ok(()) => Ok(true),
        Err(failure) if failure.is_absence() => Ok(false),
        Err(failure) => Err(failure.into()),
    }
}

/// The subscription as the contract has it.
pub(crate) fn to_subscription(row: &SubscriptionRow) -> Subscription {
    Subscription {
        id: row.subscription_id.to_string(),
        enabled: row.enabled,
        validated_at: row.validated_at,
        events: row
            .event_filters
            .iter()
            .map(|filter| format!("{}.{}", filter.entity, filter.action))
            .collect(),
    }
}

fn is_web_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}
