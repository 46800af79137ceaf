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
use crate::text;

use self::name::NameEvent;

pub(crate) use self::signature::{SIGNATURE_HEADER, SIGNATURE_PREFIX};
pub(crate) use self::time_entry::stop;

const ANOTHER_WORKSPACE: &str = "The delivery is about another workspace.";

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
    let Ok((envelope, was_mended)) = json::parse_noting(&request.body) else {
        return Ok(unreadable(
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
    let place = Place::of(&envelope, &webhook);
    if place != Place::Here && is_ping(&envelope) {
        return Ok(refused(
            403,
            "The ping is of another workspace's subscription.",
        ));
    }
    match place {
        Place::Here => {}
        Place::AnotherWorkspace => return Ok(moved_away(&event, &envelope)),
        Place::Unclear => return Ok(ignored(event.id, ANOTHER_WORKSPACE)),
    }
    if is_ping(&envelope) {
        if let Some(subscription_id) = envelope.get("subscription_id").id() {
            note_announced(capabilities, &webhook, subscription_id)?;
        }
        return Ok(pong(envelope.get("validation_code").text()));
    }
    let (metadata, entity) = (envelope.get("metadata"), envelope.get("payload"));
    let Some(model) = metadata.get("model").text() else {
        return Ok(unreadable(
            event.id,
            "The delivery is genuine but does not say what it is about.",
        ));
    };
    if model == "time_entry" {
        time_entry_told(capabilities, &event, metadata, entity, was_mended)
    } else if let Some(kind) = Kind::parse(model) {
        name_told(capabilities, kind, &event, metadata, entity)
    } else {
        Ok(ignored(
            event.id,
            "The delivery is about something this integration does not record.",
        ))
    }
}

/// What the delivery is checked against, if its signature holds. Without a secret nothing can be said about it.
fn verify(
    capabilities: &dyn Capabilities,
    request: &WebhookRequest,
) -> Result<Option<Webhook>, Error> {
    let Some(signature) = signature::find(&request.headers) else {
        return Ok(None);
    };
    let webhook: Webhook =
        state::read(capabilities, state::WEBHOOK)?.ok_or_else(state::not_connected)?;
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
    if let Some(called) = envelope.get("url_callback").text()
        && called != callback_url
        && Some(called) != webhook.callback_url.as_deref()
    {
        return Some("The delivery was sent for another callback URL.");
    }
    None
}

/// Where a delivery places what it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    AnotherWorkspace,
    /// It contradicts itself.
    Unclear,
}

impl Place {
    fn of(envelope: &Json<'_>, webhook: &Webhook) -> Self {
        let payload = envelope.get("payload");
        // Where it is now comes first; the metadata may name the one it came from. `wid` is the older name of
        // `workspace_id`, as `uid`, `pid`, `tid` and `cid` are of theirs.
        let mut told = [
            payload.get("workspace_id"),
            payload.get("wid"),
            envelope.get("metadata").get("workspace_id"),
        ]
        .into_iter()
        .filter_map(Json::id)
        .map(|workspace| workspace == webhook.workspace_id);
        match told.next() {
            Some(false) => Self::AnotherWorkspace,
            _ if told.all(|is_here| is_here) => Self::Here,
            _ => Self::Unclear,
        }
    }
}

/// What was moved to another workspace is gone from here. Nothing of what it is there is taken in. It is acknowledged:
/// refused, it would be delivered again until Toggl disables the subscription.
fn moved_away(event: &Event, envelope: &Json<'_>) -> DeliveryResult {
    let (metadata, entity) = (envelope.get("metadata"), envelope.get("payload"));
    if metadata.get("model").text() != Some("time_entry") {
        return ignored(event.id, ANOTHER_WORKSPACE);
    }
    match time_entry::gone(event, metadata, entity) {
        Some(activity) => {
            let changes = Changes {
                activities: vec![activity],
                subjects: Vec::new(),
            };
            let detail = "A time entry was moved to another workspace.";
            accepted(event.id, detail, changes, false)
        }
        None => ignored(event.id, ANOTHER_WORKSPACE),
    }
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
    was_mended: bool,
) -> Result<DeliveryResult, Error> {
    let mut told = match time_entry::read(event, metadata, entity) {
        Ok(told) => told,
        Err(reason) => return Ok(unreadable(event.id, reason)),
    };
    let id = &told.activity.id;
    let content = told.activity.content.as_mut();
    let mut notes: Vec<String> = content
        .and_then(|log| text::fit(id, log))
        .into_iter()
        .collect();
    if was_mended {
        notes.push(format!(
            "What Toggl told of the time entry {id} was damaged: characters that cannot be read were replaced."
        ));
    }
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
    Ok(DeliveryResult {
        notes,
        ..accepted(event.id, detail, changes, names_missing)
    })
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
        NameEvent::Told(subject, names_missing, change) => {
            let what = match kind {
                Kind::Task => "task",
                Kind::Project => "project",
                Kind::Client => "client",
            };
            let detail = format!("A {what} was {change}.");
            let changes = Changes {
                subjects: vec![subject],
                ..Changes::default()
            };
            accepted(event.id, &detail, changes, names_missing)
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
        notes: Vec::new(),
        names_missing,
    }
}

fn ignored(event: Option<u64>, detail: &str) -> DeliveryResult {
    DeliveryResult {
        outcome: DeliveryOutcome::Ignored,
        ..accepted(event, detail, Changes::default(), false)
    }
}

fn unreadable(event: Option<u64>, detail: &str) -> DeliveryResult {
    DeliveryResult {
        outcome: DeliveryOutcome::Unreadable,
        ..ignored(event, detail)
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
