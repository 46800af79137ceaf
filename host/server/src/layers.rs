//! What every request passes through, whatever its route.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use super::client::{self, Requester, Source, TrustedProxies};
use super::error::ApiError;
use super::open_connections::{ConnectionHandle, TooMany};
use super::request_log::RequestLog;

/// After how many seconds a request that found no place may be sent again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Answers every address that none of these routes is for.
pub(super) fn with_an_end<S>(routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.fallback(nothing_here)
}

/// Answers wrong methods. What is laid around the routes afterwards is around this too.
pub(super) fn with_own_methods<S>(routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.method_not_allowed_fallback(async || {
        ApiError::refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "this address does not take this method; the header “Allow” names those it takes",
        )
    })
}

/// Finishes a router: it is known where every request comes from, panics become problems, every request is traced, and every response carries the security headers. `is_https`:
/// browsers reach this host so.
pub(super) fn finish<S>(
    routes: Router<S>,
    proxies: Arc<TrustedProxies>,
    is_https: bool,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let edge = Arc::new(Edge {
        proxies,
        log: Arc::default(),
    });
    routes
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn_with_state(Arc::clone(&edge), trace))
        .layer(middleware::from_fn_with_state(edge, arrive))
        .layer(middleware::from_fn_with_state(is_https, secure))
}

/// What is known of those who ask.
struct Edge {
    proxies: Arc<TrustedProxies>,
    log: Arc<RequestLog>,
}

/// Notes where a request comes from, and has its connection count as used until the answer has left.
async fn arrive(
    State(edge): State<Arc<Edge>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(peer) = client::peer(request.extensions()) else {
        return Err(no_peer());
    };
    let source = edge.proxies.source(peer, request.headers());
    let connection = request.extensions_mut().remove::<ConnectionHandle>();
    let under_way = connection
        .as_ref()
        .map(|connection| connection.begin(source, is_urgent(request.uri()), Instant::now()))
        .transpose()
        .map_err(|why| {
            let error = too_many(why);
            let status = error.problem().status;
            edge.log.count("any", status, source.network());
            error
        })?;
    request.extensions_mut().insert(source);
    request.extensions_mut().insert(Requester::new(connection));
    let response = next.run(request).await;
    Ok(match under_way {
        Some(under_way) => response.map(|body| {
            Body::new(Held {
                body,
                _held: under_way,
            })
        }),
        None => response,
    })
}

/// Whether a request may be a delivery or a health check.
fn is_urgent(uri: &Uri) -> bool {
    let path = uri.path();
    path.starts_with("/hooks/") || path == "/healthz" || path == "/readyz"
}

fn too_many(why: TooMany) -> ApiError {
    match why {
        TooMany::Connections => ApiError::busy(
            "so many connections are open that the last ones are kept for deliveries; try again later",
            RETRY_AFTER_SECONDS,
        ),
        TooMany::OfSource => ApiError::too_many(
            "this address has too many requests under way at once; send it again later",
            RETRY_AFTER_SECONDS,
        ),
    }
}

/// Limits by source would take everybody for one client, so that anybody could use them up for all.
fn no_peer() -> ApiError {
    static HAS_SAID: AtomicBool = AtomicBool::new(false);
    if !HAS_SAID.swap(true, Ordering::Relaxed) {
        tracing::error!(
            "the server that these routes are mounted in does not say where requests come from, so none is answered; \
             serve them with `into_make_service_with_connect_info::<SocketAddr>()`"
        );
    }
    ApiError::defect()
}

/// A body that holds something until it was sent or given up.
struct Held<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn nothing_here(request: Request) -> Response {
    #[cfg(feature = "console")]
    if super::console::is_for_a_person(request.headers()) {
        return super::console::no_page(&request);
    }
    let _ = request;
    ApiError::no_route().into_response()
}

/// Notes that who asks has the admin token: what is inside of this layer is only reached with it.
pub(super) async fn admitted(request: Request, next: Next) -> Response {
    Requester::noted(request.extensions()).admit();
    next.run(request).await
}

/// The panic's own message went to the log by way of the panic hook.
fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    ApiError::defect().into_response()
}

/// Logs a request by its route's template: an address holds hook ids. What somebody unknown asks for in vain has no
/// line of its own.
async fn trace(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let requester = Requester::noted(request.extensions());
    let network = Source::noted(request.extensions()).network();
    // The template may begin with the path under which the routes are mounted; this address does not.
    let is_api = request.uri().path().starts_with("/api/");
    let started = Instant::now();
    let response = next.run(request).await;
    let route = matched.as_ref().map_or("unknown", MatchedPath::as_str);
    let status = response.status();
    let elapsed_ms = started.elapsed().as_millis() as u64;
    let is_refused = status.is_client_error() || status.is_server_error();
    if !requester.was_admitted() && is_refused {
        edge.log.count(route, status.as_u16(), network);
    }
    match requester.was_admitted() {
        true if status.is_server_error() => {
            tracing::warn!(%method, route, status = status.as_u16(), elapsed_ms, "request failed");
        }
        true if is_api => {
            tracing::info!(%method, route, status = status.as_u16(), elapsed_ms, "request");
        }
        // Deliveries and probes come many times a second.
        _ => tracing::debug!(%method, route, status = status.as_u16(), elapsed_ms, "request"),
    }
    response
}

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Half a year of https only, for browsers that came by https once.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=15768000");

/// Adds the security headers a response does not set itself.
async fn secure(State(is_https): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}
