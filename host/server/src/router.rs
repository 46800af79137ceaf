//! Which address leads to which handler.

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use tower_http::cors::CorsLayer;

use super::authentication::require_identity;
use super::browser::{OwnAddress, guard};
#[cfg(feature = "console")]
use super::console;
use super::layers::{admitted, with_own_methods};
pub(super) use super::layers::{finish, with_an_end};
use super::routes::{
    activities, backup, connections, deliveries, hooks, operations, sealing_key, users,
};
use super::state::AppState;

/// The API.
pub(super) fn api(state: &AppState, own: &OwnAddress) -> Router<AppState> {
    let known = from_fn_with_state(state.admission.clone(), require_identity);
    let routes = admin_routes()
        .route_layer(from_fn(admitted))
        .route_layer(known)
        .merge(documents())
        .route_layer(from_fn_with_state(own.clone(), guard));
    let routes = with_own_methods(routes);
    match own.allowed_origins.is_empty() {
        true => routes,
        false => routes.layer(allowing(own.allowed_origins.to_vec())),
    }
}

/// The pages for people.
#[cfg(feature = "console")]
pub(super) fn console(state: &AppState, own: &OwnAddress) -> Router<AppState> {
    let routes = console::routes(state).route_layer(from_fn_with_state(own.clone(), guard));
    with_own_methods(routes)
}

/// What says how to go on, to whoever can read it.
fn documents() -> Router<AppState> {
    Router::new().route("/api/openapi.json", get(operations::openapi))
}

/// What tells browsers that pages of these origins may see answers.
fn allowing(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH])
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
}

/// Routes that programs call which have no token: remote services and probes, under whatever name.
pub(super) fn open_routes() -> Router<AppState> {
    let routes = Router::new()
        .route("/healthz", get(operations::alive))
        .route("/readyz", get(operations::ready))
        .route("/hooks/{hook}", post(hooks::receive));
    with_own_methods(routes)
}

/// Routes that need somebody who is let in.
fn admin_routes() -> Router<AppState> {
    let routes = Router::new();
    #[cfg(feature = "console")]
    let routes = routes
        .route("/api/v1/sign-in-links", post(operations::make_sign_in_link))
        .route(
            "/api/v1/sessions",
            axum::routing::delete(operations::end_sessions),
        );
    routes
        .route("/metrics", get(operations::metrics))
        .route("/api/v1/integration", get(connections::integration))
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
        .route("/api/v1/backup", get(backup::backup))
        .route("/api/v1/sealing-key", get(sealing_key::show_sealing_key))
        .route(
            "/api/v1/sealing-key/rotate",
            post(sealing_key::rotate_sealing_key),
        )
}

#[cfg(test)]
mod tests;
