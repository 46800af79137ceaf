//! The HTTP server: API v1, the callbacks of remote services, and what operators watch.
//!
//! Every route of the API calls one use case of [`Host`] and turns its result into JSON; every error leaves as
//! `application/problem+json`. Deliveries at `/hooks/{hook}`, `/healthz`, `/readyz` and
//! `/api/openapi.json` are open; the console at `/` needs a session; everything else, `/metrics` included, needs the admin token, because the listener
//! faces the internet wherever deliveries arrive from there.
#![deny(missing_docs)]

pub mod api;
mod spreadsheet;

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
mod request_log;
mod router;
mod routes;
mod state;
mod sub_path;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub use self::admin_token::{AdminToken, AdminTokenError, AdminTokenSource};
use self::browser::OwnAddress;
use self::client::TrustedProxies;
pub use self::console::{SignInCode, SignInLinks};
pub use self::error::status_of;
use self::listener::Listener;
pub use self::openapi::document;
use self::state::AppState;
use self::sub_path::SubPath;
use integration_host::Host;
use integration_host_contract::limits::Limits;

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

/// Every route, for a platform that serves them with a server of its own, which then bounds connections and header
/// sizes itself. `mount` puts them into the platform's router, for example under a path:
/// `|routes| Router::new().nest("/time", routes)`. Event streams end when `stopping` turns true.
///
/// What limits count by is where requests come from, so this makes what tells them so, and nothing else can be
/// served: it goes into `axum::serve` as it is. Routes that are called without an address answer nothing.
pub fn make_service(
    service: Host,
    options: ServerOptions,
    stopping: watch::Receiver<bool>,
    mount: impl FnOnce(axum::Router) -> axum::Router,
) -> (
    IntoMakeServiceWithConnectInfo<axum::Router, SocketAddr>,
    UseCases,
) {
    let proxies = Arc::new(TrustedProxies::new(options.trusted_proxies.clone()));
    let own = OwnAddress {
        public_url: service.public_url().clone(),
        is_loopback: false,
    };
    let grace = options.limits.shutdown();
    let (state, running) = AppState::new(service, options, stopping);
    let router = mount(router::router(state, own, proxies));
    (
        router.into_make_service_with_connect_info(),
        UseCases { running, grace },
    )
}

/// Use cases that run. They go on when their client hangs up, so a server that has stopped waits for them before the
/// process ends: half a connect would leave a webhook behind at the remote service.
pub struct UseCases {
    running: mpsc::Receiver<()>,
    grace: Duration,
}

impl UseCases {
    /// Waits until all have ended, for [`Limits::shutdown`] at most. To be called when the server has ended; false
    /// if some did not finish in time.
    pub async fn finished(self) -> bool {
        let Self { running, grace } = self;
        let ended = tokio::time::timeout(grace, all_ended(running)).await;
        if ended.is_err() {
            tracing::warn!("stopping: some requests did not finish in time");
        }
        ended.is_ok()
    }
}

/// Nothing is sent: every router and every running use case holds a sender, until the last has gone.
async fn all_ended(mut running: mpsc::Receiver<()>) {
    while running.recv().await.is_some() {}
}

/// Serves until `shutdown` completes, then takes no new request and lets those that run finish, for
/// [`Limits::shutdown`] at most. Use cases go on when their client hangs up, so those are waited for too.
pub async fn serve(
    listener: TcpListener,
    service: Host,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = options.limits.clone();
    let proxies = Arc::new(TrustedProxies::new(options.trusted_proxies.clone()));
    let own = OwnAddress {
        public_url: service.public_url().clone(),
        is_loopback: listener.local_addr()?.ip().to_canonical().is_loopback(),
    };
    let sub_path = SubPath::of(service.public_url());
    let (stop, stopping) = watch::channel(false);
    let (state, running) = AppState::new(service, options, stopping.clone());
    let router = router::router(state, own, Arc::clone(&proxies));
    let accepting = Listener::new(router, sub_path, proxies, &limits, stopping.clone());
    let stopper = async move {
        shutdown.await;
        tracing::info!("stopping: waiting for running requests");
        stop.send_replace(true);
    };
    let finished = async {
        tokio::join!(accepting.run(listener), stopper);
        all_ended(running).await;
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
