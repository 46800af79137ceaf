//! The HTTP server: API v1, the callbacks of remote services, and what operators watch.
//!
//! Every route of the API calls one use case of [`Service`] and turns its result into JSON; every error leaves as
//! `application/problem+json`. Deliveries at `/hooks/{hook}`, `/healthz`, `/readyz` and
//! `/api/openapi.json` are open; the console at `/` needs a session; everything else, `/metrics` included, needs the admin token, because the listener
//! faces the internet wherever deliveries arrive from there.

mod admin_token;
mod authentication;
mod body;
mod browser;
mod client;
mod console;
mod error;
mod extract;
mod follow;
mod guesses;
mod layers;
mod listener;
mod open_connections;
mod openapi;
mod patience;
mod refusals;
mod router;
mod routes;
mod state;

use std::future::Future;
use std::io;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::admin_token::{AdminToken, AdminTokenError, AdminTokenSource};
use self::browser::OwnAddress;
use self::client::TrustedProxies;
pub use self::console::{SignInCode, SignInLinks};
pub use self::error::status_of;
use self::listener::Listener;
pub use self::openapi::document;
use self::state::AppState;
use crate::limits::Limits;
use crate::service::Service;

/// What a server needs besides the use cases.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What requests to the API must carry.
    pub admin_token: AdminToken,
    /// Time-outs and limits.
    pub limits: Limits,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Links that sign in to the console; the embedding program may issue some too.
    pub sign_in_links: SignInLinks,
}

/// Every route, for a platform that serves them with a server of its own, which then bounds connections
/// and header sizes itself. Event streams end when `stopping` turns true.
pub fn router(
    service: Service,
    options: ServerOptions,
    stopping: watch::Receiver<bool>,
) -> axum::Router {
    let own = OwnAddress {
        public_url: service.public_url().clone(),
        is_loopback: false,
    };
    let (state, _) = AppState::new(service, options, stopping);
    router::router(state, own)
}

/// Serves until `shutdown` completes, then takes no new request and lets those that run finish, for
/// [`Limits::shutdown`] at most. Use cases go on when their client hangs up, so those are waited for too.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = options.limits.clone();
    let proxies = TrustedProxies::new(options.trusted_proxies.clone());
    let own = OwnAddress {
        public_url: service.public_url().clone(),
        is_loopback: listener.local_addr()?.ip().to_canonical().is_loopback(),
    };
    let (stop, stopping) = watch::channel(false);
    let (state, mut work) = AppState::new(service, options, stopping.clone());
    let router = router::router(state, own);
    let accepting = Listener::new(router, proxies, &limits, stopping.clone());
    let stopper = async move {
        shutdown.await;
        tracing::info!("stopping: waiting for running requests");
        stop.send_replace(true);
    };
    let finished = async {
        tokio::join!(accepting.run(listener), stopper);
        // Yields nothing but the end: every open connection and every running use case holds a sender.
        while work.recv().await.is_some() {}
        Ok(())
    };
    tokio::select! {
        result = finished => result,
        () = expiry(stopping, limits.shutdown()) => {
            tracing::warn!("stopping: some requests did not finish in time");
            Ok(())
        }
    }
}

/// Completes when stopping has taken too long.
async fn expiry(mut stopping: watch::Receiver<bool>, grace: Duration) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(grace).await;
}
