//! Making things go wrong, and changing the rules.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Control, ControlError};
use crate::{
    faults::CallFault,
    lies::{Lies, Telling},
    scenario::{Behaviour, DeliverySettings, Limits},
    webhooks::outbox::DeliveryFault,
    world::model::{EventFilter, Subscription},
};

/// How many faults of a kind may wait for a call or a delivery.
const MAX_FAULTS: usize = 1_000;

/// A subscription to change behind the API's back: no ping, no answer to anybody.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetSubscription {
    /// Subscription id.
    pub subscription_id: i64,
    /// Enables or disables it.
    pub enabled: Option<bool>,
    /// Validates it or takes the validation away.
    pub validated: Option<bool>,
    /// Whether its events wait for one another.
    pub in_order: Option<bool>,
    /// Another callback, as if somebody had edited it.
    pub url_callback: Option<String>,
    /// Other event filters.
    pub event_filters: Option<Vec<EventFilter>>,
    /// Another signing secret.
    pub secret: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Removes it.
    pub deleted: bool,
}

/// Rules to replace; an absent group stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetSettings {
    /// Quotas and rate limits; also forgets what was used up.
    pub limits: Option<Limits>,
    /// Deliveries.
    pub delivery: Option<DeliverySettings>,
    /// Behaviour the documentation leaves open.
    pub behaviour: Option<Behaviour>,
}

/// How far to move the sandbox's clock.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceClock {
    /// Seconds to move forward.
    pub seconds: u32,
}

impl Control {
    /// Makes the next matching calls fail; faults are used up in the order given.
    pub fn fail_calls(&self, fault: CallFault) {
        self.shared
            .change(|world| keep_newest(&mut world.call_faults, fault));
    }

    /// Disturbs the next deliveries; faults are used up in the order given.
    pub fn fail_deliveries(&self, fault: DeliveryFault) {
        self.shared
            .change(|world| keep_newest(&mut world.outbox.faults, fault));
    }

    /// Forgets all faults that are not used up, and sends what a reordering still holds.
    pub fn clear_faults(&self) {
        self.shared.change(|world| {
            world.call_faults.clear();
            world.outbox.faults.clear();
            world.outbox.release_held();
        });
    }

    /// Tells lies from now on, in place of those that are being told.
    pub fn tell_lies(&self, lies: Lies) {
        self.shared
            .change(|world| world.lies = Some(Telling::new(lies)));
    }

    /// Tells the truth from now on.
    pub fn tell_the_truth(&self) {
        self.shared.change(|world| world.lies = None);
    }

    /// Disables, enables, (un)validates, redirects or removes a subscription.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn set_subscription(&self, change: SetSubscription) -> Result<Subscription, ControlError> {
        self.shared.change(|world| {
            let now = world.now();
            let id = change.subscription_id;
            let unknown = || ControlError::Refused(format!("no subscription {id}"));
            let subscription = world.subscriptions.get_mut(&id).ok_or_else(unknown)?;
            subscription.enabled = change.enabled.unwrap_or(subscription.enabled);
            subscription.in_order = change.in_order.unwrap_or(subscription.in_order);
            if let Some(validated) = change.validated {
                subscription.validated_at = validated.then_some(now);
            }
            let set = |field: &mut String, value: Option<String>| {
                *field = value.unwrap_or_else(|| std::mem::take(field));
            };
            set(&mut subscription.url_callback, change.url_callback);
            set(&mut subscription.secret, change.secret);
            set(&mut subscription.description, change.description);
            if let Some(filters) = change.event_filters {
                subscription.event_filters = filters;
            }
            subscription.updated_at = now;
            let subscription = subscription.clone();
            if change.deleted {
                world.subscriptions.remove(&id);
            }
            Ok(subscription)
        })
    }

    /// Changes the rules while the sandbox runs.
    ///
    /// # Errors
    /// When a rate or the concurrency is not positive.
    pub fn set_settings(&self, change: SetSettings) -> Result<(), ControlError> {
        if change.limits.as_ref().is_some_and(|limits| {
            !limits.requests_per_second.is_finite() || limits.requests_per_second <= 0.0
        }) {
            return Err(ControlError::Refused(
                "limits.requests_per_second must be greater than 0".to_owned(),
            ));
        }
        if change
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.concurrency == 0)
        {
            return Err(ControlError::Refused(
                "delivery.concurrency must be at least 1".to_owned(),
            ));
        }
        self.shared.change(|world| {
            if let Some(limits) = change.limits {
                world.limits = limits;
                world.reset_quota();
            }
            world.delivery = change.delivery.unwrap_or_else(|| world.delivery.clone());
            world.behaviour = change.behaviour.unwrap_or_else(|| world.behaviour.clone());
        });
        Ok(())
    }

    /// Moves the sandbox's clock forward: quota windows end, nobody waits.
    pub fn advance_clock(&self, by: AdvanceClock) {
        self.shared
            .change(|world| world.advance_clock(SignedDuration::from_secs(i64::from(by.seconds))));
    }

    /// Sets the sandbox's clock, which goes on from there: for what must look the same on every day.
    pub fn set_clock(&self, now: Timestamp) {
        self.shared
            .change(|world| world.advance_clock(now.duration_since(world.now())));
    }
}

/// Adds a fault; what nobody ever uses up must not grow without end.
fn keep_newest<T>(faults: &mut VecDeque<T>, fault: T) {
    if faults.len() >= MAX_FAULTS {
        faults.pop_front();
    }
    faults.push_back(fault);
}
