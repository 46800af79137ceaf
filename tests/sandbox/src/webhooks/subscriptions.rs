//! Subscriptions: list, create, replace, enable and disable, delete.
//!
//! Creating, replacing and enabling ping the callback *before* they answer, which follows from the documented 400 texts
//! ("URL endpoint … responded with status …"): a receiver must know its path and secret beforehand. Undecided by the documentation
//! and decided here: a creation with `enabled: false` pings too; a new `url_callback` must be validated anew; a `*` counts as one filter.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ping::ping;
use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes::microseconds,
    shared::Shared,
    world::{
        Action, Entity, World,
        model::{EventFilter, Member, Subscription},
    },
};

type Answer = Result<Json<Value>, ApiError>;

/// The body of a creation or replacement; what is left out of a replacement is *not* kept (PUT takes the whole object).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    url_callback: String,
    event_filters: Vec<EventFilter>,
    enabled: bool,
    description: String,
    secret: Option<String>,
}

#[derive(Debug, Deserialize)]
struct EnabledState {
    enabled: bool,
}

/// `GET /subscriptions/{ws}`: administrators see everybody's, others their own.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
) -> Answer {
    shared.read(|world| {
        let admin = membership(world, workspace_id, call.user_id)?.is_admin();
        let rows = world.subscriptions.values().filter(|subscription| {
            subscription.workspace_id == workspace_id
                && (admin || subscription.user_id == call.user_id)
        });
        Ok(Json(Value::Array(
            rows.map(|subscription| shape(world, subscription))
                .collect(),
        )))
    })
}

/// `POST /subscriptions/{ws}`: answers 200, not 201.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Answer {
    let payload: Payload = parse(&body)?;
    let id = shared.change(|world| {
        let admin = membership(world, workspace_id, call.user_id)?.is_admin();
        if !admin && !world.behaviour.non_admins_may_subscribe {
            return Err(not_accessible());
        }
        check(world, workspace_id, None, call.user_id, &payload)?;
        let now = world.now();
        let id = world.new_id();
        let subscription = Subscription {
            id,
            workspace_id,
            user_id: call.user_id,
            description: payload.description,
            event_filters: payload.event_filters,
            url_callback: payload.url_callback,
            secret: payload
                .secret
                .filter(|secret| !secret.is_empty())
                .unwrap_or_else(new_code),
            enabled: payload.enabled,
            validated_at: None,
            validation_code: new_code(),
            in_order: world.delivery.in_order,
            created_at: now,
            updated_at: now,
        };
        world.subscriptions.insert(id, subscription);
        Ok(id)
    })?;
    if let Err(reason) = ping(&shared, id, "200").await {
        shared.change(|world| world.subscriptions.remove(&id));
        return Err(ApiError::bad_request(&reason));
    }
    answer(&shared, workspace_id, id, call.user_id)
}

/// `PUT /subscriptions/{ws}/{id}`: the whole object; a field left out falls back to its empty value.
pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let payload: Payload = parse(&body)?;
    let before = shared.change(|world| {
        membership(world, workspace_id, call.user_id)?;
        let before = find(world, workspace_id, id, call.user_id)?.clone();
        check(world, workspace_id, Some(id), before.user_id, &payload)?;
        let now = world.now();
        if let Some(subscription) = world.subscriptions.get_mut(&id) {
            if subscription.url_callback != payload.url_callback {
                subscription.validated_at = None;
                subscription.validation_code = new_code();
            }
            subscription.url_callback = payload.url_callback;
            subscription.description = payload.description;
            subscription.event_filters = payload.event_filters;
            subscription.enabled = payload.enabled;
            if let Some(secret) = payload.secret.filter(|secret| !secret.is_empty()) {
                subscription.secret = secret;
            }
            subscription.updated_at = now;
        }
        Ok(before)
    })?;
    ping_or_restore(&shared, before, "2xx").await?;
    answer(&shared, workspace_id, id, call.user_id)
}

/// `PATCH /subscriptions/{ws}/{id}`: `enabled` only; enabling pings.
pub(crate) async fn set_enabled(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let EnabledState { enabled } = parse(&body)?;
    let before = shared.change(|world| {
        membership(world, workspace_id, call.user_id)?;
        let before = find(world, workspace_id, id, call.user_id)?.clone();
        if enabled && !before.enabled {
            check_enabled_limit(world, workspace_id, Some(id), before.user_id)?;
        }
        let now = world.now();
        if let Some(subscription) = world.subscriptions.get_mut(&id) {
            subscription.enabled = enabled;
            subscription.updated_at = now;
        }
        Ok(before)
    })?;
    if enabled {
        ping_or_restore(&shared, before, "200").await?;
    }
    answer(&shared, workspace_id, id, call.user_id)
}

/// `DELETE /subscriptions/{ws}/{id}`: answers what was deleted.
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
) -> Answer {
    shared.change(|world| {
        membership(world, workspace_id, call.user_id)?;
        let mut gone = shape(world, find(world, workspace_id, id, call.user_id)?);
        if let Some(gone) = gone.as_object_mut() {
            gone.insert("deleted_at".to_owned(), microseconds(world.now()).into());
        }
        world.subscriptions.remove(&id);
        Ok(Json(gone))
    })
}

/// The caller's membership, or the 403 of the Webhooks API.
pub(crate) fn membership(
    world: &World,
    workspace_id: i64,
    user_id: i64,
) -> Result<&Member, ApiError> {
    world
        .access(workspace_id, user_id)
        .map_err(|_| not_accessible())
}

/// A subscription the caller may handle: the own ones, or all for administrators.
pub(crate) fn find(
    world: &World,
    workspace_id: i64,
    id: i64,
    user_id: i64,
) -> Result<&Subscription, ApiError> {
    let admin = world.is_admin(workspace_id, user_id);
    world
        .subscriptions
        .get(&id)
        .filter(|subscription| {
            subscription.workspace_id == workspace_id && (admin || subscription.user_id == user_id)
        })
        .ok_or_else(|| {
            ApiError::literal(
                StatusCode::NOT_FOUND,
                &format!("subscription {id} for workspace {workspace_id} was not found"),
            )
        })
}

async fn ping_or_restore(
    shared: &Shared,
    before: Subscription,
    expected: &str,
) -> Result<(), ApiError> {
    let id = before.id;
    ping(shared, id, expected).await.map_err(|reason| {
        shared.change(|world| {
            if let Some(subscription) = world.subscriptions.get_mut(&id) {
                *subscription = before;
            }
        });
        ApiError::bad_request(&reason)
    })
}

fn answer(shared: &Shared, workspace_id: i64, id: i64, user_id: i64) -> Answer {
    shared.read(|world| {
        find(world, workspace_id, id, user_id).map(|subscription| Json(shape(world, subscription)))
    })
}

/// OpenAPI `models.WebhookSubscription`.
fn shape(world: &World, subscription: &Subscription) -> Value {
    let mut shape = json!({
        "subscription_id": subscription.id,
        "workspace_id": subscription.workspace_id,
        "user_id": subscription.user_id,
        "enabled": subscription.enabled,
        "description": subscription.description,
        "event_filters": subscription.event_filters,
        "url_callback": subscription.url_callback,
        "validated_at": subscription.validated_at.map(microseconds),
        "has_pending_events": world.outbox.has_pending(subscription.id),
        "created_at": microseconds(subscription.created_at),
        "updated_at": microseconds(subscription.updated_at),
        "deleted_at": null,
    });
    if let Some(shape) = shape
        .as_object_mut()
        .filter(|_| world.behaviour.return_secret)
    {
        shape.insert("secret".to_owned(), subscription.secret.clone().into());
    }
    shape
}

/// Everything the documented 400s say, before any ping.
fn check(
    world: &World,
    workspace_id: i64,
    id: Option<i64>,
    user_id: i64,
    payload: &Payload,
) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::bad_request(&text));
    let description = payload.description.as_str();
    if description.trim().is_empty() {
        return refuse("Subscription description must not be empty".to_owned());
    }
    let taken = |other: &Subscription| {
        other.workspace_id == workspace_id
            && Some(other.id) != id
            && other.description == description
    };
    if world.subscriptions.values().any(taken) {
        return refuse(format!(
            "Subscription description '{description}' is already in use for workspace {workspace_id}"
        ));
    }
    check_filters(world, workspace_id, &payload.event_filters)?;
    if payload.enabled {
        check_enabled_limit(world, workspace_id, id, user_id)
    } else {
        Ok(())
    }
}

fn check_filters(
    world: &World,
    workspace_id: i64,
    filters: &[EventFilter],
) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::bad_request(&text));
    if filters.is_empty() {
        return refuse("The list of event filters must not be empty".to_owned());
    }
    let (_, limit) = world
        .organization_of(workspace_id)
        .map_or((0, 0), crate::world::model::Organization::webhook_limits);
    if filters.len() > limit {
        return refuse(format!(
            "The limit of {limit} event filters for your subscription has been exceeded as you're trying to set {} filters",
            filters.len()
        ));
    }
    for (position, filter) in filters.iter().enumerate() {
        let EventFilter { entity, action } = filter;
        for (name, value, all) in [
            ("entity", entity, "entities"),
            ("action", action, "actions"),
        ] {
            if value.is_empty() {
                return refuse(format!(
                    "The {name} field for each subscription event filter must be non-empty"
                ));
            }
            if value != "*"
                && !value
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            {
                return refuse(format!(
                    "The value '{value}' for the filter {name} can only contain letters, numbers and '_' or be '*' to match all {all}"
                ));
            }
        }
        // An entity nobody knows has no valid action; the documentation has no text of its own for it.
        let known_entity =
            entity == "*" || Entity::ALL.iter().any(|known| known.as_str() == entity);
        let known_action =
            action == "*" || Action::ALL.iter().any(|known| known.as_str() == action);
        if !known_entity || !known_action {
            return refuse(format!("Invalid value '{action}' for event filter action"));
        }
        if filters
            .iter()
            .take(position)
            .any(|earlier| earlier == filter)
        {
            return refuse(format!(
                "The following event filter appears more than once for your subscription: {entity}:{action}"
            ));
        }
    }
    Ok(())
}

fn check_enabled_limit(
    world: &World,
    workspace_id: i64,
    id: Option<i64>,
    user_id: i64,
) -> Result<(), ApiError> {
    let (limit, _) = world
        .organization_of(workspace_id)
        .map_or((0, 0), crate::world::model::Organization::webhook_limits);
    let enabled = world
        .subscriptions
        .values()
        .filter(|other| other.workspace_id == workspace_id && other.enabled && Some(other.id) != id)
        .count();
    if enabled < limit {
        return Ok(());
    }
    Err(ApiError::bad_request(&format!(
        "User {user_id} already reached the limit of {limit} enabled subscriptions for workspace {workspace_id}"
    )))
}

fn not_accessible() -> ApiError {
    ApiError::literal(
        StatusCode::FORBIDDEN,
        "User not found/accessible for workspace",
    )
}

/// 32 hex digits, as recorded validation codes have them.
fn new_code() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
