//! Deliveries: what Toggl sends when something happens.
//!
//! A delivery is answered from storage alone, without a request to Toggl, so that it is answered
//! fast. Nothing of it is parsed before its signature holds.

mod name;
mod signature;
mod time_entry;

use crate::time::Timestamp;

use crate::capability::Capabilities;
use crate::json::{self, Json};
use crate::model::{
    Changes, DeliveryOutcome, DeliveryResult, Error, WebhookRequest, WebhookResponse,
};
use crate::names::{Kind, NameCache};
use crate::state::{self, Announced, Webhook};

use self::name::NameEvent;

pub(crate) use self::signature::SIGNATURE_HEADER;
pub(crate) use self::time_entry::stop;

/// What orders an event among others.
struct Event {
    id: Option<u64>,
    created_at: Option<Timestamp>,
}

/// Takes one delivery.
pub(crate) fn handle(
    capabilities: &dyn Capabilities,
    request: &WebhookRequest,
) -> Result<DeliveryResult, Error> {
    let Some(webhook) = verify(capabilities, request)? else {
        return Ok(refused(
            401,
            "The delivery does not carry a valid signature.",
        ));
    };
    let Ok(envelope) = json::parse(&request.body) else {
        // It is genuine, and repeating it would not make it better.
        return Ok(ignored(
            None,
            "The delivery is genuine but its JSON cannot be understood.",
        ));
    };
    if let Some(reason) = misdirection(&envelope, &webhook, &request.callback_url) {
        return Ok(refused(403, reason));
    }
    let event = Event {
        id: envelope.get("event_id").id(),
        created_at: envelope.get("created_at").time(),
    };
    if is_ping(&envelope) {
        if let Some(subscription_id) = envelope.get("subscription_id").id() {
            note_announced(capabilities, &webhook, subscription_id)?;
        }
        return Ok(pong(envelope.get("validation_code").text()));
    }
    let (metadata, entity) = (envelope.get("metadata"), envelope.get("payload"));
    let model = metadata.get("model").text().unwrap_or_default();
    if model == "time_entry" {
        time_entry_told(capabilities, &event, metadata, entity)
    } else if let Some(kind) = Kind::parse(model) {
        name_told(capabilities, kind, &event, metadata, entity)
    } else {
        Ok(ignored(
            event.id,
            "The delivery is about something this integration does not record.",
        ))
    }
}

/// What the delivery is checked against, if its signature holds. A missing secret fails like a
/// wrong signature.
fn verify(
    capabilities: &dyn Capabilities,
    request: &WebhookRequest,
) -> Result<Option<Webhook>, Error> {
    let Some(signature) = signature::find(&request.headers) else {
        return Ok(None);
    };
    let Some(webhook) = state::read::<Webhook>(capabilities, state::WEBHOOK)? else {
        return Ok(None);
    };
    let is_genuine = signature::is_genuine(&webhook.secret, &request.body, &signature)
        || webhook
            .previous_secret
            .as_deref()
            .is_some_and(|secret| signature::is_genuine(secret, &request.body, &signature));
    Ok(is_genuine.then_some(webhook))
}

/// Why a genuine delivery is not meant for this connection, if it is not.
fn misdirection(
    envelope: &Json<'_>,
    webhook: &Webhook,
    callback_url: &str,
) -> Option<&'static str> {
    let payload = envelope.get("payload");
    // `wid` is the older name of `workspace_id`, as `uid`, `pid`, `tid` and `cid` are of theirs.
    if [
        envelope.get("metadata").get("workspace_id"),
        payload.get("workspace_id"),
        payload.get("wid"),
    ]
    .into_iter()
    .filter_map(Json::id)
    .any(|workspace| workspace != webhook.workspace_id)
    {
        return Some("The delivery is about another workspace.");
    }
    if let Some(called) = envelope.get("url_callback").text()
        && called != callback_url
        && Some(called) != webhook.callback_url.as_deref()
    {
        return Some("The delivery was sent for another callback URL.");
    }
    // A subscription that replaces a lost one is pinged before its id can be stored.
    if !is_ping(envelope)
        && let (Some(sent_by), Some(expected)) = (
            envelope.get("subscription_id").id(),
            webhook.subscription_id,
        )
        && sent_by != expected
    {
        return Some("The delivery comes from another subscription.");
    }
    None
}

/// Remembers a subscription that is not stored yet, so that disconnecting removes it even if the
/// answer to its creation is lost.
fn note_announced(
    capabilities: &dyn Capabilities,
    webhook: &Webhook,
    subscription_id: u64,
) -> Result<(), Error> {
    if webhook.subscription_id == Some(subscription_id) {
        return Ok(());
    }
    let announced = Announced { subscription_id };
    if state::recall(capabilities, state::ANNOUNCED)? != Some(announced) {
        capabilities.write(vec![state::put(state::ANNOUNCED, &announced)?])?;
    }
    Ok(())
}

fn is_ping(envelope: &Json<'_>) -> bool {
    envelope.get("payload").text() == Some("ping")
        || envelope.get("validation_code").text().is_some()
}

fn time_entry_told(
    capabilities: &dyn Capabilities,
    event: &Event,
    metadata: &Json<'_>,
    entity: &Json<'_>,
) -> Result<DeliveryResult, Error> {
    let told = match time_entry::read(event, metadata, entity) {
        Ok(told) => told,
        Err(reason) => return Ok(ignored(event.id, reason)),
    };
    let mut cache = NameCache::new(capabilities);
    let (subjects, names_missing) = cache.chain(told.reference)?;
    cache.save()?;
    let detail = match (told.activity.deleted, metadata.get("action").text()) {
        (true, _) => "A time entry was deleted.",
        (false, Some("created")) => "A time entry was created.",
        (false, _) => "A time entry was updated.",
    };
    let changes = Changes {
        activities: vec![told.activity],
        subjects,
    };
    Ok(accepted(event.id, detail, changes, names_missing))
}

fn name_told(
    capabilities: &dyn Capabilities,
    kind: Kind,
    event: &Event,
    metadata: &Json<'_>,
    entity: &Json<'_>,
) -> Result<DeliveryResult, Error> {
    let mut cache = NameCache::new(capabilities);
    let told = name::read(&mut cache, kind, event, metadata, entity)?;
    cache.save()?;
    Ok(match told {
        NameEvent::Told(subject, names_missing) => {
            let detail = match kind {
                Kind::Task => "A task was named.",
                Kind::Project => "A project was named.",
                Kind::Client => "A client was named.",
            };
            let changes = Changes {
                activities: Vec::new(),
                subjects: vec![subject],
            };
            accepted(event.id, detail, changes, names_missing)
        }
        NameEvent::Nothing(reason, names_missing) => DeliveryResult {
            names_missing,
            ..ignored(event.id, reason)
        },
    })
}

/// The project of a time entry or task, under its present or its older name.
fn project(entity: &Json<'_>) -> Option<u64> {
    entity
        .get("project_id")
        .id()
        .or_else(|| entity.get("pid").id())
}

fn accepted(
    event: Option<u64>,
    detail: &str,
    changes: Changes,
    names_missing: bool,
) -> DeliveryResult {
    DeliveryResult {
        response: response(200),
        outcome: DeliveryOutcome::Accepted,
        detail: detail.into(),
        event_id: event.map(|id| id.to_string()),
        changes,
        names_missing,
    }
}

fn ignored(event: Option<u64>, detail: &str) -> DeliveryResult {
    DeliveryResult {
        outcome: DeliveryOutcome::Ignored,
        ..accepted(event, detail, Changes::default(), false)
    }
}

fn refused(status: u16, detail: &str) -> DeliveryResult {
    DeliveryResult {
        response: response(status),
        outcome: DeliveryOutcome::Refused,
        ..accepted(None, detail, Changes::default(), false)
    }
}

/// The answer to a ping: the validation code, if it came with one.
///
/// Every ping has the event id 0, so none is handed on to tell repetitions by.
fn pong(validation_code: Option<&str>) -> DeliveryResult {
    let (body, detail) = match validation_code {
        Some(code) => {
            let code = serde_json::to_string(code).unwrap_or_default();
            (
                format!(r#"{{"validation_code":{code}}}"#),
                "Toggl validates the callback.",
            )
        }
        None => ("{}".into(), "Toggl pinged the callback."),
    };
    DeliveryResult {
        response: WebhookResponse {
            status: 200,
            content_type: Some("application/json".into()),
            body: body.into_bytes(),
        },
        outcome: DeliveryOutcome::Ping,
        ..accepted(None, detail, Changes::default(), false)
    }
}

fn response(status: u16) -> WebhookResponse {
    WebhookResponse {
        status,
        content_type: None,
        body: Vec::new(),
    }
}
