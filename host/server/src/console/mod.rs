//! The console: pages for people, on the use cases of [`Host`](integration_host::Host).
//!
//! Every page is HTML from the server and every action a form, so that it works without scripts; scripts
//! make it livelier. Pages name everything relative to a `<base>` that leads to the console's root, so that
//! a reverse proxy may serve it under any path.

mod assets;
mod chart;
mod connect;
mod connection;
mod elements;
mod form;
mod notice;
mod page;
mod problem;
mod services;
mod session;
mod sign_in;
mod sign_in_links;
mod timeline;
mod told;
mod viewer;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;

use self::connect::Drafts;
pub(super) use self::problem::{is_for_a_person, no_page, refusal};
use self::session::Sessions;
pub use self::sign_in_links::{SignInCode, SignInLinks};
use super::AdminToken;
use super::state::AppState;
use integration_host::Host;

/// What pages share.
#[derive(Clone)]
pub(super) struct Console {
    pub(super) sessions: Arc<Sessions>,
    pub(super) sign_in_links: SignInLinks,
    pub(super) drafts: Arc<Drafts>,
}

impl Console {
    pub(super) fn new(host: &Host, token: Option<&AdminToken>, links: SignInLinks) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(
                Arc::clone(host.keys()),
                token,
                host.public_url(),
            )),
            sign_in_links: links,
            drafts: Arc::new(Drafts::default()),
        }
    }
}

/// Every page.
pub(super) fn routes(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(services::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/sign-out-everywhere", post(sign_in::sign_out_everywhere))
        .merge(connect::routes())
        .merge(connection::routes())
        .merge(timeline::routes())
        .layer(from_fn_with_state(state.clone(), problem::frame))
        .route("/assets/{version}/{name}", get(assets::serve))
        .layer(CompressionLayer::new().gzip(true))
}
