//! The provider that really sends: reqwest with rustls.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use thiserror::Error;
use url::{Host, Url};

use super::address::is_public;
use super::{EgressProxy, HttpClient, HttpError, IncomingResponse, OutgoingRequest};
use integration_host_contract::certificate;

/// How long connecting to a service may take, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends requests with reqwest: HTTP/1.1, TLS by rustls with the operating system's root
/// certificates. It follows no redirect, uses no proxy unless it is given one, keeps no cookies and asks
/// for no compression.
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    /// Connects to addresses on the internet only.
    public: reqwest::Client,
    /// Connects anywhere, for upstreams that the operator overrode.
    anywhere: reqwest::Client,
    /// Whether this machine has root certificates; without them no https host can be trusted.
    trusts_roots: bool,
    /// Connects through the proxy.
    proxied: Option<Proxied>,
}

/// What connects through a proxy, which looks up names itself.
#[derive(Clone)]
struct Proxied {
    proxy: EgressProxy,
    client: reqwest::Client,
    /// Finds out where a name leads from here.
    resolver: Arc<dyn Resolve>,
}

impl fmt::Debug for Proxied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.proxy, formatter)
    }
}

impl Proxied {
    /// Refuses a name that leads to an address that is not on the internet, as far as it can be looked up here: where all
    /// goes through a proxy, often only that can, and then it decides.
    async fn ensure_public(&self, url: &Url) -> Result<(), HttpError> {
        let Some(Ok(name)) = url.domain().map(str::parse) else {
            return Ok(());
        };
        match tokio::time::timeout(LOOK_UP_TIME, self.resolver.resolve(name)).await {
            Ok(Err(error)) if is_not_public(error.as_ref()) => Err(not_public(&place(url))),
            _ => Ok(()),
        }
    }
}

/// How long a name is looked up that a proxy will look up again.
const LOOK_UP_TIME: Duration = Duration::from_secs(1);

fn is_not_public(error: &(dyn StdError + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(ResolveError::NotPublic))
}

impl ReqwestClient {
    /// A client that gives up on connecting, TLS included, after `connect_timeout`.
    ///
    /// Makes ring the process's provider of cryptography for rustls, unless there is one already.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(connect_timeout: Duration) -> Result<Self, HttpError> {
        Self::with_resolver(connect_timeout, Arc::new(SystemResolver))
    }

    /// Like [`new`](Self::new), with a proxy for whom it applies to.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with_proxy(
        connect_timeout: Duration,
        proxy: Option<EgressProxy>,
    ) -> Result<Self, HttpError> {
        Self::build(connect_timeout, Arc::new(SystemResolver), proxy)
    }

    /// Like [`new`](Self::new), with another name resolution. What it finds is checked all the same.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with_resolver<R: Resolve + 'static>(
        connect_timeout: Duration,
        resolver: Arc<R>,
    ) -> Result<Self, HttpError> {
        Self::build(connect_timeout, resolver, None)
    }

    pub(super) fn build<R: Resolve + 'static>(
        connect_timeout: Duration,
        resolver: Arc<R>,
        proxy: Option<EgressProxy>,
    ) -> Result<Self, HttpError> {
        // An error means that the program chose a provider before: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let public = Arc::new(PublicOnly(Arc::clone(&resolver)));
        let build = |trusts_roots: bool| {
            let builder = || {
                let builder = reqwest::Client::builder()
                    .user_agent(concat!("integration-host/", env!("CARGO_PKG_VERSION")))
                    .redirect(Policy::none())
                    .referer(false)
                    .retry(reqwest::retry::never())
                    .no_proxy()
                    .connect_timeout(connect_timeout);
                if trusts_roots {
                    builder
                } else {
                    builder.tls_certs_only([])
                }
            };
            let proxied = proxy.clone().map(|proxy| {
                let through = reqwest::Proxy::https(proxy.url().clone())?;
                Ok::<_, reqwest::Error>(Proxied {
                    client: builder().proxy(through).build()?,
                    resolver: public.clone(),
                    proxy,
                })
            });
            Ok::<_, reqwest::Error>(Self {
                proxied: proxied.transpose()?,
                public: builder().dns_resolver(Arc::clone(&public)).build()?,
                anywhere: builder().dns_resolver(Arc::clone(&resolver)).build()?,
                trusts_roots,
            })
        };
        // A machine without root certificates can still talk to an overridden upstream.
        build(true).or_else(|_| build(false)).map_err(|error| {
            HttpError::Unavailable(format!("TLS cannot be set up: {}", innermost(&error)))
        })
    }

    /// The client for this request, unless its URL is not one to connect to.
    fn client_for(&self, request: &OutgoingRequest) -> Result<&reqwest::Client, HttpError> {
        if !request.url.username().is_empty() || request.url.password().is_some() {
            return Err(HttpError::Refused(
                "a URL must not contain a user name or password".to_owned(),
            ));
        }
        if request.allow_private_address {
            return Ok(&self.anywhere);
        }
        // Addresses are not resolved, so the resolver's check would not see them.
        let address = match request.url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        match address {
            Some(address) if !is_public(address) => Err(not_public(&place(&request.url))),
            _ => Ok(&self.public),
        }
    }

    /// What connects through the proxy, if that is how this request goes.
    fn proxied_for(&self, request: &OutgoingRequest) -> Option<&Proxied> {
        let proxied = self.proxied.as_ref();
        proxied.filter(|proxied| proxied.proxy.applies_to(&request.url))
    }

    /// What happened, for a person. reqwest's own texts contain the whole URL and are not used.
    fn failure(&self, error: &reqwest::Error, request: &OutgoingRequest) -> HttpError {
        let place = place(&request.url);
        let proxy = self.proxied_for(request).map(|proxied| &proxied.proxy);
        let text = match cause(error) {
            cause
                if error.is_connect()
                    && !matches!(cause, Some(Cause::Tls(_)))
                    && proxy.is_some() =>
            {
                let proxy = proxy.map_or_else(String::new, EgressProxy::to_string);
                format!(
                    "{place} could not be reached through the proxy {proxy}; check that the proxy runs, knows this host's login if it wants one, and allows connections to {place}"
                )
            }
            Some(Cause::NotPublic) => return not_public(&place),
            Some(Cause::Resolution) => {
                format!("{place} could not be found; check this machine's network and DNS")
            }
            Some(Cause::Tls(_)) if !self.trusts_roots => format!(
                "{place} cannot be trusted because this machine has no root certificates; install its ca-certificates package"
            ),
            Some(Cause::Tls(error)) => tls_failure(&place, &error),
            Some(Cause::Io(io::ErrorKind::ConnectionRefused)) => {
                format!(
                    "{place} refuses connections; check that it is running and not blocked by a firewall"
                )
            }
            _ if error.is_timeout() && error.is_connect() => {
                format!(
                    "{place} could not be reached in time; check this machine's network and firewall"
                )
            }
            _ if error.is_timeout() => format!(
                "{place} did not answer completely within {} s; try again later",
                seconds(request.timeout)
            ),
            _ if error.is_connect() => {
                format!("{place} could not be reached; check this machine's network and firewall")
            }
            _ if error.is_body() || error.is_decode() => {
                format!("the answer of {place} ended early; try again later")
            }
            _ => format!("{place} closed the connection without a valid answer; try again later"),
        };
        HttpError::Unavailable(text)
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        let mut client = self.client_for(&request)?;
        if let Some(proxied) = self.proxied_for(&request) {
            if !request.allow_private_address {
                proxied.ensure_public(&request.url).await?;
            }
            client = &proxied.client;
        }
        let failure = |error: reqwest::Error| self.failure(&error, &request);
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .timeout(request.timeout);
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let mut response = builder.send().await.map_err(failure)?;

        let limit = request.max_response_bytes;
        let too_large = || {
            HttpError::LimitExceeded(format!(
                "the answer of {} is larger than {limit} bytes; ask for less at a time",
                place(&request.url)
            ))
        };
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(too_large());
        }
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(IncomingResponse {
            status,
            headers,
            body,
        })
    }
}

/// What lies at the root of a failed request.
enum Cause {
    NotPublic,
    Resolution,
    Tls(rustls::Error),
    Io(io::ErrorKind),
}

/// Looks for the first telling error in the chain.
fn cause(error: &reqwest::Error) -> Option<Cause> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    let mut io_kind = None;
    while let Some(error) = next {
        match error.downcast_ref::<ResolveError>() {
            Some(ResolveError::NotPublic) => return Some(Cause::NotPublic),
            Some(ResolveError::Failed(_)) => return Some(Cause::Resolution),
            None => {}
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Cause::Tls(error.clone()));
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(error) => {
                io_kind = Some(error.kind());
                // An io::Error names the source of what it wraps, not what it wraps itself.
                error.get_ref().map(|inner| inner as _)
            }
            None => error.source(),
        };
    }
    io_kind.map(Cause::Io)
}

fn tls_failure(place: &str, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => format!(
            "the certificate of {place} cannot be trusted: {}; check this machine's clock and root certificates, and whether a proxy intercepts the connection",
            certificate::in_words(error)
        ),
        rustls::Error::InvalidMessage(_) => {
            format!(
                "{place} does not answer in TLS; check whether a proxy intercepts the connection"
            )
        }
        error => {
            format!("no secure connection to {place} could be made ({error}); try again later")
        }
    }
}

fn not_public(place: &str) -> HttpError {
    HttpError::Refused(format!(
        "{place} leads to an address that is not on the internet; only a host whose upstream is overridden may do that"
    ))
}

/// Host and, where it is not the scheme's own, port.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the host");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).ceil() / 10.0
}

fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn StdError = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The operating system's name resolution.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

/// Drops addresses that are not on the internet from what another resolver finds.
///
/// The connection is made to exactly the addresses that passed, so a name that resolves
/// differently a moment later (DNS rebinding) gains nothing.
pub(super) struct PublicOnly<R>(pub(super) Arc<R>);

/// Why a name leads nowhere.
#[derive(Debug, Error)]
pub(super) enum ResolveError {
    /// The name is unknown or the name server does not answer.
    #[error("name resolution failed")]
    Failed(#[source] std::io::Error),
    /// No address of the name is on the internet.
    #[error("the name leads to an address that is not on the internet")]
    NotPublic,
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(ResolveError::Failed)?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

impl<R: Resolve + 'static> Resolve for PublicOnly<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.resolve(name);
        Box::pin(async move {
            let public: Vec<SocketAddr> = found
                .await?
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(ResolveError::NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
