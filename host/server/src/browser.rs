//! What a browser could be misled into by the pages of others, and what must not stand in an address.
//!
//! The API takes a token in a header, which no other page can make a browser send. These checks stand before
//! that, so that nothing depends on it alone.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

#[cfg(feature = "console")]
use super::console;
use super::error::ApiError;

/// What browsers say about where a request comes from.
const FETCH_SITE: &str = "sec-fetch-site";

/// Names under which somebody could put a token into an address.
const TOKEN_PARAMETERS: [&str; 8] = [
    "access_token",
    "admin_token",
    "api_key",
    "api_token",
    "auth",
    "authorization",
    "bearer",
    "token",
];

/// What a request's headers are compared with.
#[derive(Clone)]
pub(super) struct OwnAddress {
    /// Under which the remote service and browsers reach this host.
    pub(super) public_url: Url,
    /// Other origins whose pages may call the API.
    pub(super) allowed_origins: Arc<[HeaderValue]>,
    /// Whether only this machine can connect. Then a request for any other name comes from a page whose
    /// name was made to lead here.
    pub(super) is_loopback: bool,
}

/// Refuses what only a misled browser sends, and tokens in addresses.
pub(super) async fn guard(State(own): State<OwnAddress>, request: Request, next: Next) -> Response {
    let checked = own
        .check_host(&request)
        .and_then(|()| own.check_site(&request))
        .and_then(|()| check_query(request.uri().query().unwrap_or_default()));
    match checked {
        Ok(()) => next.run(request).await,
        #[cfg(feature = "console")]
        Err(error) if console::is_for_a_person(request.headers()) => {
            console::refusal(&request, error)
        }
        Err(error) => error.into_response(),
    }
}

impl OwnAddress {
    fn check_host(&self, request: &Request) -> Result<(), ApiError> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, further) = (hosts.next(), hosts.next());
        if further.is_some() {
            return Err(ApiError::malformed("the request has two headers “Host”"));
        }
        if !self.is_loopback {
            return Ok(());
        }
        let host = host.map(|host| host.to_str().ok().and_then(|host| host.parse().ok()));
        let target = request.uri().authority().cloned().map(Some);
        let is_own = |authority: Option<Authority>| {
            authority.is_some_and(|authority| self.is_own_name(authority.host()))
        };
        if host.into_iter().chain(target).all(is_own) {
            return Ok(());
        }
        Err(ApiError::refused(
            StatusCode::MISDIRECTED_REQUEST,
            "this host listens on this machine only and answers to localhost; to reach it under another name, give that name with --public-url",
        ))
    }

    fn is_own_name(&self, name: &str) -> bool {
        match Host::parse(name) {
            Ok(Host::Ipv4(address)) if address.is_loopback() => true,
            Ok(Host::Ipv6(address)) if address.is_loopback() => true,
            Ok(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => true,
            Ok(host) => self
                .public_url
                .host()
                .is_some_and(|own| own.to_owned() == host),
            Err(_) => false,
        }
    }

    /// Pages of others may not change anything. What they read they cannot see, because no answer allows it.
    fn check_site(&self, request: &Request) -> Result<(), ApiError> {
        let is_reading = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        let headers = request.headers();
        let sites = || headers.get_all(FETCH_SITE).iter();
        let own_site = sites().all(|site| site == "same-origin" || site == "none");
        // A page says nothing of where it is from if a proxy adds `Referrer-Policy: no-referrer`. The browser itself says
        // whether a form goes to where its page is from, and pages cannot have it say something else.
        let same_origin = sites().next().is_some() && sites().all(|site| site == "same-origin");
        let is_hidden = headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| origin == "null");
        let is_own = own_site && self.is_own_origin(headers) || same_origin && is_hidden;
        let is_own = is_own || self.is_allowed_origin(headers);
        if is_reading || is_own {
            return Ok(());
        }
        if is_hidden && sites().next().is_none() {
            return Err(ApiError::forbidden(
                "the browser does not say which page this was sent from; if a reverse proxy adds the header “Referrer-Policy: no-referrer” to this host's pages, have it leave that header as the host sends it, or use a current browser",
            ));
        }
        Err(ApiError::forbidden(
            "a page of another site asked for this; only this host's own pages and programs may change something",
        ))
    }

    /// Whether a page asks whose origin the platform allows. Browsers say which, and pages cannot have them say another.
    fn is_allowed_origin(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, further) = (origins.next(), origins.next());
        further.is_none() && origin.is_some_and(|origin| self.allowed_origins.contains(origin))
    }

    /// Whether the page that asks, if it is one, is from here: from the public URL, or from where the
    /// request went to.
    fn is_own_origin(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let public = self.public_url.origin().ascii_serialization();
        headers.get_all(ORIGIN).iter().all(|origin| {
            let Some((scheme, authority)) = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"))
            else {
                return false;
            };
            let is_asked = Some(authority) == host && self.is_scheme_of(scheme, authority);
            is_asked || format!("{scheme}://{authority}") == public
        })
    }

    /// Whether this host could be reached by this scheme under this name: under its public one by that of the public
    /// URL alone, and under others directly or through a proxy.
    fn is_scheme_of(&self, scheme: &str, authority: &str) -> bool {
        let name = authority.parse::<Authority>();
        let name = name.ok().and_then(|name| Host::parse(name.host()).ok());
        let is_public =
            name.is_some() && name == self.public_url.host().map(|host| host.to_owned());
        match is_public {
            true => scheme == self.public_url.scheme(),
            false => matches!(scheme, "http" | "https"),
        }
    }
}

/// Addresses end up in logs and histories; nothing that opens the host may stand there.
fn check_query(query: &str) -> Result<(), ApiError> {
    let has_token = query.split('&').any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        let name = name.to_ascii_lowercase().replace('-', "_");
        TOKEN_PARAMETERS.contains(&name.as_str())
    });
    if has_token {
        return Err(ApiError::malformed(
            "a token must not stand in an address, which logs and histories keep; send it in the header “Authorization: Bearer ADMIN_TOKEN”, and replace it if it was a real one",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn own(is_loopback: bool) -> OwnAddress {
        OwnAddress {
            public_url: "https://host.example.com/toggl".parse().unwrap(),
            allowed_origins: Arc::default(),
            is_loopback,
        }
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri("/api/v1/test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_name_that_was_made_to_lead_to_this_machine_is_refused() {
        for name in [
            "localhost",
            "localhost:8080",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "host.example.com",
            "Host.Example.com:443",
        ] {
            let request = request("GET", &[("host", name)]);
            assert!(own(true).check_host(&request).is_ok(), "{name}");
        }
        for name in [
            "evil.example",
            "localhost.evil.example",
            "evil.example:8080",
            "192.168.1.1",
            "127.0.0.1.evil.example",
            "",
            "a b",
        ] {
            let request = request("GET", &[("host", name)]);
            assert!(own(true).check_host(&request).is_err(), "{name}");
            assert!(own(false).check_host(&request).is_ok(), "{name}");
        }
        let both = request("GET", &[("host", "localhost"), ("host", "localhost")]);
        assert!(own(false).check_host(&both).is_err());
        let mut absolute = request("GET", &[("host", "localhost")]);
        *absolute.uri_mut() = "http://evil.example/api/v1/test".parse().unwrap();
        assert!(own(true).check_host(&absolute).is_err());
    }

    #[test]
    fn only_own_pages_and_programs_change_something() {
        for (headers, is_own) in [
            (&[][..], true),
            (&[("origin", "https://host.example.com")], true),
            (
                &[("host", "localhost:1"), ("origin", "http://localhost:1")],
                true,
            ),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "null")], false),
            // What browsers send where a proxy adds `Referrer-Policy: no-referrer`.
            (
                &[("origin", "null"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (&[("origin", "null"), ("sec-fetch-site", "none")], false),
            (
                &[("origin", "null"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                &[("origin", "null"), ("sec-fetch-site", "same-site")],
                false,
            ),
            (
                &[
                    ("origin", "null"),
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            (
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "same-origin"),
                ],
                false,
            ),
            (&[("origin", "")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "http://host.example.com")], false),
            // Under the public name by the public scheme alone.
            (
                &[
                    ("host", "host.example.com"),
                    ("origin", "http://host.example.com"),
                ],
                false,
            ),
            (
                &[
                    ("host", "host.example.com:443"),
                    ("origin", "http://host.example.com:443"),
                ],
                false,
            ),
            (
                &[
                    ("host", "host.example.com"),
                    ("origin", "https://host.example.com"),
                ],
                true,
            ),
            (
                &[("host", "localhost:1"), ("origin", "ftp://localhost:1")],
                false,
            ),
            (
                &[
                    ("host", "localhost:1"),
                    ("origin", "chrome-extension://localhost:1"),
                ],
                false,
            ),
            (
                &[("origin", "https://host.example.com.evil.example")],
                false,
            ),
            (
                &[("host", "localhost:1"), ("origin", "http://localhost:2")],
                false,
            ),
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                let request = request(method, headers);
                assert_eq!(
                    own(true).check_site(&request).is_ok(),
                    is_own,
                    "{method} {headers:?}"
                );
            }
            assert!(own(true).check_site(&request("GET", headers)).is_ok());
        }
    }

    #[test]
    fn a_token_in_an_address_is_refused() {
        for query in [
            "token=x",
            "limit=1&access_token=x",
            "Api-Token=x",
            "%74oken=x",
            "authorization=Bearer%20x",
            "token",
        ] {
            assert!(check_query(query).is_err(), "{query}");
        }
        for query in ["", "limit=1", "query=token", "cursor=token=1"] {
            assert!(check_query(query).is_ok(), "{query}");
        }
    }
}
