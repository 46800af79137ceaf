//! Who sent a request, as far as limits are concerned.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use super::open_connections::ConnectionHandle;

/// What proxies add the address to that they were called from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whom a request is counted against: an IPv4 address, or an IPv6 network of 64 bits, because whoever has
/// one address of such a network has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl Source {
    /// The source of a request from this address.
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        })
    }

    /// The source that was noted with a request. Every request has one: without it, it is not let in.
    pub(super) fn noted(extensions: &Extensions) -> Self {
        let nobody = Self(Ipv6Addr::UNSPECIFIED.into());
        extensions.get().copied().unwrap_or(nobody)
    }

    /// The network it belongs to.
    pub(super) fn network(self) -> Network {
        Network(match self.0 {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !((1 << 80) - 1)).into(),
        })
    }
}

/// Sources that are often one owner's: 24 bits of an IPv4 address, 48 of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Network(IpAddr);

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(formatter, "{address}/24"),
            IpAddr::V6(address) => write!(formatter, "{address}/48"),
        }
    }
}

/// Who asks, as far as the server knows while it answers.
#[derive(Clone)]
pub(super) struct Requester {
    connection: Option<ConnectionHandle>,
    is_known: Arc<AtomicBool>,
}

impl Requester {
    pub(super) fn new(connection: Option<ConnectionHandle>) -> Self {
        Self {
            connection,
            is_known: Arc::default(),
        }
    }

    /// The one that was noted with a request.
    pub(super) fn noted(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self::new(None))
    }

    /// It has the admin token, or is signed in.
    pub(super) fn admit(&self) {
        self.is_known.store(true, Ordering::Relaxed);
        self.keep_connection();
    }

    /// Whether it has the admin token, or is signed in.
    pub(super) fn was_admitted(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Its connection is not closed for others until this request is answered.
    pub(super) fn keep_connection(&self) {
        if let Some(connection) = &self.connection {
            connection.keep();
        }
    }
}

/// The address that a connection came from, if the server tells it.
pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip())
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(formatter),
            IpAddr::V6(network) => write!(formatter, "{network}/64"),
        }
    }
}

/// The reverse proxies whose word is taken for where a request comes from.
///
/// Only `X-Forwarded-For` is read. Proxies that set it pass on a client's `Forwarded` unchanged, and
/// the other way round, so that believing both would let a client choose its address.
pub(super) struct TrustedProxies {
    networks: Vec<IpNet>,
    has_warned: AtomicBool,
}

impl TrustedProxies {
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self {
            networks,
            has_warned: AtomicBool::new(false),
        }
    }

    /// Whether this is one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Where a request comes from that `peer` handed over: the last address in the chain that is
    /// no trusted proxy. Everything before it could be made up.
    pub(super) fn source(&self, peer: IpAddr, headers: &HeaderMap) -> Source {
        let mut client = peer.to_canonical();
        if self.contains(client) {
            for hop in forwarded_for(headers) {
                let Some(address) = hop.and_then(parse_hop) else {
                    break;
                };
                client = address;
                if !self.contains(client) {
                    break;
                }
            }
        } else if headers.contains_key(FORWARDED_FOR) && is_near(client) {
            self.warn_once(client);
        }
        Source::of(client)
    }

    fn warn_once(&self, peer: IpAddr) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "requests come through a proxy that is not trusted, so limits take all its clients for one; name it in `trusted_proxies`"
            );
        }
    }
}

/// The addresses of the chain, nearest first; `None` for what is no text.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<&str>> {
    headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|value| value.to_str().unwrap_or("?").rsplit(','))
        .map(|hop| Some(hop.trim()))
}

/// An address, with or without a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip()).ok();
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = hop.parse::<IpAddr>().ok();
    Some(
        address
            .or_else(with_port)
            .or_else(bracketed)?
            .to_canonical(),
    )
}

/// Whether this is where one's own proxies are.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies =
            TrustedProxies::new(trusted.iter().map(|text| text.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        proxies.source(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_chooses_the_address_that_counts() {
        let proxy = ["10.0.0.0/8"];
        for (trusted, peer, forwarded, expected) in [
            (&[][..], "10.0.0.1", &["1.2.3.4"][..], "10.0.0.1"),
            (&proxy, "5.6.7.8", &["1.2.3.4"], "5.6.7.8"),
            (&proxy, "10.0.0.1", &[], "10.0.0.1"),
            (&proxy, "10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            (&proxy, "10.0.0.1", &["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
            (&proxy, "10.0.0.1", &["9.9.9.9", "1.2.3.4"], "1.2.3.4"),
            (
                &proxy,
                "10.0.0.1",
                &["9.9.9.9, 1.2.3.4, 10.0.0.2"],
                "1.2.3.4",
            ),
            (&proxy, "10.0.0.1", &["1.2.3.4:4711"], "1.2.3.4"),
            (&proxy, "10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1"),
            (&proxy, "10.0.0.1", &["1.2.3.4,"], "10.0.0.1"),
            (&proxy, "::ffff:10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            (&proxy, "10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::/64"),
            (&proxy, "10.0.0.1", &["[2001:db8::1]"], "2001:db8::/64"),
        ] {
            assert_eq!(
                source(trusted, peer, forwarded),
                expected,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn neighbours_are_one_network() {
        let network = |address: &str| Source::of(address.parse().unwrap()).network().to_string();
        assert_eq!(network("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network("::ffff:192.0.2.78"), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2:3::4"), "2001:db8:1::/48");
    }

    #[test]
    fn all_addresses_of_one_network_of_64_bits_are_one_source() {
        assert_eq!(
            source(&[], "2001:db8:0:1:2::3", &[]),
            source(&[], "2001:db8:0:1::4", &[])
        );
        assert_ne!(
            source(&[], "2001:db8:0:1::", &[]),
            source(&[], "2001:db8:0:2::", &[])
        );
    }
}
