//! Which address leads to which handler.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};

use super::authentication::require_admin;
use super::browser::{OwnAddress, guard};
use super::client::TrustedProxies;
use super::console;
use super::layers::{admitted, finish};
use super::routes::{activities, connections, deliveries, hooks, keeping, operations, users};
use super::state::AppState;

/// Every route.
pub(super) fn router(state: AppState, own: OwnAddress, proxies: Arc<TrustedProxies>) -> Router {
    let admin = from_fn_with_state(state.admission.clone(), require_admin);
    let is_https = own.public_url.scheme() == "https";
    let guarded = console::routes(&state)
        .merge(documents())
        .merge(
            admin_routes()
                .route_layer(from_fn(admitted))
                .route_layer(admin),
        )
        .route_layer(from_fn_with_state(own, guard));
    finish(open_routes().merge(guarded), proxies, is_https).with_state(state)
}

/// What says how to go on, to whoever can read it.
fn documents() -> Router<AppState> {
    Router::new().route("/api/openapi.json", get(operations::openapi))
}

/// Routes that programs call which have no token: remote services and probes, under whatever name.
fn open_routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(operations::alive))
        .route("/readyz", get(operations::ready))
        .route("/hooks/{hook}", post(hooks::receive))
}

/// Routes that need the admin token.
fn admin_routes() -> Router<AppState> {
    Router::new()
        .route("/metrics", get(operations::metrics))
        .route("/api/v1/sign-in-links", post(operations::make_sign_in_link))
        .route("/api/v1/sessions", delete(operations::end_sessions))
        .route("/api/v1/test", post(connections::test))
        .route(
            "/api/v1/connections",
            get(connections::list).post(connections::connect),
        )
        .route(
            "/api/v1/connections/{id}",
            get(connections::show)
                .patch(connections::rename)
                .delete(connections::disconnect),
        )
        .route(
            "/api/v1/connections/{id}/secrets",
            put(connections::replace_secrets),
        )
        .route("/api/v1/connections/{id}/log", get(connections::log))
        .route("/api/v1/connections/{id}/users", get(users::list))
        .route(
            "/api/v1/connections/{id}/users/refresh",
            post(users::refresh),
        )
        .route(
            "/api/v1/connections/{id}/users/{remote_id}",
            put(users::map),
        )
        .route("/api/v1/connections/{id}/check", post(connections::check))
        .route(
            "/api/v1/connections/{id}/gap/read",
            post(connections::read_gap),
        )
        .route(
            "/api/v1/connections/{id}/take-over",
            post(connections::take_over),
        )
        .route(
            "/api/v1/connections/{id}/separate",
            post(connections::separate),
        )
        .route(
            "/api/v1/connections/{id}/reconcile",
            post(connections::reconcile),
        )
        .route(
            "/api/v1/connections/{id}/missing",
            get(connections::missing),
        )
        .route(
            "/api/v1/connections/{id}/missing/take-back",
            post(connections::take_back),
        )
        .route("/api/v1/users", get(users::search))
        .route("/api/v1/activities", get(activities::list))
        .route("/api/v1/activities/changes", get(activities::changes))
        .route("/api/v1/activities/stream", get(activities::stream))
        .route("/api/v1/deliveries", get(deliveries::list))
        .route("/api/v1/deliveries/replay", post(deliveries::replay_failed))
        .route("/api/v1/deliveries/{id}/replay", post(deliveries::replay))
        .route("/api/v1/backup", get(keeping::backup))
        .route("/api/v1/sealing-key", get(keeping::show_sealing_key))
        .route(
            "/api/v1/sealing-key/rotate",
            post(keeping::rotate_sealing_key),
        )
}

#[cfg(test)]
mod tests;
