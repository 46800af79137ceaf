//! The OpenAPI document, generated from the handlers and the JSON types.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::routes::{
    activities, backup, connections, deliveries, hooks, operations, sealing_key, users,
};
use crate::api::Problem;

/// What every operation may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes responses that ApiError makes")]
pub(super) enum Problems {
    /// The request is refused; `code` and `detail` say why and what helps.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Client(#[to_schema] Problem),
    /// The host or the remote service failed; trying again may help.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Server(#[to_schema] Problem),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "integration-host",
        description = "Connects the platform's integrations, maps their users and reads the time they log.",
        license(name = "Apache-2.0")
    ),
    tags(
        (name = "connections", description = "Connecting scopes of a remote service"),
        (name = "users", description = "Who is who"),
        (name = "activities", description = "The time people logged"),
        (name = "deliveries", description = "What remote services sent"),
        (name = "hooks", description = "Where remote services send"),
        (name = "operations", description = "What operators watch")
    ),
    paths(
        connections::integration,
        connections::test,
        connections::connect,
        connections::list,
        connections::show,
        connections::log,
        connections::rename,
        connections::replace_secrets,
        connections::disconnect,
        connections::check,
        connections::read_gap,
        connections::take_over,
        connections::separate,
        connections::reconcile,
        connections::missing,
        connections::take_back,
        users::list,
        users::refresh,
        users::map,
        users::search,
        activities::list,
        activities::changes,
        activities::stream,
        deliveries::list,
        deliveries::replay,
        deliveries::replay_failed,
        backup::backup,
        sealing_key::show_sealing_key,
        sealing_key::rotate_sealing_key,
        hooks::receive,
        operations::alive,
        operations::ready,
        operations::metrics,
        operations::openapi,
    ),
    security(("admin-token" = [])),
    modifiers(&AdminTokenScheme)
)]
struct Document;

struct AdminTokenScheme;

impl Modify for AdminTokenScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The host's admin token, from INTEGRATION_HOST_TOKEN or the file admin-token in its data directory",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("admin-token", SecurityScheme::Http(scheme));
    }
}

/// What the API has for the console.
#[cfg(feature = "console")]
#[derive(OpenApi)]
#[openapi(paths(operations::make_sign_in_link, operations::end_sessions))]
struct ConsoleDocument;

/// The OpenAPI document of this host.
pub fn document() -> utoipa::openapi::OpenApi {
    let document = Document::openapi();
    #[cfg(feature = "console")]
    let document = document.merge_from(ConsoleDocument::openapi());
    document
}
