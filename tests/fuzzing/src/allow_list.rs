//! Any URL a component may ask for: it leads to an approved host, over https, or nowhere.
//!
//! The input is lines: a URL, an upstream override, and names for the manifest. Its first bytes also
//! are an address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::slice::from_ref;

use integration_host_http::allow_list::Target;
use integration_host_http::{AllowList, HttpError, Upstream, address};
use url::Url;

use crate::assert_is_sentence;

const APPROVED: &str = "api.track.toggl.com";
const NOT_APPROVED: &str = "declared.example";

/// Runs the target.
pub fn run(input: &[u8]) {
    check_addresses(input);
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.split('\n');
    let url = lines.next().unwrap_or_default();
    let upstream = lines.next().unwrap_or_default();
    let names: Vec<String> = lines.map(str::to_owned).collect();

    let declared = [APPROVED.to_owned(), NOT_APPROVED.to_owned()];
    let approved = BTreeSet::from([APPROVED.to_owned()]);
    let list = AllowList::new(&declared, Some(&approved), &[]).expect("two names of hosts");
    check(&list, url, None);
    match upstream.parse::<Upstream>() {
        Ok(upstream) => {
            let shown = upstream.to_string();
            assert_eq!(shown.parse(), Ok(upstream.clone()), "{shown} was shown");
            if let Ok(list) = AllowList::new(&declared, Some(&approved), from_ref(&upstream)) {
                check(&list, url, Some(&upstream));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(list) = AllowList::new(&names, None, &[]) {
        let hosts: Vec<&str> = list.hosts().collect();
        if let Ok(target) = list.target(url) {
            assert!(hosts.contains(&target.host.as_str()), "{target:?}");
        }
    }
}

fn check(list: &AllowList, url: &str, upstream: Option<&Upstream>) {
    let target = match list.target(url) {
        Ok(target) => target,
        Err(HttpError::Refused(reason)) => return assert_is_sentence(&reason),
        Err(other) => panic!("a refusal says that trying again helps: {other}"),
    };
    assert_eq!(target.host, APPROVED, "{url} got through");
    let upstream = upstream.filter(|upstream| upstream.host() == target.host);
    let origin = upstream.map_or_else(
        || Url::parse(&format!("https://{APPROVED}/")).expect("a URL"),
        |upstream| upstream.origin().clone(),
    );
    assert_eq!(
        target.url.origin(),
        origin.origin(),
        "{url} leads elsewhere"
    );
    assert_eq!(target.allow_private_address, upstream.is_some());
    check_as_sent(&target, &origin);
}

/// The client does not send what the URL library understood, but its text: another reader must find
/// the same host in it.
fn check_as_sent(target: &Target, origin: &Url) {
    let text = target.url.as_str();
    assert!(target.url.username().is_empty() && target.url.password().is_none());
    assert_eq!(target.url.fragment(), None);
    // The other reader has a bound of its own on the length.
    if text.len() > 60_000 {
        return;
    }
    let sent: http::Uri = text
        .parse()
        .unwrap_or_else(|error| panic!("{text} cannot be sent: {error}"));
    assert_eq!(sent.host(), origin.host_str(), "{text} is read differently");
    assert_eq!(sent.scheme_str(), Some(origin.scheme()));
    assert_eq!(sent.port_u16(), origin.port(), "{text} is read differently");
}

/// An address that the standard library knows to be no public one is none.
fn check_addresses(input: &[u8]) {
    let Some((bytes, _)) = input.split_first_chunk::<16>() else {
        return;
    };
    let [a, b, c, d, ..] = *bytes;
    let (v4, v6) = (Ipv4Addr::new(a, b, c, d), Ipv6Addr::from(*bytes));
    let is_local_v4 = v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation();
    let is_local_v6 = v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local();
    let is_public = address::is_public(IpAddr::V4(v4));
    assert!(!(is_public && is_local_v4), "{v4} could be called");
    assert!(
        !(address::is_public(IpAddr::V6(v6)) && is_local_v6),
        "{v6} could be called"
    );
    let mapped = address::is_public(IpAddr::V6(v4.to_ipv6_mapped()));
    assert_eq!(mapped, is_public, "{v4} in the notation of IPv6");
}
