//! A proxy between this machine and the internet.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;
use url::{Host, Url};

use super::address::is_loopback;
use integration_host_contract::sentence::names_credential;

/// An HTTP proxy that requests by https go through, and the hosts that are reached without it. By CONNECT it learns names
/// and ports; what is sent is encrypted from this program to the remote service.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressProxy {
    url: Url,
    exempt: Vec<Exempt>,
}

/// Who is reached without the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exempt {
    Everybody,
    /// A host and what is below it.
    Name(String),
    Network(IpNet),
}

/// A text is no address of a proxy. It is not repeated, as it may hold a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it must be the address of an HTTP proxy, such as http://proxy.example.com:3128")]
pub struct EgressProxyError;

impl EgressProxy {
    /// The proxy at an address such as `http://proxy.example.com:3128`, with a name and password before an `@` if it wants
    /// them. `exempt` is a list like that of `NO_PROXY`: hosts, with all that is below them, addresses and networks, with
    /// commas between them, or `*` for all.
    ///
    /// # Errors
    /// It is no such address.
    pub fn new(address: &str, exempt: &str) -> Result<Self, EgressProxyError> {
        let address = address.trim();
        let with_scheme = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        let url = Url::parse(&with_scheme).map_err(|_| EgressProxyError)?;
        let is_proxy = !names_credential(address)
            && matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        let exempt = exempt.split([',', ' ']).filter_map(Exempt::read).collect();
        is_proxy
            .then_some(Self { url, exempt })
            .ok_or(EgressProxyError)
    }

    /// Its address, with what it wants to know of this program.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether requests to this URL go through it: those by https to anybody but this machine and whoever is exempt.
    pub(super) fn applies_to(&self, url: &Url) -> bool {
        url.scheme() == "https"
            && !is_loopback(url)
            && url
                .host()
                .is_some_and(|host| !self.exempt.iter().any(|exempt| exempt.covers(&host)))
    }
}

impl Exempt {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::Everybody);
        }
        let address = text.parse::<IpAddr>().map(IpNet::from);
        if let Ok(network) = address.or_else(|_| text.parse()) {
            return Some(Self::Network(network));
        }
        let name = text.trim_start_matches('*').trim_start_matches('.');
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        (!name.is_empty()).then(|| Self::Name(name.to_ascii_lowercase()))
    }

    fn covers(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Everybody, _) => true,
            (Self::Name(name), Host::Domain(host)) => host
                .strip_suffix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            (Self::Network(network), Host::Ipv4(host)) => network.contains(&IpAddr::from(*host)),
            (Self::Network(network), Host::Ipv6(host)) => network.contains(&IpAddr::from(*host)),
            _ => false,
        }
    }
}

/// Without name and password.
impl fmt::Display for EgressProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port_or_known_default() {
            Some(port) => write!(formatter, "{host}:{port}"),
            None => formatter.write_str(host),
        }
    }
}

impl fmt::Debug for EgressProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_for_https_to_everybody_who_is_not_exempt() {
        let exempt = "idp.example.com, .corp.example,10.0.0.0/8 192.0.2.7,*.wild.example:8443";
        let proxy = EgressProxy::new("http://u:hush@proxy.example.com:3128", exempt).unwrap();
        for (url, applies) in [
            ("https://api.track.toggl.com/me", true),
            ("http://api.track.toggl.com/me", false),
            ("https://localhost:9000/", false),
            ("https://127.0.0.1/", false),
            ("https://idp.example.com/", false),
            ("https://a.idp.example.com/", false),
            ("https://notidp.example.com/", true),
            ("https://idp.corp.example/", false),
            ("https://a.wild.example/", false),
            ("https://10.1.2.3/", false),
            ("https://192.0.2.7/", false),
            ("https://192.0.2.8/", true),
        ] {
            assert_eq!(proxy.applies_to(&url.parse().unwrap()), applies, "{url}");
        }
        let nobody = EgressProxy::new("proxy:3128", "*").unwrap();
        assert!(!nobody.applies_to(&"https://api.track.toggl.com".parse().unwrap()));
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "proxy.example.com:3128 proxy.example.com:3128"
        );
        assert_eq!(nobody.to_string(), "proxy:3128");
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_without_being_repeated() {
        for wrong in [
            "",
            "socks5://u:hush@proxy:1080",
            "http://",
            "http://u:hush@proxy:port",
            "http://u:hush@proxy/path",
            "http://u:pa/hush@proxy",
            "http://u:pa?hush@proxy",
            "password=hush",
        ] {
            let error = EgressProxy::new(wrong, "").unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
