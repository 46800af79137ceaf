//! An event and the JSON it travels in, field for field and in the order of the recordings.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::outbox::DeliveryRecord;
use crate::{
    shapes::{milliseconds, nanoseconds},
    world::{Action, Entity, model::Subscription},
};

/// Something that happened, for one subscription; the same over all its attempts.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub event_id: u64,
    pub created_at: Timestamp,
    pub creator_id: i64,
    pub metadata: Map<String, Value>,
    pub payload: Value,
    pub entity: Entity,
    pub action: Action,
}

#[derive(Serialize)]
struct Envelope<'a, Metadata> {
    event_id: u64,
    created_at: String,
    creator_id: i64,
    metadata: &'a Metadata,
    payload: &'a Value,
    subscription_id: i64,
    timestamp: String,
    url_callback: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_code_url: Option<String>,
}

/// The body of one attempt: `timestamp` is the attempt's, everything else the event's.
pub(crate) fn body(event: &Event, subscription: &Subscription, sent_at: Timestamp) -> String {
    text(&Envelope {
        event_id: event.event_id,
        created_at: milliseconds(event.created_at),
        creator_id: event.creator_id,
        metadata: &event.metadata,
        payload: &event.payload,
        subscription_id: subscription.id,
        timestamp: nanoseconds(sent_at),
        url_callback: &subscription.url_callback,
        validation_code: None,
        validation_code_url: None,
    })
}

/// The body of an attempt that somebody else makes for a recorded delivery.
pub(crate) fn body_of_record(
    record: &DeliveryRecord,
    subscription: &Subscription,
    sent_at: Timestamp,
) -> String {
    text(&Envelope {
        event_id: record.event_id,
        created_at: milliseconds(record.created_at),
        creator_id: record.creator_id,
        metadata: &record.metadata,
        payload: &record.payload,
        subscription_id: subscription.id,
        timestamp: nanoseconds(sent_at),
        url_callback: &subscription.url_callback,
        validation_code: None,
        validation_code_url: None,
    })
}

/// The body of a ping: event id 0, numbers in the metadata, and the validation code while there is need of one.
pub(crate) fn ping_body(subscription: &Subscription, sent_at: Timestamp, base_url: &str) -> String {
    let mut metadata = Map::new();
    metadata.insert("request_type".to_owned(), "POST".into());
    metadata.insert("event_user_id".to_owned(), subscription.user_id.into());
    let code = subscription
        .validated_at
        .is_none()
        .then_some(subscription.validation_code.as_str());
    text(&Envelope {
        event_id: 0,
        created_at: nanoseconds(sent_at),
        creator_id: subscription.user_id,
        metadata: &metadata,
        payload: &json!("ping"),
        subscription_id: subscription.id,
        timestamp: nanoseconds(sent_at),
        url_callback: &subscription.url_callback,
        validation_code: code,
        validation_code_url: code.map(|code| {
            format!(
                "{base_url}/webhooks/api/v1/validate/{}/{}/{code}",
                subscription.workspace_id, subscription.id
            )
        }),
    })
}

fn text<Metadata: Serialize>(envelope: &Envelope<'_, Metadata>) -> String {
    // Only string keys and plain values: this cannot fail.
    serde_json::to_string(envelope).unwrap_or_default()
}
