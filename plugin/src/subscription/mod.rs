//! The webhook at Toggl: making it exist, and removing it.
//!
//! Creating, replacing and enabling a subscription makes Toggl ping the callback before the call
//! returns. The ping is handled by another call meanwhile, which sees committed storage only: the
//! signing secret therefore comes from `connect`, and a ping is accepted from any subscription.

mod refusal;

use sha2::{Digest, Sha256};

use crate::capability::{Capabilities, Level};
use crate::model::{Error, Subscription};
use crate::state::{self, Announced, Webhook};
use crate::toggl::{Api, EventFilter, Failure, Limits, NewSubscription, SubscriptionRow};

use self::refusal::Refusal;

/// What every plan allows, and what nothing works without.
const ESSENTIAL_FILTERS: [(&str, &str); 3] = [
    ("time_entry", "created"),
    ("time_entry", "updated"),
    ("time_entry", "deleted"),
];

/// What makes renames reach titles at once; in order of worth.
const FURTHER_FILTERS: [(&str, &str); 3] = [
    ("project", "updated"),
    ("client", "updated"),
    ("task", "updated"),
];

/// Makes the subscription exist, enabled, validated and calling `callback_url`.
pub(crate) fn subscribe(
    capabilities: &dyn Capabilities,
    callback_url: &str,
) -> Result<Subscription, Error> {
    if !is_web_url(callback_url) {
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
        callback_url,
        webhook: &webhook,
        limits: limits(capabilities, &api, webhook.workspace_id)?,
    };
    let row = subscriber.run()?;
    webhook.subscription_id = Some(row.subscription_id);
    webhook.callback_url = Some(callback_url.into());
    webhook.previous_secret = None;
    capabilities.write(vec![
        state::put(state::WEBHOOK, &webhook)?,
        state::delete(state::ANNOUNCED),
    ])?;
    Ok(to_subscription(&row))
}

/// Removes the subscription, and forgets everything the connection remembers.
pub(crate) fn disconnect(capabilities: &dyn Capabilities) -> Result<(), Error> {
    let webhook = state::read::<Webhook>(capabilities, state::WEBHOOK)?;
    let announced = state::recall::<Announced>(capabilities, state::ANNOUNCED)?;
    // One that was created is stored, or else has pinged: without either there is nothing to remove.
    if let Some(webhook) = webhook
        && (webhook.subscription_id.is_some() || announced.is_some())
    {
        let api = Api::new(capabilities);
        match remove(&api, &webhook, announced) {
            // What the token, the workspace or the plan no longer gives access to cannot be removed,
            // and no event comes of it.
            Err(
                error @ (Error::Unauthorized(_)
                | Error::Forbidden(_)
                | Error::NotFound(_)
                | Error::PlanLimit(_)),
            ) => {
                capabilities.log(
                    Level::Warn,
                    &format!("The subscription may stay at Toggl: {error}"),
                );
            }
            result => result?,
        }
    }
    state::clear(capabilities)
}

fn remove(api: &Api<'_>, webhook: &Webhook, announced: Option<Announced>) -> Result<(), Error> {
    let workspace = webhook.workspace_id;
    let is_ours = |row: &SubscriptionRow| {
        is_ours(row, webhook, webhook.callback_url.as_deref())
            || announced.is_some_and(|announced| announced.subscription_id == row.subscription_id)
    };
    for row in api
        .subscriptions(workspace)?
        .iter()
        .filter(|row| is_ours(row))
    {
        delete(api, workspace, row.subscription_id)?;
    }
    // Toggl has been seen to keep a disabled subscription while reporting it deleted.
    for row in api
        .subscriptions(workspace)?
        .iter()
        .filter(|row| is_ours(row))
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

/// Whether a subscription belongs to this connection: no other one knows its callback.
pub(crate) fn is_ours(
    row: &SubscriptionRow,
    webhook: &Webhook,
    callback_url: Option<&str>,
) -> bool {
    webhook.subscription_id == Some(row.subscription_id)
        || callback_url.is_some_and(|url| row.calls(url))
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

/// The plan's limits; unknown ones do not keep from trying.
fn limits(capabilities: &dyn Capabilities, api: &Api<'_>, workspace: u64) -> Result<Limits, Error> {
    match api.limits(workspace) {
        Ok(limits) => Ok(limits),
        Err(failure) => match failure.error {
            error @ (Error::Unauthorized(_)
            | Error::QuotaExhausted { .. }
            | Error::RateLimited { .. }) => Err(error),
            error => {
                capabilities.log(
                    Level::Info,
                    &format!("The webhook limits stay unknown: {error}"),
                );
                Ok(Limits::default())
            }
        },
    }
}

struct Subscriber<'a> {
    capabilities: &'a dyn Capabilities,
    api: &'a Api<'a>,
    callback_url: &'a str,
    webhook: &'a Webhook,
    limits: Limits,
}

impl Subscriber<'_> {
    fn run(&self) -> Result<SubscriptionRow, Error> {
        let rows = self.api.subscriptions(self.webhook.workspace_id)?;
        // Keep the one stored, or else one that works.
        let preference = |row: &&SubscriptionRow| {
            let is_stored = self.webhook.subscription_id == Some(row.subscription_id);
            (is_stored, row.validated_at.is_some(), row.enabled)
        };
        let kept = rows
            .iter()
            .filter(|row| self.is_ours(row))
            .max_by_key(preference);
        for row in rows.iter().filter(|row| self.is_ours(row)) {
            if kept.is_some_and(|kept| kept.subscription_id != row.subscription_id) {
                delete(self.api, self.webhook.workspace_id, row.subscription_id)?;
            }
        }
        let repaired = match kept {
            Some(row) => self.repair(row, &rows)?,
            None => None,
        };
        if let (Some(kept), None) = (kept, &repaired) {
            // Toggl lists it and does not know it. Should it be there after all, it must not be doubled.
            delete(self.api, self.webhook.workspace_id, kept.subscription_id)?;
        }
        match repaired {
            Some(row) => self.validate(row),
            None => self.create(&rows).and_then(|row| self.validate(row)),
        }
    }

    fn is_ours(&self, row: &SubscriptionRow) -> bool {
        is_ours(row, self.webhook, Some(self.callback_url))
    }

    /// Brings a subscription of ours into order. `None`: it is gone meanwhile.
    fn repair(
        &self,
        row: &SubscriptionRow,
        rows: &[SubscriptionRow],
    ) -> Result<Option<SubscriptionRow>, Error> {
        let workspace = self.webhook.workspace_id;
        let id = row.subscription_id;
        // One that is not stored was left behind, and signs with a secret nobody knows any more.
        let needs_replacing = self.webhook.subscription_id != Some(id)
            || self.webhook.previous_secret.is_some()
            || !row.calls(self.callback_url)
            || !self.is_asking_for(row, &self.filters());
        let result = if needs_replacing {
            self.replace(row)
        } else if !row.enabled {
            self.api.enable_subscription(workspace, id)
        } else if row.validated_at.is_none() {
            // A ping will do.
            return Ok(Some(row.clone()));
        } else {
            // Nothing looks wrong and yet somebody asks, because nothing arrives. Replacing it by itself
            // makes Toggl ping the callback, which shows whether it can be reached at all.
            self.replace(row)
        };
        match result {
            Ok(row) => Ok(Some(row)),
            Err(failure) if matches!(failure.status, Some(404 | 410)) => Ok(None),
            Err(failure) => Err(self.explain(failure, rows)),
        }
    }

    fn replace(&self, row: &SubscriptionRow) -> Result<SubscriptionRow, Failure> {
        let description = row.description.clone().filter(|text| !text.is_empty());
        let description = description.unwrap_or_else(|| self.description(""));
        self.with_fewer_filters(|filters| {
            self.api.replace_subscription(
                self.webhook.workspace_id,
                row.subscription_id,
                &self.subscription(filters, &description),
            )
        })
    }

    fn create(&self, rows: &[SubscriptionRow]) -> Result<SubscriptionRow, Error> {
        let failure = match self.create_as(&self.description("")) {
            Ok(row) => return Ok(row),
            Err(failure) => failure,
        };
        if Refusal::of(&failure) != Some(Refusal::DescriptionInUse) {
            return Err(self.explain(failure, rows));
        }
        // Perhaps an earlier attempt came through although its answer was lost.
        let rows = self.api.subscriptions(self.webhook.workspace_id)?;
        if let Some(row) = rows.iter().find(|row| row.calls(self.callback_url))
            && let Some(row) = self.repair(row, &rows)?
        {
            return Ok(row);
        }
        self.create_as(&self.description(" (2)"))
            .map_err(|failure| self.explain(failure, &rows))
    }

    fn create_as(&self, description: &str) -> Result<SubscriptionRow, Failure> {
        let result = self.with_fewer_filters(|filters| {
            self.api.create_subscription(
                self.webhook.workspace_id,
                &self.subscription(filters, description),
            )
        });
        match result {
            // Creating it once more would double it; what was created calls the callback.
            Err(failure) if failure.may_have_taken_effect() => {
                let rows = self.api.subscriptions(self.webhook.workspace_id);
                let mut rows = rows.unwrap_or_default().into_iter();
                rows.find(|row| row.calls(self.callback_url)).ok_or(failure)
            }
            result => result,
        }
    }

    /// Asks for what the limits allow, and once more for the essential if that is too much.
    fn with_fewer_filters(
        &self,
        send: impl Fn(&[EventFilter]) -> Result<SubscriptionRow, Failure>,
    ) -> Result<SubscriptionRow, Failure> {
        let filters = self.filters();
        match send(&filters) {
            Err(failure)
                if filters.len() > ESSENTIAL_FILTERS.len()
                    && Refusal::of(&failure) == Some(Refusal::TooManyFilters) =>
            {
                send(&essential_filters())
            }
            result => result,
        }
    }

    /// Makes sure that Toggl considers the callback validated.
    fn validate(&self, row: SubscriptionRow) -> Result<SubscriptionRow, Error> {
        let (workspace, id) = (self.webhook.workspace_id, row.subscription_id);
        if row.validated_at.is_some() {
            return Ok(row);
        }
        // The answer may be older than the ping that it caused.
        let relisted = self.relist(id)?;
        if relisted.validated_at.is_some() {
            return Ok(relisted);
        }
        let pinged = self.api.ping_subscription(workspace, id);
        let relisted = self.relist(id)?;
        if relisted.validated_at.is_some() {
            return Ok(relisted);
        }
        pinged.map_err(|failure| self.explain(failure, &[]))?;
        Err(Error::InvalidInput(format!(
            "Toggl could not validate the callback: it was not answered with the validation code. {}",
            refusal::WHAT_TO_CHECK
        )))
    }

    fn relist(&self, id: u64) -> Result<SubscriptionRow, Error> {
        let rows = self.api.subscriptions(self.webhook.workspace_id)?;
        let row = rows.into_iter().find(|row| row.subscription_id == id);
        row.ok_or_else(|| {
            Error::Conflict(
                "The subscription disappeared from Toggl while it was set up. Try again.".into(),
            )
        })
    }

    fn explain(&self, failure: Failure, rows: &[SubscriptionRow]) -> Error {
        let Some(refusal) = Refusal::of(&failure) else {
            return failure.into();
        };
        self.capabilities.log(
            Level::Info,
            &format!("Toggl refused the subscription: {refusal:?}"),
        );
        let others = rows.iter().filter(|row| row.enabled && !self.is_ours(row));
        let others: Vec<&str> = others
            .map(|row| row.description.as_deref().unwrap_or_default())
            .collect();
        refusal.explain(&failure, self.limits, &others)
    }

    fn subscription<'s>(
        &'s self,
        event_filters: &'s [EventFilter],
        description: &'s str,
    ) -> NewSubscription<'s> {
        NewSubscription {
            url_callback: self.callback_url,
            event_filters,
            enabled: true,
            description,
            secret: &self.webhook.secret,
        }
    }

    /// Unique in the workspace, as Toggl demands, and the same at every attempt.
    fn description(&self, suffix: &str) -> String {
        let digest = hex::encode(Sha256::digest(self.callback_url.as_bytes()));
        format!(
            "WorkSights time sync {}{suffix}",
            digest.get(..8).unwrap_or_default()
        )
    }

    /// What to ask for: the essential, and as much more as the plan is known to allow.
    fn filters(&self) -> Vec<EventFilter> {
        let allowed = self.limits.max_events_per_webhook.unwrap_or_default();
        let spare = usize::try_from(allowed)
            .unwrap_or_default()
            .saturating_sub(ESSENTIAL_FILTERS.len());
        let mut filters = essential_filters();
        filters.extend(FURTHER_FILTERS.into_iter().take(spare).map(filter));
        filters
    }

    /// Whether a subscription reports what is wanted. With unknown limits more than that is fine.
    fn is_asking_for(&self, row: &SubscriptionRow, wanted: &[EventFilter]) -> bool {
        let has = |filter: &EventFilter| {
            row.event_filters.iter().any(|other| {
                (other.entity == filter.entity || other.entity == "*")
                    && (other.action == filter.action || other.action == "*")
            })
        };
        wanted.iter().all(has)
    }
}

fn essential_filters() -> Vec<EventFilter> {
    ESSENTIAL_FILTERS.into_iter().map(filter).collect()
}

fn filter((entity, action): (&str, &str)) -> EventFilter {
    EventFilter {
        entity: entity.into(),
        action: action.into(),
    }
}
