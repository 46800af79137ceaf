//! Requests that carry the path of the public URL: a reverse proxy may take it off, or leave it.

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri};
use url::Url;

/// How the paths of this host's own addresses begin.
const OWN: [&str; 12] = [
    "api",
    "assets",
    "connect",
    "connections",
    "healthz",
    "hooks",
    "metrics",
    "readyz",
    "sign-in",
    "sign-out",
    "sign-out-everywhere",
    "timeline",
];

/// The path of the public URL, which begins with a slash and does not end with one. Empty: there is none.
#[derive(Clone, Debug)]
pub(super) struct SubPath(String);

impl SubPath {
    pub(super) fn of(public_url: &Url) -> Self {
        Self(public_url.path().trim_end_matches('/').to_owned())
    }

    /// Takes the path off a request that has it. The error is the address to go to instead: links on the first page are
    /// relative to one that ends with a slash.
    pub(super) fn take_off(&self, mut request: Request) -> Result<Request, HeaderValue> {
        if self.0.is_empty() {
            return Ok(request);
        }
        let uri = request.uri();
        let Some(rest) = uri.path().strip_prefix(&self.0) else {
            return Ok(request);
        };
        let query = uri
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        if rest.is_empty() {
            // The proxy took the path off, and this is an address of the host's own after all.
            if is_own(&self.0) {
                return Ok(request);
            }
            return match HeaderValue::try_from(format!("{}/{query}", self.0)) {
                Ok(location) => Err(location),
                Err(_) => Ok(request),
            };
        }
        let is_root = rest == "/";
        if is_root || is_own(rest) {
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = format!("{rest}{query}").parse::<PathAndQuery>().ok();
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        Ok(request)
    }
}

fn is_own(path: &str) -> bool {
    let first = path
        .strip_prefix('/')
        .and_then(|path| path.split('/').next());
    first.is_some_and(|first| OWN.contains(&first))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn path_for(public_url: &str, target: &str) -> String {
        let request = Request::builder().uri(target).body(Body::empty()).unwrap();
        match SubPath::of(&public_url.parse().unwrap()).take_off(request) {
            Ok(request) => request.uri().to_string(),
            Err(location) => format!("to {}", location.to_str().unwrap()),
        }
    }

    #[test]
    fn a_path_that_a_proxy_leaves_is_taken_off_and_nothing_else() {
        let below = "https://host.example.com/time/toggl/";
        for (public_url, target, expected) in [
            (
                "https://host.example.com",
                "/time/api/v1/users",
                "/time/api/v1/users",
            ),
            (
                below,
                "/time/toggl/api/v1/users?query=a",
                "/api/v1/users?query=a",
            ),
            (below, "/time/toggl/hooks/0123", "/hooks/0123"),
            (below, "/time/toggl/", "/"),
            (below, "/time/toggl/?week=1", "/?week=1"),
            (below, "/time/toggl", "to /time/toggl/"),
            (below, "/time/toggl?week=1", "to /time/toggl/?week=1"),
            (below, "/api/v1/users", "/api/v1/users"),
            (below, "/", "/"),
            (below, "/time/togglapi/v1", "/time/togglapi/v1"),
            (below, "/time/toggl/elsewhere", "/time/toggl/elsewhere"),
            (
                below,
                "http://host.example.com/time/toggl/readyz",
                "http://host.example.com/readyz",
            ),
            // A path that is called like one of the host's own.
            (
                "https://host.example.com/api",
                "/api/v1/users",
                "/api/v1/users",
            ),
            (
                "https://host.example.com/api",
                "/api/api/v1/users",
                "/api/v1/users",
            ),
            (
                "https://host.example.com/timeline",
                "/timeline",
                "/timeline",
            ),
        ] {
            assert_eq!(
                path_for(public_url, target),
                expected,
                "{public_url} {target}"
            );
        }
    }
}
