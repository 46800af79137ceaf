//! The HTTP server: API v1, the callbacks of remote services, and what operators watch.
//!
//! Every route of the API calls one use case of [`Host`](integration_host::Host) and turns its result into JSON; every error leaves as
//! `application/problem+json`. Deliveries at `/hooks/{hook}`, `/healthz`, `/readyz` and
//! `/api/openapi.json` are open; the console at `/` needs a session; everything else, `/metrics` included, needs the admin
//! token, because the listener faces the internet wherever deliveries arrive from there. A platform that has a server of
//! its own mounts the routes of a [`Server`] there, and an [`Authenticator`] stands for its sign-in.
#![deny(missing_docs)]
#![cfg_attr(
    not(feature = "console"),
    allow(
        dead_code,
        reason = "the console alone takes sessions, and counts those that somebody made up"
    )
)]

pub mod api;

mod admin_token;
mod authentication;
mod body;
mod browser;
mod client;
#[cfg(feature = "console")]
mod console;
mod error;
mod extract;
mod follow;
mod layers;
mod listener;
mod login_throttle;
mod open_connections;
mod openapi;
mod request_log;
mod router;
mod routes;
mod server;
mod signature_throttle;
mod state;
mod sub_path;
mod write_timeout;

pub use self::admin_token::{AdminToken, AdminTokenError, AdminTokenSource};
pub use self::authentication::{Authenticator, Identity, Role};
#[cfg(feature = "console")]
pub use self::console::{SignInCode, SignInLinks};
pub use self::error::status_of;
pub use self::openapi::document;
pub use self::server::Server;
