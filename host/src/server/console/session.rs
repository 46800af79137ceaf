//! Sessions: a signed cookie, so that they outlive a restart and every host that knows the admin token
//! takes them. Another admin token ends them all.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use lru::LruCache;
use sha2::Sha256;
use url::Url;

use super::viewer::Cookies;
use crate::id::random_bytes;
use crate::server::AdminToken;

/// After that time without a visit a person signs in again.
const LIFETIME: Duration = Duration::from_hours(12);

/// Sessions that somebody signed out of and that would still be good are remembered, so many.
const MOST_ENDED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

const ID_BYTES: usize = 16;
const EXPIRY_BYTES: usize = 8;
const TAG_BYTES: usize = 32;

/// The sessions of a host.
pub(in crate::server) struct Sessions {
    signer: Hmac<Sha256>,
    cookie_name: String,
    is_https: bool,
    ended: Mutex<LruCache<[u8; ID_BYTES], ()>>,
}

/// A session that was read from its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    id: [u8; ID_BYTES],
    expires_at: Timestamp,
}

/// Names a session. Without the cookie's signature it opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionId([u8; ID_BYTES]);

impl SessionId {
    #[cfg(test)]
    pub(super) const fn for_test(byte: u8) -> Self {
        Self([byte; ID_BYTES])
    }
}

impl Session {
    /// Its id, which it keeps when it is prolonged.
    pub(super) fn id(&self) -> SessionId {
        SessionId(self.id)
    }
}

impl Sessions {
    /// Sessions that are good as long as the admin token is this one.
    pub(in crate::server) fn new(token: &AdminToken, public_url: &Url) -> Self {
        let is_https = public_url.scheme() == "https";
        let port = public_url.port_or_known_default().unwrap_or_default();
        Self {
            signer: signer(token),
            // Browsers keep cookies of all ports of a machine together.
            cookie_name: format!("session-{port}"),
            is_https,
            ended: Mutex::new(LruCache::new(MOST_ENDED)),
        }
    }

    /// The cookie of a new session.
    pub(super) fn begin(&self) -> String {
        self.cookie(random_bytes())
    }

    /// The session of a request, if it has one that is good.
    pub(super) fn read(&self, cookies: &Cookies<'_>) -> Option<Session> {
        let session = self.verify(&cookies.get(&self.cookie_name)?)?;
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = session.expires_at > Timestamp::now() && ended.get(&session.id).is_none();
        is_good.then_some(session)
    }

    /// The cookie that prolongs a session whose time is half over.
    pub(super) fn renew(&self, session: &Session) -> Option<String> {
        let half = Timestamp::now() + LIFETIME / 2;
        (session.expires_at < half).then(|| self.cookie(session.id))
    }

    /// Ends a session. The cookie that takes it out of the browser.
    pub(super) fn end(&self, session: Option<Session>) -> String {
        if let Some(session) = session {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.put(session.id, ());
        }
        let mut cookie = self.attributes(String::new());
        cookie.make_removal();
        cookie.to_string()
    }

    fn cookie(&self, id: [u8; ID_BYTES]) -> String {
        let expires_at = (Timestamp::now() + LIFETIME).as_second();
        let mut value = id.to_vec();
        value.extend_from_slice(&expires_at.to_be_bytes());
        let tag = self.signer.clone().chain_update(&value).finalize();
        value.extend_from_slice(&tag.into_bytes());
        let mut cookie = self.attributes(URL_SAFE_NO_PAD.encode(value));
        cookie.set_max_age(cookie::time::Duration::seconds(LIFETIME.as_secs() as i64));
        cookie.to_string()
    }

    fn attributes(&self, value: String) -> Cookie<'static> {
        Cookie::build((self.cookie_name.clone(), value))
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(self.is_https)
            .path("/")
            .build()
    }

    fn verify(&self, value: &str) -> Option<Session> {
        let value = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (signed, tag) = value.split_last_chunk::<TAG_BYTES>()?;
        let signer = self.signer.clone().chain_update(signed);
        signer.verify_slice(tag).ok()?;
        let (id, expiry) = signed.split_first_chunk::<ID_BYTES>()?;
        let expiry: [u8; EXPIRY_BYTES] = expiry.try_into().ok()?;
        Some(Session {
            id: *id,
            expires_at: Timestamp::from_second(i64::from_be_bytes(expiry)).ok()?,
        })
    }
}

/// The key is for sessions alone, whatever else the token may sign one day.
#[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn signer(token: &AdminToken) -> Hmac<Sha256> {
    let derive = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    let key = derive(token.expose().as_bytes()).chain_update(b"console session");
    derive(&key.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::COOKIE;

    use super::*;

    fn sessions(token: &str) -> Sessions {
        let directory = tempfile::tempdir().unwrap();
        let (token, _) = AdminToken::obtain(Some(token.into()), directory.path()).unwrap();
        Sessions::new(&token, &"http://127.0.0.1:8080".parse().unwrap())
    }

    /// What a browser sends back for a `Set-Cookie`.
    fn sent_back(set_cookie: &str) -> HeaderMap {
        let pair = set_cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, format!("other=1; {pair}").parse().unwrap())])
    }

    fn read(sessions: &Sessions, set_cookie: &str) -> Option<Session> {
        sessions.read(&Cookies(&sent_back(set_cookie)))
    }

    #[test]
    fn a_session_outlives_a_restart_but_not_another_admin_token() {
        let cookie = sessions("a").begin();
        assert!(
            read(&sessions("a"), &cookie).is_some(),
            "signed out by a restart"
        );
        assert_eq!(
            read(&sessions("b"), &cookie),
            None,
            "the old token still opens"
        );
    }

    #[test]
    fn scripts_and_other_sites_do_not_get_the_cookie() {
        let cookie = sessions("a").begin();
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(
            !cookie.contains("Secure"),
            "http on this machine would lose it"
        );
        let directory = tempfile::tempdir().unwrap();
        let (token, _) = AdminToken::obtain(Some("a".into()), directory.path()).unwrap();
        let public = Sessions::new(&token, &"https://host.example.com".parse().unwrap());
        assert!(public.begin().contains("Secure"));
    }

    #[test]
    fn whatever_was_changed_in_a_cookie_is_found_out() {
        let sessions = sessions("a");
        let cookie = sessions.begin();
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(
                read(&sessions, &format!("{name}={changed}")),
                None,
                "byte {index}"
            );
        }
        for length in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert_eq!(
                read(&sessions, &format!("{name}={cut}")),
                None,
                "{length} bytes"
            );
        }
    }

    #[test]
    fn signing_out_ends_the_session_even_for_who_copied_the_cookie() {
        let sessions = sessions("a");
        let cookie = sessions.begin();
        let other = sessions.begin();
        let session = read(&sessions, &cookie).unwrap();
        assert!(sessions.end(Some(session)).contains("Max-Age=0"));
        assert_eq!(read(&sessions, &cookie), None);
        assert!(
            read(&sessions, &other).is_some(),
            "somebody else was signed out"
        );
    }

    #[test]
    fn a_session_is_prolonged_when_half_of_its_time_is_over() {
        let sessions = sessions("a");
        let mut session = read(&sessions, &sessions.begin()).unwrap();
        assert_eq!(sessions.renew(&session), None);
        session.expires_at = Timestamp::now() + Duration::from_hours(5);
        let renewed = sessions.renew(&session).unwrap();
        assert_eq!(read(&sessions, &renewed).unwrap().id, session.id);
    }
}
