//! Upstream overrides: another server stands in for a host, such as the sandbox on a laptop.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;
use thiserror::Error;
use url::{Host, Url};

use integration_host_contract::sentence::{may_hold_credential, names_credential, shorten};

/// `HOST=URL`: requests to `HOST` go to `URL`, whatever its address and with or without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    host: String,
    origin: Url,
}

/// Why a text is no upstream override.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "\"{text}\" is not an upstream override: {reason}; write HOST=URL, such as api.example.com=http://127.0.0.1:8081"
)]
pub struct UpstreamError {
    text: String,
    reason: &'static str,
}

impl Upstream {
    /// The host that is overridden, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where its requests go: scheme, host and port.
    pub fn origin(&self) -> &Url {
        &self.origin
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin.as_str();
        write!(
            formatter,
            "{}={}",
            self.host,
            origin.strip_suffix('/').unwrap_or(origin)
        )
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| UpstreamError {
            text: without_credentials(text),
            reason,
        })
    }
}

/// The text as far as it may be shown again.
fn without_credentials(text: &str) -> String {
    if !may_hold_credential(text) {
        return shorten(text);
    }
    match text.split_once('=').and_then(|(host, _)| host_name(host)) {
        Some(host) => format!("{}=…", shorten(&host)),
        None => "…".to_owned(),
    }
}

fn parse(text: &str) -> Result<Upstream, &'static str> {
    let (host, url) = text.split_once('=').ok_or("there is no \"=\"")?;
    let host = host_name(host).ok_or("the part before \"=\" is not a host name")?;
    let origin = Url::parse(url.trim()).map_err(|_| "the part after \"=\" is not a URL")?;
    if !matches!(origin.scheme(), "http" | "https") {
        return Err("the URL must begin with http:// or https://");
    }
    if !origin.username().is_empty() || origin.password().is_some() || names_credential(url) {
        return Err("the URL must not contain a user name or password");
    }
    if origin.path() != "/" || origin.query().is_some() || origin.fragment().is_some() {
        return Err("the URL must end after its host and port");
    }
    if origin.as_str().parse::<Uri>().is_err() {
        return Err("its host contains a character that no host name has");
    }
    Ok(Upstream { host, origin })
}

/// A host name in the form in which URLs carry it: lower case, international names as punycode.
/// `None` for addresses and for anything else that is not the name of one host.
pub(super) fn host_name(text: &str) -> Option<String> {
    let Ok(Host::Domain(name)) = Host::parse(text.trim()) else {
        return None;
    };
    // The URL standard allows hosts, such as "a`b", that the HTTP client cannot send a request to.
    let is_name = !name.ends_with('.') && !name.contains('*') && name.parse::<Authority>().is_ok();
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Upstream, host_name};

    #[test]
    fn an_override_is_read_and_shown_in_the_same_form() {
        let upstream: Upstream = "API.Track.toggl.com=http://127.0.0.1:8081".parse().unwrap();
        assert_eq!(upstream.host(), "api.track.toggl.com");
        assert_eq!(upstream.origin().port(), Some(8081));
        assert_eq!(
            upstream.to_string(),
            "api.track.toggl.com=http://127.0.0.1:8081"
        );
    }

    #[test]
    fn a_wrong_override_says_what_is_wrong_and_what_is_expected() {
        for (text, reason) in [
            ("http://127.0.0.1:1", "there is no \"=\""),
            ("=http://127.0.0.1:1", "is not a host name"),
            ("1.2.3.4=http://127.0.0.1:1", "is not a host name"),
            ("a.example:443=http://127.0.0.1:1", "is not a host name"),
            ("a.example=127.0.0.1", "is not a URL"),
            ("a.example=ftp://127.0.0.1", "http:// or https://"),
            ("a.example=http://me:pw@127.0.0.1", "user name or password"),
            (
                "a.example=http://127.0.0.1/api",
                "end after its host and port",
            ),
            (
                "a.example=http://127.0.0.1/?q",
                "end after its host and port",
            ),
            ("a.example=https://`7.example:8081", "that no host name has"),
        ] {
            let error = text.parse::<Upstream>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(error.contains("write HOST=URL"), "{text}: {error}");
            assert!(!error.contains("pw"), "{text}: {error}");
        }
    }

    #[test]
    fn only_names_of_one_host_are_host_names() {
        assert_eq!(
            host_name(" Bücher.example "),
            Some("xn--bcher-kva.example".to_owned())
        );
        for text in [
            "",
            "*.example",
            "a.example.",
            "127.0.0.1",
            "0x7f.1",
            "[::1]",
            "a/b",
            "a b",
            "a`b",
            "user@a",
        ] {
            assert_eq!(host_name(text), None, "{text}");
        }
    }
}
