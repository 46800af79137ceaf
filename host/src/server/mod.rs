//! The HTTP server: API v1, the callbacks of remote services, and what operators watch.
//!
//! Every route calls one use case of [`Service`] and turns its result into JSON; every error leaves as
//! `application/problem+json`. Deliveries at `/hooks/{hook}`, `/healthz`, `/readyz`, `/api/openapi.json`
//! and `/` are open; everything else, `/metrics` included, needs the admin token, because the listener
//! faces the internet wherever deliveries arrive from there.

mod admin_token;
mod authentication;
mod body;
mod error;
mod extract;
mod follow;
mod layers;
mod openapi;
mod router;
mod routes;
mod state;

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::admin_token::{AdminToken, AdminTokenError, AdminTokenSource};
pub use self::error::status_of;
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
}

/// Every route, for a platform that serves them with a server of its own. Event streams end when
/// `stopping` turns true.
pub fn router(
    service: Service,
    options: ServerOptions,
    stopping: watch::Receiver<bool>,
) -> axum::Router {
    let (state, _) = AppState::new(service, options, stopping);
    router::router(state)
}

/// Serves until `shutdown` completes, then takes no new request and lets those that run finish, for
/// [`Limits::shutdown`] at most. Use cases go on when their client hangs up, so those are waited for too.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let grace = options.limits.shutdown();
    let (stop, stopping) = watch::channel(false);
    let (state, mut work) = AppState::new(service, options, stopping.clone());
    // Answers are small and complete; waiting to fill a packet only delays them.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "could not disable delayed sending");
        }
    });
    let serving = axum::serve(listener, router::router(state)).with_graceful_shutdown(async move {
        shutdown.await;
        tracing::info!("stopping: waiting for running requests");
        stop.send_replace(true);
    });
    let finished = async {
        serving.await?;
        // Yields nothing but the end: every running use case holds a sender.
        while work.recv().await.is_some() {}
        Ok(())
    };
    tokio::select! {
        result = finished => result,
        () = expiry(stopping, grace) => {
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
