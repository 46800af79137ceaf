//! From a change to the events it causes, for the subscriptions that may see it.

use serde_json::{Map, Value};

use super::{
    World,
    model::{Action, Entity, Origin, Subscription},
};
use crate::webhooks::event::Event;

/// Something happened that subscriptions may want to hear of.
pub(crate) struct Change {
    pub entity: Entity,
    pub action: Action,
    pub workspace_id: i64,
    /// Whose it is: the entry's or membership's user, otherwise whoever acted.
    pub owner_id: i64,
    pub subject_id: i64,
    /// The project it concerns, with its privacy.
    pub project: Option<(i64, bool)>,
    pub payload: Value,
}

impl World {
    /// Queues one event per subscription that is enabled, validated, asked for it and may see it.
    pub fn emit(&mut self, origin: &Origin, change: Change) {
        let receivers: Vec<(i64, bool)> = self
            .subscriptions
            .values()
            .filter(|subscription| subscription.enabled && subscription.validated_at.is_some())
            .filter(|subscription| subscription.workspace_id == change.workspace_id)
            .filter(|subscription| {
                subscription
                    .event_filters
                    .iter()
                    .any(|filter| filter.matches(change.entity, change.action))
            })
            .filter(|subscription| self.may_see(subscription, &change))
            .map(|subscription| (subscription.id, subscription.in_order))
            .collect();
        for (subscription_id, in_order) in receivers {
            let event = Event {
                event_id: self.new_event_id(),
                created_at: self.now(),
                creator_id: origin.user_id,
                metadata: metadata(origin, &change),
                payload: change.payload.clone(),
                entity: change.entity,
                action: change.action,
            };
            self.outbox.enqueue(subscription_id, in_order, event);
        }
    }

    /// Visibility follows the creator's rights (Toggl's webhook documentation): who is no administrator gets own entries only.
    fn may_see(&self, subscription: &Subscription, change: &Change) -> bool {
        if self
            .access(subscription.workspace_id, subscription.user_id)
            .is_err()
        {
            return false;
        }
        if self.is_admin(subscription.workspace_id, subscription.user_id) {
            return true;
        }
        match change.entity {
            Entity::TimeEntry | Entity::WorkspaceUser | Entity::ProjectUser => {
                change.owner_id == subscription.user_id
            }
            _ => !change.project.is_some_and(|(_, private)| private),
        }
    }
}

/// Every value is a string on real events, numbers included.
fn metadata(origin: &Origin, change: &Change) -> Map<String, Value> {
    let mut values = Map::new();
    let mut put = |key: &str, value: String| values.insert(key.to_owned(), Value::String(value));
    put("action", change.action.as_str().to_owned());
    put("event_user_id", origin.user_id.to_string());
    put("model", change.entity.as_str().to_owned());
    put("model_owner_id", change.owner_id.to_string());
    put("path", origin.path.clone());
    put("request_body", origin.body.clone());
    put("request_type", origin.method.clone());
    put("workspace_id", change.workspace_id.to_string());
    put(
        &format!("{}_id", change.entity.as_str()),
        change.subject_id.to_string(),
    );
    if let Some((project_id, private)) = change.project {
        put("project_id", project_id.to_string());
        put("project_is_private", private.to_string());
    }
    values
}
