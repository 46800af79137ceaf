//! Sessions: a signed cookie, so that they outlive a restart and every host takes them that has the same sealing key.
//! Another admin token ends them all, and so does taking away the sealing key they began with. That somebody signed
//! out is remembered by the [ledger](integration_host_ledger::Sessions).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use hmac::Mac as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::viewer::Cookies;
use crate::AdminToken;
use integration_host_contract::id::{SessionEpoch, SessionId, random_bytes};
use integration_host_seal::{DerivedKey, SealingKeys, keyed};

/// After that time without a visit a person signs in again.
const LIFETIME: Duration = Duration::from_hours(12);
/// After that time a person signs in again, however often they come.
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// How far the clocks of hosts may be apart. A session that began later than now began by a clock that was wrong.
const TOLERANCE: Duration = Duration::from_mins(1);

/// What the keys are derived for: one signs, and the other one hides which admin token a session was opened with.
const SIGNING: &str = "console session";
const BINDING: &str = "console session: admin token";

/// Cookies of one name that are looked at. Other sites of the same domain can add some, and each costs time.
const MOST_COOKIES: usize = 8;

const ID_BYTES: usize = 16;
const BINDING_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const TAG_BYTES: usize = 32;

/// The sessions of a host.
pub(crate) struct Sessions {
    keys: Arc<SealingKeys>,
    /// Of the admin token; without one, of nothing that anybody knows.
    token_digest: [u8; 32],
    cookie_name: String,
    cookie_path: String,
    is_https: bool,
}

/// A session that was read from its cookie.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    id: [u8; ID_BYTES],
    /// Tells the admin token that opened it, to whoever has the key.
    binding: [u8; BINDING_BYTES],
    began_at: Timestamp,
    expires_at: Timestamp,
    epoch: SessionEpoch,
    /// What signs its cookie: it ends with the sealing key that this was derived from.
    key: DerivedKey,
}

/// What the cookies of a request are worth.
#[derive(Debug, Default)]
pub(super) struct Presented {
    /// Sessions that are good, unless the ledger knows that they were ended.
    pub(super) sessions: Vec<Session>,
    /// Cookies that this host has not signed with a key it has.
    pub(super) forged: Vec<String>,
}

impl Session {
    /// Its id, which it keeps when it is prolonged.
    pub(super) fn id(&self) -> SessionId {
        SessionId::new(hex::encode(self.id))
    }

    /// The epoch it began in.
    pub(super) fn epoch(&self) -> &SessionEpoch {
        &self.epoch
    }

    fn expires_at(began_at: Timestamp, now: Timestamp) -> Timestamp {
        let last = began_at.saturating_add(LONGEST).unwrap_or(began_at);
        now.saturating_add(LIFETIME).unwrap_or(now).min(last)
    }
}

impl Sessions {
    /// Sessions that are good as long as the admin token is this one.
    pub(crate) fn new(
        keys: Arc<SealingKeys>,
        token: Option<&AdminToken>,
        public_url: &Url,
    ) -> Self {
        let is_https = public_url.scheme() == "https";
        let port = public_url.port_or_known_default().unwrap_or_default();
        let path = public_url.path().trim_end_matches('/');
        // Browsers keep cookies of all ports of a machine together.
        let name = format!("session-{port}");
        let (cookie_name, cookie_path) = match (is_https, path) {
            // With this prefix, no other site of the domain can set one.
            (true, "") => (format!("__Host-{name}"), "/"),
            // It demands the path `/`, where consoles below other paths have theirs too.
            (true, path) => {
                let digest = Sha256::digest(path);
                let mark = hex::encode(digest.get(..4).unwrap_or_default());
                (format!("__Host-{name}-{mark}"), "/")
            }
            (false, "") => (name, "/"),
            (false, path) => (name, path),
        };
        Self {
            keys,
            token_digest: token
                .map_or_else(random_bytes, |token| Sha256::digest(token.expose()).into()),
            cookie_path: cookie_path.to_owned(),
            cookie_name,
            is_https,
        }
    }

    /// The cookie of a new session.
    pub(super) fn begin(&self, epoch: SessionEpoch, now: Timestamp) -> String {
        let ring = self.keys.ring();
        let first = |keys: Vec<DerivedKey>| keys.into_iter().next().unwrap_or_default();
        let session = Session {
            id: random_bytes(),
            binding: self.binding(&first(ring.derived(BINDING))),
            began_at: now,
            expires_at: Session::expires_at(now, now),
            epoch,
            key: first(ring.derived(SIGNING)),
        };
        self.cookie(&session, now)
    }

    /// What the cookies of a request are worth. Only the ledger knows whether somebody has signed out.
    pub(super) fn read(&self, cookies: &Cookies<'_>, now: Timestamp) -> Presented {
        let mut presented = Presented::default();
        let values: Vec<_> = cookies
            .all(&self.cookie_name)
            .take(MOST_COOKIES)
            .filter(|value| !value.is_empty())
            .collect();
        if values.is_empty() {
            return presented;
        }
        let ring = self.keys.ring();
        let keys = ring.derived(SIGNING).into_iter();
        let keys: Vec<_> = keys.zip(ring.derived(BINDING)).collect();
        for value in values {
            match verify(&value, &keys) {
                None => presented.forged.push(value),
                Some((session, binding)) if self.is_good(&session, binding, now) => {
                    presented.sessions.push(session);
                }
                Some(_) => {}
            }
        }
        presented
    }

    /// The cookie that prolongs a session whose time is half over, unless it is over soon in any case.
    pub(super) fn renew(&self, session: &Session, now: Timestamp) -> Option<String> {
        let expires_at = Session::expires_at(session.began_at, now);
        let half = now.saturating_add(LIFETIME / 2).unwrap_or(now);
        let is_due = session.expires_at < half && session.expires_at < expires_at;
        is_due.then(|| {
            let renewed = Session {
                expires_at,
                ..session.clone()
            };
            self.cookie(&renewed, now)
        })
    }

    /// The cookie that takes a session out of the browser.
    pub(super) fn removal(&self) -> String {
        let mut cookie = self.attributes(String::new());
        cookie.make_removal();
        cookie.to_string()
    }

    fn is_good(&self, session: &Session, binding: &DerivedKey, now: Timestamp) -> bool {
        let is_present_token: bool = session.binding.ct_eq(&self.binding(binding)).into();
        let latest = now.saturating_add(TOLERANCE).unwrap_or(now);
        is_present_token && session.began_at <= latest && now < session.expires_at
    }

    fn binding(&self, key: &DerivedKey) -> [u8; BINDING_BYTES] {
        let digest = keyed(key).chain_update(self.token_digest).finalize();
        let bytes: [u8; 32] = digest.into_bytes().into();
        let (binding, _) = bytes
            .split_first_chunk()
            .unwrap_or((&[0; BINDING_BYTES], &[]));
        *binding
    }

    fn cookie(&self, session: &Session, now: Timestamp) -> String {
        let mut value = session.id.to_vec();
        value.extend_from_slice(&session.binding);
        value.extend_from_slice(&session.began_at.as_second().to_be_bytes());
        value.extend_from_slice(&session.expires_at.as_second().to_be_bytes());
        value.extend_from_slice(session.epoch.as_str().as_bytes());
        let tag = keyed(&session.key).chain_update(&value).finalize();
        value.extend_from_slice(&tag.into_bytes());
        let mut cookie = self.attributes(URL_SAFE_NO_PAD.encode(value));
        let left = session.expires_at.as_second() - now.as_second();
        cookie.set_max_age(cookie::time::Duration::seconds(left));
        cookie.to_string()
    }

    fn attributes(&self, value: String) -> Cookie<'static> {
        Cookie::build((self.cookie_name.clone(), value))
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(self.is_https)
            .path(self.cookie_path.clone())
            .build()
    }
}

/// The session in a cookie that was signed with one of these keys, and the key beside that one.
fn verify<'a>(
    value: &str,
    keys: &'a [(DerivedKey, DerivedKey)],
) -> Option<(Session, &'a DerivedKey)> {
    let value = URL_SAFE_NO_PAD.decode(value).ok()?;
    let (signed, tag) = value.split_last_chunk::<TAG_BYTES>()?;
    let (key, binding_key) = keys.iter().find(|(key, _)| {
        let signer = keyed(key).chain_update(signed);
        signer.verify_slice(tag).is_ok()
    })?;
    let (id, rest) = signed.split_first_chunk::<ID_BYTES>()?;
    let (binding, rest) = rest.split_first_chunk::<BINDING_BYTES>()?;
    let (began_at, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
    let (expires_at, epoch) = rest.split_first_chunk::<TIME_BYTES>()?;
    let time = |bytes: &[u8; TIME_BYTES]| Timestamp::from_second(i64::from_be_bytes(*bytes)).ok();
    let session = Session {
        id: *id,
        binding: *binding,
        began_at: time(began_at)?,
        expires_at: time(expires_at)?,
        epoch: SessionEpoch::new(std::str::from_utf8(epoch).ok()?),
        key: key.clone(),
    };
    Some((session, binding_key))
}

#[cfg(test)]
mod tests;
