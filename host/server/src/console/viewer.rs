//! Who looks at a page, and from where.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OriginalUri, Request};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::Cookie;
use jiff::tz::TimeZone;
use percent_encoding::{CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::page;
use super::problem::ConsoleError;
use super::visitor::{Person, Visitor};
use crate::client::Requester;
use crate::state::AppState;

/// The cookie in which the browser says in which zone its person lives.
const ZONE_COOKIE: &str = "zone";

/// Where a request went to, as far as links are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    path_and_query: String,
    /// The last part of the path that the console is mounted at, if the address ends with it: links are relative to what
    /// ends with a slash.
    mount: Option<String>,
}

impl Place {
    /// `original` is the address before a platform's router took the path off that the console is mounted at.
    pub(super) fn of(uri: &Uri, original: Option<&OriginalUri>) -> Self {
        let text = uri.path_and_query().map_or("/", |target| target.as_str());
        let mount = original
            .filter(|_| uri.path() == "/")
            .and_then(|OriginalUri(original)| original.path().rsplit('/').next())
            .filter(|last| !last.is_empty());
        Self {
            path_and_query: text.to_owned(),
            mount: mount.map(str::to_owned),
        }
    }

    /// Where a request went to.
    pub(super) fn of_request(request: &Request) -> Self {
        Self::of(request.uri(), request.extensions().get())
    }

    /// What leads from this address to the root of the console: what comes before a proxy's path need
    /// not be known.
    pub(super) fn base(&self) -> String {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        match path.matches('/').count().saturating_sub(1) {
            0 => match &self.mount {
                Some(mount) => format!("./{mount}/"),
                None => "./".to_owned(),
            },
            depth => "../".repeat(depth),
        }
    }

    /// The address relative to the console's root.
    pub(super) fn target(&self) -> &str {
        self.path_and_query.trim_start_matches('/')
    }

    /// A link to a part of this page. With the dot, it leads to this host whatever the address is.
    pub(super) fn part(&self, id: &str) -> String {
        format!("./{}#{id}", self.target())
    }

    /// Leads on to another page, named relative to the console's root.
    pub(super) fn see_other(&self, target: &str) -> Response {
        // An id from an address can hold what no header may.
        let target = utf8_percent_encode(target, CONTROLS);
        Redirect::to(&format!("{}{target}", self.base())).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, parts.extensions.get()))
    }
}

/// Somebody who is signed in. Taking this as an argument is what protects a page.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    /// Where the request went to.
    pub(super) place: Place,
    /// The zone in which times are shown.
    pub(super) zone: TimeZone,
    /// Who it is.
    pub(super) person: Person,
}

impl Viewer {
    /// Leads on to another page, named relative to the console's root.
    pub(super) fn see_other(&self, target: &str) -> Response {
        self.place.see_other(target)
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Ok(place) = Place::from_request_parts(parts, state).await;
        let person = match Visitor::noted(&parts.extensions) {
            Visitor::SignedIn(person) => person,
            Visitor::Stranger { .. } => return Err(stranger(state, parts, &place)),
            Visitor::Unknown(error) => return Err(error.into_response()),
        };
        Requester::noted(&parts.extensions).admit();
        let cookies = Cookies(&parts.headers);
        let zone = cookies
            .get(ZONE_COOKIE)
            .and_then(|name| TimeZone::get(&name).ok())
            .unwrap_or(TimeZone::UTC);
        Ok(Self {
            place,
            zone,
            person,
        })
    }
}

/// What somebody sees who is not signed in: the way in, and then on to where they wanted to go.
fn stranger(state: &AppState, parts: &Parts, place: &Place) -> Response {
    if parts.method != Method::GET {
        return ConsoleError::signed_out().into_response();
    }
    if let Some(url) = state.admission.sign_in_url() {
        return Redirect::to(url).into_response();
    }
    // A browser that comes from a page of others keeps the session's cookie to itself, once.
    let from_elsewhere = parts
        .headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site" || site == "same-site");
    if from_elsewhere {
        return page::forward(place, place.target()).into_response();
    }
    let wanted = place.target();
    if wanted.is_empty() {
        return place.see_other("sign-in");
    }
    let wanted = utf8_percent_encode(wanted, NON_ALPHANUMERIC);
    place.see_other(&format!("sign-in?next={wanted}"))
}

/// The cookies of a request.
pub(super) struct Cookies<'a>(pub(super) &'a HeaderMap);

impl Cookies<'_> {
    /// The value of the first cookie of this name.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.all(name).next()
    }

    /// The values of all cookies of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = String> {
        self.0
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| Cookie::split_parse(header).flatten())
            .filter(move |cookie| cookie.name() == name)
            .map(|cookie| cookie.value().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_root_from_every_depth() {
        for (path, base) in [
            ("/", "./"),
            ("/timeline?from=/a/b", "./"),
            ("/connections/c", "../"),
            ("/connections/c/users", "../../"),
        ] {
            assert_eq!(
                Place::of(&path.parse().unwrap(), None).base(),
                base,
                "{path}"
            );
        }
    }

    #[test]
    fn links_lead_to_the_root_wherever_a_platform_mounted_it() {
        for (original, path, base) in [
            ("/admin/time", "/", "./time/"),
            ("/admin/time?a=/b", "/?a=/b", "./time/"),
            ("/admin/time/", "/", "./"),
            ("/admin/time/connections/c", "/connections/c", "../"),
            ("/", "/", "./"),
        ] {
            let mounted = OriginalUri(original.parse().unwrap());
            let place = Place::of(&path.parse().unwrap(), Some(&mounted));
            assert_eq!(place.base(), base, "{original}");
        }
    }

    #[test]
    fn no_address_leads_to_another_site() {
        for path in [
            "//evil.example/",
            "///evil.example/x/y",
            "/.//evil.example/",
            "/javascript:alert(1)",
            "/https://evil.example/",
            "/%2f%2fevil.example/",
            "/..//evil.example/",
        ] {
            let place = Place::of(&path.parse().unwrap(), None);
            let page = url::Url::parse(&format!("https://host.example.com{path}")).unwrap();
            let base = page.join(&place.base()).unwrap();
            for link in [place.part("content"), "sign-in".to_owned()] {
                let target = base.join(&link).unwrap();
                assert_eq!(
                    target.origin().ascii_serialization(),
                    "https://host.example.com",
                    "{path}: {link}"
                );
            }
        }
    }

    #[test]
    fn no_id_breaks_a_redirect() {
        let place = Place::of(&"/connections/x/rename".parse().unwrap(), None);
        let answer = place.see_other("connections/a\r\nset-cookie: b/\u{e9}?notice=renamed");
        assert_eq!(answer.status(), 303);
        assert_eq!(
            answer.headers()["location"],
            "../../connections/a%0D%0Aset-cookie: b/%C3%A9?notice=renamed"
        );
    }
}
