//! The allow-list: which hosts an integration may call, and where such a call goes.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use url::{Host, Url};

use super::HttpError;
use super::upstream::{Upstream, host_name};

/// Hosts that the manifest names *and* the operator approved, with the operator's overrides.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    declared: BTreeSet<String>,
    approved: Option<BTreeSet<String>>,
    upstreams: BTreeMap<String, Url>,
}

/// Why manifest and configuration do not make an allow-list. Each is a sentence for the operator.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowListError {
    /// A name in the manifest is not the name of one host.
    #[error(
        "the integration's manifest names \"{0}\", which is not a host name; the integration must be corrected"
    )]
    Manifest(String),
    /// A name in the configuration is not the name of one host.
    #[error(
        "hosts.approved in host.toml contains \"{0}\", which is not a host name; write names such as api.example.com, without https:// and without wildcards"
    )]
    Approved(String),
    /// A host is overridden that the integration never calls.
    #[error(
        "the upstream of \"{host}\" is overridden, but the integration does not call it; it calls {declared}"
    )]
    UnusedUpstream {
        /// The overridden host.
        host: String,
        /// The hosts of the manifest, for a person.
        declared: String,
    },
}

/// Where a request to an allowed URL goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host the integration asked for, in lower case.
    pub host: String,
    /// Where to, after any override. Path and query are those of the integration's URL.
    pub url: Url,
    /// Whether the host's upstream is overridden, so that any address may be connected to.
    pub allow_private_address: bool,
}

impl AllowList {
    /// Combines the manifest's hosts with what the operator configured. `approved` without a value
    /// approves what the manifest names.
    ///
    /// # Errors
    /// A malformed host name, or an override of a host that the manifest does not name.
    pub fn new<'a>(
        manifest_hosts: impl IntoIterator<Item = &'a String>,
        approved: Option<&BTreeSet<String>>,
        upstreams: impl IntoIterator<Item = &'a Upstream>,
    ) -> Result<Self, AllowListError> {
        let declared = manifest_hosts
            .into_iter()
            .map(|host| host_name(host).ok_or_else(|| AllowListError::Manifest(host.clone())))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let approved = approved
            .map(|hosts| {
                hosts
                    .iter()
                    .map(|host| {
                        host_name(host).ok_or_else(|| AllowListError::Approved(host.clone()))
                    })
                    .collect::<Result<BTreeSet<_>, _>>()
            })
            .transpose()?;
        let upstreams = upstreams
            .into_iter()
            .map(|upstream| {
                if declared.contains(upstream.host()) {
                    Ok((upstream.host().to_owned(), upstream.origin().clone()))
                } else {
                    Err(AllowListError::UnusedUpstream {
                        host: upstream.host().to_owned(),
                        declared: listed(&declared),
                    })
                }
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Self {
            declared,
            approved,
            upstreams,
        })
    }

    /// The hosts that can be called, in alphabetical order.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.declared
            .iter()
            .map(String::as_str)
            .filter(|host| self.is_approved(host))
    }

    /// Where a request to this URL goes.
    ///
    /// # Errors
    /// [`HttpError::Refused`] with a sentence that says what would allow it.
    pub fn target(&self, url: &str) -> Result<Target, HttpError> {
        let mut url = Url::parse(url).map_err(|_| {
            refused("the integration asked for a URL that is malformed or not absolute")
        })?;
        let host = match url.host() {
            Some(Host::Domain(host)) => host.to_owned(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => {
                return Err(refused(
                    "the integration asked for an address instead of a host name",
                ));
            }
            None => return Err(refused("the integration asked for a URL without a host")),
        };
        if url.scheme() != "https" {
            return Err(refused(format!(
                "the integration asked for {host} over {}; only https is allowed",
                url.scheme()
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(format!(
                "the integration put credentials into a URL of {host}; they belong into the request's authorization"
            )));
        }
        if let Some(port) = url.port() {
            return Err(refused(format!(
                "the integration asked for port {port} of {host}; only port 443 is allowed"
            )));
        }
        self.check_host(&host)?;
        // A fragment is the caller's own and is never sent.
        url.set_fragment(None);
        let Some(upstream) = self.upstreams.get(&host) else {
            return Ok(Target {
                host,
                url,
                allow_private_address: false,
            });
        };
        let mut overridden = upstream.clone();
        overridden.set_path(url.path());
        overridden.set_query(url.query());
        Ok(Target {
            host,
            url: overridden,
            allow_private_address: true,
        })
    }

    fn check_host(&self, host: &str) -> Result<(), HttpError> {
        if !self.declared.contains(host) {
            return Err(refused(format!(
                "the integration does not declare \"{host}\"; its manifest names {}",
                listed(&self.declared)
            )));
        }
        if !self.is_approved(host) {
            return Err(refused(format!(
                "\"{host}\" is not approved; add \"{host}\" to hosts.approved in host.toml to allow it"
            )));
        }
        Ok(())
    }

    fn is_approved(&self, host: &str) -> bool {
        self.approved
            .as_ref()
            .is_none_or(|approved| approved.contains(host))
    }
}

fn refused(text: impl Into<String>) -> HttpError {
    HttpError::Refused(text.into())
}

fn listed(hosts: &BTreeSet<String>) -> String {
    if hosts.is_empty() {
        return "no host".to_owned();
    }
    hosts
        .iter()
        .map(|host| format!("\"{host}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn manifest() -> Vec<String> {
        vec!["api.track.toggl.com".to_owned(), "other.example".to_owned()]
    }

    fn allow_list(
        approved: Option<&[&str]>,
        upstreams: &[&str],
    ) -> Result<AllowList, AllowListError> {
        let approved = approved.map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect());
        let upstreams: Vec<Upstream> = upstreams.iter().map(|text| text.parse().unwrap()).collect();
        AllowList::new(&manifest(), approved.as_ref(), &upstreams)
    }

    fn refusal(list: &AllowList, url: &str) -> String {
        match list.target(url) {
            Err(HttpError::Refused(text)) => text,
            other => panic!("{url} would not have been refused: {other:?}"),
        }
    }

    #[test]
    fn a_declared_host_is_allowed_unless_the_operator_limits_them() {
        let list = allow_list(None, &[]).unwrap();
        let target = list
            .target("https://API.track.toggl.com:443/api/v9/me?since=1#top")
            .unwrap();
        assert_eq!(target.host, "api.track.toggl.com");
        assert_eq!(
            target.url.as_str(),
            "https://api.track.toggl.com/api/v9/me?since=1"
        );
        assert!(!target.allow_private_address);
        assert_eq!(
            list.hosts().collect::<Vec<_>>(),
            ["api.track.toggl.com", "other.example"]
        );
    }

    #[test]
    fn a_host_needs_both_the_manifest_and_the_operator() {
        let list = allow_list(Some(&["Api.Track.Toggl.com", "undeclared.example"]), &[]).unwrap();
        assert!(list.target("https://api.track.toggl.com/").is_ok());
        assert_eq!(list.hosts().collect::<Vec<_>>(), ["api.track.toggl.com"]);
        assert!(
            refusal(&list, "https://other.example/")
                .contains("add \"other.example\" to hosts.approved in host.toml")
        );
        let text = refusal(&list, "https://undeclared.example/");
        assert!(
            text.contains("does not declare \"undeclared.example\""),
            "{text}"
        );
        assert!(text.contains("\"api.track.toggl.com\""), "{text}");
    }

    #[test]
    fn an_override_keeps_path_and_query() {
        let list = allow_list(None, &["api.track.toggl.com=http://127.0.0.1:8081"]).unwrap();
        let target = list
            .target("https://api.track.toggl.com/api/v9/a%2Fb?x=%20&y=1")
            .unwrap();
        assert_eq!(
            target.url.as_str(),
            "http://127.0.0.1:8081/api/v9/a%2Fb?x=%20&y=1"
        );
        assert_eq!(target.host, "api.track.toggl.com");
        assert!(target.allow_private_address);
        assert!(
            !list
                .target("https://other.example/")
                .unwrap()
                .allow_private_address
        );
    }

    #[test]
    fn an_override_does_not_approve() {
        let list = allow_list(
            Some(&["other.example"]),
            &["api.track.toggl.com=http://127.0.0.1:8081"],
        )
        .unwrap();
        assert!(refusal(&list, "https://api.track.toggl.com/").contains("hosts.approved"));
    }

    #[test]
    fn urls_that_could_mean_another_place_are_refused() {
        let list = allow_list(None, &["api.track.toggl.com=http://127.0.0.1:8081"]).unwrap();
        for (url, reason) in [
            ("/api/v9/me", "not absolute"),
            ("api.track.toggl.com/me", "not absolute"),
            ("", "not absolute"),
            ("https://", "not absolute"),
            ("file:///etc/passwd", "without a host"),
            ("data:,x", "without a host"),
            ("http://api.track.toggl.com/", "only https"),
            ("ftp://api.track.toggl.com/", "only https"),
            ("https://api.track.toggl.com:8443/", "port 8443"),
            ("https://user@api.track.toggl.com/", "credentials"),
            ("https://user:pw@api.track.toggl.com/", "credentials"),
            ("https://api.track.toggl.com@evil.example/", "credentials"),
            ("https://api.track.toggl.com./", "does not declare"),
            (
                "https://api.track.toggl.com.evil.example/",
                "does not declare",
            ),
            (
                "https://evil.example\\@api.track.toggl.com/",
                "does not declare",
            ),
            ("https://127.0.0.1/", "an address"),
            ("https://2130706433/", "an address"),
            ("https://0x7f.1/", "an address"),
            ("https://[::1]/", "an address"),
        ] {
            let text = refusal(&list, url);
            assert!(text.contains(reason), "{url}: {text}");
        }
    }

    #[test]
    fn configuration_without_effect_is_an_error() {
        let error = allow_list(None, &["api.track.togl.com=http://127.0.0.1:1"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"api.track.togl.com\""), "{error}");
        assert!(
            error.contains("it calls \"api.track.toggl.com\", \"other.example\""),
            "{error}"
        );
        let error = allow_list(Some(&["https://api.track.toggl.com"]), &[]).unwrap_err();
        assert_eq!(
            error,
            AllowListError::Approved("https://api.track.toggl.com".to_owned())
        );
        let error = AllowList::new(&["*.toggl.com".to_owned()], None, &[]).unwrap_err();
        assert_eq!(error, AllowListError::Manifest("*.toggl.com".to_owned()));
    }
}
