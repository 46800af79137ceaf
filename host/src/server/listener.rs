//! Accepting connections, and closing those that would cost the host more than they are worth.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::client::{Source, TrustedProxies};
use super::open_connections::{OpenConnection, OpenConnections};
use super::patience::Patience;
use crate::limits::Limits;

/// How long to wait after the system could not open a connection: it cannot the next moment either.
const PAUSE: Duration = Duration::from_millis(500);

/// What the library reads at once. Headers must fit, and it takes no less than 8 KiB.
const READ_BUFFER: usize = 64 << 10;

/// Takes connections and answers what comes in on them.
pub(super) struct Listener {
    http: http1::Builder,
    router: Router,
    proxies: Arc<TrustedProxies>,
    open: OpenConnections,
    response_stall_timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Listener {
    pub(super) fn new(
        router: Router,
        proxies: TrustedProxies,
        limits: &Limits,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout())
            .max_header_size(limits.header_bytes)
            .max_buf_size(READ_BUFFER.max(limits.header_bytes));
        Self {
            http,
            router,
            proxies: Arc::new(proxies),
            open: OpenConnections::new(limits.connections, limits.connections_per_source),
            response_stall_timeout: limits.response_stall_timeout(),
            stopping,
        }
    }

    /// Accepts connections until the host stops. Those that are open then end after the request that runs.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let mut is_failing = false;
        loop {
            let accepted = tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.admit(stream, peer);
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "cannot accept connections; if files ran out, allow the process more than it has `connections` in [limits]");
                    }
                    is_failing = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection, or closes it where there are too many.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        // A proxy's connections are those of many clients.
        let source = (!self.proxies.contains(peer.ip())).then(|| Source::of(peer.ip()));
        let Some(open) = self.open.admit(source) else {
            return;
        };
        // Answers are small and complete; waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not disable delayed sending");
        }
        tokio::spawn(self.serve(stream, peer, open));
    }

    /// Answers the requests of one connection.
    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        open: OpenConnection,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (router, proxies) = (self.router.clone(), Arc::clone(&self.proxies));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let source = proxies.source(peer.ip(), request.headers());
            request.extensions_mut().insert(source);
            answer(router.clone(), request.map(Body::new))
        });
        let stream = TokioIo::new(Patience::new(stream, self.response_stall_timeout));
        let connection = self.http.serve_connection(stream, service);
        let mut stopping = self.stopping.clone();
        let stop = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        async move {
            let _open = open;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                // Whatever a client does wrong ends here; it is no event of the host.
                tracing::debug!(%error, "a connection was closed");
            }
        }
    }
}

async fn answer(router: Router, request: Request<Body>) -> Result<Response, Infallible> {
    router.oneshot(request).await
}

/// Whether a failed accept is about the connection that was to be accepted, and not about the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
