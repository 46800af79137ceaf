use axum::http::HeaderMap;
use axum::http::header::COOKIE;

use super::*;
use integration_host_seal::{KeyRing, KeySource, SealingKey};

const TOKEN: &str = "a-token-of-16-or-more";

fn admin_token(token: &str) -> AdminToken {
    let directory = tempfile::tempdir().unwrap();
    AdminToken::obtain(Some(token.into()), directory.path())
        .unwrap()
        .0
}

fn of_ring(ring: KeyRing, token: &str, address: &str) -> Sessions {
    let keys = Arc::new(SealingKeys::from_ring(ring, KeySource::Given));
    Sessions::new(keys, Some(&admin_token(token)), &address.parse().unwrap())
}

fn of_key(key: &SealingKey, token: &str) -> Sessions {
    of_ring(KeyRing::new(key.clone()), token, "http://127.0.0.1:8080")
}

fn sessions() -> Sessions {
    of_key(&SealingKey::generate(), TOKEN)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn begin(sessions: &Sessions, now: Timestamp) -> String {
    sessions.begin(SessionEpoch::new("e"), now)
}

fn name_and_value(set_cookie: &str) -> (&str, &str) {
    set_cookie
        .split(';')
        .next()
        .unwrap()
        .split_once('=')
        .unwrap()
}

/// What a browser sends back for a `Set-Cookie`.
fn read(sessions: &Sessions, set_cookie: &str, now: Timestamp) -> Presented {
    let (name, value) = name_and_value(set_cookie);
    let header = format!("other=1; {name}={value}");
    let headers = HeaderMap::from_iter([(COOKIE, header.parse().unwrap())]);
    sessions.read(&Cookies(&headers), now)
}

fn is_good(sessions: &Sessions, set_cookie: &str, now: Timestamp) -> bool {
    !read(sessions, set_cookie, now).sessions.is_empty()
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[test]
fn every_host_with_the_same_key_and_token_takes_a_session_also_after_a_restart() {
    let (key, other_key) = (SealingKey::generate(), SealingKey::generate());
    let cookie = begin(&of_key(&key, TOKEN), at(0));
    assert!(
        is_good(&of_key(&key, TOKEN), &cookie, at(1)),
        "signed out by a restart, or by another host"
    );
    let another = read(&of_key(&key, "another-token-of-16"), &cookie, at(1));
    assert!(another.sessions.is_empty(), "the old token still opens");
    assert!(
        another.forged.is_empty(),
        "whoever was signed in before is taken for a guesser"
    );
    let elsewhere = read(&of_key(&other_key, TOKEN), &cookie, at(1));
    assert!(elsewhere.sessions.is_empty(), "the token is the key");
    assert_eq!(elsewhere.forged.len(), 1);
}

#[test]
fn a_session_ends_with_the_sealing_key_it_began_with() {
    let (old, new) = (SealingKey::generate(), SealingKey::generate());
    let address = "http://127.0.0.1:8080";
    let begun = begin(&of_key(&old, TOKEN), at(0));
    let between = KeyRing::new(new.clone()).with_older(old.clone());
    let between = of_ring(between, TOKEN, address);
    let session = &read(&between, &begun, at(7 * HOUR)).sessions[0];
    let renewed = between.renew(session, at(7 * HOUR)).unwrap();
    assert!(
        is_good(&of_key(&old, TOKEN), &renewed, at(8 * HOUR)),
        "a host that has the new key not yet signs people out"
    );
    for cookie in [&begun, &renewed] {
        assert!(is_good(&between, cookie, at(8 * HOUR)));
        assert!(
            !is_good(&of_key(&new, TOKEN), cookie, at(8 * HOUR)),
            "whoever had the old key is still in"
        );
    }
    let later = begin(&between, at(0));
    assert!(is_good(&of_key(&new, TOKEN), &later, at(1)));
}

#[test]
fn scripts_and_other_sites_do_not_get_the_cookie() {
    let cookie = begin(&sessions(), at(0));
    for attribute in [
        "session-8080=",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/;",
        "Max-Age=43200",
    ] {
        assert!(format!("{cookie};").contains(attribute), "{cookie}");
    }
    assert!(
        !cookie.contains("Secure"),
        "http on this machine would lose it"
    );
    let public = |address: &str| {
        let ring = KeyRing::new(SealingKey::generate());
        begin(&of_ring(ring, TOKEN, address), at(0))
    };
    let root = public("https://host.example.com");
    assert!(root.starts_with("__Host-session-443="), "{root}");
    assert!(root.contains("Secure") && format!("{root};").contains("Path=/;"));
    let (time, plans) = (
        public("https://host.example.com/time"),
        public("https://host.example.com/plans/"),
    );
    assert!(time.starts_with("__Host-") && format!("{time};").contains("Path=/;"));
    assert_ne!(
        name_and_value(&time).0,
        name_and_value(&plans).0,
        "signing in at one console signs out at the other"
    );
    let path = public("http://127.0.0.1:8080/time/");
    assert!(format!("{path};").contains("Path=/time;"), "{path}");
}

#[test]
fn whatever_was_changed_in_a_cookie_is_found_out() {
    let sessions = sessions();
    let cookie = begin(&sessions, at(0));
    let (name, value) = name_and_value(&cookie);
    let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
    let is_forged = |value: &str| {
        let presented = read(&sessions, &format!("{name}={value}"), at(1));
        presented.sessions.is_empty() && presented.forged == [value]
    };
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert!(is_forged(&URL_SAFE_NO_PAD.encode(changed)), "byte {index}");
    }
    for length in 1..bytes.len() {
        let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
        assert!(is_forged(&cut), "{length} bytes");
    }
    assert!(is_forged("nonsense?"));
}

#[test]
fn further_cookies_of_the_same_name_sign_nobody_out() {
    let sessions = sessions();
    let cookie = begin(&sessions, at(0));
    let (name, value) = name_and_value(&cookie);
    for header in [
        format!("{name}=x; {name}={value}"),
        format!("{name}={value}; {name}=x"),
        format!("{name}=; {name}=x; {name}=y; {name}={value}"),
    ] {
        let headers = HeaderMap::from_iter([(COOKIE, header.parse().unwrap())]);
        let presented = sessions.read(&Cookies(&headers), at(1));
        assert_eq!(presented.sessions.len(), 1, "{header}");
    }
    let many = vec![format!("{name}=x"); 1000].join("; ");
    let headers = HeaderMap::from_iter([(COOKIE, many.parse().unwrap())]);
    let presented = sessions.read(&Cookies(&headers), at(1));
    assert_eq!(presented.forged.len(), MOST_COOKIES);
}

#[test]
fn a_session_is_prolonged_when_half_of_its_time_is_over_and_ends_after_30_days() {
    let sessions = sessions();
    let mut cookie = begin(&sessions, at(0));
    let read_at = |cookie: &str, seconds| read(&sessions, cookie, at(seconds)).sessions.pop();
    let first = read_at(&cookie, 1).unwrap();
    assert!(sessions.renew(&first, at(5 * HOUR)).is_none());
    assert!(read_at(&cookie, 12 * HOUR).is_none(), "it never expires");
    // Somebody who looks every hour.
    let mut signed_out_after = None;
    for hour in 1..=31 * 24 {
        let Some(session) = read_at(&cookie, hour * HOUR) else {
            signed_out_after = Some(hour);
            break;
        };
        assert_eq!(session.id(), first.id());
        if let Some(renewed) = sessions.renew(&session, at(hour * HOUR)) {
            cookie = renewed;
        }
    }
    assert_eq!(signed_out_after, Some(30 * 24));
}

#[test]
fn a_clock_that_was_ahead_makes_no_session_that_lasts() {
    let sessions = sessions();
    let cookie = begin(&sessions, at(365 * DAY));
    assert!(is_good(&sessions, &cookie, at(365 * DAY + 1)));
    assert!(!is_good(&sessions, &cookie, at(0)));
    // The clocks of two hosts.
    assert!(is_good(&sessions, &cookie, at(365 * DAY - 2)));
}
