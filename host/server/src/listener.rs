//! Accepting connections, and closing those that would cost the host more than they are worth.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::client::{Source, TrustedProxies};
use super::open_connections::{OpenConnection, OpenConnections};
use super::sub_path::SubPath;
use super::write_timeout::WriteTimeout;
use integration_host_contract::limits::Limits;

/// How long to wait after the system could not open a connection: it cannot the next moment either.
const PAUSE: Duration = Duration::from_millis(500);

/// What the library reads at once. Headers must fit, and it takes no less than 8 KiB.
const READ_BUFFER: usize = 64 << 10;

/// Takes connections and answers what comes in on them.
pub(super) struct Listener {
    http: http1::Builder,
    router: Router,
    sub_path: SubPath,
    proxies: Arc<TrustedProxies>,
    open: OpenConnections,
    response_stall_timeout: Duration,
    stopping: watch::Receiver<bool>,
    /// Open connections, so that whoever stops can wait for what they carry.
    tasks: TaskTracker,
}

impl Listener {
    pub(super) fn new(
        router: Router,
        sub_path: SubPath,
        proxies: Arc<TrustedProxies>,
        limits: &Limits,
        stopping: watch::Receiver<bool>,
        tasks: TaskTracker,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_header_size(limits.header_bytes)
            .max_buf_size(READ_BUFFER.max(limits.header_bytes));
        Self {
            http,
            router,
            sub_path,
            proxies,
            open: OpenConnections::new(limits.connections, limits.connections_per_source),
            response_stall_timeout: limits.response_stall_timeout,
            stopping,
            tasks,
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

    /// Serves a connection, for which another one may have to end, or closes it where there are too many.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        // A proxy's connections are those of many clients.
        let source = (!self.proxies.contains(peer.ip())).then(|| Source::of(peer.ip()));
        let Some(open) = self.open.admit(source, Instant::now()) else {
            return;
        };
        // Answers are small and complete; waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not disable delayed sending");
        }
        self.tasks.spawn(self.serve(stream, peer, open));
    }

    /// Answers the requests of one connection.
    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        open: OpenConnection,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (router, handle) = (self.router.clone(), open.handle());
        let sub_path = self.sub_path.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(handle.clone());
            answer(router.clone(), sub_path.take_off(request.map(Body::new)))
        });
        let stream = TokioIo::new(WriteTimeout::new(stream, self.response_stall_timeout));
        let connection = self.http.serve_connection(stream, service);
        let mut stopping = self.stopping.clone();
        let stop = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        async move {
            let mut connection = pin!(connection);
            let served = async {
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stop => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            };
            let ended = tokio::select! {
                ended = served => ended,
                () = open.closed() => return,
            };
            if let Err(error) = ended {
                // Whatever a client does wrong ends here; it is no event of the host.
                tracing::debug!(%error, "a connection was closed");
            }
        }
    }
}

async fn answer(
    router: Router,
    request: Result<Request<Body>, HeaderValue>,
) -> Result<Response, Infallible> {
    match request {
        Ok(request) => router.oneshot(request).await,
        Err(location) => {
            Ok((StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response())
        }
    }
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
