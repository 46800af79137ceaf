//! Making, repairing and validating a subscription.

use super::delete;
use super::ours::{Hold, Ours, is_of_a_copy};
use super::refusal::{self, Other, Refusal};
use crate::capability::{Capabilities, Level};
use crate::model::Error;
use crate::state::Replaced;
use crate::toggl::{Api, EventFilter, Failure, Limits, NewSubscription, SubscriptionRow};

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

/// Brings the subscription into order.
pub(super) struct Subscriber<'a> {
    pub capabilities: &'a dyn Capabilities,
    pub api: &'a Api<'a>,
    pub ours: Ours<'a>,
    pub limits: Limits,
    pub replaced: Replaced,
}

impl Subscriber<'_> {
    fn workspace(&self) -> u64 {
        self.ours.webhook.workspace_id
    }

    /// Returns the subscription, and what is to be remembered of a copy's hold that this has ended.
    pub fn run(self) -> Result<(SubscriptionRow, Option<Replaced>), Error> {
        let rows = self.api.subscriptions(self.workspace())?;
        let kept = self.ours.kept(&rows);
        let hold = kept.and_then(|row| Hold::of(row, &self.ours));
        let (callback, now) = (self.ours.callback, self.capabilities.now());
        if let Some(hold) = &hold
            && !callback.take_over
            && hold.is_contested(&self.replaced, now)
        {
            return Err(hold.explain());
        }
        if let Some(kept) = kept {
            for row in self.ours.spare(&rows, kept) {
                delete(self.api, self.workspace(), row.subscription_id)?;
            }
        }
        let repaired = match kept {
            Some(row) => self.repair(row, &rows)?,
            None => self.repair_unlisted(&rows)?,
        };
        if let (Some(kept), None) = (kept, &repaired) {
            // Toggl lists it and does not know it. Should it be there after all, it must not be doubled.
            delete(self.api, self.workspace(), kept.subscription_id)?;
        }
        let row = match repaired {
            Some(row) => self.validate(row)?,
            None => self.create_validated(&rows)?,
        };
        let replaced = hold.map(|hold| hold.noted(self.replaced, callback, now));
        Ok((row, replaced))
    }

    /// Brings a subscription of ours into order. `None`: it is gone meanwhile.
    fn repair(
        &self,
        row: &SubscriptionRow,
        rows: &[SubscriptionRow],
    ) -> Result<Option<SubscriptionRow>, Error> {
        let id = row.subscription_id;
        let is_as_it_should_be = self.ours.difference(row).is_none()
            && self.ours.webhook.previous_secret.is_none()
            && self.is_asking_for(row, &self.filters());
        if is_as_it_should_be && row.enabled && row.validated_at.is_none() {
            // A ping will do.
            return Ok(Some(row.clone()));
        }
        let result = if is_as_it_should_be && !row.enabled {
            let enabled = self.api.enable_subscription(self.workspace(), id);
            match enabled {
                // Toggl pings with the secret it has, which nobody is told: somebody may have changed that, too.
                Err(failure) if Refusal::of(&failure) == Some(Refusal::CallbackAnsweredWrongly) => {
                    self.replace(id)
                }
                enabled => enabled,
            }
        } else {
            // Also when nothing looks wrong and yet somebody asks, because nothing arrives. Replacing it by itself
            // makes Toggl ping the callback, which shows whether it can be reached at all.
            self.replace(id)
        };
        self.found(result, rows)
    }

    /// A list may leave out what is there, so the stored subscription is asked for by its id before another one is
    /// made: that would take a place of the plan, and both would report.
    fn repair_unlisted(&self, rows: &[SubscriptionRow]) -> Result<Option<SubscriptionRow>, Error> {
        match self.ours.webhook.subscription_id {
            Some(id) => self.found(self.replace(id), rows),
            None => Ok(None),
        }
    }

    /// `None`: it does not exist.
    fn found(
        &self,
        result: Result<SubscriptionRow, Failure>,
        rows: &[SubscriptionRow],
    ) -> Result<Option<SubscriptionRow>, Error> {
        match result {
            Ok(row) => Ok(Some(row)),
            Err(failure) if matches!(failure.status, Some(404 | 410)) => Ok(None),
            Err(failure) => Err(self.explain(failure, rows)),
        }
    }

    fn replace(&self, id: u64) -> Result<SubscriptionRow, Failure> {
        let description = self.ours.description("");
        let result = self.replace_as(id, &description);
        match result {
            // One that was made while another had its name goes on being called so.
            Err(failure) if Refusal::of(&failure) == Some(Refusal::DescriptionInUse) => {
                self.replace_as(id, &self.ours.description(" (2)"))
            }
            result => result,
        }
    }

    fn replace_as(&self, id: u64, description: &str) -> Result<SubscriptionRow, Failure> {
        self.with_fewer_filters(|filters| {
            let subscription = self.subscription(filters, description);
            (self.api).replace_subscription(self.workspace(), id, &subscription)
        })
    }

    /// Makes a subscription. One that does not work is removed again, so that it is known what became of it.
    fn create_validated(&self, rows: &[SubscriptionRow]) -> Result<SubscriptionRow, Error> {
        let row = self.create(rows)?;
        let id = row.subscription_id;
        self.validate(row).or_else(|error| {
            delete(self.api, self.workspace(), id)?;
            Err(error)
        })
    }

    fn create(&self, rows: &[SubscriptionRow]) -> Result<SubscriptionRow, Error> {
        let failure = match self.create_as(&self.ours.description("")) {
            Ok(row) => return Ok(row),
            Err(failure) => failure,
        };
        if Refusal::of(&failure) != Some(Refusal::DescriptionInUse) {
            return Err(self.explain(failure, rows));
        }
        // An earlier attempt went through although its answer was lost.
        let rows = self.api.subscriptions(self.workspace())?;
        if let Some(row) = rows.iter().find(|row| row.calls(&self.ours.callback.url))
            && let Some(row) = self.repair(row, &rows)?
        {
            return Ok(row);
        }
        self.create_as(&self.ours.description(" (2)"))
            .map_err(|failure| self.explain(failure, &rows))
    }

    fn create_as(&self, description: &str) -> Result<SubscriptionRow, Failure> {
        let result = self.with_fewer_filters(|filters| {
            self.api
                .create_subscription(self.workspace(), &self.subscription(filters, description))
        });
        match result {
            // Creating it once more would double it; what was created calls the callback.
            Err(failure) if failure.may_have_taken_effect() => {
                let rows = self.api.subscriptions(self.workspace());
                let mut rows = rows.unwrap_or_default().into_iter();
                rows.find(|row| row.calls(&self.ours.callback.url))
                    .ok_or(failure)
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
        let id = row.subscription_id;
        if row.validated_at.is_some() {
            return Ok(row);
        }
        // The answer may be older than the ping that it caused.
        let relisted = self.relist(id)?;
        if relisted.validated_at.is_some() {
            return Ok(relisted);
        }
        let pinged = self.api.ping_subscription(self.workspace(), id);
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
        let rows = self.api.subscriptions(self.workspace())?;
        let row = rows.into_iter().find(|row| row.subscription_id == id);
        // It may be listed late.
        row.ok_or_else(|| {
            Error::Unavailable(
                "The webhook disappeared from Toggl while it was set up. Try again.".into(),
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
        let others = rows.iter().filter(|row| row.enabled && !self.ours.has(row));
        let others: Vec<Other<'_>> = others
            .map(|row| Other {
                description: row.description.as_deref().unwrap_or_default(),
                is_of_a_copy: is_of_a_copy(row, self.ours.callback),
            })
            .collect();
        refusal.explain(&failure, self.limits, &others)
    }

    fn subscription<'s>(
        &'s self,
        event_filters: &'s [EventFilter],
        description: &'s str,
    ) -> NewSubscription<'s> {
        NewSubscription {
            url_callback: &self.ours.callback.url,
            event_filters,
            enabled: true,
            description,
            secret: &self.ours.webhook.secret,
        }
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
        wanted.iter().all(|filter| reports(row, filter))
    }
}

/// Whether a subscription reports what nothing works without.
pub(super) fn has_essential_filters(row: &SubscriptionRow) -> bool {
    essential_filters()
        .iter()
        .all(|filter| reports(row, filter))
}

fn reports(row: &SubscriptionRow, filter: &EventFilter) -> bool {
    row.event_filters.iter().any(|other| {
        (other.entity == filter.entity || other.entity == "*")
            && (other.action == filter.action || other.action == "*")
    })
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

/// The plan's limits; unknown ones do not keep from trying.
pub(super) fn limits(
    capabilities: &dyn Capabilities,
    api: &Api<'_>,
    workspace: u64,
) -> Result<Limits, Error> {
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
